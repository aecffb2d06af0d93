package intake

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"math"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"time"

	"plumbline/internal/fault"
)

// A Rank is what is known of how a filing came about, worst first. It never decides whether a filing is taken, only
// which of those that wait at the same moment goes first.
type Rank int

const (
	Marked Rank = iota // it filled in what no person can see
	Blind              // it did not come through the form at the speed of a person
	Walked             // it did
	Worked             // … and the browser spent a moment of work on it
	ranks
)

// share is how many filings of a rank begin while the others get theirs. Nobody has a share of nothing: however many come
// of a better rank, the others move on.
var share = [ranks]float64{Marked: 1, Blind: 2, Walked: 16, Worked: 32}

// Limits of a Gate; a zero value stands for the default.
type Limits struct {
	AtOnce   int           // filings being sealed and written at the same time: 16, or four for each processor
	Waiting  int           // that wait behind them: 512
	Patience time.Duration // how long one waits at most: 8 s
	// Pace is how many filings a minute that did not come through the form are taken from one side: 120. A negative
	// number takes them all. Filings that did come through it have no such limit.
	Pace int
}

func (l Limits) orDefault() Limits {
	if l.AtOnce <= 0 {
		l.AtOnce = max(16, 4*runtime.GOMAXPROCS(0)) // more would only make each of them slower
	}
	if l.Waiting <= 0 {
		l.Waiting = 512
	}
	if l.Patience <= 0 {
		l.Patience = 8 * time.Second
	}
	if l.Pace == 0 {
		l.Pace = 120
	}
	return l
}

// A Gate stands in front of the expensive part of a filing (sealing and writing), so that a flood of bogus filings makes
// honest ones wait for moments, not minutes. As long as there is room everybody passes at once. When there is none,
// those who wait take turns: between ranks by their share, and within a rank between the sides they come from, so that a
// thousand from one side do not stand before one from another.
//
// What a side is nobody can look up. It is a hash of the first part of the network address under a key that
// lives in memory for a minute and is then thrown away; neither is ever logged, counted or stored. Behind Tor or
// a proxy all senders are one side, and the rank alone keeps them apart.
//
// Nobody is turned away in silence: who waited too long, or came when the line was full, gets ErrBusy.
type Gate struct {
	limits Limits
	now    func() time.Time

	mu   sync.Mutex
	free int
	line line

	key    [32]byte // of the sides, for this minute
	until  time.Time
	passed map[side]int // filings that did not come through the form, this minute
}

// NewGate returns a gate with nobody before it.
func NewGate(l Limits, now func() time.Time) *Gate {
	l = l.orDefault()
	return &Gate{limits: l, now: now, free: l.AtOnce, line: line{most: l.Waiting}}
}

// ErrBusy is for filings that cannot be taken at this moment. Nothing of them was kept; sending again in a while works.
var ErrBusy error = fault.New(fault.Unavailable, "guard.busy", nil)

// RetryAfter is how long to wait after ErrBusy.
const RetryAfter = 20 * time.Second

// Enter waits for the turn of a filing that comes from a network address. The address is forgotten before Enter waits.
// Call leave when the filing is done.
func (g *Gate) Enter(ctx context.Context, rank Rank, addr string) (leave func(), err error) {
	t := &ticket{rank: min(max(rank, Marked), Worked), turn: make(chan bool, 1)}
	g.mu.Lock()
	t.side = g.sideOf(addr)
	if t.rank <= Blind && g.limits.Pace > 0 {
		if g.passed[t.side] >= g.limits.Pace {
			g.mu.Unlock()
			return nil, ErrBusy
		}
		g.passed[t.side]++
	}
	if g.free > 0 && g.line.n == 0 {
		g.free--
		g.mu.Unlock()
		return g.leave, nil
	}
	if away := g.line.enter(t); away != nil {
		away.turn <- false
	}
	g.mu.Unlock()

	patience := time.NewTimer(g.limits.Patience)
	defer patience.Stop()
	select {
	case mine := <-t.turn:
		return g.answer(mine)
	case <-ctx.Done():
		err = ctx.Err()
	case <-patience.C:
		err = ErrBusy
	}
	g.mu.Lock()
	gone := g.line.drop(t)
	g.mu.Unlock()
	if gone {
		return nil, err
	}
	return g.answer(<-t.turn) // its turn came at the same instant
}

// Spent reports whether the pace of those that did not come through the form is used up for the side that an address
// belongs to. It counts nothing: it is for turning such a filing away before anything is done for it.
func (g *Gate) Spent(addr string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	from := g.sideOf(addr)
	return g.limits.Pace > 0 && g.passed[from] >= g.limits.Pace
}

