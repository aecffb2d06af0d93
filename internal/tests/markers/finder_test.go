package markers

import (
	"bytes"
	"compress/bzip2"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net/url"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"
)

// A secret is a text that must not be found.
type secret struct{ name, text string }

// A find is a place where one was found.
type find struct {
	secret string
	where  string // file, table and column, …, and within it
	form   string // how it was written there
}

// finder looks for secrets in bytes: as they are, in capitals and small letters, in UTF-16, hexadecimal, percent-encoding and
// base64, and in whatever can be inflated or decoded from them, three layers deep.
type finder struct {
	folded patterns // looked for in small letters
	exact  patterns // looked for as they are, base64 of both alphabets being one
}

// patterns are found in one pass, however many there are: by their first four bytes.
type patterns struct {
	all   []pattern
	by    map[uint32][]int
	maybe [1 << 16]bool // whether a pattern begins with bytes of this hash
}

func hashed(x uint32) uint32 { return x * 2654435761 >> 16 }

func (p *patterns) add(x pattern) {
	if p.by == nil {
		p.by = map[uint32][]int{}
	}
	head := binary.LittleEndian.Uint32(x.bytes)
	for _, i := range p.by[head] {
		if bytes.Equal(p.all[i].bytes, x.bytes) {
			return
		}
	}
	p.maybe[hashed(head)] = true
	p.by[head] = append(p.by[head], len(p.all))
	p.all = append(p.all, x)
}

func (p *patterns) in(where string, data []byte) (out []find) {
	seen := map[int]bool{}
	for i := 0; i+8 <= len(data); i++ {
		head := binary.LittleEndian.Uint32(data[i:])
		if !p.maybe[hashed(head)] {
			continue
		}
		for _, j := range p.by[head] {
			if !seen[j] && bytes.HasPrefix(data[i:], p.all[j].bytes) {
				seen[j] = true
				out = append(out, find{p.all[j].secret, where, p.all[j].form})
			}
		}
	}
	return out
}

type pattern struct {
	secret, form string
	bytes        []byte
}

func newFinder(secrets []secret) *finder {
	f := &finder{}
	for _, s := range secrets {
		if len(s.text) < 8 {
			panic("a secret of " + fmt.Sprint(len(s.text)) + " characters may be found by chance: " + s.name)
		}
		low := strings.ToLower(s.text)
		fold := func(form string, b []byte) {
			f.folded.add(pattern{s.name, form, b})
		}
		fold("plain", []byte(low))
		fold("query", []byte(strings.ToLower(url.QueryEscape(s.text))))
		fold("path", []byte(strings.ToLower(url.PathEscape(s.text))))
		units := utf16.Encode([]rune(low))
		le, be := make([]byte, 0, 2*len(units)), make([]byte, 0, 2*len(units))
		for _, u := range units {
			le, be = binary.LittleEndian.AppendUint16(le, u), binary.BigEndian.AppendUint16(be, u)
		}
		fold("UTF-16LE", le)
		fold("UTF-16BE", be)
		for _, t := range []string{s.text, low, strings.ToUpper(s.text)} {
			fold("hexadecimal", []byte(hex.EncodeToString([]byte(t))))
			percent := ""
			for _, c := range []byte(t) {
				percent += fmt.Sprintf("%%%02x", c)
			}
			fold("percent", []byte(percent))
			for shift := range 3 {
				f.exact.add(pattern{s.name, fmt.Sprintf("base64 (%d)", shift), inBase64(t, shift)})
			}
		}
	}
	return f
}

// inBase64 is the part of a text in base64 that does not depend on what stands around it, where so many bytes more than a
// multiple of three go before it.
func inBase64(text string, shift int) []byte {
	all := base64.RawStdEncoding.EncodeToString(append(make([]byte, shift), text...))
	all = all[[]int{0, 2, 3}[shift]:]
	if (shift+len(text))%3 != 0 {
		all = all[:len(all)-1]
	}
	return []byte(all)
}

const (
	deepest  = 3
	inflates = 8 << 20 // no more of one stream is looked at
)

// in looks everywhere in data.
func (f *finder) in(where string, data []byte) []find { return f.look(where, data, 0) }

