package web_test

import (
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"plumbline/internal/account"
	"plumbline/internal/journal"
	"plumbline/internal/store"
	"plumbline/internal/testing/journey"
	"plumbline/internal/testing/world"
	"plumbline/internal/vault"
	"plumbline/internal/web/assets"
)

var invitationRx = regexp.MustCompile(`https?://[^ "<]+(/invite/[A-Za-z0-9_-]{20,})`)

// invited reads the link from the page that shows it.
func invited(t *testing.T, page *journey.Page) string {
	t.Helper()
	m := invitationRx.FindStringSubmatch(page.Text())
	if m == nil {
		t.Fatalf("no link on the page:\n%s", page.Text())
	}
	return m[1]
}

func TestFromTheInvitationToTheDesk(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		o := journey.Open(t, db)
		admin := o.As("town administrator")
		page := admin.Fill("/admin/accounts/new", "name", "Wen Li", "login", "wen.li").Is(http.StatusOK).Sees("Invitation", "wen.li", "works once")
		link := invited(t, page)
		at := "/admin/accounts/" + regexp.MustCompile(`/admin/accounts/(\d+)/grant`).FindStringSubmatch(page.Body)[1]
		admin.Get("/admin/accounts?q=wen").Sees("Wen Li").SeesNot(link)
		admin.Get(at).Sees("Invited", "Take the invitation back").SeesNot(link)

		wen := o.Stranger()
		wen.Get(link).Is(http.StatusOK).Sees("Welcome, Wen Li", "wen.li")
		wen.Fill(link, "password", "short", "again", "short").Is(http.StatusUnprocessableEntity).Sees("Use at least 12 characters")
		wen.Fill(link, "password", "a heron on one leg", "again", "a heron on two legs").Is(http.StatusUnprocessableEntity).Sees("are not the same")
		in := wen.Fill(link, "password", "a heron on one leg", "again", "a heron on one leg")
		if in.Is(http.StatusOK).Sees("Your password is set"); in.Path() != "/staff" {
			t.Fatalf("after the invitation one is at %s", in.Path())
		}
		o.Stranger().Get(link).Is(http.StatusNotFound).Sees("This invitation was used")
		again := o.Stranger()
		again.Post("/staff/sign-in", url.Values{"login": {"wen.li"}, "password": {"a heron on one leg"}}).Is(http.StatusOK).Sees("My work")

		admin.Fill("/admin/accounts/new", "name", "", "login", "wen.li").Is(http.StatusUnprocessableEntity).Sees("Enter a name")
		admin.Fill("/admin/accounts/new", "name", "Another", "login", "wen.li").Is(http.StatusUnprocessableEntity).Sees("This login is taken")

		// A duty that opens content: not by one administrator, and not by the account they made.
		admin.Fill(at+"/grant", "duty", "intake", "body", "town").Is(http.StatusOK).Sees("as soon as a second person has agreed", "Duties that wait")
		wen.Get("/staff/account").Sees("You hold no duty")
		admin.Get("/staff/duties").Sees("Wen Li", "Somebody else decides", "You asked for this")
		colleague := o.As("intake officer")
		colleague.Get("/staff").Sees("1 request waits for your answer")
		agreed(t, colleague, "Wen Li")
		wen.Get("/staff/account").Sees("Intake", "Town Oversight Office")
		admin.Get(at).Sees("Duty asked for", "Duty given", "Intake officer")

		// Begin anew: everything that opened is gone, and said so.
		admin.Get(at + "/password").Sees("lets them in again")
		page = admin.Fill(at + "/password").Is(http.StatusOK).Sees("Invitation")
		if got := wen.Get("/staff"); got.Path() != "/staff/sign-in" {
			t.Errorf("signed out everywhere, and still at %s", got.Path())
		}
		o.Stranger().Post("/staff/sign-in", url.Values{"login": {"wen.li"}, "password": {"a heron on one leg"}}).Is(http.StatusUnprocessableEntity)
		link = invited(t, page)
		admin.Fill(at + "/uninvite").Is(http.StatusOK).Sees("taken back")
		o.Stranger().Get(link).Is(http.StatusNotFound)
		link = invited(t, admin.Fill(at+"/invite").Is(http.StatusOK))
		o.Stranger().Get(link).Sees("A colleague at the same desk lets you in again")
		o.Stranger().Fill(link, "password", "herons on two legs", "again", "herons on two legs").Is(http.StatusOK)
		o.Quiet()
	})
}

