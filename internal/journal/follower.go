package journal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"plumbline/internal/fault"
	"plumbline/internal/store"
)

// A Follower does something with every entry, in the order of the global index, exactly once.
//
// Step runs in the transaction that notes how far the follower has read. It may run again for the same entries when the
// transaction failed, so it must change nothing but the database and what it reaches through tx.
type Follower interface {
	// Name is the key of its cursor and never changes.
	Name() string
	// Version is of how it does its work, which may rest on what is in the database; a change starts it anew.
	Version(ctx context.Context, tx *store.Tx) (string, error)
	// Reset undoes everything it ever did.
	Reset(ctx context.Context, tx *store.Tx) error
	// Step digests the next entries.
	Step(ctx context.Context, tx *store.Tx, entries []Recorded) error
}

// HeadsOnly is for followers that need only Stream, N, Action, By.Account and Index of an entry: the rest is not read.
type HeadsOnly interface{ HeadsOnly() }

// BytesOnly is for followers that need only Bytes and Index of an entry: nothing is decoded.
type BytesOnly interface{ BytesOnly() }

// Gathering is for followers that would rather do much at once than little at a time: after a step that read all there
// was they wait so long for more, and leave the database to others.
type Gathering interface{ Gather() time.Duration }

// Unskippable is for followers that must never leave an entry out, such as a log that others check: they stop at an
// entry they cannot digest and try it until it works. For all others it is set aside as a dead letter.
type Unskippable interface{ Unskippable() }

// holder names this process in leases, for the operator.
var holder = func() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return host + "/" + strconv.Itoa(os.Getpid())
}()

const (
	stepBatch    = 2000  // entries in one transaction while others want to write too
	catchUpBatch = 10000 // and while an import or a rebuild has the database to itself
	mostTries    = 5     // at a single entry before it is set aside
)

// Followers runs a set of followers. Each has its own cursor and its own lease, so that several instances share them.
type Followers struct {
	db   *store.DB
	log  *slog.Logger
	seq  *Sequencer
	list []Follower
}

// NewFollowers returns the followers, not yet running.
func NewFollowers(db *store.DB, log *slog.Logger, list ...Follower) *Followers {
	return &Followers{db: db, log: log, seq: NewSequencer(db, log), list: list}
}

// With returns these followers and more, not yet running.
func (fs *Followers) With(more ...Follower) *Followers {
	return NewFollowers(fs.db, fs.log, append(slices.Clone(fs.list), more...)...)
}

// Run numbers the journal and moves the followers along until ctx ends.
func (fs *Followers) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	wg.Go(func() { _ = fs.seq.Run(ctx) }) // ends with ctx alone, without an error
	for _, f := range fs.list {
		wg.Go(func() { fs.runner(f, stepBatch).run(ctx) })
	}
	wg.Wait()
	return nil
}

// CatchUp numbers everything and brings every follower to the end as it is when CatchUp begins, alone or together with
// instances that run beside it. progress, if given, is told how many entries are done of how many. The error
// tells of entries that had to be set aside.
func (fs *Followers) CatchUp(ctx context.Context, progress func(done, total int64)) error {
	if err := fs.seq.All(ctx); err != nil {
		return err
	}
	var head int64
	if err := fs.db.Read(ctx, func(tx *store.Tx) (err error) { head, _, err = Head(ctx, tx); return err }); err != nil {
		return err
	}
	total := head * int64(len(fs.list))
	if progress == nil {
		progress = func(int64, int64) {}
	}
	var aside error
	for i, f := range fs.list {
		r := fs.runner(f, catchUpBatch)
		err := r.until(ctx, head, func(done int64) { progress(head*int64(i)+min(done, head), total) })
		r.right.release(ctx)
		if err != nil {
			return err
		}
		if r.buried > 0 {
			aside = errors.Join(aside, fmt.Errorf("journal: %s set aside %d entries it cannot process", f.Name(), r.buried))
		}
	}
	return aside
}

func (fs *Followers) runner(f Follower, batch int) *runner {
	return &runner{
		db: fs.db, log: fs.log.With("follower", f.Name()), f: f,
		right: right{db: fs.db, name: "follower/" + f.Name()}, most: batch, batch: batch,
	}
}

// runner moves one follower along.
type runner struct {
	db    *store.DB
	log   *slog.Logger
	f     Follower
	right right

	most, batch int // batch shrinks to find the one entry that fails
	failures    int
	buried      int
}

// outcome is what a step came to.
type outcome struct {
	read   int   // entries
	cursor int64 // after it
}

func (r *runner) run(ctx context.Context) {
	defer r.right.release(ctx)
	for ctx.Err() == nil {
		rung := placed.Next()
		behind, _, err := r.behind(ctx)
		var out outcome
		if err == nil && behind {
			var ours bool
			if ours, err = r.right.take(ctx); err == nil && ours {
				out, err = r.step(ctx)
			}
		}
		if wait := r.judge(ctx, err); wait > 0 {
			pause(ctx, wait, nil)
		} else if out.read == 0 && err == nil {
			pause(ctx, poll, rung)
		} else if g, ok := r.f.(Gathering); ok && err == nil && out.read < r.batch {
			pause(ctx, g.Gather(), nil)
		}
	}
}

