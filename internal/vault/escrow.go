package vault

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cloudflare/circl/group"
	"github.com/cloudflare/circl/secretsharing"

	"plumbline/internal/fault"
	"plumbline/internal/journal"
	"plumbline/internal/ref"
	"plumbline/internal/store"
)

// Recovery: a key that opens every desk, which nobody holds. It is split among officers (Shamir, How to share a secret,
// 1979); so many of them together open a desk for a new person. The key itself exists in memory only, while it is made and
// while it is used.

const shareMark = "PLUMBLINE-SHARE-1"

var sharing = group.Ristretto255

var base = base32.StdEncoding.WithPadding(base32.NoPadding)

// A Share is one officer's part.
type Share struct {
	Escrow int64 // which escrow it is of
	share  secretsharing.Share
}

// Line writes a share as one line that an officer can keep on paper. It is no String, so that nothing prints a share in passing.
func (s Share) Line() string {
	id, err1 := s.share.ID.MarshalBinary()
	value, err2 := s.share.Value.MarshalBinary()
	if err1 != nil || err2 != nil {
		panic(errors.Join(err1, err2)) // both are scalars we made
	}
	raw := binary.BigEndian.AppendUint64(nil, uint64(s.Escrow)) //nolint:gosec // ids are positive
	raw = append(append(raw, id...), value...)
	sum := sha256.Sum256(raw)
	text := base.EncodeToString(append(raw, sum[:4]...))
	var groups []string
	for len(text) > 0 {
		n := min(6, len(text))
		groups, text = append(groups, text[:n]), text[n:]
	}
	return shareMark + " " + strings.Join(groups, "-")
}

// ParseShare reads a share as Line writes it, however it is spaced, and with the digits that are easily taken for its letters.
func ParseShare(line string) (Share, error) {
	wrong := fault.New(fault.Invalid, "vault.share", nil)
	line = strings.ToUpper(strings.TrimSpace(line))
	rest, ok := strings.CutPrefix(line, shareMark)
	if !ok {
		return Share{}, wrong
	}
	raw, err := base.DecodeString(strings.NewReplacer("-", "", " ", "", "\t", "", "0", "O", "1", "I", "8", "B").Replace(rest))
	if err != nil || len(raw) != 8+32+32+4 {
		return Share{}, wrong
	}
	sum := sha256.Sum256(raw[:len(raw)-4])
	if string(sum[:4]) != string(raw[len(raw)-4:]) {
		return Share{}, wrong
	}
	s := Share{Escrow: int64(binary.BigEndian.Uint64(raw)), share: secretsharing.Share{ID: sharing.NewScalar(), Value: sharing.NewScalar()}} //nolint:gosec // compared, never computed with
	if s.share.ID.UnmarshalBinary(raw[8:40]) != nil || s.share.Value.UnmarshalBinary(raw[40:72]) != nil {
		return Share{}, wrong
	}
	return s, nil
}

func escrowNow(ctx context.Context, tx *store.Tx) (e Escrow, err error) {
	err = tx.QueryRow(ctx, selectEscrow).Scan(&e.ID, &e.Need, &e.Officers, &e.Recipient, &e.Made, &e.Gone)
	return e, err
}

// Escrow is the escrow in use; NotFound if there is none.
func (v *Vault) Escrow(ctx context.Context, tx *store.Tx) (Escrow, error) { return escrowNow(ctx, tx) }

// Outside lists who belongs to a desk and cannot open its key.
func (v *Vault) Outside(ctx context.Context, tx *store.Tx, desk int64) ([]ref.AccountID, error) {
	return each(ctx, tx, func(r *store.Rows) (id ref.AccountID, err error) { return id, r.Scan(&id) },
		`SELECT account FROM vault_member WHERE desk = $1 AND sealed IS NULL ORDER BY account`, desk)
}

func escrowAbout(id int64) string { return fmt.Sprintf("plumbline escrow %d", id) }

