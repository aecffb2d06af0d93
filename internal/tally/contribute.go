package tally

import (
	"fmt"
	"strings"

	"plumbline/internal/matter"
	"plumbline/internal/pack"
	"plumbline/internal/ref"
	"plumbline/internal/register"
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

// Lookup tells what a contribution needs to know beyond the matter, all of it from the register.
type Lookup struct {
	Tree *register.Tree
	Now  func(ref.OfficialID) ref.OfficialID // the official that an official was merged into, else the same
}

// Contribute returns what the matter contributes to each measure, in the order of the measures and its allegations. It is
// a pure function: the same state gives the same facts. Of linked matters conditions see only how they are linked, and of
// today nothing: a figure changes when a matter does, not when another does or the day turns.
func Contribute(ms *Measures, st *matter.State, look Lookup) ([]Fact, error) {
	name, _, _ := strings.Cut(st.Matter.Pack, "@")
	measures := ms.byPack[name]
	if len(measures) == 0 {
		return nil, nil
	}
	env := matter.Env(measures[0].d.pack, *st, matter.World{Tree: look.Tree})
	row := &st.Matter
	own := row.Concerned
	if own == 0 {
		own = row.Body
	}
	var facts []Fact
	var err error
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
