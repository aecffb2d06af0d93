package tally

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"plumbline/internal/journal"
	"plumbline/internal/matter"
	"plumbline/internal/ref"
	"plumbline/internal/register"
	"plumbline/internal/store"
)

// Follower is the name of the tally among the followers of the journal.
const Follower = "tally"

// A Tally keeps the figures of a database and answers questions about them. It is a journal.Follower. It holds nothing
// but caches and is safe for use by many goroutines.
type Tally struct {
	packs Packs
	keep  int64 // see keepFrom

	register register.Trees

	mu          sync.Mutex
	measures    *Measures
	measuresKey string
	placed      *placedTree
	released    releaseCache
}

// New returns the tally of the database whose packs are given.
func New(packs Packs) *Tally { return &Tally{packs: packs, keep: keepFrom} }

// Name implements journal.Follower.
func (t *Tally) Name() string { return Follower }

// HeadsOnly says that a Tally only needs to know what was touched.
func (t *Tally) HeadsOnly() {}

// Version is the digest of what is counted: when it changes, everything is counted anew from the journal.
func (t *Tally) Version(ctx context.Context, tx *store.Tx) (string, error) {
	ms, err := t.Measures(ctx, tx)
	if err != nil {
		return "", err
	}
	return ms.digest, nil
}

// Reset forgets all figures.
func (t *Tally) Reset(ctx context.Context, tx *store.Tx) error {
	for _, table := range []string{"fact", "cube", "cell", "seen", "tally_tree"} {
		if _, err := tx.Exec(ctx, "DELETE FROM "+table); err != nil {
			return fmt.Errorf("tally: reset: %w", err)
		}
	}
	if _, err := tx.Exec(ctx, newTreeVersion, 0); err != nil {
		return fmt.Errorf("tally: reset: %w", err)
	}
	return nil
}

// mattersAtOnce bounds the matters held in memory at a time.
const mattersAtOnce = 2000

// Step counts anew every matter that the entries touch, and carries over what changed.
func (t *Tally) Step(ctx context.Context, tx *store.Tx, entries []journal.Recorded) error {
	ms, err := t.Measures(ctx, tx)
	if err != nil {
		return err
	}
	ch := newChanges(ms)
	tree, err := t.grow(ctx, tx, ch) // before any fact changes: it moves those that are there
	if err != nil {
		return err
	}
	matters, err := withMerged(ctx, tx, touchedBy(entries))
	if err != nil {
		return err
	}
	for part := range slices.Chunk(matters, mattersAtOnce) {
		if err := t.recount(ctx, tx, ms, part, ch); err != nil {
			return err
		}
	}
	return ch.carry(ctx, tx, tree)
}

// touched is what a batch of entries is about.
type touched struct {
	matters   []int64 // in order, once each
	officials []int64 // those changed after they were entered
}

func touchedBy(entries []journal.Recorded) touched {
	var t touched
	for _, e := range entries {
		thing, name, _ := strings.Cut(e.Stream, "/")
		id, err := strconv.ParseInt(name, 10, 64)
		switch {
		case err != nil: // a stream that is not about a thing with an id
		case thing == "matter":
			t.matters = append(t.matters, id)
		case thing == "official" && e.N > 1:
			t.officials = append(t.officials, id)
		}
	}
	slices.Sort(t.matters)
	t.matters = slices.Compact(t.matters)
	slices.Sort(t.officials)
	t.officials = slices.Compact(t.officials)
	return t
}

// withMerged returns the matters touched, and those that name an official who was merged into another.
func withMerged(ctx context.Context, tx *store.Tx, t touched) ([]int64, error) {
	merged, err := mergedAmong(ctx, tx, t.officials)
	if err != nil || len(merged) == 0 {
		return t.matters, err
	}
	more, err := mattersNaming(ctx, tx, merged)
	if err != nil {
		return nil, err
	}
	all := append(slices.Clone(t.matters), more...)
	slices.Sort(all)
	return slices.Compact(all), nil
}

// recount replaces the facts of the given matters and notes the differences.
func (t *Tally) recount(ctx context.Context, tx *store.Tx, ms *Measures, ids []int64, ch *changes) error {
	want, err := t.contributions(ctx, tx, ms, ids)
	if err != nil {
		return err
	}
	have, err := loadFacts(ctx, tx, ms, ids)
	if err != nil {
		return err
	}
	var gone []Fact
	fresh := want[:0] // filtered in place
	for _, f := range want {
		key := factKey{f.Matter, f.at, f.No}
		old, ok := have[key]
		if ok {
			delete(have, key)
			if same(&old, &f) {
				continue
			}
			gone = append(gone, old)
		}
		fresh = append(fresh, f)
	}
	for _, f := range have {
		gone = append(gone, f)
	}
	for i := range gone {
		ch.add(&gone[i], -1)
	}
	for i := range fresh {
		ch.add(&fresh[i], 1)
	}
	return replaceFacts(ctx, tx, gone, fresh)
}

type factKey struct {
	matter ref.MatterID
	at     int
	no     int64
}

func same(a, b *Fact) bool {
	return a.Official == b.Official && a.Body == b.Body && a.Received == b.Received && a.Dims == b.Dims && a.Amount == b.Amount
}

