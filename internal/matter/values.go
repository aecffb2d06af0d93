package matter

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"plumbline/internal/calendar"
	"plumbline/internal/fault"
	"plumbline/internal/pack"
	"plumbline/internal/ref"
)

// Values are what was entered, by field id: string for most types, int64 for numbers, bool for yes-no,
// map[string]string for check sheets and findings (by allegation number), OfficialValue, []AllegationValue. A field
// that was left empty is not there.
type Values map[string]any

// OfficialValue is an official of the register, or, where nobody knows yet who it was, a description.
type OfficialValue struct {
	ID        ref.OfficialID `json:"id,omitempty,string"`
	Described string         `json:"described,omitempty"` // sealed; see Mention
}

// EarlierValue is another report of the same reporter, shown by its receipt code. It is never written down: an entry keeps
// the link that follows from it, and nothing that the code could be told from.
type EarlierValue struct {
	Channel []byte `json:"channel"` // hash of the receipt code
}

// AllegationValue is one row of an allegations field. With No it changes that allegation, without it adds one.
type AllegationValue struct {
	No       int64         `json:"no,omitempty"`
	Official OfficialValue `json:"official,omitzero"`
	Body     string        `json:"body,omitempty"` // code; the official's body at the time, if not known from their posts
	Rank     string        `json:"rank,omitempty"`
	Conduct  string        `json:"conduct,omitempty"`
	Time     string        `json:"time,omitempty"`
	Place    string        `json:"place,omitempty"`
}

func (v AllegationValue) empty() bool {
	return v == AllegationValue{} || v == AllegationValue{No: v.No}
}

// Longest texts by type, in characters, where the pack sets no other; and most rows and choices of one form.
const (
	maxText   = 200
	maxLong   = 20_000
	maxName   = 200
	maxRows   = 50
	maxNumber = 1_000_000_000
)

// Form is what a page or a scenario file gives: the values entered under a name, none if there is no such input.
type Form func(name string) []string

// ParseForm reads the fields out of a form. It is strict: everything that cannot be read is reported under the name
// of its input with what to do about it, and nothing is guessed. Names of inputs are the field's id; for dates also
// id.day, id.month and id.year; for officials also id.described; for periods also id.unit; for check sheets id.VALUE; for
// findings id.NUMBER of the allegation; for rows of allegations id.ROW.official and so on, with id.ROW.no for one that
// is there already. Fields asked only under a condition may be missing here: Act and Open know whether they are due.
func ParseForm(p *pack.Pack, fields []pack.Field, get func(name string) []string) (Values, []fault.Field) {
	r := &reader{pack: p, get: get, out: Values{}}
	for i := range fields {
		r.field(&fields[i])
	}
	return r.out, r.wrong
}

type reader struct {
	pack  *pack.Pack
	get   Form
	out   Values
	wrong []fault.Field
}

func (r *reader) fail(name, key string, args fault.Args) {
	r.wrong = append(r.wrong, fault.Field{Name: name, Key: key, Args: args})
}

// one returns the trimmed text of an input, empty if it was left empty.
func (r *reader) one(name string) string {
	v := r.get(name)
	if len(v) == 0 {
		return ""
	}
	if len(v) > 1 {
		r.fail(name, "field.once", nil)
		return ""
	}
	s := strings.TrimSpace(strings.ReplaceAll(v[0], "\r\n", "\n"))
	if !utf8.ValidString(s) || strings.ContainsFunc(s, forbidden) {
		r.fail(name, "field.characters", nil)
		return ""
	}
	return s
}

// forbidden are characters that have no business in what people write and could mislead who reads it later: controls,
// and those that turn the direction of text around.
func forbidden(c rune) bool {
	return unicode.IsControl(c) && c != '\n' && c != '\t' || c >= '\u202a' && c <= '\u202e' || c >= '\u2066' && c <= '\u2069'
}

