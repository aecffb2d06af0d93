package account

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"

	"plumbline/internal/access"
	"plumbline/internal/fault"
	"plumbline/internal/ref"
	"plumbline/internal/store"
)

// Scopes are what a token for programs may be good for. None opens what is sealed, and none changes anything.
const (
	ScopeFigures = "figures:read" // figures, exact as far as the account's duties allow
	ScopeMatters = "matters:read" // what stands in the clear about matters that the account may see
)

// Scopes lists them, the least first.
var Scopes = []string{ScopeFigures, ScopeMatters}

// TokenMaxDays is how long a token may last at most.
const TokenMaxDays = 366

const tokenPrefix = "plumbline_"

// Token is what a program shows instead of a person signing in.
type Token struct {
	ID      int64
	Name    string
	Scopes  []string
	Made    time.Time
	Expires time.Time
	Used    string // the last day on which it was used; empty: never
}

// Over reports whether a token is no longer good.
func (t Token) Over(now time.Time) bool { return !now.Before(t.Expires) }

// Allows reports whether a token is good for a scope.
func (t Token) Allows(scope string) bool { return slices.Contains(t.Scopes, scope) }

// TokenCmd asks for a token.
type TokenCmd struct {
	Account ref.AccountID
	Name    string
	Scopes  []string
	Days    int
}

// MakeToken makes a token, which only the person themselves may, and the operator. Its text is returned this once and
// kept as a hash.
func (s *Accounts) MakeToken(ctx context.Context, tx *store.Tx, by By, cmd TokenCmd) (text string, t Token, err error) {
	st, err := s.Load(ctx, tx, cmd.Account)
	if err != nil {
		return "", t, err
	}
	if !by.system && by.Viewer.Account != cmd.Account {
		return "", t, fault.New(fault.Forbidden, "account.token-other", nil)
	}
	if st.Account.Active == 0 {
		return "", t, fault.New(fault.Conflict, "account.inactive", fault.Args{"name": st.Account.Name})
	}
	name := strings.TrimSpace(cmd.Name)
	scopes := slices.Compact(slices.Sorted(slices.Values(cmd.Scopes)))
	var wrong []fault.Field
	if name == "" || len(name) > 100 {
		wrong = append(wrong, fault.Field{Name: "name", Key: "account.token-name"})
	}
	if len(scopes) == 0 || slices.ContainsFunc(scopes, func(x string) bool { return !slices.Contains(Scopes, x) }) {
		wrong = append(wrong, fault.Field{Name: "scope", Key: "account.token-scope"})
	}
	if cmd.Days < 1 || cmd.Days > TokenMaxDays {
		wrong = append(wrong, fault.Field{Name: "days", Key: "account.token-days", Args: fault.Args{"max": TokenMaxDays}})
	}
	if err := fault.InvalidFields(wrong); err != nil {
		return "", t, err
	}
	now := s.now().UTC().Truncate(time.Microsecond)
	t = Token{ID: s.db.NewID(), Name: name, Scopes: scopes, Made: now, Expires: now.AddDate(0, 0, cmd.Days)}
	text = tokenPrefix + base64.RawURLEncoding.EncodeToString(random(32))
	_, err = s.append(ctx, tx, by, st, ActionToken, map[string]any{"id": fmt.Sprint(t.ID), "change": "made", "scopes": strings.Join(scopes, " ")}, change{})
	if err != nil {
		return "", t, err
	}
	const put = `INSERT INTO api_token (id, account, name, hash, scopes, made, expires, used) VALUES ($1, $2, $3, $4, $5, $6, $7, '')`
	_, err = tx.Exec(ctx, put, t.ID, int64(cmd.Account), t.Name, tokenHash(text), strings.Join(scopes, " "), now.UnixMicro(), t.Expires.UnixMicro())
	return text, t, err
}

func tokenHash(text string) []byte {
	sum := sha256.Sum256([]byte("plumbline token\x00" + text))
	return sum[:]
}

func scanToken(r *store.Rows) (t Token, err error) {
	var scopes string
	var made, expires int64
	err = r.Scan(&t.ID, &t.Name, &scopes, &made, &expires, &t.Used)
	t.Scopes, t.Made, t.Expires = strings.Fields(scopes), time.UnixMicro(made).UTC(), time.UnixMicro(expires).UTC()
	return t, err
}

// Tokens lists the tokens of an account, those that are over too, newest first.
func (s *Accounts) Tokens(ctx context.Context, tx *store.Tx, id ref.AccountID) ([]Token, error) {
	found, err := tx.Query(ctx, `SELECT id, name, scopes, made, expires, used FROM api_token WHERE account = $1 ORDER BY made DESC, id DESC`, int64(id))
	if err != nil {
		return nil, fmt.Errorf("tokens of account %d: %w", id, err)
	}
	return store.Collect(found, scanToken)
}

// DropToken takes a token back at once, which its person may, an administrator over the account, and the operator.
func (s *Accounts) DropToken(ctx context.Context, tx *store.Tx, by By, id ref.AccountID, token int64) error {
	st, err := s.Load(ctx, tx, id)
	if err != nil {
		return err
	}
	if by.system || by.Viewer.Account != id {
		if err := s.mayManage(ctx, tx, by, st); err != nil {
			return err
		}
	}
	n, err := tx.Affected(ctx, `DELETE FROM api_token WHERE id = $1 AND account = $2`, token, int64(id))
	if err != nil {
		return err
	}
	if n == 0 {
		return fault.New(fault.NotFound, "account.no-token", nil)
	}
	_, err = s.append(ctx, tx, by, st, ActionToken, map[string]any{"id": fmt.Sprint(token), "change": "removed"}, change{})
	return err
}

// ByToken returns who a program acts for, and what with.
func (s *Accounts) ByToken(ctx context.Context, text string) (v access.Viewer, t Token, err error) {
	refused := fault.New(fault.Forbidden, "account.token-refused", nil)
	if !strings.HasPrefix(text, tokenPrefix) || len(text) > 100 {
		return v, t, refused
	}
	hash := tokenHash(text)
	err = s.db.Read(ctx, func(tx *store.Tx) error {
		found, err := tx.Query(ctx, `SELECT id, name, scopes, made, expires, used FROM api_token WHERE hash = $1`, hash)
		if err != nil {
			return err
		}
		all, err := store.Collect(found, scanToken)
		if err != nil {
			return err
		}
		if len(all) == 0 || all[0].Over(s.now()) {
			return refused
		}
		t = all[0]
		var id int64
		if err := tx.QueryRow(ctx, `SELECT account FROM api_token WHERE id = $1`, t.ID).Scan(&id); err != nil {
			return err
		}
		v, err = s.ViewerOf(ctx, tx, ref.AccountID(id))
		if fault.Is(err, fault.NotFound) {
			return refused
		}
		return err
	})
	if err != nil {
		return access.Viewer{}, Token{}, err
	}
	if today := s.Today(); t.Used != today {
		err = s.db.Tx(ctx, func(tx *store.Tx) error {
			_, err := tx.Exec(ctx, `UPDATE api_token SET used = $1 WHERE id = $2`, today, t.ID)
			return err
		})
	}
	return v, t, err
}
