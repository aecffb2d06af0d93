package verify

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
)

// TileWidth is how many hashes, or entries, a full tile holds.
const TileWidth = 256

// Entries is the Level of a tile that holds the entries themselves (a "bundle").
const Entries = -1

// A Tile is a piece of a log as it is served (C2SP tlog-tiles): hashes of one level of the tree, or entries.
type Tile struct {
	Level int    // from 0, the hashes of the leaves, upwards; or Entries
	N     uint64 // number within the level, from 0
	Width int    // how much of it there is: 1 to 256
}

const (
	maxLevel  = 63
	maxTile   = 1<<55 - 1 // a log has fewer than 2^63 entries
	maxBundle = TileWidth * (2 + 1<<16)
)

// Path returns where the tile is served, below the address of the log: "tile/0/x001/234.p/5", "tile/entries/000".
func (t Tile) Path() string {
	var b strings.Builder
	b.WriteString("tile/")
	if t.Level == Entries {
		b.WriteString("entries")
	} else {
		b.WriteString(strconv.Itoa(t.Level))
	}
	digits := fmt.Sprintf("%03d", t.N)
	if r := len(digits) % 3; r != 0 {
		digits = "000"[r:] + digits
	}
	for i := 0; i < len(digits); i += 3 {
		b.WriteByte('/')
		if i+3 < len(digits) {
			b.WriteByte('x')
		}
		b.WriteString(digits[i : i+3])
	}
	if t.Width < TileWidth {
		fmt.Fprintf(&b, ".p/%d", t.Width)
	}
	return b.String()
}

// ParseTilePath reads a path. It is strict: Path gives back the same.
func ParseTilePath(path string) (Tile, error) {
	no := func(why string) (Tile, error) { return Tile{}, fmt.Errorf("tile %q: %s", path, why) }
	if len(path) > 60 { // longer than the longest
		return Tile{}, errors.New("tile: the path is too long")
	}
	rest, ok := strings.CutPrefix(path, "tile/")
	level, rest, found := strings.Cut(rest, "/")
	if !ok || !found {
		return no("is not tile/LEVEL/NUMBER")
	}
	t := Tile{Level: Entries, Width: TileWidth}
	if level != "entries" {
		n, err := parseNumber(level)
		if err != nil || n > maxLevel {
			return no("the level is none")
		}
		t.Level = int(n)
	}
	number, width, partial := strings.Cut(rest, ".p/")
	if partial {
		n, err := parseNumber(width)
		if err != nil || n < 1 || n >= TileWidth {
			return no("the width is not 1 to 255")
		}
		t.Width = int(n)
	}
	parts := strings.Split(number, "/")
	for i, part := range parts {
		if i < len(parts)-1 {
			if part, ok = strings.CutPrefix(part, "x"); !ok {
				return no("the number is not written in threes")
			}
		}
		n, err := strconv.ParseUint(part, 10, 10)
		if err != nil || len(part) != 3 || n > 999 || t.N > maxTile/1000 {
			return no("the number is not written in threes, or is too large")
		}
		t.N = t.N*1000 + n
	}
	if t.N > maxTile || t.Path() != path {
		return no("is not in its one spelling")
	}
	return t, nil
}

// In returns the tile as it is in a tree of the given size: full, partial, or not there at all (false).
func (t Tile) In(size uint64) (Tile, bool) {
	count := size // of the hashes on this level
	if t.Level > 0 {
		count = 0
		if t.Level < 8 {
			count = size >> (8 * t.Level)
		}
	}
	if t.N > maxTile || t.N*TileWidth >= count {
		return Tile{}, false
	}
	t.Width = int(min(count-t.N*TileWidth, TileWidth))
	return t, true
}

// ParseHashes reads the content of a tile of hashes.
func (t Tile) ParseHashes(content []byte) ([]Hash, error) {
	if t.Level == Entries || t.Width < 1 || t.Width > TileWidth {
		return nil, fmt.Errorf("tile %s: holds no hashes", t.Path())
	}
	if len(content) != t.Width*len(Hash{}) {
		return nil, fmt.Errorf("tile %s: is %d bytes long, not %d", t.Path(), len(content), t.Width*len(Hash{}))
	}
	out := make([]Hash, t.Width)
	for i := range out {
		out[i] = Hash(content[i*len(Hash{}):])
	}
	return out, nil
}

// FullTileHash returns the hash over the 256 hashes of a full tile: what stands for it one level up.
func FullTileHash(hashes []Hash) (Hash, error) {
	if len(hashes) != TileWidth {
		return Hash{}, fmt.Errorf("%d hashes are no full tile", len(hashes))
	}
	level := append([]Hash(nil), hashes...)
	for len(level) > 1 {
		for i := range len(level) / 2 {
			level[i] = NodeHash(level[2*i], level[2*i+1])
		}
		level = level[:len(level)/2]
	}
	return level[0], nil
}

// ParseBundle reads the content of a tile of entries.
func (t Tile) ParseBundle(content []byte) ([][]byte, error) {
	if t.Level != Entries || t.Width < 1 || t.Width > TileWidth {
		return nil, fmt.Errorf("tile %s: holds no entries", t.Path())
	}
	if len(content) > maxBundle {
		return nil, fmt.Errorf("tile %s: is longer than any", t.Path())
	}
	out := make([][]byte, 0, t.Width)
	for len(content) > 0 {
		if len(content) < 2 || len(content)-2 < int(binary.BigEndian.Uint16(content)) {
			return nil, fmt.Errorf("tile %s: ends within entry %d", t.Path(), len(out)+1)
		}
		end := 2 + int(binary.BigEndian.Uint16(content))
		out = append(out, content[2:end:end])
		content = content[end:]
	}
	if len(out) != t.Width {
		return nil, fmt.Errorf("tile %s: holds %d entries, not %d", t.Path(), len(out), t.Width)
	}
	return out, nil
}

// MarshalBundle writes entries as the content of a tile.
func MarshalBundle(entries [][]byte) ([]byte, error) {
	if len(entries) == 0 || len(entries) > TileWidth {
		return nil, fmt.Errorf("%d entries are no bundle", len(entries))
	}
	var out []byte
	for i, e := range entries {
		if len(e) >= 1<<16 {
			return nil, fmt.Errorf("entry %d of the bundle is too long", i+1)
		}
		out = append(binary.BigEndian.AppendUint16(out, uint16(len(e))), e...)
	}
	return out, nil
}

// TilesOf lists the tiles of hashes at the right edge of a tree: the last one of each level. Together they give its root.
func TilesOf(size uint64) []Tile {
	var out []Tile
	for level := 0; level < (bits.Len64(size)+7)/8; level++ {
		count := size >> (8 * level)
		if count == 0 {
			break
		}
		t, _ := Tile{Level: level, N: (count - 1) / TileWidth}.In(size)
		out = append(out, t)
	}
	return out
}
