package pack

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"plumbline/internal/calendar"
)

// evalCost bounds the work of one evaluation. A condition over a thousand allegations stays far below it.
const evalCost = 200_000

// longest expression a pack may hold; longer ones cannot be read as law anyway.
const maxExpr = 2000

type programKey struct {
	scope string // "kind report", "measure matters"
	expr  Expr
}

type program struct {
	run     cel.Program
	partial cel.Program // of conditions in kinds: gives unknown where the answer hangs on what is not known beforehand
	never   bool        // constant, and false
}

// compiler type-checks the pack's expressions and keeps their programs.
type compiler struct {
	p        *Pack
	provider *provider
	base     *cel.Env
	scopes   map[string]*cel.Env
}

func newCompiler(p *Pack) (*compiler, error) {
	reg, err := types.NewRegistry()
	if err != nil {
		return nil, err
	}
	c := &compiler{p: p, provider: &provider{Provider: reg, p: p, fields: map[string]map[string]*types.Type{}}, scopes: map[string]*cel.Env{}}
	ordinal := func(name string, order func(string) int) cel.EnvOption {
		return cel.Function(name, cel.Overload(name+"_string", []*cel.Type{cel.StringType}, cel.IntType,
			cel.UnaryBinding(func(v ref.Val) ref.Val {
				s, _ := v.Value().(string)
				return types.Int(order(s))
			})))
	}
	c.base, err = cel.NewEnv(
		cel.CustomTypeAdapter(reg),
		cel.CustomTypeProvider(c.provider),
		cel.Variable("today", cel.StringType),
		cel.Variable("matter", typeMatter),
		cel.Variable("subject", typeSubject),
		cel.Variable("links", cel.ListType(typeLink)),
		cel.Variable("allegations", cel.ListType(typeAllegation)),
		cel.Variable("parties", cel.ListType(typeParty)),
		ordinal("rank", p.RankOrder),
		ordinal("level", p.LevelOrder),
		cel.Function("days_between", cel.Overload("days_between_string_string", []*cel.Type{cel.StringType, cel.StringType}, cel.IntType,
			cel.BinaryBinding(daysBetween))),
		cel.Macros(cel.GlobalMacro("days_since", 1, func(mef cel.MacroExprFactory, _ ast.Expr, args []ast.Expr) (ast.Expr, *cel.Error) {
			return mef.NewCall("days_between", args[0], mef.NewIdent("today")), nil
		})),
		cel.ParserExpressionSizeLimit(maxExpr),
		cel.ParserRecursionLimit(40),
	)
	return c, err
}

// daysBetween counts the days between two dates, each at its earliest; an unknown date gives 0.
func daysBetween(a, b ref.Val) ref.Val {
	s, _ := a.Value().(string)
	t, _ := b.Value().(string)
	x, err1 := calendar.ParseDate(s)
	y, err2 := calendar.ParseDate(t)
	if err1 != nil || err2 != nil {
		return types.IntZero
	}
	return types.Int(x.DaysUntil(y))
}

func kindScope(k *Kind) string       { return "kind " + k.ID }
func measureScope(m *Measure) string { return "measure " + m.ID }

func (c *compiler) kindEnv(k *Kind) (*cel.Env, error) {
	return c.env(kindScope(k), []*Kind{k}, false)
}

func (c *compiler) measureEnv(m *Measure) (*cel.Env, error) {
	return c.env(measureScope(m), c.p.measureKinds(m), m.Count != CountMatters)
}

func (c *compiler) env(scope string, kinds []*Kind, allegation bool) (*cel.Env, error) {
	if e, ok := c.scopes[scope]; ok {
		return e, nil
	}
	typeName := "plumbline.F." + strings.ReplaceAll(scope, " ", ".")
	fields := map[string]*types.Type{}
	for _, k := range kinds {
		k.eachField(func(f *Field) {
			t := f.celType()
			if t == nil {
				return
			}
			if have, ok := fields[f.ID]; ok && !have.IsExactType(t) {
				t = types.DynType
			}
			fields[f.ID] = t
		})
	}
	c.provider.fields[typeName] = fields
	opts := []cel.EnvOption{cel.Variable("f", types.NewObjectType(typeName))}
	if allegation {
		opts = append(opts, cel.Variable("allegation", typeAllegation))
	}
	e, err := c.base.Extend(opts...)
	if err != nil {
		return nil, err
	}
	c.scopes[scope] = e
	return e, nil
}

