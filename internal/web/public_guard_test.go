package web

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"plumbline/internal/access"
	"plumbline/internal/account"
	"plumbline/internal/intake"
	"plumbline/internal/journal"
	"plumbline/internal/notify"
	"plumbline/internal/ref"
	"plumbline/internal/server"
	"plumbline/internal/store"
	"plumbline/internal/testing/world"
	"plumbline/internal/web/view"
	"plumbline/internal/words"
)

// usual are answers that make a whole report, whatever order it is asked in.
var usual = map[string]string{"conduct": "excessive-force", "body": "city-police", "relation": "witness", "happened_on-month": "2", "happened_on-year": "2026",
	"story": "The officer at the gate of the station hit my brother with a stick although he had done nothing, and then he asked for money."}

// walk goes through the form as somebody does who answers what they can and leaves the rest open, up to the page where
// one checks one's answers. pause lets time pass on each page.
func (p *person) walk(answers map[string]string, pause func()) *person {
	p.t.Helper()
	p.visit("/report/report").is(200)
	for range 40 {
		f := p.forms()["answers"]
		if f == nil {
			p.t.Fatalf("no form on %s: %s", p.path, p.text())
		}
		has := func(value string) bool {
			return slices.ContainsFunc(f.buttons, func(b htmlButton) bool { return b.value == value })
		}
		if has("send") {
			return p
		}
		given := map[string]string{}
		for name, v := range answers {
			if strings.Contains(p.page, ` name="`+name+`"`) {
				given[name] = v
			}
		}
		if pause != nil {
			pause()
		}
		if len(given) == 0 && has("skip") {
			p.press("answers", "skip", nil)
		} else {
			p.next(given)
		}
		p.is(200)
	}
	p.t.Fatalf("the form does not end: %s", p.text())
	return p
}

// telling is the usual report with another story.
func telling(story string) map[string]string {
	out := map[string]string{}
	for k, v := range usual {
		out[k] = v
	}
	out["story"] = story
	return out
}

func (p *person) sent() *person {
	p.t.Helper()
	return p.press("answers", "send", nil).is(200)
}

// with changes the server before anybody comes.
func (w *publicWorld) with(change func(s *Server)) *publicWorld {
	w.t.Helper()
	change(w.s)
	w.srv.Close()
	w.srv = httptest.NewServer(w.s.handler())
	w.t.Cleanup(w.srv.Close)
	return w
}

func TestOverloadKeepsTheReport(t *testing.T) {
	w := publicSQLite(t).with(func(s *Server) {
		s.gate = intake.NewGate(intake.Limits{AtOnce: 1, Waiting: 1, Patience: 10 * time.Millisecond}, time.Now)
	})
	leave, err := w.s.gate.Enter(t.Context(), intake.Worked, "192.0.2.1:1")
	if err != nil {
		t.Fatal(err)
	}
	p := w.person("en").walk(usual, nil)
	p.press("answers", "send", nil).is(http.StatusServiceUnavailable).reads("Nothing you wrote is lost", "hit my brother with a stick")
	if w.reports() != 0 {
		t.Error("a report that could not be taken was recorded")
	}
	if strings.Contains(w.log.String(), "was not recorded") {
		t.Error("overload is logged as a failure of the machine")
	}
	w.person("zh-Hans").walk(usual, nil).press("answers", "send", nil).is(http.StatusServiceUnavailable).reads("没有丢失")
	leave()
	p.sent().reads("Your report is recorded")
	if w.reports() != 1 {
		t.Errorf("%d reports", w.reports())
	}
}

// Behind the pace of filings that did not come through the form, an honest one still has everything on its page, and goes
// through once it came at the speed of a person.
func TestAReportBehindThePaceIsKept(t *testing.T) {
	now := time.Now()
	w := publicSQLite(t).with(func(s *Server) {
		s.gate = intake.NewGate(intake.Limits{Pace: 1}, time.Now)
		s.walks = intake.NewWalks([]byte("key"), func() time.Time { return now })
	})
	w.person("en").walk(usual, nil).sent()
	p := w.person("en").walk(telling("Somebody who pastes a story that was written before, and presses the button at once, within a second or two."), nil)
	p.press("answers", "send", nil).is(http.StatusServiceUnavailable).reads("Please press again")
	again := *p
	again.press("answers", "look", nil).is(200).reads("pastes a story")
	now = now.Add(time.Minute)
	p.sent().reads("Your report is recorded")
	if n := w.reports(); n != 2 {
		t.Errorf("%d reports", n)
	}
	w.person("en").walk(telling("Somebody else took their time, and is not held up by those who do not."), func() { now = now.Add(5 * time.Second) }).sent()
}

