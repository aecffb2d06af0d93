package verify

import (
	"bytes"
	"fmt"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"plumbline/internal/testing/data"
)

// The key of the log that transparency-dev/tessera publishes for tests of other implementations.
const testLogKey = "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"

func TestPublishedLog(t *testing.T) {
	checkpoints, leaves := map[int][]byte{}, map[int]Hash{}
	eachFile(t, data.File(t, "vectors/tessera_static_log.tar.gz"), func(name string, content []byte) {
		var n int
		if _, err := fmt.Sscanf(name, "log/checkpoint.%d", &n); err == nil {
			checkpoints[n] = content
		}
		if name == "log/tile/entries/000.p/15" {
			for i := 0; len(content) > 0; i++ {
				length := int(content[0])<<8 | int(content[1])
				leaves[i] = LeafHash(content[2 : 2+length])
				content = content[2+length:]
			}
		}
	})
	if len(checkpoints) != 16 || len(leaves) != 15 {
		t.Fatalf("%d checkpoints and %d entries, want 16 and 15", len(checkpoints), len(leaves))
	}
	key, err := note.NewVerifier(testLogKey)
	if err != nil {
		t.Fatal(err)
	}
	for n, signed := range checkpoints {
		c, _, err := OpenCheckpoint(signed, key)
		if err != nil {
			t.Errorf("checkpoint %d: %v", n, err)
			continue
		}
		if want := rootOf(leaves, 0, n); c.Size != uint64(n) || c.Root != want {
			t.Errorf("checkpoint %d: size %d, root %v, want %v", n, c.Size, c.Root, want)
		}
		broken := bytes.Replace(signed, []byte("\n"+fmt.Sprint(n)+"\n"), []byte("\n"+fmt.Sprint(n+1)+"\n"), 1)
		if _, _, err := OpenCheckpoint(broken, key); err == nil {
			t.Errorf("checkpoint %d: accepted with another size", n)
		}
		for i := 0; i < n; i++ {
			p := Proof{Index: uint64(i), Path: pathOf(leaves, i, 0, n), Checkpoint: signed}
			again, err := ParseProof(p.Marshal())
			if err != nil {
				t.Fatalf("proof of %d in %d: %v", i, n, err)
			}
			if _, _, err := again.Check(leaves[i], key); err != nil {
				t.Errorf("proof of %d in %d: %v", i, n, err)
			}
			if _, _, err := again.Check(leaves[(i+1)%15], key); err == nil {
				t.Errorf("proof of %d in %d holds for another entry", i, n)
			}
		}
	}
}

// rootOf and pathOf are RFC 6962, section 2.1, word by word: slow, and plainly right.
func rootOf(leaves map[int]Hash, from, to int) Hash {
	switch to - from {
	case 0:
		return EmptyRoot()
	case 1:
		return leaves[from]
	}
	k := split(to - from)
	return NodeHash(rootOf(leaves, from, from+k), rootOf(leaves, from+k, to))
}

func pathOf(leaves map[int]Hash, i, from, to int) []Hash {
	if to-from == 1 {
		return nil
	}
	k := split(to - from)
	if i < from+k {
		return append(pathOf(leaves, i, from, from+k), rootOf(leaves, from+k, to))
	}
	return append(pathOf(leaves, i, from+k, to), rootOf(leaves, from, from+k))
}

func split(n int) int {
	k := 1
	for k*2 < n {
		k *= 2
	}
	return k
}
