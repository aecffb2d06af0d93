package tally

import (
	"cmp"
	"slices"
	"strings"

	"plumbline/internal/words"
)

// releasedLine is a row on its way out.
type releasedLine struct {
	key     []string
	several [][]string // values of a class of several
	other   []bool     // is it such a class
	value   int64
	unshown bool
}

func (l *releasedLine) add(key string, several []string, other bool) {
	l.key, l.several, l.other = append(l.key, key), append(l.several, several), append(l.other, other)
}

// present turns cells into rows by the dimensions asked for.
func (r *release) present(req ReleaseRequest, dims []string, parts []*classes, res Result, cells []cell, out *Released) {
	q := &query{req: Request{Measure: r.m.ID, By: req.By, Words: req.Words}, m: r.m, tree: r.tree, body: int64(r.bodyID(req.Body))}
	members := make([]map[string][]string, len(dims)) // values in a class
	for i := range dims {
		members[i] = map[string][]string{}
		for _, row := range res.Rows {
			c := parts[i].of(row.Key[i])
			if !slices.Contains(members[i][c], row.Key[i]) {
				members[i][c] = append(members[i][c], row.Key[i])
			}
		}
	}
	at := map[string]int{}
	var lines []releasedLine
	for _, c := range cells {
		var id []string
		l := releasedLine{value: c.value}
		for _, d := range req.By {
			if d == DimBody {
				id = append(id, c.body)
				if code, plain := strings.CutPrefix(c.body, single); plain {
					l.add(code, nil, false)
				} else {
					l.add(RestKey, nil, true)
					l.unshown = r.m.distinct()
				}
				continue
			}
			i := slices.Index(dims, d)
			id = append(id, c.class[i])
			vs := members[i][c.class[i]]
			if v, plain := strings.CutPrefix(c.class[i], single); plain {
				l.add(v, nil, false)
			} else {
				l.add(strings.Join(vs, "|"), vs, true)
				l.unshown = l.unshown || r.m.distinct()
			}
		}
		if n, ok := at[strings.Join(id, unit)]; ok {
			lines[n].value += l.value
			continue
		}
		at[strings.Join(id, unit)] = len(lines)
		lines = append(lines, l)
	}
	if r.m.distinct() {
		out.Total = res.Total // its parts may overlap
	} else {
		for _, l := range lines {
			out.Total += l.value
		}
	}
	if len(req.By) == 0 {
		lines = nil
		out.Rows = append(out.Rows, Row{Key: []string{}, Value: out.Total})
		out.Together = append(out.Together, nil)
	}
	rows := make([]Row, len(lines))
	for i, l := range lines {
		rows[i] = Row{Key: l.key, Value: l.value}
	}
	order := make([]func(string) rank, len(req.By))
	for i, d := range req.By {
		order[i] = q.order(d, i, rows)
	}
	slices.SortStableFunc(lines, func(a, b releasedLine) int {
		for i := range order {
			if a.key[i] == b.key[i] && a.other[i] == b.other[i] {
				continue
			}
			if a.other[i] != b.other[i] {
				if a.other[i] {
					return 1
				}
				return -1
			}
			x, y := order[i](a.key[i]), order[i](b.key[i])
			return cmp.Or(cmp.Compare(x.place, y.place), cmp.Compare(y.value, x.value), strings.Compare(a.key[i], b.key[i]))
		}
		return 0
	})
	for n, l := range lines {
		row := Row{Key: l.key, Value: l.value}
		if l.unshown {
			row.Value = 0
			out.Unshown = append(out.Unshown, n)
		}
		several := make([][]string, len(req.By))
		for i, d := range req.By {
			if req.Words == nil {
				several[i] = l.several[i]
				continue
			}
			switch {
			case !l.other[i]:
				row.Labels = append(row.Labels, q.label(d, l.key[i]))
			case d == DimBody:
				row.Labels = append(row.Labels, req.Words.T("tally.together.bodies"))
			default:
				for _, v := range l.several[i] {
					several[i] = append(several[i], q.label(d, v))
				}
				key := "tally.together"
				if k := slices.Index(dims, d); len(members[k]) == 1 {
					key = "tally.together.all"
				}
				row.Labels = append(row.Labels, req.Words.N(key, int64(len(l.several[i]))))
			}
		}
		out.Rows = append(out.Rows, row)
		out.Together = append(out.Together, several)
	}
}

// ValueLabel is what a value of one of the measure's own dimensions is called; the value itself where no pack names it.
func (m *Measure) ValueLabel(say *words.Speaker, dim, v string) string {
	q := &query{m: m, req: Request{Words: say}}
	return q.label(dim, v)
}
