package tally

import (
	"context"
	"fmt"
	"strings"

	"plumbline/internal/fault"
	"plumbline/internal/ref"
	"plumbline/internal/store"
)

// Access is the condition under which somebody may see a matter, over the table matter under an alias, with arguments
// numbered from a place on: access.Where for a viewer.
type Access func(alias string, firstArg int) (sql string, args []any)

// Everybody sees all matters; for checks by the system itself.
func Everybody(string, int) (string, []any) { return "1 = 1", nil }

// TraceRequest asks for the matters behind a value.
type TraceRequest struct {
	Request              // By are the dimensions of Key
	Key     []string     // as in the row of a Result; empty with an empty By: the total
	See     Access       // who asks
	After   ref.MatterID // 0, or the last matter of the page before
	Limit   int          // matters on a page; 0: 50
}

// Traced is a matter that is counted in a value.
type Traced struct {
	ID       ref.MatterID
	Ref      ref.Reference
	Kind     string
	Pack     string
	State    string
	Title    string
	Received string
	Source   string // empty, or the import it came with
	Counts   int64  // how many things of it are counted: itself, or its allegations
}

const mostTraced = 500

// Trace lists the matters behind a value that the one who asks may see, oldest id first, and whether there are more.
func (t *Tally) Trace(ctx context.Context, tx *store.Tx, req TraceRequest) (page []Traced, more bool, err error) {
	if len(req.Key) != len(req.By) {
		return nil, false, fault.New(fault.Invalid, "tally.bad-key", nil)
	}
	if req.Limit <= 0 || req.Limit > mostTraced {
		req.Limit = 50
	}
	q, err := t.prepare(ctx, tx, req.Request)
	if err != nil {
		return nil, false, err
	}
	text, args, err := q.traceText(req)
	if err != nil {
		return nil, false, err
	}
	rows, err := tx.Query(ctx, text, args...)
	if err != nil {
		return nil, false, fmt.Errorf("tally: trace: %w", err)
	}
	page, err = store.Collect(rows, func(r *store.Rows) (m Traced, err error) {
		return m, r.Scan(&m.ID, &m.Ref, &m.Kind, &m.Pack, &m.State, &m.Title, &m.Received, &m.Source, &m.Counts)
	})
	if err != nil {
		return nil, false, fmt.Errorf("tally: trace: %w", err)
	}
	if len(page) > req.Limit {
		return page[:req.Limit], true, nil
	}
	return page, false, nil
}

func (q *query) traceText(req TraceRequest) (string, []any, error) {
	args := []any{q.m.ID, int64(req.After)}
	arg := func(v any) string {
		args = append(args, v)
		return fmt.Sprintf("$%d", len(args))
	}
	conds := []string{`f.measure = $1`, `f.matter > $2`}
	if !q.span.all() {
		lo, hi := q.span.bounds()
		conds = append(conds, `f.received >= `+arg(lo), `f.received < `+arg(hi))
	}
	body, exactly := q.body, false
	for i, d := range req.By {
		v := req.Key[i]
		switch d {
		case DimYear:
			if v == "" {
				conds = append(conds, `LENGTH(f.received) < 4`)
			} else {
				conds = append(conds, `SUBSTR(f.received, 1, 4) = `+arg(v))
			}
		case DimMonth:
			if v == "" {
				conds = append(conds, `LENGTH(f.received) < 4`)
			} else {
				conds = append(conds, `SUBSTR(f.received, 1, 7) = `+arg(v))
			}
		case DimBody:
			if body, exactly = q.below(v); body < 0 {
				return "", nil, fault.New(fault.NotFound, "register.no-body", fault.Args{"body": v})
			}
		default:
			// Found in the text of dims by taking it out: exact on both databases, which LIKE is not.
			conds = append(conds, `REPLACE(f.dims, `+arg(unit+d+"="+v+unit)+`, '') <> f.dims`)
		}
	}
	switch {
	case exactly && body == 0:
		conds = append(conds, `NOT EXISTS (SELECT 1 FROM body b WHERE b.id = f.body)`)
	case exactly:
		conds = append(conds, `f.body = `+arg(body))
	case body != 0:
		conds = append(conds, `f.body IN (SELECT body FROM body_above WHERE above = `+arg(body)+`)`)
	}
	if q.without != nil {
		text, more := q.without(len(args) + 1)
		args = append(args, more...)
		conds = append(conds, `f.matter NOT IN (`+text+`)`)
	}
	see, seeArgs := req.See("m", len(args)+1)
	args = append(args, seeArgs...)
	conds = append(conds, `(`+see+`)`)
	text := `SELECT m.id, m.ref, m.kind, m.pack, m.state, m.title, m.received, m.source, COUNT(*)
FROM fact f JOIN matter m ON m.id = f.matter WHERE ` + strings.Join(conds, " AND ") + `
GROUP BY m.id, m.ref, m.kind, m.pack, m.state, m.title, m.received, m.source ORDER BY m.id LIMIT ` + arg(req.Limit+1)
	return text, args, nil
}

// below finds the body that a row by body is about: one directly below, or the body itself with what is counted there and
// nowhere below. It is -1 for a code that no row has.
func (q *query) below(code string) (body int64, exactly bool) {
	if code == "" {
		return 0, true
	}
	b := q.tree.ByCode(code)
	switch {
	case b == nil:
		return -1, false
	case int64(b.ID) == q.body:
		return q.body, true
	}
	return int64(b.ID), false
}
