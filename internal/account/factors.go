package account

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"

	"plumbline/internal/fault"
	"plumbline/internal/journal"
	"plumbline/internal/ref"
	"plumbline/internal/store"
)

// Time-based codes as every app for them knows them (RFC 6238): six digits, thirty seconds, SHA-1.
const (
	codePeriod    = 30
	codeSlack     = 1 // steps that a clock may be off
	recoveryCodes = 10
)

// Factors are the ways an account has to prove who its person is, besides the password.
type Factors struct {
	Password bool
	Code     bool // from an app
	CodeMade time.Time
	Recovery int64 // recovery codes left
	Passkeys []Passkey
	Links    []Link
}

// Strong reports whether the account can show a second factor.
func (f Factors) Strong() bool { return f.Code || len(f.Passkeys) > 0 || len(f.Links) > 0 }

// SignsIn reports whether the person has a way to sign in already. Being expected from elsewhere is none yet.
func (f Factors) SignsIn() bool {
	return f.Password || len(f.Passkeys) > 0 || slices.ContainsFunc(f.Links, func(l Link) bool { return l.Subject != "" })
}

// Factors returns the factors of an account.
func (s *Accounts) Factors(ctx context.Context, tx *store.Tx, id ref.AccountID) (f Factors, err error) {
	if f.Password, err = hasPassword(ctx, tx, id); err != nil {
		return f, err
	}
	var made int64
	switch err = tx.QueryRow(ctx, `SELECT made FROM totp WHERE account = $1`, int64(id)).Scan(&made); {
	case err == nil:
		f.Code, f.CodeMade = true, time.UnixMicro(made).UTC()
	case !fault.Is(err, fault.NotFound):
		return f, err
	}
	if err = tx.QueryRow(ctx, `SELECT count(*) FROM recovery_code WHERE account = $1`, int64(id)).Scan(&f.Recovery); err != nil {
		return f, err
	}
	if f.Passkeys, err = s.Passkeys(ctx, tx, id); err != nil {
		return f, err
	}
	f.Links, err = s.Links(ctx, tx, id)
	return f, err
}

// A CodeSecret is what an app makes codes from, before it is kept.
type CodeSecret []byte

// NewCodeSecret makes one.
func NewCodeSecret() CodeSecret { return random(20) }

// Text is the secret as one types it into an app.
func (c CodeSecret) Text() string {
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(c)
}

// URL is the secret as an app reads it from a picture.
func (c CodeSecret) URL(office, login string) string {
	label := url.PathEscape(office + ":" + login)
	return "otpauth://totp/" + label + "?" + url.Values{"secret": {c.Text()}, "issuer": {office}}.Encode()
}

// step returns the step in which the secret gives the code, 0 if it does not now.
func (c CodeSecret) step(code string, now time.Time, after int64) int64 {
	code = strings.ReplaceAll(strings.TrimSpace(code), " ", "")
	if len(code) != 6 {
		return 0
	}
	found := int64(0)
	at := now.Unix() / codePeriod
	for step := at - codeSlack; step <= at+codeSlack; step++ {
		want, err := hotp.GenerateCodeCustom(c.Text(), uint64(step), hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
		if err == nil && subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 && step > after && found == 0 {
			found = step
		}
	}
	return found
}

// SealOffice seals a short secret of an account under the office key: in a copy of the database it says nothing.
func (s *Accounts) SealOffice(label string, id ref.AccountID, plain []byte) ([]byte, error) {
	aead, err := s.office(label)
	if err != nil {
		return nil, err
	}
	nonce := random(aead.NonceSize())
	return aead.Seal(nonce, nonce, plain, []byte(label+"/"+id.String())), nil
}

// OpenOffice opens what SealOffice sealed.
func (s *Accounts) OpenOffice(label string, id ref.AccountID, sealed []byte) ([]byte, error) {
	aead, err := s.office(label)
	if err != nil {
		return nil, err
	}
	if len(sealed) < aead.NonceSize() {
		return nil, fmt.Errorf("account: a sealed secret is cut off")
	}
	plain, err := aead.Open(nil, sealed[:aead.NonceSize()], sealed[aead.NonceSize():], []byte(label+"/"+id.String()))
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "account.office-key", nil)
	}
	return plain, nil
}

