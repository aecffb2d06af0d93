package witness

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"plumbline/internal/store"
	"plumbline/internal/store/storetest"
	"plumbline/internal/testing/logtest"
	"plumbline/verify"
)

func newKey(t testing.TB) *Key {
	t.Helper()
	k, err := NewKey("witness.example/w1")
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// watching returns a witness over a database that watches the logs.
func watching(t testing.TB, db *store.DB, key *Key, logs ...*logtest.Log) *Witness {
	t.Helper()
	if err := db.Migrate(t.Context(), Migrations); err != nil {
		t.Fatal(err)
	}
	for _, l := range logs {
		if err := Add(t.Context(), db, l.Origin, l.VKey, time.Now()); err != nil && !errors.Is(err, ErrHave) {
			t.Fatal(err)
		}
	}
	return New(db, key, nil)
}

func ask(l *logtest.Log, old, size uint64) []byte {
	return Request{Old: old, Proof: l.Consistency(old, size), Checkpoint: l.Signed(size)}.Marshal()
}

func post(t testing.TB, h http.Handler, body []byte) *http.Response {
	t.Helper()
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequest(http.MethodPost, "/add-checkpoint", bytes.NewReader(body)))
	return rec.Result()
}

func content(t testing.TB, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func witnessKeys(t testing.TB, k *Key) []note.Verifier {
	t.Helper()
	var out []note.Verifier
	for _, v := range k.Public() {
		key, err := ParseWitnessKey(v)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, key)
	}
	return out
}

// The protocol, status by status, in the order of its text.
func TestProtocol(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		known, unknown := logtest.New(t, "log.example/office").Append(20), logtest.New(t, "log.example/other").Append(3)
		stranger := logtest.New(t, known.Origin).Append(20) // the same name, another key
		fork := known.Fork()
		key := newKey(t)
		h := watching(t, db, key, known).Handler()
		fork.Append(20)
		known.Append(20)

		tests := []struct {
			name string
			body []byte
			code int
			says string // for 409: the size
		}{
			{"not a request", []byte("hello\n"), 400, ""},
			{"no checkpoint", []byte("old 0\n\n"), 400, ""},
			{"a size with a leading zero", bytes.Replace(ask(known, 0, 5), []byte("old 0"), []byte("old 00"), 1), 400, ""},
			{"a checkpoint that is none", []byte("old 0\n\nlog.example/office\nfive\n\n— a b\n"), 400, ""},
			{"an unknown log", ask(unknown, 0, 3), 404, ""},
			{"a key that is not known", ask(stranger, 0, 5), 403, ""},
			{"a signature that is false", bytes.Replace(ask(known, 0, 5), []byte("\n5\n"), []byte("\n6\n"), 1), 403, ""},
			{"an old size larger than the checkpoint", Request{Old: 7, Checkpoint: known.Signed(5)}.Marshal(), 400, ""},
			{"a wrong old size at first", ask(known, 3, 5), 409, "0\n"},
			{"an empty log with a root of something", Request{Checkpoint: known.Sign(verify.Checkpoint{Origin: known.Origin, Root: known.Head(3).Root})}.Marshal(), 422, ""},
			{"a proof where none belongs", Request{Proof: known.Consistency(3, 5), Checkpoint: known.Signed(5)}.Marshal(), 422, ""},
			{"an empty log", ask(known, 0, 0), 200, ""},
			{"the first head", ask(known, 0, 5), 200, ""},
			{"the same head again", ask(known, 5, 5), 200, ""},
			{"the same size with a proof", Request{Old: 5, Proof: known.Consistency(3, 5), Checkpoint: known.Signed(5)}.Marshal(), 422, ""},
			{"from zero though something was seen", ask(known, 0, 8), 409, "5\n"},
			{"without the proof", Request{Old: 5, Checkpoint: known.Signed(8)}.Marshal(), 422, ""},
			{"with a proof of something else", Request{Old: 5, Proof: known.Consistency(4, 8), Checkpoint: known.Signed(8)}.Marshal(), 422, ""},
			{"growth", ask(known, 5, 30), 200, ""},
			{"back to a smaller head", ask(known, 5, 8), 409, "30\n"},
			{"a smaller head as the same", Request{Old: 30, Checkpoint: known.Signed(8)}.Marshal(), 400, ""},
			{"a fork of the same size", Request{Old: 30, Checkpoint: fork.Signed(30)}.Marshal(), 422, ""},
			{"a fork that is larger", ask(fork, 30, 40), 422, ""},
			{"and the log goes on", ask(known, 30, 40), 200, ""},
			{"too long", append(ask(known, 40, 40), bytes.Repeat([]byte("x"), maxRequest)...), 413, ""},
		}
		for _, tt := range tests {
			resp := post(t, h, tt.body)
			said := content(t, resp)
			if resp.StatusCode != tt.code {
				t.Errorf("%s: status %d (%q), want %d", tt.name, resp.StatusCode, said, tt.code)
				continue
			}
			if tt.code == 409 && (said != tt.says || resp.Header.Get("Content-Type") != "text/x.tlog.size") {
				t.Errorf("%s: 409 with %q as %q, want %q", tt.name, said, resp.Header.Get("Content-Type"), tt.says)
			}
			if tt.code != 200 {
				continue
			}
			r, err := ParseRequest(tt.body)
			if err != nil {
				t.Fatal(err)
			}
			n, err := note.Open(append(r.Checkpoint, said...), note.VerifierList(append(witnessKeys(t, key), known.Key(t))...))
			if err != nil || len(n.Sigs) != 3 {
				t.Errorf("%s: the answer is not a cosignature of each key: %v\n%s", tt.name, err, said)
				continue
			}
			for _, s := range n.Sigs[1:] {
				if at, err := cosignedAt(s); err != nil || time.Since(at) > time.Minute || time.Until(at) > time.Minute {
					t.Errorf("%s: cosigned at %v, %v", tt.name, at, err)
				}
			}
		}

		for path, want := range map[string]struct {
			code int
			says string
		}{
			"/" + originHash(known.Origin) + "/checkpoint":   {200, "log.example/office\n40\n"},
			"/" + originHash(unknown.Origin) + "/checkpoint": {404, ""},
			"/log":            {200, "log.example/office\t40\t"},
			"/":               {200, key.Public()[0]},
			"/healthz":        {200, "ok"},
			"/add-checkpoint": {405, ""},
		} {
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, path, nil))
			if rec.Code != want.code || !strings.Contains(rec.Body.String(), want.says) {
				t.Errorf("GET %s: %d %q", path, rec.Code, rec.Body.String())
			}
			if strings.HasSuffix(path, "/checkpoint") && rec.Code == 200 {
				n, err := note.Open(rec.Body.Bytes(), note.VerifierList(append(witnessKeys(t, key), known.Key(t))...))
				if err != nil || len(n.Sigs) != 3 {
					t.Errorf("the head that is served is not signed by the log and by us: %v", err)
				}
			}
		}
	})
}

