package matter

import (
	"slices"
	"strings"

	"plumbline/internal/calendar"
	"plumbline/internal/fault"
	"plumbline/internal/pack"
	"plumbline/internal/ref"
)

// The rules of fairness hold here a second time. The check has proved of the pack that no path of it breaks them; the
// engine does not rely on that proof: it looks at what has really happened, to this matter, by these people. The ids are
// those of docs/explanation/fairness.md. A rule a pack has waived, with the law that demands it, is waived here too.

// apart are effects that must never be two steps of one person (F9): the later, and those before it.
var apart = []struct {
	later   string
	earlier []string
}{
	{pack.EffDecide, []string{pack.EffFind, pack.EffConclude}},
	{pack.EffReview, []string{pack.EffConclude, pack.EffEndEarly}},
	{pack.EffAppealDecide, []string{pack.EffDecide, pack.EffFind}},
	{pack.EffIdentify, []string{pack.EffFind, pack.EffConclude}},
}

// Separate refuses, under F9, a step with the given effects by an account that did, here or on a matter this one came
// from, what must be somebody else's. It can be asked before anything was entered.
func Separate(s State, effects []string, account ref.AccountID) error {
	if account == 0 {
		return nil
	}
	for _, rule := range apart {
		if !slices.Contains(effects, rule.later) {
			continue
		}
		for _, did := range s.Did {
			if did.Account != account {
				continue
			}
			for _, e := range rule.earlier {
				if slices.Contains(strings.Fields(did.Effects), e) {
					return fault.New(fault.Forbidden, "fair.F9", fault.Args{"rule": "F9", "effect": rule.later, "earlier": e,
						"action": did.Action, "kind": did.Kind})
				}
			}
		}
	}
	return nil
}

func (d *deciding) waived(rule string) bool {
	switch rule {
	case "F9", "F13", "F14":
		return false
	}
	return slices.ContainsFunc(d.Pack.Waivers, func(w pack.Waiver) bool {
		return w.Rule == rule && (w.Kind == "" || w.Kind == d.Kind.ID)
	})
}

func unfair(rule, key string, args fault.Args) error {
	if args == nil {
		args = fault.Args{}
	}
	args["rule"] = rule
	return fault.New(fault.Conflict, key, args)
}

