package transfer

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"cel.dev/cel-go/cel"
	celast "cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/ext"
)

// columns are the columns of a source, by the names expressions use.
type columns struct {
	typeName string
	celType  *cel.Type
	names    []string
	index    map[string]int
}

func newColumns(source string, names []string) *columns {
	c := &columns{typeName: "row." + source, names: names, index: make(map[string]int, len(names))}
	c.celType = cel.ObjectType(c.typeName)
	for i, n := range names {
		c.index[n] = i
		if a := alias(n); a != n {
			c.index[a] = i
		}
	}
	return c
}

// A rowValue is one record as expressions see it. A rowValue without fields stands for a joined row that is not there:
// all its columns are empty.
type rowValue struct {
	cols   *columns
	fields []string
	line   int
	file   int
}

func (r *rowValue) at(i int) string {
	if r == nil || i >= len(r.fields) {
		return ""
	}
	return r.fields[i]
}

func (r *rowValue) ConvertToNative(t reflect.Type) (any, error) {
	return nil, fmt.Errorf("a row cannot become %v", t)
}
func (r *rowValue) ConvertToType(t ref.Type) ref.Val {
	return types.NewErr("a row cannot become %s", t.TypeName())
}
func (r *rowValue) Equal(other ref.Val) ref.Val {
	o, ok := other.(*rowValue)
	if !ok || len(o.fields) != len(r.fields) {
		return types.False
	}
	for i := range r.fields {
		if r.fields[i] != o.fields[i] {
			return types.False
		}
	}
	return types.True
}
func (r *rowValue) Type() ref.Type { return r.cols.celType }
func (r *rowValue) Value() any     { return r }

// IsSet and Get make `row.column` work where the interpreter does not know the column's place beforehand.
func (r *rowValue) IsSet(field ref.Val) ref.Val {
	name, _ := field.(types.String)
	i, ok := r.cols.index[string(name)]
	return types.Bool(ok && r.at(i) != "")
}

func (r *rowValue) Get(field ref.Val) ref.Val {
	name, ok := field.(types.String)
	if i, known := r.cols.index[string(name)]; ok && known {
		return types.String(r.at(i))
	}
	return types.NewErr("no column %v", field)
}

// language is CEL with the mapping's sources and functions.
type language struct {
	provider *rowTypes
	alone    *cel.Env // sees the row at hand
	joined   *cel.Env // sees the rows of all sources with the same key, too
	sources  []*Source
	tables   map[string]*table
}

// rowTypes tells the type checker which columns each source has.
type rowTypes struct {
	types.Provider
	rows map[string]*columns
}

func (p *rowTypes) FindStructType(name string) (*types.Type, bool) {
	if c, ok := p.rows[name]; ok {
		return types.NewTypeTypeWithParam(c.celType), true
	}
	return p.Provider.FindStructType(name)
}

func (p *rowTypes) FindStructFieldNames(name string) ([]string, bool) {
	if c, ok := p.rows[name]; ok {
		return c.names, true
	}
	return p.Provider.FindStructFieldNames(name)
}

func (p *rowTypes) FindStructFieldType(name, field string) (*types.FieldType, bool) {
	c, ok := p.rows[name]
	if !ok {
		return p.Provider.FindStructFieldType(name, field)
	}
	i, ok := c.index[field]
	if !ok {
		return nil, false
	}
	return &types.FieldType{
		Type:    types.StringType,
		IsSet:   func(row any) bool { r, ok := row.(*rowValue); return ok && r.at(i) != "" },
		GetFrom: func(row any) (any, error) { return row.(*rowValue).at(i), nil },
	}, true
}

