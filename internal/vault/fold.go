package vault

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"plumbline/internal/journal"
	"plumbline/internal/ref"
	"plumbline/internal/rows"
	"plumbline/internal/store"
)

// Person is the public half of a person's key. One that was given up is followed by another.
type Person struct {
	Account   ref.AccountID `db:"account,key"`
	No        int64         `db:"no,key"`
	Recipient string        `db:"recipient"`
	Made      int64         `db:"made"`
	Gone      int64         `db:"gone"` // microseconds UTC; 0: in use
}

// DeskKey is the public half of a desk's key. Each time somebody leaves the desk, another one follows.
type DeskKey struct {
	Duty      string     `db:"duty,key"`
	Body      ref.BodyID `db:"body,key"`
	ID        int64      `db:"id,key"`
	Recipient string     `db:"recipient"`
	Made      int64      `db:"made"`
	Gone      int64      `db:"gone"`
}

// Escrow is the key from which officers together recover desks.
type Escrow struct {
	ID        int64  `db:"id,key"`
	Need      int64  `db:"need"`     // how many shares
	Officers  int64  `db:"officers"` // of how many
	Recipient string `db:"recipient"`
	Made      int64  `db:"made"`
	Gone      int64  `db:"gone"`
}

// The tables folded from the record.
var (
	PersonTable = rows.Of[Person]("vault_person", "")
	DeskTable   = rows.Of[DeskKey]("vault_desk", "")
	EscrowTable = rows.Of[Escrow]("vault_escrow", "")
)

// What happens to keys.
const (
	ActionKey      = "vault.key"      // a person's key was made
	ActionGiveUp   = "vault.give-up"  // … and given up: the password was forgotten
	ActionDesk     = "vault.desk"     // a desk's key was made
	ActionJoin     = "vault.join"     // somebody belongs to the desk now
	ActionLetIn    = "vault.let-in"   // and was given its key
	ActionLeave    = "vault.leave"    // somebody belongs to it no longer
	ActionHandover = "vault.handover" // what was sealed to the key before is sealed to the one in use
	ActionEscrow   = "vault.escrow"   // officers hold shares of a key that recovers desks
	ActionRecover  = "vault.recover"  // they did
)

type change struct {
	No        int64         `json:"no,omitempty"` // of a person's key
	ID        int64         `json:"id,omitempty,string"`
	Recipient string        `json:"recipient,omitempty"`
	Account   ref.AccountID `json:"account,omitempty,string"`
	Need      int64         `json:"need,omitempty"`
	Officers  int64         `json:"officers,omitempty"`
	Matters   int64         `json:"matters,omitempty"`
}

// state is what the record says of one stream.
type state struct {
	n       int64
	persons []Person
	desks   []DeskKey
	escrows []Escrow
}

