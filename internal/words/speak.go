package words

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"unicode"

	"github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/language/display"
)

// Lang is the language as a tag for the lang attribute: "en", "zh-Hans".
func (s *Speaker) Lang() string { return s.tag.String() }

// Dir is the direction of writing. Both languages run from left to right; a template that asks is ready
// for one that does not.
func (s *Speaker) Dir() string { return "ltr" }

// Name is the language's name in itself: "English", "简体中文".
func (s *Speaker) Name() string { return display.Self.Name(s.tag) }

// chinese reports whether the language writes dates and lists in the Chinese way.
func (s *Speaker) chinese() bool { return isChinese(s.tag) }

// Has reports whether the language has a text under key.
func (s *Speaker) Has(key string) bool { return s.keys[key] }

// T says the text under key. args are either name, value, name, value … or a single map from names to
// values. Whole numbers are written in the language's way; a text in several languages is said in this one.
func (s *Speaker) T(key string, args ...any) string {
	return s.say(key, nil, s.data(key, args))
}

// N says the text under key in the plural form for n; the text finds n, already written, as {{.n}}.
func (s *Speaker) N(key string, n int64, args ...any) string {
	data := s.data(key, args)
	data["n"] = s.Number(n)
	// CLDR chooses English forms by the absolute value, but go-i18n refuses no sign: -1 day is "one".
	return s.say(key, n, data)
}

// Maybe says the text under key, or fallback where no language has it. It is for keys put together
// from names in a pack, which need not have a text of their own.
func (s *Speaker) Maybe(key, fallback string, args ...any) string {
	if s.Has(key) || s.book.speakers[0].Has(key) {
		return s.T(key, args...)
	}
	return fallback
}

func (s *Speaker) say(key string, count any, data map[string]any) string {
	if !s.keys[key] {
		s.book.miss(s.Lang(), key, "")
		english := s.book.speakers[0]
		if s == english || !english.keys[key] {
			return key
		}
		return english.say(key, count, data)
	}
	text, err := s.loc.Localize(&i18n.LocalizeConfig{MessageID: key, TemplateData: data, PluralCount: count})
	if err != nil {
		s.book.miss(s.Lang(), key, err.Error())
		if text == "" {
			return key
		}
	}
	if strings.Contains(text, "<no value>") {
		s.book.miss(s.Lang(), key, "a placeholder got no value")
		text = strings.ReplaceAll(text, "<no value>", "…")
	}
	return text
}

// data makes a template's data of T's arguments.
func (s *Speaker) data(key string, args []any) map[string]any {
	out := make(map[string]any, len(args)/2+1)
	if len(args) == 0 {
		return out
	}
	if v := reflect.ValueOf(args[0]); len(args) == 1 && v.IsValid() && v.Kind() == reflect.Map && v.Type().Key().Kind() == reflect.String {
		for it := v.MapRange(); it.Next(); {
			out[it.Key().String()] = s.value(it.Value().Interface())
		}
		return out
	}
	for i := 0; i+1 < len(args); i += 2 {
		name, ok := args[i].(string)
		if !ok {
			s.book.miss(s.Lang(), key, fmt.Sprintf("argument %d is not a name", i))
			continue
		}
		out[name] = s.value(args[i+1])
	}
	if len(args)%2 != 0 {
		s.book.miss(s.Lang(), key, "a name came without a value")
	}
	return out
}

// value writes an argument in the language's way where there is one.
func (s *Speaker) value(v any) any {
	rv := reflect.ValueOf(v)
	switch rv.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		if _, named := v.(fmt.Stringer); !named {
			return s.Number(rv.Int())
		}
	case reflect.Map:
		if rv.Type().Key().Kind() == reflect.String && rv.Type().Elem().Kind() == reflect.String {
			texts := make(map[string]string, rv.Len())
			for it := rv.MapRange(); it.Next(); {
				texts[it.Key().String()] = it.Value().String()
			}
			return s.Text(texts)
		}
	case reflect.Slice:
		if list, ok := v.([]string); ok {
			return s.List(list)
		}
	}
	return v
}

// Text chooses from a text that a pack gives in several languages: this language, a close relative of
// it ("zh" or "zh-CN" for zh-Hans), English, and then whatever there is, always the same one.
func (s *Speaker) Text(texts map[string]string) string {
	for _, tag := range []string{s.Lang(), Languages[0].String()} {
		if t := texts[tag]; t != "" {
			return t
		}
		if t := s.related(texts, tag); t != "" {
			return t
		}
	}
	return firstByName(texts, func(string) bool { return true })
}

func (s *Speaker) related(texts map[string]string, tag string) string {
	base, _, _ := strings.Cut(tag, "-")
	return firstByName(texts, func(name string) bool {
		other, _, _ := strings.Cut(name, "-")
		return strings.EqualFold(base, other)
	})
}

func firstByName(texts map[string]string, fits func(string) bool) string {
	best, text := "", ""
	for name, t := range texts {
		if t != "" && fits(name) && (text == "" || name < best) {
			best, text = name, t
		}
	}
	return text
}

// List joins items the way the language does: "a, b and c", "甲、乙和丙".
func (s *Speaker) List(items []string) string {
	switch len(items) {
	case 0:
		return ""
	case 1:
		return items[0]
	}
	last := len(items) - 1
	return strings.Join(items[:last], s.T("words.list.comma")) + s.T("words.list.and") + items[last]
}

// Upper makes the first letter of a text upper case, where the language has such a thing.
func (s *Speaker) Upper(text string) string {
	for i, r := range text {
		return string(unicode.ToUpper(r)) + text[i+len(string(r)):]
	}
	return text
}

type contextKey struct{}

// NewContext returns a context that carries the reader's speaker.
func NewContext(ctx context.Context, s *Speaker) context.Context {
	return context.WithValue(ctx, contextKey{}, s)
}

// From returns the speaker that NewContext put into ctx, or nil.
func From(ctx context.Context) *Speaker {
	s, _ := ctx.Value(contextKey{}).(*Speaker)
	return s
}
