package web

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"plumbline/internal/access"
	"plumbline/internal/calendar"
	"plumbline/internal/fault"
	"plumbline/internal/journal"
	"plumbline/internal/matter"
	"plumbline/internal/pack"
	"plumbline/internal/ref"
	"plumbline/internal/register"
	"plumbline/internal/store"
	"plumbline/internal/vault"
	"plumbline/internal/web/view"
	"plumbline/internal/words"
)

// dossier is a matter as one reader may see it, with the names of everything it speaks of.
type dossier struct {
	state     matter.State
	pack      *pack.Pack
	kind      *pack.Kind // nil for an imported kind that no pack has
	facts     access.Facts
	names     bodyNames
	l         labels
	history   []matter.Event
	people    map[ref.AccountID]string
	officials map[ref.OfficialID]register.Official
	related   map[ref.MatterID]matter.Row // the linked matters that the reader may see
	choices   []matter.Choice
	similar   []similar         // reports that say the same
	holders   map[string]string // by action: who may take it, in words
	v         access.Viewer
	opener    *vault.Opener // of the reader's keys
	readings  []matter.Reading
	here      string // address of the part that is shown
	say       *words.Speaker
	s         *Server

	forward                *matter.Forward // of the official it is about, if they came forward
	forwardBy, forwardLead matter.Row      // by which matter they did, and the first lead, if there is one
}

// open reads a matter for a reader. What they may not see does not exist.
func (s *Server) dossier(ctx context.Context, tx *store.Tx, v access.Viewer, say *words.Speaker, reference string) (*dossier, error) {
	parsed, err := ref.ParseReference(reference)
	if err != nil {
		return nil, fault.New(fault.NotFound, "access.not-found", nil)
	}
	d := &dossier{v: v, say: say, s: s}
	if d.state, err = s.Engine.ByRef(ctx, tx, parsed); err != nil {
		return nil, err
	}
	if d.facts, err = s.Engine.Facts(ctx, tx, d.state); err != nil {
		return nil, err
	}
	if err := access.Look(v, d.facts); err != nil {
		return nil, err
	}
	if d.pack, d.kind, err = s.Engine.PackOf(d.state.Matter); err != nil {
		return nil, err
	}
	d.l = labels{d.pack, say}
	if d.names, err = s.bodyNames(ctx, tx, say); err != nil {
		return nil, err
	}
	if d.history, err = s.Engine.History(ctx, tx, d.state.Matter.ID); err != nil {
		return nil, err
	}
	d.here = d.at()
	if d.opener, err = s.Engine.Opener(ctx, tx, viewerFrom(ctx).keys, d.state.Matter.ID); err != nil {
		return nil, err
	}
	if d.readings, err = s.Engine.Readings(ctx, tx, d.opener, d.state.Matter.ID); err != nil {
		return nil, err
	}
	if d.choices, err = s.Engine.Choices(ctx, tx, v, d.state.Matter.ID); err != nil {
		return nil, err
	}
	if err := d.loadNames(ctx, tx); err != nil {
		return nil, err
	}
	if err := d.loadForward(ctx, tx); err != nil {
		return nil, err
	}
	if err := d.loadSimilar(ctx, tx); err != nil {
		return nil, err
	}
	return d, d.loadRelated(ctx, tx)
}

// loadNames finds the names of the people and officials that the matter and its history speak of.
func (d *dossier) loadNames(ctx context.Context, tx *store.Tx) (err error) {
	var accounts []ref.AccountID
	officials := d.state.Named()
	for _, e := range d.history {
		accounts = append(accounts, e.By.Account)
		for _, c := range e.Consequences {
			switch c := c.(type) {
			case *matter.Set:
				accounts = append(accounts, c.Account)
			case *matter.Alleged:
				if c.Official != nil {
					officials = append(officials, *c.Official)
				}
			}
		}
	}
	for _, a := range d.state.Assigned {
		accounts = append(accounts, a.Account)
	}
	for _, r := range d.readings {
		accounts = append(accounts, r.By.Account)
	}
	if d.people, err = d.s.Accounts.Names(ctx, tx, accounts); err != nil {
		return err
	}
	if d.officials, err = register.Officials(ctx, tx, officials); err != nil {
		return err
	}
	d.holders = map[string]string{}
	for _, c := range d.choices {
		if c.Allowed {
			continue
		}
		if d.holders[c.Action.ID], err = d.who(ctx, tx, c.Duties, c.Bodies); err != nil {
			return err
		}
	}
	return nil
}

// who says in words who holds one of the duties at one of the bodies: the duty, and the first names.
func (d *dossier) who(ctx context.Context, tx *store.Tx, duties []string, bodies []ref.BodyID) (string, error) {
	if len(duties) == 0 {
		return "", nil
	}
	what := d.say.List(d.s.duties(d.say, duties))
	if len(bodies) == 0 {
		return what, nil
	}
	holders, err := d.s.Accounts.Holders(ctx, tx, duties, bodies)
	if err != nil {
		return "", err
	}
	var people []string
	for _, h := range holders {
		if h.Account == d.v.Account || slices.Contains(people, h.Name) {
			continue
		}
		if len(d.facts.Named) > 0 { // else nobody can be kept away
			other, err := d.s.Accounts.ViewerOf(ctx, tx, h.Account)
			if err != nil {
				return "", err
			}
			if _, kept := access.Recused(other, d.facts); kept {
				continue
			}
		}
		people = append(people, h.Name)
	}
	switch n := len(people); {
	case n == 0:
		return d.say.T("staff.who.none", "duty", what, "body", d.names.name(bodies[0])), nil
	case n > 3:
		people = append(people[:3:3], d.say.N("staff.who.more", int64(n-3)))
	}
	return d.say.T("staff.who", "duty", what, "people", strings.Join(people, d.say.T("words.list.comma"))), nil
}