func (r *reader) field(f *pack.Field) {
	before := len(r.wrong)
	switch f.Type {
	case pack.TypeText, pack.TypeName, pack.TypeContact, pack.TypeLong, pack.TypeReasons:
		r.text(f)
	case pack.TypeNumber:
		r.number(f)
	case pack.TypeYesNo:
		r.yesNo(f)
	case pack.TypeDate:
		if d := r.date(f.ID, f.Partial); d != "" {
			r.out[f.ID] = d
		}
	case pack.TypeOfficial:
		if o := r.official(f.ID); o != (OfficialValue{}) {
			r.out[f.ID] = o
		}
	case pack.TypeAllegations:
		r.allegations(f)
	case pack.TypeFindings:
		r.findings(f)
	case pack.TypeCheck:
		r.check(f)
	case pack.TypePeriod:
		r.period(f)
	case pack.TypeMatter:
		if s := r.one(f.ID); s != "" {
			got, err := ref.ParseReference(s)
			if err != nil {
				r.fail(f.ID, "field.reference", nil)
			} else {
				r.out[f.ID] = string(got)
			}
		}
	case pack.TypeEarlier:
		if s := r.one(f.ID); s != "" {
			code, err := ref.ParseReceiptCode(s)
			if err != nil {
				r.fail(f.ID, "field.receipt", nil)
			} else {
				r.out[f.ID] = EarlierValue{Channel: code.Hash()}
			}
		}
	case pack.TypeAccount:
		if s := r.one(f.ID); s != "" {
			if id, err := strconv.ParseInt(s, 10, 64); err != nil || id <= 0 {
				r.fail(f.ID, "field.account", nil)
			} else {
				r.out[f.ID] = s
			}
		}
	default: // a choice of some kind, or a body, which the register knows
		r.choice(f)
	}
	if _, there := r.out[f.ID]; !there && f.Required && f.When == "" && !f.Staff && len(r.wrong) == before { // who must answer what staff are asked, is known later
		r.fail(f.ID, requiredKey(f), nil)
	}
}

// requiredKey says what to do about a field that was left empty, by its type.
func requiredKey(f *pack.Field) string {
	switch f.Type {
	case pack.TypeChoice, pack.TypeConduct, pack.TypeRank, pack.TypeOutcome, pack.TypeReasonCode, pack.TypeBody, pack.TypeAccount, pack.TypeYesNo, pack.TypeQuestionnaire:
		return "field.required.choose"
	case pack.TypeDate:
		return "field.required.date"
	case pack.TypeReasons:
		return "field.required.reasons"
	case pack.TypeOfficial:
		return "field.required.official"
	case pack.TypeAllegations:
		return "field.required.allegations"
	case pack.TypeFindings:
		return "field.required.findings"
	}
	return "field.required"
}

func (r *reader) text(f *pack.Field) {
	s := r.one(f.ID)
	if s == "" {
		return
	}
	limit := f.Max
	if limit == 0 {
		limit = maxText
		switch f.Type {
		case pack.TypeLong, pack.TypeReasons:
			limit = maxLong
		case pack.TypeName, pack.TypeContact:
			limit = maxName
		}
	}
	if n := utf8.RuneCountInString(s); n > limit {
		r.fail(f.ID, "field.too-long", fault.Args{"max": limit, "over": n - limit})
		return
	}
	if f.Type != pack.TypeLong && f.Type != pack.TypeReasons && f.Type != pack.TypeContact && strings.Contains(s, "\n") {
		r.fail(f.ID, "field.one-line", nil)
		return
	}
	r.out[f.ID] = s
}

func (r *reader) number(f *pack.Field) {
	s := strings.NewReplacer(" ", "", ",", "", "\u00a0", "").Replace(asciiDigits(r.one(f.ID)))
	if s == "" {
		return
	}
	n, err := strconv.ParseInt(s, 10, 64)
	limit := int64(f.Max)
	if limit == 0 {
		limit = maxNumber
	}
	switch {
	case err != nil:
		r.fail(f.ID, "field.number", nil)
	case n < 0:
		r.fail(f.ID, "field.negative", nil)
	case n > limit:
		r.fail(f.ID, "field.too-big", fault.Args{"max": limit})
	default:
		r.out[f.ID] = n
	}
}

func (r *reader) yesNo(f *pack.Field) {
	switch s := r.one(f.ID); s {
	case "":
	case "yes", "true":
		r.out[f.ID] = true
	case "no", "false":
		r.out[f.ID] = false
	default:
		r.fail(f.ID, "field.yes-no", nil)
	}
}

