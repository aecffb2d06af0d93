package web

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"plumbline/internal/access"
	"plumbline/internal/calendar"
	"plumbline/internal/fault"
	"plumbline/internal/intake"
	"plumbline/internal/journal"
	"plumbline/internal/matter"
	"plumbline/internal/notify"
	"plumbline/internal/pack"
	"plumbline/internal/ref"
	"plumbline/internal/store"
	"plumbline/internal/vault"
	"plumbline/internal/web/view"
	"plumbline/internal/words"
)

// followPage asks for the receipt code.
type followPage struct {
	view.Shell
	Form view.Form
	Over string // why somebody is asked again
}

// statusPage is a report as its reporter sees it.
type statusPage struct {
	view.Shell
	Kind      string
	Reference string
	Received  string
	Tag       view.Tag
	Now       string // what is happening, in the pack's public words
	Joined    string // how the report stands that this one was joined to
	Waiting   *view.Note
	Overdue   []string
	Clocks    []clockLine
	Messages  []message
	Actions   []view.Action // what most come for: to answer, and to write
	Further   []view.Action // what else they can do
	Opened    []view.Event  // every opening of the reporter's identity
	Told      view.Timeline
	Procedure view.Procedure
	Files     int  // that the reporter sent
	Notices   bool // the reporter may leave an address, only to be told that there is something new
	NoMore    bool // files are taken no longer
}

// clockLine is a time limit in plain words.
type clockLine struct {
	What, When string
	Tag        view.Tag
}

// message is something written between the office and the reporter.
type message struct {
	Mine  bool
	From  string
	What  string
	At    time.Time
	Lines []string
	Proof string // where its receipt is; of the reporter's own
}

var (
	followView = view.Page[followPage]("public/follow")
	statusView = view.Page[statusPage]("public/status")
)

func (s *Server) visitCookie() string {
	if s.Secure {
		return "__Host-plumbline-report"
	}
	return "plumbline-report"
}

// setVisit gives the browser the token of a visit, until it is closed. No page of another site can make use of it, and
// no script can read it.
func (s *Server) setVisit(w http.ResponseWriter, token string) {
	c := &http.Cookie{Name: s.visitCookie(), Value: token, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: s.Secure}
	if token == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}

// visited is the code of the report that the reader has opened; intake.ErrOver if none is, or no longer.
func (s *Server) visited(r *http.Request) (ref.ReceiptCode, error) {
	c, err := r.Cookie(s.visitCookie())
	if err != nil {
		return "", intake.ErrOver
	}
	return s.visits.Code(r.Context(), c.Value)
}

func (s *Server) followForm(say *words.Speaker) followPage {
	return followPage{
		Shell: view.Shell{Title: say.T("public.nav.follow"), Exit: true},
		Form: view.Form{Action: "/follow", Submit: say.T("public.follow.open"), Inputs: []view.Input{{
			Kind: view.Text, Name: "code", Label: say.T("public.receipt.code"), Hint: say.T("public.follow.hint"), Autocomplete: "off", NoSpell: true,
		}}},
	}
}

// follow shows the report that is open in this browser, or asks for the code.
func (s *Server) follow(w http.ResponseWriter, r *http.Request) error {
	code, err := s.visited(r)
	if errors.Is(err, intake.ErrOver) {
		say := words.From(r.Context())
		page := s.followForm(say)
		if _, had := r.Cookie(s.visitCookie()); had == nil || r.URL.Query().Has("opened") {
			page.Over = say.T("public.follow.over")
		}
		return followView.Show(s.site, w, r, page)
	}
	if err != nil {
		return err
	}
	var page statusPage
	err = s.DB.Read(r.Context(), func(tx *store.Tx) error {
		v, err := s.reporterView(r.Context(), tx, words.From(r.Context()), code)
		if err == nil {
			page = v.page()
		}
		return err
	})
	if err != nil {
		return err
	}
	return statusView.Show(s.site, w, r, page)
}

