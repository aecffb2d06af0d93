// Package journey lets tests walk through the pages of a small office as the people who use them. Only tests import it.
package journey

import (
	"context"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"plumbline/internal/account"
	"plumbline/internal/fault"
	"plumbline/internal/journal"
	"plumbline/internal/ledger"
	"plumbline/internal/matter"
	"plumbline/internal/office"
	"plumbline/internal/pack"
	"plumbline/internal/ref"
	"plumbline/internal/register"
	"plumbline/internal/store"
	"plumbline/internal/tally"
	"plumbline/internal/vault"
	"plumbline/internal/web"
	"plumbline/internal/words"
)

// Password is everybody's.
const Password = "seven quiet herons"

// People are those who work in the office of these tests: their login is the name with dots for spaces. "named officer"
// is Constable Vale, who is in the register and works at intake as well.
var People = map[string][]string{
	"intake officer":          {"intake@town"},
	"second intake officer":   {"intake@town"},
	"investigator":            {"investigator@town"},
	"second investigator":     {"investigator@town"},
	"reviewer":                {"reviewer@town"},
	"decider":                 {"decider@town"},
	"appeals officer":         {"appeals@town"},
	"custodian":               {"custodian@town"},
	"supervisor":              {"supervisor@town"},
	"regional supervisor":     {"supervisor@region"},
	"inspector":               {"inspector@town"},
	"regional inspector":      {"inspector@region"},
	"named officer":           {"intake@town"},
	"officer of another town": {"intake@other"},
	"administrator":           {"admin@region"},
	"town administrator":      {"admin@town"},
	"newcomer":                nil,
}

// Office is a running office.
type Office struct {
	T        *testing.T
	DB       *store.DB
	Office   *office.Office
	Accounts *account.Accounts
	Engine   *matter.Engine
	Figures  *tally.Tally
	Ledger   *ledger.Ledger
	Book     *words.Book
	URL      string
	Handler  http.Handler // what answers at URL
	Account  map[string]ref.AccountID
	Vale     ref.OfficialID // Constable Vale, Mill Street

	mu  sync.Mutex
	now time.Time
}

// Open sets up an office under the generic pack and serves its pages. It is Monday, 9 March 2026, 09:00 UTC.
func Open(t *testing.T, db *store.DB, opts ...Option) *Office {
	t.Helper()
	o := &Office{T: t, DB: db, Account: map[string]ref.AccountID{}, now: time.Date(2026, 3, 9, 9, 0, 0, 0, time.UTC)}
	ctx := t.Context()
	var err error
	if o.Office, err = office.Open(ctx, db); err != nil && err != office.ErrEmpty {
		t.Fatal(err)
	}
	p, err := pack.Bundled("generic")
	o.must(err)
	o.must(o.Office.Load(ctx, journal.Actor{Duty: "operator"}, journal.ViaCLI, p, true))
	v := vault.New(db, vault.NewOfficeKey(), o.Now)
	o.Accounts = account.New(db, o.Office, o.Now, account.WithKeeper(v))
	o.Engine = matter.New(db, o.Office, o.Now, v)
	o.Figures = tally.New(o.Office)
	o.Ledger = ledger.New(db, ledger.Options{Now: o.Now})
	hash, err := o.Accounts.HashPassword(ctx, Password)
	o.must(err)
	o.must(db.Tx(ctx, func(tx *store.Tx) error { return o.settle(ctx, tx, hash) }))
	if o.Book, err = words.Load(); err != nil {
		t.Fatal(err)
	}
	deps := web.Deps{DB: db, Engine: o.Engine, Office: o.Office, Accounts: o.Accounts, Figures: o.Figures, Ledger: o.Ledger, Book: o.Book,
		Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})), Now: o.Now}
	for _, opt := range opts {
		opt(&deps)
	}
	handler, err := web.New(deps)
	o.must(err)
	o.Handler = handler
	srv := httptest.NewServer(handler)
	t.Cleanup(srv.Close)
	o.URL = srv.URL
	return o
}

func (o *Office) must(err error) {
	o.T.Helper()
	if err != nil {
		o.T.Fatal(err)
	}
}