func newLanguage(m *Mapping) (*language, error) {
	registry, err := types.NewRegistry()
	if err != nil {
		return nil, err
	}
	l := &language{
		provider: &rowTypes{Provider: registry, rows: map[string]*columns{}},
		sources:  m.Sources,
		tables:   m.tables,
	}
	opts := []cel.EnvOption{
		cel.CustomTypeProvider(l.provider),
		cel.EnableIdentifierEscapeSyntax(),
		ext.Strings(),
	}
	opts = append(opts, functions(m.tables)...)
	var sources []cel.EnvOption
	for _, s := range m.Sources {
		l.provider.rows[s.cols.typeName] = s.cols
		t := s.cols.celType
		if s.key != nil {
			if !s.One {
				t = cel.ListType(t)
			}
			sources = append(sources, cel.Variable(s.Name, t))
		}
	}
	if l.alone, err = cel.NewEnv(opts...); err != nil {
		return nil, err
	}
	l.joined, err = l.alone.Extend(sources...)
	return l, err
}

// A dialect is the language as it is spoken about one source: with `row`, and joined with `rows` and the other sources.
type dialect struct {
	*language
	env    *cel.Env
	src    *Source
	joined bool
}

func (l *language) of(s *Source, joined bool) (*dialect, error) {
	row := cel.Variable("row", s.cols.celType)
	if !joined {
		env, err := l.alone.Extend(row)
		return &dialect{language: l, env: env, src: s}, err
	}
	env, err := l.joined.Extend(row, cel.Variable("rows", cel.ListType(s.cols.celType)))
	return &dialect{language: l, env: env, src: s, joined: true}, err
}

// A scope is what an expression can see: the row at hand, and the rows of all sources that have the same key.
type scope struct {
	row     *rowValue
	rows    []*rowValue // of the same source
	sources map[string][]*rowValue
	one     map[string]*rowValue // sources with one row for each key; an empty row where there is none
}

func (s *scope) ResolveName(name string) (any, bool) {
	switch name {
	case "row":
		return s.row, true
	case "rows":
		return rowList(s.rows), true
	}
	if r, ok := s.one[name]; ok {
		return r, true
	}
	if rs, ok := s.sources[name]; ok {
		return rowList(rs), true
	}
	return nil, false
}

func (s *scope) Parent() cel.Activation { return nil }

func rowList(rows []*rowValue) ref.Val {
	vals := make([]ref.Val, len(rows))
	for i, r := range rows {
		vals[i] = r
	}
	return types.NewRefValList(types.DefaultTypeAdapter, vals)
}

// An expr is a compiled expression. Those that only name a column or give a text need no interpreter.
type expr struct {
	kind   exprKind
	text   string // constant
	source string // column: "" is the row at hand, else a joined source
	column int
	prog   cel.Program
	memo   *memo // of a program that looks at few columns of the row at hand, and nothing else
}

type exprKind int

const (
	exprConstant exprKind = iota
	exprColumn
	exprProgram
)

// compile type-checks an expression and turns it into its cheapest form. wantBool asks for a condition.
func (l *dialect) compile(p *problems, n *node, what string, wantBool bool) *expr {
	if n == nil {
		return nil
	}
	if n.kind != scalarNode {
		p.add(n.line, "%s: an expression is wanted here", what)
		return nil
	}
	checked, issues := l.env.Compile(aliased(n.scalar))
	if issues != nil && issues.Err() != nil {
		l.explain(p, n, what, issues)
		return nil
	}
	out := checked.OutputType()
	switch {
	case wantBool && !out.IsExactType(cel.BoolType) && !out.IsExactType(cel.DynType):
		p.add(n.line, "%s: a condition (true or false) is wanted, this gives %s", what, out)
		return nil
	case !wantBool && !textual(out):
		p.add(n.line, "%s: a text or number is wanted, this gives %s", what, out)
		return nil
	}
	l.checkLookups(p, n, what, checked.NativeRep())
	if e := l.trivial(checked.NativeRep().Expr()); e != nil {
		return e
	}
	prog, err := l.env.Program(checked, cel.EvalOptions(cel.OptOptimize))
	if err != nil {
		p.add(n.line, "%s: %s", what, firstLine(err))
		return nil
	}
	return &expr{kind: exprProgram, prog: prog, memo: l.memo(checked.NativeRep())}
}

// A memo remembers what an expression gave for the same values: columns such as a unit, a rank or a date repeat
// thousands of times. It is bounded, and gives itself up where values hardly ever repeat.
type memo struct {
	columns      []int
	seen         map[string]answer
	asked, found int
}

