// Package store keeps the records of an office in SQLite or PostgreSQL, and makes both keep the same promises.
//
// A write transaction given to [DB.Tx] has taken effect wholly and durably when Tx returns nil, and not
// at all when it returns an error, unless the error is [ErrOutcomeUnknown]: then the database went away
// between doing and saying, and the caller must look. On SQLite concurrent writers share one flush to
// disk (group commit) without sharing their failures; on PostgreSQL a transaction that lost a race is
// run again. A read transaction given to [DB.Read] sees one unchanging state and never waits for a writer.
//
// The package knows no table but its own two, store_migration and store_lease. Statements
// are written once, in the SQL both databases take, with $1 placeholders.
package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"plumbline/internal/fault"
)

// A Dialect is the language of a database, for the very few statements that must differ.
type Dialect int

const (
	SQLite Dialect = iota + 1
	Postgres
)

func (d Dialect) String() string {
	switch d {
	case SQLite:
		return "sqlite"
	case Postgres:
		return "postgres"
	}
	return fmt.Sprintf("dialect(%d)", int(d))
}

// Options of [Open]; the zero value of each means "as usual".
type options struct {
	log         *slog.Logger
	hook        Hook
	readers     int
	writers     int           // PostgreSQL connections that write
	busyTimeout time.Duration // how long SQLite waits for another process
	batch       int           // most transactions under one commit
	batchTime   time.Duration // longest time a commit is put off by further transactions
	perTx       bool          // one commit per transaction: what group commit is measured against
}

// An Option changes how a database is opened.
type Option func(*options)

// WithLogger gives the logger for retries and slow locks. It gets no values of any row.
func WithLogger(l *slog.Logger) Option { return func(o *options) { o.log = l } }

// WithReaders sets how many read transactions can run at the same time.
func WithReaders(n int) Option { return func(o *options) { o.readers = n } }

// WithWriters sets how many write transactions can run at the same time on PostgreSQL. SQLite has one writer.
func WithWriters(n int) Option { return func(o *options) { o.writers = n } }

// WithBusyTimeout sets how long a SQLite write waits for another process that holds the file.
func WithBusyTimeout(d time.Duration) Option { return func(o *options) { o.busyTimeout = d } }

// WithoutGroupCommit gives every SQLite transaction a commit of its own. It exists to measure what sharing is worth.
func WithoutGroupCommit() Option { return func(o *options) { o.perTx = true } }

// WithHook lets a test stand between the store and its database; see [Hook].
func WithHook(h Hook) Option { return func(o *options) { o.hook = h } }

// A Hook is called before and after every step that a transaction takes in the database. An error returned
// before a step keeps the step from happening; an error returned after it hides that it did happen. Either way the
// transaction sees the error. Tests use it to prove that nothing is ever half done.
type Hook func(Point) error

// A Point is where a [Hook] is called.
type Point struct {
	Step  Step
	SQL   string // of a statement; "" for a commit
	After bool
}

// A Step is a thing a transaction does to the database.
type Step string

const (
	StepExec   Step = "exec"
	StepQuery  Step = "query"
	StepCommit Step = "commit"
)

// DB is an open database. It is safe for use by many goroutines.
type DB struct {
	opt    options
	engine engine
	closed atomic.Bool
	inside sync.Map // goroutine id → struct{}: who is inside Tx now
}

// engine is what differs between the databases: how a transaction is begun and ended.
type engine interface {
	dialect() Dialect
	write(ctx context.Context, how isolation, body func(session) error) error
	read(ctx context.Context, body func(session) error) error
	close() error
}

