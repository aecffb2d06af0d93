package matter

import (
	"context"
	"fmt"
	"slices"

	"plumbline/internal/access"
	"plumbline/internal/fault"
	"plumbline/internal/journal"
	"plumbline/internal/pack"
	"plumbline/internal/ref"
	"plumbline/internal/store"
)

// InspectCmd asks for the inspection of a matter that was drawn at random.
type InspectCmd struct {
	Matter ref.MatterID
	Actor  journal.Actor
	Via    journal.Via
}

// Inspect opens the inspection of a matter: one of the kind that inspects, of the active pack. It lies with a desk that
// never touched the matter and that somebody holds who never did either: at the matter's own body, or else at the
// nearest one above. Where there is none the answer is fault.Conflict "matter.nobody-untouched", and nothing is opened.
// Both matters are linked; the matter inspected gets an entry of it. Asked a second time, by the same draw or
// another, it opens a second inspection: who draws keeps count.
func (e *Engine) Inspect(ctx context.Context, tx *store.Tx, cmd InspectCmd) (State, error) {
	p := e.packs.Active()
	if p == nil {
		return State{}, fault.New(fault.Unavailable, "matter.no-pack", nil)
	}
	k := p.Inspection()
	if k == nil {
		return State{}, fault.New(fault.Conflict, "matter.no-inspection", nil)
	}
	was, err := e.Load(ctx, tx, cmd.Matter)
	if err != nil {
		return State{}, err
	}
	w, err := e.world(ctx, tx, p, k, was, nil, nil)
	if err != nil {
		return State{}, err
	}
	body, err := e.untouched(ctx, tx, w, p, k, was)
	if err != nil {
		return State{}, err
	}
	o := Opening{ID: ref.MatterID(e.db.NewID()), Ref: ref.NewReference(k.Prefix), Body: body, Parent: &was, Inspects: true,
		Spawn: Spawn{Kind: k.ID, Subject: was.Matter.Subject, Allegations: inspected(was)}}
	d, err := DecideOpen(w, o, Step{Pack: p, Kind: k, Actor: cmd.Actor, Via: cmd.Via})
	if err != nil {
		return State{}, fmt.Errorf("matter %d: inspect: %w", cmd.Matter, err)
	}
	if err := e.record(ctx, tx, State{}, &d); err != nil {
		return State{}, err
	}
	return d.State, e.tie(ctx, tx, cmd.Matter, LinkInspectedBy, o.ID, cmd.Actor, cmd.Via)
}

// inspected are the allegations of a matter as its inspection takes them along: who is named stays named, so that nobody
// inspects what names them; what was found and decided is what is looked at, and no finding of the inspection.
func inspected(s State) []Allegation {
	out := slices.Clone(s.Allegations)
	for i := range out {
		out[i].Finding, out[i].Standard, out[i].Outcome, out[i].Data = "", "", "", ""
	}
	for _, id := range s.Named() {
		if !slices.ContainsFunc(out, func(a Allegation) bool { return a.Official == id }) {
			out = append(out, Allegation{Official: id})
		}
	}
	return out
}

const selectDesk = `SELECT a.id, a.official FROM grant_duty g JOIN account a ON a.id = g.account
	WHERE g.duty = $1 AND g.body = $2 AND a.active = 1 AND g.valid_from <= $3 AND (g.valid_to = '' OR g.valid_to > $3)`

// untouched finds the body whose desk inspects.
func (e *Engine) untouched(ctx context.Context, tx *store.Tx, w World, p *pack.Pack, k *pack.Kind, was State) (ref.BodyID, error) {
	start := k.State(k.Start)
	if start == nil {
		return 0, fault.New(fault.Internal, "fault.internal", nil)
	}
	d := newDeciding(w, was, Step{Pack: p, Kind: k})
	did := didOf(was)
	for i := range did {
		did[i].Before = true // seen from the inspection
	}
	for _, body := range w.Tree.Above(was.Matter.Body) {
		touched := slices.ContainsFunc(did, func(x access.Did) bool { return x.Duty == start.Desk && x.Body == body && x.Account != 0 })
		if touched || d.commands(body) {
			continue
		}
		found, err := tx.Query(ctx, selectDesk, start.Desk, int64(body), p.Cal().Day(w.Now).String())
		if err != nil {
			return 0, fmt.Errorf("matter %d: who can inspect: %w", was.Matter.ID, err)
		}
		type holder struct {
			account  ref.AccountID
			official ref.OfficialID
		}
		holders, err := store.Collect(found, func(r *store.Rows) (h holder, err error) { return h, r.Scan(&h.account, &h.official) })
		if err != nil {
			return 0, fmt.Errorf("matter %d: who can inspect: %w", was.Matter.ID, err)
		}
		for _, h := range holders {
			named := w.Away[h.account] != "" || h.official != 0 && slices.ContainsFunc(was.Named(), func(o ref.OfficialID) bool { return d.samePerson(o, h.official) })
			if !named && !access.HadAHand(h.account, did) {
				return body, nil
			}
		}
	}
	return 0, fault.New(fault.Conflict, "matter.nobody-untouched", fault.Args{"duty": start.Desk})
}

// reopenInspected takes up again the matter that an inspection was about, by that matter's own step and within its own
// rules. Whoever confirmed the inspection answers for it; the procedure gives that right with the inspection.
func (e *Engine) reopenInspected(ctx context.Context, tx *store.Tx, by *pack.Action, inspection Decision, cmd ActCmd) error {
	i := slices.IndexFunc(inspection.State.Links, func(l Link) bool { return l.Kind == LinkInspects })
	if i < 0 {
		return fmt.Errorf("matter %d: reopens what it inspects, and inspects nothing", inspection.State.Matter.ID)
	}
	s, err := e.Load(ctx, tx, inspection.State.Links[i].Other)
	if err != nil || s.Matter.Final == 0 {
		return err // taken up again already
	}
	p, k, err := e.PackOf(s.Matter)
	if err != nil {
		return err
	}
	var a *pack.Action
	if k != nil && s.Matter.Source == "" {
		for _, c := range k.ActionsFrom(s.Matter.State) {
			if to := k.State(c.To); p.Reopens(c) && to != nil && !to.Final {
				a = c
				break
			}
		}
	}
	if a == nil {
		return fault.New(fault.Conflict, "matter.no-reopening", nil)
	}
	given, wrong := ParseForm(p, a.Fields, func(name string) []string {
		if v, there := by.Reopens[name]; there {
			return []string{v}
		}
		if v, ok := cmd.Fields[name].(string); ok {
			return []string{v}
		}
		return nil
	})
	if len(wrong) > 0 {
		return fmt.Errorf("matter %d: reopening it after an inspection: %w", s.Matter.ID, fault.InvalidFields(wrong))
	}
	w, err := e.world(ctx, tx, p, k, s, a, given)
	if err != nil {
		return err
	}
	d, err := Decide(w, s, Step{Pack: p, Kind: k, Action: a, Values: given, Actor: inspection.Entry.By, Via: cmd.Via})
	if err != nil {
		return err
	}
	return e.record(ctx, tx, s, &d)
}
