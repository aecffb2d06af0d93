package web

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"plumbline/internal/exhibit"
	"plumbline/internal/testing/browser"
)

// A real browser sends files over a connection that breaks, pauses, comes back another time, and every file arrives whole.
// With PLUMBLINE_SHOTS=DIR it leaves pictures.
func TestFilesInABrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a browser")
	}
	w := publicSQLite(t)
	chromium := browser.Start(t)
	var breaks, hold atomic.Int64
	pages := w.s.handler()
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPatch {
			if breaks.Add(-1) >= 0 { // the line goes dead in the middle of it
				_, _ = r.Body.Read(make([]byte, 1000))
				panic(http.ErrAbortHandler)
			}
			for hold.Load() > 0 && r.Context().Err() == nil {
				time.Sleep(10 * time.Millisecond)
			}
		}
		pages.ServeHTTP(rw, r)
	}))
	defer srv.Close()

	for _, c := range []struct {
		lang   string
		screen browser.Screen
	}{{"en", browser.Desk}, {"zh-Hans", browser.Phone}} {
		p, code := w.withReport()
		token, err := w.s.visits.Begin(t.Context(), code)
		if err != nil {
			t.Fatal(err)
		}
		tab := chromium.Open(t, c.screen, true)
		tab.SetCookie(srv.URL, w.s.visitCookie(), token)
		look := func(name string) {
			t.Helper()
			for _, v := range tab.Barriers() {
				t.Errorf("%s, %s: %s", name, c.lang, v)
			}
			if wide := tab.Wide(); wide > 0 {
				t.Errorf("%s, %s: %d pixels wider than the screen", name, c.lang, wide)
			}
			tab.Shot("files-" + name + "-" + c.screen.Name + "-" + c.lang)
		}
		choose := func(name string, size int) {
			t.Helper()
			_ = browser.Evaluate[bool](tab, fmt.Sprintf(`(() => { const d = new DataTransfer(); d.items.add(new File([new Uint8Array(%d)], %q));
				const i = document.querySelector('#file'); i.files = d.files; i.dispatchEvent(new Event('change')); return true })()`, size, name))
		}
		tab.Visit(srv.URL + "/follow/files?lang=" + c.lang)
		w.until(tab, func() bool { return tab.Has("#file") })
		look("none")

		breaks.Store(2)
		hold.Store(1)
		choose("film of the gate.mp4", 3*exhibit.Chunk+100)
		w.until(tab, func() bool {
			return tab.Has(`.pl-file[data-state="lost"]`) || tab.Has(`.pl-file[data-state="sending"]`)
		})
		look("sending")
		hold.Store(0)
		w.until(tab, func() bool { return tab.Has("article.pl-message") })
		look("sent")

		// It was paused, and the page closed: what had arrived is there the next time.
		size := 2*exhibit.Chunk + 5
		_, at := p.piece("POST", "/follow/files/begin", -1, strings.NewReader(url.Values{"name": {"rest.wav"}, "size": {strconv.Itoa(size)}}.Encode()), "application/x-www-form-urlencoded")
		_, at = p.piece("PATCH", "/follow/files/"+at.ID.String(), 0, bytes.NewReader(make([]byte, exhibit.Chunk)), "")
		if at.Got != exhibit.Chunk {
			t.Fatal(at)
		}
		tab.Visit(srv.URL + "/follow/files")
		w.until(tab, func() bool { return tab.Has(`[data-half]`) })
		look("half")
		hold.Store(1)
		choose("rest.wav", size)
		w.until(tab, func() bool { return tab.Has(".pl-file button") })
		tab.Press(".pl-file button") // pause
		w.until(tab, func() bool { return tab.Has(`.pl-file[data-state="paused"]`) })
		look("paused")
		hold.Store(0)
		tab.Press(".pl-file button") // go on
		w.until(tab, func() bool {
			return tab.Has("article.pl-message ~ article.pl-message")
		})
		// One that cannot be taken is said, and does not hold up the page.
		choose("empty.txt", 0)
		w.until(tab, func() bool { return tab.Has(`.pl-file[data-state="failed"]`) })
		look("failed")

		plain := chromium.Open(t, c.screen, false)
		plain.SetCookie(srv.URL, w.s.visitCookie(), token)
		plain.Visit(srv.URL + "/follow/files?lang=" + c.lang)
		plain.Shot("files-plain-" + c.screen.Name + "-" + c.lang)
		plain.Visit(srv.URL + "/follow")
		plain.Shot("files-status-" + c.screen.Name + "-" + c.lang)
	}
	if files, half, chunks := w.kept(); files != 4 || half != 0 || chunks != 14 {
		t.Errorf("%d files, %d half, %d chunks", files, half, chunks)
	}
}
