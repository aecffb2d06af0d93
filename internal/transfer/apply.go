package transfer

import (
	"fmt"
	"strings"

	"plumbline/internal/pack"
)

// notes gathers what was noticed while mapping: rejected rows, and things that are odd but were taken.
type notes struct {
	flags  map[string]*Flag
	values map[string]tallied // what was said of the rows, by flag
	order  []string
	reject func(source int, row *rowValue, reason string) error
	file   func(no int) string
}

// examplesKept is how many lines a flag names.
const examplesKept = 5

func (n *notes) flag(id string, label pack.Text, row *rowValue, value string) {
	f := n.flags[id]
	if f == nil {
		if label == nil {
			kind, _, _ := strings.Cut(id, ":")
			label = builtIn[kind]
		}
		f = &Flag{ID: id, Label: label}
		n.flags[id] = f
		n.order = append(n.order, id)
	}
	f.Count++
	value = shortened(value)
	if value != "" && !strings.HasPrefix(id, "duplicate-rows:") { // every line of those is another
		said := n.values[id]
		said.add(value)
		n.values[id] = said
	}
	if len(f.Examples) < examplesKept {
		f.Examples = append(f.Examples, Example{File: n.file(row.file), Line: row.line, Value: value})
	}
}

// shortened keeps a text fit for a line.
func shortened(text string) string {
	if r := []rune(text); len(r) > 160 {
		return string(r[:160]) + "…"
	}
	return text
}

// builtIn are the labels of the flags that every mapping can raise.
var builtIn = map[string]pack.Text{
	"bad-value":                      {"en": "Value that could not be used", "zh-Hans": "无法使用的值"},
	"no-answer":                      {"en": "Condition that could not be answered, taken as no", "zh-Hans": "无法判断的条件，按否处理"},
	"duplicate-rows":                 {"en": "Row that is exactly like another, kept", "zh-Hans": "与另一行完全相同，予以保留"},
	"party-left-out":                 {"en": "Party left out because of a bad value", "zh-Hans": "因值无效而略去的当事人"},
	"official-described-differently": {"en": "Official described in more than one way; the last row counts", "zh-Hans": "同一公职人员有不同描述，以最后一行为准"},
	"official-not-in-the-data":       {"en": "Official named by a key that the data explains nowhere", "zh-Hans": "以编号提及但数据中无说明的公职人员"},
	"kind-kept":                      {"en": "Matter that the record has as another kind, which it keeps", "zh-Hans": "记录中属于另一类型的事项，保留原类型"},
	"body-described-differently":     {"en": "Body described in more than one way; the first row counts", "zh-Hans": "同一机构有不同描述，以第一行为准"},
	"post-ends-before-it-begins":     {"en": "Post that ends before it begins, kept as it is", "zh-Hans": "任职结束早于开始，按原样保留"},
}

// A badValue is why a row cannot be taken.
type badValue struct{ why string }

func (b *badValue) Error() string { return b.why }

// get evaluates a target. A bad value rejects the row (the error), or is flagged and replaced, as the mapping says.
func (n *notes) get(t *target, s *scope) (string, error) {
	if t == nil {
		return "", nil
	}
	v, err := t.expr.string(s)
	why := ""
	switch {
	case err != nil:
		why = err.Error()
	case t.table != nil:
		mapped, ok := t.table.find(v)
		if !ok && v != "" {
			why = fmt.Sprintf("table %s has no value for %q", t.table.name, v)
		}
		v = mapped
	default:
		why = t.acceptable(v)
	}
	if why == "" {
		return v, nil
	}
	return n.bad(t, s, why)
}

func (n *notes) bad(t *target, s *scope, why string) (string, error) {
	switch t.bad.mode {
	case "flag", "default":
		n.flag("bad-value:"+flagName(t.name), t.label, s.row, why)
		return t.bad.value, nil
	}
	return "", &badValue{t.name + ": " + why}
}

// code is get for the code of a body, which must exist.
func (n *notes) code(t *target, s *scope, bodies map[string]bool) (string, error) {
	v, err := n.get(t, s)
	if err != nil || v == "" || bodies[v] {
		return v, err
	}
	return n.bad(t, s, fmt.Sprintf("no body has the code %q", v))
}

