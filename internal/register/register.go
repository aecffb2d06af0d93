// Package register keeps who is who: the bodies of the justice system as a tree, and the officials with the posts
// they held over time.
//
// Nothing in it is ever overwritten: a rename, a move, a merger or the end of a post is an entry on the stream of the
// body or official, and the tables are a fold of those entries (Fold functions are pure). A thing that was merged into
// another keeps its id, and every lookup follows it to where it is now.
package register

import (
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strings"
	"unicode"

	"plumbline/internal/journal"
	"plumbline/internal/ref"
	"plumbline/internal/rows"
)

// A Body is an institution or an office: a police station, a court, a complaints office, a ministry.
type Body struct {
	ID         ref.BodyID `db:"id,key"`
	Code       string     `db:"code"`   // unique, stable, for people and files: "city-police", "xx/complaints"
	Parent     ref.BodyID `db:"parent"` // 0: nothing is above
	Level      string     `db:"level"`
	Sector     string     `db:"sector"`
	From       string     `db:"valid_from"`
	To         string     `db:"valid_to"`    // last day; empty: it exists
	MergedInto ref.BodyID `db:"merged_into"` // 0, or the body that carries on its work
	Source     string     `db:"source"`      // empty, or the import it came with
	N          int64      `db:"n"`
	Names      []Name
}

// Name is what a body is called in a language during a time.
type Name struct {
	Lang string `db:"lang,key"`
	From string `db:"valid_from,key"` // empty: from the beginning
	Name string `db:"name"`
	To   string `db:"valid_to"` // last day; empty: still
}

// An Official is a person who holds or held a post. Members of the public never stand here.
type Official struct {
	ID         ref.OfficialID `db:"id,key"`
	Source     string         `db:"source"`     // where the key comes from: a register of personnel, an import
	SourceKey  string         `db:"source_key"` // the source's own stable key
	Name       string         `db:"name"`       // now
	Identified int64          `db:"identified"` // 0: known only by a description
	MergedInto ref.OfficialID `db:"merged_into"`
	Data       string         `db:"data"` // JSON: further attributes of the source
	N          int64          `db:"n"`
	Names      []FormerName
	Posts      []Post
}

// FormerName is one name of an official, with the day it began to be used.
type FormerName struct {
	No   int64  `db:"no,key"`
	Name string `db:"name"`
	From string `db:"valid_from"`
}

// Post is an office held: body, title and rank, from one day to another.
type Post struct {
	No     int64      `db:"no,key"`
	Body   ref.BodyID `db:"body"`
	Title  string     `db:"title"`
	Rank   string     `db:"rank"`
	From   string     `db:"valid_from"`
	To     string     `db:"valid_to"` // last day; empty: still
	Source string     `db:"source"`
}

type above struct {
	Above ref.BodyID `db:"above,key"`
	Depth int64      `db:"depth"`
}

type word struct {
	Word []byte `db:"word,key"`
}

var (
	bodies        = rows.Of[Body]("body", "")
	bodyNames     = rows.Of[Name]("body_name", "body")
	bodyAbove     = rows.Of[above]("body_above", "body")
	officials     = rows.Of[Official]("official", "")
	officialNames = rows.Of[FormerName]("official_name", "official")
	officialWords = rows.Of[word]("official_word", "official")
	posts         = rows.Of[Post]("post", "official")
)

// Change is one consequence of an entry on a body or an official. Which of its parts count depends on Op; see
// docs/reference/entries.md.
type Change struct {
	Op string `json:"op"`

	Code   string         `json:"code,omitempty"`
	Parent ref.BodyID     `json:"parent,omitempty,string"`
	Level  string         `json:"level,omitempty"`
	Sector string         `json:"sector,omitempty"`
	Into   ref.BodyID     `json:"into,omitempty,string"`
	Other  ref.OfficialID `json:"other,omitempty,string"`

	Source     string          `json:"source,omitempty"`
	SourceKey  string          `json:"source_key,omitempty"`
	Identified bool            `json:"identified,omitempty"`
	Data       json.RawMessage `json:"data,omitempty"`

	No    int64      `json:"no,omitempty"`
	Body  ref.BodyID `json:"body,omitempty,string"`
	Title string     `json:"title,omitempty"`
	Rank  string     `json:"rank,omitempty"`

	Lang string `json:"lang,omitempty"`
	Name string `json:"name,omitempty"`
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
}

// Ops of changes, bodies first.
const (
	opBody      = "body"       // the body begins: code, parent, level, sector, from, to, source
	opName      = "name"       // it is called name in lang, from a day on
	opMove      = "move"       // it lies below parent
	opClose     = "close"      // its last day is to
	opMerge     = "merge"      // into (body) or other (official) carries on for it
	opOfficial  = "official"   // the official enters the register: source, source_key, identified, data
	opCalled    = "called"     // the official is called name, from a day on
	opPost      = "post"       // post no: body, title, rank, from, to; a known no is replaced
	opData      = "data"       // the attributes of the source are now these
	opIdentfied = "identified" // the person behind the description is now known
)

// FoldBody applies an entry to a body. It is pure.
func FoldBody(b Body, e journal.Entry) (Body, error) {
	changes, err := decode(e)
	if err != nil {
		return b, err
	}
	b.N = e.N
	b.Names = slices.Clone(b.Names)
	for _, c := range changes {
		switch c.Op {
		case opBody:
			b.Code, b.Parent, b.Level, b.Sector, b.From, b.To, b.Source = c.Code, c.Parent, c.Level, c.Sector, c.From, c.To, c.Source
		case opName:
			b.Names = renamed(b.Names, c)
		case opMove:
			b.Parent = c.Parent
		case opClose:
			b.To = c.To
		case opMerge:
			b.MergedInto, b.Parent = c.Into, c.Into
		default:
			return b, fmt.Errorf("register: entry %s/%d: unknown change %q of a body", e.Stream, e.N, c.Op)
		}
	}
	return b, nil
}

