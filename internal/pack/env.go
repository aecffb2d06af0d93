package pack

import (
	"fmt"
	"reflect"
	"slices"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/interpreter"

	"plumbline/internal/calendar"
)

// Env is what a condition may look at. Whoever evaluates one fills in what is known; what is left out is empty, and an
// empty word is equal to no catalogue entry.
type Env struct {
	Today       calendar.Date
	Matter      EnvMatter
	F           map[string]any // clear field values by field id: string, int64 or bool; check sheets map[string]string
	Subject     EnvSubject
	Links       []EnvLink
	Allegations []EnvAllegation
	Parties     []EnvParty
	Allegation  *EnvAllegation // the one being counted, in measures of allegations and officials
}

// EnvMatter is the matter itself.
type EnvMatter struct {
	Kind, State, Ended, Received, Closed, Source string
	Final, Imported, Overdue, Anonymous          bool
	Facts                                        []string // effects that have happened
}

// EnvSubject is the official or body the matter is about, as far as known: ids of the pack.
type EnvSubject struct {
	Known               bool // an official is identified
	Rank, Level, Sector string
}

// EnvLink is another matter this one is tied to.
type EnvLink struct {
	Relation, Kind, State, Ended string
	Final                        bool
}

// EnvAllegation is one allegation. Category, gravity, whether it is proven and the tier follow from the pack.
type EnvAllegation struct {
	Identified                                                   bool
	Rank, Conduct, Category, Finding, Outcome, Time, Place, Body string
	Data                                                         map[string]any // clear attributes an import brought
}

// EnvParty is somebody who takes part.
type EnvParty struct {
	Role      string
	Anonymous bool
	Data      map[string]any
}

// ResolveName makes an Env the variables of an expression.
func (e *Env) ResolveName(name string) (any, bool) {
	switch name {
	case "today":
		return e.Today.String(), true
	case "matter":
		return &e.Matter, true
	case "f":
		if e.F == nil {
			return map[string]any{}, true
		}
		return e.F, true
	case "subject":
		return &e.Subject, true
	case "links":
		return objects(e.Links, typeLink), true
	case "allegations":
		return objects(e.Allegations, typeAllegation), true
	case "parties":
		return objects(e.Parties, typeParty), true
	case "allegation":
		if e.Allegation == nil {
			return &EnvAllegation{}, true
		}
		return e.Allegation, true
	}
	return nil, false
}

// Parent makes the Env the outermost scope.
func (e *Env) Parent() interpreter.Activation { return nil }

var (
	typeMatter     = types.NewObjectType("plumbline.Matter")
	typeSubject    = types.NewObjectType("plumbline.Subject")
	typeLink       = types.NewObjectType("plumbline.Link")
	typeAllegation = types.NewObjectType("plumbline.Allegation")
	typeParty      = types.NewObjectType("plumbline.Party")
	typeData       = types.NewMapType(types.StringType, types.DynType)
)

// property is one field of a variable, as expressions see it.
type property struct {
	typ *types.Type
	get func(p *Pack, v any) any
	doc string // for the reference page
}

func prop[T any](typ *types.Type, doc string, get func(p *Pack, v *T) any) property {
	return property{typ, func(p *Pack, v any) any {
		t, ok := v.(*T)
		if !ok {
			return nil
		}
		return get(p, t)
	}, doc}
}

