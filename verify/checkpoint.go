package verify

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/note"
)

// A Checkpoint is the head of a log: its name, how many entries it holds, and the root over them
// (C2SP tlog-checkpoint).
type Checkpoint struct {
	Origin     string
	Size       uint64
	Root       Hash
	Extensions []string // further lines, opaque to us
}

// Text returns the checkpoint as it is signed.
func (c Checkpoint) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%d\n%s\n", c.Origin, c.Size, c.Root)
	for _, e := range c.Extensions {
		b.WriteString(e + "\n")
	}
	return b.String()
}

// ParseCheckpoint reads the text of a checkpoint, without its signatures. It is strict: what parses has one
// spelling, the one Text gives.
func ParseCheckpoint(text string) (Checkpoint, error) {
	var c Checkpoint
	body, ended := strings.CutSuffix(text, "\n")
	lines := strings.Split(body, "\n")
	if !ended || len(lines) < 3 {
		return c, errors.New("checkpoint: needs three lines, each ended: origin, size, root")
	}
	if !plainText(text) {
		return c, errors.New("checkpoint: holds characters that no text has")
	}
	for _, line := range lines {
		if line == "" {
			return c, errors.New("checkpoint: has an empty line")
		}
	}
	size, err := parseNumber(lines[1])
	if err != nil {
		return c, fmt.Errorf("checkpoint: size: %w", err)
	}
	root, err := ParseHash(lines[2])
	if err != nil {
		return c, fmt.Errorf("checkpoint: root: %w", err)
	}
	c = Checkpoint{Origin: lines[0], Size: size, Root: root}
	if len(lines) > 3 {
		c.Extensions = lines[3:]
	}
	return c, nil
}

// plainText reports whether s is UTF-8 whose only control character is the end of a line.
func plainText(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r != '\n' && unicode.IsControl(r) })
}

// maxNote bounds what we read of a signed checkpoint: room for a policy of many post-quantum witnesses.
const maxNote = 1 << 18

// OpenCheckpoint reads a signed checkpoint and checks it: the origin must be the log's own name and at least one
// signature by the log's key must hold. A wrong signature by a known key refuses the whole (C2SP signed-note).
// The note returned carries the verified signatures, those of the known witnesses among them.
func OpenCheckpoint(signed []byte, log note.Verifier, witnesses ...note.Verifier) (Checkpoint, *note.Note, error) {
	return OpenCheckpointBy(signed, []note.Verifier{log}, witnesses)
}

// OpenCheckpointBy is OpenCheckpoint where the log has several keys, or the checkpoint may be of one of several logs:
// one of the keys that bear the name of its origin must have signed. What is wrong is said as a *Flaw.
func OpenCheckpointBy(signed []byte, logs, witnesses []note.Verifier) (Checkpoint, *note.Note, error) {
	c, _, err := ReadCheckpoint(signed)
	if err != nil {
		return c, nil, err
	}
	var own []note.Verifier
	for _, key := range logs {
		if key.Name() == c.Origin {
			own = append(own, key)
		}
	}
	if len(own) == 0 {
		return Checkpoint{}, nil, &Flaw{Code: FlawUnknownLog, Detail: c.Origin}
	}
	n, err := note.Open(signed, known(append(own[:len(own):len(own)], witnesses...)))
	var unverified *note.UnverifiedNoteError
	var invalid *note.InvalidSignatureError
	switch {
	case errors.As(err, &unverified):
		return Checkpoint{}, nil, &Flaw{Code: FlawUnsigned, Detail: c.Origin, cause: err}
	case errors.As(err, &invalid):
		return Checkpoint{}, nil, &Flaw{Code: FlawSignature, Detail: fmt.Sprintf("by %s, key %08x", invalid.Name, invalid.Hash), cause: err}
	case err != nil:
		return Checkpoint{}, nil, &Flaw{Code: FlawSpelling, Detail: "checkpoint: " + err.Error(), cause: err}
	}
	for _, s := range n.Sigs {
		if verifier(own, s) != nil {
			return c, n, nil
		}
	}
	return Checkpoint{}, nil, &Flaw{Code: FlawUnsigned, Detail: c.Origin}
}

// ReadCheckpoint reads a signed checkpoint without checking who signed it: for showing one that is the program's own, or
// that is said to be unchecked. It names those who claim to have signed.
func ReadCheckpoint(signed []byte) (Checkpoint, []string, error) {
	if len(signed) > maxNote {
		return Checkpoint{}, nil, &Flaw{Code: FlawTooLong, Detail: fmt.Sprintf("a checkpoint of more than %d bytes", maxNote)}
	}
	text, err := noteText(signed)
	if err != nil {
		return Checkpoint{}, nil, &Flaw{Code: FlawSpelling, Detail: "checkpoint: " + err.Error(), cause: err}
	}
	c, err := ParseCheckpoint(text)
	if err != nil {
		return Checkpoint{}, nil, &Flaw{Code: FlawSpelling, Detail: err.Error(), cause: err}
	}
	var names []string
	for line := range strings.Lines(string(signed[len(text)+1:])) {
		name, _, _ := strings.Cut(strings.TrimPrefix(line, "— "), " ")
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return c, names, nil
}

// known is a list of keys for note.Open, in which one key may stand twice.
func known(keys []note.Verifier) note.Verifiers {
	var once []note.Verifier
	seen := map[string]bool{}
	for _, k := range keys {
		id := fmt.Sprintf("%s+%08x", k.Name(), k.KeyHash())
		if !seen[id] {
			seen[id] = true
			once = append(once, k)
		}
	}
	return note.VerifierList(once...)
}

func verifier(keys []note.Verifier, s note.Signature) note.Verifier {
	for _, k := range keys {
		if k.Name() == s.Name && k.KeyHash() == s.Hash {
			return k
		}
	}
	return nil
}

// noteText splits a signed note and returns its text. It holds the signature lines to their one spelling, which
// package note does not.
func noteText(signed []byte) (string, error) {
	s := string(signed)
	if !plainText(s) {
		return "", errors.New("holds characters that no text has")
	}
	cut := strings.LastIndex(s, "\n\n")
	if cut < 0 || !strings.HasSuffix(s, "\n") || cut+2 == len(s) {
		return "", errors.New("has no signature after an empty line")
	}
	lines := strings.Split(s[cut+2:len(s)-1], "\n")
	if len(lines) > maxSignatures {
		return "", fmt.Errorf("has more than %d signatures", maxSignatures)
	}
	for _, line := range lines {
		rest, ok := strings.CutPrefix(line, "— ")
		name, sig64, _ := strings.Cut(rest, " ")
		sig, err := decode(sig64)
		if !ok || err != nil || !validName(name) || len(sig) < 5 {
			return "", errors.New("has a signature line that is none")
		}
	}
	return s[:cut+1], nil
}

// maxSignatures is what package note reads.
const maxSignatures = 100
