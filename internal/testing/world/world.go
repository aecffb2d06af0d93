// Package world gives tests a Plumbline to act in: databases of both kinds with all tables in place. Only tests import it.
package world

import (
	"testing"

	"plumbline/internal/schema"
	"plumbline/internal/store"
	"plumbline/internal/store/storetest"
)

// Each runs test once on each kind of database, fresh and with all tables. PostgreSQL is skipped where there is none.
func Each(t *testing.T, test func(t *testing.T, db *store.DB)) {
	t.Helper()
	for _, kind := range storetest.Databases() {
		t.Run(kind.Name, func(t *testing.T) { test(t, Open(t, kind.URL(t))) })
	}
}

// EachURL is Each for tests that open the database themselves, perhaps several times over.
func EachURL(t *testing.T, test func(t *testing.T, url string)) {
	t.Helper()
	for _, kind := range storetest.Databases() {
		t.Run(kind.Name, func(t *testing.T) { test(t, kind.URL(t)) })
	}
}

// SQLite returns a fresh SQLite database with all tables.
func SQLite(t testing.TB, opts ...store.Option) *store.DB {
	t.Helper()
	return Open(t, storetest.SQLiteURL(t), opts...)
}

// Open opens the database at url, brings its tables up to date and closes it when the test ends.
func Open(t testing.TB, url string, opts ...store.Option) *store.DB {
	t.Helper()
	db := storetest.Open(t, url, opts...)
	if err := db.Migrate(t.Context(), schema.FS); err != nil {
		t.Fatalf("migrate: %v", err)
	}
	return db
}
