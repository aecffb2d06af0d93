package verify

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
)

// A Stratum is a part of a population that is drawn from by itself: how many items it has, and how many are drawn.
type Stratum struct {
	Size int64
	Take int64
}

// Wrong is how many of size items are wrong if the given share of them is: the smallest whole number that is not less.
func Wrong(size int64, share float64) int64 {
	if share <= 0 || size <= 0 {
		return 0
	}
	exact := new(big.Rat).Mul(decimal(share), new(big.Rat).SetInt64(size))
	n, rest := new(big.Int).QuoRem(exact.Num(), exact.Denom(), new(big.Int))
	if rest.Sign() > 0 {
		n.Add(n, big.NewInt(1))
	}
	return min(n.Int64(), size)
}

// Strength is the chance that a draw finds at least one wrong item when wrong items of the population are, wherever
// among the strata they are hidden best. For one stratum it is exactly 1 − C(N−K, n)/C(N, n): the hypergeometric
// chance of drawing without replacement. For several it is the worst case over every way of spreading the K.
func Strength(strata []Stratum, wrong int64) (float64, error) {
	miss, err := missed(strata, wrong)
	if err != nil {
		return 0, err
	}
	f, _ := new(big.Float).Sub(big.NewFloat(1), miss).Float64()
	return min(max(f, 0), 1), nil
}

// Allocate says how many to draw from each stratum so that about total are drawn: from each the same share, rounded
// up, so that none is left out.
func Allocate(sizes []int64, total int64) []Stratum {
	var n int64
	for _, s := range sizes {
		n += s
	}
	out := make([]Stratum, len(sizes))
	for i, s := range sizes {
		out[i].Size = s
		if n > 0 && s > 0 && total > 0 {
			exact := new(big.Int).Mul(big.NewInt(min(total, n)), big.NewInt(s))
			q, r := exact.QuoRem(exact, big.NewInt(n), new(big.Int))
			out[i].Take = q.Int64()
			if r.Sign() > 0 {
				out[i].Take++
			}
		}
	}
	return out
}

// SampleSize is the smallest draw whose Strength is at least the confidence, if the given share of the population were
// wrong. Where nothing would be wrong (a share of zero) or the population is empty, there is none.
func SampleSize(sizes []int64, share, confidence float64) ([]Stratum, error) {
	var n int64
	for _, s := range sizes {
		if s < 0 {
			return nil, fmt.Errorf("sample size: a part of %d items", s)
		}
		n += s
	}
	switch {
	case n == 0:
		return nil, fmt.Errorf("sample size: there is nothing to draw from")
	case n > maxPopulation:
		return nil, fmt.Errorf("sample size: more than %d items", int64(maxPopulation))
	case !(share > 0 && share <= 1):
		return nil, fmt.Errorf("sample size: the share that is wrong must be above 0 and at most 1")
	case !(confidence > 0 && confidence < 1):
		return nil, fmt.Errorf("sample size: the confidence must lie between 0 and 1")
	}
	wrong := Wrong(n, share)
	enough := func(total int64) (bool, error) {
		miss, err := missed(Allocate(sizes, total), wrong)
		return err == nil && atMost(miss, confidence), err
	}
	low, high := int64(0), int64(1) // low is not enough
	for high < n {
		ok, err := enough(high)
		if err != nil {
			return nil, err
		}
		if ok {
			break
		}
		low, high = high, min(2*high, n)
	}
	for high-low > 1 {
		mid := low + (high-low)/2
		ok, err := enough(mid)
		if err != nil {
			return nil, err
		}
		if ok {
			high = mid
		} else {
			low = mid
		}
	}
	return Allocate(sizes, high), nil
}

// maxPopulation bounds what is computed with: far above any office, and small enough for products in 64 bits.
const maxPopulation = 1 << 31

// precision of the sums and products of chances: what they differ from the exact value by is far below near.
const precision = 320

var near = new(big.Float).SetMantExp(big.NewFloat(1), -200)

// missed is the chance that no wrong item is drawn, with the wrong ones spread where they are found least.
//
// The chance that one more wrong item in a stratum is missed as well is (N−n−k)/(N−k), which falls as k grows. Putting
// each next one where that is largest therefore gives the largest product.
func missed(strata []Stratum, wrong int64) (*big.Float, error) {
	hidden := make([]int64, len(strata))
	var size int64
	for _, s := range strata {
		if s.Size < 0 || s.Take < 0 || s.Take > s.Size {
			return nil, fmt.Errorf("strength: %d drawn of %d", s.Take, s.Size)
		}
		size += s.Size
	}
	if wrong < 0 || wrong > size || size > maxPopulation {
		return nil, fmt.Errorf("strength: %d wrong of %d", wrong, size)
	}
	if len(strata) == 1 {
		hidden[0] = wrong
	} else {
		for range wrong {
			best := -1
			for i, s := range strata {
				if hidden[i] == s.Size {
					continue
				}
				// (N−n−k)/(N−k) > (M−m−l)/(M−l), as whole numbers
				if best < 0 || (s.Size-s.Take-hidden[i])*(strata[best].Size-hidden[best]) >
					(strata[best].Size-strata[best].Take-hidden[best])*(s.Size-hidden[i]) {
					best = i
				}
			}
			hidden[best]++
			if hidden[best] > strata[best].Size-strata[best].Take {
				return new(big.Float).SetPrec(precision), nil // more wrong ones than are left undrawn anywhere
			}
		}
	}
	miss := new(big.Float).SetPrec(precision).SetInt64(1)
	for i, s := range strata {
		miss.Mul(miss, missedIn(s.Size, hidden[i], s.Take))
	}
	return miss, nil
}

// missedIn is C(N−K, n)/C(N, n), as the shorter of its two products.
func missedIn(size, wrong, take int64) *big.Float {
	out := new(big.Float).SetPrec(precision).SetInt64(1)
	if take > size-wrong {
		return out.SetInt64(0)
	}
	fewer, more := min(wrong, take), max(wrong, take)
	f := new(big.Float).SetPrec(precision)
	for i := range fewer {
		out.Mul(out, f.SetInt64(size-more-i))
		out.Quo(out, f.SetInt64(size-i))
	}
	return out
}

// atMost reports whether a chance of missing is at most 1 − confidence. What is nearer than 2^-200 is the same.
func atMost(miss *big.Float, confidence float64) bool {
	left := new(big.Rat).Sub(big.NewRat(1, 1), decimal(confidence))
	limit := new(big.Float).SetPrec(precision).SetRat(left)
	return miss.Cmp(limit.Add(limit, near)) <= 0
}

// decimal is the number as people write it: 0.95 is 95/100, not its nearest binary fraction.
func decimal(f float64) *big.Rat {
	r, ok := new(big.Rat).SetString(strconv.FormatFloat(f, 'g', -1, 64))
	if !ok || math.IsNaN(f) {
		return new(big.Rat)
	}
	return r
}
