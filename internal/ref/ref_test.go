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
