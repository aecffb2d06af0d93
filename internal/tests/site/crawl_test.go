package site

import (
	"net/url"
	"regexp"
	"strings"
	"testing"

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
	checked := map[string]bool{} // of the screens, once for all visitors
	for _, who := range visitors {
		name := who
		if name == "" {
			name = "public"
		}
		t.Run(name, func(t *testing.T) {
			desk := b.Open(t, browser.Desk, true)
			phone := b.Open(t, browser.Phone, true)
			for _, tab := range []*browser.Tab{desk, phone} {
				if who != "" {
					signIn(tab, base, who)
					if at := tab.Address(); strings.HasSuffix(at, "/sign-in") {
						t.Fatalf("%s cannot sign in", who)
					}
				}
			}
			home := "/"
			if who != "" {
				home = "/staff"
			}
			queue, seen := []string{home, "/figures"}, map[string]int{}
			if who == "admin" {
				queue = append(queue, "/admin")
			}
			for len(queue) > 0 {
				path := queue[0]
				queue = queue[1:]
				kind := shape(path)
				if seen[kind]++; seen[kind] > 2 {
					continue
				}
				if status := desk.Visit(base + with(path, "lang=en")); status >= 400 {
					t.Errorf("%s: a link leads to status %d", path, status)
					continue
				}
				for _, next := range browser.Evaluate[[]string](desk, links) {
					if !strings.Contains(next, ".csv") && !strings.Contains(next, ".json") && !strings.Contains(next, "lang=") && !strings.HasPrefix(next, "/assets/") && seen[shape(next)] < 2 {
						queue = append(queue, next)
					}
				}
				if checked[kind] || browser.Evaluate[string](desk, `document.contentType`) != "text/html" {
					continue // seen already, or a plain text such as security.txt
				}
				checked[kind] = true
				for _, view := range []struct {
					tab        *browser.Tab
					lang, name string
				}{{desk, "en", "desk"}, {phone, "zh-Hans", "phone"}, {phone, "en", "phone"}} {
					view.tab.Visit(base + with(path, "lang="+view.lang))
					at := strings.Join([]string{kind, view.lang, view.name}, " ")
					for _, v := range view.tab.Barriers() {
						t.Errorf("%s: %s", at, v)
					}
					if wide := view.tab.Wide(); wide > 0 {
						t.Errorf("%s: scrolls sideways by %d pixels", at, wide)
					}
					view.tab.Shot(name + strings.NewReplacer("/", "_", "?", "", "…", "query").Replace(kind) + "-" + view.lang + "-" + view.name)
				}
			}
			if len(seen) < 5 {
				t.Errorf("found %d kinds of page only: %v", len(seen), seen)
			}
		})
	}
}

// links are the addresses on this site that the page leads to.
const links = `[...document.querySelectorAll("a[href]")].map(a => new URL(a.href)).filter(u => u.origin === location.origin).map(u => u.pathname + u.search)`

// with adds a parameter to an address.
func with(path, parameter string) string {
	if strings.Contains(path, "?") {
		return path + "&" + parameter
	}
	return path + "?" + parameter
}
