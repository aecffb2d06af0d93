package web

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"plumbline/internal/account"
	"plumbline/internal/fault"
	"plumbline/internal/store"
	"plumbline/internal/vault"
	"plumbline/internal/web/view"
	"plumbline/internal/words"
)

// freshLife is how long a proof of who one is holds for what is dangerous. After that an unattended screen can be read, but
// nobody's rights can be changed with it.
const freshLife = 10 * time.Minute

// refresh remembers that the person of this session has just proved who they are.
func (s *Server) refresh(ctx context.Context) {
	s.sessions.Put(ctx, account.SessionFresh, strconv.FormatInt(s.Now().UnixMicro(), 10))
}

// proved is refresh for a session that goes on: under a new token, so that one which was known before may do no more than it
// could. What the person can open is sealed to the new one.
func (s *Server) proved(r *http.Request) error {
	ctx := r.Context()
	until := s.sessions.Deadline(ctx)
	if err := s.sessions.RenewToken(ctx); err != nil {
		return err
	}
	s.sessions.SetDeadline(ctx, until) // a session ends a working day after the sign-in, whatever is proved meanwhile
	s.refresh(ctx)
	keys := viewerFrom(ctx).keys
	if keys == nil {
		return nil
	}
	sealed, err := s.Vault.SealSession(keys, s.sessions.Token(ctx))
	if err == nil {
		s.sessions.Put(ctx, account.SessionKeys, sealed)
	}
	return err
}

func (s *Server) isFresh(ctx context.Context) bool {
	at, _ := strconv.ParseInt(s.sessions.GetString(ctx, account.SessionFresh), 10, 64) // 0 stands for never
	return s.Now().Sub(time.UnixMicro(at)) < freshLife
}

// What a proof is posted as, beside the fields of the form that asked for it.
const (
	proofPassword = "proof.password"
	proofCode     = "proof.code"
	proofPhrase   = "proof.phrase"
)

var proofFields = []string{proofPassword, proofCode, proofPhrase, "credential", "prf"}

// fresh wraps a route that is dangerous: it is taken only from somebody who has proved lately who they are. Who opens
// such a page is asked first and led back to it. Who sends a form after too long a time is asked with the form kept: it is
// sent again together with the proof.
func (s *Server) fresh(next view.HandlerFunc) view.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		if s.isFresh(r.Context()) {
			return next(w, r)
		}
		if r.Method != http.MethodPost {
			return view.Redirect(w, r, "/staff/confirm?return="+url.QueryEscape(r.URL.RequestURI()))
		}
		if err := form(r); err != nil {
			return err
		}
		err := error(nil)
		if slices.ContainsFunc(proofFields, func(name string) bool { return r.PostForm.Get(name) != "" }) {
			if err = s.prove(r); err == nil {
				for _, name := range proofFields {
					delete(r.PostForm, name)
					delete(r.Form, name)
				}
				if err := s.proved(r); err != nil {
					return err
				}
				return next(w, r)
			}
			if !fault.Is(err, fault.Invalid) {
				return err
			}
		}
		var kept []view.Hidden
		for name, values := range r.PostForm {
			if slices.Contains(proofFields, name) {
				continue
			}
			for _, v := range values {
				kept = append(kept, view.Hidden{Name: name, Value: v})
			}
		}
		slices.SortStableFunc(kept, func(a, b view.Hidden) int { return strings.Compare(a.Name, b.Name) })
		page, e := s.confirmForm(r, r.URL.RequestURI(), kept)
		if e != nil {
			return e
		}
		if err != nil {
			page.Errors = page.Form.Fail(words.From(r.Context()), err)
		}
		return formView.ShowStatus(s.site, w, r, http.StatusUnprocessableEntity, page)
	}
}

