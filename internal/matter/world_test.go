package matter_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"plumbline/internal/access"
	"plumbline/internal/fault"
	"plumbline/internal/journal"
	"plumbline/internal/matter"
	"plumbline/internal/pack"
	"plumbline/internal/ref"
	"plumbline/internal/register"
	"plumbline/internal/store"
	"plumbline/internal/vault"
)

var generic = sync.OnceValues(func() (*pack.Pack, error) { return pack.LoadDir("../../packs/generic") })

// rules are the packs of a test: one, always active.
type rules struct{ p *pack.Pack }

func (r rules) Active() *pack.Pack { return r.p }
func (r rules) Version(id string) (*pack.Pack, error) {
	if id != r.p.ID() {
		return nil, fmt.Errorf("no pack %s", id)
	}
	return r.p, nil
}

// town is a small world to act in: an office with an office above it, the police it watches, and people.
type town struct {
	testing.TB
	db     *store.DB
	engine *matter.Engine
	pack   *pack.Pack
	now    time.Time
}

const (
	council ref.BodyID = iota + 1
	national
	region
	office
	police
	court
)

const (
	reed ref.OfficialID = iota + 101
	moss
	vale // works at the office
)

var start = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC) // a Monday

// people, by name.
var people = map[string]access.Viewer{
	"ina":  person(1, 0, "intake", office),
	"ivo":  person(2, 0, "investigator", office),
	"rita": person(3, 0, "reviewer", office, "supervisor", office),
	"dan":  person(4, 0, "decider", office),
	"abe":  person(5, 0, "appeals", office, "personnel", office),
	"kit":  person(6, vale, "investigator", office),
	"nora": person(7, 0, "intake", region),
	"sol":  person(8, 0, "supervisor", national, "inspector", national),
	"iris": person(9, 0, "intake", office),
}

func person(id ref.AccountID, official ref.OfficialID, grants ...any) access.Viewer {
	v := access.Viewer{Account: id, Official: official}
	for i := 0; i < len(grants); i += 2 {
		duty, _ := grants[i].(string)
		body, _ := grants[i+1].(ref.BodyID)
		sees := access.SeesDesk
		if duty == "supervisor" || duty == "inspector" {
			sees = access.SeesSubtree
		}
		v.Grants = append(v.Grants, access.Grant{Duty: duty, Body: body, Sees: sees})
	}
	return v
}

func newTown(t testing.TB, db *store.DB) *town {
	t.Helper()
	p, err := generic()
	if err != nil {
		t.Fatal(err)
	}
	w := &town{TB: t, db: db, pack: p, now: start}
	w.engine = matter.New(db, rules{p}, func() time.Time { return w.now }, vault.New(db, vault.NewOfficeKey(), func() time.Time { return w.now }))
	by := register.By{Actor: journal.Actor{Duty: "system"}, Via: journal.ViaCLI, At: w.now}
	w.tx(func(ctx context.Context, tx *store.Tx) error {
		for _, b := range []register.Body{
			{ID: council, Code: "council", Level: "national", Sector: "council"},
			{ID: national, Code: "national", Parent: council, Level: "national", Sector: "oversight"},
			{ID: region, Code: "region", Parent: national, Level: "regional", Sector: "oversight"},
			{ID: office, Code: "office", Parent: region, Level: "local", Sector: "oversight"},
			{ID: police, Code: "police", Parent: region, Level: "local", Sector: "police"},
			{ID: court, Code: "court", Parent: region, Level: "local", Sector: "court"},
		} {
			b.Names = []register.Name{{Lang: "en", Name: "The " + b.Code}}
			if _, err := register.AddBody(ctx, tx, by, b); err != nil {
				return err
			}
		}
		for _, v := range people {
			if err := employ(ctx, tx, v); err != nil {
				return err
			}
		}
		return register.ImportOfficials(ctx, tx, by, []register.Official{
			{ID: reed, Name: "Sam Reed", Identified: 1, Posts: []register.Post{{Body: police, Rank: "staff", From: "2020-01-01"}}},
			{ID: moss, Name: "Jo Moss", Identified: 1, Posts: []register.Post{{Body: police, Rank: "team-lead", From: "2018"}}},
			{ID: vale, Name: "Kit Vale", Identified: 1, Posts: []register.Post{{Body: office, Rank: "staff", From: "2021"}}},
		})
	})
	return w
}

// employ gives somebody an account with their duties, by SQL: how accounts come about is no concern here.
func employ(ctx context.Context, tx *store.Tx, v access.Viewer) error {
	for _, sql := range []string{`DELETE FROM account WHERE id = $1`, `DELETE FROM grant_duty WHERE account = $1`} {
		if _, err := tx.Exec(ctx, sql, int64(v.Account)); err != nil {
			return err
		}
	}
	if _, err := tx.Exec(ctx, `INSERT INTO account (id, login, name, lang, official, active, n) VALUES ($1, $2, $2, 'en', $3, 1, 1)`,
		int64(v.Account), fmt.Sprint("a", v.Account), int64(v.Official)); err != nil {
		return err
	}
	for i, g := range v.Grants {
		if _, err := tx.Exec(ctx, `INSERT INTO grant_duty (account, duty, body, valid_from, valid_to, n) VALUES ($1, $2, $3, $4, '', 1)`,
			int64(v.Account), g.Duty, int64(g.Body), fmt.Sprintf("2020-01-%02d", i+1)); err != nil {
			return err
		}
	}
	return nil
}