func (f *finder) look(where string, data []byte, depth int) (out []find) {
	if len(data) < 8 {
		return nil
	}
	small, std := make([]byte, len(data)), make([]byte, len(data))
	for i, c := range data {
		small[i], std[i] = toSmall[c], toStd[c]
	}
	out = append(f.folded.in(where, small), f.exact.in(where, std)...)
	if depth == deepest {
		return out
	}
	for _, s := range inflated(data) {
		out = append(out, f.look(where+" > "+s.how, s.data, depth+1)...)
	}
	for _, s := range decoded(std) {
		out = append(out, f.look(where+" > base64", s, depth+1)...)
	}
	return out
}

// Small letters, and base64 of one alphabet.
var toSmall, toStd = func() (small, std [256]byte) {
	for c := range 256 {
		small[c], std[c] = byte(c), byte(c)
		if 'A' <= c && c <= 'Z' {
			small[c] += 'a' - 'A'
		}
	}
	std['-'], std['_'] = '+', '/'
	return small, std
}()

type stream struct {
	how  string
	data []byte
}

// inflated is what can be inflated from data: gzip, zlib, bzip2 and zip wherever they may begin, and bare deflate at the
// beginning.
func inflated(data []byte) (out []stream) {
	keep := func(how string, r io.Reader, err error) {
		if err != nil {
			return
		}
		plain, _ := io.ReadAll(io.LimitReader(r, inflates)) // what came before it broke off counts
		if len(plain) >= 8 {
			out = append(out, stream{how, plain})
		}
	}
	at := func(magic string, try func(at int)) {
		for i, from := 0, 0; ; from = i + 1 {
			j := bytes.Index(data[from:], []byte(magic))
			if j < 0 {
				return
			}
			i = from + j
			try(i)
		}
	}
	at("\x1f\x8b\x08", func(i int) {
		r, err := gzip.NewReader(bytes.NewReader(data[i:]))
		keep(fmt.Sprintf("gzip at %d", i), r, err)
	})
	for _, head := range []string{"\x78\x01", "\x78\x5e", "\x78\x9c", "\x78\xda"} {
		at(head, func(i int) {
			r, err := zlib.NewReader(bytes.NewReader(data[i:]))
			keep(fmt.Sprintf("zlib at %d", i), r, err)
		})
	}
	at("BZh", func(i int) { keep(fmt.Sprintf("bzip2 at %d", i), bzip2.NewReader(bytes.NewReader(data[i:])), nil) })
	at("PK\x03\x04", func(i int) {
		if i+30 > len(data) || binary.LittleEndian.Uint16(data[i+8:]) != 8 {
			return // stored as it is: found as it is
		}
		body := i + 30 + int(binary.LittleEndian.Uint16(data[i+26:])) + int(binary.LittleEndian.Uint16(data[i+28:]))
		if body < len(data) {
			keep(fmt.Sprintf("zip at %d", i), flate.NewReader(bytes.NewReader(data[body:])), nil)
		}
	})
	keep("deflate", flate.NewReader(bytes.NewReader(data)), nil)
	return out
}

// runs are the long runs of base64 in data.
func runs(std []byte) (out [][]byte) {
	begin := -1
	for i := 0; i <= len(std); i++ {
		if i < len(std) && inAlphabet[std[i]] {
			if begin < 0 {
				begin = i
			}
			continue
		}
		if begin >= 0 && i-begin >= 24 {
			out = append(out, std[begin:i])
		}
		begin = -1
	}
	return out
}

var inAlphabet = func() (in [256]bool) {
	for _, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/" {
		in[c] = true
	}
	return in
}()

// decoded is what long runs of base64 in data stand for, whichever of their first characters they really begin at: what
// was compressed before it was encoded is found so.
func decoded(std []byte) (out [][]byte) {
	for _, run := range runs(std) {
		for shift := range 4 {
			b := run[shift:]
			b = b[:len(b)/4*4]
			plain := make([]byte, base64.RawStdEncoding.DecodedLen(len(b)))
			if n, err := base64.RawStdEncoding.Decode(plain, b); err == nil && compressed(plain[:n]) {
				out = append(out, plain[:n])
			}
		}
	}
	return out
}

// compressed reports whether something that could be inflated begins in data: only then is it worth a second look, since what
// is merely encoded was found already.
func compressed(data []byte) bool {
	for _, magic := range []string{"\x1f\x8b\x08", "\x78\x01", "\x78\x5e", "\x78\x9c", "\x78\xda", "BZh", "PK\x03\x04", "H4sI"} {
		if bytes.Contains(data, []byte(magic)) {
			return true
		}
	}
	return false
}

