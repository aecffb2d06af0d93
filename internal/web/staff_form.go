package web

import (
	"context"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"plumbline/internal/access"
	"plumbline/internal/fault"
	"plumbline/internal/matter"
	"plumbline/internal/pack"
	"plumbline/internal/ref"
	"plumbline/internal/register"
	"plumbline/internal/store"
	"plumbline/internal/web/view"
	"plumbline/internal/words"
)

// stepForm is a form made from the fields that a pack asks for, whole without scripts: rows are added and people are
// looked up by buttons that send the form back with everything that was typed.
type stepForm struct {
	view.Shell
	Identity *view.IdentityBar
	Heading  string
	Help     string
	Signs    string // what signing means, if the step is signed
	Action   string
	Hidden   []view.Hidden
	Parts    []part
	Submit   string
	Cancel   view.Link
	Stale    *staleNote
}

// staleNote says what somebody else did since the form was drawn.
type staleNote struct {
	Title, Text string
	Changes     []string
}

// part is one question: a plain input, a person or body to look up, or a group of questions.
type part struct {
	Input  *view.Input
	Lookup *lookup
	Group  *group
}

// lookup asks for an entry of the register: search words, what they found, and, for people, a description instead.
type lookup struct {
	ID        string
	Label     string
	Hint      string
	Error     string
	Optional  bool
	Chosen    string // the name of what is chosen, carried in a hidden input
	Value     string
	Name      string
	Query     view.Input
	Find      button
	Clear     button
	Results   *view.Input
	NotFound  string
	Described *view.Input
}

// group is questions that belong together, such as a row of allegations.
type group struct {
	ID, Legend, Hint, Error string
	Size                    string
	Inner                   bool // a group within a group
	Hidden                  []view.Hidden
	Parts                   []part
	Groups                  []group
	Add, Remove             button
}

// button sends the form back to change it, not to take the step.
type button struct{ Value, Text, Hidden, To string }

var stepFormView = view.Page[stepForm]("staff/step")

// formMaker makes questions of fields, with what was typed so far.
type formMaker struct {
	s       *Server
	tx      *store.Tx
	ctx     context.Context
	say     *words.Speaker
	l       labels
	p       *pack.Pack
	names   bodyNames
	state   *matter.State // nil when a matter is being opened
	d       *dossier      // of that matter
	facts   access.Facts
	desk    string // whose desk colleagues are looked for at
	deskAt  ref.BodyID
	sent    url.Values
	do      string // what the button that was pressed asks for
	to      string // address of the form, for buttons that come back to their place
	anchors map[string]string
	errors  map[string]string
	fields  []string // names in the order of the form
}

func (m *formMaker) get(name string) string { return m.sent.Get(name) }

// parts makes the questions for fields.
func (m *formMaker) parts(fields []pack.Field) ([]part, error) {
	var out []part
	for i := range fields {
		p, err := m.part(&fields[i])
		if err != nil {
			return nil, err
		}
		out = append(out, p...)
	}
	return out, nil
}

func (m *formMaker) input(in view.Input) part {
	m.anchors[in.Name] = in.Anchor()
	in.Error = m.errors[in.Name]
	return part{Input: &in}
}

// base is what every question made from a field has in common.
func (m *formMaker) base(f *pack.Field) view.Input {
	return view.Input{Name: f.ID, Label: m.l.text(f.Label, f.ID), Hint: m.hint(f), Optional: !f.Required || f.When != "", Size: "s", Value: m.get(f.ID)}
}

// hint is the pack's help, and who will be able to read a sealed answer.
func (m *formMaker) hint(f *pack.Field) string {
	hint := m.say.Text(f.Help)
	if f.Sealed != "" {
		hint = strings.TrimSpace(hint + " " + m.say.T("staff.form.sealed", "compartment", compartmentName(m.say, f.Sealed)))
	}
	return hint
}

