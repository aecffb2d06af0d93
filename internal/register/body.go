package register

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"time"

	"plumbline/internal/fault"
	"plumbline/internal/journal"
	"plumbline/internal/ref"
	"plumbline/internal/store"
)

// By says who changes the register, how, and when.
type By struct {
	Actor journal.Actor
	Via   journal.Via
	At    time.Time
	Pack  string // the rules in force, if any matter
}

var codePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9._/-]{0,79}$`)

// AddBody enters a new body and returns it. Its id is given by the caller; its code must be new.
func AddBody(ctx context.Context, tx *store.Tx, by By, b Body) (Body, error) {
	if err := checkBody(b); err != nil {
		return Body{}, err
	}
	var taken int64
	if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM body WHERE code = $1`, b.Code).Scan(&taken); err != nil {
		return Body{}, fmt.Errorf("register: add body %s: %w", b.Code, err)
	}
	if taken > 0 {
		return Body{}, fault.InvalidFields([]fault.Field{{Name: "code", Key: "register.code-taken", Args: fault.Args{"code": b.Code}}})
	}
	if b.Parent != 0 {
		if _, err := BodyByID(ctx, tx, b.Parent); err != nil {
			return Body{}, err
		}
	}
	e, added, err := bodyEntry(by, b)
	if err != nil {
		return Body{}, err
	}
	if err := journal.Append(ctx, tx, e); err != nil {
		return Body{}, err
	}
	if err := saveBody(ctx, tx, Body{}, added); err != nil {
		return Body{}, err
	}
	if _, err := tx.Exec(ctx, placeSQL, int64(b.ID), int64(b.Parent)); err != nil {
		return Body{}, fmt.Errorf("register: place body %s: %w", b.Code, err)
	}
	return added, touch(ctx, tx)
}

const placeSQL = `INSERT INTO body_above (body, above, depth)
	SELECT CAST($1 AS BIGINT), above, depth + 1 FROM body_above WHERE body = $2
	UNION ALL SELECT CAST($1 AS BIGINT), CAST($1 AS BIGINT), 0`

func checkBody(b Body) error {
	var wrong []fault.Field
	if b.ID <= 0 {
		return errors.New("register: a body needs an id")
	}
	if !codePattern.MatchString(b.Code) {
		wrong = append(wrong, fault.Field{Name: "code", Key: "register.code-form", Args: fault.Args{"code": b.Code}})
	}
	if len(b.Names) == 0 {
		wrong = append(wrong, fault.Field{Name: "name", Key: "field.required"})
	}
	if b.Level == "" {
		wrong = append(wrong, fault.Field{Name: "level", Key: "field.required"})
	}
	return fault.InvalidFields(wrong)
}

// bodyEntry is the entry by which a body begins, and the body it makes.
func bodyEntry(by By, b Body) (journal.Entry, Body, error) {
	changes := []Change{{Op: opBody, Code: b.Code, Parent: b.Parent, Level: b.Level, Sector: b.Sector, From: b.From, To: b.To, Source: b.Source}}
	for _, n := range b.Names {
		changes = append(changes, Change{Op: opName, Lang: n.Lang, Name: n.Name, From: n.From, To: n.To})
	}
	e, err := by.entry(b.ID.Stream(), 1, "register.add", changes)
	if err != nil {
		return e, b, err
	}
	added, err := FoldBody(Body{ID: b.ID}, e)
	return e, added, err
}

// RenameBody gives a body another name in a language from a day on.
func RenameBody(ctx context.Context, tx *store.Tx, by By, id ref.BodyID, lang, name, from string) (Body, error) {
	if name == "" {
		return Body{}, fault.InvalidFields([]fault.Field{{Name: "name", Key: "field.required"}})
	}
	return changeBody(ctx, tx, by, id, "register.rename", Change{Op: opName, Lang: lang, Name: name, From: from})
}

// CloseBody ends a body on a day. What happened to it stays; nothing new is routed to it.
func CloseBody(ctx context.Context, tx *store.Tx, by By, id ref.BodyID, to string) (Body, error) {
	return changeBody(ctx, tx, by, id, "register.close", Change{Op: opClose, To: to})
}

// MoveBody puts a body, with everything below it, below another one (0: to the top).
func MoveBody(ctx context.Context, tx *store.Tx, by By, id, parent ref.BodyID) (Body, error) {
	if err := outside(ctx, tx, parent, id); err != nil {
		return Body{}, err
	}
	b, err := changeBody(ctx, tx, by, id, "register.move", Change{Op: opMove, Parent: parent})
	if err != nil {
		return b, err
	}
	return b, move(ctx, tx, id, parent)
}

// MergeBody lets another body carry on for a body from the day after to. It takes its place below that body, so that
// who sees the one sees the other and figures add up there.
func MergeBody(ctx context.Context, tx *store.Tx, by By, id, into ref.BodyID, to string) (Body, error) {
	if err := outside(ctx, tx, into, id); err != nil {
		return Body{}, err
	}
	b, err := changeBody(ctx, tx, by, id, "register.merge", Change{Op: opMerge, Into: into}, Change{Op: opClose, To: to})
	if err != nil {
		return b, err
	}
	return b, move(ctx, tx, id, into)
}

// outside refuses a place inside the very subtree that is to be put there.
func outside(ctx context.Context, tx *store.Tx, place, moved ref.BodyID) error {
	if place == 0 {
		return nil
	}
	above, err := Above(ctx, tx, place)
	if err != nil {
		return err
	}
	if len(above) == 0 {
		return noBody(place.String())
	}
	for _, a := range above {
		if a == moved {
			return fault.New(fault.Invalid, "register.loop", nil)
		}
	}
	return nil
}

