package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"plumbline/internal/store"
)

// StuckAfter is how long an entry may wait for a published checkpoint before something is wrong.
const StuckAfter = 2 * time.Minute

// Standing is how far the log has come.
type Standing struct {
	Placed    int64     // entries of the journal that have their place
	Leaves    int64     // of them in the tree
	Published uint64    // of them under the newest published checkpoint
	At        time.Time // when that was signed; zero: there is none
	Oldest    time.Time // when the oldest entry was written that no published checkpoint covers; zero: all are covered
}

// Stuck says what is wrong with the log now, "" if nothing is.
func (s Standing) Stuck(now time.Time) string {
	switch {
	case !s.Oldest.IsZero() && now.Sub(s.Oldest) > StuckAfter && now.Sub(s.At) > StuckAfter:
		return "entries wait for a signed and published checkpoint"
	case s.Published > 0 && now.Sub(s.At) > signAtLeast+StuckAfter:
		return "the newest checkpoint is older than an hour"
	}
	return ""
}

// Standing reads how far the log has come.
func (l *Ledger) Standing(ctx context.Context, tx *store.Tx) (s Standing, err error) {
	if err := tx.QueryRow(ctx, `SELECT idx FROM journal_head WHERE id = 1`).Scan(&s.Placed); err != nil {
		return s, fmt.Errorf("ledger: standing: %w", err)
	}
	if s.Leaves, err = leaves(ctx, tx); err != nil {
		return s, err
	}
	latest, err := l.Latest(ctx, tx)
	if err != nil && !errors.Is(err, ErrNone) {
		return s, err
	}
	s.Published, s.At = latest.Size, latest.At
	var at int64
	err = tx.QueryRow(ctx, `SELECT at FROM entry WHERE idx = $1`, int64(s.Published)+1).Scan(&at)
	switch {
	case err == nil:
		s.Oldest = time.UnixMicro(at).UTC()
	case !errors.Is(err, store.ErrNotFound):
		return s, fmt.Errorf("ledger: standing: %w", err)
	}
	return s, nil
}
