package web_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"plumbline/internal/access"
	"plumbline/internal/fault"
	"plumbline/internal/journal"
	"plumbline/internal/matter"
	"plumbline/internal/pack"
	"plumbline/internal/ref"
	"plumbline/internal/register"
	"plumbline/internal/store"
	"plumbline/internal/testing/journey"
	"plumbline/internal/testing/world"
	"plumbline/internal/vault"
	"plumbline/internal/web"
)

// The access matrix: every account on every route, by every method, with a matter in every state of every kind. What is
// answered, what lists find by SQL, and what package access says of each act are compared with a model. The model is written
// from the table as "plumbline access law" prints it, and from nothing else: it does not use package access.

// An answer is how a route answers somebody.
type answer string

const (
	missing answer = "missing" // 404, or 405 where no route has the method: there is no such thing
	refused answer = "refused" // 403: there is, and it is not theirs
	letIn   answer = "let in"  // whatever else: a page, or what is wrong with what was sent
	toDoor  answer = "to the door"
	toCode  answer = "asked for the receipt code"
)

func answerOf(w *httptest.ResponseRecorder) answer {
	switch {
	case w.Code == http.StatusNotFound || w.Code == http.StatusMethodNotAllowed:
		return missing
	case w.Code == http.StatusForbidden || w.Code == http.StatusUnauthorized:
		return refused
	case w.Code == http.StatusSeeOther && strings.HasPrefix(w.Header().Get("Location"), "/staff/sign-in"):
		return toDoor
	case w.Code == http.StatusSeeOther && w.Header().Get("Location") == "/follow?opened":
		return toCode
	}
	return letIn
}

// Duties of the generic pack, as its table has them: what each sees, whether it keeps identities, draws, administers, audits.
var dutySees = map[string]string{"intake": "desk", "investigator": "desk", "reviewer": "desk", "decider": "desk", "appeals": "desk", "personnel": "desk",
	"custodian": "subtree", "supervisor": "subtree", "inspector": "subtree"}

// held is a duty at a body.
type held struct{ duty, body string }

// person is an account of the world, as the model knows it.
type person struct {
	name    string
	account ref.AccountID
	grants  []held
	never   []ref.OfficialID // matters that name one of them do not exist for this person
	idle    []ref.OfficialID // … may be known of, and nothing more
	cookies []*http.Cookie
	keys    *vault.Keys
	visits  ref.MatterID // the report whose receipt code this person came with
}

func (p *person) holds(duty string) bool {
	return slices.ContainsFunc(p.grants, func(g held) bool { return g.duty == duty })
}

// sees is what one of their duties lets them see of matters; nothing for those who only read, audit or administer.
func (p *person) sees() string {
	for _, g := range p.grants {
		if dutySees[g.duty] != "" {
			return dutySees[g.duty]
		}
	}
	return ""
}

// bodies of journey's world, each with those above it.
var chains = map[string][]string{
	"council": {"council"}, "national": {"national", "council"}, "region": {"region", "national", "council"}, "town": {"town", "region", "national", "council"},
	"town-police": {"town-police", "town", "region", "national", "council"}, "mill-street": {"mill-street", "town-police", "town", "region", "national", "council"},
	"other": {"other", "region", "national", "council"}, "other-police": {"other-police", "other", "region", "national", "council"}, "": nil,
}

// subject is a matter as the model looks at it.
type subject struct {
	s                               matter.State
	kind                            *pack.Kind
	body, desk, deskBody, concerned string
	named                           []ref.OfficialID
	involved                        []ref.AccountID
	copied                          bool // it has no history
}

func meets(a, b []ref.OfficialID) bool {
	return slices.ContainsFunc(a, func(o ref.OfficialID) bool { return slices.Contains(b, o) })
}

func (p *person) near(m *subject, g held) bool {
	return slices.Contains(chains[m.body], g.body) || g.body == m.deskBody
}

func (p *person) involvedIn(m *subject) bool { return slices.Contains(m.involved, p.account) }

// know is rows K1 to K4.
func (p *person) know(m *subject) bool {
	if meets(p.never, m.named) {
		return false
	}
	for _, g := range p.grants {
		sees := dutySees[g.duty]
		if sees == "" {
			continue
		}
		if g == (held{m.desk, m.deskBody}) || p.involvedIn(m) {
			return true
		}
		if up := chains[m.deskBody]; m.s.Matter.Overdue != 0 && len(up) > 1 && up[1] == g.body {
			return true
		}
		if sees == "subtree" && (slices.Contains(chains[m.body], g.body) || slices.Contains(chains[m.concerned], g.body)) {
			return true
		}
	}
	return false
}

// works, acts and hears are what the procedure makes of a duty.
func works(k *pack.Kind, duty string) bool {
	return slices.ContainsFunc(k.Actions, func(a pack.Action) bool { return takes(&a, duty) && !a.Has("identify-reporter") })
}

func acts(k *pack.Kind, duty string) bool {
	return slices.ContainsFunc(k.Actions, func(a pack.Action) bool { return takes(&a, duty) })
}

func hears(k *pack.Kind, duty string) bool {
	return slices.ContainsFunc(k.Actions, func(a pack.Action) bool {
		return takes(&a, duty) && slices.ContainsFunc([]string{"notice", "disclose", "open-response", "respond", "find", "decide", "open-appeal", "appeal-decide", "review"}, a.Has)
	})
}

