package exhibit

import (
	"context"
	"errors"
	"fmt"
	"io"

	"plumbline/internal/fault"
	"plumbline/internal/ref"
	"plumbline/internal/store"
)

// Kept is a file that is attached to a matter, as the database has it: everything that says what it is stays sealed.
type Kept struct {
	ID ID
	Place
	N    int64  // the entry that attached it
	Copy string // type of the working copy; "" if there is none

	key            []byte
	chunks, copies int64
}

const findKept = `SELECT compartment, n, key, chunks, copy, copy_chunks FROM exhibit WHERE matter = $1 AND id = $2 AND n > 0`

// Find returns an attached file of a matter; fault.NotFound if the matter has none such.
func (f *Files) Find(ctx context.Context, tx *store.Tx, m ref.MatterID, id ID) (Kept, error) {
	k := Kept{ID: id, Place: Place{Matter: m}}
	err := tx.QueryRow(ctx, findKept, int64(m), int64(id)).Scan(&k.Compartment, &k.N, &k.key, &k.chunks, &k.Copy, &k.copies)
	if errors.Is(err, store.ErrNotFound) {
		return k, fault.New(fault.NotFound, "fault.notfound", nil)
	}
	if err != nil {
		return k, fmt.Errorf("exhibit: find a file: %w", err)
	}
	return k, nil
}

const copiesOf = `SELECT id, copy FROM exhibit WHERE matter = $1 AND n > 0 AND copy <> ''`

// Copies tells which files of a matter have a working copy.
func (f *Files) Copies(ctx context.Context, tx *store.Tx, m ref.MatterID) (map[ID]string, error) {
	rows, err := tx.Query(ctx, copiesOf, int64(m))
	if err != nil {
		return nil, fmt.Errorf("exhibit: working copies: %w", err)
	}
	out := map[ID]string{}
	_, err = store.Collect(rows, func(r *store.Rows) (struct{}, error) {
		var id int64
		var kind string
		err := r.Scan(&id, &kind)
		out[ID(id)] = kind
		return struct{}{}, err
	})
	if err != nil {
		return nil, fmt.Errorf("exhibit: working copies: %w", err)
	}
	return out, nil
}

// Read reads the original with the key that the opener opens. The first chunk is read at once, so that what cannot be opened
// is known before anything is sent.
func (f *Files) Read(ctx context.Context, k Kept, o Opener) (*Reader, error) {
	return f.read(ctx, k, o, original, k.chunks)
}

// ReadCopy reads the working copy.
func (f *Files) ReadCopy(ctx context.Context, k Kept, o Opener) (*Reader, error) {
	if k.Copy == "" {
		return nil, fault.New(fault.NotFound, "fault.notfound", nil)
	}
	return f.read(ctx, k, o, workingCopy, k.copies)
}

func (f *Files) read(ctx context.Context, k Kept, o Opener, p part, chunks int64) (*Reader, error) {
	key, err := o.Open(k.Compartment, contextOf(k.ID), k.key)
	if err != nil {
		return nil, fmt.Errorf("exhibit: key of a file: %w", err)
	}
	r, err := f.reader(ctx, key, k.Place, k.ID, p, chunks)
	if err != nil {
		return nil, err
	}
	return r, r.fill()
}

func (f *Files) reader(ctx context.Context, key []byte, place Place, id ID, p part, chunks int64) (*Reader, error) {
	c, err := newChain(key, place.Matter, place.Compartment, int64(id), p)
	if err != nil {
		return nil, err
	}
	return &Reader{ctx: ctx, f: f, chain: c, id: id, part: p, chunks: chunks}, nil
}

// A Reader reads a stored file chunk by chunk, and checks each before it gives any of it away. One that was cut off does
// not end with io.EOF but with ErrTampered.
type Reader struct {
	ctx    context.Context //nolint:containedctx // io.Reader leaves no other way in
	f      *Files
	chain  chain
	id     ID
	part   part
	chunks int64

	no   int64
	rest []byte
	err  error
}

const getChunk = `SELECT data FROM exhibit_chunk WHERE file = $1 AND part = $2 AND no = $3`

// fill reads the next chunk, if none is at hand.
func (r *Reader) fill() error {
	for len(r.rest) == 0 && r.err == nil {
		if r.no == r.chunks {
			r.err = io.EOF
			if r.chunks == 0 {
				r.err = ErrTampered
			}
			break
		}
		var sealed []byte
		err := r.f.db.Read(r.ctx, func(tx *store.Tx) error {
			return tx.QueryRow(r.ctx, getChunk, int64(r.id), int64(r.part), r.no).Scan(&sealed)
		})
		switch {
		case errors.Is(err, store.ErrNotFound):
			r.err = ErrTampered
		case err != nil:
			r.err = fmt.Errorf("exhibit: read a chunk: %w", err)
		default:
			r.rest, r.err = r.chain.open(sealed, r.no, r.no == r.chunks-1)
			r.no++
		}
	}
	if errors.Is(r.err, io.EOF) {
		return nil
	}
	return r.err
}

// Read implements io.Reader.
func (r *Reader) Read(b []byte) (int, error) {
	if err := r.fill(); err != nil {
		return 0, err
	}
	if len(r.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(b, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}
