package matter

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"plumbline/internal/access"
	"plumbline/internal/calendar"
	"plumbline/internal/fault"
	"plumbline/internal/journal"
	"plumbline/internal/pack"
	"plumbline/internal/ref"
	"plumbline/internal/register"
	"plumbline/internal/vault"
)

// World is what the register and the linked matters say at the moment of a decision. It is loaded beforehand, so that
// deciding itself does no I/O.
type World struct {
	Now       time.Time
	Tree      *register.Tree
	Officials map[ref.OfficialID]register.Official // those the matter and the values name
	Holders   map[string][]ref.BodyID              // by duty: the bodies at which somebody holds it
	Linked    map[ref.MatterID]Row                 // the matters this one is tied to
	Matters   map[ref.Reference]Row                // those the values name by reference and the actor may see
	People    map[ref.AccountID]Colleague          // those the values name
	Posts     []register.Held                      // of the persons the matter names
	Away      map[ref.AccountID]access.Reason      // whom those that the matter and the values name keep away, and why
	Empty     map[Desk]bool                        // desks with members, where it is true: all of whom are kept away
	Earlier   map[string]ref.MatterID              // by hash of a receipt code: the reports shown by one, which are in Linked too
}

// A Colleague is somebody a matter may be given to: the duties they hold now, and who they are in the register.
type Colleague struct {
	Official ref.OfficialID
	Desks    []Desk
}

// A Desk is a duty at a body.
type Desk struct {
	Duty string
	Body ref.BodyID
}

// A Spawn is a matter that an action opens: its kind and what it takes along.
type Spawn struct {
	Kind        string
	Subject     ref.OfficialID
	Allegations []Allegation
}

// named are the officials whom the matter will name.
func (sp Spawn) named() []ref.OfficialID {
	out := []ref.OfficialID{sp.Subject}
	for _, a := range sp.Allegations {
		out = append(out, a.Official)
	}
	return out
}

// factsOf is what package access needs to know of the matter that is decided about.
func (w *World) factsOf(s State) access.Facts {
	f := factsOf(s, w.Tree)
	f.Posts = w.Posts
	return f
}

// lacks reports whether somewhere nobody is left at the desk of a duty.
func (w *World) lacks(duty string) bool {
	for d, empty := range w.Empty {
		if empty && d.Duty == duty {
			return true
		}
	}
	return false
}

// Decision is what an action comes to, before anything is written.
type Decision struct {
	Entry  journal.Entry // without Changes, which Changes holds until links to new matters are known
	State  State
	Change []Change
	Spawns []Spawn

	keys     *vault.Keys // of whoever acts
	prepared *prepared
}

// Step is what somebody wants to do: the action and what they entered.
type Step struct {
	Pack   *pack.Pack
	Kind   *pack.Kind
	Action *pack.Action // nil: the matter is being opened
	Values Values
	Actor  journal.Actor
	Via    journal.Via
}

// Decide says what an action on a matter changes, or why it cannot happen now. Who may take it was decided before
// (package access); here it is whether the procedure has the step at this point, whether what was entered is right,
// and whether the rules of fairness allow it. It is pure.
func Decide(w World, s State, step Step) (Decision, error) {
	d := newDeciding(w, s, step)
	if err := d.possible(); err != nil {
		return Decision{}, err
	}
	if err := d.take(step.Action.Fields); err != nil {
		return Decision{}, err
	}
	if err := d.fair(); err != nil {
		return Decision{}, err
	}
	d.effects()
	d.veil()
	d.answered()
	if err := d.clocksOnRequest(); err != nil {
		return Decision{}, err
	}
	if err := d.pass(); err != nil {
		return Decision{}, err
	}
	d.move()
	d.recuse()
	d.link()
	d.open()
	d.retitle()
	d.s.settle()
	return Decision{Entry: d.e, State: d.s, Change: d.changes, Spawns: d.spawns}, nil
}

// deciding is the state while it is being changed: every change is applied as it is made, exactly as folding will.
type deciding struct {
	World
	Step
	cal     *calendar.Calendar
	was     State
	s       State
	e       journal.Entry
	values  Values // as far as asked
	changes []Change
	spawns  []Spawn
	wrong   []fault.Field
}

