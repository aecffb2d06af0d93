package web

import (
	"context"
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"rsc.io/qr"

	"plumbline/internal/account"
	"plumbline/internal/fault"
	"plumbline/internal/store"
	"plumbline/internal/vault"
	"plumbline/internal/web/view"
	"plumbline/internal/words"
)

// accountTabs lead through what people manage of their own account.
func accountTabs(say *words.Speaker, r *http.Request) []view.Link {
	tabs := []view.Link{
		{Text: say.T("account.tab.you"), Href: "/staff/account"},
		{Text: say.T("account.tab.ways"), Href: "/staff/account/ways"},
		{Text: say.T("account.tab.sessions"), Href: "/staff/account/sessions"},
		{Text: say.T("account.tab.tokens"), Href: "/staff/account/tokens"},
		{Text: say.T("ties.title"), Href: "/staff/account/ties"},
		{Text: say.T("notice.title"), Href: "/staff/account/notices"},
	}
	for i := range tabs {
		tabs[i].Current = r.URL.Path == tabs[i].Href
	}
	return tabs
}

func waysBack(say *words.Speaker) view.Shell {
	return view.Shell{Staff: true, Back: view.Link{Href: "/staff/account/ways"}}
}

// waysPage shows with what people can prove who they are, and what each opens.
func (s *Server) waysPage(w http.ResponseWriter, r *http.Request) error {
	say, v := words.From(r.Context()), viewerFrom(r.Context())
	if v.session.Temporary {
		return view.Redirect(w, r, "/staff/account/password")
	}
	var f account.Factors
	var locks []vault.LockInfo
	err := s.DB.Read(r.Context(), func(tx *store.Tx) (err error) {
		if f, err = s.Accounts.Factors(r.Context(), tx, v.viewer.Account); err != nil {
			return err
		}
		locks, err = s.Vault.Locks(r.Context(), tx, v.viewer.Account)
		return err
	})
	if err != nil {
		return err
	}
	opens := func(kind, id string) bool {
		return slices.ContainsFunc(locks, func(l vault.LockInfo) bool { return l.Kind == kind && l.ID == id })
	}
	page := sheet{
		Shell:   view.Shell{Title: say.T("ways.title"), Staff: true, Crumbs: crumbs(say)},
		Heading: say.T("ways.title"), Lede: say.T("ways.lede"), Tabs: accountTabs(say, r),
	}
	if v.weak {
		page.Sections = append(page.Sections, section{Note: &view.Note{Tone: view.Soon, Title: say.T("ways.required"), Text: say.T("ways.required.text")}})
	}
	password := view.SummaryRow{Key: say.T("staff.sign.password"), Value: say.T("ways.password.set"),
		Actions: []view.Link{{Text: say.T("ui.change"), Href: "/staff/account/password", Hidden: say.T("staff.sign.password")}}}
	if !f.Password {
		password = view.SummaryRow{Key: say.T("staff.sign.password"), Value: say.T("ways.password.none"), Quiet: true}
	}
	code := view.SummaryRow{Key: say.T("ways.code"), Value: say.T("ways.code.none"), Quiet: true, Actions: []view.Link{{Text: say.T("ways.code.add"), Href: "/staff/account/code"}}}
	if !f.Password {
		code.Actions = nil
	}
	if f.Code {
		code = view.SummaryRow{Key: say.T("ways.code"), Lines: []string{say.T("ways.code.since", "day", say.Day(f.CodeMade, s.Office.Zone())), say.N("ways.recovery.left", f.Recovery)},
			Actions: []view.Link{{Text: say.T("ways.recovery.new"), Href: "/staff/account/recovery"}, {Text: say.T("ways.remove"), Href: "/staff/account/code/remove", Hidden: say.T("ways.code")}}}
	}
	rows := []view.SummaryRow{password, code}
	if s.OIDC != nil {
		row := view.SummaryRow{Key: s.OIDC.Name, Value: say.T("ways.elsewhere.none"), Quiet: true, Actions: []view.Link{{Text: say.T("ways.elsewhere.add"), Href: "/staff/account/elsewhere", Hidden: s.OIDC.Name}}}
		for _, l := range f.Links {
			if l.Issuer == s.OIDC.Issuer {
				row.Value, row.Quiet = say.T("ways.elsewhere.set"), false
				if l.Subject == "" {
					row.Value = say.T("ways.elsewhere.expected", "email", l.Email)
				}
				row.Actions = []view.Link{{Text: say.T("ways.remove"), Href: "/staff/account/elsewhere/remove", Hidden: s.OIDC.Name}}
			}
		}
		rows = append(rows, row)
	}
	if opens(vault.Phrase, "") {
		row := view.SummaryRow{Key: say.T("unlock.phrase"), Value: say.T("ways.phrase.set")}
		row.Actions = []view.Link{{Text: say.T("ui.change"), Href: "/staff/account/phrase", Hidden: say.T("unlock.phrase")}}
		if len(locks) > 1 {
			row.Actions = append(row.Actions, view.Link{Text: say.T("ways.remove"), Href: "/staff/account/phrase/remove", Hidden: say.T("unlock.phrase")})
		}
		rows = append(rows, row)
	}
	page.Sections = append(page.Sections, section{List: &view.SummaryList{Rows: rows}})
	t := view.Table{Caption: say.T("ways.passkeys"), CaptionHidden: true, Cards: true,
		Columns: []view.Column{{Text: say.T("ways.passkey.name")}, {Text: say.T("ways.made")}, {Text: say.T("ways.used")}, {Text: say.T("ways.opens")}},
		Empty:   view.Empty{Title: say.T("ways.passkeys.none"), Text: say.T("ways.passkeys.none.text")}}
	for _, p := range f.Passkeys {
		used := say.T("ways.used.never")
		if !p.Used.IsZero() {
			used = say.Day(p.Used, s.Office.Zone())
		}
		tag := view.Tag{Tone: view.Waiting, Text: say.T("ways.opens.no")}
		if opens(vault.Passkey, p.ID) {
			tag = view.Tag{Tone: view.Success, Text: say.T("ways.opens.yes")}
		}
		t.Rows = append(t.Rows, view.Row{Label: p.Name, Cells: []view.Cell{
			{Text: p.Name, Href: "/staff/account/passkeys/" + p.ID, Header: true}, {Text: say.Day(p.Made, s.Office.Zone())}, {Text: used}, {Tags: []view.Tag{tag}},
		}})
	}
	page.Sections = append(page.Sections, section{Heading: say.T("ways.passkeys"), Quiet: say.T("ways.passkeys.hint"), Table: &t,
		More: view.Link{Text: say.T("ways.passkey.add"), Href: "/staff/account/passkeys/new"}})
	return sheetView.Show(s.site, w, r, page)
}

