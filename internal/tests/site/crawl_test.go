package site

import (
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"plumbline/internal/demo"
	"plumbline/internal/testing/browser"
)

// visitors look round: the public, and accounts of the demo.
var visitors = []string{"", "intake", "investigator", "reviewer", "decider", "supervisor", "regional", "custodian", "admin"}

// shape takes out of an address what makes one matter, account or table differ from the next, so that each kind of
// page is opened a few times and not a few hundred.
func shape(path string) string {
	at, err := url.Parse(path)
	if err != nil {
		return path
	}
	var keys []string
	for key := range at.Query() {
		keys = append(keys, key)
	}
	out := numbers.ReplaceAllString(references.ReplaceAllString(at.Path, "REF"), "N")
	if strings.HasPrefix(out, "/figures/") && len(keys) > 0 {
		out += "?…"
	}
	return out
}

var (
	references = regexp.MustCompile(`[A-Z]{1,3}-[0-9A-HJKMNP-TV-Z]{5}-[0-9A-HJKMNP-TV-Z]{5}`)
	numbers    = regexp.MustCompile(`\d{4,}`)
)

// TestNoPageHasBarriers follows every link that anybody is shown and holds each kind of page to WCAG 2.2 AA by
// axe-core, on a phone and at a desk, in both languages; no page may scroll sideways.
func TestNoPageHasBarriers(t *testing.T) {
	b := browser.Start(t)
	base := start(t)
	checked := map[string]bool{} // once for all visitors
	turn := 0
	for _, who := range visitors {
		name := who
		if name == "" {
			name = "public"
		}
		t.Run(name, func(t *testing.T) {
			v := enter(t, base, who)
			pages := v.pages(t)
			if len(pages) < 5 {
				t.Errorf("found %d kinds of page only: %v", len(pages), pages)
			}
			desk, phone := b.Open(t, browser.Desk, true), b.Open(t, browser.Phone, true)
			for _, c := range v.cookies() {
				desk.SetCookie(base, c.Name, c.Value)
				phone.SetCookie(base, c.Name, c.Value)
			}
			for _, path := range pages {
				kind := shape(path)
				if checked[kind] {
					continue
				}
				checked[kind] = true
				// Every page on both screens and in both languages; which language on which screen takes turns.
				langs := [2]string{"en", "zh-Hans"}
				turn++
				for i, view := range []struct {
					tab  *browser.Tab
					name string
				}{{desk, "desk"}, {phone, "phone"}} {
					lang := langs[(i+turn)%2]
					view.tab.Visit(base + with(path, "lang="+lang))
					at := strings.Join([]string{kind, lang, view.name}, " ")
					for _, v := range view.tab.Barriers() {
						t.Errorf("%s: %s", at, v)
					}
					if wide := view.tab.Wide(); wide > 0 {
						t.Errorf("%s: scrolls sideways by %d pixels", at, wide)
					}
					view.tab.Shot(name + strings.NewReplacer("/", "_", "?", "", "…", "query").Replace(kind) + "-" + lang + "-" + view.name)
				}
			}
		})
	}
}

// A visitor looks round without a browser, which is a hundred times faster, to find what pages there are.
type visitor struct {
	base   *url.URL
	client *http.Client
	start  []string
}

// enter signs an account of the demo in; nobody for "".
func enter(t *testing.T, base, who string) *visitor {
	t.Helper()
	at, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	v := &visitor{base: at, client: &http.Client{Jar: jar}, start: []string{"/", "/figures"}}
	if who == "" {
		return v
	}
	v.start = []string{"/staff", "/figures"}
	if who == "admin" {
		v.start = append(v.start, "/admin")
	}
	r, err := v.client.PostForm(base+"/staff/sign-in", url.Values{"login": {who}, "password": {demo.Password}})
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Body.Close() // read by nobody
	if strings.HasSuffix(r.Request.URL.Path, "/sign-in") || r.StatusCode != http.StatusOK {
		t.Fatalf("%s cannot sign in: %s", who, r.Status)
	}
	return v
}

func (v *visitor) cookies() []*http.Cookie { return v.client.Jar.Cookies(v.base) }

// pages follows all links and returns an address of every kind of page there is.
func (v *visitor) pages(t *testing.T) (found []string) {
	t.Helper()
	queue, seen := slices.Clone(v.start), map[string]int{}
	for len(queue) > 0 {
		path := queue[0]
		queue = queue[1:]
		kind := shape(path)
		if seen[kind]++; seen[kind] > 2 {
			continue
		}
		r, err := v.client.Get(v.base.String() + with(path, "lang=en"))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = r.Body.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		if r.StatusCode >= 400 {
			t.Errorf("%s: a link leads to status %d", path, r.StatusCode)
			continue
		}
		if !strings.HasPrefix(r.Header.Get("Content-Type"), "text/html") || r.Header.Get("Content-Disposition") != "" {
			continue // a table or a plain text, such as security.txt
		}
		if seen[kind] == 1 {
			found = append(found, path)
		}
		for _, link := range anchors.FindAllSubmatch(body, -1) {
			to, err := r.Request.URL.Parse(html.UnescapeString(string(link[1])))
			if err != nil {
				t.Errorf("%s: a link leads to %q, which is no address", path, link[1])
				continue
			}
			next := to.Path
			if to.RawQuery != "" {
				next += "?" + to.RawQuery
			}
			if to.Host == v.base.Host && !strings.Contains(next, "lang=") && !strings.HasPrefix(next, "/assets/") && seen[shape(next)] < 2 {
				queue = append(queue, next)
			}
		}
	}
	return found
}

var anchors = regexp.MustCompile(`<a\s[^>]*href="([^"]+)"`)

// with adds a parameter to an address.
func with(path, parameter string) string {
	if strings.Contains(path, "?") {
		return path + "&" + parameter
	}
	return path + "?" + parameter
}
