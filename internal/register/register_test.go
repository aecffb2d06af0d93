package register_test

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"plumbline/internal/fault"
	"plumbline/internal/journal"
	"plumbline/internal/ref"
	"plumbline/internal/register"
	"plumbline/internal/rows"
	"plumbline/internal/store"
	"plumbline/internal/testing/world"
)

var by = register.By{Actor: journal.Actor{Account: 1, Duty: "admin"}, Via: journal.ViaCLI, At: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)}

func tx(t testing.TB, db *store.DB, f func(ctx context.Context, tx *store.Tx) error) {
	t.Helper()
	if err := db.Tx(t.Context(), func(x *store.Tx) error { return f(t.Context(), x) }); err != nil {
		t.Fatal(err)
	}
}

func body(id ref.BodyID, code string, parent ref.BodyID, level, sector string) register.Body {
	return register.Body{ID: id, Code: code, Parent: parent, Level: level, Sector: sector, Names: []register.Name{{Lang: "en", Name: "The " + code}}}
}

// country: 1 nation ─ 2 city ─ 3 police, 4 oversight, 5 court; 2 ─ 6 district ─ 7 station
func country(t testing.TB, db *store.DB) {
	t.Helper()
	tx(t, db, func(ctx context.Context, x *store.Tx) error {
		for _, b := range []register.Body{
			body(1, "nation", 0, "national", "government"), body(2, "city", 1, "city", "government"),
			body(3, "police", 2, "city", "police"), body(4, "oversight", 2, "city", "oversight"), body(5, "court", 2, "city", "court"),
			body(6, "district", 3, "district", "police"), body(7, "station", 6, "station", "police"),
		} {
			if _, err := register.AddBody(ctx, x, by, b); err != nil {
				return err
			}
		}
		return nil
	})
}

func above(t testing.TB, db *store.DB, id ref.BodyID) (out []ref.BodyID) {
	t.Helper()
	tx(t, db, func(ctx context.Context, x *store.Tx) (err error) { out, err = register.Above(ctx, x, id); return err })
	return out
}

func TestTreeKnowsWhoIsAboveAfterEveryMove(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		country(t, db)
		if got, want := above(t, db, 7), []ref.BodyID{7, 6, 3, 2, 1}; !cmp.Equal(got, want) {
			t.Errorf("above the station: %v, want %v", got, want)
		}
		tx(t, db, func(ctx context.Context, x *store.Tx) error {
			_, err := register.MoveBody(ctx, x, by, 6, 5)
			return err
		})
		if got, want := above(t, db, 7), []ref.BodyID{7, 6, 5, 2, 1}; !cmp.Equal(got, want) {
			t.Errorf("after the move: %v, want %v", got, want)
		}
		var loop error
		_ = db.Tx(t.Context(), func(x *store.Tx) error { _, loop = register.MoveBody(t.Context(), x, by, 5, 7); return loop })
		if !fault.Is(loop, fault.Invalid) {
			t.Errorf("a body was moved below itself: %v", loop)
		}
		tx(t, db, func(ctx context.Context, x *store.Tx) error {
			_, err := register.MergeBody(ctx, x, by, 6, 4, "2026-03-31")
			return err
		})
		if got, want := above(t, db, 7), []ref.BodyID{7, 6, 4, 2, 1}; !cmp.Equal(got, want) {
			t.Errorf("after the merger: %v, want %v", got, want)
		}
		tx(t, db, func(ctx context.Context, x *store.Tx) error {
			b, err := register.BodyByCode(ctx, x, "district")
			if err == nil && b.ID != 4 {
				t.Errorf("the merged district is found as %d, want oversight", b.ID)
			}
			return err
		})
		clean(t, db)
	})
}