// wrongCode is the one answer to every code that could be one and opens nothing, so that nobody learns anything from it. What
// cannot be a code is told apart by what was typed alone, which says no more than the printed rules of codes do, and helps
// whoever made a slip. A failure of the machine stays one.
func (s *Server) wrongCode(typed string, err error) error {
	if err != nil && !errors.Is(err, ref.ErrMalformed) && !fault.Is(err, fault.NotFound) {
		return err
	}
	if s.brake.Wrong() {
		return fault.New(fault.Unavailable, "public.follow.many", nil)
	}
	wrong := fault.Field{Name: "code", Key: "public.follow.wrong"}
	if errors.Is(err, ref.ErrMalformed) {
		wrong.Key, wrong.Args = slip(typed)
	}
	return fault.InvalidFields([]fault.Field{wrong})
}

// slip says what is the matter with something that cannot be a receipt code.
func slip(typed string) (key string, args fault.Args) {
	n := utf8.RuneCountInString(ref.Typed(typed))
	_, err := ref.ParseReference(typed)
	switch {
	case n == 0:
		return "public.follow.empty", nil
	case err == nil:
		return "public.follow.reference", nil
	case n != ref.CodeLength:
		return "public.follow.length", fault.Args{"n": n, "right": ref.CodeLength}
	}
	return "public.follow.slip", nil
}

// followOpen opens a report by its code.
func (s *Server) followOpen(w http.ResponseWriter, r *http.Request) error {
	if err := form(r); err != nil {
		return err
	}
	typed := r.PostForm.Get("code")
	r.PostForm.Set(ctlCode, typed)
	st, code, err := s.byPostedCode(r)
	if fault.Is(err, fault.Invalid) {
		say := words.From(r.Context())
		page := s.followForm(say)
		page.Form.Fill(r.PostForm)
		page.Errors = page.Form.Fail(say, err)
		return followView.ShowStatus(s.site, w, r, http.StatusUnprocessableEntity, page)
	}
	if err != nil {
		return err
	}
	token, err := s.visits.Begin(r.Context(), code)
	if err != nil {
		return err
	}
	if old, err := r.Cookie(s.visitCookie()); err == nil {
		if err := s.visits.End(r.Context(), old.Value); err != nil {
			return err
		}
	}
	s.setVisit(w, token)
	s.came(r.Context(), notify.Reporter, int64(st.Matter.ID))
	if r.PostForm.Get("to") == "files" { // from the page with the code, to add files at once
		return view.Redirect(w, r, "/follow/files")
	}
	return view.Redirect(w, r, "/follow?opened")
}

// followLeave ends the visit.
func (s *Server) followLeave(w http.ResponseWriter, r *http.Request) error {
	if c, err := r.Cookie(s.visitCookie()); err == nil {
		if err := s.visits.End(r.Context(), c.Value); err != nil {
			return err
		}
	}
	s.setVisit(w, "")
	s.site.Flash(w, view.Success, "flash.left", nil)
	return view.Redirect(w, r, "/")
}

// reporterView is a report with everything its reporter is told of it.
type reporterView struct {
	s       *Server
	say     *words.Speaker
	st      matter.State
	p       *pack.Pack
	k       *pack.Kind
	names   bodyNames
	history []matter.Event
	choices []matter.Choice
	opener  *vault.Opener

	joined *pack.State // where the report stands that this one was joined to

	told []toldState // the states the reporter knows of, oldest first
}

type toldState struct {
	state *pack.State
	at    time.Time
}

func (s *Server) reporterView(ctx context.Context, tx *store.Tx, say *words.Speaker, code ref.ReceiptCode) (*reporterView, error) {
	v := &reporterView{s: s, say: say}
	var err error
	if v.st, err = s.Engine.ByChannel(ctx, tx, code); err != nil {
		return nil, err
	}
	if v.p, v.k, err = s.Engine.PackOf(v.st.Matter); err != nil {
		return nil, err
	}
	if v.k == nil {
		return nil, fault.New(fault.NotFound, "access.not-found", nil)
	}
	if v.names, err = s.bodyNames(ctx, tx, say); err != nil {
		return nil, err
	}
	if v.history, err = s.Engine.History(ctx, tx, v.st.Matter.ID); err != nil {
		return nil, err
	}
	if v.opener, err = s.Engine.Opener(ctx, tx, vault.ReporterKeys(code), v.st.Matter.ID); err != nil {
		return nil, err
	}
	if v.choices, err = s.Engine.ReporterChoices(ctx, tx, v.st); err != nil {
		return nil, err
	}
	v.tell()
	v.joined, err = s.joinedTo(ctx, tx, v.st)
	return v, err
}

