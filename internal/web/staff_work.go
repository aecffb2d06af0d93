package web

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"plumbline/internal/access"
	"plumbline/internal/calendar"
	"plumbline/internal/fault"
	"plumbline/internal/journal"
	"plumbline/internal/matter"
	"plumbline/internal/pack"
	"plumbline/internal/ref"
	"plumbline/internal/store"
	"plumbline/internal/web/view"
	"plumbline/internal/words"
)

// work is the start page of staff: what is to do, by clock.
func (s *Server) work(w http.ResponseWriter, r *http.Request) error {
	say, v := words.From(r.Context()), viewer(r)
	var todo matter.Work
	var rows rowMaker
	err := s.DB.Read(r.Context(), func(tx *store.Tx) (err error) {
		if todo, err = s.Engine.MyWork(r.Context(), tx, v, s.Now(), s.calendar()); err != nil {
			return err
		}
		all := slices.Concat(todo.Overdue, todo.Today, todo.Week, todo.Later, todo.Waiting, todo.Below)
		rows, err = s.rowMaker(r.Context(), tx, say, all)
		return err
	})
	if err != nil {
		return err
	}
	page := sheet{
		Shell: view.Shell{Title: say.T("staff.nav.work"), Staff: true}, Heading: say.T("staff.nav.work"),
		Lede: say.N("staff.work.count", int64(len(todo.Overdue)+len(todo.Today)+len(todo.Week)+len(todo.Later))),
	}
	waits, err := s.dutiesNote(r)
	if err != nil {
		return err
	}
	if waits != nil {
		page.Sections = append(page.Sections, section{Note: waits})
	}
	notes, err := s.deskNotes(r)
	if err != nil {
		return err
	}
	page.Sections = append(page.Sections, notes...)
	if kinds := s.startable(v); len(kinds) > 0 {
		page.Buttons = []view.Link{{Text: say.T("staff.new.title"), Href: "/staff/new"}}
	}
	if mayOpenAnything(v) {
		page.Buttons = append(page.Buttons, view.Link{Text: say.T("staff.desks"), Href: "/staff/desks"})
	}
	for _, part := range []struct {
		key   string
		items []matter.State
		empty bool // shown although there is nothing
	}{
		{"overdue", todo.Overdue, true}, {"today", todo.Today, true}, {"week", todo.Week, true}, {"later", todo.Later, false},
		{"waiting", todo.Waiting, true}, {"below", todo.Below, false},
	} {
		if len(part.items) == 0 && !part.empty {
			continue
		}
		t := view.Table{
			Caption: say.T("staff.work." + part.key), CaptionHidden: true, Cards: true, Keys: true,
			Columns: []view.Column{{Text: say.T("staff.reference")}, {Text: say.T("staff.kind")}, {Text: say.T("staff.work.todo")}, {Text: say.T("staff.clock")}, {Text: say.T("staff.work.from")}},
		}
		if part.empty {
			t.Empty = view.Empty{Title: say.T("staff.work." + part.key + ".none"), Text: say.T("staff.work." + part.key + ".none.text")}
		}
		for _, st := range part.items {
			t.Rows = append(t.Rows, rows.work(st))
		}
		page.Sections = append(page.Sections, section{Heading: say.T("staff.work." + part.key), Quiet: say.Maybe("staff.work."+part.key+".hint", ""), Table: &t})
	}
	return sheetView.Show(s.site, w, r, page)
}

// calendar is the working calendar of the active pack.
func (s *Server) calendar() *calendar.Calendar { return s.Office.Active().Cal() }

// rowMaker writes matters as rows of lists.
type rowMaker struct {
	s      *Server
	say    *words.Speaker
	names  bodyNames
	people map[ref.AccountID]string
}

func (s *Server) rowMaker(ctx context.Context, tx *store.Tx, say *words.Speaker, all []matter.State) (rowMaker, error) {
	m := rowMaker{s: s, say: say}
	var err error
	if m.names, err = s.bodyNames(ctx, tx, say); err != nil {
		return m, err
	}
	var accounts []ref.AccountID
	for _, st := range all {
		for _, a := range st.Assigned {
			accounts = append(accounts, a.Account)
		}
		for _, d := range st.Did {
			accounts = append(accounts, d.Account)
		}
	}
	m.people, err = s.Accounts.Names(ctx, tx, accounts)
	return m, err
}

