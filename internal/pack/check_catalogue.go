package pack

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"

	"plumbline/internal/calendar"
)

// catalogue: F12, F14 and F15, and the part of F22 that is about duties.
func (c *checker) catalogue() {
	p := c.p
	for i := range p.Conduct {
		e := &p.Conduct[i]
		from, err := calendar.ParseDate(e.Rule.From)
		switch {
		case strings.TrimSpace(e.Rule.Cite) == "":
			c.plain("F12", nil, e.At.Place, "write rule: {cite: the law and its article, from: the day it came into force}", "conduct %s cites no rule", e.ID)
		case e.Rule.From == "":
			c.plain("F12", nil, e.At.Key("rule"), "write from: the day the rule came into force", "conduct %s does not say since when its rule is in force", e.ID)
		case err != nil || !from.Exact():
			c.plain("F12", nil, e.At.Key("rule"), "write the day like 2019-05-17", "conduct %s: its rule is in force from %q, which is not a day", e.ID, e.Rule.From)
		case e.Rule.To != "":
			to, err := calendar.ParseDate(e.Rule.To)
			if err != nil || !to.Exact() {
				c.plain("F12", nil, e.At.Key("rule"), "write the day like 2019-05-17", "conduct %s: its rule is in force until %q, which is not a day", e.ID, e.Rule.To)
			} else if to.Compare(from) < 0 {
				c.plain("F12", nil, e.At.Key("rule"), "correct the dates", "conduct %s: its rule ends (%s) before it begins (%s)", e.ID, e.Rule.To, e.Rule.From)
			}
		}
		if w := ofBelief(e.ID, e.Label); w != "" {
			c.plain("F14", nil, e.At.Place, "describe what somebody does, under a written rule", "conduct %s is about what somebody is or believes (%q), not about what they do", e.ID, w)
		}
	}
	for i := range p.Categories {
		if w := ofBelief(p.Categories[i].ID, p.Categories[i].Label); w != "" {
			c.plain("F14", nil, p.Categories[i].At.Place, "group conduct by what is done", "category %s is about what somebody is or believes (%q)", p.Categories[i].ID, w)
		}
	}
	for i := range p.Lists {
		l := &p.Lists[i]
		if w := ofBelief(l.ID, nil); w != "" {
			c.plain("F14", nil, l.At.Place, "take it out; the system has no place for it", "list %s records what somebody is or believes (%q)", l.ID, w)
			continue
		}
		for _, v := range l.Values {
			if w := ofBelief(l.ID+" "+v.ID, v.Label); w != "" {
				c.plain("F14", nil, v.At.Place, "take it out; the system has no place for it", "list %s records what somebody is or believes (%q)", l.ID, w)
			}
		}
	}
	decides := false
	for i := range p.Kinds {
		for j := range p.Kinds[i].Actions {
			decides = decides || p.Kinds[i].Actions[j].FieldOf(TypeOutcome) != nil
		}
	}
	if decides && len(p.Tiers) == 0 {
		c.plain("F15", nil, Place{File: MainFile, Line: 1}, "write tiers, mild to grave, with their outcomes", "the pack decides on outcomes but has no tiers of them")
	}
	for i := range p.Tiers {
		t := &p.Tiers[i]
		if len(t.Outcomes) == 0 {
			c.plain("F15", nil, t.At.Place, "give it outcomes, or take it out", "tier %s has no outcome", t.ID)
		}
		for j := range t.Outcomes {
			o := &t.Outcomes[j]
			if o.OnRecord.IsZero() {
				c.plain("F15", nil, o.At.Place, "write on_record: 2y", "outcome %s does not say how long it stays on record", o.ID)
			}
			switch d := p.Duty(o.Executes); {
			case d == nil:
				c.plain("F15", nil, o.At.Place, "write executes: and the duty", "outcome %s does not say who carries it out", o.ID)
			case d.Actor != ActorAccount && d.Actor != ActorOutside:
				c.plain("F15", nil, o.At.Key("executes"), "name a duty that somebody holds", "outcome %s is carried out by %s, which is nobody who could", o.ID, o.Executes)
			}
		}
	}
	for i := range p.Questionnaires {
		q := &p.Questionnaires[i]
		for j := range q.Fields {
			f := &q.Fields[j]
			if w := ofBelief(q.ID+" "+f.ID, f.Label); w != "" {
				c.plain("F14", nil, f.At.Place, "take it out; the system has no place for it", "questionnaire %s: %s asks what somebody is or believes (%q)", q.ID, f.ID, w)
			}
		}
	}
	for i := range p.Duties {
		d := &p.Duties[i]
		if slices.Contains(d.Excludes, d.ID) {
			c.plain("F22", nil, d.At.Key("excludes"), "take it out of its own excludes", "duty %s excludes itself, so nobody can hold it", d.ID)
		}
	}
	for i := range p.Kinds {
		k := &p.Kinds[i]
		for j := range k.States {
			s := &k.States[j]
			if du := p.Duty(s.Desk); du != nil && (du.Actor != ActorAccount || du.Admin) {
				c.plain("F22", k, s.At.Key("desk"), "name a duty that people who work on matters hold", "%s lies with %s, where nobody has it before them", s.ID, s.Desk)
			}
		}
		for j := range k.Actions {
			a := &k.Actions[j]
			for _, d := range a.By {
				if du := p.Duty(d); du != nil && du.Actor == ActorAccount && du.Admin {
					c.about("F22", k, a, "by", "give it to a duty that only works on matters", "is by %s, who manages accounts and could give themselves any other duty", d)
				}
			}
		}
	}
}

