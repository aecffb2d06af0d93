// Package account keeps who works here: accounts, the duties they hold at bodies, and how they sign in.
//
// Accounts and grants change only by entries on the stream account/ID, so that who could do what on which day can
// always be shown. Duties that exclude each other never meet in one account, nor in two accounts of one person of
// the register: it is checked in the transaction that grants. Passwords and sessions are no part of the record.
//
// Managing an account takes a duty of administration over every body where that account holds a duty, and nobody
// grants anything to themselves. A duty that opens content is held only when a second person, who is nobody's puppet,
// has agreed. Only the command line of the machine (System) is free of that: an office has to begin somewhere.
package account

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"plumbline/internal/access"
	"plumbline/internal/fault"
	"plumbline/internal/journal"
	"plumbline/internal/pack"
	"plumbline/internal/ref"
	"plumbline/internal/rows"
	"plumbline/internal/store"
)

// State is everything the tables hold of one account: a pure fold of its entries.
type State struct {
	Account Account
	Grants  []Grant
	Asked   []Asked

	AskedOfficial []AskedOfficial // one at most
}

// Account is a person who works here.
type Account struct {
	ID       ref.AccountID  `db:"id,key"`
	Login    string         `db:"login"`
	Name     string         `db:"name"`
	Lang     string         `db:"lang"`
	Official ref.OfficialID `db:"official"` // the register's entry for this person: keeps matters that name them away
	Active   int64          `db:"active"`
	N        int64          `db:"n"` // number of the last entry
}

// Grant is a duty held at a body from one day up to, not including, another.
type Grant struct {
	Duty string     `db:"duty,key"`
	Body ref.BodyID `db:"body,key"`
	From string     `db:"valid_from,key"` // first day
	To   string     `db:"valid_to"`       // first day on which it is no longer held; empty: until revoked
	N    int64      `db:"n"`              // entry that gave or last changed it
}

// On reports whether the grant is held on a day.
func (g Grant) On(day string) bool { return g.From <= day && (g.To == "" || day < g.To) }

// Ended reports whether the grant can no longer be held on the day or later.
func (g Grant) Ended(day string) bool { return g.To != "" && g.To <= day }

func (g Grant) overlaps(o Grant) bool {
	return (g.To == "" || o.From < g.To) && (o.To == "" || g.From < o.To) && (g.To == "" || g.From < g.To) && (o.To == "" || o.From < o.To)
}

// What entries on an account's stream can be.
const (
	ActionCreate     = "account.create"
	ActionChange     = "account.change"
	ActionGrant      = "account.grant"
	ActionRevoke     = "account.revoke"
	ActionActivate   = "account.activate"
	ActionDeactivate = "account.deactivate"
	ActionPassword   = "account.password" // that it was set, and by whom; never what it is
	ActionAsk        = "account.ask"      // a duty that a second person has to agree to
	ActionRefuse     = "account.refuse"   // they did not, or it was taken back
	ActionInvite     = "account.invite"   // a link with which the person chooses their own password
	ActionUninvite   = "account.uninvite"
	ActionReset      = "account.reset"  // every way to sign in was taken away, to begin anew
	ActionFactor     = "account.factor" // a way to sign in came or went: fields "kind" and "change"
	ActionToken      = "account.token"  // a token for programs came or went: fields "id", "change", "scopes"

	ActionAskOfficial    = "account.ask-official" // who the account is in the register is to change, and a second person has to agree
	ActionRefuseOfficial = "account.refuse-official"
	ActionOfficial       = "account.official" // they did
)

// change is what an entry changes, as it stands in Entry.Changes.
type change struct {
	Login    string         `json:"login,omitempty"`
	Name     string         `json:"name,omitempty"`
	Lang     string         `json:"lang,omitempty"`
	Official ref.OfficialID `json:"official,omitempty,string"`
	Duty     string         `json:"duty,omitempty"`
	Body     ref.BodyID     `json:"body,omitempty,string"`
	From     string         `json:"from,omitempty"`
	To       string         `json:"to,omitempty"`
	Asked    string         `json:"asked,omitempty"` // first day of what was asked for and is now agreed to
}

