package pack

import (
	"fmt"
	"sort"
	"strings"
)

// Problem is one thing that is wrong with a pack: where, and what to do about it. Rule is the fairness rule it breaks,
// or empty where the text is no pack at all.
type Problem struct {
	Place
	Rule    string
	Message string
}

// String is "pack.yaml:41:7: F19 …", as editors and people understand it.
func (p Problem) String() string {
	if p.Rule == "" {
		return p.Place.String() + ": " + p.Message
	}
	return p.Place.String() + ": " + p.Rule + " " + p.Message
}

// String is "pack.yaml:41:7", leaving out what is not known.
func (p Place) String() string {
	switch {
	case p.Line == 0:
		return p.File
	case p.Col == 0:
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col)
}

// Key is the place of a key written in the entry, or of the entry where the key is absent.
func (a At) Key(key string) Place {
	if p, ok := a.keys[key]; ok {
		return p
	}
	return a.Place
}

// Has reports whether the key was written.
func (a At) Has(key string) bool { _, ok := a.keys[key]; return ok }

// Problems is everything that is wrong with a pack, in the order of the files. It is the error that Load returns.
type Problems []Problem

func (ps Problems) Error() string {
	if len(ps) == 1 {
		return ps[0].String()
	}
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return fmt.Sprintf("%d problems\n%s", len(ps), strings.Join(lines, "\n"))
}

func (ps Problems) sort() {
	sort.SliceStable(ps, func(i, j int) bool {
		a, b := ps[i], ps[j]
		switch {
		case a.File != b.File:
			return a.File < b.File
		case a.Line != b.Line:
			return a.Line < b.Line
		case a.Col != b.Col:
			return a.Col < b.Col
		}
		return a.Message < b.Message
	})
}

// nearest is the candidate most like the word, if one is like enough to be what was meant.
func nearest(word string, candidates []string) string {
	best, bestAt := "", len([]rune(word))/2+1
	for _, c := range candidates {
		if d := distance(strings.ToLower(word), strings.ToLower(c)); d < bestAt || d == bestAt && best != "" && c < best {
			best, bestAt = c, d
		}
	}
	return best
}

// didYouMean is the end of a message about an unknown word.
func didYouMean(word string, candidates []string) string {
	if n := nearest(word, candidates); n != "" {
		return fmt.Sprintf("; did you mean %q?", n)
	}
	if len(candidates) == 0 {
		return "; there is none"
	}
	if len(candidates) <= 12 {
		return "; it can be " + strings.Join(candidates, ", ")
	}
	return ""
}

// distance is the number of single-character edits, swaps of neighbours included, between two words.
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	rows := make([][]int, len(x)+1)
	for i := range rows {
		rows[i] = make([]int, len(y)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(x); i++ {
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(x)][len(y)]
}
