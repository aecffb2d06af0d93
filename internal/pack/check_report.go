package pack

import (
	"fmt"
	"slices"
	"strings"

	"plumbline/internal/calendar"
)

// What the law of the European Union sets as the outer limits for reports (Directive (EU) 2019/1937, arts. 9 and 11).
var (
	ackWithin      = calendar.Period{N: 7, Unit: calendar.Days}
	feedbackWithin = calendar.Period{N: 3, Unit: calendar.Months}
	feedbackAtMost = calendar.Period{N: 6, Unit: calendar.Months}
)

// reporter: F6, F23, and what single actions show of F5.
func (c *checker) reporter(k *Kind) {
	for i := range k.Actions {
		a := &k.Actions[i]
		if a.Has(EffEndEarly) {
			if !a.requires(TypeReasonCode) {
				c.about("F5", k, a, "fields", "ask for a reason out of a list (a required field of type reason-code)", "ends a report early without a reason code")
			}
			if !a.requires(TypeReasons) {
				c.about("F5", k, a, "fields", "ask for reasons (a required field of type reasons)", "ends a report early without reasons")
			}
		}
		if a.Has(EffMerge) && !a.requires(TypeMatter) {
			c.about("F6", k, a, "fields", "ask for the other matter (a required field of type matter)", "merges a report into nothing that is named")
		}
		if a.Has(EffObject) {
			c.objection(k, a)
		}
		for _, s := range c.g.edgesOf(k, a) {
			if (a.Has(EffMerge) || a.Has(EffTransfer)) && !c.canWrite(k, s.to) {
				c.step("F6", s, c.g.pathTo(k, s.from.ID, s), "let the reporter write from "+s.to.ID+" too (an action by the reporter's duty with a field of type long or text)", "cuts the reporter off")
			}
			if s.to.Final && !s.from.Final && a.Adverse {
				c.step("F23", s, c.g.pathTo(k, s.from.ID, s), "take adverse_to_investigation off the last step", "hides the end of the report from the reporter")
			}
		}
	}
	for i := range k.States {
		s := &k.States[i]
		if len(s.Public) > 0 || !c.g.reached(k, s.ID) {
			continue
		}
		// The reporter may be left in the dark only where every way in endangers an investigation.
		if s.ID == k.Start {
			c.add(Violation{Place: s.At.Place, Rule: "F23", Kind: k.ID, State: s.ID,
				Message: fmt.Sprintf("the reporter is told nothing in %s, where a report begins", s.ID), Remedy: "write public: what the reporter reads there"})
			continue
		}
		for _, e := range c.g.byKind[k] {
			if e.to == s && e.from != s && c.g.reached(k, e.from.ID) && !e.a.Adverse {
				c.step("F23", e, c.g.pathTo(k, e.from.ID, e), "write public: what the reporter reads in "+s.ID, "changes the state, and the reporter is told nothing in %s", s.ID)
				break
			}
		}
	}
}

// objection: only the reporter objects, to an end, and the report then lies with somebody above.
func (c *checker) objection(k *Kind, a *Action) {
	if !c.p.onlyBy(a.By, ActorReporter) {
		c.about("F5", k, a, "by", "leave it to the reporter's duty; others take up what was closed with the effect reopen", "objects to how a report ended, and is not the reporter's")
	}
	for _, s := range c.g.edgesOf(k, a) {
		switch {
		case !s.from.Final || s.to.Final:
			c.step("F5", s, c.g.pathTo(k, s.from.ID, s), "let it lead from a final state to an open one", "objects to an end, but does not lead from an end to a desk")
		case s.to.Of != OfSuperior:
			c.step("F5", s, c.g.pathTo(k, s.from.ID, s), "write of: superior on "+s.to.ID, "objects to how a report ended, before the body that ended it")
		}
	}
}

// enders are the actions of staff that end a report where its reporter can object, but not those that answer an objection.
func (c *checker) enders(k *Kind) []*Action {
	var out []*Action
	for i := range k.Actions {
		a := &k.Actions[i]
		to := k.State(a.To)
		if to == nil || !to.Final || c.p.onlyBy(a.By, ActorOutside) || c.p.onlyBy(a.By, ActorSystem) {
			continue
		}
		objected := func(holds func(o *Action) bool) bool {
			return slices.ContainsFunc(k.Actions, func(o Action) bool { return o.Has(EffObject) && holds(&o) })
		}
		if objected(func(o *Action) bool { return slices.Contains(o.From, a.To) }) && !objected(func(o *Action) bool { return slices.Contains(a.From, o.To) }) {
			out = append(out, a)
		}
	}
	return out
}

