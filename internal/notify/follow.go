package notify

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"plumbline/internal/access"
	"plumbline/internal/account"
	"plumbline/internal/fault"
	"plumbline/internal/journal"
	"plumbline/internal/matter"
	"plumbline/internal/pack"
	"plumbline/internal/ref"
	"plumbline/internal/store"
)

// Desks says who works on a matter.
type Desks interface {
	// At returns the people on whose desk a matter lies: those it is given to, or else all who hold the desk. Nobody is
	// among them who may not see the matter; whom it names must not learn from a mail that it exists.
	At(ctx context.Context, tx *store.Tx, id ref.MatterID) ([]ref.AccountID, error)
	// Rules returns the kind of a matter and the rules it runs under; a nil kind for one that no pack has.
	Rules(ctx context.Context, tx *store.Tx, id ref.MatterID) (*pack.Pack, *pack.Kind, error)
}

// late is how old an entry may be and still be news. A record that is read again, or imported, tells nobody anything.
const late = 6 * time.Hour

// Name, Version, Reset and Step make Notices a follower of the record: it notes who should be told.
func (n *Notices) Name() string { return "notices" }

// Version is of what counts as news.
func (n *Notices) Version(context.Context, *store.Tx) (string, error) { return "1", nil }

// Reset undoes what Step did.
func (n *Notices) Reset(ctx context.Context, tx *store.Tx) error {
	_, err := tx.Exec(ctx, `DELETE FROM outbox`)
	return err
}

// Step notes who is to be told of the next entries, here and now with or without a mail server: another instance may have
// one, or this one tomorrow. Who left no address costs nothing.
func (n *Notices) Step(ctx context.Context, tx *store.Tx, entries []journal.Recorded) error {
	newest := n.Now().Add(-late)
	for _, e := range entries {
		id, ok := matterOf(e.Stream)
		if !ok || e.At.Before(newest) || e.Via == journal.ViaImport {
			continue
		}
		if err := n.news(ctx, tx, id, e.Entry); err != nil {
			return fmt.Errorf("notices of entry %d: %w", e.Index, err)
		}
	}
	return nil
}

// news tells those concerned of one entry.
func (n *Notices) news(ctx context.Context, tx *store.Tx, id ref.MatterID, e journal.Entry) error {
	p, k, err := n.Desks.Rules(ctx, tx, id)
	if fault.Is(err, fault.NotFound) {
		return nil // it was purged since
	}
	if err != nil {
		return err
	}
	if k == nil {
		return nil
	}
	changes, err := matter.Changes(e)
	if err != nil {
		return err
	}
	if arrives(p, e, changes) {
		people, err := n.Desks.At(ctx, tx, id)
		if err != nil {
			return err
		}
		for _, who := range people {
			if who == e.By.Account {
				continue // they did it themselves
			}
			if err := n.tell(ctx, tx, Staff, int64(who)); err != nil {
				return err
			}
		}
	}
	if k.Reports && toldToReporter(p, k, e, changes) {
		return n.tell(ctx, tx, Reporter, int64(id))
	}
	return nil
}

// arrives reports whether an entry brings something to a desk: the matter itself, or words from its reporter or the
// official concerned.
func arrives(p *pack.Pack, e journal.Entry, changes []matter.Change) bool {
	if d := p.Duty(e.By.Duty); e.By.Account == 0 && d != nil && (d.Actor == pack.ActorReporter || d.Actor == pack.ActorRespondent) {
		return true
	}
	for _, c := range changes {
		switch c.(type) {
		case *matter.Opened, *matter.Moved, *matter.Passed, *matter.Set:
			return true
		}
	}
	return false
}

// toldToReporter reports whether the reporter finds something new: an answer, a new state, that it was acknowledged.
// What would endanger the investigation is not told, as everywhere.
func toldToReporter(p *pack.Pack, k *pack.Kind, e journal.Entry, changes []matter.Change) bool {
	if d := p.Duty(e.By.Duty); e.Action == matter.ActionOpen || e.By.Account == 0 && d != nil && d.Actor == pack.ActorReporter {
		return false
	}
	a := k.Action(e.Action)
	if a != nil && a.Adverse {
		if to := k.State(a.To); to == nil || !to.Final {
			return false
		}
	}
	if _, written := e.Sealed[access.Reporter]; written || a != nil && a.Has(pack.EffAcknowledge) {
		return true
	}
	return slices.ContainsFunc(changes, func(c matter.Change) bool { _, moved := c.(*matter.Moved); return moved })
}