func (m *formMaker) part(f *pack.Field) ([]part, error) {
	in := m.base(f)
	switch f.Type {
	case pack.TypeText, pack.TypeName, pack.TypeContact:
		in.Kind, in.Autocomplete = view.Text, "off"
	case pack.TypeLong, pack.TypeReasons:
		in.Kind, in.Rows = view.Textarea, 8
		if f.Max > 0 {
			in.Max = f.Max
		}
	case pack.TypeNumber:
		in.Kind, in.Width = view.Number, "10"
	case pack.TypeYesNo:
		in.Kind, in.Inline = view.Radios, true
		in.Options = []view.Option{{Value: "yes", Text: m.say.T("ui.yes")}, {Value: "no", Text: m.say.T("ui.no")}}
		in = in.Choose(m.get(f.ID))
	case pack.TypeDate:
		in = m.dateInput(in)
	case pack.TypeEarlier:
		in.Kind, in.NoSpell, in.Autocomplete = view.Text, true, "off"
	case pack.TypeChoice, pack.TypeReasonCode, pack.TypeRank, pack.TypeConduct, pack.TypeOutcome, pack.TypeQuestionnaire:
		in = choices(in, m.options(f)).Choose(m.get(f.ID))
	case pack.TypeAccount:
		return m.colleague(in)
	case pack.TypeMatter:
		in.Kind, in.Width, in.NoSpell = view.Text, "20", true
		in.Hint = strings.TrimSpace(in.Hint + " " + m.say.T("staff.form.reference", "example", "R-4KX7M-2QHJ8"))
	case pack.TypePeriod:
		unit := view.Input{Kind: view.Select, Name: f.ID + ".unit", Label: m.say.T("staff.form.unit"), Options: []view.Option{
			{Value: "d", Text: m.say.T("staff.unit.days")}, {Value: "wd", Text: m.say.T("staff.unit.workingdays")}, {Value: "mo", Text: m.say.T("staff.unit.months")}}}.Choose(m.get(f.ID + ".unit"))
		in.Kind, in.Width = view.Number, "3"
		m.fields = append(m.fields, f.ID)
		number := m.input(in)
		return []part{{Group: &group{ID: f.ID + "-group", Legend: in.Label, Hint: in.Hint, Size: "s", Parts: []part{plainLabel(number, m.say.T("staff.form.number")), m.input(unit)}}}}, nil
	case pack.TypeBody:
		return m.body(f.ID, in)
	case pack.TypeOfficial:
		return m.person(f.ID, in, true)
	case pack.TypeAllegations:
		return m.allegations(f, in)
	case pack.TypeFindings:
		return m.findings(f, in), nil
	case pack.TypeCheck:
		return m.check(f, in), nil
	}
	m.fields = append(m.fields, f.ID)
	return []part{m.input(in)}, nil
}

// plainLabel takes the size and the hint off a question whose group says them already.
func plainLabel(p part, label string) part {
	p.Input.Size, p.Input.Hint, p.Input.Label, p.Input.Optional = "", "", label, false
	return p
}

func (m *formMaker) dateInput(in view.Input) view.Input {
	in.Kind = view.Date
	in.Day, in.Month, in.Year = m.get(in.Name+"-day"), m.get(in.Name+"-month"), m.get(in.Name+"-year")
	if in.Value != "" && in.Day+in.Month+in.Year == "" {
		in.Day, in.Month, in.Year = view.SplitDate(in.Value)
	}
	return in
}

// choices shows few answers as radio buttons and many as a list.
func choices(in view.Input, options []view.Option) view.Input {
	in.Options = options
	if len(options) > 8 || slices.ContainsFunc(options, func(o view.Option) bool { return o.Group != "" }) {
		in.Kind, in.Empty = view.Select, "-"
	} else {
		in.Kind, in.Small = view.Radios, true
	}
	return in
}

func (m *formMaker) options(f *pack.Field) []view.Option {
	var out []view.Option
	switch f.Type {
	case pack.TypeConduct:
		return m.conduct()
	case pack.TypeRank:
		for _, r := range m.p.Ranks {
			out = append(out, view.Option{Value: r.ID, Text: m.l.rank(r.ID)})
		}
	case pack.TypeOutcome:
		for _, t := range m.p.Tiers {
			for _, o := range t.Outcomes {
				out = append(out, view.Option{Value: o.ID, Text: m.l.outcome(o.ID), Group: m.l.text(t.Label, t.ID)})
			}
		}
	case pack.TypeQuestionnaire:
		for i := range m.p.Questionnaires {
			q := &m.p.Questionnaires[i]
			out = append(out, view.Option{Value: q.ID, Text: m.l.text(q.Label, q.ID), Hint: m.say.N("staff.form.questions", int64(len(q.Fields)))})
		}
	default:
		if l := m.p.List(f.List); l != nil {
			for _, v := range l.Values {
				out = append(out, view.Option{Value: v.ID, Text: m.l.text(v.Label, v.ID), Hint: m.say.Text(v.Help)})
			}
		}
	}
	return out
}

