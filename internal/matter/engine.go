package matter

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"plumbline/internal/access"
	"plumbline/internal/fault"
	"plumbline/internal/journal"
	"plumbline/internal/pack"
	"plumbline/internal/ref"
	"plumbline/internal/register"
	"plumbline/internal/store"
	"plumbline/internal/vault"
)

// Packs are the rules: those new matters are opened under, and those a matter was opened under.
type Packs interface {
	Active() *pack.Pack
	Version(nameAtVersion string) (*pack.Pack, error)
}

// An Engine runs matters of one database. It is safe for use by many goroutines.
type Engine struct {
	db    *store.DB
	packs Packs
	now   func() time.Time
	trees register.Trees
	vault *vault.Vault
}

// New returns an engine; now is its only clock, v seals what is not for everybody.
func New(db *store.DB, packs Packs, now func() time.Time, v *vault.Vault) *Engine {
	return &Engine{db: db, packs: packs, now: now, vault: v}
}

// Vault is what seals for this engine.
func (e *Engine) Vault() *vault.Vault { return e.vault }

// Now is the engine's clock, to the microsecond the record keeps.
func (e *Engine) Now() time.Time { return e.now().UTC().Truncate(time.Microsecond) }

// Tree returns the bodies as tx sees them.
func (e *Engine) Tree(ctx context.Context, tx *store.Tx) (*register.Tree, error) {
	return e.trees.Tree(ctx, tx)
}

// PackOf returns the rules a matter runs under, and its kind. An imported matter of a kind no pack has gives a nil kind.
func (e *Engine) PackOf(m Row) (*pack.Pack, *pack.Kind, error) {
	p, err := e.packs.Version(m.Pack)
	if err != nil {
		return nil, nil, fmt.Errorf("matter %d: rules %s: %w", m.ID, m.Pack, err)
	}
	return p, p.Kind(m.Kind), nil
}

// OpenCmd asks for a new matter of the active pack.
type OpenCmd struct {
	Kind      string
	Fields    Values
	Viewer    access.Viewer // staff who open it by hand; without an account: the reporter, as Actor says
	Actor     journal.Actor
	Via       journal.Via
	Body      ref.BodyID      // 0: routed
	Code      ref.ReceiptCode // the reporter's, who reads and answers with it; empty: the matter has no reporter
	Keys      *vault.Keys     // of staff
	Anonymous bool
	Seen      string // the "name@version" the form was drawn from; if another pack is active since, the form is stale

	id       ref.MatterID // chosen by Prepare
	prepared *prepared
	reporter *vault.Keys
}

// keys are those that the matter is opened with: the reporter's, who have to be able to read it, else those of staff.
func (c *OpenCmd) keys() *vault.Keys {
	if c.Code == "" {
		return c.Keys
	}
	if c.reporter == nil {
		c.reporter = vault.ReporterKeys(c.Code)
	}
	return c.reporter
}

// Open opens a matter.
func (e *Engine) Open(ctx context.Context, tx *store.Tx, cmd OpenCmd) (State, error) {
	d, err := e.opening(ctx, tx, &cmd)
	if err != nil {
		return State{}, err
	}
	d.keys, d.prepared = cmd.keys(), cmd.prepared
	if err := e.record(ctx, tx, State{}, &d); err != nil {
		return State{}, err
	}
	return d.State, nil
}

