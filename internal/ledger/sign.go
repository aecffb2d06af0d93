package ledger

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"plumbline/internal/fault"
	"plumbline/internal/store"
	"plumbline/verify"
)

// Cosigner is how a signer reaches the witnesses of a log.
type Cosigner interface {
	// Cosign submits a signed checkpoint to every witness. proof gives the consistency proof from a size that a witness
	// has seen. It returns the checkpoint with what they signed below it, and whether that meets the policy. It is
	// called outside of any transaction and may take as long as ctx allows.
	Cosign(ctx context.Context, signed []byte, proof func(ctx context.Context, old uint64) ([]verify.Hash, error)) (cosigned []byte, met bool, err error)
}

// How often a signer signs: at most and at least.
const (
	signAtMost  = time.Second
	signAtLeast = time.Hour

	signPoll    = 500 * time.Millisecond // how long leaves that another process added may go unnoticed
	signLease   = 5 * time.Second
	signSlowest = time.Minute // longest pause after failures
	witnessTime = 20 * time.Second
)

// A Signer signs the head of the log and publishes it: at most once a second while there is something new, and at
// least once an hour. Any number may run; a lease lets one of them work.
//
// What it has signed it notes beside the key before anybody else sees it, and it signs nothing that does not continue
// that: a database restored from a backup, or a copy that went on by itself, never gets a second history signed.
type Signer struct {
	l         *Ledger
	keyPath   string
	witnesses Cosigner // nil: none
	holder    string

	key     *Key
	keyInfo os.FileInfo
	lease   *store.Lease
	renewed time.Time

	mu     sync.Mutex
	status SignerStatus
}

// SignerStatus is how the signer of this process is doing.
type SignerStatus struct {
	Signed    uint64    // size of the last checkpoint it signed
	Published uint64    // and of the last it published
	At        time.Time // when it published that
	Failing   time.Time // since when it has not succeeded; zero: it does
	Error     string    // why
}

// NewSigner returns a signer with the key at keyPath. witnesses may be nil.
func NewSigner(l *Ledger, keyPath string, witnesses Cosigner) *Signer {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return &Signer{l: l, keyPath: keyPath, witnesses: witnesses, holder: fmt.Sprintf("%s/%d", host, os.Getpid())}
}

// Status tells how the signer is doing.
func (s *Signer) Status() SignerStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}

// Run signs until ctx ends.
func (s *Signer) Run(ctx context.Context) error {
	defer s.release(ctx)
	for failures := 0; ; {
		rung := s.l.grown.Next()
		worked, err := s.Once(ctx)
		wait := signPoll
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			failures++
			wait = min(time.Second<<min(failures-1, 10), signSlowest)
			if failures == 1 || wait == signSlowest {
				s.l.log.Error("the log was not signed; it is tried again", "failures", failures, "error", err, "pause", wait.String())
			}
			rung = nil
		case worked:
			failures = 0
			wait, rung = signAtMost, nil
		default:
			failures = 0
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-rung:
		case <-ctx.Done():
			timer.Stop()
			return nil
		}
		timer.Stop()
	}
}

