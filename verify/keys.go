package verify

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// Keys is what a log publishes of its keys (GET /log/keys): those that sign now, and for each time the key was
// replaced the proof that the key before agreed to it.
//
// As text it is a line "plumbline log keys v1", the verifier keys that sign now, one on each line, an empty line, and
// then for each rotation, the oldest first, a line "rotation N" and N bytes: a receipt (see Receipt) whose entry is
// opened whole. That entry stands on the stream office/log, its action is log.rotate, its fields name the log
// (origin), the keys before (old) and the keys from then on (keys), and the checkpoint of the receipt
// is signed by one of the keys before. Follow is the rule by which a checker goes from a key it knows to those of today.
type Keys struct {
	Current   []string
	Rotations []Receipt
}

const (
	keysHeader = "plumbline log keys v1"

	// KeyStream is the stream of the journal that records the keys of the log.
	KeyStream = "office/log"
	// ActionRotate is the action of the entry by which a log hands over from one key to the next.
	ActionRotate = "log.rotate"

	maxKeys      = 64
	maxRotations = 1000
	maxKeysText  = 1 << 26
)

// Marshal returns the text.
func (k Keys) Marshal() ([]byte, error) {
	var b bytes.Buffer
	b.WriteString(keysHeader + "\n")
	for _, v := range k.Current {
		b.WriteString(v + "\n")
	}
	b.WriteByte('\n')
	for _, r := range k.Rotations {
		text, err := r.Marshal()
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "rotation %d\n", len(text))
		b.Write(text)
	}
	return b.Bytes(), nil
}

// ParseLogKeys reads what Marshal wrote. It is strict, and checks nothing but the form: see Follow.
func ParseLogKeys(text []byte) (Keys, error) {
	var k Keys
	if len(text) > maxKeysText {
		return k, errors.New("keys: too long")
	}
	head, rest, found := bytes.Cut(text, []byte("\n\n"))
	lines := strings.Split(string(head), "\n")
	if !found || lines[0] != keysHeader {
		return k, fmt.Errorf("keys: does not begin with %q, keys, and an empty line", keysHeader)
	}
	if len(lines) < 2 || len(lines) > 1+maxKeys {
		return k, errors.New("keys: no key, or too many")
	}
	for i, line := range lines[1:] {
		if _, err := ParseKey(line); err != nil {
			return k, fmt.Errorf("keys: line %d: %w", i+2, err)
		}
		k.Current = append(k.Current, line)
	}
	for len(rest) > 0 {
		line, body, found := bytes.Cut(rest, []byte("\n"))
		number, ok := strings.CutPrefix(string(line), "rotation ")
		n, err := strconv.Atoi(number)
		if !found || !ok || err != nil || n < 0 || n > len(body) || strconv.Itoa(n) != number || len(k.Rotations) == maxRotations {
			return k, fmt.Errorf("keys: rotation %d does not begin with its length, or is not whole", len(k.Rotations)+1)
		}
		r, err := ParseReceipt(body[:n])
		if err != nil {
			return k, fmt.Errorf("keys: rotation %d: %w", len(k.Rotations)+1, err)
		}
		k.Rotations = append(k.Rotations, r)
		rest = body[n:]
	}
	return k, nil
}

// A Rotation is what the entry says by which a log hands over to another key.
type Rotation struct {
	Origin string
	Old    []string // verifier keys before
	Keys   []string // and from then on
}

// ParseRotation reads the exact bytes of such an entry.
func ParseRotation(entry []byte) (Rotation, error) {
	var e struct {
		Stream string `json:"stream"`
		Action string `json:"action"`
		Fields struct {
			Origin string   `json:"origin"`
			Old    []string `json:"old"`
			Keys   []string `json:"keys"`
		} `json:"fields"`
	}
	if err := json.Unmarshal(entry, &e); err != nil {
		return Rotation{}, fmt.Errorf("rotation: %w", err)
	}
	if e.Stream != KeyStream || e.Action != ActionRotate {
		return Rotation{}, fmt.Errorf("rotation: the entry is %s on %s", e.Action, e.Stream)
	}
	return Rotation(e.Fields), nil
}

// Follow returns the keys that whoever trusts known may trust from now on, known itself among them, the newest last.
// Every rotation that a trusted key signed, and that names a trusted key as the one before, adds the keys it names.
// Where no such chain leads to an Ed25519 key that signs now, the error says so, and the keys it does lead to are
// returned all the same.
func (k Keys) Follow(known note.Verifier) ([]note.Verifier, error) {
	trusted := []note.Verifier{known}
	for i, r := range k.Rotations {
		res, err := r.Check(Trust{Logs: trusted})
		if err != nil || res.Origin != known.Name() || res.Entry.Whole == nil {
			continue // of a time before the key we know, or nothing to us
		}
		handed, err := ParseRotation(res.Entry.Whole)
		if err != nil || handed.Origin != known.Name() || !slices.ContainsFunc(handed.Old, func(v string) bool { return among(trusted, v) }) {
			continue
		}
		for _, v := range handed.Keys {
			next, err := ParseKey(v)
			if err != nil || next.Name() != known.Name() {
				return trusted, fmt.Errorf("rotation %d hands over to a key that is none of this log", i+1)
			}
			if !among(trusted, v) {
				trusted = append(trusted, next)
			}
		}
	}
	for _, v := range k.Current {
		if among(trusted, v) {
			return trusted, nil
		}
	}
	return trusted, fmt.Errorf("no key that %s signs with now is the one you know, or was handed over to by it", known.Name())
}

// among tells whether a verifier key is one of those given, by its name and id.
func among(keys []note.Verifier, vkey string) bool {
	v, err := ParseKey(vkey)
	return err == nil && slices.ContainsFunc(keys, func(k note.Verifier) bool { return k.Name() == v.Name() && k.KeyHash() == v.KeyHash() })
}
