package transfer

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"plumbline/internal/testing/world"
)

const small = `mapping: small
pack: generic
sources:
  cases:
    columns: [id, when, what, who, "Tax ID"]
    key: row.id
bodies:
  - {code: office, level: local, sector: oversight}
matter:
  from: cases
  kind: "'case'"
  received: row.when
  body: "'office'"
allegations:
  from: cases
  conduct: row.what
`

// Everything that is wrong with a mapping is said with its line and what was probably meant, before any file is read.
func TestMappingMistakes(t *testing.T) {
	o := bundled(t, "generic")
	for _, tt := range []struct{ name, from, to, want string }{
		{"misspelt column", "row.what", "row.wat", "m.yaml:16: allegations: conduct: cases has no column wat; did you mean what?"},
		{"misspelt key", "  conduct:", "  conducts:", `m.yaml:16: allegations has no key "conducts"; did you mean conduct?`},
		{"missing key", "  received: row.when\n", "", "m.yaml:10: matter: received is missing"},
		{"key twice", "pack: generic", "pack: generic\npack: other", `m.yaml:3: "pack" is written twice, first in line 2`},
		{"forgotten quotes", `"'office'"`, "office", "m.yaml:13: matter: body: nothing is called office here"},
		{"unknown kind", `"'case'"`, `"'casse'"`, `m.yaml:11: matter: kind: the pack has no kind "casse"; did you mean case?`},
		{"unknown level", "level: local", "level: lokal", `m.yaml:8: body office: the pack has no level "lokal"; did you mean local?`},
		{"unknown source", "from: cases\n  conduct", "from: case\n  conduct", "m.yaml:15: allegations: from: no source is called case; did you mean cases?"},
		{"wrong type", "received: row.when", "received: row.when + 1", "found no matching overload"},
		{"a list for a text", "received: row.when", "received: rows.map(r, r.when)", "a text or number is wanted, this gives list(string)"},
		{"a text for a condition", "  conduct", "  when: row.what\n  conduct", "a condition (true or false) is wanted, this gives string"},
		{"joined rows in a key", "key: row.id", "key: first(rows.map(r, r.id))", "only the row at hand can be used here, not rows"},
		{"unknown table", "conduct: row.what", "conduct: {value: row.what, table: kinds}", "no table is called kinds"},
		{"unknown table in lookup", "conduct: row.what", "conduct: lookup('kinds', row.what)", "no table is called kinds"},
		{"table value the pack has not", "conduct: row.what", "conduct: {value: row.what, table: t}\ntables:\n  t:\n    values: {A: bribary}", `m.yaml:19: table t: the pack has no conduct "bribary"; did you mean bribery?`},
		{"folded values that meet", "conduct: row.what", "conduct: {value: row.what, table: t}\ntables:\n  t:\n    fold: true\n    values:\n      A B: bribery\n      a  b: influence", `"a  b" is the same as the value in line 21`},
		{"unused table", "mapping: small", "mapping: small\ntables:\n  t: {values: {A: b}}", "m.yaml:3: table t is used nowhere"},
		{"bad policy", "conduct: row.what", "conduct: {value: row.what, bad: ignore}", "reject, flag or {default: value} is wanted"},
		{"default the pack has not", "conduct: row.what", "conduct: {value: row.what, bad: {default: bribary}}", `default: the pack has no conduct "bribary"`},
		{"other pack", "pack: generic", "pack: specific", "written for the pack specific, not for generic"},
		{"no header and no columns", `columns: [id, when, what, who, "Tax ID"]`, "header: false", "columns must list them"},
		{"constant that is no date", "received: row.when", `received: "'May'"`, `"May" is no date`},
		{"code that is none", "{code: office", "{code: The Office", `"The Office" is no code`},
		{"parent that is not there", "sector: oversight}", "sector: oversight, parent: top}", "its parent top must be listed above it"},
		{"not YAML", "sources:", "sources: : x", "not YAML"},
		{"two checks of one name", "matter:", "checks:\n  - {id: a, on: cases, when: \"row.id == ''\"}\n  - {id: a, on: cases, when: \"row.id == ''\"}\nmatter:", "two checks are called a"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if !strings.Contains(small, tt.from) {
				t.Fatalf("%q is not in the mapping", tt.from)
			}
			m, err := Parse("m.yaml", []byte(strings.Replace(small, tt.from, tt.to, 1)))
			if err == nil {
				err = m.Check(o.p)
			}
			var found Problems
			if !errors.As(err, &found) {
				t.Fatalf("err = %v, want problems", err)
			}
			contains(t, err.Error(), tt.want)
		})
	}
	if err := parse(t, small).Check(o.p); err != nil {
		t.Errorf("the mapping without a mistake: %v", err)
	}
}