// joinedTo is the state, as its own reporter is told of it, of the report that this one was joined to; nil if it was not. What
// that reporter did themselves, such as withdrawing, is theirs and not told here.
func (s *Server) joinedTo(ctx context.Context, tx *store.Tx, st matter.State) (*pack.State, error) {
	i := slices.IndexFunc(st.Links, func(l matter.Link) bool { return l.Kind == matter.LinkDuplicateOf })
	if i < 0 {
		return nil, nil //nolint:nilnil // most reports are joined to none: an answer, not a failure
	}
	other, err := s.Engine.Load(ctx, tx, st.Links[i].Other)
	if err != nil {
		return nil, err
	}
	o := &reporterView{s: s, st: other}
	if o.p, o.k, err = s.Engine.PackOf(other.Matter); err != nil || o.k == nil {
		return nil, err
	}
	if o.history, err = s.Engine.History(ctx, tx, other.Matter.ID); err != nil {
		return nil, err
	}
	o.history = slices.DeleteFunc(o.history, func(e matter.Event) bool { return o.byReporter(e.Entry) && e.Action != matter.ActionOpen })
	o.tell()
	return o.now(), nil
}

// tell collects the states that the reporter is told of.
func (v *reporterView) tell() {
	v.told = nil
	for _, e := range v.history {
		if to := v.movedTo(e); to != nil {
			v.told = append(v.told, toldState{to, e.At})
		}
	}
}

// hidden reports whether telling the reporter of a step would endanger the investigation, as the pack says. The end is
// always told (F23).
func (v *reporterView) hidden(e matter.Event) bool {
	a := v.k.Action(e.Action)
	if a == nil || !a.Adverse {
		return false
	}
	to := v.k.State(a.To)
	return to == nil || !to.Final
}

// movedTo is the state that a step led to, as far as the reporter is told of it.
func (v *reporterView) movedTo(e matter.Event) *pack.State {
	if v.hidden(e) {
		return nil
	}
	for _, c := range e.Consequences {
		switch c := c.(type) {
		case *matter.Opened:
			return v.k.State(c.State)
		case *matter.Moved:
			return v.k.State(c.To)
		}
	}
	return nil
}

// now is the state the reporter is told the report is in.
func (v *reporterView) now() *pack.State {
	if len(v.told) == 0 {
		return v.k.State(v.k.Start)
	}
	return v.told[len(v.told)-1].state
}

func (v *reporterView) page() statusPage {
	say, m := v.say, v.st.Matter
	now := v.now()
	page := statusPage{
		Shell: view.Shell{Title: say.T("public.status.title"), Exit: true},
		Kind:  say.Text(v.k.Label), Reference: string(m.Ref), Received: say.Date(m.Received),
		Tag: view.Tag{Tone: view.Info, Text: say.Text(now.Label)}, Now: say.Text(now.Public),
	}
	if now.Final {
		page.Tag.Tone = view.Success
	}
	if v.joined != nil {
		page.Joined = say.T("public.status.joined", "state", say.Text(v.joined.Label))
	}
	v.clocks(&page)
	v.messages(&page)
	v.actions(&page)
	for i := len(v.history) - 1; i >= 0; i-- {
		if e, ok := v.event(v.history[i]); ok {
			page.Told.Events = append(page.Told.Events, e)
		}
		if e, ok := v.opening(v.history[i]); ok {
			page.Opened = append(page.Opened, e)
		}
	}
	page.Procedure = v.procedure(now)
	page.Notices = v.s.Notices.On()
	page.Files, page.NoMore = v.fileCount(), v.st.Matter.Final != 0
	return page
}

