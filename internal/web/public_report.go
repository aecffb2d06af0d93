package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"plumbline/internal/fault"
	"plumbline/internal/intake"
	"plumbline/internal/journal"
	"plumbline/internal/matter"
	"plumbline/internal/pack"
	"plumbline/internal/ref"
	"plumbline/internal/store"
	"plumbline/internal/web/view"
	"plumbline/internal/words"
)

// The report form.
//
// What has been answered so far travels with the form itself, sealed, in one hidden input (intake.Draft): every step is a
// POST to one address, and answers a page. So a report that is being written lies nowhere but in the reporter's own
// browser window, and there, but for the question on the screen, nobody can read it. There is no draft on the server that
// could be seized or read, no cookie, and nothing in an address, a history or a Referer. The price is paid in comfort:
// going back is a button of the form (the browser's own asks before it sends a form again, which does no harm here), and
// a page that lay open for more than a day cannot be sent. Each answer is checked when it is given, and all of them again
// before the report is recorded, by the same rules.
//
// Sending twice records once: see intake.CodeFor.

type startPage struct {
	view.Shell
	Heading   string
	About     string
	Action    string
	Hidden    []view.Hidden
	Asked     []askedField
	Sealed    []sealedFields
	Clear     []string
	Choose    []view.Way // where there are several kinds of reports
	Elsewhere []help

	ComeForward []view.Link // for officials who want to tell of themselves
}

// askedField is what will be asked, in a line.
type askedField struct {
	Label    string
	Optional bool
}

// sealedFields are the answers that go into one compartment, and who reads them.
type sealedFields struct {
	What   string
	Who    string
	Fields []string
}

type askPage struct {
	view.Shell
	Action    string
	Hidden    []view.Hidden
	Back      bool
	Steps     view.Steps
	Heading   string
	Lede      string
	Questions []question
	More      bool   // an answer has brought up questions
	Sealed    string // who will read the answer
	Skip      bool
	Submit    string
	Cancel    view.Link
}

type checkPage struct {
	view.Shell
	Action    string
	Hidden    []view.Hidden
	Rows      []checkRow
	Anonymous bool
	Named     bool // to the custodian alone
	Known     bool // to those who handle it
}

type checkRow struct {
	Key    string
	Lines  []string
	Sealed bool
	Change string // value of the button
}

// lostPage says that a draft could not be opened.
type lostPage struct {
	view.Shell
	Why    string
	Action string
}

var (
	lostView  = view.Page[lostPage]("public/lost")
	startView = view.Page[startPage]("public/start")
	askView   = view.Page[askPage]("public/ask")
	checkView = view.Page[checkPage]("public/check")
)

const answersForm = "answers"

func keepAnswers() view.Keep {
	return view.Keep{Form: answersForm, Name: ctlTo, Stay: "stay", Next: "next"}
}

// reportStart is the way in: straight to the only kind of report there is, or a choice between several.
func (s *Server) reportStart(w http.ResponseWriter, r *http.Request) error {
	p, err := s.rules()
	if err != nil {
		return err
	}
	kinds := p.ReportKinds()
	if name := r.PathValue("kind"); name != "" {
		k, err := reportKind(p, name)
		if err != nil {
			return err
		}
		return s.showStart(w, r, &draft{s: s, p: p, k: k, secret: intake.NewDraft()})
	}
	if len(kinds) == 1 {
		return s.showStart(w, r, &draft{s: s, p: p, k: kinds[0], secret: intake.NewDraft()})
	}
	say := words.From(r.Context())
	page := startPage{Shell: view.Shell{Title: say.T("public.nav.report"), Exit: true}, Heading: say.T("public.nav.report"), About: say.T("public.report.which")}
	if len(kinds) == 0 {
		page.About = say.T("public.report.nokind")
	}
	page.ComeForward = comeForward(say, p)
	for i, k := range kinds {
		page.Choose = append(page.Choose, view.Way{Link: view.Link{Text: say.Text(k.Label), Href: "/report/" + k.ID}, Text: say.Text(k.About), First: i == 0})
	}
	return startView.Show(s.site, w, r, page)
}