func takes(a *pack.Action, duty string) bool {
	if len(a.RecordedBy) > 0 {
		return slices.Contains(a.RecordedBy, duty)
	}
	return slices.Contains(a.By, duty)
}

// may is what the table says of an act other than a step: missing, refused or let in.
func (p *person) may(act access.Act, m *subject) answer {
	if !p.know(m) {
		return missing
	}
	if act == access.ActKnow {
		return letIn
	}
	if meets(p.idle, m.named) {
		return refused
	}
	for _, g := range p.grants {
		desk, near := g == (held{m.desk, m.deskBody}), p.near(m, g)
		ok := false
		switch act {
		case access.ActFile, access.ActNote, access.ActLink: // F, N, L
			ok = desk || near && works(m.kind, g.duty)
		case access.ActReporter: // R
			ok = desk || p.involvedIn(m) && acts(m.kind, g.duty)
		case access.ActRespond: // P
			ok = desk || near && hears(m.kind, g.duty) || near && p.involvedIn(m) && acts(m.kind, g.duty)
		case access.ActIdentity: // I1
			ok = near && g.duty == "custodian"
		case access.ActAssign: // A
			ok = desk || near && dutySees[g.duty] == "subtree" && works(m.kind, g.duty)
		case access.ActReadings: // W1
			ok = near && dutySees[g.duty] == "subtree" && g.duty != "custodian"
		}
		if ok {
			return letIn
		}
	}
	return refused
}

// step is row S1 with what the procedure takes away again.
func (p *person) step(a *pack.Action, m *subject) answer {
	if !p.know(m) {
		return missing
	}
	if meets(p.idle, m.named) {
		return refused
	}
	above := chains[m.body]
	var at []string
	switch a.Of {
	case pack.OfSuperior:
		if at = above[1:]; len(at) == 0 {
			at = above
		}
		if takes(a, m.desk) {
			at = append(slices.Clone(at), m.deskBody)
		}
	case pack.OfOther:
		at = above
	case pack.OfOutside:
		at = []string{m.body, m.deskBody}
	default:
		at = []string{m.body}
	}
	for _, d := range m.s.Did {
		if d.Account != p.account {
			continue
		}
		if m.kind.Inspects != nil && d.From != m.s.Matter.ID {
			return refused
		}
		for _, not := range a.NotBy {
			if not == d.Kind+"."+d.Action || not == d.Action && d.Kind == m.kind.ID {
				return refused
			}
		}
	}
	for _, g := range p.grants {
		if !takes(a, g.duty) || !slices.Contains(at, g.body) {
			continue
		}
		other := slices.ContainsFunc(m.s.Did, func(d matter.Did) bool { return d.Account == p.account && d.Duty != g.duty })
		if a.Of == pack.OfSuperior && g.body == m.body && other {
			continue // nothing is above: another person has to do it
		}
		return letIn
	}
	return refused
}

// model says of every route how it answers somebody, given the matter that its address names. A route without a row fails the
// test: whoever adds one says here whom it is for.
var model = map[string]func(p *person, m *subject) answer{}

func rowsOf(f func(p *person, m *subject) answer, patterns ...string) {
	for _, x := range patterns {
		model[x] = f
	}
}

// everybody, signedIn and administers are the doors.
func everybody(*person, *subject) answer { return letIn }

func signedIn(p *person, _ *subject) answer {
	if p.account == 0 {
		return toDoor
	}
	return letIn
}

func administers(p *person, _ *subject) answer {
	switch {
	case p.account == 0:
		return toDoor
	case p.holds("admin"):
		return letIn
	}
	return missing
}

// on is a row of the table about a matter, behind the door of staff.
func on(act access.Act) func(p *person, m *subject) answer {
	return func(p *person, m *subject) answer {
		if p.account == 0 {
			return toDoor
		}
		return p.may(act, m)
	}
}

