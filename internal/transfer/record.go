package transfer

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"plumbline/internal/pack"
)

// What the mapping makes of rows. Bodies and officials are named by the source's own codes and keys, never by ids of
// this database, so that a record and its digest depend on nothing but the input and the mapping.

type bodyRecord struct {
	Code, Level, Sector, Parent string
	Names                       pack.Text
	counts                      []int
}

type officialRecord struct {
	Key, Name, Data string
	Posts           []postRecord
	counts          []int // rows by source that became this official and nothing else
}

type postRecord struct{ Body, Title, Rank, From, To string }

type matterRecord struct {
	Key       string
	Rejected  bool // the rows are there, but none of them could be taken
	Kind      string
	Received  string
	Closed    string
	Status    string
	Body      string
	Concerned string
	Subject   string
	Data      string

	Allegations []allegationRecord
	Parties     []partyRecord
	counts      []int // accepted rows by source
}

type allegationRecord struct {
	Key, Official, Described, Conduct, Category, Time, Place, Rank, Body, Finding, Standard, Outcome, Data string
}

type partyRecord struct{ Role, Data string }

func (m *matterRecord) texts() []*string {
	return []*string{&m.Kind, &m.Received, &m.Closed, &m.Status, &m.Body, &m.Concerned, &m.Subject, &m.Data}
}

func (a *allegationRecord) texts() []*string {
	return []*string{&a.Key, &a.Official, &a.Described, &a.Conduct, &a.Category, &a.Time, &a.Place, &a.Rank, &a.Body,
		&a.Finding, &a.Standard, &a.Outcome, &a.Data}
}

func (p *partyRecord) texts() []*string { return []*string{&p.Role, &p.Data} }

func (p *postRecord) texts() []*string { return []*string{&p.Body, &p.Title, &p.Rank, &p.From, &p.To} }

// digest tells two records apart. The order of rows in the file does not count.
func (m *matterRecord) digest() []byte {
	h := sha256.New()
	h.Write(appendTexts(nil, m.texts()))
	var parts [][]byte
	for i := range m.Allegations {
		parts = append(parts, appendTexts([]byte{'a'}, m.Allegations[i].texts()))
	}
	for i := range m.Parties {
		parts = append(parts, appendTexts([]byte{'p'}, m.Parties[i].texts()))
	}
	slices.SortFunc(parts, slices.Compare[[]byte])
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)[:16]
}

func (o *officialRecord) digest() []byte {
	b := appendTexts(nil, []*string{&o.Name, &o.Data})
	for i := range o.Posts {
		b = appendTexts(b, o.Posts[i].texts())
	}
	sum := sha256.Sum256(b)
	return sum[:16]
}

// Records travel through temporary files as counted texts.

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendTexts(b []byte, texts []*string) []byte {
	for _, s := range texts {
		b = appendText(b, *s)
	}
	return b
}

func appendCounts(b []byte, counts []int) []byte {
	b = binary.AppendUvarint(b, uint64(len(counts)))
	for _, n := range counts {
		b = binary.AppendUvarint(b, uint64(n))
	}
	return b
}

func (m *matterRecord) encode(b []byte) []byte {
	rejected := 0
	if m.Rejected {
		rejected = 1
	}
	b = binary.AppendUvarint(b, uint64(rejected))
	b = appendCounts(b, m.counts)
	b = appendTexts(b, m.texts())
	b = binary.AppendUvarint(b, uint64(len(m.Allegations)))
	for i := range m.Allegations {
		b = appendTexts(b, m.Allegations[i].texts())
	}
	b = binary.AppendUvarint(b, uint64(len(m.Parties)))
	for i := range m.Parties {
		b = appendTexts(b, m.Parties[i].texts())
	}
	return b
}