// comeForward leads an official who wants to tell of themselves to the form for that.
func comeForward(say *words.Speaker, p *pack.Pack) (out []view.Link) {
	for _, k := range p.DisclosureKinds() {
		out = append(out, view.Link{Text: say.Text(k.Label), Href: "/report/" + k.ID})
	}
	return out
}

func reportKind(p *pack.Pack, name string) (*pack.Kind, error) {
	if k := p.Kind(name); k != nil && k.Reports {
		return k, nil
	}
	return nil, fault.New(fault.NotFound, "fault.notfound", nil)
}

// draft is a report being written, as one request brings it.
type draft struct {
	*asker
	s      *Server
	p      *pack.Pack
	k      *pack.Kind
	secret string
	seen   string // the rules that the questions answered so far came from
	at     string // the field on the page
	from   string
	shown  []string // the questions that stood on the page of answers to check, and those asked since

	approach approach // how it is being written: see public_guard.go
}

func (d *draft) action() string { return "/report/" + d.k.ID }

// hidden is the sealed draft that the next page carries along: everything but the answers that stand on it.
func (d *draft) hidden(at string, onPage ...string) ([]view.Hidden, error) {
	carried := intake.Draft{Secret: d.secret, At: at, From: d.from, Shown: d.shown, Pack: d.p.ID()}
	if d.asker != nil {
		carried.Answers = url.Values{}
		for name, v := range d.sent {
			if v[0] != "" && !slices.ContainsFunc(onPage, func(f string) bool { return owns(f, name) }) {
				carried.Answers[name] = v[:1]
			}
		}
	}
	sealed, err := d.s.forms.Seal(d.k.ID, carried)
	return append([]view.Hidden{{Name: ctlDraft, Value: sealed}}, d.approach.hidden(d.s, d.secret)...), err
}

// opened is the draft that a form brings. A form without one begins anew, with what stands on it: what somebody has
// written is never thrown away for want of a hidden input.
func (s *Server) opened(p *pack.Pack, k *pack.Kind, form url.Values) (*draft, url.Values, error) {
	d := &draft{s: s, p: p, k: k, secret: intake.NewDraft(), at: form.Get(ctlAt)}
	onPage := answersIn(form, k)
	if !form.Has(ctlDraft) {
		return d, onPage, nil
	}
	carried, err := s.forms.Open(k.ID, form.Get(ctlDraft))
	if err != nil {
		return nil, nil, err
	}
	d.secret, d.seen, d.at, d.from, d.shown = carried.Secret, carried.Pack, carried.At, carried.From, carried.Shown
	sent := answersIn(carried.Answers, k)
	for name := range sent { // an answer that was taken back on the page is not answered by what was carried
		if d.at != "" && owns(d.at, name) {
			delete(sent, name)
		}
	}
	for name, v := range onPage {
		sent[name] = v
	}
	return d, sent, nil
}

// lostDraft says what became of a report whose page was changed on the way or is too old, and what to do. Nothing of it is kept.
func (s *Server) lostDraft(w http.ResponseWriter, r *http.Request, k *pack.Kind, why error) error {
	say := words.From(r.Context())
	page := lostPage{Shell: view.Shell{Title: say.T("public.lost.title"), Exit: true}, Action: "/report/" + k.ID, Why: say.T("public.lost.changed")}
	if errors.Is(why, intake.ErrOld) {
		page.Why = say.T("public.lost.old")
	}
	return lostView.ShowStatus(s.site, w, r, http.StatusUnprocessableEntity, page)
}

// asked are the fields that are asked, given what was answered so far, in the order of the pack.
func (d *draft) asked() ([]pack.Field, error) {
	return d.due(d.k, matter.State{Matter: matter.Row{Kind: d.k.ID}}, d.k.Fields, d.s.Now())
}

