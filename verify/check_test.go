package verify

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func vector(t testing.TB, name string) (receiptVector, Receipt) {
	t.Helper()
	for _, v := range receiptVectors(t) {
		if v.Name != name {
			continue
		}
		text, err := decode(v.Receipt)
		if err != nil {
			t.Fatal(err)
		}
		r, err := ParseReceipt(text)
		if err != nil {
			t.Fatal(err)
		}
		return v, r
	}
	t.Fatalf("no vector %q", name)
	return receiptVector{}, Receipt{}
}

const everything = "all steps, out of order, one of them closed, two witnesses"

func TestWhatAReceiptProves(t *testing.T) {
	v, r := vector(t, everything)
	got, err := r.Check(v.trust(t))
	if err != nil {
		t.Fatal(err)
	}
	if got.Origin != origin || got.Size != 300 || got.Root != rootOf(newPastLog().leaves, 0, 300) {
		t.Errorf("log %s, %d entries, root %v", got.Origin, got.Size, got.Root)
	}
	if want := newPastLog().entries[5]; got.Entry.Position != 6 || string(got.Entry.Whole) != want {
		t.Errorf("position %d, entry %q", got.Entry.Position, got.Entry.Whole)
	}
	want := Step{Stream: "matter/7", N: 1, At: time.Date(2026, 3, 2, 9, 30, 0, 123456000, time.UTC), Action: "file"}
	if !reflect.DeepEqual(*got.Entry.Step, want) {
		t.Errorf("step %+v, want %+v", *got.Entry.Step, want)
	}
	var positions []uint64
	var actions []string
	for _, e := range got.Further {
		positions = append(positions, e.Position)
		if e.Step == nil {
			actions = append(actions, "")
		} else {
			actions = append(actions, e.Step.Action)
		}
	}
	if !slices.Equal(positions, []uint64{41, 42, 151, 300}) || !slices.Equal(actions, []string{ActionMissed, "", ActionMissed, "close"}) {
		t.Errorf("further steps %q at %v", actions, positions)
	}
	if want := []Missed{{"acknowledge", 2, 41}, {"screen", 4, 151}, {"two words", 4, 151}}; !slices.Equal(got.Missed, want) {
		t.Errorf("time limits that ran out: %+v, want %+v", got.Missed, want)
	}
	if want := []Gap{{3, 3}}; !slices.Equal(got.Gaps, want) {
		t.Errorf("gaps %+v, want %+v", got.Gaps, want)
	}
	at := time.Unix(1777716000, 0).UTC()
	if len(got.SignedBy) != 1 || got.SignedBy[0].Name != origin || !got.SignedBy[0].At.IsZero() {
		t.Errorf("signed by %+v", got.SignedBy)
	}
	if len(got.Witnesses) != 2 || got.Witnesses[0].Name != "witness.example.com" || !got.Witnesses[0].At.Equal(at) || !got.Witnesses[1].At.Equal(at.Add(time.Second)) {
		t.Errorf("witnesses %+v", got.Witnesses)
	}

	v, r = vector(t, "a later step alone: what came before is a gap")
	if got, err = r.Check(v.trust(t)); err != nil || !slices.Equal(got.Gaps, []Gap{{1, 3}}) || len(got.Missed) != 2 || got.Entry.Whole != nil || len(got.Witnesses) != 0 {
		t.Errorf("a later step alone: %+v, %v", got, err)
	}
	v, r = vector(t, "a signature against quantum computers")
	if got, err = r.Check(v.trust(t)); err != nil || len(got.SignedBy) != 1 || got.SignedBy[0].At.Unix() != 1777715999 {
		t.Errorf("a signature against quantum computers: %+v, %v", got.SignedBy, err)
	}
}

