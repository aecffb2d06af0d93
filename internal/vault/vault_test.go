package vault_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"plumbline/internal/fault"
	"plumbline/internal/journal"
	"plumbline/internal/ref"
	"plumbline/internal/store"
	"plumbline/internal/testing/world"
	"plumbline/internal/vault"
)

// office is a vault with people and desks, for one database.
type office struct {
	*testing.T
	db *store.DB
	v  *vault.Vault
}

func each(t *testing.T, test func(o *office)) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		now := time.Date(2026, 3, 9, 9, 0, 0, 0, time.UTC)
		test(&office{t, db, vault.New(db, vault.NewOfficeKey(), func() time.Time { now = now.Add(time.Millisecond); return now })})
	})
}

var operator = journal.Actor{Duty: "operator"}

var intake, reviewers = vault.Desk{Duty: "intake", Body: 7}, vault.Desk{Duty: "reviewer", Body: 7}

func (o *office) tx(do func(tx *store.Tx) error) {
	o.Helper()
	if err := o.db.Tx(o.Context(), do); err != nil {
		o.Fatal(err)
	}
}

func (o *office) join(a ref.AccountID, d vault.Desk) {
	o.Helper()
	o.tx(func(tx *store.Tx) error { return o.v.Join(o.Context(), tx, operator, a, d) })
}

func (o *office) leave(a ref.AccountID, d vault.Desk) {
	o.Helper()
	o.tx(func(tx *store.Tx) error { return o.v.Leave(o.Context(), tx, operator, a, d) })
}

func password(s string) vault.Secret { return vault.Secret{Kind: vault.Password, Bytes: []byte(s)} }

func (o *office) enrol(a ref.AccountID) *vault.Keys {
	o.Helper()
	k, err := o.v.Enrol(o.Context(), a, password("seven quiet herons"))
	if err != nil {
		o.Fatal(err)
	}
	return k
}

// split makes an escrow of the officers and returns their shares.
func (o *office) split(need, officers int) (shares []vault.Share) {
	o.Helper()
	if err := o.v.Split(o.Context(), operator, need, officers, func(s []vault.Share) error { shares = s; return nil }); err != nil {
		o.Fatal(err)
	}
	return shares
}

var words = []byte(`{"story":"He took the money at the gate."}`)

// file opens a matter with the compartments of a report and seals a story into one of them.
func (o *office) file(m ref.MatterID, code ref.ReceiptCode) (sealed []byte) {
	o.Helper()
	wants := []vault.Want{
		{Compartment: "file", Desks: []vault.Desk{intake}},
		{Compartment: "reporter", Desks: []vault.Desk{intake}, Reporter: true},
	}
	o.tx(func(tx *store.Tx) error {
		op, err := o.v.Hold(o.Context(), tx, operator, vault.ReporterKeys(code), m, wants, nil, false)
		if err != nil {
			return err
		}
		sealed, err = op.Seal("file", "entry/1", words)
		return err
	})
	return sealed
}

// reads reports whether keys open what was sealed in the file compartment.
func (o *office) reads(k *vault.Keys, m ref.MatterID, sealed []byte) bool {
	o.Helper()
	var got []byte
	err := o.db.Read(o.Context(), func(tx *store.Tx) error {
		op, err := o.v.Opener(o.Context(), tx, k, m)
		if err != nil {
			return err
		}
		got, err = op.Open("file", "entry/1", sealed)
		return err
	})
	if fault.Is(err, fault.Forbidden) {
		return false
	}
	if err != nil {
		o.Fatal(err)
	}
	return bytes.Equal(got, words)
}