func (m *formMaker) conduct() []view.Option {
	var out []view.Option
	for _, cat := range m.p.Categories {
		for i := range m.p.Conduct {
			if c := &m.p.Conduct[i]; c.Category == cat.ID {
				out = append(out, view.Option{Value: c.ID, Text: m.l.conduct(c.ID), Group: m.l.category(cat.ID)})
			}
		}
	}
	return out
}

// colleague offers the people who hold the duty of the desk the matter goes to; nobody whom it keeps away is among them.
func (m *formMaker) colleague(in view.Input) ([]part, error) {
	holders, err := m.s.Accounts.Holders(m.ctx, m.tx, []string{m.desk}, []ref.BodyID{m.deskAt})
	if err != nil {
		return nil, err
	}
	var options []view.Option
	for _, h := range holders {
		who, err := m.s.Accounts.ViewerOf(m.ctx, m.tx, h.Account)
		if err != nil {
			return nil, err
		}
		if _, kept := access.Recused(who, m.facts); !kept {
			options = append(options, view.Option{Value: h.Account.String(), Text: h.Name})
		}
	}
	if len(options) == 0 {
		in.Hint = m.say.T("staff.who.none", "duty", m.s.duty(m.say, m.desk), "body", m.names.name(m.deskAt))
	}
	m.fields = append(m.fields, in.Name)
	return []part{m.input(choices(in, options).Choose(m.get(in.Name)))}, nil
}

// found is how many results a look-up shows.
const found = 12

// body asks for a body: a list while there are few, else a search.
func (m *formMaker) body(name string, in view.Input) ([]part, error) {
	m.fields = append(m.fields, name)
	if len(m.names.tree.All()) <= filterBodies {
		in.Kind, in.Empty, in.Options = view.Select, "-", bodyOptions(m.names, nil)
		return []part{m.input(in.Choose(m.get(name)))}, nil
	}
	look := m.lookup(name, in)
	if b := m.names.tree.ByCode(m.get(name)); b != nil && m.do != "clear:"+name {
		look.Chosen, look.Value = m.names.name(b.ID), b.Code
		return []part{{Lookup: look}}, nil
	}
	if q := m.get(name + ".q"); q != "" {
		var options []view.Option
		for _, b := range m.names.tree.Search(q, found) {
			o := view.Option{Value: b.Code, Text: m.names.name(b.ID), Hint: b.Code}
			if b.Parent != 0 {
				o.Hint = m.names.name(b.Parent) + " · " + b.Code
			}
			options = append(options, o)
		}
		m.results(look, options)
	}
	return []part{{Lookup: look}}, nil
}

// person asks for an official: searched for in the register, or described where nobody knows who it was.
func (m *formMaker) person(name string, in view.Input, described bool) ([]part, error) {
	m.fields = append(m.fields, name)
	look := m.lookup(name, in)
	if id, err := strconv.ParseInt(m.get(name), 10, 64); err == nil && m.do != "clear:"+name {
		o, err := register.OfficialByID(m.ctx, m.tx, ref.OfficialID(id))
		if err == nil {
			look.Chosen, look.Value = m.officialLine(o), o.ID.String()
			return []part{{Lookup: look}}, nil
		}
		if !fault.Is(err, fault.NotFound) {
			return nil, err
		}
	}
	if q := m.get(name + ".q"); q != "" {
		hits, err := register.SearchOfficials(m.ctx, m.tx, q, found)
		if err != nil {
			return nil, err
		}
		var options []view.Option
		for _, o := range hits {
			options = append(options, view.Option{Value: o.ID.String(), Text: o.Name, Hint: m.postLine(o)})
		}
		m.results(look, options)
	}
	if described {
		d := m.input(view.Input{Kind: view.Text, Name: name + ".described", Label: m.say.T("staff.form.described"), Hint: m.say.T("staff.form.described.hint"), Value: m.get(name + ".described"), Autocomplete: "off"})
		look.Described = d.Input
	}
	return []part{{Lookup: look}}, nil
}

