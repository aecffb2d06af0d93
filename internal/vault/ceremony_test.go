package vault_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"plumbline/internal/fault"
	"plumbline/internal/ref"
	"plumbline/internal/store"
	"plumbline/internal/store/storetest"
	"plumbline/internal/testing/world"
	"plumbline/internal/vault"
)

// A desk of its own for one try of a ceremony: ann and ben can open it, cid waits and has a key, dan waits and has none.
type scene struct {
	*office
	desk   vault.Desk
	base   int64
	sealed map[string][]byte
	shares []vault.Share
	keys   map[string]*vault.Keys // of ann and ben, opened before the ceremony
}

var cast = []string{"ann", "ben", "cid", "dan"}

func (s *scene) account(name string) ref.AccountID {
	return ref.AccountID(s.base*10 + int64(slices.Index(cast, name)) + 1)
}

func (s *scene) secret(name string) vault.Secret {
	return vault.Secret{Kind: vault.Passkey, ID: "key", Bytes: bytes.Repeat([]byte{byte(len(name)), name[0]}, 16)}
}

func (s *scene) matter(which string) ref.MatterID {
	return ref.MatterID(s.base*100 + int64(slices.Index(stories, which)) + 1)
}

var stories = []string{"first", "second", "third", "later"}

func (s *scene) report(which string) {
	s.Helper()
	s.tx(func(tx *store.Tx) error {
		op, err := s.v.Hold(s.Context(), tx, operator, vault.ReporterKeys(ref.NewReceiptCode()), s.matter(which), []vault.Want{{Compartment: "file", Desks: []vault.Desk{s.desk}}}, nil, false)
		if err == nil {
			s.sealed[which], err = op.Seal("file", "entry/1", words)
		}
		return err
	})
}

func (s *scene) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *scene) enrolled(name string) *vault.Keys {
	s.Helper()
	k, err := s.v.Enrol(s.Context(), s.account(name), s.secret(name))
	s.must(err)
	return k
}

// unlocked is what somebody opens who signs in now; nil if they have no key.
func (s *scene) unlocked(name string) *vault.Keys {
	s.Helper()
	k, err := s.v.Unlock(s.Context(), s.account(name), s.secret(name))
	if !fault.Is(err, fault.NotFound) {
		s.must(err)
	}
	return k
}

// readers says who reads which report, everybody having signed in anew: "first: ann ben; second: ann ben".
func (s *scene) readers() string {
	s.Helper()
	var out []string
	for _, which := range stories {
		if s.sealed[which] == nil {
			continue
		}
		who := []string{which + ":"}
		for _, name := range cast {
			if s.reads(s.unlocked(name), s.matter(which), s.sealed[which]) {
				who = append(who, name)
			}
		}
		out = append(out, strings.Join(who, " "))
	}
	return strings.Join(out, "; ")
}

func (s *scene) let(name string) error {
	return s.db.Tx(s.Context(), func(tx *store.Tx) error { return s.v.LetIn(s.Context(), tx, s.keys["ann"], s.account(name), s.desk) })
}

func (s *scene) joining(name string) error {
	return s.db.Tx(s.Context(), func(tx *store.Tx) error { return s.v.Join(s.Context(), tx, operator, s.account(name), s.desk) })
}

func (s *scene) leaving(name string) error {
	return s.db.Tx(s.Context(), func(tx *store.Tx) error { return s.v.Leave(s.Context(), tx, operator, s.account(name), s.desk) })
}

func (s *scene) givingUp(name string) error {
	return s.db.Tx(s.Context(), func(tx *store.Tx) error { return s.v.GiveUp(s.Context(), tx, operator, s.account(name)) })
}

func (s *scene) unless(kind fault.Kind, err error) error {
	if fault.Is(err, kind) {
		return nil // done before: the answer was lost
	}
	return err
}

