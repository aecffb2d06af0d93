package matter

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"plumbline/internal/journal"
	"plumbline/internal/pack"
	"plumbline/internal/ref"
	"plumbline/internal/store"
)

// ImportCmd is a matter as another system tells of it: history, taken over as it is. No procedure was followed here,
// and none is claimed: the state is pack.StateImported, and Source says where it came from.
type ImportCmd struct {
	ID                ref.MatterID
	Ref               ref.Reference
	Kind              string
	Pack              string // "name@version": whose catalogues the values are from
	Source, SourceKey string
	SourceStatus      string
	Received, Closed  string // ISO dates, perhaps of reduced precision
	Body, Concerned   ref.BodyID
	Subject           ref.OfficialID
	Title             string
	Allegations       []Allegation
	Parties           []Party // N is set here
	Data              map[string]any
}

// ImportEntry says what taking over cmd comes to. Without prev it opens the matter; with the matter as an earlier release
// told it, it records the differences, and changed is false when there are none.
func ImportEntry(prev *State, cmd ImportCmd, actor journal.Actor, now time.Time) (e journal.Entry, s State, changed bool, err error) {
	if prev != nil {
		s = prev.clone()
	} else {
		s.Matter.ID = cmd.ID
	}
	e = journal.Entry{V: 1, Stream: s.Matter.ID.Stream(), N: s.Matter.N + 1, At: now.UTC().Truncate(time.Microsecond), By: actor,
		Via: journal.ViaImport, Pack: cmd.Pack, Action: ActionImport}
	var changes []Change
	if prev == nil {
		changes = importOpen(cmd)
	} else {
		changes = importUpdate(s, cmd)
	}
	changes = append(changes, importRows(s, cmd)...)
	fields, kept, err := importData(s, cmd)
	if err != nil {
		return e, s, false, err
	}
	e.Fields = fields
	if kept != nil {
		changes = append(changes, kept)
	}
	if len(changes) == 0 {
		return e, s, false, nil
	}
	if e.Changes, err = encodeChanges(changes); err != nil {
		return e, s, false, err
	}
	s, err = fold(s, &e, changes)
	return e, s, err == nil, err
}

func importOpen(cmd ImportCmd) []Change {
	return []Change{&Opened{Ref: cmd.Ref, Kind: cmd.Kind, State: pack.StateImported, Final: true, Body: cmd.Body, DeskBody: cmd.Body,
		Concerned: cmd.Concerned, Subject: cmd.Subject, Received: cmd.Received, Title: cmd.Title, Source: cmd.Source,
		SourceKey: cmd.SourceKey, SourceStatus: cmd.SourceStatus, Closed: cmd.Closed, Ended: ActionImport}}
}

func importUpdate(s State, cmd ImportCmd) []Change {
	var out []Change
	m := s.Matter
	about, source := &About{}, &Sourced{}
	differ(&about.Concerned, m.Concerned, cmd.Concerned)
	differ(&about.Subject, m.Subject, cmd.Subject)
	differ(&about.Title, m.Title, cmd.Title)
	if about.Concerned != nil || about.Subject != nil || about.Title != nil {
		out = append(out, about)
	}
	differ(&source.Status, m.SourceStatus, cmd.SourceStatus)
	differ(&source.Received, m.Received, cmd.Received)
	differ(&source.Closed, m.Closed, cmd.Closed)
	if source.Status != nil || source.Received != nil || source.Closed != nil {
		out = append(out, source)
	}
	if m.Body != cmd.Body {
		out = append(out, &Passed{Body: cmd.Body, DeskBody: cmd.Body})
	}
	return out
}

func importRows(s State, cmd ImportCmd) []Change {
	var out []Change
	had := map[int64]Allegation{}
	for _, a := range s.Allegations {
		had[a.No] = a
	}
	for _, a := range cmd.Allegations {
		old, there := had[a.No]
		delete(had, a.No)
		if c := alleged(old, a); !there || !isNil(c) {
			out = append(out, c)
		}
	}
	for _, no := range slices.Sorted(maps.Keys(had)) {
		out = append(out, &Alleged{No: no, Gone: true})
	}
	parties := map[int64]Party{}
	for _, p := range s.Parties {
		parties[p.No] = p
	}
	for _, p := range cmd.Parties {
		old, there := parties[p.No]
		delete(parties, p.No)
		if c := joined(old, p); !there || c.Role != nil || c.Official != nil || c.Anonymous != nil || c.Data != nil {
			out = append(out, c)
		}
	}
	for _, no := range slices.Sorted(maps.Keys(parties)) {
		out = append(out, &Joined{No: no, Gone: true})
	}
	return out
}

