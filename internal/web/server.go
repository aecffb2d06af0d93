// Package web is the rim towards browsers: it reads requests, calls the capabilities and shows pages.
//
// A page view never changes anything; a change is a POST that answers with a redirect. Who may see and do what is
// decided by package access alone: what a reader may not see is answered as if it did not exist. Every text comes from
// the catalogues or the pack. Log lines carry the route and the outcome, never an address, a name, or a query.
package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/alexedwards/scs/v2"

	"plumbline/internal/access"
	"plumbline/internal/account"
	"plumbline/internal/exhibit"
	"plumbline/internal/fault"
	"plumbline/internal/intake"
	"plumbline/internal/journal"
	"plumbline/internal/ledger"
	"plumbline/internal/matter"
	"plumbline/internal/notify"
	"plumbline/internal/office"
	"plumbline/internal/ref"
	"plumbline/internal/register"
	"plumbline/internal/store"
	"plumbline/internal/tally"
	"plumbline/internal/vault"
	"plumbline/internal/web/assets"
	"plumbline/internal/web/templates"
	"plumbline/internal/web/view"
	"plumbline/internal/words"
)

// Deps is what the pages are made from.
type Deps struct {
	DB       *store.DB
	Engine   *matter.Engine
	Vault    *vault.Vault   // nil: the engine's
	Files    *exhibit.Files // nil: with the usual limits
	Office   *office.Office
	Accounts *account.Accounts
	Figures  *tally.Tally
	Ledger   *ledger.Ledger
	Book     *words.Book
	Log      *slog.Logger
	Now      func() time.Time
	Secure   bool   // readers come over HTTPS
	ExitURL  string // where "Leave this page quickly" leads
	OIDC     *OIDC  // sign-in through an account elsewhere; nil: none

	Notices *notify.Notices // nil: nobody is told anything outside the system

	Flood intake.Limits // of filings at the same time; zero: as usual
	Onion string        // address of the onion service of this office, "….onion"
}

// Server answers every page.
type Server struct {
	Deps
	site     *view.Site
	sessions *scs.SessionManager
	trees    *register.Trees
	visits   *intake.Visits
	brake    *intake.Brake
	forms    *intake.Forms
	files    *exhibit.Files
	guards
}

// New returns the handler of all pages. It fails if a template does not parse.
func New(d Deps) (http.Handler, error) {
	s, err := newServer(d)
	if err != nil {
		return nil, err
	}
	return s.handler(), nil
}

func newServer(d Deps) (*Server, error) {
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	if d.Now == nil {
		d.Now = time.Now
	}
	if d.Ledger == nil {
		d.Ledger = ledger.New(d.DB, ledger.Options{Log: d.Log, Now: d.Now})
	}
	if d.Vault == nil {
		d.Vault = d.Engine.Vault()
	}
	s := &Server{Deps: d, trees: &register.Trees{}, visits: intake.NewVisits(d.DB, time.Now), brake: intake.NewBrake(wrongCodes, wrongCodesEvery, time.Now)}
	s.forms = intake.NewForms(s.Vault.OfficeKey().Derive("form"), d.Now)
	s.guards = newGuards(d)
	if s.files = d.Files; s.files == nil {
		s.files = exhibit.New(d.DB, exhibit.Options{Log: d.Log, Now: d.Now})
	}
	var err error
	s.site, err = view.New(view.Options{
		Pages: templates.FS, Book: d.Book, Log: d.Log, Location: d.Office.Zone, Frame: s.frame, Secure: d.Secure, ExitURL: d.ExitURL,
		Anonymous: actsForNobody,
	})
	if err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	s.sessions = account.NewSessions(d.DB, d.Secure, func(w http.ResponseWriter, r *http.Request, err error) { s.site.Error(w, r, err) })
	return s, nil
}

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	for _, r := range s.routes() {
		mux.Handle(r.pattern, s.guard(r))
	}
	mux.Handle("/", s.site.NotFound())
	pages := s.site.Protect(s.logged(limited(s.sessions.LoadAndSave(s.identified(mux)))))
	top := http.NewServeMux()
	top.Handle(assets.Prefix, assets.Handler())
	files := s.logFiles()
	for _, pattern := range []string{"GET /log/checkpoint", "GET /log/keys", "GET /log/tile/"} {
		top.Handle(pattern, s.logged(files))
	}
	top.Handle("/", padded(s.onion(pages)))
	return routed{s.site.Headers(top), mux, files}
}

