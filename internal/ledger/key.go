package ledger

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	cosign "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"

	"plumbline/verify"
)

// A Key signs the heads of a log. It lives in a file of its own, which only its owner may read, and never in the
// database: whoever steals or restores a database cannot sign for it. It has an Ed25519 half, which every checker of
// C2SP checkpoints knows, and an ML-DSA-44 half, which holds out against quantum computers (C2SP
// tlog-cosignature). After a rotation the file holds the key before as well, and both sign until that is retired.
type Key struct {
	path        string
	origin      string
	generations []generation // the newest first
}

// generation is one key: its two halves.
type generation struct {
	secrets []string // as the file holds them
	signers []note.Signer
	vkeys   []string
}

const keyHeader = `# The key of a Plumbline log. Whoever holds it can sign in the name of this office: show it to nobody,
# keep a copy of this file where no copy of the database is, and never use it for a second database.
`

// CheckOrigin tells whether a log may be called so: the name stands in every checkpoint and never changes.
func CheckOrigin(origin string) error {
	if len(origin) > 200 || strings.ContainsFunc(origin, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '+' }) || origin == "" {
		return fmt.Errorf("%q cannot be the name of a log: it is up to 200 letters, digits and signs without spaces and +, best the address of the office's log without https://", origin)
	}
	return nil
}

// NewKey makes a key in a new file. A file that is there already is never touched: the error is then fs.ErrExist.
func NewKey(path, origin string) (*Key, error) {
	g, err := newGeneration(origin)
	if err != nil {
		return nil, err
	}
	k := &Key{path: path, origin: origin, generations: []generation{g}}
	return k, writeNew(path, k.text())
}

func newGeneration(origin string) (g generation, err error) {
	if err := CheckOrigin(origin); err != nil {
		return g, err
	}
	classic, _, err := note.GenerateKey(rand.Reader, origin)
	if err != nil {
		return g, fmt.Errorf("ledger: make a key: %w", err)
	}
	lasting, vkey, err := cosign.GenerateMLDSAKey(origin)
	if err != nil {
		return g, fmt.Errorf("ledger: make a key: %w", err)
	}
	return readGeneration([]string{classic, lasting}, []string{vkey})
}

// readGeneration makes signers of private keys. Those whose public key does not follow from them need it among vkeys.
func readGeneration(secrets, vkeys []string) (g generation, err error) {
	g.secrets = secrets
	for _, secret := range secrets {
		raw := keyBytes(secret)
		var s note.Signer
		var vkey string
		if isClassic(secret) {
			if s, err = note.NewSigner(secret); err == nil {
				vkey, err = note.NewEd25519VerifierKey(s.Name(), ed25519.NewKeyFromSeed(raw[1:]).Public().(ed25519.PublicKey))
			}
		} else if s, err = cosign.NewMLDSASigner(secret); err == nil {
			for _, v := range vkeys {
				if strings.HasPrefix(v, fmt.Sprintf("%s+%08x+", s.Name(), s.KeyHash())) {
					vkey = v
				}
			}
		}
		if err == nil {
			err = signsFor(s, vkey)
		}
		if err != nil {
			return g, fmt.Errorf("a line does not hold a whole key: %w", err)
		}
		g.signers, g.vkeys = append(g.signers, s), append(g.vkeys, vkey)
	}
	return g, nil
}

// signsFor checks that a public key belongs to a private one, by a signature over nothing anybody would sign.
func signsFor(s note.Signer, vkey string) error {
	v, err := verify.ParseKey(vkey)
	if err != nil {
		return err
	}
	probe := verify.Checkpoint{Origin: "probe", Root: verify.EmptyRoot()}.Text()
	sig, err := s.Sign([]byte(probe))
	if err != nil {
		return err
	}
	if v.Name() != s.Name() || v.KeyHash() != s.KeyHash() || !v.Verify([]byte(probe), sig) {
		return errors.New("its public half belongs to another key")
	}
	return nil
}

// ErrExposed says that others can read the key.
var ErrExposed = errors.New("the key can be read by other users of this machine")

// OpenKey reads a key. It refuses a file that others can read: the key may be known to them, and is replaced (rotated)
// rather than hidden again.
func OpenKey(path string) (*Key, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("ledger: open the key: %w", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("ledger: open the key: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" {
		return nil, fmt.Errorf("ledger: %s: %w (%s)", path, ErrExposed, mode)
	}
	var b bytes.Buffer
	if _, err := b.ReadFrom(f); err != nil {
		return nil, fmt.Errorf("ledger: read the key: %w", err)
	}
	k, err := parseKey(b.String())
	if err != nil {
		return nil, fmt.Errorf("ledger: %s: %w", path, err)
	}
	k.path = path
	return k, nil
}

func parseKey(text string) (*Key, error) {
	var secrets [][]string
	var vkeys []string
	for _, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#':
		case !strings.HasPrefix(line, "PRIVATE+KEY+"):
			vkeys = append(vkeys, line)
		case isClassic(line): // the first half of a key
			secrets = append(secrets, []string{line})
		case len(secrets) == 0:
			return nil, errors.New("the first key has no Ed25519 half")
		default:
			last := len(secrets) - 1
			secrets[last] = append(secrets[last], line)
		}
	}
	k := &Key{}
	for _, s := range secrets {
		g, err := readGeneration(s, vkeys)
		if err != nil {
			return nil, err
		}
		for _, signer := range g.signers {
			if k.origin == "" {
				k.origin = signer.Name()
			}
			if signer.Name() != k.origin {
				return nil, fmt.Errorf("holds keys of two logs, %s and %s", k.origin, signer.Name())
			}
		}
		k.generations = append(k.generations, g)
	}
	if len(k.generations) == 0 {
		return nil, errors.New("holds no key")
	}
	return k, nil
}

