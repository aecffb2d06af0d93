package monitor

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"plumbline/internal/testing/data"
	"plumbline/internal/testing/logtest"
	"plumbline/internal/witness"
	"plumbline/verify"
)

// stage is a server whose behaviour a test changes while a monitor looks on.
type stage struct {
	*httptest.Server
	h atomic.Pointer[http.Handler]
}

func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*s.h.Load()).ServeHTTP(w, r) }))
	t.Cleanup(s.Close)
	return s
}

func (s *stage) show(h http.Handler) { s.h.Store(&h) }

// below serves a log below /log, as an office does.
func below(l *logtest.Log) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/log/", http.StripPrefix("/log", l))
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<h1>An office</h1>") })
	return mux
}

func open(t *testing.T, c Config) *Monitor {
	t.Helper()
	if c.Timeout == 0 {
		c.Timeout = time.Second
	}
	c.Confirm = time.Millisecond
	m, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m
}

func check(t *testing.T, m *Monitor) Report {
	t.Helper()
	r, err := m.Check(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func wantWrong(t *testing.T, m *Monitor, kind Kind) *Wrong {
	t.Helper()
	_, err := m.Check(t.Context())
	var bad *Wrong
	if !errors.As(err, &bad) || bad.Kind != kind {
		t.Fatalf("got %v, want %s", err, kind)
	}
	if bad.Text == "" || bad.Remedy == "" {
		t.Errorf("%s is found without words: %+v", kind, bad)
	}
	return bad
}

// A log that grows as it should is followed through every kind of growth, also by a monitor that was started anew, and what was seen
// stays on the disk, where nobody else can read it.
func TestAnHonestLogIsFollowed(t *testing.T) {
	log, s, dir := logtest.New(t, "log.example/office"), newStage(t), filepath.Join(t.TempDir(), "state")
	s.show(below(log))
	size := 0
	for i, n := range []int{0, 1, 1, 253, 1, 1, 0, 300, 70000} {
		log.Append(n)
		m := open(t, Config{URL: s.URL, Keys: []string{log.VKey}, Dir: dir})
		for _, first := range []bool{true, false} { // the second look sees nothing new
			r := check(t, m)
			if r.Before != uint64(size) || r.Size != uint64(size+n) || r.First != (i == 0 && first) {
				t.Errorf("step %d: %+v", i, r)
			}
			if want := (size+n+255)/256 - size/256; n > 0 && r.Tiles != want {
				t.Errorf("step %d: %d bundles were read, want %d", i, r.Tiles, want)
			}
			size, n = size+n, 0
		}
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]os.FileMode{dir: 0o700, filepath.Join(dir, historyFile): 0o600} {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v, want %v", path, info.Mode(), err, want)
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, historyFile))
	if err != nil || bytes.Count(text, []byte("\n")) != 2+8 { // begun, key, and the heads that differ
		t.Errorf("the history: %v\n%s", err, text)
	}
}

// Every way in which a log can go wrong, shown to a monitor that has seen 600 entries.
func TestAttacksAreFound(t *testing.T) {
	base := logtest.New(t, "log.example/office").Append(300)
	fork := base.Fork().Append(500)
	honest := below(logFrom(base, 300))
	older := logFrom(base, 200)
	stranger := logtest.New(t, "log.example/office").Append(900) // another key
	renamed := logtest.New(t, "log.example/other").Append(900)
	tests := []struct {
		name string
		then http.Handler
		want Kind
		says string
		sure bool // found at once, and proven
	}{
		{"an older backup", below(older), Rollback, "shows 500 entries, and 600 were seen", true},
		{"a second server from a copy, larger", below(fork), Fork, "does not begin with the 600", true},
		{"a second server from a copy, of the same size", below(fork.Cut(600)), Fork, "two different heads of 600", true},
		{"a head that nobody signed", replaced(honest, "/log/checkpoint", func(b []byte) []byte {
			return append(b[:bytes.LastIndex(b, []byte("\n\n"))+2], []byte("— log.example/office AAAAAAAA\n")...)
		}), Unsigned, "not signed by any key", true},
		{"a head that was changed", replaced(honest, "/log/checkpoint", func(b []byte) []byte { return bytes.Replace(b, []byte("\n600\n"), []byte("\n601\n"), 1) }), Unsigned, "is false", true},
		{"a head of another key", below(stranger), Unsigned, "not signed by any key", true},
		{"a head of another log", below(renamed), Origin, `"log.example/other"`, false},
		{"a page instead of a head", replaced(honest, "/log/checkpoint", func([]byte) []byte { return []byte("<html>") }), Unsigned, "is not a signed head", false},
		{"a head without end", replaced(honest, "/log/checkpoint", func([]byte) []byte { return bytes.Repeat([]byte("x"), 1<<20) }), Unsigned, "more than", false},
		{"a tile of the past that was changed", replaced(below(logFrom(base, 500)), "/log/tile/0/001", flip), Tile, "not what it signed", true},
		{"an entry of the past that was changed", replaced(below(logFrom(base, 500)), "/log/tile/entries/000", flip), Tile, "not what it signed", true},
		{"a tile of the new entries that was changed", replaced(below(logFrom(base, 500)), "/log/tile/0/002", flip), Tile, "not what it signed", true},
		{"an entry that was changed", replaced(below(logFrom(base, 500)), "/log/tile/entries/002", flip), Tile, "not what it signed", true},
		{"a tile that is gone", replaced(below(logFrom(base, 500)), "/log/tile/0/002", nil), Tile, "404", true},
		{"a tile without end", replaced(below(logFrom(base, 500)), "/log/tile/0/002", func([]byte) []byte { return make([]byte, 1<<20) }), Tile, "longer than it can be", true},
		{"a tile that is cut off", replaced(below(logFrom(base, 500)), "/log/tile/0/002", func(b []byte) []byte { return b[:31] }), Tile, "31 bytes", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, dir := newStage(t), t.TempDir()
			s.show(below(logFrom(base, 300)))
			m := open(t, Config{URL: s.URL + "/log/", Keys: []string{base.VKey}, Dir: dir, All: true})
			if r := check(t, m); r.Size != 600 {
				t.Fatalf("%+v", r)
			}
			m.readAll = time.Time{} // a day later
			s.show(tt.then)
			bad := wantWrong(t, m, tt.want)
			if !strings.Contains(bad.Text, tt.says) {
				t.Errorf("says %q, want %q", bad.Text, tt.says)
			}
			if (bad.Evidence != "") != tt.sure {
				t.Errorf("evidence in %q", bad.Evidence)
			}
			if tt.want == Fork {
				proves(t, bad.Evidence, base)
			}
			// A monitor that is started anew finds the same, and the honest log is accepted again.
			if err := m.Close(); err != nil {
				t.Fatal(err)
			}
			m = open(t, Config{URL: s.URL + "/log", Dir: dir, All: true})
			if m.Found() == "" {
				t.Error("what was found is forgotten")
			}
			wantWrong(t, m, tt.want)
			s.show(below(logFrom(base, 300)))
			check(t, m)
			if m.Found() != "" {
				t.Error("the log is as it should be, and still called wrong")
			}
		})
	}
}

