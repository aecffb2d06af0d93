package ledger

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"plumbline/internal/journal"
	"plumbline/internal/store"
	"plumbline/verify"
)

// Follower returns what makes leaves of the journal's entries. It never leaves one out: where it cannot go on it stops
// and tries again, and so do receipts and checkpoints.
func (l *Ledger) Follower() journal.Follower { return follower{l} }

type follower struct{ l *Ledger }

func (follower) Name() string { return "ledger" }

func (follower) Unskippable() {}

func (follower) BytesOnly() {}

// Gather lets the entries of a moment share a transaction: a receipt waits for the signature anyway.
func (follower) Gather() time.Duration { return 100 * time.Millisecond }

// Version is constant: a tree that was signed is never built anew.
func (follower) Version(context.Context, *store.Tx) (string, error) { return "1", nil }

// Reset is called before the first entry. Where there are leaves already there is nothing that may be undone.
func (follower) Reset(ctx context.Context, tx *store.Tx) error {
	const any = `SELECT (SELECT COUNT(*) FROM leaf) + (SELECT COUNT(*) FROM tile) + (SELECT COUNT(*) FROM checkpoint)`
	var n int64
	if err := tx.QueryRow(ctx, any).Scan(&n); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	if n > 0 {
		return errors.New("ledger: the log is there, but not the note of how far it reads the journal: it is never built anew; restore the row \"ledger\" of the table follower from a backup")
	}
	return nil
}

// Step adds the entries to the tree.
func (f follower) Step(ctx context.Context, tx *store.Tx, entries []journal.Recorded) error {
	size, err := leaves(ctx, tx)
	if err != nil {
		return err
	}
	edge, err := loadTower(ctx, tx, size)
	if err != nil {
		return err
	}
	secrets := make([]byte, len(entries)*len(verify.Secret{}))
	if _, err := rand.Read(secrets); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	all := make([]leafRow, len(entries))
	for i := range entries {
		e := &entries[i]
		if e.Index != size+int64(i)+1 {
			return fmt.Errorf("ledger: entry %d comes after leaf %d: %w", e.Index, size+int64(i), errTorn)
		}
		all[i] = leafRow{idx: e.Index, secret: secrets[i*len(verify.Secret{}):][:len(verify.Secret{})], entry: &entryRow{bytes: e.Bytes}}
	}
	rehash(all)
	there := edge.places()
	var filled []tileRow
	rows := make([][]any, len(entries))
	for i := range all {
		r := &all[i]
		if !r.hashed {
			_, err := commit(verify.Secret(r.secret), r.entry.bytes)
			return fmt.Errorf("ledger: entry %d: %w", r.idx, err)
		}
		rows[i] = []any{r.idx, r.own[:], r.secret}
		edge.add(tlog.Hash(verify.LeafHash(r.own[:])), func(level int, n int64, hashes []byte) {
			filled = append(filled, tileRow{level, n, hashes})
		})
	}
	if err := tx.InsertMany(ctx, "leaf", []string{"idx", "commitment", "secret"}, rows); err != nil {
		return fmt.Errorf("ledger: add leaves: %w", err)
	}
	if err := saveTiles(ctx, tx, there, append(filled, edge.partial()...)); err != nil {
		return err
	}
	tx.AfterCommit(f.l.grown.Ring)
	return nil
}

// commit makes the commitment to an entry out of its exact bytes.
func commit(secret verify.Secret, entry []byte) (verify.Hash, error) {
	step, err := stepOf(entry)
	if err != nil {
		return verify.Hash{}, err
	}
	return verify.Commitment(verify.CommitStep(secret.StepSalt(), step.Text()), verify.CommitWhole(secret.WholeSalt(), entry)), nil
}

type tileRow struct {
	level  int
	n      int64
	hashes []byte
}

// places tells how wide the tiles of the edge are, by level and number, where there are any.
func (t *tower) places() map[[2]int64]int {
	at := map[[2]int64]int{}
	for _, p := range t.partial() {
		at[[2]int64{int64(p.level), p.n}] = len(p.hashes)
	}
	return at
}

// partial lists the tiles of the edge.
func (t *tower) partial() []tileRow {
	var out []tileRow
	for level, hashes := range t.levels {
		if len(hashes) > 0 {
			out = append(out, tileRow{level, t.size >> (tileHeight * (level + 1)), hashes})
		}
	}
	return out
}

// saveTiles writes tiles, of which some are there with fewer hashes.
func saveTiles(ctx context.Context, tx *store.Tx, there map[[2]int64]int, tiles []tileRow) error {
	var fresh [][]any
	for _, t := range tiles {
		width, old := there[[2]int64{int64(t.level), t.n}]
		switch {
		case old && width == len(t.hashes):
		case old:
			n, err := tx.Affected(ctx, `UPDATE tile SET hashes = $1 WHERE level = $2 AND n = $3`, t.hashes, t.level, t.n)
			if err != nil {
				return fmt.Errorf("ledger: save a tile: %w", err)
			}
			if n != 1 {
				return fmt.Errorf("ledger: save a tile: %w", errTorn)
			}
		default:
			fresh = append(fresh, []any{int64(t.level), t.n, t.hashes})
		}
	}
	if err := tx.InsertMany(ctx, "tile", []string{"level", "n", "hashes"}, fresh); err != nil {
		return fmt.Errorf("ledger: save tiles: %w", err)
	}
	return nil
}

// CommitmentOf is what the log holds of an entry with the given secret; nil where the bytes are no entry.
func CommitmentOf(secret, entry []byte) []byte {
	if len(secret) != len(verify.Secret{}) {
		return nil
	}
	c, err := commit(verify.Secret(secret), entry)
	if err != nil {
		return nil
	}
	return c[:]
}
