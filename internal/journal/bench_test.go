package journal_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"plumbline/internal/journal"
	"plumbline/internal/store/storetest"
	"plumbline/internal/testing/world"
)

// BenchmarkAppendBesideSequencer appends from sixteen writers, with nothing else going on and beside a sequencer and a
// follower, taking turns: numbering must not make appenders run again.
func BenchmarkAppendBesideSequencer(b *testing.B) {
	for _, kind := range storetest.Databases() {
		b.Run(kind.Name, func(b *testing.B) {
			const writers, each = 16, 40
			db := world.Open(b, kind.URL(b))
			var took [2]time.Duration
			round := 0
			for b.Loop() {
				for beside := range took {
					round++
					ctx, stop := context.WithCancel(b.Context())
					var background, appenders sync.WaitGroup
					if beside == 1 {
						background.Go(func() { _ = journal.NewFollowers(db, quiet, lean{&ledger{version: "1"}}).Run(ctx) })
					}
					begun := time.Now()
					for w := range writers {
						appenders.Go(func() {
							for n := int64(1); n <= each; n++ {
								add(b, db, entry(fmt.Sprintf("matter/%d-%d", round, w), n))
							}
						})
					}
					appenders.Wait()
					took[beside] += time.Since(begun)
					stop()
					background.Wait()
				}
			}
			b.ReportMetric(writers*each*float64(b.N)/took[0].Seconds(), "alone/s")
			b.ReportMetric(writers*each*float64(b.N)/took[1].Seconds(), "beside/s")
			b.ReportMetric(float64(took[1])/float64(took[0]), "ratio")
		})
	}
}
