package web

import (
	"context"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"plumbline/internal/account"
	"plumbline/internal/fault"
	"plumbline/internal/journal"
	"plumbline/internal/notify"
	"plumbline/internal/ref"
	"plumbline/internal/store"
	"plumbline/internal/vault"
	"plumbline/internal/web/view"
	"plumbline/internal/words"
)

// formPage is a page with one form on it.
type formPage struct {
	view.Shell
	Heading string
	Lede    string
	Warn    string
	Facts   *view.SummaryList
	Picture template.HTML // below the facts, such as a code that a camera reads
	Form    view.Form
	Passkey *passkeyForm // another way to do the same
	Other   view.Link    // and a third
	After   string
	More    view.Link
}

// passkeyForm is a form that a passkey fills in. It is shown only where scripts run.
type passkeyForm struct {
	Action string
	Ask    string // address that says what the browser is to be asked
	Make   bool   // a new passkey, not one there is
	Submit string
	Quiet  string
	Hidden []view.Hidden
	Inputs []view.Input
	Main   bool // there is no other form on the page
}

var formView = view.Page[formPage]("staff/plain-form")

func (s *Server) signInForm(say *words.Speaker, r *http.Request) formPage {
	back := localPath(r.FormValue("return"), "/staff")
	page := formPage{
		Shell: view.Shell{Title: say.T("staff.sign.title")}, Heading: say.T("staff.sign.title"), Lede: say.T("staff.sign.lede"),
		Form: view.Form{
			Action: "/staff/sign-in", Submit: say.T("staff.sign.submit"), Hidden: []view.Hidden{{Name: "return", Value: back}},
			Inputs: []view.Input{
				{Kind: view.Text, Name: "login", Label: say.T("staff.sign.login"), Width: "20", Autocomplete: "username", NoSpell: true},
				{Kind: view.Password, Name: "password", Label: say.T("staff.sign.password"), Width: "20", Autocomplete: "current-password"},
			},
		},
		After: say.T("staff.sign.forgot"),
	}
	if s.passkeySite(r).Works() {
		page.Passkey = &passkeyForm{
			Action: "/staff/sign-in/passkey", Ask: "/staff/sign-in/passkey/ask", Submit: say.T("staff.sign.passkey"),
			Hidden: []view.Hidden{{Name: "return", Value: back}},
		}
	}
	if s.OIDC != nil {
		page.Other = view.Link{Text: say.T("staff.sign.elsewhere", "name", s.OIDC.Name), Href: "/staff/sign-in/elsewhere?return=" + url.QueryEscape(back)}
	}
	return page
}

func (s *Server) signInPage(w http.ResponseWriter, r *http.Request) error {
	if viewer(r).Account != 0 {
		return view.Redirect(w, r, localPath(r.FormValue("return"), "/staff"))
	}
	return formView.Show(s.site, w, r, s.signInForm(words.From(r.Context()), r))
}

func (s *Server) signIn(w http.ResponseWriter, r *http.Request) error {
	if err := form(r); err != nil {
		return err
	}
	in, err := s.Accounts.SignIn(r.Context(), account.Attempt{
		Login: r.PostForm.Get("login"), Password: r.PostForm.Get("password"), Devices: s.devices(r),
	})
	if fault.Is(err, fault.Forbidden) {
		return s.signInAgain(w, r, "login", "account.sign-in")
	}
	if err != nil {
		return err
	}
	// A password that somebody else knows locks nobody's key; nor does half a sign-in make one.
	keys, err := s.unlocked(r.Context(), in.Account, vault.Secret{Kind: vault.Password, Bytes: []byte(r.PostForm.Get("password"))}, !in.Temporary && !in.Second)
	if err != nil {
		return err
	}
	back := localPath(r.PostForm.Get("return"), "/staff")
	if in.Second {
		return s.halfIn(w, r, in, keys, back)
	}
	return s.enter(w, r, in, keys, account.WayPassword, back)
}

