package view_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"plumbline/internal/testing/browser"
)

// Every component stands in front of a real browser, in both languages, at the width of a phone and of a
// desk: no barrier, and nothing to scroll sideways for. With PLUMBLINE_SHOTS=DIR it leaves pictures.
func TestComponentsHaveNoBarriers(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a browser")
	}
	site, book := newSite(t)
	server := httptest.NewServer(handler(site))
	defer server.Close()
	chromium := browser.Start(t)
	for _, screen := range []browser.Screen{browser.Phone, browser.Desk} {
		tab := chromium.Open(t, screen, true)
		for _, say := range book.Speakers() {
			for _, page := range galleryPages {
				name := strings.Trim(strings.NewReplacer("/", "-", "?", "-", "=1", "").Replace(page), "-")
				if name == "" {
					name = "home"
				}
				sep := "?"
				if strings.Contains(page, "?") {
					sep = "&"
				}
				tab.Visit(server.URL + page + sep + "lang=" + say.Lang())
				for _, v := range tab.Barriers() {
					t.Errorf("%s, %s, %s: %s", page, say.Lang(), screen.Name, v)
				}
				if wide := tab.Wide(); wide > 0 {
					t.Errorf("%s, %s, %s: %d pixels wider than the screen", page, say.Lang(), screen.Name, wide)
				}
				tab.Shot(name + "-" + screen.Name + "-" + say.Lang())
			}
		}
	}
}