// Fold applies an entry of the account's stream.
func Fold(s State, e journal.Entry) (State, error) {
	var c change
	if len(e.Changes) > 0 {
		if err := json.Unmarshal(e.Changes, &c); err != nil {
			return s, fmt.Errorf("account: entry %s/%d: %w", e.Stream, e.N, err)
		}
	}
	s.Grants, s.Asked, s.AskedOfficial = slices.Clone(s.Grants), slices.Clone(s.Asked), slices.Clone(s.AskedOfficial)
	a := &s.Account
	switch e.Action {
	case ActionCreate:
		id, err := idOf(e.Stream)
		if err != nil {
			return s, err
		}
		*a = Account{ID: id, Login: c.Login, Name: c.Name, Lang: c.Lang, Official: c.Official, Active: 1}
	case ActionChange:
		a.Name, a.Lang, a.Official = c.Name, c.Lang, c.Official
	case ActionAsk:
		s.Asked = append(s.Asked, Asked{Duty: c.Duty, Body: c.Body, From: c.From, To: c.To, By: e.By.Account, N: e.N})
	case ActionRefuse:
		if !s.settle(c.Duty, c.Body, c.From) {
			return s, fmt.Errorf("account: entry %s/%d refuses what nobody asked for", e.Stream, e.N)
		}
	case ActionAskOfficial:
		s.AskedOfficial = append(s.AskedOfficial, AskedOfficial{Official: c.Official, By: e.By.Account, N: e.N})
	case ActionOfficial, ActionRefuseOfficial:
		i := slices.IndexFunc(s.AskedOfficial, func(o AskedOfficial) bool { return o.Official == c.Official })
		if i < 0 {
			return s, fmt.Errorf("account: entry %s/%d answers what nobody asked for", e.Stream, e.N)
		}
		s.AskedOfficial = slices.Delete(s.AskedOfficial, i, i+1)
		if e.Action == ActionOfficial {
			a.Official = c.Official
		}
	case ActionGrant:
		if c.Asked != "" && !s.settle(c.Duty, c.Body, c.Asked) {
			return s, fmt.Errorf("account: entry %s/%d agrees to what nobody asked for", e.Stream, e.N)
		}
		g := Grant{Duty: c.Duty, Body: c.Body, From: c.From, To: c.To, N: e.N}
		if i := s.find(g); i >= 0 {
			s.Grants[i] = g // given again on the day it was revoked
		} else {
			s.Grants = append(s.Grants, g)
		}
		sortGrants(s.Grants)
	case ActionRevoke:
		i := s.find(Grant{Duty: c.Duty, Body: c.Body, From: c.From})
		if i < 0 {
			return s, fmt.Errorf("account: entry %s/%d revokes what was not granted", e.Stream, e.N)
		}
		s.Grants[i].To, s.Grants[i].N = c.To, e.N
	case ActionActivate:
		a.Active = 1
	case ActionDeactivate:
		a.Active = 0
	case ActionPassword, ActionInvite, ActionUninvite, ActionReset, ActionFactor, ActionToken:
	default:
		return s, fmt.Errorf("account: entry %s/%d: unknown action %q", e.Stream, e.N, e.Action)
	}
	a.N = e.N
	return s, nil
}

func (s State) find(g Grant) int {
	return slices.IndexFunc(s.Grants, func(o Grant) bool { return o.Duty == g.Duty && o.Body == g.Body && o.From == g.From })
}

func sortGrants(all []Grant) {
	slices.SortFunc(all, func(a, b Grant) int {
		if c := strings.Compare(a.Duty, b.Duty); c != 0 {
			return c
		}
		if a.Body != b.Body {
			if a.Body < b.Body {
				return -1
			}
			return 1
		}
		return strings.Compare(a.From, b.From)
	})
}