// A column whose name is no identifier can be written in back quotes.
func TestColumnInBackQuotes(t *testing.T) {
	if err := parse(t, strings.Replace(small, "row.what", "row.`Tax ID`", 1)).Check(bundled(t, "generic").p); err != nil {
		t.Error(err)
	}
}

func TestBundledMappingsFitTheirPacks(t *testing.T) {
	names := BundledNames()
	if len(names) < 2 {
		t.Fatalf("bundled: %v", names)
	}
	for _, name := range names {
		m, err := Open(name)
		if err != nil {
			t.Error(err)
			continue
		}
		if err := m.Check(bundled(t, m.Pack).p); err != nil {
			t.Error(err)
		}
	}
	if _, err := Open("nypd"); err == nil {
		t.Error("a mapping that is not there was opened")
	}
}

func TestFunctions(t *testing.T) {
	m := parse(t, small)
	o := bundled(t, "generic")
	pl, err := m.bind(o.p, nil)
	if err != nil {
		t.Fatal(err)
	}
	d, err := pl.lang.of(m.Sources[0], true)
	if err != nil {
		t.Fatal(err)
	}
	row := &rowValue{cols: m.Sources[0].cols, fields: []string{"7", "2024-05-17", " a  b ", "", "1"}}
	other := &rowValue{cols: m.Sources[0].cols, fields: []string{"7", "2024-05-18", "", "x", "1"}}
	s := &scope{row: row, rows: []*rowValue{row, other}, sources: map[string][]*rowValue{"cases": {row, other}}}
	for _, tt := range []struct{ expr, want string }{
		{`date('3/5/2024', 'M/D/YYYY')`, "2024-03-05"},
		{`date('03/05/2024', 'M/D/YYYY')`, "2024-03-05"},
		{`date('05-Mar-24 10:15', 'DD-MON-YY *')`, "2024-03-05"},
		{`date('05-Mar-69', 'DD-MON-YY')`, "1969-03-05"},
		{`date('3/2024', 'M/YYYY')`, "2024-03"},
		{`date('2024-05-17T10:20:30Z', 'YYYY-MM-DDThh:mm:ssZ')`, "2024-05-17"},
		{`date('', 'M/D/YYYY')`, ""},
		{`date('2/30/2024', 'M/D/YYYY')`, `error: "2/30/2024" is no date of the form M/D/YYYY`},
		{`date('3/5/2024 ', 'M/D/YYYY')`, "2024-03-05"},
		{`date('3/5/20245', 'M/D/YYYY')`, `error: "3/5/20245" is no date of the form M/D/YYYY`},
		{`month('2019', '5')`, "2019-05"},
		{`month('2019', '')`, "2019"},
		{`month('', '5')`, ""},
		{`month('2019', '13')`, `error: "13" is no month`},
		{`year('2019-05')`, "2019"},
		{`before('2019-04', '2019-05-17')`, "true"},
		{`before('2019-05', '2019-05-17')`, "false"},
		{`before('', '2019-05-17')`, "false"},
		{`days('2024-03-01', '2024-03-05')`, "4"},
		{`days('2024-03', '2024-03-05')`, `error: days("2024-03", "2024-03-05"): two whole dates are wanted`},
		{`whole('1,200')`, "1200"},
		{`whole('601.0')`, "601"},
		{`whole('')`, ""},
		{`whole('6o1')`, `error: "6o1" is no whole number`},
		{`within(whole('34'), 0, 120)`, "34"},
		{`within(whole(''), 0, 120)`, ""},
		{`within(whole('-4301'), 0, 120)`, "error: -4301 is not between 0 and 120"},
		{`number_text('601.0')`, "601"},
		{`number_text('601.5')`, "601.5"},
		{`number_text('12A')`, "12A"},
		{`lower('AbC') + upper('AbC')`, "abcABC"},
		{`title("O'NEIL-LOPEZ JR")`, "O'Neil-Lopez Jr"},
		{`squeeze(row.what)`, "a b"},
		{`slug('Traffic & Harbor!')`, "traffic-harbor"},
		{`either(row.who, row.id)`, "7"},
		{`first(rows.map(r, r.who))`, "x"},
		{`distinct(rows.map(r, r.id)).join(', ')`, "7"},
		{`same(rows.map(r, r.id)) && !same(cases.map(r, r.when))`, "true"},
		{`row.what == '' ? 'x' : fail('unreadable')`, "error: unreadable"},
		{`row.id.matches('^[0-9]+$') && row.who in ['', '0']`, "true"},
		{"row.`Tax ID`", "1"},
		{`'fixed'`, "fixed"},
	} {
		p := &problems{file: "m.yaml"}
		e := d.compile(p, &node{scalar: tt.expr, line: 1}, "value", false)
		if e == nil {
			t.Errorf("%s: %v", tt.expr, p.err())
			continue
		}
		got, err := e.string(s)
		if err != nil {
			got = "error: " + err.Error()
		}
		if got != tt.want {
			t.Errorf("%s = %q, want %q", tt.expr, got, tt.want)
		}
	}
}

