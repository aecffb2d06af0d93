package web_test

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"

	"plumbline/internal/store"
	"plumbline/internal/testing/journey"
	"plumbline/internal/testing/world"
	"plumbline/internal/vault"
	"plumbline/internal/web"
)

// ministry is where the people of these tests have accounts elsewhere.
type ministry map[string]*storage.User

func (m ministry) ExampleClientID() string                  { return storage.ServiceUserID }
func (m ministry) GetUserByID(id string) *storage.User      { return m[id] }
func (m ministry) GetUserByUsername(n string) *storage.User { return m[n] }

// openMinistry serves a real OpenID provider in this process, and an office that trusts it.
func openMinistry(t *testing.T, db *store.DB) (*journey.Office, *web.OIDC) {
	t.Helper()
	people := ministry{}
	for name, verified := range map[string]bool{"ann": true, "ben": false, "cleo": true} {
		people[name] = &storage.User{ID: name, Username: name, Password: "verysecure", Email: name + "@ministry.example", EmailVerified: verified}
	}
	var provider http.Handler
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { provider.ServeHTTP(w, r) }))
	t.Cleanup(srv.Close)
	issuer := strings.Replace(srv.URL, "127.0.0.1", "localhost", 1) + "/"
	provider = exampleop.SetupServer(issuer, storage.NewStorage(people), slog.New(slog.DiscardHandler), false)
	elsewhere := &web.OIDC{Name: "the ministry", Issuer: issuer, Client: "plumbline", Secret: "agreed"}
	o := journey.Open(t, db, journey.Elsewhere(elsewhere))
	storage.RegisterClients(storage.WebClient("plumbline", "agreed", o.URL+"/staff/sign-in/elsewhere/back"))
	return o, elsewhere
}

var authRequestRx = regexp.MustCompile(`name="id" value="([^"]+)"`)

// elsewhere is somebody with a browser that has been at both places.
type elsewhere struct {
	t      *testing.T
	o      *journey.Office
	client *http.Client
	issuer string
	back   *url.URL // where the ministry sent the browser back to
}

// wanderer is somebody who has not been anywhere yet.
func wanderer(t *testing.T, o *journey.Office, m *web.OIDC) *elsewhere {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	e := &elsewhere{t: t, o: o, issuer: m.Issuer}
	e.client = &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.Path, "/staff/sign-in/elsewhere/back") {
			u := *r.URL
			e.back = &u
		}
		return nil
	}}
	return e
}

func (e *elsewhere) get(address string) (string, string, int) {
	e.t.Helper()
	res, err := e.client.Get(address)
	if err != nil {
		e.t.Fatal(err)
	}
	return e.read(res)
}

func (e *elsewhere) post(address string, form url.Values) (string, string, int) {
	e.t.Helper()
	r, err := http.NewRequestWithContext(e.t.Context(), http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		e.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := e.client.Do(r)
	if err != nil {
		e.t.Fatal(err)
	}
	return e.read(res)
}

func (e *elsewhere) read(res *http.Response) (path, body string, status int) {
	e.t.Helper()
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		e.t.Fatal(err)
	}
	return res.Request.URL.RequestURI(), string(b), res.StatusCode
}

// signIn goes the whole way by the ministry.
func (e *elsewhere) signIn(name, from string) (path, body string, status int) {
	e.t.Helper()
	_, page, _ := e.get(e.o.URL + from)
	m := authRequestRx.FindStringSubmatch(page)
	if m == nil {
		e.t.Fatalf("not at the ministry's sign-in page:\n%.800s", page)
	}
	return e.post(strings.TrimSuffix(e.issuer, "/")+"/login/username", url.Values{"id": {m[1]}, "username": {name}, "password": {"verysecure"}})
}

