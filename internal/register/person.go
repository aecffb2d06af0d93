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
	all, err := merged(ctx, tx, "official", []ref.OfficialID{id})
	if err != nil {
		return nil, fmt.Errorf("register: who is %d: %w", id, err)
	}
	return all[id], nil
}

// merged returns, for each of some officials or bodies, all that are one with it by mergers: itself first, then the others in
// order. Mergers are few and their chains short, so that asking step by step is quicker than a recursive query.
func merged[T ~int64](ctx context.Context, tx *store.Tx, table string, ids []T) (map[T][]T, error) {
	root := map[T]T{} // of everything met, the least of those it is one with
	var find func(id T) T
	find = func(id T) T {
		if up := root[id]; up != id {
			root[id] = find(up)
		}
		return root[id]
	}
	next := []T{}
	meet := func(id T) {
		if _, met := root[id]; !met {
			root[id] = id
			next = append(next, id)
		}
	}
	for _, id := range ids {
		meet(id)
	}
	for len(next) > 0 {
		some := next[:min(len(next), 200)]
		next = next[len(some):]
		var args []any
		list := marks(&args, some)
		found, err := tx.Query(ctx, `SELECT id, merged_into FROM `+table+` WHERE merged_into <> 0 AND id IN (`+list+`)
			UNION ALL SELECT id, merged_into FROM `+table+` WHERE merged_into <> 0 AND merged_into IN (`+list+`)`, args...)
		if err != nil {
			return nil, err
		}
		for found.Next() {
			var one, other T
			if err := found.Scan(&one, &other); err != nil {
				return nil, err
			}
			meet(one)
			meet(other)
			a, b := find(one), find(other)
			root[max(a, b)] = min(a, b)
		}
		if err := found.Close(); err != nil {
			return nil, err
		}
	}
	groups := map[T][]T{}
	for id := range root {
		groups[find(id)] = append(groups[find(id)], id)
	}
	out := map[T][]T{}
	for _, id := range ids {
		all := slices.Clone(groups[find(id)])
		slices.SortFunc(all, func(a, b T) int {
			switch {
			case a == b:
				return 0
			case a == id || b != id && a < b:
				return -1
			}
			return 1
		})
		out[id] = all
	}
	return out, nil
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
	persons, err := merged(ctx, tx, "official", officials)
	if err != nil {
		return nil, fmt.Errorf("register: posts: %w", err)
	}
	var args []any
	found, err := tx.Query(ctx, `SELECT p.body, b.sector, p.rank, p.valid_from, p.valid_to FROM post p JOIN body b ON b.id = p.body
		WHERE p.official IN (`+marks(&args, everyone(persons))+`) ORDER BY p.official, p.no`, args...)
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
	units, err := merged(ctx, tx, "body", ids)
	if err != nil {
		return nil, fmt.Errorf("register: units: %w", err)
	}
	for body, all := range units {
		slices.Sort(all)
		out[body].units = all
	}
	return out, nil
}

// everyone puts together what merged returned, without doubles.
func everyone[T ~int64](groups map[T][]T) []T {
	var out []T
	for _, g := range groups {
		out = append(out, g...)
	}
	slices.Sort(out)
	return slices.Compact(out)
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
	persons, err := merged(ctx, tx, "official", named)
	if err != nil {
		return nil, fmt.Errorf("register: who could be kept away: %w", err)
	}
	places, err := unitsOf(ctx, tx, everyone(persons))
	if err != nil {
		return nil, err
	}
	var args []any
	same := marks(&args, everyone(persons))
	// The accounts of the persons themselves, of those tied to them, and of those who were entered twice, of whom only a closer
	// look tells who they are.
	ways := []string{
		`SELECT id FROM account WHERE official <> 0 AND official IN (` + same + `)`,
		`SELECT account FROM tie WHERE account <> 0 AND other IN (` + same + `)`,
		`SELECT a.id FROM tie t JOIN account a ON a.official = t.official WHERE t.official <> 0 AND t.other IN (` + same + `)`,
		`SELECT a.id FROM tie t JOIN account a ON a.official = t.other WHERE a.official <> 0 AND t.official <> 0 AND t.official IN (` + same + `)`,
		`SELECT a.id FROM account b JOIN tie t ON t.account = b.id JOIN account a ON a.official = t.other WHERE a.official <> 0 AND t.account <> 0 AND b.official <> 0 AND b.official IN (` + same + `)`,
		`SELECT a.id FROM account a JOIN official o ON o.id = a.official WHERE a.official <> 0 AND o.merged_into <> 0`,
		`SELECT a.id FROM account a JOIN official o ON o.merged_into = a.official WHERE a.official <> 0 AND o.merged_into <> 0`,
	}
	if len(places) > 0 {
		list := marks(&args, places)
		ways = append(ways, `SELECT a.id FROM account a JOIN post x ON x.official = a.official WHERE a.official <> 0 AND (x.body IN (SELECT above FROM body_above WHERE body IN (`+list+`))
			OR EXISTS (SELECT 1 FROM body_above ba WHERE ba.body = x.body AND ba.above IN (`+list+`)))`)
	}
	found, err := tx.Query(ctx, `SELECT id, official FROM account WHERE active = 1 AND id IN (`+strings.Join(ways, " UNION ")+`)`, args...)
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

// unitsOf returns the bodies at which somebody holds or held a post, with all those they are one with.
func unitsOf(ctx context.Context, tx *store.Tx, officials []ref.OfficialID) ([]ref.BodyID, error) {
	var args []any
	found, err := tx.Query(ctx, `SELECT DISTINCT body FROM post WHERE official IN (`+marks(&args, officials)+`)`, args...)
	if err != nil {
		return nil, fmt.Errorf("register: units: %w", err)
	}
	places, err := store.Collect(found, func(r *store.Rows) (id ref.BodyID, err error) { return id, r.Scan(&id) })
	if err != nil {
		return nil, fmt.Errorf("register: units: %w", err)
	}
	all, err := merged(ctx, tx, "body", places)
	if err != nil {
		return nil, fmt.Errorf("register: units: %w", err)
	}
	return everyone(all), nil
}
