package transfer

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"sort"
)

// A prepared import is everything the files hold, mapped and sorted, before a row of the database is touched. It is a
// pure function of the files and the mapping (and of which bodies exist), so a run that was killed prepares the same again.
type prepared struct {
	*plan
	*notes
	inputs    []*input
	existed   map[string]bool // bodies that exist already
	digest    []byte          // of the files, the mapping and the pack
	rows      []Account
	bodies    []*bodyRecord // parents first
	officials *spool
	matters   *spool
	people    int64 // distinct officials
	present   int64 // matters that were not rejected whole
	refused   int64 // matters of which no row could be taken
	alleged   int64
	parties   int64
	rejects   *rejects
	files     []string // of rejected rows
	reasons   tallied  // why they were rejected
}

func (p *prepared) close() {
	p.officials.close()
	p.matters.close()
	p.rejects.drop()
}

// prepare reads and maps all files.
func prepare(ctx context.Context, pl *plan, inputs []*input, exists map[string]bool, opts *Options) (_ *prepared, err error) {
	p := &prepared{plan: pl, inputs: inputs, existed: exists, rows: make([]Account, len(pl.Sources)),
		officials: newSpool(opts.TempDir, opts.Memory), matters: newSpool(opts.TempDir, opts.Memory),
		rejects: newRejects(opts.Rejects, pl.Sources)}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	p.notes = &notes{flags: map[string]*Flag{}, values: map[string]tallied{}, file: func(no int) string { return inputs[no].name }}
	p.notes.reject = func(source int, row *rowValue, reason string) error {
		p.rows[source].Rejected++
		p.reasons.add(shortened(ofItsOwn.ReplaceAllString(reason, "$1 …")))
		return p.rejects.add(pl.Sources[source], inputs[row.file].header, inputs[row.file].name, row.line, reason, row.fields)
	}
	if err := p.rejects.spare(inputs); err != nil {
		return nil, err
	}
	raw := newSpool(opts.TempDir, opts.Memory)
	defer raw.close()
	m := &mapper{plan: pl, notes: p.notes, bodies: exists}
	if err := p.read(ctx, m, raw, opts); err != nil {
		return nil, err
	}
	if err := p.mapGroups(ctx, m, raw, opts); err != nil {
		return nil, err
	}
	if err := p.settleOfficials(ctx, opts); err != nil {
		return nil, err
	}
	if p.files, err = p.rejects.keep(); err != nil {
		return nil, err
	}
	h := sha256.New()
	fmt.Fprintf(h, "%s\x00%s\x00%s\x00%s\x00", pl.Name, pl.Mapping.Digest, pl.packName, pl.pack.Digest)
	for _, in := range inputs {
		fmt.Fprintf(h, "%s\x00%x\x00", in.source.Name, in.hash.Sum(nil))
	}
	p.digest = h.Sum(nil)
	return p, nil
}

// ofItsOwn is what is different in every reason of a kind.
var ofItsOwn = regexp.MustCompile(`\b(key|line) ("[^"]*"|[0-9]+)`)

