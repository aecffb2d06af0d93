package verify

import (
	"encoding/json"
	"math"
	"math/big"
	"os"
	"slices"
	"strconv"
	"testing"
)

// The vectors are what others have published, and each names where.
func TestPublishedDraws(t *testing.T) {
	text, err := os.ReadFile("testdata/sampler/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors struct {
		Draws []struct {
			Source string
			Seed   string
			IDs    []string
			Digits int
			Drawn  [][2]string
		}
		Tickets []struct{ Source, Seed, ID, Ticket string }
	}
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	if len(vectors.Draws) != 9 || len(vectors.Tickets) != 5 {
		t.Fatalf("%d draws and %d tickets", len(vectors.Draws), len(vectors.Tickets))
	}
	for _, v := range vectors.Draws {
		got, err := Draw(v.Seed, v.IDs, len(v.Drawn))
		if err != nil {
			t.Errorf("%s: %v", v.Source, err)
			continue
		}
		for i, want := range v.Drawn {
			short := ""
			if v.Digits > 0 {
				short = got[i].Ticket.Short(v.Digits)
			}
			if got[i].ID != want[1] || short != want[0] {
				t.Errorf("%s: %d: drew %s with %s, want %s with %s", v.Source, i+1, got[i].ID, short, want[1], want[0])
			}
		}
	}
	for _, v := range vectors.Tickets {
		if got := TicketOf(v.Seed, v.ID); string(got) != v.Ticket {
			t.Errorf("%s: %s: %s, want %s", v.Source, v.ID, got, v.Ticket)
		}
	}
}

func TestDrawDoesNotDependOnTheOrderOfTheList(t *testing.T) {
	var ids []string
	for i := range 500 {
		ids = append(ids, strconv.Itoa(i+1))
	}
	want, err := Draw("6 1 4 2", ids, 40)
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(ids)
	got, err := Draw("6 1 4 2", ids, 40)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("another order gives %v, %v", got, err)
	}
}

func TestDrawRefuses(t *testing.T) {
	for name, f := range map[string]func() ([]Drawn, error){
		"no seed":        func() ([]Drawn, error) { return Draw("", []string{"1"}, 1) },
		"more than all":  func() ([]Drawn, error) { return Draw("x", []string{"1"}, 2) },
		"less than none": func() ([]Drawn, error) { return Draw("x", []string{"1"}, -1) },
		"a double":       func() ([]Drawn, error) { return Draw("x", []string{"1", "2", "1"}, 1) },
	} {
		if got, err := f(); err == nil {
			t.Errorf("%s: drew %v", name, got)
		}
	}
}

func TestEveryItemIsDrawnAsOftenAsTheOthers(t *testing.T) {
	ids := make([]string, 20)
	for i := range ids {
		ids[i] = strconv.Itoa(1000 + i)
	}
	const draws = 4000
	times := map[string]int{}
	for seed := range draws {
		drawn, err := Draw(strconv.Itoa(seed), ids, 5)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range drawn {
			times[d.ID]++
		}
	}
	// 4,000 draws of 5 out of 20: 1,000 expected each, standard deviation 27.4; the chi-square of 19 degrees of freedom
	// is above 43.8 once in a thousand. The seeds are fixed, so this cannot come and go.
	chi := 0.0
	for _, id := range ids {
		d := float64(times[id] - 1000)
		chi += d * d / 750
	}
	if chi*19/20 > 43.8 {
		t.Errorf("chi-square %.1f: %v", chi, times)
	}
}

func TestPublishedStrength(t *testing.T) {
	for _, tt := range []struct {
		name              string
		sizes             []int64
		share, confidence float64
		want              int64
	}{
		// (1-0.05)^59 < 0.05 < (1-0.05)^58: the 59 of discovery sampling tables.
		{"5 %, 95 %, of a hundred million", []int64{100_000_000}, 0.05, 0.95, 59},
		{"1 %, 95 %, of a hundred million", []int64{100_000_000}, 0.01, 0.95, 299},
		{"5 %, 95 %, of a thousand", []int64{1000}, 0.05, 0.95, 57},
		{"5 %, 95 %, of a hundred", []int64{100}, 0.05, 0.95, 45},
		{"one of twenty: exactly 19 miss it with 5 %", []int64{20}, 0.05, 0.95, 19},
		{"one of one", []int64{1}, 0.05, 0.95, 1},
		{"everything wrong", []int64{500}, 1, 0.99, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := SampleSize(tt.sizes, tt.share, tt.confidence)
			if err != nil || got[0].Take != tt.want {
				t.Fatalf("draw %v, %v, want %d", got, err, tt.want)
			}
		})
	}
}

