package store

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"time"

	"plumbline/internal/fault"
)

// writer is the one goroutine that may change a SQLite file.
//
// It takes whatever transactions wait, runs each inside a savepoint of its own, and commits them together: one
// flush to disk for all. Nobody waits for company: a lone transaction is committed at once, and while it is being
// flushed the next ones gather. A transaction that fails is undone to its savepoint and answered at once; its neighbours do not notice.
//
// The function of a transaction runs on its caller's goroutine, to which the writer lends the connection: so a panic
// surfaces where it belongs, with its stack, and runtime.Goexit ends the right goroutine.
type writer struct {
	opt   *options
	conn  *liteConn
	queue chan *turn
	quit  chan struct{} // closed by stop
	gone  chan struct{} // closed when the goroutine has ended

	commits atomic.Int64 // commits done, for tests and measurements
}

// turn is one transaction on its way through the writer.
type turn struct {
	state atomic.Int32
	begin chan struct{} // writer to caller: the connection is yours
	ended chan bool     // caller to writer: it is yours again; true if the transaction should be kept
	reply chan error    // writer to caller: the truth
}

// States of a turn. Whoever moves it out of waiting decides: the writer by beginning it, the caller by giving up.
const (
	turnWaiting int32 = iota
	turnBegun
	turnGivenUp
)

func startWriter(conn *liteConn, o *options) *writer {
	w := &writer{
		opt:   o,
		conn:  conn,
		queue: make(chan *turn, 1024),
		quit:  make(chan struct{}),
		gone:  make(chan struct{}),
	}
	go w.run()
	return w
}

// stop lets the batch in hand finish, turns the others away and closes the connection.
func (w *writer) stop() {
	close(w.quit)
	<-w.gone
}

// errAgain answers a transaction that was undone through no fault of its own.
var errAgain = errors.New("store: the transaction shared with others was lost")

// do runs body as one transaction; again, if a neighbour tore it along.
func (w *writer) do(ctx context.Context, body func(session) error) error {
	const most = 5
	for range most {
		if err := w.once(ctx, body); !errors.Is(err, errAgain) {
			return err
		}
	}
	return fault.Wrap(errAgain, fault.Unavailable, "store.io", nil)
}

func (w *writer) once(ctx context.Context, body func(session) error) error {
	t := &turn{begin: make(chan struct{}, 1), ended: make(chan bool, 1), reply: make(chan error, 1)}
	select {
	case w.queue <- t:
	case <-ctx.Done():
		return ctx.Err()
	case <-w.gone:
		return ErrClosed
	}
	select {
	case <-t.begin:
		return t.lend(w.conn, body)
	case err := <-t.reply:
		return err // the batch could not begin
	case <-ctx.Done():
		if t.state.CompareAndSwap(turnWaiting, turnGivenUp) {
			return ctx.Err()
		}
	case <-w.gone:
		if t.state.CompareAndSwap(turnWaiting, turnGivenUp) {
			return ErrClosed
		}
	}
	// The writer was faster: it has begun the turn, or has answered it.
	select {
	case <-t.begin:
		return t.lend(w.conn, body)
	case err := <-t.reply:
		return err
	}
}

// lend runs body with the writer's connection and waits for the outcome.
func (t *turn) lend(conn *liteConn, body func(session) error) (err error) {
	returned := false
	defer func() {
		if !returned {
			// A panic or Goexit is passing. It goes on only when the savepoint is undone, so that whoever
			// catches it finds nothing half done.
			t.ended <- false
			<-t.reply
		}
	}()
	err = body(conn)
	returned = true
	t.ended <- err == nil
	outcome := <-t.reply
	if err != nil {
		return err // undone, in whichever way
	}
	return outcome
}

func (w *writer) run() {
	defer close(w.gone)
	defer w.conn.close()
	for {
		select {
		case <-w.quit:
			return
		case first := <-w.queue:
			w.batch(first)
		}
	}
}

