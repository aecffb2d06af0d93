package ledger_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"plumbline/internal/fault"
	"plumbline/internal/journal"
	"plumbline/internal/ledger"
	"plumbline/internal/store"
	"plumbline/internal/testing/world"
	"plumbline/verify"
)

const origin = "office.example/log"

// A signed log: what tests of signing begin with.
type signedLog struct {
	t      *testing.T
	db     *store.DB
	l      *ledger.Ledger
	key    *ledger.Key
	signer *ledger.Signer
	now    time.Time
}

func newSignedLog(t *testing.T, db *store.DB, witnesses ledger.Cosigner) *signedLog {
	t.Helper()
	s := &signedLog{t: t, db: db, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	s.l = ledger.New(db, ledger.Options{Now: func() time.Time { return s.now }})
	var err error
	if s.key, err = ledger.NewKey(filepath.Join(t.TempDir(), "log.key"), origin); err != nil {
		t.Fatal(err)
	}
	s.tx(func(ctx context.Context, tx *store.Tx) error {
		return s.l.RecordKey(ctx, tx, journal.Actor{Duty: "operator"}, journal.ViaCLI, s.key, false)
	})
	s.signer = ledger.NewSigner(s.l, s.key.Path(), witnesses)
	follow(t, db, s.l)
	return s
}

func (s *signedLog) tx(f func(ctx context.Context, tx *store.Tx) error) {
	s.t.Helper()
	if err := s.db.Tx(context.Background(), func(tx *store.Tx) error { return f(context.Background(), tx) }); err != nil {
		s.t.Fatal(err)
	}
}

// file adds entries to a stream and brings the log to the end.
func (s *signedLog) file(stream string, first, n int) {
	s.t.Helper()
	appendAll(s.t, s.db, entries(stream, first, n)...)
	follow(s.t, s.db, s.l)
}

// sign signs if that is due, and fails the test where it cannot.
func (s *signedLog) sign() (worked bool) {
	s.t.Helper()
	worked, err := s.signer.Once(context.Background())
	if err != nil {
		s.t.Fatal(err)
	}
	return worked
}

func (s *signedLog) latest() (c ledger.Checkpoint) {
	s.t.Helper()
	read(s.t, s.db, func(ctx context.Context, tx *store.Tx) (err error) { c, err = s.l.Latest(ctx, tx); return err })
	return c
}

func verifier(t testing.TB, vkey string) note.Verifier {
	t.Helper()
	v, err := verify.ParseKey(vkey)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestAReceiptHoldsUnderTheSignedHead(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		s := newSignedLog(t, db, nil)
		s.file("matter/7", 1, 300)
		if !s.sign() || s.sign() {
			t.Fatal("it signs once, and not again without anything new")
		}
		s.file("matter/7", 301, 1)
		read(t, db, func(ctx context.Context, tx *store.Tx) error {
			if _, err := s.l.Receipt(ctx, tx, ledger.Want{Stream: "matter/7", N: 301}); !fault.Is(err, fault.Unavailable) {
				t.Errorf("a receipt for what nobody signed: %v", err)
			}
			want := ledger.Want{Stream: "matter/7", N: 2, Whole: true,
				Steps: []ledger.Step{{Stream: "matter/7", N: 3, As: verify.AsStep, Open: true}, {Stream: "matter/7", N: 299, As: verify.AsStep}}}
			r, err := s.l.Receipt(ctx, tx, want)
			if err != nil {
				return err
			}
			text, err := r.Marshal()
			if err != nil {
				return err
			}
			again, err := verify.ParseReceipt(text)
			if err != nil {
				return err
			}
			for _, vkey := range s.key.Public() { // the classic key, and the one that lasts
				res, err := again.Check(verify.Trust{Logs: []note.Verifier{verifier(t, vkey)}})
				if err != nil {
					t.Errorf("%.40s…: %v", vkey, err)
					continue
				}
				if res.Entry.Position != 3 || res.Entry.Step.N != 2 || len(res.Further) != 2 || !bytes.Contains(res.Entry.Whole, []byte("what was said")) {
					t.Errorf("the receipt says %+v", res)
				}
			}
			return nil
		})
		if err := s.l.Wait(t.Context(), "matter/7", 300, time.Second); err != nil {
			t.Errorf("waited for what is published: %v", err)
		}
	})
}

func TestAnIdleLogIsSignedEveryHour(t *testing.T) {
	s := newSignedLog(t, world.SQLite(t), nil)
	s.file("matter/1", 1, 10)
	s.sign()
	first := s.latest()
	if s.now = s.now.Add(59 * time.Minute); s.sign() {
		t.Error("signed again before the hour was over")
	}
	if s.now = s.now.Add(2 * time.Minute); !s.sign() {
		t.Error("not signed after an hour")
	}
	if second := s.latest(); second.Size != first.Size || !second.At.Equal(s.now) || bytes.Equal(second.Note, first.Note) {
		t.Errorf("after an hour there is the checkpoint of %v over %d entries, want a new one over %d", second.At, second.Size, first.Size)
	}
}