// Open opens the database that url names, creating the file of a SQLite database that does not exist yet:
//
//	sqlite:/var/lib/plumbline/plumbline.db
//	sqlite::memory:                          (a private file that is gone after Close)
//	postgres://user@host:5432/plumbline
func Open(ctx context.Context, url string, opts ...Option) (*DB, error) {
	procs := runtime.GOMAXPROCS(0)
	o := options{
		log:         slog.New(slog.DiscardHandler),
		readers:     min(max(4, 2*procs), 16),
		writers:     min(max(8, 4*procs), 32),
		busyTimeout: 10 * time.Second,
		batch:       512,
		batchTime:   50 * time.Millisecond,
	}
	for _, opt := range opts {
		opt(&o)
	}
	db := &DB{opt: o}
	scheme, rest, _ := strings.Cut(url, ":")
	var err error
	switch scheme {
	case "sqlite":
		db.engine, err = openSQLite(ctx, rest, &db.opt)
	case "postgres", "postgresql":
		db.engine, err = openPostgres(ctx, url, &db.opt)
	default:
		err = fault.Wrap(errors.New("unknown kind of database; write sqlite:plumbline.db or postgres://user@host/database"),
			fault.Invalid, "store.url", nil)
	}
	if err != nil {
		return nil, err
	}
	return db, nil
}

// Close waits for the transactions that have begun, refuses those that have not, and closes the database.
func (db *DB) Close() error {
	if db.closed.Swap(true) {
		return nil
	}
	return db.engine.close()
}

// Dialect tells which database this is.
func (db *DB) Dialect() Dialect { return db.engine.dialect() }

// Tx runs fn in a read-write transaction and commits it when fn returns nil. When fn returns an error, panics or
// ends its goroutine, nothing of it takes effect, and neither do other transactions notice.
//
// fn must keep its hands off everything but tx and variables it sets anew, because it may run again: on PostgreSQL when
// it lost a race against another transaction, on SQLite when the disk ran full under a neighbour. Once fn has begun, Tx waits for its end even if ctx ends, so
// that the answer is the truth; statements inside fn fail when ctx has ended. A transaction that has not had
// its turn when ctx ends never happens. Calling Tx inside fn fails at once: pass tx along instead.
func (db *DB) Tx(ctx context.Context, fn func(tx *Tx) error) error {
	return db.tx(ctx, serializable, fn)
}

// TxLocking is Tx for work that orders itself by a row which it locks (updates) before it looks at anything else.
// Each of its statements then sees what others have committed so far, and neither such a transaction nor those that
// run beside it are ever made to run again because of what they read. On PostgreSQL that is READ COMMITTED; SQLite
// has one writer, and TxLocking is Tx.
func (db *DB) TxLocking(ctx context.Context, fn func(tx *Tx) error) error {
	return db.tx(ctx, locking, fn)
}

// isolation is how far a write transaction is kept apart from others that run at the same time.
type isolation int

const (
	serializable isolation = iota
	locking
)

func (db *DB) tx(ctx context.Context, how isolation, fn func(tx *Tx) error) error {
	if db.closed.Load() {
		return ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	me := goroutineID()
	if _, nested := db.inside.Load(me); nested {
		return ErrNested
	}
	var after []func()
	err := db.engine.write(ctx, how, func(s session) error {
		db.inside.Store(me, struct{}{})
		defer db.inside.Delete(me)
		tx := &Tx{db: db, s: s}
		defer tx.finish()
		if err := tx.settle(fn(tx)); err != nil {
			return err
		}
		after = tx.after
		return nil
	})
	if err != nil {
		return err
	}
	for _, f := range after {
		f()
	}
	return nil
}

// Read runs fn on one unchanging state of the database. It never waits for a writer and writes nothing:
// a statement that would write fails with [ErrReadOnly]. Inside a Tx, Read does not see what that Tx has
// done so far; use the tx itself.
func (db *DB) Read(ctx context.Context, fn func(tx *Tx) error) error {
	if db.closed.Load() {
		return ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return db.engine.read(ctx, func(s session) error {
		tx := &Tx{db: db, s: s, readOnly: true}
		defer tx.finish()
		return tx.settle(fn(tx))
	})
}

// at calls the test hook, if there is one.
func (o *options) at(p Point) error {
	if o.hook == nil {
		return nil
	}
	return o.hook(p)
}
