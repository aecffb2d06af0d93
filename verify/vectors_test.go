package verify

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/mldsa"
)

//go:generate go test -run ^TestOurVectors -update .

var update = flag.Bool("update", false, "write testdata/vectors again")

// The vectors are for other implementations too: README.md says what is in them. They follow from this file alone, so
// that a change of the format shows as a change of them.
type (
	commitmentVector struct {
		Secret     []byte `json:"secret"`
		StepSalt   []byte `json:"step_salt"`
		WholeSalt  []byte `json:"whole_salt"`
		Step       string `json:"step"`
		Entry      string `json:"entry"`
		StepHash   Hash   `json:"step_hash"`
		WholeHash  Hash   `json:"whole_hash"`
		Commitment Hash   `json:"commitment"`
		Leaf       Hash   `json:"leaf"`
	}
	stepVector struct {
		Name  string `json:"name"`
		Entry string `json:"entry"`
		Text  string `json:"text,omitempty"` // empty: no step can be read from the entry
		Step  *Step  `json:"step,omitempty"`
	}
	textVector struct {
		Name string `json:"name"`
		Text string `json:"text"`
	}
	receiptVector struct {
		Name      string   `json:"name"`
		Logs      []string `json:"logs"`
		Witnesses []string `json:"witnesses"`
		Receipt   string   `json:"receipt"`
		Fragment  string   `json:"fragment,omitempty"`
		Proven    *Proven  `json:"proven,omitempty"`
		Whole     string   `json:"whole,omitempty"` // of the entry the receipt is about, where it is opened

		Said map[string]string `json:"said,omitempty"` // what that entry seals, as far as it is opened
		Flaw *flawVector       `json:"flaw,omitempty"`

		receipt   *Receipt // what it was made from
		breakIt   func(string) string
		breakJSON func(string) string
	}
	flawVector struct {
		Code  string `json:"code"`
		Line  int    `json:"line,omitempty"`
		Entry int    `json:"entry,omitempty"`
	}
	tileVector struct {
		Path  string `json:"path"`
		Level int    `json:"level"` // -1: entries
		N     uint64 `json:"n"`
		Width int    `json:"width"`
	}
)

func seed(name string) []byte {
	s := sha256.Sum256([]byte("plumbline vectors " + name))
	return s[:]
}

// signer signs checkpoints with a key that follows from its seed.
type signer struct {
	vkey string
	line func(text string) string
}

func vkeyOf(name string, kind byte, public []byte) (vkey string, id []byte) {
	key := append([]byte{kind}, public...)
	sum := sha256.Sum256([]byte(name + "\n" + string(key)))
	return fmt.Sprintf("%s+%s+%s", name, hex.EncodeToString(sum[:4]), encode(key)), sum[:4]
}

func sigLine(name string, id, sig []byte) string {
	return "— " + name + " " + encode(append(append([]byte(nil), id...), sig...)) + "\n"
}

func logSigner(name, from string) signer {
	private := ed25519.NewKeyFromSeed(seed(from))
	vkey, id := vkeyOf(name, keyEd25519, private.Public().(ed25519.PublicKey))
	return signer{vkey, func(text string) string { return sigLine(name, id, ed25519.Sign(private, []byte(text))) }}
}

func witnessSigner(name, from string, at uint64) signer {
	private := ed25519.NewKeyFromSeed(seed(from))
	vkey, id := vkeyOf(name, keyCosignEd25519, private.Public().(ed25519.PublicKey))
	return signer{vkey, func(text string) string {
		sig := ed25519.Sign(private, fmt.Appendf(nil, "cosignature/v1\ntime %d\n%s", at, text))
		return sigLine(name, id, append(binary.BigEndian.AppendUint64(nil, at), sig...))
	}}
}

func mldsaSigner(t testing.TB, name, from string, at uint64) signer {
	private, err := mldsa.NewPrivateKey(mldsa.MLDSA44(), seed(from))
	if err != nil {
		t.Fatal(err)
	}
	vkey, id := vkeyOf(name, keyCosignMLDSA, private.PublicKey().Bytes())
	return signer{vkey, func(text string) string {
		c, err := ParseCheckpoint(text)
		if err != nil {
			t.Fatal(err)
		}
		m := append([]byte("subtree/v1\n\x00"), byte(len(name)))
		m = binary.BigEndian.AppendUint64(append(m, name...), at)
		m = append(append(m, byte(len(c.Origin))), c.Origin...)
		m = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(m, 0), c.Size)
		sig, err := private.SignDeterministic(append(m, c.Root[:]...), nil)
		if err != nil {
			t.Fatal(err)
		}
		return sigLine(name, id, append(binary.BigEndian.AppendUint64(nil, at), sig...))
	}}
}

// pastLog is a log of 300 entries, of which we know some.
type pastLog struct {
	entries map[int]string
	steps   map[int]string // where the step committed to is not that of the entry
	leaves  map[int]Hash
}

const (
	origin  = "example.org/office/log"
	pastLen = 300
)

func secretOf(i int) Secret { return Secret(seed(fmt.Sprint("secret ", i))) }

func entryText(stream string, n int, at, action, rest string) string {
	return fmt.Sprintf(`{"v":1,"stream":%q,"n":%d,"at":%q,"by":{"duty":"reporter"},"via":"web","pack":"generic@1.0.0","action":%q%s}`, stream, n, at, action, rest)
}

// What some of the entries seal: with spaces at its end, with several lines and signs, and no object at all.
const (
	saidInFile     = `{"amount":250,"story":"He kept the money from the drawer.\nTwice, 两次, \u202eabc <&>.","witnesses":["Ada","Bo"]}           `
	saidInIdentity = `{"name":"Ada Reporter"}                                        `
	saidInReporter = `It was a Tuesday.`
)

func saltOf(compartment string) Salt { return Salt(seed("salt of " + compartment)) }

// sealedPart is what stands in an entry for what it seals. The ciphertext is for others to make; no reader of a receipt opens it.
func sealedPart(compartment, content string) string {
	return fmt.Sprintf(`{"box":%q,"commitment":%q}`, base64.RawURLEncoding.EncodeToString(seed("box of "+compartment)), CommitSealed(saltOf(compartment), []byte(content)))
}

