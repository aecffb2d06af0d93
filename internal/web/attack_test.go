package web_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/csv"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"

	"plumbline/internal/account"
	"plumbline/internal/journal"
	"plumbline/internal/matter"
	"plumbline/internal/ref"
	"plumbline/internal/register"
	"plumbline/internal/store"
	"plumbline/internal/testing/journey"
	"plumbline/internal/testing/world"
	"plumbline/internal/web"
)

// What people send who mean no good. Each of these tests names what it protects.

// Another's id, in whatever address it is put, finds nothing.
func TestForgedIdsFindNothing(t *testing.T) {
	o := journey.Open(t, world.SQLite(t))
	intake, other, newcomer := o.As("intake officer"), o.As("officer of another town"), o.As("newcomer")
	r := taken(t, intake)
	for _, path := range []string{at(r), at(r, "people"), at(r, "note"), at(r, "act", "screen"), at(r, "proof", "1"), at(r, "proof", "1", "file"), at(r, "files"),
		"/admin/accounts/" + o.Account["administrator"].String(), "/staff/inspections/1", at("R-00000-00000"), at("' OR 1=1 --")} {
		for _, v := range []*journey.Visitor{other, newcomer} {
			v.Get(path).Is(http.StatusNotFound).SeesNot("He tore up", "mill-street")
		}
	}
	// Somebody else's declaration cannot be ended, nor one made in their name.
	newcomer.Post("/staff/account/ties", url.Values{"other": {o.Vale.String()}, "kind": {"relative"}, "account": {o.Account["intake officer"].String()}, "official": {o.Vale.String()}}).Is(http.StatusOK)
	var made register.Tie
	must(t, o.DB.Read(t.Context(), func(tx *store.Tx) error {
		all, err := register.TiesOf(t.Context(), tx, o.Account["newcomer"], 0)
		if err == nil && len(all) == 1 {
			made = all[0]
		}
		return err
	}))
	if made.Account != o.Account["newcomer"] || made.Official != 0 {
		t.Fatalf("declared %+v", made)
	}
	other.Post("/staff/account/ties/"+strconv.FormatInt(made.ID, 10)+"/end", nil).Is(http.StatusNotFound)
	newcomer.Post("/staff/account/ties/"+strconv.FormatInt(made.ID, 10)+"/end", nil).Is(http.StatusOK)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A form sent twice, later, or with a number that was never shown, does its work once at most.
func TestReplayedFormsDoNothingTwice(t *testing.T) {
	o := journey.Open(t, world.SQLite(t))
	intake := o.As("intake officer")
	r := taken(t, intake)
	form := intake.Get(at(r, "act", "acknowledge"))
	intake.Send(form)
	before := o.Entries()
	intake.Send(form).Is(http.StatusConflict)
	_, fields := form.Form()
	for _, seen := range []string{"0", "-1", "1e9", "9223372036854775807", "99999999999999999999", "", "1 OR 1=1", "0x1"} {
		fields.Set("seen", seen)
		if p := intake.Post(at(r, "act", "acknowledge"), fields); p.Status < 400 || p.Status >= 500 {
			t.Errorf("seen=%q: %d", seen, p.Status)
		}
	}
	if now := o.Entries(); now != before {
		t.Errorf("%d entries were made by replayed forms", now-before)
	}
}

// What was taken away is gone with the next request, whatever session is still open.
func TestStaleSessionsAreWorthNothing(t *testing.T) {
	o := journey.Open(t, world.SQLite(t))
	ctx, by := t.Context(), account.System(journal.ViaCLI)
	intake, second, third := o.As("intake officer"), o.As("second intake officer"), o.As("investigator")
	r := taken(t, intake)
	second.Get(at(r)).Is(http.StatusOK)
	must(t, o.DB.Tx(ctx, func(tx *store.Tx) error {
		st, err := o.Accounts.Load(ctx, tx, o.Account["second intake officer"])
		if err != nil {
			return err
		}
		return o.Accounts.Revoke(ctx, tx, by, account.RevokeCmd{Account: st.Account.ID, Duty: "intake", Body: st.Grants[0].Body, From: st.Grants[0].From})
	}))
	second.Get(at(r)).Is(http.StatusNotFound)
	second.Post(at(r, "note"), url.Values{"text": {"still here"}}).Is(http.StatusNotFound)

	must(t, o.DB.Tx(ctx, func(tx *store.Tx) error {
		return o.Accounts.Deactivate(ctx, tx, by, o.Account["investigator"])
	}))
	if p := third.Get("/staff"); p.Path() != "/staff/sign-in" {
		t.Errorf("an account that was shut out is at %s", p.Path())
	}
	hash, err := o.Accounts.HashPassword(ctx, "eight loud magpies")
	must(t, err)
	must(t, o.DB.Tx(ctx, func(tx *store.Tx) error {
		return o.Accounts.SetHash(ctx, tx, by, o.Account["intake officer"], hash, false)
	}))
	if p := intake.Get("/staff"); p.Path() != "/staff/sign-in" {
		t.Errorf("a session from before the password was changed is at %s", p.Path())
	}
}

// Hidden and invented fields change nothing but what the form is about.
func TestFieldsThatNobodyAskedForAreNotTaken(t *testing.T) {
	o := journey.Open(t, world.SQLite(t))
	intake, admin := o.As("intake officer"), o.As("town administrator")
	r := taken(t, intake)
	before := o.MatterOf(r)
	form := intake.Get(at(r, "act", "acknowledge"))
	_, fields := form.Form()
	for name, value := range map[string]string{"state": "closed", "final": "1", "desk": "admin", "body": "council", "matter": "1", "id": "1", "to": "closed", "account": "1",
		"by.duty": "decider", "pack": "nypd-ccrb@1.0.0", "ref": "R-00000-00000", "__proto__": "1"} {
		fields.Set(name, value)
	}
	intake.Post(at(r, "act", "acknowledge"), fields)
	after := o.MatterOf(r)
	if after.Matter.State != before.Matter.State || after.Matter.Desk != before.Matter.Desk || after.Matter.Body != before.Matter.Body || after.Matter.Pack != before.Matter.Pack ||
		after.Matter.Final != 0 || after.Matter.Ref != before.Matter.Ref {
		t.Errorf("the form changed %+v\ninto %+v", before.Matter, after.Matter)
	}
	// Another pack than the one in force, in the hidden field of a new matter.
	_, fields = intake.Get("/staff/new/report").Form()
	fields.Set("pack", "generic@0.0.1")
	fields.Set("story", "A story.")
	if p := intake.Post("/staff/new/report", fields); p.Status < 400 {
		t.Errorf("opened under rules that are not in force: %d at %s", p.Status, p.Path())
	}
	// An administrator who changes a name cannot bring along duties, a password or another id.
	id := o.Account["newcomer"]
	admin.Post("/admin/accounts/"+id.String()+"/change", url.Values{"name": {"Newcomer"}, "lang": {"en"}, "duty": {"decider"}, "body": {"town"}, "password": {"seven other herons"},
		"id": {o.Account["intake officer"].String()}, "active": {"0"}, "admin": {"1"}})
	must(t, o.DB.Read(t.Context(), func(tx *store.Tx) error {
		st, err := o.Accounts.Load(t.Context(), tx, id)
		if err == nil && (len(st.Grants) != 0 || st.Account.Active != 1) {
			t.Errorf("the account is now %+v", st)
		}
		return err
	}))
	o.As("newcomer") // with the password as it was
}

// No path leads out of what is served.
func TestPathsLeadNowhereElse(t *testing.T) {
	o := journey.Open(t, world.SQLite(t))
	intake := o.As("intake officer")
	r := taken(t, intake)
	for _, path := range []string{"/assets/../go.mod", "/assets/..%2f..%2fgo.mod", "/assets/%2e%2e/%2e%2e/etc/passwd", "/assets/....//go.mod", "/assets//etc/passwd", "/assets/app.css%00.js",
		"/log/tile/../../etc/passwd", "/log/tile/0/..%2f..%2f..%2fetc%2fpasswd", "/log/tile/entries/%2e%2e", "/inspections/1/..%2f..%2fetc%2fpasswd", "/inspections/..%2f..%2fadmin",
		"/staff/matters/..%2f..%2fadmin", "/staff/matters/" + r + "/..%2f..%2f..%2fadmin", at(r, "files", "..%2f..%2fetc%2fpasswd", "original"), at(r, "files", "1%2f..%2f2", "copy"),
		"/figures/..%2f..%2fadmin/table.csv", "/invite/..%2f..%2fstaff", "/report/..%2f..%2fstaff"} {
		p := intake.Get(path)
		if p.Status < 400 || p.Status >= 500 {
			t.Errorf("%s: %d at %s", path, p.Status, p.Path())
		}
		p.SeesNot("root:x:", "module plumbline")
	}
}

// What is exported calculates nothing in a spreadsheet.
func TestExportsHoldNoFormulas(t *testing.T) {
	o := journey.Open(t, world.SQLite(t))
	must(t, o.DB.Tx(t.Context(), func(tx *store.Tx) error {
		town, err := register.BodyByCode(t.Context(), tx, "town")
		if err != nil {
			return err
		}
		for i, name := range []string{`=HYPERLINK("http://x","y")`, "+1+cmd|' /C calc'!A0", "-2+3", "@SUM(1)", "\t=1", "\r=1", "＝1+1"} {
			by := register.By{Actor: journal.Actor{Duty: "operator"}, Via: journal.ViaCLI, At: o.Now()}
			if _, err := register.AddBody(t.Context(), tx, by, register.Body{ID: ref.BodyID(o.DB.NewID()), Code: "odd-" + strconv.Itoa(i), Parent: town.ID, Level: "local",
				Sector: "police", Names: []register.Name{{Lang: "en", Name: name}}}); err != nil {
				return err
			}
		}
		return nil
	}))
	intake := o.As("intake officer")
	for i := range 7 {
		taken(t, intake, "body", "odd-"+strconv.Itoa(i))
	}
	must(t, journal.NewFollowers(o.DB, slog.New(slog.DiscardHandler), o.Ledger.Follower(), matter.Named{}, o.Figures).CatchUp(t.Context(), func(int64, int64) {}))
	looked := 0
	for _, path := range []string{"/figures/reports/table.csv?by=body&body=town", "/figures/reports/table.csv?by=body", "/figures/matters/table.csv?by=body,kind", "/figures/reports/table.csv"} {
		p := o.As("regional supervisor").Get(path)
		if p.Status != http.StatusOK {
			continue
		}
		lines, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(p.Body, "\ufeff"))).ReadAll()
		must(t, err)
		for _, line := range lines {
			for _, cell := range line {
				looked++
				if cell != "" && strings.ContainsAny(cell[:1], "=+-@\t\r") && !number(cell) {
					t.Errorf("%s: a cell begins with a formula: %q", path, cell)
				}
			}
		}
	}
	if looked == 0 {
		t.Error("nothing was exported")
	}
}