// opening decides what opening a matter comes to.
func (e *Engine) opening(ctx context.Context, tx *store.Tx, cmd *OpenCmd) (Decision, error) {
	p := e.packs.Active()
	if p == nil {
		return Decision{}, fault.New(fault.Unavailable, "matter.no-pack", nil)
	}
	if cmd.Seen != "" && cmd.Seen != p.ID() {
		return Decision{}, fault.New(fault.Conflict, "matter.other-pack", nil)
	}
	k := p.Kind(cmd.Kind)
	if k == nil {
		return Decision{}, fault.New(fault.NotFound, "matter.no-kind", fault.Args{"kind": cmd.Kind})
	}
	actor, err := opener(p, k, *cmd)
	if err != nil {
		return Decision{}, err
	}
	w, err := e.world(ctx, tx, p, k, State{}, nil, cmd.Fields)
	if err != nil {
		return Decision{}, err
	}
	if err := e.onlySeen(ctx, tx, cmd.Viewer, w); err != nil {
		return Decision{}, err
	}
	if body := w.Tree.Body(cmd.Body); cmd.Body != 0 && body == nil {
		return Decision{}, fault.New(fault.NotFound, "register.no-body", fault.Args{"body": cmd.Body})
	}
	o := Opening{ID: cmd.id, Ref: ref.NewReference(k.Prefix), Body: cmd.Body, Anonymous: cmd.Anonymous}
	if o.ID == 0 {
		o.ID = ref.MatterID(e.db.NewID())
	}
	if cmd.Code != "" {
		o.Channel = cmd.Code.Hash()
	}
	return DecideOpen(w, o, Step{Pack: p, Kind: k, Values: cmd.Fields, Actor: actor, Via: cmd.Via})
}

// opener says who opens a matter: staff under a duty that may, the reporter of a kind that takes reports, or the system.
func opener(p *pack.Pack, k *pack.Kind, cmd OpenCmd) (journal.Actor, error) {
	if cmd.Viewer.Account != 0 {
		g, err := access.MayStart(cmd.Viewer, k, cmd.Body)
		if err != nil {
			return journal.Actor{}, err
		}
		return journal.Actor{Account: cmd.Viewer.Account, Duty: g.Duty, Body: g.Body}, nil
	}
	actor := cmd.Actor
	duty := p.Duty(actor.Duty)
	if duty == nil {
		return actor, fault.New(fault.Forbidden, "access.open", fault.Args{"duties": k.OpenBy, "kind": k.ID})
	}
	reporter := duty.Actor == pack.ActorReporter && k.Reports
	if !reporter && !slices.Contains(k.OpenBy, actor.Duty) {
		return actor, fault.New(fault.Forbidden, "access.open", fault.Args{"duties": k.OpenBy, "kind": k.ID})
	}
	return actor, nil
}

// ActCmd asks for a step on a matter.
type ActCmd struct {
	Matter ref.MatterID
	Seen   int64 // number of the last entry the form was drawn from; 0: whatever there is
	Action string
	Fields Values
	Viewer access.Viewer // staff
	Keys   *vault.Keys   // theirs, or the reporter's
	Actor  journal.Actor // or, without an account: the reporter, the official concerned, an outside body, the system
	Via    journal.Via
	Joined bool // the answer to the reporter goes to the reporters of joined reports too
}

// Act takes a step. A form drawn from an older state is refused with fault.Conflict "matter.stale"; its args say what
// happened since: "duty", "action", "at" (time.Time) of the last step, and "changes" ([]Since), oldest first.
func (e *Engine) Act(ctx context.Context, tx *store.Tx, cmd ActCmd) (State, error) {
	s, err := e.Load(ctx, tx, cmd.Matter)
	if err != nil {
		return State{}, err
	}
	p, k, err := e.PackOf(s.Matter)
	if err != nil {
		return State{}, err
	}
	var a *pack.Action
	if k != nil {
		a = k.Action(cmd.Action)
	}
	if a == nil || s.Matter.Source != "" {
		return State{}, fault.New(fault.NotFound, "matter.no-action", fault.Args{"action": cmd.Action})
	}
	if a, err = asking(p, a, s); err != nil {
		return State{}, err
	}
	w, err := e.world(ctx, tx, p, k, s, a, cmd.Fields)
	if err != nil {
		return State{}, err
	}
	actor, err := e.actor(p, k, a, s, w, cmd)
	if err != nil {
		return State{}, err
	}
	if err := e.onlySeen(ctx, tx, cmd.Viewer, w); err != nil {
		return State{}, err
	}
	if cmd.Seen != 0 && cmd.Seen != s.Matter.N {
		return State{}, e.stale(ctx, tx, s, cmd.Seen)
	}
	d, err := Decide(w, s, Step{Pack: p, Kind: k, Action: a, Values: cmd.Fields, Actor: actor, Via: cmd.Via})
	if err != nil {
		return State{}, err
	}
	d.keys = cmd.Keys
	if err := e.openAll(ctx, tx, p, w, &d, cmd); err != nil {
		return State{}, err
	}
	if err := e.record(ctx, tx, s, &d); err != nil {
		return State{}, err
	}
	if err := e.linkBack(ctx, tx, s, d, cmd); err != nil {
		return State{}, err
	}
	if cmd.Joined {
		if err := e.passOn(ctx, tx, a, d, cmd); err != nil {
			return State{}, err
		}
	}
	if a.Reopens != nil {
		if err := e.reopenInspected(ctx, tx, a, d, cmd); err != nil {
			return State{}, err
		}
	}
	return d.State, nil
}

