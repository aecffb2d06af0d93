package tally

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"plumbline/internal/fault"
	"plumbline/internal/pack"
	"plumbline/internal/register"
	"plumbline/internal/store"
	"plumbline/internal/words"
)

// Smallest is the smallest number that is shown to the public, besides nothing.
const Smallest = 5

// What everybody may read is a release: figures in which every number that can be read, or had by taking numbers from each
// other, is at least Smallest, in one table or across all tables of a measure that everybody can ask for.
//
// Withholding single cells does not give that: what is withheld in one table is the difference of two others. So nothing is
// withheld singly. The values of a dimension are put into classes, those too small together with others, and every table
// shows whole classes with their exact numbers; totals are true and tables add up. Four things make it hold across tables:
//
//   - a combination of dimensions never has finer classes than any part of the combination;
//   - where one dimension lies within another (conduct in category), what is put together stays within one value of the
//     other, as far as that value is shown;
//   - a body is shown with a breakdown only if every cell of it is large enough there, and so are those of all other
//     bodies beside it together; what is not shown with fewer dimensions is not shown with more;
//   - nobody is told a zero inside a table: it counts as a small number.
//
// Distinct numbers cannot be put together; which of them are shown, and why, see releaseDistinct.
//
// It is a rule for one measure at one moment. Two measures that count nearly the same, and two readings of the same
// figure with one report between them, can still be compared.

// mostReleased bounds the dimensions, besides the body, that a release combines.
const mostReleased = 2

// ReleaseRequest asks for a figure as everybody may see it.
type ReleaseRequest struct {
	Measure string
	By      []string // at most two
	Body    string   // code; empty: everything
	From    string   // first year of receipt
	To      string   // last year of receipt
	Source  string   // "yes": only what was imported; "no": only what was handled here; empty: both
	Words   *words.Speaker
}

// Released is a figure as everybody may see it.
type Released struct {
	Result                // Rows are classes; the Key of a class of several values joins them by "|"
	Together [][][]string // for each row and dimension: the labels of the values put together; nil where there is one value
	Unshown  []int        // rows that have no number, because distinct numbers cannot be added
	Refused  Refusal      // why there is nothing to see
	Left     []string     // years within the range that cannot be told apart from years outside it and are left out
	Known    bool         // Imported is known
	Below    []string     // codes of the bodies directly below that have figures of their own, though perhaps not with these dimensions
}

// Refusal says why a figure cannot be shown to everybody. Empty: it can.
type Refusal string

// Reasons why a figure, or a part of it, is not shown to everybody.
const (
	RefusedSmall  Refusal = "small"  // all of it is a small number
	RefusedBody   Refusal = "body"   // the body's numbers are too small for this breakdown
	RefusedSource Refusal = "source" // what was imported cannot be told apart
	RefusedYears  Refusal = "years"  // none of the years can be told apart
)

// RestKey is the key of the row for all bodies together that have no row of their own.
const RestKey = "*"

// uppers says within which dimension another one lies.
var uppers = map[string]string{"conduct": "category", "outcome": "tier", "state": "kind", "ended": "kind"}

func (m *Measure) upper(dim string) string {
	if u := uppers[dim]; u != "" && m.dim(u) >= 0 {
		return u
	}
	return ""
}

// DimLabel is what a dimension is called in the first pack that names it; nil for those that no pack names.
func (m *Measure) DimLabel(id string) pack.Text {
	for _, d := range m.defs {
		for _, dim := range d.m.By {
			if dim.ID == id {
				return dim.Label
			}
		}
	}
	return nil
}

// Offered are the dimensions that everybody can ask for.
func (m *Measure) Offered() []string {
	dims := slices.Clone(m.Dims)
	if m.distinct() {
		dims = slices.DeleteFunc(dims, func(d string) bool { return m.upper(d) != "" })
	}
	return append(dims, DimYear, DimBody)
}

// release works out one figure. It keeps what it has worked out, since a figure rests on all its parts.
type release struct {
	count  func(ctx context.Context, by []string, body string) (Result, error)
	m      *Measure
	least  int64
	tree   *register.Tree
	tables map[string]Result
	parts  map[string][]*classes
	below  map[string]map[string]bool
	nested map[string]*nesting
}

func newRelease(m *Measure, least int64, tree *register.Tree, count func(context.Context, []string, string) (Result, error)) *release {
	return &release{count: count, m: m, least: least, tree: tree, tables: map[string]Result{}, parts: map[string][]*classes{},
		below: map[string]map[string]bool{}, nested: map[string]*nesting{}}
}

