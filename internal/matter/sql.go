package matter

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"plumbline/internal/journal"
	"plumbline/internal/ref"
	"plumbline/internal/rows"
	"plumbline/internal/store"
)

type rawMessage = json.RawMessage

// The tables of a matter: what Fold makes is what they hold, column by column.
var (
	matters     = rows.Of[Row]("matter", "")
	allegations = rows.Of[Allegation]("allegation", "matter")
	parties     = rows.Of[Party]("party", "matter")
	clocks      = rows.Of[Clock]("clock", "matter")
	links       = rows.Of[Link]("link", "matter")
	dids        = rows.Of[Did]("did", "matter")
	assigned    = rows.Of[Assigned]("assigned", "matter")
)

// save makes the tables go from one state to the next.
func save(ctx context.Context, tx *store.Tx, old, now State) error {
	id := int64(now.Matter.ID)
	var was []Row
	if old.Matter.ID != 0 && old.Matter.N > 0 {
		was = []Row{old.Matter}
	}
	for _, err := range []func() error{
		func() error { return matters.Save(ctx, tx, id, was, []Row{now.Matter}) },
		func() error { return allegations.Save(ctx, tx, id, old.Allegations, now.Allegations) },
		func() error { return parties.Save(ctx, tx, id, old.Parties, now.Parties) },
		func() error { return clocks.Save(ctx, tx, id, old.Clocks, now.Clocks) },
		func() error { return links.Save(ctx, tx, id, old.Links, now.Links) },
		func() error { return dids.Save(ctx, tx, id, old.Did, now.Did) },
		func() error { return assigned.Save(ctx, tx, id, old.Assigned, now.Assigned) },
	} {
		if err := err(); err != nil {
			return fmt.Errorf("matter %d: %w", id, err)
		}
	}
	return nil
}

// Load returns a matter by its id. Whether the reader may see it is for package access to say.
func (e *Engine) Load(ctx context.Context, tx *store.Tx, id ref.MatterID) (State, error) {
	return Load(ctx, tx, id)
}

// Load returns a matter by its id.
func Load(ctx context.Context, tx *store.Tx, id ref.MatterID) (State, error) {
	var s State
	found, err := matters.Load(ctx, tx, int64(id))
	if err != nil {
		return s, err
	}
	if len(found) == 0 {
		return s, notFound()
	}
	s.Matter = found[0]
	own := int64(id)
	if s.Allegations, err = allegations.Load(ctx, tx, own); err != nil {
		return s, err
	}
	if s.Parties, err = parties.Load(ctx, tx, own); err != nil {
		return s, err
	}
	if s.Clocks, err = clocks.Load(ctx, tx, own); err != nil {
		return s, err
	}
	if s.Links, err = links.Load(ctx, tx, own); err != nil {
		return s, err
	}
	if s.Did, err = dids.Load(ctx, tx, own); err != nil {
		return s, err
	}
	s.Assigned, err = assigned.Load(ctx, tx, own)
	return s, err
}

// LoadMany returns matters by id; those that are not there are left out.
func LoadMany(ctx context.Context, tx *store.Tx, ids []ref.MatterID) (map[ref.MatterID]State, error) {
	plain := make([]int64, len(ids))
	for i, id := range ids {
		plain[i] = int64(id)
	}
	t, err := loadRows(ctx, tx, plain)
	if err != nil {
		return nil, err
	}
	out := make(map[ref.MatterID]State, len(ids))
	for id := range t.matter {
		out[ref.MatterID(id)] = t.state(id)
	}
	return out, nil
}

// ByRef returns a matter by its reference.
func (e *Engine) ByRef(ctx context.Context, tx *store.Tx, r ref.Reference) (State, error) {
	return e.by(ctx, tx, `SELECT id FROM matter WHERE ref = $1`, string(r))
}

// ByChannel returns the matter whose reporter holds a receipt code.
func (e *Engine) ByChannel(ctx context.Context, tx *store.Tx, code ref.ReceiptCode) (State, error) {
	return e.by(ctx, tx, `SELECT id FROM matter WHERE channel = $1`, code.Hash())
}

