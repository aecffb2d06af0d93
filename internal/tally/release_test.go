package tally

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"plumbline/internal/pack"
	"plumbline/internal/ref"
	"plumbline/internal/register"
)

// smallWorld is records with dimensions, counted by looking at each.
type smallWorld struct {
	tree    *register.Tree
	measure *Measure
	records []map[string]string        // dimension → value; "body" is the code of the body itself
	within  map[string]map[string]bool // body → bodies within it
	pages   int                        // opened so far
	opened  *release                   // keeps what pages have in common, once the records are there
}

var smallConducts = map[string]string{"bribe": "money", "theft": "money", "beating": "force", "threat": "force", "insult": "force"}

func newSmallWorld(count string) *smallWorld {
	name := func(s string) []register.Name { return []register.Name{{Lang: "en", Name: s}} }
	w := &smallWorld{tree: register.NewTree([]register.Body{
		{ID: 1, Code: "top", Names: name("top")}, {ID: 2, Code: "north", Parent: 1, Names: name("north")}, {ID: 3, Code: "south", Parent: 1, Names: name("south")},
		{ID: 4, Code: "n1", Parent: 2, Names: name("n1")}, {ID: 5, Code: "n2", Parent: 2, Names: name("n2")}, {ID: 6, Code: "n3", Parent: 2, Names: name("n3")}})}
	p := &pack.Pack{Name: "a", Version: "1"}
	for c, k := range smallConducts {
		p.Conduct = append(p.Conduct, pack.Conduct{ID: c, Category: k})
	}
	w.measure = &Measure{ID: "m", Count: count, Dims: []string{"finding", "category", "conduct", Imported}, Public: true,
		defs: []def{{pack: p, m: &pack.Measure{ID: "m"}}}}
	w.within = map[string]map[string]bool{}
	for _, top := range w.tree.All() {
		w.within[top.Code] = map[string]bool{}
		for _, b := range w.tree.All() {
			w.within[top.Code][b.Code] = w.tree.Within(b.ID, top.ID)
		}
	}
	return w
}

// value is what a record has in a dimension of a table; at is the body of the table.
func (w *smallWorld) value(rec map[string]string, dim, at string) string {
	if dim != DimBody {
		return rec[dim]
	}
	for _, c := range w.tree.Children(w.id(at)) {
		if code := w.tree.Body(c).Code; w.within[code][rec["body"]] {
			return code
		}
	}
	return at
}

func (w *smallWorld) id(code string) ref.BodyID {
	if code == "" {
		return 0
	}
	return w.tree.ByCode(code).ID
}

func (w *smallWorld) inBody(rec map[string]string, code string) bool {
	return code == "" || w.within[code][rec["body"]]
}

// key is the cell of a table that a record lies in.
func (w *smallWorld) key(rec map[string]string, by []string, body string) []string {
	out := make([]string, len(by))
	for i, d := range by {
		out[i] = w.value(rec, d, body)
	}
	return out
}

func (w *smallWorld) stats(_ context.Context, by []string, body string) (Result, error) {
	res := Result{By: by}
	at := map[string]int{}
	who := map[string]map[string]bool{}
	distinct := w.measure.distinct()
	all := map[string]bool{}
	for _, rec := range w.records {
		if !w.inBody(rec, body) {
			continue
		}
		key := w.key(rec, by, body)
		k := strings.Join(key, unit)
		n, ok := at[k]
		if !ok {
			n, at[k], who[k] = len(res.Rows), len(res.Rows), map[string]bool{}
			res.Rows = append(res.Rows, Row{Key: key})
		}
		if distinct && who[k][rec["official"]] {
			continue
		}
		who[k][rec["official"]] = true
		res.Rows[n].Value++
		if !distinct || !all[rec["official"]] {
			res.Total++
		}
		all[rec["official"]] = true
	}
	return res, nil
}

// release opens a page. Every so often it looks that a page opened by itself is the same.
func (w *smallWorld) release(t *rapid.T, req ReleaseRequest) (Released, bool) {
	if w.opened == nil {
		w.opened = newRelease(w.measure, Smallest, w.tree, w.stats)
	}
	out, err := w.opened.run(t.Context(), req)
	if w.pages++; w.pages%97 == 0 {
		alone, _ := newRelease(w.measure, Smallest, w.tree, w.stats).run(t.Context(), req)
		if a, b := fmt.Sprintf("%+v", out), fmt.Sprintf("%+v", alone); a != b {
			t.Fatalf("%+v: opened after others\n%s\nby itself\n%s", req, a, b)
		}
	}
	if err != nil {
		if strings.Contains(err.Error(), "small number") {
			t.Fatal(err)
		}
		return Released{}, false
	}
	return out, out.Refused == ""
}

