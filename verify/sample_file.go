package verify

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// SampleRule names how draws are made: by TicketOf, an item's id being its position in the log in decimal, and from
// each stratum the smallest tickets.
const SampleRule = "consistent_sampler, SHA-256, without replacement"

// A Sample is the public file of a draw: with it, and a key of the log from a source they trust, anybody can repeat the
// draw and see that what was drawn from stood fixed before chance was asked.
type Sample struct {
	Version     int         `json:"sample"` // of the format: 1
	Definition  Definition  `json:"definition"`
	Population  []string    `json:"population"`            // a Member each, by position
	Defined     string      `json:"defined"`               // receipt of the entry that holds the definition, opened whole
	Stated      []string    `json:"stated"`                // that the log at that receipt continues the one the population was taken from
	Draw        *DrawRecord `json:"draw,omitempty"`        // nothing from here on before the draw
	Drawn       []DrawnAt   `json:"drawn,omitempty"`       // in the order of the tickets
	Recorded    string      `json:"recorded,omitempty"`    // receipt of the entry that holds the draw, opened whole
	Consistency []string    `json:"consistency,omitempty"` // that the log at the second receipt continues the one at the first
}

// A Definition is what a draw is made from. It is the fields of the first entry of the stream sample/NUMBER.
type Definition struct {
	Number     int64          `json:"number"` // of the draw, from 1, without gaps
	Rule       string         `json:"rule"`   // SampleRule
	Filter     SampleFilter   `json:"filter"`
	Log        LogState       `json:"log"` // the population is of matters closed before it
	Count      int64          `json:"count"`
	Digest     string         `json:"digest"` // PopulationDigest
	Strata     []SampleStrata `json:"strata"` // by name
	Share      string         `json:"share"`  // the size was chosen so: if this share were wrong …
	Confidence string         `json:"confidence"`
	Seed       SeedPlan       `json:"seed"` // how chance will be asked, said beforehand
}

// A SampleFilter says which closed matters are the population. What is empty does not restrict.
type SampleFilter struct {
	Body  string            `json:"body"`  // handled by this body or one below it, by its code
	Kind  string            `json:"kind"`  // of the pack
	Ended string            `json:"ended"` // the step that closed it
	From  string            `json:"from"`  // first day of closing
	To    string            `json:"to"`    // last day of closing
	Words map[string]string `json:"words"` // the same for people, by language
}

// A LogState is a log at a size.
type LogState struct {
	Size uint64 `json:"size"`
	Root string `json:"root"`
}

// SampleStrata is a part of the population that is drawn from by itself.
type SampleStrata struct {
	Name string `json:"name"` // code of the body that handled the matters
	Size int64  `json:"size"`
	Take int64  `json:"take"`
}

// The kinds of public random values.
const (
	SeedDice    = "dice"
	SeedLottery = "lottery"
	SeedBeacon  = "beacon"
)

// A SeedPlan says how chance will be asked.
type SeedPlan struct {
	Kind string `json:"kind"`
	Plan string `json:"plan"` // "twenty throws of a ten-sided die at the open day", "the round of … at noon on …"
}

// A DrawRecord is what was drawn, and by what. It is the fields of the second entry of the stream.
type DrawRecord struct {
	Number    int64    `json:"number"`
	Kind      string   `json:"kind"`
	Seed      string   `json:"seed"` // exactly as it goes into the tickets
	Observers []string `json:"observers"`
	Under     LogState `json:"under"` // the published checkpoint that held the definition before the seed was entered
	Drawn     []uint64 `json:"drawn"` // positions, in the order of the tickets
}

// DrawnAt is one item drawn.
type DrawnAt struct {
	Position uint64 `json:"position"`
	Stratum  string `json:"stratum"`
	Ticket   Ticket `json:"ticket"`
}

// A Member of a population: the position in the log, from 1, of the entry that closed a matter, the commitment to that
// entry as the log holds it, and the stratum. As text it is a line, the parts separated by one space each.
type Member struct {
	Position   uint64
	Commitment Hash
	Stratum    string
}

func (m Member) String() string {
	return strconv.FormatUint(m.Position, 10) + " " + m.Commitment.String() + " " + m.Stratum
}

// ParseMember reads a line of a population.
func ParseMember(line string) (Member, error) {
	parts := strings.Split(line, " ")
	if len(parts) != 3 {
		return Member{}, errors.New("is not a position, a commitment and a stratum")
	}
	position, err := parseNumber(parts[0])
	if err != nil || position == 0 || position > maxNumber {
		return Member{}, errors.New("has no position from 1")
	}
	commitment, err := ParseHash(parts[1])
	if err != nil {
		return Member{}, fmt.Errorf("commitment: %w", err)
	}
	if !plainWord(parts[2]) {
		return Member{}, errors.New("has no stratum that can be written")
	}
	return Member{position, commitment, parts[2]}, nil
}

func plainWord(s string) bool {
	return s != "" && len(s) <= 200 && utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) })
}

