package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"plumbline/internal/testing/browser"
	"plumbline/internal/testing/journey"
	"plumbline/internal/testing/world"
)

// A passkey is made, signs in, opens what is sealed and proves who one is, in a real Chromium with a device that the test
// plays; then the same with a device that cannot open anything.
func TestPasskeysInABrowser(t *testing.T) {
	b := browser.Start(t)
	o := journey.Open(t, world.SQLite(t))
	site := strings.Replace(o.URL, "127.0.0.1", "localhost", 1) // a passkey belongs to a name, not to a number
	button := "form[data-passkey] button"
	for _, prf := range []bool{true, false} {
		who := map[bool]string{true: "intake officer", false: "reviewer"}[prf]
		tab := b.Open(t, browser.Desk, true)
		tab.Authenticator(prf)
		visit := func(path, want string) {
			t.Helper()
			tab.Visit(site + path)
			if got := strings.TrimPrefix(tab.Address(), site); got != want {
				t.Errorf("prf %v: %s leads to %s, want %s", prf, path, got, want)
			}
		}
		visit("/staff/sign-in?lang=en", "/staff/sign-in?lang=en")
		tab.Type("#login", journey.Login(who))
		tab.Type("#password", journey.Password)
		tab.Click("main form button")
		visit("/staff/account/passkeys/new", "/staff/account/passkeys/new")
		tab.Type("#name", "My phone")
		tab.Click(button)
		page := tab.Text("main")
		for _, want := range []string{"My phone", map[bool]string{true: "Yes", false: "No: signs in only"}[prf]} {
			if !strings.Contains(page, want) {
				t.Fatalf("prf %v: after making a passkey one does not see %q at %s:\n%s", prf, want, tab.Address(), page)
			}
		}
		tab.Visit(site + "/staff")
		tab.Click(`form[action="/staff/sign-out"] button`)

		// Strangers who guess passwords keep nobody waiting who has a passkey.
		for range 12 {
			o.Stranger().Post("/staff/sign-in", url.Values{"login": {journey.Login(who)}, "password": {"a guess of a stranger"}})
		}
		visit("/staff/sign-in?return=/staff/queue", "/staff/sign-in?return=/staff/queue")
		tab.Click(button)
		if prf {
			if got := strings.TrimPrefix(tab.Address(), site); got != "/staff/queue" {
				t.Fatalf("signed in with a passkey one is at %s:\n%s", got, tab.Text("main"))
			}
			visit("/staff/unlock", "/staff") // it is open
		} else {
			if got := tab.Address(); !strings.HasPrefix(got, site+"/staff/unlock") {
				t.Fatalf("signed in with a passkey that opens nothing one is at %s:\n%s", got, tab.Text("main"))
			}
			tab.Type("#password", journey.Password)
			tab.Click("main form button")
			if got := strings.TrimPrefix(tab.Address(), site); got != "/staff/queue" {
				t.Errorf("opened with the password one is at %s", got)
			}
		}
		visit("/staff/account/sessions", "/staff/account/sessions")
		if !strings.Contains(tab.Text("main"), "Passkey") {
			t.Error("the list of sessions does not tell of the passkey")
		}

		// It proves who one is.
		o.Advance(11 * time.Minute)
		visit("/staff/account/tokens/new", "/staff/confirm?return=%2Fstaff%2Faccount%2Ftokens%2Fnew")
		tab.Click(button)
		if got := strings.TrimPrefix(tab.Address(), site); got != "/staff/account/tokens/new" {
			t.Errorf("proved with a passkey one is at %s:\n%s", got, tab.Text("main"))
		}

		// It can be named anew and taken away; then it opens nothing.
		visit("/staff/account/ways", "/staff/account/ways")
		tab.Click(`a[href^="/staff/account/passkeys/"]:not([href$="/new"])`)
		tab.Type("#name", "Old phone")
		tab.Click("main form button")
		tab.Click(`a[href^="/staff/account/passkeys/"]:not([href$="/new"])`)
		tab.Click(`a[href$="/remove"]`)
		if !strings.Contains(tab.Text("main"), "Old phone") {
			t.Error("the new name is lost")
		}
		tab.Click("main form button")
		if !strings.Contains(tab.Text("main"), "No passkey yet") {
			t.Error("the passkey is still there")
		}
		tab.Visit(site + "/staff")
		tab.Click(`form[action="/staff/sign-out"] button`)
		tab.Visit(site + "/staff/sign-in")
		tab.Click(button)
		if got := tab.Address(); !strings.HasPrefix(got, site+"/staff/sign-in") || !strings.Contains(tab.Text("main"), "could not be checked") {
			t.Errorf("a passkey that was taken away leads to %s", got)
		}
	}
	o.Quiet()
}

// The pages about accounts, on a phone and at a desk, in both languages.
func TestAccountPagesInABrowser(t *testing.T) {
	b := browser.Start(t)
	o := journey.Open(t, world.SQLite(t))
	admin := o.As("town administrator")
	newcomer := "/admin/accounts/" + o.Account["newcomer"].String()
	admin.Fill(newcomer+"/grant", "duty", "intake", "body", "town").Is(http.StatusOK)
	var answer string
	for _, l := range o.As("administrator").Get("/staff/duties").Links() {
		if strings.HasPrefix(l, "/staff/duties/answer?") {
			answer = l
		}
	}
	named := "/admin/accounts/" + o.Account["named officer"].String()
	admin.Fill(named+"/change", "official", "").Is(http.StatusOK)
	official := "/staff/duties/answer?account=" + o.Account["named officer"].String() + "&official=0"
	o.As("administrator").Fill("/staff/account/tokens/new", "name", "Dashboard", "scope", "figures:read", "days", "30").Is(http.StatusOK)
	o.Stranger().Post("/staff/sign-in", url.Values{"login": {"administrator"}, "password": {"a guess"}})
	invitation := invited(t, admin.Fill("/admin/accounts/new", "name", "Wen Li", "login", "wen.li").Is(http.StatusOK))
	for _, screen := range []browser.Screen{browser.Phone, browser.Desk} {
		for _, lang := range []string{"en", "zh-Hans"} {
			tab := b.Open(t, screen, true)
			look(t, tab, o.URL, "/staff/sign-in?lang="+lang, lang, screen)
			look(t, tab, o.URL, invitation, lang, screen)
			signIn(tab, o, "administrator", lang)
			for _, path := range []string{"/staff/account", "/staff/account/ways", "/staff/account/passkeys/new", "/staff/account/code", "/staff/account/sessions",
				"/staff/account/tokens", "/staff/account/tokens/new", "/staff/duties", answer, official, named, named + "/browser", "/admin", newcomer, newcomer + "/password", "/admin/settings"} {
				look(t, tab, o.URL, path, lang, screen)
			}
			o.Advance(11 * time.Minute)
			tab.Visit(o.URL + "/staff/account/code")
			look(t, tab, o.URL, "/staff/confirm?return=%2Fstaff%2Faccount%2Fcode", lang, screen)
		}
	}
	o.Quiet()
}