func number(s string) bool { _, err := strconv.ParseFloat(s, 64); return err == nil }

// Nothing sent becomes a header of the answer.
func TestNothingSentBecomesAHeader(t *testing.T) {
	o := journey.Open(t, world.SQLite(t))
	const bad = "/staff\r\nSet-Cookie: owned=1\r\n\r\n<script>"
	for _, to := range []string{bad, "//evil.example", "https://evil.example", `/\evil.example`, "/\t/evil.example", "javascript:alert(1)", "/staff/../../evil"} {
		v := o.Stranger()
		p := v.Post("/staff/sign-in", url.Values{"login": {journey.Login("intake officer")}, "password": {journey.Password}, "return": {to}})
		if p.URL.Host != strings.TrimPrefix(o.URL, "http://") {
			t.Errorf("return=%q leads to %s", to, p.URL)
		}
		for _, c := range p.Header.Values("Set-Cookie") {
			if strings.Contains(c, "owned") {
				t.Errorf("return=%q sets %q", to, c)
			}
		}
	}
	for _, path := range []string{"/?lang=en%0d%0aSet-Cookie:%20owned=1", "/figures/reports/table.csv?by=%0d%0aX-Owned:%201", "/log?lang=%00"} {
		p := o.Stranger().Get(path)
		if p.Header.Get("X-Owned") != "" || strings.Contains(strings.Join(p.Header.Values("Set-Cookie"), ";"), "owned=") {
			t.Errorf("%s: %v", path, p.Header)
		}
	}
}