// logFrom returns a log that goes on from another by n entries, always the same.
func logFrom(l *logtest.Log, n int) *logtest.Log { return l.Copy().Append(n) }

// proves checks that evidence holds two heads, signed by the log, that contradict each other.
func proves(t *testing.T, path string, l *logtest.Log) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(string(text), " ----\n")
	if len(parts) != 3 {
		t.Fatalf("the evidence holds %d heads:\n%s", len(parts)-1, text)
	}
	for _, part := range parts[1:] {
		head, _, _ := strings.Cut(part, "\n---- head")
		if _, _, err := verify.OpenCheckpoint([]byte(head), l.Key(t)); err != nil {
			t.Errorf("a head in the evidence: %v\n%s", err, head)
		}
	}
}

// replaced changes what is answered for a path (with or without the width of a partial tile); nil: it is not found.
func replaced(h http.Handler, path string, change func([]byte) []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != path && !strings.HasPrefix(r.URL.Path, path+".p/") {
			h.ServeHTTP(w, r)
			return
		}
		if change == nil {
			http.NotFound(w, r)
			return
		}
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		w.WriteHeader(rec.Code)
		_, _ = w.Write(change(rec.Body.Bytes()))
	})
}

func flip(b []byte) []byte {
	b[len(b)/2] ^= 1
	return b
}

