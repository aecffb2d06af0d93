package store

import (
	"container/list"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	_ "modernc.org/sqlite" // registers the driver "sqlite"

	"plumbline/internal/fault"
)

// applicationID marks a SQLite file as ours: "PLUM" in the file's header.
const applicationID = 0x504c554d

// sqliteEngine is a SQLite file: one connection that writes, several that read.
type sqliteEngine struct {
	opt     *options
	writes  *sql.DB // the connections come from here and stay with us until close
	reads   *sql.DB
	writer  *writer
	readers chan *liteConn // idle readers; nil stands for one not yet opened
	closing chan struct{}  // closed by close
	tempDir string         // of a database that lives as long as we do
}

func openSQLite(ctx context.Context, path string, o *options) (engine, error) {
	e := &sqliteEngine{opt: o, closing: make(chan struct{})}
	if path == ":memory:" {
		// A real file in a private folder behaves as every other database does: WAL, readers beside the writer.
		dir, err := os.MkdirTemp("", "plumbline-store-")
		if err != nil {
			return nil, cannotOpen(path, err)
		}
		e.tempDir, path = dir, filepath.Join(dir, "memory.db")
	}
	if err := e.open(ctx, path); err != nil {
		if e.writes != nil {
			_ = e.writes.Close()
		}
		if e.reads != nil {
			_ = e.reads.Close()
		}
		e.removeTemp()
		return nil, err
	}
	return e, nil
}

func (e *sqliteEngine) open(ctx context.Context, path string) error {
	path, err := prepareFile(path)
	if err != nil {
		return err
	}
	if e.writes, err = sql.Open("sqlite", e.dsn(path, false)); err != nil {
		return cannotOpen(path, err)
	}
	if e.reads, err = sql.Open("sqlite", e.dsn(path, true)); err != nil {
		return cannotOpen(path, err)
	}
	conn, err := e.writes.Conn(ctx)
	if err != nil {
		return cannotOpen(path, err)
	}
	if err := recognise(ctx, conn); err != nil {
		_ = conn.Close()
		return cannotOpen(path, err)
	}
	e.writer = startWriter(newLiteConn(conn, true), e.opt)
	e.readers = make(chan *liteConn, e.opt.readers)
	for range e.opt.readers {
		e.readers <- nil
	}
	return nil
}

// dsn tells the driver how the connection behaves. busy_timeout stands first, so that the rest waits for other processes too.
func (e *sqliteEngine) dsn(path string, reader bool) string {
	q := []string{
		fmt.Sprintf("busy_timeout(%d)", e.opt.busyTimeout.Milliseconds()),
		"journal_mode(WAL)",
		"synchronous(FULL)",
		"foreign_keys(1)",
		"trusted_schema(0)",
	}
	if reader {
		q = append(q, "cache_size(-16384)", "query_only(1)")
	} else {
		// Checkpoints copy the log into the file with two flushes; every 16 MiB instead of 4 is half the flushes of
		// a busy writer, and the log is cut back after an import.
		// What a savepoint would have to put back stays in memory: written to a file, it costs a third of a busy group.
		// The driver's allocator rounds a page of the cache up to twice its size: 48 MiB of pages take 96 MiB.
		q = append(q, "temp_store(memory)", "cache_size(-49152)", "wal_autocheckpoint(4000)", "journal_size_limit(67108864)")
	}
	u := "file:" + (&url.URL{Path: path}).EscapedPath() + "?mode=rw&_dqs=0"
	for _, p := range q {
		u += "&_pragma=" + p
	}
	return u
}