func joined(old, now Party) *Joined {
	c := &Joined{No: now.No}
	differ(&c.Role, old.Role, now.Role)
	differ(&c.Official, old.Official, now.Official)
	differ(&c.Anonymous, old.Anonymous != 0, now.Anonymous != 0)
	if old.Data != now.Data {
		c.Data = rawData(now.Data)
	}
	return c
}

// importData compares the clear data: what is new or different becomes fields of the entry, what is gone is dropped.
func importData(s State, cmd ImportCmd) (map[string]any, *Kept, error) {
	old, err := s.Matter.Values()
	if err != nil {
		return nil, nil, err
	}
	fields, kept := map[string]any{}, &Kept{}
	for _, name := range slices.Sorted(maps.Keys(cmd.Data)) {
		if was, there := old[name]; !there || fmt.Sprint(was) != fmt.Sprint(cmd.Data[name]) {
			fields[name] = cmd.Data[name]
			kept.Keep = append(kept.Keep, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(old)) {
		if _, there := cmd.Data[name]; !there {
			kept.Drop = append(kept.Drop, name)
		}
	}
	if len(kept.Keep)+len(kept.Drop) == 0 {
		return nil, nil, nil
	}
	return fields, kept, nil
}

// Imported is an entry by ImportEntry with the states around it; Old is nil for a new matter.
type Imported struct {
	Entry journal.Entry
	Old   *State
	New   State
}

// SaveImported records a batch in one go: the entries, and the rows that follow from them.
func SaveImported(ctx context.Context, tx *store.Tx, batch []Imported) error {
	entries := make([]journal.Entry, len(batch))
	var b bulk
	for i := range batch {
		entries[i] = batch[i].Entry
		if batch[i].Old == nil {
			b.add(&batch[i].New)
		}
	}
	if err := journal.AppendMany(ctx, tx, entries); err != nil {
		return err
	}
	if err := b.insert(ctx, tx); err != nil {
		return err
	}
	for i := range batch {
		if batch[i].Old != nil {
			if err := save(ctx, tx, *batch[i].Old, batch[i].New); err != nil {
				return err
			}
		}
	}
	return nil
}

// bulk collects the rows of many new matters by table.
type bulk struct {
	matter, allegation, party, clock, link, did, assigned [][]any
}

func (b *bulk) add(s *State) {
	id := int64(s.Matter.ID)
	b.matter = append(b.matter, matters.Values(id, &s.Matter))
	for i := range s.Allegations {
		b.allegation = append(b.allegation, allegations.Values(id, &s.Allegations[i]))
	}
	for i := range s.Parties {
		b.party = append(b.party, parties.Values(id, &s.Parties[i]))
	}
	for i := range s.Clocks {
		b.clock = append(b.clock, clocks.Values(id, &s.Clocks[i]))
	}
	for i := range s.Links {
		b.link = append(b.link, links.Values(id, &s.Links[i]))
	}
	for i := range s.Did {
		b.did = append(b.did, dids.Values(id, &s.Did[i]))
	}
	for i := range s.Assigned {
		b.assigned = append(b.assigned, assigned.Values(id, &s.Assigned[i]))
	}
}

func (b *bulk) insert(ctx context.Context, tx *store.Tx) error {
	for _, part := range []struct {
		table string
		cols  []string
		rows  [][]any
	}{
		{matters.Name(), matters.Columns(), b.matter}, {allegations.Name(), allegations.Columns(), b.allegation},
		{parties.Name(), parties.Columns(), b.party}, {clocks.Name(), clocks.Columns(), b.clock},
		{links.Name(), links.Columns(), b.link}, {dids.Name(), dids.Columns(), b.did}, {assigned.Name(), assigned.Columns(), b.assigned},
	} {
		if len(part.rows) == 0 {
			continue
		}
		if err := tx.InsertMany(ctx, part.table, part.cols, part.rows); err != nil {
			return fmt.Errorf("matter: import into %s: %w", part.table, err)
		}
	}
	return nil
}
