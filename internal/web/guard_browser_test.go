package web

import (
	"testing"

	"plumbline/internal/intake"
	"plumbline/internal/testing/browser"
)

// The browser solves the same task that the server checks; and nobody sees the field that is there for programs.
func TestABrowserSolvesTheTask(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a browser")
	}
	b := browser.Start(t)
	w := publicSQLite(t)
	tab := b.Open(t, browser.Phone, true)
	tab.Visit(w.srv.URL + "/report/report")
	tab.Click(`form#answers button[value="next"]`)
	value := func(name string) string {
		return browser.Evaluate[string](tab, `document.querySelector('form#answers input[name="`+name+`"]').value`)
	}
	w.until(tab, func() bool { return value(ctlWork) != "" })
	if task, work := value(ctlTask), value(ctlWork); !intake.Works(task, work) {
		t.Errorf("the browser answers %q to %q, which is wrong", work, task)
	}
	if seen := browser.Evaluate[bool](tab, `(() => { const r = document.getElementById('your-website').getBoundingClientRect(); return r.width > 1 && r.height > 1 && getComputedStyle(document.getElementById('your-website').parentElement).clip === 'auto' })()`); seen {
		t.Error("people see the field that is there for programs")
	}
	for _, v := range tab.Barriers() {
		t.Error(v)
	}
}
