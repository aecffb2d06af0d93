package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"plumbline/internal/fault"
	"plumbline/internal/store"
)

// tables of the suite, in the column types that migrations may use.
var tables = fstest.MapFS{"0001_suite.sql": {Data: []byte(`
CREATE TABLE item (k TEXT PRIMARY KEY, v BIGINT NOT NULL);
CREATE TABLE shadow (k TEXT PRIMARY KEY, v BIGINT NOT NULL);
CREATE TABLE kinds (id BIGINT PRIMARY KEY, t TEXT, b BYTEA, f DOUBLE PRECISION, n BIGINT);
`)}}

const (
	insertItem   = `INSERT INTO item (k, v) VALUES ($1, $2)`
	insertShadow = `INSERT INTO shadow (k, v) VALUES ($1, $2)`
)

// Run checks every promise of package store on one kind of database. open gives a fresh, empty one.
func Run(t *testing.T, kind Named) {
	for _, tt := range []struct {
		name string
		test func(t *testing.T, db *store.DB)
	}{
		{"what is committed can be read", testCommit},
		{"an error undoes everything", testError},
		{"a panic undoes everything and reaches its caller", testPanic},
		{"a goroutine that ends inside a transaction undoes everything", testGoexit},
		{"a failed statement cannot be ignored", testDroppedError},
		{"one statement at a time", testOpenRows},
		{"a transaction is over when its function returns", testOver},
		{"a savepoint fails by itself", testSavepoint},
		{"errors carry their meaning", testErrors},
		{"values come back as they went", testValues},
		{"values that only one database takes are refused", testRefusedValues},
		{"a reader sees one state", testSnapshot},
		{"a reader does not wait for a writer", testReadBesideWrite},
		{"a reader cannot write", testReadOnly},
		{"a reader's long query ends with its context", testCancelledRead},
		{"a transaction inside a transaction fails at once", testNested},
		{"after-commit functions run once, after the commit", testAfterCommit},
		{"a context that ended before its turn", testContextBefore},
		{"a context that ends during the transaction", testContextDuring},
		{"a context that ends after the last statement", testContextLate},
		{"no update is lost", testCounter},
		{"no write skew", testWriteSkew},
		{"work ordered by a locked row", testLocking},
		{"failures among neighbours", testNeighbours},
		{"many rows", testInsertMany},
		{"ids rise", testIDs},
		{"a lease has one holder", testLease},
		{"a lease taken over fences its former holder", testLeaseFence},
		{"many want one lease", testLeaseContest},
		{"held work is renewed and ended", testHold},
		{"closed", testClosed},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.test(t, migrated(t, kind)) })
	}
	t.Run("migrations", func(t *testing.T) { runMigrations(t, kind) })
	t.Run("faults", func(t *testing.T) { runFaults(t, kind) })
}

