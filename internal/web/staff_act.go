package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"

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

// maker is what forms about a matter are made with.
func (s *Server) maker(ctx context.Context, tx *store.Tx, d *dossier, a *pack.Action, sent url.Values, to string) *formMaker {
	m := &formMaker{s: s, tx: tx, ctx: ctx, say: d.say, l: d.l, p: d.pack, names: d.names, state: &d.state, d: d, facts: d.facts, sent: copied(sent),
		do: sent.Get("do"), to: to, anchors: map[string]string{}, errors: map[string]string{}, desk: d.state.Matter.Desk, deskAt: d.state.Matter.DeskBody}
	if a != nil && a.To != "" {
		if st := d.kind.State(a.To); st != nil && st.Desk != "" && st.Of != pack.OfSuperior {
			m.desk, m.deskAt = st.Desk, d.state.Matter.Body
		}
	}
	return m
}

func copied(v url.Values) url.Values {
	out := url.Values{}
	for k, x := range v {
		out[k] = slices.Clone(x)
	}
	return out
}

// actPage asks what a step needs to know.
func (s *Server) actPage(w http.ResponseWriter, r *http.Request) error {
	return s.showStep(w, r, suggested(r), nil)
}

// showStep shows the form of a step: fresh, or with what was typed and what is wrong with it.
func (s *Server) showStep(w http.ResponseWriter, r *http.Request, sent url.Values, failure error) error {
	say := words.From(r.Context())
	var page stepForm
	err := s.DB.Read(r.Context(), func(tx *store.Tx) error {
		d, err := s.dossier(r.Context(), tx, viewer(r), say, r.PathValue("ref"))
		if err != nil {
			return err
		}
		page, err = s.stepPage(r.Context(), tx, d, r.PathValue("action"), sent, failure)
		return err
	})
	if err != nil {
		return err
	}
	status := http.StatusOK
	if failure != nil {
		status = view.Status(failure)
	}
	return stepFormView.ShowStatus(s.site, w, r, status, page)
}

func (s *Server) stepPage(ctx context.Context, tx *store.Tx, d *dossier, action string, sent url.Values, failure error) (stepForm, error) {
	say := d.say
	var a *pack.Action
	var fields []pack.Field
	if d.kind != nil {
		a = d.kind.Action(action)
	}
	i := slices.IndexFunc(d.choices, func(c matter.Choice) bool { return c.Action.ID == action })
	switch {
	case a == nil:
		return stepForm{}, fault.New(fault.NotFound, "fault.notfound", nil)
	case i >= 0:
		fields = d.choices[i].Fields
	case failure == nil:
		return stepForm{}, fault.New(fault.Conflict, "matter.not-now", fault.Args{"action": d.l.action(d.state.Matter.Kind, action), "state": d.l.state(d.state.Matter.Kind, d.state.Matter.State)})
	default:
		fields = a.Fields // it is past, but what was typed must not be lost
	}
	if i >= 0 && !d.choices[i].Allowed && failure == nil {
		return stepForm{}, s.named(say, d.names, d.l, d.elseOf(d.choices[i]))
	}
	m := s.maker(ctx, tx, d, a, sent, d.at("act", action))
	page := stepForm{
		Shell:    view.Shell{Title: d.l.action(d.state.Matter.Kind, action), Staff: true, Crumbs: crumbs(say, view.Link{Text: string(d.state.Matter.Ref), Href: d.at()})},
		Identity: d.identity(), Heading: d.l.action(d.state.Matter.Kind, action), Help: say.Text(a.Help), Action: d.at("act", action),
		Hidden: []view.Hidden{{Name: "seen", Value: strconv.FormatInt(d.state.Matter.N, 10)}},
		Submit: d.l.action(d.state.Matter.Kind, action), Cancel: view.Link{Text: say.T("ui.cancel"), Href: d.at()},
	}
	if a.Signs {
		page.Signs = say.T("staff.form.signs", "name", d.v.Name)
	}
	var wrong []words.FieldFault
	if failure != nil {
		wrong = m.fail(say, s.namedError(d, failure))
		if stale := s.staleSince(d, sent.Get("seen"), failure); stale != nil {
			page.Stale = stale
		}
	}
	var err error
	if page.Parts, err = m.parts(fields); err != nil {
		return page, err
	}
	if err := s.offerJoined(ctx, tx, d, a, m, &page); err != nil {
		return page, err
	}
	if failure != nil {
		page.Errors = m.summary(wrong)
	}
	return page, nil
}

