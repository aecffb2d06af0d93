package journal_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"plumbline/internal/journal"
	"plumbline/internal/store"
	"plumbline/internal/testing/world"
)

var quiet = slog.New(slog.DiscardHandler)

// Several instances number what several writers write, at the same time.
func TestManySequencersNeverNumberTwice(t *testing.T) {
	world.EachURL(t, func(t *testing.T, url string) {
		first := world.Open(t, url)
		dbs := []*store.DB{first, first, first}
		if first.Dialect() == store.Postgres {
			dbs = []*store.DB{first, world.Open(t, url), world.Open(t, url)}
		}
		const writers, each = 8, 40
		ctx, stop := context.WithCancel(t.Context())
		var sequencers, appenders sync.WaitGroup
		for _, db := range dbs {
			sequencers.Go(func() { _ = journal.NewSequencer(db, quiet).Run(ctx) })
			// and one that heeds no lease
			sequencers.Go(func() {
				for s := journal.NewSequencer(db, quiet); ctx.Err() == nil; {
					if _, err := s.Once(ctx); err != nil && ctx.Err() == nil {
						t.Errorf("without a lease: %v", err)
						return
					}
				}
			})
		}
		for w := range writers {
			appenders.Go(func() {
				for n := int64(1); n <= each; n++ {
					add(t, dbs[w%len(dbs)], entry(fmt.Sprintf("matter/%d", w), n))
				}
			})
		}
		appenders.Wait()
		eventually(t, func() bool { return waiting(t, first) == 0 })
		stop()
		sequencers.Wait()
		checkIndex(t, first, writers*each)
	})
}

// Every statement and the commit of a sequencer fail once, without and with taking effect.
func TestSequencerSurvivesFailureAtEveryStep(t *testing.T) {
	world.EachURL(t, func(t *testing.T, url string) {
		var broken atomic.Int64 // the step to fail at, counting down; 0 is off
		db := world.Open(t, url, store.WithHook(func(p store.Point) error {
			if broken.Load() > 0 && broken.Add(-1) == 0 {
				return errBroken
			}
			return nil
		}))
		total := 0
		for step := int64(1); ; step++ {
			add(t, db, entry(fmt.Sprintf("matter/%d", step), 1), entry(fmt.Sprintf("matter/%d", step), 2))
			total += 2
			broken.Store(step)
			_, err := journal.NewSequencer(db, quiet).Once(t.Context())
			left := broken.Swap(0)
			if err == nil && left == 0 {
				t.Errorf("a failure at step %d was not reported", step)
			}
			if err := journal.NewSequencer(db, quiet).All(t.Context()); err != nil {
				t.Fatalf("after a failure at step %d: %v", step, err)
			}
			checkIndex(t, db, total)
			if left > 0 {
				if step < 6 {
					t.Errorf("only %d steps could fail", step-1)
				}
				return
			}
		}
	})
}

// The holder of the lease stops inside its transaction, others go on or wait, and when it wakes nothing is numbered twice.
func TestHolderThatStallsDoesNoHarm(t *testing.T) {
	for _, at := range []string{"UPDATE journal_head SET idx = idx", "WITH batch", "UPDATE journal_head SET idx = $1"} {
		t.Run(at, func(t *testing.T) {
			world.EachURL(t, func(t *testing.T, url string) {
				var armed atomic.Bool
				asleep, wake := make(chan struct{}), make(chan struct{})
				slow := world.Open(t, url, store.WithHook(func(p store.Point) error {
					if !p.After && strings.HasPrefix(p.SQL, at) && armed.CompareAndSwap(true, false) {
						close(asleep)
						<-wake
					}
					return nil
				}))
				other := slow
				if slow.Dialect() == store.Postgres {
					other = world.Open(t, url)
				}
				for n := int64(1); n <= 20; n++ {
					add(t, other, entry("matter/1", n))
				}
				armed.Store(true)
				slept := make(chan error, 1)
				go func() {
					_, err := journal.NewSequencer(slow, quiet).Once(context.Background())
					slept <- err
				}()
				<-asleep
				done := make(chan error, 1)
				go func() {
					err := journal.NewSequencer(other, quiet).All(context.Background())
					done <- err
				}()
				select { // the other may finish or may have to wait for the lock; both are right
				case err := <-done:
					done <- err
				case <-time.After(100 * time.Millisecond):
				}
				close(wake)
				if err := <-slept; err != nil {
					t.Errorf("the one that slept: %v", err)
				}
				if err := <-done; err != nil {
					t.Errorf("the other: %v", err)
				}
				if err := journal.NewSequencer(other, quiet).All(t.Context()); err != nil {
					t.Error(err)
				}
				checkIndex(t, other, 20)
			})
		})
	}
}

func TestIndexComesAtOnceAfterACommit(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); _ = journal.NewSequencer(db, quiet).Run(ctx) }()
		defer func() { stop(); <-done }()
		for n := int64(1); n <= 5; n++ {
			add(t, db, entry("matter/1", n))
			begun := time.Now()
			eventually(t, func() bool { return waiting(t, db) == 0 })
			if took := time.Since(begun); took > 2*time.Second {
				t.Errorf("took %v", took)
			}
		}
	})
}

func waiting(t testing.TB, db *store.DB) (n int64) {
	t.Helper()
	err := db.Read(context.Background(), func(tx *store.Tx) error {
		idx, all, err := journal.Head(context.Background(), tx)
		n = all - idx
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func eventually(t testing.TB, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("did not come about within 20 seconds")
		}
	}
}
