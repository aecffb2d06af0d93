package matter_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"plumbline/internal/journal"
	"plumbline/internal/matter"
	"plumbline/internal/ref"
	"plumbline/internal/store"
	"plumbline/internal/testing/world"
	"plumbline/internal/vault"
)

// How somebody is described who is not identified stands in no entry and no table in the clear; the allegation says where it is
// sealed, and whoever opens the file there finds it.
func TestADescriptionIsSealedAndFoundAgain(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		w := newTown(t, db)
		const secret = "xyzzy-plugh, the tall one"
		code := ref.NewReceiptCode()
		s, err := w.file(code, matter.Values{"body": "police", "story": "a story", "official": matter.OfficialValue{Described: secret}})
		if err != nil {
			t.Fatal(err)
		}
		s = w.do("ina", s.Matter.ID, "screen", matter.Values{"severity": "low"})
		if len(s.Allegations) != 1 {
			t.Fatalf("allegations: %+v", s.Allegations)
		}
		m, sealed := matter.ParseMention(s.Allegations[0].Described)
		if want := (matter.Mention{Matter: s.Matter.ID, N: 1, At: "official"}); !sealed || m != want {
			t.Fatalf("the allegation says %q, want %s", s.Allegations[0].Described, want)
		}
		w.tx(func(ctx context.Context, tx *store.Tx) error {
			all, err := journal.Stream(ctx, tx, s.Matter.ID.Stream())
			if err != nil {
				return err
			}
			for _, e := range all {
				if strings.Contains(string(e.Bytes), "xyzzy") {
					t.Errorf("entry %d holds the description in the clear", e.N)
				}
			}
			o, err := w.engine.Opener(ctx, tx, vault.ReporterKeys(code), s.Matter.ID)
			if err != nil {
				return err
			}
			content, open := matter.Content(o, all[0].Entry, "file")
			if got := m.In(content); !open || got != secret {
				t.Errorf("where the allegation points to stands %q", got)
			}
			return nil
		})
		w.verify()
	})
}

func TestAMentionIsNoTextThatPeopleWrite(t *testing.T) {
	for _, text := range []string{"", "a tall officer", "@home", "@1/2", "@1/2/", "@1/2/Official", "@1/2/a b", " @1/2/official", "@1/2/official ", "@99999999999999999999/1/official"} {
		if m, ok := matter.ParseMention(text); ok {
			t.Errorf("%q is read as %+v", text, m)
		}
	}
	rows := matter.Mention{Matter: 7, N: 3, At: "allegations.1"}
	if m, ok := matter.ParseMention(rows.String()); !ok || m != rows {
		t.Errorf("%s is read as %+v", rows, m)
	}
	content := map[string]any{}
	if err := json.Unmarshal([]byte(`{"allegations":[{"conduct":"insult"},{"official":{"described":"bearded"}}],"official":{"described":"tall"}}`), &content); err != nil {
		t.Fatal(err)
	}
	for at, want := range map[string]string{"allegations.1": "bearded", "allegations.0": "", "allegations.9": "", "official": "tall", "other": "", "other.1": ""} {
		if got := (matter.Mention{At: at}).In(content); got != want {
			t.Errorf("at %s stands %q, want %q", at, got, want)
		}
	}
}
