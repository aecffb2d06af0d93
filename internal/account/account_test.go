package account_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"plumbline/internal/access"
	"plumbline/internal/account"
	"plumbline/internal/fault"
	"plumbline/internal/journal"
	"plumbline/internal/pack"
	"plumbline/internal/ref"
	"plumbline/internal/store"
	"plumbline/internal/testing/world"
)

// The register of these tests: a nation (1) over a city (2) over a precinct (3), another city (4) beside.
const (
	nation   ref.BodyID = 1
	city     ref.BodyID = 2
	precinct ref.BodyID = 3
	beside   ref.BodyID = 4
)

type packs []pack.Duty

func (p packs) Active() *pack.Pack   { return &pack.Pack{Duties: p} }
func (p packs) Zone() *time.Location { return time.FixedZone("UTC+8", 8*3600) }
func (p packs) Duty(id string) (*pack.Duty, bool) {
	for i := range p {
		if p[i].ID == id {
			return &p[i], true
		}
	}
	return nil, false
}

var duties = packs{
	{ID: "intake"},
	{ID: "investigator", Excludes: []string{"reviewer"}},
	{ID: "reviewer"}, // the pack says it once; it holds both ways
	{ID: "admin", Admin: true, Sees: access.SeesNone},
	{ID: "custodian", Custodian: true, Sees: access.SeesSubtree},
	{ID: "reporter", Actor: pack.ActorReporter},
}

type bench struct {
	*testing.T
	db  *store.DB
	s   *account.Accounts
	now time.Time
}

// each runs a test on both databases. It begins at 23:30 UTC, when it is the next day at the office already.
func each(t *testing.T, test func(b *bench)) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		b := &bench{T: t, db: db, now: time.Date(2026, 3, 9, 23, 30, 0, 0, time.UTC)}
		b.s = account.New(db, duties, func() time.Time { return b.now })
		b.tx(func(tx *store.Tx) error {
			for _, r := range [][3]ref.BodyID{{1, 1, 0}, {2, 2, 0}, {2, 1, 1}, {3, 3, 0}, {3, 2, 1}, {3, 1, 2}, {4, 4, 0}, {4, 1, 1}} {
				if _, err := tx.Exec(t.Context(), `INSERT INTO body_above (body, above, depth) VALUES ($1, $2, $3)`, r[0], r[1], r[2]); err != nil {
					return err
				}
			}
			for _, o := range [][2]ref.OfficialID{{901, 0}, {902, 901}} {
				if _, err := tx.Exec(t.Context(), `INSERT INTO official (id, source, source_key, name, identified, merged_into, data, n)
					VALUES ($1, 'test', $2, 'X', 1, $3, '', 1)`, o[0], o[0].String(), o[1]); err != nil {
					return err
				}
			}
			return nil
		})
		test(b)
	})
}

func (b *bench) tx(do func(tx *store.Tx) error) {
	b.Helper()
	if err := b.db.Tx(b.Context(), do); err != nil {
		b.Fatal(err)
	}
}

// try runs do in a transaction and returns the key of its fault, empty if it went well.
func (b *bench) try(do func(tx *store.Tx) error) string {
	b.Helper()
	err := b.db.Tx(b.Context(), do)
	var f *fault.Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &f) && len(f.Fields) > 0:
		return f.Fields[0].Key
	case errors.As(err, &f):
		return f.Key
	}
	b.Fatal(err)
	return ""
}

var system = account.System(journal.ViaCLI)

func (b *bench) create(login string) ref.AccountID {
	b.Helper()
	var id ref.AccountID
	b.tx(func(tx *store.Tx) (err error) {
		id, err = b.s.Create(b.Context(), tx, system, account.CreateCmd{Login: login, Name: "Name of " + login, Lang: "en"})
		return err
	})
	return id
}

