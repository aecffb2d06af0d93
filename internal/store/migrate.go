package store

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strconv"

	"plumbline/internal/fault"
)

// Status tells how far a database's tables are behind the program. Current is 0 for an empty database.
type Status struct {
	Current int // the newest migration the database has
	Latest  int // the newest migration the program has
}

// migration is one numbered file.
type migration struct {
	version int
	name    string
	text    string
	digest  string
}

// ownTables are made by Migrate before the first migration.
const ownTables = `
CREATE TABLE IF NOT EXISTS store_migration (
	version BIGINT PRIMARY KEY, name TEXT NOT NULL, digest TEXT NOT NULL, applied_us BIGINT NOT NULL
);
CREATE TABLE IF NOT EXISTS store_lease (
	name TEXT PRIMARY KEY, holder TEXT NOT NULL, epoch BIGINT NOT NULL, until_us BIGINT NOT NULL
);
`

// Migrate brings the database to the newest of the migrations in fsys: files NNNN_name.sql at its root, each one text
// for both databases. Each is applied wholly or not at all, in the order of the numbers, and once, however many
// processes start together: the row that records a migration is written first and is the lock on it. It refuses a
// database that is newer than the program, one that holds somebody else's tables, and one that was built with a
// different text of the same migration.
func (db *DB) Migrate(ctx context.Context, fsys fs.FS) error {
	all, err := migrations(fsys)
	if err != nil {
		return err
	}
	if err := db.prepareOwn(ctx); err != nil {
		return err
	}
	for {
		var next *migration
		err := db.Read(ctx, func(tx *Tx) (err error) {
			next, err = pending(ctx, tx, all)
			return err
		})
		if err != nil || next == nil {
			return err
		}
		err = db.Tx(ctx, func(tx *Tx) error { return apply(ctx, tx, next) })
		if err == nil || IsUnique(err) {
			continue // done, by us or by another who started at the same time: look what is next
		}
		return fmt.Errorf("migration %04d_%s: %w", next.version, next.name, err)
	}
}

// Schema tells how far the database is, without changing it. It refuses what Migrate refuses.
func (db *DB) Schema(ctx context.Context, fsys fs.FS) (Status, error) {
	all, err := migrations(fsys)
	if err != nil {
		return Status{}, err
	}
	s := Status{}
	if len(all) > 0 {
		s.Latest = all[len(all)-1].version
	}
	err = db.Read(ctx, func(tx *Tx) error {
		switch own, others, err := tables(ctx, tx); {
		case err != nil:
			return err
		case !own && others:
			return errNotOurs
		case !own:
			return nil
		}
		if err := tx.QueryRow(ctx, `SELECT coalesce(max(version), 0) FROM store_migration`).Scan(&s.Current); err != nil {
			return err
		}
		_, err := pending(ctx, tx, all)
		return err
	})
	return s, err
}

var migrationName = regexp.MustCompile(`^(\d{4})_([a-z0-9_]+)\.sql$`)

// migrations reads the files, in order.
func migrations(fsys fs.FS) ([]migration, error) {
	files, err := fs.Glob(fsys, "*.sql")
	if err != nil {
		return nil, err
	}
	var all []migration
	for _, file := range files {
		m := migrationName.FindStringSubmatch(file)
		if m == nil {
			return nil, fmt.Errorf("store: migration %s is not called NNNN_name.sql", file)
		}
		text, err := fs.ReadFile(fsys, file)
		if err != nil {
			return nil, err
		}
		version, err := strconv.Atoi(m[1])
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(text)
		all = append(all, migration{version, m[2], string(text), hex.EncodeToString(sum[:])})
	}
	slices.SortFunc(all, func(a, b migration) int { return cmp.Compare(a.version, b.version) })
	for i := 1; i < len(all); i++ {
		if all[i].version == all[i-1].version {
			return nil, fmt.Errorf("store: two migrations have the number %04d: %s and %s", all[i].version, all[i-1].name, all[i].name)
		}
	}
	return all, nil
}

