package transfer

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plumbline/internal/store"
	"plumbline/internal/testing/world"
)

// bare is a mapping over one file, with a place for everything that the tests below change.
const bare = `mapping: bare
pack: generic
released: 2024-01
sources:
  cases:
    key: row.no
bodies:
  - {code: office, level: national}
officials:
  - {from: cases, key: row.badge, name: "'Officer ' + row.badge"}
matter:
  from: cases
  kind: "'case'"
  received: date(row.received, 'YYYY-MM-DD')
  body: "'office'"
  data: {note: row.note}
allegations:
  from: cases
  conduct: {value: row.what, bad: flag}
`

// A mapping that makes another kind of what is in the record does not go unnoticed, however often it is run.
func TestAnotherKindIsToldEveryTime(t *testing.T) {
	t.Parallel()
	world.Each(t, func(t *testing.T, db *store.DB) {
		file := write(t, t.TempDir(), "c.csv", "no,badge,received,note,what\n1,7,2024-01-01,,insult\n2,8,2024-01-02,,insult\n")
		importing(t, db, bundled(t, "generic"), parse(t, bare), Options{}, file)
		other := parse(t, strings.Replace(bare, "'case'", "'proceeding'", 1))
		for _, check := range []bool{true, false, false} {
			s := importing(t, db, bundled(t, "generic"), other, Options{Check: check}, file)
			if n := flags(s)["kind-kept"]; n != 2 {
				t.Errorf("check %v: kind-kept for %d matters, want 2", check, n)
			}
		}
		if n := number(t, db, `SELECT COUNT(*) FROM matter WHERE kind = 'case'`); n != 2 {
			t.Errorf("%d matters are cases, want 2", n)
		}
		clean(t, db)
	})
}

// A text that strayed into a key column would not fit the index of a database: PostgreSQL refused the whole import.
func TestTextsTooLongForAKeyAreRejected(t *testing.T) {
	t.Parallel()
	world.Each(t, func(t *testing.T, db *store.DB) {
		var long strings.Builder
		for i := range 3000 {
			long.WriteString(string(rune('a' + i*i%26)))
			long.WriteString(string(rune('A' + i*7%26)))
		}
		file := write(t, t.TempDir(), "c.csv", "no,badge,received,note,what\n"+long.String()+",7,2024-01-01,,insult\n2,"+long.String()+",2024-01-02,,insult\n3,9,2024-01-02,"+long.String()+",insult\n")
		s := importing(t, db, bundled(t, "generic"), parse(t, bare), Options{}, file)
		if want := (Account{Read: 3, Opened: 1, Rejected: 2}); s.Rows != want {
			t.Errorf("%+v, want %+v", s.Rows, want)
		}
	})
}

// What a check foresees of a later release is what the import then does, also where the record keeps what vanished.
func TestCheckForeseesARerelease(t *testing.T) {
	t.Parallel()
	world.Each(t, func(t *testing.T, db *store.DB) {
		dir := t.TempDir()
		m := parse(t, strings.Replace(bare, "allegations:\n  from: cases\n", "allegations:\n  from: cases\n  official: row.other\n", 1))
		const head = "no,badge,received,note,what,other\n"
		first := write(t, dir, "1.csv", head+"1,7,2024-01-01,a,insult,7\n1,8,2024-01-01,a,insult,8\n2,8,2024-01-02,b,insult,8\n3,8,2024-01-03,c,insult,8\n")
		second := write(t, dir, "2.csv", head+"1,7,2024-01-01,a,insult,7\n2,8,2024-01-02,x,insult,8\n4,9,2024-01-04,d,insult,99\n5,9,2024-01-05,d,insult,8\n")
		importing(t, db, bundled(t, "generic"), m, Options{}, first)
		entries := number(t, db, `SELECT COUNT(*) FROM entry`)
		foreseen := importing(t, db, bundled(t, "generic"), m, Options{Check: true}, second)
		if n := number(t, db, `SELECT COUNT(*) FROM entry`); n != entries {
			t.Fatalf("a check wrote %d entries", n-entries)
		}
		done := importing(t, db, bundled(t, "generic"), m, Options{}, second)
		if want := (Account{Read: 4, Opened: 2, Updated: 1, Unchanged: 1}); done.Matters != want || done.Gone.Allegations != 1 || flags(done)["official-not-in-the-data"] != 1 {
			t.Errorf("%+v, gone %+v, flags %v", done.Matters, done.Gone, flags(done))
		}
		foreseen.Preview = nil
		if d := cmp.Diff(comparable(foreseen), comparable(done)); d != "" {
			t.Errorf("what was foreseen and what was done: %s", d)
		}
	})
}

