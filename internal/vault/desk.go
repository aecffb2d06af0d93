package vault

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"slices"

	"plumbline/internal/fault"
	"plumbline/internal/journal"
	"plumbline/internal/ref"
	"plumbline/internal/store"
)

const (
	selectDeskNow = `SELECT duty, body, id, recipient, made, gone FROM vault_desk WHERE duty = $1 AND body = $2 AND gone = 0`
	selectDeskID  = `SELECT duty, body, id, recipient, made, gone FROM vault_desk WHERE id = $1`

	selectMembers = `SELECT account, founding, since, sealed FROM vault_member WHERE desk = $1 ORDER BY account`
	putMember     = `INSERT INTO vault_member (desk, account, founding, since, sealed) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (desk, account) DO UPDATE SET sealed = COALESCE(excluded.sealed, vault_member.sealed), founding = excluded.founding`
	dropMember        = `DELETE FROM vault_member WHERE desk = $1 AND account = $2`
	dropMembers       = `DELETE FROM vault_member WHERE desk = $1`
	selectKept        = `SELECT sealed FROM vault_kept WHERE desk = $1`
	putKept           = `INSERT INTO vault_kept (desk, sealed) VALUES ($1, $2) ON CONFLICT (desk) DO NOTHING`
	dropKept          = `DELETE FROM vault_kept WHERE desk = $1`
	selectWaitsFor    = `SELECT m.desk FROM vault_member m JOIN vault_kept k ON k.desk = m.desk WHERE m.account = $1 AND m.sealed IS NULL AND m.founding = 1 ORDER BY m.desk`
	selectEscrow      = `SELECT id, need, officers, recipient, made, gone FROM vault_escrow WHERE gone = 0`
	putEscrowed       = `INSERT INTO vault_escrowed (desk, escrow, sealed) VALUES ($1, $2, $3) ON CONFLICT (desk, escrow) DO NOTHING`
	dropOlderEscrowed = `DELETE FROM vault_escrowed WHERE desk = $1 AND escrow <> $2`
	dropOlderLocks    = `DELETE FROM vault_escrow_lock WHERE escrow <> $1 AND NOT EXISTS (SELECT 1 FROM vault_escrowed x WHERE x.escrow = vault_escrow_lock.escrow)`
	anyWrap           = `SELECT CASE WHEN EXISTS (SELECT 1 FROM vault_wrap WHERE desk = $1) THEN 1 ELSE 0 END`
)

type member struct {
	account  ref.AccountID
	founding int64
	since    int64
	sealed   []byte
}

func scanMember(r *store.Rows) (m member, err error) {
	return m, r.Scan(&m.account, &m.founding, &m.since, &m.sealed)
}

func keptAbout(desk int64) string { return fmt.Sprintf("plumbline kept desk %d", desk) }

// keptSecret is the secret of a desk that the office key keeps, if it does.
func (v *Vault) keptSecret(ctx context.Context, tx *store.Tx, desk int64) (secret, bool, error) {
	var sealed []byte
	err := tx.QueryRow(ctx, selectKept, desk).Scan(&sealed)
	if missing(err) {
		return "", false, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("vault: %w", err)
	}
	if v.lost {
		return "", false, nil
	}
	plain, err := unbox(v.office.Derive("desks"), keptAbout(desk), sealed)
	if err != nil {
		return "", false, fault.Wrap(err, fault.Unavailable, "vault.other-office-key", nil)
	}
	return secret(plain), true, nil
}

// CheckKept opens everything that the office key keeps. The error is Unavailable "vault.other-office-key" where it is not the key
// of this office.
func (v *Vault) CheckKept(ctx context.Context, tx *store.Tx) error {
	desks, err := each(ctx, tx, func(r *store.Rows) (id int64, err error) { return id, r.Scan(&id) }, `SELECT desk FROM vault_kept ORDER BY desk`)
	if err != nil {
		return fmt.Errorf("vault: %w", err)
	}
	for _, id := range desks {
		if _, _, err := v.keptSecret(ctx, tx, id); err != nil {
			return err
		}
	}
	return nil
}

// deskNow is the key in use of a desk.
func deskNow(ctx context.Context, tx *store.Tx, d Desk) (k DeskKey, err error) {
	err = tx.QueryRow(ctx, selectDeskNow, d.Duty, int64(d.Body)).Scan(&k.Duty, &k.Body, &k.ID, &k.Recipient, &k.Made, &k.Gone)
	return k, err
}