func TestWhoReadsWhatWasSealed(t *testing.T) {
	each(t, func(o *office) {
		o.join(1, intake)
		o.join(2, intake)
		code := ref.NewReceiptCode()
		sealed := o.file(100, code)
		if bytes.Contains(sealed, []byte("money")) {
			o.Fatal("it stands in the clear")
		}
		first := o.enrol(1)
		if !o.reads(first, 100, sealed) {
			o.Error("the first of the desk does not read what came before they had a key")
		}
		if !o.reads(o.enrol(2), 100, sealed) {
			o.Error("nor does the second, who was on the desk from the beginning")
		}
		if o.reads(o.enrol(3), 100, sealed) || o.reads(nil, 100, sealed) {
			o.Error("somebody of no desk reads it")
		}
		if o.reads(vault.ReporterKeys(code), 100, sealed) || o.reads(vault.ReporterKeys(ref.NewReceiptCode()), 100, sealed) {
			o.Error("a receipt code opens the file")
		}
		var kept int
		o.tx(func(tx *store.Tx) error {
			return tx.QueryRow(o.Context(), `SELECT COUNT(*) FROM vault_kept`).Scan(&kept)
		})
		if kept != 0 {
			o.Error("the office still keeps a desk that everybody has joined")
		}

		// A third comes later: no administrator can let them in, a colleague can.
		o.join(3, intake)
		third, err := o.v.Unlock(o.Context(), 3, password("seven quiet herons"))
		if err != nil {
			o.Fatal(err)
		}
		if o.reads(third, 100, sealed) {
			o.Error("who was put on the desk reads without anybody letting them in")
		}
		o.tx(func(tx *store.Tx) error {
			w, err := o.v.Waiting(o.Context(), tx, first)
			if err == nil && (len(w) != 1 || w[0].Account != 3 || !w[0].Ready) {
				o.Errorf("waiting: %+v", w)
			}
			return errors.Join(err, o.v.LetIn(o.Context(), tx, first, 3, intake))
		})
		if !o.reads(third, 100, sealed) {
			o.Error("who was let in does not read")
		}
		err = o.db.Tx(o.Context(), func(tx *store.Tx) error { return o.v.LetIn(o.Context(), tx, first, 9, intake) })
		if !fault.Is(err, fault.Forbidden) {
			o.Errorf("somebody was let in whom nobody put on the desk: %v", err)
		}
	})
}

func TestWhoLeftADeskReadsNothingThatComesAndNothingHandedOver(t *testing.T) {
	each(t, func(o *office) {
		o.join(1, intake)
		o.join(2, intake)
		leaver, stays := o.enrol(1), o.enrol(2)
		before := o.file(100, ref.NewReceiptCode())
		if !o.reads(leaver, 100, before) {
			o.Fatal("the leaver does not read while on the desk")
		}
		o.leave(1, intake)
		after := o.file(101, ref.NewReceiptCode())
		if o.reads(leaver, 101, after) {
			o.Error("who left reads what came after")
		}
		if !o.reads(stays, 100, before) || !o.reads(stays, 101, after) {
			o.Error("who stays reads no longer")
		}
		if err := o.v.CatchUp(o.Context(), stays, nil); err != nil {
			o.Fatal(err)
		}
		if !o.reads(stays, 100, before) {
			o.Error("who stays reads no longer, after handing over")
		}
		if o.reads(leaver, 100, before) {
			o.Error("who left still reads what was handed over")
		}
		o.join(4, intake)
		successor := o.enrol(4)
		o.tx(func(tx *store.Tx) error { return o.v.LetIn(o.Context(), tx, stays, 4, intake) })
		if !o.reads(successor, 100, before) || !o.reads(successor, 101, after) {
			o.Error("a successor does not read the history")
		}
	})
}

func TestAForgottenPasswordCostsTheDeskNothing(t *testing.T) {
	each(t, func(o *office) {
		o.join(1, intake)
		o.join(2, intake)
		forgets, colleague := o.enrol(1), o.enrol(2)
		sealed := o.file(100, ref.NewReceiptCode())
		o.tx(func(tx *store.Tx) error { return o.v.GiveUp(o.Context(), tx, operator, 1) })
		if o.reads(forgets, 100, sealed) {
			o.Error("keys that were given up still open")
		}
		if _, err := o.v.Unlock(o.Context(), 1, password("seven quiet herons")); !fault.Is(err, fault.NotFound) {
			o.Errorf("unlock what was given up: %v", err)
		}
		again := o.enrol(1)
		if o.reads(again, 100, sealed) || !o.reads(colleague, 100, sealed) {
			o.Error("after a reset")
		}
		o.tx(func(tx *store.Tx) error { return o.v.LetIn(o.Context(), tx, colleague, 1, intake) })
		if !o.reads(again, 100, sealed) {
			o.Error("let in again, and still shut")
		}
	})
}

