package verify

import (
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// A Tree reads a log through its tiles, which need not be trusted: everything it returns has been checked against the
// root of the checkpoint it was made with. It is for one reader at a time.
type Tree struct {
	size   uint64
	root   Hash
	read   func(Tile) ([]byte, error)
	hashes tlog.HashReader
}

// NewTree returns the tree of a checkpoint that has been opened. Read fetches the content of a tile; where a log no longer
// keeps a partial tile, it may return the beginning of the full one.
func NewTree(c Checkpoint, read func(Tile) ([]byte, error)) (*Tree, error) {
	if c.Size > 1<<62 {
		return nil, fmt.Errorf("tree: %d entries are too many", c.Size)
	}
	if c.Size == 0 && c.Root != EmptyRoot() {
		return nil, fmt.Errorf("tree: %w: a tree of no entries has another root", ErrProof)
	}
	t := &Tree{size: c.Size, root: c.Root, read: read}
	t.hashes = tlog.TileHashReader(tlog.Tree{N: int64(c.Size), Hash: tlog.Hash(c.Root)}, tiles(read))
	return t, nil
}

// RootAt returns the root of the tree as it was at an earlier size. If it is not the one an earlier checkpoint named, the
// log has changed what it said.
func (t *Tree) RootAt(size uint64) (Hash, error) {
	switch {
	case size > t.size:
		return Hash{}, fmt.Errorf("tree: of %d entries has no beginning of %d", t.size, size)
	case size == 0:
		return EmptyRoot(), nil
	}
	h, err := tlog.TreeHash(int64(size), t.hashes)
	if err != nil {
		return Hash{}, fmt.Errorf("tree: root at %d: %w", size, err)
	}
	return Hash(h), nil
}

// Leaf returns the hash of an entry, counted from 0.
func (t *Tree) Leaf(index uint64) (Hash, error) {
	if index >= t.size {
		return Hash{}, fmt.Errorf("tree: of %d entries has none at %d", t.size, index)
	}
	found, err := t.hashes.ReadHashes([]int64{tlog.StoredHashIndex(0, int64(index))})
	if err != nil {
		return Hash{}, fmt.Errorf("tree: entry %d: %w", index, err)
	}
	return Hash(found[0]), nil
}

// Inclusion returns the path of an entry, counted from 0.
func (t *Tree) Inclusion(index uint64) ([]Hash, error) {
	if index >= t.size {
		return nil, fmt.Errorf("tree: of %d entries has none at %d", t.size, index)
	}
	p, err := tlog.ProveRecord(int64(t.size), int64(index), t.hashes)
	if err != nil {
		return nil, fmt.Errorf("tree: proof of entry %d: %w", index, err)
	}
	return fromTlog(p), nil
}

// Consistency returns the proof that the tree begins with the one of an earlier size.
func (t *Tree) Consistency(size uint64) ([]Hash, error) {
	if size == 0 || size > t.size {
		return nil, fmt.Errorf("tree: of %d entries has no beginning of %d", t.size, size)
	}
	p, err := tlog.ProveTree(int64(t.size), int64(size), t.hashes)
	if err != nil {
		return nil, fmt.Errorf("tree: proof of %d in %d: %w", size, t.size, err)
	}
	return fromTlog(p), nil
}

// Bundle returns the entries of bundle n.
func (t *Tree) Bundle(n uint64) ([][]byte, error) {
	tile, ok := Tile{Level: Entries, N: n}.In(t.size)
	if !ok {
		return nil, fmt.Errorf("tree: of %d entries has no bundle %d", t.size, n)
	}
	content, err := t.read(tile)
	if err != nil {
		return nil, err
	}
	entries, err := tile.ParseBundle(content)
	if err != nil {
		return nil, err
	}
	indexes := make([]int64, len(entries))
	for i := range indexes {
		indexes[i] = tlog.StoredHashIndex(0, int64(n)*TileWidth+int64(i))
	}
	leaves, err := t.hashes.ReadHashes(indexes)
	if err != nil {
		return nil, fmt.Errorf("tree: bundle %d: %w", n, err)
	}
	for i, e := range entries {
		if LeafHash(e) != Hash(leaves[i]) {
			return nil, fmt.Errorf("tree: %w: entry %d of the bundles is not the one in the tree", ErrProof, int64(n)*TileWidth+int64(i))
		}
	}
	return entries, nil
}

func fromTlog[H ~[]tlog.Hash](hashes H) []Hash {
	out := make([]Hash, len(hashes))
	for i, h := range hashes {
		out[i] = Hash(h)
	}
	return out
}

// tiles fetches tiles for package tlog, which checks them.
type tiles func(Tile) ([]byte, error)

func (read tiles) Height() int { return 8 }

func (read tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	out := make([][]byte, len(wanted))
	for i, w := range wanted {
		t := Tile{Level: w.L, N: uint64(w.N), Width: w.W}
		content, err := read(t)
		if err != nil {
			return nil, err
		}
		if len(content) < t.Width*len(Hash{}) {
			return nil, fmt.Errorf("tile %s: %w", t.Path(), errShort)
		}
		out[i] = content[:t.Width*len(Hash{})]
	}
	return out, nil
}

var errShort = errors.New("is shorter than it should be")

func (read tiles) SaveTiles([]tlog.Tile, [][]byte) {}
