package tally

import (
	"strings"
)

// keepFrom is the number of facts at or below a body from which its cells are kept in full. Below, only its plain
// totals are kept and the rest is counted from the facts when asked: a station with forty complaints would otherwise have
// more cells than complaints. A body that has once been kept stays so.
const keepFrom = 1000

// Periods of cells, besides years.
const (
	periodAll  = "all"
	periodNone = "none" // no date of receipt is known
)

// yearOf is the period that a date, perhaps of reduced precision, falls into.
func yearOf(date string) string {
	if len(date) < 4 {
		return periodNone
	}
	return date[:4]
}

// item is facts that count alike, but for where they stand in the tree.
type item struct {
	at       int   // measure
	official int64 // 0 unless officials are counted
	body     int64 // where they are counted
	year     string
	dims     string
}

// amount is what an item adds up to.
type amount struct{ value, facts int64 }

// changes are differences of facts, gathered before they are carried into the cells.
type changes struct {
	ms     *Measures
	items  map[item]amount
	shifts []shift // facts that stay and move in the tree
}

// shift is an item that counts (or no longer counts) at some bodies.
type shift struct {
	item
	amount
	bodies []int64
}

func newChanges(ms *Measures) *changes { return &changes{ms: ms, items: map[item]amount{}} }

func (c *changes) add(f *Fact, sign int64) {
	it := item{at: f.at, official: int64(f.Official), body: int64(f.Body), year: yearOf(f.Received), dims: f.Dims}
	a := c.items[it]
	a.value += sign * f.Amount
	a.facts += sign
	if a == (amount{}) {
		delete(c.items, it)
		return
	}
	c.items[it] = a
}

// at is a measure at a body.
type at struct {
	measure int
	body    int64
}

// person is an official as counted by a measure at a body.
type person struct {
	at
	official int64
}

// cellKey is a cell; its words are interned.
type cellKey struct {
	at
	group      int32
	period     uint32
	val1, val2 uint32
}

// delta is what is to be added to the cells.
type delta struct {
	ms    *Measures
	ids   map[string]uint32
	words []string
	cells map[cellKey]int64
	times map[person]map[string]int64
}

func newDelta(ms *Measures) *delta {
	d := &delta{ms: ms, ids: map[string]uint32{}, cells: map[cellKey]int64{}, times: map[person]map[string]int64{}}
	d.id("") // is 0
	return d
}

func (d *delta) id(word string) uint32 {
	n, ok := d.ids[word]
	if !ok {
		n = uint32(len(d.words))
		d.ids[word] = n
		d.words = append(d.words, word)
	}
	return n
}

// counted is an item made ready to be added at many bodies.
type counted struct {
	m      *Measure
	at     int
	all    uint32
	year   uint32
	vals   []uint32
	item   item
	values []string
}

func (d *delta) ready(it item, into *counted) error {
	m := d.ms.list[it.at]
	values, err := splitDims(m.Dims, it.dims)
	if err != nil {
		return err
	}
	into.m, into.at, into.item, into.values = m, it.at, it, values
	into.all, into.year = d.id(periodAll), d.id(it.year)
	into.vals = into.vals[:0]
	for _, v := range values {
		into.vals = append(into.vals, d.id(v))
	}
	return nil
}

// plainly adds to the totals of a body; they are kept for every body, except where officials are counted.
func (d *delta) plainly(c *counted, body, value int64) {
	if c.m.distinct() {
		return
	}
	k := cellKey{at: at{c.at, body}, period: c.all}
	d.cells[k] += value
	k.period = c.year
	d.cells[k] += value
}

// fully adds to all other cells of a body.
func (d *delta) fully(c *counted, body, value int64) {
	if c.m.distinct() {
		p := person{at{c.at, body}, c.item.official}
		t := d.times[p]
		if t == nil {
			t = map[string]int64{}
			d.times[p] = t
		}
		t[periodAll] += value
		t[c.item.year] += value
		for i, dim := range c.m.Dims {
			t[dim+"="+c.values[i]] += value
		}
		return
	}
	for g := 1; g < len(c.m.groups); g++ {
		grp := &c.m.groups[g]
		k := cellKey{at: at{c.at, body}, group: int32(g), period: c.all, val1: c.vals[grp.a]}
		if grp.b >= 0 {
			k.val2 = c.vals[grp.b]
		}
		d.cells[k] += value
		if grp.b < 0 {
			k.period = c.year
			d.cells[k] += value
		}
	}
}

// distinctly adds n to the distinct number in the cell that a key of times stands for.
func (d *delta) distinctly(a at, key string, n int64) {
	k := cellKey{at: a, period: d.id(periodAll)}
	if dim, val, ok := strings.Cut(key, "="); ok {
		m := d.ms.list[a.measure]
		k.group, k.val1 = int32(m.dim(dim)+1), d.id(val) // groups are none and then the single dimensions in order
	} else {
		k.period = d.id(key)
	}
	d.cells[k] += n
}