func TestHistoryOfNamesAndPostsIsKept(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		country(t, db)
		tx(t, db, func(ctx context.Context, x *store.Tx) error {
			b, err := register.RenameBody(ctx, x, by, 3, "en", "City Police Service", "2026-04-01")
			if err != nil {
				return err
			}
			if a, z := b.Called("en", "2026-03-31"), b.Called("en", ""); a != "The police" || z != "City Police Service" {
				t.Errorf("called %q before and %q after", a, z)
			}
			o, err := register.AddOfficial(ctx, x, by, register.Official{ID: 100, Source: "personnel", SourceKey: "77", Name: "Ana Mori", Identified: 1,
				Posts: []register.Post{{Body: 7, Title: "Officer", Rank: "officer", From: "2019"}}})
			if err != nil {
				return err
			}
			if o, err = register.EndPost(ctx, x, by, 100, 1, "2024-06-30"); err != nil {
				return err
			}
			if o, err = register.AddPost(ctx, x, by, 100, register.Post{Body: 6, Title: "Inspector", Rank: "inspector", From: "2024-07-01"}); err != nil {
				return err
			}
			for _, tt := range []struct {
				on   string
				want ref.BodyID
			}{{"2018-12-31", 0}, {"2019-05-01", 7}, {"2024-06-30", 7}, {"2024-07-01", 6}, {"2024", 6}, {"", 6}} {
				p, ok := o.PostAt(tt.on)
				if ok != (tt.want != 0) || p.Body != tt.want {
					t.Errorf("post on %q: body %d (%v), want %d", tt.on, p.Body, ok, tt.want)
				}
			}
			if _, err = register.RenameOfficial(ctx, x, by, 100, "Ana Mori-Keller", "2025-01-01"); err != nil {
				return err
			}
			return nil
		})
		for q, want := range map[string]int{"mori": 1, "MOR ana": 1, "keller": 1, "ell": 0, "77": 1, "": 0} {
			if got := search(t, db, q); len(got) != want {
				t.Errorf("search %q finds %d, want %d", q, len(got), want)
			}
		}
		clean(t, db)
	})
}

func search(t testing.TB, db *store.DB, q string) (out []register.Official) {
	t.Helper()
	tx(t, db, func(ctx context.Context, x *store.Tx) (err error) {
		out, err = register.SearchOfficials(ctx, x, q, 10)
		return err
	})
	return out
}

func TestNamesInHanAreFoundFromAnyCharacter(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		tx(t, db, func(ctx context.Context, x *store.Tx) error {
			_, err := register.AddOfficial(ctx, x, by, register.Official{ID: 1, Name: "欧阳明华", Identified: 1})
			return err
		})
		for q, want := range map[string]int{"欧阳": 1, "明": 1, "明华": 1, "华明": 0} {
			if got := search(t, db, q); len(got) != want {
				t.Errorf("search %q finds %d, want %d", q, len(got), want)
			}
		}
	})
}

func TestMergedOfficialsAreFoundAsOne(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		tx(t, db, func(ctx context.Context, x *store.Tx) error {
			for id, name := range map[ref.OfficialID]string{1: "J. Ott", 2: "Johanna Ott"} {
				if _, err := register.AddOfficial(ctx, x, by, register.Official{ID: id, Name: name, Identified: 1}); err != nil {
					return err
				}
			}
			if _, err := register.MergeOfficial(ctx, x, by, 1, 2); err != nil {
				return err
			}
			o, err := register.OfficialByID(ctx, x, 1)
			if err == nil && o.ID != 2 {
				t.Errorf("official 1 is found as %d", o.ID)
			}
			return err
		})
		if got := search(t, db, "ott"); len(got) != 1 || got[0].ID != 2 {
			t.Errorf("search finds %v", got)
		}
		clean(t, db)
	})
}

// Importing in bulk and entering one by one give the same register.
func TestBulkImportEqualsEnteringOneByOne(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		o := func(id ref.OfficialID) register.Official {
			return register.Official{ID: id, Source: "s", SourceKey: id.String(), Name: "Pat " + id.String(), Identified: 1, Data: `{"shield":"4"}`,
				Posts: []register.Post{{Body: 3, Rank: "officer"}, {Body: 4, Rank: "chief", From: "2020"}}}
		}
		var one, bulk register.Official
		tx(t, db, func(ctx context.Context, x *store.Tx) (err error) {
			if err := register.ImportOfficials(ctx, x, by, []register.Official{o(1), o(2)}); err != nil {
				return err
			}
			if one, err = register.AddOfficial(ctx, x, by, o(3)); err != nil {
				return err
			}
			bulk, err = register.OfficialByID(ctx, x, 2)
			return err
		})
		if d := cmp.Diff(one, bulk, cmpopts.IgnoreFields(register.Official{}, "ID", "SourceKey", "Name", "Names")); d != "" {
			t.Error(d)
		}
		clean(t, db)
		tx(t, db, func(ctx context.Context, x *store.Tx) error {
			same := o(1)
			if _, changed, err := register.UpdateOfficial(ctx, x, by, 1, same); err != nil || changed {
				t.Errorf("an unchanged official changed: %v, %v", changed, err)
			}
			same.Posts[0].Rank = "sergeant"
			now, changed, err := register.UpdateOfficial(ctx, x, by, 1, same)
			if err != nil || !changed || now.Posts[0].Rank != "sergeant" || now.N != 2 {
				t.Errorf("update: %+v, %v, %v", now, changed, err)
			}
			return nil
		})
		clean(t, db)
	})
}

