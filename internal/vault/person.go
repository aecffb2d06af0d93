package vault

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"

	"plumbline/internal/fault"
	"plumbline/internal/journal"
	"plumbline/internal/ref"
	"plumbline/internal/store"
)

// Kinds of locks.
const (
	Password = "password" // the password one signs in with
	Passkey  = "passkey"  // what a passkey's PRF extension gives
	Phrase   = "vault"    // a password for the vault alone, of those who sign in elsewhere
)

// A Secret is what opens a lock.
type Secret struct {
	Kind  string
	ID    string // of a passkey: its credential
	Bytes []byte
}

// LockInfo is a lock on a person's key.
type LockInfo struct {
	Kind, ID string
	At       int64 // made, microseconds UTC
}

// The cost of a password that locks a key: argon2id as OWASP's first choice has it, the same as for signing in.
const (
	argonTime   = 2
	argonMemory = 19 * 1024 // KiB
	argonParams = "argon2id v=19 m=19456,t=2,p=1"
	hkdfParams  = "hkdf-sha256"
	maxSecret   = 1024
)

const (
	selectPerson = `SELECT no, recipient FROM vault_person WHERE account = $1 AND gone = 0`
	selectLastNo = `SELECT COALESCE(MAX(no), 0) FROM vault_person WHERE account = $1`
	selectLock   = `SELECT no, salt, params, sealed FROM vault_lock WHERE account = $1 AND kind = $2 AND id = $3`
	selectLocks  = `SELECT kind, id, made FROM vault_lock WHERE account = $1 ORDER BY made, kind, id`
	putLock      = `INSERT INTO vault_lock (account, kind, id, no, salt, params, sealed, made) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (account, kind, id) DO UPDATE SET no = excluded.no, salt = excluded.salt, params = excluded.params, sealed = excluded.sealed, made = excluded.made`
	dropLock  = `DELETE FROM vault_lock WHERE account = $1 AND kind = $2 AND id = $3`
	dropLocks = `DELETE FROM vault_lock WHERE account = $1`
)

// HasKey reports whether an account has a key in use.
func (v *Vault) HasKey(ctx context.Context, tx *store.Tx, account ref.AccountID) (bool, error) {
	_, _, err := personKey(ctx, tx, account)
	if missing(err) {
		return false, nil
	}
	return err == nil, err
}

func personKey(ctx context.Context, tx *store.Tx, account ref.AccountID) (no int64, recipient string, err error) {
	err = tx.QueryRow(ctx, selectPerson, int64(account)).Scan(&no, &recipient)
	return no, recipient, err
}

// Locks lists what opens an account's key.
func (v *Vault) Locks(ctx context.Context, tx *store.Tx, account ref.AccountID) ([]LockInfo, error) {
	return each(ctx, tx, func(r *store.Rows) (l LockInfo, err error) { return l, r.Scan(&l.Kind, &l.ID, &l.At) }, selectLocks, int64(account))
}

// lockKey derives the key of a lock from what opens it. It takes time on purpose for passwords, and is never called inside
// a transaction.
func (v *Vault) lockKey(ctx context.Context, s Secret, salt []byte, params string) ([]byte, error) {
	if len(s.Bytes) == 0 || len(s.Bytes) > maxSecret {
		return nil, fault.New(fault.Forbidden, "vault.locked", nil)
	}
	if params == hkdfParams {
		return derive(s.Bytes, salt, "plumbline lock "+s.Kind), nil
	}
	if params != argonParams {
		return nil, fmt.Errorf("vault: a lock of an unknown form")
	}
	select {
	case v.argon <- struct{}{}:
		defer func() { <-v.argon }()
	case <-ctx.Done():
		return nil, fault.Wrap(ctx.Err(), fault.Unavailable, "account.busy", nil)
	}
	return argon2.IDKey([]byte(norm.NFC.String(string(s.Bytes))), salt, argonTime, argonMemory, 1, 32), nil
}

func paramsFor(kind string) (string, error) {
	switch kind {
	case Password, Phrase:
		return argonParams, nil
	case Passkey:
		return hkdfParams, nil
	}
	return "", fmt.Errorf("vault: unknown kind of lock %q", kind)
}