// loadRelated finds the linked matters; those the reader may not see are left out without a trace.
func (d *dossier) loadRelated(ctx context.Context, tx *store.Tx) error {
	d.related = map[ref.MatterID]matter.Row{}
	for _, link := range d.state.Links {
		other, err := d.s.Engine.Load(ctx, tx, link.Other)
		if fault.Is(err, fault.NotFound) {
			continue
		}
		if err != nil {
			return err
		}
		f, err := d.s.Engine.Facts(ctx, tx, other)
		if err != nil {
			return err
		}
		if access.CanSee(d.v, f) {
			d.related[link.Other] = other.Matter
		}
	}
	return nil
}

func (d *dossier) at(parts ...string) string {
	return "/staff/matters/" + strings.Join(append([]string{string(d.state.Matter.Ref)}, parts...), "/")
}

func matterHref(r ref.Reference) string { return "/staff/matters/" + string(r) }

func (d *dossier) title() string {
	if t := matter.Title(d.pack, d.names.tree, d.state, d.say.Lang()); t != "" {
		return t
	}
	if d.state.Matter.Title != "" {
		return d.state.Matter.Title
	}
	return d.l.kind(d.state.Matter.Kind)
}

func stateTag(l labels, m matter.Row) view.Tag {
	tone := view.Info
	if m.Final != 0 {
		tone = view.Waiting
	}
	return view.Tag{Tone: tone, Text: l.state(m.Kind, m.State)}
}

// clockWords says how the nearest time limit of a matter stands, in the units the pack counts it in.
func (s *Server) clockWords(say *words.Speaker, p *pack.Pack, m matter.Row) *view.Clock {
	if m.Due == 0 || m.Final != 0 {
		return nil
	}
	due := time.UnixMicro(m.Due)
	c := words.Clock{Due: due, Now: s.Now(), Loc: s.Office.Zone()}
	if k := p.Kind(m.Kind); k != nil {
		if pc := k.Clock(m.DueClock); pc != nil && pc.Within.Unit == calendar.WorkingDays {
			n := p.Cal().WorkingDaysBetween(c.Now, due)
			c.Working = &n
		}
	}
	out := view.ClockOf(say, c)
	return &out
}

func (d *dossier) identity() *view.IdentityBar {
	m := d.state.Matter
	bar := &view.IdentityBar{Reference: string(m.Ref), Kind: d.l.kind(m.Kind), Title: d.title(), Clock: d.s.clockWords(d.say, d.pack, m)}
	if m.Source == "" {
		bar.Tags = append(bar.Tags, stateTag(d.l, m))
	} else {
		bar.Tags = append(bar.Tags, view.Imported(d.say))
	}
	if m.Overdue != 0 && m.Final == 0 {
		bar.Tags = append(bar.Tags, view.Tag{Tone: view.Bad, Text: d.say.T("staff.overdue")})
	}
	if m.Body != 0 {
		bar.Facts = append(bar.Facts, view.Fact{Name: d.say.T("staff.with"), Value: d.with(), Href: d.names.href(m.DeskBody)})
	}
	if m.Concerned != 0 {
		bar.Facts = append(bar.Facts, view.Fact{Name: d.say.T("staff.concerned"), Value: d.names.name(m.Concerned), Href: d.names.href(m.Concerned)})
	}
	bar.Facts = append(bar.Facts, view.Fact{Name: d.say.T("staff.received"), Value: d.say.Date(m.Received)})
	return bar
}

// with says whose desk the matter lies on.
func (d *dossier) with() string {
	m := d.state.Matter
	body := m.DeskBody
	if body == 0 {
		body = m.Body
	}
	if m.Desk == "" || m.Final != 0 {
		return d.names.name(body)
	}
	return d.say.T("staff.duty.at", "duty", d.s.duty(d.say, m.Desk), "body", d.names.name(body))
}

func (d *dossier) tabs(now string) []view.Link {
	tabs := []view.Link{
		{Text: d.say.T("staff.tab.overview"), Href: d.at(), Current: now == ""},
		{Text: d.say.T("staff.tab.people"), Href: d.at("people"), Current: now == "people", Count: len(d.state.Allegations)},
	}
	if d.kind != nil && d.kind.Reports && d.state.Matter.Source == "" {
		tabs = append(tabs, view.Link{Text: d.say.T("staff.tab.messages"), Href: d.at("messages"), Current: now == "messages", Count: d.messageCount()})
	}
	if n := fileCount(d); n > 0 || d.kind != nil && d.state.Matter.Source == "" {
		tabs = append(tabs, view.Link{Text: d.say.T("staff.tab.files"), Href: d.at("files"), Current: now == "files", Count: n})
	}
	return append(tabs,
		view.Link{Text: d.say.T("staff.tab.timeline"), Href: d.at("timeline"), Current: now == "timeline", Count: len(d.history)},
		view.Link{Text: d.say.T("staff.tab.related"), Href: d.at("related"), Current: now == "related", Count: len(d.related)})
}

// sheet is the page around a part of the matter.
func (d *dossier) sheet(tab string) sheet {
	page := sheet{
		Shell:    view.Shell{Title: string(d.state.Matter.Ref), Staff: true, Crumbs: crumbs(d.say, view.Link{Text: d.say.T("staff.nav.queue"), Href: "/staff/queue"})},
		Identity: d.identity(), Tabs: d.tabs(tab), Actions: d.actions(),
	}
	if d.state.Matter.Source != "" {
		page.Sections = append(page.Sections, section{Note: &view.Note{Title: d.say.T("ui.imported"), Text: d.say.T("staff.imported.note", "source", d.state.Matter.Source)}})
	}
	return page
}