func (s *Server) newPasskeyForm(r *http.Request) formPage {
	say := words.From(r.Context())
	page := formPage{Shell: waysBack(say), Heading: say.T("ways.passkey.add"), Lede: say.T("ways.passkey.lede"),
		Passkey: &passkeyForm{
			Action: "/staff/account/passkeys/new", Ask: "/staff/account/passkeys/new/ask", Make: true, Main: true, Submit: say.T("ways.passkey.make"),
			Inputs: []view.Input{{Kind: view.Text, Name: "name", Label: say.T("ways.passkey.name"), Hint: say.T("ways.passkey.name.hint"), Width: "20"}},
		},
	}
	page.Title = page.Heading
	if !s.passkeySite(r).Works() {
		page.Warn, page.Passkey = say.T("account.passkey-host"), nil
		return page
	}
	if viewerFrom(r.Context()).keys == nil {
		page.Warn = say.T("ways.passkey.locked")
		page.More = view.Link{Text: say.T("unlock.title"), Href: "/staff/unlock?return=/staff/account/passkeys/new"}
	}
	return page
}

func (s *Server) newPasskeyPage(w http.ResponseWriter, r *http.Request) error {
	return formView.Show(s.site, w, r, s.newPasskeyForm(r))
}

func (s *Server) newPasskey(w http.ResponseWriter, r *http.Request) error {
	if err := form(r); err != nil {
		return err
	}
	ctx := r.Context()
	name := strings.TrimSpace(r.PostForm.Get("name"))
	if name == "" {
		name = words.From(ctx).T("ways.passkey.unnamed")
	}
	key, keys := "flash.passkey-signs", viewerFrom(ctx).keys
	// The passkey and the lock that it opens are written together.
	err := s.Accounts.AddPasskey(ctx, by(r), s.passkeySite(r), s.asked(r), r.PostForm.Get("credential"), name, func(ctx context.Context, tx *store.Tx, lock string) error {
		secret := prfSecret(r, lock)
		if keys == nil || secret.Bytes == nil {
			return nil
		}
		relock, err := s.Vault.Relocking(ctx, keys, secret)
		if err != nil {
			return err
		}
		key = "flash.passkey"
		return relock(ctx, tx)
	})
	if fault.Is(err, fault.Invalid) {
		page := s.newPasskeyForm(r)
		page.Errors = page.Form.Fail(words.From(ctx), fault.InvalidFields([]fault.Field{{Name: "name", Key: "account.passkey-failed"}}))
		return formView.ShowStatus(s.site, w, r, http.StatusUnprocessableEntity, page)
	}
	if err != nil {
		return err
	}
	s.site.Flash(w, view.Success, key, nil)
	return view.Redirect(w, r, "/staff/account/ways")
}

