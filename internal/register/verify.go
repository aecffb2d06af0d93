package register

import (
	"context"
	"fmt"
	"sort"
	"strconv"

	"plumbline/internal/journal"
	"plumbline/internal/ref"
	"plumbline/internal/rows"
	"plumbline/internal/store"
)

// BodyFolder refolds the streams of bodies and compares them with the tables (see matter.Verify). It is used once.
type BodyFolder struct {
	parent map[ref.BodyID]ref.BodyID
}

// Thing is the first part of the streams it knows.
func (*BodyFolder) Thing() string { return "body" }

// Check compares the bodies of some streams, by what follows the slash.
func (f *BodyFolder) Check(ctx context.Context, tx *store.Tx, streams map[string][]journal.Entry) ([]rows.Difference, error) {
	ids, out := idsOf("body", streams)
	own, err := bodies.LoadMany(ctx, tx, ids)
	if err != nil {
		return nil, err
	}
	names, err := bodyNames.LoadMany(ctx, tx, ids)
	if err != nil {
		return nil, err
	}
	if f.parent == nil {
		f.parent = map[ref.BodyID]ref.BodyID{}
	}
	for _, id := range ids {
		want := Body{ID: ref.BodyID(id)}
		for _, e := range streams[strconv.FormatInt(id, 10)] {
			if want, err = FoldBody(want, e); err != nil {
				out = append(out, unreadable(e, err))
			}
		}
		f.parent[want.ID] = want.Parent
		out = append(out, bodies.Diff(id, []Body{want}, own[id])...)
		out = append(out, bodyNames.Diff(id, want.Names, names[id])...)
	}
	return out, nil
}

// Strays compares the closure of the tree with the parents as recorded, and finds rows no entry made.
func (f *BodyFolder) Strays(ctx context.Context, tx *store.Tx, limit int) ([]rows.Difference, error) {
	var out []rows.Difference
	for _, find := range []func(context.Context, *store.Tx, string, int) ([]rows.Difference, error){bodies.Strays, bodyNames.Strays, bodyAbove.Strays} {
		some, err := find(ctx, tx, "body", limit)
		if err != nil {
			return nil, err
		}
		out = append(out, some...)
	}
	ids := make([]int64, 0, len(f.parent))
	for id := range f.parent {
		ids = append(ids, int64(id))
	}
	sort.Slice(ids, func(i, j int) bool { return ids[i] < ids[j] })
	for len(ids) > 0 {
		batch := ids[:min(len(ids), 500)]
		ids = ids[len(batch):]
		got, err := bodyAbove.LoadMany(ctx, tx, batch)
		if err != nil {
			return nil, err
		}
		for _, id := range batch {
			out = append(out, bodyAbove.Diff(id, f.above(ref.BodyID(id)), got[id])...)
		}
	}
	return out, nil
}

func (f *BodyFolder) above(id ref.BodyID) []above {
	var out []above
	for depth := int64(0); id != 0 && int(depth) <= len(f.parent); depth++ {
		out = append(out, above{Above: id, Depth: depth})
		id = f.parent[id]
	}
	return out
}

// OfficialFolder does for officials what BodyFolder does for bodies.
type OfficialFolder struct{}

// Thing is the first part of the streams it knows.
func (OfficialFolder) Thing() string { return "official" }

// Check compares the officials of some streams, by what follows the slash.
func (OfficialFolder) Check(ctx context.Context, tx *store.Tx, streams map[string][]journal.Entry) ([]rows.Difference, error) {
	ids, out := idsOf("official", streams)
	own, err := officials.LoadMany(ctx, tx, ids)
	if err != nil {
		return nil, err
	}
	names, err := officialNames.LoadMany(ctx, tx, ids)
	if err != nil {
		return nil, err
	}
	words, err := officialWords.LoadMany(ctx, tx, ids)
	if err != nil {
		return nil, err
	}
	held, err := posts.LoadMany(ctx, tx, ids)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		want := Official{ID: ref.OfficialID(id)}
		for _, e := range streams[strconv.FormatInt(id, 10)] {
			if want, err = FoldOfficial(want, e); err != nil {
				out = append(out, unreadable(e, err))
			}
		}
		out = append(out, officials.Diff(id, []Official{want}, own[id])...)
		out = append(out, officialNames.Diff(id, want.Names, names[id])...)
		out = append(out, officialWords.Diff(id, want.words(), words[id])...)
		out = append(out, posts.Diff(id, want.Posts, held[id])...)
	}
	return out, nil
}

// Strays finds rows no entry made.
func (OfficialFolder) Strays(ctx context.Context, tx *store.Tx, limit int) ([]rows.Difference, error) {
	var out []rows.Difference
	for _, find := range []func(context.Context, *store.Tx, string, int) ([]rows.Difference, error){
		officials.Strays, officialNames.Strays, officialWords.Strays, posts.Strays} {
		some, err := find(ctx, tx, "official", limit)
		if err != nil {
			return nil, err
		}
		out = append(out, some...)
	}
	return out, nil
}

// idsOf reads the numbers in the names of streams; a stream with another name is reported.
func idsOf(thing string, streams map[string][]journal.Entry) (ids []int64, out []rows.Difference) {
	for name := range streams {
		id, err := strconv.ParseInt(name, 10, 64)
		if err != nil {
			out = append(out, rows.Difference{Problem: rows.Unreadable, Table: "entry", Key: "stream=" + thing + "/" + name, Got: "no number"})
			continue
		}
		ids = append(ids, id)
	}
	sort.Slice(ids, func(i, j int) bool { return ids[i] < ids[j] })
	return ids, out
}

func unreadable(e journal.Entry, err error) rows.Difference {
	return rows.Difference{Problem: rows.Unreadable, Table: "entry", Key: fmt.Sprintf("stream=%s n=%d", e.Stream, e.N), Got: err.Error()}
}