// A column or a fixed text costs no interpreter.
func TestTrivialExpressionsAreDirect(t *testing.T) {
	m := parse(t, small)
	pl, err := m.bind(bundled(t, "generic").p, nil)
	if err != nil {
		t.Fatal(err)
	}
	if pl.matter.received.expr.kind != exprColumn || pl.matter.body.expr.kind != exprConstant {
		t.Error("row.when or 'office' goes through the interpreter")
	}
}

func TestCSVAsPeopleSendIt(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       [][]string
		lines      []int
		err        string
	}{
		{"plain", "a,b\n1,2\n", [][]string{{"a", "b"}, {"1", "2"}}, []int{1, 2}, ""},
		{"no line end at the end", "a,b\n1,2", [][]string{{"a", "b"}, {"1", "2"}}, []int{1, 2}, ""},
		{"byte order mark", "\xEF\xBB\xBFa,b\n", [][]string{{"a", "b"}}, []int{1}, ""},
		{"CRLF", "a,b\r\n1,2\r\n", [][]string{{"a", "b"}, {"1", "2"}}, []int{1, 2}, ""},
		{"CR alone", "a,b\r1,2\r", [][]string{{"a", "b"}, {"1", "2"}}, []int{1, 2}, ""},
		{"quoted line break", "a,b\n\"1\n\n2\",3\n4,5\n", [][]string{{"a", "b"}, {"1\n\n2", "3"}, {"4", "5"}}, []int{1, 2, 5}, ""},
		{"quotation marks", `"say ""no""","a,b",c"d` + "\n", [][]string{{`say "no"`, "a,b", `c"d`}}, []int{1}, ""},
		{"blank lines", "a\n\n\nb\n", [][]string{{"a"}, {"b"}}, []int{1, 4}, ""},
		{"a line of nothing in quotation marks", "a\n\"\"\n", [][]string{{"a"}, {""}}, []int{1, 2}, ""},
		{"empty fields", ",,\n", [][]string{{"", "", ""}}, []int{1}, ""},
		{"ragged", "a,b\n1\n1,2,3\n", [][]string{{"a", "b"}, {"1"}, {"1", "2", "3"}}, []int{1, 2, 3}, ""},
		{"never closed", "a,b\n1,\"2\n3,4\n", [][]string{{"a", "b"}}, []int{1}, "line 2: a quotation mark is opened and never closed"},
		{"record without end", "a\n\"" + strings.Repeat("x", maxRecord+2), [][]string{{"a"}}, []int{1}, "line 2: the record that begins here is longer than 1 MiB"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newCSVReader(strings.NewReader(tt.text), ',')
			var got [][]string
			var lines []int
			var err error
			for {
				var fields []string
				var line int
				if fields, line, err = r.record(); err != nil {
					break
				}
				got, lines = append(got, fields), append(lines, line)
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
			if d := cmp.Diff(tt.lines, lines); d != "" {
				t.Errorf("lines: %s", d)
			}
			if want := tt.err; want == "" && err.Error() != "EOF" || !strings.Contains(err.Error(), want) {
				t.Errorf("err = %v, want %q", err, want)
			}
		})
	}
}