type answer struct {
	v   any
	err error
}

// Bounds of a memo: how many columns it may hang on, how many answers it keeps, and when it gives up.
const (
	memoColumns = 3
	memoAnswers = 4096
	memoTrial   = 2000
)

// memo returns one if the expression is a function of a few columns of the row at hand.
func (l *dialect) memo(a *celast.AST) *memo {
	m := &memo{seen: map[string]answer{}}
	root := celast.NavigateAST(a)
	for _, id := range celast.MatchDescendants(root, celast.KindMatcher(celast.IdentKind)) {
		parent, ok := id.Parent()
		if id.AsIdent() != "row" || !ok || parent.Kind() != celast.SelectKind {
			return nil
		}
		i, ok := l.src.cols.index[parent.AsSelect().FieldName()]
		if !ok {
			return nil
		}
		if !slices.Contains(m.columns, i) {
			m.columns = append(m.columns, i)
		}
	}
	if len(m.columns) == 0 || len(m.columns) > memoColumns {
		return nil
	}
	return m
}

// value is the expression's value for a row, from memory if it is there.
func (m *memo) value(row *rowValue, eval func() (any, error)) (any, error) {
	var buf [96]byte
	key := buf[:0]
	for _, c := range m.columns {
		key = append(append(key, row.at(c)...), 0)
	}
	m.asked++
	if a, ok := m.seen[string(key)]; ok {
		m.found++
		return a.v, a.err
	}
	v, err := eval()
	if m.asked > memoTrial && m.found < m.asked/4 {
		clear(m.seen) // not worth its memory; what still repeats will come again
		m.asked, m.found = 0, 0
	}
	if len(m.seen) < memoAnswers {
		m.seen[string(key)] = answer{v, err}
	}
	return v, err
}

// checkLookups finds lookup("name", …) of tables that do not exist.
func (l *dialect) checkLookups(p *problems, n *node, what string, a *celast.AST) {
	for _, e := range celast.MatchDescendants(celast.NavigateAST(a), celast.FunctionMatcher("lookup")) {
		args := e.AsCall().Args()
		if len(args) == 0 || args[0].Kind() != celast.LiteralKind {
			p.add(n.line, "%s: lookup: the name of the table is a fixed text: lookup(\"name\", …)", what)
			continue
		}
		if name, _ := args[0].AsLiteral().(types.String); l.tables[string(name)] == nil {
			p.add(n.line, "%s: no table is called %s%s", what, string(name), didYouMean(string(name), tableNames(l.tables)))
		}
	}
}

func textual(t *cel.Type) bool {
	for _, ok := range []*cel.Type{cel.StringType, cel.IntType, cel.BoolType, cel.DynType, cel.NullType} {
		if t.IsExactType(ok) {
			return true
		}
	}
	return false
}

// trivial returns the cheap form of a fixed text or of a column, nil for anything else.
func (l *dialect) trivial(e celast.Expr) *expr {
	switch e.Kind() {
	case celast.LiteralKind:
		if s, ok := e.AsLiteral().(types.String); ok {
			return &expr{kind: exprConstant, text: string(s)}
		}
	case celast.SelectKind:
		sel := e.AsSelect()
		if sel.IsTestOnly() || sel.Operand().Kind() != celast.IdentKind {
			return nil
		}
		name := sel.Operand().AsIdent()
		if name == "row" {
			return &expr{kind: exprColumn, column: l.src.cols.index[sel.FieldName()]}
		}
		for _, s := range l.sources {
			if name == s.Name && s.One {
				return &expr{kind: exprColumn, source: name, column: s.cols.index[sel.FieldName()]}
			}
		}
	}
	return nil
}

