package access

import (
	"slices"

	"plumbline/internal/pack"
	"plumbline/internal/ref"
)

// A Line explains one act: whether it is allowed, by which grant and row of the law, or why not and whose it is.
type Line struct {
	Act  Act
	Step string // for ActStep: which
	Answer
	Duties []string     // whose it is by the law, where it is not allowed: these duties,
	Bodies []ref.BodyID // held at one of these bodies; none: anywhere
}

// Explain goes through all acts with one matter, and those over its body and the office, for one person. steps are those
// its procedure has now. p tells what duties there are.
func Explain(v Viewer, p *pack.Pack, k *pack.Kind, f Facts, did []Did, steps []*pack.Action) []Line {
	var out []Line
	ask := func(q asked) {
		l := Line{Act: q.act, Answer: q.answer(v, did)}
		if q.step != nil {
			l.Step = q.step.ID
		}
		if !l.OK {
			l.Duties, l.Bodies = q.whose(p)
		}
		out = append(out, l)
	}
	for _, act := range Acts {
		switch {
		case act == ActStep:
			for _, step := range steps {
				ask(asked{act: act, kind: k, step: step, f: f})
			}
		case act == ActStart:
			if k != nil && len(k.OpenBy) > 0 {
				ask(asked{act: act, kind: k})
			}
		case act.OnMatter():
			ask(asked{act: act, kind: k, f: f})
		default:
			ask(overBody(act, f.Above))
		}
	}
	return out
}

// whose returns the duties and bodies that the rows of an act speak of, other than those that need being involved.
func (q asked) whose(p *pack.Pack) (duties []string, bodies []ref.BodyID) {
	for _, r := range rowsOf(q.act) {
		if r.Only == IfInvolved || r.Only == IfOverdue && !q.f.Overdue {
			continue
		}
		for _, d := range r.Entitled(p, q.kind, q.step, q.f.Desk) {
			if !slices.Contains(duties, d) {
				duties = append(duties, d)
			}
		}
		for _, b := range q.bodies(r.Where) {
			if !slices.Contains(bodies, b) {
				bodies = append(bodies, b)
			}
		}
	}
	return duties, bodies
}

// ByProcedure reports whether it depends on the kind of matter, or the matter, which duties a row speaks of.
func (r Row) ByProcedure() bool {
	return slices.ContainsFunc(r.Duty, func(q Quality) bool {
		return slices.Contains([]Quality{QDesk, QWorks, QActs, QHears, QTakes, QOpens}, q)
	})
}

// AtMost returns the rows by which a duty of a pack can be entitled to an act at all, whatever the kind of matter and wherever
// it is held.
func AtMost(p *pack.Pack, duty string, act Act) []Row {
	var out []Row
	for _, r := range rowsOf(act) {
		if canEntitle(p, r, duty) {
			out = append(out, r)
		}
	}
	return out
}

func canEntitle(p *pack.Pack, r Row, duty string) bool {
	if !r.ByProcedure() {
		return slices.Contains(r.Entitled(p, nil, nil, ""), duty)
	}
	for i := range p.Kinds {
		k := &p.Kinds[i]
		desk := ""
		if slices.ContainsFunc(k.States, func(s pack.State) bool { return s.Desk == duty }) {
			desk = duty
		}
		steps := []*pack.Action{nil}
		if r.Act == ActStep {
			steps = nil
			for j := range k.Actions {
				steps = append(steps, &k.Actions[j])
			}
		}
		for _, step := range steps {
			if slices.Contains(r.Entitled(p, k, step, desk), duty) {
				return true
			}
		}
	}
	return false
}

// Works, Hears and Opens return what a procedure makes of duties: who works in it, who needs to know what the official was
// told and answered, and who opens one by hand.
func Works(k *pack.Kind) []string { return asked{kind: k}.inProcedure(QWorks) }

// Hears: see Works.
func Hears(k *pack.Kind) []string { return asked{kind: k}.inProcedure(QHears) }

// Opens: see Works.
func Opens(k *pack.Kind) []string { return asked{kind: k}.inProcedure(QOpens) }
