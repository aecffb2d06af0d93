package journal

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"plumbline/internal/fault"
	"plumbline/internal/ref"
	"plumbline/internal/store"
)

// The column at orders the entries that have no index yet. It is never earlier than that of the entry before in the same
// stream, whatever the clocks of several machines say, so that sorting by it keeps the order of every stream.
const (
	insertFirst = `INSERT INTO entry (stream, n, at, action, account, bytes) VALUES ($1, $2, $3, $4, $5, $6)`
	insertNext  = `INSERT INTO entry (stream, n, at, action, account, bytes)
SELECT $1, $2, CASE WHEN p.at > $3 THEN p.at ELSE $3 END, $4, $5, $6 FROM entry p WHERE p.stream = $7 AND p.n = $8`
	selectLast   = `SELECT COALESCE(MAX(n), 0) FROM entry WHERE stream = $1`
	selectStream = `SELECT bytes, COALESCE(idx, 0) FROM entry WHERE stream = $1 ORDER BY n`
	selectSince  = `SELECT bytes, idx FROM entry WHERE idx > $1 ORDER BY idx LIMIT $2`
	selectHeads  = `SELECT stream, n, at, action, account, idx FROM entry WHERE idx > $1 ORDER BY idx LIMIT $2`
)

var entryColumns = []string{"stream", "n", "at", "action", "account", "bytes"}

// Append adds e to its stream. If the stream already has an entry with e's number, the error is a fault.Conflict with
// key "journal.stale" and the transaction cannot go on; if the number would leave a gap, the caller is wrong
// and the error is internal.
func Append(ctx context.Context, tx *store.Tx, e Entry) error {
	b, err := Encode(e)
	if err != nil {
		return err
	}
	at := e.At.UnixMicro()
	if e.N == 1 {
		_, err = tx.Exec(ctx, insertFirst, e.Stream, e.N, at, e.Action, int64(e.By.Account), b)
	} else {
		var rows int64
		rows, err = tx.Affected(ctx, insertNext, e.Stream, e.N, at, e.Action, int64(e.By.Account), b, e.Stream, e.N-1)
		if err == nil && rows == 0 {
			return gap(e)
		}
	}
	if err != nil {
		return appendFailed(err, e.Stream)
	}
	tx.AfterCommit(appended.Ring)
	return nil
}

// AppendMany adds many entries in one go; entries of one stream come in the order of their numbers.
func AppendMany(ctx context.Context, tx *store.Tx, entries []Entry) error {
	if len(entries) == 0 {
		return nil
	}
	before, err := lastTimes(ctx, tx, entries)
	if err != nil {
		return err
	}
	rows := make([][]any, len(entries))
	for i, e := range entries {
		b, err := Encode(e)
		if err != nil {
			return err
		}
		at := e.At.UnixMicro()
		if e.N > 1 {
			last, ok := before[place{e.Stream, e.N - 1}]
			if !ok {
				return gap(e)
			}
			at = max(at, last)
		}
		before[place{e.Stream, e.N}] = at
		rows[i] = []any{e.Stream, e.N, at, e.Action, int64(e.By.Account), b}
	}
	if err := tx.InsertMany(ctx, "entry", entryColumns, rows); err != nil {
		return appendFailed(err, "")
	}
	tx.AfterCommit(appended.Ring)
	return nil
}

type place struct {
	stream string
	n      int64
}

// lastTimes reads the order column of the entries that come right before those given and are not among them.
func lastTimes(ctx context.Context, tx *store.Tx, entries []Entry) (map[place]int64, error) {
	given := make(map[place]bool, len(entries))
	for _, e := range entries {
		given[place{e.Stream, e.N}] = true
	}
	var want []any
	for _, e := range entries {
		if e.N > 1 && !given[place{e.Stream, e.N - 1}] {
			want = append(want, e.Stream, e.N-1)
		}
	}
	times := make(map[place]int64, len(entries))
	const pairs = 400 // statements of bounded length; SQLite takes 32,766 arguments, PostgreSQL twice that
	for len(want) > 0 {
		chunk := want[:min(len(want), 2*pairs)]
		want = want[len(chunk):]
		var q strings.Builder
		q.WriteString(`SELECT stream, n, at FROM entry WHERE (stream, n) IN (`)
		for i := 0; i < len(chunk); i += 2 {
			if i > 0 {
				q.WriteByte(',')
			}
			fmt.Fprintf(&q, "($%d,$%d)", i+1, i+2)
		}
		q.WriteByte(')')
		rows, err := tx.Query(ctx, q.String(), chunk...)
		if err != nil {
			return nil, err
		}
		for rows.Next() {
			var p place
			var at int64
			if err := rows.Scan(&p.stream, &p.n, &at); err != nil {
				return nil, err
			}
			times[p] = at
		}
		if err := rows.Close(); err != nil {
			return nil, err
		}
	}
	return times, nil
}

