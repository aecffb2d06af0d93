package ledger_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"plumbline/internal/fault"
	"plumbline/internal/journal"
	"plumbline/internal/ledger"
	"plumbline/internal/store"
	"plumbline/internal/testing/world"
	"plumbline/verify"
)

var quiet = slog.New(slog.DiscardHandler)

// entries makes n entries for a stream, from number first.
func entries(stream string, first, n int) []journal.Entry {
	out := make([]journal.Entry, n)
	for i := range out {
		out[i] = journal.Entry{Stream: stream, N: int64(first + i), At: time.Unix(1_700_000_000+int64(i), 0).UTC(), By: journal.Actor{Duty: "reporter"},
			Via: journal.ViaWeb, Action: "file", Fields: map[string]any{"text": fmt.Sprint("what was said, ", i)}}
	}
	return out
}

func appendAll(t testing.TB, db *store.DB, all ...journal.Entry) {
	t.Helper()
	if err := db.Tx(context.Background(), func(tx *store.Tx) error { return journal.AppendMany(context.Background(), tx, all) }); err != nil {
		t.Fatal(err)
	}
}

// follow brings the log to the end of the journal.
func follow(t testing.TB, db *store.DB, l *ledger.Ledger) {
	t.Helper()
	if err := journal.NewFollowers(db, quiet, l.Follower()).CatchUp(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, db *store.DB, f func(ctx context.Context, tx *store.Tx) error) {
	t.Helper()
	if err := db.Read(context.Background(), func(tx *store.Tx) error { return f(context.Background(), tx) }); err != nil {
		t.Fatal(err)
	}
}

// naive is RFC 6962, section 2.1, word by word.
func naive(leaves []verify.Hash) verify.Hash {
	switch len(leaves) {
	case 0:
		return verify.EmptyRoot()
	case 1:
		return leaves[0]
	}
	k := 1
	for k*2 < len(leaves) {
		k *= 2
	}
	return verify.NodeHash(naive(leaves[:k]), naive(leaves[k:]))
}

// However the entries come in, singly or thousands at a time, every root and proof is that of the plain definition.
func TestTheTreeIsTheOneOfTheStandard(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		l := ledger.New(db, ledger.Options{})
		n := 0
		for _, batch := range []int{1, 1, 3, 250, 1, 1, 600, 255, 256, 1} { // to the edges of tiles, over them, and across several
			appendAll(t, db, entries("matter/1", n+1, batch)...)
			n += batch
			follow(t, db, l)
		}
		read(t, db, func(ctx context.Context, tx *store.Tx) error {
			committed, err := l.Commitments(ctx, tx, 0, uint64(n))
			if err != nil {
				return err
			}
			leaves := make([]verify.Hash, n)
			for i, c := range committed {
				leaves[i] = verify.LeafHash(c[:])
			}
			sizes := []int{1, 2, 5, 255, 256, 257, 512, 1000, n}
			for range 20 {
				sizes = append(sizes, 1+rand.IntN(n))
			}
			for _, size := range sizes {
				root, err := l.Root(ctx, tx, uint64(size))
				if err != nil {
					return err
				}
				if want := naive(leaves[:size]); root != want {
					t.Errorf("root of %d is %v, want %v", size, root, want)
				}
				i := rand.IntN(size)
				proof, err := l.Inclusion(ctx, tx, uint64(i), uint64(size))
				if err != nil {
					return err
				}
				if err := verify.Inclusion(root, uint64(size), uint64(i), leaves[i], proof); err != nil {
					t.Errorf("entry %d in %d: %v", i, size, err)
				}
				old := 1 + rand.IntN(size)
				if proof, err = l.Consistency(ctx, tx, uint64(old), uint64(size)); err != nil {
					return err
				}
				if err := verify.Consistency(naive(leaves[:old]), uint64(old), root, uint64(size), proof); err != nil {
					t.Errorf("%d to %d: %v", old, size, err)
				}
			}
			return nil
		})
	})
}

