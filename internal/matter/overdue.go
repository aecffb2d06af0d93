package matter

import (
	"context"
	"fmt"

	"plumbline/internal/store"
)

// OverdueCount is how many open matters have a time limit that ran out.
type OverdueCount struct {
	All int64
	Top int64 // those that lie with a body nothing is above: nobody is left to see them but the public
}

const countOverdue = `SELECT COUNT(*), COUNT(CASE WHEN b.parent = 0 THEN 1 END) FROM matter m LEFT JOIN body b ON b.id = m.desk_body
	WHERE m.final = 0 AND m.overdue = 1 AND m.due > 0`

// CountOverdue counts for the public page of overdue matters (F4): by number only.
func CountOverdue(ctx context.Context, tx *store.Tx) (OverdueCount, error) {
	var n OverdueCount
	if err := tx.QueryRow(ctx, countOverdue).Scan(&n.All, &n.Top); err != nil {
		return n, fmt.Errorf("matter: count overdue: %w", err)
	}
	return n, nil
}