// actions puts in front what most come for: to answer what was asked, and to write. The rest stands together below, so that
// somebody who only wants to answer is not asked whether they want to withdraw.
func (v *reporterView) actions(page *statusPage) {
	action := func(c matter.Choice, main bool) view.Action {
		return view.Action{Text: v.say.Text(c.Action.Label), Href: "/follow/act/" + c.Action.ID, Hint: v.say.Text(c.Action.Help), Main: main}
	}
	first := slices.IndexFunc(v.choices, func(c matter.Choice) bool { return c.Action.Answers == "" })
	for i, c := range v.choices {
		switch {
		case c.Action.Answers != "":
			page.Actions = append([]view.Action{action(c, true)}, page.Actions...)
		case i == first:
			page.Actions = append(page.Actions, action(c, len(page.Actions) == 0))
		default:
			page.Further = append(page.Further, action(c, false))
		}
	}
	for i := range page.Actions {
		page.Actions[i].Main = i == 0
	}
}

// clocks says what the office owes by when, and honestly where it is late.
func (v *reporterView) clocks(page *statusPage) {
	say, zone := v.say, v.s.Office.Zone()
	clocks := slices.Clone(v.st.Clocks)
	slices.SortStableFunc(clocks, func(a, b matter.Clock) int { return cmp.Compare(a.Due, b.Due) })
	for _, c := range clocks {
		pc := v.k.Clock(c.ID)
		if pc == nil || pc.Then != "" && c.State != matter.ClockOpen {
			continue
		}
		forReporter := slices.Contains(pc.Until, pack.EffAcknowledge) || slices.Contains(pc.Until, pack.EffFeedback)
		if !forReporter && (v.now().Final || !slices.Contains(pc.In, v.now().ID)) {
			continue // a time limit of a step the reporter is not told of, or of one that is over
		}
		due := say.Weekday(time.UnixMicro(c.Due), zone)
		line := clockLine{What: owed(say, pc)}
		switch c.State {
		case matter.ClockRunning, matter.ClockOpen:
			if c.Due <= v.s.Now().UnixMicro() {
				line.When, line.Tag = say.T("public.clock.was", "day", due), view.Tag{Tone: view.Bad, Text: say.T("public.clock.late")}
				page.Overdue = append(page.Overdue, say.T("public.clock.overdue", "what", line.What, "day", due))
				break
			}
			line.When, line.Tag = say.T("public.clock.by", "day", due), view.Tag{Tone: view.Info, Text: v.left(c, pc)}
		case matter.ClockMissed:
			line.When, line.Tag = say.T("public.clock.was", "day", due), view.Tag{Tone: view.Bad, Text: say.T("public.clock.late")}
			page.Overdue = append(page.Overdue, say.T("public.clock.overdue", "what", line.What, "day", due))
		case matter.ClockPaused:
			line.When, line.Tag = say.T("public.clock.paused", "day", say.Weekday(time.UnixMicro(c.PauseEnd), zone)), view.Tag{Tone: view.Waiting, Text: say.T("public.clock.pause")}
		case matter.ClockMet:
			line.When, line.Tag = say.T("public.clock.done", "day", due), view.Tag{Tone: view.Success, Text: say.T("ui.task.done")}
			if c.Missed != 0 {
				line.When, line.Tag = say.T("public.clock.donelate", "day", due), view.Tag{Tone: view.Soon, Text: say.T("public.clock.waslate")}
			}
		default:
			continue
		}
		page.Clocks = append(page.Clocks, line)
	}
}

// left says how much of a time limit is left, in the unit the pack counts it in.
func (v *reporterView) left(c matter.Clock, pc *pack.Clock) string {
	w := words.Clock{Due: time.UnixMicro(c.Due), Now: v.s.Now(), Loc: v.s.Office.Zone()}
	if pc.Within.Unit == calendar.WorkingDays {
		n := v.p.Cal().WorkingDaysBetween(w.Now, w.Due)
		w.Working = &n
	}
	return v.say.Clock(w)
}

