package pack

import "plumbline/internal/calendar"

// StateImported is the state of a matter whose history was imported: final, known to the engine, in no pack.
const StateImported = "imported"

// What a measure may count.
const (
	CountMatters     = "matters"
	CountAllegations = "allegations"
	CountOfficials   = "officials"
)

// Relations are the ways in which one matter is tied to another.
var Relations = []string{"opened-by", "opens", "duplicate-of", "has-duplicate", "follows-from", "followed-by", "inspects", "inspected-by", "arises-from"}

// Compartments are what fields may be sealed to.
var Compartments = []string{"file", "reporter", "identity", "respondent"}

// index finds the pack's entries by id. It is filled once, while loading.
type index struct {
	levels, ranks map[string]int // place from 1
	sectors       map[string]*Sector
	duties        map[string]*Duty
	categories    map[string]*Category
	conduct       map[string]*Conduct
	standards     map[string]*Standard
	findings      map[string]*Finding
	tiers         map[string]*Tier
	outcomes      map[string]outcomeAt
	lists         map[string]*List
	kinds         map[string]*Kind
	measures      map[string]*Measure
	letters       map[string]*Letter

	questionnaires map[string]*Questionnaire
}

type outcomeAt struct {
	outcome *Outcome
	tier    *Tier
}

// ID is "name@version": what a matter records of the rules it was opened under.
func (p *Pack) ID() string { return p.Name + "@" + p.Version }

// Inspection is the kind that opens for matters drawn at random; nil in a pack without one.
func (p *Pack) Inspection() *Kind {
	for i := range p.Kinds {
		if p.Kinds[i].Inspects != nil {
			return &p.Kinds[i]
		}
	}
	return nil
}

// Calendar is the pack's working calendar.
func (p *Pack) Cal() *calendar.Calendar { return p.cal }

// Level, Rank and the other lookups return nil where the pack has no such entry.
func (p *Pack) Level(id string) *Level {
	if n := p.index.levels[id]; n > 0 {
		return &p.Levels[n-1]
	}
	return nil
}

func (p *Pack) Rank(id string) *Rank {
	if n := p.index.ranks[id]; n > 0 {
		return &p.Ranks[n-1]
	}
	return nil
}

// LevelOrder is the place of the level among the pack's levels, 1 the lowest; 0 for an unknown one.
func (p *Pack) LevelOrder(id string) int { return p.index.levels[id] }

// RankOrder is the place of the rank among the pack's ranks, 1 the lowest; 0 for an unknown one.
func (p *Pack) RankOrder(id string) int { return p.index.ranks[id] }

func (p *Pack) Sector(id string) *Sector        { return p.index.sectors[id] }
func (p *Pack) Duty(id string) *Duty            { return p.index.duties[id] }
func (p *Pack) Category(id string) *Category    { return p.index.categories[id] }
func (p *Pack) ConductEntry(id string) *Conduct { return p.index.conduct[id] }
func (p *Pack) Standard(id string) *Standard    { return p.index.standards[id] }
func (p *Pack) Finding(id string) *Finding      { return p.index.findings[id] }
func (p *Pack) Tier(id string) *Tier            { return p.index.tiers[id] }
func (p *Pack) List(id string) *List            { return p.index.lists[id] }
func (p *Pack) Kind(id string) *Kind            { return p.index.kinds[id] }
func (p *Pack) Measure(id string) *Measure      { return p.index.measures[id] }
func (p *Pack) LetterByID(id string) *Letter    { return p.index.letters[id] }

// Outcome is the outcome and the tier it belongs to.
func (p *Pack) Outcome(id string) (*Outcome, *Tier) {
	o := p.index.outcomes[id]
	return o.outcome, o.tier
}

func (p *Pack) outcomeIDs() []string {
	var all []string
	for _, t := range p.Tiers {
		for _, o := range t.Outcomes {
			all = append(all, o.ID)
		}
	}
	return all
}

// Excluded reports whether no account may hold both duties.
func (p *Pack) Excluded(a, b string) bool {
	d := p.index.duties[a]
	if d == nil {
		return false
	}
	for _, x := range d.Excludes {
		if x == b {
			return true
		}
	}
	return false
}

// DutyOf is the first duty of the pack held by that sort of person ("" if none): the reporter's, the system's.
func (p *Pack) DutyOf(actor Actor) string {
	for i := range p.Duties {
		if p.Duties[i].Actor == actor {
			return p.Duties[i].ID
		}
	}
	return ""
}

