package sample_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"plumbline/internal/access"
	"plumbline/internal/account"
	"plumbline/internal/fault"
	"plumbline/internal/journal"
	"plumbline/internal/matter"
	"plumbline/internal/ref"
	"plumbline/internal/register"
	"plumbline/internal/sample"
	"plumbline/internal/store"
	"plumbline/internal/testing/journey"
	"plumbline/internal/testing/world"
	"plumbline/verify"
)

// town is a small office that draws.
type town struct {
	*journey.Office
	s     *sample.Samples
	trust verify.Trust
	body  ref.BodyID
}

func open(t *testing.T, db *store.DB) *town {
	t.Helper()
	o := journey.Open(t, db)
	w := &town{Office: o, s: sample.New(db, o.Engine, o.Office, o.Ledger, o.Book), trust: o.StartLog()}
	w.read(func(ctx context.Context, tx *store.Tx) error {
		tree, err := o.Engine.Tree(ctx, tx)
		w.body = tree.ByCode("town").ID
		return err
	})
	return w
}

func (w *town) tx(f func(ctx context.Context, tx *store.Tx) error) {
	w.T.Helper()
	if err := w.DB.Tx(context.Background(), func(tx *store.Tx) error { return f(context.Background(), tx) }); err != nil {
		w.T.Fatal(err)
	}
}

func (w *town) read(f func(ctx context.Context, tx *store.Tx) error) {
	w.T.Helper()
	if err := w.DB.Read(context.Background(), func(tx *store.Tx) error { return f(context.Background(), tx) }); err != nil {
		w.T.Fatal(err)
	}
}

func (w *town) viewer(tx *store.Tx, who string) access.Viewer {
	w.T.Helper()
	v, err := w.Accounts.ViewerOf(context.Background(), tx, w.Account[who])
	if err != nil {
		w.T.Fatal(err)
	}
	return v
}

// act takes a step as somebody.
func (w *town) act(who string, id ref.MatterID, action string, v matter.Values) error {
	return w.DB.Tx(context.Background(), func(tx *store.Tx) error {
		_, err := w.Engine.Act(context.Background(), tx, matter.ActCmd{Matter: id, Action: action, Fields: v, Viewer: w.viewer(tx, who), Via: journal.ViaWeb})
		return err
	})
}

// closed is a number of reports about a station that were declined and reviewed.
func (w *town) closed(body, intake string, n int) []ref.MatterID {
	w.T.Helper()
	var ids []ref.MatterID
	for range n {
		var id ref.MatterID
		w.tx(func(ctx context.Context, tx *store.Tx) error {
			st, err := w.Engine.Open(ctx, tx, matter.OpenCmd{Kind: "report", Actor: journal.Actor{Duty: "reporter"}, Via: journal.ViaWeb, Anonymous: true,
				Code: ref.NewReceiptCode(), Fields: matter.Values{"body": body, "story": "It took very long."}})
			id = st.Matter.ID
			return err
		})
		w.done(w.act(intake, id, "decline", matter.Values{"reason_code": "handled", "reasons": "Answered in March."}))
		ids = append(ids, id)
	}
	return ids
}

func (w *town) done(err error) {
	w.T.Helper()
	if err != nil {
		w.T.Fatal(err)
	}
}

func (w *town) reviewed(ids []ref.MatterID) {
	w.T.Helper()
	for _, id := range ids {
		w.done(w.act("reviewer", id, "uphold", matter.Values{"answer": "We have answered this before."}))
	}
}

