package words

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"testing"
	"testing/fstest"

	"plumbline/internal/fault"
)

func book(t testing.TB) *Book {
	t.Helper()
	b, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func catalogues(t *testing.T) map[string]map[string]entry {
	t.Helper()
	sub, err := fs.Sub(locales, "locales")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]map[string]entry{}
	for _, tag := range Languages {
		c, err := readCatalogue(sub, tag.String())
		if err != nil {
			t.Fatal(err)
		}
		out[tag.String()] = c
	}
	return out
}

func TestBothLanguagesSayTheSameThings(t *testing.T) {
	all := catalogues(t)
	english := all["en"]
	for lang, c := range all {
		for key, e := range english {
			other, ok := c[key]
			if !ok {
				t.Errorf("%s: %s is missing", lang, key)
				continue
			}
			if got, want := placeholders(t, other.Other), placeholders(t, e.Other); got != want {
				t.Errorf("%s: %s has the placeholders %s, English has %s", lang, key, got, want)
			}
			if e.file != other.file {
				t.Errorf("%s: %s stands in %s, in English in %s", lang, key, other.file, e.file)
			}
		}
		for key := range c {
			if _, ok := english[key]; !ok {
				t.Errorf("%s: %s does not exist in English", lang, key)
			}
		}
	}
}

// English has two forms wherever it has one of them, Chinese never more than one.
func TestPluralForms(t *testing.T) {
	all := catalogues(t)
	for key, e := range all["en"] {
		if e.One == "" {
			continue
		}
		one, other := placeholders(t, e.One), placeholders(t, e.Other)
		if one != other && one != strings.ReplaceAll(other, "n ", "") && one+"n " != other {
			t.Errorf("en: the forms of %s have the placeholders %s and %s", key, one, other)
		}
		if !strings.Contains(e.Other, "{{.n}}") {
			t.Errorf("en: %s has plural forms but does not say its number", key)
		}
	}
	for key, e := range all["zh-Hans"] {
		if e.One != "" {
			t.Errorf("zh-Hans: %s has a form for one; Chinese has a single form", key)
		}
	}
}

var placeholder = regexp.MustCompile(`\{\{\s*\.(\w+)\s*\}\}`)

// placeholders lists the names in a text, each once, in order.
func placeholders(t *testing.T, text string) string {
	seen := map[string]bool{}
	for _, m := range placeholder.FindAllStringSubmatch(text, -1) {
		seen[m[1]] = true
	}
	if rest := placeholder.ReplaceAllString(text, ""); strings.Contains(rest, "{{") || strings.Contains(rest, "}}") {
		t.Errorf("%q: a placeholder is written {{.name}}, nothing more", text)
	}
	var names []string
	for n := range seen {
		names = append(names, n)
	}
	sort.Strings(names)
	return strings.Join(names, " ") + " "
}

// Texts are plain: markup would be shown as it is, and texts that end in a space or hold an ASCII
// question mark between Chinese characters are slips.
func TestTextsAreClean(t *testing.T) {
	slip := regexp.MustCompile(`\p{Han}[,;:?!]|[,;:?!]\p{Han}`)
	for lang, c := range catalogues(t) {
		for key, e := range c {
			for _, text := range []string{e.One, e.Other} {
				if strings.ContainsAny(text, "<>") {
					t.Errorf("%s: %s holds markup: %s", lang, key, text)
				}
				if lang == "zh-Hans" && slip.MatchString(text) {
					t.Errorf("%s: %s has Western punctuation beside Chinese characters: %s", lang, key, text)
				}
			}
		}
	}
}

// sources yields every Go file and template of the module outside this package's catalogues.
func sources(t *testing.T, f func(path, text string)) {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(root, "go.mod")); err != nil {
		t.Fatal(err)
	}
	files := 0
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git" || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if ext := filepath.Ext(path); d.IsDir() || (ext != ".go" && ext != ".html") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		files++
		f(rel, string(text))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 10 {
		t.Fatalf("only %d sources found under %s: this test looks in the wrong place", files, root)
	}
}

// A text that nothing says any more is deleted, in both languages.
func TestNoTextIsUnused(t *testing.T) {
	quoted := regexp.MustCompile("[\"`]([a-z][\\w.-]*\\.[\\w.-]+)[\"`]")
	used := map[string]bool{}
	sources(t, func(_, text string) {
		for _, m := range quoted.FindAllStringSubmatch(text, -1) {
			used[m[1]] = true
		}
	})
	for key, e := range catalogues(t)["en"] {
		if used[key] || beginsLike(key, dynamic) {
			continue
		}
		t.Errorf("%s (%s) is said nowhere", key, e.file)
	}
	for _, prefix := range dynamic {
		if !strings.HasSuffix(prefix, ".") && !strings.HasSuffix(prefix, "-") {
			t.Errorf("dynamic: %q must end at the end of a part of a key", prefix)
		}
	}
}

