package view

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strings"

	"plumbline/internal/fault"
	"plumbline/internal/words"
)

// A HandlerFunc answers a request, or says in an error why not; Site.Handler makes a page of the error.
// It must not have written anything when it returns one.
type HandlerFunc func(w http.ResponseWriter, r *http.Request) error

// statuses of fault kinds.
var statuses = map[fault.Kind]int{
	fault.Internal:    http.StatusInternalServerError,
	fault.Invalid:     http.StatusUnprocessableEntity,
	fault.NotFound:    http.StatusNotFound,
	fault.Forbidden:   http.StatusForbidden,
	fault.Conflict:    http.StatusConflict,
	fault.Unavailable: http.StatusServiceUnavailable,
}

// Status is the HTTP status for an error.
func Status(err error) int { return statuses[fault.KindOf(err)] }

// Handler makes an http.Handler of h.
func (s *Site) Handler(h HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if p := recover(); p != nil {
				if p == http.ErrAbortHandler {
					panic(p)
				}
				s.Error(w, r, fmt.Errorf("panic: %v\n%s", p, debug.Stack()))
			}
		}()
		if err := h(w, r); err != nil {
			s.Error(w, r, err)
		}
	})
}

// errorPage says what happened, what is safe, and what to do.
type errorPage struct {
	Shell
	What   string
	Safe   string
	Do     string
	Fields []string
	Again  string // address to open the page again, after a conflict
	Number string // by which the operator finds the cause in the log
}

const errorPageName = "shell/error"

var errorView = Page[errorPage](errorPageName)

// Error answers a request with the page of an error. What happened inside the machine goes to the log
// under a number that the page shows; nothing of the request's content or address does.
func (s *Site) Error(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		return // nobody waits for the answer any more
	}
	say := Speaker(s, r)
	f := say.Fault(err)
	kind := errorKeys[f.Kind]
	page := errorPage{
		Shell: Shell{Title: say.T(kind.title)},
		What:  f.Message, Safe: say.T(kind.safe), Do: say.T(kind.do),
	}
	for _, field := range f.Fields {
		page.Fields = append(page.Fields, field.Message)
	}
	if s.opts.Frame != nil {
		page.Staff = s.opts.Frame(r, say).User != nil
	}
	switch f.Kind {
	case fault.Internal, fault.Unavailable:
		page.Number = rand.Text()[:8]
		s.log.ErrorContext(r.Context(), "request failed", "number", page.Number, "method", r.Method, "route", r.Pattern, "kind", f.Kind.String(), "cause", err.Error())
	case fault.Conflict:
		page.Again = r.URL.Path
	}
	if showErr := errorView.ShowStatus(s, w, r, statuses[f.Kind], page); showErr != nil {
		s.log.ErrorContext(r.Context(), "error page failed", "cause", showErr.Error())
		http.Error(w, page.What, statuses[f.Kind])
	}
}

var errorKeys = map[fault.Kind]struct{ title, safe, do string }{
	fault.Internal:    {"error.internal.title", "error.internal.safe", "error.internal.do"},
	fault.Invalid:     {"error.invalid.title", "error.invalid.safe", "error.invalid.do"},
	fault.NotFound:    {"error.notfound.title", "error.notfound.safe", "error.notfound.do"},
	fault.Forbidden:   {"error.forbidden.title", "error.forbidden.safe", "error.forbidden.do"},
	fault.Conflict:    {"error.conflict.title", "error.conflict.safe", "error.conflict.do"},
	fault.Unavailable: {"error.unavailable.title", "error.unavailable.safe", "error.unavailable.do"},
}

// NotFound is the page for an address that leads nowhere.
func (s *Site) NotFound() http.Handler {
	return s.Handler(func(http.ResponseWriter, *http.Request) error {
		return fault.New(fault.NotFound, "fault.notfound", nil)
	})
}

// Protect is the outermost layer around all pages: security headers, the reader's language, and no
// change from a form that stands on another site. What is no page goes through Headers alone.
func (s *Site) Protect(next http.Handler) http.Handler {
	guard := http.NewCrossOriginProtection()
	guard.SetDenyHandler(s.Handler(func(http.ResponseWriter, *http.Request) error {
		return fault.New(fault.Forbidden, "fault.crossorigin", nil)
	}))
	return s.Headers(s.Language(s.fromAnywhere(guard.Handler(next))))
}

