package intake

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	"plumbline/internal/fault"
	"plumbline/internal/ref"
	"plumbline/internal/store"
)

// How long a visit lasts: without a step, and at most.
const (
	Idle    = 20 * time.Minute
	Longest = 8 * time.Hour
)

// slack is by how much the end of a visit may lag behind: looking at pages does not write each time.
const slack = time.Minute

// Visits are the visits of reporters to their reports, kept in table session beside those of staff. A row holds the
// hash of the token and the receipt code sealed under the token: a copy of the database neither opens a visit nor tells
// which report is being read.
type Visits struct {
	db  *store.DB
	now func() time.Time
}

// NewVisits returns the visits of a database.
func NewVisits(db *store.DB, now func() time.Time) *Visits { return &Visits{db: db, now: now} }

type visit struct {
	Code ref.ReceiptCode `json:"code"`
	Ends int64           `json:"ends"` // at the latest, microseconds UTC
}

const (
	putVisit    = `INSERT INTO session (token, data, expires) VALUES ($1, $2, $3)`
	getVisit    = `SELECT data, expires FROM session WHERE token = $1 AND expires > $2`
	moveVisit   = `UPDATE session SET expires = $2 WHERE token = $1 AND expires < $2`
	endVisit    = `DELETE FROM session WHERE token = $1`
	dropExpired = `DELETE FROM session WHERE expires < $1`
)

// Begin begins a visit to the report with a code and returns its token.
func (v *Visits) Begin(ctx context.Context, code ref.ReceiptCode) (token string, err error) {
	token = rand.Text()
	now := v.now()
	plain, err := json.Marshal(visit{Code: code, Ends: now.Add(Longest).UnixMicro()})
	if err != nil {
		return "", fmt.Errorf("intake: begin visit: %w", err)
	}
	sealed := lock(token).Seal(nil, make([]byte, 12), plain, nil) // each key seals one text: the nonce may be fixed
	err = v.db.Tx(ctx, func(tx *store.Tx) error {
		if _, err := tx.Exec(ctx, putVisit, row(token), sealed, now.Add(Idle).UnixMicro()); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, dropExpired, now.UnixMicro())
		return err
	})
	if err != nil {
		return "", fmt.Errorf("intake: begin visit: %w", err)
	}
	return token, nil
}

// ErrOver is returned for a visit that has ended, or never was.
var ErrOver error = fault.New(fault.NotFound, "public.follow.over", nil)

// Code returns the code of the report being visited, and lets the visit go on for a while.
func (v *Visits) Code(ctx context.Context, token string) (ref.ReceiptCode, error) {
	now := v.now()
	var sealed []byte
	var expires int64
	err := v.db.Read(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(ctx, getVisit, row(token), now.UnixMicro()).Scan(&sealed, &expires)
	})
	if fault.Is(err, fault.NotFound) {
		return "", ErrOver
	}
	if err != nil {
		return "", fmt.Errorf("intake: visit: %w", err)
	}
	var in visit
	plain, err := lock(token).Open(nil, make([]byte, 12), sealed, nil)
	if err != nil {
		return "", fmt.Errorf("intake: visit: %w", err) // somebody changed the row
	}
	if err := json.Unmarshal(plain, &in); err != nil {
		return "", fmt.Errorf("intake: visit: %w", err)
	}
	until := min(now.Add(Idle).UnixMicro(), in.Ends)
	if until-expires > slack.Microseconds() {
		err = v.db.Tx(ctx, func(tx *store.Tx) error { _, err := tx.Exec(ctx, moveVisit, row(token), until); return err })
		if err != nil {
			return "", fmt.Errorf("intake: visit: %w", err)
		}
	}
	return in.Code, nil
}

// End ends a visit. What is not there is over already.
func (v *Visits) End(ctx context.Context, token string) error {
	err := v.db.Tx(ctx, func(tx *store.Tx) error { _, err := tx.Exec(ctx, endVisit, row(token)); return err })
	if err != nil {
		return fmt.Errorf("intake: end visit: %w", err)
	}
	return nil
}

func row(token string) []byte {
	sum := sha256.Sum256([]byte("plumbline visit\x00" + token))
	return sum[:]
}

// lock is what seals the code of a visit: the key follows from the token, which only the reporter's browser holds.
func lock(token string) cipher.AEAD {
	key := sha256.Sum256([]byte("plumbline visit key\x00" + token))
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // the key has the right length
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // the standard nonce size
	}
	return aead
}