func TestOneAdministratorDoesNotCutSomebodysTieToTheRegister(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		o := journey.Open(t, db)
		admin, named, elsewhere := o.As("town administrator"), o.As("named officer"), o.As("reviewer")
		id := o.Account["named officer"].String()
		at := "/admin/accounts/" + id
		vale := "Arden Vale (number " + o.Vale.String() + ")"
		named.Get("/staff/account").Sees(vale).SeesNot("waits for a second person")

		admin.Fill(at+"/change", "official", "").Is(http.StatusOK).Sees("as soon as a second person has agreed", vale, "A change of the number in the register waits", "Another number in the register asked for")
		named.Get("/staff/account").Sees(vale, "waits for a second person", "Not in the register")
		admin.Get("/staff/duties").Sees("Somebody else decides", "You asked for this", vale)
		elsewhere.Get("/staff/duties").SeesNot(vale) // sits at another desk

		second := o.As("intake officer") // at the same desk
		second.Get("/staff").Sees("1 request waits for your answer")
		answer := linkTo(t, second.Get("/staff/duties").Sees("You can decide", vale), "/staff/duties/answer?")
		second.Get(answer).Sees("Is this who they are in the register?", vale, "Not in the register")
		for name, by := range map[string]*journey.Visitor{"who asked": admin, "the person": named, "somebody else": elsewhere} {
			got := by.Post("/staff/duties/answer", url.Values{"account": {id}, "official": {"0"}, "answer": {"agree"}})
			if got.Status != http.StatusForbidden && got.Status != http.StatusNotFound {
				t.Errorf("%s agrees: %d", name, got.Status)
			}
		}
		named.Get("/staff/account").Sees(vale)
		second.Fill(answer, "answer", "refuse").Is(http.StatusOK).Sees("stays as it is")
		named.Get("/staff/account").Sees(vale).SeesNot("waits for a second person")

		admin.Fill(at+"/change", "official", "").Is(http.StatusOK)
		o.As("administrator").In("zh-Hans").Get(answer).Sees("此人在登记册中是否为这一人？")
		second.Fill(answer, "answer", "agree").Is(http.StatusOK)
		named.Get("/staff/account").SeesNot(vale).Sees("Not in the register")
		admin.Get(at).Sees("a second person agreed", "Number in the register: not agreed to")
		o.Quiet()
	})
}

