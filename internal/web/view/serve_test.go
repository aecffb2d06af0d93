package view_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"

	"plumbline/internal/fault"
	"plumbline/internal/web/view"
	"plumbline/internal/words"
)

func siteWith(t *testing.T, opts view.Options) *view.Site {
	t.Helper()
	book, err := words.Load()
	if err != nil {
		t.Fatal(err)
	}
	opts.Book, opts.Pages = book, os.DirFS("testdata")
	site, err := view.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	return site
}

func TestErrorsBecomePages(t *testing.T) {
	var log bytes.Buffer
	site := siteWith(t, view.Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	secret := errors.New("narrative: he took the money")
	for _, tt := range []struct {
		name   string
		err    error
		status int
		says   string
		logged bool
	}{
		{"an error of no kind", secret, 500, "Something went wrong", true},
		{"a fault of the machine", fault.Wrap(secret, fault.Internal, "matter.stale", nil), 500, "Something went wrong", true},
		{"not found", fault.Wrap(secret, fault.NotFound, "fault.notfound", nil), 404, "Page not found", false},
		{"forbidden", fault.New(fault.Forbidden, "fault.crossorigin", nil), 403, "You cannot do this", false},
		{"changed meanwhile", fault.New(fault.Conflict, "matter.stale", nil), 409, "Open the page again", false},
		{"wrong input", fault.InvalidFields([]fault.Field{{Name: "x", Key: "fault.toolarge"}}), 422, "larger than we can take", false},
		{"a part is down", fault.Wrap(secret, fault.Unavailable, "fault.unavailable", nil), 503, "try again", true},
		{"wrapped on the way", fmt.Errorf("matter 3: %w", fault.New(fault.NotFound, "fault.notfound", nil)), 404, "Page not found", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			log.Reset()
			w := get(t, site.Protect(site.Handler(func(http.ResponseWriter, *http.Request) error { return tt.err })), "/m/R-17?q=Smith")
			body := w.Body.String()
			if w.Code != tt.status || view.Status(tt.err) != tt.status {
				t.Errorf("status %d, want %d", w.Code, tt.status)
			}
			if !strings.Contains(body, tt.says) || !strings.Contains(body, "What is safe") || !strings.Contains(body, "What you can do") {
				t.Errorf("the page does not say what happened, what is safe and what to do:\n%s", body)
			}
			if strings.Contains(body, "money") {
				t.Error("the page shows the cause")
			}
			if tt.logged != (log.Len() > 0) {
				t.Errorf("log: %q", log.String())
			}
			if strings.Contains(log.String(), "Smith") || strings.Contains(log.String(), "R-17") {
				t.Errorf("the log holds the address: %s", log.String())
			}
		})
	}
}

