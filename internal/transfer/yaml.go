package transfer

import (
	"fmt"
	"sort"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// A Problem is something wrong with a mapping, at a line of it.
type Problem struct {
	File    string
	Line    int
	Message string
}

func (p Problem) String() string {
	if p.Line == 0 {
		return p.File + ": " + p.Message
	}
	return p.File + ":" + strconv.Itoa(p.Line) + ": " + p.Message
}

// Problems are all that is wrong with a mapping, in the order of its lines.
type Problems []Problem

func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// problems collects what is wrong, so that one reading finds everything.
type problems struct {
	file string
	list Problems
}

func (p *problems) add(line int, format string, args ...any) {
	p.list = append(p.list, Problem{File: p.file, Line: line, Message: fmt.Sprintf(format, args...)})
}

func (p *problems) err() error {
	if len(p.list) == 0 {
		return nil
	}
	sort.SliceStable(p.list, func(i, j int) bool { return p.list[i].Line < p.list[j].Line })
	return p.list
}

// A node is a YAML value with its line. Keys keep the order they are written in.
type node struct {
	kind   nodeKind
	scalar string
	list   []*node
	keys   []keyNode
	line   int
}

type keyNode struct {
	name  string
	line  int
	value *node
}

type nodeKind int

const (
	scalarNode nodeKind = iota
	listNode
	mapNode
	nullNode
)

// parseYAML reads one YAML document into nodes. Keys written twice are problems, as are tags and merge keys: a mapping
// is read by people, who should find everything where it stands.
func parseYAML(p *problems, src []byte) *node {
	file, err := readYAML(src)
	if err != nil {
		p.add(lineOf(err), "not YAML: %s", firstLine(err))
		return nil
	}
	if len(file.Docs) != 1 || file.Docs[0].Body == nil {
		p.add(1, "one YAML document is wanted, %d found", len(file.Docs))
		return nil
	}
	c := converter{p: p, anchors: map[string]*node{}}
	return c.node(file.Docs[0].Body)
}

// readYAML keeps a fault of the YAML library from stopping the program. Keys written twice are found here, with both lines.
func readYAML(src []byte) (f *ast.File, err error) {
	defer func() {
		if r := recover(); r != nil {
			f, err = nil, fmt.Errorf("the text cannot be read (%v)", r)
		}
	}()
	return parser.ParseBytes(src, 0, parser.AllowDuplicateMapKey())
}

type converter struct {
	p       *problems
	anchors map[string]*node
}

func (c *converter) node(n ast.Node) *node {
	line := 0
	if t := n.GetToken(); t != nil && t.Position != nil {
		line = t.Position.Line
	}
	switch n := n.(type) {
	case *ast.NullNode:
		return &node{kind: nullNode, line: line}
	case *ast.StringNode:
		return &node{scalar: n.Value, line: line}
	case *ast.LiteralNode:
		return &node{scalar: n.Value.Value, line: line}
	case *ast.AnchorNode:
		v := c.node(n.Value)
		c.anchors[n.Name.String()] = v
		return v
	case *ast.AliasNode:
		v, ok := c.anchors[n.Value.String()]
		if !ok {
			c.p.add(line, "no anchor is called &%s", n.Value.String())
			return &node{kind: nullNode, line: line}
		}
		return v
	case *ast.MappingValueNode:
		m := &node{kind: mapNode, line: line}
		c.entry(m, n)
		m.line = m.keys[0].line
		return m
	case *ast.MappingNode:
		m := &node{kind: mapNode, line: line}
		for _, v := range n.Values {
			c.entry(m, v)
		}
		if len(m.keys) > 0 {
			m.line = m.keys[0].line
		}
		return m
	case *ast.SequenceNode:
		l := &node{kind: listNode, line: line}
		for _, v := range n.Values {
			l.list = append(l.list, c.node(v))
		}
		return l
	case *ast.TagNode:
		c.p.add(line, "tags such as %s have no meaning here", n.Start.Value)
		return c.node(n.Value)
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return &node{scalar: n.GetToken().Value, line: line} // as written: "007" stays "007"
	}
	c.p.add(line, "%s has no meaning here", n.Type())
	return &node{kind: nullNode, line: line}
}

func (c *converter) entry(m *node, v *ast.MappingValueNode) {
	line := v.Key.GetToken().Position.Line
	var name string
	switch k := v.Key.(type) {
	case *ast.StringNode:
		name = k.Value
	case *ast.MergeKeyNode:
		c.p.add(line, "merge keys (<<) have no meaning here: write the keys out")
		return
	default:
		name = v.Key.GetToken().Value
	}
	for _, k := range m.keys {
		if k.name == name {
			c.p.add(line, "%q is written twice, first in line %d", name, k.line)
			return
		}
	}
	m.keys = append(m.keys, keyNode{name: name, line: line, value: c.node(v.Value)})
}

func lineOf(err error) int {
	// goccy/go-yaml writes "[line:column] message"
	s := err.Error()
	if i := strings.IndexByte(s, '['); i >= 0 {
		if j := strings.IndexByte(s[i:], ':'); j > 0 {
			if n, err := strconv.Atoi(s[i+1 : i+j]); err == nil {
				return n
			}
		}
	}
	return 0
}

func firstLine(err error) string {
	s := err.Error()
	if i := strings.IndexByte(s, ']'); i >= 0 && strings.HasPrefix(s, "[") {
		s = s[i+1:]
	}
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	return s
}

// nearest returns the name most like s, or "" if none is near: what a misspelt word probably meant.
func nearest(s string, names []string) string {
	best, bestAt := "", len(s)/3+2
	for _, n := range names {
		if d := distance(strings.ToLower(s), strings.ToLower(n), bestAt); d < bestAt {
			best, bestAt = n, d
		}
	}
	return best
}

// distance is the Levenshtein distance of a and b, or limit if it is at least that.
func distance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			diagonal, row[j] = row[j], min(row[j]+1, row[j-1]+1, diagonal+cost)
		}
	}
	return min(row[len(b)], limit)
}

// insteadOf says which columns there are where one that is asked for is not.
func insteadOf(name string, columns []string) string {
	if n := didYouMean(name, columns); n != "" {
		return n
	}
	const most = 12
	switch {
	case len(columns) == 0:
		return ""
	case len(columns) == 1:
		return fmt.Sprintf("; its only column is %q: is the delimiter right?", columns[0])
	case len(columns) > most:
		return fmt.Sprintf("; its columns are %s and %d more", strings.Join(columns[:most], ", "), len(columns)-most)
	}
	return "; its columns are " + strings.Join(columns, ", ")
}

func didYouMean(s string, names []string) string {
	if n := nearest(s, names); n != "" {
		return "; did you mean " + n + "?"
	}
	return ""
}
