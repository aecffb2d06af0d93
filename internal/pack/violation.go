package pack

import (
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strings"
)

// Step is one step of a way through the procedures.
type Step struct {
	Kind   string `json:"kind"`
	From   string `json:"from"`
	Action string `json:"action"`
	To     string `json:"to"`
	When   Expr   `json:"when,omitempty"`  // the condition under which it is possible
	Opens  string `json:"opens,omitempty"` // the way goes on in the matter of this kind that the step opens
	Place  Place  `json:"-"`
}

// Violation is a rule of fairness that a pack breaks: where, how, and what would put it right.
type Violation struct {
	Place
	Rule    string
	Kind    string // empty where it is about the catalogue
	Action  string // or State, what it is about
	State   string
	Message string // "received -decline-> closed ends a report with no review"
	Remedy  string
	Path    []Step // the shortest way that shows it
}

// String is the line that `pack check` prints: "pack.yaml:41: F5 report: received -decline-> closed ends …".
func (v Violation) String() string {
	where := Place{File: v.File, Line: v.Line}
	if v.Kind == "" {
		return fmt.Sprintf("%s: %s %s", where, v.Rule, v.Message)
	}
	return fmt.Sprintf("%s: %s %s: %s", where, v.Rule, v.Kind, v.Message)
}

// PathString writes the way out: "received -screen-> screened -decline-> closed". A step that is possible only under a
// condition carries a question mark; where the way goes on in a matter that a step opened, the kind is named.
func PathString(steps []Step) string {
	if len(steps) == 0 {
		return ""
	}
	var b strings.Builder
	kinds := map[string]bool{}
	for _, s := range steps {
		kinds[s.Kind] = true
	}
	if len(kinds) > 1 {
		b.WriteString(steps[0].Kind + ": ")
	}
	b.WriteString(steps[0].From)
	for i, s := range steps {
		mark := ""
		if s.When != "" {
			mark = "?"
		}
		fmt.Fprintf(&b, " -%s%s-> %s", s.Action, mark, s.To)
		if s.Opens != "" && i+1 < len(steps) {
			fmt.Fprintf(&b, " => %s: %s", s.Opens, steps[i+1].From)
		}
	}
	return b.String()
}

// conditions are the conditions that must hold along the way.
func conditions(steps []Step) []string {
	var out []string
	for _, s := range steps {
		if s.When != "" {
			line := fmt.Sprintf("%s: %s", s.Action, s.When)
			if !slices.Contains(out, line) {
				out = append(out, line)
			}
		}
	}
	return out
}

func sortViolations(vs []Violation) {
	sort.SliceStable(vs, func(i, j int) bool {
		a, b := vs[i], vs[j]
		switch {
		case a.File != b.File:
			return a.File < b.File
		case a.Line != b.Line:
			return a.Line < b.Line
		case a.Rule != b.Rule:
			return ruleNumber(a.Rule) < ruleNumber(b.Rule)
		}
		return a.Message < b.Message
	})
}

func ruleNumber(rule string) (n int) {
	fmt.Sscanf(rule, "F%d", &n) // rules are ours; anything else sorts first
	return n
}

// Result is what `pack check` has to say about a pack.
type Result struct {
	Name       string      // as asked for
	Pack       *Pack       // nil if it does not load
	Problems   Problems    // why it does not load
	Violations []Violation // what is unfair in it
	Waived     []Violation // what its waivers excuse
}

// OK reports whether the pack may be used.
func (r Result) OK() bool { return len(r.Problems) == 0 && len(r.Violations) == 0 }

// CheckFiles loads and checks a pack. The error is a fault of reading; what is wrong with the pack is in the Result.
func CheckFiles(name string, files map[string][]byte) Result {
	r := Result{Name: name}
	p, problems := parse(files)
	if len(problems) > 0 {
		problems.sort()
		r.Problems = problems
		return r
	}
	r.Pack = p
	r.Violations, r.Waived = p.check()
	return r
}

