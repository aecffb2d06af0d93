package web

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"plumbline/internal/intake"
	"plumbline/internal/journal"
	"plumbline/internal/ref"
	"plumbline/internal/store"
	"plumbline/internal/testing/world"
	"plumbline/internal/vault"
)

// BenchmarkSealedFiling sends reports of 2 KB over HTTP with 64 clients to an office whose desks have people: sealed to each
// desk that may read them, and durable before the receipt is shown. In turns within the same run it measures what bounds
// it: durable transactions of one row each with 64 writers under group commit, and making and wrapping the keys of as
// many reports on all processors with nothing else to do. "ratio" is filing against the smaller of the two.
func BenchmarkSealedFiling(b *testing.B) {
	const clients, rounds, reports, rows, keys = 64, 12, 128, 1280, 48 // short turns, since machines drift
	w := newFilingWorld(b)
	rowsDB := world.Open(b, "sqlite:"+filepath.Join(b.TempDir(), "rows.db"))
	var n atomic.Int64
	file := func() error { return w.send(n.Add(1)) }
	spread(b, clients, clients, file) // everything is warm, and there is a report to take the wants from
	wants := w.wants(b)
	row := func() error {
		return rowsDB.Tx(b.Context(), func(tx *store.Tx) error {
			_, err := tx.Exec(b.Context(), `INSERT INTO filing (matter, at, marks) VALUES ($1, $2, '')`, rowsDB.NewID(), n.Add(1))
			return err
		})
	}
	wrap := func() error {
		return w.db.Read(b.Context(), func(tx *store.Tx) error {
			_, err := w.engine.Vault().Found(b.Context(), tx, vault.ReporterKeys(ref.NewReceiptCode()), ref.MatterID(w.db.NewID()), wants)
			return err
		})
	}
	var filing, committing, wrapping time.Duration
	turns := 0
	for b.Loop() {
		for range rounds {
			wrapping += spread(b, runtime.GOMAXPROCS(0), keys, wrap)
			filing += spread(b, clients, reports, file)
			committing += spread(b, clients, rows, row)
			turns++
		}
	}
	each := func(n int, took time.Duration) float64 { return float64(n*turns) / took.Seconds() }
	filed, committed, wrapped := each(reports, filing), each(rows, committing), each(keys, wrapping)
	b.ReportMetric(filed, "reports/s")
	b.ReportMetric(committed, "durable-rows/s")
	b.ReportMetric(wrapped, "keys-alone/s")
	b.ReportMetric(filed/min(committed, wrapped), "ratio")
	b.ReportMetric(0, "ns/op")
}

type filingWorld struct {
	*publicWorld
	client *http.Client
	form   url.Values
}

func newFilingWorld(b *testing.B) *filingWorld {
	b.Helper()
	db := world.Open(b, "sqlite:"+filepath.Join(b.TempDir(), "plumbline.db"))
	w := &filingWorld{publicWorld: newPublicWorld(b, db), client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}, Timeout: time.Minute}, form: url.Values{ctlTo: {"send"}}}
	w.with(func(s *Server) {
		s.gate = intake.NewGate(intake.Limits{Pace: -1}, time.Now) // all of it comes from one side
		s.Log = slog.New(slog.DiscardHandler)
	})
	// The supervisor is the one above: reports come there when their reporter asks for another look.
	for _, at := range []string{"intake@city", "reviewer@city", "custodian@city", "supervisor@region"} {
		duty, body, _ := strings.Cut(at, "@")
		v := w.as(duty, body, duty)
		desk := vault.Desk{Duty: duty, Body: v.Grants[0].Body}
		must := func(err error) {
			if err != nil {
				b.Fatal(err)
			}
		}
		must(db.Tx(b.Context(), func(tx *store.Tx) error {
			return w.engine.Vault().Join(b.Context(), tx, journal.Actor{Duty: "operator"}, v.Account, desk)
		}))
		_, err := w.engine.Vault().Enrol(b.Context(), v.Account, vault.Secret{Kind: vault.Password, Bytes: []byte("seven quiet herons")})
		must(err)
	}
	for k, v := range usual {
		w.form.Set(k, v)
	}
	return w
}

// send sends a report as its reporter's browser does from the last page of the form. All differ.
func (w *filingWorld) send(n int64) error {
	values := url.Values{}
	for k, v := range w.form {
		values[k] = v
	}
	values.Set("story", fmt.Sprintf("%d %.2048s", n, strings.Repeat(fmt.Sprintf("On day %d they sent us away again, and nobody wrote down why. ", n%977), 40)))
	res, err := w.client.PostForm(w.srv.URL+"/report/report", values)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	page, err := io.ReadAll(res.Body)
	if err == nil && (res.StatusCode != http.StatusOK || !strings.Contains(string(page), "receipt")) {
		err = fmt.Errorf("a report was answered with %d", res.StatusCode)
	}
	return err
}

// wants are the compartments of a report that was filed, and the desks that hold them.
func (w *filingWorld) wants(b *testing.B) (out []vault.Want) {
	b.Helper()
	err := w.db.Read(b.Context(), func(tx *store.Tx) error {
		found, err := tx.Query(b.Context(), `SELECT w.parts, COALESCE(d.duty, ''), COALESCE(d.body, 0), (SELECT COUNT(*) FROM vault_kept k WHERE k.desk = w.desk)
			FROM vault_wrap w LEFT JOIN vault_desk d ON d.id = w.desk WHERE w.matter = (SELECT MAX(matter) FROM vault_wrap)`)
		if err != nil {
			return err
		}
		desks := 0
		_, err = store.Collect(found, func(r *store.Rows) (x struct{}, err error) {
			var parts string
			var d vault.Desk
			var kept int64
			if err := r.Scan(&parts, &d.Duty, &d.Body, &kept); err != nil {
				return x, err
			}
			for part := range strings.SplitSeq(parts, ",") {
				i := slices.IndexFunc(out, func(w vault.Want) bool { return w.Compartment == part })
				if i < 0 {
					i, out = len(out), append(out, vault.Want{Compartment: part})
				}
				if d.Duty == "" {
					out[i].Reporter = true
					continue
				}
				out[i].Desks = append(out[i].Desks, d)
			}
			if desks++; kept > 0 {
				b.Logf("nobody has joined the desk %s", d.Duty)
			}
			return x, nil
		})
		if desks < 3 {
			b.Fatalf("a report is wrapped to %d desks: %+v", desks, out)
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return out
}

// spread has something done n times by so many at once, and tells how long it took.
func spread(b *testing.B, at, n int, do func() error) time.Duration {
	b.Helper()
	var left atomic.Int64
	left.Store(int64(n))
	ctx, stop := context.WithCancelCause(context.Background())
	defer stop(nil)
	begun := time.Now()
	var all sync.WaitGroup
	for range at {
		all.Go(func() {
			for left.Add(-1) >= 0 && ctx.Err() == nil {
				if err := do(); err != nil {
					stop(err)
				}
			}
		})
	}
	all.Wait()
	took := time.Since(begun)
	if err := context.Cause(ctx); err != nil {
		b.Fatal(err)
	}
	return took
}
