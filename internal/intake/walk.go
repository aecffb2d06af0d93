package intake

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"math/bits"
	"strconv"
	"strings"
	"sync"
	"time"

	"plumbline/internal/ref"
)

// Walks tell filings that came through the form page by page, at the speed of a person, from those that did not.
//
// The pages of the form carry a sealed note of when the first one was shown and how many steps were taken: nothing of
// it is on the server. A note belongs to one draft and counts for one report. What a walk is good for is going first when
// many want to file at once (see Gate); a filing without one is taken like any other.
type Walks struct {
	aead cipher.AEAD
	now  func() time.Time

	mu         sync.Mutex
	spent, old map[[16]byte][16]byte // drafts that were sent and as which report, this half day and the one before
	turned     time.Time
}

// How fast people are, generously, and for how long a walk counts.
const (
	leastSteps = 2
	leastTime  = 8 * time.Second // from the first page to sending
	leastStep  = time.Second     // for each page on average
	walkLasts  = 12 * time.Hour
	mostSpent  = 100_000 // drafts remembered in each half day; beyond, the oldest may be used twice
)

// NewWalks returns walks that are sealed under a key.
func NewWalks(key []byte, now func() time.Time) *Walks {
	sum := sha256.Sum256(append([]byte("plumbline walk\x00"), key...))
	block, err := aes.NewCipher(sum[:])
	if err != nil {
		panic(err) // the key has the right length
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // the standard nonce size
	}
	return &Walks{aead: aead, now: now, spent: map[[16]byte][16]byte{}, turned: now()}
}

// walk is what a note says.
type walk struct {
	begun int64 // seconds UTC
	steps uint16
	trap  bool
}

func (w *Walks) seal(draft string, x walk) string {
	b := make([]byte, w.aead.NonceSize(), 64)
	_, _ = rand.Read(b) // never fails
	plain := binary.BigEndian.AppendUint64(nil, uint64(x.begun))
	plain = binary.BigEndian.AppendUint16(plain, x.steps)
	trap := byte(0)
	if x.trap {
		trap = 1
	}
	return base64.RawURLEncoding.EncodeToString(w.aead.Seal(b, b, append(plain, trap), []byte(draft)))
}

func (w *Walks) open(draft, note string) (walk, bool) {
	if len(note) > 100 {
		return walk{}, false
	}
	b, err := base64.RawURLEncoding.DecodeString(note)
	if err != nil || len(b) < w.aead.NonceSize() {
		return walk{}, false
	}
	plain, err := w.aead.Open(nil, b[:w.aead.NonceSize()], b[w.aead.NonceSize():], []byte(draft))
	if err != nil || len(plain) != 11 {
		return walk{}, false
	}
	return walk{begun: int64(binary.BigEndian.Uint64(plain)), steps: binary.BigEndian.Uint16(plain[8:]), trap: plain[10] == 1}, true
}

// Step returns the note for the next page, given the one that came with this: a fresh one where none came. trapped says
// that the field no person can see was filled in.
func (w *Walks) Step(draft, note string, trapped bool) string {
	x, ok := w.open(draft, note)
	if !ok {
		x = walk{begun: w.now().Unix()}
	} else if x.steps < 1<<15 {
		x.steps++
	}
	x.trap = x.trap || trapped
	return w.seal(draft, x)
}

// Marks of a filing, for staff: what is unusual about how it came in.
const (
	MarkTrap  = "trap"  // it filled in a field that no person can see
	MarkBlind = "blind" // it did not come through the form
	MarkQuick = "quick" // it came through the form faster than people write
	MarkAgain = "again" // its walk was used for another report before
)

// Judge says what rank a filing has, and what staff should know of how it came in. The same report sent again has the
// rank it had: somebody pressed the button twice.
func (w *Walks) Judge(draft string, code ref.ReceiptCode, note, work string, trapped bool) (Rank, []string) {
	x, ok := w.open(draft, note)
	age := w.now().Sub(time.Unix(x.begun, 0))
	switch {
	case trapped || x.trap:
		return Marked, []string{MarkTrap}
	case !ok || age > walkLasts || age < -time.Minute:
		return Blind, []string{MarkBlind}
	case w.wasSent(draft, code):
		return Blind, []string{MarkAgain}
	case !w.human(x):
		return Blind, []string{MarkQuick}
	case Works(Task(draft), work):
		return Worked, nil
	}
	return Walked, nil
}

// Walked reports whether a walk was at the speed of a person, whatever was sent of it before.
func (w *Walks) Walked(draft, note string, trapped bool) bool {
	x, ok := w.open(draft, note)
	return ok && !trapped && !x.trap && w.human(x)
}

func (w *Walks) human(x walk) bool {
	age := w.now().Sub(time.Unix(x.begun, 0))
	return x.steps >= leastSteps && age >= leastTime && age >= time.Duration(x.steps)*leastStep && age <= walkLasts
}

// Sent notes that a report was made of a draft.
func (w *Walks) Sent(draft string, code ref.ReceiptCode) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if now := w.now(); now.Sub(w.turned) >= walkLasts || len(w.spent) >= mostSpent {
		w.old, w.spent, w.turned = w.spent, map[[16]byte][16]byte{}, now
	}
	w.spent[shortHash(draft)] = shortHash(string(code))
}

// wasSent reports whether another report was made of a draft.
func (w *Walks) wasSent(draft string, code ref.ReceiptCode) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	k := shortHash(draft)
	as, there := w.spent[k]
	if !there {
		as, there = w.old[k]
	}
	return there && as != shortHash(string(code))
}

func shortHash(s string) [16]byte {
	sum := sha256.Sum256([]byte("plumbline walk\x00" + s))
	return [16]byte(sum[:16])
}

// Task is the small puzzle of a draft, which a browser that runs scripts solves while its reader reads; it tells nothing
// of the draft.
func Task(draft string) string {
	sum := sha256.Sum256([]byte("plumbline task\x00" + draft))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// WorkBits is how many leading bits of a hash must be zero: some ten thousand tries, a fraction of a second on a phone.
const WorkBits = 16

// Works reports whether work solves a task: a number that, hashed with it, gives WorkBits zeros.
func Works(task, work string) bool {
	if work == "" || len(work) > 12 || strings.Trim(work, "0123456789") != "" {
		return false
	}
	sum := sha256.Sum256([]byte(task + ":" + work))
	return bits.LeadingZeros32(binary.BigEndian.Uint32(sum[:4])) >= WorkBits
}

// Work solves a task.
func Work(task string) string {
	for n := 0; ; n++ {
		if s := strconv.Itoa(n); Works(task, s) {
			return s
		}
	}
}
