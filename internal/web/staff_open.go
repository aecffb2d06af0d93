package web

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"plumbline/internal/access"
	"plumbline/internal/fault"
	"plumbline/internal/matter"
	"plumbline/internal/pack"
	"plumbline/internal/store"
	"plumbline/internal/web/view"
	"plumbline/internal/words"
)

// Looking at a page opens nothing. What is sealed in a matter is opened by a step of its own, which is recorded with its
// reason before anything is shown, and then stays open to that person for the rest of a working day.

// openFor is how long what was opened stays open: as long as a session lasts at most.
const openFor = 12 * time.Hour

// reasons are why somebody opens what is sealed. Whoever works on the matter need not say more.
var reasons = []string{"work", "supervise", "asked", "other"}

// sealedParts are the compartments in the order in which pages show them.
var sealedParts = []string{access.File, access.Reporter, access.Respondent, access.Identity}

// lawful reports whether the reader may open a compartment: what package access says, whatever their keys do.
func (d *dossier) lawful(compartment string) bool {
	return d.kind != nil && access.MayOpen(d.v, d.kind, d.facts, compartment) == nil
}

// mayOpen reports whether the reader may read a compartment on this page: they may open it, can, and have said that they do.
// The identity has a step of the procedure for that.
func (d *dossier) mayOpen(compartment string) bool {
	if !d.lawful(compartment) || !d.opener.Has(compartment) {
		return false
	}
	if compartment == access.Identity {
		return d.identityOpened()
	}
	return slices.ContainsFunc(d.readings, func(r matter.Reading) bool {
		return r.By.Account == d.v.Account && d.v.Account != 0 && slices.Contains(r.Compartments, compartment) && d.s.Now().Sub(r.At) < openFor
	})
}

// openable are the compartments that a press of a button would open to the reader.
func (d *dossier) openable() (out []string) {
	for _, c := range sealedParts {
		if c != access.Identity && d.lawful(c) && d.opener.Has(c) && !d.mayOpen(c) {
			out = append(out, c)
		}
	}
	return out
}

// keyless reports whether the reader may open a compartment, and their keys do not: a colleague has to let them in.
func (d *dossier) keyless(compartment string) bool {
	return d.lawful(compartment) && d.opener.Exists(compartment) && !d.opener.Has(compartment)
}

// locked is a sealed part that stays shut for now: who can open it, or the button that does.
func (d *dossier) locked(what, compartment string) view.SealedPart {
	part := view.SealedPart{What: what, Who: d.say.T("staff.sealed.custodian")}
	if d.kind != nil && compartment != access.Identity {
		part.Who = d.say.List(d.s.duties(d.say, d.ofPeople(access.Openers(d.kind, d.facts, compartment))))
	}
	switch {
	case d.keyless(compartment):
		part.Who = d.say.T("staff.sealed.keyless")
	case slices.Contains(d.openable(), compartment):
		part.Post = d.at("open")
		part.Hide = []view.Hidden{{Name: "back", Value: d.here}}
		if d.works() {
			part.Hide = append(part.Hide, view.Hidden{Name: "reason", Value: "work"})
		}
	}
	return part
}

// ofPeople leaves out the duties that nobody here holds: the reporter's, the system's.
func (d *dossier) ofPeople(duties []string) []string {
	return slices.DeleteFunc(slices.Clone(duties), func(id string) bool {
		x := d.pack.Duty(id)
		return x != nil && x.Actor != "" && x.Actor != pack.ActorAccount
	})
}

// works reports whether the matter is the reader's own work: it lies on their desk, or they are involved.
func (d *dossier) works() bool {
	if slices.Contains(d.facts.Assigned, d.v.Account) || slices.Contains(d.facts.Acted, d.v.Account) {
		return true
	}
	return slices.ContainsFunc(d.v.Grants, func(g access.Grant) bool { return g.Duty == d.facts.Desk && g.Body == d.facts.DeskBody })
}

