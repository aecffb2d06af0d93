package pack

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "write what the checker says into testdata/rules; read the difference before you commit it")

// fairFiles are the files of the fair pack that the rule tests change.
func fairFiles(t testing.TB) map[string][]byte {
	t.Helper()
	files, err := readAll(os.DirFS("testdata/fair"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestTheBasePackIsFair(t *testing.T) {
	if r := CheckFiles("fair", fairFiles(t)); !r.OK() {
		t.Fatal(r.Text())
	}
}

// TestRules reads testdata/rules: one file for each rule, telling in its head what the rule is, then cases. A case is a
// change to the fair pack and what the checker has to say about it; where a case's name begins with "fine" it has to
// say nothing. Each broken case must break that rule and no other.
//
// A change has lines to find ("-") and lines to put in their place ("+"); "@ words" skips to the line with those words.
func TestRules(t *testing.T) {
	archives, err := filepath.Glob("testdata/rules/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatalf("no rule files: %v", err)
	}
	var told []string
	for _, path := range archives {
		rule := strings.TrimSuffix(filepath.Base(path), ".txtar")
		told = append(told, rule)
		a, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		broken, fine := 0, 0
		for i := range a.Files {
			name, part, _ := strings.Cut(a.Files[i].Name, "/")
			if part != "change" {
				continue
			}
			isFine := strings.HasPrefix(name, "fine")
			if isFine {
				fine++
			} else {
				broken++
			}
			t.Run(rule+"/"+name, func(t *testing.T) {
				files := fairFiles(t)
				change(t, files, string(a.Files[i].Data))
				r := CheckFiles("fair", files)
				got := findings(r)
				for _, v := range r.Violations {
					if v.Rule != rule {
						t.Errorf("breaks another rule too:\n%s", v)
					}
				}
				for _, p := range r.Problems {
					if p.Rule != rule {
						t.Errorf("does not load for another reason:\n%s", p)
					}
				}
				if isFine {
					if got != "" {
						t.Errorf("is found to be unfair:\n%s", got)
					}
					return
				}
				if got == "" {
					t.Error("nothing was found")
				}
				w := slices.IndexFunc(a.Files, func(f txtar.File) bool { return f.Name == name+"/want" })
				if w < 0 {
					t.Fatalf("the file has no section %s/want", name)
				}
				if *update {
					a.Files[w].Data = []byte(got)
				} else if want := string(a.Files[w].Data); got != want {
					t.Errorf("got:\n%swant:\n%s", got, want)
				}
			})
		}
		if broken < 2 || fine < 1 {
			t.Errorf("%s: each rule needs at least two packs that break it and one that nearly does; here are %d and %d", path, broken, fine)
		}
		if *update {
			if err := os.WriteFile(path, txtar.Format(a), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	for rule := range Rules {
		if !slices.Contains(told, rule) {
			t.Errorf("no file in testdata/rules tells of %s", rule)
		}
	}
}

// findings is what the report says, without its last line.
func findings(r Result) string {
	if r.OK() {
		return ""
	}
	lines := strings.SplitAfter(strings.TrimSuffix(r.Text(), "\n"), "\n")
	return strings.Join(lines[:len(lines)-1], "")
}

var lineMark = regexp.MustCompile(`^([@+-]) ?(.*)$`)

func change(t *testing.T, files map[string][]byte, patch string) {
	t.Helper()
	lines := strings.Split(string(files[MainFile]), "\n")
	from := 0
	var find, put []string
	apply := func() {
		if find == nil && put == nil {
			return
		}
		at := -1
		for i := from; i+len(find) <= len(lines); i++ {
			if slices.EqualFunc(lines[i:i+len(find)], find, func(a, b string) bool { return strings.TrimSpace(a) == strings.TrimSpace(b) }) {
				at = i
				break
			}
		}
		if find == nil {
			at = from
		}
		if at < 0 {
			t.Fatalf("the change does not fit the fair pack: %q", find)
		}
		lines = slices.Concat(lines[:at], put, lines[at+len(find):])
		from = at + len(put)
		find, put = nil, nil
	}
	for _, line := range strings.Split(strings.TrimSuffix(patch, "\n"), "\n") {
		m := lineMark.FindStringSubmatch(line)
		if m == nil {
			if strings.TrimSpace(line) != "" {
				t.Fatalf("a change has lines beginning with @, - or +, not %q", line)
			}
			apply()
			continue
		}
		switch m[1] {
		case "@":
			apply()
			i := slices.IndexFunc(lines[from:], func(l string) bool { return strings.Contains(l, m[2]) })
			if i < 0 {
				t.Fatalf("the fair pack has no line with %q", m[2])
			}
			from += i + 1
		case "-":
			if put != nil {
				apply()
			}
			find = append(find, m[2])
		case "+":
			put = append(put, m[2])
		}
	}
	apply()
	files[MainFile] = []byte(strings.Join(lines, "\n"))
}

func ExampleViolation_String() {
	fmt.Println(Violation{Place: Place{File: "pack.yaml", Line: 41, Col: 9}, Rule: "F5", Kind: "report",
		Message: "received -decline-> closed ends a report with no review"})
	// Output: pack.yaml:41: F5 report: received -decline-> closed ends a report with no review
}
