package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"

	"plumbline/internal/fault"
)

// session is one connection inside one transaction.
type session interface {
	exec(ctx context.Context, query string, args []any) (sql.Result, error)
	query(ctx context.Context, query string, args []any) (*sql.Rows, error)
	script(ctx context.Context, text string) error // several statements, no arguments
	insertMany(ctx context.Context, table string, cols []string, rows [][]any) error
	// uninterrupted tells that a statement, once begun, must not be cut short by its context.
	uninterrupted() bool
}

// Tx is a transaction. It belongs to the function it was given to and to one goroutine at a time.
//
// Both databases are held to the stricter one's rules, so that what works on one works on the other:
// one statement at a time (close the rows before the next), and a failed statement fails the whole
// transaction, whatever fn returns; use [Tx.Savepoint] for a part that may fail. A Go bool is stored as 0 or 1
// (and can be scanned back from a BIGINT); a time.Time is refused, because times are BIGINT microseconds; text must be valid
// UTF-8 without NUL, else the error is a fault.Invalid. Pass []byte for BYTEA and string for TEXT, never the other
// way round. An empty BYTEA may come back nil.
type Tx struct {
	db       *DB
	s        session
	readOnly bool
	over     bool
	open     *Rows
	failed   error
	depth    int
	after    []func()
}

// Exec runs a statement that returns no rows.
func (tx *Tx) Exec(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if tx.readOnly {
		return nil, fmt.Errorf("%w: %s", ErrReadOnly, shorten(query))
	}
	var res sql.Result
	err := tx.step(ctx, StepExec, query, args, func(ctx context.Context) (err error) {
		res, err = tx.s.exec(ctx, query, args)
		return err
	})
	if err != nil {
		return nil, err
	}
	return res, nil
}

