package web

import (
	"context"
	"fmt"
	"html"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"plumbline/internal/journal"
	"plumbline/internal/ledger"
	"plumbline/internal/store"
	"plumbline/internal/testing/world"
	"plumbline/verify"
)

// logWorld is an office whose log is signed.
type logWorld struct {
	*publicWorld
	key    *ledger.Key
	signer *ledger.Signer
}

func newLogWorld(t *testing.T, db *store.DB) *logWorld {
	t.Helper()
	w := &logWorld{publicWorld: newPublicWorld(t, db)}
	var err error
	if w.key, err = ledger.NewKey(filepath.Join(t.TempDir(), "log.key"), "office.example/log"); err != nil {
		t.Fatal(err)
	}
	if err := db.Tx(t.Context(), func(tx *store.Tx) error {
		return w.s.Ledger.RecordKey(t.Context(), tx, journal.Actor{Duty: "operator"}, journal.ViaCLI, w.key, false)
	}); err != nil {
		t.Fatal(err)
	}
	w.signer = ledger.NewSigner(w.s.Ledger, w.key.Path(), nil)
	return w
}

// fileMany adds entries and signs some of them.
func (w *logWorld) fileMany(n int) {
	w.t.Helper()
	all := make([]journal.Entry, n)
	stream := fmt.Sprintf("note/%d", w.db.NewID())
	for i := range all {
		all[i] = journal.Entry{Stream: stream, N: int64(i + 1), At: w.time(), By: journal.Actor{Duty: "system"}, Via: journal.ViaCLI, Action: "note"}
	}
	if err := w.db.Tx(w.t.Context(), func(tx *store.Tx) error { return journal.AppendMany(w.t.Context(), tx, all) }); err != nil {
		w.t.Fatal(err)
	}
	if err := journal.NewFollowers(w.db, w.s.Log, w.s.Ledger.Follower()).CatchUp(w.t.Context(), nil); err != nil {
		w.t.Fatal(err)
	}
}

func (w *logWorld) sign() {
	w.t.Helper()
	if _, err := w.signer.Once(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// fetch gets a file of the log as a stranger's program does.
func (w *logWorld) fetch(method, path string) (int, http.Header, []byte) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, w.srv.URL+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, body
}

// stranger reads our log with the tile reader of Go's checksum database, which knows nothing of us.
type stranger struct{ w *logWorld }

func (stranger) Height() int { return 8 }

func (s stranger) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, t := range tiles {
		status, _, body := s.w.fetch(http.MethodGet, "/log/"+strings.Replace(t.Path(), "tile/8/", "tile/", 1))
		if status != http.StatusOK {
			return nil, fmt.Errorf("%s: %d", t.Path(), status)
		}
		all = append(all, body)
	}
	return all, nil
}

func (stranger) SaveTiles([]tlog.Tile, [][]byte) {}

// Other people's programs can follow the log: they find every hash and every entry they need under the checkpoint.
func TestStrangersReadTheLog(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		w := newLogWorld(t, db)
		w.fileMany(600)
		w.sign()
		w.fileMany(3) // not published: nobody may see it
		key, err := note.NewVerifier(w.key.Public()[0])
		if err != nil {
			t.Fatal(err)
		}
		status, header, signed := w.fetch(http.MethodGet, "/log/checkpoint")
		if status != http.StatusOK || header.Get("Content-Type") != "text/plain; charset=utf-8" {
			t.Fatalf("the checkpoint: %d, %s", status, header.Get("Content-Type"))
		}
		c, _, err := verify.OpenCheckpoint(signed, key)
		if err != nil {
			t.Fatal(err)
		}
		size := int64(c.Size)
		reader := tlog.TileHashReader(tlog.Tree{N: size, Hash: tlog.Hash(c.Root)}, stranger{w})
		index := 0
		for _, bundle := range []string{"000", "001", fmt.Sprintf("002.p/%d", size-512)} {
			status, _, content := w.fetch(http.MethodGet, "/log/tile/entries/"+bundle)
			if status != http.StatusOK {
				t.Fatalf("bundle %s: %d", bundle, status)
			}
			for len(content) > 0 {
				length := int(content[0])<<8 | int(content[1])
				if index%97 == 0 {
					proof, err := tlog.ProveRecord(size, int64(index), reader)
					if err == nil {
						err = tlog.CheckRecord(proof, size, tlog.Hash(c.Root), int64(index), tlog.RecordHash(content[2:2+length]))
					}
					if err != nil {
						t.Errorf("entry %d: %v", index, err)
					}
				}
				index++
				content = content[2+length:]
			}
		}
		if index != int(size) {
			t.Errorf("%d entries are served, the checkpoint covers %d", index, size)
		}
		if proof, err := tlog.ProveTree(size, 300, reader); err != nil || len(proof) == 0 {
			t.Errorf("consistency with an older checkpoint: %v", err)
		}
	})
}