func newDeciding(w World, s State, step Step) *deciding {
	d := &deciding{World: w, Step: step, cal: step.Pack.Cal(), was: s, s: s.clone(), values: Values{}}
	d.e = journal.Entry{V: 1, Stream: s.Matter.ID.Stream(), N: s.Matter.N + 1, At: w.Now, By: step.Actor, Via: step.Via,
		Pack: s.Matter.Pack}
	if step.Action != nil {
		d.e.Action = step.Action.ID
	}
	d.s.Matter.N, d.s.Matter.Changed = d.e.N, w.Now.UnixMicro()
	return d
}

// add makes a change and applies it.
func (d *deciding) add(c Change) {
	name(c)
	if err := c.apply(&d.s, &d.e); err != nil {
		panic(fmt.Sprintf("matter: a decision contradicts itself: %v", err)) // only a mistake here can do that
	}
	d.changes = append(d.changes, c)
}

func (d *deciding) fail(name, key string, args fault.Args) {
	d.wrong = append(d.wrong, fault.Field{Name: name, Key: key, Args: args})
}

// possible refuses what the procedure does not have at this point.
func (d *deciding) possible() error {
	a, m := d.Action, d.s.Matter
	if !slices.Contains(a.From, m.State) {
		return fault.New(fault.Conflict, "matter.not-now", fault.Args{"action": a.ID, "state": m.State})
	}
	if a.When == "" {
		return nil
	}
	// A condition over the very fields of this step can only be answered with them.
	holds, err := d.Pack.Holds(d.Kind, a.When, d.env(d.Values))
	if err != nil {
		return fmt.Errorf("matter %d: %s: when: %w", m.ID, a.ID, err)
	}
	if !holds {
		return fault.New(fault.Conflict, "matter.when", fault.Args{"action": a.ID, "else": a.Else})
	}
	return nil
}

// env is what the pack's conditions look at: the matter as it was before, and what is being entered now.
func (d *deciding) env(now Values) *pack.Env {
	env := Env(d.Pack, d.was, d.World)
	for name, v := range now {
		if plain(v) {
			env.F[name] = v
		}
	}
	return env
}

// plain reports whether conditions can look at a value by itself.
func plain(v any) bool {
	switch v.(type) {
	case string, int64, bool, map[string]string:
		return true
	}
	return false
}

