package tally

import (
	"context"
	"slices"
	"strings"
	"sync"
)

// table reads a figure, once.
func (r *release) table(ctx context.Context, by []string, body string) (Result, error) {
	key := strings.Join(by, unit) + unit + unit + body
	if res, ok := r.tables[key]; ok {
		return res, nil
	}
	if res, ok := r.fromFiner(by, body); ok {
		r.tables[key] = res
		return res, nil
	}
	res, err := r.count(ctx, by, body)
	if err == nil {
		r.tables[key] = res
	}
	return res, err
}

// fromFiner sums up a table by body that was read with one dimension more: such tables are the ones that can be large.
func (r *release) fromFiner(by []string, body string) (Result, bool) {
	if r.m.distinct() || len(by) == 0 || by[0] != DimBody {
		return Result{}, false
	}
	for _, d := range append(slices.Clone(r.m.Dims), DimYear) {
		if slices.Contains(by, d) {
			continue
		}
		finer := append(slices.Clone(by[1:]), d)
		slices.Sort(finer)
		all, ok := r.tables[strings.Join(append([]string{DimBody}, finer...), unit)+unit+unit+body]
		if !ok {
			continue
		}
		skip := slices.Index(finer, d) + 1
		out := all
		out.By, out.Rows = by, nil
		at := map[string]int{}
		for _, row := range all.Rows {
			key := slices.Delete(slices.Clone(row.Key), skip, skip+1)
			k := strings.Join(key, unit)
			if n, ok := at[k]; ok {
				out.Rows[n].Value += row.Value
				continue
			}
			at[k] = len(out.Rows)
			out.Rows = append(out.Rows, Row{Key: key, Value: row.Value})
		}
		return out, true
	}
	return Result{}, false
}

// releaseCache keeps the tables that releases of one moment were made from: a body far down is checked against all bodies
// beside it, which is much to count again for every reader.
type releaseCache struct {
	mu     sync.Mutex
	moment string
	tables map[string]Result
	rows   int
}

// mostCached bounds the rows kept; beyond, everything is forgotten.
const mostCached = 200_000

func (c *releaseCache) get(moment, key string) (Result, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.moment != moment {
		return Result{}, false
	}
	res, ok := c.tables[key]
	return res, ok
}

func (c *releaseCache) put(moment, key string, res Result) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.moment != moment || c.rows > mostCached {
		c.moment, c.tables, c.rows = moment, map[string]Result{}, 0
	}
	c.tables[key] = res
	c.rows += len(res.Rows) + 1
}