func (n *notes) data(fields []field, s *scope) (string, error) {
	if len(fields) == 0 {
		return "", nil
	}
	names, values := make([]string, len(fields)), make([]any, len(fields))
	for i := range fields {
		f := &fields[i]
		names[i] = f.name
		if f.table != nil || f.valid != nil {
			v, err := n.get(&f.target, s)
			if err != nil {
				return "", err
			}
			values[i] = v
			continue
		}
		v, err := f.expr.value(s)
		if err != nil {
			text, bad := n.bad(&f.target, s, err.Error())
			if bad != nil {
				return "", bad
			}
			v = text
		}
		values[i] = v
	}
	return jsonObject(names, values), nil
}

// when evaluates a condition; one that cannot be answered is flagged and does not hold.
func (n *notes) when(e *expr, what string, s *scope) bool {
	if e == nil {
		return true
	}
	ok, err := e.holds(s)
	if err != nil {
		why := err.Error()
		if strings.HasPrefix(why, "no such overload") { // whole('') > 3
			why = "one of its values is empty"
		}
		n.flag("no-answer:"+what, nil, s.row, why)
		return false
	}
	return ok
}

// A mapper turns the rows of one key into records. It reads no clock and no database: the same rows and mapping always
// give the same records, rejects and flags, which is what makes a killed import resumable.
type mapper struct {
	*plan
	*notes
	bodies map[string]bool // codes that exist
}

// body makes the body that one row speaks of. Of one that is known only the code is made.
func (m *mapper) body(t *bodyTarget, row *rowValue, known func(code string) bool) (*bodyRecord, error) {
	s := &scope{row: row}
	if !m.when(t.when, "bodies_from", s) {
		return nil, nil
	}
	var r bodyRecord
	var err error
	if r.Code, err = m.get(t.code, s); err != nil || r.Code == "" {
		return nil, err
	}
	if !known(r.Code) {
		if err := m.fill(s, []*target{t.level, t.sector, t.parent}, []*string{&r.Level, &r.Sector, &r.Parent}); err != nil {
			return nil, err
		}
	}
	r.Names = pack.Text{}
	for i := range t.names {
		if r.Names[t.names[i].name], err = m.get(&t.names[i].target, s); err != nil {
			return nil, err
		}
	}
	return &r, nil
}

func (m *mapper) fill(s *scope, targets []*target, into []*string) error {
	for i, t := range targets {
		v, err := m.get(t, s)
		if err != nil {
			return err
		}
		*into[i] = v
	}
	return nil
}

// official makes the official that one row speaks of; nil if it speaks of nobody who is identified.
func (m *mapper) official(t *officialTarget, s *scope) (*officialRecord, error) {
	if !m.when(t.when, "officials", s) {
		return nil, nil
	}
	var r officialRecord
	if err := m.fill(s, []*target{t.key, t.name}, []*string{&r.Key, &r.Name}); err != nil {
		return nil, err
	}
	if r.Key == "" {
		return nil, nil
	}
	if r.Name == "" {
		return nil, &badValue{"an official: the name is empty"}
	}
	var err error
	if r.Data, err = m.data(t.data, s); err != nil {
		return nil, err
	}
	if p := t.post; p != nil && m.when(p.when, "post", s) {
		var post postRecord
		if post.Body, err = m.code(p.body, s, m.bodies); err != nil {
			return nil, err
		}
		if err = m.fill(s, []*target{p.title, p.rank, p.from, p.to}, []*string{&post.Title, &post.Rank, &post.From, &post.To}); err != nil {
			return nil, err
		}
		if post.Body != "" {
			if surelyBefore(post.To, post.From) {
				m.flag("post-ends-before-it-begins", nil, s.row, "")
			}
			r.Posts = append(r.Posts, post)
		}
	}
	return &r, nil
}

// group is the rows of one key, by source, while they are mapped.
type group struct {
	m     *mapper
	key   string
	rows  [][]*rowValue // by source number; rejected rows are taken out
	scope scope
}

func (g *group) refuse(source int, row *rowValue, reason string) error {
	kept := g.rows[source][:0:0]
	for _, r := range g.rows[source] {
		if r != row {
			kept = append(kept, r)
		}
	}
	g.rows[source] = kept
	return g.m.reject(source, row, reason)
}