func TestANewDeviceGetsInWhileAStrangerGuesses(t *testing.T) {
	o := journey.Open(t, world.SQLite(t))
	officer, admin := o.As("intake officer"), o.As("town administrator")
	in := url.Values{"login": {"intake.officer"}, "password": {journey.Password}}
	for range 12 {
		o.Stranger().Post("/staff/sign-in", url.Values{"login": {"intake.officer"}, "password": {"a guess of a stranger"}})
	}
	o.Stranger().Post("/staff/sign-in", in).Is(http.StatusUnprocessableEntity).Sees("a browser that is not known here waits", "can make this one known")
	at := "/admin/accounts/" + o.Account["intake officer"].String()
	rx := regexp.MustCompile(`https?://[^ "<]+(/staff/sign-in/browser/[A-Za-z0-9_-]+)`)
	for name, page := range map[string]*journey.Page{
		"the person":       officer.Post("/staff/account/sessions", url.Values{"browser": {"yes"}}).Is(http.StatusOK),
		"an administrator": admin.Fill(at + "/browser").Is(http.StatusOK),
	} {
		m := rx.FindStringSubmatch(page.Text())
		if m == nil {
			t.Fatalf("%s: no link on the page:\n%s", name, page.Text())
		}
		device := o.Stranger()
		device.Get(m[1]).Is(http.StatusOK).Sees("Make this browser known").SeesNot("Intake officer")
		if got := device.Get("/staff"); got.Path() != "/staff/sign-in" {
			t.Errorf("the link of %s signs in", name)
		}
		device.Post("/staff/sign-in", in).Is(http.StatusUnprocessableEntity) // looked at the page, and no more
		device.Fill(m[1]).Is(http.StatusOK).Sees("This browser is known now")
		device.Post("/staff/sign-in", in).Is(http.StatusOK).Sees("My work")
		device.Get(m[1] + "x").Is(http.StatusNotFound).Sees("This link is over")
	}
	admin.Post("/admin/accounts/"+o.Account["regional supervisor"].String()+"/browser", url.Values{"do": {"yes"}}).Is(http.StatusForbidden)
	o.Quiet()
}

// Browsers know no passkeys of an address of numbers: none is offered there, and asking for one is no failure of ours.
func TestPasskeysBelongToAName(t *testing.T) {
	o := journey.Open(t, world.SQLite(t))
	for host, works := range map[string]bool{o.URL: false, strings.Replace(o.URL, "127.0.0.1", "localhost", 1): true} {
		res, err := http.Get(host + "/staff/sign-in")
		if err != nil {
			t.Fatal(err)
		}
		page, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil || strings.Contains(string(page), "data-passkey") != works {
			t.Errorf("%s: a passkey is offered: %v (%v)", host, !works, err)
		}
		res, err = http.Post(host+"/staff/sign-in/passkey/ask", "application/x-www-form-urlencoded", nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if want := map[bool]int{true: http.StatusOK, false: http.StatusConflict}[works]; res.StatusCode != want {
			t.Errorf("%s: asking for a passkey: %d, want %d", host, res.StatusCode, want)
		}
	}
	officer := o.As("intake officer")
	officer.Get("/staff/account/passkeys/new").Is(http.StatusOK).Sees("Open these pages under a name")
	o.Quiet()
}

// A proof raises what a session may do: the token from before opens nothing any more, what is unsealed stays so, and the session
// ends when it would have ended.
func TestAProofGivesTheSessionAnotherToken(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		o := journey.Open(t, db)
		officer := o.As("intake officer")
		token := func() string {
			for _, c := range officer.Cookies() {
				if c.Name == "plumbline" {
					return c.Value
				}
			}
			t.Fatal("no session")
			return ""
		}
		deadline := func() string {
			var data []byte
			err := db.Read(t.Context(), func(tx *store.Tx) error {
				return tx.QueryRow(t.Context(), `SELECT data FROM session WHERE account = $1`, int64(o.Account["intake officer"])).Scan(&data)
			})
			if err != nil {
				t.Fatal(err)
			}
			return regexp.MustCompile(`"deadline":"[^"]+"`).FindString(string(data))
		}
		until := deadline()
		for name, prove := range map[string]func(){
			"a page": func() {
				officer.Post("/staff/confirm", url.Values{"proof.password": {journey.Password}}).Is(http.StatusOK)
			},
			"a form sent with it":         func() { officer.Post("/staff/account/recovery", url.Values{"proof.password": {journey.Password}}) },
			"signing out everywhere else": func() { officer.Post("/staff/account/sessions", url.Values{"all": {"yes"}}).Is(http.StatusOK) },
		} {
			o.Advance(11 * time.Minute)
			before := token()
			if prove(); token() == before {
				t.Errorf("%s: the token stays", name)
			}
			if got := deadline(); got != until {
				t.Errorf("%s: the session ends at %s instead of %s", name, got, until)
			}
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, o.URL+"/staff/account/sessions", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.AddCookie(&http.Cookie{Name: "plumbline", Value: before})
			res, err := http.DefaultTransport.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			if res.StatusCode != http.StatusSeeOther {
				t.Errorf("%s: the token from before still opens: %d", name, res.StatusCode)
			}
		}
		if got := officer.Get("/staff/unlock?return=/staff/queue"); got.Path() != "/staff/queue" {
			t.Error("what was unsealed is shut after a proof")
		}
		o.Quiet()
	})
}

