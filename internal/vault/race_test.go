package vault_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"plumbline/internal/fault"
	"plumbline/internal/ref"
	"plumbline/internal/store"
	"plumbline/internal/testing/world"
	"plumbline/internal/vault"
)

// Everything at once, on two instances of the program: people leave a desk and join it, are let in and hand over, search and
// report. When it is quiet again, every report opens for those on the desk and for nobody else.
func TestEverythingAtOnceEndsWithTheRightReaders(t *testing.T) {
	const people, rounds, filers, each = 6, 8, 4, 12
	world.EachURL(t, func(t *testing.T, url string) {
		db := world.Open(t, url)
		dbs := []*store.DB{db, store2(t, url)}
		key := vault.NewOfficeKey()
		vs := []*vault.Vault{vault.New(dbs[0], key, time.Now), vault.New(dbs[1], key, time.Now)}
		o := &office{t, db, vs[0]}
		prf := func(a ref.AccountID) vault.Secret {
			return vault.Secret{Kind: vault.Passkey, ID: "key", Bytes: []byte(fmt.Sprintf("prf of %d", a))}
		}
		keys := map[ref.AccountID]*vault.Keys{}
		for a := ref.AccountID(1); a <= people; a++ {
			o.join(a, intake)
		}
		for a := ref.AccountID(1); a <= people; a++ {
			k, err := o.v.Enrol(t.Context(), a, prf(a))
			if err != nil {
				t.Fatal(err)
			}
			keys[a] = k
		}
		var mu sync.Mutex
		sealed := map[ref.MatterID][]byte{}
		// What somebody may lawfully be told while others are at it; anything else is a fault of ours.
		fine := func(err error) bool {
			return err == nil || fault.Is(err, fault.Forbidden) || fault.Is(err, fault.Conflict)
		}
		var all sync.WaitGroup
		fail := func(what string, err error) {
			if !fine(err) {
				t.Errorf("%s: %v", what, err)
			}
		}
		for f := range filers {
			all.Go(func() {
				v, db := vs[f%2], dbs[f%2]
				for i := range each {
					m := ref.MatterID(1000*(f+1) + i)
					k := vault.ReporterKeys(ref.NewReceiptCode())
					wants := []vault.Want{{Compartment: "file", Desks: []vault.Desk{intake}}}
					var founding *vault.Founding
					err := db.Read(t.Context(), func(tx *store.Tx) (err error) { founding, err = v.Found(t.Context(), tx, k, m, wants); return err })
					if err == nil {
						err = db.Tx(t.Context(), func(tx *store.Tx) error {
							op, err := v.Hold(t.Context(), tx, operator, k, m, wants, founding, false)
							if err != nil {
								return err
							}
							text, err := op.Seal("file", "entry/1", words)
							mu.Lock()
							sealed[m] = text
							mu.Unlock()
							return err
						})
					}
					if err != nil {
						t.Errorf("a report was turned away: %v", err)
					}
				}
			})
		}
		// Account 1 stays, so that somebody can always let in. The others come and go, two of them by each instance at a time.
		for a := ref.AccountID(2); a <= people; a++ {
			all.Go(func() {
				v, db := vs[int(a)%2], dbs[int(a)%2]
				for range rounds {
					switch rand.IntN(5) {
					case 0, 1:
						fail("leave", db.Tx(t.Context(), func(tx *store.Tx) error { return v.Leave(t.Context(), tx, operator, a, intake) }))
					case 2:
						fail("join", db.Tx(t.Context(), func(tx *store.Tx) error { return v.Join(t.Context(), tx, operator, a, intake) }))
					case 3:
						k, err := v.Unlock(t.Context(), a, prf(a))
						fail("unlock", err)
						fail("catch up", v.CatchUp(t.Context(), k, nil))
					case 4:
						k, err := v.Unlock(t.Context(), 1, prf(1))
						fail("unlock", err)
						fail("let in", db.Tx(t.Context(), func(tx *store.Tx) error { return v.LetIn(t.Context(), tx, k, a, intake) }))
					}
				}
			})
		}
		all.Go(func() { // somebody searches all the time, and makes fast what they opened
			v, db := vs[1], dbs[1]
			k, err := v.Unlock(t.Context(), 1, prf(1))
			fail("unlock", err)
			for range rounds {
				mu.Lock()
				var ids []ref.MatterID
				for m := range sealed {
					ids = append(ids, m)
				}
				mu.Unlock()
				var found map[ref.MatterID]*vault.Opener
				fail("search", db.Read(t.Context(), func(tx *store.Tx) (err error) { found, err = v.Openers(t.Context(), tx, k, ids); return err }))
				fail("settle", db.Tx(t.Context(), func(tx *store.Tx) error {
					for _, op := range found {
						if err := op.Settle(t.Context(), tx); err != nil {
							return err
						}
					}
					return nil
				}))
			}
		})
		all.Wait()
		if t.Failed() {
			return
		}

		// Quiet again: whoever can hand over what is left does, in any order.
		first, err := vs[0].Unlock(t.Context(), 1, prf(1))
		if err != nil {
			t.Fatal(err)
		}
		if err := vs[0].CatchUp(t.Context(), first, nil); err != nil {
			t.Fatal(err)
		}
		var members []vault.Member
		var desks []vault.Drilled
		err = db.Read(t.Context(), func(tx *store.Tx) error {
			var err1, err2 error
			members, err1 = o.v.Members(t.Context(), tx, intake)
			desks, err2 = o.v.Desks(t.Context(), tx)
			return errors.Join(err1, err2)
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(desks) != 1 || desks[0].Matters != filers*each {
			t.Errorf("sealed to the desk: %+v, want %d reports to one key", desks, filers*each)
		}
		may := map[ref.AccountID]bool{}
		for _, m := range members {
			may[m.Account] = m.Opens
		}
		if !may[1] {
			t.Error("who never left cannot open the desk")
		}
		for a := ref.AccountID(1); a <= people; a++ {
			now, err := vs[0].Unlock(t.Context(), a, prf(a))
			if err != nil {
				t.Fatal(err)
			}
			for m, text := range sealed {
				for name, k := range map[string]*vault.Keys{"signed in anew": now, "signed in all the time": keys[a]} {
					if got := o.reads(k, m, text); got != may[a] {
						t.Errorf("account %d (%s) reads report %d: %v, want %v", a, name, m, got, may[a])
					}
				}
			}
		}
	})
}

// store2 is a second opening of a database, as another instance of the program has it.
func store2(t *testing.T, url string) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}