// date reads an ISO date, or day, month and year as people write them: "27 3 2026", "27/3/2026", "27 March 2026",
// "2026年3月27日". Numbers alone are read with the day first, except where the year comes first.
func (r *reader) date(name string, partial bool) string {
	day, month, year := r.one(name+".day"), r.one(name+".month"), r.one(name+".year")
	s := r.one(name)
	if s == "" && day+month+year == "" {
		return ""
	}
	if s == "" {
		s = strings.Join(slices.DeleteFunc([]string{year, month, day}, func(p string) bool { return p == "" }), " ")
		if year == "" || month == "" && day != "" {
			r.fail(name, "field.date.parts", nil)
			return ""
		}
	}
	d, err := readDate(s)
	if err != nil {
		r.fail(name, "field.date", nil)
		return ""
	}
	if !d.Exact() && !partial {
		r.fail(name, "field.date.day", nil)
		return ""
	}
	return d.String()
}

var monthNames = []string{"january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"}

func readDate(s string) (calendar.Date, error) {
	if d, err := calendar.ParseDate(s); err == nil {
		return d, nil
	}
	parts := strings.FieldsFunc(strings.ToLower(asciiDigits(s)), func(c rune) bool {
		return unicode.IsSpace(c) || strings.ContainsRune("-/.,年月日号", c)
	})
	var numbers []int
	for _, p := range parts {
		if n, err := strconv.Atoi(p); err == nil && n > 0 && len(p) <= 4 {
			numbers = append(numbers, n)
			continue
		}
		i := slices.IndexFunc(monthNames, func(m string) bool { return len(p) >= 3 && strings.HasPrefix(m, p) })
		if i < 0 {
			return calendar.Date{}, calendar.ErrDate
		}
		numbers = append(numbers, i+1)
	}
	if len(numbers) == 0 || len(numbers) > 3 {
		return calendar.Date{}, calendar.ErrDate
	}
	if numbers[0] < 1000 {
		slices.Reverse(numbers) // day, month, year
	}
	if numbers[0] < 1000 {
		return calendar.Date{}, calendar.ErrDate // no year, or one of two digits: which century?
	}
	text := fmt.Sprintf("%04d", numbers[0])
	for _, n := range numbers[1:] {
		text += fmt.Sprintf("-%02d", n)
	}
	return calendar.ParseDate(text)
}

// asciiDigits turns full-width digits, as Chinese input methods give them, into the usual ones.
func asciiDigits(s string) string {
	return strings.Map(func(c rune) rune {
		if c >= '０' && c <= '９' {
			return c - '０' + '0'
		}
		return c
	}, s)
}

func (r *reader) choice(f *pack.Field) {
	s := r.one(f.ID)
	if s == "" {
		return
	}
	if !r.knows(f, s) {
		r.fail(f.ID, "field.choice", nil)
		return
	}
	r.out[f.ID] = s
}

// knows reports whether s is a value the pack has for a field. Bodies are the register's: any code passes here.
func (r *reader) knows(f *pack.Field, s string) bool {
	p := r.pack
	switch f.Type {
	case pack.TypeConduct:
		return p.ConductEntry(s) != nil
	case pack.TypeRank:
		return p.RankOrder(s) > 0
	case pack.TypeOutcome:
		o, _ := p.Outcome(s)
		return o != nil
	case pack.TypeBody:
		return len(s) <= 80
	case pack.TypeQuestionnaire:
		return p.Questionnaire(s) != nil
	}
	l := p.List(f.List)
	return l != nil && slices.ContainsFunc(l.Values, func(v pack.Value) bool { return v.ID == s })
}

func (r *reader) official(name string) OfficialValue {
	var o OfficialValue
	if s := r.one(name); s != "" {
		id, err := strconv.ParseInt(s, 10, 64)
		if err != nil || id <= 0 {
			r.fail(name, "field.official", nil)
			return o
		}
		o.ID = ref.OfficialID(id)
	}
	if s := r.one(name + ".described"); s != "" && o.ID == 0 {
		if utf8.RuneCountInString(s) > maxText {
			r.fail(name+".described", "field.too-long", fault.Args{"max": maxText, "over": utf8.RuneCountInString(s) - maxText})
		}
		o.Described = s
	}
	return o
}

func (r *reader) allegations(f *pack.Field) {
	var all []AllegationValue
	for row := range maxRows {
		at := f.ID + "." + strconv.Itoa(row)
		v := AllegationValue{Official: r.official(at + ".official"), Body: r.one(at + ".body"), Rank: r.one(at + ".rank"),
			Conduct: r.one(at + ".conduct"), Time: r.date(at+".time", true), Place: r.one(at + ".place")}
		if s := r.one(at + ".no"); s != "" {
			n, err := strconv.ParseInt(s, 10, 64)
			if err != nil || n < 1 {
				r.fail(at+".no", "field.number", nil)
				continue
			}
			v.No = n
		}
		if v.empty() {
			continue
		}
		r.allegation(at, &v)
		all = append(all, v)
	}
	if len(r.get(f.ID+"."+strconv.Itoa(maxRows)+".conduct")) > 0 {
		r.fail(f.ID, "field.too-many", fault.Args{"max": maxRows})
	}
	if len(all) > 0 {
		r.out[f.ID] = all
	}
}

