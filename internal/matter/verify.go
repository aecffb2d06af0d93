package matter

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strconv"
	"strings"

	"plumbline/internal/journal"
	"plumbline/internal/ref"
	"plumbline/internal/register"
	"plumbline/internal/rows"
	"plumbline/internal/store"
	"plumbline/internal/vault"
)

// A Folder knows how the streams of one kind of thing fold into tables.
type Folder interface {
	// Thing is the first part of its streams: "matter" of "matter/12".
	Thing() string
	// Check folds whole streams, by what follows the slash, and compares the result with the tables.
	Check(ctx context.Context, tx *store.Tx, streams map[string][]journal.Entry) ([]rows.Difference, error)
	// Strays finds what Check cannot: rows that belong to no stream. It is called once, after every Check; it names at
	// most about limit rows of each table.
	Strays(ctx context.Context, tx *store.Tx, limit int) ([]rows.Difference, error)
}

// mostDifferences bounds what Verify names: beyond that, something is wrong that is not found row by row.
const mostDifferences = 10_000

// Verify reads the whole journal, folds every stream again, and compares the result with the tables, in memory that
// does not grow with the database. It names each row, and column, that is not as the record says: changed, missing, or
// made by no entry; and what is wrong with the journal itself: bytes that cannot be read, columns that disagree with
// the bytes, numbers missing within a stream or in the order of the whole. Matters, bodies and officials are
// known here; the authors of other streams bring their Folder. progress, if given, is told how many entries are done.
func Verify(ctx context.Context, db *store.DB, progress func(done, total int64), more ...Folder) ([]rows.Difference, error) {
	v := &verifier{db: db, folders: map[string]Folder{}, progress: progress}
	all := append([]Folder{Matters{}, &register.BodyFolder{}, register.OfficialFolder{}, register.TieFolder{}}, more...)
	for _, f := range all {
		v.folders[f.Thing()] = f
	}
	if err := db.Read(ctx, func(tx *store.Tx) error { return v.order(ctx, tx) }); err != nil {
		return v.found, err
	}
	for v.more && len(v.found) < mostDifferences {
		if err := db.Read(ctx, func(tx *store.Tx) error { return v.batch(ctx, tx) }); err != nil {
			return v.found, err
		}
	}
	for _, f := range all {
		err := db.Read(ctx, func(tx *store.Tx) error {
			some, err := f.Strays(ctx, tx, 100)
			v.found = append(v.found, some...)
			return err
		})
		if err != nil {
			return v.found, err
		}
	}
	return v.found, nil
}

type verifier struct {
	db          *store.DB
	folders     map[string]Folder
	progress    func(done, total int64)
	found       []rows.Difference
	stream      string // last one read
	more        bool
	done, total int64
}

const (
	orderSQL = `SELECT COUNT(*), COUNT(idx), COALESCE(MIN(idx), 0), COALESCE(MAX(idx), 0) FROM entry`
	headSQL  = `SELECT idx FROM journal_head WHERE id = 1`
	holesSQL = `SELECT e.idx FROM entry e WHERE e.idx > 1 AND NOT EXISTS (SELECT 1 FROM entry p WHERE p.idx = e.idx - 1) ORDER BY e.idx LIMIT 100`
	batchSQL = `SELECT stream, n, at, action, account, bytes FROM entry WHERE stream > $1 ORDER BY stream, n LIMIT $2`
	restSQL  = `SELECT stream, n, at, action, account, bytes FROM entry WHERE stream = $1 AND n > $2 ORDER BY n`
)

// order checks the global index: from 1 without gaps, and the head is the last.
func (v *verifier) order(ctx context.Context, tx *store.Tx) error {
	var placed, lowest, highest, head int64
	if err := tx.QueryRow(ctx, orderSQL).Scan(&v.total, &placed, &lowest, &highest); err != nil {
		return fmt.Errorf("verify: order: %w", err)
	}
	v.more = v.total > 0
	if err := tx.QueryRow(ctx, headSQL).Scan(&head); err != nil {
		return fmt.Errorf("verify: order: %w", err)
	}
	if head != highest {
		v.found = append(v.found, rows.Difference{Problem: rows.Changed, Table: "journal_head", Key: "id=1", Column: "idx",
			Want: strconv.FormatInt(highest, 10), Got: strconv.FormatInt(head, 10)})
	}
	if placed == highest && (lowest == 1 || placed == 0) {
		return nil
	}
	if lowest > 1 {
		v.hole(1, lowest)
	}
	found, err := tx.Query(ctx, holesSQL)
	if err != nil {
		return fmt.Errorf("verify: order: %w", err)
	}
	after, err := store.Collect(found, func(r *store.Rows) (idx int64, err error) { return idx, r.Scan(&idx) })
	if err != nil {
		return fmt.Errorf("verify: order: %w", err)
	}
	for _, idx := range after {
		if idx != lowest {
			v.hole(idx-1, idx)
		}
	}
	return nil
}

