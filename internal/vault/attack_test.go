package vault

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"filippo.io/age"

	"plumbline/internal/fault"
	"plumbline/internal/journal"
	"plumbline/internal/ref"
	"plumbline/internal/store"
	"plumbline/internal/testing/world"
)

// A thief has the whole database of today and some secrets, and tries each on everything that lies there.
type thief struct {
	*testing.T
	db      *store.DB
	secrets []secret
}

// opens is everything sealed in the tables of keys that comes open, and what is inside is tried on the rest in turn.
func (x *thief) opens() (names []string) {
	x.Helper()
	type blob struct {
		name   string
		desk   int64
		matter ref.MatterID
		parts  string
		sealed []byte
	}
	var all []blob
	err := x.db.Read(x.Context(), func(tx *store.Tx) error {
		all = nil
		for _, q := range []string{
			`SELECT 'member', desk, account, '', sealed FROM vault_member WHERE sealed IS NOT NULL`, `SELECT 'kept', desk, 0, '', sealed FROM vault_kept`,
			`SELECT 'escrowed', desk, escrow, '', sealed FROM vault_escrowed`, `SELECT 'escrow lock', escrow, 0, '', sealed FROM vault_escrow_lock`,
			`SELECT 'lock', account, no, id, sealed FROM vault_lock`, `SELECT 'wrap', desk, matter, parts, sealed FROM vault_wrap`,
		} {
			some, err := each(x.Context(), tx, func(r *store.Rows) (b blob, err error) {
				return b, r.Scan(&b.name, &b.desk, &b.matter, &b.parts, &b.sealed)
			}, q)
			if err != nil {
				return err
			}
			all = append(all, some...)
		}
		return nil
	})
	if err != nil {
		x.Fatal(err)
	}
	have := slices.Clone(x.secrets)
	for i := 0; i < len(have); i++ {
		s := have[i]
		id, err := s.identity()
		if err != nil {
			continue
		}
		for _, b := range all {
			name := fmt.Sprintf("%s %d %d %s", b.name, b.desk, b.matter, b.parts)
			plain, err := unwrap(id, b.sealed)
			if err != nil {
				plain, err = unbox(wrapKey(s), wrapAbout(b.matter, b.desk, b.parts), b.sealed)
			}
			if err != nil || slices.Contains(names, name) {
				continue
			}
			names = append(names, name)
			if _, err := age.ParseHybridIdentity(string(plain)); err == nil {
				have = append(have, secret(plain))
			}
		}
	}
	return names
}

type stand struct {
	*testing.T
	db *store.DB
	v  *Vault
}

func stands(t *testing.T, test func(s *stand)) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		now := time.Date(2026, 3, 9, 9, 0, 0, 0, time.UTC)
		test(&stand{t, db, New(db, NewOfficeKey(), func() time.Time { now = now.Add(time.Millisecond); return now })})
	})
}

func (s *stand) tx(do func(tx *store.Tx) error) {
	s.Helper()
	if err := s.db.Tx(s.Context(), do); err != nil {
		s.Fatal(err)
	}
}

var (
	anybody = journal.Actor{Duty: "operator"}
	counter = Desk{Duty: "intake", Body: 7}
)

func (s *stand) join(a ref.AccountID) {
	s.Helper()
	s.tx(func(tx *store.Tx) error { return s.v.Join(s.Context(), tx, anybody, a, counter) })
}

func (s *stand) leave(a ref.AccountID) {
	s.Helper()
	s.tx(func(tx *store.Tx) error { return s.v.Leave(s.Context(), tx, anybody, a, counter) })
}

func (s *stand) enrol(a ref.AccountID) *Keys {
	s.Helper()
	k, err := s.v.Enrol(s.Context(), a, Secret{Kind: Passkey, ID: "key", Bytes: []byte(fmt.Sprintf("prf of %d", a))})
	if err != nil {
		s.Fatal(err)
	}
	return k
}

