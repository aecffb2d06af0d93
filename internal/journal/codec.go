package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"sort"
	"strconv"
	"time"
	"unicode/utf8"

	"plumbline/internal/fault"
)

// version is the format of the entries written by this program.
const version = 1

// Encode returns the canonical encoding of e: one line of JSON, members in the order of Entry, keys of maps sorted,
// nothing escaped that need not be, no white space. Fields holds text, whole numbers, yes/no, lists and maps of
// these; anything else is turned into them by its own JSON encoding, and a number that is not whole is refused,
// because it would not come back as what it was. Changes and Sealed are kept as they are but for white space between tokens.
//
// A zero V means the current format. At is recorded in UTC to the microsecond.
func Encode(e Entry) ([]byte, error) {
	if e.V == 0 {
		e.V = version
	}
	e.At = e.At.UTC().Truncate(time.Microsecond)
	if err := e.check(); err != nil {
		return nil, fmt.Errorf("journal: encode %s %d: %w", e.Stream, e.N, err)
	}
	b := make([]byte, 0, 256+len(e.Changes))
	b = append(b, `{"v":`...)
	b = strconv.AppendInt(b, int64(e.V), 10)
	b = append(b, `,"stream":`...)
	b = appendString(b, e.Stream)
	b = append(b, `,"n":`...)
	b = strconv.AppendInt(b, e.N, 10)
	b = append(b, `,"at":"`...)
	b = e.At.AppendFormat(b, time.RFC3339Nano)
	b = append(b, `","by":`...)
	b = appendActor(b, e.By)
	b = append(b, `,"via":`...)
	b = appendString(b, string(e.Via))
	if e.Pack != "" {
		b = append(b, `,"pack":`...)
		b = appendString(b, e.Pack)
	}
	b = append(b, `,"action":`...)
	b = appendString(b, e.Action)
	var err error
	if len(e.Fields) > 0 {
		b = append(b, `,"fields":`...)
		if b, err = appendMap(b, e.Fields, 0); err != nil {
			return nil, fmt.Errorf("journal: encode %s %d: fields: %w", e.Stream, e.N, err)
		}
	}
	if len(e.Sealed) > 0 {
		b = append(b, `,"sealed":{`...)
		for i, k := range sortedKeys(e.Sealed) {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendString(b, k)
			b = append(b, ':')
			if b, err = appendRaw(b, e.Sealed[k]); err != nil {
				return nil, fmt.Errorf("journal: encode %s %d: sealed %s: %w", e.Stream, e.N, k, err)
			}
		}
		b = append(b, '}')
	}
	if len(e.Changes) > 0 {
		b = append(b, `,"changes":`...)
		if b, err = appendRaw(b, e.Changes); err != nil {
			return nil, fmt.Errorf("journal: encode %s %d: changes: %w", e.Stream, e.N, err)
		}
	}
	b = append(b, '}')
	if !utf8.Valid(b) {
		return nil, fault.Wrap(fmt.Errorf("journal: encode %s %d: not UTF-8", e.Stream, e.N), fault.Invalid, "store.text", nil)
	}
	return b, nil
}

// errNotCanonical is what Decode says of bytes that Encode would not have written.
var errNotCanonical = errors.New("not in canonical form")

// Decode reads what Encode wrote, and nothing else: an unknown member, a missing one, other white space, another order
// or a repeated key is an error. So Encode(Decode(b)) is b whenever Decode accepts b. Whole numbers in Fields come
// back as int64, lists as []any, maps as map[string]any.
func Decode(b []byte) (Entry, error) {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	dec.UseNumber()
	var e Entry
	if err := dec.Decode(&e); err != nil {
		return Entry{}, fmt.Errorf("journal: decode: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return Entry{}, fmt.Errorf("journal: decode: %w: something follows the entry", errNotCanonical)
	}
	for k, v := range e.Fields {
		whole, err := wholeNumbers(v)
		if err != nil {
			return Entry{}, fmt.Errorf("journal: decode: fields: %s: %w", k, err)
		}
		e.Fields[k] = whole
	}
	again, err := Encode(e)
	if err != nil {
		return Entry{}, err
	}
	if !bytes.Equal(again, b) {
		return Entry{}, fmt.Errorf("journal: decode: %w", errNotCanonical)
	}
	e.At = e.At.UTC()
	return e, nil
}

// check holds an entry to what every entry has.
func (e *Entry) check() error {
	switch {
	case e.V != version:
		return fmt.Errorf("format %d is unknown here", e.V)
	case !validStream(e.Stream):
		return fmt.Errorf("stream %q is not of the form thing/name", e.Stream)
	case e.N < 1:
		return fmt.Errorf("number %d", e.N)
	case e.At.Year() < 1970 || e.At.Year() > 9999:
		return errors.New("the time is missing or out of range")
	case e.Action == "":
		return errors.New("no action")
	case e.By.Account < 0 || e.By.Body < 0:
		return errors.New("negative id of an actor")
	}
	switch e.Via {
	case ViaWeb, ViaCLI, ViaTimer, ViaImport, ViaAPI:
		return nil
	}
	return fmt.Errorf("unknown way in %q", string(e.Via))
}

// validStream: lower-case thing, slash, name of letters, digits, and - _ . @
func validStream(s string) bool {
	slash := -1
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c == '-':
		case c == '/' && slash < 0:
			slash = i
		case slash >= 0 && (c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c == '_' || c == '.' || c == '@'):
		default:
			return false
		}
	}
	return slash > 0 && slash < len(s)-1 && len(s) <= 200
}

