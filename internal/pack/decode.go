package pack

import (
	"bytes"
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"plumbline/internal/calendar"
)

// decoder turns one YAML file into structs. It is stricter than the YAML library, and kinder: it collects every
// problem with its place instead of stopping at the first, says which key was probably meant, and keeps the place of
// every entry and key for the checks that come later. Anchors and aliases are refused: a rule stands where it is
// written, and nothing can be made to grow without end.
type decoder struct {
	file     string
	problems *Problems
}

// maxDepth is far deeper than any pack; it keeps a hostile file from exhausting the stack.
const maxDepth = 24

func (d *decoder) fail(n ast.Node, format string, args ...any) {
	*d.problems = append(*d.problems, Problem{Place: d.place(n), Message: fmt.Sprintf(format, args...)})
}

func (d *decoder) place(n ast.Node) Place {
	p := Place{File: d.file}
	if n == nil {
		return p
	}
	if m, ok := n.(*ast.MappingNode); ok && len(m.Values) > 0 {
		n = m.Values[0].Key // a block mapping begins at its first key, not at its first colon
	} else if v, ok := n.(*ast.MappingValueNode); ok {
		n = v.Key
	}
	if t := n.GetToken(); t != nil && t.Position != nil {
		p.Line, p.Col = t.Position.Line, t.Position.Column
	}
	return p
}

// parse returns the root mapping of a file, or nil after recording why there is none.
func (d *decoder) parse(src []byte) ast.Node {
	src = bytes.TrimPrefix(src, []byte("\ufeff")) // some editors begin a file with it
	if line, why := unreadable(src); why != "" {
		*d.problems = append(*d.problems, Problem{Place: Place{File: d.file, Line: line}, Message: why})
		return nil
	}
	f, err := parseYAML(src)
	if err != nil {
		p := Problem{Place: Place{File: d.file}, Message: "this is not YAML: " + strings.TrimSpace(err.Error())}
		var syntax *yaml.SyntaxError
		if errors.As(err, &syntax) {
			p.Message = "this is not YAML: " + syntax.Message
			if strings.Contains(syntax.Message, "character '\t'") {
				p.Message = "this is not YAML: a tab stands here; indent with spaces"
			}
			if t := syntax.Token; t != nil && t.Position != nil {
				p.Line, p.Col = t.Position.Line, t.Position.Column
			}
		}
		*d.problems = append(*d.problems, p)
		return nil
	}
	var body ast.Node
	for _, doc := range f.Docs {
		if doc.Body == nil || doc.Body.Type() == ast.CommentType || doc.Body.Type() == ast.NullType {
			continue
		}
		if body != nil {
			d.fail(doc.Body, "a file of a pack holds one document; put the second into a file of its own")
			return nil
		}
		body = doc.Body
	}
	if body == nil {
		*d.problems = append(*d.problems, Problem{Place: Place{File: d.file}, Message: "the file is empty"})
	}
	return body
}

// unreadable says why a text is not given to the YAML library at all, and in which line: it is no text, or it is nested
// so deeply that reading it would take minutes.
func unreadable(src []byte) (line int, why string) {
	line = 1
	brackets, marks := 0, 0 // marks: how many of "- " and "? " follow each other
	for rest := src; len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		switch {
		case r == utf8.RuneError && size == 1:
			return line, "this is not text in UTF-8; save the file as UTF-8"
		case controls(r) && r != '\r':
			return line, fmt.Sprintf("the control character %U stands here; take it out", r)
		case r == '[' || r == '{':
			brackets++
		case r == ']' || r == '}':
			brackets = max(brackets-1, 0)
		case r == '\n':
			line++
		}
		switch {
		case (r == '-' || r == '?') && size < len(rest) && rest[size] == ' ':
			marks++
		case r != ' ':
			marks = 0
		}
		if brackets > maxBrackets || marks > maxBrackets {
			return line, "this is nested too deeply"
		}
		rest = rest[size:]
	}
	return 0, ""
}

// maxBrackets is more than can be open at once in any pack, with some that stand alone in texts.
const maxBrackets = 200

// controls reports characters that no text of a pack needs and that some databases refuse.
func controls(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }

// parseYAML keeps a fault of the YAML library from stopping the program: its input is a stranger's file.
func parseYAML(src []byte) (f *ast.File, err error) {
	defer func() {
		if r := recover(); r != nil {
			f, err = nil, fmt.Errorf("the text cannot be read (%v)", r)
		}
	}()
	return parser.ParseBytes(src, 0, parser.AllowDuplicateMapKey())
}

