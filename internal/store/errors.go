package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"plumbline/internal/fault"
)

var (
	// ErrNotFound is returned by [Row.Scan] when there is no row.
	ErrNotFound error = fault.New(fault.NotFound, "fault.notfound", nil)
	// ErrNested is returned by a Tx begun inside a Tx.
	ErrNested = errors.New("store: a transaction was begun inside a transaction; pass the *store.Tx along instead")
	// ErrClosed is returned once Close was called.
	ErrClosed error = fault.Wrap(errors.New("store: the database is closed"), fault.Unavailable, "store.closed", nil)
	// ErrReadOnly is returned for a write inside Read.
	ErrReadOnly = errors.New("store: a read transaction cannot write")
	// ErrOutcomeUnknown is in the chain of an error after which a transaction may or may not have taken effect.
	ErrOutcomeUnknown = errors.New("store: it is not known whether the transaction took effect")

	errRowsOpen = errors.New("store: a statement was begun while the rows of the previous one are open; close or collect them first")
	errTxOver   = errors.New("store: the transaction is over")
)

// class is what a driver's error means to us.
type class int

const (
	classOther class = iota
	classUnique
	classBusy    // somebody else holds the file, or won the race
	classFull    // no room on the disk
	classIO      // the disk does not answer as it should
	classLost    // the connection to the server is gone
	classCorrupt // the file is damaged or not a database
	classReadOnly
)

// dbError is a driver's error with its meaning. The text of the statement goes along for the operator; values never do.
type dbError struct {
	class class
	sql   string
	cause error
	retry bool // PostgreSQL says: run the transaction again
}

func (e *dbError) Error() string {
	if e.sql == "" {
		return "store: " + e.cause.Error()
	}
	return fmt.Sprintf("store: %v, in %s", e.cause, shorten(e.sql))
}

// Unwrap gives the driver's error and, where a person can do something about it, the fault that says so.
func (e *dbError) Unwrap() []error {
	switch e.class {
	case classBusy:
		return []error{fault.New(fault.Unavailable, "store.busy", nil), e.cause}
	case classFull:
		return []error{fault.New(fault.Unavailable, "store.full", nil), e.cause}
	case classIO:
		return []error{fault.New(fault.Unavailable, "store.io", nil), e.cause}
	case classLost:
		return []error{fault.New(fault.Unavailable, "store.lost", nil), e.cause}
	case classCorrupt:
		return []error{fault.New(fault.Unavailable, "store.corrupt", nil), e.cause}
	case classReadOnly:
		return []error{ErrReadOnly, e.cause}
	}
	return []error{e.cause}
}

// mapped gives a driver's error its meaning. Errors of the context and errors already mapped pass unchanged.
func mapped(err error, sqlText string) error {
	if err == nil {
		return nil
	}
	var done *dbError
	if errors.As(err, &done) {
		return err
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("store: %w", err)
	}
	e := &dbError{sql: sqlText, cause: err}
	var lite *sqlite.Error
	var pg *pgconn.PgError
	var connect *pgconn.ConnectError
	var network net.Error
	switch {
	case errors.As(err, &lite):
		e.class = classOfSQLite(lite.Code())
	case errors.As(err, &pg):
		e.class, e.retry = classOfPostgres(pg.Code)
		if pg.Code == "0A000" && strings.Contains(pg.Message, "cached plan") {
			e.class, e.retry = classBusy, true // another instance has migrated; the driver has dropped the stale plan
		}
	case errors.As(err, &connect), errors.As(err, &network), errors.Is(err, driver.ErrBadConn), errors.Is(err, sql.ErrConnDone),
		errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed), pgconn.SafeToRetry(err):
		e.class = classLost
	}
	return e
}

func classOfSQLite(code int) class {
	switch code {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_ROWID:
		return classUnique
	}
	switch code & 0xff {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL:
		return classBusy
	case sqlite3.SQLITE_FULL:
		return classFull
	case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN:
		return classIO
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return classCorrupt
	case sqlite3.SQLITE_READONLY:
		return classReadOnly
	}
	return classOther
}

func classOfPostgres(code string) (c class, retry bool) {
	switch code {
	case "23505": // unique_violation
		return classUnique, false
	case "40001", "40P01": // serialization_failure, deadlock_detected
		return classBusy, true
	case "55P03", "53300": // lock_not_available, too_many_connections
		return classBusy, false
	case "53100": // disk_full
		return classFull, false
	case "58030": // io_error
		return classIO, false
	case "25006": // read_only_sql_transaction
		return classReadOnly, false
	case "XX001", "XX002": // data_corrupted, index_corrupted
		return classCorrupt, false
	}
	if strings.HasPrefix(code, "08") || strings.HasPrefix(code, "57P") {
		return classLost, false
	}
	return classOther, false
}

// IsUnique tells whether err says that a row with the same key is already there.
func IsUnique(err error) bool { return classOf(err) == classUnique }

func classOf(err error) class {
	var e *dbError
	if errors.As(err, &e) {
		return e.class
	}
	return classOther
}

// unknownOutcome marks the failure of a commit after which either may be true.
func unknownOutcome(err error) error {
	return fault.Wrap(fmt.Errorf("%w: %w", ErrOutcomeUnknown, err), fault.Unavailable, "store.outcome-unknown", nil)
}

// shorten brings a statement into one line of bearable length for a log.
func shorten(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > 200 {
		s = string(r[:200]) + "…"
	}
	return s
}
