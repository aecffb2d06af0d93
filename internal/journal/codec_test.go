package journal

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"plumbline/internal/ref"
)

var noon = time.Date(2026, 3, 27, 12, 0, 0, 123456000, time.UTC)

func sample() Entry {
	return Entry{
		V: 1, Stream: "matter/17", N: 3, At: noon,
		By: Actor{Account: 5, Duty: "intake", Body: 9}, Via: ViaWeb, Pack: "generic@1.0.0", Action: "screen",
		Fields: map[string]any{
			"conduct": "force", "count": int64(1 << 62), "urgent": true, "none": nil,
			"list": []any{"a", int64(2)}, "text": "a < b & c > \"d\"\n\u2028\x01é中",
		},
		Sealed:  map[string]json.RawMessage{"file": json.RawMessage(`{"why":"\u003cb\u003e"}`)},
		Changes: json.RawMessage(`[{"op":"state","to":"screened"}]`),
	}
}

func TestEncodingOfAnEntryStaysTheSame(t *testing.T) {
	got, err := Encode(sample())
	if err != nil {
		t.Fatal(err)
	}
	want := `{"v":1,"stream":"matter/17","n":3,"at":"2026-03-27T12:00:00.123456Z",` +
		`"by":{"account":"5","duty":"intake","body":"9"},"via":"web","pack":"generic@1.0.0","action":"screen",` +
		`"fields":{"conduct":"force","count":4611686018427387904,"list":["a",2],"none":null,"text":"a < b & c > \"d\"\n\u2028\u0001é中","urgent":true},` +
		`"sealed":{"file":{"why":"\u003cb\u003e"}},"changes":[{"op":"state","to":"screened"}]}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	back, err := Decode(got)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(sample(), back); diff != "" {
		t.Errorf("decoded differently (-want +got):\n%s", diff)
	}
}

func TestEncodeWritesTheTimeInUTCToTheMicrosecond(t *testing.T) {
	e := sample()
	e.At = time.Date(2026, 3, 27, 20, 0, 0, 999, time.FixedZone("", 8*3600))
	b, err := Encode(e)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(b), `"at":"2026-03-27T12:00:00Z"`) {
		t.Errorf("%s", b)
	}
}

// A value of another package's type is recorded with sorted members, whatever the order in that type.
func TestEncodeDoesNotDependOnForeignTypes(t *testing.T) {
	e := sample()
	e.Fields = map[string]any{"x": struct {
		Z string `json:"z"`
		A ref.BodyID
	}{"last", 4}, "ids": []ref.BodyID{1, 2}, "f": 3.0}
	b, err := Encode(e)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(b), `"fields":{"f":3,"ids":[1,2],"x":{"A":4,"z":"last"}}`) {
		t.Errorf("%s", b)
	}
	if _, err := Decode(b); err != nil {
		t.Error(err)
	}
}

func TestEncodeRefusesWhatWouldNotComeBack(t *testing.T) {
	for _, tt := range []struct {
		name string
		spec func(*Entry)
	}{
		{"half a number", func(e *Entry) { e.Fields["x"] = 0.5 }},
		{"a number beyond 64 bits", func(e *Entry) { e.Fields["x"] = json.Number("9223372036854775808") }},
		{"bytes that are no text", func(e *Entry) { e.Fields["x"] = "\xff" }},
		{"changes that are no JSON", func(e *Entry) { e.Changes = json.RawMessage(`[`) }},
		{"an empty sealed part", func(e *Entry) { e.Sealed["file"] = nil }},
		{"no stream", func(e *Entry) { e.Stream = "" }},
		{"a stream without a name", func(e *Entry) { e.Stream = "matter/" }},
		{"a stream with two slashes", func(e *Entry) { e.Stream = "matter/1/2" }},
		{"number zero", func(e *Entry) { e.N = 0 }},
		{"no time", func(e *Entry) { e.At = time.Time{} }},
		{"no action", func(e *Entry) { e.Action = "" }},
		{"an unknown way in", func(e *Entry) { e.Via = "fax" }},
		{"a later format", func(e *Entry) { e.V = 2 }},
		{"a value inside itself", func(e *Entry) { l := []any{nil}; l[0] = l; e.Fields["x"] = l }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := sample()
			tt.spec(&e)
			if b, err := Encode(e); err == nil {
				t.Errorf("encoded as %s", b)
			}
		})
	}
}

func TestDecodeTakesOnlyWhatEncodeWrites(t *testing.T) {
	good := `{"v":1,"stream":"body/7","n":1,"at":"2026-03-27T12:00:00Z","by":{"duty":"admin"},"via":"cli","action":"register.add"}`
	if _, err := Decode([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, bad string }{
		{"white space", strings.Replace(good, `,"n"`, `, "n"`, 1)},
		{"a line break at the end", good + "\n"},
		{"something behind it", good + "{}"},
		{"an unknown member", strings.Replace(good, `"v":1`, `"v":1,"x":1`, 1)},
		{"another order", strings.Replace(good, `"v":1,"stream":"body/7"`, `"stream":"body/7","v":1`, 1)},
		{"another case", strings.Replace(good, `"via"`, `"Via"`, 1)},
		{"a repeated member", strings.Replace(good, `"n":1`, `"n":1,"n":1`, 1)},
		{"a missing member", strings.Replace(good, `"action":"register.add"`, `"action":""`, 1)},
		{"a needless escape", strings.Replace(good, `cli`, `\u0063li`, 1)},
		{"a time not in UTC", strings.Replace(good, `12:00:00Z`, `20:00:00+08:00`, 1)},
		{"a needless fraction", strings.Replace(good, `12:00:00Z`, `12:00:00.000Z`, 1)},
		{"nanoseconds", strings.Replace(good, `12:00:00Z`, `12:00:00.000000001Z`, 1)},
		{"an account that is nobody", strings.Replace(good, `{"duty"`, `{"account":"0","duty"`, 1)},
		{"empty fields", strings.Replace(good, `}`, `},"fields":{}`, 1)},
		{"keys out of order", strings.Replace(good, `"register.add"`, `"register.add","fields":{"b":1,"a":2}`, 1)},
		{"a number with an exponent", strings.Replace(good, `"register.add"`, `"register.add","fields":{"a":1e3}`, 1)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.bad == good {
				t.Fatal("the case changes nothing")
			}
			if _, err := Decode([]byte(tt.bad)); err == nil {
				t.Errorf("decoded %s", tt.bad)
			}
		})
	}
}

func TestWhateverIsEncodedDecodesToTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		leaf := rapid.OneOf(rapid.Map(rapid.String(), func(s string) any { return s }),
			rapid.Map(rapid.Int64(), func(n int64) any { return n }), rapid.Map(rapid.Bool(), func(b bool) any { return b }))
		e := sample()
		e.Fields = rapid.MapOf(rapid.String(), rapid.OneOf(leaf,
			rapid.Map(rapid.SliceOfN(leaf, 1, 3), func(l []any) any { return l }),
			rapid.Map(rapid.MapOfN(rapid.String(), leaf, 1, 3), func(m map[string]any) any { return m }))).Draw(t, "fields")
		if len(e.Fields) == 0 {
			e.Fields = nil
		}
		b, err := Encode(e)
		if err != nil {
			t.Fatal(err)
		}
		back, err := Decode(b)
		if err != nil {
			t.Fatalf("%v: %s", err, b)
		}
		if diff := cmp.Diff(e, back); diff != "" {
			t.Fatal(diff)
		}
	})
}

// FuzzDecode: what parses is what was written, byte for byte, and nothing makes the reader fall over.
func FuzzDecode(f *testing.F) {
	b, err := Encode(sample())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"v":1,"stream":"body/7","n":1,"at":"2026-03-27T12:00:00Z","by":{"duty":"admin"},"via":"cli","action":"a","changes":[1.50,"\u003c",{"b":1,"a":2}]}`))
	f.Add([]byte(`{"v":1,"stream":"body/7","n":1,"at":"2026-03-27T12:00:00Z","by":{"duty":""},"via":"cli","action":"a","fields":{"":null},"sealed":{"x":null}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := Decode(b)
		if err != nil {
			return
		}
		again, err := Encode(e)
		if err != nil {
			t.Fatalf("%v: %s", err, b)
		}
		if !bytes.Equal(again, b) {
			t.Fatalf("read  %s\nwrote %s", b, again)
		}
	})
}
