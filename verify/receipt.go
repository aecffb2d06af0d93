package verify

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
)

// An Opening is what lets its holder see behind one commitment of the log. Step and Whole each hold either what was
// committed to, with its salt, or the hash alone where that half stays closed.
type Opening struct {
	Step  Half `json:"step"`  // of the text of a Step
	Whole Half `json:"whole"` // of the exact bytes of the entry
	// Said opens what the entry holds only as ciphertext, by the compartment in which it is sealed; nil: nothing of it.
	Said map[string]Said `json:"said,omitempty"`
}

// Said is what an entry seals in one compartment, in the clear, with the salt of the commitment to it that stands in the
// entry (CommitSealed).
type Said struct {
	Salt    []byte `json:"salt"`
	Content []byte `json:"content"` // byte for byte as it was sealed, with the spaces at its end
}

// Half is one half of a commitment: opened (Salt and Content) or closed (Hash alone).
type Half struct {
	Salt    []byte `json:"salt,omitempty"`
	Content []byte `json:"content,omitempty"`
	Hash    []byte `json:"hash,omitempty"`
}

// What a further entry is to the one a receipt is about.
const (
	AsStep = "step" // another entry of the same matter
	AsLead = "lead" // the first hint at an official, for whoever came forward before it
)

// A Further entry stands in a receipt beside the one it is about, proved under the same checkpoint.
type Further struct {
	As         string   `json:"as"` // AsStep or AsLead
	Index      uint64   `json:"index"`
	Path       [][]byte `json:"path"`
	Commitment []byte   `json:"commitment,omitempty"` // where nothing of it is opened
	Opening    *Opening `json:"opening,omitempty"`
}

// A Receipt proves that an entry was recorded, and what its office showed of the steps that followed. As text it is
// a C2SP tlog-proof whose line "extra" holds the openings, so that other programs can check the proof itself.
type Receipt struct {
	Proof   Proof // Extra is what Marshal makes of the rest
	Opening Opening
	Further []Further
}

type extra struct {
	Receipt int       `json:"receipt"` // version of the format, 1
	Opening Opening   `json:"opening"`
	Further []Further `json:"further,omitempty"`
}

// Marshal returns the receipt as the text of a file. It refuses what ParseReceipt would not read.
func (r Receipt) Marshal() ([]byte, error) {
	if f := r.form(); f != nil {
		return nil, fmt.Errorf("receipt: %w", f)
	}
	b, err := r.extra()
	if err != nil {
		return nil, fmt.Errorf("receipt: %w", err)
	}
	p := r.Proof
	p.Extra = b
	if len(b) > maxExtra {
		return nil, fmt.Errorf("receipt: %w", &Flaw{Code: FlawTooLong, Detail: "extra"})
	}
	return p.Marshal(), nil
}

// extra is the JSON of a receipt: no white space, members in the order of the types. It holds numbers, base64 and the
// words of the format alone, so nothing in it can be escaped in two ways.
func (r Receipt) extra() ([]byte, error) {
	further := append([]Further(nil), r.Further...)
	for i := range further {
		if further[i].Path == nil {
			further[i].Path = [][]byte{} // "[]", not "null"
		}
	}
	return json.Marshal(extra{Receipt: 1, Opening: r.Opening, Further: further})
}

// ParseReceipt reads a receipt. It is strict: what parses is what Marshal would write. It checks the form alone and
// no proof: see Check. What is wrong is said as a *Flaw.
func ParseReceipt(text []byte) (Receipt, error) {
	p, err := ParseProof(text)
	if err != nil {
		return Receipt{}, err
	}
	if !plainText(string(text)) {
		return Receipt{}, &Flaw{Code: FlawSpelling, Detail: "characters that no text has"}
	}
	if p.Extra == nil {
		return Receipt{}, &Flaw{Code: FlawClosed}
	}
	if m := version.FindSubmatch(p.Extra); m != nil && string(m[1]) != "1" {
		return Receipt{}, atLine(2, FlawVersion, "version "+string(m[1]))
	}
	var x extra
	d := json.NewDecoder(bytes.NewReader(p.Extra))
	d.DisallowUnknownFields()
	if err := d.Decode(&x); err != nil {
		return Receipt{}, &Flaw{Code: FlawSpelling, Line: 2, Detail: "extra: " + err.Error(), cause: err}
	}
	r := Receipt{Proof: p, Opening: x.Opening, Further: x.Further}
	again, err := r.extra()
	if err != nil || x.Receipt != 1 || !bytes.Equal(again, p.Extra) {
		return Receipt{}, atLine(2, FlawSpelling, "extra")
	}
	if f := r.form(); f != nil {
		return Receipt{}, f
	}
	return r, nil
}