// signInAgain shows the sign-in page once more and says what was wrong.
func (s *Server) signInAgain(w http.ResponseWriter, r *http.Request, field, key string) error {
	say := words.From(r.Context())
	page := s.signInForm(say, r)
	page.Form.Fill(r.PostForm)
	page.Errors = page.Form.Fail(say, fault.InvalidFields([]fault.Field{{Name: field, Key: key}}))
	return formView.ShowStatus(s.site, w, r, http.StatusUnprocessableEntity, page)
}

// unlocked opens somebody's key with what they signed in with, or makes it if they have none and may. Nil: it could not be
// opened in this way; they are asked for another.
func (s *Server) unlocked(ctx context.Context, id ref.AccountID, secret vault.Secret, enrol bool) (*vault.Keys, error) {
	if enrol {
		has, err := s.hasKey(ctx, id)
		if err != nil {
			return nil, err
		}
		if !has {
			keys, err := s.Vault.Enrol(ctx, id, secret)
			if !fault.Is(err, fault.Conflict) { // else somebody else just did
				return keys, err
			}
		}
	}
	keys, err := s.Vault.Unlock(ctx, id, secret)
	if fault.Is(err, fault.Forbidden) || fault.Is(err, fault.NotFound) {
		return nil, nil
	}
	return keys, err
}

func (s *Server) hasKey(ctx context.Context, id ref.AccountID) (has bool, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error { has, err = s.Vault.HasKey(ctx, tx, id); return err })
	return has, err
}

// enter opens the session of somebody who has signed in and leads on: to what they have to do first, else to where they
// wanted to go.
func (s *Server) enter(w http.ResponseWriter, r *http.Request, in account.Session, keys *vault.Keys, way, back string) error {
	if err := s.open(w, r, in, keys, way); err != nil {
		return err
	}
	s.came(r.Context(), notify.Staff, int64(in.Account))
	if in.Temporary {
		return view.Redirect(w, r, "/staff/account/password")
	}
	if keys == nil && way != account.WayPassword {
		return view.Redirect(w, r, "/staff/unlock?return="+url.QueryEscape(back))
	}
	return view.Redirect(w, r, back)
}

// open puts a sign-in into the session under a new token: one that was known before is worth nothing. What the person
// can open is sealed to that token, which only their browser has.
func (s *Server) open(w http.ResponseWriter, r *http.Request, in account.Session, keys *vault.Keys, way string) error {
	ctx := r.Context()
	if keys == nil { // else they go on, under the new token
		s.Vault.CloseSession(s.sessions.Token(ctx))
	}
	if err := s.sessions.RenewToken(ctx); err != nil {
		return err
	}
	for _, name := range s.sessions.Keys(ctx) {
		s.sessions.Remove(ctx, name)
	}
	s.sessions.Put(ctx, account.SessionAccount, in.Account.String())
	s.sessions.Put(ctx, account.SessionStamp, strconv.FormatInt(in.Stamp, 10))
	s.sessions.Put(ctx, account.SessionWay, way)
	s.refresh(ctx)
	if err := s.hold(ctx, keys); err != nil {
		return err
	}
	s.setDevices(w, r, in.Account)
	return nil
}

// hold keeps what the person of this session can open.
func (s *Server) hold(ctx context.Context, keys *vault.Keys) error {
	if keys == nil {
		return nil
	}
	sealed, err := s.Vault.SealSession(keys, s.sessions.Token(ctx))
	if err != nil {
		return err
	}
	s.sessions.Put(ctx, account.SessionKeys, sealed)
	return s.settleKeys(ctx, keys)
}

// deviceCookie is by what a browser is known in which an account has signed in before.
func (s *Server) deviceCookie() string {
	if s.Secure {
		return "__Host-plumbline-device"
	}
	return "plumbline-device"
}

