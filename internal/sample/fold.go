package sample

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"plumbline/internal/journal"
	"plumbline/internal/ref"
	"plumbline/internal/rows"
	"plumbline/internal/store"
	"plumbline/verify"
)

// fold applies an entry of a draw's stream. The body is no part of it: it follows from the code in the definition.
func fold(r Row, e journal.Entry) (Row, error) {
	r.N = e.N
	switch e.Action {
	case verify.ActionDefine:
		var d verify.Definition
		text, err := read(e, &d)
		if err != nil {
			return r, err
		}
		r.Number, r.Definition, r.Defined = d.Number, text, e.At.UnixMicro()
	case verify.ActionDraw:
		text, err := read(e, &verify.DrawRecord{})
		if err != nil {
			return r, err
		}
		r.Draw, r.Drawn = text, e.At.UnixMicro()
	case ActionOpen:
	default:
		return r, fmt.Errorf("sample: entry %s/%d: unknown action %q", e.Stream, e.N, e.Action)
	}
	return r, nil
}

// read reads an entry's fields, strictly, and returns them in their one spelling.
func read(e journal.Entry, into any) (string, error) {
	b, err := json.Marshal(e.Fields)
	if err != nil {
		return "", fmt.Errorf("sample: entry %s/%d: %w", e.Stream, e.N, err)
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return "", fmt.Errorf("sample: entry %s/%d: %w", e.Stream, e.N, err)
	}
	out, err := json.Marshal(into)
	return string(out), err
}

// Folder refolds draws and holds the tables to them (see matter.Verify): the population to its digest, what was drawn
// to the random value, each inspection to the entry that opened it.
type Folder struct{}

// Thing is the first part of the streams it knows.
func (Folder) Thing() string { return "sample" }

// Check compares the draws of some streams.
func (Folder) Check(ctx context.Context, tx *store.Tx, streams map[string][]journal.Entry) ([]rows.Difference, error) {
	var out []rows.Difference
	for _, name := range slices.Sorted(maps.Keys(streams)) {
		number, err := strconv.ParseInt(name, 10, 64)
		if err != nil {
			out = append(out, rows.Difference{Problem: rows.Unreadable, Table: "entry", Key: "stream=sample/" + name, Got: "no number"})
			continue
		}
		var want Row
		inspections := map[int64]ref.MatterID{}
		for _, e := range streams[name] {
			now, err := fold(want, e)
			if err == nil && e.Action == ActionOpen {
				var o openedFields
				if _, err = read(e, &o); err == nil {
					inspections[o.Position] = o.Inspection
				}
			}
			if err != nil {
				out = append(out, rows.Difference{Problem: rows.Unreadable, Table: "entry", Key: fmt.Sprintf("stream=%s n=%d", e.Stream, e.N), Got: err.Error()})
				continue
			}
			want = now
		}
		got, err := draws.Load(ctx, tx, number)
		if err != nil {
			return nil, err
		}
		d, err := drawOf(want)
		if err != nil {
			out = append(out, rows.Difference{Problem: rows.Unreadable, Table: "entry", Key: "stream=sample/" + name, Got: err.Error()})
			continue
		}
		if want.Body, err = bodyByCode(ctx, tx, d.Def.Filter.Body); err != nil {
			return nil, err
		}
		out = append(out, draws.Diff(0, []Row{want}, got)...)
		some, err := checkItems(ctx, tx, d, inspections)
		if err != nil {
			return nil, err
		}
		out = append(out, some...)
	}
	return out, nil
}

func bodyByCode(ctx context.Context, tx *store.Tx, code string) (ref.BodyID, error) {
	if code == "" {
		return 0, nil
	}
	found, err := tx.Query(ctx, `SELECT id FROM body WHERE code = $1`, code)
	if err != nil {
		return 0, fmt.Errorf("sample: body %s: %w", code, err)
	}
	ids, err := store.Collect(found, func(r *store.Rows) (id ref.BodyID, err error) { return id, r.Scan(&id) })
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	return ids[0], nil
}

const selectPlaces = `SELECT i.position, e.stream, l.commitment FROM sample_item i LEFT JOIN entry e ON e.idx = i.position
	LEFT JOIN leaf l ON l.idx = i.position WHERE i.sample = $1 ORDER BY i.position`

// checkItems derives every item again: its matter and commitment from the journal and the log, its place from the seed.
func checkItems(ctx context.Context, tx *store.Tx, d Draw, inspections map[int64]ref.MatterID) ([]rows.Difference, error) {
	got, err := items.Load(ctx, tx, d.Number)
	if err != nil {
		return nil, err
	}
	key := fmt.Sprintf("number=%d", d.Number)
	var lines []string
	for _, i := range got {
		if len(i.Commitment) != len(verify.Hash{}) {
			return []rows.Difference{{Problem: rows.Changed, Table: "sample_item", Key: fmt.Sprintf("sample=%d position=%d", d.Number, i.Position), Column: "commitment"}}, nil
		}
		lines = append(lines, i.member().String())
	}
	if digest := verify.PopulationDigest(lines); digest != d.Def.Digest {
		return []rows.Difference{{Problem: rows.Changed, Table: "sample_item", Key: key, Column: "population", Want: d.Def.Digest, Got: digest}}, nil
	}
	found, err := tx.Query(ctx, selectPlaces, d.Number)
	if err != nil {
		return nil, fmt.Errorf("sample %d: %w", d.Number, err)
	}
	defer found.Close()
	want := slices.Clone(got)
	for n := 0; found.Next(); n++ {
		var position int64
		var stream string
		var commitment []byte
		if err := found.Scan(&position, &stream, &commitment); err != nil {
			return nil, fmt.Errorf("sample %d: %w", d.Number, err)
		}
		id, _ := strconv.ParseInt(trimThing(stream), 10, 64) // 0 is no matter, and differs from every one
		want[n].Matter, want[n].Commitment = ref.MatterID(id), commitment
		want[n].Place, want[n].Ticket, want[n].Inspection = 0, "", inspections[position]
	}
	if err := found.Err(); err != nil {
		return nil, fmt.Errorf("sample %d: %w", d.Number, err)
	}
	if d.Record != nil {
		drawn, err := verify.DrawFrom(membersOf(got), d.Def.Strata, d.Record.Seed)
		if err != nil {
			return []rows.Difference{{Problem: rows.Unreadable, Table: "entry", Key: "stream=" + verify.SampleStream(d.Number) + " n=2", Got: err.Error()}}, nil
		}
		for place, w := range drawn {
			i := slices.IndexFunc(want, func(x Item) bool { return x.Position == int64(w.Position) })
			want[i].Place, want[i].Ticket = int64(place+1), string(w.Ticket)
		}
	}
	return items.Diff(d.Number, want, got), nil
}

func trimThing(stream string) string {
	const thing = "matter/"
	if len(stream) > len(thing) && stream[:len(thing)] == thing {
		return stream[len(thing):]
	}
	return ""
}

// Strays finds rows that belong to no draw.
func (Folder) Strays(ctx context.Context, tx *store.Tx, limit int) ([]rows.Difference, error) {
	some, err := draws.Strays(ctx, tx, "sample", limit)
	if err != nil {
		return nil, err
	}
	more, err := items.Strays(ctx, tx, "sample", limit)
	return append(some, more...), err
}