func drawWorld(t *rapid.T, w *smallWorld) {
	rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
	skew := rng.IntN(3) + 1
	some := func(from ...string) string { // so that there are large and small values
		n := rng.IntN(len(from))
		for range skew - 1 {
			n = min(n, rng.IntN(len(from)))
		}
		return from[n]
	}
	for range rng.IntN(160) {
		c := some("bribe", "beating", "theft", "threat", "insult")
		w.records = append(w.records, map[string]string{"finding": some("sustained", "unfounded", ""), "conduct": c, "category": smallConducts[c],
			Imported: some("yes", "no"), DimYear: some("2020", "2019", "2018"),
			"body": some("n1", "n2", "south", "n3", "top", "north"), "official": some("a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l")})
	}
}

// everyRequest is everything that everybody can ask for.
func (w *smallWorld) everyRequest() (all []ReleaseRequest) {
	offered := w.measure.Offered()
	by := [][]string{nil}
	for i, a := range offered {
		by = append(by, []string{a})
		for _, b := range offered[i+1:] {
			by = append(by, []string{a, b})
		}
	}
	for _, b := range by {
		for _, body := range []string{"", "top", "north", "south", "n1", "n2", "n3"} {
			for _, years := range [][2]string{{}, {"2018", "2019"}, {"2019", "2019"}, {"", "2018"}, {"2019", ""}} {
				for _, source := range []string{"", "yes", "no"} {
					all = append(all, ReleaseRequest{By: b, Body: body, From: years[0], To: years[1], Source: source})
				}
			}
		}
	}
	return all
}

// What can be had by adding and taking from each other any numbers of any pages everybody can open is exactly the linear
// span of those numbers. No cell of any table by one or two dimensions, at any body, that holds a small number lies in it.
func TestNothingSmallCanBeWorkedOutFromAllPages(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := newSmallWorld(pack.CountAllegations)
		drawWorld(t, w)
		atoms := w.atoms()
		type page struct {
			ReleaseRequest
			Released
		}
		var pages []page
		for _, req := range w.everyRequest() {
			if out, ok := w.release(t, req); ok {
				pages = append(pages, page{req, out})
				for _, empty := range w.empty(out, req) {
					atoms = slices.DeleteFunc(atoms, empty)
				}
			}
		}
		if len(pages) == 0 && len(w.records) >= 20 {
			t.Fatal("nothing is shown at all")
		}
		space := newNumbers()
		vector := func(in func(map[string]string) bool) []uint64 {
			vec := make([]uint64, len(atoms))
			for n, a := range atoms {
				if in(a) {
					vec[n] = 1
				}
			}
			return vec
		}
		count := func(in func(map[string]string) bool) (n int64) {
			for _, rec := range w.records {
				if in(rec) {
					n++
				}
			}
			return n
		}
		for _, p := range pages {
			for i, row := range p.Rows {
				members := w.members(p.Released, p.ReleaseRequest, i)
				if n := count(members); n != row.Value {
					t.Fatalf("%+v: row %v shows %d of %d", p.ReleaseRequest, row.Key, row.Value, n)
				}
				space.add(vector(members))
			}
			if p.Known && p.ReleaseRequest.From == "" && p.ReleaseRequest.To == "" && p.Source == "" {
				space.add(vector(func(rec map[string]string) bool {
					return w.inBody(rec, p.ReleaseRequest.Body) && rec[Imported] == "yes"
				}))
			}
		}
		w.eachCell(func(what string, in func(map[string]string) bool) {
			if n := count(in); n > 0 && n < Smallest && space.holds(vector(in)) {
				t.Fatalf("that %s are %d can be worked out", what, n)
			}
		})
	})
}

// atoms are all combinations of values that occur.
func (w *smallWorld) atoms() (atoms []map[string]string) {
	occur := func(dim string) (out []string) {
		for _, rec := range w.records {
			if !slices.Contains(out, rec[dim]) {
				out = append(out, rec[dim])
			}
		}
		return out
	}
	for _, f := range occur("finding") {
		for _, c := range occur("conduct") {
			for _, i := range occur(Imported) {
				for _, y := range occur(DimYear) {
					for _, b := range occur("body") {
						atoms = append(atoms, map[string]string{"finding": f, "conduct": c, "category": smallConducts[c], Imported: i, DimYear: y, "body": b})
					}
				}
			}
		}
	}
	return atoms
}

// members tells which records a row counts, from what a reader of the page can see.
func (w *smallWorld) members(out Released, req ReleaseRequest, row int) func(map[string]string) bool {
	return w.cellOf(out, req, out.Rows[row].Key, out.Together[row])
}

