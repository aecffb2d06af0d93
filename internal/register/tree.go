package register

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"strings"
	"sync"

	"plumbline/internal/fault"
	"plumbline/internal/ref"
	"plumbline/internal/store"
)

// A Tree is all bodies at one moment. It is never changed after it was loaded and may be shared.
type Tree struct {
	bodies   map[ref.BodyID]*Body
	byCode   map[string]ref.BodyID
	children map[ref.BodyID][]ref.BodyID // in the order of their codes
	version  int64
}

// NewTree puts bodies together to a tree.
func NewTree(all []Body) *Tree {
	t := &Tree{bodies: make(map[ref.BodyID]*Body, len(all)), byCode: make(map[string]ref.BodyID, len(all)), children: map[ref.BodyID][]ref.BodyID{}}
	for i := range all {
		b := &all[i]
		t.bodies[b.ID], t.byCode[b.Code] = b, b.ID
		t.children[b.Parent] = append(t.children[b.Parent], b.ID)
	}
	for _, c := range t.children {
		sort.Slice(c, func(i, j int) bool { return t.bodies[c[i]].Code < t.bodies[c[j]].Code })
	}
	return t
}

// Body returns a body, nil if there is none with that id.
func (t *Tree) Body(id ref.BodyID) *Body { return t.bodies[id] }

// ByCode returns the body with a code, nil if there is none.
func (t *Tree) ByCode(code string) *Body { return t.bodies[t.byCode[code]] }

// Now follows mergers to the body that carries on for id today.
func (t *Tree) Now(id ref.BodyID) ref.BodyID {
	for range len(t.bodies) {
		b := t.bodies[id]
		if b == nil || b.MergedInto == 0 {
			return id
		}
		id = b.MergedInto
	}
	return id
}

// Children returns the bodies directly below id (0: the tops), by code.
func (t *Tree) Children(id ref.BodyID) []ref.BodyID { return t.children[id] }

// All returns every body, each after the one it lies below.
func (t *Tree) All() []*Body {
	out := make([]*Body, 0, len(t.bodies))
	var walk func(ref.BodyID)
	walk = func(id ref.BodyID) {
		for _, c := range t.children[id] {
			out = append(out, t.bodies[c])
			walk(c)
		}
	}
	walk(0)
	return out
}

// Above returns id and every body above it, nearest first; nothing for 0.
func (t *Tree) Above(id ref.BodyID) []ref.BodyID {
	var out []ref.BodyID
	for b := t.bodies[id]; b != nil && len(out) <= len(t.bodies); b = t.bodies[b.Parent] {
		out = append(out, b.ID)
	}
	return out
}

// Within reports whether body is top or lies below it.
func (t *Tree) Within(body, top ref.BodyID) bool {
	return top != 0 && slices.Contains(t.Above(body), top)
}

// Superior returns the nearest body above id that has what is asked for, else the one directly above; 0 if nothing is.
func (t *Tree) Superior(id ref.BodyID, has func(ref.BodyID) bool) ref.BodyID {
	above := t.Above(id)
	if len(above) < 2 {
		return 0
	}
	for _, a := range above[1:] {
		if t.exists(a) && has(a) {
			return a
		}
	}
	return above[1]
}

// Competent returns the body at a level, and in a sector unless that is empty, that is competent for the body
// concerned: that body itself, else the nearest one above, or beside the chain: directly below a body of the chain.
// A body that skip refuses is passed over. It returns 0 if there is none.
func (t *Tree) Competent(concerned ref.BodyID, level, sector string, skip func(ref.BodyID) bool) ref.BodyID {
	fits := func(id ref.BodyID) bool {
		b := t.bodies[id]
		return b.Level == level && (sector == "" || b.Sector == sector) && t.exists(id) && !skip(id)
	}
	for _, a := range t.Above(concerned) {
		if fits(a) {
			return a
		}
		for _, c := range t.children[a] {
			if fits(c) {
				return c
			}
		}
	}
	for _, c := range t.children[0] { // several tops: beside the chain's own top
		if fits(c) {
			return c
		}
	}
	return 0
}

