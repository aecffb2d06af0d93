package web

import (
	"context"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"plumbline/internal/calendar"
	"plumbline/internal/fault"
	"plumbline/internal/matter"
	"plumbline/internal/pack"
	"plumbline/internal/ref"
	"plumbline/internal/register"
	"plumbline/internal/store"
	"plumbline/internal/web/view"
	"plumbline/internal/words"
)

// Names of the inputs that steer a form. Ids of fields begin with a letter, so an answer is never taken for one.
const (
	ctlTo    = "_to"    // which button was pressed
	ctlAt    = "_at"    // the question on the page; in an open report, the last entry the form was drawn from
	ctlDraft = "_draft" // the sealed draft: see intake.Draft
	ctlCode  = "_code"  // the receipt code, after sending
	ctlQuery = "_q."    // + name: what is looked for in the register
	ctlLast  = "_l."    // + name: what was looked for last
	ctlOpen  = "_o."    // + name: the body whose parts are shown
	ctlRows  = "_r."    // + name: how many rows there are
	ctlShown = "_shown" // the questions on the page of an open report: an answer may bring up more
)

// asker makes questions for the public of the fields that a pack asks for, with what was typed so far.
type asker struct {
	ctx    context.Context
	tx     *store.Tx
	say    *words.Speaker
	p      *pack.Pack
	tree   *register.Tree
	sent   url.Values
	errors map[string]string
	self   bool // who answers tells of themselves: an official asked for is the reader
}

// question is one of these.
type question struct {
	Input *view.Input
	Pick  *pick
	Set   *questionSet
}

// questionSet is questions that belong together.
type questionSet struct {
	ID, Legend, Hint, Error string
	Heading                 bool
	Optional                bool
	Parts                   []question
	Hidden                  []view.Hidden
	Add                     string // button for one more row; its value
}

// pick asks for one entry of a long list: the catalogue of conduct, or the register.
type pick struct {
	Name, Label, Hint, Error string
	Heading, Optional        bool
	Search                   *view.Input
	Last                     view.Hidden // what was looked for last, carried along
	Opened                   view.Hidden
	Up                       []pickStep // the bodies above those shown, outermost first
	Nothing                  string     // said where nothing was found
	Groups                   []pickGroup
	Described                *view.Input
}

type pickGroup struct {
	Name    string
	Open    bool
	Options []pickOption
}

type pickOption struct {
	ID, Name, Value, Text, Hint string
	Chosen                      bool
	Down                        string // value of the button that shows what belongs to it
}

type pickStep struct{ Text, Value string }

// asksPublic reports whether a field can be asked of somebody outside: colleagues, findings and outcomes cannot.
func asksPublic(f *pack.Field) bool {
	if f.Staff {
		return false
	}
	switch f.Type {
	case pack.TypeAccount, pack.TypeFindings, pack.TypeOutcome:
		return false
	}
	return true
}

// due are the fields of those given that are asked, given what was answered so far, in their order. What was answered in a
// branch that is no longer taken asks nothing more. They come back without their conditions: now required means required.
func (a *asker) due(k *pack.Kind, st matter.State, fields []pack.Field, now time.Time) ([]pack.Field, error) {
	given, _ := matter.ParseForm(a.p, fields, view.Values(a.sent)) // what is wrong is said where it is asked
	env := matter.Env(a.p, st, matter.World{Now: now, Tree: a.tree})
	before := maps.Clone(env.F)
	for name, v := range given {
		switch v.(type) {
		case string, int64, bool, map[string]string:
			env.F[name] = v
		}
	}
	var out []pack.Field
	for i := range fields {
		f := fields[i]
		asked := asksPublic(&f)
		if asked {
			var err error
			if asked, err = a.p.Asked(k, &f, env); err != nil {
				return nil, err
			}
		}
		if !asked {
			matter.Unanswer(env, before, f.ID)
			continue
		}
		f.When = ""
		out = append(out, f)
	}
	return out, nil
}

