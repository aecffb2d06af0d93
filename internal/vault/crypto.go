package vault

import (
	"bytes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"
	"golang.org/x/crypto/chacha20poly1305"
)

// derive is HKDF-SHA-256 (RFC 5869) to 32 bytes.
func derive(secret, salt []byte, info string) []byte {
	key, err := hkdf.Key(sha256.New, secret, salt, info, 32)
	if err != nil {
		panic(err) // only an absurd length can fail
	}
	return key
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return b
}

func aead(key []byte) cipher.AEAD {
	a, err := chacha20poly1305.NewX(key)
	if err != nil {
		panic(err) // the key has the right length
	}
	return a
}

// box seals plain under a key that may seal many things: the nonce is random and long enough for that.
func box(key []byte, about string, plain []byte) []byte {
	nonce := random(chacha20poly1305.NonceSizeX)
	return aead(key).Seal(nonce, nonce, plain, []byte(about))
}

// errShut is what does not open with a key: the wrong key, or changed bytes.
var errShut = errors.New("vault: it does not open with this key, or was changed")

func unbox(key []byte, about string, sealed []byte) ([]byte, error) {
	if len(sealed) < chacha20poly1305.NonceSizeX {
		return nil, errShut
	}
	plain, err := aead(key).Open(nil, sealed[:chacha20poly1305.NonceSizeX], sealed[chacha20poly1305.NonceSizeX:], []byte(about))
	if err != nil {
		return nil, errShut
	}
	return plain, nil
}

// A secret is the private half of a key pair as age writes it; symmetric keys are derived from it as well.
type secret string

func newSecret() (secret, *age.HybridRecipient, error) {
	id, err := age.GenerateHybridIdentity()
	if err != nil {
		return "", nil, fmt.Errorf("vault: make a key: %w", err)
	}
	return secret(id.String()), id.Recipient(), nil
}

func (s secret) identity() (*age.HybridIdentity, error) { return age.ParseHybridIdentity(string(s)) }

// key is the symmetric key that belongs to a secret, for one purpose.
func (s secret) key(purpose string) []byte { return derive([]byte(s), nil, "plumbline "+purpose) }

// wrapTo makes an age file of a few bytes, for whoever holds the private half of a recipient.
func wrapTo(r age.Recipient, plain []byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := age.Encrypt(&out, r)
	if err != nil {
		return nil, fmt.Errorf("vault: wrap: %w", err)
	}
	if _, err := w.Write(plain); err != nil {
		return nil, fmt.Errorf("vault: wrap: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("vault: wrap: %w", err)
	}
	return out.Bytes(), nil
}

func unwrap(id age.Identity, sealed []byte) ([]byte, error) {
	r, err := age.Decrypt(bytes.NewReader(sealed), id)
	if err != nil {
		return nil, errShut
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		return nil, errShut
	}
	return plain, nil
}

// ageMagic is how every age file begins: what does not begin so is a box.
var ageMagic = []byte("age-encryption.org/")

// recipient parses the public key of a desk or a person, and remembers it: there are few, and parsing takes a while.
func (v *Vault) recipient(text string) (*age.HybridRecipient, error) {
	if r, ok := v.recipients.Load(text); ok {
		return r.(*age.HybridRecipient), nil
	}
	r, err := age.ParseHybridRecipient(text)
	if err != nil {
		return nil, fmt.Errorf("vault: %w", err)
	}
	v.recipients.Store(text, r)
	return r, nil
}

// Content is one of two forms. Whoever holds the compartment's secret derives the key from it and fresh salt; whoever
// may write and not read makes a fresh key and wraps it to the compartment's recipient. Either way a key seals once, so
// its nonce may be zero.
const (
	formDerived = 1 // 1, salt (32), ciphertext
	formWrapped = 2 // 2, length of the age file (2, big endian), age file, ciphertext
	saltSize    = 32
)

const contentInfo = "plumbline content 1"

func sealOnce(key []byte, about string, plain []byte) []byte {
	return aead(key).Seal(nil, make([]byte, chacha20poly1305.NonceSizeX), plain, []byte(about))
}

func openOnce(key []byte, about string, sealed []byte) ([]byte, error) {
	plain, err := aead(key).Open(nil, make([]byte, chacha20poly1305.NonceSizeX), sealed, []byte(about))
	if err != nil {
		return nil, errShut
	}
	return plain, nil
}

func sealDerived(s secret, about string, plain []byte) []byte {
	salt := random(saltSize)
	out := append([]byte{formDerived}, salt...)
	return append(out, sealOnce(derive([]byte(s), salt, contentInfo), about, plain)...)
}

func sealWrapped(r age.Recipient, fresh []byte, about string, plain []byte) ([]byte, error) {
	file, err := wrapTo(r, fresh)
	if err != nil {
		return nil, err
	}
	out := binary.BigEndian.AppendUint16([]byte{formWrapped}, uint16(len(file))) //nolint:gosec // an age file of 32 bytes has some 1,700
	out = append(out, file...)
	return append(out, sealOnce(derive(fresh, nil, contentInfo), about, plain)...), nil
}

// contentKey returns the key of sealed content and its ciphertext, for whoever holds the secret of its compartment.
func contentKey(s secret, sealed []byte) (key, ciphertext []byte, err error) {
	switch {
	case len(sealed) > 1+saltSize && sealed[0] == formDerived:
		return derive([]byte(s), sealed[1:1+saltSize], contentInfo), sealed[1+saltSize:], nil
	case len(sealed) > 3 && sealed[0] == formWrapped:
		n := int(binary.BigEndian.Uint16(sealed[1:3]))
		if len(sealed) < 3+n {
			return nil, nil, errShut
		}
		id, err := s.identity()
		if err != nil {
			return nil, nil, fmt.Errorf("vault: %w", err)
		}
		fresh, err := unwrap(id, sealed[3:3+n])
		if err != nil {
			return nil, nil, err
		}
		return derive(fresh, nil, contentInfo), sealed[3+n:], nil
	}
	return nil, nil, errShut
}

// afterKey is the ciphertext of sealed content, for whoever has its key from elsewhere.
func afterKey(sealed []byte) ([]byte, error) {
	switch {
	case len(sealed) > 1+saltSize && sealed[0] == formDerived:
		return sealed[1+saltSize:], nil
	case len(sealed) > 3 && sealed[0] == formWrapped:
		if n := int(binary.BigEndian.Uint16(sealed[1:3])); len(sealed) >= 3+n {
			return sealed[3+n:], nil
		}
	}
	return nil, errShut
}