func (b *bench) grant(by account.By, id ref.AccountID, duty string, body ref.BodyID, days ...string) string {
	b.Helper()
	cmd := account.GrantCmd{Account: id, Duty: duty, Body: body}
	if len(days) > 0 {
		cmd.From = days[0]
	}
	if len(days) > 1 {
		cmd.Until = days[1]
	}
	return b.try(func(tx *store.Tx) error { return b.s.Grant(b.Context(), tx, by, cmd) })
}

func (b *bench) viewer(id ref.AccountID) access.Viewer {
	b.Helper()
	var v access.Viewer
	err := b.db.Read(b.Context(), func(tx *store.Tx) (err error) { v, err = b.s.ViewerOf(b.Context(), tx, id); return err })
	if err != nil {
		b.Fatal(err)
	}
	return v
}

func (b *bench) holds(id ref.AccountID) (out []string) {
	b.Helper()
	for _, g := range b.viewer(id).Grants {
		out = append(out, g.Duty+"@"+g.Body.String())
	}
	return out
}

func TestDutiesThatExcludeEachOtherNeverMeet(t *testing.T) {
	each(t, func(b *bench) {
		for i, tt := range []struct {
			name   string
			first  []string // duty, from, until
			second []string
			want   string
		}{
			{"at the same body", []string{"investigator"}, []string{"reviewer"}, "account.excluded"},
			{"said by the other duty", []string{"reviewer"}, []string{"investigator"}, "account.excluded"},
			{"one after the other", []string{"investigator", "2026-01-01", "2026-06-30"}, []string{"reviewer", "2026-07-01"}, ""},
			{"for a single day", []string{"investigator", "2026-01-01", "2026-06-30"}, []string{"reviewer", "2026-06-30"}, "account.excluded"},
			{"begun before, open", []string{"reviewer", "2027-01-01"}, []string{"investigator", "2026-04-01"}, "account.excluded"},
			{"begun before, ending in time", []string{"reviewer", "2027-01-01"}, []string{"investigator", "2026-04-01", "2026-12-31"}, ""},
			{"the same again", []string{"intake"}, []string{"intake"}, "account.granted-already"},
			{"beside a duty it does not exclude", []string{"investigator"}, []string{"intake"}, ""},
		} {
			id := b.create(fmt.Sprintf("person%d", i))
			if got := b.grant(system, id, tt.first[0], city, tt.first[1:]...); got != "" {
				b.Fatalf("%s: %s", tt.name, got)
			}
			body := beside // anywhere means anywhere
			if tt.second[0] == tt.first[0] {
				body = city
			}
			if got := b.grant(system, id, tt.second[0], body, tt.second[1:]...); got != tt.want {
				b.Errorf("%s: %q, want %q", tt.name, got, tt.want)
			}
		}
	})
}

func TestDutiesThatExcludeEachOtherNeverMeetInOnePerson(t *testing.T) {
	each(t, func(b *bench) {
		one, two, three := b.create("one"), b.create("two"), b.create("three")
		is := func(id ref.AccountID, o ref.OfficialID) string {
			return b.try(func(tx *store.Tx) error {
				return b.s.Change(b.Context(), tx, system, id, account.ChangeCmd{Name: "N", Lang: "en", Official: o})
			})
		}
		if got := is(one, 901) + is(two, 902); got != "" { // 902 was merged into 901
			b.Fatal(got)
		}
		if got := b.grant(system, one, "investigator", city); got != "" {
			b.Fatal(got)
		}
		if got := b.grant(system, two, "reviewer", nation); got != "account.excluded" {
			b.Errorf("a second account of the same person got the duty: %q", got)
		}
		if got := b.grant(system, three, "reviewer", nation); got != "" {
			b.Fatal(got)
		}
		if got := is(three, 901); got != "account.excluded" {
			b.Errorf("an account with the duty was tied to the same person: %q", got)
		}
		if got := is(three, 999); got != "account.official" {
			b.Errorf("tied to nobody: %q", got)
		}
	})
}

