package transfer

import (
	"crypto/sha256"
	"encoding/hex"
	"path"
	"slices"
	"sort"
	"strings"

	"plumbline/internal/pack"
)

// A Mapping says how files become matters. Parse reads its text, Bind settles it against a pack and the columns of the
// files; both find everything that is wrong at once.
type Mapping struct {
	Name     string    // "rivertown"
	Pack     string    // whose findings, conduct, categories … it speaks of
	Source   string    // name kept with everything imported
	Title    pack.Text // what it imports
	Released string    // date of the data's release, if the mapping knows it
	Sources  []*Source
	File     string // where it was read from, for messages
	Digest   string // of its text

	tables map[string]*table
	fixed  []fixedBody

	// as written, compiled by Bind
	bodyNodes     []*node
	officialNodes []*node
	matterNode    *node
	allegNode     *node
	partyNodes    []*node
	checkNodes    []*node
}

// A Source is one kind of file: its form, and the key that ties its rows to those of the others.
type Source struct {
	Name       string
	Pattern    string // of file names
	Delimiter  byte
	Header     string   // "true": the first line names the columns; "false": there is none; "skip": it is passed over
	Columns    []string // declared; empty: whatever the header says
	Rename     map[string]string
	One        bool // at most one row for each key
	Duplicates string
	Trim       bool
	Empty      []string // values that mean "empty"

	key  *node
	line int
	cols *columns
}

type fixedBody struct {
	bodyRecord
	line int
}

// A table turns the values of a source into ids of the pack.
type table struct {
	name   string
	line   int
	fold   bool
	values map[string]string
	lines  map[string]int
	other  policy
}

func (t *table) find(s string) (string, bool) {
	v, ok := t.values[t.folded(s)]
	return v, ok
}

func (t *table) folded(s string) string {
	if !t.fold {
		return s
	}
	return strings.ToLower(strings.Join(strings.Fields(s), " "))
}