func (s *Server) passkeyOf(r *http.Request) (account.Passkey, error) {
	var all []account.Passkey
	err := s.DB.Read(r.Context(), func(tx *store.Tx) (err error) {
		all, err = s.Accounts.Passkeys(r.Context(), tx, viewer(r).Account)
		return err
	})
	if err != nil {
		return account.Passkey{}, err
	}
	i := slices.IndexFunc(all, func(p account.Passkey) bool { return p.ID == r.PathValue("key") })
	if i < 0 {
		return account.Passkey{}, fault.New(fault.NotFound, "account.no-passkey", nil)
	}
	return all[i], nil
}

func (s *Server) passkeyForm(say *words.Speaker, p account.Passkey) formPage {
	page := formPage{Shell: waysBack(say), Heading: p.Name,
		Form: view.Form{Submit: say.T("ui.save"), Inputs: []view.Input{{Kind: view.Text, Name: "name", Label: say.T("ways.passkey.name"), Width: "20", Value: p.Name}}},
		More: view.Link{Text: say.T("ways.passkey.remove"), Href: "/staff/account/passkeys/" + p.ID + "/remove"},
	}
	page.Title = p.Name
	return page
}

func (s *Server) passkeyPage(w http.ResponseWriter, r *http.Request) error {
	p, err := s.passkeyOf(r)
	if err != nil {
		return err
	}
	return formView.Show(s.site, w, r, s.passkeyForm(words.From(r.Context()), p))
}

func (s *Server) renamePasskey(w http.ResponseWriter, r *http.Request) error {
	if err := form(r); err != nil {
		return err
	}
	p, err := s.passkeyOf(r)
	if err != nil {
		return err
	}
	err = s.DB.Tx(r.Context(), func(tx *store.Tx) error {
		return s.Accounts.RenamePasskey(r.Context(), tx, by(r), p.ID, r.PostForm.Get("name"))
	})
	if fault.Is(err, fault.Invalid) {
		return s.again(w, r, s.passkeyForm(words.From(r.Context()), p), err)
	}
	if err != nil {
		return err
	}
	s.site.Flash(w, view.Success, "flash.saved", nil)
	return view.Redirect(w, r, "/staff/account/ways")
}

// sure asks before something is taken away.
func (s *Server) sure(w http.ResponseWriter, r *http.Request, back, title, lede, submit string) error {
	say := words.From(r.Context())
	return formView.Show(s.site, w, r, formPage{
		Shell: view.Shell{Title: title, Staff: true, Back: view.Link{Href: back}}, Heading: title, Lede: lede,
		Form: view.Form{Submit: submit, Warning: true, Cancel: view.Link{Text: say.T("ui.cancel"), Href: back}, Hidden: []view.Hidden{{Name: "do", Value: "yes"}}},
	})
}

func (s *Server) removePasskeyPage(w http.ResponseWriter, r *http.Request) error {
	p, err := s.passkeyOf(r)
	if err != nil {
		return err
	}
	say := words.From(r.Context())
	return s.sure(w, r, "/staff/account/ways", say.T("ways.passkey.remove"), say.T("ways.passkey.remove.lede", "name", p.Name), say.T("ways.passkey.remove"))
}

// doneWithWays does something to the ways to sign in and says so.
func (s *Server) doneWithWays(w http.ResponseWriter, r *http.Request, do func(tx *store.Tx) error) error {
	if err := s.DB.Tx(r.Context(), do); err != nil {
		return err
	}
	s.site.Flash(w, view.Success, "flash.way-removed", nil)
	return view.Redirect(w, r, "/staff/account/ways")
}

func (s *Server) removePasskey(w http.ResponseWriter, r *http.Request) error {
	return s.doneWithWays(w, r, func(tx *store.Tx) error { return s.Accounts.DropPasskey(r.Context(), tx, by(r), r.PathValue("key")) })
}

