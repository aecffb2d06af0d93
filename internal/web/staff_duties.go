package web

import (
	"net/http"
	"net/url"

	"plumbline/internal/account"
	"plumbline/internal/fault"
	"plumbline/internal/journal"
	"plumbline/internal/ref"
	"plumbline/internal/store"
	"plumbline/internal/web/view"
	"plumbline/internal/words"
)

// A duty that opens content is held only when a second person has agreed, and so it is with who somebody at a desk is in the
// register: these pages show what waits and take the answer.

func askedQuery(id ref.AccountID, a account.Asked) string {
	return url.Values{"account": {id.String()}, "duty": {a.Duty}, "body": {a.Body.String()}, "from": {a.From}}.Encode()
}

// waitingDuties are the duties that wait for the reader, or for somebody else where the reader asked.
func (s *Server) waitingDuties(r *http.Request) (all []account.WaitingFor, names bodyNames, err error) {
	err = s.DB.Read(r.Context(), func(tx *store.Tx) (err error) {
		if all, err = s.Accounts.WaitingFor(r.Context(), tx, viewer(r)); err != nil || len(all) == 0 {
			return err
		}
		names, err = s.bodyNames(r.Context(), tx, words.From(r.Context()))
		return err
	})
	return all, names, err
}

func (s *Server) dutiesPage(w http.ResponseWriter, r *http.Request) error {
	say := words.From(r.Context())
	all, names, err := s.waitingDuties(r)
	if err != nil {
		return err
	}
	who, err := s.officialsTable(r)
	if err != nil {
		return err
	}
	t := view.Table{Caption: say.T("duties.title"), CaptionHidden: true, Cards: true,
		Columns: []view.Column{{Text: say.T("admin.account.name")}, {Text: say.T("staff.duty")}, {Text: say.T("staff.body")}, {Text: say.T("duties.asker")}, {Text: say.T("admin.account.state")}},
		Empty:   view.Empty{Title: say.T("duties.none"), Text: say.T("duties.none.text")}}
	for _, x := range all {
		state := view.Cell{Tags: []view.Tag{{Tone: view.Soon, Text: say.T("duties.you")}}}
		if x.Not != nil {
			state = view.Cell{Tags: []view.Tag{{Tone: view.Waiting, Text: say.T("duties.other")}}, Sub: say.Fault(s.explained(r, x.Not)).Message}
		}
		t.Rows = append(t.Rows, view.Row{Label: x.Account.Name, Cells: []view.Cell{
			{Text: x.Account.Name, Href: "/staff/duties/answer?" + askedQuery(x.Account.ID, x.Asked), Header: true},
			{Text: s.duty(say, x.Duty)}, {Text: names.name(x.Body)}, {Text: x.Asker}, state,
		}})
	}
	return sheetView.Show(s.site, w, r, sheet{
		Shell: view.Shell{Title: say.T("duties.title"), Staff: true, Crumbs: crumbs(say)}, Heading: say.T("duties.title"), Lede: say.T("duties.lede"),
		Sections: append([]section{{Table: &t}}, who...),
	})
}

// waitingDuty finds what a form or an address names among what waits for the reader.
func (s *Server) waitingDuty(r *http.Request, get func(string) string) (account.WaitingFor, bodyNames, error) {
	all, names, err := s.waitingDuties(r)
	if err != nil {
		return account.WaitingFor{}, names, err
	}
	for _, x := range all {
		if x.Account.ID.String() == get("account") && x.Duty == get("duty") && x.Body.String() == get("body") && x.From == get("from") {
			return x, names, nil
		}
	}
	return account.WaitingFor{}, names, fault.New(fault.NotFound, "account.not-asked", nil)
}