// pack returns the rules of a matter; an unreadable version falls back to the active one, so that a list still lists.
func (m rowMaker) pack(row matter.Row) *pack.Pack {
	if p, err := m.s.Office.Version(row.Pack); err == nil {
		return p
	}
	return m.s.Office.Active()
}

func (m rowMaker) title(p *pack.Pack, st matter.State) string {
	if t := matter.Title(p, m.names.tree, st, m.say.Lang()); t != "" {
		return t
	}
	if st.Matter.Title != "" {
		return st.Matter.Title
	}
	return m.say.T("staff.untitled")
}

func (m rowMaker) clock(p *pack.Pack, row matter.Row) view.Cell {
	if c := m.s.clockWords(m.say, p, row); c != nil {
		return view.Cell{Clock: c, Sub: labels{p, m.say}.clock(row.Kind, row.DueClock)}
	}
	return view.Cell{Text: "–"}
}

// work is a row of "my work": what it is, what is to do, until when, and from whom it came.
func (m rowMaker) work(st matter.State) view.Row {
	p := m.pack(st.Matter)
	l := labels{p, m.say}
	return view.Row{Label: string(st.Matter.Ref), Value: string(st.Matter.Ref), Cells: []view.Cell{
		{Text: string(st.Matter.Ref), Href: matterHref(st.Matter.Ref), Header: true},
		{Text: l.kind(st.Matter.Kind), Sub: m.title(p, st)},
		{Text: m.todo(p, st)},
		m.clock(p, st.Matter),
		{Text: m.from(st)},
	}}
}

// todo names the main steps that the procedure has in this state for the desk the matter lies with.
func (m rowMaker) todo(p *pack.Pack, st matter.State) string {
	l := labels{p, m.say}
	var out []string
	if k := p.Kind(st.Matter.Kind); k != nil {
		for _, a := range k.ActionsFrom(st.Matter.State) {
			if leadsOn(a, st.Matter.Desk) && len(out) < 2 {
				out = append(out, l.text(a.Label, a.ID))
			}
		}
	}
	if len(out) == 0 {
		return l.state(st.Matter.Kind, st.Matter.State)
	}
	return strings.Join(out, " / ")
}

// leadsOn reports whether a step is what the desk is there for in this state: it takes the matter onward, not back,
// aside or to an early end.
func leadsOn(a *pack.Action, desk string) bool {
	if a.To == "" || a.Anywhere || !slices.Contains(a.By, desk) {
		return false
	}
	for _, aside := range []string{pack.EffReturn, pack.EffEndEarly, pack.EffMerge, pack.EffTransfer} {
		if a.Has(aside) {
			return false
		}
	}
	return true
}

// from is who took the last step on it, and under which duty.
func (m rowMaker) from(st matter.State) string {
	var last matter.Did
	for _, d := range st.Did {
		if d.From == st.Matter.ID && d.N >= last.N {
			last = d
		}
	}
	switch {
	case last.N == 0:
		return m.say.T("staff.actor.reporter")
	case last.Account == 0:
		return m.say.Maybe("staff.actor."+last.Duty, m.s.duty(m.say, last.Duty))
	}
	return m.say.T("staff.actor.as", "name", m.people[last.Account], "duty", m.s.duty(m.say, last.Duty))
}

// queuePage is how many matters stand on a page.
const queuePage = 50