func migrated(t testing.TB, kind Named, opts ...store.Option) *store.DB {
	t.Helper()
	db := kind.Open(t, opts...)
	must(t, db.Migrate(t.Context(), tables))
	return db
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func put(ctx context.Context, tx *store.Tx, k string, v int64) error {
	_, err := tx.Exec(ctx, insertItem, k, v)
	return err
}

// items reads the keys of table item, in order, with their values.
func items(t testing.TB, db *store.DB) string {
	t.Helper()
	return content(t, db, "item")
}

func content(t testing.TB, db *store.DB, table string) string {
	t.Helper()
	var all []string
	must(t, db.Read(context.Background(), func(tx *store.Tx) error {
		rows, err := tx.Query(context.Background(), `SELECT k, v FROM `+table+` ORDER BY k`)
		if err != nil {
			return err
		}
		all, err = store.Collect(rows, func(r *store.Rows) (string, error) {
			var k string
			var v int64
			err := r.Scan(&k, &v)
			return fmt.Sprintf("%s=%d", k, v), err
		})
		return err
	}))
	return strings.Join(all, " ")
}

func wantItems(t testing.TB, db *store.DB, want string) {
	t.Helper()
	if got := items(t, db); got != want {
		t.Errorf("table item holds %q, want %q", got, want)
	}
}

func testCommit(t *testing.T, db *store.DB) {
	ctx := t.Context()
	must(t, db.Tx(ctx, func(tx *store.Tx) error {
		if err := put(ctx, tx, "a", 1); err != nil {
			return err
		}
		var v int64
		if err := tx.QueryRow(ctx, `UPDATE item SET v = v + $2 WHERE k = $1 RETURNING v`, "a", 41).Scan(&v); err != nil {
			return err
		}
		if v != 42 {
			t.Errorf("RETURNING gave %d, want 42", v)
		}
		n, err := tx.Affected(ctx, `UPDATE item SET v = v WHERE k = $1`, "nobody")
		if n != 0 {
			t.Errorf("%d rows affected, want none", n)
		}
		return err
	}))
	wantItems(t, db, "a=42")
}

func testError(t *testing.T, db *store.DB) {
	ctx := t.Context()
	boom := errors.New("boom")
	err := db.Tx(ctx, func(tx *store.Tx) error {
		if err := put(ctx, tx, "a", 1); err != nil {
			return err
		}
		return boom
	})
	if !errors.Is(err, boom) {
		t.Errorf("Tx returned %v, want the error of its function", err)
	}
	wantItems(t, db, "")
}

func testPanic(t *testing.T, db *store.DB) {
	ctx := t.Context()
	func() {
		defer func() {
			if r := recover(); r != "boom" {
				t.Errorf("recovered %v, want boom", r)
			}
			wantItems(t, db, "") // already undone when the panic passes
		}()
		_ = db.Tx(ctx, func(tx *store.Tx) error {
			must(t, put(ctx, tx, "a", 1))
			panic("boom")
		})
	}()
	must(t, db.Tx(ctx, func(tx *store.Tx) error { return put(ctx, tx, "b", 2) }))
	wantItems(t, db, "b=2")

	func() {
		defer func() { _ = recover() }() // the point is what comes after
		_ = db.Read(ctx, func(tx *store.Tx) error { panic("boom in a reader") })
	}()
	wantItems(t, db, "b=2")
}

func testGoexit(t *testing.T, db *store.DB) {
	ctx := t.Context()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = db.Tx(ctx, func(tx *store.Tx) error {
			if err := put(ctx, tx, "a", 1); err != nil {
				t.Error(err)
			}
			runtime.Goexit()
			return nil
		})
	}()
	<-ended
	must(t, db.Tx(ctx, func(tx *store.Tx) error { return put(ctx, tx, "b", 2) }))
	wantItems(t, db, "b=2")
}

func testDroppedError(t *testing.T, db *store.DB) {
	ctx := t.Context()
	must(t, db.Tx(ctx, func(tx *store.Tx) error { return put(ctx, tx, "a", 1) }))
	var second error
	err := db.Tx(ctx, func(tx *store.Tx) error {
		_ = put(ctx, tx, "b", 1)
		_ = put(ctx, tx, "a", 2) // fails: the key is taken
		second = put(ctx, tx, "c", 3)
		return nil
	})
	if !store.IsUnique(err) {
		t.Errorf("Tx returned %v, want the error of the failed statement", err)
	}
	if second == nil {
		t.Error("a statement after a failed one succeeded")
	}
	wantItems(t, db, "a=1")
}

