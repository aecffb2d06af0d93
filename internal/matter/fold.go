package matter

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"

	"plumbline/internal/journal"
	"plumbline/internal/ref"
)

// States of a clock.
const (
	ClockRunning = "running" // the office owes something by Due
	ClockPaused  = "paused"  // with a reason, until PauseEnd
	ClockMet     = "met"     // what it ran for has happened (late, if Missed is set)
	ClockMissed  = "missed"  // it ran out, and what it ran for is still owed
	ClockStopped = "stopped" // the matter went on by a way that makes it void
	ClockOpen    = "open"    // a time somebody else has, such as to respond or to appeal
	ClockOver    = "over"    // such a time that has ended
)

// Fold applies an entry to a matter. It is pure: the same entries always make the same state, with no pack, no
// register and no clock.
func Fold(s State, e journal.Entry) (State, error) {
	changes, err := Changes(e)
	if err != nil {
		return s, err
	}
	return fold(s, &e, changes)
}

func fold(s State, e *journal.Entry, changes []Change) (State, error) {
	s = s.clone()
	s.Matter.N, s.Matter.Changed = e.N, e.At.UnixMicro()
	for _, c := range changes {
		if err := c.apply(&s, e); err != nil {
			return s, fmt.Errorf("matter: entry %s/%d: %w", e.Stream, e.N, err)
		}
	}
	s.settle()
	return s, nil
}

// clone copies what apply writes into, so that the state before stays what it was.
func (s State) clone() State {
	s.Allegations, s.Parties, s.Clocks = slices.Clone(s.Allegations), slices.Clone(s.Parties), slices.Clone(s.Clocks)
	s.Links, s.Did, s.Assigned = slices.Clone(s.Links), slices.Clone(s.Did), slices.Clone(s.Assigned)
	return s
}

// settle derives what follows from the rest: the next deadline and whether one was missed.
func (s *State) settle() {
	s.Matter.Due, s.Matter.DueClock, s.Matter.Overdue = 0, "", 0
	for _, c := range s.Clocks {
		switch {
		case c.State == ClockMissed:
			s.Matter.Overdue = 1
		case c.State != ClockRunning:
			continue
		}
		if s.Matter.Due == 0 || c.Due < s.Matter.Due {
			s.Matter.Due, s.Matter.DueClock = c.Due, c.ID
		}
	}
}

func (c *Opened) apply(s *State, e *journal.Entry) error {
	if e.N != 1 {
		return errors.New("opened again")
	}
	m := &s.Matter
	m.Ref, m.Kind, m.State, m.Body, m.Desk, m.DeskBody = c.Ref, c.Kind, c.State, c.Body, c.Desk, c.DeskBody
	m.Concerned, m.Subject, m.Received, m.Title, m.Channel = c.Concerned, c.Subject, c.Received, c.Title, c.Channel
	m.Source, m.SourceKey, m.SourceStatus, m.Closed, m.Ended = c.Source, c.SourceKey, c.SourceStatus, c.Closed, c.Ended
	m.Pack, m.Opened, m.Data = e.Pack, e.At.UnixMicro(), "{}"
	m.Final = number(c.Final)
	return nil
}

func (c *Moved) apply(s *State, e *journal.Entry) error {
	m := &s.Matter
	m.State, m.Final, m.Desk, m.DeskBody, m.Closed, m.Ended = c.To, number(c.Final), c.Desk, c.DeskBody, c.Closed, ""
	if c.Final {
		m.Ended = e.Action
	}
	return nil
}

func (c *Passed) apply(s *State, _ *journal.Entry) error {
	s.Matter.Body, s.Matter.Desk, s.Matter.DeskBody = c.Body, c.Desk, c.DeskBody
	return nil
}

func (c *About) apply(s *State, _ *journal.Entry) error {
	put(&s.Matter.Concerned, c.Concerned)
	put(&s.Matter.Subject, c.Subject)
	put(&s.Matter.Title, c.Title)
	return nil
}