// The finder finds what it is for, in each of its forms: otherwise that it finds nothing elsewhere would mean nothing.
func TestTheFinderFinds(t *testing.T) {
	const text = "Qzhidden0042"
	f := newFinder([]secret{{"it", text}})
	gz := func(s string) string {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		_, _ = w.Write([]byte(s))
		_ = w.Close()
		return b.String()
	}
	zl := func(s string) string {
		var b bytes.Buffer
		w := zlib.NewWriter(&b)
		_, _ = w.Write([]byte(s))
		_ = w.Close()
		return b.String()
	}
	fl := func(s string) string {
		var b bytes.Buffer
		w, _ := flate.NewWriter(&b, 9)
		_, _ = w.Write([]byte(s))
		_ = w.Close()
		return b.String()
	}
	wide := func(order binary.AppendByteOrder, s string) string {
		var b []byte
		for _, u := range utf16.Encode([]rune(s)) {
			b = order.AppendUint16(b, u)
		}
		return string(b)
	}
	std, raw := base64.StdEncoding.EncodeToString, base64.RawURLEncoding.EncodeToString
	story := "it rained on " + text + " all day, and " + strings.Repeat("nobody came; ", 40)
	for name, data := range map[string]string{
		"plain":                      story,
		"capitals":                   strings.ToUpper(story),
		"UTF-16LE":                   wide(binary.LittleEndian, story),
		"UTF-16BE":                   wide(binary.BigEndian, strings.ToUpper(story)),
		"hexadecimal":                hex.EncodeToString([]byte(story)),
		"HEXADECIMAL":                strings.ToUpper(hex.EncodeToString([]byte(story))),
		"percent":                    "%51%7A%68%69%64%64%65%6E%30%30%34%32",
		"base64 after 0":             std([]byte(text + " and more")),
		"base64 after 1":             std([]byte("." + text + " and more")),
		"base64 after 2":             raw([]byte(".." + text)),
		"base64 between bytes":       raw([]byte("\xff\xfe\xfb" + text + "\xff\xfe\xfb")),
		"gzip":                       gz(story),
		"gzip somewhere":             strings.Repeat("\x1f\x8b\x00", 50) + gz(story) + "after",
		"gzip cut off":               gz(story)[:60],
		"zlib somewhere":             "x\x9cx\x01" + zl(story),
		"deflate":                    fl(story),
		"gzip in base64":             `{"box":"` + std([]byte(gz(story))) + `"}`,
		"gzip in base64, shifted":    raw([]byte("ab" + gz(story))),
		"base64 in gzip":             gz(std([]byte(story))),
		"base64 in gzip in base64":   raw([]byte(gz(raw([]byte("a" + story))))),
		"gzip in gzip":               gz(gz(story)),
		"among bytes beyond letters": "\xff\x00\xc3" + text + "\xa9\xff",
	} {
		if found := f.in("here", []byte(data)); len(found) == 0 {
			t.Errorf("%s: not found", name)
		}
	}
	for _, data := range []string{"", "Qzhidden004", strings.Repeat("nobody came; ", 1000), gz("nobody"), std([]byte("Qzhidden"))} {
		if found := f.in("here", []byte(data)); len(found) > 0 {
			t.Errorf("found what is not there: %v", found)
		}
	}
}

// What the finder can inflate is all that the program can compress: it links no other way to, but the one of GIF pictures.
func TestTheProgramCompressesInNoOtherWay(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "plumbline/cmd/plumbline").Output()
	if err != nil {
		t.Fatal(err)
	}
	known := []string{"compress/bzip2", "compress/flate", "compress/gzip", "compress/zlib", "compress/lzw"}
	other := regexp.MustCompile(`(?i)compress|zstd|lz4|snappy|brotli|\bxz\b|lzma|lzo`)
	deps := strings.Fields(string(out))
	if !slices.Contains(deps, "compress/flate") {
		t.Fatalf("that is no list of what the program links: %d names", len(deps))
	}
	for _, path := range deps {
		if other.MatchString(path) && !slices.Contains(known, path) {
			t.Errorf("%s may compress in a way that the finder does not know", path)
		}
	}
}
