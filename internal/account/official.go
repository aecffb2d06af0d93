package account

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"plumbline/internal/access"
	"plumbline/internal/fault"
	"plumbline/internal/journal"
	"plumbline/internal/ref"
	"plumbline/internal/store"
)

// AskedOfficial is who an administrator wants an account to be in the register, where a second person has to agree.
//
// Whom a matter is kept away from follows from it, and so do which accounts are one person. Cutting the tie would let
// somebody see the matter that names them; a false one would take an honest colleague off a matter. So one person alone
// sets it only while nothing rests on it: before the account holds any duty, or is to hold one. Whoever then agrees to the
// duty sees who the account is said to be.
type AskedOfficial struct {
	Official ref.OfficialID `db:"official,key"` // 0: nobody in the register
	By       ref.AccountID  `db:"asked_by"`
	N        int64          `db:"n"` // entry that asked for it
}

// isRelied reports whether matters or other accounts rest on who the account is.
func (s *Accounts) isRelied(st State) bool {
	today := s.Today()
	return len(st.Asked) > 0 || slices.ContainsFunc(st.Grants, func(g Grant) bool { return !g.Ended(today) })
}

// askOfficial asks for what a second person has to agree to.
func (s *Accounts) askOfficial(ctx context.Context, tx *store.Tx, by By, st State, official ref.OfficialID) error {
	if len(st.AskedOfficial) > 0 {
		return fault.New(fault.Conflict, "account.official-asked-already", fault.Args{"name": st.Account.Name})
	}
	_, err := s.append(ctx, tx, by, st, ActionAskOfficial, nil, change{Official: official})
	return err
}

// SetOfficial says who an account is in the register; 0: nobody.
func (s *Accounts) SetOfficial(ctx context.Context, tx *store.Tx, by By, id ref.AccountID, official ref.OfficialID) error {
	st, err := s.Load(ctx, tx, id)
	if err != nil {
		return err
	}
	return s.Change(ctx, tx, by, id, ChangeCmd{Name: st.Account.Name, Lang: st.Account.Lang, Official: official})
}

// ConfirmOfficial is the second person's agreement to who an account is.
func (s *Accounts) ConfirmOfficial(ctx context.Context, tx *store.Tx, by By, id ref.AccountID, official ref.OfficialID) error {
	st, a, err := s.officialAskedFor(ctx, tx, id, official)
	if err != nil {
		return err
	}
	if !by.system {
		if err := s.maySecondOfficial(ctx, tx, by.Viewer, st, a); err != nil {
			return err
		}
		if err := s.stillAsksOfficial(ctx, tx, st, a); err != nil {
			return err
		}
	}
	if err := s.onePerson(ctx, tx, id, official, st.Grants); err != nil {
		return err
	}
	_, err = s.append(ctx, tx, by, st, ActionOfficial, nil, change{Official: official})
	return err
}

// RefuseOfficial says no to it. Whoever asked may take it back in this way.
func (s *Accounts) RefuseOfficial(ctx context.Context, tx *store.Tx, by By, id ref.AccountID, official ref.OfficialID) error {
	st, a, err := s.officialAskedFor(ctx, tx, id, official)
	if err != nil {
		return err
	}
	if !by.system && by.Viewer.Account != a.By {
		if ok, err := s.besides(ctx, tx, by.Viewer, st); err != nil {
			return err
		} else if !ok {
			return fault.New(fault.Forbidden, "account.official-second-who", fault.Args{"name": st.Account.Name})
		}
	}
	_, err = s.append(ctx, tx, by, st, ActionRefuseOfficial, nil, change{Official: official})
	return err
}

func (s *Accounts) officialAskedFor(ctx context.Context, tx *store.Tx, id ref.AccountID, official ref.OfficialID) (State, AskedOfficial, error) {
	st, err := s.Load(ctx, tx, id)
	if err != nil {
		return st, AskedOfficial{}, err
	}
	i := slices.IndexFunc(st.AskedOfficial, func(a AskedOfficial) bool { return a.Official == official })
	if i < 0 {
		return st, AskedOfficial{}, fault.New(fault.NotFound, "account.official-not-asked", nil)
	}
	return st, st.AskedOfficial[i], nil
}

// besides reports whether v administers the whole account or sits at one of its desks.
func (s *Accounts) besides(ctx context.Context, tx *store.Tx, v access.Viewer, st State) (bool, error) {
	if slices.ContainsFunc(v.Grants, func(g access.Grant) bool { return s.NeedsTwo(g.Duty) && st.holds(g.Duty, g.Body, s.Today()) }) {
		return true, nil
	}
	err := s.mayManage(ctx, tx, Person(v, journal.ViaWeb), st)
	if fault.Is(err, fault.Forbidden) {
		return false, nil
	}
	return err == nil, err
}