// published waits until the log shows everything there is.
func (w *town) published() {
	w.T.Helper()
	for range 200 {
		covered := false
		w.read(func(ctx context.Context, tx *store.Tx) error {
			_, all, err := journal.Head(ctx, tx)
			if err != nil {
				return err
			}
			latest, err := w.Ledger.Latest(ctx, tx)
			covered = err == nil && int64(latest.Size) >= all
			return nil
		})
		if covered {
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	w.T.Fatal("the log does not get to the end")
}

func (w *town) define(r sample.Request) (d sample.Draw) {
	w.T.Helper()
	if r.Share == "" {
		r.Share, r.Sure = "0.05", "0.95"
	}
	w.published()
	w.tx(func(ctx context.Context, tx *store.Tx) (err error) {
		d, err = w.s.Define(ctx, tx, sample.DefineCmd{Request: r, Kind: verify.SeedDice, Plan: "Twenty throws of a ten-sided die in the hall",
			Viewer: w.viewer(tx, "supervisor"), Via: journal.ViaWeb})
		return err
	})
	return d
}

const seed = "1 4 1 5 9 2 6 5 3 5 8 9 7 9 3 2 3 8 4 6"

func (w *town) draw(number int64) error {
	return w.DB.Tx(context.Background(), func(tx *store.Tx) error {
		_, err := w.s.Draw(context.Background(), tx, sample.DrawCmd{Number: number, Seed: seed, Observers: []string{"A neighbour", " The  bar "},
			Viewer: w.viewer(tx, "supervisor"), Via: journal.ViaWeb})
		return err
	})
}

func (w *town) file(number int64) (f verify.Sample) {
	w.T.Helper()
	w.published()
	w.read(func(ctx context.Context, tx *store.Tx) (err error) { f, err = w.s.File(ctx, tx, number); return err })
	return f
}

func keyed(err error, key string) bool {
	var f *fault.Error
	return errors.As(err, &f) && (f.Key == key || slices.ContainsFunc(f.Fields, func(x fault.Field) bool { return x.Key == key }))
}

func TestWhatIsDrawnStoodFixedBeforeChanceWasAsked(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		w := open(t, db)
		ids := w.closed("mill-street", "intake officer", 12)
		w.reviewed(ids)
		w.closed("mill-street", "intake officer", 1) // not closed yet
		d := w.define(sample.Request{Body: w.body, Size: 4})
		if d.Number != 1 || d.Def.Count != 12 || d.Take() != 4 || !strings.Contains(d.Def.Filter.Words["en"], "Town Oversight Office") || d.Def.Filter.Body != "town" {
			t.Fatalf("defined %+v", d.Def)
		}
		// At once, the definition is in no checkpoint: the draw is refused, and nothing of it is recorded.
		if err := w.draw(1); err != nil && !keyed(err, "sample.not-yet") {
			t.Fatal(err)
		} else if err == nil {
			t.Log("the log was faster than the test")
		}
		before := w.file(1)
		if before.Draw == nil {
			proven, err := before.Check(w.trust)
			if err != nil || proven.Recorded != 0 || proven.Strength <= 0 {
				t.Fatalf("before the draw: %+v, %v", proven, err)
			}
			w.done(w.draw(1))
		}
		if err := w.draw(1); !keyed(err, "sample.drawn") {
			t.Errorf("a second draw: %v", err)
		}
		f := w.file(1)
		text, err := f.Marshal()
		w.done(err)
		again, err := verify.ParseSample(text)
		w.done(err)
		proven, err := again.Check(w.trust)
		w.done(err)
		if proven.Recorded <= proven.Before.Size || proven.Defined > proven.Before.Size || len(f.Drawn) != 4 {
			t.Errorf("%+v", proven)
		}
		if strings.Contains(string(text), "R-") || !slices.Equal(f.Draw.Observers, []string{"A neighbour", "The bar"}) || f.Draw.Seed != seed {
			t.Errorf("the file says %s", text)
		}
		w.inspect(ids)
		if found, err := matter.Verify(t.Context(), db, nil, sample.Folder{}); err != nil || len(found) > 0 {
			t.Errorf("verify: %v, %v", found, err)
		}
		w.tampered()
	})
}

