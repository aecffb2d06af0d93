package tally

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"

	"plumbline/internal/fault"
	"plumbline/internal/pack"
	"plumbline/internal/store"
)

// Imported is the dimension that every measure has: whether the matter came from an import ("yes") or was handled
// here ("no").
const Imported = "imported"

// Dimensions that every measure has besides its own.
const (
	DimYear  = "year"  // of receipt
	DimMonth = "month" // of receipt
	DimBody  = "body"  // the bodies directly below the one asked for
)

// Measure is a measure as it is counted: its definitions in all packs together.
type Measure struct {
	ID     string
	Count  string   // pack.CountMatters, CountAllegations or CountOfficials
	Dims   []string // the dimensions cells are kept by, those of all packs together; Imported is among them
	Public bool     // in every pack that has it
	defs   []def
	groups []group
}

// def is the measure in one pack.
type def struct {
	pack *pack.Pack
	m    *pack.Measure
	dims []*pack.Dim // for each of Measure.Dims; nil where this pack does not have it
}

// group is a set of dimensions that cells are kept by: none (-1, -1), one (i, -1) or two (i, j).
type group struct {
	name string
	a, b int
}

// distinct tells whether the measure counts officials, each once.
func (m *Measure) distinct() bool { return m.Count == pack.CountOfficials }

// dim returns the place of a dimension, -1 if the measure does not have it.
func (m *Measure) dim(id string) int { return slices.Index(m.Dims, id) }

// Definition returns the measure as the first pack that has it declares it: its label, question and method.
func (m *Measure) Definition() (*pack.Pack, *pack.Measure) { return m.defs[0].pack, m.defs[0].m }

// Measures are all measures of a set of packs. They are not changed once made.
type Measures struct {
	list   []*Measure
	byID   map[string]*Measure
	byPack map[string][]bound // by pack name
	needs  needs
	digest string
	keep   int64 // see keepFrom
}

// bound is a measure together with its definition in one pack.
type bound struct {
	at int // in Measures.list
	m  *Measure
	d  *def
}

// needs tells what the definitions look at, so that what they do not look at need not be read.
type needs struct{ fields, data, parties bool }

var (
	usesFields  = regexp.MustCompile(`\bf\b`)
	usesData    = regexp.MustCompile(`\bdata\b`)
	usesParties = regexp.MustCompile(`\b(parties|anonymous)\b`)
)

// algorithm names the way of counting. Change it when the same definitions would give other rows.
const algorithm = "1"

// NewMeasures puts the measures of packs together; of several versions of a pack, the newest counts. A measure that
// two packs declare under one name is one measure if it counts the same thing, and else that of the later pack (by name) is
// called "pack.measure".
func NewMeasures(packs []*pack.Pack) *Measures { return newMeasures(packs, keepFrom) }

func newMeasures(packs []*pack.Pack, keep int64) *Measures {
	ms := &Measures{byID: map[string]*Measure{}, byPack: map[string][]bound{}, keep: keep}
	newest := Newest(packs)
	for _, p := range newest {
		for i := range p.Measures {
			ms.declare(p, &p.Measures[i])
		}
	}
	h := sha256.New()
	fmt.Fprintf(h, "%s\n%d\n", algorithm, keep)
	for at, m := range ms.list {
		m.group()
		for i := range m.defs {
			d := &m.defs[i]
			d.dims = make([]*pack.Dim, len(m.Dims))
			for j := range d.m.By {
				if k := m.dim(d.m.By[j].ID); k >= 0 {
					d.dims[k] = &d.m.By[j]
				}
			}
			ms.byPack[d.pack.Name] = append(ms.byPack[d.pack.Name], bound{at, m, d})
			ms.needs.add(d.m)
			text, err := json.Marshal([]any{m.ID, d.pack.Name, d.m.Count, d.m.Kinds, d.m.When, d.m.By, catalogue(d.pack)})
			if err != nil {
				panic(err) // strings and lists of strings
			}
			h.Write(text)
		}
	}
	ms.digest = "sha256:" + hex.EncodeToString(h.Sum(nil)[:16])
	return ms
}

// catalogue is what of a pack the value of a built-in dimension rests on.
func catalogue(p *pack.Pack) [][2]string {
	var out [][2]string
	for _, c := range p.Conduct {
		out = append(out, [2]string{c.ID, c.Category})
	}
	for _, t := range p.Tiers {
		for _, o := range t.Outcomes {
			out = append(out, [2]string{t.ID, o.ID})
		}
	}
	return out
}

