package tally

import (
	"slices"
	"strings"
)

// Public figures must not point at a person. Smallest is the smallest number that is shown to the public: a value from 1
// to Smallest-1 is withheld.
const Smallest = 5

// PublicRow is a row of a public figure.
type PublicRow struct {
	Row
	Withheld bool // then Value is 0 and means nothing
}

// Public applies the small-number rule to a figure: values from 1 to smallest-1 are withheld, and so is, in each line of
// the table that has a withheld value, at least one more, so that the value cannot be had by taking the others
// from the line's sum. A line is all rows that differ in one dimension only; with that dimension taken together they would
// make one row of the shorter table. Zero is shown: that something did not happen points at nobody.
//
// The rule protects against taking sums along the lines of one table and its shorter tables. It does not protect against
// somebody who combines many tables cut in different ways; which figures are public is for the pack to say.
//
// total is the sum or the distinct number over all rows. It is withheld itself (shown is false) when it is small, or when it
// would give away a value that nothing can cover.
func Public(res Result, smallest int64) (rows []PublicRow, total int64, shown bool) {
	rows = make([]PublicRow, len(res.Rows))
	for i, r := range res.Rows {
		rows[i] = PublicRow{Row: r, Withheld: r.Value > 0 && r.Value < smallest}
	}
	shown = res.Total == 0 || res.Total >= smallest
	through := make([][][]int, len(rows)) // the lines that run through a row
	var all [][]int
	for dim := range res.By {
		for _, line := range lines(rows, dim) {
			all = append(all, line)
			for _, i := range line {
				through[i] = append(through[i], line)
			}
		}
	}
	for again := true; again; {
		again = false
		for _, line := range all {
			if cover(rows, line, through, smallest) {
				again = true
			}
		}
	}
	if len(res.By) > 0 && shown {
		shown = covered(rows, smallest)
	}
	for i := range rows {
		if rows[i].Withheld {
			rows[i].Value = 0
		}
	}
	if shown {
		total = res.Total
	}
	return rows, total, shown
}

// lines are the rows that differ in dimension dim only, as places in rows.
func lines(rows []PublicRow, dim int) [][]int {
	at := map[string]int{}
	var out [][]int
	for i, r := range rows {
		key := slices.Clone(r.Key)
		key[dim] = ""
		k := strings.Join(key, unit)
		n, ok := at[k]
		if !ok {
			n = len(out)
			at[k] = n
			out = append(out, nil)
		}
		out[n] = append(out[n], i)
	}
	return out
}

// cover withholds one more value of a line in which what is withheld could be computed: the smallest that is shown, of
// those rather that are not alone in another line, where the shorter table would show them. It tells whether it did.
func cover(rows []PublicRow, line []int, through [][][]int, smallest int64) bool {
	var hidden, sum int64
	next, nextAlone := -1, false
	for _, i := range line {
		r := &rows[i]
		switch {
		case r.Withheld:
			hidden++
			sum += r.Value
		case r.Value > 0:
			alone := slices.ContainsFunc(through[i], func(l []int) bool { return len(l) == 1 })
			if next < 0 || nextAlone && !alone || nextAlone == alone && r.Value < rows[next].Value {
				next, nextAlone = i, alone
			}
		}
	}
	// One withheld value is what the others leave of the sum; several are safe only if together they are not small.
	if hidden == 0 || hidden > 1 && sum >= smallest || next < 0 {
		return false
	}
	rows[next].Withheld = true
	return true
}

// covered tells whether the total of all rows can be shown: not if it leaves a single or a small rest to those withheld.
func covered(rows []PublicRow, smallest int64) bool {
	var hidden, sum int64
	for i := range rows {
		if rows[i].Withheld {
			hidden++
			sum += rows[i].Value
		}
	}
	return hidden == 0 || hidden > 1 && sum >= smallest
}
