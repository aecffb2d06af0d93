package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"plumbline/internal/fault"
)

// postgresEngine is a PostgreSQL database, or one that speaks its protocol. Readers have connections of their own, so
// that they never wait for writers.
type postgresEngine struct {
	opt     *options
	writers *sql.DB
	readers *sql.DB
}

func openPostgres(ctx context.Context, url string, o *options) (engine, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		// The error of pgx masks the password.
		return nil, fault.Wrap(err, fault.Invalid, "store.url", nil)
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = 10 * time.Second
	}
	if _, set := config.RuntimeParams["application_name"]; !set {
		config.RuntimeParams["application_name"] = "plumbline"
	}
	e := &postgresEngine{opt: o, writers: stdlib.OpenDB(*config), readers: stdlib.OpenDB(*config)}
	e.writers.SetMaxOpenConns(o.writers)
	e.readers.SetMaxOpenConns(o.readers)
	for _, pool := range []*sql.DB{e.writers, e.readers} {
		pool.SetMaxIdleConns(max(o.writers, o.readers))
		pool.SetConnMaxIdleTime(5 * time.Minute)
	}
	var encoding string
	if err := e.readers.QueryRowContext(ctx, "SHOW server_encoding").Scan(&encoding); err != nil {
		_ = e.close() // the first error is the one to report
		return nil, fault.Wrap(fmt.Errorf("connect to PostgreSQL: %w", mapped(err, "")), fault.Unavailable, "store.connect",
			fault.Args{"host": config.Host})
	}
	var collation string
	if err := e.readers.QueryRowContext(ctx, "SELECT datcollate FROM pg_database WHERE datname = current_database()").Scan(&collation); err == nil &&
		collation != "C" && collation != "POSIX" && collation != "C.UTF-8" {
		o.log.Warn("the database sorts text by the rules of a language, so lists may be ordered otherwise than on SQLite", "collation", collation)
	}
	if encoding != "UTF8" {
		_ = e.close()
		return nil, fault.Wrap(fmt.Errorf("the database stores text as %s; create it with ENCODING 'UTF8'", encoding),
			fault.Invalid, "store.encoding", fault.Args{"encoding": encoding})
	}
	return e, nil
}

func (e *postgresEngine) dialect() Dialect { return Postgres }

func (e *postgresEngine) close() error { return errors.Join(e.writers.Close(), e.readers.Close()) }

// mostAttempts at a transaction that keeps losing races; with the pauses between them, several seconds.
const mostAttempts = 20

func (e *postgresEngine) write(ctx context.Context, how isolation, body func(session) error) error {
	opts := sql.TxOptions{Isolation: sql.LevelSerializable}
	if how == locking {
		opts.Isolation = sql.LevelReadCommitted
	}
	for attempt := 1; ; attempt++ {
		err := e.once(ctx, e.writers, opts, body)
		var lost *dbError
		if !errors.As(err, &lost) || !lost.retry || attempt == mostAttempts {
			return err
		}
		pause := rand.N(min(time.Duration(1)<<min(attempt, 10)*time.Millisecond, 300*time.Millisecond))
		e.opt.log.Debug("transaction lost a race and runs again", "attempt", attempt, "pause", pause)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (e *postgresEngine) read(ctx context.Context, body func(session) error) error {
	return e.once(ctx, e.readers, sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}, body)
}

// once runs body in one transaction, once.
func (e *postgresEngine) once(ctx context.Context, pool *sql.DB, opts sql.TxOptions, body func(session) error) error {
	conn, err := pool.Conn(ctx)
	if err != nil {
		err = mapped(err, "")
		if ctx.Err() == nil && classOf(err) == classOther {
			return &dbError{class: classLost, cause: err} // the driver's own time for connecting has run out
		}
		return err
	}
	defer func() { _ = conn.Close() }() // gives it back to the pool, which looks after its health
	// Statements end with ctx; the transaction itself is ended here, so that the answer is known.
	tx, err := conn.BeginTx(context.WithoutCancel(ctx), &opts)
	if err != nil {
		return mapped(err, "BEGIN")
	}
	open := true
	defer func() {
		if open {
			_ = tx.Rollback() // a panic is passing, or body's error is the one to report
		}
	}()
	if err := body(&pgSession{conn: conn, tx: tx}); err != nil {
		return err
	}
	if opts.ReadOnly {
		return nil // the rollback ends it as well as a commit
	}
	if err := e.opt.at(Point{Step: StepCommit}); err != nil {
		return err
	}
	open = false
	if err := tx.Commit(); err != nil {
		err = mapped(err, "COMMIT")
		if classOf(err) == classLost || classOf(err) == classIO {
			return unknownOutcome(err)
		}
		return err
	}
	if err := e.opt.at(Point{Step: StepCommit, After: true}); err != nil {
		return unknownOutcome(err)
	}
	return nil
}

type pgSession struct {
	conn *sql.Conn
	tx   *sql.Tx
}

func (s *pgSession) exec(ctx context.Context, query string, args []any) (sql.Result, error) {
	return s.tx.ExecContext(ctx, query, args...)
}

func (s *pgSession) query(ctx context.Context, query string, args []any) (*sql.Rows, error) {
	return s.tx.QueryContext(ctx, query, args...)
}

// script uses the simple protocol, the only one that takes several statements at once.
func (s *pgSession) script(ctx context.Context, text string) error {
	_, err := s.tx.ExecContext(ctx, text, pgx.QueryExecModeSimpleProtocol)
	return err
}

func (s *pgSession) uninterrupted() bool { return false }

func (s *pgSession) insertMany(ctx context.Context, table string, cols []string, rows [][]any) error {
	return s.conn.Raw(func(driverConn any) error {
		c := driverConn.(*stdlib.Conn).Conn()
		_, err := c.CopyFrom(ctx, pgx.Identifier{table}, cols, pgx.CopyFromRows(rows))
		return err
	})
}