// inspect opens the inspections, takes one through to the end, and looks at the results.
func (w *town) inspect(ids []ref.MatterID) {
	t := w.T
	t.Helper()
	ctx := t.Context()
	opened, err := w.s.OpenDrawn(ctx, 1)
	if err != nil || opened.Now != 4 || opened.Waiting != 0 {
		t.Fatalf("opened %+v, %v", opened, err)
	}
	entries := w.Entries()
	if again, err := w.s.Resume(ctx); err != nil || again != (sample.Opened{}) || w.Entries() != entries {
		t.Fatalf("once more: %+v, %v, %d entries more", again, err, w.Entries()-entries)
	}
	var r sample.Results
	results := func() {
		w.read(func(ctx context.Context, tx *store.Tx) error {
			d, err := w.s.Load(ctx, tx, 1)
			if err != nil {
				return err
			}
			r, err = w.s.Results(ctx, tx, d)
			return err
		})
	}
	results()
	if r.All.Drawn != 4 || r.All.Done != 0 || len(r.Items) != 4 || r.All.Range.Low != 0 || r.All.Range.High != 1 {
		t.Fatalf("%+v", r.All)
	}
	for _, i := range r.Items {
		if !slices.Contains(ids, i.Matter) || i.Inspection == 0 {
			t.Errorf("drew %+v", i)
		}
	}
	first := r.Items[0]
	sheet := map[string]string{}
	for _, point := range []string{"in-time", "heard", "evidence", "reasons", "apart", "answered", "protected"} {
		sheet[point] = "yes"
	}
	w.done(w.act("inspector", first.Inspection, "inspect", matter.Values{"sheet": sheet, "result": "reopened", "reasons": "No ground is on file."}))
	if err := w.act("inspector", first.Inspection, "confirm-reopen", matter.Values{"reasons": "x"}); !fault.Is(err, fault.Forbidden) {
		t.Errorf("confirmed by whoever inspected: %v", err)
	}
	w.done(w.act("supervisor", first.Inspection, "confirm-reopen", matter.Values{"reasons": "Say what was answered, and when."}))
	w.read(func(ctx context.Context, tx *store.Tx) error {
		st, err := w.Engine.Load(ctx, tx, first.Matter)
		if st.Matter.Final != 0 || !slices.ContainsFunc(st.Links, func(l matter.Link) bool { return l.Kind == matter.LinkInspectedBy && l.Other == first.Inspection }) {
			t.Errorf("what was inspected stands at %s, with %v", st.Matter.State, st.Links)
		}
		return err
	})
	results()
	if r.All.Done != 1 || r.All.Wrong != 1 || r.All.Values["reopened"] != 1 || len(r.Bodies) != 1 || r.Bodies[0].Size != 12 || r.All.Range.Low <= 0 {
		t.Errorf("%+v", r)
	}
}

// tampered changes what the tables hold of a draw and wants each change named.
func (w *town) tampered() {
	t := w.T
	t.Helper()
	for _, tt := range []struct{ what, sql, column string }{
		{"the seed", `UPDATE sample SET draw = REPLACE(draw, '1 4 1', '2 4 1')`, "draw"},
		{"a matter swapped", `UPDATE sample_item SET matter = matter + 1 WHERE place = 1`, "matter"},
		{"an item taken out", `DELETE FROM sample_item WHERE place = 2`, "population"},
		{"another one drawn", `UPDATE sample_item SET place = 0, ticket = '' WHERE place = 3`, "place"},
		{"an inspection swapped", `UPDATE sample_item SET inspection = inspection + 1 WHERE place = 4`, "inspection"},
	} {
		errUndo := errors.New("undo")
		err := w.DB.Tx(t.Context(), func(tx *store.Tx) error {
			if n, err := tx.Affected(t.Context(), tt.sql); err != nil || n != 1 {
				return fmt.Errorf("%d rows, %w", n, err)
			}
			entries, err := journal.Stream(t.Context(), tx, verify.SampleStream(1))
			if err != nil {
				return err
			}
			var plain []journal.Entry
			for _, e := range entries {
				plain = append(plain, e.Entry)
			}
			found, err := sample.Folder{}.Check(t.Context(), tx, map[string][]journal.Entry{"1": plain})
			if err != nil {
				return err
			}
			named := false
			for _, f := range found {
				named = named || f.Column == tt.column
			}
			if !named {
				t.Errorf("%s: found %v", tt.what, found)
			}
			return errUndo
		})
		if !errors.Is(err, errUndo) {
			t.Errorf("%s: %v", tt.what, err)
		}
	}
}

func TestAFileThatWasChangedIsRefused(t *testing.T) {
	w := open(t, world.SQLite(t))
	w.reviewed(w.closed("mill-street", "intake officer", 6))
	w.define(sample.Request{Body: w.body, Size: 2})
	w.published()
	w.done(w.draw(1))
	honest := w.file(1)
	if _, err := honest.Check(w.trust); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		what   string
		change func(f *verify.Sample)
	}{
		{"a matter left out", func(f *verify.Sample) { f.Population = f.Population[1:] }},
		{"another number of them", func(f *verify.Sample) { f.Definition.Count++ }},
		{"another size", func(f *verify.Sample) { f.Definition.Strata[0].Take++ }},
		{"another filter", func(f *verify.Sample) { f.Definition.Filter.Body = "other" }},
		{"another seed", func(f *verify.Sample) { f.Draw.Seed = "another" }},
		{"another observer", func(f *verify.Sample) { f.Draw.Observers[0] = "Nobody" }},
		{"one drawn exchanged", func(f *verify.Sample) { f.Drawn[0].Position++ }},
		{"the order drawn", func(f *verify.Sample) { slices.Reverse(f.Drawn) }},
		{"the draw without its proof", func(f *verify.Sample) { f.Recorded = f.Defined }},
		{"the definition without its proof", func(f *verify.Sample) { f.Defined = f.Recorded }},
		{"half a draw", func(f *verify.Sample) { f.Draw = nil }},
		{"another log before it", func(f *verify.Sample) { f.Definition.Log.Root = f.Draw.Under.Root }},
		{"no consistency", func(f *verify.Sample) { f.Consistency = nil; f.Stated = nil }},
	} {
		text, err := honest.Marshal()
		w.done(err)
		f, err := verify.ParseSample(text)
		w.done(err)
		tt.change(&f)
		if _, err := f.Check(w.trust); err == nil {
			t.Errorf("%s: nothing was noticed", tt.what)
		}
	}
	stranger := journey.Open(t, world.SQLite(t)).StartLog()
	if _, err := honest.Check(stranger); err == nil {
		t.Error("another log's key: nothing was noticed")
	}
}

