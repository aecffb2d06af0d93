package verify

import (
	"fmt"
	"math"
)

// An Interval is what a draw says of the whole population: its share of wrong items lies between Low and High, with
// at least the confidence asked for.
type Interval struct {
	Low, High float64
}

// A Result is what was found in one stratum.
type Result struct {
	Size  int64 // of the population
	Drawn int64
	Wrong int64 // found wrong
	Open  int64 // drawn and not yet inspected: counted as right for Low and as wrong for High
}

// Within gives the exact interval for one stratum: Clopper and Pearson's, for drawing without replacement from a finite
// population (hypergeometric in place of binomial). Low is the smallest number of wrong items under which as many as
// were found, or more, are drawn with a chance above half of what may go wrong; High the largest under which as few, or
// fewer, are. When everything was drawn the two are the same.
func Within(r Result, confidence float64) (Interval, error) {
	low, high, err := bounds(r, (1-confidence)/2)
	if err != nil {
		return Interval{}, err
	}
	return Interval{float64(low) / float64(r.Size), float64(high) / float64(r.Size)}, nil
}

// Over gives an interval for several strata together: the sums of the bounds of each, where what may go wrong is shared
// out equally among the strata (Bonferroni). It holds however the wrong items are spread and is wider than need
// be, the more so the more strata there are.
func Over(results []Result, confidence float64) (Interval, error) {
	var low, high, size int64
	for _, r := range results {
		l, h, err := bounds(r, (1-confidence)/2/float64(len(results)))
		if err != nil {
			return Interval{}, err
		}
		low, high, size = low+l, high+h, size+r.Size
	}
	if size == 0 {
		return Interval{}, fmt.Errorf("interval: there is nothing to speak of")
	}
	return Interval{float64(low) / float64(size), float64(high) / float64(size)}, nil
}

// bounds are the smallest and largest number of wrong items that fit what was found.
func bounds(r Result, tail float64) (low, high int64, err error) {
	if r.Size <= 0 || r.Size > maxPopulation || r.Drawn < 0 || r.Drawn > r.Size || r.Wrong < 0 || r.Open < 0 || r.Wrong+r.Open > r.Drawn {
		return 0, 0, fmt.Errorf("interval: %d wrong and %d open of %d drawn of %d", r.Wrong, r.Open, r.Drawn, r.Size)
	}
	if !(tail > 0 && tail < 0.5) {
		return 0, 0, fmt.Errorf("interval: the confidence must lie between 0 and 1")
	}
	// At least what was found is wrong, and at most everything but what was found to be right.
	low, high = r.Wrong, r.Size-(r.Drawn-r.Wrong-r.Open)
	least, most := low, high
	low = first(least, most, func(k int64) bool { return atLeast(r.Size, k, r.Drawn, r.Wrong) > tail })
	high = first(least, most, func(k int64) bool { return atLeast(r.Size, r.Size-k, r.Drawn, r.Drawn-r.Wrong-r.Open) <= tail })
	// high is now the first that does not fit, except where every one does.
	if high > least && atLeast(r.Size, r.Size-high, r.Drawn, r.Drawn-r.Wrong-r.Open) <= tail {
		high--
	}
	return low, high, nil
}

// first is the smallest number in [from, to] for which ok holds, which then holds for all above; to if there is none.
func first(from, to int64, ok func(int64) bool) int64 {
	for from < to {
		mid := from + (to-from)/2
		if ok(mid) {
			to = mid
		} else {
			from = mid + 1
		}
	}
	return from
}

// atLeast is the chance that of n drawn out of size, k of which are of a sort, x or more are of that sort.
func atLeast(size, k, n, x int64) float64 {
	if x <= max(0, n-(size-k)) {
		return 1
	}
	if x > min(n, k) {
		return 0
	}
	// Sum from x upwards, smallest terms last: each follows from the one before.
	term := math.Exp(logChoose(k, x) + logChoose(size-k, n-x) - logChoose(size, n))
	sum := 0.0
	if term > 0 {
		for i := x; i <= min(n, k); i++ {
			sum += term
			term *= float64(k-i) * float64(n-i) / (float64(i+1) * float64(size-k-n+i+1))
			if term < sum*1e-17 {
				break
			}
		}
		return min(sum, 1)
	}
	// The term is too small to be written: everything lies on one side of it.
	if float64(x) > float64(n)*float64(k)/float64(size) {
		return 0
	}
	return 1
}

func logChoose(n, k int64) float64 {
	if k < 0 || k > n {
		return math.Inf(-1)
	}
	a, _ := math.Lgamma(float64(n + 1))
	b, _ := math.Lgamma(float64(k + 1))
	c, _ := math.Lgamma(float64(n - k + 1))
	return a - b - c
}
