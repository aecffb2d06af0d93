package account

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"time"

	"plumbline/internal/access"
	"plumbline/internal/fault"
	"plumbline/internal/journal"
	"plumbline/internal/ref"
	"plumbline/internal/store"
)

// InvitationLife is how long an invitation can be used.
const InvitationLife = 7 * 24 * time.Hour

// Invitation is a link that waits to be used.
type Invitation struct {
	Made    time.Time
	Expires time.Time
}

func invitationKey(token string) []byte {
	sum := sha256.Sum256([]byte("plumbline invitation\x00" + token))
	return sum[:]
}

// Invite makes a one-time token with which the person behind an account chooses their own password; an earlier one
// opens nothing any more. The token is returned this once and kept as a hash. An account that has a password has to be
// Reset first.
func (s *Accounts) Invite(ctx context.Context, tx *store.Tx, by By, id ref.AccountID) (token string, until time.Time, err error) {
	st, err := s.Load(ctx, tx, id)
	if err != nil {
		return "", until, err
	}
	if !by.system && by.Viewer.Account == id {
		return "", until, fault.New(fault.Forbidden, "account.self", nil)
	}
	if err := s.mayManage(ctx, tx, by, st); err != nil {
		return "", until, err
	}
	if st.Account.Active == 0 {
		return "", until, fault.New(fault.Conflict, "account.inactive", fault.Args{"name": st.Account.Name})
	}
	if has, err := hasPassword(ctx, tx, id); err != nil {
		return "", until, err
	} else if has {
		return "", until, fault.New(fault.Conflict, "account.invite-set", fault.Args{"name": st.Account.Name})
	}
	if _, err := s.append(ctx, tx, by, st, ActionInvite, nil, change{}); err != nil {
		return "", until, err
	}
	token = base64.RawURLEncoding.EncodeToString(random(24))
	now := s.now().UTC()
	until = now.Add(InvitationLife)
	const put = `INSERT INTO invitation (account, token, made, expires) VALUES ($1, $2, $3, $4)
		ON CONFLICT (account) DO UPDATE SET token = excluded.token, made = excluded.made, expires = excluded.expires`
	_, err = tx.Exec(ctx, put, int64(id), invitationKey(token), now.UnixMicro(), until.UnixMicro())
	return token, until, err
}

func hasPassword(ctx context.Context, tx *store.Tx, id ref.AccountID) (bool, error) {
	var n int64
	err := tx.QueryRow(ctx, `SELECT count(*) FROM password WHERE account = $1 AND hash <> ''`, int64(id)).Scan(&n)
	return n > 0, err
}

// HasPassword reports whether an account signs in with a password.
func (s *Accounts) HasPassword(ctx context.Context, tx *store.Tx, id ref.AccountID) (bool, error) {
	return hasPassword(ctx, tx, id)
}

// Invitation returns the invitation of an account that can still be used, if there is one.
func (s *Accounts) Invitation(ctx context.Context, tx *store.Tx, id ref.AccountID) (in Invitation, ok bool, err error) {
	var made, expires int64
	err = tx.QueryRow(ctx, `SELECT made, expires FROM invitation WHERE account = $1 AND expires > $2`, int64(id), s.now().UnixMicro()).Scan(&made, &expires)
	if fault.Is(err, fault.NotFound) {
		return in, false, nil
	}
	return Invitation{Made: time.UnixMicro(made).UTC(), Expires: time.UnixMicro(expires).UTC()}, err == nil, err
}

// Uninvite takes an invitation back.
func (s *Accounts) Uninvite(ctx context.Context, tx *store.Tx, by By, id ref.AccountID) error {
	st, err := s.Load(ctx, tx, id)
	if err != nil {
		return err
	}
	if err := s.mayManage(ctx, tx, by, st); err != nil {
		return err
	}
	if _, ok, err := s.Invitation(ctx, tx, id); err != nil || !ok {
		return err
	}
	if _, err := s.append(ctx, tx, by, st, ActionUninvite, nil, change{}); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `DELETE FROM invitation WHERE account = $1`, int64(id))
	return err
}

// Invited returns the account that a token invites.
func (s *Accounts) Invited(ctx context.Context, tx *store.Tx, token string) (State, error) {
	var id int64
	const find = `SELECT i.account FROM invitation i JOIN account a ON a.id = i.account WHERE i.token = $1 AND i.expires > $2 AND a.active = 1`
	err := tx.QueryRow(ctx, find, invitationKey(token), s.now().UnixMicro()).Scan(&id)
	if fault.Is(err, fault.NotFound) {
		return State{}, fault.New(fault.NotFound, "account.invitation", nil)
	}
	if err != nil {
		return State{}, err
	}
	return s.Load(ctx, tx, ref.AccountID(id))
}

// Accept lets the invited person set their own password, once. What belongs to it, such as their first key, is written with it.
func (s *Accounts) Accept(ctx context.Context, token, password string, also Also) (Session, error) {
	var st State
	find := func(tx *store.Tx) (err error) { st, err = s.Invited(ctx, tx, token); return err }
	if err := s.db.Read(ctx, find); err != nil {
		return Session{}, err
	}
	if err := CheckPassword(st.Account.Login, password); err != nil {
		return Session{}, err
	}
	h, err := s.HashPassword(ctx, password)
	if err != nil {
		return Session{}, err
	}
	var out Session
	err = s.db.Tx(ctx, func(tx *store.Tx) error {
		if err := find(tx); err != nil {
			return err
		}
		self := Person(access.Viewer{Account: st.Account.ID}, journal.ViaWeb)
		if err := s.SetHash(ctx, tx, self, st.Account.ID, h, false); err != nil { // which deletes the invitation
			return err
		}
		if err := also.do(ctx, tx); err != nil {
			return err
		}
		if err := s.remember(ctx, tx, st.Account.ID, WayInvited, OutcomeIn); err != nil {
			return err
		}
		out, err = s.session(ctx, tx, st.Account.ID)
		return err
	})
	return out, err
}

// Reset takes every way to sign in from an account: password, second factor, passkeys, links to accounts elsewhere and
// tokens. Its sessions end, and its key to sealed content is given up. An invitation lets the person begin anew.
func (s *Accounts) Reset(ctx context.Context, tx *store.Tx, by By, id ref.AccountID) error {
	st, err := s.Load(ctx, tx, id)
	if err != nil {
		return err
	}
	if !by.system && by.Viewer.Account == id {
		return fault.New(fault.Forbidden, "account.self", nil)
	}
	if err := s.mayManage(ctx, tx, by, st); err != nil {
		return err
	}
	if _, err := s.append(ctx, tx, by, st, ActionReset, nil, change{}); err != nil {
		return err
	}
	if err := s.giveUp(ctx, tx, by, id); err != nil {
		return err
	}
	for _, table := range []string{"totp", "recovery_code", "passkey", "oidc_link", "api_token"} {
		if _, err := tx.Exec(ctx, `DELETE FROM `+table+` WHERE account = $1`, int64(id)); err != nil {
			return err
		}
	}
	return s.putHash(ctx, tx, id, "", false)
}
