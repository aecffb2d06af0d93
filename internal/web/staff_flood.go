package web

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"plumbline/internal/access"
	"plumbline/internal/fault"
	"plumbline/internal/journal"
	"plumbline/internal/matter"
	"plumbline/internal/pack"
	"plumbline/internal/ref"
	"plumbline/internal/store"
	"plumbline/internal/web/view"
	"plumbline/internal/words"
)

// How reports come in: how many an hour, which look like the work of a machine, which say the same. It is where a flood
// is seen and worked off. Nothing is deleted here and nothing decided by a number: each report stays a report, and a
// step that is taken on many is recorded on each of them, by somebody who answers for it.

// floodPage is that page.
type floodPage struct {
	view.Shell
	Heading string
	Lede    string
	Show    []view.Link
	Hours   view.Table
	Quiet   string // said about the rows
	Table   view.Table
	Bulk    *bulk
}

var floodView = view.Page[floodPage]("staff/flood")

const (
	floodDays = 7   // that are looked at
	floodMost = 500 // reports that are looked at, the newest
	floodRows = 200 // that are shown
)

// arrived is one report as it came in.
type arrived struct {
	id    ref.MatterID
	marks []string
	group int // number of the group it belongs to, from 1; 0: none
}

func (s *Server) arrivals(w http.ResponseWriter, r *http.Request) error {
	say, v := words.From(r.Context()), viewer(r)
	show := r.URL.Query().Get("show")
	var all []arrived
	var hours view.Table
	var rows rowMaker
	states := map[ref.MatterID]matter.State{}
	var groups [][]ref.MatterID
	err := s.DB.Read(r.Context(), func(tx *store.Tx) (err error) {
		if hours, err = s.byHour(r.Context(), tx, v, say); err != nil {
			return err
		}
		if all, err = s.newest(r.Context(), tx, v); err != nil {
			return err
		}
		ids := make([]ref.MatterID, len(all))
		for i, a := range all {
			ids[i] = a.id
		}
		if states, err = matter.LoadMany(r.Context(), tx, ids); err != nil {
			return err
		}
		readable, err := s.readable(r.Context(), tx, v, ids, states)
		if err != nil {
			return err
		}
		if groups, err = s.like.Groups(r.Context(), tx, readable); err != nil {
			return err
		}
		rows, err = s.rowMaker(r.Context(), tx, say, nil)
		return err
	})
	if err != nil {
		return err
	}
	of, size := map[ref.MatterID]int{}, map[int]int{}
	for i, g := range groups {
		size[i+1] = len(g)
		for _, id := range g {
			of[id] = i + 1
		}
	}
	marked := 0
	for i := range all {
		all[i].group = of[all[i].id]
		if len(all[i].marks) > 0 {
			marked++
		}
	}
	page := floodPage{
		Shell: view.Shell{Title: say.T("flood.title"), Staff: true, Crumbs: crumbs(say)}, Heading: say.T("flood.title"), Lede: say.T("flood.lede", "days", floodDays),
		Show: []view.Link{
			{Text: say.T("flood.show.all"), Href: "/staff/arrivals", Current: show == "", Count: len(all)},
			{Text: say.T("flood.show.alike"), Href: "/staff/arrivals?show=alike", Current: show == "alike", Count: len(of)},
			{Text: say.T("flood.show.marked"), Href: "/staff/arrivals?show=marked", Current: show == "marked", Count: marked},
		},
		Hours: hours,
		Table: view.Table{Caption: say.T("flood.reports"), CaptionHidden: true, Cards: true, Keys: true, Select: "m", SelectForm: "bulk",
			Columns: []view.Column{{Text: say.T("staff.reference")}, {Text: say.T("staff.title")}, {Text: say.T("flood.alike")}, {Text: say.T("flood.marks")}, {Text: say.T("staff.state")}, {Text: say.T("flood.came")}},
			Empty:   view.Empty{Title: say.T("flood.none"), Text: say.T("flood.none.text")}},
	}
	if len(all) == floodMost {
		page.Quiet = say.T("flood.newest", "n", floodMost)
	}
	shown := slices.DeleteFunc(slices.Clone(all), func(a arrived) bool {
		return show == "alike" && a.group == 0 || show == "marked" && len(a.marks) == 0
	})
	if show == "alike" {
		slices.SortStableFunc(shown, func(a, b arrived) int { return cmp.Compare(a.group, b.group) })
	}
	for _, a := range shown[:min(len(shown), floodRows)] {
		st, ok := states[a.id]
		if !ok {
			continue
		}
		page.Table.Rows = append(page.Table.Rows, s.arrivedRow(say, rows, st, a, size[a.group]))
	}
	if togetherAny(s.Office.Active()) {
		page.Bulk = &bulk{ID: "bulk", Action: "/staff/arrivals/step", Submit: say.T("flood.step")}
	}
	return floodView.Show(s.site, w, r, page)
}

