package transfer

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// functionNames are what a misspelt function name is compared with.
var functionNames = []string{
	"date", "month", "year", "days", "before", "whole", "number_text", "within", "lower", "upper", "title", "squeeze",
	"slug", "either", "first", "distinct", "same", "join", "lookup", "fail", "size", "matches", "contains", "startsWith", "endsWith",
}

// functions are the mapping language's own, beside CEL's and its string extension. docs/reference/mapping.md describes
// every one of them.
func functions(tables map[string]*table) []cel.EnvOption {
	str, num, dyn := cel.StringType, cel.IntType, cel.DynType
	strs := cel.ListType(str)
	text1 := func(name string, f func(string) (string, error)) cel.EnvOption {
		return cel.Function(name, cel.Overload(name+"_text", []*cel.Type{str}, str, cel.UnaryBinding(func(v ref.Val) ref.Val {
			return result(f(string(v.(types.String))))
		})))
	}
	text2 := func(name string, f func(a, b string) (string, error)) cel.EnvOption {
		return cel.Function(name, cel.Overload(name+"_texts", []*cel.Type{str, str}, str, cel.BinaryBinding(func(a, b ref.Val) ref.Val {
			return result(f(string(a.(types.String)), string(b.(types.String))))
		})))
	}
	list1 := func(name string, out *cel.Type, f func([]string) ref.Val) cel.EnvOption {
		return cel.Function(name, cel.Overload(name+"_list", []*cel.Type{strs}, out, cel.UnaryBinding(func(v ref.Val) ref.Val {
			return f(stringsOf(v))
		})))
	}
	return []cel.EnvOption{
		text2("date", parseDate),
		text2("month", monthOf),
		text1("year", func(s string) (string, error) { return s[:min(4, len(s))], nil }),
		cel.Function("days", cel.Overload("days_texts", []*cel.Type{str, str}, num, cel.BinaryBinding(func(a, b ref.Val) ref.Val {
			n, err := daysBetween(string(a.(types.String)), string(b.(types.String)))
			if err != nil {
				return types.NewErrFromString(err.Error())
			}
			return types.Int(n)
		}))),
		cel.Function("before", cel.Overload("before_texts", []*cel.Type{str, str}, cel.BoolType, cel.BinaryBinding(func(a, b ref.Val) ref.Val {
			return types.Bool(surelyBefore(string(a.(types.String)), string(b.(types.String))))
		}))),
		cel.Function("whole", cel.Overload("whole_text", []*cel.Type{str}, dyn, cel.UnaryBinding(func(v ref.Val) ref.Val {
			s := strings.TrimSpace(string(v.(types.String)))
			if s == "" {
				return types.NullValue
			}
			n, err := wholeNumber(s)
			if err != nil {
				return types.NewErrFromString(err.Error())
			}
			return types.Int(n)
		}))),
		cel.Function("within", cel.Overload("within_numbers", []*cel.Type{dyn, num, num}, dyn, cel.FunctionBinding(func(args ...ref.Val) ref.Val {
			if args[0] == types.NullValue {
				return args[0]
			}
			n, ok := args[0].(types.Int)
			if !ok {
				return types.NewErr("within: a whole number is wanted; write within(whole(…), …)")
			}
			if lo, hi := args[1].(types.Int), args[2].(types.Int); n < lo || n > hi {
				return types.NewErr("%d is not between %d and %d", int64(n), int64(lo), int64(hi))
			}
			return n
		}))),
		text1("number_text", numberText),
		text1("lower", func(s string) (string, error) { return strings.ToLower(s), nil }),
		text1("upper", func(s string) (string, error) { return strings.ToUpper(s), nil }),
		text1("title", func(s string) (string, error) { return titleCase(s), nil }),
		text1("squeeze", func(s string) (string, error) { return strings.Join(strings.Fields(s), " "), nil }),
		text1("slug", func(s string) (string, error) { return slug(s), nil }),
		text2("either", func(a, b string) (string, error) {
			if a != "" {
				return a, nil
			}
			return b, nil
		}),
		list1("first", str, func(l []string) ref.Val {
			for _, s := range l {
				if s != "" {
					return types.String(s)
				}
			}
			return types.String("")
		}),
		list1("distinct", strs, func(l []string) ref.Val {
			var out []string
			seen := map[string]bool{}
			for _, s := range l {
				if s != "" && !seen[s] {
					seen[s] = true
					out = append(out, s)
				}
			}
			return types.NewStringList(types.DefaultTypeAdapter, out)
		}),
		list1("same", cel.BoolType, func(l []string) ref.Val {
			for _, s := range l {
				if s != l[0] {
					return types.False
				}
			}
			return types.True
		}),
		text2("lookup", func(name, s string) (string, error) {
			t, ok := tables[name]
			if !ok {
				return "", fmt.Errorf("no table is called %s", name)
			}
			v, ok := t.find(s)
			if !ok {
				return "", fmt.Errorf("table %s has no value for %q", name, s)
			}
			return v, nil
		}),
		cel.Function("fail", cel.Overload("fail_text", []*cel.Type{str}, dyn, cel.UnaryBinding(func(v ref.Val) ref.Val {
			return types.NewErrFromString(string(v.(types.String)))
		}))),
	}
}

