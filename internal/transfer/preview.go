package transfer

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"maps"
	"slices"

	"plumbline/internal/matter"
	"plumbline/internal/ref"
	"plumbline/internal/store"
)

// A Preview shows the first records as they would be imported.
type Preview struct {
	Matters   []PreviewMatter   `json:"matters"`
	Officials []PreviewOfficial `json:"officials"`
	Rejects   []Reject          `json:"rejects"`
}

// A Reject is a row that would not be taken.
type Reject struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Reason string `json:"reason"`
}

// PreviewMatter is a matter as it would be imported, in the source's own keys and codes.
type PreviewMatter struct {
	Key         string              `json:"key"`
	Kind        string              `json:"kind"`
	Received    string              `json:"received"`
	Closed      string              `json:"closed,omitempty"`
	Status      string              `json:"status,omitempty"`
	Body        string              `json:"body"`
	Concerned   string              `json:"concerned,omitempty"`
	Subject     string              `json:"subject,omitempty"`
	Data        map[string]any      `json:"data,omitempty"`
	Allegations []PreviewAllegation `json:"allegations"`
	Parties     []PreviewParty      `json:"parties,omitempty"`
}

// PreviewAllegation is an allegation as it would be imported.
type PreviewAllegation struct {
	Key       string         `json:"key,omitempty"`
	Official  string         `json:"official,omitempty"`
	Described string         `json:"described,omitempty"`
	Conduct   string         `json:"conduct,omitempty"`
	Category  string         `json:"category,omitempty"`
	Time      string         `json:"time,omitempty"`
	Place     string         `json:"place,omitempty"`
	Rank      string         `json:"rank,omitempty"`
	Body      string         `json:"body,omitempty"`
	Finding   string         `json:"finding,omitempty"`
	Standard  string         `json:"standard,omitempty"`
	Outcome   string         `json:"outcome,omitempty"`
	Data      map[string]any `json:"data,omitempty"`
}

// PreviewParty is a party as it would be imported.
type PreviewParty struct {
	Role string         `json:"role"`
	Data map[string]any `json:"data,omitempty"`
}

// PreviewOfficial is an official as it would be imported.
type PreviewOfficial struct {
	Key   string         `json:"key"`
	Name  string         `json:"name"`
	Data  map[string]any `json:"data,omitempty"`
	Posts []PreviewPost  `json:"posts,omitempty"`
}

// PreviewPost is a post as it would be imported.
type PreviewPost struct {
	Body  string `json:"body"`
	Title string `json:"title,omitempty"`
	Rank  string `json:"rank,omitempty"`
	From  string `json:"from,omitempty"`
	To    string `json:"to,omitempty"`
}

// rejectsShown is how many rejected rows a preview names.
const rejectsShown = 20

// foresee says what an import would do, comparing with what the database holds of the source, and writes nothing.
func (p *prepared) foresee(ctx context.Context, db *store.DB, opts *Options) (Summary, error) {
	done := counters{Rows: make([]Account, len(p.Sources))}
	fateOf := func(k *storedKey, digest []byte) fate {
		switch {
		case k == nil:
			return opened
		case slices.Equal(k.digest, digest):
			return unchanged
		}
		return updated
	}
	bodies := map[string]*storedKey{}
	stored := &storedKeys{db: db, source: p.Source, what: whatBody}
	if err := stored.rest(ctx, func(k storedKey) { bodies[string(k.key)] = &k }); err != nil {
		return Summary{}, err
	}
	for _, b := range p.bodies {
		f := fateOf(bodies[b.Code], b.digest())
		if f == opened && p.existed[b.Code] {
			f = unchanged
		}
		done.Bodies.count(f, 1)
		done.note(b.counts, f)
	}
	pre := &Preview{Rejects: p.rejects.shown, Matters: []PreviewMatter{}, Officials: []PreviewOfficial{}}
	stored = &storedKeys{db: db, source: p.Source, what: whatOfficial}
	err := each(ctx, p.officials, func(key, val []byte) error {
		o, err := decodeOfficial(key, val)
		if err != nil {
			return err
		}
		k, err := stored.find(ctx, key, func(storedKey) {})
		if err != nil {
			return err
		}
		f := fateOf(k, o.digest())
		done.Officials.count(f, 1)
		done.note(o.counts, f)
		if len(pre.Officials) < opts.First {
			one, err := previewOfficial(o)
			if err != nil {
				return err
			}
			pre.Officials = append(pre.Officials, one)
		}
		return nil
	})
	if err == nil {
		err = p.foreseeMatters(ctx, db, opts, &done, pre)
	}
	if err != nil {
		return Summary{}, err
	}
	s := p.account(done)
	s.Preview = pre
	return s, s.check()
}

