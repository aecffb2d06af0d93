package tally

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"plumbline/internal/matter"
	"plumbline/internal/pack"
	"plumbline/internal/ref"
)

// Fact is one thing counted: a matter, or an allegation of it.
type Fact struct {
	Matter   ref.MatterID
	Measure  string
	No       int64          // of the allegation; 0: the matter itself
	Official ref.OfficialID // only where officials are counted
	Body     ref.BodyID     // where it is counted, and at every body above
	Received string         // date of receipt, perhaps of reduced precision or unknown
	Dims     string         // see joinDims
	Amount   int64

	at   int      // of the measure in Measures.list
	vals []string // the values in Dims
}

// Lookup tells what a contribution needs to know beyond the matter. Both follow from the register alone.
type Lookup struct {
	Code func(ref.BodyID) string             // code of a body
	Now  func(ref.OfficialID) ref.OfficialID // the official that an official was merged into, else the same
}

// Contribute returns what the matter contributes to each measure, in the order of the measures and its allegations. It is
// a pure function: the same state gives the same facts.
func Contribute(ms *Measures, st *matter.State, look Lookup) ([]Fact, error) {
	name, _, _ := strings.Cut(st.Matter.Pack, "@")
	measures := ms.byPack[name]
	if len(measures) == 0 {
		return nil, nil
	}
	env, err := environment(st, ms.needs, look)
	if err != nil {
		return nil, err
	}
	row := &st.Matter
	own := row.Concerned
	if own == 0 {
		own = row.Body
	}
	var facts []Fact
	for _, b := range measures {
		f := Fact{Matter: row.ID, Measure: b.m.ID, Body: own, Received: row.Received, Amount: 1, at: b.at}
		if b.m.Count == pack.CountMatters {
			env.Allegation = nil
			if facts, err = count(facts, f, b, env); err != nil {
				return nil, err
			}
			continue
		}
		for i := range st.Allegations {
			a := &st.Allegations[i]
			f.No, f.Body, f.Official = a.No, own, 0
			if a.Body != 0 {
				f.Body = a.Body
			}
			if b.m.distinct() {
				if a.Official == 0 {
					continue // nobody is named
				}
				f.Official = look.Now(a.Official)
			}
			env.Allegation = &env.Allegations[i]
			if facts, err = count(facts, f, b, env); err != nil {
				return nil, err
			}
		}
	}
	return facts, nil
}

// count adds f to facts if the measure counts what env describes.
func count(facts []Fact, f Fact, b bound, env *pack.Env) ([]Fact, error) {
	p := b.d.pack
	ok, err := p.Counts(b.d.m, env)
	if err != nil || !ok {
		return facts, err
	}
	f.vals = make([]string, len(b.m.Dims))
	for i, d := range b.d.dims {
		switch {
		case d != nil:
			if f.vals[i], err = p.DimValue(b.d.m, d, env); err != nil {
				return facts, err
			}
			f.vals[i] = plain(f.vals[i])
		case b.m.Dims[i] == Imported:
			f.vals[i] = "no"
			if env.Matter.Imported {
				f.vals[i] = "yes"
			}
		}
	}
	f.Dims = joinDims(b.m.Dims, f.vals)
	return append(facts, f), nil
}

const unit = "\x1f"

// longestValue bounds the value of a dimension, which is meant to be a word of a catalogue.
const longestValue = 200

// plain makes any text fit to be the value of a dimension.
func plain(v string) string {
	if strings.ContainsAny(v, unit+"\x00") {
		v = strings.NewReplacer(unit, " ", "\x00", "").Replace(v)
	}
	v = strings.ToValidUTF8(v, "\uFFFD")
	if len(v) > longestValue {
		r := []rune(v)
		for len(string(r)) > longestValue {
			r = r[:len(r)-1]
		}
		v = string(r)
	}
	return v
}

