package tally

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"plumbline/internal/fault"
	"plumbline/internal/pack"
)

// drawOfficials makes a world of officials that mostly stay where they are and do what they do: then many have the same
// values, few have several, and the numbers are close to each other.
func drawOfficials(t *rapid.T, w *smallWorld) {
	rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 2))
	strays := rng.IntN(8) + 1 // of so many, one has another value than usual
	bodies := [][]string{{"n1", "south"}, {"n1", "n2", "south"}, {"n1", "n2", "n3", "south", "north"}, {"n1", "n2", "n3", "south", "top"}}[rng.IntN(4)]
	some := func(of ...string) []string { return of[:rng.IntN(len(of))+1] }
	value := map[string][]string{"finding": some("sustained", "unfounded", ""), "conduct": some("bribe", "beating", "theft"), Imported: some("yes", "no"),
		DimYear: some("2019", "2018"), "body": some(bodies...)}
	dims := []string{"finding", "conduct", Imported, DimYear, "body"}
	for official := range rng.IntN(60) {
		usual := map[string]string{}
		for _, d := range dims {
			usual[d] = pick(rng, value[d]...)
		}
		for range rng.IntN(3) + 1 {
			rec := map[string]string{"official": fmt.Sprint(official)}
			for _, d := range dims {
				rec[d] = usual[d]
				if rng.IntN(strays+1) == 0 {
					rec[d] = pick(rng, value[d]...)
				}
			}
			rec["category"] = smallConducts[rec["conduct"]]
			w.records = append(w.records, rec)
		}
	}
}

// officials are those counted in some of the records.
func (w *smallWorld) officials(in func(map[string]string) bool) (n int64) {
	who := map[string]bool{}
	for _, rec := range w.records {
		if in(rec) && !who[rec["official"]] {
			who[rec["official"]] = true
			n++
		}
	}
	return n
}

// A reader who opens all pages knows of each number how many officials have it, and can conceive of any official: named any
// number of times, with any values anywhere. What can be worked out, by sums or by bounds, is what holds in all worlds of
// conceivable officials that have these numbers. Of no kind of official (who is counted in just these numbers) can it be
// worked out that there are fewer than five, except that there can be none; so neither of any
// description that several kinds fit.
func TestNothingSmallOfDistinctNumbers(t *testing.T) {
	t.Parallel()
	shown := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		w := newSmallWorld(pack.CountOfficials)
		drawOfficials(t, w)
		r := reader{atoms: w.atoms()}
		for _, req := range w.everyRequest() {
			out, ok := w.release(t, req)
			if !ok {
				continue
			}
			number := func(what string, value int64, in func(map[string]string) bool) {
				if n := w.officials(in); n != value {
					t.Fatalf("%+v: %s shows %d of %d", req, what, value, n)
				}
				if value > 0 && value < Smallest {
					t.Fatalf("%+v: %s is %d", req, what, value)
				}
				r.read(fmt.Sprintf("%v at %q from %q: %s", req.By, req.Body, req.Source, what), value, in)
			}
			number("the total", out.Total, func(rec map[string]string) bool {
				return w.inBody(rec, req.Body) && (req.Source == "" || rec[Imported] == req.Source)
			})
			if out.Known && req.Source == "" {
				number("what was imported", out.Imported, func(rec map[string]string) bool { return w.inBody(rec, req.Body) && rec[Imported] == "yes" })
			}
			for i, row := range out.Rows {
				if !slices.Contains(out.Unshown, i) {
					number(strings.Join(row.Key, " "), row.Value, w.members(out, req, i))
					shown[strings.Join(req.By, " ")]++
				} else if row.Value != 0 {
					t.Fatalf("%+v: %v is not shown and still has a number", req, row.Key)
				}
			}
		}
		kinds := r.kinds()
		if !w.conceived(&r, kinds) {
			t.Fatal("nobody conceives of an official there is")
		}
		worlds, ok := newWorlds(r.numbers, kinds)
		if !ok {
			t.Fatal("no world has the numbers shown")
		}
		for n, k := range kinds {
			if most := worlds.most(n, Smallest); most > 0.001 && most < Smallest-0.001 {
				t.Fatalf("there can be at most %.1f officials who are %s", most, r.say(k))
			}
		}
	})
	for _, by := range []string{"", "finding", "category", Imported, DimYear, DimBody} {
		if shown[by] == 0 {
			t.Errorf("never shown by %q", by)
		}
	}
	if len(shown) > 6 {
		t.Errorf("shown by %v", shown)
	}
}

// conceived tells whether all officials there are are of one of the kinds.
func (w *smallWorld) conceived(r *reader, kinds []uint64) bool {
	real := map[string]uint64{}
	for _, rec := range w.records {
		for i, a := range r.atoms {
			if a["body"] == rec["body"] && a["finding"] == rec["finding"] && a["conduct"] == rec["conduct"] && a[Imported] == rec[Imported] && a[DimYear] == rec[DimYear] {
				real[rec["official"]] |= r.kind(i)
			}
		}
	}
	for _, k := range real {
		if !slices.Contains(kinds, k) {
			return false
		}
	}
	return true
}

