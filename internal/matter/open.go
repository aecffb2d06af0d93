package matter

import (
	"strings"

	"plumbline/internal/fault"
	"plumbline/internal/pack"
	"plumbline/internal/ref"
)

// ActionOpen is the action of the first entry of every matter that was opened here; ActionImport of one that was not.
const (
	ActionOpen   = "open"
	ActionImport = "import"
)

// Opening is what a matter begins with, besides what the form says.
type Opening struct {
	ID        ref.MatterID
	Ref       ref.Reference
	Body      ref.BodyID // 0: routed
	Channel   []byte     // hash of the reporter's receipt code
	Anonymous bool
	Parent    *State // the matter that opens this one
	Inspects  bool   // … because it was drawn at random and is now inspected
	ParentN   int64  // the entry of it
	Spawn     Spawn
}

// DecideOpen says what opening a matter comes to. It is pure, like Decide.
func DecideOpen(w World, o Opening, step Step) (Decision, error) {
	d := newDeciding(w, State{Matter: Row{ID: o.ID}}, step)
	d.e.Action, d.e.Pack = ActionOpen, step.Pack.ID()
	start := step.Kind.State(step.Kind.Start)
	if start == nil {
		return Decision{}, fault.New(fault.Internal, "fault.internal", nil)
	}
	opened := &Opened{Ref: o.Ref, Kind: step.Kind.ID, State: start.ID, Final: start.Final, Received: d.received(), Channel: o.Channel}
	d.add(opened)
	if step.Kind.Reports {
		d.add(&Joined{No: 1, Role: new(RoleReporter), Anonymous: new(true)})
	}
	if o.Parent != nil {
		d.inherit(o)
	} else if err := d.take(step.Kind.Fields); err != nil {
		return Decision{}, err
	}
	if !o.Anonymous && step.Kind.Reports {
		d.unveilIfNamed()
	}
	if step.Kind.Subject == "required" && d.s.Matter.Subject == 0 {
		return Decision{}, fault.InvalidFields([]fault.Field{{Name: d.officialField(), Key: "field.required.official"}})
	}
	if err := d.settleDown(o, start); err != nil {
		return Decision{}, err
	}
	if o.Parent == nil {
		d.effects()
	} else if d.Actor.Account != 0 {
		d.add(&Done{})
	}
	d.clocks("", start.ID)
	d.s.settle()
	return Decision{Entry: d.e, State: d.s, Change: d.changes}, nil
}

func (d *deciding) received() string {
	if s, ok := d.Values[FieldReceived].(string); ok {
		if f := d.Kind.Field(FieldReceived); f != nil && f.Type == pack.TypeDate {
			if parseDate(s).Compare(d.cal.Day(d.Now)) > 0 {
				d.fail(FieldReceived, "field.date.future", nil)
			}
			return s
		}
	}
	return d.today()
}

// unveilIfNamed: a reporter who gave a name or a way to be reached is not anonymous.
func (d *deciding) unveilIfNamed() {
	for _, f := range d.Kind.Fields {
		if _, there := d.values[f.ID]; there && (f.Type == pack.TypeName || f.Type == pack.TypeContact) {
			d.unveil()
			return
		}
	}
}

func (d *deciding) officialField() string {
	for _, f := range d.Kind.Fields {
		if f.Type == pack.TypeOfficial {
			return f.ID
		}
	}
	return "official"
}

