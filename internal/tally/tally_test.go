package tally

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sort"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"plumbline/internal/journal"
	"plumbline/internal/matter"
	"plumbline/internal/pack"
	"plumbline/internal/ref"
	"plumbline/internal/register"
	"plumbline/internal/rows"
	"plumbline/internal/store"
	"plumbline/internal/store/storetest"
	"plumbline/internal/testing/world"
)

var quiet = slog.New(slog.DiscardHandler)

var (
	matterRows     = rows.Of[matter.Row]("matter", "")
	allegationRows = rows.Of[matter.Allegation]("allegation", "matter")
)

// shelf is a set of packs.
type shelf map[string]*pack.Pack

func (s shelf) Version(id string) (*pack.Pack, error) {
	if p := s[id]; p != nil {
		return p, nil
	}
	return nil, errors.New("no pack " + id)
}

func dims(ids ...string) (out []pack.Dim) {
	for _, id := range ids {
		out = append(out, pack.Dim{ID: id})
	}
	return out
}

// testPack counts all three things; the second pack has another set of dimensions.
func testPacks() shelf {
	a := &pack.Pack{Name: "a", Version: "1.0.0", Measures: []pack.Measure{
		{ID: "matters", Count: pack.CountMatters, By: dims("kind", "state")},
		{ID: "allegations", Count: pack.CountAllegations, By: dims("finding", "conduct", "category")},
		{ID: "officials", Count: pack.CountOfficials, By: dims("finding", "conduct")},
	}, Findings: []pack.Finding{{ID: "sustained"}, {ID: "unfounded"}, {ID: "not-sustained"}}}
	b := &pack.Pack{Name: "b", Version: "1.0.0", Measures: []pack.Measure{
		{ID: "cases", Count: pack.CountMatters, Kinds: []string{"case"}, By: dims("ended")},
		{ID: "allegations", Count: pack.CountAllegations, By: dims("outcome", "finding")},
	}}
	return shelf{"a@1.0.0": a, "b@1.0.0": b}
}

// office is a small office whose matters are written straight into the tables and the journal.
type office struct {
	t         testing.TB
	db        *store.DB
	tally     *Tally
	bodies    []ref.BodyID
	parent    map[ref.BodyID]ref.BodyID
	codes     map[ref.BodyID]string
	officials []ref.OfficialID
	merged    map[ref.OfficialID]ref.OfficialID
	streams   map[string]int64
	states    map[ref.MatterID]*matter.State
	at        time.Time
}

func newOffice(t testing.TB, db *store.DB, packs shelf, keep int64) *office {
	t.Helper()
	o := &office{t: t, db: db, tally: New(packs), parent: map[ref.BodyID]ref.BodyID{}, codes: map[ref.BodyID]string{},
		merged: map[ref.OfficialID]ref.OfficialID{}, streams: map[string]int64{}, states: map[ref.MatterID]*matter.State{},
		at: time.Date(2026, 3, 27, 12, 0, 0, 0, time.UTC)}
	o.tally.keep = keep
	o.tx(func(ctx context.Context, tx *store.Tx) error {
		for _, p := range packs {
			if _, err := tx.Exec(ctx, `INSERT INTO pack (name, version, digest, loaded, active, files) VALUES ($1, $2, $3, 0, 1, $4)`,
				p.Name, p.Version, "digest", []byte{}); err != nil {
				return err
			}
		}
		return nil
	})
	for i, up := range []int{-1, 0, 0, 1, 1, -1, 5} {
		var parent ref.BodyID
		if up >= 0 {
			parent = o.bodies[up]
		}
		o.addBody(fmt.Sprintf("body-%d", i), parent)
	}
	for i := range 8 {
		o.addOfficial(i)
	}
	return o
}

func (o *office) tx(do func(ctx context.Context, tx *store.Tx) error) {
	o.t.Helper()
	if err := o.db.Tx(o.t.Context(), func(tx *store.Tx) error { return do(o.t.Context(), tx) }); err != nil {
		o.t.Fatal(err)
	}
}

func (o *office) by() register.By {
	o.at = o.at.Add(time.Second)
	return register.By{Actor: journal.Actor{Duty: "admin"}, Via: journal.ViaCLI, At: o.at}
}

