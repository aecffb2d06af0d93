package view

import (
	"net/url"
	"strconv"
	"strings"

	"plumbline/internal/words"
)

// InputKind is the kind of a form control.
type InputKind string

const (
	Text       InputKind = "text"
	Password   InputKind = "password"
	Number     InputKind = "number" // a whole number, typed as text with a number pad on phones
	Email      InputKind = "email"
	Search     InputKind = "search"
	Textarea   InputKind = "textarea"
	Select     InputKind = "select"
	Radios     InputKind = "radios"
	Checkboxes InputKind = "checkboxes"
	Date       InputKind = "date" // three inputs: NAME-day, NAME-month, NAME-year
	File       InputKind = "file"
)

// An Input is one question of a form with everything that belongs to it: label, hint and error are
// wired to the control for screen readers.
type Input struct {
	Kind     InputKind
	Name     string
	ID       string // Name if empty
	Label    string
	Hint     string
	Error    string
	Value    string
	Heading  bool   // the label is the page's heading: one question per page
	Size     string // of the label: "", "s", "m", "l"
	Optional bool
	Disabled bool

	Width        string // "2", "3", "4", "5", "10", "20", or "" for the full width
	Prefix       string
	Suffix       string
	Autocomplete string
	InputMode    string
	NoSpell      bool
	List         []string // suggestions for a text

	Rows int // of a textarea
	Max  int // characters; 0 for no limit shown

	Options []Option // of select, radios, check boxes
	Empty   string   // first line of a select, without a value; "Choose one" for "-"
	Inline  bool
	Small   bool

	Day, Month, Year string // of a date

	Multiple bool   // of a file
	Accept   string // of a file
}

// An Option is one answer to choose.
type Option struct {
	Value   string
	Text    string
	Hint    string
	Chosen  bool
	Divider string  // instead of an answer: the word between answers ("or")
	Group   string  // in a select: the heading this answer stands under
	Reveal  []Input // further questions that belong to this answer
}

// Key is the id of the control.
func (in Input) Key() string {
	if in.ID != "" {
		return in.ID
	}
	return in.Name
}

// Anchor is the id that an error summary leads to: the first control of the question.
func (in Input) Anchor() string {
	if in.Kind == Date {
		return in.Key() + "-day"
	}
	return in.Key()
}

// Described is the value of aria-describedby: the hint and the error that belong to the control.
func (in Input) Described() string {
	var ids []string
	if in.Hint != "" {
		ids = append(ids, in.Key()+"-hint")
	}
	if in.Error != "" {
		ids = append(ids, in.Key()+"-error")
	}
	if in.Max > 0 && in.Kind == Textarea {
		ids = append(ids, in.Key()+"-info")
	}
	return strings.Join(ids, " ")
}

// InputType is the type attribute of a one-line input.
func (in Input) InputType() string {
	switch in.Kind {
	case Password, Email, Search:
		return string(in.Kind)
	}
	return "text"
}

// Mode is the inputmode attribute.
func (in Input) Mode() string {
	if in.InputMode == "" && in.Kind == Number {
		return "numeric"
	}
	return in.InputMode
}

// LabelClass is the size class of the label.
func (in Input) LabelClass(block string) string {
	size := in.Size
	if size == "" && in.Heading {
		size = "l"
	}
	if size == "" {
		return block
	}
	return block + " " + block + "--" + size
}

// Grouped returns the options of a select in runs of the same group.
func (in Input) Grouped() []OptionGroup {
	var out []OptionGroup
	for _, o := range in.Options {
		if len(out) == 0 || out[len(out)-1].Name != o.Group {
			out = append(out, OptionGroup{Name: o.Group})
		}
		last := &out[len(out)-1]
		last.Options = append(last.Options, o)
	}
	return out
}

// An OptionGroup is a run of options under one heading.
type OptionGroup struct {
	Name    string
	Options []Option
}

// OptionID is the id of the i-th answer (from 0); the first has the id of the question, so that an error
// summary leads to it.
func (in Input) OptionID(i int) string {
	if i == 0 {
		return in.Key()
	}
	return in.Key() + "-" + strconv.Itoa(i+1)
}

// A Form asks questions.
type Form struct {
	Action  string // "" posts back to this page
	Get     bool
	Inputs  []Input
	Hidden  []Hidden
	Submit  string // "Continue" if empty
	Warning bool   // the submit button warns: what follows cannot be taken back
	Cancel  Link
	ID      string
}