// take reads what was entered, checks it against the fields that are asked now, and notes what follows from it.
func (d *deciding) take(fields []pack.Field) error {
	env := d.env(d.Values)
	before := d.env(nil).F
	known := map[string]bool{}
	var asked []*pack.Field
	for i := range fields {
		f := &fields[i]
		known[f.ID] = true
		due, err := d.Pack.Asked(d.Kind, f, env)
		if err != nil {
			return fmt.Errorf("matter: field %s: when: %w", f.ID, err)
		}
		if !due || f.Staff && d.Actor.Account == 0 {
			Unanswer(env, before, f.ID)
			continue
		}
		asked = append(asked, f)
		v, there := d.Values[f.ID]
		switch {
		case there:
			d.values[f.ID] = v
			d.checkValue(f, v)
		case f.Required:
			d.fail(f.ID, requiredKey(f), nil)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(d.Values)) {
		if !known[name] {
			d.fail(name, "field.unknown", nil)
		}
	}
	if err := fault.InvalidFields(d.wrong); err != nil {
		return err
	}
	if err := d.note(asked); err != nil {
		return err
	}
	for _, bodies := range []bool{true, false} { // bodies first: allegations stand at the body concerned
		for _, f := range asked {
			if v, there := d.values[f.ID]; there && bodies == (f.Type == pack.TypeBody) {
				d.absorb(f, v)
			}
		}
	}
	d.single(asked)
	return fault.InvalidFields(d.wrong)
}

// Unanswer takes the answer to a question that is not asked, or no longer, out of what the conditions behind it look at: a
// branch that is not taken must bring up nothing. What the matter had before (see Env) counts again.
func Unanswer(env *pack.Env, before map[string]any, field string) {
	if v, had := before[field]; had {
		env.F[field] = v
		return
	}
	delete(env.F, field)
}

// checkValue holds a value to what only the register and the matter know.
func (d *deciding) checkValue(f *pack.Field, v any) {
	switch v := v.(type) {
	case OfficialValue:
		d.checkOfficial(f.ID, v)
	case EarlierValue:
		if d.Earlier[string(v.Channel)] == 0 {
			d.fail(f.ID, "field.no-receipt", nil)
		}
	case []AllegationValue:
		for i, a := range v {
			at := f.ID + "." + strconv.Itoa(i)
			d.checkOfficial(at+".official", a.Official)
			if a.Body != "" {
				d.checkBody(at+".body", a.Body)
			}
			if a.No != 0 && !d.has(a.No) {
				d.fail(at+".no", "field.no-allegation", fault.Args{"no": a.No})
			}
			d.checkConduct(at+".conduct", a.Conduct, a.Time)
		}
	case map[string]string:
		if f.Type == pack.TypeFindings {
			d.checkFindings(f, v)
		}
	case string:
		switch f.Type {
		case pack.TypeBody:
			d.checkBody(f.ID, v)
		case pack.TypeAccount:
			d.checkColleague(f.ID, v)
		case pack.TypeMatter:
			m, ok := d.Matters[ref.Reference(v)]
			if !ok {
				d.fail(f.ID, "field.no-matter", nil)
			} else if m.ID == d.s.Matter.ID {
				d.fail(f.ID, "field.same-matter", nil)
			}
		}
	}
}

func (d *deciding) has(no int64) bool {
	return slices.ContainsFunc(d.s.Allegations, func(a Allegation) bool { return a.No == no })
}

func (d *deciding) checkOfficial(name string, v OfficialValue) {
	if _, ok := d.Officials[v.ID]; v.ID != 0 && !ok {
		d.fail(name, "field.no-official", nil)
	}
}

func (d *deciding) checkBody(name, code string) {
	if d.Tree.ByCode(code) == nil {
		d.fail(name, "field.no-body", fault.Args{"code": code})
	}
}

// checkFindings asks for one finding for each allegation, and no other.
func (d *deciding) checkFindings(f *pack.Field, found map[string]string) {
	for _, a := range d.s.Allegations {
		if no := strconv.FormatInt(a.No, 10); found[no] == "" {
			d.fail(f.ID+"."+no, "field.required.finding", fault.Args{"no": a.No})
		}
	}
	for _, no := range slices.Sorted(maps.Keys(found)) {
		if n, err := strconv.ParseInt(no, 10, 64); err != nil || !d.has(n) {
			d.fail(f.ID+"."+no, "field.no-allegation", fault.Args{"no": no})
		}
	}
}

// note puts the values into the entry: sealed ones into their compartment, the others in the clear, and tells the
// matter which of those to keep.
func (d *deciding) note(asked []*pack.Field) error {
	sealed := map[string]map[string]any{}
	if described := d.mentions(asked); len(described) > 0 {
		sealed[access.File] = described
	}
	var keep []string
	for _, f := range asked {
		v, there := d.values[f.ID]
		who, _ := v.(OfficialValue)
		switch {
		case !there, f.Type == pack.TypeEarlier: // of a receipt code nothing is written down but the link
		case who.Described != "": // sealed, and the allegation says where
		case f.Sealed != "":
			if sealed[f.Sealed] == nil {
				sealed[f.Sealed] = map[string]any{}
			}
			sealed[f.Sealed][f.ID] = v
		default:
			if d.e.Fields == nil {
				d.e.Fields = map[string]any{}
			}
			d.e.Fields[f.ID] = v
			if kept(f.Type) {
				keep = append(keep, f.ID)
			}
		}
	}
	for compartment, content := range sealed {
		raw, err := json.Marshal(content)
		if err != nil {
			return fmt.Errorf("matter: seal %s: %w", compartment, err)
		}
		if d.e.Sealed == nil {
			d.e.Sealed = map[string]json.RawMessage{}
		}
		d.e.Sealed[compartment] = raw
	}
	if len(keep) > 0 {
		slices.Sort(keep)
		d.add(&Kept{Keep: keep})
	}
	return nil
}

// kept reports whether the matter keeps values of a type among its data. The others have tables of their own.
func kept(t pack.FieldType) bool {
	switch t {
	case pack.TypeAllegations, pack.TypeFindings, pack.TypeOfficial, pack.TypeBody, pack.TypeAccount, pack.TypeName, pack.TypeContact:
		return false
	}
	return true
}

// absorb notes what follows from one clear value. What is sealed never reaches a table.
func (d *deciding) absorb(f *pack.Field, v any) {
	if f.Type == pack.TypeName || f.Type == pack.TypeContact {
		d.unveil()
		return
	}
	if f.Sealed != "" && f.Type != pack.TypeEarlier {
		return
	}
	switch v := v.(type) {
	case EarlierValue:
		d.add(&Linked{Kind: LinkArisesFrom, Other: d.Earlier[string(v.Channel)]})
	case []AllegationValue:
		for _, a := range v {
			d.allege(a)
		}
	case map[string]string:
		if f.Type == pack.TypeFindings {
			d.find(v)
		}
	case string:
		switch f.Type {
		case pack.TypeOutcome:
			d.outcome(v)
		case pack.TypeAccount:
			d.assign(v)
		case pack.TypeBody:
			if d.Action == nil || !d.Action.Has(pack.EffTransfer) {
				d.concern(d.Tree.Now(d.Tree.ByCode(v).ID))
			}
		}
	}
}

// allege adds or changes one allegation.
func (d *deciding) allege(v AllegationValue) {
	c := &Alleged{No: v.No}
	if v.No == 0 {
		c.No = 1
		for _, a := range d.s.Allegations {
			c.No = max(c.No, a.No+1)
		}
	}
	if v.Official != (OfficialValue{}) {
		d.name(c, v.Official, v.Time)
	}
	if v.Body != "" && c.Body == nil {
		c.Body = new(d.Tree.Now(d.Tree.ByCode(v.Body).ID))
	}
	if c.Body == nil && v.No == 0 && d.s.Matter.Concerned != 0 {
		c.Body = new(d.s.Matter.Concerned)
	}
	if v.Rank != "" && c.Rank == nil {
		c.Rank = &v.Rank
	}
	if v.Conduct != "" {
		c.Conduct, c.Category = &v.Conduct, new(d.category(v.Conduct))
	}
	if v.Time != "" {
		c.Time = &v.Time
	}
	if v.Place != "" {
		c.Place = &v.Place
	}
	d.add(c)
	if c.Body != nil && d.s.Matter.Concerned == 0 {
		d.concern(*c.Body)
	}
}

// name puts an official, with body and rank at the time, or a description into an allegation.
func (d *deciding) name(c *Alleged, v OfficialValue, when string) {
	if v.ID == 0 {
		c.Described = &v.Described
		return
	}
	o := d.official(v.ID)
	c.Official = new(o.ID)
	c.Described = new("")
	post, ok := o.PostAt(when)
	if !ok {
		post, ok = o.PostAt("")
	}
	if !ok {
		return
	}
	c.Body = new(d.Tree.Now(post.Body))
	if post.Rank != "" {
		c.Rank = new(post.Rank)
	}
}

// official returns an official as the register has it now, following a merger.
func (d *deciding) official(id ref.OfficialID) register.Official {
	o := d.Officials[id]
	if o.MergedInto != 0 {
		if now, ok := d.Officials[o.MergedInto]; ok {
			return now
		}
	}
	return o
}

func (d *deciding) category(conduct string) string {
	if c := d.Pack.ConductEntry(conduct); c != nil {
		return c.Category
	}
	return ""
}

func (d *deciding) find(found map[string]string) {
	for _, a := range slices.Clone(d.s.Allegations) {
		id := found[strconv.FormatInt(a.No, 10)]
		if id == "" || id == a.Finding {
			continue
		}
		c := &Alleged{No: a.No, Finding: &id}
		if f := d.Pack.Finding(id); f != nil {
			c.Standard = &f.Standard
		}
		d.add(c)
	}
}

// outcome is for what was proven: it stands with every such allegation of the matter.
func (d *deciding) outcome(id string) {
	for _, a := range slices.Clone(d.s.Allegations) {
		if f := d.Pack.Finding(a.Finding); f != nil && f.Proven && a.Outcome != id {
			d.add(&Alleged{No: a.No, Outcome: &id})
		}
	}
}

func (d *deciding) assign(account string) {
	desk := d.nextDesk()
	lead := d.Action != nil && d.Action.Assigns
	for _, a := range slices.Clone(d.s.Assigned) {
		if lead && a.Duty == desk.Duty && a.Lead != 0 && a.Account != accountID(account) {
			d.add(&Set{Account: a.Account, Duty: a.Duty, Gone: true}) // given to somebody else
		}
	}
	d.add(&Set{Account: accountID(account), Duty: desk.Duty, Lead: lead})
}

// nextDesk is the desk the matter lies with after the step: where a colleague has to belong to be given it.
func (d *deciding) nextDesk() Desk {
	to := d.s.Matter.State
	if d.Action != nil && d.Action.To != "" {
		to = d.Action.To
	}
	if st := d.Kind.State(to); st != nil {
		duty, body := d.desk(st, d.s.Matter.Body)
		return Desk{duty, body}
	}
	return Desk{d.s.Matter.Desk, d.s.Matter.DeskBody}
}

// checkColleague lets a matter be given only to somebody of the desk it goes to, and never to somebody it names.
func (d *deciding) checkColleague(field, account string) {
	c, known := d.People[accountID(account)]
	desk := d.nextDesk()
	switch {
	case !known:
		d.fail(field, "field.account", nil)
	case d.Away[accountID(account)] != "" || c.Official != 0 && slices.ContainsFunc(d.s.Named(), func(o ref.OfficialID) bool { return d.samePerson(o, c.Official) }):
		d.fail(field, "matter.assign-named", nil)
	case d.Kind.Inspects != nil && access.HadAHand(accountID(account), didOf(d.s)):
		d.fail(field, "matter.assign-hand", nil)
	case !slices.Contains(c.Desks, desk):
		d.fail(field, "matter.assign-desk", fault.Args{"duty": desk.Duty})
	}
}

// samePerson reports whether two entries of the register are one person.
func (d *deciding) samePerson(a, b ref.OfficialID) bool {
	return a == b || d.last(a) == d.last(b)
}

func (d *deciding) last(id ref.OfficialID) ref.OfficialID {
	for range len(d.Officials) {
		o, there := d.Officials[id]
		if !there || o.MergedInto == 0 {
			break
		}
		id = o.MergedInto
	}
	return id
}

// accountID reads an account as ParseForm let it pass; anything else is nobody.
func accountID(s string) ref.AccountID {
	id, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0
	}
	return ref.AccountID(id)
}