// prepareFile makes sure that path is a file we may use; a new one can be read by its owner alone, and SQLite gives the
// same permissions to the files it puts beside it.
func prepareFile(path string) (string, error) {
	if path == "" {
		return "", fault.Wrap(errors.New("no file named; write sqlite:plumbline.db"), fault.Invalid, "store.url", nil)
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return "", cannotOpen(path, err)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	switch {
	case err == nil:
		syncFolder(filepath.Dir(path))
		return path, f.Close()
	case !errors.Is(err, fs.ErrExist):
		return "", cannotOpen(path, err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", cannotOpen(path, err)
	}
	if info.IsDir() {
		return "", cannotOpen(path, errors.New("it is a folder; name a file in it"))
	}
	if f, err = os.OpenFile(path, os.O_RDWR, 0); err != nil {
		return "", cannotOpen(path, err)
	}
	return path, f.Close()
}

// syncFolder makes the name of a new file durable, which a flush of the file alone does not. SQLite flushes the folder
// again when it makes the log; where a folder cannot be flushed, that has to do.
func syncFolder(dir string) {
	if d, err := os.Open(dir); err == nil {
		_ = d.Sync()
		_ = d.Close()
	}
}

// cannotOpen says which file cannot be used and why; a person installing needs both.
func cannotOpen(path string, err error) error {
	if errors.Is(err, errNotOurs) {
		return fmt.Errorf("open %s: %w", path, err)
	}
	err = mapped(err, "")
	key := "store.open"
	if classOf(err) == classCorrupt {
		key = "store.not-a-database"
	}
	return fault.Wrap(fmt.Errorf("open %s: %w", path, err), fault.Unavailable, key, fault.Args{"path": path})
}

// recognise refuses a file that some other program made: an empty one becomes ours at the first migration.
func recognise(ctx context.Context, conn *sql.Conn) error {
	var mode string
	if err := conn.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&mode); err != nil {
		return err
	}
	if mode != "wal" {
		return fmt.Errorf("the file system cannot hold a write-ahead log (journal mode is %q); use a local disk", mode)
	}
	var id, tables int64
	if err := conn.QueryRowContext(ctx, "PRAGMA application_id").Scan(&id); err != nil {
		return err
	}
	if id == applicationID {
		return nil
	}
	if err := conn.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_master").Scan(&tables); err != nil {
		return err
	}
	if id != 0 || tables > 0 {
		return errNotOurs
	}
	return nil
}

var errNotOurs error = fault.Wrap(errors.New("the database holds the tables of another program; name an empty or a new one"),
	fault.Invalid, "store.not-ours", nil)

func (e *sqliteEngine) dialect() Dialect { return SQLite }

func (e *sqliteEngine) write(ctx context.Context, _ isolation, body func(session) error) error {
	return e.writer.do(ctx, body)
}

func (e *sqliteEngine) read(ctx context.Context, body func(session) error) (err error) {
	var c *liteConn
	select {
	case c = <-e.readers:
	case <-ctx.Done():
		return ctx.Err()
	case <-e.closing:
		return ErrClosed
	}
	healthy := false
	defer func() {
		if !healthy && c != nil {
			c.close() // also after a panic: whatever state it is in, nobody else shall meet it
			c = nil
		}
		e.readers <- c
	}()
	if c == nil {
		conn, err := e.reads.Conn(ctx)
		if err != nil {
			return mapped(err, "")
		}
		c = newLiteConn(conn, false)
	}
	if _, err := c.exec(ctx, "BEGIN", nil); err != nil {
		return mapped(err, "BEGIN")
	}
	err = body(c)
	// The snapshot is given back even if ctx has ended, else it would hold the log of the writer for ever.
	if _, end := c.exec(context.WithoutCancel(ctx), "ROLLBACK", nil); end == nil {
		healthy = true
	} else if err == nil {
		err = mapped(end, "ROLLBACK")
	}
	return err
}

func (e *sqliteEngine) close() error {
	close(e.closing)
	e.writer.stop()
	for range cap(e.readers) {
		if c := <-e.readers; c != nil {
			c.close()
		}
	}
	err := errors.Join(e.reads.Close(), e.writes.Close())
	e.removeTemp()
	return err
}