// ReportKinds are the kinds that take reports from the public about others.
func (p *Pack) ReportKinds() []*Kind {
	return p.kindsThat(func(k *Kind) bool { return k.Reports && !k.Discloses })
}

// DisclosureKinds are the kinds by which an official comes forward about themselves.
func (p *Pack) DisclosureKinds() []*Kind {
	return p.kindsThat(func(k *Kind) bool { return k.Reports && k.Discloses })
}

// PublicKinds are both: whatever somebody without an account can file, reports about others first.
func (p *Pack) PublicKinds() []*Kind { return append(p.ReportKinds(), p.DisclosureKinds()...) }

func (p *Pack) kindsThat(holds func(*Kind) bool) []*Kind {
	var kinds []*Kind
	for i := range p.Kinds {
		if holds(&p.Kinds[i]) {
			kinds = append(kinds, &p.Kinds[i])
		}
	}
	return kinds
}

func (p *Pack) measureKinds(m *Measure) []*Kind {
	var kinds []*Kind
	for i := range p.Kinds {
		for _, id := range m.Kinds {
			if id == p.Kinds[i].ID {
				kinds = append(kinds, &p.Kinds[i])
			}
		}
		if len(m.Kinds) == 0 {
			kinds = append(kinds, &p.Kinds[i])
		}
	}
	return kinds
}

// State, Action, Clock and Field find a part of the kind, nil where there is none.
func (k *Kind) State(id string) *State {
	for i := range k.States {
		if k.States[i].ID == id {
			return &k.States[i]
		}
	}
	return nil
}

func (k *Kind) Action(id string) *Action {
	for i := range k.Actions {
		if k.Actions[i].ID == id {
			return &k.Actions[i]
		}
	}
	return nil
}

func (k *Kind) Clock(id string) *Clock {
	for i := range k.Clocks {
		if k.Clocks[i].ID == id {
			return &k.Clocks[i]
		}
	}
	return nil
}

// Field finds a field asked when a matter of the kind is opened.
func (k *Kind) Field(id string) *Field { return fieldIn(k.Fields, id) }

// Field finds a field the action asks for.
func (a *Action) Field(id string) *Field { return fieldIn(a.Fields, id) }

// FieldOf is the first field of that type the action asks for.
func (a *Action) FieldOf(t FieldType) *Field {
	for i := range a.Fields {
		if a.Fields[i].Type == t {
			return &a.Fields[i]
		}
	}
	return nil
}

func fieldIn(fields []Field, id string) *Field {
	for i := range fields {
		if fields[i].ID == id {
			return &fields[i]
		}
	}
	return nil
}

func (k *Kind) eachField(do func(*Field)) {
	for i := range k.Fields {
		do(&k.Fields[i])
	}
	for i := range k.Actions {
		for j := range k.Actions[i].Fields {
			do(&k.Actions[i].Fields[j])
		}
	}
}

// ActionsFrom are the actions that may be possible in the state, in the order of the pack.
func (k *Kind) ActionsFrom(state string) []*Action {
	var out []*Action
	for i := range k.Actions {
		for _, f := range k.Actions[i].From {
			if f == state {
				out = append(out, &k.Actions[i])
			}
		}
	}
	return out
}

// Keep is how long what is in the compartment is kept after the matter closed.
func (k *Kind) Keep(compartment string) calendar.Period {
	for _, r := range k.Retention {
		if r.Compartment == compartment {
			return r.Keep
		}
	}
	return calendar.Period{}
}

// InForce reports whether the rule the entry rests on may have been in force on the date: with a date of reduced
// precision, on some day it may mean. An unknown date is not held against anybody here; the procedure has to settle it.
func (c *Conduct) InForce(d calendar.Date) bool {
	from, err := calendar.ParseDate(c.Rule.From)
	if err != nil {
		return false // loading has refused such an entry
	}
	to, _ := calendar.ParseDate(c.Rule.To) // empty: still in force
	return d.MayBeWithin(from, to)
}

// In returns the text in the language, or in the first of the fallbacks that has it.
func (t Text) In(lang string, fallback ...string) string {
	if s := t[lang]; s != "" {
		return s
	}
	for _, l := range fallback {
		if s := t[l]; s != "" {
			return s
		}
	}
	return ""
}

// Say is the text in the language, or in the pack's own where the reader's is not one of the pack's.
func (p *Pack) Say(t Text, lang string) string { return t.In(lang, p.Languages...) }
