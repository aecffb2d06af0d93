package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"plumbline/internal/store"
)

// take takes a lease that must be free.
func take(t testing.TB, db *store.DB, name, holder string, ttl time.Duration) *store.Lease {
	t.Helper()
	l, ok, err := db.Lease(t.Context(), name, holder, ttl)
	must(t, err)
	if !ok {
		t.Fatalf("%s did not get the free lease %s", holder, name)
	}
	return l
}

func refused(t testing.TB, db *store.DB, name, holder string) {
	t.Helper()
	if _, ok, err := db.Lease(t.Context(), name, holder, time.Minute); err != nil || ok {
		t.Fatalf("%s got the lease %s of another (%v)", holder, name, err)
	}
}

// workUnder writes an item in a transaction that asks whether l is held.
func workUnder(t testing.TB, db *store.DB, l *store.Lease, k string) error {
	return db.Tx(t.Context(), func(tx *store.Tx) error {
		if err := l.Held(t.Context(), tx); err != nil {
			return err
		}
		return put(t.Context(), tx, k, 1)
	})
}

func testLease(t *testing.T, db *store.DB) {
	ctx := t.Context()
	l := take(t, db, "work", "anna", time.Minute)
	refused(t, db, "work", "bela")
	refused(t, db, "work", "anna") // the name gives no right
	take(t, db, "other work", "bela", time.Minute)
	must(t, l.Renew(ctx))
	must(t, workUnder(t, db, l, "a"))
	must(t, l.Release(ctx))
	if err := workUnder(t, db, l, "b"); !errors.Is(err, store.ErrLeaseLost) {
		t.Errorf("work under a released lease: %v, want ErrLeaseLost", err)
	}
	if err := l.Renew(ctx); !errors.Is(err, store.ErrLeaseLost) {
		t.Errorf("renewing a released lease: %v, want ErrLeaseLost", err)
	}
	must(t, l.Release(ctx)) // again changes nothing
	next := take(t, db, "work", "bela", time.Minute)
	must(t, l.Release(ctx)) // least of all for the next holder
	must(t, workUnder(t, db, next, "c"))
	wantItems(t, db, "a=1 c=1")
}

func testLeaseFence(t *testing.T, db *store.DB) {
	ctx := t.Context()
	asleep := take(t, db, "work", "anna", 50*time.Millisecond)
	time.Sleep(120 * time.Millisecond)
	must(t, workUnder(t, db, asleep, "late but alone"))
	must(t, asleep.Renew(ctx)) // nobody took it
	time.Sleep(120 * time.Millisecond)
	next := take(t, db, "work", "bela", time.Minute)
	if err := workUnder(t, db, asleep, "stale"); !errors.Is(err, store.ErrLeaseLost) {
		t.Errorf("work of the former holder: %v, want ErrLeaseLost", err)
	}
	if err := asleep.Renew(ctx); !errors.Is(err, store.ErrLeaseLost) {
		t.Errorf("renewal by the former holder: %v, want ErrLeaseLost", err)
	}
	must(t, workUnder(t, db, next, "right"))
	wantItems(t, db, "late but alone=1 right=1")
}

func testLeaseContest(t *testing.T, db *store.DB) {
	ctx := t.Context()
	for round := range 3 {
		var winners atomic.Int64
		var group sync.WaitGroup
		for i := range 8 {
			group.Go(func() {
				_, ok, err := db.Lease(ctx, fmt.Sprint("round ", round), fmt.Sprint("holder ", i), time.Minute)
				if err != nil {
					t.Error(err)
				}
				if ok {
					winners.Add(1)
				}
			})
		}
		group.Wait()
		if n := winners.Load(); n != 1 {
			t.Errorf("round %d: %d holders of one lease", round, n)
		}
	}
}

func testHold(t *testing.T, db *store.DB) {
	ctx := t.Context()
	const ttl = 900 * time.Millisecond
	must(t, db.Hold(ctx, "work", "anna", ttl, func(ctx context.Context, l *store.Lease) error {
		time.Sleep(2 * ttl) // renewed meanwhile
		refused(t, db, "work", "bela")
		return workUnder(t, db, l, "a")
	}))
	take(t, db, "work", "bela", ttl) // released at once
	// A holder whose lease is taken away is told through its context.
	err := db.Hold(ctx, "taken", "anna", ttl, func(ctx context.Context, l *store.Lease) error {
		if err := db.Tx(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Exec(t.Context(), `UPDATE store_lease SET epoch = epoch + 1 WHERE name = 'taken'`)
			return err
		}); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(30 * time.Second):
			return errors.New("never told")
		}
	})
	if !errors.Is(err, store.ErrLeaseLost) {
		t.Errorf("Hold returned %v, want ErrLeaseLost", err)
	}
}
