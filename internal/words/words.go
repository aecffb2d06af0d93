// Package words says everything that Plumbline says, in the reader's language.
//
// A Book holds the catalogues, one folder of YAML files per language; a Speaker is the book opened at
// one language and also writes that language's dates, numbers and clocks. A Speaker never fails: a text
// that is missing in its language is said in English, one that is missing there too is said as its key,
// and either is reported to Book.Missing, which the tests keep empty.
//
// Catalogue files are flat: one key, one text (or one map of plural forms), so that a key can be found
// by searching for it. Placeholders are written {{.name}}.
package words

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"sort"
	"strings"
	"sync"

	"github.com/goccy/go-yaml"
	"github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

//go:embed locales/*/*.yaml
var locales embed.FS

// Languages are those that the catalogues speak, the fallback first.
//
// Readers of Traditional Chinese get zh-Hans: it is far closer to what they asked for than English is,
// and a machine conversion of legal words would be worse than either.
var Languages = []language.Tag{language.English, language.SimplifiedChinese}

// A Book is all catalogues. It is not changed after loading and may be shared.
type Book struct {
	speakers []*Speaker // in the order of Languages
	matcher  language.Matcher

	mu      sync.Mutex
	missing map[string]bool
}

// A Speaker says things in one language.
type Speaker struct {
	book    *Book
	tag     language.Tag
	loc     *i18n.Localizer
	printer *message.Printer
	keys    map[string]bool
}

// Load reads the catalogues that are built into the program.
func Load() (*Book, error) {
	sub, err := fs.Sub(locales, "locales")
	if err != nil {
		return nil, fmt.Errorf("words: %w", err)
	}
	return load(sub)
}

// load reads <language>/<area>.yaml from fsys.
func load(fsys fs.FS) (*Book, error) {
	bundle := i18n.NewBundle(Languages[0])
	b := &Book{matcher: language.NewMatcher(Languages), missing: map[string]bool{}}
	for _, tag := range Languages {
		catalogue, err := readCatalogue(fsys, tag.String())
		if err != nil {
			return nil, err
		}
		s := &Speaker{book: b, tag: tag, printer: message.NewPrinter(tag), keys: map[string]bool{}}
		for key, text := range catalogue {
			if err := bundle.AddMessages(tag, text.message(key)); err != nil {
				return nil, fmt.Errorf("words: %s: %s: %w", tag, key, err)
			}
			s.keys[key] = true
		}
		s.loc = i18n.NewLocalizer(bundle, tag.String())
		b.speakers = append(b.speakers, s)
	}
	return b, nil
}

// An entry is one text of a catalogue: its plural forms, Other alone if it has none.
type entry struct {
	One, Other string
	file       string
}

func (e entry) message(key string) *i18n.Message {
	return &i18n.Message{ID: key, One: e.One, Other: e.Other}
}

// readCatalogue reads all files of one language. A key that stands twice is an error: the two would
// overrule each other by chance.
func readCatalogue(fsys fs.FS, lang string) (map[string]entry, error) {
	files, err := fs.Glob(fsys, lang+"/*.yaml")
	if err != nil {
		return nil, fmt.Errorf("words: %w", err)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("words: no catalogue for %s", lang)
	}
	sort.Strings(files)
	all := map[string]entry{}
	for _, file := range files {
		data, err := fs.ReadFile(fsys, file)
		if err != nil {
			return nil, fmt.Errorf("words: %w", err)
		}
		var raw map[string]any
		if err := yaml.Unmarshal(data, &raw); err != nil {
			return nil, fmt.Errorf("words: %s: %w", file, err)
		}
		for key, value := range raw {
			e, err := parseEntry(value)
			if err != nil {
				return nil, fmt.Errorf("words: %s: %s: %w", file, key, err)
			}
			if old, twice := all[key]; twice {
				return nil, fmt.Errorf("words: %s stands in both %s and %s", key, old.file, file)
			}
			e.file = path.Base(file)
			all[key] = e
		}
	}
	return all, nil
}

func parseEntry(value any) (entry, error) {
	switch v := value.(type) {
	case string:
		return entry{Other: strings.Trim(v, "\n")}, nil
	case map[string]any:
		var e entry
		for form, text := range v {
			s, ok := text.(string)
			if !ok {
				return entry{}, fmt.Errorf("plural form %q is not a text", form)
			}
			switch form {
			case "one":
				e.One = strings.Trim(s, "\n")
			case "other":
				e.Other = strings.Trim(s, "\n")
			default:
				return entry{}, fmt.Errorf("unknown plural form %q (want one, other)", form)
			}
		}
		if e.Other == "" {
			return entry{}, fmt.Errorf("the plural form \"other\" is missing")
		}
		return e, nil
	default:
		return entry{}, fmt.Errorf("not a text (%T): put it in quotes", value)
	}
}

// For returns the speaker of the language that fits tag best; English if none does.
func (b *Book) For(tag string) *Speaker { return b.Choose(tag) }

// Choose returns the speaker for the first wish that can be met at all. A wish is a language tag or an
// Accept-Language header; empty and malformed wishes are passed over.
func (b *Book) Choose(wishes ...string) *Speaker {
	for _, wish := range wishes {
		tags, _, err := language.ParseAcceptLanguage(wish)
		if err != nil || len(tags) == 0 {
			continue
		}
		for i, tag := range tags {
			if isChinese(tag) {
				tags[i] = language.SimplifiedChinese
			}
		}
		if _, i, confidence := b.matcher.Match(tags...); confidence > language.No {
			return b.speakers[i]
		}
	}
	return b.speakers[0]
}

func isChinese(tag language.Tag) bool {
	base, _ := tag.Base()
	zh, _ := language.Chinese.Base()
	return base == zh
}

// Speakers returns one speaker per language, in the order of Languages.
func (b *Book) Speakers() []*Speaker { return b.speakers }

// Missing returns what was asked for and not found since the book was loaded, as "language: key" or
// "language: key: what is wrong with it".
func (b *Book) Missing() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := make([]string, 0, len(b.missing))
	for m := range b.missing {
		out = append(out, m)
	}
	sort.Strings(out)
	return out
}

func (b *Book) miss(lang, key, what string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if what != "" {
		what = ": " + what
	}
	// Keys can come from outside (a pack, a stored fault), so what is remembered is bounded.
	if len(b.missing) < 1000 {
		b.missing[lang+": "+key+what] = true
	}
}
