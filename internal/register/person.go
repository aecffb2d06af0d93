package register

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"plumbline/internal/ref"
	"plumbline/internal/store"
)

// A Held is a post as recusal looks at it: the unit it was in and who stood above it.
type Held struct {
	Body   ref.BodyID
	Units  []ref.BodyID // every body that is this unit: itself, those that were merged into it, and the one it was merged into
	Sector string
	Rank   string
	From   string // as recorded, perhaps of reduced precision
	To     string
	Above  []ref.BodyID // the bodies above of the same sector, nearest first: where who leads commands whoever holds the post
}

// A Person is what the register says of somebody who works here that can keep them away from a matter.
type Person struct {
	Same  []ref.OfficialID // every entry of the register that is this person
	Tied  []Tied           // whom they are tied to on the day asked for
	Posts []Held           // past ones too
}

// Tied is an entry of the register to whose person somebody is tied.
type Tied struct {
	Official ref.OfficialID
	Kind     string
}

// sameSQL makes of a first set of ids the set of every entry that is one person with one of them.
const sameSQL = `SELECT e.other FROM same s JOIN (SELECT id AS one, merged_into AS other FROM official WHERE merged_into <> 0
	UNION ALL SELECT merged_into, id FROM official WHERE merged_into <> 0) e ON e.one = s.id`

// People returns what the register says of accounts, each with its own entry in it (0: none), on a day.
func People(ctx context.Context, tx *store.Tx, who map[ref.AccountID]ref.OfficialID, day string) (map[ref.AccountID]Person, error) {
	out := make(map[ref.AccountID]Person, len(who))
	for account, official := range who {
		p := Person{}
		var err error
		if official != 0 {
			if p.Same, err = sameAs(ctx, tx, official); err != nil {
				return nil, err
			}
			if p.Posts, err = PostsOf(ctx, tx, p.Same); err != nil {
				return nil, err
			}
		}
		if p.Tied, err = tiedTo(ctx, tx, account, p.Same, day); err != nil {
			return nil, err
		}
		out[account] = p
	}
	return out, nil
}

// sameAs returns every entry of the register that is the same person, the one asked for first.
func sameAs(ctx context.Context, tx *store.Tx, id ref.OfficialID) ([]ref.OfficialID, error) {
	found, err := tx.Query(ctx, `WITH RECURSIVE same(id) AS (SELECT CAST($1 AS BIGINT) UNION `+sameSQL+`) SELECT id FROM same`, int64(id))
	if err != nil {
		return nil, fmt.Errorf("register: who is %d: %w", id, err)
	}
	all, err := store.Collect(found, func(r *store.Rows) (id ref.OfficialID, err error) { return id, r.Scan(&id) })
	if err != nil {
		return nil, fmt.Errorf("register: who is %d: %w", id, err)
	}
	slices.SortFunc(all, func(a, b ref.OfficialID) int {
		switch {
		case a == b:
			return 0
		case a == id || b != id && a < b:
			return -1
		}
		return 1
	})
	return all, nil
}

// tiedTo returns the entries of the register of everybody whom an account, or one of its own entries, is tied to.
func tiedTo(ctx context.Context, tx *store.Tx, account ref.AccountID, same []ref.OfficialID, day string) ([]Tied, error) {
	args := []any{int64(account), day}
	text := `SELECT other, kind FROM tie WHERE account <> 0 AND account = $1 AND ` + tieHolds
	if len(same) > 0 {
		list := marks(&args, same)
		text += ` UNION SELECT other, kind FROM tie WHERE official <> 0 AND official IN (` + list + `) AND ` + tieHolds +
			` UNION SELECT official, kind FROM tie WHERE official <> 0 AND other IN (` + list + `) AND ` + tieHolds +
			` UNION SELECT a.official, t.kind FROM tie t JOIN account a ON a.id = t.account WHERE a.official <> 0 AND t.other IN (` + list + `) AND ` + tieHolds
	}
	found, err := tx.Query(ctx, text, args...)
	if err != nil {
		return nil, fmt.Errorf("register: ties of %d: %w", account, err)
	}
	direct, err := store.Collect(found, func(r *store.Rows) (t Tied, err error) { return t, r.Scan(&t.Official, &t.Kind) })
	if err != nil {
		return nil, fmt.Errorf("register: ties of %d: %w", account, err)
	}
	var out []Tied
	for _, t := range direct {
		all, err := sameAs(ctx, tx, t.Official)
		if err != nil {
			return nil, err
		}
		for _, o := range all {
			out = append(out, Tied{o, t.Kind})
		}
	}
	return out, nil
}

const tieHolds = `valid_from <= $2 AND (valid_to = '' OR valid_to >= $2)`

// PostsOf returns the posts of the persons behind entries of the register: all of them, past ones too.
func PostsOf(ctx context.Context, tx *store.Tx, officials []ref.OfficialID) ([]Held, error) {
	if len(officials) == 0 {
		return nil, nil
	}
	var args []any
	found, err := tx.Query(ctx, `WITH RECURSIVE same(id) AS (SELECT id FROM official WHERE id IN (`+marks(&args, officials)+`) UNION `+sameSQL+`)
		SELECT p.body, b.sector, p.rank, p.valid_from, p.valid_to FROM post p JOIN body b ON b.id = p.body
		WHERE p.official IN (SELECT id FROM same) ORDER BY p.official, p.no`, args...)
	if err != nil {
		return nil, fmt.Errorf("register: posts: %w", err)
	}
	out, err := store.Collect(found, func(r *store.Rows) (h Held, err error) {
		return h, r.Scan(&h.Body, &h.Sector, &h.Rank, &h.From, &h.To)
	})
	if err != nil || len(out) == 0 {
		return nil, err
	}
	places, err := placesOf(ctx, tx, out)
	if err != nil {
		return nil, err
	}
	for i := range out {
		out[i].Units, out[i].Above = places[out[i].Body].units, places[out[i].Body].above
	}
	return out, nil
}