func TestADeskWorksOnAfterTheOnlyOneForgotTheirPassword(t *testing.T) {
	each(t, func(o *office) {
		o.join(1, intake)
		o.enrol(1)
		before := o.file(100, ref.NewReceiptCode())
		o.tx(func(tx *store.Tx) error { return o.v.GiveUp(o.Context(), tx, operator, 1) })
		after := o.file(101, ref.NewReceiptCode())
		again := o.enrol(1)
		if !o.reads(again, 101, after) {
			o.Error("what came after the password was forgotten cannot be read by anybody")
		}
		if o.reads(again, 100, before) {
			o.Error("a new password opens what the old one locked")
		}
	})
}

func TestWhoIsAloneOnADesk(t *testing.T) {
	each(t, func(o *office) {
		o.join(1, intake)
		o.join(2, intake)
		o.enrol(1)
		alone := func() (yes bool) {
			o.tx(func(tx *store.Tx) (err error) { yes, err = o.v.Alone(o.Context(), tx, 1, intake); return err })
			return yes
		}
		if alone() {
			o.Error("nothing is sealed to the desk yet")
		}
		o.file(100, ref.NewReceiptCode())
		if alone() {
			o.Error("the office keeps the desk for the second of it")
		}
		o.leave(2, intake)
		o.file(101, ref.NewReceiptCode())
		if !alone() {
			o.Error("the only one on the desk is not said to be")
		}
	})
}

func TestOfficersRecoverADeskTogether(t *testing.T) {
	each(t, func(o *office) {
		o.join(1, intake)
		shares := o.split(2, 3)
		only := o.enrol(1)
		sealed := o.file(100, ref.NewReceiptCode())
		o.tx(func(tx *store.Tx) error { return o.v.GiveUp(o.Context(), tx, operator, 1) })
		if o.reads(only, 100, sealed) {
			o.Fatal("given up, and opens")
		}
		for i, s := range shares {
			back, err := vault.ParseShare(s.Line())
			if err != nil || back.Line() != s.Line() {
				o.Fatalf("share %d: %v", i, err)
			}
		}
		if _, err := o.v.Combine(o.Context(), shares[:1]); !fault.Is(err, fault.Forbidden) {
			o.Errorf("one share of two needed: %v", err)
		}
		if _, err := o.v.Combine(o.Context(), []vault.Share{shares[0], shares[0]}); !fault.Is(err, fault.Invalid) {
			o.Errorf("the same share twice: %v", err)
		}
		j, err := o.v.Combine(o.Context(), []vault.Share{shares[2], shares[0]})
		if err != nil {
			o.Fatal(err)
		}
		drill, err := j.Drill(o.Context())
		if err != nil || len(drill) == 0 || !drill[0].Covered || drill[0].Broken {
			o.Errorf("drill: %+v, %v", drill, err)
		}
		again := o.enrol(1)
		if o.reads(again, 100, sealed) {
			o.Error("reads before the recovery")
		}
		if _, err := j.Recover(o.Context(), operator, 1, intake); err != nil {
			o.Fatal(err)
		}
		if !o.reads(again, 100, sealed) {
			o.Error("recovered, and still shut")
		}
	})
}