// fair refuses a step that would make a history the rules forbid.
func (d *deciding) fair() error {
	effects := d.happening()
	// What somebody else has done is only recorded here; its doer is no account.
	if len(d.Action.RecordedBy) == 0 {
		if err := Separate(d.was, effects, d.Actor.Account); err != nil {
			return err
		}
	}
	for _, check := range []func() error{d.heard, d.periodOver, d.executable, d.reopenable, d.unopened, d.notMerged} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

// heard is F8: nothing adverse without notice, disclosure, a chance to respond that was used or is over, findings and
// reasons. Steps of this very action count for findings and reasons only.
func (d *deciding) heard() error {
	if d.waived("F8") {
		return nil
	}
	had := func(effect string) bool { return d.was.Matter.HasFact(effect) }
	order := []struct{ step, needs string }{
		{pack.EffDisclose, pack.EffNotice}, {pack.EffOpenResponse, pack.EffNotice},
		{pack.EffRespond, pack.EffOpenResponse}, {pack.EffEndResponse, pack.EffOpenResponse},
	}
	for _, o := range order {
		if d.happens(o.step) && !had(o.needs) && !d.happens(o.needs) {
			return unfair("F8", "fair.F8", fault.Args{"missing": o.needs, "effect": o.step})
		}
	}
	if !d.happens(pack.EffAdverse) {
		return nil
	}
	for _, need := range []string{pack.EffNotice, pack.EffDisclose, pack.EffOpenResponse} {
		if !had(need) {
			return unfair("F8", "fair.F8", fault.Args{"missing": need, "effect": pack.EffAdverse})
		}
	}
	if !had(pack.EffRespond) && !had(pack.EffEndResponse) {
		return unfair("F8", "fair.F8", fault.Args{"missing": pack.EffRespond, "effect": pack.EffAdverse})
	}
	for _, need := range []string{pack.EffFind, pack.EffReasons} {
		if !had(need) && !d.happens(need) {
			return unfair("F8", "fair.F8", fault.Args{"missing": need, "effect": pack.EffAdverse})
		}
	}
	return nil
}

// periodOver keeps the time to respond and the time to appeal from being ended before it is over (F8, F10).
func (d *deciding) periodOver() error {
	for effect, of := range map[string]struct{ rule, period string }{
		pack.EffEndResponse: {"F8", pack.EffOpenResponse}, pack.EffEndAppeal: {"F10", pack.EffOpenAppeal},
	} {
		if !d.happens(effect) || d.waived(of.rule) {
			continue
		}
		if c, there := d.was.ClockOf(of.period); there && c.State == ClockOpen && c.Due >= d.Now.UnixMicro() {
			return unfair(of.rule, "fair.period", fault.Args{"period": of.period, "until": d.cal.Day(instant(c.Due).Time()).String()})
		}
	}
	return nil
}

// executable is F10: an adverse decision is carried out only when the appeal was decided, its time is over, or it was
// given up in writing.
func (d *deciding) executable() error {
	if !d.happens(pack.EffExecute) || d.waived("F10") {
		return nil
	}
	m := &d.was.Matter
	if !m.HasFact(pack.EffDecide) {
		return unfair("F10", "fair.F10", fault.Args{"missing": pack.EffDecide})
	}
	if !m.HasFact(pack.EffAdverse) {
		return nil
	}
	if !m.HasFact(pack.EffOpenAppeal) {
		return unfair("F10", "fair.F10", fault.Args{"missing": pack.EffOpenAppeal})
	}
	for _, done := range []string{pack.EffAppealDecide, pack.EffEndAppeal, pack.EffWaiveAppeal} {
		if m.HasFact(done) {
			return nil
		}
	}
	return unfair("F10", "fair.F10", fault.Args{"missing": pack.EffEndAppeal})
}

// reopenable is F21 from its other side: what was closed can be taken up again within the pack's time, not for ever.
func (d *deciding) reopenable() error {
	limit := d.Pack.Fairness.Reopen
	if !d.happens(pack.EffReopen) && !d.happens(pack.EffObject) || limit.IsZero() || d.waived("F21") {
		return nil
	}
	closed := parseDate(d.was.Matter.Closed)
	if closed.IsZero() {
		return nil
	}
	last := d.cal.AddDate(closed.Latest(), limit)
	if d.cal.Day(d.Now).Compare(last) > 0 {
		return unfair("F21", "fair.F21", fault.Args{"until": last.String()})
	}
	return nil
}

// unopened is F13 for a reporter who took their name back: there is nothing to open any more.
func (d *deciding) unopened() error {
	if !d.happens(pack.EffIdentify) || !d.was.Matter.HasFact(pack.EffHide) {
		return nil
	}
	hidden := slices.ContainsFunc(d.was.Parties, func(p Party) bool { return p.Role == RoleReporter && p.Anonymous != 0 })
	if hidden {
		return unfair("F13", "fair.F13", nil)
	}
	return nil
}

// notMerged keeps a duplicate from going on as part of a matter that is itself a duplicate or is this one's own: nothing
// may end up in nobody's hands (F6).
func (d *deciding) notMerged() error {
	if !d.happens(pack.EffMerge) {
		return nil
	}
	for _, f := range d.Action.Fields {
		v, ok := d.values[f.ID].(string)
		if !ok || f.Type != pack.TypeMatter {
			continue
		}
		for _, l := range d.was.Links {
			if l.Kind == LinkHasDuplicate && l.Other == d.Matters[ref.Reference(v)].ID {
				return unfair("F6", "fair.F6", nil)
			}
		}
	}
	return nil
}

// checkConduct is F12: conduct counts only under a rule that was in force when it happened.
func (d *deciding) checkConduct(field, conduct, when string) {
	c := d.Pack.ConductEntry(conduct)
	if c == nil || d.waived("F12") {
		return
	}
	var day calendar.Date
	if when != "" {
		day = parseDate(when)
	}
	if !c.InForce(day) {
		d.fail(field, "fair.F12", fault.Args{"rule": "F12", "cite": c.Rule.Cite, "from": c.Rule.From, "to": c.Rule.To})
	}
}
