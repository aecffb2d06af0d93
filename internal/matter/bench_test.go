package matter_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"plumbline/internal/journal"
	"plumbline/internal/matter"
	"plumbline/internal/ref"
	"plumbline/internal/store"
	"plumbline/internal/store/storetest"
	"plumbline/internal/testing/world"
	"plumbline/internal/vault"
)

// BenchmarkFile files reports with 64 people at once on SQLite: with group commit, and with one transaction each, in
// turns within one run, because the machine's own speed drifts. It reports how many times faster group commit is.
func BenchmarkFile(b *testing.B) {
	const writers, reports = 64, 1280
	grouped, single := newBench(b), newBench(b, store.WithoutGroupCommit())
	var together, alone time.Duration
	for b.Loop() {
		alone += single.file(b, writers, reports/8) // the slow way needs fewer to be measured
		together += grouped.file(b, writers, reports)
	}
	rounds := float64(b.N)
	fast := reports * rounds / together.Seconds()
	slow := reports / 8 * rounds / alone.Seconds()
	b.ReportMetric(fast, "grouped-reports/s")
	b.ReportMetric(slow, "single-reports/s")
	b.ReportMetric(fast/slow, "x-faster")
	b.ReportMetric(0, "ns/op")
	for _, w := range []*bench{grouped, single} {
		if found, err := matter.Verify(b.Context(), w.db, nil); err != nil || len(found) > 0 {
			b.Fatal(found, err)
		}
	}
}

type bench struct {
	db     *store.DB
	engine *matter.Engine
}

func newBench(b *testing.B, opts ...store.Option) *bench {
	b.Helper()
	w := newTown(b, world.Open(b, storetest.SQLiteURL(b), opts...))
	return &bench{db: w.db, engine: matter.New(w.db, rules{w.pack}, time.Now, vault.New(w.db, vault.NewOfficeKey(), time.Now))}
}

// file files reports with several people at once and returns how long it took.
func (w *bench) file(b *testing.B, writers, reports int) time.Duration {
	b.Helper()
	var left atomic.Int64
	left.Store(int64(reports))
	var wg sync.WaitGroup
	errs := make([]error, writers)
	began := time.Now()
	for i := range writers {
		wg.Go(func() {
			for n := left.Add(-1); n >= 0 && errs[i] == nil; n = left.Add(-1) {
				errs[i] = w.report(b, n)
			}
		})
	}
	wg.Wait()
	took := time.Since(began)
	for _, err := range errs {
		if err != nil {
			b.Fatal(err)
		}
	}
	return took
}

func (w *bench) report(b *testing.B, n int64) error {
	code := ref.NewReceiptCode()
	v := matter.Values{"body": "police", "conduct": "insult", "official": matter.OfficialValue{ID: reed}, "happened_on": "2026-02",
		"relation": "affected", "story": fmt.Sprintf("Report %d. He shouted at me at the counter and called me names, and nobody stepped in.", n)}
	return w.db.Tx(b.Context(), func(tx *store.Tx) error {
		_, err := w.engine.Open(b.Context(), tx, matter.OpenCmd{Kind: "report", Fields: v, Actor: journal.Actor{Duty: "reporter"},
			Via: journal.ViaWeb, Code: code})
		return err
	})
}
