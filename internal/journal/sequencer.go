package journal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"plumbline/internal/fault"
	"plumbline/internal/store"
)

const (
	poll     = 500 * time.Millisecond // how long entries of other processes may go unnoticed
	leaseTTL = 5 * time.Second        // how long the others wait for an instance that died at work
	slowest  = 30 * time.Second       // longest pause between attempts
)

// A Sequencer gives entries their global index. Any number may run, in any number of processes.
//
// What keeps the index free of gaps and doubles is the one row of journal_head: a sequencer locks it first, and
// numbers and moves it in the same transaction. A sequencer that slept at any point can only find that the head has
// moved on. The lease is there to spare the others the work, not for correctness.
type Sequencer struct {
	db    *store.DB
	log   *slog.Logger
	batch int
	right right
}

// NewSequencer returns a sequencer that has not begun.
func NewSequencer(db *store.DB, log *slog.Logger) *Sequencer {
	return &Sequencer{db: db, log: log, batch: 5000, right: right{db: db, name: "sequencer"}}
}

// Run numbers entries until ctx ends: at once when this process commits some, within half a second for others.
func (s *Sequencer) Run(ctx context.Context) error {
	defer s.right.release(ctx)
	for failures := 0; ; {
		rung := appended.Next()
		more, err := s.work(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			failures++
			s.log.Warn("numbering the journal failed and is tried again", "failures", failures, "error", err)
			pause(ctx, backoff(failures), nil)
		case more:
			failures = 0
		default:
			failures = 0
			pause(ctx, poll, rung)
		}
	}
}

// work does a batch if there is one and this instance has the lease.
func (s *Sequencer) work(ctx context.Context) (more bool, err error) {
	waiting := false
	err = s.db.Read(ctx, func(tx *store.Tx) error {
		var one int64
		err := tx.QueryRow(ctx, `SELECT n FROM entry WHERE idx IS NULL LIMIT 1`).Scan(&one)
		waiting = err == nil
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		return err
	})
	if err != nil || !waiting {
		return false, err
	}
	if ours, err := s.right.take(ctx); err != nil || !ours {
		return false, err
	}
	n, err := s.once(ctx, s.right.lease)
	if errors.Is(err, store.ErrLeaseLost) {
		s.right.lease = nil
		return true, nil
	}
	return n > 0, err
}

// Once numbers one batch and tells how many entries that were. It needs no lease.
func (s *Sequencer) Once(ctx context.Context) (int, error) { return s.once(ctx, nil) }

// All numbers everything that is there.
func (s *Sequencer) All(ctx context.Context) error {
	for {
		n, err := s.Once(ctx)
		if err != nil || n == 0 {
			return err
		}
	}
}

const (
	lockHead = `UPDATE journal_head SET idx = idx WHERE id = 1 RETURNING idx`
	moveHead = `UPDATE journal_head SET idx = $1 WHERE id = 1 AND idx = $2`
	// The limit stands in the text, for PostgreSQL to plan with.
	numberBatch = `WITH batch AS (
    SELECT stream, n, ROW_NUMBER() OVER (ORDER BY at, stream, n) AS k
    FROM (SELECT stream, n, at FROM entry WHERE idx IS NULL ORDER BY at, stream, n LIMIT %d) AS waiting
)
UPDATE entry SET idx = batch.k + $1 FROM batch
WHERE entry.stream = batch.stream AND entry.n = batch.n AND entry.idx IS NULL`
)

var errHeadMoved = fault.Wrap(errors.New("journal: the head of the journal moved while it was locked"), fault.Conflict, "journal.stale", nil)

func (s *Sequencer) once(ctx context.Context, lease *store.Lease) (placedNow int, err error) {
	err = s.db.TxLocking(ctx, func(tx *store.Tx) error {
		placedNow = 0
		var head int64
		if err := tx.QueryRow(ctx, lockHead).Scan(&head); err != nil {
			return err
		}
		if lease != nil {
			if err := lease.Held(ctx, tx); err != nil {
				return err
			}
		}
		n, err := tx.Affected(ctx, fmt.Sprintf(numberBatch, s.batch), head)
		if err != nil || n == 0 {
			return err
		}
		moved, err := tx.Affected(ctx, moveHead, head+n, head)
		if err != nil {
			return err
		}
		if moved != 1 {
			return errHeadMoved
		}
		placedNow = int(n)
		tx.AfterCommit(placed.Ring)
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("journal: number entries: %w", err)
	}
	return placedNow, nil
}

// right is a lease that is taken when there is work and renewed while there is, so that an idle office writes nothing.
type right struct {
	db      *store.DB
	name    string
	lease   *store.Lease
	renewed time.Time
}

// take tells whether this instance may work now.
func (r *right) take(ctx context.Context) (bool, error) {
	if r.lease != nil && time.Since(r.renewed) < leaseTTL/3 {
		return true, nil
	}
	now := time.Now()
	if r.lease != nil {
		err := r.lease.Renew(ctx)
		if err == nil {
			r.renewed = now
			return true, nil
		}
		if !errors.Is(err, store.ErrLeaseLost) {
			return false, err
		}
		r.lease = nil
	}
	lease, ok, err := r.db.Lease(ctx, r.name, holder, leaseTTL)
	if err != nil || !ok {
		return false, err
	}
	r.lease, r.renewed = lease, now
	return true, nil
}

// release lets another instance go on at once.
func (r *right) release(ctx context.Context) {
	if r.lease == nil {
		return
	}
	_ = r.lease.Release(context.WithoutCancel(ctx)) // if that fails, the others wait out our time
	r.lease = nil
}

// pause waits for d, for rung, or for the end of ctx.
func pause(ctx context.Context, d time.Duration, rung <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-rung:
	case <-ctx.Done():
	}
}

// backoff grows from 50 ms to half a minute.
func backoff(failures int) time.Duration {
	return min(50*time.Millisecond<<min(failures-1, 12), slowest)
}