func tableNames(tables map[string]*table) []string {
	names := make([]string, 0, len(tables))
	for n := range tables {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}

// A policy says what happens to a bad value.
type policy struct {
	mode  string // "reject", "flag", "default"; "" not said
	value string
}

// Parse reads a mapping. file is only named in messages.
func Parse(file string, src []byte) (*Mapping, error) {
	p := &problems{file: file}
	root := parseYAML(p, src)
	if root == nil {
		return nil, p.err()
	}
	sum := sha256.Sum256(src)
	m := &Mapping{File: file, Digest: hex.EncodeToString(sum[:]), tables: map[string]*table{}}
	k := p.keys(root, "the mapping", "mapping", "pack", "source", "title", "released", "sources", "tables", "bodies",
		"bodies_from", "officials", "matter", "allegations", "parties", "checks")
	m.Name = k.word("mapping", true)
	m.Pack = k.word("pack", true)
	m.Source = k.word("source", false)
	if m.Source == "" {
		m.Source = m.Name
	}
	m.Title = k.label("title")
	if m.Released = k.text("released", false); m.Released != "" && !isDate(m.Released) {
		p.add(k.line("released"), "released: %q is no date such as 2020, 2020-07 or 2020-07-27", m.Released)
	}
	for _, e := range k.entries("sources", true) {
		m.Sources = append(m.Sources, parseSource(p, e))
	}
	for _, e := range k.entries("tables", false) {
		m.tables[e.name] = parseTable(p, e)
	}
	for _, n := range k.list("bodies") {
		b := p.keys(n, "a body", "code", "names", "level", "sector", "parent")
		m.fixed = append(m.fixed, fixedBody{bodyRecord{
			Code: b.text("code", true), Names: b.label("names"), Level: b.text("level", true),
			Sector: b.text("sector", false), Parent: b.text("parent", false),
		}, n.line})
	}
	m.bodyNodes = k.list("bodies_from")
	m.officialNodes = k.list("officials")
	m.matterNode = k.value("matter", true)
	m.allegNode = k.value("allegations", false)
	m.partyNodes = k.list("parties")
	m.checkNodes = k.list("checks")
	return m, p.err()
}

func parseSource(p *problems, e keyNode) *Source {
	k := p.keys(e.value, "source "+e.name, "file", "delimiter", "header", "columns", "rename", "key", "one", "duplicates", "trim", "empty")
	s := &Source{Name: e.name, line: e.line, Delimiter: ',', Trim: k.yes("trim", true), One: k.yes("one", false),
		Header: k.oneOf("header", "true", "true", "false", "skip"), Pattern: k.text("file", false), key: k.value("key", false), Rename: map[string]string{}}
	if !isName(e.name) || e.name == "row" || e.name == "rows" || e.name == "matter" || slices.Contains(functionNames, e.name) {
		p.add(e.line, "source %s: a name of small letters, digits and _ is wanted, other than row, rows, matter or a function", e.name)
	}
	switch d := k.text("delimiter", false); {
	case d == "":
	case d == "tab" || d == `\t`:
		s.Delimiter = '\t'
	case len(d) == 1 && d != `"` && d != "\n":
		s.Delimiter = d[0]
	default:
		p.add(k.line("delimiter"), "source %s: delimiter: one character or tab is wanted, not %q", e.name, d)
	}
	for _, n := range k.list("columns") {
		s.Columns = append(s.Columns, n.scalar)
	}
	if s.Header != "true" && len(s.Columns) == 0 {
		p.add(e.line, "source %s: without the names of a header, columns must list them", e.name)
	}
	for _, r := range k.entries("rename", false) {
		s.Rename[r.name] = r.value.scalar
		if !isName(r.name) {
			p.add(r.line, "source %s: rename: %q cannot be used in expressions; small letters, digits and _ can", e.name, r.name)
		}
	}
	s.Duplicates = k.oneOf("duplicates", "flag", "flag", "keep", "reject")
	for _, n := range k.list("empty") {
		s.Empty = append(s.Empty, n.scalar)
	}
	if s.One && s.key == nil {
		p.add(e.line, "source %s: one row for each key needs a key", e.name)
	}
	return s
}

func parseTable(p *problems, e keyNode) *table {
	k := p.keys(e.value, "table "+e.name, "fold", "values", "else")
	t := &table{name: e.name, line: e.line, fold: k.yes("fold", false), values: map[string]string{}, lines: map[string]int{}}
	t.other = k.policy("else")
	for _, v := range k.entries("values", true) {
		key := t.folded(v.name)
		if _, twice := t.values[key]; twice {
			p.add(v.line, "table %s: %q is the same as the value in line %d (fold: true ignores case and spaces)", e.name, v.name, t.lines[key])
			continue
		}
		if v.value.kind == mapNode || v.value.kind == listNode {
			p.add(v.line, "table %s: %q: a text is wanted", e.name, v.name)
			continue
		}
		t.values[key], t.lines[key] = v.value.scalar, v.line
	}
	return t
}

// match reports whether a file, by its name, is this source's.
func (s *Source) match(file string) bool {
	if s.Pattern == "" {
		return false
	}
	ok, err := path.Match(s.Pattern, file)
	return ok && err == nil
}

func isName(s string) bool {
	for i, r := range s {
		if !(r >= 'a' && r <= 'z' || r == '_' || r >= 'A' && r <= 'Z' || i > 0 && r >= '0' && r <= '9') {
			return false
		}
	}
	return s != ""
}

// keyed reads the keys of a YAML map and finds those that have no meaning.
type keyed struct {
	p    *problems
	what string
	at   int
	vals map[string]*node
}

func (p *problems) keys(n *node, what string, known ...string) keyed {
	k := keyed{p: p, what: what, vals: map[string]*node{}}
	if n == nil {
		return k
	}
	k.at = n.line
	if n.kind != mapNode {
		p.add(n.line, "%s: keys with values are wanted here (%s)", what, strings.Join(known, ", "))
		return k
	}
	for _, e := range n.keys {
		if !slices.Contains(known, e.name) {
			p.add(e.line, "%s has no key %q%s (it has %s)", what, e.name, didYouMean(e.name, known), strings.Join(known, ", "))
			continue
		}
		k.vals[e.name] = e.value
	}
	return k
}

func (k keyed) value(name string, required bool) *node {
	v := k.vals[name]
	if v == nil || v.kind == nullNode {
		if required {
			k.p.add(k.at, "%s: %s is missing", k.what, name)
		}
		return nil
	}
	return v
}

func (k keyed) line(name string) int {
	if v := k.vals[name]; v != nil {
		return v.line
	}
	return k.at
}

func (k keyed) text(name string, required bool) string {
	v := k.value(name, required)
	if v == nil {
		return ""
	}
	if v.kind != scalarNode {
		k.p.add(v.line, "%s: %s: a text is wanted", k.what, name)
		return ""
	}
	return v.scalar
}

// word is a text that serves as a name: letters, digits, dash, dot and underscore.
func (k keyed) word(name string, required bool) string {
	s := k.text(name, required)
	for _, r := range s {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '.') {
			k.p.add(k.line(name), "%s: %s: %q: letters, digits, dashes, dots and _ make a name", k.what, name, s)
			return ""
		}
	}
	return s
}

