package markers

import (
	"bufio"
	"database/sql"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"plumbline/internal/cli"
	"plumbline/internal/ref"
	"plumbline/internal/testing/journey"
)

// asProgram makes the test binary the program itself, so that the server under test is a process of its own.
const asProgram = "PLUMBLINE_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// An office whose server is a process with folders of its own: everything it leaves on disk lies in one of them.
type office struct {
	t    *testing.T
	dir  string
	data string // what it keeps
	db   string
	mail *mailServer
	runs int

	cmd   *exec.Cmd
	ended chan struct{} // closed when the server has ended
	end   error         // how it did
	*journey.Office
}

// people are those who work here, by their duty.
var people = map[string]string{
	"intake officer": "intake@office", "investigator": "investigator@office", "reviewer": "reviewer@office",
	"supervisor": "supervisor@office", "custodian": "custodian@office", "second intake officer": "intake@region",
}

func newOffice(t *testing.T, db func(data string) string, clear func(what string) string) *office {
	t.Helper()
	o := &office{t: t, dir: t.TempDir(), mail: newMailServer(t), Office: &journey.Office{T: t, Account: nil}}
	// The folder's own name is in the clear, and the log names it: so it is known that the log is searched.
	o.data = filepath.Join(o.dir, clear("folder"))
	for _, d := range []string{o.data, o.in("tmp"), o.in("work")} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	o.db = db(o.data)
	o.run(journey.Password, "init", "--pack", "generic", "--admin", "admin", "--code", "region", "--level", "regional", "--sector", "oversight", "--password-stdin", "--office", "Office "+clear("office"))
	o.run("", "body", "add", "office", "--parent", "region", "--level", "local", "--sector", "oversight", "--name", "Town Office")
	o.run("", "body", "add", clear("body"), "--parent", "office", "--level", "local", "--sector", "police", "--name", "Town Police")
	o.run("", "official", "add", "Rolf "+clear("official"), "--body", clear("body"), "--title", "Constable", "--rank", "staff")
	o.Account = map[string]ref.AccountID{"admin": 0}
	for name, grant := range people {
		o.run(journey.Password, "account", "add", journey.Login(name), "--name", name+" "+clear("colleague"), "--grant", grant, "--password-stdin", "--keep-password")
		o.Account[name] = 0
	}
	return o
}

func (o *office) in(name string) string { return filepath.Join(o.dir, name) }

// program is a command of this program in the office's folders.
func (o *office) program(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Dir = o.in("work")
	cmd.Env = append(os.Environ(), asProgram+"=yes", "TMPDIR="+o.in("tmp"), "HOME="+o.in("work"), "PLUMBLINE_DB="+o.db,
		"PLUMBLINE_LOG_KEY="+filepath.Join(o.data, "log.key"), "PLUMBLINE_OFFICE_KEY="+filepath.Join(o.data, "office.key"), "PLUMBLINE_LOG_LEVEL=debug")
	return cmd
}

func (o *office) run(stdin string, args ...string) string {
	o.t.Helper()
	cmd := o.program(args...)
	cmd.Stdin = strings.NewReader(stdin + "\n")
	out, err := cmd.CombinedOutput()
	if err != nil {
		o.t.Fatalf("plumbline %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// serve starts the server; what it says goes to a file.
func (o *office) serve(mailFrom string) {
	o.t.Helper()
	o.runs++
	name := o.in(fmt.Sprintf("log-%d", o.runs))
	log, err := os.Create(name)
	if err != nil {
		o.t.Fatal(err)
	}
	o.cmd = o.program("serve", "--listen", "127.0.0.1:0", "--log-level", "debug", "--smtp", "smtp://"+o.mail.addr, "--mail-from", mailFrom, "--blind-filings=-1")
	o.cmd.Stderr, o.cmd.Stdout = log, log
	if err := o.cmd.Start(); err != nil {
		o.t.Fatal(err)
	}
	_ = log.Close() // the process has its own
	o.ended = make(chan struct{})
	go func(cmd *exec.Cmd, ended chan struct{}) { o.end = cmd.Wait(); close(ended) }(o.cmd, o.ended)
	o.t.Cleanup(func() { _ = o.cmd.Process.Kill(); <-o.ended })
	ready := regexp.MustCompile(`"msg":"ready","address":"(http://[^"]+)"`)
	for end := time.Now().Add(60 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		said, err := os.ReadFile(name)
		if err != nil {
			o.t.Fatal(err)
		}
		if m := ready.FindSubmatch(said); m != nil {
			o.URL = string(m[1])
			return
		}
		select {
		case <-o.ended:
			o.t.Fatalf("serve ended before it was ready:\n%s", said)
		default:
		}
	}
	said, _ := os.ReadFile(name)
	o.t.Fatalf("serve was never ready:\n%s", said)
}

// stop ends the server, gracefully or without warning.
func (o *office) stop(s syscall.Signal) {
	o.t.Helper()
	if err := o.cmd.Process.Signal(s); err != nil {
		o.t.Fatal(err)
	}
	<-o.ended
	if o.end != nil && s != syscall.SIGKILL {
		o.t.Errorf("serve ended with %v", o.end)
	}
}

// as is a person of the office in a browser, and the cookies they hold are secrets.
func (o *office) as(w *world, name string) *journey.Visitor {
	o.t.Helper()
	v := o.As(name)
	w.hold("the session of "+name, v)
	return v
}

func (o *office) get(path string) string {
	o.t.Helper()
	res, err := http.Get(o.URL + path)
	if err != nil {
		o.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		o.t.Fatal(err)
	}
	return string(text)
}

// send sends a request as a program does, with headers of its own, and wants any answer but a failure of the machine.
func (o *office) send(method, path string, form url.Values, header map[string]string) {
	o.t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(o.t.Context(), method, o.URL+path, body)
	if err != nil {
		o.t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for k, v := range header {
		r.Header.Set(k, v)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		o.t.Fatal(err)
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	if res.StatusCode >= 500 && res.StatusCode != http.StatusServiceUnavailable {
		o.t.Errorf("%s %s answers %d", method, path, res.StatusCode)
	}
}

// mailServer takes every mail.
type mailServer struct {
	addr string

	mu    sync.Mutex
	mails []string // as they came, envelope and all
}

func newMailServer(t *testing.T) *mailServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &mailServer{addr: l.Addr().String()}
	var open sync.WaitGroup
	open.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			open.Go(func() { s.talk(conn) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); open.Wait() })
	return s
}

func (s *mailServer) talk(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	said := textproto.NewReader(bufio.NewReader(conn))
	answer := func(line string) { fmt.Fprintf(conn, "%s\r\n", line) }
	answer("220 mail.test")
	envelope := ""
	for {
		line, err := said.ReadLine()
		if err != nil {
			return
		}
		switch word := strings.ToUpper(line); {
		case strings.HasPrefix(word, "QUIT"):
			answer("221 bye")
			return
		case strings.HasPrefix(word, "DATA"):
			answer("354 go on")
			text, err := said.ReadDotBytes()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.mails = append(s.mails, envelope+string(text))
			s.mu.Unlock()
			envelope = ""
			answer("250 taken")
		default:
			envelope += line + "\r\n"
			answer("250 mail.test")
		}
	}
}

func (s *mailServer) all() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.mails...)
}

// checkpoint makes PostgreSQL write what it holds in memory to its files.
func checkpoint(t *testing.T, at string) {
	t.Helper()
	db, err := sql.Open("pgx", at)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }() // nothing was left open
	if _, err := db.ExecContext(t.Context(), `CHECKPOINT`); err != nil {
		t.Fatal(err)
	}
}
