package pack

import (
	"fmt"
	"slices"
	"strings"

	"plumbline/internal/calendar"
)

// appealAtLeast is the shortest time to appeal that any pack may set (F10).
var appealAtLeast = calendar.Period{N: 10, Unit: calendar.Days}

// hearing: what single actions show of F8 and F10.
func (c *checker) hearing(k *Kind) {
	p := c.p
	for i := range k.Actions {
		a := &k.Actions[i]
		if a.Has(EffAdverse) && !a.givesReasons() {
			c.about("F8", k, a, "fields", "ask for reasons (a required field of type reasons)", "decides against the official without reasons")
		}
		if a.Has(EffRespond) && !p.onlyBy(a.By, ActorRespondent) {
			c.about("F8", k, a, "by", "leave it to the respondent's duty; staff may record it (recorded_by)", "speaks for the official, but is by %s", a.who())
		}
		if a.Has(EffWaiveAppeal) && (!p.onlyBy(a.By, ActorRespondent) || !a.requires(TypeLong) && !a.requires(TypeReasons)) {
			c.about("F10", k, a, "effects", "leave it to the respondent's duty, with a required text field for the written statement", "gives up the appeal, which only the official can do, in writing")
		}
		if a.Has(EffOpenResponse) {
			c.openTime("F8", k, a, EffOpenResponse, EffEndResponse, "respond", p.Fairness.Response, calendar.Period{})
		}
		if a.Has(EffOpenAppeal) {
			c.openTime("F10", k, a, EffOpenAppeal, EffEndAppeal, "appeal", p.Fairness.Appeal, appealAtLeast)
			c.somewhereElse(k, a)
		}
		for _, end := range []struct{ rule, effect, what string }{{"F8", EffEndResponse, "respond"}, {"F10", EffEndAppeal, "appeal"}} {
			if a.Has(end.effect) && !p.onlyBy(a.By, ActorSystem) {
				c.about(end.rule, k, a, "by", "let a clock do it (by the system's duty, and then: "+a.ID+" on the clock)", "cuts the time to %s short: %s can do it at will", end.what, a.who())
			}
		}
		if a.Has(EffAppealDecide) && !a.otherBody() {
			c.about("F10", k, a, "of", "write of: outside or of: superior", "decides an appeal in the same body")
		}
	}
}

// openTime checks a time that is opened for the official: long enough by the pack's own law, and measured by a clock
// that starts with it and does not end it earlier.
func (c *checker) openTime(rule string, k *Kind, a *Action, effect, end, what string, minimum, floor calendar.Period) {
	cal, given := c.p.cal, a.EffectPeriod(effect)
	switch {
	case minimum.IsZero():
		c.plain(rule, nil, Place{File: MainFile, Line: 1}, fmt.Sprintf("write fairness: {%s: …}", minimumKey(rule)), "the pack does not say what the shortest time to %s is", what)
	case !cal.AtMost(minimum, given):
		c.about(rule, k, a, "effects", fmt.Sprintf("give at least %s", minimum), "gives only %s to %s, less than the %s that the pack demands", given, what, minimum)
	case !floor.IsZero() && !cal.AtMost(floor, given):
		c.about(rule, k, a, "effects", fmt.Sprintf("give at least %s", floor), "gives only %s to %s; nobody may have less than %s", given, what, floor)
	}
	for i := range k.Clocks {
		cl := &k.Clocks[i]
		ends := k.Action(cl.Then)
		if ends == nil || !ends.Has(end) {
			continue
		}
		for _, e := range c.g.edgesOf(k, a) {
			if !slices.Contains(cl.In, e.to.ID) {
				continue
			}
			if slices.Contains(cl.In, e.from.ID) { // staying in the state does not start its clock anew
				c.step(rule, e, c.g.pathTo(k, e.from.ID, e), "let the clock begin with "+a.ID, "opens the time to %s, but the clock %s that ends it has been running since before", what, cl.ID)
			}
		}
		if c.mayEnd(k, a, cl, effect) && !cal.AtMost(given, cl.Within) {
			c.plain(rule, k, cl.At.Key("within"), fmt.Sprintf("write within: %s", given), "clock %s ends the time to %s after %s, but %s promises %s", cl.ID, what, cl.Within, a.ID, given)
		}
	}
}

// mayEnd reports whether the clock can run in the time that the action opens: before another is opened, and before the
// time is over by something else.
func (c *checker) mayEnd(k *Kind, a *Action, cl *Clock, effect string) bool {
	over := []string{effect, EffRespond, EffEndResponse}
	if effect == EffOpenAppeal {
		over = []string{effect, EffAppealDecide, EffEndAppeal, EffWaiveAppeal}
	}
	var starts []start
	for _, e := range c.g.edgesOf(k, a) {
		starts = append(starts, start{node{at: at{k.ID, e.to.ID}}})
	}
	x := c.g.explore(starts, func(_ node, e edge) (memory, bool) { return 0, slices.ContainsFunc(over, e.a.Has) }, alone)
	return slices.ContainsFunc(x.order, func(n node) bool { return slices.Contains(cl.In, n.state) })
}

