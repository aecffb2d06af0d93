package matter_test

import (
	"context"
	"slices"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"plumbline/internal/access"
	"plumbline/internal/fault"
	"plumbline/internal/journal"
	"plumbline/internal/matter"
	"plumbline/internal/pack"
	"plumbline/internal/ref"
	"plumbline/internal/store"
	"plumbline/internal/testing/world"
)

// A pack that the fairness check accepts never reaches a forbidden history, whoever does whatever whenever: random people
// try random steps with random values, time passes, and every history is judged with the persons who really acted.
func TestRandomWalksReachNoForbiddenHistory(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		w := newTown(t, db)
		if broken := pack.Check(w.pack); len(broken) > 0 {
			t.Fatalf("the pack is not fair: %v", broken)
		}
		walks := 60
		if db.Dialect() != store.SQLite || testing.Short() {
			walks = 6
		}
		n, seen := 0, map[string]int{}
		rapid.Check(t, func(rt *rapid.T) {
			if n++; n > walks {
				return // rapid has its own idea of how many; on PostgreSQL a few suffice, the rules are the same
			}
			newWalk(w, rt, seen).run()
		})
		w.verify()
		// Which steps random people get to is chance; that they get about is not.
		if db.Dialect() == store.SQLite && !testing.Short() && (len(seen) < 15 || seen["proceeding.serve"] == 0) {
			t.Errorf("the walks did not get far enough to say anything: %v", seen)
		}
	})
}

type walk struct {
	*town
	rt      *rapid.T
	matters []ref.MatterID
	codes   map[ref.MatterID]ref.ReceiptCode
	seen    map[string]int
	staff   []access.Viewer
}

func newWalk(w *town, rt *rapid.T, seen map[string]int) *walk {
	k := &walk{town: w, rt: rt, codes: map[ref.MatterID]ref.ReceiptCode{}, seen: seen}
	// People hold several duties, some of them on both sides of a separation: excluded duties cannot meet in an account,
	// but nothing else is taken for granted here.
	for i := range 5 {
		v := access.Viewer{Account: ref.AccountID(1000 + i)}
		if rapid.IntRange(0, 4).Draw(rt, "is named") == 0 {
			v.Official = rapid.SampledFrom([]ref.OfficialID{reed, moss, vale}).Draw(rt, "as")
		}
		for range rapid.IntRange(1, 4).Draw(rt, "duties") {
			d := rapid.SampledFrom(w.pack.Duties).Draw(rt, "duty")
			if d.Actor != pack.ActorAccount || slices.ContainsFunc(v.Grants, func(g access.Grant) bool { return w.pack.Excluded(g.Duty, d.ID) }) {
				continue
			}
			sees := d.Sees
			if sees == "" {
				sees = access.SeesDesk
			}
			body := rapid.SampledFrom([]ref.BodyID{office, office, office, region}).Draw(rt, "at")
			v.Grants = append(v.Grants, access.Grant{Duty: d.ID, Body: body, Sees: sees, Custodian: d.Custodian})
		}
		k.staff = append(k.staff, v)
	}
	// Without these no walk would get far: everything can be done by somebody.
	for i, duties := range [][]string{{"intake", "custodian"}, {"investigator"}, {"reviewer", "supervisor"}, {"decider", "supervisor"}, {"appeals", "personnel", "inspector"}} {
		v := access.Viewer{Account: ref.AccountID(2000 + i)}
		for _, d := range duties {
			v.Grants = append(v.Grants, person(0, 0, d, office).Grants[0])
			v.Grants = append(v.Grants, person(0, 0, d, region).Grants[0])
		}
		k.staff = append(k.staff, v)
	}
	k.tx(func(ctx context.Context, tx *store.Tx) error {
		for _, v := range k.staff {
			if err := employ(ctx, tx, v); err != nil {
				return err
			}
		}
		return nil
	})
	return k
}