// queue lists the matters the reader may see, filtered, sorted, page by page. The address says it all, so that a filter
// is kept by keeping the address.
func (s *Server) queue(w http.ResponseWriter, r *http.Request) error {
	say, v, q := words.From(r.Context()), viewer(r), r.URL.Query()
	var found matter.Page
	var rows rowMaker
	var names bodyNames
	var query matter.Query
	var exact ref.Reference
	err := s.DB.Read(r.Context(), func(tx *store.Tx) (err error) {
		// Whoever types a reference wants that matter. Other words can look like one by chance; they are searched for.
		if st, _, err := s.visible(r.Context(), tx, v, q.Get("text")); err == nil {
			exact = st.Matter.Ref
			return nil
		} else if !fault.Is(err, fault.NotFound) {
			return err
		}
		if names, err = s.bodyNames(r.Context(), tx, say); err != nil {
			return err
		}
		query = queryOf(v, q, names)
		if found, err = s.Engine.List(r.Context(), tx, query); err != nil {
			return err
		}
		rows, err = s.rowMaker(r.Context(), tx, say, found.Items)
		return err
	})
	if err != nil {
		return err
	}
	if exact != "" {
		return view.Redirect(w, r, matterHref(exact))
	}
	page := list{
		Shell: view.Shell{Title: say.T("staff.nav.queue"), Staff: true, Crumbs: crumbs(say)}, Heading: say.T("staff.nav.queue"),
		Filter: s.queueFilter(say, r.URL, names), Saved: s.savedFilters(say, r.URL, v), Buttons: searchButton(say, v), Keys: view.ListKeys(say), Count: countWords(say, found),
		Table: view.Table{
			Caption: say.T("staff.nav.queue"), CaptionHidden: true, Cards: true, Keys: true, Select: "m", SelectForm: "bulk",
			Columns: []view.Column{
				{Text: say.T("staff.reference")}, {Text: say.T("staff.title")}, {Text: say.T("staff.state")},
				sortable(say, r.URL, query, matter.SortDue, "staff.clock"), {Text: say.T("staff.with")}, sortable(say, r.URL, query, matter.SortReceived, "staff.received"),
			},
			Empty: view.Empty{Title: say.T("staff.queue.none"), Text: say.T("staff.queue.none.text"), Link: view.Link{Text: say.T("ui.filter.clear"), Href: "/staff/queue?status=all"}},
		},
		Bulk: &bulk{ID: "bulk", Action: "/staff/assign", Submit: say.T("staff.assign.selected")},
	}
	if found.Next != "" {
		page.Next = withQuery(r.URL, "after", found.Next)
	}
	if query.After != "" {
		page.First = withQuery(r.URL, "after", "")
	}
	for _, st := range found.Items {
		page.Table.Rows = append(page.Table.Rows, rows.queue(st))
	}
	return listView.Show(s.site, w, r, page)
}

func countWords(say *words.Speaker, p matter.Page) string {
	if p.More {
		return say.T("staff.results.more", "n", p.Count)
	}
	return say.N("ui.results", int64(p.Count))
}

// sortable is the head of a column that the list can be sorted by. A second press turns the order around.
func sortable(say *words.Speaker, u *url.URL, q matter.Query, by, key string) view.Column {
	c := view.Column{Text: say.T(key)}
	now := q.Sort == by || q.Sort == "" && by == matter.SortDue
	switch {
	case now && q.Desc:
		c.Order, c.Sort = "desc", withQuery(u, "sort", by, "desc", "", "after", "")
	case now:
		c.Order, c.Sort = "asc", withQuery(u, "sort", by, "desc", "yes", "after", "")
	case by == matter.SortReceived: // the newest first is what people look for
		c.Sort = withQuery(u, "sort", by, "desc", "yes", "after", "")
	default:
		c.Sort = withQuery(u, "sort", by, "desc", "", "after", "")
	}
	return c
}

// queue is a row of a queue.
func (m rowMaker) queue(st matter.State) view.Row {
	p := m.pack(st.Matter)
	l := labels{p, m.say}
	state := view.Cell{Tags: []view.Tag{stateTag(l, st.Matter)}}
	if st.Matter.Source != "" {
		state.Tags = []view.Tag{view.Imported(m.say)}
	}
	if st.Matter.Overdue != 0 && st.Matter.Final == 0 {
		state.Tags = append(state.Tags, view.Tag{Tone: view.Bad, Text: m.say.T("staff.overdue")})
	}
	with := view.Cell{Text: m.names.name(st.Matter.DeskBody)}
	if st.Matter.DeskBody == 0 {
		with.Text = m.names.name(st.Matter.Body)
	}
	if st.Matter.Final == 0 && st.Matter.Desk != "" {
		with.Sub = with.Text
		with.Text = m.s.duty(m.say, st.Matter.Desk)
		for _, a := range st.Assigned {
			if a.Duty == st.Matter.Desk && a.Lead != 0 {
				with.Text = m.people[a.Account]
				with.Sub = m.s.duty(m.say, a.Duty) + " · " + with.Sub
			}
		}
	}
	return view.Row{Label: string(st.Matter.Ref), Value: string(st.Matter.Ref), Cells: []view.Cell{
		{Text: string(st.Matter.Ref), Href: matterHref(st.Matter.Ref), Header: true, Sub: l.kind(st.Matter.Kind)},
		{Text: m.title(p, st)}, state, m.clock(p, st.Matter), with, {Text: m.say.Date(st.Matter.Received)},
	}}
}