// until moves the follower to head. Where another instance has the lease, it waits for that one to get there.
func (r *runner) until(ctx context.Context, head int64, progress func(done int64)) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		behind, cursor, err := r.behind(ctx)
		if err == nil && (!behind || cursor >= head) {
			progress(head)
			return nil
		}
		var ours bool
		if err == nil {
			ours, err = r.right.take(ctx)
		}
		var out outcome
		if err == nil && ours {
			out, err = r.step(ctx)
		}
		switch {
		case err == nil && ours:
			r.judge(ctx, nil)
			progress(out.cursor)
		case err == nil:
			progress(cursor)
			pause(ctx, poll/5, nil)
		case transient(err) && r.failures > 10:
			return err // a command says so and ends; a server goes on trying
		default:
			if _, patient := r.f.(Unskippable); patient && !transient(err) && r.failures > mostTries {
				return err
			}
			pause(ctx, r.judge(ctx, err), nil)
		}
	}
}

// judge decides what follows from the outcome of a step, and how long to wait before the next.
func (r *runner) judge(ctx context.Context, err error) time.Duration {
	switch {
	case err == nil:
		r.failures = 0
		r.batch = min(r.most, r.batch*2)
		return 0
	case ctx.Err() != nil:
		return 0
	case errors.Is(err, store.ErrLeaseLost):
		r.right.lease = nil
		return 0
	case transient(err):
		r.failures++
		r.log.Warn("a follower failed and is tried again", "failures", r.failures, "error", err)
		return backoff(r.failures)
	case r.batch > 1:
		r.batch = max(1, r.batch/8) // which one is it?
		return 0
	}
	r.failures++
	_, patient := r.f.(Unskippable)
	if r.failures < mostTries || patient {
		r.log.Warn("a follower cannot digest an entry and tries again", "failures", r.failures, "error", err)
		return backoff(r.failures)
	}
	idx, buryErr := r.bury(ctx, err)
	if buryErr != nil {
		r.log.Warn("a follower could not set an entry aside", "error", buryErr)
		return backoff(r.failures)
	}
	r.log.Error("a follower set an entry aside as a dead letter", "idx", idx, "tries", r.failures, "error", err)
	r.failures = 0
	r.buried++
	return 0
}

