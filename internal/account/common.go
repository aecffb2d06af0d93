package account

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"io"
	"math"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// A password is refused that others would try among the first: one that was lost often, and one made of such in the ways
// that people make them, as a common word or two, doubled or joined, a row of the keyboard, a year, a sign at the end,
// letters written as numbers. So it is taken apart into pieces, and refused if they leave less than guessBits of choice. What a
// word is worth is its rank, as in Wheeler, "zxcvbn: Low-Budget Password Strength Estimation" (USENIX Security 2016).
const guessBits = 40

// common.txt is a list of our own, in no order; it knows what people here and in other languages begin with.
//
//go:embed common.txt
var commonText string

// breached.txt.gz is what was lost most often, in that order; scripts/breached.sh writes it.
//
//go:embed breached.txt.gz
var breachedText []byte

// shortestBreached is the length from which a lost password counts as a piece of another. Shorter ones are in everything.
const shortestBreached = 5

// vocabulary is how many bits of choice each known word leaves, and the length of the longest, in characters. It is made
// when a password is chosen for the first time: most runs of the program never need it.
var vocabulary = sync.OnceValues(func() (bits map[string]float64, longest int) {
	bits = map[string]float64{}
	known := func(word string, worth float64) {
		if was, ok := bits[word]; !ok || worth < was {
			bits[word] = worth
		}
		longest = max(longest, utf8.RuneCountInString(word))
	}
	var own []string
	for line := range strings.Lines(commonText) {
		if !strings.HasPrefix(line, "#") {
			own = append(own, strings.Fields(line)...)
		}
	}
	for _, word := range own {
		known(word, math.Log2(float64(len(own))))
	}
	r, err := gzip.NewReader(bytes.NewReader(breachedText))
	if err != nil {
		panic(err) // it is part of the program
	}
	lost, err := io.ReadAll(r)
	if err != nil {
		panic(err) // as above
	}
	rank := 1
	for line := range strings.Lines(string(lost)) {
		if word := strings.TrimSuffix(line, "\n"); !strings.HasPrefix(line, "# ") && line != "#\n" {
			rank++
			if utf8.RuneCountInString(word) >= shortestBreached {
				known(word, math.Log2(float64(rank)))
			}
		}
	}
	return bits, longest
})

// walks are ways along a keyboard and orders that everybody knows; they are walked backwards too.
var walks = func() (out []string) {
	for _, w := range []string{
		"qwertyuiop[]", "asdfghjkl;'", "zxcvbnm,./", "qwertzuiop", "azertyuiop", "1234567890-=", "!@#$%^&*()_+", "abcdefghijklmnopqrstuvwxyz",
		"1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9ol.0p;/", "1q2w3e4r5t6y7u8i9o0p", "q1w2e3r4t5y6u7i8o9p0", "qazwsxedcrfvtgbyhnujmikolp", "zaq1xsw2cde3vfr4bgt5nhy6mju7",
		"qweasdzxc", "123qweasdzxc", "147258369", "741852963", "147852369", "159357", "a1b2c3d4e5f6g7h8", "aabbccddeeffgg", "112233445566778899", "24681012141618", "13579111315",
	} {
		r := []rune(w)
		for i, j := 0, len(r)-1; i < j; i, j = i+1, j-1 {
			r[i], r[j] = r[j], r[i]
		}
		out = append(out, w, string(r))
	}
	return out
}()

// leet is how letters are written as numbers and signs.
var leet = strings.NewReplacer("0", "o", "1", "i", "3", "e", "4", "a", "5", "s", "7", "t", "@", "a", "$", "s", "!", "i", "€", "e")

// isCommon reports whether a password in lower case is among the first that anybody would try.
func isCommon(low string) bool {
	best := bitsOf(low)
	if plain := leet.Replace(low); plain != low {
		best = min(best, bitsOf(plain)+2)
	}
	return best < guessBits
}

// bitsOf estimates how much choice there is in a text, at most: the cheapest way to put it together.
func bitsOf(text string) float64 {
	r := []rune(text)
	// Nothing but repetition is as good as what is repeated.
	for block := 1; block <= len(r)/2; block++ {
		if len(r)%block == 0 && text == strings.Repeat(string(r[:block]), len(r)/block) {
			return bitsOf(string(r[:block])) + 2
		}
	}
	words, longest := vocabulary()
	cost := make([]float64, len(r)+1)
	for i := range r {
		cost[i+1] = cost[i] + bitsOfRune(r[i])
		for from := max(0, i+1-max(longest, 24)); from <= i; from++ {
			piece := string(r[from : i+1])
			n := i + 1 - from
			if word, ok := words[piece]; ok && n >= 2 {
				cost[i+1] = min(cost[i+1], cost[from]+word)
			}
			switch {
			case n >= 3 && (walked(piece) || same(r[from:i+1])):
				cost[i+1] = min(cost[i+1], cost[from]+7)
			case n == 4 && isYear(piece):
				cost[i+1] = min(cost[i+1], cost[from]+7)
			}
		}
	}
	return cost[len(r)]
}

func bitsOfRune(c rune) float64 {
	switch {
	case c >= '0' && c <= '9':
		return 3.3
	case c < 128 && unicode.IsLetter(c):
		return 4.3
	case c == ' ':
		return 1
	case c < 128:
		return 4
	}
	return 8
}

func walked(piece string) bool {
	for _, w := range walks {
		if strings.Contains(w, piece) {
			return true
		}
	}
	return false
}

func same(r []rune) bool {
	for _, c := range r {
		if c != r[0] {
			return false
		}
	}
	return true
}

func isYear(s string) bool {
	return (s[:2] == "19" || s[:2] == "20") && s[2] >= '0' && s[2] <= '9' && s[3] >= '0' && s[3] <= '9'
}