// isClassic tells an Ed25519 key from others.
func isClassic(secret string) bool {
	raw := keyBytes(secret)
	return len(raw) == 1+ed25519.SeedSize && raw[0] == 1 // C2SP signed-note, "Signature types"
}

// keyBytes returns the kind and the bytes of PRIVATE+KEY+name+id+bytes, nil if there are none.
func keyBytes(secret string) []byte {
	parts := strings.SplitN(secret, "+", 5)
	raw, err := base64.StdEncoding.DecodeString(parts[len(parts)-1])
	if err != nil || len(parts) != 5 {
		return nil
	}
	return raw
}

func (k *Key) text() []byte {
	var b strings.Builder
	b.WriteString(keyHeader)
	for i, g := range k.generations {
		if i > 0 {
			b.WriteString("# The key before, which signs too until it is retired.\n")
		}
		for _, s := range append(append([]string{}, g.secrets...), g.vkeys...) {
			b.WriteString(s + "\n")
		}
	}
	return []byte(b.String())
}

// Path is where the key lies.
func (k *Key) Path() string { return k.path }

// Origin is the name of the log that the key signs for.
func (k *Key) Origin() string { return k.origin }

// Public returns the newest key as verifier keys, the Ed25519 one first.
func (k *Key) Public() []string { return k.generations[0].vkeys }

// Before returns the keys before the newest that still sign, the newest of them first.
func (k *Key) Before() [][]string {
	var out [][]string
	for _, g := range k.generations[1:] {
		out = append(out, g.vkeys)
	}
	return out
}

// Rotate puts a new key in front of those in the file.
func (k *Key) Rotate() (*Key, error) {
	g, err := newGeneration(k.origin)
	if err != nil {
		return nil, err
	}
	next := &Key{path: k.path, origin: k.origin, generations: append([]generation{g}, k.generations...)}
	return next, writeOver(k.path, next.text())
}

// Retire drops every key but the newest from the file.
func (k *Key) Retire() (*Key, error) {
	next := &Key{path: k.path, origin: k.origin, generations: k.generations[:1]}
	return next, writeOver(k.path, next.text())
}

// sign signs a checkpoint with every key in the file.
func (k *Key) sign(c verify.Checkpoint) ([]byte, error) {
	var all []note.Signer
	for _, g := range k.generations {
		all = append(all, g.signers...)
	}
	signed, err := note.Sign(&note.Note{Text: c.Text()}, all...)
	if err != nil {
		return nil, fmt.Errorf("ledger: sign: %w", err)
	}
	return signed, nil
}

// The last checkpoint that was ever signed with a key lies beside it, so that a key never signs two histories, even
// when the database was restored from a backup.
func (k *Key) headPath() string { return HeadPath(k.path) }

// HeadPath is where the last signed checkpoint of the key at path lies.
func HeadPath(path string) string { return path + ".head" }

// ReadHead returns the last checkpoint signed with the key at path; false if it has signed none. Its signature is not
// checked: whoever could forge the file could as well put an older one in its place.
func ReadHead(path string) (c verify.Checkpoint, signed []byte, ok bool, err error) {
	signed, err = os.ReadFile(HeadPath(path))
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil, false, nil
	}
	if err != nil {
		return c, nil, false, fmt.Errorf("ledger: %w", err)
	}
	if c, err = noteText(signed); err != nil {
		return c, nil, false, fmt.Errorf("ledger: %s: %w", HeadPath(path), err)
	}
	return c, signed, true, nil
}

// noteText reads the checkpoint in a signed note without checking any signature.
func noteText(signed []byte) (verify.Checkpoint, error) {
	end := bytes.Index(signed, []byte("\n\n"))
	if end < 0 {
		return verify.Checkpoint{}, errors.New("is no signed checkpoint")
	}
	return verify.ParseCheckpoint(string(signed[:end+1]))
}

// ReadCheckpoint reads a signed checkpoint without checking any signature, and who is said to have signed it.
func ReadCheckpoint(signed []byte) (c verify.Checkpoint, signers []string, err error) {
	if c, err = noteText(signed); err != nil {
		return c, nil, fmt.Errorf("ledger: the checkpoint %w", err)
	}
	_, lines, _ := strings.Cut(string(signed), "\n\n")
	for line := range strings.Lines(lines) {
		if rest, ok := strings.CutPrefix(line, "— "); ok {
			name, _, _ := strings.Cut(rest, " ")
			if !slices.Contains(signers, name) {
				signers = append(signers, name)
			}
		}
	}
	return c, signers, nil
}

// writeNew creates a file wholly or not at all, and never in the place of another.
func writeNew(path string, content []byte) error {
	return write(path, content, func(temporary string) error {
		err := os.Link(temporary, path) // unlike a rename, it fails where there is a file already
		return errors.Join(err, os.Remove(temporary))
	})
}

// writeOver replaces a file wholly or not at all.
func writeOver(path string, content []byte) error {
	return write(path, content, func(temporary string) error { return os.Rename(temporary, path) })
}

func write(path string, content []byte, place func(temporary string) error) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".logkey-") // readable by its owner alone
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return fmt.Errorf("ledger: %w", errors.Join(err, os.Remove(f.Name())))
	}
	if err := place(f.Name()); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	return syncDir(dir)
}

// syncDir makes the name of a new file last.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	return nil
}
