package intake

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"strings"
	"sync"
	"time"

	"plumbline/internal/fault"
	"plumbline/internal/ref"
)

// A Brake slows down those who guess receipt codes, without keeping who they are.
//
// Two limits stand beside each other. For everybody together there is a bucket of wrong answers that fills again with
// time; it counts wrong codes only, and a right one always passes: 100 random bits are not found by guessing, and nobody
// must be able to lock reporters out by flooding the office with wrong codes. And for each beginning of a code there are few
// tries, right or wrong: whoever saw a part of somebody's code does not find the rest by trying. That locks out nobody
// either, since only who knows half of a code can use up the tries of its owner.
//
// What was tried is kept as a hash under a key that lives in memory and changes with each start.
type Brake struct {
	mu    sync.Mutex
	now   func() time.Time
	most  float64
	every time.Duration
	left  float64
	last  time.Time

	key      []byte
	prefixes map[[8]byte]bucket
}

// Tries for one beginning of a code: so many at once, then one each span.
const (
	prefixLength = 10 // of 21 characters: 50 bits, which nobody guesses
	prefixTries  = 8
	prefixEvery  = time.Minute
	prefixKept   = 10_000
)

type bucket struct {
	left float64
	last time.Time
}

// NewBrake returns a brake that lets most wrong codes through at once and one more after each span of time.
func NewBrake(most int, every time.Duration, now func() time.Time) *Brake {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	return &Brake{now: now, most: float64(most), left: float64(most), every: every, last: now(), key: key, prefixes: map[[8]byte]bucket{}}
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

// ErrManyTries is for a code whose beginning was tried too often lately.
var ErrManyTries error = fault.New(fault.Unavailable, "public.follow.tries", nil)

// Try is asked before a code is looked up; it fails with ErrManyTries when codes with the same beginning were wrong too
// often lately.
func (b *Brake) Try(code ref.ReceiptCode) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if have, known := b.prefixes[b.prefix(code)]; known && b.filled(have).left < 1 {
		return ErrManyTries
	}
	return nil
}

// WrongCode notes that a well-formed code opened nothing.
func (b *Brake) WrongCode(code ref.ReceiptCode) {
	b.mu.Lock()
	defer b.mu.Unlock()
	k := b.prefix(code)
	have, known := b.prefixes[k]
	if !known {
		b.forget()
		have = bucket{left: prefixTries, last: b.now()}
	}
	have = b.filled(have)
	have.left = max(0, have.left-1)
	b.prefixes[k] = have
}

func (b *Brake) filled(x bucket) bucket {
	now := b.now()
	if gone := now.Sub(x.last); gone > 0 {
		x.left = min(prefixTries, x.left+float64(gone)/float64(prefixEvery))
		x.last = now
	}
	return x
}

// forget makes room: first of what is full again, then of anything.
func (b *Brake) forget() {
	if len(b.prefixes) < prefixKept {
		return
	}
	for k, x := range b.prefixes {
		if b.filled(x).left >= prefixTries {
			delete(b.prefixes, k)
		}
	}
	for k := range b.prefixes {
		if len(b.prefixes) < prefixKept {
			return
		}
		delete(b.prefixes, k)
	}
}

func (b *Brake) prefix(code ref.ReceiptCode) [8]byte {
	s := strings.ReplaceAll(string(code), "-", "")
	mac := hmac.New(sha256.New, b.key)
	mac.Write([]byte(s[:min(len(s), prefixLength)]))
	return [8]byte(mac.Sum(nil)[:8])
}
