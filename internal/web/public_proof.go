package web

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"plumbline/internal/access"
	"plumbline/internal/fault"
	"plumbline/internal/ledger"
	"plumbline/internal/matter"
	"plumbline/internal/ref"
	"plumbline/internal/store"
	"plumbline/internal/web/view"
	"plumbline/internal/words"
	"plumbline/verify"
)

// Receipts for reporters. There are two ways to one: from the page that said the code, by posting it, and from the page of
// a report that is open in this browser.

// proofDoor is the way by which somebody came to a receipt: where its buttons lead and what they carry.
type proofDoor struct {
	page, file string
	get        bool
	hidden     []view.Hidden
}

var visitDoor = proofDoor{page: "/follow/proof", file: "/follow/proof/file", get: true}

func codeDoor(code ref.ReceiptCode) proofDoor {
	return proofDoor{page: "/receipt/proof", file: "/receipt/proof/file", hidden: []view.Hidden{{Name: ctlCode, Value: string(code)}}}
}

// ask is what of the report a receipt is wanted for.
type proofAsk struct {
	n     int64
	words bool // with what the reporter wrote
}

// hiddenInputs carry an ask along in a form.
func (d proofDoor) hiddenInputs(a proofAsk) []view.Hidden {
	out := append(slices.Clone(d.hidden), view.Hidden{Name: "n", Value: strconv.FormatInt(a.n, 10)})
	if a.words {
		out = append(out, view.Hidden{Name: "words", Value: "yes"})
	}
	return out
}

// proofAskOf reads which entry is meant: the first, unless another is named.
func proofAskOf(q url.Values) (proofAsk, error) {
	a := proofAsk{n: 1, words: q.Get("words") == "yes"}
	if s := q.Get("n"); s != "" {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil || n < 1 {
			return a, fault.New(fault.NotFound, "fault.notfound", nil)
		}
		a.n = n
	}
	return a, nil
}

// receiptProof shows the receipt of a report whose code is posted, or sends it as a file.
func (s *Server) receiptProof(w http.ResponseWriter, r *http.Request) error {
	if err := form(r); err != nil {
		return err
	}
	_, code, err := s.byPostedCode(r)
	if err != nil {
		return err
	}
	return s.reporterProof(w, r, code, codeDoor(code), r.PostForm)
}

// followProof does the same for the report that is open in this browser.
func (s *Server) followProof(w http.ResponseWriter, r *http.Request) error {
	code, err := s.visited(r)
	if err != nil {
		return s.visitOver(w, r, err)
	}
	return s.reporterProof(w, r, code, visitDoor, r.URL.Query())
}

// reporterProof waits for the newest checkpoint to cover the report, and shows the receipt.
func (s *Server) reporterProof(w http.ResponseWriter, r *http.Request, code ref.ReceiptCode, door proofDoor, q url.Values) error {
	ctx, say := r.Context(), words.From(r.Context())
	a, err := proofAskOf(q)
	if err != nil {
		return err
	}
	var st matter.State
	if err := s.DB.Read(ctx, func(tx *store.Tx) (err error) { st, err = s.Engine.ByChannel(ctx, tx, code); return err }); err != nil {
		return err
	}
	var page *reporterReceipt
	if err = s.settled(ctx, st.Matter.ID.Stream(), st.Matter.N); err == nil {
		err = s.DB.Read(ctx, func(tx *store.Tx) (err error) { page, err = s.reporterReceipt(ctx, tx, say, code, a); return err })
	}
	switch {
	case notYet(err):
		later := proofLater{Shell: view.Shell{Title: say.T("proof.later.title"), Exit: true}, Get: door.get, Action: r.URL.Path, Hidden: door.hiddenInputs(a)}
		w.Header().Set("Retry-After", "2")
		return proofLaterView.ShowStatus(s.site, w, r, http.StatusServiceUnavailable, later)
	case err != nil:
		return err
	case r.URL.Path == door.file:
		return sendProof(w, "proof.txt", page.receipt)
	}
	return proofView.Show(s.site, w, r, page.page(r, door, a))
}

