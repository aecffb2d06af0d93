// Package ledger makes the journal a public log that nobody can rewrite in silence.
//
// Every entry becomes one leaf of a Merkle tree (RFC 6962), in the order of the journal's global index: entry idx is
// leaf idx-1. A leaf is a commitment (verify.Commitment) to the exact bytes of the entry, salted with a secret of its
// own, so that the tree can be shown to everybody and says nothing to those who were told no secret. The tree grows in
// the database, in the transaction that notes how far the journal was read; a signer signs its head (C2SP
// tlog-checkpoint) and publishes it. Nothing is ever proved, or shown, beyond the newest published head.
//
// The package decides nothing about what entries mean.
package ledger

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"plumbline/internal/fault"
	"plumbline/internal/journal"
	"plumbline/internal/store"
)

// A Ledger is the log of one database. It is safe for use by many goroutines.
type Ledger struct {
	db  *store.DB
	log *slog.Logger
	now func() time.Time

	grown     journal.Bell // leaves were added by this process
	published journal.Bell // a checkpoint was published by this process
}

// Options of New; the zero value of each means "as usual".
type Options struct {
	Log *slog.Logger     // none: nothing is logged
	Now func() time.Time // the machine's clock
}

// New returns the log of a database, whose tables are there already.
func New(db *store.DB, opts Options) *Ledger {
	l := &Ledger{db: db, log: opts.Log, now: opts.Now}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	if l.now == nil {
		l.now = time.Now
	}
	return l
}

// A Checkpoint is a published head of the log.
type Checkpoint struct {
	Size uint64    // entries it covers
	Note []byte    // the signed note, with the cosignatures of witnesses
	At   time.Time // when it was signed
}

// ErrNone says that the log has no published checkpoint yet.
var ErrNone error = fault.Wrap(errors.New("ledger: no checkpoint has been published yet"), fault.Unavailable, "ledger.notyet", nil)

const selectLatest = `SELECT size, note, at FROM checkpoint ORDER BY size DESC LIMIT 1`

// Latest returns the newest published checkpoint, ErrNone if there is none yet.
func (l *Ledger) Latest(ctx context.Context, tx *store.Tx) (Checkpoint, error) {
	var c Checkpoint
	var size, at int64
	err := tx.QueryRow(ctx, selectLatest).Scan(&size, &c.Note, &at)
	if errors.Is(err, store.ErrNotFound) {
		return Checkpoint{}, ErrNone
	}
	if err != nil {
		return Checkpoint{}, fmt.Errorf("ledger: latest checkpoint: %w", err)
	}
	c.Size, c.At = uint64(size), time.UnixMicro(at).UTC()
	return c, nil
}

// Position returns the place of an entry in the whole journal, counted from 1; its index in the log is one less. It is
// 0 while the entry has not been given its place. An entry that does not exist is store.ErrNotFound.
func (l *Ledger) Position(ctx context.Context, tx *store.Tx, stream string, n int64) (idx int64, err error) {
	const position = `SELECT COALESCE(idx, 0) FROM entry WHERE stream = $1 AND n = $2`
	if err := tx.QueryRow(ctx, position, stream, n).Scan(&idx); err != nil {
		return 0, fmt.Errorf("ledger: position of %s %d: %w", stream, n, err)
	}
	return idx, nil
}

// Size returns how many leaves the tree has, published or not.
func (l *Ledger) Size(ctx context.Context, tx *store.Tx) (uint64, error) {
	size, err := leaves(ctx, tx)
	return uint64(size), err
}

func leaves(ctx context.Context, tx *store.Tx) (size int64, err error) {
	if err := tx.QueryRow(ctx, `SELECT COALESCE(MAX(idx), 0) FROM leaf`).Scan(&size); err != nil {
		return 0, fmt.Errorf("ledger: size: %w", err)
	}
	return size, nil
}

// waitPoll is how long Wait lets a checkpoint go unnoticed that another process published.
const waitPoll = 200 * time.Millisecond

// Wait returns when the newest published checkpoint covers the entry, or with fault.Unavailable "ledger.notyet" after
// most. Call it outside of any transaction.
func (l *Ledger) Wait(ctx context.Context, stream string, n int64, most time.Duration) error {
	end := time.NewTimer(most)
	defer end.Stop()
	for {
		rung := l.published.Next()
		covered, err := l.covered(ctx, stream, n)
		if err != nil || covered {
			return err
		}
		poll := time.NewTimer(waitPoll)
		select {
		case <-rung:
		case <-poll.C:
		case <-end.C:
			poll.Stop()
			return notYet(stream, n)
		case <-ctx.Done():
			poll.Stop()
			return ctx.Err()
		}
		poll.Stop()
	}
}

func (l *Ledger) covered(ctx context.Context, stream string, n int64) (yes bool, err error) {
	err = l.db.Read(ctx, func(tx *store.Tx) error {
		idx, err := l.Position(ctx, tx, stream, n)
		if err != nil {
			return err
		}
		latest, err := l.Latest(ctx, tx)
		if errors.Is(err, ErrNone) {
			return nil
		}
		yes = idx > 0 && uint64(idx) <= latest.Size
		return err
	})
	return yes, err
}

func notYet(stream string, n int64) error {
	return fault.Wrap(fmt.Errorf("ledger: %s %d is in no published checkpoint yet", stream, n), fault.Unavailable, "ledger.notyet", nil)
}

func toLog(size uint64) (int64, error) {
	if size > 1<<62 {
		return 0, fmt.Errorf("ledger: %d is no size of a tree", size)
	}
	return int64(size), nil
}