func decodeMatter(key, b []byte) (*matterRecord, error) {
	r := reader{b: b, ok: true}
	m := &matterRecord{Key: string(key)}
	m.Rejected = r.count() == 1
	m.counts = r.counts()
	r.texts(m.texts())
	m.Allegations = make([]allegationRecord, r.count())
	for i := range m.Allegations {
		r.texts(m.Allegations[i].texts())
	}
	m.Parties = make([]partyRecord, r.count())
	for i := range m.Parties {
		r.texts(m.Parties[i].texts())
	}
	return m, r.err()
}

func (o *officialRecord) encode(b []byte) []byte {
	b = appendTexts(appendCounts(b, o.counts), []*string{&o.Name, &o.Data})
	b = binary.AppendUvarint(b, uint64(len(o.Posts)))
	for i := range o.Posts {
		b = appendTexts(b, o.Posts[i].texts())
	}
	return b
}

func decodeOfficial(key, b []byte) (*officialRecord, error) {
	r := reader{b: b, ok: true}
	o := &officialRecord{Key: string(key)}
	o.counts = r.counts()
	r.texts([]*string{&o.Name, &o.Data})
	o.Posts = make([]postRecord, r.count())
	for i := range o.Posts {
		r.texts(o.Posts[i].texts())
	}
	return o, r.err()
}

// encodeRow and decodeRow carry one CSV record through the sort.
func encodeRow(b []byte, source, file, line int, fields []string) []byte {
	b = binary.AppendUvarint(b, uint64(source))
	b = binary.AppendUvarint(b, uint64(file))
	b = binary.AppendUvarint(b, uint64(line))
	b = binary.AppendUvarint(b, uint64(len(fields)))
	for _, f := range fields {
		b = appendText(b, f)
	}
	return b
}

func decodeRow(b []byte) (source int, row *rowValue, err error) {
	r := reader{b: b, ok: true}
	source = r.count()
	row = &rowValue{file: r.count(), line: r.count()}
	row.fields = make([]string, r.count())
	all := string(r.b)
	for i := range row.fields {
		n := r.count()
		if !r.ok || n > len(r.b) {
			return 0, nil, errDamaged
		}
		at := len(all) - len(r.b)
		row.fields[i] = all[at : at+n]
		r.b = r.b[n:]
	}
	return source, row, r.err()
}

var errDamaged = errors.New("a temporary file is damaged")

type reader struct {
	b  []byte
	ok bool
}

func (r *reader) count() int {
	n, size := binary.Uvarint(r.b)
	if size <= 0 || n > 1<<40 {
		r.ok = false
		return 0
	}
	r.b = r.b[size:]
	return int(n)
}

func (r *reader) text() string {
	n := r.count()
	if n > len(r.b) {
		r.ok = false
		return ""
	}
	s := string(r.b[:n])
	r.b = r.b[n:]
	return s
}

func (r *reader) texts(out []*string) {
	for _, s := range out {
		*s = r.text()
	}
}

func (r *reader) counts() []int {
	out := make([]int, r.count())
	for i := range out {
		out[i] = r.count()
	}
	return out
}

func (r *reader) err() error {
	if !r.ok || len(r.b) > 0 {
		return errDamaged
	}
	return nil
}

// jsonObject writes named values in the order given; empty ones are left out, and an object of none is the empty text.
func jsonObject(names []string, values []any) string {
	var b []byte
	for i, name := range names {
		if values[i] == nil || values[i] == "" {
			continue
		}
		if b == nil {
			b = append(b, '{')
		} else {
			b = append(b, ',')
		}
		b = appendJSON(append(appendJSON(b, name), ':'), values[i])
	}
	if b == nil {
		return ""
	}
	return string(append(b, '}'))
}

func appendJSON(b []byte, v any) []byte {
	switch v := v.(type) {
	case string:
		out, err := jsontext.AppendQuote(b, v)
		if err != nil {
			return append(b, `""`...) // cannot happen: the readers let no invalid UTF-8 through
		}
		return out
	case int64:
		return strconv.AppendInt(b, v, 10)
	case bool:
		if v {
			return append(b, "true"...)
		}
		return append(b, "false"...)
	}
	return append(b, "null"...)
}