// actor says under which duty the step is taken, or why not.
func (e *Engine) actor(p *pack.Pack, k *pack.Kind, a *pack.Action, s State, w World, cmd ActCmd) (journal.Actor, error) {
	if cmd.Viewer.Account != 0 {
		g, err := access.MayAct(cmd.Viewer, k, a, w.factsOf(s), didOf(s))
		if err != nil {
			return journal.Actor{}, err
		}
		return journal.Actor{Account: cmd.Viewer.Account, Duty: g.Duty, Body: g.Body}, nil
	}
	duty := p.Duty(cmd.Actor.Duty)
	if duty == nil || duty.Actor == pack.ActorAccount || duty.Actor == "" || !slices.Contains(a.By, cmd.Actor.Duty) {
		return journal.Actor{}, fault.New(fault.Forbidden, "access.duty", fault.Args{"duties": a.By})
	}
	return journal.Actor{Duty: cmd.Actor.Duty, Body: cmd.Actor.Body}, nil
}

// onlySeen takes away the matters named that the viewer may not see: for them they do not exist.
func (e *Engine) onlySeen(ctx context.Context, tx *store.Tx, v access.Viewer, w World) error {
	for r, m := range w.Matters {
		s, err := Load(ctx, tx, m.ID)
		if err != nil {
			return err
		}
		f, err := e.facts(ctx, tx, s, w.Tree)
		if err != nil {
			return err
		}
		if v.Account == 0 || !access.CanSee(v, f) {
			delete(w.Matters, r)
		}
	}
	return nil
}

// openAll opens the matters that the step opens, in the same transaction, and links them.
func (e *Engine) openAll(ctx context.Context, tx *store.Tx, p *pack.Pack, w World, d *Decision, cmd ActCmd) error {
	parent := d.State
	for _, sp := range d.Spawns {
		k := p.Kind(sp.Kind)
		if k == nil {
			return fmt.Errorf("matter %d: opens %q, which the pack does not have", parent.Matter.ID, sp.Kind)
		}
		if err := e.away(ctx, tx, &w, sp.named(), p.Cal().Day(w.Now).String()); err != nil {
			return err
		}
		if err := e.holders(ctx, tx, &w, p, k.State(k.Start)); err != nil {
			return err
		}
		o := Opening{ID: ref.MatterID(e.db.NewID()), Ref: ref.NewReference(k.Prefix), Parent: &parent, ParentN: d.Entry.N, Spawn: sp}
		child, err := DecideOpen(w, o, Step{Pack: p, Kind: k, Actor: d.Entry.By, Via: cmd.Via})
		if err != nil {
			return fmt.Errorf("matter %d: open %s: %w", parent.Matter.ID, sp.Kind, err)
		}
		child.keys = cmd.Keys
		if err := e.record(ctx, tx, State{}, &child); err != nil {
			return err
		}
		link := &Linked{Kind: LinkOpens, Other: o.ID}
		name(link)
		if err := link.apply(&d.State, &d.Entry); err != nil {
			return err
		}
		d.Change = append(d.Change, link)
	}
	return nil
}

// linkBack tells the matters that the step tied this one to: each gets an entry of its own.
func (e *Engine) linkBack(ctx context.Context, tx *store.Tx, before State, d Decision, cmd ActCmd) error {
	for _, c := range d.Change {
		l, ok := c.(*Linked)
		if !ok || l.Kind == LinkOpens || l.Kind == LinkOpenedBy || l.Kind == LinkArisesFrom {
			continue
		}
		if slices.ContainsFunc(before.Links, func(old Link) bool { return old.Kind == l.Kind && old.Other == l.Other }) {
			continue
		}
		if err := e.tie(ctx, tx, l.Other, otherWay[l.Kind], d.State.Matter.ID, d.Entry.By, cmd.Via); err != nil {
			return err
		}
	}
	return nil
}

