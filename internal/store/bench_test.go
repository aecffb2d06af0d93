package store_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"plumbline/internal/store"
	"plumbline/internal/store/storetest"
)

// BenchmarkGroupCommit compares durable transactions from many writers under shared commits with the same transactions under
// a commit each, in turns within one run, because machines drift. "ratio" is how many times as many get done.
func BenchmarkGroupCommit(b *testing.B) {
	for _, writers := range []int{1, 8, 64, 256} {
		b.Run(fmt.Sprint(writers), func(b *testing.B) {
			shared := openNotes(b, storetest.SQLiteURL(b))
			single := openNotes(b, storetest.SQLiteURL(b), store.WithoutGroupCommit())
			var with, without time.Duration
			const round = 640
			done := 0
			for b.Loop() {
				without += writeFrom(b, single, writers, round)
				with += writeFrom(b, shared, writers, round)
				done += round
			}
			b.ReportMetric(float64(done)/with.Seconds(), "shared/s")
			b.ReportMetric(float64(done)/without.Seconds(), "single/s")
			b.ReportMetric(without.Seconds()/with.Seconds(), "ratio")
			b.ReportMetric(float64(done)/float64(store.Commits(shared)), "per-commit")
		})
	}
}

// writeFrom has n transactions done by a number of writers, each waiting for its answer before the next.
func writeFrom(b *testing.B, db *store.DB, writers, n int) time.Duration {
	b.Helper()
	start := time.Now()
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			ctx := context.Background()
			for i := w; i < n; i += writers {
				k := db.NewID()
				err := db.Tx(ctx, func(tx *store.Tx) error {
					if err := addNote(ctx, tx, k); err != nil {
						return err
					}
					_, err := tx.Exec(ctx, `INSERT INTO echo (k, text) VALUES ($1, $2)`, k, "the same")
					return err
				})
				if err != nil {
					b.Error(err)
				}
			}
		})
	}
	group.Wait()
	return time.Since(start)
}

// BenchmarkInsertMany compares the importers' way in with a statement a row, on both databases.
func BenchmarkInsertMany(b *testing.B) {
	for _, kind := range storetest.Databases() {
		b.Run(kind.Name, func(b *testing.B) {
			db := openNotes(b, kind.URL(b))
			ctx := b.Context()
			const batch = 5000
			var many, single time.Duration
			done := 0
			timed := func(insert func(tx *store.Tx, rows [][]any) error) time.Duration {
				rows := make([][]any, batch)
				for i := range rows {
					rows[i] = []any{db.NewID(), "a note of the usual length, say, sixty characters or so, in all"}
				}
				runtime.GC()
				start := time.Now()
				if err := db.Tx(ctx, func(tx *store.Tx) error { return insert(tx, rows) }); err != nil {
					b.Fatal(err)
				}
				return time.Since(start)
			}
			for b.Loop() {
				many += timed(func(tx *store.Tx, rows [][]any) error {
					return tx.InsertMany(ctx, "note", []string{"k", "text"}, rows)
				})
				single += timed(func(tx *store.Tx, rows [][]any) error {
					for _, row := range rows {
						if _, err := tx.Exec(ctx, `INSERT INTO echo (k, text) VALUES ($1, $2)`, row...); err != nil {
							return err
						}
					}
					return nil
				})
				done += batch
			}
			b.ReportMetric(float64(done)/many.Seconds(), "many/s")
			b.ReportMetric(float64(done)/single.Seconds(), "single/s")
			b.ReportMetric(single.Seconds()/many.Seconds(), "ratio")
		})
	}
}