// linkTo is the first link of a page that begins in a way.
func linkTo(t *testing.T, page *journey.Page, prefix string) string {
	t.Helper()
	for _, l := range page.Links() {
		if strings.HasPrefix(l, prefix) {
			return l
		}
	}
	t.Fatalf("no link begins with %s", prefix)
	return ""
}

func TestDangerousStepsAskWhoOneIsAndKeepWhatWasTyped(t *testing.T) {
	o := journey.Open(t, world.SQLite(t))
	admin := o.As("town administrator")
	at := "/admin/accounts/" + o.Account["newcomer"].String()
	form := admin.Get(at + "/grant").Is(http.StatusOK)
	o.Advance(11 * time.Minute)
	// The form that was open too long comes back with a question, and nothing is lost.
	ask := admin.Send(form, "duty", "analyst", "body", "town").Is(http.StatusUnprocessableEntity).Sees("Confirm that it is you")
	if _, v := ask.Form(); v.Get("duty") != "analyst" || v.Get("body") != "town" {
		t.Errorf("what was typed is gone: %v", v)
	}
	wrong := admin.Send(ask, "proof.password", "not it").Is(http.StatusUnprocessableEntity).Sees("This is not right").SeesNot("not it\"")
	admin.Send(wrong, "proof.password", journey.Password).Is(http.StatusOK).Sees("Newcomer now holds the duty")
	// A page that is opened too late leads there by way of the question.
	o.Advance(11 * time.Minute)
	page := admin.Get(at + "/active")
	if page.Path() != "/staff/confirm" {
		t.Fatalf("opened without a question: %s", page.Path())
	}
	back := admin.Send(page, "proof.password", journey.Password)
	if back.Path() != at+"/active" {
		t.Errorf("led to %s", back.Path())
	}
	for _, path := range []string{at + "/password", at + "/invite", at + "/revoke", "/staff/account/tokens/new", "/staff/account/code", "/staff/account/passkeys/new", "/staff/duties/answer", "/admin/settings"} {
		o.Advance(11 * time.Minute)
		before := o.Entries()
		got := admin.Post(path, url.Values{})
		if got.Status != http.StatusUnprocessableEntity || !strings.Contains(got.Text(), "Confirm that it is you") {
			t.Errorf("POST %s without a fresh proof: %d", path, got.Status)
		}
		if o.Entries() != before {
			t.Errorf("POST %s had an effect", path)
		}
	}
	for range 6 {
		admin.Post("/staff/confirm", url.Values{"proof.password": {"guess"}})
	}
	if got := admin.Post("/staff/confirm", url.Values{"proof.password": {journey.Password}}); got.Status != http.StatusUnprocessableEntity {
		t.Error("at an unattended screen the password can be guessed without end")
	}
}