// What an entry seals is proven where its holder opens it, without the spaces that hide its size; and what stays closed is named.
func TestAReceiptShowsWhatWasSealed(t *testing.T) {
	v, r := vector(t, "what is sealed in one part is opened, the other stays closed")
	got, err := r.Check(v.trust(t))
	if err != nil {
		t.Fatal(err)
	}
	e := got.Entry
	if len(e.Said) != 1 || string(e.Said["file"]) != strings.TrimRight(saidInFile, " ") || !slices.Equal(e.Closed, []string{"identity"}) {
		t.Errorf("said %q, closed %q", e.Said, e.Closed)
	}
	answers, err := Fields(e.Said["file"])
	if err != nil || len(answers) != 3 || answers[0].Name != "amount" || string(answers[0].Value) != "250" || answers[2].Name != "witnesses" {
		t.Errorf("field by field: %q, %v", answers, err)
	}
	for name, text := range map[string]string{"a name twice": `{"a":1,"\u0061":2}`, "no object": "[1]", "not UTF-8": "{\"a\":\"\xff\"}", "more": "{} {}"} {
		if answers, err := Fields([]byte(text)); err == nil {
			t.Errorf("%s: read as %q", name, answers)
		}
	}

	v, r = vector(t, "what is sealed stays closed")
	if got, err = r.Check(v.trust(t)); err != nil || got.Entry.Said != nil || !slices.Equal(got.Entry.Closed, []string{"file", "identity"}) {
		t.Errorf("%+v, %v", got.Entry, err)
	}
	v, r = vector(t, "sealed as in older records, and in forms that nobody writes")
	if got, err = r.Check(v.trust(t)); err != nil || got.Entry.Said != nil || got.Entry.Closed != nil {
		t.Errorf("%+v, %v", got.Entry, err)
	}

	// The short form, which a picture carries, keeps it.
	_, r = vector(t, "all that is sealed is opened")
	short, err := r.Short()
	if err != nil || len(short.Opening.Said) != 2 {
		t.Errorf("the short form opens %d parts: %v", len(short.Opening.Said), err)
	}

	// What nobody would read is not written.
	r.Opening.Said = map[string]Said{"File": r.Opening.Said["file"]}
	var f *Flaw
	if _, err := r.Marshal(); !errors.As(err, &f) || f.Code != FlawSpelling {
		t.Errorf("a part with another name is written: %v", err)
	}
}

// Whichever byte of a receipt is changed: it is refused, or it proves the same (a signature that nobody here can check).
func TestNoByteCanBeChanged(t *testing.T) {
	for _, name := range []string{everything, "all that is sealed is opened"} {
		t.Run(name, func(t *testing.T) { noByteCanBeChanged(t, name) })
	}
}

func noByteCanBeChanged(t *testing.T, name string) {
	v, r := vector(t, name)
	trust := v.trust(t)
	want, err := r.Check(trust)
	if err != nil {
		t.Fatal(err)
	}
	text, err := decode(v.Receipt)
	if err != nil {
		t.Fatal(err)
	}
	for i := range text {
		changed := bytes.Clone(text)
		changed[i] ^= 1 << (i % 7)
		for _, text := range [][]byte{changed, text[:i]} {
			r, err := ParseReceipt(text)
			var got Proven
			if err == nil {
				got, err = r.Check(trust)
			}
			var f *Flaw
			if err != nil && !errors.As(err, &f) {
				t.Fatalf("byte %d: the reason is not said: %v", i, err)
			}
			// The name and the id of a witness's key may become those of one that nobody knows.
			if got.Witnesses = want.Witnesses; err == nil && !reflect.DeepEqual(got, want) {
				t.Fatalf("byte %d changed or all after it cut, and it proves something else:\n%s", i, text)
			}
		}
	}
}

// Every flaw says what is wrong and what to do, and where if there is a place.
func TestFlawsAreSaidInWords(t *testing.T) {
	for code, words := range flaws {
		for _, w := range words {
			if len(w) < 10 || strings.HasSuffix(w, ".") {
				t.Errorf("%s: %q", code, w)
			}
		}
	}
	f := &Flaw{Code: FlawPath, Entry: 3, Detail: "position 9 of 8"}
	if want := "further step 2: the entry does not stand in the log where the receipt says (position 9 of 8); the receipt was changed or forged: do not rely on it; use it as it was first saved"; f.Error() != want {
		t.Errorf("%q", f.Error())
	}
}

func TestWhatIsTooLargeIsRefused(t *testing.T) {
	_, r := vector(t, "just filed")
	text, err := r.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	for name, long := range map[string][]byte{
		"a file":       append(bytes.Clone(text), make([]byte, maxProof)...),
		"a checkpoint": append(bytes.Clone(text), bytes.Repeat([]byte("— a AAAAAAAA\n"), maxNote/10)...),
	} {
		r, err := ParseReceipt(long)
		if err == nil {
			_, err = r.Check(Trust{})
		}
		var f *Flaw
		if !errors.As(err, &f) || f.Code != FlawTooLong {
			t.Errorf("%s that is too long: %v", name, err)
		}
	}
	r.Opening.Whole = Half{Salt: make([]byte, 32), Content: make([]byte, maxExtra)}
	if _, err := r.Marshal(); err == nil {
		t.Error("a receipt was written that nobody would read")
	}
	packed := Fragment(make([]byte, maxProof+10))
	var f *Flaw
	if _, err := ParseFragment(packed); !errors.As(err, &f) || f.Code != FlawTooLong {
		t.Errorf("a small address that holds much: %v", err)
	}
}

