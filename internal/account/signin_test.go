package account_test

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"plumbline/internal/account"
	"plumbline/internal/fault"
	"plumbline/internal/journal"
	"plumbline/internal/ref"
	"plumbline/internal/store"
	"plumbline/internal/vault"
)

const right = "seven quiet herons"

func (b *bench) worker(login string) ref.AccountID {
	b.Helper()
	id := b.create(login)
	if err := b.s.SetPassword(b.Context(), system, id, right, false); err != nil {
		b.Fatal(err)
	}
	return id
}

func (b *bench) in(a account.Attempt) bool {
	b.Helper()
	_, err := b.s.SignIn(b.Context(), a)
	if err != nil && !fault.Is(err, fault.Forbidden) {
		b.Fatal(err)
	}
	return err == nil
}

func TestStrangersLockOutNobodyButStrangers(t *testing.T) {
	each(t, func(b *bench) {
		id := b.worker("worker")
		other := b.worker("other")
		known := b.s.RememberDevice(id, "")
		if again := b.s.RememberDevice(id, known); again != known {
			t.Error("a browser that is known gets another tag")
		}
		both := b.s.RememberDevice(other, known)
		if !strings.HasSuffix(both, known) || strings.Count(both, ".") != 1 {
			t.Errorf("a second account made %q of %q", both, known)
		}
		for range 12 {
			b.in(account.Attempt{Login: "worker", Password: "wrong wrong wrong"})
		}
		if b.in(account.Attempt{Login: "worker", Password: right}) {
			t.Error("a stranger who guessed twelve times does not wait")
		}
		for name, devices := range map[string]string{"its own browser": known, "a browser of two people": both} {
			if !b.in(account.Attempt{Login: "worker", Password: right, Devices: devices}) {
				t.Errorf("strangers keep %s waiting", name)
			}
		}
		for name, devices := range map[string]string{
			"the browser of somebody else": b.s.RememberDevice(other, ""), "a tag that was made up": strings.Repeat("A", 38),
			"a tag that was changed": "B" + known[1:], "a flood of tags": strings.Repeat("A.", 5000) + known,
		} {
			if b.in(account.Attempt{Login: "worker", Password: right, Devices: devices}) {
				t.Errorf("%s is taken for a browser of this account", name)
			}
		}
		for range 6 {
			b.in(account.Attempt{Login: "worker", Password: "wrong", Devices: known})
		}
		if b.in(account.Attempt{Login: "worker", Password: right, Devices: known}) {
			t.Error("from a known browser one may guess without end")
		}
	})
}

func TestANewBrowserCanBeMadeKnownWhileStrangersGuess(t *testing.T) {
	each(t, func(b *bench) {
		o := b.small()
		for _, id := range []ref.AccountID{o.holder, o.newcomer} {
			if err := b.s.SetPassword(b.Context(), system, id, right, false); err != nil {
				t.Fatal(err)
			}
		}
		for range 12 {
			b.in(account.Attempt{Login: "holder", Password: "wrong wrong wrong"})
		}
		made := func(by account.By) (token, key string) {
			key = b.try(func(tx *store.Tx) (err error) {
				token, _, err = b.s.NewBrowser(b.Context(), tx, by, o.holder)
				return err
			})
			return token, key
		}
		for name, by := range map[string]account.By{"the person": b.by(o.holder), "an administrator": b.by(o.ada), "the operator": system} {
			token, key := made(by)
			if key != "" {
				t.Fatalf("%s: %q", name, key)
			}
			devices, err := b.s.AdmitBrowser(token, "")
			if err != nil {
				t.Fatal(err)
			}
			if !b.in(account.Attempt{Login: "holder", Password: right, Devices: devices}) {
				t.Errorf("made known by %s, and waits with the strangers", name)
			}
			for range 2 { // of one quarter of an hour all are one: together they have five tries
				b.in(account.Attempt{Login: "newcomer", Password: "wrong", Devices: devices})
			}
		}
		if !b.in(account.Attempt{Login: "newcomer", Password: right, Devices: b.s.RememberDevice(o.newcomer, "")}) {
			t.Error("the link of one person touches another")
		}
		if _, key := made(b.by(o.newcomer)); key == "" {
			t.Error("made by somebody else")
		}
		token, _ := made(b.by(o.holder))
		for range 6 {
			again, _ := made(b.by(o.ada))
			devices, err := b.s.AdmitBrowser(again, "")
			if err != nil {
				t.Fatal(err)
			}
			b.in(account.Attempt{Login: "holder", Password: "wrong", Devices: devices})
		}
		devices, err := b.s.AdmitBrowser(token, "")
		if err != nil {
			t.Fatal(err)
		}
		if b.in(account.Attempt{Login: "holder", Password: right, Devices: devices}) {
			t.Error("by making many links one may guess without end")
		}
		bad := []byte(token)
		bad[45] ^= 1
		for name, link := range map[string]string{"changed": string(bad), "cut": token[:40], "empty": ""} {
			if _, err := b.s.AdmitBrowser(link, ""); !fault.Is(err, fault.NotFound) {
				t.Errorf("%s: %v", name, err)
			}
		}
		b.now = b.now.Add(31 * time.Minute)
		if _, err := b.s.AdmitBrowser(token, ""); !fault.Is(err, fault.NotFound) {
			t.Errorf("half an hour later: %v", err)
		}
	})
}

