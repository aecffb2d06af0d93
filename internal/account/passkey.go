package account

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"plumbline/internal/fault"
	"plumbline/internal/ref"
	"plumbline/internal/store"
	"plumbline/internal/vault"
)

// Site is where the pages are, as the browser sees it: a passkey works there and nowhere else.
type Site struct {
	Name   string // of the office
	Host   string // without a port
	Origin string // scheme, host and port
}

// Passkey is a key on a person's device that signs them in.
type Passkey struct {
	ID   string // as in the lock of the person's key
	Name string
	Made time.Time
	Used time.Time // zero: not yet
}

// prfSalt is what every passkey of every office is asked to answer for the vault. It need not be secret: the answer
// follows from a key that never leaves the device.
var prfSalt = sha256.Sum256([]byte("plumbline vault lock 1"))

// Works reports whether browsers know passkeys of the site: they belong to names, not to numbers.
func (at Site) Works() bool { return net.ParseIP(strings.Trim(at.Host, "[]")) == nil }

func ceremonies(at Site) (*webauthn.WebAuthn, error) {
	if !at.Works() {
		return nil, fault.New(fault.Conflict, "account.passkey-host", nil)
	}
	name := at.Name
	if name == "" {
		name = "Plumbline"
	}
	w, err := webauthn.New(&webauthn.Config{RPID: at.Host, RPDisplayName: name, RPOrigins: []string{at.Origin}})
	if err != nil {
		return nil, fmt.Errorf("account: passkeys at %s: %w", at.Origin, err)
	}
	return w, nil
}

// passkeyUser is an account as the library wants it.
type passkeyUser struct {
	Account
	keys []webauthn.Credential
}

func (u passkeyUser) WebAuthnID() []byte                         { return []byte(u.ID.String()) }
func (u passkeyUser) WebAuthnName() string                       { return u.Login }
func (u passkeyUser) WebAuthnDisplayName() string                { return u.Name }
func (u passkeyUser) WebAuthnCredentials() []webauthn.Credential { return u.keys }

func (s *Accounts) passkeyUser(ctx context.Context, tx *store.Tx, id ref.AccountID) (u passkeyUser, err error) {
	st, err := s.Load(ctx, tx, id)
	if err != nil {
		return u, err
	}
	if st.Account.Active == 0 {
		return u, fault.New(fault.NotFound, "account.not-found", nil)
	}
	u.Account = st.Account
	found, err := tx.Query(ctx, `SELECT credential FROM passkey WHERE account = $1 ORDER BY made, id`, int64(id))
	if err != nil {
		return u, err
	}
	u.keys, err = store.Collect(found, func(r *store.Rows) (c webauthn.Credential, err error) {
		var raw []byte
		if err := r.Scan(&raw); err != nil {
			return c, err
		}
		return c, json.Unmarshal(raw, &c)
	})
	return u, err
}

// Passkeys lists the passkeys of an account, oldest first.
func (s *Accounts) Passkeys(ctx context.Context, tx *store.Tx, id ref.AccountID) ([]Passkey, error) {
	found, err := tx.Query(ctx, `SELECT id, name, made, used FROM passkey WHERE account = $1 ORDER BY made, id`, int64(id))
	if err != nil {
		return nil, fmt.Errorf("passkeys of account %d: %w", id, err)
	}
	return store.Collect(found, func(r *store.Rows) (p Passkey, err error) {
		var raw []byte
		var made, used int64
		err = r.Scan(&raw, &p.Name, &made, &used)
		p.ID, p.Made = keyID(raw), time.UnixMicro(made).UTC()
		if used != 0 {
			p.Used = time.UnixMicro(used).UTC()
		}
		return p, err
	})
}

func keyID(raw []byte) string { return base64.RawURLEncoding.EncodeToString(raw) }

