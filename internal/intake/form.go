package intake

import (
	"bytes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"golang.org/x/crypto/chacha20poly1305"
)

// A Draft is a report that somebody is writing: what they have answered so far, and where they are. The office keeps
// nothing of it. It lies in the pages of the form alone, sealed, so that neither a proxy that looks into a page, nor a
// browser's store of form contents, nor whoever finds the page open later, reads there what is not on the screen.
type Draft struct {
	Secret  string     `json:"s"`           // see NewDraft: the receipt code comes from it
	At      string     `json:"a,omitempty"` // the question on the page
	From    string     `json:"f,omitempty"` // "check": the question was opened to change its answer
	Shown   []string   `json:"q,omitempty"` // the questions that were there to check, when an answer is changed
	Answers url.Values `json:"v,omitempty"` // but for those that stand on the page
	Pack    string     `json:"-"`           // the rules the questions come from; stands in front of the seal and is bound to it
}

// DraftLives is how long a page of the form can lie open before it is too old to be sent. Each page begins it anew.
const DraftLives = 24 * time.Hour

// ErrDraft is returned for a draft that was changed on the way, or that another form or another office sealed; ErrOld for one
// that is older than a day.
var (
	ErrDraft = errors.New("intake: this draft cannot be opened")
	ErrOld   = errors.New("intake: this draft is too old")
)

// Forms seals drafts and opens them again. The key is the office's own; every instance of one office has the same.
type Forms struct {
	aead cipher.AEAD
	now  func() time.Time
}

// NewForms returns the forms of an office: key has 32 random bytes, and seals nothing else.
func NewForms(key []byte, now func() time.Time) *Forms {
	sum := sha256.Sum256(append([]byte("plumbline report form\x00"), key...))
	aead, err := chacha20poly1305.NewX(sum[:])
	if err != nil {
		panic(err) // the key has the right length
	}
	return &Forms{aead: aead, now: now}
}

// draftV1 is how a sealed draft begins: the version, the pack, and the sealed part, with dots between them.
const draftV1 = "1"

// smallest is the smallest size that a draft is padded to; from there sizes double. So the size of a request does not tell
// whether somebody has written ten words or a hundred.
const smallest = 2 << 10

func sizeClass(n int) int {
	size := smallest
	for size < n {
		size *= 2
	}
	return size
}

// Seal seals a draft of a kind of report, for a page that is shown now.
func (f *Forms) Seal(kind string, d Draft) (string, error) {
	content, err := json.Marshal(d)
	if err != nil {
		return "", fmt.Errorf("intake: seal draft: %w", err)
	}
	const head = 8 + 4 // when, and how long
	plain := make([]byte, sizeClass(head+len(content)))
	binary.BigEndian.PutUint64(plain, uint64(f.now().Unix()))   //nolint:gosec // after 1970
	binary.BigEndian.PutUint32(plain[8:], uint32(len(content))) //nolint:gosec // a request holds a megabyte at most
	copy(plain[head:], content)
	nonce := make([]byte, f.aead.NonceSize(), f.aead.NonceSize()+len(plain)+f.aead.Overhead())
	if _, err := rand.Read(nonce); err != nil {
		return "", fmt.Errorf("intake: seal draft: %w", err)
	}
	sealed := f.aead.Seal(nonce, nonce, plain, boundTo(kind, d.Pack))
	return draftV1 + "." + base64.RawURLEncoding.EncodeToString([]byte(d.Pack)) + "." + base64.RawURLEncoding.EncodeToString(sealed), nil
}

// Open opens a draft of a kind of report. A draft that was sealed for another kind, or whose pack was changed, is none.
func (f *Forms) Open(kind, s string) (Draft, error) {
	version, rest, _ := strings.Cut(s, ".")
	of, body, ok := strings.Cut(rest, ".")
	if !ok || version != draftV1 {
		return Draft{}, ErrDraft
	}
	name, err1 := base64.RawURLEncoding.Strict().DecodeString(of)
	sealed, err2 := base64.RawURLEncoding.Strict().DecodeString(body)
	if err1 != nil || err2 != nil || len(sealed) < f.aead.NonceSize() {
		return Draft{}, ErrDraft
	}
	nonce, box := sealed[:f.aead.NonceSize()], sealed[f.aead.NonceSize():]
	plain, err := f.aead.Open(nil, nonce, box, boundTo(kind, string(name)))
	if err != nil || len(plain) < 12 {
		return Draft{}, ErrDraft
	}
	made, n := binary.BigEndian.Uint64(plain), int(binary.BigEndian.Uint32(plain[8:]))
	if n > len(plain)-12 {
		return Draft{}, ErrDraft // only somebody with the key could make it
	}
	if age := f.now().Unix() - int64(made); age > int64(DraftLives/time.Second) { //nolint:gosec // made by Seal
		return Draft{}, ErrOld
	}
	var d Draft
	dec := json.NewDecoder(bytes.NewReader(plain[12 : 12+n]))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&d); err != nil || !IsDraft(d.Secret) {
		return Draft{}, ErrDraft
	}
	d.Pack = string(name)
	return d, nil
}

// boundTo is what a sealed draft belongs to: it opens nowhere else.
func boundTo(kind, pack string) []byte {
	return []byte("plumbline draft 1\x00" + kind + "\x00" + pack)
}