var (
	atType     = reflect.TypeFor[At]()
	effectType = reflect.TypeFor[Effect]()
	unmarshal  = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// value decodes n into v. what says what v is, for messages.
func (d *decoder) value(n ast.Node, v reflect.Value, what string, depth int) {
	if depth > maxDepth {
		d.fail(n, "this is nested too deeply")
		return
	}
	switch n := n.(type) {
	case nil, *ast.NullNode:
		return
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode, *ast.DirectiveNode:
		d.fail(n, "%s: anchors, aliases and tags are not allowed in a pack; write the value out", what)
		return
	}
	t := v.Type()
	switch {
	case t == effectType:
		d.effect(n, v.Addr().Interface().(*Effect), what)
		return
	case t.Kind() == reflect.Pointer:
		v.Set(reflect.New(t.Elem()))
		d.value(n, v.Elem(), what, depth+1)
		return
	case reflect.PointerTo(t).Implements(unmarshal):
		s, ok := d.scalar(n, what)
		if !ok {
			return
		}
		if err := v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(s)); err != nil {
			d.fail(n, "%s: %v", what, err)
		}
		return
	}
	switch t.Kind() {
	case reflect.String:
		if s, ok := d.scalar(n, what); ok {
			v.SetString(s)
		}
	case reflect.Bool:
		b, ok := n.(*ast.BoolNode)
		if !ok {
			d.fail(n, "%s: write true or false", what)
			return
		}
		v.SetBool(b.Value)
	case reflect.Int:
		i, ok := n.(*ast.IntegerNode)
		var num int
		var err error
		if ok {
			num, err = strconv.Atoi(i.GetToken().Value)
		}
		if !ok || err != nil || num < 0 || num > 1_000_000 {
			d.fail(n, "%s: write a whole number", what)
			return
		}
		v.SetInt(int64(num))
	case reflect.Slice:
		d.list(n, v, what, depth)
	case reflect.Map:
		d.text(n, v, what)
	case reflect.Struct:
		d.object(n, v, what, depth)
	default:
		panic(fmt.Sprintf("pack: no way to decode %s", t))
	}
}

func (d *decoder) list(n ast.Node, v reflect.Value, what string, depth int) {
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		d.fail(n, "%s: write a list, even of one: [ … ]", what)
		return
	}
	out := reflect.MakeSlice(v.Type(), 0, len(seq.Values))
	for _, item := range seq.Values {
		if item == nil || item.Type() == ast.NullType {
			d.fail(n, "%s: an entry of the list is empty", what)
			continue
		}
		e := reflect.New(v.Type().Elem()).Elem()
		d.value(item, e, what, depth+1)
		out = reflect.Append(out, e)
	}
	v.Set(out)
}

func (d *decoder) text(n ast.Node, v reflect.Value, what string) {
	entries, ok := d.entries(n)
	if !ok {
		d.fail(n, "%s: write the text by language: {en: …}", what)
		return
	}
	out := reflect.MakeMap(v.Type())
	for _, e := range entries {
		key, ok := d.key(e)
		if !ok {
			continue
		}
		if out.MapIndex(reflect.ValueOf(key)).IsValid() {
			d.fail(e.Key, "%s: %q stands here twice", what, key)
			continue
		}
		if s, ok := d.scalar(e.Value, what+" "+key); ok {
			out.SetMapIndex(reflect.ValueOf(key), reflect.ValueOf(strings.TrimSpace(s)))
		}
	}
	v.Set(out)
}

func (d *decoder) object(n ast.Node, v reflect.Value, what string, depth int) {
	entries, ok := d.entries(n)
	if !ok {
		d.fail(n, "%s: write keys and values here", what)
		return
	}
	t := v.Type()
	at := At{Place: d.place(n), keys: map[string]Place{}}
	for _, e := range entries {
		key, ok := d.key(e)
		if !ok {
			continue
		}
		i := fieldFor(t, key)
		if i < 0 {
			d.fail(e.Key, "%s has no key %q%s", what, key, didYouMean(key, keysOf(t)))
			continue
		}
		if _, twice := at.keys[key]; twice {
			d.fail(e.Key, "%s: %q stands here twice", what, key)
			continue
		}
		at.keys[key] = d.place(e.Key)
		d.value(e.Value, v.Field(i), nameFor(what, key), depth+1)
	}
	if f := v.FieldByName("At"); f.IsValid() && f.Type() == atType {
		f.Set(reflect.ValueOf(at))
	}
}