func TestOverloadSaysWhenToComeBack(t *testing.T) {
	rec := httptest.NewRecorder()
	if !busy(rec, fmt.Errorf("wrapped: %w", intake.ErrBusy)) || rec.Header().Get("Retry-After") != "20" {
		t.Errorf("the header is %v", rec.Header())
	}
	if busy(rec, io.EOF) {
		t.Error("every failure is called overload")
	}
}

func (w *publicWorld) marks() (out []string) {
	w.t.Helper()
	err := w.db.Read(w.t.Context(), func(tx *store.Tx) error {
		rows, err := tx.Query(w.t.Context(), `SELECT marks FROM filing ORDER BY matter`)
		if err != nil {
			return err
		}
		out, err = store.Collect(rows, func(r *store.Rows) (s string, err error) { return s, r.Scan(&s) })
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

// What looks like the work of a machine is marked and taken like any other report: nothing an honest person sent may be lost.
func TestReportsAreMarkedAndTaken(t *testing.T) {
	now := time.Now()
	w := publicSQLite(t)
	w.with(func(s *Server) { s.walks = intake.NewWalks([]byte("key"), func() time.Time { return now }) })
	slow := func() { now = now.Add(5 * time.Second) }
	w.person("en").walk(usual, slow).sent()
	if got := w.marks(); len(got) != 0 {
		t.Fatalf("somebody who took their time is marked %v", got)
	}
	w.person("en").walk(telling("A second story that is told by a program which knows the form well enough to run through it."), nil).sent()
	p := w.person("en").walk(telling("A third story, written by a program that fills in each and every field that it finds on a page."), slow)
	p.press("answers", "send", map[string]string{ctlTrap: "https://spam.example"}).is(200)
	q := w.person("en").walk(telling("A fourth story, from a program that takes one walk and sends many different reports with it."), slow)
	again := *q
	q.sent()
	again.press("answers", "change:story", nil).next(map[string]string{"story": "A fifth story under the same walk, in which quite different words are used than in the fourth one."})
	again.press("answers", "send", nil).is(200)
	if got := w.marks(); !slices.Equal(got, []string{"quick", "trap", "again"}) {
		t.Errorf("marks %v", got)
	}
	if w.reports() != 5 {
		t.Errorf("%d reports recorded, want all 5", w.reports())
	}
}

// Where scripts run, the small task is on every page of the form, and its solution stays with it.
func TestTheTaskStaysWithTheForm(t *testing.T) {
	w := publicSQLite(t)
	p := w.person("en").visit("/report/report")
	f := p.forms()["answers"].values
	task := f.Get(ctlTask)
	if task == "" || f.Get(ctlWalk) == "" {
		t.Fatalf("the form begins without the fields of the guard: %v", f)
	}
	p.next(map[string]string{ctlWork: intake.Work(task)})
	f = p.forms()["answers"].values
	if f.Get(ctlTask) != task || !intake.Works(task, f.Get(ctlWork)) {
		t.Errorf("the solution is lost: %v", f)
	}
	p.next(map[string]string{ctlWork: "1"})
	if got := p.forms()["answers"].values.Get(ctlWork); got != "" {
		t.Errorf("a wrong solution is carried along: %q", got)
	}
}

// A filing leaves nothing of the network: not in the database's files, the log, or the metrics.
func TestAFilingLeavesNoTraceOfItsSender(t *testing.T) {
	dir := t.TempDir()
	db := world.Open(t, "sqlite:"+filepath.Join(dir, "plumbline.db"))
	w := newPublicWorld(t, db)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	handler := w.s.handler()
	route := handler.(interface{ Route(*http.Request) string }).Route
	log := slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	go func() {
		ended <- server.Run(ctx, server.Config{DB: db, Handler: handler, Route: route, Log: log, Listen: l, Version: "test"})
	}()
	w.srv.URL = "http://" + l.Addr().String()

	const agent, forwarded, referer, address, city = "ZebraBrowser/77", "203.0.113.77", "https://zebra-referer.example/secret", "127.77.88.99", "zebra-city"
	p := w.person("en")
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	p.client.Transport = marked77{&http.Transport{DialContext: dialer.DialContext}, http.Header{
		"User-Agent": {agent}, "X-Forwarded-For": {forwarded}, "Forwarded": {"for=" + forwarded}, "X-Real-Ip": {forwarded}, "Referer": {referer}, "Cf-Ipcountry": {city}}}
	p.walk(usual, nil).sent()
	code, _ := p.receipt()
	p.post("/follow", url.Values{"code": {code}}).is(200)
	p.post("/follow", url.Values{"code": {ref.NewReceiptCode().Groups()[0]}}).is(422)
	p.visit("/nowhere").is(404)
	metrics, err := http.Get(w.srv.URL + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	counted, err := io.ReadAll(metrics.Body)
	_ = metrics.Body.Close()
	if err != nil || metrics.StatusCode != 200 || !bytes.Contains(counted, []byte("plumbline_http_requests_total")) {
		t.Fatalf("metrics: %d %v", metrics.StatusCode, err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	search := func(where string, content []byte) {
		for _, secret := range []string{agent, forwarded, "zebra-referer", address, city, "127.77.", "\x7f\x4d\x58\x63"} {
			if bytes.Contains(content, []byte(secret)) {
				t.Errorf("%s holds %q", where, secret)
			}
		}
	}
	search("the metrics", counted)
	search("the log", []byte(w.log.String()))
	files := 0
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		files++
		search(path, content)
		return err
	})
	if err != nil || files == 0 {
		t.Fatalf("%d files: %v", files, err)
	}
	if !strings.Contains(w.log.String(), "POST /report/{kind}") {
		t.Error("the log does not show that anything happened: the search proves nothing")
	}
}

// marked77 sends headers that are easy to find again.
type marked77 struct {
	http.RoundTripper
	header http.Header
}

func (m marked77) RoundTrip(r *http.Request) (*http.Response, error) {
	for k, v := range m.header {
		r.Header[k] = v
	}
	return m.RoundTripper.RoundTrip(r)
}

// raw sends a request as it is and returns how many bytes came back, and the answer.
func (w *publicWorld) raw(method, path, host string, form url.Values, cookies ...*http.Cookie) (size int, status string, answer string) {
	w.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.srv.URL, "http://"))
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\nSec-Fetch-Site: same-origin\r\n", method, path, host)
	for _, c := range cookies {
		fmt.Fprintf(&b, "Cookie: %s=%s\r\n", c.Name, c.Value)
	}
	if form != nil {
		fmt.Fprintf(&b, "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n", len(form.Encode()))
	}
	b.WriteString("\r\n" + form.Encode())
	if _, err := io.WriteString(conn, b.String()); err != nil {
		w.t.Fatal(err)
	}
	all, err := io.ReadAll(conn)
	if err != nil {
		w.t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(all), "\r\n")
	return len(all), line, string(all)
}

// Whoever counts bytes on the wire cannot tell these apart.
func TestSizesTellNothing(t *testing.T) {
	w := publicSQLite(t)
	p := w.person("en").walk(usual, nil)
	form := p.forms()["answers"].values
	p.sent()
	code, _ := p.receipt()
	err := w.db.Tx(t.Context(), func(tx *store.Tx) error {
		_, err := w.s.Accounts.Create(t.Context(), tx, account.System(journal.ViaCLI), account.CreateCmd{Login: "anna", Name: "Anna", Lang: "en"})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	sizes := map[int][]string{}
	measure := func(name, method, path string, form url.Values) {
		size, status, _ := w.raw(method, path, "office.example", form)
		sizes[size] = append(sizes[size], name+": "+status)
	}
	// What is written out at length for everybody alike, such as /how, may be larger: that somebody reads it says little.
	for _, path := range []string{"/", "/report", "/report/report", "/follow", "/about", "/privacy", "/accessibility", "/staff/sign-in", "/nowhere", "/staff"} {
		measure("GET "+path, "GET", path, nil)
	}
	measure("a right code", "POST", "/follow", url.Values{"code": {code}})
	measure("a wrong code", "POST", "/follow", url.Values{"code": {string(ref.NewReceiptCode())}})
	measure("a mistyped code", "POST", "/follow", url.Values{"code": {"abc"}})
	measure("a wrong password", "POST", "/staff/sign-in", url.Values{"login": {"anna"}, "password": {"wrong"}})
	measure("nobody's password", "POST", "/staff/sign-in", url.Values{"login": {"nobody"}, "password": {"wrong"}})
	sending := url.Values{}
	for k, v := range form {
		sending[k] = v
	}
	sending.Set(ctlTo, "send")
	measure("the receipt", "POST", "/report/report", sending)
	measure("leaving", "POST", "/follow/leave", url.Values{})
	if len(sizes) != 1 {
		for size, names := range sizes {
			t.Logf("%d bytes: %s", size, strings.Join(names, "; "))
		}
		t.Errorf("answers have %d sizes, want one", len(sizes))
	}
}

func TestPaddingLeavesAnswersAsTheyAre(t *testing.T) {
	for _, tt := range []struct {
		name, kind string
		status     int
		body       string
		padded     bool
	}{
		{"a page", "text/html; charset=utf-8", 200, "<p>short</p>", true},
		{"a large page", "text/html; charset=utf-8", 200, strings.Repeat("x", 40_000), true},
		{"a page exactly at the edge", "text/html; charset=utf-8", 200, strings.Repeat("x", smallestPage-60), true},
		{"a redirection", "", 303, "", true},
		{"a file", "text/plain; charset=utf-8", 200, "as it is", false},
		{"nothing", "", 204, "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := padded(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if tt.kind != "" {
					w.Header().Set("Content-Type", tt.kind)
				}
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, tt.body)
			}))
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, httptest.NewRequest("GET", "/", nil))
			got := rec.Body.String()
			if rec.Code != tt.status || !strings.HasPrefix(got, tt.body) {
				t.Errorf("status %d, body %.40q", rec.Code, got)
			}
			if rest := strings.TrimPrefix(got, tt.body); (rest != "") != tt.padded || tt.padded && !regexp.MustCompile(`^<!--[A-Za-z0-9+/]*-->$`).MatchString(rest) {
				t.Errorf("the padding is %.60q", rest)
			}
			if tt.padded && rec.Header().Get("Content-Length") != fmt.Sprint(len(got)) {
				t.Errorf("length %s, is %d", rec.Header().Get("Content-Length"), len(got))
			}
		})
	}
}

