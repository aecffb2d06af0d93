package tally

import (
	"context"
	"slices"
	"strings"

	"plumbline/internal/fault"
	"plumbline/internal/ref"
)

// reaches tells whether a body is shown with a combination of dimensions: it is, in every table from the top down.
func (r *release) reaches(ctx context.Context, dims []string, code string) (bool, error) {
	if code == "" {
		return true, nil
	}
	b := r.tree.ByCode(code)
	if b == nil {
		return false, fault.New(fault.NotFound, "register.no-body", fault.Args{"body": code})
	}
	path := r.tree.Above(b.ID)
	above := ""
	for i := len(path) - 1; i >= 0; i-- {
		shown, err := r.children(ctx, dims, above)
		if err != nil {
			return false, err
		}
		here := r.tree.Body(path[i]).Code
		if !shown[here] {
			return false, nil
		}
		above = here
	}
	return true, nil
}

// children are the bodies directly below one that are shown with a combination of dimensions.
func (r *release) children(ctx context.Context, dims []string, code string) (map[string]bool, error) {
	key := strings.Join(dims, unit) + unit + unit + code
	if shown, ok := r.below[key]; ok {
		return shown, nil
	}
	parts, err := r.partition(ctx, dims)
	if err != nil {
		return nil, err
	}
	shown := map[string]bool{}
	if parts == nil {
		r.below[key] = shown
		return shown, nil
	}
	// The largest table first: those with fewer dimensions are summed up from it.
	res, err := r.table(ctx, append([]string{DimBody}, dims...), code)
	if err != nil {
		return nil, err
	}
	for _, c := range r.tree.Children(r.bodyID(code)) {
		shown[r.tree.Body(c).Code] = true
	}
	for _, c := range r.coarser(dims) {
		under, err := r.children(ctx, c, code)
		if err != nil {
			return nil, err
		}
		for b := range shown {
			if !under[b] {
				delete(shown, b)
			}
		}
	}
	own, err := r.table(ctx, dims, code)
	if err != nil {
		return nil, err
	}
	if r.m.distinct() {
		cutDistinct(shown, own.Total, res, r.least)
	} else {
		cutBodies(shown, columns(own, parts, 0), perBody(res, parts), r.least)
	}
	r.below[key] = shown
	return shown, nil
}

func (r *release) bodyID(code string) (id ref.BodyID) {
	if b := r.tree.ByCode(code); code != "" && b != nil {
		return b.ID
	}
	return 0
}

// columns sums up a table by class, leaving the first skip dimensions out.
func columns(res Result, parts []*classes, skip int) map[string]int64 {
	out := map[string]int64{}
	for _, c := range classed(res, parts, func(row Row) []string { return row.Key[skip:] }) {
		out[strings.Join(c.class, unit)] = c.value
	}
	return out
}

// perBody is columns for each body of a table by body.
func perBody(res Result, parts []*classes) map[string]map[string]int64 {
	rows := map[string][]Row{}
	for _, row := range res.Rows {
		rows[row.Key[0]] = append(rows[row.Key[0]], row)
	}
	out := map[string]map[string]int64{}
	for b, rs := range rows {
		out[b] = columns(Result{Rows: rs}, parts, 1)
	}
	return out
}

// cutBodies takes bodies out of shown until all that is shown, and the rest together, is large enough in every column.
func cutBodies(shown map[string]bool, whole map[string]int64, each map[string]map[string]int64, least int64) {
	var some bool // something is not shown
	for b, cols := range each {
		if !shown[b] {
			some = true // a body taken out before, or the one above itself
			continue
		}
		for col := range whole {
			if cols[col] < least {
				delete(shown, b)
				some = true
				break
			}
		}
	}
	for b := range shown {
		if each[b] == nil {
			delete(shown, b) // nothing is counted there
		}
	}
	for some && len(shown) > 0 {
		enough, nothing := true, true
		for col, n := range whole {
			rest := n
			for b := range shown {
				rest -= each[b][col]
			}
			enough = enough && rest >= least
			nothing = nothing && rest == 0
		}
		if enough || nothing {
			return
		}
		next, size := "", int64(0)
		for b := range shown {
			var n int64
			for _, v := range each[b] {
				n += v
			}
			if next == "" || n < size || n == size && b < next {
				next, size = b, n
			}
		}
		delete(shown, next)
	}
}

// byBody are the cells of the bodies directly below one, and of the rest together.
func (r *release) byBody(ctx context.Context, dims []string, parts []*classes, code string, all []cell) ([]cell, error) {
	shown, err := r.children(ctx, dims, code)
	if err != nil {
		return nil, err
	}
	res, err := r.table(ctx, append([]string{DimBody}, dims...), code)
	if err != nil {
		return nil, err
	}
	rest := map[string]int64{}
	for _, c := range all {
		rest[strings.Join(c.class, unit)] = c.value
	}
	var out []cell
	rows := map[string][]Row{}
	var codes []string
	for _, row := range res.Rows {
		if shown[row.Key[0]] {
			if rows[row.Key[0]] == nil {
				codes = append(codes, row.Key[0])
			}
			rows[row.Key[0]] = append(rows[row.Key[0]], row)
		}
	}
	for _, b := range codes {
		for _, c := range classed(Result{Rows: rows[b]}, parts, func(row Row) []string { return row.Key[1:] }) {
			c.body = single + b
			rest[strings.Join(c.class, unit)] -= c.value
			out = append(out, c)
		}
	}
	hidden := slices.ContainsFunc(res.Rows, func(row Row) bool { return !shown[row.Key[0]] })
	for _, c := range all {
		if n := rest[strings.Join(c.class, unit)]; hidden && (n != 0 || r.m.distinct()) {
			out = append(out, cell{class: c.class, body: together, value: n})
		}
	}
	return out, nil
}