// lines keeps what is logged.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) { l.mu.Lock(); defer l.mu.Unlock(); return l.buf.Write(b) }

// Nobody writes into the log: neither lines of their own nor what they sent.
func TestNobodyWritesIntoTheLog(t *testing.T) {
	log := &lines{}
	o := journey.Open(t, world.SQLite(t), func(d *web.Deps) {
		d.Log = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	v := o.Stranger()
	const forged = "x\ntime=2030-01-01 level=ERROR msg=forged"
	v.Get("/" + url.PathEscape(forged))
	v.Get("/staff/matters/" + url.PathEscape(forged))
	v.Get("/figures/reports?by=" + url.QueryEscape(forged))
	v.Post("/staff/sign-in", url.Values{"login": {forged}, "password": {forged}})
	v.Post("/follow", url.Values{"code": {forged}})
	v.Post("/report/report", url.Values{"story": {forged}, "step": {forged}, "do": {forged}})
	r, err := http.NewRequestWithContext(t.Context(), "GET", o.URL+"/", nil)
	must(t, err)
	r.Header.Set("User-Agent", "forged agent")
	r.Header.Set("X-Request-Id", "forged id")
	res, err := http.DefaultClient.Do(r)
	must(t, err)
	_ = res.Body.Close()
	log.mu.Lock()
	defer log.mu.Unlock()
	if strings.Contains(log.buf.String(), "forged") {
		t.Errorf("the log holds what was sent:\n%s", log.buf.String())
	}
	for _, line := range strings.Split(strings.TrimSpace(log.buf.String()), "\n") {
		if line != "" && !strings.HasPrefix(line, "time=") {
			t.Errorf("a line of its own: %q", line)
		}
	}
}

// Huge, deeply nested and packed requests are refused before they cost much.
func TestUploadBombs(t *testing.T) {
	o := journey.Open(t, world.SQLite(t))
	send := func(method, path, contentType string, header http.Header, body io.Reader) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(context.Background(), method, path, body)
		for k, v := range header {
			r.Header[k] = v
		}
		r.Header.Set("Content-Type", contentType)
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		w := httptest.NewRecorder()
		o.Handler.ServeHTTP(w, r)
		return w
	}
	const form = "application/x-www-form-urlencoded"
	before := o.Entries()
	counted := &counting{r: io.LimitReader(endless{}, 1<<30)}
	if w := send("POST", "/report/report", form, nil, counted); w.Code < 400 || w.Code >= 500 {
		t.Errorf("a gigabyte of form: %d", w.Code)
	}
	if counted.n > 8<<20 {
		t.Errorf("%d bytes of it were read", counted.n)
	}
	var fields strings.Builder
	for i := range 200_000 {
		fields.WriteString("f" + strconv.Itoa(i) + "=&")
	}
	if w := send("POST", "/staff/sign-in", form, nil, strings.NewReader(fields.String())); w.Code >= 500 {
		t.Errorf("a form of 200,000 fields: %d", w.Code)
	}
	var parts bytes.Buffer
	m := multipart.NewWriter(&parts)
	for i := range 20_000 {
		w, err := m.CreateFormField("f" + strconv.Itoa(i))
		must(t, err)
		_, _ = w.Write([]byte("x"))
	}
	must(t, m.Close())
	if w := send("POST", "/staff/sign-in", m.FormDataContentType(), nil, &parts); w.Code >= 500 {
		t.Errorf("20,000 parts: %d", w.Code)
	}
	if w := send("POST", "/staff/sign-in/passkey", "application/json", nil, strings.NewReader(strings.Repeat("[", 500_000)+strings.Repeat("]", 500_000))); w.Code < 400 || w.Code >= 500 {
		t.Errorf("deeply nested JSON: %d", w.Code)
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write(make([]byte, 50<<20))
	must(t, z.Close())
	if w := send("POST", "/report/report", form, http.Header{"Content-Encoding": {"gzip"}}, &packed); w.Code >= 500 {
		t.Errorf("50 MB of nothing, packed: %d", w.Code)
	}
	if now := o.Entries(); now != before {
		t.Errorf("%d entries were made", now-before)
	}
}

type endless struct{}

func (endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = 'a'
	}
	return len(b), nil
}

type counting struct {
	r io.Reader
	n int64
}

func (c *counting) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += int64(n)
	return n, err
}

