package matter

import (
	"slices"
	"time"

	"plumbline/internal/calendar"
	"plumbline/internal/fault"
	"plumbline/internal/pack"
)

// clocks starts and stops the pack's clocks as the matter goes from one state to another, and those that an effect of
// the step opens or ends.
func (d *deciding) clocks(from, to string) {
	for i := range d.Kind.Clocks {
		d.tick(&d.Kind.Clocks[i], from, to)
	}
	d.periods()
}

func (d *deciding) tick(c *pack.Clock, from, to string) {
	inside := func(state string) bool { return state != "" && slices.Contains(c.In, state) }
	has := slices.ContainsFunc(c.Until, d.happens)
	now, there := d.s.ClockOf(c.ID)
	going := there && (now.State == ClockRunning || now.State == ClockPaused || now.State == ClockMissed || now.State == ClockOpen)
	switch {
	case has && going:
		d.end(now, ClockMet)
	case has:
	case inside(to) && !inside(from):
		d.start(c)
	case !inside(to) && going:
		d.end(now, ClockStopped)
	}
}

func (d *deciding) start(c *pack.Clock) {
	state := ClockRunning
	if c.Then != "" {
		state = ClockOpen // a time somebody else has; when it is over the procedure goes on by itself
	}
	from := d.begins()
	d.add(&Ticked{ID: c.ID, State: state, Started: at(from), Due: at(d.cal.Add(from, c.Within))})
}

// begins is when a clock begins that starts with this step: now; but where something is keyed in that arrived on an earlier
// day, that day. The office's delay before the keyboard is its own, not the reporter's.
func (d *deciding) begins() time.Time {
	if received := parseDate(d.s.Matter.Received); d.Action == nil && received.Exact() && received.Compare(d.cal.Day(d.Now)) < 0 {
		return d.cal.End(received)
	}
	return d.Now
}

// end stops a clock and keeps whether it had run out before.
func (d *deciding) end(c Clock, state string) {
	d.add(&Ticked{ID: c.ID, State: state, Started: instant(c.Started), Due: instant(c.Due), Missed: instant(c.Missed)})
}

// periods are the times that the law gives to the official: to respond, to appeal. The engine keeps them itself,
// because it has to know when they are over.
var periods = map[string]struct{ met, over []string }{
	pack.EffOpenResponse: {met: []string{pack.EffRespond}, over: []string{pack.EffEndResponse}},
	pack.EffOpenAppeal:   {met: []string{pack.EffAppealDecide, pack.EffWaiveAppeal}, over: []string{pack.EffEndAppeal}},
}

var periodOrder = []string{pack.EffOpenResponse, pack.EffOpenAppeal}

func (d *deciding) periods() {
	for _, id := range periodOrder {
		if now, there := d.s.ClockOf(id); there && now.State == ClockOpen {
			switch {
			case slices.ContainsFunc(periods[id].met, d.happens):
				d.end(now, ClockMet)
			case slices.ContainsFunc(periods[id].over, d.happens):
				d.end(now, ClockOver)
			}
		}
		if d.Action == nil || !d.happens(id) {
			continue
		}
		if p := d.Action.EffectPeriod(id); !p.IsZero() {
			d.add(&Ticked{ID: id, State: ClockOpen, Started: at(d.Now), Due: at(d.cal.Add(d.Now, p))})
		}
	}
}

// clocksOnRequest pauses, resumes and extends clocks where the step is for that.
func (d *deciding) clocksOnRequest() error {
	a := d.Action
	field, period := d.period()
	if a.Pauses != "" {
		d.pause(a.Pauses, field, period)
	}
	if a.Resumes != "" {
		if now, there := d.s.ClockOf(a.Resumes); there && now.State == ClockPaused {
			d.add(resumed(now, d.cal, d.Now))
		} else {
			return fault.New(fault.Conflict, "matter.clock-not-paused", fault.Args{"clock": a.Resumes})
		}
	}
	if a.Extends != "" {
		d.extend(a.Extends, field, period)
	}
	return fault.InvalidFields(d.wrong)
}