// edgesOf are the action's edges out of states that can be reached.
func (g *graph) edgesOf(k *Kind, a *Action) []edge {
	var out []edge
	for _, e := range g.byKind[k] {
		if e.a == a && g.reached(k, e.from.ID) {
			out = append(out, e)
		}
	}
	return out
}

// canWrite reports whether the reporter has something to write with in the state.
func (c *checker) canWrite(k *Kind, s *State) bool {
	return slices.ContainsFunc(c.g.edges[at{k.ID, s.ID}], func(e edge) bool {
		writes := e.a.FieldOf(TypeLong) != nil || e.a.FieldOf(TypeText) != nil
		return writes && slices.ContainsFunc(e.a.By, func(d string) bool { return c.p.onlyBy([]string{d}, ActorReporter) })
	})
}

// The memory of F5. Above earlyFirst stands a bit for each action of the kind that declares end-early and whose
// proposal nobody has reviewed yet.
const (
	earlyConcluded memory = 1 << iota // the check came to a result, and was not sent back since
	earlyReviewed                     // a proposal to end early was reviewed by another desk
	earlyTold                         // the reporter was told since
	earlyReferred                     // handed to another body, which has not taken it yet
	earlyObjected                     // the reporter objected to how it ended, and nobody has answered that yet
	earlyFirst
)

const earlyPending = ^(earlyFirst - 1)

// earlyMonitor remembers what F5 needs to judge how a report ends.
type earlyMonitor struct {
	p     *Pack
	k     *Kind
	early []*Action // that declare end-early
	ended []*Action // by which staff end a report
}

func newEarlyMonitor(p *Pack, k *Kind) *earlyMonitor {
	m := &earlyMonitor{p: p, k: k, ended: (&checker{p: p}).enders(k)}
	for i := range k.Actions {
		if k.Actions[i].Has(EffEndEarly) && len(m.early) < 40 {
			m.early = append(m.early, &k.Actions[i])
		}
	}
	return m
}

func (em *earlyMonitor) bit(a *Action) memory {
	if i := slices.Index(em.early, a); i >= 0 {
		return earlyFirst << i
	}
	return 0
}

// step is what is remembered after the edge. apart decides whether a proposal and its review are by different people.
func (em *earlyMonitor) step(e edge, m memory, apart func(proposal, review *Action) bool) memory {
	a := e.a
	if a.Has(EffReturn) || a.Has(EffReopen) { // back to work: what was proposed or concluded is off the table
		m &^= earlyConcluded | earlyReviewed | earlyPending | earlyObjected
	}
	if a.Has(EffObject) {
		m |= earlyObjected
	}
	if a.Has(EffTransfer) {
		m |= earlyReferred
	} else if em.p.onlyBy(a.By, ActorSystem) || a.Has(EffReturn) || a.otherBody() {
		m &^= earlyReferred // taken back, or answered
	}
	if a.Has(EffConclude) {
		m = m&^(earlyReviewed|earlyPending) | earlyConcluded // a result, whatever was proposed before
	}
	if a.Has(EffReview) {
		for i, p := range em.early {
			if bit := earlyFirst << i; m&bit != 0 && apart(p, a) {
				m = m&^bit | earlyReviewed
			}
		}
	}
	if bit := em.bit(a); bit != 0 {
		m = m&^(earlyConcluded|earlyReviewed|earlyTold) | bit
	}
	if a.Has(EffFeedback) || a.Letter != "" {
		m |= earlyTold
	}
	return m
}

// wrong says what is wrong with ending by e with the memory m before and after it; empty if nothing is.
func (em *earlyMonitor) wrong(e edge, before, after memory) (message, remedy string) {
	a := e.a
	if !e.to.Final || e.from.Final {
		return "", ""
	}
	takenOver := before&earlyReferred != 0 && a.otherBody()
	if before&earlyObjected != 0 {
		if !a.Has(EffReview) {
			return "ends a report its reporter objected to, with no review", "give " + a.ID + " the effect review"
		}
		for _, e := range em.ended {
			if !em.p.differ(em.k, e, em.k, a) {
				return fmt.Sprintf("answers the reporter's objection, and %s may be the person that did %s", a.who(), e.ID), fmt.Sprintf("write not_by: [%s]", e.ID)
			}
		}
		return "", "" // that review stands for whatever the end rested on before
	}
	switch {
	case a.Has(EffMerge) || takenOver:
		return "", ""
	case after&earlyPending != 0:
		for i, p := range em.early {
			if after&(earlyFirst<<i) == 0 {
				continue
			}
			if a.Has(EffReview) && p != a {
				if !otherDesk(p, a) {
					return fmt.Sprintf("ends a report early, reviewed at the same desk that did %s", p.ID), "let another duty review it"
				}
				return fmt.Sprintf("ends a report early, and %s, who reviews it, may be the person that did %s", a.who(), p.ID),
					fmt.Sprintf("write not_by: [%s], or let the duties exclude each other", p.ID)
			}
		}
		return "ends a report with no review", "lead it to an open state where another desk reviews it within a time"
	case after&earlyConcluded != 0:
		return "", ""
	case after&earlyReviewed == 0:
		return "ends a report with no review", "let " + a.ID + " propose it (effect end-early) and lead to an open state where another desk reviews it within a time"
	case after&earlyTold == 0:
		return "ends a report early without telling the reporter", "send a letter or give feedback on the way"
	}
	return "", ""
}

