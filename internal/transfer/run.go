package transfer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"plumbline/internal/journal"
	"plumbline/internal/pack"
	"plumbline/internal/ref"
	"plumbline/internal/register"
	"plumbline/internal/store"
)

// Options of an import; the zero value of each means "as usual".
type Options struct {
	Rejects  string                  // where rejected rows go; "<mapping>-rejects.csv"
	Progress func(done, total int64) // called now and then, and at the end of each stage
	Stage    func(what, unit string) // called when a stage begins: reading bytes, mapping rows, …
	Check    bool                    // read and map everything, say what would happen, write nothing
	First    int                     // with Check: how many matters and officials to show as they would be imported
	Actor    journal.Actor           // who imports; the system if nobody
	Released string                  // date of the data's release, instead of the mapping's
	TempDir  string                  // for sorting; the system's
	Memory   int                     // bytes each sort keeps in memory
	Batch    int                     // matters a transaction
	Now      func() time.Time

	stepped func(phase string) // told of every transaction, by tests
}

func (o Options) filled(m *Mapping) *Options {
	if o.Rejects == "" {
		o.Rejects = m.Name + "-rejects.csv"
	}
	if o.Batch <= 0 {
		o.Batch = 2000
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Released == "" {
		o.Released = m.Released
	}
	if o.Actor.Duty == "" {
		o.Actor.Duty = "system"
	}
	if o.TempDir == "" {
		o.TempDir = os.TempDir()
	}
	return &o
}

// meter reports how far a stage is, a few times a second.
type meter struct {
	o           *Options
	done, total int64
	said        time.Time
}

func (o *Options) meter(stage, unit string, total int64) *meter {
	m := &meter{o: o, total: total}
	if o.Stage != nil {
		o.Stage(stage, unit)
	}
	m.say()
	return m
}

func (m *meter) say() {
	m.said = time.Now()
	if m.o.Progress != nil {
		m.o.Progress(m.done, m.total)
	}
}

func (m *meter) add(n int64) {
	m.done += n
	if m.o.Progress != nil && time.Since(m.said) > 100*time.Millisecond {
		m.say()
	}
}

func (m *meter) end() { m.say() }

// leaseTime is how long a killed import keeps the next one waiting.
var leaseTime = 10 * time.Second

// ErrUnbalanced says that the program lost count: a mistake of ours, never of the data. Everything that was committed is
// whole; the summary must not be trusted.
var ErrUnbalanced = errors.New("the records read are not all accounted for")

// A Refused is an import that did not begin because of what was given: the mapping, the files, the office's pack.
// Nothing was written.
type Refused struct{ Why error }

func (r *Refused) Error() string { return r.Why.Error() }
func (r *Refused) Unwrap() error { return r.Why }

// Run imports files through a mapping. files are paths, or NAME=PATH for the source of that name. When an import of the
// same files was interrupted, it carries on; when a later release of the same source is given, differences are
// recorded. The matters stand under rules, the pack the mapping is written for; it need not be the one the office works
// under. Nothing is written before all files have been read and mapped.
func Run(ctx context.Context, db *store.DB, rules *pack.Pack, m *Mapping, files []string, options Options) (Summary, error) {
	begun := time.Now()
	opts := options.filled(m)
	p, err := begin(ctx, db, rules, m, files, opts)
	if err != nil {
		if ctx.Err() == nil && !errors.Is(err, errStore) {
			err = &Refused{err}
		}
		return Summary{}, err
	}
	defer p.close()
	var sum Summary
	if opts.Check {
		sum, err = p.foresee(ctx, db, opts)
		sum.Seconds = time.Since(begun).Seconds()
		return sum, err
	}
	holder := "import-" + strconv.FormatInt(db.NewID(), 36)
	err = db.Hold(ctx, "import/"+m.Source, holder, leaseTime, func(ctx context.Context, lease *store.Lease) error {
		r := &runner{prepared: p, db: db, opts: opts, lease: lease}
		if err := r.run(ctx); err != nil {
			return err
		}
		sum, err = r.summary()
		return err
	})
	sum.Seconds = time.Since(begun).Seconds()
	return sum, err
}

// errStore marks a failure of the database, which is nobody's input.
var errStore = errors.New("import")

// begin reads everything that is given and maps it.
func begin(ctx context.Context, db *store.DB, p *pack.Pack, m *Mapping, files []string, opts *Options) (*prepared, error) {
	inputs, err := m.assign(files)
	if err != nil {
		return nil, err
	}
	pl, err := m.bindTo(p, inputs)
	if err != nil {
		return nil, err
	}
	exists, err := bodyCodes(ctx, db)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errStore, err)
	}
	return prepare(ctx, pl, inputs, exists, opts)
}