// A server that dies in the middle of opening inspections leaves the rest to the next one, and none is opened twice.
func TestOpeningIsTakenUpAgainWhereItWasInterrupted(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		w := open(t, db)
		w.reviewed(w.closed("mill-street", "intake officer", 5))
		w.define(sample.Request{Body: w.body, Size: 5})
		w.published()
		w.done(w.draw(1))
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			for ctx.Err() == nil && w.opened() < 2 {
				time.Sleep(time.Millisecond)
			}
			cancel()
		}()
		_, first := w.s.OpenDrawn(ctx, 1)
		cancel()
		left := 5 - w.opened()
		rest, err := w.s.Resume(t.Context())
		if err != nil || int64(rest.Now) != left || w.opened() != 5 {
			t.Fatalf("first %v, then %+v, %v: %d are open", first, rest, err, w.opened())
		}
		var inspections int64
		w.read(func(ctx context.Context, tx *store.Tx) error {
			return tx.QueryRow(ctx, `SELECT COUNT(*) FROM matter WHERE kind = 'inspection'`).Scan(&inspections)
		})
		if inspections != 5 {
			t.Errorf("%d inspections of five matters", inspections)
		}
	})
}

func (w *town) opened() (n int64) {
	err := w.DB.Read(context.Background(), func(tx *store.Tx) error {
		return tx.QueryRow(context.Background(), `SELECT COUNT(*) FROM sample_item WHERE inspection <> 0`).Scan(&n)
	})
	if err != nil {
		w.T.Error(err)
	}
	return n
}

func TestWhereNobodyIsUntouchedItWaitsAndSaysSo(t *testing.T) {
	w := open(t, world.SQLite(t))
	ids := w.closed("mill-street", "intake officer", 2)
	w.reviewed(ids)
	// Both inspectors have had a hand in the first one.
	w.done(w.act("supervisor", ids[0], "reopen", matter.Values{"reopen_reason": "new-evidence", "reasons": "A letter came."}))
	for _, who := range []string{"inspector", "regional inspector"} {
		w.tx(func(ctx context.Context, tx *store.Tx) error {
			by := w.viewer(tx, who)
			return w.Accounts.Deactivate(ctx, tx, account.System(journal.ViaCLI), by.Account)
		})
	}
	w.done(w.act("intake officer", ids[0], "decline", matter.Values{"reason_code": "handled", "reasons": "The letter says the same."}))
	w.reviewed(ids[:1])
	w.define(sample.Request{Body: w.body, Size: 2})
	w.published()
	w.done(w.draw(1))
	opened, err := w.s.OpenDrawn(t.Context(), 1)
	if err != nil || opened.Now != 0 || opened.Waiting != 2 {
		t.Fatalf("%+v, %v", opened, err)
	}
	w.tx(func(ctx context.Context, tx *store.Tx) error {
		return w.Accounts.Activate(ctx, tx, account.System(journal.ViaCLI), w.Account["regional inspector"])
	})
	if opened, err = w.s.Resume(t.Context()); err != nil || opened.Now != 2 || opened.Waiting != 0 {
		t.Fatalf("%+v, %v", opened, err)
	}
}

