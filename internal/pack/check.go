package pack

import (
	"fmt"
	"slices"
	"strings"

	"plumbline/internal/calendar"
)

// Check holds every procedure of the pack to the rules of fairness and returns what breaks them, in the order of the
// files. Rules that the pack waives, naming the law that demands it, are left out.
func Check(p *Pack) []Violation {
	found, _ := p.check()
	return found
}

func (p *Pack) check() (found, waived []Violation) {
	c := &checker{p: p, g: newGraph(p), seen: map[string]bool{}}
	c.run()
	sortViolations(c.found)
	for _, v := range c.found {
		if p.waives(v.Rule, v.Kind) {
			waived = append(waived, v)
		} else {
			found = append(found, v)
		}
	}
	return found, waived
}

func (p *Pack) waives(rule, kind string) bool {
	if slices.Contains(neverWaived, rule) {
		return false
	}
	return slices.ContainsFunc(p.Waivers, func(w Waiver) bool { return w.Rule == rule && (w.Kind == "" || w.Kind == kind) })
}

type checker struct {
	p     *Pack
	g     *graph
	found []Violation
	seen  map[string]bool // one message for each thing that is wrong, however many ways lead to it
}

func (c *checker) add(v Violation) {
	key := strings.Join([]string{v.Rule, v.Kind, v.Action, v.State, v.Message}, "\x00")
	if len(v.Path) > 0 { // the same step reached by another way is the same fault
		key = strings.Join([]string{v.Rule, v.Kind, v.Action, v.State, v.Remedy}, "\x00")
	}
	if !c.seen[key] {
		c.seen[key] = true
		c.found = append(c.found, v)
	}
}

// plain reports something that needs no way to be seen.
func (c *checker) plain(rule string, k *Kind, at Place, remedy, format string, args ...any) {
	v := Violation{Place: at, Rule: rule, Message: fmt.Sprintf(format, args...), Remedy: remedy}
	if k != nil {
		v.Kind = k.ID
	}
	c.add(v)
}

// about reports something about an action itself.
func (c *checker) about(rule string, k *Kind, a *Action, key, remedy, format string, args ...any) {
	c.add(Violation{Place: a.At.Key(key), Rule: rule, Kind: k.ID, Action: a.ID, Message: a.ID + " " + fmt.Sprintf(format, args...), Remedy: remedy})
}

// step reports something that the last step of a way does.
func (c *checker) step(rule string, e edge, path []Step, remedy, format string, args ...any) {
	c.add(Violation{Place: e.a.At.Place, Rule: rule, Kind: e.k.ID, Action: e.a.ID, Path: path, Remedy: remedy,
		Message: fmt.Sprintf("%s -%s-> %s ", e.from.ID, e.a.ID, e.to.ID) + fmt.Sprintf(format, args...)})
}

func (c *checker) run() {
	c.catalogue() // F12, F14, F15, F22 of duties
	for i := range c.p.Kinds {
		k := &c.p.Kinds[i]
		if !c.g.openBy[k.ID] {
			c.plain("F1", k, k.At.Place, "say who may open it (open_by), or let an action open it (opens)", "nothing opens a matter of this kind")
			continue
		}
		c.reach(k)     // F1, F2
		c.clocks(k)    // F3, F4
		c.keeping(k)   // F13, F14
		c.endings(k)   // F20, F21
		c.staff(k)     // F22
		c.competent(k) // F18
		c.hearing(k)   // the parts of F8 and F10 that single actions show
		if k.Reports {
			c.reporter(k) // F6, F23, and the parts of F5 and F7 that single actions show
			c.early(k)    // F5
			c.handing(k)  // F6
			c.answer(k)   // F7
		}
	}
	c.heard()    // F8
	c.apart()    // F9
	c.appeal()   // F10
	c.measures() // F19
}