func idOf(stream string) (ref.AccountID, error) {
	var id int64
	if _, err := fmt.Sscanf(stream, "account/%d", &id); err != nil {
		return 0, fmt.Errorf("account: stream %q: %w", stream, err)
	}
	return ref.AccountID(id), nil
}

// Packs tells what duties there are. The office implements it.
type Packs interface {
	Active() *pack.Pack
	Duty(id string) (*pack.Duty, bool) // of the active pack, or of one that matters here still run under
	Zone() *time.Location              // of the office: when a day begins
}

// Accounts manages the accounts of a database.
type Accounts struct {
	db       *store.DB
	packs    Packs
	now      func() time.Time
	hashing  chan struct{}
	rowTable *rows.Table[Account]
	grants   *rows.Table[Grant]
	asked    *rows.Table[Asked]
	official *rows.Table[AskedOfficial]
	keeper   Keeper // nil: nothing is sealed here
	secret   []byte // what cookies of known browsers are signed with
}

// New returns the accounts of db. It does no I/O.
func New(db *store.DB, packs Packs, now func() time.Time, opts ...Option) *Accounts {
	s := &Accounts{
		db: db, packs: packs, now: now,
		hashing:  make(chan struct{}, hashesAtOnce),
		rowTable: AccountTable, grants: GrantTable, asked: AskedTable, official: AskedOfficialTable,
		secret: random(32),
	}
	for _, o := range opts {
		o(s)
	}
	return s
}

// The tables that accounts are kept in, for saving and for verification.
var (
	AccountTable = rows.Of[Account]("account", "")
	GrantTable   = rows.Of[Grant]("grant_duty", "account")
	AskedTable   = rows.Of[Asked]("grant_asked", "account")

	AskedOfficialTable = rows.Of[AskedOfficial]("official_asked", "account")
)

// Today is the day it is at the office.
func (s *Accounts) Today() string { return s.now().In(s.packs.Zone()).Format(time.DateOnly) }

// By is who manages an account.
type By struct {
	Viewer access.Viewer
	Via    journal.Via
	system bool
}

// Person says that a signed-in person acts.
func Person(v access.Viewer, via journal.Via) By { return By{Viewer: v, Via: via} }

// System says that the machine's own operator acts, at the command line.
func System(via journal.Via) By { return By{Via: via, system: true} }

// CreateCmd asks for a new account. It has no password and no duty yet.
type CreateCmd struct {
	Login    string
	Name     string
	Lang     string
	Official ref.OfficialID
}

// Create makes an account. The login is kept in lower case.
func (s *Accounts) Create(ctx context.Context, tx *store.Tx, by By, cmd CreateCmd) (ref.AccountID, error) {
	login, err := ParseLogin(cmd.Login)
	name := strings.TrimSpace(cmd.Name)
	var wrong []fault.Field
	if err != nil {
		wrong = append(wrong, fault.Field{Name: "login", Key: "account.login-form"})
	}
	if name == "" || len(name) > 200 {
		wrong = append(wrong, fault.Field{Name: "name", Key: "account.name-form"})
	}
	if err := fault.InvalidFields(wrong); err != nil {
		return 0, err
	}
	if !by.system && !slices.ContainsFunc(by.Viewer.Grants, func(g access.Grant) bool { return g.Admin }) {
		return 0, fault.New(fault.Forbidden, "account.admin", nil)
	}
	if _, err := s.ByLogin(ctx, tx, login); err == nil {
		return 0, fault.InvalidFields([]fault.Field{{Name: "login", Key: "account.login-taken"}})
	} else if !fault.Is(err, fault.NotFound) {
		return 0, err
	}
	id := ref.AccountID(s.db.NewID())
	if err := s.onePerson(ctx, tx, id, cmd.Official, nil); err != nil {
		return 0, err
	}
	_, err = s.append(ctx, tx, by, State{Account: Account{ID: id}}, ActionCreate, nil,
		change{Login: login, Name: name, Lang: cmd.Lang, Official: cmd.Official})
	if store.IsUnique(err) {
		return 0, fault.InvalidFields([]fault.Field{{Name: "login", Key: "account.login-taken"}})
	}
	return id, err
}