// An outage is an outage, whatever it looks like: nothing is called wrong, it is known since when, and afterwards the log is followed
// from where it was.
func TestOutages(t *testing.T) {
	log, s := logtest.New(t, "log.example/office").Append(10), newStage(t)
	elsewhere := httptest.NewServer(below(log))
	defer elsewhere.Close()
	release := make(chan struct{})
	defer close(release)
	honest := below(log)
	s.show(honest)
	m := open(t, Config{URL: s.URL, Keys: []string{log.VKey}, Timeout: 300 * time.Millisecond})
	check(t, m)
	for name, h := range map[string]http.Handler{
		"an error page": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "busy", http.StatusServiceUnavailable) }),
		"nothing there": http.NotFoundHandler(),
		"it hangs": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-r.Context().Done():
			case <-release:
			}
		}),
		"it drips": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			for range 100 {
				if _, err := w.Write([]byte("log")); err != nil || r.Context().Err() != nil {
					return
				}
				w.(http.Flusher).Flush()
				time.Sleep(20 * time.Millisecond)
			}
		}),
		"it breaks off": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "500")
			_, _ = w.Write([]byte("log.example"))
		}),
		"it sends elsewhere": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL+r.URL.Path, http.StatusFound)
		}),
		"it sends in circles": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) }),
	} {
		t.Run(name, func(t *testing.T) {
			s.show(h)
			for range 2 {
				_, err := m.Check(t.Context())
				if !errors.As(err, new(*Unreachable)) {
					t.Fatalf("got %v", err)
				}
			}
			if g := m.Gone(); g == nil || time.Since(g.Since) > time.Minute || g.Why == "" {
				t.Errorf("the outage is %+v", g)
			}
			log.Append(3)
			s.show(honest)
			if r := check(t, m); r.Size != r.Before+3 || m.Gone() != nil {
				t.Errorf("after it: %+v", r)
			}
		})
	}
	t.Run("tiles only", func(t *testing.T) {
		log.Append(300)
		s.show(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.Contains(r.URL.Path, "/tile/") {
				http.Error(w, "busy", http.StatusBadGateway)
				return
			}
			honest.ServeHTTP(w, r)
		}))
		if _, err := m.Check(t.Context()); !errors.As(err, new(*Unreachable)) {
			t.Fatalf("got %v", err)
		}
		s.show(honest)
		check(t, m)
	})
}

// What an intermediary could have garbled is not cried out over once; a server that alternates between a lie and an outage is found.
func TestDoubtIsConfirmed(t *testing.T) {
	log, s := logtest.New(t, "log.example/office").Append(10), newStage(t)
	honest := below(log)
	s.show(honest)
	m := open(t, Config{URL: s.URL, Keys: []string{log.VKey}})
	check(t, m)
	n := 0
	s.show(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n++; n <= 2 {
			fmt.Fprint(w, "<html>sign in to this network</html>")
			return
		}
		honest.ServeHTTP(w, r)
	}))
	check(t, m)
	lies := below(log.Cut(5))
	n = 0
	s.show(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n++; n%2 == 0 {
			http.Error(w, "busy", http.StatusServiceUnavailable)
			return
		}
		lies.ServeHTTP(w, r)
	}))
	for i := 1; ; i++ {
		_, err := m.Check(t.Context())
		if errors.As(err, new(*Wrong)) {
			break
		}
		if i == certain {
			t.Fatalf("not found after %d looks: %v", i, err)
		}
	}
}