// routed is the handler of all pages, which also tells the pattern a request matches: what may be counted of it.
type routed struct {
	http.Handler
	routes *http.ServeMux
	log    *http.ServeMux
}

// Route returns the pattern of the route that answers r.
func (h routed) Route(r *http.Request) string {
	if strings.HasPrefix(r.URL.Path, assets.Prefix) {
		return "GET " + assets.Prefix
	}
	if _, pattern := h.log.Handler(r); pattern != "" {
		return pattern
	}
	_, pattern := h.routes.Handler(r)
	return pattern
}

// door says who may come through a route at all. What they find behind it is for access to decide.
type door int

const (
	public  door = iota // everybody
	staff               // whoever is signed in
	waiting             // whoever is signed in, even if they have to change their password or set up a second factor first
	admins              // whoever holds a duty of administration anywhere
)

// route is one row of the table in routes.go.
type route struct {
	pattern string
	door    door
	handle  view.HandlerFunc
}

// guard makes a handler of a route: nobody passes a door that is not theirs, and every error becomes a page.
func (s *Server) guard(rt route) http.Handler {
	return s.site.Handler(func(w http.ResponseWriter, r *http.Request) error {
		if rec, ok := r.Context().Value(recorderKey{}).(*recorder); ok {
			rec.route = rt.pattern
		}
		who := viewerFrom(r.Context())
		switch {
		case rt.door == public && who.token == nil:
		case who.viewer.Account == 0:
			return s.askToSignIn(w, r)
		case who.token != nil:
			if err := tokenMay(rt.pattern, who.token); err != nil {
				return err
			}
		case rt.door != waiting && first(who) != "":
			return view.Redirect(w, r, first(who))
		case rt.door == admins && !isAdmin(who.viewer):
			return fault.New(fault.NotFound, "fault.notfound", nil)
		}
		return s.explained(r, rt.handle(w, r))
	})
}

func isAdmin(v access.Viewer) bool {
	for _, g := range v.Grants {
		if g.Admin {
			return true
		}
	}
	return false
}

// askToSignIn leads to the sign-in page and from there back to where the reader wanted to go. What was posted is not
// carried along: it could be a report.
func (s *Server) askToSignIn(w http.ResponseWriter, r *http.Request) error {
	to := "/staff/sign-in"
	if r.Method == http.MethodGet {
		to += "?return=" + url.QueryEscape(r.URL.RequestURI())
	}
	return view.Redirect(w, r, to)
}

// visitor is who sends a request: nobody in particular, or somebody who is signed in.
type visitor struct {
	viewer  access.Viewer
	session account.Session
	weak    bool           // they have to set up a second factor first
	token   *account.Token // of a program that acts for them; nil: the person themselves
	keys    *vault.Keys    // what they can open; nil: nothing
}

type visitorKey struct{}

func viewerFrom(ctx context.Context) visitor {
	v, _ := ctx.Value(visitorKey{}).(visitor)
	return v
}

// keys are what the reader can open.
func keys(r *http.Request) *vault.Keys { return viewerFrom(r.Context()).keys }

// viewer is who reads the page; the zero Viewer is the public.
func viewer(r *http.Request) access.Viewer { return viewerFrom(r.Context()).viewer }

