package vault

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"plumbline/internal/fault"
	"plumbline/internal/ref"
)

// A session's keys are sealed under a key made of two halves: the token, which only the browser's cookie holds (the database
// has its hash), and a salt, which only the session's row holds. So any instance of the program serves the session, and
// neither a copy of the database nor a stolen cookie that was signed out opens anything.

type openSession struct {
	keys *Keys
	used time.Time
}

const (
	keepOpen     = 15 * time.Minute // keys unlocked in memory that nobody used are forgotten
	mostSessions = 2000
)

type sessionContent struct {
	Account ref.AccountID `json:"account"`
	No      int64         `json:"no"`
	Person  secret        `json:"person"`
}

func sessionKey(token string, salt []byte) []byte {
	return derive([]byte(token), salt, "plumbline session keys")
}

// SealSession returns what a session's row keeps of keys that were unlocked. It opens with the token alone.
func (v *Vault) SealSession(k *Keys, token string) (string, error) {
	plain, err := json.Marshal(sessionContent{k.account, k.no, k.person})
	if err != nil {
		return "", fmt.Errorf("vault: session: %w", err)
	}
	salt := random(16)
	v.remember(token, k)
	return base64.RawURLEncoding.EncodeToString(append(salt, box(sessionKey(token, salt), "plumbline session", plain)...)), nil
}

// OpenSession returns the keys of a session.
func (v *Vault) OpenSession(token, sealed string) (*Keys, error) {
	at := sha256.Sum256([]byte("plumbline open session\x00" + token))
	v.mu.Lock()
	if s := v.sessions[at]; s != nil && !s.keys.gone() {
		s.used = time.Now()
		v.mu.Unlock()
		return s.keys, nil
	}
	v.mu.Unlock()
	raw, err := base64.RawURLEncoding.DecodeString(sealed)
	if err != nil || len(raw) < 16 {
		return nil, fault.Wrap(errShut, fault.Forbidden, "vault.locked", nil)
	}
	plain, err := unbox(sessionKey(token, raw[:16]), "plumbline session", raw[16:])
	if err != nil {
		return nil, fault.Wrap(err, fault.Forbidden, "vault.locked", nil)
	}
	var c sessionContent
	if err := json.Unmarshal(plain, &c); err != nil {
		return nil, fmt.Errorf("vault: session: %w", err)
	}
	k := newKeys(c.Account, c.No, c.Person)
	v.remember(token, k)
	return k, nil
}

// CloseSession forgets the keys of a session that ends.
func (v *Vault) CloseSession(token string) {
	at := sha256.Sum256([]byte("plumbline open session\x00" + token))
	v.mu.Lock()
	defer v.mu.Unlock()
	if s := v.sessions[at]; s != nil {
		s.keys.Wipe()
		delete(v.sessions, at)
	}
}

func (v *Vault) remember(token string, k *Keys) {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := time.Now()
	for at, s := range v.sessions {
		if now.Sub(s.used) > keepOpen || len(v.sessions) >= mostSessions {
			delete(v.sessions, at) // a request in flight may still use them: the collector takes them, or the session opens again
		}
	}
	v.sessions[sha256.Sum256([]byte("plumbline open session\x00"+token))] = &openSession{k, now}
	if v.sweeper == nil {
		v.sweeper = time.AfterFunc(keepOpen, v.sweep)
	}
}

// sweep forgets keys that nobody used for a while, also where nobody signs in meanwhile.
func (v *Vault) sweep() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.sweeper = nil
	for at, s := range v.sessions {
		if time.Since(s.used) >= keepOpen {
			delete(v.sessions, at)
		}
	}
	if len(v.sessions) > 0 {
		v.sweeper = time.AfterFunc(keepOpen/3, v.sweep)
	}
}

// closeAll forgets what is open of an account: its rights changed.
func (v *Vault) closeAll(account ref.AccountID) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for at, s := range v.sessions {
		if s.keys.account == account {
			delete(v.sessions, at)
		}
	}
}

func (k *Keys) gone() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.wiped
}