// Heads seen elsewhere are of the same history, or it is found out.
func TestGossip(t *testing.T) {
	base := logtest.New(t, "log.example/office").Append(300)
	here, s := base.Copy().Append(300), newStage(t)
	s.show(below(here))
	file := func(name string, content []byte) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	there := httptest.NewServer(here)
	defer there.Close()
	good := []string{file("same", here.Signed(600)), file("earlier", here.Signed(7)), file("empty", here.Signed(0)), there.URL + "/checkpoint"}
	if r := check(t, open(t, Config{URL: s.URL, Keys: []string{base.VKey}, Heads: good})); r.Compared != 4 {
		t.Errorf("%+v", r)
	}
	forked := base.Fork().Append(100)
	wantWrong(t, open(t, Config{URL: s.URL, Keys: []string{base.VKey}, Heads: []string{file("fork", forked.Signed(400))}}), Fork)
	wantWrong(t, open(t, Config{URL: s.URL, Keys: []string{base.VKey}, Heads: []string{file("more", here.Copy().Append(1).Signed(601))}}), Rollback)
	for _, bad := range []string{file("stranger", logtest.New(t, base.Origin).Append(3).Signed(3)), file("none", []byte("hello")), "/does/not/exist"} {
		if _, err := open(t, Config{URL: s.URL, Keys: []string{base.VKey}, Heads: []string{bad}}).Check(t.Context()); !errors.Is(err, ErrUsage) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// Without a key nothing is believed, unless the log publishes keys, and then it is said.
func TestFirstContact(t *testing.T) {
	log, s := logtest.New(t, "log.example/office").Append(10), newStage(t)
	s.show(below(log))
	if _, err := open(t, Config{URL: s.URL}).Check(t.Context()); !errors.Is(err, ErrUsage) {
		t.Errorf("a log that publishes no key: %v", err)
	}
	withKeys := func(vkeys ...string) http.Handler {
		text, err := verify.Keys{Current: vkeys}.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		return replaced(below(log), "/log/keys", func([]byte) []byte { return text })
	}
	s.show(okKeys(withKeys(log.VKey)))
	dir := t.TempDir()
	m := open(t, Config{URL: s.URL, Dir: dir})
	if r := check(t, m); !r.TookKey || !r.First || len(m.Keys()) != 1 {
		t.Errorf("%+v", r)
	}
	if r := check(t, m); r.TookKey || r.First {
		t.Errorf("%+v", r)
	}
	other := logtest.New(t, "log.example/office")
	s.show(okKeys(withKeys(other.VKey)))
	wantWrong(t, open(t, Config{URL: s.URL}), Unsigned)
	if _, err := Open(Config{URL: s.URL + "/elsewhere", Dir: dir}); !errors.Is(err, ErrUsage) {
		t.Errorf("the history of another log was used: %v", err)
	}
	for _, bad := range []string{"", "log.example", "ftp://log.example", "https://me:pw@log.example", "https://log.example/?x"} {
		if _, err := Open(Config{URL: bad}); !errors.Is(err, ErrUsage) {
			t.Errorf("%q was accepted: %v", bad, err)
		}
	}
}

// okKeys makes the answer for /log/keys one of success: the log below it knows no such page.
func okKeys(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		if r.URL.Path != "/log/keys" {
			w.WriteHeader(rec.Code)
		}
		_, _ = w.Write(rec.Body.Bytes())
	})
}

// Heads must bear the cosignatures that the policy wants.
func TestCosignaturesAreWanted(t *testing.T) {
	log, s := logtest.New(t, "log.example/office").Append(10), newStage(t)
	k, err := witness.NewKey("witness.example/w1")
	if err != nil {
		t.Fatal(err)
	}
	p, err := witness.ParsePolicy([]byte("witness w " + k.Public()[0] + "\nquorum w\n"))
	if err != nil {
		t.Fatal(err)
	}
	s.show(below(log))
	m := open(t, Config{URL: s.URL, Keys: []string{log.VKey}, Policy: p})
	if bad := wantWrong(t, m, Witnesses); !strings.Contains(bad.Text, "by nobody") {
		t.Error(bad.Text)
	}
	lines, err := k.Cosign(log.Head(10))
	if err != nil {
		t.Fatal(err)
	}
	s.show(replaced(below(log), "/log/checkpoint", func(b []byte) []byte { return append(b, lines...) }))
	if r := check(t, m); len(r.Witnesses) != 1 || r.Witnesses[0] != "w" {
		t.Errorf("%+v", r)
	}
}

