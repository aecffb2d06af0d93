package ledger_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"plumbline/internal/journal"
	"plumbline/internal/ledger"
	"plumbline/internal/store"
	"plumbline/internal/store/storetest"
	"plumbline/internal/testing/world"
	"plumbline/verify"
)

// TestMain lets the test binary be an office at work, to be killed.
func TestMain(m *testing.M) {
	if url := os.Getenv("PLUMBLINE_TEST_OFFICE"); url != "" {
		if err := office(url, os.Getenv("PLUMBLINE_TEST_OFFICE_KEY")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// office appends entries from several sides, follows and signs as fast as it can, until it is killed. Of every entry
// that was acknowledged, it says so.
func office(url, key string) error {
	ctx := context.Background()
	db, err := store.Open(ctx, url)
	if err != nil {
		return err
	}
	l := ledger.New(db, ledger.Options{})
	go func() { _ = journal.NewFollowers(db, quiet, l.Follower()).Run(ctx) }()
	var mu sync.Mutex
	for range 4 {
		go func() {
			stream := fmt.Sprintf("matter/%d", db.NewID())
			for n := 1; ; n++ {
				err := db.Tx(ctx, func(tx *store.Tx) error { return journal.Append(ctx, tx, entries(stream, n, 1)[0]) })
				if err != nil {
					return
				}
				mu.Lock()
				fmt.Printf("ack %s %d\n", stream, n)
				mu.Unlock()
			}
		}()
	}
	signer := ledger.NewSigner(l, key, nil)
	for {
		if _, err := signer.Once(ctx); err != nil {
			return err // it refuses to sign: what the test is there to find out
		}
		time.Sleep(time.Millisecond)
	}
}

// kill -9, a hundred times, under load: whatever was acknowledged is in the journal and in the tree, and no two
// checkpoints that were ever signed, published or not, contradict each other.
func TestAHundredKills(t *testing.T) {
	for _, kind := range storetest.Databases() {
		kills, least := 100, time.Duration(0)
		if kind.Name != "sqlite" {
			kills, least = 15, 400*time.Millisecond // its processes are its own, it survives our deaths easily, and connecting takes a while
		}
		t.Run(kind.Name, func(t *testing.T) {
			url := kind.URL(t)
			s := newSignedLog(t, world.Open(t, url), nil)
			signed := map[string]bool{}
			told := map[string]bool{}
			for range kills {
				liveAndDie(t, url, s.key.Path(), least, told)
				if _, head, ok, err := ledger.ReadHead(s.key.Path()); err != nil {
					t.Fatal(err)
				} else if ok {
					signed[string(head)] = true // perhaps nobody else has ever seen it
				}
				s.tx(func(ctx context.Context, tx *store.Tx) error { // the time of the dead one's leases is over
					_, err := tx.Exec(ctx, `UPDATE store_lease SET until_us = 0`)
					return err
				})
			}
			follow(t, s.db, s.l)
			s.l = ledger.New(s.db, ledger.Options{}) // with the clock of the day
			s.signer = ledger.NewSigner(s.l, s.key.Path(), nil)
			s.sign()
			read(t, s.db, func(ctx context.Context, tx *store.Tx) error {
				rows, err := tx.Query(ctx, `SELECT note FROM checkpoint`)
				if err != nil {
					return err
				}
				published, err := store.Collect(rows, func(r *store.Rows) (b []byte, err error) { return b, r.Scan(&b) })
				for _, p := range published {
					signed[string(p)] = true
				}
				return err
			})
			if len(told) < 5*kills || len(signed) < kills/3 {
				t.Fatalf("%d entries were acknowledged and %d checkpoints signed: the test proves nothing", len(told), len(signed))
			}
			nothingLost(t, s, told)
			nothingContradicts(t, s, signed)
			v := ledger.Verification{KeyPath: s.key.Path()}
			if err := s.l.Verify(t.Context(), &v, nil); err != nil || len(v.Differences) > 0 {
				t.Errorf("verify: %v %v", v.Differences, err)
			}
			t.Logf("%d kills, %d entries acknowledged, %d checkpoints signed", kills, len(told), len(signed))
		})
	}
}

// liveAndDie runs an office for a moment, kills it without warning, and notes what it had acknowledged.
func liveAndDie(t *testing.T, url, key string, least time.Duration, told map[string]bool) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "PLUMBLINE_TEST_OFFICE="+url, "PLUMBLINE_TEST_OFFICE_KEY="+key)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	var once sync.Once
	for lines.Scan() {
		once.Do(func() { // from the first sign of life, at a moment nobody chose
			time.AfterFunc(least+rand.N(120*time.Millisecond), func() { _ = cmd.Process.Kill() })
		})
		if what, ok := strings.CutPrefix(lines.Text(), "ack "); ok {
			told[what] = true
		}
	}
	if err := cmd.Wait(); err == nil || errs.Len() > 0 {
		t.Fatalf("the office was not killed, but ended by itself: %v\n%s", err, errs.String())
	}
}

func nothingLost(t *testing.T, s *signedLog, told map[string]bool) {
	t.Helper()
	there := map[string]bool{}
	read(t, s.db, func(ctx context.Context, tx *store.Tx) error {
		rows, err := tx.Query(ctx, `SELECT e.stream, e.n FROM entry e JOIN leaf l ON l.idx = e.idx`)
		if err != nil {
			return err
		}
		_, err = store.Collect(rows, func(r *store.Rows) (struct{}, error) {
			var stream string
			var n int64
			err := r.Scan(&stream, &n)
			there[fmt.Sprintf("%s %d", stream, n)] = true
			return struct{}{}, err
		})
		return err
	})
	lost := 0
	for entry := range told {
		if !there[entry] {
			lost++
		}
	}
	if lost > 0 {
		t.Errorf("%d of %d acknowledged entries are lost", lost, len(told))
	}
}

func nothingContradicts(t *testing.T, s *signedLog, signed map[string]bool) {
	t.Helper()
	key := verifier(t, s.key.Public()[0])
	var heads []verify.Checkpoint
	for text := range signed {
		c, _, err := verify.OpenCheckpointBy([]byte(text), []note.Verifier{key}, nil)
		if err != nil {
			t.Fatal(err)
		}
		heads = append(heads, c)
	}
	slices.SortFunc(heads, func(a, b verify.Checkpoint) int { return int(a.Size) - int(b.Size) })
	last := heads[len(heads)-1]
	read(t, s.db, func(ctx context.Context, tx *store.Tx) error {
		for i, h := range heads {
			if i > 0 && h.Size == heads[i-1].Size && h.Root != heads[i-1].Root {
				t.Errorf("two checkpoints over %d entries", h.Size)
			}
			for _, to := range []verify.Checkpoint{last, heads[min(i+1, len(heads)-1)]} {
				proof, err := s.l.Consistency(ctx, tx, h.Size, to.Size)
				if err != nil {
					return err
				}
				if err := verify.Consistency(h.Root, h.Size, to.Root, to.Size, proof); err != nil {
					t.Errorf("the checkpoint over %d entries is contradicted by that over %d: %v", h.Size, to.Size, err)
				}
			}
		}
		return nil
	})
}
