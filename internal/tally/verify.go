package tally

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strconv"
	"strings"

	"plumbline/internal/journal"
	"plumbline/internal/ref"
	"plumbline/internal/rows"
	"plumbline/internal/store"
)

// Verified is what Verify found.
type Verified struct {
	Matters     int64             // counted again
	Cells       int64             // compared
	Behind      int64             // entries not counted yet; matters they touch were left out
	Differences []rows.Difference // by table and key
}

// Verify counts everything again, from the tables that verification of matters holds to the journal, and names
// every row of the figures that differs. It reads one unchanging state of the database. Memory grows with the number
// of cells, not of matters. progress, if given, is told how many matters are done.
func (t *Tally) Verify(ctx context.Context, db *store.DB, progress func(done, total int64)) (Verified, error) {
	var v verifier
	err := db.Read(ctx, func(tx *store.Tx) error {
		v = verifier{t: t, ctx: ctx, tx: tx, progress: progress}
		return v.run()
	})
	return v.Verified, err
}

type verifier struct {
	Verified
	t        *Tally
	ctx      context.Context // of this one verification
	tx       *store.Tx
	progress func(done, total int64)

	ms      *Measures
	tree    *tree
	pending map[int64]bool // matters with entries that are not counted yet
	kept    map[at]bool
	facts   map[at]int64
	want    *delta
	// What the facts should be where they are something else, so that the officials are counted from facts as they
	// should be.
	wrong map[factKey]bool
	right map[person][]Fact // by measure and official; body 0
}

func (v *verifier) run() error {
	var err error
	if v.ms, err = v.t.Measures(v.ctx, v.tx); err != nil {
		return err
	}
	_, version, err := journal.Cursor(v.ctx, v.tx, Follower)
	if err != nil {
		return err
	}
	if version != v.ms.digest {
		// The measures changed and nothing is counted by them yet.
		_, v.Behind, err = journal.Head(v.ctx, v.tx)
		return err
	}
	v.want = newDelta(v.ms)
	v.facts, v.kept = map[at]int64{}, map[at]bool{}
	v.wrong, v.right = map[factKey]bool{}, map[person][]Fact{}
	for _, step := range []func() error{v.findPending, v.checkTree, v.readKept, v.checkMatters, v.checkCube, v.checkSeen, v.checkCells} {
		if err := step(); err != nil {
			return err
		}
	}
	sort.SliceStable(v.Differences, func(i, j int) bool {
		a, b := &v.Differences[i], &v.Differences[j]
		if a.Table != b.Table {
			return a.Table < b.Table
		}
		return a.Key < b.Key
	})
	return nil
}

func (v *verifier) differ(d rows.Difference) { v.Differences = append(v.Differences, d) }

// changed notes a column that holds something else than it should.
func (v *verifier) changed(table, key, column, want, got string) {
	if want != got {
		v.differ(rows.Difference{Problem: rows.Changed, Table: table, Key: key, Column: column, Want: want, Got: got})
	}
}

func (v *verifier) query(scan func(*store.Rows) error, text string, args ...any) error {
	found, err := v.tx.Query(v.ctx, text, args...)
	if err != nil {
		return fmt.Errorf("tally: verify: %w", err)
	}
	return each(found, scan)
}

func (v *verifier) findPending() error {
	cursor, _, err := journal.Cursor(v.ctx, v.tx, Follower)
	if err != nil {
		return err
	}
	v.pending = map[int64]bool{}
	return v.query(func(r *store.Rows) error {
		var stream string
		if err := r.Scan(&stream); err != nil {
			return err
		}
		v.Behind++
		if name, ok := strings.CutPrefix(stream, "matter/"); ok {
			if id, err := strconv.ParseInt(name, 10, 64); err == nil {
				v.pending[id] = true
			}
		}
		return nil
	}, `SELECT stream FROM entry WHERE idx IS NULL OR idx > $1`, cursor)
}