func testOpenRows(t *testing.T, db *store.DB) {
	ctx := t.Context()
	must(t, db.Tx(ctx, func(tx *store.Tx) error {
		return tx.InsertMany(ctx, "item", []string{"k", "v"}, [][]any{{"a", 1}, {"b", 2}, {"c", 3}})
	}))
	err := db.Tx(ctx, func(tx *store.Tx) error {
		rows, err := tx.Query(ctx, `SELECT k, v FROM item`)
		if err != nil {
			return err
		}
		for rows.Next() {
			if err := put(ctx, tx, "d", 4); err != nil {
				return err
			}
		}
		return rows.Err()
	})
	if err == nil {
		t.Error("a statement while rows are open succeeded; PostgreSQL cannot do that")
	}
	must(t, db.Tx(ctx, func(tx *store.Tx) error {
		rows, err := tx.Query(ctx, `SELECT k, v FROM item`)
		if err != nil {
			return err
		}
		if !rows.Next() {
			return errors.New("no row")
		}
		if err := rows.Close(); err != nil {
			return err
		}
		if err := put(ctx, tx, "e", 5); err != nil {
			return err
		}
		_, err = tx.Query(ctx, `SELECT k FROM item`) // left open: the store closes it
		return err
	}))
	wantItems(t, db, "a=1 b=2 c=3 e=5")
}

func testOver(t *testing.T, db *store.DB) {
	ctx := t.Context()
	var kept *store.Tx
	must(t, db.Tx(ctx, func(tx *store.Tx) error { kept = tx; return put(ctx, tx, "a", 1) }))
	if err := put(ctx, kept, "b", 2); err == nil {
		t.Error("a transaction that is over took a statement")
	}
	must(t, db.Read(ctx, func(tx *store.Tx) error { kept = tx; return nil }))
	if err := kept.QueryRow(ctx, `SELECT 1`).Scan(new(int64)); err == nil {
		t.Error("a read transaction that is over took a statement")
	}
	wantItems(t, db, "a=1")
}

func testSavepoint(t *testing.T, db *store.DB) {
	ctx := t.Context()
	boom := errors.New("boom")
	var rang []string
	must(t, db.Tx(ctx, func(tx *store.Tx) error {
		if err := put(ctx, tx, "a", 1); err != nil {
			return err
		}
		err := tx.Savepoint(ctx, func() error {
			tx.AfterCommit(func() { rang = append(rang, "undone") })
			return errors.Join(put(ctx, tx, "b", 2), boom)
		})
		if !errors.Is(err, boom) {
			t.Errorf("Savepoint returned %v, want boom", err)
		}
		err = tx.Savepoint(ctx, func() error { return put(ctx, tx, "a", 9) })
		if !store.IsUnique(err) {
			t.Errorf("Savepoint returned %v, want the failed statement", err)
		}
		err = tx.Savepoint(ctx, func() error { _ = put(ctx, tx, "a", 9); return nil })
		if !store.IsUnique(err) {
			t.Errorf("Savepoint returned %v, want the failed statement that its function dropped", err)
		}
		return tx.Savepoint(ctx, func() error {
			tx.AfterCommit(func() { rang = append(rang, "kept") })
			if err := put(ctx, tx, "c", 3); err != nil {
				return err
			}
			_ = tx.Savepoint(ctx, func() error { return errors.Join(put(ctx, tx, "d", 4), boom) }) // undone by itself
			return put(ctx, tx, "e", 5)
		})
	}))
	wantItems(t, db, "a=1 c=3 e=5")
	if !slices.Equal(rang, []string{"kept"}) {
		t.Errorf("after-commit functions %v, want that of the savepoint that was kept", rang)
	}
}

