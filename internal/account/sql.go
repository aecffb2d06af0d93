package account

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"plumbline/internal/access"
	"plumbline/internal/fault"
	"plumbline/internal/ref"
	"plumbline/internal/register"
	"plumbline/internal/store"
)

// Load returns an account with all its grants, past ones too.
func (s *Accounts) Load(ctx context.Context, tx *store.Tx, id ref.AccountID) (State, error) {
	found, err := s.rowTable.Load(ctx, tx, int64(id))
	if err != nil {
		return State{}, err
	}
	if len(found) == 0 || id == 0 {
		return State{}, fault.New(fault.NotFound, "account.not-found", nil)
	}
	grants, err := s.grants.Load(ctx, tx, int64(id))
	if err != nil {
		return State{}, err
	}
	sortGrants(grants)
	asked, err := s.asked.Load(ctx, tx, int64(id))
	if err != nil {
		return State{}, err
	}
	slices.SortFunc(asked, func(a, b Asked) int { return int(a.N - b.N) })
	official, err := s.official.Load(ctx, tx, int64(id))
	if err != nil {
		return State{}, err
	}
	return State{Account: found[0], Grants: grants, Asked: asked, AskedOfficial: official}, nil
}

// ByLogin returns the account with a login.
func (s *Accounts) ByLogin(ctx context.Context, tx *store.Tx, login string) (State, error) {
	clean, err := ParseLogin(login)
	if err != nil {
		return State{}, fault.New(fault.NotFound, "account.not-found", nil)
	}
	var id int64
	if err := tx.QueryRow(ctx, `SELECT id FROM account WHERE login = $1`, clean).Scan(&id); err != nil {
		if fault.Is(err, fault.NotFound) {
			return State{}, fault.New(fault.NotFound, "account.not-found", nil)
		}
		return State{}, fmt.Errorf("account by login: %w", err)
	}
	return s.Load(ctx, tx, ref.AccountID(id))
}

// ViewerOf returns who an account is today: the duties it holds, as the packs describe them. An account that was
// deactivated is nobody.
func (s *Accounts) ViewerOf(ctx context.Context, tx *store.Tx, id ref.AccountID) (access.Viewer, error) {
	st, err := s.Load(ctx, tx, id)
	if err != nil {
		return access.Viewer{}, err
	}
	if st.Account.Active == 0 {
		return access.Viewer{}, fault.New(fault.NotFound, "account.not-found", nil)
	}
	v := access.Viewer{Account: id, Name: st.Account.Name, Lang: st.Account.Lang, Official: st.Account.Official}
	today := s.Today()
	person, err := register.People(ctx, tx, map[ref.AccountID]ref.OfficialID{id: v.Official}, today)
	if err != nil {
		return access.Viewer{}, err
	}
	v = v.WithPerson(person[id], access.RecusalOn(s.packs.Active(), today))
	for _, g := range st.Grants {
		if !g.On(today) {
			continue
		}
		d, ok := s.packs.Duty(g.Duty)
		if !ok {
			continue // the pack that knew this duty is gone: it entitles to nothing
		}
		v.Grants = append(v.Grants, access.GrantOf(d, g.Body))
	}
	return v, nil
}

// Holder is somebody who holds a duty at a body today.
type Holder struct {
	Account ref.AccountID
	Name    string
	Duty    string
	Body    ref.BodyID
}

// Holders returns the active accounts that hold one of the duties at one of the bodies today, by name. Empty duties
// or bodies mean any.
func (s *Accounts) Holders(ctx context.Context, tx *store.Tx, duties []string, bodies []ref.BodyID) ([]Holder, error) {
	q := query{}
	today := q.arg(s.Today())
	text := `SELECT a.id, a.name, g.duty, g.body FROM grant_duty g JOIN account a ON a.id = g.account
		WHERE a.active = 1 AND g.valid_from <= ` + today + ` AND (g.valid_to = '' OR g.valid_to > ` + today + `)`
	if len(duties) > 0 {
		text += ` AND g.duty IN (` + list(&q, duties) + `)`
	}
	if len(bodies) > 0 {
		ids := make([]int64, len(bodies))
		for i, b := range bodies {
			ids[i] = int64(b)
		}
		text += ` AND g.body IN (` + list(&q, ids) + `)`
	}
	found, err := tx.Query(ctx, text+` ORDER BY a.name, a.id, g.duty, g.body`, q.args...)
	if err != nil {
		return nil, fmt.Errorf("holders of duties: %w", err)
	}
	return store.Collect(found, func(r *store.Rows) (h Holder, err error) {
		return h, r.Scan(&h.Account, &h.Name, &h.Duty, &h.Body)
	})
}

// Filter says which accounts to list.
type Filter struct {
	Text     string     // in name or login
	Under    ref.BodyID // who hold a duty at this body or below; 0: all
	Duty     string
	Inactive bool // also those that were deactivated
	After    string
	Limit    int
}

// Listed is an account in a list.
type Listed struct {
	Account
	Grants []Grant // today's and coming ones
}

