package matter_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plumbline/internal/fault"
	"plumbline/internal/journal"
	"plumbline/internal/matter"
	"plumbline/internal/ref"
	"plumbline/internal/store"
	"plumbline/internal/testing/world"
	"plumbline/internal/vault"
)

func asFault(err error, f **fault.Error) bool { return errors.As(err, f) }

func TestAReportLeadsToACaseAndTheCaseToAProceedingPerOfficial(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		w := newTown(t, db)
		c, proceedings := w.aCase()
		if len(proceedings) != 2 || proceedings[0].Matter.Subject == proceedings[1].Matter.Subject {
			t.Fatalf("%d proceedings", len(proceedings))
		}
		for _, p := range proceedings {
			if len(p.Allegations) != 1 || p.Allegations[0].Official != p.Matter.Subject || p.Allegations[0].Finding != "sustained" {
				t.Errorf("proceeding about %d has allegations %+v", p.Matter.Subject, p.Allegations)
			}
			if !p.Matter.HasFact("find") || !p.Matter.HasFact("reasons") {
				t.Errorf("what the case found in law is not known to the proceeding: %q", p.Matter.Facts)
			}
			if len(p.Parties) != 0 {
				t.Error("a proceeding knows of the reporter")
			}
			for _, did := range []string{"case.find", "report.conclude"} {
				if !slices.ContainsFunc(p.Did, func(d matter.Did) bool { return d.Kind+"."+d.Action == did && d.Account == 2 }) {
					t.Errorf("who did %s was not carried along", did)
				}
			}
			if !slices.ContainsFunc(p.Links, func(l matter.Link) bool { return l.Kind == matter.LinkOpenedBy && l.Other == c.Matter.ID }) {
				t.Error("not linked to the case")
			}
		}
		w.verify()
	})
}

// The rules of fairness hold at run time too, with whoever really acted, even where duties would allow it.
func TestWhoInvestigatedNeverDecidesWhateverDutiesTheyGotSince(t *testing.T) {
	w := newTown(t, world.SQLite(t))
	_, proceedings := w.aCase()
	p := proceedings[0].Matter.ID
	w.do("dan", p, "serve", matter.Values{"notice": "You are told.", "served_on": "2026-03-02"})
	w.do("dan", p, "disclose", matter.Values{"shown": "The recording."})
	w.do("dan", p, "respond", matter.Values{"response": "I was afraid."})

	people["ivo as decider"] = person(2, 0, "decider", office)
	defer delete(people, "ivo as decider")
	_, err := w.try("ivo as decider", p, 0, "decide", matter.Values{"outcome": "warning", "reasons": "…"})
	f := wantFault(t, err, fault.Forbidden, "access.did")
	if f.Args["action"] != "find" && f.Args["action"] != "conclude" {
		t.Errorf("the refusal does not say what stands in the way: %v", f)
	}
	// The engine knows it even if a pack forgot to say not_by.
	s := w.load(p)
	wantFault(t, matter.Separate(s, []string{"decide"}, 2), fault.Forbidden, "fair.F9")
	if err := matter.Separate(s, []string{"decide"}, 4); err != nil {
		t.Errorf("somebody who took no part is refused: %v", err)
	}
	w.do("dan", p, "decide", matter.Values{"outcome": "warning", "reasons": "It is the first time."})
}

func TestAStaleFormIsToldWhatHappenedMeanwhile(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		w := newTown(t, db)
		s, _ := w.report()
		w.do("ina", s.Matter.ID, "screen", matter.Values{"severity": "low"})
		w.do("ina", s.Matter.ID, "verify", matter.Values{"lead": "2"})
		_, err := w.try("ina", s.Matter.ID, s.Matter.N, "screen", matter.Values{"severity": "high"})
		f := wantFault(t, err, fault.Conflict, "matter.stale")
		since, _ := f.Args["changes"].([]matter.Since)
		if len(since) != 2 || since[0].Action != "screen" || since[1].Action != "verify" || f.Args["action"] != "verify" || f.Args["duty"] != "intake" {
			t.Errorf("told %v", f.Args)
		}
	})
}

