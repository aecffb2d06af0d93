package transfer_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/csv"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plumbline/internal/journal"
	"plumbline/internal/matter"
	"plumbline/internal/office"
	"plumbline/internal/pack"
	"plumbline/internal/store"
	"plumbline/internal/tally"
	"plumbline/internal/testing/data"
	"plumbline/internal/testing/world"
	"plumbline/internal/transfer"
)

// A city is a bundled mapping with its files, and the figures that the data is known to hold.
type city struct {
	mapping     string
	files       []string
	rows        int64
	matters     int64
	allegations int64
	officials   int64
	findings    map[string]int64
	categories  map[string]int64
	conducts    map[string]int64 // some
	years       map[string]int64 // of allegations or matters, some
	flags       map[string]int64
}

var cities = []city{
	{
		mapping: "nypd-ccrb", files: []string{"complaints/nypd/allegations_2020.csv.gz"},
		rows: 33_358, matters: 12_056, allegations: 33_358, officials: 3_996,
		findings: map[string]int64{
			"unsubstantiated": 15_448, "exonerated": 9_609, "substantiated-charges": 3_796, "substantiated-formalized-training": 1_033,
			"substantiated-command-discipline-a": 964, "substantiated-command-discipline": 851, "substantiated-command-discipline-b": 789,
			"substantiated-command-level-instructions": 454, "substantiated-instructions": 248, "substantiated-no-recommendations": 165,
			"substantiated-mos-unidentified": 1},
		categories: map[string]int64{"abuse": 20_292, "force": 7_636, "discourtesy": 4_677, "language": 753},
		conducts:   map[string]int64{"physical-force": 4_849, "word": 3_942, "stop": 2_300, "search-of-person": 2_047, "frisk": 1_926, "": 1},
		years:      map[string]int64{"2016": 2_345, "2015": 2_312, "2018": 2_281, "2020": 4},
		flags:      map[string]int64{"duplicate-rows:allegations": 631, "no-allegation-named": 1, "no-command": 1_544, "young-complainant": 12, "odd-precinct": 24},
	},
	{
		mapping: "chicago-copa", files: []string{"complaints/chicago/copa_complaints_2000-2023.csv.gz", "complaints/chicago/copa_accused_2000-2023.csv.gz"},
		rows: 49_052 + 99_961, matters: 49_052, allegations: 99_961, officials: 14_620,
		findings: map[string]int64{"none-recorded": 37_665, "not-sustained": 32_131, "unfounded": 22_467, "exonerated": 4_203, "sustained": 3_140,
			"no-affidavit": 263, "expunged": 55, "administratively-closed": 28, "more-investigation": 8, "within-policy": 1},
		categories: map[string]int64{"excessive-force": 41_814, "search": 16_919, "operational": 10_380, "verbal-abuse": 9_412, "pending": 7_238, "": 5_238,
			"weapon-display": 3_273, "domestic": 2_042, "proper-care": 800, "traffic": 527, "coercion": 502, "rule-14": 456, "legal-violation": 181,
			"first-amendment": 179, "sexual-misconduct": 166, "abuse-of-authority": 162, "taser": 150, "oc": 131, "counsel": 97, "firearm-no-contact": 62,
			"firearm-injury": 49, "firearm-animal": 40, "firearm-accidental": 39, "motor-vehicle": 35, "notification": 28, "firearm-fatal": 24,
			"conspiracy": 11, "custody": 2, "homicide": 2, "post-arrest": 1, "firearm-suicide": 1},
		conducts: map[string]int64{"code-05a": 25_496, "code-05m": 7_421, "code-01a": 6_461},
		flags: map[string]int64{"closed-before-received": 2, "incident-after-complaint": 38, "nobody-accused": 7_255, "no-finding": 37_665,
			"no-category": 5_238, "unknown-officer": 23_825},
	},
}

// eachCity runs a test with each city on each kind of database, fresh. Importing takes long, so that all run side by side
// and each looks at everything that one import can show.
func eachCity(t *testing.T, test func(t *testing.T, c city, db *store.DB, o *office.Office, files []string)) {
	t.Parallel()
	for _, c := range cities {
		t.Run(c.mapping, func(t *testing.T) {
			t.Parallel()
			var files []string
			for _, f := range c.files {
				files = append(files, data.File(t, f))
			}
			world.EachURL(t, func(t *testing.T, url string) {
				t.Parallel()
				db := world.Open(t, url)
				test(t, c, db, ready(t, db, c.mapping), files)
			})
		})
	}
}

