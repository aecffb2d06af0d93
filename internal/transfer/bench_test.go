package transfer_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"plumbline/internal/office"
	"plumbline/internal/store"
	"plumbline/internal/store/storetest"
	"plumbline/internal/testing/data"
	"plumbline/internal/testing/world"
	"plumbline/internal/transfer"
)

// tables are all that an import writes to.
var tables = []string{"entry", "body", "body_name", "body_above", "official", "official_name", "official_word", "post", "matter", "allegation", "party", "source_key"}

// BenchmarkImport imports both cities, and in the same run inserts the very same rows into the same tables of a fresh
// database with nothing but multi-row inserts. It reports the ratio of the two times (goal: at most 3) and the peak of memory.
func BenchmarkImport(b *testing.B) {
	for _, kind := range storetest.Databases() {
		b.Run(kind.Name, func(b *testing.B) {
			for range b.N {
				var checked, plain time.Duration
				var rows int64
				var peak uint64
				for _, c := range cities {
					var files []string
					for _, f := range c.files {
						files = append(files, data.File(b, f))
					}
					db := world.Open(b, kind.URL(b))
					o := ready(b, db, c.mapping)
					stop, most := watchMemory()
					begun := time.Now()
					importsBench(b, c, db, o, files)
					checked += time.Since(begun)
					stop()
					peak = max(peak, most.Load())
					took, n := insertPlainly(b, db, world.Open(b, kind.URL(b)))
					plain += took
					rows += n
				}
				ratio := checked.Seconds() / plain.Seconds()
				b.ReportMetric(ratio, "times-plain-inserts")
				b.ReportMetric(float64(peak)/(1<<20), "MB-heap-peak")
				fmt.Printf("import %s: %d rows in %.1f s with all checks, %.1f s plainly: %.2f times (goal 3); heap at most %.0f MB\n",
					kind.Name, rows, checked.Seconds(), plain.Seconds(), ratio, float64(peak)/(1<<20))
			}
		})
	}
}

func importsBench(b *testing.B, c city, db *store.DB, o *office.Office, files []string) {
	m, err := transfer.Open(c.mapping)
	if err != nil {
		b.Fatal(err)
	}
	s, err := transfer.Run(b.Context(), db, o.Active(), m, files, transfer.Options{Rejects: filepath.Join(b.TempDir(), "r.csv")})
	if err != nil {
		b.Fatal(err)
	}
	if s.Rows.Opened != c.rows {
		b.Fatalf("%+v", s.Rows)
	}
}

// insertPlainly copies every row of the tables into an empty database and tells how long the inserting took. Reading is not
// counted.
func insertPlainly(b *testing.B, from, to *store.DB) (took time.Duration, n int64) {
	const batch = 5000
	ctx := b.Context()
	for _, table := range tables {
		var all [][]any
		var cols []string
		err := from.Read(ctx, func(tx *store.Tx) (err error) {
			cols, all, err = dump(ctx, tx, table)
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
		n += int64(len(all))
		begun := time.Now()
		for len(all) > 0 {
			some := all[:min(batch, len(all))]
			all = all[len(some):]
			if err := to.Tx(ctx, func(tx *store.Tx) error { return tx.InsertMany(ctx, table, cols, some) }); err != nil {
				b.Fatal(err)
			}
		}
		took += time.Since(begun)
	}
	return took, n
}

func dump(ctx context.Context, tx *store.Tx, table string) (cols []string, all [][]any, err error) {
	rows, err := tx.Query(ctx, "SELECT * FROM "+table)
	if err != nil {
		return nil, nil, err
	}
	if cols, err = rows.Columns(); err != nil {
		return nil, nil, err
	}
	for rows.Next() {
		vals, into := make([]any, len(cols)), make([]any, len(cols))
		for i := range vals {
			into[i] = &vals[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, nil, err
		}
		all = append(all, vals)
	}
	return cols, all, rows.Close()
}

// watchMemory remembers the largest heap seen until stop is called.
func watchMemory() (stop func(), most *atomic.Uint64) {
	most = new(atomic.Uint64)
	done := make(chan struct{})
	go func() {
		var m runtime.MemStats
		for {
			select {
			case <-done:
				return
			case <-time.After(50 * time.Millisecond):
				runtime.ReadMemStats(&m)
				most.Store(max(most.Load(), m.HeapInuse))
			}
		}
	}()
	return func() { close(done) }, most
}

// Memory stays the same however long the input is: ten times the rows, the same heap within a few megabytes.
func TestMemoryDoesNotGrowWithTheInput(t *testing.T) {
	if testing.Short() {
		t.Skip("imports a hundred thousand rows")
	}
	const mapping = `mapping: long
pack: generic
sources:
  cases:
    columns: [id, when, what, who]
    key: row.id
bodies:
  - {code: office, level: local, sector: oversight}
officials:
  - {from: cases, key: row.who, name: "'Officer ' + row.who"}
matter:
  from: cases
  kind: "'case'"
  received: row.when
  body: "'office'"
allegations:
  from: cases
  conduct: row.what
`
	peak := func(rows int) uint64 {
		var text strings.Builder
		text.WriteString("id,when,what,who\n")
		for i := range rows {
			fmt.Fprintf(&text, "%07d,2024-05-%02d,bribery,%d\n", i*7919%rows, i%28+1, i%(rows/3))
		}
		file := filepath.Join(t.TempDir(), "cases.csv")
		if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		text.Reset()
		m, err := transfer.Parse("long.yaml", []byte(mapping))
		if err != nil {
			t.Fatal(err)
		}
		db := world.SQLite(t)
		o := ready(t, db, "generic")
		runtime.GC()
		stop, most := watchMemory()
		s, err := transfer.Run(t.Context(), db, o.Active(), m, []string{file}, transfer.Options{Memory: 256 << 10, Batch: 200, Rejects: filepath.Join(t.TempDir(), "r.csv")})
		stop()
		if err != nil || s.Rows.Opened != int64(rows) {
			t.Fatalf("%+v, %v", s.Rows, err)
		}
		return most.Load()
	}
	small, large := peak(4_000), peak(40_000)
	t.Logf("heap: %d MB for 4,000 rows, %d MB for 40,000", small>>20, large>>20)
	if large > small+(24<<20) {
		t.Errorf("the heap grew from %d to %d MB", small>>20, large>>20)
	}
}
