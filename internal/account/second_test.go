package account_test

import (
	"testing"

	"plumbline/internal/access"
	"plumbline/internal/account"
	"plumbline/internal/journal"
	"plumbline/internal/ref"
	"plumbline/internal/store"
)

// office is a small one: two administrators over the city whom the operator made, an intake officer, and a newcomer.
type smallOffice struct {
	*bench
	ada, bob, holder, newcomer ref.AccountID
}

func (b *bench) small() *smallOffice {
	o := &smallOffice{bench: b, ada: b.create("ada"), bob: b.create("bob"), holder: b.create("holder"), newcomer: b.create("newcomer")}
	for id, duty := range map[ref.AccountID]string{o.ada: "admin", o.bob: "admin", o.holder: "intake"} {
		if got := b.grant(system, id, duty, city); got != "" {
			b.Fatal(got)
		}
	}
	return o
}

func (b *bench) by(id ref.AccountID) account.By { return account.Person(b.viewer(id), journal.ViaWeb) }

func (b *bench) confirm(by account.By, id ref.AccountID, duty string, body ref.BodyID) string {
	return b.try(func(tx *store.Tx) error {
		return b.s.Confirm(b.Context(), tx, by, account.AskedCmd{Account: id, Duty: duty, Body: body, From: b.s.Today()})
	})
}

// made is an account that somebody made in the pages, with a way in that they gave it.
func (b *bench) made(by account.By, login string) (id ref.AccountID) {
	b.tx(func(tx *store.Tx) (err error) {
		if id, err = b.s.Create(b.Context(), tx, by, account.CreateCmd{Login: login, Name: login, Lang: "en"}); err != nil {
			return err
		}
		_, _, err = b.s.Invite(b.Context(), tx, by, id)
		return err
	})
	return id
}

func TestADutyThatOpensContentTakesTwoPersons(t *testing.T) {
	each(t, func(b *bench) {
		o := b.small()
		if got := b.grant(b.by(o.ada), o.newcomer, "intake", city); got != "" {
			t.Fatal(got)
		}
		if got := b.holds(o.newcomer); len(got) != 0 {
			t.Fatalf("held before anybody agreed: %v", got)
		}
		if got := b.grant(b.by(o.bob), o.newcomer, "intake", city); got != "account.asked-already" {
			t.Errorf("asked twice: %q", got)
		}
		for name, tt := range map[string]struct {
			by   ref.AccountID
			want string
		}{
			"who asked":          {o.ada, "account.second-asked"},
			"the person":         {o.newcomer, "account.second-who"},
			"a colleague beside": {b.create("stranger"), "account.second-who"},
		} {
			if got := b.confirm(b.by(tt.by), o.newcomer, "intake", city); got != tt.want {
				t.Errorf("%s agrees: %q, want %q", name, got, tt.want)
			}
		}
		b.tx(func(tx *store.Tx) error { return b.s.Deactivate(b.Context(), tx, system, o.ada) })
		if got := b.confirm(b.by(o.holder), o.newcomer, "intake", city); got != "account.asker-gone" {
			t.Errorf("agreed to what somebody asked for who was shut out since: %q", got)
		}
		b.tx(func(tx *store.Tx) error { return b.s.Activate(b.Context(), tx, system, o.ada) })
		if got := b.confirm(b.by(o.holder), o.newcomer, "intake", city); got != "" {
			t.Fatalf("somebody at the desk agrees: %q", got)
		}
		if got := b.holds(o.newcomer); len(got) != 1 {
			t.Errorf("agreed to, and held: %v", got)
		}
		if got := b.confirm(b.by(o.bob), o.newcomer, "intake", city); got != "account.not-asked" {
			t.Errorf("agreed to a second time: %q", got)
		}
		b.refold(o.newcomer)
	})
}