// The file of rejects is always that of the last run, and never one that is being imported.
func TestRejectsAreThoseOfTheLastRun(t *testing.T) {
	t.Parallel()
	db := world.SQLite(t)
	dir := t.TempDir()
	rejects := filepath.Join(dir, "rejects.csv")
	const head = "no,badge,received,note,what\n"
	bad := write(t, dir, "bad.csv", head+"1,7,yesterday,,insult\n")
	good := write(t, dir, "good.csv", head+"1,7,2024-01-01,,insult\n")
	m, o := parse(t, bare), bundled(t, "generic")
	s := importing(t, db, o, m, Options{Rejects: rejects}, bad)
	if d := cmp.Diff([]Counted{{`matter: received: "yesterday" is no date of the form YYYY-MM-DD`, 1}}, s.Reasons); d != "" {
		t.Error(d)
	}
	_, err := Run(t.Context(), db, o.p, m, []string{rejects}, Options{Rejects: rejects})
	if err == nil {
		t.Fatal("the file of rejects was overwritten while it was imported")
	}
	contains(t, err.Error(), "is where rejected rows go: rename it")
	if _, err := os.Stat(rejects); err != nil {
		t.Error(err)
	}
	importing(t, db, o, m, Options{Rejects: rejects}, good)
	if _, err := os.Stat(rejects); err == nil {
		t.Error("the rejects of an earlier run are still there after one without any")
	}
	own := write(t, dir, "rejects.csv", "my own notes\n")
	importing(t, db, o, m, Options{Rejects: rejects}, good)
	if _, err := os.Stat(own); err != nil {
		t.Errorf("a file that is none of ours was taken away: %v", err)
	}
}

// Whoever completes a table needs every value it lacks, with how often it occurs, not five examples of the same.
func TestFlagsCountTheirValues(t *testing.T) {
	t.Parallel()
	file := write(t, t.TempDir(), "c.csv", "no,badge,received,note,what\n"+
		"1,7,2024-01-01,,rude\n2,7,2024-01-01,,late\n3,7,2024-01-01,,rude\n4,7,2024-01-01,,insult\n")
	s := importing(t, world.SQLite(t), bundled(t, "generic"), parse(t, bare), Options{}, file)
	want := []Counted{{`the pack has no conduct "rude"`, 2}, {`the pack has no conduct "late"`, 1}}
	if len(s.Flags) != 1 {
		t.Fatalf("%+v", s.Flags)
	}
	if d := cmp.Diff(want, s.Flags[0].Values); d != "" {
		t.Error(d)
	}
}