func appendActor(b []byte, a Actor) []byte {
	b = append(b, '{')
	if a.Account != 0 {
		b = append(b, `"account":"`...)
		b = strconv.AppendInt(b, int64(a.Account), 10)
		b = append(b, `",`...)
	}
	b = append(b, `"duty":`...)
	b = appendString(b, a.Duty)
	if a.Body != 0 {
		b = append(b, `,"body":"`...)
		b = strconv.AppendInt(b, int64(a.Body), 10)
		b = append(b, '"')
	}
	return append(b, '}')
}

// maxDepth keeps a value that contains itself from recursing without end.
const maxDepth = 32

func appendValue(b []byte, v any, depth int) ([]byte, error) {
	if depth > maxDepth {
		return nil, errors.New("nested too deeply")
	}
	switch v := v.(type) {
	case nil:
		return append(b, "null"...), nil
	case string:
		return appendString(b, v), nil
	case bool:
		return strconv.AppendBool(b, v), nil
	case int64:
		return strconv.AppendInt(b, v, 10), nil
	case int:
		return strconv.AppendInt(b, int64(v), 10), nil
	case float64:
		// encoding/json makes every number a float64; those below 2^53 are still exact.
		if v != math.Trunc(v) || math.Abs(v) >= 1<<53 {
			return nil, fmt.Errorf("the number %v is not whole", v)
		}
		return strconv.AppendInt(b, int64(v), 10), nil
	case json.Number:
		n, err := wholeNumber(v)
		if err != nil {
			return nil, err
		}
		return strconv.AppendInt(b, n, 10), nil
	case []any:
		b = append(b, '[')
		for i, item := range v {
			if i > 0 {
				b = append(b, ',')
			}
			var err error
			if b, err = appendValue(b, item, depth+1); err != nil {
				return nil, err
			}
		}
		return append(b, ']'), nil
	case map[string]any:
		return appendMap(b, v, depth)
	}
	return appendForeign(b, v, depth)
}

// appendForeign turns a value of another package's type into plain JSON values first, so that the order of its
// members does not depend on that type.
func appendForeign(b []byte, v any, depth int) ([]byte, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var plain any
	if err := dec.Decode(&plain); err != nil {
		return nil, err
	}
	return appendValue(b, plain, depth+1)
}

func appendMap(b []byte, m map[string]any, depth int) ([]byte, error) {
	b = append(b, '{')
	for i, k := range sortedKeys(m) {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, k)
		b = append(b, ':')
		var err error
		if b, err = appendValue(b, m[k], depth+1); err != nil {
			return nil, fmt.Errorf("%s: %w", k, err)
		}
	}
	return append(b, '}'), nil
}

// appendRaw adds JSON that another package made, which must be valid and without white space between tokens.
func appendRaw(b []byte, raw json.RawMessage) ([]byte, error) {
	at := len(b)
	buf := bytes.NewBuffer(b)
	if err := json.Compact(buf, raw); err != nil {
		return nil, err
	}
	b = buf.Bytes()
	if len(b) == at {
		return nil, errors.New("empty")
	}
	return b, nil
}

const hex = "0123456789abcdef"

// appendString writes s as encoding/json does without HTML escapes.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == '\u2028' || r == '\u2029' {
				b = append(b, s[start:i]...)
				b = append(b, '\\', 'u', '2', '0', '2', hex[r&0xf])
				start = i + size
			}
			i += size
			continue
		}
		if c >= ' ' && c != '"' && c != '\\' {
			i++
			continue
		}
		b = append(b, s[start:i]...)
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\b':
			b = append(b, '\\', 'b')
		case '\f':
			b = append(b, '\\', 'f')
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&0xf])
		}
		i++
		start = i
	}
	b = append(b, s[start:]...)
	return append(b, '"')
}

func wholeNumbers(v any) (any, error) {
	var err error
	switch v := v.(type) {
	case json.Number:
		return wholeNumber(v)
	case []any:
		for i := range v {
			if v[i], err = wholeNumbers(v[i]); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for k := range v {
			if v[k], err = wholeNumbers(v[k]); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}

func wholeNumber(n json.Number) (int64, error) {
	i, err := strconv.ParseInt(string(n), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("the number %s is not a whole number of 64 bits", n)
	}
	return i, nil
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