func TestSignInWithACode(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		o := journey.Open(t, db)
		intake := o.As("intake officer")
		ref := taken(t, intake)
		page := intake.Get("/staff/account/code").Is(http.StatusOK).Sees("Codes from an app")
		if !strings.Contains(page.Body, "<svg") {
			t.Error("no picture to read with a phone")
		}
		secret := strings.ReplaceAll(regexp.MustCompile(`(?:[A-Z2-7]{4} ){7}[A-Z2-7]{4}`).FindString(page.Text()), " ", "")
		code := func() string {
			c, err := totp.GenerateCode(secret, o.Now())
			if err != nil {
				t.Fatalf("secret %q: %v", secret, err)
			}
			return c
		}
		page = intake.Send(page, "code", "12").Is(http.StatusUnprocessableEntity).Sees("This code is not right")
		page = intake.Send(page, "code", code()).Is(http.StatusOK).Sees("Your recovery codes", "shown only now")
		recovery := regexp.MustCompile(`[a-z2-7]{4}(-[a-z2-7]{4}){3}`).FindAllString(page.Text(), -1)
		if len(recovery) != 10 {
			t.Fatalf("%d recovery codes", len(recovery))
		}
		intake.Get("/staff/account/ways").Sees("10 recovery codes left").SeesNot(recovery[0], secret)

		half := o.Stranger()
		ask := half.Post("/staff/sign-in", url.Values{"login": {"intake.officer"}, "password": {journey.Password}, "return": {at(ref)}})
		if ask.Path() != "/staff/sign-in/code" {
			t.Fatalf("the password alone leads to %s", ask.Path())
		}
		if got := half.Get("/staff"); got.Path() != "/staff/sign-in" {
			t.Errorf("half a sign-in opens %s", got.Path())
		}
		half.Send(ask, "code", "000000").Is(http.StatusUnprocessableEntity).Sees("This code is not right")
		o.Advance(time.Minute)
		in := half.Send(ask, "code", code()).Is(http.StatusOK)
		if in.Path() != at(ref) {
			t.Errorf("led to %s", in.Path())
		}
		other := o.Stranger()
		ask = other.Post("/staff/sign-in", url.Values{"login": {"intake.officer"}, "password": {journey.Password}})
		other.Send(ask, "code", recovery[7]).Is(http.StatusOK)
		other.Get("/staff/account/ways").Sees("9 recovery codes left")
		other.Get("/staff/account/sessions").Sees("Password and code", "Password right").SeesNot("127.0.0.1", "Go-http-client")
		other.Fill("/staff/account/code/remove").Is(http.StatusOK).Sees("Removed")
		if got := o.Stranger().Post("/staff/sign-in", url.Values{"login": {"intake.officer"}, "password": {journey.Password}}); got.Path() != "/staff" {
			t.Errorf("without codes the password leads to %s", got.Path())
		}
		o.Quiet()
	})
}

func TestAnOfficeCanAskEverybodyForASecondFactor(t *testing.T) {
	o := journey.Open(t, world.SQLite(t))
	intake := o.As("intake officer")
	o.Set("second-factor", "required")
	for _, path := range []string{"/staff", "/staff/queue", "/staff/account/tokens"} {
		if got := intake.Get(path); got.Path() != "/staff/account/ways" {
			t.Errorf("without a second factor one gets to %s", got.Path())
		}
	}
	intake.Get("/staff/account/ways").Is(http.StatusOK).Sees("Set up a second factor first")
	page := intake.Get("/staff/account/code").Is(http.StatusOK)
	secret := strings.ReplaceAll(regexp.MustCompile(`(?:[A-Z2-7]{4} ){7}[A-Z2-7]{4}`).FindString(page.Text()), " ", "")
	code, err := totp.GenerateCode(secret, o.Now())
	if err != nil {
		t.Fatal(err)
	}
	intake.Send(page, "code", code).Is(http.StatusOK)
	if got := intake.Get("/staff"); got.Path() != "/staff" {
		t.Errorf("with a second factor one gets to %s", got.Path())
	}
}

