package matter

import (
	"cmp"
	"context"
	"slices"

	"plumbline/internal/pack"
	"plumbline/internal/ref"
	"plumbline/internal/register"
	"plumbline/internal/store"
)

// What came first: an official telling of themselves, or somebody else naming them.
//
// The answer is a function of places in the record alone, which nobody can move: an entry's place in the whole journal
// is its place in the log. No clock is asked, and no date: a machine whose clock is set back, a report that gives
// an earlier day of receipt, change nothing.

// A Spot is an entry of a matter, and its place in the whole journal.
type Spot struct {
	Matter ref.MatterID
	N      int64
	Place  int64 // from 1; 0: not placed yet
}

// A Disclosure is an official coming forward.
type Disclosure struct {
	Told  Spot // when it was told
	Named Spot // when it was first said who tells it; the same, if they said it at once
}

// Precedence says what came first.
type Precedence string

const (
	Unknown Precedence = "unknown" // it is not placed yet, or the record has not been looked through up to there
	NoLead  Precedence = "none"    // nobody else has named the official
	Before  Precedence = "before"  // the official came forward by name before the first lead
	Between Precedence = "between" // they told it before the first lead, and said who they are after it
	After   Precedence = "after"   // the first lead came first
)

// Compare says whether an official came forward before the first lead about them. upTo is the place up to which the
// record was searched for leads; leads need not be in order.
func Compare(d Disclosure, leads []Spot, upTo int64) (Precedence, Spot) {
	first := Spot{}
	for _, l := range leads {
		if l.Place != 0 && (first.Place == 0 || l.Place < first.Place) {
			first = l
		}
	}
	switch {
	case d.Told.Place == 0 || upTo < d.Told.Place:
		return Unknown, Spot{}
	case first.Place != 0 && first.Place < d.Told.Place:
		return After, first
	case d.Named.Place == 0 || upTo < d.Named.Place:
		return Unknown, Spot{}
	case first.Place == 0:
		return NoLead, Spot{}
	case d.Named.Place < first.Place:
		return Before, first
	}
	return Between, first
}

// disclosureOf finds in the entries of a disclosure when it was told, and when it was said who tells it. A description
// ("officer 4711") counts as much as a name out of the register: the official cannot wait for the office to find them.
func disclosureOf(s State, history []Event, same []ref.OfficialID) (d Disclosure, ok bool) {
	is := func(id *ref.OfficialID) bool { return id != nil && slices.Contains(same, *id) }
	own := map[int64]bool{}
	for _, a := range s.Allegations {
		own[a.No] = slices.Contains(same, a.Official)
	}
	said := func(c Change) bool {
		switch c := c.(type) {
		case *Opened:
			return is(&c.Subject)
		case *About:
			return is(c.Subject)
		case *Alleged:
			return own[c.No] && (is(c.Official) || c.Described != nil && *c.Described != "")
		}
		return false
	}
	for _, e := range history {
		spot := Spot{Matter: s.Matter.ID, N: e.N, Place: e.Index}
		if e.N == 1 {
			d.Told = spot
		}
		if slices.ContainsFunc(e.Consequences, said) {
			d.Named = spot
			return d, true
		}
	}
	return d, false
}

// Forward is what the record holds about an official who came forward.
type Forward struct {
	Official   ref.OfficialID // the entry of the register that carries on, if several were merged
	Disclosure Disclosure
	Leads      []Spot // of every other matter that ever named the official, its first entry that did, in the order of the record
	UpTo       int64  // place up to which the record was searched
	Confirmed  bool   // staff made sure that it is they
	Noticed    bool   // a notice was served on the official, in whatever matter
}