// owns reports whether an input of that name belongs to the field.
func owns(field, name string) bool {
	if name == field || strings.HasPrefix(name, field+".") {
		return true
	}
	for _, ctl := range []string{ctlQuery, ctlLast, ctlOpen, ctlRows} {
		if rest, ok := strings.CutPrefix(name, ctl); ok {
			return owns(field, rest)
		}
	}
	rest, ok := strings.CutPrefix(name, field+"-")
	return ok && (rest == "day" || rest == "month" || rest == "year")
}

func (a *asker) get(name string) string { return a.sent.Get(name) }

// ask makes the question for a field. heading makes its label the heading of the page.
func (a *asker) ask(f *pack.Field, heading bool) (question, error) {
	in := view.Input{Name: f.ID, Label: a.label(f), Hint: a.say.Text(f.Help), Optional: !f.Required, Heading: heading, Error: a.errors[f.ID], Value: a.get(f.ID), Autocomplete: "off"}
	if !heading {
		in.Size = "s"
	}
	switch f.Type {
	case pack.TypeConduct:
		return a.conduct(in), nil
	case pack.TypeBody:
		return a.body(in), nil
	case pack.TypeOfficial:
		return a.official(in)
	case pack.TypeAllegations:
		return a.allegations(in), nil
	case pack.TypeCheck:
		return a.checkSheet(f, in), nil
	case pack.TypePeriod:
		return a.period(in), nil
	}
	in = a.plain(f, in)
	return question{Input: &in}, nil
}

func (a *asker) label(f *pack.Field) string {
	if t := a.say.Text(f.Label); t != "" {
		return t
	}
	return f.ID
}

func (a *asker) plain(f *pack.Field, in view.Input) view.Input {
	switch f.Type {
	case pack.TypeLong, pack.TypeReasons:
		in.Kind, in.Rows, in.Max = view.Textarea, 10, f.Max
	case pack.TypeContact:
		in.Kind, in.Rows = view.Textarea, 3
	case pack.TypeNumber:
		in.Kind, in.Width = view.Number, "10"
	case pack.TypeYesNo:
		in.Kind, in.Inline = view.Radios, true
		in.Options = []view.Option{{Value: "yes", Text: a.say.T("ui.yes")}, {Value: "no", Text: a.say.T("ui.no")}}
	case pack.TypeDate:
		in = a.date(in)
		if f.Partial { // the pack's own words are about a date written in one line
			in.Hint = a.say.T("ui.date.hint", "example", a.say.T("ui.date.example"))
		}
	case pack.TypeChoice, pack.TypeReasonCode:
		in.Kind = view.Radios
		if l := a.p.List(f.List); l != nil {
			for _, v := range l.Values {
				in.Options = append(in.Options, view.Option{Value: v.ID, Text: a.say.Text(v.Label), Hint: a.say.Text(v.Help)})
			}
		}
	case pack.TypeRank:
		in.Kind = view.Radios
		for _, r := range a.p.Ranks {
			in.Options = append(in.Options, view.Option{Value: r.ID, Text: a.say.Text(r.Label)})
		}
	case pack.TypeMatter:
		in.Kind, in.Width, in.NoSpell = view.Text, "20", true
	case pack.TypeEarlier:
		in.Kind, in.NoSpell = view.Text, true
	default:
		in.Kind = view.Text
	}
	return in.Choose(in.Value)
}

func (a *asker) date(in view.Input) view.Input {
	in.Kind = view.Date
	in.Day, in.Month, in.Year = a.get(in.Name+"-day"), a.get(in.Name+"-month"), a.get(in.Name+"-year")
	return in
}

// conduct shows the catalogue by category, each to be opened; the one with the chosen entry is open.
func (a *asker) conduct(in view.Input) question {
	p := &pick{Name: in.Name, Label: in.Label, Hint: in.Hint, Error: in.Error, Heading: in.Heading, Optional: in.Optional}
	n := 0
	for _, cat := range a.p.Categories {
		g := pickGroup{Name: a.say.Text(cat.Label)}
		for i := range a.p.Conduct {
			c := &a.p.Conduct[i]
			if c.Category != cat.ID {
				continue
			}
			o := pickOption{ID: optionID(in.Name, n), Name: in.Name, Value: c.ID, Text: a.say.Text(c.Label), Chosen: c.ID == in.Value}
			n++
			g.Open = g.Open || o.Chosen
			g.Options = append(g.Options, o)
		}
		if len(g.Options) > 0 {
			p.Groups = append(p.Groups, g)
		}
	}
	if in.Optional {
		p.Groups = append(p.Groups, pickGroup{Options: []pickOption{{ID: optionID(in.Name, n), Name: in.Name, Text: a.say.T("public.ask.unsure"), Chosen: in.Value == ""}}})
	}
	return question{Pick: p}
}