func indexOf(fields []pack.Field, id string) int {
	return slices.IndexFunc(fields, func(f pack.Field) bool { return f.ID == id })
}

// reportStep takes one step through the form: whatever button was pressed, with everything answered so far.
func (s *Server) reportStep(w http.ResponseWriter, r *http.Request) error {
	if err := form(r); err != nil {
		return err
	}
	p, err := s.rules()
	if err != nil {
		return err
	}
	k, err := reportKind(p, r.PathValue("kind"))
	if err != nil {
		return err
	}
	to := r.PostForm.Get(ctlTo)
	if to == "receipt" {
		return s.receiptAgain(w, r)
	}
	d, sent, err := s.opened(p, k, r.PostForm)
	if err != nil {
		return s.lostDraft(w, r, k, err)
	}
	d.approach = approachOf(r.PostForm)
	if to == "send" && s.crowded(r, d) {
		d.asker = &asker{sent: sent}
		return s.comeBack(w, r, d)
	}
	var answer func() error
	err = s.DB.Read(r.Context(), func(tx *store.Tx) error {
		tree, err := s.tree(r.Context(), tx)
		if err != nil {
			return err
		}
		d.asker = &asker{ctx: r.Context(), tx: tx, say: words.From(r.Context()), p: p, tree: tree, sent: sent, errors: map[string]string{}, self: k.Discloses}
		answer, err = d.step(w, r, to)
		return err
	})
	if err != nil {
		return err
	}
	return answer() // after the reading is done: sending writes
}

// answersIn keeps what belongs to a field of the kind, and drops everything else that was posted.
func answersIn(form url.Values, k *pack.Kind) url.Values {
	out := url.Values{}
	for name, v := range form {
		if slices.ContainsFunc(k.Fields, func(f pack.Field) bool { return owns(f.ID, name) }) {
			out[name] = slices.Clone(v)
		}
	}
	return out
}

func (d *draft) step(w http.ResponseWriter, r *http.Request, to string) (func() error, error) {
	fields, err := d.asked()
	if err != nil {
		return nil, err
	}
	if len(fields) == 0 {
		return nil, fault.New(fault.NotFound, "fault.notfound", nil)
	}
	at := indexOf(fields, d.at)
	if name, ok := strings.CutPrefix(to, "change:"); ok {
		if i := indexOf(fields, name); i >= 0 {
			d.from = "check"
			return d.question(w, r, fields, i, nil)
		}
	}
	switch {
	case to == "send":
		return d.send(w, r, fields)
	case d.at == "check" && to == "back":
		d.from, d.shown = "", nil
		return d.question(w, r, fields, len(fields)-1, nil)
	case d.at == "check":
		return d.check(w, r, fields)
	case at < 0 && to == "stay": // the start page, in another language
		return func() error { return d.s.showStart(w, r, d) }, nil
	case at < 0:
		return d.question(w, r, fields, 0, nil)
	case to == "stay" || d.press(to):
		return d.question(w, r, fields, at, nil)
	case to == "back" && d.from == "check":
		return d.check(w, r, fields)
	case to == "back" && at == 0:
		return func() error { return d.s.showStart(w, r, d) }, nil
	case to == "back":
		return d.question(w, r, fields, at-1, nil)
	case to == "skip" && !fields[at].Required:
		for name := range d.sent {
			if owns(fields[at].ID, name) {
				d.sent.Del(name)
			}
		}
	case d.searching(&fields[at]):
		return d.question(w, r, fields, at, nil)
	}
	if _, wrong, err := d.read(fields[at : at+1]); err != nil || len(wrong) > 0 {
		if err != nil {
			return nil, err
		}
		return d.question(w, r, fields, at, fault.InvalidFields(wrong))
	}
	// An answer may bring up questions, or make some void.
	done := fields[at].ID
	if fields, err = d.asked(); err != nil {
		return nil, err
	}
	if d.from == "check" {
		if i := d.broughtUp(fields); i >= 0 {
			return d.question(w, r, fields, i, nil)
		}
	}
	if d.from == "check" || indexOf(fields, done)+1 >= len(fields) {
		return d.check(w, r, fields)
	}
	return d.question(w, r, fields, indexOf(fields, done)+1, nil)
}