// ActionLink, ActionNote and the others are the steps every matter has, whatever its pack says.
const (
	ActionLink   = "link"
	ActionNote   = "note"
	ActionAssign = "assign"
	ActionMissed = "clock.missed"
	ActionOver   = "clock.over"
)

func (e *Engine) tie(ctx context.Context, tx *store.Tx, id ref.MatterID, kind string, other ref.MatterID, by journal.Actor, via journal.Via) error {
	s, err := e.Load(ctx, tx, id)
	if err != nil {
		return err
	}
	return e.plainStep(ctx, tx, s, ActionLink, by, via, nil, nil, nil, &Linked{Kind: kind, Other: other})
}

// plainStep records a step that no pack describes.
func (e *Engine) plainStep(ctx context.Context, tx *store.Tx, s State, action string, by journal.Actor, via journal.Via, keys *vault.Keys,
	fields map[string]any, sealed map[string][]byte, changes ...Change) error {
	entry := journal.Entry{V: 1, Stream: s.Matter.ID.Stream(), N: s.Matter.N + 1, At: e.Now(), By: by, Via: via, Pack: s.Matter.Pack,
		Action: action, Fields: fields}
	for compartment, content := range sealed {
		if entry.Sealed == nil {
			entry.Sealed = map[string]rawMessage{}
		}
		entry.Sealed[compartment] = content
	}
	for _, c := range changes {
		name(c)
	}
	now, err := fold(s, &entry, changes)
	if err != nil {
		return err
	}
	d := Decision{Entry: entry, State: now, Change: changes, keys: keys}
	return e.record(ctx, tx, s, &d)
}

// record writes an entry and, in the same transaction, the rows that follow from it: nothing else ever writes them.
func (e *Engine) record(ctx context.Context, tx *store.Tx, old State, d *Decision) error {
	raw, err := encodeChanges(d.Change)
	if err != nil {
		return err
	}
	d.Entry.Changes = raw
	if err := e.seal(ctx, tx, old, d); err != nil {
		return err
	}
	if err := journal.Append(ctx, tx, d.Entry); err != nil {
		if fault.Is(err, fault.Conflict) {
			return fault.Wrap(err, fault.Conflict, "matter.stale", nil) // somebody was faster by an instant
		}
		return err
	}
	return save(ctx, tx, old, d.State)
}

// Since is a step that happened since a form was drawn.
type Since struct {
	N      int64
	Duty   string
	Action string
	At     time.Time
}

func (e *Engine) stale(ctx context.Context, tx *store.Tx, s State, seen int64) error {
	entries, err := journal.Stream(ctx, tx, s.Matter.ID.Stream())
	if err != nil {
		return err
	}
	var since []Since
	for _, r := range entries {
		if r.N > seen {
			since = append(since, Since{N: r.N, Duty: r.By.Duty, Action: r.Action, At: r.At})
		}
	}
	args := fault.Args{"changes": since, "n": len(since)}
	if len(since) > 0 {
		last := since[len(since)-1]
		args["duty"], args["action"], args["at"] = last.Duty, last.Action, last.At
	}
	return fault.New(fault.Conflict, "matter.stale", args)
}

