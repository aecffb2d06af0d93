package account

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	_ "embed"
	"encoding/base64"
	"fmt"
	"strings"
	"time"
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

// After freeTries wrong passwords an account waits firstWait, and twice as long after each further one, up to maxWait.
const (
	freeTries = 5
	firstWait = 30 * time.Second
	maxWait   = 15 * time.Minute
)

//go:embed worst.txt
var worstText string

var worst = func() map[string]bool {
	out := map[string]bool{}
	for line := range strings.Lines(worstText) {
		if line = strings.TrimSpace(line); line != "" {
			out[line] = true
		}
	}
	return out
}()

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
	if worst[low] || worst[strings.TrimRight(low, "0123456789!.?")] || distinct(low) < 4 || isRun(low) {
		return refuse("account.password-worst", nil)
	}
	if login != "" && strings.Contains(low, strings.ToLower(login)) && utf8.RuneCountInString(low)-utf8.RuneCountInString(login) < 6 {
		return refuse("account.password-login", nil)
	}
	return nil
}

func distinct(s string) int {
	seen := map[rune]bool{}
	for _, r := range s {
		seen[r] = true
	}
	return len(seen)
}

// isRun reports whether s is nothing but neighbours, such as 123456789012 or abcdefghijkl.
func isRun(s string) bool {
	var last rune
	steps := 0
	for i, r := range s {
		if d := r - last; i > 0 && (d == 1 || d == -1 || d == 0 || d == -9 || d == 9) {
			steps++
		}
		last = r
	}
	return steps >= utf8.RuneCountInString(s)-1
}

// A Hash is a password as it is kept: PHC string format, with its salt and cost.
type Hash string

// HashPassword makes the hash to keep. It takes time on purpose and never inside a transaction; when too many ask
// at once they wait, and with ctx give up.
func (s *Accounts) HashPassword(ctx context.Context, password string) (Hash, error) {
	salt := make([]byte, argonSalt)
	if _, err := rand.Read(salt); err != nil {
		return "", err
	}
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

// SetHash is SetPassword inside a transaction, with the hash made before.
func (s *Accounts) SetHash(ctx context.Context, tx *store.Tx, by By, id ref.AccountID, h Hash, temporary bool) error {
	st, err := s.Load(ctx, tx, id)
	if err != nil {
		return err
	}
	if by.system || by.Viewer.Account != id {
		if err := s.mayManage(ctx, tx, by, st); err != nil {
			return err
		}
	}
	if _, err := s.append(ctx, tx, by, st, ActionPassword, nil, change{}); err != nil {
		return err
	}
	const put = `INSERT INTO password (account, hash, changed, temporary, failed, locked_until) VALUES ($1, $2, $3, $4, 0, 0)
		ON CONFLICT (account) DO UPDATE SET hash = excluded.hash, changed = excluded.changed, temporary = excluded.temporary, failed = 0, locked_until = 0`
	_, err = tx.Exec(ctx, put, int64(id), string(h), s.stamp(), temporary)
	return err
}

// stamp is when a password was changed, never the same twice in one process.
func (s *Accounts) stamp() int64 { return s.now().UnixMicro() }

// ChangePassword lets people change their own password; they have to know the old one. It returns the session that
// goes on; all others of the account end.
func (s *Accounts) ChangePassword(ctx context.Context, by By, old, new string) (Session, error) {
	id := by.Viewer.Account
	var login string
	err := s.db.Read(ctx, func(tx *store.Tx) error {
		st, err := s.Load(ctx, tx, id)
		login = st.Account.Login
		return err
	})
	if err != nil {
		return Session{}, err
	}
	if _, err := s.SignIn(ctx, login, old); err != nil {
		if fault.KindOf(err) == fault.Forbidden {
			return Session{}, fault.InvalidFields([]fault.Field{{Name: "old", Key: "account.password-old"}})
		}
		return Session{}, err
	}
	if old == new {
		return Session{}, fault.InvalidFields([]fault.Field{{Name: "password", Key: "account.password-same"}})
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
		out, err = s.session(ctx, tx, id)
		return err
	})
	return out, err
}

