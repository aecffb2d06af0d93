package matter

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"plumbline/internal/access"
	"plumbline/internal/fault"
	"plumbline/internal/pack"
	"plumbline/internal/ref"
	"plumbline/internal/register"
	"plumbline/internal/store"
)

// Recusal where matters are routed and given: package access says who is kept away from a matter by whom it names; here
// that is asked of everybody it could touch, so that no matter is laid on a desk at which nobody is left.

// away loads whom the officials named keep away, and the desks all of whose members they keep away.
func (e *Engine) away(ctx context.Context, tx *store.Tx, w *World, named []ref.OfficialID, day string) error {
	w.Away, w.Empty = nil, nil
	named = slices.DeleteFunc(slices.Clone(named), func(o ref.OfficialID) bool { return o == 0 })
	if len(named) == 0 {
		return nil
	}
	who, err := register.Candidates(ctx, tx, named)
	if err != nil || len(who) == 0 {
		return err
	}
	people, err := register.People(ctx, tx, who, day)
	if err != nil {
		return err
	}
	f := access.Facts{Named: named}
	if f.Posts, err = register.PostsOf(ctx, tx, named); err != nil {
		return err
	}
	rules := access.RecusalOn(e.packs.Active(), day)
	w.Away = map[ref.AccountID]access.Reason{}
	for account, official := range who {
		v := access.Viewer{Account: account, Official: official}.WithPerson(people[account], rules)
		if bar, barred := access.Recused(v, f); barred {
			w.Away[account] = bar.Reason
		}
	}
	if len(w.Away) == 0 {
		return nil
	}
	w.Empty, err = emptyDesks(ctx, tx, w.Away, day)
	return err
}

// emptyDesks returns the desks that somebody holds, and nobody but people who are kept away.
func emptyDesks(ctx context.Context, tx *store.Tx, away map[ref.AccountID]access.Reason, day string) (map[Desk]bool, error) {
	args := []any{day}
	var marks []string
	for account := range away {
		args = append(args, int64(account))
		marks = append(marks, "$"+strconv.Itoa(len(args)))
	}
	const today = `valid_from <= $1 AND (%[1]s.valid_to = '' OR %[1]s.valid_to > $1)`
	found, err := tx.Query(ctx, `SELECT g.duty, g.body, g.account FROM grant_duty g JOIN account a ON a.id = g.account
		WHERE a.active = 1 AND g.`+fmt.Sprintf(today, "g")+` AND EXISTS (SELECT 1 FROM grant_duty h WHERE h.duty = g.duty AND h.body = g.body
		AND h.account IN (`+strings.Join(marks, ", ")+`) AND h.`+fmt.Sprintf(today, "h")+`)`, args...)
	if err != nil {
		return nil, fmt.Errorf("matter: who is left at a desk: %w", err)
	}
	defer found.Close()
	empty := map[Desk]bool{}
	for found.Next() {
		var d Desk
		var account ref.AccountID
		if err := found.Scan(&d.Duty, &d.Body, &account); err != nil {
			return nil, fmt.Errorf("matter: who is left at a desk: %w", err)
		}
		_, kept := away[account]
		if was, there := empty[d]; there {
			kept = kept && was
		}
		empty[d] = kept
	}
	return empty, found.Err()
}

// facts is factsOf with what the register says of those the matter names.
func (e *Engine) facts(ctx context.Context, tx *store.Tx, s State, t *register.Tree) (access.Facts, error) {
	f := factsOf(s, t)
	var err error
	f.Posts, err = register.PostsOf(ctx, tx, f.Named)
	return f, err
}

// mayGet refuses to give a matter to somebody whom it keeps away. Why is between them and whoever they declared it to: the
// answer is the same for everybody it is refused for.
func mayGet(to access.Viewer, k *pack.Kind, f access.Facts, did []access.Did) error {
	if k.Inspects != nil && access.HadAHand(to.Account, did) {
		return fault.New(fault.Forbidden, "matter.assign-hand", nil)
	}
	if access.MayHandle(to, k, f, did) != nil {
		return fault.New(fault.Forbidden, "matter.assign-named", nil)
	}
	return nil
}

// MayBeGiven reports whether a matter may be given to somebody, as far as it is about who they are.
func MayBeGiven(to access.Viewer, k *pack.Kind, s State, f access.Facts) bool {
	return mayGet(to, k, f, didOf(s)) == nil
}

// MayAct is access.MayAct for a matter already loaded.
func MayAct(v access.Viewer, k *pack.Kind, a *pack.Action, s State, f access.Facts) error {
	_, err := access.MayAct(v, k, a, f, didOf(s))
	return err
}

// nobodyAt reports whether the desk that the matter goes to has members at a body, and all of them are kept away.
func (d *deciding) nobodyAt(body ref.BodyID) bool { return d.Empty[Desk{d.nextDuty(), body}] }

// nextDuty is the duty the matter lies with after the step, where it sits at the matter's own body.
func (d *deciding) nextDuty() string {
	to := d.s.Matter.State
	if d.Action != nil && d.Action.To != "" {
		to = d.Action.To
	}
	if st := d.Kind.State(to); st != nil && st.Desk != "" {
		if st.Of == pack.OfSuperior {
			return ""
		}
		return st.Desk
	}
	return d.s.Matter.Desk
}

// release takes the matter from people who are kept away now.
func (d *deciding) release() {
	for _, a := range slices.Clone(d.s.Assigned) {
		if _, kept := d.Away[a.Account]; kept {
			d.add(&Set{Account: a.Account, Duty: a.Duty, Gone: true})
		}
	}
}
