package transfer

import (
	"bufio"
	"bytes"
	"container/heap"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
)

// A spool sorts any number of records by key with bounded memory. Records of one key come out in the order they went
// in. What does not fit in memory goes to sorted temporary files, which are merged while reading; the files
// have no name after they are opened, so nothing of them outlives the process, however it ends.
type spool struct {
	dir    string
	limit  int // bytes kept in memory
	arena  []byte
	index  []span
	chunks []*os.File
	named  []string // files that could not be unlinked while open
	n      int64
	bytes  int64
}

type span struct{ at, key, val int } // arena[at:at+key] is the key, the value follows

// spoolMemory is what one spool keeps in memory before it writes to disk.
const spoolMemory = 8 << 20

// mostChunks bounds the files merged at once; more are merged in rounds.
const mostChunks = 128

func newSpool(dir string, limit int) *spool {
	if limit <= 0 {
		limit = spoolMemory
	}
	return &spool{dir: dir, limit: limit}
}

func (s *spool) add(key, val []byte) error {
	if len(s.arena)+len(key)+len(val) > s.limit && len(s.index) > 0 {
		if err := s.spill(); err != nil {
			return err
		}
	}
	at := len(s.arena)
	s.arena = append(append(s.arena, key...), val...)
	s.index = append(s.index, span{at, len(key), len(val)})
	s.n++
	s.bytes += int64(len(key) + len(val))
	return nil
}

func (s *spool) sort() {
	slices.SortStableFunc(s.index, func(a, b span) int {
		return bytes.Compare(s.arena[a.at:a.at+a.key], s.arena[b.at:b.at+b.key])
	})
}

func (s *spool) spill() error {
	s.sort()
	f, err := s.temp()
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 256<<10)
	for _, x := range s.index {
		if err := writeRecord(w, s.arena[x.at:x.at+x.key], s.arena[x.at+x.key:x.at+x.key+x.val]); err != nil {
			return fmt.Errorf("temporary file: %w", err)
		}
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("temporary file: %w", err)
	}
	s.chunks = append(s.chunks, f)
	s.arena, s.index = s.arena[:0], s.index[:0]
	if len(s.chunks) >= mostChunks {
		return s.mergeRound()
	}
	return nil
}

// mergeRound turns all files into one, keeping the order of equal keys.
func (s *spool) mergeRound() error {
	f, err := s.temp()
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 256<<10)
	m, err := s.mergeFiles()
	if err != nil {
		return err
	}
	for {
		key, val, err := m.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = writeRecord(w, key, val)
		}
		if err != nil {
			return fmt.Errorf("temporary file: %w", err)
		}
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("temporary file: %w", err)
	}
	for _, c := range s.chunks {
		_ = c.Close() // read to the end; nothing of it is wanted any more
	}
	s.chunks = []*os.File{f}
	return nil
}

func (s *spool) temp() (*os.File, error) {
	f, err := os.CreateTemp(s.dir, "plumbline-import-*")
	if err != nil {
		return nil, fmt.Errorf("temporary file: %w", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		s.named = append(s.named, f.Name()) // systems that cannot unlink an open file: close removes it
	}
	return f, nil
}

func (s *spool) close() {
	for _, f := range s.chunks {
		_ = f.Close() // temporary
	}
	for _, n := range s.named {
		_ = os.Remove(n) // temporary
	}
	*s = spool{dir: s.dir, limit: s.limit}
}

// sorted returns a reader over all records by key. It can be called several times, one after the other.
func (s *spool) sorted() (*merge, error) {
	s.sort()
	m, err := s.mergeFiles()
	if err != nil {
		return nil, err
	}
	if len(s.index) > 0 {
		m.push(&memoryRun{s: s}, len(s.chunks))
	}
	return m, nil
}

func (s *spool) mergeFiles() (*merge, error) {
	m := &merge{}
	for i, f := range s.chunks {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return nil, fmt.Errorf("temporary file: %w", err)
		}
		m.push(&fileRun{r: bufio.NewReaderSize(f, 64<<10)}, i)
	}
	return m, m.err
}

