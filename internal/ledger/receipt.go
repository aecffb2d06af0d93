package ledger

import (
	"context"
	"errors"
	"fmt"

	"plumbline/internal/store"
	"plumbline/verify"
)

// Want says what a receipt shall prove.
type Want struct {
	Stream string
	N      int64
	Whole  bool   // open the exact bytes of the entry too, not only which step it was
	Steps  []Step // further entries, proved under the same checkpoint
}

// A Step is a further entry of a receipt.
type Step struct {
	Stream string
	N      int64
	As     string // verify.Further.As
	Open   bool   // show which step it was; else its commitment alone stands in the receipt
}

// Receipt proves entries under the newest published checkpoint. It is fault.Unavailable "ledger.notyet" while one of
// them is in no published checkpoint.
func (l *Ledger) Receipt(ctx context.Context, tx *store.Tx, w Want) (verify.Receipt, error) {
	latest, err := l.Latest(ctx, tx)
	if err != nil {
		return verify.Receipt{}, err
	}
	return l.ReceiptAt(ctx, tx, latest, w)
}

// ReceiptAt is Receipt under another published checkpoint.
func (l *Ledger) ReceiptAt(ctx context.Context, tx *store.Tx, c Checkpoint, w Want) (verify.Receipt, error) {
	hashes := tilesOf(ctx, tx)
	index, secret, bytes, err := l.leafOf(ctx, tx, w.Stream, w.N, c.Size)
	if err != nil {
		return verify.Receipt{}, err
	}
	path, err := inclusion(hashes, index, c.Size)
	if err != nil {
		return verify.Receipt{}, err
	}
	open, err := opening(secret, bytes, w.Whole)
	if err != nil {
		return verify.Receipt{}, fmt.Errorf("ledger: receipt for %s %d: %w", w.Stream, w.N, err)
	}
	r := verify.Receipt{Proof: verify.Proof{Index: index, Path: path, Checkpoint: c.Note}, Opening: open}
	for _, s := range w.Steps {
		f, err := l.further(ctx, tx, hashes, c, s)
		if err != nil {
			return verify.Receipt{}, err
		}
		r.Further = append(r.Further, f)
	}
	return r, nil
}

func (l *Ledger) further(ctx context.Context, tx *store.Tx, hashes *tiles, c Checkpoint, s Step) (verify.Further, error) {
	index, secret, bytes, err := l.leafOf(ctx, tx, s.Stream, s.N, c.Size)
	if err != nil {
		return verify.Further{}, err
	}
	path, err := inclusion(hashes, index, c.Size)
	if err != nil {
		return verify.Further{}, err
	}
	f := verify.Further{As: s.As, Index: index}
	for _, h := range path {
		f.Path = append(f.Path, h[:])
	}
	if s.Open && secret != nil {
		open, err := opening(secret, bytes, false)
		if err != nil {
			return verify.Further{}, fmt.Errorf("ledger: receipt for %s %d: %w", s.Stream, s.N, err)
		}
		f.Opening = &open
		return f, nil
	}
	committed, err := l.Commitments(ctx, tx, index, index+1)
	if err != nil {
		return verify.Further{}, err
	}
	f.Commitment = committed[0][:]
	return f, nil
}

// ErrPurged says that the secret of an entry was destroyed: nobody can open its commitment any more.
var ErrPurged = errors.New("the entry was purged, and nobody can open what the log holds of it")

// Opening returns what opens both halves of an entry's commitment. Who hands it on chooses what to leave closed.
func (l *Ledger) Opening(ctx context.Context, tx *store.Tx, stream string, n int64) (verify.Opening, error) {
	_, secret, bytes, err := l.leafOf(ctx, tx, stream, n, 1<<62)
	if err != nil {
		return verify.Opening{}, err
	}
	open, err := opening(secret, bytes, true)
	if err != nil {
		return verify.Opening{}, fmt.Errorf("ledger: opening of %s %d: %w", stream, n, err)
	}
	return open, nil
}

const selectLeaf = `SELECT COALESCE(e.idx, 0), e.bytes, l.secret, COALESCE(l.idx, 0) FROM entry e LEFT JOIN leaf l ON l.idx = e.idx
	WHERE e.stream = $1 AND e.n = $2`

// leafOf reads an entry with its secret, if the log of that size holds it.
func (l *Ledger) leafOf(ctx context.Context, tx *store.Tx, stream string, n int64, size uint64) (index uint64, secret, bytes []byte, err error) {
	var idx, leaf int64
	if err := tx.QueryRow(ctx, selectLeaf, stream, n).Scan(&idx, &bytes, &secret, &leaf); err != nil {
		return 0, nil, nil, fmt.Errorf("ledger: entry %s %d: %w", stream, n, err)
	}
	if leaf == 0 || uint64(leaf) > size {
		return 0, nil, nil, notYet(stream, n)
	}
	return uint64(leaf) - 1, secret, bytes, nil
}

// opening opens the step of an entry, and its bytes where the whole is to be seen.
func opening(secret, entry []byte, whole bool) (verify.Opening, error) {
	if len(secret) != len(verify.Secret{}) {
		return verify.Opening{}, ErrPurged
	}
	step, err := verify.StepOf(entry)
	if err != nil {
		return verify.Opening{}, err
	}
	s := verify.Secret(secret)
	stepSalt, wholeSalt := s.StepSalt(), s.WholeSalt()
	open := verify.Opening{Step: verify.Half{Salt: stepSalt[:], Content: []byte(step.Text())}}
	if whole {
		open.Whole = verify.Half{Salt: wholeSalt[:], Content: entry}
	} else {
		closed := verify.CommitWhole(wholeSalt, entry)
		open.Whole = verify.Half{Hash: closed[:]}
	}
	return open, nil
}