func (o *office) addBody(code string, parent ref.BodyID) {
	o.t.Helper()
	o.tx(func(ctx context.Context, tx *store.Tx) error {
		b, err := register.AddBody(ctx, tx, o.by(), register.Body{ID: ref.BodyID(o.db.NewID()), Code: code, Parent: parent, Level: "local",
			Names: []register.Name{{Lang: "en", Name: code}}})
		if err != nil {
			return err
		}
		o.bodies = append(o.bodies, b.ID)
		o.parent[b.ID], o.codes[b.ID] = parent, code
		return nil
	})
}

func (o *office) addOfficial(i int) {
	o.t.Helper()
	o.tx(func(ctx context.Context, tx *store.Tx) error {
		a, err := register.AddOfficial(ctx, tx, o.by(), register.Official{ID: ref.OfficialID(o.db.NewID()), Source: "test", SourceKey: fmt.Sprint(i),
			Name: fmt.Sprintf("Official %d", i), Identified: 1, Data: "{}"})
		if err != nil {
			return err
		}
		o.officials = append(o.officials, a.ID)
		return nil
	})
}

// record writes a matter as it is now, with an entry that says it changed.
func (o *office) record(st *matter.State) {
	o.t.Helper()
	o.tx(func(ctx context.Context, tx *store.Tx) error { return o.recordIn(ctx, tx, st) })
}

func (o *office) recordIn(ctx context.Context, tx *store.Tx, st *matter.State) error {
	id := st.Matter.ID
	stream := id.Stream()
	o.streams[stream]++
	st.Matter.N = o.streams[stream]
	var oldRows []matter.Row
	var old []matter.Allegation
	if was := o.states[id]; was != nil {
		oldRows, old = []matter.Row{was.Matter}, was.Allegations
	}
	if err := matterRows.Save(ctx, tx, int64(id), oldRows, []matter.Row{st.Matter}); err != nil {
		return err
	}
	if err := allegationRows.Save(ctx, tx, int64(id), old, st.Allegations); err != nil {
		return err
	}
	o.at = o.at.Add(time.Second)
	kept := *st
	kept.Allegations = slices.Clone(st.Allegations)
	o.states[id] = &kept
	return journal.Append(ctx, tx, journal.Entry{Stream: stream, N: st.Matter.N, At: o.at, By: journal.Actor{Duty: "intake"}, Via: journal.ViaCLI, Action: "note"})
}

func (o *office) catchUp() {
	o.t.Helper()
	if err := journal.NewFollowers(o.db, quiet, o.tally).CatchUp(o.t.Context(), nil); err != nil {
		o.t.Fatal(err)
	}
}

func (o *office) stats(req Request) (res Result) {
	o.t.Helper()
	err := o.db.Read(o.t.Context(), func(tx *store.Tx) (err error) {
		res, err = o.tally.Stats(o.t.Context(), tx, req)
		return err
	})
	if err != nil {
		o.t.Fatalf("%+v: %v", req, err)
	}
	return res
}

func (o *office) verify() Verified {
	o.t.Helper()
	v, err := o.tally.Verify(o.t.Context(), o.db, nil)
	if err != nil {
		o.t.Fatal(err)
	}
	return v
}

func (o *office) checkClean() {
	o.t.Helper()
	v := o.verify()
	for _, d := range v.Differences {
		o.t.Errorf("verify: %v", d)
	}
	if v.Behind != 0 {
		o.t.Errorf("verify: %d behind", v.Behind)
	}
}

func pick[T any](rng *rand.Rand, from ...T) T { return from[rng.IntN(len(from))] }

func (o *office) randomAllegation(rng *rand.Rand, no int64) matter.Allegation {
	a := matter.Allegation{No: no, Conduct: pick(rng, "force", "insult", "theft"), Category: pick(rng, "x", "y"),
		Finding: pick(rng, "", "sustained", "unfounded", "not-sustained", "a strange one"), Outcome: pick(rng, "", "warning"), Data: "{}"}
	if rng.IntN(4) > 0 {
		a.Official = pick(rng, o.officials...)
	}
	if rng.IntN(2) > 0 {
		a.Body = pick(rng, o.bodies...)
	}
	return a
}