func init() {
	rowsOf(everybody, "GET /{$}", "GET /about", "GET /privacy", "GET /accessibility", "GET /robots.txt", "GET /log", "GET /verify", "GET /how",
		"GET /report", "GET /report/{kind}", "POST /report/{kind}", "GET /follow", "POST /follow", "POST /follow/leave", "GET /inspections",
		"GET /figures", "GET /figures/{measure}", "GET /figures/{measure}/table.csv", "GET /figures/{measure}/table.json",
		"GET /staff/sign-in", "POST /staff/sign-in", "POST /staff/sign-out")
	rowsOf(signedIn, "GET /staff/unlock", "POST /staff/unlock", "GET /staff/account", "GET /staff/account/password", "POST /staff/account/password",
		"POST /staff/account/language", "GET /staff/confirm", "POST /staff/confirm",
		"GET /staff/account/ways", "GET /staff/account/passkeys/new", "POST /staff/account/passkeys/new",
		"GET /staff/account/sessions", "POST /staff/account/sessions", "GET /staff/account/tokens", "GET /staff/account/tokens/new", "POST /staff/account/tokens/new",
		"GET /staff/duties", "GET /staff", "GET /staff/queue",
		"GET /staff/arrivals", "GET /staff/new", "GET /staff/account/ties", "POST /staff/account/ties",
		"GET /staff/bodies", "GET /staff/bodies/{id}", "GET /staff/officials", "GET /staff/officials/{id}")
	rowsOf(administers, "GET /admin", "GET /admin/accounts", "GET /admin/accounts/new", "POST /admin/accounts/new", "GET /admin/accounts/{id}",
		"GET /admin/accounts/{id}/change", "POST /admin/accounts/{id}/change", "GET /admin/accounts/{id}/grant", "POST /admin/accounts/{id}/grant",
		"GET /admin/packs", "GET /admin/settings")

	rowsOf(on(access.ActKnow), "GET /staff/matters/{ref}", "GET /staff/matters/{ref}/people", "GET /staff/matters/{ref}/timeline",
		"GET /staff/matters/{ref}/related", "GET /staff/matters/{ref}/messages")
	rowsOf(on(access.ActNote), "GET /staff/matters/{ref}/note", "POST /staff/matters/{ref}/note")
	rowsOf(on(access.ActLink), "GET /staff/matters/{ref}/link", "POST /staff/matters/{ref}/link")
	rowsOf(on(access.ActKnow), "GET /staff/matters/{ref}/files")
	rowsOf(func(p *person, m *subject) answer {
		if a := on(access.ActKnow)(p, m); a != letIn || !m.copied {
			return a
		}
		return missing // what was never recorded cannot be proved
	}, "GET /staff/matters/{ref}/proof/{n}", "GET /staff/matters/{ref}/proof/{n}/file")
	rowsOf(neverThere, "GET /staff/matters/{ref}/files/{id}/original", "GET /staff/matters/{ref}/files/{id}/copy") // see things for files that are
	// Whether they are let in depends on more than the table: on what is there, and in which state. Nobody is who may not write, or
	// may not know of the matter.
	rowsOf(unlessRefused, "POST /staff/matters/{ref}/files", "POST /staff/matters/{ref}/files/begin", "GET /staff/matters/{ref}/files/{id}",
		"PATCH /staff/matters/{ref}/files/{id}", "POST /staff/matters/{ref}/files/{id}/drop")
	rowsOf(unknownAreKeptOut, "GET /staff/matters/{ref}/done/{n}", "POST /staff/matters/{ref}/open")
	rowsOf(func(p *person, _ *subject) answer { // T1, T2, T3
		switch {
		case p.account == 0:
			return toDoor
		case slices.ContainsFunc(p.grants, func(g held) bool { return g.duty == "auditor" || g.duty == "admin" || dutySees[g.duty] == "subtree" }):
			return letIn
		}
		return missing
	}, "GET /staff/law")
	rowsOf(func(p *person, _ *subject) answer { // D1
		switch {
		case p.account == 0:
			return toDoor
		case p.holds("supervisor") || p.holds("inspector"):
			return letIn
		}
		return missing
	}, "GET /staff/inspections")
	// The steps have their own walk through the table: see everyStep.
	rowsOf(nil, "GET /staff/matters/{ref}/act/{action}", "POST /staff/matters/{ref}/act/{action}")
}

// anything is the answer of rows that only say who is kept out.
const anything answer = "anything"

func unknownAreKeptOut(p *person, m *subject) answer {
	switch {
	case p.account == 0:
		return toDoor
	case !p.know(m):
		return missing
	}
	return anything
}

// unlessRefused is row N of what is added to a file.
func unlessRefused(p *person, m *subject) answer {
	if p.account == 0 {
		return toDoor
	}
	if a := p.may(access.ActNote, m); a != letIn {
		return a
	}
	return anything
}

func neverThere(p *person, _ *subject) answer {
	if p.account == 0 {
		return toDoor
	}
	return missing
}

// matrix is the world the model is held to.
type matrix struct {
	*journey.Office
	t       *testing.T
	pack    *pack.Pack
	people  []*person
	codes   map[ref.BodyID]string
	matters []*subject
	copies  map[ref.MatterID]bool
	ids     []ref.MatterID // of the walk
	rnd     *rand.Rand
	brook   ref.OfficialID // Constable Brook, Other Town Police

	receipts map[ref.MatterID]ref.ReceiptCode // of reports that somebody can come back to
}

func TestAccessMatrix(t *testing.T) {
	for _, r := range web.Routes() {
		if _, ok := model[r.Pattern]; !ok {
			t.Errorf("route %q has no row in the model of the access matrix: say there whom it is for", r.Pattern)
		}
	}
	world.Each(t, func(t *testing.T, db *store.DB) {
		o := journey.Open(t, db)
		m := &matrix{Office: o, t: t, pack: o.Office.Active(), codes: map[ref.BodyID]string{}, receipts: map[ref.MatterID]ref.ReceiptCode{}, copies: map[ref.MatterID]bool{}, rnd: rand.New(rand.NewSource(11))}
		thePack = m.pack
		o.StartLog()
		drawn(t, o)
		m.populate()
		m.generate(db.Dialect() == store.SQLite)
		m.lists()
		m.things()
		m.answers(db.Dialect() != store.SQLite)
	})
}

func (m *matrix) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

func (m *matrix) tx(f func(ctx context.Context, tx *store.Tx) error) {
	m.t.Helper()
	m.must(m.DB.Tx(m.t.Context(), func(tx *store.Tx) error { return f(m.t.Context(), tx) }))
}