// version finds the version of the format, which stands first.
var version = regexp.MustCompile(`^\{"receipt":([1-9][0-9]{0,8})[,}]`)

// form holds a receipt to what every receipt has, apart from its spelling.
func (r Receipt) form() *Flaw {
	flaw := func(err error) *Flaw { return &Flaw{Code: FlawSpelling, Line: 2, Detail: err.Error(), cause: err} }
	if r.Proof.Index > maxNumber {
		return atLine(3, FlawSpelling, "index: too large")
	}
	if err := r.Opening.form(); err != nil {
		return flaw(err)
	}
	if r.Opening.Step.Hash != nil {
		return &Flaw{Code: FlawClosed, Entry: 1}
	}
	for i, f := range r.Further {
		if err := f.form(); err != nil {
			return flaw(fmt.Errorf("further %d: %w", i+1, err))
		}
	}
	return nil
}

func (f Further) form() error {
	switch {
	case f.As != AsStep && f.As != AsLead:
		return errors.New("as: neither \"step\" nor \"lead\"")
	case f.Index > maxNumber:
		return errors.New("index: too large")
	case len(f.Path) > maxPath:
		return errors.New("path: too long")
	case (f.Opening == nil) == (f.Commitment == nil):
		return errors.New("needs either a commitment or an opening")
	}
	for _, h := range f.Path {
		if len(h) != len(Hash{}) {
			return errors.New("path: not hashes of 32 bytes")
		}
	}
	if f.Opening == nil {
		if len(f.Commitment) != len(Hash{}) {
			return errors.New("commitment: not 32 bytes")
		}
		return nil
	}
	if f.Opening.Step.Hash != nil {
		return errors.New("opening: the step stays closed; then it is the commitment alone")
	}
	return f.Opening.form()
}

func (o Opening) form() error {
	if err := o.Step.form(); err != nil {
		return fmt.Errorf("step: %w", err)
	}
	if err := o.Whole.form(); err != nil {
		return fmt.Errorf("whole: %w", err)
	}
	if o.Said != nil && o.Whole.Hash != nil {
		return errors.New("said: the entry in which it is sealed stays closed")
	}
	for compartment, said := range o.Said {
		if err := said.form(compartment); err != nil {
			return fmt.Errorf("said: %w", err)
		}
	}
	return nil
}

// compartmentName keeps the names of compartments to what has one spelling, and one order, in every language.
var compartmentName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)

func (s Said) form(compartment string) error {
	switch {
	case !compartmentName.MatchString(compartment):
		return errors.New("not the name of a compartment")
	case len(s.Salt) != len(Salt{}):
		return fmt.Errorf("%s: salt: not 32 bytes", compartment)
	case len(s.Content) == 0:
		return fmt.Errorf("%s: content: missing", compartment)
	}
	return nil
}

func (h Half) form() error {
	switch {
	case h.Hash != nil && (h.Salt != nil || h.Content != nil):
		return errors.New("is both opened and closed")
	case h.Hash != nil && len(h.Hash) != len(Hash{}):
		return errors.New("hash: not 32 bytes")
	case h.Hash == nil && len(h.Salt) != len(Salt{}):
		return errors.New("salt: not 32 bytes")
	case h.Hash == nil && len(h.Content) == 0:
		return errors.New("content: missing")
	}
	return nil
}

// Commitment is the leaf of the log that the receipt is about; it means something only where the receipt holds, and is
// zero where the receipt has not the form of one.
func (r Receipt) Commitment() Hash {
	if r.form() != nil {
		return Hash{}
	}
	return r.Opening.commitment()
}

// commitment joins the two halves of a well-formed opening.
func (o Opening) commitment() Hash {
	step, whole := o.Step.Hash, o.Whole.Hash
	if step == nil {
		h := CommitStep(Salt(o.Step.Salt), string(o.Step.Content))
		step = h[:]
	}
	if whole == nil {
		h := CommitWhole(Salt(o.Whole.Salt), o.Whole.Content)
		whole = h[:]
	}
	return Commitment(Hash(step), Hash(whole))
}
