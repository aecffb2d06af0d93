package matter

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"plumbline/internal/journal"
	"plumbline/internal/pack"
	"plumbline/internal/ref"
	"plumbline/internal/rows"
	"plumbline/internal/store"
)

// Named is a journal.Follower: it notes which entry of a matter was the first to name an official. Matters forget names
// that were taken back; this does not.
type Named struct{}

// Name is the key of its cursor.
func (Named) Name() string { return "named" }

// Version is of how it reads entries.
func (Named) Version(context.Context, *store.Tx) (string, error) { return "1", nil }

// Reset forgets everything.
func (Named) Reset(ctx context.Context, tx *store.Tx) error {
	if _, err := tx.Exec(ctx, `DELETE FROM named`); err != nil {
		return fmt.Errorf("matter: named: %w", err)
	}
	return nil
}

// Step notes the officials that entries name.
func (Named) Step(ctx context.Context, tx *store.Tx, entries []journal.Recorded) error {
	var found []named
	for _, e := range entries {
		some, err := namedIn(e.Entry)
		if err != nil {
			return err
		}
		found = append(found, some...)
	}
	const atOnce = 300
	for len(found) > 0 {
		some := found[:min(len(found), atOnce)]
		found = found[len(some):]
		var q strings.Builder
		q.WriteString(`INSERT INTO named (matter, official, n) VALUES `)
		args := make([]any, 0, 3*len(some))
		for i, x := range some {
			if i > 0 {
				q.WriteByte(',')
			}
			fmt.Fprintf(&q, "($%d,$%d,$%d)", 3*i+1, 3*i+2, 3*i+3)
			args = append(args, int64(x.matter), int64(x.official), x.n)
		}
		q.WriteString(` ON CONFLICT (matter, official) DO NOTHING`) // the first stays
		if _, err := tx.Exec(ctx, q.String(), args...); err != nil {
			return fmt.Errorf("matter: named: %w", err)
		}
	}
	return nil
}

type named struct {
	matter   ref.MatterID
	official ref.OfficialID
	n        int64
}

// namedIn finds the officials that an entry of a matter names.
func namedIn(e journal.Entry) ([]named, error) {
	rest, ok := strings.CutPrefix(e.Stream, "matter/")
	if !ok || !bytes.Contains(e.Changes, []byte(`"official"`)) && !bytes.Contains(e.Changes, []byte(`"subject"`)) {
		return nil, nil
	}
	id, err := strconv.ParseInt(rest, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("matter: stream %q: %w", e.Stream, err)
	}
	var changes []struct {
		Official ref.OfficialID `json:"official,string"`
		Subject  ref.OfficialID `json:"subject,string"`
	}
	if err := json.Unmarshal(e.Changes, &changes); err != nil {
		return nil, fmt.Errorf("matter: entry %s/%d: changes: %w", e.Stream, e.N, err)
	}
	var out []named
	for _, c := range changes {
		for _, o := range []ref.OfficialID{c.Official, c.Subject} {
			if o != 0 && (len(out) == 0 || out[len(out)-1].official != o) {
				out = append(out, named{ref.MatterID(id), o, e.N})
			}
		}
	}
	return out, nil
}

// namedUpTo is how far Named has read.
func namedUpTo(ctx context.Context, tx *store.Tx) (int64, error) {
	at, _, err := journal.Cursor(ctx, tx, Named{}.Name())
	if err != nil {
		return 0, fmt.Errorf("matter: named: %w", err)
	}
	return at, nil
}

// naming is the first entry of a matter that named a person.
type naming struct {
	Spot
	row Row // of the matter: kind, pack, source and subject
}