func (k *walk) run() {
	s, code := k.report()
	k.matters, k.codes[s.Matter.ID] = append(k.matters, s.Matter.ID), code
	if rapid.Bool().Draw(k.rt, "begin at a case") {
		c, proceedings := k.aCase()
		k.matters = append(k.matters, c.Matter.ID)
		for _, p := range proceedings {
			k.matters = append(k.matters, p.Matter.ID)
		}
	}
	for range rapid.IntRange(10, 60).Draw(k.rt, "steps") {
		if rapid.IntRange(0, 7).Draw(k.rt, "time passes") == 0 {
			k.now = k.now.AddDate(0, 0, rapid.IntRange(1, 40).Draw(k.rt, "days"))
			if _, err := k.engine.RunClocks(k.Context()); err != nil {
				k.rt.Fatal(err)
			}
			continue
		}
		k.step(rapid.SampledFrom(k.matters).Draw(k.rt, "matter"))
	}
	for _, id := range k.matters {
		k.judge(id)
	}
}

// step lets somebody try something. Half of the time it is a step that the page would offer them, so that walks get
// somewhere; otherwise anything at all.
func (k *walk) step(id ref.MatterID) {
	s := k.load(id)
	kind := k.pack.Kind(s.Matter.Kind)
	v := rapid.SampledFrom(k.staff).Draw(k.rt, "who")
	a := &kind.Actions[rapid.IntRange(0, len(kind.Actions)-1).Draw(k.rt, "what")]
	if rapid.IntRange(0, 3).Draw(k.rt, "offered") > 0 {
		type pair struct {
			v access.Viewer
			a *pack.Action
		}
		var may []pair
		onward := rapid.IntRange(0, 2).Draw(k.rt, "onward") > 0
		for _, p := range k.staff {
			k.tx(func(ctx context.Context, tx *store.Tx) error {
				choices, err := k.engine.Choices(ctx, tx, p, id)
				if err != nil && !fault.Is(err, fault.NotFound) {
					return err
				}
				for _, c := range choices {
					if c.Allowed && (!onward || c.Action.To != "" && c.Action.To != s.Matter.State) {
						may = append(may, pair{p, c.Action})
					}
				}
				return nil
			})
		}
		if len(may) > 0 {
			got := rapid.SampledFrom(may).Draw(k.rt, "choice")
			v, a = got.v, got.a
		}
	}
	cmd := matter.ActCmd{Matter: id, Action: a.ID, Fields: k.values(a.Fields, s), Viewer: v, Via: journal.ViaWeb}
	if d := k.pack.Duty(rapid.SampledFrom(a.By).Draw(k.rt, "duty")); d.Actor != pack.ActorAccount && rapid.Bool().Draw(k.rt, "without account") {
		cmd.Viewer, cmd.Actor = access.Viewer{}, journal.Actor{Duty: d.ID}
	}
	var now matter.State
	err := k.db.Tx(k.Context(), func(tx *store.Tx) (err error) { now, err = k.engine.Act(k.Context(), tx, cmd); return err })
	if err != nil {
		if fault.KindOf(err) == fault.Internal {
			k.rt.Fatalf("%s on %s: %v", a.ID, s.Matter.State, err)
		}
		return
	}
	k.seen[kind.ID+"."+a.ID]++
	if slices.Contains(s.Named(), v.Official) && v.Official != 0 && cmd.Viewer.Account != 0 {
		k.rt.Fatalf("%s took %s on a matter that names them", v.Account, a.ID)
	}
	for _, l := range now.Links {
		if l.Kind == matter.LinkOpens && !slices.Contains(k.matters, l.Other) {
			k.matters = append(k.matters, l.Other)
		}
	}
	k.standing(now)
}

// standing holds a state to what must be so at every moment.
func (k *walk) standing(s matter.State) {
	m := s.Matter
	clocked := slices.ContainsFunc(s.Clocks, func(c matter.Clock) bool {
		return c.State == matter.ClockRunning || c.State == matter.ClockMissed || c.State == matter.ClockPaused || c.State == matter.ClockOpen
	})
	if m.Final == 0 && !clocked {
		k.rt.Fatalf("F3: %s %s is open and no clock runs: %+v", m.Kind, m.State, s.Clocks)
	}
	if code, ok := k.codes[m.ID]; ok && string(m.Channel) != string(code.Hash()) {
		k.rt.Fatal("F6: the reporter's channel is gone")
	}
	if m.Body == office && slices.Contains(s.Named(), ref.OfficialID(vale)) && m.Final == 0 {
		k.rt.Fatalf("F18: it names somebody of the office and lies there in %s", m.State)
	}
	if m.Desk == "" || m.DeskBody == 0 {
		k.rt.Fatalf("%s %s lies with nobody", m.Kind, m.State)
	}
}

