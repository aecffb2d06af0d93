package intake

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"plumbline/internal/ref"
)

// floodOf runs a line under a simulated clock: an office that files one report a tick, while in each tick bogus filings
// arrive. It returns after how many ticks each honest filing had its turn, -1 for those sent away.
func floodOf(ticks, bogusEach, honestEvery int, bogus, honest func(i int) *ticket) (waits []int) {
	l := line{most: 512}
	since := map[*ticket]int{}
	answered := func(t *ticket, wait int) {
		if t == nil {
			return
		}
		if _, ok := since[t]; ok {
			waits = append(waits, wait)
			delete(since, t)
		}
	}
	for i := range ticks {
		for j := range bogusEach {
			answered(l.enter(bogus(i*bogusEach+j)), -1)
		}
		if i%honestEvery == 0 {
			t := honest(i)
			since[t] = i
			answered(l.enter(t), -1)
		}
		t := l.next()
		answered(t, i-since[t])
	}
	return waits
}

func TestAFloodDoesNotStopHonestFilings(t *testing.T) {
	from := func(n int) side { return side{byte(n), byte(n >> 8)} }
	for _, tt := range []struct {
		name          string
		bogus, honest func(i int) *ticket
		most          int // ticks that an honest filing waits at most
	}{
		{"blind posts from one side, honest people from the same (all behind Tor)",
			func(int) *ticket { return &ticket{rank: Blind} }, func(int) *ticket { return &ticket{rank: Walked} }, 2},
		{"blind posts from a thousand sides, honest people from one of them",
			func(i int) *ticket { return &ticket{rank: Blind, side: from(i % 1000)} }, func(int) *ticket { return &ticket{rank: Walked} }, 2},
		{"a flood that walks through the form, from one side; honest people elsewhere",
			func(int) *ticket { return &ticket{rank: Walked} }, func(i int) *ticket { return &ticket{rank: Walked, side: from(1 + i%3)} }, 4},
		{"a flood that walks, behind Tor; an honest browser that did the work",
			func(int) *ticket { return &ticket{rank: Walked} }, func(int) *ticket { return &ticket{rank: Worked} }, 2},
		{"the trap was filled in; honest people whose walk was lost",
			func(int) *ticket { return &ticket{rank: Marked} }, func(int) *ticket { return &ticket{rank: Blind} }, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			waits := floodOf(2000, 20, 10, tt.bogus, tt.honest)
			if len(waits) < 195 {
				t.Errorf("only %d of 200 honest filings had their turn", len(waits))
			}
			for _, w := range waits {
				if w < 0 || w > tt.most {
					t.Fatalf("an honest filing waited %d turns (-1: was sent away), want at most %d", w, tt.most)
				}
			}
		})
	}
}

func TestNobodyWaitsForEver(t *testing.T) {
	// However many come of the best rank, those of the worst move on.
	waits := floodOf(20_000, 1, 2000, func(i int) *ticket { return &ticket{rank: Worked, side: side{byte(i)}} }, func(int) *ticket { return &ticket{rank: Blind} })
	if len(waits) < 9 {
		t.Fatalf("%d of 10 had their turn", len(waits))
	}
	for _, w := range waits {
		if w < 0 || w > 60 {
			t.Errorf("one waited %d turns", w)
		}
	}
}

// Whatever comes and goes in whatever order: nobody is lost, nobody is served twice, the line never grows beyond its
// length, and a worse rank never drives out a better one.
func TestTheLineLosesNobody(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := line{most: rapid.IntRange(1, 8).Draw(t, "most")}
		in := map[*ticket]bool{}
		out := func(x *ticket, how string) {
			if !in[x] {
				t.Fatalf("%s of one that does not wait", how)
			}
			delete(in, x)
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0, 1:
				x := &ticket{rank: Rank(rapid.IntRange(0, int(ranks)-1).Draw(t, "rank")), side: side{byte(rapid.IntRange(0, 3).Draw(t, "side"))}}
				in[x] = true
				if away := l.enter(x); away != nil {
					if away.rank > x.rank {
						t.Fatalf("rank %d drove out rank %d", x.rank, away.rank)
					}
					out(away, "sending away")
				}
			case 2:
				x := l.next()
				if (x == nil) != (len(in) == 0) {
					t.Fatalf("next is %v with %d waiting", x, len(in))
				}
				if x != nil {
					out(x, "a turn")
				}
			case 3:
				for x := range in {
					if !l.drop(x) || l.drop(x) {
						t.Fatal("one that waits could not leave, or left twice")
					}
					delete(in, x)
					break
				}
			}
			if l.n != len(in) || l.n > l.most {
				t.Fatalf("%d wait, the line says %d of %d", len(in), l.n, l.most)
			}
		}
	})
}