// A commitment opens to the bytes that stand in the journal, and every entry has a secret of its own.
func TestEveryEntryIsCommittedTo(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		l := ledger.New(db, ledger.Options{})
		appendAll(t, db, entries("matter/1", 1, 3)...)
		appendAll(t, db, journal.Entry{Stream: "pack/rules", N: 1, At: time.Unix(1_700_000_000, 123456000), By: journal.Actor{Duty: "operator"},
			Via: journal.ViaCLI, Action: "pack.load", Changes: []byte(`{"version":"1"}`)})
		appendAll(t, db, journal.Entry{Stream: "matter/1", N: 4, At: time.Unix(1_700_000_100, 0), By: journal.Actor{}, Via: journal.ViaTimer, Action: verify.ActionMissed,
			Changes: []byte(`[{"op":"clock","id":"answer","state":"missed"}]`)})
		follow(t, db, l)
		read(t, db, func(ctx context.Context, tx *store.Tx) error {
			all, err := journal.Since(ctx, tx, 0, 10)
			if err != nil {
				return err
			}
			committed, err := l.Commitments(ctx, tx, 0, uint64(len(all)))
			if err != nil {
				return err
			}
			salts := map[string]bool{}
			for i, e := range all {
				open, err := l.Opening(ctx, tx, e.Stream, e.N)
				if err != nil {
					return err
				}
				step := verify.CommitStep(verify.Salt(open.Step.Salt), string(open.Step.Content))
				whole := verify.CommitWhole(verify.Salt(open.Whole.Salt), open.Whole.Content)
				if c := verify.Commitment(step, whole); c != committed[i] {
					t.Errorf("entry %d: the opening leads to %v, the log holds %v", i, c, committed[i])
				}
				if !bytes.Equal(open.Whole.Content, e.Bytes) {
					t.Errorf("entry %d opens to %s", i, open.Whole.Content)
				}
				got, err := verify.ParseStep(string(open.Step.Content))
				if err != nil || got.Action != e.Action || got.Stream != e.Stream || got.N != e.N || !got.At.Equal(e.At) {
					t.Errorf("entry %d: the step is %+v (%v)", i, got, err)
				}
				if e.Action == verify.ActionMissed && (len(got.Missed) != 1 || got.Missed[0] != "answer") {
					t.Errorf("the step does not say which clock ran out: %+v", got)
				}
				salts[string(open.Step.Salt)], salts[string(open.Whole.Salt)] = true, true
			}
			if len(salts) != 2*len(all) {
				t.Errorf("%d different salts for %d entries", len(salts), len(all))
			}
			return nil
		})
	})
}

// Nothing is proved before it is published.
func TestNothingIsProvedBeforeItIsPublished(t *testing.T) {
	db := world.SQLite(t)
	l := ledger.New(db, ledger.Options{})
	appendAll(t, db, entries("matter/1", 1, 3)...)
	follow(t, db, l)
	err := db.Read(t.Context(), func(tx *store.Tx) error {
		_, err := l.Receipt(t.Context(), tx, ledger.Want{Stream: "matter/1", N: 1})
		return err
	})
	if !errors.Is(err, ledger.ErrNone) || !fault.Is(err, fault.Unavailable) {
		t.Errorf("a receipt without a checkpoint: %v", err)
	}
	if err := l.Wait(t.Context(), "matter/1", 3, 300*time.Millisecond); !fault.Is(err, fault.Unavailable) {
		t.Errorf("waited for what nobody signs: %v", err)
	}
}

// A log that was begun is never built anew, whatever happens to the note of how far it reads.
func TestTheTreeIsNeverBuiltAnew(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		l := ledger.New(db, ledger.Options{})
		appendAll(t, db, entries("matter/1", 1, 300)...)
		follow(t, db, l)
		var before verify.Hash
		read(t, db, func(ctx context.Context, tx *store.Tx) (err error) { before, err = l.Root(ctx, tx, 300); return err })
		if err := db.Tx(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Exec(t.Context(), `DELETE FROM follower WHERE name = 'ledger'`)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		err := db.Tx(t.Context(), func(tx *store.Tx) error { return l.Follower().Reset(t.Context(), tx) })
		if err == nil {
			t.Error("it let itself be set back")
		}
		read(t, db, func(ctx context.Context, tx *store.Tx) error {
			after, err := l.Root(ctx, tx, 300)
			if after != before {
				t.Error("the tree is another one")
			}
			return err
		})
	})
}