// Now is the office's clock.
func (o *Office) Now() time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.now
}

// Advance lets time pass, and clocks run out.
func (o *Office) Advance(d time.Duration) {
	o.T.Helper()
	o.mu.Lock()
	o.now = o.now.Add(d)
	o.mu.Unlock()
	_, err := o.Engine.RunClocks(o.T.Context())
	o.must(err)
}

// settle founds the bodies, enters the constable and gives people their duties.
func (o *Office) settle(ctx context.Context, tx *store.Tx, hash account.Hash) error {
	by := register.By{Actor: journal.Actor{Duty: "operator"}, Via: journal.ViaCLI, At: o.Now()}
	codes := map[string]ref.BodyID{}
	for _, b := range []struct{ code, parent, level, sector, en, zh string }{
		{"council", "", "national", "council", "Oversight Council", "监督委员会"},
		{"national", "council", "national", "oversight", "National Oversight Office", "全国监督办公室"},
		{"region", "national", "regional", "oversight", "Regional Oversight Office", "地区监督办公室"},
		{"town", "region", "local", "oversight", "Town Oversight Office", "城镇监督办公室"},
		{"town-police", "town", "local", "police", "Town Police", "城镇警察局"},
		{"mill-street", "town-police", "local", "police", "Mill Street Station", "磨坊街派出所"},
		{"other", "region", "local", "oversight", "Other Town Oversight Office", "邻镇监督办公室"},
		{"other-police", "other", "local", "police", "Other Town Police", "邻镇警察局"},
	} {
		made, err := register.AddBody(ctx, tx, by, register.Body{ID: ref.BodyID(o.DB.NewID()), Code: b.code, Parent: codes[b.parent], Level: b.level, Sector: b.sector,
			Names: []register.Name{{Lang: "en", Name: b.en}, {Lang: "zh-Hans", Name: b.zh}}})
		if err != nil {
			return err
		}
		codes[b.code] = made.ID
	}
	vale, err := register.AddOfficial(ctx, tx, by, register.Official{ID: ref.OfficialID(o.DB.NewID()), Source: "personnel", SourceKey: "4711", Name: "Arden Vale", Identified: 1,
		Posts: []register.Post{{No: 1, Body: codes["mill-street"], Title: "Constable", Rank: "staff", From: "2019-05"}}})
	if err != nil {
		return err
	}
	o.Vale = vale.ID
	names := make([]string, 0, len(People))
	for name := range People {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		cmd := account.CreateCmd{Login: Login(name), Name: strings.ToUpper(name[:1]) + name[1:], Lang: "en"}
		if name == "named officer" {
			cmd.Official = o.Vale
		}
		id, err := o.Accounts.Create(ctx, tx, account.System(journal.ViaCLI), cmd)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		o.Account[name] = id
		for _, g := range People[name] {
			duty, body, _ := strings.Cut(g, "@")
			if err := o.Accounts.Grant(ctx, tx, account.System(journal.ViaCLI), account.GrantCmd{Account: id, Duty: duty, Body: codes[body]}); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		if err := o.Accounts.SetHash(ctx, tx, account.System(journal.ViaCLI), id, hash, false); err != nil {
			return err
		}
	}
	return nil
}

// Login is how a person signs in.
func Login(name string) string { return strings.ReplaceAll(name, " ", ".") }

// Entries counts the record.
func (o *Office) Entries() (n int64) {
	o.T.Helper()
	o.must(o.DB.Read(o.T.Context(), func(tx *store.Tx) error {
		return tx.QueryRow(o.T.Context(), `SELECT count(*) FROM entry`).Scan(&n)
	}))
	return n
}

// Visitor is somebody with a browser.
type Visitor struct {
	o      *Office
	t      *testing.T
	who    string
	client *http.Client
	lang   string
}

// Stranger is somebody who is not signed in.
func (o *Office) Stranger() *Visitor {
	jar, err := cookiejar.New(nil)
	o.must(err)
	return &Visitor{o: o, t: o.T, who: "stranger", client: &http.Client{Jar: jar}, lang: "en"}
}

// As is a person of the office, signed in through the sign-in page.
func (o *Office) As(name string) *Visitor {
	o.T.Helper()
	if _, ok := o.Account[name]; !ok {
		o.T.Fatalf("nobody here is called %q", name)
	}
	v := o.Stranger()
	v.who = name
	page := v.Post("/staff/sign-in", url.Values{"login": {Login(name)}, "password": {Password}, "return": {"/staff"}})
	if page.Status != http.StatusOK || page.Path() != "/staff" {
		o.T.Fatalf("%s cannot sign in: %d at %s\n%s", name, page.Status, page.Path(), page.Text())
	}
	return v
}

// In reads pages in another language from now on.
func (v *Visitor) In(lang string) *Visitor { v.lang = lang; return v }

// Cookies are what the browser holds for the office.
func (v *Visitor) Cookies() []*http.Cookie {
	v.t.Helper()
	at, err := url.Parse(v.o.URL)
	v.o.must(err)
	return v.client.Jar.Cookies(at)
}

// Page is an answer.
type Page struct {
	t      *testing.T
	who    string
	Status int
	URL    *url.URL
	Body   string
	Header http.Header
}

// Get opens an address.
func (v *Visitor) Get(path string) *Page {
	v.t.Helper()
	return v.send(http.MethodGet, path, nil, nil)
}

// Post sends a form, as the browser does from a page of this site.
func (v *Visitor) Post(path string, form url.Values) *Page {
	v.t.Helper()
	return v.send(http.MethodPost, path, form, http.Header{"Sec-Fetch-Site": {"same-origin"}})
}

// PostFrom sends a form with the headers a browser would give.
func (v *Visitor) PostFrom(path string, form url.Values, header http.Header) *Page {
	v.t.Helper()
	return v.send(http.MethodPost, path, form, header)
}

func (v *Visitor) send(method, path string, form url.Values, header http.Header) *Page {
	v.t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(v.t.Context(), method, v.o.URL+path, body)
	if err != nil {
		v.t.Fatal(err)
	}
	for k, x := range header {
		r.Header[k] = x
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	r.Header.Set("Accept-Language", v.lang)
	res, err := v.client.Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return &Page{t: v.t, who: v.who, Status: res.StatusCode, URL: res.Request.URL, Body: string(text), Header: res.Header}
}

// Path is where the answer came from, after redirects.
func (p *Page) Path() string { return p.URL.Path }

var (
	tags   = regexp.MustCompile(`(?s)<(script|style|head)\b.*?</(script|style|head)>|<[^>]*>`)
	spaces = regexp.MustCompile(`\s+`)
)

// Text is what a reader sees.
func (p *Page) Text() string {
	return strings.TrimSpace(spaces.ReplaceAllString(html.UnescapeString(tags.ReplaceAllString(p.Body, " ")), " "))
}

// Is checks the status.
func (p *Page) Is(status int) *Page {
	p.t.Helper()
	if p.Status != status {
		p.t.Errorf("%s at %s: status %d, want %d\n%.600s", p.who, p.Path(), p.Status, status, p.Text())
	}
	return p
}

// Sees checks that a reader finds each text.
func (p *Page) Sees(texts ...string) *Page {
	p.t.Helper()
	for _, s := range texts {
		if !strings.Contains(p.Text(), s) {
			p.t.Errorf("%s at %s does not see %q in\n%.3000s", p.who, p.Path(), s, p.Text())
		}
	}
	return p
}

// SeesNot checks that a reader finds none of the texts, not even in an attribute.
func (p *Page) SeesNot(texts ...string) *Page {
	p.t.Helper()
	page := padding.ReplaceAllString(p.Body, "") // noise, in which any short word turns up some day
	for _, s := range texts {
		if strings.Contains(html.UnescapeString(page), s) {
			p.t.Errorf("%s at %s finds %q", p.who, p.Path(), s)
		}
	}
	return p
}

var padding = regexp.MustCompile(`<!--[^<>]*-->\s*$`)

var hrefs = regexp.MustCompile(`<a [^>]*href="([^"]+)"`)

// Links are the addresses on this site that the page leads to, without their fragments.
func (p *Page) Links() []string {
	var out []string
	for _, m := range hrefs.FindAllStringSubmatch(p.Body, -1) {
		u, err := p.URL.Parse(html.UnescapeString(m[1]))
		if err != nil {
			p.t.Errorf("%s: link %q: %v", p.Path(), m[1], err)
			continue
		}
		if u.Host != p.URL.Host || u.Scheme != p.URL.Scheme {
			continue
		}
		if s := u.RequestURI(); !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

var (
	formRx  = regexp.MustCompile(`(?s)<form([^>]*method="post"[^>]*)>(.*?)</form>`)
	goesTo  = regexp.MustCompile(`\baction="([^"]*)"`)
	inputRx = regexp.MustCompile(`(?s)<(?:input|textarea|select|button)\b[^>]*>`)
	attrRx  = regexp.MustCompile(`([a-z-]+)="([^"]*)"`)
)

// Form reads the form of the page's main part with everything that is filled in, ready to be changed and sent.
func (p *Page) Form() (action string, values url.Values) {
	p.t.Helper()
	main := p.Body
	if i := strings.Index(main, "<main"); i >= 0 {
		main = main[i:]
	}
	m := formRx.FindStringSubmatch(main)
	if m == nil {
		p.t.Fatalf("%s: no form at %s\n%.600s", p.who, p.Path(), p.Text())
	}
	values = url.Values{}
	for _, tag := range inputRx.FindAllString(m[2], -1) {
		a := map[string]string{}
		for _, x := range attrRx.FindAllStringSubmatch(tag, -1) {
			a[x[1]] = html.UnescapeString(x[2])
		}
		if a["name"] == "" || strings.HasPrefix(tag, "<button") {
			continue
		}
		switch {
		case a["type"] == "radio" || a["type"] == "checkbox":
			if strings.Contains(tag, " checked") {
				values.Add(a["name"], a["value"])
			}
		case strings.HasPrefix(tag, "<textarea"):
			rest := m[2][strings.Index(m[2], tag)+len(tag):]
			values.Set(a["name"], html.UnescapeString(rest[:strings.Index(rest, "</textarea>")]))
		case strings.HasPrefix(tag, "<select"):
			rest := m[2][strings.Index(m[2], tag)+len(tag):]
			rest = rest[:strings.Index(rest, "</select>")]
			if x := regexp.MustCompile(`value="([^"]*)" selected`).FindStringSubmatch(rest); x != nil {
				values.Set(a["name"], html.UnescapeString(x[1]))
			}
		default:
			values.Add(a["name"], a["value"])
		}
	}
	if to := goesTo.FindStringSubmatch(m[1]); to != nil {
		action = html.UnescapeString(to[1])
	}
	return action, values
}

// Fill opens a form, fills it in and sends it. fill is name, value, name, value …
func (v *Visitor) Fill(path string, fill ...string) *Page {
	v.t.Helper()
	page := v.Get(path)
	if page.Status != http.StatusOK {
		v.t.Fatalf("%s cannot open %s: %d\n%.600s", v.who, path, page.Status, page.Text())
	}
	return v.Send(page, fill...)
}

// Send sends the form of a page back, filled in.
func (v *Visitor) Send(page *Page, fill ...string) *Page {
	v.t.Helper()
	action, values := page.Form()
	if action == "" {
		action = page.URL.RequestURI()
	}
	for i := 0; i+1 < len(fill); i += 2 {
		values.Set(fill[i], fill[i+1])
	}
	return v.Post(action, values)
}

// MatterOf finds the matter with a reference as the record has it.
func (o *Office) MatterOf(reference string) matter.State {
	o.T.Helper()
	parsed, err := ref.ParseReference(reference)
	o.must(err)
	var st matter.State
	err = o.DB.Read(o.T.Context(), func(tx *store.Tx) (err error) {
		st, err = o.Engine.ByRef(o.T.Context(), tx, parsed)
		return err
	})
	if fault.Is(err, fault.NotFound) {
		o.T.Fatalf("there is no matter %s", reference)
	}
	o.must(err)
	return st
}
