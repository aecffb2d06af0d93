package ledger

import (
	"bytes"
	"strconv"
	"time"

	"plumbline/verify"
)

// stepOf is verify.StepOf. Of an entry as the journal writes it, whose first members stand in one order and spelling, it
// reads these alone, which takes a fraction of the time; anything else is left to verify.StepOf.
func stepOf(entry []byte) (verify.Step, error) {
	if s, ok := quickStep(entry); ok {
		return s, nil
	}
	return verify.StepOf(entry)
}

func quickStep(b []byte) (s verify.Step, ok bool) {
	r := reader{b}
	if !r.skip(`{"v":1,"stream":"`) {
		return s, false
	}
	if s.Stream, ok = r.text(); !ok || !r.skip(`,"n":`) {
		return s, false
	}
	digits := 0
	for digits < len(r.rest) && r.rest[digits] >= '0' && r.rest[digits] <= '9' {
		digits++
	}
	var err error
	if s.N, err = strconv.ParseInt(string(r.rest[:digits]), 10, 64); err != nil || s.N < 1 {
		return s, false
	}
	r.rest = r.rest[digits:]
	if !r.skip(`,"at":"`) {
		return s, false
	}
	at, ok := r.text()
	if s.At, err = time.Parse(time.RFC3339Nano, at); !ok || err != nil || s.At.Location() != time.UTC || s.At.Nanosecond()%1000 != 0 {
		return s, false
	}
	if !r.skip(`,"by":{`) || !r.flat() || !r.skip(`,"via":"`) {
		return s, false
	}
	if _, ok = r.text(); !ok {
		return s, false
	}
	if r.skip(`,"pack":"`) {
		if _, ok = r.text(); !ok {
			return s, false
		}
	}
	if !r.skip(`,"action":"`) {
		return s, false
	}
	s.Action, ok = r.text()
	return s, ok && s.Action != verify.ActionMissed && s.Action != ""
}

// reader reads JSON of one spelling.
type reader struct{ rest []byte }

func (r *reader) skip(text string) bool {
	rest, ok := bytes.CutPrefix(r.rest, []byte(text))
	r.rest = rest
	return ok
}

// text reads to the end of a string of plain ASCII without escapes.
func (r *reader) text() (string, bool) {
	for i, c := range r.rest {
		switch {
		case c == '"':
			s := string(r.rest[:i])
			r.rest = r.rest[i+1:]
			return s, true
		case c == '\\' || c < ' ' || c >= 0x7f:
			return "", false
		}
	}
	return "", false
}

// flat passes over the rest of an object that holds nothing but strings.
func (r *reader) flat() bool {
	for len(r.rest) > 0 {
		c := r.rest[0]
		r.rest = r.rest[1:]
		switch c {
		case '}':
			return true
		case '"':
			if _, ok := r.text(); !ok {
				return false
			}
		case ':', ',':
		default:
			return false
		}
	}
	return false
}