func textsOf(t Text) []string {
	var out []string
	for _, s := range t {
		out = append(out, s)
	}
	slices.Sort(out)
	return out
}

// The words below catch the plain cases. A machine cannot judge meaning: whoever adopts a pack has to read its
// catalogue, which the public page shows whole.
var (
	belief = regexp.MustCompile(`(?i)\b(beliefs?|faiths?|religions?|religious\w*|creeds?|worship\w*|heres(?:y|ies)|heretic\w*|apostasy|ideolog\w*|disloyal\w*|loyal\w*|unpatriotic` +
		`|political(?:ly)? (?:views?|opinions?|stances?|attitudes?|convictions?|unreliab\w*)|opinions? (?:held|contrary)|holds? (?:\w+ )?opinions?|thoughts?` +
		`|ethnic\w*|(?:national|foreign|social|family|racial) origins?|race|racial|sexual orientation` +
		`|party members?(?:hip)?|memberships? (?:of|in)|association with|belongs? to (?:an? )?(?:\w+ )?(?:association|union|party|church|sect))\b` +
		`|信仰|信教|宗教|教派|邪教|异端|忠诚|政见|妄议|政治(?:立场|观点|态度|倾向|面貌|表现)|思想(?:问题|状况|倾向|错误|落后|动向)|错误思想|民族|种族|籍贯|血统|出身|家庭成分|党派|结社|(?:加入|参加|参与)\S{0,4}(?:社团|教会)`)
	// honest is a manner of acting, not of believing.
	honest = regexp.MustCompile(`(?i)\b(?:bad|good) faith\b`)
	// against says that an entry is about treating others badly for it, which is conduct. A word such as "remark" or
	// "against" is not enough: "remarks against the faith" is not conduct.
	against = regexp.MustCompile(`(?i)\b(?:discriminat\w*|slurs?|insult\w*|offensive|verbal(?:ly)? abus\w*|derogatory|harass\w*|mock\w*|ridicul\w*|hate (?:speech|crimes?)|hatred|bias(?:ed)?|profiling|persecut\w*` +
		`|(?:treat|refus|den(?:y|ie)|stop|search|arrest|detain|abus|assault|threaten|disadvantag|favou?r|prefer|exclud|punish|select|target)\w*\b.*\b(?:because of|on (?:the )?grounds? of|due to|regardless of|for|by|over))\b` +
		`|歧视|侮辱|辱骂|贬损|骚扰|攻击|仇恨|偏见|区别对待|定性执法|差别对待|不公|不平等|刁难|迫害|干涉`)
)

// ofBelief is the word by which an entry is about what somebody is or believes, "" if none shows it. Each language is
// read by itself, with the id.
func ofBelief(id string, label Text) string {
	texts := textsOf(label)
	if len(texts) == 0 {
		texts = []string{""}
	}
	for _, text := range texts {
		all := strings.NewReplacer("-", " ", "_", " ").Replace(text + " | " + id)
		if w := belief.FindString(honest.ReplaceAllString(all, "")); w != "" && !against.MatchString(all) {
			return w
		}
	}
	return ""
}

