package cli

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"plumbline/internal/store"
	"plumbline/internal/store/storetest"
)

// program is a command of this program, run as a process of its own (see TestMain).
func program(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Args[0] = "plumbline"
	return cmd
}

// succeed runs a command that must exit with 0 and returns what it printed.
func succeed(t *testing.T, args ...string) string {
	t.Helper()
	out, err := program(args...).CombinedOutput()
	if err != nil {
		t.Fatalf("plumbline %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// startServe runs "plumbline serve" and waits until it is ready.
func startServe(t *testing.T, db string) (cmd *exec.Cmd, addr string) {
	t.Helper()
	cmd = program("serve", "--db", db, "--listen", "127.0.0.1:0")
	errs, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }) // it may be dead already
	ready := regexp.MustCompile(`"msg":"ready","address":"(http://[^"]+)"`)
	var said strings.Builder
	for lines := bufio.NewScanner(errs); lines.Scan(); {
		said.WriteString(lines.Text() + "\n")
		if m := ready.FindStringSubmatch(lines.Text()); m != nil {
			go func() { _, _ = io.Copy(io.Discard, errs) }() // so that it never waits for us to read its log
			return cmd, m[1]
		}
	}
	t.Fatalf("serve was never ready:\n%s", said.String())
	return nil, ""
}

var reference = regexp.MustCompile(`\bR-[0-9A-Z]{5}-[0-9A-Z]{5}\b`)

// fileReport sends a report the way a browser does from the last page of the form, and returns the reference it was told.
func fileReport(addr, story string) (string, error) {
	resp, err := http.PostForm(addr+"/report/report", url.Values{"_to": {"send"}, "_at": {"check"}, "body": {"office"}, "story": {story}})
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", err
	}
	ref := reference.FindString(string(page))
	if resp.StatusCode != http.StatusOK || ref == "" {
		return "", fmt.Errorf("status %d and no reference", resp.StatusCode)
	}
	return ref, nil
}

// A report that was acknowledged is there, whatever happens to the program a moment later: it is killed under load, again
// and again, and afterwards every reference that anybody was told exists, and everything agrees with the record.
func TestAcknowledgedReportsSurviveKilling(t *testing.T) {
	for _, kind := range storetest.Databases() {
		t.Run(kind.Name, func(t *testing.T) {
			db := kind.URL(t)
			t.Setenv("PLUMBLINE_LOG_KEY", filepath.Join(t.TempDir(), "log.key"))
			t.Setenv("PLUMBLINE_OFFICE_KEY", filepath.Join(t.TempDir(), "office.key"))
			succeed(t, "init", "--db", db, "--pack", "generic", "--admin", "admin")
			told := map[string]bool{}
			for round := range 3 {
				cmd, addr := startServe(t, db)
				for ref := range killUnderLoad(t, cmd, addr, round) {
					told[ref] = true
				}
			}
			if len(told) < 60 {
				t.Fatalf("only %d reports were acknowledged; the test proves nothing", len(told))
			}
			missing := 0
			opened, err := store.Open(t.Context(), db)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = opened.Close() }()
			err = opened.Read(t.Context(), func(tx *store.Tx) error {
				for ref := range told {
					var n int
					if err := tx.QueryRow(t.Context(), `SELECT count(*) FROM matter WHERE ref = $1`, ref).Scan(&n); err != nil {
						return err
					}
					missing += 1 - n
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if missing > 0 {
				t.Errorf("%d of %d acknowledged reports are lost", missing, len(told))
			}
			if out := succeed(t, "verify", "--db", db); !strings.Contains(out, "Everything agrees") {
				t.Errorf("verify: %s", out)
			}
		})
	}
}

// killUnderLoad files reports from several sides until enough were acknowledged, kills the program without warning, and
// returns the references that were told.
func killUnderLoad(t *testing.T, cmd *exec.Cmd, addr string, round int) map[string]bool {
	t.Helper()
	var mu sync.Mutex
	told := map[string]bool{}
	enough := make(chan struct{})
	var once sync.Once
	var wg sync.WaitGroup
	for writer := range 6 {
		wg.Go(func() {
			for n := 0; ; n++ {
				ref, err := fileReport(addr, fmt.Sprintf("Round %d, writer %d, report %d.", round, writer, n))
				if err != nil {
					once.Do(func() { close(enough) }) // dead, or refusing: either way it is over
					return
				}
				mu.Lock()
				told[ref] = true
				if len(told) >= 40 {
					once.Do(func() { close(enough) })
				}
				mu.Unlock()
			}
		})
	}
	select {
	case <-enough:
	case <-time.After(time.Minute):
		t.Error("forty reports took more than a minute")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	wg.Wait()
	_ = cmd.Wait() // killed
	return told
}

// SIGTERM and SIGINT stop serve gracefully: it says so and exits with 0.
func TestServeStopsGracefully(t *testing.T) {
	db := storetest.SQLiteURL(t)
	succeed(t, "init", "--db", db, "--pack", "generic", "--admin", "admin")
	cmd, addr := startServe(t, db)
	if _, err := fileReport(addr, "A report before the end."); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("serve ended with %v, want exit code 0", err)
		}
	case <-time.After(30 * time.Second):
		t.Error("serve did not stop")
	}
	if _, err := http.Get(addr); err == nil {
		t.Error("it still answers")
	}
}

// The demo runs without a question and ends its output with one line that says where it is.
func TestDemoIsReady(t *testing.T) {
	dir := t.TempDir()
	for _, run := range []string{"made", "kept"} {
		cmd := program("demo", "--listen", "127.0.0.1:0", "--dir", dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
		var said []string
		for lines := bufio.NewScanner(out); lines.Scan(); {
			said = append(said, lines.Text())
			if strings.HasPrefix(lines.Text(), "Ready: ") {
				break
			}
		}
		text := strings.Join(said, "\n")
		if len(said) == 0 || !strings.HasPrefix(said[len(said)-1], "Ready: http://127.0.0.1:") {
			t.Fatalf("%s: no ready line in\n%s", run, text)
		}
		for _, role := range []string{"intake", "investigator", "reviewer", "decider", "supervisor", "admin"} {
			if !regexp.MustCompile(`(?m)^  ` + role + ` `).MatchString(text) {
				t.Errorf("%s: no sign-in for %s", run, role)
			}
		}
		if kept := strings.Contains(text, "were kept"); kept != (run == "kept") {
			t.Errorf("%s: it says\n%s", run, text)
		}
		addr := strings.TrimPrefix(said[len(said)-1], "Ready: ")
		resp, err := http.Get(addr + "/")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s: the home page answers %d", run, resp.StatusCode)
		}
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, out)
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s: demo ended with %v", run, err)
		}
	}
}