// ChangeCmd is what can be changed of an account besides its duties.
type ChangeCmd struct {
	Name     string
	Lang     string
	Official ref.OfficialID
}

// Change changes name, language and the register's entry of an account. People may change their own language only;
// everything else takes an administrator. Another entry of the register is only asked for where something rests on
// it: a second person has to ConfirmOfficial it.
func (s *Accounts) Change(ctx context.Context, tx *store.Tx, by By, id ref.AccountID, cmd ChangeCmd) error {
	st, err := s.Load(ctx, tx, id)
	if err != nil {
		return err
	}
	name := strings.TrimSpace(cmd.Name)
	if name == "" || len(name) > 200 {
		return fault.InvalidFields([]fault.Field{{Name: "name", Key: "account.name-form"}})
	}
	own := !by.system && by.Viewer.Account == id
	switch {
	case own && name == st.Account.Name && cmd.Official == st.Account.Official:
	case own:
		return fault.New(fault.Forbidden, "account.self", nil)
	default:
		if err := s.mayManage(ctx, tx, by, st); err != nil {
			return err
		}
	}
	if name == st.Account.Name && cmd.Lang == st.Account.Lang && cmd.Official == st.Account.Official {
		return nil
	}
	if err := s.onePerson(ctx, tx, id, cmd.Official, st.Grants); err != nil {
		return err
	}
	ask := cmd.Official != st.Account.Official && !by.system && s.isRelied(st)
	now := change{Name: name, Lang: cmd.Lang, Official: cmd.Official}
	if ask {
		now.Official = st.Account.Official
	}
	if now != (change{Name: st.Account.Name, Lang: st.Account.Lang, Official: st.Account.Official}) {
		if st, err = s.append(ctx, tx, by, st, ActionChange, nil, now); err != nil {
			return err
		}
	}
	if !ask {
		return nil
	}
	return s.askOfficial(ctx, tx, by, st, cmd.Official)
}

// GrantCmd gives a duty at a body to an account.
type GrantCmd struct {
	Account ref.AccountID
	Duty    string
	Body    ref.BodyID
	From    string // first day; empty: today
	Until   string // last day; empty: until revoked
}

// Grant gives a duty. It refuses what would bring duties that exclude each other together, at any body, on any day.
// What a person grants that opens content is only asked for: a second person has to Confirm it.
func (s *Accounts) Grant(ctx context.Context, tx *store.Tx, by By, cmd GrantCmd) error {
	st, err := s.Load(ctx, tx, cmd.Account)
	if err != nil {
		return err
	}
	today := s.Today()
	if cmd.From == "" {
		cmd.From = today
	}
	g := Grant{Duty: cmd.Duty, Body: cmd.Body, From: cmd.From}
	wrong := s.checkGrant(cmd, &g, today)
	above, err := bodyAbove(ctx, tx, cmd.Body)
	if err != nil {
		return err
	}
	if len(above) == 0 {
		wrong = append(wrong, fault.Field{Name: "body", Key: "account.body"})
	}
	if err := fault.InvalidFields(wrong); err != nil {
		return err
	}
	if st.Account.Active == 0 {
		return fault.New(fault.Conflict, "account.inactive", fault.Args{"name": st.Account.Name})
	}
	if !by.system {
		if by.Viewer.Account == cmd.Account {
			return fault.New(fault.Forbidden, "account.self", nil)
		}
		if !access.MayAdmin(by.Viewer, above) {
			return fault.New(fault.Forbidden, "account.admin-body", fault.Args{"body": cmd.Body})
		}
	}
	for _, old := range st.Grants {
		if old.Duty == g.Duty && old.Body == g.Body && old.overlaps(g) {
			return fault.New(fault.Conflict, "account.granted-already", fault.Args{"name": st.Account.Name, "duty": g.Duty})
		}
	}
	theirs, err := s.grantsOfPerson(ctx, tx, st)
	if err != nil {
		return err
	}
	if err := s.excluded(theirs, g, st.Account.Name); err != nil {
		return err
	}
	c := change{Duty: g.Duty, Body: g.Body, From: g.From, To: g.To}
	if !by.system && s.NeedsTwo(g.Duty) {
		for _, a := range st.Asked {
			if a.Duty == g.Duty && a.Body == g.Body {
				return fault.New(fault.Conflict, "account.asked-already", fault.Args{"name": st.Account.Name, "duty": g.Duty})
			}
		}
		_, err = s.append(ctx, tx, by, st, ActionAsk, map[string]any{"duty": g.Duty}, c)
		return err
	}
	if _, err = s.append(ctx, tx, by, st, ActionGrant, map[string]any{"duty": g.Duty}, c); err != nil {
		return err
	}
	return s.join(ctx, tx, by, st.Account, g)
}

