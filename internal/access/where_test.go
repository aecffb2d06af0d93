package access_test

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"plumbline/internal/access"
	"plumbline/internal/ref"
	"plumbline/internal/register"
	"plumbline/internal/store"
	"plumbline/internal/testing/world"
)

// TestWhereAgreesWithCanSee draws whole worlds (a tree of bodies with mergers, matters on desks, people named, assigned,
// having acted, with relatives, posts and several entries in the register) and viewers, and holds the SQL predicate to the check, row by row, on every database.
func TestWhereAgreesWithCanSee(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		seen, reasons := map[bool]int{}, map[access.Reason]int{}
		rapid.Check(t, func(t *rapid.T) {
			w := drawWorld(t)
			if err := db.Tx(context.Background(), func(tx *store.Tx) error { return w.write(tx) }); err != nil {
				t.Fatal(err)
			}
			w.checkPosts(t, db)
			for _, v := range w.viewers {
				got := list(t, db, v)
				var want, hidden []int64
				for _, f := range w.matters {
					if bar, barred := access.Recused(v, f); barred && bar.Forbids == access.FromAll {
						hidden = append(hidden, int64(f.ID))
					}
					if bar, barred := access.Recused(v, f); barred {
						reasons[bar.Reason]++
					}
					yes := access.CanSee(v, f)
					seen[yes]++
					if yes {
						want = append(want, int64(f.ID))
					}
				}
				if gone := hide(t, db, v); !slices.Equal(gone, hidden) {
					t.Fatalf("viewer %+v\nkept from by SQL %v\nby check        %v", v, gone, hidden)
				}
				if !slices.Equal(got, want) {
					t.Fatalf("viewer %+v\nsees by SQL %v\nby check   %v", v, got, want)
				}
			}
		})
		if seen[true] < 100 || seen[false] < 100 {
			t.Errorf("the worlds drawn say too little: %d seen, %d not", seen[true], seen[false])
		}
		for _, r := range []access.Reason{access.ReasonNamed, access.ReasonRelative, access.ReasonUnit, access.ReasonUnitWas} {
			if reasons[r] < 5 {
				t.Errorf("the worlds drawn say too little of %s: %d", r, reasons[r])
			}
		}
	})
}