// reach: F1 and F2.
func (c *checker) reach(k *Kind) {
	for i := range k.States {
		s := &k.States[i]
		if !c.g.reached(k, s.ID) {
			c.add(Violation{Place: s.At.Place, Rule: "F1", Kind: k.ID, State: s.ID,
				Message: fmt.Sprintf("state %s is never reached", s.ID), Remedy: "lead an action there, or take the state out"})
		}
	}
	for i := range k.Actions {
		a := &k.Actions[i]
		system := c.p.onlyBy(a.By, ActorSystem)
		switch {
		case !slices.ContainsFunc(a.From, func(s string) bool { return !c.p.never(k, a, s) }):
			c.about("F1", k, a, "when", "correct the condition, or take the action out", "can never happen: its condition is always false")
		case !k.Reports && len(a.RecordedBy) == 0 && c.p.onlyBy(a.By, ActorReporter):
			c.about("F1", k, a, "by", "put it into the kind that takes reports, or say who records it (recorded_by)", "can never happen: nobody holds a receipt code for a %s", k.ID)
		case k.Subject == "none" && len(a.RecordedBy) == 0 && c.p.onlyBy(a.By, ActorRespondent):
			c.about("F1", k, a, "by", "write subject: required or optional on the kind, or say who records it (recorded_by)", "can never happen: a %s is about no official", k.ID)
		case system && !slices.ContainsFunc(k.Clocks, func(cl Clock) bool { return cl.Then == a.ID }):
			c.about("F1", k, a, "by", "name it as what a clock does when it runs out (then: "+a.ID+")", "can never happen: no clock makes the system do it")
		case !slices.ContainsFunc(a.From, func(s string) bool { return c.g.reached(k, s) }):
			c.about("F1", k, a, "from", "start it from a state that is reached", "can never happen: %s is never reached", strings.Join(a.From, ", "))
		}
	}
	// F2: walk back from the final states.
	ends := map[string]bool{}
	for i := range k.States {
		if k.States[i].Final {
			ends[k.States[i].ID] = true
		}
	}
	for grown := true; grown; {
		grown = false
		for _, e := range c.g.byKind[k] {
			if ends[e.to.ID] && !ends[e.from.ID] {
				ends[e.from.ID], grown = true, true
			}
		}
	}
	for i := range k.States {
		s := &k.States[i]
		if c.g.reached(k, s.ID) && !ends[s.ID] {
			path := c.g.pathTo(k, s.ID)
			way := ""
			if len(path) > 0 {
				last := path[len(path)-1]
				way = fmt.Sprintf("%s -%s-> ", last.From, last.Action)
			}
			c.add(Violation{Place: s.At.Place, Rule: "F2", Kind: k.ID, State: s.ID, Path: path,
				Message: fmt.Sprintf("%s%s can never end: no final state can be reached from here", way, s.ID),
				Remedy:  "lead an action out of " + s.ID + " towards a final state"})
		}
	}
}

// clocks: F3 and F4.
func (c *checker) clocks(k *Kind) {
	for i := range k.Clocks {
		cl := &k.Clocks[i]
		moves := false
		if a := k.Action(cl.Then); a != nil {
			// A condition may be false when the time comes; and closing a matter for being late reaches nobody, unless the
			// time was the official's own.
			official := a.Has(EffEndResponse) || a.Has(EffEndAppeal)
			moves = a.To != "" && a.When == "" && !slices.Contains(cl.In, a.To) && (official || !k.State(a.To).Final)
		}
		if cl.Tells != "superior" && !moves {
			c.plain("F4", k, cl.At.Place, "write tells: superior, or let the system move it to another open state whatever happens (then: …)",
				"clock %s runs out and nobody above hears of it", cl.ID)
		}
	}
	for i := range k.Actions {
		a := &k.Actions[i]
		stretches := func(verb, clock string, longest calendar.Period, key string) {
			if clock == "" || k.Clock(clock) == nil {
				return
			}
			if longest.IsZero() {
				c.about("F3", k, a, verb, fmt.Sprintf("say how long at most on the clock: %s: …", key), "%s the clock %s, which states no longest time for it", verb, clock)
			}
			if !a.requires(TypeReasons) && !a.requires(TypeReasonCode) {
				c.about("F3", k, a, verb, "ask for reasons (a required field of type reasons or reason-code)", "%s the clock %s without a reason", verb, clock)
			}
			if !a.requires(TypePeriod) {
				c.about("F3", k, a, verb, "ask for how long (a required field of type period)", "%s the clock %s without an end", verb, clock)
			}
		}
		if a.Pauses != "" && k.Clock(a.Pauses) != nil {
			stretches("pauses", a.Pauses, k.Clock(a.Pauses).Pause, "pause")
		}
		if a.Extends != "" && k.Clock(a.Extends) != nil {
			stretches("extends", a.Extends, k.Clock(a.Extends).Extends, "extends")
		}
	}
	for i := range k.States {
		s := &k.States[i]
		if s.Final || !c.g.reached(k, s.ID) {
			continue
		}
		var here []*Clock
		always := false
		for j := range k.Clocks {
			if cl := &k.Clocks[j]; slices.Contains(cl.In, s.ID) {
				here = append(here, cl)
				always = always || len(cl.Until) == 0
			}
		}
		if always {
			continue // a clock with no effect to stop it runs for as long as the matter is here
		}
		if len(here) > 16 {
			here = here[:16]
		}
		c.stopped(k, s, here)
	}
}