func writeRecord(w *bufio.Writer, key, val []byte) error {
	var n [binary.MaxVarintLen64]byte
	for _, b := range [2][]byte{key, val} {
		if _, err := w.Write(n[:binary.PutUvarint(n[:], uint64(len(b)))]); err != nil {
			return err
		}
		if _, err := w.Write(b); err != nil {
			return err
		}
	}
	return nil
}

// run is a sorted sequence of records. The slices are valid until the next call.
type run interface {
	next() (key, val []byte, err error)
}

type memoryRun struct {
	s *spool
	i int
}

func (r *memoryRun) next() ([]byte, []byte, error) {
	if r.i >= len(r.s.index) {
		return nil, nil, io.EOF
	}
	x := r.s.index[r.i]
	r.i++
	return r.s.arena[x.at : x.at+x.key], r.s.arena[x.at+x.key : x.at+x.key+x.val], nil
}

type fileRun struct {
	r        *bufio.Reader
	key, val []byte
}

func (r *fileRun) next() ([]byte, []byte, error) {
	var err error
	if r.key, err = readBytes(r.r, r.key); err != nil {
		return nil, nil, err
	}
	if r.val, err = readBytes(r.r, r.val); err != nil {
		return nil, nil, io.ErrUnexpectedEOF
	}
	return r.key, r.val, nil
}

func readBytes(r *bufio.Reader, b []byte) ([]byte, error) {
	n, err := binary.ReadUvarint(r)
	if err != nil {
		return nil, err
	}
	b = slices.Grow(b[:0], int(n))[:n]
	_, err = io.ReadFull(r, b)
	return b, err
}

// merge reads several sorted runs as one. Of equal keys, the earlier run comes first.
type merge struct {
	heads []head
	err   error
	moved bool // heads[0] was given out and must move on
}

type head struct {
	run      run
	order    int
	key, val []byte
}

func (m *merge) push(r run, order int) {
	h := head{run: r, order: order}
	var err error
	if h.key, h.val, err = r.next(); err != nil {
		if !errors.Is(err, io.EOF) {
			m.err = err
		}
		return
	}
	heap.Push(m, h)
}

// next returns the record with the smallest key; the slices are valid until the next call.
func (m *merge) next() (key, val []byte, err error) {
	if m.moved {
		m.moved = false
		h := &m.heads[0]
		h.key, h.val, err = h.run.next()
		switch {
		case errors.Is(err, io.EOF):
			heap.Pop(m)
		case err != nil:
			return nil, nil, err
		default:
			heap.Fix(m, 0)
		}
	}
	if m.err != nil {
		return nil, nil, m.err
	}
	if len(m.heads) == 0 {
		return nil, nil, io.EOF
	}
	m.moved = true
	return m.heads[0].key, m.heads[0].val, nil
}

func (m *merge) Len() int { return len(m.heads) }
func (m *merge) Less(i, j int) bool {
	if c := bytes.Compare(m.heads[i].key, m.heads[j].key); c != 0 {
		return c < 0
	}
	return m.heads[i].order < m.heads[j].order
}
func (m *merge) Swap(i, j int) { m.heads[i], m.heads[j] = m.heads[j], m.heads[i] }
func (m *merge) Push(x any)    { m.heads = append(m.heads, x.(head)) }
func (m *merge) Pop() any {
	h := m.heads[len(m.heads)-1]
	m.heads = m.heads[:len(m.heads)-1]
	return h
}

// groups calls f once for every key, in order, with all values of it. The slices belong to f.
func (m *merge) groups(ctx context.Context, f func(key []byte, vals [][]byte) error) error {
	var key []byte
	var vals [][]byte
	open := false
	for n := 0; ; n++ {
		if n%1024 == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		k, v, err := m.next()
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("temporary file: %w", err)
		}
		end := err != nil
		if open && (end || !bytes.Equal(k, key)) {
			if err := f(key, vals); err != nil {
				return err
			}
			open = false
		}
		if end {
			return nil
		}
		if !open {
			key, vals, open = bytes.Clone(k), nil, true
		}
		vals = append(vals, bytes.Clone(v))
	}
}