func TestWhoOneAdministratorStandsBehindIsNoSecondPerson(t *testing.T) {
	each(t, func(b *bench) {
		o := b.small()
		puppet := b.made(b.by(o.ada), "puppet")
		if got := b.grant(b.by(o.ada), puppet, "admin", city); got != "" {
			t.Fatal(got) // sees no content: one administrator can give it
		}
		other := b.made(b.by(puppet), "puppets.puppet")
		if got := b.grant(b.by(puppet), other, "admin", city); got != "" {
			t.Fatal(got)
		}
		if got := b.grant(b.by(o.ada), o.newcomer, "custodian", city); got != "" {
			t.Fatal(got)
		}
		if got := b.confirm(b.by(puppet), o.newcomer, "custodian", city); got != "account.second-tied" {
			t.Errorf("an account made by who asked: %q", got)
		}
		if got := b.confirm(b.by(other), o.newcomer, "custodian", city); got != "account.second-tied" {
			t.Errorf("an account made by an account made by who asked: %q", got)
		}
		// Nor the other way about: the puppet asks, its maker or its sibling agrees.
		if got := b.grant(b.by(other), o.holder, "investigator", city); got != "" {
			t.Fatal(got)
		}
		for _, id := range []ref.AccountID{o.ada, puppet} {
			if got := b.confirm(b.by(id), o.holder, "investigator", city); got != "account.second-tied" {
				t.Errorf("agreed to what a puppet asked for: %q", got)
			}
		}
		// Whoever resets an account can sign in with it.
		b.tx(func(tx *store.Tx) error { return b.s.Reset(b.Context(), tx, b.by(o.ada), o.bob) })
		if got := b.confirm(b.by(o.bob), o.newcomer, "custodian", city); got != "account.second-tied" {
			t.Errorf("an account that was reset by who asked: %q", got)
		}
		// The operator of the machine hands out the way in anew, to the person.
		if err := b.s.SetPassword(b.Context(), system, o.bob, "handed over in person", true); err != nil {
			t.Fatal(err)
		}
		if got := b.confirm(b.by(o.bob), o.newcomer, "custodian", city); got != "" {
			t.Errorf("a person of their own again: %q", got)
		}
	})
}

func TestTwoAccountsOfOnePersonAreOnePerson(t *testing.T) {
	each(t, func(b *bench) {
		o := b.small()
		b.tx(func(tx *store.Tx) error {
			for id, official := range map[ref.AccountID]ref.OfficialID{o.ada: 901, o.bob: 902} { // 902 was merged into 901
				if err := b.s.Change(b.Context(), tx, system, id, account.ChangeCmd{Name: "N", Lang: "en", Official: official}); err != nil {
					return err
				}
			}
			return nil
		})
		if got := b.grant(b.by(o.ada), o.newcomer, "custodian", city); got != "" {
			t.Fatal(got)
		}
		if got := b.confirm(b.by(o.bob), o.newcomer, "custodian", city); got != "account.second-tied" {
			t.Errorf("agreed with oneself: %q", got)
		}
	})
}

func TestWhatIsAskedForCanBeRefusedAndExclusionsHoldAtTheEnd(t *testing.T) {
	each(t, func(b *bench) {
		o := b.small()
		if got := b.grant(b.by(o.ada), o.newcomer, "investigator", city); got != "" {
			t.Fatal(got)
		}
		if got := b.grant(system, o.newcomer, "reviewer", city); got != "" { // meanwhile
			t.Fatal(got)
		}
		if got := b.confirm(b.by(o.bob), o.newcomer, "investigator", city); got != "account.excluded" {
			t.Errorf("two duties that exclude each other: %q", got)
		}
		refuse := func(by account.By) string {
			return b.try(func(tx *store.Tx) error {
				return b.s.Refuse(b.Context(), tx, by, account.AskedCmd{Account: o.newcomer, Duty: "investigator", Body: city, From: b.s.Today()})
			})
		}
		if got := refuse(b.by(o.holder)); got != "account.second-who" {
			t.Errorf("refused by somebody whom it does not concern: %q", got)
		}
		if got := refuse(b.by(o.ada)); got != "" {
			t.Errorf("taken back: %q", got)
		}
		b.refold(o.newcomer)
		err := b.db.Read(b.Context(), func(tx *store.Tx) error {
			for _, v := range []access.Viewer{b.viewer(o.ada), b.viewer(o.bob)} {
				if all, err := b.s.WaitingFor(b.Context(), tx, v); err != nil || len(all) != 0 {
					t.Errorf("still waits: %v, %v", all, err)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

func TestADutyIsNeverHeldFromBeforeItWasAgreedTo(t *testing.T) {
	each(t, func(b *bench) {
		o := b.small()
		if got := b.grant(b.by(o.ada), o.newcomer, "intake", city, "2026-01-05", "2026-03-12"); got != "" {
			t.Fatal(got)
		}
		cmd := account.AskedCmd{Account: o.newcomer, Duty: "intake", Body: city, From: "2026-01-05"}
		b.tx(func(tx *store.Tx) error { return b.s.Confirm(b.Context(), tx, b.by(o.bob), cmd) })
		var st account.State
		b.tx(func(tx *store.Tx) (err error) { st, err = b.s.Load(b.Context(), tx, o.newcomer); return err })
		if len(st.Grants) != 1 || st.Grants[0].From != "2026-03-10" || len(st.Asked) != 0 {
			t.Errorf("the record has %+v", st)
		}
		b.refold(o.newcomer)
	})
}