// populate adds people for every duty and every reason to be kept away, and signs everybody in.
func (m *matrix) populate() {
	by := register.By{Actor: journal.Actor{Duty: "operator"}, Via: journal.ViaCLI, At: m.Now()}
	m.tx(func(ctx context.Context, tx *store.Tx) error {
		tree, err := m.Engine.Tree(ctx, tx)
		if err != nil {
			return err
		}
		for _, b := range tree.All() {
			m.codes[b.ID] = b.Code
		}
		official := func(name string, posts ...register.Post) (ref.OfficialID, error) {
			o, err := register.AddOfficial(ctx, tx, by, register.Official{ID: ref.OfficialID(m.DB.NewID()), Name: name, Identified: 1, Posts: posts})
			return o.ID, err
		}
		body := func(code string) ref.BodyID { return tree.ByCode(code).ID }
		if m.brook, err = official("Cass Brook", register.Post{Body: body("other-police"), Rank: "staff", From: "2018"}); err != nil {
			return err
		}
		// A relative, a former colleague, somebody who works beside him, and one who commands him.
		if _, err := register.Declare(ctx, tx, by, register.Tie{ID: m.DB.NewID(), Account: m.Account["second intake officer"], Other: m.Vale, Kind: register.TieInterest}); err != nil {
			return err
		}
		for name, post := range map[string]register.Post{
			"second investigator": {Body: body("mill-street"), Rank: "staff", From: "2020", To: "2025-10"},
			"inspector":           {Body: body("other-police"), Rank: "staff", From: "2021"},
			"regional inspector":  {Body: body("town-police"), Rank: "local-head", From: "2024"},
		} {
			o, err := official("Somebody who is "+name, post)
			if err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, `UPDATE account SET official = $1 WHERE id = $2`, int64(o), int64(m.Account[name])); err != nil {
				return err
			}
		}
		return nil
	})
	hash, err := m.Accounts.HashPassword(m.t.Context(), journey.Password)
	m.must(err)
	m.hire(more, &hash)
	m.hire(managed, nil)
	never := map[string][]ref.OfficialID{"named officer": {m.Vale}, "second intake officer": {m.Vale}, "regional inspector": {m.Vale}, "inspector": {m.brook}}
	idle := map[string][]ref.OfficialID{"second investigator": {m.Vale}}
	m.people = []*person{{name: "stranger"}}
	people := map[string][]string{}
	maps.Copy(people, journey.People)
	maps.Copy(people, more)
	names := slices.Collect(maps.Keys(people))
	slices.Sort(names)
	for _, name := range names {
		if name == "newcomer" { // whom administrators manage here, and who is shut out by that
			continue
		}
		p := &person{name: name, account: m.Account[name], never: never[name], idle: idle[name]}
		for _, g := range people[name] {
			duty, body, _ := strings.Cut(g, "@")
			p.grants = append(p.grants, held{duty, body})
		}
		w := m.send(p, http.MethodPost, "/staff/sign-in", url.Values{"login": {journey.Login(name)}, "password": {journey.Password}, "return": {"/staff"}})
		if w.Code != http.StatusSeeOther {
			m.t.Fatalf("%s cannot sign in: %d", name, w.Code)
		}
		p.cookies = w.Result().Cookies()
		m.unlock(p)
		m.people = append(m.people, p)
	}
}

// unlock gets a person's keys, as the sign-in page does.
func (m *matrix) unlock(p *person) {
	v, ctx := m.Engine.Vault(), m.t.Context()
	secret := vault.Secret{Kind: "password", Bytes: []byte(journey.Password)}
	var has bool
	m.must(m.DB.Read(ctx, func(tx *store.Tx) (err error) { has, err = v.HasKey(ctx, tx, p.account); return err }))
	var err error
	if has {
		p.keys, err = v.Unlock(ctx, p.account, secret)
	} else {
		p.keys, err = v.Enrol(ctx, p.account, secret)
	}
	m.must(err)
}

