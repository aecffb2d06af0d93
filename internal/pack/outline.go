package pack

import (
	"fmt"
	"slices"
	"strings"
)

// Outline is a procedure in the order in which a person would tell it: what the public page "how a report is handled"
// and `pack show` draw from.
type Outline struct {
	Kind      *Kind
	Steps     []OutlineStep // every state that can be reached: the usual way first, then the others
	AnyTime   []*Action     // what may be done in every open state, or in every state
	Reopening []Way         // ways out of final states
	Waived    []Waiver      // rules of fairness that the pack switches off for this kind, and why
}

// OutlineStep is a state on the way.
type OutlineStep struct {
	State  *State
	Main   bool     // on the usual way
	Begins bool     // where a matter begins
	Clocks []*Clock // that run here
	Inside []*Action
	Ways   []Way // out of it, the usual one first
}

// Way leads from one state to another.
type Way struct {
	Action *Action
	From   *State
	To     *State
	Main   bool
	Ends   bool // the matter ends
	Back   bool // to a state before this one on the usual way
	Review bool // somebody else looks at it again
	Itself bool // happens by itself when a clock has run out
	Opens  *Kind
}

// Outline tells the procedure of a kind. The usual way is the one on which, of all without detours, most is done that
// the law attaches weight to: conclusions, reviews, findings, hearings.
func (p *Pack) Outline(k *Kind) Outline {
	g := newGraph(p)
	o := Outline{Kind: k}
	mainWay := usual(g, k)
	rank := map[string]int{}
	order := []string{k.Start}
	for _, e := range mainWay {
		order = append(order, e.to.ID)
	}
	for i := range k.States {
		if s := k.States[i].ID; !slices.Contains(order, s) && g.reached(k, s) {
			order = append(order, s)
		}
	}
	for i, s := range order {
		rank[s] = i
	}
	for i, id := range order {
		s := k.State(id)
		step := OutlineStep{State: s, Main: i <= len(mainWay), Begins: i == 0}
		for j := range k.Clocks {
			if slices.Contains(k.Clocks[j].In, id) {
				step.Clocks = append(step.Clocks, &k.Clocks[j])
			}
		}
		for _, e := range g.edges[at{k.ID, id}] {
			w := Way{Action: e.a, From: e.from, To: e.to, Ends: e.to.Final && !e.from.Final, Back: rank[e.to.ID] < i && e.to != e.from,
				Review: e.a.Has(EffReview) || e.a.Has(EffAppealDecide), Itself: p.onlyBy(e.a.By, ActorSystem), Opens: e.opens}
			w.Main = i < len(mainWay) && mainWay[i].a == e.a
			switch {
			case e.from.Final && e.to != e.from:
				o.Reopening = append(o.Reopening, w)
			case e.to != e.from && w.Main:
				step.Ways = append([]Way{w}, step.Ways...)
			case e.to != e.from:
				step.Ways = append(step.Ways, w)
			case e.a.Anywhere:
				if !slices.Contains(o.AnyTime, e.a) {
					o.AnyTime = append(o.AnyTime, e.a)
				}
			default:
				step.Inside = append(step.Inside, e.a)
			}
		}
		o.Steps = append(o.Steps, step)
	}
	for _, w := range p.Waivers {
		if w.Kind == "" || w.Kind == k.ID {
			o.Waived = append(o.Waived, w)
		}
	}
	return o
}

// weight is what an action adds to the usual way.
func weight(a *Action) (n int) {
	for _, e := range []string{EffConclude, EffReview, EffFind, EffNotice, EffDisclose, EffRespond, EffAdverse, EffFeedback, EffExecute} {
		if a.Has(e) {
			n += 4
		}
	}
	if a.Has(EffEndAppeal) {
		n += 2 // most decisions are not appealed against
	}
	for _, e := range []string{EffEndEarly, EffMerge, EffTransfer, EffReturn, EffReopen} {
		if a.Has(e) {
			n -= 8
		}
	}
	return n
}