// List returns accounts by login, after Filter.After, at most Filter.Limit.
func (s *Accounts) List(ctx context.Context, tx *store.Tx, f Filter) ([]Listed, error) {
	q := query{}
	conds := []string{"1 = 1"}
	if t := strings.ToLower(strings.TrimSpace(f.Text)); t != "" {
		like := q.arg("%" + escapeLike(t) + "%")
		conds = append(conds, `(lower(a.name) LIKE `+like+` ESCAPE '\' OR a.login LIKE `+like+` ESCAPE '\')`)
	}
	if f.After != "" {
		conds = append(conds, "a.login > "+q.arg(f.After))
	}
	if !f.Inactive {
		conds = append(conds, "a.active = 1")
	}
	if f.Under != 0 || f.Duty != "" {
		g := "g.account = a.id AND (g.valid_to = '' OR g.valid_to > " + q.arg(s.Today()) + ")"
		if f.Duty != "" {
			g += " AND g.duty = " + q.arg(f.Duty)
		}
		if f.Under != 0 {
			g += " AND EXISTS (SELECT 1 FROM body_above ba WHERE ba.body = g.body AND ba.above = " + q.arg(int64(f.Under)) + ")"
		}
		conds = append(conds, "EXISTS (SELECT 1 FROM grant_duty g WHERE "+g+")")
	}
	text := `SELECT a.id FROM account a WHERE ` + strings.Join(conds, " AND ") + ` ORDER BY a.login`
	if f.Limit > 0 {
		text += ` LIMIT ` + strconv.Itoa(f.Limit)
	}
	found, err := tx.Query(ctx, text, q.args...)
	if err != nil {
		return nil, fmt.Errorf("list accounts: %w", err)
	}
	ids, err := store.Collect(found, func(r *store.Rows) (id int64, err error) { return id, r.Scan(&id) })
	if err != nil {
		return nil, err
	}
	accounts, err := s.rowTable.LoadMany(ctx, tx, ids)
	if err != nil {
		return nil, err
	}
	grants, err := s.grants.LoadMany(ctx, tx, ids)
	if err != nil {
		return nil, err
	}
	today := s.Today()
	out := make([]Listed, 0, len(ids))
	for _, id := range ids {
		l := Listed{Account: accounts[id][0]}
		for _, g := range grants[id] {
			if !g.Ended(today) {
				l.Grants = append(l.Grants, g)
			}
		}
		out = append(out, l)
	}
	return out, nil
}

// Names returns the names of accounts, for timelines.
func (s *Accounts) Names(ctx context.Context, tx *store.Tx, ids []ref.AccountID) (map[ref.AccountID]string, error) {
	out := make(map[ref.AccountID]string, len(ids))
	var owners []int64
	for _, id := range ids {
		if id != 0 && !slices.Contains(owners, int64(id)) {
			owners = append(owners, int64(id))
		}
	}
	if len(owners) == 0 {
		return out, nil
	}
	found, err := s.rowTable.LoadMany(ctx, tx, owners)
	if err != nil {
		return nil, err
	}
	for id, a := range found {
		out[ref.AccountID(id)] = a[0].Name
	}
	return out, nil
}

// bodyAbove returns a body and those above it, nearest first; nothing if there is no such body.
func bodyAbove(ctx context.Context, tx *store.Tx, body ref.BodyID) ([]ref.BodyID, error) {
	found, err := tx.Query(ctx, `SELECT above FROM body_above WHERE body = $1 ORDER BY depth`, int64(body))
	if err != nil {
		return nil, fmt.Errorf("bodies above %d: %w", body, err)
	}
	return store.Collect(found, func(r *store.Rows) (id ref.BodyID, err error) { return id, r.Scan(&id) })
}

func hasOfficial(ctx context.Context, tx *store.Tx, id ref.OfficialID) (bool, error) {
	var n int64
	err := tx.QueryRow(ctx, `SELECT count(*) FROM official WHERE id = $1`, int64(id)).Scan(&n)
	return n > 0, err
}

// sameOfficials returns every entry of the register that is the same person: what the official was merged into, and
// all that was merged into that. The official itself is among them.
func sameOfficials(ctx context.Context, tx *store.Tx, id ref.OfficialID) ([]ref.OfficialID, error) {
	root := int64(id)
	for range 32 { // a chain of merges is short; a ring, which there must not be, is left
		var into int64
		err := tx.QueryRow(ctx, `SELECT merged_into FROM official WHERE id = $1`, root).Scan(&into)
		if fault.Is(err, fault.NotFound) || err == nil && into == 0 {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("official %d: %w", root, err)
		}
		root = into
	}
	out := []ref.OfficialID{ref.OfficialID(root)}
	for i := 0; i < len(out); i++ {
		found, err := tx.Query(ctx, `SELECT id FROM official WHERE merged_into = $1 ORDER BY id`, int64(out[i]))
		if err != nil {
			return nil, fmt.Errorf("officials merged into %d: %w", out[i], err)
		}
		more, err := store.Collect(found, func(r *store.Rows) (id ref.OfficialID, err error) { return id, r.Scan(&id) })
		if err != nil {
			return nil, err
		}
		for _, o := range more {
			if !slices.Contains(out, o) {
				out = append(out, o)
			}
		}
	}
	return out, nil
}

func accountsOf(ctx context.Context, tx *store.Tx, official ref.OfficialID) ([]ref.AccountID, error) {
	found, err := tx.Query(ctx, `SELECT id FROM account WHERE official = $1 ORDER BY id`, int64(official))
	if err != nil {
		return nil, fmt.Errorf("accounts of official %d: %w", official, err)
	}
	return store.Collect(found, func(r *store.Rows) (id ref.AccountID, err error) { return id, r.Scan(&id) })
}

// query numbers the placeholders of a statement put together from parts.
type query struct{ args []any }

func (q *query) arg(v any) string {
	q.args = append(q.args, v)
	return "$" + strconv.Itoa(len(q.args))
}

func list[T any](q *query, all []T) string {
	out := make([]string, len(all))
	for i, v := range all {
		out[i] = q.arg(v)
	}
	return strings.Join(out, ", ")
}

func escapeLike(s string) string {
	return strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(s)
}
