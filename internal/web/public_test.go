package web

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"plumbline/internal/access"
	"plumbline/internal/account"
	"plumbline/internal/journal"
	"plumbline/internal/matter"
	"plumbline/internal/office"
	"plumbline/internal/pack"
	"plumbline/internal/ref"
	"plumbline/internal/register"
	"plumbline/internal/store"
	"plumbline/internal/tally"
	"plumbline/internal/testing/pagecheck"
	"plumbline/internal/testing/world"
	"plumbline/internal/vault"
	"plumbline/internal/web/view"
	"plumbline/internal/words"
)

// publicWorld is a small office before which members of the public stand. Its clock is moved by hand.
type publicWorld struct {
	t      testing.TB
	db     *store.DB
	s      *Server
	srv    *httptest.Server
	engine *matter.Engine
	tally  *tally.Tally
	pack   *pack.Pack
	book   *words.Book
	log    *lockedBuffer

	mu  sync.Mutex
	now time.Time
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (w *publicWorld) time() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *publicWorld) advance(d time.Duration) {
	w.t.Helper()
	w.mu.Lock()
	w.now = w.now.Add(d)
	w.mu.Unlock()
	if _, err := w.engine.RunClocks(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

var publicBodies = []struct{ code, parent, level, sector, en, zh string }{
	{"council", "", "national", "council", "National Council", "全国委员会"},
	{"national", "council", "national", "oversight", "National Office", "全国办公室"},
	{"region", "national", "regional", "oversight", "Regional Office", "地区办公室"},
	{"city", "region", "local", "oversight", "City Office", "市办公室"},
	{"city-police", "city", "local", "police", "City Police", "市警察局"},
}

func newPublicWorld(t testing.TB, db *store.DB) *publicWorld {
	t.Helper()
	ctx := t.Context()
	w := &publicWorld{t: t, db: db, now: time.Date(2026, 3, 2, 21, 30, 0, 0, time.UTC), log: &lockedBuffer{}}
	var err error
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	w.pack, err = pack.Bundled("generic")
	must(err)
	o, err := office.Open(ctx, db, office.WithClock(w.time))
	if err != nil && o == nil {
		t.Fatal(err)
	}
	operator := journal.Actor{Duty: "operator"}
	must(o.Load(ctx, operator, journal.ViaCLI, w.pack, true))
	by := register.By{Actor: operator, Via: journal.ViaCLI, At: w.now, Pack: w.pack.ID()}
	must(db.Tx(ctx, func(tx *store.Tx) error {
		ids := map[string]ref.BodyID{}
		for _, b := range publicBodies {
			ids[b.code] = ref.BodyID(db.NewID())
			if _, err := register.AddBody(ctx, tx, by, register.Body{ID: ids[b.code], Code: b.code, Parent: ids[b.parent], Level: b.level, Sector: b.sector,
				Names: []register.Name{{Lang: "en", Name: b.en}, {Lang: "zh-Hans", Name: b.zh}}}); err != nil {
				return err
			}
		}
		_, err := register.AddOfficial(ctx, tx, by, register.Official{ID: ref.OfficialID(db.NewID()), Source: "test", SourceKey: "2041", Name: "Rolf Candlewick", Identified: 1,
			Posts: []register.Post{{No: 1, Body: ids["city-police"], Title: "Constable", Rank: "staff", From: "2019-03"}}})
		return err
	}))
	w.engine, w.tally = matter.New(db, o, w.time, vault.New(db, vault.NewOfficeKey(), w.time)), tally.New(o)
	w.book, err = words.Load()
	must(err)
	log := slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	w.s, err = newServer(Deps{DB: db, Engine: w.engine, Office: o, Accounts: account.New(db, o, w.time), Figures: w.tally, Book: w.book, Log: log, Now: w.time})
	must(err)
	w.srv = httptest.NewServer(w.s.handler())
	t.Cleanup(w.srv.Close)
	return w
}

// as is a person of the office who holds duties at a body.
func (w *publicWorld) as(login, body string, duties ...string) (v access.Viewer) {
	w.t.Helper()
	ctx := w.t.Context()
	err := w.db.Tx(ctx, func(tx *store.Tx) error {
		b, err := register.BodyByCode(ctx, tx, body)
		if err != nil {
			return err
		}
		id, err := w.s.Accounts.Create(ctx, tx, account.System(journal.ViaCLI), account.CreateCmd{Login: login, Name: login, Lang: "en"})
		if err != nil {
			return err
		}
		for _, d := range duties {
			if err := w.s.Accounts.Grant(ctx, tx, account.System(journal.ViaCLI), account.GrantCmd{Account: id, Duty: d, Body: b.ID}); err != nil {
				return err
			}
		}
		v, err = w.s.Accounts.ViewerOf(ctx, tx, id)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return v
}

// act takes a step of the office on the report with a reference.
func (w *publicWorld) act(v access.Viewer, reference, action string, in map[string]any) {
	w.t.Helper()
	ctx := w.t.Context()
	err := w.db.Tx(ctx, func(tx *store.Tx) error {
		st, err := w.engine.ByRef(ctx, tx, ref.Reference(reference))
		if err != nil {
			return err
		}
		values, wrong := matter.ParseJSON(w.pack, w.pack.Kind("report").Action(action).Fields, in)
		if len(wrong) > 0 {
			w.t.Fatalf("%s: %v", action, wrong)
		}
		_, err = w.engine.Act(ctx, tx, matter.ActCmd{Matter: st.Matter.ID, Action: action, Fields: values, Viewer: v, Via: journal.ViaWeb})
		return err
	})
	if err != nil {
		w.t.Fatalf("%s: %v", action, err)
	}
}

func (w *publicWorld) reports() (n int64) {
	w.t.Helper()
	err := w.db.Read(w.t.Context(), func(tx *store.Tx) error {
		return tx.QueryRow(w.t.Context(), `SELECT COUNT(*) FROM matter`).Scan(&n)
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// person is a member of the public with a browser that runs no scripts.
type person struct {
	w      *publicWorld
	t      testing.TB
	client *http.Client
	status int
	path   string // where they are, with the query
	page   string
	lang   string
	seen   []string // every address they were at
}

func (w *publicWorld) person(lang string) *person {
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	p := &person{w: w, t: w.t, lang: lang}
	p.client = &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error { p.seen = append(p.seen, r.URL.String()); return nil }}
	return p
}

func (p *person) send(r *http.Request) {
	p.t.Helper()
	if p.lang != "" {
		r.Header.Set("Accept-Language", p.lang)
	}
	p.seen = append(p.seen, r.URL.String())
	res, err := p.client.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	p.status, p.page, p.path = res.StatusCode, string(body), res.Request.URL.RequestURI()
	if res.Header.Get("Cache-Control") != "no-store" {
		p.t.Errorf("%s may be kept by the browser", p.path)
	}
}

func (p *person) visit(path string) *person {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, p.w.srv.URL+path, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	p.send(r)
	return p
}

func (p *person) post(path string, values url.Values) *person {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, p.w.srv.URL+path, strings.NewReader(values.Encode()))
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	p.send(r)
	return p
}

// htmlForm is a form as a browser would send it.
type htmlForm struct {
	action  string
	values  url.Values
	buttons []htmlButton
}

type htmlButton struct{ name, value, text, action string }

// forms reads the forms of the page, by their id or their place.
func (p *person) forms() map[string]*htmlForm {
	p.t.Helper()
	d := xml.NewDecoder(strings.NewReader(p.page))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	out := map[string]*htmlForm{}
	form := func(id string) *htmlForm {
		if out[id] == nil {
			out[id] = &htmlForm{values: url.Values{}}
		}
		return out[id]
	}
	current, area, sel := "", "", ""
	var areaForm *htmlForm
	var button *htmlButton
	var buttonForm *htmlForm
	for {
		tok, err := d.Token()
		if err == io.EOF {
			return out
		}
		if err != nil {
			p.t.Fatalf("%s is no well-formed page: %v", p.path, err)
		}
		switch x := tok.(type) {
		case xml.StartElement:
			a := map[string]string{}
			for _, at := range x.Attr {
				a[at.Name.Local] = at.Value
			}
			owner := current
			if a["form"] != "" {
				owner = a["form"]
			}
			switch x.Name.Local {
			case "form":
				current = a["id"]
				if current == "" {
					current = a["action"]
				}
				form(current).action = a["action"]
			case "input":
				_, checked := a["checked"]
				if owner == "" || a["name"] == "" || (a["type"] == "radio" || a["type"] == "checkbox") && !checked {
					continue
				}
				form(owner).values.Add(a["name"], a["value"])
			case "textarea":
				area, areaForm = a["name"], form(owner)
				areaForm.values.Set(area, "")
			case "select":
				sel = a["name"]
				form(owner).values.Set(sel, "")
			case "option":
				if _, chosen := a["selected"]; chosen && sel != "" {
					form(owner).values.Set(sel, a["value"])
				}
			case "button":
				button, buttonForm = &htmlButton{name: a["name"], value: a["value"], action: a["formaction"]}, form(owner)
			}
		case xml.CharData:
			if area != "" {
				areaForm.values.Set(area, areaForm.values.Get(area)+strings.TrimPrefix(string(x), "\n"))
			}
			if button != nil {
				button.text += string(x)
			}
		case xml.EndElement:
			switch x.Name.Local {
			case "form":
				current = ""
			case "textarea":
				area = ""
			case "select":
				sel = ""
			case "button":
				if button != nil {
					buttonForm.buttons = append(buttonForm.buttons, *button)
					button = nil
				}
			}
		}
	}
}

// press fills in answers and presses the button with a value in the form of that id.
func (p *person) press(id, value string, answers map[string]string) *person {
	p.t.Helper()
	f := p.forms()[id]
	if f == nil {
		p.t.Fatalf("there is no form %q on %s:\n%s", id, p.path, p.text())
	}
	values := url.Values{}
	for k, v := range f.values {
		values[k] = slices.Clone(v)
	}
	for k, v := range answers {
		values.Set(k, v)
	}
	i := slices.IndexFunc(f.buttons, func(b htmlButton) bool { return b.value == value })
	if i < 0 {
		p.t.Fatalf("there is no button %q on %s, only %v:\n%s", value, p.path, f.buttons, p.text())
	}
	to := f.action
	if b := f.buttons[i]; b.name != "" {
		values.Set(b.name, b.value)
		if b.action != "" {
			to = b.action
		}
	}
	return p.post(to, values)
}

func (p *person) next(answers map[string]string) *person { return p.press("answers", "next", answers) }

// text is what the page says.
func (p *person) text() string {
	d := xml.NewDecoder(strings.NewReader(p.page))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	var b strings.Builder
	for {
		tok, err := d.Token()
		if err != nil {
			return strings.Join(strings.Fields(b.String()), " ")
		}
		if c, ok := tok.(xml.CharData); ok {
			b.Write(c)
			b.WriteByte(' ')
		}
	}
}

func (p *person) reads(want ...string) *person {
	p.t.Helper()
	text := p.text()
	for _, s := range want {
		if !strings.Contains(text, s) {
			p.t.Errorf("%s does not say %q:\n%s", p.path, s, text)
		}
	}
	return p
}

func (p *person) readsNot(unwanted ...string) *person {
	p.t.Helper()
	text := p.text()
	for _, s := range unwanted {
		if strings.Contains(text, s) {
			p.t.Errorf("%s says %q:\n%s", p.path, s, text)
		}
	}
	return p
}

func (p *person) is(status int) *person {
	p.t.Helper()
	if p.status != status {
		p.t.Fatalf("%s: status %d, want %d:\n%s", p.path, p.status, status, p.text())
	}
	return p
}

// secret words of a report: they may stand in the entries' bytes and nowhere else.
const (
	secretStory = "zebrastory was told at the harbour"
	secretPlace = "zebraplace"
	secretName  = "Zebra Nameless"
	secretReply = "zebrareply from the reporter"
)

// write goes through the form up to the page where one checks one's answers.
func (p *person) write(extra map[string]string) *person {
	p.t.Helper()
	answer := func(name, value string) map[string]string {
		if v, ok := extra[name]; ok {
			value = v
		}
		if value == "" {
			return nil
		}
		return map[string]string{name: value}
	}
	p.visit("/report/report").is(200)
	p.next(nil).next(answer("conduct", "excessive-force")).next(answer("body", "city-police")).
		next(answer("official.described", "")).next(map[string]string{"happened_on-month": "2", "happened_on-year": "2026"}).
		next(answer("place", secretPlace)).next(answer("story", secretStory)).
		press("answers", "skip", nil).next(answer("relation", "witness"))
	if extra["name"]+extra["contact"] == "" {
		return p.next(answer("manner", "anonymous")).is(200)
	}
	p.next(answer("manner", "confidential")).next(answer("name", "")).next(answer("contact", "")).is(200)
	return p
}

// receipt is the code and the reference on the receipt page.
func (p *person) receipt() (code, reference string) {
	p.t.Helper()
	code = p.forms()["/follow"].values.Get("code")
	if _, err := ref.ParseReceiptCode(code); err != nil {
		p.t.Fatalf("no receipt code on %s:\n%s", p.path, p.text())
	}
	return code, p.reference()
}

// reference is the one that stands on the page.
func (p *person) reference() string {
	p.t.Helper()
	text := p.text()
	i := strings.Index(text, " R-")
	if i < 0 {
		p.t.Fatalf("no reference on %s:\n%s", p.path, text)
	}
	return text[i+1 : i+1+len("R-4KX7M-2QHJ8")]
}

func eachPublic(t *testing.T, test func(t *testing.T, w *publicWorld)) {
	world.Each(t, func(t *testing.T, db *store.DB) { test(t, newPublicWorld(t, db)) })
}

func publicSQLite(t testing.TB) *publicWorld { return newPublicWorld(t, world.SQLite(t)) }

func TestAReportFromTheFirstPageToTheAnswer(t *testing.T) {
	eachPublic(t, func(t *testing.T, w *publicWorld) {
		p := w.person("en").write(nil)
		p.reads("Check your answers", "City Police", "Uses more force than needed", "February 2026", secretPlace, secretStory, "Left open", "You are reporting anonymously")
		if n := w.reports(); n != 0 {
			t.Fatalf("%d reports before anything was sent", n)
		}
		p.press("answers", "send", nil).is(200)
		code, reference := p.receipt()
		p.reads("Your report is recorded", "Write this code down now", "By Monday 9 March 2026", "You get an answer")

		// The receipt as a file, and in another language: the code stays.
		file := w.person("en").post("/receipt", url.Values{"_code": {code}}).is(200)
		if !strings.Contains(file.page, strings.Join(ref.ReceiptCode(code).Groups(), "  ")) || !strings.Contains(file.page, reference) {
			t.Errorf("the file of the receipt is\n%s", file.page)
		}
		p.press("receipt", "receipt", nil).is(200)
		if again, _ := p.receipt(); again != code || !strings.Contains(p.text(), "您的举报已经记录") {
			t.Errorf("in Chinese the receipt shows %s, before %s:\n%s", again, code, p.text())
		}

		// Somebody comes back with the code alone, as written by hand.
		q := w.person("en").visit("/follow").press("/follow", "", map[string]string{"code": " " + strings.ToLower(strings.ReplaceAll(code, "-", " ")) + " "}).is(200)
		q.reads("Your report", reference, "We have your report", "No messages yet", "Nobody has opened it", "Write to the office")

		intake, investigator, reviewer := w.as("intake", "city", "intake"), w.as("investigator", "city", "investigator"), w.as("reviewer", "city", "reviewer")
		w.advance(36 * time.Hour)
		w.act(intake, reference, "screen", map[string]any{"severity": "high"})
		q.visit("/follow").reads("We have read your report", "Screened", "Intake, City Office")
		w.act(intake, reference, "verify", map[string]any{"lead": investigator.Account.String()})
		w.act(investigator, reference, "ask", map[string]any{"message": "At what time was it?"})
		q.visit("/follow").reads("There is a message for you", "At what time was it?", "Investigator, City Office").readsNot("severity", "High: danger")
		q.visit("/follow/act/message").is(200)
		q.press("answers", "next", nil).is(422).reads("There is a problem")
		q.press("answers", "next", map[string]string{"message": secretReply}).is(200).reads("We have your message", secretReply, "You")
		if q.path != "/follow" {
			t.Errorf("after sending a message one stands at %s", q.path)
		}
		w.act(investigator, reference, "conclude", map[string]any{"conclusion": "no-grounds", "reasons": "zebrareasons for the file only",
			"sheet": map[string]any{"persons-heard": "yes", "official-version": "yes", "recordings": "na", "documents": "na", "exculpatory": "yes"}})
		w.act(reviewer, reference, "confirm", map[string]any{"answer": "We asked everybody who was there."})
		q.visit("/follow").reads("Your report is closed", "We asked everybody who was there.", "Reviewer, City Office").readsNot("zebrareasons")
		w.holdsNowhere(p, q)

		q.press("/follow/leave", "", nil).is(200).reads("Your report is closed in this browser")
		q.visit("/follow").reads("Enter the receipt code").readsNot(reference, secretReply)
	})
}

// holdsNowhere looks for the words of a report where they must never be: in addresses, in the log, in any
// table.
func (w *publicWorld) holdsNowhere(people ...*person) {
	t := w.t
	t.Helper()
	secrets := []string{"zebra", "Zebra"}
	for _, p := range people {
		for _, address := range p.seen {
			for _, s := range append(secrets, "code") {
				if strings.Contains(address, s) {
					t.Errorf("the address %s holds %q", address, s)
				}
			}
		}
	}
	for _, s := range append(secrets, "127.0.0.1") {
		if log := w.log.String(); strings.Contains(log, s) {
			t.Errorf("the log holds %q:\n%s", s, log)
		}
	}
	if !strings.Contains(w.log.String(), "POST /report/{kind}") {
		t.Errorf("the log does not name the routes: this test looks in the wrong place:\n%s", w.log.String())
	}
	err := w.db.Read(t.Context(), func(tx *store.Tx) error {
		tables, err := allTables(t.Context(), w.db, tx)
		if err != nil {
			return err
		}
		if len(tables) < 15 {
			t.Errorf("only the tables %v were found", tables)
		}
		sealed := false
		for _, table := range tables {
			for _, cell := range contents(t, tx, table) {
				for _, s := range secrets {
					if !strings.Contains(cell, s) {
						continue
					}
					t.Errorf("the table %s holds %q", table, s)
				}
				sealed = sealed || table == "entry" && strings.Contains(cell, `"sealed"`)
			}
		}
		if !sealed {
			t.Error("no entry holds anything sealed: this test looks in the wrong place")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func allTables(ctx context.Context, db *store.DB, tx *store.Tx) ([]string, error) {
	query := `SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name`
	if db.Dialect() == store.Postgres {
		query = `SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename`
	}
	found, err := tx.Query(ctx, query)
	if err != nil {
		return nil, err
	}
	return store.Collect(found, func(r *store.Rows) (s string, err error) { return s, r.Scan(&s) })
}

func contents(t testing.TB, tx *store.Tx, table string) (out []string) {
	t.Helper()
	found, err := tx.Query(t.Context(), `SELECT * FROM `+table)
	if err != nil {
		t.Fatal(err)
	}
	cols, err := found.Columns()
	if err != nil {
		t.Fatal(err)
	}
	_, err = store.Collect(found, func(r *store.Rows) (struct{}, error) {
		cells := make([]any, len(cols))
		for i := range cells {
			cells[i] = new(any)
		}
		if err := r.Scan(cells...); err != nil {
			return struct{}{}, err
		}
		for _, c := range cells {
			switch v := (*c.(*any)).(type) {
			case []byte:
				out = append(out, string(v))
			case string:
				out = append(out, v)
			}
		}
		return struct{}{}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestAReportWithANameAndATalkAboutIdentity(t *testing.T) {
	w := publicSQLite(t)
	p := w.person("en").write(map[string]string{"name": secretName, "contact": "zebra@example.org"})
	p.reads("You told us who you are", secretName).press("answers", "send", nil).is(200)
	code, reference := p.receipt()
	custodian := w.as("custodian", "city", "custodian")
	w.act(custodian, reference, "identify", map[string]any{"reasons": "A court asked for a statement."})
	q := w.person("zh-CN").visit("/follow").press("/follow", "", map[string]string{"code": code}).is(200)
	q.reads("您的身份", "调阅举报人身份", "A court asked for a statement.", "身份信息保管", "市办公室").readsNot(secretName, "没有人调阅过")
	w.holdsNowhere(p, q)
}

// A second press of the button, a page loaded again, a reply that was lost: one report, one receipt.
func TestAReportSentTwiceIsRecordedOnce(t *testing.T) {
	eachPublic(t, func(t *testing.T, w *publicWorld) {
		p := w.person("en").write(nil)
		check := *p
		p.press("answers", "send", nil).is(200)
		code, reference := p.receipt()
		for range 2 {
			again := check
			again.press("answers", "send", nil).is(200)
			if c, r := again.receipt(); c != code || r != reference {
				t.Errorf("the second time the receipt says %s %s, the first time %s %s", c, r, code, reference)
			}
		}
		// At the same instant.
		one := w.person("en").write(map[string]string{"story": secretStory + " again"})
		codes := make([]string, 6)
		var wg sync.WaitGroup
		for i := range codes {
			wg.Add(1)
			go func() {
				defer wg.Done()
				same := *one
				same.press("answers", "send", nil)
				if same.status == 200 {
					codes[i], _ = same.receipt()
				}
			}()
		}
		wg.Wait()
		for _, c := range codes {
			if c == "" || c != codes[0] {
				t.Fatalf("sent at the same time, the receipts are %q", codes)
			}
		}
		if n := w.reports(); n != 2 {
			t.Errorf("%d reports, want 2", n)
		}
		// Going back and changing a word makes another report, with another code: nothing is taken for what it is not.
		other := check
		other.press("answers", "change:story", nil).next(map[string]string{"story": secretStory + " and more"}).press("answers", "send", nil).is(200)
		if c, _ := other.receipt(); c == code {
			t.Error("another text has the code of the first report")
		}
	})
}

func TestBackChangeAndSkip(t *testing.T) {
	w := publicSQLite(t)
	p := w.person("en").write(nil)
	p.press("answers", "change:place", nil).is(200).reads("Where did it happen?")
	if got := p.forms()["answers"].values.Get("place"); got != secretPlace {
		t.Errorf("when changing an answer, the page shows %q", got)
	}
	p.next(map[string]string{"place": "zebraplace at the gate"}).is(200).reads("Check your answers", "zebraplace at the gate", secretStory)
	p.press("answers", "change:place", nil).press("answers", "back", map[string]string{"place": "zebraplace thought again"}).reads("Check your answers", secretStory)
	p.press("answers", "change:story", nil).next(map[string]string{"story": " "}).is(422).reads("There is a problem", "Fill this in.")
	p.next(map[string]string{"story": "zebrastory once more"}).reads("Check your answers", "zebrastory once more")
	p.press("answers", "back", nil).reads("How do you want to report?").press("answers", "back", nil).reads("How do you know of it?")
	p.press("answers", "next", nil).press("answers", "skip", nil).reads("Your name").press("answers", "skip", nil).press("answers", "skip", nil).reads("Check your answers", "zebrastory once more")
	for range 12 {
		p.press("answers", "back", nil).is(200)
		if strings.Contains(p.text(), "Before you begin") {
			break
		}
	}
	p.reads("Before you begin").next(nil).reads("What is it about?")
	if got := p.forms()["answers"].values.Get("conduct"); got != "excessive-force" {
		t.Errorf("back at the first question its answer is %q", got)
	}
	for range 5 {
		p.next(nil)
	}
	if got := p.forms()["answers"].values.Get("story"); got != "zebrastory once more" {
		t.Errorf("on the way back the story became %q", got)
	}
}

// Whoever switches the language in the middle of a sentence finds the sentence again.
func TestTheLanguageChangesInTheMiddle(t *testing.T) {
	w := publicSQLite(t)
	p := w.person("en").visit("/report/report").next(nil).next(nil).next(map[string]string{"body": "city-police"}).next(nil).next(nil)
	p.reads("Where did it happen?").press("answers", "stay", map[string]string{"place": "zebraplace, half a sen"}).is(200).reads("在哪里发生的？")
	if got := p.forms()["answers"].values.Get("place"); got != "zebraplace, half a sen" {
		t.Errorf("after the switch the answer is %q", got)
	}
	if strings.Contains(p.path, "zebra") || !strings.Contains(p.path, "lang=zh-Hans") {
		t.Errorf("the address is %s", p.path)
	}
	p.next(nil).reads("发生了什么？").next(map[string]string{"story": "zebra"}).next(nil).next(nil).next(nil).next(nil).next(nil).reads("核对您的回答", "市警察局", "zebraplace, half a sen")
	// A message in an open report.
	p.press("answers", "send", nil).is(200)
	code, _ := p.receipt()
	q := w.person("en").post("/follow", url.Values{"code": {code}}).visit("/follow/act/message")
	q.press("answers", "stay", map[string]string{"message": "zebra, half a mess"}).is(200).reads("您的消息")
	if got := q.forms()["answers"].values.Get("message"); got != "zebra, half a mess" {
		t.Errorf("after the switch the message is %q", got)
	}
}

// What is refused comes back whole, with words that say what to do.
func TestRefusedAnswersKeepWhatWasTyped(t *testing.T) {
	w := publicSQLite(t)
	p := w.person("en").visit("/report/report").next(nil).next(nil)
	p.next(nil).is(422).reads("There is a problem", "Choose one of the answers.")
	p.next(map[string]string{"body": "no-such-office"}).is(422)
	p.next(map[string]string{"body": "city-police"}).next(nil)
	p.next(map[string]string{"happened_on-day": "31", "happened_on-month": "2", "happened_on-year": "2026"}).is(422).reads("Enter a date like 27 3 2026")
	if v := p.forms()["answers"].values; v.Get("happened_on-day") != "31" || v.Get("happened_on-month") != "2" || v.Get("happened_on-year") != "2026" {
		t.Errorf("the date came back as %v", v)
	}
	p.next(map[string]string{"happened_on-day": "", "happened_on-month": ""}).is(200)
	long := strings.Repeat("长", 20_001)
	p.next(nil).next(map[string]string{"story": long}).is(422).reads("Use at most 20,000 characters. Characters too many: 1.")
	if got := p.forms()["answers"].values.Get("story"); got != long {
		t.Errorf("of %d characters %d came back", len(long), len(got))
	}
	if n := w.reports(); n != 0 {
		t.Errorf("%d reports were recorded", n)
	}
}

// A report that cannot be recorded just now stays on the page.
func TestAReportThatCannotBeRecordedIsKept(t *testing.T) {
	w := publicSQLite(t)
	p := w.person("en").write(nil)
	f := p.forms()["answers"]
	values := f.values
	values.Set("_to", "send")
	// The rules have changed meanwhile: the same draft, written under those of before.
	draft, err := w.s.forms.Open("report", values.Get("_draft"))
	if err != nil {
		t.Fatal(err)
	}
	draft.Pack = "generic@0.9.0"
	sealed, err := w.s.forms.Seal("report", draft)
	if err != nil {
		t.Fatal(err)
	}
	values.Set("_draft", sealed)
	p.post(f.action, values).is(409).reads("Check your answers", secretStory, "There is a problem")
	p.press("answers", "send", nil).is(200).reads("Your report is recorded")

	// A made-up form: what is missing is asked, nothing is recorded.
	q := w.person("en").post("/report/report", url.Values{"_to": {"send"}, "_at": {"check"}, "story": {"zebra"}, "unknown": {"x"}}).is(422)
	q.reads("Which office or unit is it about?")
	w.person("en").post("/report/case", url.Values{"_to": {"send"}}).is(404)
	w.person("en").visit("/report/proceeding").is(404)
}

func TestAnOfficialIsFoundOrDescribed(t *testing.T) {
	w := publicSQLite(t)
	p := w.person("en").visit("/report/report").next(nil).next(nil).next(map[string]string{"body": "city-police"}).reads("Which official is it about?")
	p.press("answers", "search:official", map[string]string{"_q.official": "nobody of this name"}).is(200).reads("Nobody in the register has this name")
	p.next(map[string]string{"_q.official": "candle"}).is(200).reads("Rolf Candlewick", "Constable · City Police", "None of these")
	var id string
	err := w.db.Read(t.Context(), func(tx *store.Tx) error {
		o, err := register.OfficialBySource(t.Context(), tx, "test", "2041")
		id = o.ID.String()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	p.next(map[string]string{"official": id}).is(200).reads("When did it happen?")
	p.press("answers", "back", nil).reads("Rolf Candlewick")
	if got := p.forms()["answers"].values.Get("official"); got != id {
		t.Errorf("the official chosen is %q, want %s", got, id)
	}
	p.next(map[string]string{"official": "99999"}).is(422).reads("This official is not in the register")
	p.next(map[string]string{"official": "", "official.described": "a tall constable"}).is(200)
	p.next(nil).next(nil).next(map[string]string{"story": "zebra"}).next(nil).next(nil).next(map[string]string{"manner": "anonymous"}).reads("Check your answers", "a tall constable")
}

// What is said of a code that opens nothing tells nothing of what is there: of what could be a code always the same, and of
// what cannot, what the text alone shows.
func TestWrongCodesTellNothing(t *testing.T) {
	w := publicSQLite(t)
	p := w.person("en").write(nil)
	p.press("answers", "send", nil)
	code, reference := p.receipt()
	never := string(ref.NewReceiptCode()) // was never given out
	swapped := func(code string) string {
		for i := 1; ; i++ {
			if code[i] != code[i-1] && code[i] != '-' && code[i-1] != '-' {
				return code[:i-1] + code[i:i+1] + code[i-1:i] + code[i+1:]
			}
		}
	}
	for _, same := range []struct {
		says  string
		typed []string
	}{
		{"No report opens with this code", []string{never, string(ref.NewReceiptCode())}},
		{"There is a slip in this code", []string{swapped(code), swapped(never), code[:len(code)-1] + "?", never[:len(never)-1] + "U"}},
		{"Enter your receipt code", []string{"", " - "}},
		{"has 20 letters and digits. A receipt code has 21", []string{code[:len(code)-1], never[1:]}},
		{"has 42 letters and digits", []string{code + code, never + never}},
		{"This is the reference of a report", []string{reference, string(ref.NewReference("R"))}},
	} {
		first := ""
		for _, typed := range same.typed {
			q := w.person("en").post("/follow", url.Values{"code": {typed}}).is(422).reads(same.says).readsNot("zebra")
			if strings.Contains(q.path, "code") {
				t.Errorf("the address is %s", q.path)
			}
			if first == "" {
				first = q.text()
			}
			if q.text() != first {
				t.Errorf("%q: the answer to %q differs from that to %q", same.says, typed, same.typed[0])
			}
		}
	}
	// As telephones and Chinese keyboards write it.
	wide := strings.Map(func(r rune) rune { return r - '!' + '\uff01' }, code)
	for _, typed := range []string{strings.ToLower(code), wide, strings.ReplaceAll(code, "-", "—"), strings.ReplaceAll(code, "-", "\u3000"), "\u00a0" + code + "\u200b"} {
		w.person("en").post("/follow", url.Values{"code": {typed}}).is(200).reads(reference)
	}
	// Flooding the office with wrong codes slows down guessing, and locks nobody out.
	limited := false
	for range 2 * wrongCodes {
		limited = limited || w.person("en").post("/follow", url.Values{"code": {"wrong"}}).status == http.StatusServiceUnavailable
	}
	if !limited {
		t.Error("wrong codes are answered without limit")
	}
	w.person("en").post("/follow", url.Values{"code": {code}}).is(200).reads(reference)
}

func TestAReportThatIsNotOpenShowsNothing(t *testing.T) {
	w := publicSQLite(t)
	p := w.person("en").write(nil)
	p.press("answers", "send", nil)
	code, reference := p.receipt()
	stranger := w.person("en")
	stranger.visit("/follow/act/message").reads("Enter the receipt code").readsNot(reference)
	stranger.post("/follow/act/message", url.Values{"message": {"zebra from a stranger"}}).is(422).readsNot(reference)
	// Somebody wrote for longer than a visit lasts: the text is still there, and goes out with the code.
	if !strings.Contains(stranger.page, "zebra from a stranger") {
		t.Error("what was written is lost")
	}
	stranger.press("/follow/act/message", "", map[string]string{"code": string(ref.NewReceiptCode())}).is(422).reads("No report opens with this code")
	stranger.press("/follow/act/message", "", map[string]string{"code": code}).is(200)
	if got := stranger.forms()["answers"].values.Get("message"); got != "zebra from a stranger" {
		t.Errorf("after the code the message is %q", got)
	}
	stranger.next(nil).is(200).reads("We have your message", "zebra from a stranger")
	before := len(w.entries(reference))
	// The same message a second time, from the page drawn before: recorded once.
	again := w.person("en").post("/follow", url.Values{"code": {code}})
	again.visit("/follow/act/message")
	twice := *again
	again.next(map[string]string{"message": "zebra twice"}).is(200)
	twice.next(map[string]string{"message": "zebra twice"}).is(200)
	if got := len(w.entries(reference)); got != before+1 {
		t.Errorf("%d entries were added, want 1", got-before)
	}
	if w.person("en").visit("/follow/act/close").status == 200 && strings.Contains(stranger.page, "close") {
		t.Error("a reporter may close a report")
	}
}

func (w *publicWorld) entries(reference string) (out []matter.Event) {
	w.t.Helper()
	err := w.db.Read(w.t.Context(), func(tx *store.Tx) error {
		st, err := w.engine.ByRef(w.t.Context(), tx, ref.Reference(reference))
		if err == nil {
			out, err = w.engine.History(w.t.Context(), tx, st.Matter.ID)
		}
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

func TestLatenessIsSaid(t *testing.T) {
	w := publicSQLite(t)
	p := w.person("en").write(nil)
	p.press("answers", "send", nil)
	code, _ := p.receipt()
	w.person("en").visit("/how").reads("0 matters are overdue at the highest office")
	w.advance(9 * 24 * time.Hour)
	q := w.person("en").post("/follow", url.Values{"code": {code}}).is(200)
	q.reads("We are late.", "due by Monday 9 March 2026", "overdue", "A time limit has run out")
	w.person("zh").post("/follow", url.Values{"code": {code}}).reads("我们逾期了", "2026年3月9日")
	w.person("en").visit("/how").reads("0 matters are overdue at the highest office", "In all offices together it is 1.")
}

// What would endanger an investigation is not told while it lasts; the end always is (F23).
func TestAStepThatIsAdverseToTheInvestigationIsNotTold(t *testing.T) {
	w := publicSQLite(t)
	p := w.person("en").write(nil)
	p.press("answers", "send", nil)
	code, reference := p.receipt()
	intake := w.as("intake", "city", "intake")
	w.act(intake, reference, "screen", map[string]any{"severity": "high"})
	w.act(intake, reference, "transfer", map[string]any{"authority": "Ombudsman of the Coast", "reasons": "It is competent."})
	for _, tt := range []struct {
		name           string
		adverse, final bool
		now            string
		known          bool
	}{
		{"told", false, false, "referred", true},
		{"not told", true, false, "screened", false},
		{"the end is told", true, true, "referred", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := w.db.Read(t.Context(), func(tx *store.Tx) error {
				v, err := w.s.reporterView(t.Context(), tx, w.book.For("en"), ref.ReceiptCode(code))
				if err != nil {
					return err
				}
				k := *v.k
				k.Actions, k.States = slices.Clone(k.Actions), slices.Clone(k.States)
				v.k = &k
				k.Action("transfer").Adverse, k.State("referred").Final = tt.adverse, tt.final
				v.tell()
				page := v.page()
				said := fmt.Sprintf("%+v", page.Told) + page.Now + page.Tag.Text
				if v.now().ID != tt.now || strings.Contains(said, "Ombudsman") != tt.known || strings.Contains(said, "Another authority is competent") != tt.known {
					t.Errorf("the reporter is told of %s: %s", v.now().ID, said)
				}
				for _, c := range page.Clocks {
					if strings.Contains(c.What, "other authority") != tt.known && strings.Contains(c.What, "The other authority") {
						t.Errorf("a time limit gives the step away: %s", c.What)
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

// A frightened person's browser may hide where a form stood. It is let through; a form on another site is not.
func TestBrowsersThatHideTheirOrigin(t *testing.T) {
	w := publicSQLite(t)
	for _, tt := range []struct {
		name, path     string
		header, origin string
		status         int
	}{
		{"Tor Browser, safest, over HTTPS", "/report/report", "same-origin", "null", 200},
		{"a browser that hides the origin", "/report/report", "", "null", 200},
		{"a browser that sends neither", "/report/report", "", "", 200},
		{"an old browser on our page", "/report/report", "", "self", 200},
		{"a form on another site", "/report/report", "cross-site", "https://other.example", 403},
		{"the same from a sandbox", "/report/report", "cross-site", "null", 403},
		{"an old browser on another site", "/report/report", "", "https://other.example", 403},
		{"opening a report", "/follow", "", "null", 422},
		{"staff have a cookie that gives them power", "/staff/sign-in", "", "null", 403},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.srv.URL+tt.path, strings.NewReader("_to=next"))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			if tt.header != "" {
				r.Header.Set("Sec-Fetch-Site", tt.header)
			}
			switch tt.origin {
			case "self":
				r.Header.Set("Origin", w.srv.URL)
			case "":
			default:
				r.Header.Set("Origin", tt.origin)
			}
			res, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			if res.StatusCode != tt.status {
				t.Errorf("status %d, want %d", res.StatusCode, tt.status)
			}
		})
	}
}

// The cookie that keeps a report open goes nowhere but here, and not to scripts, and ends with the browser.
func TestTheCookieOfAVisit(t *testing.T) {
	w := publicSQLite(t)
	p := w.person("en").write(nil)
	if cookies := p.client.Jar.Cookies(mustURL(t, w.srv.URL)); len(cookies) != 0 {
		t.Errorf("writing a report has left the cookies %v", cookies)
	}
	p.press("answers", "send", nil)
	code, _ := p.receipt()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.srv.URL+"/follow", strings.NewReader(url.Values{"code": {code}}.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if len(res.Cookies()) != 1 {
		t.Fatalf("cookies %v", res.Cookies())
	}
	c := res.Cookies()[0]
	if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.MaxAge != 0 || !c.Expires.IsZero() || strings.Contains(code, c.Value) {
		t.Errorf("the cookie is %v", c)
	}
}

func mustURL(t *testing.T, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// In a large tree one searches, or goes level by level.
func TestABodyInALargeTree(t *testing.T) {
	w := publicSQLite(t)
	by := register.By{Actor: journal.Actor{Duty: "operator"}, Via: journal.ViaCLI, At: w.time()}
	err := w.db.Tx(t.Context(), func(tx *store.Tx) error {
		top, err := register.BodyByCode(t.Context(), tx, "city")
		if err != nil {
			return err
		}
		for i := range mostBodies {
			code := "station-" + string(rune('a'+i/26)) + string(rune('a'+i%26))
			if _, err := register.AddBody(t.Context(), tx, by, register.Body{ID: ref.BodyID(w.db.NewID()), Code: code, Parent: top.ID, Level: "local", Sector: "police",
				Names: []register.Name{{Lang: "en", Name: "Station " + code}}}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	p := w.person("en").visit("/report/report").next(nil).next(nil).reads("Search by name", "National Council").readsNot("City Police")
	p.press("answers", "open:body:council", nil).press("answers", "open:body:national", nil).press("answers", "open:body:region", nil).
		press("answers", "open:body:city", nil).reads("City Police", "Station station-ab")
	p.press("answers", "search:body", map[string]string{"_q.body": "city pol"}).reads("City Police").readsNot("Station")
	p.press("answers", "search:body", map[string]string{"_q.body": "atlantis"}).reads("Nothing has this name")
	p.next(map[string]string{"_q.body": "police"}).is(200).reads("City Police") // Enter in the search box looks, and does not lead on
	p.next(map[string]string{"body": "city-police"}).is(200).reads("Which official is it about?")
	p.press("answers", "back", nil)
	if got := p.forms()["answers"].values.Get("body"); got != "city-police" {
		t.Errorf("the chosen office is %q", got)
	}
}

// publicPages are all pages that stand by themselves.
var publicPages = []string{"/", "/how", "/report", "/report/report", "/report/retaliation", "/follow", "/verify", "/about", "/privacy", "/accessibility"}

func TestEveryPublicPageInBothLanguages(t *testing.T) {
	w := publicSQLite(t)
	pagecheck.Templates(t, w.s.site)
	for _, say := range w.book.Speakers() {
		p := w.person(say.Lang())
		for _, path := range publicPages {
			p.visit(path).is(200)
			if !strings.Contains(p.page, `<html lang="`+say.Lang()+`"`) {
				t.Errorf("%s is not in %s", path, say.Lang())
			}
			if strings.Count(p.page, "<h1") != 1 {
				t.Errorf("%s in %s has %d headings of the first level", path, say.Lang(), strings.Count(p.page, "<h1"))
			}
		}
		p.visit("/follow?opened").is(200)
		p.write(nil).press("answers", "send", nil).is(200)
	}
	if missing := w.book.Missing(); len(missing) > 0 {
		t.Errorf("texts are missing: %v", missing)
	}
	for _, path := range []string{"/robots.txt", "/.well-known/security.txt"} {
		p := w.person("en").visit(path).is(200)
		if !strings.Contains(p.page, ": ") {
			t.Errorf("%s: %s", path, p.page)
		}
	}
}

func TestTheHomePageShowsFiguresThatCanBeChecked(t *testing.T) {
	w := publicSQLite(t)
	catchUp := func() {
		t.Helper()
		if err := journal.NewFollowers(w.db, slog.New(slog.DiscardHandler), w.tally).CatchUp(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
	}
	catchUp()
	w.person("en").visit("/").is(200).reads("Figures you can check", "Every report counts once", "Report something", "Somebody is in danger now", "within 5 working days")
	for range 3 {
		w.person("en").write(nil).press("answers", "send", nil).is(200)
	}
	catchUp()
	w.person("en").visit("/").reads("fewer than 5 Reports")
	for range 3 {
		w.person("en").write(nil).press("answers", "send", nil).is(200)
	}
	w.person("en").visit("/").reads("entries are still to be counted")
	catchUp()
	w.person("en").visit("/").reads("6 Reports").readsNot("still to be counted")
}

// Each type of field a pack may ask for has a question, an answer in words, and comes back as it was typed.
func TestEveryTypeOfFieldHasAQuestion(t *testing.T) {
	w := publicSQLite(t)
	label := pack.Text{"en": "Question", "zh-Hans": "问题"}
	for _, tt := range []struct {
		kind pack.FieldType
		list string
		sent url.Values
		want string
	}{
		{pack.TypeText, "", url.Values{"f": {"a line"}}, "a line"},
		{pack.TypeLong, "", url.Values{"f": {"two\nlines"}}, "two\nlines"},
		{pack.TypeNumber, "", url.Values{"f": {"1200"}}, "1,200"},
		{pack.TypeYesNo, "", url.Values{"f": {"no"}}, "No"},
		{pack.TypeDate, "", url.Values{"f-month": {"2"}, "f-year": {"2026"}}, "February 2026"},
		{pack.TypeChoice, "severity", url.Values{"f": {"low"}}, "Low: nobody was harmed"},
		{pack.TypeReasonCode, "early-reasons", url.Values{"f": {"handled"}}, "The same matter has been dealt with already"},
		{pack.TypeConduct, "", url.Values{"f": {"bribery"}}, "Takes or asks for a bribe"},
		{pack.TypeBody, "", url.Values{"f": {"city-police"}}, "City Police"},
		{pack.TypeOfficial, "", url.Values{"f.described": {"tall"}}, "tall"},
		{pack.TypeRank, "", url.Values{"f": {"staff"}}, "Staff"},
		{pack.TypeMatter, "", url.Values{"f": {"R-" + string(ref.NewReference("R"))[2:]}}, "R-"},
		{pack.TypeAllegations, "", url.Values{"f.0.conduct": {"bribery"}, "f.0.place": {"gate"}, "f.0.time-year": {"2025"}}, "Takes or asks for a bribe · 2025 · gate"},
		{pack.TypeReasons, "", url.Values{"f": {"because"}}, "because"},
		{pack.TypePeriod, "", url.Values{"f": {"10"}, "f.unit": {"d"}}, "10 days"},
		{pack.TypeName, "", url.Values{"f": {"Somebody"}}, "Somebody"},
		{pack.TypeContact, "", url.Values{"f": {"at home"}}, "at home"},
		{pack.TypeCheck, "evidence-sheet", url.Values{"f.persons-heard": {"yes"}, "f.official-version": {"no"}, "f.recordings": {"na"}, "f.documents": {"na"}, "f.exculpatory": {"yes"}}, "Everybody who was there has been asked: Yes"},
	} {
		t.Run(string(tt.kind), func(t *testing.T) {
			err := w.db.Read(t.Context(), func(tx *store.Tx) error {
				tree, err := w.s.tree(t.Context(), tx)
				if err != nil {
					return err
				}
				f := pack.Field{ID: "f", Type: tt.kind, List: tt.list, Label: label, Partial: true}
				a := &asker{ctx: t.Context(), tx: tx, say: w.book.For("en"), p: w.pack, tree: tree, sent: tt.sent, errors: map[string]string{}}
				q, err := a.ask(&f, true)
				if err != nil {
					return err
				}
				rec := httptest.NewRecorder()
				r := httptest.NewRequest(http.MethodGet, "/x", nil)
				if err := askView.Show(w.s.site, rec, r, askPage{Shell: view.Shell{Title: "x"}, Action: "/x", Questions: []question{q}}); err != nil {
					return err
				}
				p := &person{w: w, t: t, page: rec.Body.String()}
				got := p.forms()["answers"].values
				for name := range tt.sent {
					if got.Get(name) != tt.sent.Get(name) {
						t.Errorf("%s comes back as %q, was %q", name, got.Get(name), tt.sent.Get(name))
					}
					if !owns("f", name) {
						t.Errorf("%s is not known to belong to the field", name)
					}
				}
				values, wrong, err := a.read([]pack.Field{f})
				if err != nil || len(wrong) > 0 {
					t.Fatalf("%v %v", wrong, err)
				}
				said, err := a.answer(&f, values["f"])
				if err != nil || !strings.Contains(strings.Join(said, "|"), tt.want) {
					t.Errorf("the answer is said as %q, want %q (%v)", said, tt.want, err)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}
