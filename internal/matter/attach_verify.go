package matter

import (
	"context"
	"fmt"
	"strconv"

	"plumbline/internal/exhibit"
	"plumbline/internal/journal"
	"plumbline/internal/ref"
	"plumbline/internal/rows"
	"plumbline/internal/store"
)

// checkFiles compares the files that the entries of a matter attached with those that are stored. That a file is stored
// whole can be seen without its key; that it is the right one is seen when it is opened.
func checkFiles(ctx context.Context, tx *store.Tx, id int64, entries []journal.Entry) (out []rows.Difference, err error) {
	want := map[string]int64{}
	for _, e := range entries {
		if file, ok := e.Fields[FieldFile].(string); ok && e.Action == ActionAttach {
			want[file] = e.N
		}
	}
	if len(want) == 0 {
		return nil, nil
	}
	got, err := exhibit.StoredOf(ctx, tx, ref.MatterID(id))
	if err != nil {
		return nil, err
	}
	for _, s := range got {
		key := fmt.Sprintf("matter=%d file=%s", id, s.ID)
		n, there := want[s.ID.String()]
		delete(want, s.ID.String())
		switch {
		case !there:
			out = append(out, rows.Difference{Problem: rows.Unrecorded, Table: "exhibit", Key: key})
		case n != s.N:
			out = append(out, rows.Difference{Problem: rows.Changed, Table: "exhibit", Key: key, Column: "n", Want: strconv.FormatInt(n, 10), Got: strconv.FormatInt(s.N, 10)})
		case s.Have != s.Chunks || s.Chunks == 0:
			out = append(out, rows.Difference{Problem: rows.Missing, Table: "exhibit_chunk", Key: key})
		}
	}
	for _, e := range entries { // in the order of the record
		if file, _ := e.Fields[FieldFile].(string); want[file] == e.N && e.Action == ActionAttach {
			out = append(out, rows.Difference{Problem: rows.Missing, Table: "exhibit", Key: fmt.Sprintf("matter=%d file=%s", id, file)})
		}
	}
	return out, nil
}

func strayFiles(ctx context.Context, tx *store.Tx, limit int) (out []rows.Difference, err error) {
	found, err := exhibit.Unattached(ctx, tx, limit)
	for _, s := range found {
		out = append(out, rows.Difference{Problem: rows.Unrecorded, Table: "exhibit", Key: fmt.Sprintf("matter=%d file=%s", s.Matter, s.ID)})
	}
	return out, err
}
