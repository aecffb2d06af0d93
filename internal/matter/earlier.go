package matter

import (
	"context"
	"fmt"

	"plumbline/internal/store"
)

// Known reports whether a report has the receipt code that was shown. It tells no more than the page that opens reports
// does: whether the code is one.
func (v EarlierValue) Known(ctx context.Context, tx *store.Tx) (bool, error) {
	var n int64
	err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM matter WHERE channel = $1`, v.Channel).Scan(&n)
	if err != nil {
		return false, fmt.Errorf("matter: earlier report: %w", err)
	}
	return n > 0, nil
}
