// Package structure holds the tests that keep the shape of the code: which way imports run, that every package says
// what it promises, that nothing hides in a drawer called "util", and that no jurisdiction is named in Go code.
package structure

import (
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"plumbline/internal/words"
)

const module = "plumbline"

// layers are the packages from the bottom up. A package may import those of lower layers, never its own or a higher
// one. A new package has to be given its place here, which is the moment to think about it.
var layers = [][]string{
	{"internal/fault", "internal/ref", "packs", "verify"}, // packs: files alone; verify: for outsiders, so it needs nothing of ours
	{"internal/calendar", "internal/store", "internal/words"},
	{"internal/schema", "internal/chart", "internal/witness"},
	{"internal/monitor", "internal/pack"},
	{"internal/exhibit", "internal/journal", "internal/rows"},
	{"internal/vault"},
	{"internal/register"},
	{"internal/access"},
	{"internal/matter"},
	{"internal/account", "internal/intake", "internal/ledger", "internal/likeness", "internal/office", "internal/tally"},
	{"internal/notify", "internal/rehearse", "internal/sample", "internal/transfer"},
	{"internal/web/assets", "internal/web/templates"},
	{"internal/web/view"},
	{"internal/web"},
	{"internal/server"},
	{"internal/demo"},
	{"internal/cli"},
	{"internal/cli/gen", "cmd/plumbline"},
}

// forTests may be imported by tests alone, and by each other.
func forTests(path string) bool {
	return strings.HasPrefix(path, "internal/testing/") || strings.HasPrefix(path, "internal/tests/") ||
		path == "internal/store/storetest" || strings.HasPrefix(path, "scripts/")
}

// drawers are names that say nothing about what a package is for.
var drawers = map[string]bool{"util": true, "utils": true, "common": true, "helper": true, "helpers": true, "misc": true,
	"manager": true, "base": true, "shared": true, "lib": true, "types": true, "models": true}

func TestImportsRunDownhill(t *testing.T) {
	height := map[string]int{}
	for i, layer := range layers {
		for _, path := range layer {
			height[path] = i
		}
	}
	for _, p := range packages(t) {
		if forTests(p.path) {
			continue
		}
		mine, placed := height[p.path]
		if !placed {
			t.Errorf("%s has no place in the layers of this test: give it one", p.path)
			continue
		}
		for _, imported := range p.Imports {
			path, ours := strings.CutPrefix(imported, module+"/")
			if !ours {
				continue
			}
			if forTests(path) {
				t.Errorf("%s imports %s, which is for tests alone", p.path, path)
			} else if height[path] >= mine {
				t.Errorf("%s imports %s, which does not lie below it", p.path, path)
			}
		}
	}
}

// What must not know of each other, however the layers lie.
func TestPackagesKeepTheirDistance(t *testing.T) {
	never := map[string][]string{
		"internal/pack":     {"net/http", "database/sql", module + "/internal/store"},
		"internal/calendar": {"net/http", "database/sql", module + "/internal/store"},
		"internal/access":   {"net/http", "database/sql"},
		"internal/matter":   {"net/http", "html/template"},
		"internal/tally":    {"net/http", "html/template"},
		"internal/register": {"net/http", "html/template"},
	}
	for _, p := range packages(t) {
		for _, forbidden := range never[p.path] {
			for _, imported := range p.Imports {
				if imported == forbidden {
					t.Errorf("%s imports %s", p.path, forbidden)
				}
			}
		}
	}
}

func TestEveryPackageStatesItsPromise(t *testing.T) {
	for _, p := range packages(t) {
		doc := packageDoc(t, p)
		opening := "Package " + p.Name + " "
		if p.IsCommand() {
			opening = "Command " + filepath.Base(p.path) + " "
		}
		switch {
		case doc == "":
			t.Errorf("%s has no package comment", p.path)
		case !strings.HasPrefix(doc, opening):
			t.Errorf("%s: the package comment begins with %q, want %q", p.path, firstLine(doc), opening+"…")
		case len(doc) < len(opening)+40:
			t.Errorf("%s: the package comment promises nothing: %q", p.path, doc)
		}
	}
}

func TestNoPackageIsADrawer(t *testing.T) {
	for _, p := range packages(t) {
		if drawers[p.Name] || drawers[filepath.Base(p.path)] {
			t.Errorf("%s: a package is named for what it does, not %q", p.path, p.Name)
		}
	}
}

// Jurisdiction lives in packs. Whatever a bundled pack is called after may not stand in the program's own code, not
// even in a comment: the next reader would take the exception for the rule.
func TestNoJurisdictionInCode(t *testing.T) {
	words := jurisdictionWords(t)
	if len(words) == 0 {
		t.Fatal("no words to look for: where are the packs?")
	}
	pattern := regexp.MustCompile(`(?i)\b(` + strings.Join(words, "|") + `)\b`)
	for _, p := range packages(t) {
		if forTests(p.path) || p.path == "packs" {
			continue
		}
		for _, name := range p.GoFiles {
			data, err := os.ReadFile(filepath.Join(p.Dir, name))
			if err != nil {
				t.Fatal(err)
			}
			for i, line := range strings.Split(string(data), "\n") {
				if m := pattern.FindString(line); m != "" {
					t.Errorf("%s/%s:%d names a jurisdiction (%s): put it into a pack", p.path, name, i+1, m)
				}
			}
		}
	}
}

