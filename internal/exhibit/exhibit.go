// Package exhibit keeps the files of matters, sealed, in the database.
//
// A file is sealed while it arrives, chunk by chunk, in memory that does not grow with it; nothing of it ever lies in a
// temporary file, and nothing of it counts before all of it is there and a step of the matter says so. Each file has a
// random key of its own, which is sealed to a compartment of the matter: whoever sends a file need not be able to read it
// back. A chunk that was changed, moved, cut off or swapped is found when it is read. What a file is called and what it
// is stands in the sealed part of the step alone.
package exhibit

import (
	"context"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"plumbline/internal/fault"
	"plumbline/internal/ref"
	"plumbline/internal/store"
	"plumbline/verify"
)

// ID names a file.
type ID int64

func (id ID) String() string { return strconv.FormatInt(int64(id), 10) }

// ParseID reads an ID as String writes it.
func ParseID(s string) (ID, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n <= 0 || strconv.FormatInt(n, 10) != s {
		return 0, ref.ErrMalformed
	}
	return ID(n), nil
}

// Place is where a file belongs.
type Place struct {
	Matter      ref.MatterID
	Compartment string
}

// Seal seals a small text to the readers of a compartment of a matter. Its context says what the text is within the
// matter; see vault.Vault.Seal.
type Seal func(ctx context.Context, tx *store.Tx, compartment, context string, plain []byte) ([]byte, error)

// Opener opens what Seal sealed; *vault.Opener is one.
type Opener interface {
	Open(compartment, context string, sealed []byte) ([]byte, error)
}

// A File is a file that has arrived whole. All but ID belongs to the sealed part of the step that attaches it.
type File struct {
	ID     ID       `json:"id,string"`
	Name   string   `json:"name"`
	Type   string   `json:"type"` // by content, as a media type
	Size   int64    `json:"size"`
	SHA256 [32]byte `json:"-"`
	Salt   [32]byte `json:"-"`
}

// Commitment is what may stand in the clear: it fixes the file for good and tells nothing about it without the salt.
func (f File) Commitment() string {
	c := verify.CommitFile(f.Salt, f.SHA256, f.Size)
	return hex.EncodeToString(c[:])
}

// Limits of what is taken. Zero means no limit.
type Limits struct {
	File   int64 // bytes of one file
	Matter int64 // bytes of all files of one matter
	Count  int64 // files of one matter
	Office int64 // bytes of all files of the office
	Spare  int64 // bytes that stay free on the disk, for reports and the record
}

// DefaultLimits are those of an office that sets none.
var DefaultLimits = Limits{File: 500 << 20, Matter: 5 << 30, Count: 200, Office: 0, Spare: 1 << 30}

// Options of New.
type Options struct {
	Limits Limits
	Log    *slog.Logger
	Now    func() time.Time
	Free   func() (int64, error) // bytes free on the disk of the database; nil: nobody knows
}

// Files are the files of a database. It is safe for use by many goroutines.
type Files struct {
	db     *store.DB
	limits Limits
	log    *slog.Logger
	now    func() time.Time
	free   func() (int64, error)

	room    chan *frame // frames at rest; nil stands for one not made yet
	drawing chan struct{}

	mu     sync.Mutex
	active map[ref.MatterID]int
}

const (
	// Life is how long an unfinished file is kept after the last that came of it.
	Life = 24 * time.Hour

	maxFrames    = 160 // in use at once by everybody: this bounds the memory
	maxPerMatter = 4   // files of one matter that may be arriving at the same moment
	frameWait    = 10 * time.Second
)

// New returns the files of a database.
func New(db *store.DB, o Options) *Files {
	if o.Limits == (Limits{}) {
		o.Limits = DefaultLimits
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	f := &Files{db: db, limits: o.Limits, log: o.Log, now: o.Now, free: o.Free, room: make(chan *frame, maxFrames), drawing: make(chan struct{}, 1),
		active: map[ref.MatterID]int{}}
	for range maxFrames {
		f.room <- nil
	}
	return f
}

// Limits are the limits in force.
func (f *Files) Limits() Limits { return f.limits }

// take waits for room for a chunk; whoever has it gives it back.
func (f *Files) take(ctx context.Context) (*frame, error) {
	var fr *frame
	select {
	case fr = <-f.room:
	default:
		wait := time.NewTimer(frameWait)
		defer wait.Stop()
		select {
		case fr = <-f.room:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-wait.C:
			return nil, fault.New(fault.Unavailable, "files.busy", nil)
		}
	}
	if fr == nil {
		fr = newFrame()
	}
	fr.n = 0
	return fr, nil
}

func (f *Files) give(fr *frame) {
	if fr != nil {
		clear(fr.buf)
		f.room <- fr
	}
}

// enter counts a file of a matter that is arriving now, so that nobody holds all the room with one report.
func (f *Files) enter(m ref.MatterID) (leave func(), err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.active[m] >= maxPerMatter {
		return nil, fault.New(fault.Unavailable, "files.busy.report", fault.Args{"n": maxPerMatter})
	}
	f.active[m]++
	return sync.OnceFunc(func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.active[m]--; f.active[m] == 0 {
			delete(f.active, m)
		}
	}), nil
}