func testErrors(t *testing.T, db *store.DB) {
	ctx := t.Context()
	must(t, db.Tx(ctx, func(tx *store.Tx) error { return put(ctx, tx, "a", 1) }))
	err := db.Tx(ctx, func(tx *store.Tx) error { return put(ctx, tx, "a", 2) })
	if !store.IsUnique(err) {
		t.Errorf("%v is not known as a key that is taken", err)
	}
	err = db.Read(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(ctx, `SELECT v FROM item WHERE k = $1`, "nobody").Scan(new(int64))
	})
	if !errors.Is(err, store.ErrNotFound) || !fault.Is(err, fault.NotFound) {
		t.Errorf("no row gave %v, want ErrNotFound", err)
	}
	err = db.Tx(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO nowhere (k) VALUES ($1)`, "secret")
		return err
	})
	switch {
	case err == nil, store.IsUnique(err), fault.Is(err, fault.Unavailable):
		t.Errorf("a missing table gave %v, want a plain error", err)
	case !strings.Contains(err.Error(), "nowhere"), strings.Contains(err.Error(), "secret"):
		t.Errorf("the error %q should name the statement and keep its values to itself", err)
	}
}

func testValues(t *testing.T, db *store.DB) {
	ctx := t.Context()
	type name string
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	const insert = `INSERT INTO kinds (id, t, b, f, n) VALUES ($1, $2, $3, $4, $5)`
	for _, tt := range []struct {
		what string
		t, n any
		b    []byte
		f    float64
	}{
		{"plain", "text", int64(7), []byte("bytes"), 1.5},
		{"extremes", "", int64(math.MinInt64), every, math.MaxFloat64},
		{"largest", strings.Repeat("長", 5000), int64(math.MaxInt64), bytes.Repeat(every, 1000), -0.1},
		{"looks like a number", "007", int64(0), []byte("12"), 0},
		{"Chinese, emoji, quotes", `人民's "検" 🧾 \x00 \\`, int64(-1), []byte{0}, 1e-300},
	} {
		t.Run(tt.what, func(t *testing.T) {
			id := db.NewID()
			must(t, db.Tx(ctx, func(tx *store.Tx) error { _, err := tx.Exec(ctx, insert, id, tt.t, tt.b, tt.f, tt.n); return err }))
			var gotT string
			var gotB []byte
			var gotF float64
			var gotN int64
			must(t, db.Read(ctx, func(tx *store.Tx) error {
				return tx.QueryRow(ctx, `SELECT t, b, f, n FROM kinds WHERE id = $1`, id).Scan(&gotT, &gotB, &gotF, &gotN)
			}))
			if gotT != tt.t || !bytes.Equal(gotB, tt.b) || gotF != tt.f || gotN != tt.n {
				t.Errorf("came back as %.40q %.20x %v %v", gotT, gotB, gotF, gotN)
			}
		})
	}
	id := db.NewID()
	must(t, db.Tx(ctx, func(tx *store.Tx) error {
		if _, err := tx.Exec(ctx, insert, id, name("own type"), nil, nil, true); err != nil {
			return err
		}
		return tx.InsertMany(ctx, "kinds", []string{"id", "t", "n"}, [][]any{{db.NewID(), name("own type"), false}, {db.NewID(), nil, nil}})
	}))
	must(t, db.Read(ctx, func(tx *store.Tx) error {
		var own name
		var yes bool
		var b []byte
		var f *float64
		if err := tx.QueryRow(ctx, `SELECT t, n, b, f FROM kinds WHERE id = $1`, id).Scan(&own, &yes, &b, &f); err != nil {
			return err
		}
		if own != "own type" || !yes || b != nil || f != nil {
			t.Errorf("came back as %q %v %v %v, want own type, true, nil, nil", own, yes, b, f)
		}
		return nil
	}))
	// The same parameter twice, and out of order.
	must(t, db.Read(ctx, func(tx *store.Tx) error {
		var s string
		err := tx.QueryRow(ctx, `SELECT CAST($2 AS TEXT) || CAST($1 AS TEXT) || CAST($2 AS TEXT)`, "1", "2").Scan(&s)
		if s != "212" {
			t.Errorf("parameters gave %q, want 212", s)
		}
		return err
	}))
}