// Clocks notes who is to be told that a time limit nears its end: each limit is told once, when the rules say that it is
// due soon. It returns how many there were.
func (n *Notices) Clocks(ctx context.Context) (warned int, err error) {
	const soon = `SELECT c.matter, c.clock, c.due FROM clock c WHERE c.state IN ('running', 'open') AND c.due > 0 AND c.due <= $1
		AND NOT EXISTS (SELECT 1 FROM notice_clock w WHERE w.matter = c.matter AND w.clock = c.clock AND w.due = c.due)
		ORDER BY c.due, c.matter LIMIT 1000`
	const noted = `INSERT INTO notice_clock (matter, clock, due) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`
	if !n.On() {
		return 0, nil
	}
	type running struct {
		id    ref.MatterID
		clock string
		due   int64
	}
	now := n.Now()
	err = n.DB.Tx(ctx, func(tx *store.Tx) error {
		warned = 0
		rows, err := tx.Query(ctx, soon, now.AddDate(0, 2, 0).UnixMicro())
		if err != nil {
			return err
		}
		all, err := store.Collect(rows, func(r *store.Rows) (c running, err error) { return c, r.Scan((*int64)(&c.id), &c.clock, &c.due) })
		if err != nil {
			return err
		}
		for _, c := range all {
			p, k, err := n.Desks.Rules(ctx, tx, c.id)
			if err != nil {
				return err
			}
			if k == nil {
				continue
			}
			due := time.UnixMicro(c.due)
			warn := due.Add(-24 * time.Hour)
			if pc := k.Clock(c.clock); pc != nil && !pc.Warn.IsZero() {
				warn = p.Cal().Before(due, pc.Warn)
			}
			if now.Before(warn) {
				continue
			}
			if _, err := tx.Exec(ctx, noted, c.id, c.clock, c.due); err != nil {
				return err
			}
			warned++
			if now.Sub(due) > late {
				continue // long past: a record that came from elsewhere tells nobody anything
			}
			people, err := n.Desks.At(ctx, tx, c.id)
			if err != nil {
				return err
			}
			for _, who := range people {
				if err := n.tell(ctx, tx, Staff, int64(who)); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("notices of time limits: %w", err)
	}
	return warned, nil
}

// OfficeDesks are the desks as accounts and matters say.
type OfficeDesks struct {
	Engine   *matter.Engine
	Accounts *account.Accounts
}

// Rules is as Desks says.
func (d OfficeDesks) Rules(ctx context.Context, tx *store.Tx, id ref.MatterID) (*pack.Pack, *pack.Kind, error) {
	s, err := d.Engine.Load(ctx, tx, id)
	if err != nil {
		return nil, nil, err
	}
	if s.Matter.Source != "" {
		return nil, nil, nil
	}
	return d.Engine.PackOf(s.Matter)
}

// At is as Desks says.
func (d OfficeDesks) At(ctx context.Context, tx *store.Tx, id ref.MatterID) ([]ref.AccountID, error) {
	s, err := d.Engine.Load(ctx, tx, id)
	if err != nil || s.Matter.Final != 0 || s.Matter.Desk == "" {
		return nil, err
	}
	facts, err := d.Engine.Facts(ctx, tx, s)
	if err != nil {
		return nil, err
	}
	var people []ref.AccountID
	for _, a := range s.Assigned {
		if a.Duty == s.Matter.Desk {
			people = append(people, a.Account)
		}
	}
	if len(people) == 0 {
		holders, err := d.Accounts.Holders(ctx, tx, []string{s.Matter.Desk}, []ref.BodyID{s.Matter.DeskBody})
		if err != nil {
			return nil, err
		}
		for _, h := range holders {
			people = append(people, h.Account)
		}
	}
	slices.Sort(people)
	people = slices.Compact(people)
	var out []ref.AccountID
	for _, id := range people {
		v, err := d.Accounts.ViewerOf(ctx, tx, id)
		if err != nil {
			return nil, err
		}
		if access.CanSee(v, facts) {
			out = append(out, id)
		}
	}
	return out, nil
}

var _ journal.Follower = (*Notices)(nil)

// matterOf is the matter that a stream belongs to.
func matterOf(stream string) (ref.MatterID, bool) {
	text, ok := strings.CutPrefix(stream, "matter/")
	if !ok {
		return 0, false
	}
	id, err := strconv.ParseInt(text, 10, 64)
	return ref.MatterID(id), err == nil
}