func TestAPanicIsAPageAndIsLogged(t *testing.T) {
	var log bytes.Buffer
	site := siteWith(t, view.Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	w := get(t, site.Protect(site.Handler(func(http.ResponseWriter, *http.Request) error { panic("on purpose") })), "/")
	if w.Code != 500 || !strings.Contains(w.Body.String(), "Something went wrong") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	_, rest, _ := strings.Cut(log.String(), "number=")
	number, _, _ := strings.Cut(rest, " ")
	if number == "" || !strings.Contains(w.Body.String(), number) {
		t.Errorf("the page does not show the number %q of the log line", number)
	}
}

// A reader who left gets no page and makes no noise in the log.
func TestAReaderWhoLeftIsNoError(t *testing.T) {
	var log bytes.Buffer
	site := siteWith(t, view.Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	w := httptest.NewRecorder()
	site.Handler(func(http.ResponseWriter, *http.Request) error { return fmt.Errorf("query: %w", context.Canceled) }).ServeHTTP(w, httptest.NewRequest("GET", "/", nil).WithContext(ctx))
	if log.Len() > 0 || w.Body.Len() > 0 {
		t.Errorf("log %q, body %q", log.String(), w.Body)
	}
}

func TestEveryAnswerCarriesTheHeaders(t *testing.T) {
	for _, secure := range []bool{false, true} {
		site := siteWith(t, view.Options{Secure: secure})
		w := get(t, site.Protect(site.NotFound()), "/nowhere")
		for name, want := range map[string]string{
			"Content-Security-Policy": "default-src 'self'", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
			"Referrer-Policy": "same-origin", "Cache-Control": "no-store", "Cross-Origin-Opener-Policy": "same-origin",
			"Content-Language": "en", "Vary": "Accept-Language", "Content-Type": "text/html; charset=utf-8",
		} {
			if got := w.Header().Get(name); !strings.Contains(got, want) {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		if strings.Contains(w.Header().Get("Content-Security-Policy"), "unsafe") {
			t.Error("the policy allows something unsafe")
		}
		if got := w.Header().Get("Strict-Transport-Security") != ""; got != secure {
			t.Errorf("HSTS %v with Secure %v", got, secure)
		}
	}
}

func TestAFormOnAnotherSiteChangesNothing(t *testing.T) {
	site := siteWith(t, view.Options{})
	done := 0
	h := site.Protect(site.Handler(func(http.ResponseWriter, *http.Request) error { done++; return nil }))
	for _, tt := range []struct {
		name, method, header, value string
		status                      int
	}{
		{"our own form", "POST", "Sec-Fetch-Site", "same-origin", 200},
		{"a form elsewhere", "POST", "Sec-Fetch-Site", "cross-site", 403},
		{"an old browser, elsewhere", "POST", "Origin", "https://evil.example", 403},
		{"an old browser, here", "POST", "Origin", "http://example.com", 200},
		{"a link elsewhere", "GET", "Sec-Fetch-Site", "cross-site", 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := done
			r := httptest.NewRequest(tt.method, "http://example.com/x", nil)
			r.Header.Set(tt.header, tt.value)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != tt.status || (done > before) != (tt.status == 200) {
				t.Errorf("status %d, want %d; handler ran %d times", w.Code, tt.status, done-before)
			}
		})
	}
}

func TestTheLanguageIsRemembered(t *testing.T) {
	site := siteWith(t, view.Options{})
	h := site.Protect(site.NotFound())
	w := get(t, h, "/nowhere?page=2&lang=zh-Hans")
	if !strings.Contains(w.Body.String(), `<html lang="zh-Hans"`) {
		t.Fatal("the address does not choose the language")
	}
	if !strings.Contains(w.Body.String(), `href="/nowhere?lang=en&amp;page=2"`) {
		t.Error("the way to the other language loses the rest of the address")
	}
	cookies := w.Result().Cookies()
	if len(cookies) != 1 || cookies[0].MaxAge != 0 || !cookies[0].Expires.IsZero() || !cookies[0].HttpOnly {
		t.Fatalf("cookies %v: want one that ends with the visit", cookies)
	}
	r := httptest.NewRequest("GET", "/nowhere", nil)
	r.AddCookie(cookies[0])
	r.Header.Set("Accept-Language", "en")
	w = httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if !strings.Contains(w.Body.String(), `<html lang="zh-Hans"`) {
		t.Error("the next page is not in the chosen language")
	}
	if len(w.Result().Cookies()) != 0 {
		t.Error("a page that asks for no language sets a cookie")
	}
}

func TestAFlashIsShownOnce(t *testing.T) {
	site := siteWith(t, view.Options{})
	w := httptest.NewRecorder()
	site.Flash(w, view.Success, "flash.done", nil)
	cookie := w.Result().Cookies()[0]
	show := func(value string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("GET", "/", nil)
		r.AddCookie(&http.Cookie{Name: cookie.Name, Value: value})
		w := httptest.NewRecorder()
		site.Protect(site.NotFound()).ServeHTTP(w, r)
		return w
	}
	first := show(cookie.Value)
	if !strings.Contains(first.Body.String(), "govuk-notification-banner--success") {
		t.Error("the message is not shown")
	}
	if c := first.Result().Cookies(); len(c) != 1 || c[0].MaxAge >= 0 {
		t.Errorf("the message stays: %v", c)
	}
	// A cookie that somebody made up says nothing, or only what we say ourselves.
	w = httptest.NewRecorder()
	site.Flash(w, view.Success, "fault.internal", nil)
	for _, forged := range []string{"", "%%%", "bm90IGpzb24", w.Result().Cookies()[0].Value} {
		if strings.Contains(show(forged).Body.String(), "govuk-notification-banner") {
			t.Errorf("the forged message %q is shown", forged)
		}
	}
}

// A page is written whole or not at all: an error while it is drawn becomes an error page.
func TestAPageIsWholeOrNotThere(t *testing.T) {
	site := siteWith(t, view.Options{})
	w := get(t, site.Protect(site.Handler(func(w http.ResponseWriter, r *http.Request) error {
		return homeView.Show(site, w, r, homePage{Shell: view.Shell{Title: "x", Crumbs: nil}, Figures: []view.Figure{{Table: view.Table{Columns: []view.Column{{Text: "a"}}, Rows: []view.Row{{Cells: []view.Cell{{Text: "1"}, {Text: "one too many"}}}}}}}})
	})), "/")
	if w.Code != 200 || !strings.HasSuffix(strings.TrimSpace(w.Body.String()), "</html>") {
		t.Errorf("status %d; the page ends %q", w.Code, w.Body.String()[max(0, w.Body.Len()-40):])
	}
}

func TestISODatesOfReducedPrecision(t *testing.T) {
	for _, tt := range []struct{ d, m, y, want string }{
		{"17", "5", "2019", "2019-05-17"},
		{" 7", "05 ", "2019", "2019-05-07"},
		{"", "5", "2019", "2019-05"},
		{"", "", "2019", "2019"},
		{"", "", "", ""},
		{"17", "", "2019", "17//2019"},
		{"17", "5", "19", "17/5/19"},
		{"x", "5", "2019", "x/5/2019"},
		{"-1", "5", "2019", "-1/5/2019"},
		{"31", "2", "2019", "2019-02-31"}, // whether there is such a day is for the reader of the date to say
		{"117", "5", "2019", "117/5/2019"},
	} {
		if got := view.ISODate(tt.d, tt.m, tt.y); got != tt.want {
			t.Errorf("%q %q %q: got %q, want %q", tt.d, tt.m, tt.y, got, tt.want)
		}
		if tt.want != "" && !strings.Contains(tt.want, "/") && tt.want != "2019-02-31" {
			d, m, y := view.SplitDate(tt.want)
			if again := view.ISODate(d, m, y); again != tt.want {
				t.Errorf("%s comes back as %s", tt.want, again)
			}
		}
	}
	get := view.Values(url.Values{"when-day": {"3"}, "when-month": {"2"}, "when-year": {"2026"}, "place": {"a", "b"}})
	if got := get("when"); len(got) != 1 || got[0] != "2026-02-03" {
		t.Errorf("when: %v", got)
	}
	if got := get("place"); len(got) != 2 {
		t.Errorf("place: %v", got)
	}
	if got := get("nothing"); got != nil {
		t.Errorf("nothing: %v", got)
	}
}

func TestAFormGivesBackWhatWasTyped(t *testing.T) {
	form := view.Form{Inputs: []view.Input{
		{Kind: view.Text, Name: "name"}, {Kind: view.Password, Name: "pass"}, {Kind: view.Date, Name: "when"},
		{Kind: view.Radios, Name: "how", Options: []view.Option{{Value: "y", Chosen: true}, {Divider: "or"}, {Value: "m", Reveal: []view.Input{{Kind: view.Email, Name: "mail"}}}}},
		{Kind: view.Checkboxes, Name: "c", Options: []view.Option{{Value: "1"}, {Value: "2"}, {Value: "3"}}},
	}}
	form.Fill(url.Values{"name": {"<b>"}, "pass": {"secret"}, "when-year": {"20x6"}, "how": {"m"}, "mail": {"a@b"}, "c": {"1", "3"}})
	in := form.Inputs
	if in[0].Value != "<b>" || in[1].Value != "" || in[2].Year != "20x6" {
		t.Errorf("texts: %+v", in[:3])
	}
	if o := in[3].Options; o[0].Chosen || o[1].Chosen || !o[2].Chosen || o[2].Reveal[0].Value != "a@b" {
		t.Errorf("radios: %+v", o)
	}
	if o := in[4].Options; !o[0].Chosen || o[1].Chosen || !o[2].Chosen {
		t.Errorf("check boxes: %+v", o)
	}
	book, _ := words.Load()
	sum := form.Fail(book.For("en"), fault.InvalidFields([]fault.Field{{Name: "mail", Key: "fault.invalid"}, {Name: "when", Key: "fault.invalid"}, {Name: "elsewhere", Key: "fault.invalid"}}))
	var hrefs []string
	for _, l := range sum.Items {
		hrefs = append(hrefs, l.Href)
	}
	if got := strings.Join(hrefs, " "); got != "#mail #when-day " {
		t.Errorf("the summary leads to %q", got)
	}
	if form.Inputs[3].Options[2].Reveal[0].Error == "" || form.Inputs[2].Error == "" {
		t.Error("the inputs are not marked")
	}
}

func TestPagination(t *testing.T) {
	book, _ := words.Load()
	en := book.For("en")
	for _, tt := range []struct {
		name       string
		page, size int
		total      int64
		want       string
	}{
		{"nothing", 1, 50, 0, "0 results:"},
		{"one page", 1, 50, 50, "50 results:"},
		{"two pages", 1, 50, 51, "Showing 1 to 50 of 51: [1] 2 >"},
		{"in the middle", 5, 10, 95, "Showing 41 to 50 of 95: < 1 … 4 [5] 6 … 10 >"},
		{"the end", 10, 10, 95, "Showing 91 to 95 of 95: < 1 … 9 [10]"},
		{"past the end", 99, 10, 95, "Showing 91 to 95 of 95: < 1 … 9 [10]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := view.Paginate(en, tt.page, tt.size, tt.total, func(n int) string { return fmt.Sprint(n) })
			got := p.Range + ":"
			if p.Prev != "" {
				got += " <"
			}
			for _, l := range p.Pages {
				switch {
				case l.Gap:
					got += " …"
				case l.Current:
					got += " [" + l.Text + "]"
				default:
					got += " " + l.Text
				}
			}
			if p.Next != "" {
				got += " >"
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