func (k keyed) yes(name string, otherwise bool) bool {
	switch s := k.text(name, false); s {
	case "":
		return otherwise
	case "true", "yes":
		return true
	case "false", "no":
		return false
	default:
		k.p.add(k.line(name), "%s: %s: true or false is wanted, not %q", k.what, name, s)
		return otherwise
	}
}

func (k keyed) oneOf(name, otherwise string, choices ...string) string {
	s := k.text(name, false)
	if s == "" {
		return otherwise
	}
	if !slices.Contains(choices, s) {
		k.p.add(k.line(name), "%s: %s: %s is wanted, not %q", k.what, name, strings.Join(choices, " or "), s)
		return otherwise
	}
	return s
}

func (k keyed) list(name string) []*node {
	v := k.value(name, false)
	if v == nil {
		return nil
	}
	if v.kind != listNode {
		k.p.add(v.line, "%s: %s: a list is wanted", k.what, name)
		return nil
	}
	return v.list
}

func (k keyed) entries(name string, required bool) []keyNode {
	v := k.value(name, required)
	if v == nil {
		return nil
	}
	if v.kind != mapNode {
		k.p.add(v.line, "%s: %s: names with values are wanted", k.what, name)
		return nil
	}
	return v.keys
}

// label is a text in several languages, or one text for all.
func (k keyed) label(name string) pack.Text {
	v := k.value(name, false)
	if v == nil {
		return nil
	}
	t := pack.Text{}
	switch v.kind {
	case scalarNode:
		t["en"] = v.scalar
	case mapNode:
		for _, e := range v.keys {
			if e.value.kind != scalarNode {
				k.p.add(e.line, "%s: %s: a text is wanted for each language", k.what, name)
				continue
			}
			t[e.name] = e.value.scalar
		}
	default:
		k.p.add(v.line, "%s: %s: a text, or one for each language, is wanted", k.what, name)
	}
	return t
}

func (k keyed) policy(name string) policy {
	v := k.value(name, false)
	if v == nil {
		return policy{}
	}
	if v.kind == mapNode && len(v.keys) == 1 && v.keys[0].name == "default" && v.keys[0].value.kind != mapNode && v.keys[0].value.kind != listNode {
		return policy{"default", v.keys[0].value.scalar}
	}
	if v.kind == scalarNode && (v.scalar == "reject" || v.scalar == "flag") {
		return policy{mode: v.scalar}
	}
	k.p.add(v.line, "%s: %s: reject, flag or {default: value} is wanted", k.what, name)
	return policy{}
}
