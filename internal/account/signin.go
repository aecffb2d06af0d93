package account

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"

	"plumbline/internal/fault"
	"plumbline/internal/ref"
	"plumbline/internal/store"
)

// After freeTries wrong passwords whoever tried waits firstWait, and twice as long after each further one, up to
// maxWait. A browser that has signed in to the account before is counted apart from all others, so that strangers who
// guess lock out nobody but strangers.
const (
	freeTries = 5
	firstWait = 30 * time.Second
	maxWait   = 15 * time.Minute
)

// Ways to sign in, as the history has them.
const (
	WayPassword = "password"
	WayPasskey  = "passkey"
	WayOIDC     = "oidc"
	WayCode     = "code"     // password and a code from an app
	WayRecovery = "recovery" // password and a recovery code
	WayInvited  = "invited"
)

// Outcomes of a sign-in.
const (
	OutcomeIn      = "in"
	OutcomeRefused = "refused"
	OutcomeHalf    = "half" // the password was right; the code has not come
)

// Session is what a sign-in leaves behind: kept in the browser's session, checked with every request.
type Session struct {
	Account   ref.AccountID
	Stamp     int64 // of the password it was signed in with: a change of password ends it
	Temporary bool  // the password has to be changed first
	Second    bool  // a second factor has to be shown before the session opens
}

// Attempt is somebody who wants to sign in.
type Attempt struct {
	Login    string
	Password string
	Devices  string // what RememberDevice gave this browser before, as its cookie has it
}