// actions are the steps the reader may take, and those not, with why and who may.
func (d *dossier) actions() *view.ActionList {
	out := &view.ActionList{}
	for _, c := range d.choices {
		name := d.l.text(c.Action.Label, c.Action.ID)
		if c.Allowed {
			a := view.Action{Text: name, Href: d.at("act", c.Action.ID), Hint: d.say.Text(c.Action.Help)}
			if leadsOn(c.Action, d.state.Matter.Desk) && !slices.ContainsFunc(out.Can, func(a view.Action) bool { return a.Main }) {
				a.Main = true
				out.Can = slices.Insert(out.Can, 0, a) // the one thing to do next is obvious
			} else {
				out.Can = append(out.Can, a)
			}
			continue
		}
		no := view.Refusal{Text: name}
		if c.Why != nil {
			no.Why = d.say.Fault(d.s.named(d.say, d.names, d.l, d.elseOf(c))).Message
			if c.Why.Kind == fault.Forbidden {
				no.Who = d.holders[c.Action.ID]
			}
		}
		out.Not = append(out.Not, no)
	}
	if d.lawful(access.File) {
		out.Can = append(out.Can, view.Action{Text: d.say.T("staff.note.add"), Href: d.at("note")})
		if d.state.Matter.Source == "" {
			out.Can = append(out.Can, view.Action{Text: d.say.T("staff.link.add"), Href: d.at("link")})
		}
		if d.state.Matter.Final == 0 && d.state.Matter.Source == "" && access.MayAssign(d.v, d.kind, d.facts) == nil {
			out.Can = append(out.Can, view.Action{Text: d.say.T("staff.assign.title"), Href: "/staff/assign?matter=" + string(d.state.Matter.Ref)})
		}
	}
	return out
}

// elseOf puts the pack's own words in where a condition of the pack is not met.
func (d *dossier) elseOf(c matter.Choice) *fault.Error {
	f := *c.Why
	f.Args = fault.Args{"kind": d.state.Matter.Kind}
	for k, v := range c.Why.Args {
		f.Args[k] = v
	}
	if t, ok := c.Why.Args["else"].(pack.Text); ok {
		f.Args["else"] = d.say.Text(t)
	}
	return &f
}

// matterPage reads a matter and shows one of its parts.
func (s *Server) matterPage(tab string, fill func(d *dossier, page *sheet)) view.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		var d *dossier
		err := s.DB.Read(r.Context(), func(tx *store.Tx) (err error) {
			d, err = s.dossier(r.Context(), tx, viewer(r), words.From(r.Context()), r.PathValue("ref"))
			return err
		})
		if err != nil {
			return err
		}
		d.here = d.at()
		if tab != "" {
			d.here = d.at(tab)
		}
		page := d.sheet(tab)
		fill(d, &page)
		return sheetView.Show(s.site, w, r, page)
	}
}

func overviewTab(d *dossier, page *sheet) {
	m := d.state.Matter
	say := d.say
	rows := []view.SummaryRow{{Key: say.T("staff.received"), Value: say.Date(m.Received)}}
	if m.Closed != "" {
		rows = append(rows, view.SummaryRow{Key: say.T("staff.closed"), Value: say.Date(m.Closed)})
	}
	if m.Final == 0 {
		rows = append(rows, view.SummaryRow{Key: say.T("staff.with"), Value: d.with()}, d.workers())
	}
	if m.Subject != 0 {
		rows = append(rows, view.SummaryRow{Key: say.T("staff.subject"), Link: d.officialLink(m.Subject)})
	}
	if m.Source != "" {
		rows = append(rows, view.SummaryRow{Key: say.T("staff.source"), Value: m.Source}, view.SummaryRow{Key: say.T("staff.source.key"), Value: m.SourceKey},
			view.SummaryRow{Key: say.T("staff.source.status"), Value: m.SourceStatus})
	}
	rows = append(rows, d.data()...)
	page.Sections = append(page.Sections, section{Heading: say.T("staff.summary"), List: &view.SummaryList{Rows: withValue(rows)}})
	if came, ok := d.cameForward(); ok {
		page.Sections = append(page.Sections, came)
	}
	if like, ok := d.alike(); ok {
		page.Sections = append(page.Sections, like)
	}
	page.Sections = append(page.Sections, d.toldAtOpening()...)
	if clocks := d.clocks(); len(clocks.Rows) > 0 {
		page.Sections = append(page.Sections, section{Heading: say.T("staff.clocks"), Table: &clocks})
	}
	if len(d.state.Allegations) > 0 {
		t := d.allegations()
		page.Sections = append(page.Sections, section{Heading: say.T("staff.allegations"), Quiet: say.T("staff.allegations.hint"), Table: &t,
			More: view.Link{Text: say.T("staff.tab.people"), Href: d.at("people")}})
	}
	page.Sections = append(page.Sections, d.notes())
}

func withValue(rows []view.SummaryRow) []view.SummaryRow {
	return slices.DeleteFunc(rows, func(r view.SummaryRow) bool {
		return r.Value == "" && len(r.Lines) == 0 && r.Link.Href == "" && len(r.Tags) == 0 && r.Clock == nil && r.Sealed == nil
	})
}

// workers are the people the matter is given to.
func (d *dossier) workers() view.SummaryRow {
	row := view.SummaryRow{Key: d.say.T("staff.workers")}
	for _, a := range d.state.Assigned {
		row.Lines = append(row.Lines, d.say.T("staff.actor.as", "name", d.people[a.Account], "duty", d.s.duty(d.say, a.Duty)))
	}
	if len(row.Lines) == 0 {
		row.Value, row.Quiet = d.say.T("staff.workers.none"), true
	}
	return row
}

