// Package storetest gives tests fresh databases of both kinds, and holds the suite that both must pass.
package storetest

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"plumbline/internal/store"
	"plumbline/internal/testing/pgtest"
)

// Named is a kind of database.
type Named struct {
	Name string
	URL  func(t testing.TB) string // of a fresh, empty database, gone when the test ends
}

// Open opens a fresh, empty database, closed when the test ends.
func (n Named) Open(t testing.TB, opts ...store.Option) *store.DB {
	t.Helper()
	return Open(t, n.URL(t), opts...)
}

// Databases lists the kinds of database that everything is tested on. PostgreSQL skips its subtest where there is none.
func Databases() []Named {
	return []Named{{"sqlite", SQLiteURL}, {"postgres", pgtest.URL}}
}

// SQLiteURL names a file that does not exist yet, in a folder of the test.
func SQLiteURL(t testing.TB) string {
	t.Helper()
	return "sqlite:" + filepath.Join(t.TempDir(), "test.db")
}

// PostgresURL names an empty PostgreSQL database; see pgtest.
func PostgresURL(t testing.TB) string {
	t.Helper()
	return pgtest.URL(t)
}

// Copy makes a copy of the database at url, which nobody has open, gone when the test ends, and returns its URL.
func Copy(t testing.TB, url string) string {
	t.Helper()
	from, ok := strings.CutPrefix(url, "sqlite:")
	if !ok {
		return pgtest.Copy(t, url)
	}
	to := filepath.Join(t.TempDir(), "copy.db")
	for _, end := range []string{"", "-wal"} {
		content, err := os.ReadFile(from + end)
		if errors.Is(err, fs.ErrNotExist) && end != "" {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to+end, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return "sqlite:" + to
}

// Open opens url and closes it when the test ends.
func Open(t testing.TB, url string, opts ...store.Option) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), url, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return db
}

// OpenSQLite opens a fresh, empty SQLite database.
func OpenSQLite(t testing.TB, opts ...store.Option) *store.DB {
	t.Helper()
	return Open(t, SQLiteURL(t), opts...)
}

// OpenPostgres opens a fresh, empty PostgreSQL database, or skips the test.
func OpenPostgres(t testing.TB, opts ...store.Option) *store.DB {
	t.Helper()
	return Open(t, PostgresURL(t), opts...)
}

// Each runs test once on each kind of database, fresh and empty.
func Each(t *testing.T, test func(t *testing.T, db *store.DB)) {
	t.Helper()
	for _, kind := range Databases() {
		t.Run(kind.Name, func(t *testing.T) { test(t, kind.Open(t)) })
	}
}