// bindTo settles the mapping against a pack and the columns of the files.
func (m *Mapping) bindTo(p *pack.Pack, inputs []*input) (*plan, error) {
	if p == nil {
		return nil, fmt.Errorf("the office has no rules yet: load the pack %s first", m.Pack)
	}
	columns, err := headers(inputs)
	if err != nil {
		return nil, err
	}
	for _, in := range inputs {
		if in.header == nil {
			in.header = in.source.Columns
		}
	}
	return m.bind(p, columns)
}

func bodyCodes(ctx context.Context, db *store.DB) (map[string]bool, error) {
	codes := map[string]bool{}
	err := db.Read(ctx, func(tx *store.Tx) error {
		tree, err := register.LoadTree(ctx, tx)
		if err != nil {
			return err
		}
		for _, b := range tree.All() {
			codes[b.Code] = true
		}
		return nil
	})
	return codes, err
}

// counters are what a run has done so far, as it is kept in its row.
type counters struct {
	Bodies    Account   `json:"bodies"`
	Officials Account   `json:"officials"`
	Matters   Account   `json:"matters"`
	Rows      []Account `json:"rows"`
	Gone      Gone      `json:"gone"`
	Strangers named     `json:"unexplained"` // allegations whose official the data names nowhere, and their matters
	OtherKind named     `json:"other_kind"`  // matters that the record has as another kind
}

// named counts things and names the first of them.
type named struct {
	Count    int64    `json:"count"`
	Examples []string `json:"examples"`
}

func (n *named) add(key string) {
	n.Count++
	if len(n.Examples) < examplesKept {
		n.Examples = append(n.Examples, key)
	}
}

func (p counters) clone() counters {
	p.Rows, p.Gone.Examples = slices.Clone(p.Rows), slices.Clone(p.Gone.Examples)
	p.Strangers.Examples, p.OtherKind.Examples = slices.Clone(p.Strangers.Examples), slices.Clone(p.OtherKind.Examples)
	return p
}

// note counts the rows that became something with a fate.
func (p *counters) note(counts []int, f fate) {
	for i, n := range counts {
		p.Rows[i].count(f, int64(n))
	}
}

// A fate is what became of a record.
type fate int

const (
	opened fate = iota
	updated
	unchanged
	rejected
)

func (a *Account) count(f fate, n int64) {
	switch f {
	case opened:
		a.Opened += n
	case updated:
		a.Updated += n
	case unchanged:
		a.Unchanged += n
	case rejected:
		a.Rejected += n
	}
}

// Phases of a run, in order.
const (
	phaseBodies    = "bodies"
	phaseOfficials = "officials"
	phaseMatters   = "matters"
	phaseDone      = "done"
	phaseAbandoned = "abandoned"
)

// runner writes a prepared import to the database.
type runner struct {
	*prepared
	db      *store.DB
	opts    *Options
	lease   *store.Lease
	id      int64
	phase   string
	cursor  []byte
	done    counters
	resumed bool
	ids     *idCache // of officials
	bodyIDs map[string]ref.BodyID
	tree    *register.Tree

	// foreseen marks a runner that only says what it would do: what is not in the database has no id yet.
	foreseen bool
	missing  map[string]bool // officials that would have none afterwards
}

