package access_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"plumbline/internal/access"
	"plumbline/internal/ref"
	"plumbline/internal/store"
	"plumbline/internal/testing/world"
)

// TestWhereAgreesWithCanSee draws whole worlds (a tree of bodies, matters on desks, people named, assigned, having
// acted) and viewers, and holds the SQL predicate to the check, row by row, on every database.
func TestWhereAgreesWithCanSee(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		seen := map[bool]int{}
		rapid.Check(t, func(t *rapid.T) {
			w := drawWorld(t)
			if err := db.Tx(context.Background(), func(tx *store.Tx) error { return w.write(tx) }); err != nil {
				t.Fatal(err)
			}
			for _, v := range w.viewers {
				got := list(t, db, v)
				var want []int64
				for _, f := range w.matters {
					yes := access.CanSee(v, f)
					seen[yes]++
					if yes {
						want = append(want, int64(f.ID))
					}
				}
				if !slices.Equal(got, want) {
					t.Fatalf("viewer %+v\nsees by SQL %v\nby check   %v", v, got, want)
				}
			}
		})
		if seen[true] < 100 || seen[false] < 100 {
			t.Errorf("the worlds drawn say too little: %d seen, %d not", seen[true], seen[false])
		}
	})
}

func list(t *rapid.T, db *store.DB, v access.Viewer) []int64 {
	cond, args := access.Where(v, "m", 2)
	var got []int64
	err := db.Read(context.Background(), func(tx *store.Tx) error {
		rows, err := tx.Query(context.Background(), `SELECT m.id FROM matter m WHERE m.id > $1 AND `+cond+` ORDER BY m.id`, append([]any{int64(0)}, args...)...)
		if err != nil {
			return err
		}
		got, err = store.Collect(rows, func(r *store.Rows) (id int64, err error) { return id, r.Scan(&id) })
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

var (
	duties    = []string{"intake", "investigator", "reviewer"}
	sights    = []string{access.SeesDesk, access.SeesSubtree, access.SeesNone}
	accounts  = []ref.AccountID{1, 2, 3}
	officials = []ref.OfficialID{901, 902, 903}
)

type drawn struct {
	above   map[ref.BodyID][]ref.BodyID // itself first
	matters []access.Facts
	viewers []access.Viewer
}

func drawWorld(t *rapid.T) drawn {
	w := drawn{above: map[ref.BodyID][]ref.BodyID{}}
	bodies := []ref.BodyID{}
	for i := range rapid.IntRange(1, 7).Draw(t, "bodies") {
		id := ref.BodyID(100 + i)
		w.above[id] = []ref.BodyID{id}
		if i > 0 && rapid.IntRange(0, 9).Draw(t, "root") > 0 {
			w.above[id] = append(w.above[id], w.above[rapid.SampledFrom(bodies).Draw(t, "parent")]...)
		}
		bodies = append(bodies, id)
	}
	body := rapid.SampledFrom(bodies)
	few := func(label string) []ref.OfficialID {
		return rapid.SliceOfNDistinct(rapid.SampledFrom(officials), 0, 1, rapid.ID[ref.OfficialID]).Draw(t, label)
	}
	people := func(label string) []ref.AccountID {
		return rapid.SliceOfNDistinct(rapid.SampledFrom(accounts), 0, 2, rapid.ID[ref.AccountID]).Draw(t, label)
	}
	for i := range rapid.IntRange(1, 10).Draw(t, "matters") {
		f := access.Facts{
			ID: ref.MatterID(i + 1), Body: body.Draw(t, "body"), Desk: rapid.SampledFrom(duties).Draw(t, "desk"),
			Overdue: rapid.Bool().Draw(t, "overdue"), Named: few("named"), Assigned: people("assigned"), Acted: people("acted"),
		}
		f.DeskBody = rapid.SampledFrom(w.above[f.Body]).Draw(t, "desk body")
		if rapid.Bool().Draw(t, "concerns a body") {
			f.Concerned = body.Draw(t, "concerned")
		}
		f.Above, f.ConcernedAbove = w.above[f.Body], w.above[f.Concerned]
		if up := w.above[f.DeskBody]; len(up) > 1 {
			f.DeskParent = up[1]
		}
		w.matters = append(w.matters, f)
	}
	for range rapid.IntRange(1, 4).Draw(t, "viewers") {
		v := access.Viewer{Account: rapid.SampledFrom(append([]ref.AccountID{0}, accounts...)).Draw(t, "account")}
		if o := few("is"); len(o) > 0 {
			v.Official = o[0]
			v.Also = few("is also")
		}
		for range rapid.IntRange(0, 3).Draw(t, "grants") {
			v.Grants = append(v.Grants, access.Grant{Duty: rapid.SampledFrom(duties).Draw(t, "duty"), Body: body.Draw(t, "at"), Sees: rapid.SampledFrom(sights).Draw(t, "sees")})
		}
		w.viewers = append(w.viewers, v)
	}
	return w
}

// write puts the world into the tables, in place of the last one.
func (w drawn) write(tx *store.Tx) error {
	ctx := context.Background()
	for _, table := range []string{"body_above", "matter", "allegation", "party", "did", "assigned"} {
		if _, err := tx.Exec(ctx, "DELETE FROM "+table); err != nil {
			return err
		}
	}
	for id, above := range w.above {
		for depth, up := range above {
			if _, err := tx.Exec(ctx, `INSERT INTO body_above (body, above, depth) VALUES ($1, $2, $3)`, id, up, depth); err != nil {
				return err
			}
		}
	}
	for i, f := range w.matters {
		if err := writeMatter(ctx, tx, i, f); err != nil {
			return err
		}
	}
	return nil
}

func writeMatter(ctx context.Context, tx *store.Tx, i int, f access.Facts) error {
	// Who is named is spread over the three places where a matter can name somebody.
	var subject ref.OfficialID
	var err error
	for _, o := range f.Named {
		switch (i + int(o)) % 3 {
		case 0:
			subject = o
		case 1:
			_, err = tx.Exec(ctx, `INSERT INTO allegation (matter, no, official, described, body, rank, conduct, category, time, place, finding, standard, outcome, data)
				VALUES ($1, 1, $2, '', 0, '', '', '', '', '', '', '', '', '')`, f.ID, o)
		case 2:
			_, err = tx.Exec(ctx, `INSERT INTO party (matter, no, role, official, anonymous, n, data) VALUES ($1, 1, 'witness', $2, 0, 1, '')`, f.ID, o)
		}
		if err != nil {
			return err
		}
	}
	overdue := 0
	if f.Overdue {
		overdue = 1
	}
	if _, err := tx.Exec(ctx, `INSERT INTO matter (id, ref, kind, pack, state, final, body, desk, desk_body, concerned, subject, n, received, opened,
		changed, closed, ended, source, source_key, source_status, due, due_clock, overdue, facts, data, title)
		VALUES ($1, $2, 'report', '', '', 0, $3, $4, $5, $6, $7, 1, '', 0, 0, '', '', '', '', '', 0, '', $8, '', '', '')`,
		f.ID, fmt.Sprintf("R-%d", f.ID), f.Body, f.Desk, f.DeskBody, f.Concerned, subject, overdue); err != nil {
		return err
	}
	for _, a := range f.Assigned {
		if _, err := tx.Exec(ctx, `INSERT INTO assigned (matter, account, duty, lead, n) VALUES ($1, $2, 'investigator', 0, 1)`, f.ID, a); err != nil {
			return err
		}
	}
	for n, a := range f.Acted {
		if _, err := tx.Exec(ctx, `INSERT INTO did (matter, kind, action, from_matter, n, account, duty, body, effects)
			VALUES ($1, 'report', 'screen', $2, $3, $4, 'intake', 0, '')`, f.ID, f.ID, n+1, a); err != nil {
			return err
		}
	}
	// What was done on the matter this one came from lets nobody see this one.
	_, err = tx.Exec(ctx, `INSERT INTO did (matter, kind, action, from_matter, n, account, duty, body, effects)
		VALUES ($1, 'report', 'refer', 999, 1, $2, 'intake', 0, '')`, f.ID, accounts[i%len(accounts)])
	return err
}
