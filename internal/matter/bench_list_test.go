package matter_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"testing"

	"plumbline/internal/matter"
	"plumbline/internal/store"
	"plumbline/internal/testing/world"
)

// BenchmarkList asks for pages of lists over many matters (PLUMBLINE_BENCH_MATTERS, 200,000 if not set), most of them
// imported history far from the reader's desk, and reports the time of a page for each sort of reader and question.
func BenchmarkList(b *testing.B) {
	n := 200_000
	if s := os.Getenv("PLUMBLINE_BENCH_MATTERS"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			b.Fatal(err)
		}
	}
	w := newTown(b, world.SQLite(b))
	for range 50 {
		w.report()
	}
	w.crowd(n)
	for _, q := range []struct {
		name string
		q    matter.Query
	}{
		{"a desk's queue", matter.Query{Viewer: people["ina"], Status: "open"}},
		{"a desk's everything", matter.Query{Viewer: people["ina"]}},
		{"the town by deadline", matter.Query{Viewer: people["rita"]}},
		{"the nation by deadline", matter.Query{Viewer: people["sol"]}},
		{"the nation by receipt", matter.Query{Viewer: people["sol"], Sort: matter.SortReceived, Desc: true}},
		{"the nation, late", matter.Query{Viewer: people["sol"], Overdue: true}},
		{"the nation, one official", matter.Query{Viewer: people["sol"], Text: "moss"}},
		{"the nation, one conduct", matter.Query{Viewer: people["sol"], Conduct: "bribery", Sort: matter.SortChanged, Desc: true}},
	} {
		b.Run(q.name, func(b *testing.B) {
			for b.Loop() {
				err := w.db.Read(b.Context(), func(tx *store.Tx) error {
					page, err := w.engine.List(b.Context(), tx, q.q)
					if err == nil && page.Next != "" {
						next := q.q
						next.After = page.Next
						_, err = w.engine.List(b.Context(), tx, next)
					}
					return err
				})
				if err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N)/2, "ms/page")
		})
	}
	b.Run("my work", func(b *testing.B) {
		for b.Loop() {
			if err := w.db.Read(b.Context(), func(tx *store.Tx) error {
				_, err := w.engine.MyWork(b.Context(), tx, people["ina"], w.now, w.pack.Cal())
				return err
			}); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// crowd puts in n matters of other bodies, by SQL alone: lists look at rows, not at entries.
func (w *town) crowd(n int) {
	w.Helper()
	w.tx(func(ctx context.Context, tx *store.Tx) error {
		for _, sql := range []string{
			`WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < %d) INSERT INTO matter (id, ref, kind, pack, state, final, body, desk,
			desk_body, concerned, subject, n, received, opened, changed, closed, ended, source, source_key, source_status, due, due_clock, overdue, facts, data, title)
			SELECT i, 'I-' || i, 'case', 'generic@1.0.0', CASE i %% 20 WHEN 0 THEN 'investigating' ELSE 'imported' END, i %% 20 <> 0, 3, 'investigator', 3, 6, 0, 1,
			'20' || (10 + i %% 16) || '-0' || (1 + i %% 9) || '-11', i, i, '', '', CASE i %% 20 WHEN 0 THEN '' ELSE 'city' END, 'K' || i, '',
			CASE i %% 20 WHEN 0 THEN 1772442000000000 + i ELSE 0 END, '', CASE i %% 400 WHEN 0 THEN 1 ELSE 0 END, '', '{}', 'x' FROM c`,
			`WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < %d) INSERT INTO allegation (matter, no, official, described, body, rank,
			conduct, category, time, place, finding, standard, outcome, data)
			SELECT i, 1, CASE i %% 50000 WHEN 7 THEN 102 ELSE 5000 + i %% 40000 END, '', 6, '', CASE i %% 30 WHEN 0 THEN 'bribery' ELSE 'insult' END, '', '', '', '', '', '', '' FROM c`,
		} {
			if _, err := tx.Exec(ctx, fmt.Sprintf(sql, n)); err != nil {
				return err
			}
		}
		return nil
	})
}