func optionID(name string, n int) string {
	if n == 0 {
		return name
	}
	return name + "-" + strconv.Itoa(n+1)
}

// mostBodies is how many bodies are shown as one list; where there are more, one searches or goes level by level.
const mostBodies = 30

// mostFound is how many results a search shows.
const mostFound = 12

// body asks for a body of the register.
func (a *asker) body(in view.Input) question {
	p := &pick{Name: in.Name, Label: in.Label, Hint: in.Hint, Error: in.Error, Heading: in.Heading, Optional: in.Optional}
	var all []*register.Body
	for _, b := range a.tree.All() {
		if b.To == "" && b.MergedInto == 0 {
			all = append(all, b)
		}
	}
	group := pickGroup{}
	add := func(b *register.Body, down bool) {
		o := pickOption{ID: optionID(in.Name, len(group.Options)), Name: in.Name, Value: b.Code, Text: b.Called(a.say.Lang(), ""), Hint: a.place(b), Chosen: b.Code == in.Value}
		if down && len(a.tree.Children(b.ID)) > 0 {
			o.Down = "open:" + in.Name + ":" + b.Code
		}
		group.Options = append(group.Options, o)
	}
	query := strings.TrimSpace(a.get(ctlQuery + in.Name))
	switch {
	case len(all) <= mostBodies:
		for _, b := range all {
			add(b, false)
		}
	default:
		p.Search = &view.Input{Kind: view.Search, Name: ctlQuery + in.Name, Label: a.say.T("public.ask.search.body"), Value: query, Autocomplete: "off"}
		p.Last = view.Hidden{Name: ctlLast + in.Name, Value: query}
		if query != "" {
			for _, b := range a.tree.Search(query, mostFound) {
				add(b, false)
			}
			if len(group.Options) == 0 {
				p.Nothing = a.say.T("public.ask.nothing")
			}
			break
		}
		opened := a.tree.ByCode(a.get(ctlOpen + in.Name))
		parent := ref.BodyID(0)
		if opened != nil {
			parent = opened.ID
			p.Opened = view.Hidden{Name: ctlOpen + in.Name, Value: opened.Code}
			p.Up = append(p.Up, pickStep{Text: a.say.T("public.ask.top"), Value: "open:" + in.Name + ":"})
			above := a.tree.Above(opened.ID)
			slices.Reverse(above)
			for _, id := range above[:len(above)-1] {
				b := a.tree.Body(id)
				p.Up = append(p.Up, pickStep{Text: b.Called(a.say.Lang(), ""), Value: "open:" + in.Name + ":" + b.Code})
			}
			add(opened, false)
		}
		for _, id := range a.tree.Children(parent) {
			if b := a.tree.Body(id); b.To == "" && b.MergedInto == 0 {
				add(b, true)
			}
		}
	}
	if b := a.tree.ByCode(in.Value); b != nil && !slices.ContainsFunc(group.Options, func(o pickOption) bool { return o.Chosen }) {
		group.Options = append([]pickOption{{ID: in.Name + "-chosen", Name: in.Name, Value: b.Code, Text: b.Called(a.say.Lang(), ""), Hint: a.place(b), Chosen: true}}, group.Options...)
	}
	p.Groups = []pickGroup{group}
	return question{Pick: p}
}

// place says what kind of body it is, to tell bodies of like names apart.
func (a *asker) place(b *register.Body) string {
	var parts []string
	if v := a.p.Sector(b.Sector); v != nil {
		parts = append(parts, a.say.Text(v.Label))
	}
	if v := a.p.Level(b.Level); v != nil {
		parts = append(parts, a.say.Text(v.Label))
	}
	return strings.Join(parts, " · ")
}