func result(s string, err error) ref.Val {
	if err != nil {
		return types.NewErrFromString(err.Error())
	}
	return types.String(s)
}

func stringsOf(v ref.Val) []string {
	l := v.(traits.Lister)
	n := int(l.Size().(types.Int))
	out := make([]string, n)
	for i := range n {
		s, _ := l.Get(types.Int(i)).(types.String)
		out[i] = string(s)
	}
	return out
}

// parseDate reads s in a form such as "MM/DD/YYYY" and gives an ISO date, of the precision the form has. Letters of the
// form: YYYY, YY (00-68 is 2000-2068), MM or M, MON (jan), DD or D, hh, mm, ss; * takes whatever follows. M and D take one or two digits, MM and
// DD too: files are careless with zeros. The empty text gives the empty text.
func parseDate(s, form string) (string, error) {
	text := strings.TrimSpace(s)
	if text == "" {
		return "", nil
	}
	wrong := fmt.Errorf("%q is no date of the form %s", s, form)
	year, month, day := -1, -1, -1
	for f := form; f != ""; {
		var n int
		var ok bool
		switch {
		case strings.HasPrefix(f, "YYYY"):
			n, text, ok = digits(text, 4, 4)
			year, f = n, f[4:]
		case strings.HasPrefix(f, "YY"):
			n, text, ok = digits(text, 2, 2)
			if year, f = 2000+n, f[2:]; n >= 69 {
				year = 1900 + n
			}
		case strings.HasPrefix(f, "MON"):
			month, text, ok = monthName(text)
			f = f[3:]
		case strings.HasPrefix(f, "M"):
			n, text, ok = digits(text, 1, 2)
			month, f = n, strings.TrimPrefix(f[1:], "M")
		case strings.HasPrefix(f, "D"):
			n, text, ok = digits(text, 1, 2)
			day, f = n, strings.TrimPrefix(f[1:], "D")
		case strings.HasPrefix(f, "hh"), strings.HasPrefix(f, "mm"), strings.HasPrefix(f, "ss"):
			_, text, ok = digits(text, 1, 2)
			f = f[2:]
		case f == "*":
			text, f, ok = "", "", true
		default:
			ok = text != "" && text[0] == f[0]
			if ok {
				text = text[1:]
			}
			f = f[1:]
		}
		if !ok {
			return "", wrong
		}
	}
	if text != "" || year < 0 {
		return "", wrong
	}
	iso := fmt.Sprintf("%04d", year)
	if month >= 0 {
		iso += fmt.Sprintf("-%02d", month)
		if day >= 0 {
			iso += fmt.Sprintf("-%02d", day)
		}
	}
	if !isDate(iso) {
		return "", wrong
	}
	return iso, nil
}