func (s *Server) openForm(say *words.Speaker, d *dossier, back string) formPage {
	in := choices(view.Input{Name: "reason", Label: say.T("staff.open.reason"), Size: "s"}, nil)
	for _, r := range reasons {
		in.Options = append(in.Options, view.Option{Value: r, Text: say.T("staff.open.reason." + r)})
	}
	return formPage{
		Shell:   view.Shell{Title: say.T("staff.open.title"), Staff: true, Crumbs: crumbs(say, view.Link{Text: string(d.state.Matter.Ref), Href: d.at()})},
		Heading: say.T("staff.open.title"), Lede: say.T("staff.open.lede"),
		Form: view.Form{Action: d.at("open"), Submit: say.T("staff.open.submit"), Hidden: []view.Hidden{{Name: "back", Value: back}},
			Inputs: []view.Input{in, {Kind: view.Textarea, Name: "why", Label: say.T("staff.open.why"), Hint: say.T("staff.open.why.hint"), Size: "s", Rows: 3}},
			Cancel: view.Link{Text: say.T("ui.cancel"), Href: d.at()}},
	}
}

// openSealed opens what is sealed in a matter, as far as the reader may and can, and records it.
func (s *Server) openSealed(w http.ResponseWriter, r *http.Request) error {
	if err := form(r); err != nil {
		return err
	}
	ctx, say := r.Context(), words.From(r.Context())
	reason, why := r.PostForm.Get("reason"), strings.TrimSpace(r.PostForm.Get("why"))
	var d *dossier
	err := s.DB.Read(ctx, func(tx *store.Tx) (err error) {
		d, err = s.dossier(ctx, tx, viewer(r), say, r.PathValue("ref"))
		return err
	})
	if err != nil {
		return err
	}
	back := localPath(r.PostForm.Get("back"), d.at())
	parts := d.openable()
	if len(parts) == 0 {
		if slices.ContainsFunc(sealedParts, d.keyless) {
			return fault.New(fault.Forbidden, "reading.keyless", nil)
		}
		return view.Redirect(w, r, back) // nothing is shut
	}
	var wrong []fault.Field
	if !slices.Contains(reasons, reason) {
		wrong = append(wrong, fault.Field{Name: "reason", Key: "reading.reason"})
	}
	if why == "" && !(reason == "work" && d.works()) {
		wrong = append(wrong, fault.Field{Name: "why", Key: "reading.why"})
	}
	if len([]rune(why)) > 1000 {
		wrong = append(wrong, fault.Field{Name: "why", Key: "field.too-long", Args: fault.Args{"max": 1000, "over": len([]rune(why)) - 1000}})
	}
	if err := fault.InvalidFields(wrong); err != nil {
		page := s.openForm(say, d, back)
		status := http.StatusOK
		if r.PostForm.Has("why") { // the form itself was sent
			page.Form.Fill(r.PostForm)
			page.Errors, status = page.Form.Fail(say, err), http.StatusUnprocessableEntity
		}
		return formView.ShowStatus(s.site, w, r, status, page)
	}
	err = s.DB.Tx(ctx, func(tx *store.Tx) error {
		return s.Engine.RecordReading(ctx, tx, viewer(r), keys(r), d.state.Matter.ID, parts, reason, why)
	})
	if err != nil {
		return err
	}
	return view.Redirect(w, r, back)
}

// readingsSection tells who opened what, when and why, to those who answer for it.
func (d *dossier) readingsSection() []section {
	if d.kind == nil || len(d.readings) == 0 || access.MayReadReadings(d.v, d.kind, d.facts) != nil {
		return nil
	}
	t := &view.Timeline{}
	for i := len(d.readings) - 1; i >= 0; i-- {
		r := d.readings[i]
		var what []string
		for _, c := range r.Compartments {
			what = append(what, compartmentName(d.say, c))
		}
		text := d.say.Maybe("staff.open.reason."+r.Reason, r.Reason)
		if r.Why != "" {
			text += ": " + r.Why
		}
		t.Events = append(t.Events, view.Event{Title: d.say.T("staff.reading", "what", d.say.List(what)), By: d.s.actorName(d.say, d.people, r.By), At: r.At, Text: text})
	}
	return []section{{Heading: d.say.T("staff.readings"), Quiet: d.say.T("staff.readings.hint"), Timeline: t}}
}