// renamed ends the name that was valid when the new one begins.
func renamed(names []Name, c Change) []Name {
	for i, n := range names {
		if n.Lang != c.Lang {
			continue
		}
		if n.From == c.From {
			names[i].Name, names[i].To = c.Name, c.To
			return names
		}
		if n.To == "" && n.From < c.From {
			names[i].To = DayBefore(c.From)
		}
	}
	names = append(names, Name{Lang: c.Lang, From: c.From, Name: c.Name, To: c.To})
	sort.Slice(names, func(i, j int) bool {
		if names[i].Lang != names[j].Lang {
			return names[i].Lang < names[j].Lang
		}
		return names[i].From < names[j].From
	})
	return names
}

// FoldOfficial applies an entry to an official. It is pure.
func FoldOfficial(o Official, e journal.Entry) (Official, error) {
	changes, err := decode(e)
	if err != nil {
		return o, err
	}
	o.N = e.N
	o.Names, o.Posts = slices.Clone(o.Names), slices.Clone(o.Posts)
	for _, c := range changes {
		switch c.Op {
		case opOfficial:
			o.Source, o.SourceKey, o.Data = c.Source, c.SourceKey, string(c.Data)
			o.Identified = 0
			if c.Identified {
				o.Identified = 1
			}
		case opIdentfied:
			o.Identified = 1
		case opCalled:
			o.Name = c.Name
			o.Names = append(o.Names, FormerName{No: int64(len(o.Names) + 1), Name: c.Name, From: c.From})
		case opPost:
			p := Post{No: c.No, Body: c.Body, Title: c.Title, Rank: c.Rank, From: c.From, To: c.To, Source: c.Source}
			if i := slices.IndexFunc(o.Posts, func(q Post) bool { return q.No == c.No }); i >= 0 {
				o.Posts[i] = p
			} else {
				o.Posts = append(o.Posts, p)
			}
		case opMerge:
			o.MergedInto = c.Other
		case opData:
			o.Data = string(c.Data)
		default:
			return o, fmt.Errorf("register: entry %s/%d: unknown change %q of an official", e.Stream, e.N, c.Op)
		}
	}
	return o, nil
}

func decode(e journal.Entry) ([]Change, error) {
	var out []Change
	dec := json.NewDecoder(strings.NewReader(string(e.Changes)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&out); err != nil {
		return nil, fmt.Errorf("register: entry %s/%d: changes: %w", e.Stream, e.N, err)
	}
	return out, nil
}

// Called returns what the body is called in a language on a day (ISO, empty: now): in that language, else in the
// first language it has a name in, else its code.
func (b *Body) Called(lang, on string) string {
	var fallback string
	for _, n := range b.Names {
		if !within(n.From, n.To, on) {
			continue
		}
		if n.Lang == lang {
			return n.Name
		}
		if fallback == "" {
			fallback = n.Name
		}
	}
	if fallback == "" {
		return b.Code
	}
	return fallback
}

// PostAt returns the post held on a day (ISO, perhaps of reduced precision; empty: now): of several, the one that
// began last.
func (o *Official) PostAt(on string) (Post, bool) {
	var found Post
	ok := false
	for _, p := range o.Posts {
		if within(p.From, p.To, on) && (!ok || p.From >= found.From) {
			found, ok = p, true
		}
	}
	return found, ok
}

// within reports whether a day lies in a span of days. Dates of reduced precision count as the whole year or month, so
// a post until "2019" was held on "2019-05-17".
func within(from, to, on string) bool {
	if on == "" {
		return to == ""
	}
	if from != "" && cut(from, on) > cut(on, from) {
		return false
	}
	return to == "" || cut(to, on) >= cut(on, to)
}

// cut shortens s to the precision both dates have.
func cut(s, other string) string { return s[:min(len(s), len(other))] }

// DayBefore returns the day before an ISO date, or the month or year before one of reduced precision.
func DayBefore(date string) string {
	for _, layout := range []string{"2006-01-02", "2006-01", "2006"} {
		if t, err := parseLayout(layout, date); err == nil {
			switch layout {
			case "2006-01-02":
				t = t.AddDate(0, 0, -1)
			case "2006-01":
				t = t.AddDate(0, -1, 0)
			default:
				t = t.AddDate(-1, 0, 0)
			}
			return t.Format(layout)
		}
	}
	return date
}

// words returns what an official can be found by: each word of each name in lower case; a word without spaces in a
// script that needs none (Han, Kana, Hangul, Thai) also from every later character on.
func (o *Official) words() []word {
	var out []word
	seen := map[string]bool{}
	add := func(s string) {
		if s != "" && !seen[s] {
			seen[s] = true
			out = append(out, word{Word: []byte(s)})
		}
	}
	for _, n := range o.Names {
		for _, w := range Words(n.Name) {
			add(w)
			runes := []rune(w)
			for i := 1; i < len(runes); i++ {
				if unspaced(runes[i]) {
					add(string(runes[i:]))
				}
			}
		}
	}
	return out
}

// Words splits a name or a query into lower-case words.
func Words(s string) []string {
	return strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

func unspaced(r rune) bool {
	return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Thai)
}
