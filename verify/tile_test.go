package verify

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"plumbline/internal/testing/data"
)

// The log that transparency-dev/tessera publishes, read through its tiles: each of its checkpoints, each entry, each proof.
func TestPublishedTiles(t *testing.T) {
	files := map[string][]byte{}
	eachFile(t, data.File(t, "vectors/tessera_static_log.tar.gz"), func(name string, content []byte) {
		files[strings.TrimPrefix(name, "log/")] = content
	})
	key, err := note.NewVerifier(testLogKey)
	if err != nil {
		t.Fatal(err)
	}
	fetch := func(tile Tile) ([]byte, error) {
		if content, ok := files[tile.Path()]; ok {
			return content, nil
		}
		return nil, fmt.Errorf("%s is not there", tile.Path())
	}
	trees := map[int]*Tree{}
	for n := range 16 {
		c, _, err := OpenCheckpoint(files[fmt.Sprintf("checkpoint.%d", n)], key)
		if err != nil {
			t.Fatalf("checkpoint %d: %v", n, err)
		}
		tree, err := NewTree(c, fetch)
		if err != nil {
			t.Fatal(err)
		}
		trees[n] = tree
		if n == 0 {
			continue
		}
		if root, err := tree.RootAt(uint64(n)); err != nil || root != c.Root {
			t.Errorf("checkpoint %d: root %v (%v), want %v", n, root, err, c.Root)
		}
		entries, err := tree.Bundle(0)
		if err != nil || len(entries) != n {
			t.Fatalf("checkpoint %d: %d entries, %v", n, len(entries), err)
		}
		for i, e := range entries {
			p, err := tree.Inclusion(uint64(i))
			if err != nil {
				t.Fatal(err)
			}
			if err := Inclusion(c.Root, c.Size, uint64(i), LeafHash(e), p); err != nil {
				t.Errorf("entry %d of %d: %v", i, n, err)
			}
		}
		for old := 1; old <= n; old++ {
			p, err := tree.Consistency(uint64(old))
			if err != nil {
				t.Fatal(err)
			}
			if err := Consistency(trees[old].root, uint64(old), c.Root, c.Size, p); err != nil {
				t.Errorf("%d to %d: %v", old, n, err)
			}
			if root, err := tree.RootAt(uint64(old)); err != nil || root != trees[old].root {
				t.Errorf("root at %d of %d: %v, %v", old, n, root, err)
			}
		}
	}
}

// made is a log served as tiles.
func made(t testing.TB, size int) (Checkpoint, map[string][]byte) {
	t.Helper()
	files := map[string][]byte{}
	level, entries := make([]Hash, size), make([][]byte, size)
	for i := range level {
		entries[i] = fmt.Appendf(nil, "entry %d", i)
		level[i] = LeafHash(entries[i])
	}
	for n := 0; n*TileWidth < size; n++ {
		tile, _ := Tile{Level: Entries, N: uint64(n)}.In(uint64(size))
		content, err := MarshalBundle(entries[n*TileWidth : n*TileWidth+tile.Width])
		if err != nil {
			t.Fatal(err)
		}
		files[tile.Path()] = content
	}
	root := rootOfSlice(level)
	for l := 0; len(level) > 0; l++ {
		var up []Hash
		for n := 0; n*TileWidth < len(level); n++ {
			tile, ok := Tile{Level: l, N: uint64(n)}.In(uint64(size))
			if !ok {
				t.Fatalf("level %d, tile %d is not in a tree of %d", l, n, size)
			}
			part := level[n*TileWidth : n*TileWidth+tile.Width]
			var b bytes.Buffer
			for _, h := range part {
				b.Write(h[:])
			}
			files[tile.Path()] = b.Bytes()
			if tile.Width == TileWidth {
				h, err := FullTileHash(part)
				if err != nil {
					t.Fatal(err)
				}
				up = append(up, h)
			}
		}
		if _, more := (Tile{Level: l, N: uint64((len(level) + TileWidth - 1) / TileWidth)}).In(uint64(size)); more {
			t.Errorf("a tree of %d entries has more tiles on level %d than its hashes fill", size, l)
		}
		level = up
	}
	return Checkpoint{Origin: "made", Size: uint64(size), Root: root}, files
}

func rootOfSlice(leaves []Hash) Hash {
	m := map[int]Hash{}
	for i, h := range leaves {
		m[i] = h
	}
	return rootOf(m, 0, len(leaves))
}