func randomDate(rng *rand.Rand) string {
	return pick(rng, "", "2018", "2018-05", "2018-12-31", "2019", "2019-01", "2019-01-01", "2019-07-15", "2020-02", "2020-02-29", "2021-01-01")
}

func (o *office) randomMatter(rng *rand.Rand) *matter.State {
	id := ref.MatterID(o.db.NewID())
	st := &matter.State{Matter: matter.Row{ID: id, Ref: ref.ReferenceFor("R", id.String()), Kind: pick(rng, "report", "case"),
		Pack: pick(rng, "a@1.0.0", "a@1.0.0", "b@1.0.0", "c@1.0.0"), State: pick(rng, "received", "closed"), Received: randomDate(rng),
		Body: pick(rng, append(o.bodies, 0)...), Source: pick(rng, "", "city"), Data: "{}", Ended: pick(rng, "", "decline")}}
	if rng.IntN(2) > 0 {
		st.Matter.Concerned = pick(rng, o.bodies...)
	}
	for no := range rng.Int64N(5) {
		st.Allegations = append(st.Allegations, o.randomAllegation(rng, no+1))
	}
	return st
}

// live does something that happens in an office.
func (o *office) live(rng *rand.Rand) {
	o.t.Helper()
	var known []ref.MatterID
	for id := range o.states {
		known = append(known, id)
	}
	slices.Sort(known)
	switch n := rng.IntN(20); {
	case n < 8 || len(known) == 0:
		o.record(o.randomMatter(rng))
	case n < 16:
		st := *o.states[pick(rng, known...)]
		st.Allegations = slices.Clone(st.Allegations)
		switch rng.IntN(5) {
		case 0:
			st.Matter.State = pick(rng, "received", "closed")
		case 1:
			st.Matter.Received, st.Matter.Concerned = randomDate(rng), pick(rng, o.bodies...)
		case 2:
			if len(st.Allegations) > 0 {
				i := rng.IntN(len(st.Allegations))
				st.Allegations[i] = o.randomAllegation(rng, st.Allegations[i].No)
			}
		case 3:
			st.Allegations = append(st.Allegations, o.randomAllegation(rng, int64(len(st.Allegations)+10)))
		case 4:
			if n := len(st.Allegations); n > 0 {
				st.Allegations = st.Allegations[:n-1]
			}
		}
		slices.SortFunc(st.Allegations, func(a, b matter.Allegation) int { return int(a.No - b.No) })
		st.Allegations = slices.CompactFunc(st.Allegations, func(a, b matter.Allegation) bool { return a.No == b.No })
		o.record(&st)
	case n == 16:
		a, b := pick(rng, o.officials...), pick(rng, o.officials...)
		if o.merged[a] != 0 || o.merged[b] != 0 || a == b {
			return
		}
		o.tx(func(ctx context.Context, tx *store.Tx) error {
			_, err := register.MergeOfficial(ctx, tx, o.by(), a, b)
			return err
		})
		o.merged[a] = b
	case n == 17:
		b, to := pick(rng, o.bodies...), pick(rng, append(o.bodies, 0)...)
		for up := to; up != 0; up = o.parent[up] {
			if up == b {
				return // it would lie below itself
			}
		}
		if o.parent[b] == to {
			return
		}
		o.tx(func(ctx context.Context, tx *store.Tx) error {
			_, err := register.MoveBody(ctx, tx, o.by(), b, to)
			return err
		})
		o.parent[b] = to
	case n == 18 && len(o.bodies) < 12:
		o.addBody(fmt.Sprintf("new-%d", len(o.bodies)), pick(rng, append(o.bodies, 0)...))
	default:
		o.catchUp()
	}
}

func (o *office) within(b, top ref.BodyID) bool {
	for ; b != 0; b = o.parent[b] {
		if b == top {
			return true
		}
	}
	return top == 0
}