// messages are what the office and the reporter wrote to each other: the compartment that belongs to both.
func (v *reporterView) messages(page *statusPage) {
	for i := len(v.history) - 1; i >= 0; i-- {
		e := v.history[i]
		content, ok := matter.Content(v.opener, e.Entry, access.Reporter)
		if !ok || e.Action == matter.ActionOpen {
			continue
		}
		msg := message{At: e.At, Mine: v.byReporter(e.Entry), From: v.from(e.By)}
		var fields []pack.Field
		if a := v.k.Action(e.Action); a != nil {
			fields, msg.What = v.p.FieldsOf(a, e.Fields), v.say.Text(a.Label)
		}
		for i := range fields {
			if said := v.said(&fields[i], content[fields[i].ID]); said != "" {
				msg.Lines = append(msg.Lines, labelled(v.say.Text(fields[i].Label), said, len(fields) > 1 && len(content) > 1))
			}
		}
		if msg.Mine {
			msg.Proof = visitDoor.page + "?n=" + strconv.FormatInt(e.N, 10)
		}
		if len(msg.Lines) > 0 {
			page.Messages = append(page.Messages, msg)
		}
	}
	if len(page.Messages) > 0 && !page.Messages[0].Mine && !v.now().Final {
		page.Waiting = &view.Note{Title: v.say.T("public.status.message"), Text: v.say.T("public.status.message.text", "day", v.say.Day(page.Messages[0].At, v.s.Office.Zone())), Link: view.Link{Text: v.say.T("public.status.read"), Href: "#messages"}}
	}
}

// said is an answer in words, as it was given in a step.
func (v *reporterView) said(f *pack.Field, x any) string {
	a := asker{say: v.say, p: v.p, tree: v.names.tree}
	switch x := x.(type) {
	case string:
		return a.text(f, x)
	case float64: // a whole number, as JSON gives it back
		return v.say.Number(int64(x))
	case bool:
		if x {
			return v.say.T("ui.yes")
		}
		return v.say.T("ui.no")
	case map[string]any:
		sheet := map[string]string{}
		for id, tick := range x {
			sheet[id], _ = tick.(string)
		}
		return strings.Join(a.sheetAnswer(f, sheet), "\n")
	}
	return ""
}

func labelled(label, text string, several bool) string {
	if several {
		return label + ": " + text
	}
	return text
}

func (v *reporterView) byReporter(e journal.Entry) bool {
	d := v.p.Duty(e.By.Duty)
	return e.By.Account == 0 && d != nil && d.Actor == pack.ActorReporter
}

// from is who wrote or did something: the desk, never a person. Who works on a report is no secret to the office, but
// a name on this page could bring somebody into danger.
func (v *reporterView) from(by journal.Actor) string {
	d := v.p.Duty(by.Duty)
	switch {
	case d != nil && d.Actor == pack.ActorReporter:
		return v.say.T("public.status.you")
	case by.Account == 0 || d == nil:
		return v.s.Office.Name(v.say.Lang())
	}
	if body := v.names.name(by.Body); body != "" {
		return v.say.T("public.status.desk", "duty", v.say.Text(d.Label), "body", body)
	}
	return v.say.Text(d.Label)
}

// event tells the reporter of one entry: changes of state, time limits that ran out, were prolonged or paused, and that
// the report was acknowledged. What the office does within a state is its own work.
func (v *reporterView) event(e matter.Event) (view.Event, bool) {
	if v.hidden(e) {
		return view.Event{}, false
	}
	say := v.say
	out := view.Event{At: e.At}
	if to := v.movedTo(e); to != nil {
		out.Title, out.Text = say.Text(to.Label), say.Text(to.Public)
		if e.Action != matter.ActionOpen {
			out.By = v.from(e.By)
		}
		out.Changes = v.authority(e)
		return out, true
	}
	a := v.k.Action(e.Action)
	switch {
	case a != nil && a.Has(pack.EffAcknowledge):
		out.Title, out.By = say.T("public.told.acknowledged"), v.from(e.By)
		return out, true
	case a != nil && (a.Pauses != "" || a.Extends != "" || a.Resumes != ""):
		out.Title, out.By = say.Text(a.Label), v.from(e.By)
		for _, c := range e.Consequences {
			if t, ok := c.(*matter.Ticked); ok && v.k.Clock(t.ID) != nil {
				until := t.Due.Time()
				if t.State == matter.ClockPaused {
					until = t.PauseEnd.Time()
				}
				out.Changes = append(out.Changes, view.Change{Name: owed(say, v.k.Clock(t.ID)), To: say.T("public.told.until", "day", say.Weekday(until, v.s.Office.Zone()))})
			}
		}
		return out, true
	case e.Action == matter.ActionMissed:
		for _, c := range e.Consequences {
			if t, ok := c.(*matter.Ticked); ok && t.State == matter.ClockMissed && v.k.Clock(t.ID) != nil {
				out.Changes = append(out.Changes, view.Change{Name: say.T("public.told.limit"), To: say.Text(v.k.Clock(t.ID).Label)})
			}
		}
		out.Title, out.Text = say.T("public.told.missed"), say.T("public.told.missed.text")
		return out, len(out.Changes) > 0
	}
	return view.Event{}, false
}