func (m *formMaker) officialLine(o register.Official) string {
	if p := m.postLine(o); p != "" {
		return o.Name + " (" + p + ")"
	}
	return o.Name
}

// postLine is the post somebody holds now, or held last.
func (m *formMaker) postLine(o register.Official) string {
	p, ok := o.PostAt("")
	if !ok && len(o.Posts) > 0 {
		p, ok = o.Posts[len(o.Posts)-1], true
	}
	if !ok {
		return o.SourceKey
	}
	var parts []string
	for _, s := range []string{p.Title, m.names.name(p.Body)} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, m.say.T("words.list.comma"))
}

func (m *formMaker) lookup(name string, in view.Input) *lookup {
	q := m.get(name + ".q")
	if m.do == "clear:"+name {
		q = ""
	}
	m.anchors[name] = name + ".q"
	return &lookup{
		ID: name + "-group", Name: name, Label: in.Label, Hint: in.Hint, Optional: in.Optional, Error: m.errors[name],
		Query: view.Input{Kind: view.Search, Name: name + ".q", Label: m.say.T("staff.form.search"), Value: q, Autocomplete: "off"},
		Find:  button{Value: "find:" + name, Text: m.say.T("staff.form.find"), Hidden: in.Label, To: m.to + "#" + name + "-group"},
		Clear: button{Value: "clear:" + name, Text: m.say.T("ui.change"), Hidden: in.Label, To: m.to + "#" + name + "-group"},
	}
}

func (m *formMaker) results(look *lookup, options []view.Option) {
	if len(options) == 0 {
		look.NotFound = m.say.T("staff.form.notfound", "q", look.Query.Value)
		return
	}
	look.Results = &view.Input{Kind: view.Radios, Name: look.Name, Label: m.say.T("staff.form.results"), Small: true, Options: options}
}

// rows of allegations

func (m *formMaker) allegations(f *pack.Field, in view.Input) ([]part, error) {
	m.fields = append(m.fields, f.ID)
	m.startRows(f.ID)
	rows, _ := strconv.Atoi(m.get(f.ID + ".rows")) // what is no number is no row
	g := group{ID: f.ID, Legend: in.Label, Hint: in.Hint, Error: m.errors[f.ID], Size: "m",
		Hidden: []view.Hidden{{Name: f.ID + ".rows", Value: strconv.Itoa(rows)}},
		Add:    button{Value: "add:" + f.ID, Text: m.say.T("staff.form.add"), To: m.to + "#" + f.ID + "." + strconv.Itoa(rows)}}
	m.anchors[f.ID] = f.ID
	for i := range rows {
		row, err := m.row(f, i)
		if err != nil {
			return nil, err
		}
		g.Groups = append(g.Groups, row)
	}
	return []part{{Group: &g}}, nil
}

// startRows puts in what is known when the form is first drawn, and does what an add or remove button asks for.
func (m *formMaker) startRows(name string) {
	if !m.sent.Has(name + ".rows") {
		n := 0
		if m.state != nil {
			for _, a := range m.state.Allegations {
				m.fillRow(name, n, a)
				n++
			}
		}
		if n == 0 {
			n = 1
		}
		m.sent.Set(name+".rows", strconv.Itoa(n))
	}
	rows, _ := strconv.Atoi(m.get(name + ".rows")) // as above
	rows = min(max(rows, 0), 50)
	switch {
	case m.do == "add:"+name:
		rows = min(rows+1, 50)
	case strings.HasPrefix(m.do, "remove:"+name+"."):
		at, err := strconv.Atoi(strings.TrimPrefix(m.do, "remove:"+name+"."))
		if err == nil && at >= 0 && at < rows {
			m.removeRow(name, at, rows)
			rows--
		}
	}
	m.sent.Set(name+".rows", strconv.Itoa(rows))
}

