// Package assets serves the styles, the script and the mark of the pages.
//
// The files in dist are built from src by `make assets` and committed, so that the Go toolchain alone
// builds Plumbline. A file's address contains a hash of what is in it: a browser may keep it for ever,
// and a new version has a new address.
package assets

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed dist
var dist embed.FS

// Prefix is where Handler has to be mounted.
const Prefix = "/assets/"

type file struct {
	name    string // as in dist
	url     string
	kind    string
	plain   []byte
	gzipped []byte // nil where it would not be smaller
}

var byName, byURL = load()

var kinds = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
	".txt": "text/plain; charset=utf-8",
}

func load() (byName, byURL map[string]*file) {
	byName, byURL = map[string]*file{}, map[string]*file{}
	entries, err := fs.ReadDir(dist, "dist")
	if err != nil {
		panic(err) // embedded: cannot fail in a program that was built
	}
	for _, e := range entries {
		data, err := fs.ReadFile(dist, "dist/"+e.Name())
		if err != nil {
			panic(err)
		}
		ext := path.Ext(e.Name())
		sum := sha256.Sum256(data)
		f := &file{
			name:  e.Name(),
			url:   Prefix + strings.TrimSuffix(e.Name(), ext) + "." + hex.EncodeToString(sum[:6]) + ext,
			kind:  kinds[ext],
			plain: data,
		}
		var b bytes.Buffer
		z, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // the level is valid
		_, _ = z.Write(data)                                  // a bytes.Buffer takes everything
		_ = z.Close()
		if b.Len() < len(data) {
			f.gzipped = b.Bytes()
		}
		byName[f.name], byURL[f.url] = f, f
	}
	return byName, byURL
}

// URL returns the address of a file of dist: URL("app.css") is "/assets/app.0f3a….css". A name that is
// not there is a mistake in a template, found by the test that renders every page.
func URL(name string) (string, error) {
	f, ok := byName[name]
	if !ok {
		return "", fmt.Errorf("assets: no file %q", name)
	}
	return f.url, nil
}

// Handler serves the files under Prefix.
func Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f, ok := byURL[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		h := w.Header()
		h.Set("Content-Type", f.kind)
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Add("Vary", "Accept-Encoding")
		body := f.plain
		if f.gzipped != nil && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			h.Set("Content-Encoding", "gzip")
			body = f.gzipped
		}
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
	})
}
