package account_test

import (
	"testing"

	"plumbline/internal/account"
	"plumbline/internal/ref"
	"plumbline/internal/store"
)

func (b *bench) is(by account.By, id ref.AccountID, official ref.OfficialID) string {
	return b.try(func(tx *store.Tx) error { return b.s.SetOfficial(b.Context(), tx, by, id, official) })
}

func (b *bench) agreeIs(by account.By, id ref.AccountID, official ref.OfficialID) string {
	return b.try(func(tx *store.Tx) error { return b.s.ConfirmOfficial(b.Context(), tx, by, id, official) })
}

func (b *bench) officialOf(id ref.AccountID) ref.OfficialID {
	b.Helper()
	return b.viewer(id).Official
}

func TestWhoSomebodyAtADeskIsTakesTwoPersons(t *testing.T) {
	each(t, func(b *bench) {
		o := b.small()
		// Before anything rests on it, one person says who the account is.
		if got := b.is(b.by(o.ada), o.newcomer, 901); got != "" || b.officialOf(o.newcomer) != 901 {
			t.Fatalf("a new account: %q", got)
		}
		if got := b.is(b.by(o.ada), o.newcomer, 0); got != "" || b.officialOf(o.newcomer) != 0 {
			t.Fatalf("and corrects it: %q", got)
		}
		// A duty is asked for: whoever agrees has seen who the account is.
		if got := b.grant(b.by(o.ada), o.newcomer, "intake", city); got != "" {
			t.Fatal(got)
		}
		if got := b.is(b.by(o.ada), o.newcomer, 901); got != "" || b.officialOf(o.newcomer) != 0 {
			t.Errorf("changed while somebody thinks about a duty: %q", got)
		}
		b.tx(func(tx *store.Tx) error { return b.s.RefuseOfficial(b.Context(), tx, b.by(o.ada), o.newcomer, 901) })

		// To cut the tie, and to make one: both are asked for.
		if got := b.is(system, o.holder, 901); got != "" {
			t.Fatal(got)
		}
		if got := b.is(b.by(o.ada), o.holder, 0); got != "" {
			t.Fatal(got)
		}
		if b.officialOf(o.holder) != 901 {
			t.Fatal("one administrator cut the tie of an account to its official")
		}
		if got := b.is(b.by(o.bob), o.holder, 902); got != "account.official-asked-already" {
			t.Errorf("asked twice: %q", got)
		}
		if got := b.is(b.by(o.holder), o.holder, 0); got != "account.self" {
			t.Errorf("the person: %q", got)
		}
		puppet := b.made(b.by(o.ada), "puppet")
		if got := b.grant(b.by(o.ada), puppet, "admin", city); got != "" {
			t.Fatal(got)
		}
		twin := b.create("twin") // another account of the holder
		for _, tt := range []func() string{
			func() string { return b.is(system, twin, 902) },
			func() string { return b.grant(system, twin, "admin", city) },
		} {
			if got := tt(); got != "" {
				t.Fatal(got)
			}
		}
		low := b.create("low")
		if got := b.grant(system, low, "admin", precinct); got != "" {
			t.Fatal(got)
		}
		for _, tt := range []struct {
			name string
			by   ref.AccountID
			want string
		}{
			{"who asked", o.ada, "account.second-asked"},
			{"an account of theirs", puppet, "account.second-tied"},
			{"the person", o.holder, "account.self"},
			{"the person, by another account", twin, "account.self"},
			{"an administrator below", low, "account.official-second-who"},
			{"somebody without a duty", o.newcomer, "account.official-second-who"},
		} {
			if got := b.agreeIs(b.by(tt.by), o.holder, 0); got != tt.want {
				t.Errorf("%s agrees: %q, want %q", tt.name, got, tt.want)
			}
		}
		if got := b.agreeIs(b.by(o.bob), o.holder, 902); got != "account.official-not-asked" {
			t.Errorf("agreed to another number than was asked for: %q", got)
		}
		b.tx(func(tx *store.Tx) error { return b.s.Deactivate(b.Context(), tx, system, o.ada) })
		if got := b.agreeIs(b.by(o.bob), o.holder, 0); got != "account.official-asker-gone" {
			t.Errorf("asked for by somebody who was shut out since: %q", got)
		}
		b.tx(func(tx *store.Tx) error { return b.s.Activate(b.Context(), tx, system, o.ada) })
		b.tx(func(tx *store.Tx) error {
			for id, want := range map[ref.AccountID]int{o.ada: 1, o.bob: 1, o.holder: 1, low: 0, o.newcomer: 0} {
				all, err := b.s.WaitingOfficials(b.Context(), tx, b.viewer(id))
				if err != nil || len(all) != want {
					t.Errorf("%d waits for account %d (%v), want %d", len(all), id, err, want)
				}
				if len(all) == 1 && (all[0].Not == nil) != (id == o.bob) {
					t.Errorf("account %d: %v", id, all[0].Not)
				}
			}
			return nil
		})
		b.refold(o.holder)
		if got := b.agreeIs(b.by(o.bob), o.holder, 0); got != "" || b.officialOf(o.holder) != 0 {
			t.Errorf("a second person agrees: %q", got)
		}
		if got := b.agreeIs(b.by(o.bob), o.holder, 0); got != "account.official-not-asked" {
			t.Errorf("agreed to a second time: %q", got)
		}
		b.refold(o.holder)

		// Nobody agrees that somebody else is who they are themselves; who sits at the same desk may agree, and refuse.
		if got := b.is(b.by(o.ada), o.holder, 901); got != "" {
			t.Fatal(got)
		}
		if got := b.agreeIs(b.by(twin), o.holder, 901); got != "account.self" {
			t.Errorf("that another account is oneself: %q", got)
		}
		beside := b.create("beside")
		if got := b.grant(system, beside, "intake", city); got != "" {
			t.Fatal(got)
		}
		if got := b.try(func(tx *store.Tx) error { return b.s.RefuseOfficial(b.Context(), tx, b.by(beside), o.holder, 901) }); got != "" {
			t.Errorf("a colleague at the desk says no: %q", got)
		}
		b.refold(o.holder)
	})
}

