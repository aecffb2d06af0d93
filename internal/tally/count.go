package tally

import (
	"context"
	"fmt"
	"math"

	"plumbline/internal/fault"
	"plumbline/internal/store"
)

// CountTraced tells how many matters stand behind a value, and how many of them the one who asks may see. Its time grows with
// the matters behind the value.
func (t *Tally) CountTraced(ctx context.Context, tx *store.Tx, req TraceRequest) (all, seen int64, err error) {
	req.After, req.Limit = 0, math.MaxInt32-1
	if len(req.Key) != len(req.By) {
		return 0, 0, fault.New(fault.Invalid, "tally.bad-key", nil)
	}
	q, err := t.prepare(ctx, tx, req.Request)
	if err != nil {
		return 0, 0, err
	}
	for _, see := range []struct {
		by Access
		n  *int64
	}{{Everybody, &all}, {req.See, &seen}} {
		one := req
		one.See = see.by
		text, args, err := q.traceText(one)
		if err != nil {
			return 0, 0, err
		}
		if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM (`+text+`) AS traced`, args...).Scan(see.n); err != nil {
			return 0, 0, fmt.Errorf("tally: trace: %w", err)
		}
	}
	return all, seen, nil
}