// What the rules are there for, one by one.
func TestPartsOfADistinctNumber(t *testing.T) {
	for _, tt := range []struct {
		name   string
		whole  int64
		parts  map[string]int64
		rest   bool
		hidden []string
	}{
		{"everything is large", 100, map[string]int64{"a": 60, "b": 50}, false, nil},
		{"a part is small", 100, map[string]int64{"a": 95, "b": 60, "c": 4}, false, []string{"c"}},
		{"those without a part are few", 100, map[string]int64{"a": 97, "b": 60}, false, []string{"a"}},
		{"nobody is without a part", 100, map[string]int64{"a": 100, "b": 60}, false, nil},
		{"nobody is in several parts", 100, map[string]int64{"a": 60, "b": 40}, false, nil},
		{"those in both parts are few", 100, map[string]int64{"a": 60, "b": 43}, false, []string{"b"}},
		{"those in several of three parts may be few", 100, map[string]int64{"a": 60, "b": 40, "c": 9}, false, []string{"c"}},
		{"those in several of three parts are many", 100, map[string]int64{"a": 60, "b": 40, "c": 10}, false, nil},
		{"those in both are few, but there are others", 100, map[string]int64{"a": 60, "b": 43}, true, nil},
		{"of two that are alike, the first", 53, map[string]int64{"": 27, "a": 27}, false, []string{""}},
		{"one part is the whole", 100, map[string]int64{"a": 100}, false, nil},
		{"a small whole", 3, map[string]int64{"a": 3}, false, []string{"a"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for v := range (releaseDistinct{whole: tt.whole, parts: tt.parts, rest: tt.rest}).hidden(Smallest) {
				got = append(got, v)
			}
			if slices.Sort(got); !slices.Equal(got, tt.hidden) {
				t.Errorf("hidden %q, want %q", got, tt.hidden)
			}
		})
	}
}

func TestDistinctNumbersAreCutInOneWay(t *testing.T) {
	w := newSmallWorld(pack.CountOfficials)
	for i := range 60 {
		w.records = append(w.records, map[string]string{"official": fmt.Sprint(i), "finding": "sustained", "conduct": "bribe", "category": "money",
			Imported: []string{"yes", "no"}[i%2], DimYear: []string{"2018", "2019", "2020"}[i%3], "body": []string{"n1", "n2", "south"}[i/20]})
	}
	for _, tt := range []struct {
		name  string
		req   ReleaseRequest
		field string // at fault; empty: it is shown
	}{
		{"whole", ReleaseRequest{}, ""},
		{"by a dimension", ReleaseRequest{By: []string{"finding"}}, ""},
		{"by year", ReleaseRequest{By: []string{DimYear}}, ""},
		{"by body", ReleaseRequest{By: []string{DimBody}, Body: "top"}, ""},
		{"of a body", ReleaseRequest{Body: "n1"}, ""},
		{"of a source", ReleaseRequest{Source: "yes"}, ""},
		{"by source and of one", ReleaseRequest{By: []string{Imported}, Source: "yes"}, ""},
		{"by a dimension within another", ReleaseRequest{By: []string{"conduct"}}, "by"},
		{"by two dimensions", ReleaseRequest{By: []string{"finding", "category"}}, "by"},
		{"by a dimension and body", ReleaseRequest{By: []string{"finding", DimBody}}, "by"},
		{"by a dimension at a body", ReleaseRequest{By: []string{"finding"}, Body: "top"}, "by"},
		{"by a dimension of a source", ReleaseRequest{By: []string{"finding"}, Source: "no"}, "source"},
		{"by body of a source", ReleaseRequest{By: []string{DimBody}, Source: "no"}, "source"},
		{"of a source at a body", ReleaseRequest{Source: "no", Body: "north"}, "source"},
		{"of some years", ReleaseRequest{From: "2019"}, "from"},
		{"of some years at a body", ReleaseRequest{To: "2019", Body: "top"}, "from"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, err := newRelease(w.measure, Smallest, w.tree, w.stats).run(t.Context(), tt.req)
			switch {
			case tt.field == "" && (err != nil || out.Total == 0 || len(out.Rows) == 0):
				t.Errorf("%+v, %v", out, err)
			case tt.field != "" && (!fault.Is(err, fault.Invalid) || !strings.Contains(fmt.Sprintf("%+v", err), tt.field)):
				t.Errorf("%v", err)
			}
		})
	}
	out, err := newRelease(w.measure, Smallest, w.tree, w.stats).run(t.Context(), ReleaseRequest{By: []string{DimYear}})
	if err != nil || len(out.Below) > 0 {
		t.Errorf("by year it leads to %v, where nothing is shown by year (%v)", out.Below, err)
	}
}

// reader is what somebody knows who read numbers: of each, in which atoms it counts an official.
type reader struct {
	atoms   []map[string]string
	numbers []numberRead
}

type numberRead struct {
	what  string
	value int64
	in    []bool // by atom
}

