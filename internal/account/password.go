package account

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"

	"plumbline/internal/fault"
	"plumbline/internal/ref"
	"plumbline/internal/store"
)

// The cost of a password: argon2id as OWASP's first choice has it, about 40 ms of one core.
const (
	argonMemory  = 19 * 1024 // KiB
	argonTime    = 2
	argonThreads = 1
	argonKey     = 32
	argonSalt    = 16

	hashesAtOnce = 4 // so that a flood of sign-ins takes no more than 76 MiB

	passwordMin = 12
	passwordMax = 256 // characters; longer ones are an attack on the processor
)

// CheckPassword says what is wrong with a new password for a login, in a fault over the field "password".
func CheckPassword(login, password string) error {
	p := norm.NFC.String(password)
	refuse := func(key string, args fault.Args) error {
		return fault.InvalidFields([]fault.Field{{Name: "password", Key: key, Args: args}})
	}
	switch n := utf8.RuneCountInString(p); {
	case !utf8.ValidString(p):
		return refuse("account.password-text", nil)
	case n < passwordMin:
		return refuse("account.password-short", fault.Args{"min": passwordMin})
	case n > passwordMax:
		return refuse("account.password-long", fault.Args{"max": passwordMax})
	}
	low := strings.ToLower(p)
	if login != "" && strings.Contains(low, strings.ToLower(login)) && utf8.RuneCountInString(low)-utf8.RuneCountInString(login) < 6 {
		return refuse("account.password-login", nil)
	}
	if isCommon(low) {
		return refuse("account.password-worst", nil)
	}
	return nil
}

// A Hash is a password as it is kept: PHC string format, with its salt and cost.
type Hash string

// HashPassword makes the hash to keep. It takes time on purpose and never inside a transaction; when too many ask
// at once they wait, and with ctx give up.
func (s *Accounts) HashPassword(ctx context.Context, password string) (Hash, error) {
	salt := random(argonSalt)
	key, err := s.derive(ctx, password, salt, argonTime, argonMemory, argonThreads)
	if err != nil {
		return "", err
	}
	b64 := base64.RawStdEncoding
	return Hash(fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemory, argonTime, argonThreads,
		b64.EncodeToString(salt), b64.EncodeToString(key))), nil
}

func (s *Accounts) derive(ctx context.Context, password string, salt []byte, t, m uint32, p uint8) ([]byte, error) {
	select {
	case s.hashing <- struct{}{}:
		defer func() { <-s.hashing }()
	case <-ctx.Done():
		return nil, fault.Wrap(ctx.Err(), fault.Unavailable, "account.busy", nil)
	}
	if len(password) > 4*passwordMax { // bounded before the expensive part; no such password was ever accepted
		password = password[:4*passwordMax]
	}
	return argon2.IDKey([]byte(norm.NFC.String(password)), salt, t, m, p, argonKey), nil
}

// matches compares a password with a hash in time that does not depend on how much of it is right.
func (s *Accounts) matches(ctx context.Context, h Hash, password string) (bool, error) {
	var version int
	var m, t uint32
	var p uint8
	parts := strings.Split(string(h), "$")
	if len(parts) != 6 || parts[1] != "argon2id" {
		return false, fmt.Errorf("account: a password is kept in an unknown form")
	}
	if _, err := fmt.Sscanf(parts[2]+" "+parts[3], "v=%d m=%d,t=%d,p=%d", &version, &m, &t, &p); err != nil || version != argon2.Version {
		return false, fmt.Errorf("account: a password is kept in an unknown form")
	}
	salt, err1 := base64.RawStdEncoding.DecodeString(parts[4])
	want, err2 := base64.RawStdEncoding.DecodeString(parts[5])
	if err1 != nil || err2 != nil {
		return false, fmt.Errorf("account: a password is kept in an unknown form")
	}
	got, err := s.derive(ctx, password, salt, t, m, p)
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(got, want) == 1, nil
}

// nobodysHash is compared with when there is no such account, so that it takes as long. No password fits it.
const nobodysHash Hash = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