// compile type-checks e in env and keeps its program under scope. The returned words say what is wrong with it.
func (c *compiler) compile(scope string, env *cel.Env, e Expr, want *cel.Type, kinds []*Kind, routing bool) (wrong []string) {
	if e == "" {
		return nil
	}
	key := programKey{scope, e}
	if _, done := c.p.programs[key]; done && !routing {
		return nil
	}
	if len(e) > maxExpr {
		return []string{fmt.Sprintf("the condition is longer than %d characters", maxExpr)}
	}
	tree, issues := env.Compile(string(e))
	if issues.Err() != nil {
		for _, i := range issues.Errors() {
			wrong = append(wrong, c.explain(scope, i.Message, kinds))
		}
		return wrong
	}
	if got := tree.OutputType(); !got.IsExactType(want) && !(got.IsExactType(types.DynType) && want == types.StringType) {
		return []string{fmt.Sprintf("this gives a %s; it must give a %s", got, want)}
	}
	if wrong = c.checkConstants(tree.NativeRep(), kinds); wrong != nil {
		return wrong
	}
	prg, err := env.Program(tree, cel.CostLimit(evalCost), cel.EvalOptions(cel.OptOptimize))
	if err != nil {
		return []string{err.Error()}
	}
	done := &program{run: prg}
	if strings.HasPrefix(scope, kindScope(&Kind{})) {
		if done.partial, err = env.Program(tree, cel.EvalOptions(cel.OptPartialEval)); err != nil {
			return []string{err.Error()}
		}
	}
	if isConstant(tree.NativeRep()) && want == types.BoolType {
		out, _, err := prg.Eval(&Env{})
		done.never = err == nil && out == types.False
	}
	c.p.programs[key] = done
	return nil
}

// explain says an error of the expression language in words that help the author of a pack.
func (c *compiler) explain(scope, message string, kinds []*Kind) string {
	if name, ok := strings.CutPrefix(message, "undefined field '"); ok {
		name = strings.TrimSuffix(name, "'")
		for _, k := range kinds {
			var sealed *Field
			k.eachField(func(f *Field) {
				if f.ID == name {
					sealed = f
				}
			})
			if sealed != nil && sealed.Sealed != "" {
				return fmt.Sprintf("the field %q is sealed; conditions see only what stands in the clear", name)
			}
			if sealed != nil {
				return fmt.Sprintf("the field %q is of type %s, which conditions do not see as a field; use subject, allegations or links", name, sealed.Type)
			}
		}
		var all []string
		for f := range c.provider.fields["plumbline.F."+strings.ReplaceAll(scope, " ", ".")] {
			all = append(all, f)
		}
		for _, props := range properties {
			for f := range props {
				all = append(all, f)
			}
		}
		slices.Sort(all)
		if n := nearest(name, all); n != "" {
			return fmt.Sprintf("there is no field %q here; did you mean %q?", name, n)
		}
		return fmt.Sprintf("there is no field %q here", name)
	}
	if name, ok := strings.CutPrefix(message, "undeclared reference to '"); ok {
		name, _, _ = strings.Cut(name, "'")
		vars := []string{"matter", "f", "subject", "links", "allegations", "parties", "today", "rank", "level", "days_since", "days_between"}
		if strings.HasPrefix(scope, "measure") {
			vars = append(vars, "allegation")
		}
		return fmt.Sprintf("there is nothing called %q in this condition%s", name, didYouMean(name, vars))
	}
	if m := noOverload.FindStringSubmatch(message); m != nil {
		return fmt.Sprintf("%s cannot stand between %s and %s%s", m[1], typeWord(m[2]), typeWord(m[3]), rankHint(m[2], m[3]))
	}
	if what, ok := strings.CutPrefix(message, "Syntax error: "); ok {
		what, _, _ = strings.Cut(what, " expecting ")
		return "this cannot be read as a condition: " + strings.ReplaceAll(what, "'<EOF>'", "at its end; something is missing")
	}
	return message
}

var noOverload = regexp.MustCompile(`^found no matching overload for '_(\S+)_' applied to '\(([^,]+), (.+)\)'$`)

// typeWord names a type of the expression language for the author of a pack.
func typeWord(t string) string {
	switch {
	case t == "int" || t == "double" || t == "uint":
		return "a number"
	case t == "string":
		return "a text"
	case t == "bool":
		return "a yes-or-no"
	case strings.HasPrefix(t, "list("):
		return "a list"
	}
	return t
}

// rankHint helps with the commonest case: ranks and levels are numbers in conditions.
func rankHint(x, y string) string {
	if x == "int" && y == "string" || x == "string" && y == "int" {
		return "; a rank or level is compared with rank('…') or level('…'), days with days_since(…)"
	}
	return ""
}

func isConstant(a *ast.AST) bool {
	constant := true
	ast.PreOrderVisit(a.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() == ast.IdentKind || e.Kind() == ast.ComprehensionKind {
			constant = false
		}
	}))
	return constant
}

