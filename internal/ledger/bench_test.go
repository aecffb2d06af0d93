package ledger_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"plumbline/internal/journal"
	"plumbline/internal/ledger"
	"plumbline/internal/store"
	"plumbline/internal/store/storetest"
	"plumbline/internal/testing/world"
	"plumbline/verify"
)

// recordOf is an entry of the usual size, about 600 bytes.
func recordOf(stream int, n int64) journal.Entry {
	return journal.Entry{Stream: fmt.Sprintf("matter/%d", stream), N: n, At: time.Unix(1_700_000_000+n, 0).UTC(), By: journal.Actor{Duty: "reporter"},
		Via: journal.ViaImport, Pack: "generic@1.0.0", Action: "import", Fields: map[string]any{"story": "He shouted at me at the counter and called me names, and nobody stepped in.",
			"body": "harbour-police", "conduct": "insult", "happened_on": "2026-02", "received": "2026-02-17"},
		Changes: []byte(`[{"op":"open","ref":"R-ABCDE-FGHJK","kind":"report","state":"screening","body":"12","desk":"intake","desk_body":"12","received":"2026-02-17"},{"op":"allegation","no":1,"category":"insult","conduct":"insult"},{"op":"clock","id":"screening","state":"running","due":"2026-03-03"}]`)}
}