func (s *Server) devices(r *http.Request) string {
	c, err := r.Cookie(s.deviceCookie())
	if err != nil {
		return ""
	}
	return c.Value
}

func (s *Server) setDevices(w http.ResponseWriter, r *http.Request, id ref.AccountID) {
	s.putDevices(w, s.Accounts.RememberDevice(id, s.devices(r)))
}

func (s *Server) putDevices(w http.ResponseWriter, devices string) {
	http.SetCookie(w, &http.Cookie{
		Name: s.deviceCookie(), Value: devices, Path: "/", MaxAge: int(account.DeviceLife.Seconds()),
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: s.Secure,
	})
}

// A link makes a browser known to an account before it has signed in there; see account.NewBrowser.

func (s *Server) newBrowserPage(w http.ResponseWriter, r *http.Request) error {
	if _, err := s.Accounts.AdmitBrowser(r.PathValue("token"), ""); err != nil {
		return err
	}
	say := words.From(r.Context())
	return formView.Show(s.site, w, r, formPage{
		Shell: view.Shell{Title: say.T("browser.title")}, Heading: say.T("browser.title"), Lede: say.T("browser.lede"),
		Form: view.Form{Submit: say.T("browser.submit"), Cancel: view.Link{Text: say.T("ui.cancel"), Href: "/staff/sign-in"}, Hidden: []view.Hidden{{Name: "do", Value: "yes"}}},
	})
}

func (s *Server) admitBrowser(w http.ResponseWriter, r *http.Request) error {
	devices, err := s.Accounts.AdmitBrowser(r.PathValue("token"), s.devices(r))
	if err != nil {
		return err
	}
	s.putDevices(w, devices)
	s.site.Flash(w, view.Success, "flash.browser", nil)
	return view.Redirect(w, r, "/staff/sign-in")
}

// showNewBrowser shows such a link. It answers the POST itself, as with invitations.
func (s *Server) showNewBrowser(w http.ResponseWriter, r *http.Request, id ref.AccountID, back string) error {
	say := words.From(r.Context())
	var token string
	var until time.Time
	err := s.DB.Read(r.Context(), func(tx *store.Tx) (err error) {
		token, until, err = s.Accounts.NewBrowser(r.Context(), tx, by(r), id)
		return err
	})
	if err != nil {
		return err
	}
	return sheetView.Show(s.site, w, r, sheet{
		Shell: view.Shell{Title: say.T("browser.new"), Staff: true, Back: view.Link{Href: back}}, Heading: say.T("browser.new"), Lede: say.T("browser.made"), Narrow: true,
		Sections: []section{{List: &view.SummaryList{Rows: []view.SummaryRow{
			{Key: say.T("admin.invitation.link"), Value: s.origin(r) + "/staff/sign-in/browser/" + token},
			{Key: say.T("admin.invitation.until"), Value: say.Time(until, s.Office.Zone())},
		}}}},
	})
}

// Half a sign-in waits this long for the second factor.
const halfLife = 10 * time.Minute

// halfIn remembers that the password was right, and asks for the code.
func (s *Server) halfIn(w http.ResponseWriter, r *http.Request, in account.Session, keys *vault.Keys, back string) error {
	ctx := r.Context()
	if err := s.sessions.RenewToken(ctx); err != nil {
		return err
	}
	s.sessions.Put(ctx, "half.account", in.Account.String())
	s.sessions.Put(ctx, "half.stamp", strconv.FormatInt(in.Stamp, 10))
	s.sessions.Put(ctx, "half.until", strconv.FormatInt(s.Now().Add(halfLife).UnixMicro(), 10))
	s.sessions.Put(ctx, "half.return", back)
	if keys != nil {
		sealed, err := s.Vault.SealSession(keys, s.sessions.Token(ctx))
		if err != nil {
			return err
		}
		s.sessions.Put(ctx, "half.keys", sealed)
	}
	return view.Redirect(w, r, "/staff/sign-in/code")
}

