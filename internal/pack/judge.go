package pack

import (
	"fmt"
	"slices"
)

// Deed is something that was done, as a record of a matter tells it. The deeds of the matters it came from stand
// first, in their order, up to the one that opened it.
type Deed struct {
	Kind   string
	Action string
	From   string // the state it was done in
	To     string // the state after it
	Person string // who, by any name that is the same for the same person; empty for the system and those outside
}

// Judge holds one history to the same rules that Check holds all possible ones to, with the persons who really acted:
// F5, F7 (that a report does not end without acknowledgement and feedback), F8, F9 and F10. A fair pack run by a
// correct engine never gives a history that is judged wrong; tests of the engine hold it to that.
//
// kind is that of the matter itself; deeds of other kinds are those it inherited.
func (p *Pack) Judge(kind string, deeds []Deed) []Violation {
	j := &judge{p: p, kind: kind}
	k := p.Kind(kind)
	if k == nil {
		return []Violation{{Rule: "F19", Kind: kind, Message: "there is no such kind"}}
	}
	j.early = newEarlyMonitor(p, k)
	for i := range deeds {
		j.deed(deeds[:i], deeds[i], deeds[i].Kind == kind)
		if j.failed {
			break
		}
	}
	return j.found
}

type judge struct {
	p     *Pack
	kind  string
	found []Violation
	steps []Step

	early       *earlyMonitor
	reporter    memory // F5
	proposer    map[*Action]string
	acked, told bool
	heard       memory
	appeal      memory
	failed      bool
}

func (j *judge) deed(before []Deed, d Deed, own bool) {
	k := j.p.Kind(d.Kind)
	if k == nil {
		j.fail("F19", d, "there is no kind "+d.Kind)
		return
	}
	a, from, to := k.Action(d.Action), k.State(d.From), k.State(d.To)
	switch {
	case a == nil:
		j.fail("F19", d, "there is no such action")
		return
	case from == nil || to == nil || !slices.Contains(a.From, d.From):
		j.fail("F1", d, "is not possible there")
		return
	case a.To != "" && a.To != d.To, a.To == "" && d.From != d.To:
		j.fail("F1", d, fmt.Sprintf("leads to %q, not to %q", a.To, d.To))
		return
	}
	e := edge{k: k, a: a, from: from, to: to}
	if n := len(before); n > 0 && before[n-1].Kind != d.Kind {
		j.appeal &= appealInherit // in a matter opened by another
		if len(j.steps) > 0 {
			j.steps[len(j.steps)-1].Opens = d.Kind
		}
	}
	j.steps = append(j.steps, e.step(false))
	if own && k.Reports {
		j.report(e, d)
	}
	j.heard = heardStep(e, j.heard)
	if msg, _ := heardWrong(a, j.heard); msg != "" {
		j.wrong("F8", e, msg)
	}
	if a.Has(EffAdverse) && !a.givesReasons() {
		j.wrong("F8", e, "decides against the official without reasons")
	}
	appealBefore := j.appeal
	j.appeal = appealStep(e, appealBefore)
	if msg, _ := appealWrong(e, appealBefore, j.appeal); msg != "" {
		j.wrong("F10", e, msg)
	}
	j.persons(before, e, d)
}

func (j *judge) report(e edge, d Deed) {
	before := j.reporter
	if j.proposer == nil {
		j.proposer = map[*Action]string{}
	}
	apart := func(p, r *Action) bool { return otherDesk(p, r) && (d.Person == "" || j.proposer[p] != d.Person) }
	j.reporter = j.early.step(e, before, apart)
	if msg, _ := j.early.wrong(e, before, j.reporter); msg != "" {
		j.wrong("F5", e, msg)
	}
	if e.a.Has(EffEndEarly) {
		j.proposer[e.a] = d.Person
	}
	j.told = j.told || e.a.Has(EffFeedback)
	j.acked = j.acked || j.told || e.a.Has(EffAcknowledge)
	if !e.to.Final || e.from.Final {
		return
	}
	if !j.acked {
		j.wrong("F7", e, "ends a report whose receipt was never acknowledged")
	}
	if !j.told && !e.a.Has(EffMerge) && !e.a.otherBody() {
		j.wrong("F7", e, "ends a report with no feedback to the reporter")
	}
}

// persons: F9, and the not_by of the pack, with the persons who acted.
func (j *judge) persons(before []Deed, e edge, d Deed) {
	if d.Person == "" {
		return
	}
	if r := roleOf(e.a, e.a); r != nil {
		j.wrong("F9", e, fmt.Sprintf("lets one person %s and %s", verb(r.first), verb(r.second)))
	}
	for _, b := range before {
		if b.Person != d.Person {
			continue
		}
		k := j.p.Kind(b.Kind)
		earlier := k.Action(b.Action)
		if e.k.NotByOf(e.a, b.Kind, b.Action) {
			j.wrong("F9", e, fmt.Sprintf("is not_by %s.%s, and the same person did both", b.Kind, b.Action))
		}
		if r := roleOf(earlier, e.a); r != nil {
			j.wrong("F9", e, fmt.Sprintf("is by the person that did %s.%s: one would %s and %s", b.Kind, b.Action, verb(r.first), verb(r.second)))
		}
	}
}

func (j *judge) wrong(rule string, e edge, message string) {
	v := Violation{Place: e.a.At.Place, Rule: rule, Kind: e.k.ID, Action: e.a.ID, Path: slices.Clone(j.steps),
		Message: fmt.Sprintf("%s -%s-> %s %s", e.from.ID, e.a.ID, e.to.ID, message)}
	if !j.p.waives(rule, e.k.ID) {
		j.found = append(j.found, v)
	}
}

func (j *judge) fail(rule string, d Deed, message string) {
	j.failed = true
	j.found = append(j.found, Violation{Rule: rule, Kind: d.Kind, Action: d.Action, Path: slices.Clone(j.steps),
		Message: fmt.Sprintf("%s -%s-> %s %s", d.From, d.Action, d.To, message)})
}
