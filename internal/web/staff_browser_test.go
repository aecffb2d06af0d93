package web_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"plumbline/internal/testing/browser"
	"plumbline/internal/testing/journey"
	"plumbline/internal/testing/world"
)

// TestStaffPagesInABrowser opens the pages of staff in Chromium, on a phone and at a desk, in both languages: axe finds
// no barrier, and nothing makes the reader scroll sideways.
func TestStaffPagesInABrowser(t *testing.T) {
	b := browser.Start(t)
	o := journey.Open(t, world.SQLite(t))
	intake := o.As("intake officer")
	ref := taken(t, intake)
	other := taken(t, intake)
	intake.Fill(at(ref, "note"), "text", "Spoken to the caller.").Is(http.StatusOK)
	intake.Fill(at(ref, "act", "screen"), "severity", "low", "allegations.0.conduct", conduct(t, intake, ref), "allegations.0.official", o.Vale.String()).Is(http.StatusOK)
	intake.Fill(at(ref, "act", "verify"), "lead", o.Account["investigator"].String()).Is(http.StatusOK)
	unknown := taken(t, intake)
	intake.Fill(at(unknown, "act", "screen"), "severity", "low", "allegations.0.conduct", conduct(t, intake, unknown), "allegations.0.official.described", "A tall one with a limp").Is(http.StatusOK)
	intake.Fill(at(unknown, "act", "verify"), "lead", o.Account["investigator"].String()).Is(http.StatusOK)
	o.Advance(9 * 24 * time.Hour)
	newcomer := "/admin/accounts/" + o.Account["newcomer"].String()
	for _, screen := range []browser.Screen{browser.Phone, browser.Desk} {
		for _, lang := range []string{"en", "zh-Hans"} {
			for _, who := range []struct {
				name  string
				pages []string
			}{
				{"intake officer", []string{"/staff", "/staff/queue?overdue=yes", at(ref), at(ref, "timeline"), at(other, "act", "screen"), "/staff/assign?m=" + other, "/staff/new/report"}},
				{"investigator", []string{at(ref, "act", "conclude"), at(ref, "people"), at(unknown, "act", "conclude"), at(unknown, "people")}},
				{"administrator", []string{"/admin", "/admin/accounts", newcomer, newcomer + "/grant", newcomer + "/change", "/admin/packs", "/staff/duties", "/staff/account/password"}},
			} {
				tab := b.Open(t, screen, true)
				signIn(tab, o, who.name, lang)
				for _, path := range who.pages {
					look(t, tab, o.URL, path, lang, screen)
				}
			}
		}
	}
}

func signIn(tab *browser.Tab, o *journey.Office, name, lang string) {
	tab.Visit(o.URL + "/staff/sign-in?lang=" + lang)
	tab.Type("#login", journey.Login(name))
	tab.Type("#password", journey.Password)
	tab.Click("main form button")
}

func look(t *testing.T, tab *browser.Tab, base, path, lang string, screen browser.Screen) {
	t.Helper()
	if status := tab.Visit(base + path); status != http.StatusOK {
		t.Errorf("%s (%s, %s): %d", path, screen.Name, lang, status)
	}
	for _, v := range tab.Barriers() {
		t.Errorf("%s (%s, %s): %s", path, screen.Name, lang, v)
	}
	if w := tab.Wide(); w > 0 {
		t.Errorf("%s (%s, %s): %d pixels too wide", path, screen.Name, lang, w)
	}
	name := strings.Trim(strings.NewReplacer("/", "-", "?", "-", "=", "-").Replace(path), "-")
	tab.Shot("staff-" + name + "-" + screen.Name + "-" + lang)
}

// TestWorkingByKeyboard walks down a list and opens a matter without touching a mouse; without scripts the same list
// works by its links.
func TestWorkingByKeyboard(t *testing.T) {
	b := browser.Start(t)
	o := journey.Open(t, world.SQLite(t))
	intake := o.As("intake officer")
	taken(t, intake)
	taken(t, intake)
	tab := b.Open(t, browser.Desk, true)
	signIn(tab, o, "intake officer", "en")
	tab.Visit(o.URL + "/staff/queue")
	tab.Keys("jx")
	if got := tab.Text("[data-selected]"); got != "Selected: 1" {
		t.Errorf("after j and x: %q", got)
	}
	tab.Keys("j")
	second := browser.Evaluate[string](tab, `document.querySelector("tr.is-active a[href]").getAttribute("href")`)
	tab.Press("tr.is-active a[href]")
	for range 50 {
		if strings.HasSuffix(tab.Address(), second) {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if got := tab.Address(); !strings.HasSuffix(got, second) {
		t.Errorf("opening the second row leads to %s, want %s", got, second)
	}

	plain := b.Open(t, browser.Phone, false)
	signIn(plain, o, "intake officer", "en")
	plain.Visit(o.URL + second + "/act/screen")
	plain.Press("#severity")
	plain.Click(`button[value="add:allegations"]`)
	if !plain.Has(`input[name="severity"][value="low"]:checked`) || !plain.Has(`[name="allegations.1.conduct"]`) {
		t.Error("without scripts, adding a row loses what was chosen or adds none")
	}
}
