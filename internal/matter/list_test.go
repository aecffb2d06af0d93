package matter_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"plumbline/internal/access"
	"plumbline/internal/journal"
	"plumbline/internal/matter"
	"plumbline/internal/ref"
	"plumbline/internal/store"
	"plumbline/internal/testing/world"
)

// many fills a town with matters of every sort: reports in several states, late ones, a case, imported ones.
func (w *town) many() []matter.State {
	w.Helper()
	for i := range 12 {
		s, _ := w.report()
		if i%3 == 0 {
			w.do("ina", s.Matter.ID, "screen", matter.Values{"severity": "low"})
		}
		if i%6 == 0 {
			w.do("ina", s.Matter.ID, "verify", matter.Values{"lead": "2"})
		}
		w.now = w.now.Add(7 * time.Hour)
	}
	w.aCase()
	if _, err := w.file(ref.NewReceiptCode(), matter.Values{"body": "office", "story": "…", "official": matter.OfficialValue{ID: vale}}); err != nil {
		w.Fatal(err)
	}
	w.tx(func(ctx context.Context, tx *store.Tx) error {
		var batch []matter.Imported
		for i := range 9 {
			cmd := matter.ImportCmd{ID: ref.MatterID(w.db.NewID()), Ref: ref.ReferenceFor("I", fmt.Sprint(i)), Kind: "case", Pack: w.pack.ID(), Source: "city",
				SourceKey: fmt.Sprint("2019-", i), Received: []string{"2019", "2019-05", "2019-05-17"}[i%3], Closed: "2020", Body: office,
				Concerned: []ref.BodyID{police, court}[i%2], Allegations: []matter.Allegation{{No: 1, Official: moss, Conduct: "bribery", Category: "corruption", Finding: "unfounded"}}}
			e, s, _, err := matter.ImportEntry(nil, cmd, journal.Actor{Duty: "import"}, w.now)
			if err != nil {
				return err
			}
			batch = append(batch, matter.Imported{Entry: e, New: s})
		}
		return matter.SaveImported(ctx, tx, batch)
	})
	w.now = w.now.AddDate(0, 0, 4)
	if _, err := w.engine.RunClocks(w.Context()); err != nil {
		w.Fatal(err)
	}
	var all []matter.State
	w.tx(func(ctx context.Context, tx *store.Tx) error {
		found, err := tx.Query(ctx, `SELECT id FROM matter ORDER BY id`)
		if err != nil {
			return err
		}
		ids, err := store.Collect(found, func(r *store.Rows) (id ref.MatterID, err error) { return id, r.Scan(&id) })
		if err != nil {
			return err
		}
		byID, err := matter.LoadMany(ctx, tx, ids)
		for _, id := range ids {
			all = append(all, byID[id])
		}
		return err
	})
	return all
}