func (m *formMaker) fillRow(name string, i int, a matter.Allegation) {
	at := name + "." + strconv.Itoa(i) + "."
	m.sent.Set(at+"no", strconv.FormatInt(a.No, 10))
	m.sent.Set(at+"conduct", a.Conduct)
	m.sent.Set(at+"place", a.Place)
	m.sent.Set(at+"rank", a.Rank)
	if _, sealed := matter.ParseMention(a.Described); !sealed { // what stays empty stays as it is
		m.sent.Set(at+"official.described", a.Described)
	}
	if a.Official != 0 {
		m.sent.Set(at+"official", a.Official.String())
	}
	if b := m.names.tree.Body(a.Body); b != nil {
		m.sent.Set(at+"body", b.Code)
	}
	if a.Time != "" {
		day, month, year := view.SplitDate(a.Time)
		m.sent.Set(at+"time-day", day)
		m.sent.Set(at+"time-month", month)
		m.sent.Set(at+"time-year", year)
	}
}

// removeRow takes a row out; those after it move up.
func (m *formMaker) removeRow(name string, at, rows int) {
	moved := url.Values{}
	for k, v := range m.sent {
		rest, ok := strings.CutPrefix(k, name+".")
		no, tail, dotted := strings.Cut(rest, ".")
		i, err := strconv.Atoi(no)
		if !ok || !dotted || err != nil || i < at {
			continue
		}
		m.sent.Del(k)
		if i > at && i < rows {
			moved[name+"."+strconv.Itoa(i-1)+"."+tail] = v
		}
	}
	for k, v := range moved {
		m.sent[k] = v
	}
}

func (m *formMaker) row(f *pack.Field, i int) (group, error) {
	at := f.ID + "." + strconv.Itoa(i)
	say := m.say
	g := group{ID: at, Inner: true, Legend: say.T("staff.form.row", "n", i+1), Size: "s"}
	if no := m.get(at + ".no"); no != "" {
		g.Hidden = []view.Hidden{{Name: at + ".no", Value: no}}
		g.Legend = say.T("staff.allegation.no", "no", no)
		m.errors[at+".conduct"] = firstOf(m.errors[at+".conduct"], m.errors[at+".no"])
	} else if i > 0 || m.get(f.ID+".rows") != "1" {
		g.Remove = button{Value: "remove:" + at, Text: say.T("staff.form.remove"), Hidden: g.Legend, To: m.to + "#" + f.ID}
	}
	conduct := view.Input{Kind: view.Select, Name: at + ".conduct", Label: say.T("staff.allegation.conduct"), Empty: "-", Options: m.conduct()}.Choose(m.get(at + ".conduct"))
	m.fields = append(m.fields, at+".conduct")
	g.Parts = append(g.Parts, m.input(conduct))
	who, err := m.person(at+".official", view.Input{Label: say.T("staff.allegation.official"), Hint: m.known(m.get(at + ".no")), Optional: true}, true)
	if err != nil {
		return g, err
	}
	g.Parts = append(g.Parts, who...)
	body, err := m.body(at+".body", view.Input{Name: at + ".body", Label: say.T("staff.allegation.body"), Hint: say.T("staff.allegation.body.hint"), Optional: true})
	if err != nil {
		return g, err
	}
	g.Parts = append(g.Parts, body...)
	m.fields = append(m.fields, at+".time", at+".place")
	when := m.dateInput(view.Input{Name: at + ".time", Label: say.T("staff.allegation.when"), Optional: true})
	place := view.Input{Kind: view.Text, Name: at + ".place", Label: say.T("staff.allegation.where"), Hint: say.T("staff.allegation.where.hint"), Optional: true, Value: m.get(at + ".place"), Autocomplete: "off"}
	g.Parts = append(g.Parts, m.input(when), m.input(place))
	if rank := m.get(at + ".rank"); rank != "" {
		g.Hidden = append(g.Hidden, view.Hidden{Name: at + ".rank", Value: rank})
	}
	return g, nil
}

// known is how the official of an allegation is described so far.
func (m *formMaker) known(no string) string {
	if m.state == nil {
		return ""
	}
	for _, a := range m.state.Allegations {
		if _, sealed := matter.ParseMention(a.Described); sealed && strconv.FormatInt(a.No, 10) == no {
			return m.say.T("staff.official.described.as", "text", m.d.described(a.Described))
		}
	}
	return ""
}

