package pack

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sort"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// loaded is the fair pack, or a bundled one.
func loaded(t testing.TB, name string) *Pack {
	t.Helper()
	if name != "fair" {
		p, err := Bundled(name)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	p, problems := parse(fairFiles(t))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return p
}

// copyOf is a copy whose procedures may be changed without changing p.
func copyOf(p *Pack) *Pack {
	q := *p
	q.Kinds = slices.Clone(p.Kinds)
	for i := range q.Kinds {
		k := &q.Kinds[i]
		k.States, k.Clocks, k.Actions = slices.Clone(k.States), slices.Clone(k.Clocks), slices.Clone(k.Actions)
		k.Inspected = slices.Clone(k.Inspected)
		for j := range k.Clocks {
			k.Clocks[j].In, k.Clocks[j].Until = slices.Clone(k.Clocks[j].In), slices.Clone(k.Clocks[j].Until)
		}
		for j := range k.Actions {
			a := &k.Actions[j]
			a.From, a.By, a.NotBy = slices.Clone(a.From), slices.Clone(a.By), slices.Clone(a.NotBy)
			a.Effects, a.Fields = slices.Clone(a.Effects), slices.Clone(a.Fields)
		}
	}
	reindex(&q)
	return &q
}

func reindex(p *Pack) {
	p.index.kinds = map[string]*Kind{}
	for i := range p.Kinds {
		p.index.kinds[p.Kinds[i].ID] = &p.Kinds[i]
	}
}

// spoil changes the procedures at random, in ways a careless author might.
func spoil(t *rapid.T, p *Pack) {
	duties := []string{"intake", "investigator", "reviewer", "decider", "appeals", "helper"}
	for range rapid.IntRange(0, 4).Draw(t, "changes") {
		k := &p.Kinds[rapid.IntRange(0, len(p.Kinds)-1).Draw(t, "kind")]
		a := &k.Actions[rapid.IntRange(0, len(k.Actions)-1).Draw(t, "action")]
		state := func() string {
			return k.States[rapid.IntRange(0, len(k.States)-1).Draw(t, "state")].ID
		}
		switch rapid.IntRange(0, 6).Draw(t, "change") {
		case 0:
			if a.To != "" {
				a.To = state()
			}
		case 1:
			a.From = append(a.From, state())
			slices.Sort(a.From)
			a.From = slices.Compact(a.From)
		case 2:
			if p.Duty(a.By[0]).Actor == ActorAccount {
				a.By = []string{rapid.SampledFrom(duties).Draw(t, "duty")}
			}
		case 3:
			if len(a.Effects) > 0 {
				a.Effects = slices.Delete(a.Effects, 0, 1)
			}
		case 4:
			e := rapid.SampledFrom([]string{EffConclude, EffReview, EffEndEarly, EffReturn, EffFind, EffDecide, EffExecute, EffTransfer, EffFeedback}).Draw(t, "effect")
			if !a.Has(e) {
				a.Effects = append(a.Effects, Effect{Name: e})
			}
		case 5:
			if c := &k.Clocks[rapid.IntRange(0, len(k.Clocks)-1).Draw(t, "clock")]; len(c.In) > 1 && c.Then == "" {
				c.In = c.In[1:]
			}
		case 6:
			a.NotBy = append(a.NotBy, k.Actions[rapid.IntRange(0, len(k.Actions)-1).Draw(t, "not_by")].ID)
		}
	}
}

// verdict is what the check says, apart from names of states and places in the file.
func verdict(p *Pack, name func(kind, state string) string) string {
	var lines []string
	for _, v := range Check(p) {
		state := v.State
		if state != "" {
			state = name(v.Kind, state)
		}
		lines = append(lines, strings.Join([]string{v.Rule, v.Kind, v.Action, state}, " "))
	}
	sort.Strings(lines)
	return strings.Join(slices.Compact(lines), "\n")
}

// A verdict is about the law, not about how it is written down.
func TestRenamingAndReorderingNeverChangeTheVerdict(t *testing.T) {
	fair := loaded(t, "fair")
	rapid.Check(t, func(t *rapid.T) {
		p := copyOf(fair)
		spoil(t, p)
		want := verdict(p, func(_, s string) string { return s })

		q := copyOf(p)
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		back := map[string]string{}
		for i := range q.Kinds {
			k := &q.Kinds[i]
			to := map[string]string{}
			for j, n := range r.Perm(len(k.States)) {
				to[k.States[j].ID] = fmt.Sprintf("s%d", n)
				back[k.ID+" "+fmt.Sprintf("s%d", n)] = k.States[j].ID
			}
			rename := func(names []string) {
				for j := range names {
					names[j] = to[names[j]]
				}
			}
			k.Start = to[k.Start]
			rename(k.Inspected)
			for j := range k.States {
				k.States[j].ID = to[k.States[j].ID]
			}
			for j := range k.Clocks {
				rename(k.Clocks[j].In)
			}
			for j := range k.Actions {
				rename(k.Actions[j].From)
				if k.Actions[j].To != "" {
					k.Actions[j].To = to[k.Actions[j].To]
				}
			}
			r.Shuffle(len(k.States), func(a, b int) { k.States[a], k.States[b] = k.States[b], k.States[a] })
			r.Shuffle(len(k.Actions), func(a, b int) { k.Actions[a], k.Actions[b] = k.Actions[b], k.Actions[a] })
			r.Shuffle(len(k.Clocks), func(a, b int) { k.Clocks[a], k.Clocks[b] = k.Clocks[b], k.Clocks[a] })
		}
		r.Shuffle(len(q.Kinds), func(a, b int) { q.Kinds[a], q.Kinds[b] = q.Kinds[b], q.Kinds[a] })
		reindex(q)
		got := verdict(q, func(kind, s string) string { return back[kind+" "+s] })
		if got != want {
			t.Fatalf("written one way:\n%s\nwritten another:\n%s", want, got)
		}
	})
}

func TestMoreSeparationOfDutiesIsNeverUnfairer(t *testing.T) {
	fair := loaded(t, "fair")
	f9 := func(p *Pack) map[string]bool {
		found := map[string]bool{}
		for _, v := range Check(p) {
			if v.Rule == "F9" {
				found[v.Kind+" "+v.Action+" "+v.Remedy] = true
			}
		}
		return found
	}
	rapid.Check(t, func(t *rapid.T) {
		p := copyOf(fair)
		spoil(t, p)
		before := f9(p)
		k := &p.Kinds[rapid.IntRange(0, len(p.Kinds)-1).Draw(t, "of")]
		other := &p.Kinds[rapid.IntRange(0, len(p.Kinds)-1).Draw(t, "from")]
		a := &k.Actions[rapid.IntRange(0, len(k.Actions)-1).Draw(t, "later")]
		a.NotBy = append(a.NotBy, other.ID+"."+other.Actions[rapid.IntRange(0, len(other.Actions)-1).Draw(t, "earlier")].ID)
		for v := range f9(p) {
			if !before[v] {
				t.Fatalf("%s not_by %v is found unfairer than without: %s", a.ID, a.NotBy, v)
			}
		}
	})
}

// Whatever goes wrong in a history that the pack allows, the check has said before: it never misses a fault of F5, F8,
// F9 or F10 that a judge of single histories sees. And in a fair pack, nothing goes wrong.
func TestTheCheckForeseesEveryForbiddenHistory(t *testing.T) {
	fair := loaded(t, "fair")
	generic := loaded(t, "generic")
	rapid.Check(t, func(t *rapid.T) {
		p := copyOf(fair)
		if rapid.Bool().Draw(t, "generic") {
			p = generic
		} else {
			spoil(t, p)
		}
		foreseen := map[string]bool{}
		for _, v := range Check(p) {
			foreseen[v.Rule] = true
		}
		kind, deeds := walk(t, p)
		for _, v := range p.Judge(kind, deeds) {
			if !foreseen[v.Rule] {
				t.Fatalf("a pack that the check finds fair under %s allows: %s\nway: %s", v.Rule, v, PathString(v.Path))
			}
		}
	})
}

// walk goes through the procedures as a correct engine would let people: each account holds duties that do not exclude
// each other, and not_by is kept.
func walk(t *rapid.T, p *Pack) (kind string, deeds []Deed) {
	g := newGraph(p)
	r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "walk"), 1))
	staff := make([]map[string]bool, 6)
	for i := range staff {
		staff[i] = map[string]bool{}
		for _, d := range r.Perm(len(p.Duties)) {
			duty := &p.Duties[d]
			fits := duty.Actor == ActorAccount
			for have := range staff[i] {
				fits = fits && !p.Excluded(have, duty.ID)
			}
			if fits {
				staff[i][duty.ID] = true
			}
		}
	}
	k := g.roots[r.IntN(len(g.roots))]
	state := k.Start
	for range 60 {
		edges := g.edges[at{k.ID, state}]
		if len(edges) == 0 {
			break
		}
		e := edges[r.IntN(len(edges))]
		person, ok := "", true
		if p.Duty(e.a.By[0]).Actor == ActorAccount {
			ok = false
			for _, i := range r.Perm(len(staff)) {
				able := slices.ContainsFunc(e.a.By, func(d string) bool { return staff[i][d] })
				for _, d := range deeds {
					able = able && !(d.Person == fmt.Sprint(i) && e.k.NotByOf(e.a, d.Kind, d.Action))
				}
				if able {
					person, ok = fmt.Sprint(i), true
					break
				}
			}
		}
		if !ok {
			continue
		}
		deeds = append(deeds, Deed{Kind: k.ID, Action: e.a.ID, From: state, To: e.to.ID, Person: person})
		state = e.to.ID
		if e.opens != nil && r.IntN(3) > 0 {
			k, state = e.opens, e.opens.Start
		}
	}
	return k.ID, deeds
}

