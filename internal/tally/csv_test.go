package tally

import (
	"strings"
	"testing"
)

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

// No spreadsheet calculates what a name says, whichever character it takes for the end of a cell.
func TestNamesInACSVAreNoFormulas(t *testing.T) {
	for _, tt := range []struct{ name, want string }{
		{"", ""}, {"Mill Street", "Mill Street"}, {"Smith-Jones; a+b", "Smith-Jones; a+b"}, {"a=b", "a=b"},
		{"=1+1", "'=1+1"}, {"+1", "'+1"}, {"-1", "'-1"}, {"@SUM(1)", "'@SUM(1)"}, {"\t=1", "'\t'=1"}, {"\r\n=1", "'\r'\n'=1"}, {"＝1", "'＝1"}, {"＋1", "'＋1"},
		{"  =1+1", "  '=1+1"},
		{"x;=1+1", "x;'=1+1"}, {"x; ＠SUM(1)", "x; '＠SUM(1)"}, {"x\t=1", "x\t'=1"}, {"x\n-1", "x\n'-1"}, {"a; =b; c; -d", "a; '=b; c; '-d"},
	} {
		if got := Harmless(tt.name); got != tt.want {
			t.Errorf("Harmless(%q) = %q, want %q", tt.name, got, tt.want)
		}
	}
}