func (s *Server) phraseForm(say *words.Speaker) formPage {
	page := formPage{Shell: waysBack(say), Heading: say.T("ways.phrase.change"), Form: view.Form{
		Action: "/staff/account/phrase", Submit: say.T("ways.phrase.change"), Inputs: append([]view.Input{
			{Kind: view.Password, Name: "phrase", Label: say.T("ways.phrase.old"), Width: "20", Autocomplete: "current-password"},
		}, newPasswordInputs(say)...)}}
	page.Title = page.Heading
	page.Form.Inputs[1].Label, page.Form.Inputs[2].Label = say.T("ways.phrase.new"), say.T("ways.phrase.again")
	return page
}

func (s *Server) phrasePage(w http.ResponseWriter, r *http.Request) error {
	return formView.Show(s.site, w, r, s.phraseForm(words.From(r.Context())))
}

// changePhrase changes the password that opens the vault alone. It takes the one before, and every try is counted.
func (s *Server) changePhrase(w http.ResponseWriter, r *http.Request) error {
	if err := form(r); err != nil {
		return err
	}
	ctx, id := r.Context(), viewer(r).Account
	err := twice(r)
	if err == nil {
		err = account.CheckPassword("", r.PostForm.Get("password"))
	}
	var keys *vault.Keys
	if err == nil {
		if keys, err = s.unlocked(ctx, id, vault.Secret{Kind: vault.Phrase, Bytes: []byte(r.PostForm.Get("phrase"))}, false); err != nil {
			return err
		}
		if s.Accounts.Proved(ctx, id, keys != nil) != nil {
			err = fault.InvalidFields([]fault.Field{{Name: "phrase", Key: "account.unlock-wrong"}})
		}
	}
	if fault.Is(err, fault.Invalid) {
		return s.again(w, r, s.phraseForm(words.From(ctx)), err)
	}
	if err != nil {
		return err
	}
	if err := s.Vault.Relock(ctx, keys, vault.Secret{Kind: vault.Phrase, Bytes: []byte(r.PostForm.Get("password"))}); err != nil {
		return err
	}
	s.site.Flash(w, view.Success, "flash.phrase-changed", nil)
	return view.Redirect(w, r, "/staff/account/ways")
}

func (s *Server) removePhrasePage(w http.ResponseWriter, r *http.Request) error {
	say := words.From(r.Context())
	return s.sure(w, r, "/staff/account/ways", say.T("ways.phrase.remove"), say.T("ways.phrase.remove.lede"), say.T("ways.remove"))
}

func (s *Server) removePhrase(w http.ResponseWriter, r *http.Request) error {
	return s.doneWithWays(w, r, func(tx *store.Tx) error {
		return s.Vault.DropLock(r.Context(), tx, viewer(r).Account, vault.Phrase, "")
	})
}

// codeSetup shows the secret that an app makes codes from. The page carries it along, sealed: nothing is kept before the
// app has shown that it has it.
func (s *Server) codeSetup(r *http.Request, secret account.CodeSecret) (formPage, error) {
	say, id := words.From(r.Context()), viewer(r).Account
	sealed, err := s.Accounts.SealOffice("totp-setup", id, secret)
	if err != nil {
		return formPage{}, err
	}
	st, err := s.loadAccount(r, id)
	if err != nil {
		return formPage{}, err
	}
	address := secret.URL(s.Office.Name(say.Lang()), st.Account.Login)
	picture, err := drawQR(address, qr.M, 240)
	if err != nil {
		return formPage{}, err
	}
	page := formPage{
		Shell: waysBack(say), Heading: say.T("code.title"), Lede: say.T("code.lede"),
		Facts:   &view.SummaryList{Rows: []view.SummaryRow{{Key: say.T("code.secret"), Value: grouped(secret.Text())}}},
		Picture: picture,
		Form: view.Form{Action: "/staff/account/code", Submit: say.T("code.submit"), Hidden: []view.Hidden{{Name: "setup", Value: base64.RawURLEncoding.EncodeToString(sealed)}},
			Inputs: []view.Input{{Kind: view.Text, Name: "code", Label: say.T("staff.code.code"), Hint: say.T("code.code.hint"), Width: "10", InputMode: "numeric", Autocomplete: "one-time-code", NoSpell: true}}},
	}
	page.Title = page.Heading
	return page, nil
}

// grouped sets a long text in groups of four, for reading aloud and typing.
func grouped(text string) string {
	var out []string
	for chunk := range slices.Chunk([]byte(text), 4) {
		out = append(out, string(chunk))
	}
	return strings.Join(out, " ")
}

func (s *Server) codeSetupPage(w http.ResponseWriter, r *http.Request) error {
	page, err := s.codeSetup(r, account.NewCodeSecret())
	if err != nil {
		return err
	}
	return formView.Show(s.site, w, r, page)
}