// ceremonies are all that is done to keys in several steps. do is what somebody does again who was told that it failed.
var ceremonies = []struct {
	name          string
	set           func(s *scene)
	do            func(s *scene) error
	before, after string // who reads the first report and those after it
	later         string // who reads what comes after the ceremony
}{
	// First what covers every desk that the office keeps: later there are many.
	{"the officers' key is split", nil, func(s *scene) error {
		return s.v.Split(s.Context(), operator, 2, 3, func(shares []vault.Share) error { s.shares = shares; return nil })
	}, "ann ben", "ann ben", "ann ben"},
	{"and covers the desk", func(s *scene) { s.shares = s.split(2, 3) }, func(s *scene) error { return s.v.CatchUp(s.Context(), s.keys["ann"], nil) }, "ann ben", "ann ben", "ann ben"},
	{"officers recover the desk", func(s *scene) {
		s.shares = s.split(2, 3)
		s.must(s.v.CatchUp(s.Context(), s.keys["ann"], nil))
		s.must(s.leaving("ben"))
		s.must(s.givingUp("ann"))
		s.must(s.joining("cid")) // the desk begins anew with them
	}, func(s *scene) error {
		j, err := s.v.Combine(s.Context(), s.shares[:2])
		if err == nil {
			_, err = j.Recover(s.Context(), operator, s.account("cid"), s.desk)
		}
		return err
	}, "", "cid", "cid"},
	{"the first of a desk signs in", func(s *scene) { s.must(s.joining("dan")) }, func(s *scene) error {
		_, err := s.v.Enrol(s.Context(), s.account("dan"), s.secret("dan"))
		return s.unless(fault.Conflict, err)
	}, "ann ben", "ann ben", "ann ben"}, // others are on the desk: dan waits for them
	{"a new desk and its first people", func(s *scene) {
		s.desk.Duty = "reviewer"
		s.must(s.joining("dan"))
		s.sealed = map[string][]byte{}
		s.report("second")
	}, func(s *scene) error {
		_, err := s.v.Enrol(s.Context(), s.account("dan"), s.secret("dan"))
		return s.unless(fault.Conflict, err)
	}, "", "dan", "dan"},
	{"somebody is put on the desk", nil, func(s *scene) error { return s.joining("cid") }, "ann ben", "ann ben", "ann ben"},
	{"and let in", func(s *scene) { s.must(s.joining("cid")) }, func(s *scene) error { return s.let("cid") }, "ann ben", "ann ben cid", "ann ben cid"},
	{"somebody leaves", nil, func(s *scene) error { return s.leaving("ben") }, "ann ben", "ann", "ann"},
	{"what they could open is handed over", func(s *scene) { s.must(s.leaving("ben")) }, func(s *scene) error { return s.v.CatchUp(s.Context(), s.keys["ann"], nil) }, "ann", "ann", "ann"},
	{"two leave, and it is handed over", func(s *scene) {
		s.must(s.joining("cid"))
		s.must(s.let("cid"))
		s.must(s.leaving("ben"))
		s.report("second")
		s.must(s.leaving("cid"))
		s.report("third")
	}, func(s *scene) error { return s.v.CatchUp(s.Context(), s.keys["ann"], nil) }, "ann", "ann", "ann"},
	{"somebody leaves whom the office keeps the desk for", func(s *scene) {
		s.desk.Duty = "reviewer"
		s.must(s.joining("ann"))
		s.must(s.joining("dan"))
		s.sealed = map[string][]byte{}
		s.report("second")
	}, func(s *scene) error { return s.leaving("ann") }, "ann", "", ""},
	{"a forgotten password", nil, func(s *scene) error { return s.givingUp("ben") }, "ann ben", "ann", "ann"},
	{"the password of the last one is forgotten", func(s *scene) { s.must(s.leaving("ben")); s.must(s.v.CatchUp(s.Context(), s.keys["ann"], nil)) },
		func(s *scene) error { return s.givingUp("ann") }, "ann", "", ""},
	{"another way to open one's key", nil, func(s *scene) error {
		return s.v.Relock(s.Context(), s.keys["ann"], vault.Secret{Kind: vault.Passkey, ID: "second", Bytes: []byte("x")})
	}, "ann ben", "ann ben", "ann ben"},
	{"what was opened the slow way", nil, func(s *scene) error {
		var op *vault.Opener
		err := s.db.Read(s.Context(), func(tx *store.Tx) (err error) {
			op, err = s.v.Opener(s.Context(), tx, s.keys["ann"], s.matter("first"))
			return err
		})
		if err == nil {
			err = s.db.Tx(s.Context(), func(tx *store.Tx) error { return op.Settle(s.Context(), tx) })
		}
		return err
	}, "ann ben", "ann ben", "ann ben"},
}

