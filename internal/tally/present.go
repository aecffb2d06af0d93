package tally

import (
	"cmp"
	"slices"
	"strings"

	"plumbline/internal/pack"
	"plumbline/internal/ref"
)

// present turns values into rows, in their order and with their labels.
func (q *query) present(values map[rowKey]int64) []Row {
	rows := make([]Row, 0, len(values))
	for k, v := range values {
		if v != 0 {
			rows = append(rows, Row{Key: q.key(k), Value: v})
		}
	}
	if len(q.req.By) == 0 && len(rows) == 0 {
		return rows
	}
	order := make([]func(string) rank, len(q.req.By))
	for i, d := range q.req.By {
		order[i] = q.order(d, i, rows)
	}
	slices.SortFunc(rows, func(a, b Row) int {
		for i := range order {
			if a.Key[i] == b.Key[i] {
				continue
			}
			x, y := order[i](a.Key[i]), order[i](b.Key[i])
			return cmp.Or(cmp.Compare(x.place, y.place), cmp.Compare(y.value, x.value), strings.Compare(a.Key[i], b.Key[i]))
		}
		return 0
	})
	if q.req.Words != nil {
		for i := range rows {
			rows[i].Labels = q.labels(rows[i].Key)
		}
	}
	return rows
}

// key puts what a row has in common into the order asked for.
func (q *query) key(k rowKey) []string {
	var vals []string
	if len(q.shape.dims) > 0 {
		vals = strings.Split(k.vals, unit)
	}
	key := make([]string, 0, len(q.req.By))
	for _, d := range q.req.By {
		switch d {
		case DimYear:
			key = append(key, cut(k.time, 4))
		case DimMonth:
			key = append(key, k.time)
		case DimBody:
			code := ""
			if b := q.tree.Body(ref.BodyID(k.body)); b != nil {
				code = b.Code
			}
			key = append(key, code)
		default:
			key = append(key, vals[0])
			vals = vals[1:]
		}
	}
	return key
}

func cut(s string, n int) string { return s[:min(n, len(s))] }

// rank is where a value of a dimension stands among the others.
type rank struct {
	place int
	value int64
}

// unplaced comes behind everything that has a place, and what is not known behind that.
const (
	unplaced = 1 << 20
	unknown  = 1 << 21
)

func (q *query) order(dim string, i int, rows []Row) func(string) rank {
	switch dim {
	case DimYear, DimMonth, DimBody:
		return func(v string) rank {
			if v == "" {
				return rank{place: unknown}
			}
			return rank{} // by the text itself
		}
	}
	sums := map[string]int64{}
	for _, r := range rows {
		sums[r.Key[i]] += r.Value
	}
	places := map[string]int{}
	for n, e := range q.m.scale(dim) {
		if _, ok := places[e.id]; !ok {
			places[e.id] = n
		}
	}
	return func(v string) rank {
		if n, ok := places[v]; ok {
			return rank{place: n}
		}
		if v == "" {
			return rank{place: unknown}
		}
		return rank{place: unplaced, value: sums[v]}
	}
}

// named is an entry of a catalogue.
type named struct {
	id    string
	label pack.Text
}

// scale lists the values of a dimension that the packs name, in their order; none for a free dimension.
func (m *Measure) scale(dim string) []named {
	var out []named
	for i := range m.defs {
		d := &m.defs[i]
		out = append(out, catalogueOf(d.pack, d.m, dim)...)
	}
	return out
}

func catalogueOf(p *pack.Pack, m *pack.Measure, dim string) (out []named) {
	add := func(id string, label pack.Text) { out = append(out, named{id, label}) }
	switch dim {
	case "finding":
		for _, f := range p.Findings {
			add(f.ID, f.Label)
		}
	case "category":
		for _, c := range p.Categories {
			add(c.ID, c.Label)
		}
	case "conduct":
		for _, c := range p.Conduct {
			add(c.ID, c.Label)
		}
	case "tier", "outcome":
		for _, t := range p.Tiers {
			if dim == "tier" {
				add(t.ID, t.Label)
				continue
			}
			for _, o := range t.Outcomes {
				add(o.ID, o.Label)
			}
		}
	case "kind", "state", "ended":
		for _, k := range p.Kinds {
			if len(m.Kinds) > 0 && !slices.Contains(m.Kinds, k.ID) {
				continue
			}
			switch dim {
			case "kind":
				add(k.ID, k.Label)
			case "state":
				for _, s := range k.States {
					add(s.ID, s.Label)
				}
			case "ended":
				for _, a := range k.Actions {
					add(a.ID, a.Label)
				}
			}
		}
	case "rank":
		for _, r := range p.Ranks {
			add(r.ID, r.Label)
		}
	case "level":
		for _, l := range p.Levels {
			add(l.ID, l.Label)
		}
	case "sector":
		for _, s := range p.Sectors {
			add(s.ID, s.Label)
		}
	case Imported:
		add("no", nil)
		add("yes", nil)
	default:
		for _, l := range p.Lists {
			if l.ID != dim {
				continue
			}
			for _, v := range l.Values {
				add(v.ID, v.Label)
			}
		}
	}
	return out
}

// labels says the key of a row in the reader's language.
func (q *query) labels(key []string) []string {
	labels := make([]string, len(key))
	for i, v := range key {
		labels[i] = q.label(q.req.By[i], v)
	}
	return labels
}

func (q *query) label(dim, v string) string {
	say := q.req.Words
	switch {
	case dim == DimBody:
		b := q.tree.ByCode(v)
		switch {
		case b == nil:
			return say.T("tally.body.none")
		case int64(b.ID) == q.body:
			return say.T("tally.body.itself", "body", b.Called(say.Lang(), ""))
		}
		return b.Called(say.Lang(), "")
	case v == "":
		return say.T("tally.unknown")
	case dim == DimYear || dim == DimMonth:
		return v
	case dim == Imported && v == "yes":
		return say.T("tally.imported.yes")
	case dim == Imported && v == "no":
		return say.T("tally.imported.no")
	}
	for _, e := range q.m.scale(dim) {
		if e.id == v && len(e.label) > 0 {
			return say.Text(e.label)
		}
	}
	return v
}