func (s *Server) setCode(w http.ResponseWriter, r *http.Request) error {
	if err := form(r); err != nil {
		return err
	}
	raw, err := base64.RawURLEncoding.DecodeString(r.PostForm.Get("setup"))
	if err != nil {
		return fault.Wrap(err, fault.Invalid, "fault.form", nil)
	}
	secret, err := s.Accounts.OpenOffice("totp-setup", viewer(r).Account, raw)
	if err != nil {
		return view.Redirect(w, r, "/staff/account/code") // too old, or not ours: begin anew
	}
	var codes []string
	err = s.DB.Tx(r.Context(), func(tx *store.Tx) (err error) {
		codes, err = s.Accounts.SetCode(r.Context(), tx, by(r), secret, r.PostForm.Get("code"))
		return err
	})
	if fault.Is(err, fault.Invalid) {
		page, e := s.codeSetup(r, secret)
		if e != nil {
			return e
		}
		page.Errors = page.Form.Fail(words.From(r.Context()), err)
		return formView.ShowStatus(s.site, w, r, http.StatusUnprocessableEntity, page)
	}
	if err != nil {
		return err
	}
	return s.showRecovery(w, r, codes)
}

// showRecovery shows recovery codes the one time they are known. It answers the POST itself: to redirect would mean to
// keep them somewhere.
func (s *Server) showRecovery(w http.ResponseWriter, r *http.Request, codes []string) error {
	say := words.From(r.Context())
	return sheetView.Show(s.site, w, r, sheet{
		Shell: view.Shell{Title: say.T("recovery.title"), Staff: true}, Heading: say.T("recovery.title"), Lede: say.T("recovery.lede"), Narrow: true,
		Sections: []section{
			{Warn: say.T("recovery.once"), List: &view.SummaryList{Rows: []view.SummaryRow{{Key: say.T("recovery.codes"), Lines: codes}}}},
			{More: view.Link{Text: say.T("recovery.done"), Href: "/staff/account/ways"}},
		},
	})
}

func (s *Server) recoveryPage(w http.ResponseWriter, r *http.Request) error {
	say := words.From(r.Context())
	return s.sure(w, r, "/staff/account/ways", say.T("ways.recovery.new"), say.T("ways.recovery.lede"), say.T("ways.recovery.submit"))
}

func (s *Server) newRecovery(w http.ResponseWriter, r *http.Request) error {
	var codes []string
	err := s.DB.Tx(r.Context(), func(tx *store.Tx) (err error) {
		f, err := s.Accounts.Factors(r.Context(), tx, viewer(r).Account)
		if err != nil {
			return err
		}
		if !f.Code {
			return fault.New(fault.NotFound, "account.no-code", nil)
		}
		codes, err = s.Accounts.NewRecovery(r.Context(), tx, by(r))
		return err
	})
	if err != nil {
		return err
	}
	return s.showRecovery(w, r, codes)
}

func (s *Server) removeCodePage(w http.ResponseWriter, r *http.Request) error {
	say := words.From(r.Context())
	return s.sure(w, r, "/staff/account/ways", say.T("ways.code.remove"), say.T("ways.code.remove.lede"), say.T("ways.remove"))
}

func (s *Server) removeCode(w http.ResponseWriter, r *http.Request) error {
	return s.doneWithWays(w, r, func(tx *store.Tx) error { return s.Accounts.DropCode(r.Context(), tx, by(r)) })
}