// chances by counting every draw there is, in whole numbers
func choose(n, k int64) *big.Int {
	if k < 0 || k > n {
		return new(big.Int)
	}
	return new(big.Int).Binomial(n, k)
}

func exactStrength(s Stratum, wrong int64) *big.Rat {
	return new(big.Rat).Sub(big.NewRat(1, 1), new(big.Rat).SetFrac(choose(s.Size-wrong, s.Take), choose(s.Size, s.Take)))
}

func TestStrengthAgainstCounting(t *testing.T) {
	for size := int64(1); size <= 24; size++ {
		for take := int64(0); take <= size; take++ {
			for wrong := int64(0); wrong <= size; wrong++ {
				s := Stratum{Size: size, Take: take}
				want, _ := exactStrength(s, wrong).Float64()
				got, err := Strength([]Stratum{s}, wrong)
				if err != nil || math.Abs(got-want) > 1e-15 {
					t.Fatalf("%v of %d wrong: %v, %v, want %v", s, wrong, got, err, want)
				}
			}
		}
	}
}

func TestSampleSizeIsTheSmallestThatIsEnough(t *testing.T) {
	for _, confidence := range []float64{0.5, 0.8, 0.9, 0.95, 0.99} {
		limit := decimal(confidence)
		for size := int64(1); size <= 60; size++ {
			for _, share := range []float64{0.01, 0.05, 0.1, 0.25, 0.5, 1} {
				wrong := Wrong(size, share)
				want := int64(0)
				for exactStrength(Stratum{size, want}, wrong).Cmp(limit) < 0 {
					want++
				}
				got, err := SampleSize([]int64{size}, share, confidence)
				if err != nil || got[0].Take != want {
					t.Fatalf("%d items, %v wrong, %v: draw %v, %v, want %d", size, share, confidence, got, err, want)
				}
			}
		}
	}
}

func TestStrengthOfStrataIsThatOfTheWorstHidingPlace(t *testing.T) {
	strata := []Stratum{{7, 2}, {5, 1}, {11, 3}}
	for wrong := int64(0); wrong <= 23; wrong++ {
		worst := big.NewRat(1, 1)
		for a := int64(0); a <= 7; a++ {
			for b := int64(0); b <= 5; b++ {
				c := wrong - a - b
				if c < 0 || c > 11 {
					continue
				}
				miss := big.NewRat(1, 1)
				for i, k := range []int64{a, b, c} {
					miss.Mul(miss, new(big.Rat).SetFrac(choose(strata[i].Size-k, strata[i].Take), choose(strata[i].Size, strata[i].Take)))
				}
				if s := new(big.Rat).Sub(big.NewRat(1, 1), miss); s.Cmp(worst) < 0 {
					worst = s
				}
			}
		}
		want, _ := worst.Float64()
		if got, err := Strength(strata, wrong); err != nil || math.Abs(got-want) > 1e-15 {
			t.Errorf("%d wrong: %v, %v, want %v", wrong, got, err, want)
		}
	}
}

func TestAllocationLeavesNoStratumOut(t *testing.T) {
	sizes := []int64{1000, 1, 30, 0, 500}
	for total := int64(1); total <= 1531; total += 17 {
		for i, s := range Allocate(sizes, total) {
			if s.Take > s.Size || s.Size > 0 && s.Take == 0 || float64(s.Take) < float64(total)*float64(s.Size)/1531-1e-9 {
				t.Fatalf("of %d: stratum %d gets %v", total, i, s)
			}
		}
	}
	strata, err := SampleSize(sizes, 0.05, 0.95)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Strength(strata, Wrong(1531, 0.05)); err != nil || got < 0.95 {
		t.Errorf("%v finds with %v, %v", strata, got, err)
	}
}

func TestSampleSizeRefuses(t *testing.T) {
	for _, tt := range []struct {
		sizes             []int64
		share, confidence float64
	}{
		{nil, 0.05, 0.95}, {[]int64{0}, 0.05, 0.95}, {[]int64{10}, 0, 0.95}, {[]int64{10}, 1.5, 0.95}, {[]int64{10}, 0.05, 1},
		{[]int64{10}, 0.05, 0}, {[]int64{-1}, 0.05, 0.9}, {[]int64{10}, math.NaN(), 0.9}, {[]int64{10}, 0.1, math.NaN()}, {[]int64{math.MaxInt64}, 0.05, 0.95},
	} {
		if got, err := SampleSize(tt.sizes, tt.share, tt.confidence); err == nil {
			t.Errorf("%v: %v", tt, got)
		}
	}
}