// maySecondOfficial reports whether v may agree to who an account is said to be: by the same rules as to a duty, and nobody who is
// that official.
func (s *Accounts) maySecondOfficial(ctx context.Context, tx *store.Tx, v access.Viewer, st State, a AskedOfficial) error {
	ok, err := s.besides(ctx, tx, v, st)
	switch {
	case err != nil:
		return err
	case v.Account == 0 || !ok:
		return fault.New(fault.Forbidden, "account.official-second-who", fault.Args{"name": st.Account.Name})
	case v.Account == st.Account.ID:
		return fault.New(fault.Forbidden, "account.self", nil)
	}
	if err := s.independent(ctx, tx, v, st.Account.ID, a.By); err != nil {
		return err
	}
	if isOfficial(v, a.Official) {
		return fault.New(fault.Forbidden, "account.self", nil)
	}
	return nil
}

func (s *Accounts) stillAsksOfficial(ctx context.Context, tx *store.Tx, st State, a AskedOfficial) error {
	asker, err := s.ViewerOf(ctx, tx, a.By)
	if err == nil {
		err = s.mayManage(ctx, tx, Person(asker, journal.ViaWeb), st)
	}
	if fault.Is(err, fault.NotFound) || fault.Is(err, fault.Forbidden) {
		return fault.New(fault.Conflict, "account.official-asker-gone", nil)
	}
	return err
}

func isOfficial(v access.Viewer, o ref.OfficialID) bool {
	return o != 0 && (v.Official == o || slices.Contains(v.Also, o))
}

// OnceWas reads from an account's history whom it was in the register until one person alone changed that. They go on
// counting as the same person: else an administrator could make two of one by taking the duties, the tie, and giving the duties again.
// What two persons or the operator said ends it.
func OnceWas(history []journal.Recorded) ([]ref.OfficialID, error) {
	var out []ref.OfficialID
	var now ref.OfficialID
	for _, e := range history {
		switch e.Action {
		case ActionCreate, ActionChange, ActionOfficial:
		default:
			continue
		}
		var c change
		if len(e.Changes) > 0 {
			if err := json.Unmarshal(e.Changes, &c); err != nil {
				return nil, fmt.Errorf("account: entry %s/%d: %w", e.Stream, e.N, err)
			}
		}
		switch {
		case e.Action == ActionOfficial:
			out = nil
		case c.Official == now:
		case e.By.Account == 0:
			out = nil
		case now != 0:
			out = append(out, now)
		}
		now = c.Official
	}
	return out, nil
}

// WaitingOfficial is an account whose entry in the register is to change, where a second person has to agree.
type WaitingOfficial struct {
	Account Account
	AskedOfficial
	Asker string // name of who asked
	Not   error  // why the viewer cannot agree; nil: they can
}

// WaitingOfficials lists what waits at accounts that v administers or sits at a desk with.
func (s *Accounts) WaitingOfficials(ctx context.Context, tx *store.Tx, v access.Viewer) ([]WaitingOfficial, error) {
	if len(v.Grants) == 0 {
		return nil, nil
	}
	ids, err := selected(ctx, tx, `SELECT DISTINCT account FROM official_asked ORDER BY account`)
	if err != nil {
		return nil, fmt.Errorf("officials that wait: %w", err)
	}
	var out []WaitingOfficial
	var askers []ref.AccountID
	for _, id := range ids {
		st, err := s.Load(ctx, tx, id)
		if err != nil {
			return nil, err
		}
		for _, a := range st.AskedOfficial {
			not := s.maySecondOfficial(ctx, tx, v, st, a)
			switch {
			case not != nil && !fault.Is(not, fault.Forbidden):
				return nil, not
			case not != nil && keyOf(not) == "account.official-second-who" && v.Account != a.By:
				continue
			}
			out, askers = append(out, WaitingOfficial{Account: st.Account, AskedOfficial: a, Not: not}), append(askers, a.By)
		}
	}
	names, err := s.Names(ctx, tx, askers)
	for i := range out {
		out[i].Asker = names[out[i].By]
	}
	return out, err
}

// OfficialIn returns who an entry said the account is in the register, or was to be, for those who tell its history.
func OfficialIn(e journal.Entry) (ref.OfficialID, bool) {
	switch e.Action {
	case ActionOfficial, ActionAskOfficial, ActionRefuseOfficial:
	default:
		return 0, false
	}
	var c change
	if json.Unmarshal(e.Changes, &c) != nil {
		return 0, false
	}
	return c.Official, true
}