func (d *deciding) concern(body ref.BodyID) {
	if d.s.Matter.Concerned != body {
		d.add(&About{Concerned: &body})
	}
}

// unveil notes that the reporter is no longer anonymous; the name itself stays sealed in the entry.
func (d *deciding) unveil() {
	for _, p := range d.s.Parties {
		if p.Role == RoleReporter && p.Anonymous == 1 {
			d.add(&Joined{No: p.No, Anonymous: new(false)})
		}
	}
}

// veil makes the reporter anonymous again, who took their name back. What the compartment holds is not opened any more (see
// unopened); that it was opened before cannot be undone, and stays in the record.
func (d *deciding) veil() {
	if !d.happens(pack.EffHide) {
		return
	}
	for _, p := range d.s.Parties {
		if p.Role == RoleReporter && p.Anonymous == 0 {
			d.add(&Joined{No: p.No, Anonymous: new(true)})
		}
	}
}

// answered notes which questionnaire the step answers, and that it is no longer open.
func (d *deciding) answered() {
	field := d.Action.Answers
	if field == "" {
		return
	}
	data, err := d.was.Matter.Values()
	if err != nil {
		return // said where conditions were evaluated
	}
	if d.e.Fields == nil {
		d.e.Fields = map[string]any{}
	}
	d.e.Fields[field] = data[field]
	d.add(&Kept{Drop: []string{field}})
}