// Session is what a sign-in leaves behind: kept in the browser's session, checked with every request.
type Session struct {
	Account   ref.AccountID
	Stamp     int64 // of the password it was signed in with: a change of password ends it
	Temporary bool  // the password has to be changed first
}

// SignIn checks a login and its password. Every failure is the same Forbidden fault and takes the same work, whether
// the account exists or not, is locked, was deactivated or the password is wrong.
func (s *Accounts) SignIn(ctx context.Context, login, password string) (Session, error) {
	refused := fault.New(fault.Forbidden, "account.sign-in", nil)
	var (
		id     ref.AccountID // 0: nobody, whose tries are counted just the same
		h      = nobodysHash
		locked bool
		out    Session
	)
	err := s.db.Read(ctx, func(tx *store.Tx) error {
		clean, err := ParseLogin(login)
		if err != nil {
			clean = ""
		}
		const find = `SELECT a.id, p.hash, p.locked_until FROM account a JOIN password p ON p.account = a.id
			WHERE a.login = $1 AND a.active = 1`
		var until int64
		var hash string
		err = tx.QueryRow(ctx, find, clean).Scan(&id, &hash, &until)
		if fault.Is(err, fault.NotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		h, locked = Hash(hash), until > s.now().UnixMicro()
		out, err = s.session(ctx, tx, id)
		return err
	})
	if err != nil {
		return Session{}, fmt.Errorf("sign in: %w", err)
	}
	right, err := s.matches(ctx, h, password)
	if err != nil {
		return Session{}, err
	}
	ok := right && !locked && id != 0
	if err := s.db.Tx(ctx, func(tx *store.Tx) error { return s.countTry(ctx, tx, id, ok, locked) }); err != nil {
		return Session{}, fmt.Errorf("sign in: %w", err)
	}
	if !ok {
		return Session{}, refused
	}
	return out, nil
}

// countTry remembers a try. Tries at no account are counted on account 0, to take the same time.
func (s *Accounts) countTry(ctx context.Context, tx *store.Tx, id ref.AccountID, ok, locked bool) error {
	if ok {
		_, err := tx.Exec(ctx, `UPDATE password SET failed = 0, locked_until = 0 WHERE account = $1 AND failed > 0`, int64(id))
		return err
	}
	// While it is locked, further tries count for nothing: else anybody could lock anybody out for good.
	step := int64(1)
	if locked {
		step = 0
	}
	const count = `INSERT INTO password (account, hash, changed, temporary, failed, locked_until) VALUES ($1, '', 0, 0, 1, 0)
		ON CONFLICT (account) DO UPDATE SET failed = password.failed + $2 RETURNING failed`
	var failed int64
	if err := tx.QueryRow(ctx, count, int64(id), step).Scan(&failed); err != nil {
		return err
	}
	if locked || wait(failed) == 0 {
		return nil
	}
	_, err := tx.Exec(ctx, `UPDATE password SET locked_until = $1 WHERE account = $2 AND account <> 0`,
		s.now().Add(wait(failed)).UnixMicro(), int64(id))
	return err
}

func wait(failed int64) time.Duration {
	if failed < freeTries {
		return 0
	}
	d := firstWait
	for i := int64(freeTries); i < failed && d < maxWait; i++ {
		d *= 2
	}
	return min(d, maxWait)
}

// session returns the session that the account's present password stands for.
func (s *Accounts) session(ctx context.Context, tx *store.Tx, id ref.AccountID) (Session, error) {
	out := Session{Account: id}
	var temporary int64
	err := tx.QueryRow(ctx, `SELECT changed, temporary FROM password WHERE account = $1`, int64(id)).Scan(&out.Stamp, &temporary)
	out.Temporary = temporary != 0
	return out, err
}

// Current checks that a session still stands: the account is active and its password unchanged since. It returns
// the viewer, and whether the password has to be changed first.
func (s *Accounts) Current(ctx context.Context, tx *store.Tx, in Session) (Session, error) {
	now, err := s.session(ctx, tx, in.Account)
	if err != nil {
		return Session{}, err
	}
	if now.Stamp != in.Stamp {
		return Session{}, fault.New(fault.NotFound, "account.not-found", nil)
	}
	return now, nil
}