// SignIn checks a login and its password. Every failure is the same Forbidden fault and takes the same work, whether
// the account exists or not, has to wait, was deactivated or the password is wrong. Where the account has a second
// factor, the session says so, and only Second completes it.
func (s *Accounts) SignIn(ctx context.Context, a Attempt) (Session, error) {
	var (
		id  ref.AccountID // 0: nobody, whose tries are counted just the same
		h   = nobodysHash
		out Session
	)
	err := s.db.Read(ctx, func(tx *store.Tx) error {
		clean, err := ParseLogin(a.Login)
		if err != nil {
			clean = ""
		}
		const find = `SELECT a.id, p.hash FROM account a JOIN password p ON p.account = a.id WHERE a.login = $1 AND a.active = 1`
		var hash string
		err = tx.QueryRow(ctx, find, clean).Scan(&id, &hash)
		if fault.Is(err, fault.NotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if hash != "" {
			h = Hash(hash)
		}
		out, err = s.session(ctx, tx, id)
		return err
	})
	if err != nil {
		return Session{}, fmt.Errorf("sign in: %w", err)
	}
	right, err := s.matches(ctx, h, a.Password)
	if err != nil {
		return Session{}, err
	}
	outcome := OutcomeIn
	if out.Second {
		outcome = OutcomeHalf
	}
	ok, err := s.try(ctx, id, s.knownDevice(id, a.Devices), WayPassword, right && id != 0, outcome)
	if err != nil {
		return Session{}, fmt.Errorf("sign in: %w", err)
	}
	if !ok {
		return Session{}, fault.New(fault.Forbidden, "account.sign-in", nil)
	}
	return out, nil
}

// Prove checks the password of somebody who is signed in already.
func (s *Accounts) Prove(ctx context.Context, id ref.AccountID, password string) error {
	h := nobodysHash
	err := s.db.Read(ctx, func(tx *store.Tx) error {
		var hash string
		err := tx.QueryRow(ctx, `SELECT p.hash FROM account a JOIN password p ON p.account = a.id WHERE a.id = $1 AND a.active = 1`, int64(id)).Scan(&hash)
		if err == nil && hash != "" {
			h = Hash(hash)
		}
		if fault.Is(err, fault.NotFound) {
			return nil
		}
		return err
	})
	if err != nil {
		return err
	}
	right, err := s.matches(ctx, h, password)
	if err != nil {
		return err
	}
	return s.Proved(ctx, id, right && h != nobodysHash)
}

// inside is the device of those who are signed in: their tries are counted apart from those at the door.
var inside = []byte("inside")

// Proved counts a try of somebody who is signed in to prove who they are, and refuses it if it is wrong or they have to wait.
func (s *Accounts) Proved(ctx context.Context, id ref.AccountID, right bool) error {
	ok, err := s.try(ctx, id, inside, "", right, "")
	if err == nil && !ok {
		return fault.New(fault.Forbidden, "account.proof", nil)
	}
	return err
}

// try counts a try and says whether it is let in: it must be right, and whoever tries must not have to wait. Tries at
// no account are counted on account 0, to take the same time. way is empty for what is no sign-in and leaves no history.
func (s *Accounts) try(ctx context.Context, id ref.AccountID, device []byte, way string, right bool, outcome string) (ok bool, err error) {
	if device == nil {
		device = []byte{}
	}
	now := s.now().UnixMicro()
	err = s.db.Tx(ctx, func(tx *store.Tx) error {
		var failed, until int64
		err := tx.QueryRow(ctx, `SELECT failed, locked_until FROM sign_in_try WHERE account = $1 AND device = $2`, int64(id), device).Scan(&failed, &until)
		if err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
		waits := until > now
		ok = right && !waits
		switch {
		case ok && outcome != OutcomeHalf:
			_, err = tx.Exec(ctx, `DELETE FROM sign_in_try WHERE account = $1 AND device = $2`, int64(id), device)
		case ok: // the budget is for password and code together: a right password alone does not renew it
			err = nil
		case waits: // counts for nothing: else anybody could keep anybody waiting for good
			err = nil
		default:
			failed++
			if w := wait(failed); w > 0 && id != 0 {
				until = s.now().Add(w).UnixMicro()
			}
			const count = `INSERT INTO sign_in_try (account, device, failed, locked_until) VALUES ($1, $2, $3, $4)
				ON CONFLICT (account, device) DO UPDATE SET failed = excluded.failed, locked_until = excluded.locked_until`
			_, err = tx.Exec(ctx, count, int64(id), device, failed, until)
		}
		if err != nil || way == "" {
			return err
		}
		if !ok {
			outcome = OutcomeRefused
		}
		return s.remember(ctx, tx, id, way, outcome)
	})
	return ok, err
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
	const find = `SELECT p.changed, p.temporary, (SELECT count(*) FROM totp t WHERE t.account = p.account) FROM password p WHERE p.account = $1`
	var temporary, second int64
	err := tx.QueryRow(ctx, find, int64(id)).Scan(&out.Stamp, &temporary, &second)
	out.Temporary, out.Second = temporary != 0, second != 0
	return out, err
}

// Current checks that a session still stands: the account is active and its password unchanged since. It returns
// the session as it is now, and whether the password has to be changed first.
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

// enter returns the session of somebody who signed in without their password, and remembers that they did.
func (s *Accounts) enter(ctx context.Context, tx *store.Tx, id ref.AccountID, way string) (Session, error) {
	st, err := s.Load(ctx, tx, id)
	if err != nil {
		return Session{}, err
	}
	if st.Account.Active == 0 {
		return Session{}, fault.New(fault.Forbidden, "account.sign-in", nil)
	}
	out, err := s.session(ctx, tx, id)
	if fault.Is(err, fault.NotFound) { // never had a password
		if err := s.putHash(ctx, tx, id, "", false); err != nil {
			return Session{}, err
		}
		out, err = s.session(ctx, tx, id)
	}
	if err != nil {
		return Session{}, err
	}
	out.Second = false // a passkey is two factors; elsewhere the other side answers for them
	return out, s.remember(ctx, tx, id, way, OutcomeIn)
}

// A device is a browser that an account has signed in with before. Its cookie holds one tag for each such account:
// random bytes, and a keyed hash of them with the account. Two tags of one browser have nothing in common, and without
// the key nobody can tell which account a tag belongs to.
const (
	deviceNonce = 12
	deviceTag   = 16
	devicesKept = 6

	// DeviceLife is how long a browser is known.
	DeviceLife = 180 * 24 * time.Hour
)

func (s *Accounts) deviceTag(id ref.AccountID, nonce []byte) []byte {
	m := hmac.New(sha256.New, s.secret)
	fmt.Fprintf(m, "plumbline device\x00%d\x00", id)
	m.Write(nonce)
	return m.Sum(nil)[:deviceTag]
}

// knownDevice returns what the browser is counted under, nil if it is not known to the account.
func (s *Accounts) knownDevice(id ref.AccountID, cookie string) []byte {
	for i, one := range strings.Split(cookie, ".") {
		if i == devicesKept {
			break
		}
		raw, err := base64.RawURLEncoding.DecodeString(one)
		if err != nil || len(raw) != deviceNonce+deviceTag {
			continue
		}
		if hmac.Equal(raw[deviceNonce:], s.deviceTag(id, raw[:deviceNonce])) {
			sum := sha256.Sum256(raw)
			return sum[:]
		}
	}
	return nil
}

// RememberDevice returns the cookie of a browser that has signed in to the account: it is known from now on.
func (s *Accounts) RememberDevice(id ref.AccountID, cookie string) string {
	if s.knownDevice(id, cookie) != nil {
		return cookie
	}
	nonce := random(deviceNonce)
	return addDevice(append(nonce, s.deviceTag(id, nonce)...), cookie)
}

// addDevice puts a tag before those that a cookie holds.
func addDevice(tag []byte, cookie string) string {
	tags := []string{base64.RawURLEncoding.EncodeToString(tag)}
	for _, one := range strings.Split(cookie, ".") {
		if raw, err := base64.RawURLEncoding.DecodeString(one); err == nil && len(raw) == deviceNonce+deviceTag && len(tags) < devicesKept && one != tags[0] {
			tags = append(tags, one)
		}
	}
	return strings.Join(tags, ".")
}

// SignedIn is a line of an account's history: when, in which way, how it went. Where from is not kept.
type SignedIn struct {
	At      time.Time // of what was refused: the hour in which it was
	Way     string
	Outcome string
	Times   int64
}

const historyKept = 90 * 24 * time.Hour

// remember writes a line of the history. What was refused is counted by the hour, so that nobody can fill the table.
func (s *Accounts) remember(ctx context.Context, tx *store.Tx, id ref.AccountID, way, outcome string) error {
	now := s.now().UTC()
	at := now.Truncate(time.Microsecond)
	if outcome != OutcomeIn {
		at = now.Truncate(time.Hour)
	}
	const put = `INSERT INTO sign_in (account, at, way, outcome, times) VALUES ($1, $2, $3, $4, 1)
		ON CONFLICT (account, at, way, outcome) DO UPDATE SET times = sign_in.times + 1`
	if _, err := tx.Exec(ctx, put, int64(id), at.UnixMicro(), way, outcome); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `DELETE FROM sign_in WHERE account = $1 AND at < $2`, int64(id), now.Add(-historyKept).UnixMicro())
	return err
}