func (s *Server) arrivedRow(say *words.Speaker, rows rowMaker, st matter.State, a arrived, alike int) view.Row {
	p := rows.pack(st.Matter)
	l := labels{p, say}
	cells := []view.Cell{
		{Text: string(st.Matter.Ref), Href: matterHref(st.Matter.Ref), Header: true, Sub: l.kind(st.Matter.Kind)},
		{Text: rows.title(p, st)}, {Text: "–"}, {Text: "–"}, {Tags: []view.Tag{stateTag(l, st.Matter)}}, {Text: say.Time(time.UnixMicro(st.Matter.Opened), s.Office.Zone())},
	}
	if a.group > 0 {
		cells[2] = view.Cell{Text: say.T("flood.group", "n", a.group), Sub: say.N("flood.group.size", int64(alike))}
	}
	if len(a.marks) > 0 {
		cells[3] = view.Cell{}
		for _, m := range a.marks {
			cells[3].Tags = append(cells[3].Tags, view.Tag{Tone: view.Soon, Text: say.Maybe("flood.mark."+m, m)})
		}
	}
	return view.Row{Label: string(st.Matter.Ref), Value: string(st.Matter.Ref), Cells: cells}
}

// fromReporters is the condition on reports that came through the public form lately.
func (s *Server) fromReporters(v access.Viewer) (where string, args []any) {
	visible, args := access.Where(v, "m", 1)
	since := s.Now().AddDate(0, 0, -floodDays)
	n := len(args)
	// The day is the index's; a time zone may be a day ahead.
	args = append(args, since.AddDate(0, 0, -1).UTC().Format(time.DateOnly), since.UnixMicro())
	return fmt.Sprintf("%s AND m.received >= $%d AND m.opened >= $%d AND m.channel IS NOT NULL", visible, n+1, n+2), args
}

// byHour counts the reports of the last hours in which any came.
func (s *Server) byHour(ctx context.Context, tx *store.Tx, v access.Viewer, say *words.Speaker) (view.Table, error) {
	t := view.Table{Caption: say.T("flood.hours"), CaptionHidden: true, Cards: true,
		Columns: []view.Column{{Text: say.T("flood.hour")}, {Text: say.T("flood.count"), Numeric: true}, {Text: say.T("flood.count.marked"), Numeric: true}},
		Empty:   view.Empty{Title: say.T("flood.none"), Text: say.T("flood.none.text")}}
	where, args := s.fromReporters(v)
	found, err := tx.Query(ctx, `SELECT m.opened / 3600000000, COUNT(*), COUNT(f.matter) FROM matter m LEFT JOIN filing f ON f.matter = m.id
		WHERE `+where+` GROUP BY m.opened / 3600000000 ORDER BY 1 DESC LIMIT 12`, args...)
	if err != nil {
		return t, err
	}
	type hour struct{ at, n, marked int64 }
	hours, err := store.Collect(found, func(r *store.Rows) (h hour, err error) { return h, r.Scan(&h.at, &h.n, &h.marked) })
	for _, h := range hours {
		t.Rows = append(t.Rows, view.Row{Cells: []view.Cell{{Text: say.Time(time.Unix(h.at*3600, 0), s.Office.Zone()), Header: true}, {Text: say.Number(h.n)}, {Text: say.Number(h.marked)}}})
	}
	return t, err
}

// newest are the newest open reports that the reader may know of.
func (s *Server) newest(ctx context.Context, tx *store.Tx, v access.Viewer) ([]arrived, error) {
	where, args := s.fromReporters(v)
	found, err := tx.Query(ctx, `SELECT m.id, COALESCE(f.marks, '') FROM matter m LEFT JOIN filing f ON f.matter = m.id
		WHERE `+where+` AND m.final = 0 ORDER BY m.opened DESC, m.id DESC LIMIT `+strconv.Itoa(floodMost), args...)
	if err != nil {
		return nil, err
	}
	return store.Collect(found, func(r *store.Rows) (a arrived, err error) {
		var marks string
		err = r.Scan((*int64)(&a.id), &marks)
		a.marks = strings.Fields(marks)
		return a, err
	})
}