// world loads what a decision on s looks at.
func (e *Engine) world(ctx context.Context, tx *store.Tx, p *pack.Pack, k *pack.Kind, s State, a *pack.Action, v Values) (World, error) {
	w := World{Now: e.Now()}
	var err error
	if w.Tree, err = e.trees.Tree(ctx, tx); err != nil {
		return w, err
	}
	officials := append(s.Named(), v.officials()...)
	if w.Posts, err = register.PostsOf(ctx, tx, s.Named()); err != nil {
		return w, err
	}
	if err := e.away(ctx, tx, &w, officials, p.Cal().Day(w.Now).String()); err != nil {
		return w, err
	}
	for _, f := range fieldsOf(k, a) {
		account, ok := v[f.ID].(string)
		if !ok || f.Type != pack.TypeAccount {
			continue
		}
		c, there, err := colleague(ctx, tx, accountID(account), p.Cal().Day(w.Now).String())
		if err != nil {
			return w, err
		}
		if there {
			w.People = map[ref.AccountID]Colleague{accountID(account): c}
			officials = append(officials, c.Official)
		}
	}
	if len(officials) > 0 {
		if w.Officials, err = withMerged(ctx, tx, officials); err != nil {
			return w, err
		}
	}
	if len(s.Links) > 0 {
		if w.Linked, err = linked(ctx, tx, s.Links); err != nil {
			return w, err
		}
	}
	if refs := v.references(fieldsOf(k, a)); len(refs) > 0 {
		if w.Matters, err = rowsByRef(ctx, tx, refs); err != nil {
			return w, err
		}
	}
	if err := e.earlier(ctx, tx, &w, v); err != nil {
		return w, err
	}
	states := []*pack.State{k.State(k.Start)}
	if a != nil {
		to := a.To
		if to == "" {
			to = s.Matter.State
		}
		states = []*pack.State{k.State(to)}
	}
	for _, st := range states {
		if err := e.holders(ctx, tx, &w, p, st); err != nil {
			return w, err
		}
	}
	return w, nil
}

