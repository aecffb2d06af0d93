package verify

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// A Step is what can be told of an entry without telling what it says: which matter, the how manieth entry of it, when,
// which step of the procedure, and for a time limit that ran out which one.
type Step struct {
	Stream string    `json:"stream"`           // "matter/123"
	N      int64     `json:"n"`                // number within the stream, from 1, without gaps
	At     time.Time `json:"at"`               // UTC, microseconds
	Action string    `json:"action"`           // "file", "screen", "clock.missed" …
	Missed []string  `json:"missed,omitempty"` // the time limits that ran out by this entry, by their names in the procedure; usually none
}

// ActionMissed is the action of the entry that the office's timer writes by itself when a time limit runs out.
const ActionMissed = "clock.missed"

const (
	stepHeader = "plumbline step v1"
	stepTime   = "2006-01-02T15:04:05.000000Z"
	maxNumber  = 1<<53 - 1 // what every language reads exactly
)

// Text returns the step as it is committed to: five lines, and one more where time limits ran out, each ended.
// What could be mistaken for the frame (spaces, line ends, signs beyond ASCII, %) is written as %XX.
func (s Step) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\nstream %s\nn %d\nat %s\naction %s\n", stepHeader, escape(s.Stream), s.N, s.At.UTC().Format(stepTime), escape(s.Action))
	if len(s.Missed) > 0 {
		b.WriteString("missed")
		for _, m := range s.Missed {
			b.WriteString(" " + escape(m))
		}
		b.WriteString("\n")
	}
	return b.String()
}

// ParseStep reads the text of a step. It is strict: Text gives back the same text.
func ParseStep(text string) (Step, error) {
	var s Step
	lines := strings.Split(text, "\n")
	if (len(lines) != 6 && len(lines) != 7) || lines[len(lines)-1] != "" || lines[0] != stepHeader {
		return s, fmt.Errorf("step: is not five or six lines that begin with %q", stepHeader)
	}
	for i, to := range []struct {
		name string
		set  func(string) error
	}{
		{"stream ", func(v string) (err error) { s.Stream, err = unescape(v); return err }},
		{"n ", func(v string) (err error) { s.N, err = strconv.ParseInt(v, 10, 64); return err }},
		{"at ", func(v string) (err error) { s.At, err = time.Parse(stepTime, v); return err }},
		{"action ", func(v string) (err error) { s.Action, err = unescape(v); return err }},
		{"missed ", func(v string) error {
			for _, m := range strings.Split(v, " ") {
				m, err := unescape(m)
				if err != nil {
					return err
				}
				s.Missed = append(s.Missed, m)
			}
			return nil
		}},
	} {
		if i+2 == len(lines) {
			break
		}
		v, ok := strings.CutPrefix(lines[i+1], to.name)
		if !ok {
			return s, fmt.Errorf("step: line %d does not begin with %q", i+2, to.name)
		}
		if err := to.set(v); err != nil {
			return s, fmt.Errorf("step: line %d: %w", i+2, err)
		}
	}
	if s.N < 1 || s.N > maxNumber || s.At.Year() < 1 || s.Text() != text {
		return s, errors.New("step: is not in its one spelling")
	}
	return s, nil
}

const upperHex = "0123456789ABCDEF"

// escape writes each byte that is not a printable sign of ASCII, and %, as %XX.
func escape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if c := s[i]; c > ' ' && c < 0x7f && c != '%' {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', upperHex[c>>4], upperHex[c&15]})
		}
	}
	return b.String()
}

func unescape(s string) (string, error) {
	if s == "" {
		return "", errors.New("is empty")
	}
	var b []byte
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b = append(b, s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", errors.New("ends within %XX")
		}
		hi, lo := strings.IndexByte(upperHex, s[i+1]), strings.IndexByte(upperHex, s[i+2])
		if hi < 0 || lo < 0 {
			return "", errors.New("has % without two hexadecimal digits")
		}
		b = append(b, byte(hi<<4|lo))
		i += 2
	}
	if !utf8.Valid(b) || escape(string(b)) != s {
		return "", errors.New("is not in its one spelling")
	}
	return string(b), nil
}

