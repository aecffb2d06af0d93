// Package view turns page structs into pages.
//
// A page is a struct that embeds Shell and a template of the same name; Page ties the two together, and
// a test type-checks every pair. A page is rendered whole before its status is written, in the reader's
// language, inside one frame: no reader ever gets half a page with status 200. Nothing that it writes
// needs an inline script or style, and its security policy forbids both.
package view

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"reflect"
	"sort"
	"sync"
	"time"

	"plumbline/internal/web/assets"
	"plumbline/internal/words"
)

//go:embed layout/*.html
var layout embed.FS

// Options are what a Site needs to know of the office it stands for.
type Options struct {
	Pages fs.FS // page templates: AREA/NAME.html
	Book  *words.Book
	Log   *slog.Logger // slog.Default() if nil
	// Location is the office's time zone, in which instants are written. UTC if nil.
	Location func() *time.Location
	// Frame gives what stands around a page for this reader: the office's name, navigation, who is
	// signed in. It runs once per page; nil leaves the frame bare.
	Frame func(r *http.Request, s *words.Speaker) Frame
	// Secure says that readers come over HTTPS: cookies are then kept from plain connections.
	Secure bool
	// ExitURL is where "Leave this page quickly" leads: a site that everybody may have open.
	ExitURL string
	// Anonymous says of a form that it acts with no authority of its sender: no cookie gives it any power.
	Anonymous func(r *http.Request) bool
}

// A Site renders pages. It is safe for concurrent use.
type Site struct {
	opts  Options
	log   *slog.Logger
	trees map[string]map[string]*template.Template // language, page name
}

// New parses all registered pages in all languages. A page without its template, or one that does not
// parse, is an error here and not at the first visit.
func New(opts Options) (*Site, error) {
	s := &Site{opts: opts, log: opts.Log, trees: map[string]map[string]*template.Template{}}
	if s.log == nil {
		s.log = slog.Default()
	}
	if s.opts.Location == nil {
		s.opts.Location = func() *time.Location { return time.UTC }
	}
	if s.opts.ExitURL == "" {
		s.opts.ExitURL = "https://www.wikipedia.org/"
	}
	for _, speaker := range opts.Book.Speakers() {
		base, err := template.New("layout").Funcs(s.funcs(speaker)).ParseFS(layout, "layout/*.html")
		if err != nil {
			return nil, fmt.Errorf("view: %w", err)
		}
		pages := map[string]*template.Template{}
		for _, name := range registered() {
			page, err := parsePage(base, opts.Pages, name)
			if err != nil {
				return nil, err
			}
			pages[name] = page
		}
		s.trees[speaker.Lang()] = pages
	}
	return s, nil
}

func parsePage(base *template.Template, pages fs.FS, name string) (*template.Template, error) {
	t, err := base.Clone()
	if err != nil {
		return nil, fmt.Errorf("view: %s: %w", name, err)
	}
	if name == errorPageName {
		return t, nil // its template stands in the layout folder
	}
	if pages == nil {
		return nil, fmt.Errorf("view: page %s: no folder of templates was given", name)
	}
	text, err := fs.ReadFile(pages, name+".html")
	if err != nil {
		return nil, fmt.Errorf("view: page %s: %w", name, err)
	}
	if t, err = t.New(name).Parse(string(text)); err != nil {
		return nil, fmt.Errorf("view: page %s: %w", name, err)
	}
	if t.Lookup("content") == nil {
		return nil, fmt.Errorf("view: page %s does not define \"content\"", name)
	}
	return t, nil
}