func (n *needs) add(m *pack.Measure) {
	exprs := []string{string(m.When)}
	for _, d := range m.By {
		exprs = append(exprs, string(d.Value))
	}
	all := strings.Join(exprs, "\n")
	n.fields = n.fields || usesFields.MatchString(all)
	n.data = n.data || usesData.MatchString(all)
	n.parties = n.parties || usesParties.MatchString(all)
}

func (ms *Measures) declare(p *pack.Pack, pm *pack.Measure) {
	id := pm.ID
	m := ms.byID[id]
	if m != nil && m.Count != pm.Count {
		id = p.Name + "." + pm.ID
		m = ms.byID[id]
	}
	if m == nil {
		m = &Measure{ID: id, Count: pm.Count, Public: true}
		ms.byID[id] = m
		ms.list = append(ms.list, m)
	}
	m.Public = m.Public && pm.Public
	m.defs = append(m.defs, def{pack: p, m: pm})
	for _, d := range pm.By {
		if builtIn := d.ID == DimYear || d.ID == DimMonth || d.ID == DimBody; !builtIn && m.dim(d.ID) < 0 {
			m.Dims = append(m.Dims, d.ID)
		}
	}
}

// group lists what cells are kept by, once all dimensions are known.
func (m *Measure) group() {
	if m.dim(Imported) < 0 {
		m.Dims = append(m.Dims, Imported)
	}
	m.groups = []group{{"", -1, -1}}
	for i, d := range m.Dims {
		m.groups = append(m.groups, group{d, i, -1})
	}
	if m.distinct() {
		return // how often an official is counted by each two dimensions would be many times the facts
	}
	for i, a := range m.Dims {
		for j := i + 1; j < len(m.Dims); j++ {
			m.groups = append(m.groups, group{a + "+" + m.Dims[j], i, j})
		}
	}
}

// All lists the measures, by pack and in the pack's order.
func (ms *Measures) All() []*Measure { return ms.list }

// ByID returns a measure; the error names those there are.
func (ms *Measures) ByID(id string) (*Measure, error) {
	if m := ms.byID[id]; m != nil {
		return m, nil
	}
	var ids []string
	for _, m := range ms.list {
		ids = append(ids, m.ID)
	}
	return nil, fault.New(fault.NotFound, "tally.no-measure", fault.Args{"measure": id, "measures": strings.Join(ids, ", ")})
}

// Newest keeps, of each pack, the newest version; ordered by name.
func Newest(packs []*pack.Pack) []*pack.Pack {
	newest := map[string]*pack.Pack{}
	for _, p := range packs {
		if old := newest[p.Name]; old == nil || older(old.Version, p.Version) {
			newest[p.Name] = p
		}
	}
	out := make([]*pack.Pack, 0, len(newest))
	for _, p := range newest {
		out = append(out, p)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out
}

// older compares versions part by part, parts that are numbers as numbers: 1.9 is older than 1.10.
func older(a, b string) bool {
	x, y := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(x), len(y)) {
		if x[i] == y[i] {
			continue
		}
		n, errN := strconv.Atoi(x[i])
		m, errM := strconv.Atoi(y[i])
		if errN == nil && errM == nil && n != m {
			return n < m
		}
		return x[i] < y[i]
	}
	return len(x) < len(y)
}

// Packs gives the packs that are loaded in a database; *office.Office does.
type Packs interface {
	Version(nameAtVersion string) (*pack.Pack, error)
}

const selectPacks = `SELECT name, version, digest FROM pack ORDER BY name, version`

// Measures are the measures of the packs loaded in the database, as tx sees it.
func (t *Tally) Measures(ctx context.Context, tx *store.Tx) (*Measures, error) {
	rows, err := tx.Query(ctx, selectPacks)
	if err != nil {
		return nil, fmt.Errorf("tally: packs: %w", err)
	}
	var key strings.Builder
	ids, err := store.Collect(rows, func(r *store.Rows) (string, error) {
		var name, version, digest string
		err := r.Scan(&name, &version, &digest)
		fmt.Fprintf(&key, "%s@%s %s\n", name, version, digest)
		return name + "@" + version, err
	})
	if err != nil {
		return nil, fmt.Errorf("tally: packs: %w", err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.measures != nil && t.measuresKey == key.String() {
		return t.measures, nil
	}
	var packs []*pack.Pack
	for _, id := range ids {
		p, err := t.packs.Version(id)
		if err != nil {
			return nil, fmt.Errorf("tally: pack %s: %w", id, err)
		}
		if p == nil {
			return nil, errors.New("tally: pack " + id + " is not there")
		}
		packs = append(packs, p)
	}
	t.measures, t.measuresKey = newMeasures(packs, t.keep), key.String()
	return t.measures, nil
}