// early: F5.
func (c *checker) early(k *Kind) {
	em := newEarlyMonitor(c.p, k)
	apart := func(p, r *Action) bool { return c.p.differ(k, p, k, r) && otherDesk(p, r) }
	c.hold("F5", within(k, 0), alone, func(e edge, m memory) (memory, string, string) {
		after := em.step(e, m, apart)
		msg, remedy := em.wrong(e, m, after)
		return after, msg, remedy
	})
}

// hold explores with what a rule remembers and reports every step that the rule finds wrong, with a shortest way to it.
// Nothing is explored beyond such a step.
func (c *checker) hold(rule string, starts []start, in scope, judge func(e edge, before memory) (after memory, message, remedy string)) {
	x := c.g.explore(starts, func(n node, e edge) (memory, bool) {
		after, msg, _ := judge(e, n.m)
		return after, msg != ""
	}, in)
	for _, n := range x.order {
		for _, e := range c.g.edges[n.at] {
			if _, msg, remedy := judge(e, n.m); msg != "" {
				c.step(rule, e, x.path(n, e), remedy, "%s", msg)
			}
		}
	}
}

// handing: the part of F6 about transfers. A report that was handed over and not yet taken over must lie where a clock
// brings it back.
func (c *checker) handing(k *Kind) {
	const pending memory = 1
	c.hold("F6", within(k, 0), alone, func(e edge, m memory) (memory, string, string) {
		after := m
		switch {
		case e.a.Has(EffTransfer):
			after = pending
		case m == pending && (e.a.otherBody() || c.p.onlyBy(e.a.By, ActorSystem) || e.a.Has(EffReturn)):
			after = 0
		}
		switch {
		case after != pending:
		case e.to.Final:
			return after, "ends a report in the hands of somebody who has not acknowledged it",
				"transfer to an open state that the other body's acknowledgement leads out of, and a clock takes back from"
		case !c.comesBack(k, e.to):
			return after, "hands a report over, and nothing brings it back if nobody acknowledges it",
				"give " + e.to.ID + " a clock with then: an action of the system that takes it back, without a condition"
		case !slices.ContainsFunc(c.g.edges[at{k.ID, e.to.ID}], func(o edge) bool { return o.a.otherBody() }):
			return after, "hands a report over, and nobody can acknowledge it",
				"add an action of the other body (of: outside or superior) that takes it over"
		}
		return after, "", ""
	})
}

func (c *checker) comesBack(k *Kind, s *State) bool {
	return slices.ContainsFunc(c.g.edges[at{k.ID, s.ID}], func(e edge) bool {
		return c.p.onlyBy(e.a.By, ActorSystem) && e.to != e.from && !e.to.Final && e.a.When == ""
	})
}

// The memory of F7. Above ansFirst stands a bit for each clock that has run since the report was opened and neither
// stopped nor started anew.
const (
	ansAcknowledged memory = 1 << iota
	ansAnswered
	ansFirst
)