func TestANameIsChangedByOneAndTheOfficialWaits(t *testing.T) {
	each(t, func(b *bench) {
		o := b.small()
		b.tx(func(tx *store.Tx) error {
			return b.s.Change(b.Context(), tx, b.by(o.ada), o.holder, account.ChangeCmd{Name: "Another", Lang: "zh-Hans", Official: 901})
		})
		v := b.viewer(o.holder)
		if v.Name != "Another" || v.Official != 0 {
			t.Errorf("got %q, official %d", v.Name, v.Official)
		}
		b.refold(o.holder)
	})
}

func TestWhoWasOnePersonIsNotMadeTwoByOneAdministrator(t *testing.T) {
	each(t, func(b *bench) {
		o := b.small()
		mallory := b.create("mallory")
		if got := b.grant(system, mallory, "admin", nation); got != "" {
			t.Fatal(got)
		}
		for id, official := range map[ref.AccountID]ref.OfficialID{o.ada: 901, o.bob: 902} { // 902 was merged into 901
			if got := b.is(system, id, official); got != "" {
				t.Fatal(got)
			}
		}
		// The duty is taken, the tie cut while nothing rests on it, and the duty given again: all by one.
		for _, step := range []func() string{
			func() string {
				return b.try(func(tx *store.Tx) error {
					return b.s.Revoke(b.Context(), tx, b.by(mallory), account.RevokeCmd{Account: o.bob, Duty: "admin", Body: city, From: b.s.Today()})
				})
			},
			func() string { return b.is(b.by(mallory), o.bob, 0) },
			func() string { return b.grant(b.by(mallory), o.bob, "admin", city) },
			func() string { return b.grant(b.by(o.ada), o.newcomer, "custodian", city) },
		} {
			if got := step(); got != "" {
				t.Fatal(got)
			}
		}
		if got := b.confirm(b.by(o.bob), o.newcomer, "custodian", city); got != "account.second-tied" {
			t.Errorf("one person agreed with themselves, after a third cut the tie: %q", got)
		}
		// The operator says that it was a mistake.
		for _, official := range []ref.OfficialID{901, 0} {
			if got := b.is(system, o.bob, official); got != "" {
				t.Fatal(got)
			}
		}
		if got := b.confirm(b.by(o.bob), o.newcomer, "custodian", city); got != "" {
			t.Errorf("two persons, as the operator says: %q", got)
		}
	})
}