// checkConstants finds words that are compared with a catalogue and do not stand in it: a misspelt finding would
// otherwise be a measure that is silently always zero.
func (c *compiler) checkConstants(a *ast.AST, kinds []*Kind) (wrong []string) {
	check := func(e ast.Expr, what string, allowed []string) {
		word, ok := stringConst(e)
		if ok && word != "" && !slices.Contains(allowed, word) {
			wrong = append(wrong, fmt.Sprintf("there is no %s %q%s", what, word, didYouMean(word, allowed)))
		}
	}
	ast.PreOrderVisit(a.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() != ast.CallKind {
			return
		}
		call := e.AsCall()
		args := call.Args()
		switch call.FunctionName() {
		case "rank":
			check(args[0], "rank", ids(c.p.Ranks, func(r Rank) string { return r.ID }))
		case "level":
			check(args[0], "level", ids(c.p.Levels, func(l Level) string { return l.ID }))
		case operators.Equals, operators.NotEquals:
			for i := range 2 {
				if what, allowed := c.domain(a, args[i], kinds); allowed != nil {
					check(args[1-i], what, allowed)
				}
			}
		case operators.In:
			if what, allowed := c.domain(a, args[1], kinds); allowed != nil {
				check(args[0], what, allowed)
			}
			if what, allowed := c.domain(a, args[0], kinds); allowed != nil && args[1].Kind() == ast.ListKind {
				for _, item := range args[1].AsList().Elements() {
					check(item, what, allowed)
				}
			}
		}
	}))
	return wrong
}

// closing are the actions that lead into a final state.
func closing(kinds []*Kind) (names []string) {
	for _, k := range kinds {
		for i := range k.Actions {
			if s := k.State(k.Actions[i].To); s != nil && s.Final {
				names = append(names, k.Actions[i].ID)
			}
		}
	}
	return names
}

// effectsOf are the effects that actions of the kinds, or of those they come from, have.
func (p *Pack) effectsOf(kinds []*Kind) []string {
	names := []string{}
	for _, k := range kinds {
		for _, from := range p.ancestry(k) {
			for i := range from.Actions {
				names = append(names, from.Actions[i].EffectNames()...)
			}
		}
	}
	return names
}

func (p *Pack) everyKind() (all []*Kind) {
	for i := range p.Kinds {
		all = append(all, &p.Kinds[i])
	}
	return all
}

func stringConst(e ast.Expr) (string, bool) {
	if e.Kind() != ast.LiteralKind {
		return "", false
	}
	s, ok := e.AsLiteral().Value().(string)
	return s, ok
}

// domain is the list of words that may stand where the expression selects a catalogue value; nil if it selects none.
func (c *compiler) domain(a *ast.AST, e ast.Expr, kinds []*Kind) (what string, allowed []string) {
	if e.Kind() != ast.SelectKind {
		return "", nil
	}
	sel := e.AsSelect()
	typ := a.GetType(sel.Operand().ID())
	if typ == nil {
		return "", nil
	}
	p := c.p
	switch typ.TypeName() + "." + sel.FieldName() {
	case "plumbline.Matter.kind", "plumbline.Link.kind":
		return "kind", ids(p.Kinds, func(k Kind) string { return k.ID })
	case "plumbline.Matter.state":
		return "state", append(statesOf(kinds), StateImported)
	case "plumbline.Link.state":
		return "state", append(statesOf(p.everyKind()), StateImported)
	case "plumbline.Matter.ended":
		return "action that closes a matter", append(closing(kinds), "import")
	case "plumbline.Link.ended":
		return "action that closes a matter", append(closing(p.everyKind()), "import")
	case "plumbline.Matter.facts":
		return "action here with the effect", p.effectsOf(kinds)
	case "plumbline.Subject.sector":
		return "sector", ids(p.Sectors, func(s Sector) string { return s.ID })
	case "plumbline.Link.relation":
		return "relation", Relations
	case "plumbline.Allegation.conduct":
		return "conduct entry", ids(p.Conduct, func(c Conduct) string { return c.ID })
	case "plumbline.Allegation.category":
		return "category", ids(p.Categories, func(c Category) string { return c.ID })
	case "plumbline.Allegation.finding":
		return "finding", ids(p.Findings, func(f Finding) string { return f.ID })
	case "plumbline.Allegation.tier":
		return "tier", ids(p.Tiers, func(t Tier) string { return t.ID })
	case "plumbline.Allegation.outcome":
		return "outcome", p.outcomeIDs()
	}
	if !strings.HasPrefix(typ.TypeName(), "plumbline.F.") {
		return "", nil
	}
	for _, k := range kinds {
		k.eachField(func(f *Field) {
			if f.ID != sel.FieldName() {
				return
			}
			switch f.Type {
			case TypeChoice, TypeReasonCode:
				if l := p.List(f.List); l != nil {
					what, allowed = "value of "+f.List, append(allowed, ids(l.Values, func(v Value) string { return v.ID })...)
				}
			case TypeConduct:
				what, allowed = "conduct entry", ids(p.Conduct, func(c Conduct) string { return c.ID })
			case TypeRank:
				what, allowed = "rank", ids(p.Ranks, func(r Rank) string { return r.ID })
			case TypeOutcome:
				what, allowed = "outcome", p.outcomeIDs()
			case TypeQuestionnaire:
				what, allowed = "questionnaire", ids(p.Questionnaires, func(q Questionnaire) string { return q.ID })
			}
		})
	}
	return what, allowed
}

