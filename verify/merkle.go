package verify

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"math/bits"
)

// Hash is a SHA-256 hash in a Merkle tree.
type Hash [sha256.Size]byte

// String returns the hash in standard base64, as checkpoints and proofs write it.
func (h Hash) String() string { return encode(h[:]) }

// MarshalText and UnmarshalText let a hash stand in JSON as it stands in a checkpoint.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText is the way back.
func (h *Hash) UnmarshalText(text []byte) (err error) {
	*h, err = ParseHash(string(text))
	return err
}

// ParseHash reads a hash in standard base64. There is one spelling of each hash: anything else is refused.
func ParseHash(s string) (Hash, error) {
	b, err := decode(s)
	if err != nil || len(b) != len(Hash{}) {
		return Hash{}, errors.New("not a SHA-256 hash in base64")
	}
	return Hash(b), nil
}

func encode(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// decode reads base64 in its one spelling: no line breaks, no stray bits.
func decode(s string) ([]byte, error) {
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil || encode(b) != s {
		return nil, errors.New("not standard base64")
	}
	return b, nil
}

// LeafHash returns the hash of a leaf (RFC 6962, section 2.1).
func LeafHash(leaf []byte) Hash {
	h := sha256.New()
	h.Write([]byte{0})
	h.Write(leaf)
	return Hash(h.Sum(nil))
}

// NodeHash returns the hash of a node over its two children (RFC 6962, section 2.1).
func NodeHash(left, right Hash) Hash {
	var b [1 + 2*sha256.Size]byte
	b[0] = 1
	copy(b[1:], left[:])
	copy(b[1+sha256.Size:], right[:])
	return sha256.Sum256(b[:])
}

// EmptyRoot is the root of a tree without leaves: the hash of nothing.
func EmptyRoot() Hash { return sha256.Sum256(nil) }

// ErrProof is the reason of every proof that does not prove what it says.
var ErrProof = errors.New("the proof does not hold")

// Inclusion checks that leaf stands at index in the tree of size leaves whose root is root
// (RFC 9162, section 2.1.3.2).
func Inclusion(root Hash, size, index uint64, leaf Hash, proof []Hash) error {
	if index >= size {
		return fmt.Errorf("%w: entry %d is not in a tree of %d entries", ErrProof, index, size)
	}
	fn, sn := index, size-1
	r := leaf
	for _, p := range proof {
		if sn == 0 {
			return fmt.Errorf("%w: it is too long", ErrProof)
		}
		if fn&1 == 1 || fn == sn {
			r = NodeHash(p, r)
			for fn&1 == 0 && fn != 0 {
				fn, sn = fn>>1, sn>>1
			}
		} else {
			r = NodeHash(r, p)
		}
		fn, sn = fn>>1, sn>>1
	}
	if sn != 0 {
		return fmt.Errorf("%w: it is too short", ErrProof)
	}
	if r != root {
		return fmt.Errorf("%w: it leads to another root", ErrProof)
	}
	return nil
}

// Consistency checks that the tree of size2 leaves with root2 begins with the tree of size1 leaves with root1:
// nothing that stood in the first was changed or left out (RFC 9162, section 2.1.4.2). Size1 is at least 1, since
// every tree begins with the empty one.
func Consistency(root1 Hash, size1 uint64, root2 Hash, size2 uint64, proof []Hash) error {
	if size1 == 0 {
		return fmt.Errorf("%w: a tree of no entries proves nothing", ErrProof)
	}
	if size1 == size2 && len(proof) == 0 && root1 != root2 {
		return fmt.Errorf("%w: two roots for one size", ErrProof)
	}
	return SubtreeConsistency(root1, 0, size1, root2, size2, proof)
}

// SubtreeInclusion checks that leaf stands at index in the subtree [start, end) whose hash is root
// (draft-ietf-plants-merkle-tree-certs-02, section 4.3).
func SubtreeInclusion(root Hash, start, end, index uint64, leaf Hash, proof []Hash) error {
	if err := checkSubtree(start, end); err != nil {
		return err
	}
	if index < start || index >= end {
		return fmt.Errorf("%w: entry %d is not in [%d, %d)", ErrProof, index, start, end)
	}
	return Inclusion(root, end-start, index-start, leaf, proof)
}

// SubtreeConsistency checks that the subtree [start, end) with hash node is part of the tree of size leaves with
// the given root (draft-ietf-plants-merkle-tree-certs-02, section 4.4).
func SubtreeConsistency(node Hash, start, end uint64, root Hash, size uint64, proof []Hash) error {
	if start == end && end <= size && node == EmptyRoot() && len(proof) == 0 {
		return nil // nothing is part of everything
	}
	if err := checkSubtree(start, end); err != nil {
		return err
	}
	if end > size {
		return fmt.Errorf("%w: [%d, %d) reaches beyond a tree of %d entries", ErrProof, start, end, size)
	}
	fn, sn, tn := start, end-1, size-1
	shift := func() { fn, sn, tn = fn>>1, sn>>1, tn>>1 }
	for fn != sn && (sn == tn || sn&1 == 1) {
		shift()
	}
	fr, sr := node, node
	if fn != sn {
		if len(proof) == 0 {
			return fmt.Errorf("%w: it is empty", ErrProof)
		}
		fr, sr = proof[0], proof[0]
		proof = proof[1:]
	}
	for _, p := range proof {
		if tn == 0 {
			return fmt.Errorf("%w: it is too long", ErrProof)
		}
		if sn&1 == 1 || sn == tn {
			if fn < sn {
				fr = NodeHash(p, fr)
			}
			sr = NodeHash(p, sr)
			for sn&1 == 0 && sn != 0 {
				shift()
			}
		} else {
			sr = NodeHash(sr, p)
		}
		shift()
	}
	if tn != 0 {
		return fmt.Errorf("%w: it is too short", ErrProof)
	}
	if fr != node || sr != root {
		return fmt.Errorf("%w: it leads to another root", ErrProof)
	}
	return nil
}

// checkSubtree reports whether [start, end) is a subtree: not empty, and beginning at a multiple of the smallest
// power of two that holds it.
func checkSubtree(start, end uint64) error {
	if start >= end {
		return fmt.Errorf("%w: [%d, %d) holds nothing", ErrProof, start, end)
	}
	if start&(1<<bits.Len64(end-start-1)-1) != 0 { // a shift by 64 leaves nothing, so the mask is then all ones
		return fmt.Errorf("%w: no subtree begins at %d and ends at %d", ErrProof, start, end)
	}
	return nil
}