// Multipart reports whether the form carries files.
func (f Form) Multipart() bool {
	for _, in := range f.Inputs {
		if in.Kind == File {
			return true
		}
	}
	return false
}

// Fill puts the values that were sent back into the form, so that nobody has to write them again.
// Passwords and files are not put back.
func (f *Form) Fill(values url.Values) { fill(f.Inputs, values) }

func fill(inputs []Input, values url.Values) {
	for i := range inputs {
		in := &inputs[i]
		switch in.Kind {
		case Password, File:
		case Date:
			in.Day, in.Month, in.Year = values.Get(in.Name+"-day"), values.Get(in.Name+"-month"), values.Get(in.Name+"-year")
		case Select, Radios, Checkboxes:
			chosen := map[string]bool{}
			for _, v := range values[in.Name] {
				chosen[v] = true
			}
			for j := range in.Options {
				o := &in.Options[j]
				o.Chosen = o.Divider == "" && chosen[o.Value]
				fill(o.Reveal, values)
			}
		default:
			in.Value = values.Get(in.Name)
		}
	}
}

// Fail marks the inputs that err complains about and returns the summary for the top of the page. A
// complaint about something that the form does not show stands in the summary all the same.
func (f *Form) Fail(say *words.Speaker, err error) ErrorSummary {
	said := say.Fault(err)
	if len(said.Fields) == 0 {
		return ErrorSummary{Items: []Link{{Text: said.Message}}}
	}
	var sum ErrorSummary
	for _, field := range said.Fields {
		item := Link{Text: field.Message}
		if in := find(f.Inputs, field.Name); in != nil {
			item.Href = "#" + in.Anchor()
			if in.Error == "" {
				in.Error = field.Message
			}
		}
		sum.Items = append(sum.Items, item)
	}
	return sum
}

func find(inputs []Input, name string) *Input {
	for i := range inputs {
		if inputs[i].Name == name {
			return &inputs[i]
		}
		for j := range inputs[i].Options {
			if in := find(inputs[i].Options[j].Reveal, name); in != nil {
				return in
			}
		}
	}
	return nil
}

// Choose marks the option with value v of a select, radios or check boxes.
func (in Input) Choose(values ...string) Input {
	in.Options = append([]Option(nil), in.Options...)
	for i := range in.Options {
		for _, v := range values {
			if in.Options[i].Divider == "" && in.Options[i].Value == v {
				in.Options[i].Chosen = true
			}
		}
	}
	return in
}

// ISODate puts the three parts of a date together as precisely as they are known: "2019-05-17",
// "2019-05", "2019", or "" if all are empty. What makes no date is given on as it was typed, with
// slashes, for whoever checks it to refuse.
func ISODate(day, month, year string) string {
	d, m, y := strings.TrimSpace(day), strings.TrimSpace(month), strings.TrimSpace(year)
	if d == "" && m == "" && y == "" {
		return ""
	}
	typed := d + "/" + m + "/" + y
	pad := func(s string, n int) (string, bool) {
		if _, err := strconv.ParseUint(s, 10, 16); err != nil || len(s) > n {
			return "", false
		}
		return strings.Repeat("0", n-len(s)) + s, true
	}
	yy, ok := pad(y, 4)
	if !ok || len(y) != 4 || (d != "" && m == "") {
		return typed
	}
	out := yy
	for _, part := range []string{m, d} {
		if part == "" {
			break
		}
		p, ok := pad(part, 2)
		if !ok {
			return typed
		}
		out += "-" + p
	}
	return out
}

// Values returns a getter over what was sent that joins the three parts of a date: asked for NAME, it
// answers with NAME itself if it was sent, else with NAME-day, NAME-month and NAME-year put together.
func Values(sent url.Values) func(name string) []string {
	return func(name string) []string {
		if v, ok := sent[name]; ok {
			return v
		}
		if sent.Has(name+"-year") || sent.Has(name+"-month") || sent.Has(name+"-day") {
			return []string{ISODate(sent.Get(name+"-day"), sent.Get(name+"-month"), sent.Get(name+"-year"))}
		}
		return nil
	}
}

// SplitDate takes an ISO date apart for a date input.
func SplitDate(iso string) (day, month, year string) {
	parts := strings.SplitN(iso, "-", 3)
	trim := func(s string) string { return strings.TrimLeft(s, "0") }
	year = parts[0]
	if len(parts) > 1 {
		month = trim(parts[1])
	}
	if len(parts) > 2 {
		day = trim(parts[2])
	}
	return day, month, year
}
