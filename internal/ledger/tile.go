package ledger

import (
	"context"
	"errors"
	"fmt"

	"plumbline/internal/fault"
	"plumbline/internal/store"
	"plumbline/verify"
)

// ErrNoTile says that a log of that size has no such tile.
var ErrNoTile error = fault.Wrap(errors.New("ledger: the published log has no such tile"), fault.NotFound, "fault.notfound", nil)

// Tile returns the content of a tile as C2SP tlog-tiles serves it, as far as a log of the given size has it: what lies
// beyond the published size is not there. A partial tile of a smaller log is there for good, since its checkpoint may
// be in anybody's hands.
func (l *Ledger) Tile(ctx context.Context, tx *store.Tx, size uint64, t verify.Tile) ([]byte, error) {
	whole, ok := t.In(size)
	if !ok || t.Width < 1 || t.Width > whole.Width {
		return nil, ErrNoTile
	}
	if t.Level == verify.Entries {
		first := t.N * verify.TileWidth
		committed, err := l.Commitments(ctx, tx, first, first+uint64(t.Width))
		if err != nil {
			return nil, err
		}
		entries := make([][]byte, len(committed))
		for i := range committed {
			entries[i] = committed[i][:]
		}
		bundle, err := verify.MarshalBundle(entries)
		if err != nil {
			return nil, fmt.Errorf("ledger: %w", err)
		}
		return bundle, nil
	}
	hashes, err := tilesOf(ctx, tx).tile(int64(t.Level), int64(t.N))
	if err != nil {
		return nil, err
	}
	if len(hashes) < t.Width*hashSize {
		return nil, fmt.Errorf("ledger: tile %s ends too early: %w", t.Path(), errTorn)
	}
	return hashes[:t.Width*hashSize], nil
}
