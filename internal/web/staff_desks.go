package web

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"

	"plumbline/internal/access"
	"plumbline/internal/account"
	"plumbline/internal/fault"
	"plumbline/internal/journal"
	"plumbline/internal/ref"
	"plumbline/internal/store"
	"plumbline/internal/vault"
	"plumbline/internal/web/view"
	"plumbline/internal/words"
)

// Whoever joins a desk reads nothing there before a colleague has let them in: that is what keeps an administrator from
// opening a desk alone. Pages show who waits, and letting in is one press.

// settleKeys does what only the holder of keys that were just opened can: it joins desks held since before there were keys,
// and hands over what a colleague who left could still open. The second goes on after the page has been answered.
func (s *Server) settleKeys(ctx context.Context, keys *vault.Keys) error {
	if keys == nil {
		return nil
	}
	err := s.DB.Tx(ctx, func(tx *store.Tx) error {
		v, err := s.Accounts.ViewerOf(ctx, tx, keys.Account())
		if err != nil {
			return err
		}
		for _, g := range v.Grants {
			if !opensContent(g) {
				continue
			}
			if err := s.Vault.Join(ctx, tx, journal.Actor{Account: keys.Account(), Duty: g.Duty, Body: g.Body}, keys.Account(), vault.Desk{Duty: g.Duty, Body: g.Body}); err != nil {
				return err
			}
		}
		return nil
	})
	if fault.Is(err, fault.Unavailable) {
		s.Log.Warn("the office key is missing: some desks have no key", "error", err)
		err = nil
	}
	if err != nil {
		return err
	}
	go func() {
		ctx, done := context.WithTimeout(context.WithoutCancel(ctx), time.Hour)
		defer done()
		if err := s.Vault.CatchUp(ctx, keys, nil); err != nil {
			s.Log.Warn("what a desk's older key opens could not be handed over; it goes on at the next sign-in", "error", err)
		}
	}()
	return nil
}

// opensContent reports whether a duty has anything to open.
func opensContent(g access.Grant) bool {
	return g.Body != 0 && (g.Sees != access.SeesNone || g.Custodian)
}

// deskNotes tell the reader that somebody waits to be let in by them, or that they wait themselves.
func (s *Server) deskNotes(r *http.Request) (out []section, err error) {
	say := words.From(r.Context())
	var waiting []vault.Waiting
	var shut []vault.Desk
	err = s.DB.Read(r.Context(), func(tx *store.Tx) (err error) {
		if waiting, err = s.Vault.Waiting(r.Context(), tx, keys(r)); err != nil {
			return err
		}
		shut, err = s.Vault.Shut(r.Context(), tx, viewer(r).Account)
		return err
	})
	if err != nil {
		return nil, err
	}
	ready := int64(0)
	for _, w := range waiting {
		if w.Ready {
			ready++
		}
	}
	if ready > 0 {
		out = append(out, section{Note: &view.Note{Title: say.N("staff.desks.waiting", ready), Text: say.T("staff.desks.waiting.text"), Link: view.Link{Text: say.T("staff.desks.look"), Href: "/staff/desks"}}})
	}
	switch {
	case keys(r) == nil && len(viewer(r).Grants) > 0:
		out = append(out, section{Note: &view.Note{Title: say.T("staff.desks.locked"), Text: say.T("staff.desks.locked.text"), Link: view.Link{Text: say.T("staff.desks.unlock"), Href: "/staff/unlock"}}})
	case len(shut) > 0:
		out = append(out, section{Note: &view.Note{Title: say.T("staff.desks.shut"), Text: say.T("staff.desks.shut.text"), Link: view.Link{Text: say.T("staff.desks.look"), Href: "/staff/desks"}}})
	}
	return out, nil
}

