package rehearse_test

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"plumbline/internal/pack"
	"plumbline/internal/rehearse"
)

// Every scenario of every bundled pack comes out as it says.
func TestBundledScenarios(t *testing.T) {
	files, err := filepath.Glob("../../packs/*/scenarios/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenario found: %v", err)
	}
	packs := map[string]*pack.Pack{}
	for _, file := range files {
		name := filepath.Base(filepath.Dir(filepath.Dir(file)))
		t.Run(name+"/"+filepath.Base(file), func(t *testing.T) {
			if packs[name] == nil {
				if packs[name], err = pack.LoadDir(filepath.Dir(filepath.Dir(file))); err != nil {
					t.Fatal(err)
				}
			}
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			r, err := rehearse.Run(t.Context(), packs[name], file, content)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range r.Failures {
				t.Errorf("%s:%d: %s: %s", file, f.Line, f.Text, f.Message)
			}
		})
	}
}

const office = `A story.
-- office.yaml --
start: 2026-03-02
bodies:
  - {code: office, level: local, sector: oversight}
  - {code: police, level: local, sector: police}
people:
  ina: intake at office
-- scenario --
`

// A scenario that states what is not so fails, at the line that states it and nowhere else.
func TestWhatIsNotSoIsNamedByItsLine(t *testing.T) {
	p, err := pack.LoadDir("../../packs/generic")
	if err != nil {
		t.Fatal(err)
	}
	const files = "reporter files report as R1\n  body: police\n  story: He shouted.\n"
	for _, tt := range []struct {
		name, lines string
		line        int // of the scenario, from 1; 0: everything is so
	}{
		{"all is so", files + "R1 is received\nina sees R1\nina may screen on R1\nR1 is in time", 0},
		{"another state", files + "R1 is closed", 4},
		{"another desk", files + "R1 lies with reviewer at office", 4},
		{"another end of a clock", files + "R1 clock screening is running until 2026-03-10", 4},
		{"no such clock", files + "R1 clock nap is running", 4},
		{"no such allegation", files + "R1 allegation 1 has\n  conduct: insult", 4},
		{"not refused", files + "ina does screen on R1\n  severity: low\nrefused access.duty", 6},
		{"refused", files + "ina does screen on R1\n  severity: extreme", 4},
		{"refused otherwise", files + "ina does screen on R1\n  severity: extreme\nrefused access.duty", 6},
		{"refused elsewhere", files + "ina does screen on R1\n  severity: extreme\nrefused field.choice at reasons", 6},
		{"may", files + "ina may uphold on R1", 4},
		{"may not", files + "ina may not screen on R1 because access.duty", 4},
		{"not overdue", files + "R1 is overdue", 4},
		{"time goes back", files + "on 2026-03-01", 4},
		{"the reporter reads otherwise", files + `reporter of R1 reads "Go away"`, 4},
		{"opened nothing", files + "R1 opened case as C1", 4},
		{"not anonymous", files + "reporter of R1 is known", 4},
		{"not a duplicate", files + files2 + "R1 is duplicate of R2", 7},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := rehearse.Run(t.Context(), p, "x.txtar", []byte(office+tt.lines+"\n"))
			if err != nil {
				t.Fatal(err)
			}
			first := 10 // the scenario's first line in the file
			switch {
			case tt.line == 0 && !r.OK():
				t.Errorf("fails: %v", r.Failures)
			case tt.line > 0 && (len(r.Failures) != 1 || r.Failures[0].Line != first+tt.line-1):
				t.Errorf("named %v, want line %d", r.Failures, first+tt.line-1)
			}
		})
	}
}

const files2 = "reporter files report as R2\n  body: police\n  story: She shouted.\n"

func TestABrokenFileIsSaidToBeBroken(t *testing.T) {
	p, err := pack.LoadDir("../../packs/generic")
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"no story":           "-- office.yaml --\nstart: 2026-03-02\n-- scenario --\nR1 is closed\n",
		"no scenario":        "A story.\n-- office.yaml --\nstart: 2026-03-02\n",
		"an unknown part":    office + "R1 is closed\n-- more --\nx\n",
		"a misspelt key":     "A story.\n-- office.yaml --\nstarts: 2026-03-02\n-- scenario --\nR1 is closed\n",
		"an unknown form":    office + "R1 shall be closed\n",
		"nothing to play":    office + "# nothing\n",
		"fields of no step":  office + "R1 is closed\n  really: yes\n",
		"an unknown matter":  office + "R1 is closed\n",
		"an unknown body":    "A story.\n-- office.yaml --\nstart: 2026-03-02\npeople: {ina: intake at office}\n-- scenario --\nR1 is closed\n",
		"duties that clash":  "A story.\n-- office.yaml --\nstart: 2026-03-02\nbodies: [{code: office, level: local, sector: oversight}]\npeople: {ina: {duties: [intake at office, reviewer at office]}}\n-- scenario --\nR1 is closed\n",
		"a start that is no": "A story.\n-- office.yaml --\nstart: Monday\n-- scenario --\nR1 is closed\n",
	} {
		t.Run(name, func(t *testing.T) {
			if r, err := rehearse.Run(t.Context(), p, "x.txtar", []byte(content)); err == nil {
				t.Errorf("played: %+v", r)
			}
		})
	}
}

// An empty corpus must not pass in silence.
func TestAPackWithoutScenariosFails(t *testing.T) {
	if _, err := rehearse.All(t.Context(), &pack.Pack{}); !errors.Is(err, rehearse.ErrNoScenario) {
		t.Errorf("got %v", err)
	}
}

// The reference page is true: its example plays, and every form a line can have is on it.
func TestTheReferenceOfScenariosIsTrue(t *testing.T) {
	raw, err := os.ReadFile("../../docs/reference/scenarios.md")
	if err != nil {
		t.Fatal(err)
	}
	p, err := pack.LoadDir("../../packs/generic")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(raw), "```")
	r, err := rehearse.Run(t.Context(), p, "scenarios.md", []byte(blocks[1]))
	if err != nil || !r.OK() {
		t.Fatalf("the example: %v, %v", r.Failures, err)
	}
	prose := ""
	for i := 0; i < len(blocks); i += 2 {
		prose += blocks[i]
	}
	seen := map[string]bool{}
	for _, cell := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(prose, -1) {
		if name := rehearse.FormOf(strings.ReplaceAll(cell[1], "…", "x")); name != "" {
			seen[name] = true
		}
	}
	for _, name := range rehearse.Forms() {
		if !seen[name] {
			t.Errorf("no example of the form %q", name)
		}
	}
}
