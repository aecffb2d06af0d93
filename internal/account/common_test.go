package account

import (
	"bytes"
	"compress/gzip"
	"io"
	"strings"
	"testing"
)

// TestNoPasswordOfTheListIsTaken holds every password that was lost often, and is long enough, against the rule.
func TestNoPasswordOfTheListIsTaken(t *testing.T) {
	r, err := gzip.NewReader(bytes.NewReader(breachedText))
	if err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	var listed, long int
	for line := range strings.Lines(string(all)) {
		word := strings.TrimSuffix(line, "\n")
		if word == "#" || strings.HasPrefix(word, "# ") {
			continue
		}
		if listed++; len(word) < passwordMin {
			continue
		}
		long++
		for _, as := range []string{word, strings.ToUpper(word[:1]) + word[1:], word + "1", word + "!", word + "2026", word + word} {
			if err := CheckPassword("", as); err == nil {
				t.Errorf("%s is taken", as)
			}
		}
	}
	if listed < 49_000 || long < 300 {
		t.Errorf("the list holds %d passwords, %d of them long enough: it is not the whole", listed, long)
	}
}
