package transfer

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"plumbline/internal/pack"
)

// A plan is a mapping settled against a pack and the columns of its files: everything that turns rows into records.
type plan struct {
	*Mapping
	lang       *language
	pack       *pack.Pack
	sources    map[string]*boundSource
	bodies     []*bodyTarget
	officials  []*officialTarget
	matter     *matterTarget
	allegation *allegationTarget
	parties    []*partyTarget
	categoryOf map[string]string // conduct → category
	packName   string
}

type boundSource struct {
	*Source
	no     int
	key    *expr
	checks []*check
}

type check struct {
	id     string
	label  pack.Text
	when   *expr
	reject bool
	matter bool // once for each matter, over its first row
}

// A target is one value of a record that is imported.
type target struct {
	name  string
	expr  *expr
	table *table
	bad   policy
	label pack.Text
	valid func(string) string // says why a value is not acceptable, or ""
}

type field struct {
	name string
	target
}

type bodyTarget struct {
	from                        *boundSource
	when                        *expr
	code, level, sector, parent *target
	names                       []field // by language
}

type officialTarget struct {
	from      *boundSource
	when      *expr
	key, name *target
	data      []field
	post      *postTarget
}

type postTarget struct {
	when                        *expr
	body, title, rank, from, to *target
}

type matterTarget struct {
	from                           *boundSource
	kind, received, closed, status *target
	body, concerned, subject       *target
	data                           []field
}

type allegationTarget struct {
	from                                              *boundSource
	when                                              *expr
	key, official, described, conduct, category, time *target
	place, rank, body, finding, standard, outcome     *target
	data                                              []field
	own                                               bool // the official is the one of the same row
}

type partyTarget struct {
	from     *boundSource
	when     *expr
	role     *target
	distinct bool
	data     []field
}

// vocabulary is what the pack lets records say.
type vocabulary struct {
	findings, conduct, categories, kinds, outcomes, standards, ranks, levels, sectors []string
}

func words(p *pack.Pack) vocabulary {
	var v vocabulary
	for _, x := range p.Findings {
		v.findings = append(v.findings, x.ID)
	}
	for _, x := range p.Conduct {
		v.conduct = append(v.conduct, x.ID)
	}
	for _, x := range p.Categories {
		v.categories = append(v.categories, x.ID)
	}
	for _, x := range p.Kinds {
		v.kinds = append(v.kinds, x.ID)
	}
	for _, t := range p.Tiers {
		for _, x := range t.Outcomes {
			v.outcomes = append(v.outcomes, x.ID)
		}
	}
	for _, x := range p.Standards {
		v.standards = append(v.standards, x.ID)
	}
	for _, x := range p.Ranks {
		v.ranks = append(v.ranks, x.ID)
	}
	for _, x := range p.Levels {
		v.levels = append(v.levels, x.ID)
	}
	for _, x := range p.Sectors {
		v.sectors = append(v.sectors, x.ID)
	}
	return v
}

// binder settles a mapping.
type binder struct {
	*problems
	*plan
	words vocabulary
	alone map[*boundSource]*dialect // expressions that see one row
	speak map[*boundSource]*dialect // expressions that see all rows of a key
	used  map[*table]bool
	asked map[*Source]bool // something is to be made from it, however mistaken
}

// Check settles the mapping against a pack as far as it can be without files: all of it, if every source lists its
// columns; all but the expressions over the others, if not.
func (m *Mapping) Check(p *pack.Pack) error {
	for _, s := range m.Sources {
		if len(s.Columns) == 0 {
			return nil // its columns are known when the file is; Bind checks everything then
		}
	}
	_, err := m.bind(p, nil)
	return err
}