func (e *Engine) by(ctx context.Context, tx *store.Tx, query string, arg any) (State, error) {
	var id ref.MatterID
	err := tx.QueryRow(ctx, query, arg).Scan(&id)
	if isMissing(err) {
		return State{}, notFound()
	}
	if err != nil {
		return State{}, fmt.Errorf("matter: find: %w", err)
	}
	return Load(ctx, tx, id)
}

// An Event is an entry of a matter with its consequences read.
type Event struct {
	journal.Recorded
	Consequences []Change
}

// History returns all entries of a matter, oldest first.
func (e *Engine) History(ctx context.Context, tx *store.Tx, id ref.MatterID) ([]Event, error) {
	entries, err := journal.Stream(ctx, tx, id.Stream())
	if err != nil {
		return nil, err
	}
	out := make([]Event, 0, len(entries))
	for _, r := range entries {
		c, err := Changes(r.Entry)
		if err != nil {
			return nil, err
		}
		out = append(out, Event{Recorded: r, Consequences: c})
	}
	return out, nil
}

func linked(ctx context.Context, tx *store.Tx, all []Link) (map[ref.MatterID]Row, error) {
	var ids []int64
	for _, l := range all {
		ids = append(ids, int64(l.Other))
	}
	found, err := matters.LoadMany(ctx, tx, ids)
	if err != nil {
		return nil, err
	}
	out := make(map[ref.MatterID]Row, len(found))
	for id, r := range found {
		out[ref.MatterID(id)] = r[0]
	}
	return out, nil
}

// rowsByRef finds matters by reference; those that are not there are left out.
func rowsByRef(ctx context.Context, tx *store.Tx, refs []ref.Reference) (map[ref.Reference]Row, error) {
	out := map[ref.Reference]Row{}
	for _, r := range refs {
		var id int64
		err := tx.QueryRow(ctx, `SELECT id FROM matter WHERE ref = $1`, string(r)).Scan(&id)
		if isMissing(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("matter: find %s: %w", r, err)
		}
		found, err := matters.Load(ctx, tx, id)
		if err != nil {
			return nil, err
		}
		out[r] = found[0]
	}
	return out, nil
}

// holdersOf returns the bodies at which an active account holds a duty on a day.
func holdersOf(ctx context.Context, tx *store.Tx, duty, day string) ([]ref.BodyID, error) {
	found, err := tx.Query(ctx, `SELECT DISTINCT g.body FROM grant_duty g JOIN account a ON a.id = g.account
		WHERE g.duty = $1 AND a.active = 1 AND g.valid_from <= $2 AND (g.valid_to = '' OR g.valid_to > $2)`, duty, day)
	if err != nil {
		return nil, fmt.Errorf("matter: who is %s: %w", duty, err)
	}
	out, err := store.Collect(found, func(r *store.Rows) (id ref.BodyID, err error) { return id, r.Scan(&id) })
	if out == nil {
		out = []ref.BodyID{}
	}
	return out, err
}

// colleague returns the duties an active account holds on a day.
func colleague(ctx context.Context, tx *store.Tx, id ref.AccountID, day string) (c Colleague, there bool, err error) {
	found, err := tx.Query(ctx, `SELECT a.official, COALESCE(g.duty, ''), COALESCE(g.body, 0) FROM account a
		LEFT JOIN grant_duty g ON g.account = a.id AND g.valid_from <= $2 AND (g.valid_to = '' OR g.valid_to > $2)
		WHERE a.id = $1 AND a.active = 1`, int64(id), day)
	if err != nil {
		return c, false, fmt.Errorf("matter: account %d: %w", id, err)
	}
	defer found.Close()
	for found.Next() {
		var d Desk
		if err := found.Scan(&c.Official, &d.Duty, &d.Body); err != nil {
			return c, false, fmt.Errorf("matter: account %d: %w", id, err)
		}
		c.Desks = append(c.Desks, d)
		there = true
	}
	return c, there, found.Err()
}

func encodeJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("matter: %w", err)
	}
	return bytes.TrimSpace(b.Bytes()), nil
}

// list is a comma-separated list of placeholders, from $first on.
func list(first, n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString("$" + strconv.Itoa(first+i))
	}
	return b.String()
}
