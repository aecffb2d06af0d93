package tally

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"plumbline/internal/fault"
	"plumbline/internal/journal"
	"plumbline/internal/ref"
	"plumbline/internal/register"
	"plumbline/internal/store"
	"plumbline/internal/words"
)

// Request asks for a figure.
type Request struct {
	Measure string
	By      []string       // dimensions of the measure, and "year", "month", "body"
	Body    string         // code; empty: everything
	From    string         // first day (month, year) of receipt; empty: from the beginning
	To      string         // last day (month, year); empty: without end
	Words   *words.Speaker // for labels; nil: none
	Without Matters        // that are left out as if there were none of them; nil: everything counts
}

// Matters is a query of ids of matters, with arguments numbered from a place on: access.Hidden for a viewer. Empty: none.
type Matters func(firstArg int) (sql string, args []any)

// Result is a figure.
//
// Rows are ordered by one dimension after the other: in the order of the pack's scale where the dimension has one, years
// and months in order of time, bodies by code, everything else by descending value. What is not known comes last and has an
// empty key. Rows without a value are left out.
type Result struct {
	Measure  string   `json:"measure"`
	By       []string `json:"by"`
	Rows     []Row    `json:"rows"`
	Total    int64    `json:"total"`    // of distinct things the distinct number, not the sum of the rows
	Imported int64    `json:"imported"` // how much of the total came with imports and was not handled here
	Body     string   `json:"body,omitempty"`
	From     string   `json:"from,omitempty"`
	To       string   `json:"to,omitempty"`
	AsOf     AsOf     `json:"as_of"`
}

// Row is one value of a figure.
type Row struct {
	Key    []string `json:"key"`
	Labels []string `json:"labels,omitempty"`
	Value  int64    `json:"value"`
}

// AsOf tells how far the journal is counted.
type AsOf struct {
	Index  int64 `json:"index"`  // of the last entry counted
	Behind int64 `json:"behind"` // entries recorded and not yet counted
}

// mostDims bounds the dimensions of one request.
const mostDims = 5

// Stats answers a request.
//
// What lies in cells is read from them: totals, any one dimension by year, any two dimensions over all years. Months, the
// edges of a range that is not whole years, more dimensions together, and distinct numbers over several years or by two
// dimensions are counted from the facts.
func (t *Tally) Stats(ctx context.Context, tx *store.Tx, req Request) (Result, error) {
	q, err := t.prepare(ctx, tx, req)
	if err != nil {
		return Result{}, err
	}
	res := Result{Measure: q.m.ID, By: slices.Clone(req.By), Rows: []Row{}, Body: req.Body, From: req.From, To: req.To}
	if res.By == nil {
		res.By = []string{}
	}
	whole := shape{targets: []int64{q.body}}
	if res.Total, err = q.single(ctx, tx, whole, ""); err != nil {
		return Result{}, err
	}
	imported := whole
	imported.dims = []int{q.m.dim(Imported)}
	if res.Imported, err = q.single(ctx, tx, imported, "yes"); err != nil {
		return Result{}, err
	}
	values, err := q.rows(ctx, tx)
	if err != nil {
		return Result{}, err
	}
	res.Rows = q.present(values)
	res.AsOf, err = asOf(ctx, tx)
	return res, err
}

func asOf(ctx context.Context, tx *store.Tx) (AsOf, error) {
	index, _, err := journal.Cursor(ctx, tx, Follower)
	if err != nil {
		return AsOf{}, err
	}
	_, all, err := journal.Head(ctx, tx)
	return AsOf{Index: index, Behind: all - index}, err
}

// query is a request made ready.
type query struct {
	req   Request
	m     *Measure
	body  int64
	span  span
	shape shape // what the rows are grouped by
	tree  *register.Tree

	without Matters // of the request, where something that is counted is among them
}

// which facts are counted, where some are to be left out.
type which int

const (
	allFacts  which = iota
	keptFacts       // those of matters that are not left out
	goneFacts       // those that are
)

// shape is how values are grouped.
type shape struct {
	targets []int64 // bodies, each with what lies below it; 0 is everything
	year    bool
	month   bool
	dims    []int // of the measure
}

// group is what the values of one row have in common.
type rowKey struct {
	body int64
	time string
	vals string // joined by unit
}