func gap(e Entry) error {
	return fmt.Errorf("journal: append %s %d: entry %d is not there", e.Stream, e.N, e.N-1)
}

func appendFailed(err error, stream string) error {
	if store.IsUnique(err) {
		return fault.Wrap(err, fault.Conflict, "journal.stale", nil)
	}
	return fmt.Errorf("journal: append %s: %w", stream, err)
}

// Last returns the number of the newest entry of a stream, 0 if there is none.
func Last(ctx context.Context, tx *store.Tx, stream string) (int64, error) {
	var n int64
	if err := tx.QueryRow(ctx, selectLast, stream).Scan(&n); err != nil {
		return 0, fmt.Errorf("journal: last of %s: %w", stream, err)
	}
	return n, nil
}

// Stream returns all entries of a stream in order.
func Stream(ctx context.Context, tx *store.Tx, stream string) ([]Recorded, error) {
	rows, err := tx.Query(ctx, selectStream, stream)
	if err != nil {
		return nil, fmt.Errorf("journal: stream %s: %w", stream, err)
	}
	all, err := store.Collect(rows, scanRecorded)
	if err != nil {
		return nil, fmt.Errorf("journal: stream %s: %w", stream, err)
	}
	return all, nil
}

// Since returns the entries after global index idx, in order, limit at most. Entries that have no index yet are not
// among them.
func Since(ctx context.Context, tx *store.Tx, idx int64, limit int) ([]Recorded, error) {
	rows, err := tx.Query(ctx, selectSince, idx, limit)
	if err != nil {
		return nil, fmt.Errorf("journal: since %d: %w", idx, err)
	}
	all, err := store.Collect(rows, scanRecorded)
	if err != nil {
		return nil, fmt.Errorf("journal: since %d: %w", idx, err)
	}
	return all, nil
}

func scanRecorded(r *store.Rows) (Recorded, error) {
	var rec Recorded
	if err := r.Scan(&rec.Bytes, &rec.Index); err != nil {
		return Recorded{}, err
	}
	e, err := Decode(rec.Bytes)
	if err != nil {
		return Recorded{}, err
	}
	rec.Entry = e
	return rec, nil
}

// headsSince is Since without the bytes: only stream, number, action, account and index are filled in. It is several
// times faster, which matters to those who only want to know what was touched.
func headsSince(ctx context.Context, tx *store.Tx, idx int64, limit int) ([]Recorded, error) {
	rows, err := tx.Query(ctx, selectHeads, idx, limit)
	if err != nil {
		return nil, fmt.Errorf("journal: since %d: %w", idx, err)
	}
	all, err := store.Collect(rows, func(r *store.Rows) (rec Recorded, err error) {
		var at, account int64
		err = r.Scan(&rec.Stream, &rec.N, &at, &rec.Action, &account, &rec.Index)
		rec.By.Account = ref.AccountID(account)
		return rec, err
	})
	if err != nil {
		return nil, fmt.Errorf("journal: since %d: %w", idx, err)
	}
	return all, nil
}

// bytesSince is Since without decoding: only bytes and index are filled in.
func bytesSince(ctx context.Context, tx *store.Tx, idx int64, limit int) ([]Recorded, error) {
	rows, err := tx.Query(ctx, selectSince, idx, limit)
	if err != nil {
		return nil, fmt.Errorf("journal: since %d: %w", idx, err)
	}
	all, err := store.Collect(rows, func(r *store.Rows) (rec Recorded, err error) { return rec, r.Scan(&rec.Bytes, &rec.Index) })
	if err != nil {
		return nil, fmt.Errorf("journal: since %d: %w", idx, err)
	}
	return all, nil
}

// Head returns the number of entries that have their global index, and the number of all.
func Head(ctx context.Context, tx *store.Tx) (idx, all int64, err error) {
	if err := tx.QueryRow(ctx, `SELECT idx FROM journal_head WHERE id = 1`).Scan(&idx); err != nil {
		return 0, 0, fmt.Errorf("journal: head: %w", err)
	}
	var waiting int64
	if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM entry WHERE idx IS NULL`).Scan(&waiting); err != nil {
		return 0, 0, fmt.Errorf("journal: head: %w", err)
	}
	return idx, idx + waiting, nil
}

// IsStale tells whether err says that somebody else appended to the stream first.
func IsStale(err error) bool {
	var f *fault.Error
	return errors.As(err, &f) && f.Kind == fault.Conflict && f.Key == "journal.stale"
}
