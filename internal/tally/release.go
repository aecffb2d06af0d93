package tally

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"plumbline/internal/fault"
	"plumbline/internal/pack"
	"plumbline/internal/ref"
	"plumbline/internal/register"
	"plumbline/internal/store"
	"plumbline/internal/words"
)

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
// Of distinct numbers, what is put together has no number, and a value is not shown either where everybody without it
// would be few.
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
	Below    []string     // codes of the bodies directly below that are shown with these dimensions
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
func (m *Measure) Offered() []string { return append(slices.Clone(m.Dims), DimYear, DimBody) }

// classes is how the values of a dimension are put together.
type classes struct {
	dim    string
	merged map[string]bool   // values that are not shown by themselves
	within map[string]string // value → what it is put together with: "", or a value of the dimension it lies in
}

const (
	single   = "="
	together = "+"
)

// of returns the class of a value.
func (c *classes) of(v string) string {
	if c.merged[v] {
		return together + c.within[v]
	}
	return single + v
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

// nesting is how the values of a dimension lie within those of the one above.
type nesting struct {
	in        map[string]string
	ambiguous bool
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
	tree, err := register.LoadTree(ctx, tx)
	if err != nil {
		return Released{}, err
	}
	r := newRelease(m, Smallest, tree, func(ctx context.Context, by []string, body string) (Result, error) {
		return t.Stats(ctx, tx, Request{Measure: m.ID, By: by, Body: body})
	})
	out, err := r.run(ctx, req)
	if err != nil {
		return Released{}, err
	}
	out.AsOf, err = asOf(ctx, tx)
	return out, err
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
	for i, row := range out.Rows {
		if !slices.Contains(out.Unshown, i) && row.Value != 0 && row.Value < least {
			return fmt.Errorf("tally: a release of %s by %v would show a small number", out.Measure, out.By)
		}
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
	most := mostReleased
	if r.m.distinct() {
		most = 1
	}
	if len(dims) > most {
		return nil, wrong("by", "tally.public-most", fault.Args{"most": most})
	}
	if r.m.distinct() && (req.From != "" || req.To != "") {
		return nil, wrong("from", "tally.public-distinct", nil)
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
	below, err := r.children(ctx, dims, req.Body)
	if err != nil {
		return err
	}
	for _, c := range r.tree.Children(r.bodyID(req.Body)) {
		if code := r.tree.Body(c).Code; below[code] {
			out.Below = append(out.Below, code)
		}
	}
	cells := classed(res, parts, func(row Row) []string { return row.Key })
	if slices.Contains(req.By, DimBody) {
		if cells, err = r.byBody(ctx, dims, parts, req.Body, cells); err != nil {
			return err
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

// table reads a figure, once.
func (r *release) table(ctx context.Context, by []string, body string) (Result, error) {
	key := strings.Join(by, unit) + unit + unit + body
	if res, ok := r.tables[key]; ok {
		return res, nil
	}
	res, err := r.count(ctx, by, body)
	if err == nil {
		r.tables[key] = res
	}
	return res, err
}

// nesting tells how the values of a dimension lie within those of the one above; nil if there is none above.
func (r *release) nesting(ctx context.Context, dim string) (*nesting, error) {
	u := r.m.upper(dim)
	if u == "" {
		return nil, nil
	}
	if n := r.nested[dim]; n != nil {
		return n, nil
	}
	n := &nesting{in: map[string]string{}}
	if r.m.distinct() {
		// The catalogue says it; to count officials by two dimensions would mean to look at every fact.
		for _, d := range r.m.defs {
			for _, pair := range catalogue(d.pack) {
				if dim == "conduct" && d.pack.ConductEntry(pair[0]) != nil {
					n.in[pair[0]] = pair[1]
				} else if dim == "outcome" {
					n.in[pair[1]] = pair[0]
				}
			}
		}
	} else {
		res, err := r.table(ctx, []string{u, dim}, "")
		if err != nil {
			return nil, err
		}
		for _, row := range res.Rows {
			was, known := n.in[row.Key[1]]
			n.ambiguous = n.ambiguous || known && was != row.Key[0]
			n.in[row.Key[1]] = row.Key[0]
		}
	}
	r.nested[dim] = n
	return n, nil
}

// parts of a combination: those with a dimension less, and those with the dimension above in place of one.
func (r *release) coarser(dims []string) [][]string {
	var out [][]string
	for i, d := range dims {
		out = append(out, slices.Delete(slices.Clone(dims), i, i+1))
		if u := r.m.upper(d); u != "" && !slices.Contains(dims, u) {
			with := slices.Clone(dims)
			with[i] = u
			slices.Sort(with)
			out = append(out, with)
		}
	}
	return out
}

// partition puts the values of dims, which are in order, into classes such that every cell of the table by dims is large
// enough. It returns nil if the total is too small for that.
func (r *release) partition(ctx context.Context, dims []string) ([]*classes, error) {
	key := strings.Join(dims, unit)
	if parts, ok := r.parts[key]; ok {
		return parts, nil
	}
	res, err := r.table(ctx, dims, "")
	if err != nil {
		return nil, err
	}
	parts := make([]*classes, len(dims))
	for i, d := range dims {
		parts[i] = &classes{dim: d, merged: map[string]bool{}, within: map[string]string{}}
	}
	small := res.Total < r.least
	for _, c := range r.coarser(dims) {
		under, err := r.partition(ctx, c)
		if err != nil {
			return nil, err
		}
		small = small || under == nil
		for _, u := range under {
			if i := slices.Index(dims, u.dim); i >= 0 {
				for v := range u.merged {
					parts[i].merged[v] = true
				}
			}
		}
		for i, d := range dims {
			if slices.Contains(c, d) || !slices.Contains(c, r.m.upper(d)) {
				continue
			}
			n, err := r.nesting(ctx, d)
			if err != nil {
				return nil, err
			}
			for v, in := range n.in {
				if k := slices.IndexFunc(under, func(u *classes) bool { return u.dim == r.m.upper(d) }); k >= 0 && !under[k].merged[in] {
					parts[i].within[v] = single + in
				}
			}
		}
	}
	if small {
		r.parts[key] = nil
		return nil, nil
	}
	switch {
	case len(dims) == 0:
	case r.m.distinct():
		if err := r.coarsenDistinct(ctx, parts[0], res); err != nil {
			return nil, err
		}
	default:
		rows, err := r.atoms(ctx, dims, parts, res)
		if err != nil {
			return nil, err
		}
		coarsen(rows, parts, r.least)
	}
	r.parts[key] = parts
	return parts, nil
}

// atom is a number of the finest table there is, and where each of its values goes if it is put together with others.
type atom struct {
	vals   []string
	within []string
	value  int64
}

func (r *release) atoms(ctx context.Context, dims []string, parts []*classes, res Result) ([]atom, error) {
	var out []atom
	if len(dims) == 1 {
		n, err := r.nesting(ctx, dims[0])
		if err != nil {
			return nil, err
		}
		if n != nil && n.ambiguous {
			u := r.m.upper(dims[0])
			over, err := r.partition(ctx, []string{u})
			if err != nil {
				return nil, err
			}
			split, err := r.table(ctx, []string{u, dims[0]}, "")
			if err != nil {
				return nil, err
			}
			for _, row := range split.Rows {
				a := atom{vals: row.Key[1:], within: []string{""}, value: row.Value}
				if !over[0].merged[row.Key[0]] {
					a.within[0] = single + row.Key[0]
				}
				out = append(out, a)
			}
			// Put together, they are shown as one class however many uppers it comes from.
			parts[0].within = map[string]string{}
			return out, nil
		}
	}
	for _, row := range res.Rows {
		a := atom{vals: row.Key, value: row.Value}
		for i, v := range row.Key {
			a.within = append(a.within, parts[i].within[v])
		}
		out = append(out, a)
	}
	return out, nil
}

// coarsen puts more values together until every cell is large enough. Of the values a small cell belongs to, the one that
// is least altogether goes: that loses the least.
func coarsen(atoms []atom, parts []*classes, least int64) {
	sizes := make([]map[string]int64, len(parts))
	for i := range parts {
		sizes[i] = map[string]int64{}
		for _, a := range atoms {
			sizes[i][a.vals[i]] += a.value
		}
	}
	class := func(i int, a atom) string {
		if parts[i].merged[a.vals[i]] {
			return together + a.within[i]
		}
		// Where a value lies within several, its parts are cells of their own.
		return single + a.vals[i] + unit + a.within[i]
	}
	for {
		cells := map[string]int64{}
		seen := make([]map[string]bool, len(parts))
		for i := range seen {
			seen[i] = map[string]bool{}
		}
		for _, a := range atoms {
			key := make([]string, len(parts))
			for i := range parts {
				key[i] = class(i, a)
				seen[i][key[i]] = true
			}
			cells[strings.Join(key, "\x00")] += a.value
		}
		next, at, size := "", -1, int64(0)
		consider := func(i int, v string) {
			if n := sizes[i][v]; at < 0 || n < size || n == size && (i < at || i == at && v < next) {
				next, at, size = v, i, n
			}
		}
		eachCell(seen, nil, func(key []string) {
			if cells[strings.Join(key, "\x00")] >= least {
				return
			}
			for i, c := range key {
				if v, plain := strings.CutPrefix(c, single); plain {
					consider(i, v[:strings.Index(v, unit)])
					continue
				}
				for _, a := range atoms {
					if !parts[i].merged[a.vals[i]] && together+a.within[i] == c {
						consider(i, a.vals[i])
					}
				}
			}
		})
		if at < 0 {
			return
		}
		parts[at].merged[next] = true
	}
}

// eachCell goes through all combinations of classes, also those in which there is nothing.
func eachCell(seen []map[string]bool, key []string, do func([]string)) {
	if len(key) == len(seen) {
		do(key)
		return
	}
	for c := range seen[len(key)] {
		eachCell(seen, append(key[:len(key):len(key)], c), do)
	}
}

// coarsenDistinct is coarsen for a distinct number by one dimension: what is put together has no number. Neither those with a
// value nor those without it may be few, in all and within the value above.
func (r *release) coarsenDistinct(ctx context.Context, c *classes, res Result) error {
	totals := map[string]int64{"": res.Total}
	if u := r.m.upper(c.dim); u != "" {
		over, err := r.table(ctx, []string{u}, "")
		if err != nil {
			return err
		}
		for _, row := range over.Rows {
			totals[single+row.Key[0]] = row.Value
		}
	}
	few := func(n int64) bool { return n > 0 && n < r.least }
	for _, row := range res.Rows {
		v := row.Key[0]
		if few(row.Value) || few(res.Total-row.Value) || few(totals[c.within[v]]-row.Value) {
			c.merged[v] = true
		}
	}
	for {
		again := false
		for group, total := range totals {
			shown, hidden := int64(0), false
			var last *Row
			for i := range res.Rows {
				row := &res.Rows[i]
				switch v := row.Key[0]; {
				case group != "" && c.within[v] != group:
				case c.merged[v]:
					hidden = true
				default:
					shown += row.Value
					if last == nil || row.Value < last.Value {
						last = row
					}
				}
			}
			if rest := total - shown; hidden && last != nil && rest >= 0 && rest < r.least {
				c.merged[last.Key[0]], again = true, true
			}
		}
		if !again {
			return nil
		}
	}
}

// reaches tells whether a body is shown with a combination of dimensions: it is, in every table from the top down.
func (r *release) reaches(ctx context.Context, dims []string, code string) (bool, error) {
	if code == "" {
		return true, nil
	}
	b := r.tree.ByCode(code)
	if b == nil {
		return false, fault.New(fault.NotFound, "register.no-body", fault.Args{"body": code})
	}
	path := r.tree.Above(b.ID)
	above := ""
	for i := len(path) - 1; i >= 0; i-- {
		shown, err := r.children(ctx, dims, above)
		if err != nil {
			return false, err
		}
		here := r.tree.Body(path[i]).Code
		if !shown[here] {
			return false, nil
		}
		above = here
	}
	return true, nil
}

// children are the bodies directly below one that are shown with a combination of dimensions.
func (r *release) children(ctx context.Context, dims []string, code string) (map[string]bool, error) {
	key := strings.Join(dims, unit) + unit + unit + code
	if shown, ok := r.below[key]; ok {
		return shown, nil
	}
	parts, err := r.partition(ctx, dims)
	if err != nil {
		return nil, err
	}
	shown := map[string]bool{}
	if parts == nil {
		r.below[key] = shown
		return shown, nil
	}
	res, err := r.table(ctx, append([]string{DimBody}, dims...), code)
	if err != nil {
		return nil, err
	}
	for _, c := range r.tree.Children(r.bodyID(code)) {
		shown[r.tree.Body(c).Code] = true
	}
	for _, c := range r.coarser(dims) {
		under, err := r.children(ctx, c, code)
		if err != nil {
			return nil, err
		}
		for b := range shown {
			if !under[b] {
				delete(shown, b)
			}
		}
	}
	own, err := r.table(ctx, dims, code)
	if err != nil {
		return nil, err
	}
	r.cut(shown, columns(own, parts, 0), perBody(res, parts))
	r.below[key] = shown
	return shown, nil
}

func (r *release) bodyID(code string) (id ref.BodyID) {
	if b := r.tree.ByCode(code); code != "" && b != nil {
		return b.ID
	}
	return 0
}

// columns sums up a table by class, leaving the first skip dimensions out.
func columns(res Result, parts []*classes, skip int) map[string]int64 {
	out := map[string]int64{}
	for _, c := range classed(res, parts, func(row Row) []string { return row.Key[skip:] }) {
		out[strings.Join(c.class, unit)] = c.value
	}
	return out
}

// perBody is columns for each body of a table by body.
func perBody(res Result, parts []*classes) map[string]map[string]int64 {
	rows := map[string][]Row{}
	for _, row := range res.Rows {
		rows[row.Key[0]] = append(rows[row.Key[0]], row)
	}
	out := map[string]map[string]int64{}
	for b, rs := range rows {
		out[b] = columns(Result{Rows: rs}, parts, 1)
	}
	return out
}

// cut takes bodies out of shown until all that is shown, and the rest together, is large enough in every column. Of
// distinct numbers, classes put together have none and are not looked at.
func (r *release) cut(shown map[string]bool, whole map[string]int64, each map[string]map[string]int64) {
	distinct := r.m.distinct()
	skip := func(col string) bool { return distinct && strings.HasPrefix(col, together) }
	var some bool // something is not shown
	for b, cols := range each {
		if !shown[b] {
			some = true // a body taken out before, or the one above itself
			continue
		}
		for col, n := range whole {
			v := cols[col]
			if skip(col) || v >= r.least && (!distinct || n == v || n-v >= r.least) {
				continue
			}
			delete(shown, b)
			some = true
			break
		}
	}
	for b := range shown {
		if each[b] == nil {
			delete(shown, b) // nothing is counted there
		}
	}
	for some && len(shown) > 0 {
		enough, nothing := true, !distinct
		for col, n := range whole {
			if skip(col) {
				continue
			}
			rest := n
			for b := range shown {
				rest -= each[b][col]
			}
			enough = enough && (rest >= r.least || distinct && rest < 0)
			nothing = nothing && rest == 0
		}
		if enough || nothing {
			return
		}
		least, size := "", int64(0)
		for b := range shown {
			var n int64
			for _, v := range each[b] {
				n += v
			}
			if least == "" || n < size || n == size && b < least {
				least, size = b, n
			}
		}
		delete(shown, least)
	}
}

// byBody are the cells of the bodies directly below one, and of the rest together.
func (r *release) byBody(ctx context.Context, dims []string, parts []*classes, code string, all []cell) ([]cell, error) {
	shown, err := r.children(ctx, dims, code)
	if err != nil {
		return nil, err
	}
	res, err := r.table(ctx, append([]string{DimBody}, dims...), code)
	if err != nil {
		return nil, err
	}
	rest := map[string]int64{}
	for _, c := range all {
		rest[strings.Join(c.class, unit)] = c.value
	}
	var out []cell
	rows := map[string][]Row{}
	var codes []string
	for _, row := range res.Rows {
		if shown[row.Key[0]] {
			if rows[row.Key[0]] == nil {
				codes = append(codes, row.Key[0])
			}
			rows[row.Key[0]] = append(rows[row.Key[0]], row)
		}
	}
	for _, b := range codes {
		for _, c := range classed(Result{Rows: rows[b]}, parts, func(row Row) []string { return row.Key[1:] }) {
			c.body = single + b
			rest[strings.Join(c.class, unit)] -= c.value
			out = append(out, c)
		}
	}
	hidden := slices.ContainsFunc(res.Rows, func(row Row) bool { return !shown[row.Key[0]] })
	for _, c := range all {
		if n := rest[strings.Join(c.class, unit)]; hidden && (n != 0 || r.m.distinct()) {
			out = append(out, cell{class: c.class, body: together, value: n})
		}
	}
	return out, nil
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
	if req.From != "" || req.To != "" || req.Source != "" {
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

// releasedLine is a row on its way out.
type releasedLine struct {
	key     []string
	several [][]string // values of a class of several
	other   []bool     // is it such a class
	value   int64
	unshown bool
}

func (l *releasedLine) add(key string, several []string, other bool) {
	l.key, l.several, l.other = append(l.key, key), append(l.several, several), append(l.other, other)
}

// present turns cells into rows by the dimensions asked for.
func (r *release) present(req ReleaseRequest, dims []string, parts []*classes, res Result, cells []cell, out *Released) {
	q := &query{req: Request{Measure: r.m.ID, By: req.By, Words: req.Words}, m: r.m, tree: r.tree, body: int64(r.bodyID(req.Body))}
	members := make([]map[string][]string, len(dims)) // values in a class
	for i := range dims {
		members[i] = map[string][]string{}
		for _, row := range res.Rows {
			c := parts[i].of(row.Key[i])
			if !slices.Contains(members[i][c], row.Key[i]) {
				members[i][c] = append(members[i][c], row.Key[i])
			}
		}
	}
	at := map[string]int{}
	var lines []releasedLine
	for _, c := range cells {
		var id []string
		l := releasedLine{value: c.value}
		for _, d := range req.By {
			if d == DimBody {
				id = append(id, c.body)
				if code, plain := strings.CutPrefix(c.body, single); plain {
					l.add(code, nil, false)
				} else {
					l.add(RestKey, nil, true)
					l.unshown = r.m.distinct()
				}
				continue
			}
			i := slices.Index(dims, d)
			id = append(id, c.class[i])
			vs := members[i][c.class[i]]
			if v, plain := strings.CutPrefix(c.class[i], single); plain {
				l.add(v, nil, false)
			} else {
				l.add(strings.Join(vs, "|"), vs, true)
				l.unshown = l.unshown || r.m.distinct()
			}
		}
		if n, ok := at[strings.Join(id, unit)]; ok {
			lines[n].value += l.value
			continue
		}
		at[strings.Join(id, unit)] = len(lines)
		lines = append(lines, l)
	}
	if r.m.distinct() && len(req.By) == 0 {
		// Distinct numbers cannot be added; the number is the class itself, or the total.
		out.Total = res.Total
		if len(dims) > 0 && len(lines) > 0 {
			out.Total = lines[0].value
		}
	} else if r.m.distinct() {
		out.Total = res.Total
	} else {
		for _, l := range lines {
			out.Total += l.value
		}
	}
	if len(req.By) == 0 {
		lines = nil
		out.Rows = append(out.Rows, Row{Key: []string{}, Value: out.Total})
		out.Together = append(out.Together, nil)
	}
	rows := make([]Row, len(lines))
	for i, l := range lines {
		rows[i] = Row{Key: l.key, Value: l.value}
	}
	order := make([]func(string) rank, len(req.By))
	for i, d := range req.By {
		order[i] = q.order(d, i, rows)
	}
	slices.SortStableFunc(lines, func(a, b releasedLine) int {
		for i := range order {
			if a.key[i] == b.key[i] && a.other[i] == b.other[i] {
				continue
			}
			if a.other[i] != b.other[i] {
				if a.other[i] {
					return 1
				}
				return -1
			}
			x, y := order[i](a.key[i]), order[i](b.key[i])
			return cmp.Or(cmp.Compare(x.place, y.place), cmp.Compare(y.value, x.value), strings.Compare(a.key[i], b.key[i]))
		}
		return 0
	})
	for n, l := range lines {
		row := Row{Key: l.key, Value: l.value}
		if l.unshown {
			row.Value = 0
			out.Unshown = append(out.Unshown, n)
		}
		several := make([][]string, len(req.By))
		for i, d := range req.By {
			if req.Words == nil {
				several[i] = l.several[i]
				continue
			}
			switch {
			case !l.other[i]:
				row.Labels = append(row.Labels, q.label(d, l.key[i]))
			case d == DimBody:
				row.Labels = append(row.Labels, req.Words.T("tally.together.bodies"))
			default:
				for _, v := range l.several[i] {
					several[i] = append(several[i], q.label(d, v))
				}
				row.Labels = append(row.Labels, req.Words.N("tally.together", int64(len(l.several[i]))))
			}
		}
		out.Rows = append(out.Rows, row)
		out.Together = append(out.Together, several)
	}
}

// ValueLabel is what a value of one of the measure's own dimensions is called; the value itself where no pack names it.
func (m *Measure) ValueLabel(say *words.Speaker, dim, v string) string {
	q := &query{m: m, req: Request{Words: say}}
	return q.label(dim, v)
}
