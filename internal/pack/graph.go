package pack

import (
	"slices"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
)

// graph is every procedure of a pack as one graph: a node is a state of a kind, an edge an action possible in it, and
// where an action opens a matter, a second edge into the start of that kind. Conditions count as possibly true and
// possibly false, so that a path of the graph may be impossible in fact but no possible path is missing.
type graph struct {
	p      *Pack
	roots  []*Kind          // kinds that a person can open, or a draw
	edges  map[at][]edge    // in the order of the pack
	plain  *exploration     // everything that can be reached, with no memory
	openBy map[string]bool  // kinds some reachable action opens, or a person can
	byKind map[*Kind][]edge // all edges of a kind, whether or not reached
}

// at is a place in a procedure.
type at struct{ kind, state string }

// edge is an action in one of the states it is possible in.
type edge struct {
	k        *Kind
	a        *Action
	from, to *State
	opens    *Kind // nil: opens nothing
}

func newGraph(p *Pack) *graph {
	g := &graph{p: p, edges: map[at][]edge{}, openBy: map[string]bool{}, byKind: map[*Kind][]edge{}}
	for i := range p.Kinds {
		k := &p.Kinds[i]
		if len(k.OpenBy) > 0 || k.Reports || k.Inspects != nil {
			g.roots = append(g.roots, k)
		}
		for j := range k.Actions {
			a := &k.Actions[j]
			for _, s := range a.From {
				if p.never(k, a, s) {
					continue
				}
				if p.onlyBy(a.By, ActorSystem) && !k.happensByItself(a, s) {
					continue // nothing makes the system do it there
				}
				from := k.State(s)
				to := from
				if a.To != "" {
					to = k.State(a.To)
				}
				e := edge{k: k, a: a, from: from, to: to}
				if a.Opens != nil {
					e.opens = p.Kind(a.Opens.Kind)
				}
				g.edges[at{k.ID, s}] = append(g.edges[at{k.ID, s}], e)
				g.byKind[k] = append(g.byKind[k], e)
			}
		}
	}
	g.plain = g.explore(g.fromRoots(0), forget, across)
	for _, n := range g.plain.order {
		g.openBy[n.kind] = true
	}
	return g
}

// never reports whether the action's condition is false in the state, whatever else happens.
func (p *Pack) never(k *Kind, a *Action, state string) bool {
	prg, s := p.programs[programKey{kindScope(k), a.When}], k.State(state)
	if a.When == "" || prg == nil || prg.partial == nil || s == nil {
		return false
	}
	env := &Env{Matter: EnvMatter{Kind: k.ID, State: state, Final: s.Final}}
	open := []*cel.AttributePatternType{cel.AttributePattern("f"), cel.AttributePattern("links"), cel.AttributePattern("allegations"),
		cel.AttributePattern("parties"), cel.AttributePattern("today")}
	if k.Subject != "none" {
		open = append(open, cel.AttributePattern("subject"))
	}
	for name := range properties["plumbline.Matter"] {
		if name != "kind" && name != "state" && name != "final" {
			open = append(open, cel.AttributePattern("matter").QualString(name))
		}
	}
	vars, err := cel.PartialVars(env, open...)
	if err != nil {
		return false // only a wrong type of env could cause it
	}
	out, _, err := prg.partial.Eval(vars)
	return err == nil && out == types.False
}

// happensByItself reports whether a clock that runs in the state does the action when it runs out.
func (k *Kind) happensByItself(a *Action, state string) bool {
	for i := range k.Clocks {
		if k.Clocks[i].Then == a.ID && slices.Contains(k.Clocks[i].In, state) {
			return true
		}
	}
	return false
}

// memory is what a rule remembers of the way so far: a small set of facts.
type memory uint64

// node is a place together with what a rule remembers there.
type node struct {
	at
	m memory
}

// exploration is every node that can be reached, each with a shortest way to it.
type exploration struct {
	order []node
	came  map[node]arrival
}

// arrival is how a node was first reached; the zero arrival is a beginning.
type arrival struct {
	from node
	e    edge
	ok   bool
}

// start is a node to begin at.
type start struct{ n node }

// A step says what a rule remembers after an edge, and whether the way ends there: beyond a fault nothing is explored,
// so that one mistake is not reported again in all that follows from it.
type step func(n node, e edge) (after memory, stop bool)

// forget is the step that remembers nothing.
func forget(node, edge) (memory, bool) { return 0, false }

// scope says whether an exploration goes on in the matters that actions open, and what these remember.
type scope struct {
	across bool
	mask   memory
}

var (
	alone  = scope{}             // within one kind
	across = scope{across: true} // everywhere, remembering nothing
)

// taking is everywhere, the facts of mask being inherited.
func taking(mask memory) scope { return scope{true, mask} }

// explore walks breadth first, so that the first way to a node is a shortest one.
func (g *graph) explore(starts []start, step step, inherit scope) *exploration {
	x := &exploration{came: map[node]arrival{}}
	visit := func(n node, how arrival) {
		if _, seen := x.came[n]; !seen {
			x.came[n] = how
			x.order = append(x.order, n)
		}
	}
	for _, s := range starts {
		visit(s.n, arrival{})
	}
	for i := 0; i < len(x.order); i++ {
		n := x.order[i]
		for _, e := range g.edges[n.at] {
			m, stop := step(n, e)
			if stop {
				continue
			}
			visit(node{at{n.kind, e.to.ID}, m}, arrival{n, e, true})
			if e.opens != nil && inherit.across {
				visit(node{at{e.opens.ID, e.opens.Start}, m & inherit.mask}, arrival{n, e, true})
			}
		}
	}
	return x
}

// fromRoots begins wherever a person can open a matter.
func (g *graph) fromRoots(m memory) []start {
	var starts []start
	for _, k := range g.roots {
		starts = append(starts, start{node{at{k.ID, k.Start}, m}})
	}
	return starts
}

// within begins at the start of one kind.
func within(k *Kind, m memory) []start { return []start{{node{at{k.ID, k.Start}, m}}} }

// path is the way by which the exploration reached n, and then the edges of last.
func (x *exploration) path(n node, last ...edge) []Step {
	var steps []Step
	for {
		how := x.came[n]
		if !how.ok {
			break
		}
		steps = append(steps, how.e.step(how.e.k.ID != n.kind))
		n = how.from
	}
	slices.Reverse(steps)
	for _, e := range last {
		steps = append(steps, e.step(false))
	}
	return steps
}

func (e edge) step(into bool) Step {
	s := Step{Kind: e.k.ID, From: e.from.ID, Action: e.a.ID, To: e.to.ID, When: e.a.When, Place: e.a.At.Place}
	if into {
		s.Opens = e.opens.ID
	}
	return s
}

// reached reports whether the state can be reached at all.
func (g *graph) reached(k *Kind, state string) bool {
	_, ok := g.plain.came[node{at: at{k.ID, state}}]
	return ok
}

// pathTo is a shortest way to the state, and then the edges of last.
func (g *graph) pathTo(k *Kind, state string, last ...edge) []Step {
	return g.plain.path(node{at: at{k.ID, state}}, last...)
}