// foreseeMatters compares every matter with the record as an import would, but keeps nothing.
func (p *prepared) foreseeMatters(ctx context.Context, db *store.DB, opts *Options, done *counters, pre *Preview) error {
	r := &runner{prepared: p, db: db, opts: opts, ids: newIDCache(idsKept), foreseen: true}
	var err error
	if r.missing, err = p.strangers(ctx, db, opts); err != nil {
		return err
	}
	if err := r.loadBodyIDs(ctx); err != nil {
		return err
	}
	for i, b := range p.bodies {
		if r.bodyIDs[b.Code] == 0 {
			r.bodyIDs[b.Code] = ref.BodyID(-1 - i)
		}
	}
	var batch []pendingMatter // those that differ from what was imported before
	compare := func() error {
		if len(batch) == 0 {
			return nil
		}
		var after counters
		err := db.Read(ctx, func(tx *store.Tx) error {
			after = done.clone()
			return r.compareMatters(ctx, tx, batch, &after)
		})
		*done, batch = after, batch[:0]
		return err
	}
	stored := &storedKeys{db: db, source: p.Source, what: whatMatter}
	missing := func(k storedKey) { done.Gone.matters([]string{string(k.key)}) }
	err = each(ctx, p.matters, func(key, val []byte) error {
		m, err := decodeMatter(key, val)
		if err != nil {
			return err
		}
		k, err := stored.find(ctx, key, missing)
		if err != nil || m.Rejected {
			return err
		}
		if len(pre.Matters) < opts.First {
			one, err := previewOf(m)
			if err != nil {
				return err
			}
			pre.Matters = append(pre.Matters, one)
		}
		switch digest := m.digest(); {
		case k == nil:
			if _, err := r.command(m, done); err != nil {
				return err
			}
			done.Matters.count(opened, 1)
			done.note(m.counts, opened)
		case slices.Equal(k.digest, digest):
			done.Matters.count(unchanged, 1)
			done.note(m.counts, unchanged)
			done.Gone.allegations(m.Key, k.gone)
		default:
			batch = append(batch, pendingMatter{matterRecord: m, digest: digest, old: k})
			if len(batch) >= opts.Batch {
				return compare()
			}
		}
		return nil
	})
	if err == nil {
		err = compare()
	}
	if err == nil {
		err = stored.rest(ctx, missing)
	}
	return err
}

// compareMatters counts what saveMatters would do with matters that are known.
func (r *runner) compareMatters(ctx context.Context, tx *store.Tx, batch []pendingMatter, done *counters) error {
	if err := r.findOfficials(ctx, tx, batch); err != nil {
		return err
	}
	ids := make([]ref.MatterID, len(batch))
	for i, p := range batch {
		ids[i] = ref.MatterID(p.old.id)
	}
	known, err := matter.LoadMany(ctx, tx, ids)
	if err != nil {
		return err
	}
	for i, p := range batch {
		cmd, err := r.command(p.matterRecord, done)
		if err != nil {
			return err
		}
		was, ok := known[ids[i]]
		if !ok {
			return fmt.Errorf("matter %s of %s is gone from the database", p.Key, r.Source)
		}
		_, f, gone, err := r.revise(was, cmd)
		if err != nil {
			return fmt.Errorf("matter %s of %s: %w", p.Key, r.Source, err)
		}
		if was.Matter.Kind != cmd.Kind {
			done.OtherKind.add(p.Key)
		}
		done.Matters.count(f, 1)
		done.note(p.counts, f)
		done.Gone.allegations(p.Key, gone)
	}
	return nil
}

