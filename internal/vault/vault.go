// Package vault seals what could hurt somebody, and decides by keys alone who can read it.
//
// Its promise: whoever has the database, a copy of its disk or every backup, and none of the people's passwords, reads
// nothing that was sealed. Who may read is for package access to say; the vault makes the answer hold where no program
// stands in the way.
//
// There are four kinds of keys. A person has a pair, locked by their password or passkey. A desk (a duty at a body) has
// a pair, whose private half is wrapped to the people on it. A matter has compartments, each with a secret that is wrapped to
// the desks concerned, and to the reporter, whose key follows from the receipt code. An entry or a file has a key of its
// own that follows from its compartment's secret and fresh randomness, so that no key ever seals twice. Wrapping is age
// with its post-quantum hybrid recipients (X25519 and ML-KEM-768); content is XChaCha20-Poly1305 bound to the matter, the
// compartment and the thing within it.
//
// A desk that nobody has joined yet is kept by the office key, a file outside the database, so that a report is never
// turned away for want of a reader. It goes from there to the first people of the desk and is kept no longer.
//
// Keys made, given and taken back are entries on streams vault/…; what is secret is no part of the record.
package vault

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"sync"
	"time"

	"plumbline/internal/fault"
	"plumbline/internal/ref"
	"plumbline/internal/store"
)

// A Desk is a duty at a body.
type Desk struct {
	Duty string
	Body ref.BodyID
}

// Stream is where what happens to a desk's keys is recorded.
func (d Desk) Stream() string { return "vault/desk-" + d.Duty + "." + d.Body.String() }

func personStream(account ref.AccountID) string { return "vault/person-" + account.String() }

const escrowStream = "vault/escrow"

// OfficeKey is the key of an office that lies outside its database: 32 random bytes.
type OfficeKey []byte

// NewOfficeKey makes an office key.
func NewOfficeKey() OfficeKey {
	k := make([]byte, 32)
	_, _ = rand.Read(k) // never fails (crypto/rand)
	return k
}

// Derive returns 32 bytes that follow from the office key for one purpose and tell nothing about those for another.
// Without an office key they are random and die with the process.
func (k OfficeKey) Derive(label string) []byte { return derive(k, nil, "plumbline office "+label) }

// Vault keeps the keys of one database. It is safe for use by many goroutines.
type Vault struct {
	db     *store.DB
	office OfficeKey
	lost   bool // there is no office key: what would need it says so
	now    func() time.Time
	argon  chan struct{}

	mu       sync.Mutex
	sessions map[[sha256.Size]byte]*openSession
	sweeper  *time.Timer // runs while there are some

	recipients sync.Map // of desks and people, parsed: text -> *age.HybridRecipient
}

// New returns the vault of a database. An empty office key means that there is none here: everything works but what
// needs it, which says so (fault "vault.no-office-key").
func New(db *store.DB, office OfficeKey, now func() time.Time) *Vault {
	v := &Vault{db: db, office: office, now: now, argon: make(chan struct{}, 4), sessions: map[[sha256.Size]byte]*openSession{}}
	if len(office) == 0 {
		v.office, v.lost = NewOfficeKey(), true
	}
	return v
}

// Whole reports whether the office key is there.
func (v *Vault) Whole() bool { return !v.lost }

// OfficeKey is what other parts derive keys from.
func (v *Vault) OfficeKey() OfficeKey { return v.office }

func (v *Vault) micros() int64 { return v.now().UTC().UnixMicro() }

// needOffice is the error of what cannot be done without the office key.
func (v *Vault) needOffice() error {
	if v.lost {
		return fault.New(fault.Unavailable, "vault.no-office-key", nil)
	}
	return nil
}

func missing(err error) bool { return fault.Is(err, fault.NotFound) }

// each reads rows one by one into memory.
func each[T any](ctx context.Context, tx *store.Tx, scan func(*store.Rows) (T, error), query string, args ...any) ([]T, error) {
	found, err := tx.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return store.Collect(found, scan)
}