// Of old checkpoints the last of each hour stays, so that their number does not follow that of the reports.
func TestOldCheckpointsArePruned(t *testing.T) {
	s := newSignedLog(t, world.SQLite(t), nil)
	for i := range 20 {
		s.file("matter/1", 1+i, 1)
		s.sign()
		s.now = s.now.Add(15 * time.Minute)
	}
	var n, last int
	read(t, s.db, func(ctx context.Context, tx *store.Tx) error {
		return tx.QueryRow(ctx, `SELECT COUNT(*), MAX(size) FROM checkpoint`).Scan(&n, &last)
	})
	if n < 6 || n > 11 || last != 21 {
		t.Errorf("%d checkpoints are kept of 20 in five hours, the last over %d entries", n, last)
	}
}

// The guard against a second history: whatever was signed once is continued, or nothing is signed.
func TestTheKeyNeverSignsTwoHistories(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		s := newSignedLog(t, db, nil)
		s.file("matter/1", 1, 20)
		s.sign()
		published := s.latest()

		// The end is cut off, with everything that speaks of it.
		s.tx(func(ctx context.Context, tx *store.Tx) error {
			for _, q := range []string{`DELETE FROM entry WHERE idx > 15`, `DELETE FROM leaf`, `DELETE FROM tile`, `DELETE FROM checkpoint`,
				`UPDATE journal_head SET idx = 15`, `DELETE FROM follower`} {
				if _, err := tx.Exec(ctx, q); err != nil {
					return err
				}
			}
			return nil
		})
		follow(t, db, s.l)
		if _, err := s.signer.Once(t.Context()); !errors.Is(err, ledger.ErrBehind) {
			t.Errorf("signing what was cut off: %v", err)
		}
		// And goes on differently.
		s.file("matter/2", 1, 10)
		if _, err := s.signer.Once(t.Context()); !errors.Is(err, ledger.ErrFork) {
			t.Errorf("signing another history: %v", err)
		}
		if st := s.signer.Status(); st.Error == "" || st.Failing.IsZero() {
			t.Errorf("the status does not say that it fails: %+v", st)
		}
		read(t, db, func(ctx context.Context, tx *store.Tx) error {
			if _, err := s.l.Latest(ctx, tx); !errors.Is(err, ledger.ErrNone) {
				t.Errorf("something was published: %v", err)
			}
			return nil
		})
		if head, _, ok, err := ledger.ReadHead(s.key.Path()); err != nil || !ok || head.Size != published.Size {
			t.Errorf("the note of what was signed is %+v, %v, %v", head, ok, err)
		}
	})
}

// stubborn is a policy that is not met until it gives in.
type stubborn struct{ gives bool }

func (w *stubborn) Cosign(ctx context.Context, signed []byte, proof func(context.Context, uint64) ([]verify.Hash, error)) ([]byte, bool, error) {
	if _, err := proof(ctx, 1); err != nil {
		return nil, false, err
	}
	return append(signed, "— witness.example AAAAAAAAAAAA\n"...), w.gives, nil
}

// With a policy nothing is published before it is met, and the old checkpoint stays until then.
func TestWithoutItsWitnessesNothingIsPublished(t *testing.T) {
	w := &stubborn{gives: true}
	s := newSignedLog(t, world.SQLite(t), w)
	s.file("matter/1", 1, 5)
	s.sign()
	before := s.latest()
	if !bytes.Contains(before.Note, []byte("— witness.example")) {
		t.Errorf("published without what the witness signed:\n%s", before.Note)
	}
	w.gives = false
	s.file("matter/1", 6, 5)
	if _, err := s.signer.Once(t.Context()); err == nil {
		t.Error("published without witnesses")
	}
	if now := s.latest(); now.Size != before.Size {
		t.Errorf("the checkpoint over %d entries was published", now.Size)
	}
	w.gives = true
	if s.sign(); s.latest().Size != 11 {
		t.Error("not published when the witness came back")
	}
}