// send asks the handler itself, without a network.
func (m *matrix) send(p *person, method, path string, form url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(form.Encode()))
	if method != http.MethodGet && method != http.MethodHead {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	for _, c := range p.cookies {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	m.Handler.ServeHTTP(w, r)
	return w
}

// generate walks through the procedures with random people and values until it has a matter in every state, or has tried
// enough; states it did not come to are made from a matter of the same kind.
func (m *matrix) generate(long bool) {
	tries := 900
	if !long {
		tries = 500
	}
	ctx := m.t.Context()
	var ids []ref.MatterID
	reached, failed := map[string]bool{}, map[string]int{}
	viewers := map[ref.AccountID]access.Viewer{}
	m.tx(func(ctx context.Context, tx *store.Tx) (err error) {
		for _, p := range m.people[1:] {
			if viewers[p.account], err = m.Accounts.ViewerOf(ctx, tx, p.account); err != nil {
				return err
			}
		}
		return nil
	})
	note := func(s matter.State) {
		reached[s.Matter.Kind+"."+s.Matter.State] = true
		if !slices.Contains(ids, s.Matter.ID) {
			ids = append(ids, s.Matter.ID)
			m.ids = ids
		}
	}
	open := func(kinds ...string) {
		k := m.pack.Kind(kinds[m.rnd.Intn(len(kinds))])
		fields := m.values(k.Fields, matter.State{}, nil)
		if len(kinds) == 1 { // about a station of the town, and nobody in particular
			fields["body"] = "mill-street"
			delete(fields, "official")
		}
		cmd := matter.OpenCmd{Kind: k.ID, Fields: fields, Actor: journal.Actor{Duty: "reporter"}, Via: journal.ViaWeb, Code: ref.NewReceiptCode()}
		var s matter.State
		if err := m.DB.Tx(ctx, func(tx *store.Tx) (err error) { s, err = m.Engine.Open(ctx, tx, cmd); return err }); err == nil {
			note(s)
			m.receipts[s.Matter.ID] = cmd.Code
		}
	}
	for i := range tries {
		if i%25 == 0 || len(ids) < 3 {
			open("report", "report", "self-report")
			continue
		}
		s, a := m.choose(ids, reached)
		if a == nil {
			continue
		}
		id, k := s.Matter.ID, m.pack.Kind(s.Matter.Kind)
		p := m.people[1+m.rnd.Intn(len(m.people)-1)]
		// Mostly somebody whose step it is by the table; the engine says whether that is so.
		x, fit := m.look(s), []*person(nil)
		for _, q := range m.people[1:] {
			if q.step(a, x) == letIn {
				fit = append(fit, q)
			}
		}
		if len(fit) > 0 && i%10 != 0 {
			p = fit[m.rnd.Intn(len(fit))]
		}
		cmd := matter.ActCmd{Matter: id, Action: a.ID, Fields: m.values(a.Fields, s, p), Viewer: viewers[p.account], Keys: p.keys, Via: journal.ViaWeb}
		if d := m.pack.Duty(a.By[0]); d.Actor != pack.ActorAccount && len(a.RecordedBy) == 0 {
			cmd.Viewer, cmd.Actor = access.Viewer{}, journal.Actor{Duty: d.ID}
		}
		var now matter.State
		err := m.DB.Tx(ctx, func(tx *store.Tx) (err error) { now, err = m.Engine.Act(ctx, tx, cmd); return err })
		if fault.KindOf(err) == fault.Internal && err != nil {
			m.t.Fatalf("%s on %s.%s: %v", a.ID, k.ID, s.Matter.State, err)
		}
		if err != nil {
			failed[err.Error()]++
			continue
		}
		note(now)
		for _, l := range now.Links {
			if l.Kind == matter.LinkOpens {
				note(m.MatterState(l.Other))
			}
		}
	}
	walked := len(reached)
	m.inspect(ids, note)
	all := 0
	for i := range m.pack.Kinds {
		k := &m.pack.Kinds[i]
		for j := range k.States {
			all++
			if st := &k.States[j]; !reached[k.ID+"."+st.ID] {
				ids = append(ids, m.put(ids, k, st))
			}
		}
	}
	m.t.Logf("%d of %d states reached by the engine, in %d matters", walked, all, len(ids))
	if walked < 20 {
		m.t.Errorf("the walk did not get about: %v\n%v", reached, failed)
	}
	if n := m.overdue(ids); n == 0 {
		m.t.Error("no matter is overdue")
	}
	untouched := len(ids)
	open("report")
	open("report")
	seen := map[string]int{}
	for i, id := range ids {
		s := m.MatterState(id)
		if state := fmt.Sprint(s.Matter.Kind, s.Matter.State); seen[state] == 0 || len(seen) < 6 || i >= untouched {
			seen[state]++
			m.matters = append(m.matters, m.look(s))
		}
	}
}

// choose picks a matter and a step of it: rather one that leads to where nobody was.
func (m *matrix) choose(ids []ref.MatterID, reached map[string]bool) (s matter.State, a *pack.Action) {
	for range 12 {
		s = m.MatterState(ids[m.rnd.Intn(len(ids))])
		k := m.pack.Kind(s.Matter.Kind)
		from := k.ActionsFrom(s.Matter.State)
		if len(from) == 0 {
			continue
		}
		a = from[m.rnd.Intn(len(from))]
		m.rnd.Shuffle(len(from), func(i, j int) { from[i], from[j] = from[j], from[i] })
		for _, b := range from {
			if b.To != "" && !reached[k.ID+"."+b.To] && m.rnd.Intn(4) > 0 {
				return s, b
			}
		}
	}
	return s, a
}

// MatterState loads a matter.
func (m *matrix) MatterState(id ref.MatterID) (s matter.State) {
	m.t.Helper()
	m.must(m.DB.Read(m.t.Context(), func(tx *store.Tx) (err error) { s, err = m.Engine.Load(m.t.Context(), tx, id); return err }))
	return s
}

func (m *matrix) look(s matter.State) *subject {
	x := &subject{s: s, kind: m.pack.Kind(s.Matter.Kind), body: m.codes[s.Matter.Body], desk: s.Matter.Desk, deskBody: m.codes[s.Matter.DeskBody],
		concerned: m.codes[s.Matter.Concerned], named: s.Named(), copied: m.copies[s.Matter.ID]}
	for _, a := range s.Assigned {
		x.involved = append(x.involved, a.Account)
	}
	for _, d := range s.Did {
		if d.From == s.Matter.ID {
			x.involved = append(x.involved, d.Account)
		}
	}
	return x
}

// inspect opens an inspection of a closed matter, which no step of the walk does.
func (m *matrix) inspect(ids []ref.MatterID, note func(matter.State)) {
	for _, id := range ids {
		if s := m.MatterState(id); s.Matter.Final == 0 {
			continue
		}
		var now matter.State
		err := m.DB.Tx(m.t.Context(), func(tx *store.Tx) (err error) {
			now, err = m.Engine.Inspect(m.t.Context(), tx, matter.InspectCmd{Matter: id, Actor: journal.Actor{Duty: "system"}, Via: journal.ViaCLI})
			return err
		})
		if err == nil {
			note(now)
			return
		}
	}
}

// put makes a matter of a kind that is in a state: a copy of another one, laid on the desk of the state.
func (m *matrix) put(ids []ref.MatterID, k *pack.Kind, st *pack.State) ref.MatterID {
	from := ids[0]
	for _, id := range ids {
		if s := m.MatterState(id); s.Matter.Kind == k.ID {
			from = id
		}
	}
	s := m.MatterState(from)
	desk, at := st.Desk, s.Matter.Body
	if desk == "" {
		desk = s.Matter.Desk
	}
	if st.Of == pack.OfSuperior {
		m.tx(func(ctx context.Context, tx *store.Tx) error {
			tree, err := m.Engine.Tree(ctx, tx)
			if err == nil {
				at = tree.Superior(at, func(ref.BodyID) bool { return true })
			}
			return err
		})
	}
	final := 0
	if st.Final {
		final = 1
	}
	id := m.DB.NewID()
	m.tx(func(ctx context.Context, tx *store.Tx) error {
		if _, err := tx.Exec(ctx, `INSERT INTO matter (id, ref, kind, pack, state, final, body, desk, desk_body, concerned, subject, n, received, opened, changed, closed, ended,
			source, source_key, source_status, due, due_clock, overdue, facts, data, title) SELECT $1, $2, $3, pack, $4, $5, body, $6, $7, concerned, subject, n, received, opened,
			changed, '', '', source, source_key, source_status, 0, '', 0, facts, data, title FROM matter WHERE id = $8`,
			id, string(ref.NewReference(k.Prefix)), k.ID, st.ID, final, desk, int64(at), int64(from)); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `INSERT INTO allegation (matter, no, official, described, body, rank, conduct, category, time, place, finding, standard, outcome, data)
			SELECT $1, no, official, described, body, rank, conduct, category, time, place, finding, standard, outcome, data FROM allegation WHERE matter = $2`, id, int64(from))
		return err
	})
	m.copies[ref.MatterID(id)] = true
	return ref.MatterID(id)
}

