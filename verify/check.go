package verify

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"

	"golang.org/x/mod/sumdb/note"
)

// Trust is what a reader of receipts brings along: the keys of logs, and those of witnesses. Where a log changed its
// key, both stand there.
type Trust struct {
	Logs      []note.Verifier
	Witnesses []note.Verifier
}

// Proven is what a receipt proves. What is not in it is not proven: above all that nothing else happened after the
// last step shown, and that what the office wrote is true.
type Proven struct {
	Origin    string      `json:"origin"`    // the name of the log
	Size      uint64      `json:"size"`      // how many entries it held at the checkpoint
	Root      Hash        `json:"root"`      // of the checkpoint
	SignedBy  []Signature `json:"signed_by"` // by the log's own keys
	Witnesses []Signature `json:"witnesses"` // of those that were given, which saw this checkpoint, and when
	Entry     Entry       `json:"entry"`     // what the receipt is about
	Further   []Entry     `json:"further"`   // in the order of the log
	Missed    []Missed    `json:"missed"`    // time limits of this matter that ran out, in the order of the log
	Gaps      []Gap       `json:"gaps"`      // entries of this matter, before the last one shown, that the receipt does not open
}

// An Entry of the log, as far as a receipt opens it.
type Entry struct {
	As         string `json:"as,omitempty"`   // empty for the one the receipt is about
	Position   uint64 `json:"position"`       // in the log, from 1
	Commitment Hash   `json:"commitment"`     // the leaf of the log
	Step       *Step  `json:"step,omitempty"` // nil: nothing of it is opened
	Whole      []byte `json:"-"`              // the exact bytes; nil: that half stays closed

	Said   map[string][]byte `json:"-"`                // what it seals, by compartment, as far as it is opened, without the spaces at its end
	Closed []string          `json:"closed,omitempty"` // the compartments in which it seals what the receipt does not open
}

// Missed is a time limit that ran out: the office's own timer recorded it.
type Missed struct {
	Clock    string `json:"clock"`
	N        int64  `json:"n"`
	Position uint64 `json:"position"`
}

// A Gap is a run of numbers within a matter, both ends included.
type Gap struct {
	From int64 `json:"from"`
	To   int64 `json:"to"`
}

// Check checks everything a receipt claims: the signatures under its checkpoint, the place of each entry in the log,
// what is opened of each, and that those of one matter fit together. What does not hold is said as a *Flaw, and then
// nothing of the receipt is to be relied on.
func (r Receipt) Check(trust Trust) (Proven, error) {
	if f := r.form(); f != nil {
		return Proven{}, f
	}
	c, n, err := OpenCheckpointBy(r.Proof.Checkpoint, trust.Logs, trust.Witnesses)
	if err != nil {
		return Proven{}, err
	}
	if c.Size > maxNumber {
		return Proven{}, &Flaw{Code: FlawTooLong, Detail: "size"}
	}
	res := Proven{Origin: c.Origin, Size: c.Size, Root: c.Root,
		SignedBy: []Signature{}, Witnesses: []Signature{}, Further: []Entry{}, Missed: []Missed{}, Gaps: []Gap{}}
	for _, s := range n.Sigs {
		if by := verifier(trust.Logs, s); by != nil && s.Name == c.Origin {
			res.SignedBy = append(res.SignedBy, signatureOf(s, by))
		} else if by := verifier(trust.Witnesses, s); by != nil {
			res.Witnesses = append(res.Witnesses, signatureOf(s, by))
		}
	}
	if res.Entry, err = checkEntry(c, 1, "", r.Proof.Index, r.Proof.Path, r.Opening.commitment(), &r.Opening); err != nil {
		return Proven{}, err
	}
	for i, f := range r.Further {
		path := make([]Hash, len(f.Path))
		for j, h := range f.Path {
			path[j] = Hash(h)
		}
		commitment := Hash{}
		if f.Opening != nil {
			commitment = f.Opening.commitment()
		} else {
			commitment = Hash(f.Commitment)
		}
		e, err := checkEntry(c, i+2, f.As, f.Index, path, commitment, f.Opening)
		if err != nil {
			return Proven{}, err
		}
		if e.As == AsStep && e.Step != nil && e.Step.Stream != res.Entry.Step.Stream {
			return Proven{}, &Flaw{Code: FlawStray, Entry: i + 2, Detail: e.Step.Stream}
		}
		res.Further = append(res.Further, e)
	}
	if err := checkOrder(append([]Entry{res.Entry}, res.Further...)); err != nil {
		return Proven{}, err
	}
	slices.SortFunc(res.Further, func(a, b Entry) int { return cmp.Compare(a.Position, b.Position) })
	res.matter()
	return res, nil
}