// placeholder is the id of an official who has none yet: never that of another.
func placeholder(key string) ref.OfficialID {
	h := fnv.New64a()
	_, _ = io.WriteString(h, key) // a hash takes everything
	return ref.OfficialID(-1 - int64(h.Sum64()>>1))
}

// strangers finds the officials that matters name by a key under which the import would make nobody, and nobody is known.
func (p *prepared) strangers(ctx context.Context, db *store.DB, opts *Options) (map[string]bool, error) {
	out := map[string]bool{}
	if p.matter == nil || p.matter.subject == nil && (p.allegation == nil || p.allegation.official == nil) {
		return out, nil // officials stand in the same rows
	}
	named := newSpool(opts.TempDir, opts.Memory)
	defer named.close()
	recent := newRecent(recentOfficials)
	name := func(key string) error {
		if key == "" || recent.seen(key, key) {
			return nil
		}
		return named.add([]byte(key), nil)
	}
	err := each(ctx, p.matters, func(key, val []byte) error {
		m, err := decodeMatter(key, val)
		if err != nil || m.Rejected {
			return err
		}
		err = name(m.Subject)
		for i := range m.Allegations {
			err = errors.Join(err, name(m.Allegations[i].Official))
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	made, err := p.officials.sorted()
	if err != nil {
		return nil, err
	}
	next, _, end := made.next()
	err = each(ctx, named, func(key, _ []byte) error {
		for end == nil && string(next) < string(key) {
			next, _, end = made.next()
		}
		if end != nil && !errors.Is(end, io.EOF) {
			return end
		}
		if end != nil || string(next) != string(key) {
			out[string(key)] = true
		}
		return nil
	})
	if err != nil || len(out) == 0 {
		return out, err
	}
	err = db.Read(ctx, func(tx *store.Tx) error {
		return idsOf(ctx, tx, p.Source, whatOfficial, slices.Sorted(maps.Keys(out)), func(key string, _ int64) { delete(out, key) })
	})
	return out, err
}

// each calls f with every record of a spool, in order.
func each(ctx context.Context, s *spool, f func(key, val []byte) error) error {
	sorted, err := s.sorted()
	if err != nil {
		return err
	}
	for n := 0; ; n++ {
		if n%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		key, val, err := sorted.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = f(key, val)
		}
		if err != nil {
			return err
		}
	}
}

func previewOfficial(o *officialRecord) (PreviewOfficial, error) {
	data, err := dataOf(o.Data)
	one := PreviewOfficial{Key: o.Key, Name: o.Name, Data: data}
	for _, post := range o.Posts {
		one.Posts = append(one.Posts, PreviewPost(post))
	}
	return one, err
}

func previewOf(m *matterRecord) (out PreviewMatter, err error) {
	out = PreviewMatter{Key: m.Key, Kind: m.Kind, Received: m.Received, Closed: m.Closed, Status: m.Status, Body: m.Body,
		Concerned: m.Concerned, Subject: m.Subject, Allegations: []PreviewAllegation{}}
	if out.Data, err = dataOf(m.Data); err != nil {
		return out, err
	}
	for _, a := range m.Allegations {
		one := PreviewAllegation{Key: a.Key, Official: a.Official, Described: a.Described, Conduct: a.Conduct, Category: a.Category,
			Time: a.Time, Place: a.Place, Rank: a.Rank, Body: a.Body, Finding: a.Finding, Standard: a.Standard, Outcome: a.Outcome}
		if one.Data, err = dataOf(a.Data); err != nil {
			return out, err
		}
		out.Allegations = append(out.Allegations, one)
	}
	for _, party := range m.Parties {
		data, err := dataOf(party.Data)
		if err != nil {
			return out, err
		}
		out.Parties = append(out.Parties, PreviewParty{Role: party.Role, Data: data})
	}
	return out, nil
}