func (s *stand) file(m ref.MatterID) {
	s.Helper()
	s.tx(func(tx *store.Tx) error {
		_, err := s.v.Hold(s.Context(), tx, anybody, ReporterKeys(ref.NewReceiptCode()), m, []Want{{Compartment: "file", Desks: []Desk{counter}}}, nil, false)
		return err
	})
}

func (s *stand) catchUp(k *Keys) {
	s.Helper()
	if err := s.v.CatchUp(s.Context(), k, nil); err != nil {
		s.Fatal(err)
	}
}

func (s *stand) desks() (out []DeskKey) {
	s.tx(func(tx *store.Tx) (err error) {
		out, err = each(s.Context(), tx, scanDesk, selectDesks, counter.Duty, int64(counter.Body))
		return err
	})
	return out
}

// remembers is the secret of each desk that keys open now, as a member with a debugger would note it.
func (s *stand) remembers(k *Keys) (out []secret) {
	s.Helper()
	if err := s.db.Read(s.Context(), func(tx *store.Tx) error { return k.load(s.Context(), tx) }); err != nil {
		s.Fatal(err)
	}
	for _, x := range k.desks {
		out = append(out, x)
	}
	return out
}

func TestWhoLeftOpensNothingInTheDatabaseOfToday(t *testing.T) {
	stands(t, func(s *stand) {
		s.join(1)
		s.join(2)
		leaver, stays := s.enrol(1), s.enrol(2)
		for m := ref.MatterID(100); m < 103; m++ {
			s.file(m)
		}
		mine := &thief{s.T, s.db, []secret{leaver.person}}
		if got := mine.opens(); len(got) < 4 {
			t.Fatalf("while they are on the desk they open %q alone: the test tries nothing", got)
		}
		noted := &thief{s.T, s.db, append(s.remembers(leaver), leaver.person)}
		s.leave(1)
		s.file(103)
		if got := mine.opens(); len(got) > 0 {
			t.Errorf("with their own key, before the handover: %q", got)
		}
		if got := noted.opens(); slices.ContainsFunc(got, func(name string) bool { return name == fmt.Sprintf("wrap %d 103 file", s.desks()[1].ID) }) || len(got) != 3 {
			t.Errorf("with the desk's key noted in time, before the handover: %q, want what was theirs", got)
		}
		s.catchUp(stays)
		if got := append(mine.opens(), noted.opens()...); len(got) > 0 {
			t.Errorf("after the handover: %q", got)
		}
	})
}

// A search reads, then others act, then it makes fast what it opened: by then that may have been handed over, or destroyed.
func TestWhatIsMadeFastIsNotBroughtBack(t *testing.T) {
	stands(t, func(s *stand) {
		s.join(1)
		s.join(2)
		leaver, stays := s.enrol(1), s.enrol(2)
		s.file(100)
		noted := &thief{s.T, s.db, append(s.remembers(leaver), leaver.person)}
		var searching map[ref.MatterID]*Opener
		s.tx(func(tx *store.Tx) (err error) {
			searching, err = s.v.Openers(s.Context(), tx, stays, []ref.MatterID{100})
			return err
		})
		s.leave(1)
		s.catchUp(stays)
		s.tx(func(tx *store.Tx) error { return searching[100].Settle(s.Context(), tx) })
		if got := noted.opens(); len(got) > 0 {
			t.Errorf("a slow search gave back to who left: %q", got)
		}
		s.tx(func(tx *store.Tx) error {
			all, err := s.v.Desks(s.Context(), tx)
			if err == nil && len(all) != 1 {
				t.Errorf("%d keys of the desk have something sealed to them, want 1", len(all))
			}
			return err
		})
	})
}

