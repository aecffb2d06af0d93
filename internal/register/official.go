package register

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"plumbline/internal/fault"
	"plumbline/internal/journal"
	"plumbline/internal/ref"
	"plumbline/internal/store"
)

// AddOfficial enters an official with the posts given and returns them. The id is given by the caller; without a
// source the id is also the source's key, so that two people of one name stay two.
func AddOfficial(ctx context.Context, tx *store.Tx, by By, o Official) (Official, error) {
	if o.Name == "" {
		return Official{}, fault.InvalidFields([]fault.Field{{Name: "name", Key: "field.required"}})
	}
	e, added, err := officialEntry(by, o)
	if err != nil {
		return Official{}, err
	}
	if err := journal.Append(ctx, tx, e); err != nil {
		return Official{}, err
	}
	return added, saveOfficial(ctx, tx, Official{}, added)
}

// officialEntry is the entry by which an official begins, and the official it makes.
func officialEntry(by By, o Official) (journal.Entry, Official, error) {
	if o.ID <= 0 {
		return journal.Entry{}, o, errors.New("register: an official needs an id")
	}
	if o.SourceKey == "" {
		o.SourceKey = o.ID.String()
	}
	changes := []Change{{Op: opOfficial, Source: o.Source, SourceKey: o.SourceKey, Identified: o.Identified != 0, Data: raw(o.Data)}}
	if len(o.Names) == 0 {
		o.Names = []FormerName{{Name: o.Name}}
	}
	for _, n := range o.Names {
		changes = append(changes, Change{Op: opCalled, Name: n.Name, From: n.From})
	}
	for i, p := range o.Posts {
		changes = append(changes, postChange(int64(i+1), p))
	}
	e, err := by.entry(o.ID.Stream(), 1, "register.add", changes)
	if err != nil {
		return e, o, err
	}
	added, err := FoldOfficial(Official{ID: o.ID}, e)
	return e, added, err
}

func raw(data string) json.RawMessage {
	if data == "" {
		return nil
	}
	return json.RawMessage(data)
}

func postChange(no int64, p Post) Change {
	return Change{Op: opPost, No: no, Body: p.Body, Title: p.Title, Rank: p.Rank, From: p.From, To: p.To, Source: p.Source}
}

// RenameOfficial gives an official another name from a day on; the former ones stay findable.
func RenameOfficial(ctx context.Context, tx *store.Tx, by By, id ref.OfficialID, name, from string) (Official, error) {
	if name == "" {
		return Official{}, fault.InvalidFields([]fault.Field{{Name: "name", Key: "field.required"}})
	}
	return changeOfficial(ctx, tx, by, id, "register.rename", func(Official) ([]Change, error) {
		return []Change{{Op: opCalled, Name: name, From: from}}, nil
	})
}

// AddPost enters a post the official holds or held.
func AddPost(ctx context.Context, tx *store.Tx, by By, id ref.OfficialID, p Post) (Official, error) {
	if p.Body == 0 {
		return Official{}, fault.InvalidFields([]fault.Field{{Name: "body", Key: "field.required"}})
	}
	return changeOfficial(ctx, tx, by, id, "register.post", func(o Official) ([]Change, error) {
		return []Change{postChange(int64(len(o.Posts)+1), p)}, nil
	})
}

// EndPost sets the last day of a post.
func EndPost(ctx context.Context, tx *store.Tx, by By, id ref.OfficialID, no int64, to string) (Official, error) {
	return changeOfficial(ctx, tx, by, id, "register.post-end", func(o Official) ([]Change, error) {
		for _, p := range o.Posts {
			if p.No == no {
				p.To = to
				return []Change{postChange(no, p)}, nil
			}
		}
		return nil, fault.New(fault.NotFound, "register.no-post", nil)
	})
}

// IdentifyOfficial records that the person behind a description is now known by name.
func IdentifyOfficial(ctx context.Context, tx *store.Tx, by By, id ref.OfficialID, name string) (Official, error) {
	return changeOfficial(ctx, tx, by, id, "register.identify", func(Official) ([]Change, error) {
		return []Change{{Op: opIdentfied}, {Op: opCalled, Name: name}}, nil
	})
}