// A history that was cut off in the middle of a line goes on; one that was tampered with is refused.
func TestHistoryIsAppendOnly(t *testing.T) {
	log, s, dir := logtest.New(t, "log.example/office").Append(10), newStage(t), t.TempDir()
	s.show(below(log))
	m := open(t, Config{URL: s.URL, Keys: []string{log.VKey}, Dir: dir})
	check(t, m)
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, historyFile)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	write := func(b []byte) {
		t.Helper()
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(append(bytes.Clone(whole), whole[:40]...))
	m = open(t, Config{URL: s.URL, Dir: dir})
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, whole) {
		t.Errorf("the torn line is still there: %v", err)
	}
	log.Append(5)
	if r := check(t, m); r.Before != 10 || r.Size != 15 {
		t.Errorf("%+v", r)
	}
	for name, text := range map[string][]byte{
		"a line that is none":   append([]byte("hello\n"), whole...),
		"a head that is forged": bytes.Replace(whole, []byte(`\n10\n`), []byte(`\n11\n`), 1),
		"an unknown kind":       bytes.Replace(whole, []byte(`"what":"head"`), []byte(`"what":"foot"`), 1),
	} {
		write(text)
		if _, err := Open(Config{URL: s.URL, Dir: dir}); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

// A monitor stops when it is told to, also in the middle of a pause.
func TestStops(t *testing.T) {
	log, s := logtest.New(t, "log.example/office").Append(10), newStage(t)
	s.show(below(log))
	m := open(t, Config{URL: s.URL, Keys: []string{log.VKey}})
	check(t, m)
	m.c.Confirm = time.Hour
	s.show(below(log.Cut(5)))
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := m.Check(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

// The log that transparency-dev/tessera publishes for tests of other implementations is followed as it grew, head by head, from the
// files as they are, and every way back is found.
func TestPublishedLog(t *testing.T) {
	const key = "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"
	files := published(t)
	size := 0
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.Path
		if path == "/checkpoint" {
			path = fmt.Sprintf("/checkpoint.%d", size)
		}
		content, there := files["log"+path]
		if !there {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(content)
	})
	s := newStage(t)
	s.show(h)
	m := open(t, Config{URL: s.URL, Keys: []string{key}, Dir: t.TempDir(), All: true})
	for size = range 16 {
		if r := check(t, m); r.Size != uint64(size) || size > 0 && r.Tiles != 1 {
			t.Errorf("size %d: %+v", size, r)
		}
	}
	size = 14
	wantWrong(t, m, Rollback)
}

// published reads the files of that log.
func published(t *testing.T) map[string][]byte {
	t.Helper()
	f, err := os.Open(data.File(t, "vectors/tessera_static_log.tar.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	unzipped, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for archive := tar.NewReader(unzipped); ; {
		header, err := archive.Next()
		if err == io.EOF {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if files[header.Name], err = io.ReadAll(archive); err != nil {
			t.Fatal(err)
		}
	}
}

// How old a head is shows in signatures that have a time, of the log's own post-quantum key or of witnesses that are trusted as such.
func TestAgeOfAHead(t *testing.T) {
	log, s := logtest.New(t, "log.example/office").Append(10), newStage(t)
	s.show(below(log))
	if r := check(t, open(t, Config{URL: s.URL, Keys: []string{log.VKey}})); !r.Signed.IsZero() {
		t.Errorf("a head without any time is of %v", r.Signed)
	}
	k, err := witness.NewKey(log.Origin) // its ML-DSA half signs as the one of a log does
	if err != nil {
		t.Fatal(err)
	}
	lines, err := k.Cosign(log.Head(10))
	if err != nil {
		t.Fatal(err)
	}
	s.show(replaced(below(log), "/log/checkpoint", func(b []byte) []byte { return append(b, lines...) }))
	r := check(t, open(t, Config{URL: s.URL, Keys: []string{log.VKey, k.Public()[1]}}))
	if age := time.Since(r.Signed); age < -time.Second || age > time.Minute {
		t.Errorf("the head is of %v", r.Signed)
	}
}