// Whoever is about to go often has their password reset first. The key of the desk, which they had, changes all the same.
func TestWhoLeavesAfterAResetIsLockedOutOfWhatComes(t *testing.T) {
	stands(t, func(s *stand) {
		s.join(1)
		s.join(2)
		leaver := s.enrol(1)
		s.enrol(2)
		noted := &thief{s.T, s.db, append(s.remembers(leaver), leaver.person)}
		s.tx(func(tx *store.Tx) error { return s.v.GiveUp(s.Context(), tx, anybody, 1) })
		s.leave(1)
		s.file(100)
		if got := noted.opens(); len(got) > 0 {
			t.Errorf("they open %q", got)
		}
		// Somebody who never had it changes nothing.
		n := len(s.desks())
		s.join(3)
		s.leave(3)
		if len(s.desks()) != n {
			t.Error("the desk got another key because somebody left who never had it")
		}
	})
}

func (s *stand) split(need, officers int) (shares []Share) {
	s.Helper()
	if err := s.v.Split(s.Context(), anybody, need, officers, func(x []Share) error { shares = x; return nil }); err != nil {
		s.Fatal(err)
	}
	return shares
}

func TestSharesThatWereReplacedOpenNothingOnceTheDesksAreCovered(t *testing.T) {
	stands(t, func(s *stand) {
		s.join(1)
		k := s.enrol(1)
		s.file(100)
		older := s.split(2, 3)
		s.catchUp(k)
		covered := func(shares []Share) int {
			j, err := s.v.Combine(s.Context(), shares[1:])
			if keyOf(err) == "vault.share-replaced" {
				return -1
			}
			if err != nil {
				t.Fatal(err)
			}
			drilled, err := j.Drill(s.Context())
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			for _, d := range drilled {
				if d.Covered && !d.Broken {
					n++
				}
			}
			return n
		}
		if covered(older) != 1 {
			t.Fatal("the shares do not cover the desk")
		}
		newer := s.split(2, 3)
		if covered(older) != 1 || covered(newer) != 0 {
			t.Error("before anybody signed in, the older shares are the ones that help")
		}
		s.catchUp(k)
		if covered(older) != -1 || covered(newer) != 1 {
			t.Error("the older shares still open the desk")
		}
		// What fails to be handed out is not in force.
		lost := fmt.Errorf("the printer is on fire")
		if err := s.v.Split(s.Context(), anybody, 2, 3, func([]Share) error { return lost }); err == nil {
			t.Error("shares that nobody has are in force")
		}
		if covered(newer) != 1 {
			t.Error("the shares in force were lost with those that were never handed out")
		}
	})
}

func TestEveryShareGivenIsTried(t *testing.T) {
	stands(t, func(s *stand) {
		shares := s.split(3, 5)
		odd := shares[0]
		odd.share.Value = shares[1].share.Value.Copy()
		for _, tt := range []struct {
			name   string
			shares []Share
			key    string
		}{
			{"all", shares, ""},
			{"the first is wrong, and there are others", []Share{odd, shares[1], shares[2], shares[3]}, "vault.share-odd"},
			{"the last of more than needed is wrong", []Share{shares[1], shares[2], shares[3], odd}, "vault.share-odd"},
			{"one of three is wrong", []Share{odd, shares[1], shares[2]}, "vault.share-wrong"},
		} {
			if _, err := s.v.Combine(s.Context(), tt.shares); keyOf(err) != tt.key {
				t.Errorf("%s: %v", tt.name, err)
			}
		}
		// A digit for the letter that it looks like is forgiven.
		line := []rune(shares[0].Line())
		for i := len(shareMark); i < len(line); i++ {
			switch line[i] {
			case 'O':
				line[i] = '0'
			case 'I':
				line[i] = '1'
			case 'B':
				line[i] = '8'
			case '-':
				line[i] = ' '
			}
		}
		if got, err := ParseShare(string(line)); err != nil || got.Line() != shares[0].Line() {
			t.Errorf("%s: %v", string(line), err)
		}
	})
}