// half is the half sign-in of this browser, if it still waits.
func (s *Server) half(r *http.Request) (in account.Session, ok bool) {
	get := func(name string) int64 {
		n, _ := strconv.ParseInt(s.sessions.GetString(r.Context(), name), 10, 64) // 0 stands for none
		return n
	}
	in = account.Session{Account: ref.AccountID(get("half.account")), Stamp: get("half.stamp"), Second: true}
	return in, in.Account != 0 && s.Now().UnixMicro() < get("half.until")
}

func (s *Server) codeForm(say *words.Speaker) formPage {
	return formPage{
		Shell:   view.Shell{Title: say.T("staff.code.title"), Back: view.Link{Href: "/staff/sign-in"}},
		Heading: say.T("staff.code.title"), Lede: say.T("staff.code.lede"),
		Form: view.Form{Action: "/staff/sign-in/code", Submit: say.T("staff.sign.submit"), Inputs: []view.Input{
			{Kind: view.Text, Name: "code", Label: say.T("staff.code.code"), Hint: say.T("staff.code.hint"), Width: "20", Autocomplete: "one-time-code", NoSpell: true},
		}},
		After: say.T("staff.code.lost"),
	}
}

func (s *Server) codePage(w http.ResponseWriter, r *http.Request) error {
	if _, ok := s.half(r); !ok {
		return view.Redirect(w, r, "/staff/sign-in")
	}
	return formView.Show(s.site, w, r, s.codeForm(words.From(r.Context())))
}

func (s *Server) signInCode(w http.ResponseWriter, r *http.Request) error {
	if err := form(r); err != nil {
		return err
	}
	half, ok := s.half(r)
	if !ok {
		return view.Redirect(w, r, "/staff/sign-in")
	}
	in, err := s.Accounts.Second(r.Context(), half, r.PostForm.Get("code"), s.devices(r))
	if fault.Is(err, fault.Forbidden) {
		page := s.codeForm(words.From(r.Context()))
		page.Errors = page.Form.Fail(words.From(r.Context()), fault.InvalidFields([]fault.Field{{Name: "code", Key: "account.code-wrong"}}))
		return formView.ShowStatus(s.site, w, r, http.StatusUnprocessableEntity, page)
	}
	if err != nil {
		return err
	}
	ctx := r.Context()
	var keys *vault.Keys
	if sealed := s.sessions.GetString(ctx, "half.keys"); sealed != "" {
		if keys, err = s.Vault.OpenSession(s.sessions.Token(ctx), sealed); err != nil {
			keys = nil
		}
	}
	back := localPath(s.sessions.GetString(ctx, "half.return"), "/staff")
	return s.enter(w, r, in, keys, account.WayCode, back)
}

func (s *Server) signOut(w http.ResponseWriter, r *http.Request) error {
	s.Vault.CloseSession(s.sessions.Token(r.Context()))
	if err := s.sessions.Destroy(r.Context()); err != nil {
		return err
	}
	s.site.Flash(w, view.Success, "flash.signed-out", nil)
	return view.Redirect(w, r, "/staff/sign-in")
}

