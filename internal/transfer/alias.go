package transfer

import (
	"encoding/hex"
	"strings"
	"unicode"
	"unicode/utf8"
)

// CEL knows names of Latin letters, digits and a few signs only, files know columns of every name. Within expressions,
// a column CEL could not name goes by an alias; neither the mapping nor a message ever shows it.

const aliasPrefix = "column__"

// alias is the name of a column as CEL can read it, perhaps in back quotes.
func alias(name string) string {
	for _, r := range name {
		if r >= utf8.RuneSelf || !isNamePart(r) && !strings.ContainsRune(".-/ ", r) {
			return aliasPrefix + hex.EncodeToString([]byte(name))
		}
	}
	return name
}

func unalias(name string) string {
	if text, ok := strings.CutPrefix(name, aliasPrefix); ok {
		if b, err := hex.DecodeString(text); err == nil {
			return string(b)
		}
	}
	return name
}

func isNamePart(r rune) bool {
	return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r)
}

// aliased is an expression with the aliases of the columns it names: of row.`Last, First`, and of names in other letters.
// Texts in quotes stay as they are, and so does the line everything stands in.
func aliased(text string) string {
	var b strings.Builder
	before := rune(0)
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		end := i + size
		switch {
		case r == '\'' || r == '"':
			for end < len(text) && text[end] != byte(r) {
				if text[end] == '\\' {
					end++
				}
				end++
			}
			end = min(end+1, len(text))
			b.WriteString(text[i:end])
		case r == '`':
			n := strings.IndexByte(text[end:], '`')
			if n < 0 {
				b.WriteString(text[i:])
				return b.String()
			}
			name := text[end : end+n]
			end += n + 1
			if a := alias(name); a != name {
				b.WriteString(a)
			} else {
				b.WriteString(text[i:end])
			}
		case isNamePart(r):
			for end < len(text) {
				next, size := utf8.DecodeRuneInString(text[end:])
				if !isNamePart(next) {
					break
				}
				end += size
			}
			if name := text[i:end]; before == '.' {
				b.WriteString(alias(name))
			} else {
				b.WriteString(name)
			}
		default:
			b.WriteString(text[i:end])
		}
		before, i = r, end
	}
	return b.String()
}
