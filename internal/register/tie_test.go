package register_test

import (
	"context"
	"testing"

	"plumbline/internal/fault"
	"plumbline/internal/journal"
	"plumbline/internal/ref"
	"plumbline/internal/register"
	"plumbline/internal/rows"
	"plumbline/internal/store"
	"plumbline/internal/testing/world"
)

// A tie is entered once, works from both sides and under every entry of a person, ends on its last day, and a row changed
// behind the record's back is named.
func TestTiesAreWhatWasDeclared(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		var made register.Tie
		tx(t, db, func(ctx context.Context, x *store.Tx) error {
			for id := ref.OfficialID(1); id <= 3; id++ {
				if _, err := register.AddOfficial(ctx, x, by, register.Official{ID: id, Name: "N", Identified: 1}); err != nil {
					return err
				}
			}
			if _, err := register.MergeOfficial(ctx, x, by, 3, 2); err != nil {
				return err
			}
			var err error
			made, err = register.Declare(ctx, x, by, register.Tie{ID: 50, Official: 1, Other: 2, Kind: register.TieRelative, From: "2026-01-01"})
			return err
		})
		for name, bad := range map[string]register.Tie{
			"again": {ID: 51, Official: 1, Other: 2, Kind: register.TieRelative}, "to themselves": {ID: 51, Official: 1, Other: 1, Kind: register.TieRelative},
			"to nobody": {ID: 51, Official: 1, Other: 99, Kind: register.TieInterest}, "of no kind": {ID: 51, Official: 1, Other: 2, Kind: "enemy"},
		} {
			if err := db.Tx(t.Context(), func(x *store.Tx) error { _, err := register.Declare(t.Context(), x, by, bad); return err }); !fault.Is(err, fault.Invalid) {
				t.Errorf("declared %s: %v", name, err)
			}
		}
		tiedOn := func(day string, official ref.OfficialID) int {
			var n int
			tx(t, db, func(ctx context.Context, x *store.Tx) error {
				all, err := register.People(ctx, x, map[ref.AccountID]ref.OfficialID{7: official}, day)
				n = len(all[7].Tied)
				return err
			})
			return n
		}
		for _, tt := range []struct {
			day      string
			official ref.OfficialID
			want     int
		}{{"2025-12-31", 1, 0}, {"2026-01-01", 1, 2}, {"2026-01-01", 2, 1}, {"2026-01-01", 3, 1}} {
			if got := tiedOn(tt.day, tt.official); got != tt.want {
				t.Errorf("official %d on %s is tied to %d entries, want %d", tt.official, tt.day, got, tt.want)
			}
		}
		tx(t, db, func(ctx context.Context, x *store.Tx) error {
			_, err := register.EndTie(ctx, x, by, made.ID, "2026-06-30")
			return err
		})
		if tiedOn("2026-06-30", 1) == 0 || tiedOn("2026-07-01", 1) != 0 {
			t.Error("a tie does not end with its last day")
		}
		streams := map[string][]journal.Entry{}
		tx(t, db, func(ctx context.Context, x *store.Tx) error {
			found, err := journal.Stream(ctx, x, made.Stream())
			for _, e := range found {
				streams["50"] = append(streams["50"], e.Entry)
			}
			return err
		})
		check := func() (out []rows.Difference) {
			tx(t, db, func(ctx context.Context, x *store.Tx) (err error) {
				out, err = register.TieFolder{}.Check(ctx, x, streams)
				return err
			})
			return out
		}
		if got := check(); len(got) != 0 || len(streams["50"]) != 2 {
			t.Errorf("as recorded: %v of %d entries", got, len(streams["50"]))
		}
		exec(t, db, `UPDATE tie SET other = 3`)
		if got := check(); len(got) != 1 || got[0].Column != "other" {
			t.Errorf("a changed row: %v", got)
		}
	})
}