// No page says under which address it was reached: an onion address must not end up in a page somebody saved, and a proxy that
// passes on a wrong name must not lead anybody astray.
func TestNoPageSaysItsOwnAddress(t *testing.T) {
	w := publicSQLite(t)
	p := w.person("en").walk(usual, nil)
	form := p.forms()["answers"].values
	p.sent()
	code, _ := p.receipt()
	sending := url.Values{}
	for k, v := range form {
		sending[k] = v
	}
	sending.Set(ctlTo, "send")
	type page struct {
		method, path string
		form         url.Values
	}
	pages := []page{{"POST", "/report/report", sending}, {"POST", "/report/report", url.Values{ctlTo: {"next"}}}, {"POST", "/receipt", url.Values{ctlCode: {code}}},
		{"POST", "/follow", url.Values{"code": {"wrong"}}}, {"GET", "/report/report", nil}, {"GET", "/log", nil}, {"GET", "/inspections", nil}, {"GET", "/figures", nil}, {"GET", "/nowhere", nil}}
	for _, path := range publicPages {
		pages = append(pages, page{"GET", path, nil})
	}
	var visit *http.Cookie
	r, err := http.NewRequestWithContext(t.Context(), "POST", w.srv.URL+"/follow", strings.NewReader(url.Values{"code": {code}}.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	for _, c := range res.Cookies() {
		visit = c
	}
	if visit == nil {
		t.Fatal("no visit")
	}
	const onion = "2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid.onion"
	for _, host := range []string{"one.office.example", onion, "evil.example:8443"} {
		for _, p := range append(pages, page{"GET", "/follow", nil}) {
			_, status, answer := w.raw(p.method, p.path, host, p.form, visit)
			if strings.Contains(status, " 500") {
				t.Errorf("%s %s: %s", p.method, p.path, status)
			}
			if strings.Contains(answer, host) {
				i := strings.Index(answer, host)
				t.Errorf("%s %s says %q", p.method, p.path, answer[max(0, i-60):i+len(host)])
			}
		}
	}
}

func TestOnionLocation(t *testing.T) {
	const onion = "2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid.onion"
	w := publicSQLite(t).with(func(s *Server) { s.Onion = onion })
	location := func(method, path, host string) string {
		_, _, answer := w.raw(method, path, host, nil)
		for line := range strings.SplitSeq(answer, "\r\n") {
			if v, ok := strings.CutPrefix(line, "Onion-Location: "); ok {
				return v
			}
		}
		return ""
	}
	for _, tt := range []struct{ method, path, host, want string }{
		{"GET", "/", "office.example", "http://" + onion + "/"},
		{"GET", "/report", "office.example", "http://" + onion + "/report"},
		{"GET", "/follow?opened", "office.example", "http://" + onion + "/follow"},
		{"GET", "/report", onion, ""},
		{"GET", "/staff/sign-in", "office.example", ""},
		{"GET", "/a%0d%0ab", "office.example", "http://" + onion + "/a%0D%0Ab"},
	} {
		if got := location(tt.method, tt.path, tt.host); !strings.EqualFold(got, tt.want) {
			t.Errorf("%s on %s: %q, want %q", tt.path, tt.host, got, tt.want)
		}
	}
	if publicSQLite(t).person("en").visit("/").page == "" {
		t.Error("without an onion service there are no pages")
	}
}

func TestOnionAddresses(t *testing.T) {
	const right = "2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid.onion"
	for in, want := range map[string]string{
		right: right, "http://" + right + "/": right, strings.ToUpper(right): right, "report." + right: "report." + right,
		"": "", "office.example": "", "x" + right[1:]: "", right[:55] + "x.onion": "", "https://" + right: "", right + ":80": "", "expyuzz4wqqyqhjn.onion": "",
	} {
		got, err := OnionAddress(in)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
}

// Whoever knows half of a code does not find the rest by trying, and everybody else comes in.
func TestTriesForHalfACodeEnd(t *testing.T) {
	w := publicSQLite(t)
	p := w.person("en").walk(usual, nil).sent()
	code, _ := p.receipt()
	half := strings.ReplaceAll(code, "-", "")[:12]
	tries, refused := 0, false
	for i := 0; i < 4000 && !refused; i++ {
		guess := guessCode(half, i)
		if guess == "" {
			continue
		}
		tries++
		refused = w.person("en").post("/follow", url.Values{"code": {guess}}).status == http.StatusServiceUnavailable
	}
	if !refused || tries > 20 {
		t.Errorf("%d codes with the same beginning were tried, refused: %v", tries, refused)
	}
	other := w.person("en").walk(telling("Another story altogether, about a clerk who lost a file and would not look for it again."), nil).sent()
	theirs, _ := other.receipt()
	w.person("en").post("/follow", url.Values{"code": {theirs}}).is(200)
}

// guessCode is a well-formed code with a beginning, or "".
func guessCode(half string, n int) string {
	const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	body := half
	for range 8 {
		body += string(alphabet[n%32])
		n = n/32 + 7*n%31
	}
	for _, c := range alphabet {
		if code, err := ref.ParseReceiptCode(body + string(c)); err == nil {
			return string(code)
		}
	}
	return ""
}

func (w *publicWorld) spread() {
	w.t.Helper()
	for {
		n, err := w.s.like.Spread(w.t.Context(), w.db)
		if err != nil {
			w.t.Fatal(err)
		}
		if n == 0 {
			return
		}
	}
}

// Reports that say the same are suggested to those who may read them, and to nobody else.
func TestSimilarReportsAreSuggested(t *testing.T) {
	eachPublic(t, func(t *testing.T, w *publicWorld) {
		file := func(answers map[string]string) string {
			p := w.person("en").walk(answers, nil).sent()
			_, reference := p.receipt()
			return reference
		}
		first := file(usual)
		second := file(telling(usual["story"] + " He also said that nobody would believe us."))
		other := file(telling("The clerk of the court told me on the phone that the hearing was put off for the third time and gave no reason at all."))
		w.spread()
		find := func(login, body, duty, reference string) (out []string) {
			v := w.as(login, body, duty)
			err := w.db.Read(t.Context(), func(tx *store.Tx) error {
				d, err := w.s.dossier(t.Context(), tx, v, w.book.For("en"), reference)
				if err != nil {
					return err
				}
				out = nil
				for _, x := range d.similar {
					out = append(out, string(x.matter.Ref))
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			return out
		}
		if got := find("intake1", "city", "intake", second); !slices.Equal(got, []string{first}) {
			t.Errorf("like %s are %v, want %s", second, got, first)
		}
		if got := find("intake2", "city", "intake", other); len(got) != 0 {
			t.Errorf("like another report are %v", got)
		}
		if got := find("custodian1", "city", "custodian", second); len(got) != 0 {
			t.Errorf("a custodian, who may not read the file, is told of %v", got)
		}
		// What is purged is gone from all of it.
		err := w.db.Tx(t.Context(), func(tx *store.Tx) error {
			st, err := w.engine.ByRef(t.Context(), tx, ref.Reference(first))
			if err != nil {
				return err
			}
			return forgetGuard(t.Context(), tx, w.s.like, st.Matter.ID)
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := find("intake3", "city", "intake", second); len(got) != 0 {
			t.Errorf("a report that was forgotten is suggested: %v", got)
		}
	})
}

// The page of what comes in, and a step on several reports at once: on all, or on none.
func TestWhatComesInAndOneStepForMany(t *testing.T) {
	w := publicSQLite(t)
	var refs []string
	for i := range 3 {
		p := w.person("en").walk(telling(usual["story"]+fmt.Sprintf(" This was written %d times.", i)), nil).sent()
		_, reference := p.receipt()
		refs = append(refs, reference)
	}
	v := w.as("intake1", "city", "intake")
	stranger := w.as("elsewhere", "national", "investigator")
	get := func(who access.Viewer, path string) *http.Request {
		return w.signedIn(httptest.NewRequest(http.MethodGet, path, nil), who)
	}
	show := func(h view.HandlerFunc, r *http.Request) (int, string) {
		t.Helper()
		rec := httptest.NewRecorder()
		w.s.site.Handler(h).ServeHTTP(rec, r)
		return rec.Code, rec.Body.String()
	}
	code, page := show(w.s.arrivals, get(v, "/staff/arrivals"))
	if code != 200 {
		t.Fatalf("%d %s", code, page)
	}
	for _, want := range append(slices.Clone(refs), "Group 1", "3 reports", "Faster than people write", "One step for those selected") {
		if !strings.Contains(page, want) {
			t.Errorf("the page of what comes in does not say %q", want)
		}
	}
	if _, page := show(w.s.arrivals, get(stranger, "/staff/arrivals")); strings.Contains(page, refs[0]) {
		t.Error("somebody without a desk there sees the reports")
	}
	query := url.Values{"m": refs}
	if _, page := show(w.s.togetherPage, get(v, "/staff/arrivals/step?"+query.Encode())); !strings.Contains(page, "Propose to end early") || strings.Contains(page, "Start verification") {
		t.Error("the steps that can be taken together are not those of the pack")
	}
	if code, _ := show(w.s.togetherPage, get(stranger, "/staff/arrivals/step?"+query.Encode())); code != 404 {
		t.Errorf("a stranger gets %d", code)
	}
	query.Set("action", "decline")
	if code, page := show(w.s.togetherPage, get(v, "/staff/arrivals/step?"+query.Encode())); code != 200 || !strings.Contains(page, `name="reason_code"`) {
		t.Fatalf("%d %s", code, page)
	}
	post := func(values url.Values) (int, string) {
		r := httptest.NewRequest(http.MethodPost, "/staff/arrivals/step", strings.NewReader(values.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		return show(w.s.actTogether, w.signedIn(r, v))
	}
	values := url.Values{"m": refs, "n": {"1", "1", "1"}, "action": {"decline"}, "do": {"submit"}}
	if code, _ := post(values); code != 422 {
		t.Errorf("without a reason: %d", code)
	}
	values.Set("reason_code", "no-conduct")
	values.Set("reasons", "They are the same text, sent by a program.")
	stale := url.Values{}
	for k, x := range values {
		stale[k] = slices.Clone(x)
	}
	stale["n"] = []string{"1", "1", "7"}
	if code, _ := post(stale); code != http.StatusConflict {
		t.Errorf("one report changed meanwhile: %d", code)
	}
	for _, r := range refs {
		if n := len(w.entries(r)); n != 1 {
			t.Errorf("%s has %d entries although the step failed for one of them", r, n)
		}
	}
	verify := url.Values{"m": refs, "n": {"1", "1", "1"}, "action": {"screen"}, "severity": {"low"}, "do": {"submit"}}
	if code, _ := post(verify); code != 404 {
		t.Errorf("a step that the rules do not give for many at once: %d", code)
	}
	if code, page := post(values); code != http.StatusSeeOther {
		t.Fatalf("%d %s", code, page)
	}
	for _, r := range refs {
		if n := len(w.entries(r)); n < 2 {
			t.Errorf("the step is not recorded on %s", r)
		}
	}
	if missing := w.book.Missing(); len(missing) > 0 {
		t.Errorf("texts are missing: %v", missing)
	}
}

// Reporters may leave an address; nobody sees it again, and what the office does brings one mail that says nothing.
func TestReportersMayBeTold(t *testing.T) {
	w := publicSQLite(t)
	p := w.person("en").walk(usual, nil).sent()
	code, reference := p.receipt()
	q := w.person("en").post("/follow", url.Values{"code": {code}}).is(200)
	q.visit("/follow/notices").is(404) // this office sends no mails
	mailer, err := notify.NewMailer("smtp://localhost:1", "notices@office.example", nil)
	if err != nil {
		t.Fatal(err)
	}
	notices := notify.New(notify.Options{DB: w.db, Key: []byte("key"), Book: w.book, Mailer: mailer, Now: w.time, Desks: notify.OfficeDesks{Engine: w.engine, Accounts: w.s.Accounts}})
	w.with(func(s *Server) { s.Notices = notices })
	q = w.person("en").post("/follow", url.Values{"code": {code}}).is(200)
	q.visit("/follow/notices").is(200).reads("You have left no address", "notices@office.example")
	q.press("/follow/notices", "", map[string]string{"address": "no address"}).is(422).reads("Enter one e-mail address")
	q.visit("/follow/notices").press("/follow/notices", "", map[string]string{"address": "zebra@mail.example"}).is(200).reads("You will be told")
	q.visit("/follow/notices").is(200).reads("You have left an address").readsNot("zebra@mail.example")
	stranger := w.person("en").visit("/follow/notices")
	if strings.Contains(stranger.page, "left an address") || stranger.path == "/follow/notices" {
		t.Errorf("without the code somebody is at %s", stranger.path)
	}
	waiting := func() (n int) {
		t.Helper()
		err := w.db.Read(t.Context(), func(tx *store.Tx) error {
			return tx.QueryRow(t.Context(), `SELECT count(*) FROM outbox WHERE kind = 'reporter'`).Scan(&n)
		})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	followers := journal.NewFollowers(w.db, slog.New(slog.DiscardHandler), notices)
	catchUp := func() {
		t.Helper()
		if err := followers.CatchUp(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
	}
	catchUp()
	if waiting() != 0 {
		t.Error("the reporter is told of their own report")
	}
	w.act(w.as("intake1", "city", "intake"), reference, "screen", map[string]any{"severity": "high"})
	catchUp()
	if waiting() != 1 {
		t.Error("the reporter is not told that the report was read")
	}
	w.person("en").post("/follow", url.Values{"code": {code}}).is(200)
	if waiting() != 0 {
		t.Error("who has come is told all the same")
	}
	for _, where := range []string{w.log.String(), fmt.Sprint(w.entries(reference))} {
		if strings.Contains(where, "zebra@") {
			t.Error("the address stands where it does not belong")
		}
	}
	q.visit("/follow/notices").press("/follow/notices", "remove", nil).is(200).reads("has been taken away")
	q.visit("/follow/notices").reads("You have left no address")
}

// signedIn is a request of somebody who has signed in and reads English.
func (w *publicWorld) signedIn(r *http.Request, v access.Viewer) *http.Request {
	ctx := words.NewContext(r.Context(), w.book.For("en"))
	return r.WithContext(context.WithValue(ctx, visitorKey{}, visitor{viewer: v, session: account.Session{Account: v.Account}}))
}