// ensureDesk returns the key in use of a desk, and makes one, kept by the office, where there is none.
func (v *Vault) ensureDesk(ctx context.Context, tx *store.Tx, by journal.Actor, d Desk) (DeskKey, error) {
	k, err := deskNow(ctx, tx, d)
	if !missing(err) {
		return k, err
	}
	return v.newDesk(ctx, tx, by, d, nil)
}

// newDesk makes a key for a desk and gives it to its members: those with a key of their own at once; those without when
// they have one, and until then the office key keeps it, as it does for a desk without members.
func (v *Vault) newDesk(ctx context.Context, tx *store.Tx, by journal.Actor, d Desk, members []member) (DeskKey, error) {
	s, recipient, err := newSecret()
	if err != nil {
		return DeskKey{}, err
	}
	id := v.db.NewID()
	if err := v.record(ctx, tx, by, d.Stream(), ActionDesk, change{ID: id, Recipient: recipient.String()}); err != nil {
		return DeskKey{}, err
	}
	var escrow Escrow
	err = tx.QueryRow(ctx, selectEscrow).Scan(&escrow.ID, &escrow.Need, &escrow.Officers, &escrow.Recipient, &escrow.Made, &escrow.Gone)
	if err == nil {
		err = v.escrowDesk(ctx, tx, id, s, escrow)
	}
	if err != nil && !missing(err) {
		return DeskKey{}, err
	}
	keep := true
	for _, m := range members {
		sealed, err := v.wrapToPerson(ctx, tx, m.account, s)
		if err != nil {
			return DeskKey{}, err
		}
		keep = keep && sealed == nil
		m.founding = 1
		if _, err := tx.Exec(ctx, putMember, id, int64(m.account), m.founding, v.micros(), sealed); err != nil {
			return DeskKey{}, err
		}
	}
	// Members without a key of their own yet are no reason to keep it where others have one: those let them in.
	if keep {
		if err := v.needOffice(); err != nil {
			return DeskKey{}, err
		}
		if _, err := tx.Exec(ctx, putKept, id, box(v.office.Derive("desks"), keptAbout(id), []byte(s))); err != nil {
			return DeskKey{}, err
		}
	}
	return deskNow(ctx, tx, d)
}

func (v *Vault) wrapToPerson(ctx context.Context, tx *store.Tx, account ref.AccountID, s secret) ([]byte, error) {
	_, text, err := personKey(ctx, tx, account)
	if missing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	r, err := v.recipient(text)
	if err != nil {
		return nil, err
	}
	return wrapTo(r, []byte(s))
}

func (v *Vault) escrowDesk(ctx context.Context, tx *store.Tx, desk int64, s secret, e Escrow) error {
	r, err := v.recipient(e.Recipient)
	if err != nil {
		return err
	}
	sealed, err := wrapTo(r, []byte(s))
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, putEscrowed, desk, e.ID, sealed); err != nil {
		return err
	}
	// Officers whose shares were replaced open it no longer, and nothing at all once everything is covered anew.
	if _, err := tx.Exec(ctx, dropOlderEscrowed, desk, e.ID); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, dropOlderLocks, e.ID)
	return err
}