func (v *verifier) hole(missing, next int64) {
	v.found = append(v.found, rows.Difference{Problem: rows.Gap, Table: "entry", Key: "idx=" + strconv.FormatInt(missing, 10), Column: "idx",
		Want: strconv.FormatInt(missing, 10), Got: strconv.FormatInt(next, 10)})
}

// entriesAtOnce is how many entries one transaction reads, and the rest of the stream the last of them belongs to.
const entriesAtOnce = 2000

type rawEntry struct {
	stream, action string
	n, at, account int64
	bytes          []byte
}

func scanRaw(r *store.Rows) (e rawEntry, err error) {
	return e, r.Scan(&e.stream, &e.n, &e.at, &e.action, &e.account, &e.bytes)
}

// batch reads whole streams and compares them with the tables, on one unchanging state of the database.
func (v *verifier) batch(ctx context.Context, tx *store.Tx) error {
	found, err := tx.Query(ctx, batchSQL, v.stream, int64(entriesAtOnce))
	if err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	got, err := store.Collect(found, scanRaw)
	if err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	if len(got) == entriesAtOnce {
		last := got[len(got)-1]
		if found, err = tx.Query(ctx, restSQL, last.stream, last.n); err != nil {
			return fmt.Errorf("verify: %w", err)
		}
		rest, err := store.Collect(found, scanRaw)
		if err != nil {
			return fmt.Errorf("verify: %w", err)
		}
		got = append(got, rest...)
	} else {
		v.more = false
	}
	if len(got) == 0 {
		return nil
	}
	v.stream = got[len(got)-1].stream
	if err := v.compare(ctx, tx, v.read(got)); err != nil {
		return err
	}
	v.done += int64(len(got))
	if v.progress != nil {
		v.progress(v.done, max(v.total, v.done))
	}
	return nil
}

// read decodes entries, compares their columns with their bytes, and sorts them by thing and stream.
func (v *verifier) read(got []rawEntry) map[string]map[string][]journal.Entry {
	things := map[string]map[string][]journal.Entry{}
	var before rawEntry
	for _, raw := range got {
		if raw.stream != before.stream {
			before = rawEntry{stream: raw.stream}
		}
		key := fmt.Sprintf("stream=%s n=%d", raw.stream, raw.n)
		if raw.n != before.n+1 {
			v.found = append(v.found, rows.Difference{Problem: rows.Gap, Table: "entry", Key: key, Column: "n",
				Want: strconv.FormatInt(before.n+1, 10), Got: strconv.FormatInt(raw.n, 10)})
		}
		e, err := journal.Decode(raw.bytes)
		if err != nil {
			v.found = append(v.found, rows.Difference{Problem: rows.Unreadable, Table: "entry", Key: key, Column: "bytes", Got: err.Error()})
			before = raw
			continue
		}
		v.label(key, "stream", e.Stream, raw.stream)
		v.label(key, "n", strconv.FormatInt(e.N, 10), strconv.FormatInt(raw.n, 10))
		v.label(key, "action", e.Action, raw.action)
		v.label(key, "account", e.By.Account.String(), strconv.FormatInt(raw.account, 10))
		// The column keeps the order within the stream whatever the clocks say: never earlier than the entry before.
		v.label(key, "at", strconv.FormatInt(max(e.At.UnixMicro(), before.at), 10), strconv.FormatInt(raw.at, 10))
		before = raw
		thing, name, _ := strings.Cut(raw.stream, "/")
		if things[thing] == nil {
			things[thing] = map[string][]journal.Entry{}
		}
		things[thing][name] = append(things[thing][name], e)
	}
	return things
}

func (v *verifier) label(key, column, want, got string) {
	if want != got {
		v.found = append(v.found, rows.Difference{Problem: rows.Mislabeled, Table: "entry", Key: key, Column: column, Want: want, Got: got})
	}
}

func (v *verifier) compare(ctx context.Context, tx *store.Tx, things map[string]map[string][]journal.Entry) error {
	names := make([]string, 0, len(things))
	for t := range things {
		names = append(names, t)
	}
	sort.Strings(names)
	for _, t := range names {
		f := v.folders[t]
		if f == nil {
			continue // a stream with nothing folded from it here
		}
		some, err := f.Check(ctx, tx, things[t])
		if err != nil {
			return err
		}
		v.found = append(v.found, some...)
	}
	return nil
}

// Matters is the Folder of matters.
type Matters struct{}

// Thing is the first part of the streams it knows.
func (Matters) Thing() string { return "matter" }

