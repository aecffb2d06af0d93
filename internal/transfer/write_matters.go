package transfer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"plumbline/internal/matter"
	"plumbline/internal/ref"
	"plumbline/internal/store"
)

// idsKept is how many officials' ids are remembered from batch to batch.
const idsKept = 1 << 15

type pendingMatter struct {
	*matterRecord
	digest []byte
	old    *storedKey
}

// writeMatters opens the matters that are new and records what a later release says otherwise of those that are known.
func (r *runner) writeMatters(ctx context.Context) error {
	if err := r.loadBodyIDs(ctx); err != nil {
		return err
	}
	r.ids = newIDCache(idsKept)
	progress := r.opts.meter(phaseMatters, phaseMatters, r.present)
	defer progress.end()
	sorted, err := r.matters.sorted()
	if err != nil {
		return err
	}
	from := r.cursor // where an interrupted run left off
	stored := &storedKeys{db: r.db, source: r.Source, what: whatMatter, after: from}
	var batch batch[pendingMatter]
	batch.limit = r.opts.Batch
	var gone []string
	missing := func(k storedKey) { gone = append(gone, string(k.key)) }
	flush := func(phase string, cursor []byte) error {
		err := r.step(ctx, phase, cursor, func(tx *store.Tx, done *counters) error {
			done.Gone.matters(gone)
			for _, p := range batch.same {
				done.Matters.count(unchanged, 1)
				done.note(p.counts, unchanged)
				done.Gone.allegations(p.Key, p.old.gone)
			}
			return r.saveMatters(ctx, tx, batch.changed, done)
		})
		batch.reset()
		gone = gone[:0]
		return err
	}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		key, val, err := sorted.next()
		if errors.Is(err, io.EOF) {
			if err := stored.rest(ctx, missing); err != nil {
				return err
			}
			return flush(phaseDone, []byte{})
		}
		if err != nil {
			return err
		}
		rec, err := decodeMatter(key, val)
		if err != nil {
			return err
		}
		if !rec.Rejected {
			progress.add(1)
		}
		if len(from) > 0 && bytes.Compare(key, from) <= 0 {
			continue
		}
		found, err := stored.find(ctx, key, missing)
		if err != nil {
			return err
		}
		if rec.Rejected {
			continue // its rows are in the file of rejects; what the record holds of it stays as it is
		}
		p := pendingMatter{matterRecord: rec, digest: rec.digest(), old: found}
		batch.add(p, found != nil && slices.Equal(found.digest, p.digest))
		if batch.full() || len(gone) >= keyPage {
			if err := flush(phaseMatters, slices.Clone(key)); err != nil {
				return err
			}
		}
	}
}

// goneNamed is how many vanished matters a summary names.
const goneNamed = 20

func (g *Gone) name(key string) {
	if len(g.Examples) < goneNamed {
		g.Examples = append(g.Examples, key)
	}
}

func (g *Gone) matters(keys []string) {
	g.Matters += int64(len(keys))
	for _, k := range keys {
		g.name(k)
	}
}

func (g *Gone) allegations(key string, n int64) {
	if n > 0 {
		g.Allegations += n
		g.name(key)
	}
}

func (r *runner) saveMatters(ctx context.Context, tx *store.Tx, batch []pendingMatter, done *counters) error {
	if len(batch) == 0 {
		return nil
	}
	if err := r.findOfficials(ctx, tx, batch); err != nil {
		return err
	}
	var old []ref.MatterID
	for _, p := range batch {
		if p.old != nil {
			old = append(old, ref.MatterID(p.old.id))
		}
	}
	known, err := matter.LoadMany(ctx, tx, old)
	if err != nil {
		return err
	}
	var imported []matter.Imported
	var keys [][]any
	now := r.now()
	for _, p := range batch {
		cmd, err := r.command(p.matterRecord, done)
		if err != nil {
			return err
		}
		if p.old == nil {
			cmd.ID = ref.MatterID(r.db.NewID())
			e, state, _, err := matter.ImportEntry(nil, cmd, r.opts.Actor, now)
			if err != nil {
				return fmt.Errorf("matter %s of %s: %w", p.Key, r.Source, err)
			}
			imported = append(imported, matter.Imported{Entry: e, New: state})
			keys = append(keys, []any{r.Source, whatMatter, []byte(p.Key), p.digest, int64(cmd.ID), int64(0)})
			done.Matters.count(opened, 1)
			done.note(p.counts, opened)
			continue
		}
		was, ok := known[ref.MatterID(p.old.id)]
		if !ok {
			return fmt.Errorf("matter %s of %s is gone from the database", p.Key, r.Source)
		}
		im, f, gone, err := r.revise(was, cmd)
		if err != nil {
			return fmt.Errorf("matter %s of %s: %w", p.Key, r.Source, err)
		}
		if f == updated {
			imported = append(imported, im)
		}
		if was.Matter.Kind != cmd.Kind {
			done.OtherKind.add(p.Key)
			p.digest = p.old.digest // so that the next run says it, too
		}
		if err := updateKey(ctx, tx, r.Source, whatMatter, p.old.key, p.digest, gone); err != nil {
			return err
		}
		done.Matters.count(f, 1)
		done.note(p.counts, f)
		done.Gone.allegations(p.Key, gone)
	}
	if err := matter.SaveImported(ctx, tx, imported); err != nil {
		return err
	}
	return tx.InsertMany(ctx, "source_key", keyColumns, keys)
}