// Of many who act on one matter at the same moment exactly one succeeds; nobody overwrites anybody.
func TestOneOfManyAtOnceSucceeds(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		w := newTown(t, db)
		s, _ := w.report()
		var wg sync.WaitGroup
		results := make([]error, 8)
		for i := range results {
			wg.Go(func() {
				_, results[i] = w.try("ina", s.Matter.ID, s.Matter.N, "screen", matter.Values{"severity": "low"})
			})
		}
		wg.Wait()
		won := 0
		for _, err := range results {
			switch {
			case err == nil:
				won++
			case !fault.Is(err, fault.Conflict):
				t.Errorf("refused with %v", err)
			}
		}
		if won != 1 {
			t.Errorf("%d succeeded", won)
		}
		w.verify()
	})
}

// What a reporter wrote stands sealed in the entry and in no table.
func TestSealedWordsReachNoTable(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		w := newTown(t, db)
		const secret = "xyzzy-plugh"
		code := ref.NewReceiptCode()
		s, err := w.file(code, matter.Values{"body": "police", "story": secret, "place": secret, "name": secret, "contact": secret,
			"official": matter.OfficialValue{Described: secret}})
		if err != nil {
			t.Fatal(err)
		}
		if len(s.Parties) != 1 || s.Parties[0].Anonymous != 0 {
			t.Errorf("parties: %+v", s.Parties)
		}
		w.tx(func(ctx context.Context, tx *store.Tx) error {
			for table, columns := range map[string]string{"matter": "data || title || facts", "allegation": "described || place || data", "party": "data || role"} {
				var n int
				if err := tx.QueryRow(ctx, "SELECT COUNT(*) FROM "+table+" WHERE "+columns+" LIKE '%"+secret+"%'").Scan(&n); err != nil || n > 0 {
					t.Errorf("%s holds it (%v)", table, err)
				}
			}
			all, err := journal.Stream(ctx, tx, s.Matter.ID.Stream())
			if err != nil {
				return err
			}
			if strings.Contains(string(all[0].Bytes), secret) {
				t.Error("the entry holds it in the clear")
			}
			mine, err := w.engine.Opener(ctx, tx, vault.ReporterKeys(code), s.Matter.ID)
			if err != nil {
				return err
			}
			others, err := w.engine.Opener(ctx, tx, vault.ReporterKeys(ref.NewReceiptCode()), s.Matter.ID)
			if err != nil {
				return err
			}
			for compartment, want := range map[string]int{"file": 3, "identity": 2} {
				said, err := matter.Unseal(mine, all[0].Entry, compartment)
				if got := strings.Count(string(said), secret); err != nil || got != want {
					t.Errorf("sealed to %s: %d times, want %d (%v)", compartment, got, want, err)
				}
				if _, err := matter.Unseal(others, all[0].Entry, compartment); err == nil {
					t.Errorf("another code opens %s", compartment)
				}
			}
			return nil
		})
	})
}

func TestClocksRunOutOnceWhateverHowManyLook(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		w := newTown(t, db)
		s, _ := w.report()
		w.now = w.now.AddDate(0, 0, 10)
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				other := matter.New(db, rules{w.pack}, func() time.Time { return w.now }, w.engine.Vault())
				if _, err := other.RunClocks(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n, err := w.engine.RunClocks(t.Context()); err != nil || n != 0 {
			t.Errorf("something was left: %d, %v", n, err)
		}
		now := w.load(s.Matter.ID)
		if now.Matter.Overdue != 1 || now.Matter.N != 2 {
			t.Errorf("overdue %d after %d entries, want 1 after 2", now.Matter.Overdue, now.Matter.N)
		}
		w.verify()
	})
}

