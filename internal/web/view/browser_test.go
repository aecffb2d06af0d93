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

// The comfort that scripts add works under the security policy, and without scripts nothing is missing.
func TestScriptsHelpAndAreNotNeeded(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a browser")
	}
	site, _ := newSite(t)
	server := httptest.NewServer(handler(site))
	defer server.Close()
	chromium := browser.Start(t)

	tab := chromium.Open(t, browser.Desk, true)
	tab.Visit(server.URL + "/staff/queue?lang=en")
	tab.Keys("j")
	tab.Keys("j")
	tab.Keys("x")
	if n := browser.Evaluate[int](tab, `[...document.querySelectorAll("tr.is-active")].indexOf(document.querySelectorAll("tbody tr")[1])`); n != 0 {
		t.Error("j does not move to the next row")
	}
	if got := tab.Text("[data-selected]"); got != "Selected: 1" {
		t.Errorf("after x: %q", got)
	}
	tab.Keys("?")
	if !browser.Evaluate[bool](tab, `document.querySelector("dialog[data-keys]").open`) {
		t.Error("? does not show the help")
	}

	tab.Visit(server.URL + "/?lang=en")
	if got := browser.Evaluate[string](tab, `(() => { document.querySelector(".pl-chart-wide .c-mark").focus(); return document.querySelector(".pl-chart-wide .pl-chart-readout").textContent })()`); got != "Sustained: 8,120 (24%)" {
		t.Errorf("the chart reads out %q", got)
	}

	tab.Visit(server.URL + "/form?lang=en")
	hidden := `getComputedStyle(document.getElementById("how-2-more")).display === "none"`
	if !browser.Evaluate[bool](tab, hidden) {
		t.Error("a question of an answer that is not chosen is shown")
	}
	tab.Press("label[for=how-2]")
	if browser.Evaluate[bool](tab, hidden) {
		t.Error("the question of the chosen answer is not shown")
	}

	plain := chromium.Open(t, browser.Phone, false)
	plain.Visit(server.URL + "/form?lang=en")
	if browser.Evaluate[bool](plain, hidden) {
		t.Error("without scripts a question cannot be reached")
	}
	plain.Visit(server.URL + "/staff/queue?lang=en")
	if browser.Evaluate[bool](plain, `document.querySelector(".moj-filter button").getBoundingClientRect().height === 0`) {
		t.Error("without scripts the filter cannot be reached on a phone")
	}
}
