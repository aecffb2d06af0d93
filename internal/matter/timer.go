package matter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"time"

	"plumbline/internal/fault"
	"plumbline/internal/journal"
	"plumbline/internal/ref"
	"plumbline/internal/store"
)

const lapsedSQL = `SELECT matter FROM clock WHERE (state = 'running' OR state = 'open') AND due < $1
	UNION SELECT matter FROM clock WHERE state = 'paused' AND pause_end < $1 LIMIT $2`

// lapsedBatch is how many matters one look at the clocks takes on.
const lapsedBatch = 200

// RunClocks turns every clock that has run out into an entry, and takes the steps that then happen by themselves. It
// returns how many matters it touched. Two processes may run it at once: the stream's numbers let only one of them
// write each entry; a lease spares the other the work.
func (e *Engine) RunClocks(ctx context.Context) (int, error) {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	lease, got, err := e.db.Lease(ctx, "clocks", host+"/"+strconv.Itoa(os.Getpid()), time.Minute)
	if err != nil || !got {
		return 0, err
	}
	defer func() { _ = lease.Release(ctx) }() // it ends by itself after its minute
	total := 0
	stuck := map[ref.MatterID]bool{}
	var failures error
	for {
		ids, err := e.lapsed(ctx, stuck)
		if err != nil || len(ids) == 0 {
			return total, errors.Join(failures, err)
		}
		for _, id := range ids {
			err := e.db.Tx(ctx, func(tx *store.Tx) error { return e.lapse(ctx, tx, id) })
			switch {
			case fault.Is(err, fault.Conflict): // somebody acted on it in this instant; the next look sees what is left
				stuck[id] = true
			case err != nil && ctx.Err() == nil:
				stuck[id] = true
				failures = errors.Join(failures, fmt.Errorf("matter %d: clocks: %w", id, err))
			case err != nil:
				return total, err
			default:
				total++
			}
		}
		if err := lease.Renew(ctx); err != nil {
			return total, errors.Join(failures, err)
		}
	}
}

func (e *Engine) lapsed(ctx context.Context, but map[ref.MatterID]bool) ([]ref.MatterID, error) {
	var out []ref.MatterID
	err := e.db.Read(ctx, func(tx *store.Tx) error {
		found, err := tx.Query(ctx, lapsedSQL, e.Now().UnixMicro(), int64(lapsedBatch+len(but)))
		if err != nil {
			return err
		}
		out, err = store.Collect(found, func(r *store.Rows) (id ref.MatterID, err error) { return id, r.Scan(&id) })
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("matter: clocks: %w", err)
	}
	kept := out[:0]
	for _, id := range out {
		if !but[id] {
			kept = append(kept, id)
		}
	}
	return kept, nil
}

// lapse records what has run out on one matter and takes the steps that follow.
func (e *Engine) lapse(ctx context.Context, tx *store.Tx, id ref.MatterID) error {
	s, err := e.Load(ctx, tx, id)
	if err != nil {
		return err
	}
	p, k, err := e.PackOf(s.Matter)
	if err != nil {
		return err
	}
	if k == nil {
		return fmt.Errorf("the pack %s has no kind %s", s.Matter.Pack, s.Matter.Kind)
	}
	changes, missed, then := Lapse(k, p.Cal(), s, e.Now())
	if len(changes) == 0 {
		return nil
	}
	action := ActionOver
	if missed {
		action = ActionMissed
	}
	by := journal.Actor{Duty: DutySystem}
	if err := e.plainStep(ctx, tx, s, action, by, journal.ViaTimer, nil, nil, nil, changes...); err != nil {
		return err
	}
	for _, step := range then {
		if err := e.byItself(ctx, tx, id, step); err != nil {
			return err
		}
	}
	return nil
}

// DutySystem is the duty of the system's own entries where a pack names none.
const DutySystem = "system"

// byItself takes a step of the system. When the procedure does not have it any more, because an earlier step of the same
// moment led elsewhere, or a condition of the pack refuses it, the clock behind it counts as missed: somebody above
// sees it, instead of nobody.
func (e *Engine) byItself(ctx context.Context, tx *store.Tx, id ref.MatterID, step string) error {
	s, err := e.Load(ctx, tx, id)
	if err != nil {
		return err
	}
	p, k, err := e.PackOf(s.Matter)
	if err != nil {
		return err
	}
	duty := DutySystem
	if a := k.Action(step); a != nil {
		for _, by := range a.By {
			if d := p.Duty(by); d != nil && d.Actor == "system" {
				duty = by
			}
		}
	}
	err = tx.Savepoint(ctx, func() error {
		_, err := e.Act(ctx, tx, ActCmd{Matter: id, Action: step, Actor: journal.Actor{Duty: duty}, Via: journal.ViaTimer})
		return err
	})
	if err == nil || fault.KindOf(err) == fault.Internal {
		return err
	}
	slog.WarnContext(ctx, "a step that should happen by itself was refused", "matter", int64(id), "action", step, "error", err)
	var changes []Change
	for _, c := range s.Clocks {
		if pc := k.Clock(c.ID); pc != nil && pc.Then == step && c.State == ClockOver {
			changes = append(changes, &Ticked{ID: c.ID, State: ClockMissed, Started: instant(c.Started), Due: instant(c.Due), Missed: at(e.Now())})
		}
	}
	if len(changes) == 0 {
		return nil
	}
	return e.plainStep(ctx, tx, s, ActionMissed, journal.Actor{Duty: DutySystem}, journal.ViaTimer, nil, nil, nil, changes...)
}
