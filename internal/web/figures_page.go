package web

import (
	"context"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"plumbline/internal/access"
	"plumbline/internal/chart"
	"plumbline/internal/fault"
	"plumbline/internal/pack"
	"plumbline/internal/register"
	"plumbline/internal/store"
	"plumbline/internal/tally"
	"plumbline/internal/web/view"
	"plumbline/internal/words"
)

// figuresPage lists what can be asked.
type figuresPage struct {
	view.Shell
	Lede   string
	Where  string
	Other  view.Link // the same list for all bodies, or for the reader's own
	Items  []figureItem
	AsOf   string
	Behind string
	Rule   string
	Empty  view.Empty
}

// figureItem is a question with the one number that answers it first.
type figureItem struct {
	Question view.Link
	Number   string
	What     string
	Note     string // how much of it was imported
	Hidden   bool   // from the public
}

// figurePage answers one question.
type figurePage struct {
	view.Shell
	Question string
	Where    string // the body, "everything" without one
	Said     string
	Number   string // big, where nothing is broken down
	Imported string
	Sources  []view.Link // only imported, only own, both
	Chart    template.HTML
	NoChart  string
	Table    *view.Table
	Empty    *view.Empty
	Notes    []view.Note
	Filter   view.FilterPanel
	Below    []view.Link
	BelowOf  string
	Files    []view.Link
	AsOf     string
	Behind   string
	Method   string
	Rule     string // what the reader sees: exact numbers, or those the small-number rule allows
	Trace    view.Link
	Exact    []view.Link // bodies whose exact figures the reader can see, when not these
}

var (
	figuresView = view.Page[figuresPage]("figures/list")
	figureView  = view.Page[figurePage]("figures/figure")
)