func (e *sqliteEngine) removeTemp() {
	if e.tempDir != "" {
		_ = os.RemoveAll(e.tempDir) // best effort; it is in the system's folder for temporary files
	}
}

// liteConn is one SQLite connection with the statements it has parsed: parsing costs more than a small insert.
type liteConn struct {
	conn   *sql.Conn
	writes bool
	stmts  map[string]*list.Element
	order  *list.List // of *liteStmt, most recently used first
}

type liteStmt struct {
	text string
	stmt *sql.Stmt
}

// keptStatements bounds what a connection keeps: lists with many optional filters make many texts.
const keptStatements = 400

func newLiteConn(conn *sql.Conn, writes bool) *liteConn {
	return &liteConn{conn: conn, writes: writes, stmts: map[string]*list.Element{}, order: list.New()}
}

func (c *liteConn) close() {
	for el := c.order.Front(); el != nil; el = el.Next() {
		_ = el.Value.(*liteStmt).stmt.Close() // the connection goes anyway
	}
	_ = c.conn.Close()
}

func (c *liteConn) prepare(ctx context.Context, text string) (*sql.Stmt, error) {
	if el, ok := c.stmts[text]; ok {
		c.order.MoveToFront(el)
		return el.Value.(*liteStmt).stmt, nil
	}
	stmt, err := c.conn.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	c.stmts[text] = c.order.PushFront(&liteStmt{text, stmt})
	if c.order.Len() > keptStatements {
		last := c.order.Back()
		old := c.order.Remove(last).(*liteStmt)
		delete(c.stmts, old.text)
		_ = old.stmt.Close() // nothing can be wrong with a statement at rest
	}
	return stmt, nil
}

func (c *liteConn) exec(ctx context.Context, text string, args []any) (sql.Result, error) {
	stmt, err := c.prepare(ctx, text)
	if err != nil {
		return nil, err
	}
	return stmt.ExecContext(ctx, args...)
}

func (c *liteConn) query(ctx context.Context, text string, args []any) (*sql.Rows, error) {
	stmt, err := c.prepare(ctx, text)
	if err != nil {
		return nil, err
	}
	return stmt.QueryContext(ctx, args...)
}

func (c *liteConn) script(ctx context.Context, text string) error {
	_, err := c.conn.ExecContext(ctx, text)
	return err
}

// uninterrupted is true on the writer: SQLite answers an interrupted write by rolling back the whole transaction, and
// with it the neighbours under the same commit.
func (c *liteConn) uninterrupted() bool { return c.writes }

// largestChunk rows go into one INSERT. The remainder is inserted in halves of it, so that a table needs at most seven
// statements, all of them parsed once.
const largestChunk = 64

func (c *liteConn) insertMany(ctx context.Context, table string, cols []string, rows [][]any) error {
	const mostArguments = 32_000 // SQLite takes 32,766
	args := make([]any, 0, largestChunk*len(cols))
	for n := largestChunk; n > 0; n /= 2 {
		if n*len(cols) > mostArguments && n > 1 {
			continue
		}
		var text string
		for len(rows) >= n {
			if text == "" {
				text = insertText(table, cols, n)
			}
			args = args[:0]
			for _, row := range rows[:n] {
				args = append(args, row...)
			}
			if _, err := c.exec(ctx, text, args); err != nil {
				return mapped(err, insertText(table, cols, 1))
			}
			rows = rows[n:]
		}
	}
	return nil
}

// insertText has nameless placeholders, unlike all other statements: the driver asks for the name of each argument it
// binds, and SQLite finds names one after the other, which with $1 to $1000 takes longer than the inserting.
func insertText(table string, cols []string, rows int) string {
	var b strings.Builder
	b.WriteString(`INSERT INTO "` + table + `" ("` + strings.Join(cols, `", "`) + `") VALUES `)
	for r := range rows {
		if r > 0 {
			b.WriteString(", ")
		}
		b.WriteString("(?" + strings.Repeat(", ?", len(cols)-1) + ")")
	}
	return b.String()
}
