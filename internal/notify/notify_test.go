package notify_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"io"
	"log/slog"
	"math/big"
	"mime"
	"mime/quotedprintable"
	"net"
	netmail "net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"plumbline/internal/fault"
	"plumbline/internal/journal"
	"plumbline/internal/notify"
	"plumbline/internal/pack"
	"plumbline/internal/ref"
	"plumbline/internal/store"
	"plumbline/internal/testing/world"
	"plumbline/internal/words"
)

// mailServer takes mails as a mail server of an office does: with STARTTLS, and a password.
type mailServer struct {
	t      *testing.T
	addr   string
	client *tls.Config

	mu     sync.Mutex
	refuse string // answer to RCPT instead of taking it
	noTLS  bool
	mails  []taken
}

type taken struct {
	helo, to, data string
	secure         bool
}

func newMailServer(t *testing.T) *mailServer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mail.test"}, DNSNames: []string{"mail.test"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &mailServer{t: t, addr: l.Addr().String(), client: &tls.Config{RootCAs: roots, ServerName: "mail.test", MinVersion: tls.VersionTLS12}}
	server := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}
	var open sync.WaitGroup
	open.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			open.Go(func() { s.serve(conn, server) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); open.Wait() })
	return s
}

func (s *mailServer) serve(conn net.Conn, config *tls.Config) {
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	r := bufio.NewReader(conn)
	say := func(text string) { _, _ = io.WriteString(conn, text+"\r\n") }
	var m taken
	say("220 mail.test ready")
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimSpace(line)
		verb := strings.ToUpper(line)
		s.mu.Lock()
		refuse, noTLS := s.refuse, s.noTLS
		s.mu.Unlock()
		switch {
		case strings.HasPrefix(verb, "EHLO"):
			m.helo = line[5:]
			if m.secure || noTLS {
				say("250-mail.test\r\n250 AUTH PLAIN LOGIN")
			} else {
				say("250-mail.test\r\n250 STARTTLS")
			}
		case verb == "STARTTLS":
			say("220 go ahead")
			secured := tls.Server(conn, config)
			if secured.Handshake() != nil {
				return
			}
			conn, r, m.secure = secured, bufio.NewReader(secured), true
		case strings.HasPrefix(verb, "AUTH"):
			say("235 welcome")
		case strings.HasPrefix(verb, "RCPT") && refuse != "":
			say(refuse)
		case strings.HasPrefix(verb, "RCPT"):
			m.to = strings.Trim(line[strings.IndexByte(line, ':')+1:], "<> ")
			say("250 ok")
		case verb == "DATA":
			say("354 go on")
			var b strings.Builder
			for {
				l, err := r.ReadString('\n')
				if err != nil {
					return
				}
				if l == ".\r\n" {
					break
				}
				b.WriteString(l)
			}
			m.data = b.String()
			s.mu.Lock()
			s.mails = append(s.mails, m)
			s.mu.Unlock()
			say("250 taken")
		case verb == "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

func (s *mailServer) got() []taken {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.mails
	s.mails = nil
	return out
}

func (s *mailServer) refuses(answer string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = answer
}

func (s *mailServer) mailer() *notify.Mailer {
	s.t.Helper()
	m, err := notify.NewMailer("smtp://office:pass%20word@"+s.addr, "Notices <notices@office.example>", s.client)
	if err != nil {
		s.t.Fatal(err)
	}
	return m
}

func (m taken) read(t *testing.T) (subject, text string, header netmail.Header) {
	t.Helper()
	msg, err := netmail.ReadMessage(strings.NewReader(m.data))
	if err != nil {
		t.Fatal(err)
	}
	if subject, err = new(mime.WordDecoder).DecodeHeader(msg.Header.Get("Subject")); err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(quotedprintable.NewReader(msg.Body))
	if err != nil {
		t.Fatal(err)
	}
	return subject, string(body), msg.Header
}

// desks is an office with two people on every desk.
type desks struct{ p *pack.Pack }

func (d desks) At(context.Context, *store.Tx, ref.MatterID) ([]ref.AccountID, error) {
	return []ref.AccountID{11, 12}, nil
}

func (d desks) Rules(_ context.Context, _ *store.Tx, id ref.MatterID) (*pack.Pack, *pack.Kind, error) {
	if id == 404 {
		return nil, nil, fault.New(fault.NotFound, "access.not-found", nil)
	}
	return d.p, d.p.Kind("report"), nil
}

type office struct {
	*notify.Notices
	t    *testing.T
	db   *store.DB
	mail *mailServer
	log  *bytes.Buffer
	now  time.Time
}

func newOffice(t *testing.T, db *store.DB) *office {
	t.Helper()
	p, err := pack.Bundled("generic")
	if err != nil {
		t.Fatal(err)
	}
	book, err := words.Load()
	if err != nil {
		t.Fatal(err)
	}
	o := &office{t: t, db: db, mail: newMailServer(t), log: &bytes.Buffer{}, now: time.Date(2026, 3, 3, 9, 0, 0, 0, time.UTC)}
	o.Notices = notify.New(notify.Options{DB: db, Key: []byte("key"), Book: book, Desks: desks{p}, Mailer: o.mail.mailer(), Base: "https://office.example/",
		Now: func() time.Time { return o.now }, Log: slog.New(slog.NewTextHandler(o.log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	o.address(notify.Staff, 11, "first@staff.example", "en")
	o.address(notify.Staff, 12, "second@staff.example", "zh-Hans")
	return o
}

func (o *office) tx(f func(tx *store.Tx) error) {
	o.t.Helper()
	if err := o.db.Tx(o.t.Context(), f); err != nil {
		o.t.Fatal(err)
	}
}

func (o *office) address(kind notify.Kind, who int64, address, lang string) {
	o.t.Helper()
	o.tx(func(tx *store.Tx) error { return o.SetAddress(o.t.Context(), tx, kind, who, address, lang) })
}

// happens has the follower read an entry on matter 7.
func (o *office) happens(e journal.Entry) {
	o.t.Helper()
	if e.Stream == "" {
		e.Stream = "matter/7"
	}
	if e.At.IsZero() {
		e.At = o.now
	}
	o.tx(func(tx *store.Tx) error { return o.Step(o.t.Context(), tx, []journal.Recorded{{Entry: e, Index: 1}}) })
}

// after lets time pass and sends what is due.
func (o *office) after(d time.Duration) []taken {
	o.t.Helper()
	o.now = o.now.Add(d)
	if _, _, err := o.Send(o.t.Context()); err != nil {
		o.t.Fatal(err)
	}
	return o.mail.got()
}

const marker = "zebra-marker-1357"

var (
	byReporter = journal.Actor{Duty: "reporter"}
	moved      = json.RawMessage(`[{"op":"state","to":"screened","desk":"intake","desk_body":"5"}]`)
	message    = journal.Entry{Action: "message", By: byReporter, Via: journal.ViaWeb, Fields: map[string]any{"note": marker},
		Sealed: map[string]json.RawMessage{"reporter": json.RawMessage(`"` + marker + `"`)}}
)

func TestStaffAreToldOnceAnHourUntilTheyCome(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		o := newOffice(t, db)
		o.happens(message)
		o.happens(message)
		if got := o.after(0); len(got) != 0 {
			t.Fatalf("%d mails at once: what comes together is told together", len(got))
		}
		got := o.after(notify.Soon)
		if len(got) != 2 {
			t.Fatalf("%d mails, want one for each of two people", len(got))
		}
		for _, m := range got {
			subject, text, header := m.read(t)
			if !m.secure || m.helo != "office.example" {
				t.Errorf("sent with TLS %v, as %q", m.secure, m.helo)
			}
			want := map[string]string{"first@staff.example": "There is something new", "second@staff.example": "有新的内容"}[m.to]
			if want == "" || subject != want || !strings.Contains(text, "https://office.example/staff/sign-in") {
				t.Errorf("to %s: %q, %q", m.to, subject, text)
			}
			for _, secret := range []string{marker, "R-", "matter", "report", "Office"} {
				if strings.Contains(subject+text, secret) {
					t.Errorf("the mail says %q: %s", secret, text)
				}
			}
			for _, name := range []string{"User-Agent", "X-Mailer"} {
				if header.Get(name) != "" {
					t.Errorf("the mail has %s: %s", name, header.Get(name))
				}
			}
			if strings.Contains(m.data, marker) || !strings.HasSuffix(header.Get("Message-Id"), "@office.example>") {
				t.Errorf("the mail tells more than it should:\n%s", m.data)
			}
		}
		o.happens(message)
		if got := o.after(30 * time.Minute); len(got) != 0 {
			t.Errorf("%d more mails within the hour", len(got))
		}
		if got := o.after(31 * time.Minute); len(got) != 2 {
			t.Errorf("%d mails after the hour, want 2", len(got))
		}
		// Whoever came is not told of what they have seen, and of the next thing at once.
		o.happens(message)
		o.tx(func(tx *store.Tx) error { return o.Came(t.Context(), tx, notify.Staff, 11) })
		if got := o.after(2 * time.Hour); len(got) != 1 || got[0].to != "second@staff.example" {
			t.Errorf("after one of them came: %v", got)
		}
		o.happens(message)
		if got := o.after(notify.Soon); len(got) != 1 || got[0].to != "first@staff.example" {
			t.Errorf("who came is told at once, who did not is not: %v", got)
		}
	})
}

func TestWhatIsNews(t *testing.T) {
	o := newOffice(t, world.SQLite(t))
	o.address(notify.Reporter, 7, "reporter@mail.example", "zh-Hans")
	by := journal.Actor{Account: 11, Duty: "intake", Body: 5}
	for _, tt := range []struct {
		name  string
		e     journal.Entry
		staff string // who of the staff is told
		rep   bool   // whether the reporter is
	}{
		{"a report comes in", journal.Entry{Action: "open", By: byReporter, Changes: json.RawMessage(`[{"op":"open","ref":"R-1","kind":"report","state":"received","received":"2026-03-03"}]`)}, "first second", false},
		{"the reporter writes", message, "first second", false},
		{"a colleague moves it on", journal.Entry{Action: "screen", By: by, Changes: moved}, "second", true},
		{"a question to the reporter", journal.Entry{Action: "ask", By: by, Sealed: map[string]json.RawMessage{"reporter": json.RawMessage(`"x"`)}}, "", true},
		{"a note among colleagues", journal.Entry{Action: "note", By: by, Sealed: map[string]json.RawMessage{"file": json.RawMessage(`"x"`)}}, "", false},
		{"an old entry that is read again", journal.Entry{Action: "screen", By: by, Changes: moved, At: o.now.Add(-24 * time.Hour)}, "", false},
		{"an import", journal.Entry{Action: "screen", By: by, Changes: moved, Via: journal.ViaImport}, "", false},
		{"a matter that is gone", journal.Entry{Stream: "matter/404", Action: "screen", By: by, Changes: moved}, "", false},
		{"another stream", journal.Entry{Stream: "body/7", Action: "screen", By: by}, "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o.t = t
			if !tt.e.At.IsZero() {
				tt.e.At = o.now.Add(-24 * time.Hour)
			}
			o.happens(tt.e)
			var staff []string
			rep := false
			for _, m := range append(o.after(notify.Soon), o.after(notify.Scatter)...) {
				if name, ok := strings.CutSuffix(m.to, "@staff.example"); ok {
					staff = append(staff, name)
				}
				if m.to == "reporter@mail.example" {
					rep = true
					if subject, text, _ := m.read(t); subject != "有新的内容" || strings.Contains(text, "http") || strings.Contains(text, "举报") {
						t.Errorf("the reporter is told %q: %q", subject, text)
					}
				}
			}
			if len(strings.Fields(tt.staff)) != len(staff) || !strings.Contains(strings.Join(staff, " ")+" "+strings.Join(staff, " "), tt.staff) && tt.staff != "first second" || rep != tt.rep {
				t.Errorf("told are %v, the reporter %v; want %q, %v", staff, rep, tt.staff, tt.rep)
			}
			for _, who := range []int64{11, 12} {
				o.tx(func(tx *store.Tx) error { return o.Came(t.Context(), tx, notify.Staff, who) })
			}
			o.tx(func(tx *store.Tx) error { return o.Came(t.Context(), tx, notify.Reporter, 7) })
		})
	}
}

func TestAMailServerThatIsAwayDelaysMailsAndNothingElse(t *testing.T) {
	o := newOffice(t, world.SQLite(t))
	o.mail.refuses("451 4.7.1 try again later, first@staff.example " + marker)
	o.happens(message)
	if got := o.after(notify.Soon); len(got) != 0 {
		t.Fatalf("%v", got)
	}
	if got := o.after(time.Second); len(got) != 0 {
		t.Fatalf("it is tried again without a pause: %v", got)
	}
	o.mail.refuses("")
	if got := o.after(5 * time.Minute); len(got) != 2 {
		t.Fatalf("%d mails once the server is back, want 2", len(got))
	}
	// Refused for good: not tried again, and the next news is.
	o.mail.refuses("550 5.1.1 first@staff.example unknown " + marker)
	o.happens(message)
	o.after(notify.Quiet)
	o.mail.refuses("")
	if got := o.after(24 * time.Hour); len(got) != 0 {
		t.Fatalf("%d mails that were refused were sent again", len(got))
	}
	o.happens(message)
	if got := o.after(2 * notify.Quiet); len(got) != 2 {
		t.Fatalf("%d mails of what is new since, want 2", len(got))
	}
	if log := o.log.String(); strings.Contains(log, "staff.example") || strings.Contains(log, marker) || !strings.Contains(log, "not delivered") {
		t.Errorf("the log says:\n%s", log)
	}
}

func TestWithoutTLSNothingIsSentToAnotherMachine(t *testing.T) {
	s := newMailServer(t)
	s.noTLS = true
	o := newOffice(t, world.SQLite(t))
	m, err := notify.NewMailer("smtp://mail.test:"+s.addr[strings.LastIndexByte(s.addr, ':')+1:], "a@office.example", s.client)
	if err != nil {
		t.Fatal(err)
	}
	o.Mailer = m // mail.test does not resolve; and if it did, it would not have TLS
	o.happens(message)
	o.after(time.Hour)
	if got := s.got(); len(got) != 0 {
		t.Errorf("sent in the clear: %v", got)
	}
}

func TestAddresses(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		o := newOffice(t, db)
		ctx := t.Context()
		for _, wrong := range []string{"nobody", "a@b@c", "Name <a@b.example>", "a@b.example, c@d.example", "a@b.example\r\nBcc: x@y.example", strings.Repeat("a", 250) + "@b.example"} {
			err := db.Tx(ctx, func(tx *store.Tx) error { return o.SetAddress(ctx, tx, notify.Reporter, 7, wrong, "en") })
			if !fault.Is(err, fault.Invalid) {
				t.Errorf("%.40q is taken: %v", wrong, err)
			}
		}
		o.address(notify.Reporter, 7, "zebra@mail.example", "en")
		o.address(notify.Reporter, 8, "a@b.example", "en")
		sizes := map[int]bool{}
		o.tx(func(tx *store.Tx) error {
			rows, err := tx.Query(ctx, `SELECT sealed FROM notice_address`)
			if err != nil {
				return err
			}
			all, err := store.Collect(rows, func(r *store.Rows) (b []byte, err error) { return b, r.Scan(&b) })
			for _, b := range all {
				sizes[len(b)] = true
				if bytes.Contains(b, []byte("zebra")) || bytes.Contains(b, []byte("example")) {
					t.Error("an address lies readable in the database")
				}
			}
			return err
		})
		if len(sizes) != 1 {
			t.Errorf("the sizes %v tell addresses apart", sizes)
		}
		own := func(n *notify.Notices, kind notify.Kind, who int64) (address string) {
			o.tx(func(tx *store.Tx) (err error) { address, err = n.Address(ctx, tx, kind, who); return err })
			return address
		}
		if got := own(o.Notices, notify.Reporter, 7); got != "zebra@mail.example" {
			t.Errorf("the address is %q", got)
		}
		// Moved to another row, or without the key, it opens nothing.
		o.tx(func(tx *store.Tx) error {
			_, err := tx.Exec(ctx, `UPDATE notice_address SET sealed = (SELECT x.sealed FROM notice_address x WHERE x.kind = 'reporter' AND x.who = 7) WHERE kind = 'reporter' AND who = 8`)
			return err
		})
		for who, n := range map[int64]*notify.Notices{8: o.Notices, 7: notify.New(notify.Options{DB: db, Key: []byte("another")})} {
			err := db.Read(ctx, func(tx *store.Tx) error { _, err := n.Address(ctx, tx, notify.Reporter, who); return err })
			if err == nil {
				t.Error("a sealed address opens where it does not belong")
			}
		}
		o.tx(func(tx *store.Tx) error { return o.Forget(ctx, tx, 7) })
		if got := own(o.Notices, notify.Reporter, 7); got != "" {
			t.Errorf("after the report is gone the address is %q", got)
		}
	})
}

func TestWarningsOfTimeLimits(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		o := newOffice(t, db)
		put := func(matter int64, clock, state string, due time.Duration) {
			o.tx(func(tx *store.Tx) error {
				_, err := tx.Exec(t.Context(), `INSERT INTO clock (matter, clock, state, started, due, left_us, pause_end, missed) VALUES ($1, $2, $3, 0, $4, 0, 0, 0)`, matter, clock, state, o.now.Add(due).UnixMicro())
				return err
			})
		}
		put(7, "feedback", "running", 20*24*time.Hour) // warned of two weeks before
		put(7, "acknowledge", "running", 5*24*time.Hour)
		put(8, "feedback", "paused", 2*24*time.Hour)
		put(9, "feedback", "running", -30*24*time.Hour) // long past
		clocks := func() int {
			t.Helper()
			n, err := o.Clocks(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		if n := clocks(); n != 1 {
			t.Errorf("%d limits are near or past, want the one long past", n)
		}
		if got := o.after(notify.Soon); len(got) != 0 {
			t.Errorf("somebody is told of a limit long past: %v", got)
		}
		o.now = o.now.AddDate(0, 0, 7)
		if n := clocks(); n != 2 {
			t.Errorf("a week later %d limits are near, want 2", n)
		}
		if n := clocks(); n != 0 {
			t.Errorf("%d limits are told twice", n)
		}
		if got := o.after(notify.Soon); len(got) != 2 {
			t.Errorf("%d mails, want one for each of two people", len(got))
		}
	})
}

func TestWithoutAMailServerNobodyIsTold(t *testing.T) {
	o := newOffice(t, world.SQLite(t))
	o.Mailer = nil
	o.happens(message)
	if got := o.after(24 * time.Hour); len(got) != 0 {
		t.Errorf("%d mails without a mail server", len(got))
	}
	if n, err := o.Clocks(t.Context()); n != 0 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	o.Mailer = o.mail.mailer()
	// Who left an address earlier, and has not come since, is told when there is one again.
	if got := o.after(24 * time.Hour); len(got) != 2 {
		t.Errorf("%d mails once there is a mail server, want 2", len(got))
	}
	var none *notify.Notices
	if none.On() {
		t.Error("no notices are on")
	}
}

func TestMailServersAsPeopleWriteThem(t *testing.T) {
	for server, ok := range map[string]bool{
		"smtps://u:p@mail.example": true, "smtps://mail.example:4465": true, "smtp://u:p@mail.example:587": true, "smtp://localhost:25": true,
		"": false, "mail.example": false, "http://mail.example": false, "smtp://": false, "smtp://mail.example/path": false, "smtp://mail.example:99999999": false,
	} {
		_, err := notify.NewMailer(server, "a@office.example", nil)
		if (err == nil) != ok {
			t.Errorf("%q: %v", server, err)
		}
	}
	if _, err := notify.NewMailer("smtps://mail.example", "nobody", nil); err == nil {
		t.Error("a sender without an address is taken")
	}
}
