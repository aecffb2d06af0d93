package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"plumbline/internal/store/storetest"
	"plumbline/verify"
)

// outside is an office with a witness and a monitor, each a process of its own. People reach the office at one address,
// whichever server stands behind it.
type outside struct {
	dir    string
	front  *httptest.Server
	behind atomic.Pointer[url.URL]
}

// serve runs the office over a database with a key, until stop is called.
func (o *outside) serve(t *testing.T, db, key, policy string) (stop func()) {
	t.Helper()
	t.Setenv("PLUMBLINE_LOG_KEY", key)
	t.Setenv("PLUMBLINE_WITNESS_POLICY", policy)
	cmd, addr := startServe(t, db)
	u, err := url.Parse(addr)
	if err != nil {
		t.Fatal(err)
	}
	o.behind.Store(u)
	return func() {
		t.Helper()
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // startServe's cleanup waits as well
	}
}

// size is how many entries the office publishes, 0 if it publishes no head.
func (o *outside) size(t *testing.T) uint64 {
	t.Helper()
	resp, err := http.Get(o.front.URL + "/log/checkpoint")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	signed, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	c, _, err := verify.ReadCheckpoint(signed)
	if err != nil {
		return 0
	}
	return c.Size
}

// direct asks the server of the office as a program on its machine does.
func (o *outside) direct(t *testing.T, path string) string {
	t.Helper()
	resp, err := http.Get(o.behind.Load().String() + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(said)
}

// beyond waits until the office publishes more than so many entries.
func (o *outside) beyond(t *testing.T, size uint64) uint64 {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if now := o.size(t); now > size {
			return now
		}
	}
	t.Fatalf("the office publishes no more than %d entries", size)
	return 0
}

// settled waits until the office has published all that it recorded, and that it is more than so many entries. One step of a
// person can be several entries.
func (o *outside) settled(t *testing.T, db, key string, size uint64) uint64 {
	t.Helper()
	var st logStatus
	for end := time.Now().Add(40 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		out, _ := program("log", "status", "--db", db, "--log-key", key, "--json").Output() // it fails while something is held up
		st = logStatus{}
		if err := json.Unmarshal(out, &st); err == nil && st.Waiting == nil && st.Published > size && uint64(st.Entries) == st.Published && o.size(t) == st.Published {
			return st.Published
		}
	}
	t.Fatalf("the office does not publish all that it recorded, beyond %d entries: %+v", size, st)
	return 0
}

// monitor looks at the office once, wants an exit code, and returns what is said.
func (o *outside) monitor(t *testing.T, code int, args ...string) string {
	t.Helper()
	cmd := program(append([]string{"monitor", o.front.URL, "--once", "--confirm", "10ms", "--state", filepath.Join(o.dir, "history"),
		"--key", "@" + filepath.Join(o.dir, "log.keys"), "--witness-policy="}, args...)...)
	out, _ := cmd.CombinedOutput() // its exit code is looked at
	if got := cmd.ProcessState.ExitCode(); got != code {
		t.Fatalf("the monitor ends with %d, want %d:\n%s", got, code, out)
	}
	return string(out)
}