// readable are those of the matters whose file the reader may open: that two reports say the same is something about
// what they say.
func (s *Server) readable(ctx context.Context, tx *store.Tx, v access.Viewer, ids []ref.MatterID, states map[ref.MatterID]matter.State) ([]ref.MatterID, error) {
	var out []ref.MatterID
	for _, id := range ids {
		st, ok := states[id]
		if !ok {
			continue
		}
		may, err := s.mayReadFile(ctx, tx, v, st)
		if err != nil {
			return nil, err
		}
		if may {
			out = append(out, id)
		}
	}
	return out, nil
}

func (s *Server) mayReadFile(ctx context.Context, tx *store.Tx, v access.Viewer, st matter.State) (bool, error) {
	_, k, err := s.Engine.PackOf(st.Matter)
	if err != nil || k == nil {
		return false, err
	}
	f, err := s.Engine.Facts(ctx, tx, st)
	if err != nil {
		return false, err
	}
	return access.MayOpen(v, k, f, access.File) == nil, nil
}

// similar is a report that says the same as another one.
type similar struct {
	matter matter.Row
	alike  float64
}

// similarMost is how many are suggested.
const similarMost = 5

// loadSimilar finds reports that say the same, for those who may read this one and those.
func (d *dossier) loadSimilar(ctx context.Context, tx *store.Tx) error {
	if d.kind == nil || !d.kind.Reports || !d.lawful(access.File) {
		return nil
	}
	found, err := d.s.like.Find(ctx, tx, d.state.Matter.ID, 4*similarMost)
	if err != nil {
		return err
	}
	for _, m := range found {
		other, err := d.s.Engine.Load(ctx, tx, m.Matter)
		if fault.Is(err, fault.NotFound) {
			continue
		}
		if err != nil {
			return err
		}
		may, err := d.s.mayReadFile(ctx, tx, d.v, other)
		if err != nil {
			return err
		}
		if may && len(d.similar) < similarMost {
			d.similar = append(d.similar, similar{other.Matter, m.Alike})
		}
	}
	return nil
}

// alike is the part of the page of a matter that suggests them.
func (d *dossier) alike() (section, bool) {
	if len(d.similar) == 0 {
		return section{}, false
	}
	merge := ""
	for _, c := range d.choices {
		if c.Allowed && c.Action.Has(pack.EffMerge) {
			merge = c.Action.ID
		}
	}
	t := d.similarTable(merge)
	return section{Heading: d.say.T("flood.similar"), Quiet: d.say.T("flood.similar.text"), Table: &t}, true
}