// official asks for an official: found in the register, or described.
func (a *asker) official(in view.Input) (question, error) {
	p := &pick{Name: in.Name, Label: in.Label, Hint: in.Hint, Error: firstOf(in.Error, a.errors[in.Name+".described"]), Heading: in.Heading, Optional: in.Optional}
	query := strings.TrimSpace(a.get(ctlQuery + in.Name))
	p.Described = &view.Input{Kind: view.Text, Name: in.Name + ".described", Label: a.say.T("public.ask.describe"), Hint: a.say.T("public.ask.describe.hint"), Value: a.get(in.Name + ".described"), Autocomplete: "off"}
	p.Search = &view.Input{Kind: view.Search, Name: ctlQuery + in.Name, Label: a.say.T("public.ask.search.official"), Hint: a.say.T("public.ask.search.official.hint"), Value: query, Autocomplete: "off"}
	nobody := a.say.T("public.ask.nobody")
	if a.self {
		p.Described.Label, p.Described.Hint = a.say.T("forward.ask.describe"), a.say.T("forward.ask.describe.hint")
		p.Search.Label, p.Search.Hint = a.say.T("forward.ask.search"), a.say.T("forward.ask.search.hint")
		nobody = a.say.T("forward.ask.nobody")
	}
	p.Last = view.Hidden{Name: ctlLast + in.Name, Value: query}
	group := pickGroup{}
	add := func(o register.Official) {
		group.Options = append(group.Options, pickOption{ID: optionID(in.Name, len(group.Options)), Name: in.Name, Value: o.ID.String(), Text: o.Name, Hint: a.post(o), Chosen: o.ID.String() == in.Value})
	}
	chosen, err := a.officialByValue(in.Value)
	if err != nil {
		return question{}, err
	}
	if chosen != nil {
		in.Value = chosen.ID.String()
		add(*chosen)
	}
	if query != "" {
		found, err := register.SearchOfficials(a.ctx, a.tx, query, mostFound)
		if err != nil {
			return question{}, err
		}
		for _, o := range found {
			if chosen == nil || o.ID != chosen.ID {
				add(o)
			}
		}
		if len(found) == 0 {
			p.Nothing = nobody
		}
	}
	if len(group.Options) > 0 {
		group.Options = append(group.Options, pickOption{ID: in.Name + "-none", Name: in.Name, Text: a.say.T("public.ask.none"), Chosen: chosen == nil})
		p.Groups = []pickGroup{group}
	}
	return question{Pick: p}, nil
}

// officialByValue is the official that was chosen; nil if none was, or none is there.
func (a *asker) officialByValue(value string) (*register.Official, error) {
	id, err := strconv.ParseInt(value, 10, 64)
	if err != nil || id <= 0 {
		return nil, nil //nolint:nilnil // no official was chosen: an answer, not a failure
	}
	o, err := register.OfficialByID(a.ctx, a.tx, ref.OfficialID(id))
	if fault.Is(err, fault.NotFound) {
		return nil, nil //nolint:nilnil // as above
	}
	return &o, err
}

// post is where somebody works, or worked last.
func (a *asker) post(o register.Official) string {
	p, ok := o.PostAt("")
	if !ok && len(o.Posts) > 0 {
		p = o.Posts[len(o.Posts)-1]
	}
	var parts []string
	if p.Title != "" {
		parts = append(parts, p.Title)
	}
	if b := a.tree.Body(p.Body); b != nil {
		parts = append(parts, b.Called(a.say.Lang(), ""))
	}
	return strings.Join(parts, " · ")
}