const (
	uprootSQL = `DELETE FROM body_above
		WHERE body IN (SELECT body FROM body_above WHERE above = $1)
		AND above NOT IN (SELECT body FROM body_above WHERE above = $1)`
	replantSQL = `INSERT INTO body_above (body, above, depth)
		SELECT s.body, p.above, s.depth + p.depth + 1 FROM body_above s, body_above p WHERE s.above = $1 AND p.body = $2`
)

func move(ctx context.Context, tx *store.Tx, id, parent ref.BodyID) error {
	if _, err := tx.Exec(ctx, uprootSQL, int64(id)); err != nil {
		return fmt.Errorf("register: move body %d: %w", id, err)
	}
	if _, err := tx.Exec(ctx, replantSQL, int64(id), int64(parent)); err != nil {
		return fmt.Errorf("register: move body %d: %w", id, err)
	}
	return nil
}

func changeBody(ctx context.Context, tx *store.Tx, by By, id ref.BodyID, action string, changes ...Change) (Body, error) {
	old, err := BodyByID(ctx, tx, id)
	if err != nil {
		return Body{}, err
	}
	e, err := by.entry(id.Stream(), old.N+1, action, changes)
	if err != nil {
		return Body{}, err
	}
	now, err := FoldBody(old, e)
	if err != nil {
		return Body{}, err
	}
	if err := journal.Append(ctx, tx, e); err != nil {
		return Body{}, err
	}
	if err := saveBody(ctx, tx, old, now); err != nil {
		return Body{}, err
	}
	return now, touch(ctx, tx)
}

func saveBody(ctx context.Context, tx *store.Tx, old, now Body) error {
	var was []Body
	if old.ID != 0 {
		was = []Body{old}
	}
	if err := bodies.Save(ctx, tx, int64(now.ID), was, []Body{now}); err != nil {
		return fmt.Errorf("register: %w", err)
	}
	if err := bodyNames.Save(ctx, tx, int64(now.ID), old.Names, now.Names); err != nil {
		return fmt.Errorf("register: %w", err)
	}
	return nil
}

// touch tells every holder of a Tree that it is out of date.
func touch(ctx context.Context, tx *store.Tx) error {
	if _, err := tx.Exec(ctx, `UPDATE register_version SET version = $1 WHERE id = 1`, rand.Int64()); err != nil {
		return fmt.Errorf("register: version: %w", err)
	}
	return nil
}

// BodyByID returns a body as it stands; one that was merged is returned itself, with MergedInto set.
func BodyByID(ctx context.Context, tx *store.Tx, id ref.BodyID) (Body, error) {
	found, err := bodies.Load(ctx, tx, int64(id))
	if err != nil {
		return Body{}, err
	}
	if len(found) == 0 {
		return Body{}, noBody(id.String())
	}
	b := found[0]
	b.Names, err = bodyNames.Load(ctx, tx, int64(id))
	return b, err
}

// BodyByCode returns the body with a code, following mergers.
func BodyByCode(ctx context.Context, tx *store.Tx, code string) (Body, error) {
	var id ref.BodyID
	err := tx.QueryRow(ctx, `SELECT id FROM body WHERE code = $1`, code).Scan(&id)
	if errors.Is(err, store.ErrNotFound) {
		return Body{}, noBody(code)
	}
	if err != nil {
		return Body{}, fmt.Errorf("register: body %s: %w", code, err)
	}
	b, err := BodyByID(ctx, tx, id)
	for err == nil && b.MergedInto != 0 {
		b, err = BodyByID(ctx, tx, b.MergedInto)
	}
	return b, err
}

// Children returns the bodies directly below one (0: the tops), by code.
func Children(ctx context.Context, tx *store.Tx, id ref.BodyID) ([]Body, error) {
	found, err := tx.Query(ctx, `SELECT id FROM body WHERE parent = $1 ORDER BY code`, int64(id))
	if err != nil {
		return nil, fmt.Errorf("register: children: %w", err)
	}
	ids, err := store.Collect(found, func(r *store.Rows) (id ref.BodyID, err error) { return id, r.Scan(&id) })
	if err != nil {
		return nil, fmt.Errorf("register: children: %w", err)
	}
	out := make([]Body, 0, len(ids))
	for _, id := range ids {
		b, err := BodyByID(ctx, tx, id)
		if err != nil {
			return nil, err
		}
		out = append(out, b)
	}
	return out, nil
}

// Above returns id and every body above it, nearest first.
func Above(ctx context.Context, tx *store.Tx, id ref.BodyID) ([]ref.BodyID, error) {
	found, err := tx.Query(ctx, `SELECT above FROM body_above WHERE body = $1 ORDER BY depth`, int64(id))
	if err != nil {
		return nil, fmt.Errorf("register: above %d: %w", id, err)
	}
	return store.Collect(found, func(r *store.Rows) (id ref.BodyID, err error) { return id, r.Scan(&id) })
}

// entry makes an entry of changes.
func (by By) entry(stream string, n int64, action string, changes []Change) (journal.Entry, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(changes); err != nil {
		return journal.Entry{}, fmt.Errorf("register: %s: %w", stream, err)
	}
	return journal.Entry{V: 1, Stream: stream, N: n, At: by.At, By: by.Actor, Via: by.Via, Pack: by.Pack, Action: action,
		Changes: bytes.TrimSpace(b.Bytes())}, nil
}
