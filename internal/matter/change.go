package matter

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"plumbline/internal/journal"
	"plumbline/internal/ref"
)

// A Change is one consequence of an entry: a row of the state that now looks otherwise. An entry records its
// consequences resolved (which desk, which day a clock ends, which number an allegation got), so that folding it
// years later needs neither the pack nor the register. docs/reference/entries.md describes each.
type Change interface {
	apply(s *State, e *journal.Entry) error
}

// Opened begins a matter.
type Opened struct {
	Op           string         `json:"op"` // "open"
	Ref          ref.Reference  `json:"ref"`
	Kind         string         `json:"kind"`
	State        string         `json:"state"`
	Final        bool           `json:"final,omitempty"`
	Body         ref.BodyID     `json:"body,omitempty,string"`
	Desk         string         `json:"desk,omitempty"`
	DeskBody     ref.BodyID     `json:"desk_body,omitempty,string"`
	Concerned    ref.BodyID     `json:"concerned,omitempty,string"`
	Subject      ref.OfficialID `json:"subject,omitempty,string"`
	Received     string         `json:"received"`
	Title        string         `json:"title,omitempty"`
	Channel      []byte         `json:"channel,omitempty"` // hash of the receipt code
	Source       string         `json:"source,omitempty"`
	SourceKey    string         `json:"source_key,omitempty"`
	SourceStatus string         `json:"source_status,omitempty"`
	Closed       string         `json:"closed,omitempty"`
	Ended        string         `json:"ended,omitempty"`
}

// Moved takes the matter to another state of its procedure, and perhaps to another desk.
type Moved struct {
	Op       string     `json:"op"` // "state"
	To       string     `json:"to"`
	Final    bool       `json:"final,omitempty"`
	Desk     string     `json:"desk,omitempty"`
	DeskBody ref.BodyID `json:"desk_body,omitempty,string"`
	Closed   string     `json:"closed,omitempty"` // ISO date; only with final
}

// Passed hands the matter to another body.
type Passed struct {
	Op       string     `json:"op"` // "body"
	Body     ref.BodyID `json:"body,string"`
	Desk     string     `json:"desk,omitempty"`
	DeskBody ref.BodyID `json:"desk_body,omitempty,string"`
}

// About says what the matter is about: what is left out stays.
type About struct {
	Op        string          `json:"op"` // "about"
	Concerned *ref.BodyID     `json:"concerned,omitempty,string"`
	Subject   *ref.OfficialID `json:"subject,omitempty,string"`
	Title     *string         `json:"title,omitempty"`
}

// Sourced is what a later release of an import source says otherwise than the one before.
type Sourced struct {
	Op       string  `json:"op"` // "source"
	Status   *string `json:"status,omitempty"`
	Received *string `json:"received,omitempty"`
	Closed   *string `json:"closed,omitempty"`
}

// Alleged adds allegation No or changes the named parts of it; gone takes it away.
type Alleged struct {
	Op        string          `json:"op"` // "allegation"
	No        int64           `json:"no"`
	Official  *ref.OfficialID `json:"official,omitempty,string"`
	Described *string         `json:"described,omitempty"`
	Body      *ref.BodyID     `json:"body,omitempty,string"`
	Rank      *string         `json:"rank,omitempty"`
	Conduct   *string         `json:"conduct,omitempty"`
	Category  *string         `json:"category,omitempty"`
	Time      *string         `json:"time,omitempty"`
	Place     *string         `json:"place,omitempty"`
	Finding   *string         `json:"finding,omitempty"`
	Standard  *string         `json:"standard,omitempty"`
	Outcome   *string         `json:"outcome,omitempty"`
	Data      json.RawMessage `json:"data,omitempty"`
	Gone      bool            `json:"gone,omitempty"`
}

// Joined adds party No or changes the named parts of it; gone takes it away.
type Joined struct {
	Op        string          `json:"op"` // "party"
	No        int64           `json:"no"`
	Role      *string         `json:"role,omitempty"`
	Official  *ref.OfficialID `json:"official,omitempty,string"`
	Anonymous *bool           `json:"anonymous,omitempty"`
	Data      json.RawMessage `json:"data,omitempty"`
	Gone      bool            `json:"gone,omitempty"`
}

// Ticked is a clock as it stands from now on.
type Ticked struct {
	Op       string  `json:"op"` // "clock"
	ID       string  `json:"id"`
	State    string  `json:"state"`
	Started  instant `json:"started,omitzero"`
	Due      instant `json:"due,omitzero"`
	Left     int64   `json:"left_us,omitempty"` // microseconds that were left when it was paused
	PauseEnd instant `json:"pause_end,omitzero"`
	Missed   instant `json:"missed,omitzero"`
}

// Linked ties the matter to another one.
type Linked struct {
	Op    string       `json:"op"` // "link"
	Kind  string       `json:"kind"`
	Other ref.MatterID `json:"other,string"`
}

