package web_test

import (
	"fmt"
	"net/url"
	"testing"
	"time"

	"plumbline/internal/account"
	"plumbline/internal/fault"
	"plumbline/internal/journal"
	"plumbline/internal/store"
	"plumbline/internal/store/storetest"
	"plumbline/internal/testing/journey"
	"plumbline/internal/testing/world"
	"plumbline/internal/vault"
)

// A password signs in and opens a key. Wherever the program or its database stops while it changes, in whatever way it changes,
// the two belong to the same password afterwards: nobody ends with one that signs in and opens nothing.
func TestAPasswordAndTheKeyItOpensNeverPart(t *testing.T) {
	world.EachURL(t, func(t *testing.T, url string) {
		var f storetest.Fault
		db := world.Open(t, url, store.WithHook(func(p store.Point) error {
			if p.Step == store.StepQuery {
				return nil
			}
			return f.Hook(p)
		}))
		o := journey.Open(t, db)
		v, id := o.Engine.Vault(), o.Account["intake officer"]
		signs := func(password string) bool {
			o.Advance(time.Hour) // past every pause for wrong passwords
			_, err := o.Accounts.SignIn(t.Context(), account.Attempt{Login: journey.Login("intake officer"), Password: password})
			if err != nil && !fault.Is(err, fault.Forbidden) {
				t.Fatal(err)
			}
			return err == nil
		}
		opens := func(password string) bool {
			_, err := v.Unlock(t.Context(), id, vault.Secret{Kind: vault.Password, Bytes: []byte(password)})
			if err != nil && !fault.Is(err, fault.Forbidden) && !fault.Is(err, fault.NotFound) {
				t.Fatal(err)
			}
			return err == nil
		}
		made := 0
		fresh := func() string { made++; return fmt.Sprintf("%d herons wade upstream at dusk", 100+made) }
		each := func(name string, least int, try func(arm func(), old, new string), check func(old, new string) (now string)) {
			t.Run(name, func(t *testing.T) {
				now, reached := fresh(), 0
				if err := o.Accounts.SetPassword(t.Context(), account.System(journal.ViaCLI), id, now, false); err != nil {
					t.Fatal(err)
				}
				if _, err := v.Enrol(t.Context(), id, vault.Secret{Kind: vault.Password, Bytes: []byte(now)}); err != nil {
					t.Fatal(err)
				}
				for _, after := range []bool{false, true} {
					for n := int64(1); ; n++ {
						next := fresh()
						try(func() { f.Arm(n, after) }, now, next)
						hit := f.Disarm()
						now = check(now, next)
						if hit == nil {
							break
						}
						reached++
					}
				}
				if reached < least {
					t.Errorf("only %d steps failed in turn", reached)
				}
			})
		}

		each("their own change", 10, func(arm func(), old, new string) {
			w := o.Stranger()
			if got := w.Post("/staff/sign-in", form("login", journey.Login("intake officer"), "password", old, "return", "/staff")); got.Path() != "/staff" {
				t.Fatalf("cannot sign in: %s", got.Text())
			}
			arm()
			w.Post("/staff/account/password", form("old", old, "password", new, "again", new))
		}, func(old, new string) string {
			now := old
			if signs(new) {
				now = new
			} else if !signs(old) {
				t.Fatal("neither password signs in")
			}
			if !opens(now) || opens(new) && now == old {
				t.Fatalf("the password that signs in opens: %v; the other: %v, %v", opens(now), opens(old), opens(new))
			}
			return now
		})
		each("set by the office", 6, func(arm func(), _, new string) {
			arm()
			_ = o.Accounts.SetPassword(t.Context(), account.System(journal.ViaCLI), id, new, false) // what it came to is looked at
		}, func(old, new string) string {
			if signs(new) == opens(old) {
				t.Fatalf("the new password signs in: %v; the old one still opens: %v", signs(new), opens(old))
			}
			if !opens(old) {
				if _, err := v.Enrol(t.Context(), id, vault.Secret{Kind: vault.Password, Bytes: []byte(new)}); err != nil {
					t.Fatal(err)
				}
				return new
			}
			return old
		})
		each("an invitation", 8, func(arm func(), _, new string) {
			var token string
			err := db.Tx(t.Context(), func(tx *store.Tx) (err error) {
				if err = o.Accounts.Reset(t.Context(), tx, account.System(journal.ViaCLI), id); err != nil {
					return err
				}
				token, _, err = o.Accounts.Invite(t.Context(), tx, account.System(journal.ViaCLI), id)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			w := o.Stranger()
			w.Get("/invite/" + token)
			arm()
			w.Post("/invite/"+token, form("password", new, "again", new))
		}, func(_, new string) string {
			if signs(new) != opens(new) {
				t.Fatalf("the password signs in: %v, and opens the key: %v", signs(new), opens(new))
			}
			return new
		})
	})
}

func form(pairs ...string) url.Values {
	out := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		out.Set(pairs[i], pairs[i+1])
	}
	return out
}
