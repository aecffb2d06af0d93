package web

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"plumbline/internal/fault"
	"plumbline/internal/journal"
	"plumbline/internal/ref"
	"plumbline/internal/register"
	"plumbline/internal/store"
	"plumbline/internal/web/view"
	"plumbline/internal/words"
)

// tiesMost is how many officials of a name are offered.
const tiesMost = 20

// ties shows what the reader has declared, and lets them declare more: first the name is looked for, then chosen.
func (s *Server) ties(w http.ResponseWriter, r *http.Request) error {
	page, err := s.tiesPage(r, strings.TrimSpace(r.URL.Query().Get("q")))
	if err != nil {
		return err
	}
	return sheetView.Show(s.site, w, r, page)
}

func (s *Server) tiesPage(r *http.Request, q string) (sheet, error) {
	say, v := words.From(r.Context()), viewer(r)
	page := sheet{Shell: view.Shell{Title: say.T("ties.title"), Staff: true, Crumbs: crumbs(say, view.Link{Text: say.T("staff.account.title"), Href: "/staff/account"})},
		Heading: say.T("ties.title"), Lede: say.T("ties.lead"), Tabs: accountTabs(say, r), Narrow: true}
	err := s.DB.Read(r.Context(), func(tx *store.Tx) error {
		table, ends, err := s.tiesTable(r.Context(), tx, say, v.Account, v.Official)
		if err != nil {
			return err
		}
		page.Sections = append(page.Sections, section{Table: table})
		page.Sections = append(page.Sections, ends...)
		find := section{Heading: say.T("ties.add"), Form: &view.Form{Get: true, Action: "/staff/account/ties", ID: "find", Submit: say.T("ties.find.do"),
			Inputs: []view.Input{{Kind: view.Search, Name: "q", Label: say.T("ties.find"), Hint: say.T("ties.find.hint"), Value: q}}}}
		page.Sections = append(page.Sections, find)
		if q == "" {
			return nil
		}
		choice, err := s.tieForm(r.Context(), tx, say, q)
		page.Sections = append(page.Sections, choice)
		return err
	})
	page.Sections = append(page.Sections, section{Quiet: say.T("ties.privacy")})
	return page, err
}

// tiesTable lists what stands declared, and a form to end each that the reader declared and that has not ended.
func (s *Server) tiesTable(ctx context.Context, tx *store.Tx, say *words.Speaker, account ref.AccountID, official ref.OfficialID) (*view.Table, []section, error) {
	all, err := register.TiesOf(ctx, tx, account, 0)
	if err != nil {
		return nil, nil, err
	}
	if official != 0 {
		more, err := register.TiesOf(ctx, tx, 0, official)
		if err != nil {
			return nil, nil, err
		}
		// What another account has declared about the reader is theirs to tell.
		all = append(all, slices.DeleteFunc(more, func(t register.Tie) bool { return t.Official != official })...)
	}
	var ids []ref.OfficialID
	for _, t := range all {
		ids = append(ids, t.Other)
	}
	officials, err := register.Officials(ctx, tx, ids)
	if err != nil {
		return nil, nil, err
	}
	t := &view.Table{Caption: say.T("ties.title"), CaptionHidden: true, Cards: true, Columns: []view.Column{
		{Text: say.T("ties.who")}, {Text: say.T("ties.kind")}, {Text: say.T("ties.since")}, {Text: say.T("ties.until")}},
		Empty: view.Empty{Title: say.T("ties.none"), Text: say.T("ties.none.text")}}
	var ends []section
	for _, x := range all {
		until := say.T("ties.still")
		if x.To != "" {
			until = say.Date(x.To)
		}
		name := officials[x.Other].Name
		t.Rows = append(t.Rows, view.Row{Cells: []view.Cell{{Text: name, Header: true}, {Text: say.T("ties.kind." + x.Kind)}, {Text: say.Date(x.From)}, {Text: until}}})
		if x.Account == account && x.To == "" {
			id := strconv.FormatInt(x.ID, 10)
			ends = append(ends, section{Quiet: name + " · " + say.T("ties.kind."+x.Kind), Form: &view.Form{Action: "/staff/account/ties/" + id + "/end", ID: "end-" + id, Submit: say.T("ties.end")}})
		}
	}
	return t, ends, nil
}