// Once signs and publishes the head if that is due and this instance has the lease. It tells whether it did.
func (s *Signer) Once(ctx context.Context) (worked bool, err error) {
	due, err := s.due(ctx)
	if err == nil && due {
		var ours bool
		if ours, err = s.take(ctx); err == nil && ours {
			worked, err = true, s.sign(ctx)
			if errors.Is(err, store.ErrLeaseLost) {
				s.lease, worked, err = nil, false, nil
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err == nil:
		s.status.Failing, s.status.Error = time.Time{}, ""
	case ctx.Err() == nil:
		if s.status.Failing.IsZero() {
			s.status.Failing = s.l.now()
		}
		s.status.Error = err.Error()
	}
	return worked, err
}

// due tells whether there is something new, or the last checkpoint is an hour old.
func (s *Signer) due(ctx context.Context) (due bool, err error) {
	err = s.l.db.Read(ctx, func(tx *store.Tx) error {
		size, err := leaves(ctx, tx)
		if err != nil || size == 0 {
			return err
		}
		latest, err := s.l.Latest(ctx, tx)
		if errors.Is(err, ErrNone) {
			due = true
			return nil
		}
		due = uint64(size) != latest.Size || s.l.now().Sub(latest.At) >= signAtLeast
		return err
	})
	return due, err
}

func (s *Signer) take(ctx context.Context) (bool, error) {
	if s.lease != nil && time.Since(s.renewed) < signLease/3 {
		return true, nil
	}
	now := time.Now()
	if s.lease != nil {
		err := s.lease.Renew(ctx)
		if err == nil {
			s.renewed = now
			return true, nil
		}
		if !errors.Is(err, store.ErrLeaseLost) {
			return false, err
		}
	}
	lease, ok, err := s.l.db.Lease(ctx, "log/signer", s.holder, signLease)
	if err != nil || !ok {
		s.lease = nil
		return false, err
	}
	s.lease, s.renewed = lease, now
	return true, nil
}

func (s *Signer) release(ctx context.Context) {
	if s.lease != nil {
		_ = s.lease.Release(context.WithoutCancel(ctx)) // if that fails, the others wait out our time
		s.lease = nil
	}
}

// What the signer refuses to sign, and why. Each is a fault.Conflict with a key of the same name.
var (
	// ErrBehind: the database holds less than what was signed.
	ErrBehind = errors.New("the database ends before the last checkpoint that was signed: it was restored from an older backup, or its end was cut off")
	// ErrFork: the database holds something else than what was signed.
	ErrFork = errors.New("the database does not continue the last checkpoint that was signed: its history was changed, or the key signs for another copy of it too")
)

func (s *Signer) sign(ctx context.Context) error {
	key, err := s.openKey()
	if err != nil {
		return err
	}
	var next verify.Checkpoint
	var bits keep
	err = s.l.db.Read(ctx, func(tx *store.Tx) (err error) {
		next, bits, err = s.head(ctx, tx, key)
		return err
	})
	if err != nil {
		return err
	}
	at := s.l.now().UTC()
	signed, err := key.sign(next)
	if err != nil {
		return err
	}
	// Noted before it can leave this process: what may have been seen is never contradicted.
	if err := writeOver(key.headPath(), signed); err != nil {
		return err
	}
	s.set(func(st *SignerStatus) { st.Signed = next.Size })
	if s.witnesses != nil {
		if signed, err = s.cosign(ctx, next, signed); err != nil {
			return err
		}
	}
	if err := s.publish(ctx, next, signed, at, bits); err != nil {
		return err
	}
	s.set(func(st *SignerStatus) { st.Published, st.At = next.Size, at })
	s.l.published.Ring()
	return nil
}

func (s *Signer) set(f func(*SignerStatus)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.status)
}

// openKey reads the key again when its file has changed: it may have been rotated.
func (s *Signer) openKey() (*Key, error) {
	info, err := os.Stat(s.keyPath)
	if err != nil {
		return nil, fmt.Errorf("ledger: the key: %w", err)
	}
	if s.key != nil && os.SameFile(info, s.keyInfo) && info.ModTime().Equal(s.keyInfo.ModTime()) && info.Mode() == s.keyInfo.Mode() {
		return s.key, nil
	}
	k, err := OpenKey(s.keyPath)
	if err != nil {
		return nil, err
	}
	s.key, s.keyInfo = k, info
	return k, nil
}

// keep says whether a checkpoint is to be kept for ever.
type keep bool

// head is what to sign: the tree as it is, if it continues all that was signed.
func (s *Signer) head(ctx context.Context, tx *store.Tx, key *Key) (next verify.Checkpoint, forever keep, err error) {
	events, err := s.l.KeyEvents(ctx, tx)
	if err != nil {
		return next, false, err
	}
	origin, keys := InForce(events)
	if origin != key.Origin() || !key.SignsWith(keys) {
		return next, false, fault.Wrap(fmt.Errorf("ledger: %s: %w", key.Path(), ErrOtherKey), fault.Conflict, "ledger.key", nil)
	}
	size, err := leaves(ctx, tx)
	if err != nil {
		return next, false, err
	}
	next = verify.Checkpoint{Origin: key.Origin(), Size: uint64(size)}
	if next.Root, err = s.l.Root(ctx, tx, next.Size); err != nil {
		return next, false, err
	}
	if head, _, ok, err := ReadHead(key.Path()); err != nil {
		return next, false, err
	} else if ok {
		if err := s.l.continues(ctx, tx, head, next); err != nil {
			return next, false, err
		}
	}
	published := uint64(0)
	latest, err := s.l.Latest(ctx, tx)
	switch {
	case err == nil:
		published = latest.Size
		c, err := noteText(latest.Note)
		if err != nil {
			return next, false, fmt.Errorf("ledger: the published checkpoint: %w", err)
		}
		if err := s.l.continues(ctx, tx, c, next); err != nil {
			return next, false, err
		}
	case !errors.Is(err, ErrNone):
		return next, false, err
	}
	for _, e := range events {
		if e.Action == ActionRotate && uint64(e.Index) > published && uint64(e.Index) <= next.Size {
			forever = true
		}
	}
	return next, forever, nil
}

// continues proves to itself that next continues before.
func (l *Ledger) continues(ctx context.Context, tx *store.Tx, before, next verify.Checkpoint) error {
	if before.Origin != next.Origin {
		return fault.Wrap(fmt.Errorf("ledger: %w: that was of %s", ErrFork, before.Origin), fault.Conflict, "ledger.fork", nil)
	}
	if before.Size > next.Size {
		return fault.Wrap(fmt.Errorf("ledger: %w (%d entries, signed were %d)", ErrBehind, next.Size, before.Size), fault.Conflict, "ledger.behind",
			fault.Args{"have": int64(next.Size), "signed": int64(before.Size)})
	}
	if before.Size == 0 {
		return nil
	}
	proof, err := l.Consistency(ctx, tx, before.Size, next.Size)
	if err != nil {
		return err
	}
	if err := verify.Consistency(before.Root, before.Size, next.Root, next.Size, proof); err != nil {
		return fault.Wrap(fmt.Errorf("ledger: %w (at %d entries): %w", ErrFork, before.Size, err), fault.Conflict, "ledger.fork", nil)
	}
	return nil
}

// cosign gathers cosignatures until the policy is met, renewing the lease meanwhile.
func (s *Signer) cosign(ctx context.Context, next verify.Checkpoint, signed []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, witnessTime)
	defer cancel()
	cosigned, met, err := s.witnesses.Cosign(ctx, signed, func(ctx context.Context, old uint64) (proof []verify.Hash, err error) {
		err = s.l.db.Read(ctx, func(tx *store.Tx) error {
			proof, err = s.l.Consistency(ctx, tx, old, next.Size)
			return err
		})
		return proof, err
	})
	if err == nil && !met {
		err = errors.New("too few witnesses answered")
	}
	if err != nil {
		return nil, fmt.Errorf("ledger: the checkpoint of %d entries is signed, and not published: %w", next.Size, err)
	}
	return cosigned, nil
}