// explain turns what the type checker says into what the writer of a mapping can act on.
func (l *dialect) explain(p *problems, n *node, what string, issues *cel.Issues) {
	for _, e := range issues.Errors() {
		line := n.line + max(0, e.Location.Line()-1)
		msg := e.Message
		if name, ok := quoted(msg, "undefined field '"); ok {
			name = unalias(name)
			cols := l.columnsNamed(n.scalar, name)
			if cols == nil {
				p.add(line, "%s: no column is called %s", what, name)
			} else {
				p.add(line, "%s: %s has no column %s%s", what, strings.TrimPrefix(cols.typeName, "row."), name, insteadOf(name, cols.names))
			}
			continue
		}
		if name, ok := quoted(msg, "undeclared reference to '"); ok {
			names := append([]string{"row"}, functionNames...)
			if l.joined {
				names = append(names, "rows")
				for _, s := range l.sources {
					names = append(names, s.Name)
				}
			} else if l.names(name) {
				p.add(line, "%s: only the row at hand can be used here, not %s", what, name)
				continue
			}
			p.add(line, "%s: nothing is called %s here%s (a fixed text is written '%s', in quotes)", what, name, didYouMean(name, names), name)
			continue
		}
		msg, _, _ = strings.Cut(msg, "\n")
		p.add(line, "%s: %s", what, msg)
	}
}

// names reports whether name is a source, or rows.
func (l *language) names(name string) bool {
	for _, s := range l.sources {
		if s.Name == name {
			return true
		}
	}
	return name == "rows"
}

// columnsNamed says which source an unknown column was asked of, nil if the text does not tell.
func (l *dialect) columnsNamed(text, field string) *columns {
	at := regexp.MustCompile(`([A-Za-z0-9_]+)(?:\[[^\]]*\])?\.` + "`?" + regexp.QuoteMeta(field)).FindStringSubmatch(text)
	if at == nil {
		return nil
	}
	name := at[1]
	// In list.map(x, x.column) the column is one of the list's.
	if of := regexp.MustCompile(`([A-Za-z0-9_]+)\.[a-z_]+\(\s*` + name + `\s*,`).FindStringSubmatch(text); of != nil {
		name = of[1]
	}
	if name == "row" || name == "rows" {
		return l.src.cols
	}
	for _, s := range l.sources {
		if s.Name == name {
			return s.cols
		}
	}
	return nil
}

func quoted(msg, before string) (string, bool) {
	_, rest, ok := strings.Cut(msg, before)
	if !ok {
		return "", false
	}
	name, _, ok := strings.Cut(rest, "'")
	return name, ok
}

// value evaluates the expression: a string, an int64, a bool, or nil for nothing.
func (e *expr) value(s *scope) (any, error) {
	switch e.kind {
	case exprConstant:
		return e.text, nil
	case exprColumn:
		r := s.row
		if e.source != "" {
			r = s.one[e.source]
		}
		return r.at(e.column), nil
	}
	if e.memo != nil {
		return e.memo.value(s.row, func() (any, error) { return e.run(s) })
	}
	return e.run(s)
}

// run asks the interpreter.
func (e *expr) run(s *scope) (any, error) {
	out, _, err := e.prog.Eval(s)
	if err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "evaluation error: "))
	}
	switch v := out.(type) {
	case types.String:
		return string(v), nil
	case types.Int:
		return int64(v), nil
	case types.Bool:
		return bool(v), nil
	case types.Null:
		return nil, nil
	}
	return nil, fmt.Errorf("gives %s, a text or number is wanted", out.Type().TypeName())
}

// string is value as text; nothing is the empty text.
func (e *expr) string(s *scope) (string, error) {
	switch e.kind {
	case exprConstant:
		return e.text, nil
	case exprColumn:
		if e.source == "" {
			return s.row.at(e.column), nil
		}
	}
	v, err := e.value(s)
	if err != nil {
		return "", err
	}
	switch v := v.(type) {
	case string:
		return v, nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	case bool:
		return strconv.FormatBool(v), nil
	}
	return "", nil
}

// holds evaluates a condition.
func (e *expr) holds(s *scope) (bool, error) {
	v, err := e.value(s)
	if err != nil {
		return false, err
	}
	b, ok := v.(bool)
	if !ok {
		return false, errors.New("gives no answer of true or false")
	}
	return b, nil
}
