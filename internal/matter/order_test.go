package matter_test

import (
	"context"
	"log/slog"
	"slices"
	"testing"
	"time"

	"plumbline/internal/journal"
	"plumbline/internal/matter"
	"plumbline/internal/ref"
	"plumbline/internal/register"
	"plumbline/internal/rows"
	"plumbline/internal/store"
	"plumbline/internal/testing/world"
)

func TestWhatCameFirstFollowsPlacesAlone(t *testing.T) {
	spot := func(place int64) matter.Spot { return matter.Spot{Matter: ref.MatterID(place), N: 1, Place: place} }
	for _, c := range []struct {
		name        string
		told, named int64
		leads       []int64
		upTo        int64
		want        matter.Precedence
		lead        int64
	}{
		{"nobody else has named them", 5, 5, nil, 9, matter.NoLead, 0},
		{"before the first lead", 5, 5, []int64{9, 7}, 9, matter.Before, 7},
		{"after it", 5, 5, []int64{9, 3}, 9, matter.After, 3},
		{"told before it, named after it", 5, 8, []int64{7}, 9, matter.Between, 7},
		{"told and named before it", 5, 6, []int64{7}, 9, matter.Before, 7},
		{"told after it, named later", 5, 8, []int64{3}, 9, matter.After, 3},
		{"not placed yet", 0, 0, []int64{3}, 9, matter.Unknown, 0},
		{"the search has not come that far", 5, 5, nil, 4, matter.Unknown, 0},
		{"the search has come to it exactly", 5, 5, nil, 5, matter.NoLead, 0},
		{"the name is not placed yet", 5, 0, []int64{7}, 9, matter.Unknown, 0},
		{"the name is not placed yet, but the lead came first anyway", 5, 0, []int64{3}, 9, matter.After, 3},
		{"a lead that is not placed yet comes later than all that is", 5, 5, []int64{0}, 9, matter.NoLead, 0},
	} {
		var leads []matter.Spot
		for _, l := range c.leads {
			leads = append(leads, spot(l))
		}
		got, lead := matter.Compare(matter.Disclosure{Told: spot(c.told), Named: spot(c.named)}, leads, c.upTo)
		if got != c.want || lead.Place != c.lead {
			t.Errorf("%s: %s, lead at %d; want %s, %d", c.name, got, lead.Place, c.want, c.lead)
		}
	}
}

// comesForward files a self-report at the police; official 0 leaves open who tells it.
func (w *town) comesForward(official ref.OfficialID) matter.State {
	w.Helper()
	v := matter.Values{"body": "police", "story": "I took money."}
	if official != 0 {
		v["official"] = matter.OfficialValue{ID: official}
	}
	var s matter.State
	w.tx(func(ctx context.Context, tx *store.Tx) (err error) {
		s, err = w.engine.Open(ctx, tx, matter.OpenCmd{Kind: "self-report", Fields: v, Actor: journal.Actor{Duty: "reporter"}, Via: journal.ViaWeb,
			Code: ref.NewReceiptCode()})
		return err
	})
	return s
}

func (w *town) reports(about ref.OfficialID) matter.State {
	w.Helper()
	s, err := w.file(ref.NewReceiptCode(), matter.Values{"body": "police", "story": "He took money.", "official": matter.OfficialValue{ID: about}})
	if err != nil {
		w.Fatal(err)
	}
	return s
}

// place gives every entry its place and lets the names be noted.
func (w *town) place() {
	w.Helper()
	if err := journal.NewFollowers(w.db, slog.New(slog.DiscardHandler), matter.Named{}).CatchUp(w.Context(), nil); err != nil {
		w.Fatal(err)
	}
}