func (r *runner) run(ctx context.Context) error {
	if err := r.begin(ctx); err != nil {
		return err
	}
	for {
		var err error
		switch r.phase {
		case phaseBodies:
			err = r.writeBodies(ctx)
		case phaseOfficials:
			err = r.writeOfficials(ctx)
		case phaseMatters:
			err = r.writeMatters(ctx)
		case phaseDone:
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// begin takes up the unfinished run over the same files, or starts one. An unfinished run over other files is over:
// what it wrote is in the record and will be found unchanged.
func (r *runner) begin(ctx context.Context) error {
	id := r.db.NewID()
	return r.tx(ctx, func(tx *store.Tx) error {
		r.done = counters{Rows: make([]Account, len(r.Sources))}
		r.id, r.phase, r.cursor, r.resumed = id, phaseBodies, []byte{}, false
		old, err := unfinished(ctx, tx, r.Source)
		if err != nil {
			return err
		}
		if old != nil && slices.Equal(old.inputs, r.digest) {
			r.id, r.phase, r.cursor, r.resumed = old.id, old.phase, old.cursor, true
			if err := json.Unmarshal([]byte(old.progress), &r.done); err != nil {
				return fmt.Errorf("import run %d: %w", old.id, err)
			}
			return nil
		}
		if old != nil {
			if err := finishRun(ctx, tx, old.id, phaseAbandoned, r.now()); err != nil {
				return err
			}
		}
		return insertRun(ctx, tx, r)
	})
}

func (r *runner) now() time.Time { return r.opts.Now().UTC().Truncate(time.Microsecond) }

// tx is a transaction that only happens while this import holds the lease.
func (r *runner) tx(ctx context.Context, fn func(tx *store.Tx) error) error {
	return r.db.Tx(ctx, func(tx *store.Tx) error {
		if err := r.lease.Held(ctx, tx); err != nil {
			return err
		}
		return fn(tx)
	})
}

// step does a batch: work, new counters and cursor in one transaction. work gets a copy of the counters, so that a
// transaction which is run again counts once.
func (r *runner) step(ctx context.Context, phase string, cursor []byte, work func(tx *store.Tx, done *counters) error) error {
	var done counters
	err := r.tx(ctx, func(tx *store.Tx) error {
		done = r.done.clone()
		if err := work(tx, &done); err != nil {
			return err
		}
		return saveRun(ctx, tx, r.id, phase, cursor, done, r.now())
	})
	if err != nil {
		return err
	}
	r.done, r.phase, r.cursor = done, phase, cursor
	if r.opts.stepped != nil {
		r.opts.stepped(phase)
	}
	return nil
}

func (r *runner) by(pack bool) register.By {
	by := register.By{Actor: r.opts.Actor, Via: journal.ViaImport, At: r.now()}
	if pack {
		by.Pack = r.packName
	}
	return by
}

// summary puts together what the files said and what became of it, and makes sure that it adds up.
func (r *runner) summary() (Summary, error) {
	s := r.account(r.done)
	s.Run, s.Resumed = strconv.FormatInt(r.id, 10), r.resumed
	return s, s.check()
}

// account is the summary of a prepared import of which done became what it says.
func (p *prepared) account(done counters) Summary {
	s := Summary{Mapping: p.Name, Source: p.Source, Pack: p.packName,
		Bodies: done.Bodies, Officials: done.Officials, Matters: done.Matters, Allegations: p.alleged,
		Parties: p.parties, Gone: done.Gone, Reasons: p.reasons.most(), RejectsFile: strings.Join(p.files, ", "), Flags: []Flag{}}
	for i, src := range p.Sources {
		one := SourceSummary{Name: src.Name, Account: p.rows[i]}
		one.Opened, one.Updated, one.Unchanged = done.Rows[i].Opened, done.Rows[i].Updated, done.Rows[i].Unchanged
		for _, in := range p.inputs {
			if in.source == src {
				one.Files = append(one.Files, in.name)
			}
		}
		s.Sources = append(s.Sources, one)
		s.Rows.add(one.Account)
	}
	s.Matters.Read, s.Matters.Rejected = p.present+p.refused, p.refused
	s.Officials.Read = p.people
	s.Bodies.Read = int64(len(p.bodies))
	for _, id := range p.order {
		f := *p.flags[id]
		f.Values = p.values[id].most()
		s.Flags = append(s.Flags, f)
	}
	for _, late := range []struct {
		id string
		named
	}{{"official-not-in-the-data", done.Strangers}, {"kind-kept", done.OtherKind}} {
		if late.Count == 0 {
			continue
		}
		f := Flag{ID: late.id, Count: late.Count, Label: builtIn[late.id]}
		for _, key := range late.Examples {
			f.Examples = append(f.Examples, Example{Value: "matter " + key})
		}
		s.Flags = append(s.Flags, f)
	}
	return s
}

// check makes sure that everything read is accounted for.
func (s *Summary) check() error {
	for _, a := range []struct {
		what string
		Account
	}{{"rows", s.Rows}, {"matters", s.Matters}, {"officials", s.Officials}, {"bodies", s.Bodies}} {
		if !a.Balanced() {
			return fmt.Errorf("%s: %w: %+v", a.what, ErrUnbalanced, a.Account)
		}
	}
	for _, src := range s.Sources {
		if !src.Balanced() {
			return fmt.Errorf("source %s: %w: %+v", src.Name, ErrUnbalanced, src.Account)
		}
	}
	return nil
}