// keeping: F13, and the part of F14 that is about fields.
func (c *checker) keeping(k *Kind) {
	kept := map[string]bool{}
	for _, r := range k.Retention {
		kept[r.Compartment] = !r.Keep.IsZero()
	}
	check := func(f *Field, asked string, fromReporter bool) {
		at := f.At.Place
		switch f.Type {
		case TypeName, TypeContact:
			if f.Sealed == "" {
				c.plain("F13", k, at, "write sealed: identity", "%s: %s can identify a reporter or witness and stands in the clear", asked, f.ID)
			} else if fromReporter && f.Sealed != "identity" && !c.ownWish(k, f) {
				c.plain("F13", k, f.At.Key("sealed"), "write sealed: identity", "%s: %s identifies the reporter, but is sealed to %s, which more people open", asked, f.ID, f.Sealed)
			}
		case TypeText, TypeLong, TypeReasons:
			if fromReporter && f.Sealed == "" {
				c.plain("F13", k, at, "seal it (sealed: file, reporter or identity)", "%s: what a reporter writes in %s can show who they are and stands in the clear", asked, f.ID)
			}
		}
		if f.Sealed != "" && f.Public {
			c.plain("F13", k, f.At.Key("public"), "take public out", "%s: %s is sealed and public at once", asked, f.ID)
		}
		if f.Sealed != "" && !kept[f.Sealed] {
			c.plain("F13", k, f.At.Key("sealed"), fmt.Sprintf("write under retention: {compartment: %s, keep: …}", f.Sealed), "%s: %s is sealed to %s, for which no time of keeping is stated", asked, f.ID, f.Sealed)
		}
		if w := ofBelief(f.ID, f.Label); w != "" {
			c.plain("F14", k, at, "take it out; the system has no place for it", "%s: %s asks what somebody is or believes (%q)", asked, f.ID, w)
		}
	}
	for i := range k.Fields {
		check(&k.Fields[i], "opening", k.Reports)
	}
	for i := range k.Actions {
		a := &k.Actions[i]
		fromReporter := slices.ContainsFunc(a.By, func(d string) bool { du := c.p.Duty(d); return du != nil && du.Actor == ActorReporter })
		for j := range a.Fields {
			check(&a.Fields[j], a.ID, fromReporter)
		}
		if a.Answers != "" {
			c.keepsAnswers(k, a, kept)
		}
		if a.Has(EffHide) && !c.p.onlyBy(a.By, ActorReporter) {
			c.about("F13", k, a, "by", "leave it to the reporter's duty", "hides who the reporter is, and is not the reporter's")
		}
		if !a.Has(EffIdentify) {
			continue
		}
		for _, d := range a.By {
			if du := c.p.Duty(d); du != nil && !du.Custodian {
				c.about("F13", k, a, "by", "leave it to the duty with custodian: true", "opens the reporter's identity, and %s is not its custodian", d)
			}
		}
		if !a.requires(TypeReasons) {
			c.about("F13", k, a, "fields", "ask for reasons (a required field of type reasons)", "opens the reporter's identity without a reason")
		}
		if a.Letter == "" || a.Adverse {
			c.about("F13", k, a, "letter", "send a letter (letter: …), and do not mark it as adverse to the investigation", "opens the reporter's identity without telling them")
		}
	}
}

// keepsAnswers: what questionnaires are answered with is sealed by itself; how long it is kept must be stated as for fields.
func (c *checker) keepsAnswers(k *Kind, a *Action, kept map[string]bool) {
	said := map[string]bool{}
	for i := range c.p.Questionnaires {
		for _, f := range c.p.Questionnaires[i].Fields {
			if !kept[f.Sealed] && !said[f.Sealed] {
				said[f.Sealed] = true
				c.about("F13", k, a, "answers", fmt.Sprintf("write under retention: {compartment: %s, keep: …}", f.Sealed), "is answered with what is sealed to %s, for which no time of keeping is stated", f.Sealed)
			}
		}
	}
}

// ownWish reports whether a reporter is asked for the field only after they said in the same form that more people than
// the custodian may know their name: as long as nothing is answered, its condition is surely false.
func (c *checker) ownWish(k *Kind, f *Field) bool {
	if f.When == "" {
		return false
	}
	asked, err := c.p.Holds(k, f.When, &Env{Matter: EnvMatter{Kind: k.ID}})
	return err == nil && !asked && strings.Contains(string(f.When), "f.")
}

