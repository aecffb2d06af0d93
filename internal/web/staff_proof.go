package web

import (
	"context"
	"net/http"
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

// Receipts for those who work on a matter: of every entry that they see, to keep, to print with a decision, to hand on.

// proofHref leads to the receipt of an entry.
func (d *dossier) proofHref(n int64) string { return d.at("proof", strconv.FormatInt(n, 10)) }

// maySay reports whether the reader may read a compartment of an entry, and so hand on what it says.
func (d *dossier) maySay(e matter.Event, compartment string) bool {
	return d.mayOpen(compartment) && (compartment != access.Identity || !d.superseded(e.N))
}

// mayHandOut reports whether the exact bytes of an entry may be handed out: what the reader may not read stands in them as
// ciphertext. In records from before there was encryption it stands in the clear.
func (d *dossier) mayHandOut(e matter.Event) bool {
	for compartment, raw := range e.Sealed {
		if sealed, err := matter.Ciphertext(raw); (err != nil || len(sealed) == 0) && !d.maySay(e, compartment) {
			return false
		}
	}
	return true
}

// staffProof shows the receipt of one entry, or sends it as a file.
func (s *Server) staffProof(w http.ResponseWriter, r *http.Request) error {
	n, err := pathID(r, "n")
	if err != nil {
		return err
	}
	ctx, say := r.Context(), words.From(r.Context())
	var stream string
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		d, err := s.dossier(ctx, tx, viewer(r), say, r.PathValue("ref"))
		if err == nil {
			stream = d.state.Matter.ID.Stream()
			_, err = d.entry(n)
		}
		return err
	})
	if err != nil {
		return err
	}
	file := strings.HasSuffix(r.URL.Path, "/file")
	whole := r.URL.Query().Get("words") == "yes"
	var page proofPage
	var receipt verify.Receipt
	var d *dossier
	if err = s.settled(ctx, stream, n); err == nil {
		err = s.DB.Read(ctx, func(tx *store.Tx) (err error) {
			if d, err = s.dossier(ctx, tx, viewer(r), say, r.PathValue("ref")); err == nil {
				page, receipt, err = d.proof(ctx, tx, n, whole)
			}
			return err
		})
	}
	switch {
	case notYet(err):
		w.Header().Set("Retry-After", "2")
		return proofLaterView.ShowStatus(s.site, w, r, http.StatusServiceUnavailable, proofLater{
			Shell: view.Shell{Title: say.T("proof.later.title"), Staff: true}, Get: true, Action: r.URL.Path})
	case err != nil:
		return err
	case file:
		return sendProof(w, string(d.state.Matter.Ref)+"-"+strconv.FormatInt(n, 10)+"-proof.txt", receipt)
	}
	page.QR, page.QRText = s.proofQR(r, say, receipt)
	return proofView.Show(s.site, w, r, page)
}

func (d *dossier) entry(n int64) (matter.Event, error) {
	i := slices.IndexFunc(d.history, func(e matter.Event) bool { return e.N == n })
	if i < 0 {
		return matter.Event{}, fault.New(fault.NotFound, "fault.notfound", nil)
	}
	return d.history[i], nil
}

