package matter_test

import (
	"context"
	"testing"

	"plumbline/internal/access"
	"plumbline/internal/fault"
	"plumbline/internal/journal"
	"plumbline/internal/matter"
	"plumbline/internal/ref"
	"plumbline/internal/register"
	"plumbline/internal/store"
	"plumbline/internal/testing/world"
)

func (w *town) by() register.By {
	return register.By{Actor: journal.Actor{Duty: "operator"}, Via: journal.ViaCLI, At: w.now}
}

// relate makes an account and an official relatives.
func (w *town) relate(account ref.AccountID, official ref.OfficialID) (id int64) {
	w.Helper()
	w.tx(func(ctx context.Context, tx *store.Tx) error {
		t, err := register.Declare(ctx, tx, w.by(), register.Tie{ID: w.db.NewID(), Account: account, Other: official, Kind: register.TieRelative})
		id = t.ID
		return err
	})
	return id
}

// as is a person with what the register says of them now.
func (w *town) as(name string) access.Viewer {
	w.Helper()
	v := people[name]
	day := w.now.Format("2006-01-02")
	w.tx(func(ctx context.Context, tx *store.Tx) error {
		found, err := register.People(ctx, tx, map[ref.AccountID]ref.OfficialID{v.Account: v.Official}, day)
		v = v.WithPerson(found[v.Account], access.RecusalOn(w.pack, day))
		return err
	})
	return v
}

func (w *town) facts(id ref.MatterID) (f access.Facts) {
	w.Helper()
	w.tx(func(ctx context.Context, tx *store.Tx) (err error) {
		f, err = w.engine.FactsOf(ctx, tx, id)
		return err
	})
	return f
}

// A desk at which only relatives are left gets no such matter: it goes to the next competent body above, and comes to the
// near one again when the tie has ended.
func TestTheRouterSkipsADeskAllOfWhoseMembersAreKeptAway(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		w := newTown(t, db)
		if r, _ := w.report(); r.Matter.Body != office {
			t.Fatalf("lies with %d before anybody is related", r.Matter.Body)
		}
		ina := w.relate(1, reed)
		if r, _ := w.report(); r.Matter.Body != office {
			t.Errorf("one of two is related: lies with %d, want the office still", r.Matter.Body)
		}
		w.relate(9, reed) // iris is the other one at intake
		r, _ := w.report()
		if r.Matter.Body != region || r.Matter.Desk != "intake" || r.Matter.DeskBody != region {
			t.Errorf("all are related: lies with %s at %d", r.Matter.Desk, r.Matter.Body)
		}
		if access.CanSee(w.as("ina"), w.facts(r.Matter.ID)) {
			t.Error("a relative sees it")
		}
		w.tx(func(ctx context.Context, tx *store.Tx) error {
			_, err := register.EndTie(ctx, tx, w.by(), ina, w.now.AddDate(0, 0, 0).Format("2006-01-02"))
			return err
		})
		w.now = w.now.AddDate(0, 0, 1)
		if r, _ := w.report(); r.Matter.Body != office {
			t.Errorf("after it has ended: lies with %d", r.Matter.Body)
		}
		w.verify()
	})
}

// A step that brings a name in takes the matter from a relative, whoever they gave it to, and from a desk with nobody left.
func TestAMatterLeavesThoseWhomItComesToConcern(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		w := newTown(t, db)
		r, _ := w.report()
		id := r.Matter.ID
		w.relate(2, moss) // ivo, who investigates
		w.do("ina", id, "screen", matter.Values{"severity": "high"})
		s := w.do("ina", id, "verify", matter.Values{"lead": "2"})
		if len(s.Assigned) != 1 || !access.CanSee(w.as("ivo"), w.facts(id)) {
			t.Fatalf("it names no relative of his yet: %+v", s.Assigned)
		}
		s = w.do("ivo", id, "conclude", matter.Values{"conclusion": "grounds", "reasons": "A recording.",
			"allegations": []matter.AllegationValue{{Official: matter.OfficialValue{ID: moss}, Conduct: "force-unreported", Time: "2026-02-03"}}})
		if len(s.Assigned) != 0 {
			t.Errorf("still given to %+v", s.Assigned)
		}
		if access.CanSee(w.as("ivo"), w.facts(id)) {
			t.Error("he still sees it")
		}
		c := opened(w.do("rita", id, "open-case", matter.Values{"answer": "A case was opened."}))
		_, err := w.try("rita", c, 0, "assign", matter.Values{"lead": "2"})
		if f := wantFault(t, err, fault.Invalid, "fault.invalid"); f.Fields[0].Key != "matter.assign-named" {
			t.Errorf("given to a relative: %v", f)
		}
		w.verify()
	})
}

// Who works with somebody does not see what names them; who did until not long ago may know of it, and does nothing.
func TestColleaguesOfTodayAndOfYesterday(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		w := newTown(t, db)
		r, _ := w.report()                                       // about reed, who is at the police since 2020
		w.exec(`UPDATE account SET official = 103 WHERE id = 2`) // ivo is vale now
		was := people["ivo"]
		people["ivo"] = person(2, vale, "investigator", office)
		t.Cleanup(func() { people["ivo"] = was })
		w.do("ina", r.Matter.ID, "screen", matter.Values{"severity": "high"})
		if s := w.do("ina", r.Matter.ID, "verify", matter.Values{"lead": "2"}); len(s.Assigned) != 1 {
			t.Fatalf("worked with nobody it names: %+v", s.Assigned)
		}
		for _, tt := range []struct {
			name, from, to string
			sees, works    bool
		}{
			{"at the police long ago", "2015", "2019", true, true},
			{"together with him until three years ago", "2020", "2023-01", true, true},
			{"together with him until last year", "2020", "2025-06", true, false},
			{"together with him now", "2021", "", false, false},
		} {
			w.tx(func(ctx context.Context, tx *store.Tx) error {
				_, err := register.AddPost(ctx, tx, w.by(), vale, register.Post{Body: police, Rank: "staff", From: tt.from, To: tt.to})
				return err
			})
			v, f := w.as("ivo"), w.facts(r.Matter.ID)
			if got := access.CanSee(v, f); got != tt.sees {
				t.Errorf("%s: sees it: %v", tt.name, got)
			}
			k := w.pack.Kind("report")
			_, err := access.MayAct(v, k, k.Action("conclude"), f, nil)
			if (err == nil) != tt.works {
				t.Errorf("%s: acts: %v", tt.name, err)
			}
			if tt.sees && !tt.works {
				wantFault(t, err, fault.Forbidden, "access.recused.unit-was")
				if access.MayOpen(v, k, f, access.File) == nil {
					t.Errorf("%s: opens the file", tt.name)
				}
			}
		}
		w.verify()
	})
}
