package ledger

import (
	"encoding/json"
	"testing"
	"time"

	"plumbline/internal/journal"
	"plumbline/verify"
)

// Whatever the journal writes, the short way to the step of an entry leads to what everybody else derives from its bytes.
func TestTheShortWayToAStepIsTheSame(t *testing.T) {
	base := journal.Entry{Stream: "matter/12", N: 3, At: time.Date(2026, 2, 3, 4, 5, 6, 789000, time.UTC), By: journal.Actor{Account: 5, Duty: "intake", Body: 7}, Via: journal.ViaWeb, Action: "screen"}
	quick := 0
	for name, change := range map[string]func(e *journal.Entry){
		"plain":                func(*journal.Entry) {},
		"with a pack":          func(e *journal.Entry) { e.Pack = "generic@1.0.0" },
		"a whole second":       func(e *journal.Entry) { e.At = e.At.Truncate(time.Second) },
		"nobody in particular": func(e *journal.Entry) { e.By = journal.Actor{} },
		"a duty with brackets": func(e *journal.Entry) { e.By.Duty = `a}","action":"b` },
		"a duty in Chinese":    func(e *journal.Entry) { e.By.Duty = "受理" },
		"an action in Chinese": func(e *journal.Entry) { e.Action = "受理" },
		"an action in quotes":  func(e *journal.Entry) { e.Action = `x"y\z` },
		"an action with space": func(e *journal.Entry) { e.Action = "two words" },
		"a missed clock": func(e *journal.Entry) {
			e.Action, e.Changes = verify.ActionMissed, json.RawMessage(`[{"op":"clock","id":"answer","state":"missed"}]`)
		},
		"fields that look like members": func(e *journal.Entry) { e.Fields = map[string]any{"action": "other", "at": "never", "stream": "x/1"} },
		"sealed parts":                  func(e *journal.Entry) { e.Sealed = map[string]json.RawMessage{"story": json.RawMessage(`{"n":1}`)} },
		"changes of another form":       func(e *journal.Entry) { e.Changes = json.RawMessage(`{"action":"x"}`) },
		"a large number":                func(e *journal.Entry) { e.N = 1 << 40 },
	} {
		e := base
		change(&e)
		b, err := journal.Encode(e)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		want, wantErr := verify.StepOf(b)
		got, gotErr := stepOf(b)
		if (wantErr == nil) != (gotErr == nil) || got.Text() != want.Text() {
			t.Errorf("%s: %q (%v), want %q (%v)", name, got.Text(), gotErr, want.Text(), wantErr)
		}
		if _, ok := quickStep(b); ok {
			quick++
		}
	}
	if quick < 9 {
		t.Errorf("the short way was taken %d times", quick)
	}
}

func FuzzQuickStep(f *testing.F) {
	f.Add("matter/1", int64(1), "intake", "screen", "generic@1")
	f.Fuzz(func(t *testing.T, stream string, n int64, duty, action, pack string) {
		b, err := journal.Encode(journal.Entry{Stream: stream, N: n, At: time.Unix(n%4e9, 1000), By: journal.Actor{Duty: duty}, Via: journal.ViaCLI, Action: action, Pack: pack})
		if err != nil {
			return
		}
		if got, ok := quickStep(b); ok {
			if want, err := verify.StepOf(b); err != nil || want.Text() != got.Text() {
				t.Errorf("%s: %q, want %q (%v)", b, got.Text(), want.Text(), err)
			}
		}
	})
}