func (r *reader) allegation(at string, v *AllegationValue) {
	if v.Conduct == "" && v.No == 0 {
		r.fail(at+".conduct", "field.required.conduct", nil)
	}
	if v.Conduct != "" && r.pack.ConductEntry(v.Conduct) == nil {
		r.fail(at+".conduct", "field.choice", nil)
	}
	if v.Rank != "" && r.pack.RankOrder(v.Rank) == 0 {
		r.fail(at+".rank", "field.choice", nil)
	}
	if n := utf8.RuneCountInString(v.Place); n > maxText {
		r.fail(at+".place", "field.too-long", fault.Args{"max": maxText, "over": n - maxText})
	}
}

// findings reads one finding for each allegation; which allegations there are, Act knows.
func (r *reader) findings(f *pack.Field) {
	out := map[string]string{}
	for no := 1; no <= 4*maxRows; no++ {
		name := f.ID + "." + strconv.Itoa(no)
		s := r.one(name)
		if s == "" {
			continue
		}
		if found := r.pack.Finding(s); found == nil || found.Pending {
			r.fail(name, "field.choice", nil)
			continue
		}
		out[strconv.Itoa(no)] = s
	}
	if len(out) > 0 {
		r.out[f.ID] = out
	}
}

func (r *reader) check(f *pack.Field) {
	l := r.pack.List(f.List)
	if l == nil {
		return
	}
	out := map[string]string{}
	var open []string
	for _, v := range l.Values {
		name := f.ID + "." + v.ID
		switch s := r.one(name); s {
		case "yes", "no", "na":
			out[v.ID] = s
		case "":
			open = append(open, name)
		default:
			r.fail(name, "field.check", nil)
		}
	}
	if len(out) == 0 && !f.Required {
		return
	}
	for _, name := range open {
		r.fail(name, "field.check", nil)
	}
	r.out[f.ID] = out
}

// period reads "10d", or a number with its unit in a second input.
func (r *reader) period(f *pack.Field) {
	s := strings.ReplaceAll(asciiDigits(r.one(f.ID)), " ", "")
	if s == "" {
		return
	}
	if unit := r.one(f.ID + ".unit"); unit != "" {
		s += unit
	}
	p, err := calendar.ParsePeriod(s)
	if err != nil {
		r.fail(f.ID, "field.period", nil)
		return
	}
	r.out[f.ID] = p.String()
}

// ParseJSON makes Values of what a program gives instead of a form: the same checks, the same result.
func ParseJSON(p *pack.Pack, fields []pack.Field, in map[string]any) (Values, []fault.Field) {
	flat := map[string][]string{}
	flatten(flat, "", in)
	v, wrong := ParseForm(p, fields, func(name string) []string { return flat[name] })
	known := map[string]bool{}
	for _, f := range fields {
		known[f.ID] = true
	}
	for _, name := range slices.Sorted(maps.Keys(in)) {
		if !known[name] {
			wrong = append(wrong, fault.Field{Name: name, Key: "field.unknown"})
		}
	}
	return v, wrong
}

// flatten turns nested values into the inputs of a form: {"date": {"day": 3}} is date.day = 3.
func flatten(out map[string][]string, at string, v any) {
	join := func(name string) string {
		if at == "" {
			return name
		}
		return at + "." + name
	}
	switch v := v.(type) {
	case nil:
	case map[string]any:
		for k, x := range v {
			if k == "id" && at != "" { // {"id": …} of an official is the official itself
				flatten(out, at, x)
				continue
			}
			flatten(out, join(k), x)
		}
	case []any:
		for i, x := range v {
			flatten(out, join(strconv.Itoa(i)), x)
		}
	case bool:
		out[at] = append(out[at], map[bool]string{true: "yes", false: "no"}[v])
	case string:
		out[at] = append(out[at], v)
	case json.Number:
		out[at] = append(out[at], v.String())
	default:
		out[at] = append(out[at], fmt.Sprint(v))
	}
}
