package access

import "plumbline/internal/ref"

// SeesFigures reports whether v reads the exact figures of a body, given the body itself and those above it, nearest
// first: whoever supervises it or a body above it, and duties that read figures. Everybody else, desks included, reads what the public reads: a desk sees its own
// matters and not how many there are elsewhere.
func SeesFigures(v Viewer, above []ref.BodyID) bool {
	return overBody(ActFigures, above).answer(v, nil).OK
}

// SeesAllFigures reports whether v reads the exact figures of everything there is: whoever supervises every body at the top.
func SeesAllFigures(v Viewer, tops []ref.BodyID) bool {
	for _, t := range tops {
		if !SeesFigures(v, []ref.BodyID{t}) {
			return false
		}
	}
	return len(tops) > 0
}