// saying is a receipt that opens what its entry seals.
func saying(r *Receipt, contents map[string]string) *Receipt {
	r.Opening.Said = map[string]Said{}
	for compartment, content := range contents {
		salt := saltOf(compartment)
		r.Opening.Said[compartment] = Said{Salt: salt[:], Content: []byte(content)}
	}
	return r
}

func newPastLog() *pastLog {
	l := &pastLog{entries: map[int]string{
		2:   entryText("matter/3", 1, "2026-03-02T08:15:00.5Z", "file", `,"fields":{"story":"Seen twice."}`),
		5:   entryText("matter/7", 1, "2026-03-02T09:30:00.123456Z", "file", `,"fields":{"place":"Harbour, gate 3","story":"A \"quoted\" word, 一个词, <&>."},"changes":[{"op":"open","ref":"R-2026-0007"}]`),
		40:  entryText("matter/7", 2, "2026-03-09T23:00:00Z", ActionMissed, `,"changes":[{"op":"clock","id":"acknowledge","state":"missed"}]`),
		41:  entryText("matter/7", 3, "2026-03-10T10:00:00.000001Z", "acknowledge", ""),
		150: entryText("matter/7", 4, "2026-04-01T23:00:00Z", ActionMissed, `,"changes":[{"op":"state","to":"late"},{"op":"clock","id":"screen","state":"missed"},{"op":"clock","id":"other","state":"running"},{"op":"clock","id":"two words","state":"missed"}]`),
		299: entryText("matter/7", 5, "2026-05-01T12:00:00Z", "close", ""),
		10:  entryText("office/log", 1, "2026-03-02T10:00:00Z", "换钥匙 100%", `,"changes":{"not":"a list"}`),
		// What an honest office never does.
		60: entryText("matter/8", 2, "2026-03-12T10:00:00Z", "file", ""),
		61: entryText("matter/8", 1, "2026-03-12T11:00:00Z", "screen", ""),
		62: entryText("matter/8", 2, "2026-03-12T12:00:00Z", "screen", ""),
		63: entryText("matter/8", 300, "2026-03-12T12:00:00Z", "close", ""),
		64: entryText("matter/8", 9, "2026-03-12T12:00:00Z", "close", ""),
		70: entryText("matter/9", 1, "2026-03-13T10:00:00Z", "file", ""),
		71: entryText("matter/9", 2, "2026-03-13T11:00:00Z", "file", ""),
		72: `{"stream":"matter/9","n":3,"at":"2026-03-13T11:00:00Z","action":"file","action":"close"}`,
		73: "not JSON",
		// What is sealed stands there as ciphertext with a commitment.
		200: entryText("matter/20", 1, "2026-04-02T09:00:00Z", "file", `,"fields":{"place":"Mill Street"},"sealed":{"file":`+sealedPart("file", saidInFile)+`,"identity":`+sealedPart("identity", saidInIdentity)+`}`),
		201: entryText("matter/20", 2, "2026-04-02T10:00:00Z", "message", `,"sealed":{"reporter":`+sealedPart("reporter", saidInReporter)+`}`),
		202: entryText("matter/20", 3, "2026-04-02T11:00:00Z", "message", `,"sealed":{"reporter":{"message":"In the clear, as older records have it."},"file":"text","Of another form":`+sealedPart("file", saidInFile)+`}`),
		203: entryText("matter/20", 4, "2026-04-02T12:00:00Z", "message", `,"sealed":{"file":`+sealedPart("file", saidInFile)+`,"file":`+sealedPart("identity", saidInIdentity)+`}`),
		204: entryText("matter/20", 5, "2026-04-02T13:00:00Z", "message", `,"sealed":{"file":{"commitment":"","commitment":"`+CommitSealed(saltOf("file"), []byte(saidInFile)).String()+`"}}`),
	}, steps: map[int]string{
		70: Step{Stream: "matter/9", N: 1, At: time.Date(2026, 3, 13, 9, 0, 0, 0, time.UTC), Action: "file"}.Text(),
		71: "plumbline step v1\nstream matter/9\nn 02\nat 2026-03-13T11:00:00.000000Z\naction file\n",
		72: Step{Stream: "matter/9", N: 3, At: time.Date(2026, 3, 13, 11, 0, 0, 0, time.UTC), Action: "close"}.Text(),
		73: Step{Stream: "matter/9", N: 4, At: time.Date(2026, 3, 13, 11, 0, 0, 0, time.UTC), Action: "close"}.Text(),
	}, leaves: map[int]Hash{}}
	for i := range pastLen {
		c := Hash(seed(fmt.Sprint("commitment ", i)))
		if l.entries[i] != "" {
			c = l.open(i, true).commitment()
		}
		l.leaves[i] = LeafHash(c[:])
	}
	return l
}

func (l *pastLog) step(i int) string {
	if text, ok := l.steps[i]; ok {
		return text
	}
	s, err := StepOf([]byte(l.entries[i]))
	if err != nil {
		panic(err)
	}
	return s.Text()
}

func (l *pastLog) open(i int, whole bool) Opening {
	step, all := secretOf(i).StepSalt(), secretOf(i).WholeSalt()
	o := Opening{Step: Half{Salt: step[:], Content: []byte(l.step(i))}, Whole: Half{Salt: all[:], Content: []byte(l.entries[i])}}
	if !whole {
		h := CommitWhole(all, []byte(l.entries[i]))
		o.Whole = Half{Hash: h[:]}
	}
	return o
}

func (l *pastLog) checkpoint(size int, extensions []string, by ...signer) []byte {
	text := Checkpoint{Origin: origin, Size: uint64(size), Root: rootOf(l.leaves, 0, size), Extensions: extensions}.Text()
	signed := text + "\n"
	for _, s := range by {
		signed += s.line(text)
	}
	return []byte(signed)
}

