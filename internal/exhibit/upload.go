package exhibit

import (
	"context"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/gabriel-vasile/mimetype"
	"golang.org/x/crypto/chacha20poly1305"

	"plumbline/internal/fault"
	"plumbline/internal/store"
)

// An Upload is a file that is arriving, in this request. Close gives back what it holds; without Finish before, a file that
// cannot be resumed is forgotten.
type Upload struct {
	f       *Files
	id      ID
	place   Place
	key     []byte
	chain   chain
	lock    cipher.AEAD // of the state; nil: the file comes in one request
	salt    []byte
	leave   func()
	state   state
	hash    hash.Hash
	done    bool
	dropped bool
}

// state is how far a file got. Between requests it is kept sealed under a secret that only the sender brings along.
type state struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"` // as announced; -1: nobody said
	Key    []byte `json:"key"`
	Type   string `json:"type"`
	Got    int64  `json:"got"`
	Chunks int64  `json:"chunks"`
	Whole  bool   `json:"whole"` // the last chunk is in
	Hash   []byte `json:"hash"`  // of what came so far, ready to go on
}

// Begin is what a new file begins with.
type Begin struct {
	Place
	Name   string
	Size   int64  // as announced; -1: it is not known before the end
	Secret []byte // of the sender, to go on in a later request; nil: the file comes in one
	Seal   Seal
}

// Begin begins a file.
func (f *Files) Begin(ctx context.Context, b Begin) (*Upload, error) {
	if b.Size == 0 {
		return nil, fault.New(fault.Invalid, "files.empty", nil)
	}
	if err := f.fits(b.Size); err != nil {
		return nil, err
	}
	if err := f.check(ctx, b.Matter, max(b.Size, 0), true); err != nil {
		return nil, err
	}
	u := &Upload{f: f, id: ID(f.db.NewID()), place: b.Place, key: random(32), salt: random(16), hash: sha256.New(), state: state{Name: CleanName(b.Name), Size: b.Size}}
	u.state.Key = u.key
	if err := u.arm(b.Secret); err != nil {
		return nil, err
	}
	var err error
	if u.leave, err = f.enter(b.Matter); err != nil {
		return nil, err
	}
	kept, err := u.sealState()
	if err == nil {
		err = f.db.Tx(ctx, func(tx *store.Tx) error {
			key, err := b.Seal(ctx, tx, b.Compartment, contextOf(u.id), u.key)
			if err != nil {
				return err
			}
			_, err = tx.Exec(ctx, insertExhibit, int64(u.id), int64(b.Matter), b.Compartment, key, u.salt, kept, f.now().UnixMicro())
			return err
		})
	}
	if err != nil {
		u.leave()
		return nil, fmt.Errorf("exhibit: begin a file: %w", err)
	}
	return u, nil
}

func (f *Files) fits(size int64) error {
	if f.limits.File > 0 && size > f.limits.File {
		return fault.New(fault.Invalid, "files.large", fault.Args{"max": Amount(f.limits.File).String()})
	}
	return nil
}

// arm prepares the keys of a file.
func (u *Upload) arm(secret []byte) (err error) {
	if u.chain, err = newChain(u.key, u.place.Matter, u.place.Compartment, int64(u.id), original); err != nil || secret == nil {
		return err
	}
	u.lock, err = lockOf(secret, u.salt, u.id)
	return err
}

func lockOf(secret, salt []byte, id ID) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, secret, salt, "plumbline upload v1 "+id.String(), chacha20poly1305.KeySize)
	if err != nil {
		return nil, fmt.Errorf("exhibit: key of an unfinished file: %w", err)
	}
	return chacha20poly1305.NewX(key)
}

func (u *Upload) sealState() ([]byte, error) {
	if u.lock == nil {
		return nil, nil
	}
	var err error
	if u.state.Hash, err = u.hash.(encoding.BinaryMarshaler).MarshalBinary(); err != nil {
		return nil, fmt.Errorf("exhibit: state of a file: %w", err)
	}
	plain, err := json.Marshal(u.state)
	if err != nil {
		return nil, fmt.Errorf("exhibit: state of a file: %w", err)
	}
	nonce := random(chacha20poly1305.NonceSizeX)
	return u.lock.Seal(nonce, nonce, plain, nil), nil
}

const (
	findArriving = `SELECT id, compartment, salt, state, chunks FROM exhibit WHERE matter = $1 AND id = $2 AND n = 0 AND state IS NOT NULL`
	listArriving = `SELECT id, compartment, salt, state, chunks FROM exhibit WHERE matter = $1 AND n = 0 AND state IS NOT NULL ORDER BY id`
)

