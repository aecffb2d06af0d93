package verify

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// What strangers send never makes the program fail, and whatever is accepted has one spelling: read and written again it is
// the same. The corpora stand in testdata/fuzz; scripts/fuzz.sh looks for more.

// seeds are the receipts of the vectors, good and bad.
func seeds(f *testing.F) (out [][]byte) {
	data, err := os.ReadFile(filepath.Join("testdata", "vectors", "receipts.json"))
	if err != nil {
		f.Fatal(err)
	}
	var vectors []receiptVector
	if err := json.Unmarshal(data, &vectors); err != nil {
		f.Fatal(err)
	}
	for _, v := range vectors {
		text, err := base64.StdEncoding.DecodeString(v.Receipt)
		if err != nil {
			f.Fatal(err)
		}
		if len(text) < 1<<13 {
			out = append(out, text)
		}
	}
	if len(out) < 50 {
		f.Fatalf("only %d seeds", len(out))
	}
	return out
}

func FuzzReceipt(f *testing.F) {
	for _, s := range seeds(f) {
		f.Add(s)
	}
	trust := Trust{}
	for _, s := range []signer{logSigner(origin, "log key"), witnessSigner("witness.example.com", "witness", 1777716000)} {
		key, err := ParseKey(s.vkey)
		if err != nil {
			f.Fatal(err)
		}
		trust.Logs, trust.Witnesses = append(trust.Logs, key), append(trust.Witnesses, key)
	}
	l := newPastLog()
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := ParseReceipt(text)
		if err != nil {
			return
		}
		if again, err := r.Marshal(); err != nil || !bytes.Equal(again, text) {
			t.Fatalf("reads as something else: %v\n%q\n%q", err, text, again)
		}
		if unpacked, err := ParseFragment(Fragment(text)); err != nil || !bytes.Equal(unpacked, text) {
			t.Fatalf("the fragment holds something else: %v", err)
		}
		if short, err := r.Short(); err == nil {
			if written, err := short.Marshal(); err != nil {
				t.Fatalf("the short form cannot be written: %v", err)
			} else if _, err := ParseReceipt(written); err != nil {
				t.Fatalf("the short form cannot be read: %v", err)
			}
		}
		proven, err := r.Check(trust)
		if err != nil {
			return
		}
		// What holds must be what the log really says; nobody but this test knows its key.
		for _, e := range append([]Entry{proven.Entry}, proven.Further...) {
			if l.leaves[int(e.Position)-1] != LeafHash(e.Commitment[:]) && proven.Size > 1 {
				t.Fatalf("proves an entry at %d that is not there", e.Position)
			}
		}
	})
}

func FuzzCheckpoint(f *testing.F) {
	for _, s := range seeds(f) {
		if p, err := ParseProof(s); err == nil {
			f.Add(p.Checkpoint)
		}
	}
	f.Add([]byte("example.com/log\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"))
	key, err := ParseKey(logSigner(origin, "log key").vkey)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, signed []byte) {
		if c, err := ParseCheckpoint(string(signed)); err == nil && c.Text() != string(signed) {
			t.Fatalf("%q reads as %q", signed, c.Text())
		}
		c, n, err := OpenCheckpoint(signed, key)
		if err == nil && (c.Text() != n.Text || !bytes.HasPrefix(signed, []byte(n.Text+"\n"))) {
			t.Fatalf("%q is opened as %q", signed, c.Text())
		}
	})
}

func FuzzTile(f *testing.F) {
	for _, path := range append([]string{"tile/0/000.p/2", "tile/entries/000.p/2", "tile/entries/x001/000", "tile/1/x001/x234/067"}, badTiles...) {
		f.Add(path, make([]byte, 64))
		f.Add(path, []byte{0, 1, 'a', 0, 2, 'b', 'c'})
	}
	f.Fuzz(func(t *testing.T, path string, content []byte) {
		tile, err := ParseTilePath(path)
		if err != nil {
			return
		}
		if tile.Path() != path {
			t.Fatalf("%q reads as %q", path, tile.Path())
		}
		if tile.Level != Entries {
			if hashes, err := tile.ParseHashes(content); err == nil && len(hashes) != tile.Width {
				t.Fatalf("%d hashes in %s", len(hashes), path)
			}
			return
		}
		entries, err := tile.ParseBundle(content)
		if err != nil {
			return
		}
		if again, err := MarshalBundle(entries); err != nil || !bytes.Equal(again, content) {
			t.Fatalf("%q reads as %q: %v", content, again, err)
		}
	})
}

func FuzzProof(f *testing.F) {
	f.Add([]byte(proofHeader + "\nextra eA==\nindex 3\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\nexample.com/log\n4\n"))
	f.Add([]byte(proofHeader + "\nindex 0\n\nx"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if p, err := ParseProof(text); err == nil && !bytes.Equal(p.Marshal(), text) {
			t.Errorf("%q reads as %q", text, p.Marshal())
		}
	})
}

func FuzzStep(f *testing.F) {
	for _, v := range badSteps {
		f.Add(v.Text)
	}
	for _, v := range stepEntries {
		f.Add(v.Text)
		if s, err := StepOf([]byte(v.Text)); err == nil {
			f.Add(s.Text())
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		if s, err := ParseStep(text); err == nil && s.Text() != text {
			t.Errorf("%q reads as %q", text, s.Text())
		}
		if s, err := StepOf([]byte(text)); err == nil {
			if again, err := ParseStep(s.Text()); err != nil || again.Text() != s.Text() {
				t.Errorf("the step of %q is %q, which does not read back: %v", text, s.Text(), err)
			}
		}
	})
}

func FuzzFragment(f *testing.F) {
	f.Add(Fragment([]byte("plain")))
	f.Add(fragmentTag)
	f.Add("r1.!")
	f.Fuzz(func(t *testing.T, fragment string) {
		if text, err := ParseFragment(fragment); err == nil {
			if again, err := ParseFragment(Fragment(text)); err != nil || !bytes.Equal(again, text) {
				t.Errorf("%q holds %q, packed again %q: %v", fragment, text, again, err)
			}
		}
	})
}

func FuzzKey(f *testing.F) {
	f.Add(testLogKey)
	f.Add(witnessSigner("witness.example.com", "witness", 0).vkey)
	f.Add(mldsaSigner(f, origin, "post-quantum log key", 0).vkey)
	f.Fuzz(func(t *testing.T, vkey string) {
		if k, err := ParseKey(vkey); err == nil && !validName(k.Name()) {
			t.Errorf("%q is a key of nobody", vkey)
		}
		_, _ = ParseKeys(vkey)
	})
}

func FuzzLogKeys(f *testing.F) {
	vkey := logSigner(origin, "log key").vkey
	_, r := vector(f, "just filed")
	text, err := Keys{Current: []string{vkey}, Rotations: []Receipt{r, r}}.Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(keysHeader + "\n" + vkey + "\n\n"))
	f.Add([]byte(keysHeader + "\n" + vkey + "\n\nrotation 00\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		k, err := ParseLogKeys(text)
		if err != nil {
			return
		}
		if again, err := k.Marshal(); err != nil || !bytes.Equal(again, text) {
			t.Errorf("%q reads as %q: %v", text, again, err)
		}
	})
}