// data are the clear values the matter keeps, under the labels of the fields that asked for them.
func (d *dossier) data() []view.SummaryRow {
	var out []view.SummaryRow
	values, err := d.state.Matter.Values()
	if err != nil || d.kind == nil {
		return nil // what cannot be read is shown by the timeline, entry by entry
	}
	seen := map[string]bool{}
	add := func(f *pack.Field) {
		v, there := values[f.ID]
		if !there || seen[f.ID] {
			return
		}
		seen[f.ID] = true
		if lines := d.value(f, v); len(lines) == 1 {
			out = append(out, view.SummaryRow{Key: d.l.text(f.Label, f.ID), Value: lines[0]})
		} else {
			out = append(out, view.SummaryRow{Key: d.l.text(f.Label, f.ID), Lines: lines})
		}
	}
	for i := range d.kind.Fields {
		add(&d.kind.Fields[i])
	}
	for i := range d.kind.Actions {
		for j := range d.kind.Actions[i].Fields {
			add(&d.kind.Actions[i].Fields[j])
		}
	}
	return out
}

// value says what was entered in a field, in the reader's words.
func (d *dossier) value(f *pack.Field, v any) []string {
	switch v := v.(type) {
	case string:
		switch f.Type {
		case pack.TypeChoice, pack.TypeReasonCode:
			return []string{d.l.value(f.List, v)}
		case pack.TypeQuestionnaire:
			if q := d.pack.Questionnaire(v); q != nil {
				return []string{d.l.text(q.Label, q.ID)}
			}
		case pack.TypeConduct:
			return []string{d.l.conduct(v)}
		case pack.TypeRank:
			return []string{d.l.rank(v)}
		case pack.TypeOutcome:
			return []string{d.l.outcome(v)}
		case pack.TypeDate:
			return []string{d.say.Date(v)}
		case pack.TypeBody:
			if b := d.names.tree.ByCode(v); b != nil {
				return []string{d.names.name(b.ID)}
			}
		case pack.TypePeriod:
			return []string{periodWords(d.say, v)}
		case pack.TypeAccount:
			if id, err := strconv.ParseInt(v, 10, 64); err == nil {
				return []string{d.people[ref.AccountID(id)]}
			}
		}
		return []string{v}
	case bool:
		if v {
			return []string{d.say.T("ui.yes")}
		}
		return []string{d.say.T("ui.no")}
	case map[string]any:
		return d.sheetLines(f, v)
	case map[string]string:
		m := map[string]any{}
		for k, x := range v {
			m[k] = x
		}
		return d.sheetLines(f, m)
	case []any:
		return nil // rows of allegations have a table of their own
	}
	if n, ok := number(v); ok {
		return []string{d.say.Number(n)}
	}
	return []string{fmt.Sprint(v)}
}

func number(v any) (int64, bool) {
	switch v := v.(type) {
	case int64:
		return v, true
	case float64:
		return int64(v), true
	case json.Number:
		n, err := v.Int64()
		return n, err == nil
	}
	return 0, false
}

// sheetLines says what a check sheet, or the findings, hold; an official is named by what is known of them.
func (d *dossier) sheetLines(f *pack.Field, v map[string]any) []string {
	var out []string
	switch f.Type {
	case pack.TypeOfficial:
		if s, ok := v["id"].(string); ok {
			if id, err := strconv.ParseInt(s, 10, 64); err == nil {
				return []string{d.officialName(ref.OfficialID(id))}
			}
		}
		if s, ok := v["described"].(string); ok {
			return []string{s}
		}
	case pack.TypeCheck:
		if l := d.pack.List(f.List); l != nil {
			for _, x := range l.Values {
				if a, ok := v[x.ID].(string); ok {
					out = append(out, d.l.text(x.Label, x.ID)+": "+d.say.T("staff.check."+a))
				}
			}
		}
	case pack.TypeFindings:
		for _, no := range sortedNumbers(v) {
			if a, ok := v[no].(string); ok {
				out = append(out, d.say.T("staff.allegation.no", "no", no)+": "+d.l.finding(a))
			}
		}
	}
	return out
}

func sortedNumbers(v map[string]any) []string {
	var out []string
	for k := range v {
		out = append(out, k)
	}
	slices.SortFunc(out, func(a, b string) int {
		x, _ := strconv.Atoi(a) // what is no number sorts first
		y, _ := strconv.Atoi(b)
		return x - y
	})
	return out
}

func periodWords(say *words.Speaker, s string) string {
	p, err := calendar.ParsePeriod(s)
	if err != nil {
		return s
	}
	switch p.Unit {
	case calendar.Days:
		return say.Days(int64(p.N))
	case calendar.WorkingDays:
		return say.WorkingDays(int64(p.N))
	case calendar.Months:
		return say.N("staff.months", int64(p.N))
	}
	return say.N("staff.years", int64(p.N))
}

// sealedIn reads a sealed compartment of an entry: field by field.
func (d *dossier) sealedIn(e journal.Entry, compartment string) map[string]any {
	out, _ := matter.Content(d.opener, e, compartment)
	return out
}

// fieldsOf are the fields that were asked in an entry: by the matter's kind, the action, or the questionnaire that it answers.
func (d *dossier) fieldsOf(e journal.Entry) []pack.Field {
	action := e.Action
	switch {
	case d.kind == nil:
		return nil
	case action == matter.ActionOpen:
		return d.kind.Fields
	case action == matter.ActionAttach:
		return []pack.Field{{ID: "name", Type: pack.TypeText, Label: pack.Text{d.say.Lang(): d.say.T("files.name")}}}
	case action == matter.ActionNote:
		return []pack.Field{{ID: "text", Type: pack.TypeLong, Label: pack.Text{d.say.Lang(): d.say.T("staff.note")}}}
	}
	if a := d.kind.Action(action); a != nil {
		return d.pack.FieldsOf(a, e.Fields)
	}
	return nil
}