// confirmForm asks for a proof and sends it to an address together with what is kept.
func (s *Server) confirmForm(r *http.Request, to string, kept []view.Hidden) (formPage, error) {
	say := words.From(r.Context())
	var f account.Factors
	var ways unlockWays
	err := s.DB.Read(r.Context(), func(tx *store.Tx) (err error) {
		f, err = s.Accounts.Factors(r.Context(), tx, viewer(r).Account)
		return err
	})
	if err == nil {
		ways, err = s.unlockWays(r.Context(), viewer(r).Account)
	}
	page := formPage{
		Shell:   view.Shell{Title: say.T("confirm.title"), Staff: true},
		Heading: say.T("confirm.title"), Lede: say.T("confirm.lede"),
		Form: view.Form{Action: to, Hidden: kept},
	}
	switch {
	case f.Password:
		page.Form.Inputs = append(page.Form.Inputs, view.Input{Kind: view.Password, Name: proofPassword, Label: say.T("staff.sign.password"), Width: "20", Autocomplete: "current-password"})
	case ways.phrase:
		page.Form.Inputs = append(page.Form.Inputs, view.Input{Kind: view.Password, Name: proofPhrase, Label: say.T("unlock.phrase"), Width: "20", Autocomplete: "current-password"})
	}
	if f.Code {
		in := view.Input{Kind: view.Text, Name: proofCode, Label: say.T("staff.code.code"), Width: "10", Autocomplete: "one-time-code", NoSpell: true}
		if len(page.Form.Inputs) > 0 {
			in.Label = say.T("confirm.code")
		}
		page.Form.Inputs = append(page.Form.Inputs, in)
	}
	if len(page.Form.Inputs) > 0 {
		page.Form.Submit = say.T("ui.continue")
	}
	if len(f.Passkeys) > 0 && s.passkeySite(r).Works() {
		page.Passkey = &passkeyForm{Action: to, Ask: "/staff/account/passkeys/ask", Submit: say.T("confirm.passkey"), Hidden: kept, Main: len(page.Form.Inputs) == 0}
	}
	if len(page.Form.Inputs) == 0 && page.Passkey == nil {
		page.Warn = say.T("confirm.nothing")
	}
	return page, err
}

// prove checks the proof that was posted. Its error is Invalid where the person can try again.
func (s *Server) prove(r *http.Request) (err error) {
	ctx, id := r.Context(), viewer(r).Account
	field := proofPassword
	switch get := r.PostForm.Get; {
	case get("credential") != "":
		_, err = s.passkeySecret(r)
	case get(proofPassword) != "":
		err = s.Accounts.Prove(ctx, id, get(proofPassword))
	case get(proofPhrase) != "":
		field = proofPhrase
		keys, e := s.unlocked(ctx, id, vault.Secret{Kind: vault.Phrase, Bytes: []byte(get(proofPhrase))}, false)
		if e != nil {
			return e
		}
		err = s.Accounts.Proved(ctx, id, keys != nil)
		keys.Wipe()
	default:
		field = proofCode
		err = s.Accounts.ProveCode(ctx, id, get(proofCode))
	}
	if fault.Is(err, fault.Forbidden) {
		return fault.InvalidFields([]fault.Field{{Name: field, Key: "account.proof"}})
	}
	return err
}

func (s *Server) confirmPage(w http.ResponseWriter, r *http.Request) error {
	back := localPath(r.FormValue("return"), "/staff")
	if s.isFresh(r.Context()) {
		return view.Redirect(w, r, back)
	}
	page, err := s.confirmForm(r, "/staff/confirm", []view.Hidden{{Name: "return", Value: back}})
	if err != nil {
		return err
	}
	return formView.Show(s.site, w, r, page)
}

func (s *Server) confirm(w http.ResponseWriter, r *http.Request) error {
	if err := form(r); err != nil {
		return err
	}
	back := localPath(r.PostForm.Get("return"), "/staff")
	err := s.prove(r)
	if fault.Is(err, fault.Invalid) {
		page, e := s.confirmForm(r, "/staff/confirm", []view.Hidden{{Name: "return", Value: back}})
		if e != nil {
			return e
		}
		page.Errors = page.Form.Fail(words.From(r.Context()), err)
		return formView.ShowStatus(s.site, w, r, http.StatusUnprocessableEntity, page)
	}
	if err != nil {
		return err
	}
	if err := s.proved(r); err != nil {
		return err
	}
	return view.Redirect(w, r, back)
}

// Passkeys: the browser is asked in one request and answers in the next. What it was asked is kept in the session and
// used up by the answer.