// overdue lets the clocks of one matter run out, and returns how many are overdue then.
func (m *matrix) overdue(ids []ref.MatterID) (n int64) {
	m.tx(func(ctx context.Context, tx *store.Tx) error {
		for _, id := range ids[:min(len(ids), 4)] {
			if _, err := tx.Exec(ctx, `UPDATE matter SET overdue = 1 WHERE id = $1 AND final = 0`, int64(id)); err != nil {
				return err
			}
		}
		return tx.QueryRow(ctx, `SELECT COUNT(*) FROM matter WHERE overdue = 1`).Scan(&n)
	})
	return n
}

func (m *matrix) values(fields []pack.Field, s matter.State, by *person) matter.Values {
	v := matter.Values{}
	one := func(all ...string) string { return all[m.rnd.Intn(len(all))] }
	for _, f := range fields {
		if !f.Required && m.rnd.Intn(3) == 0 {
			continue
		}
		switch f.Type {
		case pack.TypeChoice, pack.TypeReasonCode:
			l := m.pack.List(f.List)
			v[f.ID] = l.Values[m.rnd.Intn(len(l.Values))].ID
		case pack.TypeAccount:
			var fit []*person // whoever is at a desk that the matter may go to from here
			for _, a := range m.pack.Kind(s.Matter.Kind).ActionsFrom(s.Matter.State) {
				to := m.pack.Kind(s.Matter.Kind).State(a.To)
				for _, p := range m.people[1:] {
					if to != nil && slices.Contains(p.grants, held{to.Desk, m.codes[s.Matter.Body]}) {
						fit = append(fit, p)
					}
				}
			}
			if len(fit) == 0 {
				fit = m.people[1:]
			}
			v[f.ID] = fit[m.rnd.Intn(len(fit))].account.String()
		case pack.TypeOutcome:
			v[f.ID] = one("warning", "dismissal")
		case pack.TypePeriod:
			v[f.ID] = one("5d", "20d")
		case pack.TypeDate:
			v[f.ID] = "2026-03-01"
		case pack.TypeBody:
			v[f.ID] = one("mill-street", "mill-street", "other-police", "town-police")
		case pack.TypeConduct:
			v[f.ID] = one("bribery", "insult")
		case pack.TypeOfficial:
			v[f.ID] = matter.OfficialValue{ID: []ref.OfficialID{m.Vale, m.brook}[m.rnd.Intn(2)]}
		case pack.TypeAllegations:
			v[f.ID] = []matter.AllegationValue{{Conduct: "bribery", Time: "2026-02", Official: matter.OfficialValue{ID: []ref.OfficialID{m.Vale, m.brook}[m.rnd.Intn(2)]}}}
		case pack.TypeFindings:
			all := map[string]string{}
			for _, a := range s.Allegations {
				all[strconv.FormatInt(a.No, 10)] = one("sustained", "sustained", "unfounded")
			}
			v[f.ID] = all
		case pack.TypeCheck:
			all := map[string]string{}
			for _, x := range m.pack.List(f.List).Values {
				all[x.ID] = "yes"
			}
			v[f.ID] = all
		case pack.TypeYesNo:
			v[f.ID] = true
		case pack.TypeNumber:
			v[f.ID] = int64(1)
		case pack.TypeRank:
			v[f.ID] = "staff"
		case pack.TypeName, pack.TypeContact:
			v[f.ID] = "Robin Heron, robin@heron.example"
		case pack.TypeMatter:
			for range 20 {
				if o := m.MatterState(m.ids[m.rnd.Intn(len(m.ids))]); o.Matter.Kind == s.Matter.Kind && o.Matter.ID != s.Matter.ID && o.Matter.Final == 0 {
					v[f.ID] = string(o.Matter.Ref)
				}
			}
		case pack.TypeEarlier, pack.TypeQuestionnaire:
		default:
			v[f.ID] = "A marker: heron."
		}
	}
	return v
}

