// Package ref gives the things Plumbline speaks of their own types, so that one is never taken for another.
// Values are parsed once, at the rim, and trusted from there on. It imports nothing of ours.
package ref

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"strconv"
	"strings"
	"unicode"
)

// IDs are 63-bit numbers, unique in a database, given out by store.DB.NewID. Zero means "none".
type (
	MatterID   int64
	BodyID     int64
	OfficialID int64
	PostID     int64
	AccountID  int64
)

func (id MatterID) String() string   { return strconv.FormatInt(int64(id), 10) }
func (id BodyID) String() string     { return strconv.FormatInt(int64(id), 10) }
func (id OfficialID) String() string { return strconv.FormatInt(int64(id), 10) }
func (id PostID) String() string     { return strconv.FormatInt(int64(id), 10) }
func (id AccountID) String() string  { return strconv.FormatInt(int64(id), 10) }

// Stream returns the journal stream of each thing.
func (id MatterID) Stream() string   { return "matter/" + id.String() }
func (id BodyID) Stream() string     { return "body/" + id.String() }
func (id OfficialID) Stream() string { return "official/" + id.String() }
func (id AccountID) Stream() string  { return "account/" + id.String() }

// ErrMalformed is returned by every parser here. The text itself is not repeated: it may be a secret.
var ErrMalformed = errors.New("malformed")

// alphabet is Crockford's base 32: no I, L, O or U, so that a code survives being read aloud or written by hand.
const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// A Reference is how people name a matter: "R-4KX7M-2QHJ8". Prefix of the kind, nine random characters (45 bits,
// so that it tells nothing about how many matters there are) and a check character.
type Reference string

// NewReference returns a fresh reference from the system's random source.
func NewReference(prefix string) Reference {
	var b [8]byte
	if _, err := rand.Read(b[:]); err != nil {
		panic(err) // crypto/rand never fails on the systems we run on
	}
	return makeReference(prefix, binary.BigEndian.Uint64(b[:]))
}

// ReferenceFor returns the reference that belongs to a stable key, such as a source's own number, so that importing
// the same data into two databases gives the same references.
func ReferenceFor(prefix, key string) Reference {
	sum := sha256.Sum256([]byte("plumbline reference\x00" + key))
	return makeReference(prefix, binary.BigEndian.Uint64(sum[:8]))
}

func makeReference(prefix string, n uint64) Reference {
	body := encode(n&(1<<45-1), 9)
	body += string(check(prefix + body))
	return Reference(prefix + "-" + body[:5] + "-" + body[5:])
}

// ParseReference reads a reference as people type it: any case, spaces or dashes or none, O for 0 and I or L for 1.
func ParseReference(s string) (Reference, error) {
	clean := normalise(s)
	if len(clean) < 11 || len(clean) > 14 {
		return "", ErrMalformed
	}
	cut := len(clean) - 10
	prefix, body := clean[:cut], readAlike.Replace(clean[cut:])
	for _, c := range prefix {
		if c < 'A' || c > 'Z' {
			return "", ErrMalformed
		}
	}
	if !inAlphabet(body) || check(prefix+body[:9]) != body[9] {
		return "", ErrMalformed
	}
	return Reference(prefix + "-" + body[:5] + "-" + body[5:]), nil
}

// A ReceiptCode is the reporter's key to a report: 100 random bits as 20 characters and a check character, written
// in groups of seven. Whoever holds it can read and answer; the office keeps only its hash.
type ReceiptCode string

// CodeLength is how many characters a receipt code has, without what stands between its groups.
const CodeLength = 21

// NewReceiptCode returns a fresh code from the system's random source.
func NewReceiptCode() ReceiptCode {
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		panic(err) // as above
	}
	return makeReceiptCode(b)
}

// ReceiptCodeFor returns the code that belongs to a secret: the same secret always gives the same code, and the code
// tells nothing about the secret. It is as hard to guess as the secret is.
func ReceiptCodeFor(secret []byte) ReceiptCode {
	sum := sha256.Sum256(append([]byte("plumbline receipt for\x00"), secret...))
	return makeReceiptCode([16]byte(sum[:16]))
}

func makeReceiptCode(b [16]byte) ReceiptCode {
	hi, lo := binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
	body := encode(hi&(1<<50-1), 10) + encode(lo&(1<<50-1), 10)
	return group(body + string(guard(body)))
}

// Groups are the parts in which a code is shown and read aloud.
func (c ReceiptCode) Groups() []string { return strings.Split(string(c), "-") }

// ParseReceiptCode reads a code as people type it.
func ParseReceiptCode(s string) (ReceiptCode, error) {
	clean := readAlike.Replace(normalise(s))
	if len(clean) != CodeLength || !inAlphabet(clean) || guard(clean[:20]) != clean[20] {
		return "", ErrMalformed
	}
	return group(clean), nil
}

// Typed is what was typed for a code without what does not count, for saying what is the matter with it.
func Typed(s string) string { return readAlike.Replace(normalise(s)) }

// Hash is what the office keeps of a code. The code has 100 random bits, so a plain hash cannot be searched.
func (c ReceiptCode) Hash() []byte {
	sum := sha256.Sum256([]byte("plumbline receipt code\x00" + strings.ReplaceAll(string(c), "-", "")))
	return sum[:]
}

func group(s string) ReceiptCode { return ReceiptCode(s[:7] + "-" + s[7:14] + "-" + s[14:]) }

var readAlike = strings.NewReplacer("O", "0", "I", "1", "L", "1")

// normalise takes away what people put between the characters of a code (spaces and dashes of every script), and makes of
// the wide letters and digits that a Chinese or Japanese keyboard gives the usual ones.
func normalise(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '\uff01' && r <= '\uff5e' {
			r -= '\uff01' - '!'
		}
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case unicode.IsSpace(r), unicode.Is(unicode.Pd, r), unicode.Is(unicode.Cf, r), r == '\u2212':
			return -1
		}
		return r
	}, s)
}

func encode(n uint64, length int) string {
	out := make([]byte, length)
	for i := length - 1; i >= 0; i-- {
		out[i] = alphabet[n&31]
		n >>= 5
	}
	return string(out)
}

func inAlphabet(s string) bool {
	for i := 0; i < len(s); i++ {
		if strings.IndexByte(alphabet, s[i]) < 0 {
			return false
		}
	}
	return true
}

// guard returns the check character of a receipt code: the value that makes the sum of all characters, each weighted with
// another power of one element, zero in the field of 32 elements. It finds every single wrong character, and every two
// characters that changed places, wherever they stand; of other mistakes it misses one in 32.
func guard(s string) byte {
	sum := 0
	for i := 0; i < len(s); i++ {
		sum = times2(sum ^ strings.IndexByte(alphabet, s[i]))
	}
	return alphabet[sum]
}

// times2 multiplies by x in the field of 32 elements, modulo x⁵+x²+1; the powers of x are all 31 that are not zero.
func times2(v int) int {
	v <<= 1
	if v >= 32 {
		v ^= 0b100101
	}
	return v
}

// check returns the Luhn mod N check character (ISO/IEC 7812-1, annex B, generalised) over s: it finds every single
// wrong character and nearly every swap of two neighbours. Letters outside the alphabet, which only a prefix can
// hold, count by their position in A-Z.
func check(s string) byte {
	const n = 32
	sum, factor := 0, 2
	for i := len(s) - 1; i >= 0; i-- {
		v := strings.IndexByte(alphabet, s[i])
		if v < 0 {
			v = int(s[i]) % n
		}
		v *= factor
		sum += v/n + v%n
		factor = 3 - factor
	}
	return alphabet[(n-sum%n)%n]
}
