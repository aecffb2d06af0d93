package access

import (
	"slices"

	"plumbline/internal/pack"
	"plumbline/internal/ref"
)

// A Desk is a duty at a body.
type Desk struct {
	Duty string
	Body ref.BodyID
}

// Keepers returns the desks that a compartment of a matter is sealed to: what MayOpen says of duties, as keys. The first are
// those it has to be sealed to, whoever holds them: the desk the matter lies with, or the custodian's for the identity. The
// others follow it where they exist: duties that see the whole subtree. Whoever is involved opens it through a desk.
func Keepers(duties []pack.Duty, k *pack.Kind, f Facts, compartment string) (first, also []Desk) {
	if compartment == Identity {
		for _, d := range duties {
			if !d.Custodian {
				continue
			}
			first = append(first, Desk{d.ID, f.Body})
			for _, up := range f.Above {
				if up != f.Body {
					also = append(also, Desk{d.ID, up})
				}
			}
		}
		return first, also
	}
	if f.Desk != "" && f.DeskBody != 0 {
		first = append(first, Desk{f.Desk, f.DeskBody})
	}
	if compartment == Reporter || k == nil {
		return first, nil
	}
	openers := Openers(k, f, compartment)
	for _, d := range duties {
		if d.Sees != SeesSubtree || d.Custodian || !slices.Contains(openers, d.ID) {
			continue
		}
		for _, up := range f.Above {
			also = append(also, Desk{d.ID, up})
		}
	}
	return first, also
}

// Compartments returns the compartments that matters of a kind have from the beginning: those its fields are sealed to, and
// for a report the reporter's own, since only at the beginning is the reporter's key at hand.
func Compartments(k *pack.Kind) []string {
	out := []string{File}
	if k == nil {
		return out
	}
	add := func(c string) {
		if c != "" && !slices.Contains(out, c) {
			out = append(out, c)
		}
	}
	if k.Reports {
		add(Reporter)
		add(Identity)
	}
	for _, f := range k.Fields {
		add(f.Sealed)
	}
	return out
}