// single reads fields that stand by themselves as one allegation: an official, a conduct, a rank, a date, a place. On
// a matter with allegations they fill in what is missing there: this is how a person described is identified later.
func (d *deciding) single(asked []*pack.Field) {
	var v AllegationValue
	for _, f := range asked {
		value, there := d.values[f.ID]
		if !there || f.Sealed != "" {
			continue
		}
		switch f.Type {
		case pack.TypeAllegations:
			return
		case pack.TypeOfficial:
			v.Official, _ = value.(OfficialValue)
		case pack.TypeConduct:
			v.Conduct, _ = value.(string)
		case pack.TypeRank:
			v.Rank, _ = value.(string)
		case pack.TypeDate:
			if d.Action == nil && f.ID != FieldReceived && v.Time == "" {
				v.Time, _ = value.(string)
			}
		case pack.TypeText:
			if f.ID == FieldPlace {
				v.Place, _ = value.(string)
			}
		case pack.TypeNumber:
			if n, ok := value.(int64); ok && f.ID == FieldAllegation {
				v.No = n
			}
		}
	}
	if v.empty() {
		return
	}
	// Who came forward is who the office made sure it was, whoever was named on the form.
	settled := d.s.Matter.Subject != 0 && !(d.Kind.Discloses && d.Actor.Account != 0 && d.Action != nil)
	if d.Kind.Subject != "" && d.Kind.Subject != "none" && v.Official.ID != 0 && !settled && d.official(v.Official.ID).ID != d.s.Matter.Subject {
		d.add(&About{Subject: new(d.official(v.Official.ID).ID)})
		if d.Kind.Discloses {
			d.unveil() // whoever comes forward by name is not anonymous
		}
	}
	d.fill(v)
}