// transient tells of failures that lie in the machine and not in the entry.
func transient(err error) bool {
	return fault.Is(err, fault.Unavailable) || errors.Is(err, store.ErrOutcomeUnknown) || errors.Is(err, store.ErrLeaseLost) ||
		errors.Is(err, errCursorMoved) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

const (
	selectCursor = `SELECT idx, version FROM follower WHERE name = $1`
	insertCursor = `INSERT INTO follower (name, idx, version) VALUES ($1, 0, $2)`
	resetCursor  = `UPDATE follower SET idx = 0, version = $2 WHERE name = $1`
	moveCursor   = `UPDATE follower SET idx = $1 WHERE name = $2 AND idx = $3`
	insertDead   = `INSERT INTO dead_letter (follower, idx, at, tries, error) VALUES ($1, $2, $3, $4, $5)`
)

var errCursorMoved = errors.New("journal: another instance moved the follower on")

// behind tells whether there is something to do, and how far the follower is.
func (r *runner) behind(ctx context.Context) (yes bool, cursor int64, err error) {
	err = r.db.Read(ctx, func(tx *store.Tx) error {
		cur, version, err := Cursor(ctx, tx, r.f.Name())
		if err != nil {
			return err
		}
		cursor = cur
		want, err := r.f.Version(ctx, tx)
		if err != nil {
			return err
		}
		if version != want {
			yes, cursor = true, 0
			return nil
		}
		var head int64
		if err := tx.QueryRow(ctx, `SELECT idx FROM journal_head WHERE id = 1`).Scan(&head); err != nil {
			return err
		}
		yes = cur < head
		return nil
	})
	return yes, cursor, err
}

// step does one batch: the entries, what the follower makes of them and its cursor, in one transaction.
func (r *runner) step(ctx context.Context) (out outcome, err error) {
	err = r.db.Tx(ctx, func(tx *store.Tx) error {
		out = outcome{}
		if err := r.right.lease.Held(ctx, tx); err != nil {
			return err
		}
		cursor, err := r.start(ctx, tx)
		if err != nil {
			return err
		}
		read := Since
		if _, heads := r.f.(HeadsOnly); heads {
			read = headsSince
		}
		if _, bytes := r.f.(BytesOnly); bytes {
			read = bytesSince
		}
		entries, err := read(ctx, tx, cursor, r.batch)
		if err != nil {
			return err
		}
		out = outcome{read: len(entries), cursor: cursor}
		if len(entries) == 0 {
			return nil
		}
		if err := r.f.Step(ctx, tx, entries); err != nil {
			return err
		}
		out.cursor = entries[len(entries)-1].Index
		return moved(tx.Affected(ctx, moveCursor, out.cursor, r.f.Name(), cursor))
	})
	if err != nil {
		return outcome{}, fmt.Errorf("journal: follower %s: %w", r.f.Name(), err)
	}
	return out, nil
}

// start returns the follower's cursor, having set everything back if the follower does its work in a new way.
func (r *runner) start(ctx context.Context, tx *store.Tx) (int64, error) {
	version, err := r.f.Version(ctx, tx)
	if err != nil {
		return 0, err
	}
	var cursor int64
	var was string
	err = tx.QueryRow(ctx, selectCursor, r.f.Name()).Scan(&cursor, &was)
	switch {
	case errors.Is(err, store.ErrNotFound):
		_, err = tx.Exec(ctx, insertCursor, r.f.Name(), version)
	case err == nil && was != version:
		cursor = 0
		_, err = tx.Exec(ctx, resetCursor, r.f.Name(), version)
	case err == nil:
		return cursor, nil
	}
	if err != nil {
		return 0, err
	}
	if _, err := tx.Exec(ctx, `DELETE FROM dead_letter WHERE follower = $1`, r.f.Name()); err != nil {
		return 0, err
	}
	return cursor, r.f.Reset(ctx, tx)
}

func moved(rows int64, err error) error {
	if err == nil && rows != 1 {
		return errCursorMoved
	}
	return err
}

// bury sets the next entry aside and moves on.
func (r *runner) bury(ctx context.Context, cause error) (idx int64, err error) {
	err = r.db.Tx(ctx, func(tx *store.Tx) error {
		if err := r.right.lease.Held(ctx, tx); err != nil {
			return err
		}
		cursor, _, err := Cursor(ctx, tx, r.f.Name())
		if err != nil {
			return err
		}
		idx = cursor + 1 // the index has no gaps
		now, err := tx.Now(ctx)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, insertDead, r.f.Name(), idx, now.UnixMicro(), r.failures, cause.Error()); err != nil {
			return err
		}
		return moved(tx.Affected(ctx, moveCursor, idx, r.f.Name(), cursor))
	})
	return idx, err
}

// Cursor tells how far a follower has read, and by which version of itself; 0 and "" if it never began.
func Cursor(ctx context.Context, tx *store.Tx, name string) (idx int64, version string, err error) {
	err = tx.QueryRow(ctx, selectCursor, name).Scan(&idx, &version)
	if errors.Is(err, store.ErrNotFound) {
		return 0, "", nil
	}
	return idx, version, err
}

// A DeadLetter is an entry that a follower could not digest.
type DeadLetter struct {
	Follower string
	Index    int64
	At       time.Time
	Tries    int64
	Error    string
}

// DeadLetters lists what was set aside, oldest first.
func DeadLetters(ctx context.Context, tx *store.Tx) ([]DeadLetter, error) {
	rows, err := tx.Query(ctx, `SELECT follower, idx, at, tries, error FROM dead_letter ORDER BY follower, idx`)
	if err != nil {
		return nil, fmt.Errorf("journal: dead letters: %w", err)
	}
	return store.Collect(rows, func(r *store.Rows) (d DeadLetter, err error) {
		var at int64
		err = r.Scan(&d.Follower, &d.Index, &at, &d.Tries, &d.Error)
		d.At = time.UnixMicro(at).UTC()
		return d, err
	})
}

// RetryDead gives every entry that was set aside to its follower once more, out of order, and forgets those that now
// work. It returns how many are left.
func (fs *Followers) RetryDead(ctx context.Context) (left int, err error) {
	var dead []DeadLetter
	if err := fs.db.Read(ctx, func(tx *store.Tx) (err error) { dead, err = DeadLetters(ctx, tx); return err }); err != nil {
		return 0, err
	}
	for _, d := range dead {
		for _, f := range fs.list {
			if f.Name() != d.Follower {
				continue
			}
			if err := fs.retry(ctx, f, d.Index); err != nil {
				fs.log.Warn("a dead letter still cannot be digested", "follower", d.Follower, "idx", d.Index, "error", err)
				left++
			}
		}
	}
	return left, nil
}

func (fs *Followers) retry(ctx context.Context, f Follower, idx int64) error {
	return fs.db.Tx(ctx, func(tx *store.Tx) error {
		entries, err := Since(ctx, tx, idx-1, 1)
		if err != nil {
			return err
		}
		if err := f.Step(ctx, tx, entries); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `DELETE FROM dead_letter WHERE follower = $1 AND idx = $2`, f.Name(), idx)
		return err
	})
}