// PopulationDigest is the SHA-256, in base64, of "plumbline population v1" and all lines, each ended by a line feed.
func PopulationDigest(lines []string) string {
	h := sha256.New()
	h.Write([]byte("plumbline population v1\n"))
	for _, l := range lines {
		h.Write([]byte(l + "\n"))
	}
	return encode(h.Sum(nil))
}

// ActionDefine and ActionDraw are the two entries every draw has, on the stream SampleStream.
const (
	ActionDefine = "sample.define"
	ActionDraw   = "sample.draw"
)

// SampleStream is the stream of the draw with a number.
func SampleStream(number int64) string { return "sample/" + strconv.FormatInt(number, 10) }

// maxSample bounds what is read of a file: a population of more than a million.
const maxSample = 1 << 27

// Marshal returns the file.
func (s Sample) Marshal() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(s); err != nil {
		return nil, fmt.Errorf("sample: %w", err)
	}
	return b.Bytes(), nil
}

// ParseSample reads the file of a draw. It is strict: Marshal gives back the same bytes. It checks no proof; Check does.
func ParseSample(text []byte) (Sample, error) {
	var s Sample
	if len(text) > maxSample {
		return s, errors.New("sample: the file is too long")
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return Sample{}, fmt.Errorf("sample: not the file of a draw: %w", err)
	}
	if s.Version != 1 {
		return Sample{}, fmt.Errorf("sample: a format of version %d; this program knows version 1", s.Version)
	}
	again, err := s.Marshal()
	if err != nil {
		return Sample{}, err
	}
	if !bytes.Equal(again, text) {
		return Sample{}, errors.New("sample: the file was changed: it is not written as it was issued")
	}
	return s, nil
}

// Members reads the population: by position, none twice.
func (s Sample) Members() ([]Member, error) {
	out := make([]Member, len(s.Population))
	for i, line := range s.Population {
		m, err := ParseMember(line)
		if err != nil {
			return nil, fmt.Errorf("line %d of the population %w", i+1, err)
		}
		if i > 0 && m.Position <= out[i-1].Position {
			return nil, fmt.Errorf("line %d of the population does not follow the one before", i+1)
		}
		out[i] = m
	}
	return out, nil
}

// DrawFrom draws from a population as its strata say, in the order of the tickets.
func DrawFrom(members []Member, strata []SampleStrata, seed string) ([]DrawnAt, error) {
	ids := map[string][]string{}
	for _, m := range members {
		ids[m.Stratum] = append(ids[m.Stratum], strconv.FormatUint(m.Position, 10))
	}
	var out []DrawnAt
	for i, st := range strata {
		if i > 0 && st.Name <= strata[i-1].Name {
			return nil, errors.New("the strata are not in order")
		}
		if int64(len(ids[st.Name])) != st.Size || st.Size == 0 {
			return nil, fmt.Errorf("stratum %s has %d items, not %d", st.Name, len(ids[st.Name]), st.Size)
		}
		if st.Take < 0 || st.Take > st.Size {
			return nil, fmt.Errorf("of stratum %s %d are to be drawn, and it has %d", st.Name, st.Take, st.Size)
		}
		drawn, err := Draw(seed, ids[st.Name], int(st.Take))
		if err != nil {
			return nil, err
		}
		delete(ids, st.Name)
		for _, d := range drawn {
			position, err := strconv.ParseUint(d.ID, 10, 64)
			if err != nil {
				return nil, err
			}
			out = append(out, DrawnAt{Position: position, Stratum: st.Name, Ticket: d.Ticket})
		}
	}
	if len(ids) > 0 {
		return nil, errors.New("the population has items of no stratum")
	}
	slices.SortFunc(out, func(a, b DrawnAt) int { return strings.Compare(string(a.Ticket), string(b.Ticket)) })
	return out, nil
}

// SampleProven is what the file of a draw proves. It does not prove that the population is complete: that nothing was
// left out of it that its filter names. Whoever holds a receipt of a closed matter can look whether its position is there.
type SampleProven struct {
	Origin    string      `json:"origin"`
	Defined   uint64      `json:"defined"`  // position of the definition in the log
	Recorded  uint64      `json:"recorded"` // position of the draw; 0 before it
	Before    LogState    `json:"before"`
	Witnesses []Signature `json:"witnesses"` // that saw the log with the definition, and no draw yet: when it stood fixed at the latest
	Strength  float64     `json:"strength"`  // chance of finding at least one, if the share the definition names were wrong
}

