package pack

import (
	"slices"
	"strings"
)

// notBy are the actions, with their kinds, whose doers may not do a.
func (k *Kind) notBy(a *Action) [][2]string {
	var out [][2]string
	for _, nb := range a.NotBy {
		if kind, action, ok := strings.Cut(nb, "."); ok {
			out = append(out, [2]string{kind, action})
		} else {
			out = append(out, [2]string{k.ID, nb})
		}
	}
	return out
}

// NotByOf reports whether whoever did the action did of the kind kind may not do a (of the kind k) on the same matter
// or one that came from it.
func (k *Kind) NotByOf(a *Action, kind, did string) bool {
	return slices.Contains(k.notBy(a), [2]string{kind, did})
}

// differ reports whether the later action is surely done by another person than the earlier one: the later says
// not_by, or each duty that may do the one shuts out each that may do the other.
//
// `of` alone proves nothing inside the system. "other" may be the same desk's neighbour held by the same person, and at
// the top of the tree "superior" falls back to the same body; an account may hold duties at two bodies. Only "outside"
// is surely somebody else, and two outside bodies differ if they are called differently.
func (p *Pack) differ(k1 *Kind, earlier *Action, k2 *Kind, later *Action) bool {
	if k2.NotByOf(later, k1.ID, earlier.ID) {
		return true
	}
	for _, x := range earlier.By {
		for _, y := range later.By {
			if !p.dutiesDiffer(x, y) {
				return false
			}
		}
	}
	return true
}

func (p *Pack) dutiesDiffer(x, y string) bool {
	dx, dy := p.Duty(x), p.Duty(y)
	if dx == nil || dy == nil {
		return false
	}
	if dx.Actor != dy.Actor {
		// A reporter may be a colleague, and nobody may know. Everybody else is known: nobody handles a matter that
		// names them, an outside body is no account here, and the system is nobody.
		return dx.Actor != ActorReporter && dy.Actor != ActorReporter
	}
	switch dx.Actor {
	case ActorSystem:
		return true
	case ActorOutside:
		return x != y
	case ActorAccount:
		return p.Excluded(x, y)
	}
	return false
}

// otherBody reports whether the action is done at another body than the one the matter lies with.
func (a *Action) otherBody() bool { return a.Of == OfOutside || a.Of == OfSuperior }

// otherDesk reports whether the later action is done at another desk than the earlier: by other duties, or elsewhere.
func otherDesk(earlier, later *Action) bool {
	if later.otherBody() && !earlier.otherBody() {
		return true
	}
	for _, d := range earlier.By {
		if slices.Contains(later.By, d) {
			return false
		}
	}
	return true
}

// who names those who may do the action, for messages.
func (a *Action) who() string { return strings.Join(a.By, " or ") }

// SmallestStaff is the smallest number of people who can run the procedure of the kind and of those it comes from,
// every action in it being done by somebody who may: exact for procedures of the usual size, never too small, and 9 for
// nine or more.
func (p *Pack) SmallestStaff(k *Kind) int {
	kinds := p.ancestry(k)
	// A vertex is a set of actions alike in who may do them and in what they must be kept apart from.
	type vertex struct {
		by  []string
		key string
		of  [][2]string
	}
	var vertices []vertex
	for _, kk := range kinds {
		for i := range kk.Actions {
			a := &kk.Actions[i]
			by := a.By
			if len(a.RecordedBy) > 0 {
				by = a.RecordedBy
			}
			var accounts []string
			for _, d := range by {
				if du := p.Duty(d); du != nil && du.Actor == ActorAccount {
					accounts = append(accounts, d)
				}
			}
			if len(accounts) > 0 {
				slices.Sort(accounts)
				vertices = append(vertices, vertex{by: accounts, of: [][2]string{{kk.ID, a.ID}}})
			}
		}
	}
	// Actions that no not_by speaks of differ only in who may do them.
	named := map[[2]string]bool{}
	for _, kk := range kinds {
		for i := range kk.Actions {
			for _, nb := range kk.notBy(&kk.Actions[i]) {
				named[nb] = true
				named[[2]string{kk.ID, kk.Actions[i].ID}] = true
			}
		}
	}
	var kept []vertex
	seen := map[string]bool{}
	for _, v := range vertices {
		v.key = strings.Join(v.by, ",")
		if named[v.of[0]] {
			v.key += " " + v.of[0][0] + "." + v.of[0][1]
		}
		if !seen[v.key] {
			seen[v.key] = true
			kept = append(kept, v)
		}
	}
	if len(kept) == 0 {
		return 1
	}
	apart := func(a, b vertex) bool {
		ka, kb := p.Kind(a.of[0][0]), p.Kind(b.of[0][0])
		return kb.NotByOf(kb.Action(b.of[0][1]), a.of[0][0], a.of[0][1]) || ka.NotByOf(ka.Action(a.of[0][1]), b.of[0][0], b.of[0][1])
	}
	// The most constrained first, so that the search fails early.
	slices.SortStableFunc(kept, func(a, b vertex) int { return len(a.by) - len(b.by) })
	type person struct {
		duties []string
		does   []vertex
	}
	budget := 0
	var fits func(i int, staff []person, limit int) bool
	fits = func(i int, staff []person, limit int) bool {
		if i == len(kept) {
			return true
		}
		if budget--; budget < 0 {
			return false
		}
		v := kept[i]
		for n := 0; n <= len(staff) && n < limit; n++ {
			var q person
			if n < len(staff) {
				q = staff[n]
			}
			if slices.ContainsFunc(q.does, func(w vertex) bool { return apart(v, w) }) {
				continue
			}
			for _, d := range v.by {
				if slices.ContainsFunc(q.duties, func(have string) bool { return have != d && p.Excluded(have, d) }) {
					continue
				}
				next := slices.Clone(staff)
				grown := person{append(slices.Clone(q.duties), d), append(slices.Clone(q.does), v)}
				if n < len(staff) {
					next[n] = grown
				} else {
					next = append(next, grown)
				}
				if fits(i+1, next, limit) {
					return true
				}
			}
		}
		return false
	}
	for n := 1; n < min(len(kept), manyStaff); n++ {
		budget = 50_000 // enough for any procedure people have written; beyond it the next number is tried
		if fits(0, nil, n) {
			return n
		}
	}
	return min(len(kept), manyStaff)
}

// manyStaff is where counting stops: an office of five must do, so more need not be told apart.
const manyStaff = 9

// ancestry is the kind and every kind a matter of it may come from.
func (p *Pack) ancestry(k *Kind) []*Kind {
	out := []*Kind{k}
	for i := 0; i < len(out); i++ {
		for j := range p.Kinds {
			from := &p.Kinds[j]
			if slices.Contains(out, from) {
				continue
			}
			for _, a := range from.Actions {
				if a.Opens != nil && a.Opens.Kind == out[i].ID {
					out = append(out, from)
					break
				}
			}
		}
	}
	return out
}