// BenchmarkAppend appends entries to the journal, numbers them and puts them into the tree, and in turns inserts the very
// same rows (entries with their numbers, leaves, tiles) in plain durable batches of the same size. "ratio" is the rate of the
// former against that of the latter; "log-share" is how much of the former's time the log takes, the rest being the journal.
func BenchmarkAppend(b *testing.B) {
	const batch, rounds = 10_000, 3
	for _, kind := range storetest.Databases() {
		b.Run(kind.Name, func(b *testing.B) {
			db, plain := world.Open(b, kind.URL(b)), world.Open(b, kind.URL(b))
			l := ledger.New(db, ledger.Options{})
			ctx := b.Context()
			var logged, tree, inserted time.Duration
			done, at := 0, int64(0)
			for b.Loop() {
				for range rounds {
					entries := make([]journal.Entry, batch)
					for i := range entries {
						entries[i] = recordOf(int(at)+i, 1)
					}
					begun := time.Now()
					appendAll(b, db, entries...)
					if err := journal.NewSequencer(db, quiet).All(ctx); err != nil {
						b.Fatal(err)
					}
					numbered := time.Now()
					follow(b, db, l)
					logged += time.Since(begun)
					tree += time.Since(numbered)
					inserted += insertSame(b, ctx, db, plain, at, at+batch)
					at += batch
					done += batch
				}
			}
			b.ReportMetric(float64(done)/logged.Seconds(), "appends/s")
			b.ReportMetric(float64(done)/inserted.Seconds(), "inserts/s")
			b.ReportMetric(inserted.Seconds()/logged.Seconds(), "ratio")
			b.ReportMetric(tree.Seconds()/logged.Seconds(), "log-share")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// insertSame copies the rows that entries from+1 to to made into another database, and returns how long inserting took.
func insertSame(b *testing.B, ctx context.Context, from, into *store.DB, a, z int64) time.Duration {
	b.Helper()
	tables := []struct {
		name  string
		cols  []string
		query string
		args  []any
	}{
		{"entry", []string{"stream", "n", "idx", "at", "action", "account", "bytes"}, `SELECT stream, n, idx, at, action, account, bytes FROM entry WHERE idx > $1 AND idx <= $2 ORDER BY idx`, []any{a, z}},
		{"leaf", []string{"idx", "commitment", "secret"}, `SELECT idx, commitment, secret FROM leaf WHERE idx > $1 AND idx <= $2 ORDER BY idx`, []any{a, z}},
		{"tile", []string{"level", "n", "hashes"}, `SELECT level, n, hashes FROM tile WHERE level = 0 AND n >= $1 AND n < $2`, []any{(a + 255) / 256, (z + 255) / 256}},
	}
	rows := make([][][]any, len(tables))
	for i, t := range tables {
		read(b, from, func(ctx context.Context, tx *store.Tx) error {
			found, err := tx.Query(ctx, t.query, t.args...)
			if err != nil {
				return err
			}
			rows[i], err = store.Collect(found, func(r *store.Rows) ([]any, error) {
				row, into := make([]any, len(t.cols)), make([]any, len(t.cols))
				for c := range row {
					into[c] = &row[c]
				}
				return row, r.Scan(into...)
			})
			return err
		})
	}
	begun := time.Now()
	for i, t := range tables {
		if err := into.Tx(ctx, func(tx *store.Tx) error { return tx.InsertMany(ctx, t.name, t.cols, rows[i]) }); err != nil {
			b.Fatal(err)
		}
	}
	return time.Since(begun)
}

// millionth is how many entries the big log of a benchmark has: a million, or as PLUMBLINE_BENCH_ENTRIES says.
func millionth(b *testing.B) int {
	if n, err := strconv.Atoi(os.Getenv("PLUMBLINE_BENCH_ENTRIES")); err == nil {
		return n
	}
	return 1_000_000
}

// BenchmarkMillion makes a log of a million entries and reports how many proofs and tiles it serves a second, one after
// another, and how long verifying all of it takes against SHA-256 of the same bytes in memory on one processor.
func BenchmarkMillion(b *testing.B) {
	db := world.SQLite(b)
	l := ledger.New(db, ledger.Options{})
	n := millionth(b)
	var total int64
	for done := 0; done < n; {
		batch := make([]journal.Entry, min(20_000, n-done))
		for i := range batch {
			batch[i] = recordOf(done+i, 1)
		}
		appendAll(b, db, batch...)
		done += len(batch)
	}
	follow(b, db, l)
	read(b, db, func(ctx context.Context, tx *store.Tx) error {
		return tx.QueryRow(ctx, `SELECT SUM(LENGTH(bytes)) FROM entry`).Scan(&total)
	})
	size := uint64(n)
	var root verify.Hash
	read(b, db, func(ctx context.Context, tx *store.Tx) (err error) { root, err = l.Root(ctx, tx, size); return err })
	for b.Loop() {
		const asked = 3000
		begun := time.Now()
		for range asked {
			index := mathrand.Uint64N(size)
			read(b, db, func(ctx context.Context, tx *store.Tx) error { _, err := l.Inclusion(ctx, tx, index, size); return err })
		}
		b.ReportMetric(asked/time.Since(begun).Seconds(), "proofs/s")
		begun = time.Now()
		for range asked {
			t, _ := verify.Tile{N: mathrand.Uint64N(size / 256)}.In(size)
			read(b, db, func(ctx context.Context, tx *store.Tx) error { _, err := l.Tile(ctx, tx, size, t); return err })
		}
		b.ReportMetric(asked/time.Since(begun).Seconds(), "tiles/s")
		begun = time.Now()
		for range asked / 10 {
			t, _ := verify.Tile{Level: verify.Entries, N: mathrand.Uint64N(size / 256)}.In(size)
			read(b, db, func(ctx context.Context, tx *store.Tx) error { _, err := l.Tile(ctx, tx, size, t); return err })
		}
		b.ReportMetric(asked/10/time.Since(begun).Seconds(), "bundles/s")

		begun = time.Now()
		var v ledger.Verification
		if err := l.Verify(b.Context(), &v, nil); err != nil || len(v.Differences) > 0 || v.Entries != int64(n) {
			b.Fatal(err, v.Differences)
		}
		verified := time.Since(begun)
		piece := make([]byte, total/int64(n))
		if _, err := rand.Read(piece); err != nil {
			b.Fatal(err)
		}
		begun = time.Now()
		for range n {
			sha256.Sum256(piece)
		}
		hashed := time.Since(begun)
		b.ReportMetric(float64(n)/verified.Seconds(), "verified/s")
		b.ReportMetric(verified.Seconds()/hashed.Seconds(), "times-sha256")
	}
	b.ReportMetric(0, "ns/op")
	if root == verify.EmptyRoot() {
		b.Fatal("nothing was measured")
	}
}