// Check compares the matters of some streams.
func (Matters) Check(ctx context.Context, tx *store.Tx, streams map[string][]journal.Entry) ([]rows.Difference, error) {
	var out []rows.Difference
	var ids []int64
	for name := range streams {
		id, err := strconv.ParseInt(name, 10, 64)
		if err != nil {
			out = append(out, rows.Difference{Problem: rows.Unreadable, Table: "entry", Key: "stream=matter/" + name, Got: "no number"})
			continue
		}
		ids = append(ids, id)
	}
	sort.Slice(ids, func(i, j int) bool { return ids[i] < ids[j] })
	got, err := loadRows(ctx, tx, ids)
	if err != nil {
		return nil, err
	}
	names, err := checkNames(ctx, tx, ids, streams)
	if err != nil {
		return nil, err
	}
	out = append(out, names...)
	keys, err := vault.KeyDigests(ctx, tx, ids)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		out = append(out, checkKeys(id, streams[strconv.FormatInt(id, 10)], keys[id])...)
		want := State{Matter: Row{ID: ref.MatterID(id)}}
		for _, e := range streams[strconv.FormatInt(id, 10)] {
			next, err := Fold(want, e)
			if err != nil {
				out = append(out, rows.Difference{Problem: rows.Unreadable, Table: "entry", Key: fmt.Sprintf("stream=%s n=%d", e.Stream, e.N), Got: err.Error()})
				continue
			}
			want = next
		}
		out = append(out, got.diff(id, want)...)
		files, err := checkFiles(ctx, tx, id, streams[strconv.FormatInt(id, 10)])
		if err != nil {
			return nil, err
		}
		out = append(out, files...)
	}
	return out, nil
}

// checkKeys compares the public keys of a matter's compartments with what the record says of them.
func checkKeys(id int64, entries []journal.Entry, have map[string]string) (out []rows.Difference) {
	for _, e := range entries {
		made := madeIn(e)
		for _, c := range slices.Sorted(maps.Keys(made)) {
			d := rows.Difference{Problem: rows.Changed, Table: "vault_compartment", Key: fmt.Sprintf("matter=%d compartment=%s", id, c), Column: "recipient", Want: made[c], Got: have[c]}
			if have[c] == "" {
				d = rows.Difference{Problem: rows.Missing, Table: d.Table, Key: d.Key}
			}
			if have[c] != made[c] {
				out = append(out, d)
			}
		}
	}
	return out
}

// Strays finds rows no entry made.
func (Matters) Strays(ctx context.Context, tx *store.Tx, limit int) ([]rows.Difference, error) {
	var out []rows.Difference
	for _, find := range []func(context.Context, *store.Tx, string, int) ([]rows.Difference, error){
		matters.Strays, allegations.Strays, parties.Strays, clocks.Strays, links.Strays, dids.Strays, assigned.Strays, namedRows.Strays} {
		some, err := find(ctx, tx, "matter", limit)
		if err != nil {
			return nil, err
		}
		out = append(out, some...)
	}
	files, err := strayFiles(ctx, tx, limit)
	return append(out, files...), err
}

// tables are the rows of many matters, by matter.
type tables struct {
	matter      map[int64][]Row
	allegations map[int64][]Allegation
	parties     map[int64][]Party
	clocks      map[int64][]Clock
	links       map[int64][]Link
	did         map[int64][]Did
	assigned    map[int64][]Assigned
}

func loadRows(ctx context.Context, tx *store.Tx, ids []int64) (t tables, err error) {
	if t.matter, err = matters.LoadMany(ctx, tx, ids); err != nil {
		return t, err
	}
	if t.allegations, err = allegations.LoadMany(ctx, tx, ids); err != nil {
		return t, err
	}
	if t.parties, err = parties.LoadMany(ctx, tx, ids); err != nil {
		return t, err
	}
	if t.clocks, err = clocks.LoadMany(ctx, tx, ids); err != nil {
		return t, err
	}
	if t.links, err = links.LoadMany(ctx, tx, ids); err != nil {
		return t, err
	}
	if t.did, err = dids.LoadMany(ctx, tx, ids); err != nil {
		return t, err
	}
	t.assigned, err = assigned.LoadMany(ctx, tx, ids)
	return t, err
}

// state is a matter as the tables hold it.
func (t tables) state(id int64) State {
	s := State{Allegations: t.allegations[id], Parties: t.parties[id], Clocks: t.clocks[id], Links: t.links[id], Did: t.did[id], Assigned: t.assigned[id]}
	if m := t.matter[id]; len(m) > 0 {
		s.Matter = m[0]
	}
	return s
}

func (t tables) diff(id int64, want State) []rows.Difference {
	out := matters.Diff(id, []Row{want.Matter}, t.matter[id])
	out = append(out, allegations.Diff(id, want.Allegations, t.allegations[id])...)
	out = append(out, parties.Diff(id, want.Parties, t.parties[id])...)
	out = append(out, clocks.Diff(id, want.Clocks, t.clocks[id])...)
	out = append(out, links.Diff(id, want.Links, t.links[id])...)
	out = append(out, dids.Diff(id, want.Did, t.did[id])...)
	return append(out, assigned.Diff(id, want.Assigned, t.assigned[id])...)
}
