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