func lockAbout(account ref.AccountID, no int64, s Secret) string {
	return fmt.Sprintf("plumbline person %d %d %s %s", account, no, s.Kind, s.ID)
}

// A newLock is a lock made outside of a transaction, since that takes time.
type newLock struct {
	s      Secret
	salt   []byte
	params string
	key    []byte
}

func (v *Vault) makeLock(ctx context.Context, s Secret) (l newLock, err error) {
	l.s, l.salt = s, random(16)
	if l.params, err = paramsFor(s.Kind); err != nil {
		return l, err
	}
	l.key, err = v.lockKey(ctx, s, l.salt, l.params)
	return l, err
}

func (v *Vault) putLock(ctx context.Context, tx *store.Tx, k *Keys, l newLock) error {
	_, err := tx.Exec(ctx, putLock, int64(k.account), l.s.Kind, l.s.ID, k.no, l.salt, l.params,
		box(l.key, lockAbout(k.account, k.no, l.s), []byte(k.person)), v.micros())
	return err
}

// A Change is the part of a ceremony that is written, for a transaction of the caller's: what takes time was done before.
// Together with what else it writes, it takes effect wholly or not at all.
type Change func(ctx context.Context, tx *store.Tx) error

// Enrol makes the first key of an account, or the first after one was given up, locked by s. It gives the account the
// keys of the desks that wait for it. If it has a key already, the error is a Conflict "vault.has-key".
func (v *Vault) Enrol(ctx context.Context, account ref.AccountID, s Secret) (*Keys, error) {
	k, change, err := v.Enrolling(ctx, account, s)
	if err != nil {
		return nil, err
	}
	if err := v.db.Tx(ctx, func(tx *store.Tx) error { return change(ctx, tx) }); err != nil {
		return nil, fmt.Errorf("vault: make the key of account %d: %w", account, err)
	}
	return k, nil
}

// Enrolling is Enrol for a transaction that does more than this. The keys are good once it has taken effect.
func (v *Vault) Enrolling(ctx context.Context, account ref.AccountID, s Secret) (*Keys, Change, error) {
	l, err := v.makeLock(ctx, s)
	if err != nil {
		return nil, nil, err
	}
	person, recipient, err := newSecret()
	if err != nil {
		return nil, nil, err
	}
	k := newKeys(account, 0, person)
	return k, func(ctx context.Context, tx *store.Tx) error {
		if has, err := v.HasKey(ctx, tx, account); err != nil {
			return err
		} else if has {
			return fault.New(fault.Conflict, "vault.has-key", nil)
		}
		var last int64
		if err := tx.QueryRow(ctx, selectLastNo, int64(account)).Scan(&last); err != nil {
			return err
		}
		k.no = last + 1
		if err := v.record(ctx, tx, journal.Actor{Account: account, Duty: "self"}, personStream(account), ActionKey, change{No: k.no, Recipient: recipient.String()}); err != nil {
			return err
		}
		if err := v.putLock(ctx, tx, k, l); err != nil {
			return err
		}
		return v.handOut(ctx, tx, account)
	}, nil
}

func newKeys(account ref.AccountID, no int64, person secret) *Keys {
	k := ReporterKeys("")
	k.code, k.account, k.no, k.person = nil, account, no, person
	return k
}

// Unlock opens an account's key. The error is Forbidden "vault.locked" if s does not open it, NotFound "vault.no-key" if
// there is no such lock.
func (v *Vault) Unlock(ctx context.Context, account ref.AccountID, s Secret) (*Keys, error) {
	var no, inUse int64
	var salt, sealed []byte
	var params string
	err := v.db.Read(ctx, func(tx *store.Tx) error {
		var err error
		if inUse, _, err = personKey(ctx, tx, account); err != nil {
			return err
		}
		return tx.QueryRow(ctx, selectLock, int64(account), s.Kind, s.ID).Scan(&no, &salt, &params, &sealed)
	})
	if missing(err) || err == nil && no != inUse {
		return nil, fault.New(fault.NotFound, "vault.no-key", nil)
	}
	if err != nil {
		return nil, fmt.Errorf("vault: unlock: %w", err)
	}
	key, err := v.lockKey(ctx, s, salt, params)
	if err != nil {
		return nil, err
	}
	person, err := unbox(key, lockAbout(account, no, s), sealed)
	if err != nil {
		return nil, fault.New(fault.Forbidden, "vault.locked", nil)
	}
	return newKeys(account, no, secret(person)), nil
}