const (
	insertCheckpoint = `INSERT INTO checkpoint (size, at, note, published, kept) VALUES ($1, $2, $3, $4, $5)
	ON CONFLICT (size) DO UPDATE SET at = excluded.at, note = excluded.note, published = excluded.published`
	pruneCheckpoints = `DELETE FROM checkpoint WHERE at < $1 AND kept = 0
	AND size NOT IN (SELECT MAX(size) FROM checkpoint GROUP BY at / 3600000000)`
)

// publish puts a signed checkpoint where everybody sees it. Of those before, all of the last hour are kept and the last
// of every hour before that.
func (s *Signer) publish(ctx context.Context, c verify.Checkpoint, signed []byte, at time.Time, forever keep) error {
	return s.l.db.Tx(ctx, func(tx *store.Tx) error {
		if err := s.lease.Held(ctx, tx); err != nil {
			return err
		}
		latest, err := s.l.Latest(ctx, tx)
		if err != nil && !errors.Is(err, ErrNone) {
			return err
		}
		if latest.Size > c.Size {
			return nil // somebody was faster, with more
		}
		kept := int64(0)
		if forever {
			kept = 1
		}
		if _, err := tx.Exec(ctx, insertCheckpoint, int64(c.Size), at.UnixMicro(), signed, s.l.now().UnixMicro(), kept); err != nil {
			return fmt.Errorf("ledger: publish: %w", err)
		}
		if latest.At.Truncate(time.Hour).Equal(at.Truncate(time.Hour)) {
			return nil
		}
		if _, err := tx.Exec(ctx, pruneCheckpoints, at.Add(-time.Hour).UnixMicro()); err != nil {
			return fmt.Errorf("ledger: prune: %w", err)
		}
		return nil
	})
}

// Check tells whether the signer could sign now, without signing: the key is there and is the log's, and the database
// continues all that was signed.
func (s *Signer) Check(ctx context.Context) error {
	key, err := s.openKey()
	if err != nil {
		return err
	}
	return s.l.db.Read(ctx, func(tx *store.Tx) error {
		_, _, err := s.head(ctx, tx, key)
		return err
	})
}