// toldAtOpening is what the matter began with: the report itself, sealed parts with a lock.
func (d *dossier) toldAtOpening() []section {
	if len(d.history) == 0 || d.state.Matter.Source != "" {
		return nil
	}
	first := d.history[0].Entry
	list, sealed := d.sealedRows(first)
	if len(list) == 0 && len(sealed) == 0 {
		return nil
	}
	out := section{Heading: d.say.T("staff.told"), Sealed: sealed}
	if len(list) > 0 {
		out.List = &view.SummaryList{Rows: list}
	}
	return []section{out}
}

// sealedRows splits what an entry has sealed into what the reader may read, and what stays shut.
func (d *dossier) sealedRows(e journal.Entry) (open []view.SummaryRow, shut []view.SealedPart) {
	fields := d.fieldsOf(e)
	for _, compartment := range sealedParts {
		if e.Sealed[compartment] == nil || e.Action == matter.ActionAttach && compartment != access.File {
			continue // of a file a reporter has the same description once more
		}
		if compartment == access.Identity && d.superseded(e.N) {
			continue // taken back since
		}
		content := d.sealedIn(e, compartment)
		if !d.mayOpen(compartment) {
			shut = append(shut, d.locked(compartmentName(d.say, compartment), compartment))
			continue
		}
		for i := range fields {
			if v, there := content[fields[i].ID]; there && fields[i].Type != pack.TypeAllegations { // those have a table
				open = append(open, view.SummaryRow{Key: d.l.text(fields[i].Label, fields[i].ID), Lines: d.value(&fields[i], v),
					Tags: []view.Tag{{Tone: view.Sealed, Text: compartmentName(d.say, compartment), Lock: true}}})
			}
		}
	}
	return open, shut
}

// identityOpened reports whether the reader has opened the identity by a recorded step, and the reporter has not taken it
// back since: a duty alone shows nothing.
func (d *dossier) identityOpened() bool {
	if d.kind == nil {
		return false
	}
	return slices.ContainsFunc(d.sinceHidden(), func(e matter.Event) bool {
		a := d.kind.Action(e.Action)
		return a != nil && a.Has(pack.EffIdentify) && e.By.Account == d.v.Account && d.v.Account != 0
	})
}

// sinceHidden is the history since the reporter last took their name back: what they said of themselves before is superseded.
func (d *dossier) sinceHidden() []matter.Event {
	for i := len(d.history) - 1; i >= 0 && d.kind != nil; i-- {
		if a := d.kind.Action(d.history[i].Action); a != nil && a.Has(pack.EffHide) {
			return d.history[i+1:]
		}
	}
	return d.history
}

// superseded reports whether the reporter took their name back after an entry.
func (d *dossier) superseded(n int64) bool {
	since := d.sinceHidden()
	return len(since) < len(d.history) && (len(since) == 0 || n < since[0].N)
}

// identityRows are what the reporter has said of who they are, the newest last.
func (d *dossier) identityRows() (rows []view.SummaryRow) {
	for _, e := range d.sinceHidden() {
		content, fields := d.sealedIn(e.Entry, access.Identity), d.fieldsOf(e.Entry)
		for i := range fields {
			if v, there := content[fields[i].ID]; there {
				rows = append(rows, view.SummaryRow{Key: d.l.text(fields[i].Label, fields[i].ID), Lines: d.value(&fields[i], v)})
			}
		}
	}
	return rows
}

// shownClocks are the clocks in the order in which they matter: those that run first. A time that a step in law has
// opened is left out where a clock of the pack, which has a name, runs beside it to the same end.
func (d *dossier) shownClocks() []matter.Clock {
	named := func(id string) bool { return d.kind != nil && d.kind.Clock(id) != nil }
	var out []matter.Clock
	for _, c := range d.state.Clocks {
		if !named(c.ID) && slices.ContainsFunc(d.state.Clocks, func(o matter.Clock) bool { return named(o.ID) && o.Due == c.Due }) {
			continue
		}
		out = append(out, c)
	}
	order := []string{matter.ClockMissed, matter.ClockRunning, matter.ClockOpen, matter.ClockPaused}
	rank := func(c matter.Clock) int {
		if i := slices.Index(order, c.State); i >= 0 {
			return i
		}
		return len(order)
	}
	slices.SortStableFunc(out, func(a, b matter.Clock) int { return rank(a) - rank(b) })
	return out
}

func (d *dossier) clocks() view.Table {
	say := d.say
	t := view.Table{Caption: say.T("staff.clocks"), CaptionHidden: true, Cards: true, Columns: []view.Column{
		{Text: say.T("staff.clock")}, {Text: say.T("staff.clock.state")}, {Text: say.T("staff.clock.due")},
	}}
	for _, c := range d.shownClocks() {
		cells := []view.Cell{{Text: d.l.clock(d.state.Matter.Kind, c.ID), Header: true}, {}, {Text: "–"}}
		if c.Due != 0 {
			cells[2].Text = say.Day(time.UnixMicro(c.Due), d.s.Office.Zone())
		}
		switch c.State {
		case matter.ClockRunning, matter.ClockOpen:
			row := d.state.Matter
			row.Due, row.DueClock, row.Final = c.Due, c.ID, 0
			cells[1].Clock = d.s.clockWords(say, d.pack, row)
		case matter.ClockMissed:
			cells[1].Tags = []view.Tag{{Tone: view.Bad, Text: say.T("staff.clock.missed")}}
			if c.Missed != 0 {
				cells[1].Sub = say.Day(time.UnixMicro(c.Missed), d.s.Office.Zone())
			}
		case matter.ClockPaused:
			cells[1].Tags = []view.Tag{{Tone: view.Waiting, Text: say.T("staff.clock.paused")}}
			if c.PauseEnd != 0 {
				cells[1].Sub = say.T("staff.clock.paused.until", "day", say.Day(time.UnixMicro(c.PauseEnd), d.s.Office.Zone()))
			}
		case matter.ClockMet:
			cells[1].Tags = []view.Tag{{Tone: view.Success, Text: say.T("staff.clock.met")}}
		default:
			cells[1].Tags = []view.Tag{{Tone: view.Waiting, Text: say.Maybe("staff.clock."+c.State, c.State)}}
		}
		t.Rows = append(t.Rows, view.Row{Cells: cells})
	}
	return t
}