// pending finds the first migration that the database lacks, nil if it has all.
func pending(ctx context.Context, tx *Tx, all []migration) (*migration, error) {
	type applied struct {
		version      int
		name, digest string
	}
	rows, err := tx.Query(ctx, `SELECT version, name, digest FROM store_migration ORDER BY version`)
	if err != nil {
		return nil, err
	}
	have, err := Collect(rows, func(r *Rows) (a applied, err error) { return a, r.Scan(&a.version, &a.name, &a.digest) })
	if err != nil {
		return nil, err
	}
	latest := 0
	if len(all) > 0 {
		latest = all[len(all)-1].version
	}
	if n := len(have); n > 0 && have[n-1].version > latest {
		return nil, fault.Wrap(
			fmt.Errorf("the database is at migration %d, this program knows only %d; use the newer program", have[n-1].version, latest),
			fault.Conflict, "store.newer", fault.Args{"database": have[n-1].version, "program": latest})
	}
	for i := range all {
		if i >= len(have) {
			return &all[i], nil
		}
		if all[i].version != have[i].version || all[i].digest != have[i].digest {
			return nil, fault.Wrap(
				fmt.Errorf("the database was built with another text of the migrations: it has %04d_%s where this program has %04d_%s",
					have[i].version, have[i].name, all[i].version, all[i].name),
				fault.Conflict, "store.migration-changed", fault.Args{"version": have[i].version})
		}
	}
	return nil, nil
}

// apply records m, which makes whoever else wants to apply it wait for our commit, and then runs it.
func apply(ctx context.Context, tx *Tx, m *migration) error {
	now, err := tx.Now(ctx)
	if err != nil {
		return err
	}
	const record = `INSERT INTO store_migration (version, name, digest, applied_us) VALUES ($1, $2, $3, $4)`
	if _, err := tx.Exec(ctx, record, m.version, m.name, m.digest, now.UnixMicro()); err != nil {
		return err
	}
	if err := tx.script(ctx, m.text); err != nil {
		if IsUnique(err) {
			return fmt.Errorf("the statements of the migration themselves: %v", err) // not the race that Migrate waits out
		}
		return err
	}
	return nil
}

// prepareOwn makes the store's own tables in an empty database.
func (db *DB) prepareOwn(ctx context.Context) error {
	for attempt := 0; ; attempt++ {
		var own, others bool
		err := db.Read(ctx, func(tx *Tx) (err error) {
			own, others, err = tables(ctx, tx)
			return err
		})
		if err != nil || own {
			return err
		}
		if others {
			return errNotOurs
		}
		err = db.Tx(ctx, func(tx *Tx) error {
			if db.Dialect() == SQLite {
				if err := tx.script(ctx, fmt.Sprintf("PRAGMA application_id = %d", applicationID)); err != nil {
					return err
				}
			}
			return tx.script(ctx, ownTables)
		})
		// PostgreSQL does not queue those who create the same table: the loser gets an error of the catalogue's own
		// unique index, whatever IF NOT EXISTS says, and finds the tables there when it looks again.
		if err == nil || attempt == 5 || ctx.Err() != nil {
			return err
		}
	}
}

// tables tells whether the store's own tables are there, and whether any others are.
func tables(ctx context.Context, tx *Tx) (own, others bool, err error) {
	query := `SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%'`
	if tx.db.Dialect() == Postgres {
		query = `SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()`
	}
	rows, err := tx.Query(ctx, query)
	if err != nil {
		return false, false, err
	}
	names, err := Collect(rows, func(r *Rows) (n string, err error) { return n, r.Scan(&n) })
	if err != nil {
		return false, false, err
	}
	for _, n := range names {
		switch n {
		case "store_lease":
		case "store_migration":
			own = true
		default:
			others = true
		}
	}
	return own, others, nil
}

// Check asks the database whether its file is whole; it reads all of it. PostgreSQL looks after its own.
func (db *DB) Check(ctx context.Context) error {
	if db.Dialect() != SQLite {
		return nil
	}
	return db.Read(ctx, func(tx *Tx) error {
		rows, err := tx.Query(ctx, `PRAGMA integrity_check`)
		if err != nil {
			return err
		}
		found, err := Collect(rows, func(r *Rows) (s string, err error) { return s, r.Scan(&s) })
		if err != nil {
			return err
		}
		if len(found) == 1 && found[0] == "ok" {
			return nil
		}
		return fault.Wrap(fmt.Errorf("store: %d findings, the first: %s", len(found), found[0]), fault.Unavailable, "store.corrupt", nil)
	})
}
