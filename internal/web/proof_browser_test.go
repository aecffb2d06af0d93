package web_test

import (
	"net/http"
	"testing"
	"time"

	"plumbline/internal/testing/browser"
	"plumbline/internal/testing/journey"
	"plumbline/internal/testing/world"
)

// TestProofsInABrowser looks at receipts on a phone, in both languages, and at a desk: no
// barrier, and nothing to scroll sideways. That they need no scripts the tests above show, which run none.
func TestProofsInABrowser(t *testing.T) {
	b := browser.Start(t)
	o := journey.Open(t, world.SQLite(t))
	o.StartLog()
	r := filed(t, o, "self-report", "official", o.Vale.String())
	lead := filed(t, o, "report", "official", o.Vale.String())
	o.Advance(9 * 24 * time.Hour)
	o.As("intake officer").Fill(at(r.reference, "note"), "text", "Ask at the station.").Is(http.StatusOK)
	settle(t, o, r.reference)
	settle(t, o, lead.reference)

	for _, lang := range []string{"en", "zh-Hans"} {
		tab := b.Open(t, browser.Phone, true)
		tab.Visit(o.URL + "/follow?lang=" + lang)
		tab.Type("#code", r.code.Get("_code"))
		tab.Click("main form button")
		tab.Click(`a[href="/follow/proof"]`)
		if !tab.Has(`main a[href="/verify"]`) || !tab.Has(".pl-proof__qr svg") {
			t.Errorf("%s: the page shows no proof at %s", lang, tab.Address())
		}
		clean(t, tab, "proof-phone-"+lang)
	}
	tab := b.Open(t, browser.Desk, true)
	signIn(tab, o, "intake officer", "en")
	for name, path := range map[string]string{"proof-staff": at(r.reference, "proof", "1"), "forward-staff": at(r.reference), "proof-timeline": at(r.reference, "timeline")} {
		if status := tab.Visit(o.URL + path); status != http.StatusOK {
			t.Errorf("%s: %d", path, status)
		}
		clean(t, tab, name)
	}
}

// clean fails for every barrier on the page that is open, and where it is wider than the screen.
func clean(t *testing.T, tab *browser.Tab, name string) {
	t.Helper()
	for _, v := range tab.Barriers() {
		t.Errorf("%s: %s", name, v)
	}
	if w := tab.Wide(); w > 0 {
		t.Errorf("%s: %d pixels too wide", name, w)
	}
	tab.Shot(name)
}