// broughtUp is the first question that was not there when the answers were checked, and has not been asked since: a changed
// answer has brought it up. It is -1 if there is none.
func (d *draft) broughtUp(fields []pack.Field) int {
	if len(d.shown) == 0 {
		return -1 // nothing was checked yet: see firstWrong
	}
	return slices.IndexFunc(fields, func(f pack.Field) bool { return !slices.Contains(d.shown, f.ID) })
}

// question shows one question; with what is wrong about its answer, if something is.
func (d *draft) question(w http.ResponseWriter, r *http.Request, fields []pack.Field, at int, failure error) (func() error, error) {
	f := &fields[at]
	if d.from == "check" && len(d.shown) > 0 && !slices.Contains(d.shown, f.ID) {
		d.shown = append(d.shown, f.ID)
	}
	page := askPage{
		Shell:  view.Shell{Title: d.label(f), Exit: true, Keep: keepAnswers()},
		Action: d.action(), Back: true, Steps: view.Steps{N: at + 1, Total: len(fields)}, Skip: !f.Required,
	}
	if f.Sealed != "" {
		page.Sealed = compartmentOf(d.say, f.Sealed).who
	}
	status := http.StatusOK
	if failure != nil {
		status = http.StatusUnprocessableEntity
		page.Errors = d.fail(failure, f)
	}
	var err error
	if page.Hidden, err = d.hidden(f.ID, f.ID); err != nil {
		return nil, err
	}
	q, err := d.ask(f, true)
	if err != nil {
		return nil, err
	}
	page.Questions = []question{q}
	return func() error { return askView.ShowStatus(d.s.site, w, r, status, page) }, nil
}

// fail keeps what is wrong for the questions, and makes the summary that leads to them.
func (a *asker) fail(err error, fields ...*pack.Field) view.ErrorSummary {
	said := a.say.Fault(err)
	var sum view.ErrorSummary
	for _, wrong := range said.Fields {
		if a.errors[wrong.Name] == "" {
			a.errors[wrong.Name] = wrong.Message
		}
		sum.Items = append(sum.Items, view.Link{Text: wrong.Message, Href: "#" + anchor(wrong.Name, fields)})
	}
	if len(said.Fields) == 0 {
		sum.Items = append(sum.Items, view.Link{Text: said.Message})
	}
	return sum
}

// anchor is the id of the control that an error about an input leads to.
func anchor(name string, fields []*pack.Field) string {
	for _, f := range fields {
		switch {
		case f.ID != name:
		case f.Type == pack.TypeDate:
			return name + "-day"
		case f.Type == pack.TypeBody || f.Type == pack.TypeOfficial || f.Type == pack.TypeConduct || f.Type == pack.TypeAllegations || f.Type == pack.TypeCheck:
			return name + "-question"
		}
	}
	if strings.HasSuffix(name, ".time") {
		return name + "-day"
	}
	return name
}

// check shows all answers before they are sent. What is missing is asked first.
func (d *draft) check(w http.ResponseWriter, r *http.Request, fields []pack.Field) (func() error, error) {
	values, wrong, err := d.read(fields)
	if err != nil {
		return nil, err
	}
	if len(wrong) > 0 {
		return d.firstWrong(w, r, fields, wrong)
	}
	page, err := d.checkPage(fields, values)
	if err != nil {
		return nil, err
	}
	return func() error { return checkView.Show(d.s.site, w, r, page) }, nil
}

// firstWrong leads to the first question whose answer is wrong.
func (d *draft) firstWrong(w http.ResponseWriter, r *http.Request, fields []pack.Field, wrong []fault.Field) (func() error, error) {
	for i := range fields {
		var own []fault.Field
		for _, x := range wrong {
			if owns(fields[i].ID, x.Name) {
				own = append(own, x)
			}
		}
		if len(own) > 0 {
			d.from = "check"
			return d.question(w, r, fields, i, fault.InvalidFields(own))
		}
	}
	return nil, fault.InvalidFields(wrong)
}