// ownAccount shows people what the office has on them: their duties, their language, where to change the password.
func (s *Server) ownAccount(w http.ResponseWriter, r *http.Request) error {
	say, v := words.From(r.Context()), viewerFrom(r.Context())
	if v.session.Temporary {
		return view.Redirect(w, r, "/staff/account/password")
	}
	var st account.State
	var bodies bodyNames
	var official string
	var waits *view.Note
	err := s.DB.Read(r.Context(), func(tx *store.Tx) (err error) {
		if st, err = s.Accounts.Load(r.Context(), tx, v.viewer.Account); err != nil {
			return err
		}
		if official, err = s.officialInWords(r.Context(), tx, say, st.Account.Official); err != nil {
			return err
		}
		if waits, err = s.officialWaits(r.Context(), tx, say, st); err != nil {
			return err
		}
		bodies, err = s.bodyNames(r.Context(), tx, say)
		return err
	})
	if err != nil {
		return err
	}
	grants := s.grantTable(say, bodies, st.Grants, nil)
	grants.Empty = view.Empty{Title: say.T("staff.account.no-duties"), Text: say.T("staff.account.no-duties.text")}
	langs := view.Input{Kind: view.Radios, Name: "lang", Label: say.T("staff.account.language"), Inline: true}
	for _, other := range s.Book.Speakers() {
		langs.Options = append(langs.Options, view.Option{Value: other.Lang(), Text: other.Name()})
	}
	return sheetView.Show(s.site, w, r, sheet{
		Shell:   view.Shell{Title: say.T("staff.account.title"), Staff: true, Crumbs: crumbs(say)},
		Heading: st.Account.Name, Tabs: accountTabs(say, r),
		Sections: []section{
			{Note: waits, List: &view.SummaryList{Rows: []view.SummaryRow{
				{Key: say.T("staff.sign.login"), Value: st.Account.Login},
				{Key: say.T("admin.account.official"), Value: official, Quiet: st.Account.Official == 0},
				{Key: say.T("ways.title"), Link: view.Link{Text: say.T("ways.more"), Href: "/staff/account/ways"}},
			}}},
			{Heading: say.T("staff.account.duties"), Quiet: say.T("staff.account.duties.hint"), Table: &grants},
			{Heading: say.T("staff.account.language"), Form: &view.Form{
				Action: "/staff/account/language", Submit: say.T("ui.save"), ID: "language", Inputs: []view.Input{hideLabel(langs.Choose(st.Account.Lang))},
			}},
		},
	})
}

func hideLabel(in view.Input) view.Input { in.Size = "s"; return in }

func (s *Server) changeLanguage(w http.ResponseWriter, r *http.Request) error {
	if err := form(r); err != nil {
		return err
	}
	lang := s.Book.For(r.PostForm.Get("lang")).Lang()
	err := s.DB.Tx(r.Context(), func(tx *store.Tx) error {
		st, err := s.Accounts.Load(r.Context(), tx, viewer(r).Account)
		if err != nil {
			return err
		}
		return s.Accounts.Change(r.Context(), tx, by(r), st.Account.ID, account.ChangeCmd{Name: st.Account.Name, Official: st.Account.Official, Lang: lang})
	})
	if err != nil {
		return err
	}
	s.site.Flash(w, view.Success, "flash.saved", nil)
	return view.Redirect(w, r, "/staff/account?lang="+lang)
}

func (s *Server) passwordForm(say *words.Speaker, r *http.Request) formPage {
	page := formPage{
		Shell:   view.Shell{Title: say.T("staff.password.title"), Staff: true, Back: view.Link{Href: "/staff/account/ways"}},
		Heading: say.T("staff.password.title"),
		Form: view.Form{
			Action: "/staff/account/password", Submit: say.T("staff.password.submit"),
			Inputs: append([]view.Input{
				{Kind: view.Password, Name: "old", Label: say.T("staff.password.old"), Width: "20", Autocomplete: "current-password"},
			}, newPasswordInputs(say)...),
		},
	}
	if viewerFrom(r.Context()).session.Temporary {
		page.Back = view.Link{}
		page.Lede = say.T("staff.password.temporary")
	}
	return page
}

func newPasswordInputs(say *words.Speaker) []view.Input {
	return []view.Input{
		{Kind: view.Password, Name: "password", Label: say.T("staff.password.new"), Hint: say.T("staff.password.hint"), Width: "20", Autocomplete: "new-password"},
		{Kind: view.Password, Name: "again", Label: say.T("staff.password.again"), Width: "20", Autocomplete: "new-password"},
	}
}