func (w *town) forward(id ref.MatterID) (f matter.Forward) {
	w.Helper()
	w.tx(func(ctx context.Context, tx *store.Tx) error {
		s, err := w.engine.Load(ctx, tx, id)
		if err != nil {
			return err
		}
		var ok bool
		if f, ok, err = w.engine.Forward(ctx, tx, s); err == nil && !ok {
			w.Errorf("nobody came forward by matter %d", id)
		}
		return err
	})
	return f
}

func (w *town) wantOrder(id ref.MatterID, want matter.Precedence, lead ref.MatterID) matter.Forward {
	w.Helper()
	f := w.forward(id)
	if got, spot := f.Order(); got != want || spot.Matter != lead {
		w.Errorf("got %s, lead %d; want %s, %d (of %+v)", got, spot.Matter, want, lead, f)
	}
	return f
}

// A clock can be set back, and a report can give an earlier day of receipt. The order of the record cannot be moved.
func TestNoClockDecidesWhoCameFirst(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		w := newTown(t, db)
		year := 365 * 24 * time.Hour

		first := w.comesForward(reed)
		w.place()
		w.now = start.Add(-year) // the machine's clock jumps back: the lead looks older than what it came after
		lead := w.reports(reed)
		w.place()
		w.wantOrder(first.Matter.ID, matter.Before, lead.Matter.ID)
		if lead.Matter.Opened >= first.Matter.Opened {
			t.Fatal("the clock was not set back")
		}

		w.now = start.Add(year)
		other := w.reports(moss)
		w.place()
		w.now = start.Add(-2 * year) // … and what comes later looks older than the lead
		second := w.comesForward(moss)
		w.place()
		w.wantOrder(second.Matter.ID, matter.After, other.Matter.ID)
		w.now = start
		w.verify()
	})
}

func TestALeadIsWhatSomebodyElseSays(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		w := newTown(t, db)
		s := w.comesForward(reed)
		w.place()
		if f := w.wantOrder(s.Matter.ID, matter.NoLead, 0); f.Confirmed || f.Noticed || f.Disclosure.Named != f.Disclosure.Told {
			t.Errorf("%+v", f)
		}
		w.do("ina", s.Matter.ID, "confirm-person", matter.Values{"official": matter.OfficialValue{ID: reed}, "how": "He showed his pass."})
		w.do("ina", s.Matter.ID, "give", matter.Values{"severity": "high", "lead": "2",
			"allegations": []matter.AllegationValue{{Official: matter.OfficialValue{ID: moss}, Conduct: "force-unreported", Time: "2026-02"}}})
		w.do("ivo", s.Matter.ID, "conclude", matter.Values{"conclusion": "grounds", "reasons": "It is true."})
		c := opened(w.do("rita", s.Matter.ID, "open-case", matter.Values{"answer": "There will be a case."}))
		w.place()
		if f := w.wantOrder(s.Matter.ID, matter.NoLead, 0); !f.Confirmed {
			t.Error("the office made sure, and it does not show")
		}
		if w.load(c).Matter.Kind != "case" {
			t.Fatal("no case was opened")
		}
		// What he said of a colleague is a lead about her.
		later := w.comesForward(moss)
		w.place()
		w.wantOrder(later.Matter.ID, matter.After, s.Matter.ID)
		// And hers is one about him only if it names him.
		w.wantOrder(s.Matter.ID, matter.NoLead, 0)

		// A second self-report of his is none, a report about him is one.
		w.comesForward(reed)
		w.place()
		w.wantOrder(s.Matter.ID, matter.NoLead, 0)
		lead := w.reports(reed)
		w.place()
		w.wantOrder(s.Matter.ID, matter.Before, lead.Matter.ID)
		w.verify()
	})
}