// checkTree holds the tree of the cells to that of the register.
func (v *verifier) checkTree() error {
	parent := map[int64]int64{}
	err := v.query(func(r *store.Rows) error {
		var b, p int64
		err := r.Scan(&b, &p)
		parent[b] = p
		return err
	}, selectTree)
	if err != nil {
		return err
	}
	v.tree = newTree(parent)
	var stands, now int64
	if err := v.tx.QueryRow(v.ctx, selectTreeVersion).Scan(&stands); err != nil {
		return err
	}
	if err := v.tx.QueryRow(v.ctx, registerVersion).Scan(&now); err != nil {
		return err
	}
	if stands != now {
		return nil // a change of the register is not carried over yet
	}
	reg, err := v.t.register.Tree(v.ctx, v.tx)
	if err != nil {
		return err
	}
	right := maps.Clone(parent)
	for _, b := range reg.All() {
		key := fmt.Sprintf("body=%d", b.ID)
		p, ok := parent[int64(b.ID)]
		if !ok {
			v.differ(rows.Difference{Problem: rows.Missing, Table: "tally_tree", Key: key})
		} else {
			v.changed("tally_tree", key, "parent", b.Parent.String(), strconv.FormatInt(p, 10))
		}
		right[int64(b.ID)] = int64(b.Parent)
	}
	v.tree = newTree(right)
	return nil
}

func (v *verifier) readKept() error {
	return v.query(func(r *store.Rows) error {
		row, _, err := scanCube(r, v.ms)
		if err == nil && row.kept {
			v.kept[row.at] = true
		}
		return err
	}, `SELECT measure, body, facts, kept FROM cube WHERE kept = 1`)
}

// checkMatters counts every matter again and adds what it finds to what the cells should hold.
func (v *verifier) checkMatters() error {
	var total, last int64
	if err := v.tx.QueryRow(v.ctx, `SELECT COUNT(*) FROM matter`).Scan(&total); err != nil {
		return err
	}
	for {
		var ids []int64
		err := v.query(func(r *store.Rows) error {
			var id int64
			err := r.Scan(&id)
			ids = append(ids, id)
			return err
		}, `SELECT id FROM matter WHERE id > $1 ORDER BY id LIMIT $2`, last, mattersAtOnce)
		if err != nil {
			return err
		}
		upTo := int64(1<<63 - 1) // behind the last matter no fact may stand
		if len(ids) == mattersAtOnce {
			upTo = ids[len(ids)-1]
		}
		if err := v.checkFacts(ids, last, upTo); err != nil {
			return err
		}
		v.Matters += int64(len(ids))
		if v.progress != nil {
			v.progress(v.Matters, total)
		}
		if len(ids) < mattersAtOnce {
			return nil
		}
		last = upTo
	}
}

func (v *verifier) checkFacts(ids []int64, after, upTo int64) error {
	want, err := v.t.contributions(v.ctx, v.tx, v.ms, ids)
	if err != nil {
		return err
	}
	have := map[factKey]Fact{}
	err = v.query(func(r *store.Rows) error {
		f, err := scanFact(r, v.ms)
		if err != nil {
			return err
		}
		if f.at < 0 {
			v.differ(rows.Difference{Problem: rows.Unrecorded, Table: "fact", Key: factName(&f)})
			return nil
		}
		have[factKey{f.Matter, f.at, f.No}] = f
		return nil
	}, `SELECT matter, measure, no, official, body, received, dims, amount FROM fact WHERE matter > $1 AND matter <= $2`, after, upTo)
	if err != nil {
		return err
	}
	for i := range want {
		f := &want[i]
		if v.pending[int64(f.Matter)] {
			continue
		}
		key := factKey{f.Matter, f.at, f.No}
		got, ok := have[key]
		delete(have, key)
		if !ok {
			v.differ(rows.Difference{Problem: rows.Missing, Table: "fact", Key: factName(f)})
		} else {
			v.compareFact(f, &got)
		}
		if !ok || !same(f, &got) {
			v.correct(key, f)
		}
		if err := v.expect(f); err != nil {
			return err
		}
	}
	for key, f := range have {
		if v.pending[int64(f.Matter)] {
			if err := v.expect(&f); err != nil { // as counted so far
				return err
			}
			continue
		}
		v.differ(rows.Difference{Problem: rows.Unrecorded, Table: "fact", Key: factName(&f)})
		v.wrong[key] = true
	}
	return nil
}

func factName(f *Fact) string {
	return fmt.Sprintf("matter=%d measure=%s no=%d", f.Matter, f.Measure, f.No)
}

func (v *verifier) compareFact(want, got *Fact) {
	key := factName(want)
	v.changed("fact", key, "official", want.Official.String(), got.Official.String())
	v.changed("fact", key, "body", want.Body.String(), got.Body.String())
	v.changed("fact", key, "received", want.Received, got.Received)
	v.changed("fact", key, "dims", readable(want.Dims), readable(got.Dims))
	v.changed("fact", key, "amount", strconv.FormatInt(want.Amount, 10), strconv.FormatInt(got.Amount, 10))
}

