package register

import (
	"context"
	"fmt"

	"plumbline/internal/ref"
	"plumbline/internal/store"
)

// SamePerson returns every entry of the register that stands for the person of one of them: itself, those merged into it,
// and the one it was merged into with all that were. The one that carries on comes first.
func SamePerson(ctx context.Context, tx *store.Tx, id ref.OfficialID) ([]ref.OfficialID, error) {
	o, err := OfficialByID(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	out := []ref.OfficialID{o.ID}
	for i := 0; i < len(out); i++ {
		found, err := tx.Query(ctx, `SELECT id FROM official WHERE merged_into = $1 AND merged_into <> 0 ORDER BY id`, int64(out[i]))
		if err != nil {
			return nil, fmt.Errorf("register: who was merged into %d: %w", out[i], err)
		}
		more, err := store.Collect(found, func(r *store.Rows) (id ref.OfficialID, err error) { return id, r.Scan(&id) })
		if err != nil {
			return nil, fmt.Errorf("register: who was merged into %d: %w", out[i], err)
		}
		out = append(out, more...) // mergers run one way, so nobody comes twice
	}
	return out, nil
}