func (k *walk) values(fields []pack.Field, s matter.State) matter.Values {
	v := matter.Values{}
	for _, f := range fields {
		if !f.Required && rapid.Bool().Draw(k.rt, "leave out") || rapid.IntRange(0, 19).Draw(k.rt, "forget") == 0 {
			continue
		}
		switch f.Type {
		case pack.TypeChoice, pack.TypeReasonCode:
			v[f.ID] = rapid.SampledFrom(k.pack.List(f.List).Values).Draw(k.rt, f.ID).ID
		case pack.TypeAccount:
			v[f.ID] = strconv.FormatInt(int64(rapid.SampledFrom(k.staff).Draw(k.rt, f.ID).Account), 10)
		case pack.TypeOutcome:
			v[f.ID] = rapid.SampledFrom([]string{"warning", "dismissal"}).Draw(k.rt, f.ID)
		case pack.TypePeriod:
			v[f.ID] = rapid.SampledFrom([]string{"5d", "20d", "2mo"}).Draw(k.rt, f.ID)
		case pack.TypeDate:
			v[f.ID] = "2026-03-01"
		case pack.TypeMatter:
			v[f.ID] = string(k.load(rapid.SampledFrom(k.matters).Draw(k.rt, f.ID)).Matter.Ref)
		case pack.TypeAllegations:
			v[f.ID] = []matter.AllegationValue{{Conduct: rapid.SampledFrom([]string{"bribery", "insult"}).Draw(k.rt, "conduct"), Time: "2026-02",
				Official: matter.OfficialValue{ID: rapid.SampledFrom([]ref.OfficialID{reed, moss, vale, 0}).Draw(k.rt, "official")}}}
		case pack.TypeFindings:
			all := map[string]string{}
			for _, a := range s.Allegations {
				all[strconv.FormatInt(a.No, 10)] = rapid.SampledFrom([]string{"sustained", "sustained", "unfounded"}).Draw(k.rt, "finding")
			}
			v[f.ID] = all
		case pack.TypeCheck:
		default:
			v[f.ID] = "Words about it."
		}
	}
	return v
}

// judge gives the history of a matter, with that of those it came from, to the judge of the pack.
func (k *walk) judge(id ref.MatterID) {
	s := k.load(id)
	deeds := k.deeds(id, 0)
	if found := k.pack.Judge(s.Matter.Kind, deeds); len(found) > 0 {
		k.rt.Fatalf("%v\n%v", found, deeds)
	}
}

// deeds are what was done on a matter up to an entry (0: all), those of the matter it came from first.
func (k *walk) deeds(id ref.MatterID, upTo int64) []pack.Deed {
	var out []pack.Deed
	state := ""
	var all []matter.Event
	k.tx(func(ctx context.Context, tx *store.Tx) (err error) {
		all, err = k.engine.History(ctx, tx, id)
		return err
	})
	kind := k.load(id).Matter.Kind
	for _, e := range all {
		if upTo > 0 && e.N > upTo {
			break
		}
		before := state
		for _, c := range e.Consequences {
			switch c := c.(type) {
			case *matter.Opened:
				state = c.State
			case *matter.Moved:
				state = c.To
			case *matter.Linked:
				if c.Kind == matter.LinkOpenedBy {
					out = append(k.deeds(c.Other, k.openedAt(c.Other, id)), out...)
				}
			}
		}
		if k.pack.Kind(kind).Action(e.Action) == nil {
			continue // opening, notes, clocks
		}
		person := ""
		if e.By.Account != 0 && len(k.pack.Kind(kind).Action(e.Action).RecordedBy) == 0 {
			person = e.By.Account.String()
		}
		out = append(out, pack.Deed{Kind: kind, Action: e.Action, From: before, To: state, Person: person})
	}
	return out
}

func (k *walk) openedAt(parent, child ref.MatterID) (n int64) {
	for _, l := range k.load(parent).Links {
		if l.Other == child {
			n = l.N
		}
	}
	return n
}
