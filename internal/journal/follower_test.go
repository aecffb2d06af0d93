package journal_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"plumbline/internal/journal"
	"plumbline/internal/store"
	"plumbline/internal/testing/world"
)

// ledger notes every entry it sees in a table whose key refuses a second note.
type ledger struct {
	version string
	fail    func(journal.Recorded) error
}

func (l *ledger) Name() string { return "ledger" }

func (l *ledger) Version(context.Context, *store.Tx) (string, error) { return l.version, nil }

func (l *ledger) Reset(ctx context.Context, tx *store.Tx) error {
	if _, err := tx.Exec(ctx, `CREATE TABLE IF NOT EXISTS noted (idx BIGINT PRIMARY KEY, stream TEXT NOT NULL, n BIGINT NOT NULL)`); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `DELETE FROM noted`)
	return err
}

func (l *ledger) Step(ctx context.Context, tx *store.Tx, entries []journal.Recorded) error {
	for _, e := range entries {
		if l.fail != nil {
			if err := l.fail(e); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(ctx, `INSERT INTO noted (idx, stream, n) VALUES ($1, $2, $3)`, e.Index, e.Stream, e.N); err != nil {
			return err
		}
	}
	return nil
}

// patient is a ledger that leaves nothing out.
type patient struct{ *ledger }

func (patient) Unskippable() {}

// lean is a ledger that reads no bytes.
type lean struct{ *ledger }

func (lean) HeadsOnly() {}

func noted(t testing.TB, db *store.DB) (idx []int64) {
	t.Helper()
	err := db.Read(context.Background(), func(tx *store.Tx) error {
		rows, err := tx.Query(context.Background(), `SELECT idx FROM noted ORDER BY idx`)
		if err != nil {
			return err
		}
		idx, err = store.Collect(rows, func(r *store.Rows) (i int64, err error) { return i, r.Scan(&i) })
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return idx
}

func upTo(n int) (all []int64) {
	for i := range n {
		all = append(all, int64(i+1))
	}
	return all
}

// Instances that share the work, each failing now and then, note every entry once.
func TestEveryEntryIsFollowedExactlyOnce(t *testing.T) {
	world.EachURL(t, func(t *testing.T, url string) {
		var steps atomic.Int64
		hook := store.WithHook(func(p store.Point) error {
			if steps.Add(1)%23 == 0 {
				return errBroken
			}
			return nil
		})
		calm := world.Open(t, url)
		dbs := []*store.DB{calm}
		if calm.Dialect() == store.Postgres {
			dbs = []*store.DB{world.Open(t, url), world.Open(t, url), calm}
		}
		// The followers work through doors that fail: before or after a statement, at a commit.
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range dbs {
			wild, err := store.Open(t.Context(), url, hook)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = wild.Close() })
			wg.Go(func() { _ = journal.NewFollowers(wild, quiet, patient{&ledger{version: "1"}}).Run(ctx) })
		}
		const streams, each = 4, 25
		var writers sync.WaitGroup
		for s := range streams {
			writers.Go(func() {
				for n := int64(1); n <= each; n++ {
					add(t, calm, entry(fmt.Sprintf("matter/%d", s), n))
				}
			})
		}
		writers.Wait()
		eventually(t, func() bool { return cursor(t, calm) == streams*each })
		stop()
		wg.Wait()
		if got := noted(t, calm); !slices.Equal(got, upTo(streams*each)) {
			t.Errorf("noted %v", got)
		}
		if steps.Load() < 100 {
			t.Errorf("only %d steps, the failures were hardly met", steps.Load())
		}
	})
}

func cursor(t testing.TB, db *store.DB) (idx int64) {
	t.Helper()
	err := db.Read(context.Background(), func(tx *store.Tx) (err error) {
		idx, _, err = journal.Cursor(context.Background(), tx, "ledger")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return idx
}

func TestOnePoisonousEntryIsSetAside(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		for n := int64(1); n <= 40; n++ {
			add(t, db, entry("matter/1", n))
		}
		sick := true
		l := &ledger{version: "1", fail: func(r journal.Recorded) error {
			if sick && r.N == 17 {
				return errors.New("cannot read this")
			}
			return nil
		}}
		fs := journal.NewFollowers(db, quiet, l)
		if err := fs.CatchUp(t.Context(), nil); err == nil {
			t.Error("nothing was said of the entry set aside")
		}
		if got := noted(t, db); len(got) != 39 || slices.Contains(got, 17) {
			t.Errorf("noted %v", got)
		}
		dead := deadLetters(t, db)
		if len(dead) != 1 || dead[0].Index != 17 || dead[0].Follower != "ledger" || dead[0].Tries < 2 {
			t.Errorf("dead letters: %+v", dead)
		}
		sick = false
		if left, err := fs.RetryDead(t.Context()); err != nil || left != 0 {
			t.Errorf("left %d, %v", left, err)
		}
		if got := noted(t, db); !slices.Equal(got, upTo(40)) || len(deadLetters(t, db)) != 0 {
			t.Errorf("noted %v", got)
		}
	})
}

func TestUnskippableFollowerStopsAtAPoisonousEntry(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		for n := int64(1); n <= 5; n++ {
			add(t, db, entry("matter/1", n))
		}
		l := &ledger{version: "1", fail: func(r journal.Recorded) error {
			if r.N == 3 {
				return errors.New("cannot read this")
			}
			return nil
		}}
		if err := journal.NewFollowers(db, quiet, patient{l}).CatchUp(t.Context(), nil); err == nil {
			t.Error("it went on")
		}
		if got := noted(t, db); !slices.Equal(got, upTo(2)) || len(deadLetters(t, db)) != 0 {
			t.Errorf("noted %v", got)
		}
	})
}

