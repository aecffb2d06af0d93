package web

import (
	"net/http"
	"strconv"

	"plumbline/internal/account"
	"plumbline/internal/fault"
	"plumbline/internal/store"
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
	Form    view.Form
	After   string
}

var formView = view.Page[formPage]("staff/plain-form")

func (s *Server) signInForm(say *words.Speaker, r *http.Request) formPage {
	back := r.FormValue("return")
	return formPage{
		Shell: view.Shell{Title: say.T("staff.sign.title")}, Heading: say.T("staff.sign.title"), Lede: say.T("staff.sign.lede"),
		Form: view.Form{
			Action: "/staff/sign-in", Submit: say.T("staff.sign.submit"), Hidden: []view.Hidden{{Name: "return", Value: localPath(back, "/staff")}},
			Inputs: []view.Input{
				{Kind: view.Text, Name: "login", Label: say.T("staff.sign.login"), Width: "20", Autocomplete: "username", NoSpell: true},
				{Kind: view.Password, Name: "password", Label: say.T("staff.sign.password"), Width: "20", Autocomplete: "current-password"},
			},
		},
		After: say.T("staff.sign.forgot"),
	}
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
	in, err := s.Accounts.SignIn(r.Context(), r.PostForm.Get("login"), r.PostForm.Get("password"))
	if fault.Is(err, fault.Forbidden) {
		say := words.From(r.Context())
		page := s.signInForm(say, r)
		page.Form.Fill(r.PostForm)
		page.Errors = page.Form.Fail(say, fault.InvalidFields([]fault.Field{{Name: "login", Key: "account.sign-in"}}))
		return formView.ShowStatus(s.site, w, r, http.StatusUnprocessableEntity, page)
	}
	if err != nil {
		return err
	}
	if err := s.open(r, in); err != nil {
		return err
	}
	back := localPath(r.PostForm.Get("return"), "/staff")
	if in.Temporary {
		back = "/staff/account/password"
	}
	return view.Redirect(w, r, back)
}

// open puts a sign-in into the session under a new token: one that was known before is worth nothing.
func (s *Server) open(r *http.Request, in account.Session) error {
	if err := s.sessions.RenewToken(r.Context()); err != nil {
		return err
	}
	s.sessions.Put(r.Context(), "account", in.Account.String())
	s.sessions.Put(r.Context(), "stamp", strconv.FormatInt(in.Stamp, 10))
	return nil
}

func (s *Server) signOut(w http.ResponseWriter, r *http.Request) error {
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
	err := s.DB.Read(r.Context(), func(tx *store.Tx) (err error) {
		if st, err = s.Accounts.Load(r.Context(), tx, v.viewer.Account); err != nil {
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
		Heading: st.Account.Name,
		Sections: []section{
			{List: &view.SummaryList{Rows: []view.SummaryRow{
				{Key: say.T("staff.sign.login"), Value: st.Account.Login},
				{Key: say.T("staff.sign.password"), Value: "••••••••", Actions: []view.Link{{Text: say.T("ui.change"), Href: "/staff/account/password", Hidden: say.T("staff.sign.password")}}},
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
		Shell:   view.Shell{Title: say.T("staff.password.title"), Staff: true, Back: view.Link{Href: "/staff/account"}},
		Heading: say.T("staff.password.title"),
		Form: view.Form{
			Action: "/staff/account/password", Submit: say.T("staff.password.submit"),
			Inputs: []view.Input{
				{Kind: view.Password, Name: "old", Label: say.T("staff.password.old"), Width: "20", Autocomplete: "current-password"},
				{Kind: view.Password, Name: "password", Label: say.T("staff.password.new"), Hint: say.T("staff.password.hint"), Width: "20", Autocomplete: "new-password"},
				{Kind: view.Password, Name: "again", Label: say.T("staff.password.again"), Width: "20", Autocomplete: "new-password"},
			},
		},
	}
	if viewerFrom(r.Context()).session.Temporary {
		page.Back = view.Link{}
		page.Lede = say.T("staff.password.temporary")
	}
	return page
}

func (s *Server) passwordPage(w http.ResponseWriter, r *http.Request) error {
	return formView.Show(s.site, w, r, s.passwordForm(words.From(r.Context()), r))
}

func (s *Server) changePassword(w http.ResponseWriter, r *http.Request) error {
	if err := form(r); err != nil {
		return err
	}
	say := words.From(r.Context())
	var in account.Session
	var err error
	if r.PostForm.Get("password") != r.PostForm.Get("again") {
		err = fault.InvalidFields([]fault.Field{{Name: "again", Key: "account.password-again"}})
	} else {
		in, err = s.Accounts.ChangePassword(r.Context(), by(r), r.PostForm.Get("old"), r.PostForm.Get("password"))
	}
	if fault.Is(err, fault.Invalid) {
		page := s.passwordForm(say, r)
		page.Errors = page.Form.Fail(say, err)
		return formView.ShowStatus(s.site, w, r, http.StatusUnprocessableEntity, page)
	}
	if err != nil {
		return err
	}
	if err := s.open(r, in); err != nil {
		return err
	}
	s.site.Flash(w, view.Success, "flash.password-changed", nil)
	return view.Redirect(w, r, "/staff")
}