// brute answers a request by looking at every matter.
func (o *office) brute(req Request) (map[string]int64, int64, int64) {
	var top ref.BodyID
	for id, code := range o.codes {
		if code == req.Body {
			top = id
		}
	}
	values, imported := map[string]int64{}, int64(0)
	var total int64
	people := map[string]map[ref.OfficialID]bool{}
	note := func(key string, who ref.OfficialID) bool {
		if people[key] == nil {
			people[key] = map[ref.OfficialID]bool{}
		}
		was := people[key][who]
		people[key][who] = true
		return !was
	}
	for _, st := range o.states {
		m := st.Matter
		if req.Without != nil && left(m.ID) {
			continue
		}
		name := m.Pack[:1]
		own := m.Concerned
		if own == 0 {
			own = m.Body
		}
		add := func(body ref.BodyID, who ref.OfficialID, vals map[string]string) {
			if !o.within(body, top) || !inRange(m.Received, req.From, req.To) {
				return
			}
			vals["imported"] = "no"
			if m.Source != "" {
				vals["imported"] = "yes"
			}
			vals["year"], vals["month"] = "", ""
			if m.Received != "" {
				vals["year"], vals["month"] = m.Received[:4], m.Received[:min(7, len(m.Received))]
			}
			vals["body"] = o.codes[top]
			for b := body; b != 0 && b != top; b = o.parent[b] {
				vals["body"] = o.codes[b]
			}
			if top == 0 && body == 0 {
				vals["body"] = ""
			}
			var key []string
			for _, d := range req.By {
				key = append(key, vals[d])
			}
			k := strings.Join(key, "|")
			if who == 0 {
				values[k]++
				total++
				if m.Source != "" {
					imported++
				}
				return
			}
			if note("row "+k, who) {
				values[k]++
			}
			if note("total", who) {
				total++
			}
			if m.Source != "" && note("imported", who) {
				imported++
			}
		}
		switch {
		case req.Measure == "matters" && name == "a":
			add(own, 0, map[string]string{"kind": m.Kind, "state": m.State})
		case req.Measure == "cases" && name == "b" && m.Kind == "case":
			add(own, 0, map[string]string{"ended": m.Ended})
		case req.Measure == "allegations" && name != "c", req.Measure == "officials" && name == "a":
			for _, a := range st.Allegations {
				body := own
				if a.Body != 0 {
					body = a.Body
				}
				vals := map[string]string{"finding": a.Finding, "conduct": a.Conduct, "category": a.Category}
				if name == "b" {
					vals = map[string]string{"finding": a.Finding, "outcome": a.Outcome}
				}
				if req.Measure == "allegations" {
					add(body, 0, vals)
				} else if who := a.Official; who != 0 {
					for o.merged[who] != 0 {
						who = o.merged[who]
					}
					add(body, who, vals)
				}
			}
		}
	}
	return values, total, imported
}

// inRange says it in days: a date of reduced precision is its first day.
func inRange(date, from, to string) bool {
	if from == "" && to == "" {
		return true
	}
	if date == "" {
		return false
	}
	day := (date + "-01-01")[:10]
	if len(date) == 7 {
		day = date + "-01"
	}
	if from != "" && day < (from + "-01-01")[:10] && day < (from + "-01")[:min(10, len(from)+3)] {
		return false
	}
	return to == "" || day[:len(to)] <= to
}