// revise says what a release tells otherwise of a matter that is in the record.
func (r *runner) revise(was matter.State, cmd matter.ImportCmd) (im matter.Imported, f fate, gone int64, err error) {
	cmd.ID = was.Matter.ID
	cmd.Allegations, gone = align(was.Allegations, cmd.Allegations, sourceKeyOf)
	e, now, changed, err := matter.ImportEntry(&was, cmd, r.opts.Actor, r.now())
	if err != nil || !changed {
		return im, unchanged, gone, err
	}
	return matter.Imported{Entry: e, Old: &was, New: now}, updated, gone, nil
}

// findOfficials looks up the ids of all officials a batch speaks of.
func (r *runner) findOfficials(ctx context.Context, tx *store.Tx, batch []pendingMatter) error {
	want := map[string]bool{}
	look := func(key string) {
		if key == "" || want[key] {
			return
		}
		if _, ok := r.ids.get(key); !ok {
			want[key] = true
		}
	}
	for _, p := range batch {
		look(p.Subject)
		for i := range p.Allegations {
			look(p.Allegations[i].Official)
		}
	}
	keys := make([]string, 0, len(want))
	for k := range want {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return idsOf(ctx, tx, r.Source, whatOfficial, keys, r.ids.put)
}

// official returns the id of an official by the source's key; one the data names nowhere is not identified.
func (r *runner) official(key, matterKey string, done *counters) ref.OfficialID {
	if key == "" {
		return 0
	}
	id, ok := r.ids.get(key)
	switch {
	case ok:
	case r.foreseen && !r.missing[key]:
		return placeholder(key)
	default:
		done.Strangers.add(matterKey)
	}
	return ref.OfficialID(id)
}

// command says in the words of this database what the source says of a matter.
func (r *runner) command(m *matterRecord, done *counters) (matter.ImportCmd, error) {
	data, err := dataOf(m.Data)
	if err != nil {
		return matter.ImportCmd{}, fmt.Errorf("matter %s of %s: %w", m.Key, r.Source, err)
	}
	cmd := matter.ImportCmd{
		Ref:       ref.ReferenceFor(r.prefix(m.Kind), r.Source+"\x00"+m.Key),
		Kind:      m.Kind,
		Pack:      r.packName,
		Source:    r.Source,
		SourceKey: m.Key, SourceStatus: m.Status,
		Received: m.Received, Closed: m.Closed,
		Body: r.bodyIDs[m.Body], Concerned: r.bodyIDs[m.Concerned],
		Subject: r.official(m.Subject, m.Key, done),
		Data:    data,
		Title:   r.title(m),
	}
	for i := range m.Allegations {
		a := &m.Allegations[i]
		cmd.Allegations = append(cmd.Allegations, matter.Allegation{
			No: int64(i + 1), Official: r.official(a.Official, m.Key, done), Described: a.Described, Body: r.bodyIDs[a.Body], Rank: a.Rank,
			Conduct: a.Conduct, Category: a.Category, Time: a.Time, Place: a.Place, Finding: a.Finding, Standard: a.Standard,
			Outcome: a.Outcome, Data: withKey(a.Data, a.Key),
		})
	}
	for i, p := range m.Parties {
		cmd.Parties = append(cmd.Parties, matter.Party{No: int64(i + 1), Role: p.Role, Data: p.Data})
	}
	return cmd, nil
}

// dataOf reads what jsonObject wrote.
func dataOf(text string) (map[string]any, error) {
	if text == "" {
		return nil, nil
	}
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	var out map[string]any
	if err := dec.Decode(&out); err != nil {
		return nil, err
	}
	for k, v := range out {
		if n, ok := v.(json.Number); ok {
			i, err := n.Int64()
			if err != nil {
				return nil, err
			}
			out[k] = i
		}
	}
	return out, nil
}

// title is what lists show, in the pack's own language.
func (r *runner) title(m *matterRecord) string {
	var conduct []string
	for i := range m.Allegations {
		conduct = append(conduct, m.Allegations[i].Conduct)
	}
	return matter.TitleOf(r.pack, r.tree, conduct, r.bodyIDs[m.Concerned], r.pack.Languages[0])
}

func (r *runner) prefix(kind string) string {
	for _, k := range r.pack.Kinds {
		if k.ID == kind {
			return k.Prefix
		}
	}
	return "M"
}

// withKey puts the source's key of an allegation in front of its other data.
func withKey(data, key string) string {
	if key == "" {
		return data
	}
	own := jsonObject([]string{keyInData}, []any{key})
	if data == "" {
		return own
	}
	return strings.TrimSuffix(own, "}") + "," + strings.TrimPrefix(data, "{")
}

func sourceKeyOf(a matter.Allegation) string {
	if !strings.Contains(a.Data, `"`+keyInData+`"`) {
		return ""
	}
	var d struct {
		Key string `json:"key"`
	}
	if json.Unmarshal([]byte(a.Data), &d) != nil {
		return "" // data that another program wrote: it has no key of ours
	}
	return d.Key
}
