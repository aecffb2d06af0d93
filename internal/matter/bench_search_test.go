package matter_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
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

// BenchmarkSealedSearch looks for words in what is sealed in 10,000 reports: "first-s" is how long it takes somebody to whose
// desk they came and who opens each for the first time, "later-s" every time after, each with one processor at work.
func BenchmarkSealedSearch(b *testing.B) {
	const reports, hits = 10_000, 5
	w := newTown(b, world.Open(b, storetest.SQLiteURL(b)))
	ina, v := people["ina"], w.engine.Vault()
	w.tx(func(ctx context.Context, tx *store.Tx) error {
		return v.Join(ctx, tx, journal.Actor{Duty: "operator"}, ina.Account, vault.Desk{Duty: ina.Grants[0].Duty, Body: ina.Grants[0].Body})
	})
	keys, err := v.Enrol(b.Context(), ina.Account, vault.Secret{Kind: vault.Password, Bytes: []byte("seven quiet herons")})
	if err != nil {
		b.Fatal(err)
	}
	fill(b, w, reports, hits)
	search := func() time.Duration {
		begun := time.Now()
		found, err := w.engine.SearchSealed(b.Context(), ina, keys, "heron weir", 100, nil)
		if err != nil || len(found.Hits) != hits || found.Searched != reports {
			b.Fatalf("%d hits in %d reports: %v", len(found.Hits), found.Searched, err)
		}
		return time.Since(begun)
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	first := search()
	var later time.Duration
	n := 0
	for b.Loop() {
		for range 3 {
			later += search()
			n++
		}
	}
	b.ReportMetric(first.Seconds(), "first-s")
	b.ReportMetric(later.Seconds()/float64(n), "later-s")
	b.ReportMetric(0, "ns/op")
}

// fill files reports of 2 KB, so many of which tell of a heron at a weir.
func fill(b *testing.B, w *town, reports, hits int) {
	b.Helper()
	var next atomic.Int64
	var all sync.WaitGroup
	errs := make([]error, 32)
	for i := range errs {
		all.Go(func() {
			for n := next.Add(1); n <= int64(reports) && errs[i] == nil; n = next.Add(1) {
				story := strings.Repeat(fmt.Sprintf("On day %d they sent us away again, and nobody wrote down why. ", n), 33)
				if n <= int64(hits) {
					story += "A heron stood at the weir."
				}
				cmd := matter.OpenCmd{Kind: "report", Fields: matter.Values{"body": "police", "conduct": "insult", "story": story}, Actor: journal.Actor{Duty: "reporter"},
					Via: journal.ViaWeb, Code: ref.NewReceiptCode()}
				if cmd, errs[i] = w.engine.Prepare(b.Context(), cmd); errs[i] != nil {
					return
				}
				errs[i] = w.db.Tx(b.Context(), func(tx *store.Tx) error {
					_, err := w.engine.Open(b.Context(), tx, cmd)
					return err
				})
			}
		})
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			b.Fatal(err)
		}
	}
}
