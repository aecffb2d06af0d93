package tally

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"plumbline/internal/matter"
	"plumbline/internal/store"
)

// idsAtOnce bounds the arguments of one statement.
const idsAtOnce = 500

// forIDs runs a query that ends in "IN (" for bounded parts of ids and reads its rows.
func forIDs(ctx context.Context, tx *store.Tx, query, rest string, ids []int64, scan func(*store.Rows) error) error {
	for part := range slices.Chunk(ids, idsAtOnce) {
		args := make([]any, len(part))
		for i, id := range part {
			args[i] = id
		}
		rows, err := tx.Query(ctx, query+placeholders(1, len(part))+rest, args...)
		if err != nil {
			return fmt.Errorf("tally: %w", err)
		}
		if err := each(rows, scan); err != nil {
			return err
		}
	}
	return nil
}

// each reads all rows and closes them.
func each(rows *store.Rows, scan func(*store.Rows) error) error {
	defer func() { _ = rows.Close() }() // an error in reading is reported below
	for rows.Next() {
		if err := scan(rows); err != nil {
			return fmt.Errorf("tally: %w", err)
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("tally: %w", err)
	}
	return nil
}

// placeholders is "$first, …)" for n arguments.
func placeholders(first, n int) string {
	var b strings.Builder
	b.Grow(6 * n)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('$')
		b.WriteString(strconv.Itoa(first + i))
	}
	b.WriteByte(')')
	return b.String()
}

// What of a matter can count. It is a part of its state; everything else stays zero, and so does data that no definition
// looks at.
const (
	selectMatters = `SELECT id, kind, pack, state, final, body, concerned, subject, received, closed, ended, source, overdue, facts, data
FROM matter WHERE id IN (`
	selectAllegations = `SELECT matter, no, official, body, rank, conduct, category, time, place, finding, outcome, data
FROM allegation WHERE matter IN (`
	selectLinks   = `SELECT matter, kind FROM link WHERE matter IN (`
	selectParties = `SELECT matter, no, role, anonymous, data
FROM party WHERE matter IN (`
)