// A log that changes its key goes on where it was; a key that was taken away counts no more, and nothing that was seen is
// forgotten with it.
func TestKeysOfALog(t *testing.T) {
	db := storetest.OpenSQLite(t)
	before := logtest.New(t, "log.example/office").Append(9)
	after := before.Fork().Append(2)
	other := logtest.New(t, "log.example/office")
	h := watching(t, db, newKey(t), before).Handler()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	want := func(what string, resp *http.Response, code int) {
		t.Helper()
		if resp.StatusCode != code {
			t.Errorf("%s: status %d, want %d", what, resp.StatusCode, code)
		}
	}
	signedByOther := func(old, size uint64) []byte {
		return Request{Old: old, Proof: after.Consistency(old, size), Checkpoint: other.Sign(after.Head(size))}.Marshal()
	}
	want("before", post(t, h, ask(before, 0, 9)), 200)
	want("a key nobody added", post(t, h, signedByOther(9, 10)), 403)
	must(Add(t.Context(), db, other.Origin, other.VKey, time.Now()))
	if err := Add(t.Context(), db, other.Origin, other.VKey, time.Now()); !errors.Is(err, ErrHave) {
		t.Errorf("added twice: %v", err)
	}
	want("the new key", post(t, h, signedByOther(9, 10)), 200)
	want("the old key still", post(t, h, ask(after, 10, 10)), 200)
	must(Remove(t.Context(), db, before.Origin, before.VKey))
	want("the old key no more", post(t, h, ask(after, 10, 11)), 403)
	must(Remove(t.Context(), db, other.Origin, other.VKey))
	if err := Remove(t.Context(), db, other.Origin, other.VKey); !errors.Is(err, ErrNoLog) {
		t.Errorf("removed twice: %v", err)
	}
	must(Add(t.Context(), db, other.Origin, other.VKey, time.Now()))
	want("what was seen is not forgotten", post(t, h, signedByOther(0, 11)), 409)
	for _, bad := range []string{"", "a\nb", "a\x01", strings.Repeat("x", 256)} {
		if err := Add(t.Context(), db, bad, other.VKey, time.Now()); err == nil {
			t.Errorf("%q was accepted as the name of a log", bad)
		}
	}
	if err := Add(t.Context(), db, other.Origin, newKey(t).Public()[0], time.Now()); err == nil {
		t.Error("the key of a witness was accepted as one of a log")
	}
}