// A list holds exactly what the viewer may see and asked for, each once, in the order asked for, whatever the pages.
func TestListsAreWhatOneWouldFindByHand(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		w := newTown(t, db)
		all := w.many()
		people["nobody"] = access.Viewer{Account: 99}
		defer delete(people, "nobody")
		names := []string{"ina", "ivo", "rita", "dan", "kit", "nora", "sol", "nobody"}
		rapid.Check(t, func(rt *rapid.T) {
			q := matter.Query{Viewer: people[rapid.SampledFrom(names).Draw(rt, "who")],
				Kind:     rapid.SampledFrom([]string{"", "", "", "report", "case"}).Draw(rt, "kind"),
				State:    rapid.SampledFrom([]string{"", "", "", "received", "imported"}).Draw(rt, "state"),
				Status:   rapid.SampledFrom([]string{"", "", "open", "closed"}).Draw(rt, "status"),
				Desk:     rapid.SampledFrom([]string{"", "", "", "intake"}).Draw(rt, "desk"),
				Body:     rapid.SampledFrom([]ref.BodyID{0, 0, region, office}).Draw(rt, "body"),
				Finding:  rapid.SampledFrom([]string{"", "", "", "sustained"}).Draw(rt, "finding"),
				Conduct:  rapid.SampledFrom([]string{"", "", "", "insult"}).Draw(rt, "conduct"),
				Official: rapid.SampledFrom([]ref.OfficialID{0, 0, reed, moss}).Draw(rt, "official"),
				Imported: rapid.SampledFrom([]string{"", "", "yes", "no"}).Draw(rt, "imported"),
				From:     rapid.SampledFrom([]string{"", "", "2019-05-17", "2026"}).Draw(rt, "from"),
				To:       rapid.SampledFrom([]string{"", "", "2019", "2026-03-03"}).Draw(rt, "to"),
				Text:     rapid.SampledFrom([]string{"", "", "", "moss", "police", "2019-3", "nothing like it"}).Draw(rt, "text"),
				Overdue:  rapid.IntRange(0, 4).Draw(rt, "overdue") == 0, Mine: rapid.IntRange(0, 4).Draw(rt, "mine") == 0,
				Free: rapid.IntRange(0, 4).Draw(rt, "free") == 0,
				Sort: rapid.SampledFrom([]string{"", "due", "received", "changed"}).Draw(rt, "sort"), Desc: rapid.Bool().Draw(rt, "desc"),
				Limit: rapid.IntRange(1, 7).Draw(rt, "limit")}
			var got []matter.State
			counted := -1
			for {
				var page matter.Page
				if err := db.Read(t.Context(), func(tx *store.Tx) (err error) { page, err = w.engine.List(t.Context(), tx, q); return err }); err != nil {
					rt.Fatal(err)
				}
				if counted >= 0 && page.Count != counted {
					rt.Fatalf("counted %d, then %d", counted, page.Count)
				}
				counted = page.Count
				got = append(got, page.Items...)
				if q.After = page.Next; q.After == "" {
					break
				}
			}
			want := map[ref.MatterID]bool{}
			for _, s := range all {
				if w.matches(s, q) {
					want[s.Matter.ID] = true
				}
			}
			if len(got) != len(want) || counted != len(want) {
				rt.Fatalf("found %d, counted %d, want %d", len(got), counted, len(want))
			}
			for _, s := range got {
				if !want[s.Matter.ID] {
					rt.Fatalf("%s is on the list twice or by mistake", s.Matter.Ref)
				}
				delete(want, s.Matter.ID)
			}
			if !slices.IsSortedFunc(got, order(q)) {
				rt.Fatalf("not in order %s", q.Sort)
			}
		})
	})
}

func order(q matter.Query) func(a, b matter.State) int {
	return func(a, b matter.State) int {
		x, y := a.Matter, b.Matter
		var c int
		switch q.Sort {
		case "received":
			c = compare(x.Received, y.Received)
		case "changed":
			c = compare(x.Changed, y.Changed)
		default:
			if (x.Due == 0) != (y.Due == 0) { // those without a deadline come last
				if x.Due == 0 {
					return 1
				}
				return -1
			}
			if x.Due == 0 {
				return compare(y.Changed, x.Changed)
			}
			c = compare(x.Due, y.Due)
		}
		if q.Desc {
			return -c
		}
		return c
	}
}