// Release answers a request as everybody may see it. A measure that is not public is not found.
//
// It reads what lies in cells: the time it takes depends on how many values and bodies there are, not on how many matters.
func (t *Tally) Release(ctx context.Context, tx *store.Tx, req ReleaseRequest) (Released, error) {
	ms, err := t.Measures(ctx, tx)
	if err != nil {
		return Released{}, err
	}
	m, err := ms.ByID(req.Measure)
	if err != nil {
		return Released{}, err
	}
	if !m.Public {
		return Released{}, fault.New(fault.NotFound, "tally.not-public", nil)
	}
	tree, err := t.register.Tree(ctx, tx)
	if err != nil {
		return Released{}, err
	}
	at, err := asOf(ctx, tx)
	if err != nil {
		return Released{}, err
	}
	var version int64
	if err := tx.QueryRow(ctx, registerVersion).Scan(&version); err != nil {
		return Released{}, fmt.Errorf("tally: register: %w", err)
	}
	moment := fmt.Sprint(ms.digest, " ", at.Index, " ", version)
	r := newRelease(m, Smallest, tree, func(ctx context.Context, by []string, body string) (Result, error) {
		key := strings.Join(append([]string{m.ID, body}, by...), unit)
		if res, ok := t.released.get(moment, key); ok {
			return res, nil
		}
		res, err := t.Stats(ctx, tx, Request{Measure: m.ID, By: by, Body: body})
		if err == nil {
			t.released.put(moment, key, res)
		}
		return res, err
	})
	out, err := r.run(ctx, req)
	if err != nil {
		return Released{}, err
	}
	out.AsOf = at
	return out, nil
}

func (r *release) run(ctx context.Context, req ReleaseRequest) (Released, error) {
	out := Released{Result: Result{Measure: r.m.ID, By: slices.Clone(req.By), Body: req.Body, From: req.From, To: req.To, Rows: []Row{}}}
	if out.By == nil {
		out.By = []string{}
	}
	dims, err := r.dims(ctx, req)
	if err != nil {
		return Released{}, err
	}
	if err := r.answer(ctx, req, dims, &out); err != nil {
		return Released{}, err
	}
	return out, out.check(r.least)
}

// check is the last thing before a release leaves: whatever was worked out, a small number does not go out.
func (out *Released) check(least int64) error {
	small := func(n int64) bool { return n != 0 && n < least }
	bad := small(out.Total) || small(out.Imported)
	for i, row := range out.Rows {
		bad = bad || small(row.Value) || row.Value != 0 && slices.Contains(out.Unshown, i)
	}
	if bad {
		return fmt.Errorf("tally: a release of %s by %v would show a small number", out.Measure, out.By)
	}
	return nil
}

// dims are the dimensions, besides the body, that a request combines: those it asks for and those it filters by.
func (r *release) dims(ctx context.Context, req ReleaseRequest) ([]string, error) {
	wrong := func(field, key string, args fault.Args) error {
		return fault.InvalidFields([]fault.Field{{Name: field, Key: key, Args: args}})
	}
	var dims []string
	for i, d := range req.By {
		switch {
		case slices.Contains(req.By[:i], d) || len(req.By) > mostReleased:
			return nil, wrong("by", "tally.too-many-dims", fault.Args{"most": mostReleased})
		case !slices.Contains(r.m.Offered(), d):
			return nil, wrong("by", "tally.no-dim", fault.Args{"dim": d, "measure": r.m.ID, "dims": strings.Join(r.m.Offered(), ", ")})
		case d != DimBody:
			dims = append(dims, d)
		}
	}
	for _, year := range []struct{ field, text string }{{"from", req.From}, {"to", req.To}} {
		if _, _, ok := parseDate(year.text); year.text != "" && (!ok || len(year.text) != 4) {
			return nil, wrong(year.field, "tally.public-years", fault.Args{"text": year.text})
		}
	}
	if req.From != "" && req.To != "" && req.From > req.To {
		return nil, wrong("to", "tally.empty-range", fault.Args{"from": req.From, "to": req.To})
	}
	if (req.From != "" || req.To != "") && !slices.Contains(dims, DimYear) {
		dims = append(dims, DimYear)
	}
	if req.Source != "" && req.Source != "yes" && req.Source != "no" {
		return nil, wrong("source", "tally.no-dim", fault.Args{"dim": req.Source, "measure": r.m.ID, "dims": "yes, no"})
	}
	if req.Source != "" && !slices.Contains(dims, Imported) {
		dims = append(dims, Imported)
	}
	if r.m.distinct() {
		return dims, r.oneWay(req, dims)
	}
	if len(dims) > mostReleased {
		return nil, wrong("by", "tally.public-most", fault.Args{"most": mostReleased})
	}
	slices.Sort(dims)
	if len(dims) == 2 && family(dims[0]) == family(dims[1]) {
		return nil, wrong("by", "tally.public-family", nil)
	}
	// Where a value lies within several values of the dimension above, how much of it lies where is known for the whole alone.
	if len(dims) == 2 || len(dims) == 1 && (req.Body != "" || len(req.By) == 2) {
		for _, d := range dims {
			n, err := r.nesting(ctx, d)
			if err != nil {
				return nil, err
			}
			if n != nil && n.ambiguous {
				return nil, wrong("by", "tally.public-alone", nil)
			}
		}
	}
	return dims, nil
}

func family(dim string) string {
	if u := uppers[dim]; u != "" {
		return u
	}
	return dim
}