// sessionsPage shows where people are signed in and how their account was signed in to.
func (s *Server) sessionsPage(w http.ResponseWriter, r *http.Request) error {
	say, id := words.From(r.Context()), viewer(r).Account
	var open []account.OpenSession
	var past []account.SignedIn
	err := s.DB.Read(r.Context(), func(tx *store.Tx) (err error) {
		if open, err = s.Accounts.Sessions(r.Context(), tx, id, s.sessions.Token(r.Context())); err != nil {
			return err
		}
		past, err = s.Accounts.History(r.Context(), tx, id, 50)
		return err
	})
	if err != nil {
		return err
	}
	zone := s.Office.Zone()
	t := view.Table{Caption: say.T("sessions.open"), CaptionHidden: true, Cards: true, Select: "session", SelectForm: "sessions",
		Columns: []view.Column{{Text: say.T("sessions.since")}, {Text: say.T("sessions.way")}, {Text: say.T("sessions.seen")}, {Text: say.T("admin.account.state")}}}
	for _, o := range open {
		state := view.Cell{}
		if o.Mine {
			state.Tags = []view.Tag{{Tone: view.Success, Text: say.T("sessions.this")}}
		}
		t.Rows = append(t.Rows, view.Row{Value: o.ID, Label: say.Time(o.Made, zone), Cells: []view.Cell{
			{Text: say.Time(o.Made, zone), Header: true}, {Text: s.wayName(say, o.Way)}, {Text: say.Time(o.Seen, zone)}, state,
		}})
	}
	h := view.Table{Caption: say.T("sessions.history"), CaptionHidden: true, Cards: true,
		Columns: []view.Column{{Text: say.T("sessions.when")}, {Text: say.T("sessions.way")}, {Text: say.T("sessions.outcome")}},
		Empty:   view.Empty{Title: say.T("sessions.history.none"), Text: say.T("sessions.history.none.text")}}
	for _, p := range past {
		tag, when := view.Tag{Tone: view.Success, Text: say.T("sessions.in")}, say.Time(p.At, zone)
		switch p.Outcome {
		case account.OutcomeRefused:
			tag, when = view.Tag{Tone: view.Bad, Text: say.N("sessions.refused", p.Times)}, say.T("sessions.hour", "time", when)
		case account.OutcomeHalf:
			tag, when = view.Tag{Tone: view.Soon, Text: say.N("sessions.half", p.Times)}, say.T("sessions.hour", "time", when)
		}
		h.Rows = append(h.Rows, view.Row{Cells: []view.Cell{{Text: when, Header: true}, {Text: s.wayName(say, p.Way)}, {Tags: []view.Tag{tag}}}})
	}
	return sheetView.Show(s.site, w, r, sheet{
		Shell:   view.Shell{Title: say.T("sessions.title"), Staff: true, Crumbs: crumbs(say)},
		Heading: say.T("sessions.title"), Lede: say.T("sessions.lede"), Tabs: accountTabs(say, r),
		Sections: []section{
			{Heading: say.T("sessions.open"), Table: &t, Form: &view.Form{ID: "sessions", Action: "/staff/account/sessions", Submit: say.T("sessions.end")}},
			{Heading: say.T("sessions.everywhere"), Quiet: say.T("sessions.everywhere.hint"), Form: &view.Form{Action: "/staff/account/sessions", Submit: say.T("sessions.everywhere"), Warning: true, Hidden: []view.Hidden{{Name: "all", Value: "yes"}}}},
			{Heading: say.T("browser.new"), Quiet: say.T("browser.hint"), Form: &view.Form{ID: "browser", Action: "/staff/account/sessions", Submit: say.T("browser.make"), Hidden: []view.Hidden{{Name: "browser", Value: "yes"}}}},
			{Heading: say.T("sessions.history"), Quiet: say.T("sessions.history.hint"), Table: &h},
		},
	})
}

func (s *Server) wayName(say *words.Speaker, way string) string {
	if way == "" {
		way = account.WayPassword
	}
	if way == account.WayOIDC && s.OIDC != nil {
		return s.OIDC.Name
	}
	return say.Maybe("sessions.way."+way, way)
}