// earlier finds the reports that the values show by their receipt codes. Whoever shows the code has the right to speak of
// the report; nobody needs to be allowed to see it for that.
func (e *Engine) earlier(ctx context.Context, tx *store.Tx, w *World, v Values) error {
	for _, x := range v {
		shown, ok := x.(EarlierValue)
		if !ok {
			continue
		}
		s, err := e.by(ctx, tx, `SELECT id FROM matter WHERE channel = $1`, shown.Channel)
		if fault.Is(err, fault.NotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if w.Earlier == nil {
			w.Earlier = map[string]ref.MatterID{}
		}
		if w.Linked == nil {
			w.Linked = map[ref.MatterID]Row{}
		}
		w.Earlier[string(shown.Channel)], w.Linked[s.Matter.ID] = s.Matter.ID, s.Matter
	}
	return nil
}

// asking is the action with the questions it asks now: where it answers a questionnaire, those of the one that was sent.
func asking(p *pack.Pack, a *pack.Action, s State) (*pack.Action, error) {
	if a.Answers == "" {
		return a, nil
	}
	data, err := s.Matter.Values()
	if err != nil {
		return nil, err
	}
	own := *a
	own.Fields = p.FieldsOf(a, data)
	return &own, nil
}

func fieldsOf(k *pack.Kind, a *pack.Action) []pack.Field {
	if a != nil {
		return a.Fields
	}
	return k.Fields
}

// holders loads where the duty of a state's desk is held, if the desk sits at a body above or somewhere nobody is left at it.
func (e *Engine) holders(ctx context.Context, tx *store.Tx, w *World, p *pack.Pack, st *pack.State) error {
	if st == nil || st.Desk == "" || w.Holders[st.Desk] != nil || st.Of != pack.OfSuperior && !w.lacks(st.Desk) {
		return nil
	}
	found, err := holdersOf(ctx, tx, st.Desk, p.Cal().Day(w.Now).String())
	if err != nil {
		return err
	}
	if w.Holders == nil {
		w.Holders = map[string][]ref.BodyID{}
	}
	w.Holders[st.Desk] = found
	return nil
}

// withMerged loads officials, and those into whom they were merged.
func withMerged(ctx context.Context, tx *store.Tx, ids []ref.OfficialID) (map[ref.OfficialID]register.Official, error) {
	out, err := register.Standing(ctx, tx, ids)
	if err != nil {
		return nil, err
	}
	for range 8 {
		var more []ref.OfficialID
		for _, o := range out {
			if _, there := out[o.MergedInto]; o.MergedInto != 0 && !there {
				more = append(more, o.MergedInto)
			}
		}
		if len(more) == 0 {
			break
		}
		found, err := register.Standing(ctx, tx, more)
		if err != nil {
			return nil, err
		}
		for id, o := range found {
			out[id] = o
		}
	}
	return out, nil
}

func (v Values) officials() []ref.OfficialID {
	var out []ref.OfficialID
	for _, x := range v {
		switch x := x.(type) {
		case OfficialValue:
			out = append(out, x.ID)
		case []AllegationValue:
			for _, a := range x {
				out = append(out, a.Official.ID)
			}
		}
	}
	return out
}

func (v Values) references(fields []pack.Field) []ref.Reference {
	var out []ref.Reference
	for _, f := range fields {
		if s, ok := v[f.ID].(string); ok && f.Type == pack.TypeMatter {
			out = append(out, ref.Reference(s))
		}
	}
	return out
}

// Note adds an internal note: sealed to the file, for those who may work on it.
func (e *Engine) Note(ctx context.Context, tx *store.Tx, v access.Viewer, keys *vault.Keys, id ref.MatterID, text string, via journal.Via) (State, error) {
	s, by, err := e.handler(ctx, tx, v, id)
	if err != nil {
		return State{}, err
	}
	values, wrong := ParseForm(nil, []pack.Field{{ID: "text", Type: pack.TypeLong, Required: true}}, func(string) []string { return []string{text} })
	if err := fault.InvalidFields(wrong); err != nil {
		return State{}, err
	}
	content, err := encodeJSON(values)
	if err != nil {
		return State{}, err
	}
	err = e.plainStep(ctx, tx, s, ActionNote, by, via, keys, nil, map[string][]byte{access.File: content})
	if err != nil {
		return State{}, err
	}
	return e.Load(ctx, tx, id)
}

// Link ties two matters that belong together: duplicate-of or follows-from. Both get an entry.
func (e *Engine) Link(ctx context.Context, tx *store.Tx, v access.Viewer, id ref.MatterID, kind string, other ref.MatterID, via journal.Via) (State, error) {
	if kind != LinkDuplicateOf && kind != LinkFollowsFrom || id == other {
		return State{}, fault.New(fault.Invalid, "matter.link", nil)
	}
	s, by, err := e.handler(ctx, tx, v, id)
	if err != nil {
		return State{}, err
	}
	if _, _, err := e.handler(ctx, tx, v, other); err != nil {
		return State{}, err
	}
	if err := e.plainStep(ctx, tx, s, ActionLink, by, via, nil, nil, nil, &Linked{Kind: kind, Other: other}); err != nil {
		return State{}, err
	}
	if err := e.tie(ctx, tx, other, otherWay[kind], id, by, via); err != nil {
		return State{}, err
	}
	return e.Load(ctx, tx, id)
}

// Assign gives a matter to a person of its desk, who takes the lead. It is for queues, where many are given at once; an
// action of the pack with a field for a colleague does the same with its own conditions.
func (e *Engine) Assign(ctx context.Context, tx *store.Tx, v access.Viewer, id ref.MatterID, to access.Viewer, via journal.Via) (State, error) {
	s, by, err := e.handler(ctx, tx, v, id)
	if err != nil {
		return State{}, err
	}
	if s.Matter.Final != 0 {
		return State{}, fault.New(fault.Conflict, "matter.final", nil)
	}
	tree, err := e.trees.Tree(ctx, tx)
	if err != nil {
		return State{}, err
	}
	_, k, err := e.PackOf(s.Matter)
	if err != nil {
		return State{}, err
	}
	if k == nil {
		return State{}, notFound()
	}
	f, err := e.facts(ctx, tx, s, tree)
	if err != nil {
		return State{}, err
	}
	if err := access.MayAssign(v, k, f); err != nil {
		return State{}, err
	}
	if err := mayGet(to, k, f, didOf(s)); err != nil {
		return State{}, err
	}
	if !slices.ContainsFunc(to.Grants, func(g access.Grant) bool { return g.Duty == s.Matter.Desk && g.Body == s.Matter.DeskBody }) {
		return State{}, fault.New(fault.Invalid, "matter.assign-desk", fault.Args{"duty": s.Matter.Desk})
	}
	var changes []Change
	for _, a := range s.Assigned {
		if a.Duty == s.Matter.Desk && a.Lead != 0 && a.Account != to.Account {
			changes = append(changes, &Set{Account: a.Account, Duty: a.Duty, Gone: true})
		}
	}
	changes = append(changes, &Set{Account: to.Account, Duty: s.Matter.Desk, Lead: true})
	fields := map[string]any{"account": strconv.FormatInt(int64(to.Account), 10)}
	if err := e.plainStep(ctx, tx, s, ActionAssign, by, via, nil, fields, nil, changes...); err != nil {
		return State{}, err
	}
	return e.Load(ctx, tx, id)
}

// handler loads a matter for a step that every matter has, by somebody who works on such matters: they see it, and
// hold a duty that acts in its procedure at its body or above, or at its desk.
func (e *Engine) handler(ctx context.Context, tx *store.Tx, v access.Viewer, id ref.MatterID) (State, journal.Actor, error) {
	s, err := e.Load(ctx, tx, id)
	if err != nil {
		return State{}, journal.Actor{}, err
	}
	tree, err := e.trees.Tree(ctx, tx)
	if err != nil {
		return State{}, journal.Actor{}, err
	}
	f, err := e.facts(ctx, tx, s, tree)
	if err != nil {
		return State{}, journal.Actor{}, err
	}
	if err := access.Look(v, f); err != nil {
		return State{}, journal.Actor{}, err
	}
	_, k, err := e.PackOf(s.Matter)
	if err != nil {
		return State{}, journal.Actor{}, err
	}
	if err := access.MayNote(v, k, f); err != nil {
		return State{}, journal.Actor{}, err
	}
	return s, journal.Actor{Account: v.Account, Duty: best(v, f).Duty, Body: best(v, f).Body}, nil
}

// best is the grant that fits a matter best: of its desk, else at its body, else any.
func best(v access.Viewer, f access.Facts) access.Grant {
	for _, fits := range []func(access.Grant) bool{
		func(g access.Grant) bool { return g.Duty == f.Desk && g.Body == f.DeskBody },
		func(g access.Grant) bool { return slices.Contains(f.Above, g.Body) && g.Sees != access.SeesNone },
		func(g access.Grant) bool { return g.Sees != access.SeesNone },
	} {
		if i := slices.IndexFunc(v.Grants, fits); i >= 0 {
			return v.Grants[i]
		}
	}
	return access.Grant{}
}

// Facts returns what package access needs to know of a matter.
func (e *Engine) FactsOf(ctx context.Context, tx *store.Tx, id ref.MatterID) (access.Facts, error) {
	s, err := e.Load(ctx, tx, id)
	if err != nil {
		return access.Facts{}, err
	}
	return e.Facts(ctx, tx, s)
}

// Facts is FactsOf for a matter already loaded.
func (e *Engine) Facts(ctx context.Context, tx *store.Tx, s State) (access.Facts, error) {
	tree, err := e.trees.Tree(ctx, tx)
	if err != nil {
		return access.Facts{}, err
	}
	return e.facts(ctx, tx, s, tree)
}

func factsOf(s State, t *register.Tree) access.Facts {
	m := &s.Matter
	f := access.Facts{ID: m.ID, Body: m.Body, Desk: m.Desk, DeskBody: m.DeskBody, Concerned: m.Concerned, Above: t.Above(m.Body),
		ConcernedAbove: t.Above(m.Concerned), Overdue: m.Overdue != 0, Named: s.Named()}
	if b := t.Body(m.DeskBody); b != nil {
		f.DeskParent = b.Parent
	}
	for _, a := range s.Assigned {
		f.Assigned = append(f.Assigned, a.Account)
	}
	for _, d := range s.Did {
		if d.From == m.ID {
			f.Acted = append(f.Acted, d.Account)
		}
	}
	return f
}

func didOf(s State) []access.Did {
	out := make([]access.Did, 0, len(s.Did))
	for _, d := range s.Did {
		out = append(out, access.Did{Kind: d.Kind, Action: d.Action, Account: d.Account, Duty: d.Duty, Body: d.Body, Before: d.From != s.Matter.ID})
	}
	return out
}

// notFound is what everybody gets for a matter that is not there, or not for them.
func notFound() error { return fault.New(fault.NotFound, "access.not-found", nil) }

func isMissing(err error) bool { return errors.Is(err, store.ErrNotFound) }