func beginsLike(key string, prefixes []string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(key, p) {
			return true
		}
	}
	return false
}

// A key in a template or in a call of T, N or Flash has a text. (Keys of faults are looked for in
// internal/tests/structure.)
func TestEveryTextThatIsAskedForExists(t *testing.T) {
	english := catalogues(t)["en"]
	calls := regexp.MustCompile(`\.(?:T|N)\(\s*"([^"]+)"|\.Flash\([^"]*"([^"]+)"`)
	templates := regexp.MustCompile(`(?:\{\{-?\s*|\(|\s)(?:t|n) "([^"]+)"`)
	found := 0
	sources(t, func(path, text string) {
		pattern := calls
		if strings.HasSuffix(path, ".html") {
			pattern = templates
		}
		for _, m := range pattern.FindAllStringSubmatch(text, -1) {
			key := m[1]
			if len(m) > 2 && m[2] != "" {
				key = m[2]
			}
			if strings.HasSuffix(key, ".") || strings.HasSuffix(key, "-") || !strings.Contains(key, ".") {
				continue // the beginning of a key that is put together
			}
			found++
			if _, ok := english[key]; !ok {
				t.Errorf("%s asks for %q, which no catalogue has", path, key)
			}
		}
	})
	if found < 20 {
		t.Errorf("only %d keys found: this test looks for the wrong thing", found)
	}
}

func TestAMissingTextDegradesAndIsReported(t *testing.T) {
	b, err := load(fstest.MapFS{
		"en/a.yaml":      {Data: []byte("a.both: \"both\"\na.english: \"English only\"\na.arg: \"Hello {{.name}}\"\n")},
		"zh-Hans/a.yaml": {Data: []byte("a.both: \"都有\"\na.arg: \"您好，{{.name}}\"\n")},
	})
	if err != nil {
		t.Fatal(err)
	}
	zh := b.For("zh-Hans")
	for _, tt := range []struct{ got, want string }{
		{zh.T("a.both"), "都有"},
		{zh.T("a.english"), "English only"},
		{zh.T("a.nowhere"), "a.nowhere"},
		{zh.T("a.arg"), "您好，…"},
		{zh.T("a.arg", "name", "甲"), "您好，甲"},
		{zh.Maybe("a.nowhere", "as it is"), "as it is"},
		{zh.Maybe("a.both", "as it is"), "都有"},
	} {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
	want := []string{"en: a.nowhere", "zh-Hans: a.arg: a placeholder got no value", "zh-Hans: a.english", "zh-Hans: a.nowhere"}
	// English itself is asked for a.nowhere only by a reader of English.
	_ = b.For("en").T("a.nowhere")
	if got := fmt.Sprint(b.Missing()); got != fmt.Sprint(want) {
		t.Errorf("missing: %s, want %s", got, fmt.Sprint(want))
	}
}

func TestCataloguesAreReadStrictly(t *testing.T) {
	ok := []byte("a.b: \"x\"\n")
	for _, tt := range []struct{ name, text string }{
		{"not a text", "a.b: 3\n"},
		{"an unknown plural form", "a.b: {many: \"x\", other: \"y\"}\n"},
		{"no general form", "a.b: {one: \"x\"}\n"},
		{"a key that stands twice in one file", "a.b: \"x\"\na.b: \"y\"\n"},
		{"broken YAML", "a.b: \"x\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := load(fstest.MapFS{"en/a.yaml": {Data: []byte(tt.text)}, "zh-Hans/a.yaml": {Data: ok}}); err == nil {
				t.Error("was taken")
			}
		})
	}
	if _, err := load(fstest.MapFS{"en/a.yaml": {Data: ok}, "en/b.yaml": {Data: ok}, "zh-Hans/a.yaml": {Data: ok}}); err == nil {
		t.Error("a key in two files was taken")
	}
	if _, err := load(fstest.MapFS{"en/a.yaml": {Data: ok}}); err == nil {
		t.Error("a language without a catalogue was taken")
	}
}