func digits(s string, least, most int) (n int, rest string, ok bool) {
	i := 0
	for i < len(s) && i < most && s[i] >= '0' && s[i] <= '9' {
		n = n*10 + int(s[i]-'0')
		i++
	}
	return n, s[i:], i >= least
}

func monthName(s string) (int, string, bool) {
	if len(s) < 3 {
		return 0, s, false
	}
	i := strings.Index("janfebmaraprmayjunjulaugsepoctnovdec", strings.ToLower(s[:3]))
	if i < 0 || i%3 != 0 {
		return 0, s, false
	}
	return i/3 + 1, s[3:], true
}

// monthOf puts a year and a month together: "2019-05", or "2019" without a month.
func monthOf(year, month string) (string, error) {
	year, month = strings.TrimSpace(year), strings.TrimSpace(month)
	if year == "" {
		return "", nil
	}
	y, err := wholeNumber(year)
	if err != nil || y < 1000 || y > 9999 {
		return "", fmt.Errorf("%q is no year", year)
	}
	if month == "" {
		return fmt.Sprintf("%04d", y), nil
	}
	m, err := wholeNumber(month)
	if err != nil || m < 1 || m > 12 {
		return "", fmt.Errorf("%q is no month", month)
	}
	return fmt.Sprintf("%04d-%02d", y, m), nil
}

// isDate reports whether s is "2019", "2019-05" or "2019-05-17", and a day that exists.
func isDate(s string) bool {
	layouts := map[int]string{4: "2006", 7: "2006-01", 10: "2006-01-02"}
	layout, ok := layouts[len(s)]
	if !ok {
		return false
	}
	_, err := time.Parse(layout, s)
	return err == nil
}

func daysBetween(a, b string) (int, error) {
	from, err1 := time.Parse("2006-01-02", a)
	to, err2 := time.Parse("2006-01-02", b)
	if err1 != nil || err2 != nil {
		return 0, fmt.Errorf("days(%q, %q): two whole dates are wanted", a, b)
	}
	return int(to.Sub(from).Hours() / 24), nil
}

// surelyBefore compares two ISO dates as far as both are precise: May 2019 is not before 17 May 2019, April is.
func surelyBefore(a, b string) bool {
	n := min(len(a), len(b))
	return n >= 4 && a[:n] < b[:n]
}

// wholeNumber reads "601", "601.0", "1,200" and "-3".
func wholeNumber(s string) (int64, error) {
	t := strings.ReplaceAll(strings.TrimSpace(s), ",", "")
	if whole, zeros, ok := strings.Cut(t, "."); ok && strings.Trim(zeros, "0") == "" {
		t = whole
	}
	n, err := strconv.ParseInt(t, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is no whole number", s)
	}
	return n, nil
}

// numberText takes the ".0" off a number that a spreadsheet turned into a decimal, and leaves any other text alone.
func numberText(s string) (string, error) {
	t := strings.TrimSpace(s)
	whole, zeros, ok := strings.Cut(t, ".")
	if !ok || zeros == "" || strings.Trim(zeros, "0") != "" {
		return t, nil
	}
	if _, err := strconv.ParseInt(whole, 10, 64); err != nil {
		return t, nil
	}
	return whole, nil
}

// titleCase writes a name in capitals as names are written: "O'BRIEN-LOPEZ JR" becomes "O'Brien-Lopez Jr".
func titleCase(s string) string {
	var b strings.Builder
	start := true
	for _, r := range strings.Join(strings.Fields(s), " ") {
		if start {
			b.WriteRune(unicode.ToUpper(r))
		} else {
			b.WriteRune(unicode.ToLower(r))
		}
		start = !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}
	return b.String()
}

// slug makes an id of a text: lower case, everything but letters and digits replaced by single dashes.
func slug(s string) string {
	var b strings.Builder
	dash := false
	for _, r := range strings.ToLower(s) {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			if dash && b.Len() > 0 {
				b.WriteByte('-')
			}
			b.WriteRune(r)
			dash = false
		} else {
			dash = true
		}
	}
	return b.String()
}
