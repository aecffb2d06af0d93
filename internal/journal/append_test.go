package journal_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"plumbline/internal/fault"
	"plumbline/internal/journal"
	"plumbline/internal/store"
	"plumbline/internal/testing/world"
)

var noon = time.Date(2026, 3, 27, 12, 0, 0, 0, time.UTC)

func entry(stream string, n int64) journal.Entry {
	return journal.Entry{
		Stream: stream, N: n, At: noon.Add(time.Duration(n) * time.Second),
		By: journal.Actor{Duty: "intake"}, Via: journal.ViaCLI, Action: "note", Fields: map[string]any{"n": n},
	}
}

func add(t testing.TB, db *store.DB, entries ...journal.Entry) {
	t.Helper()
	err := db.Tx(t.Context(), func(tx *store.Tx) error {
		for _, e := range entries {
			if err := journal.Append(t.Context(), tx, e); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func stream(t testing.TB, db *store.DB, name string) (all []journal.Recorded) {
	t.Helper()
	err := db.Read(t.Context(), func(tx *store.Tx) (err error) {
		all, err = journal.Stream(t.Context(), tx, name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func since(t testing.TB, db *store.DB, idx int64, limit int) (all []journal.Recorded) {
	t.Helper()
	err := db.Read(t.Context(), func(tx *store.Tx) (err error) {
		all, err = journal.Since(t.Context(), tx, idx, limit)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestExactBytesAreKept(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		e := entry("matter/1", 1)
		e.Fields = map[string]any{"text": "<&>\u2028中文", "n": int64(1) << 60}
		add(t, db, e, entry("matter/1", 2))
		want, err := journal.Encode(e)
		if err != nil {
			t.Fatal(err)
		}
		got := stream(t, db, "matter/1")
		if len(got) != 2 || !bytes.Equal(got[0].Bytes, want) || got[0].Index != 0 || got[1].N != 2 {
			t.Errorf("got %d entries, the first %s", len(got), got[0].Bytes)
		}
		var last int64
		err = db.Read(t.Context(), func(tx *store.Tx) (err error) {
			last, err = journal.Last(t.Context(), tx, "matter/1")
			return err
		})
		if err != nil || last != 2 {
			t.Errorf("last = %d, %v", last, err)
		}
	})
}

func TestSecondEntryWithTheSameNumberIsRefused(t *testing.T) {
	many := func(ctx context.Context, tx *store.Tx, e journal.Entry) error {
		return journal.AppendMany(ctx, tx, []journal.Entry{e})
	}
	for name, appendOne := range map[string]func(context.Context, *store.Tx, journal.Entry) error{"one": journal.Append, "many": many} {
		t.Run(name, func(t *testing.T) {
			world.Each(t, func(t *testing.T, db *store.DB) {
				add(t, db, entry("matter/1", 1), entry("matter/1", 2))
				for _, n := range []int64{1, 2} {
					err := db.Tx(t.Context(), func(tx *store.Tx) error { return appendOne(t.Context(), tx, entry("matter/1", n)) })
					if !journal.IsStale(err) || !fault.Is(err, fault.Conflict) {
						t.Errorf("number %d again: %v", n, err)
					}
				}
				err := db.Tx(t.Context(), func(tx *store.Tx) error { return appendOne(t.Context(), tx, entry("matter/1", 4)) })
				if err == nil || fault.Is(err, fault.Conflict) {
					t.Errorf("a gap was left: %v", err)
				}
				if n := len(stream(t, db, "matter/1")); n != 2 {
					t.Errorf("%d entries", n)
				}
			})
		})
	}
}

// Sixteen clerks act on one matter from what they saw: one wins each round, all others are told, no entry is lost.
func TestOfManyWhoActOnOneMatterOneWins(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		add(t, db, entry("matter/1", 1))
		var wg sync.WaitGroup
		var mu sync.Mutex
		won := map[int64]int{}
		for range 16 {
			wg.Go(func() {
				for n := int64(2); n <= 6; n++ {
					err := db.Tx(context.Background(), func(tx *store.Tx) error { return journal.Append(context.Background(), tx, entry("matter/1", n)) })
					if err != nil && !journal.IsStale(err) {
						t.Errorf("number %d: %v", n, err)
					}
					if err == nil {
						mu.Lock()
						won[n]++
						mu.Unlock()
					}
				}
			})
		}
		wg.Wait()
		for n := int64(2); n <= 6; n++ {
			if won[n] != 1 {
				t.Errorf("number %d was won %d times", n, won[n])
			}
		}
		if n := len(stream(t, db, "matter/1")); n != 6 {
			t.Errorf("%d entries", n)
		}
	})
}

func TestAppendManyKeepsStreamsInOrderWhateverTheClocksSay(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		var all []journal.Entry
		for s := range 600 {
			late, early := entry(fmt.Sprintf("matter/%d", s), 1), entry(fmt.Sprintf("matter/%d", s), 2)
			late.At, early.At = noon.Add(time.Hour), noon // the second machine's clock is an hour slow
			all = append(all, late, early)
		}
		third := make([]journal.Entry, 600)
		for s := range third {
			third[s] = entry(fmt.Sprintf("matter/%d", s), 3)
			third[s].At = noon.Add(-time.Hour)
		}
		for _, batch := range [][]journal.Entry{all, third} {
			if err := db.Tx(t.Context(), func(tx *store.Tx) error { return journal.AppendMany(t.Context(), tx, batch) }); err != nil {
				t.Fatal(err)
			}
		}
		late := entry("matter/7", 4)
		late.At = noon.Add(-2 * time.Hour)
		add(t, db, late)
		if err := journal.NewSequencer(db, quiet).All(t.Context()); err != nil {
			t.Fatal(err)
		}
		checkIndex(t, db, 1801)
	})
}

// checkIndex holds the journal to its promise: every entry once, from 1 without gaps, streams in order.
func checkIndex(t testing.TB, db *store.DB, want int) {
	t.Helper()
	next, last := int64(1), map[string]int64{}
	for {
		batch := since(t, db, next-1, 500)
		for _, r := range batch {
			if r.Index != next {
				t.Fatalf("index %d follows %d", r.Index, next-1)
			}
			next++
			if r.N != last[r.Stream]+1 {
				t.Fatalf("%s %d stands behind %d", r.Stream, r.N, last[r.Stream])
			}
			last[r.Stream] = r.N
		}
		if len(batch) < 500 {
			break
		}
	}
	if int(next-1) != want {
		t.Fatalf("%d entries have an index, want %d", next-1, want)
	}
	err := db.Read(t.Context(), func(tx *store.Tx) error {
		idx, all, err := journal.Head(t.Context(), tx)
		if err == nil && (idx != int64(want) || all != idx) {
			err = fmt.Errorf("head %d of %d", idx, all)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

var errBroken = errors.New("broken on purpose")