// contributions counts the given matters as they are now.
func (t *Tally) contributions(ctx context.Context, tx *store.Tx, ms *Measures, ids []int64) ([]Fact, error) {
	states, err := loadStates(ctx, tx, ids, ms.needs)
	if err != nil {
		return nil, err
	}
	look, err := t.lookupFor(ctx, tx, states)
	if err != nil {
		return nil, err
	}
	var facts []Fact
	for i := range states {
		own, err := Contribute(ms, &states[i], look)
		if err != nil {
			return nil, fmt.Errorf("tally: matter %d: %w", states[i].Matter.ID, err)
		}
		facts = append(facts, own...)
	}
	return facts, nil
}

// lookupFor reads from the register what the contributions of states hang on.
func (t *Tally) lookupFor(ctx context.Context, tx *store.Tx, states []matter.State) (Lookup, error) {
	var officials []int64
	for i := range states {
		for _, a := range states[i].Allegations {
			if a.Official != 0 {
				officials = append(officials, int64(a.Official))
			}
		}
	}
	into, err := mergers(ctx, tx, officials)
	if err != nil {
		return Lookup{}, err
	}
	tree, err := t.register.Tree(ctx, tx)
	if err != nil {
		return Lookup{}, fmt.Errorf("tally: %w", err)
	}
	return Lookup{Tree: tree, Now: func(o ref.OfficialID) ref.OfficialID {
		for range len(into) {
			next, ok := into[int64(o)]
			if !ok {
				break
			}
			o = ref.OfficialID(next)
		}
		return o
	}}, nil
}

// carry brings the changes into the cells.
func (c *changes) carry(ctx context.Context, tx *store.Tx, tr *tree) error {
	shifts := c.shifts
	for it, a := range c.items {
		shifts = append(shifts, shift{it, a, tr.of(it.body)})
	}
	if len(shifts) == 0 {
		return nil
	}
	facts := map[at]int64{}
	for i := range shifts {
		for _, b := range shifts[i].bodies {
			facts[at{shifts[i].at, b}] += shifts[i].facts
		}
	}
	kept, grownUp, err := c.extend(ctx, tx, facts)
	if err != nil {
		return err
	}
	d := newDelta(c.ms)
	var cnt counted
	for i := range shifts {
		s := &shifts[i]
		if err := d.ready(s.item, &cnt); err != nil {
			return err
		}
		for _, b := range s.bodies {
			d.plainly(&cnt, b, s.value)
			if kept[at{s.at, b}] {
				d.fully(&cnt, b, s.value)
			}
		}
	}
	for _, a := range grownUp {
		if err := d.fill(ctx, tx, a, tr); err != nil {
			return err
		}
	}
	if err := d.saveTimes(ctx, tx); err != nil {
		return err
	}
	return d.saveCells(ctx, tx)
}

// extend notes how many facts lie at each body now. It returns where the cells are kept in full and can be carried on,
// and where they are to be kept from now on and must be counted from all facts.
func (c *changes) extend(ctx context.Context, tx *store.Tx, facts map[at]int64) (kept map[at]bool, grownUp []at, err error) {
	have, err := loadCube(ctx, tx, c.ms, facts)
	if err != nil {
		return nil, nil, err
	}
	kept = map[at]bool{}
	var changed []cubeRow
	for a, more := range facts {
		row := have[a]
		before := row.facts
		row.at, row.facts = a, before+more
		switch {
		case row.kept:
			kept[a] = true
		case row.facts >= c.ms.keep && before == 0:
			row.kept, kept[a] = true, true // all its facts are among the changes
		case row.facts >= c.ms.keep:
			row.kept = true
			grownUp = append(grownUp, a)
		}
		changed = append(changed, row)
	}
	return kept, grownUp, saveCube(ctx, tx, c.ms, changed)
}

// fill counts all cells of a body from the facts.
func (d *delta) fill(ctx context.Context, tx *store.Tx, a at, tr *tree) error {
	var cnt counted
	return factsBelow(ctx, tx, d.ms, a, tr, func(it item, am amount) error {
		if err := d.ready(it, &cnt); err != nil {
			return err
		}
		d.fully(&cnt, a.body, am.value)
		return nil
	})
}

// saveTimes brings up to date how often officials are counted where, and derives the distinct numbers.
func (d *delta) saveTimes(ctx context.Context, tx *store.Tx) error {
	people := make([]person, 0, len(d.times))
	for p := range d.times {
		people = append(people, p)
	}
	slices.SortFunc(people, comparePeople)
	for part := range slices.Chunk(people, mattersAtOnce) {
		have, err := loadTimes(ctx, tx, d.ms, part)
		if err != nil {
			return err
		}
		rows := make([]timesRow, 0, len(part))
		for _, p := range part {
			now := have[p]
			if now == nil {
				now = map[string]int64{}
			}
			for key, n := range d.times[p] {
				before := now[key]
				after := before + n
				switch {
				case after < 0:
					return fmt.Errorf("tally: measure %s: official %d would be counted %d times at body %d", d.ms.list[p.measure].ID, p.official, after, p.body)
				case before == 0 && after > 0:
					d.distinctly(p.at, key, 1)
				case before > 0 && after == 0:
					d.distinctly(p.at, key, -1)
				}
				if now[key] = after; after == 0 {
					delete(now, key)
				}
			}
			_, known := have[p]
			rows = append(rows, timesRow{p, now, known})
		}
		if err := storeTimes(ctx, tx, d.ms, rows); err != nil {
			return err
		}
	}
	return nil
}