// ready makes an office that works under a bundled pack.
func ready(t testing.TB, db *store.DB, name string) *office.Office {
	t.Helper()
	o, err := office.Open(t.Context(), db)
	if err != nil && !errors.Is(err, office.ErrEmpty) {
		t.Fatal(err)
	}
	p, err := pack.Bundled(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Load(t.Context(), journal.Actor{Duty: "system"}, journal.ViaCLI, p, true); err != nil {
		t.Fatal(err)
	}
	return o
}

func imports(t *testing.T, c city, db *store.DB, o *office.Office, files ...string) transfer.Summary {
	t.Helper()
	m, err := transfer.Open(c.mapping)
	if err != nil {
		t.Fatal(err)
	}
	s, err := transfer.Run(t.Context(), db, o.Active(), m, files, transfer.Options{Rejects: filepath.Join(t.TempDir(), "rejects.csv")})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// figures asks the tally, after it has followed the journal to its end.
func figures(t *testing.T, db *store.DB, o *office.Office) func(measure string, by ...string) map[string]int64 {
	t.Helper()
	figures := tally.New(o)
	if err := journal.NewFollowers(db, slog.New(slog.DiscardHandler), figures).CatchUp(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	return func(measure string, by ...string) map[string]int64 {
		t.Helper()
		out := map[string]int64{}
		err := db.Read(t.Context(), func(tx *store.Tx) error {
			res, err := figures.Stats(t.Context(), tx, tally.Request{Measure: measure, By: by})
			if err != nil {
				return err
			}
			out["total"] = res.Total
			for _, r := range res.Rows {
				out[strings.Join(r.Key, "/")] = r.Value
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
}

func check(t *testing.T, what string, want, got map[string]int64) {
	t.Helper()
	for k, n := range want {
		if got[k] != n {
			t.Errorf("%s %q: %d, want %d", what, k, got[k], n)
		}
	}
}

// holds makes sure that the figures are those that the data is known to hold.
func (c city) holds(t *testing.T, db *store.DB, o *office.Office) {
	t.Helper()
	stats := figures(t, db, o)
	check(t, "matters", map[string]int64{"total": c.matters}, stats("matters"))
	c.found(t, stats("allegations", "finding"), stats("allegations", "category"), stats("allegations", "conduct"))
	check(t, "allegations", map[string]int64{"total": c.allegations}, stats("allegations"))
	check(t, "allegations of year", c.years, stats("allegations", "year"))
	check(t, "officials named", map[string]int64{"total": c.officials}, stats("officials-named"))
}

// stands makes sure of the same by counting rows of the tables.
func (c city) stands(t *testing.T, db *store.DB) {
	t.Helper()
	count := func(query string) map[string]int64 { return transfer.Grouped(t, db, query) }
	check(t, "rows", map[string]int64{"matter": c.matters, "allegation": c.allegations, "official": c.officials},
		count(`SELECT 'matter', COUNT(*) FROM matter UNION SELECT 'allegation', COUNT(*) FROM allegation
UNION SELECT 'official', COUNT(DISTINCT official) FROM allegation WHERE official <> 0`))
	c.found(t, count(`SELECT finding, COUNT(*) FROM allegation GROUP BY finding`), count(`SELECT category, COUNT(*) FROM allegation GROUP BY category`),
		count(`SELECT conduct, COUNT(*) FROM allegation GROUP BY conduct`))
}

// found compares numbers of allegations by what is said of them: all findings and categories, and some conducts.
func (c city) found(t *testing.T, findings, categories, conducts map[string]int64) {
	t.Helper()
	for _, all := range []struct {
		what      string
		want, got map[string]int64
	}{{"findings", c.findings, findings}, {"categories", c.categories, categories}} {
		delete(all.got, "total")
		if d := cmp.Diff(all.want, all.got); d != "" {
			t.Errorf("%s: %s", all.what, d)
		}
	}
	check(t, "conduct", c.conducts, conducts)
}

// Both cities, on both kinds of database, hold exactly what is known of them: after an import that was interrupted as
// after an unbroken one, imported again, and with a later release over it. In the end, all tables follow from the record.
// Each city is imported once into each database, and everything is asked of that.
func TestRealDataImportsExactly(t *testing.T) {
	eachCity(t, func(t *testing.T, c city, db *store.DB, o *office.Office, files []string) {
		small := c.mapping == "nypd-ccrb"
		if small {
			interrupt(t, c, db, o, files)
		}
		s := imports(t, c, db, o, files...)
		if want := (transfer.Account{Read: c.rows, Opened: c.rows}); s.Rows != want || s.Resumed != small {
			t.Errorf("resumed %v: rows %+v, want %+v", s.Resumed, s.Rows, want)
		}
		if want := (transfer.Account{Read: c.matters, Opened: c.matters}); s.Matters != want || s.Officials.Opened != c.officials || s.Allegations != c.allegations {
			t.Errorf("matters %+v, officials %d, allegations %d", s.Matters, s.Officials.Opened, s.Allegations)
		}
		flags := map[string]int64{}
		for _, f := range s.Flags {
			flags[f.ID] = f.Count
		}
		check(t, "flag", c.flags, flags)
		whole := small || db.Dialect() == store.SQLite
		if whole {
			c.holds(t, db, o)
		} else {
			c.stands(t, db)
		}

		again := imports(t, c, db, o, files...)
		if want := (transfer.Account{Read: c.rows, Unchanged: c.rows}); again.Rows != want {
			t.Errorf("imported again: %+v, want %+v", again.Rows, want)
		}
		if !whole {
			return // figures, re-releases and verifying on PostgreSQL are shown by the smaller city, in a third of the time
		}
		rerelease(t, c, db, o, files)
		if small {
			c.holds(t, db, o) // what changed was no finding; what vanished stays
		} else {
			c.stands(t, db)
		}
		diffs, err := matter.Verify(t.Context(), db, nil, office.PackFolder{}, office.SettingFolder{})
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range diffs[:min(len(diffs), 10)] {
			t.Errorf("verify: %v", d)
		}
	})
}

// interrupt begins an import and gives it up when half of the matters are written.
func interrupt(t *testing.T, c city, db *store.DB, o *office.Office, files []string) {
	t.Helper()
	m, err := transfer.Open(c.mapping)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stage := ""
	_, err = transfer.Run(ctx, db, o.Active(), m, files, transfer.Options{Rejects: filepath.Join(t.TempDir(), "r.csv"), Batch: 500,
		Stage: func(what, _ string) { stage = what },
		Progress: func(done, total int64) {
			if stage == "matters" && done > total/2 {
				cancel()
			}
		}})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("err = %v, want that it was interrupted", err)
	}
	if n := transfer.Grouped(t, db, `SELECT 'matters', COUNT(*) FROM matter`)["matters"]; n == 0 || n >= c.matters {
		t.Fatalf("%d matters were written before the interruption", n)
	}
}

// rerelease changes the copies of the files as a later release might: one matter in fifty is gone, and in one row of a
// hundred a date moved. Nothing may be lost or doubled, and everything must be accounted for.
func rerelease(t *testing.T, c city, db *store.DB, o *office.Office, files []string) {
	dir := t.TempDir()
	key, date, value := "complaint_id", "month_closed", func(s string) string { return map[bool]string{true: "2", false: "1"}[s == "1"] }
	if c.mapping == "chicago-copa" {
		key, date, value = "cr_id", "closed_date", func(string) string { return "2024-02-29" }
	}
	dropped := map[string]bool{}
	var copies []string
	for _, f := range files {
		copies = append(copies, edit(t, f, dir, func(row map[string]string, n int) bool {
			if dropped[row[key]] || strings.HasSuffix(row[key], "77") {
				dropped[row[key]] = true
				return false
			}
			if _, has := row[date]; has && strings.HasSuffix(row[key], "5") {
				row[date] = value(row[date])
			}
			return true
		}))
	}
	s := imports(t, c, db, o, copies...)
	gone := int64(len(dropped))
	if s.Gone.Matters != gone || s.Matters.Read != c.matters-gone {
		t.Errorf("re-release: %d gone, want %d; matters %+v", s.Gone.Matters, gone, s.Matters)
	}
	if s.Matters.Opened != 0 || s.Matters.Updated == 0 || s.Matters.Unchanged == 0 {
		t.Errorf("re-release: matters %+v", s.Matters)
	}
	if c.mapping != "nypd-ccrb" {
		return // once is enough for what the smaller city shows, too
	}
	if again := imports(t, c, db, o, copies...); again.Rows.Updated+again.Rows.Opened != 0 {
		t.Errorf("re-release imported again: %+v", again.Rows)
	}
}

// edit copies a compressed CSV file, changing rows or leaving them out.
func edit(t *testing.T, file, dir string, change func(row map[string]string, n int) bool) string {
	t.Helper()
	packed, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	in := csv.NewReader(z)
	header, err := in.Read()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, strings.TrimSuffix(filepath.Base(file), ".gz"))
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	out := csv.NewWriter(f)
	_ = out.Write(header)
	for n := 0; ; n++ {
		rec, err := in.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		row := map[string]string{}
		for i, h := range header {
			row[h] = rec[i]
		}
		if !change(row, n) {
			continue
		}
		for i, h := range header {
			rec[i] = row[h]
		}
		_ = out.Write(rec)
	}
	out.Flush()
	if err := errors.Join(out.Error(), f.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}
