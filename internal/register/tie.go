package register

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"plumbline/internal/calendar"
	"plumbline/internal/fault"
	"plumbline/internal/journal"
	"plumbline/internal/ref"
	"plumbline/internal/rows"
	"plumbline/internal/store"
)

// A Tie is what somebody has declared of themselves and an official: that they are relatives, or that one has an interest
// in the other's affairs. It keeps each of them away from matters that name the other, whoever declared it.
type Tie struct {
	ID       int64          `db:"id,key"`
	Account  ref.AccountID  `db:"account"`    // who works here, or
	Official ref.OfficialID `db:"official"`   // who stands in the register: one of the two
	Other    ref.OfficialID `db:"other"`      // and to whom
	Kind     string         `db:"kind"`       // TieRelative or TieInterest
	From     string         `db:"valid_from"` // first day
	To       string         `db:"valid_to"`   // last day; empty: still
	N        int64          `db:"n"`
}

// Kinds of ties.
const (
	TieRelative = "relative" // by blood, marriage or household
	TieInterest = "interest" // money, a business, a lawsuit, friendship, enmity
)

// TieKinds are all kinds of ties there are.
var TieKinds = []string{TieRelative, TieInterest}

// What entries on a tie's stream can be.
const (
	ActionDeclare = "tie.declare"
	ActionTieEnd  = "tie.end"
)

var ties = rows.Of[Tie]("tie", "")

// Stream is where the entries of a tie stand.
func (t Tie) Stream() string { return "tie/" + strconv.FormatInt(t.ID, 10) }

// tieChange is what an entry changes, as it stands in Entry.Changes.
type tieChange struct {
	Account  ref.AccountID  `json:"account,omitempty,string"`
	Official ref.OfficialID `json:"official,omitempty,string"`
	Other    ref.OfficialID `json:"other,omitempty,string"`
	Kind     string         `json:"kind,omitempty"`
	From     string         `json:"from,omitempty"`
	To       string         `json:"to,omitempty"`
}