// Relock adds a lock to a key that is open, or replaces the one of the same kind and id.
func (v *Vault) Relock(ctx context.Context, k *Keys, s Secret) error {
	change, err := v.Relocking(ctx, k, s)
	if err != nil {
		return err
	}
	return v.db.Tx(ctx, func(tx *store.Tx) error { return change(ctx, tx) })
}

// Relocking is Relock for a transaction that does more than this, such as to change the password that the lock is made of.
func (v *Vault) Relocking(ctx context.Context, k *Keys, s Secret) (Change, error) {
	l, err := v.makeLock(ctx, s)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, tx *store.Tx) error {
		no, _, err := personKey(ctx, tx, k.account)
		if missing(err) || err == nil && no != k.no {
			return fault.New(fault.NotFound, "vault.no-key", nil)
		}
		if err != nil {
			return err
		}
		return v.putLock(ctx, tx, k, l)
	}, nil
}

// DropLock takes a lock away. The last one stays: without it the key could never be opened again.
func (v *Vault) DropLock(ctx context.Context, tx *store.Tx, account ref.AccountID, kind, id string) error {
	locks, err := v.Locks(ctx, tx, account)
	if err != nil {
		return err
	}
	if len(locks) == 1 && locks[0].Kind == kind && locks[0].ID == id {
		return fault.New(fault.Conflict, "vault.last-lock", nil)
	}
	_, err = tx.Exec(ctx, dropLock, int64(account), kind, id)
	return err
}

const forgetPerson = `UPDATE vault_member SET sealed = NULL WHERE account = $1`

// GiveUp gives up the key of an account whose password was forgotten: it opens nothing any more. What only it could open
// stays shut; for everything else colleagues let the person in again.
func (v *Vault) GiveUp(ctx context.Context, tx *store.Tx, by journal.Actor, account ref.AccountID) error {
	if has, err := v.HasKey(ctx, tx, account); err != nil || !has {
		return err
	}
	if err := v.record(ctx, tx, by, personStream(account), ActionGiveUp, change{}); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, dropLocks, int64(account)); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, forgetPerson, int64(account)); err != nil {
		return err
	}
	v.closeAll(account)
	return v.reopenDesks(ctx, tx, by, account)
}

const selectTheirDesks = `SELECT d.duty, d.body, d.id, d.recipient, d.made, d.gone FROM vault_desk d JOIN vault_member m ON m.desk = d.id
	WHERE m.account = $1 AND d.gone = 0 ORDER BY d.id`

// reopenDesks gives a new key to desks that nobody can open any more, so that what comes from now on is read by whoever
// joins; what was sealed before takes the officers.
func (v *Vault) reopenDesks(ctx context.Context, tx *store.Tx, by journal.Actor, account ref.AccountID) error {
	desks, err := each(ctx, tx, scanDesk, selectTheirDesks, int64(account))
	if err != nil {
		return fmt.Errorf("vault: %w", err)
	}
	for _, k := range desks {
		members, err := each(ctx, tx, scanMember, selectMembers, k.ID)
		if err != nil {
			return fmt.Errorf("vault: %w", err)
		}
		var kept int
		if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM vault_kept WHERE desk = $1`, k.ID).Scan(&kept); err != nil {
			return fmt.Errorf("vault: %w", err)
		}
		if kept > 0 || slices.ContainsFunc(members, func(m member) bool { return m.sealed != nil }) {
			continue
		}
		if _, err := v.newDesk(ctx, tx, by, Desk{k.Duty, k.Body}, members); err != nil {
			return err
		}
	}
	return nil
}

func parts(compartments []string) string { return strings.Join(compartments, ",") }
