package web_test

import (
	"bytes"
	"image"
	"image/png"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"plumbline/internal/store"
	"plumbline/internal/testing/browser"
	"plumbline/internal/testing/journey"
	"plumbline/internal/testing/world"
)

// Staff add files, see them once they have opened the matter, save originals and look at working copies; nobody else does,
// and nothing that somebody sent is ever shown by the browser.
func TestEvidence(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		o := journey.Open(t, db)
		intake, investigator := o.As("intake officer"), o.As("investigator")
		ref := taken(t, intake)
		var picture bytes.Buffer
		if err := png.Encode(&picture, image.NewGray(image.Rect(0, 0, 40, 30))); err != nil {
			t.Fatal(err)
		}
		page := "<html><script>fetch('/staff')</script>"
		intake.Get(at(ref, "files")).Is(http.StatusOK).Sees("No files yet", "Add files")
		intake.Attach(at(ref, "files"), journey.File{Name: "gate.png", Data: picture.Bytes()}, journey.File{Name: `evil".html`, Data: []byte(page)}).
			Is(http.StatusOK).Sees("The files have arrived (2).", "sealed", "under 100").SeesNot("gate.png", "evil")
		investigator.Get(at(ref, "files")).Is(http.StatusNotFound)
		investigator.Attach(at(ref, "files"), journey.File{Name: "x", Data: []byte("x")}).Is(http.StatusNotFound)
		o.Stranger().Attach(at(ref, "files"), journey.File{Name: "x", Data: []byte("x")}).Sees("Sign in")

		intake.Post(at(ref, "open"), url.Values{"reason": {"work"}, "back": {at(ref, "files")}}).Is(http.StatusOK)
		list := intake.Get(at(ref, "files")).Sees("gate.png", "image/png", "evil_.html", "text/html", "SHA-256")
		intake.Get(at(ref, "timeline")).Sees("File added", "Name: gate.png")
		links := regexp.MustCompile(`/staff/matters/[^"]*/files/[0-9]+/(?:original|copy)`).FindAllString(list.Body, -1)
		if len(links) != 3 || !strings.HasSuffix(links[1], "copy") {
			t.Fatalf("%q", links)
		}
		html, drawing, original := links[0], links[1], links[2]

		got := intake.Get(html).Is(http.StatusOK)
		h := got.Header
		if got.Body != page || h.Get("Content-Type") != "application/octet-stream" || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Cache-Control") != "no-store" ||
			h.Get("Content-Disposition") != `attachment; filename="evil_.html"; filename*=UTF-8''evil_.html` || !strings.Contains(h.Get("Content-Security-Policy"), "sandbox") {
			t.Errorf("a page that somebody sent came as %v", h)
		}
		if got := intake.Get(original); !bytes.Equal([]byte(got.Body), picture.Bytes()) || got.Header.Get("Content-Type") != "application/octet-stream" {
			t.Errorf("the original of a picture: %d bytes as %s", len(got.Body), got.Header.Get("Content-Type"))
		}
		if got := intake.Get(drawing); got.Header.Get("Content-Type") != "image/png" || !strings.HasPrefix(got.Header.Get("Content-Disposition"), "inline") || !strings.Contains(got.Header.Get("Content-Security-Policy"), "sandbox") {
			t.Errorf("the working copy: %v", got.Header)
		}
		for _, link := range links {
			investigator.Get(link).Is(http.StatusNotFound)
			o.Stranger().Get(link).Sees("Sign in")
		}
		intake.Get(strings.TrimSuffix(html, "original") + "copy").Is(http.StatusNotFound)

		// Under another matter the same number does not exist.
		other := taken(t, intake)
		intake.Post(at(other, "open"), url.Values{"reason": {"work"}})
		intake.Get(strings.Replace(html, ref, other, 1)).Is(http.StatusNotFound)
		for _, id := range []string{"0", "-1", "abc", "../1", "99999999999999999999"} {
			intake.Get(at(ref, "files") + "/" + id + "/original").Is(http.StatusNotFound)
		}
		o.Quiet()
	})
}

// Keys alone show nothing: without the recorded step of opening, a colleague of the desk sees that there are files and no more.
func TestFilesAreShutUntilTheyAreOpened(t *testing.T) {
	o := journey.Open(t, world.SQLite(t))
	intake, second := o.As("intake officer"), o.As("second intake officer")
	ref := taken(t, intake)
	intake.Post(at(ref, "open"), url.Values{"reason": {"work"}})
	list := intake.Attach(at(ref, "files"), journey.File{Name: "list of names.pdf", Data: []byte("%PDF-1.7 x")}).Is(http.StatusOK)
	links := slices.DeleteFunc(list.Links(), func(l string) bool { return !strings.HasSuffix(l, "original") })
	if len(links) != 1 {
		t.Fatal(list.Links())
	}
	second.Get(at(ref, "files")).Is(http.StatusOK).SeesNot("list of names")
	second.Get(links[0]).Is(http.StatusForbidden).Sees("sealed")
	second.Post(at(ref, "open"), url.Values{"reason": {"work"}}).Is(http.StatusOK)
	second.Get(at(ref, "files")).Sees("list of names.pdf")
	if got := second.Get(links[0]).Is(http.StatusOK); got.Body != "%PDF-1.7 x" {
		t.Error(got.Body)
	}
	second.In("zh-Hans").Get(at(ref, "files")).Sees("证据", "list of names.pdf")
	o.Quiet()
}

func TestEvidenceInABrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a browser")
	}
	b := browser.Start(t)
	o := journey.Open(t, world.SQLite(t))
	intake := o.As("intake officer")
	ref := taken(t, intake)
	var picture bytes.Buffer
	if err := png.Encode(&picture, image.NewGray(image.Rect(0, 0, 40, 30))); err != nil {
		t.Fatal(err)
	}
	intake.Attach(at(ref, "files"), journey.File{Name: "a photograph of the gate with a rather long name that goes on and on.png", Data: picture.Bytes()},
		journey.File{Name: "证词.txt", Data: []byte("…")}).Is(http.StatusOK)
	for _, screen := range []browser.Screen{browser.Phone, browser.Desk} {
		for _, lang := range []string{"en", "zh-Hans"} {
			tab := b.Open(t, screen, true)
			signIn(tab, o, "intake officer", lang)
			look(t, tab, o.URL, at(ref, "files"), lang, screen)
			tab.Shot("evidence-" + screen.Name + "-" + lang)
			intake.Post(at(ref, "open"), url.Values{"reason": {"work"}})
		}
	}
}