// What is odd about bodies and posts is told, with its line.
func TestOddBodiesAndPostsAreFlagged(t *testing.T) {
	t.Parallel()
	m := parse(t, strings.Replace(strings.Replace(bare, `"'Officer ' + row.badge"}`, `"'Officer ' + row.badge", post: {body: "'office/' + row.badge", from: "'2024-05'", to: row.note}}`, 1),
		"officials:", "bodies_from:\n  - {from: cases, code: \"'office/' + row.badge\", level: \"'local'\", names: {en: row.what}}\nofficials:", 1))
	file := write(t, t.TempDir(), "c.csv", "no,badge,received,note,what\n1,7,2024-01-01,2024-05-02,insult\n2,7,2024-01-01,2024-04,bribery\n")
	s := importing(t, world.SQLite(t), bundled(t, "generic"), m, Options{}, file)
	got := map[string][]Example{}
	for _, f := range s.Flags {
		got[f.ID] = f.Examples
	}
	want := map[string][]Example{
		"body-described-differently": {{File: "c.csv", Line: 3, Value: `office/7: "insult" and "bribery"`}},
		"post-ends-before-it-begins": {{File: "c.csv", Line: 3}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// A row may name its official in one of several ways; the allegation is against whom it names.
func TestTheOfficialOfTheRowIsTheOneItNames(t *testing.T) {
	t.Parallel()
	db := world.SQLite(t)
	m := parse(t, strings.Replace(bare, "officials:\n", "officials:\n  - {from: cases, when: row.note != '', key: \"'n' + row.note\", name: row.note}\n", 1))
	m.officialNodes = append(m.officialNodes, m.officialNodes[0])[1:] // the entry that seldom holds stands last
	file := write(t, t.TempDir(), "c.csv", "no,badge,received,note,what\n1,7,2024-01-01,,insult\n2,,2024-01-01,Ada,insult\n")
	importing(t, db, bundled(t, "generic"), m, Options{}, file)
	if n := number(t, db, `SELECT COUNT(*) FROM allegation WHERE official <> 0`); n != 2 {
		t.Errorf("%d allegations are against somebody, want 2", n)
	}
}

// A mapping of one source needs no patterns, however many files there are.
func TestAllFilesAreOfTheOnlySource(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const head = "no,badge,received,note,what\n"
	s := importing(t, world.SQLite(t), bundled(t, "generic"), parse(t, bare), Options{},
		write(t, dir, "2023.csv", head+"1,7,2023-01-01,,insult\n"), write(t, dir, "2024.csv", head+"2,7,2024-01-01,,insult\n"))
	if want := (Account{Read: 2, Opened: 2}); s.Rows != want {
		t.Errorf("%+v, want %+v", s.Rows, want)
	}
}

// Columns of other offices have names in every script and with every sign.
func TestColumnsOfEveryName(t *testing.T) {
	t.Parallel()
	db := world.SQLite(t)
	m := parse(t, strings.NewReplacer("row.note", "row.Größe + ' row.Größe`'", "row.no", "row.编号", "row.received", "row.`Received, by us (day)`").Replace(bare))
	file := write(t, t.TempDir(), "c.csv", "编号,badge,\"Received, by us (day)\",Größe,what\nA,7,2024-05-01,5 m,insult\n")
	importing(t, db, bundled(t, "generic"), m, Options{}, file)
	if n := number(t, db, `SELECT COUNT(*) FROM matter WHERE source_key = 'A' AND received = '2024-05-01' AND data LIKE '%5 m row.Größe%'`); n != 1 {
		t.Error("the values of the columns did not arrive")
	}
}

// A line without end is one bad row, not the end of the import; in quotation marks it stops, as what follows is doubtful.
func TestALineWithoutEnd(t *testing.T) {
	t.Parallel()
	file := write(t, t.TempDir(), "c.csv", "no,badge,received,note,what\n1,7,2024-01-01,"+strings.Repeat("x", 3*maxRecord)+",insult\n2,7,2024-01-01,,insult\n")
	s := importing(t, world.SQLite(t), bundled(t, "generic"), parse(t, bare), Options{}, file)
	if want := (Account{Read: 2, Opened: 1, Rejected: 1}); s.Rows != want {
		t.Errorf("%+v, want %+v", s.Rows, want)
	}
}

// A mistake over a column says which columns there are, and of which file.
func TestMistakesNameTheRightColumns(t *testing.T) {
	two := strings.Replace(bare, "sources:\n", "sources:\n  others:\n    columns: [no, status]\n    key: row.no\n", 1)
	two = strings.Replace(two, "cases:\n", "cases:\n    columns: [no, badge, received, note, what]\n", 1)
	for _, tt := range []struct{ name, from, to, want string }{
		{"in a list of another source", "row.note", `"first(others.map(o, o.state))"`, "others has no column state; did you mean status?"},
		{"in rows", "row.note", `"first(rows.map(r, r.nota))"`, "cases has no column nota; did you mean note?"},
		{"nothing like it", "row.note", "row.zyx", "cases has no column zyx; its columns are no, badge, received, note, what"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := parse(t, strings.Replace(two, tt.from, tt.to, 1))
			if err := m.Check(bundled(t, "generic").p); err == nil {
				t.Error("accepted")
			} else {
				contains(t, err.Error(), tt.want)
			}
		})
	}
	m := parse(t, strings.Replace(bare, "sources:\n", "sources:\n  staff: {columns: [badge]}\n", 1)+"checks: []\n")
	m.officialNodes = append(m.officialNodes[:0:0], parse(t, strings.Replace(bare, `from: cases, key: row.badge, name: "`, `from: staff, key: row.badg, name: "`, 1)).officialNodes...)
	_, err := m.bind(bundled(t, "generic").p, map[string][]string{"cases": {"no", "badge", "received", "note", "what"}})
	if err == nil || strings.Contains(err.Error(), "must feed") {
		t.Errorf("one mistake was taken for two: %v", err)
	}
}
