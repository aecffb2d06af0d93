package verify

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
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
	if !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return r != '\n' && unicode.IsControl(r) }) {
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

// maxNote bounds what we read of a signed checkpoint: room for a policy of many post-quantum witnesses.
const (
	maxNote  = 1 << 18
	maxExtra = 1 << 20
)

// OpenCheckpoint reads a signed checkpoint and checks it: the origin must be the log's own name and at least one
// signature by the log's key must hold. A wrong signature by a known key refuses the whole (C2SP signed-note).
// The note returned carries the verified signatures, those of the known witnesses among them.
func OpenCheckpoint(signed []byte, log note.Verifier, witnesses ...note.Verifier) (Checkpoint, *note.Note, error) {
	if len(signed) > maxNote {
		return Checkpoint{}, nil, fmt.Errorf("checkpoint: longer than %d bytes", maxNote)
	}
	n, err := note.Open(signed, note.VerifierList(append([]note.Verifier{log}, witnesses...)...))
	if err != nil {
		return Checkpoint{}, nil, fmt.Errorf("checkpoint: %w", err)
	}
	c, err := ParseCheckpoint(n.Text)
	if err != nil {
		return Checkpoint{}, nil, err
	}
	if c.Origin != log.Name() {
		return Checkpoint{}, nil, fmt.Errorf("checkpoint: is of %q, not of %q", c.Origin, log.Name())
	}
	for _, s := range n.Sigs {
		if s.Name == log.Name() && s.Hash == log.KeyHash() {
			return c, n, nil
		}
	}
	return Checkpoint{}, nil, fmt.Errorf("checkpoint: not signed by %s", log.Name())
}

// A Proof says that an entry stands in a log at a place, by itself and offline (C2SP tlog-proof).
type Proof struct {
	Extra      []byte // opaque, not authenticated; nil: none
	Index      uint64 // of the entry, from 0
	Path       []Hash // from the leaf's sibling to the child of the root
	Checkpoint []byte // signed, as issued
}

const proofHeader = "c2sp.org/tlog-proof@v1"

// Marshal returns the proof as text.
func (p Proof) Marshal() []byte {
	var b bytes.Buffer
	b.WriteString(proofHeader + "\n")
	if p.Extra != nil {
		fmt.Fprintf(&b, "extra %s\n", encode(p.Extra))
	}
	fmt.Fprintf(&b, "index %d\n", p.Index)
	for _, h := range p.Path {
		b.WriteString(h.String() + "\n")
	}
	b.WriteString("\n")
	b.Write(p.Checkpoint)
	return b.Bytes()
}

// maxPath is the length of the longest path: a tree has fewer than 2^63 entries.
const maxPath = 63

// ParseProof reads a proof. It is strict: Marshal gives back the same bytes. It checks no signature; Proof.Check does.
func ParseProof(text []byte) (Proof, error) {
	var p Proof
	if len(text) > maxNote+maxPath*64+maxExtra {
		return p, errors.New("proof: too long")
	}
	head, checkpoint, found := bytes.Cut(text, []byte("\n\n"))
	if !found || len(checkpoint) == 0 {
		return p, errors.New("proof: no empty line with a checkpoint after it")
	}
	lines := strings.Split(string(head), "\n")
	if lines[0] != proofHeader {
		return p, fmt.Errorf("proof: does not begin with %q", proofHeader)
	}
	lines = lines[1:]
	if len(lines) > 0 {
		if extra, ok := strings.CutPrefix(lines[0], "extra "); ok {
			b, err := decode(extra)
			if err != nil {
				return p, fmt.Errorf("proof: extra: %w", err)
			}
			p.Extra, lines = b, lines[1:]
		}
	}
	if len(lines) == 0 {
		return p, errors.New("proof: no line with the index")
	}
	number, ok := strings.CutPrefix(lines[0], "index ")
	if !ok {
		return p, errors.New("proof: no line with the index")
	}
	var err error
	if p.Index, err = parseNumber(number); err != nil {
		return p, fmt.Errorf("proof: index: %w", err)
	}
	lines = lines[1:]
	if len(lines) > maxPath {
		return p, errors.New("proof: the path is too long")
	}
	for i, line := range lines {
		h, err := ParseHash(line)
		if err != nil {
			return p, fmt.Errorf("proof: line %d of the path: %w", i+1, err)
		}
		p.Path = append(p.Path, h)
	}
	p.Checkpoint = checkpoint
	return p, nil
}

// Check checks that leaf is the hash of the entry the proof is about, under a checkpoint signed by log. The
// witnesses whose cosignatures held are named in the note it returns.
func (p Proof) Check(leaf Hash, log note.Verifier, witnesses ...note.Verifier) (Checkpoint, *note.Note, error) {
	c, n, err := OpenCheckpoint(p.Checkpoint, log, witnesses...)
	if err != nil {
		return c, n, err
	}
	return c, n, Inclusion(c.Root, c.Size, p.Index, leaf, p.Path)
}

// parseNumber reads a decimal number in its one spelling, below 2^63.
func parseNumber(s string) (uint64, error) {
	n, err := strconv.ParseUint(s, 10, 63)
	if err != nil || strconv.FormatUint(n, 10) != s {
		return 0, errors.New("not a plain decimal number")
	}
	return n, nil
}