// properties are the fields of the fixed variables. docs/reference/pack.md lists them; a test holds the two together.
var properties = map[string]map[string]property{
	"plumbline.Matter": {
		"kind":      prop(types.StringType, "its kind", func(_ *Pack, m *EnvMatter) any { return m.Kind }),
		"state":     prop(types.StringType, "its state", func(_ *Pack, m *EnvMatter) any { return m.State }),
		"final":     prop(types.BoolType, "whether that state is final", func(_ *Pack, m *EnvMatter) any { return m.Final }),
		"ended":     prop(types.StringType, "the action that closed it, or empty", func(_ *Pack, m *EnvMatter) any { return m.Ended }),
		"received":  prop(types.StringType, "date of receipt", func(_ *Pack, m *EnvMatter) any { return m.Received }),
		"closed":    prop(types.StringType, "date it was closed, or empty", func(_ *Pack, m *EnvMatter) any { return m.Closed }),
		"imported":  prop(types.BoolType, "whether it came from an import", func(_ *Pack, m *EnvMatter) any { return m.Imported }),
		"source":    prop(types.StringType, "the import's source, or empty", func(_ *Pack, m *EnvMatter) any { return m.Source }),
		"overdue":   prop(types.BoolType, "whether a clock has run out", func(_ *Pack, m *EnvMatter) any { return m.Overdue }),
		"anonymous": prop(types.BoolType, "whether the reporter gave no name", func(_ *Pack, m *EnvMatter) any { return m.Anonymous }),
		"facts":     prop(types.NewListType(types.StringType), "effects that have happened: 'conclude' in matter.facts", func(_ *Pack, m *EnvMatter) any { return orEmpty(m.Facts) }),
	},
	"plumbline.Subject": {
		"known":  prop(types.BoolType, "whether an official is identified", func(_ *Pack, s *EnvSubject) any { return s.Known }),
		"rank":   prop(types.IntType, "place of the rank in the pack's ranks, 1 the lowest, 0 unknown", func(p *Pack, s *EnvSubject) any { return int64(p.RankOrder(s.Rank)) }),
		"level":  prop(types.IntType, "place of the body's level in the pack's levels, 1 the lowest, 0 unknown", func(p *Pack, s *EnvSubject) any { return int64(p.LevelOrder(s.Level)) }),
		"sector": prop(types.StringType, "the body's sector", func(_ *Pack, s *EnvSubject) any { return s.Sector }),
	},
	"plumbline.Link": {
		"relation": prop(types.StringType, "opened-by, opens, duplicate-of, has-duplicate, follows-from, followed-by, inspects, inspected-by or arises-from", func(_ *Pack, l *EnvLink) any { return l.Relation }),
		"kind":     prop(types.StringType, "the other matter's kind", func(_ *Pack, l *EnvLink) any { return l.Kind }),
		"state":    prop(types.StringType, "its state", func(_ *Pack, l *EnvLink) any { return l.State }),
		"final":    prop(types.BoolType, "whether that state is final", func(_ *Pack, l *EnvLink) any { return l.Final }),
		"ended":    prop(types.StringType, "the action that closed it, or empty", func(_ *Pack, l *EnvLink) any { return l.Ended }),
	},
	"plumbline.Allegation": {
		"identified": prop(types.BoolType, "whether the official is identified", func(_ *Pack, a *EnvAllegation) any { return a.Identified }),
		"rank":       prop(types.IntType, "place of the official's rank at the time, 0 unknown", func(p *Pack, a *EnvAllegation) any { return int64(p.RankOrder(a.Rank)) }),
		"conduct":    prop(types.StringType, "catalogue entry", func(_ *Pack, a *EnvAllegation) any { return a.Conduct }),
		"category":   prop(types.StringType, "its category", func(p *Pack, a *EnvAllegation) any { return p.categoryOf(a) }),
		"grave":      prop(types.IntType, "its gravity, 0 unknown", func(p *Pack, a *EnvAllegation) any { return int64(p.graveOf(a)) }),
		"finding":    prop(types.StringType, "the finding, or empty", func(_ *Pack, a *EnvAllegation) any { return a.Finding }),
		"proven":     prop(types.BoolType, "whether the finding is one an outcome may rest on", func(p *Pack, a *EnvAllegation) any { f := p.Finding(a.Finding); return f != nil && f.Proven }),
		"outcome":    prop(types.StringType, "the outcome, or empty", func(_ *Pack, a *EnvAllegation) any { return a.Outcome }),
		"tier":       prop(types.StringType, "the outcome's tier, or empty", func(p *Pack, a *EnvAllegation) any { return p.tierOf(a) }),
		"time":       prop(types.StringType, "when it happened, perhaps only a year", func(_ *Pack, a *EnvAllegation) any { return a.Time }),
		"place":      prop(types.StringType, "where it happened", func(_ *Pack, a *EnvAllegation) any { return a.Place }),
		"data":       prop(typeData, "clear attributes an import brought", func(_ *Pack, a *EnvAllegation) any { return orEmptyMap(a.Data) }),
	},
	"plumbline.Party": {
		"role":      prop(types.StringType, "reporter, witness or concerned", func(_ *Pack, q *EnvParty) any { return q.Role }),
		"anonymous": prop(types.BoolType, "whether no name was given", func(_ *Pack, q *EnvParty) any { return q.Anonymous }),
		"data":      prop(typeData, "clear attributes an import brought", func(_ *Pack, q *EnvParty) any { return orEmptyMap(q.Data) }),
	},
}