func TestSessionsCanBeEndedOneByOneAndAllAtOnce(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		o := journey.Open(t, db)
		here, there, third := o.As("intake officer"), o.As("intake officer"), o.As("intake officer")
		page := here.Get("/staff/account/sessions").Is(http.StatusOK).Sees("This browser")
		rx := regexp.MustCompile(`(?s)<tr[^>]*>.*?</tr>`)
		var other string
		for _, row := range rx.FindAllString(page.Body, -1) {
			if m := regexp.MustCompile(`name="session"[^>]*value="([^"]+)"|value="([^"]+)"[^>]*name="session"`).FindStringSubmatch(row); m != nil && !strings.Contains(row, "This browser") {
				other = m[1] + m[2]
			}
		}
		if other == "" {
			t.Fatalf("the list shows no other session:\n%s", page.Text())
		}
		here.Post("/staff/account/sessions", url.Values{"session": {other}}).Is(http.StatusOK)
		gone := 0
		for _, v := range []*journey.Visitor{there, third} {
			if v.Get("/staff").Path() == "/staff/sign-in" {
				gone++
			}
		}
		if gone != 1 || here.Get("/staff").Path() != "/staff" {
			t.Errorf("%d other sessions were ended, want the one", gone)
		}
		here.Post("/staff/account/sessions", url.Values{"all": {"yes"}}).Is(http.StatusOK).Sees("signed out everywhere else")
		for _, v := range []*journey.Visitor{there, third} {
			if got := v.Get("/staff"); got.Path() != "/staff/sign-in" {
				t.Errorf("signed out everywhere, and still at %s", got.Path())
			}
		}
		if here.Get("/staff").Path() != "/staff" {
			t.Error("signed out here as well")
		}
		o.Quiet()
	})
}

func TestSignInHandsTheSecretToTheVault(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		o := journey.Open(t, db)
		v := o.Engine.Vault()
		intake := o.As("intake officer")
		id := o.Account["intake officer"]
		if _, err := v.Unlock(t.Context(), id, vault.Secret{Kind: vault.Password, Bytes: []byte(journey.Password)}); err != nil {
			t.Fatalf("signed in with a password, and no key was made: %v", err)
		}
		const next = "a heron on one leg"
		intake.Fill("/staff/account/password", "old", journey.Password, "password", next, "again", next).Is(http.StatusOK).Sees("Your password is changed")
		if _, err := v.Unlock(t.Context(), id, vault.Secret{Kind: vault.Password, Bytes: []byte(next)}); err != nil {
			t.Errorf("the new password does not open the key: %v", err)
		}
		if _, err := v.Unlock(t.Context(), id, vault.Secret{Kind: vault.Password, Bytes: []byte(journey.Password)}); err == nil {
			t.Error("the old password opens the key still")
		}
		// A temporary password, which somebody else knows, locks nobody's key.
		other := o.Account["second intake officer"]
		if err := o.Accounts.SetPassword(t.Context(), account.System(journal.ViaCLI), other, "handed over in person", true); err != nil {
			t.Fatal(err)
		}
		w := o.Stranger()
		w.Post("/staff/sign-in", url.Values{"login": {"second.intake.officer"}, "password": {"handed over in person"}}).Is(http.StatusOK)
		has := func() (yes bool) {
			if err := db.Read(t.Context(), func(tx *store.Tx) (err error) { yes, err = v.HasKey(t.Context(), tx, other); return err }); err != nil {
				t.Fatal(err)
			}
			return yes
		}
		if has() {
			t.Error("a key was made with a temporary password")
		}
		w.Fill("/staff/account/password", "old", "handed over in person", "password", next, "again", next).Is(http.StatusOK)
		if !has() {
			t.Error("the person chose a password, and no key was made")
		}
	})
}

