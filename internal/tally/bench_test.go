package tally

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"plumbline/internal/journal"
	"plumbline/internal/matter"
	"plumbline/internal/pack"
	"plumbline/internal/ref"
	"plumbline/internal/register"
	"plumbline/internal/store"
	"plumbline/internal/testing/world"
)

// benchPacks has the measures every complaint pack has, with catalogues of the size real ones have.
func benchPacks() shelf {
	p := &pack.Pack{Name: "a", Version: "1.0.0", Measures: []pack.Measure{
		{ID: "matters", Count: pack.CountMatters, By: dims("kind", "state")},
		{ID: "allegations", Count: pack.CountAllegations, By: dims("finding", "category", "conduct")},
		{ID: "officials-named", Count: pack.CountOfficials, By: dims("finding", "category")},
	}}
	return shelf{"a@1.0.0": p}
}

// nation is an office with provinces, cities and stations.
func nation(b testing.TB, db *store.DB) *office {
	o := newOffice(b, db, benchPacks(), keepFrom)
	o.bodies = nil
	o.tx(func(ctx context.Context, tx *store.Tx) error {
		add := func(code string, parent ref.BodyID) (ref.BodyID, error) {
			body, err := register.AddBody(ctx, tx, o.by(), register.Body{ID: ref.BodyID(db.NewID()), Code: code, Parent: parent, Level: "x",
				Names: []register.Name{{Lang: "en", Name: code}}})
			return body.ID, err
		}
		top, err := add("nation", 0)
		if err != nil {
			return err
		}
		for p := range 5 {
			province, err := add(fmt.Sprintf("p%d", p), top)
			if err != nil {
				return err
			}
			for s := range 80 {
				station, err := add(fmt.Sprintf("p%d-s%d", p, s), province)
				if err != nil {
					return err
				}
				o.bodies = append(o.bodies, station)
			}
		}
		return nil
	})
	return o
}

func (o *office) benchAllegation(rng *rand.Rand, no int64) matter.Allegation {
	conduct := min(rng.IntN(110), rng.IntN(110))
	return matter.Allegation{No: no, Official: ref.OfficialID(1 + rng.IntN(20000)), Body: o.bodies[min(rng.IntN(400), rng.IntN(400))],
		Conduct: fmt.Sprintf("conduct-%03d", conduct), Category: fmt.Sprintf("category-%d", conduct%5), Finding: fmt.Sprintf("finding-%d", rng.IntN(9)), Data: "{}"}
}

func benchDate(rng *rand.Rand) string {
	return fmt.Sprintf("%d-%02d-%02d", 2000+rng.IntN(23), 1+rng.IntN(12), 1+rng.IntN(28))
}

// synthetic puts n allegations into the figures as the projector does, without matters behind them.
func (o *office) synthetic(n int) {
	rng := rand.New(rand.NewPCG(1, uint64(n)))
	var ms *Measures
	o.tx(func(ctx context.Context, tx *store.Tx) (err error) { ms, err = o.tally.Measures(ctx, tx); return err })
	const batch = 50000
	for done := 0; done < n; done += batch {
		var facts []Fact
		for i := range batch / 2 {
			st := matter.State{Matter: matter.Row{ID: ref.MatterID(done + i + 1), Kind: "complaint", State: "imported", Pack: "a@1.0.0",
				Received: benchDate(rng), Body: o.bodies[0], Source: "city"}}
			st.Allegations = []matter.Allegation{o.benchAllegation(rng, 1), o.benchAllegation(rng, 2)}
			own, err := Contribute(ms, &st, Lookup{Now: func(id ref.OfficialID) ref.OfficialID { return id }})
			if err != nil {
				o.t.Fatal(err)
			}
			facts = append(facts, own...)
		}
		o.tx(func(ctx context.Context, tx *store.Tx) error {
			ch := newChanges(ms)
			tr, err := o.tally.grow(ctx, tx, ch)
			if err != nil {
				return err
			}
			for i := range facts {
				ch.add(&facts[i], 1)
			}
			if err := replaceFacts(ctx, tx, nil, facts); err != nil {
				return err
			}
			return ch.carry(ctx, tx, tr)
		})
	}
}