func TestALockOpensWithItsOwnSecretAlone(t *testing.T) {
	each(t, func(o *office) {
		k := o.enrol(5)
		if _, err := o.v.Unlock(o.Context(), 5, password("six loud herons")); !fault.Is(err, fault.Forbidden) {
			o.Errorf("a wrong password: %v", err)
		}
		prf := vault.Secret{Kind: vault.Passkey, ID: "key-1", Bytes: bytes.Repeat([]byte{7}, 32)}
		if err := o.v.Relock(o.Context(), k, prf); err != nil {
			o.Fatal(err)
		}
		if _, err := o.v.Unlock(o.Context(), 5, prf); err != nil {
			o.Errorf("by passkey: %v", err)
		}
		if err := o.v.Relock(o.Context(), k, password("eleven grey geese")); err != nil {
			o.Fatal(err)
		}
		if _, err := o.v.Unlock(o.Context(), 5, password("seven quiet herons")); !fault.Is(err, fault.Forbidden) {
			o.Errorf("the old password still opens: %v", err)
		}
		o.tx(func(tx *store.Tx) error { return o.v.DropLock(o.Context(), tx, 5, vault.Passkey, "key-1") })
		err := o.db.Tx(o.Context(), func(tx *store.Tx) error { return o.v.DropLock(o.Context(), tx, 5, vault.Password, "") })
		if !fault.Is(err, fault.Conflict) {
			o.Errorf("the last lock was taken away: %v", err)
		}
	})
}

func TestASessionOpensOnAnotherInstanceAndWithItsTokenAlone(t *testing.T) {
	each(t, func(o *office) {
		o.join(1, intake)
		k := o.enrol(1)
		sealed := o.file(100, ref.NewReceiptCode())
		kept, err := o.v.SealSession(k, "token-of-the-cookie")
		if err != nil {
			o.Fatal(err)
		}
		other := vault.New(o.db, o.v.OfficeKey(), time.Now)
		again, err := other.OpenSession("token-of-the-cookie", kept)
		if err != nil || !o.reads(again, 100, sealed) {
			o.Errorf("a second instance: %v", err)
		}
		if _, err := other.OpenSession("another-token", kept); !fault.Is(err, fault.Forbidden) {
			o.Errorf("another token: %v", err)
		}
		other.CloseSession("token-of-the-cookie")
		if o.reads(again, 100, sealed) {
			o.Error("keys of a session that ended still open")
		}
	})
}

func TestWhatIsSealedOpensInItsOwnPlaceAlone(t *testing.T) {
	each(t, func(o *office) {
		o.join(1, intake)
		k := o.enrol(1)
		here, there := o.file(100, ref.NewReceiptCode()), o.file(101, ref.NewReceiptCode())
		err := o.db.Read(o.Context(), func(tx *store.Tx) error {
			op, err := o.v.Opener(o.Context(), tx, k, 100)
			if err != nil {
				return err
			}
			for name, try := range map[string]func() error{
				"another matter's":    func() error { _, err := op.Open("file", "entry/1", there); return err },
				"as another entry":    func() error { _, err := op.Open("file", "entry/2", here); return err },
				"another compartment": func() error { _, err := op.Open("reporter", "entry/1", here); return err },
				"a changed byte": func() error {
					b := bytes.Clone(here)
					b[len(b)-1] ^= 1
					_, err := op.Open("file", "entry/1", b)
					return err
				},
				"cut off": func() error { _, err := op.Open("file", "entry/1", here[:len(here)-1]); return err },
				"nothing": func() error { _, err := op.Open("file", "entry/1", nil); return err },
			} {
				if try() == nil {
					o.Errorf("%s: it opened", name)
				}
			}
			return nil
		})
		if err != nil {
			o.Fatal(err)
		}
	})
}

func TestWhoMayWriteAndNotReadSealsToTheCompartment(t *testing.T) {
	each(t, func(o *office) {
		o.join(1, intake)
		k := o.enrol(1)
		code := ref.NewReceiptCode()
		o.file(100, code)
		var more []byte
		o.tx(func(tx *store.Tx) (err error) {
			more, err = o.v.Seal(o.Context(), tx, vault.ReporterKeys(code), 100, "file", "entry/1", words)
			return err
		})
		if o.reads(vault.ReporterKeys(code), 100, more) {
			o.Error("the reporter opens the file")
		}
		if !o.reads(k, 100, more) {
			o.Error("the desk does not read what the reporter added")
		}
	})
}