func TestOfTwoGrantsAtOnceThatExcludeEachOtherOneWins(t *testing.T) {
	each(t, func(b *bench) {
		for round := range 5 {
			id := b.create(fmt.Sprintf("person%d", round))
			var wg sync.WaitGroup
			errs := make([]error, 2)
			for i, duty := range []string{"investigator", "reviewer"} {
				wg.Go(func() {
					errs[i] = b.db.Tx(context.Background(), func(tx *store.Tx) error {
						return b.s.Grant(context.Background(), tx, system, account.GrantCmd{Account: id, Duty: duty, Body: city})
					})
				})
			}
			wg.Wait()
			if (errs[0] == nil) == (errs[1] == nil) {
				b.Errorf("round %d: %v and %v; want exactly one refused", round, errs[0], errs[1])
			}
			if got := b.holds(id); len(got) != 1 {
				b.Errorf("round %d: holds %v", round, got)
			}
		}
	})
}

func TestWhoMayManage(t *testing.T) {
	each(t, func(b *bench) {
		admin, chief, worker, minister := b.create("admin"), b.create("chief"), b.create("worker"), b.create("minister")
		for _, g := range []struct {
			id   ref.AccountID
			duty string
			body ref.BodyID
		}{{admin, "admin", city}, {chief, "admin", nation}, {minister, "reviewer", nation}} {
			if got := b.grant(system, g.id, g.duty, g.body); got != "" {
				b.Fatal(got)
			}
		}
		byAdmin := account.Person(b.viewer(admin), journal.ViaWeb)
		byWorker := account.Person(b.viewer(worker), journal.ViaWeb)
		coming := b.create("coming")
		if got := b.grant(account.Person(b.viewer(chief), journal.ViaWeb), coming, "intake", nation); got != "" { // waits for a second person
			b.Fatal(got)
		}
		for _, tt := range []struct {
			name string
			by   account.By
			id   ref.AccountID
			body ref.BodyID
			want string
		}{
			{"in the own body", byAdmin, worker, city, ""},
			{"in a body below", byAdmin, worker, precinct, ""},
			{"in the body above", byAdmin, worker, nation, "account.admin-body"},
			{"in a body beside", byAdmin, worker, beside, "account.admin-body"},
			{"to oneself", byAdmin, admin, city, "account.self"},
			{"without the duty", byWorker, chief, city, "account.admin-body"},
			{"at no body at all", byAdmin, worker, 77, "account.body"},
		} {
			if got := b.grant(tt.by, tt.id, "intake", tt.body); got != tt.want {
				b.Errorf("grant %s: %q, want %q", tt.name, got, tt.want)
			}
		}
		for _, tt := range []struct {
			name string
			do   func(tx *store.Tx) error
			want string
		}{
			{"deactivate somebody of the own subtree", func(tx *store.Tx) error { return b.s.Deactivate(b.Context(), tx, byAdmin, worker) }, ""},
			{"deactivate somebody above", func(tx *store.Tx) error { return b.s.Deactivate(b.Context(), tx, byAdmin, minister) }, "account.admin-body"},
			{"deactivate oneself", func(tx *store.Tx) error { return b.s.Deactivate(b.Context(), tx, byAdmin, admin) }, "account.self"},
			{"rename somebody above", func(tx *store.Tx) error {
				return b.s.Change(b.Context(), tx, byAdmin, minister, account.ChangeCmd{Name: "X", Lang: "en"})
			}, "account.admin-body"},
			{"give somebody the way in who is to hold a duty above", func(tx *store.Tx) error {
				_, _, err := b.s.Invite(b.Context(), tx, byAdmin, coming)
				return err
			}, "account.admin-body"},
			{"create without the duty", func(tx *store.Tx) error {
				_, err := b.s.Create(b.Context(), tx, byWorker, account.CreateCmd{Login: "friend", Name: "F"})
				return err
			}, "account.admin"},
			{"change the own language", func(tx *store.Tx) error {
				return b.s.Change(b.Context(), tx, byAdmin, admin, account.ChangeCmd{Name: "Name of admin", Lang: "zh-Hans"})
			}, ""},
			{"leave the register", func(tx *store.Tx) error {
				return b.s.Change(b.Context(), tx, byAdmin, admin, account.ChangeCmd{Name: "Name of admin", Lang: "en", Official: 901})
			}, "account.self"},
			{"revoke above", func(tx *store.Tx) error {
				return b.s.Revoke(b.Context(), tx, byAdmin, account.RevokeCmd{Account: minister, Duty: "reviewer", Body: nation, From: "2026-03-10"})
			}, "account.admin-body"},
		} {
			if got := b.try(tt.do); got != tt.want {
				b.Errorf("%s: %q, want %q", tt.name, got, tt.want)
			}
		}
		if err := b.s.SetPassword(b.Context(), byAdmin, minister, "a long enough phrase", true); !fault.Is(err, fault.Forbidden) {
			b.Errorf("the admin of a city set a minister's password: %v", err)
		}
	})
}

