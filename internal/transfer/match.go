package transfer

import (
	"slices"

	"plumbline/internal/matter"
)

// keyInData is the name under which an allegation keeps the key its source gave it.
const keyInData = "key"

// align numbers the allegations of a later release so that each keeps the number it has in the record: first those
// that are wholly the same, then those with the source's own key, then those of the same official and conduct, then of the same
// official, in order. Allegations the release no longer names stay as they are, at their numbers; gone says how
// many. Nothing is ever taken away.
func align(was, now []matter.Allegation, keyOf func(matter.Allegation) string) (out []matter.Allegation, gone int64) {
	match := make([]int, len(now)) // index into was, or -1
	taken := make([]bool, len(was))
	for i := range match {
		match[i] = -1
	}
	pair := func(alike func(a, b *matter.Allegation) bool) {
		for i := range now {
			if match[i] >= 0 {
				continue
			}
			for j := range was {
				if !taken[j] && alike(&was[j], &now[i]) {
					match[i], taken[j] = j, true
					break
				}
			}
		}
	}
	pair(func(a, b *matter.Allegation) bool {
		c := *b
		c.No = a.No
		return *a == c
	})
	// Allegations with a key are only ever themselves.
	pair(func(a, b *matter.Allegation) bool { k := keyOf(*a); return k != "" && k == keyOf(*b) })
	unkeyed := func(a, b *matter.Allegation) bool { return keyOf(*a) == "" || keyOf(*b) == "" }
	pair(func(a, b *matter.Allegation) bool {
		return unkeyed(a, b) && a.Official == b.Official && a.Conduct == b.Conduct && a.Category == b.Category
	})
	pair(func(a, b *matter.Allegation) bool {
		return unkeyed(a, b) && a.Official == b.Official && a.Official != 0
	})
	next := int64(1)
	for _, a := range was {
		next = max(next, a.No+1)
	}
	for j, a := range was {
		if !taken[j] {
			out = append(out, a)
			gone++
		}
	}
	for i, a := range now {
		if match[i] >= 0 {
			a.No = was[match[i]].No
		} else {
			a.No = next
			next++
		}
		out = append(out, a)
	}
	sortByNo(out)
	return out, gone
}

func sortByNo(as []matter.Allegation) {
	slices.SortFunc(as, func(a, b matter.Allegation) int { return int(a.No - b.No) })
}