func TestTheReporterKeepsTheKeyOfTheirOwnWords(t *testing.T) {
	each(t, func(o *office) {
		code := ref.NewReceiptCode()
		keys := vault.ReporterKeys(code)
		var mine, theirs []byte
		o.tx(func(tx *store.Tx) error {
			op, err := o.v.Hold(o.Context(), tx, operator, keys, 100, []vault.Want{{Compartment: "file", Desks: []vault.Desk{intake}}}, nil, false)
			if err != nil {
				return err
			}
			if mine, err = op.Seal("file", "entry/1", words); err != nil {
				return err
			}
			if theirs, err = op.Seal("file", "entry/2", words); err != nil {
				return err
			}
			return op.Lend(o.Context(), tx, keys, "file", "entry/1", mine)
		})
		if !o.reads(vault.ReporterKeys(code), 100, mine) {
			o.Error("the reporter does not read their own words")
		}
		err := o.db.Read(o.Context(), func(tx *store.Tx) error {
			op, err := o.v.Opener(o.Context(), tx, keys, 100)
			if err == nil {
				_, err = op.Open("file", "entry/2", theirs)
			}
			return err
		})
		if !fault.Is(err, fault.Forbidden) {
			o.Errorf("the reporter reads a note of the file: %v", err)
		}
	})
}

func TestHandingOnTakesSomebodyWhoCanOpen(t *testing.T) {
	each(t, func(o *office) {
		o.join(1, intake)
		o.join(2, reviewers)
		desk, reviewer := o.enrol(1), o.enrol(2)
		sealed := o.file(100, ref.NewReceiptCode())
		on := []vault.Want{{Compartment: "file", Desks: []vault.Desk{reviewers}}}
		hold := func(k *vault.Keys, strict bool) error {
			return o.db.Tx(o.Context(), func(tx *store.Tx) error {
				_, err := o.v.Hold(o.Context(), tx, operator, k, 100, on, nil, strict)
				return err
			})
		}
		if err := hold(nil, true); !fault.Is(err, fault.Forbidden) {
			o.Errorf("handed on by somebody who cannot open it: %v", err)
		}
		if err := hold(nil, false); err != nil || o.reads(reviewer, 100, sealed) {
			o.Errorf("the system cannot hand on, and does not fail: %v", err)
		}
		if err := hold(desk, true); err != nil || !o.reads(reviewer, 100, sealed) {
			o.Errorf("handed on by the desk: %v", err)
		}
		if err := hold(nil, true); err != nil {
			o.Errorf("there is nothing left to hand on: %v", err)
		}
	})
}

func TestAFoundingMadeBeforeIsUsedOrMadeAnew(t *testing.T) {
	each(t, func(o *office) {
		o.join(1, intake)
		o.join(2, intake)
		desk := o.enrol(1)
		o.enrol(2)
		wants := []vault.Want{{Compartment: "file", Desks: []vault.Desk{intake}}}
		keys := vault.ReporterKeys(ref.NewReceiptCode())
		found := func(m ref.MatterID) (f *vault.Founding) {
			o.tx(func(tx *store.Tx) (err error) { f, err = o.v.Found(o.Context(), tx, keys, m, wants); return err })
			return f
		}
		seal := func(m ref.MatterID, f *vault.Founding) (sealed []byte) {
			o.tx(func(tx *store.Tx) error {
				op, err := o.v.Hold(o.Context(), tx, operator, keys, m, wants, f, false)
				if err == nil {
					sealed, err = op.Seal("file", "entry/1", words)
				}
				return err
			})
			return sealed
		}
		if sealed := seal(100, found(100)); !o.reads(desk, 100, sealed) {
			o.Error("made before")
		}
		late := found(101)
		o.leave(2, intake) // another key of the desk is in use now
		now, err := o.v.Unlock(o.Context(), 1, password("seven quiet herons"))
		if err != nil {
			o.Fatal(err)
		}
		if sealed := seal(101, late); !o.reads(now, 101, sealed) {
			o.Error("made anew")
		}
	})
}

func TestWithoutTheOfficeKeyItIsSaid(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		v := vault.New(db, nil, time.Now)
		err := db.Tx(t.Context(), func(tx *store.Tx) error { return v.Join(t.Context(), tx, operator, 1, intake) })
		if !fault.Is(err, fault.Unavailable) {
			t.Errorf("%v", err)
		}
	})
}