func (s *Server) answerForm(r *http.Request, x account.WaitingFor, names bodyNames) (formPage, error) {
	say := words.From(r.Context())
	var history []journal.Recorded
	var people map[ref.AccountID]string
	var official string
	var was []string
	err := s.DB.Read(r.Context(), func(tx *store.Tx) (err error) {
		if history, err = journal.Stream(r.Context(), tx, x.Account.ID.Stream()); err != nil {
			return err
		}
		if official, was, err = s.isAndWas(r.Context(), tx, say, x.Account, history); err != nil {
			return err
		}
		people, err = s.Accounts.Names(r.Context(), tx, actors(history))
		return err
	})
	if err != nil {
		return formPage{}, err
	}
	until := say.T("staff.grant.open")
	if x.To != "" {
		until = say.Date(dayBefore(x.To))
	}
	rows := []view.SummaryRow{
		{Key: say.T("admin.account.name"), Value: x.Account.Name}, {Key: say.T("staff.sign.login"), Value: x.Account.Login},
		{Key: say.T("staff.duty"), Value: s.duty(say, x.Duty)}, {Key: say.T("staff.body"), Value: names.name(x.Body)},
		{Key: say.T("staff.grant.from"), Value: say.Date(x.From)}, {Key: say.T("staff.grant.until"), Value: until},
		{Key: say.T("duties.asker"), Value: x.Asker}, {Key: say.T("admin.account.official"), Value: official},
	}
	if len(was) > 0 {
		rows = append(rows, view.SummaryRow{Key: say.T("officials.was"), Lines: was})
	}
	if len(history) > 0 {
		rows = append(rows, view.SummaryRow{Key: say.T("duties.made"), Value: say.T("duties.made.by", "name", s.actorName(say, people, history[0].By), "day", say.Day(history[0].At, s.Office.Zone()))})
	}
	if e, ok := account.WayIn(history); ok {
		rows = append(rows, view.SummaryRow{Key: say.T("duties.way"), Value: say.T("duties.made.by", "name", s.actorName(say, people, e.By), "day", say.Day(e.At, s.Office.Zone()))})
	}
	page := formPage{
		Shell:   view.Shell{Title: say.T("duties.answer"), Staff: true, Crumbs: crumbs(say, view.Link{Text: say.T("duties.title"), Href: "/staff/duties"})},
		Heading: say.T("duties.answer"), Lede: say.T("duties.answer.lede"), Facts: &view.SummaryList{Rows: rows},
		Form: view.Form{Action: "/staff/duties/answer", Submit: say.T("ui.continue"), Cancel: view.Link{Text: say.T("ui.cancel"), Href: "/staff/duties"},
			Hidden: []view.Hidden{{Name: "account", Value: x.Account.ID.String()}, {Name: "duty", Value: x.Duty}, {Name: "body", Value: x.Body.String()}, {Name: "from", Value: x.From}}},
	}
	agree := view.Option{Value: "agree", Text: say.T("duties.agree"), Hint: say.T("duties.agree.hint")}
	refuse := view.Option{Value: "refuse", Text: say.T("duties.refuse"), Hint: say.T("duties.refuse.hint")}
	answer := view.Input{Kind: view.Radios, Name: "answer", Label: say.T("duties.what"), Size: "s", Options: []view.Option{agree, refuse}}
	if x.Not != nil {
		page.Warn = say.Fault(s.explained(r, x.Not)).Message
		refuse.Text, refuse.Hint = say.T("duties.take-back"), ""
		answer.Options = []view.Option{refuse}
	}
	page.Form.Inputs = []view.Input{answer}
	return page, nil
}

func (s *Server) answerPage(w http.ResponseWriter, r *http.Request) error {
	if r.URL.Query().Has("official") {
		return s.answerOfficialPage(w, r)
	}
	x, names, err := s.waitingDuty(r, r.URL.Query().Get)
	if err != nil {
		return err
	}
	page, err := s.answerForm(r, x, names)
	if err != nil {
		return err
	}
	return formView.Show(s.site, w, r, page)
}

func (s *Server) answerDuty(w http.ResponseWriter, r *http.Request) error {
	if err := form(r); err != nil {
		return err
	}
	if r.PostForm.Has("official") {
		return s.answerOfficial(w, r)
	}
	x, names, err := s.waitingDuty(r, r.PostForm.Get)
	if err != nil {
		return err
	}
	cmd := account.AskedCmd{Account: x.Account.ID, Duty: x.Duty, Body: x.Body, From: x.From}
	key := "flash.granted"
	switch r.PostForm.Get("answer") {
	case "agree":
		err = s.DB.Tx(r.Context(), func(tx *store.Tx) error { return s.Accounts.Confirm(r.Context(), tx, by(r), cmd) })
	case "refuse":
		key = "flash.refused"
		err = s.DB.Tx(r.Context(), func(tx *store.Tx) error { return s.Accounts.Refuse(r.Context(), tx, by(r), cmd) })
	default:
		err = fault.InvalidFields([]fault.Field{{Name: "answer", Key: "account.answer"}})
	}
	if fault.Is(err, fault.Invalid) || fault.Is(err, fault.Conflict) && !journal.IsStale(err) {
		page, e := s.answerForm(r, x, names)
		if e != nil {
			return e
		}
		return s.again(w, r, page, err)
	}
	if err != nil {
		return err
	}
	s.site.Flash(w, view.Success, key, map[string]any{"name": x.Account.Name})
	return view.Redirect(w, r, "/staff/duties")
}

// dutiesNote tells on other pages that something waits for the reader; nil if nothing does.
func (s *Server) dutiesNote(r *http.Request) (*view.Note, error) {
	all, _, err := s.waitingDuties(r)
	if err != nil {
		return nil, err
	}
	n := 0
	for _, x := range all {
		if x.Not == nil {
			n++
		}
	}
	who, err := s.waitingOfficials(r)
	for _, x := range who {
		if x.Not == nil {
			n++
		}
	}
	if err != nil || n == 0 {
		return nil, err
	}
	say := words.From(r.Context())
	return &view.Note{Tone: view.Soon, Title: say.N("duties.waiting", int64(n)), Text: say.T("duties.lede"), Link: view.Link{Text: say.T("duties.open"), Href: "/staff/duties"}}, nil
}