func (d *dossier) similarTable(merge string) view.Table {
	t := view.Table{Caption: d.say.T("flood.similar"), CaptionHidden: true, Cards: true,
		Columns: []view.Column{{Text: d.say.T("staff.reference")}, {Text: d.say.T("flood.same")}, {Text: d.say.T("staff.state")}, {Text: d.say.T("staff.received")}}}
	field := ""
	if merge != "" {
		t.Columns = append(t.Columns, view.Column{Text: d.l.action(d.state.Matter.Kind, merge), Hidden: true})
		for _, f := range d.kind.Action(merge).Fields {
			if f.Type == pack.TypeMatter {
				field = f.ID
			}
		}
	}
	for _, x := range d.similar {
		row := view.Row{Cells: []view.Cell{{Text: string(x.matter.Ref), Href: matterHref(x.matter.Ref), Header: true}, {Text: d.say.Percent(x.alike)},
			{Tags: []view.Tag{stateTag(d.l, x.matter)}}, {Text: d.say.Date(x.matter.Received)}}}
		if merge != "" {
			row.Cells = append(row.Cells, view.Cell{Text: d.say.T("flood.join", "ref", string(x.matter.Ref)), Href: d.at("act", merge) + "?" + url.Values{field: {string(x.matter.Ref)}}.Encode()})
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// suggested are the references that an address brings to the form of a step, and nothing else: a link must not put
// words into anybody's mouth.
func suggested(r *http.Request) url.Values {
	out := url.Values{}
	for name, v := range r.URL.Query() {
		if parsed, err := ref.ParseReference(v[0]); err == nil {
			out.Set(name, string(parsed))
		}
	}
	return out
}

// togetherAny reports whether the rules have a step that may be taken on several reports at once.
func togetherAny(p *pack.Pack) bool {
	if p == nil {
		return false
	}
	for _, k := range p.ReportKinds() {
		if slices.ContainsFunc(k.Actions, func(a pack.Action) bool { return a.Together }) {
			return true
		}
	}
	return false
}

// together is a step on several reports at once: the reports, and what the rules let the reader do with all of them.
type together struct {
	items   []*dossier
	actions []*pack.Action
}

func (s *Server) together(ctx context.Context, tx *store.Tx, r *http.Request, refs []string) (out together, err error) {
	if len(refs) > handOverMost {
		return out, fault.New(fault.Invalid, "staff.assign.many", fault.Args{"max": handOverMost})
	}
	for i, text := range refs {
		if slices.Contains(refs[:i], text) {
			continue
		}
		d, err := s.dossier(ctx, tx, viewer(r), words.From(ctx), text)
		if err != nil {
			return out, err
		}
		out.items = append(out.items, d)
		var may []*pack.Action
		for _, c := range d.choices {
			if c.Allowed && c.Action.Together {
				may = append(may, c.Action)
			}
		}
		if len(out.items) == 1 {
			out.actions = may
			continue
		}
		out.actions = slices.DeleteFunc(out.actions, func(a *pack.Action) bool {
			return d.pack.ID() != out.items[0].pack.ID() || d.kind.ID != out.items[0].kind.ID || !slices.ContainsFunc(may, func(b *pack.Action) bool { return b.ID == a.ID })
		})
	}
	return out, nil
}

func (t together) action(id string) *pack.Action {
	if i := slices.IndexFunc(t.actions, func(a *pack.Action) bool { return a.ID == id }); i >= 0 {
		return t.actions[i]
	}
	return nil
}

// togetherPage asks which step, and then what it needs to know.
func (s *Server) togetherPage(w http.ResponseWriter, r *http.Request) error {
	return s.showTogether(w, r, r.URL.Query(), nil)
}

func (s *Server) showTogether(w http.ResponseWriter, r *http.Request, sent url.Values, failure error) error {
	say := words.From(r.Context())
	var choose *formPage
	var step stepForm
	err := s.DB.Read(r.Context(), func(tx *store.Tx) error {
		t, err := s.together(r.Context(), tx, r, sent["m"])
		if err != nil {
			return err
		}
		a := t.action(sent.Get("action"))
		if a == nil || len(t.items) == 0 {
			page := s.chooseTogether(say, t)
			choose = &page
			return nil
		}
		step, err = s.stepTogether(r.Context(), tx, t, a, sent, failure)
		return err
	})
	if err != nil {
		return err
	}
	if choose != nil {
		return formView.Show(s.site, w, r, *choose)
	}
	status := http.StatusOK
	if failure != nil {
		status = view.Status(failure)
	}
	return stepFormView.ShowStatus(s.site, w, r, status, step)
}

func (s *Server) chooseTogether(say *words.Speaker, t together) formPage {
	page := formPage{Shell: view.Shell{Title: say.T("flood.step"), Staff: true, Crumbs: crumbs(say, view.Link{Text: say.T("flood.title"), Href: "/staff/arrivals"})},
		Heading: say.T("flood.step"), Lede: say.N("flood.step.lede", int64(len(t.items))),
		Form: view.Form{Get: true, Action: "/staff/arrivals/step", Cancel: view.Link{Text: say.T("ui.cancel"), Href: "/staff/arrivals"}}}
	var options []view.Option
	for _, a := range t.actions {
		options = append(options, view.Option{Value: a.ID, Text: say.Text(a.Label), Hint: say.Text(a.Help)})
	}
	switch {
	case len(t.items) == 0:
		page.Warn = say.T("flood.step.nothing")
	case len(options) == 0:
		page.Warn = say.T("flood.step.none")
	}
	if page.Warn != "" {
		page.Lede, page.Form = "", view.Form{Get: true, Action: "/staff/arrivals", Submit: say.T("flood.back")}
		return page
	}
	var refs []string
	for _, d := range t.items {
		refs = append(refs, string(d.state.Matter.Ref))
		page.Form.Hidden = append(page.Form.Hidden, view.Hidden{Name: "m", Value: string(d.state.Matter.Ref)})
	}
	page.Facts = &view.SummaryList{Rows: []view.SummaryRow{{Key: say.T("flood.reports"), Lines: refs}}}
	page.Form.Inputs = []view.Input{{Kind: view.Radios, Name: "action", Label: say.T("flood.step.which"), Size: "m", Options: options}}
	return page
}

func (s *Server) stepTogether(ctx context.Context, tx *store.Tx, t together, a *pack.Action, sent url.Values, failure error) (stepForm, error) {
	first := t.items[0]
	say := first.say
	m := s.maker(ctx, tx, first, a, sent, "/staff/arrivals/step")
	page := stepForm{
		Shell:   view.Shell{Title: say.Text(a.Label), Staff: true, Crumbs: crumbs(say, view.Link{Text: say.T("flood.title"), Href: "/staff/arrivals"})},
		Heading: say.Text(a.Label), Action: "/staff/arrivals/step", Submit: say.N("flood.step.submit", int64(len(t.items)), "action", say.Text(a.Label)),
		Cancel: view.Link{Text: say.T("ui.cancel"), Href: "/staff/arrivals"}, Hidden: []view.Hidden{{Name: "action", Value: a.ID}},
	}
	var refs []string
	for _, d := range t.items {
		refs = append(refs, string(d.state.Matter.Ref))
		page.Hidden = append(page.Hidden, view.Hidden{Name: "m", Value: string(d.state.Matter.Ref)}, view.Hidden{Name: "n", Value: strconv.FormatInt(d.state.Matter.N, 10)})
	}
	page.Help = say.T("flood.step.each", "refs", say.List(refs))
	if a.Signs {
		page.Signs = say.T("staff.form.signs", "name", first.v.Name)
	}
	var wrong []words.FieldFault
	if failure != nil {
		wrong = m.fail(say, s.namedError(first, failure))
	}
	fields := a.Fields
	if i := slices.IndexFunc(first.choices, func(c matter.Choice) bool { return c.Action.ID == a.ID }); i >= 0 {
		fields = first.choices[i].Fields
	}
	var err error
	if page.Parts, err = m.parts(fields); err != nil {
		return page, err
	}
	if failure != nil {
		page.Errors = m.summary(wrong)
	}
	return page, nil
}

// actTogether takes a step on all of the reports, or on none: one that changed since the page was drawn stops the whole.
func (s *Server) actTogether(w http.ResponseWriter, r *http.Request) error {
	if err := form(r); err != nil {
		return err
	}
	if do := r.PostForm.Get("do"); do != "" && do != "submit" {
		return s.showTogether(w, r, r.PostForm, nil)
	}
	refs, seen := r.PostForm["m"], r.PostForm["n"]
	if len(refs) == 0 || len(refs) != len(seen) || len(refs) > handOverMost {
		return fault.New(fault.Invalid, "fault.form", nil)
	}
	var label pack.Text
	err := s.DB.Tx(r.Context(), func(tx *store.Tx) error {
		for i, text := range refs {
			st, _, err := s.visible(r.Context(), tx, viewer(r), text)
			if err != nil {
				return err
			}
			p, k, err := s.Engine.PackOf(st.Matter)
			if err != nil {
				return err
			}
			var a *pack.Action
			if k != nil {
				a = k.Action(r.PostForm.Get("action"))
			}
			if a == nil || !a.Together {
				return fault.New(fault.NotFound, "fault.notfound", nil)
			}
			if strconv.FormatInt(st.Matter.N, 10) != seen[i] {
				return fault.New(fault.Conflict, "staff.assign.stale", fault.Args{"ref": string(st.Matter.Ref)})
			}
			values, wrong := matter.ParseForm(p, a.Fields, view.Values(r.PostForm))
			if err := fault.InvalidFields(wrong); err != nil {
				return err
			}
			if _, err := s.Engine.Act(r.Context(), tx, matter.ActCmd{Matter: st.Matter.ID, Seen: st.Matter.N, Action: a.ID, Fields: values, Viewer: viewer(r), Via: journal.ViaWeb, Keys: keys(r)}); err != nil {
				return err
			}
			label = a.Label
		}
		return nil
	})
	if fault.Is(err, fault.Invalid) {
		return s.showTogether(w, r, r.PostForm, err)
	}
	if err != nil {
		return s.explained(r, err)
	}
	s.site.Flash(w, view.Success, "flash.together", map[string]any{"n": len(refs), "action": words.From(r.Context()).Text(label)})
	return view.Redirect(w, r, "/staff/arrivals")
}

// holdsDesk reports whether somebody sees any reports at all.
func holdsDesk(v access.Viewer) bool {
	return slices.ContainsFunc(v.Grants, func(g access.Grant) bool { return g.Body != 0 && g.Sees != access.SeesNone })
}