func TestOnlyWhoMayDrawsAndOnlyWhatFits(t *testing.T) {
	w := open(t, world.SQLite(t))
	w.reviewed(w.closed("mill-street", "intake officer", 3))
	w.published()
	other := ref.BodyID(0)
	w.read(func(ctx context.Context, tx *store.Tx) error {
		tree, err := w.Engine.Tree(ctx, tx)
		other = tree.ByCode("other").ID
		return err
	})
	good := sample.Request{Body: w.body, Share: "0.05", Sure: "0.95"}
	for _, tt := range []struct {
		name, who string
		change    func(c *sample.DefineCmd)
		key       string
	}{
		{"an investigator", "investigator", func(*sample.DefineCmd) {}, "sample.forbidden"},
		{"another town's matters", "supervisor", func(c *sample.DefineCmd) { c.Body = other }, "sample.forbidden"},
		{"everything, without a duty over everything", "regional supervisor", func(c *sample.DefineCmd) { c.Body = 0 }, "sample.forbidden"},
		{"nothing that fits", "supervisor", func(c *sample.DefineCmd) { c.Request.Kind = "case" }, "sample.empty"},
		{"more than there are", "supervisor", func(c *sample.DefineCmd) { c.Size = 4 }, "sample.too-many"},
		{"no share", "supervisor", func(c *sample.DefineCmd) { c.Share = "0" }, "sample.share"},
		{"certainty", "supervisor", func(c *sample.DefineCmd) { c.Sure = "1" }, "sample.sure"},
		{"no plan", "supervisor", func(c *sample.DefineCmd) { c.Plan = " " }, "sample.plan"},
		{"another sort of chance", "supervisor", func(c *sample.DefineCmd) { c.Kind = "whim" }, "sample.chance"},
		{"days the wrong way round", "supervisor", func(c *sample.DefineCmd) { c.From, c.To = "2026-03-02", "2026-03-01" }, "sample.days"},
		{"half a day", "supervisor", func(c *sample.DefineCmd) { c.From = "2026-03" }, "sample.day"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := w.DB.Tx(t.Context(), func(tx *store.Tx) error {
				cmd := sample.DefineCmd{Request: good, Kind: verify.SeedDice, Plan: "Dice at the open day", Viewer: w.viewer(tx, tt.who), Via: journal.ViaWeb}
				tt.change(&cmd)
				_, err := w.s.Define(t.Context(), tx, cmd)
				return err
			})
			if !keyed(err, tt.key) {
				t.Errorf("%v, want %s", err, tt.key)
			}
		})
	}
	w.define(sample.Request{Body: w.body})
	w.published()
	for _, tt := range []struct{ name, seed, observer, key string }{
		{"too little chance", "1 2 3", "A neighbour", "sample.seed.dice"},
		{"nobody saw it", seed, " ", "sample.observers"},
	} {
		err := w.DB.Tx(t.Context(), func(tx *store.Tx) error {
			_, err := w.s.Draw(t.Context(), tx, sample.DrawCmd{Number: 1, Seed: tt.seed, Observers: []string{tt.observer}, Viewer: w.viewer(tx, "supervisor"), Via: journal.ViaWeb})
			return err
		})
		if !keyed(err, tt.key) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestByBodyEachIsDrawnFrom(t *testing.T) {
	w := open(t, world.SQLite(t))
	w.reviewed(w.closed("mill-street", "intake officer", 6))
	// Three more were handled by the regional office.
	moved := w.closed("mill-street", "intake officer", 3)
	w.reviewed(moved)
	w.tx(func(ctx context.Context, tx *store.Tx) error {
		tree, err := w.Engine.Tree(ctx, tx)
		if err != nil {
			return err
		}
		for _, id := range moved { // as if; only the population's query reads this here
			if _, err := tx.Exec(ctx, `UPDATE matter SET body = $1 WHERE id = $2`, int64(tree.ByCode("region").ID), int64(id)); err != nil {
				return err
			}
		}
		return nil
	})
	w.published()
	w.tx(func(ctx context.Context, tx *store.Tx) error {
		tree, err := w.Engine.Tree(ctx, tx)
		if err != nil {
			return err
		}
		p, err := w.s.Plan(ctx, tx, sample.Request{Body: region(tree), ByBody: true, Size: 3, Share: "0.2", Sure: "0.9"})
		if err != nil {
			return err
		}
		want := []verify.SampleStrata{{Name: "region", Size: 3, Take: 1}, {Name: "town", Size: 6, Take: 2}}
		if !slices.Equal(p.Strata, want) || p.Take() != 3 || p.Wrong != 2 {
			t.Errorf("%+v", p)
		}
		return nil
	})
}

func region(t *register.Tree) ref.BodyID { return t.ByCode("region").ID }
