package witness

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"plumbline/verify"
)

// A Request asks a witness to cosign a checkpoint (the body of add-checkpoint).
type Request struct {
	Old        uint64        // size of the head that the witness is thought to have
	Proof      []verify.Hash // of consistency between the two
	Checkpoint []byte        // signed
}

const (
	maxProof = 63
	// maxRequest leaves room for a checkpoint with the post-quantum signatures of thirty keys.
	maxRequest = 256 << 10
)

// Marshal returns the request as it is sent.
func (r Request) Marshal() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "old %d\n", r.Old)
	for _, h := range r.Proof {
		b.WriteString(h.String() + "\n")
	}
	b.WriteString("\n")
	b.Write(r.Checkpoint)
	return b.Bytes()
}

// ParseRequest reads a request. It is strict: Marshal gives back the same bytes. It checks no signature.
func ParseRequest(body []byte) (Request, error) {
	var r Request
	if len(body) > maxRequest {
		return r, fmt.Errorf("the request is longer than %d bytes", maxRequest)
	}
	head, checkpoint, found := bytes.Cut(body, []byte("\n\n"))
	if !found || len(checkpoint) == 0 {
		return r, errors.New("there is no empty line with a checkpoint after it")
	}
	lines := strings.Split(string(head), "\n")
	number, ok := strings.CutPrefix(lines[0], "old ")
	if !ok {
		return r, errors.New(`the first line is not "old SIZE"`)
	}
	var err error
	if r.Old, err = parseSize(number); err != nil {
		return r, fmt.Errorf("old size: %w", err)
	}
	lines = lines[1:]
	if len(lines) > maxProof {
		return r, fmt.Errorf("the proof has more than %d lines", maxProof)
	}
	for i, line := range lines {
		h, err := verify.ParseHash(line)
		if err != nil {
			return r, fmt.Errorf("line %d of the proof: %w", i+1, err)
		}
		r.Proof = append(r.Proof, h)
	}
	r.Checkpoint = checkpoint
	return r, nil
}

// noteText returns the text of a signed note, with its final newline, without looking at its signatures.
func noteText(signed []byte) (string, error) {
	end := bytes.LastIndex(signed, []byte("\n\n"))
	if end < 0 {
		return "", errors.New("the checkpoint is not a signed note")
	}
	return string(signed[:end+1]), nil
}

// parseSize reads a size in its one spelling.
func parseSize(s string) (uint64, error) {
	n, err := strconv.ParseUint(s, 10, 63)
	if err != nil || strconv.FormatUint(n, 10) != s {
		return 0, errors.New("not a plain decimal number")
	}
	return n, nil
}

// line returns a signature as a line of a note.
func line(s note.Signature) string { return "— " + s.Name + " " + s.Base64 + "\n" }

// cosignedAt returns when a cosignature says it was made.
func cosignedAt(s note.Signature) (time.Time, error) {
	raw, err := base64.StdEncoding.DecodeString(s.Base64)
	if err != nil || len(raw) < 12 {
		return time.Time{}, errors.New("the cosignature has no time")
	}
	t := binary.BigEndian.Uint64(raw[4:12])
	if t == 0 || t > 1<<40 {
		return time.Time{}, errors.New("the cosignature has no time that can be")
	}
	return time.Unix(int64(t), 0).UTC(), nil
}
