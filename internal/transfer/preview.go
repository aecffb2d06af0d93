package transfer

import (
	"context"
	"errors"
	"io"
	"slices"

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
	Data        string              `json:"data,omitempty"`
	Allegations []PreviewAllegation `json:"allegations"`
	Parties     []PreviewParty      `json:"parties,omitempty"`
}

// PreviewAllegation is an allegation as it would be imported.
type PreviewAllegation struct {
	Key       string `json:"key,omitempty"`
	Official  string `json:"official,omitempty"`
	Described string `json:"described,omitempty"`
	Conduct   string `json:"conduct,omitempty"`
	Category  string `json:"category,omitempty"`
	Time      string `json:"time,omitempty"`
	Place     string `json:"place,omitempty"`
	Rank      string `json:"rank,omitempty"`
	Body      string `json:"body,omitempty"`
	Finding   string `json:"finding,omitempty"`
	Standard  string `json:"standard,omitempty"`
	Outcome   string `json:"outcome,omitempty"`
	Data      string `json:"data,omitempty"`
}

// PreviewParty is a party as it would be imported.
type PreviewParty struct {
	Role string `json:"role"`
	Data string `json:"data,omitempty"`
}

// PreviewOfficial is an official as it would be imported.
type PreviewOfficial struct {
	Key   string        `json:"key"`
	Name  string        `json:"name"`
	Data  string        `json:"data,omitempty"`
	Posts []PreviewPost `json:"posts,omitempty"`
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
		f := fateOf(k, o.digest())
		done.Officials.count(f, 1)
		done.note(o.counts, f)
		if len(pre.Officials) < opts.First {
			pre.Officials = append(pre.Officials, previewOfficial(o))
		}
		return err
	})
	if err != nil {
		return Summary{}, err
	}
	stored = &storedKeys{db: db, source: p.Source, what: whatMatter}
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
		f := fateOf(k, m.digest())
		done.Matters.count(f, 1)
		done.note(m.counts, f)
		if len(pre.Matters) < opts.First {
			pre.Matters = append(pre.Matters, previewOf(m))
		}
		return nil
	})
	if err == nil {
		err = stored.rest(ctx, missing)
	}
	if err != nil {
		return Summary{}, err
	}
	s := p.account(done)
	s.Preview = pre
	return s, s.check()
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

func previewOfficial(o *officialRecord) PreviewOfficial {
	one := PreviewOfficial{Key: o.Key, Name: o.Name, Data: o.Data}
	for _, post := range o.Posts {
		one.Posts = append(one.Posts, PreviewPost(post))
	}
	return one
}

func previewOf(m *matterRecord) PreviewMatter {
	out := PreviewMatter{Key: m.Key, Kind: m.Kind, Received: m.Received, Closed: m.Closed, Status: m.Status, Body: m.Body,
		Concerned: m.Concerned, Subject: m.Subject, Data: m.Data, Allegations: []PreviewAllegation{}}
	for _, a := range m.Allegations {
		out.Allegations = append(out.Allegations, PreviewAllegation(a))
	}
	for _, party := range m.Parties {
		out.Parties = append(out.Parties, PreviewParty(party))
	}
	return out
}