// MergeOfficial records that two entries of the register are one person: into carries on.
func MergeOfficial(ctx context.Context, tx *store.Tx, by By, id, into ref.OfficialID) (Official, error) {
	target, err := OfficialByID(ctx, tx, into)
	if err != nil {
		return Official{}, err
	}
	if target.ID == id {
		return Official{}, fault.New(fault.Invalid, "register.loop", nil)
	}
	return changeOfficial(ctx, tx, by, id, "register.merge", func(Official) ([]Change, error) {
		return []Change{{Op: opMerge, Other: target.ID}}, nil
	})
}

// UpdateOfficial records what a later release of a source says of an official: changed attributes, names or posts. It
// returns false when nothing differs.
func UpdateOfficial(ctx context.Context, tx *store.Tx, by By, id ref.OfficialID, said Official) (Official, bool, error) {
	old, err := exactOfficial(ctx, tx, id)
	if err != nil {
		return Official{}, false, err
	}
	changes := differences(old, said)
	if len(changes) == 0 {
		return old, false, nil
	}
	now, err := changeOfficial(ctx, tx, by, id, "register.update", func(Official) ([]Change, error) { return changes, nil })
	return now, true, err
}

func differences(old, said Official) []Change {
	var out []Change
	if said.Identified != 0 && old.Identified == 0 {
		out = append(out, Change{Op: opIdentfied})
	}
	if said.Name != "" && said.Name != old.Name {
		out = append(out, Change{Op: opCalled, Name: said.Name})
	}
	if said.Data != old.Data {
		out = append(out, Change{Op: opData, Data: raw(said.Data)})
	}
	for i, p := range said.Posts {
		no := int64(i + 1)
		p.No = no
		if i >= len(old.Posts) || old.Posts[i] != p {
			out = append(out, postChange(no, p))
		}
	}
	return out
}

func changeOfficial(ctx context.Context, tx *store.Tx, by By, id ref.OfficialID, action string, decide func(Official) ([]Change, error)) (Official, error) {
	old, err := exactOfficial(ctx, tx, id)
	if err != nil {
		return Official{}, err
	}
	changes, err := decide(old)
	if err != nil {
		return Official{}, err
	}
	e, err := by.entry(id.Stream(), old.N+1, action, changes)
	if err != nil {
		return Official{}, err
	}
	now, err := FoldOfficial(old, e)
	if err != nil {
		return Official{}, err
	}
	if err := journal.Append(ctx, tx, e); err != nil {
		return Official{}, err
	}
	return now, saveOfficial(ctx, tx, old, now)
}

func saveOfficial(ctx context.Context, tx *store.Tx, old, now Official) error {
	id := int64(now.ID)
	var was []Official
	if old.ID != 0 {
		was = []Official{old}
	}
	if err := officials.Save(ctx, tx, id, was, []Official{now}); err != nil {
		return fmt.Errorf("register: %w", err)
	}
	if err := officialNames.Save(ctx, tx, id, old.Names, now.Names); err != nil {
		return fmt.Errorf("register: %w", err)
	}
	if err := officialWords.Save(ctx, tx, id, old.words(), now.words()); err != nil {
		return fmt.Errorf("register: %w", err)
	}
	if err := posts.Save(ctx, tx, id, old.Posts, now.Posts); err != nil {
		return fmt.Errorf("register: %w", err)
	}
	return nil
}

// OfficialByID returns an official, following mergers.
func OfficialByID(ctx context.Context, tx *store.Tx, id ref.OfficialID) (Official, error) {
	o, err := exactOfficial(ctx, tx, id)
	for err == nil && o.MergedInto != 0 {
		o, err = exactOfficial(ctx, tx, o.MergedInto)
	}
	return o, err
}

func exactOfficial(ctx context.Context, tx *store.Tx, id ref.OfficialID) (Official, error) {
	all, err := loadOfficials(ctx, tx, []int64{int64(id)})
	if err != nil {
		return Official{}, err
	}
	if len(all) == 0 {
		return Official{}, fault.New(fault.NotFound, "register.no-official", nil)
	}
	return all[id], nil
}

