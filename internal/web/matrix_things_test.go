package web_test

import (
	"bytes"
	"context"
	"encoding/json"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"plumbline/internal/access"
	"plumbline/internal/account"
	"plumbline/internal/journal"
	"plumbline/internal/matter"
	"plumbline/internal/pack"
	"plumbline/internal/ref"
	"plumbline/internal/register"
	"plumbline/internal/store"
	"plumbline/internal/testing/journey"
)

// The rest of the access matrix: routes whose address names something that is no matter (an account, an invitation, a duty that
// waits, a draw, a file, a token), each with things that are the asker's own and others that are not, within their reach and
// beyond it. As before, what is expected is written from the printed table.

// More people than journey's office has: the duties that read, audit and publish, and others of known duties elsewhere.
var more = map[string][]string{
	"auditor": {"auditor@region"}, "analyst": {"analyst@town"}, "council analyst": {"analyst@council"}, "programme lead": {"programme@region"}, "press officer": {"press@town"},
	"personnel officer": {"personnel@town"}, "regional custodian": {"custodian@region"}, "supervisor of another town": {"supervisor@other"},
	"council administrator": {"admin@council"}, "custodian of a station": {"custodian@mill-street"},
}

// Accounts that nobody walks about with: they are what administrators manage.
var managed = map[string][]string{"new hire": nil, "town clerk": {"press@town"}, "clerk of another town": {"press@other"}, "council clerk": {"press@council"}}