func minimumKey(rule string) string {
	if rule == "F8" {
		return "response"
	}
	return "appeal"
}

// somewhereElse: an appeal that was opened must be able to reach another body.
func (c *checker) somewhereElse(k *Kind, a *Action) {
	for _, e := range c.g.edgesOf(k, a) {
		x := c.g.explore([]start{{node{at: at{k.ID, e.to.ID}}}}, forget, across)
		found := false
		for _, n := range x.order {
			found = found || slices.ContainsFunc(c.g.edges[n.at], func(o edge) bool { return o.a.Has(EffAppealDecide) })
		}
		if !found {
			c.step("F10", e, c.g.pathTo(k, e.from.ID, e), "add what leads to another body that decides the appeal (effect appeal-decide, of: outside or superior)", "opens a time to appeal, but no appeal can be decided after it")
		}
	}
}

// The memory of F8.
const (
	heardNotice memory = 1 << iota
	heardDisclosed
	heardOpened
	heardDone // responded, or the time to respond ran out
	heardFound
	heardUnreasoned // a finding was made without reasons
)

// givesReasons reports whether the action cannot be taken without giving reasons: to say so is not enough.
func (a *Action) givesReasons() bool {
	return a.requires(TypeReasons) || a.Has(EffReasons) && a.requires(TypeLong)
}

// heardStep is what F8 remembers after the edge. Facts only grow.
func heardStep(e edge, m memory) memory {
	a := e.a
	if m&heardOpened != 0 && (a.Has(EffRespond) || a.Has(EffEndResponse)) {
		m |= heardDone
	}
	if a.Has(EffNotice) {
		m |= heardNotice
	}
	if m&heardNotice != 0 && a.Has(EffDisclose) {
		m |= heardDisclosed
	}
	if m&heardDisclosed != 0 && a.Has(EffOpenResponse) {
		m |= heardOpened
	}
	switch {
	case !a.Has(EffFind):
	case !a.givesReasons():
		m |= heardUnreasoned
	case a.FieldOf(TypeFindings) == nil || a.requires(TypeFindings): // what may be left out was perhaps not found
		m |= heardFound
	}
	return m
}

// heardWrong says what is missing when the action decides against somebody with that memory.
func heardWrong(a *Action, m memory) (message, remedy string) {
	if !a.Has(EffAdverse) || a.Has(EffAppealDecide) {
		return "", ""
	}
	var missing []string
	switch {
	case m&heardNotice == 0:
		missing = append(missing, "notice")
	case m&heardDisclosed == 0:
		missing = append(missing, "disclosure of the evidence after the notice")
	case m&heardOpened == 0:
		missing = append(missing, "a time to respond after the disclosure")
	case m&heardDone == 0:
		missing = append(missing, "a response, or the end of the time for it")
	}
	switch {
	case m&(heardFound|heardUnreasoned) == 0:
		missing = append(missing, "findings")
	case m&heardUnreasoned != 0:
		missing = append(missing, "reasons for the findings")
	}
	if missing == nil {
		return "", ""
	}
	return "decides against the official without " + strings.Join(missing, " and without "),
		"lead every way to " + a.ID + " through notice, disclosure, open-response, then respond or the end of its clock, after findings with reasons"
}

// heard: F8, across the kinds.
func (c *checker) heard() {
	c.hold("F8", c.g.fromRoots(0), taking(^memory(0)), func(e edge, m memory) (memory, string, string) {
		after := heardStep(e, m)
		msg, remedy := heardWrong(e.a, after)
		return after, msg, remedy
	})
}

// The memory of F10.
const (
	appealHere    memory = 1 << iota // decided against somebody in this matter
	appealAdverse                    // in this matter or one it came from
	appealOpened
	appealOver
)

// appealStep is what F10 remembers after the edge. A new decision needs its own appeal.
func appealStep(e edge, m memory) memory {
	a := e.a
	if a.Has(EffAdverse) && !a.Has(EffAppealDecide) {
		m = m&^(appealOpened|appealOver) | appealHere | appealAdverse
	}
	if m&appealOpened != 0 && (a.Has(EffAppealDecide) || a.Has(EffEndAppeal) || a.Has(EffWaiveAppeal)) {
		m |= appealOver
	}
	if m&appealAdverse != 0 && a.Has(EffOpenAppeal) {
		m = m&^appealOver | appealOpened
	}
	return m
}

// appealInherit is what a matter opened by another remembers of it.
const appealInherit = appealAdverse | appealOpened | appealOver