// The addresses are those of the standard and no others, nothing is served that is not published, and no reader is
// remembered.
func TestTheLogIsServedAsTheStandardSays(t *testing.T) {
	w := newLogWorld(t, world.SQLite(t))
	for _, path := range []string{"/log/checkpoint", "/log/tile/0/000.p/1", "/log/tile/entries/000.p/1"} {
		if status, _, _ := w.fetch(http.MethodGet, path); status != http.StatusNotFound {
			t.Errorf("%s before anything is published: %d", path, status)
		}
	}
	w.fileMany(600)
	w.sign()
	_, _, signed := w.fetch(http.MethodGet, "/log/checkpoint")
	c, _, err := ledger.ReadCheckpoint(signed)
	if err != nil {
		t.Fatal(err)
	}
	w.fileMany(256)
	last := int(c.Size) - 512
	for path, want := range map[string]int{
		"/log/checkpoint":                               200,
		"/log/keys":                                     200,
		"/log/tile/0/000":                               200,
		"/log/tile/0/001":                               200,
		"/log/tile/0/000.p/255":                         200, // of an older, smaller log
		fmt.Sprintf("/log/tile/0/002.p/%d", last):       200,
		fmt.Sprintf("/log/tile/0/002.p/%d", last+1):     404, // beyond what is published
		"/log/tile/0/002":                               404,
		"/log/tile/0/003.p/1":                           404,
		"/log/tile/1/000.p/2":                           200,
		"/log/tile/1/000.p/3":                           404,
		"/log/tile/2/000.p/1":                           404,
		"/log/tile/entries/001":                         200,
		fmt.Sprintf("/log/tile/entries/002.p/%d", last): 200,
		"/log/tile/entries/002":                         404,
		"/log/tile/0/0":                                 404,
		"/log/tile/00/000":                              404,
		"/log/tile/0/x000/000":                          404,
		"/log/tile/0/000.p/0":                           404,
		"/log/tile/0/000.p/256":                         404,
		"/log/tile/0/000.p/01":                          404,
		"/log/tile/0/000/":                              404,
		"/log/tile/0/%30%30%30":                         404,
		"/log/tile/0/000?x=1":                           404,
		"/log/tile/data/000":                            404,
		"/log/tile/64/000":                              404,
		"/log/tile/0/x999/x999/x999/x999/x999/x999/999": 404,
		"/log/tile/entries":                             404,
		"/log/tile/":                                    404,
		"/log/nothing":                                  404,
	} {
		status, header, body := w.fetch(http.MethodGet, path)
		if status != want {
			t.Errorf("%s: %d, want %d", path, status, want)
		}
		if len(header.Values("Set-Cookie")) > 0 {
			t.Errorf("%s sets a cookie", path)
		}
		if status != http.StatusOK || !strings.Contains(path, "/tile/") {
			if strings.Contains(header.Get("Cache-Control"), "immutable") {
				t.Errorf("%s may be kept for ever", path)
			}
			continue
		}
		if header.Get("Content-Type") != "application/octet-stream" || !strings.Contains(header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s: %s, %s", path, header.Get("Content-Type"), header.Get("Cache-Control"))
		}
		if status, h, none := w.fetch(http.MethodHead, path); status != 200 || len(none) != 0 || h.Get("Content-Length") != fmt.Sprint(len(body)) {
			t.Errorf("HEAD %s: %d, %s bytes announced, %d sent", path, status, h.Get("Content-Length"), len(none))
		}
	}
	if status, _, _ := w.fetch(http.MethodPost, "/log/checkpoint"); status == http.StatusOK {
		t.Error("something can be posted to the log")
	}
	if keys, err := verify.ParseLogKeys(get3(w.fetch(http.MethodGet, "/log/keys"))); err != nil || keys.Current[0] != w.key.Public()[0] {
		t.Errorf("/log/keys: %+v, %v", keys, err)
	}
}

func get3(_ int, _ http.Header, body []byte) []byte { return body }

// The page for people says where the log stands and gives the key to copy, in both languages.
func TestTheLogHasAPageForPeople(t *testing.T) {
	w := newLogWorld(t, world.SQLite(t))
	for _, lang := range []string{"en", "zh-Hans"} {
		if status, _, body := w.fetch(http.MethodGet, "/log?lang="+lang); status != http.StatusOK || !strings.Contains(html.UnescapeString(string(body)), w.key.Public()[0]) {
			t.Errorf("%s, before anything is published: %d", lang, status)
		}
	}
	w.fileMany(5)
	w.sign()
	for _, lang := range []string{"en", "zh-Hans"} {
		status, _, body := w.fetch(http.MethodGet, "/log?lang="+lang)
		page := string(body)
		if status != http.StatusOK || !strings.Contains(page, "office.example/log") || !strings.Contains(page, "/log/checkpoint") || !strings.Contains(page, "plumbline monitor https://") || strings.Contains(page, w.srv.URL) {
			t.Errorf("%s: %d\n%s", lang, status, page)
		}
	}
	if missing := w.book.Missing(); len(missing) > 0 {
		t.Errorf("texts that nobody wrote: %v", missing)
	}
}