// reporterReceipt is a receipt with the report it is about.
type reporterReceipt struct {
	*reporterView
	n           int64
	checkpoint  ledger.Checkpoint
	receipt     verify.Receipt
	facts       []view.SummaryRow
	fingerprint []string
	closed      []string        // what the reporter wrote and their code does not open
	forward     *matter.Forward // of an official who came forward; its leads only where they may be known
	quiet       bool            // … and they may not
}

func (s *Server) reporterReceipt(ctx context.Context, tx *store.Tx, say *words.Speaker, code ref.ReceiptCode, a proofAsk) (*reporterReceipt, error) {
	v, err := s.reporterView(ctx, tx, say, code)
	if err != nil {
		return nil, err
	}
	p := &reporterReceipt{reporterView: v, n: a.n}
	i := slices.IndexFunc(v.history, func(e matter.Event) bool { return e.N == a.n })
	if i < 0 || !v.own(v.history[i]) || a.words && !v.byReporter(v.history[i].Entry) {
		return nil, fault.New(fault.NotFound, "fault.notfound", nil)
	}
	if p.checkpoint, err = s.Ledger.Latest(ctx, tx); err != nil {
		return nil, err
	}
	want := ledger.Want{Stream: v.st.Matter.ID.Stream(), N: a.n, Whole: a.words, Steps: steps(v.history, a.n, p.checkpoint.Size, v.mayKnow)}
	if p.forward, err = s.forwardOf(ctx, tx, v.st); err != nil {
		return nil, err
	}
	if f := p.forward; f != nil {
		// Whoever came forward learns of a lead only when the office is sure who they are, and they were told of the
		// proceeding anyway. Until then their receipt is the same whether there is a lead or not.
		p.quiet = !f.Confirmed || !f.Noticed
		if _, lead := f.Order(); !p.quiet && lead.Place > 0 && uint64(lead.Place) <= p.checkpoint.Size {
			want.Steps = append(want.Steps, ledger.Step{Stream: lead.Matter.Stream(), N: lead.N, As: verify.AsLead})
		}
	}
	if p.receipt, err = s.Ledger.ReceiptAt(ctx, tx, p.checkpoint, want); err != nil {
		return nil, err
	}
	var open map[string]verify.Said
	open, p.closed = said(v.opener, v.history[i].Entry, func(string) bool { return true })
	saying(&p.receipt, open)
	p.facts, p.fingerprint = s.checkpointFacts(say, p.checkpoint, p.receipt)
	return p, nil
}

// own reports whether an entry is the reporter's: the report itself, whoever wrote it down, and what they sent since.
func (v *reporterView) own(e matter.Event) bool { return e.N == 1 || v.byReporter(e.Entry) }

// mayKnow reports whether the reporter is told of an entry anyway: its step is then opened in receipts. That a time limit
// ran out is always opened, whatever the pack says of the rest: silence must be provable.
func (v *reporterView) mayKnow(e matter.Event) bool {
	if v.own(e) || e.Action == matter.ActionMissed {
		return true
	}
	if v.hidden(e) {
		return false
	}
	if _, message := e.Sealed[access.Reporter]; message {
		return true
	}
	if _, told := v.event(e); told {
		return true
	}
	_, opened := v.opening(e)
	return opened
}