// usual searches the ways from the start to an end that pass no state twice, for the weightiest; of equal ones it takes
// the one that stands first in the pack. The search gives up on improving after a while:
// procedures are small, but a pack is anybody's.
func usual(g *graph, k *Kind) []edge {
	var best, way []edge
	bestWeight, budget := -1<<30, 20_000
	been := map[string]bool{}
	var walk func(s *State, w int)
	walk = func(s *State, w int) {
		if budget--; budget < 0 {
			return
		}
		if s.Final {
			if w > bestWeight {
				best, bestWeight = slices.Clone(way), w
			}
			return
		}
		been[s.ID] = true
		for _, e := range g.edges[at{k.ID, s.ID}] {
			if e.to != s && !been[e.to.ID] {
				way = append(way, e)
				walk(e.to, w+weight(e.a))
				way = way[:len(way)-1]
			}
		}
		been[s.ID] = false
	}
	walk(k.State(k.Start), 0)
	return best
}

// Ends are the ways in which a matter of the kind can end.
func (o Outline) Ends() []Way {
	var out []Way
	for _, s := range o.Steps {
		for _, w := range s.Ways {
			if w.Ends {
				out = append(out, w)
			}
		}
	}
	return out
}

// Show describes the pack for a person at a terminal, in the language.
func (p *Pack) Show(lang string) string {
	var b strings.Builder
	say := func(t Text) string { return p.Say(t, lang) }
	fmt.Fprintf(&b, "%s  %s\n%s\n%s\n\n", p.ID(), say(p.Title), say(p.About), p.Digest)
	fmt.Fprintf(&b, "languages %s; %d levels, %d sectors, %d ranks, %d duties\n", strings.Join(p.Languages, ", "), len(p.Levels), len(p.Sectors), len(p.Ranks), len(p.Duties))
	fmt.Fprintf(&b, "%d entries of conduct in %d categories; %d findings; %d outcomes in %d tiers\n", len(p.Conduct), len(p.Categories), len(p.Findings), len(p.outcomeIDs()), len(p.Tiers))
	for _, w := range p.Waivers {
		fmt.Fprintf(&b, "waives %s (%s): %s\n", w.Rule, Rules[w.Rule], say(w.Because))
	}
	duty := func(ids []string) string {
		var out []string
		for _, id := range ids {
			if d := p.Duty(id); d != nil {
				out = append(out, say(d.Label))
			}
		}
		return strings.Join(out, " / ")
	}
	for i := range p.Kinds {
		o := p.Outline(&p.Kinds[i])
		fmt.Fprintf(&b, "\n%s (%s, references %s-…; runs with %s)\n", say(o.Kind.Label), o.Kind.ID, o.Kind.Prefix, plural(p.SmallestStaff(o.Kind), "person"))
		for n, s := range o.Steps {
			mark := " "
			if s.Main {
				mark = "*"
			}
			fmt.Fprintf(&b, " %s %d. %s (%s)", mark, n+1, say(s.State.Label), s.State.ID)
			if s.State.Final {
				b.WriteString(" — end")
			}
			for _, c := range s.Clocks {
				fmt.Fprintf(&b, "  [%s %s]", say(c.Label), c.Within)
			}
			b.WriteByte('\n')
			for _, w := range s.Ways {
				fmt.Fprintf(&b, "       %s -> %s   %s", w.Action.ID, w.To.ID, duty(w.Action.By))
				if nb := w.Action.NotBy; len(nb) > 0 {
					fmt.Fprintf(&b, ", not who did %s", strings.Join(nb, ", "))
				}
				if w.Opens != nil {
					fmt.Fprintf(&b, "; opens %s", w.Opens.ID)
				}
				b.WriteByte('\n')
			}
		}
		for _, a := range o.AnyTime {
			fmt.Fprintf(&b, "   any time: %s   %s\n", a.ID, duty(a.By))
		}
		for _, w := range o.Reopening {
			fmt.Fprintf(&b, "   reopening: %s -%s-> %s   %s\n", w.From.ID, w.Action.ID, w.To.ID, duty(w.Action.By))
		}
	}
	if len(p.Measures) > 0 {
		b.WriteString("\nmeasures\n")
		for _, m := range p.Measures {
			var dims []string
			for _, d := range m.By {
				dims = append(dims, d.ID)
			}
			fmt.Fprintf(&b, "   %s: %s (by %s)\n", m.ID, say(m.Question), strings.Join(dims, ", "))
		}
	}
	return b.String()
}