// twice checks that a new password was typed the same two times.
func twice(r *http.Request) error {
	if r.PostForm.Get("password") != r.PostForm.Get("again") {
		return fault.InvalidFields([]fault.Field{{Name: "again", Key: "account.password-again"}})
	}
	return nil
}

func (s *Server) passwordPage(w http.ResponseWriter, r *http.Request) error {
	return formView.Show(s.site, w, r, s.passwordForm(words.From(r.Context()), r))
}

// changePassword changes the password and locks the person's key with the new one. Their key is open, or the old
// password opens it; where they have none yet, the new one locks the first.
func (s *Server) changePassword(w http.ResponseWriter, r *http.Request) error {
	if err := form(r); err != nil {
		return err
	}
	ctx, old, new := r.Context(), r.PostForm.Get("old"), r.PostForm.Get("password")
	id, keys := viewer(r).Account, viewerFrom(r.Context()).keys
	in, err := account.Session{}, twice(r)
	if err == nil {
		if keys == nil {
			if keys, err = s.unlocked(ctx, id, vault.Secret{Kind: vault.Password, Bytes: []byte(old)}, false); err != nil {
				return err
			}
		}
		var relock vault.Change
		if keys, relock, err = s.relocking(ctx, id, keys, vault.Secret{Kind: vault.Password, Bytes: []byte(new)}); err != nil {
			return err
		}
		in, err = s.Accounts.ChangePassword(ctx, by(r), old, new, account.Also(relock))
	}
	if fault.Is(err, fault.Invalid) {
		say := words.From(ctx)
		page := s.passwordForm(say, r)
		page.Errors = page.Form.Fail(say, err)
		return formView.ShowStatus(s.site, w, r, http.StatusUnprocessableEntity, page)
	}
	if err != nil {
		return err
	}
	if err := s.open(w, r, in, keys, account.WayPassword); err != nil {
		return err
	}
	s.site.Flash(w, view.Success, "flash.password-changed", nil)
	return view.Redirect(w, r, "/staff")
}

// relocking makes ready what locks somebody's key with a new password, or makes their first key: it is written together with
// the password, so that the two never differ. Where there is a key that is not open, there is nothing to do.
func (s *Server) relocking(ctx context.Context, id ref.AccountID, keys *vault.Keys, secret vault.Secret) (*vault.Keys, vault.Change, error) {
	if account.CheckPassword("", string(secret.Bytes)) != nil {
		return keys, nil, nil // it is refused with the password
	}
	if keys != nil {
		change, err := s.Vault.Relocking(ctx, keys, secret)
		return keys, change, err
	}
	has, err := s.hasKey(ctx, id)
	if err != nil || has {
		return nil, nil, err
	}
	return s.Vault.Enrolling(ctx, id, secret)
}

// Invitations: the way in for those who have none yet.

func (s *Server) invitationForm(say *words.Speaker, st account.State) formPage {
	return formPage{
		Shell:   view.Shell{Title: say.T("invite.title")},
		Heading: say.T("invite.welcome", "name", st.Account.Name), Lede: say.T("invite.lede", "office", s.Office.Name(say.Lang())),
		Facts: &view.SummaryList{Rows: []view.SummaryRow{{Key: say.T("staff.sign.login"), Value: st.Account.Login}}},
		Form:  view.Form{Submit: say.T("invite.submit"), Inputs: newPasswordInputs(say)},
		After: say.T("invite.once"),
	}
}

// invited is whom the address invites, and the page that says so. Whoever begins anew is told what became of their key.
func (s *Server) invited(r *http.Request) (page formPage, st account.State, err error) {
	say := words.From(r.Context())
	var history []journal.Recorded
	err = s.DB.Read(r.Context(), func(tx *store.Tx) (err error) {
		if st, err = s.Accounts.Invited(r.Context(), tx, r.PathValue("token")); err != nil {
			return err
		}
		history, err = journal.Stream(r.Context(), tx, st.Account.ID.Stream())
		return err
	})
	if err != nil {
		return page, st, err
	}
	page = s.invitationForm(say, st)
	if slices.ContainsFunc(history, func(e journal.Recorded) bool { return e.Action == account.ActionReset }) {
		page.Warn = say.T("invite.anew")
	}
	return page, st, nil
}

