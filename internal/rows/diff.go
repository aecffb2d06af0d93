package rows

import (
	"context"
	"fmt"
	"reflect"
	"sort"

	"plumbline/internal/store"
)

// Problem says in what way a table differs from the record. Each has words in the catalogues under "verify.<problem>".
type Problem string

const (
	Changed    Problem = "changed"    // a column holds something else than the record says
	Missing    Problem = "missing"    // the record has the row, the table does not
	Unrecorded Problem = "unrecorded" // the table has the row, the record does not
	Gap        Problem = "gap"        // a number is missing between an entry and the one before
	Unreadable Problem = "unreadable" // an entry's bytes cannot be read, or not folded
	Mislabeled Problem = "mislabeled" // a column beside an entry's bytes disagrees with the bytes

	// And in what way the record differs from the public log over it, or that from what was signed.
	Rewritten  Problem = "rewritten"   // the bytes of an entry are not those that were logged
	Moved      Problem = "moved"       // an entry stands at another place than it was logged at
	Removed    Problem = "removed"     // an entry that was logged is not there
	CutOff     Problem = "cut-off"     // the end of the log that was signed is not there
	RolledBack Problem = "rolled-back" // the key has signed more than there is
	Forked     Problem = "forked"      // another history than this was signed
	Unsigned   Problem = "unsigned"    // a checkpoint bears no signature that holds
)

// A Difference is one place where a table does not hold what the record says.
type Difference struct {
	Problem Problem `json:"problem"`
	Table   string  `json:"table"`
	Key     string  `json:"key"`              // "matter=12 no=1"
	Column  string  `json:"column,omitempty"` // empty: the whole row
	Want    string  `json:"want,omitempty"`   // what the record says
	Got     string  `json:"got,omitempty"`    // what the table holds
}

// String is the difference in one line, for logs and developers.
func (d Difference) String() string {
	switch d.Problem {
	case Changed, Mislabeled:
		return fmt.Sprintf("%s %s: %s is %q, the record says %q", d.Table, d.Key, d.Column, d.Got, d.Want)
	case Missing:
		return fmt.Sprintf("%s %s: the row is missing", d.Table, d.Key)
	case Unrecorded:
		return fmt.Sprintf("%s %s: no entry made this row", d.Table, d.Key)
	case Rewritten:
		return fmt.Sprintf("%s %s: %s was changed after it was logged", d.Table, d.Key, d.Column)
	case Moved:
		return fmt.Sprintf("%s %s: it was logged at position %s and stands at %s", d.Table, d.Key, d.Want, d.Got)
	case Removed:
		return fmt.Sprintf("%s %s: it was logged and is not there any more", d.Table, d.Key)
	case CutOff, RolledBack:
		return fmt.Sprintf("%s %s: %s entries were signed, and there are %s", d.Table, d.Key, d.Want, d.Got)
	case Forked:
		return fmt.Sprintf("%s %s: another history was signed: root %s, and this one has %s", d.Table, d.Key, d.Want, d.Got)
	case Unsigned:
		return fmt.Sprintf("%s %s: no key of this log signed it: %s", d.Table, d.Key, d.Got)
	}
	return fmt.Sprintf("%s %s: %s: want %q, got %q", d.Table, d.Key, d.Problem, d.Want, d.Got)
}

// Diff compares the rows of an owner as they should be with the rows as they are. The result is ordered by key and
// column and empty when they agree.
func (t *Table[T]) Diff(owner int64, want, got []T) []Difference {
	var out []Difference
	there := t.index(got)
	for i := range want {
		row := reflect.ValueOf(&want[i]).Elem()
		key := t.key(row)
		at, ok := there[key]
		if !ok {
			out = append(out, Difference{Problem: Missing, Table: t.name, Key: t.describe(owner, row)})
			continue
		}
		delete(there, key)
		is := reflect.ValueOf(&got[at]).Elem()
		for _, c := range t.rest {
			col := &t.columns[c]
			if !col.equal(row, is) {
				out = append(out, Difference{Problem: Changed, Table: t.name, Key: t.describe(owner, row), Column: col.name,
					Want: text(col.get(row)), Got: text(col.get(is))})
			}
		}
	}
	for _, at := range there {
		out = append(out, Difference{Problem: Unrecorded, Table: t.name, Key: t.describe(owner, reflect.ValueOf(&got[at]).Elem())})
	}
	sort.SliceStable(out, func(i, j int) bool {
		if out[i].Key != out[j].Key {
			return out[i].Key < out[j].Key
		}
		return out[i].Column < out[j].Column
	})
	return out
}

// Strays returns the rows that belong to nothing the journal knows: no stream "thing/ID" has a first entry. At most
// limit are named.
func (t *Table[T]) Strays(ctx context.Context, tx *store.Tx, thing string, limit int) ([]Difference, error) {
	col := t.keyColumn()
	found, err := tx.Query(ctx, "SELECT DISTINCT x."+col+" FROM "+t.name+" x WHERE NOT EXISTS (SELECT 1 FROM entry e WHERE e.stream = '"+
		thing+"/' || CAST(x."+col+" AS TEXT) AND e.n = 1) ORDER BY x."+col+" LIMIT $1", int64(limit))
	if err != nil {
		return nil, fmt.Errorf("strays of %s: %w", t.name, err)
	}
	owners, err := store.Collect(found, func(r *store.Rows) (id int64, err error) { return id, r.Scan(&id) })
	if err != nil {
		return nil, fmt.Errorf("strays of %s: %w", t.name, err)
	}
	all, err := t.LoadMany(ctx, tx, owners)
	if err != nil {
		return nil, err
	}
	var out []Difference
	for _, id := range owners {
		out = append(out, t.Diff(id, nil, all[id])...)
	}
	return out, nil
}
