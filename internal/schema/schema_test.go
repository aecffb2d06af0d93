package schema_test

import (
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"testing"

	"plumbline/internal/schema"
	"plumbline/internal/store"
	"plumbline/internal/store/storetest"
)

// Both databases get the same tables with the same columns, of the four types that mean the same on both.
func TestMigrationsBuildTheSameTablesOnBothDatabases(t *testing.T) {
	built := map[store.Dialect][]string{}
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		if err := db.Migrate(t.Context(), schema.FS); err != nil {
			t.Fatal(err)
		}
		status, err := db.Schema(t.Context(), schema.FS)
		if err != nil || status.Current == 0 || status.Current != status.Latest {
			t.Fatalf("schema is at %+v (%v)", status, err)
		}
		built[db.Dialect()] = columns(t, db)
	})
	for _, c := range built[store.SQLite] {
		kind := c[strings.Index(c, " ")+1:]
		if !slices.Contains([]string{"BIGINT", "TEXT", "BYTEA", "DOUBLE PRECISION"}, kind) {
			t.Errorf("column %s: only BIGINT, TEXT, BYTEA and DOUBLE PRECISION mean the same on both databases", c)
		}
	}
	if pg, there := built[store.Postgres]; there && !slices.Equal(built[store.SQLite], pg) {
		t.Errorf("SQLite has\n%s\nPostgreSQL has\n%s", strings.Join(built[store.SQLite], "\n"), strings.Join(pg, "\n"))
	}
}

// columns lists "table.column TYPE", in order.
func columns(t *testing.T, db *store.DB) (all []string) {
	t.Helper()
	query := `SELECT m.name, c.name, c.type FROM sqlite_master m, pragma_table_info(m.name) c
		WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%'`
	if db.Dialect() == store.Postgres {
		query = `SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = current_schema()`
	}
	err := db.Read(t.Context(), func(tx *store.Tx) error {
		rows, err := tx.Query(t.Context(), query)
		if err != nil {
			return err
		}
		all, err = store.Collect(rows, func(r *store.Rows) (string, error) {
			var table, column, kind string
			err := r.Scan(&table, &column, &kind)
			return fmt.Sprintf("%s.%s %s", table, column, strings.ToUpper(kind)), err
		})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) == 0 {
		t.Fatal("no columns at all")
	}
	slices.Sort(all)
	return all
}

// Words that one of the databases understands otherwise, or not at all. A deferred constraint would fail the commit that a
// transaction shares with others.
var notPortable = regexp.MustCompile(`(?i)\b(deferrable|deferred|serial|bigserial|autoincrement|without\s+rowid|strict|` +
	`generated|identity|jsonb|timestamptz?|boolean|ilike|using\s+gin|tablespace|now\s*\(|strftime|unixepoch|concurrently|pragma)\b|::`)

func TestMigrationsUseNothingOfOneDatabaseAlone(t *testing.T) {
	files, err := fs.Glob(schema.FS, "*.sql")
	if err != nil || len(files) == 0 {
		t.Fatalf("no migrations (%v)", err)
	}
	comment := regexp.MustCompile(`--[^\n]*`)
	for _, f := range files {
		text, err := fs.ReadFile(schema.FS, f)
		if err != nil {
			t.Fatal(err)
		}
		if found := notPortable.FindString(comment.ReplaceAllString(string(text), "")); found != "" {
			t.Errorf("%s: %q is not portable", f, found)
		}
	}
}