// allegations asks for rows of who did what, when and where; one more at the press of a button.
func (a *asker) allegations(in view.Input) question {
	rows, _ := strconv.Atoi(a.get(ctlRows + in.Name)) // what is no number is one row
	rows = min(max(rows, 1), 20)
	set := &questionSet{ID: in.Name, Legend: in.Label, Hint: in.Hint, Error: in.Error, Heading: in.Heading, Optional: in.Optional,
		Hidden: []view.Hidden{{Name: ctlRows + in.Name, Value: strconv.Itoa(rows)}}, Add: "add:" + in.Name}
	for i := range rows {
		at := in.Name + "." + strconv.Itoa(i)
		row := &questionSet{ID: at, Legend: a.say.T("public.ask.row", "n", i+1)}
		conduct := view.Input{Kind: view.Select, Name: at + ".conduct", Label: a.say.T("public.ask.row.what"), Empty: "-"}
		for _, cat := range a.p.Categories {
			for j := range a.p.Conduct {
				if c := &a.p.Conduct[j]; c.Category == cat.ID {
					conduct.Options = append(conduct.Options, view.Option{Value: c.ID, Text: a.say.Text(c.Label), Group: a.say.Text(cat.Label)})
				}
			}
		}
		conduct = conduct.Choose(a.get(conduct.Name))
		for _, part := range []view.Input{
			conduct,
			{Kind: view.Text, Name: at + ".official.described", Label: a.say.T("public.ask.row.who")},
			a.date(view.Input{Name: at + ".time", Label: a.say.T("public.ask.row.when")}),
			{Kind: view.Text, Name: at + ".place", Label: a.say.T("public.ask.row.where")},
		} {
			part.Error, part.Autocomplete = a.errors[part.Name], "off"
			if part.Kind == view.Text {
				part.Value = a.get(part.Name)
			}
			row.Parts = append(row.Parts, question{Input: &part})
		}
		set.Parts = append(set.Parts, question{Set: row})
	}
	return question{Set: set}
}

func (a *asker) checkSheet(f *pack.Field, in view.Input) question {
	set := &questionSet{ID: in.Name, Legend: in.Label, Hint: in.Hint, Error: in.Error, Heading: in.Heading, Optional: in.Optional}
	if l := a.p.List(f.List); l != nil {
		for _, v := range l.Values {
			q := view.Input{Kind: view.Radios, Name: in.Name + "." + v.ID, Label: a.say.Text(v.Label), Size: "s", Inline: true, Small: true, Error: a.errors[in.Name+"."+v.ID], Options: []view.Option{
				{Value: "yes", Text: a.say.T("ui.yes")}, {Value: "no", Text: a.say.T("ui.no")}, {Value: "na", Text: a.say.T("public.ask.na")}}}.Choose(a.get(in.Name + "." + v.ID))
			set.Parts = append(set.Parts, question{Input: &q})
		}
	}
	return question{Set: set}
}

func (a *asker) period(in view.Input) question {
	number := view.Input{Kind: view.Number, Name: in.Name, Label: a.say.T("public.ask.period.number"), Width: "3", Value: in.Value, Error: in.Error}
	unit := view.Input{Kind: view.Select, Name: in.Name + ".unit", Label: a.say.T("public.ask.period.unit"), Options: []view.Option{
		{Value: string(calendar.Days), Text: a.say.T("public.ask.period.days")}, {Value: string(calendar.Months), Text: a.say.T("public.ask.period.months")}, {Value: string(calendar.Years), Text: a.say.T("public.ask.period.years")},
	}}.Choose(a.get(in.Name + ".unit"))
	return question{Set: &questionSet{ID: in.Name + "-set", Legend: in.Label, Hint: in.Hint, Heading: in.Heading, Optional: in.Optional, Parts: []question{{Input: &number}, {Input: &unit}}}}
}

// press does what a button inside a question asks for, and reports whether it was one.
func (a *asker) press(to string) bool {
	verb, rest, ok := strings.Cut(to, ":")
	if !ok {
		return false
	}
	name, code, _ := strings.Cut(rest, ":")
	switch verb {
	case "search":
		a.sent.Del(ctlOpen + name)
	case "open":
		a.sent.Del(ctlQuery + name)
		a.sent.Set(ctlOpen+name, code)
	case "add":
		rows, _ := strconv.Atoi(a.get(ctlRows + name)) // what is no number is one row
		a.sent.Set(ctlRows+name, strconv.Itoa(max(rows, 1)+1))
	default:
		return false
	}
	return true
}