func (o *outside) report(t *testing.T, n int) {
	t.Helper()
	for i := range n {
		if _, err := fileReport(o.behind.Load().String(), fmt.Sprintf("Something happened %d times.", i)); err != nil {
			t.Fatal(err)
		}
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	content, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func has(t *testing.T, what, said string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(said, want) {
			t.Errorf("%s does not say %q:\n%s", what, want, said)
		}
	}
}

// An office is followed by a witness and a monitor through growth and a change of its key. Then its database is rolled back to
// a backup that was made with the key, so that nothing inside can tell; and then a second history grows from there.
func TestOutsidersFindRollbackAndFork(t *testing.T) {
	for _, kind := range storetest.Databases() {
		t.Run(kind.Name, func(t *testing.T) {
			o := &outside{dir: t.TempDir()}
			o.front = httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(o.behind.Load()) }})
			defer o.front.Close()
			in := func(name string) string { return filepath.Join(o.dir, name) }
			put := func(name, text string) {
				t.Helper()
				if err := os.WriteFile(in(name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			db := kind.URL(t)
			const origin = "complaints.example/log"
			t.Setenv("PLUMBLINE_OFFICE_KEY", in("office.key"))
			succeed(t, "init", "--db", db, "--pack", "generic", "--admin", "admin", "--origin", origin, "--log-key", in("log.key"))
			put("log.keys", succeed(t, "log", "key", "show", "--db", db))

			watchDB := kind.URL(t)
			succeed(t, "witness", "key", "new", "press.example/w", "--key", in("w.key"))
			succeed(t, "witness", "add", origin, "@"+in("log.keys"), "--db", watchDB)
			watch := startWitness(t, watchDB, in("w.key"), in("w.log"))
			vkey, _, _ := strings.Cut(succeed(t, "witness", "key", "show", "--key", in("w.key")), "\n")
			put("policy", "witness press "+vkey+" "+watch+"\nquorum press\n")
			cosigned := func() string { return succeed(t, "witness", "list", "--db", watchDB, "--json") }

			stop := o.serve(t, db, in("log.key"), in("policy"))
			size := o.beyond(t, 0)
			has(t, "the monitor", o.monitor(t, 0, "--witness-policy", in("policy")), "first look", "cosigned by press")
			stop()
			backup := storetest.Copy(t, db)
			copyFile(t, in("log.key"), in("backup.key"))
			copyFile(t, in("log.key.head"), in("backup.key.head"))

			stop = o.serve(t, db, in("log.key"), in("policy"))
			o.report(t, 3)
			size = o.settled(t, db, in("log.key"), size)
			has(t, "the monitor", o.monitor(t, 0, "--witness-policy", in("policy")), "continues all that was seen", "cosigned by press")

			succeed(t, "log", "key", "rotate", "--db", db, "--log-key", in("log.key"))
			put("new.keys", succeed(t, "log", "key", "show", "--db", db))
			_ = program("witness", "add", origin, "@"+in("new.keys"), "--db", watchDB).Run() // some of them it has already
			size = o.settled(t, db, in("log.key"), size)
			succeed(t, "log", "key", "retire", "--db", db, "--log-key", in("log.key"))
			size = o.settled(t, db, in("log.key"), size)
			has(t, "the monitor", o.monitor(t, 0), "handed over to a new key")
			has(t, "the monitor", o.monitor(t, 0), "unchanged")
			o.report(t, 2)
			size = o.settled(t, db, in("log.key"), size)
			has(t, "the monitor", o.monitor(t, 0, "--witness-policy", in("policy")), "cosigned by press")
			stop()
			has(t, "the witness", cosigned(), fmt.Sprintf(`"size": %d`, size))

			// Back to the backup, with the key as it was then, and no witness asked.
			stop = o.serve(t, backup, in("backup.key"), "")
			o.beyond(t, 0)
			has(t, "the monitor", o.monitor(t, 1), "WRONG (rollback)", fmt.Sprintf("%d were seen before", size), "->", "evidence-rollback")
			// It goes on from there, and gets longer than the true one.
			o.report(t, int(size))
			o.beyond(t, size)
			has(t, "the monitor", o.monitor(t, 1), "WRONG (fork)", "does not begin with", "->", "evidence-fork")
			has(t, "the monitor", o.monitor(t, 1, "--json"), `"kind":"fork"`)
			stop()

			// With the witness asked, the fork is never published at all.
			published := storetest.Copy(t, backup)
			stop = o.serve(t, published, in("backup.key"), in("policy"))
			before := o.size(t)
			o.report(t, 1)
			for end := time.Now().Add(20 * time.Second); !strings.Contains(o.direct(t, "/healthz"), `"outcome":"forked"`); time.Sleep(50 * time.Millisecond) {
				if time.Now().After(end) {
					t.Fatalf("the server does not know that its witness refuses:\n%s", o.direct(t, "/healthz"))
				}
			}
			noticed, err := os.ReadFile(in("w.log"))
			if err != nil {
				t.Fatal(err)
			}
			has(t, "the log of the witness", string(noticed), "does not continue what was cosigned", origin)
			has(t, "/metrics", o.direct(t, "/metrics"), `plumbline_witness_failing_seconds{witness="press"}`)
			if now := o.size(t); now != before {
				t.Errorf("%d entries were published though the witness refused (before: %d)", now, before)
			}
			stop()
			has(t, "the witness", cosigned(), fmt.Sprintf(`"size": %d`, size))
		})
	}
}

// startWitness runs "plumbline witness serve" and returns its address; what it logs goes to a file.
func startWitness(t *testing.T, db, key, logFile string) string {
	t.Helper()
	f, err := os.Create(logFile)
	if err != nil {
		t.Fatal(err)
	}
	cmd := program("witness", "serve", "--db", db, "--key", key, "--listen", "127.0.0.1:0")
	cmd.Stderr = f
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { end(t, cmd); _ = f.Close() })
	for until := time.Now().Add(20 * time.Second); time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
		said, err := os.ReadFile(logFile)
		if err != nil {
			t.Fatal(err)
		}
		if _, rest, ok := strings.Cut(string(said), `"address":"`); ok {
			addr, _, _ := strings.Cut(rest, `"`)
			return addr
		}
	}
	t.Fatal("the witness was never ready")
	return ""
}

// end stops a process gracefully and wants it to end well.
func end(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%s: %v", cmd.Args, err)
	}
}