func TestAProgramReadsWhatItsTokenIsGoodFor(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		o := journey.Open(t, db)
		super := o.As("supervisor")
		page := super.Fill("/staff/account/tokens/new", "name", "Dashboard", "scope", account.ScopeFigures, "days", "30").Is(http.StatusOK).Sees("shown only now")
		token := regexp.MustCompile(`plumbline_[A-Za-z0-9_-]{43}`).FindString(page.Text())
		if token == "" {
			t.Fatalf("no token on the page:\n%s", page.Text())
		}
		list := super.Get("/staff/account/tokens").Is(http.StatusOK).Sees("Dashboard", "Figures", "Not yet").SeesNot(token)
		get := func(path, token string) (int, string) {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, o.URL+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", "Bearer "+token)
			res, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			return res.StatusCode, res.Header.Get("Content-Type")
		}
		measure := o.Office.Active().Measures[0].ID
		if status, kind := get("/figures/"+measure+"/table.json", token); status != http.StatusOK || !strings.Contains(kind, "json") {
			t.Errorf("figures of %s: %d %s", measure, status, kind)
		}
		for _, path := range []string{"/staff", "/staff/queue", "/admin", "/staff/account/tokens", "/", "/figures"} {
			if status, _ := get(path, token); status != http.StatusForbidden {
				t.Errorf("with a token for figures, %s: %d", path, status)
			}
		}
		if status, _ := get("/figures/"+measure+"/table.json", token+"x"); status != http.StatusUnauthorized {
			t.Errorf("with a token that was made up: %d", status)
		}
		super.Get("/staff/account/tokens").SeesNot("Not yet")
		for _, l := range list.Links() {
			if strings.HasSuffix(l, "/remove") {
				super.Fill(l).Is(http.StatusOK).Sees("The token is taken back")
			}
		}
		if status, _ := get("/figures/"+measure+"/table.json", token); status != http.StatusUnauthorized {
			t.Errorf("with a token that was taken back: %d", status)
		}
		super.Fill("/staff/account/tokens/new", "name", "").Is(http.StatusUnprocessableEntity).Sees("Enter what it is for", "Choose what it may read")
		o.Quiet()
	})
}

func TestHeadersAndCookies(t *testing.T) {
	for _, secure := range []bool{false, true} {
		t.Run(strconv.FormatBool(secure), func(t *testing.T) {
			o := journey.Open(t, world.SQLite(t), journey.Secure(secure))
			for _, path := range []string{"/", "/report", "/follow", "/staff/sign-in", "/nothing-here"} {
				r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, o.URL+path, nil)
				if err != nil {
					t.Fatal(err)
				}
				res, err := http.DefaultClient.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				_ = res.Body.Close()
				h := res.Header
				for name, want := range map[string]string{
					"Content-Security-Policy": "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
					"X-Content-Type-Options":  "nosniff", "X-Frame-Options": "DENY", "Cross-Origin-Opener-Policy": "same-origin",
					"Cross-Origin-Resource-Policy": "same-origin", "Referrer-Policy": "same-origin", "Cache-Control": "no-store",
				} {
					if got := h.Get(name); got != want {
						t.Errorf("%s: %s is %q, want %q", path, name, got, want)
					}
				}
				for _, off := range []string{"camera=()", "microphone=()", "geolocation=()"} {
					if !strings.Contains(h.Get("Permissions-Policy"), off) {
						t.Errorf("%s: Permissions-Policy %q lacks %s", path, h.Get("Permissions-Policy"), off)
					}
				}
				if got := h.Get("Strict-Transport-Security"); (got != "") != secure {
					t.Errorf("%s: Strict-Transport-Security %q", path, got)
				}
			}
			// What is no page, and what is answered before any page is asked.
			css, err := assets.URL("app.css")
			if err != nil {
				t.Fatal(err)
			}
			noFollow := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
			for _, path := range []string{"/assets/nothing.css", css, "//elsewhere.example/x", "/log/checkpoint", "/log/tile/x", "/staff", "/inspections/1/x.csv"} {
				r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, o.URL+path, nil)
				if err != nil {
					t.Fatal(err)
				}
				res, err := noFollow.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				_ = res.Body.Close()
				csp := res.Header.Get("Content-Security-Policy")
				if !strings.Contains(csp, "frame-ancestors 'none'") || strings.Contains(csp, "unsafe") {
					t.Errorf("%s (%d): Content-Security-Policy %q", path, res.StatusCode, csp)
				}
				for _, name := range []string{"X-Content-Type-Options", "Cross-Origin-Opener-Policy", "Cross-Origin-Resource-Policy", "Permissions-Policy", "Referrer-Policy", "Cache-Control"} {
					if res.Header.Get(name) == "" {
						t.Errorf("%s (%d): no %s", path, res.StatusCode, name)
					}
				}
				if got := res.Header.Get("Strict-Transport-Security"); (got != "") != secure {
					t.Errorf("%s: Strict-Transport-Security %q", path, got)
				}
			}
			// Every cookie there is: the session's, the browser's, the language's, a report's, a message for the next page.
			client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
			post := func(path string, form url.Values) []*http.Cookie {
				r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, o.URL+path, strings.NewReader(form.Encode()))
				if err != nil {
					t.Fatal(err)
				}
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				r.Header.Set("Sec-Fetch-Site", "same-origin")
				res, err := client.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				_ = res.Body.Close()
				return res.Cookies()
			}
			all := post("/staff/sign-in?lang=en", url.Values{"login": {"reviewer"}, "password": {journey.Password}})
			all = append(all, post("/staff/sign-out", url.Values{})...)
			if len(all) < 4 {
				t.Fatalf("only %d cookies: %v", len(all), all)
			}
			for _, c := range all {
				if c.Value == "" || c.MaxAge < 0 {
					continue
				}
				if !c.HttpOnly || c.Path != "/" || c.Domain != "" || c.SameSite != http.SameSiteLaxMode && c.SameSite != http.SameSiteStrictMode {
					t.Errorf("cookie %s", c)
				}
				if secure != c.Secure || secure != strings.HasPrefix(c.Name, "__Host-") {
					t.Errorf("secure %v: cookie %s", secure, c)
				}
			}
		})
	}
}