// fold applies an entry of a stream vault/…
func fold(s state, e journal.Entry) (state, error) {
	var c change
	if err := json.Unmarshal(e.Changes, &c); err != nil {
		return s, fmt.Errorf("vault: entry %s/%d: %w", e.Stream, e.N, err)
	}
	s.persons, s.desks, s.escrows = slices.Clone(s.persons), slices.Clone(s.desks), slices.Clone(s.escrows)
	s.n = e.N
	at := e.At.UnixMicro()
	switch e.Action {
	case ActionKey, ActionGiveUp:
		account, err := personOf(e.Stream)
		if err != nil {
			return s, err
		}
		for i := range s.persons {
			if s.persons[i].Gone == 0 {
				s.persons[i].Gone = at
			}
		}
		if e.Action == ActionKey {
			s.persons = append(s.persons, Person{Account: account, No: c.No, Recipient: c.Recipient, Made: at})
		}
	case ActionDesk:
		d, err := deskOf(e.Stream)
		if err != nil {
			return s, err
		}
		for i := range s.desks {
			if s.desks[i].Gone == 0 {
				s.desks[i].Gone = at
			}
		}
		s.desks = append(s.desks, DeskKey{Duty: d.Duty, Body: d.Body, ID: c.ID, Recipient: c.Recipient, Made: at})
	case ActionEscrow:
		for i := range s.escrows {
			if s.escrows[i].Gone == 0 {
				s.escrows[i].Gone = at
			}
		}
		s.escrows = append(s.escrows, Escrow{ID: c.ID, Need: c.Need, Officers: c.Officers, Recipient: c.Recipient, Made: at})
	case ActionJoin, ActionLetIn, ActionLeave, ActionHandover, ActionRecover: // told, and nothing in these tables
	default:
		return s, fmt.Errorf("vault: entry %s/%d: unknown action %q", e.Stream, e.N, e.Action)
	}
	slices.SortFunc(s.persons, func(a, b Person) int { return cmp.Compare(a.No, b.No) })
	slices.SortFunc(s.desks, func(a, b DeskKey) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(s.escrows, func(a, b Escrow) int { return cmp.Compare(a.ID, b.ID) })
	return s, nil
}

func personOf(stream string) (ref.AccountID, error) {
	id, err := strconv.ParseInt(strings.TrimPrefix(stream, "vault/person-"), 10, 64)
	if err != nil || !strings.HasPrefix(stream, "vault/person-") {
		return 0, fmt.Errorf("vault: stream %q is no person's", stream)
	}
	return ref.AccountID(id), nil
}

func deskOf(stream string) (Desk, error) {
	name, ok := strings.CutPrefix(stream, "vault/desk-")
	dot := strings.LastIndexByte(name, '.')
	if !ok || dot < 1 {
		return Desk{}, fmt.Errorf("vault: stream %q is no desk's", stream)
	}
	body, err := strconv.ParseInt(name[dot+1:], 10, 64)
	if err != nil {
		return Desk{}, fmt.Errorf("vault: stream %q is no desk's", stream)
	}
	return Desk{Duty: name[:dot], Body: ref.BodyID(body)}, nil
}

const (
	selectPersons = `SELECT account, no, recipient, made, gone FROM vault_person WHERE account = $1 ORDER BY no`
	selectDesks   = `SELECT duty, body, id, recipient, made, gone FROM vault_desk WHERE duty = $1 AND body = $2 ORDER BY id`
	selectAllDesk = `SELECT duty, body, id, recipient, made, gone FROM vault_desk ORDER BY duty, body, id`
	selectEscrows = `SELECT id, need, officers, recipient, made, gone FROM vault_escrow ORDER BY id`
)

func scanPerson(r *store.Rows) (p Person, err error) {
	return p, r.Scan(&p.Account, &p.No, &p.Recipient, &p.Made, &p.Gone)
}

func scanDesk(r *store.Rows) (d DeskKey, err error) {
	return d, r.Scan(&d.Duty, &d.Body, &d.ID, &d.Recipient, &d.Made, &d.Gone)
}

func scanEscrow(r *store.Rows) (e Escrow, err error) {
	return e, r.Scan(&e.ID, &e.Need, &e.Officers, &e.Recipient, &e.Made, &e.Gone)
}

// record appends an entry to a stream of keys and writes the rows that follow from it.
func (v *Vault) record(ctx context.Context, tx *store.Tx, by journal.Actor, stream, action string, c change) error {
	var s state
	var err error
	if s.n, err = journal.Last(ctx, tx, stream); err != nil {
		return fmt.Errorf("vault: %w", err)
	}
	switch {
	case strings.HasPrefix(stream, "vault/person-"):
		account, err := personOf(stream)
		if err != nil {
			return err
		}
		s.persons, err = each(ctx, tx, scanPerson, selectPersons, int64(account))
		if err != nil {
			return fmt.Errorf("vault: %w", err)
		}
	case strings.HasPrefix(stream, "vault/desk-"):
		d, err := deskOf(stream)
		if err != nil {
			return err
		}
		if s.desks, err = each(ctx, tx, scanDesk, selectDesks, d.Duty, int64(d.Body)); err != nil {
			return fmt.Errorf("vault: %w", err)
		}
	default:
		if s.escrows, err = each(ctx, tx, scanEscrow, selectEscrows); err != nil {
			return fmt.Errorf("vault: %w", err)
		}
	}
	raw, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("vault: %w", err)
	}
	via := journal.ViaWeb
	if by.Account == 0 {
		via = journal.ViaCLI
	}
	if by.Duty == "" {
		by.Duty = "operator"
	}
	e := journal.Entry{V: 1, Stream: stream, N: s.n + 1, At: v.now().UTC().Truncate(time.Microsecond), By: by, Via: via, Action: action, Changes: raw}
	next, err := fold(s, e)
	if err != nil {
		return err
	}
	if err := journal.Append(ctx, tx, e); err != nil {
		return err
	}
	if err := PersonTable.Save(ctx, tx, 0, s.persons, next.persons); err != nil {
		return err
	}
	if err := DeskTable.Save(ctx, tx, 0, s.desks, next.desks); err != nil {
		return err
	}
	return EscrowTable.Save(ctx, tx, 0, s.escrows, next.escrows)
}