// loadStates reads the matters that are there among ids, which are in order; the states are in the same order.
func loadStates(ctx context.Context, tx *store.Tx, ids []int64, n needs) ([]matter.State, error) {
	states := make([]matter.State, 0, len(ids))
	place := make(map[int64]int, len(ids))
	only := func(text string, wanted bool) string {
		if wanted {
			return text
		}
		return strings.Replace(text, ", data\n", ", ''\n", 1)
	}
	err := forIDs(ctx, tx, only(selectMatters, n.fields), ` ORDER BY id`, ids, func(r *store.Rows) error {
		states = append(states, matter.State{})
		m := &states[len(states)-1].Matter
		err := r.Scan(&m.ID, &m.Kind, &m.Pack, &m.State, &m.Final, &m.Body, &m.Concerned, &m.Subject, &m.Received, &m.Closed, &m.Ended,
			&m.Source, &m.Overdue, &m.Facts, &m.Data)
		place[int64(m.ID)] = len(states) - 1
		return err
	})
	if err != nil {
		return nil, err
	}
	err = forIDs(ctx, tx, only(selectAllegations, n.data), ` ORDER BY matter, no`, ids, func(r *store.Rows) error {
		var id int64
		var a matter.Allegation
		if err := r.Scan(&id, &a.No, &a.Official, &a.Body, &a.Rank, &a.Conduct, &a.Category, &a.Time, &a.Place, &a.Finding, &a.Outcome, &a.Data); err != nil {
			return err
		}
		if i, ok := place[id]; ok {
			states[i].Allegations = append(states[i].Allegations, a)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = forIDs(ctx, tx, selectLinks, ` ORDER BY matter, kind`, ids, func(r *store.Rows) error {
		var id int64
		var l matter.Link
		if err := r.Scan(&id, &l.Kind); err != nil {
			return err
		}
		if i, ok := place[id]; ok {
			states[i].Links = append(states[i].Links, l)
		}
		return nil
	})
	if err != nil || !n.parties {
		return states, err
	}
	return states, forIDs(ctx, tx, only(selectParties, n.data), ` ORDER BY matter, no`, ids, func(r *store.Rows) error {
		var id int64
		var q matter.Party
		if err := r.Scan(&id, &q.No, &q.Role, &q.Anonymous, &q.Data); err != nil {
			return err
		}
		if i, ok := place[id]; ok {
			states[i].Parties = append(states[i].Parties, q)
		}
		return nil
	})
}

// mergers tells which of the officials were merged, into whom, and so on to the end.
func mergers(ctx context.Context, tx *store.Tx, officials []int64) (map[int64]int64, error) {
	into := map[int64]int64{}
	for len(officials) > 0 {
		slices.Sort(officials)
		officials = slices.Compact(officials)
		var next []int64
		err := forIDs(ctx, tx, `SELECT id, merged_into FROM official WHERE merged_into <> 0 AND id IN (`, ``, officials, func(r *store.Rows) error {
			var id, to int64
			if err := r.Scan(&id, &to); err != nil {
				return err
			}
			if _, known := into[id]; !known {
				into[id] = to
				next = append(next, to)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		officials = next
	}
	return into, nil
}

// mergedAmong returns those of the officials that were merged into another, and all that had been merged into these.
func mergedAmong(ctx context.Context, tx *store.Tx, officials []int64) ([]int64, error) {
	var merged []int64
	add := func(r *store.Rows) error {
		var id int64
		if err := r.Scan(&id); err != nil {
			return err
		}
		merged = append(merged, id)
		return nil
	}
	if err := forIDs(ctx, tx, `SELECT id FROM official WHERE merged_into <> 0 AND id IN (`, ``, officials, add); err != nil {
		return nil, err
	}
	for done := 0; done < len(merged); {
		batch := slices.Clone(merged[done:])
		done = len(merged)
		if err := forIDs(ctx, tx, `SELECT id FROM official WHERE merged_into IN (`, ``, batch, add); err != nil {
			return nil, err
		}
	}
	return merged, nil
}

func mattersNaming(ctx context.Context, tx *store.Tx, officials []int64) ([]int64, error) {
	var ids []int64
	err := forIDs(ctx, tx, `SELECT DISTINCT matter FROM allegation WHERE official <> 0 AND official IN (`, ``, officials, func(r *store.Rows) error {
		var id int64
		if err := r.Scan(&id); err != nil {
			return err
		}
		ids = append(ids, id)
		return nil
	})
	return ids, err
}

var factColumns = []string{"matter", "measure", "no", "official", "body", "received", "dims", "amount"}

const selectFacts = `SELECT matter, measure, no, official, body, received, dims, amount FROM fact WHERE matter IN (`

func scanFact(r *store.Rows, ms *Measures) (f Fact, err error) {
	err = r.Scan(&f.Matter, &f.Measure, &f.No, &f.Official, &f.Body, &f.Received, &f.Dims, &f.Amount)
	if err != nil {
		return f, err
	}
	f.at = -1
	if m := ms.byID[f.Measure]; m != nil {
		f.at = slices.Index(ms.list, m)
	}
	return f, nil
}

// loadFacts returns what the matters contributed so far.
func loadFacts(ctx context.Context, tx *store.Tx, ms *Measures, ids []int64) (map[factKey]Fact, error) {
	facts := map[factKey]Fact{}
	err := forIDs(ctx, tx, selectFacts, ``, ids, func(r *store.Rows) error {
		f, err := scanFact(r, ms)
		if err == nil && f.at < 0 {
			err = fmt.Errorf("a fact of the unknown measure %q", f.Measure)
		}
		facts[factKey{f.Matter, f.at, f.No}] = f
		return err
	})
	return facts, err
}

func replaceFacts(ctx context.Context, tx *store.Tx, gone, fresh []Fact) error {
	for i := range gone {
		f := &gone[i]
		n, err := tx.Affected(ctx, `DELETE FROM fact WHERE matter = $1 AND measure = $2 AND no = $3`, int64(f.Matter), f.Measure, f.No)
		if err == nil && n != 1 {
			err = errors.New("a fact vanished")
		}
		if err != nil {
			return fmt.Errorf("tally: %w", err)
		}
	}
	rows := make([][]any, len(fresh))
	for i := range fresh {
		f := &fresh[i]
		rows[i] = []any{int64(f.Matter), f.Measure, f.No, int64(f.Official), int64(f.Body), f.Received, f.Dims, f.Amount}
	}
	if err := tx.InsertMany(ctx, "fact", factColumns, rows); err != nil {
		return fmt.Errorf("tally: facts: %w", err)
	}
	return nil
}

// factsBelow reads the facts of a measure at or below a body, those alike together.
func factsBelow(ctx context.Context, tx *store.Tx, ms *Measures, a at, tr *tree, do func(item, amount) error) error {
	const fields = `SELECT official, body, received, dims, SUM(amount), COUNT(*) FROM fact WHERE measure = $1`
	const alike = ` GROUP BY official, body, received, dims`
	scan := func(r *store.Rows) error {
		it := item{at: a.measure}
		var am amount
		var received string
		if err := r.Scan(&it.official, &it.body, &received, &it.dims, &am.value, &am.facts); err != nil {
			return err
		}
		it.year = yearOf(received)
		return do(it, am)
	}
	read := func(query string, args ...any) error {
		rows, err := tx.Query(ctx, query, args...)
		if err != nil {
			return fmt.Errorf("tally: facts: %w", err)
		}
		return each(rows, scan)
	}
	id := ms.list[a.measure].ID
	if a.body == 0 {
		return read(fields+alike, id)
	}
	for part := range slices.Chunk(tr.below(a.body), idsAtOnce) {
		args := []any{id}
		for _, b := range part {
			args = append(args, b)
		}
		if err := read(fields+` AND body IN (`+placeholders(2, len(part))+alike, args...); err != nil {
			return err
		}
	}
	return nil
}

// cubeRow is a row of the table cube.
type cubeRow struct {
	at
	facts int64
	kept  bool
}

func loadCube(ctx context.Context, tx *store.Tx, ms *Measures, of map[at]int64) (map[at]cubeRow, error) {
	var bodies []int64
	for a := range of {
		bodies = append(bodies, a.body)
	}
	slices.Sort(bodies)
	found := map[at]cubeRow{}
	err := forIDs(ctx, tx, `SELECT measure, body, facts, kept FROM cube WHERE body IN (`, ``, slices.Compact(bodies), func(r *store.Rows) error {
		row, _, err := scanCube(r, ms)
		found[row.at] = row
		return err
	})
	return found, err
}

func scanCube(r *store.Rows, ms *Measures) (row cubeRow, measure string, err error) {
	var kept int64
	if err := r.Scan(&measure, &row.body, &row.facts, &kept); err != nil {
		return row, measure, err
	}
	row.kept = kept != 0
	row.measure = -1
	if m := ms.byID[measure]; m != nil {
		row.measure = slices.Index(ms.list, m)
	}
	return row, measure, nil
}

func saveCube(ctx context.Context, tx *store.Tx, ms *Measures, rows []cubeRow) error {
	slices.SortFunc(rows, func(a, b cubeRow) int {
		return cmp.Or(cmp.Compare(a.measure, b.measure), cmp.Compare(a.body, b.body))
	})
	up := upsert{head: `INSERT INTO cube (measure, body, facts, kept) VALUES `, cols: 4,
		tail: ` ON CONFLICT (measure, body) DO UPDATE SET facts = excluded.facts, kept = excluded.kept`}
	for _, r := range rows {
		if err := up.add(ctx, tx, ms.list[r.measure].ID, r.body, r.facts, r.kept); err != nil {
			return err
		}
	}
	return up.flush(ctx, tx)
}

// saveCells adds the delta to the cells, in the order of their key.
func (d *delta) saveCells(ctx context.Context, tx *store.Tx) error {
	keys := make([]cellKey, 0, len(d.cells))
	for k, v := range d.cells {
		if v != 0 {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, func(a, b cellKey) int {
		return cmp.Or(cmp.Compare(a.measure, b.measure), cmp.Compare(a.body, b.body), cmp.Compare(a.group, b.group),
			cmp.Compare(d.words[a.period], d.words[b.period]), cmp.Compare(d.words[a.val1], d.words[b.val1]),
			cmp.Compare(d.words[a.val2], d.words[b.val2]))
	})
	up := upsert{head: `INSERT INTO cell (measure, body, dims, period, v1, v2, value) VALUES `, cols: 7,
		tail: ` ON CONFLICT (measure, body, dims, period, v1, v2) DO UPDATE SET value = cell.value + excluded.value`}
	for _, k := range keys {
		m := d.ms.list[k.measure]
		err := up.add(ctx, tx, m.ID, k.body, m.groups[k.group].name, d.words[k.period], d.words[k.val1], d.words[k.val2], d.cells[k])
		if err != nil {
			return err
		}
	}
	return up.flush(ctx, tx)
}

// upsert gathers rows into statements of bounded length.
type upsert struct {
	head, tail string
	cols       int
	args       []any
	full       string // text for as many rows as one statement takes
}

// rowsAtOnce is small because the SQLite driver finds the arguments of a statement by name, one after the other.
const rowsAtOnce = 16

func (u *upsert) add(ctx context.Context, tx *store.Tx, values ...any) error {
	u.args = append(u.args, values...)
	if len(u.args) < rowsAtOnce*u.cols {
		return nil
	}
	if u.full == "" {
		u.full = u.text(rowsAtOnce)
	}
	return u.run(ctx, tx, u.full)
}

func (u *upsert) flush(ctx context.Context, tx *store.Tx) error {
	if len(u.args) == 0 {
		return nil
	}
	return u.run(ctx, tx, u.text(len(u.args)/u.cols))
}

func (u *upsert) run(ctx context.Context, tx *store.Tx, text string) error {
	if _, err := tx.Exec(ctx, text, u.args...); err != nil {
		return fmt.Errorf("tally: %w", err)
	}
	u.args = u.args[:0]
	return nil
}

func (u *upsert) text(rows int) string {
	var b strings.Builder
	b.WriteString(u.head)
	for i := range rows {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('(')
		b.WriteString(placeholders(1+i*u.cols, u.cols))
	}
	b.WriteString(u.tail)
	return b.String()
}

// timesRow is a row of the table seen.
type timesRow struct {
	person
	times map[string]int64
	known bool // the row is there already
}

func comparePeople(a, b person) int {
	return cmp.Or(cmp.Compare(a.measure, b.measure), cmp.Compare(a.body, b.body), cmp.Compare(a.official, b.official))
}

// loadTimes reads the rows of some people, who are in order.
func loadTimes(ctx context.Context, tx *store.Tx, ms *Measures, people []person) (map[person]map[string]int64, error) {
	found := map[person]map[string]int64{}
	for len(people) > 0 {
		n := 0
		for n < len(people) && n < idsAtOnce && people[n].at == people[0].at {
			n++
		}
		a := people[0].at
		args := []any{ms.list[a.measure].ID, a.body}
		for _, p := range people[:n] {
			args = append(args, p.official)
		}
		people = people[n:]
		rows, err := tx.Query(ctx, `SELECT official, times FROM seen WHERE measure = $1 AND body = $2 AND official IN (`+placeholders(3, n), args...)
		if err != nil {
			return nil, fmt.Errorf("tally: officials seen: %w", err)
		}
		err = each(rows, func(r *store.Rows) error {
			p := person{at: a}
			var text string
			if err := r.Scan(&p.official, &text); err != nil {
				return err
			}
			var times map[string]int64
			if err := json.Unmarshal([]byte(text), &times); err != nil {
				return fmt.Errorf("official %d at body %d: %w", p.official, p.body, err)
			}
			if times == nil {
				times = map[string]int64{}
			}
			found[p] = times
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

func storeTimes(ctx context.Context, tx *store.Tx, ms *Measures, rows []timesRow) error {
	var fresh [][]any
	up := upsert{head: `INSERT INTO seen (measure, body, official, times) VALUES `, cols: 4,
		tail: ` ON CONFLICT (measure, body, official) DO UPDATE SET times = excluded.times`}
	for _, r := range rows {
		id := ms.list[r.measure].ID
		text, err := timesText(r.times)
		if err != nil {
			return err
		}
		switch {
		case !r.known && len(r.times) > 0:
			fresh = append(fresh, []any{id, r.body, r.official, text})
		case r.known && len(r.times) == 0:
			_, err = tx.Exec(ctx, `DELETE FROM seen WHERE measure = $1 AND body = $2 AND official = $3`, id, r.body, r.official)
		case r.known:
			err = up.add(ctx, tx, id, r.body, r.official, text)
		}
		if err != nil {
			return fmt.Errorf("tally: officials seen: %w", err)
		}
	}
	if err := up.flush(ctx, tx); err != nil {
		return err
	}
	if err := tx.InsertMany(ctx, "seen", []string{"measure", "body", "official", "times"}, fresh); err != nil {
		return fmt.Errorf("tally: officials seen: %w", err)
	}
	return nil
}

// timesText is the one way to write a row's counts: keys in order, no zeros.
func timesText(times map[string]int64) (string, error) {
	text, err := json.Marshal(times)
	if err != nil {
		return "", fmt.Errorf("tally: %w", err)
	}
	return string(text), nil
}
