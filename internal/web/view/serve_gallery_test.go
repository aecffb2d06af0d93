package view_test

import (
	"net/http"
	"os"
	"testing"
)

// TestServeGallery serves the gallery at the address in PLUMBLINE_GALLERY_ADDR until it is stopped, for
// looking at it in a browser while working on styles.
func TestServeGallery(t *testing.T) {
	addr := os.Getenv("PLUMBLINE_GALLERY_ADDR")
	if addr == "" {
		t.Skip("set PLUMBLINE_GALLERY_ADDR=127.0.0.1:8099 to look at the components in a browser")
	}
	site, _ := newSite(t)
	t.Fatal(http.ListenAndServe(addr, handler(site)))
}