func FuzzCSVNeverPanicsOrHangs(f *testing.F) {
	f.Add([]byte("a,b\n\"1\"\"\n\",2\r\n"))
	f.Add([]byte("\xEF\xBB\xBF\"\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := newCSVReader(bytes.NewReader(b), ',')
		for n := 0; ; n++ {
			if _, _, err := r.record(); err != nil {
				return
			}
			if n > len(b) {
				t.Fatal("more records than bytes")
			}
		}
	})
}

// Rows that cannot be read are rejected one by one, with their lines, and the rest goes on.
func TestUnreadableRowsAreRejected(t *testing.T) {
	t.Parallel()
	db := world.SQLite(t)
	dir := t.TempDir()
	file := write(t, dir, "cases.csv", "id,when,what,who,Tax ID\n1,2024,,,\n2,2024\n3,2024,,\xff,\n4,2024,,\x00,\n,2024,,,\n5,soon,,,\n6,2024,nonsense,,\n")
	s := importing(t, db, bundled(t, "generic"), parse(t, small), Options{Rejects: filepath.Join(dir, "rejects.csv")}, file)
	if want := (Account{Read: 7, Opened: 1, Rejected: 6}); s.Rows != want {
		t.Errorf("%+v, want %+v", s.Rows, want)
	}
	b, err := os.ReadFile(filepath.Join(dir, "rejects.csv"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"cases.csv,3,\"the line has 2 columns, the file has 5\",2,2024\n",
		"cases.csv,4,column 4 is not UTF-8,3,2024,,\xff,\n",
		"cases.csv,5,column 4 holds a NUL byte,",
		"cases.csv,6,the key is empty,",
		`cases.csv,7,"matter: received: ""soon"" is no date such as 2019`,
		`cases.csv,8,"allegations: conduct: the pack has no conduct ""nonsense"""`,
	} {
		contains(t, string(b), want)
	}
}

func TestBadValuesFollowTheirPolicy(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, conduct string
		want          Account
		flagged       int64
		conducts      map[string]int64
	}{
		{"reject", "{value: row.what, bad: reject}", Account{Read: 2, Opened: 1, Rejected: 1}, 0, map[string]int64{"bribery": 1}},
		{"flag", "{value: row.what, bad: flag}", Account{Read: 2, Opened: 2}, 1, map[string]int64{"bribery": 1, "": 1}},
		{"default", "{value: row.what, bad: {default: delay}}", Account{Read: 2, Opened: 2}, 1, map[string]int64{"bribery": 1, "delay": 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			db := world.SQLite(t)
			file := write(t, t.TempDir(), "cases.csv", "id,when,what,who,Tax ID\n1,2024,bribery,,\n2,2024,?,,\n")
			s := importing(t, db, bundled(t, "generic"), parse(t, strings.Replace(small, "conduct: row.what", "conduct: "+tt.conduct, 1)), Options{}, file)
			if s.Rows != tt.want || flags(s)["bad-value:allegations.conduct"] != tt.flagged {
				t.Errorf("%+v, flags %v", s.Rows, flags(s))
			}
			if d := cmp.Diff(tt.conducts, grouped(t, db, `SELECT conduct, COUNT(*) FROM allegation GROUP BY conduct`)); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestSourceOptions(t *testing.T) {
	t.Parallel()
	text := strings.Replace(small, "    key: row.id\n", "    key: row.id\n    header: skip\n    delimiter: tab\n    empty: [NA]\n    duplicates: reject\n", 1)
	db := world.SQLite(t)
	file := write(t, t.TempDir(), "x.tsv", "X\tX\tX\tX\tX\n1\t2024\tNA\t\t\n1\t2024\tNA\t\t\n 2 \t2024\tbribery\t\t\n")
	s := importing(t, db, bundled(t, "generic"), parse(t, text), Options{}, file)
	if want := (Account{Read: 3, Opened: 2, Rejected: 1}); s.Rows != want {
		t.Errorf("%+v, want %+v", s.Rows, want)
	}
	if n := number(t, db, `SELECT COUNT(*) FROM matter WHERE source_key = '2'`); n != 1 {
		t.Error("spaces around a key were not taken off")
	}
}

// A staff list has no key: its rows are officials, and each of them has its fate.
func TestStaffListWithoutKey(t *testing.T) {
	t.Parallel()
	text := strings.Replace(small, "bodies:\n", "  staff:\n    columns: [badge, name]\nofficials:\n  - {from: staff, key: row.badge, name: row.name}\nbodies:\n", 1)
	text = strings.Replace(text, "  conduct:", "  official: row.who\n  conduct:", 1)
	db := world.SQLite(t)
	dir := t.TempDir()
	files := []string{"cases=" + write(t, dir, "c.csv", "id,when,what,who,Tax ID\n1,2024,bribery,b1,\n2,2024,bribery,b9,\n"),
		"staff=" + write(t, dir, "s.csv", "badge,name\nb1,Ada Finch\nb2,Sam Reed\nb3,\n")}
	s := importing(t, db, bundled(t, "generic"), parse(t, text), Options{}, files...)
	if want := (Account{Read: 3, Opened: 2, Rejected: 1}); s.Sources[1].Account != want {
		t.Errorf("staff: %+v, want %+v", s.Sources[1].Account, want)
	}
	if flags(s)["official-not-in-the-data"] != 1 {
		t.Errorf("flags: %v", flags(s))
	}
	if n := number(t, db, `SELECT COUNT(*) FROM allegation a JOIN official o ON o.id = a.official WHERE o.name = 'Ada Finch'`); n != 1 {
		t.Errorf("%d allegations against the official of the staff list", n)
	}
	write(t, dir, "s.csv", "badge,name\nb1,Ada Finch\nb2,Samuel Reed\nb3,Eve Stone\n")
	if s = importing(t, db, bundled(t, "generic"), parse(t, text), Options{}, files...); s.Sources[1].Account != (Account{Read: 3, Opened: 1, Updated: 1, Unchanged: 1}) {
		t.Errorf("staff, second release: %+v", s.Sources[1].Account)
	}
}

// However little memory there is, records come out by key, and those of one key in the order they went in.
func TestSpoolSortsAndKeepsOrder(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		keys := rapid.SliceOfN(rapid.StringN(0, 3, 3), 0, 400).Draw(rt, "keys")
		s := newSpool(dir, rapid.IntRange(1, 300).Draw(rt, "memory"))
		defer s.close()
		type rec struct{ key, val string }
		var want []rec
		for i, k := range keys {
			v := fmt.Sprint(i)
			if err := s.add([]byte(k), []byte(v)); err != nil {
				rt.Fatal(err)
			}
			want = append(want, rec{k, v})
		}
		sort.SliceStable(want, func(i, j int) bool { return want[i].key < want[j].key })
		for range 2 { // it can be read twice
			m, err := s.sorted()
			if err != nil {
				rt.Fatal(err)
			}
			var got []rec
			err = m.groups(t.Context(), func(key []byte, vals [][]byte) error {
				for _, v := range vals {
					got = append(got, rec{string(key), string(v)})
				}
				return nil
			})
			if err != nil || !cmp.Equal(want, got, cmp.AllowUnexported(rec{})) {
				rt.Fatalf("err %v\nwant %v\ngot  %v", err, want, got)
			}
		}
	})
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("%d temporary files are left", len(left))
	}
}

func TestRecordsSurviveTemporaryFiles(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := matterRecord{Key: "k", Kind: rapid.String().Draw(rt, "kind"), Data: rapid.String().Draw(rt, "data"), counts: []int{1, 300},
			Rejected: rapid.Bool().Draw(rt, "rejected")}
		for range rapid.IntRange(0, 3).Draw(rt, "n") {
			m.Allegations = append(m.Allegations, allegationRecord{Conduct: rapid.String().Draw(rt, "c"), Data: "x"})
			m.Parties = append(m.Parties, partyRecord{Role: rapid.String().Draw(rt, "r")})
		}
		got, err := decodeMatter([]byte("k"), m.encode(nil))
		if err != nil || string(got.encode(nil)) != string(m.encode(nil)) {
			rt.Fatalf("%v: %+v", err, got)
		}
		if _, err := decodeMatter([]byte("k"), append(m.encode(nil), 0)); err == nil {
			rt.Fatal("a damaged record was read")
		}
	})
}