// StepOf derives the step of an entry from its exact bytes, so that whoever holds both can see that they agree. Of what
// the entry changes it reads time limits that ran out, and passes over anything else, whatever its form.
func StepOf(entry []byte) (Step, error) {
	if !utf8.Valid(entry) {
		return Step{}, errors.New("entry: is not UTF-8")
	}
	members, err := object(entry)
	if err != nil {
		return Step{}, fmt.Errorf("entry: %w", err)
	}
	var s Step
	if s.Stream, err = text(members["stream"]); err != nil {
		return Step{}, fmt.Errorf("entry: stream: %w", err)
	}
	if s.Action, err = text(members["action"]); err != nil {
		return Step{}, fmt.Errorf("entry: action: %w", err)
	}
	n, err := strconv.ParseInt(string(members["n"]), 10, 64)
	if err != nil || n < 1 || n > maxNumber {
		return Step{}, errors.New("entry: n: is no number from 1")
	}
	s.N = n
	at, err := text(members["at"])
	if err != nil {
		return Step{}, fmt.Errorf("entry: at: %w", err)
	}
	if s.At, err = time.Parse(time.RFC3339Nano, at); err != nil || !entryTime.MatchString(at) || s.At.Year() < 1 {
		return Step{}, errors.New("entry: at: is no time in UTC of at most microseconds")
	}
	if s.Action == ActionMissed {
		s.Missed = ranOut(members["changes"])
	}
	return s, nil
}

var entryTime = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?Z$`)

// ranOut lists the time limits that a list of changes lets run out.
func ranOut(changes json.RawMessage) (ids []string) {
	var list []json.RawMessage
	if json.Unmarshal(changes, &list) != nil {
		return nil
	}
	for _, change := range list {
		c, err := object(change)
		if err != nil {
			continue
		}
		op, _ := text(c["op"]) // what is no text is ""
		state, _ := text(c["state"])
		if id, _ := text(c["id"]); op == "clock" && state == "missed" && id != "" {
			ids = append(ids, id)
		}
	}
	return ids
}

// object reads the members of a JSON object by their exact names.
func object(data []byte) (map[string]json.RawMessage, error) {
	list, err := fields(data)
	if err != nil {
		return nil, err
	}
	byName := map[string]json.RawMessage{}
	for _, f := range list {
		byName[f.Name] = f.Value
	}
	return byName, nil
}

// A Field is one member of a JSON object: of what an entry seals, an answer.
type Field struct {
	Name  string
	Value json.RawMessage
}

// Fields reads the members of a JSON object in their order, such as the answers in what an entry seals. A name that stands
// twice is refused, and names are told apart by case; encoding/json would take the last of two, and other cases for the
// same. Both would let two readers of one text see two things.
func Fields(data []byte) ([]Field, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("is not UTF-8")
	}
	return fields(data)
}

func fields(data []byte) ([]Field, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("is no JSON object")
	}
	var list []Field
	seen := map[string]bool{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, errors.New("is no JSON object")
		}
		name := t.(string) // within an object, what stands before a value is a name
		if seen[name] {
			return nil, fmt.Errorf("names %q twice", name)
		}
		seen[name] = true
		var v json.RawMessage
		if err := d.Decode(&v); err != nil {
			return nil, errors.New("is no JSON object")
		}
		list = append(list, Field{name, v})
	}
	if _, err := d.Token(); err != nil {
		return nil, errors.New("is no JSON object")
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("is followed by something")
	}
	return list, nil
}

// text reads a JSON string that says something.
func text(raw json.RawMessage) (string, error) {
	var s string
	if len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &s) != nil || s == "" {
		return "", errors.New("is no text")
	}
	return s, nil
}