// What Marshal writes, ParseReceipt reads; what it would not read is not written.
func TestOnlyReadableReceiptsAreWritten(t *testing.T) {
	for name, breakIt := range map[string]func(*Receipt){
		"nothing opened":   func(r *Receipt) { r.Opening = Opening{} },
		"a short salt":     func(r *Receipt) { r.Opening.Step.Salt = []byte{1} },
		"no content":       func(r *Receipt) { r.Opening.Step.Content = nil },
		"the step closed":  func(r *Receipt) { r.Opening.Step = r.Opening.Whole },
		"another relation": func(r *Receipt) { r.Further = []Further{{As: "friend", Commitment: make([]byte, 32)}} },
		"neither nor":      func(r *Receipt) { r.Further = []Further{{As: AsStep}} },
		"a short hash":     func(r *Receipt) { r.Further = []Further{{As: AsStep, Commitment: []byte{1}}} },
		"a short path": func(r *Receipt) {
			r.Further = []Further{{As: AsStep, Commitment: make([]byte, 32), Path: [][]byte{{1}}}}
		},
		"an endless path": func(r *Receipt) {
			r.Further = []Further{{As: AsStep, Commitment: make([]byte, 32), Path: make([][]byte, 64)}}
		},
		"a place too large": func(r *Receipt) { r.Proof.Index = 1 << 53 },
	} {
		_, r := vector(t, "just filed")
		breakIt(&r)
		if text, err := r.Marshal(); err == nil {
			t.Errorf("%s: written as\n%s", name, text)
		}
	}
}

// A QR code holds a receipt: without further steps and long signatures it is short, and proves its entry as before.
func TestAShortReceiptFitsAQRCode(t *testing.T) {
	for _, name := range []string{everything, "a signature against quantum computers"} {
		v, r := vector(t, name)
		short, err := r.Short()
		if err != nil {
			t.Fatal(err)
		}
		written, err := short.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		const room = 2331 // bytes in the largest QR code that mends 15 in 100
		if n := len("https://office.example.org/verify#" + Fragment(written)); n > room {
			t.Errorf("%s: %d bytes, a QR code holds %d", name, n, room)
		}
		key, err := ParseKey(logSigner(origin, "log key").vkey)
		if err != nil {
			t.Fatal(err)
		}
		trust := v.trust(t)
		trust.Logs = append(trust.Logs, key)
		got, err := short.Check(trust)
		if err != nil || got.Entry.Step.N != 1 || len(got.Further) != 0 {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	if _, err := (Receipt{Proof: Proof{Checkpoint: []byte("a\n1\nb\n\n— a " + encode(make([]byte, 400)) + "\n")}}).Short(); err == nil {
		t.Error("a receipt without any short signature was made shorter")
	}
}

func TestKeysAreHeldToTheirId(t *testing.T) {
	vkey := logSigner(origin, "log key").vkey
	for name, wrong := range map[string]string{
		"empty":                  "",
		"no key":                 origin,
		"another name":           "x" + vkey,
		"an id of another":       strings.Replace(vkey, "+", "+0", 1),
		"a letter changed":       vkey[:len(vkey)-3] + "A" + vkey[len(vkey)-2:],
		"cut short":              vkey[:len(vkey)-4],
		"an unknown kind":        unknownKind(),
		"a space within":         strings.Replace(vkey, "example", "exa mple", 1),
		"an id in large letters": strings.ToUpper(vkey),
	} {
		if k, err := ParseKey(wrong); err == nil {
			t.Errorf("%s: %q is a key of %s", name, wrong, k.Name())
		}
	}
	keys, err := ParseKeys("# ours\n\n  " + vkey + "  \r\n" + witnessSigner("w.example.com", "witness", 0).vkey)
	if err != nil || len(keys) != 2 || keys[0].Name() != origin || keys[1].Name() != "w.example.com" {
		t.Errorf("%v, %v", keys, err)
	}
	if _, err := ParseKeys(vkey + "\nnonsense"); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("a wrong line among keys: %v", err)
	}
}

func unknownKind() string { v, _ := vkeyOf("example.com", 9, make([]byte, 32)); return v }