// read puts every row that can be read into raw, by key, and gathers the bodies they name. A source without a key is used up
// here: each of its rows is an official or a body.
func (p *prepared) read(ctx context.Context, m *mapper, raw *spool, opts *Options) error {
	var total int64
	for _, in := range p.inputs {
		total += in.size
	}
	progress := opts.meter("reading", "bytes", total)
	defer progress.end()
	bodies := newBodySet(p.fixed, m.bodies)
	later := newSpool(opts.TempDir, opts.Memory) // rows of officials without a key: they wait until all bodies are known
	defer later.close()
	var buf []byte
	for no, in := range p.inputs {
		bs := p.sources[in.source.Name]
		err := in.each(ctx, progress.add, func(fields []string, line int, why string) error {
			p.rows[bs.no].Read++
			row := &rowValue{cols: in.source.cols, fields: fields, file: no, line: line}
			if why != "" {
				return p.reject(bs.no, row, why)
			}
			in.source.clean(fields)
			var made int
			for _, t := range p.plan.bodies {
				if t.from != bs {
					continue
				}
				b, err := m.body(t, row, bodies.has)
				var bad *badValue
				if errors.As(err, &bad) {
					return p.reject(bs.no, row, bad.why)
				}
				if err != nil {
					return err
				}
				if b != nil {
					if other := bodies.add(b); other != "" {
						p.flag("body-described-differently", nil, row, other)
					}
					made++
				}
			}
			if bs.key == nil {
				if p.plan.feedsOfficials(bs) {
					buf = encodeRow(buf[:0], bs.no, no, line, fields)
					return later.add(nil, buf)
				}
				if made == 0 {
					return p.reject(bs.no, row, "nothing is made from this row")
				}
				bodies.count(bs.no, len(p.rows))
				return nil
			}
			key, err := bs.key.string(&scope{row: row})
			switch {
			case err != nil:
				return p.reject(bs.no, row, "key: "+err.Error())
			case key == "":
				return p.reject(bs.no, row, "the key is empty")
			case len(key) > longestKey:
				return p.reject(bs.no, row, "key: "+indexable(key))
			}
			buf = encodeRow(buf[:0], bs.no, no, line, fields)
			return raw.add([]byte(key), buf)
		})
		if err != nil {
			return err
		}
	}
	var err error
	if p.bodies, err = bodies.ordered(); err != nil {
		return fmt.Errorf("%s: %w", p.File, err)
	}
	m.bodies = bodies.codes
	rest, err := later.sorted()
	if err != nil {
		return err
	}
	for {
		_, val, err := rest.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		source, row, err := decodeRow(val)
		if err != nil {
			return err
		}
		row.cols = p.Sources[source].cols
		if err := p.unkeyed(m, source, row); err != nil {
			return err
		}
	}
}

// unkeyed makes the official of a row that belongs to no matter.
func (p *prepared) unkeyed(m *mapper, source int, row *rowValue) error {
	made := 0
	for _, t := range p.plan.officials {
		if t.from.no != source {
			continue
		}
		o, err := m.official(t, &scope{row: row})
		var bad *badValue
		if errors.As(err, &bad) {
			return p.reject(source, row, bad.why)
		}
		if err != nil {
			return err
		}
		if o != nil {
			if made == 0 {
				o.counts = make([]int, len(p.rows))
				o.counts[source] = 1
			}
			made++
			if err := p.officials.add([]byte(o.Key), o.encode(nil)); err != nil {
				return err
			}
		}
	}
	if made == 0 {
		return p.reject(source, row, "nothing is made from this row")
	}
	return nil
}

func (pl *plan) feedsOfficials(bs *boundSource) bool {
	return slices.ContainsFunc(pl.officials, func(o *officialTarget) bool { return o.from == bs })
}

// mapGroups maps the rows of each key to a matter and its officials.
func (p *prepared) mapGroups(ctx context.Context, m *mapper, raw *spool, opts *Options) error {
	if p.matter == nil {
		return nil
	}
	progress := opts.meter("mapping", "rows", raw.n)
	defer progress.end()
	sorted, err := raw.sorted()
	if err != nil {
		return err
	}
	recent := newRecent(recentOfficials)
	var buf []byte
	met := func(o *officialRecord) error {
		buf = o.encode(buf[:0])
		if recent.seen(o.Key, string(buf)) {
			return nil
		}
		return p.officials.add([]byte(o.Key), buf)
	}
	return sorted.groups(ctx, func(key []byte, vals [][]byte) error {
		progress.add(int64(len(vals)))
		rows := make([][]*rowValue, len(p.Sources))
		for _, v := range vals {
			source, row, err := decodeRow(v)
			if err != nil {
				return err
			}
			row.cols = p.Sources[source].cols
			rows[source] = append(rows[source], row)
		}
		rec, err := m.group(string(key), rows, met)
		if err != nil {
			return err
		}
		if rec.Rejected {
			p.refused++
		} else {
			p.present++
			p.alleged += int64(len(rec.Allegations))
			p.parties += int64(len(rec.Parties))
		}
		return p.matters.add(key, rec.encode(nil))
	})
}