// namedError is a fault with names in place of ids, as the reader of the matter knows them.
func (s *Server) namedError(d *dossier, err error) error {
	var f *fault.Error
	if !errors.As(err, &f) {
		return err
	}
	g := *f
	g.Args = fault.Args{"kind": d.state.Matter.Kind}
	for k, v := range f.Args {
		g.Args[k] = v
	}
	if t, ok := g.Args["else"].(pack.Text); ok {
		g.Args["else"] = d.say.Text(t)
	}
	return s.named(d.say, d.names, d.l, &g)
}

// staleSince tells what somebody else did since the form was drawn; nil if that is not what went wrong.
func (s *Server) staleSince(d *dossier, seen string, failure error) *staleNote {
	n, err := strconv.ParseInt(seen, 10, 64)
	if err != nil || n >= d.state.Matter.N || !fault.Is(failure, fault.Conflict) {
		return nil
	}
	note := &staleNote{Title: d.say.T("staff.stale.title"), Text: d.say.T("staff.stale.text")}
	for _, e := range d.history {
		if e.N <= n {
			continue
		}
		ev := d.event(e)
		note.Changes = append(note.Changes, d.say.T("staff.stale.line", "what", ev.Title, "who", ev.By, "when", d.say.Time(e.At, s.Office.Zone())))
	}
	return note
}

// act takes a step, or shows its form again: because a button of the form asks for that, because something is wrong,
// or because somebody else acted meanwhile. What was typed is kept.
func (s *Server) act(w http.ResponseWriter, r *http.Request) error {
	if err := form(r); err != nil {
		return err
	}
	if do := r.PostForm.Get("do"); do != "" && do != "submit" {
		return s.showStep(w, r, r.PostForm, nil)
	}
	seen, err := strconv.ParseInt(r.PostForm.Get("seen"), 10, 64)
	if err != nil || seen < 1 {
		return fault.New(fault.Invalid, "fault.form", nil)
	}
	var after matter.State
	err = s.DB.Tx(r.Context(), func(tx *store.Tx) error {
		st, f, err := s.visible(r.Context(), tx, viewer(r), r.PathValue("ref"))
		if err != nil {
			return err
		}
		p, k, err := s.Engine.PackOf(st.Matter)
		if err != nil {
			return err
		}
		if k == nil || k.Action(r.PathValue("action")) == nil {
			return fault.New(fault.NotFound, "fault.notfound", nil)
		}
		// Whose step it is comes before whether it was asked for rightly: to others its form is not shown.
		if err := matter.MayAct(viewer(r), k, k.Action(r.PathValue("action")), st, f); err != nil {
			return err
		}
		if st.Matter.N != seen {
			return fault.New(fault.Conflict, "matter.stale", nil)
		}
		a := k.Action(r.PathValue("action"))
		values, wrong := matter.ParseForm(p, a.Fields, view.Values(r.PostForm))
		if err := fault.InvalidFields(wrong); err != nil {
			return err
		}
		after, err = s.Engine.Act(r.Context(), tx, matter.ActCmd{Matter: st.Matter.ID, Seen: seen, Action: a.ID, Fields: values, Viewer: viewer(r), Keys: keys(r), Via: journal.ViaWeb,
			Joined: r.PostForm.Get(ctlJoined) != ""})
		return err
	})
	switch {
	case fault.Is(err, fault.Invalid), fault.Is(err, fault.Conflict):
		return s.showStep(w, r, r.PostForm, err)
	case err != nil:
		return err
	}
	return view.Redirect(w, r, matterHref(after.Matter.Ref)+"/done/"+strconv.FormatInt(after.Matter.N, 10))
}