func compare[T int64 | string](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// matches is what List does, in plain Go.
func (w *town) matches(s matter.State, q matter.Query) bool {
	m := s.Matter
	var facts access.Facts
	w.tx(func(ctx context.Context, tx *store.Tx) (err error) {
		facts, err = w.engine.Facts(ctx, tx, s)
		return err
	})
	below := func(top ref.BodyID) bool { return slices.Contains(facts.Above, top) }
	has := func(f func(matter.Allegation) bool) bool { return slices.ContainsFunc(s.Allegations, f) }
	text := func(t string) bool {
		switch t {
		case "moss":
			return slices.Contains(s.Named(), ref.OfficialID(moss))
		case "police":
			return m.Concerned == police
		case "2019-3":
			return m.SourceKey == t
		}
		return t == ""
	}
	mine := slices.ContainsFunc(s.Assigned, func(a matter.Assigned) bool { return a.Account == q.Viewer.Account })
	return access.CanSee(q.Viewer, facts) && (q.Kind == "" || m.Kind == q.Kind) && (q.State == "" || m.State == q.State) &&
		(q.Status == "" || (q.Status == "closed") == (m.Final != 0)) && (q.Desk == "" || m.Desk == q.Desk) && (q.Body == 0 || below(q.Body)) &&
		(!q.Overdue || m.Overdue != 0) && (!q.Mine || mine) && (!q.Free || len(s.Assigned) == 0) &&
		(q.From == "" || m.Received >= q.From) && (q.To == "" || m.Received[:min(len(m.Received), len(q.To))] <= q.To) &&
		(q.Conduct == "" || has(func(a matter.Allegation) bool { return a.Conduct == q.Conduct })) &&
		(q.Finding == "" || has(func(a matter.Allegation) bool { return a.Finding == q.Finding })) &&
		(q.Official == 0 || slices.Contains(s.Named(), q.Official)) &&
		(q.Imported == "" || (q.Imported == "yes") == (m.Source != "")) && text(q.Text)
}

func TestReferencesAreFoundAsTyped(t *testing.T) {
	w := newTown(t, world.SQLite(t))
	s, _ := w.report()
	w.report()
	typed := string(s.Matter.Ref[:1]) + " " + string(s.Matter.Ref[2:])
	var page matter.Page
	w.tx(func(ctx context.Context, tx *store.Tx) (err error) {
		page, err = w.engine.List(ctx, tx, matter.Query{Viewer: people["ina"], Text: typed})
		return err
	})
	if len(page.Items) != 1 || page.Items[0].Matter.ID != s.Matter.ID {
		t.Errorf("found %d", len(page.Items))
	}
}

func TestMyWorkIsSortedByClock(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		w := newTown(t, db)
		late, _ := w.report() // due Monday 9
		w.now = w.now.AddDate(0, 0, 1)
		today, _ := w.report()                                                  // due Tuesday 10
		w.do("ina", today.Matter.ID, "acknowledge", nil)                        // leaves screening
		w.now = time.Date(2026, 3, 9, 10, 0, 0, 0, time.UTC)                    // Monday
		week, _ := w.report()                                                   // due Monday 16
		w.do("ina", week.Matter.ID, "screen", matter.Values{"severity": "low"}) // assigning: due Monday 16
		w.now = time.Date(2026, 3, 10, 10, 0, 0, 0, time.UTC)                   // Tuesday
		if _, err := w.engine.RunClocks(t.Context()); err != nil {
			t.Fatal(err)
		}
		with, _ := w.report()
		w.do("ina", with.Matter.ID, "screen", matter.Values{"severity": "low"})
		w.do("ina", with.Matter.ID, "verify", matter.Values{"lead": "2"})
		work := func(who string, now time.Time) (out matter.Work) {
			w.tx(func(ctx context.Context, tx *store.Tx) (err error) {
				out, err = w.engine.MyWork(ctx, tx, people[who], now, w.pack.Cal())
				return err
			})
			return out
		}
		got := work("ina", w.now)
		for name, part := range map[string]struct {
			got  []matter.State
			want ref.MatterID
		}{"overdue": {got.Overdue, late.Matter.ID}, "today": {got.Today, today.Matter.ID}, "later": {got.Later, week.Matter.ID}, "waiting": {got.Waiting, with.Matter.ID}} {
			if len(part.got) != 1 || part.got[0].Matter.ID != part.want {
				t.Errorf("%s: %d", name, len(part.got))
			}
		}
		if got := work("ina", w.now.AddDate(0, 0, 6)); len(got.Today) != 1 || got.Today[0].Matter.ID != week.Matter.ID {
			t.Errorf("a week later, today: %d", len(got.Today))
		}
		if got := work("ivo", w.now); len(got.Later) != 1 {
			t.Errorf("the investigator's: %+v", got)
		}
		if got := work("nora", w.now); len(got.Below) != 1 || got.Below[0].Matter.ID != late.Matter.ID {
			t.Errorf("one level up: %d below", len(got.Below))
		}
		if got := work("dan", w.now); len(got.Overdue)+len(got.Today)+len(got.Later)+len(got.Waiting)+len(got.Below) != 0 {
			t.Errorf("somebody else's work: %+v", got)
		}
	})
}