const (
	insertExhibit = `INSERT INTO exhibit (id, matter, compartment, n, key, salt, state, chunks, stored, copy, copy_chunks, begun, touched)
		VALUES ($1, $2, $3, 0, $4, $5, $6, 0, 0, '', 0, $7, $7)`
	usedByMatter = `SELECT count(*), coalesce(sum(stored), 0) FROM exhibit WHERE matter = $1`
	usedByOffice = `SELECT coalesce(sum(stored), 0) FROM exhibit`
	addChunk     = `UPDATE exhibit SET chunks = chunks + 1, stored = stored + $3, state = $4, touched = $5 WHERE id = $1 AND chunks = $2 AND n = 0`
	insertChunk  = `INSERT INTO exhibit_chunk (file, part, no, data) VALUES ($1, $2, $3, $4)`
	finish       = `UPDATE exhibit SET n = $2, state = NULL, touched = $3 WHERE id = $1 AND chunks = $4 AND n = 0`
	dropExhibit  = `DELETE FROM exhibit WHERE id = $1 AND n = 0`
	dropChunks   = `DELETE FROM exhibit_chunk WHERE file = $1 AND part = $2`
	stale        = `SELECT id FROM exhibit WHERE n = 0 AND touched < $1 ORDER BY id LIMIT 100`
	halfDrawn    = `SELECT DISTINCT e.id FROM exhibit e JOIN exhibit_chunk c ON c.file = e.id AND c.part = 1 WHERE e.copy = '' AND e.n > 0 AND e.touched < $1`
)

// check says whether more bytes of a matter's files may be kept. It looks at what is there now: several files that
// arrive at once can pass a limit by the chunks that are under way, not by more.
func (f *Files) check(ctx context.Context, m ref.MatterID, more int64, another bool) error {
	if f.free != nil && f.limits.Spare > 0 {
		if left, err := f.free(); err == nil && left-more < f.limits.Spare {
			return fault.New(fault.Unavailable, "files.disk", nil)
		}
	}
	var count, used, office int64
	err := f.db.Read(ctx, func(tx *store.Tx) error {
		if err := tx.QueryRow(ctx, usedByMatter, int64(m)).Scan(&count, &used); err != nil {
			return err
		}
		if f.limits.Office == 0 {
			return nil
		}
		return tx.QueryRow(ctx, usedByOffice).Scan(&office)
	})
	switch {
	case err != nil:
		return fmt.Errorf("exhibit: what is kept: %w", err)
	case another && f.limits.Count > 0 && count >= f.limits.Count:
		return fault.New(fault.Conflict, "files.count.full", fault.Args{"n": f.limits.Count})
	case f.limits.Matter > 0 && used+more > f.limits.Matter:
		return fault.New(fault.Conflict, "files.matter", fault.Args{"max": Amount(f.limits.Matter).String()})
	case f.limits.Office > 0 && office+more > f.limits.Office:
		return fault.New(fault.Unavailable, "files.disk", nil)
	}
	return nil
}

// Amount is a number of bytes; a reader is told it in units.
type Amount int64

// Drop forgets a file that is still arriving. One that is attached stays.
func (f *Files) Drop(ctx context.Context, id ID) error {
	err := f.db.Tx(ctx, func(tx *store.Tx) error {
		n, err := tx.Affected(ctx, dropExhibit, int64(id))
		if err != nil || n == 0 {
			return err
		}
		_, err = tx.Exec(ctx, dropChunks, int64(id), int64(original))
		return err
	})
	if err != nil {
		return fmt.Errorf("exhibit: drop a file: %w", err)
	}
	return nil
}

// Expire forgets files that nobody went on sending for Life, and what is left of working copies that were never finished.
func (f *Files) Expire(ctx context.Context) (dropped int, err error) {
	before := f.now().Add(-Life).UnixMicro()
	for {
		var ids []int64
		err := f.db.Read(ctx, func(tx *store.Tx) (err error) { ids, err = idsOf(ctx, tx, stale, before); return err })
		if err != nil {
			return dropped, fmt.Errorf("exhibit: unfinished files: %w", err)
		}
		for _, id := range ids {
			if err := f.Drop(ctx, ID(id)); err != nil {
				return dropped, err
			}
			dropped++
		}
		if len(ids) < 100 {
			break
		}
	}
	var half []int64
	err = f.db.Read(ctx, func(tx *store.Tx) (err error) { half, err = idsOf(ctx, tx, halfDrawn, before); return err })
	for _, id := range half {
		if err == nil {
			err = f.dropCopy(ctx, ID(id))
		}
	}
	if err != nil {
		return dropped, fmt.Errorf("exhibit: unfinished copies: %w", err)
	}
	return dropped, nil
}

func (f *Files) dropCopy(ctx context.Context, id ID) error {
	return f.db.Tx(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, dropChunks, int64(id), int64(workingCopy))
		return err
	})
}

func idsOf(ctx context.Context, tx *store.Tx, query string, args ...any) ([]int64, error) {
	rows, err := tx.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return store.Collect(rows, func(r *store.Rows) (id int64, err error) { return id, r.Scan(&id) })
}

// contextOf names the key of a file within its matter.
func contextOf(id ID) string { return "file/" + id.String() }

func random(n int) []byte {
	b := make([]byte, n)
	if _, err := rand.Read(b); err != nil {
		panic(err) // crypto/rand never fails on the systems we run on
	}
	return b
}

// saltOf is the salt of a file's commitment. It follows from the file's key and does not give it away.
func saltOf(key []byte) (salt [32]byte, err error) {
	b, err := hkdf.Key(sha256.New, key, nil, "plumbline exhibit v1 salt", len(salt))
	if err != nil {
		return salt, fmt.Errorf("exhibit: salt: %w", err)
	}
	return [32]byte(b), nil
}

// gone is what somebody gets for a file that is not arriving, or not theirs.
func gone() error { return fault.New(fault.NotFound, "files.gone", nil) }

var errMoved = errors.New("exhibit: somebody else is sending the same file")