// Check repeats everything: the signatures and proofs, the digest of the population, the order of the log (first what
// the population was taken from, then the definition, then the checkpoint that held it, then the draw), and the draw itself.
func (s Sample) Check(trust Trust) (SampleProven, error) {
	fail := func(format string, args ...any) (SampleProven, error) {
		return SampleProven{}, fmt.Errorf(format, args...)
	}
	members, err := s.Members()
	if err != nil {
		return fail("%w", err)
	}
	d := s.Definition
	if d.Rule != SampleRule {
		return fail("the rule of the draw is %q, which this program does not know", d.Rule)
	}
	if d.Count != int64(len(members)) || d.Digest != PopulationDigest(s.Population) {
		return fail("the population is not the one that was defined: its number or its digest is another")
	}
	if n := len(members); n == 0 || members[n-1].Position > d.Log.Size {
		return fail("the population reaches beyond the log it is said to be taken from")
	}
	defined, err := s.entry(trust, s.Defined, 1, ActionDefine, &d, &Definition{})
	if err != nil {
		return fail("the definition: %w", err)
	}
	before := LogState{Size: defined.Size, Root: defined.Root.String()}
	if d.Log.Size >= defined.Entry.Position {
		return fail("the population is of a log that holds the definition already")
	}
	if err := continues(d.Log, before, s.Stated); err != nil {
		return fail("from the population to the definition: %w", err)
	}
	proven := SampleProven{Origin: defined.Origin, Defined: defined.Entry.Position, Before: before, Witnesses: defined.Witnesses}
	if proven.Strength, err = d.Strength(); err != nil {
		return fail("%w", err)
	}
	if s.Draw == nil {
		if s.Drawn != nil || s.Recorded != "" || s.Consistency != nil {
			return fail("half of a draw")
		}
		if _, err := DrawFrom(members, d.Strata, "any"); err != nil {
			return fail("%w", err)
		}
		return proven, nil
	}
	recorded, err := s.entry(trust, s.Recorded, 2, ActionDraw, s.Draw, &DrawRecord{})
	if err != nil {
		return fail("the draw: %w", err)
	}
	switch {
	case recorded.Origin != defined.Origin:
		return fail("the definition and the draw stand in two logs")
	case s.Draw.Under != before:
		return fail("the draw names another checkpoint than the one that proves the definition")
	case before.Size >= recorded.Entry.Position:
		return fail("the draw was recorded before the definition stood in a published checkpoint")
	case s.Draw.Kind != d.Seed.Kind:
		return fail("chance was to be asked by %s, and was by %s", d.Seed.Kind, s.Draw.Kind)
	}
	if err := continues(before, LogState{Size: recorded.Size, Root: recorded.Root.String()}, s.Consistency); err != nil {
		return fail("from the definition to the draw: %w", err)
	}
	want, err := DrawFrom(members, d.Strata, s.Draw.Seed)
	if err != nil {
		return fail("%w", err)
	}
	if !slices.Equal(want, s.Drawn) {
		return fail("repeating the draw gives another list")
	}
	for i, w := range want {
		if len(s.Draw.Drawn) != len(want) || s.Draw.Drawn[i] != w.Position {
			return fail("repeating the draw gives another list than the one recorded")
		}
	}
	proven.Recorded = recorded.Entry.Position
	return proven, nil
}

// Strength is the chance that the draw finds at least one wrong item if the share the definition names were wrong.
func (d Definition) Strength() (float64, error) {
	share, err := strconv.ParseFloat(d.Share, 64)
	if err != nil || !(share > 0 && share <= 1) {
		return 0, fmt.Errorf("the share %q is no number between 0 and 1", d.Share)
	}
	var strata []Stratum
	for _, s := range d.Strata {
		strata = append(strata, Stratum{Size: s.Size, Take: s.Take})
	}
	return Strength(strata, Wrong(d.Count, share))
}

// entry checks a receipt and that the entry it opens says what the file says. said and read are of one type.
func (s Sample) entry(trust Trust, receipt string, n int64, action string, said, read any) (Proven, error) {
	r, err := ParseReceipt([]byte(receipt))
	if err != nil {
		return Proven{}, err
	}
	p, err := r.Check(trust)
	if err != nil {
		return Proven{}, err
	}
	if p.Entry.Whole == nil {
		return Proven{}, errors.New("its entry is not opened")
	}
	if step := p.Entry.Step; step.Stream != SampleStream(s.Definition.Number) || step.N != n || step.Action != action {
		return Proven{}, fmt.Errorf("its receipt is of another entry: %s, number %d, %s", step.Stream, step.N, step.Action)
	}
	var e struct {
		Fields json.RawMessage `json:"fields"`
	}
	if err := json.Unmarshal(p.Entry.Whole, &e); err != nil {
		return Proven{}, err
	}
	dec := json.NewDecoder(bytes.NewReader(e.Fields))
	dec.DisallowUnknownFields()
	if err := dec.Decode(read); err != nil {
		return Proven{}, fmt.Errorf("its entry cannot be read: %w", err)
	}
	if !reflect.DeepEqual(said, read) {
		return Proven{}, errors.New("the file says other than the entry in the log")
	}
	return p, nil
}

// continues checks that one state of the log begins with another.
func continues(old, now LogState, proof []string) error {
	var hashes [2]Hash
	for i, root := range []string{old.Root, now.Root} {
		h, err := ParseHash(root)
		if err != nil {
			return fmt.Errorf("root: %w", err)
		}
		hashes[i] = h
	}
	path := make([]Hash, len(proof))
	for i, p := range proof {
		h, err := ParseHash(p)
		if err != nil {
			return err
		}
		path[i] = h
	}
	return Consistency(hashes[0], old.Size, hashes[1], now.Size, path)
}
