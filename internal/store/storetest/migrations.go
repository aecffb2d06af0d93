package storetest

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"plumbline/internal/fault"
	"plumbline/internal/store"
)

func files(texts ...string) fstest.MapFS {
	all := fstest.MapFS{}
	for i, text := range texts {
		all[fmt.Sprintf("%04d_step.sql", i+1)] = &fstest.MapFile{Data: []byte(text)}
	}
	return all
}

const (
	stepOne = `CREATE TABLE one (k BIGINT PRIMARY KEY); -- a comment; with a semicolon
INSERT INTO one (k) VALUES (1);`
	stepTwo   = `CREATE TABLE two (k BIGINT PRIMARY KEY); CREATE INDEX two_k ON two (k) WHERE k > 0;`
	stepThree = `INSERT INTO two (k) VALUES (3)`
)

func wantStatus(t testing.TB, db *store.DB, fsys fs.FS, want store.Status) {
	t.Helper()
	got, err := db.Schema(t.Context(), fsys)
	must(t, err)
	if got != want {
		t.Errorf("schema is at %+v, want %+v", got, want)
	}
}

func count(t testing.TB, db *store.DB, table string) (n int64, err error) {
	t.Helper()
	err = db.Read(t.Context(), func(tx *store.Tx) error { return tx.QueryRow(t.Context(), `SELECT count(*) FROM `+table).Scan(&n) })
	return n, err
}

func runMigrations(t *testing.T, kind Named) {
	t.Run("in order, once", func(t *testing.T) {
		db := kind.Open(t)
		wantStatus(t, db, files(stepOne, stepTwo), store.Status{Current: 0, Latest: 2})
		must(t, db.Migrate(t.Context(), files(stepOne)))
		must(t, db.Migrate(t.Context(), files(stepOne, stepTwo, stepThree)))
		must(t, db.Migrate(t.Context(), files(stepOne, stepTwo, stepThree)))
		wantStatus(t, db, files(stepOne, stepTwo, stepThree), store.Status{Current: 3, Latest: 3})
		for _, table := range []string{"one", "two"} {
			if n, err := count(t, db, table); err != nil || n != 1 {
				t.Errorf("table %s holds %d rows (%v), want 1", table, n, err)
			}
		}
	})
	t.Run("several instances start together", func(t *testing.T) {
		url := kind.URL(t)
		var group sync.WaitGroup
		for range 4 {
			db := Open(t, url)
			group.Go(func() {
				if err := db.Migrate(t.Context(), files(stepOne, stepTwo, stepThree)); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		wantStatus(t, Open(t, url), files(stepOne, stepTwo, stepThree), store.Status{Current: 3, Latest: 3})
	})
	t.Run("a database newer than the program is refused", func(t *testing.T) {
		db := kind.Open(t)
		must(t, db.Migrate(t.Context(), files(stepOne, stepTwo)))
		for name, try := range map[string]func() error{
			"migrate": func() error { return db.Migrate(t.Context(), files(stepOne)) },
			"schema":  func() error { _, err := db.Schema(t.Context(), files(stepOne)); return err },
		} {
			wantFault(t, name, try(), fault.Conflict, "store.newer")
		}
	})
	t.Run("another text of an applied migration is refused", func(t *testing.T) {
		db := kind.Open(t)
		must(t, db.Migrate(t.Context(), files(stepOne)))
		wantFault(t, "changed", db.Migrate(t.Context(), files(stepTwo, stepOne)), fault.Conflict, "store.migration-changed")
	})
	t.Run("a migration that fails leaves nothing", func(t *testing.T) {
		db := kind.Open(t)
		broken := files(stepOne, stepTwo+`INSERT INTO nowhere (k) VALUES (1);`)
		err := db.Migrate(t.Context(), broken)
		if err == nil || !strings.Contains(err.Error(), "0002_step") {
			t.Errorf("got %v, want an error that names the migration", err)
		}
		wantStatus(t, db, broken, store.Status{Current: 1, Latest: 2})
		if _, err := count(t, db, "two"); err == nil {
			t.Error("a table made by the failed migration is there")
		}
		must(t, db.Migrate(t.Context(), files(stepOne, stepTwo))) // corrected
	})
	t.Run("a migration that breaks a key of its own does not loop", func(t *testing.T) {
		db := kind.Open(t)
		if err := db.Migrate(t.Context(), files(stepOne+`INSERT INTO one (k) VALUES (1);`)); err == nil {
			t.Error("no error")
		}
	})
	t.Run("somebody else's database is refused", func(t *testing.T) {
		url := kind.URL(t)
		db := Open(t, url)
		must(t, db.Tx(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Exec(t.Context(), `CREATE TABLE theirs (k BIGINT)`)
			return err
		}))
		wantFault(t, "migrate", db.Migrate(t.Context(), files(stepOne)), fault.Invalid, "store.not-ours")
		_, err := db.Schema(t.Context(), files(stepOne))
		wantFault(t, "schema", err, fault.Invalid, "store.not-ours")
	})
	for name, fsys := range map[string]fs.FS{
		"a name without a number": fstest.MapFS{"first.sql": {Data: []byte(stepOne)}},
		"a number twice":          fstest.MapFS{"0001_a.sql": {Data: []byte(stepOne)}, "0001_b.sql": {Data: []byte(stepTwo)}},
	} {
		t.Run(name, func(t *testing.T) {
			if err := kind.Open(t).Migrate(t.Context(), fsys); err == nil {
				t.Error("accepted")
			}
		})
	}
}

func wantFault(t testing.TB, what string, err error, kind fault.Kind, key string) {
	t.Helper()
	var f *fault.Error
	if !errors.As(err, &f) || f.Kind != kind || f.Key != key {
		t.Errorf("%s: got %v, want a %v fault %s", what, err, kind, key)
	}
}
