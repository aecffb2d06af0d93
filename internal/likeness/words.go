package likeness

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// mostTokens is how much of a report is looked at: some forty pages.
const mostTokens = 20_000

// shingles are the small pieces by which texts are compared: pairs of neighbouring words, and pairs of neighbouring
// characters where a script does not part its words. Case, accents' encoding, width and punctuation make no difference.
func shingles(texts []string) map[string]struct{} {
	out := map[string]struct{}{}
	n := 0
	for _, text := range texts {
		last := ""
		for _, w := range tokens(text) {
			if n++; n > mostTokens {
				return out
			}
			if last != "" {
				out[last+" "+w] = struct{}{}
			}
			last = w
		}
	}
	return out
}

// tokens are the words of a text; a character of a script that does not part its words is one by itself.
func tokens(text string) []string {
	var out []string
	var word strings.Builder
	end := func() {
		if word.Len() > 0 {
			out = append(out, word.String())
			word.Reset()
		}
	}
	for _, r := range norm.NFKC.String(strings.ToValidUTF8(text, " ")) {
		switch {
		case unbroken(r):
			end()
			out = append(out, string(r))
		case unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r):
			word.WriteRune(unicode.ToLower(r))
		case r == '\'' || r == '’' || r == '\u00ad': // "didn't" is one word; a soft hyphen is nothing
		default:
			end()
		}
	}
	end()
	return out
}

// unbroken reports whether r belongs to a script that is written without spaces between words.
func unbroken(r rune) bool {
	return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar) && !unicode.IsMark(r)
}
