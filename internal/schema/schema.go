// Package schema holds the numbered migrations that build the tables of every capability, for both databases.
//
// A migration is one text that SQLite and PostgreSQL both take: BIGINT, TEXT, BYTEA and DOUBLE PRECISION are the
// only types, times are BIGINT microseconds UTC, dates TEXT. A migration that has been released is never
// edited; the next one corrects it.
package schema

import (
	"embed"
	"io/fs"
)

//go:embed migrations/*.sql
var files embed.FS

// FS holds the migrations at its root, as store.Migrate wants them.
var FS = sub()

func sub() fs.FS {
	dir, err := fs.Sub(files, "migrations")
	if err != nil {
		panic(err) // the folder is embedded above
	}
	return dir
}
