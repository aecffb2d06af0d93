package rehearse

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/goccy/go-yaml"
	"golang.org/x/tools/txtar"
)

// Scenario is a scenario file as read: the story in front, the office it takes place in, and its lines.
type Scenario struct {
	Story  string
	Office Office
	Lines  []Line
}

// Office is the small world of a scenario.
type Office struct {
	Start     string              `yaml:"start"` // date of the first day
	Bodies    []Body              `yaml:"bodies"`
	Officials map[string]Official `yaml:"officials"` // by the name the scenario calls them
	People    map[string]Person   `yaml:"people"`
}

// Body is a body of the register, listed after the one it lies below.
type Body struct {
	Code   string `yaml:"code"`
	Name   string `yaml:"name"`
	Level  string `yaml:"level"`
	Sector string `yaml:"sector"`
	Below  string `yaml:"below"`
}

// Official is somebody a matter can be about.
type Official struct {
	Name  string `yaml:"name"`
	Body  string `yaml:"body"`
	Rank  string `yaml:"rank"`
	Title string `yaml:"title"`
	Since string `yaml:"since"`
	Until string `yaml:"until"`
}

// Person is somebody with an account: "intake at north-office", perhaps several, perhaps an official themselves.
type Person struct {
	Duties   []string `yaml:"duties"`
	Official string   `yaml:"official"`
}

// Line is one sentence of the scenario with what is indented below it.
type Line struct {
	No   int    // in the file, from 1
	Text string // the sentence
	verb *verb
	args []string
	with map[string]any
}

// verb is a form a sentence can have.
type verb struct {
	name string
	form *regexp.Regexp
	with bool // something may be indented below it
}

const (
	word = `([A-Za-z0-9][A-Za-z0-9._-]*)`
	key  = `([a-z][A-Za-z0-9._-]*)`
)

// verbs are all forms there are; docs/reference/scenarios.md explains each.
var verbs = []*verb{
	{name: "on", form: line(`on (\d{4}-\d{2}-\d{2})`)},
	{name: "after", form: line(`after (\d+(?:d|wd|mo|y))`)},
	{name: "files", form: line(word + ` files ` + word + ` as ` + word), with: true},
	{name: "drawn", form: line(word + ` is drawn as ` + word)},
	{name: "does", form: line(word + ` does ` + word + ` on ` + word), with: true},
	{name: "refused", form: line(`refused ` + key + `(?: at (\S+))?`)},
	{name: "overdue", form: line(word + ` is overdue`)},
	{name: "in time", form: line(word + ` is in time`)},
	{name: "about", form: line(word + ` is about ` + word)},
	{name: "linked", form: line(word + ` is ` + word + ` of ` + word)},
	{name: "arises", form: line(word + ` arises from ` + word)},
	{name: "unlinked", form: line(word + ` has no links`)},
	{name: "state", form: line(word + ` is ` + word)},
	{name: "lies", form: line(word + ` lies with ` + word + ` at ` + word)},
	{name: "clock", form: line(word + ` clock ` + word + ` is (running|paused|met|missed|stopped|open|over)(?: until (\d{4}-\d{2}-\d{2}))?`)},
	{name: "opened", form: line(word + ` opened ` + word + ` as ` + word + `(?: about ` + word + `)?`)},
	{name: "opened none", form: line(word + ` opened nothing more`)},
	{name: "allegation", form: line(word + ` allegation (\d+) has`), with: true},
	{name: "has", form: line(word + ` has`), with: true},
	{name: "works", form: line(word + ` works on ` + word)},
	{name: "may not", form: line(word + ` may not ` + word + ` on ` + word + ` because ` + key)},
	{name: "may", form: line(word + ` may ` + word + ` on ` + word)},
	{name: "not sees", form: line(word + ` does not see ` + word)},
	{name: "sees", form: line(word + ` sees ` + word)},
	{name: "reads", form: line(`reporter of ` + word + ` reads "(.+)"`)},
	{name: "reads not", form: line(`reporter of ` + word + ` reads nothing of "(.+)"`)},
	{name: "anonymous", form: line(`reporter of ` + word + ` is (anonymous|known)`)},
}

func line(form string) *regexp.Regexp { return regexp.MustCompile(`^` + form + `$`) }

// Parse reads a scenario file: a txtar archive with the story as its comment, a file office.yaml and a file scenario.
func Parse(content []byte) (*Scenario, error) {
	a := txtar.Parse(content)
	s := &Scenario{Story: strings.TrimSpace(string(a.Comment))}
	if s.Story == "" {
		return nil, errors.New("line 1: tell in a sentence what this scenario is about")
	}
	var office, lines []byte
	for _, f := range a.Files {
		switch f.Name {
		case "office.yaml":
			office = f.Data
		case "scenario":
			lines = f.Data
		default:
			return nil, fmt.Errorf("unknown part %q: there are office.yaml and scenario", f.Name)
		}
	}
	if office == nil || lines == nil {
		return nil, errors.New("both parts are needed: -- office.yaml -- and -- scenario --")
	}
	if err := yaml.UnmarshalWithOptions(office, &s.Office, yaml.Strict()); err != nil {
		return nil, fmt.Errorf("office.yaml: %w", err)
	}
	first := 1 + bytes.Count(content[:bytes.Index(content, []byte("-- scenario --"))], []byte("\n")) + 1
	return s, s.read(string(lines), first)
}

// read splits the scenario into sentences with what is indented below them.
func (s *Scenario) read(text string, no int) error {
	var below []string
	flush := func() error {
		if len(below) == 0 {
			return nil
		}
		last := &s.Lines[len(s.Lines)-1]
		if !last.verb.with {
			return fmt.Errorf("line %d: nothing may be indented below %q", last.No+1, last.Text)
		}
		var with map[string]any
		if err := yaml.Unmarshal([]byte(strings.Join(below, "\n")), &with); err != nil {
			return fmt.Errorf("below line %d: %w", last.No, err)
		}
		last.with, below = with, nil
		return nil
	}
	for i, l := range strings.Split(text, "\n") {
		trimmed := strings.TrimSpace(l)
		switch {
		case trimmed == "" || strings.HasPrefix(trimmed, "#"):
			continue
		case strings.HasPrefix(l, " ") || strings.HasPrefix(l, "\t"):
			if len(s.Lines) == 0 {
				return fmt.Errorf("line %d: indented, but nothing stands before it", no+i)
			}
			below = append(below, l)
			continue
		}
		if err := flush(); err != nil {
			return err
		}
		v, args := recognise(trimmed)
		if v == nil {
			return fmt.Errorf("line %d: this is none of the forms a line can have: %q", no+i, trimmed)
		}
		s.Lines = append(s.Lines, Line{No: no + i, Text: trimmed, verb: v, args: args})
	}
	if err := flush(); err != nil {
		return err
	}
	if len(s.Lines) == 0 {
		return errors.New("the scenario has no lines")
	}
	return nil
}

func recognise(text string) (*verb, []string) {
	for _, v := range verbs {
		if m := v.form.FindStringSubmatch(text); m != nil {
			return v, m[1:]
		}
	}
	return nil, nil
}

// UnmarshalYAML lets a person be written shortly: "ina: intake at north-office".
func (p *Person) UnmarshalYAML(b []byte) error {
	var one string
	if yaml.Unmarshal(b, &one) == nil && one != "" {
		p.Duties = []string{one}
		return nil
	}
	type plain Person
	return yaml.UnmarshalWithOptions(b, (*plain)(p), yaml.Strict())
}