// answer: F7.
func (c *checker) answer(k *Kind) {
	cal := c.p.cal
	var ack, fb []*Clock
	var short []string
	for i := range k.Clocks {
		cl := &k.Clocks[i]
		if slices.Contains(cl.Until, EffAcknowledge) {
			switch {
			case !cal.AtMost(cl.Within, ackWithin) || !cl.Extends.IsZero() && !cal.AtMost(cl.Extends, ackWithin):
				short = append(short, fmt.Sprintf("%s may run longer than 7 days", cl.ID))
			case !cl.Pause.IsZero():
				short = append(short, fmt.Sprintf("%s can be paused", cl.ID))
			default:
				ack = append(ack, cl)
			}
		}
		if slices.Contains(cl.Until, EffFeedback) && !slices.Contains(cl.Until, EffAcknowledge) {
			switch {
			case !cal.AtMost(cl.Within, feedbackWithin):
				short = append(short, fmt.Sprintf("%s may run longer than 3 months", cl.ID))
			case !cl.Extends.IsZero() && !cal.AtMost(cl.Extends, feedbackAtMost):
				short = append(short, fmt.Sprintf("%s can be prolonged beyond 6 months", cl.ID))
			case !cl.Pause.IsZero() && c.longest(cl) > 181: // six months are never shorter
				short = append(short, fmt.Sprintf("%s can be paused beyond 6 months", cl.ID))
			default:
				fb = append(fb, cl)
			}
		}
	}
	ack, fb = ack[:min(len(ack), 12)], fb[:min(len(fb), 12)]
	clocks := append(slices.Clone(ack), fb...)
	because := ""
	if short != nil {
		because = " (" + strings.Join(short, "; ") + ")"
	}
	if len(ack) == 0 {
		c.plain("F7", k, k.At.Place, "add a clock in: [open] until: [acknowledge] within: 7d", "no clock sees to it that receipt is acknowledged within 7 days%s", because)
	}
	if len(fb) == 0 {
		c.plain("F7", k, k.At.Place, "add a clock in: [open] until: [feedback] within: 3mo", "no clock sees to it that the reporter is answered within 3 months%s", because)
	}
	var begin memory
	for i, cl := range clocks {
		if slices.Contains(cl.In, k.Start) {
			begin |= ansFirst << i
		}
	}
	step := func(e edge, m memory) memory {
		if e.a.Has(EffAcknowledge) || e.a.Has(EffFeedback) {
			m |= ansAcknowledged
		}
		if e.a.Has(EffFeedback) {
			m |= ansAnswered
		}
		for i, cl := range clocks {
			switch bit := ansFirst << i; {
			case !slices.Contains(cl.In, e.to.ID) || slices.ContainsFunc(cl.Until, e.a.Has):
				m &^= bit
			case e.from.Final && !e.to.Final && !slices.Contains(cl.In, e.from.ID):
				m |= bit // reopened, it begins again
			}
		}
		return m
	}
	running := func(m memory, from, n int) bool { return m/ansFirst>>from&(1<<n-1) != 0 }
	if len(ack) > 0 && !running(begin, 0, len(ack)) {
		c.plain("F7", k, k.At.Key("start"), "let a clock until acknowledge run in "+k.Start, "no clock for the acknowledgement runs in %s, where a report begins", k.Start)
		return
	}
	if len(fb) > 0 && !running(begin, len(ack), len(fb)) {
		c.plain("F7", k, k.At.Key("start"), "let a clock until feedback run in "+k.Start, "no clock for the feedback runs in %s, where a report begins", k.Start)
		return
	}
	c.hold("F7", within(k, begin), alone, func(e edge, before memory) (memory, string, string) {
		m := step(e, before)
		ending := e.to.Final && !e.from.Final
		handed := e.a.Has(EffMerge) || e.a.otherBody() && ending
		owed := func(done memory, clocks []*Clock) bool {
			return len(clocks) > 0 && m&done == 0 && !(e.from.Final && e.to.Final)
		}
		remedy := "let the clock run in " + e.to.ID + " too, without a break"
		switch {
		case owed(ansAcknowledged, ack) && ending:
			return m, "ends a report whose receipt was never acknowledged", "acknowledge receipt on the way (effect acknowledge or feedback)"
		case owed(ansAcknowledged, ack) && !running(m, 0, len(ack)):
			return m, "leaves no clock running for the acknowledgement that is still owed", remedy
		case owed(ansAnswered, fb) && ending && !handed:
			return m, "ends a report with no feedback to the reporter", "answer the reporter on the way (effect feedback)"
		case owed(ansAnswered, fb) && !ending && !running(m, len(ack), len(fb)):
			return m, "leaves no clock running for the feedback that is still owed", remedy
		}
		return m, "", ""
	})
}

// longest is the longest a clock can take from its start, pauses and extensions included, in days.
func (c *checker) longest(cl *Clock) int {
	_, most := c.p.cal.Bounds(cl.Within)
	if !cl.Extends.IsZero() {
		if _, more := c.p.cal.Bounds(cl.Extends); more > most {
			most = more
		}
	}
	_, pause := c.p.cal.Bounds(cl.Pause)
	return most + pause
}