func testRefusedValues(t *testing.T, db *store.DB) {
	ctx := t.Context()
	for _, tt := range []struct {
		name string
		arg  any
		kind fault.Kind
	}{
		{"NUL in text", "a\x00b", fault.Invalid},
		{"text that is not UTF-8", "a\xff", fault.Invalid},
		{"time", time.Unix(0, 0), fault.Internal},
	} {
		t.Run(tt.name, func(t *testing.T) {
			one := db.Tx(ctx, func(tx *store.Tx) error { _, err := tx.Exec(ctx, insertItem, tt.arg, 1); return err })
			many := db.Tx(ctx, func(tx *store.Tx) error {
				return tx.InsertMany(ctx, "item", []string{"k", "v"}, [][]any{{"fine", 1}, {tt.arg, 1}})
			})
			for _, err := range []error{one, many} {
				if err == nil || fault.KindOf(err) != tt.kind {
					t.Errorf("got %v, want a fault of kind %v", err, tt.kind)
				}
			}
		})
	}
	wantItems(t, db, "")
}

func testSnapshot(t *testing.T, db *store.DB) {
	ctx := t.Context()
	must(t, db.Tx(ctx, func(tx *store.Tx) error { return put(ctx, tx, "a", 1) }))
	count := func(tx *store.Tx) (n int64) {
		must(t, tx.QueryRow(ctx, `SELECT count(*) FROM item`).Scan(&n))
		return n
	}
	must(t, db.Read(ctx, func(tx *store.Tx) error {
		if n := count(tx); n != 1 {
			t.Errorf("reader sees %d items, want 1", n)
		}
		written := make(chan error)
		go func() { written <- db.Tx(ctx, func(tx *store.Tx) error { return put(ctx, tx, "b", 2) }) }()
		if err := <-written; err != nil {
			return err
		}
		if n := count(tx); n != 1 {
			t.Errorf("the state changed under the reader: %d items", n)
		}
		return nil
	}))
	wantItems(t, db, "a=1 b=2") // a transaction committed before Read begins is seen
}

func testReadBesideWrite(t *testing.T, db *store.DB) {
	ctx := t.Context()
	must(t, db.Tx(ctx, func(tx *store.Tx) error {
		if err := put(ctx, tx, "a", 1); err != nil {
			return err
		}
		done := make(chan string)
		go func() { done <- items(t, db) }()
		select {
		case got := <-done:
			if got != "" {
				t.Errorf("a reader saw %q, which is not committed", got)
			}
		case <-time.After(30 * time.Second):
			t.Error("a reader waits for a writer")
		}
		return nil
	}))
}

func testReadOnly(t *testing.T, db *store.DB) {
	ctx := t.Context()
	for _, tt := range []struct {
		name string
		do   func(tx *store.Tx) error
	}{
		{"exec", func(tx *store.Tx) error { return put(ctx, tx, "a", 1) }},
		{"returning", func(tx *store.Tx) error {
			return tx.QueryRow(ctx, insertItem+` RETURNING v`, "a", 1).Scan(new(int64))
		}},
		{"many", func(tx *store.Tx) error { return tx.InsertMany(ctx, "item", []string{"k", "v"}, [][]any{{"a", 1}}) }},
		{"savepoint", func(tx *store.Tx) error { return tx.Savepoint(ctx, func() error { return nil }) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := db.Read(ctx, tt.do); !errors.Is(err, store.ErrReadOnly) {
				t.Errorf("got %v, want ErrReadOnly", err)
			}
		})
	}
	wantItems(t, db, "")
}

func testCancelledRead(t *testing.T, db *store.DB) {
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	start := time.Now()
	err := db.Read(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(ctx, `WITH RECURSIVE c(n) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT n + 1 FROM c WHERE n < 2000000000)
			SELECT count(*) FROM c`).Scan(new(int64))
	})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the end of the context", err)
	}
	if waited := time.Since(start); waited > 20*time.Second {
		t.Errorf("the query went on for %v", waited)
	}
	wantItems(t, db, "") // the connection is good, or was replaced
}