// Join puts somebody on a desk. The first people of a desk get its key from the office as soon as they have one of their
// own; later ones wait for a colleague to let them in. Who is on the desk already stays as they are.
func (v *Vault) Join(ctx context.Context, tx *store.Tx, by journal.Actor, account ref.AccountID, d Desk) error {
	k, err := v.ensureDesk(ctx, tx, by, d)
	if err != nil {
		return fmt.Errorf("vault: join: %w", err)
	}
	members, err := each(ctx, tx, scanMember, selectMembers, k.ID)
	if err != nil {
		return fmt.Errorf("vault: join: %w", err)
	}
	if slices.ContainsFunc(members, func(m member) bool { return m.account == account }) {
		return nil
	}
	if err := v.record(ctx, tx, by, d.Stream(), ActionJoin, change{ID: k.ID, Account: account}); err != nil {
		return err
	}
	s, kept, err := v.keptSecret(ctx, tx, k.ID)
	if err != nil {
		return err
	}
	var keptRow int64
	if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM vault_kept WHERE desk = $1`, k.ID).Scan(&keptRow); err != nil {
		return err
	}
	opened := slices.ContainsFunc(members, func(m member) bool { return m.sealed != nil })
	if keptRow == 0 && !opened {
		// Nobody can open this key any more. Begin anew, so that the desk works; what was sealed before takes the officers.
		_, err := v.newDesk(ctx, tx, by, d, append(members, member{account: account}))
		return err
	}
	var sealed []byte
	if kept {
		if sealed, err = v.wrapToPerson(ctx, tx, account, s); err != nil {
			return err
		}
	}
	if _, err := tx.Exec(ctx, putMember, k.ID, int64(account), keptRow, v.micros(), sealed); err != nil {
		return err
	}
	return v.letGo(ctx, tx, k.ID)
}

// handOut gives somebody who has a key of their own now the desks that were kept for them.
func (v *Vault) handOut(ctx context.Context, tx *store.Tx, account ref.AccountID) error {
	desks, err := each(ctx, tx, func(r *store.Rows) (id int64, err error) { return id, r.Scan(&id) }, selectWaitsFor, int64(account))
	if err != nil {
		return err
	}
	for _, id := range desks {
		s, kept, err := v.keptSecret(ctx, tx, id)
		if err != nil {
			return err
		}
		if !kept {
			continue
		}
		sealed, err := v.wrapToPerson(ctx, tx, account, s)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, putMember, id, int64(account), int64(1), v.micros(), sealed); err != nil {
			return err
		}
		if err := v.letGo(ctx, tx, id); err != nil {
			return err
		}
	}
	return nil
}

// letGo makes the office forget a desk's key as soon as everybody it was kept for has it.
func (v *Vault) letGo(ctx context.Context, tx *store.Tx, desk int64) error {
	members, err := each(ctx, tx, scanMember, selectMembers, desk)
	if err != nil {
		return err
	}
	opened := false
	for _, m := range members {
		if m.sealed == nil && m.founding == 1 {
			return nil
		}
		opened = opened || m.sealed != nil
	}
	if !opened {
		return nil
	}
	_, err = tx.Exec(ctx, dropKept, desk)
	return err
}

// Leave takes somebody off a desk. What comes from now on is sealed to a new key, which they never had; what was sealed
// to the old one is handed over by a colleague who has both (see CatchUp), at once where the office keeps it.
func (v *Vault) Leave(ctx context.Context, tx *store.Tx, by journal.Actor, account ref.AccountID, d Desk) error {
	k, err := deskNow(ctx, tx, d)
	if missing(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("vault: leave: %w", err)
	}
	members, err := each(ctx, tx, scanMember, selectMembers, k.ID)
	if err != nil {
		return fmt.Errorf("vault: leave: %w", err)
	}
	i := slices.IndexFunc(members, func(m member) bool { return m.account == account })
	if i < 0 {
		return nil
	}
	held, err := everHeld(ctx, tx, members[i])
	if err != nil {
		return err
	}
	members = slices.Delete(members, i, i+1)
	if err := v.record(ctx, tx, by, d.Stream(), ActionLeave, change{ID: k.ID, Account: account}); err != nil {
		return err
	}
	// Of the keys before this one as well.
	old, err := each(ctx, tx, scanDesk, selectDesks, d.Duty, int64(d.Body))
	if err != nil {
		return err
	}
	for _, o := range old {
		if _, err := tx.Exec(ctx, dropMember, o.ID, int64(account)); err != nil {
			return err
		}
	}
	v.closeAll(account)
	if !held {
		return v.letGo(ctx, tx, k.ID)
	}
	now, err := v.newDesk(ctx, tx, by, d, members)
	if err != nil {
		return err
	}
	s, kept, err := v.keptSecret(ctx, tx, k.ID)
	if err != nil || !kept {
		return err
	}
	_, err = v.handover(ctx, tx, by, s, k, now, "", -1)
	return err
}

// everHeld reports whether a member of a desk has its key, or may have had it under a key of their own that was given up since.
func everHeld(ctx context.Context, tx *store.Tx, m member) (bool, error) {
	if m.sealed != nil {
		return true, nil
	}
	var gone int64
	err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM vault_person WHERE account = $1 AND gone >= $2`, int64(m.account), m.since).Scan(&gone)
	if err != nil {
		return false, fmt.Errorf("vault: leave: %w", err)
	}
	return gone > 0, nil
}