// inherit takes along from the matter that opens this one: the allegations it is for, what has happened in law, and who
// did what, so that separation of duties reaches across. Reporters and witnesses stay where they are protected.
func (d *deciding) inherit(o Opening) {
	parent := o.Parent
	if o.Spawn.Subject != 0 && d.Kind.Subject != "" && d.Kind.Subject != "none" {
		d.add(&About{Subject: new(o.Spawn.Subject)})
	}
	for i, a := range o.Spawn.Allegations {
		d.add(alleged(Allegation{}, withNo(a, int64(i+1))))
	}
	concerned := parent.Matter.Concerned
	if d.s.Matter.Subject != 0 && len(d.s.Allegations) > 0 && d.s.Allegations[0].Body != 0 {
		concerned = d.s.Allegations[0].Body
	}
	if concerned != 0 {
		d.concern(concerned)
	}
	for _, did := range parent.Did {
		d.add(carried(did))
	}
	if o.Inspects { // what happened there is what is looked at; nothing of it has happened here
		d.add(&Linked{Kind: LinkInspects, Other: parent.Matter.ID})
		return
	}
	if facts := factList(parent.Matter.Facts); len(facts) > 0 {
		d.add(&Facts{Add: facts})
	}
	d.add(&Linked{Kind: LinkOpenedBy, Other: parent.Matter.ID})
}

func withNo(a Allegation, no int64) Allegation { a.No = no; return a }

func carried(did Did) *Done {
	return &Done{Kind: did.Kind, Action: did.Action, From: did.From, N: did.N, Account: did.Account, Duty: did.Duty, Body: did.Body,
		Effects: factList(did.Effects)}
}

// settleDown finds the body and the desk a new matter lies with, and what lists call it.
func (d *deciding) settleDown(o Opening, start *pack.State) error {
	body, duty := o.Body, ""
	switch {
	case o.Inspects: // the body was chosen with care
	case o.Parent != nil:
		body = o.Parent.Matter.Body
	case body == 0:
		var err error
		if body, duty, err = d.route(); err != nil {
			return err
		}
	}
	if body != 0 && !o.Inspects && (d.commands(body) || d.nobodyAt(body) || d.Empty[Desk{duty, body}]) {
		if above := d.Tree.Above(body); len(above) > 1 {
			body = d.up(above[1])
		}
	}
	c := &Passed{Body: body, Desk: start.Desk, DeskBody: body}
	if start.Desk == "" {
		c.Desk = duty
	}
	if start.Of == pack.OfSuperior {
		c.Desk, c.DeskBody = d.desk(start, body)
	}
	if body != 0 {
		d.add(c)
	}
	if d.s.Matter.Concerned == 0 && body != 0 && len(d.s.Allegations) == 0 && d.Kind.Field("body") == nil {
		d.concern(body)
	}
	if title := Title(d.Pack, d.Tree, d.s, d.Pack.Languages[0]); title != "" {
		d.add(&About{Title: &title})
	}
	return nil
}

// alleged is the change that makes one allegation of another: only what differs.
func alleged(old, now Allegation) *Alleged {
	c := &Alleged{No: now.No}
	differ(&c.Official, old.Official, now.Official)
	differ(&c.Described, old.Described, now.Described)
	differ(&c.Body, old.Body, now.Body)
	differ(&c.Rank, old.Rank, now.Rank)
	differ(&c.Conduct, old.Conduct, now.Conduct)
	differ(&c.Category, old.Category, now.Category)
	differ(&c.Time, old.Time, now.Time)
	differ(&c.Place, old.Place, now.Place)
	differ(&c.Finding, old.Finding, now.Finding)
	differ(&c.Standard, old.Standard, now.Standard)
	differ(&c.Outcome, old.Outcome, now.Outcome)
	if old.Data != now.Data {
		c.Data = rawData(now.Data)
	}
	return c
}

func rawData(s string) []byte {
	if s == "" {
		return []byte("null")
	}
	return []byte(s)
}

func differ[T comparable](to **T, old, now T) {
	if old != now {
		*to = &now
	}
}

func isNil(c *Alleged) bool {
	none := Alleged{Op: c.Op, No: c.No}
	return c.Official == none.Official && c.Described == nil && c.Body == nil && c.Rank == nil && c.Conduct == nil && c.Category == nil &&
		c.Time == nil && c.Place == nil && c.Finding == nil && c.Standard == nil && c.Outcome == nil && c.Data == nil && !c.Gone
}

func factList(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Fields(s)
}
