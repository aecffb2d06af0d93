package transfer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"plumbline/internal/pack"
	"plumbline/internal/ref"
	"plumbline/internal/register"
	"plumbline/internal/store"
)

// writeBodies enters the bodies that are new and renames those that the source calls otherwise than before. Bodies of a
// country fit in memory, and in one transaction.
func (r *runner) writeBodies(ctx context.Context) error {
	progress := r.opts.meter(phaseBodies, phaseBodies, int64(len(r.bodies)))
	defer progress.end()
	return r.step(ctx, phaseOfficials, []byte{}, func(tx *store.Tx, done *counters) error {
		known := map[string]storedKey{}
		rows, err := tx.Query(ctx, `SELECT key, digest, id, gone FROM source_key WHERE source = $1 AND what = $2`, r.Source, whatBody)
		if err != nil {
			return fmt.Errorf("bodies of %s: %w", r.Source, err)
		}
		stored, err := store.Collect(rows, func(r *store.Rows) (k storedKey, err error) {
			return k, r.Scan(&k.key, &k.digest, &k.id, &k.gone)
		})
		if err != nil {
			return fmt.Errorf("bodies of %s: %w", r.Source, err)
		}
		for _, k := range stored {
			known[string(k.key)] = k
		}
		tree, err := register.LoadTree(ctx, tx)
		if err != nil {
			return err
		}
		ids := map[string]ref.BodyID{}
		var added []register.Body
		var keys [][]any
		for _, b := range r.bodies {
			f, digest := unchanged, b.digest()
			k, imported := known[b.Code]
			at := tree.ByCode(b.Code)
			switch {
			case at == nil:
				parent := ids[b.Parent]
				if parent == 0 && b.Parent != "" {
					parent = tree.ByCode(b.Parent).ID
				}
				ids[b.Code] = ref.BodyID(r.db.NewID())
				added = append(added, r.newBody(b, ids[b.Code], parent))
				keys = append(keys, []any{r.Source, whatBody, []byte(b.Code), digest, int64(ids[b.Code]), int64(0)})
				f = opened
			case !imported: // entered by hand, or by another source: it is the office's own, only its key is noted
				keys = append(keys, []any{r.Source, whatBody, []byte(b.Code), digest, int64(at.ID), int64(0)})
			case !slices.Equal(k.digest, digest):
				changed, err := r.rename(ctx, tx, at, b.Names)
				if err != nil {
					return err
				}
				if changed {
					f = updated
				}
				if err := updateKey(ctx, tx, r.Source, whatBody, k.key, digest, 0); err != nil {
					return err
				}
			}
			done.Bodies.count(f, 1)
			done.note(b.counts, f)
			progress.add(1)
		}
		if err := register.ImportBodies(ctx, tx, r.by(true), added); err != nil {
			return err
		}
		return tx.InsertMany(ctx, "source_key", keyColumns, keys)
	})
}

func (r *runner) newBody(b *bodyRecord, id, parent ref.BodyID) register.Body {
	out := register.Body{ID: id, Code: b.Code, Parent: parent, Level: b.Level, Sector: b.Sector, Source: r.Source}
	for _, lang := range languages(b.Names) {
		out.Names = append(out.Names, register.Name{Lang: lang, Name: b.Names[lang]})
	}
	if len(out.Names) == 0 { // a body is called something; its code is better than nothing
		out.Names = []register.Name{{Lang: r.pack.Languages[0], Name: b.Code}}
	}
	return out
}

func (r *runner) rename(ctx context.Context, tx *store.Tx, at *register.Body, names pack.Text) (bool, error) {
	changed := false
	for _, lang := range languages(names) {
		if at.Called(lang, "") == names[lang] {
			continue
		}
		if _, err := register.RenameBody(ctx, tx, r.by(true), at.ID, lang, names[lang], r.opts.Released); err != nil {
			return false, err
		}
		changed = true
	}
	return changed, nil
}

func languages(t pack.Text) []string {
	var out []string
	for lang, s := range t {
		if s != "" {
			out = append(out, lang)
		}
	}
	slices.Sort(out)
	return out
}

// loadBodyIDs reads the ids of all bodies by code.
func (r *runner) loadBodyIDs(ctx context.Context) error {
	r.bodyIDs = map[string]ref.BodyID{}
	return r.db.Read(ctx, func(tx *store.Tx) error {
		tree, err := register.LoadTree(ctx, tx)
		if err != nil {
			return err
		}
		r.tree = tree
		for _, b := range tree.All() {
			r.bodyIDs[b.Code] = b.ID
		}
		return nil
	})
}

// pendingOfficial is an official that has to be written, or only counted.
type pendingOfficial struct {
	*officialRecord
	digest []byte
	old    *storedKey
}

