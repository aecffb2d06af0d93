package cli

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"plumbline/internal/store/storetest"
)

// TestMain lets the test binary be the program, so that scripts run it as a process of its own.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"plumbline": func() { os.Exit(Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) },
	})
}

// exits is a command for scripts: "exits 3 plumbline stats nothing" runs a program and wants that exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE program [argument …]")
	}
	err := ts.Exec(args[1], args[2:]...)
	got := "0"
	if err != nil {
		got = strings.TrimPrefix(err.Error(), "exit status ")
	}
	if got != args[0] {
		ts.Fatalf("exit code %s, want %s", got, args[0])
	}
}

func script(t *testing.T, dir string, setup func(*testscript.Env) error) {
	t.Helper()
	if found, err := filepath.Glob(filepath.Join(dir, "*.txtar")); err != nil || len(found) == 0 {
		t.Fatalf("no script in %s: %v", dir, err)
	}
	testscript.Run(t, testscript.Params{
		Dir: dir, RequireExplicitExec: true, RequireUniqueNames: true,
		Cmds:  map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
		Setup: setup,
	})
}

// Every command with its failures, as somebody at a terminal meets them.
func TestCommands(t *testing.T) { script(t, filepath.Join("testdata", "commands"), nil) }

// What depends on the database is the same on both: $DB is a fresh one.
func TestCommandsOnBothDatabases(t *testing.T) {
	for _, kind := range storetest.Databases() {
		t.Run(kind.Name, func(t *testing.T) {
			script(t, filepath.Join("testdata", "databases"), func(env *testscript.Env) error {
				t := env.T().(testing.TB)
				env.Setenv("DB", kind.URL(t))
				env.Setenv("PLUMBLINE_DB", env.Getenv("DB"))
				return rivertown(env.WorkDir)
			})
		})
	}
}

// rivertown writes the example of the mapping reference into a folder: what the page says must work as it stands.
func rivertown(dir string) error {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "reference", "mapping.md"))
	if err != nil {
		return err
	}
	block := regexp.MustCompile("(?ms)^```(?:csv|yaml) (\\S+)\n(.*?)^```$")
	found := block.FindAllSubmatch(page, -1)
	if len(found) < 3 {
		return fmt.Errorf("the mapping reference has %d files in its example, want three", len(found))
	}
	for _, m := range found {
		if err := os.WriteFile(filepath.Join(dir, string(m[1])), m[2], 0o600); err != nil {
			return err
		}
	}
	return nil
}

// The page of commands is written from the program; whoever changes a flag runs go generate.
func TestReferenceIsCurrent(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "reference", "commands.md"))
	if err != nil {
		t.Fatal(err)
	}
	var want bytes.Buffer
	if err := Reference(&want); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(page, want.Bytes()) {
		t.Error("docs/reference/commands.md differs from the commands; run: go generate ./internal/cli")
	}
}

// Every command says in one sentence what it does, more with --help, and shows an example.
func TestEveryCommandHelps(t *testing.T) {
	var r root
	parser, err := newParser(&r, &terminal{out: &bytes.Buffer{}, err: &bytes.Buffer{}}, func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	leaves := parser.Model.Leaves(true)
	if len(leaves) < 15 {
		t.Fatalf("only %d commands", len(leaves))
	}
	for _, leaf := range leaves {
		name := leaf.FullPath()
		if !strings.HasSuffix(leaf.Help, ".") || strings.Count(leaf.Help, ". ") > 0 {
			t.Errorf("%s: %q is not one sentence", name, leaf.Help)
		}
		if !strings.Contains(leaf.Detail, "Examples:") || !strings.Contains(leaf.Detail, name) {
			t.Errorf("%s: no example of it in its help", name)
		}
		for _, f := range leaf.Flags {
			if !strings.HasSuffix(f.Help, ".") {
				t.Errorf("%s --%s: %q is not a sentence", name, f.Name, f.Help)
			}
		}
		var out, errs bytes.Buffer
		args := append(strings.Fields(strings.TrimPrefix(name, "plumbline ")), "--help")
		if code := run(context.Background(), &terminal{in: strings.NewReader(""), out: &out, err: &errs}, args); code != 0 || out.Len() == 0 {
			t.Errorf("%s --help: exit code %d, %q", name, code, errs.String())
		}
	}
}

// A password in the address of a database never reaches a message or a log.
func TestAddressesAreShownWithoutPasswords(t *testing.T) {
	for url, want := range map[string]string{
		"postgres://me:secret@db.example/plumb?sslmode=require": "postgres://me@db.example/plumb?sslmode=require",
		"postgres://me@db.example/plumb":                        "postgres://me@db.example/plumb",
		"postgres://db.example/plumb":                           "postgres://db.example/plumb",
		"postgres://me:p@ss@db.example/plumb":                   "postgres://me@db.example/plumb",
		"sqlite:/var/lib/plumbline/plumbline.db":                "sqlite:/var/lib/plumbline/plumbline.db",
	} {
		if got := safeURL(url); got != want {
			t.Errorf("safeURL(%q) = %q, want %q", url, got, want)
		}
	}
}

// Columns line up on a terminal, where Chinese characters are two wide.
func TestTablesLineUp(t *testing.T) {
	var out bytes.Buffer
	tab := newTable("Name", "Count").alignRight(1)
	tab.add("Ada", "1")
	tab.add("李娜", "1,234")
	tab.write(&out)
	want := "  Name  Count\n  ----  -----\n  Ada       1\n  李娜  1,234\n"
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}