// donePage confirms a step that the reader has taken: what it was, what happens now, and what to do next.
func (s *Server) donePage(w http.ResponseWriter, r *http.Request) error {
	say := words.From(r.Context())
	var d *dossier
	err := s.DB.Read(r.Context(), func(tx *store.Tx) (err error) {
		d, err = s.dossier(r.Context(), tx, viewer(r), say, r.PathValue("ref"))
		return err
	})
	if err != nil {
		return err
	}
	n, err := pathID(r, "n")
	if err != nil {
		return err
	}
	i := slices.IndexFunc(d.history, func(e matter.Event) bool { return e.N == n && e.By.Account == viewer(r).Account })
	if i < 0 {
		return fault.New(fault.NotFound, "fault.notfound", nil)
	}
	e, m := d.history[i], d.state.Matter
	rows := []view.SummaryRow{
		{Key: say.T("staff.reference"), Link: view.Link{Text: string(m.Ref), Href: d.at()}},
		{Key: say.T("staff.state"), Tags: []view.Tag{stateTag(d.l, m)}},
	}
	if m.Final == 0 {
		rows = append(rows, view.SummaryRow{Key: say.T("staff.with"), Value: d.with()})
		if c := s.clockWords(say, d.pack, m); c != nil {
			rows = append(rows, view.SummaryRow{Key: say.T("staff.clock"), Clock: c})
		}
	}
	for _, c := range e.Consequences {
		if l, ok := c.(*matter.Linked); ok {
			if other, there := d.related[l.Other]; there {
				rows = append(rows, view.SummaryRow{Key: say.T("staff.link." + l.Kind), Link: view.Link{Text: string(other.Ref), Href: matterHref(other.Ref)}})
			}
		}
	}
	title := d.l.action(m.Kind, e.Action)
	page := sheet{
		Shell:   view.Shell{Title: say.T("staff.done.title", "action", title), Staff: true, Crumbs: crumbs(say, view.Link{Text: string(m.Ref), Href: d.at()})},
		Heading: say.T("staff.done.title", "action", title), Narrow: true,
		Lede:     say.T("staff.done.lede", "when", say.Time(e.At, s.Office.Zone())),
		Sections: []section{{Heading: say.T("staff.done.now"), List: &view.SummaryList{Rows: rows}}},
	}
	if a := d.kind; a != nil {
		if act := a.Action(e.Action); act != nil && act.Letter != "" {
			page.Sections = append(page.Sections, section{Note: &view.Note{Tone: view.Info, Title: say.T("staff.done.letter.title"), Text: say.T("staff.done.letter")}})
		}
	}
	page.Sections = append(page.Sections, section{Links: []view.Link{{Text: say.T("proof.staff.done"), Href: d.proofHref(e.N)}, {Text: say.T("staff.done.matter", "ref", string(m.Ref)), Href: d.at()}, {Text: say.T("staff.done.work"), Href: "/staff"}}})
	return sheetView.Show(s.site, w, r, page)
}

// plainStepPage is the form of a step that every matter has: one question.
func (s *Server) plainStepPage(w http.ResponseWriter, r *http.Request, key string, inputs []view.Input, sent url.Values, failure error) error {
	say := words.From(r.Context())
	var page stepForm
	err := s.DB.Read(r.Context(), func(tx *store.Tx) error {
		d, err := s.dossier(r.Context(), tx, viewer(r), say, r.PathValue("ref"))
		if err != nil {
			return err
		}
		if d.kind != nil { // writing does not need reading: what is written is sealed to those who may open it
			if err := access.MayOpen(d.v, d.kind, d.facts, access.File); err != nil {
				return err
			}
		}
		m := s.maker(r.Context(), tx, d, nil, sent, d.at(key))
		var wrong []words.FieldFault
		if failure != nil {
			wrong = m.fail(say, failure)
		}
		page = stepForm{
			Shell:    view.Shell{Title: say.T("staff." + key + ".add"), Staff: true, Crumbs: crumbs(say, view.Link{Text: string(d.state.Matter.Ref), Href: d.at()})},
			Identity: d.identity(), Heading: say.T("staff." + key + ".add"), Help: say.T("staff." + key + ".help"), Action: d.at(key),
			Submit: say.T("staff." + key + ".submit"), Cancel: view.Link{Text: say.T("ui.cancel"), Href: d.at()},
		}
		for _, in := range inputs {
			in.Value = sent.Get(in.Name)
			page.Parts = append(page.Parts, m.input(in.Choose(sent.Get(in.Name))))
		}
		if failure != nil {
			page.Errors = m.summary(wrong)
		}
		return nil
	})
	if err != nil {
		return err
	}
	status := http.StatusOK
	if failure != nil {
		status = view.Status(failure)
	}
	return stepFormView.ShowStatus(s.site, w, r, status, page)
}