func readable(dims string) string { return strings.Trim(strings.ReplaceAll(dims, unit, " "), " ") }

func (v *verifier) correct(key factKey, f *Fact) {
	v.wrong[key] = true
	if v.ms.list[f.at].distinct() {
		p := person{at{f.at, 0}, int64(f.Official)}
		v.right[p] = append(v.right[p], *f)
	}
}

// expect adds a fact, as it should be, to what the cells should hold. Officials are counted later, in their order.
func (v *verifier) expect(f *Fact) error {
	var cnt counted
	it := item{at: f.at, official: int64(f.Official), body: int64(f.Body), year: yearOf(f.Received), dims: f.Dims}
	if err := v.want.ready(it, &cnt); err != nil {
		return err
	}
	for _, b := range v.tree.of(it.body) {
		a := at{f.at, b}
		v.facts[a]++
		v.want.plainly(&cnt, b, f.Amount)
		if v.kept[a] && !cnt.m.distinct() {
			v.want.fully(&cnt, b, f.Amount)
		}
	}
	return nil
}

func (v *verifier) checkCube() error {
	err := v.query(func(r *store.Rows) error {
		row, measure, err := scanCube(r, v.ms)
		if err != nil {
			return err
		}
		key := fmt.Sprintf("measure=%s body=%d", measure, row.body)
		want, ok := v.facts[row.at]
		delete(v.facts, row.at)
		if row.measure < 0 || !ok && row.facts != 0 {
			v.differ(rows.Difference{Problem: rows.Unrecorded, Table: "cube", Key: key})
			return nil
		}
		v.changed("cube", key, "facts", strconv.FormatInt(want, 10), strconv.FormatInt(row.facts, 10))
		if want >= v.ms.keep && !row.kept {
			v.changed("cube", key, "kept", "1", "0")
		}
		return nil
	}, `SELECT measure, body, facts, kept FROM cube`)
	if err != nil {
		return err
	}
	for a, n := range v.facts {
		if n != 0 {
			v.differ(rows.Difference{Problem: rows.Missing, Table: "cube", Key: fmt.Sprintf("measure=%s body=%d", v.ms.list[a.measure].ID, a.body)})
		}
	}
	return nil
}

// checkSeen counts officials anew, a number of them at a time in the order of their ids.
func (v *verifier) checkSeen() error {
	for i, m := range v.ms.list {
		if !m.distinct() {
			continue
		}
		for after := int64(0); ; {
			upTo, more, err := v.someOfficials(m, after)
			if err != nil {
				return err
			}
			if err := v.checkOfficials(i, m, after, upTo); err != nil {
				return err
			}
			if !more {
				break
			}
			after = upTo
		}
	}
	err := v.query(func(r *store.Rows) error {
		var measure string
		if err := r.Scan(&measure); err != nil {
			return err
		}
		if m := v.ms.byID[measure]; m == nil || !m.distinct() {
			v.differ(rows.Difference{Problem: rows.Unrecorded, Table: "seen", Key: "measure=" + measure})
		}
		return nil
	}, `SELECT DISTINCT measure FROM seen`)
	return err
}

// officialsAtOnce bounds the officials held in memory; each portion reads the facts of its measure once.
const officialsAtOnce = 20000

// someOfficials finds the end of the next portion of officials.
func (v *verifier) someOfficials(m *Measure, after int64) (upTo int64, more bool, err error) {
	var ids []int64
	err = v.query(func(r *store.Rows) error {
		var id int64
		err := r.Scan(&id)
		ids = append(ids, id)
		return err
	}, `SELECT DISTINCT official FROM fact WHERE measure = $1 AND official > $2 ORDER BY official LIMIT $3`, m.ID, after, officialsAtOnce)
	if err != nil || len(ids) < officialsAtOnce {
		return 1<<63 - 1, false, err
	}
	return ids[len(ids)-1], true, nil
}