func TestGrantsHoldFromTheirFirstDayToTheirLast(t *testing.T) {
	each(t, func(b *bench) {
		id := b.create("worker")
		if got := b.grant(system, id, "intake", city, "2026-03-12", "2026-03-13"); got != "" {
			b.Fatal(got)
		}
		for day, want := range map[string]int{"2026-03-11": 0, "2026-03-12": 1, "2026-03-13": 1, "2026-03-14": 0} {
			at, _ := time.ParseInLocation(time.DateOnly, day, duties.Zone())
			b.now = at.Add(23 * time.Hour)
			if got := b.holds(id); len(got) != want {
				b.Errorf("%s: holds %v, want %d", day, got, want)
			}
		}
	})
}

func TestRevokingTakesEffectAtOnceAndKeepsHistory(t *testing.T) {
	each(t, func(b *bench) {
		id := b.create("worker")
		today := b.s.Today()
		if today != "2026-03-10" {
			b.Fatalf("today is %s: the day at the office counts, not the day in London", today)
		}
		revoke := func() string {
			return b.try(func(tx *store.Tx) error {
				return b.s.Revoke(b.Context(), tx, system, account.RevokeCmd{Account: id, Duty: "intake", Body: city, From: today})
			})
		}
		if got := b.grant(system, id, "intake", city); got != "" {
			b.Fatal(got)
		}
		if got := revoke(); got != "" || len(b.holds(id)) != 0 {
			b.Fatalf("revoked %q, holds %v", got, b.holds(id))
		}
		if got := revoke(); got != "account.revoked-already" {
			b.Errorf("revoked twice: %q", got)
		}
		if got := b.grant(system, id, "reviewer", city); got != "" {
			b.Errorf("a duty revoked on its first day stands in the way: %q", got)
		}
		if got := b.grant(system, id, "intake", city); got != "" || !slices.Contains(b.holds(id), "intake@2") {
			b.Errorf("given again the same day: %q, holds %v", got, b.holds(id))
		}
		b.refold(id)
	})
}

