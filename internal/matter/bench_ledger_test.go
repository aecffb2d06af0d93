package matter_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"plumbline/internal/journal"
	"plumbline/internal/ledger"
	"plumbline/internal/store"
)

// BenchmarkFileLogged files reports with 64 people at once while a server's background work runs: once numbering the
// journal alone, once with the log beside it, signed as in a server. The two take turns within one run.
// "times-unlogged" is how much longer filing takes with the log, "caught-up" the same until every report stands in the tree too.
func BenchmarkFileLogged(b *testing.B) {
	const writers, reports, rounds = 64, 1280, 5
	plain, logged := newBench(b), newBench(b)
	quiet := slog.New(slog.DiscardHandler)
	l := ledger.New(logged.db, ledger.Options{})
	key, err := ledger.NewKey(filepath.Join(b.TempDir(), "key"), "bench.example/log")
	if err != nil {
		b.Fatal(err)
	}
	if err := logged.db.Tx(b.Context(), func(tx *store.Tx) error {
		return l.RecordKey(b.Context(), tx, journal.Actor{Duty: "operator"}, journal.ViaCLI, key, false)
	}); err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(b.Context())
	ended := make(chan struct{}, 3)
	for _, work := range []func(context.Context) error{
		journal.NewFollowers(plain.db, quiet).Run,
		journal.NewFollowers(logged.db, quiet, l.Follower()).Run,
		ledger.NewSigner(l, key.Path(), nil).Run,
	} {
		go func() { _ = work(ctx); ended <- struct{}{} }() // ends with ctx alone
	}
	defer func() {
		stop()
		for range 3 {
			<-ended
		}
	}()
	until := func(db *store.DB, query string) time.Duration {
		begun := time.Now()
		for waiting := int64(1); waiting > 0; {
			if err := db.Read(b.Context(), func(tx *store.Tx) error { return tx.QueryRow(b.Context(), query).Scan(&waiting) }); err != nil {
				b.Fatal(err)
			}
			time.Sleep(time.Millisecond)
		}
		return time.Since(begun)
	}
	const (
		unplaced = `SELECT COUNT(*) FROM entry WHERE idx IS NULL`
		unlogged = `SELECT (SELECT COUNT(*) FROM entry) - (SELECT COALESCE(MAX(idx), 0) FROM leaf)`
	)
	until(plain.db, unplaced)
	until(logged.db, unlogged)
	var without, with, withoutAll, withAll time.Duration
	done := 0
	for b.Loop() {
		for range rounds {
			took := plain.file(b, writers, reports)
			without, withoutAll = without+took, withoutAll+took+until(plain.db, unplaced)
			took = logged.file(b, writers, reports)
			with, withAll = with+took, withAll+took+until(logged.db, unlogged)
			done += reports
		}
	}
	b.ReportMetric(float64(done)/without.Seconds(), "unlogged/s")
	b.ReportMetric(float64(done)/with.Seconds(), "logged/s")
	b.ReportMetric(with.Seconds()/without.Seconds(), "times-unlogged")
	b.ReportMetric(withAll.Seconds()/withoutAll.Seconds(), "caught-up")
	b.ReportMetric(0, "ns/op")
}