// funcs are the functions that a template may call. They are bound to a language when the templates
// are parsed, so that rendering copies nothing.
func (s *Site) funcs(say *words.Speaker) template.FuncMap {
	return template.FuncMap{
		// Words.
		"t":       say.T,
		"n":       func(key string, count any, args ...any) (string, error) { return plural(say, key, count, args) },
		"text":    say.Text,
		"date":    say.Date,
		"day":     func(at time.Time) string { return say.Day(at, s.opts.Location()) },
		"weekday": func(at time.Time) string { return say.Weekday(at, s.opts.Location()) },
		"time":    func(at time.Time) string { return say.Time(at, s.opts.Location()) },
		"number":  func(x any) (string, error) { return writeNumber(say, x) },
		"percent": say.Percent,
		"days":    say.Days,
		"bytes":   say.Bytes,
		"list":    say.List,
		"iso":     func(at time.Time) string { return at.UTC().Format(time.RFC3339) },
		// Frame.
		"asset":   assets.URL,
		"exitURL": func() string { return s.opts.ExitURL },
		// Small data for components.
		"tag":     func(tone Tone, text string) Tag { return Tag{Tone: tone, Text: text} },
		"link":    func(text, href string) Link { return Link{Text: text, Href: href} },
		"add":     func(a, b int) int { return a + b },
		"cell":    cellAt,
		"heading": func(level int, text string) headingData { return headingData{Level: level, Text: text} },
	}
}

func plural(say *words.Speaker, key string, count any, args []any) (string, error) {
	v := reflect.ValueOf(count)
	switch {
	case v.CanInt():
		return say.N(key, v.Int(), args...), nil
	case v.CanUint():
		return say.N(key, int64(v.Uint()), args...), nil
	}
	return "", fmt.Errorf("n %q: %T is not a whole number", key, count)
}

func writeNumber(say *words.Speaker, x any) (string, error) {
	v := reflect.ValueOf(x)
	switch {
	case v.CanInt():
		return say.Number(v.Int()), nil
	case v.CanUint():
		return say.Number(int64(v.Uint())), nil
	case v.CanFloat():
		return say.Decimal(v.Float(), 2), nil
	}
	return "", fmt.Errorf("number: %T is not a number", x)
}

// registry holds one entry per call of Page.
var registry struct {
	sync.Mutex
	zero map[string]any
}

func registered() []string {
	registry.Lock()
	defer registry.Unlock()
	names := make([]string, 0, len(registry.zero))
	for name := range registry.zero {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// framed is met by a pointer to every struct that embeds Shell.
type framed interface{ shell() *Shell }

// A PageOf renders pages of the struct T.
type PageOf[T any, P interface {
	*T
	framed
}] struct{ name string }

// Page registers the template NAME.html, which must define "content", for the struct T, which must embed
// Shell. It is called once per page, for a package variable.
func Page[T any, P interface {
	*T
	framed
}](name string) *PageOf[T, P] {
	registry.Lock()
	defer registry.Unlock()
	if registry.zero == nil {
		registry.zero = map[string]any{}
	}
	if _, twice := registry.zero[name]; twice {
		panic("view: page " + name + " is registered twice")
	}
	var zero T
	registry.zero[name] = zero
	return &PageOf[T, P]{name: name}
}

// Show writes the page with status 200.
func (p *PageOf[T, P]) Show(s *Site, w http.ResponseWriter, r *http.Request, data T) error {
	return p.ShowStatus(s, w, r, http.StatusOK, data)
}

// ShowStatus writes the page with a status of its own: 422 for a form that comes back with errors.
func (p *PageOf[T, P]) ShowStatus(s *Site, w http.ResponseWriter, r *http.Request, status int, data T) error {
	say := Speaker(s, r)
	s.fill(P(&data).shell(), w, r, say)
	var buf bytes.Buffer
	if err := s.trees[say.Lang()][p.name].ExecuteTemplate(&buf, "layout", data); err != nil {
		return fmt.Errorf("page %s: %w", p.name, err)
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", say.Lang())
	w.WriteHeader(status)
	_, _ = buf.WriteTo(w) // the reader has gone; there is nobody left to tell
	return nil
}

// EachPage calls f with every registered page in every language: for the test that checks each template
// against its struct.
func (s *Site) EachPage(f func(lang, name string, t *template.Template, zero any)) {
	for _, speaker := range s.opts.Book.Speakers() {
		for _, name := range registered() {
			registry.Lock()
			zero := registry.zero[name]
			registry.Unlock()
			f(speaker.Lang(), name, s.trees[speaker.Lang()][name].Lookup("layout"), zero)
		}
	}
}

// Speaker returns the reader's speaker: the one that Site.Language put into the request, or one chosen
// now for a handler that runs outside it.
func Speaker(s *Site, r *http.Request) *words.Speaker {
	if say := words.From(r.Context()); say != nil {
		return say
	}
	return s.choose(r)
}