func (d *deciding) period() (field string, p calendar.Period) {
	for _, f := range d.Action.Fields {
		if s, ok := d.values[f.ID].(string); ok && f.Type == pack.TypePeriod {
			parsed, err := calendar.ParsePeriod(s)
			if err != nil {
				d.fail(f.ID, "field.period", nil)
			}
			return f.ID, parsed
		}
	}
	return "", calendar.Period{}
}

// pause stops a clock for a stated time, never longer than the pack allows: without one, for that long.
func (d *deciding) pause(id, field string, p calendar.Period) {
	c := d.Kind.Clock(id)
	now, there := d.s.ClockOf(id)
	if c == nil || !there || now.State != ClockRunning || now.Due < d.Now.UnixMicro() {
		d.fail(field, "field.clock-not-running", fault.Args{"clock": id})
		return
	}
	if p.IsZero() {
		p = c.Pause
	}
	end, most := d.cal.Add(d.Now, p), d.cal.Add(d.Now, c.Pause)
	if c.Pause.IsZero() || end.After(most) {
		d.fail(field, "field.period-most", fault.Args{"most": c.Pause.String()})
		return
	}
	d.add(&Ticked{ID: id, State: ClockPaused, Started: instant(now.Started), Due: instant(now.Due),
		Left: now.Due - d.Now.UnixMicro(), PauseEnd: at(end)})
}

// resumed is a paused clock that goes on at an instant: what was left is left again, to the end of the day.
func resumed(c Clock, cal *calendar.Calendar, now time.Time) *Ticked {
	due := cal.End(cal.Day(now.Add(time.Duration(c.Left) * time.Microsecond)))
	return &Ticked{ID: c.ID, State: ClockRunning, Started: instant(c.Started), Due: at(due), Missed: instant(c.Missed)}
}

// extend prolongs a clock that still runs, in all to no more than the pack allows.
func (d *deciding) extend(id, field string, p calendar.Period) {
	c := d.Kind.Clock(id)
	now, there := d.s.ClockOf(id)
	if c == nil || !there || now.State != ClockRunning && now.State != ClockOpen || now.Due < d.Now.UnixMicro() {
		d.fail(field, "field.clock-not-running", fault.Args{"clock": id})
		return
	}
	most := d.cal.Add(time.UnixMicro(now.Started), c.Extends)
	due := most
	if !p.IsZero() {
		due = d.cal.Add(time.UnixMicro(now.Due), p)
	}
	if due.After(most) {
		d.fail(field, "field.period-until", fault.Args{"until": d.cal.Day(most).String()})
		return
	}
	d.add(&Ticked{ID: id, State: now.State, Started: instant(now.Started), Due: at(due)})
}

// Lapse says what running out of time comes to at an instant: clocks that are missed, times that are over, pauses that
// have ended. then lists the actions that now happen by themselves, in the pack's order. Whoever acts at the very
// instant of a deadline is in time. It is pure and returns no changes when nothing has run out.
func Lapse(k *pack.Kind, cal *calendar.Calendar, s State, now time.Time) (changes []Change, missed bool, then []string) {
	micros := now.UnixMicro()
	for _, c := range s.Clocks {
		var t *Ticked
		switch {
		case c.State == ClockPaused && c.PauseEnd < micros:
			t = resumed(c, cal, time.UnixMicro(c.PauseEnd))
		case c.State == ClockRunning && c.Due < micros:
			missed = true
			t = &Ticked{ID: c.ID, State: ClockMissed, Started: instant(c.Started), Due: instant(c.Due), Missed: at(now)}
		case c.State == ClockOpen && c.Due < micros:
			t = &Ticked{ID: c.ID, State: ClockOver, Started: instant(c.Started), Due: instant(c.Due)}
			if pc := k.Clock(c.ID); pc != nil && pc.Then != "" {
				then = append(then, pc.Then)
			}
		}
		if t != nil {
			name(t)
			changes = append(changes, t)
		}
	}
	return changes, missed, then
}