// joinDims writes the values of dimensions so that each can be found in the text: "␟finding=sustained␟imported=no␟".
func joinDims(dims, vals []string) string {
	var b strings.Builder
	b.WriteString(unit)
	for i, d := range dims {
		b.WriteString(d)
		b.WriteByte('=')
		b.WriteString(vals[i])
		b.WriteString(unit)
	}
	return b.String()
}

// splitDims reads what joinDims wrote.
func splitDims(dims []string, text string) ([]string, error) {
	parts := strings.Split(text, unit)
	if len(parts) != len(dims)+2 || parts[0] != "" || parts[len(parts)-1] != "" {
		return nil, fmt.Errorf("tally: %q does not hold the dimensions %v", text, dims)
	}
	parts = parts[1 : len(parts)-1]
	for i, d := range dims {
		v, ok := strings.CutPrefix(parts[i], d+"=")
		if !ok {
			return nil, fmt.Errorf("tally: %q does not hold the dimensions %v", text, dims)
		}
		parts[i] = v
	}
	return parts, nil
}

// environment is what conditions of measures see of a matter. Of linked matters they see only how they are linked, and of
// today nothing: a figure changes when a matter does, not when another does or the day turns.
func environment(st *matter.State, n needs, look Lookup) (*pack.Env, error) {
	row := &st.Matter
	env := &pack.Env{Matter: pack.EnvMatter{
		Kind: row.Kind, State: row.State, Ended: row.Ended, Received: row.Received, Closed: row.Closed, Source: row.Source,
		Final: row.Final != 0, Imported: row.Source != "", Overdue: row.Overdue != 0, Facts: strings.Fields(row.Facts),
	}}
	env.Subject.Known = row.Subject != 0
	var err error
	if n.fields {
		if env.F, err = object(row.Data); err != nil {
			return nil, fmt.Errorf("tally: matter %d: data: %w", row.ID, err)
		}
	}
	for _, l := range st.Links {
		env.Links = append(env.Links, pack.EnvLink{Relation: l.Kind})
	}
	env.Allegations = make([]pack.EnvAllegation, len(st.Allegations))
	for i := range st.Allegations {
		a := &st.Allegations[i]
		env.Allegations[i] = pack.EnvAllegation{
			Identified: a.Official != 0, Rank: a.Rank, Conduct: a.Conduct, Category: a.Category, Finding: a.Finding,
			Outcome: a.Outcome, Time: a.Time, Place: a.Place,
		}
		if a.Body != 0 && look.Code != nil {
			env.Allegations[i].Body = look.Code(a.Body)
		}
		if n.data {
			if env.Allegations[i].Data, err = object(a.Data); err != nil {
				return nil, fmt.Errorf("tally: matter %d: allegation %d: data: %w", row.ID, a.No, err)
			}
		}
	}
	for _, q := range st.Parties {
		party := pack.EnvParty{Role: q.Role, Anonymous: q.Anonymous != 0}
		if q.Role == "reporter" && q.Anonymous != 0 {
			env.Matter.Anonymous = true
		}
		if n.data {
			if party.Data, err = object(q.Data); err != nil {
				return nil, fmt.Errorf("tally: matter %d: party %d: data: %w", row.ID, q.No, err)
			}
		}
		env.Parties = append(env.Parties, party)
	}
	return env, nil
}

// object reads a JSON object, numbers as whole ones where they are.
func object(text string) (map[string]any, error) {
	if text == "" || text == "{}" {
		return nil, nil
	}
	dec := json.NewDecoder(bytes.NewReader([]byte(text)))
	dec.UseNumber()
	var m map[string]any
	if err := dec.Decode(&m); err != nil {
		return nil, err
	}
	for k, v := range m {
		m[k] = whole(v)
	}
	return m, nil
}

func whole(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		f, err := v.Float64()
		if err != nil {
			return string(v)
		}
		return f
	case []any:
		for i := range v {
			v[i] = whole(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = whole(v[k])
		}
	}
	return v
}