func noteInputs(say *words.Speaker) []view.Input {
	return []view.Input{{Kind: view.Textarea, Name: "text", Label: say.T("staff.note"), Size: "s", Rows: 8}}
}

func (s *Server) notePage(w http.ResponseWriter, r *http.Request) error {
	return s.plainStepPage(w, r, "note", noteInputs(words.From(r.Context())), url.Values{}, nil)
}

// note adds an internal note. It needs no fresh form: it overrules nothing.
func (s *Server) note(w http.ResponseWriter, r *http.Request) error {
	if err := form(r); err != nil {
		return err
	}
	var st matter.State
	err := s.DB.Tx(r.Context(), func(tx *store.Tx) (err error) {
		if st, _, err = s.visible(r.Context(), tx, viewer(r), r.PathValue("ref")); err != nil {
			return err
		}
		st, err = s.Engine.Note(r.Context(), tx, viewer(r), keys(r), st.Matter.ID, r.PostForm.Get("text"), journal.ViaWeb)
		return err
	})
	if fault.Is(err, fault.Invalid) {
		return s.plainStepPage(w, r, "note", noteInputs(words.From(r.Context())), r.PostForm, err)
	}
	if err != nil {
		return err
	}
	s.site.Flash(w, view.Success, "flash.noted", nil)
	return view.Redirect(w, r, matterHref(st.Matter.Ref))
}

func linkInputs(say *words.Speaker) []view.Input {
	return []view.Input{
		{Kind: view.Radios, Name: "kind", Label: say.T("staff.link.kind"), Size: "s", Options: []view.Option{
			{Value: matter.LinkDuplicateOf, Text: say.T("staff.link.duplicate"), Hint: say.T("staff.link.duplicate.hint")},
			{Value: matter.LinkFollowsFrom, Text: say.T("staff.link.follows"), Hint: say.T("staff.link.follows.hint")}}},
		{Kind: view.Text, Name: "other", Label: say.T("staff.link.other"), Hint: say.T("staff.form.reference", "example", "R-4KX7M-2QHJ8"), Width: "20", NoSpell: true, Size: "s"},
	}
}

func (s *Server) linkPage(w http.ResponseWriter, r *http.Request) error {
	return s.plainStepPage(w, r, "link", linkInputs(words.From(r.Context())), url.Values{}, nil)
}

// link ties the matter to another one that the reader may see too.
func (s *Server) link(w http.ResponseWriter, r *http.Request) error {
	if err := form(r); err != nil {
		return err
	}
	kind := r.PostForm.Get("kind")
	var st matter.State
	err := s.DB.Tx(r.Context(), func(tx *store.Tx) (err error) {
		if st, _, err = s.visible(r.Context(), tx, viewer(r), r.PathValue("ref")); err != nil {
			return err
		}
		var wrong []fault.Field
		if kind != matter.LinkDuplicateOf && kind != matter.LinkFollowsFrom {
			wrong = append(wrong, fault.Field{Name: "kind", Key: "field.required.choose"})
		}
		other, _, err := s.visible(r.Context(), tx, viewer(r), r.PostForm.Get("other"))
		switch {
		case fault.Is(err, fault.NotFound):
			wrong = append(wrong, fault.Field{Name: "other", Key: "field.no-matter"})
		case err != nil:
			return err
		case other.Matter.ID == st.Matter.ID:
			wrong = append(wrong, fault.Field{Name: "other", Key: "field.same-matter"})
		}
		if err := fault.InvalidFields(wrong); err != nil {
			return err
		}
		st, err = s.Engine.Link(r.Context(), tx, viewer(r), st.Matter.ID, kind, other.Matter.ID, journal.ViaWeb)
		return err
	})
	if fault.Is(err, fault.Invalid) {
		return s.plainStepPage(w, r, "link", linkInputs(words.From(r.Context())), r.PostForm, err)
	}
	if err != nil {
		return err
	}
	s.site.Flash(w, view.Success, "flash.linked", nil)
	return view.Redirect(w, r, matterHref(st.Matter.Ref)+"/related")
}