func TestANameTakenBackStaysTheFirstLead(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		w := newTown(t, db)
		lead := w.reports(reed)
		w.place()
		s := w.comesForward(reed)
		w.do("ina", lead.Matter.ID, "screen", matter.Values{"severity": "low",
			"allegations": []matter.AllegationValue{{No: 1, Official: matter.OfficialValue{ID: moss}}}})
		w.place()
		if named := w.load(lead.Matter.ID); slices.Contains(named.Named(), reed) {
			t.Fatal("the name was not taken back")
		}
		w.wantOrder(s.Matter.ID, matter.After, lead.Matter.ID)
		w.verify()

		// The table that remembers it is checked against the record like every other.
		w.exec(`DELETE FROM named WHERE official = 101`)
		w.exec(`UPDATE named SET n = n + 1 WHERE official = 102`)
		found, err := matter.Verify(t.Context(), db, nil)
		if err != nil {
			t.Fatal(err)
		}
		problems := map[rows.Problem]int{}
		for _, d := range found {
			if d.Table == "named" {
				problems[d.Problem]++
			}
		}
		if problems[rows.Missing] != 2 || problems[rows.Changed] != 1 || len(found) != 3 {
			t.Errorf("found %v", found)
		}
	})
}

func TestWhoNamesThemselvesLaterCameForwardThen(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		w := newTown(t, db)
		s := w.comesForward(0)
		w.place()
		w.tx(func(ctx context.Context, tx *store.Tx) error {
			if _, ok, err := w.engine.Forward(ctx, tx, s); ok || err != nil {
				t.Errorf("somebody came forward without a name: %v, %v", ok, err)
			}
			return nil
		})
		lead := w.reports(reed)
		w.place()
		w.tx(func(ctx context.Context, tx *store.Tx) error {
			_, err := w.engine.Act(ctx, tx, matter.ActCmd{Matter: s.Matter.ID, Action: "name-myself", Actor: journal.Actor{Duty: "reporter"}, Via: journal.ViaWeb,
				Fields: matter.Values{"official": matter.OfficialValue{Described: "Sam Reed of the police"}}})
			return err
		})
		w.place()
		w.do("ina", s.Matter.ID, "confirm-person", matter.Values{"official": matter.OfficialValue{ID: reed}, "how": "He called from his post."})
		w.place()
		f := w.wantOrder(s.Matter.ID, matter.Between, lead.Matter.ID)
		if f.Disclosure.Named.N != 2 {
			t.Errorf("they count as named from entry %d on; they said it in the second, and must not wait for the office", f.Disclosure.Named.N)
		}
	})
}

func TestTwoNamesOfOnePersonAreOnePerson(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		w := newTown(t, db)
		lead := w.reports(moss)
		w.place()
		s := w.comesForward(reed)
		w.place()
		w.wantOrder(s.Matter.ID, matter.NoLead, 0)
		merge := func(id, into ref.OfficialID) {
			w.tx(func(ctx context.Context, tx *store.Tx) error {
				_, err := register.MergeOfficial(ctx, tx, register.By{Actor: journal.Actor{Duty: "system"}, Via: journal.ViaCLI, At: w.now}, id, into)
				return err
			})
		}
		merge(reed, moss)
		if f := w.wantOrder(s.Matter.ID, matter.After, lead.Matter.ID); f.Official != moss {
			t.Errorf("official %d carries on, want %d", f.Official, moss)
		}
		merge(moss, vale) // and once more, along the chain
		w.wantOrder(s.Matter.ID, matter.After, lead.Matter.ID)
		w.place()
		w.verify()
	})
}

func TestANoticeIsKnownWhereverItWasServed(t *testing.T) {
	w := newTown(t, world.SQLite(t))
	s := w.comesForward(reed)
	_, proceedings := w.aCase()
	w.place()
	if w.forward(s.Matter.ID).Noticed {
		t.Error("a notice before one was served")
	}
	for _, p := range proceedings {
		if p.Matter.Subject == reed {
			w.do("dan", p.Matter.ID, "serve", matter.Values{"notice": "You are found to have shouted.", "served_on": "2026-03-02"})
		}
	}
	w.place()
	if !w.forward(s.Matter.ID).Noticed {
		t.Error("the notice is not seen")
	}
}
