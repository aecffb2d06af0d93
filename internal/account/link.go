package account

import (
	"context"
	"fmt"
	"strings"
	"time"

	"plumbline/internal/fault"
	"plumbline/internal/ref"
	"plumbline/internal/store"
)

// Link ties an account to one elsewhere (OpenID Connect) that signs it in.
type Link struct {
	Issuer  string
	Subject string // empty: expected by its e-mail address, has not come yet
	Email   string
	Made    time.Time
}

// Claims is who somebody is elsewhere, as an ID token that was verified says.
type Claims struct {
	Issuer   string
	Subject  string
	Email    string
	Verified bool // the address is
}

// Links lists the accounts elsewhere of an account.
func (s *Accounts) Links(ctx context.Context, tx *store.Tx, id ref.AccountID) ([]Link, error) {
	found, err := tx.Query(ctx, `SELECT issuer, subject, email, made FROM oidc_link WHERE account = $1 ORDER BY issuer`, int64(id))
	if err != nil {
		return nil, fmt.Errorf("links of account %d: %w", id, err)
	}
	return store.Collect(found, func(r *store.Rows) (l Link, err error) {
		var made int64
		err = r.Scan(&l.Issuer, &l.Subject, &l.Email, &made)
		l.Made = time.UnixMicro(made).UTC()
		return l, err
	})
}

// Expect lets an account be signed in by whoever has the e-mail address, verified, at the issuer, the first time; from then
// on the issuer's name for that person counts alone. Whoever signs in here already ties their own account: an administrator
// who could add a way in beside theirs would act in their name, and they would not notice. So it has to be Reset first.
func (s *Accounts) Expect(ctx context.Context, tx *store.Tx, by By, id ref.AccountID, issuer, email string) error {
	email = strings.ToLower(strings.TrimSpace(email))
	if at := strings.LastIndexByte(email, '@'); at < 1 || at == len(email)-1 || len(email) > 254 || strings.ContainsAny(email, " \t\r\n<>,") {
		return fault.InvalidFields([]fault.Field{{Name: "email", Key: "account.email"}})
	}
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
	if has, err := s.signsIn(ctx, tx, id); err != nil {
		return err
	} else if has && !by.system {
		return fault.New(fault.Conflict, "account.expect-set", fault.Args{"name": st.Account.Name})
	}
	if err := s.factor(ctx, tx, by, st, "oidc", "added"); err != nil {
		return err
	}
	return s.putLink(ctx, tx, id, Claims{Issuer: issuer, Email: email})
}

// signsIn reports whether an account has a way to sign in that somebody has used or could use now.
func (s *Accounts) signsIn(ctx context.Context, tx *store.Tx, id ref.AccountID) (bool, error) {
	f, err := s.Factors(ctx, tx, id)
	return f.SignsIn(), err
}

// LinkOwn ties the account of somebody who is signed in to who they proved to be elsewhere.
func (s *Accounts) LinkOwn(ctx context.Context, tx *store.Tx, by By, c Claims) error {
	st, err := s.Load(ctx, tx, by.Viewer.Account)
	if err != nil {
		return err
	}
	if err := s.factor(ctx, tx, by, st, "oidc", "added"); err != nil {
		return err
	}
	if !c.Verified {
		c.Email = ""
	}
	return s.putLink(ctx, tx, st.Account.ID, c)
}

func (s *Accounts) putLink(ctx context.Context, tx *store.Tx, id ref.AccountID, c Claims) error {
	const put = `INSERT INTO oidc_link (account, issuer, subject, email, made) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (account, issuer) DO UPDATE SET subject = excluded.subject, email = excluded.email, made = excluded.made`
	_, err := tx.Exec(ctx, put, int64(id), c.Issuer, c.Subject, strings.ToLower(c.Email), s.now().UnixMicro())
	if store.IsUnique(err) {
		return fault.InvalidFields([]fault.Field{{Name: "email", Key: "account.link-taken"}})
	}
	return err
}

// Unlink takes the tie to an account elsewhere away, which its person may and an administrator over it.
func (s *Accounts) Unlink(ctx context.Context, tx *store.Tx, by By, id ref.AccountID, issuer string) error {
	st, err := s.Load(ctx, tx, id)
	if err != nil {
		return err
	}
	if by.system || by.Viewer.Account != id {
		if err := s.mayManage(ctx, tx, by, st); err != nil {
			return err
		}
	}
	n, err := tx.Affected(ctx, `DELETE FROM oidc_link WHERE account = $1 AND issuer = $2`, int64(id), issuer)
	if err != nil || n == 0 {
		return err
	}
	return s.factor(ctx, tx, by, st, "oidc", "removed")
}

// SignInLinked signs in whoever an issuer has vouched for, if an account is tied to them.
func (s *Accounts) SignInLinked(ctx context.Context, c Claims) (out Session, err error) {
	err = s.db.Tx(ctx, func(tx *store.Tx) error {
		var id int64
		err := tx.QueryRow(ctx, `SELECT account FROM oidc_link WHERE issuer = $1 AND subject = $2`, c.Issuer, c.Subject).Scan(&id)
		if fault.Is(err, fault.NotFound) && c.Verified && c.Email != "" {
			err = tx.QueryRow(ctx, `SELECT account FROM oidc_link WHERE issuer = $1 AND email = $2 AND subject = ''`, c.Issuer, strings.ToLower(c.Email)).Scan(&id)
			if err == nil {
				_, err = tx.Exec(ctx, `UPDATE oidc_link SET subject = $1 WHERE account = $2 AND issuer = $3`, c.Subject, id, c.Issuer)
			}
		}
		if fault.Is(err, fault.NotFound) || c.Subject == "" {
			return fault.New(fault.Forbidden, "account.not-linked", nil)
		}
		if err != nil {
			return err
		}
		out, err = s.enter(ctx, tx, ref.AccountID(id), WayOIDC)
		return err
	})
	return out, err
}