// cellOf tells which records lie in a cell of a table, whether the table has a row for it or not.
func (w *smallWorld) cellOf(out Released, req ReleaseRequest, key []string, several [][]string) func(map[string]string) bool {
	named := map[string]bool{} // bodies that have rows of their own
	if i := slices.Index(req.By, DimBody); i >= 0 {
		for _, r := range out.Rows {
			named[r.Key[i]] = true
		}
	}
	return func(rec map[string]string) bool {
		if !w.inBody(rec, req.Body) || req.Source != "" && rec[Imported] != req.Source {
			return false
		}
		y := rec[DimYear]
		if y < req.From || req.To != "" && y > req.To || slices.Contains(out.Left, y) {
			return false
		}
		for i, d := range req.By {
			v := w.value(rec, d, req.Body)
			switch {
			case d == DimBody && key[i] == RestKey:
				if named[v] {
					return false
				}
			case len(several[i]) > 0:
				if !slices.Contains(several[i], v) {
					return false
				}
			case v != key[i]:
				return false
			}
		}
		return true
	}
}

// empty are the cells that a reader knows to be empty: all other cells of their line and column have a row.
func (w *smallWorld) empty(out Released, req ReleaseRequest) (cells []func(map[string]string) bool) {
	if len(req.By) != 2 {
		return nil
	}
	have := map[string]bool{}
	axes := [2]map[string][]string{{}, {}}
	for n, row := range out.Rows {
		have[strings.Join(row.Key, unit)] = true
		for i := range axes {
			axes[i][row.Key[i]] = out.Together[n][i]
		}
	}
	for a, sa := range axes[0] {
		for b, sb := range axes[1] {
			if !have[a+unit+b] {
				cells = append(cells, w.cellOf(out, req, []string{a, b}, [][]string{sa, sb}))
			}
		}
	}
	return cells
}

// eachCell goes through every cell of every table by one or two dimensions at every body.
func (w *smallWorld) eachCell(do func(what string, in func(map[string]string) bool)) {
	dims := []string{"finding", "category", "conduct", Imported, DimYear}
	values := func(dim string) (out []string) {
		for _, rec := range w.records {
			if !slices.Contains(out, rec[dim]) {
				out = append(out, rec[dim])
			}
		}
		return out
	}
	for _, body := range []string{"", "top", "north", "south", "n1", "n2", "n3"} {
		do("at "+body, func(rec map[string]string) bool { return w.inBody(rec, body) })
		for i, a := range dims {
			for _, va := range values(a) {
				do(fmt.Sprint("at ", body, " ", a, "=", va), func(rec map[string]string) bool { return w.inBody(rec, body) && rec[a] == va })
				for _, b := range dims[i+1:] {
					for _, vb := range values(b) {
						do(fmt.Sprint("at ", body, " ", a, "=", va, " ", b, "=", vb),
							func(rec map[string]string) bool { return w.inBody(rec, body) && rec[a] == va && rec[b] == vb })
					}
				}
			}
		}
	}
}

// numbers is the space that vectors span, modulo a large prime.
type numbers struct {
	rows map[int][]uint64 // by the place of the first number that is not zero
	seen map[string]bool
}

const prime = 2147483647

func newNumbers() *numbers { return &numbers{rows: map[int][]uint64{}, seen: map[string]bool{}} }

func (s *numbers) reduce(vec []uint64) int {
	for i := range vec {
		if vec[i] == 0 {
			continue
		}
		row := s.rows[i]
		if row == nil {
			return i
		}
		f := prime - vec[i]
		for j := i; j < len(vec); j++ {
			vec[j] = (vec[j] + f*row[j]) % prime
		}
	}
	return -1
}

// add takes a vector of zeros and ones.
func (s *numbers) add(vec []uint64) {
	k := make([]byte, len(vec))
	for i, n := range vec {
		k[i] = byte(n)
	}
	if s.seen[string(k)] {
		return
	}
	s.seen[string(k)] = true
	if i := s.reduce(vec); i >= 0 {
		inv := power(vec[i], prime-2)
		for j := range vec {
			vec[j] = vec[j] * inv % prime
		}
		s.rows[i] = vec
	}
}

func (s *numbers) holds(vec []uint64) bool { return s.reduce(slices.Clone(vec)) < 0 }

func power(b, e uint64) uint64 {
	out := uint64(1)
	for ; e > 0; e >>= 1 {
		if e&1 == 1 {
			out = out * b % prime
		}
		b = b * b % prime
	}
	return out
}