// Officials returns officials by id, each as it stands: one that was merged is returned itself, with MergedInto set.
func Officials(ctx context.Context, tx *store.Tx, ids []ref.OfficialID) (map[ref.OfficialID]Official, error) {
	plain := make([]int64, 0, len(ids))
	for _, id := range ids {
		if id != 0 {
			plain = append(plain, int64(id))
		}
	}
	return loadOfficials(ctx, tx, plain)
}

func loadOfficials(ctx context.Context, tx *store.Tx, ids []int64) (map[ref.OfficialID]Official, error) {
	out := map[ref.OfficialID]Official{}
	if len(ids) == 0 {
		return out, nil
	}
	own, err := officials.LoadMany(ctx, tx, ids)
	if err != nil {
		return nil, err
	}
	names, err := officialNames.LoadMany(ctx, tx, ids)
	if err != nil {
		return nil, err
	}
	held, err := posts.LoadMany(ctx, tx, ids)
	if err != nil {
		return nil, err
	}
	for id, found := range own {
		o := found[0]
		o.Names, o.Posts = names[id], held[id]
		out[o.ID] = o
	}
	return out, nil
}

// Standing returns officials with their posts and without their names, in one statement: what a decision needs to know
// of those it names. Each is as it stands; one that was merged is returned itself, with MergedInto set.
func Standing(ctx context.Context, tx *store.Tx, ids []ref.OfficialID) (map[ref.OfficialID]Official, error) {
	out := map[ref.OfficialID]Official{}
	var args []any
	for _, id := range ids {
		if id != 0 {
			args = append(args, int64(id))
		}
	}
	if len(args) == 0 {
		return out, nil
	}
	marks := make([]string, len(args))
	for i := range args {
		marks[i] = fmt.Sprintf("$%d", i+1)
	}
	found, err := tx.Query(ctx, `SELECT o.id, o.merged_into, COALESCE(p.no, 0), COALESCE(p.body, 0), COALESCE(p.title, ''), COALESCE(p.rank, ''),
		COALESCE(p.valid_from, ''), COALESCE(p.valid_to, ''), COALESCE(p.source, '')
		FROM official o LEFT JOIN post p ON p.official = o.id WHERE o.id IN (`+strings.Join(marks, ", ")+`) ORDER BY o.id, p.no`, args...)
	if err != nil {
		return nil, fmt.Errorf("register: officials: %w", err)
	}
	defer found.Close()
	for found.Next() {
		var o Official
		var p Post
		if err := found.Scan(&o.ID, &o.MergedInto, &p.No, &p.Body, &p.Title, &p.Rank, &p.From, &p.To, &p.Source); err != nil {
			return nil, fmt.Errorf("register: officials: %w", err)
		}
		if before, there := out[o.ID]; there {
			o = before
		}
		if p.No != 0 {
			o.Posts = append(o.Posts, p)
		}
		out[o.ID] = o
	}
	return out, found.Err()
}

// OfficialBySource returns the official with a source's own key, following mergers.
func OfficialBySource(ctx context.Context, tx *store.Tx, source, key string) (Official, error) {
	var id ref.OfficialID
	err := tx.QueryRow(ctx, `SELECT id FROM official WHERE source = $1 AND source_key = $2`, source, key).Scan(&id)
	if errors.Is(err, store.ErrNotFound) {
		return Official{}, fault.New(fault.NotFound, "register.no-official", nil)
	}
	if err != nil {
		return Official{}, fmt.Errorf("register: official %s of %s: %w", key, source, err)
	}
	return OfficialByID(ctx, tx, id)
}