// lists holds what the SQL predicate finds, and what package access says of each act, to the model.
func (m *matrix) lists() {
	ctx := m.t.Context()
	for _, p := range m.people[1:] {
		m.must(m.DB.Read(ctx, func(tx *store.Tx) error {
			v, err := m.Accounts.ViewerOf(ctx, tx, p.account)
			if err != nil {
				return err
			}
			page, err := m.Engine.List(ctx, tx, matter.Query{Viewer: v, Limit: 500})
			if err != nil {
				return err
			}
			for _, x := range m.matters {
				listed := slices.ContainsFunc(page.Items, func(s matter.State) bool { return s.Matter.ID == x.s.Matter.ID })
				if want := p.know(x); listed != want {
					m.t.Errorf("%s: %s in %s: found by lists %v, the table says %v", p.name, x.kind.ID, x.s.Matter.State, listed, want)
				}
				f, err := m.Engine.Facts(ctx, tx, x.s)
				if err != nil {
					return err
				}
				for act, got := range map[access.Act]error{access.ActKnow: access.Look(v, f), access.ActFile: access.MayOpen(v, x.kind, f, access.File),
					access.ActReporter: access.MayOpen(v, x.kind, f, access.Reporter), access.ActRespond: access.MayOpen(v, x.kind, f, access.Respondent),
					access.ActIdentity: access.MayOpen(v, x.kind, f, access.Identity), access.ActAssign: access.MayAssign(v, x.kind, f),
					access.ActReadings: access.MayReadReadings(v, x.kind, f)} {
					said := letIn
					switch fault.KindOf(got) {
					case fault.NotFound:
						said = missing
					case fault.Forbidden:
						said = refused
					}
					if want := p.may(act, x); said != want {
						m.t.Errorf("%s: %s of a %s in %s: %s, the table says %s", p.name, act, x.kind.ID, x.s.Matter.State, said, want)
					}
				}
			}
			return nil
		}))
	}
}

// answers sends everybody everywhere. With few, each matter is tried with a sixth of the people in turn.
func (m *matrix) answers(few bool) {
	routes := web.Routes()
	before := m.Entries()
	var group sync.WaitGroup
	for i, p := range m.people {
		group.Add(1)
		go func() {
			defer group.Done()
			for n, r := range routes {
				method, path, _ := strings.Cut(r.Pattern, " ")
				if !strings.Contains(path, "{ref}") {
					m.check(p, nil, r, method, path)
					m.wrongMethods(p, path, i+n)
					continue
				}
				if model[r.Pattern] == nil {
					continue
				}
				for j, x := range m.matters {
					if few && (i+j)%6 != 0 || p.account == 0 && j > 2 || p.sees() == "" && (i+j+n)%5 != 0 { // the door is the same whatever lies behind it
						continue
					}
					// Whoever is kept out is kept out in every state. Pages that are shown are dear: those behind the same row
					// of the table as another one, or no row, are tried in some states with each person.
					if p.account != 0 && p.know(x) && (i+j+n)%6 != 0 && (model[r.Pattern](p, x) == anything || slices.Contains(tabs, path)) {
						continue
					}
					m.check(p, x, r, method, path)
				}
			}
			for j, x := range m.matters {
				if (!few || (i+j)%6 == 0) && (p.account != 0 || j < 3) && (p.sees() != "" || (i+j)%5 == 0) {
					m.everyStep(p, x, i+j)
				}
			}
		}()
	}
	group.Wait()
	if now := m.Entries(); now != before {
		m.t.Logf("%d entries were made by what was sent", now-before)
	}
}

// tabs are parts of a matter behind the same row as its first page.
var tabs = []string{"/staff/matters/{ref}/people", "/staff/matters/{ref}/timeline", "/staff/matters/{ref}/related", "/staff/matters/{ref}/messages",
	"/staff/matters/{ref}/files", "/staff/matters/{ref}/proof/{n}", "/staff/matters/{ref}/proof/{n}/file"}

// wrongMethods asks with a method that no route has: each person with another one.
func (m *matrix) wrongMethods(p *person, path string, turn int) {
	all := []string{http.MethodPut, http.MethodDelete, http.MethodPatch}
	for _, method := range all[turn%3 : turn%3+1] {
		if _, there := model[method+" "+path]; there {
			continue
		}
		if w := m.send(p, method, m.address(path, nil), nil); answerOf(w) != missing && answerOf(w) != refused {
			m.t.Errorf("%s %s by %s: %d", method, path, p.name, w.Code)
		}
	}
}