func (t *Tree) exists(id ref.BodyID) bool {
	b := t.bodies[id]
	return b != nil && b.To == "" && b.MergedInto == 0
}

// Trees keeps the tree of one database between transactions and loads it again when a body has changed.
type Trees struct {
	mu   sync.Mutex
	last *Tree
}

const versionSQL = `SELECT version FROM register_version WHERE id = 1`

// Tree returns the bodies as tx sees them.
func (c *Trees) Tree(ctx context.Context, tx *store.Tx) (*Tree, error) {
	var version int64
	if err := tx.QueryRow(ctx, versionSQL).Scan(&version); err != nil {
		return nil, fmt.Errorf("register: version: %w", err)
	}
	c.mu.Lock()
	last := c.last
	c.mu.Unlock()
	if last != nil && last.version == version {
		return last, nil
	}
	t, err := LoadTree(ctx, tx)
	if err != nil {
		return nil, err
	}
	t.version = version
	c.mu.Lock()
	c.last = t
	c.mu.Unlock()
	return t, nil
}

const allBodiesSQL = `SELECT id, code, parent, level, sector, valid_from, valid_to, merged_into, source, n FROM body ORDER BY id`
const allNamesSQL = `SELECT body, lang, valid_from, name, valid_to FROM body_name ORDER BY body, lang, valid_from`

// LoadTree reads all bodies.
func LoadTree(ctx context.Context, tx *store.Tx) (*Tree, error) {
	found, err := tx.Query(ctx, allBodiesSQL)
	if err != nil {
		return nil, fmt.Errorf("register: bodies: %w", err)
	}
	all, err := store.Collect(found, func(r *store.Rows) (b Body, err error) {
		return b, r.Scan(&b.ID, &b.Code, &b.Parent, &b.Level, &b.Sector, &b.From, &b.To, &b.MergedInto, &b.Source, &b.N)
	})
	if err != nil {
		return nil, fmt.Errorf("register: bodies: %w", err)
	}
	t := NewTree(all)
	found, err = tx.Query(ctx, allNamesSQL)
	if err != nil {
		return nil, fmt.Errorf("register: names of bodies: %w", err)
	}
	defer found.Close()
	for found.Next() {
		var id ref.BodyID
		var n Name
		if err := found.Scan(&id, &n.Lang, &n.From, &n.Name, &n.To); err != nil {
			return nil, fmt.Errorf("register: names of bodies: %w", err)
		}
		if b := t.bodies[id]; b != nil {
			b.Names = append(b.Names, n)
		}
	}
	if err := found.Err(); err != nil {
		return nil, fmt.Errorf("register: names of bodies: %w", err)
	}
	return t, nil
}

// Search returns the bodies whose code or one of whose names contains q, at most limit, those beginning with it first.
func (t *Tree) Search(q string, limit int) []*Body {
	q = strings.ToLower(strings.TrimSpace(q))
	var first, then []*Body
	for _, b := range t.All() {
		switch rank := b.matches(q); {
		case rank == 2:
			first = append(first, b)
		case rank == 1:
			then = append(then, b)
		}
	}
	out := append(first, then...)
	return out[:min(len(out), limit)]
}

func (b *Body) matches(q string) int {
	rank := 0
	look := func(s string) {
		s = strings.ToLower(s)
		if strings.HasPrefix(s, q) {
			rank = 2
		} else if rank == 0 && strings.Contains(s, q) {
			rank = 1
		}
	}
	look(b.Code)
	for _, n := range b.Names {
		look(n.Name)
	}
	return rank
}

func noBody(what string) error {
	return fault.New(fault.NotFound, "register.no-body", fault.Args{"body": what})
}