func (v *verifier) checkOfficials(i int, m *Measure, after, upTo int64) error {
	d := newDelta(v.ms)
	var cnt counted
	add := func(it item, n int64) error {
		if err := d.ready(it, &cnt); err != nil {
			return err
		}
		for _, b := range v.tree.of(it.body) {
			if v.kept[at{i, b}] {
				d.fully(&cnt, b, n)
			}
		}
		return nil
	}
	err := v.query(func(r *store.Rows) error {
		f, err := scanFact(r, v.ms)
		if err != nil || v.wrong[factKey{f.Matter, f.at, f.No}] {
			return err
		}
		return add(item{at: i, official: int64(f.Official), body: int64(f.Body), year: yearOf(f.Received), dims: f.Dims}, f.Amount)
	}, `SELECT matter, measure, no, official, body, received, dims, amount FROM fact WHERE measure = $1 AND official > $2 AND official <= $3`,
		m.ID, after, upTo)
	if err != nil {
		return err
	}
	for p, facts := range v.right {
		if p.measure != i || p.official <= after || p.official > upTo {
			continue
		}
		for _, f := range facts {
			err := add(item{at: i, official: int64(f.Official), body: int64(f.Body), year: yearOf(f.Received), dims: f.Dims}, f.Amount)
			if err != nil {
				return err
			}
		}
	}
	for p, times := range d.times {
		for key, n := range times {
			if n > 0 {
				v.want.distinctly(p.at, key, 1)
			}
		}
	}
	return v.compareSeen(i, m, after, upTo, d.times)
}

func (v *verifier) compareSeen(i int, m *Measure, after, upTo int64, want map[person]map[string]int64) error {
	err := v.query(func(r *store.Rows) error {
		p := person{at: at{measure: i}}
		var text string
		if err := r.Scan(&p.body, &p.official, &text); err != nil {
			return err
		}
		key := fmt.Sprintf("measure=%s body=%d official=%d", m.ID, p.body, p.official)
		times, ok := want[p]
		delete(want, p)
		if !ok {
			v.differ(rows.Difference{Problem: rows.Unrecorded, Table: "seen", Key: key})
			return nil
		}
		right, err := timesText(times)
		if err != nil {
			return err
		}
		var have map[string]int64
		if err := json.Unmarshal([]byte(text), &have); err != nil || !maps.Equal(have, times) {
			v.changed("seen", key, "times", right, text)
		}
		return nil
	}, `SELECT body, official, times FROM seen WHERE measure = $1 AND official > $2 AND official <= $3`, m.ID, after, upTo)
	if err != nil {
		return err
	}
	for p := range want {
		v.differ(rows.Difference{Problem: rows.Missing, Table: "seen", Key: fmt.Sprintf("measure=%s body=%d official=%d", m.ID, p.body, p.official)})
	}
	return nil
}

// checkCells compares every cell with what it should hold.
func (v *verifier) checkCells() error {
	err := v.query(func(r *store.Rows) error {
		var measure, dims, period, v1, v2 string
		var body, value int64
		if err := r.Scan(&measure, &body, &dims, &period, &v1, &v2, &value); err != nil {
			return err
		}
		v.Cells++
		name := cellName(measure, body, dims, period, v1, v2)
		m := v.ms.byID[measure]
		in := -1
		if m != nil {
			in = slices.IndexFunc(m.groups, func(g group) bool { return g.name == dims })
		}
		if in < 0 {
			v.differ(rows.Difference{Problem: rows.Unrecorded, Table: "cell", Key: name})
			return nil
		}
		k := cellKey{at: at{slices.Index(v.ms.list, m), body}, group: int32(in), period: v.want.id(period), val1: v.want.id(v1), val2: v.want.id(v2)}
		want := v.want.cells[k]
		delete(v.want.cells, k)
		v.changed("cell", name, "value", strconv.FormatInt(want, 10), strconv.FormatInt(value, 10))
		return nil
	}, `SELECT measure, body, dims, period, v1, v2, value FROM cell`)
	if err != nil {
		return err
	}
	for k, n := range v.want.cells {
		if n != 0 {
			m := v.ms.list[k.measure]
			w := v.want.words
			v.differ(rows.Difference{Problem: rows.Missing, Table: "cell",
				Key: cellName(m.ID, k.body, m.groups[k.group].name, w[k.period], w[k.val1], w[k.val2])})
		}
	}
	return nil
}

func cellName(measure string, body int64, dims, period, v1, v2 string) string {
	name := fmt.Sprintf("measure=%s body=%s period=%s", measure, ref.BodyID(body), period)
	vals := []string{v1, v2}
	if dims != "" {
		for i, d := range strings.Split(dims, "+") {
			name += " " + d + "=" + vals[min(i, 1)]
		}
	}
	return name
}