// answer fills in what may be seen.
func (r *release) answer(ctx context.Context, req ReleaseRequest, dims []string, out *Released) error {
	parts, err := r.partition(ctx, dims)
	if err != nil {
		return err
	}
	whole, err := r.table(ctx, nil, "")
	if err != nil {
		return err
	}
	if whole.Total == 0 {
		out.Known = true
		return nil
	}
	if parts == nil {
		out.Refused = RefusedSmall
		return nil
	}
	if ok, err := r.reaches(ctx, dims, req.Body); err != nil || !ok {
		out.Refused = RefusedBody
		return err
	}
	if err := r.share(ctx, req, out); err != nil {
		return err
	}
	res, err := r.table(ctx, dims, req.Body)
	if err != nil {
		return err
	}
	if res.Total == 0 {
		out.Known = true
		return nil
	}
	below, err := r.children(ctx, nil, req.Body)
	if err != nil {
		return err
	}
	for _, c := range r.tree.Children(r.bodyID(req.Body)) {
		if code := r.tree.Body(c).Code; below[code] && !(r.m.distinct() && len(dims) > 0) {
			out.Below = append(out.Below, code)
		}
	}
	all := classed(res, parts, func(row Row) []string { return row.Key })
	cells := all
	if slices.Contains(req.By, DimBody) {
		if cells, err = r.byBody(ctx, dims, parts, req.Body, all); err != nil {
			return err
		}
	}
	if r.m.distinct() && req.Source != "" {
		if parts[0].merged[req.Source] {
			out.Refused = RefusedSource
			return nil
		}
		res.Total = 0 // of one source, all is what has that value
		for _, c := range all {
			if c.class[0] == single+req.Source {
				res.Total = c.value
			}
		}
	}
	cells, left, refused := r.slice(req, dims, parts, res, cells)
	out.Left = left
	if refused != "" {
		out.Refused = refused
		return nil
	}
	r.present(req, dims, parts, res, cells, out)
	return nil
}

// cell is a number of a release: a class for each dimension, and the body where bodies are told apart.
type cell struct {
	class []string
	body  string // code behind single, or together
	value int64
}

func classed(res Result, parts []*classes, key func(Row) []string) []cell {
	at := map[string]int{}
	var out []cell
	for _, row := range res.Rows {
		c := cell{value: row.Value}
		for i, v := range key(row) {
			c.class = append(c.class, parts[i].of(v))
		}
		k := strings.Join(c.class, unit)
		if n, ok := at[k]; ok {
			out[n].value += c.value
			continue
		}
		at[k] = len(out)
		out = append(out, c)
	}
	return out
}

// slice keeps of cells what lies in the years and comes from the source asked for.
func (r *release) slice(req ReleaseRequest, dims []string, parts []*classes, res Result, cells []cell) (kept []cell, left []string, refused Refusal) {
	keep := map[int]map[string]bool{}
	for i, d := range dims {
		filter := d == DimYear && (req.From != "" || req.To != "") || d == Imported && req.Source != ""
		if !filter {
			continue
		}
		in := func(v string) bool {
			if d == Imported {
				return v == req.Source
			}
			return v != "" && v >= req.From && (req.To == "" || v <= req.To)
		}
		inside, outside := map[string][]string{}, map[string]bool{}
		for _, row := range res.Rows {
			switch v := row.Key[i]; {
			case !in(v):
				outside[parts[i].of(v)] = true
			case !slices.Contains(inside[parts[i].of(v)], v):
				inside[parts[i].of(v)] = append(inside[parts[i].of(v)], v)
			}
		}
		keep[i] = map[string]bool{}
		for c, vs := range inside {
			if outside[c] {
				left = append(left, vs...)
				continue
			}
			keep[i][c] = true
		}
		switch {
		case len(keep[i]) > 0 || len(left) == 0:
		case d == Imported:
			return nil, nil, RefusedSource
		default:
			return nil, nil, RefusedYears
		}
	}
	slices.Sort(left)
	for _, c := range cells {
		ok := true
		for i, classes := range keep {
			ok = ok && classes[c.class[i]]
		}
		if ok {
			kept = append(kept, c)
		}
	}
	return kept, left, ""
}

// share tells how much of the figure was imported, where that can be told.
func (r *release) share(ctx context.Context, req ReleaseRequest, out *Released) error {
	if req.From != "" || req.To != "" || req.Source != "" || r.m.distinct() && req.Body != "" {
		return nil
	}
	parts, err := r.partition(ctx, []string{Imported})
	if err != nil || parts == nil {
		return err
	}
	ok, err := r.reaches(ctx, []string{Imported}, req.Body)
	if err != nil || !ok {
		return err
	}
	res, err := r.table(ctx, []string{Imported}, req.Body)
	if err != nil {
		return err
	}
	// Known where "yes" is a class of its own.
	out.Known = !parts[0].merged["yes"]
	for _, row := range res.Rows {
		if out.Known && row.Key[0] == "yes" {
			out.Imported = row.Value
		}
	}
	return nil
}
