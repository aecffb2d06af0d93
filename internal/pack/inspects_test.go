package pack

import (
	"io/fs"
	"strings"
	"testing"
)

// What an inspection came to, and what it reopens, must be there to be read: a pack that leaves a gap does not load.
func TestAnInspectionSaysWhatItCameTo(t *testing.T) {
	const file = "kinds/inspection.yaml"
	for _, tt := range []struct{ name, old, new, want string }{
		{"a result nobody enters", "{result: result,", "{result: outcome,", `inspects: result: "outcome" is no required field of type choice`},
		{"an error the list does not have", "wrong: [corrected, reopened]", "wrong: [correctd]", `has no value "correctd"; did you mean "corrected"?`},
		{"everything is an error", "wrong: [corrected, reopened]", "wrong: [upheld, corrected, reopened]", "leave at least one that does not"},
		{"nothing is an error", "wrong: [corrected, reopened]", "wrong: []", "say which values"},
		{"opened by hand", "start: drawn", "start: drawn\n    open_by: [supervisor]", "an inspection is opened by a draw alone"},
		{"a ground that is not given", "reopens: {reopen_reason: inspection}", "reopens: {}", "asks for reopen_reason; give it here"},
		{"reasons that are not asked for", "- {id: reasons, type: reasons, sealed: file, required: true, label: {en: Why must it be taken up again?", "- {id: why, type: reasons, sealed: file, required: true, label: {en: Why must it be taken up again?", "asks for reasons; give it here"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fsys, err := BundledFS("generic")
			if err != nil {
				t.Fatal(err)
			}
			files := map[string][]byte{}
			err = fs.WalkDir(fsys, ".", func(path string, d fs.DirEntry, err error) error {
				if err != nil || d.IsDir() {
					return err
				}
				files[path], err = fs.ReadFile(fsys, path)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(files[file]), tt.old) {
				t.Fatalf("%s has no %q", file, tt.old)
			}
			files[file] = []byte(strings.Replace(string(files[file]), tt.old, tt.new, 1))
			r := CheckFiles("x", files)
			if r.OK() || !strings.Contains(r.Text(), tt.want) {
				t.Errorf("got:\n%swant a line with:\n%s", r.Text(), tt.want)
			}
		})
	}
}

func TestOnlyAnInspectionReopensWhatItInspected(t *testing.T) {
	files := fairFiles(t)
	files[MainFile] = []byte(strings.Replace(string(files[MainFile]), "effects: [review, feedback]", "reopens: {x: y}\n        effects: [review, feedback]", 1))
	if r := CheckFiles("x", files); !strings.Contains(r.Text(), "only a kind that inspects others can reopen") {
		t.Errorf("got:\n%s", r.Text())
	}
}