func (s *Server) invitationPage(w http.ResponseWriter, r *http.Request) error {
	page, _, err := s.invited(r)
	if err != nil {
		return err
	}
	return formView.Show(s.site, w, r, page)
}

func (s *Server) acceptInvitation(w http.ResponseWriter, r *http.Request) error {
	if err := form(r); err != nil {
		return err
	}
	page, st, err := s.invited(r)
	if err != nil {
		return err
	}
	in, err := account.Session{}, twice(r)
	var keys *vault.Keys
	if err == nil {
		var enrol vault.Change
		if keys, enrol, err = s.relocking(r.Context(), st.Account.ID, nil, vault.Secret{Kind: vault.Password, Bytes: []byte(r.PostForm.Get("password"))}); err != nil {
			return err
		}
		in, err = s.Accounts.Accept(r.Context(), r.PathValue("token"), r.PostForm.Get("password"), account.Also(enrol))
	}
	if fault.Is(err, fault.Invalid) {
		page.Errors = page.Form.Fail(words.From(r.Context()), err)
		return formView.ShowStatus(s.site, w, r, http.StatusUnprocessableEntity, page)
	}
	if err != nil {
		return err
	}
	s.site.Flash(w, view.Success, "flash.welcome", nil)
	return s.enter(w, r, in, keys, account.WayInvited, "/staff")
}

// Unlocking: for those who signed in with something that opens no key.

func (s *Server) unlockForm(r *http.Request) (page formPage, ways unlockWays, err error) {
	say, id := words.From(r.Context()), viewer(r).Account
	back := localPath(r.FormValue("return"), "/staff")
	page = formPage{
		Shell:   view.Shell{Title: say.T("unlock.title"), Staff: true},
		Heading: say.T("unlock.title"), Lede: say.T("unlock.lede"),
		Form: view.Form{Action: "/staff/unlock", Submit: say.T("unlock.submit"), Cancel: view.Link{Text: say.T("unlock.later"), Href: back},
			Hidden: []view.Hidden{{Name: "return", Value: back}}},
	}
	if ways, err = s.unlockWays(r.Context(), id); err != nil {
		return page, ways, err
	}
	switch {
	case ways.has && ways.phrase && !ways.password:
		page.Form.Inputs = []view.Input{{Kind: view.Password, Name: "phrase", Label: say.T("unlock.phrase"), Width: "20", Autocomplete: "current-password"}}
	case ways.has:
		page.Form.Inputs = []view.Input{{Kind: view.Password, Name: "password", Label: say.T("staff.sign.password"), Width: "20", Autocomplete: "current-password"}}
	case ways.signs:
		page.Lede = say.T("unlock.first")
		page.Form.Inputs = []view.Input{{Kind: view.Password, Name: "password", Label: say.T("staff.sign.password"), Width: "20", Autocomplete: "current-password"}}
	default:
		page.Lede = say.T("unlock.new")
		page.Form.Submit = say.T("unlock.new.submit")
		page.Form.Inputs = newPasswordInputs(say)
		page.Form.Inputs[0].Label, page.Form.Inputs[1].Label = say.T("unlock.new.phrase"), say.T("unlock.new.again")
	}
	if ways.passkeys && s.passkeySite(r).Works() {
		page.Passkey = &passkeyForm{Action: "/staff/unlock", Ask: "/staff/account/passkeys/ask", Submit: say.T("unlock.passkey"), Hidden: page.Form.Hidden}
	}
	return page, ways, nil
}