func TestATokenOpensNothingThatIsSealed(t *testing.T) {
	o := journey.Open(t, world.SQLite(t))
	o.StartLog()
	intake := o.As("intake officer")
	ref := taken(t, intake)
	intake.Post(at(ref, "open"), url.Values{"reason": {"work"}}).Is(http.StatusOK).Sees("He tore up the note") // the person has it open in their own browser
	page := intake.Fill("/staff/account/tokens/new", "name", "Archive", "scope", account.ScopeMatters, "days", "7").Is(http.StatusOK)
	token := regexp.MustCompile(`plumbline_[A-Za-z0-9_-]{43}`).FindString(page.Text())
	for path, want := range map[string]int{
		at(ref, "proof", "1", "file"):                http.StatusOK,
		at(ref, "proof", "1", "file") + "?words=yes": http.StatusOK,
		at(ref):                       http.StatusForbidden,
		at(ref, "proof", "1"):         http.StatusForbidden,
		"/figures/reports/table.json": http.StatusForbidden,
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, o.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, res.StatusCode, want)
		}
		if strings.Contains(string(body), "tore up") || strings.Contains(string(body), "handed in") {
			t.Errorf("%s tells what is sealed", path)
		}
	}
}

// Whoever takes a duty away is told before it is too late to hand over what only that person can open.
func TestTakingADutyFromTheOnlyOneWarns(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) { onlyOneWarns(t, journey.Open(t, db)) })
}

func onlyOneWarns(t *testing.T, o *journey.Office) {
	t.Helper()
	admin, intake := o.As("administrator"), o.As("intake officer")
	o.As("custodian")
	taken(t, intake)
	for who, warned := range map[string]bool{"custodian": true, "intake officer": false} {
		at := "/admin/accounts/" + o.Account[who].String()
		for _, link := range admin.Get(at).Is(http.StatusOK).Links() {
			if !strings.HasPrefix(link, at+"/revoke") && link != at+"/active" {
				continue
			}
			page := admin.Get(link).Is(http.StatusOK)
			if got := strings.Contains(page.Text(), "can open what is sealed to"); got != warned {
				t.Errorf("%s at %s: warned: %v", who, link, got)
			}
		}
	}
}