func (p *reporterReceipt) page(r *http.Request, door proofDoor, a proofAsk) proofPage {
	say, s := p.say, p.s
	e := p.history[slices.IndexFunc(p.history, func(e matter.Event) bool { return e.N == p.n })]
	page := proofPage{
		Shell:   view.Shell{Title: say.T("proof.title"), Exit: true, Back: view.Link{Href: "/follow"}},
		Heading: say.T("proof.title"), Lede: say.T("proof.lede"), Fingerprint: p.fingerprint,
	}
	if !door.get {
		page.Back = view.Link{} // behind it lies the page with the code, which a link would lose
	}
	if p.n != 1 {
		page.Heading = say.T("proof.title.message")
		page.Title = page.Heading
	}
	page.Facts.Rows = append([]view.SummaryRow{
		{Key: say.T("public.reference"), Value: string(p.st.Matter.Ref)},
		{Key: say.T("proof.recorded"), Value: say.Time(e.At, s.Office.Zone())},
	}, p.facts...)
	p.steps(&page)
	if p.forward != nil {
		page.Order = orderNote(say, *p.forward)
		if p.quiet {
			page.Order = &view.Note{Title: say.T("forward.title"), Text: say.T("forward.quiet", "told", p.forward.Disclosure.Told.Place)}
		}
	}
	page.QR, page.QRText = s.proofQR(r, say, p.receipt)
	page.Save = []proofSave{
		{Button: say.T("proof.save"), Text: say.T("proof.save.text"), Get: door.get, Action: door.file, Hidden: door.hiddenInputs(proofAsk{n: p.n})},
	}
	if p.byReporter(e.Entry) { // what staff wrote down on somebody's behalf holds who they are
		save := proofSave{Button: say.T("proof.save.words"), Text: say.T("proof.save.words.text"), Get: door.get, Action: door.file,
			Hidden: door.hiddenInputs(proofAsk{p.n, true}), Quiet: true}
		switch {
		case e.Action == matter.ActionAttach:
			save.Button, save.Text = say.T("files.proof.receipt"), say.T("proof.save.file.text")
		case len(p.closed) > 0:
			save.Text += " " + say.T("proof.save.words.closed")
		}
		page.Save = append(page.Save, save)
	}
	if door.get {
		for _, other := range p.history {
			if p.own(other) && other.N != p.n {
				page.Others = append(page.Others, view.Link{Text: say.T("proof.other", "what", p.what(other), "time", say.Time(other.At, s.Office.Zone())), Href: door.page + "?n=" + strconv.FormatInt(other.N, 10)})
			}
		}
	}
	return page
}

// what names an entry for its reporter.
func (p *reporterReceipt) what(e matter.Event) string {
	if e.N == 1 {
		return p.say.T("proof.step.report")
	}
	if e.Action == matter.ActionAttach {
		return p.say.T("files.step")
	}
	if ev, ok := p.event(e); ok {
		return ev.Title
	}
	if a := p.k.Action(e.Action); a != nil {
		return p.say.Text(a.Label)
	}
	return p.say.T("proof.step.other")
}

// steps lists what the receipt shows of the report, and says what follows from the numbers.
func (p *reporterReceipt) steps(page *proofPage) {
	say, zone := p.say, p.s.Office.Zone()
	untold, last := 0, int64(0)
	for _, e := range p.history {
		if !covered(e, p.checkpoint.Size) {
			continue
		}
		last = e.N
		step := proofStep{N: e.N, Position: uint64(e.Index), Told: p.mayKnow(e)}
		if !step.Told {
			untold++
			step.What = say.T("proof.step.untold")
			page.Steps = append(page.Steps, step)
			continue
		}
		step.What, step.At = p.what(e), e.At
		if e.Action == matter.ActionMissed {
			for _, limit := range p.missed(e) {
				page.Missed = append(page.Missed, say.T("proof.missed", "limit", limit, "time", say.Time(e.At, zone), "n", e.Index))
			}
			step.What, step.Tag = say.T("public.told.missed"), &view.Tag{Tone: view.Bad, Text: strings.Join(p.missed(e), say.T("words.list.comma"))}
		}
		page.Steps = append(page.Steps, step)
	}
	switch {
	case last == 1:
		page.Complete = say.T("proof.complete.one", "time", say.Time(p.checkpoint.At, zone))
	case untold == 0:
		page.Complete = say.T("proof.complete.all", "n", last)
	default:
		page.Complete = say.N("proof.complete.untold", int64(untold))
	}
}

// missed names the time limits that ran out by an entry.
func (p *reporterReceipt) missed(e matter.Event) (out []string) {
	for _, c := range e.Consequences {
		if t, ok := c.(*matter.Ticked); ok && t.State == matter.ClockMissed {
			name := t.ID
			if pc := p.k.Clock(t.ID); pc != nil {
				name = p.say.Text(pc.Label)
			}
			out = append(out, name)
		}
	}
	return out
}