// writeOfficials enters officials that are new, and records what a later release says otherwise of those that are known.
func (r *runner) writeOfficials(ctx context.Context) error {
	if err := r.loadBodyIDs(ctx); err != nil {
		return err
	}
	progress := r.opts.meter(phaseOfficials, phaseOfficials, r.people)
	defer progress.end()
	sorted, err := r.officials.sorted()
	if err != nil {
		return err
	}
	from := r.cursor // where an interrupted run left off
	stored := &storedKeys{db: r.db, source: r.Source, what: whatOfficial, after: from}
	batch := batch[pendingOfficial]{limit: r.opts.Batch}
	flush := func(phase string, cursor []byte) error {
		err := r.step(ctx, phase, cursor, func(tx *store.Tx, done *counters) error {
			for _, p := range batch.same {
				done.Officials.count(unchanged, 1)
				done.note(p.counts, unchanged)
			}
			return r.saveOfficials(ctx, tx, batch.changed, done)
		})
		batch.reset()
		return err
	}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		key, val, err := sorted.next()
		if errors.Is(err, io.EOF) {
			return flush(phaseMatters, []byte{})
		}
		if err != nil {
			return err
		}
		progress.add(1)
		if len(from) > 0 && bytes.Compare(key, from) <= 0 {
			continue
		}
		rec, err := decodeOfficial(key, val)
		if err != nil {
			return err
		}
		found, err := stored.find(ctx, key, func(storedKey) {})
		if err != nil {
			return err
		}
		p := pendingOfficial{officialRecord: rec, digest: rec.digest(), old: found}
		batch.add(p, found != nil && slices.Equal(found.digest, p.digest))
		if batch.full() {
			if err := flush(phaseOfficials, slices.Clone(key)); err != nil {
				return err
			}
		}
	}
}

func (r *runner) saveOfficials(ctx context.Context, tx *store.Tx, batch []pendingOfficial, done *counters) error {
	var old []ref.OfficialID
	for _, p := range batch {
		if p.old != nil {
			old = append(old, ref.OfficialID(p.old.id))
		}
	}
	known, err := register.Officials(ctx, tx, old)
	if err != nil {
		return err
	}
	var added []register.Official
	var keys [][]any
	for _, p := range batch {
		f := opened
		if p.old == nil {
			o := r.newOfficial(p.officialRecord, ref.OfficialID(r.db.NewID()))
			added = append(added, o)
			keys = append(keys, []any{r.Source, whatOfficial, []byte(p.Key), p.digest, int64(o.ID), int64(0)})
		} else {
			was, ok := known[ref.OfficialID(p.old.id)]
			if !ok {
				return fmt.Errorf("official %d is gone from the register", p.old.id)
			}
			said := r.newOfficial(p.officialRecord, was.ID)
			said.Posts = r.succeed(was.Posts, said.Posts)
			_, changed, err := register.UpdateOfficial(ctx, tx, r.by(true), was.ID, said)
			if err != nil {
				return err
			}
			if f = unchanged; changed {
				f = updated
			}
			if err := updateKey(ctx, tx, r.Source, whatOfficial, p.old.key, p.digest, 0); err != nil {
				return err
			}
		}
		done.Officials.count(f, 1)
		done.note(p.counts, f)
	}
	if err := register.ImportOfficials(ctx, tx, r.by(true), added); err != nil {
		return err
	}
	return tx.InsertMany(ctx, "source_key", keyColumns, keys)
}

func (r *runner) newOfficial(rec *officialRecord, id ref.OfficialID) register.Official {
	o := register.Official{ID: id, Source: r.Source, SourceKey: rec.Key, Name: rec.Name, Identified: 1, Data: rec.Data}
	for i, p := range rec.Posts {
		o.Posts = append(o.Posts, register.Post{No: int64(i + 1), Body: r.bodyIDs[p.Body], Title: p.Title, Rank: p.Rank,
			From: p.From, To: p.To, Source: r.Source})
	}
	return o
}

// succeed joins the posts an official had with those a later release names. A post that is no longer named ended: on the
// day its successor began, else on the day of the release. Posts that came from elsewhere are left alone.
func (r *runner) succeed(was, now []register.Post) []register.Post {
	out := slices.Clone(was)
	same := func(a, b register.Post) bool {
		return a.Body == b.Body && a.Title == b.Title && a.Rank == b.Rank && (a.From == b.From || b.From == "")
	}
	named := make([]bool, len(out))
	var fresh []register.Post
	for _, p := range now {
		i := slices.IndexFunc(out, func(q register.Post) bool { return q.Source == r.Source && same(q, p) })
		if i < 0 {
			fresh = append(fresh, p)
			continue
		}
		named[i] = true
		out[i].To = p.To
	}
	began := r.opts.Released
	for _, p := range fresh {
		if p.From != "" {
			began = p.From
			break
		}
	}
	if began == "" {
		began = r.now().Format("2006-01-02")
	}
	for i := range was {
		if out[i].Source == r.Source && !named[i] && out[i].To == "" {
			out[i].To = began
		}
	}
	for _, p := range fresh {
		if p.From == "" && len(was) > 0 {
			p.From = began
		}
		p.No = int64(len(out) + 1)
		out = append(out, p)
	}
	return out
}

// A batch gathers records until there are enough for a transaction. Unchanged ones cost nothing but their counting, so
// many more of them go into one.
type batch[T any] struct {
	limit   int
	changed []T
	same    []T
}

const sameForOneChanged = 20

func (b *batch[T]) add(v T, same bool) {
	if same {
		b.same = append(b.same, v)
	} else {
		b.changed = append(b.changed, v)
	}
}

func (b *batch[T]) full() bool { return len(b.changed)+len(b.same)/sameForOneChanged >= b.limit }

func (b *batch[T]) reset() { b.changed, b.same = b.changed[:0], b.same[:0] }
