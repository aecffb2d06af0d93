package web

import (
	"context"
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

// Who somebody at a desk is in the register changes only when a second person has agreed. What waits stands on the page of
// duties that wait, and is answered under the same address.

func officialQuery(id ref.AccountID, a account.AskedOfficial) string {
	return url.Values{"account": {id.String()}, "official": {a.Official.String()}}.Encode()
}

func (s *Server) waitingOfficials(r *http.Request) (all []account.WaitingOfficial, err error) {
	err = s.DB.Read(r.Context(), func(tx *store.Tx) (err error) {
		all, err = s.Accounts.WaitingOfficials(r.Context(), tx, viewer(r))
		return err
	})
	return all, err
}

// officialInWords is an entry of the register as these pages name it, or that there is none.
func (s *Server) officialInWords(ctx context.Context, tx *store.Tx, say *words.Speaker, id ref.OfficialID) (string, error) {
	name, err := s.officialName(ctx, tx, id)
	if err != nil || name == "" {
		return say.T("admin.account.official.none"), err
	}
	return say.T("officials.named", "name", name, "number", id.String()), nil // two people can have one name
}

// isAndWas is who an account is in the register, and whom it was said to be until one person alone changed that.
func (s *Server) isAndWas(ctx context.Context, tx *store.Tx, say *words.Speaker, a account.Account, history []journal.Recorded) (is string, was []string, err error) {
	if is, err = s.officialInWords(ctx, tx, say, a.Official); err != nil {
		return "", nil, err
	}
	once, err := account.OnceWas(history)
	if err != nil {
		return "", nil, err
	}
	for _, o := range once {
		name, err := s.officialInWords(ctx, tx, say, o)
		if err != nil {
			return "", nil, err
		}
		was = append(was, name)
	}
	return is, was, nil
}

// officialsTable shows what waits for the reader, or for somebody else where the reader asked; nothing if nothing does.
func (s *Server) officialsTable(r *http.Request) ([]section, error) {
	say := words.From(r.Context())
	all, err := s.waitingOfficials(r)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	t := view.Table{Caption: say.T("officials.title"), CaptionHidden: true, Cards: true,
		Columns: []view.Column{{Text: say.T("admin.account.name")}, {Text: say.T("officials.now")}, {Text: say.T("officials.then")}, {Text: say.T("duties.asker")}, {Text: say.T("admin.account.state")}}}
	err = s.DB.Read(r.Context(), func(tx *store.Tx) error {
		t.Rows = nil
		for _, x := range all {
			now, err := s.officialInWords(r.Context(), tx, say, x.Account.Official)
			if err != nil {
				return err
			}
			then, err := s.officialInWords(r.Context(), tx, say, x.Official)
			if err != nil {
				return err
			}
			state := view.Cell{Tags: []view.Tag{{Tone: view.Soon, Text: say.T("duties.you")}}}
			if x.Not != nil {
				state = view.Cell{Tags: []view.Tag{{Tone: view.Waiting, Text: say.T("duties.other")}}, Sub: say.Fault(s.explained(r, x.Not)).Message}
			}
			t.Rows = append(t.Rows, view.Row{Label: x.Account.Name, Cells: []view.Cell{
				{Text: x.Account.Name, Href: "/staff/duties/answer?" + officialQuery(x.Account.ID, x.AskedOfficial), Header: true},
				{Text: now}, {Text: then}, {Text: x.Asker}, state,
			}})
		}
		return nil
	})
	return []section{{Heading: say.T("officials.title"), Quiet: say.T("officials.lede"), Table: &t}}, err
}

// waitingOfficial finds what a form or an address names among what waits for the reader.
func (s *Server) waitingOfficial(r *http.Request, get func(string) string) (account.WaitingOfficial, error) {
	all, err := s.waitingOfficials(r)
	if err != nil {
		return account.WaitingOfficial{}, err
	}
	for _, x := range all {
		if x.Account.ID.String() == get("account") && x.Official.String() == get("official") {
			return x, nil
		}
	}
	return account.WaitingOfficial{}, fault.New(fault.NotFound, "account.official-not-asked", nil)
}

func (s *Server) answerOfficialForm(r *http.Request, x account.WaitingOfficial) (formPage, error) {
	say := words.From(r.Context())
	var now, then string
	var was []string
	err := s.DB.Read(r.Context(), func(tx *store.Tx) error {
		history, err := journal.Stream(r.Context(), tx, x.Account.ID.Stream())
		if err != nil {
			return err
		}
		if now, was, err = s.isAndWas(r.Context(), tx, say, x.Account, history); err != nil {
			return err
		}
		then, err = s.officialInWords(r.Context(), tx, say, x.Official)
		return err
	})
	if err != nil {
		return formPage{}, err
	}
	rows := []view.SummaryRow{
		{Key: say.T("admin.account.name"), Value: x.Account.Name}, {Key: say.T("staff.sign.login"), Value: x.Account.Login},
		{Key: say.T("officials.now"), Value: now}, {Key: say.T("officials.then"), Value: then}, {Key: say.T("duties.asker"), Value: x.Asker},
	}
	if len(was) > 0 {
		rows = append(rows, view.SummaryRow{Key: say.T("officials.was"), Lines: was})
	}
	page := formPage{
		Shell:   view.Shell{Title: say.T("officials.answer"), Staff: true, Crumbs: crumbs(say, view.Link{Text: say.T("duties.title"), Href: "/staff/duties"})},
		Heading: say.T("officials.answer"), Lede: say.T("officials.answer.lede"), Facts: &view.SummaryList{Rows: rows},
		Form: view.Form{Action: "/staff/duties/answer", Submit: say.T("ui.continue"), Cancel: view.Link{Text: say.T("ui.cancel"), Href: "/staff/duties"},
			Hidden: []view.Hidden{{Name: "account", Value: x.Account.ID.String()}, {Name: "official", Value: x.Official.String()}}},
	}
	agree := view.Option{Value: "agree", Text: say.T("duties.agree"), Hint: say.T("officials.agree.hint")}
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

// officialWaits tells what waits for a second person of an account, nil if nothing does.
func (s *Server) officialWaits(ctx context.Context, tx *store.Tx, say *words.Speaker, st account.State) (*view.Note, error) {
	if len(st.AskedOfficial) == 0 {
		return nil, nil
	}
	a := st.AskedOfficial[0]
	then, err := s.officialInWords(ctx, tx, say, a.Official)
	if err != nil {
		return nil, err
	}
	asker, err := s.Accounts.Names(ctx, tx, []ref.AccountID{a.By})
	return &view.Note{Tone: view.Soon, Title: say.T("officials.waits"), Text: say.T("officials.waits.text", "name", asker[a.By], "official", then)}, err
}

func (s *Server) answerOfficialPage(w http.ResponseWriter, r *http.Request) error {
	x, err := s.waitingOfficial(r, r.URL.Query().Get)
	if err != nil {
		return err
	}
	page, err := s.answerOfficialForm(r, x)
	if err != nil {
		return err
	}
	return formView.Show(s.site, w, r, page)
}

func (s *Server) answerOfficial(w http.ResponseWriter, r *http.Request) error {
	x, err := s.waitingOfficial(r, r.PostForm.Get)
	if err != nil {
		return err
	}
	key := "flash.saved"
	switch r.PostForm.Get("answer") {
	case "agree":
		err = s.DB.Tx(r.Context(), func(tx *store.Tx) error {
			return s.Accounts.ConfirmOfficial(r.Context(), tx, by(r), x.Account.ID, x.Official)
		})
	case "refuse":
		key = "flash.official-refused"
		err = s.DB.Tx(r.Context(), func(tx *store.Tx) error {
			return s.Accounts.RefuseOfficial(r.Context(), tx, by(r), x.Account.ID, x.Official)
		})
	default:
		err = fault.InvalidFields([]fault.Field{{Name: "answer", Key: "account.answer"}})
	}
	if fault.Is(err, fault.Invalid) || fault.Is(err, fault.Conflict) && !journal.IsStale(err) {
		page, e := s.answerOfficialForm(r, x)
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