// batch runs first, and whatever waits behind it, as one SQLite transaction.
func (w *writer) batch(first *turn) {
	if first.state.Load() == turnGivenUp {
		return
	}
	ctx := context.Background() // neighbours depend on it: no caller's context may cut it short
	if _, err := w.conn.exec(ctx, "BEGIN IMMEDIATE", nil); err != nil {
		w.refuse(first, mapped(err, "BEGIN IMMEDIATE"))
		return
	}
	started := time.Now()
	var kept []*turn
	for t := first; t != nil; t = w.next(len(kept), started) {
		if !t.state.CompareAndSwap(turnWaiting, turnBegun) {
			continue
		}
		keep, err := w.runOne(ctx, t)
		switch {
		case keep:
			kept = append(kept, t)
		case err != nil:
			// SQLite answers some failures (disk full, I/O error) by rolling back the transaction around the savepoints,
			// and with it what the neighbours did. They are run again; the one that failed is not.
			w.rollback(ctx)
			answer(kept, errAgain)
			t.reply <- err
			return
		default:
			t.reply <- nil // undone as asked; the caller has its own error
		}
	}
	answer(kept, w.commit(ctx))
}

// next is the transaction to go on with under the same commit, nil if it is time to commit.
func (w *writer) next(n int, started time.Time) *turn {
	if w.opt.perTx || n >= w.opt.batch || time.Since(started) > w.opt.batchTime {
		return nil
	}
	select {
	case t := <-w.queue:
		return t
	default:
	}
	// Callers answered a moment ago may be about to queue again: let those that can run, run. With nobody else
	// about, this costs nothing.
	runtime.Gosched()
	select {
	case t := <-w.queue:
		return t
	default:
		return nil
	}
}

// runOne lends the connection to t inside a savepoint, and undoes what t did unless t is to be kept. An error means that
// the transaction around it is lost.
func (w *writer) runOne(ctx context.Context, t *turn) (keep bool, err error) {
	if _, err := w.conn.exec(ctx, "SAVEPOINT turn", nil); err != nil {
		return false, mapped(err, "SAVEPOINT")
	}
	t.begin <- struct{}{}
	if keep = <-t.ended; !keep {
		if _, err := w.conn.exec(ctx, "ROLLBACK TO turn", nil); err != nil {
			return false, mapped(err, "ROLLBACK TO")
		}
	}
	if _, err := w.conn.exec(ctx, "RELEASE turn", nil); err != nil {
		return false, mapped(err, "RELEASE")
	}
	return keep, nil
}

// commit makes the batch durable.
func (w *writer) commit(ctx context.Context) error {
	if err := w.opt.at(Point{Step: StepCommit}); err != nil {
		w.rollback(ctx)
		return err
	}
	if _, err := w.conn.exec(ctx, "COMMIT", nil); err != nil {
		err = mapped(err, "COMMIT")
		w.rollback(ctx)
		switch classOf(err) {
		case classBusy, classFull, classOther:
			return err // nothing was written that a recovery could take for a commit
		}
		// The flush failed after the commit record was written: gone from sight now, but a crash at this moment
		// could bring it back.
		return unknownOutcome(err)
	}
	w.commits.Add(1)
	if err := w.opt.at(Point{Step: StepCommit, After: true}); err != nil {
		return unknownOutcome(err)
	}
	return nil
}

// rollback ends a transaction that SQLite may have ended already.
func (w *writer) rollback(ctx context.Context) {
	_, _ = w.conn.exec(ctx, "ROLLBACK", nil) // "no transaction is active" is what we want
}

// refuse answers everybody who waits: whoever queued behind a lock that did not open would only wait as long again.
func (w *writer) refuse(t *turn, err error) {
	for {
		if t.state.CompareAndSwap(turnWaiting, turnBegun) {
			t.reply <- err
		}
		select {
		case t = <-w.queue:
		default:
			return
		}
	}
}

func answer(turns []*turn, err error) {
	for _, t := range turns {
		t.reply <- err
	}
}