// SetPassword sets the password of an account, which an administrator over it may, or the system. A temporary one
// has to be changed at the next sign-in. All sessions of the account end.
func (s *Accounts) SetPassword(ctx context.Context, by By, id ref.AccountID, password string, temporary bool) error {
	var login string
	err := s.db.Read(ctx, func(tx *store.Tx) error {
		st, err := s.Load(ctx, tx, id)
		login = st.Account.Login
		return err
	})
	if err != nil {
		return err
	}
	if err := CheckPassword(login, password); err != nil {
		return err
	}
	h, err := s.HashPassword(ctx, password)
	if err != nil {
		return err
	}
	return s.db.Tx(ctx, func(tx *store.Tx) error { return s.SetHash(ctx, tx, by, id, h, temporary) })
}

// SetHash is SetPassword inside a transaction, with the hash made before. Where somebody else sets it, the person's key
// to sealed content is given up: nobody can open it any more, and colleagues have to let the person in again.
func (s *Accounts) SetHash(ctx context.Context, tx *store.Tx, by By, id ref.AccountID, h Hash, temporary bool) error {
	st, err := s.Load(ctx, tx, id)
	if err != nil {
		return err
	}
	if by.system || by.Viewer.Account != id {
		if err := s.mayManage(ctx, tx, by, st); err != nil {
			return err
		}
		if err := s.giveUp(ctx, tx, by, id); err != nil {
			return err
		}
	}
	if _, err := s.append(ctx, tx, by, st, ActionPassword, nil, change{}); err != nil {
		return err
	}
	return s.putHash(ctx, tx, id, h, temporary)
}

// putHash replaces the password, which ends all sessions, and forgets wrong tries and invitations.
func (s *Accounts) putHash(ctx context.Context, tx *store.Tx, id ref.AccountID, h Hash, temporary bool) error {
	const put = `INSERT INTO password (account, hash, changed, temporary) VALUES ($1, $2, $3, $4)
		ON CONFLICT (account) DO UPDATE SET hash = excluded.hash, changed = excluded.changed, temporary = excluded.temporary`
	var was int64
	if err := tx.QueryRow(ctx, `SELECT changed FROM password WHERE account = $1`, int64(id)).Scan(&was); err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	flag := int64(0)
	if temporary {
		flag = 1
	}
	if _, err := tx.Exec(ctx, put, int64(id), string(h), max(s.now().UnixMicro(), was+1), flag); err != nil {
		return err
	}
	for _, forget := range []string{`DELETE FROM sign_in_try WHERE account = $1`, `DELETE FROM invitation WHERE account = $1`} {
		if _, err := tx.Exec(ctx, forget, int64(id)); err != nil {
			return err
		}
	}
	return s.endAll(ctx, tx, id)
}

// ChangePassword lets people change their own password; they have to know the old one. What has to change with it, such as the
// lock of their key, does so in the same transaction. It returns the session that goes on; all others of the account end.
func (s *Accounts) ChangePassword(ctx context.Context, by By, old, new string, also Also) (Session, error) {
	id := by.Viewer.Account
	if err := s.Prove(ctx, id, old); err != nil {
		if fault.KindOf(err) == fault.Forbidden {
			return Session{}, fault.InvalidFields([]fault.Field{{Name: "old", Key: "account.password-old"}})
		}
		return Session{}, err
	}
	if old == new {
		return Session{}, fault.InvalidFields([]fault.Field{{Name: "password", Key: "account.password-same"}})
	}
	var login string
	err := s.db.Read(ctx, func(tx *store.Tx) error {
		st, err := s.Load(ctx, tx, id)
		login = st.Account.Login
		return err
	})
	if err != nil {
		return Session{}, err
	}
	if err := CheckPassword(login, new); err != nil {
		return Session{}, err
	}
	h, err := s.HashPassword(ctx, new)
	if err != nil {
		return Session{}, err
	}
	var out Session
	err = s.db.Tx(ctx, func(tx *store.Tx) error {
		if err := s.SetHash(ctx, tx, by, id, h, false); err != nil {
			return err
		}
		if err := also.do(ctx, tx); err != nil {
			return err
		}
		out, err = s.session(ctx, tx, id)
		return err
	})
	return out, err
}
