package exhibit

import (
	"context"
	"fmt"

	"plumbline/internal/ref"
	"plumbline/internal/store"
)

// Stored is what the tables hold of an attached file, for a check against the record: no key is needed for it.
type Stored struct {
	ID     ID
	Matter ref.MatterID
	N      int64 // the entry that attached it
	Chunks int64 // it should have
	Have   int64 // it has
}

const (
	storedOf = `SELECT e.id, e.matter, e.n, e.chunks, (SELECT count(*) FROM exhibit_chunk c WHERE c.file = e.id AND c.part = 0 AND c.no < e.chunks)
		FROM exhibit e WHERE e.matter = $1 AND e.n > 0 ORDER BY e.id`
	unattached = `SELECT e.id, e.matter, e.n, e.chunks, e.chunks FROM exhibit e WHERE e.n > 0 AND NOT EXISTS
		(SELECT 1 FROM entry x WHERE x.stream = 'matter/' || CAST(e.matter AS TEXT) AND x.n = e.n AND x.action = 'attach') ORDER BY e.id LIMIT $1`
)

func stored(ctx context.Context, tx *store.Tx, query string, arg int64) ([]Stored, error) {
	found, err := tx.Query(ctx, query, arg)
	if err != nil {
		return nil, fmt.Errorf("exhibit: what is stored: %w", err)
	}
	all, err := store.Collect(found, func(r *store.Rows) (s Stored, err error) {
		var id, m int64
		err = r.Scan(&id, &m, &s.N, &s.Chunks, &s.Have)
		s.ID, s.Matter = ID(id), ref.MatterID(m)
		return s, err
	})
	if err != nil {
		return nil, fmt.Errorf("exhibit: what is stored: %w", err)
	}
	return all, nil
}

// StoredOf are the attached files of a matter.
func StoredOf(ctx context.Context, tx *store.Tx, m ref.MatterID) ([]Stored, error) {
	return stored(ctx, tx, storedOf, int64(m))
}

// Unattached are files that no entry attached, though their rows say so; at most limit.
func Unattached(ctx context.Context, tx *store.Tx, limit int) ([]Stored, error) {
	return stored(ctx, tx, unattached, int64(limit))
}