func (w *town) tx(f func(ctx context.Context, tx *store.Tx) error) {
	w.Helper()
	if err := w.db.Tx(w.Context(), func(tx *store.Tx) error { return f(w.Context(), tx) }); err != nil {
		w.Fatal(err)
	}
}

// report files a report about reed at the police.
func (w *town) report() (matter.State, ref.ReceiptCode) {
	w.Helper()
	code := ref.NewReceiptCode()
	s, err := w.file(code, matter.Values{"body": "police", "story": "He shouted at me.", "conduct": "insult",
		"official": matter.OfficialValue{ID: reed}, "happened_on": "2026-02"})
	if err != nil {
		w.Fatal(err)
	}
	return s, code
}

func (w *town) file(code ref.ReceiptCode, v matter.Values) (s matter.State, err error) {
	err = w.db.Tx(w.Context(), func(tx *store.Tx) (err error) {
		s, err = w.engine.Open(w.Context(), tx, matter.OpenCmd{Kind: "report", Fields: v, Actor: journal.Actor{Duty: "reporter"},
			Via: journal.ViaWeb, Code: code})
		return err
	})
	return s, err
}

// try takes a step as somebody.
func (w *town) try(who string, id ref.MatterID, seen int64, action string, v matter.Values) (s matter.State, err error) {
	err = w.db.Tx(w.Context(), func(tx *store.Tx) (err error) {
		s, err = w.engine.Act(w.Context(), tx, matter.ActCmd{Matter: id, Seen: seen, Action: action, Fields: v, Viewer: people[who], Via: journal.ViaWeb})
		return err
	})
	return s, err
}

func (w *town) do(who string, id ref.MatterID, action string, v matter.Values) matter.State {
	w.Helper()
	s, err := w.try(who, id, 0, action, v)
	if err != nil {
		w.Fatalf("%s: %s: %v", who, action, err)
	}
	return s
}

func (w *town) load(id ref.MatterID) (s matter.State) {
	w.Helper()
	w.tx(func(ctx context.Context, tx *store.Tx) (err error) { s, err = w.engine.Load(ctx, tx, id); return err })
	return s
}

func (w *town) exec(sql string) {
	w.Helper()
	w.tx(func(ctx context.Context, tx *store.Tx) error { _, err := tx.Exec(ctx, sql); return err })
}

// verify fails the test unless everything is as the record says.
func (w *town) verify() {
	w.Helper()
	found, err := matter.Verify(w.Context(), w.db, nil)
	if err != nil {
		w.Fatal(err)
	}
	for _, d := range found {
		w.Error(d)
	}
}

// aCase brings a report about reed to a case with findings, confirmed: returns the case and its proceedings.
func (w *town) aCase() (matter.State, []matter.State) {
	w.Helper()
	r, _ := w.report()
	id := r.Matter.ID
	w.do("ina", id, "screen", matter.Values{"severity": "high"})
	w.do("ina", id, "verify", matter.Values{"lead": "2"})
	w.do("ivo", id, "conclude", matter.Values{"conclusion": "grounds", "reasons": "A recording.",
		"allegations": []matter.AllegationValue{{Official: matter.OfficialValue{ID: moss}, Conduct: "force-unreported", Time: "2026-02-03"}}})
	r = w.do("rita", id, "open-case", matter.Values{"answer": "A case was opened."})
	c := opened(r)
	w.do("rita", c, "assign", matter.Values{"lead": "2"})
	w.do("ivo", c, "find", matter.Values{"findings": map[string]string{"1": "sustained", "2": "sustained"}, "reasons": "Both admitted it."})
	s := w.do("rita", c, "confirm", nil)
	var out []matter.State
	for _, l := range s.Links {
		if l.Kind == matter.LinkOpens {
			out = append(out, w.load(l.Other))
		}
	}
	return s, out
}

func opened(s matter.State) ref.MatterID {
	for _, l := range s.Links {
		if l.Kind == matter.LinkOpens {
			return l.Other
		}
	}
	return 0
}

func wantFault(t *testing.T, err error, kind fault.Kind, key string) *fault.Error {
	t.Helper()
	var f *fault.Error
	if err == nil || fault.KindOf(err) != kind || !asFault(err, &f) {
		t.Fatalf("got %v, want %s %s", err, kind, key)
	}
	if f.Key != key {
		t.Fatalf("got %v, want key %s", err, key)
	}
	return f
}