func TestTheKeyIsKeptClose(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.key")
	k, err := ledger.NewKey(path, origin)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's file is %v (%v)", info.Mode(), err)
	}
	if _, err := ledger.NewKey(path, origin); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a second key in its place: %v", err)
	}
	again, err := ledger.OpenKey(path)
	if err != nil || again.Public()[0] != k.Public()[0] || len(again.Public()) != 2 || again.Origin() != origin {
		t.Errorf("the key comes back as %v (%v)", again, err)
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".logkey*")); len(left) > 0 || err != nil {
		t.Errorf("left behind: %v", left)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := ledger.OpenKey(path); !errors.Is(err, ledger.ErrExposed) {
		t.Errorf("a key that others can read: %v", err)
	}
	for name, text := range map[string]string{
		"nothing":          "# nothing\n",
		"half a key":       strings.SplitAfter(string(mustRead(t, path)), "\n")[2][:60],
		"a foreign public": strings.ReplaceAll(string(mustRead(t, path)), "\noffice.example/log+", "\nother.example/log+"),
	} {
		bad := filepath.Join(t.TempDir(), "bad")
		if err := os.WriteFile(bad, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ledger.OpenKey(bad); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	for _, name := range []string{"", "with space", "with+plus", "überall", strings.Repeat("x", 201)} {
		if _, err := ledger.NewKey(filepath.Join(t.TempDir(), "k"), name); err == nil {
			t.Errorf("%q: accepted as a name", name)
		}
	}
}

func mustRead(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Who knows the first key gets to the newest by what the log publishes, also after the first has been retired; who
// knows another gets nowhere.
func TestARotationCanBeFollowed(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		s := newSignedLog(t, db, nil)
		first := s.key.Public()[0]
		s.file("matter/1", 1, 5)
		s.sign()
		operator := journal.Actor{Duty: "operator"}
		var err error
		for range 2 {
			if s.key, err = s.key.Rotate(); err != nil {
				t.Fatal(err)
			}
			s.tx(func(ctx context.Context, tx *store.Tx) error {
				return s.l.RecordRotation(ctx, tx, operator, journal.ViaCLI, s.key)
			})
			err := db.Tx(t.Context(), func(tx *store.Tx) error {
				return s.l.RecordRetirement(t.Context(), tx, operator, journal.ViaCLI, s.key)
			})
			if !fault.Is(err, fault.Unavailable) {
				t.Errorf("retired before the handover was proved: %v", err)
			}
			follow(t, db, s.l)
			s.sign()
			if _, _, err := verify.OpenCheckpoint(s.latest().Note, verifier(t, first)); err != nil && len(s.key.Before()) == 2 {
				t.Errorf("the first key does not sign along: %v", err)
			}
		}
		s.file("matter/1", 6, 400)
		s.tx(func(ctx context.Context, tx *store.Tx) error {
			return s.l.RecordRetirement(ctx, tx, operator, journal.ViaCLI, s.key)
		})
		follow(t, db, s.l)
		if s.key, err = s.key.Retire(); err != nil {
			t.Fatal(err)
		}
		s.now = s.now.Add(48 * time.Hour)
		s.sign()
		var keys verify.Keys
		read(t, db, func(ctx context.Context, tx *store.Tx) (err error) { keys, err = s.l.Keys(ctx, tx); return err })
		text, err := keys.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if keys, err = verify.ParseLogKeys(text); err != nil || len(keys.Rotations) != 2 || len(keys.Current) != 2 {
			t.Fatalf("%d keys and %d rotations come back (%v)", len(keys.Current), len(keys.Rotations), err)
		}
		trusted, err := keys.Follow(verifier(t, first))
		if err != nil {
			t.Fatalf("from the first key: %v", err)
		}
		if _, _, err := verify.OpenCheckpoint(s.latest().Note, verifier(t, first)); err == nil {
			t.Error("the retired key signs on")
		}
		if _, _, err := verify.OpenCheckpointBy(s.latest().Note, trusted, nil); err != nil {
			t.Errorf("the newest checkpoint with the keys followed to: %v", err)
		}
		stranger, err := ledger.NewKey(filepath.Join(t.TempDir(), "k"), origin)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := keys.Follow(verifier(t, stranger.Public()[0])); err == nil || len(got) != 1 {
			t.Errorf("from a stranger's key one gets to %d keys (%v)", len(got), err)
		}
		if _, err := verify.ParseLogKeys(text[:len(text)-1]); err == nil {
			t.Error("cut off, and still accepted")
		}
	})
}

// A key that is not the log's own signs nothing, and a log takes a second first key only when the first is lost.
func TestAnotherKeySignsNothing(t *testing.T) {
	s := newSignedLog(t, world.SQLite(t), nil)
	other, err := ledger.NewKey(filepath.Join(t.TempDir(), "other"), origin)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ledger.NewSigner(s.l, other.Path(), nil).Once(t.Context()); !errors.Is(err, ledger.ErrOtherKey) {
		t.Errorf("signed with another key: %v", err)
	}
	record := func(lost bool) error {
		return s.db.Tx(t.Context(), func(tx *store.Tx) error {
			return s.l.RecordKey(t.Context(), tx, journal.Actor{Duty: "operator"}, journal.ViaCLI, other, lost)
		})
	}
	if err := record(false); !errors.Is(err, ledger.ErrHasKey) {
		t.Errorf("a second key: %v", err)
	}
	if err := record(true); err != nil {
		t.Errorf("a key instead of the one that was lost: %v", err)
	}
	follow(t, s.db, s.l)
	if _, err := ledger.NewSigner(s.l, other.Path(), nil).Once(t.Context()); err != nil {
		t.Errorf("with the key that replaces the lost one: %v", err)
	}
}
