package tally

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func figure(by int, values map[string]int64) Result {
	res := Result{Measure: "m", Rows: []Row{}}
	for i := range by {
		res.By = append(res.By, fmt.Sprintf("d%d", i))
	}
	for _, k := range slices.Sorted(maps.Keys(values)) {
		if v := values[k]; v != 0 {
			res.Rows = append(res.Rows, Row{Key: strings.Split(k, " "), Value: v})
			res.Total += v
		}
	}
	return res
}

func TestSmallNumbersAreWithheld(t *testing.T) {
	for _, tt := range []struct {
		name   string
		by     int
		values map[string]int64
		want   string // as printed: - for withheld
	}{
		{"nothing is small", 1, map[string]int64{"0": 10, "1": 20}, "0=10 1=20 total=30"},
		{"one small value takes the smallest other with it", 1, map[string]int64{"0": 3, "1": 20, "2": 7}, "0=- 1=20 2=- total=30"},
		{"two small values cover each other", 1, map[string]int64{"0": 3, "1": 4, "2": 9}, "0=- 1=- 2=9 total=16"},
		{"two small values that are small together do not", 1, map[string]int64{"0": 1, "1": 2, "2": 9}, "0=- 1=- 2=- total=12"},
		{"the smallest number shown is shown", 1, map[string]int64{"0": 5, "1": 6}, "0=5 1=6 total=11"},
		{"a small total is withheld", 1, map[string]int64{"0": 4}, "0=- total=-"},
		{"a total that is one small row", 0, map[string]int64{}, "total=0"},
		{"a table: the line and the column are covered", 2,
			map[string]int64{"0 0": 2, "0 1": 10, "1 0": 12, "1 1": 30, "2 0": 40, "2 1": 50}, "0 0=- 0 1=- 1 0=- 1 1=- 2 0=40 2 1=50 total=144"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rows, total, shown := Public(figure(tt.by, tt.values), 5)
			var out []string
			for _, r := range rows {
				v := fmt.Sprint(r.Value)
				if r.Withheld {
					v = "-"
					if r.Value != 0 {
						t.Errorf("a withheld row still has the value %d", r.Value)
					}
				}
				out = append(out, strings.Join(r.Key, " ")+"="+v)
			}
			if shown {
				out = append(out, fmt.Sprintf("total=%d", total))
			} else {
				out = append(out, "total=-")
			}
			if got := strings.Join(out, " "); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// No small value is shown, and none can be had by taking what is shown from a sum that is shown: of the table, or of a
// line in the table that is shorter by a dimension.
func TestWithheldValuesCannotBeSubtracted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		by := rapid.IntRange(1, 2).Draw(t, "by")
		values := map[string]int64{}
		small := rapid.Int64Range(0, 12)
		for a := range rapid.IntRange(1, 5).Draw(t, "a") {
			if by == 1 {
				values[fmt.Sprint(a)] = small.Draw(t, "v")
				continue
			}
			for b := range 4 {
				values[fmt.Sprintf("%d %d", a, b)] = small.Draw(t, "v")
			}
		}
		res := figure(by, values)
		rows, _, shown := Public(res, 5)
		check := func(what string, sum int64, shownSum bool, places []int) {
			var hidden int
			rest := sum
			for _, i := range places {
				if rows[i].Withheld {
					hidden++
				} else {
					rest -= rows[i].Value
				}
			}
			if shownSum && (hidden == 1 && rest < 5 || hidden > 1 && rest < 5) {
				t.Fatalf("%s: the %d withheld values are %d together: %+v", what, hidden, rest, rows)
			}
		}
		var all []int
		for i, r := range rows {
			all = append(all, i)
			if v := res.Rows[i].Value; !r.Withheld && (v < 5 || r.Value != v) {
				t.Fatalf("%v shows %d of %d", r.Key, r.Value, v)
			}
		}
		check("the whole", res.Total, shown, all)
		for dim := range by {
			for _, line := range lines(rows, dim) {
				var sum int64
				for _, i := range line {
					sum += res.Rows[i].Value
				}
				// The sum of the line is shown in the shorter table if it is not small itself.
				check(fmt.Sprintf("line of dimension %d", dim), sum, sum >= 5, line)
			}
		}
	})
}

func TestSpansSplitIntoYearsAndEdges(t *testing.T) {
	for _, tt := range []struct{ from, to, want string }{
		{"", "", "0000-9999"},
		{"2019", "2020", "2019-2020"},
		{"2019-01-01", "2019-12-31", "2019-2019"},
		{"2019", "", "2019-9999"},
		{"2018-06", "2020-02-15", "2019-2019 [2018-06,2019) [2020,2020-02-16)"},
		{"2019-03", "2019-05", "[2019-03,2019-06)"},
		{"2019-03", "2020-05", "[2019-03,2020-06)"},
		{"", "2019-05-31", "0000-2018 [2019,2019-06)"},
		{"2020-02-29", "2020-02-29", "[2020-02-29,2020-03)"},
	} {
		t.Run(tt.from+" to "+tt.to, func(t *testing.T) {
			s, err := parseSpan(tt.from, tt.to)
			if err != nil {
				t.Fatal(err)
			}
			first, last, years, edges := s.parts()
			var out []string
			if years {
				out = append(out, first+"-"+last)
			}
			for _, e := range edges {
				lo, hi := e.bounds()
				out = append(out, "["+lo+","+hi+")")
			}
			if got := strings.Join(out, " "); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
	for _, bad := range [][2]string{{"2019-13", ""}, {"", "yesterday"}, {"2020", "2019"}, {"2019-02-30", ""}} {
		if _, err := parseSpan(bad[0], bad[1]); err == nil {
			t.Errorf("%v was taken", bad)
		}
	}
}

func TestCSVIsWhatTheFigureSays(t *testing.T) {
	res := Result{By: []string{"finding", "year"}, Total: 12, Rows: []Row{
		{Key: []string{"sustained", "2019"}, Labels: []string{"Sustained, in full", "2019"}, Value: 5},
		{Key: []string{"=cmd()", ""}, Labels: []string{"=cmd()", "Not known"}, Value: 7},
	}}
	var b strings.Builder
	if err := res.WriteCSV(&b); err != nil {
		t.Fatal(err)
	}
	want := "finding,finding_label,year,year_label,value\nsustained,\"Sustained, in full\",2019,2019,5\n'=cmd(),'=cmd(),,Not known,7\n,,,,12\n"
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
}