// C2SP tlog-tiles gives these sizes as examples.
func TestTilesOfASize(t *testing.T) {
	for size, want := range map[uint64]string{
		0:       "[]",
		1:       "[{0 0 1}]",
		255:     "[{0 0 255}]",
		256:     "[{0 0 256} {1 0 1}]",
		257:     "[{0 1 1} {1 0 1}]",
		70_000:  "[{0 273 112} {1 1 17} {2 0 1}]",
		1 << 62: "[{0 18014398509481983 256} {1 70368744177663 256} {2 274877906943 256} {3 1073741823 256} {4 4194303 256} {5 16383 256} {6 63 256} {7 0 64}]",
	} {
		if got := fmt.Sprint(TilesOf(size)); got != want {
			t.Errorf("tree of %d: tiles %s, want %s", size, got, want)
		}
	}
}

// Whatever tile of a log of several levels is changed or missing: nothing wrong is ever returned.
func TestTilesNeedNotBeTrusted(t *testing.T) {
	const size = 600
	c, files := made(t, size)
	open := func(broken string, how func([]byte) []byte) *Tree {
		tree, err := NewTree(c, func(tile Tile) ([]byte, error) {
			content, ok := files[tile.Path()]
			if !ok {
				return nil, fmt.Errorf("%s is not there", tile.Path())
			}
			if tile.Path() == broken {
				content = how(bytes.Clone(content))
			}
			return content, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return tree
	}
	sound := open("", nil)
	for _, i := range []uint64{0, 255, 256, 511, 512, 599} {
		p, err := sound.Inclusion(i)
		if err != nil {
			t.Fatal(err)
		}
		if err := Inclusion(c.Root, c.Size, i, LeafHash(fmt.Appendf(nil, "entry %d", i)), p); err != nil {
			t.Errorf("entry %d: %v", i, err)
		}
		if leaf, err := sound.Leaf(i); err != nil || leaf != LeafHash(fmt.Appendf(nil, "entry %d", i)) {
			t.Errorf("leaf %d: %v, %v", i, leaf, err)
		}
	}
	if len(files) != 3+3+1 {
		t.Fatalf("%d tiles", len(files))
	}
	for path := range files {
		for name, how := range map[string]func([]byte) []byte{
			"a bit turned": func(b []byte) []byte { b[len(b)/2] ^= 1; return b },
			"cut short":    func(b []byte) []byte { return b[:len(b)-1] },
			"empty":        func([]byte) []byte { return nil },
		} {
			tree := open(path, how)
			wrong := 0
			for n := range uint64(3) {
				entries, err := tree.Bundle(n)
				if err != nil {
					wrong++
				}
				for i, e := range entries {
					if want := fmt.Sprintf("entry %d", int(n)*TileWidth+i); string(e) != want {
						t.Errorf("%s, %s: entry %q, want %q", path, name, e, want)
					}
				}
			}
			if wrong == 0 {
				t.Errorf("%s, %s: nobody noticed", path, name)
			}
		}
	}
	if _, err := open("tile/0/000", func(b []byte) []byte { b[0] ^= 1; return b }).RootAt(100); err == nil {
		t.Error("a root was made of a changed tile")
	}
	for name, err := range map[string]error{
		"a root beyond":         second(sound.RootAt(size + 1)),
		"a leaf beyond":         second(sound.Leaf(size)),
		"a proof beyond":        second(sound.Inclusion(size)),
		"a bundle beyond":       second(sound.Bundle(3)),
		"consistency with none": second(sound.Consistency(0)),
		"consistency beyond":    second(sound.Consistency(size + 1)),
	} {
		if err == nil {
			t.Errorf("%s was given", name)
		}
	}
	if _, err := NewTree(Checkpoint{Root: Hash{1}}, nil); !errors.Is(err, ErrProof) {
		t.Errorf("an empty tree with a root: %v", err)
	}
}

func second[T any](_ T, err error) error { return err }

func TestBundlesHaveOneSpelling(t *testing.T) {
	if _, err := MarshalBundle(nil); err == nil {
		t.Error("no entries are a bundle")
	}
	if _, err := MarshalBundle([][]byte{make([]byte, 1<<16)}); err == nil {
		t.Error("an entry that its length cannot say was written")
	}
	if _, err := (Tile{Level: 0, Width: 1}).ParseBundle([]byte{0, 0}); err == nil {
		t.Error("a tile of hashes was read as entries")
	}
	if _, err := (Tile{Level: Entries, Width: 1}).ParseHashes(make([]byte, 32)); err == nil {
		t.Error("entries were read as hashes")
	}
}