// competent: F18, over every rank, level and sector, known or not.
func (c *checker) competent(k *Kind) {
	if len(k.Routing) == 0 {
		if len(k.OpenBy) > 0 || k.Reports {
			c.plain("F18", k, k.At.Place, "write routing, the last route without a condition", "no route leads a new matter to a desk")
		}
		return
	}
	for i := range k.Routing {
		r := &k.Routing[i]
		if d := c.p.Duty(r.Duty); d != nil && d.Actor != ActorAccount {
			c.plain("F18", k, r.At.Key("duty"), "route to a duty that people hold", "route %d ends at %s, which no account holds", i+1, r.Duty)
		}
	}
	ranks := append([]string{""}, ids(c.p.Ranks, func(r Rank) string { return r.ID })...)
	levels := append([]string{""}, ids(c.p.Levels, func(l Level) string { return l.ID })...)
	sectors := append([]string{""}, ids(c.p.Sectors, func(s Sector) string { return s.ID })...)
	reported := map[int]bool{}
	for _, rank := range ranks {
		for _, level := range levels {
			for _, sector := range sectors {
				s := EnvSubject{Known: rank != "", Rank: rank, Level: level, Sector: sector}
				surely, maybe := c.routes(k, &Env{Subject: s})
				if !surely && !reported[-1] {
					reported[-1] = true
					c.plain("F18", k, k.Routing[0].At.Place, "end the routing with a route that has no condition", "no route takes a matter about %s", describe(s))
				}
				if asksEarlier(k) {
					c.elsewhere(k, s, maybe, reported)
				}
				for _, i := range maybe {
					r := &k.Routing[i]
					own := level != "" && c.p.LevelOrder(r.Level) <= c.p.LevelOrder(level) && (r.Sector == "" || r.Sector == sector)
					if own && !reported[i] {
						reported[i] = true
						c.plain("F18", k, r.At.Place, "send it a level up, or to a body of another sector", "route %d sends a matter about %s to the body or chain of command concerned", i+1, describe(s))
					}
				}
			}
		}
	}
}

// asksEarlier reports whether matters of the kind follow from an earlier report of the same person, as one about retaliation does.
func asksEarlier(k *Kind) bool {
	return slices.ContainsFunc(k.Fields, func(f Field) bool { return f.Type == TypeEarlier })
}

// elsewhere: what follows from an earlier report does not go to the body that a report about the same people goes to, as
// long as there is a level above. Which body really handled the earlier one, the engine looks at.
func (c *checker) elsewhere(k *Kind, s EnvSubject, maybe []int, reported map[int]bool) {
	const seen = 1 << 16
	for i := range c.p.Kinds {
		other := &c.p.Kinds[i]
		if !other.Reports || other.Discloses || asksEarlier(other) {
			continue
		}
		_, theirs := c.routes(other, &Env{Subject: s})
		for _, mine := range maybe {
			r := &k.Routing[mine]
			if reported[seen+mine] || c.p.LevelOrder(r.Level) == len(c.p.Levels) {
				continue
			}
			if slices.ContainsFunc(theirs, func(j int) bool { return other.Routing[j].Level == r.Level && other.Routing[j].Sector == r.Sector }) {
				reported[seen+mine] = true
				c.plain("F18", k, r.At.Place, "send it a level up", "route %d sends a matter about %s to the body that handles a %s about them, which this may follow from", mine+1, describe(s), other.ID)
			}
		}
	}
}

// routes are the routes that may be the first whose condition holds, and whether one of them surely holds. What was
// reported is not known here, so a condition that asks for it may go either way.
func (c *checker) routes(k *Kind, env *Env) (surely bool, maybe []int) {
	vars, err := cel.PartialVars(env, cel.AttributePattern("f"), cel.AttributePattern("matter"), cel.AttributePattern("links"),
		cel.AttributePattern("allegations"), cel.AttributePattern("parties"), cel.AttributePattern("today"))
	if err != nil {
		return false, nil // only a wrong type of env could cause it
	}
	for i := range k.Routing {
		when := k.Routing[i].When
		if when == "" {
			return true, append(maybe, i)
		}
		out, _, err := c.p.programs[programKey{kindScope(k), when}].partial.Eval(vars)
		switch {
		case err == nil && out == types.True:
			return true, append(maybe, i)
		case err != nil || types.IsUnknown(out):
			maybe = append(maybe, i)
		}
	}
	return false, maybe
}

func describe(s EnvSubject) string {
	or := func(what, x string) string {
		if x == "" {
			return "unknown " + what
		}
		return what + " " + x
	}
	return fmt.Sprintf("somebody of %s, %s and %s", or("rank", s.Rank), or("sector", s.Sector), or("level", s.Level))
}