func (d *dossier) officialName(id ref.OfficialID) string {
	if o, ok := d.officials[id]; ok {
		return o.Name
	}
	return d.say.T("staff.official.unknown")
}

func (d *dossier) officialLink(id ref.OfficialID) view.Link {
	return view.Link{Text: d.officialName(id), Href: "/staff/officials/" + id.String()}
}

// described says how an official is described whom nobody has identified: in words where the reader has opened them, else
// where they stand.
func (d *dossier) described(text string) string {
	m, sealed := matter.ParseMention(text)
	if !sealed {
		return text
	}
	if m.Matter != d.state.Matter.ID {
		if from, known := d.related[m.Matter]; known {
			return d.say.T("staff.official.described.elsewhere", "reference", string(from.Ref))
		}
		return d.say.T("staff.official.described.sealed")
	}
	for _, e := range d.history {
		if e.N == m.N && d.mayOpen(access.File) {
			if said := m.In(d.sealedIn(e.Entry, access.File)); said != "" {
				return said
			}
		}
	}
	return d.say.T("staff.official.described.sealed")
}

// allegations as a table: who, what, when and where, and what was found.
func (d *dossier) allegations() view.Table {
	say := d.say
	t := view.Table{Caption: say.T("staff.allegations"), CaptionHidden: true, Cards: true, Columns: []view.Column{
		{Text: say.T("staff.allegation.number")}, {Text: say.T("staff.allegation.conduct")}, {Text: say.T("staff.allegation.official")},
		{Text: say.T("staff.allegation.when")}, {Text: say.T("staff.allegation.finding")},
	}, Empty: view.Empty{Title: say.T("staff.allegations.none"), Text: say.T("staff.allegations.none.text")}}
	for _, a := range d.state.Allegations {
		who := view.Cell{Text: say.T("staff.official.unknown")}
		if a.Official != 0 {
			who = view.Cell{Text: d.officialName(a.Official), Href: "/staff/officials/" + a.Official.String()}
		} else if a.Described != "" {
			who = view.Cell{Text: d.described(a.Described), Sub: say.T("staff.official.unidentified")}
		}
		if a.Body != 0 {
			who.Sub = strings.TrimPrefix(who.Sub+" · "+d.names.name(a.Body), " · ")
		}
		if a.Rank != "" {
			who.Sub = strings.TrimPrefix(who.Sub+" · "+d.l.rank(a.Rank), " · ")
		}
		when := view.Cell{Text: "–"}
		if a.Time != "" {
			when.Text = say.Date(a.Time)
		}
		when.Sub = a.Place
		what := view.Cell{Text: say.T("staff.allegation.conduct.none"), Header: true}
		if a.Conduct != "" {
			what.Text, what.Sub = d.l.conduct(a.Conduct), d.l.category(a.Category)
		}
		t.Rows = append(t.Rows, view.Row{Cells: []view.Cell{
			{Text: strconv.FormatInt(a.No, 10)}, what, who, when, d.findingCell(a),
		}})
	}
	return t
}

func (d *dossier) findingCell(a matter.Allegation) view.Cell {
	f := d.pack.Finding(a.Finding)
	if a.Finding == "" || f != nil && f.Pending {
		return view.Cell{Tags: []view.Tag{{Tone: view.Waiting, Text: d.say.T("staff.finding.none")}}}
	}
	cell := view.Cell{Tags: []view.Tag{{Tone: view.Info, Text: d.l.finding(a.Finding)}}}
	if f != nil && f.Proven {
		cell.Tags[0].Tone = view.Bad
	}
	if a.Standard != "" {
		cell.Sub = d.l.standard(a.Standard)
	}
	if a.Outcome != "" {
		cell.Sub = strings.TrimPrefix(cell.Sub+" · "+d.l.outcome(a.Outcome), " · ")
	}
	return cell
}

// notes are the internal notes, for those who may open the file.
func (d *dossier) notes() section {
	out := section{Heading: d.say.T("staff.notes")}
	t := &view.Timeline{}
	shut := false
	for i := len(d.history) - 1; i >= 0; i-- {
		e := d.history[i]
		if e.Action != matter.ActionNote {
			continue
		}
		if !d.mayOpen(access.File) {
			shut = true
			continue
		}
		text, _ := d.sealedIn(e.Entry, access.File)["text"].(string)
		t.Events = append(t.Events, view.Event{Title: d.say.T("staff.note"), By: d.s.actorName(d.say, d.people, e.By), At: e.At, Text: text})
	}
	switch {
	case shut:
		out.Sealed = []view.SealedPart{d.locked(d.say.T("staff.notes"), access.File)}
	case len(t.Events) == 0:
		out.Empty = &view.Empty{Title: d.say.T("staff.notes.none"), Text: d.say.T("staff.notes.none.text")}
	default:
		out.Timeline = t
	}
	return out
}