func TestCompetentIsTheNearestAtOrAboveOrBesideTheChain(t *testing.T) {
	db := world.SQLite(t)
	country(t, db)
	var tree *register.Tree
	tx(t, db, func(ctx context.Context, x *store.Tx) (err error) { tree, err = register.LoadTree(ctx, x); return err })
	never := func(ref.BodyID) bool { return false }
	for _, tt := range []struct {
		name          string
		from          ref.BodyID
		level, sector string
		skip          func(ref.BodyID) bool
		want          ref.BodyID
	}{
		{"itself", 3, "city", "police", never, 3},
		{"beside the chain", 7, "city", "oversight", never, 4},
		{"above", 7, "national", "", never, 1},
		{"passed over", 7, "city", "police", func(b ref.BodyID) bool { return b == 3 }, 0},
		{"nowhere", 7, "galaxy", "", never, 0},
		{"about nobody in particular", 0, "national", "", never, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tree.Competent(tt.from, tt.level, tt.sector, tt.skip); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
	if got := tree.Superior(7, func(b ref.BodyID) bool { return b == 2 }); got != 2 {
		t.Errorf("superior with the duty: %d, want 2", got)
	}
	if got := tree.Superior(7, func(ref.BodyID) bool { return false }); got != 6 {
		t.Errorf("superior where nobody has the duty: %d, want the one directly above", got)
	}
	if got := tree.Superior(1, func(ref.BodyID) bool { return true }); got != 0 {
		t.Errorf("superior of the top: %d", got)
	}
}

func TestTreesNoticesChangesAndForgetsWhatWasUndone(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		country(t, db)
		var trees register.Trees
		get := func() (tree *register.Tree) {
			tx(t, db, func(ctx context.Context, x *store.Tx) (err error) { tree, err = trees.Tree(ctx, x); return err })
			return tree
		}
		first := get()
		if get() != first {
			t.Error("loaded again although nothing changed")
		}
		undone := func(x *store.Tx) error {
			if _, err := register.AddBody(t.Context(), x, by, body(8, "new", 1, "city", "")); err != nil {
				return err
			}
			if tree, err := trees.Tree(t.Context(), x); err != nil || tree.Body(8) == nil {
				t.Errorf("a transaction does not see its own body: %v", err)
			}
			return context.Canceled
		}
		_ = db.Tx(t.Context(), undone) // to be undone
		if get().Body(8) != nil {
			t.Error("a body that was never committed is still there")
		}
	})
}

// clean fails if the register's tables are not what its entries say.
func clean(t *testing.T, db *store.DB) {
	t.Helper()
	for _, d := range check(t, db) {
		t.Error(d)
	}
}

func check(t testing.TB, db *store.DB) (out []rows.Difference) {
	t.Helper()
	tx(t, db, func(ctx context.Context, x *store.Tx) error {
		streams := map[string]map[string][]journal.Entry{"body": {}, "official": {}}
		for thing, found := range streams {
			ids, err := x.Query(ctx, `SELECT DISTINCT stream FROM entry WHERE stream LIKE $1`, thing+"/%")
			if err != nil {
				return err
			}
			names, err := store.Collect(ids, func(r *store.Rows) (s string, err error) { return s, r.Scan(&s) })
			if err != nil {
				return err
			}
			for _, name := range names {
				all, err := journal.Stream(ctx, x, name)
				if err != nil {
					return err
				}
				for _, r := range all {
					found[name[len(thing)+1:]] = append(found[name[len(thing)+1:]], r.Entry)
				}
			}
		}
		bodies := &register.BodyFolder{}
		for _, f := range []interface {
			Thing() string
			Check(context.Context, *store.Tx, map[string][]journal.Entry) ([]rows.Difference, error)
			Strays(context.Context, *store.Tx, int) ([]rows.Difference, error)
		}{bodies, register.OfficialFolder{}} {
			some, err := f.Check(ctx, x, streams[f.Thing()])
			if err != nil {
				return err
			}
			more, err := f.Strays(ctx, x, 100)
			if err != nil {
				return err
			}
			out = append(append(out, some...), more...)
		}
		return nil
	})
	return out
}