// refold holds the tables to the entries.
func (b *bench) refold(id ref.AccountID) {
	b.Helper()
	var want, got account.State
	err := b.db.Read(b.Context(), func(tx *store.Tx) error {
		entries, err := journal.Stream(b.Context(), tx, id.Stream())
		if err != nil {
			return err
		}
		for _, e := range entries {
			if want, err = account.Fold(want, e.Entry); err != nil {
				return err
			}
		}
		got, err = b.s.Load(b.Context(), tx, id)
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	if want.Account != got.Account || !slices.Equal(want.Grants, got.Grants) || !slices.Equal(want.Asked, got.Asked) || !slices.Equal(want.AskedOfficial, got.AskedOfficial) {
		b.Errorf("the tables hold %+v, the entries say %+v", got, want)
	}
}

func TestSignIn(t *testing.T) {
	each(t, func(b *bench) {
		id := b.create("worker")
		const right = "seven quiet herons"
		if err := b.s.SetPassword(b.Context(), system, id, right, false); err != nil {
			b.Fatal(err)
		}
		in := func(login, password string) bool {
			b.Helper()
			_, err := b.s.SignIn(b.Context(), account.Attempt{Login: login, Password: password})
			var f *fault.Error
			if err != nil && (!errors.As(err, &f) || f.Kind != fault.Forbidden || f.Key != "account.sign-in" || f.Args != nil) {
				b.Fatalf("the refusal says more than that: %v", err)
			}
			return err == nil
		}
		if !in("worker", right) || !in(" WORKER ", right) {
			b.Error("the right password is refused")
		}
		if in("worker", right+".") || in("nobody", right) || in("", "") || in("worker", "") {
			b.Error("let in without the right login and password")
		}
		for range 5 {
			in("worker", "wrong wrong wrong")
		}
		if in("worker", right) {
			b.Error("after six wrong tries the account does not wait")
		}
		b.now = b.now.Add(3 * time.Minute)
		if !in("worker", right) {
			b.Error("after the wait the account stays locked")
		}
		b.tx(func(tx *store.Tx) error { return b.s.Deactivate(b.Context(), tx, system, id) })
		if in("worker", right) {
			b.Error("a deactivated account was let in")
		}
	})
}

func TestTriesWhileLockedDoNotProlongTheWait(t *testing.T) {
	each(t, func(b *bench) {
		id := b.create("worker")
		if err := b.s.SetPassword(b.Context(), system, id, "seven quiet herons", false); err != nil {
			b.Fatal(err)
		}
		for range 5 {
			_, _ = b.s.SignIn(b.Context(), account.Attempt{Login: "worker", Password: "wrong"}) // what it says is tested above
		}
		for range 4 {
			b.now = b.now.Add(8 * time.Second)
			_, err := b.s.SignIn(b.Context(), account.Attempt{Login: "worker", Password: "seven quiet herons"})
			if done := b.now.Sub(time.Date(2026, 3, 9, 23, 30, 0, 0, time.UTC)) > 30*time.Second; done != (err == nil) {
				b.Errorf("at %s: %v", b.now.Format(time.TimeOnly), err)
			}
		}
	})
}

func TestAChangeOfPasswordEndsTheOtherSessions(t *testing.T) {
	each(t, func(b *bench) {
		id := b.create("worker")
		if err := b.s.SetPassword(b.Context(), system, id, "given by the office", true); err != nil {
			b.Fatal(err)
		}
		old, err := b.s.SignIn(b.Context(), account.Attempt{Login: "worker", Password: "given by the office"})
		if err != nil || !old.Temporary {
			b.Fatalf("%+v, %v; want a temporary password", old, err)
		}
		stands := func(s account.Session) bool {
			return b.db.Read(b.Context(), func(tx *store.Tx) error { _, err := b.s.Current(b.Context(), tx, s); return err }) == nil
		}
		if !stands(old) {
			b.Fatal("a fresh session does not stand")
		}
		b.now = b.now.Add(time.Second)
		by := account.Person(b.viewer(id), journal.ViaWeb)
		if _, err := b.s.ChangePassword(b.Context(), by, "not the old one", "seven quiet herons", nil); !fault.Is(err, fault.Invalid) {
			b.Errorf("changed without the old password: %v", err)
		}
		if _, err := b.s.ChangePassword(b.Context(), by, "given by the office", "given by the office", nil); !fault.Is(err, fault.Invalid) {
			b.Errorf("changed to the same: %v", err)
		}
		now, err := b.s.ChangePassword(b.Context(), by, "given by the office", "seven quiet herons", nil)
		if err != nil || now.Temporary {
			b.Fatalf("%+v, %v", now, err)
		}
		if stands(old) || !stands(now) {
			b.Errorf("old session stands: %v, new: %v", stands(old), stands(now))
		}
		b.refold(id)
	})
}

func TestCheckPassword(t *testing.T) {
	for _, tt := range []struct{ password, want string }{
		{"seven quiet herons", ""},
		{"七只安静的苍鹭站在水边上", ""},
		{"eleven char", "account.password-short"},
		{"密码太短", "account.password-short"},
		{"password1234", "account.password-worst"},
		{"PassWord2026!", "account.password-worst"},
		{"qwertyuiop12", "account.password-worst"},
		{"aaaaaaaaaaaaaaaa", "account.password-worst"},
		{"123456789012", "account.password-worst"},
		{"woaini1314520", "account.password-worst"},
		{"P@ssw0rd12345", "account.password-worst"},
		{"Summer2026!Summer2026!", "account.password-worst"},
		{"1qaz2wsx3edc4rfv", "account.password-worst"},
		{"liverpoolfc1892", "account.password-worst"},
		{"19850312198503", "account.password-worst"},
		{"xkcdxkcdxkcdxkcd", "account.password-worst"},
		{"correcthorsebatterystaple", "account.password-worst"},
		{"wangwei19880101", "account.password-worst"},
		{"iloveyouforever!!", "account.password-worst"},
		{"leavemealone", "account.password-worst"},
		{"Transformers!2019", "account.password-worst"},
		{"unbelievable-philadelphia", "account.password-worst"},
		{"gfhjkmgfhjkm", "account.password-worst"}, // "parolparol" on a keyboard with the other letters
		{"a heron on one leg", ""},
		{"handed over in person", ""},
		{"kq7f-wm2x-9rtd-ho4z", ""},
		{"the ministry of small rivers", ""},
		{"hvzmqkxwbnty", ""},
		{"coffee table garden window", ""}, // four words that do not belong together, each of them common
		{"woxihuanchijiaozi", ""},
		{"worker-smith1", "account.password-login"},
		{string(make([]rune, 300)), "account.password-long"},
		{"\xff\xfe not utf-8 at all", "account.password-text"},
	} {
		err := account.CheckPassword("worker-smith", tt.password)
		var f *fault.Error
		got := ""
		if errors.As(err, &f) {
			got = f.Fields[0].Key
		}
		if got != tt.want {
			t.Errorf("%.20q: %q, want %q", tt.password, got, tt.want)
		}
	}
}

func TestListAndHolders(t *testing.T) {
	each(t, func(b *bench) {
		ada, bea, cas := b.create("ada"), b.create("bea"), b.create("cas")
		for _, g := range []struct {
			id   ref.AccountID
			duty string
			body ref.BodyID
		}{{ada, "intake", city}, {bea, "intake", precinct}, {bea, "investigator", city}, {cas, "intake", beside}} {
			if got := b.grant(system, g.id, g.duty, g.body); got != "" {
				b.Fatal(got)
			}
		}
		b.tx(func(tx *store.Tx) error { return b.s.Deactivate(b.Context(), tx, system, cas) })
		err := b.db.Read(b.Context(), func(tx *store.Tx) error {
			for _, tt := range []struct {
				name string
				f    account.Filter
				want []string
			}{
				{"all", account.Filter{}, []string{"ada", "bea"}},
				{"with those deactivated", account.Filter{Inactive: true}, []string{"ada", "bea", "cas"}},
				{"below the city", account.Filter{Under: city}, []string{"ada", "bea"}},
				{"below the precinct", account.Filter{Under: precinct}, []string{"bea"}},
				{"by duty", account.Filter{Duty: "investigator"}, []string{"bea"}},
				{"by text of the name", account.Filter{Text: "OF AD"}, []string{"ada"}},
				{"a percent sign is a percent sign", account.Filter{Text: "%"}, nil},
				{"a page on", account.Filter{After: "ada", Limit: 1}, []string{"bea"}},
			} {
				all, err := b.s.List(b.Context(), tx, tt.f)
				if err != nil {
					return err
				}
				var got []string
				for _, l := range all {
					got = append(got, l.Login)
				}
				if !slices.Equal(got, tt.want) {
					b.Errorf("%s: %v, want %v", tt.name, got, tt.want)
				}
			}
			h, err := b.s.Holders(b.Context(), tx, []string{"intake"}, []ref.BodyID{city, beside})
			if err != nil {
				return err
			}
			if len(h) != 1 || h[0].Account != ada {
				b.Errorf("holders of intake at the cities: %v, want Ada alone (Cas is deactivated)", h)
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	})
}