func (t *Tally) prepare(ctx context.Context, tx *store.Tx, req Request) (*query, error) {
	ms, err := t.Measures(ctx, tx)
	if err != nil {
		return nil, err
	}
	q := &query{req: req}
	if q.m, err = ms.ByID(req.Measure); err != nil {
		return nil, err
	}
	if q.span, err = parseSpan(req.From, req.To); err != nil {
		return nil, err
	}
	if req.Body != "" {
		b, err := register.BodyByCode(ctx, tx, req.Body)
		if err != nil {
			return nil, err
		}
		q.body = int64(b.ID)
	}
	q.shape.targets = []int64{q.body}
	for i, d := range req.By {
		k := q.m.dim(d)
		switch {
		case slices.Contains(req.By[:i], d) || len(req.By) > mostDims:
			return nil, fault.InvalidFields([]fault.Field{{Name: "by", Key: "tally.too-many-dims", Args: fault.Args{"most": mostDims}}})
		case d == DimYear:
			q.shape.year = true
		case d == DimMonth:
			q.shape.month = true
		case d == DimBody:
			if q.tree, err = t.register.Tree(ctx, tx); err != nil {
				return nil, err
			}
			q.shape.targets = nil
			for _, c := range q.tree.Children(ref.BodyID(q.body)) {
				q.shape.targets = append(q.shape.targets, int64(c))
			}
		case k >= 0:
			q.shape.dims = append(q.shape.dims, k)
		default:
			return nil, fault.InvalidFields([]fault.Field{{Name: "by", Key: "tally.no-dim", Args: fault.Args{
				"dim": d, "measure": q.m.ID, "dims": strings.Join(q.m.Dimensions(), ", ")}}})
		}
	}
	return q, q.leaveOut(ctx, tx)
}

