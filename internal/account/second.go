package account

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"plumbline/internal/access"
	"plumbline/internal/fault"
	"plumbline/internal/journal"
	"plumbline/internal/ref"
	"plumbline/internal/store"
)

// Asked is a duty that an administrator wants to give and that a second person has to agree to.
type Asked struct {
	Duty string        `db:"duty,key"`
	Body ref.BodyID    `db:"body,key"`
	From string        `db:"valid_from,key"`
	To   string        `db:"valid_to"`
	By   ref.AccountID `db:"asked_by"`
	N    int64         `db:"n"` // entry that asked for it
}

// settle removes what was asked for.
func (s *State) settle(duty string, body ref.BodyID, from string) bool {
	i := s.findAsked(duty, body, from)
	if i < 0 {
		return false
	}
	s.Asked = slices.Delete(s.Asked, i, i+1)
	return true
}

func (s State) findAsked(duty string, body ref.BodyID, from string) int {
	return slices.IndexFunc(s.Asked, func(a Asked) bool { return a.Duty == duty && a.Body == body && a.From == from })
}

// holds reports whether the duty is held at the body on the day.
func (s State) holds(duty string, body ref.BodyID, day string) bool {
	return slices.ContainsFunc(s.Grants, func(g Grant) bool { return g.Duty == duty && g.Body == body && g.On(day) })
}

// NeedsTwo reports whether a duty opens content, so that one administrator alone cannot give it.
func (s *Accounts) NeedsTwo(duty string) bool {
	d, ok := s.packs.Duty(duty)
	return !ok || d.Sees != access.SeesNone || d.Custodian
}

// AskedCmd names what was asked for.
type AskedCmd struct {
	Account ref.AccountID
	Duty    string
	Body    ref.BodyID
	From    string // as it was asked for
}

// Confirm is the second person's agreement: the duty is held from now on, never from before.
func (s *Accounts) Confirm(ctx context.Context, tx *store.Tx, by By, cmd AskedCmd) error {
	st, a, err := s.askedFor(ctx, tx, cmd)
	if err != nil {
		return err
	}
	if st.Account.Active == 0 {
		return fault.New(fault.Conflict, "account.inactive", fault.Args{"name": st.Account.Name})
	}
	if !by.system {
		if err := s.MaySecond(ctx, tx, by.Viewer, st.Account.ID, a); err != nil {
			return err
		}
		if err := s.stillAsks(ctx, tx, a); err != nil {
			return err
		}
	}
	g := Grant{Duty: a.Duty, Body: a.Body, From: max(a.From, s.Today()), To: a.To}
	if g.Ended(g.From) {
		return fault.New(fault.Conflict, "account.asked-over", fault.Args{"name": st.Account.Name})
	}
	for _, old := range st.Grants {
		if old.Duty == g.Duty && old.Body == g.Body && old.overlaps(g) {
			return fault.New(fault.Conflict, "account.granted-already", fault.Args{"name": st.Account.Name, "duty": g.Duty})
		}
	}
	theirs, err := s.grantsOfPerson(ctx, tx, st)
	if err != nil {
		return err
	}
	if err := s.excluded(theirs, g, st.Account.Name); err != nil {
		return err
	}
	_, err = s.append(ctx, tx, by, st, ActionGrant, map[string]any{"duty": g.Duty},
		change{Duty: g.Duty, Body: g.Body, From: g.From, To: g.To, Asked: a.From})
	if err != nil {
		return err
	}
	return s.join(ctx, tx, by, st.Account, g)
}

// stillAsks refuses what somebody asked for who no longer administers the body: two who may make a duty held, not one.
func (s *Accounts) stillAsks(ctx context.Context, tx *store.Tx, a Asked) error {
	gone := fault.New(fault.Conflict, "account.asker-gone", nil)
	asker, err := s.ViewerOf(ctx, tx, a.By)
	if fault.Is(err, fault.NotFound) {
		return gone
	}
	if err != nil {
		return err
	}
	above, err := bodyAbove(ctx, tx, a.Body)
	if err == nil && !access.MayAdmin(asker, above) {
		return gone
	}
	return err
}

