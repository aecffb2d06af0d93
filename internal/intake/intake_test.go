package intake_test

import (
	"bytes"
	"testing"
	"time"

	"plumbline/internal/fault"
	"plumbline/internal/intake"
	"plumbline/internal/ref"
	"plumbline/internal/store"
	"plumbline/internal/testing/world"
)

func TestTheCodeOfAReport(t *testing.T) {
	draft := intake.NewDraft()
	values := map[string]any{"story": "A long story.", "body": "lanmere-police"}
	code := func(draft, kind string, v any) ref.ReceiptCode {
		t.Helper()
		c, err := intake.CodeFor(draft, kind, v)
		if err != nil {
			t.Fatal(err)
		}
		if parsed, err := ref.ParseReceiptCode(string(c)); err != nil || parsed != c {
			t.Fatalf("%s is no receipt code: %v", c, err)
		}
		return c
	}
	first := code(draft, "report", values)
	if again := code(draft, "report", map[string]any{"body": "lanmere-police", "story": "A long story."}); again != first {
		t.Errorf("the same report sent twice has the codes %s and %s", first, again)
	}
	for _, tt := range []struct {
		name, draft, kind string
		values            any
	}{
		{"another secret", intake.NewDraft(), "report", values},
		{"another kind", draft, "opinion", values},
		{"other words, the same secret: a page prepared by somebody else gives them no code", draft, "report", map[string]any{"story": "Another story."}},
		{"a shift between the parts", draft + "r", "eport", values},
	} {
		if got := code(tt.draft, tt.kind, tt.values); got == first {
			t.Errorf("%s has the same code", tt.name)
		}
	}
}

func TestDrafts(t *testing.T) {
	for _, tt := range []struct {
		s    string
		want bool
	}{{intake.NewDraft(), true}, {"", false}, {"AAAA", false}, {intake.NewDraft() + "A", false}, {"abcdefghijklmnopqrstuvwxyz", false}} {
		if got := intake.IsDraft(tt.s); got != tt.want {
			t.Errorf("IsDraft(%q) = %v", tt.s, got)
		}
	}
}

func TestVisits(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		now := time.Date(2026, 3, 3, 22, 0, 0, 0, time.UTC)
		visits := intake.NewVisits(db, func() time.Time { return now })
		code := ref.NewReceiptCode()
		begin := func() string {
			t.Helper()
			token, err := visits.Begin(ctx, code)
			if err != nil {
				t.Fatal(err)
			}
			return token
		}
		open := func(token string) bool {
			t.Helper()
			got, err := visits.Code(ctx, token)
			if fault.Is(err, fault.NotFound) {
				return false
			}
			if err != nil || got != code {
				t.Fatalf("the visit is to %q, %v", got, err)
			}
			return true
		}
		token := begin()
		for range 5 {
			now = now.Add(intake.Idle - time.Minute)
			if !open(token) {
				t.Fatal("a visit ended while somebody was reading")
			}
		}
		now = now.Add(intake.Idle)
		if open(token) {
			t.Error("a visit outlived its idle time")
		}
		token = begin()
		for range 40 {
			now = now.Add(intake.Idle - time.Minute)
			open(token)
		}
		if open(token) {
			t.Error("a visit goes on for ever")
		}
		token = begin()
		if err := visits.End(ctx, token); err != nil {
			t.Fatal(err)
		}
		if open(token) {
			t.Error("a visit that was left is still open")
		}
		if open("") || open("AAAAAAAAAAAAAAAAAAAAAAAAAA") {
			t.Error("a token that was never given opens something")
		}

		// What the database keeps opens nothing.
		token = begin()
		err := db.Read(ctx, func(tx *store.Tx) error {
			var kept, data []byte
			if err := tx.QueryRow(ctx, `SELECT token, data FROM session WHERE expires > $1`, now.UnixMicro()).Scan(&kept, &data); err != nil {
				return err
			}
			for _, secret := range [][]byte{[]byte(token), []byte(code), []byte(code.Groups()[0]), code.Hash()} {
				if bytes.Contains(kept, secret) || bytes.Contains(data, secret) {
					t.Errorf("the database holds %q", secret)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

func TestTheBrakeCountsWrongCodesAndRecovers(t *testing.T) {
	now := time.Date(2026, 3, 3, 22, 0, 0, 0, time.UTC)
	b := intake.NewBrake(3, time.Second, func() time.Time { return now })
	for i := range 3 {
		if b.Wrong() {
			t.Fatalf("wrong code %d was too many", i+1)
		}
	}
	if !b.Wrong() {
		t.Error("a fourth wrong code at once passed")
	}
	now = now.Add(time.Second)
	if b.Wrong() {
		t.Error("after a second one more should pass")
	}
	if !b.Wrong() {
		t.Error("two passed after one second")
	}
	now = now.Add(time.Hour)
	for range 3 {
		b.Wrong()
	}
	if !b.Wrong() {
		t.Error("an hour of quiet lets more than the bucket through")
	}
}
