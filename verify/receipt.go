package verify

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// An Opening is what lets its holder see behind one commitment of the log. Step and Whole each hold either what was
// committed to, with its salt, or the hash alone where that half stays closed.
type Opening struct {
	Step  Half `json:"step"`  // of the text of a Step
	Whole Half `json:"whole"` // of the exact bytes of the entry
}

// Half is one half of a commitment: opened (Salt and Content) or closed (Hash alone).
type Half struct {
	Salt    []byte `json:"salt,omitempty"`
	Content []byte `json:"content,omitempty"`
	Hash    []byte `json:"hash,omitempty"`
}

// A Further entry stands in a receipt beside the one it is about, proved under the same checkpoint.
type Further struct {
	As         string   `json:"as"` // "step": of the same matter; "lead": the first that named the official
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

// Marshal returns the receipt as the text of a file.
func (r Receipt) Marshal() ([]byte, error) {
	b, err := json.Marshal(extra{Receipt: 1, Opening: r.Opening, Further: r.Further})
	if err != nil {
		return nil, fmt.Errorf("receipt: %w", err)
	}
	p := r.Proof
	p.Extra = b
	return p.Marshal(), nil
}

// ParseReceipt reads a receipt. It is strict, and checks nothing but the form: see Check.
func ParseReceipt(text []byte) (Receipt, error) {
	p, err := ParseProof(text)
	if err != nil {
		return Receipt{}, err
	}
	if p.Extra == nil {
		return Receipt{}, errors.New("receipt: is a proof without the line \"extra\" that opens it")
	}
	var x extra
	d := json.NewDecoder(bytes.NewReader(p.Extra))
	d.DisallowUnknownFields()
	if err := d.Decode(&x); err != nil {
		return Receipt{}, fmt.Errorf("receipt: extra: %w", err)
	}
	if x.Receipt != 1 {
		return Receipt{}, fmt.Errorf("receipt: is of version %d, and this program knows version 1", x.Receipt)
	}
	return Receipt{Proof: p, Opening: x.Opening, Further: x.Further}, nil
}