// endSessions signs out the chosen sessions, or all but this one; or it makes a link for another browser.
func (s *Server) endSessions(w http.ResponseWriter, r *http.Request) error {
	if err := form(r); err != nil {
		return err
	}
	ctx, id := r.Context(), viewer(r).Account
	if r.PostForm.Get("browser") == "yes" {
		return s.showNewBrowser(w, r, id, "/staff/account/sessions")
	}
	if r.PostForm.Get("all") == "yes" {
		var in account.Session
		err := s.DB.Tx(ctx, func(tx *store.Tx) (err error) { in, err = s.Accounts.EndOthers(ctx, tx, id); return err })
		if err != nil {
			return err
		}
		way, keys, fresh := s.sessions.GetString(ctx, account.SessionWay), viewerFrom(ctx).keys, s.sessions.GetString(ctx, account.SessionFresh)
		until := s.sessions.Deadline(ctx)
		if err := s.open(w, r, in, keys, way); err != nil {
			return err
		}
		s.sessions.Put(ctx, account.SessionFresh, fresh) // ending sessions proves nothing
		s.sessions.SetDeadline(ctx, until)
		s.site.Flash(w, view.Success, "flash.signed-out-everywhere", nil)
		return view.Redirect(w, r, "/staff/account/sessions")
	}
	var mine bool
	err := s.DB.Tx(ctx, func(tx *store.Tx) error {
		open, err := s.Accounts.Sessions(ctx, tx, id, s.sessions.Token(ctx))
		if err != nil {
			return err
		}
		mine = false
		for _, o := range open {
			if !slices.Contains(r.PostForm["session"], o.ID) {
				continue
			}
			if o.Mine {
				mine = true
			} else if err := s.Accounts.EndSession(ctx, tx, id, o.ID); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if mine {
		return s.signOut(w, r)
	}
	s.site.Flash(w, view.Success, "flash.saved", nil)
	return view.Redirect(w, r, "/staff/account/sessions")
}

// tokensPage shows the tokens with which programs act for somebody.
func (s *Server) tokensPage(w http.ResponseWriter, r *http.Request) error {
	say := words.From(r.Context())
	var all []account.Token
	err := s.DB.Read(r.Context(), func(tx *store.Tx) (err error) {
		all, err = s.Accounts.Tokens(r.Context(), tx, viewer(r).Account)
		return err
	})
	if err != nil {
		return err
	}
	t := s.tokenTable(say, all, "/staff/account/tokens/")
	return sheetView.Show(s.site, w, r, sheet{
		Shell:   view.Shell{Title: say.T("tokens.title"), Staff: true, Crumbs: crumbs(say)},
		Heading: say.T("tokens.title"), Lede: say.T("tokens.lede"), Tabs: accountTabs(say, r),
		Buttons:  []view.Link{{Text: say.T("tokens.new"), Href: "/staff/account/tokens/new"}},
		Sections: []section{{Table: &t}},
	})
}

func (s *Server) tokenTable(say *words.Speaker, all []account.Token, at string) view.Table {
	t := view.Table{Caption: say.T("tokens.title"), CaptionHidden: true, Cards: true,
		Columns: []view.Column{{Text: say.T("tokens.name")}, {Text: say.T("tokens.scopes")}, {Text: say.T("tokens.expires")}, {Text: say.T("ways.used")}, {Text: say.T("admin.account.state")}, {Text: say.T("ways.remove"), Hidden: true}},
		Empty:   view.Empty{Title: say.T("tokens.none"), Text: say.T("tokens.none.text")}}
	for _, k := range all {
		used := say.T("ways.used.never")
		if k.Used != "" {
			used = say.Date(k.Used)
		}
		state := view.Tag{Tone: view.Success, Text: say.T("tokens.good")}
		if k.Over(s.Now()) {
			state = view.Tag{Tone: view.Waiting, Text: say.T("tokens.over")}
		}
		var scopes []string
		for _, x := range k.Scopes {
			scopes = append(scopes, say.T("tokens.scope."+strings.ReplaceAll(x, ":", "-")))
		}
		t.Rows = append(t.Rows, view.Row{Cells: []view.Cell{
			{Text: k.Name, Header: true}, {Text: say.List(scopes)}, {Text: say.Day(k.Expires, s.Office.Zone())}, {Text: used}, {Tags: []view.Tag{state}},
			{Text: say.T("tokens.remove"), Href: at + strconv.FormatInt(k.ID, 10) + "/remove"},
		}})
	}
	return t
}

func (s *Server) newTokenForm(say *words.Speaker) formPage {
	scopes := view.Input{Kind: view.Checkboxes, Name: "scope", Label: say.T("tokens.scopes"), Hint: say.T("tokens.scopes.hint"), Size: "s"}
	for _, x := range account.Scopes {
		key := "tokens.scope." + strings.ReplaceAll(x, ":", "-")
		scopes.Options = append(scopes.Options, view.Option{Value: x, Text: say.T(key), Hint: say.T(key + ".hint")})
	}
	days := view.Input{Kind: view.Radios, Name: "days", Label: say.T("tokens.days"), Small: true, Size: "s"}
	for _, n := range []int{7, 30, 90, 365} {
		days.Options = append(days.Options, view.Option{Value: strconv.Itoa(n), Text: say.N("tokens.days.n", int64(n)), Chosen: n == 30})
	}
	return formPage{
		Shell:   view.Shell{Title: say.T("tokens.new"), Staff: true, Back: view.Link{Href: "/staff/account/tokens"}},
		Heading: say.T("tokens.new"),
		Form: view.Form{Action: "/staff/account/tokens/new", Submit: say.T("tokens.make"), Cancel: view.Link{Text: say.T("ui.cancel"), Href: "/staff/account/tokens"}, Inputs: []view.Input{
			{Kind: view.Text, Name: "name", Label: say.T("tokens.name"), Hint: say.T("tokens.name.hint"), Width: "20", Size: "s"}, scopes, days,
		}},
	}
}

func (s *Server) newTokenPage(w http.ResponseWriter, r *http.Request) error {
	return formView.Show(s.site, w, r, s.newTokenForm(words.From(r.Context())))
}

func (s *Server) newToken(w http.ResponseWriter, r *http.Request) error {
	if err := form(r); err != nil {
		return err
	}
	days, _ := strconv.Atoi(r.PostForm.Get("days")) // 0 is refused with words
	var text string
	var t account.Token
	err := s.DB.Tx(r.Context(), func(tx *store.Tx) (err error) {
		text, t, err = s.Accounts.MakeToken(r.Context(), tx, by(r), account.TokenCmd{
			Account: viewer(r).Account, Name: r.PostForm.Get("name"), Scopes: r.PostForm["scope"], Days: days})
		return err
	})
	if fault.Is(err, fault.Invalid) {
		return s.again(w, r, s.newTokenForm(words.From(r.Context())), err)
	}
	if err != nil {
		return err
	}
	say := words.From(r.Context())
	return sheetView.Show(s.site, w, r, sheet{
		Shell: view.Shell{Title: say.T("tokens.made"), Staff: true}, Heading: say.T("tokens.made"), Narrow: true,
		Sections: []section{
			{Warn: say.T("tokens.once"), List: &view.SummaryList{Rows: []view.SummaryRow{
				{Key: say.T("tokens.name"), Value: t.Name}, {Key: say.T("tokens.token"), Value: text}, {Key: say.T("tokens.expires"), Value: say.Day(t.Expires, s.Office.Zone())},
			}}},
			{Quiet: say.T("tokens.use")},
			{More: view.Link{Text: say.T("tokens.back"), Href: "/staff/account/tokens"}},
		},
	})
}

func (s *Server) removeTokenPage(w http.ResponseWriter, r *http.Request) error {
	say := words.From(r.Context())
	return s.sure(w, r, "/staff/account/tokens", say.T("tokens.remove"), say.T("tokens.remove.lede"), say.T("tokens.remove"))
}

func (s *Server) removeToken(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, "token")
	if err != nil {
		return err
	}
	err = s.DB.Tx(r.Context(), func(tx *store.Tx) error {
		return s.Accounts.DropToken(r.Context(), tx, by(r), viewer(r).Account, id)
	})
	if err != nil {
		return err
	}
	s.site.Flash(w, view.Success, "flash.token-removed", nil)
	return view.Redirect(w, r, "/staff/account/tokens")
}

// tokenRoutes are the pages that a program may read with a token, and the scope that each takes. All others turn it away.
var tokenRoutes = map[string]string{
	"GET /figures/{measure}/table.json":       account.ScopeFigures,
	"GET /figures/{measure}/table.csv":        account.ScopeFigures,
	"GET /staff/matters/{ref}/proof/{n}/file": account.ScopeMatters,
}

// bearer is the token that a program shows, empty if it shows none.
func bearer(r *http.Request) string {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// withToken answers the request of a program: as its person, on the pages that its token is good for.
func (s *Server) withToken(next http.Handler, text string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v, token, err := s.Accounts.ByToken(r.Context(), text)
		if fault.Is(err, fault.Forbidden) {
			w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
			http.Error(w, "This token is not good any more, or never was.", http.StatusUnauthorized)
			return
		}
		if err != nil {
			s.site.Error(w, r, err)
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), visitorKey{}, visitor{viewer: v, session: account.Session{Account: v.Account}, token: &token})))
	})
}

// tokenMay refuses a program what its token is not good for.
func tokenMay(pattern string, t *account.Token) error {
	if scope, ok := tokenRoutes[pattern]; !ok || !t.Allows(scope) {
		return fault.New(fault.Forbidden, "account.token-scope-lacks", nil)
	}
	return nil
}

// secondFactor is the setting that requires a second factor from all.
const secondFactor = "second-factor"

// isWeak reports whether somebody has to set up a second factor before anything else.
func (s *Server) isWeak(ctx context.Context, tx *store.Tx, in account.Session) (bool, error) {
	if s.Office.Setting(secondFactor) != "required" {
		return false, nil
	}
	if way := s.sessions.GetString(ctx, account.SessionWay); way == account.WayPasskey || way == account.WayOIDC {
		return false, nil
	}
	f, err := s.Accounts.Factors(ctx, tx, in.Account)
	return !f.Code && len(f.Passkeys) == 0, err
}

// first is where somebody who is signed in has to go before anything else, empty if nowhere.
func first(v visitor) string {
	switch {
	case v.session.Temporary:
		return "/staff/account/password"
	case v.weak:
		return "/staff/account/ways"
	}
	return ""
}