// unlockWays is what somebody's key can be opened with.
type unlockWays struct {
	has      bool // there is a key
	signs    bool // the person has a password to sign in with
	password bool
	phrase   bool
	passkeys bool
}

func (s *Server) unlockWays(ctx context.Context, id ref.AccountID) (w unlockWays, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		if w.signs, err = s.Accounts.HasPassword(ctx, tx, id); err != nil {
			return err
		}
		if w.has, err = s.Vault.HasKey(ctx, tx, id); err != nil {
			return err
		}
		locks, err := s.Vault.Locks(ctx, tx, id)
		for _, l := range locks {
			w.password = w.password || l.Kind == vault.Password
			w.phrase = w.phrase || l.Kind == vault.Phrase
			w.passkeys = w.passkeys || l.Kind == vault.Passkey
		}
		return err
	})
	return w, err
}

func (s *Server) unlockPage(w http.ResponseWriter, r *http.Request) error {
	if viewerFrom(r.Context()).keys != nil {
		return view.Redirect(w, r, localPath(r.FormValue("return"), "/staff"))
	}
	page, _, err := s.unlockForm(r)
	if err != nil {
		return err
	}
	return formView.Show(s.site, w, r, page)
}

func (s *Server) unlock(w http.ResponseWriter, r *http.Request) error {
	if err := form(r); err != nil {
		return err
	}
	page, ways, err := s.unlockForm(r)
	if err != nil {
		return err
	}
	keys, err := s.unlockWith(r, ways)
	if fault.Is(err, fault.Invalid) {
		say := words.From(r.Context())
		page.Errors = page.Form.Fail(say, err)
		return formView.ShowStatus(s.site, w, r, http.StatusUnprocessableEntity, page)
	}
	if err != nil {
		return err
	}
	if err := s.hold(r.Context(), keys); err != nil {
		return err
	}
	s.site.Flash(w, view.Success, "flash.unlocked", nil)
	return view.Redirect(w, r, localPath(r.PostForm.Get("return"), "/staff"))
}

func (s *Server) unlockWith(r *http.Request, ways unlockWays) (*vault.Keys, error) {
	ctx, id := r.Context(), viewer(r).Account
	wrong := func(field string) error {
		return fault.InvalidFields([]fault.Field{{Name: field, Key: "account.unlock-wrong"}})
	}
	switch password, phrase := r.PostForm.Get("password"), r.PostForm.Get("phrase"); {
	case r.PostForm.Get("credential") != "":
		secret, err := s.passkeySecret(r)
		if err != nil {
			return nil, err
		}
		keys, err := s.unlocked(ctx, id, secret, false)
		if err == nil && keys == nil {
			return nil, fault.InvalidFields([]fault.Field{{Name: "password", Key: "account.passkey-opens-not"}})
		}
		return keys, err
	case ways.has && ways.phrase && !ways.password:
		keys, err := s.unlocked(ctx, id, vault.Secret{Kind: vault.Phrase, Bytes: []byte(phrase)}, false)
		if err != nil {
			return nil, err
		}
		if err := s.Accounts.Proved(ctx, id, keys != nil); err != nil { // counted, like every try
			return nil, wrong("phrase")
		}
		return keys, nil
	case ways.has || ways.signs:
		if err := s.Accounts.Prove(ctx, id, password); err != nil {
			if fault.Is(err, fault.Forbidden) {
				return nil, wrong("password")
			}
			return nil, err
		}
		keys, err := s.unlocked(ctx, id, vault.Secret{Kind: vault.Password, Bytes: []byte(password)}, true)
		if err == nil && keys == nil {
			return nil, wrong("password")
		}
		return keys, err
	default:
		if err := twice(r); err != nil {
			return nil, err
		}
		if err := account.CheckPassword("", password); err != nil {
			return nil, err
		}
		return s.Vault.Enrol(ctx, id, vault.Secret{Kind: vault.Phrase, Bytes: []byte(password)})
	}
}
