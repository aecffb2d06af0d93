package matter

import (
	"encoding/json"
	"maps"
	"testing"
	"time"

	"plumbline/internal/journal"
)

// What is found without reading an entry in full is what was sealed in it, whatever else stands there.
func FuzzBoxesOfAnEntry(f *testing.F) {
	f.Add("story", "x", "file", `{"box":"AbC_-9","commitment":"00ff"}`, "reporter", `{"box":"x","commitment":"11"}`, `{"n":1}`)
	f.Add("sealed", `,"sealed":{"file":{"box":"no","commitment":"00"}}`, "file", `{"commitment":"00","box":"AbC"}`, "", ``, ``)
	f.Add("a", "", "fi\"le\\", `{"box":"A\u0062C","commitment":"00"}`, "b", `{"box":"x","commitment":"11","more":1}`, `{"a":1,"sealed":{"file":{"box":"no","commitment":"00"}}}`)
	f.Add("a", "", "file", `{"box":"x","commitment":"11","made":"file=ab reporter=cd"}`, "reporter", `{"box":"y","commitment":"11"}`, `{"a":1}`)
	f.Add("a", "", "", ``, "", ``, `{"a":1,"sealed":{"file":{"box":"no","commitment":"00"}}}`)
	f.Fuzz(func(t *testing.T, field, value, name1, sealed1, name2, sealed2, changes string) {
		e := journal.Entry{Stream: "matter/1", N: 1, At: time.Unix(1, 0), Via: journal.ViaWeb, Action: "file", By: journal.Actor{Duty: "reporter"},
			Fields: map[string]any{"b": "1", field: value}, Sealed: map[string]json.RawMessage{}}
		want := map[string]string{}
		for name, part := range map[string]string{name1: sealed1, name2: sealed2} {
			var p struct{ Box string }
			if part == "" || json.Unmarshal([]byte(part), &p) != nil {
				continue
			}
			e.Sealed[name], want[name] = json.RawMessage(part), p.Box
		}
		if changes != "" {
			e.Changes = json.RawMessage(changes)
		}
		raw, err := journal.Encode(e)
		if err != nil {
			return
		}
		got, err := boxesOf(raw)
		if err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		have := map[string]string{}
		for _, b := range got {
			have[b.compartment] = string(b.text)
		}
		if !maps.Equal(have, want) {
			t.Errorf("%s: found %v, want %v", raw, have, want)
		}
	})
}