func (l *pastLog) receipt(i int, whole bool, size int, by []signer, further ...Further) *Receipt {
	for j := range further {
		for _, h := range pathOf(l.leaves, int(further[j].Index), 0, size) {
			further[j].Path = append(further[j].Path, append([]byte(nil), h[:]...))
		}
	}
	return &Receipt{Proof: Proof{Index: uint64(i), Path: pathOf(l.leaves, i, 0, size), Checkpoint: l.checkpoint(size, nil, by...)},
		Opening: l.open(i, whole), Further: further}
}

func (l *pastLog) further(as string, i int, whole bool) Further {
	o := l.open(i, whole)
	return Further{As: as, Index: uint64(i), Opening: &o}
}

func (l *pastLog) closed(i int) Further {
	c := l.open(i, true).commitment()
	return Further{As: AsStep, Index: uint64(i), Commitment: c[:]}
}

func receiptVectors(t testing.TB) []receiptVector {
	l := newPastLog()
	key, older := logSigner(origin, "log key"), logSigner(origin, "older log key")
	stranger := logSigner("example.net/other", "stranger")
	witness, second := witnessSigner("witness.example.com", "witness", 1777716000), witnessSigner("paper.example.com/w", "second witness", 1777716001)
	pq := mldsaSigner(t, origin, "post-quantum log key", 1777715999)
	by := []signer{key}
	logs := []string{key.vkey}
	keys := func(s ...signer) (out []string) {
		for _, k := range s {
			out = append(out, k.vkey)
		}
		return out
	}
	good := func(name string, r *Receipt) receiptVector { return receiptVector{Name: name, Logs: logs, receipt: r} }
	all := l.receipt(5, true, 300, []signer{key, witness, second},
		l.further(AsStep, 299, false), l.further(AsStep, 40, true), l.closed(41), l.further(AsStep, 150, false))
	vectors := []receiptVector{
		good("just filed", l.receipt(5, false, 6, by)),
		good("with what was written", l.receipt(5, true, 300, by)),
		{Name: "all steps, out of order, one of them closed, two witnesses", Logs: logs, Witnesses: keys(witness, second), receipt: all},
		{Name: "a witness that is not known is passed over", Logs: logs, Witnesses: keys(second), receipt: all},
		good("a later step alone: what came before is a gap", l.receipt(150, false, 200, by)),
		{Name: "came forward after the first lead", Logs: logs, receipt: l.receipt(5, false, 50, by, l.further(AsLead, 2, false))},
		{Name: "signed with the old key and the new one", Logs: keys(older, key), receipt: l.receipt(5, false, 6, []signer{older, key})},
		{Name: "signed with the old key, and both are known", Logs: keys(key, older), receipt: l.receipt(5, false, 6, []signer{older})},
		{Name: "keys of several logs are known", Logs: keys(stranger, key), receipt: l.receipt(5, false, 6, by)},
		{Name: "a signature of a kind that is not known is passed over", Logs: logs, receipt: l.receipt(5, false, 6, []signer{key, pq})},
		{Name: "a signature against quantum computers", Logs: keys(pq), receipt: l.receipt(5, false, 6, []signer{key, pq})},
		{Name: "one key stands there twice", Logs: keys(key, key), receipt: l.receipt(5, false, 6, []signer{key, key})},
		good("a name that has to be written with %", l.receipt(10, true, 11, by)),
	}
	single := &pastLog{entries: map[int]string{0: l.entries[5]}, leaves: map[int]Hash{}}
	c := single.open(0, false).commitment()
	single.leaves[0] = LeafHash(c[:])
	vectors = append(vectors, good("the only entry of a log", single.receipt(0, false, 1, by)))
	extended := l.receipt(5, false, 6, by)
	extended.Proof.Checkpoint = l.checkpoint(6, []string{"a line more"}, key)
	vectors = append(vectors, good("a checkpoint with a line more", extended))

	// What an entry seals is opened as its holder wants it.
	both := map[string]string{"file": saidInFile, "identity": saidInIdentity}
	told := saying(l.receipt(200, true, 300, by), both)
	vectors = append(vectors,
		good("what is sealed stays closed", l.receipt(200, true, 300, by)),
		good("what is sealed in one part is opened, the other stays closed", saying(l.receipt(200, true, 300, by), map[string]string{"file": saidInFile})),
		good("all that is sealed is opened", told),
		good("what is sealed has no fields", saying(l.receipt(201, true, 300, by), map[string]string{"reporter": saidInReporter})),
		good("sealed as in older records, and in forms that nobody writes", l.receipt(202, true, 300, by)),
		good("one part stands there twice and seals nothing", l.receipt(203, true, 300, by)),
	)

	// What was changed on the way.
	plain := l.receipt(5, false, 6, []signer{key, witness})
	bad := func(code string, line, entry int, name string, breakIt func(string) string) {
		vectors = append(vectors, receiptVector{Name: name, Logs: logs, receipt: plain, breakIt: breakIt, Flaw: &flawVector{code, line, entry}})
	}
	put := func(old, with string) func(string) string {
		return func(s string) string {
			if !strings.Contains(s, old) {
				panic("nothing to replace: " + old)
			}
			return strings.Replace(s, old, with, 1)
		}
	}
	first, second2 := plain.Proof.Path[0].String(), plain.Proof.Path[1].String()
	bad(FlawNotProof, 0, 0, "empty", func(string) string { return "" })
	bad(FlawNotProof, 0, 0, "a web page", func(string) string { return "<!DOCTYPE html>\n\n" })
	bad(FlawNotProof, 0, 0, "a mark before the text", func(s string) string { return "\ufeff" + s })
	bad(FlawNotProof, 1, 0, "another version of the proof", put("@v1", "@v11"))
	bad(FlawLineEnds, 0, 0, "line ends of another system", func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") })
	bad(FlawSpelling, 3, 0, "a zero before the index", put("index 5", "index 05"))
	bad(FlawSpelling, 3, 0, "a sign before the index", put("index 5", "index +5"))
	bad(FlawSpelling, 3, 0, "no index", put("index 5\n", ""))
	bad(FlawSpelling, 3, 0, "an index that not every language reads", put("index 5", "index 9007199254740992"))
	bad(FlawSpelling, 2, 0, "a line of another kind", put("index 5", "note x\nindex 5"))
	vectors[len(vectors)-1].Flaw.Line = 3
	bad(FlawSpelling, 4, 0, "stray bits in a hash", put(first, first[:42]+string(first[42]+1)+"="))
	bad(FlawSpelling, 4, 0, "a hash without its =", put(first, first[:43]))
	bad(FlawSpelling, 4, 0, "a space after a hash", put(first, first+" "))
	bad(FlawSpelling, 6, 0, "an empty line is missing", put("\n\n", "\n"))
	bad(FlawSpelling, 5, 0, "cut short within the path", func(s string) string { return s[:strings.Index(s, second2)+len(second2)] })
	bad(FlawSpelling, 0, 0, "cut short within the checkpoint", func(s string) string { return s[:len(s)-30] })
	bad(FlawSpelling, 0, 0, "the last line end is missing", func(s string) string { return s[:len(s)-1] })
	bad(FlawSpelling, 0, 0, "something follows", func(s string) string { return s + "more\n" })
	bad(FlawSpelling, 0, 0, "a zero before the size", put("\n6\n", "\n06\n"))
	bad(FlawSpelling, 0, 0, "a control character", put(origin+"\n6", origin+"\u0085\n6"))
	bad(FlawSpelling, 0, 0, "not UTF-8", put(origin+"\n6", origin+"\xff\n6"))
	bad(FlawSpelling, 0, 0, "a signature with stray bits", func(s string) string {
		at := strings.Index(s, "=\n— witness")
		return s[:at-1] + string(s[at-1]+1) + s[at:]
	})
	bad(FlawTooLong, 67, 0, "a path that no tree has", put(first, strings.Repeat(first+"\n", 63)+first))

	// What was changed in the part that opens.
	inside := func(code string, line, entry int, name string, breakIt func(string) string) {
		bad(code, line, entry, name, nil)
		vectors[len(vectors)-1].breakJSON = breakIt
	}
	inside(FlawVersion, 2, 0, "a later version", put(`{"receipt":1`, `{"receipt":2`))
	inside(FlawSpelling, 2, 0, "an earlier version", put(`{"receipt":1`, `{"receipt":0`))
	inside(FlawSpelling, 2, 0, "an unknown member", put(`{"receipt":1`, `{"receipt":1,"more":true`))
	inside(FlawSpelling, 2, 0, "white space", put(`{"receipt":1`, `{"receipt": 1`))
	inside(FlawSpelling, 2, 0, "a member twice", put(`"opening":`, `"opening":{},"opening":`))
	inside(FlawSpelling, 2, 0, "a name in another case", put(`"opening":`, `"Opening":`))
	inside(FlawSpelling, 2, 0, "another order", func(s string) string {
		return `{"opening":` + strings.TrimSuffix(strings.TrimPrefix(s, `{"receipt":1,"opening":`), "}") + `,"receipt":1}`
	})
	inside(FlawSpelling, 2, 0, "an escape that need not be", put(`"step"`, `"st\u0065p"`))
	inside(FlawSpelling, 2, 0, "something after it", func(s string) string { return s + " " })
	inside(FlawSpelling, 2, 0, "an empty list of further steps", func(s string) string { return strings.TrimSuffix(s, "}") + `,"further":[]}` })
	inside(FlawSpelling, 2, 0, "nothing", func(string) string { return "null" })
	inside(FlawSpelling, 2, 0, "a list", func(string) string { return "[]" })
	inside(FlawSpelling, 2, 0, "not JSON", func(string) string { return "receipt" })
	inside(FlawSpelling, 2, 0, "opened and closed at once", put(`{"hash":`, `{"salt":"`+encode(seed("x"))+`","content":"eA==","hash":`))
	inside(FlawSpelling, 2, 0, "a short salt", put(encode(plain.Opening.Step.Salt), "AAAA"))
	inside(FlawSpelling, 2, 0, "no content", put(`,"content":"`+encode(plain.Opening.Step.Content)+`"`, ""))
	inside(FlawClosed, 0, 1, "the step stays closed", func(s string) string {
		h := CommitStep(Salt(plain.Opening.Step.Salt), string(plain.Opening.Step.Content))
		return strings.Replace(s, `{"salt":"`+encode(plain.Opening.Step.Salt)+`","content":"`+encode(plain.Opening.Step.Content)+`"}`, `{"hash":"`+h.String()+`"}`, 1)
	})
	bad(FlawClosed, 0, 0, "a proof that opens nothing", func(s string) string {
		return s[:strings.Index(s, "extra ")] + s[strings.Index(s, "index "):]
	})
	inside(FlawPath, 0, 1, "a step that was changed", put(encode(plain.Opening.Step.Content), encode(bytes.Replace(plain.Opening.Step.Content, []byte("03-02T"), []byte("03-01T"), 1))))
	inside(FlawPath, 0, 1, "another salt", put(encode(plain.Opening.Step.Salt), encode(seed("another salt"))))
	inside(FlawPath, 0, 1, "another hash of the other half", put(encode(plain.Opening.Whole.Hash), encode(seed("another hash"))))

	many := func(code string, entry int, name string, breakIt func(string) string) {
		vectors = append(vectors, receiptVector{Name: name, Logs: logs, Witnesses: keys(witness, second), receipt: all, breakJSON: breakIt, Flaw: &flawVector{Code: code, Entry: entry}})
		if code == FlawSpelling {
			vectors[len(vectors)-1].Flaw.Line = 2
		}
	}
	many(FlawPath, 1, "what was written was changed", put(encode(all.Opening.Whole.Content), encode(bytes.Replace(all.Opening.Whole.Content, []byte("gate 3"), []byte("gate 4"), 1))))
	many(FlawPath, 3, "a further step at another place", put(`"index":40,`, `"index":39,`))
	many(FlawPath, 4, "a commitment that was changed", put(encode(all.Further[2].Commitment), encode(seed("another commitment"))))
	many(FlawPath, 2, "a further step that was changed", put(encode(all.Further[0].Opening.Step.Content), encode(bytes.Replace(all.Further[0].Opening.Step.Content, []byte("close"), []byte("clear"), 1))))
	many(FlawSpelling, 0, "a further step that is no step", put(`"as":"step"`, `"as":"stop"`))
	many(FlawSpelling, 0, "a further step beyond what every language reads", put(`"index":40,`, `"index":9007199254740993,`))
	many(FlawSpelling, 0, "a path of nothing", func(s string) string {
		i := strings.Index(s, `"path":[`) + len(`"path":`)
		return s[:i] + "null" + s[i+strings.Index(s[i:], "]")+1:]
	})
	many(FlawSpelling, 0, "an opening of nothing", put(`"commitment":`, `"opening":null,"commitment":`))

	// What was changed in what is opened of what the entry seals.
	unsaid := func(code string, line, entry int, name string, breakIt func(string) string) {
		vectors = append(vectors, receiptVector{Name: name, Logs: logs, receipt: told, breakJSON: breakIt, Flaw: &flawVector{code, line, entry}})
	}
	saltInFile, saltInIdentity := saltOf("file"), saltOf("identity")
	inFile := `"file":{"salt":"` + encode(saltInFile[:]) + `","content":"` + encode([]byte(saidInFile)) + `"}`
	inIdentity := `"identity":{"salt":"` + encode(saltInIdentity[:]) + `","content":"` + encode([]byte(saidInIdentity)) + `"}`
	unsaid(FlawSaid, 0, 1, "what was sealed was changed", put(encode([]byte(saidInFile)), encode([]byte(strings.Replace(saidInFile, "250", "350", 1)))))
	unsaid(FlawSaid, 0, 1, "a space less at the end of what was sealed", put(encode([]byte(saidInFile)), encode([]byte(strings.TrimSuffix(saidInFile, " ")))))
	unsaid(FlawSaid, 0, 1, "another salt of what was sealed", put(encode(saltInFile[:]), encode(seed("another salt"))))
	unsaid(FlawSaid, 0, 1, "what was sealed in another part", put(inFile, strings.Replace(inIdentity, "identity", "file", 1)))
	unsaid(FlawSaid, 0, 1, "a part that the entry does not have", put(`"identity":{`, `"respondent":{`))
	unsaid(FlawSaid, 0, 1, "a part with the name of a member that every object has", put(inFile+","+inIdentity, strings.Replace(inFile, "file", "constructor", 1)))
	unsaid(FlawSpelling, 2, 0, "parts in another order", put(inFile+","+inIdentity, inIdentity+","+inFile))
	unsaid(FlawSpelling, 2, 0, "a part twice", put(inFile, inFile+","+inFile))
	unsaid(FlawSpelling, 2, 0, "no parts", put(inFile+","+inIdentity, ""))
	unsaid(FlawSpelling, 2, 0, "a list of parts", put(`{`+inFile+","+inIdentity+`}`, `[]`))
	unsaid(FlawSpelling, 2, 0, "a part without a name", put(`"file":`, `"":`))
	unsaid(FlawSpelling, 2, 0, "a part with a name that is none", put(`"file":`, `"__proto__":`))
	unsaid(FlawSpelling, 2, 0, "a part with a number for a name", put(`"file":`, `"7":`))
	unsaid(FlawSpelling, 2, 0, "a part of nothing", put(inFile[len(`"file":`):], `null`))
	unsaid(FlawSpelling, 2, 0, "a part without content", put(`,"content":"`+encode([]byte(saidInFile))+`"`, ``))
	unsaid(FlawSpelling, 2, 0, "a part with empty content", put(encode([]byte(saidInFile)), ``))
	unsaid(FlawSpelling, 2, 0, "a part with a short salt", put(encode(saltInFile[:]), "AAAA"))
	unsaid(FlawSpelling, 2, 0, "a part with a member more", put(inFile, strings.TrimSuffix(inFile, "}")+`,"hash":"AAAA"}`))
	closed := saying(l.receipt(200, false, 300, by), both)
	vectors = append(vectors,
		receiptVector{Name: "what is sealed in an entry that stays closed", Logs: logs, receipt: closed, Flaw: &flawVector{FlawSpelling, 2, 0}},
		receiptVector{Name: "opened, but the part stands there twice", Logs: logs, receipt: saying(l.receipt(203, true, 300, by), map[string]string{"file": saidInFile}), Flaw: &flawVector{FlawSaid, 0, 1}},
		receiptVector{Name: "opened, but the commitment stands there twice", Logs: logs, receipt: saying(l.receipt(204, true, 300, by), map[string]string{"file": saidInFile}), Flaw: &flawVector{FlawSaid, 0, 1}},
		receiptVector{Name: "opened, but the entry holds it in the clear", Logs: logs, receipt: saying(l.receipt(202, true, 300, by), map[string]string{"reporter": saidInReporter}), Flaw: &flawVector{FlawSaid, 0, 1}},
	)
	further := l.further(AsStep, 201, true)
	further.Opening.Said = saying(l.receipt(201, true, 300, by), map[string]string{"reporter": saidInReporter + " "}).Opening.Said
	vectors = append(vectors, receiptVector{Name: "what a further step seals was changed", Logs: logs, receipt: l.receipt(200, true, 300, by, further), Flaw: &flawVector{FlawSaid, 0, 2}})

	// What does not hold in the log.
	bad(FlawPath, 0, 1, "another index", put("index 5", "index 4"))
	bad(FlawPath, 0, 1, "an index beyond the log", put("index 5", "index 6"))
	bad(FlawPath, 0, 1, "a path that is too short", put(first+"\n", ""))
	bad(FlawPath, 0, 1, "a path that is too long", put(first, first+"\n"+first))
	bad(FlawPath, 0, 1, "a path in another order", put(first+"\n"+second2, second2+"\n"+first))
	bad(FlawSignature, 0, 0, "another size", put("\n6\n", "\n7\n"))
	bad(FlawSignature, 0, 0, "another root", put(rootOf(l.leaves, 0, 6).String(), rootOf(l.leaves, 0, 7).String()))
	bad(FlawUnknownLog, 0, 0, "the name of another log", put(origin+"\n6\n", "example.org/other\n6\n"))
	with := func(code string, entry int, name string, logs, witnesses []string, r *Receipt) {
		vectors = append(vectors, receiptVector{Name: name, Logs: logs, Witnesses: witnesses, receipt: r, Flaw: &flawVector{Code: code, Entry: entry}})
	}
	with(FlawUnknownLog, 0, "no key", nil, nil, plain)
	with(FlawUnknownLog, 0, "the key of another log", keys(stranger), nil, plain)
	with(FlawUnsigned, 0, "another key of the same name", keys(older), nil, plain)
	with(FlawUnsigned, 0, "signed by a witness alone", logs, keys(witness), l.receipt(5, false, 6, []signer{witness}))
	forged := l.receipt(5, false, 6, []signer{key})
	forged.Proof.Checkpoint = append(forged.Proof.Checkpoint, witness.line("something else")...)
	with(FlawSignature, 0, "a witness that did not sign this", logs, keys(witness), forged)
	tampered := l.receipt(5, false, 6, []signer{key, pq})
	at := bytes.LastIndexByte(tampered.Proof.Checkpoint, '=') - 5
	tampered.Proof.Checkpoint[at] = map[bool]byte{true: 'B', false: 'A'}[tampered.Proof.Checkpoint[at] == 'A']
	with(FlawSignature, 0, "a signature against quantum computers that was changed", keys(pq), nil, tampered)
	with(FlawStep, 1, "a step in another spelling, recorded so", logs, nil, l.receipt(71, false, 80, by))
	with(FlawDisagree, 1, "the step says another time than the entry", logs, nil, l.receipt(70, true, 80, by))
	with(FlawDisagree, 1, "an entry that says one thing twice", logs, nil, l.receipt(72, true, 80, by))
	with(FlawDisagree, 1, "an entry that cannot be read", logs, nil, l.receipt(73, true, 80, by))
	with(FlawStray, 2, "a step of another matter", logs, nil, l.receipt(5, false, 50, by, l.further(AsStep, 2, false)))
	with(FlawTwice, 2, "one entry twice", logs, nil, l.receipt(5, false, 50, by, l.further(AsStep, 5, false)))
	with(FlawTwice, 2, "two entries with one number", logs, nil, l.receipt(60, false, 80, by, l.further(AsStep, 62, false)))
	with(FlawOrder, 1, "numbers that run backwards", logs, nil, l.receipt(60, false, 80, by, l.further(AsStep, 61, false)))
	with(FlawOrder, 2, "a number that leaves no room for those between", logs, nil, l.receipt(60, false, 80, by, l.further(AsStep, 64, false)))
	with(FlawOrder, 1, "a number larger than its position", logs, nil, l.receipt(63, false, 80, by))
	for i := range vectors {
		vectors[i].finish(t)
	}
	return vectors
}

// finish writes the receipt and what is to come of it. What Marshal refuses to write, because nobody would read it, is
// written by hand.
func (v *receiptVector) finish(t testing.TB) {
	r := *v.receipt
	extra, err := r.extra()
	if err != nil {
		t.Fatalf("%s: %v", v.Name, err)
	}
	if v.breakJSON != nil {
		broken := v.breakJSON(string(extra))
		if broken == string(extra) {
			t.Fatalf("%s: nothing was broken", v.Name)
		}
		extra = []byte(broken)
	}
	p := r.Proof
	p.Extra = extra
	text := string(p.Marshal())
	if v.breakIt != nil {
		broken := v.breakIt(text)
		if broken == text {
			t.Fatalf("%s: nothing was broken", v.Name)
		}
		text = broken
	}
	v.Receipt = base64.StdEncoding.EncodeToString([]byte(text)) // some are no text
	if v.Flaw != nil {
		return
	}
	v.Fragment = Fragment([]byte(text))
	read, err := ParseReceipt([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", v.Name, err)
	}
	proven, err := read.Check(v.trust(t))
	if err != nil {
		t.Fatalf("%s: %v", v.Name, err)
	}
	v.Proven, v.Whole = &proven, string(proven.Entry.Whole)
	for compartment, said := range proven.Entry.Said {
		if v.Said == nil {
			v.Said = map[string]string{}
		}
		v.Said[compartment] = string(said)
	}
}

func (v *receiptVector) trust(t testing.TB) Trust {
	t.Helper()
	var trust Trust
	var err error
	if trust.Logs, err = ParseKeys(strings.Join(v.Logs, "\n")); err != nil {
		t.Fatal(err)
	}
	if trust.Witnesses, err = ParseKeys(strings.Join(v.Witnesses, "\n")); err != nil {
		t.Fatal(err)
	}
	return trust
}

// vectors are the files: what each holds, made anew.
func vectors(t testing.TB) map[string]any {
	l := newPastLog()
	var commitments []commitmentVector
	for _, i := range []int{2, 5, 10, 40, 150} {
		s := secretOf(i)
		step, whole := s.StepSalt(), s.WholeSalt()
		v := commitmentVector{Secret: s[:], StepSalt: step[:], WholeSalt: whole[:], Step: l.step(i), Entry: l.entries[i],
			StepHash: CommitStep(step, l.step(i)), WholeHash: CommitWhole(whole, []byte(l.entries[i]))}
		v.Commitment = Commitment(v.StepHash, v.WholeHash)
		v.Leaf = LeafHash(v.Commitment[:])
		commitments = append(commitments, v)
	}
	var steps []stepVector
	for _, e := range stepEntries {
		v := stepVector{Name: e.Name, Entry: e.Text}
		if s, err := StepOf([]byte(e.Text)); err == nil {
			v.Step, v.Text = &s, s.Text()
		}
		steps = append(steps, v)
	}
	var tiles []tileVector
	for _, tile := range []Tile{{0, 0, 256}, {0, 0, 1}, {0, 273, 112}, {1, 0, 256}, {1, 1, 17}, {2, 0, 1}, {Entries, 0, 15}, {0, 1234067, 256}, {Entries, 1000, 255}, {0, 999, 256}, {63, 0, 1}, {0, maxTile, 256}} {
		tiles = append(tiles, tileVector{tile.Path(), tile.Level, tile.N, tile.Width})
	}
	return map[string]any{"commitments.json": commitments, "receipts.json": receiptVectors(t),
		"steps.json": map[string]any{"of_entries": steps, "no_steps": badSteps},
		"tiles.json": map[string]any{"tiles": tiles, "no_tiles": badTiles}}
}

// stepEntries are entries of all kinds, also such as this program does not write.
var stepEntries = []textVector{
	{"a report", entryText("matter/1", 1, "2026-03-02T08:15:00Z", "file", "")},
	{"a part of a second", entryText("matter/1", 2, "2026-03-02T08:15:00.5Z", "screen", "")},
	{"a time limit that ran out", entryText("matter/1", 3, "2026-03-02T08:15:00.123456Z", ActionMissed, `,"changes":[{"op":"clock","id":"a","state":"missed"}]`)},
	{"two, and other changes of all forms", entryText("matter/1", 3, "2026-03-02T08:15:00Z", ActionMissed, `,"changes":[1,null,"x",[],{},{"op":"clock"},{"op":"clock","id":7,"state":"missed"},{"op":"clock","id":"","state":"missed"},{"op":"clock","id":"b c","state":"missed"},{"op":"clock","id":"a","state":"missed","op":"x"},{"op":"clock","id":"d","state":"running"},{"op":"clock","id":"a","state":"missed"}]`)},
	{"changes that are no list", entryText("matter/1", 3, "2026-03-02T08:15:00Z", ActionMissed, `,"changes":{"op":"clock","id":"a","state":"missed"}`)},
	{"a time limit that another action sets so", entryText("matter/1", 3, "2026-03-02T08:15:00Z", "import", `,"changes":[{"op":"clock","id":"a","state":"missed"}]`)},
	{"names of other scripts and signs", entryText("office/A_b.c@d", 9007199254740991, "9999-12-31T23:59:59.999999Z", "受理 50%\tx\n", "")},
	{"members of other kinds", `{"extra":{"stream":"no"},"action":"a","n":1,"stream":"s","at":"2026-03-02T08:15:00Z","changes":null}`},
	{"names in other cases are other names", `{"Action":"b","action":"a","n":1,"stream":"s","at":"2026-03-02T08:15:00Z","N":2}`},
	{"white space", ` { "action" : "a" , "n" : 1 , "stream" : "s" , "at" : "2026-03-02T08:15:00Z" } `},
	{"escapes", `{"act\u0069on":"\u00e9\ud83d\ude00","n":1,"stream":"s","at":"2026-03-02T08:15:00Z"}`},
	{"none: no JSON", "x"},
	{"none: a list", "[]"},
	{"none: a member twice", `{"action":"a","n":1,"n":1,"stream":"s","at":"2026-03-02T08:15:00Z"}`},
	{"none: a member twice, once with an escape", `{"action":"a","n":1,"\u006e":1,"stream":"s","at":"2026-03-02T08:15:00Z"}`},
	{"none: no stream", `{"action":"a","n":1,"at":"2026-03-02T08:15:00Z"}`},
	{"none: an empty action", `{"action":"","n":1,"stream":"s","at":"2026-03-02T08:15:00Z"}`},
	{"none: a number as text", `{"action":"a","n":"1","stream":"s","at":"2026-03-02T08:15:00Z"}`},
	{"none: a number with a part", `{"action":"a","n":1.0,"stream":"s","at":"2026-03-02T08:15:00Z"}`},
	{"none: zero", `{"action":"a","n":0,"stream":"s","at":"2026-03-02T08:15:00Z"}`},
	{"none: a number that not every language reads", `{"action":"a","n":9007199254740992,"stream":"s","at":"2026-03-02T08:15:00Z"}`},
	{"none: another zone", `{"action":"a","n":1,"stream":"s","at":"2026-03-02T08:15:00+01:00"}`},
	{"none: less than a microsecond", `{"action":"a","n":1,"stream":"s","at":"2026-03-02T08:15:00.1234567Z"}`},
	{"none: no such day", `{"action":"a","n":1,"stream":"s","at":"2026-02-30T08:15:00Z"}`},
	{"none: no such year", `{"action":"a","n":1,"stream":"s","at":"0000-02-28T08:15:00Z"}`},
	{"the first second of all", `{"action":"a","n":1,"stream":"s","at":"0001-01-01T00:00:00Z"}`},
	{"none: no such second", `{"action":"a","n":1,"stream":"s","at":"2026-02-28T08:15:60Z"}`},
	{"none: something follows", `{"action":"a","n":1,"stream":"s","at":"2026-03-02T08:15:00Z"}{}`},
}

var badSteps = []textVector{
	{"empty", ""},
	{"no line end", "plumbline step v1\nstream s\nn 1\nat 2026-03-02T08:15:00.000000Z\naction a"},
	{"another header", "plumbline step v2\nstream s\nn 1\nat 2026-03-02T08:15:00.000000Z\naction a\n"},
	{"a zero before the number", "plumbline step v1\nstream s\nn 01\nat 2026-03-02T08:15:00.000000Z\naction a\n"},
	{"number zero", "plumbline step v1\nstream s\nn 0\nat 2026-03-02T08:15:00.000000Z\naction a\n"},
	{"a number that not every language reads", "plumbline step v1\nstream s\nn 9007199254740992\nat 2026-03-02T08:15:00.000000Z\naction a\n"},
	{"no microseconds", "plumbline step v1\nstream s\nn 1\nat 2026-03-02T08:15:00Z\naction a\n"},
	{"no such day", "plumbline step v1\nstream s\nn 1\nat 2026-02-30T08:15:00.000000Z\naction a\n"},
	{"no such year", "plumbline step v1\nstream s\nn 1\nat 0000-02-28T08:15:00.000000Z\naction a\n"},
	{"a comma in the time", "plumbline step v1\nstream s\nn 1\nat 2026-03-02T08:15:00,000000Z\naction a\n"},
	{"an empty action", "plumbline step v1\nstream s\nn 1\nat 2026-03-02T08:15:00.000000Z\naction \n"},
	{"a space in the action", "plumbline step v1\nstream s\nn 1\nat 2026-03-02T08:15:00.000000Z\naction a b\n"},
	{"lower case after %", "plumbline step v1\nstream s\nn 1\nat 2026-03-02T08:15:00.000000Z\naction %e5\n"},
	{"% where none need be", "plumbline step v1\nstream s\nn 1\nat 2026-03-02T08:15:00.000000Z\naction %41\n"},
	{"% at the end", "plumbline step v1\nstream s\nn 1\nat 2026-03-02T08:15:00.000000Z\naction a%4\n"},
	{"% of no text", "plumbline step v1\nstream s\nn 1\nat 2026-03-02T08:15:00.000000Z\naction %FF\n"},
	{"two spaces between time limits", "plumbline step v1\nstream s\nn 1\nat 2026-03-02T08:15:00.000000Z\naction a\nmissed a  b\n"},
	{"no time limit", "plumbline step v1\nstream s\nn 1\nat 2026-03-02T08:15:00.000000Z\naction a\nmissed\n"},
	{"another order", "plumbline step v1\nn 1\nstream s\nat 2026-03-02T08:15:00.000000Z\naction a\n"},
	{"a line more", "plumbline step v1\nstream s\nn 1\nat 2026-03-02T08:15:00.000000Z\naction a\nmissed a\nmore b\n"},
}

var badTiles = []string{"", "tile", "tile/0", "tile/0/", "tile/0/0", "tile/0/00", "tile/0/0000", "tile/00/000", "tile/64/000", "tile/-1/000",
	"tile/0/x000/001", "tile/0/001/234", "tile/0/x001", "tile/0/x001/x234", "tile/0/000.p/0", "tile/0/000.p/256", "tile/0/000.p/01", "tile/0/000.p/", "tile/0/000.p",
	"tile/entry/000", "/tile/0/000", "tile/0/000/", "tile/0/+01", "tile/0/x036/x028/x797/x018/x963/968", "tile/0/x999/x999/x999/x999/x999/x999/999", "tile/0/000.p/1.p/1", "tile//000"}

// Our own vectors are those that are checked in, and this package finds of each what they say.
func TestOurVectors(t *testing.T) {
	dir := filepath.Join("testdata", "vectors")
	made := vectors(t)
	for name, v := range made {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		e.SetIndent("", " ")
		if err := e.Encode(v); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, name)
		if *update {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		kept, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(kept, b.Bytes()) {
			t.Errorf("%s is not what this package makes; if the format is meant to change: go generate ./verify", name)
		}
	}
	seen := map[string]bool{}
	names := map[string]bool{}
	for _, v := range made["receipts.json"].([]receiptVector) {
		if names[v.Name] {
			t.Errorf("two vectors are called %q", v.Name)
		}
		names[v.Name] = true
		text, err := base64.StdEncoding.DecodeString(v.Receipt)
		if err != nil {
			t.Fatal(err)
		}
		if v.Flaw == nil {
			r, err := ParseReceipt(text)
			if err != nil {
				t.Fatalf("%s: %v", v.Name, err)
			}
			if again, err := r.Marshal(); err != nil || !bytes.Equal(again, text) {
				t.Errorf("%s: reads as something else (%v)", v.Name, err)
			}
			if unpacked, err := ParseFragment(v.Fragment); err != nil || !bytes.Equal(unpacked, text) {
				t.Errorf("%s: the fragment holds something else (%v)", v.Name, err)
			}
			continue
		}
		seen[v.Flaw.Code] = true
		r, err := ParseReceipt(text)
		if err == nil {
			_, err = r.Check(v.trust(t))
		}
		var f *Flaw
		if !errors.As(err, &f) || (flawVector{f.Code, f.Line, f.Entry}) != *v.Flaw {
			t.Errorf("%s: got %v (%+v), want %+v", v.Name, err, f, *v.Flaw)
		}
	}
	for code := range flaws {
		if !seen[code] {
			t.Errorf("no vector has the flaw %q", code)
		}
	}
	for _, v := range badSteps {
		if s, err := ParseStep(v.Text); err == nil {
			t.Errorf("step with %s: reads as %+v", v.Name, s)
		}
	}
	for _, v := range made["steps.json"].(map[string]any)["of_entries"].([]stepVector) {
		if (v.Text == "") != strings.HasPrefix(v.Name, "none: ") {
			t.Errorf("step of an entry with %s: %q", v.Name, v.Text)
		}
		if v.Text == "" {
			continue
		}
		if s, err := ParseStep(v.Text); err != nil || s.Text() != v.Text {
			t.Errorf("step of an entry with %s: %q does not read back: %v", v.Name, v.Text, err)
		}
	}
	for _, v := range made["tiles.json"].(map[string]any)["tiles"].([]tileVector) {
		if tile, err := ParseTilePath(v.Path); err != nil || tile != (Tile{v.Level, v.N, v.Width}) {
			t.Errorf("%s: reads as %+v, %v", v.Path, tile, err)
		}
	}
	for _, path := range badTiles {
		if tile, err := ParseTilePath(path); err == nil {
			t.Errorf("%q: reads as %+v", path, tile)
		}
	}
}

// The worked example of the README is the first of the vectors, and the receipt in it is one of them.
func TestTheExampleInTheReadmeIsRight(t *testing.T) {
	page, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	v := vectors(t)["commitments.json"].([]commitmentVector)[0]
	_, r := vector(t, "just filed")
	proof, err := r.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	_, path, _ := strings.Cut(string(proof), "\nindex ")
	for _, want := range []string{
		"secret      " + encode(v.Secret), "entry       " + v.Entry, fmt.Sprintf("step        %q", v.Step), "step salt   " + encode(v.StepSalt), "whole salt  " + encode(v.WholeSalt),
		"salt        " + Hash(saltOf("file")).String(), "content     " + strings.TrimRight(saidInFile, " "), "commitment  " + CommitSealed(saltOf("file"), []byte(saidInFile)).String(),
		"step hash   " + v.StepHash.String(), "whole hash  " + v.WholeHash.String(), "commitment  " + v.Commitment.String(), "leaf hash   " + v.Leaf.String(), "\nindex " + path,
	} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the README does not say %q", want)
		}
	}
	for code := range flaws {
		if !strings.Contains(string(page), "`"+code+"`") {
			t.Errorf("the README does not name the flaw %q", code)
		}
	}
}
