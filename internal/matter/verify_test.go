package matter_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"

	"plumbline/internal/journal"
	"plumbline/internal/matter"
	"plumbline/internal/ref"
	"plumbline/internal/rows"
	"plumbline/internal/store"
	"plumbline/internal/testing/world"
)

var quiet = slog.New(slog.DiscardHandler)

// tablesOf lists the tables of a matter with a value that is wrong for each column.
var tablesOf = map[string][]string{
	"matter": {"ref", "kind", "pack", "state", "final", "body", "desk", "desk_body", "concerned", "subject", "n", "received", "opened", "changed",
		"closed", "ended", "source", "source_key", "source_status", "due", "due_clock", "overdue", "facts", "data", "title", "channel"},
	"allegation": {"official", "described", "body", "rank", "conduct", "category", "time", "place", "finding", "standard", "outcome", "data"},
	"party":      {"role", "official", "anonymous", "n", "data"},
	"clock":      {"state", "started", "due", "left_us", "pause_end", "missed"},
	"link":       {"n"},
	"did":        {"account", "duty", "body", "effects"},
	"assigned":   {"lead", "n"},
}

func wrong(column string) string {
	switch column {
	case "final", "body", "desk_body", "concerned", "subject", "n", "opened", "changed", "due", "overdue", "official", "anonymous", "started",
		"left_us", "pause_end", "missed", "account", "lead":
		return column + " + 1"
	case "channel":
		return "NULL"
	}
	return "'tampered'"
}

// Every single column of every table, changed behind the record's back, is named: the row, the column, and nothing else.
func TestEveryColumnChangedBehindTheRecordIsNamed(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		w := newTown(t, db)
		c, _ := w.aCase()
		r := c.Links[0].Other // the report: it has everything but links of its own making
		for _, l := range c.Links {
			if l.Kind == matter.LinkOpenedBy {
				r = l.Other
			}
		}
		w.verify()
		for table, columns := range tablesOf {
			key := "matter"
			if table == "matter" {
				key = "id"
			}
			for _, column := range columns {
				got := w.glance(r, fmt.Sprintf("UPDATE %s SET %s = %s WHERE %s = %d", table, column, wrong(column), key, r))
				if len(got) == 0 {
					t.Errorf("%s.%s: nothing was named", table, column)
				}
				for _, d := range got {
					if d.Problem != rows.Changed || d.Table != table || d.Column != column || !strings.Contains(d.Key, fmt.Sprint(r)) {
						t.Errorf("%s.%s changed, named: %v", table, column, d)
					}
				}
			}
		}
	})
}

// glance changes something by SQL, compares one matter with its record, and undoes it.
func (w *town) glance(id ref.MatterID, sql string) (found []rows.Difference) {
	w.Helper()
	undo := errors.New("undo")
	err := w.db.Tx(w.Context(), func(tx *store.Tx) error {
		if _, err := tx.Exec(w.Context(), sql); err != nil {
			return err
		}
		all, err := journal.Stream(w.Context(), tx, id.Stream())
		if err != nil {
			return err
		}
		var entries []journal.Entry
		for _, r := range all {
			entries = append(entries, r.Entry)
		}
		if found, err = (matter.Matters{}).Check(w.Context(), tx, map[string][]journal.Entry{id.String(): entries}); err != nil {
			return err
		}
		return undo
	})
	if !errors.Is(err, undo) {
		w.Fatal(err)
	}
	return found
}

var changes = regexp.MustCompile(`^(?:UPDATE|DELETE FROM|INSERT INTO) ([a-z_]+)`)

// behind changes something by SQL, verifies, and undoes it: everything happens on a copy that is thrown away.
func (w *town) behind(sql string) []rows.Difference {
	w.Helper()
	touched := changes.FindStringSubmatch(sql)[1]
	w.exec("CREATE TABLE kept AS SELECT * FROM " + touched)
	w.exec(sql)
	found, err := matter.Verify(w.Context(), w.db, nil)
	if err != nil {
		w.Fatal(err)
	}
	w.exec("DELETE FROM " + touched)
	w.exec("INSERT INTO " + touched + " SELECT * FROM kept")
	w.exec("DROP TABLE kept")
	return found
}