// What was decided is exactly what folding the entry gives: the two never part.
func TestFoldGivesWhatWasDecided(t *testing.T) {
	w := newTown(t, world.SQLite(t))
	c, proceedings := w.aCase()
	for _, s := range append(proceedings, c) {
		var folded matter.State
		w.tx(func(ctx context.Context, tx *store.Tx) error {
			all, err := w.engine.History(ctx, tx, s.Matter.ID)
			folded.Matter.ID = s.Matter.ID
			for _, e := range all {
				if folded, err = matter.Fold(folded, e.Entry); err != nil {
					return err
				}
			}
			return err
		})
		if d := cmp.Diff(w.load(s.Matter.ID), folded, cmp.Comparer(func(a, b []byte) bool { return string(a) == string(b) })); d != "" {
			t.Error(d)
		}
	}
}

func TestAnUnknownChangeIsRefusedRatherThanLeftOut(t *testing.T) {
	for name, changes := range map[string]string{
		"op":    `[{"op":"explode"}]`,
		"field": `[{"op":"facts","add":["find"],"and":1}]`,
		"json":  `[{"op":`,
		"again": `[{"op":"open","ref":"R-1","kind":"report","state":"received","received":"2026"}]`,
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := matter.Fold(matter.State{}, journal.Entry{N: 2, Changes: []byte(changes)}); err == nil {
				t.Error("folded")
			}
		})
	}
}

func TestNotesLinksAndAssignmentsAreEntriesToo(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		w := newTown(t, db)
		a, _ := w.report()
		b, _ := w.report()
		w.tx(func(ctx context.Context, tx *store.Tx) error {
			if _, err := w.engine.Note(ctx, tx, people["ina"], nil, a.Matter.ID, "Call the station <today> & ask.", journal.ViaWeb); err != nil {
				return err
			}
			if _, err := w.engine.Link(ctx, tx, people["ina"], a.Matter.ID, matter.LinkFollowsFrom, b.Matter.ID, journal.ViaWeb); err != nil {
				return err
			}
			s, err := w.engine.Assign(ctx, tx, people["ina"], a.Matter.ID, people["iris"], journal.ViaWeb)
			if err == nil && (len(s.Assigned) != 1 || s.Assigned[0].Account != 9 || s.Matter.N != 4) {
				t.Errorf("assigned %+v after %d entries", s.Assigned, s.Matter.N)
			}
			return err
		})
		if got := w.load(b.Matter.ID).Links; len(got) != 1 || got[0].Kind != matter.LinkFollowedBy {
			t.Errorf("the other matter has links %+v", got)
		}
		var strangers error
		_ = db.Tx(t.Context(), func(tx *store.Tx) error {
			_, strangers = w.engine.Note(t.Context(), tx, people["kit"], nil, a.Matter.ID, "x", journal.ViaWeb)
			return strangers
		})
		wantFault(t, strangers, fault.NotFound, "access.not-found")
		_ = db.Tx(t.Context(), func(tx *store.Tx) error {
			_, strangers = w.engine.Assign(t.Context(), tx, people["ina"], a.Matter.ID, people["ivo"], journal.ViaWeb)
			return strangers
		})
		wantFault(t, strangers, fault.Invalid, "matter.assign-desk")
		w.verify()
	})
}