var requests = []Request{
	{Measure: "matters"}, {Measure: "matters", By: []string{"kind"}}, {Measure: "matters", By: []string{"state", "kind"}},
	{Measure: "matters", By: []string{"year"}}, {Measure: "matters", By: []string{"body"}}, {Measure: "matters", By: []string{"imported"}},
	{Measure: "matters", By: []string{"body", "year", "kind"}}, {Measure: "matters", By: []string{"month"}},
	{Measure: "matters", From: "2019"}, {Measure: "matters", To: "2018"}, {Measure: "matters", From: "2018-06-01", To: "2020-02-15", By: []string{"kind"}},
	{Measure: "matters", From: "2019", To: "2020", By: []string{"year", "state"}}, {Measure: "matters", From: "2019-01-02", To: "2019-12-30"},
	{Measure: "cases", By: []string{"ended"}},
	{Measure: "allegations"}, {Measure: "allegations", By: []string{"finding"}}, {Measure: "allegations", By: []string{"conduct", "finding"}},
	{Measure: "allegations", By: []string{"finding", "conduct", "category"}}, {Measure: "allegations", By: []string{"outcome", "body"}},
	{Measure: "allegations", By: []string{"year", "finding"}}, {Measure: "allegations", Body: "body-0", By: []string{"body", "finding"}},
	{Measure: "allegations", Body: "body-1", By: []string{"finding"}}, {Measure: "allegations", Body: "body-5", From: "2019", By: []string{"finding", "conduct"}},
	{Measure: "allegations", By: []string{"year", "finding", "conduct"}}, {Measure: "allegations", Body: "body-3", From: "2018", To: "2019-01"},
	{Measure: "officials"}, {Measure: "officials", By: []string{"finding"}}, {Measure: "officials", By: []string{"year"}},
	{Measure: "officials", By: []string{"body"}}, {Measure: "officials", Body: "body-0", By: []string{"body", "finding"}}, {Measure: "officials", From: "2019"},
	{Measure: "officials", From: "2018", To: "2018", By: []string{"imported"}}, {Measure: "officials", From: "2018-06", By: []string{"finding", "conduct"}},
	{Measure: "officials", From: "2019", To: "2019"}, {Measure: "officials", Body: "body-1", By: []string{"conduct"}},
	{Measure: "officials", From: "2019", To: "2020", By: []string{"year"}},
}

// left tells which matters are left out of a figure, and leaveOut says it in SQL.
func left(id ref.MatterID) bool { return id%5 == 2 }

func leaveOut(firstArg int) (string, []any) {
	return fmt.Sprintf("SELECT id FROM matter WHERE id %% $%d = $%d", firstArg, firstArg+1), []any{int64(5), int64(2)}
}

func (o *office) checkAgainstBrute() {
	o.t.Helper()
	all := slices.Clone(requests)
	for _, req := range requests {
		req.Without = leaveOut
		all = append(all, req)
	}
	for _, req := range all {
		got := o.stats(req)
		want, total, imported := o.brute(req)
		values := map[string]int64{}
		for _, r := range got.Rows {
			values[strings.Join(r.Key, "|")] = r.Value
		}
		if len(want) == 0 {
			want = map[string]int64{}
		}
		if diff := cmp.Diff(want, values); diff != "" || got.Total != total || got.Imported != imported || got.AsOf.Behind != 0 {
			o.t.Errorf("%+v: total %d, want %d; imported %d, want %d; behind %d (-want +got):\n%s",
				req, got.Total, total, got.Imported, imported, got.AsOf.Behind, diff)
		}
	}
}

