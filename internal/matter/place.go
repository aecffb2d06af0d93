package matter

import (
	"fmt"
	"slices"

	"plumbline/internal/fault"
	"plumbline/internal/pack"
	"plumbline/internal/ref"
)

// concerns reports whether a matter must not lie with a body because of what it is about (F18): a person it names
// holds a post there or commands it, the body itself is what it is about, or it follows from a report handled there.
func (d *deciding) concerns(body ref.BodyID) bool {
	if body != 0 && body == d.s.Matter.Concerned {
		return true
	}
	for _, l := range d.s.Links { // what follows from an earlier report never lies with the body that has that one
		if l.Kind == LinkArisesFrom && body != 0 && d.Tree.Now(d.Linked[l.Other].Body) == body {
			return true
		}
	}
	return d.commands(body)
}

// commands reports whether a person the matter names holds a post at the body or above it.
func (d *deciding) commands(body ref.BodyID) bool {
	under := func(top ref.BodyID) bool { return top != 0 && d.Tree.Within(body, d.Tree.Now(top)) }
	for _, id := range d.s.Named() {
		for _, p := range d.official(id).Posts {
			if p.To == "" && under(p.Body) {
				return true
			}
		}
	}
	for _, a := range d.s.Allegations {
		if a.Official == 0 && under(a.Body) {
			return true
		}
	}
	return false
}

// route finds the body competent for the matter and the duty there, by the pack's routes. It is total: where the pack's
// own answer is not to be had or must be passed over, the matter goes up, and at the very top it stays with the one
// body that is left; there, nobody it names can take it in hand (package access).
func (d *deciding) route() (ref.BodyID, string, error) {
	env := d.env(d.values)
	env.Subject = subject(d.Pack, d.s, d.Tree) // as it is now: at opening there was nothing before
	r, err := d.Pack.Route(d.Kind, env)
	if err != nil {
		return 0, "", fmt.Errorf("matter: route %s: %w", d.Kind.ID, err)
	}
	from := d.s.Matter.Concerned
	if r == nil {
		return d.up(from), "", nil
	}
	if b := d.Tree.Competent(from, r.Level, r.Sector, func(b ref.BodyID) bool {
		return d.concerns(b) || d.nobodyAt(b) || d.Empty[Desk{r.Duty, b}]
	}); b != 0 {
		return b, r.Duty, nil
	}
	return d.up(from), r.Duty, nil
}

// up is the nearest body at or above one that the matter may lie with. Where a person named commands everything there
// is above, a body that is not the one concerned; in the end the top.
func (d *deciding) up(from ref.BodyID) ref.BodyID {
	above := d.Tree.Above(from)
	if from == 0 {
		above = d.Tree.Children(0)
	}
	holders := d.Holders[d.nextDuty()]
	for _, skip := range []func(ref.BodyID) bool{
		func(b ref.BodyID) bool {
			return d.concerns(b) || d.nobodyAt(b) || holders != nil && !slices.Contains(holders, b)
		},
		func(b ref.BodyID) bool { return d.concerns(b) || d.nobodyAt(b) },
		d.concerns, func(b ref.BodyID) bool { return b == d.s.Matter.Concerned }} {
		for _, b := range above {
			if !skip(b) {
				return b
			}
		}
		for _, b := range d.Tree.Children(0) {
			if !skip(b) {
				return b
			}
		}
	}
	if len(above) > 0 {
		return above[len(above)-1]
	}
	return from
}

// desk is the desk of a state: its duty, and the body where it sits.
func (d *deciding) desk(st *pack.State, body ref.BodyID) (string, ref.BodyID) {
	duty := st.Desk
	if duty == "" {
		duty = d.s.Matter.Desk
	}
	if st.Of != pack.OfSuperior {
		return duty, body
	}
	holders := d.Holders[duty]
	up := d.Tree.Superior(body, func(b ref.BodyID) bool {
		return slices.Contains(holders, b) && !d.concerns(b) && !d.Empty[Desk{duty, b}]
	})
	if up == 0 {
		up = body // nothing is above: package access keeps the persons apart
	}
	return duty, up
}