// Alone reports whether somebody is the only one who can open what is sealed to a desk, and whether anything is.
func (v *Vault) Alone(ctx context.Context, tx *store.Tx, account ref.AccountID, d Desk) (bool, error) {
	k, err := deskNow(ctx, tx, d)
	if missing(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("vault: %w", err)
	}
	var wraps int64
	if err := tx.QueryRow(ctx, anyWrap, k.ID).Scan(&wraps); err != nil || wraps == 0 {
		return false, err
	}
	if _, kept, err := v.keptSecret(ctx, tx, k.ID); err != nil || kept {
		return false, err
	}
	members, err := each(ctx, tx, scanMember, selectMembers, k.ID)
	if err != nil {
		return false, fmt.Errorf("vault: %w", err)
	}
	holds, others := false, false
	for _, m := range members {
		if m.sealed == nil {
			continue
		}
		holds, others = holds || m.account == account, others || m.account != account
	}
	return holds && !others, nil
}

// Member is somebody who belongs to a desk.
type Member struct {
	Account ref.AccountID
	Opens   bool
}

// Members lists who belongs to a desk, and who of them can open it.
func (v *Vault) Members(ctx context.Context, tx *store.Tx, d Desk) ([]Member, error) {
	return each(ctx, tx, func(r *store.Rows) (m Member, err error) {
		var sealed int64
		err = r.Scan(&m.Account, &sealed)
		m.Opens = sealed == 1
		return m, err
	}, `SELECT m.account, CASE WHEN m.sealed IS NULL THEN 0 ELSE 1 END FROM vault_member m JOIN vault_desk d ON d.id = m.desk
		WHERE d.duty = $1 AND d.body = $2 AND d.gone = 0 ORDER BY m.account`, d.Duty, int64(d.Body))
}

// Waiting is somebody who belongs to a desk and cannot open it yet.
type Waiting struct {
	Account ref.AccountID
	Desk    Desk
	Ready   bool // they have a key of their own: they can be let in now
}

const selectWaiting = `SELECT d.duty, d.body, m.account, CASE WHEN p.account IS NULL THEN 0 ELSE 1 END
	FROM vault_member m JOIN vault_desk d ON d.id = m.desk AND d.gone = 0
	LEFT JOIN vault_person p ON p.account = m.account AND p.gone = 0
	WHERE m.sealed IS NULL AND EXISTS (SELECT 1 FROM vault_member o WHERE o.desk = m.desk AND o.account = $1 AND o.sealed IS NOT NULL)
	ORDER BY d.duty, d.body, m.account`

// Waiting lists who waits to be let in by the holder of some keys.
func (v *Vault) Waiting(ctx context.Context, tx *store.Tx, k *Keys) ([]Waiting, error) {
	if k.Account() == 0 {
		return nil, nil
	}
	return each(ctx, tx, func(r *store.Rows) (w Waiting, err error) {
		var ready int64
		err = r.Scan(&w.Desk.Duty, &w.Desk.Body, &w.Account, &ready)
		w.Ready = ready == 1
		return w, err
	}, selectWaiting, int64(k.account))
}

// Shut lists the desks somebody belongs to and cannot open yet, for telling them why.
func (v *Vault) Shut(ctx context.Context, tx *store.Tx, account ref.AccountID) ([]Desk, error) {
	return each(ctx, tx, func(r *store.Rows) (d Desk, err error) { return d, r.Scan(&d.Duty, &d.Body) },
		`SELECT d.duty, d.body FROM vault_member m JOIN vault_desk d ON d.id = m.desk AND d.gone = 0 WHERE m.account = $1 AND m.sealed IS NULL ORDER BY d.duty, d.body`, int64(account))
}

// LetIn gives a colleague who waits the key of a desk, and those before it from which not everything is handed over yet.
func (v *Vault) LetIn(ctx context.Context, tx *store.Tx, k *Keys, account ref.AccountID, d Desk) error {
	if err := k.load(ctx, tx); err != nil {
		return err
	}
	all, err := each(ctx, tx, scanDesk, selectDesks, d.Duty, int64(d.Body))
	if err != nil {
		return fmt.Errorf("vault: let in: %w", err)
	}
	given := false
	for _, x := range all {
		s, ok := k.desk(x.ID)
		if !ok {
			continue
		}
		if x.Gone == 0 {
			members, err := each(ctx, tx, scanMember, selectMembers, x.ID)
			if err != nil {
				return err
			}
			if !slices.ContainsFunc(members, func(m member) bool { return m.account == account }) {
				return fault.New(fault.Forbidden, "vault.not-a-member", nil)
			}
		}
		sealed, err := v.wrapToPerson(ctx, tx, account, s)
		if err != nil {
			return err
		}
		if sealed == nil {
			return fault.New(fault.Conflict, "vault.not-ready", nil)
		}
		if _, err := tx.Exec(ctx, putMember, x.ID, int64(account), int64(0), v.micros(), sealed); err != nil {
			return err
		}
		given = given || x.Gone == 0
	}
	if !given {
		return fault.New(fault.Forbidden, "vault.not-a-member", nil)
	}
	return v.record(ctx, tx, journal.Actor{Account: k.account, Duty: d.Duty, Body: d.Body}, d.Stream(), ActionLetIn, change{Account: account})
}

