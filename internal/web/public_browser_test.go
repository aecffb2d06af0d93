package web

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"plumbline/internal/testing/browser"
)

// A real browser goes the whole way, on a phone and at a desk, in both languages, with scripts and without: no page has a
// barrier, none has to be scrolled sideways, none needs scripts. With PLUMBLINE_SHOTS=DIR it leaves pictures.
func TestPublicPagesInABrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a browser")
	}
	w := publicSQLite(t)
	chromium := browser.Start(t)
	for _, screen := range []browser.Screen{browser.Phone, browser.Desk} {
		for _, say := range w.book.Speakers() {
			lang := say.Lang()
			tab := chromium.Open(t, screen, true)
			look := func(name string) {
				t.Helper()
				for _, v := range tab.Barriers() {
					t.Errorf("%s, %s, %s: %s", name, lang, screen.Name, v)
				}
				if wide := tab.Wide(); wide > 0 {
					t.Errorf("%s, %s, %s: %d pixels wider than the screen", name, lang, screen.Name, wide)
				}
				tab.Shot(name + "-" + screen.Name + "-" + lang)
			}
			tab.Visit(w.srv.URL + "/?lang=" + lang)
			for _, path := range publicPages {
				if status := tab.Visit(w.srv.URL + path); status != 200 {
					t.Fatalf("%s: status %d", path, status)
				}
				name := "home"
				if path != "/" {
					name = strings.ReplaceAll(path[1:], "/", "-")
				}
				look(name)
			}
			if screen.Mobile || lang == "en" { // the way itself is the same everywhere; a desk is seen in one language
				w.walk(tab, lang, look)
			}
		}
	}
}

// walk files a report with a browser, comes back with the code, and answers.
func (w *publicWorld) walk(tab *browser.Tab, lang string, look func(string)) (code string) {
	w.t.Helper()
	write := func(field, text string) { tab.Press(field); tab.Keys(text) }
	next := `form#answers .pl-buttons button[value="next"]`
	tab.Visit(w.srv.URL + "/report/report")
	tab.Click(next)
	look("ask-conduct")
	tab.Click(next)
	tab.Click(next)
	look("ask-body-wrong")
	tab.Press(`label[for="body-5"]`)
	look("ask-body")
	tab.Click(next)
	tab.Type(`#_q\.official`, "Candlewick")
	tab.Keys("\r") // Enter looks for what was typed: it neither changes the language nor leads on
	w.until(tab, func() bool { return tab.Has("#official") })
	look("ask-official")
	tab.Press(`label[for="official"]`)
	tab.Click(next)
	tab.Type("#happened_on-day", "30")
	tab.Type("#happened_on-month", "2")
	tab.Type("#happened_on-year", "2026")
	tab.Click(next)
	look("ask-date-wrong")
	tab.Type("#happened_on-day", "27")
	tab.Click(next)
	tab.Type("#place", "Harbour, gate 3")
	tab.Click(next)
	look("ask-story")
	write("#story", "It was late in the evening. Two of us saw it. The third has a recording.")
	// Another language and back, in the middle of writing.
	tab.Click(".pl-header__lang")
	if got := tab.Text("#story"); !strings.Contains(got, "Two of us saw it.") {
		w.t.Errorf("after the change of language the text is %q", got)
	}
	tab.Click(".pl-header__lang")
	tab.Click(next)
	tab.Click(`form#answers button[value="skip"]`)
	look("ask-choice")
	tab.Press(`label[for="relation-2"]`)
	tab.Click(next)
	look("ask-manner")
	tab.Press(`label[for="manner-2"]`)
	tab.Click(next)
	tab.Type("#name", "Kim Doe")
	tab.Click(next)
	look("ask-contact")
	tab.Click(next)
	look("check")
	tab.Click(`form#answers button[value="change:place"]`)
	tab.Type("#place", "Harbour, gate 4")
	tab.Click(next)
	tab.Click(`form#answers button[value="send"]`)
	look("receipt")
	tab.Click(".pl-header__lang")
	tab.Click(".pl-header__lang")
	if !tab.Has(".pl-receipt__code") {
		w.t.Error("the change of language lost the receipt")
	}
	for i, part := range browserCode(tab) {
		if i > 0 {
			code += "-"
		}
		code += part
	}
	tab.Click(`form[action="/follow"]:not(:has([name="to"])) button`)
	look("status-new")
	tab.Click(`a[href="/follow/act/message"]`)
	look("act")
	write("#message", "I remember something more.")
	tab.Click(next)
	look("status-sent")
	tab.Click(`form[action="/follow/leave"] button`)
	tab.Visit(w.srv.URL + "/follow")
	tab.Type("#code", "AAAA")
	tab.Click(`form[action="/follow"]:not(:has([name="to"])) button`)
	look("follow-wrong")
	return code
}

func browserCode(tab *browser.Tab) []string {
	return []string{tab.Text(".pl-receipt__code span:nth-child(1)"), tab.Text(".pl-receipt__code span:nth-child(2)"), tab.Text(".pl-receipt__code span:nth-child(3)")}
}

// until waits for what a key press brings about.
func (w *publicWorld) until(tab *browser.Tab, ready func() bool) {
	w.t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if ready() {
			return
		}
	}
	w.t.Fatalf("the browser stands at %s", tab.Address())
}

// The same way without scripts, as in Tor Browser's safest mode; and how a report looks when it is old and late.
func TestAReportWithoutScripts(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a browser")
	}
	w := publicSQLite(t)
	chromium := browser.Start(t)
	var code string
	for _, say := range w.book.Speakers() {
		lang := say.Lang()
		tab := chromium.Open(t, browser.Phone, false)
		tab.Visit(w.srv.URL + "/?lang=" + lang)
		code = w.walk(tab, lang, func(name string) {
			if wide := tab.Wide(); wide > 0 {
				t.Errorf("%s, %s, without scripts: %d pixels wider than the screen", name, lang, wide)
			}
			tab.Shot("noscript-" + name + "-" + lang)
		})
	}
	reference := w.person("en").post("/follow", url.Values{"code": {code}}).is(200).reference()
	intake, investigator := w.as("intake", "city", "intake"), w.as("investigator", "city", "investigator")
	w.act(intake, reference, "screen", map[string]any{"severity": "high"})
	w.act(intake, reference, "verify", map[string]any{"lead": investigator.Account.String()})
	w.act(investigator, reference, "ask", map[string]any{"message": "Can you tell us at what time it was, and who the third person is?\nYou need not say who you are."})
	w.act(w.as("custodian", "city", "custodian"), reference, "identify", map[string]any{"reasons": "The court asked for a statement of the person who saw it."})
	w.advance(60 * 24 * time.Hour)
	for _, screen := range []browser.Screen{browser.Phone, browser.Desk} {
		for _, say := range w.book.Speakers() {
			tab := chromium.Open(t, screen, true)
			tab.Visit(w.srv.URL + "/follow?lang=" + say.Lang())
			tab.Type("#code", code)
			tab.Click(`form[action="/follow"]:not(:has([name="to"])) button`)
			for _, v := range tab.Barriers() {
				t.Errorf("status, %s, %s: %s", say.Lang(), screen.Name, v)
			}
			if wide := tab.Wide(); wide > 0 {
				t.Errorf("status, %s, %s: %d pixels wider than the screen", say.Lang(), screen.Name, wide)
			}
			tab.Shot("status-late-" + screen.Name + "-" + say.Lang())
		}
	}
}