// An imported matter is history: nothing can be done to it as if a procedure had been followed here.
func TestImportedMattersStandAsTheyAreAndTakeUpdates(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		w := newTown(t, db)
		cmd := matter.ImportCmd{ID: ref.MatterID(db.NewID()), Ref: ref.ReferenceFor("I", "42"), Kind: "case", Pack: w.pack.ID(), Source: "city", SourceKey: "42",
			Received: "2019-05", Closed: "2020", Body: office, Concerned: police, Data: map[string]any{"borough": "North", "age": int64(31)},
			Allegations: []matter.Allegation{{No: 1, Official: reed, Body: police, Conduct: "insult", Category: "respect", Finding: "unfounded", Data: `{"fado":"D"}`},
				{No: 2, Described: "unknown", Conduct: "x"}},
			Parties: []matter.Party{{No: 1, Role: "reporter", Anonymous: 1, Data: `{"sex":"F"}`}}}
		actor := journal.Actor{Duty: "import"}
		var first matter.State
		w.tx(func(ctx context.Context, tx *store.Tx) error {
			e, s, changed, err := matter.ImportEntry(nil, cmd, actor, w.now)
			if err != nil || !changed {
				t.Fatalf("%v, %v", changed, err)
			}
			first = s
			return matter.SaveImported(ctx, tx, []matter.Imported{{Entry: e, New: s}})
		})
		now := w.load(cmd.ID)
		if now.Matter.State != "imported" || now.Matter.Final != 1 || now.Matter.Ended != "import" {
			t.Errorf("%+v", now.Matter)
		}
		if _, _, changed, err := matter.ImportEntry(&now, cmd, actor, w.now); err != nil || changed {
			t.Errorf("importing the same again changes it: %v, %v", changed, err)
		}
		cmd.Closed, cmd.SourceStatus = "2021-01-02", "Closed"
		cmd.Allegations = cmd.Allegations[:1]
		cmd.Allegations[0].Finding = "sustained"
		cmd.Data = map[string]any{"borough": "South"}
		w.tx(func(ctx context.Context, tx *store.Tx) error {
			e, s, changed, err := matter.ImportEntry(&now, cmd, actor, w.now)
			if err != nil || !changed || e.N != 2 {
				t.Fatalf("%v, %v, %d", changed, err, e.N)
			}
			return matter.SaveImported(ctx, tx, []matter.Imported{{Entry: e, Old: &now, New: s}})
		})
		now = w.load(cmd.ID)
		if now.Matter.Closed != "2021-01-02" || len(now.Allegations) != 1 || now.Allegations[0].Finding != "sustained" || now.Matter.Data != `{"borough":"South"}` {
			t.Errorf("after the new release: %+v", now)
		}
		if first.Allegations[0].Finding != "unfounded" {
			t.Error("the state before was changed")
		}
		_, err := w.try("rita", cmd.ID, 0, "reopen", nil)
		wantFault(t, err, fault.NotFound, "matter.no-action")
		w.verify()
	})
}

// A forged form cannot give a matter to somebody who does not belong to its desk, or whom it names.
func TestMattersAreGivenOnlyToTheDeskTheyGoTo(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		w := newTown(t, db)
		r, _ := w.report()
		w.do("ina", r.Matter.ID, "screen", matter.Values{"severity": "low"})
		w.exec(`UPDATE account SET official = 101 WHERE id = 6`) // kit turns out to be the officer named
		for account, key := range map[string]string{"4": "matter.assign-desk", "6": "matter.assign-named", "77": "field.account"} {
			_, err := w.try("ina", r.Matter.ID, 0, "verify", matter.Values{"lead": account})
			if f := wantFault(t, err, fault.Invalid, "fault.invalid"); len(f.Fields) != 1 || f.Fields[0].Name != "lead" || f.Fields[0].Key != key {
				t.Errorf("given to %s: %v, want %s", account, f, key)
			}
		}
		w.do("ina", r.Matter.ID, "verify", matter.Values{"lead": "2"})
		w.exec(`UPDATE account SET official = 0 WHERE id = 6`)
		if s := w.do("ina", r.Matter.ID, "reassign", matter.Values{"lead": "6"}); len(s.Assigned) != 1 || s.Assigned[0].Account != 6 {
			t.Errorf("after it was given to somebody else: %+v", s.Assigned)
		}
		w.verify()
	})
}

// A reference of a matter one may not see is the same as one that is not there.
func TestNobodyLinksToWhatTheyMayNotSee(t *testing.T) {
	w := newTown(t, world.SQLite(t))
	r, _ := w.report()
	hidden, err := w.file(ref.NewReceiptCode(), matter.Values{"body": "office", "story": "…", "official": matter.OfficialValue{ID: vale}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.try("ina", r.Matter.ID, 0, "merge", matter.Values{"other": string(hidden.Matter.Ref), "reasons": "…"})
	if f := wantFault(t, err, fault.Invalid, "fault.invalid"); f.Fields[0].Key != "field.no-matter" {
		t.Errorf("got %v", f)
	}
}
