package cli

import (
	"os"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"plumbline/internal/fault"
	"plumbline/verify"
)

// keyLines are the verifier keys that a flag or an argument was given: each a key, or @ and a file that holds one on each
// line, or what a log publishes of its keys.
func keyLines(given []string) (keys []string, err error) {
	for _, g := range given {
		name, isFile := strings.CutPrefix(g, "@")
		if !isFile {
			keys = append(keys, strings.TrimSpace(g))
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, &problem{kind: fault.NotFound, text: "cannot read the key", cause: err}
		}
		if published, err := verify.ParseLogKeys(text); err == nil {
			keys = append(keys, published.Current...) // the file of GET /log/keys, as it is
			continue
		}
		before := len(keys)
		for line := range strings.Lines(string(text)) {
			if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
				keys = append(keys, line)
			}
		}
		if len(keys) == before {
			return nil, problemf(fault.Invalid, "there is no key in %s", name)
		}
	}
	return keys, nil
}

// keysOf are the keys that a flag was given, ready to check signatures.
func keysOf(flag string, given []string) ([]note.Verifier, error) {
	lines, err := keyLines(given)
	if err != nil {
		return nil, err
	}
	out := make([]note.Verifier, len(lines))
	for i, line := range lines {
		if out[i], err = verify.ParseKey(line); err != nil {
			return nil, problemf(fault.Invalid, "%s %s: %v; copy the whole line, or put it into a file and give %s @FILE", flag, line, err, flag)
		}
	}
	return out, nil
}
