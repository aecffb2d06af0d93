package witness

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"plumbline/internal/store"
	"plumbline/internal/store/storetest"
	"plumbline/internal/testing/logtest"
	"plumbline/verify"
)

// What cosigning costs beyond what no witness can do without, the durable update of one row: both in one run, from as many logs at
// once. The ratio is reported as cosigned/updated.
func BenchmarkAddCheckpoint(b *testing.B) {
	const logs, heads = 16, 60
	db := storetest.OpenSQLite(b)
	var all []*logtest.Log
	for i := range logs {
		all = append(all, logtest.New(b, fmt.Sprintf("log%d.example", i)).Append(heads))
	}
	h := watching(b, db, newKey(b), all...).Handler()
	requests := make([][][]byte, logs)
	for i, l := range all {
		for size := range uint64(heads) {
			requests[i] = append(requests[i], ask(l, size, size+1))
		}
	}
	// each runs work for every log side by side, and returns how many a second that were.
	each := func(work func(log, n int)) float64 {
		begun := time.Now()
		var group sync.WaitGroup
		for i := range logs {
			group.Go(func() {
				for n := range heads {
					work(i, n)
				}
			})
		}
		group.Wait()
		return logs * heads / time.Since(begun).Seconds()
	}
	const update = `UPDATE witness_log SET cosigned = $2 WHERE origin = $1`
	for b.Loop() {
		updated := each(func(log, n int) {
			err := db.Tx(b.Context(), func(tx *store.Tx) error {
				_, err := tx.Exec(b.Context(), update, all[log].Origin, n)
				return err
			})
			if err != nil {
				b.Error(err)
			}
		})
		var wrong atomic.Int64
		cosigned := each(func(log, n int) {
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, httptest.NewRequest(http.MethodPost, "/add-checkpoint", bytes.NewReader(requests[log][n])))
			if rec.Code != http.StatusOK {
				wrong.Add(1)
			}
		})
		if n := wrong.Load(); n > 0 {
			b.Fatalf("%d heads were not cosigned", n)
		}
		b.ReportMetric(cosigned, "cosigned/s")
		b.ReportMetric(updated, "updated/s")
		b.ReportMetric(cosigned/updated, "cosigned/updated")
		reset(b, db)
	}
}

// reset lets the logs begin anew.
func reset(b *testing.B, db *store.DB) {
	b.Helper()
	b.StopTimer()
	defer b.StartTimer()
	root := verify.EmptyRoot()
	err := db.Tx(b.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(b.Context(), `UPDATE witness_log SET size = 0, note = NULL, cosigned = 0, root = $1`, root[:])
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
}