const (
	selectOldWraps = `SELECT matter, parts, sealed FROM vault_wrap WHERE desk = $1 AND (matter > $2 OR matter = $2 AND parts > $3) ORDER BY matter, parts LIMIT $4`
	dropWrap       = `DELETE FROM vault_wrap WHERE matter = $1 AND desk = $2 AND parts = $3`
	dropEscrowed   = `DELETE FROM vault_escrowed WHERE desk = $1`
)

// handoverAtOnce is how much is handed over in one transaction; tests take less.
var handoverAtOnce = 500

// handover seals what was sealed to an old key of a desk to the one in use, most at most (all if negative), and takes the old
// key away from everybody when nothing is left. What does not open with the old key, because somebody changed it, stays where it
// is, and the key with it; it keeps nothing else from being handed over. Whoever has the new key as well gives it as fast, and what
// they hand over opens fast from the beginning. It returns how much it did.
func (v *Vault) handover(ctx context.Context, tx *store.Tx, by journal.Actor, s secret, old, now DeskKey, fast secret, most int) (done int, err error) {
	id, err := s.identity()
	if err != nil {
		return 0, fmt.Errorf("vault: %w", err)
	}
	r, err := v.recipient(now.Recipient)
	if err != nil {
		return 0, err
	}
	type row struct {
		matter ref.MatterID
		parts  string
		sealed []byte
	}
	var last row
	broken := 0
	for most < 0 || done < most {
		some, err := each(ctx, tx, func(r *store.Rows) (x row, err error) { return x, r.Scan(&x.matter, &x.parts, &x.sealed) },
			selectOldWraps, old.ID, int64(last.matter), last.parts, int64(handoverAtOnce))
		if err != nil {
			return done, fmt.Errorf("vault: hand over: %w", err)
		}
		for _, x := range some {
			last = x
			plain, err := openWrap(wrapKey(s), id, x.matter, old.ID, x.parts, x.sealed)
			if err != nil {
				broken++
				continue
			}
			var sealed []byte
			if fast != "" {
				sealed = box(wrapKey(fast), wrapAbout(x.matter, now.ID, x.parts), plain)
			} else if sealed, err = wrapTo(r, plain); err != nil {
				return done, err
			}
			if _, err := tx.Exec(ctx, putWrap, int64(x.matter), now.ID, x.parts, sealed); err != nil {
				return done, err
			}
			if _, err := tx.Exec(ctx, dropWrap, int64(x.matter), old.ID, x.parts); err != nil {
				return done, err
			}
			done++
		}
		if len(some) < handoverAtOnce && broken > 0 {
			break
		}
		if len(some) < handoverAtOnce {
			for _, q := range []string{dropMembers, dropKept, dropEscrowed} {
				if _, err := tx.Exec(ctx, q, old.ID); err != nil {
					return done, err
				}
			}
			break
		}
	}
	if done == 0 {
		return 0, nil
	}
	return done, v.record(ctx, tx, by, Desk{old.Duty, old.Body}.Stream(), ActionHandover, change{ID: old.ID, Matters: int64(done)})
}

const (
	selectOldDesks = `SELECT d.duty, d.body, d.id, d.recipient, d.made, d.gone FROM vault_desk d JOIN vault_member m ON m.desk = d.id
		WHERE m.account = $1 AND m.sealed IS NOT NULL AND d.gone <> 0 ORDER BY d.id`
	selectUnescrowed = `SELECT m.desk FROM vault_member m JOIN vault_escrow e ON e.gone = 0 WHERE m.account = $1 AND m.sealed IS NOT NULL
		AND NOT EXISTS (SELECT 1 FROM vault_escrowed x WHERE x.desk = m.desk AND x.escrow = e.id) ORDER BY m.desk`
	countWraps = `SELECT COUNT(*) FROM vault_wrap WHERE desk = $1`
)

