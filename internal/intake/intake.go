// Package intake is the reporter's side of a report: the code by which they come back, the short visit in which they
// read and answer, and the brake on those who guess codes.
//
// Nothing here knows a person. A visit is a random token in the reporter's browser; what the database keeps of it opens
// nothing without that token. No network address is seen, kept or counted.
package intake

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"

	"plumbline/internal/ref"
)

// NewDraft returns the secret of a report that somebody begins to write. It travels with the pages of the form and
// is stored nowhere; 128 random bits of it go into the receipt code.
func NewDraft() string { return rand.Text() }

// IsDraft reports whether s has the form of what NewDraft returns.
func IsDraft(s string) bool {
	if len(s) != len(rand.Text()) {
		return false
	}
	for _, c := range s {
		if (c < 'A' || c > 'Z') && (c < '2' || c > '7') {
			return false
		}
	}
	return true
}

// CodeFor returns the receipt code of a report: it follows from the draft's secret and from what is sent. So a report
// that is sent twice, by a second press of the button or a page loaded again, has the same code both times, and the
// second time finds itself already recorded. What is sent goes in as well so that nobody can choose a code for somebody
// else by giving them a page with a secret in it: another report never has the code of this one.
func CodeFor(draft, kind string, sent any) (ref.ReceiptCode, error) {
	content, err := json.Marshal(sent) // maps in the order of their keys: the same values always give the same bytes
	if err != nil {
		return "", fmt.Errorf("intake: receipt code: %w", err)
	}
	h := sha256.New()
	for _, part := range [][]byte{[]byte(draft), []byte(kind), content} {
		sum := sha256.Sum256(part)
		h.Write(sum[:])
	}
	return ref.ReceiptCodeFor(h.Sum(nil)), nil
}