// figuresList is the list of questions.
func (s *Server) figuresList(w http.ResponseWriter, r *http.Request) error {
	say, v := words.From(r.Context()), viewer(r)
	figures, err := s.figures()
	if err != nil {
		return err
	}
	page := figuresPage{Shell: view.Shell{Title: say.T("figures.title"), Staff: v.Account != 0}, Lede: say.T("figures.lede"),
		Empty: view.Empty{Title: say.T("figures.none.title"), Text: say.T("figures.none.text")}}
	err = s.DB.Read(r.Context(), func(tx *store.Tx) error {
		ms, err := figures.Measures(r.Context(), tx)
		if err != nil {
			return err
		}
		tree, err := s.tree(r.Context(), tx)
		if err != nil {
			return err
		}
		body, own := readFigureAsk(r).body, ownFigures(v, tree)
		if !r.URL.Query().Has("body") {
			body = own
		}
		if b := tree.ByCode(body); body != "" && b == nil {
			return fault.New(fault.NotFound, "register.no-body", fault.Args{"body": body})
		}
		page.Where, page.Other = whereFigures(say, tree, body, own)
		for _, m := range ms.All() {
			a := figureAsk{measure: m.ID, body: body}
			if !m.Public && !seesExact(v, tree, body) {
				continue
			}
			res, err := s.answer(r.Context(), tx, v, say, a)
			if err != nil {
				return err
			}
			_, def := m.Definition()
			item := figureItem{Question: view.Link{Text: say.Text(def.Question), Href: a.href("")}, What: say.Text(def.Label),
				Number: say.Number(res.Total), Note: importedNote(say, res, a), Hidden: !m.Public}
			if res.Refused != "" {
				item.Number = say.T("figures.few", "n", tally.Smallest)
			}
			page.Items = append(page.Items, item)
			page.AsOf, page.Behind = s.asOf(say, res.AsOf)
			page.Rule = figureRule(say, res.exact)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return figuresView.Show(s.site, w, r, page)
}

// ownFigures is the body whose figures a reader looks at first: of those they supervise, the highest; everything for
// those who supervise all or nothing.
func ownFigures(v access.Viewer, tree *register.Tree) (code string) {
	if seesExact(v, tree, "") {
		return ""
	}
	depth := 0
	for _, g := range v.Grants {
		b := tree.Body(g.Body)
		if b == nil || !seesExact(v, tree, b.Code) {
			continue
		}
		if n := len(tree.Above(b.ID)); code == "" || n < depth {
			code, depth = b.Code, n
		}
	}
	return code
}

// whereFigures says which body a list is about, and leads from the reader's own to all and back.
func whereFigures(say *words.Speaker, tree *register.Tree, body, own string) (where string, other view.Link) {
	where = say.T("figures.everywhere")
	if b := tree.ByCode(body); body != "" && b != nil {
		where = say.T("figures.where", "body", b.Called(say.Lang(), ""))
	}
	switch b := tree.ByCode(own); {
	case own != "" && body != own && b != nil:
		other = view.Link{Text: say.T("figures.where", "body", b.Called(say.Lang(), "")), Href: "/figures"}
	case body != "":
		other = view.Link{Text: say.T("figures.everywhere"), Href: "/figures?body="}
	}
	return where, other
}

// figureRule says how the numbers of a page are shown.
func figureRule(say *words.Speaker, exact bool) string {
	if exact {
		return say.T("figures.rule.exact", "n", tally.Smallest)
	}
	return say.T("figures.rule.public", "n", tally.Smallest)
}

// asOf says how far the record is counted, and when it was read.
func (s *Server) asOf(say *words.Speaker, at tally.AsOf) (now, behind string) {
	now = say.T("figures.asof", "n", at.Index, "time", say.Time(s.Now(), s.Office.Zone()))
	if at.Behind > 0 {
		behind = say.N("figures.behind", at.Behind)
	}
	return now, behind
}

// importedNote says how much of a figure was not handled here.
func importedNote(say *words.Speaker, res figureAnswer, a figureAsk) string {
	switch {
	case res.Refused != "" || res.Total == 0:
		return ""
	case a.source == "yes":
		return say.T("figures.imported.only")
	case a.source == "no":
		return say.T("figures.imported.own")
	case !res.exact && (a.from != "" || a.to != ""):
		return say.T("figures.imported.range")
	case !res.Known:
		return say.T("figures.imported.unknown")
	case res.Imported == res.Total:
		return say.T("figures.imported.all")
	case res.Imported > 0:
		return say.N("figures.imported", res.Imported)
	}
	return ""
}

// figure answers a question.
func (s *Server) figure(w http.ResponseWriter, r *http.Request) error {
	a := readFigureAsk(r)
	d := figureDraft{s: s, say: words.From(r.Context()), ask: a}
	err := s.DB.Read(r.Context(), func(tx *store.Tx) error { return d.read(r.Context(), tx, r) })
	var wrong *fault.Error
	switch {
	case err == nil:
		return figureView.Show(s.site, w, r, d.page)
	case d.measure == nil || !errors.As(err, &wrong) || wrong.Kind != fault.Invalid || len(wrong.Fields) == 0:
		return err
	}
	d.mistaken(wrong.Fields)
	return figureView.ShowStatus(s.site, w, r, http.StatusUnprocessableEntity, d.page)
}

// figureDraft is the page of a figure as it is put together.
type figureDraft struct {
	s       *Server
	say     *words.Speaker
	ask     figureAsk
	measure *tally.Measure
	def     *pack.Measure
	tree    *register.Tree
	res     figureAnswer
	page    figurePage
}

func (d *figureDraft) read(ctx context.Context, tx *store.Tx, r *http.Request) error {
	var err error
	v := viewer(r)
	if d.measure, err = d.s.figureMeasure(ctx, tx, v, d.ask.measure); err != nil {
		return err
	}
	_, d.def = d.measure.Definition()
	if d.tree, err = d.s.tree(ctx, tx); err != nil {
		return err
	}
	question := d.say.Text(d.def.Question)
	d.page.Shell = view.Shell{Title: question, Staff: v.Account != 0, Crumbs: d.crumbs()}
	d.page.Question, d.page.Where, d.page.Method = question, d.where(), d.say.Text(d.def.Method)
	d.page.Filter = d.filter(seesExact(v, d.tree, d.ask.body))
	d.exactElsewhere(r)
	d.res, err = d.s.answer(ctx, tx, v, d.say, d.ask)
	if err != nil {
		return err
	}
	d.fill()
	return nil
}

// with is the ask with something changed.
func (a figureAsk) with(change func(*figureAsk)) figureAsk {
	a.by = slices.Clone(a.by)
	change(&a)
	return a
}

// at is the address of the same figure of another body.
func (d *figureDraft) at(code string) string {
	return d.ask.with(func(a *figureAsk) { a.body = code }).href("")
}

func (d *figureDraft) name(code string) string {
	if b := d.tree.ByCode(code); b != nil {
		return b.Called(d.say.Lang(), "")
	}
	return code
}

func (d *figureDraft) where() string {
	if d.ask.body == "" {
		return d.say.T("figures.everywhere")
	}
	return d.say.T("figures.where", "body", d.name(d.ask.body))
}

// crumbs lead up the tree.
func (d *figureDraft) crumbs() []view.Link {
	crumbs := []view.Link{{Text: d.say.T("figures.title"), Href: "/figures?" + url.Values{"body": {d.ask.body}}.Encode()}}
	b := d.tree.ByCode(d.ask.body)
	if d.ask.body == "" || b == nil {
		return crumbs
	}
	crumbs = append(crumbs, view.Link{Text: d.say.T("figures.everywhere"), Href: d.at("")})
	above := d.tree.Above(b.ID)
	for i := len(above) - 1; i > 0; i-- {
		code := d.tree.Body(above[i]).Code
		crumbs = append(crumbs, view.Link{Text: d.name(code), Href: d.at(code)})
	}
	return crumbs
}

// exactElsewhere leads a supervisor from figures under the small-number rule to those that are open to them.
func (d *figureDraft) exactElsewhere(r *http.Request) {
	v := viewer(r)
	if seesExact(v, d.tree, d.ask.body) {
		return
	}
	seen := map[string]bool{}
	for _, g := range v.Grants {
		if b := d.tree.Body(g.Body); b != nil && seesExact(v, d.tree, b.Code) && !seen[b.Code] {
			seen[b.Code] = true
			d.page.Exact = append(d.page.Exact, view.Link{Text: d.name(b.Code), Href: d.at(b.Code)})
		}
	}
}

// dim is what a dimension is called.
func (d *figureDraft) dim(id string) string {
	if t := d.say.Text(d.measure.DimLabel(id)); t != "" {
		return t
	}
	return d.say.Maybe("figures.dim."+id, id)
}

// filter is the form by which the figure is cut.
func (d *figureDraft) filter(exact bool) view.FilterPanel {
	say, a := d.say, d.ask
	offered := d.measure.Offered()
	if exact {
		offered = d.measure.Dimensions()
	}
	by := func(n int, label, id string) view.Input {
		in := view.Input{Kind: view.Select, Name: "by", ID: id, Label: label, Empty: say.T("figures.by.none")}
		for _, dim := range offered {
			in.Options = append(in.Options, view.Option{Value: dim, Text: d.dim(dim), Chosen: n < len(a.by) && a.by[n] == dim})
		}
		return in
	}
	panel := view.FilterPanel{Action: "/figures/" + a.measure, Fields: []view.Input{by(0, say.T("figures.by"), "by"), by(1, say.T("figures.by.second"), "by-2")}}
	if exact {
		for _, f := range []struct{ name, value, label string }{{"from", a.from, say.T("figures.from")}, {"to", a.to, say.T("figures.to")}} {
			in := view.Input{Kind: view.Date, Name: f.name, Label: f.label, Hint: say.T("figures.date.hint")}
			in.Day, in.Month, in.Year = view.SplitDate(f.value)
			panel.Fields = append(panel.Fields, in)
		}
	} else {
		panel.Fields = append(panel.Fields,
			view.Input{Kind: view.Number, Name: "from", Label: say.T("figures.from.year"), Value: a.from, Width: "4"},
			view.Input{Kind: view.Number, Name: "to", Label: say.T("figures.to.year"), Value: a.to, Width: "4"})
	}
	source := view.Input{Kind: view.Radios, Name: "source", Label: say.T("figures.source"), Small: true}
	for _, o := range []string{"", "no", "yes"} {
		source.Options = append(source.Options, view.Option{Value: o, Text: say.T("figures.source." + orAll(o)), Chosen: a.source == o})
	}
	panel.Fields = append(panel.Fields, source)
	if a.body != "" {
		panel.Hidden = append(panel.Hidden, view.Hidden{Name: "body", Value: a.body})
	}
	d.chips(&panel)
	return panel
}

func orAll(source string) string {
	if source == "" {
		return "all"
	}
	return source
}

func (d *figureDraft) chips(panel *view.FilterPanel) {
	chip := func(text string, change func(*figureAsk)) {
		panel.Chips = append(panel.Chips, view.Link{Text: text, Href: d.ask.with(change).href("")})
	}
	for i, dim := range d.ask.by {
		chip(d.dim(dim), func(a *figureAsk) { a.by = slices.Delete(a.by, i, i+1) })
	}
	if d.ask.body != "" {
		chip(d.name(d.ask.body), func(a *figureAsk) { a.body = "" })
	}
	if d.ask.from != "" {
		chip(d.say.T("figures.chip.from", "date", d.date(d.ask.from)), func(a *figureAsk) { a.from = "" })
	}
	if d.ask.to != "" {
		chip(d.say.T("figures.chip.to", "date", d.date(d.ask.to)), func(a *figureAsk) { a.to = "" })
	}
	if d.ask.source == "yes" || d.ask.source == "no" {
		chip(d.say.T("figures.source."+d.ask.source), func(a *figureAsk) { a.source = "" })
	}
	if len(panel.Chips) > 0 {
		panel.Clear = figureAsk{measure: d.ask.measure}.href("")
	}
}

// date says a date that is one, and leaves alone what is not.
func (d *figureDraft) date(iso string) string {
	if iso == "" || strings.Trim(iso, "0123456789-") != "" {
		return iso
	}
	return d.say.Date(iso)
}

// mistaken turns the page into one that says what to change.
func (d *figureDraft) mistaken(fields []fault.Field) {
	inputs := d.page.Filter.Fields
	for _, f := range fields {
		text, href := d.say.T(f.Key, map[string]any(f.Args)), ""
		for i := range inputs {
			if inputs[i].Name == f.Name {
				inputs[i].Error, href = text, "#"+inputs[i].Anchor()
				break
			}
		}
		d.page.Errors.Items = append(d.page.Errors.Items, view.Link{Text: text, Href: href})
	}
	d.page.Rule = ""
}

// fill puts in what was counted.
func (d *figureDraft) fill() {
	say, res := d.say, d.res
	d.page.AsOf, d.page.Behind = d.s.asOf(say, res.AsOf)
	d.page.Rule = figureRule(say, res.exact)
	d.below()
	if res.Refused != "" {
		d.refused()
		return
	}
	d.page.Files = []view.Link{{Text: say.T("figures.csv"), Href: d.ask.href("table.csv")}, {Text: say.T("figures.json"), Href: d.ask.href("table.json")}}
	d.sources()
	if res.Total == 0 {
		d.page.Empty = &view.Empty{Title: say.T("figures.empty.title"), Text: say.T("figures.empty.text")}
		return
	}
	d.page.Imported = importedNote(say, res, d.ask)
	if res.exact {
		d.page.Trace = view.Link{Text: say.N("figures.trace.all", res.Total), Href: d.trace(nil)}
	}
	d.page.Said = say.N("figures.said."+d.measure.Count, res.Total)
	if len(res.Left) > 0 {
		d.page.Notes = append(d.page.Notes, view.Note{Title: say.T("figures.left.title"), Text: say.T("figures.left", "years", say.List(res.Left))})
	}
	if len(d.ask.by) == 0 {
		d.page.Number = say.Number(res.Total)
		return
	}
	t := newCross(d)
	if more := t.said(); more != "" {
		d.page.Said = say.T("figures.said", "first", d.page.Said, "second", more)
	}
	d.page.Chart, d.page.NoChart = t.chart()
	table := t.table()
	d.page.Table = &table
	if t.colDim >= 0 && (len(t.rows) == 1 && t.rows[0].several || len(t.cols) == 1 && t.cols[0].several) {
		d.page.Notes = append(d.page.Notes, view.Note{Text: say.T("figures.collapsed")})
	}
	d.together()
}

// refused says why there is nothing to see, and where there is.
func (d *figureDraft) refused() {
	say := d.say
	e := view.Empty{Title: say.T("figures.refused.title"), Text: say.T("figures.refused."+string(d.res.Refused), "n", tally.Smallest)}
	switch d.res.Refused {
	case tally.RefusedBody:
		up := ""
		if b := d.tree.ByCode(d.ask.body); b != nil {
			if p := d.tree.Body(b.Parent); p != nil {
				up = p.Code
			}
		}
		text := say.T("figures.everywhere")
		if up != "" {
			text = d.name(up)
		}
		e.Link = view.Link{Text: say.T("figures.up", "body", text), Href: d.at(up)}
	case tally.RefusedSource, tally.RefusedYears:
		e.Link = view.Link{Text: say.T("figures.whole"), Href: d.ask.with(func(a *figureAsk) { a.source, a.from, a.to = "", "", "" }).href("")}
	}
	d.page.Empty = &e
}

// sources lead to the figure of only what was imported, only what was handled here, or both.
func (d *figureDraft) sources() {
	if !d.res.Known || d.ask.source == "" && (d.res.Imported == 0 || d.res.Imported == d.res.Total) {
		if d.ask.source == "" {
			return
		}
	}
	for _, o := range []string{"", "no", "yes"} {
		if o != d.ask.source {
			d.page.Sources = append(d.page.Sources, view.Link{Text: d.say.T("figures.source.show." + orAll(o)),
				Href: d.ask.with(func(a *figureAsk) {
					a.source = o
					if !d.res.exact && d.measure.Count == pack.CountOfficials {
						a.by = nil // the public cuts these in one way at a time
					}
				}).href("")})
		}
	}
}

// below leads down the tree.
func (d *figureDraft) below() {
	for _, code := range d.res.Below {
		d.page.Below = append(d.page.Below, view.Link{Text: d.name(code), Href: d.at(code)})
	}
	d.page.BelowOf = d.say.N("figures.below", int64(len(d.page.Below)))
}

// together explains what is shown as one.
func (d *figureDraft) together() {
	say := d.say
	seen := map[string]bool{}
	var lines []string
	bodies, distinct := false, len(d.res.Unshown) > 0
	for n, row := range d.res.Rows {
		if n >= len(d.res.Together) {
			break
		}
		for i, dim := range d.res.By {
			several := d.res.Together[n][i]
			bodies = bodies || dim == tally.DimBody && row.Key[i] == tally.RestKey
			if k := dim + row.Key[i]; len(several) > 0 && !seen[k] {
				seen[k] = true
				lines = append(lines, say.T("figures.together.dim", "dim", d.dim(dim), "values", say.List(several)))
			}
		}
	}
	if bodies {
		lines = append(lines, say.T("figures.together.bodies"))
	}
	if len(lines) == 0 {
		return
	}
	text := say.T("figures.together.why", "n", tally.Smallest)
	if distinct {
		text = say.T("figures.together.distinct", "n", tally.Smallest)
	}
	d.page.Notes = append(d.page.Notes, view.Note{Title: say.T("figures.together.title"), Text: text + " " + strings.Join(lines, " ")})
}

// trace is the address of the matters behind a value; "" where the reader may not follow it.
func (d *figureDraft) trace(key []string) string {
	if !d.res.exact {
		return ""
	}
	a := d.ask
	if key == nil {
		a = a.with(func(a *figureAsk) { a.by = nil })
	}
	q := a.query()
	for _, k := range key {
		q.Add("key", k)
	}
	return "/figures/" + a.measure + "/matters?" + q.Encode()
}

// traceLine is trace for the sum of a row or a column.
func (d *figureDraft) traceLine(by int, key string) string {
	line := *d
	line.ask = d.ask.with(func(a *figureAsk) { a.by = []string{d.ask.by[by]} })
	return line.trace([]string{key})
}

// cross is a figure by one dimension, or by two as a table of rows and columns.
type cross struct {
	d       *figureDraft
	rowDim  int // place in by
	colDim  int // -1 with one dimension
	rows    []axisValue
	cols    []axisValue
	value   map[[2]string]tally.Row
	unshown map[[2]string]bool
}

// axisValue is a value of a dimension: its key, and what it is called.
type axisValue struct {
	key, label, sub string
	several         bool // it is several values together
}

// mostListed is how many values that are put together are named in the table; the note below it names them all.
const mostListed = 6

// widest is how many columns a table of two dimensions may have before it becomes a list.
const widest = 8

func newCross(d *figureDraft) *cross {
	t := &cross{d: d, colDim: -1, value: map[[2]string]tally.Row{}, unshown: map[[2]string]bool{}}
	axes := make([][]axisValue, len(d.ask.by))
	for i := range axes {
		axes[i] = axis(d.res, i)
	}
	if len(axes) == 2 {
		// The dimension with more values goes down, where there is room.
		t.colDim = 1
		if len(axes[1]) > len(axes[0]) {
			t.rowDim, t.colDim = 1, 0
		}
		t.cols = axes[t.colDim]
	}
	t.rows = axes[t.rowDim]
	for n, row := range d.res.Rows {
		k := [2]string{row.Key[t.rowDim]}
		if t.colDim >= 0 {
			k[1] = row.Key[t.colDim]
		}
		t.value[k] = row
		t.unshown[k] = slices.Contains(d.res.Unshown, n)
	}
	return t
}

// axis lists the values of a dimension in the order in which the rows have them, although no row need have all.
func axis(res figureAnswer, dim int) []axisValue {
	var out []axisValue
	place := func(key string) int { return slices.IndexFunc(out, func(v axisValue) bool { return v.key == key }) }
	for begin := 0; begin < len(res.Rows); {
		end := begin + 1
		for dim > 0 && end < len(res.Rows) && res.Rows[end].Key[0] == res.Rows[begin].Key[0] {
			end++
		}
		next := len(out)
		for n := end - 1; n >= begin; n-- { // backwards: each new value goes before the one that follows it
			key := res.Rows[n].Key[dim]
			if at := place(key); at >= 0 {
				next = at
				continue
			}
			v := axisValue{key: key, label: key}
			if dim < len(res.Rows[n].Labels) {
				v.label = res.Rows[n].Labels[dim]
			}
			if several := togetherIn(res, n, dim); len(several) > 0 {
				v.several = true
				if len(several) <= mostListed {
					v.sub = strings.Join(several, " · ")
				}
			}
			if dim == 0 {
				out = append(out, v)
				continue
			}
			out = slices.Insert(out, min(next, len(out)), v)
		}
		begin = end
	}
	if dim == 0 {
		return out
	}
	return lastTogether(res, dim, out)
}

// lastTogether moves what is put together to the end.
func lastTogether(res figureAnswer, dim int, values []axisValue) []axisValue {
	several := map[string]bool{}
	for n, row := range res.Rows {
		if len(togetherIn(res, n, dim)) > 0 || res.By[dim] == tally.DimBody && row.Key[dim] == tally.RestKey && !res.exact {
			several[row.Key[dim]] = true
		}
	}
	slices.SortStableFunc(values, func(a, b axisValue) int {
		switch {
		case several[a.key] == several[b.key]:
			return 0
		case several[a.key]:
			return 1
		}
		return -1
	})
	return values
}

// isTogether tells whether a row is about several values that are put together.
func (d *figureDraft) isTogether(row int) bool {
	for i, dim := range d.res.By {
		if len(togetherIn(d.res, row, i)) > 0 || dim == tally.DimBody && d.res.Rows[row].Key[i] == tally.RestKey && !d.res.exact {
			return true
		}
	}
	return false
}

func togetherIn(res figureAnswer, row, dim int) []string {
	if row < len(res.Together) && res.Together[row] != nil {
		return res.Together[row][dim]
	}
	return nil
}

func (t *cross) at(row, col string) (tally.Row, bool) {
	k := [2]string{row, col}
	v, ok := t.value[k]
	return v, ok && !t.unshown[k]
}

// said is the sentence that says what the figure shows.
func (t *cross) said() string {
	d, say := t.d, t.d.say
	var most tally.Row
	shown := 0
	for n, row := range d.res.Rows {
		if slices.Contains(d.res.Unshown, n) || len(row.Labels) == 0 || d.isTogether(n) {
			continue
		}
		shown++
		if row.Value > most.Value {
			most = row
		}
	}
	if shown < 2 || most.Value == 0 {
		return ""
	}
	share := say.Percent(float64(most.Value) / float64(d.res.Total))
	if len(d.ask.by) == 2 {
		return say.N("figures.said.both", most.Value, "first", most.Labels[0], "second", most.Labels[1], "share", share)
	}
	switch d.ask.by[0] {
	case tally.DimYear, tally.DimMonth:
		if most.Key[0] != "" {
			return say.N("figures.said.time", most.Value, "name", d.timeLabel(most.Labels[0]), "share", share)
		}
	}
	return say.N("figures.said.most", most.Value, "name", most.Labels[0], "share", share)
}

// timeLabel says a year or a month.
func (d *figureDraft) timeLabel(label string) string {
	if len(label) >= 4 && strings.Trim(label, "0123456789-") == "" {
		return d.say.Date(label)
	}
	return label
}

func (d *figureDraft) isTime(by int) bool {
	return d.ask.by[by] == tally.DimYear || d.ask.by[by] == tally.DimMonth
}

func (d *figureDraft) value(by int, v axisValue) string {
	if d.isTime(by) {
		return d.timeLabel(v.label)
	}
	return v.label
}

// Most that a chart can show and still be read.
const (
	mostBars    = 30
	mostColumns = 60
)

// chart draws the figure, or says why it is not drawn.
func (t *cross) chart() (template.HTML, string) {
	d, say := t.d, t.d.say
	if len(d.res.Rows) < 2 {
		return "", ""
	}
	frame := chart.Frame{ID: "figure", Title: d.page.Question, Desc: d.page.Said,
		Format: func(v float64) string { return say.Number(int64(v)) }, Axis: say.Compact}
	if t.colDim < 0 {
		var bars []chart.Bar
		for _, v := range t.rows {
			row, ok := t.at(v.key, "")
			if !ok {
				continue
			}
			bar := chart.Bar{Label: d.value(t.rowDim, v), Value: float64(row.Value), Note: say.Percent(float64(row.Value) / float64(d.res.Total))}
			if v.key == "" || v.several {
				bar.Tone = chart.Grey
			}
			bars = append(bars, bar)
		}
		switch {
		case len(bars) < 2:
			return "", ""
		case d.isTime(t.rowDim) && len(bars) <= mostColumns:
			for i := range bars {
				bars[i].Note = ""
				if bars[i].Tone == chart.Grey {
					bars[i].Label = say.T("figures.chart.others") // a long name would push the years' names out
				}
			}
			return chart.Pair(frame, func(f chart.Frame) template.HTML { return chart.Columns(f, bars) }), ""
		case len(bars) > mostBars:
			return chart.Pair(frame, func(f chart.Frame) template.HTML { return chart.Bars(f, bars[:mostBars]) }),
				say.T("figures.chart.first", "n", mostBars, "all", len(bars))
		}
		return chart.Pair(frame, func(f chart.Frame) template.HTML { return chart.Bars(f, bars) }), ""
	}
	return t.stacked(frame)
}

// stacked draws two dimensions: time along the bottom, else the dimension with more values.
func (t *cross) stacked(frame chart.Frame) (template.HTML, string) {
	d, say := t.d, t.d.say
	along, series, alongDim, seriesDim := t.rows, t.cols, t.rowDim, t.colDim
	turned := d.isTime(seriesDim) && !d.isTime(alongDim)
	if turned {
		along, series, alongDim, seriesDim = series, along, seriesDim, alongDim
	}
	if len(series) > widest || len(along) > mostColumns || len(d.res.Unshown) > 0 {
		return "", say.T("figures.chart.many")
	}
	labels := make([]string, len(along))
	rows := make([]chart.Series, len(series))
	for i, v := range along {
		labels[i] = d.value(alongDim, v)
	}
	for n, sv := range series {
		rows[n] = chart.Series{Name: d.value(seriesDim, sv), Values: make([]float64, len(along))}
		for i, av := range along {
			r, c := av.key, sv.key
			if turned {
				r, c = c, r
			}
			row, _ := t.at(r, c)
			rows[n].Values[i] = float64(row.Value)
		}
	}
	if d.measure.Count == pack.CountOfficials {
		// One official can be counted in several parts of a bar: only lines say that truly.
		if !d.isTime(alongDim) {
			return "", say.T("figures.chart.overlap")
		}
		return chart.Pair(frame, func(f chart.Frame) template.HTML { return chart.Lines(f, labels, rows) }), ""
	}
	return chart.Pair(frame, func(f chart.Frame) template.HTML { return chart.Stacked(f, labels, rows) }), ""
}

// table is the same as the chart, and always there.
func (t *cross) table() view.Table {
	d, say := t.d, t.d.say
	names := make([]string, len(d.ask.by))
	for i, dim := range d.ask.by {
		names[i] = d.dim(dim)
	}
	out := view.Table{Caption: say.T("figures.table", "what", say.Text(d.def.Label), "by", say.List(names)), ID: "table"}
	switch {
	case t.colDim < 0:
		t.short(&out)
	case len(t.cols) > widest:
		t.long(&out)
	default:
		t.crossed(&out)
	}
	return out
}

func (t *cross) number(row tally.Row, shown, there bool) view.Cell {
	switch {
	case !there:
		return view.Cell{Text: t.d.say.Number(0)}
	case !shown:
		return view.Cell{Text: t.d.say.T("figures.unshown")}
	}
	return view.Cell{Text: t.d.say.Number(row.Value), Href: t.d.trace(row.Key)}
}

func (t *cross) cell(row, col string) view.Cell {
	v, there := t.value[[2]string{row, col}]
	_, shown := t.at(row, col)
	return t.number(v, shown, there)
}

func (d *figureDraft) all() string {
	if d.measure.Count == pack.CountOfficials {
		return d.say.T("figures.all.distinct")
	}
	return d.say.T("figures.all")
}

// short has one row for each value.
func (t *cross) short(out *view.Table) {
	d, say := t.d, t.d.say
	out.Columns = []view.Column{{Text: d.dim(d.ask.by[t.rowDim])}, {Text: say.Text(d.def.Label), Numeric: true}, {Text: say.T("figures.share"), Numeric: true}}
	for _, v := range t.rows {
		share := ""
		if row, ok := t.at(v.key, ""); ok {
			share = say.Percent(float64(row.Value) / float64(d.res.Total))
		}
		out.Rows = append(out.Rows, view.Row{Cells: []view.Cell{t.head(t.rowDim, v), t.cell(v.key, ""), {Text: share}}})
	}
	out.Foot = []view.Cell{{Text: d.all(), Header: true}, {Text: say.Number(d.res.Total), Href: d.trace(nil)}, {}}
}

func (t *cross) head(by int, v axisValue) view.Cell {
	c := view.Cell{Text: t.d.value(by, v), Sub: v.sub, Header: true}
	if t.d.ask.by[by] == tally.DimBody && slices.Contains(t.d.res.Below, v.key) {
		c.Href = t.d.at(v.key)
	}
	return c
}

// long has one row for each combination there is.
func (t *cross) long(out *view.Table) {
	d, say := t.d, t.d.say
	out.Columns = []view.Column{{Text: d.dim(d.ask.by[0])}, {Text: d.dim(d.ask.by[1])}, {Text: say.Text(d.def.Label), Numeric: true}}
	for n, row := range d.res.Rows {
		label := func(i int) view.Cell {
			v := axisValue{key: row.Key[i], label: row.Labels[i], sub: strings.Join(togetherIn(d.res, n, i), " · ")}
			return t.head(i, v)
		}
		second := label(1)
		second.Header = false
		out.Rows = append(out.Rows, view.Row{Cells: []view.Cell{label(0), second, t.number(row, !slices.Contains(d.res.Unshown, n), true)}})
	}
	out.Foot = []view.Cell{{Text: d.all(), Header: true}, {}, {Text: say.Number(d.res.Total), Href: d.trace(nil)}}
}

// crossed has a column for each value of the second dimension, and sums where things can be added.
func (t *cross) crossed(out *view.Table) {
	d, say := t.d, t.d.say
	adds := d.measure.Count != pack.CountOfficials
	out.Columns = []view.Column{{Text: d.dim(d.ask.by[t.rowDim])}}
	sums := map[string]int64{}
	for _, c := range t.cols {
		out.Columns = append(out.Columns, view.Column{Text: d.value(t.colDim, c), Numeric: true})
	}
	if adds {
		out.Columns = append(out.Columns, view.Column{Text: d.all(), Numeric: true})
	}
	for _, v := range t.rows {
		cells := []view.Cell{t.head(t.rowDim, v)}
		var sum int64
		for _, c := range t.cols {
			row, _ := t.at(v.key, c.key)
			sum += row.Value
			sums[c.key] += row.Value
			cells = append(cells, t.cell(v.key, c.key))
		}
		if adds {
			cells = append(cells, view.Cell{Text: say.Number(sum), Href: d.traceLine(t.rowDim, v.key)})
		}
		out.Rows = append(out.Rows, view.Row{Cells: cells})
	}
	foot := []view.Cell{{Text: d.all(), Header: true}}
	if !adds {
		out.Foot = append(foot, make([]view.Cell, len(t.cols))...)
		out.Foot[1].Text = say.Number(d.res.Total)
		out.Foot[1].Href = d.trace(nil)
		return
	}
	for _, c := range t.cols {
		foot = append(foot, view.Cell{Text: say.Number(sums[c.key]), Href: d.traceLine(t.colDim, c.key)})
	}
	out.Foot = append(foot, view.Cell{Text: say.Number(d.res.Total), Href: d.trace(nil)})
}