// Two histories under one key, shown at once to several processes over one database: only heads of one of them are cosigned.
func TestNeverEquivocates(t *testing.T) {
	for _, kind := range storetest.Databases() {
		t.Run(kind.Name, func(t *testing.T) {
			url := kind.URL(t)
			left := logtest.New(t, "log.example/office").Append(3)
			right := left.Fork()
			left.Append(60)
			right.Append(60)
			key := newKey(t)
			var handlers []http.Handler
			for range 2 { // as two processes would open it
				handlers = append(handlers, watching(t, storetest.Open(t, url), key, left).Handler())
			}
			var mu sync.Mutex
			cosigned := []verify.Checkpoint{}
			var group sync.WaitGroup
			for i := range 8 {
				group.Go(func() {
					log, h, random := []*logtest.Log{left, right}[i%2], handlers[i/2%2], rand.New(rand.NewPCG(uint64(i), 1))
					old := uint64(0)
					for range 40 {
						size := min(old+uint64(random.IntN(4)), 60)
						resp := post(t, h, ask(log, old, size))
						switch said := content(t, resp); resp.StatusCode {
						case 200:
							mu.Lock()
							cosigned = append(cosigned, log.Head(size))
							mu.Unlock()
							old = size
						case 409:
							old, _ = parseSize(strings.TrimSpace(said))
						case 422:
							old = 0
						default:
							t.Errorf("status %d: %s", resp.StatusCode, said)
						}
					}
				})
			}
			group.Wait()
			onLeft, onRight := 0, 0
			for _, c := range cosigned {
				if c.Size > 3 {
					if c.Root == left.Head(c.Size).Root {
						onLeft++
					} else {
						onRight++
					}
				}
			}
			if onLeft > 0 && onRight > 0 {
				t.Errorf("%d heads of one history and %d of the other were cosigned", onLeft, onRight)
			}
			if onLeft+onRight < 5 {
				t.Errorf("only %d heads were cosigned beyond the fork: the test shows nothing", onLeft+onRight)
			}
		})
	}
}

// Every step of the database fails in turn, before and after it took effect: what was answered with a cosignature
// stands in the database, and asking again always ends well.
func TestFaultsLoseNothing(t *testing.T) {
	for _, kind := range storetest.Databases() {
		t.Run(kind.Name, func(t *testing.T) {
			var f storetest.Fault
			db := kind.Open(t, store.WithHook(f.Hook))
			log := logtest.New(t, "log.example/office").Append(60)
			h := watching(t, db, newKey(t), log).Handler()
			size, reached := uint64(0), 0
			for _, after := range []bool{false, true} {
				for n := int64(1); ; n++ {
					f.Arm(n, after)
					resp := post(t, h, ask(log, size, size+1))
					hit := f.Disarm()
					now, err := find(t.Context(), db, log.Origin)
					if err != nil {
						t.Fatal(err)
					}
					switch took := hit != nil && hit.Step == store.StepCommit && after; {
					case hit == nil && resp.StatusCode != 200:
						t.Fatalf("without a fault: status %d", resp.StatusCode)
					case hit != nil && resp.StatusCode == 200:
						t.Errorf("%s failed (after %v), and it was cosigned", hit.Step, after)
					case hit != nil && resp.StatusCode != 503:
						t.Errorf("%s failed (after %v): status %d", hit.Step, after, resp.StatusCode)
					case (now.Size == size+1) != (hit == nil || took):
						t.Errorf("%v failed (after %v): the witness has %d", hit, after, now.Size)
					}
					// The log asks again with what the witness has now.
					if resp := post(t, h, ask(log, now.Size, size+1)); resp.StatusCode != 200 {
						t.Errorf("asking again: status %d", resp.StatusCode)
					}
					size++
					if hit == nil {
						break
					}
					reached++
				}
			}
			if reached < 8 { // two reads, the update and the commit, twice
				t.Errorf("only %d steps failed: the faults do not reach every step", reached)
			}
		})
	}
}