type arriving struct {
	id          ID
	compartment string
	salt, state []byte
	chunks      int64
}

func scanArriving(r *store.Rows) (a arriving, err error) {
	var id int64
	err = r.Scan(&id, &a.compartment, &a.salt, &a.state, &a.chunks)
	a.id = ID(id)
	return a, err
}

// open opens the state with the sender's secret; somebody else's is as if it were not there.
func (a arriving) open(secret []byte) (s state, err error) {
	lock, err := lockOf(secret, a.salt, a.id)
	if err != nil {
		return s, err
	}
	if len(a.state) < chacha20poly1305.NonceSizeX {
		return s, gone()
	}
	plain, err := lock.Open(nil, a.state[:chacha20poly1305.NonceSizeX], a.state[chacha20poly1305.NonceSizeX:], nil)
	if err != nil || json.Unmarshal(plain, &s) != nil || s.Chunks != a.chunks {
		return s, gone()
	}
	return s, nil
}

// Progress is an unfinished file as its sender sees it.
type Progress struct {
	ID   ID     `json:"id,string"`
	Name string `json:"name"`
	Size int64  `json:"size"`
	Got  int64  `json:"got"`
}

// Unfinished are the files of a matter that the holder of a secret began and can go on with.
func (f *Files) Unfinished(ctx context.Context, p Place, secret []byte) ([]Progress, error) {
	var all []arriving
	err := f.db.Read(ctx, func(tx *store.Tx) error {
		rows, err := tx.Query(ctx, listArriving, int64(p.Matter))
		if err == nil {
			all, err = store.Collect(rows, scanArriving)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("exhibit: unfinished files: %w", err)
	}
	var out []Progress
	for _, a := range all {
		if s, err := a.open(secret); err == nil && a.compartment == p.Compartment {
			out = append(out, Progress{a.id, s.Name, s.Size, s.Got})
		}
	}
	return out, nil
}

// Resume goes on with a file that was begun with the same secret.
func (f *Files) Resume(ctx context.Context, p Place, id ID, secret []byte) (*Upload, error) {
	var a arriving
	err := f.db.Read(ctx, func(tx *store.Tx) error {
		rows, err := tx.Query(ctx, findArriving, int64(p.Matter), int64(id))
		if err != nil {
			return err
		}
		found, err := store.Collect(rows, scanArriving)
		if err == nil && (len(found) == 0 || found[0].compartment != p.Compartment) {
			err = gone()
		}
		if err == nil {
			a = found[0]
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("exhibit: go on with a file: %w", err)
	}
	u := &Upload{f: f, id: id, place: p, salt: a.salt, hash: sha256.New()}
	if u.state, err = a.open(secret); err != nil {
		return nil, err
	}
	u.key = u.state.Key
	if err := u.arm(secret); err != nil {
		return nil, err
	}
	if err := u.hash.(encoding.BinaryUnmarshaler).UnmarshalBinary(u.state.Hash); err != nil {
		return nil, fmt.Errorf("exhibit: go on with a file: %w", err)
	}
	if u.leave, err = f.enter(p.Matter); err != nil {
		return nil, err
	}
	return u, nil
}

// Progress is how far the file got.
func (u *Upload) Progress() Progress {
	return Progress{u.id, u.state.Name, u.state.Size, u.state.Got}
}

// Whole reports whether all of it has come.
func (u *Upload) Whole() bool { return u.state.Whole }

// Chunk is the number of bytes that are kept at once: what of a request does not fill it is not kept, but at the end.
const Chunk = chunkSize

// Receive takes what comes, chunk by chunk; each is durable once it is taken. It ends with the source. Of a file whose size
// was announced, what does not fill a chunk is left to the next request; any other file ends with the source.
func (u *Upload) Receive(ctx context.Context, src io.Reader) error {
	if u.state.Whole {
		return nil
	}
	if u.state.Size < 0 {
		return u.receiveUnknown(ctx, src)
	}
	fr, err := u.f.take(ctx)
	if err != nil {
		return err
	}
	defer func() { u.f.give(fr) }()
	for !u.state.Whole {
		want := min(chunkSize, u.state.Size-u.state.Got)
		n, err := io.ReadFull(src, fr.data()[:want])
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return cut(err)
		}
		fr.n = n
		if err := u.keep(ctx, fr, u.state.Got+want == u.state.Size); err != nil {
			return err
		}
	}
	return nil
}

// receiveUnknown holds one chunk back until it is known whether it is the last.
func (u *Upload) receiveUnknown(ctx context.Context, src io.Reader) error {
	held, err := u.f.take(ctx)
	if err != nil {
		return err
	}
	defer func() { u.f.give(held) }()
	next, err := u.f.take(ctx)
	if err != nil {
		return err
	}
	defer func() { u.f.give(next) }()
	first := true
	for {
		n, err := io.ReadFull(src, next.data())
		end := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !end {
			return cut(err)
		}
		// multipart reports a part that breaks off by the same error as ReadFull does a short read: only a source
		// that then says plainly that it has ended was whole.
		if end {
			if _, again := src.Read(make([]byte, 1)); !errors.Is(again, io.EOF) {
				return cut(again)
			}
		}
		next.n = n
		switch {
		case first && n == 0:
			return fault.New(fault.Invalid, "files.empty", nil)
		case !first:
			if err := u.keep(ctx, held, n == 0); err != nil || n == 0 {
				return err
			}
		}
		if err := u.f.fits(u.state.Got + int64(n)); err != nil {
			return err
		}
		held, next, first = next, held, false
		if end {
			return u.keep(ctx, held, true)
		}
	}
}

func cut(err error) error {
	if err == nil {
		err = io.ErrNoProgress
	}
	if fault.KindOf(err) != fault.Internal {
		return err
	}
	return fault.Wrap(err, fault.Invalid, "files.cut", nil)
}

// keep seals and stores one chunk.
func (u *Upload) keep(ctx context.Context, fr *frame, last bool) error {
	if u.state.Chunks%16 == 0 { // every 4 MiB
		if err := u.f.check(ctx, u.place.Matter, int64(filled(fr.n)), false); err != nil {
			return err
		}
	}
	data := fr.data()[:fr.n]
	if u.state.Chunks == 0 {
		u.state.Type = kindOf(data)
	}
	u.hash.Write(data)
	no := u.state.Chunks
	u.state.Got += int64(fr.n)
	u.state.Chunks++
	u.state.Whole = last
	kept, err := u.sealState()
	if err != nil {
		return err
	}
	sealed, err := u.chain.seal(fr, no, last)
	if err != nil {
		return err
	}
	// The row is locked by the update that comes first; see store.DB.TxLocking.
	err = u.f.db.TxLocking(ctx, func(tx *store.Tx) error {
		n, err := tx.Affected(ctx, addChunk, int64(u.id), no, int64(len(sealed)), kept, u.f.now().UnixMicro())
		if err == nil && n == 0 {
			err = errMoved
		}
		if err == nil {
			_, err = tx.Exec(ctx, insertChunk, int64(u.id), int64(original), no, sealed)
		}
		return err
	})
	switch {
	case errors.Is(err, errMoved):
		return fault.Wrap(err, fault.Conflict, "files.twice", nil)
	case err != nil:
		return fmt.Errorf("exhibit: keep a chunk: %w", err)
	}
	return nil
}

// kindOf tells the type of a file by what is in it, whatever its sender calls it.
func kindOf(head []byte) string {
	const look = 64 << 10
	return mimetype.Detect(head[:min(len(head), look)]).String()
}

// Finish makes the file count: attach records the step of the matter in the same transaction, and returns its number.
func (u *Upload) Finish(ctx context.Context, attach func(ctx context.Context, tx *store.Tx, file File) (n int64, err error)) (File, error) {
	if !u.state.Whole {
		return File{}, fault.New(fault.Invalid, "files.cut", nil)
	}
	salt, err := saltOf(u.key)
	if err != nil {
		return File{}, err
	}
	file := File{ID: u.id, Name: u.state.Name, Type: u.state.Type, Size: u.state.Got, SHA256: [32]byte(u.hash.Sum(nil)), Salt: salt}
	err = u.f.db.Tx(ctx, func(tx *store.Tx) error {
		n, err := attach(ctx, tx, file)
		if err != nil {
			return err
		}
		done, err := tx.Affected(ctx, finish, int64(u.id), n, u.f.now().UnixMicro(), u.state.Chunks)
		if err == nil && done == 0 {
			err = gone()
		}
		return err
	})
	if err != nil {
		return File{}, fmt.Errorf("exhibit: finish a file: %w", err)
	}
	u.done = true
	return file, nil
}

// Close ends this request's part in the file.
func (u *Upload) Close(ctx context.Context) error {
	u.leave()
	if u.done || u.dropped || u.lock != nil {
		return nil
	}
	u.dropped = true
	return u.f.Drop(context.WithoutCancel(ctx), u.id)
}

// Drop forgets the file.
func (u *Upload) Drop(ctx context.Context) error {
	u.leave()
	u.dropped = true
	return u.f.Drop(context.WithoutCancel(ctx), u.id)
}