// BeginPasskey returns what a browser is asked when it makes a passkey, and what AddPasskey has to be given back.
func (s *Accounts) BeginPasskey(ctx context.Context, tx *store.Tx, at Site, id ref.AccountID) (options []byte, state string, err error) {
	w, err := ceremonies(at)
	if err != nil {
		return nil, "", err
	}
	u, err := s.passkeyUser(ctx, tx, id)
	if err != nil {
		return nil, "", err
	}
	creation, data, err := w.BeginRegistration(u,
		webauthn.WithAuthenticatorSelection(protocol.AuthenticatorSelection{
			ResidentKey: protocol.ResidentKeyRequirementRequired, UserVerification: protocol.VerificationRequired,
		}),
		webauthn.WithConveyancePreference(protocol.PreferNoAttestation),
		webauthn.WithExclusions(webauthn.Credentials(u.keys).CredentialDescriptors()),
		webauthn.WithExtensions(webauthn.WithExtensionPRF(protocol.PRFValues{First: prfSalt[:]})))
	if err != nil {
		return nil, "", fmt.Errorf("account: begin a passkey: %w", err)
	}
	return asked(creation, data)
}

func asked(options any, data *webauthn.SessionData) ([]byte, string, error) {
	out, err := json.Marshal(options)
	if err != nil {
		return nil, "", err
	}
	state, err := json.Marshal(data)
	return out, string(state), err
}