func (c *Sourced) apply(s *State, _ *journal.Entry) error {
	put(&s.Matter.SourceStatus, c.Status)
	put(&s.Matter.Received, c.Received)
	put(&s.Matter.Closed, c.Closed)
	return nil
}

func put[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

func (c *Alleged) apply(s *State, _ *journal.Entry) error {
	i := slices.IndexFunc(s.Allegations, func(a Allegation) bool { return a.No == c.No })
	if c.Gone {
		if i < 0 {
			return fmt.Errorf("no allegation %d to take away", c.No)
		}
		s.Allegations = slices.Delete(s.Allegations, i, i+1)
		return nil
	}
	if i < 0 {
		s.Allegations = append(s.Allegations, Allegation{No: c.No})
		sort.Slice(s.Allegations, func(i, j int) bool { return s.Allegations[i].No < s.Allegations[j].No })
		i = slices.IndexFunc(s.Allegations, func(a Allegation) bool { return a.No == c.No })
	}
	a := &s.Allegations[i]
	put(&a.Official, c.Official)
	put(&a.Described, c.Described)
	put(&a.Body, c.Body)
	put(&a.Rank, c.Rank)
	put(&a.Conduct, c.Conduct)
	put(&a.Category, c.Category)
	put(&a.Time, c.Time)
	put(&a.Place, c.Place)
	put(&a.Finding, c.Finding)
	put(&a.Standard, c.Standard)
	put(&a.Outcome, c.Outcome)
	if c.Data != nil {
		a.Data = dataText(c.Data)
	}
	return nil
}

func (c *Joined) apply(s *State, e *journal.Entry) error {
	i := slices.IndexFunc(s.Parties, func(p Party) bool { return p.No == c.No })
	if c.Gone {
		if i < 0 {
			return fmt.Errorf("no party %d to take away", c.No)
		}
		s.Parties = slices.Delete(s.Parties, i, i+1)
		return nil
	}
	if i < 0 {
		s.Parties = append(s.Parties, Party{No: c.No})
		sort.Slice(s.Parties, func(i, j int) bool { return s.Parties[i].No < s.Parties[j].No })
		i = slices.IndexFunc(s.Parties, func(p Party) bool { return p.No == c.No })
	}
	p := &s.Parties[i]
	p.N = e.N
	put(&p.Role, c.Role)
	put(&p.Official, c.Official)
	if c.Anonymous != nil {
		p.Anonymous = number(*c.Anonymous)
	}
	if c.Data != nil {
		p.Data = dataText(c.Data)
	}
	return nil
}

// dataText is raw JSON as a column keeps it: nothing for null.
func dataText(raw json.RawMessage) string {
	if bytes.Equal(raw, []byte("null")) {
		return ""
	}
	return string(raw)
}

func (c *Ticked) apply(s *State, _ *journal.Entry) error {
	now := Clock{ID: c.ID, State: c.State, Started: int64(c.Started), Due: int64(c.Due), Left: c.Left,
		PauseEnd: int64(c.PauseEnd), Missed: int64(c.Missed)}
	if i := slices.IndexFunc(s.Clocks, func(k Clock) bool { return k.ID == c.ID }); i >= 0 {
		s.Clocks[i] = now
		return nil
	}
	s.Clocks = append(s.Clocks, now)
	sort.Slice(s.Clocks, func(i, j int) bool { return s.Clocks[i].ID < s.Clocks[j].ID })
	return nil
}

func (c *Linked) apply(s *State, e *journal.Entry) error {
	for _, l := range s.Links {
		if l.Kind == c.Kind && l.Other == c.Other {
			return nil
		}
	}
	s.Links = append(s.Links, Link{Kind: c.Kind, Other: c.Other, N: e.N})
	sort.Slice(s.Links, func(i, j int) bool {
		a, b := s.Links[i], s.Links[j]
		return a.Kind < b.Kind || a.Kind == b.Kind && a.Other < b.Other
	})
	return nil
}

func (c *Done) apply(s *State, e *journal.Entry) error {
	d := Did{Kind: c.Kind, Action: c.Action, From: c.From, N: c.N, Account: c.Account, Duty: c.Duty, Body: c.Body,
		Effects: strings.Join(c.Effects, " ")}
	if c.From == 0 {
		d = Did{Kind: s.Matter.Kind, Action: e.Action, From: s.Matter.ID, N: e.N, Account: e.By.Account, Duty: e.By.Duty,
			Body: e.By.Body, Effects: d.Effects}
	}
	s.Did = append(s.Did, d)
	sort.SliceStable(s.Did, func(i, j int) bool { return didBefore(s.Did[i], s.Did[j]) })
	return nil
}

func didBefore(a, b Did) bool {
	switch {
	case a.Kind != b.Kind:
		return a.Kind < b.Kind
	case a.Action != b.Action:
		return a.Action < b.Action
	case a.From != b.From:
		return a.From < b.From
	}
	return a.N < b.N
}

func (c *Set) apply(s *State, e *journal.Entry) error {
	s.Assigned = slices.DeleteFunc(s.Assigned, func(a Assigned) bool { return a.Account == c.Account && a.Duty == c.Duty })
	if c.Gone {
		return nil
	}
	if c.Lead {
		for i := range s.Assigned {
			s.Assigned[i].Lead = 0
		}
	}
	s.Assigned = append(s.Assigned, Assigned{Account: c.Account, Duty: c.Duty, Lead: number(c.Lead), N: e.N})
	sort.Slice(s.Assigned, func(i, j int) bool {
		a, b := s.Assigned[i], s.Assigned[j]
		return a.Account < b.Account || a.Account == b.Account && a.Duty < b.Duty
	})
	return nil
}

func (c *Facts) apply(s *State, _ *journal.Entry) error {
	all := strings.Fields(s.Matter.Facts)
	for _, f := range c.Add {
		if !slices.Contains(all, f) {
			all = append(all, f)
		}
	}
	sort.Strings(all)
	s.Matter.Facts = strings.Join(all, " ")
	return nil
}

func (c *Kept) apply(s *State, e *journal.Entry) error {
	data, err := s.Matter.Values()
	if err != nil {
		return err
	}
	for _, name := range c.Drop {
		delete(data, name)
	}
	for _, name := range c.Keep {
		v, ok := e.Fields[name]
		if !ok {
			return fmt.Errorf("keeps field %q, which it does not have", name)
		}
		data[name] = v
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(data); err != nil {
		return err
	}
	s.Matter.Data = strings.TrimSpace(b.String())
	return nil
}

// Values returns the clear field values of the matter, the newest of each: text, int64, bool, lists and maps.
func (m *Row) Values() (map[string]any, error) {
	out := map[string]any{}
	if m.Data == "" {
		return out, nil
	}
	dec := json.NewDecoder(strings.NewReader(m.Data))
	dec.UseNumber()
	if err := dec.Decode(&out); err != nil {
		return nil, fmt.Errorf("matter %d: data: %w", m.ID, err)
	}
	for k, v := range out {
		out[k] = whole(v)
	}
	return out, nil
}

// whole makes the numbers in v int64 again.
func whole(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		f, _ := v.Float64() // journal.Encode lets whole numbers only into an entry
		return f
	case []any:
		for i := range v {
			v[i] = whole(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = whole(v[k])
		}
	}
	return v
}

// HasFact reports whether something has happened in law.
func (m *Row) HasFact(fact string) bool { return slices.Contains(strings.Fields(m.Facts), fact) }

// Named returns the officials the matter names: its subject, and those in allegations and among the parties.
func (s *State) Named() []ref.OfficialID {
	var out []ref.OfficialID
	add := func(id ref.OfficialID) {
		if id != 0 && !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	add(s.Matter.Subject)
	for _, a := range s.Allegations {
		add(a.Official)
	}
	for _, p := range s.Parties {
		add(p.Official)
	}
	return out
}

// ClockOf returns the clock with an id.
func (s *State) ClockOf(id string) (Clock, bool) {
	for _, c := range s.Clocks {
		if c.ID == id {
			return c, true
		}
	}
	return Clock{}, false
}

func number(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
