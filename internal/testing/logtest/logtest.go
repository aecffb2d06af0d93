// Package logtest is a small log in memory for tests of what looks at logs from outside: it serves C2SP tlog-tiles, and it can be
// forked, so that it shows two histories under one key.
package logtest

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"plumbline/verify"
)

// A Log holds entries that are numbers. It is safe for use by many goroutines.
type Log struct {
	Origin string
	VKey   string

	signer note.Signer
	salt   byte // differs between forks
	mu     sync.Mutex
	hashes []tlog.Hash
	leaves [][]byte
}

// New returns an empty log with a key of its own.
func New(t testing.TB, origin string) *Log {
	t.Helper()
	skey, vkey, err := note.GenerateKey(rand.Reader, origin)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	return &Log{Origin: origin, VKey: vkey, signer: signer}
}

// Key returns the verifier.
func (l *Log) Key(t testing.TB) note.Verifier {
	t.Helper()
	v, err := verify.ParseKey(l.VKey)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Append adds n entries and returns the log.
func (l *Log) Append(n int) *Log {
	l.mu.Lock()
	defer l.mu.Unlock()
	for range n {
		entry := append(binary.BigEndian.AppendUint64(nil, uint64(len(l.leaves))), l.salt)
		more, err := tlog.StoredHashes(int64(len(l.leaves)), entry, l.reader())
		if err != nil {
			panic(err) // all of it is in memory
		}
		l.leaves, l.hashes = append(l.leaves, entry), append(l.hashes, more...)
	}
	return l
}

// Fork returns a copy that goes on with other entries under the same key.
func (l *Log) Fork() *Log {
	l.mu.Lock()
	defer l.mu.Unlock()
	return &Log{Origin: l.Origin, VKey: l.VKey, signer: l.signer, salt: l.salt + 1,
		hashes: append([]tlog.Hash(nil), l.hashes...), leaves: append([][]byte(nil), l.leaves...)}
}

func (l *Log) reader() tlog.HashReader {
	return tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(indexes))
		for i, x := range indexes {
			out[i] = l.hashes[x]
		}
		return out, nil
	})
}

// Size is how many entries there are.
func (l *Log) Size() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return uint64(len(l.leaves))
}

// Head returns the head at a size.
func (l *Log) Head(size uint64) verify.Checkpoint {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := verify.Checkpoint{Origin: l.Origin, Size: size, Root: verify.EmptyRoot()}
	if size > 0 {
		h, err := tlog.TreeHash(int64(size), l.reader())
		if err != nil {
			panic(err)
		}
		c.Root = verify.Hash(h)
	}
	return c
}

// Sign signs any head with the key of the log.
func (l *Log) Sign(c verify.Checkpoint) []byte {
	signed, err := note.Sign(&note.Note{Text: c.Text()}, l.signer)
	if err != nil {
		panic(err)
	}
	return signed
}

// Signed returns the signed head at a size.
func (l *Log) Signed(size uint64) []byte { return l.Sign(l.Head(size)) }

// Consistency returns the proof that the log of size begins with the one of old.
func (l *Log) Consistency(old, size uint64) []verify.Hash {
	l.mu.Lock()
	defer l.mu.Unlock()
	if old == 0 || old == size {
		return nil
	}
	p, err := tlog.ProveTree(int64(size), int64(old), l.reader())
	if err != nil {
		panic(err)
	}
	out := make([]verify.Hash, len(p))
	for i, h := range p {
		out[i] = verify.Hash(h)
	}
	return out
}

// Tile returns the content of a tile, as far as the log has it.
func (l *Log) Tile(t verify.Tile) ([]byte, error) {
	have, ok := t.In(l.Size())
	if !ok || have.Width < t.Width {
		return nil, fmt.Errorf("no tile %s", t.Path())
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if t.Level == verify.Entries {
		return verify.MarshalBundle(l.leaves[t.N*verify.TileWidth:][:t.Width])
	}
	return tlog.ReadTileData(tlog.Tile{H: 8, L: t.Level, N: int64(t.N), W: t.Width}, l.reader())
}

// ServeHTTP serves the log at its present size.
func (l *Log) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, "/")
	if path == "checkpoint" {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write(l.Signed(l.Size()))
		return
	}
	t, err := verify.ParseTilePath(path)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	content, err := l.Tile(t)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.Itoa(len(content)))
	_, _ = w.Write(content)
}

// Copy returns a copy that goes on in the same way: with the same entries, and the same key.
func (l *Log) Copy() *Log {
	c := l.Fork()
	c.salt = l.salt
	return c
}

// Cut returns a copy with the first n entries alone, as a backup that is older would be.
func (l *Log) Cut(n int) *Log {
	c := l.Copy()
	c.leaves = c.leaves[:n]
	c.hashes = c.hashes[:tlog.StoredHashIndex(0, int64(n))]
	return c
}
