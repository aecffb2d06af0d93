package ledger

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"plumbline/internal/store"
	"plumbline/verify"
)

const (
	tileHeight = 8 // C2SP tlog-tiles
	tileWidth  = 1 << tileHeight
	hashSize   = tlog.HashSize
)

// A tower is the right edge of a tree: of every level the hashes of the tile that is not full yet.
type tower struct {
	size   int64
	levels [][]byte
}

// fullTile is told of each tile that has just been filled. It may keep hashes.
type fullTile func(level int, n int64, hashes []byte)

// add puts a leaf hash at the end of the tree.
func (t *tower) add(leaf tlog.Hash, full fullTile) {
	t.size++
	h := leaf
	for level := 0; ; level++ {
		if level == len(t.levels) {
			t.levels = append(t.levels, nil)
		}
		if t.levels[level] == nil {
			t.levels[level] = make([]byte, 0, tileWidth*hashSize)
		}
		t.levels[level] = append(t.levels[level], h[:]...)
		if len(t.levels[level]) < tileWidth*hashSize {
			return
		}
		full(level, t.size>>(tileHeight*(level+1))-1, t.levels[level])
		h = subtreeHash(t.levels[level])
		t.levels[level] = nil
	}
}

func (t *tower) clone() *tower {
	c := &tower{size: t.size, levels: make([][]byte, len(t.levels))}
	for i, hashes := range t.levels {
		if hashes != nil {
			c.levels[i] = append(make([]byte, 0, tileWidth*hashSize), hashes...)
		}
	}
	return c
}

// root is the hash over the whole tree.
func (t *tower) root() verify.Hash {
	var root tlog.Hash
	have := false
	for _, tile := range t.levels { // from the bottom, which is the right end
		for len(tile) > 0 {
			// The last subtrees of a tile are as wide as the lowest bit of its width.
			w := len(tile) / hashSize
			k := w & -w
			h := subtreeHash(tile[(w-k)*hashSize:])
			tile = tile[:(w-k)*hashSize]
			if have {
				h = tlog.NodeHash(h, root)
			}
			root, have = h, true
		}
	}
	if !have {
		return verify.EmptyRoot()
	}
	return verify.Hash(root)
}

// subtreeHash hashes a number of hashes that is a power of two up to their root.
func subtreeHash(hashes []byte) tlog.Hash {
	if len(hashes) == hashSize {
		return tlog.Hash(hashes)
	}
	half := len(hashes) / 2
	return tlog.NodeHash(subtreeHash(hashes[:half]), subtreeHash(hashes[half:]))
}

const selectTile = `SELECT hashes FROM tile WHERE level = $1 AND n = $2`

// errTorn says that the tables of the tree do not fit together: somebody wrote to them past the program.
var errTorn = errors.New("the tables of the log do not fit together; run plumbline verify")

// loadTower reads the right edge of the tree with so many leaves.
func loadTower(ctx context.Context, tx *store.Tx, size int64) (*tower, error) {
	t := &tower{size: size}
	for level := 0; size>>(tileHeight*level) > 0; level++ {
		above := size >> (tileHeight * level)
		width := int(above % tileWidth)
		t.levels = append(t.levels, nil)
		if width == 0 {
			continue
		}
		var hashes []byte
		err := tx.QueryRow(ctx, selectTile, level, above/tileWidth).Scan(&hashes)
		if errors.Is(err, store.ErrNotFound) || err == nil && len(hashes) != width*hashSize {
			return nil, fmt.Errorf("ledger: tile %d of level %d is not %d hashes wide: %w", above/tileWidth, level, width, errTorn)
		}
		if err != nil {
			return nil, fmt.Errorf("ledger: read a tile: %w", err)
		}
		t.levels[level] = append(make([]byte, 0, tileWidth*hashSize), hashes...)
	}
	return t, nil
}

// tiles reads hashes of the tree from the table, for package tlog. It remembers the tiles it read.
type tiles struct {
	ctx  context.Context
	tx   *store.Tx
	read map[[2]int64][]byte
}

func tilesOf(ctx context.Context, tx *store.Tx) *tiles {
	return &tiles{ctx: ctx, tx: tx, read: map[[2]int64][]byte{}}
}