// authority says where a report was handed to: its reporter must know who has it.
func (v *reporterView) authority(e matter.Event) (out []view.Change) {
	a := v.k.Action(e.Action)
	if a == nil || !a.Has(pack.EffTransfer) {
		return nil
	}
	for _, f := range a.Fields {
		if text, ok := e.Fields[f.ID].(string); ok && f.Type == pack.TypeText {
			out = append(out, view.Change{Name: v.say.T("public.told.authority"), To: text})
		}
	}
	return out
}

// opening is one opening of the reporter's identity, with the reason that was given.
func (v *reporterView) opening(e matter.Event) (view.Event, bool) {
	a := v.k.Action(e.Action)
	if a == nil || !a.Has(pack.EffIdentify) {
		return view.Event{}, false
	}
	out := view.Event{Title: v.say.Text(a.Label), By: v.from(e.By), At: e.At}
	if content, ok := matter.Content(v.opener, e.Entry, access.Reporter); ok {
		for _, f := range a.Fields {
			if text, ok := content[f.ID].(string); ok {
				out.Text = strings.TrimSpace(out.Text + "\n" + text)
			}
		}
	}
	return out, true
}

// procedure shows where the report stands on its way.
func (v *reporterView) procedure(now *pack.State) view.Procedure {
	out := view.Procedure{Title: v.say.T("public.status.way")}
	been := map[string]bool{}
	for _, t := range v.told {
		been[t.state.ID] = true
	}
	onWay := false
	steps := v.p.Outline(v.k).Steps
	for _, step := range steps {
		onWay = onWay || step.Main && step.State == now
	}
	for _, step := range steps {
		if !step.Main && step.State != now || !onWay && step.Main && !been[step.State.ID] {
			continue // off the usual way, only what has happened is shown
		}
		st := v.s.procedureState(v.say, v.p, v.k, step)
		st.Text, st.Ways = "", nil
		st.Now = step.State == now
		st.Done = !st.Now && been[step.State.ID]
		out.States = append(out.States, st)
	}
	return out
}

// actForm is the form of a step that the reporter takes.
func (s *Server) actForm(ctx context.Context, tx *store.Tx, say *words.Speaker, v *reporterView, c matter.Choice, sent url.Values, failure error, tree *asker) (askPage, error) {
	tree.p = v.p
	page := askPage{
		Shell:  view.Shell{Title: say.Text(c.Action.Label), Exit: true, Keep: keepAnswers(), Crumbs: []view.Link{{Text: say.T("public.status.title"), Href: "/follow"}}},
		Action: "/follow/act/" + c.Action.ID, Heading: say.Text(c.Action.Label), Lede: say.Text(c.Action.Help),
		Hidden: []view.Hidden{{Name: ctlAt, Value: strconv.FormatInt(v.st.Matter.N, 10)}}, Submit: say.T("public.act.send"),
		Cancel: view.Link{Text: say.T("ui.cancel"), Href: "/follow"},
	}
	due, err := tree.due(v.k, v.st, c.Fields, s.Now())
	if err != nil {
		return page, err
	}
	var fields []*pack.Field
	var shown []string
	for i := range due {
		fields, shown = append(fields, &due[i]), append(shown, due[i].ID)
	}
	page.Hidden = append(page.Hidden, view.Hidden{Name: ctlShown, Value: strings.Join(shown, " ")})
	page.More = failure == nil && hasMore(shown, sent)
	if c.Action.Answers != "" {
		v.introduce(&page, c)
	}
	if failure != nil {
		page.Errors = tree.fail(failure, fields...)
	}
	for _, f := range fields {
		q, err := tree.ask(f, false)
		if err != nil {
			return page, err
		}
		page.Questions = append(page.Questions, q)
		if f.Sealed != "" {
			page.Sealed = compartmentOf(say, f.Sealed).who
		}
	}
	return page, nil
}

