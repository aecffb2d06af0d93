package cli

import (
	"os"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"plumbline/internal/fault"
	"plumbline/verify"
)

// keysOf are the verifier keys that a flag or an argument was given: each a key, or @ and a file that holds one on each
// line, or what a log publishes of its keys.
func keysOf(what string, given []string) (keys []note.Verifier, lines []string, err error) {
	take := func(line string) error {
		key, err := verify.ParseKey(line)
		keys, lines = append(keys, key), append(lines, line)
		return err
	}
	for _, g := range given {
		name, isFile := strings.CutPrefix(g, "@")
		if !isFile {
			if err := take(strings.TrimSpace(g)); err != nil {
				return nil, nil, problemf(fault.Invalid, "%s: %v; copy the whole line, or put it into a file and give @FILE", what, err)
			}
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, nil, &problem{kind: fault.NotFound, text: "cannot read the key", cause: err}
		}
		if published, err := verify.ParseLogKeys(text); err == nil {
			text = []byte(strings.Join(published.Current, "\n")) // the file of GET /log/keys, as it is
		}
		before, n := len(keys), 0
		for line := range strings.Lines(string(text)) {
			n++
			if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
				continue
			}
			if err := take(line); err != nil {
				return nil, nil, problemf(fault.Invalid, "%s %s: line %d: %v", what, g, n, err)
			}
		}
		if len(keys) == before {
			return nil, nil, problemf(fault.Invalid, "%s %s holds no key", what, g)
		}
	}
	return keys, lines, nil
}