func testNested(t *testing.T, db *store.DB) {
	ctx := t.Context()
	err := db.Tx(ctx, func(tx *store.Tx) error {
		if err := put(ctx, tx, "a", 1); err != nil {
			return err
		}
		return db.Tx(ctx, func(tx *store.Tx) error { return put(ctx, tx, "b", 2) })
	})
	if !errors.Is(err, store.ErrNested) {
		t.Errorf("got %v, want ErrNested", err)
	}
	wantItems(t, db, "")
	// Having once been inside is over with the transaction, and after-commit functions are outside.
	must(t, db.Tx(ctx, func(tx *store.Tx) error {
		tx.AfterCommit(func() {
			if err := db.Tx(ctx, func(tx *store.Tx) error { return put(ctx, tx, "d", 4) }); err != nil {
				t.Error(err)
			}
		})
		return put(ctx, tx, "c", 3)
	}))
	wantItems(t, db, "c=3 d=4")
}

func testAfterCommit(t *testing.T, db *store.DB) {
	ctx := t.Context()
	seen := ""
	must(t, db.Tx(ctx, func(tx *store.Tx) error {
		tx.AfterCommit(func() { seen += "[" + items(t, db) + "]" })
		return put(ctx, tx, "a", 1)
	}))
	if seen != "[a=1]" {
		t.Errorf("after the commit the function saw %s, want [a=1]", seen)
	}
	_ = db.Tx(ctx, func(tx *store.Tx) error {
		tx.AfterCommit(func() { t.Error("called though the transaction failed") })
		return errors.New("boom")
	})
}

func testContextBefore(t *testing.T, db *store.DB) {
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for name, begin := range map[string]func(context.Context, func(*store.Tx) error) error{"tx": db.Tx, "read": db.Read} {
		err := begin(over, func(*store.Tx) error { t.Errorf("%s: the function ran", name); return nil })
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v, want context.Canceled", name, err)
		}
	}
}

