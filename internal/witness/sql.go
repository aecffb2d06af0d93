package witness

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"plumbline/internal/store"
	"plumbline/verify"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations build the tables of a witness. They are apart from those of an office: a witness has a database of its own.
var Migrations = sub()

func sub() fs.FS {
	dir, err := fs.Sub(files, "migrations")
	if err != nil {
		panic(err) // the folder is embedded above
	}
	return dir
}

// A Log is a log that the witness watches.
type Log struct {
	Origin   string
	Keys     []string // verifier keys
	Added    time.Time
	Size     uint64
	Root     verify.Hash
	Note     []byte    // the newest head, cosigned; nil if there is none yet
	Cosigned time.Time // when; zero if never
}

var (
	// ErrNoLog says that the witness does not watch a log of this name.
	ErrNoLog = errors.New("witness: no such log")
	// ErrHave says that the log is watched under this key already.
	ErrHave = errors.New("witness: the log is watched with this key already")
)

// Add lets the witness watch a log, or accept one more key of a log it watches.
func Add(ctx context.Context, db *store.DB, origin, vkey string, now time.Time) error {
	const (
		addLog = `INSERT INTO witness_log (origin, added, size, root, cosigned) VALUES ($1, $2, 0, $3, 0) ON CONFLICT (origin) DO NOTHING`
		addKey = `INSERT INTO witness_key (origin, vkey, added) VALUES ($1, $2, $3) ON CONFLICT (origin, vkey) DO NOTHING`
	)
	if err := checkOrigin(origin); err != nil {
		return err
	}
	added, err := ParseLogKey(vkey)
	if err != nil {
		return err
	}
	return db.Tx(ctx, func(tx *store.Tx) error {
		keys, err := keysOf(ctx, tx, origin)
		if err != nil {
			return err
		}
		for _, have := range keys {
			k, err := ParseLogKey(have)
			if err == nil && have != vkey && k.Name() == added.Name() && k.KeyHash() == added.KeyHash() {
				return errors.New("another key of this log has the same id; ask the log for a new one")
			}
		}
		empty := verify.EmptyRoot()
		if _, err := tx.Exec(ctx, addLog, origin, now.UnixMicro(), empty[:]); err != nil {
			return err
		}
		n, err := tx.Affected(ctx, addKey, origin, vkey, now.UnixMicro())
		if err == nil && n == 0 {
			return ErrHave
		}
		return err
	})
}

// Remove stops accepting a key of a log. What was seen of the log stays: with a new key it goes on from there.
func Remove(ctx context.Context, db *store.DB, origin, vkey string) error {
	const remove = `DELETE FROM witness_key WHERE origin = $1 AND vkey = $2`
	return db.Tx(ctx, func(tx *store.Tx) error {
		n, err := tx.Affected(ctx, remove, origin, vkey)
		if err == nil && n == 0 {
			return ErrNoLog
		}
		return err
	})
}

func checkOrigin(origin string) error {
	c := verify.Checkpoint{Origin: origin, Root: verify.EmptyRoot()}
	// A longer name would not fit into what an ML-DSA cosignature signs.
	if again, err := verify.ParseCheckpoint(c.Text()); err != nil || again.Origin != origin || len(origin) > 255 {
		return fmt.Errorf("%q cannot be the name of a log", origin)
	}
	return nil
}

// Logs lists the logs that the witness watches, by name.
func Logs(ctx context.Context, db *store.DB) (all []Log, err error) {
	const list = `SELECT origin, added, size, root, note, cosigned FROM witness_log ORDER BY origin`
	err = db.Read(ctx, func(tx *store.Tx) error {
		rows, err := tx.Query(ctx, list)
		if err != nil {
			return err
		}
		if all, err = store.Collect(rows, func(r *store.Rows) (Log, error) { return scanLog(r) }); err != nil {
			return err
		}
		for i := range all {
			if all[i].Keys, err = keysOf(ctx, tx, all[i].Origin); err != nil {
				return err
			}
		}
		return nil
	})
	return all, err
}

// find reads one log, ErrNoLog if it is not watched.
func find(ctx context.Context, db *store.DB, origin string) (l Log, err error) {
	const one = `SELECT origin, added, size, root, note, cosigned FROM witness_log WHERE origin = $1`
	err = db.Read(ctx, func(tx *store.Tx) error {
		if l, err = scanLog(tx.QueryRow(ctx, one, origin)); errors.Is(err, store.ErrNotFound) {
			return ErrNoLog
		} else if err != nil {
			return err
		}
		l.Keys, err = keysOf(ctx, tx, origin)
		return err
	})
	return l, err
}

func scanLog(r interface{ Scan(...any) error }) (l Log, err error) {
	var added, size, cosigned int64
	var root []byte
	if err := r.Scan(&l.Origin, &added, &size, &root, &l.Note, &cosigned); err != nil {
		return Log{}, err
	}
	if len(root) != len(l.Root) || size < 0 {
		return Log{}, fmt.Errorf("witness: the row of %s is damaged", l.Origin)
	}
	l.Added, l.Size, l.Root = time.UnixMicro(added).UTC(), uint64(size), verify.Hash(root)
	if cosigned > 0 {
		l.Cosigned = time.UnixMicro(cosigned).UTC()
	}
	return l, nil
}

func keysOf(ctx context.Context, tx *store.Tx, origin string) ([]string, error) {
	rows, err := tx.Query(ctx, `SELECT vkey FROM witness_key WHERE origin = $1 ORDER BY added, vkey`, origin)
	if err != nil {
		return nil, err
	}
	return store.Collect(rows, func(r *store.Rows) (v string, err error) { return v, r.Scan(&v) })
}

// advance moves a log from one head to the next. It is false, without an error, when the head is not from any more: somebody
// else has moved it. That the whole of what decides stands in one statement is what keeps a witness from equivocating.
func advance(ctx context.Context, db *store.DB, from Log, to verify.Checkpoint, note []byte, at time.Time) (moved bool, err error) {
	const move = `UPDATE witness_log SET size = $4, root = $5, note = $6, cosigned = $7
		WHERE origin = $1 AND size = $2 AND root = $3 AND size <= $4`
	err = db.Tx(ctx, func(tx *store.Tx) error {
		n, err := tx.Affected(ctx, move, from.Origin, int64(from.Size), from.Root[:], int64(to.Size), to.Root[:], note, at.UnixMicro())
		moved = n == 1
		return err
	})
	return moved, err
}