// at is the scope with row at hand.
func (g *group) at(source int, row *rowValue) *scope {
	s := g.scope
	s.row, s.rows = row, g.rows[source]
	return &s
}

// settle makes the scope see the rows that are left.
func (g *group) settle() {
	g.scope.one, g.scope.sources = map[string]*rowValue{}, map[string][]*rowValue{}
	for _, src := range g.m.Sources {
		if src.key == nil {
			continue
		}
		rows := g.rows[g.m.sources[src.Name].no]
		if !src.One {
			g.scope.sources[src.Name] = rows
			continue
		}
		g.scope.one[src.Name] = &rowValue{cols: src.cols}
		if len(rows) > 0 {
			g.scope.one[src.Name] = rows[0]
		}
	}
}

// group maps the rows of one key. official is called for every official met.
func (m *mapper) group(key string, rows [][]*rowValue, official func(*officialRecord) error) (*matterRecord, error) {
	g := &group{m: m, key: key, rows: rows}
	if err := g.unique(); err != nil {
		return nil, err
	}
	g.settle()
	if err := g.check(); err != nil {
		return nil, err
	}
	g.settle()
	rec, err := g.matter()
	if err != nil {
		return nil, err
	}
	if rec == nil {
		return &matterRecord{Key: key, Rejected: true}, nil
	}
	if err := g.allegations(rec, official); err != nil {
		return nil, err
	}
	if len(g.rows[m.matter.from.no]) == 0 {
		return &matterRecord{Key: key, Rejected: true}, g.refuseRest("all rows its matter could be made from were rejected")
	}
	if err := g.parties(rec); err != nil {
		return nil, err
	}
	rec.counts = make([]int, len(g.rows))
	for i, rs := range g.rows {
		rec.counts[i] = len(rs)
	}
	return rec, nil
}