// checkGrant checks the duty and the days, and sets g.To.
func (s *Accounts) checkGrant(cmd GrantCmd, g *Grant, today string) (wrong []fault.Field) {
	if d, ok := s.packs.Duty(cmd.Duty); !ok || (d.Actor != pack.ActorAccount && d.Actor != "") {
		wrong = append(wrong, fault.Field{Name: "duty", Key: "account.duty"})
	}
	from, err := time.Parse(time.DateOnly, cmd.From)
	if err != nil {
		return append(wrong, fault.Field{Name: "from", Key: "account.date"})
	}
	if cmd.Until == "" {
		return wrong
	}
	until, err := time.Parse(time.DateOnly, cmd.Until)
	switch {
	case err != nil:
		return append(wrong, fault.Field{Name: "until", Key: "account.date"})
	case until.Before(from) || cmd.Until < today:
		return append(wrong, fault.Field{Name: "until", Key: "account.until-before"})
	}
	g.To = until.AddDate(0, 0, 1).Format(time.DateOnly)
	return wrong
}

// excluded refuses g beside any grant of the person that its duty excludes, whichever of the two says so.
func (s *Accounts) excluded(theirs []Grant, g Grant, name string) error {
	duty, ok := s.packs.Duty(g.Duty)
	if !ok {
		return fmt.Errorf("account: duty %q is in no pack", g.Duty)
	}
	for _, old := range theirs {
		if !old.overlaps(g) || old.Duty == g.Duty {
			continue
		}
		other, ok := s.packs.Duty(old.Duty)
		if slices.Contains(duty.Excludes, old.Duty) || ok && slices.Contains(other.Excludes, g.Duty) {
			return fault.New(fault.Conflict, "account.excluded", fault.Args{"name": name, "duty": g.Duty, "other": old.Duty})
		}
	}
	return nil
}

// onePerson refuses to tie an account to an official whose other accounts hold what excludes its own duties.
func (s *Accounts) onePerson(ctx context.Context, tx *store.Tx, id ref.AccountID, official ref.OfficialID, own []Grant) error {
	if official == 0 {
		return nil
	}
	if found, err := hasOfficial(ctx, tx, official); err != nil {
		return err
	} else if !found {
		return fault.InvalidFields([]fault.Field{{Name: "official", Key: "account.official"}})
	}
	theirs, err := s.grantsOfOfficial(ctx, tx, official, id)
	if err != nil {
		return err
	}
	for _, g := range own {
		if err := s.excluded(theirs, g, ""); err != nil {
			return err
		}
	}
	return nil
}

// grantsOfPerson returns the grants of the account and of every other account of the same person.
func (s *Accounts) grantsOfPerson(ctx context.Context, tx *store.Tx, st State) ([]Grant, error) {
	theirs := slices.Clone(st.Grants)
	if st.Account.Official == 0 {
		return theirs, nil
	}
	more, err := s.grantsOfOfficial(ctx, tx, st.Account.Official, st.Account.ID)
	return append(theirs, more...), err
}

