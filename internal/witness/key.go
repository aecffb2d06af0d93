package witness

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"unicode"
	"unicode/utf8"

	cosign "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"

	"plumbline/verify"
)

// A Key is what a witness cosigns with: an Ed25519 key, which every client knows, and an ML-DSA-44 key, which holds out
// against quantum computers. It lives in a file that only its owner may read.
type Key struct {
	name    string
	signers []note.Signer
	vkeys   []string
	secrets []string
}

const keyHeader = `# The key of a witness. Whoever holds it can cosign in its name: show it to nobody, and use it with one database only.
`

// NewKey makes a key for a witness of the given name.
func NewKey(name string) (*Key, error) {
	if name == "" || len(name) > 255 || !utf8.ValidString(name) ||
		strings.ContainsFunc(name, func(r rune) bool { return r == '+' || unicode.IsSpace(r) || unicode.IsControl(r) }) {
		return nil, fmt.Errorf("%q cannot be the name of a witness: it has no spaces and no +, best an address without https://, such as witness.example.org/w1", name)
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	classic := encodeKey(name, append([]byte{typeCosignEd25519}, public...), append([]byte{typeCosignEd25519}, private.Seed()...))
	lasting, vkey, err := cosign.GenerateMLDSAKey(name)
	if err != nil {
		return nil, err
	}
	return parseKey(classic.secret + "\n" + classic.public + "\n" + lasting + "\n" + vkey + "\n")
}

type encoded struct{ secret, public string }

// encodeKey writes both halves of a key as C2SP signed-note does.
func encodeKey(name string, public, private []byte) encoded {
	sum := sha256.Sum256(append([]byte(name+"\n"), public...))
	id := binary.BigEndian.Uint32(sum[:])
	b64 := base64.StdEncoding.EncodeToString
	return encoded{
		secret: fmt.Sprintf("PRIVATE+KEY+%s+%08x+%s", name, id, b64(private)),
		public: fmt.Sprintf("%s+%08x+%s", name, id, b64(public)),
	}
}

// parseKey reads the file of a key: private keys, each with its verifier key, in any order.
func parseKey(text string) (*Key, error) {
	k := &Key{}
	public := map[string]string{} // name and id → verifier key
	for _, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#':
		case strings.HasPrefix(line, "PRIVATE+KEY+"):
			k.secrets = append(k.secrets, line)
		default:
			v, err := ParseWitnessKey(line)
			if err != nil {
				return nil, err
			}
			public[fmt.Sprintf("%s+%08x", v.Name(), v.KeyHash())] = line
		}
	}
	if len(k.secrets) == 0 {
		return nil, errors.New("holds no key of a witness")
	}
	for _, secret := range k.secrets {
		s, err := cosign.NewSignerForCosignatureV1(secret)
		if err != nil {
			return nil, errors.New("a line does not hold a whole key")
		}
		vkey := public[fmt.Sprintf("%s+%08x", s.Name(), s.KeyHash())]
		if err := belong(s, vkey); err != nil {
			return nil, err
		}
		if k.name == "" {
			k.name = s.Name()
		}
		if s.Name() != k.name {
			return nil, fmt.Errorf("holds keys of two witnesses, %s and %s", k.name, s.Name())
		}
		k.signers, k.vkeys = append(k.signers, s), append(k.vkeys, vkey)
	}
	return k, nil
}

// belong checks that a verifier key is the other half of a signer.
func belong(s note.Signer, vkey string) error {
	v, err := ParseWitnessKey(vkey)
	if err != nil {
		return fmt.Errorf("the public half of the key of %s is missing or broken", s.Name())
	}
	probe := []byte(verify.Checkpoint{Origin: "probe", Root: verify.EmptyRoot()}.Text())
	sig, err := s.Sign(probe)
	if err != nil {
		return err
	}
	if !v.Verify(probe, sig) {
		return fmt.Errorf("the public half of the key of %s belongs to another key", s.Name())
	}
	return nil
}

// Name is the name of the witness.
func (k *Key) Name() string { return k.name }

// Public returns the verifier keys, the Ed25519 one first.
func (k *Key) Public() []string { return append([]string(nil), k.vkeys...) }

// Save writes the key into a new file that only its owner may read. It never replaces a file.
func (k *Key) Save(path string) error {
	var b strings.Builder
	b.WriteString(keyHeader)
	for i := range k.secrets {
		b.WriteString(k.secrets[i] + "\n" + k.vkeys[i] + "\n")
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(b.String())
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(path)) // half a key is none
	}
	if runtime.GOOS == "windows" {
		return nil // folders cannot be flushed there
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

const maxKeyFile = 64 << 10

// OpenKey reads the file of a key, and refuses one that others can read.
func OpenKey(path string) (*Key, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" {
		return nil, fmt.Errorf("%s can be read by other users of this machine (%s): chmod 600 it, or make a new key if somebody may have read it", path, mode)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxKeyFile))
	if err != nil {
		return nil, err
	}
	k, err := parseKey(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return k, nil
}
