package journal

import "sync"

// A Bell wakes those who wait for something to happen. A ring is only a hint: who is woken looks for work and
// may find none, and who sleeps through it looks anyway after a while.
type Bell struct {
	mu      sync.Mutex
	waiting chan struct{}
}

// Ring wakes everybody who waits.
func (b *Bell) Ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.waiting != nil {
		close(b.waiting)
		b.waiting = nil
	}
}

// Next returns a channel that is closed at the next ring. Take it before looking for work, so that a ring in
// between is not missed.
func (b *Bell) Next() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.waiting == nil {
		b.waiting = make(chan struct{})
	}
	return b.waiting
}

// The bells are shared by all databases of the process; there is one but in tests, where being woken for nothing costs
// a query.
var (
	appended Bell // entries were committed
	placed   Bell // entries got their global index
)
