package web

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"plumbline/internal/account"
	"plumbline/internal/fault"
	"plumbline/internal/store"
	"plumbline/internal/web/view"
	"plumbline/internal/words"
)

// OIDC is an account elsewhere with which people may sign in here (OpenID Connect): that of their ministry, for example.
// It signs in; it opens nothing that is sealed.
type OIDC struct {
	Name   string // as people call it
	Issuer string
	Client string
	Secret string
	HTTP   *http.Client // nil: the usual

	mu       sync.Mutex
	provider *oidc.Provider
	away     error     // why it could not be reached
	until    time.Time // when it is tried again
}

// awayFor is how long an issuer that could not be reached is left alone: those who wait for it would else try one after the other,
// each as long as it takes to give up.
const awayFor = 5 * time.Second

func (o *OIDC) context(ctx context.Context) context.Context {
	client := o.HTTP
	if client == nil {
		client = &http.Client{Timeout: 15 * time.Second}
	}
	return oidc.ClientContext(ctx, client)
}

// found reads where the issuer's pages are, once it can be reached.
func (o *OIDC) found(ctx context.Context) (*oidc.Provider, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.provider != nil {
		return o.provider, nil
	}
	if time.Now().Before(o.until) {
		return nil, o.away
	}
	// The provider goes on reading keys after this request: not with a context that ends with it.
	p, err := oidc.NewProvider(o.context(context.WithoutCancel(ctx)), o.Issuer)
	if err != nil {
		o.away, o.until = fault.Wrap(err, fault.Unavailable, "account.elsewhere-away", fault.Args{"name": o.Name}), time.Now().Add(awayFor)
		return nil, o.away
	}
	o.provider = p
	return p, nil
}

const elsewhereBack = "/staff/sign-in/elsewhere/back"

func (s *Server) oauth(r *http.Request, p *oidc.Provider) oauth2.Config {
	return oauth2.Config{ClientID: s.OIDC.Client, ClientSecret: s.OIDC.Secret, Endpoint: p.Endpoint(),
		RedirectURL: s.origin(r) + elsewhereBack, Scopes: []string{oidc.ScopeOpenID, "email"}}
}

// signInElsewhere leads to the issuer. What has to come back with the answer is kept in the session.
func (s *Server) signInElsewhere(w http.ResponseWriter, r *http.Request) error {
	return s.goElsewhere(w, r, "sign-in", localPath(r.FormValue("return"), "/staff"))
}

// linkElsewhere does the same for somebody who is signed in and wants to tie their account.
func (s *Server) linkElsewhere(w http.ResponseWriter, r *http.Request) error {
	return s.goElsewhere(w, r, "link", "/staff/account/ways")
}

func (s *Server) goElsewhere(w http.ResponseWriter, r *http.Request, why, back string) error {
	if s.OIDC == nil {
		return fault.New(fault.NotFound, "fault.notfound", nil)
	}
	p, err := s.OIDC.found(r.Context())
	if err != nil {
		return err
	}
	state, nonce, verifier := oauth2.GenerateVerifier(), oauth2.GenerateVerifier(), oauth2.GenerateVerifier()
	kept := url.Values{"state": {state}, "nonce": {nonce}, "verifier": {verifier}, "why": {why}, "back": {back},
		"until": {strconv.FormatInt(s.Now().Add(10*time.Minute).UnixMicro(), 10)}}
	s.sessions.Put(r.Context(), "elsewhere", kept.Encode())
	config := s.oauth(r, p)
	http.Redirect(w, r, config.AuthCodeURL(state, oidc.Nonce(nonce), oauth2.S256ChallengeOption(verifier)), http.StatusSeeOther)
	return nil
}

// cameBack takes the issuer's answer: it must belong to the question this browser asked, and be signed for us.
func (s *Server) cameBack(w http.ResponseWriter, r *http.Request) error {
	if s.OIDC == nil {
		return fault.New(fault.NotFound, "fault.notfound", nil)
	}
	kept, err := url.ParseQuery(s.sessions.PopString(r.Context(), "elsewhere"))
	if err != nil {
		return err
	}
	claims, err := s.claims(r, kept)
	if err != nil {
		// What went wrong is for the log, in the issuer's own words; whoever signs in learns that it did.
		s.Log.WarnContext(r.Context(), "sign-in elsewhere failed", "issuer", s.OIDC.Issuer, "error", err)
		return s.signInAgain(w, r, "login", "account.elsewhere-failed")
	}
	if kept.Get("why") == "link" {
		if viewer(r).Account == 0 {
			return s.askToSignIn(w, r)
		}
		err := s.DB.Tx(r.Context(), func(tx *store.Tx) error { return s.Accounts.LinkOwn(r.Context(), tx, by(r), claims) })
		if fault.Is(err, fault.Invalid) {
			return fault.New(fault.Conflict, "account.link-taken", nil)
		}
		if err != nil {
			return err
		}
		s.site.Flash(w, view.Success, "flash.linked-elsewhere", map[string]any{"name": s.OIDC.Name})
		return view.Redirect(w, r, "/staff/account/ways")
	}
	in, err := s.Accounts.SignInLinked(r.Context(), claims)
	if fault.Is(err, fault.Forbidden) {
		return s.signInAgain(w, r, "login", "account.not-linked")
	}
	if err != nil {
		return err
	}
	return s.enter(w, r, in, nil, account.WayOIDC, localPath(kept.Get("back"), "/staff"))
}

var errNotAsked = errors.New("the answer does not belong to a question of this browser")

