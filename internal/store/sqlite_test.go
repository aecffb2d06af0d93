package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"plumbline/internal/fault"
	"plumbline/internal/store"
	"plumbline/internal/store/storetest"
)

var noteTable = fstest.MapFS{"0001_note.sql": {Data: []byte(
	`CREATE TABLE note (k BIGINT PRIMARY KEY, text TEXT NOT NULL); CREATE TABLE echo (k BIGINT PRIMARY KEY, text TEXT NOT NULL);`)}}

func openNotes(t testing.TB, url string, opts ...store.Option) *store.DB {
	t.Helper()
	db := storetest.Open(t, url, opts...)
	if err := db.Migrate(t.Context(), noteTable); err != nil {
		t.Fatal(err)
	}
	return db
}

func addNote(ctx context.Context, tx *store.Tx, k int64) error {
	_, err := tx.Exec(ctx, `INSERT INTO note (k, text) VALUES ($1, $2)`, k, "a note")
	return err
}

func countNotes(t testing.TB, db *store.DB) (n int64) {
	t.Helper()
	err := db.Read(context.Background(), func(tx *store.Tx) error {
		return tx.QueryRow(context.Background(), `SELECT count(*) FROM note`).Scan(&n)
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// faultKey is the key of the message that a person would get for err.
func faultKey(err error) string {
	var f *fault.Error
	if !errors.As(err, &f) {
		return ""
	}
	return f.Key
}

// hold occupies the writer of db until the returned function is called, which waits for the end of its transaction.
func hold(t testing.TB, db *store.DB) (release func()) {
	t.Helper()
	begun, free, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	begin := sync.OnceFunc(func() { close(begun) }) // the function may run again
	go func() {
		ended <- db.Tx(context.Background(), func(*store.Tx) error { begin(); <-free; return nil })
	}()
	<-begun
	return func() {
		close(free)
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// eventually waits for something that another goroutine is about to do.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

func TestGroupCommitSharesOneCommit(t *testing.T) {
	db := openNotes(t, storetest.SQLiteURL(t))
	const waiting = 40
	boom := errors.New("boom")
	release := hold(t, db)
	before := store.Commits(db)
	results := make([]error, waiting)
	var group sync.WaitGroup
	for i := range waiting {
		group.Go(func() {
			defer func() {
				if r := recover(); r != nil {
					results[i] = fmt.Errorf("panic: %v", r)
				}
			}()
			results[i] = db.Tx(t.Context(), func(tx *store.Tx) error {
				if err := addNote(t.Context(), tx, int64(i)); err != nil {
					return err
				}
				switch i % 8 {
				case 3:
					return boom
				case 5:
					panic("at once")
				case 7:
					return addNote(t.Context(), tx, int64(i)) // the key is taken
				}
				return nil
			})
		})
	}
	eventually(t, "everybody waits", func() bool { return store.WaitingTurns(db) == waiting })
	release()
	group.Wait()
	if got := store.Commits(db) - before; got != 1 {
		t.Errorf("%d transactions took %d commits, want one", waiting+1, got)
	}
	for i, err := range results {
		if fails := i%8 == 3 || i%8 == 5 || i%8 == 7; fails != (err != nil) {
			t.Errorf("transaction %d: %v", i, err)
		}
	}
	if got := countNotes(t, db); got != waiting*5/8 {
		t.Errorf("%d notes, want %d", got, waiting*5/8)
	}
}

func TestGroupCommitKeepsTheOrderOfArrival(t *testing.T) {
	db := openNotes(t, storetest.SQLiteURL(t))
	release := hold(t, db)
	var order []int
	var group sync.WaitGroup
	for i := range 20 {
		group.Go(func() {
			if err := db.Tx(t.Context(), func(*store.Tx) error { order = append(order, i); return nil }); err != nil {
				t.Error(err)
			}
		})
		eventually(t, "it waits", func() bool { return store.WaitingTurns(db) == i+1 })
	}
	release()
	group.Wait()
	for i, got := range order {
		if got != i {
			t.Fatalf("ran in the order %v", order)
		}
	}
}

func TestTransactionThatGaveUpWaitingNeverHappens(t *testing.T) {
	db := openNotes(t, storetest.SQLiteURL(t))
	release := hold(t, db)
	ctx, cancel := context.WithCancel(t.Context())
	answer := make(chan error)
	go func() {
		answer <- db.Tx(ctx, func(tx *store.Tx) error { t.Error("it ran"); return addNote(ctx, tx, 1) })
	}()
	eventually(t, "it waits", func() bool { return store.WaitingTurns(db) == 1 })
	cancel()
	if err := <-answer; !errors.Is(err, context.Canceled) { // answered while the writer is still held
		t.Errorf("got %v, want context.Canceled", err)
	}
	release()
	if err := db.Tx(t.Context(), func(tx *store.Tx) error { return addNote(t.Context(), tx, 2) }); err != nil {
		t.Fatal(err)
	}
	if n := countNotes(t, db); n != 1 {
		t.Errorf("%d notes, want the later one alone", n)
	}
}

func TestFailedCommitReachesEverybodyUnderIt(t *testing.T) {
	for _, after := range []bool{false, true} {
		t.Run(fmt.Sprintf("after=%v", after), func(t *testing.T) {
			var f storetest.Fault
			onlyCommits := func(p store.Point) error {
				if p.Step != store.StepCommit {
					return nil
				}
				return f.Hook(p)
			}
			db := openNotes(t, storetest.SQLiteURL(t), store.WithHook(onlyCommits))
			const waiting = 10
			results := make(chan error, waiting)
			begun, free := make(chan struct{}), make(chan struct{})
			go func() {
				results <- db.Tx(t.Context(), func(tx *store.Tx) error { close(begun); <-free; return addNote(t.Context(), tx, 0) })
			}()
			<-begun
			for i := 1; i < waiting; i++ {
				go func() {
					results <- db.Tx(t.Context(), func(tx *store.Tx) error { return addNote(t.Context(), tx, int64(i)) })
				}()
			}
			eventually(t, "everybody waits", func() bool { return store.WaitingTurns(db) == waiting-1 })
			f.Arm(1, after)
			close(free)
			for range waiting {
				err := <-results
				if !errors.Is(err, storetest.ErrInjected) || errors.Is(err, store.ErrOutcomeUnknown) != after {
					t.Errorf("got %v", err)
				}
			}
			want := int64(0)
			if after {
				want = waiting
			}
			if n := countNotes(t, db); n != want {
				t.Errorf("%d notes, want %d", n, want)
			}
		})
	}
}

func TestCloseWaitsForTheTransactionInHandAndRefusesTheRest(t *testing.T) {
	url := storetest.SQLiteURL(t)
	db := openNotes(t, url)
	begun, free := make(chan struct{}), make(chan struct{})
	first, second, closed := make(chan error, 1), make(chan error, 1), make(chan error, 1)
	go func() {
		first <- db.Tx(t.Context(), func(tx *store.Tx) error { close(begun); <-free; return addNote(t.Context(), tx, 1) })
	}()
	<-begun
	go func() { closed <- db.Close() }()
	eventually(t, "it closes", func() bool {
		return errors.Is(db.Read(t.Context(), func(*store.Tx) error { return nil }), store.ErrClosed)
	})
	go func() { second <- db.Tx(t.Context(), func(tx *store.Tx) error { return addNote(t.Context(), tx, 2) }) }()
	if err := <-second; !errors.Is(err, store.ErrClosed) {
		t.Errorf("a new transaction got %v, want ErrClosed", err)
	}
	close(free)
	if err := errors.Join(<-first, <-closed); err != nil {
		t.Error(err)
	}
	if n := countNotes(t, storetest.Open(t, url)); n != 1 {
		t.Errorf("%d notes, want that of the transaction in hand", n)
	}
}

func TestSecondProcessWaitsForTheFile(t *testing.T) {
	url := storetest.SQLiteURL(t)
	server := openNotes(t, url)
	command := openNotes(t, url, store.WithBusyTimeout(200*time.Millisecond)) // two writers on one file, as two processes are
	release := hold(t, server)
	add := func(k int64) error {
		return command.Tx(t.Context(), func(tx *store.Tx) error { return addNote(t.Context(), tx, k) })
	}
	if err := add(1); faultKey(err) != "store.busy" {
		t.Errorf("got %v, want the fault that the database is busy", err)
	}
	if n := countNotes(t, command); n != 0 { // reading goes on
		t.Errorf("%d notes", n)
	}
	release()
	if err := add(1); err != nil {
		t.Error(err)
	}
	if n := countNotes(t, server); n != 1 {
		t.Errorf("the other process sees %d notes, want 1", n)
	}
}

func TestSecondProcessGetsItsTurnBesideABusyServer(t *testing.T) {
	url := storetest.SQLiteURL(t)
	server, command := openNotes(t, url), openNotes(t, url)
	ctx, stop := context.WithCancel(t.Context())
	var group sync.WaitGroup
	for w := range 8 {
		group.Go(func() {
			for k := int64(w) * 1_000_000; ctx.Err() == nil; k++ {
				if err := server.Tx(ctx, func(tx *store.Tx) error { return addNote(ctx, tx, k) }); err != nil && ctx.Err() == nil {
					t.Error(err)
				}
			}
		})
	}
	for k := range int64(10) {
		if err := command.Tx(ctx, func(tx *store.Tx) error { return addNote(ctx, tx, -1-k) }); err != nil {
			t.Errorf("beside a busy server: %v", err)
		}
	}
	stop()
	group.Wait()
}

func TestNewFilesAreForTheirOwnerAlone(t *testing.T) {
	url := storetest.SQLiteURL(t)
	openNotes(t, url)
	path := strings.TrimPrefix(url, "sqlite:")
	for _, f := range []string{path, path + "-wal", path + "-shm"} {
		info, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, want 0600", filepath.Base(f), info.Mode().Perm())
		}
	}
}

func TestOpenRefusesClearly(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return "sqlite:" + path
	}
	theirs := filepath.Join(dir, "theirs.db")
	other, err := sql.Open("sqlite", theirs)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Exec(`CREATE TABLE bookmark (url TEXT)`); err != nil {
		t.Fatal(err)
	}
	_ = other.Close() // flushed by the statement itself
	for _, tt := range []struct{ name, url, key, says string }{
		{"no scheme", "plumbline.db", "store.url", "sqlite:plumbline.db"},
		{"unknown scheme", "mysql://host/db", "store.url", "postgres://"},
		{"no path", "sqlite:", "store.url", "sqlite:plumbline.db"},
		{"a folder", "sqlite:" + dir, "store.open", "folder"},
		{"in a folder that is not there", "sqlite:" + filepath.Join(dir, "no", "such.db"), "store.open", "no such file"},
		{"a text file", write("letter.txt", strings.Repeat("Dear Sir or Madam, ", 100)), "store.not-a-database", "letter.txt"},
		{"another program's database", "sqlite:" + theirs, "store.not-ours", "theirs.db"},
		{"a server that is not there", "postgres://nobody@127.0.0.1:1/none", "store.connect", "127.0.0.1"},
		{"a malformed address", "postgres://host:port/x", "store.url", "port"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			db, err := store.Open(t.Context(), tt.url)
			if err == nil {
				_ = db.Close()
				t.Fatal("opened")
			}
			if faultKey(err) != tt.key || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %q, want a fault %s that says %q", err, tt.key, tt.says)
			}
		})
	}
	if left, err := os.ReadFile(theirs); err != nil || strings.Contains(string(left), "PLUM") {
		t.Errorf("another program's file was touched (%v)", err)
	}
}

func TestFullDiskFailsOnlyWhatItMust(t *testing.T) {
	db := openNotes(t, storetest.SQLiteURL(t))
	ctx := t.Context()
	limit := func(pages int) {
		t.Helper()
		if err := db.Tx(ctx, func(tx *store.Tx) error {
			return tx.QueryRow(ctx, fmt.Sprintf(`PRAGMA max_page_count = %d`, pages)).Scan(new(int64))
		}); err != nil {
			t.Fatal(err)
		}
	}
	limit(100) // 400 KiB, and the disk is full
	release := hold(t, db)
	large := strings.Repeat("x", 1<<20)
	results := make([]error, 9)
	var group sync.WaitGroup
	for i := range results {
		group.Go(func() {
			results[i] = db.Tx(ctx, func(tx *store.Tx) error {
				if err := addNote(ctx, tx, int64(i)); err != nil || i != 4 {
					return err
				}
				_, err := tx.Exec(ctx, `INSERT INTO echo (k, text) VALUES ($1, $2)`, i, large)
				return err
			})
		})
		eventually(t, "it waits", func() bool { return store.WaitingTurns(db) == i+1 })
	}
	release()
	group.Wait()
	if key := faultKey(results[4]); key != "store.full" {
		t.Errorf("the transaction that did not fit got %v, want the fault that the disk is full", results[4])
	}
	want := int64(0)
	for i, err := range results {
		if err == nil {
			want++
		} else if fault.KindOf(err) != fault.Unavailable || errors.Is(err, store.ErrOutcomeUnknown) {
			t.Errorf("transaction %d: %v", i, err)
		}
	}
	if n := countNotes(t, db); n != want || want != 8 {
		t.Errorf("%d notes, and %d of the 8 innocent transactions were answered with success", n, want)
	}
	limit(100_000)
	if err := db.Tx(ctx, func(tx *store.Tx) error { return addNote(ctx, tx, 100) }); err != nil {
		t.Errorf("with room again: %v", err)
	}
}

func TestDamagedFileIsSaidToBeDamaged(t *testing.T) {
	url := storetest.SQLiteURL(t)
	path := strings.TrimPrefix(url, "sqlite:")
	db := openNotes(t, url)
	if err := db.Tx(t.Context(), func(tx *store.Tx) error {
		rows := make([][]any, 5000)
		for i := range rows {
			rows[i] = []any{i, "a note"}
		}
		return tx.InsertMany(t.Context(), "note", []string{"k", "text"}, rows)
	}); err != nil {
		t.Fatal(err)
	}
	if err := db.Check(t.Context()); err != nil {
		t.Fatalf("a sound file: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := len(content) / 2; i < len(content)/2+20_000; i++ {
		content[i] = 0x5a
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	db = storetest.Open(t, url)
	if err := db.Check(t.Context()); faultKey(err) != "store.corrupt" {
		t.Errorf("Check gave %v, want the fault that the file is damaged", err)
	}
}

func TestPathsWithOddCharacters(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a b?c=d&e#f%20 案卷")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "x?mode=memory.db")
	db := openNotes(t, "sqlite:"+path)
	if err := db.Tx(t.Context(), func(tx *store.Tx) error { return addNote(t.Context(), tx, 1) }); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path + "-wal"); err != nil || info.Size() == 0 {
		t.Errorf("the database is not where it was asked for: %v", err)
	}
}

func TestMemoryDatabaseIsPrivateAndLeavesNothing(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	one, two := openNotes(t, "sqlite::memory:"), openNotes(t, "sqlite::memory:")
	if err := one.Tx(t.Context(), func(tx *store.Tx) error { return addNote(t.Context(), tx, 1) }); err != nil {
		t.Fatal(err)
	}
	if n := countNotes(t, one); n != 1 {
		t.Errorf("%d notes, want 1", n)
	}
	if n := countNotes(t, two); n != 0 {
		t.Errorf("two databases share %d notes", n)
	}
	for _, db := range []*store.DB{one, two} {
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	left, err := os.ReadDir(tmp)
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestMoreStatementsThanAreKept(t *testing.T) {
	db := openNotes(t, storetest.SQLiteURL(t))
	for round := range 2 {
		err := db.Tx(t.Context(), func(tx *store.Tx) error {
			for i := range 1000 {
				var n int
				if err := tx.QueryRow(t.Context(), fmt.Sprintf(`SELECT %d + $1`, i), round).Scan(&n); err != nil || n != i+round {
					return fmt.Errorf("statement %d gave %d: %w", i, n, err)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestIDsWhenTheClockMisbehaves(t *testing.T) {
	now := int64(1000)
	next := store.NewIDSource(func() int64 { return now }, 1023)
	last := next()
	step := func(what string) {
		t.Helper()
		id := next()
		if id <= last {
			t.Fatalf("%s: %d after %d", what, id, last)
		}
		last = id
	}
	for range 10_000 {
		step("the clock stands still")
	}
	now = 5
	step("the clock went back")
	now = 1_000_000
	step("the clock went on")
	if instance := last >> 12 & 1023; instance != 1023 {
		t.Errorf("the id carries instance %d, want 1023", instance)
	}
}
