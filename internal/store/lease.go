package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"plumbline/internal/fault"
)

// ErrLeaseLost is in the chain when somebody else has taken a lease meanwhile.
var ErrLeaseLost error = fault.Wrap(errors.New("store: the lease was taken by somebody else"), fault.Conflict, "store.lease-lost", nil)

// A Lease is the right to do a piece of work alone for a while, among all processes on one database. Time is the
// database's, so the clocks of the machines do not matter.
//
// A holder that was asleep past its time does no harm if it asks Held in every transaction of the work: as soon as
// somebody else has taken the lease, those transactions fail.
type Lease struct {
	Name   string
	Holder string // for the operator; two holders of the same name are two holders
	db     *DB
	epoch  int64 // rises with every change of hands
	ttl    time.Duration
}

// Lease tries to take the lease called name for ttl. It is false, without an error, when another holder has it.
func (db *DB) Lease(ctx context.Context, name, holder string, ttl time.Duration) (*Lease, bool, error) {
	const (
		find   = `SELECT epoch, until_us FROM store_lease WHERE name = $1`
		create = `INSERT INTO store_lease (name, holder, epoch, until_us) VALUES ($1, $2, 1, $3)`
		take   = `UPDATE store_lease SET holder = $2, epoch = $3, until_us = $4 WHERE name = $1`
	)
	var l *Lease
	err := db.Tx(ctx, func(tx *Tx) error {
		l = nil
		now, err := tx.Now(ctx)
		if err != nil {
			return err
		}
		var epoch, until int64
		end := now.Add(ttl).UnixMicro()
		switch err := tx.QueryRow(ctx, find, name).Scan(&epoch, &until); {
		case errors.Is(err, ErrNotFound):
			epoch = 1
			if _, err := tx.Exec(ctx, create, name, holder, end); err != nil {
				return err
			}
		case err != nil:
			return err
		case until > now.UnixMicro():
			return nil
		default:
			epoch++
			if _, err := tx.Exec(ctx, take, name, holder, epoch, end); err != nil {
				return err
			}
		}
		l = &Lease{Name: name, Holder: holder, db: db, epoch: epoch, ttl: ttl}
		return nil
	})
	if IsUnique(err) {
		return nil, false, nil // another was first to create it
	}
	if err != nil {
		return nil, false, fmt.Errorf("lease %s: %w", name, err)
	}
	return l, l != nil, nil
}

// Held fails with [ErrLeaseLost] unless the lease is still ours within tx: what tx does can then take effect only if
// nobody else has begun the same work. A lease past its time that nobody took is still held. (In a TxLocking somebody else can
// take it between Held and the commit: there the row that the work locks has to keep the two apart.)
func (l *Lease) Held(ctx context.Context, tx *Tx) error {
	var epoch int64
	err := tx.QueryRow(ctx, `SELECT epoch FROM store_lease WHERE name = $1`, l.Name).Scan(&epoch)
	if err == nil && epoch == l.epoch || err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	return fmt.Errorf("lease %s of %s: %w", l.Name, l.Holder, ErrLeaseLost)
}

// Renew puts the end of the lease off to its full time from now.
func (l *Lease) Renew(ctx context.Context) error { return l.move(ctx, l.ttl) }

// Release lets the next holder take the lease at once. Releasing a lost lease changes nothing.
func (l *Lease) Release(ctx context.Context) error {
	if err := l.move(ctx, 0); err != nil && !errors.Is(err, ErrLeaseLost) {
		return err
	}
	return nil
}

func (l *Lease) move(ctx context.Context, ttl time.Duration) error {
	const (
		move = `UPDATE store_lease SET until_us = $3 WHERE name = $1 AND epoch = $2`
		free = `UPDATE store_lease SET until_us = 0, epoch = epoch + 1 WHERE name = $1 AND epoch = $2`
	)
	return l.db.Tx(ctx, func(tx *Tx) error {
		if ttl == 0 {
			// The epoch rises already here, so that this holder's own Held fails from now on.
			n, err := tx.Affected(ctx, free, l.Name, l.epoch)
			return l.ours(n, err)
		}
		now, err := tx.Now(ctx)
		if err != nil {
			return err
		}
		n, err := tx.Affected(ctx, move, l.Name, l.epoch, now.Add(ttl).UnixMicro())
		return l.ours(n, err)
	})
}

func (l *Lease) ours(changed int64, err error) error {
	if err != nil {
		return fmt.Errorf("lease %s: %w", l.Name, err)
	}
	if changed == 0 {
		return fmt.Errorf("lease %s of %s: %w", l.Name, l.Holder, ErrLeaseLost)
	}
	return nil
}

// Hold waits for the lease, runs work while renewing it, and releases it. The context given to work ends when the lease is
// lost. Hold returns what work returns, or the reason why it never ran.
func (db *DB) Hold(ctx context.Context, name, holder string, ttl time.Duration, work func(context.Context, *Lease) error) error {
	l, err := db.waitLease(ctx, name, holder, ttl)
	if err != nil {
		return err
	}
	inner, cancel := context.WithCancelCause(ctx)
	renewed := make(chan struct{})
	go func() {
		defer close(renewed)
		tick := time.NewTicker(ttl / 3)
		defer tick.Stop()
		for {
			select {
			case <-inner.Done():
				return
			case <-tick.C:
				// A renewal that fails for another reason is tried again at the next tick: the lease is only lost once taken.
				if err := l.Renew(inner); errors.Is(err, ErrLeaseLost) {
					cancel(err)
					return
				}
			}
		}
	}()
	defer func() {
		cancel(nil)
		<-renewed
		// Released even if ctx has ended, so that the next holder need not wait out our time; if that fails, it waits.
		_ = l.Release(context.WithoutCancel(ctx))
	}()
	return work(inner, l)
}

func (db *DB) waitLease(ctx context.Context, name, holder string, ttl time.Duration) (*Lease, error) {
	for {
		l, ok, err := db.Lease(ctx, name, holder, ttl)
		if err != nil || ok {
			return l, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(min(ttl/4, time.Second)):
		}
	}
}

// Now is the time of day by the database's clock, the same for all processes that use it; SQLite counts milliseconds.
func (tx *Tx) Now(ctx context.Context) (time.Time, error) {
	query := `SELECT CAST(unixepoch('now', 'subsec') * 1000000 AS BIGINT)`
	if tx.db.Dialect() == Postgres {
		query = `SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)`
	}
	var us int64
	if err := tx.QueryRow(ctx, query).Scan(&us); err != nil {
		return time.Time{}, err
	}
	return time.UnixMicro(us).UTC(), nil
}