// dump is everything the figures hold, zeros left out.
func (o *office) dump() (out []string) {
	o.t.Helper()
	err := o.db.Read(o.t.Context(), func(tx *store.Tx) error {
		for _, q := range []struct {
			text string
			cols int
		}{
			{`SELECT 'fact', CAST(matter AS TEXT), measure, CAST(no AS TEXT), CAST(official AS TEXT), CAST(body AS TEXT), received, dims FROM fact`, 8},
			{`SELECT 'cell', measure, CAST(body AS TEXT), dims, period, v1, v2, CAST(value AS TEXT) FROM cell WHERE value <> 0`, 8},
			{`SELECT 'seen', measure, CAST(body AS TEXT), CAST(official AS TEXT), times FROM seen`, 5},
			{`SELECT 'tree', CAST(body AS TEXT), CAST(parent AS TEXT) FROM tally_tree`, 3},
		} {
			found, err := tx.Query(o.t.Context(), q.text)
			if err != nil {
				return err
			}
			for found.Next() {
				vals := make([]string, q.cols)
				dest := make([]any, q.cols)
				for i := range vals {
					dest[i] = &vals[i]
				}
				if err := found.Scan(dest...); err != nil {
					return err
				}
				out = append(out, strings.Join(vals, "|"))
			}
			if err := found.Close(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		o.t.Fatal(err)
	}
	sort.Strings(out)
	return out
}

// Whatever happens in an office, the figures are what counting everything gives, also with cells kept from the first
// fact, from the tenth, and never.
func TestFiguresAreWhatCountingGives(t *testing.T) {
	t.Parallel()
	for _, keep := range []int64{1, 10, 1 << 40} {
		t.Run(fmt.Sprintf("kept from %d", keep), func(t *testing.T) {
			t.Parallel()
			world.Each(t, func(t *testing.T, db *store.DB) {
				o := newOffice(t, db, testPacks(), keep)
				seed := rand.Uint64()
				t.Logf("seed %d", seed)
				rng := rand.New(rand.NewPCG(seed, 0))
				for round := range 3 {
					for range 40 {
						o.live(rng)
					}
					o.catchUp()
					o.checkClean()
					o.checkAgainstBrute()
					if t.Failed() {
						t.Fatalf("in round %d", round)
					}
				}
			})
		})
	}
}

// A history drawn by rapid, so that a failure is shrunk to the few acts that bring it about.
func TestIncrementalEqualsRebuilt(t *testing.T) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		rapid.Check(t, func(rt *rapid.T) {
			db := world.Open(t, "sqlite::memory:")
			defer func() { _ = db.Close() }()
			o := newOffice(t, db, testPacks(), 4)
			rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 1))
			for range rapid.IntRange(1, 20).Draw(rt, "acts") {
				o.live(rng)
			}
			o.checkRebuilt(rt.Fatalf)
		})
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		o := newOffice(t, world.Open(t, storetest.PostgresURL(t)), testPacks(), 4)
		rng := rand.New(rand.NewPCG(rand.Uint64(), 1))
		for range 8 {
			for range 10 {
				o.live(rng)
			}
			o.checkRebuilt(t.Fatalf)
		}
	})
}

// countAnew makes the figures begin from nothing.
func (o *office) countAnew() {
	o.t.Helper()
	o.tx(func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE follower SET version = 'an older one' WHERE name = 'tally'`)
		return err
	})
	o.catchUp()
}

func (o *office) checkRebuilt(fail func(string, ...any)) {
	o.t.Helper()
	o.catchUp()
	incremental := o.dump()
	o.countAnew()
	// A body is kept in full once it was large; rebuilt, it may be small from the start. So only what the rebuilt
	// figures hold must be the same, and nothing else may be wrong.
	rebuilt := o.dump()
	if missing := less(rebuilt, incremental); len(missing) > 0 {
		fail("rebuilt and not there before: %q", missing)
	}
	for _, line := range less(incremental, rebuilt) {
		if strings.HasPrefix(line, "fact") || strings.HasPrefix(line, "tree") {
			fail("there before and not rebuilt: %q", line)
		}
	}
	o.checkClean()
}

func less(a, b []string) (out []string) {
	have := map[string]bool{}
	for _, s := range b {
		have[s] = true
	}
	for _, s := range a {
		if !have[s] {
			out = append(out, s)
		}
	}
	return out
}

// Every statement fails once, before and after taking effect, and in the end everything is counted once.
func TestFailuresNeverCountTwice(t *testing.T) {
	t.Parallel()
	world.EachURL(t, func(t *testing.T, url string) {
		calm := world.Open(t, url)
		o := newOffice(t, calm, testPacks(), 3)
		var armed atomic.Int64
		wild, err := store.Open(t.Context(), url, store.WithHook(func(store.Point) error {
			if armed.Load() > 0 && armed.Add(-1) == 0 {
				return errors.New("broken on purpose")
			}
			return nil
		}))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = wild.Close() })
		rng := rand.New(rand.NewPCG(7, 7))
		seq := journal.NewSequencer(calm, quiet)
		failed := 0
		for step := int64(1); step < 400; step++ {
			o.record(o.randomMatter(rng))
			o.record(o.randomMatter(rng))
			if err := seq.All(t.Context()); err != nil {
				t.Fatal(err)
			}
			armed.Store(step)
			err := stepOnce(t, wild, o.tally)
			hit := armed.Swap(0) == 0
			if hit {
				failed++
			}
			if hit && err == nil {
				t.Errorf("a failure at step %d was not reported", step)
			}
			if !hit {
				break
			}
			if err := stepOnce(t, calm, o.tally); err != nil {
				t.Fatal(err)
			}
		}
		if failed < 10 {
			t.Errorf("only %d steps failed", failed)
		}
		o.catchUp()
		o.checkClean()
		o.checkAgainstBrute()
	})
}

// stepOnce does what the followers' runner does, once.
func stepOnce(t *testing.T, db *store.DB, tl *Tally) error {
	ctx := t.Context()
	return db.Tx(ctx, func(tx *store.Tx) error {
		cursor, _, err := journal.Cursor(ctx, tx, Follower)
		if err != nil {
			return err
		}
		version, err := tl.Version(ctx, tx)
		if err != nil {
			return err
		}
		entries, err := journal.Since(ctx, tx, cursor, 1000)
		if err != nil || len(entries) == 0 {
			return err
		}
		if err := tl.Step(ctx, tx, entries); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO follower (name, idx, version) VALUES ($1, $2, $3) ON CONFLICT (name) DO UPDATE SET idx = excluded.idx`,
			Follower, entries[len(entries)-1].Index, version)
		return err
	})
}