// stopped looks for a way to be in s with every one of the clocks stopped. The memory is the set of stopped clocks.
func (c *checker) stopped(k *Kind, s *State, clocks []*Clock) {
	after := func(n node, e edge) (memory, bool) {
		m := n.m
		for i, cl := range clocks {
			bit := memory(1) << i
			stops := slices.ContainsFunc(cl.Until, e.a.Has)
			switch in, was := slices.Contains(cl.In, e.to.ID), slices.Contains(cl.In, e.from.ID); {
			case !in:
				m &^= bit
			case stops:
				m |= bit
			case !was:
				m &^= bit
			}
		}
		return m, false
	}
	all := memory(1)<<len(clocks) - 1
	x := c.g.explore(within(k, 0), after, alone)
	for _, n := range x.order {
		if n.kind != k.ID || n.state != s.ID || n.m != all {
			continue
		}
		path := x.path(n)
		v := Violation{Place: s.At.Place, Rule: "F3", Kind: k.ID, State: s.ID, Path: path,
			Message: fmt.Sprintf("%s has no running clock", s.ID), Remedy: "give " + s.ID + " a clock that runs for as long as a matter is in it"}
		if len(path) > 0 {
			last := path[len(path)-1]
			v.Message = fmt.Sprintf("%s -%s-> %s leaves no clock running", last.From, last.Action, last.To)
		}
		c.add(v)
		return
	}
}

// requires reports whether the action cannot be taken without a field of that type.
func (a *Action) requires(t FieldType) bool {
	return slices.ContainsFunc(a.Fields, func(f Field) bool { return f.Type == t && f.Required && f.When == "" })
}

// endings: F20 and F21.
func (c *checker) endings(k *Kind) {
	for i := range k.States {
		s := &k.States[i]
		if !s.Final || !c.g.reached(k, s.ID) {
			continue
		}
		if !slices.Contains(k.Inspected, s.ID) {
			c.add(Violation{Place: s.At.Place, Rule: "F20", Kind: k.ID, State: s.ID,
				Message: fmt.Sprintf("what ends in %s can never be drawn for inspection", s.ID),
				Remedy:  "write inspected: [final], so that every way of ending is in the population"})
		}
		reopens := false
		for _, e := range c.g.edges[at{k.ID, s.ID}] {
			if e.to.Final {
				continue
			}
			if e.a.Has(EffObject) {
				continue // looked at above, within the same time limit: see earlyMonitor
			}
			reopens = reopens || !c.p.onlyBy(e.a.By, ActorReporter)
			if !e.a.Has(EffReopen) {
				c.step("F21", e, c.g.pathTo(k, s.ID, e), "give "+e.a.ID+" the effect reopen", "takes up what was closed without reopening it, and so without the time limit for it")
			}
		}
		if !reopens {
			c.add(Violation{Place: s.At.Place, Rule: "F21", Kind: k.ID, State: s.ID,
				Message: fmt.Sprintf("what ended in %s can never be reopened", s.ID),
				Remedy:  "add an action from " + s.ID + " to an open state with the effect reopen"})
		}
	}
	if c.p.Fairness.Reopen.IsZero() {
		c.plain("F21", nil, Place{File: MainFile, Line: 1}, "write fairness: {reopen: 5y}", "the pack does not say for how long what was closed can be reopened")
	}
}

// staff: F22.
func (c *checker) staff(k *Kind) {
	need := c.p.SmallestStaff(k)
	switch {
	case k.Staff == 0:
		c.plain("F22", k, k.At.Place, fmt.Sprintf("write staff: %d", need), "the smallest staff that can run it is not stated")
	case need > k.Staff:
		c.plain("F22", k, k.At.Key("staff"), "let duties that need not be apart be held together, or state the true number",
			"needs at least %d people, not %d", need, k.Staff)
	}
	if need > 5 {
		c.plain("F22", k, k.At.Key("staff"), "let duties that need not be apart be held together", "needs %d people or more; an office of five must be able to run it", need)
	}
}

// measures: the part of F19 that asks whether what is counted can happen.
func (c *checker) measures() {
	for i := range c.p.Measures {
		m := &c.p.Measures[i]
		if prg := c.p.programs[programKey{measureScope(m), m.When}]; m.When != "" && prg != nil && prg.never {
			c.plain("F19", nil, m.At.Key("when"), "correct the condition", "measure %s can never count anything: its condition is always false", m.ID)
		}
		if m.Count == CountMatters {
			continue
		}
		if !slices.ContainsFunc(c.p.measureKinds(m), c.p.hasAllegations) {
			c.plain("F19", nil, m.At.Place, "count a kind whose fields ask for allegations", "measure %s counts %s, which no kind of it has", m.ID, m.Count)
		}
	}
}

// hasAllegations reports whether matters of the kind, or those it comes from, hold allegations.
func (p *Pack) hasAllegations(k *Kind) bool {
	for _, kk := range p.ancestry(k) {
		has := false
		kk.eachField(func(f *Field) { has = has || f.Type == TypeAllegations || f.Type == TypeFindings })
		if has {
			return true
		}
	}
	return false
}
