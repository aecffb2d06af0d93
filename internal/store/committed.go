package store

import (
	"context"
	"database/sql"
)

type readCommittedKey struct{}

// TxLocking is Tx for work that orders itself by a row which it locks (updates) before it looks at anything else.
// Each of its statements then sees what others have committed so far, and neither such a transaction nor those that
// run beside it are ever made to run again because of what they read. On PostgreSQL that is READ COMMITTED; SQLite
// has one writer, and TxLocking is Tx.
func (db *DB) TxLocking(ctx context.Context, fn func(tx *Tx) error) error {
	return db.Tx(context.WithValue(ctx, readCommittedKey{}, true), fn)
}

// isolation is that of the transactions begun with ctx.
func isolation(ctx context.Context) sql.IsolationLevel {
	if locking, _ := ctx.Value(readCommittedKey{}).(bool); locking {
		return sql.LevelReadCommitted
	}
	return sql.LevelSerializable
}
