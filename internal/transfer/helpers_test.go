package transfer

import (
	"bytes"
	"compress/gzip"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"plumbline/internal/matter"
	"plumbline/internal/pack"
	"plumbline/internal/store"
)

type office struct{ p *pack.Pack }

func bundled(t testing.TB, name string) office {
	t.Helper()
	p, err := pack.Bundled(name)
	if err != nil {
		t.Fatal(err)
	}
	return office{p}
}

func write(t testing.TB, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func gzipped(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte(text))
	_ = w.Close()
	return b.String()
}

func parse(t testing.TB, text string) *Mapping {
	t.Helper()
	m, err := Parse("m.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func importing(t testing.TB, db *store.DB, o office, m *Mapping, opts Options, files ...string) Summary {
	t.Helper()
	if opts.Rejects == "" {
		opts.Rejects = filepath.Join(t.TempDir(), "rejects.csv")
	}
	s, err := Run(t.Context(), db, o.p, m, files, opts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// clean makes sure that the tables are what the journal says.
func clean(t testing.TB, db *store.DB) {
	t.Helper()
	diffs, err := matter.Verify(t.Context(), db, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, d := range diffs {
		if i == 10 {
			break
		}
		t.Errorf("verify: %v", d)
	}
}

func number(t testing.TB, db *store.DB, query string, args ...any) int64 {
	t.Helper()
	var n int64
	err := db.Read(context.Background(), func(tx *store.Tx) error { return tx.QueryRow(context.Background(), query, args...).Scan(&n) })
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

// grouped reads rows of a text and a number.
func grouped(t testing.TB, db *store.DB, query string) map[string]int64 {
	t.Helper()
	out := map[string]int64{}
	err := db.Read(context.Background(), func(tx *store.Tx) error {
		rows, err := tx.Query(context.Background(), query)
		if err != nil {
			return err
		}
		for rows.Next() {
			var k string
			var n int64
			if err := rows.Scan(&k, &n); err != nil {
				return err
			}
			out[k] = n
		}
		return rows.Close()
	})
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return out
}

// Grouped is grouped, for the tests that see this package from outside.
var Grouped = grouped

func flags(s Summary) map[string]int64 {
	out := map[string]int64{}
	for _, f := range s.Flags {
		out[f.ID] = f.Count
	}
	return out
}

// comparable takes out of a summary what may differ between two imports of the same data.
func comparable(s Summary) Summary {
	s.Run, s.Resumed, s.Seconds, s.RejectsFile = "", false, 0, ""
	return s
}

// example is the complete example of the mapping reference: its files by name.
func example(t testing.TB) map[string]string {
	t.Helper()
	page, err := os.ReadFile("../../docs/reference/mapping.md")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, m := range regexp.MustCompile("(?s)```(?:csv|yaml) ([a-z.]+)\n(.*?)```").FindAllStringSubmatch(string(page), -1) {
		out[m[1]] = m[2]
	}
	if len(out) != 3 {
		t.Fatalf("the page has %d files in its example, want 3", len(out))
	}
	return out
}

func exampleFiles(t testing.TB, dir string) (m *Mapping, files []string) {
	t.Helper()
	ex := example(t)
	m = parse(t, ex["rivertown.yaml"])
	return m, []string{write(t, dir, "complaints.csv", ex["complaints.csv"]), write(t, dir, "officers.csv", ex["officers.csv"])}
}

func contains(t testing.TB, text, want string) {
	t.Helper()
	if !strings.Contains(text, want) {
		t.Errorf("%q is not in:\n%s", want, text)
	}
}
