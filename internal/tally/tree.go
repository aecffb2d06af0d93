package tally

import (
	"context"
	"fmt"
	"slices"

	"plumbline/internal/register"
	"plumbline/internal/store"
)

// tree is the tree of bodies that the cells stand for. It follows the register, in the transaction that carries the
// facts of a body that moved. It is never changed after it was made.
type tree struct {
	parent   map[int64]int64
	above    map[int64][]int64 // the body itself, those above it, and 0, which is everything
	children map[int64][]int64
}

func newTree(parent map[int64]int64) *tree {
	t := &tree{parent: parent, above: make(map[int64][]int64, len(parent)), children: map[int64][]int64{}}
	for b, p := range parent {
		t.children[p] = append(t.children[p], b)
		var up []int64
		for x := b; x != 0 && !slices.Contains(up, x); {
			up = append(up, x)
			next, ok := parent[x]
			if !ok {
				break
			}
			x = next
		}
		t.above[b] = append(up, 0)
	}
	return t
}

// of returns the bodies at which something counted at b counts.
func (t *tree) of(b int64) []int64 {
	if up := t.above[b]; up != nil {
		return up
	}
	if b == 0 {
		return []int64{0}
	}
	return []int64{b, 0}
}

// below returns b and every body below it.
func (t *tree) below(b int64) []int64 {
	out := []int64{b}
	for i := 0; i < len(out); i++ {
		out = append(out, t.children[out[i]]...)
	}
	return out
}

const (
	selectTree        = `SELECT body, parent FROM tally_tree`
	selectTreeVersion = `SELECT version FROM tally_tree_version WHERE id = 1`
	upsertTree        = `INSERT INTO tally_tree (body, parent) VALUES ($1, $2) ON CONFLICT (body) DO UPDATE SET parent = excluded.parent`
	newTreeVersion    = `UPDATE tally_tree_version SET version = $1 WHERE id = 1`
	registerVersion   = `SELECT version FROM register_version WHERE id = 1`
)

// grow makes the cells stand for the register's tree as tx sees it. Facts at bodies that now lie elsewhere go along as
// shifts.
func (t *Tally) grow(ctx context.Context, tx *store.Tx, ch *changes) (*tree, error) {
	tr, version, err := t.tree(ctx, tx)
	if err != nil {
		return nil, err
	}
	var now int64
	if err := tx.QueryRow(ctx, registerVersion).Scan(&now); err != nil {
		return nil, fmt.Errorf("tally: register: %w", err)
	}
	if now == version {
		return tr, nil
	}
	if _, err := tx.Exec(ctx, newTreeVersion, now); err != nil {
		return nil, fmt.Errorf("tally: tree: %w", err)
	}
	reg, err := t.register.Tree(ctx, tx)
	if err != nil {
		return nil, fmt.Errorf("tally: %w", err)
	}
	return regrow(ctx, tx, tr, reg, ch)
}

// tree returns the tree that the cells stand for, and the version of the register it was taken from.
func (t *Tally) tree(ctx context.Context, tx *store.Tx) (*tree, int64, error) {
	var version int64
	if err := tx.QueryRow(ctx, selectTreeVersion).Scan(&version); err != nil {
		return nil, 0, fmt.Errorf("tally: tree: %w", err)
	}
	t.mu.Lock()
	cached := t.placed
	t.mu.Unlock()
	if cached != nil && version != 0 && cached.version == version {
		return cached.tree, version, nil
	}
	rows, err := tx.Query(ctx, selectTree)
	if err != nil {
		return nil, 0, fmt.Errorf("tally: tree: %w", err)
	}
	parent := map[int64]int64{}
	err = each(rows, func(r *store.Rows) error {
		var b, p int64
		err := r.Scan(&b, &p)
		parent[b] = p
		return err
	})
	if err != nil {
		return nil, 0, err
	}
	tr := newTree(parent)
	t.mu.Lock()
	t.placed = &placedTree{version, tr}
	t.mu.Unlock()
	return tr, version, nil
}

type placedTree struct {
	version int64
	tree    *tree
}

// regrow takes over the tree of the register.
func regrow(ctx context.Context, tx *store.Tx, old *tree, reg *register.Tree, ch *changes) (*tree, error) {
	parent := make(map[int64]int64, len(old.parent))
	for b, p := range old.parent {
		parent[b] = p
	}
	var changed []int64
	for _, b := range reg.All() {
		id, p := int64(b.ID), int64(b.Parent)
		if was, ok := parent[id]; !ok || was != p {
			parent[id] = p
			changed = append(changed, id)
		}
	}
	if len(changed) == 0 {
		return old, nil
	}
	now := newTree(parent)
	if err := saveTree(ctx, tx, parent, changed, len(old.parent) == 0); err != nil {
		return nil, err
	}
	for b := range now.above {
		was, is := old.of(b), now.of(b)
		if slices.Equal(was, is) {
			continue
		}
		if err := shiftFacts(ctx, tx, ch, b, without(was, is), without(is, was)); err != nil {
			return nil, err
		}
	}
	return now, nil
}

func saveTree(ctx context.Context, tx *store.Tx, parent map[int64]int64, changed []int64, first bool) error {
	if first {
		rows := make([][]any, len(changed))
		for i, b := range changed {
			rows[i] = []any{b, parent[b]}
		}
		if err := tx.InsertMany(ctx, "tally_tree", []string{"body", "parent"}, rows); err != nil {
			return fmt.Errorf("tally: tree: %w", err)
		}
		return nil
	}
	for _, b := range changed {
		if _, err := tx.Exec(ctx, upsertTree, b, parent[b]); err != nil {
			return fmt.Errorf("tally: tree: %w", err)
		}
	}
	return nil
}

// without returns what is in a and not in b.
func without(a, b []int64) []int64 {
	var out []int64
	for _, x := range a {
		if !slices.Contains(b, x) {
			out = append(out, x)
		}
	}
	return out
}

const selectFactsAt = `SELECT measure, official, received, dims, SUM(amount), COUNT(*) FROM fact
WHERE measure = $1 AND body = $2 GROUP BY measure, official, received, dims`

// shiftFacts takes the facts counted at body away from some bodies above it and gives them to others.
func shiftFacts(ctx context.Context, tx *store.Tx, ch *changes, body int64, from, to []int64) error {
	for i, m := range ch.ms.list {
		rows, err := tx.Query(ctx, selectFactsAt, m.ID, body)
		if err != nil {
			return fmt.Errorf("tally: facts of body %d: %w", body, err)
		}
		found, err := store.Collect(rows, func(r *store.Rows) (s shift, err error) {
			var measure, received string
			s.at, s.body = i, body
			err = r.Scan(&measure, &s.official, &received, &s.dims, &s.value, &s.facts)
			s.year = yearOf(received)
			return s, err
		})
		if err != nil {
			return fmt.Errorf("tally: facts of body %d: %w", body, err)
		}
		for _, s := range found {
			s.bodies = to
			ch.shifts = append(ch.shifts, s)
			s.bodies, s.value, s.facts = from, -s.value, -s.facts
			ch.shifts = append(ch.shifts, s)
		}
	}
	return nil
}