// desks shows the desks the reader belongs to, who else does, and who can open them.
func (s *Server) desks(w http.ResponseWriter, r *http.Request) error {
	say, v := words.From(r.Context()), viewer(r)
	page := sheet{Shell: view.Shell{Title: say.T("staff.desks"), Staff: true, Crumbs: crumbs(say)}, Heading: say.T("staff.desks"), Lede: say.T("staff.desks.lede")}
	err := s.DB.Read(r.Context(), func(tx *store.Tx) error {
		names, err := s.bodyNames(r.Context(), tx, say)
		if err != nil {
			return err
		}
		waiting, err := s.Vault.Waiting(r.Context(), tx, keys(r))
		if err != nil {
			return err
		}
		for _, g := range v.Grants {
			if !opensContent(g) {
				continue
			}
			d := vault.Desk{Duty: g.Duty, Body: g.Body}
			sec, err := s.deskSection(r.Context(), tx, say, names, d, v.Account, waiting)
			if err != nil {
				return err
			}
			page.Sections = append(page.Sections, sec...)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if len(page.Sections) == 0 {
		page.Sections = []section{{Empty: &view.Empty{Title: say.T("staff.desks.none"), Text: say.T("staff.desks.none.text")}}}
	}
	return sheetView.Show(s.site, w, r, page)
}

func (s *Server) deskSection(ctx context.Context, tx *store.Tx, say *words.Speaker, names bodyNames, d vault.Desk, me ref.AccountID, waiting []vault.Waiting) ([]section, error) {
	members, err := s.Vault.Members(ctx, tx, d)
	if err != nil {
		return nil, err
	}
	var ids []ref.AccountID
	for _, m := range members {
		ids = append(ids, m.Account)
	}
	people, err := s.Accounts.Names(ctx, tx, ids)
	if err != nil {
		return nil, err
	}
	title := say.T("staff.duty.at", "duty", s.duty(say, d.Duty), "body", names.name(d.Body))
	t := view.Table{Caption: title, CaptionHidden: true, Cards: true, Columns: []view.Column{{Text: say.T("staff.party.who")}, {Text: say.T("staff.desks.key")}}}
	out := []section{{Heading: title, Table: &t}}
	for _, m := range members {
		tag := view.Tag{Tone: view.Success, Text: say.T("staff.desks.opens")}
		if !m.Opens {
			tag = view.Tag{Tone: view.Waiting, Text: say.T("staff.desks.waits")}
		}
		t.Rows = append(t.Rows, view.Row{Cells: []view.Cell{{Text: people[m.Account], Header: true}, {Tags: []view.Tag{tag}}}})
	}
	for _, x := range waiting {
		if x.Desk != d || x.Account == me {
			continue
		}
		if !x.Ready {
			out = append(out, section{Quiet: say.T("staff.desks.not-yet", "name", people[x.Account])})
			continue
		}
		out = append(out, section{Quiet: say.T("staff.desks.ask", "name", people[x.Account]), Form: &view.Form{
			Action: "/staff/desks", Submit: say.T("staff.desks.let-in", "name", people[x.Account]), ID: "let-in-" + x.Account.String() + "-" + d.Duty,
			Hidden: []view.Hidden{{Name: "account", Value: x.Account.String()}, {Name: "duty", Value: d.Duty}, {Name: "body", Value: d.Body.String()}},
		}})
	}
	return out, nil
}

// letIn gives a colleague the key of a desk.
func (s *Server) letIn(w http.ResponseWriter, r *http.Request) error {
	if err := form(r); err != nil {
		return err
	}
	id, err1 := strconv.ParseInt(r.PostForm.Get("account"), 10, 64)
	body, err2 := strconv.ParseInt(r.PostForm.Get("body"), 10, 64)
	if err1 != nil || err2 != nil || keys(r) == nil {
		return fault.New(fault.Forbidden, "vault.not-a-member", nil)
	}
	d := vault.Desk{Duty: r.PostForm.Get("duty"), Body: ref.BodyID(body)}
	var st account.State
	err := s.DB.Tx(r.Context(), func(tx *store.Tx) (err error) {
		if st, err = s.Accounts.Load(r.Context(), tx, ref.AccountID(id)); err != nil {
			return err
		}
		// Who waits is a row beside the record; the duty is in the record. A key goes only to who holds both.
		v, err := s.Accounts.ViewerOf(r.Context(), tx, st.Account.ID)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(v.Grants, func(g access.Grant) bool { return g.Duty == d.Duty && g.Body == d.Body && opensContent(g) }) {
			return fault.New(fault.Forbidden, "vault.not-a-member", nil)
		}
		return s.Vault.LetIn(r.Context(), tx, keys(r), ref.AccountID(id), d)
	})
	if err != nil {
		return err
	}
	s.site.Flash(w, view.Success, "flash.let-in", map[string]any{"name": st.Account.Name})
	return view.Redirect(w, r, "/staff/desks")
}