func TestSignInWithAnAccountElsewhere(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		o, ministry := openMinistry(t, db)
		admin := o.As("administrator")
		newcomer := "/admin/accounts/" + o.Account["newcomer"].String()
		o.Stranger().Get("/staff/sign-in").Sees("Sign in with the ministry")

		// Nobody is let in whom nobody expects.
		if _, body, status := wanderer(t, o, ministry).signIn("ann", "/staff/sign-in/elsewhere"); status != http.StatusUnprocessableEntity || !strings.Contains(body, "tied to nobody here") {
			t.Fatalf("a stranger from the ministry: %d\n%.600s", status, body)
		}
		// Nor by an administrator who would act in the name of somebody who signs in already: they begin anew first.
		admin.Get(newcomer).SeesNot("Sign-in with the ministry")
		admin.Post(newcomer+"/elsewhere", url.Values{"email": {"ann@ministry.example"}}).Is(http.StatusConflict).Sees("signs in here already")
		admin.Fill(newcomer + "/password").Is(http.StatusOK)
		admin.Get(newcomer).Sees("Sign-in with the ministry")
		admin.Fill(newcomer+"/elsewhere", "email", "nonsense").Is(http.StatusUnprocessableEntity)
		admin.Fill(newcomer+"/elsewhere", "email", "ann@ministry.example").Is(http.StatusOK)

		ann := wanderer(t, o, ministry)
		path, body, status := ann.signIn("ann", "/staff/sign-in/elsewhere?return=%2Fstaff%2Fqueue")
		// The account has no password: a vault password opens its key.
		if status != http.StatusOK || !strings.HasPrefix(path, "/staff/unlock") {
			t.Fatalf("expected from the ministry: %d at %s\n%.600s", status, path, body)
		}
		path, _, _ = ann.post(o.URL+"/staff/unlock", url.Values{"return": {"/staff/queue"}, "password": {journey.Password}, "again": {journey.Password}})
		if path != "/staff/queue" {
			t.Errorf("opened, and led to %s", path)
		}
		// The answer is good once, and in the browser that asked.
		if path, _, _ := ann.get(ann.back.String()); !strings.HasPrefix(path, "/staff/sign-in/elsewhere/back") {
			t.Errorf("the same answer again leads to %s", path)
		}
		thief := wanderer(t, o, ministry)
		thief.get(o.URL + "/staff/sign-in/elsewhere")
		if path, _, status := thief.get(ann.back.String()); status != http.StatusUnprocessableEntity {
			t.Errorf("the answer in another browser: %d at %s", status, path)
		}

		// An address that nobody verified is nobody's.
		reviewer := "/admin/accounts/" + o.Account["reviewer"].String()
		admin.Fill(reviewer + "/password").Is(http.StatusOK)
		admin.Fill(reviewer+"/elsewhere", "email", "ben@ministry.example").Is(http.StatusOK)
		if _, _, status := wanderer(t, o, ministry).signIn("ben", "/staff/sign-in/elsewhere"); status != http.StatusUnprocessableEntity {
			t.Errorf("with an address that was not verified: %d", status)
		}

		// People tie their own account, having proved who they are; then without a password of their own, the vault password opens.
		cleo := wanderer(t, o, ministry)
		cleo.post(o.URL+"/staff/sign-in", url.Values{"login": {"intake.officer"}, "password": {journey.Password}})
		if path, body, _ := cleo.signIn("cleo", "/staff/account/elsewhere"); path != "/staff/account/ways" || !strings.Contains(body, "the ministry signs you in") {
			t.Fatalf("tied, and led to %s", path)
		}
		again := wanderer(t, o, ministry)
		if path, _, _ := again.signIn("cleo", "/staff/sign-in/elsewhere"); !strings.HasPrefix(path, "/staff/unlock") {
			t.Errorf("tied by oneself: led to %s", path)
		}
		admin.Get(newcomer).Sees("the ministry")
		o.Quiet()
	})
}

type counted struct{ n atomic.Int64 }

func (c *counted) RoundTrip(*http.Request) (*http.Response, error) {
	c.n.Add(1)
	return nil, errors.New("nobody answers")
}

// While the ministry cannot be reached, people are told so at once and sign in as usual; nobody queues up to find out again.
func TestAnIssuerThatIsAwayKeepsNobodyWaiting(t *testing.T) {
	var tries counted
	o := journey.Open(t, world.SQLite(t), journey.Elsewhere(&web.OIDC{Name: "the ministry", Issuer: "https://id.ministry.example", Client: "c", Secret: "s", HTTP: &http.Client{Transport: &tries}}))
	for range 5 {
		o.Stranger().Get("/staff/sign-in/elsewhere").Is(http.StatusServiceUnavailable).Sees("the ministry")
	}
	if n := tries.n.Load(); n != 1 {
		t.Errorf("asked %d times in a row", n)
	}
	o.As("intake officer").Get("/staff").Is(http.StatusOK)
}