func (s *Server) passkeySite(r *http.Request) account.Site {
	origin := s.origin(r)
	host := r.Host
	if u, err := url.Parse(origin); err == nil {
		host = u.Hostname()
	}
	return account.Site{Name: s.Office.Name(words.From(r.Context()).Lang()), Host: host, Origin: origin}
}

const ceremonyKey = "ceremony"

// ask sends the browser what it is to be asked, and remembers it.
func (s *Server) ask(w http.ResponseWriter, r *http.Request, options []byte, state string) error {
	s.sessions.Put(r.Context(), ceremonyKey, strconv.FormatInt(s.Now().Add(5*time.Minute).UnixMicro(), 10)+" "+state)
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_, err := w.Write(options)
	return err
}

// asked is what the browser was asked, once.
func (s *Server) asked(r *http.Request) string {
	until, state, _ := strings.Cut(s.sessions.PopString(r.Context(), ceremonyKey), " ")
	if n, err := strconv.ParseInt(until, 10, 64); err != nil || s.Now().UnixMicro() > n {
		return ""
	}
	return state
}

// prfSecret is what a passkey says for the vault.
func prfSecret(r *http.Request, lock string) vault.Secret {
	b, err := base64.RawURLEncoding.DecodeString(r.PostForm.Get("prf"))
	if err != nil || len(b) != 32 {
		return vault.Secret{Kind: vault.Passkey, ID: lock}
	}
	return vault.Secret{Kind: vault.Passkey, ID: lock, Bytes: b}
}

// passkeySecret checks the passkey of whoever is signed in, and returns what it says for the vault.
func (s *Server) passkeySecret(r *http.Request) (vault.Secret, error) {
	lock, err := s.Accounts.ProvePasskey(r.Context(), s.passkeySite(r), viewer(r).Account, s.asked(r), r.PostForm.Get("credential"))
	if fault.Is(err, fault.Forbidden) {
		return vault.Secret{}, fault.InvalidFields([]fault.Field{{Name: "password", Key: "account.passkey-failed"}})
	}
	return prfSecret(r, lock), err
}

func (s *Server) askSignIn(w http.ResponseWriter, r *http.Request) error {
	var options []byte
	var state string
	err := s.DB.Read(r.Context(), func(tx *store.Tx) (err error) {
		options, state, err = s.Accounts.AskPasskey(r.Context(), tx, s.passkeySite(r), 0)
		return err
	})
	if err != nil {
		return err
	}
	return s.ask(w, r, options, state)
}

func (s *Server) signInPasskey(w http.ResponseWriter, r *http.Request) error {
	if err := form(r); err != nil {
		return err
	}
	in, lock, err := s.Accounts.SignInPasskey(r.Context(), s.passkeySite(r), s.asked(r), r.PostForm.Get("credential"))
	if fault.Is(err, fault.Forbidden) {
		return s.signInAgain(w, r, "login", "account.passkey-failed")
	}
	if err != nil {
		return err
	}
	keys, err := s.unlocked(r.Context(), in.Account, prfSecret(r, lock), false)
	if err != nil {
		return err
	}
	return s.enter(w, r, in, keys, account.WayPasskey, localPath(r.PostForm.Get("return"), "/staff"))
}

// askOwn asks for a passkey of whoever is signed in.
func (s *Server) askOwn(w http.ResponseWriter, r *http.Request) error {
	var options []byte
	var state string
	err := s.DB.Read(r.Context(), func(tx *store.Tx) (err error) {
		options, state, err = s.Accounts.AskPasskey(r.Context(), tx, s.passkeySite(r), viewer(r).Account)
		return err
	})
	if err != nil {
		return err
	}
	return s.ask(w, r, options, state)
}

// askNew asks the browser to make one.
func (s *Server) askNew(w http.ResponseWriter, r *http.Request) error {
	var options []byte
	var state string
	err := s.DB.Read(r.Context(), func(tx *store.Tx) (err error) {
		options, state, err = s.Accounts.BeginPasskey(r.Context(), tx, s.passkeySite(r), viewer(r).Account)
		return err
	})
	if err != nil {
		return err
	}
	return s.ask(w, r, options, state)
}