// fromAnywhere lets the forms that Options.Anonymous names through where a browser says nothing of where a form stood
// ("Origin: null", without Sec-Fetch-Site): old browsers, and those that hide it. Such a form acts with nobody's
// authority, so nothing is gained by forging it, and whoever comes with such a browser has a reason to. What is known to
// come from another site is refused all the same.
func (s *Site) fromAnywhere(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.opts.Anonymous != nil && r.Header.Get("Sec-Fetch-Site") == "" && r.Header.Get("Origin") == "null" && s.opts.Anonymous(r) {
			r.Header.Del("Origin")
		}
		next.ServeHTTP(w, r)
	})
}

// policy lets a page load from its own address only, and forbids inline scripts and styles.
const policy = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// Headers sets the security headers of everything that is answered, errors and redirects too. Who answers may set stricter ones.
func (s *Site) Headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		// same-origin, not no-referrer: the latter makes browsers send "Origin: null" with our own forms.
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=(), browsing-topics=()")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		// Pages show what concerns people; a shared computer must not keep them.
		h.Set("Cache-Control", "no-store")
		if s.opts.Secure {
			h.Set("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
		}
		next.ServeHTTP(w, r)
	})
}

const langCookie = "lang"

// cookie is the name of a cookie: over HTTPS no neighbouring host and no page without encryption can set it.
func cookie(name string, secure bool) string {
	if secure {
		return "__Host-" + name
	}
	return name
}

// Language puts the reader's speaker into the request: the one asked for in the address (which is then
// remembered until the browser is closed), else the remembered one, else what the browser prefers.
func (s *Site) Language(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		say := s.choose(r)
		if r.URL.Query().Has("lang") {
			http.SetCookie(w, &http.Cookie{Name: cookie(langCookie, s.opts.Secure), Value: say.Lang(), Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: s.opts.Secure})
		}
		w.Header().Add("Vary", "Cookie, Accept-Language")
		next.ServeHTTP(w, r.WithContext(words.NewContext(r.Context(), say)))
	})
}

func (s *Site) choose(r *http.Request) *words.Speaker {
	wishes := []string{r.URL.Query().Get("lang")}
	if c, err := r.Cookie(cookie(langCookie, s.opts.Secure)); err == nil {
		wishes = append(wishes, c.Value)
	}
	return s.opts.Book.Choose(append(wishes, r.Header.Get("Accept-Language"))...)
}

// A flash is a message for the next page, carried in a cookie of its own. It holds a catalogue key and
// short values such as a reference: never anything from a report.
type flash struct {
	Tone Tone           `json:"tone,omitempty"`
	Key  string         `json:"key"`
	Args map[string]any `json:"args,omitempty"`
}

const (
	flashCookie = "flash"
	flashPrefix = "flash." // a forged cookie can at most say one of these texts
)

// Flash leaves a message for the next page that this reader opens. Its key begins with "flash.".
func (s *Site) Flash(w http.ResponseWriter, tone Tone, key string, args map[string]any) {
	data, err := json.Marshal(flash{Tone: tone, Key: key, Args: args})
	if err != nil {
		s.log.Error("flash message not kept", "key", key, "cause", err.Error())
		return
	}
	http.SetCookie(w, &http.Cookie{
		Name: cookie(flashCookie, s.opts.Secure), Value: base64.RawURLEncoding.EncodeToString(data), Path: "/", MaxAge: 60,
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: s.opts.Secure,
	})
}

func takeFlash(w http.ResponseWriter, r *http.Request, secure bool, say *words.Speaker) []Banner {
	c, err := r.Cookie(cookie(flashCookie, secure))
	if err != nil {
		return nil
	}
	http.SetCookie(w, &http.Cookie{Name: cookie(flashCookie, secure), Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: secure})
	data, err := base64.RawURLEncoding.DecodeString(c.Value)
	if err != nil {
		return nil
	}
	var f flash
	if json.Unmarshal(data, &f) != nil || !strings.HasPrefix(f.Key, flashPrefix) || !say.Has(f.Key) {
		return nil
	}
	return []Banner{{Tone: f.Tone, Text: say.T(f.Key, f.Args)}}
}

// Redirect sends the reader on with a GET, after a change.
func Redirect(w http.ResponseWriter, r *http.Request, to string) error {
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}