// queryOf reads a filter out of an address. Open matters are shown unless something else is asked for.
func queryOf(v access.Viewer, q url.Values, names bodyNames) matter.Query {
	out := matter.Query{
		Viewer: v, Kind: q.Get("kind"), State: q.Get("state"), Status: q.Get("status"), Desk: q.Get("desk"), Overdue: q.Get("overdue") == "yes",
		Mine: q.Get("who") == "mine", Free: q.Get("who") == "free", Conduct: q.Get("conduct"), Category: q.Get("category"), Finding: q.Get("finding"),
		Imported: q.Get("imported"), Text: q.Get("text"), Sort: q.Get("sort"), Desc: q.Get("desc") == "yes", After: q.Get("after"), Limit: queuePage,
	}
	if out.Status == "" {
		out.Status = "open"
	}
	if out.Status == "all" {
		out.Status = ""
	}
	if b := names.tree.ByCode(q.Get("body")); b != nil {
		out.Body = b.ID
	}
	if b := names.tree.ByCode(q.Get("about")); b != nil {
		out.Concerned = b.ID
	}
	get := view.Values(q)
	if d := one(get("from")); calendarDate(d) {
		out.From = d
	}
	if d := one(get("to")); calendarDate(d) {
		out.To = d
	}
	return out
}

func calendarDate(s string) bool {
	_, err := calendar.ParseDate(s)
	return err == nil
}

// filterBodies is how many bodies a filter offers in a list; beyond that their code is typed.
const filterBodies = 300

func (s *Server) queueFilter(say *words.Speaker, u *url.URL, names bodyNames) *view.FilterPanel {
	q := u.Query()
	p := s.Office.Active()
	l := labels{p, say}
	choose := func(name, label string, options []view.Option) view.Input {
		return view.Input{Kind: view.Select, Name: name, Label: say.T(label), Empty: say.T("staff.any"), Options: options}.Choose(q.Get(name))
	}
	var kinds, states, conduct, findings []view.Option
	for _, k := range p.Kinds {
		kinds = append(kinds, view.Option{Value: k.ID, Text: l.kind(k.ID)})
		for _, st := range k.States {
			if q.Get("kind") == "" || q.Get("kind") == k.ID {
				states = append(states, view.Option{Value: st.ID, Text: l.text(st.Label, st.ID), Group: l.kind(k.ID)})
			}
		}
	}
	for _, cat := range p.Categories {
		for _, c := range p.Conduct {
			if c.Category == cat.ID {
				conduct = append(conduct, view.Option{Value: c.ID, Text: l.conduct(c.ID), Group: l.category(cat.ID)})
			}
		}
	}
	for _, f := range p.Findings {
		findings = append(findings, view.Option{Value: f.ID, Text: l.finding(f.ID)})
	}
	fields := []view.Input{
		{Kind: view.Search, Name: "text", Label: say.T("staff.filter.text"), Hint: say.T("staff.filter.text.hint"), Value: q.Get("text")},
		{Kind: view.Select, Name: "status", Label: say.T("staff.filter.status"), Options: []view.Option{
			{Value: "", Text: say.T("staff.filter.open")}, {Value: "closed", Text: say.T("staff.filter.closed")}, {Value: "all", Text: say.T("staff.filter.all")}}},
		choose("kind", "staff.kind", kinds), choose("state", "staff.state", states),
		choose("desk", "staff.filter.desk", s.dutyOptions(say)),
		choose("who", "staff.filter.who", []view.Option{{Value: "mine", Text: say.T("staff.filter.mine")}, {Value: "free", Text: say.T("staff.filter.free")}}),
		s.bodyFilter(say, q, names, "body", "staff.filter.body"), s.bodyFilter(say, q, names, "about", "staff.filter.about"),
		choose("conduct", "staff.allegation.conduct", conduct), choose("finding", "staff.allegation.finding", findings),
		{Kind: view.Checkboxes, Name: "overdue", Label: say.T("staff.clock"), Small: true, Options: []view.Option{{Value: "yes", Text: say.T("staff.filter.overdue")}}},
		choose("imported", "staff.filter.imported", []view.Option{{Value: "no", Text: say.T("staff.filter.imported.no")}, {Value: "yes", Text: say.T("staff.filter.imported.yes")}}),
	}
	fields[1] = fields[1].Choose(q.Get("status"))
	fields[10] = fields[10].Choose(q.Get("overdue"))
	panel := &view.FilterPanel{Action: "/staff/queue", Fields: fields}
	for _, name := range []string{"sort", "desc"} {
		if q.Get(name) != "" {
			panel.Hidden = append(panel.Hidden, view.Hidden{Name: name, Value: q.Get(name)})
		}
	}
	for _, in := range fields {
		text := strings.TrimSpace(chosen(in))
		if in.Kind == view.Search || in.Kind == view.Text {
			text = in.Value
		}
		if q.Get(in.Name) == "" || text == "" {
			continue
		}
		panel.Chips = append(panel.Chips, view.Link{Text: say.T("staff.filter.chip", "name", in.Label, "value", text), Href: withQuery(u, in.Name, "", "after", "")})
		panel.Clear = "/staff/queue"
	}
	return panel
}

