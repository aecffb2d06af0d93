package ref

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestReferenceSurvivesHowPeopleTypeIt(t *testing.T) {
	r := ReferenceFor("R", "24601")
	typed := []string{
		string(r),
		strings.ToLower(string(r)),
		strings.ReplaceAll(string(r), "-", ""),
		strings.ReplaceAll(string(r), "-", " "),
		"  " + string(r) + "\n",
		strings.ReplaceAll(string(r), "-", "–"),
	}
	for _, s := range typed {
		got, err := ParseReference(s)
		if err != nil || got != r {
			t.Errorf("ParseReference(%q) = %q, %v, want %q", s, got, err, r)
		}
	}
}

func TestReferenceOfAKeyIsAlwaysTheSame(t *testing.T) {
	if a, b := ReferenceFor("R", "k"), ReferenceFor("R", "k"); a != b {
		t.Errorf("%q and %q for one key", a, b)
	}
	if a, b := ReferenceFor("R", "k"), ReferenceFor("R", "l"); a == b {
		t.Errorf("%q for two keys", a)
	}
}

func TestReadsLettersThatLookAlike(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		code := NewReceiptCode()
		typed := strings.Map(func(r rune) rune {
			switch r {
			case '0':
				return rapid.SampledFrom([]rune("0Oo")).Draw(t, "zero")
			case '1':
				return rapid.SampledFrom([]rune("1IiLl")).Draw(t, "one")
			}
			return r
		}, string(code))
		if got, err := ParseReceiptCode(typed); err != nil || got != code {
			t.Fatalf("ParseReceiptCode(%q) = %q, %v", typed, got, err)
		}
	})
}

// Nobody may be sent to another person's report by a slip of the pen.
func TestOneWrongCharacterIsFound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		code := []byte(NewReceiptCode())
		i := rapid.IntRange(0, len(code)-1).Filter(func(i int) bool { return code[i] != '-' }).Draw(t, "place")
		c := rapid.SampledFrom([]byte(alphabet)).Filter(func(c byte) bool { return c != code[i] }).Draw(t, "wrong")
		code[i] = c
		if got, err := ParseReceiptCode(string(code)); err == nil {
			t.Fatalf("%q accepted as %q", code, got)
		}
	})
}

// A slip of the pen or of the tongue never opens another report: no single wrong character, and no two that changed places,
// beside each other or not, at any place of the code.
func TestEverySlipInAReceiptCodeIsFound(t *testing.T) {
	for range 40 {
		code := strings.ReplaceAll(string(NewReceiptCode()), "-", "")
		tried := 0
		wrong := func(typed []byte) {
			tried++
			if got, err := ParseReceiptCode(string(typed)); err == nil && string(typed) != code {
				t.Fatalf("%s was typed for %s and is taken for %s", typed, code, got)
			}
		}
		for i := range code {
			for _, c := range []byte(alphabet) {
				typed := []byte(code)
				typed[i] = c
				wrong(typed)
			}
			for j := i + 1; j < len(code); j++ {
				typed := []byte(code)
				typed[i], typed[j] = typed[j], typed[i]
				wrong(typed)
			}
		}
		if tried != 21*32+21*20/2 {
			t.Fatalf("%d mistakes tried", tried)
		}
	}
}

// 100 random bits: every one of the 20 characters takes each of the 32 values, and a code made of a secret is as random.
func TestAReceiptCodeIsRandomInEveryPlace(t *testing.T) {
	fresh := func(int) ReceiptCode { return NewReceiptCode() }
	made := func(i int) ReceiptCode { return ReceiptCodeFor([]byte{byte(i), byte(i >> 8)}) }
	for name, next := range map[string]func(int) ReceiptCode{"fresh": fresh, "made of a secret": made} {
		var seen [20][256]int
		for i := range 3200 {
			code := strings.ReplaceAll(string(next(i)), "-", "")
			for j := range seen {
				seen[j][code[j]]++
			}
		}
		for j := range seen {
			for _, c := range []byte(alphabet) {
				if n := seen[j][c]; n < 40 || n > 180 { // 100 expected; further off than that is no chance
					t.Errorf("%s: %c stands %d times at place %d", name, c, n, j)
				}
			}
		}
	}
}

// FuzzReceiptCode: what is read as a code is the code it is written as, however it was typed, and nothing panics.
func FuzzReceiptCode(f *testing.F) {
	f.Add(string(ReceiptCodeFor([]byte("seed"))))
	f.Add(" " + strings.ToLower(strings.ReplaceAll(string(ReceiptCodeFor([]byte("seed"))), "-", " ")) + "\n")
	f.Add("OOOOOOO-IIIIIII-LLLLLLL")
	f.Add("７Ｋ２ＭＱ４Ｘ-0PDWE9R-T3VYA6B")
	f.Add("")
	f.Fuzz(func(t *testing.T, typed string) {
		code, err := ParseReceiptCode(typed)
		if err != nil {
			if code != "" {
				t.Errorf("refused, and %q given all the same", code)
			}
			return
		}
		if again, err := ParseReceiptCode(string(code)); err != nil || again != code {
			t.Errorf("%q is read as %q, %v", code, again, err)
		}
		if g := code.Groups(); len(g) != 3 || len(strings.Join(g, "")) != 21 {
			t.Errorf("groups %q", g)
		}
	})
}

func TestReferencesOfDifferentPrefixesDoNotMix(t *testing.T) {
	r := string(ReferenceFor("R", "k"))
	found := 0
	for c := 'A'; c <= 'Z'; c++ {
		if c == 'R' {
			continue
		}
		if _, err := ParseReference(string(c) + r[1:]); err == nil {
			found++
		}
	}
	if found > 1 {
		t.Errorf("%d other prefixes accepted with the same number", found)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("R-4KX7M-2QHJ8")
	f.Add(string(NewReceiptCode()))
	f.Add("")
	f.Add("ＲR-00000")
	f.Fuzz(func(t *testing.T, s string) {
		if r, err := ParseReference(s); err == nil {
			if again, err := ParseReference(string(r)); err != nil || again != r {
				t.Errorf("%q reads as %q, which reads as %q, %v", s, r, again, err)
			}
		}
		if c, err := ParseReceiptCode(s); err == nil {
			if again, err := ParseReceiptCode(string(c)); err != nil || again != c {
				t.Errorf("a code reads differently the second time")
			}
		}
	})
}

func TestAReceiptCodeForASecret(t *testing.T) {
	one := ReceiptCodeFor([]byte("secret"))
	if again := ReceiptCodeFor([]byte("secret")); again != one {
		t.Errorf("one secret gives %s and %s", one, again)
	}
	if other := ReceiptCodeFor([]byte("secret.")); other == one {
		t.Error("two secrets give one code")
	}
	if parsed, err := ParseReceiptCode(string(one)); err != nil || parsed != one {
		t.Errorf("%s does not read back: %s, %v", one, parsed, err)
	}
	if got := len(one.Groups()); got != 3 {
		t.Errorf("%d groups", got)
	}
}