// large makes a procedure of many states and actions out of the fair pack's report.
func large(t testing.TB, states, actions int) *Pack {
	p := copyOf(loaded(t, "fair"))
	k := p.Kind("report")
	r := rand.New(rand.NewPCG(7, 7))
	var names []string
	for i := len(k.States); i < states; i++ {
		s := State{ID: fmt.Sprintf("x%d", i), Desk: "intake", Of: OfSame, Public: Text{"en": "x"}}
		names = append(names, s.ID)
		k.States = append(k.States, s)
		for j := range k.Clocks[:2] {
			k.Clocks[j].In = append(k.Clocks[j].In, s.ID)
		}
	}
	k.Clocks[2].In = append(k.Clocks[2].In, names...)
	duties := []string{"intake", "investigator", "reviewer", "helper"}
	effects := []string{EffConclude, EffReview, EffFeedback, EffReturn, EffFind, EffEndEarly, EffTransfer, EffNotice, EffDisclose, EffMerge}
	for i := len(k.Actions); i < actions; i++ {
		a := Action{ID: fmt.Sprintf("a%d", i), By: []string{duties[r.IntN(len(duties))]}, Of: OfSame, To: names[r.IntN(len(names))]}
		a.From = []string{names[r.IntN(len(names))], k.States[r.IntN(6)].ID}
		if r.IntN(2) == 0 {
			a.Effects = []Effect{{Name: effects[r.IntN(len(effects))]}}
		}
		if r.IntN(6) == 0 {
			a.To = "closed"
		}
		k.Actions = append(k.Actions, a)
	}
	return p
}

func TestALargeProcedureIsExploredWhole(t *testing.T) {
	p := large(t, 60, 200)
	k := p.Kind("report")
	if len(k.States) != 60 || len(k.Actions) != 200 {
		t.Fatalf("made %d states and %d actions", len(k.States), len(k.Actions))
	}
	rules := map[string]int{}
	for _, v := range Check(p) {
		rules[v.Rule]++
	}
	for _, r := range []string{"F5", "F6", "F9"} { // such a tangle cannot be fair
		if rules[r] == 0 {
			t.Errorf("nothing was found under %s: %v", r, rules)
		}
	}
}

// BenchmarkCheck: a procedure of 60 states and 200 actions is to be checked in under a second.
func BenchmarkCheck(b *testing.B) {
	for _, size := range []struct{ states, actions int }{{10, 20}, {60, 200}} {
		b.Run(fmt.Sprintf("%d states %d actions", size.states, size.actions), func(b *testing.B) {
			p := large(b, size.states, size.actions)
			for b.Loop() {
				Check(p)
			}
		})
	}
	b.Run("generic", func(b *testing.B) {
		p := loaded(b, "generic")
		for b.Loop() {
			Check(p)
		}
	})
}