// Done notes who did what. Without a matter it is the step of this very entry; with one, it was carried along from the
// matter this one came from.
type Done struct {
	Op      string        `json:"op"` // "did"
	Kind    string        `json:"kind,omitempty"`
	Action  string        `json:"action,omitempty"`
	From    ref.MatterID  `json:"from,omitempty,string"`
	N       int64         `json:"n,omitempty"`
	Account ref.AccountID `json:"account,omitempty,string"`
	Duty    string        `json:"duty,omitempty"`
	Body    ref.BodyID    `json:"body,omitempty,string"`
	Effects []string      `json:"effects,omitempty"`
}

// Set puts a person to work on the matter; gone takes them off.
type Set struct {
	Op      string        `json:"op"` // "assign"
	Account ref.AccountID `json:"account,string"`
	Duty    string        `json:"duty"`
	Lead    bool          `json:"lead,omitempty"`
	Gone    bool          `json:"gone,omitempty"`
}

// Facts adds to what has happened in law. Facts never go.
type Facts struct {
	Op  string   `json:"op"` // "facts"
	Add []string `json:"add"`
}

// Kept names the fields of the entry that the matter keeps as its data, and those it drops.
type Kept struct {
	Op   string   `json:"op"` // "keep"
	Keep []string `json:"keep,omitempty"`
	Drop []string `json:"drop,omitempty"`
}

// instant is a point of time, in the record as RFC 3339 in UTC, in tables as microseconds.
type instant int64

func at(t time.Time) instant { return instant(t.UnixMicro()) }

func (i instant) Time() time.Time { return time.UnixMicro(int64(i)).UTC() }

func (i instant) MarshalJSON() ([]byte, error) {
	return []byte(`"` + i.Time().Format(time.RFC3339Nano) + `"`), nil
}

func (i *instant) UnmarshalJSON(b []byte) error {
	var t time.Time
	if err := json.Unmarshal(b, &t); err != nil {
		return err
	}
	*i = at(t)
	return nil
}

// encodeChanges writes changes as they stand in an entry.
func encodeChanges(changes []Change) (json.RawMessage, error) {
	for _, c := range changes {
		name(c)
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(changes); err != nil {
		return nil, fmt.Errorf("matter: changes: %w", err)
	}
	return bytes.TrimSpace(b.Bytes()), nil
}

// name sets the op a change is recorded under, so that whoever makes one need not repeat it.
func name(c Change) {
	switch c := c.(type) {
	case *Opened:
		c.Op = "open"
	case *Moved:
		c.Op = "state"
	case *Passed:
		c.Op = "body"
	case *About:
		c.Op = "about"
	case *Sourced:
		c.Op = "source"
	case *Alleged:
		c.Op = "allegation"
	case *Joined:
		c.Op = "party"
	case *Ticked:
		c.Op = "clock"
	case *Linked:
		c.Op = "link"
	case *Done:
		c.Op = "did"
	case *Set:
		c.Op = "assign"
	case *Facts:
		c.Op = "facts"
	case *Kept:
		c.Op = "keep"
	}
}

var blank = map[string]func() Change{
	"open": func() Change { return new(Opened) }, "state": func() Change { return new(Moved) },
	"body": func() Change { return new(Passed) }, "about": func() Change { return new(About) },
	"source": func() Change { return new(Sourced) }, "allegation": func() Change { return new(Alleged) },
	"party": func() Change { return new(Joined) }, "clock": func() Change { return new(Ticked) },
	"link": func() Change { return new(Linked) }, "did": func() Change { return new(Done) },
	"assign": func() Change { return new(Set) }, "facts": func() Change { return new(Facts) },
	"keep": func() Change { return new(Kept) },
}

// Changes reads the consequences an entry recorded. It is strict: what it does not know it refuses, because a
// consequence left out would give another state.
func Changes(e journal.Entry) ([]Change, error) {
	if len(e.Changes) == 0 {
		return nil, nil
	}
	var raw []json.RawMessage
	if err := json.Unmarshal(e.Changes, &raw); err != nil {
		return nil, fmt.Errorf("matter: entry %s/%d: changes: %w", e.Stream, e.N, err)
	}
	out := make([]Change, 0, len(raw))
	for _, r := range raw {
		var head struct {
			Op string `json:"op"`
		}
		if err := json.Unmarshal(r, &head); err != nil {
			return nil, fmt.Errorf("matter: entry %s/%d: changes: %w", e.Stream, e.N, err)
		}
		make := blank[head.Op]
		if make == nil {
			return nil, fmt.Errorf("matter: entry %s/%d: unknown change %q", e.Stream, e.N, head.Op)
		}
		c := make()
		dec := json.NewDecoder(bytes.NewReader(r))
		dec.DisallowUnknownFields()
		if err := dec.Decode(c); err != nil {
			return nil, fmt.Errorf("matter: entry %s/%d: change %q: %w", e.Stream, e.N, head.Op, err)
		}
		out = append(out, c)
	}
	return out, nil
}