// bind compiles the mapping. headers are the column names of each source's files; a source without one uses the columns
// the mapping lists.
func (m *Mapping) bind(pk *pack.Pack, headers map[string][]string) (*plan, error) {
	p := &problems{file: m.File}
	if pk.Name != m.Pack {
		p.add(0, "the mapping is written for the pack %s, not for %s", m.Pack, pk.Name)
		return nil, p.err()
	}
	b := &binder{problems: p, words: words(pk), speak: map[*boundSource]*dialect{}, alone: map[*boundSource]*dialect{}, used: map[*table]bool{},
		asked: map[*Source]bool{},
		plan:  &plan{Mapping: m, pack: pk, packName: pk.Name + "@" + pk.Version, sources: map[string]*boundSource{}, categoryOf: map[string]string{}}}
	for _, c := range pk.Conduct {
		b.categoryOf[c.ID] = c.Category
	}
	for _, s := range m.Sources {
		b.settleColumns(s, headers[s.Name])
	}
	var err error
	if b.lang, err = newLanguage(m); err != nil {
		return nil, err
	}
	for i, s := range m.Sources {
		bs := &boundSource{Source: s, no: i}
		b.sources[s.Name] = bs
		if b.speak[bs], err = b.lang.of(s, true); err != nil {
			return nil, err
		}
		if b.alone[bs], err = b.lang.of(s, false); err != nil {
			return nil, err
		}
		bs.key = b.alone[bs].compile(p, s.key, "source "+s.Name+": key", false)
	}
	b.bindBodies()
	b.bindOfficials()
	b.bindMatter()
	b.bindAllegations()
	b.bindParties()
	b.bindChecks()
	b.checkUse()
	return b.plan, p.err()
}

func (b *binder) settleColumns(s *Source, header []string) {
	names := s.Columns
	if header != nil {
		names = header
	}
	known := slices.Clone(names)
	for name, column := range s.Rename {
		i := slices.Index(known, column)
		if i < 0 {
			b.add(s.line, "source %s: rename: the file has no column %q%s", s.Name, column, insteadOf(column, names))
			continue
		}
		known[i] = name
	}
	if header != nil {
		for _, want := range s.Columns {
			if !slices.Contains(header, want) {
				b.add(s.line, "source %s: the file has no column %q%s", s.Name, want, insteadOf(want, header))
			}
		}
	}
	seen := map[string]int{}
	for i, n := range known {
		if first, twice := seen[n]; twice && n != "" {
			b.add(s.line, "source %s: columns %d and %d are both called %q", s.Name, first+1, i+1, n)
		}
		seen[n] = i
	}
	s.cols = newColumns(s.Name, known)
}

// from finds the source a target reads.
func (b *binder) from(k keyed, keyed bool) (*boundSource, *dialect) {
	name := k.text("from", true)
	if name == "" {
		return nil, nil
	}
	bs := b.sources[name]
	if bs == nil {
		var names []string
		for _, s := range b.Sources {
			names = append(names, s.Name)
		}
		b.add(k.line("from"), "%s: from: no source is called %s%s", k.what, name, didYouMean(name, names))
		return nil, nil
	}
	b.asked[bs.Source] = true
	if keyed && bs.Source.key == nil {
		b.add(k.line("from"), "%s: from: source %s needs a key, so that its rows find their matter", k.what, name)
		return nil, nil
	}
	return bs, b.speak[bs]
}

// target reads one value: an expression, or {value, table, bad, label}.
func (b *binder) target(d *dialect, k keyed, name string, required bool, otherwise policy, valid func(string) string) *target {
	n := k.value(name, required)
	if n == nil {
		return nil
	}
	return b.targetAt(d, n, k.what+": "+name, otherwise, valid)
}

