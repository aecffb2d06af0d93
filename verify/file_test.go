package verify

import (
	"crypto/sha256"
	"testing"
)

// The commitment to a file, written out by hand as the format says: other programs compute the same.
func TestCommitFile(t *testing.T) {
	var salt Salt
	for i := range salt {
		salt[i] = byte(i)
	}
	file := []byte("a file\n")
	sum := sha256.Sum256(file)
	byHand := append([]byte("plumbline file v1\n"), salt[:]...)
	byHand = append(byHand, sum[:]...)
	byHand = append(byHand, 0, 0, 0, 0, 0, 0, 0, 7)
	want := sha256.Sum256(byHand)
	got := CommitFile(salt, sum, int64(len(file)))
	if got != want {
		t.Errorf("got %x, want %x", got, want)
	}
	other := salt
	other[31]++
	for _, c := range []Hash{CommitFile(other, sum, 7), CommitFile(salt, sha256.Sum256([]byte("a filf\n")), 7), CommitFile(salt, sum, 8)} {
		if c == got {
			t.Error("another file, salt or size has the same commitment")
		}
	}
}