func deadLetters(t testing.TB, db *store.DB) (all []journal.DeadLetter) {
	t.Helper()
	err := db.Read(t.Context(), func(tx *store.Tx) (err error) {
		all, err = journal.DeadLetters(t.Context(), tx)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestNewVersionStartsFromTheBeginning(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		for n := int64(1); n <= 10; n++ {
			add(t, db, entry("matter/1", n))
		}
		l := &ledger{version: "1"}
		var seen [][2]int64
		progress := func(done, total int64) { seen = append(seen, [2]int64{done, total}) }
		if err := journal.NewFollowers(db, quiet, lean{l}).CatchUp(t.Context(), progress); err != nil {
			t.Fatal(err)
		}
		if len(seen) == 0 || seen[len(seen)-1] != [2]int64{10, 10} {
			t.Errorf("progress %v", seen)
		}
		// A note that the new version would not make, to see that it goes.
		if err := db.Tx(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Exec(t.Context(), `INSERT INTO noted (idx, stream, n) VALUES (99, 'matter/1', 99)`)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		l.version = "2"
		if err := journal.NewFollowers(db, quiet, lean{l}).CatchUp(t.Context(), progress); err != nil {
			t.Fatal(err)
		}
		if got := noted(t, db); !slices.Equal(got, upTo(10)) {
			t.Errorf("noted %v", got)
		}
	})
}

// An instance died at work: the next takes over when its lease has run out.
func TestAnotherInstanceTakesOverFromADeadOne(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		if _, ok, err := db.Lease(t.Context(), "follower/ledger", "dead", 300*time.Millisecond); err != nil || !ok {
			t.Fatalf("lease: %v %v", ok, err)
		}
		add(t, db, entry("matter/1", 1))
		begun := time.Now()
		if err := journal.NewFollowers(db, quiet, &ledger{version: "1"}).CatchUp(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begun); took < 200*time.Millisecond {
			t.Errorf("worked after %v although another held the lease", took)
		}
		if got := noted(t, db); !slices.Equal(got, upTo(1)) {
			t.Errorf("noted %v", got)
		}
	})
}

func TestFollowersHearOfACommitAtOnce(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = journal.NewFollowers(db, quiet, &ledger{version: "1"}).Run(ctx)
		}()
		defer func() { stop(); <-done }()
		for n := int64(1); n <= 3; n++ {
			begun := time.Now()
			add(t, db, entry("matter/1", n))
			eventually(t, func() bool { return cursor(t, db) == n })
			if took := time.Since(begun); took > time.Second {
				t.Errorf("entry %d was followed after %v", n, took)
			}
		}
	})
}