func (g *Gate) answer(mine bool) (func(), error) {
	if !mine {
		return nil, ErrBusy
	}
	return g.leave, nil
}

func (g *Gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if t := g.line.next(); t != nil {
		t.turn <- true // the place passes on
		return
	}
	g.free++
}

// Waiting is how many filings wait now.
func (g *Gate) Waiting() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.line.n
}

// side is where a filing comes from, as far as that can be told apart for a minute.
type side [8]byte

// sideOf needs the lock.
func (g *Gate) sideOf(addr string) side {
	if now := g.now(); g.passed == nil || !now.Before(g.until) {
		_, _ = rand.Read(g.key[:]) // never fails
		g.until, g.passed = now.Add(time.Minute), map[side]int{}
	}
	mac := hmac.New(sha256.New, g.key[:])
	mac.Write(network(addr))
	return side(mac.Sum(nil)[:8])
}

// network is the part of an address that a neighbourhood shares: whoever has one IPv6 address has billions.
func network(addr string) []byte {
	ap, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil
	}
	ip := ap.Addr().Unmap()
	bits := 24
	if ip.Is6() {
		bits = 48
	}
	p, err := ip.Prefix(bits)
	if err != nil {
		return nil
	}
	return p.Masked().Addr().AsSlice()
}

// ticket is one filing in the line.
type ticket struct {
	rank Rank
	side side
	turn chan bool // true: it is your turn; false: the line is full
}

// line is who waits, and in which order they go. It knows no clock.
type line struct {
	lanes [ranks]lane
	n     int
	most  int
	at    float64 // how far the lanes have come
}

// lane is who waits of one rank.
type lane struct {
	pass  float64            // when its next turn is; the lane with the smallest goes next
	sides []side             // who takes turns, the next one first
	of    map[side][]*ticket // the oldest first
	n     int
}

// enter puts t in the line. If there is no room, one of the worst rank goes without a turn and is returned, possibly t:
// the youngest of the side that has most in the line.
func (l *line) enter(t *ticket) (away *ticket) {
	if l.n >= l.most {
		if away = l.superfluous(t); away == t {
			return t
		}
		l.drop(away)
	}
	lane := &l.lanes[t.rank]
	if lane.n == 0 {
		lane.pass = max(lane.pass, l.at) // who was away has saved up nothing
	}
	if lane.of == nil {
		lane.of = map[side][]*ticket{}
	}
	if len(lane.of[t.side]) == 0 {
		lane.sides = append(lane.sides, t.side)
	}
	lane.of[t.side] = append(lane.of[t.side], t)
	lane.n++
	l.n++
	return away
}

// superfluous is who goes when t comes to a full line.
func (l *line) superfluous(t *ticket) *ticket {
	for r := Marked; r <= t.rank; r++ {
		lane := &l.lanes[r]
		var worst side
		most := 0
		for _, s := range lane.sides {
			if n := len(lane.of[s]); n > most {
				worst, most = s, n
			}
		}
		switch {
		case most == 0:
		case r < t.rank, most > len(lane.of[t.side])+1:
			waiting := lane.of[worst]
			return waiting[len(waiting)-1]
		}
	}
	return t
}

// next takes out who goes next.
func (l *line) next() *ticket {
	best, least := -1, math.Inf(1)
	for r := len(l.lanes) - 1; r >= 0; r-- {
		if lane := &l.lanes[r]; lane.n > 0 && lane.pass < least {
			best, least = r, lane.pass
		}
	}
	if best < 0 {
		return nil
	}
	lane := &l.lanes[best]
	s := lane.sides[0]
	t := lane.of[s][0]
	l.drop(t)
	if len(lane.of[s]) > 0 { // its side goes to the end
		i := slices.Index(lane.sides, s)
		lane.sides = append(slices.Delete(lane.sides, i, i+1), s)
	}
	l.at = lane.pass
	lane.pass += 1 / share[best]
	return t
}

// drop takes t out wherever it stands, and reports whether it stood there.
func (l *line) drop(t *ticket) bool {
	lane := &l.lanes[t.rank]
	waiting := lane.of[t.side]
	i := slices.Index(waiting, t)
	if i < 0 {
		return false
	}
	lane.n--
	l.n--
	if waiting = slices.Delete(waiting, i, i+1); len(waiting) > 0 {
		lane.of[t.side] = waiting
		return true
	}
	delete(lane.of, t.side)
	lane.sides = slices.DeleteFunc(lane.sides, func(s side) bool { return s == t.side })
	return true
}