func orEmpty(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

func orEmptyMap(m map[string]any) map[string]any {
	if m == nil {
		return map[string]any{}
	}
	return m
}

func (p *Pack) categoryOf(a *EnvAllegation) string {
	if a.Category == "" {
		if c := p.ConductEntry(a.Conduct); c != nil {
			return c.Category
		}
	}
	return a.Category
}

func (p *Pack) graveOf(a *EnvAllegation) int {
	if c := p.ConductEntry(a.Conduct); c != nil {
		return c.Grave
	}
	return 0
}

func (p *Pack) tierOf(a *EnvAllegation) string {
	if _, t := p.Outcome(a.Outcome); t != nil {
		return t.ID
	}
	return ""
}

// object carries one of the structs above through a list, where the expression language wants values of its own.
type object struct {
	typ *types.Type
	v   any
}

func objects[T any](items []T, typ *types.Type) ref.Val {
	vals := make([]ref.Val, len(items))
	for i := range items {
		vals[i] = object{typ, &items[i]}
	}
	return types.NewRefValList(types.DefaultTypeAdapter, vals)
}

func (o object) ConvertToNative(t reflect.Type) (any, error) {
	if reflect.TypeOf(o.v).AssignableTo(t) {
		return o.v, nil
	}
	return nil, fmt.Errorf("%s is no %v", o.typ.TypeName(), t)
}

func (o object) ConvertToType(t ref.Type) ref.Val {
	if t == types.TypeType {
		return o.typ
	}
	return types.NewErr("%s is no %s", o.typ.TypeName(), t.TypeName())
}

func (o object) Equal(other ref.Val) ref.Val {
	x, ok := other.(object)
	return types.Bool(ok && x.v == o.v)
}

func (o object) Type() ref.Type { return o.typ }
func (o object) Value() any     { return o.v }

// provider tells the expression language the types above, and for each kind the type of its fields.
type provider struct {
	types.Provider
	p      *Pack
	fields map[string]map[string]*types.Type // by type name: the fields of f
}

func (v *provider) FindStructType(name string) (*types.Type, bool) {
	if properties[name] != nil || v.fields[name] != nil {
		return types.NewTypeTypeWithParam(types.NewObjectType(name)), true
	}
	return v.Provider.FindStructType(name)
}

func (v *provider) FindStructFieldNames(name string) ([]string, bool) {
	var names []string
	for f := range properties[name] {
		names = append(names, f)
	}
	for f := range v.fields[name] {
		names = append(names, f)
	}
	slices.Sort(names)
	return names, names != nil
}

func (v *provider) FindStructFieldType(name, field string) (*types.FieldType, bool) {
	if pr, ok := properties[name][field]; ok {
		return &types.FieldType{
			Type:    pr.typ,
			IsSet:   func(any) bool { return true },
			GetFrom: func(obj any) (any, error) { return pr.get(v.p, obj), nil },
		}, true
	}
	typ, ok := v.fields[name][field]
	if !ok {
		return nil, false
	}
	return &types.FieldType{
		Type: typ,
		IsSet: func(obj any) bool {
			m, _ := obj.(map[string]any)
			_, ok := m[field]
			return ok
		},
		GetFrom: func(obj any) (any, error) {
			m, _ := obj.(map[string]any)
			if x, ok := m[field]; ok && fits(x, typ) {
				return x, nil
			}
			return zeroOf(typ), nil
		},
	}, true
}

func fits(x any, typ *types.Type) bool {
	switch x.(type) {
	case string:
		return typ == types.StringType || typ == types.DynType
	case int64, int:
		return typ == types.IntType || typ == types.DynType
	case bool:
		return typ == types.BoolType || typ == types.DynType
	case map[string]string, map[string]any:
		return typ.Kind() == types.MapKind || typ == types.DynType
	}
	return false
}

func zeroOf(typ *types.Type) any {
	switch {
	case typ == types.BoolType:
		return false
	case typ == types.IntType:
		return int64(0)
	case typ.Kind() == types.MapKind:
		return map[string]string{}
	}
	return ""
}

// celType is the type a field has in expressions, nil where it is not to be had there: what is sealed never decides
// where a matter goes, and officials, bodies and allegations are asked through subject and allegations.
func (f *Field) celType() *types.Type {
	if f.Sealed != "" {
		return nil
	}
	switch f.Type {
	case TypeYesNo:
		return types.BoolType
	case TypeNumber:
		return types.IntType
	case TypeCheck:
		return types.NewMapType(types.StringType, types.StringType)
	case TypeText, TypeLong, TypeDate, TypeChoice, TypeConduct, TypeRank, TypeReasonCode, TypeReasons, TypePeriod, TypeMatter, TypeOutcome, TypeQuestionnaire:
		return types.StringType
	}
	return nil
}