// Ids of fields that have a meaning beyond their type.
const (
	FieldReceived   = "received"   // a date: when a report on paper arrived; otherwise the day it is opened
	FieldPlace      = "place"      // a text: where it happened
	FieldAllegation = "allegation" // a number: which allegation the other fields are about
)

func (d *deciding) fill(v AllegationValue) {
	if v.Conduct != "" && v.Time == "" {
		for _, a := range d.s.Allegations {
			if a.Time != "" && v.Time == "" {
				v.Time = a.Time
			}
		}
		d.checkConduct(d.conductField(), v.Conduct, v.Time)
		v.Time = ""
	} else if v.Conduct != "" {
		d.checkConduct(d.conductField(), v.Conduct, v.Time)
	}
	if len(d.wrong) > 0 {
		return
	}
	if v.No != 0 && !d.has(v.No) {
		d.fail(FieldAllegation, "field.no-allegation", fault.Args{"no": v.No})
		return
	}
	if len(d.s.Allegations) == 0 {
		d.allege(v)
		return
	}
	for _, a := range slices.Clone(d.s.Allegations) {
		if v.No != 0 && v.No != a.No {
			continue
		}
		only := v.No == a.No || len(d.s.Allegations) == 1
		u := AllegationValue{No: a.No, Time: a.Time}
		if v.Official != (OfficialValue{}) && (a.Official == 0 || only) {
			u.Official = v.Official
		}
		if v.Conduct != "" && (a.Conduct == "" || only) {
			u.Conduct = v.Conduct
		}
		if v.Rank != "" && (a.Rank == "" || only) {
			u.Rank = v.Rank
		}
		if v.Place != "" && (a.Place == "" || only) {
			u.Place = v.Place
		}
		if u != (AllegationValue{No: a.No, Time: a.Time}) {
			d.allege(u)
		}
	}
}

// conductField returns the name of the conduct field of the step, for messages.
func (d *deciding) conductField() string {
	fields := d.Kind.Fields
	if d.Action != nil {
		fields = d.Action.Fields
	}
	for _, f := range fields {
		if f.Type == pack.TypeConduct {
			return f.ID
		}
	}
	return "conduct"
}

// effects notes what the step does in law, and who took it.
func (d *deciding) effects() {
	names := d.happening()
	if d.Actor.Account != 0 {
		d.add(&Done{Effects: names})
	}
	if len(names) > 0 {
		var add []string
		for _, n := range names {
			if !d.s.Matter.HasFact(n) {
				add = append(add, n)
			}
		}
		if len(add) > 0 {
			d.add(&Facts{Add: add})
		}
	}
}