func (s *Server) bodyFilter(say *words.Speaker, q url.Values, names bodyNames, name, label string) view.Input {
	if len(names.tree.All()) > filterBodies {
		return view.Input{Kind: view.Text, Name: name, Label: say.T(label), Hint: say.T("staff.body.code.hint"), Value: q.Get(name), NoSpell: true}
	}
	return view.Input{Kind: view.Select, Name: name, Label: say.T(label), Empty: say.T("staff.any"), Options: bodyOptions(names, nil)}.Choose(q.Get(name))
}

// savedFilters are the ways through the queue that people need every day: addresses, kept nowhere.
func (s *Server) savedFilters(say *words.Speaker, u *url.URL, v access.Viewer) []view.Link {
	all := []view.Link{
		{Text: say.T("staff.saved.open"), Href: "/staff/queue"}, {Text: say.T("staff.saved.mine"), Href: "/staff/queue?who=mine"},
		{Text: say.T("staff.saved.free"), Href: "/staff/queue?who=free"}, {Text: say.T("staff.saved.overdue"), Href: "/staff/queue?overdue=yes"},
		{Text: say.T("staff.saved.closed"), Href: "/staff/queue?desc=yes&sort=changed&status=closed"},
	}
	now := withQuery(u, "after", "")
	for i := range all {
		all[i].Current = all[i].Href == now
	}
	return all
}

// assignPage asks to whom the matters that were ticked are to be given, and says which cannot be.
func (s *Server) assignPage(w http.ResponseWriter, r *http.Request) error {
	if err := form(r); err != nil {
		return err
	}
	plan, err := s.plan(r, refsOf(r.Form))
	if err != nil {
		return err
	}
	return formView.Show(s.site, w, r, s.assignForm(words.From(r.Context()), plan))
}

// handOver is what is about to be given away: the matters, and the colleagues who can take all of them.
type handOver struct {
	items   []matter.State
	refused []ref.Reference
	people  []view.Option
}

func refsOf(sent url.Values) []string {
	return append(slices.Clone(sent["m"]), sent["matter"]...)
}

// handOverMost bounds what is given away in one go.
const handOverMost = 200

func (s *Server) plan(r *http.Request, refs []string) (handOver, error) {
	var out handOver
	if len(refs) == 0 {
		return out, nil
	}
	if len(refs) > handOverMost {
		return out, fault.New(fault.Invalid, "staff.assign.many", fault.Args{"max": handOverMost})
	}
	v := viewer(r)
	err := s.DB.Read(r.Context(), func(tx *store.Tx) error {
		shared := map[ref.AccountID]int{}
		name := map[ref.AccountID]string{}
		for _, text := range refs {
			st, f, err := s.visible(r.Context(), tx, v, text)
			if err != nil {
				return err
			}
			_, k, err := s.Engine.PackOf(st.Matter)
			if err != nil {
				return err
			}
			if st.Matter.Final != 0 || st.Matter.Source != "" || k == nil || access.MayAssign(v, k, f) != nil {
				out.refused = append(out.refused, st.Matter.Ref)
				continue
			}
			out.items = append(out.items, st)
			holders, err := s.Accounts.Holders(r.Context(), tx, []string{st.Matter.Desk}, []ref.BodyID{st.Matter.DeskBody})
			if err != nil {
				return err
			}
			for _, h := range holders {
				who, err := s.Accounts.ViewerOf(r.Context(), tx, h.Account)
				if err != nil {
					return err
				}
				if matter.MayBeGiven(who, k, st, f) {
					shared[h.Account]++
					name[h.Account] = h.Name
				}
			}
		}
		for id, n := range shared {
			if n == len(out.items) {
				out.people = append(out.people, view.Option{Value: id.String(), Text: name[id]})
			}
		}
		slices.SortFunc(out.people, func(a, b view.Option) int { return strings.Compare(a.Text+a.Value, b.Text+b.Value) })
		return nil
	})
	return out, err
}

