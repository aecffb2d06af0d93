package account

import (
	"context"
	"crypto/rand"

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

func (s *Accounts) join(ctx context.Context, tx *store.Tx, by By, a Account, duty string, body ref.BodyID) error {
	if s.keeper == nil || a.Active == 0 || !s.NeedsTwo(duty) {
		return nil
	}
	return s.keeper.Join(ctx, tx, by.actor(), a.ID, vault.Desk{Duty: duty, Body: body})
}

func (s *Accounts) leave(ctx context.Context, tx *store.Tx, by By, a Account, duty string, body ref.BodyID) error {
	if s.keeper == nil || !s.NeedsTwo(duty) {
		return nil
	}
	return s.keeper.Leave(ctx, tx, by.actor(), a.ID, vault.Desk{Duty: duty, Body: body})
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
		if err := move(ctx, tx, by, st.Account, g.Duty, g.Body); err != nil {
			return err
		}
	}
	return nil
}

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
