package exhibit

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

const longestName = 180 // bytes; with what a browser may add, every file system takes it

// CleanName makes of what a sender calls a file a name that can be shown and saved: the last part of a path, without signs
// that steer a terminal or turn the direction of reading, not too long, never empty.
func CleanName(s string) string {
	s = strings.ToValidUTF8(s, "\ufffd")
	if i := strings.LastIndexAny(s, `/\`); i >= 0 {
		s = s[i+1:]
	}
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r), unicode.Is(unicode.Co, r), r == '\u2028', r == '\u2029':
			return -1
		case strings.ContainsRune(`<>:"|?*`, r): // what some systems do not take in names
			return '_'
		case unicode.IsSpace(r):
			return ' '
		}
		return r
	}, s)
	s = strings.TrimSpace(strings.Trim(strings.TrimSpace(s), "."))
	if len(s) > longestName {
		ext := ""
		if i := strings.LastIndexByte(s, '.'); i > 0 && len(s)-i <= 16 {
			ext = s[i:]
		}
		s = s[:longestName-len(ext)]
		for !utf8.ValidString(s) {
			s = s[:len(s)-1]
		}
		s = strings.TrimSpace(s) + ext
	}
	if s == "" {
		return "file"
	}
	return s
}

// String writes an amount of bytes in the unit that fits, as limits are given.
func (a Amount) String() string {
	for _, u := range []struct {
		size Amount
		name string
	}{{1 << 30, "GB"}, {1 << 20, "MB"}, {1 << 10, "kB"}} {
		if a >= u.size {
			text := fmt.Sprintf("%.1f", float64(a)/float64(u.size))
			return strings.TrimSuffix(text, ".0") + "\u00a0" + u.name
		}
	}
	return fmt.Sprintf("%d\u00a0B", int64(a))
}

// SizeClass is what may be told of a size in the clear: the power of ten it lies below, "under 10 MB".
func SizeClass(size int64) string {
	const kb = 1000
	for _, c := range []struct {
		below int64
		name  string
	}{{100 * kb, "100kB"}, {kb * kb, "1MB"}, {10 * kb * kb, "10MB"}, {100 * kb * kb, "100MB"}, {kb * kb * kb, "1GB"}} {
		if size < c.below {
			return "<" + c.name
		}
	}
	return ">=1GB"
}