// SearchOfficials returns the officials who have a name with every word of q in it, each word possibly only begun, or
// whose key at their source is q: at most limit, by name.
func SearchOfficials(ctx context.Context, tx *store.Tx, q string, limit int) ([]Official, error) {
	looked := Words(q)
	if len(looked) == 0 {
		return nil, nil
	}
	var args []any
	arg := func(v any) string { args = append(args, v); return fmt.Sprintf("$%d", len(args)) }
	var conds []string
	for _, w := range looked {
		conds = append(conds, "id IN (SELECT official FROM official_word WHERE word >= "+arg([]byte(w))+" AND word < "+arg(wordEnd(w))+")")
	}
	found, err := tx.Query(ctx, "SELECT id FROM official WHERE merged_into = 0 AND (("+strings.Join(conds, " AND ")+") OR source_key = "+
		arg(strings.TrimSpace(q))+") ORDER BY name, id LIMIT "+arg(int64(limit)), args...)
	if err != nil {
		return nil, fmt.Errorf("register: search: %w", err)
	}
	ids, err := store.Collect(found, func(r *store.Rows) (id int64, err error) { return id, r.Scan(&id) })
	if err != nil {
		return nil, fmt.Errorf("register: search: %w", err)
	}
	all, err := loadOfficials(ctx, tx, ids)
	if err != nil {
		return nil, err
	}
	out := make([]Official, 0, len(ids))
	for _, id := range ids {
		out = append(out, all[ref.OfficialID(id)])
	}
	return out, nil
}

// wordEnd is the first byte string after all that begin with w. No UTF-8 contains 0xFF.
func wordEnd(w string) []byte { return append([]byte(w), 0xff) }

// OfficialsAt returns the officials who hold or held a post at a body, by name: those who hold one now first.
func OfficialsAt(ctx context.Context, tx *store.Tx, body ref.BodyID, limit int) ([]Official, error) {
	found, err := tx.Query(ctx, `SELECT o.id FROM official o JOIN post p ON p.official = o.id WHERE p.body = $1 AND o.merged_into = 0
		GROUP BY o.id, o.name ORDER BY MIN(p.valid_to), o.name, o.id LIMIT $2`, int64(body), int64(limit))
	if err != nil {
		return nil, fmt.Errorf("register: officials at %d: %w", body, err)
	}
	ids, err := store.Collect(found, func(r *store.Rows) (id int64, err error) { return id, r.Scan(&id) })
	if err != nil {
		return nil, fmt.Errorf("register: officials at %d: %w", body, err)
	}
	all, err := loadOfficials(ctx, tx, ids)
	if err != nil {
		return nil, err
	}
	out := make([]Official, 0, len(ids))
	for _, id := range ids {
		out = append(out, all[ref.OfficialID(id)])
	}
	return out, nil
}

// History returns the entries of a body or an official, oldest first.
func History(ctx context.Context, tx *store.Tx, stream string) ([]journal.Recorded, error) {
	return journal.Stream(ctx, tx, stream)
}

// ImportBodies enters bodies in bulk, parents before children, and ImportOfficials officials: as AddBody and
// AddOfficial would, with ids given by the caller, for importers whose keys are known to be new.
func ImportBodies(ctx context.Context, tx *store.Tx, by By, all []Body) error {
	for _, b := range all {
		if _, err := AddBody(ctx, tx, by, b); err != nil {
			return err
		}
	}
	return nil
}

// ImportOfficials: see ImportBodies.
func ImportOfficials(ctx context.Context, tx *store.Tx, by By, all []Official) error {
	entries := make([]journal.Entry, 0, len(all))
	var own, named, worded, held [][]any
	for _, o := range all {
		e, added, err := officialEntry(by, o)
		if err != nil {
			return err
		}
		entries = append(entries, e)
		id := int64(added.ID)
		own = append(own, officials.Values(id, &added))
		for i := range added.Names {
			named = append(named, officialNames.Values(id, &added.Names[i]))
		}
		words := added.words()
		for i := range words {
			worded = append(worded, officialWords.Values(id, &words[i]))
		}
		for i := range added.Posts {
			held = append(held, posts.Values(id, &added.Posts[i]))
		}
	}
	if err := journal.AppendMany(ctx, tx, entries); err != nil {
		return err
	}
	for _, part := range []struct {
		table string
		cols  []string
		rows  [][]any
	}{
		{officials.Name(), officials.Columns(), own},
		{officialNames.Name(), officialNames.Columns(), named},
		{officialWords.Name(), officialWords.Columns(), worded},
		{posts.Name(), posts.Columns(), held},
	} {
		if len(part.rows) == 0 {
			continue
		}
		if err := tx.InsertMany(ctx, part.table, part.cols, part.rows); err != nil {
			return fmt.Errorf("register: import into %s: %w", part.table, err)
		}
	}
	return nil
}

func parseLayout(layout, s string) (time.Time, error) { return time.Parse(layout, s) }