// namings returns the matters that ever named a person, in the order of the record.
func namings(ctx context.Context, tx *store.Tx, same []ref.OfficialID) ([]naming, error) {
	args := make([]any, len(same))
	for i, id := range same {
		args[i] = int64(id)
	}
	found, err := tx.Query(ctx, `SELECT x.matter, x.n, COALESCE(e.idx, 0), m.kind, m.pack, m.source, m.subject FROM
		(SELECT matter, MIN(n) AS n FROM named WHERE official IN (`+list(1, len(same))+`) GROUP BY matter) x
		JOIN matter m ON m.id = x.matter
		JOIN entry e ON e.stream = 'matter/' || CAST(x.matter AS TEXT) AND e.n = x.n ORDER BY e.idx, x.matter`, args...)
	if err != nil {
		return nil, fmt.Errorf("matter: who names an official: %w", err)
	}
	out, err := store.Collect(found, func(r *store.Rows) (n naming, err error) {
		err = r.Scan(&n.Matter, &n.N, &n.Place, &n.row.Kind, &n.row.Pack, &n.row.Source, &n.row.Subject)
		n.row.ID = n.Matter
		return n, err
	})
	if err != nil {
		return nil, fmt.Errorf("matter: who names an official: %w", err)
	}
	return out, nil
}

// origins tells of matters, and of those above them, which one opened each, or is inspected by it.
func origins(ctx context.Context, tx *store.Tx, ids []ref.MatterID) (map[ref.MatterID]ref.MatterID, error) {
	out := map[ref.MatterID]ref.MatterID{}
	asked := map[ref.MatterID]bool{}
	for len(ids) > 0 {
		some := ids[:min(len(ids), 300)]
		ids = ids[len(some):]
		args := make([]any, 0, len(some))
		for _, id := range some {
			if !asked[id] {
				asked[id] = true
				args = append(args, int64(id))
			}
		}
		if len(args) == 0 {
			continue
		}
		found, err := tx.Query(ctx, `SELECT matter, other FROM link WHERE kind IN ('opened-by', 'inspects') AND matter IN (`+list(1, len(args))+`)`, args...)
		if err != nil {
			return nil, fmt.Errorf("matter: origins: %w", err)
		}
		for found.Next() {
			var from, to ref.MatterID
			if err := found.Scan(&from, &to); err != nil {
				return nil, fmt.Errorf("matter: origins: %w", err)
			}
			out[from] = to
			ids = append(ids, to)
		}
		if err := found.Close(); err != nil {
			return nil, fmt.Errorf("matter: origins: %w", err)
		}
	}
	return out, nil
}

// noticed reports whether a notice was served on a person, in whatever matter about them.
func noticed(ctx context.Context, tx *store.Tx, same []ref.OfficialID) (bool, error) {
	args := make([]any, len(same))
	for i, id := range same {
		args[i] = int64(id)
	}
	found, err := tx.Query(ctx, `SELECT facts FROM matter WHERE subject <> 0 AND subject IN (`+list(1, len(same))+`)`, args...)
	if err != nil {
		return false, fmt.Errorf("matter: notices: %w", err)
	}
	facts, err := store.Collect(found, func(r *store.Rows) (f string, err error) { return f, r.Scan(&f) })
	for _, f := range facts {
		if m := (Row{Facts: f}); m.HasFact(pack.EffNotice) {
			return true, nil
		}
	}
	return false, err
}

// namedRow is a row of the table as verification compares it.
type namedRow struct {
	Official ref.OfficialID `db:"official,key"`
	N        int64          `db:"n"`
}

var namedRows = rows.Of[namedRow]("named", "matter")

// checkNames compares what Named noted with the entries. What it has not read yet is missing without fault.
func checkNames(ctx context.Context, tx *store.Tx, ids []int64, streams map[string][]journal.Entry) ([]rows.Difference, error) {
	upTo, err := namedUpTo(ctx, tx)
	if err != nil {
		return nil, err
	}
	placed, all, err := journal.Head(ctx, tx)
	if err != nil {
		return nil, err
	}
	got, err := namedRows.LoadMany(ctx, tx, ids)
	if err != nil {
		return nil, err
	}
	var out []rows.Difference
	for _, id := range ids {
		var want []namedRow
		first := map[ref.OfficialID]bool{}
		for _, e := range streams[strconv.FormatInt(id, 10)] {
			some, err := namedIn(e)
			if err != nil {
				continue // an entry that cannot be read is told of by whoever folds it
			}
			for _, x := range some {
				if !first[x.official] {
					first[x.official] = true
					want = append(want, namedRow{x.official, x.n})
				}
			}
		}
		for _, d := range namedRows.Diff(id, want, got[id]) {
			if d.Problem != rows.Missing || upTo >= placed && placed == all {
				out = append(out, d)
			}
		}
	}
	return out, nil
}