func peopleTab(d *dossier, page *sheet) {
	say := d.say
	t := d.allegations()
	page.Sections = append(page.Sections, section{Heading: say.T("staff.allegations"), Quiet: say.T("staff.allegations.hint"), Table: &t})
	parties := view.Table{Caption: say.T("staff.parties"), CaptionHidden: true, Cards: true, Columns: []view.Column{{Text: say.T("staff.party.role")}, {Text: say.T("staff.party.who")}},
		Empty: view.Empty{Title: say.T("staff.parties.none"), Text: say.T("staff.parties.none.text")}}
	for _, p := range d.state.Parties {
		who := view.Cell{Tags: []view.Tag{{Tone: view.Sealed, Text: say.T("staff.party.sealed"), Lock: true}}, Sub: say.T("staff.sealed.custodian.sub")}
		switch {
		case p.Official != 0:
			who = view.Cell{Text: d.officialName(p.Official), Href: "/staff/officials/" + p.Official.String()}
		case p.Anonymous != 0:
			who = view.Cell{Text: say.T("staff.party.anonymous")}
		case d.state.Matter.Source != "":
			who = view.Cell{Text: say.T("staff.party.not-imported")}
		}
		parties.Rows = append(parties.Rows, view.Row{Cells: []view.Cell{{Text: say.Maybe("staff.role."+p.Role, p.Role), Header: true}, who}})
	}
	page.Sections = append(page.Sections, section{Heading: say.T("staff.parties"), Table: &parties})
	if d.identityOpened() && d.mayOpen(access.Identity) {
		if rows := d.identityRows(); len(rows) > 0 {
			page.Sections = append(page.Sections, section{Heading: say.T("staff.identity"), List: &view.SummaryList{Rows: rows}})
		}
	}
	working := view.Table{Caption: say.T("staff.workers"), CaptionHidden: true, Cards: true, Columns: []view.Column{{Text: say.T("staff.party.who")}, {Text: say.T("staff.duty")}},
		Empty: view.Empty{Title: say.T("staff.workers.none"), Text: say.T("staff.workers.none.text")}}
	for _, a := range d.state.Assigned {
		cell := view.Cell{Text: d.people[a.Account], Header: true}
		if a.Lead != 0 {
			cell.Sub = say.T("staff.lead")
		}
		working.Rows = append(working.Rows, view.Row{Cells: []view.Cell{cell, {Text: d.s.duty(say, a.Duty)}}})
	}
	page.Sections = append(page.Sections, section{Heading: say.T("staff.workers"), Table: &working})
}

// messageFields are the sealed texts of an entry that went to or came from the reporter.
func (d *dossier) messageCount() int {
	n := 0
	for _, e := range d.history {
		if e.Action != matter.ActionOpen && e.Action != matter.ActionAttach && e.Sealed[access.Reporter] != nil {
			n++
		}
	}
	return n
}

func messagesTab(d *dossier, page *sheet) {
	out := section{Heading: d.say.T("staff.messages"), Quiet: d.say.T("staff.messages.hint")}
	t := &view.Timeline{}
	for i := len(d.history) - 1; i >= 0; i-- {
		e := d.history[i]
		if e.Action == matter.ActionOpen || e.Action == matter.ActionAttach || e.Sealed[access.Reporter] == nil {
			continue
		}
		content := d.sealedIn(e.Entry, access.Reporter)
		ev := view.Event{Title: d.l.action(d.state.Matter.Kind, e.Action), By: d.s.actorName(d.say, d.people, e.By), At: e.At}
		if d.mayOpen(access.Reporter) {
			ev.Text = d.texts(e.Entry, content)
		} else {
			part := d.locked(compartmentName(d.say, access.Reporter), access.Reporter)
			ev.Sealed = &part
		}
		t.Events = append(t.Events, ev)
	}
	if len(t.Events) == 0 {
		out.Empty = &view.Empty{Title: d.say.T("staff.messages.none"), Text: d.say.T("staff.messages.none.text")}
	} else {
		out.Timeline = t
	}
	page.Sections = append(page.Sections, out)
}

// texts joins what was written in the fields of a sealed part.
func (d *dossier) texts(e journal.Entry, content map[string]any) string {
	var out []string
	fields := d.fieldsOf(e)
	for i := range fields {
		if v, there := content[fields[i].ID]; there {
			said := strings.Join(d.value(&fields[i], v), "\n")
			if len(content) > 1 {
				said = labelled(d.l.text(fields[i].Label, fields[i].ID), said, true)
			}
			out = append(out, said)
		}
	}
	return strings.Join(out, "\n\n")
}

func timelineTab(d *dossier, page *sheet) {
	t := &view.Timeline{}
	for i := len(d.history) - 1; i >= 0; i-- {
		t.Events = append(t.Events, d.event(d.history[i]))
	}
	page.Sections = append(page.Sections, section{Heading: d.say.T("ui.timeline"), Quiet: d.say.T("staff.timeline.hint"), Timeline: t})
	page.Sections = append(page.Sections, d.readingsSection()...)
}