func (s *Accounts) grantsOfOfficial(ctx context.Context, tx *store.Tx, official ref.OfficialID, except ref.AccountID) ([]Grant, error) {
	same, err := sameOfficials(ctx, tx, official)
	if err != nil {
		return nil, err
	}
	var out []Grant
	for _, o := range same {
		ids, err := accountsOf(ctx, tx, o)
		if err != nil {
			return nil, err
		}
		for _, id := range ids {
			if id == except {
				continue
			}
			more, err := s.grants.Load(ctx, tx, int64(id))
			if err != nil {
				return nil, err
			}
			out = append(out, more...)
		}
	}
	return out, nil
}

// RevokeCmd takes a grant away, from today on.
type RevokeCmd struct {
	Account ref.AccountID
	Duty    string
	Body    ref.BodyID
	From    string // as in the grant
}

// Revoke takes a grant away at once. What was done under it stays done.
func (s *Accounts) Revoke(ctx context.Context, tx *store.Tx, by By, cmd RevokeCmd) error {
	st, err := s.Load(ctx, tx, cmd.Account)
	if err != nil {
		return err
	}
	today := s.Today()
	i := st.find(Grant{Duty: cmd.Duty, Body: cmd.Body, From: cmd.From})
	if i < 0 {
		return fault.New(fault.NotFound, "account.no-grant", nil)
	}
	if st.Grants[i].Ended(today) {
		return fault.New(fault.Conflict, "account.revoked-already", fault.Args{"name": st.Account.Name})
	}
	if !by.system {
		above, err := bodyAbove(ctx, tx, cmd.Body)
		if err != nil {
			return err
		}
		if !access.MayAdmin(by.Viewer, above) {
			return fault.New(fault.Forbidden, "account.admin-body", fault.Args{"body": cmd.Body})
		}
	}
	to := today
	if cmd.From > today {
		to = cmd.From // it never begins
	}
	next, err := s.append(ctx, tx, by, st, ActionRevoke, map[string]any{"duty": cmd.Duty},
		change{Duty: cmd.Duty, Body: cmd.Body, From: cmd.From, To: to})
	if err != nil || next.holds(cmd.Duty, cmd.Body, today) {
		return err
	}
	return s.leave(ctx, tx, by, st.Account, Grant{Duty: cmd.Duty, Body: cmd.Body})
}

// Deactivate keeps an account from signing in, ends its sessions and takes effect at once. Its duties stay on
// record and count for nothing.
func (s *Accounts) Deactivate(ctx context.Context, tx *store.Tx, by By, id ref.AccountID) error {
	return s.setActive(ctx, tx, by, id, 0, ActionDeactivate)
}

// Activate undoes Deactivate.
func (s *Accounts) Activate(ctx context.Context, tx *store.Tx, by By, id ref.AccountID) error {
	return s.setActive(ctx, tx, by, id, 1, ActionActivate)
}

func (s *Accounts) setActive(ctx context.Context, tx *store.Tx, by By, id ref.AccountID, active int64, action string) error {
	st, err := s.Load(ctx, tx, id)
	if err != nil {
		return err
	}
	if !by.system && by.Viewer.Account == id {
		return fault.New(fault.Forbidden, "account.self", nil)
	}
	if err := s.mayManage(ctx, tx, by, st); err != nil {
		return err
	}
	if st.Account.Active == active {
		return nil
	}
	next, err := s.append(ctx, tx, by, st, action, nil, change{})
	if err != nil {
		return err
	}
	if active == 0 {
		if err := s.endAll(ctx, tx, id); err != nil {
			return err
		}
	}
	return s.keysFollow(ctx, tx, by, next)
}

// MayManage reports whether by may change, deactivate or set the password of an account: they must be an
// administrator over every body where it holds a duty, now or later, or is to hold one that a second person has to agree
// to. Otherwise the administrator of a precinct could take over the account of a minister.
func (s *Accounts) MayManage(ctx context.Context, tx *store.Tx, by By, id ref.AccountID) error {
	st, err := s.Load(ctx, tx, id)
	if err != nil {
		return err
	}
	return s.mayManage(ctx, tx, by, st)
}