func (b *binder) targetAt(d *dialect, n *node, what string, otherwise policy, valid func(string) string) *target {
	t := &target{name: what, bad: otherwise, valid: valid}
	if n.kind != mapNode {
		t.expr = d.compile(b.problems, n, what, false)
	} else {
		k := b.keys(n, what, "value", "table", "bad", "label")
		t.expr = d.compile(b.problems, k.value("value", true), what, false)
		if bad := k.policy("bad"); bad.mode != "" {
			t.bad = bad
		}
		t.label = k.label("label")
		if name := k.text("table", false); name != "" {
			if t.table = b.tables[name]; t.table == nil {
				b.add(k.line("table"), "%s: no table is called %s%s", what, name, didYouMean(name, tableNames(b.tables)))
			}
		}
	}
	if t.expr == nil {
		return nil
	}
	if t.table != nil {
		b.used[t.table] = true
		if t.table.other.mode != "" {
			t.bad = t.table.other
		}
		if valid != nil {
			for key, v := range t.table.values {
				if why := t.acceptable(v); why != "" {
					b.add(t.table.lines[key], "table %s: %s", t.table.name, why)
				}
			}
		}
	} else if t.expr.kind == exprConstant {
		if why := t.acceptable(t.expr.text); why != "" {
			b.add(n.line, "%s: %s", what, why)
		}
	}
	if t.bad.mode == "default" {
		if why := t.acceptable(t.bad.value); why != "" {
			b.add(n.line, "%s: default: %s", what, why)
		}
	}
	return t
}

// acceptable says why a value cannot stand in this place, or "". Nothing is always acceptable.
func (t *target) acceptable(v string) string {
	if v == "" || t.valid == nil {
		return ""
	}
	return t.valid(v)
}

func known(what string, ids []string) func(string) string {
	set := make(map[string]bool, len(ids))
	for _, id := range ids {
		set[id] = true
	}
	return func(v string) string {
		if set[v] {
			return ""
		}
		return fmt.Sprintf("the pack has no %s %q%s", what, v, didYouMean(v, ids))
	}
}

func dateOnly(v string) string {
	if isDate(v) {
		return ""
	}
	return fmt.Sprintf("%q is no date such as 2019, 2019-05 or 2019-05-17; use date(…) or month(…)", v)
}

var codePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9._/-]{0,79}$`)

func bodyCode(v string) string {
	if codePattern.MatchString(v) {
		return ""
	}
	return fmt.Sprintf("%q is no code: small letters, digits and . _ / - make one, at most 80; use slug(…)", v)
}

// longestKey bounds what databases keep in an index. A longer "key" is a text that strayed into the column.
const longestKey = 500

func indexable(v string) string {
	if len(v) <= longestKey {
		return ""
	}
	return fmt.Sprintf("%.40s… is longer than %d bytes", v, longestKey)
}

// fields reads `data:` and the like: names with values.
func (b *binder) fields(d *dialect, k keyed, key string) []field {
	var out []field
	for _, e := range k.entries(key, false) {
		if t := b.targetAt(d, e.value, k.what+": "+key+"."+e.name, policy{mode: "flag"}, nil); t != nil {
			out = append(out, field{e.name, *t})
		}
	}
	slices.SortFunc(out, func(a, b field) int { return strings.Compare(a.name, b.name) })
	return out
}

var (
	reject = policy{mode: "reject"}
	flag   = policy{mode: "flag"}
)

func (b *binder) bindBodies() {
	codes := map[string]int{}
	for _, f := range b.fixed {
		if why := bodyCode(f.Code); f.Code != "" && why != "" {
			b.add(f.line, "body: code: %s", why)
		}
		if line, twice := codes[f.Code]; twice {
			b.add(f.line, "body %s stands here for the second time, first in line %d", f.Code, line)
		}
		codes[f.Code] = f.line
		if why := known("level", b.words.levels)(f.Level); f.Level != "" && why != "" {
			b.add(f.line, "body %s: %s", f.Code, why)
		}
		if why := known("sector", b.words.sectors)(f.Sector); f.Sector != "" && why != "" {
			b.add(f.line, "body %s: %s", f.Code, why)
		}
	}
	for _, f := range b.fixed {
		if line, ok := codes[f.Parent]; f.Parent != "" && (!ok || line > f.line) {
			b.add(f.line, "body %s: its parent %s must be listed above it", f.Code, f.Parent)
		}
	}
	for _, n := range b.bodyNodes {
		k := b.keys(n, "a body of bodies_from", "from", "when", "code", "names", "level", "sector", "parent")
		src, _ := b.from(k, false)
		if src == nil {
			continue
		}
		d := b.alone[src]
		t := &bodyTarget{from: src, when: d.compile(b.problems, k.value("when", false), k.what+": when", true)}
		t.code = b.target(d, k, "code", true, reject, bodyCode)
		t.level = b.target(d, k, "level", true, reject, known("level", b.words.levels))
		t.sector = b.target(d, k, "sector", false, reject, known("sector", b.words.sectors))
		t.parent = b.target(d, k, "parent", false, reject, nil)
		t.names = b.fields(d, k, "names")
		if t.code != nil && t.level != nil {
			b.bodies = append(b.bodies, t)
		}
	}
}

func (b *binder) bindOfficials() {
	for _, n := range b.officialNodes {
		k := b.keys(n, "an official", "from", "when", "key", "name", "data", "post")
		src, d := b.from(k, false)
		if src == nil {
			continue
		}
		if src.Source.key == nil {
			d = b.alone[src]
		}
		t := &officialTarget{from: src, when: d.compile(b.problems, k.value("when", false), "an official: when", true)}
		t.key = b.target(d, k, "key", true, reject, indexable)
		t.name = b.target(d, k, "name", true, reject, indexable)
		t.data = b.fields(d, k, "data")
		if pn := k.value("post", false); pn != nil {
			pk := b.keys(pn, "a post", "when", "body", "title", "rank", "from", "to")
			t.post = &postTarget{
				when:  d.compile(b.problems, pk.value("when", false), "a post: when", true),
				body:  b.target(d, pk, "body", true, flag, nil),
				title: b.target(d, pk, "title", false, flag, nil),
				rank:  b.target(d, pk, "rank", false, flag, known("rank", b.words.ranks)),
				from:  b.target(d, pk, "from", false, flag, dateOnly),
				to:    b.target(d, pk, "to", false, flag, dateOnly),
			}
		}
		if t.key != nil && t.name != nil {
			b.officials = append(b.officials, t)
		}
	}
}

func (b *binder) bindMatter() {
	k := b.keys(b.matterNode, "matter", "from", "kind", "received", "closed", "status", "body", "concerned", "subject", "data")
	src, d := b.from(k, true)
	if src == nil {
		return
	}
	b.matter = &matterTarget{
		from:      src,
		kind:      b.target(d, k, "kind", true, reject, known("kind", b.words.kinds)),
		received:  b.target(d, k, "received", true, reject, dateOnly),
		closed:    b.target(d, k, "closed", false, reject, dateOnly),
		status:    b.target(d, k, "status", false, flag, nil),
		body:      b.target(d, k, "body", true, reject, nil),
		concerned: b.target(d, k, "concerned", false, reject, nil),
		subject:   b.target(d, k, "subject", false, reject, nil),
		data:      b.fields(d, k, "data"),
	}
}

func (b *binder) bindAllegations() {
	if b.allegNode == nil {
		return
	}
	k := b.keys(b.allegNode, "allegations", "from", "when", "key", "official", "described", "conduct", "category", "time",
		"place", "rank", "body", "finding", "standard", "outcome", "data")
	src, d := b.from(k, true)
	if src == nil {
		return
	}
	t := &allegationTarget{
		from:      src,
		when:      d.compile(b.problems, k.value("when", false), "allegations: when", true),
		key:       b.target(d, k, "key", false, flag, nil),
		official:  b.target(d, k, "official", false, reject, nil),
		described: b.target(d, k, "described", false, flag, nil),
		conduct:   b.target(d, k, "conduct", false, reject, known("conduct", b.words.conduct)),
		category:  b.target(d, k, "category", false, reject, known("category", b.words.categories)),
		time:      b.target(d, k, "time", false, flag, dateOnly),
		place:     b.target(d, k, "place", false, flag, nil),
		rank:      b.target(d, k, "rank", false, flag, known("rank", b.words.ranks)),
		body:      b.target(d, k, "body", false, reject, nil),
		finding:   b.target(d, k, "finding", false, reject, known("finding", b.words.findings)),
		standard:  b.target(d, k, "standard", false, reject, known("standard of proof", b.words.standards)),
		outcome:   b.target(d, k, "outcome", false, reject, known("outcome", b.words.outcomes)),
		data:      b.fields(d, k, "data"),
	}
	t.own = t.official == nil && slices.ContainsFunc(b.officials, func(o *officialTarget) bool { return o.from == src })
	b.allegation = t
}

func (b *binder) bindParties() {
	for _, n := range b.partyNodes {
		k := b.keys(n, "a party", "from", "when", "role", "distinct", "data")
		src, d := b.from(k, true)
		if src == nil {
			continue
		}
		t := &partyTarget{from: src, distinct: k.yes("distinct", false),
			when: d.compile(b.problems, k.value("when", false), "a party: when", true),
			role: b.target(d, k, "role", true, reject, nil),
			data: b.fields(d, k, "data")}
		if t.role != nil {
			b.parties = append(b.parties, t)
		}
	}
}

func (b *binder) bindChecks() {
	seen := map[string]bool{}
	for _, n := range b.checkNodes {
		k := b.keys(n, "a check", "id", "on", "when", "label", "then")
		c := &check{id: k.word("id", true), label: k.label("label")}
		if seen[c.id] {
			b.add(k.line("id"), "two checks are called %s", c.id)
		}
		seen[c.id] = true
		c.reject = k.oneOf("then", "flag", "flag", "reject") == "reject"
		on := k.text("on", true)
		if c.matter = on == "matter"; c.matter && b.matter != nil {
			on = b.matter.from.Name
		}
		bs := b.sources[on]
		if bs == nil {
			if on != "" {
				names := []string{"matter"}
				for _, s := range b.Sources {
					names = append(names, s.Name)
				}
				b.add(k.line("on"), "check %s: on: no source is called %s%s", c.id, on, didYouMean(on, names))
			}
			continue
		}
		if c.when = b.speak[bs].compile(b.problems, k.value("when", true), "check "+c.id+": when", true); c.when != nil {
			bs.checks = append(bs.checks, c)
		}
	}
}

// checkUse finds what is written and never used: a misspelt table name, a source nothing is made from.
func (b *binder) checkUse() {
	for _, t := range b.tables {
		if !b.used[t] && !b.looksUp(t.name) {
			b.add(t.line, "table %s is used nowhere", t.name)
		}
	}
	for _, s := range b.Sources {
		if s.key == nil && !b.asked[s] {
			b.add(s.line, "source %s: without a key it must feed officials or bodies_from", s.Name)
		}
	}
	if b.matter != nil && b.allegation == nil && len(b.parties) == 0 && len(b.Sources) > 1 {
		for _, s := range b.Sources {
			if s.key != nil && s != b.matter.from.Source && !b.feeds(s) && !strings.Contains(b.allText(), s.Name+".") {
				b.add(s.line, "source %s: nothing is made from it", s.Name)
			}
		}
	}
}

func (b *binder) feeds(s *Source) bool {
	for _, o := range b.officials {
		if o.from.Source == s {
			return true
		}
	}
	for _, o := range b.bodies {
		if o.from.Source == s {
			return true
		}
	}
	return false
}

func (b *binder) looksUp(name string) bool {
	text := b.allText()
	return strings.Contains(text, `lookup("`+name+`"`) || strings.Contains(text, `lookup('`+name+`'`)
}

// allText is every expression of the mapping, one after the other.
func (b *binder) allText() string {
	var sb strings.Builder
	var walk func(n *node)
	walk = func(n *node) {
		if n == nil {
			return
		}
		sb.WriteString(n.scalar)
		sb.WriteByte('\n')
		for _, c := range n.list {
			walk(c)
		}
		for _, e := range n.keys {
			walk(e.value)
		}
	}
	for _, list := range [][]*node{b.bodyNodes, b.officialNodes, {b.matterNode, b.allegNode}, b.partyNodes, b.checkNodes} {
		for _, n := range list {
			walk(n)
		}
	}
	for _, s := range b.Sources {
		walk(s.key)
	}
	return sb.String()
}