// ReadHashes is for tlog.HashReader.
func (t *tiles) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		tile := tlog.TileForIndex(tileHeight, index)
		hashes, err := t.tile(int64(tile.L), tile.N)
		if err != nil {
			return nil, err
		}
		if len(hashes) < tile.W*hashSize {
			return nil, fmt.Errorf("ledger: tile %d of level %d ends too early: %w", tile.N, tile.L, errTorn)
		}
		if out[i], err = tlog.HashFromTile(tile, hashes, index); err != nil {
			return nil, fmt.Errorf("ledger: %w", err)
		}
	}
	return out, nil
}

func (t *tiles) tile(level, n int64) ([]byte, error) {
	if hashes, ok := t.read[[2]int64{level, n}]; ok {
		return hashes, nil
	}
	var hashes []byte
	err := t.tx.QueryRow(t.ctx, selectTile, level, n).Scan(&hashes)
	if errors.Is(err, store.ErrNotFound) {
		return nil, fmt.Errorf("ledger: tile %d of level %d is missing: %w", n, level, errTorn)
	}
	if err != nil {
		return nil, fmt.Errorf("ledger: read a tile: %w", err)
	}
	t.read[[2]int64{level, n}] = hashes
	return hashes, nil
}

// Root returns the hash over the first size entries.
func (l *Ledger) Root(ctx context.Context, tx *store.Tx, size uint64) (verify.Hash, error) {
	n, err := toLog(size)
	if err != nil {
		return verify.Hash{}, err
	}
	h, err := tlog.TreeHash(n, tilesOf(ctx, tx))
	if err != nil {
		return verify.Hash{}, fmt.Errorf("ledger: root of %d: %w", size, err)
	}
	return verify.Hash(h), nil
}

// Inclusion proves that the entry with the given index in the log, from 0, is among the first size entries.
func (l *Ledger) Inclusion(ctx context.Context, tx *store.Tx, index, size uint64) ([]verify.Hash, error) {
	return inclusion(tilesOf(ctx, tx), index, size)
}

func inclusion(r tlog.HashReader, index, size uint64) ([]verify.Hash, error) {
	n, err := toLog(size)
	if err != nil {
		return nil, err
	}
	if index >= size {
		return nil, fmt.Errorf("ledger: entry %d is not among the first %d", index, size)
	}
	proof, err := tlog.ProveRecord(n, int64(index), r)
	if err != nil {
		return nil, fmt.Errorf("ledger: prove %d in %d: %w", index, size, err)
	}
	return hashes(proof), nil
}

// Consistency proves that the first old entries of the tree with newer entries are the tree with old entries. There is
// nothing to prove from 0.
func (l *Ledger) Consistency(ctx context.Context, tx *store.Tx, old, newer uint64) ([]verify.Hash, error) {
	if old == 0 && newer > 0 {
		return nil, nil
	}
	n, err := toLog(newer)
	if err != nil {
		return nil, err
	}
	if old > newer {
		return nil, fmt.Errorf("ledger: %d entries do not begin with %d", newer, old)
	}
	proof, err := tlog.ProveTree(n, int64(old), tilesOf(ctx, tx))
	if err != nil {
		return nil, fmt.Errorf("ledger: prove %d from %d: %w", newer, old, err)
	}
	return hashes(proof), nil
}

func hashes[P ~[]tlog.Hash](proof P) []verify.Hash {
	out := make([]verify.Hash, len(proof))
	for i, h := range proof {
		out[i] = verify.Hash(h)
	}
	return out
}

// Commitments returns what the log holds of the entries with the indexes from ≤ i < to, counted from 0.
func (l *Ledger) Commitments(ctx context.Context, tx *store.Tx, from, to uint64) ([]verify.Hash, error) {
	const list = `SELECT idx, commitment FROM leaf WHERE idx > $1 AND idx <= $2 ORDER BY idx`
	a, err := toLog(from)
	if err != nil {
		return nil, err
	}
	b, err := toLog(to)
	if err != nil {
		return nil, err
	}
	rows, err := tx.Query(ctx, list, a, b)
	if err != nil {
		return nil, fmt.Errorf("ledger: commitments: %w", err)
	}
	next := a
	out, err := store.Collect(rows, func(r *store.Rows) (h verify.Hash, err error) {
		var idx int64
		var c []byte
		if err := r.Scan(&idx, &c); err != nil {
			return h, err
		}
		next++
		if idx != next || len(c) != len(h) {
			return h, fmt.Errorf("leaf %d: %w", next, errTorn)
		}
		return verify.Hash(c), nil
	})
	if err == nil && next != b {
		err = fmt.Errorf("leaf %d: %w", next+1, errTorn)
	}
	if err != nil {
		return nil, fmt.Errorf("ledger: commitments: %w", err)
	}
	return out, nil
}