func (s *Accounts) office(label string) (cipher.AEAD, error) {
	block, err := aes.NewCipher(s.derive32(label))
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// SetCode keeps the secret of an app, once the app has shown that it has it, and returns the recovery codes that are
// shown this once.
func (s *Accounts) SetCode(ctx context.Context, tx *store.Tx, by By, secret CodeSecret, code string) ([]string, error) {
	id := by.Viewer.Account
	st, err := s.Load(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	step := secret.step(code, s.now(), 0)
	if step == 0 {
		return nil, fault.InvalidFields([]fault.Field{{Name: "code", Key: "account.code-wrong"}})
	}
	sealed, err := s.SealOffice("totp", id, secret)
	if err != nil {
		return nil, err
	}
	if err := s.factor(ctx, tx, by, st, "code", "added"); err != nil {
		return nil, err
	}
	const put = `INSERT INTO totp (account, secret, step, made) VALUES ($1, $2, $3, $4)
		ON CONFLICT (account) DO UPDATE SET secret = excluded.secret, step = excluded.step, made = excluded.made`
	if _, err := tx.Exec(ctx, put, int64(id), sealed, step, s.now().UnixMicro()); err != nil {
		return nil, err
	}
	return s.newRecovery(ctx, tx, id)
}

// DropCode takes the codes from an app away, and the recovery codes with them.
func (s *Accounts) DropCode(ctx context.Context, tx *store.Tx, by By) error {
	id := by.Viewer.Account
	st, err := s.Load(ctx, tx, id)
	if err != nil {
		return err
	}
	if err := s.factor(ctx, tx, by, st, "code", "removed"); err != nil {
		return err
	}
	for _, table := range []string{"totp", "recovery_code"} {
		if _, err := tx.Exec(ctx, `DELETE FROM `+table+` WHERE account = $1`, int64(id)); err != nil {
			return err
		}
	}
	return nil
}

// NewRecovery replaces the recovery codes. They are returned this once and kept as hashes.
func (s *Accounts) NewRecovery(ctx context.Context, tx *store.Tx, by By) ([]string, error) {
	st, err := s.Load(ctx, tx, by.Viewer.Account)
	if err != nil {
		return nil, err
	}
	if err := s.factor(ctx, tx, by, st, "recovery", "renewed"); err != nil {
		return nil, err
	}
	return s.newRecovery(ctx, tx, st.Account.ID)
}

func (s *Accounts) newRecovery(ctx context.Context, tx *store.Tx, id ref.AccountID) ([]string, error) {
	if _, err := tx.Exec(ctx, `DELETE FROM recovery_code WHERE account = $1`, int64(id)); err != nil {
		return nil, err
	}
	codes := make([]string, recoveryCodes)
	for i := range codes {
		text := strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(random(10)))
		codes[i] = text[:4] + "-" + text[4:8] + "-" + text[8:12] + "-" + text[12:]
		if _, err := tx.Exec(ctx, `INSERT INTO recovery_code (account, hash) VALUES ($1, $2)`, int64(id), recoveryHash(id, codes[i])); err != nil {
			return nil, err
		}
	}
	return codes, nil
}

// recoveryHash needs no cost of its own: a code has 80 random bits.
func recoveryHash(id ref.AccountID, code string) []byte {
	plain := strings.Map(func(c rune) rune {
		if c == '-' || c == ' ' {
			return -1
		}
		return c
	}, strings.ToLower(strings.TrimSpace(code)))
	sum := sha256.Sum256(fmt.Appendf(nil, "plumbline recovery\x00%d\x00%s", id, plain))
	return sum[:]
}

// useCode reports whether a code from the app, or a recovery code, is right, and uses it up: none is taken twice.
func (s *Accounts) useCode(ctx context.Context, tx *store.Tx, id ref.AccountID, code string) (way string, err error) {
	var sealed []byte
	var last int64
	err = tx.QueryRow(ctx, `SELECT secret, step FROM totp WHERE account = $1`, int64(id)).Scan(&sealed, &last)
	if fault.Is(err, fault.NotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	secret, err := s.OpenOffice("totp", id, sealed)
	if err != nil {
		return "", err
	}
	if step := CodeSecret(secret).step(code, s.now(), last); step != 0 {
		n, err := tx.Affected(ctx, `UPDATE totp SET step = $1 WHERE account = $2 AND step < $1`, step, int64(id))
		if err != nil || n == 1 {
			return WayCode, err
		}
	}
	n, err := tx.Affected(ctx, `DELETE FROM recovery_code WHERE account = $1 AND hash = $2`, int64(id), recoveryHash(id, code))
	if err != nil || n == 0 {
		return "", err
	}
	return WayRecovery, nil
}

// Second completes a sign-in whose password was right with a code from the app or a recovery code.
func (s *Accounts) Second(ctx context.Context, half Session, code, devices string) (Session, error) {
	id := half.Account
	var out Session
	var way string
	err := s.db.Tx(ctx, func(tx *store.Tx) (err error) {
		if out, err = s.Current(ctx, tx, half); err != nil {
			return err
		}
		device := s.knownDevice(id, devices)
		if waits, err := s.waits(ctx, tx, id, device); err != nil || waits {
			return err
		}
		way, err = s.useCode(ctx, tx, id, code)
		return err
	})
	if fault.Is(err, fault.NotFound) {
		return Session{}, fault.New(fault.Forbidden, "account.sign-in", nil)
	}
	if err != nil {
		return Session{}, err
	}
	as := way
	if as == "" {
		as = WayCode
	}
	ok, err := s.try(ctx, id, s.knownDevice(id, devices), as, way != "", OutcomeIn)
	if err != nil {
		return Session{}, err
	}
	if !ok {
		return Session{}, fault.New(fault.Forbidden, "account.code-wrong", nil)
	}
	out.Second = false
	return out, nil
}

// ProveCode checks a code of somebody who is signed in already.
func (s *Accounts) ProveCode(ctx context.Context, id ref.AccountID, code string) error {
	var way string
	err := s.db.Tx(ctx, func(tx *store.Tx) (err error) {
		if waits, err := s.waits(ctx, tx, id, inside); err != nil || waits {
			return err
		}
		way, err = s.useCode(ctx, tx, id, code)
		return err
	})
	if err != nil {
		return err
	}
	return s.Proved(ctx, id, way != "")
}

// waits reports whether whoever tries has to wait: then not even a code is looked at, lest it be used up.
func (s *Accounts) waits(ctx context.Context, tx *store.Tx, id ref.AccountID, device []byte) (bool, error) {
	if device == nil {
		device = []byte{}
	}
	var until int64
	err := tx.QueryRow(ctx, `SELECT locked_until FROM sign_in_try WHERE account = $1 AND device = $2`, int64(id), device).Scan(&until)
	if fault.Is(err, fault.NotFound) {
		return false, nil
	}
	return until > s.now().UnixMicro(), err
}

// factor records that a way to sign in came or went. What it is made of is no part of the record.
func (s *Accounts) factor(ctx context.Context, tx *store.Tx, by By, st State, kind, what string) error {
	_, err := s.append(ctx, tx, by, st, ActionFactor, map[string]any{"kind": kind, "change": what}, change{})
	return err
}

// FactorIn tells which way to sign in came or went with an entry.
func FactorIn(e journal.Entry) (kind, what string) {
	if e.Action != ActionFactor {
		return "", ""
	}
	kind, _ = e.Fields["kind"].(string)
	what, _ = e.Fields["change"].(string)
	return kind, what
}