func TestTheGateSaysWhenItIsFull(t *testing.T) {
	g := NewGate(Limits{AtOnce: 1, Waiting: 1, Patience: 20 * time.Millisecond, Pace: -1}, time.Now)
	leave, err := g.Enter(t.Context(), Walked, "192.0.2.7:4000")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.Enter(t.Context(), Walked, "192.0.2.7:4001"); !errors.Is(err, ErrBusy) {
		t.Errorf("who waited too long got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := g.Enter(ctx, Walked, "192.0.2.7:4002"); !errors.Is(err, context.Canceled) {
		t.Errorf("who left got %v", err)
	}
	leave()
	if leave, err = g.Enter(t.Context(), Walked, "192.0.2.7:4003"); err != nil {
		t.Fatalf("with room again: %v", err)
	}
	leave()
	if g.free != 1 || g.Waiting() != 0 {
		t.Errorf("%d places free, %d waiting", g.free, g.Waiting())
	}
}

func TestTheGateHasNoMorePlacesThanItHas(t *testing.T) {
	g := NewGate(Limits{AtOnce: 3, Waiting: 1000, Patience: time.Minute, Pace: -1}, time.Now)
	var mu sync.Mutex
	inside, most, served := 0, 0, 0
	var wg sync.WaitGroup
	for i := range 300 {
		wg.Go(func() {
			leave, err := g.Enter(t.Context(), Rank(i%int(ranks)), fmt.Sprintf("198.51.%d.9:1", i%7))
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			inside++
			served++
			most = max(most, inside)
			mu.Unlock()
			time.Sleep(100 * time.Microsecond)
			mu.Lock()
			inside--
			mu.Unlock()
			leave()
		})
	}
	wg.Wait()
	if most > 3 || served != 300 || g.free != 3 {
		t.Errorf("%d at once, %d served, %d places free", most, served, g.free)
	}
}

func TestThePaceIsForFilingsThatDidNotComeThroughTheForm(t *testing.T) {
	now := time.Unix(1e9, 0)
	g := NewGate(Limits{Pace: 5}, func() time.Time { return now })
	taken := func(rank Rank, addr string) (n int) {
		for range 20 {
			if leave, err := g.Enter(t.Context(), rank, addr); err == nil {
				leave()
				n++
			}
		}
		return n
	}
	if n := taken(Blind, "192.0.2.7:1"); n != 5 {
		t.Errorf("%d blind filings of one side in a minute, want 5", n)
	}
	if n := taken(Blind, "192.0.2.200:1"); n != 0 {
		t.Errorf("the neighbours are another side: %d", n)
	}
	if n := taken(Blind, "203.0.113.7:1"); n != 5 {
		t.Errorf("another side had %d of its 5", n)
	}
	if n := taken(Walked, "192.0.2.7:1"); n != 20 {
		t.Errorf("of those who came through the form %d of 20 passed", n)
	}
	before := g.key
	now = now.Add(time.Minute)
	if n := taken(Blind, "192.0.2.7:1"); n != 5 {
		t.Errorf("a minute later: %d", n)
	}
	if g.key == before {
		t.Error("the key of the sides outlives its minute")
	}
}

func TestNeighboursAreOneSide(t *testing.T) {
	g := NewGate(Limits{}, time.Now)
	for _, tt := range []struct {
		a, b string
		same bool
	}{
		{"192.0.2.1:5", "192.0.2.250:6", true},
		{"192.0.2.1:5", "192.0.3.1:5", false},
		{"[2001:db8:1:2::5]:5", "[2001:db8:1:ffff::9]:1", true},
		{"[2001:db8:1:2::5]:5", "[2001:db8:2:2::5]:5", false},
		{"[::ffff:192.0.2.1]:5", "192.0.2.9:1", true},
		{"@", "", true}, // a socket without an address
	} {
		if got := g.sideOf(tt.a) == g.sideOf(tt.b); got != tt.same {
			t.Errorf("%s and %s on one side: %v", tt.a, tt.b, got)
		}
	}
}

func TestWalks(t *testing.T) {
	now := time.Unix(1e9, 0)
	w := NewWalks([]byte("key"), func() time.Time { return now })
	draft, code := NewDraft(), ref.NewReceiptCode()
	walked := func(steps int, pause time.Duration, trap bool) string {
		note := w.Step(draft, "", false)
		for i := range steps {
			now = now.Add(pause)
			note = w.Step(draft, note, trap && i == 0)
		}
		return note
	}
	text := func(s string) func() string { return func() string { return s } }
	for _, tt := range []struct {
		name string
		note func() string
		work string
		trap bool
		rank Rank
		mark string
	}{
		{"at the speed of a person", func() string { return walked(5, 4*time.Second, false) }, "", false, Walked, ""},
		{"with the work", func() string { return walked(5, 4*time.Second, false) }, Work(Task(draft)), false, Worked, ""},
		{"with the work of another draft", func() string { return walked(5, 4*time.Second, false) }, Work(Task(NewDraft())), false, Walked, ""},
		{"the work alone", text(""), Work(Task(draft)), false, Blind, MarkBlind},
		{"no walk", text(""), "", false, Blind, MarkBlind},
		{"made up", text("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), "", false, Blind, MarkBlind},
		{"a machine that runs through", func() string { return walked(9, 10*time.Millisecond, false) }, "", false, Blind, MarkQuick},
		{"a single page, however long it was open", func() string { return walked(0, 0, false) }, "", false, Blind, MarkQuick},
		{"the trap on the last page", func() string { return walked(5, 4*time.Second, false) }, Work(Task(draft)), true, Marked, MarkTrap},
		{"the trap on an earlier page", func() string { return walked(5, 4*time.Second, true) }, Work(Task(draft)), false, Marked, MarkTrap},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rank, marks := w.Judge(draft, code, tt.note(), tt.work, tt.trap)
			if rank != tt.rank || tt.mark == "" && len(marks) != 0 || tt.mark != "" && (len(marks) != 1 || marks[0] != tt.mark) {
				t.Errorf("rank %d, marks %v; want %d, %q", rank, marks, tt.rank, tt.mark)
			}
		})
	}
	good := walked(5, 4*time.Second, false)
	if rank, _ := w.Judge(NewDraft(), code, good, "", false); rank != Blind {
		t.Error("a walk counts for another draft")
	}
	if rank, _ := NewWalks([]byte("other key"), w.now).Judge(draft, code, good, "", false); rank != Blind {
		t.Error("a walk sealed under another key counts")
	}
	w.Sent(draft, code)
	if rank, _ := w.Judge(draft, code, good, "", false); rank != Walked {
		t.Error("the same report sent twice has another rank the second time")
	}
	if rank, marks := w.Judge(draft, ref.NewReceiptCode(), good, "", false); rank != Blind || marks[0] != MarkAgain {
		t.Errorf("a walk counts for a second report: %d %v", rank, marks)
	}
	other := NewDraft()
	note := w.Step(other, w.Step(other, w.Step(other, "", false), false), false)
	now = now.Add(walkLasts + time.Second)
	if rank, _ := w.Judge(other, code, note, "", false); rank != Blind {
		t.Error("a walk counts for ever")
	}
}

func TestTriesForOneBeginningOfACode(t *testing.T) {
	now := time.Unix(1e9, 0)
	b := NewBrake(1e6, time.Second, func() time.Time { return now })
	code := ref.NewReceiptCode()
	other := ref.NewReceiptCode()
	for i := range prefixTries {
		if err := b.Try(code); err != nil {
			t.Fatalf("try %d: %v", i+1, err)
		}
		b.WrongCode(code)
	}
	if !errors.Is(b.Try(code), ErrManyTries) {
		t.Error("whoever knows half of a code may go on trying")
	}
	if err := b.Try(other); err != nil {
		t.Errorf("another code is locked out: %v", err)
	}
	now = now.Add(prefixEvery)
	if err := b.Try(code); err != nil {
		t.Errorf("the owner is locked out for ever: %v", err)
	}
	for range prefixKept + 100 {
		b.WrongCode(ref.NewReceiptCode())
	}
	if len(b.prefixes) > prefixKept {
		t.Errorf("%d beginnings are kept", len(b.prefixes))
	}
}

// What strangers post as the notes of a walk is never more than a blind filing, and breaks nothing.
func FuzzGuardFields(f *testing.F) {
	w := NewWalks([]byte("key"), time.Now)
	draft, code := NewDraft(), ref.NewReceiptCode()
	f.Add(draft, w.Step(draft, "", false), "12345", "on")
	f.Add("", "", "", "")
	f.Add(draft, "AAAA", "-1", "")
	f.Add(draft, "\x00\xff", "00000000000000000", "x")
	f.Fuzz(func(t *testing.T, draft, note, work, trap string) {
		rank, marks := w.Judge(draft, code, note, work, trap != "")
		if rank > Blind || len(marks) != 1 {
			t.Fatalf("rank %d, marks %v: nobody has walked this far", rank, marks)
		}
		again := w.Step(draft, note, trap != "")
		if _, ok := w.open(draft, again); !ok {
			t.Fatalf("the next page got a note that is none: %q", again)
		}
		if len(again) > 100 {
			t.Fatalf("a note of %d characters", len(again))
		}
	})
}