const (
	childURL = "PLUMBLINE_WITNESS_TEST_DB"
	childKey = "PLUMBLINE_WITNESS_TEST_KEY"
)

func TestMain(m *testing.M) {
	if url := os.Getenv(childURL); url != "" {
		fmt.Fprintln(os.Stderr, serveUntilKilled(url, os.Getenv(childKey)))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func serveUntilKilled(url, keyFile string) error {
	key, err := OpenKey(keyFile)
	if err != nil {
		return err
	}
	db, err := store.Open(context.Background(), url)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	return New(db, key, nil).Serve(context.Background(), l)
}

// kill -9 in the middle of work never loses a cosignature that was given.
func TestCosignedSurvivesKill(t *testing.T) {
	url, keyFile := storetest.SQLiteURL(t), filepath.Join(t.TempDir(), "witness.key")
	key := newKey(t)
	if err := key.Save(keyFile); err != nil {
		t.Fatal(err)
	}
	log := logtest.New(t, "log.example/office").Append(5000)
	db, err := store.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	watching(t, db, key, log)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	acknowledged := uint64(0)
	for round := range 10 {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), childURL+"="+url, childKey+"="+keyFile)
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		address, err := bufio.NewReader(out).ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		old, first := acknowledged, true
		var kill *time.Timer // begins with the first cosignature of the round
		for {
			size := old + 1
			if size > log.Size() {
				t.Fatal("the log is too short for this test")
			}
			resp, err := http.Post("http://"+strings.TrimSpace(address)+"/add-checkpoint", "text/plain", bytes.NewReader(ask(log, old, size)))
			if err != nil {
				break // killed
			}
			said, err := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if err != nil {
				break
			}
			if resp.StatusCode == 409 && first { // the one that was not answered may have been cosigned
				have, err := parseSize(strings.TrimSpace(string(said)))
				if err != nil || have < acknowledged {
					t.Fatalf("round %d: %d was cosigned, and the witness has %q", round, acknowledged, said)
				}
				old, first = have, false
				continue
			}
			if resp.StatusCode != 200 {
				t.Fatalf("status %d: %s", resp.StatusCode, said)
			}
			old, acknowledged, first = size, size, false
			if kill == nil {
				kill = time.AfterFunc(time.Duration(5+rand.IntN(80))*time.Millisecond, func() { _ = child.Process.Kill() }) // it may be dead already
			}
		}
		_ = child.Wait() // it was killed
	}
	if acknowledged < 10 { // one a round, else the loop above would not have ended
		t.Errorf("only %d heads were cosigned", acknowledged)
	}
	t.Logf("%d heads cosigned over 10 kills", acknowledged)
}

// A key is read back as it was written, and never from a file that others can read, nor over another file.
func TestKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "w.key")
	k := newKey(t)
	if err := k.Save(path); err != nil {
		t.Fatal(err)
	}
	if err := k.Save(path); !errors.Is(err, os.ErrExist) {
		t.Errorf("saved over another key: %v", err)
	}
	again, err := OpenKey(path)
	if err != nil || !slices.Equal(again.Public(), k.Public()) || again.Name() != k.Name() {
		t.Errorf("read %v, %v", again, err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenKey(path); err == nil {
		t.Error("a key that everybody can read was accepted")
	}
	other := newKey(t)
	for name, text := range map[string]string{
		"nothing":             "# nothing\n",
		"a public key alone":  k.Public()[0] + "\n",
		"no public half":      k.secrets[0] + "\n",
		"another public half": k.secrets[1] + "\n" + other.vkeys[1] + "\n",
		"cut off":             k.secrets[0][:80] + "\n" + k.vkeys[0] + "\n",
	} {
		if _, err := parseKey(text); err == nil {
			t.Errorf("%s was accepted as a key", name)
		}
	}
	for _, bad := range []string{"", "a b", "a+b", strings.Repeat("w", 256), "\xff"} {
		if _, err := NewKey(bad); err == nil {
			t.Errorf("%q was accepted as a name", bad)
		}
	}
}

func FuzzRequest(f *testing.F) {
	f.Add([]byte("old 0\n\nlog.example\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n— log.example AAAAAA==\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		if r, err := ParseRequest(body); err == nil && !bytes.Equal(r.Marshal(), body) {
			t.Errorf("%q reads as %q", body, r.Marshal())
		}
	})
}
