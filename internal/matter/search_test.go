package matter_test

import (
	"context"
	"testing"

	"plumbline/internal/access"
	"plumbline/internal/fault"
	"plumbline/internal/journal"
	"plumbline/internal/store"
	"plumbline/internal/testing/world"
	"plumbline/internal/vault"
)

func TestSearchFindsWhatTheSearcherMaySeeAndCanOpen(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		w := newTown(t, db)
		ina := people["ina"]
		var keys *vault.Keys
		desk := vault.Desk{Duty: ina.Grants[0].Duty, Body: ina.Grants[0].Body}
		v := w.engine.Vault()
		w.tx(func(ctx context.Context, tx *store.Tx) error {
			return v.Join(ctx, tx, journal.Actor{Duty: "operator"}, ina.Account, desk)
		})
		keys, err := v.Enrol(t.Context(), ina.Account, vault.Secret{Kind: vault.Password, Bytes: []byte("seven quiet herons")})
		if err != nil {
			t.Fatal(err)
		}
		a, _ := w.report()
		w.report()
		w.tx(func(ctx context.Context, tx *store.Tx) error {
			_, err := w.engine.Note(ctx, tx, ina, keys, a.Matter.ID, "The Ｈｅｒｏｎ stood at the weir.", journal.ViaWeb)
			return err
		})
		find := func(who access.Viewer, k *vault.Keys, words string) int {
			t.Helper()
			got, err := w.engine.SearchSealed(t.Context(), who, k, words, 10, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, h := range got.Hits {
				if h.State.Matter.ID != a.Matter.ID {
					t.Errorf("%q: found in another matter", words)
				}
			}
			return len(got.Hits)
		}
		for words, want := range map[string]int{"heron": 1, "WEIR heron": 1, "heron crane": 0, "crane": 0} {
			if got := find(ina, keys, words); got != want {
				t.Errorf("%q: %d hits, want %d", words, got, want)
			}
		}
		if got := find(people["kit"], keys, "heron"); got != 0 {
			t.Errorf("somebody who may not see it found it with borrowed keys")
		}
		if _, err := w.engine.SearchSealed(t.Context(), ina, nil, "heron", 10, nil); !fault.Is(err, fault.Forbidden) {
			t.Errorf("without keys: %v", err)
		}
		if _, err := w.engine.SearchSealed(t.Context(), ina, keys, "  ", 10, nil); !fault.Is(err, fault.Invalid) {
			t.Errorf("without words: %v", err)
		}
	})
}