// event tells one entry: who did what, when, and what it changed.
func (d *dossier) event(e matter.Event) view.Event {
	say := d.say
	ev := view.Event{Title: d.l.action(d.state.Matter.Kind, e.Action), By: d.s.actorName(say, d.people, e.By), At: e.At, Imported: e.Via == journal.ViaImport}
	if e.Action == matter.ActionOpen {
		ev.Title = say.T("staff.entry.opened", "kind", d.l.kind(d.state.Matter.Kind))
	}
	if e.Index != 0 {
		ev.Proof = say.T("staff.entry.number", "n", e.Index)
	}
	ev.Link = view.Link{Text: say.T("proof.link"), Href: d.proofHref(e.N), Hidden: ev.Title}
	for _, c := range e.Consequences {
		ev.Changes = append(ev.Changes, d.change(c)...)
	}
	fields := d.fieldsOf(e.Entry)
	for i := range fields {
		f := &fields[i]
		v, there := e.Fields[f.ID]
		if !there || f.Type == pack.TypeAllegations || f.Type == pack.TypeFindings || f.Type == pack.TypeAccount || f.Type == pack.TypeOutcome {
			continue // shown as what they changed
		}
		if lines := d.value(f, v); len(lines) > 0 {
			ev.Changes = append(ev.Changes, view.Change{Name: d.l.text(f.Label, f.ID), To: strings.Join(lines, "; ")})
		}
	}
	open, shut := d.sealedRows(e.Entry)
	for _, row := range open {
		if e.Action == matter.ActionNote {
			ev.Text = strings.Join(row.Lines, "\n")
			continue
		}
		ev.Changes = append(ev.Changes, view.Change{Name: row.Key, To: strings.Join(row.Lines, "\n")})
	}
	if len(open) > 0 {
		ev.Tags = append(ev.Tags, open[0].Tags...)
	}
	if len(shut) > 0 {
		ev.Sealed = &shut[0]
	}
	for i := range ev.Changes {
		ev.Changes[i].Name = strings.TrimRight(ev.Changes[i].Name, "?？")
	}
	return ev
}

// change says one consequence of an entry.
func (d *dossier) change(c matter.Change) []view.Change {
	say, kind := d.say, d.state.Matter.Kind
	one := func(key, to string) []view.Change { return []view.Change{{Name: say.T(key), To: to}} }
	switch c := c.(type) {
	case *matter.Opened:
		return one("staff.change.state", d.l.state(kind, c.State))
	case *matter.Moved:
		return one("staff.change.state", d.l.state(kind, c.To))
	case *matter.Passed:
		return one("staff.with", d.names.name(c.Body))
	case *matter.Set:
		key := "staff.change.assigned"
		if c.Gone {
			key = "staff.change.unassigned"
		}
		return one(key, d.people[c.Account])
	case *matter.Ticked:
		return d.ticked(c)
	case *matter.Linked:
		other, ok := d.related[c.Other]
		if !ok {
			return nil // a matter the reader may not know of
		}
		return one("staff.link."+c.Kind, string(other.Ref))
	case *matter.Alleged:
		return d.alleged(c)
	}
	return nil
}

func (d *dossier) ticked(c *matter.Ticked) []view.Change {
	say := d.say
	name := d.l.clock(d.state.Matter.Kind, c.ID)
	switch c.State {
	case matter.ClockRunning, matter.ClockOpen:
		return []view.Change{{Name: say.T("staff.change.clock", "clock", name), To: say.T("staff.clock.until", "day", say.Day(c.Due.Time(), d.s.Office.Zone()))}}
	case matter.ClockMissed:
		return []view.Change{{Name: say.T("staff.change.clock", "clock", name), To: say.T("staff.clock.missed")}}
	case matter.ClockPaused:
		return []view.Change{{Name: say.T("staff.change.clock", "clock", name), To: say.T("staff.clock.paused")}}
	}
	return []view.Change{{Name: say.T("staff.change.clock", "clock", name), To: say.Maybe("staff.clock."+c.State, c.State)}}
}

func (d *dossier) alleged(c *matter.Alleged) []view.Change {
	say := d.say
	name := say.T("staff.allegation.no", "no", strconv.FormatInt(c.No, 10))
	if c.Gone {
		return []view.Change{{Name: name, To: say.T("staff.allegation.gone")}}
	}
	var parts []string
	if c.Conduct != nil {
		parts = append(parts, d.l.conduct(*c.Conduct))
	}
	switch {
	case c.Official != nil && *c.Official != 0:
		parts = append(parts, d.officialName(*c.Official))
	case c.Described != nil && *c.Described != "":
		parts = append(parts, d.described(*c.Described))
	}
	if c.Time != nil && *c.Time != "" {
		parts = append(parts, say.Date(*c.Time))
	}
	if c.Place != nil && *c.Place != "" {
		parts = append(parts, *c.Place)
	}
	if c.Finding != nil && *c.Finding != "" {
		parts = append(parts, say.T("staff.allegation.found", "finding", d.l.finding(*c.Finding)))
	}
	if c.Outcome != nil && *c.Outcome != "" {
		parts = append(parts, d.l.outcome(*c.Outcome))
	}
	if len(parts) == 0 {
		return nil
	}
	return []view.Change{{Name: name, To: strings.Join(parts, " · ")}}
}

func relatedTab(d *dossier, page *sheet) {
	say := d.say
	t := view.Table{Caption: say.T("staff.tab.related"), CaptionHidden: true, Cards: true, Columns: []view.Column{
		{Text: say.T("staff.related.how")}, {Text: say.T("staff.reference")}, {Text: say.T("staff.kind")}, {Text: say.T("staff.title")}, {Text: say.T("staff.state")},
	}, Empty: view.Empty{Title: say.T("staff.related.none"), Text: say.T("staff.related.none.text")}}
	for _, link := range d.state.Links {
		m, ok := d.related[link.Other]
		if !ok {
			continue
		}
		t.Rows = append(t.Rows, view.Row{Cells: []view.Cell{
			{Text: say.T("staff.link." + link.Kind)}, {Text: string(m.Ref), Href: matterHref(m.Ref), Header: true},
			{Text: d.l.kind(m.Kind)}, {Text: m.Title}, {Tags: []view.Tag{stateTag(d.l, m)}},
		}})
	}
	page.Sections = append(page.Sections, section{Heading: say.T("staff.tab.related"), Table: &t})
}