// searching reports whether somebody typed something to look for and pressed Enter, or went on, without looking: they
// are shown what was found and not led past it.
func (a *asker) searching(f *pack.Field) bool {
	if f.Type != pack.TypeBody && f.Type != pack.TypeOfficial {
		return false
	}
	query := strings.TrimSpace(a.get(ctlQuery + f.ID))
	return query != "" && query != strings.TrimSpace(a.get(ctlLast+f.ID)) && a.get(f.ID) == ""
}

// read reads the answers to fields, and holds them to what the register knows.
func (a *asker) read(fields []pack.Field) (matter.Values, []fault.Field, error) {
	values, wrong := matter.ParseForm(a.p, fields, view.Values(a.sent))
	for i := range fields {
		f := &fields[i]
		switch v := values[f.ID].(type) {
		case string:
			if f.Type == pack.TypeBody && a.tree.ByCode(v) == nil {
				wrong = append(wrong, fault.Field{Name: f.ID, Key: "field.no-body", Args: fault.Args{"code": v}})
			}
		case matter.EarlierValue:
			known, err := v.Known(a.ctx, a.tx)
			if err != nil {
				return nil, nil, err
			}
			if !known {
				wrong = append(wrong, fault.Field{Name: f.ID, Key: "field.no-receipt"})
			}
		case matter.OfficialValue:
			if v.ID == 0 {
				continue
			}
			o, err := a.officialByValue(v.ID.String())
			if err != nil {
				return nil, nil, err
			}
			if o == nil {
				wrong = append(wrong, fault.Field{Name: f.ID, Key: "field.no-official"})
			}
		}
	}
	return values, wrong, nil
}

// answer says an answer in words; nothing for one that was left open.
func (a *asker) answer(f *pack.Field, v any) ([]string, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case string:
		return []string{a.text(f, v)}, nil
	case int64:
		return []string{a.say.Number(v)}, nil
	case bool:
		if v {
			return []string{a.say.T("ui.yes")}, nil
		}
		return []string{a.say.T("ui.no")}, nil
	case matter.OfficialValue:
		o, err := a.officialByValue(v.ID.String())
		if err != nil || o == nil {
			return []string{v.Described}, err
		}
		return []string{strings.TrimSuffix(o.Name+" · "+a.post(*o), " · ")}, nil
	case matter.EarlierValue:
		return []string{a.say.T("public.check.earlier")}, nil
	case map[string]string:
		return a.sheetAnswer(f, v), nil
	case []matter.AllegationValue:
		var out []string
		for _, row := range v {
			out = append(out, a.row(row))
		}
		return out, nil
	}
	return nil, nil
}

func (a *asker) text(f *pack.Field, v string) string {
	l := labels{a.p, a.say}
	switch f.Type {
	case pack.TypeConduct:
		return l.conduct(v)
	case pack.TypeRank:
		return l.rank(v)
	case pack.TypeChoice, pack.TypeReasonCode:
		return l.value(f.List, v)
	case pack.TypeDate:
		return a.say.Date(v)
	case pack.TypeBody:
		if b := a.tree.ByCode(v); b != nil {
			return b.Called(a.say.Lang(), "")
		}
	case pack.TypePeriod:
		if p, err := calendar.ParsePeriod(v); err == nil {
			return periodText(a.say, p)
		}
	}
	return v
}

func (a *asker) sheetAnswer(f *pack.Field, v map[string]string) []string {
	var out []string
	said := map[string]string{"yes": a.say.T("ui.yes"), "no": a.say.T("ui.no"), "na": a.say.T("public.ask.na")}
	if l := a.p.List(f.List); l != nil {
		for _, x := range l.Values {
			if s := said[v[x.ID]]; s != "" {
				out = append(out, a.say.Text(x.Label)+": "+s)
			}
		}
	}
	return out
}

func (a *asker) row(v matter.AllegationValue) string {
	parts := []string{labels{a.p, a.say}.conduct(v.Conduct), v.Official.Described}
	if v.Time != "" {
		parts = append(parts, a.say.Date(v.Time))
	}
	parts = append(parts, v.Place)
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), " · ")
}