// pass hands the matter over where the step transfers it: to the body named, or back to where it came from.
func (d *deciding) pass() error {
	if !d.happens(pack.EffTransfer) {
		return d.comeBack()
	}
	for _, f := range d.Action.Fields {
		code, ok := d.values[f.ID].(string)
		if !ok || f.Type != pack.TypeBody {
			continue
		}
		to := d.Tree.Now(d.Tree.ByCode(code).ID)
		if to == d.s.Matter.Body {
			d.fail(f.ID, "field.same-body", nil)
			return fault.InvalidFields(d.wrong)
		}
		if d.concerns(to) {
			d.fail(f.ID, "field.body-concerned", nil)
			return fault.InvalidFields(d.wrong)
		}
		if d.nobodyAt(to) {
			d.fail(f.ID, "field.body-recused", nil)
			return fault.InvalidFields(d.wrong)
		}
		d.transferred(to)
	}
	return nil
}

// FieldCameFrom is where an entry keeps the code of the body that handed the matter over, until it is taken up there.
const FieldCameFrom = "came_from"

func (d *deciding) transferred(to ref.BodyID) {
	from := d.s.Matter.Body
	if b := d.Tree.Body(from); b != nil {
		d.putField(FieldCameFrom, b.Code)
	}
	d.add(&Passed{Body: to, Desk: d.s.Matter.Desk, DeskBody: to})
}

func (d *deciding) putField(name, value string) {
	if d.e.Fields == nil {
		d.e.Fields = map[string]any{}
	}
	d.e.Fields[name] = value
	d.add(&Kept{Keep: []string{name}})
}

// comeBack is the other half of F6: the first step after a transfer either takes the matter up, or it goes back to
// where it came from: because it was sent back, or by itself when nobody took it up in time.
func (d *deciding) comeBack() error {
	data, err := d.was.Matter.Values()
	if err != nil {
		return err
	}
	code, there := data[FieldCameFrom].(string)
	if !there || d.Action.To == "" || d.Action.To == d.was.Matter.State {
		return nil
	}
	d.add(&Kept{Drop: []string{FieldCameFrom}})
	system := d.Actor.Account == 0 && d.Pack.Duty(d.Actor.Duty) != nil && d.Pack.Duty(d.Actor.Duty).Actor == pack.ActorSystem
	b := d.Tree.ByCode(code)
	if b == nil || !system && !d.happens(pack.EffReturn) {
		return nil
	}
	d.add(&Passed{Body: d.Tree.Now(b.ID), Desk: d.s.Matter.Desk, DeskBody: d.Tree.Now(b.ID)})
	return nil
}

// recuse moves the matter up when it now names somebody who holds a post where it lies, or commands it, or when those
// it names keep away everybody at its desk; and takes it from people who are kept away.
func (d *deciding) recuse() {
	m := &d.s.Matter
	if m.Final != 0 {
		return
	}
	d.release()
	if m.Body == 0 {
		return
	}
	renamed := !slices.Equal(d.was.Named(), d.s.Named()) || d.was.Matter.Concerned != m.Concerned || d.was.Matter.Body != m.Body
	commanded, empty := renamed && d.commands(m.Body), d.nobodyAt(m.Body)
	if !commanded && !empty {
		return
	}
	above := d.Tree.Above(m.Body)
	to := m.Body
	if len(above) > 1 {
		to = d.up(above[1])
	}
	if to == m.Body || to == 0 || !commanded && d.nobodyAt(to) {
		return
	}
	c := &Passed{Body: to}
	if st := d.Kind.State(m.State); st != nil {
		c.Desk, c.DeskBody = d.desk(st, to)
	}
	d.add(c)
}