// happening is the effects of the step as it is taken: those that follow from a field only if it was filled in.
func (d *deciding) happening() []string {
	if d.Action == nil {
		return nil
	}
	var out []string
	decided := d.filled(pack.TypeOutcome)
	for _, e := range d.Action.Effects {
		if e.Derived && (e.Name == pack.EffAdverse || e.Name == pack.EffDecide) && !decided {
			continue
		}
		if e.Derived && e.Name == pack.EffFind && !d.filled(pack.TypeFindings) {
			continue
		}
		if !slices.Contains(out, e.Name) {
			out = append(out, e.Name)
		}
	}
	return out
}

func (d *deciding) filled(t pack.FieldType) bool {
	for _, f := range d.Action.Fields {
		if _, there := d.values[f.ID]; there && f.Type == t {
			return true
		}
	}
	return false
}

func (d *deciding) happens(effect string) bool { return slices.Contains(d.happening(), effect) }

// move takes the matter to its next state, and its clocks along.
func (d *deciding) move() {
	from, to := d.s.Matter.State, d.s.Matter.State
	if d.Action.To != "" {
		to = d.Action.To
	}
	if d.Action.To != "" && d.Action.To != from || d.s.Matter.Body != d.was.Matter.Body {
		st := d.Kind.State(to)
		c := &Moved{To: to, Final: st.Final}
		c.Desk, c.DeskBody = d.desk(st, d.s.Matter.Body)
		if st.Final {
			c.Closed = d.today()
		}
		d.add(c)
	}
	d.clocks(from, to)
}

func (d *deciding) today() string { return d.cal.Day(d.Now).String() }

// link ties the matter to another one named in the values.
func (d *deciding) link() {
	for _, f := range d.Action.Fields {
		v, ok := d.values[f.ID].(string)
		if !ok || f.Type != pack.TypeMatter {
			continue
		}
		kind := LinkFollowsFrom
		if d.Action.Has(pack.EffMerge) {
			kind = LinkDuplicateOf
		}
		d.add(&Linked{Kind: kind, Other: d.Matters[ref.Reference(v)].ID})
	}
}

// Kinds of links, each with the one the other matter gets.
const (
	LinkOpenedBy     = "opened-by"
	LinkOpens        = "opens"
	LinkDuplicateOf  = "duplicate-of"
	LinkHasDuplicate = "has-duplicate"
	LinkFollowsFrom  = "follows-from"
	LinkFollowedBy   = "followed-by"
	LinkInspects     = "inspects"
	LinkInspectedBy  = "inspected-by"

	// LinkArisesFrom stands on one side alone: those who handle the earlier report do not learn of the later one.
	LinkArisesFrom = "arises-from"
)

var otherWay = map[string]string{
	LinkOpenedBy: LinkOpens, LinkOpens: LinkOpenedBy, LinkDuplicateOf: LinkHasDuplicate, LinkHasDuplicate: LinkDuplicateOf,
	LinkFollowsFrom: LinkFollowedBy, LinkFollowedBy: LinkFollowsFrom, LinkInspects: LinkInspectedBy, LinkInspectedBy: LinkInspects,
}

// Roles of parties.
const (
	RoleReporter  = "reporter"
	RoleWitness   = "witness"
	RoleConcerned = "concerned"
)

// open says which matters the action opens.
func (d *deciding) open() {
	o := d.Action.Opens
	if o == nil {
		return
	}
	if o.Each != "official" {
		d.spawns = append(d.spawns, Spawn{Kind: o.Kind, Subject: d.s.Matter.Subject, Allegations: d.s.Allegations})
		return
	}
	var officials []ref.OfficialID
	of := map[ref.OfficialID][]Allegation{}
	for _, a := range d.s.Allegations {
		f := d.Pack.Finding(a.Finding)
		if a.Official == 0 || f == nil || !f.Proven {
			continue
		}
		if of[a.Official] == nil {
			officials = append(officials, a.Official)
		}
		of[a.Official] = append(of[a.Official], a)
	}
	for _, id := range officials {
		d.spawns = append(d.spawns, Spawn{Kind: o.Kind, Subject: id, Allegations: of[id]})
	}
}

// retitle keeps what lists call the matter in step with what it is about.
func (d *deciding) retitle() {
	if title := Title(d.Pack, d.Tree, d.s, d.Pack.Languages[0]); title != "" && title != d.s.Matter.Title {
		d.add(&About{Title: &title})
	}
}
