package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"plumbline/internal/fault"
	"plumbline/internal/journal"
	"plumbline/internal/store"
	"plumbline/verify"
)

// What is recorded of keys, on the stream verify.KeyStream.
const (
	ActionKey    = "log.key"           // the first key, or one that nobody handed over to because the key before was lost
	ActionRotate = verify.ActionRotate // a key that the key before hands over to
	ActionRetire = "log.retire"        // the keys before have stopped signing
)

// A KeyEvent is an entry about the keys of the log.
type KeyEvent struct {
	N      int64
	Index  int64 // in the journal; 0 while it has no place
	At     time.Time
	Action string
	Origin string
	Keys   []string // verifier keys from then on
	Old    []string // and before
}

// KeyEvents returns what the journal records of the log's keys, in order.
func (l *Ledger) KeyEvents(ctx context.Context, tx *store.Tx) ([]KeyEvent, error) {
	entries, err := journal.Stream(ctx, tx, verify.KeyStream)
	if err != nil {
		return nil, fmt.Errorf("ledger: keys: %w", err)
	}
	events := make([]KeyEvent, len(entries))
	for i, e := range entries {
		origin, _ := e.Fields["origin"].(string)
		events[i] = KeyEvent{N: e.N, Index: e.Index, At: e.At, Action: e.Action, Origin: origin, Keys: texts(e.Fields["keys"]), Old: texts(e.Fields["old"])}
	}
	return events, nil
}

