package verify

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"math/big"
	"slices"
	"strings"
)

// A Ticket is the number an item is given in a draw: a decimal fraction between 0 and 1, "0.410310858…", written with
// all its digits. Items are drawn in the order of their tickets, the smallest first. Tickets are compared as text.
type Ticket string

// TicketOf gives an item its ticket. This is the rule of every draw, byte by byte:
//
//  1. a is the SHA-256 of the seed (its UTF-8 bytes as written, nothing added), as 64 lower-case hexadecimal digits;
//  2. b is the SHA-256 of a followed directly by the item's id (UTF-8), read as one big-endian number;
//  3. write b in decimal, with zeros in front up to at least 64 digits, and turn the digits round, last digit first;
//  4. the ticket is "0." and those digits.
//
// It is the rule of Ronald L. Rivest's consistent_sampler (first_fraction, without replacement), with which Arlo draws
// the ballots of risk-limiting audits: github.com/ron-rivest/consistent_sampler, and github.com/votingworks/arlo,
// server/audit_math/sampler.py. What both publish as examples are vectors of our tests (testdata/sampler).
//
// A ticket depends on the seed and the item alone, so a draw does not depend on the order of the list, and drawing
// from a part of the list gives the part of the drawing order.
func TicketOf(seed, id string) Ticket {
	s := sha256.Sum256([]byte(seed))
	b := sha256.Sum256([]byte(hex.EncodeToString(s[:]) + id))
	digits := new(big.Int).SetBytes(b[:]).String()
	if len(digits) < 64 {
		digits = strings.Repeat("0", 64-len(digits)) + digits
	}
	turned := []byte(digits)
	slices.Reverse(turned)
	return Ticket("0." + string(turned))
}

// A Drawn item, with the ticket that drew it.
type Drawn struct {
	ID     string
	Ticket Ticket
}

// Draw draws take of the items, in the order in which they are drawn. It is without replacement: nothing is drawn twice.
func Draw(seed string, ids []string, take int) ([]Drawn, error) {
	if seed == "" {
		return nil, errors.New("draw: there is no seed")
	}
	if take < 0 || take > len(ids) {
		return nil, errors.New("draw: asks for more items than there are")
	}
	all := make([]Drawn, len(ids))
	for i, id := range ids {
		all[i] = Drawn{ID: id, Ticket: TicketOf(seed, id)}
	}
	slices.SortFunc(all, func(a, b Drawn) int {
		if c := strings.Compare(string(a.Ticket), string(b.Ticket)); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	for i := 1; i < len(all); i++ {
		if all[i].ID == all[i-1].ID {
			return nil, errors.New("draw: an item stands in the list twice")
		}
	}
	return all[:take:take], nil
}

// Short is the ticket cut to n digits after the nines it begins with, as audit tools print it: cut, not rounded.
func (t Ticket) Short(n int) string {
	s := string(t)
	end := 2
	for end < len(s) && s[end] == '9' {
		end++
	}
	return s[:min(len(s), end+n)]
}