// Folder refolds the streams of keys and compares them with the tables (see matter.Verify): a public key that was put in the
// place of a desk's, so that what is sealed from then on could be read by somebody else, is found and named.
type Folder struct{}

// Thing is the first part of the streams it knows.
func (Folder) Thing() string { return "vault" }

// Check folds some streams, by what follows the slash.
func (Folder) Check(ctx context.Context, tx *store.Tx, streams map[string][]journal.Entry) ([]rows.Difference, error) {
	var out []rows.Difference
	names := make([]string, 0, len(streams))
	for name := range streams {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		var want state
		for _, e := range streams[name] {
			next, err := fold(want, e)
			if err != nil {
				out = append(out, rows.Difference{Problem: rows.Unreadable, Table: "entry", Key: fmt.Sprintf("stream=%s n=%d", e.Stream, e.N), Got: err.Error()})
				continue
			}
			want = next
		}
		stream := "vault/" + name
		var got state
		var err error
		switch account, badPerson := personOf(stream); {
		case badPerson == nil:
			got.persons, err = each(ctx, tx, scanPerson, selectPersons, int64(account))
		case name == "escrow":
			got.escrows, err = each(ctx, tx, scanEscrow, selectEscrows)
		default:
			d, badDesk := deskOf(stream)
			if badDesk != nil {
				out = append(out, rows.Difference{Problem: rows.Unreadable, Table: "entry", Key: "stream=" + stream, Got: badDesk.Error()})
				continue
			}
			got.desks, err = each(ctx, tx, scanDesk, selectDesks, d.Duty, int64(d.Body))
		}
		if err != nil {
			return nil, fmt.Errorf("vault: %w", err)
		}
		out = append(out, PersonTable.Diff(0, want.persons, got.persons)...)
		out = append(out, DeskTable.Diff(0, want.desks, got.desks)...)
		out = append(out, EscrowTable.Diff(0, want.escrows, got.escrows)...)
	}
	return out, nil
}

const (
	strayPersons = `SELECT account, no, recipient, made, gone FROM vault_person p WHERE NOT EXISTS
		(SELECT 1 FROM entry e WHERE e.stream = 'vault/person-' || CAST(p.account AS TEXT)) ORDER BY account, no LIMIT $1`
	strayDesks = `SELECT duty, body, id, recipient, made, gone FROM vault_desk d WHERE NOT EXISTS
		(SELECT 1 FROM entry e WHERE e.stream = 'vault/desk-' || d.duty || '.' || CAST(d.body AS TEXT)) ORDER BY duty, body, id LIMIT $1`
	strayEscrows = `SELECT id, need, officers, recipient, made, gone FROM vault_escrow WHERE NOT EXISTS
		(SELECT 1 FROM entry e WHERE e.stream = 'vault/escrow') ORDER BY id LIMIT $1`
)

// Strays finds keys that no entry made.
func (Folder) Strays(ctx context.Context, tx *store.Tx, limit int) ([]rows.Difference, error) {
	persons, err := each(ctx, tx, scanPerson, strayPersons, int64(limit))
	if err != nil {
		return nil, fmt.Errorf("vault: %w", err)
	}
	desks, err := each(ctx, tx, scanDesk, strayDesks, int64(limit))
	if err != nil {
		return nil, fmt.Errorf("vault: %w", err)
	}
	escrows, err := each(ctx, tx, scanEscrow, strayEscrows, int64(limit))
	if err != nil {
		return nil, fmt.Errorf("vault: %w", err)
	}
	out := PersonTable.Diff(0, nil, persons)
	out = append(out, DeskTable.Diff(0, nil, desks)...)
	return append(out, EscrowTable.Diff(0, nil, escrows)...), nil
}