// Every form of every route refuses what comes from another site, whoever's browser carries it.
func TestOtherSitesSendNothing(t *testing.T) {
	o := journey.Open(t, world.SQLite(t))
	admin := o.As("town administrator")
	before := o.Entries()
	for _, r := range web.Routes() {
		method, path, _ := strings.Cut(r.Pattern, " ")
		if method == http.MethodGet {
			continue
		}
		path = strings.NewReplacer("{kind}", "report", "{ref}", "R-00000-00000", "{action}", "screen", "{id}", o.Account["newcomer"].String(), "{n}", "1", "{key}", "A", "{token}", "1",
			"{number}", "1", "{$}", "").Replace(path)
		for name, header := range map[string]http.Header{
			"another site": {"Sec-Fetch-Site": {"cross-site"}}, "a sister site": {"Sec-Fetch-Site": {"same-site"}}, "an old browser": {"Origin": {"https://evil.example"}},
			"no origin to speak of": {"Origin": {"null"}},
		} {
			if method != http.MethodPost {
				continue // browsers ask first before they send these elsewhere, and nobody answers
			}
			reporters := strings.HasPrefix(path, "/report") || strings.HasPrefix(path, "/receipt") || strings.HasPrefix(path, "/follow")
			if name == "no origin to speak of" && reporters {
				continue // some private browsers say no more; what a reporter sends carries no session that could be abused
			}
			if p := admin.PostFrom(path, url.Values{"x": {"y"}}, header); p.Status != http.StatusForbidden {
				t.Errorf("%s from %s: %d", r.Pattern, name, p.Status)
			}
		}
	}
	if now := o.Entries(); now != before {
		t.Errorf("%d entries were made", now-before)
	}
}
