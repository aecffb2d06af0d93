package matter

import (
	"encoding/json"
	"strings"

	"plumbline/internal/calendar"
	"plumbline/internal/pack"
	"plumbline/internal/register"
)

// Env is what the conditions and measures of a pack may look at in a matter. Of the world it needs the tree of bodies,
// and the linked matters where conditions ask for them.
func Env(p *pack.Pack, s State, w World) *pack.Env {
	m := &s.Matter
	env := &pack.Env{
		Matter: pack.EnvMatter{Kind: m.Kind, State: m.State, Ended: m.Ended, Received: m.Received, Closed: m.Closed, Source: m.Source,
			Final: m.Final != 0, Imported: m.Source != "", Overdue: m.Overdue != 0, Facts: strings.Fields(m.Facts)},
		F: map[string]any{},
	}
	if !w.Now.IsZero() {
		env.Today = p.Cal().Day(w.Now)
	}
	if data, err := m.Values(); err == nil { // the table was written by Fold; verify finds anything else
		for name, v := range data {
			env.F[name] = conditionValue(v)
		}
	}
	for _, l := range s.Links {
		o := w.Linked[l.Other]
		env.Links = append(env.Links, pack.EnvLink{Relation: l.Kind, Kind: o.Kind, State: o.State, Ended: o.Ended, Final: o.Final != 0})
	}
	for _, a := range s.Allegations {
		env.Allegations = append(env.Allegations, EnvAllegation(a, w.Tree))
	}
	for _, q := range s.Parties {
		env.Parties = append(env.Parties, pack.EnvParty{Role: q.Role, Anonymous: q.Anonymous != 0, Data: decodeData(q.Data)})
		if q.Role == RoleReporter && q.Anonymous != 0 {
			env.Matter.Anonymous = true
		}
	}
	env.Subject = subject(p, s, w.Tree)
	return env
}

// EnvAllegation is one allegation as conditions and measures see it.
func EnvAllegation(a Allegation, t *register.Tree) pack.EnvAllegation {
	e := pack.EnvAllegation{Identified: a.Official != 0, Rank: a.Rank, Conduct: a.Conduct, Category: a.Category, Finding: a.Finding,
		Outcome: a.Outcome, Time: a.Time, Place: a.Place, Data: decodeData(a.Data)}
	if t != nil {
		if b := t.Body(a.Body); b != nil {
			e.Body = b.Code
		}
	}
	return e
}

// subject is the official and the body the matter is about: of several officials the one of highest standing decides,
// so that a matter about two people goes to whoever is competent for both.
func subject(p *pack.Pack, s State, t *register.Tree) pack.EnvSubject {
	var out pack.EnvSubject
	body := s.Matter.Concerned
	for _, a := range s.Allegations {
		if a.Official != 0 {
			out.Known = true
		}
		if p.RankOrder(a.Rank) > p.RankOrder(out.Rank) {
			out.Rank = a.Rank
		}
		if body == 0 {
			body = a.Body
		}
	}
	if s.Matter.Subject != 0 {
		out.Known = true
	}
	if t != nil {
		if b := t.Body(body); b != nil {
			out.Level, out.Sector = b.Level, b.Sector
		}
	}
	return out
}

func decodeData(text string) map[string]any {
	if text == "" {
		return nil
	}
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	var out map[string]any
	if err := dec.Decode(&out); err != nil {
		return nil // written by Fold out of valid JSON; verify finds anything else
	}
	for k, v := range out {
		out[k] = conditionValue(whole(v))
	}
	return out
}

// conditionValue turns what JSON gives into what conditions know: check sheets are maps of strings.
func conditionValue(v any) any {
	m, ok := v.(map[string]any)
	if !ok {
		return v
	}
	out := make(map[string]string, len(m))
	for k, x := range m {
		s, ok := x.(string)
		if !ok {
			return v
		}
		out[k] = s
	}
	return out
}

func parseDate(s string) calendar.Date {
	d, err := calendar.ParseDate(s)
	if err != nil {
		return calendar.Date{} // unknown
	}
	return d
}