// Whoever pulls the plug in the middle of a ceremony, before a write takes effect or after it did, takes access from nobody and
// gives it to nobody; and doing it again brings it to its end.
func TestACeremonyThatIsCutShortCostsNobodyTheirAccess(t *testing.T) {
	defer vault.HandoverAtOnce(1)() // so that there is something between two transactions
	world.EachURL(t, func(t *testing.T, url string) {
		var f storetest.Fault
		db := world.Open(t, url, store.WithHook(func(p store.Point) error {
			if p.Step == store.StepQuery {
				return nil // it writes nothing
			}
			return f.Hook(p)
		}))
		now := time.Date(2026, 3, 9, 9, 0, 0, 0, time.UTC)
		key := vault.NewOfficeKey()
		next := int64(0)
		for _, c := range ceremonies {
			t.Run(c.name, func(t *testing.T) {
				broken := 0
				try := func(n int64, after bool) (reached bool) {
					next++
					s := &scene{base: next, desk: vault.Desk{Duty: "intake", Body: ref.BodyID(next)}, sealed: map[string][]byte{}, keys: map[string]*vault.Keys{},
						office: &office{t, db, vault.New(db, key, func() time.Time { now = now.Add(time.Millisecond); return now })}}
					s.must(s.joining("ann"))
					s.must(s.joining("ben"))
					s.report("first")
					s.keys["ann"], s.keys["ben"] = s.enrolled("ann"), s.enrolled("ben")
					s.enrolled("cid")
					if c.set != nil {
						c.set(s)
					}
					want := func(who string, which ...string) string {
						var out []string
						for _, w := range which {
							if s.sealed[w] != nil {
								out = append(out, strings.TrimSpace(w+": "+who))
							}
						}
						return strings.Join(out, "; ")
					}
					before, after1 := want(c.before, "first", "second", "third"), want(c.after, "first", "second", "third")
					if got := s.readers(); got != before {
						t.Fatalf("before it: %s, want %s", got, before)
					}
					f.Arm(n, after)
					err := c.do(s)
					hit := f.Disarm()
					if hit == nil {
						s.must(err)
					} else if broken++; err == nil {
						t.Errorf("step %d (%s): it failed, and nobody was told", n, hit.SQL)
					} else if !errors.Is(err, storetest.ErrInjected) {
						t.Errorf("step %d (%s): %v", n, hit.SQL, err)
					}
					// Another process goes on: what this one had in memory is gone.
					s.v = vault.New(db, key, func() time.Time { now = now.Add(time.Millisecond); return now })
					if got := s.readers(); got != before && got != after1 {
						t.Errorf("cut short at step %d, after=%v: %s\nwant %s\n  or %s", n, after, got, before, after1)
					}
					s.must(c.do(s))
					if got := s.readers(); got != after1 {
						t.Errorf("done again after step %d, after=%v: %s, want %s", n, after, got, after1)
					}
					s.report("later")
					if got, want := s.readers(), strings.TrimPrefix(after1+"; "+want(c.later, "later"), "; "); got != want {
						t.Errorf("after step %d, after=%v: %s, want %s", n, after, got, want)
					}
					return hit != nil
				}
				for _, after := range []bool{false, true} {
					for n := int64(1); try(n, after); n++ {
					}
				}
				if broken < 4 {
					t.Errorf("only %d steps failed in turn", broken)
				}
			})
		}
		var none []string
		err := db.Read(t.Context(), func(tx *store.Tx) error {
			all, err := tx.Query(t.Context(), `SELECT w.desk FROM vault_wrap w JOIN vault_desk d ON d.id = w.desk WHERE d.gone <> 0 AND NOT EXISTS (SELECT 1 FROM vault_member m WHERE m.desk = w.desk)
				AND NOT EXISTS (SELECT 1 FROM vault_escrowed x WHERE x.desk = w.desk) AND EXISTS (SELECT 1 FROM vault_member m JOIN vault_desk n ON n.id = m.desk WHERE n.duty = d.duty AND n.body = d.body AND m.sealed IS NOT NULL)`)
			if err != nil {
				return err
			}
			none, err = store.Collect(all, func(r *store.Rows) (s string, err error) {
				var id int64
				err = r.Scan(&id)
				return fmt.Sprint(id), err
			})
			return err
		})
		if err != nil || len(none) > 0 {
			t.Errorf("sealed to desks whose key was destroyed: %v, %v", none, err)
		}
	})
}