// checkEntry checks one entry: its place in the log and what is opened of it.
func checkEntry(c Checkpoint, no int, as string, index uint64, path []Hash, commitment Hash, o *Opening) (Entry, error) {
	e := Entry{As: as, Position: index + 1, Commitment: commitment}
	if err := Inclusion(c.Root, c.Size, index, LeafHash(commitment[:]), path); err != nil {
		return e, &Flaw{Code: FlawPath, Entry: no, Detail: fmt.Sprintf("position %d of %d", index+1, c.Size), cause: err}
	}
	if o == nil {
		return e, nil
	}
	step, err := ParseStep(string(o.Step.Content))
	if err != nil {
		return e, &Flaw{Code: FlawStep, Entry: no, Detail: err.Error(), cause: err}
	}
	e.Step = &step
	if o.Whole.Hash != nil {
		return e, nil
	}
	e.Whole = o.Whole.Content
	if own, err := StepOf(e.Whole); err != nil {
		return e, &Flaw{Code: FlawDisagree, Entry: no, Detail: err.Error(), cause: err}
	} else if own.Text() != step.Text() {
		return e, &Flaw{Code: FlawDisagree, Entry: no}
	}
	sealed, order := sealedIn(e.Whole)
	for _, compartment := range slices.Sorted(maps.Keys(o.Said)) {
		said := o.Said[compartment]
		want, there := sealed[compartment]
		if !there {
			return e, &Flaw{Code: FlawSaid, Entry: no, Detail: compartment + ": the entry seals nothing there"}
		}
		if CommitSealed(Salt(said.Salt), said.Content) != want {
			return e, &Flaw{Code: FlawSaid, Entry: no, Detail: compartment}
		}
		if e.Said == nil {
			e.Said = map[string][]byte{}
		}
		e.Said[compartment] = bytes.TrimRight(said.Content, " ")
	}
	for _, compartment := range order {
		if _, open := o.Said[compartment]; !open {
			e.Closed = append(e.Closed, compartment)
		}
	}
	return e, nil
}

// sealedIn reads the commitments to what an entry seals, by compartment, and the compartments in their order. What has
// another form seals nothing, as in records from before there was anything sealed.
func sealedIn(entry []byte) (commitments map[string]Hash, order []string) {
	commitments = map[string]Hash{}
	whole, err := object(entry)
	if err != nil {
		return commitments, nil
	}
	parts, err := fields(whole["sealed"])
	if err != nil {
		return commitments, nil
	}
	for _, p := range parts {
		part, err := object(p.Value)
		if err != nil || !compartmentName.MatchString(p.Name) {
			continue
		}
		written, err := text(part["commitment"])
		if err != nil {
			continue
		}
		h, err := ParseHash(written)
		if err != nil {
			continue
		}
		commitments[p.Name] = h
		order = append(order, p.Name)
	}
	return commitments, order
}

// checkOrder checks that no entry stands there twice, and that the numbers within each stream run as the log does.
func checkOrder(all []Entry) error {
	no := map[uint64]int{}
	for i, e := range all {
		if no[e.Position] != 0 {
			return &Flaw{Code: FlawTwice, Entry: i + 1, Detail: fmt.Sprintf("position %d", e.Position)}
		}
		no[e.Position] = i + 1
	}
	opened := slices.DeleteFunc(slices.Clone(all), func(e Entry) bool { return e.Step == nil })
	slices.SortFunc(opened, func(a, b Entry) int {
		return cmp.Or(cmp.Compare(a.Step.Stream, b.Step.Stream), cmp.Compare(a.Step.N, b.Step.N), cmp.Compare(a.Position, b.Position))
	})
	for i, b := range opened {
		if uint64(b.Step.N) > b.Position {
			return &Flaw{Code: FlawOrder, Entry: no[b.Position], Detail: fmt.Sprintf("%s, number %d at position %d", b.Step.Stream, b.Step.N, b.Position)}
		}
		if i == 0 {
			continue
		}
		a := opened[i-1]
		switch {
		case a.Step.Stream != b.Step.Stream:
		case a.Step.N == b.Step.N:
			return &Flaw{Code: FlawTwice, Entry: no[b.Position], Detail: fmt.Sprintf("%s, number %d", b.Step.Stream, b.Step.N)}
		case uint64(b.Step.N-a.Step.N) > b.Position-a.Position || a.Position > b.Position:
			return &Flaw{Code: FlawOrder, Entry: no[b.Position], Detail: fmt.Sprintf("%s, numbers %d and %d", b.Step.Stream, a.Step.N, b.Step.N)}
		}
	}
	return nil
}

// matter sums up the entries of the matter that the receipt is about.
func (res *Proven) matter() {
	own := []Entry{res.Entry}
	for _, e := range res.Further {
		if e.Step != nil && e.Step.Stream == res.Entry.Step.Stream {
			own = append(own, e)
		}
	}
	slices.SortFunc(own, func(a, b Entry) int { return cmp.Compare(a.Position, b.Position) })
	next := int64(1)
	for _, e := range own {
		if e.Step.N > next {
			res.Gaps = append(res.Gaps, Gap{From: next, To: e.Step.N - 1})
		}
		next = e.Step.N + 1
		for _, clock := range e.Step.Missed {
			res.Missed = append(res.Missed, Missed{Clock: clock, N: e.Step.N, Position: e.Position})
		}
	}
}
