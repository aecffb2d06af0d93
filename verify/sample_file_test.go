package verify

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// sampleFiles are the public files of one draw, before and after it was held, and the key of its log: vectors for
// whoever writes another program for them.
func sampleFiles(t testing.TB) (defined, drawn []byte, trust Trust) {
	t.Helper()
	var text [3][]byte
	for i, name := range []string{"defined.json", "drawn.json", "keys.txt"} {
		var err error
		if text[i], err = os.ReadFile("testdata/sampler/" + name); err != nil {
			t.Fatal(err)
		}
	}
	keys, err := ParseKeys(string(text[2]))
	if err != nil {
		t.Fatal(err)
	}
	return text[0], text[1], Trust{Logs: keys}
}

func TestPublicFilesOfADraw(t *testing.T) {
	defined, drawn, trust := sampleFiles(t)
	for name, text := range map[string][]byte{"before": defined, "after": drawn} {
		f, err := ParseSample(text)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		p, err := f.Check(trust)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if p.Defined <= f.Definition.Log.Size || p.Before.Size < p.Defined || (p.Recorded > p.Before.Size) != (name == "after") {
			t.Errorf("%s: %+v", name, p)
		}
	}
}

// Whatever single line of the file is changed, it is noticed: by its form, its proofs or the repeated draw.
func TestNoLineOfADrawCanBeChanged(t *testing.T) {
	_, text, trust := sampleFiles(t)
	lines := bytes.Split(text, []byte("\n"))
	for i, line := range lines {
		if len(bytes.TrimSpace(line)) < 2 {
			continue
		}
		for what, changed := range map[string][]byte{"a sign turned": turn(line), "left out": nil, "doubled": append(append(bytes.Clone(line), '\n'), line...)} {
			other := bytes.Join(append(append(append([][]byte{}, lines[:i]...), changed), lines[i+1:]...), []byte("\n"))
			if bytes.Equal(other, text) {
				continue
			}
			f, err := ParseSample(other)
			if err == nil {
				_, err = f.Check(trust)
			}
			if err == nil {
				t.Errorf("line %d, %s: %q was not noticed", i+1, what, line)
			}
		}
	}
}

// turn changes the last letter or digit of a line.
func turn(line []byte) []byte {
	out := bytes.Clone(line)
	for i := len(out) - 1; i >= 0; i-- {
		switch c := out[i]; {
		case c >= '0' && c < '9', c >= 'a' && c < 'z', c >= 'A' && c < 'Z':
			out[i]++
			return out
		case c == '9', c == 'z', c == 'Z':
			out[i]--
			return out
		}
	}
	return out
}

func TestPopulationsThatAreNoneAreRefused(t *testing.T) {
	commitment := Hash{1}.String()
	for _, tt := range []struct{ name, line string }{
		{"no position", " " + commitment + " all"}, {"position 0", "0 " + commitment + " all"}, {"two spellings of a number", "01 " + commitment + " all"},
		{"no commitment", "1  all"}, {"half a commitment", "1 AAAA all"}, {"no stratum", "1 " + commitment + " "}, {"two strata", "1 " + commitment + " a b"},
		{"a line feed", "1 " + commitment + " a\nb"},
	} {
		if m, err := ParseMember(tt.line); err == nil {
			t.Errorf("%s: %v", tt.name, m)
		}
	}
	for name, lines := range map[string][]string{
		"out of order": {"2 " + commitment + " all", "1 " + commitment + " all"},
		"twice":        {"2 " + commitment + " all", "2 " + commitment + " all"},
	} {
		if _, err := (Sample{Population: lines}).Members(); err == nil {
			t.Errorf("%s: was read", name)
		}
	}
}

// What parses has one spelling, and nothing holds without a key.
func FuzzSample(f *testing.F) {
	defined, drawn, _ := sampleFiles(f)
	f.Add(defined)
	f.Add(drawn)
	f.Add([]byte(strings.ReplaceAll(string(drawn), "\n ", "\n")))
	f.Add([]byte(`{"sample":1}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := ParseSample(text)
		if err != nil {
			return
		}
		again, err := s.Marshal()
		if err != nil || !bytes.Equal(again, text) {
			t.Errorf("%q reads as %q, %v", text, again, err)
		}
		if _, err := s.Check(Trust{}); err == nil {
			t.Errorf("a draw is accepted without the key of any log: %q", text)
		}
	})
}

func FuzzMember(f *testing.F) {
	f.Add("12 47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU= town-office")
	f.Add("0 x ")
	f.Fuzz(func(t *testing.T, line string) {
		if m, err := ParseMember(line); err == nil && m.String() != line {
			t.Errorf("%q reads as %q", line, m)
		}
	})
}