// visible reads a matter by the reference somebody sent, if they may see it.
func (s *Server) visible(ctx context.Context, tx *store.Tx, v access.Viewer, text string) (matter.State, access.Facts, error) {
	parsed, err := ref.ParseReference(text)
	if err != nil {
		return matter.State{}, access.Facts{}, fault.New(fault.NotFound, "access.not-found", nil)
	}
	st, err := s.Engine.ByRef(ctx, tx, parsed)
	if err != nil {
		return st, access.Facts{}, err
	}
	f, err := s.Engine.Facts(ctx, tx, st)
	if err != nil {
		return st, f, err
	}
	return st, f, access.Look(v, f)
}

func (s *Server) assignForm(say *words.Speaker, plan handOver) formPage {
	page := formPage{
		Shell:   view.Shell{Title: say.T("staff.assign.title"), Staff: true, Crumbs: crumbs(say, view.Link{Text: say.T("staff.nav.queue"), Href: "/staff/queue"})},
		Heading: say.T("staff.assign.title"), Lede: say.N("staff.assign.lede", int64(len(plan.items))),
		Form: view.Form{Action: "/staff/assign", Submit: say.T("staff.assign.submit"), Cancel: view.Link{Text: say.T("ui.cancel"), Href: "/staff/queue"}},
	}
	var refs, not []string
	for _, st := range plan.items {
		refs = append(refs, string(st.Matter.Ref))
		page.Form.Hidden = append(page.Form.Hidden, view.Hidden{Name: "m", Value: string(st.Matter.Ref)},
			view.Hidden{Name: "n", Value: strconv.FormatInt(st.Matter.N, 10)})
	}
	for _, reference := range plan.refused {
		not = append(not, string(reference))
	}
	switch {
	case len(plan.items)+len(plan.refused) == 0:
		page.Lede, page.Warn = "", say.T("staff.assign.nothing")
	case len(plan.items) == 0:
		page.Warn = say.T("staff.assign.refused", "refs", say.List(not))
	case len(plan.people) == 0:
		page.Warn = say.T("staff.assign.nobody")
	default:
		page.Form.Inputs = []view.Input{{Kind: view.Radios, Name: "to", Label: say.T("staff.assign.to"), Size: "m", Options: plan.people}}
		if len(not) > 0 {
			page.Warn = say.T("staff.assign.refused", "refs", say.List(not))
		}
	}
	if len(refs) > 0 {
		page.Facts = &view.SummaryList{Rows: []view.SummaryRow{{Key: say.T("staff.assign.matters"), Lines: refs}}}
	}
	if len(page.Form.Inputs) == 0 {
		page.Form = view.Form{Get: true, Action: "/staff/queue", Submit: say.T("staff.assign.back")}
	}
	return page
}

// assign gives all of them, or none: a matter that changed since the page was drawn stops the whole.
func (s *Server) assign(w http.ResponseWriter, r *http.Request) error {
	if err := form(r); err != nil {
		return err
	}
	say := words.From(r.Context())
	to, err := strconv.ParseInt(r.PostForm.Get("to"), 10, 64)
	if err != nil {
		plan, planErr := s.plan(r, refsOf(r.PostForm))
		if planErr != nil {
			return planErr
		}
		return s.again(w, r, s.assignForm(say, plan), fault.InvalidFields([]fault.Field{{Name: "to", Key: "field.required.choose"}}))
	}
	refs, seen := r.PostForm["m"], r.PostForm["n"]
	if len(refs) > handOverMost || len(refs) != len(seen) {
		return fault.New(fault.Invalid, "staff.assign.many", fault.Args{"max": handOverMost})
	}
	var name string
	err = s.DB.Tx(r.Context(), func(tx *store.Tx) error {
		target, err := s.Accounts.ViewerOf(r.Context(), tx, ref.AccountID(to))
		if err != nil {
			return err
		}
		name = target.Name
		for i, text := range refs {
			st, _, err := s.visible(r.Context(), tx, viewer(r), text)
			if err != nil {
				return err
			}
			if strconv.FormatInt(st.Matter.N, 10) != seen[i] {
				return fault.New(fault.Conflict, "staff.assign.stale", fault.Args{"ref": string(st.Matter.Ref)})
			}
			if _, err := s.Engine.Assign(r.Context(), tx, viewer(r), st.Matter.ID, target, journal.ViaWeb); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.site.Flash(w, view.Success, "flash.assigned", map[string]any{"n": len(refs), "name": name})
	if len(refs) == 1 {
		return view.Redirect(w, r, "/staff/matters/"+refs[0])
	}
	return view.Redirect(w, r, "/staff/queue")
}
