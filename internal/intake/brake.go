package intake

import (
	"sync"
	"time"
)

// A Brake slows down those who guess receipt codes: a bucket of wrong answers that fills again with time, one for
// everybody, because telling guessers apart would mean keeping addresses.
//
// It counts wrong codes only. A right one always passes: 100 random bits are not found by guessing, and nobody must be able
// to lock reporters out by flooding the office with wrong codes.
type Brake struct {
	mu    sync.Mutex
	now   func() time.Time
	most  float64
	every time.Duration
	left  float64
	last  time.Time
}

// NewBrake returns a brake that lets most wrong codes through at once and one more after each span of time.
func NewBrake(most int, every time.Duration, now func() time.Time) *Brake {
	return &Brake{now: now, most: float64(most), left: float64(most), every: every, last: now()}
}

// Wrong notes a wrong code and reports whether there have been too many lately.
func (b *Brake) Wrong() (tooMany bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	if gone := now.Sub(b.last); gone > 0 {
		b.left = min(b.most, b.left+float64(gone)/float64(b.every))
		b.last = now
	}
	if b.left < 1 {
		return true
	}
	b.left--
	return false
}