// effect reads "acknowledge", "open-response: 10d" or "open: case".
func (d *decoder) effect(n ast.Node, e *Effect, what string) {
	if entries, ok := d.entries(n); ok {
		if len(entries) != 1 {
			d.fail(n, "%s: one effect to a line", what)
			return
		}
		key, ok := d.key(entries[0])
		if !ok {
			return
		}
		s, ok := d.scalar(entries[0].Value, what)
		if !ok {
			return
		}
		e.Name = key
		switch {
		case takesPeriod(key):
			p, err := calendar.ParsePeriod(s)
			if err != nil {
				d.fail(entries[0].Value, "%s %s: %v", what, key, err)
			}
			e.Period = p
		case key == EffOpen:
			e.Kind = s
		case isEffect(key):
			d.fail(entries[0].Key, "%s: %s stands alone; only open-response and open-appeal take a period, and open a kind. Within what time it must be done is said by the clock of the state", what, key)
		default:
			d.fail(entries[0].Key, "%s: there is no effect %q%s", what, key, didYouMean(key, EffectNames))
		}
		return
	}
	s, ok := d.scalar(n, what)
	if !ok {
		return
	}
	e.Name = s
	switch {
	case !isEffect(s):
		d.fail(n, "%s: there is no effect %q%s", what, s, didYouMean(s, EffectNames))
	case takesPeriod(s):
		d.fail(n, "%s: say how long: {%s: 14d}", what, s)
	case s == EffOpen:
		d.fail(n, "%s: say what it opens: {open: case}, or leave the effect out and write opens", what)
	}
}

func isEffect(s string) bool {
	for _, e := range EffectNames {
		if e == s {
			return true
		}
	}
	return false
}

// scalar is the text of a single value. Numbers and booleans are text where text is wanted, as they were written.
func (d *decoder) scalar(n ast.Node, what string) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, d.plainText(n, n.Value, what)
	case *ast.LiteralNode:
		return n.Value.Value, d.plainText(n, n.Value.Value, what)
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	case nil, *ast.NullNode:
		return "", true
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode, *ast.DirectiveNode:
		d.fail(n, "%s: anchors, aliases and tags are not allowed in a pack; write the value out", what)
		return "", false
	}
	d.fail(n, "%s: write a single value here", what)
	return "", false
}

// plainText refuses control characters that were written as "\x00".
func (d *decoder) plainText(n ast.Node, s, what string) bool {
	if i := strings.IndexFunc(s, controls); i >= 0 {
		r, _ := utf8.DecodeRuneInString(s[i:])
		d.fail(n, "%s: the control character %U stands here; take it out", what, r)
		return false
	}
	return true
}

func (d *decoder) entries(n ast.Node) ([]*ast.MappingValueNode, bool) {
	switch n := n.(type) {
	case *ast.MappingNode:
		return n.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, true
	}
	return nil, false
}

func (d *decoder) key(e *ast.MappingValueNode) (string, bool) {
	switch k := e.Key.(type) {
	case *ast.StringNode:
		return k.Value, true
	case *ast.MergeKeyNode:
		d.fail(e.Key, "merging with << is not allowed in a pack; write the keys out")
		return "", false
	}
	if t := e.Key.GetToken(); t != nil && (e.Key.Type() == ast.BoolType || e.Key.Type() == ast.IntegerType || e.Key.Type() == ast.NullType) {
		return t.Value, true // such as "no: …", the language Norwegian
	}
	d.fail(e.Key, "a key must be a plain word")
	return "", false
}

func fieldFor(t reflect.Type, key string) int {
	for i := range t.NumField() {
		if tag := t.Field(i).Tag.Get("yaml"); tag == key && tag != "-" {
			return i
		}
	}
	return -1
}

func keysOf(t reflect.Type) []string {
	var keys []string
	for i := range t.NumField() {
		if tag := t.Field(i).Tag.Get("yaml"); tag != "" && tag != "-" {
			keys = append(keys, tag)
		}
	}
	return keys
}

// singular names an entry of a list for messages.
var singular = map[string]string{
	"levels": "a level", "sectors": "a sector", "ranks": "a rank", "duties": "a duty", "categories": "a category",
	"conduct": "a conduct entry", "standards": "a standard", "findings": "a finding", "tiers": "a tier",
	"outcomes": "an outcome", "lists": "a list", "values": "a value", "kinds": "a kind", "states": "a state",
	"clocks": "a clock", "actions": "an action", "fields": "a field", "routing": "a route", "retention": "a retention",
	"measures": "a measure", "letters": "a letter", "waive": "a waiver", "elsewhere": "an entry of elsewhere",
	"holidays": "a holiday", "effects": "an effect", "questionnaires": "a questionnaire",
}

func nameFor(outer, key string) string {
	if s, ok := singular[key]; ok {
		return s
	}
	return key
}