func TestEveryColumnChangedBehindTheRecordIsNamed(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		country(t, db)
		tx(t, db, func(ctx context.Context, x *store.Tx) error {
			return register.ImportOfficials(ctx, x, by, []register.Official{{ID: 50, Source: "s", SourceKey: "k", Name: "Sol", Identified: 1,
				Posts: []register.Post{{Body: 3, Rank: "officer"}}}})
		})
		for _, tt := range []struct {
			sql, undo  string
			table, col string
			problem    rows.Problem
		}{
			{`UPDATE body SET level = 'other' WHERE id = 3`, `UPDATE body SET level = 'city' WHERE id = 3`, "body", "level", rows.Changed},
			{`UPDATE body SET parent = 1 WHERE id = 3`, `UPDATE body SET parent = 2 WHERE id = 3`, "body", "parent", rows.Changed},
			{`UPDATE body_name SET name = 'x' WHERE body = 3`, `UPDATE body_name SET name = 'The police' WHERE body = 3`, "body_name", "name", rows.Changed},
			{`UPDATE body_above SET depth = 9 WHERE body = 7 AND above = 1`, `UPDATE body_above SET depth = 4 WHERE body = 7 AND above = 1`, "body_above", "depth", rows.Changed},
			{`DELETE FROM body_above WHERE body = 7 AND above = 1`, `INSERT INTO body_above (body, above, depth) VALUES (7, 1, 4)`, "body_above", "", rows.Missing},
			{`INSERT INTO body_above (body, above, depth) VALUES (3, 5, 1)`, `DELETE FROM body_above WHERE body = 3 AND above = 5`, "body_above", "", rows.Unrecorded},
			{`INSERT INTO body_name (body, lang, valid_from, name, valid_to) VALUES (99, 'en', '', 'x', '')`, `DELETE FROM body_name WHERE body = 99`, "body_name", "", rows.Unrecorded},
			{`UPDATE official SET name = 'x' WHERE id = 50`, `UPDATE official SET name = 'Sol' WHERE id = 50`, "official", "name", rows.Changed},
			{`UPDATE official_name SET name = 'x' WHERE official = 50`, `UPDATE official_name SET name = 'Sol' WHERE official = 50`, "official_name", "name", rows.Changed},
			{`UPDATE post SET rank = 'chief' WHERE official = 50`, `UPDATE post SET rank = 'officer' WHERE official = 50`, "post", "rank", rows.Changed},
			{`DELETE FROM post WHERE official = 50`, `INSERT INTO post (official, no, body, title, rank, valid_from, valid_to, source) VALUES (50, 1, 3, '', 'officer', '', '', '')`, "post", "", rows.Missing},
		} {
			exec(t, db, tt.sql)
			got := check(t, db)
			if len(got) != 1 || got[0].Table != tt.table || got[0].Column != tt.col || got[0].Problem != tt.problem {
				t.Errorf("%s: named %v, want exactly %s.%s %s", tt.sql, got, tt.table, tt.col, tt.problem)
			}
			exec(t, db, tt.undo)
		}
		clean(t, db)
	})
}

func exec(t testing.TB, db *store.DB, sql string) {
	t.Helper()
	tx(t, db, func(ctx context.Context, x *store.Tx) error { _, err := x.Exec(ctx, sql); return err })
}

// Whatever is added, moved, merged and closed in whatever order, the tables are what the entries say.
func TestRandomHistoriesVerify(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		next := int64(0)
		rapid.Check(t, func(rt *rapid.T) {
			var ids []ref.BodyID
			for range rapid.IntRange(3, 12).Draw(rt, "steps") {
				pick := func() ref.BodyID {
					if len(ids) == 0 {
						return 0
					}
					return rapid.SampledFrom(ids).Draw(rt, "body")
				}
				var step func(ctx context.Context, x *store.Tx) error
				switch k := rapid.IntRange(0, 5).Draw(rt, "kind"); {
				case k < 3 || len(ids) < 2:
					next++
					id := ref.BodyID(next)
					b := body(id, "b"+strconv.FormatInt(next, 10), pick(), "l", "s")
					step = func(ctx context.Context, x *store.Tx) error { _, err := register.AddBody(ctx, x, by, b); return err }
					ids = append(ids, id)
				case k == 3:
					a, b := pick(), pick()
					step = func(ctx context.Context, x *store.Tx) error {
						_, err := register.MoveBody(ctx, x, by, a, b)
						return err
					}
				case k == 4:
					a, b := pick(), pick()
					step = func(ctx context.Context, x *store.Tx) error {
						_, err := register.MergeBody(ctx, x, by, a, b, "2026-01-01")
						return err
					}
				default:
					a := pick()
					step = func(ctx context.Context, x *store.Tx) error {
						_, err := register.RenameBody(ctx, x, by, a, "en", "N", "2026-05-01")
						return err
					}
				}
				if err := db.Tx(t.Context(), func(x *store.Tx) error { return step(t.Context(), x) }); err != nil && !fault.Is(err, fault.Invalid) {
					rt.Fatal(err)
				}
			}
		})
		clean(t, db)
	})
}