// settleOfficials makes one record of all that was said of each official: the last row counts, posts add up.
func (p *prepared) settleOfficials(ctx context.Context, opts *Options) error {
	settled := newSpool(opts.TempDir, opts.Memory)
	sorted, err := p.officials.sorted()
	if err != nil {
		return err
	}
	err = sorted.groups(ctx, func(key []byte, vals [][]byte) error {
		p.people++
		var last *officialRecord
		var posts []postRecord
		counts := make([]int, len(p.rows))
		differ := ""
		for _, v := range vals {
			o, err := decodeOfficial(key, v)
			if err != nil {
				return err
			}
			switch {
			case last == nil:
			case last.Name != o.Name:
				differ = "name"
			case last.Data != o.Data && differ == "":
				differ = "data"
			}
			for _, post := range o.Posts {
				if !slices.Contains(posts, post) {
					posts = append(posts, post)
				}
			}
			for i, n := range o.counts {
				counts[i] += n
			}
			last = o
		}
		if differ != "" {
			p.flagKey("official-described-differently", fmt.Sprintf("%s (%s)", key, differ))
		}
		last.Posts, last.counts = posts, counts
		return settled.add(key, last.encode(nil))
	})
	p.officials.close()
	p.officials = settled
	return err
}

// recentOfficials bounds the memory that keeps the same official from being sorted once for every row.
const recentOfficials = 1 << 15

// recent remembers the last things seen.
type recent struct {
	limit    int
	now, old map[string]string
}

func newRecent(limit int) *recent { return &recent{limit: limit, now: map[string]string{}} }

func (r *recent) seen(key, value string) bool {
	if v, ok := r.now[key]; ok && v == value {
		return true
	}
	if v, ok := r.old[key]; ok && v == value {
		r.now[key] = value
		return true
	}
	if len(r.now) >= r.limit {
		r.old, r.now = r.now, map[string]string{}
	}
	r.now[key] = value
	return false
}

// bodySet gathers the bodies of the mapping and of the rows.
type bodySet struct {
	codes map[string]bool // all that exist or will
	found map[string]*bodyRecord
	order []string
	last  *bodyRecord
}

func newBodySet(fixed []fixedBody, exists map[string]bool) *bodySet {
	s := &bodySet{codes: map[string]bool{}, found: map[string]*bodyRecord{}}
	for c := range exists {
		s.codes[c] = true
	}
	for i := range fixed {
		b := fixed[i].bodyRecord
		s.add(&b)
	}
	return s
}

// add takes the first description of each body, and says what another calls it.
func (s *bodySet) add(b *bodyRecord) (other string) {
	if known := s.found[b.Code]; known != nil {
		s.last = known
		for lang, name := range b.Names {
			if name != "" && name != known.Names[lang] {
				other = max(other, fmt.Sprintf("%s: %q and %q", b.Code, known.Names[lang], name))
			}
		}
		return other
	}
	s.found[b.Code], s.last = b, b
	s.codes[b.Code] = true
	s.order = append(s.order, b.Code)
	return ""
}

func (s *bodySet) has(code string) bool { return s.found[code] != nil }

// count notes that a row became the body added last, and nothing else.
func (s *bodySet) count(source, sources int) {
	if s.last.counts == nil {
		s.last.counts = make([]int, sources)
	}
	s.last.counts[source]++
}

// ordered returns the bodies, each after its parent.
func (s *bodySet) ordered() ([]*bodyRecord, error) {
	var out []*bodyRecord
	state := map[string]int{} // 1 being placed, 2 placed
	var place func(code string) error
	place = func(code string) error {
		b := s.found[code]
		if b == nil || state[code] == 2 {
			return nil
		}
		if state[code] == 1 {
			return fmt.Errorf("body %s lies below itself", code)
		}
		state[code] = 1
		if b.Parent != "" && !s.codes[b.Parent] {
			return fmt.Errorf("body %s: its parent %s does not exist", code, b.Parent)
		}
		if err := place(b.Parent); err != nil {
			return err
		}
		state[code] = 2
		out = append(out, b)
		return nil
	}
	for _, code := range s.order {
		if err := place(code); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (b *bodyRecord) digest() []byte {
	langs := make([]string, 0, len(b.Names))
	for l := range b.Names {
		langs = append(langs, l)
	}
	sort.Strings(langs)
	out := appendTexts(nil, []*string{&b.Code, &b.Level, &b.Sector, &b.Parent})
	for _, l := range langs {
		out = appendText(appendText(out, l), b.Names[l])
	}
	sum := sha256.Sum256(out)
	return sum[:16]
}

// flagKey raises a flag that belongs to no line.
func (n *notes) flagKey(id, key string) {
	f := n.flags[id]
	if f == nil {
		f = &Flag{ID: id, Label: builtIn[id]}
		n.flags[id] = f
		n.order = append(n.order, id)
	}
	f.Count++
	if len(f.Examples) < examplesKept {
		f.Examples = append(f.Examples, Example{Value: key})
	}
}