func (s *Server) tieForm(ctx context.Context, tx *store.Tx, say *words.Speaker, q string) (section, error) {
	found, err := register.SearchOfficials(ctx, tx, q, tiesMost)
	if err != nil {
		return section{}, err
	}
	if len(found) == 0 {
		return section{Empty: &view.Empty{Title: say.T("ties.found.none")}}, nil
	}
	names, err := s.bodyNames(ctx, tx, say)
	if err != nil {
		return section{}, err
	}
	who := view.Input{Kind: view.Radios, Name: "other", Label: say.T("ties.choose"), Size: "s"}
	for _, o := range found {
		opt := view.Option{Value: o.ID.String(), Text: o.Name}
		if p, ok := o.PostAt(""); ok {
			opt.Hint = names.name(p.Body)
		}
		who.Options = append(who.Options, opt)
	}
	kind := view.Input{Kind: view.Radios, Name: "kind", Label: say.T("ties.choose.kind"), Size: "s"}
	for _, k := range register.TieKinds {
		kind.Options = append(kind.Options, view.Option{Value: k, Text: say.T("ties.kind." + k), Hint: say.T("ties.kind." + k + ".hint")})
	}
	return section{Form: &view.Form{Action: "/staff/account/ties", ID: "declare", Inputs: []view.Input{who, kind}, Hidden: []view.Hidden{{Name: "q", Value: q}}, Submit: say.T("ties.declare")}}, nil
}

// declareTie enters a tie of the reader: of nobody else, whatever the form says.
func (s *Server) declareTie(w http.ResponseWriter, r *http.Request) error {
	if err := form(r); err != nil {
		return err
	}
	other, err := strconv.ParseInt(r.PostForm.Get("other"), 10, 64)
	if err != nil {
		other = 0
	}
	err = s.DB.Tx(r.Context(), func(tx *store.Tx) error {
		_, err := register.Declare(r.Context(), tx, s.tieBy(r), register.Tie{ID: s.DB.NewID(), Account: viewer(r).Account, Other: ref.OfficialID(other),
			Kind: r.PostForm.Get("kind"), From: s.Accounts.Today()})
		return err
	})
	if fault.Is(err, fault.Invalid) {
		page, shown := s.tiesPage(r, r.PostForm.Get("q"))
		if shown != nil {
			return shown
		}
		for i := range page.Sections {
			if f := page.Sections[i].Form; f != nil && f.ID == "declare" {
				f.Fill(r.PostForm)
				page.Errors = f.Fail(words.From(r.Context()), err)
			}
		}
		return sheetView.ShowStatus(s.site, w, r, http.StatusUnprocessableEntity, page)
	}
	if err != nil {
		return err
	}
	s.site.Flash(w, view.Success, "flash.tie.declared", nil)
	return view.Redirect(w, r, "/staff/account/ties")
}

// endTie says that a tie which the reader declared is over. It goes on keeping them away for as long as a former colleague would
// be: else whoever waits for a matter could end what stands between them and it. A mistake is for the operator to end at once.
func (s *Server) endTie(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, "id")
	if err != nil {
		return err
	}
	last := s.Accounts.Today()
	if p := s.Office.Active(); p != nil {
		last = p.Recusal.After(last)
	}
	err = s.DB.Tx(r.Context(), func(tx *store.Tx) error {
		t, err := register.TieByID(r.Context(), tx, id)
		if err != nil {
			return err
		}
		if t.Account != viewer(r).Account {
			return fault.New(fault.NotFound, "register.no-tie", nil)
		}
		_, err = register.EndTie(r.Context(), tx, s.tieBy(r), id, last)
		return err
	})
	if err != nil {
		return err
	}
	s.site.Flash(w, view.Success, "flash.tie.ended", map[string]any{"day": words.From(r.Context()).Date(last)})
	return view.Redirect(w, r, "/staff/account/ties")
}

func (s *Server) tieBy(r *http.Request) register.By {
	by := register.By{Actor: journal.Actor{Account: viewer(r).Account}, Via: journal.ViaWeb, At: s.Engine.Now()}
	if p := s.Office.Active(); p != nil {
		by.Pack = p.ID()
	}
	return by
}