// Report loads and checks the pack in a folder, or the bundled one of that name.
func Report(dirOrName string) (Result, error) {
	fsys, err := Open(dirOrName)
	if err != nil {
		return Result{}, err
	}
	files, err := readAll(fsys)
	if err != nil {
		return Result{}, err
	}
	return CheckFiles(dirOrName, files), nil
}

// Text is the report as people read it: a line for each finding, with the way that shows it and the remedy below.
func (r Result) Text() string {
	var b strings.Builder
	for _, p := range r.Problems {
		fmt.Fprintln(&b, p)
	}
	write := func(v Violation, waived bool) {
		mark := ""
		if waived {
			mark = " (waived)"
		}
		fmt.Fprintf(&b, "%s%s\n", v, mark)
		if len(v.Path) > 1 {
			fmt.Fprintf(&b, "    way: %s\n", PathString(v.Path))
		}
		for _, c := range conditions(v.Path) {
			fmt.Fprintf(&b, "    only if %s\n", c)
		}
		if v.Remedy != "" && !waived {
			fmt.Fprintf(&b, "    remedy: %s\n", v.Remedy)
		}
	}
	for _, v := range r.Violations {
		write(v, false)
	}
	for _, v := range r.Waived {
		write(v, true)
	}
	switch n := len(r.Problems) + len(r.Violations); {
	case n > 0 && r.Pack == nil:
		fmt.Fprintf(&b, "%s: not a pack that can be loaded: %s\n", r.Name, plural(n, "problem"))
	case n > 0:
		fmt.Fprintf(&b, "%s: %s breaks the rules of fairness in %s\n", r.Name, r.Pack.ID(), plural(n, "place"))
	default:
		fmt.Fprintf(&b, "%s: %s is sound and fair: %s checked", r.Name, r.Pack.ID(), plural(len(Rules), "rule"))
		if len(r.Waived) > 0 {
			fmt.Fprintf(&b, ", %d waived", len(r.Waived))
		}
		for i := range r.Pack.Kinds {
			k := &r.Pack.Kinds[i]
			sep := ","
			if i == 0 {
				sep = ";"
			}
			fmt.Fprintf(&b, "%s %s runs with %s", sep, k.ID, plural(r.Pack.SmallestStaff(k), "person"))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func plural(n int, what string) string {
	switch {
	case n == 1:
		return "1 " + what
	case what == "person":
		return fmt.Sprintf("%d people", n)
	}
	return fmt.Sprintf("%d %ss", n, what)
}

type jsonFinding struct {
	File    string `json:"file"`
	Line    int    `json:"line,omitempty"`
	Col     int    `json:"column,omitempty"`
	Rule    string `json:"rule,omitempty"`
	Kind    string `json:"kind,omitempty"`
	Action  string `json:"action,omitempty"`
	State   string `json:"state,omitempty"`
	Message string `json:"message"`
	Remedy  string `json:"remedy,omitempty"`
	Path    []Step `json:"path,omitempty"`
	Waived  bool   `json:"waived,omitempty"`
}

// JSON is the report for machines.
func (r Result) JSON() ([]byte, error) {
	out := struct {
		Pack     string        `json:"pack"`
		Digest   string        `json:"digest,omitempty"`
		OK       bool          `json:"ok"`
		Findings []jsonFinding `json:"findings"`
	}{Pack: r.Name, OK: r.OK(), Findings: []jsonFinding{}}
	if r.Pack != nil {
		out.Pack, out.Digest = r.Pack.ID(), r.Pack.Digest
	}
	for _, p := range r.Problems {
		out.Findings = append(out.Findings, jsonFinding{File: p.File, Line: p.Line, Col: p.Col, Rule: p.Rule, Message: p.Message})
	}
	add := func(vs []Violation, waived bool) {
		for _, v := range vs {
			out.Findings = append(out.Findings, jsonFinding{v.File, v.Line, v.Col, v.Rule, v.Kind, v.Action, v.State, v.Message, v.Remedy, v.Path, waived})
		}
	}
	add(r.Violations, false)
	add(r.Waived, true)
	return json.MarshalIndent(out, "", "  ")
}