// introduce says which questionnaire is being answered.
func (v *reporterView) introduce(page *askPage, c matter.Choice) {
	data, err := v.st.Matter.Values()
	if err != nil {
		return // the choice was made from the same values
	}
	id, _ := data[c.Action.Answers].(string)
	if q := v.p.Questionnaire(id); q != nil {
		page.Heading = v.say.Text(q.Label)
		page.Lede = strings.TrimSpace(v.say.Text(q.Help) + " " + page.Lede)
	}
}

// hasMore reports whether there are questions to be asked that were not on the page that was sent.
func hasMore(due []string, sent url.Values) bool {
	if !sent.Has(ctlShown) {
		return false
	}
	shown := strings.Fields(sent.Get(ctlShown))
	return slices.ContainsFunc(due, func(id string) bool { return !slices.Contains(shown, id) })
}

func choiceOf(v *reporterView, action string) (matter.Choice, error) {
	i := slices.IndexFunc(v.choices, func(c matter.Choice) bool { return c.Action.ID == action })
	if i < 0 {
		return matter.Choice{}, fault.New(fault.Conflict, "public.act.not-now", nil)
	}
	return v.choices[i], nil
}

// followActPage shows the form of a step the reporter may take now.
func (s *Server) followActPage(w http.ResponseWriter, r *http.Request) error {
	code, err := s.visited(r)
	if err != nil {
		return s.visitOver(w, r, err)
	}
	return s.showActForm(w, r, code, url.Values{}, "", nil)
}

// visitOver leads somebody whose visit has ended to the code. Somebody who was writing keeps what they wrote in their
// browser: going back shows it again.
func (s *Server) visitOver(w http.ResponseWriter, r *http.Request, err error) error {
	if errors.Is(err, intake.ErrOver) {
		return view.Redirect(w, r, "/follow?opened")
	}
	return err
}

func (s *Server) showActForm(w http.ResponseWriter, r *http.Request, code ref.ReceiptCode, sent url.Values, to string, failure error) error {
	say := words.From(r.Context())
	var page askPage
	err := s.DB.Read(r.Context(), func(tx *store.Tx) error {
		v, err := s.reporterView(r.Context(), tx, say, code)
		if err != nil {
			return err
		}
		c, err := choiceOf(v, r.PathValue("action"))
		if err != nil {
			return err
		}
		a := &asker{ctx: r.Context(), tx: tx, say: say, p: v.p, tree: v.names.tree, sent: sent, errors: map[string]string{}, self: v.k.Discloses}
		a.press(to)
		page, err = s.actForm(r.Context(), tx, say, v, c, sent, failure, a)
		return err
	})
	if err != nil {
		return err
	}
	status := http.StatusOK
	if failure != nil {
		status = view.Status(failure)
	}
	return askView.ShowStatus(s.site, w, r, status, page)
}

// followAct takes a step as the reporter.
func (s *Server) followAct(w http.ResponseWriter, r *http.Request) error {
	if err := form(r); err != nil {
		return err
	}
	code, err := s.visited(r)
	if errors.Is(err, intake.ErrOver) {
		return s.overWhileWriting(w, r)
	}
	if err != nil {
		return err
	}
	to := r.PostForm.Get(ctlTo)
	if to != "" && to != "next" {
		return s.showActForm(w, r, code, r.PostForm, to, nil)
	}
	err = s.reporterAct(r, code)
	if errors.Is(err, errMore) {
		return s.showActForm(w, r, code, r.PostForm, "", nil)
	}
	if fault.Is(err, fault.Invalid) {
		return s.showActForm(w, r, code, r.PostForm, "", s.explained(r, err))
	}
	if err != nil {
		return err
	}
	s.site.Flash(w, view.Success, "flash.sent", nil)
	return view.Redirect(w, r, "/follow")
}

