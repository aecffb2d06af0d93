package exhibit

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"

	"plumbline/internal/ref"
)

const (
	// chunkSize is how much of a file a chunk holds. All but the last of a file are full.
	chunkSize = 256 << 10
	// grain is what the last chunk is filled up to a multiple of: the table tells the size of a file no closer.
	grain = 64 << 10

	prefixSize = chacha20poly1305.NonceSizeX - 5 // random bytes of a nonce; then the chunk's number and whether it is the last
	lengthSize = 4
	tagSize    = chacha20poly1305.Overhead
	frameSize  = prefixSize + lengthSize + chunkSize + tagSize

	maxChunks = 1 << 31
)

// part is one of the two things kept of a file.
type part int64

const (
	original part = iota
	workingCopy
)

func (p part) String() string {
	if p == workingCopy {
		return "copy"
	}
	return "original"
}

// ErrTampered says that a chunk is not the one that was stored in its place: changed, moved, cut off, or of another file.
var ErrTampered = errors.New("exhibit: a stored chunk does not open: it was changed, moved, cut off or swapped")

// chain seals the chunks of one part of a file, each bound to its place. It is the STREAM construction (a number and the
// mark of the last chunk in the nonce) with XChaCha20-Poly1305, whose long nonce has room for random bytes besides: a
// chunk that had to be sealed a second time, because its transaction failed, never meets the same nonce.
type chain struct {
	aead  cipher.AEAD
	bound []byte
}

func newChain(key []byte, m ref.MatterID, compartment string, id int64, p part) (chain, error) {
	own, err := hkdf.Key(sha256.New, key, nil, "plumbline exhibit v1 "+p.String(), chacha20poly1305.KeySize)
	if err != nil {
		return chain{}, fmt.Errorf("exhibit: key of a part: %w", err)
	}
	aead, err := chacha20poly1305.NewX(own)
	if err != nil {
		return chain{}, fmt.Errorf("exhibit: key of a part: %w", err)
	}
	return chain{aead, fmt.Appendf(nil, "plumbline exhibit v1\nmatter %d\ncompartment %q\nfile %d\npart %s\n", m, compartment, id, p)}, nil
}

func nonceOf(prefix []byte, no int64, last bool) []byte {
	nonce := make([]byte, 0, chacha20poly1305.NonceSizeX)
	nonce = append(nonce, prefix...)
	nonce = binary.BigEndian.AppendUint32(nonce, uint32(no))
	if last {
		return append(nonce, 1)
	}
	return append(nonce, 0)
}

// A frame is room for one chunk: its data are written in their place and sealed there.
type frame struct {
	buf []byte
	n   int // bytes of data
}

func newFrame() *frame { return &frame{buf: make([]byte, frameSize)} }

func (f *frame) data() []byte { return f.buf[prefixSize+lengthSize : prefixSize+lengthSize+chunkSize] }

// filled is how much room n bytes of data take in a chunk.
func filled(n int) int { return min((n+grain-1)/grain*grain, chunkSize) }

// seal seals what is in the frame as chunk no. What it returns lies in the frame.
func (c chain) seal(f *frame, no int64, last bool) ([]byte, error) {
	if no < 0 || no >= maxChunks || !last && f.n != chunkSize {
		return nil, fmt.Errorf("exhibit: chunk %d of %d bytes", no, f.n)
	}
	if _, err := rand.Read(f.buf[:prefixSize]); err != nil {
		return nil, fmt.Errorf("exhibit: nonce: %w", err)
	}
	binary.BigEndian.PutUint32(f.buf[prefixSize:], uint32(f.n))
	end := filled(f.n)
	clear(f.data()[f.n:end])
	plain := f.buf[prefixSize : prefixSize+lengthSize+end]
	sealed := c.aead.Seal(plain[:0], nonceOf(f.buf[:prefixSize], no, last), plain, c.bound)
	return f.buf[:prefixSize+len(sealed)], nil
}

// open opens chunk no in place.
func (c chain) open(sealed []byte, no int64, last bool) ([]byte, error) {
	if len(sealed) < prefixSize+lengthSize+tagSize || len(sealed) > frameSize {
		return nil, ErrTampered
	}
	body := sealed[prefixSize:]
	plain, err := c.aead.Open(body[:0], nonceOf(sealed[:prefixSize], no, last), body, c.bound)
	if err != nil {
		return nil, ErrTampered
	}
	n := binary.BigEndian.Uint32(plain)
	if int(n) > len(plain)-lengthSize {
		return nil, ErrTampered
	}
	return plain[lengthSize : lengthSize+int(n)], nil
}
