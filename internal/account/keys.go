package account

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"plumbline/internal/journal"
	"plumbline/internal/ref"
	"plumbline/internal/store"
	"plumbline/internal/vault"
)

// Keeper keeps the keys that people and desks open sealed content with. Package vault does.
type Keeper interface {
	OfficeKey() vault.OfficeKey
	HasKey(ctx context.Context, tx *store.Tx, id ref.AccountID) (bool, error)
	Join(ctx context.Context, tx *store.Tx, by journal.Actor, id ref.AccountID, d vault.Desk) error
	Leave(ctx context.Context, tx *store.Tx, by journal.Actor, id ref.AccountID, d vault.Desk) error
	GiveUp(ctx context.Context, tx *store.Tx, by journal.Actor, id ref.AccountID) error
	DropLock(ctx context.Context, tx *store.Tx, id ref.AccountID, kind, lock string) error
}

// Also is what belongs to a change of an account and is written with it, wholly or not at all. Nil is nothing.
type Also func(ctx context.Context, tx *store.Tx) error

func (a Also) do(ctx context.Context, tx *store.Tx) error {
	if a == nil {
		return nil
	}
	return a(ctx, tx)
}

// Option changes what New returns.
type Option func(*Accounts)

// WithKeeper lets keys follow the duties: who is given one gets the desk's key, who loses it loses the key.
func WithKeeper(k Keeper) Option {
	return func(s *Accounts) { s.keeper, s.secret = k, k.OfficeKey().Derive("devices") }
}

// derive returns a key for one purpose, outside of the database where there is an office key.
func (s *Accounts) derive32(label string) []byte {
	if s.keeper == nil {
		return vault.OfficeKey(s.secret).Derive(label)
	}
	return s.keeper.OfficeKey().Derive(label)
}

// join puts somebody on the desk of a grant that is held today. One that begins later waits for KeysFollowDays.
func (s *Accounts) join(ctx context.Context, tx *store.Tx, by By, a Account, g Grant) error {
	if s.keeper == nil || a.Active == 0 || !s.NeedsTwo(g.Duty) || !g.On(s.Today()) {
		return nil
	}
	return s.keeper.Join(ctx, tx, by.actor(), a.ID, vault.Desk{Duty: g.Duty, Body: g.Body})
}

func (s *Accounts) leave(ctx context.Context, tx *store.Tx, by By, a Account, g Grant) error {
	if s.keeper == nil || !s.NeedsTwo(g.Duty) {
		return nil
	}
	return s.keeper.Leave(ctx, tx, by.actor(), a.ID, vault.Desk{Duty: g.Duty, Body: g.Body})
}

// keysFollow takes the keys of all desks from an account that was shut out, and asks for them anew when it is let in again.
func (s *Accounts) keysFollow(ctx context.Context, tx *store.Tx, by By, st State) error {
	today := s.Today()
	for _, g := range st.Grants {
		if g.Ended(today) {
			continue
		}
		move := s.leave
		if st.Account.Active != 0 {
			move = s.join
		}
		if err := move(ctx, tx, by, st.Account, g); err != nil {
			return err
		}
	}
	return nil
}

// KeysFollowDays lets keys follow grants that began or ended with the day: nobody acts then, and the desk's key has to
// change hands all the same. It is called again and again, and does nothing where nothing is due. It returns how many
// accounts it looked at.
func (s *Accounts) KeysFollowDays(ctx context.Context) (int, error) {
	if s.keeper == nil {
		return 0, nil
	}
	today := s.Today()
	since := s.now().In(s.packs.Zone()).AddDate(0, 0, -daysBack).Format(time.DateOnly)
	var due []ref.AccountID
	err := s.db.Read(ctx, func(tx *store.Tx) error {
		const find = `SELECT DISTINCT g.account FROM grant_duty g JOIN account a ON a.id = g.account
			WHERE a.active = 1 AND (g.valid_from > $1 AND g.valid_from <= $2 OR g.valid_to > $1 AND g.valid_to <= $2) ORDER BY g.account`
		found, err := tx.Query(ctx, find, since, today)
		if err != nil {
			return err
		}
		due, err = store.Collect(found, func(r *store.Rows) (id ref.AccountID, err error) { return id, r.Scan(&id) })
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("keys that follow the day: %w", err)
	}
	by := By{Via: journal.ViaTimer, system: true}
	for _, id := range due {
		err := s.db.Tx(ctx, func(tx *store.Tx) error {
			st, err := s.Load(ctx, tx, id)
			if err != nil || st.Account.Active == 0 {
				return err
			}
			for _, g := range st.Grants {
				move := s.leave
				if st.holds(g.Duty, g.Body, today) {
					move = s.join
				}
				if err := move(ctx, tx, by, st.Account, g); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return 0, fmt.Errorf("keys of account %d: %w", id, err)
		}
	}
	return len(due), nil
}

// daysBack is how long a server may have been down and still finds what was due.
const daysBack = 60

// giveUp gives up the key of a person: colleagues have to let them in again.
func (s *Accounts) giveUp(ctx context.Context, tx *store.Tx, by By, id ref.AccountID) error {
	if s.keeper == nil {
		return nil
	}
	if has, err := s.keeper.HasKey(ctx, tx, id); err != nil || !has {
		return err
	}
	return s.keeper.GiveUp(ctx, tx, by.actor(), id)
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return b
}
