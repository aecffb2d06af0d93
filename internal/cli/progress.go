package cli

import (
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"
)

// progress shows how far a long piece of work is: a bar with rate and time left on a terminal, a line every ten
// seconds in a log, nothing when quiet.
type progress struct {
	t     *terminal
	what  string
	unit  string
	quiet bool
	bar   *progressbar.ProgressBar
	begun time.Time
	said  time.Time
	done  int64
	total int64
}

func (t *terminal) progress(what, unit string, quiet bool) *progress {
	now := time.Now()
	return &progress{t: t, what: what, unit: unit, quiet: quiet, begun: now, said: now}
}

// at tells that done of total are done. A total of zero or less is unknown.
func (p *progress) at(done, total int64) {
	p.done, p.total = done, total
	if p.quiet {
		return
	}
	if isTerminal(p.t.err) {
		if p.bar == nil {
			p.bar = newBar(p.t.err, p.what, p.unit)
		}
		if total <= 0 {
			total = -1
		}
		if p.bar.GetMax64() != total {
			p.bar.ChangeMax64(total)
		}
		_ = p.bar.Set64(done) // a bar that cannot be drawn must not stop the work
		return
	}
	if now := time.Now(); now.Sub(p.said) >= 10*time.Second {
		p.said = now
		p.line()
	}
}

func (p *progress) line() {
	rate := int64(0)
	if s := time.Since(p.begun).Seconds(); s > 0 {
		rate = int64(float64(p.done) / s)
	}
	if p.total > 0 {
		p.t.note("%s: %s of %s %s, %s/s", p.what, number(p.done), number(p.total), p.unit, number(rate))
		return
	}
	p.t.note("%s: %s %s, %s/s", p.what, number(p.done), p.unit, number(rate))
}

// end takes the bar away and says in one line what was done and how fast.
func (p *progress) end() {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
	if !p.quiet && p.done > 0 {
		took := time.Since(p.begun)
		p.t.note("%s: %s %s in %s", p.what, number(p.done), p.unit, took.Round(100*time.Millisecond))
	}
}

func newBar(w io.Writer, what, unit string) *progressbar.ProgressBar {
	return progressbar.NewOptions64(-1,
		progressbar.OptionSetWriter(w),
		progressbar.OptionSetDescription(what),
		progressbar.OptionSetItsString(unit),
		progressbar.OptionShowIts(),
		progressbar.OptionShowCount(),
		progressbar.OptionSetPredictTime(true),
		progressbar.OptionThrottle(200*time.Millisecond),
		progressbar.OptionSetWidth(24),
		progressbar.OptionFullWidth(),
	)
}

// number writes a count as people read it: 33,358.
func number(n int64) string {
	s := fmt.Sprint(n)
	neg := ""
	if n < 0 {
		neg, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return neg + s
}

func plural(n int64, one, many string) string {
	if n == 1 {
		return number(n) + " " + one
	}
	return number(n) + " " + many
}
