package verify

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"plumbline/internal/testing/data"
)

// The proof vectors of transparency-dev/merkle, which other implementations of RFC 6962 are tested with as well.
func TestPublishedProofs(t *testing.T) {
	count := map[string]int{}
	eachFile(t, data.File(t, "vectors/merkle_rfc6962_proofs.tar.gz"), func(name string, content []byte) {
		if !strings.HasSuffix(name, ".json") {
			return
		}
		var c struct {
			LeafIdx, TreeSize, Start, End, Size, Size1, Size2 uint64
			Root, Root1, Root2, LeafHash                      []byte
			Proof                                             [][]byte
			Desc                                              string
			WantErr                                           bool
		}
		if err := json.Unmarshal(content, &c); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		what, _, _ := strings.Cut(name, "/")
		count[what]++
		proof := make([]Hash, len(c.Proof))
		for i, p := range c.Proof {
			proof[i] = asHash(p)
		}
		root, root1, root2, leaf := asHash(c.Root), asHash(c.Root1), asHash(c.Root2), asHash(c.LeafHash)
		err := func() error {
			if strings.HasSuffix(what, "inclusion") && (len(c.LeafHash) != len(leaf) || len(c.Root) != len(root)) {
				return errors.New("not hashes: ParseHash lets none of these in")
			}
			switch what {
			case "inclusion":
				return Inclusion(root, c.TreeSize, c.LeafIdx, leaf, proof)
			case "consistency":
				return Consistency(root1, c.Size1, root2, c.Size2, proof)
			case "subtreeinclusion":
				return SubtreeInclusion(root, c.Start, c.End, c.LeafIdx, leaf, proof)
			case "subtreeconsistency":
				return SubtreeConsistency(root1, c.Start, c.End, root2, c.Size, proof)
			}
			t.Fatalf("%s: what is this?", name)
			return nil
		}()
		if (err != nil) != c.WantErr {
			t.Errorf("%s (%s): error %v, want error %v", name, c.Desc, err, c.WantErr)
		}
	})
	total := 0
	for _, n := range count {
		total += n
	}
	if total != 518 {
		t.Errorf("%d cases (%v), want 518", total, count)
	}
}

// asHash stands in for roots and nodes of other lengths, which some cases have and our type does not allow: equal
// bytes give equal hashes, different ones different hashes, and that is all a proof looks at.
func asHash(b []byte) Hash {
	if len(b) == len(Hash{}) {
		return Hash(b)
	}
	return sha256.Sum256(b)
}

func eachFile(t *testing.T, path string, f func(name string, content []byte)) {
	t.Helper()
	in, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	unzipped, err := gzip.NewReader(in)
	if err != nil {
		t.Fatalf("%s: %v", filepath.Base(path), err)
	}
	for archive := tar.NewReader(unzipped); ; {
		header, err := archive.Next()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatalf("%s: %v", filepath.Base(path), err)
		}
		content, err := io.ReadAll(archive)
		if err != nil {
			t.Fatalf("%s: %v", header.Name, err)
		}
		f(header.Name, content)
	}
}
