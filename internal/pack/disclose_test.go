package pack

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// A kind that discloses is of no use unless an official can file it without an account, becomes its subject, and can say
// who they are; and reports about others stay what the public is offered first.
func TestWhoComesForwardCanSayWhoTheyAre(t *testing.T) {
	const file = "kinds/self-report.yaml"
	for _, tt := range []struct {
		name          string
		find, replace string // in every line
		want          string
	}{
		{"without the public form", "reports: true", "reports: false", "discloses needs reports: true"},
		{"about nobody", "subject: optional", "subject: none", "discloses needs subject: optional or required"},
		{"with nowhere to say it", "type: official", "type: text", "discloses needs a field of type official"},
		{"misspelt", "discloses: true", "disclose: true", `did you mean "discloses"?`},
		{"as it is", "discloses: true", "discloses: true", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			files, err := readAll(os.DirFS("../../packs/generic"))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Contains(files[file], []byte(tt.find)) {
				t.Fatalf("%s does not say %q any more", file, tt.find)
			}
			files[file] = bytes.ReplaceAll(files[file], []byte(tt.find), []byte(tt.replace))
			r := CheckFiles("generic", files)
			if tt.want == "" != r.OK() || !strings.Contains(r.Text(), tt.want) {
				t.Errorf("want %q in\n%s", tt.want, r.Text())
			}
		})
	}
	p := loaded(t, "generic")
	ids := func(kinds []*Kind) (out []string) {
		for _, k := range kinds {
			out = append(out, k.ID)
		}
		return out
	}
	if got := strings.Join(ids(p.ReportKinds()), " "); got != "report retaliation" {
		t.Errorf("the public is offered %s", got)
	}
	if got := strings.Join(ids(p.PublicKinds()), " "); got != "report retaliation self-report" {
		t.Errorf("without an account one can file %s", got)
	}
}