// startable are the kinds of matter that the reader may open by hand.
func (s *Server) startable(v access.Viewer) []*pack.Kind {
	var out []*pack.Kind
	p := s.Office.Active()
	for i := range p.Kinds {
		if _, err := access.MayStart(v, &p.Kinds[i], 0); err == nil {
			out = append(out, &p.Kinds[i])
		}
	}
	return out
}

// newPage offers what the reader may open.
func (s *Server) newPage(w http.ResponseWriter, r *http.Request) error {
	say := words.From(r.Context())
	kinds := s.startable(viewer(r))
	if len(kinds) == 1 {
		return view.Redirect(w, r, "/staff/new/"+kinds[0].ID)
	}
	page := sheet{Shell: view.Shell{Title: say.T("staff.new.title"), Staff: true, Crumbs: crumbs(say)}, Heading: say.T("staff.new.title"), Narrow: true}
	if len(kinds) == 0 {
		page.Sections = []section{{Empty: &view.Empty{Title: say.T("staff.new.none"), Text: say.T("staff.new.none.text")}}}
	}
	l := labels{s.Office.Active(), say}
	for _, k := range kinds {
		page.Sections = append(page.Sections, section{Heading: l.kind(k.ID), Quiet: say.Text(k.About), More: view.Link{Text: say.T("staff.new.open", "kind", l.kind(k.ID)), Href: "/staff/new/" + k.ID}})
	}
	return sheetView.Show(s.site, w, r, page)
}

func (s *Server) newKindPage(w http.ResponseWriter, r *http.Request) error {
	return s.showNew(w, r, url.Values{}, nil)
}

// showNew shows the form that opens a matter. A report gets its receipt code with the form: sent twice, the second
// finds the first.
func (s *Server) showNew(w http.ResponseWriter, r *http.Request, sent url.Values, failure error) error {
	say, v := words.From(r.Context()), viewer(r)
	p := s.Office.Active()
	k := p.Kind(r.PathValue("kind"))
	if k == nil {
		return fault.New(fault.NotFound, "fault.notfound", nil)
	}
	if _, err := access.MayStart(v, k, 0); err != nil {
		return err
	}
	var page stepForm
	err := s.DB.Read(r.Context(), func(tx *store.Tx) error {
		names, err := s.bodyNames(r.Context(), tx, say)
		if err != nil {
			return err
		}
		l := labels{p, say}
		m := &formMaker{s: s, tx: tx, ctx: r.Context(), say: say, l: l, p: p, names: names, sent: copied(sent), do: sent.Get("do"),
			to: "/staff/new/" + k.ID, anchors: map[string]string{}, errors: map[string]string{}}
		page = stepForm{
			Shell:   view.Shell{Title: say.T("staff.new.kind", "kind", l.kind(k.ID)), Staff: true, Crumbs: crumbs(say)},
			Heading: say.T("staff.new.kind", "kind", l.kind(k.ID)), Action: "/staff/new/" + k.ID, Submit: say.T("staff.new.submit"),
			Cancel: view.Link{Text: say.T("ui.cancel"), Href: "/staff"}, Hidden: []view.Hidden{{Name: "pack", Value: firstOf(sent.Get("pack"), p.ID())}},
		}
		fields := inOrderOfKeying(k.Fields)
		if k.Reports {
			page.Help = say.T("staff.new.report.help")
			code := sent.Get("code")
			if code == "" {
				code = string(ref.NewReceiptCode())
			}
			page.Hidden = append(page.Hidden, view.Hidden{Name: "code", Value: code})
		}
		var wrong []words.FieldFault
		if failure != nil {
			wrong = m.fail(say, s.explained(r, failure))
		}
		var extra []part
		if k.Reports && k.Field(fieldChannel) == nil {
			extra = []part{m.input(choices(view.Input{Name: fieldChannel, Label: say.T("staff.new.channel"), Size: "s"}, channels(say)).Choose(sent.Get(fieldChannel)))}
		}
		parts, err := m.parts(fields)
		if err != nil {
			return err
		}
		page.Parts = append(extra, parts...)
		if failure != nil {
			page.Errors = m.summary(wrong)
		}
		return nil
	})
	if err != nil {
		return err
	}
	status := http.StatusOK
	if failure != nil {
		status = view.Status(failure)
	}
	return stepFormView.ShowStatus(s.site, w, r, status, page)
}