// Refuse says no to what was asked for. Whoever asked may take it back in this way, as may every administrator of the body.
func (s *Accounts) Refuse(ctx context.Context, tx *store.Tx, by By, cmd AskedCmd) error {
	st, a, err := s.askedFor(ctx, tx, cmd)
	if err != nil {
		return err
	}
	if !by.system && by.Viewer.Account != a.By {
		above, err := bodyAbove(ctx, tx, a.Body)
		if err != nil {
			return err
		}
		if !access.MayAdmin(by.Viewer, above) && !onDesk(by.Viewer, a) {
			return fault.New(fault.Forbidden, "account.second-who", fault.Args{"duty": a.Duty, "body": a.Body})
		}
	}
	_, err = s.append(ctx, tx, by, st, ActionRefuse, map[string]any{"duty": a.Duty}, change{Duty: a.Duty, Body: a.Body, From: a.From, To: a.To})
	return err
}

func (s *Accounts) askedFor(ctx context.Context, tx *store.Tx, cmd AskedCmd) (State, Asked, error) {
	st, err := s.Load(ctx, tx, cmd.Account)
	if err != nil {
		return st, Asked{}, err
	}
	i := st.findAsked(cmd.Duty, cmd.Body, cmd.From)
	if i < 0 {
		return st, Asked{}, fault.New(fault.NotFound, "account.not-asked", nil)
	}
	return st, st.Asked[i], nil
}

func onDesk(v access.Viewer, a Asked) bool {
	return slices.ContainsFunc(v.Grants, func(g access.Grant) bool { return g.Duty == a.Duty && g.Body == a.Body })
}

// MaySecond reports whether v may agree to what was asked for an account: another administrator over the body, or
// somebody who is at that desk already; not the person themselves, not who asked, and nobody whose account who asked has had a hand in.
func (s *Accounts) MaySecond(ctx context.Context, tx *store.Tx, v access.Viewer, id ref.AccountID, a Asked) error {
	above, err := bodyAbove(ctx, tx, a.Body)
	if err != nil {
		return err
	}
	switch {
	case v.Account == 0 || !access.MayAdmin(v, above) && !onDesk(v, a):
		return fault.New(fault.Forbidden, "account.second-who", fault.Args{"duty": a.Duty, "body": a.Body})
	case v.Account == id:
		return fault.New(fault.Forbidden, "account.self", nil)
	}
	return s.independent(ctx, tx, v, id, a.By)
}

// independent refuses who is no second person to what somebody asked for an account.
func (s *Accounts) independent(ctx context.Context, tx *store.Tx, v access.Viewer, id, asker ref.AccountID) error {
	if v.Account == asker {
		return fault.New(fault.Forbidden, "account.second-asked", nil)
	}
	tied, err := s.tied(ctx, tx, v.Account, asker)
	if err != nil {
		return err
	}
	if tied {
		return fault.New(fault.Forbidden, "account.second-tied", nil)
	}
	// The person themselves may not agree by way of another account of theirs either.
	if tied, err = s.samePerson(ctx, tx, v, id); err != nil || tied {
		if err != nil {
			return err
		}
		return fault.New(fault.Forbidden, "account.self", nil)
	}
	return nil
}

func (s *Accounts) samePerson(ctx context.Context, tx *store.Tx, v access.Viewer, id ref.AccountID) (bool, error) {
	st, err := s.Load(ctx, tx, id)
	if err != nil || st.Account.Official == 0 {
		return false, err
	}
	return isOfficial(v, st.Account.Official), nil
}

// tied reports whether one person could stand behind two accounts, as far as the record shows: somebody made both, or
// gave both their way in, directly or through accounts of their making. What the operator of the machine hands out is
// nobody's.
func (s *Accounts) tied(ctx context.Context, tx *store.Tx, a, b ref.AccountID) (bool, error) {
	one, err := s.hands(ctx, tx, a)
	if err != nil {
		return false, err
	}
	other, err := s.hands(ctx, tx, b)
	if err != nil {
		return false, err
	}
	for id := range one {
		if other[id] {
			return true, nil
		}
	}
	return false, nil
}

