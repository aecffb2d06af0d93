package verify_test

import (
	"encoding/json"
	"testing"
	"time"

	"pgregory.net/rapid"

	"plumbline/internal/journal"
	"plumbline/verify"
)

// Whatever the journal records, its step can be told and read back.
func TestEveryEntryOfTheJournalHasAStep(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		changes := rapid.SampledFrom([]string{"", "null", "{}", "[]", `"x"`, "7", `[{"op":"clock","id":"a b","state":"missed"}]`, `[[1],{"op":2}]`, `{"op":"clock"}`}).Draw(t, "changes")
		e := journal.Entry{
			Stream: rapid.StringMatching(`[a-z][a-z-]{0,8}/[a-zA-Z0-9_.@-]{1,12}`).Draw(t, "stream"),
			N:      rapid.Int64Range(1, 1<<53-1).Draw(t, "n"),
			At:     time.UnixMicro(rapid.Int64Range(0, time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC).UnixMicro()).Draw(t, "at")),
			By:     journal.Actor{Duty: rapid.String().Draw(t, "duty")}, Via: journal.ViaTimer,
			Action: rapid.SampledFrom([]string{verify.ActionMissed, "file", "受理", "a b\n%"}).Draw(t, "action") + rapid.SampledFrom([]string{"", rapid.String().Draw(t, "tail")}).Draw(t, "with"),
			Fields: map[string]any{"stream": "not this", rapid.String().Draw(t, "field"): rapid.String().Draw(t, "value")},
		}
		if changes != "" {
			e.Changes = json.RawMessage(changes)
		}
		bytes, err := journal.Encode(e)
		if err != nil {
			t.Skip("not an entry")
		}
		step, err := verify.StepOf(bytes)
		if err != nil {
			t.Fatalf("%s: %v", bytes, err)
		}
		if step.Stream != e.Stream || step.N != e.N || step.Action != e.Action || !step.At.Equal(e.At) {
			t.Fatalf("%s: step %+v", bytes, step)
		}
		if again, err := verify.ParseStep(step.Text()); err != nil || again.Text() != step.Text() || again.Action != e.Action {
			t.Fatalf("%q does not read back: %+v, %v", step.Text(), again, err)
		}
	})
}