func TestRowsTakenAwayOrPutInAreNamed(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		w := newTown(t, db)
		c, _ := w.aCase()
		id := c.Matter.ID
		for _, tt := range []struct {
			sql     string
			problem rows.Problem
			table   string
			key     string
		}{
			{fmt.Sprintf("DELETE FROM allegation WHERE matter = %d AND no = 2", id), rows.Missing, "allegation", fmt.Sprintf("matter=%d no=2", id)},
			{fmt.Sprintf("DELETE FROM clock WHERE matter = %d AND clock = 'ending'", id), rows.Missing, "clock", fmt.Sprintf("matter=%d clock=ending", id)},
			{fmt.Sprintf("DELETE FROM matter WHERE id = %d", id), rows.Missing, "matter", fmt.Sprintf("id=%d", id)},
			{fmt.Sprintf("INSERT INTO assigned (matter, account, duty, lead, n) VALUES (%d, 77, 'intake', 1, 1)", id), rows.Unrecorded, "assigned", fmt.Sprintf("matter=%d account=77 duty=intake", id)},
			{"INSERT INTO party (matter, no, role, official, anonymous, n, data) VALUES (987, 1, 'reporter', 0, 1, 1, '')", rows.Unrecorded, "party", "matter=987 no=1"},
			{"INSERT INTO link (matter, kind, other, n) VALUES (987, 'opens', 3, 1)", rows.Unrecorded, "link", "matter=987 kind=opens other=3"},
		} {
			got := w.behind(tt.sql)
			if len(got) != 1 || got[0].Problem != tt.problem || got[0].Table != tt.table || got[0].Key != tt.key {
				t.Errorf("%s: named %v", tt.sql, got)
			}
		}
		w.verify()
	})
}

func TestWhatIsWrongWithTheJournalItselfIsNamed(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		w := newTown(t, db)
		s, _ := w.report()
		w.do("ina", s.Matter.ID, "screen", matter.Values{"severity": "low"})
		if err := journal.NewSequencer(db, quiet).All(t.Context()); err != nil {
			t.Fatal(err)
		}
		stream := s.Matter.ID.Stream()
		w.verify()
		for _, tt := range []struct {
			name, sql string
			problem   rows.Problem
			column    string
		}{
			{"another action beside the bytes", "UPDATE entry SET action = 'close' WHERE stream = '" + stream + "' AND n = 2", rows.Mislabeled, "action"},
			{"another account beside the bytes", "UPDATE entry SET account = 99 WHERE stream = '" + stream + "' AND n = 2", rows.Mislabeled, "account"},
			{"another time beside the bytes", "UPDATE entry SET at = at + 1 WHERE stream = '" + stream + "' AND n = 2", rows.Mislabeled, "at"},
			{"a hole in the order", "UPDATE entry SET idx = idx + 100 WHERE stream = '" + stream + "' AND n = 2", rows.Gap, "idx"},
			{"an entry taken away", "DELETE FROM entry WHERE stream = '" + stream + "' AND n = 1", rows.Gap, "n"},
		} {
			t.Run(tt.name, func(t *testing.T) {
				got := w.behind(tt.sql)
				for _, d := range got {
					if d.Problem == tt.problem && d.Column == tt.column {
						return
					}
				}
				t.Errorf("named %v", got)
			})
		}
		w.verify()
	})
}

// Bytes exchanged for others that read well are found by what they would have made of the tables.
func TestExchangedBytesAreFound(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		w := newTown(t, db)
		s, _ := w.report()
		w.do("ina", s.Matter.ID, "screen", matter.Values{"severity": "low"})
		w.tx(func(ctx context.Context, tx *store.Tx) error {
			all, err := journal.Stream(ctx, tx, s.Matter.ID.Stream())
			if err != nil {
				return err
			}
			forged := strings.Replace(string(all[1].Bytes), `"severity":"low"`, `"severity":"high"`, 1)
			_, err = tx.Exec(ctx, "UPDATE entry SET bytes = $1 WHERE stream = $2 AND n = 2", []byte(forged), s.Matter.ID.Stream())
			return err
		})
		found, err := matter.Verify(t.Context(), db, nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(found) != 1 || found[0].Table != "matter" || found[0].Column != "data" {
			t.Errorf("named %v", found)
		}
	})
}

// Streams longer than a batch, and many of them, are read whole; progress reaches the end.
func TestVerifyReadsEverythingInBatches(t *testing.T) {
	w := newTown(t, world.SQLite(t))
	s, code := w.report()
	for range 30 {
		w.report()
	}
	for i := range 2100 {
		w.tx(func(ctx context.Context, tx *store.Tx) error {
			_, err := w.engine.ReporterAct(ctx, tx, code, 0, "message", matter.Values{"message": fmt.Sprint(i)}, journal.ViaWeb)
			return err
		})
	}
	var done, total int64
	found, err := matter.Verify(t.Context(), w.db, func(d, all int64) { done, total = d, all })
	if err != nil || len(found) > 0 {
		t.Fatal(found, err)
	}
	if done != total || done < 2130 || w.load(s.Matter.ID).Matter.N != 2101 {
		t.Errorf("read %d of %d", done, total)
	}
}
