package pack

import (
	"slices"
	"strings"
	"testing"
)

// deeds reads "received -screen-> verifying by ann", one to a line, with the kind before a colon where it changes.
func deeds(t *testing.T, text string) (out []Deed) {
	t.Helper()
	kind := ""
	for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
		line = strings.TrimSpace(line)
		if k, rest, ok := strings.Cut(line, ": "); ok {
			kind, line = k, rest
		}
		f := strings.Fields(line)
		d := Deed{Kind: kind, From: f[0], Action: strings.Trim(f[1], "->"), To: f[2]}
		if len(f) == 5 {
			d.Person = f[4]
		}
		out = append(out, d)
	}
	return out
}

func TestJudge(t *testing.T) {
	const toProceeding = `
		report: received -screen-> verifying by ann
		verifying -conclude-> verified by bob
		verified -open-case-> closed by cid
		case: investigating -find-> found by bob
		found -proceed-> closed by cid
		proceeding: opened -notify-> noticed by dee
		noticed -disclose-> responding by dee
		responding -response-over-> heard
	`
	for _, tt := range []struct {
		name, kind, history string
		want                []string // rules broken, in order
	}{
		{"closed after a review", "report", `report: received -screen-> verifying by ann
			verifying -conclude-> verified by bob
			verified -confirm-> closed by cid`, nil},
		{"concluded and reviewed by one", "report", `report: received -screen-> verifying by ann
			verifying -conclude-> verified by bob
			verified -confirm-> closed by bob`, []string{"F9"}},
		{"declined and upheld by one", "report", `report: received -decline-> ending by ann
			ending -uphold-> closed by ann`, []string{"F5"}},
		{"declined and upheld by two", "report", `report: received -decline-> ending by ann
			ending -uphold-> closed by cid`, nil},
		{"decided by somebody else", "proceeding", toProceeding + `heard -decide-> decided by dee
			decided -appeal-over-> executing
			executing -execute-> done by eve`, nil},
		{"decided by who made the findings two matters before", "proceeding", toProceeding + "heard -decide-> decided by bob", []string{"F9"}},
		{"a step that is not possible there", "proceeding", toProceeding + "heard -execute-> done by eve", []string{"F1"}},
		{"no such action", "report", "report: received -lose-> closed by ann", []string{"F19"}},
		{"leads elsewhere", "report", "report: received -screen-> closed by ann", []string{"F1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			vs := loaded(t, "fair").Judge(tt.kind, deeds(t, tt.history))
			for _, v := range vs {
				got = append(got, v.Rule)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("broken are %v, want %v: %v", got, tt.want, vs)
			}
		})
	}
}

func TestWaiversExcuseAndAreShown(t *testing.T) {
	files := fairFiles(t)
	src := strings.Replace(string(files[MainFile]), "in: [received], within: 5wd, tells: superior", "in: [received], within: 5wd", 1)
	files[MainFile] = []byte(src)
	if r := CheckFiles("x", files); r.OK() {
		t.Fatal("the change does not break F4")
	}
	files[MainFile] = []byte(strings.Replace(src, "letters:\n", "waive: [{rule: F4, kind: report, because: {en: 'Reports Act, s. 3'}}]\nletters:\n", 1))
	r := CheckFiles("x", files)
	if !r.OK() || len(r.Waived) != 1 || !strings.Contains(r.Text(), "(waived)") {
		t.Errorf("got %s", r.Text())
	}
	if o := r.Pack.Outline(r.Pack.Kind("report")); len(o.Waived) != 1 {
		t.Error("the public page does not show the waiver")
	}
	if o := r.Pack.Outline(r.Pack.Kind("case")); len(o.Waived) != 0 {
		t.Error("the waiver of one kind is shown for another")
	}
}

func TestReportForMachines(t *testing.T) {
	files := fairFiles(t)
	files[MainFile] = []byte(strings.Replace(string(files[MainFile]), "effects: [review, feedback]", "effects: [review]", 1))
	b, err := CheckFiles("x", files).JSON()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"ok": false`, `"rule": "F7"`, `"action": "confirm"`, `"file": "pack.yaml"`, `"digest": "sha256:`} {
		if !strings.Contains(string(b), want) {
			t.Errorf("no %s in %s", want, b)
		}
	}
}