// appealWrong says what is wrong with taking the edge, with the memory m before and after it.
func appealWrong(e edge, before, after memory) (message, remedy string) {
	a := e.a
	switch {
	case a.Has(EffExecute) && after&appealAdverse != 0 && before&appealOpened == 0:
		return "carries an outcome out against which no appeal was opened", "open a time to appeal with the decision (open-appeal) and carry out after it"
	case a.Has(EffExecute) && after&appealAdverse != 0 && before&appealOver == 0:
		return "carries an outcome out while it can still be appealed against", "wait for the end of the time, the decision on the appeal, or a written waiver"
	case a.Has(EffAppealDecide) && (a.Has(EffAdverse) || a.FieldOf(TypeOutcome) != nil) && after&appealAdverse == 0:
		return "decides against the official for the first time, under the name of an appeal", "take the effect appeal-decide off, so that it counts as the decision, with a hearing before it and an appeal after it"
	case !e.to.Final || e.from.Final || after&appealHere == 0:
	case after&appealOpened == 0:
		return "ends it with no time to appeal against the decision", "open a time to appeal with the decision (open-appeal)"
	case after&appealOver == 0:
		return "ends it while the decision can still be appealed against", "wait for the end of the time, the decision on the appeal, or a written waiver"
	}
	return "", ""
}

// appeal: F10, across the kinds.
func (c *checker) appeal() {
	c.hold("F10", c.g.fromRoots(0), taking(appealInherit), func(e edge, m memory) (memory, string, string) {
		after := appealStep(e, m)
		msg, remedy := appealWrong(e, m, after)
		return after, msg, remedy
	})
}

// role is a pair of things that no one person may do on a matter, or on it and one that came from it: the first and
// then the second. opened identities are a danger in either order.
type role struct{ first, second string }

var roles = []role{
	{EffFind, EffDecide},
	{EffConclude, EffReview},
	{EffDecide, EffAppealDecide},
	{EffIdentify, EffFind}, {EffFind, EffIdentify},
	{EffIdentify, EffConclude}, {EffConclude, EffIdentify},
}

// roleOf is the role that the two actions, in this order, play against each other; nil if none.
func roleOf(earlier, later *Action) *role {
	for i := range roles {
		if earlier.Has(roles[i].first) && later.Has(roles[i].second) {
			return &roles[i]
		}
	}
	return nil
}

// apart: F9, across the kinds. For every action that can come first, it looks for the nearest later one that the same
// person might do.
func (c *checker) apart() {
	done := map[pair]bool{}
	followed := map[arrivalAt]bool{}
	for _, n := range c.g.plain.order {
		for _, first := range c.g.edges[n.at] {
			if !slices.ContainsFunc(roles, func(r role) bool { return first.a.Has(r.first) }) {
				continue
			}
			if r := roleOf(first.a, first.a); r != nil && !done[pair{first.a, first.a}] {
				done[pair{first.a, first.a}] = true
				c.step("F9", first, c.g.plain.path(n, first), "make two actions of it, done by duties that exclude each other", "lets one person %s and %s", verb(r.first), verb(r.second))
			}
			if followed[arrivalAt{first.a, first.to}] {
				continue // from another state it leads to the same place, by a way no shorter
			}
			followed[arrivalAt{first.a, first.to}] = true
			starts := []start{{node{at: at{first.k.ID, first.to.ID}}}}
			if first.opens != nil {
				starts = append(starts, start{node{at: at{first.opens.ID, first.opens.Start}}})
			}
			c.follow(first, n, c.g.explore(starts, forget, across), done)
		}
	}
}

// arrivalAt is an action and where it led: one that stays leads to every state it is possible in.
type arrivalAt struct {
	a  *Action
	to *State
}

// pair is two actions in the order in which they were done.
type pair struct{ first, second *Action }

// follow reports what the person that took the edge first might do later, in what x can reach from it.
func (c *checker) follow(first edge, n node, x *exploration, done map[pair]bool) {
	for _, m := range x.order {
		for _, second := range c.g.edges[m.at] {
			r := roleOf(first.a, second.a)
			if r == nil || first.a == second.a || done[pair{first.a, second.a}] || c.p.differ(first.k, first.a, second.k, second.a) {
				continue
			}
			done[pair{first.a, second.a}] = true
			name := first.a.ID
			if first.k != second.k {
				name = first.k.ID + "." + name
			}
			path, rest := c.g.plain.path(n, first), x.path(m, second)
			if rest[0].Kind != first.k.ID {
				path[len(path)-1].Opens = rest[0].Kind
			}
			c.step("F9", second, append(path, rest...),
				fmt.Sprintf("write not_by: [%s] on %s, or let the duties exclude each other", name, second.a.ID),
				"is by %s, who may be the person that did %s: one would %s and %s", second.a.who(), name, verb(r.first), verb(r.second))
		}
	}
}

// verb says an effect as something a person does.
func verb(effect string) string {
	switch effect {
	case EffFind:
		return "make the findings"
	case EffDecide:
		return "decide"
	case EffConclude:
		return "conclude"
	case EffReview:
		return "review"
	case EffAppealDecide:
		return "decide the appeal"
	case EffIdentify:
		return "open the reporter's identity"
	}
	return effect
}