// checkPosts holds what the register reads of posts to what was drawn.
func (w drawn) checkPosts(t *rapid.T, db *store.DB) {
	for _, o := range officials {
		var got []register.Held
		if err := db.Read(context.Background(), func(tx *store.Tx) (err error) {
			got, err = register.PostsOf(context.Background(), tx, []ref.OfficialID{o})
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if want := w.held([]ref.OfficialID{o}); !reflect.DeepEqual(got, want) {
			t.Fatalf("posts of %d:\n%+v\nwant\n%+v", o, got, want)
		}
	}
}

func list(t *rapid.T, db *store.DB, v access.Viewer) []int64 {
	cond, args := access.Where(v, "m", 2)
	return matters(t, db, cond, args)
}

// hide lists what does not exist for somebody because of whom it names.
func hide(t *rapid.T, db *store.DB, v access.Viewer) []int64 {
	some, args := access.Hidden(v, 2)
	if some == "" {
		return nil
	}
	return matters(t, db, "m.id IN ("+some+")", args)
}

func matters(t *rapid.T, db *store.DB, cond string, args []any) []int64 {
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
	officials = []ref.OfficialID{901, 902, 903, 904}
)

type drawn struct {
	above   map[ref.BodyID][]ref.BodyID // itself first
	sector  map[ref.BodyID]string
	carries map[ref.BodyID]ref.BodyID         // by which body a body is carried on
	merged  map[ref.OfficialID]ref.OfficialID // who was entered twice
	posts   map[ref.OfficialID][]register.Post
	matters []access.Facts
	viewers []access.Viewer
}

const today = "2026-05-20"

// same is every entry of a person, the one asked for among them: a second way to the same answer as the recursion in SQL.
func (w drawn) same(o ref.OfficialID) []ref.OfficialID {
	root := func(o ref.OfficialID) ref.OfficialID {
		for w.merged[o] != 0 {
			o = w.merged[o]
		}
		return o
	}
	var out []ref.OfficialID
	for _, x := range officials {
		if root(x) == root(o) {
			out = append(out, x)
		}
	}
	return out
}

// held are the posts of some people, as recusal looks at them.
func (w drawn) held(all []ref.OfficialID) (out []register.Held) {
	root := func(b ref.BodyID) ref.BodyID {
		for w.carries[b] != 0 {
			b = w.carries[b]
		}
		return b
	}
	for _, o := range officials {
		if !slices.ContainsFunc(all, func(x ref.OfficialID) bool { return slices.Contains(w.same(x), o) }) {
			continue
		}
		for _, p := range w.posts[o] {
			h := register.Held{Body: p.Body, Sector: w.sector[p.Body], Rank: p.Rank, From: p.From, To: p.To}
			for _, b := range w.above[p.Body][1:] {
				if w.sector[b] == h.Sector {
					h.Above = append(h.Above, b)
				}
			}
			for b := range w.above {
				if root(b) == root(p.Body) {
					h.Units = append(h.Units, b)
				}
			}
			slices.Sort(h.Units)
			out = append(out, h)
		}
	}
	return out
}

func drawWorld(t *rapid.T) drawn {
	w := drawn{above: map[ref.BodyID][]ref.BodyID{}, sector: map[ref.BodyID]string{}, carries: map[ref.BodyID]ref.BodyID{},
		merged: map[ref.OfficialID]ref.OfficialID{}, posts: map[ref.OfficialID][]register.Post{}}
	bodies := []ref.BodyID{}
	for i := range rapid.IntRange(1, 7).Draw(t, "bodies") {
		id := ref.BodyID(100 + i)
		w.above[id] = []ref.BodyID{id}
		w.sector[id] = rapid.SampledFrom([]string{"police", "police", "court"}).Draw(t, "sector")
		if i > 0 && rapid.IntRange(0, 9).Draw(t, "root") > 0 {
			w.above[id] = append(w.above[id], w.above[rapid.SampledFrom(bodies).Draw(t, "parent")]...)
		}
		if up := w.above[id]; len(up) > 1 && rapid.IntRange(0, 5).Draw(t, "carried on") == 0 {
			w.carries[id] = up[1] // a merger puts a body below the one that carries on
		}
		bodies = append(bodies, id)
	}
	for i, o := range officials {
		if i > 0 && rapid.IntRange(0, 3).Draw(t, "entered twice") == 0 {
			w.merged[o] = rapid.SampledFrom(officials[:i]).Draw(t, "merged into")
		}
		for no := range rapid.IntRange(1, 2).Draw(t, "posts") {
			p := register.Post{No: int64(no + 1), Body: rapid.SampledFrom(bodies).Draw(t, "post at"), Rank: rapid.SampledFrom([]string{"staff", "head"}).Draw(t, "rank"),
				From: rapid.SampledFrom([]string{"", "2019", "2020", "2026-05", "2026-05-21"}).Draw(t, "from"), To: rapid.SampledFrom([]string{"", "", "", "2025-01-01", "2026", "2026-05-19", "2026-05-20"}).Draw(t, "to")}
			w.posts[o] = append(w.posts[o], p)
		}
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
		f.Posts = w.held(f.Named)
		f.Above, f.ConcernedAbove = w.above[f.Body], w.above[f.Concerned]
		if up := w.above[f.DeskBody]; len(up) > 1 {
			f.DeskParent = up[1]
		}
		w.matters = append(w.matters, f)
	}
	for range rapid.IntRange(1, 4).Draw(t, "viewers") {
		v := access.Viewer{Account: rapid.SampledFrom(append([]ref.AccountID{0}, accounts...)).Draw(t, "account")}
		if rapid.IntRange(0, 3).Draw(t, "is in the register") > 0 {
			v.Official = rapid.SampledFrom(officials).Draw(t, "is")
			v.Also = w.same(v.Official)
			v.Posts = w.held(v.Also)
		}
		for _, o := range few("tied to") {
			for _, x := range w.same(o) {
				v.Ties = append(v.Ties, register.Tied{Official: x, Kind: register.TieRelative})
			}
		}
		v.Recusal = access.Recusal{Today: rapid.SampledFrom([]string{today, ""}).Draw(t, "today"), Since: "2024-05-20",
			Leads: rapid.SampledFrom([][]string{nil, {"head"}}).Draw(t, "leads")}
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
	for _, table := range []string{"body", "post", "official", "body_above", "matter", "allegation", "party", "did", "assigned"} {
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
	for id := range w.above {
		if _, err := tx.Exec(ctx, `INSERT INTO body (id, code, parent, level, sector, valid_from, valid_to, merged_into, source, n)
			VALUES ($1, $2, 0, '', $3, '', '', $4, '', 1)`, id, fmt.Sprint("b", id), w.sector[id], w.carries[id]); err != nil {
			return err
		}
	}
	for _, o := range officials {
		if _, err := tx.Exec(ctx, `INSERT INTO official (id, source, source_key, name, identified, merged_into, data, n)
			VALUES ($1, '', $2, '', 1, $3, '', 1)`, o, fmt.Sprint("o", o), w.merged[o]); err != nil {
			return err
		}
		for _, p := range w.posts[o] {
			if _, err := tx.Exec(ctx, `INSERT INTO post (official, no, body, title, rank, valid_from, valid_to, source) VALUES ($1, $2, $3, '', $4, $5, $6, '')`,
				o, p.No, p.Body, p.Rank, p.From, p.To); err != nil {
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
