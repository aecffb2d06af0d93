package verify

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	cosign "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"
)

// The kinds of keys (C2SP signed-note, "Signature types").
const (
	keyEd25519       = 1 // signs the text of the note
	keyCosignEd25519 = 4 // signs the text with a time (C2SP tlog-cosignature)
	keyCosignMLDSA   = 6 // the same, holding out against quantum computers
)

// ParseKey reads a verifier key as C2SP signed-note writes it: name+id+key. It knows Ed25519 keys of logs,
// and Ed25519 and ML-DSA-44 keys that sign with a time, as witnesses do and logs may. The id must be that of the key.
func ParseKey(vkey string) (note.Verifier, error) {
	name, rest, _ := strings.Cut(vkey, "+")
	id, key64, found := strings.Cut(rest, "+")
	if !found || !validName(name) {
		return nil, errors.New("a key has the form name+id+key")
	}
	key, err := decode(key64)
	if err != nil || len(key) < 2 {
		return nil, fmt.Errorf("the key of %s is not whole", name)
	}
	sum := sha256.Sum256([]byte(name + "\n" + string(key)))
	if id != fmt.Sprintf("%08x", binary.BigEndian.Uint32(sum[:])) {
		return nil, fmt.Errorf("the id %s of the key of %s does not belong to it: a letter of it may be wrong", id, name)
	}
	var v note.Verifier
	switch key[0] {
	case keyEd25519:
		v, err = note.NewVerifier(vkey)
	case keyCosignEd25519, keyCosignMLDSA:
		v, err = cosign.NewVerifierForCosignatureV1(vkey)
	default:
		return nil, fmt.Errorf("the key of %s is of a kind this program does not know (%d)", name, key[0])
	}
	if err != nil {
		return nil, fmt.Errorf("the key of %s is not whole", name)
	}
	return timed{v, key[0] != keyEd25519}, nil
}

// ParseKeys reads keys, one on each line; empty lines and those that begin with # are left out.
func ParseKeys(text string) ([]note.Verifier, error) {
	var keys []note.Verifier
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		key, err := ParseKey(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// timed is a key that knows whether its signatures carry a time.
type timed struct {
	note.Verifier
	time bool
}

// A Signature is one that held.
type Signature struct {
	Name string    `json:"name"`
	Key  string    `json:"key"`         // id of the key, eight hexadecimal digits
	At   time.Time `json:"at,omitzero"` // when it says it signed; zero where signatures of this kind carry no time
}

// signatureOf describes a verified signature of a note.
func signatureOf(s note.Signature, by note.Verifier) Signature {
	out := Signature{Name: s.Name, Key: fmt.Sprintf("%08x", s.Hash)}
	if t, ok := by.(timed); ok && t.time {
		raw, err := base64.StdEncoding.DecodeString(s.Base64)
		if at := uint64(0); err == nil && len(raw) >= 12 {
			if at = binary.BigEndian.Uint64(raw[4:]); at < 1<<40 {
				out.At = time.Unix(int64(at), 0).UTC()
			}
		}
	}
	return out
}

// validName reports whether a key may have this name (C2SP signed-note).
func validName(name string) bool {
	return name != "" && utf8.ValidString(name) && !strings.ContainsFunc(name, func(r rune) bool { return r == '+' || unicode.IsSpace(r) || unicode.IsControl(r) })
}

// parseNumber reads a decimal number in its one spelling, below 2^63.
func parseNumber(s string) (uint64, error) {
	n, err := strconv.ParseUint(s, 10, 63)
	if err != nil || strconv.FormatUint(n, 10) != s {
		return 0, errors.New("not a plain decimal number")
	}
	return n, nil
}
