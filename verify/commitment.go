package verify

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A Secret belongs to one entry: 32 random bytes without which its commitment says nothing. Whoever holds it can open
// the entry to others; when it is destroyed, the entry can never be guessed from the log.
type Secret [32]byte

// Salt is what hides one half of a commitment: of the step, or of the whole entry. Both follow from the entry's secret,
// and one does not give the other away.
type Salt [32]byte

const (
	stepSaltTag  = "plumbline step salt v1\n"
	wholeSaltTag = "plumbline entry salt v1\n"
	stepTag      = "plumbline step v1\n"
	wholeTag     = "plumbline entry v1\n"
	leafTag      = "plumbline leaf v1\n"
)

// StepSalt returns the salt of the half that says which step was taken.
func (s Secret) StepSalt() Salt { return Salt(hash(stepSaltTag, s[:])) }

// WholeSalt returns the salt of the half that holds the exact bytes of the entry.
func (s Secret) WholeSalt() Salt { return Salt(hash(wholeSaltTag, s[:])) }

// CommitStep commits to the text of a step (Step.Text).
func CommitStep(salt Salt, text string) Hash { return hash(stepTag, salt[:], []byte(text)) }

// CommitWhole commits to the exact bytes of an entry.
func CommitWhole(salt Salt, entry []byte) Hash { return hash(wholeTag, salt[:], entry) }

// Commitment joins the two halves: it is what the log holds of an entry as its leaf. The hash in the tree is
// LeafHash of it. Each half can be opened without the other.
func Commitment(step, whole Hash) Hash { return hash(leafTag, step[:], whole[:]) }

func hash(tag string, parts ...[]byte) Hash {
	h := sha256.New()
	h.Write([]byte(tag))
	for _, p := range parts {
		h.Write(p)
	}
	return Hash(h.Sum(nil))
}

// A Step is what can be told of an entry without telling what it says: which matter, the how manieth entry of it, when,
// which step of the procedure, and for a time limit that ran out which one.
type Step struct {
	Stream string    // "matter/123"
	N      int64     // number within the stream, from 1, without gaps
	At     time.Time // UTC, microseconds
	Action string    // "file", "screen", "clock.missed" …
	Missed []string  // the time limits that ran out by this entry, by their names in the procedure; usually none
}

const stepTime = "2006-01-02T15:04:05.000000Z"

// Text returns the step as it is committed to: five lines, and one more where time limits ran out,
// each ended.
func (s Step) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "plumbline step v1\nstream %s\nn %d\nat %s\naction %s\n", s.Stream, s.N, s.At.UTC().Format(stepTime), s.Action)
	if len(s.Missed) > 0 {
		fmt.Fprintf(&b, "missed %s\n", strings.Join(s.Missed, " "))
	}
	return b.String()
}

// ParseStep reads the text of a step. It is strict: Text gives back the same text.
func ParseStep(text string) (Step, error) {
	var s Step
	lines := strings.Split(text, "\n")
	if (len(lines) != 6 && len(lines) != 7) || lines[len(lines)-1] != "" || lines[0] != "plumbline step v1" {
		return s, errors.New("step: is not five or six lines that begin with \"plumbline step v1\"")
	}
	for i, to := range []struct {
		name string
		set  func(string) error
	}{
		{"stream ", func(v string) error { s.Stream = v; return nil }},
		{"n ", func(v string) (err error) { s.N, err = strconv.ParseInt(v, 10, 64); return err }},
		{"at ", func(v string) (err error) { s.At, err = time.Parse(stepTime, v); return err }},
		{"action ", func(v string) error { s.Action = v; return nil }},
		{"missed ", func(v string) error { s.Missed = strings.Split(v, " "); return nil }},
	} {
		if i+2 == len(lines) {
			break
		}
		v, ok := strings.CutPrefix(lines[i+1], to.name)
		if !ok || v == "" {
			return s, fmt.Errorf("step: line %d does not begin with %q", i+2, to.name)
		}
		if err := to.set(v); err != nil {
			return s, fmt.Errorf("step: line %d: %w", i+2, err)
		}
	}
	if s.N < 1 || s.Text() != text {
		return s, errors.New("step: is not in its one spelling")
	}
	return s, nil
}

// StepOf derives the step of an entry from its exact bytes, so that whoever holds both can see that they agree.
func StepOf(entry []byte) (Step, error) {
	var e struct {
		Stream  string    `json:"stream"`
		N       int64     `json:"n"`
		At      time.Time `json:"at"`
		Action  string    `json:"action"`
		Changes []struct {
			Op    string `json:"op"`
			ID    string `json:"id"`
			State string `json:"state"`
		} `json:"changes"`
	}
	if err := json.Unmarshal(entry, &e); err != nil {
		return Step{}, fmt.Errorf("entry: %w", err)
	}
	s := Step{Stream: e.Stream, N: e.N, At: e.At, Action: e.Action}
	for _, c := range e.Changes {
		if c.Op == "clock" && c.State == "missed" && e.Action == ActionMissed {
			s.Missed = append(s.Missed, c.ID)
		}
	}
	return s, nil
}

// ActionMissed is the action of the entry that the office's timer writes by itself when a time limit runs out.
const ActionMissed = "clock.missed"
