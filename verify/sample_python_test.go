package verify

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The Python of the documentation draws what we draw, and says so of a file that was changed.
func TestThePythonOfTheDocumentation(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("there is no python3 here")
	}
	page, err := os.ReadFile("../docs/reference/draws.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```python\n(.*?)```").FindSubmatch(page)
	if block == nil {
		t.Fatal("docs/reference/draws.md shows no Python")
	}
	if lines := len(regexp.MustCompile(`(?m)^.*\S.*$`).FindAll(block[1], -1)); lines > 20 {
		t.Errorf("%d lines, and the pages promise 20", lines)
	}
	dir := t.TempDir()
	program := filepath.Join(dir, "repeat.py")
	if err := os.WriteFile(program, block[1], 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(file string) (string, error) {
		out, err := exec.Command(python, program, file).CombinedOutput()
		return string(out), err
	}
	out, err := run("testdata/sampler/drawn.json")
	if err != nil || !strings.HasPrefix(out, "the same: ") {
		t.Errorf("it says %s, %v", out, err)
	}
	_, honest, _ := sampleFiles(t)
	for what, change := range map[string]func([]byte) []byte{
		"another list": func(b []byte) []byte { return bytes.Replace(b, []byte(" all\""), []byte(" any\""), 1) },
		"another seed": func(b []byte) []byte { return bytes.Replace(b, []byte(`"seed": "1`), []byte(`"seed": "x1`), 1) },
	} {
		file := filepath.Join(dir, "changed.json")
		changed := change(bytes.Clone(honest))
		if bytes.Equal(changed, honest) {
			t.Fatalf("%s: nothing was changed", what)
		}
		if err := os.WriteFile(file, changed, 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := run(file); err == nil {
			t.Errorf("%s: it says %s", what, out)
		}
	}
}