// Forward looks up what came first for the official whom a disclosure is about, ok being false for any other matter,
// and while nobody has said who tells it. Whether the reader may know of a lead is for the caller to ask: see Known.
func (e *Engine) Forward(ctx context.Context, tx *store.Tx, s State) (f Forward, ok bool, err error) {
	if discloses, err := e.discloses(s.Matter); err != nil || !discloses || s.Matter.Subject == 0 {
		return f, false, err
	}
	same, err := register.SamePerson(ctx, tx, s.Matter.Subject)
	if err != nil {
		return f, false, err
	}
	f.Official = same[0]
	history, err := e.History(ctx, tx, s.Matter.ID)
	if err != nil {
		return f, false, err
	}
	if f.Disclosure, ok = disclosureOf(s, history, same); !ok {
		return f, false, nil
	}
	f.Confirmed = slices.ContainsFunc(history, func(ev Event) bool { return e.confirms(s, ev, same) })
	if f.Noticed, err = noticed(ctx, tx, same); err != nil {
		return f, false, err
	}
	if f.UpTo, err = namedUpTo(ctx, tx); err != nil {
		return f, false, err
	}
	all, err := namings(ctx, tx, same)
	if err != nil {
		return f, false, err
	}
	f.Leads, err = e.leads(ctx, tx, all, same)
	return f, err == nil, err
}

// Known keeps the leads that somebody may know of.
func (f Forward) Known(may func(ref.MatterID) (bool, error)) (Forward, error) {
	known := f.Leads[:0:0]
	for _, l := range f.Leads {
		yes, err := may(l.Matter)
		if err != nil {
			return f, err
		}
		if yes {
			known = append(known, l)
		}
	}
	f.Leads = known
	return f, nil
}

// Order is Compare on what was found.
func (f Forward) Order() (Precedence, Spot) { return Compare(f.Disclosure, f.Leads, f.UpTo) }

// Disclosures returns the matters by which the official whom a matter is about came forward, oldest first.
func (e *Engine) Disclosures(ctx context.Context, tx *store.Tx, s State) ([]State, error) {
	if s.Matter.Subject == 0 {
		return nil, nil
	}
	same, err := register.SamePerson(ctx, tx, s.Matter.Subject)
	if err != nil {
		return nil, err
	}
	all, err := namings(ctx, tx, same)
	if err != nil {
		return nil, err
	}
	var out []State
	for _, n := range all {
		discloses, err := e.discloses(n.row)
		if err != nil {
			return nil, err
		}
		if !discloses || !slices.Contains(same, n.row.Subject) {
			continue
		}
		d, err := e.Load(ctx, tx, n.Matter)
		if err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
}

func (e *Engine) discloses(m Row) (bool, error) {
	if m.Source != "" {
		return false, nil
	}
	_, k, err := e.PackOf(m)
	return k != nil && k.Discloses, err
}

// confirms reports whether somebody with an account entered, in this entry, that it is the official.
func (e *Engine) confirms(s State, ev Event, same []ref.OfficialID) bool {
	_, k, err := e.PackOf(s.Matter)
	if err != nil || k == nil || ev.By.Account == 0 {
		return false
	}
	a := k.Action(ev.Action)
	if a == nil {
		return false
	}
	f := a.FieldOf(pack.TypeOfficial)
	if f == nil {
		return false
	}
	v, _ := ev.Fields[f.ID].(map[string]any)
	id, _ := v["id"].(string)
	return slices.ContainsFunc(same, func(o ref.OfficialID) bool { return o.String() == id })
}

// leads are the namings that are somebody else's: not those in what the official disclosed, nor in what followed from it.
func (e *Engine) leads(ctx context.Context, tx *store.Tx, all []naming, same []ref.OfficialID) ([]Spot, error) {
	own := map[ref.MatterID]bool{}
	for _, n := range all {
		discloses, err := e.discloses(n.row)
		if err != nil {
			return nil, err
		}
		own[n.Matter] = discloses && slices.Contains(same, n.row.Subject)
	}
	var ids []ref.MatterID
	for _, n := range all {
		ids = append(ids, n.Matter)
	}
	above, err := origins(ctx, tx, ids)
	if err != nil {
		return nil, err
	}
	var out []Spot
	for _, n := range all {
		from, seen := n.Matter, map[ref.MatterID]bool{}
		for from != 0 && !own[from] && !seen[from] {
			seen[from] = true
			from = above[from]
		}
		if !own[from] {
			out = append(out, n.Spot)
		}
	}
	slices.SortFunc(out, func(a, b Spot) int {
		return cmp.Or(cmp.Compare(orLast(a.Place), orLast(b.Place)), cmp.Compare(a.Matter, b.Matter))
	})
	return out, nil
}

// orLast puts what is not placed yet after everything that is.
func orLast(place int64) uint64 { return uint64(place - 1) }