// Against a population that is very large, the interval is Clopper and Pearson's: R. G. Newcombe, Two-sided confidence
// intervals for the single proportion, Statistics in Medicine 17 (1998) 857-872, table I, method 5.
func TestPublishedIntervals(t *testing.T) {
	for _, tt := range []struct {
		wrong, drawn int64
		low, high    float64
	}{
		{81, 263, 0.2527, 0.3676}, {15, 148, 0.0578, 0.1617}, {0, 20, 0, 0.1684}, {1, 29, 0.0009, 0.1776},
	} {
		got, err := Within(Result{Size: 1 << 30, Drawn: tt.drawn, Wrong: tt.wrong}, 0.95)
		if err != nil || math.Abs(got.Low-tt.low) > 0.00006 || math.Abs(got.High-tt.high) > 0.00006 {
			t.Errorf("%d of %d: %v, %v, want %v to %v", tt.wrong, tt.drawn, got, err, tt.low, tt.high)
		}
	}
}

// tail is the exact chance that of n drawn out of size, k of them of a sort, between from and to are.
func tail(size, k, n, from, to int64) *big.Rat {
	sum := new(big.Int)
	for i := from; i <= to; i++ {
		sum.Add(sum, new(big.Int).Mul(choose(k, i), choose(size-k, n-i)))
	}
	return new(big.Rat).SetFrac(sum, choose(size, n))
}

func TestIntervalAgainstCounting(t *testing.T) {
	half := big.NewRat(25, 1000)
	for size := int64(1); size <= 18; size++ {
		for n := int64(0); n <= size; n++ {
			for x := int64(0); x <= n; x++ {
				low, high := size+1, int64(-1)
				for k := int64(0); k <= size; k++ {
					if k >= x && k <= size-(n-x) && tail(size, k, n, x, n).Cmp(half) > 0 && tail(size, k, n, 0, x).Cmp(half) > 0 {
						low, high = min(low, k), max(high, k)
					}
				}
				l, h, err := bounds(Result{Size: size, Drawn: n, Wrong: x}, 0.025)
				if err != nil || l != low || h != high {
					t.Fatalf("%d of %d drawn of %d: %d to %d, %v, want %d to %d", x, n, size, l, h, err, low, high)
				}
			}
		}
	}
}

func TestIntervalHoldsAsOftenAsItSays(t *testing.T) {
	const size, n = 60, 15
	for k := int64(0); k <= size; k++ {
		holds := new(big.Rat)
		for x := int64(0); x <= n; x++ {
			chance := tail(size, k, n, x, x)
			if chance.Sign() == 0 {
				continue
			}
			l, h, err := bounds(Result{Size: size, Drawn: n, Wrong: x}, 0.025)
			if err != nil {
				t.Fatal(err)
			}
			if l <= k && k <= h {
				holds.Add(holds, chance)
			}
		}
		if holds.Cmp(big.NewRat(95, 100)) < 0 {
			t.Errorf("%d wrong of %d: holds with %v", k, size, holds.FloatString(4))
		}
	}
}

func TestWhatIsNotInspectedYetCountsBothWays(t *testing.T) {
	right, err := Within(Result{Size: 200, Drawn: 40, Wrong: 3}, 0.95)
	if err != nil {
		t.Fatal(err)
	}
	wrong, err := Within(Result{Size: 200, Drawn: 40, Wrong: 8}, 0.95)
	if err != nil {
		t.Fatal(err)
	}
	open, err := Within(Result{Size: 200, Drawn: 40, Wrong: 3, Open: 5}, 0.95)
	if err != nil || open.Low != right.Low || open.High != wrong.High {
		t.Errorf("%v, %v; all right %v, all wrong %v", open, err, right, wrong)
	}
	all, err := Within(Result{Size: 40, Drawn: 40, Wrong: 3}, 0.95)
	if err != nil || all.Low != all.High || all.Low != 3.0/40 {
		t.Errorf("everything drawn: %v, %v", all, err)
	}
}

func TestIntervalOverStrataHoldsTheSumOfEach(t *testing.T) {
	parts := []Result{{Size: 100, Drawn: 10, Wrong: 1}, {Size: 50, Drawn: 5}, {Size: 3, Drawn: 3, Wrong: 3}}
	got, err := Over(parts, 0.95)
	if err != nil {
		t.Fatal(err)
	}
	one, err := Over(parts[:1], 0.95)
	if err != nil {
		t.Fatal(err)
	}
	alone, err := Within(parts[0], 0.95)
	if err != nil || one != alone {
		t.Errorf("one stratum: %v and %v, %v", one, alone, err)
	}
	if got.Low < 4.0/153-1e-12 || got.High <= alone.High*100/153 || got.High > 1 {
		t.Errorf("%v", got)
	}
}