func testContextDuring(t *testing.T, db *store.DB) {
	ctx, cancel := context.WithCancel(t.Context())
	err := db.Tx(ctx, func(tx *store.Tx) error {
		if err := put(ctx, tx, "a", 1); err != nil {
			return err
		}
		cancel()
		if err := put(ctx, tx, "b", 2); !errors.Is(err, context.Canceled) {
			t.Errorf("a statement after the end of its context: %v, want context.Canceled", err)
		}
		return nil // even so
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Tx returned %v, want context.Canceled", err)
	}
	wantItems(t, db, "")
}

func testContextLate(t *testing.T, db *store.DB) {
	ctx, cancel := context.WithCancel(t.Context())
	must(t, db.Tx(ctx, func(tx *store.Tx) error {
		err := put(ctx, tx, "a", 1)
		cancel()
		return err
	}))
	wantItems(t, db, "a=1") // nil was answered, so it is there
}

func testCounter(t *testing.T, db *store.DB) {
	ctx := t.Context()
	must(t, db.Tx(ctx, func(tx *store.Tx) error { return put(ctx, tx, "counter", 0) }))
	const workers, each = 6, 15
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for range each {
				err := db.Tx(ctx, func(tx *store.Tx) error {
					var v int64
					if err := tx.QueryRow(ctx, `SELECT v FROM item WHERE k = $1`, "counter").Scan(&v); err != nil {
						return err
					}
					_, err := tx.Exec(ctx, `UPDATE item SET v = $2 WHERE k = $1`, "counter", v+1)
					return err
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	wantItems(t, db, fmt.Sprintf("counter=%d", workers*each))
}

// testWriteSkew: each transaction takes itself off duty only if somebody else is on duty. Run one after the other, one of
// two always stays; under mere snapshot isolation both could leave.
func testWriteSkew(t *testing.T, db *store.DB) {
	ctx := t.Context()
	for round := range 10 {
		must(t, db.Tx(ctx, func(tx *store.Tx) error {
			if _, err := tx.Exec(ctx, `DELETE FROM item`); err != nil {
				return err
			}
			return tx.InsertMany(ctx, "item", []string{"k", "v"}, [][]any{{"a", 1}, {"b", 1}})
		}))
		var group sync.WaitGroup
		for _, who := range []string{"a", "b"} {
			group.Go(func() {
				err := db.Tx(ctx, func(tx *store.Tx) error {
					var on int64
					if err := tx.QueryRow(ctx, `SELECT sum(v) FROM item`).Scan(&on); err != nil || on < 2 {
						return err
					}
					time.Sleep(2 * time.Millisecond) // let the two meet
					_, err := tx.Exec(ctx, `UPDATE item SET v = 0 WHERE k = $1`, who)
					return err
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if got := items(t, db); got != "a=0 b=1" && got != "a=1 b=0" {
			t.Fatalf("round %d: %s, want exactly one on duty", round, got)
		}
	}
}

// testLocking: many transactions order themselves by one locked row; none is ever run twice, none is lost.
func testLocking(t *testing.T, db *store.DB) {
	ctx := t.Context()
	must(t, db.Tx(ctx, func(tx *store.Tx) error { return put(ctx, tx, "head", 0) }))
	const workers, each = 6, 15
	var ran atomic.Int64
	var group sync.WaitGroup
	for w := range workers {
		group.Go(func() {
			for i := range each {
				err := db.TxLocking(ctx, func(tx *store.Tx) error {
					ran.Add(1)
					var head int64
					if err := tx.QueryRow(ctx, `UPDATE item SET v = v + 1 WHERE k = 'head' RETURNING v`).Scan(&head); err != nil {
						return err
					}
					var before int64
					if err := tx.QueryRow(ctx, `SELECT count(*) FROM shadow`).Scan(&before); err != nil {
						return err
					}
					if before != head-1 {
						return fmt.Errorf("number %d sees %d rows before it", head, before)
					}
					_, err := tx.Exec(ctx, insertShadow, fmt.Sprintf("%d/%d", w, i), head)
					return err
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	wantItems(t, db, fmt.Sprintf("head=%d", workers*each))
	if ran.Load() != workers*each {
		t.Errorf("functions ran %d times for %d transactions", ran.Load(), workers*each)
	}
}

// testNeighbours mixes transactions that succeed, fail, panic, fail in a statement, and give up, all at once. Exactly
// those answered with nil have taken effect, with both their rows.
func testNeighbours(t *testing.T, db *store.DB) {
	const workers, each = 12, 12
	boom := errors.New("boom")
	var mu sync.Mutex
	kept := map[string]bool{}
	var group sync.WaitGroup
	for w := range workers {
		group.Go(func() {
			for i := range each {
				k := fmt.Sprintf("%02d/%02d", w, i)
				ctx, cancel := context.WithCancel(t.Context())
				err := func() (err error) {
					defer func() {
						if r := recover(); r != nil {
							err = boom
						}
					}()
					if (w+i)%6 == 4 {
						go cancel() // at some moment: before the turn, during it, after it
					}
					return db.Tx(ctx, func(tx *store.Tx) error {
						if err := put(ctx, tx, k, int64(w)); err != nil {
							return err
						}
						switch (w + i) % 6 {
						case 1:
							return boom
						case 2:
							panic(boom)
						case 3:
							return put(ctx, tx, k, 0) // taken
						}
						_, err := tx.Exec(ctx, insertShadow, k, w)
						return err
					})
				}()
				cancel()
				if errors.Is(err, store.ErrOutcomeUnknown) || err != nil && (w+i)%6 == 0 {
					t.Errorf("%s: %v", k, err)
				}
				mu.Lock()
				kept[k] = err == nil
				mu.Unlock()
			}
		})
	}
	group.Wait()
	var want []string
	for k, yes := range kept {
		if yes {
			var w int
			_, _ = fmt.Sscanf(k, "%d/", &w) // written as such above
			want = append(want, fmt.Sprintf("%s=%d", k, w))
		}
	}
	slices.Sort(want)
	if len(want) < workers*each/6 {
		t.Errorf("only %d transactions succeeded", len(want))
	}
	for _, table := range []string{"item", "shadow"} {
		if got := content(t, db, table); got != strings.Join(want, " ") {
			t.Errorf("table %s holds\n%s\nwhere nil was answered for\n%s", table, got, strings.Join(want, " "))
		}
	}
}

func testInsertMany(t *testing.T, db *store.DB) {
	ctx := t.Context()
	for _, n := range []int{0, 1, 2, 63, 64, 65, 200, 1000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			rows := make([][]any, n)
			for i := range rows {
				rows[i] = []any{fmt.Sprintf("%d/%04d", n, i), i}
			}
			must(t, db.Tx(ctx, func(tx *store.Tx) error { return tx.InsertMany(ctx, "item", []string{"k", "v"}, rows) }))
			var got, sum int64
			must(t, db.Read(ctx, func(tx *store.Tx) error {
				return tx.QueryRow(ctx, `SELECT count(*), coalesce(sum(v), 0) FROM item WHERE k LIKE $1`, fmt.Sprintf("%d/%%", n)).Scan(&got, &sum)
			}))
			if got != int64(n) || sum != int64(n*(n-1)/2) {
				t.Errorf("%d rows with sum %d", got, sum)
			}
		})
	}
	err := db.Tx(ctx, func(tx *store.Tx) error {
		rows := make([][]any, 300)
		for i := range rows {
			rows[i] = []any{fmt.Sprintf("dup/%d", i%299), i}
		}
		return tx.InsertMany(ctx, "item", []string{"k", "v"}, rows)
	})
	if !store.IsUnique(err) {
		t.Errorf("a key twice gave %v", err)
	}
	err = db.Tx(ctx, func(tx *store.Tx) error { return tx.InsertMany(ctx, "item", []string{"k", "v"}, [][]any{{"short"}}) })
	if err == nil {
		t.Error("a row with a value missing was taken")
	}
	var left int64
	must(t, db.Read(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(ctx, `SELECT count(*) FROM item WHERE k LIKE 'dup/%'`).Scan(&left)
	}))
	if left != 0 {
		t.Errorf("%d rows of a failed insert are there", left)
	}
}

func testIDs(t *testing.T, db *store.DB) {
	const workers, each = 4, 20000
	all := make([][]int64, workers)
	var group sync.WaitGroup
	for w := range workers {
		group.Go(func() {
			for range each {
				all[w] = append(all[w], db.NewID())
			}
		})
	}
	group.Wait()
	for _, ids := range all {
		if !slices.IsSorted(ids) {
			t.Error("ids of one goroutine do not rise")
		}
	}
	flat := slices.Concat(all...)
	slices.Sort(flat)
	if got := len(slices.Compact(flat)); got != workers*each {
		t.Errorf("%d different ids of %d", got, workers*each)
	}
	if flat[0] <= 0 {
		t.Errorf("id %d is not positive", flat[0])
	}
	if d := time.Since(store.IDTime(db.NewID())); d < -time.Minute || d > time.Minute {
		t.Errorf("an id made now tells a time %v ago", d)
	}
}

func testClosed(t *testing.T, db *store.DB) {
	ctx := t.Context()
	must(t, db.Close())
	must(t, db.Close())
	nothing := func(*store.Tx) error { t.Error("ran on a closed database"); return nil }
	if err := db.Tx(ctx, nothing); !errors.Is(err, store.ErrClosed) {
		t.Errorf("Tx gave %v, want ErrClosed", err)
	}
	if err := db.Read(ctx, nothing); !errors.Is(err, store.ErrClosed) {
		t.Errorf("Read gave %v, want ErrClosed", err)
	}
}
