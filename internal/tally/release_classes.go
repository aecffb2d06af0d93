package tally

import (
	"context"
	"slices"
	"strings"
)

// classes is how the values of a dimension are put together.
type classes struct {
	dim    string
	merged map[string]bool   // values that are not shown by themselves
	within map[string]string // value → what it is put together with: "", or a value of the dimension it lies in
}

const (
	single   = "="
	together = "+"
)

// of returns the class of a value.
func (c *classes) of(v string) string {
	if c.merged[v] {
		return together + c.within[v]
	}
	return single + v
}

// nesting is how the values of a dimension lie within those of the one above.
type nesting struct {
	in        map[string]string
	ambiguous bool
}

// nesting tells how the values of a dimension lie within those of the one above; nil if there is none above.
func (r *release) nesting(ctx context.Context, dim string) (*nesting, error) {
	u := r.m.upper(dim)
	if u == "" {
		return nil, nil
	}
	if n := r.nested[dim]; n != nil {
		return n, nil
	}
	n := &nesting{in: map[string]string{}}
	res, err := r.table(ctx, []string{u, dim}, "")
	if err != nil {
		return nil, err
	}
	for _, row := range res.Rows {
		was, known := n.in[row.Key[1]]
		n.ambiguous = n.ambiguous || known && was != row.Key[0]
		n.in[row.Key[1]] = row.Key[0]
	}
	r.nested[dim] = n
	return n, nil
}

// parts of a combination: those with a dimension less, and those with the dimension above in place of one.
func (r *release) coarser(dims []string) [][]string {
	var out [][]string
	for i, d := range dims {
		out = append(out, slices.Delete(slices.Clone(dims), i, i+1))
		if u := r.m.upper(d); u != "" && !slices.Contains(dims, u) {
			with := slices.Clone(dims)
			with[i] = u
			slices.Sort(with)
			out = append(out, with)
		}
	}
	return out
}

// partition puts the values of dims, which are in order, into classes such that every cell of the table by dims is large
// enough. It returns nil if the total is too small for that.
func (r *release) partition(ctx context.Context, dims []string) ([]*classes, error) {
	key := strings.Join(dims, unit)
	if parts, ok := r.parts[key]; ok {
		return parts, nil
	}
	res, err := r.table(ctx, dims, "")
	if err != nil {
		return nil, err
	}
	parts := make([]*classes, len(dims))
	for i, d := range dims {
		parts[i] = &classes{dim: d, merged: map[string]bool{}, within: map[string]string{}}
	}
	small := res.Total < r.least
	for _, c := range r.coarser(dims) {
		under, err := r.partition(ctx, c)
		if err != nil {
			return nil, err
		}
		small = small || under == nil
		for _, u := range under {
			if i := slices.Index(dims, u.dim); i >= 0 {
				for v := range u.merged {
					parts[i].merged[v] = true
				}
			}
		}
		for i, d := range dims {
			if slices.Contains(c, d) || !slices.Contains(c, r.m.upper(d)) {
				continue
			}
			n, err := r.nesting(ctx, d)
			if err != nil {
				return nil, err
			}
			for v, in := range n.in {
				if k := slices.IndexFunc(under, func(u *classes) bool { return u.dim == r.m.upper(d) }); k >= 0 && !under[k].merged[in] {
					parts[i].within[v] = single + in
				}
			}
		}
	}
	if small {
		r.parts[key] = nil
		return nil, nil
	}
	switch {
	case len(dims) == 0:
	case r.m.distinct():
		coarsenDistinct(parts[0], res, r.least)
	default:
		rows, err := r.atoms(ctx, dims, parts, res)
		if err != nil {
			return nil, err
		}
		coarsen(rows, parts, r.least)
	}
	r.parts[key] = parts
	return parts, nil
}

// atom is a number of the finest table there is, and where each of its values goes if it is put together with others.
type atom struct {
	vals   []string
	within []string
	value  int64
}

func (r *release) atoms(ctx context.Context, dims []string, parts []*classes, res Result) ([]atom, error) {
	var out []atom
	if len(dims) == 1 {
		n, err := r.nesting(ctx, dims[0])
		if err != nil {
			return nil, err
		}
		if n != nil && n.ambiguous {
			u := r.m.upper(dims[0])
			over, err := r.partition(ctx, []string{u})
			if err != nil {
				return nil, err
			}
			split, err := r.table(ctx, []string{u, dims[0]}, "")
			if err != nil {
				return nil, err
			}
			for _, row := range split.Rows {
				a := atom{vals: row.Key[1:], within: []string{""}, value: row.Value}
				if !over[0].merged[row.Key[0]] {
					a.within[0] = single + row.Key[0]
				}
				out = append(out, a)
			}
			// Put together, they are shown as one class however many uppers it comes from.
			parts[0].within = map[string]string{}
			return out, nil
		}
	}
	for _, row := range res.Rows {
		a := atom{vals: row.Key, value: row.Value}
		for i, v := range row.Key {
			a.within = append(a.within, parts[i].within[v])
		}
		out = append(out, a)
	}
	return out, nil
}

// coarsen puts more values together until every cell is large enough. Of the values a small cell belongs to, the one that
// is least altogether goes: that loses the least.
func coarsen(atoms []atom, parts []*classes, least int64) {
	sizes := make([]map[string]int64, len(parts))
	for i := range parts {
		sizes[i] = map[string]int64{}
		for _, a := range atoms {
			sizes[i][a.vals[i]] += a.value
		}
	}
	class := func(i int, a atom) string {
		if parts[i].merged[a.vals[i]] {
			return together + a.within[i]
		}
		// Where a value lies within several, its parts are cells of their own.
		return single + a.vals[i] + unit + a.within[i]
	}
	for {
		cells := map[string]int64{}
		seen := make([]map[string]bool, len(parts))
		for i := range seen {
			seen[i] = map[string]bool{}
		}
		for _, a := range atoms {
			key := make([]string, len(parts))
			for i := range parts {
				key[i] = class(i, a)
				seen[i][key[i]] = true
			}
			cells[strings.Join(key, "\x00")] += a.value
		}
		next, at, size := "", -1, int64(0)
		consider := func(i int, v string) {
			if n := sizes[i][v]; at < 0 || n < size || n == size && (i < at || i == at && v < next) {
				next, at, size = v, i, n
			}
		}
		eachCell(seen, nil, func(key []string) {
			if cells[strings.Join(key, "\x00")] >= least {
				return
			}
			for i, c := range key {
				if v, plain := strings.CutPrefix(c, single); plain {
					consider(i, v[:strings.Index(v, unit)])
					continue
				}
				for _, a := range atoms {
					if !parts[i].merged[a.vals[i]] && together+a.within[i] == c {
						consider(i, a.vals[i])
					}
				}
			}
		})
		if at < 0 {
			return
		}
		parts[at].merged[next] = true
	}
}

// eachCell goes through all combinations of classes, also those in which there is nothing.
func eachCell(seen []map[string]bool, key []string, do func([]string)) {
	if len(key) == len(seen) {
		do(key)
		return
	}
	for c := range seen[len(key)] {
		eachCell(seen, append(key[:len(key):len(key)], c), do)
	}
}