// Every fault that can reach a person has words in every language.
func TestEveryFaultHasWords(t *testing.T) {
	book, err := words.Load()
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, p := range packages(t) {
		if forTests(p.path) {
			continue
		}
		for _, use := range faultKeys(t, p) {
			found++
			for _, s := range book.Speakers() {
				if !s.Has(use.key) {
					t.Errorf("%s: the fault %q has no words in %s", use.at, use.key, s.Lang())
				}
			}
		}
	}
	if found == 0 {
		t.Fatal("no fault found in the code: this test looks for the wrong thing")
	}
}

type pkg struct {
	*build.Package
	path string // within the module, with slashes
}

func root(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			t.Fatal("no go.mod above the test")
		}
		dir = up
	}
}

// packages returns every package of the module, tests-only ones included.
func packages(t *testing.T) []pkg {
	t.Helper()
	top := root(t)
	var all []pkg
	err := filepath.WalkDir(top, func(dir string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		name := d.Name()
		if dir != top && (strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || name == "testdata" || name == "node_modules") {
			return filepath.SkipDir
		}
		p, err := build.ImportDir(dir, 0)
		if _, none := err.(*build.NoGoError); none {
			return nil
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(top, dir)
		if err != nil {
			return err
		}
		all = append(all, pkg{p, filepath.ToSlash(rel)})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 10 {
		t.Fatalf("only %d packages found below %s", len(all), top)
	}
	return all
}

// packageDoc returns the longest package comment, test files included where there is nothing else.
func packageDoc(t *testing.T, p pkg) string {
	t.Helper()
	names := p.GoFiles
	if len(names) == 0 {
		names = append(append(names, p.TestGoFiles...), p.XTestGoFiles...)
	}
	doc := ""
	for _, name := range names {
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.PackageClauseOnly|parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		if text := f.Doc.Text(); len(text) > len(doc) {
			doc = text
		}
	}
	return doc
}

func firstLine(s string) string { line, _, _ := strings.Cut(s, "\n"); return line }

// jurisdictionWords derives what to look for from the bundled packs: the parts of their folder names, and each pair of
// capitalised words in their titles ("New York").
func jurisdictionWords(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root(t), "packs", "*", "pack.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, file := range files {
		name := filepath.Base(filepath.Dir(file))
		if name == "generic" {
			continue // an office anywhere
		}
		for _, part := range strings.Split(name, "-") {
			seen[part] = true
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var head struct {
			Title map[string]string `yaml:"title"`
		}
		if err := yaml.Unmarshal(data, &head); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		capital := regexp.MustCompile(`^[A-Z][a-z]+$`)
		title := strings.Fields(head.Title["en"])
		for i := 0; i+1 < len(title); i++ {
			if capital.MatchString(title[i]) && capital.MatchString(title[i+1]) {
				seen[title[i]+" "+title[i+1]] = true
			}
		}
	}
	var out []string
	for w := range seen {
		out = append(out, regexp.QuoteMeta(w))
	}
	sort.Strings(out)
	return out
}

type faultUse struct{ at, key string }

// faultKeys finds the catalogue keys in calls of fault.New and fault.Wrap and in fault.Field literals of kinds that
// are shown. Faults of kind Internal are never said by their key.
func faultKeys(t *testing.T, p pkg) []faultUse {
	t.Helper()
	var uses []faultUse
	fset := token.NewFileSet()
	for _, name := range p.GoFiles {
		f, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		add := func(e ast.Expr) {
			lit, ok := e.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				return
			}
			key, err := strconv.Unquote(lit.Value)
			if err == nil && key != "" {
				uses = append(uses, faultUse{fmt.Sprintf("%s/%s:%d", p.path, name, fset.Position(lit.Pos()).Line), key})
			}
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				kind, key := -1, -1
				switch called(n.Fun) {
				case "fault.New":
					kind, key = 0, 1
				case "fault.Wrap":
					kind, key = 1, 2
				}
				if key >= 0 && len(n.Args) > key && called(n.Args[kind]) != "fault.Internal" {
					add(n.Args[key])
				}
			case *ast.CompositeLit:
				if called(n.Type) == "fault.Field" {
					for i, e := range n.Elts {
						kv, named := e.(*ast.KeyValueExpr)
						if named {
							if id, ok := kv.Key.(*ast.Ident); ok && id.Name == "Key" {
								add(kv.Value)
							}
						} else if i == 1 {
							add(e)
						}
					}
				}
			}
			return true
		})
	}
	return uses
}

func called(e ast.Expr) string {
	if s, ok := e.(*ast.SelectorExpr); ok {
		if x, ok := s.X.(*ast.Ident); ok {
			return x.Name + "." + s.Sel.Name
		}
	}
	return ""
}