// FoldTie applies an entry to a tie. It is pure.
func FoldTie(t Tie, e journal.Entry) (Tie, error) {
	var c tieChange
	dec := json.NewDecoder(strings.NewReader(string(e.Changes)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&c); err != nil {
		return t, fmt.Errorf("register: entry %s/%d: changes: %w", e.Stream, e.N, err)
	}
	switch e.Action {
	case ActionDeclare:
		t.Account, t.Official, t.Other, t.Kind, t.From, t.To = c.Account, c.Official, c.Other, c.Kind, c.From, c.To
	case ActionTieEnd:
		t.To = c.To
	default:
		return t, fmt.Errorf("register: entry %s/%d: unknown action %q", e.Stream, e.N, e.Action)
	}
	t.N = e.N
	return t, nil
}

// Declare enters a tie. Its id is given by the caller.
func Declare(ctx context.Context, tx *store.Tx, by By, t Tie) (Tie, error) {
	if err := checkTie(ctx, tx, by, &t); err != nil {
		return Tie{}, err
	}
	return recordTie(ctx, tx, by, Tie{ID: t.ID}, ActionDeclare,
		tieChange{Account: t.Account, Official: t.Official, Other: t.Other, Kind: t.Kind, From: t.From, To: t.To})
}

func checkTie(ctx context.Context, tx *store.Tx, by By, t *Tie) error {
	if t.ID <= 0 || (t.Account == 0) == (t.Official == 0) {
		return fault.New(fault.Internal, "fault.internal", nil) // a mistake of the caller
	}
	if t.From == "" {
		t.From = by.At.UTC().Format("2006-01-02")
	}
	var wrong []fault.Field
	if !slices.Contains(TieKinds, t.Kind) {
		wrong = append(wrong, fault.Field{Name: "kind", Key: "register.tie-kind"})
	}
	if d, err := calendar.ParseDate(t.From); err != nil || !d.Exact() {
		wrong = append(wrong, fault.Field{Name: "from", Key: "field.date"})
	}
	other, err := OfficialByID(ctx, tx, t.Other)
	switch {
	case fault.Is(err, fault.NotFound):
		wrong = append(wrong, fault.Field{Name: "other", Key: "field.no-official"})
	case err != nil:
		return err
	case other.ID == t.Official:
		wrong = append(wrong, fault.Field{Name: "other", Key: "register.tie-self"})
	}
	if t.Official != 0 {
		if _, err := OfficialByID(ctx, tx, t.Official); err != nil {
			return err
		}
	}
	if len(wrong) > 0 {
		return fault.InvalidFields(wrong)
	}
	held, err := TiesOf(ctx, tx, t.Account, t.Official)
	if err != nil {
		return err
	}
	for _, h := range held {
		if h.To == "" && h.Kind == t.Kind && h.Other == t.Other && h.Account == t.Account && h.Official == t.Official {
			return fault.InvalidFields([]fault.Field{{Name: "other", Key: "register.tie-known"}})
		}
	}
	return nil
}

// EndTie sets the last day of a tie. What was declared stays in the record.
func EndTie(ctx context.Context, tx *store.Tx, by By, id int64, to string) (Tie, error) {
	t, err := TieByID(ctx, tx, id)
	if err != nil {
		return Tie{}, err
	}
	if t.To != "" {
		return Tie{}, fault.New(fault.Conflict, "register.tie-ended", nil)
	}
	if d, err := calendar.ParseDate(to); err != nil || !d.Exact() || to < t.From {
		return Tie{}, fault.InvalidFields([]fault.Field{{Name: "to", Key: "field.date"}})
	}
	return recordTie(ctx, tx, by, t, ActionTieEnd, tieChange{To: to})
}

func recordTie(ctx context.Context, tx *store.Tx, by By, old Tie, action string, c tieChange) (Tie, error) {
	raw, err := json.Marshal(c)
	if err != nil {
		return Tie{}, fmt.Errorf("register: tie: %w", err)
	}
	e := journal.Entry{V: 1, Stream: old.Stream(), N: old.N + 1, At: by.At, By: by.Actor, Via: by.Via, Pack: by.Pack, Action: action, Changes: raw}
	now, err := FoldTie(old, e)
	if err != nil {
		return Tie{}, err
	}
	if err := journal.Append(ctx, tx, e); err != nil {
		return Tie{}, err
	}
	var was []Tie
	if old.N > 0 {
		was = []Tie{old}
	}
	if err := ties.Save(ctx, tx, now.ID, was, []Tie{now}); err != nil {
		return Tie{}, fmt.Errorf("register: %w", err)
	}
	return now, nil
}

// TieByID returns a tie.
func TieByID(ctx context.Context, tx *store.Tx, id int64) (Tie, error) {
	found, err := ties.Load(ctx, tx, id)
	if err != nil {
		return Tie{}, err
	}
	if len(found) == 0 {
		return Tie{}, fault.New(fault.NotFound, "register.no-tie", nil)
	}
	return found[0], nil
}

// TiesOf returns what an account or an official has declared, past ties too, the oldest first.
func TiesOf(ctx context.Context, tx *store.Tx, account ref.AccountID, official ref.OfficialID) ([]Tie, error) {
	query, arg := `SELECT id FROM tie WHERE account = $1 AND account <> 0 ORDER BY id`, int64(account)
	if account == 0 {
		query, arg = `SELECT id FROM tie WHERE official <> 0 AND official = $1 OR other = $1 ORDER BY id`, int64(official)
	}
	found, err := tx.Query(ctx, query, arg)
	if err != nil {
		return nil, fmt.Errorf("register: ties: %w", err)
	}
	ids, err := store.Collect(found, func(r *store.Rows) (id int64, err error) { return id, r.Scan(&id) })
	if err != nil {
		return nil, fmt.Errorf("register: ties: %w", err)
	}
	all, err := ties.LoadMany(ctx, tx, ids)
	if err != nil {
		return nil, err
	}
	out := make([]Tie, 0, len(ids))
	for _, id := range ids {
		out = append(out, all[id]...)
	}
	return out, nil
}

// TieFolder refolds the streams of ties and compares them with the table (see matter.Verify).
type TieFolder struct{}

// Thing is the first part of the streams it knows.
func (TieFolder) Thing() string { return "tie" }

// Check compares some ties, by what follows the slash.
func (TieFolder) Check(ctx context.Context, tx *store.Tx, streams map[string][]journal.Entry) ([]rows.Difference, error) {
	ids, out := idsOf("tie", streams)
	got, err := ties.LoadMany(ctx, tx, ids)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		want := Tie{ID: id}
		for _, e := range streams[strconv.FormatInt(id, 10)] {
			if want, err = FoldTie(want, e); err != nil {
				out = append(out, unreadable(e, err))
			}
		}
		out = append(out, ties.Diff(id, []Tie{want}, got[id])...)
	}
	return out, nil
}

// Strays finds rows no entry made.
func (TieFolder) Strays(ctx context.Context, tx *store.Tx, limit int) ([]rows.Difference, error) {
	return ties.Strays(ctx, tx, "tie", limit)
}