// BenchmarkNationalFigure reads the figures of a national page from 10,000 and from 1,000,000 allegations, taking turns
// so that the drift of the machine hits both, and prints how many times longer the larger one takes.
func BenchmarkNationalFigure(b *testing.B) {
	sizes := []int{10_000, 1_000_000}
	offices := make([]*office, len(sizes))
	for i, n := range sizes {
		offices[i] = nation(b, world.SQLite(b))
		offices[i].synthetic(n)
	}
	page := []Request{
		{Measure: "allegations", By: []string{"finding"}}, {Measure: "allegations", By: []string{"year"}},
		{Measure: "allegations", By: []string{"category", "finding"}}, {Measure: "officials-named"}, {Measure: "matters", By: []string{"body"}},
	}
	for _, req := range page {
		if got := offices[1].stats(Request{Measure: req.Measure}); got.Total == 0 {
			b.Fatalf("nothing counted by %s", req.Measure)
		}
	}
	times := make([][]time.Duration, len(sizes))
	for b.Loop() {
		for i, o := range offices {
			begun := time.Now()
			for _, req := range page {
				o.stats(req)
			}
			times[i] = append(times[i], time.Since(begun))
		}
	}
	median := func(d []time.Duration) float64 { slices.Sort(d); return float64(d[len(d)/2].Microseconds()) }
	small, large := median(times[0]), median(times[1])
	b.ReportMetric(small/float64(len(page)), "µs/figure@10k")
	b.ReportMetric(large/float64(len(page)), "µs/figure@1M")
	b.ReportMetric(large/small, "ratio")
}

// BenchmarkProjector counts imported matters of two allegations each from the journal.
func BenchmarkProjector(b *testing.B) {
	const matters = 20000
	for b.Loop() {
		b.StopTimer()
		o := nation(b, world.SQLite(b))
		o.imported(matters)
		if err := journal.NewSequencer(o.db, quiet).All(b.Context()); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		begun := time.Now()
		o.catchUp()
		b.ReportMetric(matters/time.Since(begun).Seconds(), "matters/s")
	}
}

func (o *office) imported(n int) {
	rng := rand.New(rand.NewPCG(5, 5))
	for range n / 1000 {
		o.tx(func(ctx context.Context, tx *store.Tx) error {
			var entries []journal.Entry
			var own, alleged [][]any
			for range 1000 {
				id := ref.MatterID(o.db.NewID())
				row := matter.Row{ID: id, Ref: ref.ReferenceFor("C", id.String()), Kind: "complaint", Pack: "a@1.0.0", State: "imported", Final: 1,
					Received: benchDate(rng), Body: o.bodies[0], Source: "city", SourceKey: id.String(), Data: "{}", N: 1}
				own = append(own, matterRows.Values(int64(id), &row))
				for no := range int64(2) {
					a := o.benchAllegation(rng, no+1)
					alleged = append(alleged, allegationRows.Values(int64(id), &a))
				}
				entries = append(entries, journal.Entry{Stream: id.Stream(), N: 1, At: o.at, By: journal.Actor{Duty: "import"}, Via: journal.ViaImport, Action: "import"})
			}
			if err := tx.InsertMany(ctx, "matter", matterRows.Columns(), own); err != nil {
				return err
			}
			if err := tx.InsertMany(ctx, "allegation", allegationRows.Columns(), alleged); err != nil {
				return err
			}
			return journal.AppendMany(ctx, tx, entries)
		})
	}
}

// BenchmarkSequencer numbers entries in the batches of the sequencer.
func BenchmarkSequencer(b *testing.B) {
	const matters = 20000
	for b.Loop() {
		b.StopTimer()
		o := nation(b, world.SQLite(b))
		o.imported(matters)
		b.StartTimer()
		begun := time.Now()
		if err := journal.NewSequencer(o.db, quiet).All(b.Context()); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(matters/time.Since(begun).Seconds(), "entries/s")
	}
}
