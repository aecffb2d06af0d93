package browser

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// A check that finds nothing on a page full of barriers would make every other test of pages worthless.
func TestBarriersAreFoundThroughAStrictPolicy(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'self'")
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if r.URL.Path == "/good" {
			_, _ = w.Write([]byte(`<!doctype html><html lang="en"><title>Good</title><main><h1>Good</h1><p>Text</p></main></html>`))
			return
		}
		_, _ = w.Write([]byte(`<!doctype html><html><title>Bad</title><main><h1>Bad</h1><img src="/x.png"><input><div style="width:2000px">w</div></main></html>`))
	}))
	defer srv.Close()
	b := Start(t)
	tab := b.Open(t, Phone, true)
	if status := tab.Visit(srv.URL + "/good"); status != 200 {
		t.Fatalf("status %d", status)
	}
	if found := tab.Barriers(); len(found) != 0 {
		t.Errorf("barriers on a plain page: %v", found)
	}
	tab.Visit(srv.URL + "/bad")
	found := map[string]bool{}
	for _, v := range tab.Barriers() {
		found[v.Rule] = true
	}
	for _, rule := range []string{"image-alt", "label", "html-has-lang"} {
		if !found[rule] {
			t.Errorf("%s not found", rule)
		}
	}
}

func TestTabWithoutScriptsRunsNone(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(`<!doctype html><title>x</title><p id="p">plain</p><script>document.getElementById("p").textContent = "scripted"</script>`))
	}))
	defer srv.Close()
	b := Start(t)
	for _, tt := range []struct {
		scripts bool
		want    string
	}{{true, "scripted"}, {false, "plain"}} {
		tab := b.Open(t, Desk, tt.scripts)
		tab.Visit(srv.URL)
		if got := tab.Text("#p"); !strings.Contains(got, tt.want) {
			t.Errorf("scripts %v: page says %q, want %q", tt.scripts, got, tt.want)
		}
	}
}
