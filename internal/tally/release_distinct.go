package tally

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"plumbline/internal/fault"
)

// releaseDistinct is how a measure of distinct officials is released.
//
// The same official can be counted in several numbers, so numbers say something about each other that sums do not: the total
// less a part is how many are only elsewhere, and what the parts exceed the total by is how many are in several.
// Therefore such a measure is cut in one way at a time: the total is shown, the total by one dimension, and the total of each body
// down the tree; never a dimension at a body, a range of years, two dimensions, or a dimension that lies within
// another. Each number shown is then part of one other number, its whole, and three things are seen to:
//
//   - no number shown is small (from 1 to Smallest-1);
//   - no number shown is smaller than its whole by a small number;
//   - either some part of a whole has no number, or its n parts together exceed it by nothing or by Smallest × (n-1) at least.
//
// That is enough. What a reader knows of an official beforehand is that whoever is counted in a part is counted in its whole,
// and whoever is counted in a whole is counted in one of its parts; everything else is conceivable, since an
// official can be named any number of times with any values anywhere. The numbers that can be read are sums over the officials,
// so any bound worked out from them is a combination of sums that are not negative for any conceivable official; and, because parts
// form a tree, all those are made up of three kinds: a part, a whole less one part, the parts less the whole. The
// three rules say that each of these is nothing or at least Smallest (the last kind counts an official in all n parts n-1
// times). So of no description of officials, be it ever so involved, can it be shown that fewer than Smallest fit it,
// but for those that nobody can fit.
//
// A part without a number is not told apart from the others without one; that one of them may be few is no secret.
type releaseDistinct struct {
	whole int64
	parts map[string]int64
	rest  bool // there is a part that never has a number
}

// hidden are the parts that have no number.
func (d releaseDistinct) hidden(least int64) map[string]bool {
	few := func(n int64) bool { return n > 0 && n < least }
	hidden := map[string]bool{}
	over := -d.whole
	values := slices.SortedFunc(maps.Keys(d.parts), func(a, b string) int {
		return cmp.Or(cmp.Compare(d.parts[a], d.parts[b]), strings.Compare(a, b))
	})
	for _, v := range values {
		n := d.parts[v]
		if few(n) || few(d.whole-n) {
			hidden[v] = true
		}
		over += n
	}
	if !d.rest && len(hidden) == 0 && over > 0 && over < least*int64(len(values)-1) {
		hidden[values[0]] = true // the smallest
	}
	return hidden
}

// oneWay refuses to cut a distinct number in more ways than one.
func (r *release) oneWay(req ReleaseRequest, dims []string) error {
	wrong := func(field, key string) error {
		return fault.InvalidFields([]fault.Field{{Name: field, Key: key}})
	}
	if req.From != "" || req.To != "" {
		return wrong("from", "tally.public-distinct")
	}
	if atBody := req.Body != "" || slices.Contains(req.By, DimBody); len(dims) > 1 || len(dims) == 1 && atBody {
		if req.Source != "" {
			return wrong("source", "tally.public-alone")
		}
		return wrong("by", "tally.public-alone")
	}
	return nil
}

// coarsenDistinct is coarsen for a distinct number by one dimension: what is put together has no number.
func coarsenDistinct(c *classes, res Result, least int64) {
	d := releaseDistinct{whole: res.Total, parts: map[string]int64{}}
	for _, row := range res.Rows {
		d.parts[row.Key[0]] = row.Value
	}
	c.merged = d.hidden(least)
}

// cutDistinct is cutBodies for a distinct number: it leaves those of the bodies in shown that have a number of their own. What
// is counted at the body above itself never has one.
func cutDistinct(shown map[string]bool, whole int64, res Result, least int64) {
	d := releaseDistinct{whole: whole, parts: map[string]int64{}}
	for _, row := range res.Rows {
		if b := row.Key[0]; shown[b] {
			d.parts[b] = row.Value
		} else {
			d.rest = true
		}
	}
	hidden := d.hidden(least)
	for b := range shown {
		if hidden[b] || d.parts[b] == 0 {
			delete(shown, b)
		}
	}
}
