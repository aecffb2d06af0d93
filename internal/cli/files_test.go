package cli

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"plumbline/verify"
)

func TestSizesAsPeopleWriteThem(t *testing.T) {
	for text, want := range map[string]size{"0": 0, "17": 17, "64kB": 64 << 10, "500MB": 500 << 20, "5 GB": 5 << 30, "1tb": 1 << 40} {
		var got size
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%s: %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "-1", "much", "5PB", "1.5GB", "99999999999GB", "GB"} {
		var got size
		if err := got.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was taken for %d", text, got)
		}
	}
}

// A file is the one of a receipt to the last bit, or it is not.
func TestAFileIsHeldAgainstItsEntry(t *testing.T) {
	dir := t.TempDir()
	write := func(name, data string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	same, other := write("same", "what happened"), write("other", "what happenee")
	var salt verify.Salt
	salt[0] = 7
	c := verify.CommitFile(salt, sha256.Sum256([]byte("what happened")), int64(len("what happened")))
	entry := fmt.Appendf(nil, `{"v":1,"stream":"matter/1","n":2,"action":"attach","fields":{"commitment":"%x","file":"5","size":"<100kB"}}`, c[:])
	text := hex.EncodeToString(salt[:])
	if f, err := checkFile(entry, same, text); err != nil || !f.Same || f.Size != 13 {
		t.Errorf("the file itself: %+v, %v", f, err)
	}
	for name, x := range map[string][2]string{"another file": {other, text}, "another salt": {same, "08" + text[2:]}} {
		if f, err := checkFile(entry, x[0], x[1]); err != nil || f.Same {
			t.Errorf("%s: %+v, %v", name, f, err)
		}
	}
	for name, x := range map[string]struct {
		entry      []byte
		path, salt string
	}{
		"a receipt that does not open its entry": {nil, same, text},
		"an entry that attached nothing":         {[]byte(`{"action":"screen","fields":{"commitment":"00"}}`), same, text},
		"no entry at all":                        {[]byte(`[`), same, text},
		"a salt that is none":                    {entry, same, "12"},
		"a file that is not there":               {entry, filepath.Join(dir, "none"), text},
	} {
		if f, err := checkFile(x.entry, x.path, x.salt); err == nil {
			t.Errorf("%s: %+v", name, f)
		}
	}
}
