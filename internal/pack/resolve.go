package pack

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"golang.org/x/text/language"

	"plumbline/internal/calendar"
)

// resolver fills in defaults, indexes the pack and finds every name, label and expression that does not hold (F19).
type resolver struct {
	p        *Pack
	places   map[string]Place // of top-level keys
	problems *Problems
}

func (r *resolver) fail(at Place, rule, format string, args ...any) {
	*r.problems = append(*r.problems, Problem{Place: at, Rule: rule, Message: fmt.Sprintf(format, args...)})
}

func (r *resolver) top(key string) Place {
	if p, ok := r.places[key]; ok {
		return p
	}
	return Place{File: MainFile, Line: 1}
}

var (
	idPattern      = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,63}$`)
	fieldPattern   = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)
	versionPattern = regexp.MustCompile(`^\d{1,6}\.\d{1,6}\.\d{1,6}$`)
	prefixPattern  = regexp.MustCompile(`^[A-Z]{1,4}$`)
)

func validID(s string) bool { return idPattern.MatchString(s) }

// reservedFields are words the expression language keeps for itself.
var reservedFields = []string{"as", "break", "const", "continue", "else", "false", "for", "function", "if", "import", "in", "let", "loop", "namespace", "null", "package", "return", "true", "var", "void", "while"}

func (r *resolver) run() {
	p := r.p
	r.head()
	r.catalogues()
	if len(*r.problems) > 0 && len(p.Languages) == 0 {
		return
	}
	for i := range p.Kinds {
		r.kind(&p.Kinds[i])
	}
	for i := range p.Kinds {
		r.across(&p.Kinds[i])
	}
	r.measures()
	r.waivers()
	r.letters()
	r.expressions()
}

func (r *resolver) head() {
	p := r.p
	if !validID(p.Name) {
		r.fail(r.top("pack"), "", "name the pack: a word of small letters, digits and hyphens")
	}
	if !versionPattern.MatchString(p.Version) {
		r.fail(r.top("version"), "", "give the pack a version such as 1.0.0")
	}
	if len(p.Languages) == 0 {
		r.fail(r.top("languages"), "", "say in which languages the pack speaks: languages: [en]")
	}
	seen := map[string]bool{}
	for _, l := range p.Languages {
		if t, err := language.Parse(l); err != nil || t.String() != l {
			r.fail(r.top("languages"), "", "%q is not a language tag; write it like en or zh-Hans", l)
		}
		if seen[l] {
			r.fail(r.top("languages"), "", "%s is named twice", l)
		}
		seen[l] = true
	}
	r.label(r.top("title"), "title", p.Title)
	r.label(r.top("about"), "about", p.About)
	cal, errs := calendar.Compile(p.Calendar)
	for _, e := range errs {
		r.fail(r.top("calendar"), "", "%s", e)
	}
	p.cal = cal
	for _, h := range p.Calendar.Holidays {
		r.optional(r.top("calendar"), "holiday "+h.On, h.Label)
	}
	if len(p.Kinds) == 0 {
		r.fail(r.top("kinds"), "", "the pack has no kinds of matter")
	}
}

// label demands a text in every language; optional does so where there is one in any.
func (r *resolver) label(at Place, what string, t Text) {
	for _, lang := range r.p.Languages {
		if t[lang] == "" {
			r.fail(at, "F19", "%s has no text in %s", what, lang)
		}
	}
	r.strange(at, what, t)
}

func (r *resolver) optional(at Place, what string, t Text) {
	if len(t) > 0 {
		r.label(at, what, t)
	}
}

func (r *resolver) strange(at Place, what string, t Text) {
	if len(r.p.Languages) == 0 {
		return // said already
	}
	var extra []string
	for lang := range t {
		if !slices.Contains(r.p.Languages, lang) {
			extra = append(extra, lang)
		}
	}
	slices.Sort(extra)
	for _, lang := range extra {
		r.fail(at, "F19", "%s has a text in %s, which is not a language of the pack%s", what, lang, didYouMean(lang, r.p.Languages))
	}
}

// put indexes an entry and checks its id.
func put[T any](r *resolver, m map[string]T, at At, what, id string, v T) {
	if !validID(id) {
		r.fail(at.Key("id"), "", "%s needs an id of small letters, digits and hyphens, not %q", what, id)
		return
	}
	if _, twice := m[id]; twice {
		r.fail(at.Key("id"), "F19", "%s %q stands in the pack twice", what, id)
		return
	}
	m[id] = v
}

func (r *resolver) catalogues() {
	p := r.p
	x := &p.index
	*x = index{
		levels: map[string]int{}, ranks: map[string]int{}, sectors: map[string]*Sector{}, duties: map[string]*Duty{},
		categories: map[string]*Category{}, conduct: map[string]*Conduct{}, standards: map[string]*Standard{},
		findings: map[string]*Finding{}, tiers: map[string]*Tier{}, outcomes: map[string]outcomeAt{},
		questionnaires: map[string]*Questionnaire{},
		lists:          map[string]*List{}, kinds: map[string]*Kind{}, measures: map[string]*Measure{}, letters: map[string]*Letter{},
	}
	for _, e := range p.Elsewhere {
		r.label(e.At.Place, "elsewhere: label", e.Label)
		r.label(e.At.Place, "elsewhere: contact", e.Contact)
	}
	for i, l := range p.Levels {
		put(r, x.levels, l.At, "level", l.ID, i+1)
		r.label(l.At.Place, "level "+l.ID, l.Label)
	}
	for i := range p.Sectors {
		s := &p.Sectors[i]
		put(r, x.sectors, s.At, "sector", s.ID, s)
		r.label(s.At.Place, "sector "+s.ID, s.Label)
	}
	for i, k := range p.Ranks {
		put(r, x.ranks, k.At, "rank", k.ID, i+1)
		r.label(k.At.Place, "rank "+k.ID, k.Label)
		if k.Level != "" {
			known(r, k.At.Key("level"), "rank "+k.ID, "level", k.Level, x.levels)
		}
	}
	for _, rank := range p.Recusal.Leads {
		known(r, p.Recusal.At.Key("leads"), "recusal", "rank", rank, x.ranks)
	}
	for i := range p.Duties {
		d := &p.Duties[i]
		put(r, x.duties, d.At, "duty", d.ID, d)
		r.label(d.At.Place, "duty "+d.ID, d.Label)
		if d.Actor == "" {
			d.Actor = ActorAccount
		}
		oneOf(r, d.At.Key("actor"), "duty "+d.ID+": actor", string(d.Actor), "account", "reporter", "respondent", "system", "outside")
		if d.Sees == "" {
			d.Sees = "desk"
		}
		oneOf(r, d.At.Key("sees"), "duty "+d.ID+": sees", d.Sees, "desk", "subtree", "none")
	}
	for i := range p.Duties {
		d := &p.Duties[i]
		for _, other := range d.Excludes {
			o := x.duties[other]
			if o == nil {
				known(r, d.At.Key("excludes"), "duty "+d.ID, "duty", other, x.duties)
			} else if o != d && !slices.Contains(o.Excludes, d.ID) {
				o.Excludes = append(slices.Clone(o.Excludes), d.ID)
			}
		}
	}
	for i := range p.Categories {
		c := &p.Categories[i]
		put(r, x.categories, c.At, "category", c.ID, c)
		r.label(c.At.Place, "category "+c.ID, c.Label)
	}
	for i := range p.Conduct {
		r.conduct(&p.Conduct[i])
	}
	for i := range p.Standards {
		s := &p.Standards[i]
		put(r, x.standards, s.At, "standard", s.ID, s)
		r.label(s.At.Place, "standard "+s.ID, s.Label)
	}
	for i := range p.Findings {
		f := &p.Findings[i]
		put(r, x.findings, f.At, "finding", f.ID, f)
		r.label(f.At.Place, "finding "+f.ID, f.Label)
		if f.Standard != "" {
			known(r, f.At.Key("standard"), "finding "+f.ID, "standard", f.Standard, x.standards)
		}
	}
	for i := range p.Tiers {
		t := &p.Tiers[i]
		put(r, x.tiers, t.At, "tier", t.ID, t)
		r.label(t.At.Place, "tier "+t.ID, t.Label)
		for j := range t.Outcomes {
			o := &t.Outcomes[j]
			put(r, x.outcomes, o.At, "outcome", o.ID, outcomeAt{o, t})
			r.label(o.At.Place, "outcome "+o.ID, o.Label)
			if o.Executes != "" {
				known(r, o.At.Key("executes"), "outcome "+o.ID, "duty", o.Executes, x.duties)
			}
		}
	}
	for i := range p.Lists {
		l := &p.Lists[i]
		put(r, x.lists, l.At, "list", l.ID, l)
		seen := map[string]bool{}
		for _, v := range l.Values {
			put(r, seen, v.At, "list "+l.ID+": value", v.ID, true)
			r.label(v.At.Place, "list "+l.ID+": "+v.ID, v.Label)
			r.optional(v.At.Key("help"), "list "+l.ID+": "+v.ID+": help", v.Help)
		}
		if len(l.Values) == 0 {
			r.fail(l.At.Place, "F19", "list %s has no values", l.ID)
		}
	}
	for i := range p.Letters {
		l := &p.Letters[i]
		put(r, x.letters, l.At, "letter", l.ID, l)
		r.label(l.At.Place, "letter "+l.ID, l.Label)
	}
	for i := range p.Questionnaires {
		r.questionnaire(&p.Questionnaires[i])
	}
	prefixes := map[string]string{}
	for i := range p.Kinds {
		k := &p.Kinds[i]
		put(r, x.kinds, k.At, "kind", k.ID, k)
		if !prefixPattern.MatchString(k.Prefix) {
			r.fail(k.At.Key("prefix"), "", "kind %s: give its references a prefix of one to four capital letters, such as R", k.ID)
		} else if other, twice := prefixes[k.Prefix]; twice {
			r.fail(k.At.Key("prefix"), "F19", "kind %s: the prefix %s belongs to %s already", k.ID, k.Prefix, other)
		}
		prefixes[k.Prefix] = k.ID
	}
}

func (r *resolver) conduct(c *Conduct) {
	put(r, r.p.index.conduct, c.At, "conduct", c.ID, c)
	r.label(c.At.Place, "conduct "+c.ID, c.Label)
	known(r, c.At.Key("category"), "conduct "+c.ID, "category", c.Category, r.p.index.categories)
	if c.Grave < 1 || c.Grave > 4 {
		r.fail(c.At.Key("grave"), "", "conduct %s: say how grave it is, from 1 (light) to 4 (a suspected crime)", c.ID)
	}
}

// known reports a name that stands in no catalogue.
func known[T any](r *resolver, at Place, who, what, name string, in map[string]T) {
	if _, ok := in[name]; ok {
		return
	}
	if name == "" {
		r.fail(at, "F19", "%s names no %s", who, what)
		return
	}
	names := make([]string, 0, len(in))
	for n := range in {
		names = append(names, n)
	}
	slices.Sort(names)
	r.fail(at, "F19", "%s: there is no %s %q%s", who, what, name, didYouMean(name, names))
}

func oneOf(r *resolver, at Place, who, got string, allowed ...string) {
	if !slices.Contains(allowed, got) {
		r.fail(at, "", "%s cannot be %q%s", who, got, didYouMean(got, allowed))
	}
}

// inspects: what an inspection came to is read out of one field, by the values of its list.
func (r *resolver) inspects(k *Kind, who string) {
	at := k.At.Key("inspects")
	if k.Reports {
		r.fail(at, "", "%s: what the public reports is not drawn; inspects and reports cannot both be said", who)
	}
	if len(k.OpenBy) > 0 {
		r.fail(at, "", "%s: an inspection is opened by a draw alone, so that nobody chooses what is inspected; take out open_by", who)
	}
	if first := r.p.Inspection(); first != nil && first.ID != k.ID {
		r.fail(at, "", "%s: %s inspects already; a pack has one kind that does", who, first.ID)
	}
	var f *Field
	for i := range k.Actions {
		for j := range k.Actions[i].Fields {
			if x := &k.Actions[i].Fields[j]; x.ID == k.Inspects.Result && x.Type == TypeChoice && x.Required && x.Sealed == "" {
				f = x
			}
		}
	}
	if f == nil {
		r.fail(at, "F19", "%s: inspects: result: %q is no required field of type choice of one of its actions", who, k.Inspects.Result)
		return
	}
	list := r.p.index.lists[f.List]
	if list == nil {
		return // said where the field stands
	}
	values := ids(list.Values, func(v Value) string { return v.ID })
	if len(k.Inspects.Wrong) == 0 || len(k.Inspects.Wrong) >= len(values) {
		r.fail(at, "F19", "%s: inspects: wrong: say which values of %s count as an error found, and leave at least one that does not", who, f.List)
	}
	for _, w := range k.Inspects.Wrong {
		if !slices.Contains(values, w) {
			r.fail(at, "F19", "%s: inspects: wrong: the list %s has no value %q%s", who, f.List, w, didYouMean(w, values))
		}
	}
}

// reopens: the step it leads to, in every procedure whose matters can be drawn, gets all that it needs.
func (r *resolver) reopens(k *Kind, a *Action, what string) {
	at := a.At.Key("reopens")
	if k.Inspects == nil {
		r.fail(at, "", "%s: only a kind that inspects others can reopen what it inspected", what)
	}
	for i := range r.p.Kinds {
		other := &r.p.Kinds[i]
		for j := range other.Actions {
			b := &other.Actions[j]
			if other.Inspects != nil || !r.p.Reopens(b) {
				continue
			}
			for _, f := range b.Fields {
				if _, given := a.Reopens[f.ID]; given || !f.Required || f.When != "" {
					continue
				}
				if !slices.ContainsFunc(a.Fields, func(own Field) bool { return own.ID == f.ID && own.Type == f.Type && own.Required && own.When == "" }) {
					r.fail(at, "F19", "%s: reopens: %s of a %s asks for %s; give it here, or ask for it in a required field of the same name and type", what, b.ID, other.ID, f.ID)
				}
			}
		}
	}
}

func (r *resolver) kind(k *Kind) {
	x := &r.p.index
	who := "kind " + k.ID
	r.label(k.At.Place, who+": label", k.Label)
	r.label(k.At.Place, who+": plural", k.Plural)
	r.optional(k.At.Key("about"), who+": about", k.About)
	if k.Subject == "" {
		k.Subject = "none"
	}
	if !slices.Contains([]string{"none", "optional", "required"}, k.Subject) {
		r.fail(k.At.Key("subject"), "F14", "%s: subject cannot be %q; only an official may be the subject of a matter, so it says none, optional or required", who, k.Subject)
	}
	if k.Discloses {
		r.discloses(k, who)
	}
	if k.Inspects != nil {
		r.inspects(k, who)
	}
	states := map[string]bool{}
	var open, final []string
	for i := range k.States {
		s := &k.States[i]
		if s.ID == "open" || s.ID == "final" || s.ID == StateImported {
			r.fail(s.At.Key("id"), "", "%s: %q means something of its own; call the state otherwise", who, s.ID)
		}
		put(r, states, s.At, who+": state", s.ID, true)
		r.label(s.At.Place, who+": state "+s.ID, s.Label)
		r.optional(s.At.Key("public"), who+": state "+s.ID+": public", s.Public)
		if s.Of == "" {
			s.Of = OfSame
		}
		oneOf(r, s.At.Key("of"), who+": state "+s.ID+": of", string(s.Of), "same", "superior")
		if s.Desk != "" {
			known(r, s.At.Key("desk"), who+": state "+s.ID, "duty", s.Desk, x.duties)
		} else if !s.Final {
			r.fail(s.At.Place, "F19", "%s: state %s names no desk, so nobody would have it before them", who, s.ID)
		}
		if s.Final {
			final = append(final, s.ID)
		} else {
			open = append(open, s.ID)
		}
	}
	expand := func(at Place, who string, names []string) (out []string, anywhere bool) {
		for _, n := range names {
			var add []string
			switch n {
			case "open":
				add, anywhere = open, true
			case "final":
				add, anywhere = final, true
			default:
				known(r, at, who, "state", n, states)
				add = []string{n}
			}
			for _, s := range add {
				if !slices.Contains(out, s) {
					out = append(out, s)
				}
			}
		}
		return out, anywhere
	}
	known(r, k.At.Key("start"), who+": start", "state", k.Start, states)
	if s := k.State(k.Start); s != nil && s.Final {
		r.fail(k.At.Key("start"), "", "%s: it cannot start in the final state %s", who, k.Start)
	}
	for _, d := range k.OpenBy {
		known(r, k.At.Key("open_by"), who+": open_by", "duty", d, x.duties)
	}
	for i := range k.Fields {
		if f := &k.Fields[i]; f.Type == TypeEarlier && !k.Reports {
			r.fail(f.At.Key("type"), "", "%s: field %s: only a kind that takes reports asks for an earlier one", who, f.ID)
		}
	}
	k.Inspected, _ = expand(k.At.Key("inspected"), who+": inspected", k.Inspected)
	clocks := map[string]bool{}
	for i := range k.Clocks {
		c := &k.Clocks[i]
		put(r, clocks, c.At, who+": clock", c.ID, true)
		what := who + ": clock " + c.ID
		r.label(c.At.Place, what, c.Label)
		if len(c.In) == 0 {
			r.fail(c.At.Place, "", "%s: say in which states it runs: in: […]", what)
		}
		c.In, _ = expand(c.At.Key("in"), what, c.In)
		for _, s := range c.In {
			if st := k.State(s); st != nil && st.Final {
				r.fail(c.At.Key("in"), "", "%s cannot run in the final state %s", what, s)
			}
		}
		for _, e := range c.Until {
			if !isEffect(e) {
				r.fail(c.At.Key("until"), "F19", "%s: there is no effect %q%s", what, e, didYouMean(e, EffectNames))
			}
		}
		if c.Within.IsZero() {
			r.fail(c.At.Place, "", "%s: say how long it runs: within: 7d", what)
		}
		if c.Tells != "" {
			oneOf(r, c.At.Key("tells"), what+": tells", c.Tells, "superior")
		}
	}
	fieldTypes := map[string]*Field{}
	r.fields(who, k.Fields, fieldTypes)
	actions := map[string]bool{}
	for i := range k.Actions {
		a := &k.Actions[i]
		a.Line = a.At.Line
		what := who + ": action " + a.ID
		if a.ID == "import" {
			r.fail(a.At.Key("id"), "", "%s: import is the engine's own action; call it otherwise", who)
		}
		put(r, actions, a.At, who+": action", a.ID, true)
		r.label(a.At.Place, what, a.Label)
		r.optional(a.At.Key("help"), what+": help", a.Help)
		if len(a.From) == 0 {
			r.fail(a.At.Place, "", "%s: say in which states it is possible: from: […]", what)
		}
		a.From, a.Anywhere = expand(a.At.Key("from"), what, a.From)
		if a.To != "" {
			known(r, a.At.Key("to"), what, "state", a.To, states)
		}
		r.who(what, a)
		if a.When != "" {
			r.label(a.At.Key("when"), what+": else (what to say while its condition does not hold)", a.Else)
		} else {
			r.optional(a.At.Key("else"), what+": else", a.Else)
		}
		for _, link := range []struct{ key, clock string }{{"pauses", a.Pauses}, {"resumes", a.Resumes}, {"extends", a.Extends}} {
			if link.clock != "" {
				known(r, a.At.Key(link.key), what+": "+link.key, "clock", link.clock, clocks)
			}
		}
		if a.Letter != "" {
			known(r, a.At.Key("letter"), what, "letter", a.Letter, x.letters)
		}
		r.fields(what, a.Fields, fieldTypes)
		if a.Answers != "" {
			r.answers(k, a, what)
		}
		if a.Assigns && a.FieldOf(TypeAccount) == nil {
			r.fail(a.At.Key("assigns"), "", "%s assigns, so it must ask whom: a field of type account", what)
		}
		for _, e := range a.Effects {
			if e.Name == EffOpen && (a.Opens == nil || a.Opens.Kind != e.Kind) {
				r.fail(a.At.Key("effects"), "", "%s: what it opens is said by opens: {kind: %s}", what, e.Kind)
			}
		}
		a.derive()
	}
	for i := range k.Clocks {
		c := &k.Clocks[i]
		if c.Then == "" {
			continue
		}
		what := who + ": clock " + c.ID + ": then"
		a := k.Action(c.Then)
		if a == nil {
			known(r, c.At.Key("then"), what, "action", c.Then, actions)
			continue
		}
		if !r.onlyBy(a.By, ActorSystem) {
			r.fail(c.At.Key("then"), "", "%s: %s happens by itself, so it must be the system's (by: a duty whose actor is system)", what, c.Then)
		}
		for _, s := range c.In {
			if !slices.Contains(a.From, s) {
				r.fail(c.At.Key("then"), "", "%s: the clock runs in %s, where %s is not possible", what, s, c.Then)
			}
		}
		for _, f := range a.Fields {
			if f.Required {
				r.fail(c.At.Key("then"), "", "%s: %s happens by itself, so it cannot ask for %s", what, c.Then, f.ID)
			}
		}
	}
	for i := range k.Routing {
		rt := &k.Routing[i]
		what := fmt.Sprintf("%s: route %d", who, i+1)
		known(r, rt.At.Key("level"), what, "level", rt.Level, x.levels)
		if rt.Sector != "" {
			known(r, rt.At.Key("sector"), what, "sector", rt.Sector, x.sectors)
		}
		if rt.Duty != "" {
			known(r, rt.At.Key("duty"), what, "duty", rt.Duty, x.duties)
		}
	}
	kept := map[string]bool{}
	for _, t := range k.Retention {
		oneOf(r, t.At.Key("compartment"), who+": retention: compartment", t.Compartment, Compartments...)
		if t.Keep.IsZero() {
			r.fail(t.At.Place, "", "%s: retention of %s: say how long: keep: 5y", who, t.Compartment)
		}
		if kept[t.Compartment] {
			r.fail(t.At.Place, "", "%s: the retention of %s is given twice", who, t.Compartment)
		}
		kept[t.Compartment] = true
	}
}

func (r *resolver) who(what string, a *Action) {
	x := &r.p.index
	if len(a.By) == 0 {
		r.fail(a.At.Place, "", "%s: say who may do it: by: [a duty]", what)
	}
	for _, d := range a.By {
		known(r, a.At.Key("by"), what, "duty", d, x.duties)
	}
	outside := r.onlyBy(a.By, ActorOutside)
	if a.Of == "" {
		a.Of = OfSame
		if outside {
			a.Of = OfOutside
		}
	}
	oneOf(r, a.At.Key("of"), what+": of", string(a.Of), "same", "superior", "other", "outside")
	for _, d := range a.RecordedBy {
		known(r, a.At.Key("recorded_by"), what, "duty", d, x.duties)
	}
	switch {
	case a.Of == OfOutside && !outside:
		r.fail(a.At.Key("by"), "", "%s is done outside, so it must be by a duty whose actor is outside", what)
	case a.Of == OfOutside && len(a.RecordedBy) == 0:
		r.fail(a.At.Place, "", "%s is done outside; say who records it here: recorded_by: [a duty]", what)
	case a.Of != OfOutside && outside:
		r.fail(a.At.Key("of"), "", "%s is by an outside body, so it is of: outside", what)
	case a.Of != OfOutside && len(a.RecordedBy) > 0 && !r.onlyBy(a.By, ActorRespondent) && !r.onlyBy(a.By, ActorReporter):
		r.fail(a.At.Key("recorded_by"), "", "%s: only what an outside body, the reporter or the respondent does is recorded by somebody else", what)
	}
	for _, d := range a.RecordedBy {
		if du := x.duties[d]; du != nil && du.Actor != ActorAccount {
			r.fail(a.At.Key("recorded_by"), "", "%s: %s has no account, so it cannot record", what, d)
		}
	}
}

// onlyBy reports whether all duties are held by that sort of person.
func (r *resolver) onlyBy(duties []string, actor Actor) bool { return r.p.onlyBy(duties, actor) }

func (p *Pack) onlyBy(duties []string, actor Actor) bool {
	for _, id := range duties {
		if d := p.index.duties[id]; d == nil || d.Actor != actor {
			return false
		}
	}
	return len(duties) > 0
}

var fieldTypes = []string{
	string(TypeText), string(TypeLong), string(TypeNumber), string(TypeYesNo), string(TypeDate), string(TypeChoice),
	string(TypeConduct), string(TypeBody), string(TypeOfficial), string(TypeRank), string(TypeAccount), string(TypeMatter),
	string(TypeAllegations), string(TypeFindings), string(TypeOutcome), string(TypeReasons), string(TypeReasonCode),
	string(TypePeriod), string(TypeName), string(TypeContact), string(TypeCheck), string(TypeQuestionnaire), string(TypeEarlier),
}

func (r *resolver) fields(who string, fields []Field, types map[string]*Field) {
	seen := map[string]bool{}
	for i := range fields {
		f := &fields[i]
		what := who + ": field " + f.ID
		if !fieldPattern.MatchString(f.ID) || slices.Contains(reservedFields, f.ID) {
			r.fail(f.At.Key("id"), "", "%s: a field needs an id of small letters, digits and underscores that is no word of the expression language, not %q", who, f.ID)
		} else if seen[f.ID] {
			r.fail(f.At.Key("id"), "F19", "%s stands there twice", what)
		}
		seen[f.ID] = true
		if !slices.Contains(fieldTypes, string(f.Type)) {
			r.fail(f.At.Key("type"), "F14", "%s: there is no field type %q%s", what, f.Type, didYouMean(string(f.Type), fieldTypes))
		}
		r.label(f.At.Place, what, f.Label)
		r.optional(f.At.Key("help"), what+": help", f.Help)
		switch f.Type {
		case TypeChoice, TypeReasonCode, TypeCheck:
			known(r, f.At.Key("list"), what, "list", f.List, r.p.index.lists)
		default:
			if f.List != "" {
				r.fail(f.At.Key("list"), "", "%s: a field of type %s takes no list", what, f.Type)
			}
		}
		if f.Sealed != "" {
			oneOf(r, f.At.Key("sealed"), what+": sealed", f.Sealed, Compartments...)
		}
		if f.Partial && f.Type != TypeDate {
			r.fail(f.At.Key("partial"), "", "%s: only a date can be partial", what)
		}
		if first, ok := types[f.ID]; !ok {
			types[f.ID] = f
		} else if first.Type != f.Type || first.List != f.List || (first.Sealed == "") != (f.Sealed == "") {
			r.fail(f.At.Place, "F19", "%s: another field of that name in this kind (%s) has another type, list or seal; call one of them otherwise", what, first.At.Place)
		}
	}
}

// across resolves what points from one kind to another.
func (r *resolver) across(k *Kind) {
	x := &r.p.index
	for i := range k.Actions {
		a := &k.Actions[i]
		what := "kind " + k.ID + ": action " + a.ID
		if o := a.Opens; o != nil {
			known(r, a.At.Key("opens"), what+": opens", "kind", o.Kind, x.kinds)
			oneOf(r, a.At.Key("opens"), what+": opens: each", o.Each, "", "official")
			if target := x.kinds[o.Kind]; target != nil && target.Subject == "required" && o.Each != "official" && k.Subject == "none" {
				r.fail(a.At.Key("opens"), "F19", "%s: every %s is about one official, so it must say each: official", what, o.Kind)
			}
		}
		if a.Reopens != nil {
			r.reopens(k, a, what)
		}
		for _, nb := range a.NotBy {
			kind, action, qualified := strings.Cut(nb, ".")
			target := x.kinds[kind]
			if !qualified {
				target, action = k, nb
			}
			if target == nil {
				known(r, a.At.Key("not_by"), what+": not_by", "kind", kind, x.kinds)
			} else if target.Action(action) == nil {
				r.fail(a.At.Key("not_by"), "F19", "%s: not_by: %s has no action %q%s", what, target.ID, action,
					didYouMean(action, ids(target.Actions, func(a Action) string { return a.ID })))
			} else if !slices.Contains(r.p.ancestry(k), target) {
				r.fail(a.At.Key("not_by"), "F19", "%s: not_by: a %s never comes from a %s, so %s keeps nobody out", what, k.ID, target.ID, nb)
			}
		}
	}
}

// builtinDims are the dimensions that need no expression; the value says whether they are of allegations.
var builtinDims = map[string]bool{
	"finding": true, "category": true, "conduct": true, "outcome": true, "tier": true,
	"state": false, "kind": false, "ended": false, "imported": false,
}

func (r *resolver) measures() {
	x := &r.p.index
	for i := range r.p.Measures {
		m := &r.p.Measures[i]
		what := "measure " + m.ID
		put(r, x.measures, m.At, "measure", m.ID, m)
		r.label(m.At.Place, what+": label", m.Label)
		r.label(m.At.Place, what+": question", m.Question)
		r.label(m.At.Place, what+": method", m.Method)
		oneOf(r, m.At.Key("count"), what+": count", m.Count, CountMatters, CountAllegations, CountOfficials)
		for _, k := range m.Kinds {
			known(r, m.At.Key("kinds"), what, "kind", k, x.kinds)
		}
		seen := map[string]bool{}
		for _, d := range m.By {
			if d.ID == "body" || d.ID == "year" || d.ID == "month" {
				r.fail(d.At.Key("id"), "", "%s: every measure has the dimension %s already", what, d.ID)
			}
			put(r, seen, d.At, what+": dimension", d.ID, true)
			r.label(d.At.Place, what+": dimension "+d.ID, d.Label)
			ofAllegation, builtin := builtinDims[d.ID]
			switch {
			case d.Value == "" && !builtin:
				names := make([]string, 0, len(builtinDims))
				for n := range builtinDims {
					names = append(names, n)
				}
				slices.Sort(names)
				r.fail(d.At.Place, "F19", "%s: dimension %s needs a value: a CEL expression%s", what, d.ID, didYouMean(d.ID, names))
			case d.Value == "" && ofAllegation && m.Count == CountMatters:
				r.fail(d.At.Place, "F19", "%s counts matters, which may have several allegations; the dimension %s is only for allegations and officials", what, d.ID)
			}
		}
	}
}

// neverWaived are the rules no law may switch off.
var neverWaived = []string{"F9", "F13", "F14"}

func (r *resolver) waivers() {
	for _, w := range r.p.Waivers {
		rule, ok := Rules[w.Rule]
		switch {
		case !ok:
			r.fail(w.At.Key("rule"), "F19", "waive: there is no rule %q", w.Rule)
		case slices.Contains(neverWaived, w.Rule):
			r.fail(w.At.Key("rule"), w.Rule, "waive: %s (%s) cannot be switched off by any law", w.Rule, rule)
		}
		if w.Kind != "" {
			known(r, w.At.Key("kind"), "waive", "kind", w.Kind, r.p.index.kinds)
		}
		r.label(w.At.Place, "waive "+w.Rule+": because", w.Because)
	}
}

func (r *resolver) expressions() {
	p := r.p
	p.programs = map[programKey]*program{}
	c, err := newCompiler(p)
	if err != nil {
		r.fail(Place{File: MainFile}, "", "the expression language cannot be set up: %v", err)
		return
	}
	compile := func(at Place, what, scope string, env *cel.Env, e Expr, want *types.Type, kinds []*Kind, routing bool) {
		for _, w := range c.compile(scope, env, e, want, kinds, routing) {
			r.fail(at, "F19", "%s: %s", what, w)
		}
	}
	for i := range p.Kinds {
		k := &p.Kinds[i]
		env, err := c.kindEnv(k)
		if err != nil {
			r.fail(k.At.Place, "", "kind %s: %v", k.ID, err)
			continue
		}
		scope, kinds := kindScope(k), []*Kind{k}
		fields := func(who string, fields []Field) {
			for j := range fields {
				f := &fields[j]
				compile(f.At.Key("when"), who+": field "+f.ID+": when", scope, env, f.When, types.BoolType, kinds, false)
			}
		}
		fields("kind "+k.ID, k.Fields)
		for j := range k.Actions {
			a := &k.Actions[j]
			who := "kind " + k.ID + ": action " + a.ID
			compile(a.At.Key("when"), who+": when", scope, env, a.When, types.BoolType, kinds, false)
			fields(who, a.Fields)
		}
		for j := range k.Routing {
			rt := &k.Routing[j]
			compile(rt.At.Key("when"), fmt.Sprintf("kind %s: route %d: when", k.ID, j+1), scope, env, rt.When, types.BoolType, kinds, true)
		}
	}
	for i := range p.Questionnaires {
		q := &p.Questionnaires[i]
		k := q.asKind()
		env, err := c.env(questionnaireScope(q), []*Kind{k}, false)
		if err != nil {
			r.fail(q.At.Place, "", "questionnaire %s: %v", q.ID, err)
			continue
		}
		for j := range q.Fields {
			f := &q.Fields[j]
			compile(f.At.Key("when"), "questionnaire "+q.ID+": field "+f.ID+": when", questionnaireScope(q), env, f.When, types.BoolType, []*Kind{k}, false)
		}
	}
	for i := range p.Measures {
		m := &p.Measures[i]
		env, err := c.measureEnv(m)
		if err != nil {
			r.fail(m.At.Place, "", "measure %s: %v", m.ID, err)
			continue
		}
		scope, kinds := measureScope(m), p.measureKinds(m)
		compile(m.At.Key("when"), "measure "+m.ID+": when", scope, env, m.When, types.BoolType, kinds, false)
		for _, d := range m.By {
			compile(d.At.Key("value"), "measure "+m.ID+": dimension "+d.ID, scope, env, d.Value, types.StringType, kinds, false)
		}
	}
}