// History returns when and how an account was signed in to, newest first, at most limit lines.
func (s *Accounts) History(ctx context.Context, tx *store.Tx, id ref.AccountID, limit int) ([]SignedIn, error) {
	found, err := tx.Query(ctx, fmt.Sprintf(`SELECT at, way, outcome, times FROM sign_in WHERE account = $1 ORDER BY at DESC, way, outcome LIMIT %d`, limit), int64(id))
	if err != nil {
		return nil, fmt.Errorf("history of account %d: %w", id, err)
	}
	return store.Collect(found, func(r *store.Rows) (l SignedIn, err error) {
		var at int64
		err = r.Scan(&at, &l.Way, &l.Outcome, &l.Times)
		l.At = time.UnixMicro(at).UTC()
		return l, err
	})
}

// OpenSession is a session of an account that is open now.
type OpenSession struct {
	ID   string // names it without opening it
	Made time.Time
	Seen time.Time
	Way  string
	Mine bool
}

// Sessions lists the open sessions of an account, the last used first. token is that of the session that asks.
func (s *Accounts) Sessions(ctx context.Context, tx *store.Tx, id ref.AccountID, token string) ([]OpenSession, error) {
	mine := sessionKey(token)
	found, err := tx.Query(ctx, `SELECT token, made, seen, way FROM session WHERE account = $1 AND expires > $2 ORDER BY seen DESC, made DESC`,
		int64(id), time.Now().UnixMicro())
	if err != nil {
		return nil, fmt.Errorf("sessions of account %d: %w", id, err)
	}
	return store.Collect(found, func(r *store.Rows) (o OpenSession, err error) {
		var key []byte
		var made, seen int64
		err = r.Scan(&key, &made, &seen, &o.Way)
		o.ID, o.Mine = sessionName(key), slices.Equal(key, mine)
		o.Made, o.Seen = time.UnixMicro(made).UTC(), time.UnixMicro(seen).UTC()
		return o, err
	})
}

func sessionName(key []byte) string {
	sum := sha256.Sum256(append([]byte("plumbline session name\x00"), key...))
	return base64.RawURLEncoding.EncodeToString(sum[:12])
}

// EndSession ends one session of an account.
func (s *Accounts) EndSession(ctx context.Context, tx *store.Tx, id ref.AccountID, name string) error {
	found, err := tx.Query(ctx, `SELECT token FROM session WHERE account = $1`, int64(id))
	if err != nil {
		return err
	}
	keys, err := store.Collect(found, func(r *store.Rows) (key []byte, err error) { return key, r.Scan(&key) })
	if err != nil {
		return err
	}
	for _, key := range keys {
		if sessionName(key) == name {
			data, until := endingAt()
			_, err := tx.Exec(ctx, endSessions+`token = $3`, data, until, key)
			return err
		}
	}
	return nil // ended by itself meanwhile
}

// EndOthers ends every session of an account. It returns the one that the caller goes on with, under a new token. What
// the sessions stood for is gone too: half a sign-in, which no list shows, ends with them.
func (s *Accounts) EndOthers(ctx context.Context, tx *store.Tx, id ref.AccountID) (Session, error) {
	if _, err := tx.Exec(ctx, `UPDATE password SET changed = changed + 1 WHERE account = $1`, int64(id)); err != nil {
		return Session{}, err
	}
	if err := s.endAll(ctx, tx, id); err != nil {
		return Session{}, err
	}
	return s.session(ctx, tx, id)
}

func (s *Accounts) endAll(ctx context.Context, tx *store.Tx, id ref.AccountID) error {
	data, until := endingAt()
	_, err := tx.Exec(ctx, endSessions+`account = $3`, data, until, int64(id))
	return err
}