// hands returns an account and all who could sign in with it, because it was they who made it or gave it its way in.
func (s *Accounts) hands(ctx context.Context, tx *store.Tx, id ref.AccountID) (map[ref.AccountID]bool, error) {
	out := map[ref.AccountID]bool{}
	todo := []ref.AccountID{id}
	for len(todo) > 0 {
		id := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if out[id] {
			continue
		}
		out[id] = true
		st, err := s.Load(ctx, tx, id)
		if err != nil {
			return nil, err
		}
		history, err := journal.Stream(ctx, tx, id.Stream())
		if err != nil {
			return nil, err
		}
		todo = append(todo, handsIn(id, history)...)
		persons, err := OnceWas(history)
		if err != nil {
			return nil, err
		}
		if st.Account.Official != 0 {
			persons = append(persons, st.Account.Official)
		}
		for _, p := range persons {
			same, err := sameOfficials(ctx, tx, p)
			if err != nil {
				return nil, err
			}
			for _, o := range same {
				theirs, err := accountsOf(ctx, tx, o)
				if err != nil {
					return nil, err
				}
				todo = append(todo, theirs...)
			}
		}
	}
	return out, nil
}

// handsIn reads from an account's history who else has held its way in since the operator last gave it out.
func handsIn(id ref.AccountID, history []journal.Recorded) (out []ref.AccountID) {
	for _, e := range history {
		switch e.Action {
		case ActionCreate, ActionPassword, ActionInvite, ActionReset, ActionFactor:
		default:
			continue
		}
		switch e.By.Account {
		case id:
		case 0:
			if e.Action == ActionPassword || e.Action == ActionInvite {
				out = nil
			}
		default:
			out = append(out, e.By.Account)
		}
	}
	return out
}

// WayIn returns the entry with which somebody else last gave out an account's way in; false: nobody did.
func WayIn(history []journal.Recorded) (journal.Entry, bool) {
	for _, e := range slices.Backward(history) {
		switch e.Action {
		case ActionPassword, ActionInvite, ActionReset, ActionFactor:
			if id, err := idOf(e.Stream); err == nil && e.By.Account != id {
				return e.Entry, true
			}
		}
	}
	return journal.Entry{}, false
}

// selected are the accounts that a query selects.
func selected(ctx context.Context, tx *store.Tx, query string) ([]ref.AccountID, error) {
	found, err := tx.Query(ctx, query)
	if err != nil {
		return nil, err
	}
	return store.Collect(found, func(r *store.Rows) (id ref.AccountID, err error) { return id, r.Scan(&id) })
}

// WaitingFor is a duty that waits for a second person.
type WaitingFor struct {
	Account Account
	Asked
	Asker string // name of who asked
	Not   error  // why the viewer cannot agree; nil: they can
}

// WaitingFor lists what waits at bodies that v administers or at desks that v is on, oldest first.
func (s *Accounts) WaitingFor(ctx context.Context, tx *store.Tx, v access.Viewer) ([]WaitingFor, error) {
	if len(v.Grants) == 0 {
		return nil, nil
	}
	ids, err := selected(ctx, tx, `SELECT DISTINCT account FROM grant_asked ORDER BY account`)
	if err != nil {
		return nil, fmt.Errorf("duties that wait: %w", err)
	}
	var out []WaitingFor
	for _, id := range ids {
		st, err := s.Load(ctx, tx, id)
		if err != nil {
			return nil, err
		}
		for _, a := range st.Asked {
			not := s.MaySecond(ctx, tx, v, id, a)
			switch {
			case not != nil && !fault.Is(not, fault.Forbidden):
				return nil, not
			case not != nil && keyOf(not) == "account.second-who" && v.Account != a.By:
				continue
			}
			out = append(out, WaitingFor{Account: st.Account, Asked: a, Not: not})
		}
	}
	askers := make([]ref.AccountID, len(out))
	for i, w := range out {
		askers[i] = w.By
	}
	names, err := s.Names(ctx, tx, askers)
	for i := range out {
		out[i].Asker = names[out[i].By]
	}
	return out, err
}

func keyOf(err error) string {
	var f *fault.Error
	if errors.As(err, &f) {
		return f.Key
	}
	return ""
}