func statesOf(kinds []*Kind) []string {
	var names []string
	for _, k := range kinds {
		names = append(names, ids(k.States, func(s State) string { return s.ID })...)
	}
	return names
}

func ids[T any](items []T, id func(T) string) []string {
	out := make([]string, len(items))
	for i, it := range items {
		out[i] = id(it)
	}
	return out
}

// ErrCondition is wrapped by every failure to evaluate a condition: it asked for too much, or is not of this pack.
var ErrCondition = errors.New("the condition cannot be evaluated")

func (p *Pack) eval(scope string, e Expr, env *Env) (ref.Val, error) {
	prg, ok := p.programs[programKey{scope, e}]
	if !ok {
		return nil, fmt.Errorf("pack %s: %s: %q: %w: it is not part of the pack", p.ID(), scope, e, ErrCondition)
	}
	out, _, err := prg.run.Eval(env)
	if err != nil {
		return nil, fmt.Errorf("pack %s: %s: %q: %w: %v", p.ID(), scope, e, ErrCondition, err)
	}
	return out, nil
}

func (p *Pack) evalBool(scope string, e Expr, env *Env) (bool, error) {
	if e == "" {
		return true, nil
	}
	out, err := p.eval(scope, e, env)
	return err == nil && out == types.True, err
}

// Holds evaluates a condition of the kind: of an action, a field or a route. No condition always holds.
func (p *Pack) Holds(k *Kind, e Expr, env *Env) (bool, error) {
	return p.evalBool(kindScope(k), e, env)
}

// Asked evaluates the condition of a field: of the kind, or of the questionnaire it belongs to.
func (p *Pack) Asked(k *Kind, f *Field, env *Env) (bool, error) {
	if f.scope != "" {
		return p.evalBool(f.scope, f.When, env)
	}
	return p.Holds(k, f.When, env)
}

// Route is the first route of the kind whose condition holds, nil if it has none: then the matter stays where it was
// opened.
func (p *Pack) Route(k *Kind, env *Env) (*Route, error) {
	for i := range k.Routing {
		ok, err := p.Holds(k, k.Routing[i].When, env)
		if err != nil {
			return nil, err
		}
		if ok {
			return &k.Routing[i], nil
		}
	}
	return nil, nil
}

// Counts reports whether the measure counts the matter (or the allegation) of env.
func (p *Pack) Counts(m *Measure, env *Env) (bool, error) {
	if len(m.Kinds) > 0 && !slices.Contains(m.Kinds, env.Matter.Kind) {
		return false, nil
	}
	return p.evalBool(measureScope(m), m.When, env)
}

// DimValue is the value of a dimension of the measure; empty is "unknown".
func (p *Pack) DimValue(m *Measure, d *Dim, env *Env) (string, error) {
	if d.Value != "" {
		out, err := p.eval(measureScope(m), d.Value, env)
		if err != nil {
			return "", err
		}
		s, ok := out.Value().(string)
		if !ok {
			s = fmt.Sprint(out.Value())
		}
		return s, nil
	}
	a := env.Allegation
	if a == nil {
		a = &EnvAllegation{}
	}
	switch d.ID {
	case "finding":
		return a.Finding, nil
	case "category":
		return p.categoryOf(a), nil
	case "conduct":
		return a.Conduct, nil
	case "outcome":
		return a.Outcome, nil
	case "tier":
		return p.tierOf(a), nil
	case "state":
		return env.Matter.State, nil
	case "kind":
		return env.Matter.Kind, nil
	case "ended":
		return env.Matter.Ended, nil
	case "imported":
		if env.Matter.Imported {
			return "yes", nil
		}
		return "no", nil
	}
	return "", fmt.Errorf("pack %s: measure %s: %w: no dimension %q", p.ID(), m.ID, ErrCondition, d.ID)
}