// Split makes an escrow: officers shares, of which need together open every desk. Desks that the office keeps are covered at
// once, the others as soon as somebody on them signs in (CatchUp); from then on the shares of the escrow before open them no
// longer. The shares are given to deliver before anything is written, so that there is never an escrow in force whose shares
// nobody has: if Split fails afterwards, those shares open nothing, and the escrow before is as good as it was.
func (v *Vault) Split(ctx context.Context, by journal.Actor, need, officers int, deliver func([]Share) error) error {
	if need < 2 || officers < need || officers > 50 {
		return fault.New(fault.Invalid, "vault.escrow-size", nil)
	}
	s, r, err := newSecret()
	if err != nil {
		return err
	}
	master := sharing.RandomScalar(rand.Reader)
	raw, err := master.MarshalBinary()
	if err != nil {
		return fmt.Errorf("vault: escrow: %w", err)
	}
	id := v.db.NewID()
	shares := make([]Share, officers)
	for i, p := range secretsharing.New(rand.Reader, uint(need-1), master).Share(uint(officers)) { //nolint:gosec // 2 to 50
		shares[i] = Share{Escrow: id, share: p}
	}
	if err := deliver(shares); err != nil {
		return err
	}
	err = v.db.Tx(ctx, func(tx *store.Tx) error {
		if err := v.record(ctx, tx, by, escrowStream, ActionEscrow, change{ID: id, Need: int64(need), Officers: int64(officers), Recipient: r.String()}); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `INSERT INTO vault_escrow_lock (escrow, sealed) VALUES ($1, $2)`, id, box(derive(raw, nil, "plumbline escrow"), escrowAbout(id), []byte(s))); err != nil {
			return err
		}
		e, err := escrowNow(ctx, tx)
		if err != nil {
			return err
		}
		desks, err := each(ctx, tx, scanDesk, selectAllDesk)
		if err != nil {
			return err
		}
		for _, d := range desks {
			ds, kept, err := v.keptSecret(ctx, tx, d.ID)
			if err != nil {
				return err
			}
			if kept {
				if err := v.escrowDesk(ctx, tx, d.ID, ds, e); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("vault: escrow: %w", err)
	}
	return nil
}

// Joined is an escrow that enough officers opened together.
type Joined struct {
	v *Vault
	e Escrow
	s secret
}

// Combine opens an escrow from shares.
func (v *Vault) Combine(ctx context.Context, shares []Share) (*Joined, error) {
	if len(shares) == 0 {
		return nil, fault.New(fault.Invalid, "vault.share", nil)
	}
	var parts []secretsharing.Share
	for i, s := range shares {
		if s.Escrow != shares[0].Escrow {
			return nil, fault.New(fault.Invalid, "vault.share-mixed", nil)
		}
		for _, before := range shares[:i] {
			if before.share.ID.IsEqual(s.share.ID) {
				return nil, fault.New(fault.Invalid, "vault.share-twice", nil)
			}
		}
		parts = append(parts, s.share)
	}
	j := &Joined{v: v}
	var sealed []byte
	err := v.db.Read(ctx, func(tx *store.Tx) error {
		all, err := each(ctx, tx, scanEscrow, selectEscrows)
		if err != nil {
			return err
		}
		for _, e := range all {
			if e.ID == shares[0].Escrow {
				j.e = e
			}
		}
		if j.e.ID == 0 {
			return fault.New(fault.NotFound, "vault.no-escrow", nil)
		}
		err = tx.QueryRow(ctx, `SELECT sealed FROM vault_escrow_lock WHERE escrow = $1`, j.e.ID).Scan(&sealed)
		if missing(err) {
			return fault.New(fault.Conflict, "vault.share-replaced", nil)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if int64(len(parts)) < j.e.Need {
		return nil, fault.New(fault.Forbidden, "vault.shares-few", fault.Args{"need": j.e.Need, "n": len(parts)})
	}
	if j.s, err = j.open(parts, sealed); err == nil {
		// Every share given is tried, not only as many as are needed: a drill is to find the one that is not what it was.
		for i := int(j.e.Need); i < len(parts); i++ {
			if _, err := j.open(append(slices.Clone(parts[:j.e.Need-1]), parts[i]), sealed); err != nil {
				return nil, fault.Wrap(err, fault.Forbidden, "vault.share-odd", fault.Args{"n": i + 1})
			}
		}
		return j, nil
	}
	for i := range parts {
		if int64(len(parts)) == j.e.Need {
			break // none to spare
		}
		if _, err := j.open(slices.Delete(slices.Clone(parts), i, i+1), sealed); err == nil {
			return nil, fault.New(fault.Forbidden, "vault.share-odd", fault.Args{"n": i + 1})
		}
	}
	return nil, fault.Wrap(err, fault.Forbidden, "vault.share-wrong", nil)
}

// open opens the escrow's key with the first shares of those given.
func (j *Joined) open(parts []secretsharing.Share, sealed []byte) (secret, error) {
	master, err := secretsharing.Recover(uint(j.e.Need-1), parts) //nolint:gosec // 2 to 50
	if err != nil {
		return "", fmt.Errorf("vault: escrow: %w", err)
	}
	raw, err := master.MarshalBinary()
	if err != nil {
		return "", fmt.Errorf("vault: escrow: %w", err)
	}
	plain, err := unbox(derive(raw, nil, "plumbline escrow"), escrowAbout(j.e.ID), sealed)
	return secret(plain), err
}

// Drilled is what a recovery would bring.
type Drilled struct {
	Key     DeskKey
	Members int64 // who can open it today
	Kept    bool  // the office key keeps it
	Covered bool  // the officers can open it
	Matters int64
	InUse   bool
	Broken  bool // it is covered, and does not open: somebody changed it
}

// Drill tries the officers' key on every desk, and changes nothing.
func (j *Joined) Drill(ctx context.Context) (out []Drilled, err error) {
	id, err := j.s.identity()
	if err != nil {
		return nil, fmt.Errorf("vault: %w", err)
	}
	err = j.v.db.Read(ctx, func(tx *store.Tx) error {
		out = nil
		desks, err := j.v.Desks(ctx, tx)
		if err != nil {
			return err
		}
		for _, d := range desks {
			var sealed []byte
			err := tx.QueryRow(ctx, `SELECT sealed FROM vault_escrowed WHERE desk = $1 AND escrow = $2`, d.Key.ID, j.e.ID).Scan(&sealed)
			if err != nil && !missing(err) {
				return err
			}
			if d.Covered = err == nil; d.Covered {
				plain, err := unwrap(id, sealed)
				d.Broken = err != nil || !matches(secret(plain), d.Key.Recipient)
			}
			out = append(out, d)
		}
		return nil
	})
	return out, err
}

func matches(s secret, recipient string) bool {
	id, err := s.identity()
	return err == nil && id.Recipient().String() == recipient
}

// Desks tells how every desk's keys stand, those from before somebody left only while something is sealed to them.
func (v *Vault) Desks(ctx context.Context, tx *store.Tx) (out []Drilled, err error) {
	desks, err := each(ctx, tx, scanDesk, selectAllDesk)
	if err != nil {
		return nil, fmt.Errorf("vault: %w", err)
	}
	for _, k := range desks {
		d := Drilled{Key: k, InUse: k.Gone == 0}
		if err := tx.QueryRow(ctx, countWraps, k.ID).Scan(&d.Matters); err != nil {
			return nil, fmt.Errorf("vault: %w", err)
		}
		if !d.InUse && d.Matters == 0 {
			continue
		}
		var kept, covered int64
		const counts = `SELECT (SELECT COUNT(*) FROM vault_member WHERE desk = $1 AND sealed IS NOT NULL), (SELECT COUNT(*) FROM vault_kept WHERE desk = $1),
			(SELECT COUNT(*) FROM vault_escrowed x JOIN vault_escrow e ON e.id = x.escrow AND e.gone = 0 WHERE x.desk = $1)`
		if err := tx.QueryRow(ctx, counts, k.ID).Scan(&d.Members, &kept, &covered); err != nil {
			return nil, fmt.Errorf("vault: %w", err)
		}
		d.Kept, d.Covered = kept > 0, covered > 0
		out = append(out, d)
	}
	return out, nil
}

// Recover gives an account the keys of a desk, from before somebody left as well. The account has to have a key of its own.
func (j *Joined) Recover(ctx context.Context, by journal.Actor, account ref.AccountID, d Desk) (given int, err error) {
	id, err := j.s.identity()
	if err != nil {
		return 0, fmt.Errorf("vault: %w", err)
	}
	err = j.v.db.Tx(ctx, func(tx *store.Tx) error {
		given = 0
		all, err := each(ctx, tx, scanDesk, selectDesks, d.Duty, int64(d.Body))
		if err != nil {
			return err
		}
		for _, k := range all {
			var sealed []byte
			err := tx.QueryRow(ctx, `SELECT sealed FROM vault_escrowed WHERE desk = $1 AND escrow = $2`, k.ID, j.e.ID).Scan(&sealed)
			if missing(err) {
				continue
			}
			if err != nil {
				return err
			}
			plain, err := unwrap(id, sealed)
			if err != nil {
				return fault.Wrap(err, fault.Conflict, "vault.escrow-broken", nil)
			}
			toPerson, err := j.v.wrapToPerson(ctx, tx, account, secret(plain))
			if err != nil {
				return err
			}
			if toPerson == nil {
				return fault.New(fault.Conflict, "vault.not-ready", nil)
			}
			if _, err := tx.Exec(ctx, putMember, k.ID, int64(account), int64(0), j.v.micros(), toPerson); err != nil {
				return err
			}
			given++
		}
		if given == 0 {
			return fault.New(fault.NotFound, "vault.not-covered", nil)
		}
		return j.v.record(ctx, tx, by, d.Stream(), ActionRecover, change{Account: account})
	})
	return given, err
}