// place is where a body stands, for posts in it.
type place struct {
	units []ref.BodyID
	above []ref.BodyID
}

func placesOf(ctx context.Context, tx *store.Tx, held []Held) (map[ref.BodyID]*place, error) {
	out := map[ref.BodyID]*place{}
	var ids []ref.BodyID
	for _, h := range held {
		if out[h.Body] == nil {
			out[h.Body] = &place{}
			ids = append(ids, h.Body)
		}
	}
	var args []any
	list := marks(&args, ids)
	found, err := tx.Query(ctx, `SELECT ba.body, ba.above FROM body_above ba JOIN body x ON x.id = ba.body JOIN body y ON y.id = ba.above
		WHERE ba.body IN (`+list+`) AND ba.depth > 0 AND x.sector = y.sector ORDER BY ba.body, ba.depth`, args...)
	if err != nil {
		return nil, fmt.Errorf("register: who stands above: %w", err)
	}
	for found.Next() {
		var body, above ref.BodyID
		if err := found.Scan(&body, &above); err != nil {
			return nil, fmt.Errorf("register: who stands above: %w", err)
		}
		out[body].above = append(out[body].above, above)
	}
	if err := found.Close(); err != nil {
		return nil, fmt.Errorf("register: who stands above: %w", err)
	}
	found, err = tx.Query(ctx, `WITH RECURSIVE unit(of_body, id) AS (SELECT id, id FROM body WHERE id IN (`+list+`) UNION
		SELECT u.of_body, e.other FROM unit u JOIN (SELECT id AS one, merged_into AS other FROM body WHERE merged_into <> 0
		UNION ALL SELECT merged_into, id FROM body WHERE merged_into <> 0) e ON e.one = u.id) SELECT of_body, id FROM unit ORDER BY of_body, id`, args...)
	if err != nil {
		return nil, fmt.Errorf("register: units: %w", err)
	}
	for found.Next() {
		var of, id ref.BodyID
		if err := found.Scan(&of, &id); err != nil {
			return nil, fmt.Errorf("register: units: %w", err)
		}
		out[of].units = append(out[of].units, id)
	}
	if err := found.Close(); err != nil {
		return nil, fmt.Errorf("register: units: %w", err)
	}
	return out, nil
}

// marks adds ids to the arguments of a statement and returns their placeholders.
func marks[T ~int64](args *[]any, ids []T) string {
	out := make([]string, len(ids))
	for i, id := range ids {
		*args = append(*args, int64(id))
		out[i] = "$" + strconv.Itoa(len(*args))
	}
	return strings.Join(out, ", ")
}

// Candidates returns the accounts, each with its entry in the register, that the register could keep away from a matter
// naming some officials: those who are one of them, are tied to one, or hold or held a post in a unit of theirs, above
// or below it. Whether it does keep them away is for package access to say.
func Candidates(ctx context.Context, tx *store.Tx, named []ref.OfficialID) (map[ref.AccountID]ref.OfficialID, error) {
	out := map[ref.AccountID]ref.OfficialID{}
	if len(named) == 0 {
		return out, nil
	}
	var args []any
	list := marks(&args, named)
	with := `WITH RECURSIVE same(id) AS (SELECT id FROM official WHERE id IN (` + list + `) UNION ` + sameSQL + `),
		place(id) AS (SELECT DISTINCT body FROM post WHERE official IN (SELECT id FROM same)),
		near(id) AS (SELECT above FROM body_above WHERE body IN (SELECT id FROM place) UNION SELECT body FROM body_above WHERE above IN (SELECT id FROM place)),
		person(official, id) AS (SELECT official, official FROM account WHERE official <> 0 UNION
			SELECT s.official, e.other FROM person s JOIN (SELECT id AS one, merged_into AS other FROM official WHERE merged_into <> 0
			UNION ALL SELECT merged_into, id FROM official WHERE merged_into <> 0) e ON e.one = s.id) `
	found, err := tx.Query(ctx, with+`SELECT a.id, a.official FROM account a WHERE a.active = 1 AND (
		a.id IN (SELECT account FROM tie WHERE account <> 0 AND other IN (SELECT id FROM same))
		OR a.official <> 0 AND a.official IN (SELECT p.official FROM person p WHERE p.id IN (SELECT id FROM same)
			OR p.id IN (SELECT official FROM tie WHERE official <> 0 AND other IN (SELECT id FROM same))
			OR p.id IN (SELECT other FROM tie WHERE official <> 0 AND official IN (SELECT id FROM same))
			OR p.id IN (SELECT t.other FROM tie t JOIN account b ON b.id = t.account WHERE b.official IN (SELECT id FROM same))
			OR EXISTS (SELECT 1 FROM post x WHERE x.official = p.id AND x.body IN (SELECT id FROM near))))`, args...)
	if err != nil {
		return nil, fmt.Errorf("register: who could be kept away: %w", err)
	}
	defer found.Close()
	for found.Next() {
		var a ref.AccountID
		var o ref.OfficialID
		if err := found.Scan(&a, &o); err != nil {
			return nil, fmt.Errorf("register: who could be kept away: %w", err)
		}
		out[a] = o
	}
	return out, found.Err()
}