func TestWhoSignsInElsewhereAloneOpensTheVaultWithAPasswordOfItsOwn(t *testing.T) {
	o, ministry := openMinistry(t, world.SQLite(t))
	admin := o.As("administrator")
	page := admin.Fill("/admin/accounts/new", "name", "Ann", "login", "ann").Is(http.StatusOK)
	at := "/admin/accounts/" + regexp.MustCompile(`/admin/accounts/(\d+)/grant`).FindStringSubmatch(page.Body)[1]
	admin.Fill(at+"/elsewhere", "email", "ann@ministry.example").Is(http.StatusOK)
	ann := wanderer(t, o, ministry)
	path, body, _ := ann.signIn("ann", "/staff/sign-in/elsewhere")
	if !strings.HasPrefix(path, "/staff/unlock") || !strings.Contains(body, "Choose a vault password") {
		t.Fatalf("at %s\n%.600s", path, body)
	}
	const phrase = "a vault of quiet herons"
	if _, body, status := ann.post(o.URL+"/staff/unlock", url.Values{"password": {"short"}, "again": {"short"}}); status != http.StatusUnprocessableEntity || !strings.Contains(body, "at least 12") {
		t.Errorf("a short vault password: %d", status)
	}
	if path, _, _ := ann.post(o.URL+"/staff/unlock", url.Values{"password": {phrase}, "again": {phrase}}); path != "/staff" {
		t.Errorf("the vault is made, and one is at %s", path)
	}
	later := wanderer(t, o, ministry)
	if _, body, _ := later.signIn("ann", "/staff/sign-in/elsewhere"); !strings.Contains(body, `name="phrase"`) {
		t.Fatal("the vault password is not asked for")
	}
	if _, _, status := later.post(o.URL+"/staff/unlock", url.Values{"phrase": {"not this one, surely"}}); status != http.StatusUnprocessableEntity {
		t.Errorf("a wrong vault password: %d", status)
	}
	if path, _, _ := later.post(o.URL+"/staff/unlock", url.Values{"phrase": {phrase}}); path != "/staff" {
		t.Errorf("the right vault password leads to %s", path)
	}
	// It can be changed by whoever knows it.
	const next = "a vault of loud cranes"
	change := o.URL + "/staff/account/phrase"
	if _, _, status := later.post(change, url.Values{"phrase": {"not this one, surely"}, "password": {next}, "again": {next}}); status != http.StatusUnprocessableEntity {
		t.Errorf("changed without the one before: %d", status)
	}
	if path, _, _ := later.post(change, url.Values{"phrase": {phrase}, "password": {next}, "again": {next}}); path != "/staff/account/ways" {
		t.Errorf("changed, and one is at %s", path)
	}
	third := wanderer(t, o, ministry)
	third.signIn("ann", "/staff/sign-in/elsewhere")
	if _, _, status := third.post(o.URL+"/staff/unlock", url.Values{"phrase": {phrase}}); status != http.StatusUnprocessableEntity {
		t.Errorf("the vault password of before: %d", status)
	}
	if path, _, _ := third.post(o.URL+"/staff/unlock", url.Values{"phrase": {next}}); path != "/staff" {
		t.Errorf("the new vault password leads to %s", path)
	}
	var kind string
	if err := o.DB.Read(t.Context(), func(tx *store.Tx) error {
		st, err := o.Accounts.ByLogin(t.Context(), tx, "ann")
		if err != nil {
			return err
		}
		locks, err := o.Engine.Vault().Locks(t.Context(), tx, st.Account.ID)
		if len(locks) == 1 {
			kind = locks[0].Kind
		}
		return err
	}); err != nil || kind != vault.Phrase {
		t.Errorf("the key is locked by %q, %v", kind, err)
	}
	o.Quiet()
}