func (d *draft) checkPage(fields []pack.Field, values matter.Values) (checkPage, error) {
	d.from, d.shown = "", nil
	for i := range fields {
		d.shown = append(d.shown, fields[i].ID)
	}
	page := checkPage{
		Shell:  view.Shell{Title: d.say.T("public.check.title"), Exit: true, Keep: view.Keep{Form: answersForm, Name: ctlTo, Stay: "stay"}},
		Action: d.action(), Anonymous: anonymous(fields, values),
	}
	var err error
	if page.Hidden, err = d.hidden("check"); err != nil {
		return page, err
	}
	page.Known = slices.ContainsFunc(fields, func(f pack.Field) bool {
		return (f.Type == pack.TypeName || f.Type == pack.TypeContact) && f.Sealed != "identity" && values[f.ID] != nil
	})
	page.Named = !page.Anonymous && !page.Known
	if d.k.Discloses { // who comes forward says so in the clear, to the desk
		page.Anonymous = !slices.ContainsFunc(fields, func(f pack.Field) bool { return f.Type == pack.TypeOfficial && values[f.ID] != nil })
	}
	for i := range fields {
		f := &fields[i]
		lines, err := d.answer(f, values[f.ID])
		if err != nil {
			return page, err
		}
		page.Rows = append(page.Rows, checkRow{Key: d.label(f), Lines: lines, Sealed: f.Sealed != "", Change: "change:" + f.ID})
	}
	return page, nil
}

// anonymous reports whether nothing was given that says who the reporter is.
func anonymous(fields []pack.Field, values matter.Values) bool {
	return !slices.ContainsFunc(fields, func(f pack.Field) bool {
		_, given := values[f.ID]
		return given && (f.Type == pack.TypeName || f.Type == pack.TypeContact)
	})
}

// send records the report and shows the receipt. Everything is checked once more; the same report sent again finds
// itself recorded and shows the same receipt.
func (d *draft) send(w http.ResponseWriter, r *http.Request, fields []pack.Field) (func() error, error) {
	values, wrong, err := d.read(fields)
	if err != nil {
		return nil, err
	}
	if len(wrong) > 0 {
		return d.firstWrong(w, r, fields, wrong)
	}
	code, err := intake.CodeFor(d.secret, d.k.ID, values)
	if err != nil {
		return nil, err
	}
	page, err := d.checkPage(fields, values) // should it be needed: the register is not read again
	if err != nil {
		return nil, err
	}
	return func() error {
		cmd := matter.OpenCmd{Kind: d.k.ID, Fields: values, Actor: journal.Actor{Duty: d.p.DutyOf(pack.ActorReporter)}, Via: journal.ViaWeb,
			Code: code, Anonymous: anonymous(fields, values), Seen: d.seen}
		st, err := d.s.admitted(r, d, code, cmd)
		if err == nil {
			return d.s.reportReceipt(w, r, st, code)
		}
		return d.s.notSent(w, r, d, page, err)
	}, nil
}

// file opens the matter, unless it is there already.
func (s *Server) file(ctx context.Context, code ref.ReceiptCode, cmd matter.OpenCmd, also ...filed) (st matter.State, err error) {
	// Two of the first reports of an office may both make the key of a desk; the second finds it made.
	for range 3 {
		if st, err = s.fileOnce(ctx, code, cmd, also...); !fault.Is(err, fault.Conflict) {
			break
		}
	}
	if err == nil {
		return st, nil
	}
	// Two requests at the same instant, or a reply that was lost after the record was made: then it is there.
	var there matter.State
	if again := s.DB.Read(ctx, func(tx *store.Tx) (e error) { there, e = s.Engine.ByChannel(ctx, tx, code); return e }); again == nil {
		return there, nil
	}
	return st, err
}

