package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"plumbline/internal/store"
)

// ErrInjected is the failure that a [Fault] makes.
var ErrInjected = errors.New("storetest: injected failure")

// A Fault fails one step of a database, counted from 1 since it was armed: either before the step takes effect, or after
// it did, with the answer lost. Give Hook to store.WithHook.
type Fault struct {
	n     atomic.Int64
	at    atomic.Int64
	after atomic.Bool
	hit   atomic.Pointer[store.Point]
}

// Arm makes the n-th step from now on fail.
func (f *Fault) Arm(n int64, after bool) {
	f.hit.Store(nil)
	f.after.Store(after)
	f.n.Store(0)
	f.at.Store(n)
}

// Disarm lets everything through and tells which step failed, nil if none was reached.
func (f *Fault) Disarm() *store.Point {
	f.at.Store(0)
	return f.hit.Load()
}

// Hook is for store.WithHook.
func (f *Fault) Hook(p store.Point) error {
	at := f.at.Load()
	if at == 0 || p.After != f.after.Load() {
		return nil
	}
	if f.n.Add(1) != at {
		return nil
	}
	f.hit.Store(&p)
	return fmt.Errorf("%w: %s, after=%v", ErrInjected, p.Step, p.After)
}

// runFaults fails every step of a transaction in turn, twice over, and looks that nothing is ever half done, that the
// answer is true, and that trying again is safe.
func runFaults(t *testing.T, kind Named) {
	var f Fault
	db := migrated(t, kind, store.WithHook(f.Hook))
	ctx := t.Context()
	for _, after := range []bool{false, true} {
		name := "reply lost"
		if !after {
			name = "before taking effect"
		}
		t.Run(name, func(t *testing.T) {
			steps := 0
			for n := int64(1); ; n++ {
				k := fmt.Sprintf("%v/%02d", after, n)
				rang := false
				work := func(tx *store.Tx) error {
					tx.AfterCommit(func() { rang = true })
					return transfer(ctx, tx, k)
				}
				f.Arm(n, after)
				err := db.Tx(ctx, work)
				hit := f.Disarm()
				if hit == nil {
					must(t, err) // past the last step
					break
				}
				steps++
				there := wholeOrNothing(t, db, k)
				known := !errors.Is(err, store.ErrOutcomeUnknown)
				switch committed := hit.Step == store.StepCommit && after; {
				case !errors.Is(err, ErrInjected):
					t.Errorf("step %d (%s): Tx returned %v, want the failure", n, hit.Step, err)
				case known == committed:
					t.Errorf("step %d (%s): outcome known = %v", n, hit.Step, known)
				case there != committed:
					t.Errorf("step %d (%s): rows there = %v, want %v", n, hit.Step, there, committed)
				case rang:
					t.Errorf("step %d (%s): after-commit function called", n, hit.Step)
				}
				// Trying again: either it is done now, or the key says that it was done before.
				if err := db.Tx(ctx, work); err != nil && !(there && store.IsUnique(err)) {
					t.Errorf("step %d (%s): trying again: %v", n, hit.Step, err)
				}
				if !wholeOrNothing(t, db, k) {
					t.Errorf("step %d (%s): not done after trying again", n, hit.Step)
				}
			}
			if want := 5; steps != want {
				t.Errorf("%d steps failed in turn, want %d: the fault does not reach every step", steps, want)
			}
		})
	}
}

// transfer is a transaction of five steps with the commit.
func transfer(ctx context.Context, tx *store.Tx, k string) error {
	if err := put(ctx, tx, k, 1); err != nil {
		return err
	}
	var v int64
	if err := tx.QueryRow(ctx, `SELECT v FROM item WHERE k = $1`, k).Scan(&v); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, insertShadow, k, v); err != nil {
		return err
	}
	return tx.InsertMany(ctx, "shadow", []string{"k", "v"}, [][]any{{k + "/x", v}, {k + "/y", v}})
}

// wholeOrNothing tells whether the rows of a transfer are there, and fails the test if some are.
func wholeOrNothing(t testing.TB, db *store.DB, k string) bool {
	t.Helper()
	var n int64
	must(t, db.Read(t.Context(), func(tx *store.Tx) error {
		return tx.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM item WHERE k = $1) +
			(SELECT count(*) FROM shadow WHERE k = $1 OR k LIKE $2)`, k, k+"/%").Scan(&n)
	}))
	if n != 0 && n != 4 {
		t.Fatalf("%s: %d of 4 rows are there", k, n)
	}
	return n == 4
}