// One row that somebody damaged keeps nobody from the rest, and the key that would open it is not thrown away.
func TestADamagedWrapCostsItsMatterAlone(t *testing.T) {
	stands(t, func(s *stand) {
		s.join(1)
		s.join(2)
		s.enrol(1)
		k := s.enrol(2)
		for m := ref.MatterID(100); m < 103; m++ {
			s.file(m)
		}
		var good []byte
		s.tx(func(tx *store.Tx) error {
			if err := tx.QueryRow(s.Context(), `SELECT sealed FROM vault_wrap WHERE matter = 100`).Scan(&good); err != nil {
				return err
			}
			_, err := tx.Exec(s.Context(), `UPDATE vault_wrap SET sealed = $1 WHERE matter = 100`, []byte("age-encryption.org/v1 and no more"))
			return err
		})
		open := func() (n int) {
			s.tx(func(tx *store.Tx) error {
				all, err := s.v.Openers(s.Context(), tx, k, []ref.MatterID{100, 101, 102})
				n = len(all)
				return err
			})
			return n
		}
		if open() != 2 {
			t.Errorf("%d of the two others open", open())
		}
		s.leave(1)
		s.catchUp(k)
		if open() != 2 {
			t.Errorf("after the handover %d of the two others open", open())
		}
		s.tx(func(tx *store.Tx) error {
			_, err := tx.Exec(s.Context(), `UPDATE vault_wrap SET sealed = $1 WHERE matter = 100`, good)
			return err
		})
		s.catchUp(k)
		if open() != 3 || len(s.desks()) != 2 {
			t.Errorf("mended, %d of three open", open())
		}
	})
}

func keyOf(err error) string {
	var f *fault.Error
	if errors.As(err, &f) {
		return f.Key
	}
	return ""
}

// What came to a desk while nobody was signed in opens slowly until the next of its people signs in, and so does nothing that
// they hand over.
func TestSigningInMakesWhatCameOpenFast(t *testing.T) {
	stands(t, func(s *stand) {
		defer HandoverAtOnce(2)()
		s.join(1)
		s.join(2)
		leaver, k := s.enrol(1), s.enrol(2)
		slow := func() (n int) {
			s.tx(func(tx *store.Tx) error {
				all, err := s.v.Openers(s.Context(), tx, k, []ref.MatterID{100, 101, 102, 103, 104, 105})
				n = 10 * len(all)
				for _, o := range all {
					if o.Slow() {
						n++
					}
				}
				return err
			})
			return n
		}
		for m := ref.MatterID(100); m < 106; m++ {
			s.file(m)
		}
		if got := slow(); got != 66 {
			t.Fatalf("%d before", got)
		}
		s.catchUp(leaver)
		if got := slow(); got != 60 {
			t.Errorf("%d after somebody signed in, want six that open, none slowly", got)
		}
		s.leave(1)
		s.catchUp(k)
		if got := slow(); got != 60 {
			t.Errorf("%d after the handover, want six that open, none slowly", got)
		}
	})
}

// Anybody can wrap something to a desk. Who can write to the database puts a secret of theirs in a matter's wrap, so that the desk
// would seal its answer under that; nothing is written then.
func TestASecretThatIsNotTheCompartmentsSealsNothing(t *testing.T) {
	stands(t, func(s *stand) {
		s.join(1)
		k := s.enrol(1)
		s.file(100)
		seal := func() (err error) {
			_ = s.db.Tx(s.Context(), func(tx *store.Tx) error {
				_, err = s.v.Seal(s.Context(), tx, k, 100, "file", "entry/2", []byte("an answer"))
				return err
			})
			return err
		}
		if err := seal(); err != nil {
			t.Fatal(err)
		}
		desk := s.desks()[0].Recipient
		s.tx(func(tx *store.Tx) error {
			theirs, _, err := newSecret()
			if err != nil {
				return err
			}
			r, err := s.v.recipient(desk)
			if err != nil {
				return err
			}
			sealed, err := wrapTo(r, []byte(`{"file":"`+string(theirs)+`"}`))
			if err != nil {
				return err
			}
			_, err = tx.Exec(s.Context(), `UPDATE vault_wrap SET sealed = $1 WHERE matter = 100`, sealed)
			return err
		})
		if err := seal(); keyOf(err) != "vault.compartment-changed" {
			t.Errorf("%v", err)
		}
	})
}