func (s *Server) fileOnce(ctx context.Context, code ref.ReceiptCode, cmd matter.OpenCmd, also ...filed) (st matter.State, err error) {
	if cmd, err = s.Engine.Prepare(ctx, cmd); err != nil {
		return st, err
	}
	err = s.DB.Tx(ctx, func(tx *store.Tx) error {
		st, err = s.Engine.ByChannel(ctx, tx, code)
		if !fault.Is(err, fault.NotFound) {
			return err
		}
		if st, err = s.Engine.Open(ctx, tx, cmd); err != nil {
			return err
		}
		for _, write := range also {
			if err := write(ctx, tx, st.Matter.ID); err != nil {
				return err
			}
		}
		return nil
	})
	return st, err
}

// notSent keeps everything that was written, and says what is to be done.
func (s *Server) notSent(w http.ResponseWriter, r *http.Request, d *draft, page checkPage, err error) error {
	var f *fault.Error
	if errors.As(err, &f) && f.Kind == fault.Invalid && len(f.Fields) > 0 {
		var answer func() error
		readErr := s.DB.Read(r.Context(), func(tx *store.Tx) error {
			d.tx = tx
			fields, err := d.asked()
			if err == nil {
				answer, err = d.firstWrong(w, r, fields, f.Fields)
			}
			return err
		})
		if readErr == nil {
			return answer()
		}
		if !fault.Is(readErr, fault.Invalid) {
			return readErr
		}
	}
	if busy(w, err) || fault.Is(err, fault.Invalid) || fault.Is(err, fault.Conflict) || fault.Is(err, fault.Forbidden) || fault.Is(err, fault.NotFound) {
		page.Errors = d.asker.fail(s.explained(r, err))
	} else {
		s.Log.ErrorContext(r.Context(), "a report was not recorded", "cause", err.Error())
		page.Errors.Items = []view.Link{{Text: d.say.T("public.report.notsent")}}
	}
	return checkView.ShowStatus(s.site, w, r, view.Status(err), page)
}

// showStart says what will be asked and what becomes of it, before anything is asked.
func (s *Server) showStart(w http.ResponseWriter, r *http.Request, d *draft) error {
	say := words.From(r.Context())
	page := startPage{
		Shell:   view.Shell{Title: say.T("public.nav.report"), Exit: true},
		Heading: say.T("public.nav.report"), About: say.Text(d.k.About), Action: d.action(),
	}
	if d.asker != nil { // somebody came back to the start: what they answered goes along
		page.Keep = keepAnswers()
	}
	d.from = ""
	var err error
	if page.Hidden, err = d.hidden(""); err != nil {
		return err
	}
	if len(d.p.ReportKinds()) > 1 || d.k.Discloses {
		page.Heading = say.Text(d.k.Label)
		page.Back = view.Link{Href: "/report"}
	}
	if !d.k.Discloses {
		page.ComeForward = comeForward(say, d.p)
	}
	for i := range d.k.Fields {
		f := &d.k.Fields[i]
		if !asksPublic(f) {
			continue
		}
		label := say.Text(f.Label)
		page.Asked = append(page.Asked, askedField{Label: label, Optional: !f.Required})
		if f.Sealed == "" {
			page.Clear = append(page.Clear, label)
			continue
		}
		c := compartmentOf(say, f.Sealed)
		j := slices.IndexFunc(page.Sealed, func(x sealedFields) bool { return x.What == c.what })
		if j < 0 {
			page.Sealed = append(page.Sealed, sealedFields{What: c.what, Who: c.who})
			j = len(page.Sealed) - 1
		}
		page.Sealed[j].Fields = append(page.Sealed[j].Fields, label)
	}
	for _, e := range d.p.Elsewhere {
		if e.Emergency {
			page.Elsewhere = append(page.Elsewhere, help{Who: say.Text(e.Label), How: say.Text(e.Contact)})
		}
	}
	return startView.Show(s.site, w, r, page)
}