func firstOf(all ...string) string {
	for _, s := range all {
		if s != "" {
			return s
		}
	}
	return ""
}

// findings asks for one finding on each allegation, with the standard of proof it takes.
func (m *formMaker) findings(f *pack.Field, in view.Input) []part {
	g := group{ID: f.ID, Legend: in.Label, Hint: in.Hint, Error: m.errors[f.ID], Size: "m"}
	m.anchors[f.ID] = f.ID
	m.fields = append(m.fields, f.ID)
	for _, a := range m.state.Allegations {
		name := f.ID + "." + strconv.FormatInt(a.No, 10)
		q := view.Input{Kind: view.Radios, Name: name, Label: m.say.T("staff.allegation.line", "no", strconv.FormatInt(a.No, 10), "conduct", m.l.conduct(a.Conduct)), Size: "s", Hint: m.allegationHint(a)}
		for _, x := range m.p.Findings {
			if x.Pending {
				continue
			}
			o := view.Option{Value: x.ID, Text: m.l.finding(x.ID)}
			if x.Standard != "" {
				o.Hint = m.l.standard(x.Standard)
			}
			q.Options = append(q.Options, o)
		}
		m.fields = append(m.fields, name)
		g.Parts = append(g.Parts, m.input(q.Choose(firstOf(m.get(name), a.Finding))))
	}
	return []part{{Group: &g}}
}

func (m *formMaker) allegationHint(a matter.Allegation) string {
	var parts []string
	if a.Official != 0 {
		if o, err := register.OfficialByID(m.ctx, m.tx, a.Official); err == nil {
			parts = append(parts, o.Name)
		}
	} else if a.Described != "" {
		parts = append(parts, m.d.described(a.Described))
	}
	if a.Time != "" {
		parts = append(parts, m.say.Date(a.Time))
	}
	if a.Place != "" {
		parts = append(parts, a.Place)
	}
	return strings.Join(parts, " · ")
}

// check asks of every line of a check sheet whether it was done.
func (m *formMaker) check(f *pack.Field, in view.Input) []part {
	g := group{ID: f.ID, Legend: in.Label, Hint: in.Hint, Error: m.errors[f.ID], Size: "m"}
	m.anchors[f.ID] = f.ID
	m.fields = append(m.fields, f.ID)
	l := m.p.List(f.List)
	if l == nil {
		return nil
	}
	for _, v := range l.Values {
		name := f.ID + "." + v.ID
		q := view.Input{Kind: view.Radios, Name: name, Label: m.l.text(v.Label, v.ID), Inline: true, Small: true, Options: []view.Option{
			{Value: "yes", Text: m.say.T("staff.check.yes")}, {Value: "no", Text: m.say.T("staff.check.no")}, {Value: "na", Text: m.say.T("staff.check.na")}}}
		m.fields = append(m.fields, name)
		g.Parts = append(g.Parts, m.input(q.Choose(m.get(name))))
	}
	return []part{{Group: &g}}
}

// fail keeps what is wrong with each question, to be shown beside it.
func (m *formMaker) fail(say *words.Speaker, err error) []words.FieldFault {
	said := say.Fault(err)
	for _, f := range said.Fields {
		if m.errors[f.Name] == "" {
			m.errors[f.Name] = f.Message
		}
	}
	if len(said.Fields) == 0 && said.Message != "" {
		return []words.FieldFault{{Message: said.Message}}
	}
	return said.Fields
}

// summary leads from each complaint to its question. It comes after the questions were made.
func (m *formMaker) summary(wrong []words.FieldFault) view.ErrorSummary {
	var out view.ErrorSummary
	for _, f := range wrong {
		item := view.Link{Text: f.Message}
		name := f.Name
		for name != "" && item.Href == "" {
			if a, ok := m.anchors[name]; ok {
				item.Href = "#" + a
			}
			i := strings.LastIndexByte(name, '.')
			name = name[:max(i, 0)]
		}
		out.Items = append(out.Items, item)
	}
	return out
}
