package web

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"plumbline/internal/access"
	"plumbline/internal/fault"
	"plumbline/internal/ref"
	"plumbline/internal/store"
	"plumbline/internal/tally"
	"plumbline/internal/web/view"
	"plumbline/internal/words"
)

// tracePage lists the matters behind a number, as far as the reader may see them.
type tracePage struct {
	view.Shell
	Heading string
	What    []string // the value, a dimension a line
	Said    string
	Table   view.Table
	First   string
	Next    string
}

var traceView = view.Page[tracePage]("figures/trace")

const traceSize = 50

// figureMatters is the way from a number to the matters behind it, for those who read the number exactly.
func (s *Server) figureMatters(w http.ResponseWriter, r *http.Request) error {
	say, v, a := words.From(r.Context()), viewer(r), readFigureAsk(r)
	figures, err := s.figures()
	if err != nil {
		return err
	}
	if err := a.check(); err != nil {
		return err
	}
	key := r.URL.Query()["key"]
	after, err := strconv.ParseInt(r.URL.Query().Get("after"), 10, 64)
	if r.URL.Query().Get("after") != "" && (err != nil || after < 0) {
		return fault.New(fault.NotFound, "fault.notfound", nil)
	}
	d := figureDraft{s: s, say: say, ask: a}
	var page tracePage
	err = s.DB.Read(r.Context(), func(tx *store.Tx) error {
		ctx := r.Context()
		if d.measure, err = s.figureMeasure(ctx, tx, v, a.measure); err != nil {
			return err
		}
		_, d.def = d.measure.Definition()
		if d.tree, err = s.tree(ctx, tx); err != nil {
			return err
		}
		if !seesExact(v, d.tree, a.body) {
			return fault.New(fault.Forbidden, "figures.trace.forbidden", nil)
		}
		req := tally.TraceRequest{Key: slices.Clone(key), After: ref.MatterID(after), Limit: traceSize,
			Request: tally.Request{Measure: a.measure, By: slices.Clone(a.by), Body: a.body, From: a.from, To: a.to, Words: say, Without: hiddenFrom(v)},
			See:     func(alias string, first int) (string, []any) { return access.Where(v, alias, first) }}
		if a.source != "" && !slices.Contains(a.by, tally.Imported) {
			req.By, req.Key = append(req.By, tally.Imported), append(req.Key, a.source)
		}
		found, more, err := figures.Trace(ctx, tx, req)
		if err != nil {
			return err
		}
		all, seen, err := figures.CountTraced(ctx, tx, req)
		if err != nil {
			return err
		}
		page = tracePage{Heading: say.T("figures.trace.title"),
			Shell: view.Shell{Title: say.T("figures.trace.title"), Staff: true, Crumbs: append(d.crumbs(), view.Link{Text: say.Text(d.def.Question), Href: a.href("")})}}
		page.What = append(page.What, d.where())
		for i, dim := range a.by {
			page.What = append(page.What, say.T("figures.trace.value", "dim", d.dim(dim), "value", d.keyLabel(dim, key[i])))
		}
		if a.source != "" {
			page.What = append(page.What, say.T("figures.source."+a.source))
		}
		page.Said = say.N("figures.trace.seen", seen)
		if hidden := all - seen; hidden >= tally.Smallest {
			page.Said = say.T("figures.said", "first", page.Said, "second", say.N("figures.trace.hidden", hidden))
		} else if hidden > 0 {
			// How few they are would tell whom they name.
			page.Said = say.T("figures.said", "first", page.Said, "second", say.T("figures.trace.few"))
		}
		if page.Table, err = s.traced(say, d, found); err != nil {
			return err
		}
		next := func(id ref.MatterID) string {
			q := a.query()
			for _, k := range key {
				q.Add("key", k)
			}
			if id != 0 {
				q.Set("after", strconv.FormatInt(int64(id), 10))
			}
			return "/figures/" + a.measure + "/matters?" + q.Encode()
		}
		if after != 0 {
			page.First = next(0)
		}
		if more {
			page.Next = next(found[len(found)-1].ID)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return traceView.Show(s.site, w, r, page)
}

// keyLabel says a value by its key.
func (d *figureDraft) keyLabel(dim, key string) string {
	switch {
	case dim == tally.DimBody && key != "":
		return d.name(key)
	case key == "":
		return d.say.T("tally.unknown")
	case dim == tally.DimYear || dim == tally.DimMonth:
		return d.timeLabel(key)
	}
	return d.measure.ValueLabel(d.say, dim, key)
}

func (s *Server) traced(say *words.Speaker, d figureDraft, found []tally.Traced) (view.Table, error) {
	t := view.Table{Caption: say.T("figures.trace.table"), Cards: true, Keys: true, Empty: view.Empty{Title: say.T("figures.trace.none"), Text: say.T("figures.trace.none.text")},
		Columns: []view.Column{{Text: say.T("figures.trace.ref")}, {Text: say.T("figures.trace.kind")}, {Text: say.T("figures.trace.state")},
			{Text: say.T("figures.trace.received")}, {Text: say.Text(d.def.Label), Numeric: true}}}
	for _, m := range found {
		p, err := s.Office.Version(m.Pack)
		if err != nil {
			return t, err
		}
		l := labels{p: p, say: say}
		row := view.Row{Cells: []view.Cell{
			{Text: string(m.Ref), Href: "/staff/matters/" + string(m.Ref), Header: true, Sub: m.Title},
			{Text: l.kind(m.Kind)}, {Text: l.state(m.Kind, m.State)}, {Text: say.Date(m.Received)}, {Text: say.Number(m.Counts)}}}
		if m.Source != "" && !strings.Contains(row.Cells[2].Text, say.T("ui.imported")) {
			row.Cells[2].Tags = []view.Tag{view.Imported(say)}
		}
		t.Rows = append(t.Rows, row)
	}
	return t, nil
}