func (r *reader) read(what string, value int64, in func(map[string]string) bool) {
	n := numberRead{what: what, value: value, in: make([]bool, len(r.atoms))}
	for i, a := range r.atoms {
		n.in[i] = in(a)
	}
	if slices.Contains(n.in, true) && !slices.ContainsFunc(r.numbers, func(m numberRead) bool { return slices.Equal(m.in, n.in) }) {
		r.numbers = append(r.numbers, n)
	}
}

// kind is the numbers, as bits, that count an official named in an atom.
func (r *reader) kind(atom int) (k uint64) {
	for n := range r.numbers {
		if r.numbers[n].in[atom] {
			k |= 1 << n
		}
	}
	return k
}

// kinds are all kinds of officials there could be.
func (r *reader) kinds() (all []uint64) {
	have := map[uint64]bool{}
	var once []uint64 // those named once
	for i := range r.atoms {
		if k := r.kind(i); !have[k] {
			have[k] = true
			once = append(once, k)
		}
	}
	all = slices.Clone(once)
	for i := 0; i < len(all); i++ {
		for _, k := range once {
			if both := all[i] | k; !have[both] {
				have[both] = true
				all = append(all, both)
			}
		}
	}
	return all
}

func (r *reader) say(kind uint64) string {
	var in, out []string
	for n := range r.numbers {
		text := fmt.Sprintf("%s (%d)", r.numbers[n].what, r.numbers[n].value)
		if kind&(1<<n) != 0 {
			in = append(in, text)
		} else {
			out = append(out, text)
		}
	}
	return "in " + strings.Join(in, ", ") + "; not in " + strings.Join(out, ", ")
}

// worlds are all ways to have so many officials of each kind that the numbers come out: a table of the simplex method, with
// a row for each number and a column for each kind. At any time it stands for one of the ways.
type worlds struct {
	rows  [][]float64 // the last of each is the value
	basis []int       // which kind a row gives the number of
}

const tiny = 1e-7

// newWorlds fails if there is no way.
func newWorlds(numbers []numberRead, kinds []uint64) (*worlds, bool) {
	w := &worlds{}
	width := len(kinds) + len(numbers) + 1 // with a helper for each number, to begin with
	goal := make([]float64, width)         // all helpers nothing
	for n := range numbers {
		row := make([]float64, width)
		for j, k := range kinds {
			if k&(1<<n) != 0 {
				row[j] = 1
			}
			goal[j] += row[j]
		}
		row[len(kinds)+n], row[width-1] = 1, float64(numbers[n].value)
		goal[width-1] += row[width-1]
		w.rows, w.basis = append(w.rows, row), append(w.basis, len(kinds)+n)
	}
	for w.better(goal, len(kinds)) {
	}
	if goal[width-1] > tiny {
		return nil, false
	}
	for i := 0; i < len(w.rows); { // helpers that are left are nothing and make room for kinds, or their rows say nothing new
		j := slices.IndexFunc(w.rows[i][:len(kinds)], func(v float64) bool { return v > tiny || v < -tiny })
		switch {
		case w.basis[i] < len(kinds):
			i++
		case j >= 0:
			w.turn(i, j, goal)
			i++
		default:
			w.rows, w.basis = slices.Delete(w.rows, i, i+1), slices.Delete(w.basis, i, i+1)
		}
	}
	for i, row := range w.rows {
		w.rows[i] = append(row[:len(kinds):len(kinds)], row[width-1])
	}
	return w, true
}

// most is how many officials of a kind there can be, or enough.
func (w *worlds) most(kind int, enough float64) float64 {
	if len(w.rows) == 0 {
		return enough
	}
	width := len(w.rows[0])
	goal := make([]float64, width) // its last is minus the number there are
	goal[kind] = 1
	if i := slices.Index(w.basis, kind); i >= 0 {
		for j := range goal {
			goal[j] -= w.rows[i][j]
		}
	}
	for -goal[width-1] < enough && w.better(goal, width-1) {
	}
	return -goal[width-1]
}

// better goes to a way that is nearer to the goal, or as near; it is false at the end. It takes the first kind that leads
// there (Bland's rule), so that it does not go round in circles.
func (w *worlds) better(goal []float64, kinds int) bool {
	j := slices.IndexFunc(goal[:kinds], func(v float64) bool { return v > tiny })
	if j < 0 {
		return false
	}
	last, at := len(goal)-1, -1
	var least float64
	for i, row := range w.rows {
		if row[j] <= tiny {
			continue
		}
		if q := row[last] / row[j]; at < 0 || q < least-tiny || q < least+tiny && w.basis[i] < w.basis[at] {
			at, least = i, q
		}
	}
	if at < 0 {
		panic("officials without end")
	}
	w.turn(at, j, goal)
	return true
}

// turn makes row i give the number of kind j.
func (w *worlds) turn(i, j int, goal []float64) {
	row := w.rows[i]
	by := row[j]
	for k := range row {
		row[k] /= by
	}
	for _, other := range append(w.rows[:len(w.rows):len(w.rows)], goal) {
		if f := other[j]; f != 0 && &other[0] != &row[0] {
			for k := range row {
				other[k] -= f * row[k]
			}
		}
	}
	w.basis[i] = j
}