// unique rejects second rows where one is wanted, and deals with exact duplicates.
func (g *group) unique() error {
	for _, src := range g.m.Sources {
		no := g.m.sources[src.Name].no
		if len(g.rows[no]) < 2 {
			continue
		}
		if src.Duplicates != "keep" {
			seen := map[string]*rowValue{}
			for _, r := range g.rows[no] {
				k := strings.Join(r.fields, "\x00")
				first := seen[k]
				if first == nil {
					seen[k] = r
					continue
				}
				what := fmt.Sprintf("the same as line %d", first.line)
				if src.Duplicates == "reject" {
					if err := g.refuse(no, r, "duplicate: "+what); err != nil {
						return err
					}
					continue
				}
				g.m.flag("duplicate-rows:"+src.Name, nil, r, what)
			}
		}
		if src.One {
			for _, r := range g.rows[no][1:] {
				if err := g.refuse(no, r, fmt.Sprintf("a second row with the key %q, the first is in line %d", g.key, g.rows[no][0].line)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (g *group) check() error {
	for _, src := range g.m.Sources {
		bs := g.m.sources[src.Name]
		for _, c := range bs.checks {
			if c.matter {
				continue
			}
			for _, r := range g.rows[bs.no] {
				if !g.m.when(c.when, c.id, g.at(bs.no, r)) {
					continue
				}
				if c.reject {
					if err := g.refuse(bs.no, r, "check "+c.id); err != nil {
						return err
					}
					continue
				}
				g.m.flag(c.id, c.label, r, "")
			}
		}
	}
	return nil
}

// refuseRest rejects every row that is left.
func (g *group) refuseRest(reason string) error {
	for no := range g.rows {
		for _, r := range g.rows[no] {
			if err := g.m.reject(no, r, reason); err != nil {
				return err
			}
		}
		g.rows[no] = nil
	}
	return nil
}

func (g *group) matter() (*matterRecord, error) {
	t := g.m.matter
	from := g.rows[t.from.no]
	if len(from) == 0 {
		return nil, g.refuseRest(fmt.Sprintf("%s has no row with the key %q that could be taken", t.from.Name, g.key))
	}
	s := g.at(t.from.no, from[0])
	for _, c := range t.from.checks {
		if !c.matter || !g.m.when(c.when, c.id, s) {
			continue
		}
		if c.reject {
			return nil, g.refuseRest("check " + c.id)
		}
		g.m.flag(c.id, c.label, s.row, "")
	}
	rec := &matterRecord{Key: g.key}
	err := g.fillMatter(t, rec, s)
	if bad, ok := err.(*badValue); ok {
		return nil, g.refuseRest(bad.why)
	}
	return rec, err
}

func (g *group) fillMatter(t *matterTarget, rec *matterRecord, s *scope) error {
	err := g.m.fill(s, []*target{t.kind, t.received, t.closed, t.status, t.subject},
		[]*string{&rec.Kind, &rec.Received, &rec.Closed, &rec.Status, &rec.Subject})
	if err != nil {
		return err
	}
	for _, must := range []struct{ name, value string }{{"kind", rec.Kind}, {"received", rec.Received}} {
		if must.value == "" {
			return &badValue{"matter: " + must.name + " must not be empty"}
		}
	}
	if rec.Body, err = g.m.code(t.body, s, g.m.bodies); err != nil {
		return err
	}
	if rec.Body == "" {
		return &badValue{"matter: body must not be empty"}
	}
	if rec.Concerned, err = g.m.code(t.concerned, s, g.m.bodies); err != nil {
		return err
	}
	rec.Data, err = g.m.data(t.data, s)
	return err
}

func (g *group) allegations(rec *matterRecord, official func(*officialRecord) error) error {
	for no := range g.rows {
		for _, row := range g.rows[no] {
			err := g.row(no, g.at(no, row), rec, official)
			if bad, ok := err.(*badValue); ok {
				err = g.refuse(no, row, bad.why)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// row makes the officials and the allegation of one row.
func (g *group) row(no int, s *scope, rec *matterRecord, official func(*officialRecord) error) error {
	t := g.m.allegation
	var met []*officialRecord
	own := ""
	for _, o := range g.m.officials {
		if o.from.no != no {
			continue
		}
		r, err := g.m.official(o, s)
		if err != nil {
			return err
		}
		if r != nil {
			met = append(met, r)
			if own == "" {
				own = r.Key
			}
		}
	}
	if t != nil && t.from.no == no && g.m.when(t.when, "allegations", s) {
		a, err := g.m.allege(t, s)
		if err != nil {
			return err
		}
		if t.own {
			a.Official = own
		}
		rec.Allegations = append(rec.Allegations, *a)
	}
	for _, r := range met {
		if err := official(r); err != nil {
			return err
		}
	}
	return nil
}

func (m *mapper) allege(t *allegationTarget, s *scope) (*allegationRecord, error) {
	var a allegationRecord
	err := m.fill(s,
		[]*target{t.key, t.official, t.described, t.conduct, t.category, t.time, t.place, t.rank, t.finding, t.standard, t.outcome},
		[]*string{&a.Key, &a.Official, &a.Described, &a.Conduct, &a.Category, &a.Time, &a.Place, &a.Rank, &a.Finding, &a.Standard, &a.Outcome})
	if err != nil {
		return nil, err
	}
	if a.Body, err = m.code(t.body, s, m.bodies); err != nil {
		return nil, err
	}
	if t.category == nil {
		a.Category = m.categoryOf[a.Conduct]
	}
	a.Data, err = m.data(t.data, s)
	return &a, err
}

func (g *group) parties(rec *matterRecord) error {
	seen := map[partyRecord]bool{}
	for _, t := range g.m.parties {
		for _, row := range g.rows[t.from.no] {
			s := g.at(t.from.no, row)
			if !g.m.when(t.when, "parties", s) {
				continue
			}
			var p partyRecord
			var err error
			if p.Role, err = g.m.get(t.role, s); err == nil {
				p.Data, err = g.m.data(t.data, s)
			}
			if bad, ok := err.(*badValue); ok {
				g.m.flag("party-left-out", nil, row, bad.why)
				continue
			}
			if err != nil {
				return err
			}
			if p.Role == "" || t.distinct && seen[p] {
				continue
			}
			seen[p] = true
			rec.Parties = append(rec.Parties, p)
		}
	}
	return nil
}

// flagName makes "a post: rank" the "post.rank" of a flag's id.
func flagName(target string) string {
	target = strings.TrimPrefix(strings.TrimPrefix(target, "a "), "an ")
	return strings.ReplaceAll(strings.ReplaceAll(target, ": ", "."), " ", "-")
}