func TestChangedMeasureIsCountedAnew(t *testing.T) {
	t.Parallel()
	world.Each(t, func(t *testing.T, db *store.DB) {
		packs := testPacks()
		o := newOffice(t, db, packs, 5)
		rng := rand.New(rand.NewPCG(3, 3))
		for range 30 {
			o.record(o.randomMatter(rng))
		}
		o.catchUp()
		newer := *packs["a@1.0.0"]
		newer.Version = "1.1.0"
		newer.Measures = append(slices.Clone(newer.Measures), pack.Measure{ID: "closed", Count: pack.CountMatters, Kinds: []string{"case"}, By: dims("state")})
		packs["a@1.1.0"] = &newer
		o.tx(func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.Exec(ctx, `INSERT INTO pack (name, version, digest, loaded, active, files) VALUES ('a', '1.1.0', 'other', 1, 1, $1)`, []byte{})
			return err
		})
		var seen []int64
		err := journal.NewFollowers(db, quiet, o.tally).CatchUp(t.Context(), func(done, _ int64) { seen = append(seen, done) })
		if err != nil || len(seen) == 0 {
			t.Fatalf("progress %v, %v", seen, err)
		}
		var want int64
		for _, st := range o.states {
			if st.Matter.Pack == "a@1.0.0" && st.Matter.Kind == "case" {
				want++
			}
		}
		if got := o.stats(Request{Measure: "closed", By: []string{"state"}}); got.Total != want || want == 0 {
			t.Errorf("total %d, want %d", got.Total, want)
		}
		o.checkClean()
		o.checkAgainstBrute()
	})
}