func texts(v any) (out []string) {
	list, _ := v.([]any)
	for _, one := range list {
		if s, ok := one.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// InForce returns the log's name and the keys that the journal says sign now: the newest, and those before it that
// have not been retired. It is "" where no key was ever recorded.
func InForce(events []KeyEvent) (origin string, keys []string) {
	for _, e := range events {
		switch e.Action {
		case ActionKey:
			origin, keys = e.Origin, slices.Clone(e.Keys)
		case ActionRotate:
			keys = append(slices.Clone(e.Keys), keys...)
		case ActionRetire:
			keys = slices.DeleteFunc(keys, func(k string) bool { return slices.Contains(e.Old, k) })
		}
	}
	return origin, keys
}

// Errors of keys and the journal that do not belong together.
var (
	ErrHasKey   = errors.New("the log has a key already")
	ErrOtherKey = errors.New("the key is not the one this log is signed with")
)

// RecordKey writes into the journal that the log is signed with k from now on. A log that has a key already takes
// another only if the key before is lost: nobody can prove then that the office did not just begin a new history.
func (l *Ledger) RecordKey(ctx context.Context, tx *store.Tx, by journal.Actor, via journal.Via, k *Key, lost bool) error {
	events, err := l.KeyEvents(ctx, tx)
	if err != nil {
		return err
	}
	fields := map[string]any{"origin": k.Origin(), "keys": list(k.Public())}
	origin, keys := InForce(events)
	switch {
	case len(events) > 0 && !lost:
		return fault.Wrap(fmt.Errorf("ledger: %w: %s", ErrHasKey, origin), fault.Conflict, "ledger.key", nil)
	case len(events) > 0 && origin != k.Origin():
		return fault.Wrap(fmt.Errorf("ledger: the log is called %s, the key signs for %s", origin, k.Origin()), fault.Conflict, "ledger.key", nil)
	case lost:
		fields["lost"] = true
		fields["old"] = list(keys)
	}
	return l.recordKeys(ctx, tx, by, via, ActionKey, int64(len(events))+1, fields)
}

// RecordRotation writes into the journal that the newest key in k takes over from those the log had. A rotation that is
// recorded already is not recorded again.
func (l *Ledger) RecordRotation(ctx context.Context, tx *store.Tx, by journal.Actor, via journal.Via, k *Key) error {
	events, err := l.KeyEvents(ctx, tx)
	if err != nil {
		return err
	}
	_, keys := InForce(events)
	if len(keys) > 0 && keys[0] == k.Public()[0] {
		return nil
	}
	if !k.SignsWith(keys) {
		return fault.Wrap(fmt.Errorf("ledger: %w", ErrOtherKey), fault.Conflict, "ledger.key", nil)
	}
	return l.recordKeys(ctx, tx, by, via, ActionRotate, int64(len(events))+1,
		map[string]any{"origin": k.Origin(), "keys": list(k.Public()), "old": list(keys)})
}

// RecordRetirement writes into the journal that the keys before the newest sign no more. It refuses as long as no
// published checkpoint proves that they handed over.
func (l *Ledger) RecordRetirement(ctx context.Context, tx *store.Tx, by journal.Actor, via journal.Via, k *Key) error {
	events, err := l.KeyEvents(ctx, tx)
	if err != nil {
		return err
	}
	origin, keys := InForce(events)
	old := slices.DeleteFunc(slices.Clone(keys), func(v string) bool { return slices.Contains(k.Public(), v) })
	if len(old) == len(keys) {
		return fault.Wrap(fmt.Errorf("ledger: %w", ErrOtherKey), fault.Conflict, "ledger.key", nil)
	}
	if len(old) == 0 {
		return fault.Wrap(errors.New("ledger: there is no older key to retire"), fault.Conflict, "ledger.key", nil)
	}
	for _, e := range events {
		if e.Action != ActionRotate {
			continue
		}
		if _, err := l.proofOfRotation(ctx, tx, e); err != nil {
			return fmt.Errorf("ledger: the handover is not proved yet; run the server until it has signed once more: %w", err)
		}
	}
	return l.recordKeys(ctx, tx, by, via, ActionRetire, int64(len(events))+1,
		map[string]any{"origin": origin, "keys": list(k.Public()), "old": list(old)})
}

func (l *Ledger) recordKeys(ctx context.Context, tx *store.Tx, by journal.Actor, via journal.Via, action string, n int64, fields map[string]any) error {
	err := journal.Append(ctx, tx, journal.Entry{Stream: verify.KeyStream, N: n, At: l.now(), By: by, Via: via, Action: action, Fields: fields})
	if err != nil {
		return fmt.Errorf("ledger: record %s: %w", action, err)
	}
	return nil
}

func list(keys []string) []any {
	out := make([]any, len(keys))
	for i, k := range keys {
		out[i] = k
	}
	return out
}

// SignsWith tells whether one of the keys in the file is among those given.
func (k *Key) SignsWith(keys []string) bool {
	return slices.ContainsFunc(k.generations, func(g generation) bool { return slices.Contains(keys, g.vkeys[0]) })
}

// Keys returns what the log publishes of its keys: those in force, and the proof of every rotation.
func (l *Ledger) Keys(ctx context.Context, tx *store.Tx) (verify.Keys, error) {
	events, err := l.KeyEvents(ctx, tx)
	if err != nil {
		return verify.Keys{}, err
	}
	var out verify.Keys
	if _, out.Current = InForce(events); len(out.Current) == 0 {
		return verify.Keys{}, ErrNone
	}
	for _, e := range events {
		if e.Action != ActionRotate {
			continue
		}
		r, err := l.proofOfRotation(ctx, tx, e)
		if fault.Is(err, fault.Unavailable) {
			continue // it is about to be published
		}
		if err != nil {
			return verify.Keys{}, err
		}
		out.Rotations = append(out.Rotations, r)
	}
	return out, nil
}

// proofOfRotation is the receipt of a rotation under the first checkpoint that covers it, which the key before signed
// and which is kept for ever.
func (l *Ledger) proofOfRotation(ctx context.Context, tx *store.Tx, e KeyEvent) (verify.Receipt, error) {
	const covering = `SELECT size, note, at FROM checkpoint WHERE size >= $1 AND kept = 1 ORDER BY size LIMIT 1`
	if e.Index == 0 {
		return verify.Receipt{}, notYet(verify.KeyStream, e.N)
	}
	var c Checkpoint
	var size, at int64
	err := tx.QueryRow(ctx, covering, e.Index).Scan(&size, &c.Note, &at)
	if errors.Is(err, store.ErrNotFound) {
		return verify.Receipt{}, notYet(verify.KeyStream, e.N)
	}
	if err != nil {
		return verify.Receipt{}, fmt.Errorf("ledger: proof of a rotation: %w", err)
	}
	c.Size, c.At = uint64(size), time.UnixMicro(at).UTC()
	return l.ReceiptAt(ctx, tx, c, Want{Stream: verify.KeyStream, N: e.N, Whole: true})
}