func (s *Accounts) mayManage(ctx context.Context, tx *store.Tx, by By, st State) error {
	if by.system {
		return nil
	}
	if !slices.ContainsFunc(by.Viewer.Grants, func(g access.Grant) bool { return g.Admin }) {
		return fault.New(fault.Forbidden, "account.admin", nil)
	}
	today := s.Today()
	var bodies []ref.BodyID
	for _, g := range st.Grants {
		if !g.Ended(today) {
			bodies = append(bodies, g.Body)
		}
	}
	for _, a := range st.Asked {
		bodies = append(bodies, a.Body)
	}
	for _, body := range bodies {
		above, err := bodyAbove(ctx, tx, body)
		if err != nil {
			return err
		}
		if !access.MayAdmin(by.Viewer, above) {
			return fault.New(fault.Forbidden, "account.admin-body", fault.Args{"body": body})
		}
	}
	return nil
}

// append writes the entry and the rows that follow from it. A second writer who saw the same state gets a conflict
// from the journal: two grants that exclude each other cannot slip in side by side.
func (s *Accounts) append(ctx context.Context, tx *store.Tx, by By, st State, action string, fields map[string]any, c change) (State, error) {
	changes, err := json.Marshal(c)
	if err != nil {
		return st, err
	}
	e := journal.Entry{
		V: 1, Stream: st.Account.ID.Stream(), N: st.Account.N + 1, At: s.now().UTC().Truncate(time.Microsecond),
		By: by.actor(), Via: by.Via, Action: action, Fields: fields, Changes: changes,
	}
	next, err := Fold(st, e)
	if err != nil {
		return st, err
	}
	if err := journal.Append(ctx, tx, e); err != nil {
		return st, err
	}
	var old []Account
	if st.Account.N > 0 {
		old = []Account{st.Account}
	}
	if err := s.rowTable.Save(ctx, tx, int64(next.Account.ID), old, []Account{next.Account}); err != nil {
		return st, err
	}
	if err := s.asked.Save(ctx, tx, int64(next.Account.ID), st.Asked, next.Asked); err != nil {
		return st, err
	}
	if err := s.official.Save(ctx, tx, int64(next.Account.ID), st.AskedOfficial, next.AskedOfficial); err != nil {
		return st, err
	}
	return next, s.grants.Save(ctx, tx, int64(next.Account.ID), st.Grants, next.Grants)
}

func (b By) actor() journal.Actor {
	if b.system && b.Via == journal.ViaTimer {
		return journal.Actor{Duty: "system"}
	}
	if b.system {
		return journal.Actor{Duty: "operator"}
	}
	a := journal.Actor{Account: b.Viewer.Account}
	for _, g := range b.Viewer.Grants {
		if g.Admin {
			a.Duty, a.Body = g.Duty, g.Body
			break
		}
	}
	return a
}

// ParseLogin reads a login: 2 to 64 letters, digits, dots, dashes, underscores or @, in lower case.
func ParseLogin(s string) (string, error) {
	s = strings.ToLower(strings.TrimSpace(s))
	if len(s) < 2 || len(s) > 64 {
		return "", ref.ErrMalformed
	}
	for _, c := range s {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && !strings.ContainsRune("._-@", c) {
			return "", ref.ErrMalformed
		}
	}
	return s, nil
}

// GrantIn returns the grant that an entry gave, took, asked for or refused, for those who tell the history of an account.
func GrantIn(e journal.Entry) (Grant, bool) {
	switch e.Action {
	case ActionGrant, ActionRevoke, ActionAsk, ActionRefuse:
	default:
		return Grant{}, false
	}
	var c change
	if json.Unmarshal(e.Changes, &c) != nil {
		return Grant{}, false
	}
	return Grant{Duty: c.Duty, Body: c.Body, From: c.From, To: c.To, N: e.N}, true
}