// hire makes accounts with a password, or without.
func (m *matrix) hire(all map[string][]string, hash *account.Hash) {
	m.tx(func(ctx context.Context, tx *store.Tx) error {
		by := account.System(journal.ViaCLI)
		for name, grants := range all {
			id, err := m.Accounts.Create(ctx, tx, by, account.CreateCmd{Login: journey.Login(name), Name: strings.ToUpper(name[:1]) + name[1:], Lang: "en"})
			if err != nil {
				return err
			}
			m.Account[name] = id
			for _, g := range grants {
				duty, body, _ := strings.Cut(g, "@")
				if err := m.Accounts.Grant(ctx, tx, by, account.GrantCmd{Account: id, Duty: duty, Body: m.bodyID(body)}); err != nil {
					return err
				}
			}
			if hash != nil {
				if err := m.Accounts.SetHash(ctx, tx, by, id, *hash, false); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func (m *matrix) bodyID(code string) ref.BodyID {
	for id, c := range m.codes {
		if c == code {
			return id
		}
	}
	m.t.Fatalf("no body %s", code)
	return 0
}

// at reports whether the person holds one of the duties at a body or above it.
func (p *person) at(body string, duties ...string) bool {
	return slices.ContainsFunc(p.grants, func(g held) bool { return slices.Contains(duties, g.duty) && slices.Contains(chains[body], g.body) })
}

// manages is row M1: an administrator over every duty that the other one holds, who is somebody else.
func (p *person) manages(who string) answer {
	switch {
	case p.account == 0:
		return toDoor
	case !p.holds("admin"):
		return missing
	}
	for _, g := range managed[who] {
		if _, body, _ := strings.Cut(g, "@"); !p.at(body, "admin") {
			return refused
		}
	}
	return letIn
}

// draws and figures are rows D1, G1 and G2.
var (
	drawing = []string{"supervisor", "inspector"}
	exactly = []string{"custodian", "supervisor", "inspector", "programme", "analyst"}
)

// behind puts a row behind the door of staff.
func behind(f func(p *person) answer) func(p *person, _ *subject) answer {
	return func(p *person, _ *subject) answer {
		if p.account == 0 {
			return toDoor
		}
		return f(p)
	}
}

func yesNo(yes bool, no answer) answer {
	if yes {
		return letIn
	}
	return no
}

func always(a answer) func(*person, *subject) answer {
	return func(*person, *subject) answer { return a }
}

// opens is row O1: which duties open a kind by hand is the pack's to say.
func opens(p *person) answer {
	k := thePack.Kind("report")
	return yesNo(slices.ContainsFunc(p.grants, func(g held) bool { return slices.Contains(k.OpenBy, g.duty) }), refused)
}

var thePack *pack.Pack // that the matrix runs under

func init() {
	// What has no sender in particular. What is posted here is a receipt or a code, which whoever has it may use.
	rowsOf(everybody, "GET /.well-known/security.txt", "POST /receipt", "POST /receipt/proof", "POST /receipt/proof/file", "POST /staff/sign-in/passkey/ask", "POST /staff/sign-in/passkey",
		"GET /inspections/{number}", "POST /follow/act/{action}")
	// Pages of a visit, which a receipt code begins: accounts have none, whatever their duties.
	rowsOf(always(toCode), "GET /follow/proof", "GET /follow/proof/file", "GET /follow/act/{action}", "GET /follow/files", "POST /follow/files", "GET /follow/files/details")
	rowsOf(always(refused), "POST /follow/files/begin", "GET /follow/files/{id}", "PATCH /follow/files/{id}", "POST /follow/files/{id}/drop")
	// What this office does not have: mails, accounts elsewhere. And what was never given out, or is not there: see things.
	rowsOf(always(missing), "GET /follow/notices", "POST /follow/notices", "GET /staff/sign-in/elsewhere", "GET /staff/sign-in/elsewhere/back",
		"GET /inspections/{number}/{file}", "GET /invite/{token}", "POST /invite/{token}", "GET /staff/sign-in/browser/{token}", "POST /staff/sign-in/browser/{token}")
	rowsOf(always(toDoor), "GET /staff/sign-in/code", "POST /staff/sign-in/code") // without the first half of a sign-in
	// One's own account, whoever one is.
	rowsOf(signedIn, "POST /staff/account/passkeys/new/ask", "GET /staff/account/phrase", "POST /staff/account/phrase", "GET /staff/account/phrase/remove", "POST /staff/account/phrase/remove", "GET /staff/account/code", "POST /staff/account/code",
		"GET /staff/account/code/remove", "POST /staff/account/code/remove", "GET /staff/account/recovery", "GET /staff/account/tokens/{token}/remove", "GET /staff/account/notices",
		"GET /staff/desks", "GET /staff/search", "POST /staff/search", "GET /staff/assign", "POST /staff/assign", "GET /staff/arrivals/step", "POST /staff/arrivals/step")
	// Nobody's: what one does not have, and what the address names is not there or not theirs.
	rowsOf(behind(func(*person) answer { return missing }), "GET /staff/account/elsewhere", "GET /staff/account/elsewhere/remove", "POST /staff/account/elsewhere/remove",
		"POST /staff/account/passkeys/ask", "GET /staff/account/passkeys/{key}", "POST /staff/account/passkeys/{key}", "GET /staff/account/passkeys/{key}/remove",
		"POST /staff/account/passkeys/{key}/remove", "POST /staff/account/recovery", "POST /staff/account/tokens/{token}/remove", "POST /staff/account/ties/{id}/end",
		"GET /staff/duties/answer", "POST /staff/duties/answer", "POST /staff/account/notices", "GET /admin/accounts/{id}/elsewhere", "POST /admin/accounts/{id}/elsewhere")
	rowsOf(behind(func(*person) answer { return refused }), "POST /staff/desks") // a desk that nobody is at
	rowsOf(behind(opens), "GET /staff/new/{kind}", "POST /staff/new/{kind}")
	rowsOf(behind(func(p *person) answer { return yesNo(p.at("council", exactly...), refused) }), "GET /figures/{measure}/matters")
	rowsOf(behind(func(p *person) answer { return yesNo(p.holds("supervisor") || p.holds("inspector"), missing) }),
		"GET /staff/inspections/new", "POST /staff/inspections/new", "GET /staff/inspections/{number}")
	rowsOf(behind(func(p *person) answer { // it was drawn before: whoever may draw there is told so
		switch {
		case !p.holds("supervisor") && !p.holds("inspector"):
			return missing
		case !p.at("town", drawing...):
			return refused
		}
		return letIn
	}), "POST /staff/inspections/{number}")
	rowsOf(behind(func(p *person) answer { // the settings are the whole office's
		switch {
		case !p.holds("admin"):
			return missing
		case !p.at("council", "admin"):
			return refused
		}
		return letIn
	}), "POST /admin/settings")
	// Pages that ask before something is done are for every administrator; doing it is not: see things.
	rowsOf(administers, "GET /admin/accounts/{id}/browser", "GET /admin/accounts/{id}/password", "GET /admin/accounts/{id}/active", "GET /admin/accounts/{id}/invite", "GET /admin/accounts/{id}/uninvite",
		"GET /admin/accounts/{id}/tokens/{token}/remove")
	rowsOf(behind(func(p *person) answer { return yesNo(p.holds("admin"), missing) }), "POST /admin/accounts/{id}/password", "POST /admin/accounts/{id}/active",
		"POST /admin/accounts/{id}/browser", "POST /admin/accounts/{id}/invite", "POST /admin/accounts/{id}/uninvite")
	rowsOf(behind(func(*person) answer { return missing }), "GET /admin/accounts/{id}/revoke", "POST /admin/accounts/{id}/revoke", "POST /admin/accounts/{id}/tokens/{token}/remove")
}

// expect sends one request and holds the answer to the table.
func (m *matrix) expect(p *person, what, method, path string, form url.Values, want answer) *httptest.ResponseRecorder {
	m.t.Helper()
	w := m.send(p, method, path, form)
	if got := answerOf(w); got != want {
		m.t.Errorf("%s: %s (%s %s): %s (%d), the table says %s", p.name, what, method, path, got, w.Code, want)
	}
	if strings.Contains(path, "?m=") || form.Has("m") || strings.HasPrefix(path, "/staff/matters/") {
		what += " {ref}" // what is sent comes back, as the address of the page
	}
	m.nothingOf(p, what, w)
	return w
}

// things goes through what is no matter.
func (m *matrix) things() {
	m.hire(map[string][]string{"trainee": nil}, nil)
	m.accounts()
	m.ownThings()
	m.waitingDuties()
	m.draws()
	m.lookAround()
	m.files()
	m.visits()
}

// accounts are managed by administrators over all of their duties, and by nobody else.
func (m *matrix) accounts() {
	by := account.System(journal.ViaCLI)
	for who, grants := range managed {
		id := m.Account[who]
		base := "/admin/accounts/" + id.String()
		for i, p := range m.people {
			want := p.manages(who)
			sees := want
			if want == refused {
				sees = letIn // what anybody holds is no secret to those who administer
			}
			m.expect(p, "the account of the "+who, http.MethodGet, base, nil, sees)
			m.expect(p, "resetting the "+who, http.MethodPost, base+"/password", nil, want)
			m.expect(p, "inviting the "+who, http.MethodPost, base+"/invite", nil, want)
			m.expect(p, "uninviting the "+who, http.MethodPost, base+"/uninvite", nil, want)
			m.expect(p, "shutting out the "+who, http.MethodPost, base+"/active", nil, want)
			m.tx(func(ctx context.Context, tx *store.Tx) error {
				st, err := m.Accounts.Load(ctx, tx, id)
				if err == nil && (st.Account.Active == 0) != (want == letIn) {
					m.t.Errorf("%s: the %s is now %+v", p.name, who, st.Account)
				}
				if err != nil || st.Account.Active != 0 {
					return err
				}
				return m.Accounts.Activate(ctx, tx, by, id)
			})
			var token account.Token
			m.tx(func(ctx context.Context, tx *store.Tx) (err error) {
				_, token, err = m.Accounts.MakeToken(ctx, tx, by, account.TokenCmd{Account: id, Name: "token " + strconv.Itoa(i), Scopes: []string{account.ScopeFigures}, Days: 5})
				return err
			})
			m.expect(p, "a token of the "+who, http.MethodPost, base+"/tokens/"+strconv.FormatInt(token.ID, 10)+"/remove", nil, want)
			if len(grants) == 0 {
				continue
			}
			_, body, _ := strings.Cut(grants[0], "@")
			const duty = "programme"
			from := strconv.Itoa(2200+i) + "-01-01"
			m.tx(func(ctx context.Context, tx *store.Tx) error {
				return m.Accounts.Grant(ctx, tx, by, account.GrantCmd{Account: id, Duty: duty, Body: m.bodyID(body), From: from, Until: strconv.Itoa(2200+i) + "-02-01"})
			})
			form := url.Values{"duty": {duty}, "body": {m.bodyID(body).String()}, "from": {from}}
			m.expect(p, "the page to take a duty from the "+who, http.MethodGet, base+"/revoke?"+form.Encode(), nil, sees)
			m.expect(p, "taking a duty from the "+who, http.MethodPost, base+"/revoke", form, want)
		}
	}
	// To give a duty takes being over the body where it is.
	for i, p := range m.people {
		for _, body := range []string{"town", "other", "council"} {
			want := yesNo(p.at(body, "admin"), refused)
			switch {
			case p.account == 0:
				want = toDoor
			case !p.holds("admin"):
				want = missing
			}
			year := strconv.Itoa(2030 + 2*i)
			m.expect(p, "a duty at "+body, http.MethodPost, "/admin/accounts/"+m.Account["trainee"].String()+"/grant", url.Values{"duty": {"press"}, "body": {body},
				"from.day": {"1"}, "from.month": {"2"}, "from.year": {year}, "until.day": {"1"}, "until.month": {"3"}, "until.year": {year}}, want)
		}
	}
}

// ownThings are tokens, declarations and invitations.
func (m *matrix) ownThings() {
	by := account.System(journal.ViaCLI)
	owner := m.Account["investigator"]
	var token account.Token
	tie := m.DB.NewID()
	var invited string
	m.tx(func(ctx context.Context, tx *store.Tx) (err error) {
		if _, token, err = m.Accounts.MakeToken(ctx, tx, by, account.TokenCmd{Account: owner, Name: "own", Scopes: []string{account.ScopeFigures}, Days: 5}); err != nil {
			return err
		}
		if _, err = tx.Exec(ctx, `INSERT INTO passkey (id, account, name, credential, made, used) VALUES ($1, $2, 'own', $3, 1, 1)`, []byte{1, 2, 3}, int64(owner), []byte("{}")); err != nil {
			return err
		}
		nobody, err := register.AddOfficial(ctx, tx, register.By{Actor: journal.Actor{Duty: "operator"}, Via: journal.ViaCLI, At: m.Now()},
			register.Official{ID: ref.OfficialID(m.DB.NewID()), Name: "Whom no matter names", Identified: 1})
		if err != nil {
			return err
		}
		if _, err = register.Declare(ctx, tx, register.By{Actor: journal.Actor{Duty: "operator"}, Via: journal.ViaCLI, At: m.Now()},
			register.Tie{ID: tie, Account: owner, Other: nobody.ID, Kind: register.TieInterest, From: m.Accounts.Today()}); err != nil {
			return err
		}
		invited, _, err = m.Accounts.Invite(ctx, tx, by, m.Account["new hire"])
		return err
	})
	ordered := slices.Clone(m.people) // whose it is comes last: then it is gone
	slices.SortStableFunc(ordered, func(a, b *person) int { return yesSorts(a.account == owner) - yesSorts(b.account == owner) })
	for _, p := range ordered {
		want := yesNo(p.account == owner, missing)
		if p.account == 0 {
			want = toDoor
		}
		m.expect(p, "a passkey", http.MethodGet, "/staff/account/passkeys/AQID", nil, want)
		m.expect(p, "naming a passkey", http.MethodPost, "/staff/account/passkeys/AQID", url.Values{"name": {"mine"}}, want)
		m.expect(p, "taking a passkey away", http.MethodPost, "/staff/account/passkeys/AQID/remove", nil, want)
		m.expect(p, "a token", http.MethodPost, "/staff/account/tokens/"+strconv.FormatInt(token.ID, 10)+"/remove", nil, want)
		m.expect(p, "a declaration", http.MethodPost, "/staff/account/ties/"+strconv.FormatInt(tie, 10)+"/end", nil, want)
		m.expect(p, "an invitation that was given out", http.MethodGet, "/invite/"+invited, nil, letIn)
		m.expect(p, "an invitation that was not", http.MethodGet, "/invite/"+invited[1:]+invited[:1], nil, missing)
	}
}

func yesSorts(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// waitingDuties are answered by another administrator over the body, or by somebody who is at that desk.
func (m *matrix) waitingDuties() {
	asker := m.Account["town administrator"]
	day := "2031-05-01"
	m.tx(func(ctx context.Context, tx *store.Tx) error {
		v, err := m.Accounts.ViewerOf(ctx, tx, asker)
		if err != nil {
			return err
		}
		return m.Accounts.Grant(ctx, tx, account.Person(v, journal.ViaWeb), account.GrantCmd{Account: m.Account["new hire"], Duty: "intake", Body: m.bodyID("town"), From: day})
	})
	form := url.Values{"account": {m.Account["new hire"].String()}, "duty": {"intake"}, "body": {m.bodyID("town").String()}, "from": {day}}
	for _, p := range m.people {
		want := yesNo(p.at("town", "admin") || slices.Contains(p.grants, held{"intake", "town"}), missing)
		if p.account == 0 {
			want = toDoor
		}
		m.expect(p, "a duty that waits", http.MethodGet, "/staff/duties/answer?"+form.Encode(), nil, want)
		m.expect(p, "answering neither yes nor no", http.MethodPost, "/staff/duties/answer", form, want)
	}
}

// draws are public; who may know of what was drawn is not.
func (m *matrix) draws() {
	for _, p := range m.people {
		m.expect(p, "a draw", http.MethodGet, "/inspections/1", nil, letIn)
		m.expect(p, "a draw that never was", http.MethodGet, "/inspections/99", nil, missing)
		m.expect(p, "the file of a draw", http.MethodGet, "/inspections/1/draw-1.json", nil, letIn)
		want := yesNo(p.holds("supervisor") || p.holds("inspector"), missing)
		if p.account == 0 {
			want = toDoor
		}
		m.expect(p, "what was drawn", http.MethodGet, "/staff/inspections/1", nil, want)
		for _, body := range []string{"town", "other", "council"} {
			previews := want
			if want == letIn {
				previews = yesNo(p.at(body, drawing...), refused)
			}
			m.expect(p, "what a draw from "+body+" would come to", http.MethodGet, "/staff/inspections/new?share=5&sure=95&body="+body, nil, previews)
		}
	}
}

// lookAround reads what counts or searches over many matters.
func (m *matrix) lookAround() {
	for _, p := range m.people {
		for _, body := range []string{"town", "other", "mill-street", "council"} {
			want := yesNo(p.at(body, exactly...), refused)
			if p.account == 0 {
				want = toDoor
			}
			m.expect(p, "the matters behind a number of "+body, http.MethodGet, "/figures/reports/matters?body="+body, nil, want)
			var res struct{ Public bool }
			m.must(json.Unmarshal(m.expect(p, "figures of "+body, http.MethodGet, "/figures/reports/table.json?body="+body, nil, letIn).Body.Bytes(), &res))
			if res.Public == p.at(body, exactly...) {
				m.t.Errorf("%s reads figures of %s as the public does: %v", p.name, body, res.Public)
			}
		}
		if p.account == 0 {
			continue
		}
		w := m.expect(p, "a search in what is sealed", http.MethodPost, "/staff/search", url.Values{"words": {"marker"}}, yesNo(p.keys != nil, refused))
		for _, x := range m.matters {
			if !strings.Contains(w.Body.String(), string(x.s.Matter.Ref)) {
				continue
			}
			if p.may(access.ActFile, x) != letIn && p.may(access.ActReporter, x) != letIn && p.may(access.ActRespond, x) != letIn {
				m.t.Errorf("%s finds words of a %s in %s, which they may not open", p.name, x.kind.ID, x.s.Matter.State)
			}
		}
		for i, x := range m.matters {
			want := yesNo(p.know(x), missing)
			if i%4 == 0 || want == missing {
				m.expect(p, "giving away a "+x.kind.ID, http.MethodGet, "/staff/assign?m="+string(x.s.Matter.Ref), nil, want)
				m.expect(p, "a step on several", http.MethodGet, "/staff/arrivals/step?m="+string(x.s.Matter.Ref), nil, want)
			}
			if i%8 == 0 || want == missing && i%2 == 0 {
				m.expect(p, "giving away a "+x.kind.ID, http.MethodPost, "/staff/assign", url.Values{"m": {string(x.s.Matter.Ref)}, "n": {"0"}, "to": {p.account.String()}}, want)
			}
		}
	}
}

// files are added by who may write, taken up again by who began them, and shown to who has opened the file.
func (m *matrix) files() {
	i := slices.IndexFunc(m.matters, func(x *subject) bool {
		return m.receipts[x.s.Matter.ID] != "" && x.s.Matter.Desk == "intake" && x.deskBody == "town" && x.s.Matter.Final == 0 && len(x.named) == 0
	})
	if i < 0 {
		m.t.Fatal("no report lies at intake")
	}
	x := m.matters[i]
	home := "/staff/matters/" + string(x.s.Matter.Ref) + "/files"
	owner := m.people[slices.IndexFunc(m.people, func(p *person) bool { return p.name == "intake officer" })]
	id := m.begin(owner, home)
	kept := m.attach(owner, home, x)
	view := func(want func(p *person) answer, what, path string) {
		for _, p := range m.people {
			if p.account == 0 {
				m.expect(p, what, http.MethodGet, path, nil, toDoor)
				continue
			}
			a := p.may(access.ActFile, x)
			if a == letIn {
				a = want(p)
			}
			m.expect(p, what, http.MethodGet, path, nil, a)
		}
	}
	view(func(p *person) answer { return yesNo(p == owner, missing) }, "a file that is arriving", home+"/"+id)
	view(func(*person) answer { return refused }, "a file nobody has opened", home+"/"+kept+"/original")
	m.expect(owner, "opening what is sealed", http.MethodPost, "/staff/matters/"+string(x.s.Matter.Ref)+"/open", url.Values{"reason": {"work"}}, letIn)
	view(func(p *person) answer { return yesNo(p == owner, refused) }, "a file that one of them has opened", home+"/"+kept+"/original")
	for _, other := range m.matters { // its number under another matter
		if other != x && other.s.Matter.Kind == "report" && owner.may(access.ActFile, other) == letIn {
			m.expect(owner, "a file under another matter", http.MethodGet, "/staff/matters/"+string(other.s.Matter.Ref)+"/files/"+kept+"/original", nil, missing)
		}
	}
	for _, p := range m.people {
		want := letIn
		if p.account == 0 {
			want = toDoor
		} else if a := p.may(access.ActFile, x); a != letIn {
			want = a
		}
		m.expect(p, "beginning a file", http.MethodPost, home+"/begin", url.Values{"name": {"x"}, "size": {"-"}}, want)
		if p != owner {
			m.expect(p, "dropping somebody else's file", http.MethodPost, home+"/"+id+"/drop", nil, want) // done, or nothing there to drop: it is the same page
		}
	}
	m.expect(owner, "the file, which is still arriving", http.MethodGet, home+"/"+id, nil, letIn)
}

// begin starts a file that comes in pieces, and returns its number.
func (m *matrix) begin(p *person, home string) string {
	var told struct{ ID string }
	w := m.send(p, http.MethodPost, home+"/begin", url.Values{"name": {"photo.jpg"}, "size": {"1000"}})
	if err := json.Unmarshal(w.Body.Bytes(), &told); err != nil || told.ID == "" {
		m.t.Fatalf("%s cannot begin a file: %d %s", p.name, w.Code, w.Body)
	}
	return told.ID
}

// attach sends a whole file, and returns its number.
func (m *matrix) attach(p *person, home string, x *subject) string {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("file", "note.txt")
	m.must(err)
	_, err = part.Write([]byte("A marker: heron."))
	m.must(err)
	m.must(form.Close())
	r := httptest.NewRequest(http.MethodPost, home, &body)
	r.Header.Set("Content-Type", form.FormDataContentType())
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	for _, c := range p.cookies {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	m.Handler.ServeHTTP(w, r)
	var id string
	m.must(m.DB.Read(m.t.Context(), func(tx *store.Tx) error {
		all, err := m.Engine.History(m.t.Context(), tx, x.s.Matter.ID)
		for _, e := range all {
			if e.Action == matter.ActionAttach {
				id, _ = e.Fields[matter.FieldFile].(string)
			}
		}
		return err
	}))
	if id == "" {
		m.t.Fatalf("%s cannot attach a file: %d", p.name, w.Code)
	}
	return id
}

// visits are begun with a receipt code: a reporter has their own report and its files, and nothing else.
func (m *matrix) visits() {
	var all []*person
	for _, x := range m.matters {
		code := m.receipts[x.s.Matter.ID]
		if code == "" || x.s.Matter.Final != 0 || len(all) == 2 {
			continue
		}
		p := &person{name: "reporter of " + string(x.s.Matter.Ref), visits: x.s.Matter.ID}
		w := m.send(p, http.MethodPost, "/follow", url.Values{"code": {string(code)}})
		if p.cookies = w.Result().Cookies(); len(p.cookies) == 0 {
			m.t.Fatalf("%s cannot come back: %d", p.name, w.Code)
		}
		all = append(all, p)
	}
	if len(all) < 2 {
		m.t.Fatal("too few reporters")
	}
	files := []string{m.begin(all[0], "/follow/files"), m.begin(all[1], "/follow/files")}
	for i, p := range all {
		for _, path := range []string{"/follow", "/follow/files", "/follow/files/details"} {
			m.expect(p, "their visit", http.MethodGet, path, nil, letIn)
		}
		m.expect(p, "their file", http.MethodGet, "/follow/files/"+files[i], nil, letIn)
		m.expect(p, "the file of another reporter", http.MethodGet, "/follow/files/"+files[1-i], nil, missing)
		m.expect(p, "dropping the file of another reporter", http.MethodPost, "/follow/files/"+files[1-i]+"/drop", nil, letIn) // as above
		m.expect(all[1-i], "the other file, which is still there", http.MethodGet, "/follow/files/"+files[1-i], nil, letIn)
		for _, x := range m.matters[:3] {
			m.expect(p, "the page of staff", http.MethodGet, "/staff/matters/"+string(x.s.Matter.Ref), nil, toDoor)
		}
		m.expect(p, "the start page of staff", http.MethodGet, "/staff", nil, toDoor)
		m.expect(p, "the start page of administrators", http.MethodGet, "/admin", nil, toDoor)
	}
}