const selectNewestWraps = `SELECT matter, parts, sealed FROM vault_wrap WHERE desk = $1 AND matter < $2 ORDER BY matter DESC, parts LIMIT $3`

// quicken makes what came to somebody's desks since one of them last signed in open fast, newest first, as far as it was not.
func (v *Vault) quicken(ctx context.Context, k *Keys) error {
	for _, desk := range k.held() {
		s, ok := k.desk(desk)
		if !ok {
			continue
		}
		id, err := k.deskIdentity(desk, s)
		if err != nil {
			return err
		}
		fast := k.wrapKey(desk, s)
		for before := int64(math.MaxInt64); ; {
			type row struct {
				matter ref.MatterID
				wrap
			}
			var some []row
			err := v.db.Read(ctx, func(tx *store.Tx) (err error) {
				some, err = each(ctx, tx, func(r *store.Rows) (x row, err error) { return x, r.Scan(&x.matter, &x.parts, &x.sealed) }, selectNewestWraps, desk, before, int64(handoverAtOnce))
				return err
			})
			if err != nil {
				return err
			}
			var slow []row
			for _, x := range some {
				before = int64(x.matter)
				if !bytes.HasPrefix(x.sealed, ageMagic) {
					continue
				}
				if plain, err := unwrap(id, x.sealed); err == nil { // else somebody changed it
					x.sealed = box(fast, wrapAbout(x.matter, desk, x.parts), plain)
					slow = append(slow, x)
				}
			}
			if len(slow) == 0 {
				break
			}
			err = v.db.Tx(ctx, func(tx *store.Tx) error {
				for _, x := range slow {
					if _, err := tx.Exec(ctx, quickenWrap, int64(x.matter), desk, x.parts, x.sealed); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// CatchUp does what only the holder of some keys can: hands over what is still sealed to a desk's key from before somebody
// left, makes what came since open fast, and gives the officers their part of desks made before there was an escrow. progress, if given, is told how far it is.
// It is safe to stop at any time and to run in two places at once.
func (v *Vault) CatchUp(ctx context.Context, k *Keys, progress func(done, total int64)) error {
	if k.Account() == 0 {
		return nil
	}
	var old []DeskKey
	var unescrowed []int64
	var total, done int64
	err := v.db.Read(ctx, func(tx *store.Tx) (err error) {
		if err = k.load(ctx, tx); err != nil {
			return err
		}
		if old, err = each(ctx, tx, scanDesk, selectOldDesks, int64(k.account)); err != nil {
			return err
		}
		for _, o := range old {
			var n int64
			if err := tx.QueryRow(ctx, countWraps, o.ID).Scan(&n); err != nil {
				return err
			}
			total += n
		}
		unescrowed, err = each(ctx, tx, func(r *store.Rows) (id int64, err error) { return id, r.Scan(&id) }, selectUnescrowed, int64(k.account))
		return err
	})
	if err != nil {
		return fmt.Errorf("vault: catch up: %w", err)
	}
	for _, o := range old {
		s, ok := k.desk(o.ID)
		if !ok {
			continue
		}
		for {
			n := 0
			err := v.db.Tx(ctx, func(tx *store.Tx) error {
				now, err := deskNow(ctx, tx, Desk{o.Duty, o.Body})
				if err != nil {
					return err
				}
				fast, _ := k.desk(now.ID) // theirs as well, as a rule
				n, err = v.handover(ctx, tx, journal.Actor{Account: k.account, Duty: o.Duty, Body: o.Body}, s, o, now, fast, handoverAtOnce)
				return err
			})
			if err != nil {
				return fmt.Errorf("vault: catch up: %w", err)
			}
			done += int64(n)
			if progress != nil {
				progress(done, max(total, done))
			}
			if n < handoverAtOnce {
				break
			}
		}
	}
	if err := v.quicken(ctx, k); err != nil {
		return fmt.Errorf("vault: catch up: %w", err)
	}
	if len(unescrowed) == 0 {
		return nil
	}
	return v.db.Tx(ctx, func(tx *store.Tx) error {
		e, err := escrowNow(ctx, tx)
		if err != nil {
			return err
		}
		for _, id := range unescrowed {
			if s, ok := k.desk(id); ok {
				if err := v.escrowDesk(ctx, tx, id, s, e); err != nil {
					return err
				}
			}
		}
		return nil
	})
}
