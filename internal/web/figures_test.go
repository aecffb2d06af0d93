package web

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"plumbline/internal/account"
	"plumbline/internal/demo"
	"plumbline/internal/journal"
	"plumbline/internal/matter"
	"plumbline/internal/office"
	"plumbline/internal/ref"
	"plumbline/internal/register"
	"plumbline/internal/store"
	"plumbline/internal/tally"
	"plumbline/internal/testing/browser"
	"plumbline/internal/testing/world"
	"plumbline/internal/vault"
	"plumbline/internal/words"
)

// figureOffice is the demo's office, whose matters the real engine made, with some history imported on top.
type figureOffice struct {
	t       testing.TB
	server  *Server
	handler http.Handler
	demo    demo.Office
	tally   *tally.Tally
	book    *words.Book
}

// figureImports is how many matters are imported; each has two allegations.
const figureImports = 120

func newFigureOffice(t testing.TB) *figureOffice {
	t.Helper()
	ctx := t.Context()
	db := world.SQLite(t)
	clock := &demo.Clock{}
	now := time.Date(2026, 11, 18, 10, 0, 0, 0, time.UTC)
	clock.Reset(now)
	o, err := office.Open(ctx, db, office.WithClock(clock.Now))
	if err != nil && !errors.Is(err, office.ErrEmpty) {
		t.Fatal(err)
	}
	f := &figureOffice{t: t, demo: demo.Office{DB: db, Office: o, Accounts: account.New(db, o, clock.Now), Engine: matter.New(db, o, clock.Now, vault.New(db, vault.NewOfficeKey(), clock.Now)), Clock: clock}}
	if err := demo.Fill(ctx, f.demo, now, nil); err != nil {
		t.Fatal(err)
	}
	f.tally = tally.New(o)
	f.importHistory(now)
	f.catchUp()
	if f.book, err = words.Load(); err != nil {
		t.Fatal(err)
	}
	f.server, err = newServer(Deps{DB: db, Engine: f.demo.Engine, Office: o, Accounts: f.demo.Accounts, Figures: f.tally, Book: f.book,
		Log: slog.New(slog.DiscardHandler), Now: clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	f.handler = f.server.handler()
	return f
}

func (f *figureOffice) importHistory(now time.Time) {
	f.t.Helper()
	p := f.demo.Office.Active()
	err := f.demo.DB.Tx(f.t.Context(), func(tx *store.Tx) error {
		tree, err := register.LoadTree(f.t.Context(), tx)
		if err != nil {
			return err
		}
		all := tree.All()[1:] // below the very top, which nobody of the demo supervises
		var batch []matter.Imported
		for i := range figureImports {
			id := ref.MatterID(f.demo.DB.NewID())
			body := all[i*i%len(all)].ID
			cmd := matter.ImportCmd{ID: id, Ref: ref.ReferenceFor("H", id.String()), Kind: "case", Pack: office.ID(p), Source: "old-books", SourceKey: strconv.Itoa(i),
				Received: strconv.Itoa(2015 + i%5), Body: body, Concerned: body}
			for no := range 2 {
				c := p.Conduct[(i+no)%3]
				cmd.Allegations = append(cmd.Allegations, matter.Allegation{No: int64(no + 1), Conduct: c.ID, Category: c.Category, Finding: p.Findings[i%3].ID, Data: "{}"})
			}
			e, s, _, err := matter.ImportEntry(nil, cmd, journal.Actor{Duty: "system"}, now)
			if err != nil {
				return err
			}
			batch = append(batch, matter.Imported{Entry: e, New: s})
		}
		return matter.SaveImported(f.t.Context(), tx, batch)
	})
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *figureOffice) catchUp() {
	f.t.Helper()
	if err := journal.NewFollowers(f.demo.DB, slog.New(slog.DiscardHandler), f.tally).CatchUp(f.t.Context(), nil); err != nil {
		f.t.Fatal(err)
	}
}

// figureReader is a person with a browser that keeps cookies.
type figureReader struct {
	f       *figureOffice
	lang    string
	cookies map[string]*http.Cookie
}

func (f *figureOffice) public() *figureReader {
	return &figureReader{f: f, lang: "en", cookies: map[string]*http.Cookie{}}
}

// signedIn is a person of the demo.
func (f *figureOffice) signedIn(login string) *figureReader {
	f.t.Helper()
	r := f.public()
	res := r.do(http.MethodPost, "/staff/sign-in", url.Values{"login": {login}, "password": {demo.Password}})
	if res.StatusCode != http.StatusSeeOther {
		f.t.Fatalf("sign in %s: %d", login, res.StatusCode)
	}
	return r
}

func (r *figureReader) do(method, address string, form url.Values) *http.Response {
	r.f.t.Helper()
	req := httptest.NewRequest(method, address, strings.NewReader(form.Encode()))
	req.Header.Set("Accept-Language", r.lang)
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	for _, c := range r.cookies {
		req.AddCookie(c)
	}
	w := httptest.NewRecorder()
	r.f.handler.ServeHTTP(w, req)
	res := w.Result()
	for _, c := range res.Cookies() {
		r.cookies[c.Name] = c
	}
	return res
}

func (r *figureReader) get(address string, status int) string {
	r.f.t.Helper()
	res := r.do(http.MethodGet, address, nil)
	b, err := io.ReadAll(res.Body)
	if err != nil {
		r.f.t.Fatal(err)
	}
	if res.StatusCode != status {
		r.f.t.Fatalf("%s: %d, want %d\n%s", address, res.StatusCode, status, b[:min(len(b), 3000)])
	}
	return string(b)
}

var anyTag = regexp.MustCompile(`(?s)<[^>]*>`)

// figureText is what a page says.
func figureText(t testing.TB, page string) string {
	t.Helper()
	return strings.Join(strings.Fields(html.UnescapeString(anyTag.ReplaceAllString(page, " "))), " ")
}

// Of the demo's people, one supervises everything in it, one works at a desk.
const (
	figureSupervisor = "national"
	figureDesk       = "intake"
)

func (f *figureOffice) stats(req tally.Request) (res tally.Result) {
	f.t.Helper()
	err := f.demo.DB.Read(f.t.Context(), func(tx *store.Tx) (err error) { res, err = f.tally.Stats(f.t.Context(), tx, req); return err })
	if err != nil {
		f.t.Fatal(err)
	}
	return res
}

func TestFiguresOverHTTP(t *testing.T) {
	f := newFigureOffice(t)
	for _, test := range []struct {
		name string
		run  func(*testing.T, *figureOffice)
	}{
		{"every question is listed with its number", figuresAreListed},
		{"files of a supervisor are the figures themselves", filesAreTheFigures},
		{"every number of a supervisor leads to as many matters", numbersLeadToMatters},
		{"those who do not supervise read what the public reads", desksReadTheRelease},
		{"nothing small is on any public page", nothingSmallOnAnyPage},
		{"a public page of officials leads to pages that are there", officialsLeadOn},
		{"imported things are marked and can be left out", importedIsMarked},
		{"mistakes get a page that helps", mistakesGetHelp},
		{"both languages say everything", bothLanguages},
	} {
		t.Run(test.name, func(t *testing.T) { f.t = t; test.run(t, f) })
	}
	f.t = t
	for _, m := range f.book.Missing() {
		t.Errorf("a text is missing: %s", m)
	}
}

func figuresAreListed(t *testing.T, f *figureOffice) {
	public, super := figureText(t, f.public().get("/figures", 200)), figureText(t, f.signedIn(figureSupervisor).get("/figures", 200))
	for _, m := range f.demo.Office.Active().Measures {
		if !strings.Contains(public, m.Question["en"]) || !strings.Contains(super, m.Question["en"]) {
			t.Errorf("%q is not listed", m.Question["en"])
		}
		res := f.stats(tally.Request{Measure: m.ID, Body: "national"})
		if want := f.book.For("en").Number(res.Total) + " " + m.Label["en"]; !strings.Contains(super, want) {
			t.Errorf("no %q for the supervisor", want)
		}
	}
	if !strings.Contains(public, "Counted up to entry") {
		t.Error("the list does not say as of when")
	}
}

func filesAreTheFigures(t *testing.T, f *figureOffice) {
	r := f.signedIn(figureSupervisor)
	for _, req := range []tally.Request{
		{Measure: "allegations"},
		{Measure: "allegations", By: []string{"finding"}},
		{Measure: "allegations", By: []string{"finding", "category"}},
		{Measure: "matters", By: []string{"kind", "year"}},
		{Measure: "matters", By: []string{"body"}},
		{Measure: "reports", By: []string{"about", "month"}, From: "2026"},
		{Measure: "officials-named", By: []string{"category", "year"}},
		{Measure: "allegations", By: []string{"category"}, From: "2016", To: "2017-06-30"},
		{Measure: "no-such-body-matters", By: nil},
	} {
		if req.Measure == "no-such-body-matters" {
			r.get("/figures/no-such-body-matters/table.json", 404)
			continue
		}
		req.Body = "national"
		q := url.Values{"by": req.By, "body": {req.Body}}
		if req.From != "" {
			q.Set("from", req.From)
		}
		if req.To != "" {
			q.Set("to", req.To)
		}
		req.Words = f.book.For("en")
		want := f.stats(req)
		var got figureJSON
		if err := json.Unmarshal([]byte(r.get("/figures/"+req.Measure+"/table.json?"+q.Encode(), 200)), &got); err != nil {
			t.Fatal(err)
		}
		if got.Total != want.Total || len(got.Rows) != len(want.Rows) || got.Imported == nil || *got.Imported != want.Imported || got.Public {
			t.Errorf("%+v: json has total %d in %d rows", req, got.Total, len(got.Rows))
		}
		for i, row := range got.Rows {
			if !slices.Equal(row.Key, want.Rows[i].Key) || *row.Value != want.Rows[i].Value || !slices.Equal(row.Labels, want.Rows[i].Labels) {
				t.Errorf("%+v: json row %d is %+v, want %+v", req, i, row, want.Rows[i])
			}
		}
		var file bytes.Buffer
		if err := want.WriteCSV(&file); err != nil {
			t.Fatal(err)
		}
		if got := r.get("/figures/"+req.Measure+"/table.csv?"+q.Encode(), 200); got != file.String() {
			t.Errorf("%+v: csv is\n%s\nwant\n%s", req, got, file.String())
		}
		page := figureText(t, r.get("/figures/"+req.Measure+"?"+q.Encode(), 200))
		for _, row := range want.Rows {
			if !strings.Contains(page, f.book.For("en").Number(row.Value)) {
				t.Errorf("%+v: the page lacks the number of %v", req, row.Key)
			}
		}
	}
}

var traceLink = regexp.MustCompile(`<a class="govuk-link" href="(/figures/[^"]*/matters\?[^"]*)">([\d,]+)</a>`)

func numbersLeadToMatters(t *testing.T, f *figureOffice) {
	r := f.signedIn(figureSupervisor)
	for _, address := range []string{"/figures/matters?by=kind", "/figures/matters?by=state&by=year", "/figures/allegations?by=finding&by=category",
		"/figures/matters?by=body", "/figures/matters?by=kind&source=yes", "/figures/matters?by=kind&from=2016&to=2018"} {
		links := traceLink.FindAllStringSubmatch(r.get(address+"&body=national", 200), -1)
		if len(links) < 2 {
			t.Errorf("%s: %d numbers lead anywhere", address, len(links))
		}
		for _, l := range links[:min(len(links), 6)] {
			want, _ := strconv.Atoi(strings.ReplaceAll(l[2], ",", ""))
			got, next := 0, strings.ReplaceAll(l[1], "&amp;", "&")
			for pages := 0; next != ""; pages++ {
				if pages > 20 {
					t.Fatalf("%s: the pages do not end", l[1])
				}
				page := r.get(next, 200)
				got += strings.Count(page, `href="/staff/matters/`) * perMatter(address)
				next = ""
				if m := regexp.MustCompile(`href="([^"]*after=[^"]*)" rel="next"`).FindStringSubmatch(page); m != nil {
					next = strings.ReplaceAll(m[1], "&amp;", "&")
				}
			}
			if perMatter(address) == 1 && got != want {
				t.Errorf("%s: %s leads to %d matters, want %d", address, l[1], got, want)
			}
			if got == 0 {
				t.Errorf("%s: %s leads to none", address, l[1])
			}
		}
	}
}

// perMatter is 1 where what is counted is matters.
func perMatter(address string) int {
	if strings.HasPrefix(address, "/figures/matters") {
		return 1
	}
	return 2
}

func desksReadTheRelease(t *testing.T, f *figureOffice) {
	r := f.signedIn(figureDesk)
	for _, address := range []string{"/figures/matters/table.json?by=kind", "/figures/reports/table.json?by=state"} {
		mine, theirs := r.get(address, 200), f.public().get(address, 200)
		if mine != theirs {
			t.Errorf("%s: a desk reads\n%s\nthe public\n%s", address, mine, theirs)
		}
	}
	r.get("/figures/matters/matters?by=kind&key=report", 403)
	if res := f.public().do(http.MethodGet, "/figures/matters/matters?by=kind&key=report", nil); res.StatusCode != http.StatusSeeOther {
		t.Errorf("the public is answered %d instead of being asked to sign in", res.StatusCode)
	}
}

// Every combination that the form of the page offers, at every body, in both files and on the page.
func nothingSmallOnAnyPage(t *testing.T, f *figureOffice) {
	r := f.public()
	ms, err := f.measures()
	if err != nil {
		t.Fatal(err)
	}
	number := regexp.MustCompile(`govuk-table__cell--numeric"[^>]*><span>(?:<a[^>]*>)?([\d,]+)<`)
	shown, refused := 0, 0
	for _, m := range ms.All() {
		offered := m.Offered()
		by := [][]string{nil}
		for i, a := range offered {
			by = append(by, []string{a})
			for _, b := range offered[i+1:] {
				by = append(by, []string{a, b})
			}
		}
		for _, b := range by {
			for _, rest := range []string{"", "&body=national", "&body=merrow", "&source=no", "&from=2016&to=2017"} {
				q := url.Values{"by": b}.Encode() + rest
				res := r.do(http.MethodGet, "/figures/"+m.ID+"/table.json?"+q, nil)
				var got figureJSON
				switch res.StatusCode {
				case 200:
				case 422, 404:
					refused++
					continue
				default:
					t.Fatalf("%s?%s: %d", m.ID, q, res.StatusCode)
				}
				if err := json.NewDecoder(res.Body).Decode(&got); err != nil {
					t.Fatal(err)
				}
				shown++
				for _, row := range got.Rows {
					if row.Value != nil && *row.Value > 0 && *row.Value < tally.Smallest {
						t.Errorf("%s?%s: %v is %d", m.ID, q, row.Key, *row.Value)
					}
				}
				if shown%3 != 0 {
					continue // the page and the table are made of the same; a third of them will do
				}
				page := r.get("/figures/"+m.ID+"?"+q, 200)
				for _, n := range number.FindAllStringSubmatch(page, -1) {
					if v, _ := strconv.Atoi(strings.ReplaceAll(n[1], ",", "")); v > 0 && v < tally.Smallest {
						t.Errorf("%s?%s: the page shows %d", m.ID, q, v)
					}
				}
				if strings.Contains(page, "/figures/"+m.ID+"/matters?") {
					t.Errorf("%s?%s: the page leads the public to matters", m.ID, q)
				}
				lines, err := csv.NewReader(strings.NewReader(r.get("/figures/"+m.ID+"/table.csv?"+q, 200))).ReadAll()
				if err != nil {
					t.Fatal(err)
				}
				for _, line := range lines[1:] {
					if v, _ := strconv.Atoi(line[len(line)-1]); v > 0 && v < tally.Smallest {
						t.Errorf("%s?%s: the file shows %v", m.ID, q, line)
					}
				}
			}
		}
	}
	if shown < 50 {
		t.Errorf("only %d combinations are shown, %d refused", shown, refused)
	}
}

// Officials, each counted once, are cut in one way at a time; no link of such a page asks for two.
func officialsLeadOn(t *testing.T, f *figureOffice) {
	r := f.public()
	link := regexp.MustCompile(`href="(/figures/officials-named[^"]*)"`)
	followed := 0
	for _, q := range []string{"", "?by=category", "?by=finding", "?by=year", "?by=imported", "?by=body", "?body=national", "?body=national&by=body", "?source=no"} {
		for _, m := range link.FindAllStringSubmatch(r.get("/figures/officials-named"+q, 200), -1) {
			r.get(html.UnescapeString(m[1]), 200)
			followed++
		}
	}
	if followed < 20 {
		t.Errorf("only %d links", followed)
	}
	r.get("/figures/officials-named?by=category&body=national", 422)
}

func (f *figureOffice) measures() (ms *tally.Measures, err error) {
	err = f.demo.DB.Read(f.t.Context(), func(tx *store.Tx) (e error) { ms, e = f.tally.Measures(f.t.Context(), tx); return e })
	return ms, err
}

func importedIsMarked(t *testing.T, f *figureOffice) {
	want := fmt.Sprintf("%d of these were imported; no procedure was followed here for them.", figureImports)
	for name, r := range map[string]*figureReader{"public": f.public(), "supervisor": f.signedIn(figureSupervisor)} {
		if page := figureText(t, r.get("/figures/matters?by=kind&body=national", 200)); !strings.Contains(page, want) {
			t.Errorf("%s: the page does not say %q", name, want)
		}
		var only, own, all figureJSON
		for _, q := range []struct {
			source string
			into   *figureJSON
		}{{"yes", &only}, {"no", &own}, {"", &all}} {
			if err := json.Unmarshal([]byte(r.get("/figures/matters/table.json?body=national&source="+q.source, 200)), q.into); err != nil {
				t.Fatal(err)
			}
		}
		if only.Total != figureImports || own.Total != all.Total-figureImports {
			t.Errorf("%s: imported %d, own %d of %d", name, only.Total, own.Total, all.Total)
		}
		if page := figureText(t, r.get("/figures/matters?body=national&source=yes", 200)); !strings.Contains(page, "No procedure was followed here") {
			t.Errorf("%s: the imported part does not say what it is", name)
		}
	}
}

func mistakesGetHelp(t *testing.T, f *figureOffice) {
	for _, tt := range []struct {
		address string
		status  int
		says    string
	}{
		{"/figures/none", 404, "no such figure"},
		{"/figures/matters?body=nowhere", 404, "There is no such body."},
		{"/figures/matters?by=colour", 422, "cannot be broken down by"},
		{"/figures/matters?by=kind&by=year&by=body", 422, "at most 2"},
		{"/figures/matters?from=soon", 422, "“soon”"},
		{"/figures/matters?from=2019&to=2017", 422, "2019"},
		{"/figures/matters?source=maybe", 422, "what was imported"},
		{"/figures/matters?by=%00%ff", 422, "There is a problem"},
	} {
		for name, r := range map[string]*figureReader{"public": f.public(), "supervisor": f.signedIn(figureSupervisor)} {
			if page := figureText(t, r.get(tt.address, tt.status)); !strings.Contains(page, tt.says) {
				t.Errorf("%s, %s: the page does not say %q", name, tt.address, tt.says)
			}
		}
	}
	super := f.signedIn(figureSupervisor)
	super.get("/figures/matters/matters?by=kind&body=national", 422)
	super.get("/figures/matters/matters?by=kind&key=report", 403)
	super.get("/figures/matters/matters?by=kind&key=report&body=national&after=x", 404)
	for _, n := range []string{"from-day=1&from-month=2&from-year=2016", "from=2016-02-01", "from=2016-02", "from=2016"} {
		super.get("/figures/matters?body=national&"+n, 200)
	}
}

func bothLanguages(t *testing.T, f *figureOffice) {
	for _, r := range []*figureReader{f.public(), f.signedIn(figureSupervisor)} {
		r.lang = "zh-CN"
		delete(r.cookies, "lang")
		for _, address := range []string{"/figures?lang=zh-Hans", "/figures/matters?by=kind&by=year", "/figures/allegations?by=conduct", "/figures/officials-named?by=category", "/figures/reports?by=body"} {
			page := figureText(t, r.get(address, 200))
			for _, english := range []string{"Counted up", "Break down", "imported;", "Download as"} {
				if strings.Contains(page, english) {
					t.Errorf("%s: %q stands in a Chinese page", address, english)
				}
			}
		}
	}
}

// What somebody does is in the figures before they can look it up: within a second, while the parts of a server run.
func TestAFigureFollowsAnActionWithinASecond(t *testing.T) {
	f := newFigureOffice(t)
	r := f.signedIn(figureSupervisor)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- journal.NewFollowers(f.demo.DB, slog.New(slog.DiscardHandler), f.tally).Run(ctx)
	}()
	t.Cleanup(func() { stop(); <-done })
	total := func() int64 {
		var got figureJSON
		if err := json.Unmarshal([]byte(r.get("/figures/matters/table.json?body=national", 200)), &got); err != nil {
			t.Fatal(err)
		}
		return got.Total
	}
	before := total()
	time.Sleep(50 * time.Millisecond) // the followers are at rest
	p := f.demo.Office.Active()
	err := f.demo.DB.Tx(ctx, func(tx *store.Tx) error {
		body, err := register.BodyByCode(ctx, tx, "national")
		if err != nil {
			return err
		}
		id := ref.MatterID(f.demo.DB.NewID())
		e, s, _, err := matter.ImportEntry(nil, matter.ImportCmd{ID: id, Ref: ref.ReferenceFor("H", id.String()), Kind: "case", Pack: office.ID(p), Source: "old-books",
			SourceKey: "late", Received: "2020", Body: body.ID}, journal.Actor{Duty: "system"}, time.Now())
		if err != nil {
			return err
		}
		return matter.SaveImported(ctx, tx, []matter.Imported{{Entry: e, New: s}})
	})
	if err != nil {
		t.Fatal(err)
	}
	acted := time.Now()
	for total() != before+1 {
		if time.Since(acted) > time.Second {
			t.Fatalf("after a second the figure is still %d", before)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// The pages of figures stand in front of a real browser, in both languages, on a phone and at a desk, with and without
// rights. With PLUMBLINE_SHOTS=DIR it leaves pictures.
func TestFiguresHaveNoBarriers(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a browser")
	}
	f := newFigureOffice(t)
	server := httptest.NewServer(f.handler)
	defer server.Close()
	chromium := browser.Start(t)
	signed := f.signedIn(figureSupervisor)
	body := map[string]string{"public": "", "staff": "body=national&"}
	pages := []struct{ name, address string }{
		{"list", "/figures"}, {"one", "/figures/allegations?by=category"}, {"two", "/figures/allegations?by=finding&by=category"}, {"years", "/figures/matters?by=year"},
		{"wide", "/figures/allegations?by=conduct&by=finding"}, {"total", "/figures/matters"}, {"bodies", "/figures/matters?by=body"},
		{"wrong", "/figures/matters?from=soon"}, {"small", "/figures/outcomes?by=tier"}, {"officials", "/figures/officials-named?by=conduct"},
	}
	for _, screen := range []browser.Screen{browser.Phone, browser.Desk} {
		for _, who := range []string{"public", "staff"} {
			tab := chromium.Open(t, screen, true)
			visit := pages
			if who == "staff" {
				for name, c := range signed.cookies {
					tab.SetCookie(server.URL, name, c.Value)
				}
				visit = append(slices.Clone(pages), struct{ name, address string }{"trace", "/figures/matters/matters?by=kind&key=report"})
			}
			for _, say := range f.book.Speakers() {
				for _, p := range visit {
					sep := "?"
					if strings.Contains(p.address, "?") {
						sep = "&"
					}
					tab.Visit(server.URL + p.address + sep + body[who] + "lang=" + say.Lang())
					for _, v := range tab.Barriers() {
						t.Errorf("%s, %s, %s, %s: %s", p.address, who, say.Lang(), screen.Name, v)
					}
					if wide := tab.Wide(); wide > 0 {
						t.Errorf("%s, %s, %s, %s: %d pixels wider than the screen", p.address, who, say.Lang(), screen.Name, wide)
					}
					tab.Shot("figures-" + p.name + "-" + who + "-" + screen.Name + "-" + say.Lang())
				}
			}
		}
	}
}
