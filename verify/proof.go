package verify

import (
	"bytes"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

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

const (
	maxPath  = 63      // of the longest path: a tree has fewer than 2^63 entries
	maxExtra = 4 << 20 // bytes of the line "extra", decoded
	maxProof = maxNote + (maxPath+3)*64 + maxExtra/3*4
)

// ParseProof reads a proof. It is strict: Marshal gives back the same bytes. It checks no signature; Proof.Check
// does. What is wrong is said as a *Flaw.
func ParseProof(text []byte) (Proof, error) {
	var p Proof
	if len(text) > maxProof {
		return p, &Flaw{Code: FlawTooLong, Detail: fmt.Sprintf("more than %d bytes", maxProof)}
	}
	if !bytes.HasPrefix(text, []byte(proofHeader)) {
		return p, &Flaw{Code: FlawNotProof}
	}
	if bytes.IndexByte(text, '\r') >= 0 {
		return p, &Flaw{Code: FlawLineEnds}
	}
	head, checkpoint, found := bytes.Cut(text, []byte("\n\n"))
	lines := strings.Split(string(head), "\n")
	at := 0
	next := func() (line string, ok bool) {
		if at == len(lines) {
			return "", false
		}
		at++
		return lines[at-1], true
	}
	if first, _ := next(); first != proofHeader {
		return p, atLine(at, FlawNotProof, "")
	}
	line, ok := next()
	if extra, is := strings.CutPrefix(line, "extra "); is {
		b, err := decode(extra)
		if err != nil {
			return p, atLine(at, FlawSpelling, "extra: "+err.Error())
		}
		if len(b) > maxExtra {
			return p, atLine(at, FlawTooLong, "extra")
		}
		p.Extra = b
		line, ok = next()
	}
	number, is := strings.CutPrefix(line, "index ")
	if !ok || !is {
		return p, atLine(max(at, 1), FlawSpelling, "the index is missing")
	}
	var err error
	if p.Index, err = parseNumber(number); err != nil {
		return p, atLine(at, FlawSpelling, "index: "+err.Error())
	}
	for line, ok = next(); ok; line, ok = next() {
		if len(p.Path) == maxPath {
			return p, atLine(at, FlawTooLong, "path")
		}
		h, err := ParseHash(line)
		if err != nil {
			return p, atLine(at, FlawSpelling, "path: "+err.Error())
		}
		p.Path = append(p.Path, h)
	}
	if !found || len(checkpoint) == 0 {
		return p, atLine(len(lines), FlawSpelling, "no empty line with a checkpoint after it")
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