func (s *Server) claims(r *http.Request, kept url.Values) (c account.Claims, err error) {
	q := r.URL.Query()
	until, _ := strconv.ParseInt(kept.Get("until"), 10, 64) // 0 stands for never asked
	if kept.Get("state") == "" || subtle.ConstantTimeCompare([]byte(q.Get("state")), []byte(kept.Get("state"))) != 1 || s.Now().UnixMicro() > until {
		return c, errNotAsked
	}
	if e := q.Get("error"); e != "" {
		return c, fmt.Errorf("the issuer says %q", strings.ToValidUTF8(e[:min(len(e), 100)], ""))
	}
	p, err := s.OIDC.found(r.Context())
	if err != nil {
		return c, err
	}
	config := s.oauth(r, p)
	ctx := s.OIDC.context(r.Context())
	token, err := config.Exchange(ctx, q.Get("code"), oauth2.VerifierOption(kept.Get("verifier")))
	if err != nil {
		var said *oauth2.RetrieveError
		if errors.As(err, &said) { // without the body, which may hold more than it should
			return c, fmt.Errorf("the code was refused: %s", said.ErrorCode)
		}
		return c, fmt.Errorf("exchange the code: %w", err)
	}
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return c, errors.New("the answer holds no ID token")
	}
	id, err := p.Verifier(&oidc.Config{ClientID: s.OIDC.Client}).Verify(ctx, raw)
	if err != nil {
		return c, err
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(kept.Get("nonce"))) != 1 {
		return c, errors.New("the ID token was made for another question")
	}
	var more struct {
		Email    string `json:"email"`
		Verified bool   `json:"email_verified"`
	}
	if err := id.Claims(&more); err != nil {
		return c, err
	}
	c = account.Claims{Issuer: s.OIDC.Issuer, Subject: id.Subject, Email: more.Email, Verified: more.Verified}
	if c.Email != "" || p.UserInfoEndpoint() == "" {
		return c, nil
	}
	// Many issuers tell the address on request only.
	info, err := p.UserInfo(ctx, oauth2.StaticTokenSource(token))
	if err != nil {
		return c, fmt.Errorf("ask who it is: %w", err)
	}
	if info.Subject != c.Subject {
		return c, errors.New("the issuer tells of somebody else")
	}
	c.Email, c.Verified = info.Email, info.EmailVerified
	return c, nil
}

func (s *Server) unlinkPage(w http.ResponseWriter, r *http.Request) error {
	if s.OIDC == nil {
		return fault.New(fault.NotFound, "fault.notfound", nil)
	}
	say := words.From(r.Context())
	return s.sure(w, r, "/staff/account/ways", say.T("ways.elsewhere.remove", "name", s.OIDC.Name), say.T("ways.elsewhere.remove.lede", "name", s.OIDC.Name), say.T("ways.remove"))
}

func (s *Server) unlink(w http.ResponseWriter, r *http.Request) error {
	if s.OIDC == nil {
		return fault.New(fault.NotFound, "fault.notfound", nil)
	}
	return s.doneWithWays(w, r, func(tx *store.Tx) error {
		f, err := s.Accounts.Factors(r.Context(), tx, viewer(r).Account)
		if err != nil {
			return err
		}
		if !f.Password && len(f.Passkeys) == 0 {
			return fault.New(fault.Conflict, "account.last-way", nil)
		}
		return s.Accounts.Unlink(r.Context(), tx, by(r), viewer(r).Account, s.OIDC.Issuer)
	})
}

// Whom an administrator expects from elsewhere.

func (s *Server) expectForm(say *words.Speaker, st account.State) formPage {
	at := "/admin/accounts/" + st.Account.ID.String()
	return formPage{
		Shell:   view.Shell{Title: say.T("admin.expect.title", "name", s.OIDC.Name), Staff: true, Crumbs: adminCrumbs(say, view.Link{Text: say.T("admin.accounts"), Href: "/admin/accounts"}, view.Link{Text: st.Account.Name, Href: at})},
		Heading: say.T("admin.expect.title", "name", s.OIDC.Name), Lede: say.T("admin.expect.lede", "person", st.Account.Name, "name", s.OIDC.Name),
		Form: view.Form{Submit: say.T("ui.save"), Cancel: view.Link{Text: say.T("ui.cancel"), Href: at}, Inputs: []view.Input{
			{Kind: view.Email, Name: "email", Label: say.T("admin.expect.email"), Width: "20", NoSpell: true},
		}},
	}
}

func (s *Server) expectPage(w http.ResponseWriter, r *http.Request) error {
	if s.OIDC == nil {
		return fault.New(fault.NotFound, "fault.notfound", nil)
	}
	st, _, err := s.accountAndNames(r)
	if err != nil {
		return err
	}
	return formView.Show(s.site, w, r, s.expectForm(words.From(r.Context()), st))
}

func (s *Server) expect(w http.ResponseWriter, r *http.Request) error {
	if s.OIDC == nil {
		return fault.New(fault.NotFound, "fault.notfound", nil)
	}
	if err := form(r); err != nil {
		return err
	}
	st, _, err := s.accountAndNames(r)
	if err != nil {
		return err
	}
	err = s.DB.Tx(r.Context(), func(tx *store.Tx) error {
		return s.Accounts.Expect(r.Context(), tx, by(r), st.Account.ID, s.OIDC.Issuer, r.PostForm.Get("email"))
	})
	if fault.Is(err, fault.Invalid) {
		return s.again(w, r, s.expectForm(words.From(r.Context()), st), err)
	}
	if err != nil {
		return err
	}
	s.site.Flash(w, view.Success, "flash.saved", nil)
	return view.Redirect(w, r, "/admin/accounts/"+st.Account.ID.String())
}