// proof is the receipt of one entry and its page. With whole, the exact bytes are opened, and of what is sealed in them
// what the reader has opened.
func (d *dossier) proof(ctx context.Context, tx *store.Tx, n int64, whole bool) (page proofPage, receipt verify.Receipt, err error) {
	s, say, m := d.s, d.say, d.state.Matter
	e, err := d.entry(n)
	if err != nil {
		return page, receipt, err
	}
	if whole && !d.mayHandOut(e) {
		return page, receipt, fault.New(fault.Forbidden, "proof.sealed", nil)
	}
	c, err := s.Ledger.Latest(ctx, tx)
	if err != nil {
		return page, receipt, err
	}
	if receipt, err = s.Ledger.ReceiptAt(ctx, tx, c, ledger.Want{Stream: e.Stream, N: n, Whole: whole}); err != nil {
		return page, receipt, err
	}
	open, closed := said(d.opener, e.Entry, func(compartment string) bool { return d.maySay(e, compartment) })
	saying(&receipt, open)
	ev := d.event(e)
	page = proofPage{
		Shell: view.Shell{Title: say.T("proof.staff.title", "ref", string(m.Ref)), Staff: true,
			Crumbs: crumbs(say, view.Link{Text: string(m.Ref), Href: d.at()}, view.Link{Text: say.T("staff.tab.timeline"), Href: d.at("timeline")})},
		Heading: say.T("proof.staff.heading", "what", ev.Title), Lede: say.T("proof.staff.lede"), Letter: say.T("proof.staff.letter"),
	}
	page.Facts.Rows = []view.SummaryRow{
		{Key: say.T("staff.reference"), Value: string(m.Ref)},
		{Key: say.T("proof.staff.step"), Value: ev.Title},
		{Key: say.T("proof.staff.by"), Value: ev.By},
		{Key: say.T("proof.staff.number"), Value: say.T("proof.staff.number.of", "n", n, "size", m.N)},
		{Key: say.T("proof.recorded"), Value: say.Time(e.At, s.Office.Zone())},
	}
	rows, fingerprint := s.checkpointFacts(say, c, receipt)
	page.Facts.Rows, page.Fingerprint = append(page.Facts.Rows, rows...), fingerprint
	file := d.at("proof", strconv.FormatInt(n, 10), "file")
	page.Save = []proofSave{{Button: say.T("proof.save"), Text: say.T("proof.staff.save"), Get: true, Action: file}}
	if d.mayHandOut(e) {
		save := proofSave{Button: say.T("proof.staff.save.whole"), Text: say.T("proof.staff.save.whole.text"), Get: true, Action: file,
			Hidden: []view.Hidden{{Name: "words", Value: "yes"}}, Quiet: true}
		switch {
		case e.Action == matter.ActionAttach:
			save.Text = say.T("proof.save.file.text")
		case len(closed) > 0:
			var parts []string
			for _, c := range closed {
				parts = append(parts, compartmentName(say, c))
			}
			save.Text += " " + say.T("proof.staff.save.whole.closed", "parts", say.List(parts))
		}
		page.Save = append(page.Save, save)
	}
	return page, receipt, nil
}

// loadForward looks up what came first for the official whom the matter is about: on the matter by which they came
// forward, and on every other one about them. Of leads, and of disclosures, it tells what the reader may see anyway.
func (d *dossier) loadForward(ctx context.Context, tx *store.Tx) error {
	if d.state.Matter.Subject == 0 || d.kind == nil {
		return nil
	}
	disclosed := []matter.State{d.state}
	if !d.kind.Discloses {
		var err error
		if disclosed, err = d.s.Engine.Disclosures(ctx, tx, d.state); err != nil {
			return err
		}
	}
	sees := func(id ref.MatterID) (bool, error) {
		if id == d.state.Matter.ID {
			return true, nil
		}
		f, err := d.s.Engine.FactsOf(ctx, tx, id)
		return err == nil && access.CanSee(d.v, f), err
	}
	for _, st := range disclosed {
		if ok, err := sees(st.Matter.ID); err != nil || !ok {
			if err != nil {
				return err
			}
			continue
		}
		f, err := d.s.forwardOf(ctx, tx, st)
		if err != nil || f == nil {
			return err
		}
		known, err := f.Known(sees)
		if err != nil {
			return err
		}
		d.forward, d.forwardBy = &known, st.Matter
		if _, lead := known.Order(); lead.Matter != 0 {
			other, err := d.s.Engine.Load(ctx, tx, lead.Matter)
			if err != nil {
				return err
			}
			d.forwardLead = other.Matter
		}
		return nil
	}
	return nil
}

// cameForward tells it on the page of the matter.
func (d *dossier) cameForward() (section, bool) {
	if d.forward == nil {
		return section{}, false
	}
	say := d.say
	out := section{Heading: say.T("forward.title"), Note: orderNote(say, *d.forward), Quiet: say.T("forward.staff.hint")}
	out.Note.Title = ""
	if by := d.forwardBy; by.ID != d.state.Matter.ID {
		out.Links = append(out.Links, view.Link{Text: say.T("forward.staff.disclosure", "ref", string(by.Ref)), Href: matterHref(by.Ref)})
	} else if !d.forward.Confirmed {
		out.Warn = say.T("forward.staff.unconfirmed")
	}
	if lead := d.forwardLead; lead.ID != 0 && lead.ID != d.state.Matter.ID {
		out.Links = append(out.Links, view.Link{Text: say.T("forward.staff.lead", "ref", string(lead.Ref)), Href: matterHref(lead.Ref)})
	}
	return out, true
}