// A change behind the back of the figures is named, and counting everything anew mends it.
func TestTamperingIsNamed(t *testing.T) {
	t.Parallel()
	tampered := []struct {
		name, change string
		want         string // the beginning of the only difference
	}{
		{"a fact changed", `UPDATE fact SET dims = REPLACE(dims, 'finding=sustained', 'finding=unfounded') WHERE matter = 1 AND measure = 'allegations' AND no = 1`, "fact matter=1 measure=allegations no=1: dims"},
		{"an official exchanged", `UPDATE fact SET official = official + 1 WHERE matter = 1 AND measure = 'officials' AND no = 1`, "fact matter=1 measure=officials no=1: official"},
		{"a fact taken away", `DELETE FROM fact WHERE matter = 1 AND measure = 'matters'`, "fact matter=1 measure=matters no=0"},
		{"a fact of no matter", `INSERT INTO fact SELECT 999, measure, no, official, body, received, dims, amount FROM fact WHERE matter = 1 AND measure = 'officials' AND no = 1`, "fact matter=999 measure=officials no=1"},
		{"a cell raised", `UPDATE cell SET value = value + 1 WHERE measure = 'allegations' AND dims = 'finding' AND v1 = 'sustained' AND period = 'all' AND body = 0`, "cell measure=allegations body=0 period=all finding=sustained: value"},
		{"a cell taken away", `DELETE FROM cell WHERE measure = 'matters' AND dims = '' AND period = 'all' AND body = 0`, "cell measure=matters body=0 period=all"},
		{"a cell of a measure nobody declared", `INSERT INTO cell (measure, body, dims, period, v1, v2, value) VALUES ('miracles', 0, '', 'all', '', '', 7)`, "cell measure=miracles"},
		{"an official counted once too often", `UPDATE seen SET times = REPLACE(times, '"all":', '"all":1') WHERE body = 0 AND official = (SELECT MIN(official) FROM seen)`, "seen measure=officials body=0"},
		{"an official forgotten", `DELETE FROM seen WHERE body = 0 AND official = (SELECT MIN(official) FROM seen)`, "seen measure=officials body=0"},
		{"the number of facts", `UPDATE cube SET facts = facts + 1 WHERE measure = 'matters' AND body = 0`, "cube measure=matters body=0: facts"},
		{"a body hung elsewhere", `UPDATE tally_tree SET parent = 0 WHERE body = (SELECT id FROM body WHERE code = 'body-3')`, "tally_tree body="}}
	world.Each(t, func(t *testing.T, db *store.DB) {
		o := newOffice(t, db, testPacks(), 2)
		for id := ref.MatterID(1); id <= 4; id++ {
			st := &matter.State{Matter: matter.Row{ID: id, Ref: ref.ReferenceFor("R", id.String()), Kind: "case", Pack: "a@1.0.0", State: "closed",
				Received: "2019-05", Body: o.bodies[3], Data: "{}"}}
			st.Allegations = []matter.Allegation{
				{No: 1, Official: o.officials[id], Conduct: "force", Finding: "sustained", Data: "{}"},
				{No: 2, Official: o.officials[0], Conduct: "theft", Finding: "unfounded", Data: "{}"},
			}
			o.record(st)
		}
		o.catchUp()
		for _, tt := range tampered {
			o.checkClean()
			o.tx(func(ctx context.Context, tx *store.Tx) error {
				n, err := tx.Affected(ctx, tt.change)
				if err == nil && n != 1 {
					err = fmt.Errorf("%s: %d rows changed", tt.name, n)
				}
				return err
			})
			found := o.verify().Differences
			if len(found) != 1 || !strings.HasPrefix(found[0].String(), tt.want) {
				t.Errorf("%s: found %v, want %s …", tt.name, found, tt.want)
			}
			o.countAnew()
		}
		o.checkClean()
	})
}

func TestTraceNamesTheMattersBehindAValue(t *testing.T) {
	t.Parallel()
	world.Each(t, func(t *testing.T, db *store.DB) {
		o := newOffice(t, db, testPacks(), 5)
		rng := rand.New(rand.NewPCG(11, 11))
		for range 60 {
			o.record(o.randomMatter(rng))
		}
		o.catchUp()
		for i, req := range requests {
			if strings.HasPrefix(req.Measure, "officials") {
				continue // there, values count officials and not matters
			}
			if i%2 == 0 {
				req.Without = leaveOut
			}
			for _, row := range o.stats(req).Rows {
				var sum int64
				var last ref.MatterID
				for {
					var page []Traced
					var more bool
					err := db.Read(t.Context(), func(tx *store.Tx) (err error) {
						page, more, err = o.tally.Trace(t.Context(), tx, TraceRequest{Request: req, Key: row.Key, See: Everybody, After: last, Limit: 7})
						return err
					})
					if err != nil {
						t.Fatal(err)
					}
					for _, m := range page {
						if m.ID <= last || o.states[m.ID].Matter.Ref != m.Ref {
							t.Fatalf("%v behind %v", m, last)
						}
						last = m.ID
						sum += m.Counts
					}
					if !more {
						break
					}
				}
				if sum != row.Value {
					t.Errorf("%+v %q: %d behind a value of %d", req, row.Key, sum, row.Value)
				}
			}
		}
		// Who may see nothing sees nothing.
		err := db.Read(t.Context(), func(tx *store.Tx) error {
			page, _, err := o.tally.Trace(t.Context(), tx, TraceRequest{Request: Request{Measure: "matters"},
				See: func(alias string, arg int) (string, []any) {
					return fmt.Sprintf("%s.body = $%d", alias, arg), []any{int64(-1)}
				}})
			if len(page) != 0 {
				t.Errorf("sees %v", page)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}