// newMatter opens a matter. A report taken for somebody answers with the receipt code to hand over, this one time.
func (s *Server) newMatter(w http.ResponseWriter, r *http.Request) error {
	if err := form(r); err != nil {
		return err
	}
	p := s.Office.Active()
	k := p.Kind(r.PathValue("kind"))
	if k == nil {
		return fault.New(fault.NotFound, "fault.notfound", nil)
	}
	// Whose it is to open one comes before whether it was asked for rightly.
	if _, err := access.MayStart(viewer(r), k, 0); err != nil {
		return err
	}
	if do := r.PostForm.Get("do"); do != "" && do != "submit" {
		return s.showNew(w, r, r.PostForm, nil)
	}
	values, wrong := matter.ParseForm(p, keyedIn(k.Fields), view.Values(r.PostForm))
	cmd := matter.OpenCmd{Kind: k.ID, Fields: values, Viewer: viewer(r), Via: journal.ViaWeb, Seen: r.PostForm.Get("pack")}
	var code ref.ReceiptCode
	if k.Reports {
		var err error
		if code, err = ref.ParseReceiptCode(r.PostForm.Get("code")); err != nil {
			return fault.New(fault.Invalid, "fault.form", nil)
		}
		cmd.Code = code
		cmd.Anonymous = anonymous(k.Fields, values)
		asks := k.Field(fieldChannel) == nil
		if asks && !slices.ContainsFunc(channels(words.From(r.Context())), func(o view.Option) bool { return o.Value == r.PostForm.Get(fieldChannel) }) {
			wrong = append([]fault.Field{{Name: fieldChannel, Key: "field.required.choose"}}, wrong...)
		}
	}
	if err := fault.InvalidFields(wrong); err != nil {
		return s.showNew(w, r, r.PostForm, err)
	}
	noteAlike := s.noting(p, cmd) // before the database is waited for
	var st matter.State
	err := s.DB.Tx(r.Context(), func(tx *store.Tx) (err error) {
		if code != "" {
			st, err = s.Engine.ByChannel(r.Context(), tx, code)
			if err == nil { // sent twice: it is there already
				return nil
			}
			if !fault.Is(err, fault.NotFound) {
				return err
			}
		}
		if st, err = s.Engine.Open(r.Context(), tx, cmd); err != nil || code == "" {
			return err
		}
		if err := noteAlike(r.Context(), tx, st.Matter.ID); err != nil || k.Field(fieldChannel) != nil {
			return err
		}
		// How it came in is a note for those who work on it, where the procedure does not ask.
		return s.noteChannel(r, tx, st)
	})
	switch {
	case fault.Is(err, fault.Invalid), fault.Is(err, fault.Conflict):
		return s.showNew(w, r, r.PostForm, err)
	case err != nil:
		return err
	}
	if code == "" {
		s.site.Flash(w, view.Success, "flash.opened", map[string]any{"ref": string(st.Matter.Ref)})
		return view.Redirect(w, r, matterHref(st.Matter.Ref))
	}
	return s.showReceipt(w, r, st, code)
}