// leaveOut finds out whether anything that is counted is to be left out: mostly nothing is, and the cells hold the answer.
func (q *query) leaveOut(ctx context.Context, tx *store.Tx) error {
	if q.req.Without == nil {
		return nil
	}
	text, args := q.req.Without(2)
	if text == "" {
		return nil
	}
	var n int64
	if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM (SELECT 1 AS one FROM fact f WHERE f.measure = $1 AND f.matter IN (`+text+`) LIMIT 1) found`,
		append([]any{q.m.ID}, args...)...).Scan(&n); err != nil {
		return fmt.Errorf("tally: what is left out: %w", err)
	}
	if n > 0 {
		q.without = q.req.Without
	}
	return nil
}

// Dimensions lists everything the measure can be broken down by.
func (m *Measure) Dimensions() []string {
	return append(slices.Clone(m.Dims), DimYear, DimMonth, DimBody)
}

// single is one value of a figure.
func (q *query) single(ctx context.Context, tx *store.Tx, s shape, val string) (int64, error) {
	values, err := q.values(ctx, tx, s)
	if err != nil {
		return 0, err
	}
	return values[rowKey{body: q.body, vals: val}], nil
}

// rows are the values asked for, by what they have in common.
func (q *query) rows(ctx context.Context, tx *store.Tx) (map[rowKey]int64, error) {
	values, err := q.values(ctx, tx, q.shape)
	if err != nil || q.tree == nil {
		return values, err
	}
	// What is counted at the body itself, and not below it, is a row too, so that the rows are the whole.
	s := q.shape
	s.targets = []int64{q.body}
	if q.m.distinct() {
		own, err := q.fromFacts(ctx, tx, s, q.span, true, keptFacts)
		if err != nil {
			return nil, err
		}
		for k, v := range own {
			values[k] = v
		}
		return values, nil
	}
	rest, err := q.values(ctx, tx, s)
	if err != nil {
		return nil, err
	}
	for k, v := range values {
		k.body = q.body
		rest[k] -= v
	}
	for k, v := range rest {
		values[k] = v
	}
	return values, nil
}

// values are all values less what is left out. Of distinct things that cannot be taken away again: one who is left out
// here may be counted for something else.
func (q *query) values(ctx context.Context, tx *store.Tx, s shape) (map[rowKey]int64, error) {
	switch {
	case q.without == nil:
		return q.allValues(ctx, tx, s)
	case q.m.distinct():
		return q.fromFacts(ctx, tx, s, q.span, false, keptFacts)
	}
	values, err := q.allValues(ctx, tx, s)
	if err != nil {
		return nil, err
	}
	gone, err := q.fromFacts(ctx, tx, s, q.span, false, goneFacts)
	for k, v := range gone {
		values[k] -= v
	}
	return values, err
}

// allValues reads from cells what can be read there, and counts the rest from facts.
func (q *query) allValues(ctx context.Context, tx *store.Tx, s shape) (map[rowKey]int64, error) {
	firstYear, lastYear, hasYears, edges := q.span.parts()
	if !q.inCells(s, hasYears, firstYear == lastYear, len(edges) > 0) {
		return q.fromFacts(ctx, tx, s, q.span, false, allFacts)
	}
	ready, counted, err := q.kept(ctx, tx, s)
	if err != nil {
		return nil, err
	}
	s.targets = counted
	values, err := q.fromFacts(ctx, tx, s, q.span, false, allFacts)
	if err != nil {
		return nil, err
	}
	s.targets = ready
	if err := q.fromCells(ctx, tx, s, firstYear, lastYear, values); err != nil {
		return nil, err
	}
	for _, edge := range edges {
		more, err := q.fromFacts(ctx, tx, s, edge, false, allFacts)
		if err != nil {
			return nil, err
		}
		for k, v := range more {
			values[k] += v
		}
	}
	return values, nil
}

// inCells tells whether cells hold values grouped this way.
func (q *query) inCells(s shape, hasYears, oneYear, hasEdges bool) bool {
	byTime := s.year || !q.span.all()
	switch {
	case s.month || !hasYears:
		return false
	case q.m.distinct():
		// Officials of two years, or of a year and an edge, may be the same.
		return !hasEdges && (len(s.dims) == 0 && (!byTime || s.year || oneYear) || len(s.dims) == 1 && !byTime)
	case len(s.dims) == 2:
		return !byTime
	}
	return len(s.dims) < 2
}

// kept divides the targets into those whose cells hold the values and those whose facts must be counted. Where nothing is
// counted at or below a body, there is nothing to read.
func (q *query) kept(ctx context.Context, tx *store.Tx, s shape) (ready, counted []int64, err error) {
	if len(s.dims) == 0 && !q.m.distinct() {
		return s.targets, nil, nil // totals are kept for every body
	}
	kept := map[int64]bool{} // of those with facts
	for part := range slices.Chunk(s.targets, idsAtOnce) {
		args := []any{q.m.ID}
		for _, b := range part {
			args = append(args, b)
		}
		rows, err := tx.Query(ctx, `SELECT body, kept FROM cube WHERE facts > 0 AND measure = $1 AND body IN (`+placeholders(2, len(part)), args...)
		if err != nil {
			return nil, nil, fmt.Errorf("tally: %w", err)
		}
		if err := each(rows, func(r *store.Rows) error {
			var b, full int64
			err := r.Scan(&b, &full)
			kept[b] = full == 1
			return err
		}); err != nil {
			return nil, nil, err
		}
	}
	for _, b := range s.targets {
		switch full, some := kept[b]; {
		case full:
			ready = append(ready, b)
		case some:
			counted = append(counted, b)
		}
	}
	return ready, counted, nil
}

// fromCells adds what the cells hold to values.
func (q *query) fromCells(ctx context.Context, tx *store.Tx, s shape, firstYear, lastYear string, values map[rowKey]int64) error {
	names := make([]string, len(s.dims))
	turned := len(s.dims) == 2 && s.dims[0] > s.dims[1]
	for i, d := range s.dims {
		names[i] = q.m.Dims[d]
	}
	if turned {
		slices.Reverse(names)
	}
	for part := range slices.Chunk(s.targets, idsAtOnce) {
		args := []any{q.m.ID, strings.Join(names, "+")}
		text := `SELECT body, period, v1, v2, value FROM cell WHERE measure = $1 AND dims = $2`
		switch {
		case !q.span.all():
			args = append(args, firstYear, lastYear)
			text += ` AND period >= $3 AND period <= $4`
		case s.year:
			args = append(args, periodAll)
			text += ` AND period <> $3`
		default:
			args = append(args, periodAll)
			text += ` AND period = $3`
		}
		text += ` AND body IN (` + placeholders(len(args)+1, len(part))
		for _, b := range part {
			args = append(args, b)
		}
		rows, err := tx.Query(ctx, text, args...)
		if err != nil {
			return fmt.Errorf("tally: cells: %w", err)
		}
		err = each(rows, func(r *store.Rows) error {
			var k rowKey
			var period, v1, v2 string
			var n int64
			if err := r.Scan(&k.body, &period, &v1, &v2, &n); err != nil {
				return err
			}
			if s.year && period != periodNone {
				k.time = period
			}
			switch {
			case turned:
				k.vals = v2 + unit + v1
			case len(s.dims) == 2:
				k.vals = v1 + unit + v2
			default:
				k.vals = v1
			}
			values[k] += n
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// fromFacts counts the facts at or below the targets, or, if exactly, at the targets themselves.
func (q *query) fromFacts(ctx context.Context, tx *store.Tx, s shape, sp span, exactly bool, some which) (map[rowKey]int64, error) {
	values := map[rowKey]int64{}
	seen := map[rowKey]map[int64]bool{}
	count := func(r *store.Rows) error {
		var k rowKey
		var dims string
		var official, n int64
		if err := r.Scan(&k.body, &k.time, &dims, &official, &n); err != nil {
			return err
		}
		if (s.year || s.month) && len(k.time) < 4 {
			k.time = "" // a date that is not known
		}
		if len(s.dims) > 0 {
			all, err := splitDims(q.m.Dims, dims)
			if err != nil {
				return err
			}
			own := make([]string, len(s.dims))
			for i, d := range s.dims {
				own[i] = all[d]
			}
			k.vals = strings.Join(own, unit)
		}
		if !q.m.distinct() {
			values[k] += n
			return nil
		}
		if seen[k] == nil {
			seen[k] = map[int64]bool{}
		}
		if !seen[k][official] {
			seen[k][official] = true
			values[k]++
		}
		return nil
	}
	for part := range slices.Chunk(s.targets, idsAtOnce) {
		text, args := q.factsText(s, sp, exactly, some, part)
		rows, err := tx.Query(ctx, text, args...)
		if err != nil {
			return nil, fmt.Errorf("tally: facts: %w", err)
		}
		if err := each(rows, count); err != nil {
			return nil, err
		}
	}
	return values, nil
}

// factsText is the statement that reads facts, those alike together.
func (q *query) factsText(s shape, sp span, exactly bool, some which, targets []int64) (string, []any) {
	when := `''`
	switch {
	case s.month:
		when = `SUBSTR(f.received, 1, 7)`
	case s.year:
		when = `SUBSTR(f.received, 1, 4)`
	}
	dims := `''`
	if len(s.dims) > 0 {
		dims = `f.dims`
	}
	args := []any{q.m.ID}
	arg := func(v any) string {
		args = append(args, v)
		return fmt.Sprintf("$%d", len(args))
	}
	cond := ` WHERE f.measure = $1`
	body, from := `f.body`, ` FROM fact f`
	switch {
	case targets[0] == 0 && !exactly: // everything; it is never asked for together with others
		body = `0`
	default:
		ids := make([]string, len(targets))
		for i, b := range targets {
			ids[i] = arg(b)
		}
		column := `f.body`
		if !exactly {
			// CROSS JOIN keeps SQLite to this order: from the bodies to their facts, not from all facts to their bodies.
			body, from, column = `a.above`, ` FROM body_above a CROSS JOIN fact f`, `a.above`
			cond += ` AND f.body = a.body`
		}
		cond += ` AND ` + column + ` IN (` + strings.Join(ids, ",") + `)`
	}
	if !sp.all() {
		lo, hi := sp.bounds()
		cond += ` AND f.received >= ` + arg(lo) + ` AND f.received < ` + arg(hi)
	}
	if q.without != nil && some != allFacts {
		text, more := q.without(len(args) + 1)
		args = append(args, more...)
		cond += ` AND f.matter ` + map[which]string{keptFacts: `NOT IN`, goneFacts: `IN`}[some] + ` (` + text + `)`
	}
	fields := []string{body, when, dims, `f.official`}
	text := `SELECT ` + strings.Join(fields, ", ") + `, SUM(f.amount)` + from + cond
	var by []string
	for i, f := range fields {
		if strings.Contains(f, ".") {
			by = append(by, fmt.Sprint(i+1))
		}
	}
	return text + ` GROUP BY ` + strings.Join(by, ", "), args
}