func TestACodeIsTakenOnceAndNotGuessed(t *testing.T) {
	each(t, func(b *bench) {
		b.s = account.New(b.db, duties, func() time.Time { return b.now }, account.WithKeeper(vault.New(b.db, vault.NewOfficeKey(), func() time.Time { return b.now })))
		id := b.worker("worker")
		by := account.Person(b.viewer(id), journal.ViaWeb)
		secret := account.NewCodeSecret()
		u, err := url.Parse(secret.URL("An office & more", "worker"))
		if err != nil || u.Query().Get("secret") != secret.Text() || u.Query().Get("issuer") != "An office & more" {
			t.Errorf("address for the app: %v, %v", u, err)
		}
		code := func() string {
			c, err := totp.GenerateCode(secret.Text(), b.now)
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		var recovery []string
		set := func(c string) string {
			return b.try(func(tx *store.Tx) (err error) {
				recovery, err = b.s.SetCode(b.Context(), tx, by, secret, c)
				return err
			})
		}
		if got := set("000000"); got != "account.code-wrong" {
			t.Fatalf("an app that shows another code: %q", got)
		}
		first := code()
		if got := set(first); got != "" || len(recovery) != 10 {
			t.Fatalf("%q, %d recovery codes", got, len(recovery))
		}
		var kept []byte
		b.tx(func(tx *store.Tx) error {
			return tx.QueryRow(b.Context(), `SELECT secret FROM totp WHERE account = $1`, int64(id)).Scan(&kept)
		})
		if strings.Contains(string(kept), string(secret)) {
			t.Error("the secret of the app lies open in the database")
		}
		half := func() account.Session {
			s, err := b.s.SignIn(b.Context(), account.Attempt{Login: "worker", Password: right})
			if err != nil || !s.Second {
				t.Fatalf("%+v, %v; want a session that waits for the code", s, err)
			}
			return s
		}
		second := func(s account.Session, c string) bool {
			out, err := b.s.Second(b.Context(), s, c, "")
			if err != nil && !fault.Is(err, fault.Forbidden) {
				t.Fatal(err)
			}
			return err == nil && !out.Second
		}
		if second(half(), first) {
			t.Error("the code that set it up is taken again")
		}
		b.now = b.now.Add(time.Minute)
		c := code()
		if !second(half(), c[:3]+" "+c[3:]) {
			t.Error("the right code is refused")
		}
		if second(half(), c) {
			t.Error("a code is taken twice")
		}
		if !second(half(), strings.ToUpper(recovery[3])) || second(half(), recovery[3]) {
			t.Error("a recovery code is good once")
		}
		s := half()
		for range 5 {
			second(s, "123456")
		}
		b.now = b.now.Add(10 * time.Second)
		if b.in(account.Attempt{Login: "worker", Password: right}) {
			t.Error("with the right password the code can be guessed without end")
		}
		b.now = b.now.Add(10 * time.Minute)
		c = code()
		if !second(half(), c) {
			t.Error("after the wait the right code is refused")
		}
		// With a copy of the database and without the office key nothing is gained.
		b.now = b.now.Add(time.Minute)
		thief := account.New(b.db, duties, func() time.Time { return b.now }, account.WithKeeper(vault.New(b.db, vault.NewOfficeKey(), time.Now)))
		if _, err := thief.Second(b.Context(), half(), code(), ""); !fault.Is(err, fault.Unavailable) {
			t.Errorf("without the office key: %v", err)
		}
	})
}

func TestASessionThatWasEndedStaysEnded(t *testing.T) {
	each(t, func(b *bench) {
		id := b.worker("worker")
		s, err := b.s.SignIn(b.Context(), account.Attempt{Login: "worker", Password: right})
		if err != nil {
			t.Fatal(err)
		}
		m := account.NewSessions(b.db, false, nil)
		for _, token := range []string{"one", "two"} {
			data, err := m.Codec.Encode(time.Now().Add(time.Hour), map[string]any{account.SessionAccount: id.String(), account.SessionWay: account.WayPassword})
			if err != nil {
				t.Fatal(err)
			}
			if err := m.Store.Commit(token, data, time.Now().Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
		}
		list := func() (out []account.OpenSession) {
			b.tx(func(tx *store.Tx) (err error) { out, err = b.s.Sessions(b.Context(), tx, id, "one"); return err })
			return out
		}
		// A request that was let in before, and is answered after: it writes the session that it began with.
		late := func(token string) {
			data, err := m.Codec.Encode(time.Now().Add(time.Hour), map[string]any{account.SessionAccount: id.String(), account.SessionWay: account.WayPassword, "more": "x"})
			if err != nil {
				t.Fatal(err)
			}
			if err := m.Store.Commit(token, data, time.Now().Add(2*time.Hour)); err != nil {
				t.Fatal(err)
			}
			if _, found, err := m.Store.Find(token); err != nil || found {
				t.Errorf("a request that was under way brought session %s back (%v)", token, err)
			}
		}
		all := list()
		if len(all) != 2 || all[0].Mine == all[1].Mine || all[0].Way != account.WayPassword {
			t.Fatalf("the list shows %+v", all)
		}
		i := slices.IndexFunc(all, func(o account.OpenSession) bool { return !o.Mine })
		b.tx(func(tx *store.Tx) error { return b.s.EndSession(b.Context(), tx, id, all[i].ID) })
		late("two")
		if left := list(); len(left) != 1 || !left[0].Mine {
			t.Errorf("one was ended, left are %+v", left)
		}
		other, mine := b.worker("other"), list()[0].ID
		b.tx(func(tx *store.Tx) error { return b.s.EndSession(b.Context(), tx, other, mine) })
		if len(list()) != 1 {
			t.Error("somebody else ended the session")
		}
		var now account.Session
		b.tx(func(tx *store.Tx) (err error) { now, err = b.s.EndOthers(b.Context(), tx, id); return err })
		if late("one"); len(list()) != 0 {
			t.Error("signed out everywhere, and a session is left")
		}
		data, err := m.Codec.Encode(time.Now().Add(time.Hour), map[string]any{account.SessionAccount: id.String()})
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Store.Commit("three", data, time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		if err := m.Store.Delete("three"); err != nil { // signed out
			t.Fatal(err)
		}
		late("three")
		var left int64
		b.tx(func(tx *store.Tx) error {
			return tx.QueryRow(b.Context(), `SELECT count(*) FROM session WHERE length(data) > 0`).Scan(&left)
		})
		if left != 0 {
			t.Error("what a session held is kept after its end")
		}
		stands := func(s account.Session) bool {
			return b.db.Read(b.Context(), func(tx *store.Tx) error { _, err := b.s.Current(b.Context(), tx, s); return err }) == nil
		}
		if stands(s) || !stands(now) {
			t.Error("what was under way could bring the old session back")
		}
	})
}

func TestHistoryTellsWhenAndHowAndCannotBeFlooded(t *testing.T) {
	each(t, func(b *bench) {
		id := b.worker("worker")
		for range 30 {
			b.in(account.Attempt{Login: "worker", Password: "wrong"})
			b.now = b.now.Add(20 * time.Second)
		}
		b.now = b.now.Add(time.Hour)
		b.in(account.Attempt{Login: "worker", Password: right})
		var all []account.SignedIn
		b.tx(func(tx *store.Tx) (err error) { all, err = b.s.History(b.Context(), tx, id, 50); return err })
		if len(all) != 2 || all[0].Outcome != account.OutcomeIn || all[1].Outcome != account.OutcomeRefused || all[1].Times != 30 {
			t.Errorf("the history has %+v", all)
		}
	})
}

func TestAnInvitationIsGoodOnce(t *testing.T) {
	each(t, func(b *bench) {
		o := b.small()
		id := b.made(b.by(o.ada), "invited")
		token := func() (out string) {
			b.tx(func(tx *store.Tx) (err error) { out, _, err = b.s.Invite(b.Context(), tx, b.by(o.ada), id); return err })
			return out
		}
		accept := func(token, password string) string {
			_, err := b.s.Accept(b.Context(), token, password, nil)
			var f *fault.Error
			switch {
			case err == nil:
				return ""
			case errors.As(err, &f) && len(f.Fields) > 0:
				return f.Fields[0].Key
			case errors.As(err, &f):
				return f.Key
			}
			t.Fatal(err)
			return ""
		}
		old, now := token(), token()
		var kept []byte
		b.tx(func(tx *store.Tx) error {
			return tx.QueryRow(b.Context(), `SELECT token FROM invitation WHERE account = $1`, int64(id)).Scan(&kept)
		})
		if strings.Contains(string(kept), now) {
			t.Error("the token lies open in the database")
		}
		if got := accept(old, right); got != "account.invitation" {
			t.Errorf("an older link: %q", got)
		}
		if got := accept(now, "short"); got != "account.password-short" {
			t.Errorf("a bad password: %q", got)
		}
		if got := accept(now, right); got != "" {
			t.Fatal(got)
		}
		if got := accept(now, right); got != "account.invitation" {
			t.Errorf("used twice: %q", got)
		}
		if !b.in(account.Attempt{Login: "invited", Password: right}) {
			t.Error("the password that was chosen is not right")
		}
		if got := b.try(func(tx *store.Tx) error { _, _, err := b.s.Invite(b.Context(), tx, b.by(o.ada), id); return err }); got != "account.invite-set" {
			t.Errorf("an administrator could set the password of somebody who has one: %q", got)
		}
		b.tx(func(tx *store.Tx) error { return b.s.Reset(b.Context(), tx, b.by(o.ada), id) })
		if b.in(account.Attempt{Login: "invited", Password: right}) || b.in(account.Attempt{Login: "invited", Password: ""}) {
			t.Error("after a reset the old password opens, or none")
		}
		late := token()
		b.now = b.now.Add(account.InvitationLife + time.Second)
		if got := accept(late, right); got != "account.invitation" {
			t.Errorf("after it ran out: %q", got)
		}
		back := token()
		b.tx(func(tx *store.Tx) error { return b.s.Uninvite(b.Context(), tx, b.by(o.bob), id) })
		if got := accept(back, right); got != "account.invitation" {
			t.Errorf("taken back: %q", got)
		}
		b.refold(id)
	})
}

func TestTokensAreGoodForTheirScopeAndTime(t *testing.T) {
	each(t, func(b *bench) {
		o := b.small()
		mint := func(by account.By, id ref.AccountID, days int, scopes ...string) (text string, got string) {
			got = b.try(func(tx *store.Tx) (err error) {
				text, _, err = b.s.MakeToken(b.Context(), tx, by, account.TokenCmd{Account: id, Name: "Dashboard", Scopes: scopes, Days: days})
				return err
			})
			return text, got
		}
		for name, tt := range map[string]struct {
			by     account.By
			days   int
			scopes []string
			want   string
		}{
			"for somebody else":    {b.by(o.ada), 30, []string{account.ScopeFigures}, "account.token-other"},
			"for nothing":          {b.by(o.holder), 30, nil, "account.token-scope"},
			"for what is not":      {b.by(o.holder), 30, []string{"everything"}, "account.token-scope"},
			"for ever":             {b.by(o.holder), 9999, []string{account.ScopeFigures}, "account.token-days"},
			"for figures, a month": {b.by(o.holder), 30, []string{account.ScopeFigures}, ""},
		} {
			if _, got := mint(tt.by, o.holder, tt.days, tt.scopes...); got != tt.want {
				t.Errorf("%s: %q, want %q", name, got, tt.want)
			}
		}
		text, _ := mint(b.by(o.holder), o.holder, 10, account.ScopeFigures, account.ScopeFigures)
		use := func(text string) (account.Token, bool) {
			v, tok, err := b.s.ByToken(context.Background(), text)
			if err != nil && !fault.Is(err, fault.Forbidden) {
				t.Fatal(err)
			}
			return tok, err == nil && v.Account == o.holder
		}
		tok, ok := use(text)
		if !ok || !tok.Allows(account.ScopeFigures) || tok.Allows(account.ScopeMatters) {
			t.Errorf("%+v, %v", tok, ok)
		}
		if _, ok := use(text + "x"); ok {
			t.Error("a token that was never made is good")
		}
		b.tx(func(tx *store.Tx) error {
			all, err := b.s.Tokens(b.Context(), tx, o.holder)
			if len(all) != 2 || !slices.ContainsFunc(all, func(t account.Token) bool { return t.Used == b.s.Today() }) {
				t.Errorf("the list shows %+v", all)
			}
			return err
		})
		b.now = b.now.AddDate(0, 0, 10)
		if _, ok := use(text); ok {
			t.Error("a token is good after its time")
		}
		text, _ = mint(b.by(o.holder), o.holder, 10, account.ScopeFigures)
		b.tx(func(tx *store.Tx) error { return b.s.Deactivate(b.Context(), tx, system, o.holder) })
		if _, ok := use(text); ok {
			t.Error("the token of somebody who was shut out is good")
		}
		b.tx(func(tx *store.Tx) error { return b.s.Activate(b.Context(), tx, system, o.holder) })
		tok, _ = use(text)
		b.tx(func(tx *store.Tx) error { return b.s.DropToken(b.Context(), tx, b.by(o.ada), o.holder, tok.ID) })
		if _, ok := use(text); ok {
			t.Error("a token that was taken back is good")
		}
		b.refold(o.holder)
	})
}

func TestAnAccountElsewhereIsKnownByItsAddressOnce(t *testing.T) {
	each(t, func(b *bench) {
		o := b.small()
		const issuer = "https://id.example"
		in := func(c account.Claims) ref.AccountID {
			c.Issuer = issuer
			s, err := b.s.SignInLinked(b.Context(), c)
			if err != nil && !fault.Is(err, fault.Forbidden) {
				t.Fatal(err)
			}
			return s.Account
		}
		b.tx(func(tx *store.Tx) error {
			return b.s.Expect(b.Context(), tx, b.by(o.ada), o.newcomer, issuer, "New.Comer@Example.org")
		})
		if got := in(account.Claims{Subject: "1", Email: "new.comer@example.org"}); got != 0 {
			t.Error("let in by an address that nobody verified")
		}
		if got := in(account.Claims{Subject: "1", Email: "somebody@example.org", Verified: true}); got != 0 {
			t.Error("let in by another address")
		}
		if got := in(account.Claims{Subject: "1", Email: "new.comer@example.org", Verified: true}); got != o.newcomer {
			t.Fatalf("the first time: account %d", got)
		}
		if got := in(account.Claims{Subject: "2", Email: "new.comer@example.org", Verified: true}); got != 0 {
			t.Error("whoever got the address later is let in")
		}
		if got := in(account.Claims{Subject: "1", Email: "married@example.org"}); got != o.newcomer {
			t.Error("a change of address locks the person out")
		}
		if got := b.try(func(tx *store.Tx) error {
			return b.s.LinkOwn(b.Context(), tx, b.by(o.holder), account.Claims{Issuer: issuer, Subject: "1"})
		}); got != "account.link-taken" {
			t.Errorf("two accounts tied to one person elsewhere: %q", got)
		}
		b.tx(func(tx *store.Tx) error { return b.s.Deactivate(b.Context(), tx, system, o.newcomer) })
		if got := in(account.Claims{Subject: "1"}); got != 0 {
			t.Error("somebody who was shut out is let in from elsewhere")
		}
	})
}

func TestNobodyIsGivenASecondWayInByAnAdministrator(t *testing.T) {
	each(t, func(b *bench) {
		o := b.small()
		expect := func(by account.By, id ref.AccountID, email string) string {
			return b.try(func(tx *store.Tx) error { return b.s.Expect(b.Context(), tx, by, id, "https://id.example", email) })
		}
		if err := b.s.SetPassword(b.Context(), system, o.holder, right, false); err != nil {
			t.Fatal(err)
		}
		if got := expect(b.by(o.ada), o.holder, "ada@example.org"); got != "account.expect-set" {
			t.Errorf("beside a password: %q", got)
		}
		if got := expect(b.by(o.ada), o.newcomer, "newcomer@example.org"); got != "" {
			t.Fatal(got)
		}
		if got := expect(b.by(o.ada), o.newcomer, "new.comer@example.org"); got != "" {
			t.Errorf("corrected before anybody came: %q", got)
		}
		if _, err := b.s.SignInLinked(b.Context(), account.Claims{Issuer: "https://id.example", Subject: "n", Email: "new.comer@example.org", Verified: true}); err != nil {
			t.Fatal(err)
		}
		if got := expect(b.by(o.ada), o.newcomer, "ada@example.org"); got != "account.expect-set" {
			t.Errorf("in the place of somebody else: %q", got)
		}
		b.tx(func(tx *store.Tx) error { return b.s.Reset(b.Context(), tx, b.by(o.ada), o.holder) })
		if got := expect(b.by(o.ada), o.holder, "holder@example.org"); got != "" {
			t.Errorf("of somebody who begins anew: %q", got)
		}
	})
}

func TestKeysFollowTheDuties(t *testing.T) {
	each(t, func(b *bench) {
		v := vault.New(b.db, vault.NewOfficeKey(), func() time.Time { return b.now })
		b.s = account.New(b.db, duties, func() time.Time { return b.now }, account.WithKeeper(v))
		o := b.small()
		secret := func() vault.Secret { return vault.Secret{Kind: vault.Password, Bytes: []byte(right)} }
		keys, err := v.Enrol(b.Context(), o.holder, secret())
		if err != nil {
			t.Fatal(err)
		}
		if got := b.grant(b.by(o.ada), o.newcomer, "intake", city); got != "" {
			t.Fatal(got)
		}
		waiting := func() (n int) {
			b.tx(func(tx *store.Tx) error {
				all, err := v.Waiting(b.Context(), tx, keys)
				n = len(all)
				return err
			})
			return n
		}
		if waiting() != 0 {
			t.Error("at the desk before anybody agreed")
		}
		if got := b.confirm(b.by(o.bob), o.newcomer, "intake", city); got != "" {
			t.Fatal(got)
		}
		if waiting() != 1 {
			t.Error("the duty is held, and nobody is asked for the key")
		}
		b.tx(func(tx *store.Tx) error { return b.s.Deactivate(b.Context(), tx, system, o.newcomer) })
		if waiting() != 0 {
			t.Error("shut out, and still at the desk")
		}
		b.tx(func(tx *store.Tx) error { return b.s.Activate(b.Context(), tx, system, o.newcomer) })
		if waiting() != 1 {
			t.Error("let in again, and not at the desk")
		}
		b.tx(func(tx *store.Tx) error {
			return b.s.Revoke(b.Context(), tx, system, account.RevokeCmd{Account: o.newcomer, Duty: "intake", Body: city, From: b.s.Today()})
		})
		if waiting() != 0 {
			t.Error("the duty is taken away, and the desk is not")
		}
		// What begins and ends with the day needs nobody to act.
		if got := b.grant(system, o.newcomer, "intake", city, "2026-03-12", "2026-03-14"); got != "" {
			t.Fatal(got)
		}
		for day, want := range []int{0, 0, 1, 1, 1, 0, 0} { // from 10 March
			if day > 0 {
				b.now = b.now.AddDate(0, 0, 1)
			}
			for range 2 {
				if _, err := b.s.KeysFollowDays(b.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if got := waiting(); got != want {
				t.Errorf("on %s: %d wait, want %d", b.s.Today(), got, want)
			}
		}
		has := func() (yes bool) {
			b.tx(func(tx *store.Tx) (err error) { yes, err = v.HasKey(b.Context(), tx, o.holder); return err })
			return yes
		}
		b.tx(func(tx *store.Tx) error { return b.s.Reset(b.Context(), tx, b.by(o.ada), o.holder) })
		if has() {
			t.Error("an administrator reset the way in, and the key is still good")
		}
	})
}