// address fills in a pattern.
func (m *matrix) address(path string, x *subject) string {
	path = strings.TrimSuffix(path, "{$}")
	fill := []string{"{kind}", "report", "{measure}", "reports", "{number}", "1", "{file}", "order.txt", "{n}", "1", "{key}", "AAAA", "{token}", "1"}
	switch {
	case strings.HasPrefix(path, "/staff/bodies/"):
		for id, code := range m.codes {
			if code == "town" {
				fill = append(fill, "{id}", id.String())
			}
		}
	case strings.HasPrefix(path, "/staff/officials/"):
		fill = append(fill, "{id}", m.Vale.String())
	case strings.HasPrefix(path, "/admin/accounts/"):
		fill = append(fill, "{id}", m.Account["new hire"].String())
	default:
		fill = append(fill, "{id}", "1")
	}
	if x != nil {
		fill = append(fill, "{ref}", string(x.s.Matter.Ref))
	}
	return strings.NewReplacer(fill...).Replace(path)
}

func (m *matrix) check(p *person, x *subject, r web.Route, method, path string) {
	if skip := r.Pattern == "POST /staff/sign-out" || r.Pattern == "POST /staff/account/sessions" || r.Pattern == "POST /staff/sign-in"; skip {
		return // they end the very session the matrix is walked with, or begin another
	}
	form := url.Values{"seen": {"999999"}}
	w := m.send(p, method, m.address(path, x), form)
	if w.Code >= 500 && w.Code != http.StatusServiceUnavailable && w.Code != http.StatusNotImplemented {
		m.t.Errorf("%s %s: %d", p.name, r.Pattern, w.Code)
	}
	where := r.Pattern
	if x != nil {
		where += " of a " + x.kind.ID + " in " + x.s.Matter.State
	}
	got := answerOf(w)
	if r.Door != "public" && p.account == 0 && got != toDoor && got != missing && got != refused {
		m.t.Errorf("a stranger comes through %s: %d", where, w.Code)
	}
	if r.Door == "admins" && p.account != 0 && !p.holds("admin") && got != missing {
		m.t.Errorf("%s, who administers nothing, comes through %s: %d", p.name, where, w.Code)
	}
	if f := model[r.Pattern]; f != nil {
		if want := f(p, x); want != anything && got != want {
			m.t.Errorf("%s %s: %s (%d), the table says %s", p.name, where, got, w.Code, want)
		}
	}
	m.nothingOf(p, where, w)
}

// nothingOf holds a page to showing nothing of matters that its reader may not know of: not even their reference.
func (m *matrix) nothingOf(p *person, where string, w *httptest.ResponseRecorder) {
	body := w.Body.String()
	if i := strings.LastIndex(body, "<!--"); i >= 0 {
		body = body[:i] // what pads a page is noise, in which any short word turns up some day
	}
	onlyAdmin := p.account == 0 && p.visits == 0 || p.account != 0 && !slices.ContainsFunc(p.grants, func(g held) bool { return dutySees[g.duty] != "" })
	if onlyAdmin && strings.Contains(body, "heron") {
		m.t.Errorf("%s reads content at %s", p.name, where)
	}
	for _, x := range m.matters {
		if strings.Contains(body, string(x.s.Matter.Ref)) && !p.know(x) && p.visits != x.s.Matter.ID && !strings.Contains(where, "{ref}") {
			m.t.Errorf("%s finds the reference of a %s they may not know of at %s", p.name, x.kind.ID, where)
		}
	}
}

// everyStep tries every step that the procedure has in the state, and one that it has not.
func (m *matrix) everyStep(p *person, x *subject, turn int) {
	for i := range x.kind.Actions {
		a := &x.kind.Actions[i]
		staffs := slices.ContainsFunc(append(slices.Clone(a.By), a.RecordedBy...), func(id string) bool { return dutySees[id] != "" })
		if !staffs {
			continue
		}
		if here := slices.Contains(a.From, x.s.Matter.State); !here && (i+turn)%5 != 0 {
			continue // steps the procedure does not have here: some with each person and state
		}
		path := "/staff/matters/" + string(x.s.Matter.Ref) + "/act/" + a.ID
		want := p.step(a, x)
		if p.account == 0 {
			want = toDoor
		}
		// A forged form, drawn from a state that never was: whoever may take the step is told so, nothing happens.
		got := answerOf(m.send(p, http.MethodPost, path, url.Values{"seen": {"999999"}}))
		if !slices.Contains(a.From, x.s.Matter.State) {
			if got == letIn && want != letIn && want != toDoor {
				m.t.Errorf("%s: %s, which a %s in %s does not have, is answered before the person is looked at", p.name, a.ID, x.kind.ID, x.s.Matter.State)
			}
			if want == missing && got != missing {
				m.t.Errorf("%s: POST %s on a %s in %s: %s, the table says missing", p.name, a.ID, x.kind.ID, x.s.Matter.State, got)
			}
			continue
		}
		if got != want {
			m.t.Errorf("%s: POST %s on a %s in %s: %s, the table says %s", p.name, a.ID, x.kind.ID, x.s.Matter.State, got, want)
		}
		if (i+turn)%3 != 0 {
			continue
		}
		if w := m.send(p, http.MethodGet, path, nil); want != letIn && answerOf(w) != want {
			m.t.Errorf("%s: GET %s on a %s in %s: %d, the table says %s", p.name, a.ID, x.kind.ID, x.s.Matter.State, w.Code, want)
		}
	}
}