func TestChoiceOfLanguage(t *testing.T) {
	b := book(t)
	for _, tt := range []struct {
		name   string
		wishes []string // address, cookie, browser
		want   string
	}{
		{"nothing known", []string{"", "", ""}, "en"},
		{"the browser's wish", []string{"", "", "zh-CN,zh;q=0.9,en;q=0.8"}, "zh-Hans"},
		{"the browser's order counts", []string{"", "", "en-GB,zh;q=0.5"}, "en"},
		{"the cookie beats the browser", []string{"", "en", "zh-CN"}, "en"},
		{"the address beats both", []string{"zh-Hans", "en", "en"}, "zh-Hans"},
		{"readers of Traditional Chinese get Simplified", []string{"", "", "zh-TW"}, "zh-Hans"},
		{"also with English second", []string{"", "", "zh-HK,en;q=0.5"}, "zh-Hans"},
		{"a language we do not speak", []string{"", "", "fr"}, "en"},
		{"its second choice", []string{"", "", "fr,zh;q=0.3"}, "zh-Hans"},
		{"nonsense is passed over", []string{"'; drop", "\x00", "zh"}, "zh-Hans"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := b.Choose(tt.wishes...).Lang(); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestTextOfAPack(t *testing.T) {
	b := book(t)
	for _, tt := range []struct {
		name, lang string
		texts      map[string]string
		want       string
	}{
		{"its own language", "zh-Hans", map[string]string{"en": "Police", "zh-Hans": "公安"}, "公安"},
		{"a close relative", "zh-Hans", map[string]string{"en": "Police", "zh": "公安"}, "公安"},
		{"English instead", "zh-Hans", map[string]string{"en": "Police", "fr": "Police nationale"}, "Police"},
		{"British English will do", "en", map[string]string{"en-GB": "Programme", "fr": "Programme fr"}, "Programme"},
		{"whatever there is, always the same", "en", map[string]string{"fr": "b", "de": "a"}, "a"},
		{"an empty text is none", "en", map[string]string{"en": "", "fr": "b"}, "b"},
		{"nothing at all", "en", nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := b.For(tt.lang).Text(tt.texts); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

type label map[string]string // as packs have it

func TestArgumentsAreWrittenInTheLanguage(t *testing.T) {
	b, err := load(fstest.MapFS{
		"en/a.yaml":      {Data: []byte("a.x: \"[{{.x}}]\"\nwords.list.comma: \", \"\nwords.list.and: \" and \"\n")},
		"zh-Hans/a.yaml": {Data: []byte("a.x: \"[{{.x}}]\"\nwords.list.comma: \"、\"\nwords.list.and: \"和\"\n")},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, lang string
		x          any
		want       string
	}{
		{"a number", "en", 12056, "[12,056]"},
		{"a number of another type", "en", int64(-7), "[-7]"},
		{"a text", "en", "12056", "[12056]"},
		{"a pack's label", "zh-Hans", label{"en": "Police", "zh-Hans": "公安"}, "[公安]"},
		{"a list", "en", []string{"a", "b", "c"}, "[a, b and c]"},
		{"a list in Chinese", "zh-Hans", []string{"甲", "乙", "丙"}, "[甲、乙和丙]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := b.For(tt.lang)
			if got := s.T("a.x", "x", tt.x); got != tt.want {
				t.Errorf("in pairs: got %q, want %q", got, tt.want)
			}
			if got := s.T("a.x", fault.Args{"x": tt.x}); got != tt.want {
				t.Errorf("as a map: got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestFaultsNeverShowTheirCause(t *testing.T) {
	cause := fmt.Errorf("disk /dev/sda1: narrative of report 17")
	for _, s := range book(t).Speakers() {
		for _, err := range []error{cause, fault.Wrap(cause, fault.Internal, "matter.stale", nil), fmt.Errorf("open: %w", fault.Wrap(cause, fault.Internal, "x", nil))} {
			f := s.Fault(err)
			if f.Kind != fault.Internal || f.Message != s.T("fault.internal") || strings.Contains(f.Message, "disk") {
				t.Errorf("%s: %v is said as %q", s.Lang(), err, f.Message)
			}
		}
		err := fmt.Errorf("act: %w", &fault.Error{Kind: fault.Invalid, Key: "fault.invalid", Fields: []fault.Field{{Name: "when", Key: "matter.stale"}}, Cause: cause})
		f := s.Fault(err)
		if f.Kind != fault.Invalid || f.Message != s.T("fault.invalid") || len(f.Fields) != 1 || f.Fields[0] != (FieldFault{"when", s.T("matter.stale")}) {
			t.Errorf("%s: got %+v", s.Lang(), f)
		}
		if f := s.Fault(nil); f.Message != "" {
			t.Errorf("no error is said as %q", f.Message)
		}
	}
}