// Affected runs a statement and tells how many rows it touched. It is Exec for compare-and-set.
func (tx *Tx) Affected(ctx context.Context, query string, args ...any) (int64, error) {
	res, err := tx.Exec(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// Query runs a statement that returns rows. Close them before the next statement, or give them to [Collect].
func (tx *Tx) Query(ctx context.Context, query string, args ...any) (*Rows, error) {
	var rows *sql.Rows
	err := tx.step(ctx, StepQuery, query, args, func(ctx context.Context) (err error) {
		rows, err = tx.s.query(ctx, query, args)
		return err
	})
	if err != nil {
		if rows != nil {
			_ = rows.Close() // the hook's error is the one to report
		}
		return nil, err
	}
	tx.open = &Rows{tx: tx, rows: rows, sql: query}
	return tx.open, nil
}

// QueryRow runs a statement that returns at most one row that matters. Errors wait until Scan.
func (tx *Tx) QueryRow(ctx context.Context, query string, args ...any) *Row {
	rows, err := tx.Query(ctx, query, args...)
	return &Row{rows: rows, err: err}
}

// InsertMany inserts rows into a table as fast as the database takes them: many rows a statement on SQLite, COPY on
// PostgreSQL. It is one step: all rows or, with the transaction, none. Bools in rows are replaced by 0 and 1.
func (tx *Tx) InsertMany(ctx context.Context, table string, cols []string, rows [][]any) error {
	if tx.readOnly {
		return fmt.Errorf("%w: insert into %s", ErrReadOnly, table)
	}
	if len(rows) == 0 {
		return nil
	}
	for i, row := range rows {
		if len(row) != len(cols) {
			return tx.fail(fmt.Errorf("store: row %d for %s has %d values, want %d", i, table, len(row), len(cols)))
		}
		if err := portable(row); err != nil {
			return tx.fail(fmt.Errorf("store: row %d for %s: %w", i, table, err))
		}
	}
	return tx.step(ctx, StepExec, "INSERT INTO "+table+" (many rows)", nil, func(ctx context.Context) error {
		return tx.s.insertMany(ctx, table, cols, rows)
	})
}

// AfterCommit has f called once the transaction has taken effect, before Tx returns, on the same goroutine. It is
// not called when the transaction fails. A later attempt on PostgreSQL registers anew.
func (tx *Tx) AfterCommit(f func()) { tx.after = append(tx.after, f) }

// Savepoint runs fn as a part that may fail by itself: when fn returns an error, what fn did is undone, the error is
// returned, and the transaction goes on. What it registered with AfterCommit is dropped too.
func (tx *Tx) Savepoint(ctx context.Context, fn func() error) error {
	if tx.readOnly {
		return fmt.Errorf("%w: savepoint", ErrReadOnly)
	}
	tx.depth++
	defer func() { tx.depth-- }()
	name := fmt.Sprintf("part%d", tx.depth)
	if err := tx.control(ctx, "SAVEPOINT "+name); err != nil {
		return err
	}
	after := len(tx.after)
	err := tx.settle(fn())
	if err == nil {
		return tx.control(ctx, "RELEASE SAVEPOINT "+name)
	}
	tx.failed = nil
	tx.after = tx.after[:after]
	// The undoing happens even if ctx has ended: a part that failed must not be kept with the rest.
	ctx = context.WithoutCancel(ctx)
	if undo := tx.control(ctx, "ROLLBACK TO SAVEPOINT "+name); undo != nil {
		return errors.Join(err, undo)
	}
	if undo := tx.control(ctx, "RELEASE SAVEPOINT "+name); undo != nil {
		return errors.Join(err, undo)
	}
	return err
}

// control runs a statement of the transaction itself, which no hook sees.
func (tx *Tx) control(ctx context.Context, query string) error {
	if err := tx.ready(ctx); err != nil {
		return tx.fail(err)
	}
	if tx.s.uninterrupted() {
		ctx = context.WithoutCancel(ctx)
	}
	_, err := tx.s.exec(ctx, query, nil)
	return tx.fail(mapped(err, query))
}

// script runs the text of a migration.
func (tx *Tx) script(ctx context.Context, text string) error {
	return tx.step(ctx, StepExec, text, nil, func(ctx context.Context) error { return tx.s.script(ctx, text) })
}

// step does one thing in the database, between the test hooks, and remembers its failure.
func (tx *Tx) step(ctx context.Context, kind Step, query string, args []any, do func(context.Context) error) error {
	if err := tx.ready(ctx); err != nil {
		return tx.fail(err)
	}
	if err := portable(args); err != nil {
		return tx.fail(err)
	}
	if tx.s.uninterrupted() {
		ctx = context.WithoutCancel(ctx)
	}
	p := Point{Step: kind, SQL: query}
	if err := tx.db.opt.at(p); err != nil {
		return tx.fail(err)
	}
	if err := do(ctx); err != nil {
		return tx.fail(mapped(err, query))
	}
	p.After = true
	return tx.fail(tx.db.opt.at(p))
}

// ready tells why no statement can run now, if so.
func (tx *Tx) ready(ctx context.Context) error {
	switch {
	case tx.over:
		return errTxOver
	case tx.failed != nil:
		return fmt.Errorf("store: the transaction has already failed: %w", tx.failed)
	case tx.open != nil:
		return errRowsOpen
	}
	return ctx.Err()
}

// fail remembers the first failure and returns err.
func (tx *Tx) fail(err error) error {
	if err != nil && tx.failed == nil && !tx.over {
		tx.failed = err
	}
	return err
}

// settle decides what a transaction whose function returned err comes to: it may not succeed over a failed statement.
func (tx *Tx) settle(err error) error {
	tx.closeRows()
	if tx.failed == nil || errors.Is(err, tx.failed) {
		return err
	}
	if err == nil {
		return fmt.Errorf("store: a statement failed and its error was dropped: %w", tx.failed)
	}
	var lost *dbError
	if errors.As(tx.failed, &lost) && lost.retry {
		return fmt.Errorf("%w (%w)", err, tx.failed) // fn's words hide that it only lost a race
	}
	return err
}

// finish makes tx unusable, also when its function panicked.
func (tx *Tx) finish() {
	tx.closeRows()
	tx.over = true
}

func (tx *Tx) closeRows() {
	if tx.open != nil {
		_ = tx.open.Close() // what went wrong while reading was for the reader to ask
	}
}

// Rows are the result of a Query. They belong to their transaction.
type Rows struct {
	tx   *Tx
	rows *sql.Rows
	sql  string
	err  error
}

// Next moves to the next row; it is false at the end and after an error, which Err tells.
func (r *Rows) Next() bool {
	if r.rows.Next() {
		return true
	}
	r.note(r.rows.Err())
	_ = r.Close()
	return false
}

// Scan copies the columns of the current row.
func (r *Rows) Scan(dest ...any) error {
	if err := r.rows.Scan(dest...); err != nil {
		return fmt.Errorf("store: %w, in %s", err, shorten(r.sql))
	}
	return nil
}

// Err tells what ended the iteration, nil if it was the last row.
func (r *Rows) Err() error { return r.err }

// Close ends the reading. It may be called more than once.
func (r *Rows) Close() error {
	if r.tx.open == r {
		r.tx.open = nil
	}
	err := r.rows.Close()
	r.note(err)
	return r.err
}

// Columns names the columns.
func (r *Rows) Columns() ([]string, error) { return r.rows.Columns() }

func (r *Rows) note(err error) {
	if err != nil && r.err == nil {
		r.err = r.tx.fail(mapped(err, r.sql))
	}
}

// Row is the result of QueryRow.
type Row struct {
	rows *Rows
	err  error
}

// Scan copies the columns of the row; without a row it returns [ErrNotFound].
func (r *Row) Scan(dest ...any) error {
	if r.err != nil {
		return r.err
	}
	defer func() { _ = r.rows.Close() }() // an error in reading is reported below
	if !r.rows.Next() {
		if err := r.rows.Err(); err != nil {
			return err
		}
		return ErrNotFound
	}
	if err := r.rows.Scan(dest...); err != nil {
		return err
	}
	return r.rows.Close()
}

// Collect reads all rows with scan and closes them. It takes the error of Query too, so that the two can be
// written in one line:
//
//	names, err := store.Collect(rows, func(r *store.Rows) (n string, err error) { return n, r.Scan(&n) })
func Collect[T any](rows *Rows, scan func(*Rows) (T, error)) ([]T, error) {
	defer func() { _ = rows.Close() }() // an error in reading is reported below
	var all []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	return all, nil
}

// portable makes arguments mean the same on both databases, in place, and refuses those that cannot.
func portable(args []any) error {
	for i, a := range args {
		switch v := a.(type) {
		case nil, int64, int, []byte, float64, driver.Valuer:
		case string:
			if err := portableText(v, i); err != nil {
				return err
			}
		case bool:
			args[i] = boolInt(v)
		case time.Time:
			return fmt.Errorf("store: argument %d is a time.Time; times are stored as BIGINT microseconds", i+1)
		default:
			switch rv := reflect.ValueOf(a); rv.Kind() {
			case reflect.String:
				args[i] = rv.String()
				if err := portableText(rv.String(), i); err != nil {
					return err
				}
			case reflect.Bool:
				args[i] = boolInt(rv.Bool())
			case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
				args[i] = rv.Int()
			}
		}
	}
	return nil
}

func portableText(s string, i int) error {
	if utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 {
		return nil
	}
	return fault.Wrap(fmt.Errorf("store: argument %d is not UTF-8 text or contains a NUL", i+1), fault.Invalid, "store.text", nil)
}

func boolInt(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