// overWhileWriting answers somebody who took longer over a message than a visit lasts: they enter the code again on a
// page that keeps what they wrote.
func (s *Server) overWhileWriting(w http.ResponseWriter, r *http.Request) error {
	say := words.From(r.Context())
	code, err := ref.ParseReceiptCode(r.PostForm.Get("code"))
	if err == nil {
		err = s.brake.Try(code)
	}
	if err == nil {
		err = s.DB.Read(r.Context(), func(tx *store.Tx) error { _, e := s.Engine.ByChannel(r.Context(), tx, code); return e })
		s.tried(code, err)
	}
	if err == nil {
		token, err := s.visits.Begin(r.Context(), code)
		if err != nil {
			return err
		}
		s.setVisit(w, token)
		return s.showActForm(w, r, code, r.PostForm, "", nil)
	}
	if asked := r.PostForm.Has("code"); asked {
		if err = s.wrongCode(r.PostForm.Get("code"), err); !fault.Is(err, fault.Invalid) {
			return err
		}
	} else {
		err = nil
	}
	page := s.followForm(say)
	page.Over = say.T("public.follow.over.writing")
	page.Form.Action = r.URL.Path
	for name, v := range r.PostForm {
		if name != "code" && name != ctlTo {
			page.Form.Hidden = append(page.Form.Hidden, view.Hidden{Name: name, Value: v[0]})
		}
	}
	slices.SortFunc(page.Form.Hidden, func(a, b view.Hidden) int { return strings.Compare(a.Name, b.Name) })
	if err != nil {
		page.Form.Fill(r.PostForm)
		page.Errors = page.Form.Fail(say, err)
	}
	return followView.ShowStatus(s.site, w, r, http.StatusUnprocessableEntity, page)
}

// reporterAct records what the reporter sent. The same thing sent twice, by a second press of the button, is recorded
// once: the second time finds it among what happened since the form was drawn.
func (s *Server) reporterAct(r *http.Request, code ref.ReceiptCode) error {
	ctx := r.Context()
	return s.DB.Tx(ctx, func(tx *store.Tx) error {
		v, err := s.reporterView(ctx, tx, words.From(ctx), code)
		if err != nil {
			return err
		}
		seen, _ := strconv.ParseInt(r.PostForm.Get(ctlAt), 10, 64) // what is no number has seen nothing
		c, err := choiceOf(v, r.PathValue("action"))
		if err != nil {
			if v.tookSince(r.PathValue("action"), seen) {
				return nil // a second press of the button, after the first has made the step impossible
			}
			return err
		}
		a := &asker{ctx: ctx, tx: tx, say: v.say, p: v.p, tree: v.names.tree, sent: r.PostForm, errors: map[string]string{}, self: v.k.Discloses}
		due, err := a.due(v.k, v.st, c.Fields, s.Now())
		if err != nil {
			return err
		}
		values, wrong, err := a.read(due)
		if err != nil {
			return err
		}
		var ids []string
		for i := range due {
			ids = append(ids, due[i].ID)
		}
		if hasMore(ids, r.PostForm) {
			return errMore
		}
		if err := fault.InvalidFields(wrong); err != nil {
			return err
		}
		if v.sentBefore(c.Action.ID, seen, values) {
			return nil
		}
		// What the office did meanwhile does not take the reporter's words back: the step is taken on what there is now.
		_, err = s.Engine.ReporterAct(ctx, tx, code, 0, c.Action.ID, values, journal.ViaWeb)
		return err
	})
}

// errMore says that an answer has brought up questions that were not on the page.
var errMore = errors.New("web: there are more questions")

// tookSince reports whether the reporter has taken a step since the form for it was drawn.
func (v *reporterView) tookSince(action string, seen int64) bool {
	return seen > 0 && slices.ContainsFunc(v.history, func(e matter.Event) bool {
		return e.N > seen && e.Action == action && v.byReporter(e.Entry)
	})
}

// sentBefore reports whether, since the form was drawn, the reporter has already sent exactly this.
func (v *reporterView) sentBefore(action string, seen int64, values matter.Values) bool {
	for _, e := range v.history {
		if e.N <= seen || e.Action != action || !v.byReporter(e.Entry) {
			continue
		}
		was := map[string]any{}
		for name, x := range e.Fields {
			was[name] = x
		}
		for compartment := range e.Sealed {
			content, ok := matter.Content(v.opener, e.Entry, compartment)
			if !ok {
				return false
			}
			for name, x := range content {
				was[name] = x
			}
		}
		a, errA := json.Marshal(was)
		b, errB := json.Marshal(map[string]any(values))
		if errA == nil && errB == nil && string(a) == string(b) {
			return true
		}
	}
	return false
}
