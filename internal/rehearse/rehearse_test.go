package rehearse_test

import (
	"os"
	"path/filepath"
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
