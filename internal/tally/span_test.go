package tally

import (
	"strings"
	"testing"
)

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