// AddPasskey keeps the passkey that a browser made, and with it, in the same transaction, what also writes for the lock it opens.
func (s *Accounts) AddPasskey(ctx context.Context, by By, at Site, state, response, name string, also func(ctx context.Context, tx *store.Tx, lock string) error) error {
	id := by.Viewer.Account
	wrong := func(err error) error { return fault.Wrap(err, fault.Invalid, "account.passkey-failed", nil) }
	w, err := ceremonies(at)
	if err != nil {
		return err
	}
	var data webauthn.SessionData
	if err := json.Unmarshal([]byte(state), &data); err != nil {
		return wrong(err)
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes([]byte(response))
	if err != nil {
		return wrong(err)
	}
	name = strings.TrimSpace(name)
	if len(name) > 100 {
		name = strings.ToValidUTF8(name[:100], "")
	}
	return s.db.Tx(ctx, func(tx *store.Tx) error {
		u, err := s.passkeyUser(ctx, tx, id)
		if err != nil {
			return err
		}
		made, err := w.CreateCredential(u, data, parsed)
		if err != nil {
			return wrong(err)
		}
		// The device's make and serial batch are nobody's business.
		made.Attestation, made.AttestationType = webauthn.CredentialAttestation{}, ""
		raw, err := json.Marshal(made)
		if err != nil {
			return err
		}
		st, err := s.Load(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := s.factor(ctx, tx, by, st, "passkey", "added"); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO passkey (id, account, name, credential, made, used) VALUES ($1, $2, $3, $4, $5, 0)`,
			made.ID, int64(id), name, raw, s.now().UnixMicro())
		if store.IsUnique(err) {
			return wrong(err)
		}
		if err != nil {
			return err
		}
		return also(ctx, tx, keyID(made.ID))
	})
}

// AskPasskey returns what a browser is asked when somebody signs in with a passkey. With an account, only its own
// passkeys answer.
func (s *Accounts) AskPasskey(ctx context.Context, tx *store.Tx, at Site, id ref.AccountID) (options []byte, state string, err error) {
	w, err := ceremonies(at)
	if err != nil {
		return nil, "", err
	}
	with := []webauthn.LoginOption{
		webauthn.WithUserVerification(protocol.VerificationRequired),
		webauthn.WithAssertionExtensions(webauthn.WithExtensionPRF(protocol.PRFValues{First: prfSalt[:]})),
	}
	var assertion *protocol.CredentialAssertion
	var data *webauthn.SessionData
	if id == 0 {
		assertion, data, err = w.BeginDiscoverableLogin(with...)
	} else {
		u, e := s.passkeyUser(ctx, tx, id)
		if e != nil {
			return nil, "", e
		}
		if len(u.keys) == 0 {
			return nil, "", fault.New(fault.NotFound, "account.no-passkey", nil)
		}
		assertion, data, err = w.BeginLogin(u, with...)
	}
	if err != nil {
		return nil, "", fmt.Errorf("account: ask for a passkey: %w", err)
	}
	return asked(assertion, data)
}

// checkPasskey checks a browser's answer and keeps what changes with it. id is 0 if the answer says who it is.
func (s *Accounts) checkPasskey(ctx context.Context, tx *store.Tx, at Site, id ref.AccountID, state, response string) (ref.AccountID, string, error) {
	wrong := func(err error) error { return fault.Wrap(err, fault.Forbidden, "account.passkey-failed", nil) }
	w, err := ceremonies(at)
	if err != nil {
		return 0, "", err
	}
	var data webauthn.SessionData
	if err := json.Unmarshal([]byte(state), &data); err != nil {
		return 0, "", wrong(err)
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes([]byte(response))
	if err != nil {
		return 0, "", wrong(err)
	}
	var used *webauthn.Credential
	if id == 0 {
		_, used, err = w.ValidatePasskeyLogin(func(_, handle []byte) (webauthn.User, error) {
			var n int64
			if _, err := fmt.Sscanf(string(handle), "%d", &n); err != nil {
				return nil, err
			}
			id = ref.AccountID(n)
			return s.passkeyUser(ctx, tx, id)
		}, data, parsed)
	} else {
		var u passkeyUser
		if u, err = s.passkeyUser(ctx, tx, id); err == nil {
			used, err = w.ValidateLogin(u, data, parsed)
		}
	}
	if err != nil {
		return 0, "", wrong(err)
	}
	if used.Authenticator.CloneWarning {
		return 0, "", wrong(fmt.Errorf("the passkey's counter went back: it was copied"))
	}
	raw, err := json.Marshal(used)
	if err != nil {
		return 0, "", err
	}
	_, err = tx.Exec(ctx, `UPDATE passkey SET credential = $1, used = $2 WHERE id = $3 AND account = $4`, raw, s.now().UnixMicro(), used.ID, int64(id))
	return id, keyID(used.ID), err
}

// SignInPasskey signs in whoever holds a passkey, and returns what names its lock. It takes no part in the counting of
// wrong tries, and nobody else's wrong tries keep it waiting: it cannot be guessed.
func (s *Accounts) SignInPasskey(ctx context.Context, at Site, state, response string) (out Session, lock string, err error) {
	err = s.db.Tx(ctx, func(tx *store.Tx) error {
		id, key, err := s.checkPasskey(ctx, tx, at, 0, state, response)
		if err != nil {
			return err
		}
		lock = key
		out, err = s.enter(ctx, tx, id, WayPasskey)
		return err
	})
	return out, lock, err
}

// ProvePasskey checks the passkey of somebody who is signed in already.
func (s *Accounts) ProvePasskey(ctx context.Context, at Site, id ref.AccountID, state, response string) (lock string, err error) {
	err = s.db.Tx(ctx, func(tx *store.Tx) (err error) {
		_, lock, err = s.checkPasskey(ctx, tx, at, id, state, response)
		return err
	})
	return lock, err
}

// RenamePasskey changes what a passkey is called.
func (s *Accounts) RenamePasskey(ctx context.Context, tx *store.Tx, by By, key, name string) error {
	raw, err := base64.RawURLEncoding.DecodeString(key)
	if err != nil {
		return fault.New(fault.NotFound, "account.no-passkey", nil)
	}
	name = strings.TrimSpace(name)
	if name == "" || len(name) > 100 {
		return fault.InvalidFields([]fault.Field{{Name: "name", Key: "account.passkey-name"}})
	}
	n, err := tx.Affected(ctx, `UPDATE passkey SET name = $1 WHERE id = $2 AND account = $3`, name, raw, int64(by.Viewer.Account))
	if err == nil && n == 0 {
		return fault.New(fault.NotFound, "account.no-passkey", nil)
	}
	return err
}

// DropPasskey takes a passkey away, and the lock that it opened. The last lock of a person's key stays.
func (s *Accounts) DropPasskey(ctx context.Context, tx *store.Tx, by By, key string) error {
	raw, err := base64.RawURLEncoding.DecodeString(key)
	if err != nil {
		return fault.New(fault.NotFound, "account.no-passkey", nil)
	}
	st, err := s.Load(ctx, tx, by.Viewer.Account)
	if err != nil {
		return err
	}
	n, err := tx.Affected(ctx, `DELETE FROM passkey WHERE id = $1 AND account = $2`, raw, int64(st.Account.ID))
	if err != nil {
		return err
	}
	if n == 0 {
		return fault.New(fault.NotFound, "account.no-passkey", nil)
	}
	if err := s.factor(ctx, tx, by, st, "passkey", "removed"); err != nil {
		return err
	}
	if s.keeper == nil {
		return nil
	}
	return s.keeper.DropLock(ctx, tx, st.Account.ID, vault.Passkey, key)
}
