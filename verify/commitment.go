package verify

import (
	"crypto/sha256"
	"encoding/binary"
)

// A Secret belongs to one entry: 32 random bytes without which its commitment says nothing. Whoever holds it can open
// the entry to others; when it is destroyed, the entry can never be guessed from the log.
type Secret [32]byte

// Salt is what hides one half of a commitment: of the step, or of the whole entry. Both follow from the entry's secret,
// and one does not give the other away.
type Salt [32]byte

const (
	stepSaltTag  = "plumbline step salt v1\n"
	wholeSaltTag = "plumbline entry salt v1\n"
	stepTag      = "plumbline step v1\n"
	wholeTag     = "plumbline entry v1\n"
	leafTag      = "plumbline leaf v1\n"
)

// StepSalt returns the salt of the half that says which step was taken.
func (s Secret) StepSalt() Salt { return Salt(hash(stepSaltTag, s[:])) }

// WholeSalt returns the salt of the half that holds the exact bytes of the entry.
func (s Secret) WholeSalt() Salt { return Salt(hash(wholeSaltTag, s[:])) }

// CommitStep commits to the text of a step (Step.Text).
func CommitStep(salt Salt, text string) Hash { return hash(stepTag, salt[:], []byte(text)) }

// CommitWhole commits to the exact bytes of an entry.
func CommitWhole(salt Salt, entry []byte) Hash { return hash(wholeTag, salt[:], entry) }

// Commitment joins the two halves: it is what the log holds of an entry as its leaf. The hash in the tree is
// LeafHash of it. Each half can be opened without the other.
func Commitment(step, whole Hash) Hash { return hash(leafTag, step[:], whole[:]) }

func hash(tag string, parts ...[]byte) Hash {
	h := sha256.New()
	h.Write([]byte(tag))
	for _, p := range parts {
		h.Write(p)
	}
	return Hash(h.Sum(nil))
}

const sealedTag = "plumbline sealed v1\n"

// CommitSealed commits to what an entry seals in one of its compartments, byte for byte as it was before it was encrypted.
// Beside the ciphertext the entry holds this, so that a receipt can show what was written to whoever is given the salt,
// and a short text cannot be guessed from it.
func CommitSealed(salt Salt, content []byte) Hash { return hash(sealedTag, salt[:], content) }

const fileTag = "plumbline file v1\n"

// CommitFile commits to a file: to its hash and its length in bytes. An entry that attaches a file holds this, so that a
// receipt of the entry fixes the file for whoever has the salt, and says nothing of it to anybody else.
func CommitFile(salt Salt, sha256 Hash, size int64) Hash {
	return hash(fileTag, salt[:], sha256[:], binary.BigEndian.AppendUint64(nil, uint64(size)))
}