// identified puts the visitor into the request. Duties are read anew with each one: what was revoked is gone at once.
func (s *Server) identified(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if text := bearer(r); text != "" {
			s.withToken(next, text).ServeHTTP(w, r)
			return
		}
		in := account.Session{}
		if id, err := strconv.ParseInt(s.sessions.GetString(r.Context(), "account"), 10, 64); err == nil {
			in.Account = ref.AccountID(id)
			in.Stamp, _ = strconv.ParseInt(s.sessions.GetString(r.Context(), "stamp"), 10, 64) // 0 stands for no session
		}
		if in.Account == 0 {
			next.ServeHTTP(w, r)
			return
		}
		var v visitor
		err := s.DB.Read(r.Context(), func(tx *store.Tx) (err error) {
			if v.session, err = s.Accounts.Current(r.Context(), tx, in); err != nil {
				return err
			}
			if v.viewer, err = s.Accounts.ViewerOf(r.Context(), tx, in.Account); err != nil {
				return err
			}
			v.weak, err = s.isWeak(r.Context(), tx, in)
			return err
		})
		switch {
		case fault.Is(err, fault.NotFound): // deactivated, or the password was changed: no longer anybody
			if err := s.sessions.Destroy(r.Context()); err != nil {
				s.site.Error(w, r, err)
				return
			}
		case err != nil:
			s.site.Error(w, r, err)
			return
		}
		if sealed := s.sessions.GetString(r.Context(), "keys"); sealed != "" {
			// A session whose keys do not open goes on without them: the pages say what is shut, and signing in again opens it.
			if v.keys, err = s.Vault.OpenSession(s.sessions.Token(r.Context()), sealed); err != nil {
				s.Log.Warn("the keys of a session do not open", "error", err)
			}
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), visitorKey{}, v)))
	})
}

// frame is what stands around a page for this reader.
func (s *Server) frame(r *http.Request, say *words.Speaker) view.Frame {
	f := view.Frame{Office: s.Office.Name(say.Lang()), SignIn: "/staff/sign-in", Footer: s.footer(say)}
	v := viewerFrom(r.Context())
	if v.viewer.Account == 0 {
		f.Nav = s.publicNav(r, say)
		return f
	}
	f.SignIn = ""
	f.User = &view.User{Name: v.viewer.Name, Account: "/staff/account", SignOut: "/staff/sign-out"}
	if !strings.HasPrefix(r.URL.Path, "/staff") && !strings.HasPrefix(r.URL.Path, "/admin") && !strings.HasPrefix(r.URL.Path, "/figures") {
		f.Nav = append(s.publicNav(r, say), view.Link{Text: say.T("staff.nav.back"), Href: "/staff"})
		return f
	}
	if first(v) != "" {
		return f
	}
	f.Home = "/staff"
	f.Nav = staffNav(r, say, v.viewer)
	return f
}

// by is the reader as the manager of accounts.
func by(r *http.Request) account.By { return account.Person(viewer(r), journal.ViaWeb) }

// tree is the register's tree of bodies, read again when it has changed.
func (s *Server) tree(ctx context.Context, tx *store.Tx) (*register.Tree, error) {
	return s.trees.Tree(ctx, tx)
}

// maxBody is the largest request that is read, but for those that carry files: see carriesFiles.
const maxBody = 1 << 20

func limited(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !carriesFiles(r) {
			r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		}
		next.ServeHTTP(w, r)
	})
}

// form reads what was posted.
func form(r *http.Request) error {
	err := r.ParseForm()
	var big *http.MaxBytesError
	switch {
	case errors.As(err, &big):
		return fault.Wrap(err, fault.Invalid, "fault.toolarge", nil)
	case err != nil:
		return fault.Wrap(err, fault.Invalid, "fault.form", nil)
	}
	return nil
}

// logged writes one line for each request: the route, never the address or what is in it.
func (s *Server) logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun := time.Now()
		rec := &recorder{ResponseWriter: w, status: http.StatusOK, route: "none"}
		next.ServeHTTP(rec, r.WithContext(context.WithValue(r.Context(), recorderKey{}, rec)))
		level := slog.LevelDebug
		if rec.status >= 500 {
			level = slog.LevelWarn
		}
		s.Log.LogAttrs(r.Context(), level, "request", slog.String("method", methodName(r.Method)), slog.String("route", rec.route),
			slog.Int("status", rec.status), slog.Int64("bytes", rec.bytes), slog.Duration("took", time.Since(begun)))
	})
}

// methodName is the method of a request in a log: one that does not exist could say anything, and is not repeated.
func methodName(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return "other"
}

type recorderKey struct{}

type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
	route  string
}

func (rec *recorder) WriteHeader(status int) {
	rec.status = status
	rec.ResponseWriter.WriteHeader(status)
}

func (rec *recorder) Write(b []byte) (int, error) {
	n, err := rec.ResponseWriter.Write(b)
	rec.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (rec *recorder) Unwrap() http.ResponseWriter { return rec.ResponseWriter }
