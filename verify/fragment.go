package verify

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"errors"
	"io"
	"strings"
)

// fragmentTag begins what carries a receipt behind the # of an address.
const fragmentTag = "r1."

// Fragment packs the text of a receipt so that it can stand behind the # of an address, where a browser keeps it to
// itself: a QR code can carry a receipt to the page that checks it. ParseFragment is the way back.
func Fragment(receipt []byte) string {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.BestCompression) // the level is valid
	_, _ = w.Write(receipt)                            // a bytes.Buffer takes everything
	_ = w.Close()
	return fragmentTag + base64.RawURLEncoding.EncodeToString(b.Bytes())
}

// ParseFragment unpacks what stands behind the # of an address: the text of a receipt, not yet read.
func ParseFragment(fragment string) ([]byte, error) {
	packed, ok := strings.CutPrefix(fragment, fragmentTag)
	if !ok {
		return nil, &Flaw{Code: FlawNotProof, Detail: "what stands behind # does not begin with " + fragmentTag}
	}
	raw, err := base64.RawURLEncoding.DecodeString(packed)
	if err != nil {
		return nil, &Flaw{Code: FlawSpelling, Detail: "the address was cut short or changed", cause: err}
	}
	text, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(raw)), maxProof+1))
	if err != nil {
		return nil, &Flaw{Code: FlawSpelling, Detail: "the address was cut short or changed", cause: err}
	}
	if len(text) > maxProof {
		return nil, &Flaw{Code: FlawTooLong}
	}
	return text, nil
}

// Short returns the receipt without its further steps and without long signatures, so that a QR code can hold it. What
// is left proves the entry itself as before. It fails where no short signature is there.
func (r Receipt) Short() (Receipt, error) {
	const longest = 200 // bytes of a line: Ed25519 with a time and a name; not ML-DSA
	text, err := noteText(r.Proof.Checkpoint)
	if err != nil {
		return Receipt{}, &Flaw{Code: FlawSpelling, Detail: "checkpoint: " + err.Error(), cause: err}
	}
	var b strings.Builder
	b.WriteString(text + "\n")
	kept := 0
	for _, line := range strings.SplitAfter(string(r.Proof.Checkpoint[len(text)+1:]), "\n") {
		if line != "" && len(line) <= longest {
			b.WriteString(line)
			kept++
		}
	}
	if kept == 0 {
		return Receipt{}, errors.New("receipt: has no signature short enough")
	}
	r.Proof.Checkpoint, r.Further = []byte(b.String()), nil
	return r, nil
}
