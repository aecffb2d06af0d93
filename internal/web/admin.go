package web

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"plumbline/internal/access"
	"plumbline/internal/account"
	"plumbline/internal/fault"
	"plumbline/internal/journal"
	"plumbline/internal/pack"
	"plumbline/internal/ref"
	"plumbline/internal/store"
	"plumbline/internal/vault"
	"plumbline/internal/web/view"
	"plumbline/internal/words"
)

// adminPageSize is how many accounts stand on a page.
const adminPageSize = 50

func (s *Server) adminHome(w http.ResponseWriter, r *http.Request) error {
	say := words.From(r.Context())
	v := viewer(r)
	var names bodyNames
	if err := s.DB.Read(r.Context(), func(tx *store.Tx) (err error) { names, err = s.bodyNames(r.Context(), tx, say); return err }); err != nil {
		return err
	}
	var over []string
	for _, g := range v.Grants {
		if g.Admin {
			over = append(over, names.name(g.Body))
		}
	}
	p := s.Office.Active()
	waits, err := s.dutiesNote(r)
	if err != nil {
		return err
	}
	return sheetView.Show(s.site, w, r, sheet{
		Shell:   view.Shell{Title: say.T("admin.title"), Staff: true},
		Heading: say.T("admin.title"), Lede: say.T("admin.lede", "bodies", say.List(over)),
		Sections: []section{
			{Note: waits},
			{Heading: say.T("admin.accounts"), Quiet: say.T("admin.accounts.hint"), More: view.Link{Text: say.T("admin.accounts.open"), Href: "/admin/accounts"}},
			{Heading: say.T("admin.packs"), Quiet: say.T("admin.packs.now", "pack", say.Text(p.Title), "version", p.Version), More: view.Link{Text: say.T("admin.packs.open"), Href: "/admin/packs"}},
			{Heading: say.T("admin.settings"), Quiet: say.T("admin.settings.hint"), More: view.Link{Text: say.T("admin.settings.open"), Href: "/admin/settings"}},
		},
	})
}

// adminAccounts lists accounts. Whoever administers anything may know who works here: a person can only be given a
// duty by somebody who can find them.
func (s *Server) adminAccounts(w http.ResponseWriter, r *http.Request) error {
	say, q := words.From(r.Context()), r.URL.Query()
	f := account.Filter{Text: q.Get("q"), Duty: q.Get("duty"), Inactive: q.Get("inactive") == "yes", After: q.Get("after"), Limit: adminPageSize + 1}
	var all []account.Listed
	var names bodyNames
	err := s.DB.Read(r.Context(), func(tx *store.Tx) (err error) {
		if names, err = s.bodyNames(r.Context(), tx, say); err != nil {
			return err
		}
		if b := names.tree.ByCode(q.Get("body")); b != nil {
			f.Under = b.ID
		}
		all, err = s.Accounts.List(r.Context(), tx, f)
		return err
	})
	if err != nil {
		return err
	}
	page := list{
		Shell:   view.Shell{Title: say.T("admin.accounts"), Staff: true, Crumbs: adminCrumbs(say)},
		Heading: say.T("admin.accounts"), Buttons: []view.Link{{Text: say.T("admin.account.new"), Href: "/admin/accounts/new"}},
		Filter: s.accountFilter(say, r, names),
		Table: view.Table{
			Caption: say.T("admin.accounts"), CaptionHidden: true, Cards: true, Keys: true,
			Columns: []view.Column{{Text: say.T("admin.account.name")}, {Text: say.T("staff.sign.login")}, {Text: say.T("staff.account.duties")}, {Text: say.T("admin.account.state")}},
			Empty:   view.Empty{Title: say.T("admin.accounts.none"), Text: say.T("admin.accounts.none.text"), Link: view.Link{Text: say.T("admin.account.new"), Href: "/admin/accounts/new"}},
		},
	}
	if len(all) > adminPageSize {
		all = all[:adminPageSize]
		page.Next = withQuery(r.URL, "after", all[len(all)-1].Login)
	}
	if f.After != "" {
		page.First = withQuery(r.URL, "after", "")
	}
	for _, a := range all {
		var duties []string
		for _, g := range a.Grants {
			duties = append(duties, say.T("staff.duty.at", "duty", s.duty(say, g.Duty), "body", names.name(g.Body)))
		}
		page.Table.Rows = append(page.Table.Rows, view.Row{Label: a.Name, Cells: []view.Cell{
			{Text: a.Name, Href: "/admin/accounts/" + a.ID.String(), Header: true}, {Text: a.Login},
			{Text: strings.Join(duties, say.T("words.list.comma"))}, {Tags: []view.Tag{activeTag(say, a.Account)}},
		}})
	}
	return listView.Show(s.site, w, r, page)
}

func activeTag(say *words.Speaker, a account.Account) view.Tag {
	if a.Active == 0 {
		return view.Tag{Tone: view.Waiting, Text: say.T("admin.account.inactive")}
	}
	return view.Tag{Tone: view.Success, Text: say.T("admin.account.active")}
}

func (s *Server) accountFilter(say *words.Speaker, r *http.Request, names bodyNames) *view.FilterPanel {
	q := r.URL.Query()
	duty := view.Input{Kind: view.Select, Name: "duty", Label: say.T("staff.duty"), Empty: say.T("staff.any"), Options: s.dutyOptions(say)}.Choose(q.Get("duty"))
	body := view.Input{Kind: view.Select, Name: "body", Label: say.T("staff.body.under"), Empty: say.T("staff.any"), Options: bodyOptions(names, nil)}.Choose(q.Get("body"))
	inactive := view.Input{Kind: view.Checkboxes, Name: "inactive", Label: say.T("admin.account.state"), Small: true,
		Options: []view.Option{{Value: "yes", Text: say.T("admin.accounts.inactive-too")}}}.Choose(q.Get("inactive"))
	panel := &view.FilterPanel{Action: "/admin/accounts", Fields: []view.Input{
		{Kind: view.Search, Name: "q", Label: say.T("admin.account.search"), Value: q.Get("q")}, duty, body, inactive,
	}}
	for name, text := range map[string]string{"q": q.Get("q"), "duty": chosen(duty), "body": chosen(body), "inactive": chosen(inactive)} {
		if text != "" {
			panel.Chips = append(panel.Chips, view.Link{Text: text, Href: withQuery(r.URL, name, "", "after", "")})
			panel.Clear = "/admin/accounts"
		}
	}
	slices.SortFunc(panel.Chips, func(a, b view.Link) int { return strings.Compare(a.Href, b.Href) })
	return panel
}

// chosen is the text of the option that is chosen, empty if none is.
func chosen(in view.Input) string {
	for _, o := range in.Options {
		if o.Chosen && o.Value != "" {
			return o.Text
		}
	}
	return ""
}

func (s *Server) dutyOptions(say *words.Speaker) []view.Option {
	var out []view.Option
	for _, d := range s.Office.Active().Duties {
		if d.Actor == pack.ActorAccount || d.Actor == "" {
			out = append(out, view.Option{Value: d.ID, Text: s.duty(say, d.ID)})
		}
	}
	return out
}

// bodyOptions are the bodies that keep lets through, by code, each under those above it.
func bodyOptions(names bodyNames, keep func(ref.BodyID) bool) []view.Option {
	var out []view.Option
	for _, b := range names.tree.All() {
		if b.MergedInto != 0 || b.To != "" || keep != nil && !keep(b.ID) {
			continue
		}
		depth := len(names.tree.Above(b.ID)) - 1
		out = append(out, view.Option{Value: b.Code, Text: strings.Repeat("\u2003", min(depth, 6)) + names.name(b.ID)})
	}
	return out
}

func (s *Server) newAccountForm(say *words.Speaker) formPage {
	return formPage{
		Shell:   view.Shell{Title: say.T("admin.account.new"), Staff: true, Crumbs: adminCrumbs(say, view.Link{Text: say.T("admin.accounts"), Href: "/admin/accounts"})},
		Heading: say.T("admin.account.new"), Lede: say.T("admin.account.new.lede"),
		Form: view.Form{Submit: say.T("admin.account.create"), Cancel: view.Link{Text: say.T("ui.cancel"), Href: "/admin/accounts"}, Inputs: []view.Input{
			{Kind: view.Text, Name: "name", Label: say.T("admin.account.name"), Hint: say.T("admin.account.name.hint"), Width: "20"},
			{Kind: view.Text, Name: "login", Label: say.T("staff.sign.login"), Hint: say.T("admin.account.login.hint"), Width: "20", NoSpell: true},
			s.languageInput(say, ""),
		}},
	}
}

func (s *Server) languageInput(say *words.Speaker, now string) view.Input {
	in := view.Input{Kind: view.Radios, Name: "lang", Label: say.T("staff.account.language"), Inline: true}
	for _, other := range s.Book.Speakers() {
		in.Options = append(in.Options, view.Option{Value: other.Lang(), Text: other.Name()})
	}
	if now == "" {
		now = say.Lang()
	}
	return in.Choose(now)
}

func (s *Server) newAccountPage(w http.ResponseWriter, r *http.Request) error {
	return formView.Show(s.site, w, r, s.newAccountForm(words.From(r.Context())))
}

// newAccount makes an account and the link with which its person chooses a password.
func (s *Server) newAccount(w http.ResponseWriter, r *http.Request) error {
	if err := form(r); err != nil {
		return err
	}
	var id ref.AccountID
	var link invitation
	err := s.DB.Tx(r.Context(), func(tx *store.Tx) (err error) {
		id, err = s.Accounts.Create(r.Context(), tx, by(r), account.CreateCmd{
			Login: r.PostForm.Get("login"), Name: r.PostForm.Get("name"), Lang: s.Book.For(r.PostForm.Get("lang")).Lang(),
		})
		if err != nil {
			return err
		}
		link.token, link.until, err = s.Accounts.Invite(r.Context(), tx, by(r), id)
		return err
	})
	if fault.Is(err, fault.Invalid) {
		return s.again(w, r, s.newAccountForm(words.From(r.Context())), err)
	}
	if err != nil {
		return err
	}
	return s.showInvitation(w, r, id, link)
}

// invitation is a link the one time it is known.
type invitation struct {
	token string
	until time.Time
}

// again shows a form with what was typed and what has to be changed.
func (s *Server) again(w http.ResponseWriter, r *http.Request, page formPage, err error) error {
	page.Form.Fill(r.PostForm)
	page.Errors = page.Form.Fail(words.From(r.Context()), s.explained(r, err))
	return formView.ShowStatus(s.site, w, r, http.StatusUnprocessableEntity, page)
}

// showInvitation shows a link the one time it is known. It answers the POST itself: to redirect would mean to keep it
// somewhere.
func (s *Server) showInvitation(w http.ResponseWriter, r *http.Request, id ref.AccountID, link invitation) error {
	say := words.From(r.Context())
	st, err := s.loadAccount(r, id)
	if err != nil {
		return err
	}
	return sheetView.Show(s.site, w, r, sheet{
		Shell:   view.Shell{Title: say.T("admin.invitation.title"), Staff: true, Crumbs: adminCrumbs(say, view.Link{Text: say.T("admin.accounts"), Href: "/admin/accounts"})},
		Heading: say.T("admin.invitation.title"), Narrow: true,
		Sections: []section{
			{List: &view.SummaryList{Rows: []view.SummaryRow{
				{Key: say.T("admin.account.name"), Value: st.Account.Name},
				{Key: say.T("staff.sign.login"), Value: st.Account.Login},
				{Key: say.T("admin.invitation.link"), Value: s.origin(r) + "/invite/" + link.token},
				{Key: say.T("admin.invitation.until"), Value: say.Time(link.until, s.Office.Zone())},
			}}, Warn: say.T("admin.invitation.once")},
			{Links: []view.Link{
				{Text: say.T("admin.grant.title"), Href: "/admin/accounts/" + id.String() + "/grant"},
				{Text: say.T("admin.account.back", "name", st.Account.Name), Href: "/admin/accounts/" + id.String()},
			}},
		},
	})
}

func (s *Server) loadAccount(r *http.Request, id ref.AccountID) (st account.State, err error) {
	err = s.DB.Read(r.Context(), func(tx *store.Tx) (err error) { st, err = s.Accounts.Load(r.Context(), tx, id); return err })
	return st, err
}

func (s *Server) adminAccount(w http.ResponseWriter, r *http.Request) error {
	id, err := accountID(r)
	if err != nil {
		return err
	}
	say := words.From(r.Context())
	var (
		st       account.State
		names    bodyNames
		history  []journal.Recorded
		people   map[ref.AccountID]string
		may      error
		official string
		factors  account.Factors
		tokens   []account.Token
		invited  bool
		until    account.Invitation
		waits    *view.Note
		persons  = map[ref.OfficialID]string{}
	)
	err = s.DB.Read(r.Context(), func(tx *store.Tx) (err error) {
		if st, err = s.Accounts.Load(r.Context(), tx, id); err != nil {
			return err
		}
		if names, err = s.bodyNames(r.Context(), tx, say); err != nil {
			return err
		}
		if history, err = journal.Stream(r.Context(), tx, id.Stream()); err != nil {
			return err
		}
		if people, err = s.Accounts.Names(r.Context(), tx, actors(history)); err != nil {
			return err
		}
		if official, err = s.officialInWords(r.Context(), tx, say, st.Account.Official); err != nil {
			return err
		}
		if waits, err = s.officialWaits(r.Context(), tx, say, st); err != nil {
			return err
		}
		for _, e := range history {
			if o, ok := account.OfficialIn(e.Entry); ok {
				if persons[o], err = s.officialInWords(r.Context(), tx, say, o); err != nil {
					return err
				}
			}
		}
		if may = s.Accounts.MayManage(r.Context(), tx, by(r), id); may != nil && !fault.Is(may, fault.Forbidden) {
			return may
		}
		if factors, err = s.Accounts.Factors(r.Context(), tx, id); err != nil {
			return err
		}
		if tokens, err = s.Accounts.Tokens(r.Context(), tx, id); err != nil {
			return err
		}
		until, invited, err = s.Accounts.Invitation(r.Context(), tx, id)
		return err
	})
	if err != nil {
		return err
	}
	at := "/admin/accounts/" + id.String()
	page := sheet{
		Shell:   view.Shell{Title: st.Account.Name, Staff: true, Crumbs: adminCrumbs(say, view.Link{Text: say.T("admin.accounts"), Href: "/admin/accounts"})},
		Heading: st.Account.Name,
		Actions: s.accountActions(r, say, st, may, factors, invited),
	}
	known := view.SummaryRow{Key: say.T("admin.account.official"), Value: official, Quiet: st.Account.Official == 0}
	if waits != nil && (st.AskedOfficial[0].By == viewer(r).Account || may == nil) {
		waits.Link = view.Link{Text: say.T("duties.open"), Href: "/staff/duties/answer?" + officialQuery(id, st.AskedOfficial[0])}
	}
	grants := s.grantTable(say, names, st.Grants, func(g account.Grant) string {
		if g.Ended(s.Accounts.Today()) || !access.MayAdmin(viewer(r), names.tree.Above(g.Body)) {
			return ""
		}
		return at + "/revoke?" + grantQuery(g)
	})
	grants.Empty = view.Empty{Title: say.T("admin.account.no-duties"), Text: say.T("admin.account.no-duties.text")}
	page.Sections = []section{
		{Note: waits, List: &view.SummaryList{Rows: []view.SummaryRow{
			{Key: say.T("staff.sign.login"), Value: st.Account.Login}, {Key: say.T("admin.account.state"), Tags: []view.Tag{activeTag(say, st.Account)}},
			{Key: say.T("staff.account.language"), Value: s.Book.For(st.Account.Lang).Name()}, known,
			{Key: say.T("admin.ways"), Lines: s.waysInWords(say, factors, invited, until)},
		}}},
		{Heading: say.T("staff.account.duties"), Table: &grants},
		{Heading: say.T("admin.account.history"), Timeline: s.accountTimeline(say, names, people, persons, history)},
	}
	if waits := s.askedTable(r, say, names, st); len(waits.Rows) > 0 {
		page.Sections = slices.Insert(page.Sections, 2, section{Heading: say.T("duties.title"), Quiet: say.T("duties.lede"), Table: &waits})
	}
	if len(tokens) > 0 && may == nil && id != viewer(r).Account {
		t := s.tokenTable(say, tokens, at+"/tokens/")
		page.Sections = append(page.Sections, section{Heading: say.T("tokens.title"), Table: &t})
	}
	return sheetView.Show(s.site, w, r, page)
}

// waysInWords tells an administrator with what somebody signs in; what it is made of is nobody's business.
func (s *Server) waysInWords(say *words.Speaker, f account.Factors, invited bool, in account.Invitation) []string {
	var out []string
	if f.Password {
		out = append(out, say.T("staff.sign.password"))
	}
	if f.Code {
		out = append(out, say.T("ways.code"))
	}
	if n := len(f.Passkeys); n > 0 {
		out = append(out, say.N("ways.passkeys.n", int64(n)))
	}
	for _, l := range f.Links {
		if s.OIDC != nil && l.Issuer == s.OIDC.Issuer {
			out = append(out, s.OIDC.Name)
		}
	}
	if invited {
		out = append(out, say.T("admin.invitation.waits", "time", say.Time(in.Expires, s.Office.Zone())))
	}
	if len(out) == 0 {
		out = append(out, say.T("admin.ways.none"))
	}
	return out
}

// askedTable shows what was asked for and waits for a second person.
func (s *Server) askedTable(r *http.Request, say *words.Speaker, names bodyNames, st account.State) view.Table {
	t := view.Table{Caption: say.T("duties.title"), CaptionHidden: true, Cards: true,
		Columns: []view.Column{{Text: say.T("staff.duty")}, {Text: say.T("staff.body")}, {Text: say.T("staff.grant.from")}, {Text: say.T("duties.open"), Hidden: true}}}
	for _, a := range st.Asked {
		cell := view.Cell{}
		if a.By == viewer(r).Account || access.MayAdmin(viewer(r), names.tree.Above(a.Body)) {
			cell = view.Cell{Text: say.T("duties.open"), Href: "/staff/duties/answer?" + askedQuery(st.Account.ID, a)}
		}
		t.Rows = append(t.Rows, view.Row{Cells: []view.Cell{{Text: s.duty(say, a.Duty), Header: true}, {Text: names.name(a.Body), Href: names.href(a.Body)}, {Text: say.Date(a.From)}, cell}})
	}
	return t
}

func (s *Server) accountActions(r *http.Request, say *words.Speaker, st account.State, may error, f account.Factors, invited bool) *view.ActionList {
	at := "/admin/accounts/" + st.Account.ID.String()
	active := say.T("admin.deactivate")
	if st.Account.Active == 0 {
		active = say.T("admin.activate")
	}
	all := []view.Action{
		{Text: say.T("admin.grant.title"), Href: at + "/grant", Main: true},
		{Text: say.T("admin.change"), Href: at + "/change"},
		{Text: say.T("admin.password.reset"), Href: at + "/password"},
		{Text: active, Href: at + "/active"},
	}
	if !f.Password && st.Account.Active != 0 {
		all[2] = view.Action{Text: say.T("admin.invite"), Href: at + "/invite"}
	}
	if f.Password && st.Account.Active != 0 {
		all = append(all, view.Action{Text: say.T("browser.new"), Href: at + "/browser"})
	}
	if invited {
		all = append(all, view.Action{Text: say.T("admin.uninvite"), Href: at + "/uninvite"})
	}
	if s.OIDC != nil && st.Account.Active != 0 && !f.SignsIn() {
		all = append(all, view.Action{Text: say.T("admin.expect", "name", s.OIDC.Name), Href: at + "/elsewhere"})
	}
	if st.Account.ID == viewer(r).Account {
		why := say.T("account.self")
		return &view.ActionList{Not: []view.Refusal{{Text: all[0].Text, Why: why}, {Text: active, Why: why}}}
	}
	if may == nil {
		if st.Account.Active == 0 {
			all = all[1:]
		}
		return &view.ActionList{Can: all}
	}
	out := &view.ActionList{Can: all[:1]}
	why := say.Fault(s.explained(r, may)).Message
	for _, a := range all[1:] {
		out.Not = append(out.Not, view.Refusal{Text: a.Text, Why: why})
	}
	return out
}

// grantTable shows grants, today's and coming ones first, past ones after them. revoke gives the address that takes a
// grant away, empty if the reader may not; nil shows no such column.
func (s *Server) grantTable(say *words.Speaker, names bodyNames, grants []account.Grant, revoke func(account.Grant) string) view.Table {
	today := s.Accounts.Today()
	t := view.Table{Caption: say.T("staff.account.duties"), CaptionHidden: true, Cards: true, Columns: []view.Column{
		{Text: say.T("staff.duty")}, {Text: say.T("staff.body")}, {Text: say.T("staff.grant.from")}, {Text: say.T("staff.grant.until")}, {Text: say.T("admin.account.state")},
	}}
	if revoke != nil {
		t.Columns = append(t.Columns, view.Column{Text: say.T("admin.revoke"), Hidden: true})
	}
	sorted := slices.Clone(grants)
	slices.SortStableFunc(sorted, func(a, b account.Grant) int {
		switch x, y := a.Ended(today), b.Ended(today); {
		case x == y:
			return 0
		case x:
			return 1
		}
		return -1
	})
	for _, g := range sorted {
		until, state := say.T("staff.grant.open"), view.Tag{Tone: view.Success, Text: say.T("staff.grant.now")}
		if g.To != "" {
			until = say.Date(dayBefore(g.To))
		}
		switch {
		case g.From == g.To:
			until, state = "–", view.Tag{Tone: view.Waiting, Text: say.T("staff.grant.revoked")}
		case g.Ended(today):
			state = view.Tag{Tone: view.Waiting, Text: say.T("staff.grant.over")}
		case g.From > today:
			state = view.Tag{Tone: view.Info, Text: say.T("staff.grant.coming")}
		}
		row := view.Row{Cells: []view.Cell{
			{Text: s.duty(say, g.Duty), Header: true}, {Text: names.name(g.Body), Href: names.href(g.Body)}, {Text: say.Date(g.From)}, {Text: until}, {Tags: []view.Tag{state}},
		}}
		if revoke != nil {
			cell := view.Cell{}
			if href := revoke(g); href != "" {
				cell = view.Cell{Text: say.T("admin.revoke.this", "duty", s.duty(say, g.Duty)), Href: href}
			}
			row.Cells = append(row.Cells, cell)
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

func dayBefore(date string) string {
	t, err := time.Parse(time.DateOnly, date)
	if err != nil {
		return date
	}
	return t.AddDate(0, 0, -1).Format(time.DateOnly)
}

func (s *Server) grantForm(r *http.Request, say *words.Speaker, st account.State, names bodyNames) formPage {
	at := "/admin/accounts/" + st.Account.ID.String()
	mine := bodyOptions(names, func(id ref.BodyID) bool { return access.MayAdmin(viewer(r), names.tree.Above(id)) })
	return formPage{
		Shell:   view.Shell{Title: say.T("admin.grant.to", "name", st.Account.Name), Staff: true, Crumbs: adminCrumbs(say, view.Link{Text: say.T("admin.accounts"), Href: "/admin/accounts"}, view.Link{Text: st.Account.Name, Href: at})},
		Heading: say.T("admin.grant.to", "name", st.Account.Name), Lede: say.T("admin.grant.lede"),
		Form: view.Form{Submit: say.T("admin.grant.submit"), Cancel: view.Link{Text: say.T("ui.cancel"), Href: at}, Inputs: []view.Input{
			{Kind: view.Radios, Name: "duty", Label: say.T("staff.duty"), Options: s.dutyOptionsHinted(say), Small: true, Size: "s"},
			{Kind: view.Select, Name: "body", Label: say.T("staff.body"), Hint: say.T("admin.grant.body.hint"), Empty: "-", Options: mine, Size: "s"},
			{Kind: view.Date, Name: "from", Label: say.T("staff.grant.from"), Hint: say.T("admin.grant.from.hint"), Optional: true, Size: "s"},
			{Kind: view.Date, Name: "until", Label: say.T("staff.grant.until"), Hint: say.T("admin.grant.until.hint"), Optional: true, Size: "s"},
		}},
	}
}

// dutyOptionsHinted says with each duty what it may not meet in one account.
func (s *Server) dutyOptionsHinted(say *words.Speaker) []view.Option {
	out := s.dutyOptions(say)
	p := s.Office.Active()
	for i := range out {
		var not []string
		for _, d := range p.Duties {
			if p.Excluded(out[i].Value, d.ID) && d.ID != out[i].Value && (d.Actor == pack.ActorAccount || d.Actor == "") {
				not = append(not, s.duty(say, d.ID))
			}
		}
		if len(not) > 0 {
			out[i].Hint = say.T("admin.grant.excludes", "duties", say.List(not))
		}
	}
	return out
}

// accountAndNames loads what the forms about an account need.
func (s *Server) accountAndNames(r *http.Request) (st account.State, names bodyNames, err error) {
	id, err := accountID(r)
	if err != nil {
		return st, names, err
	}
	err = s.DB.Read(r.Context(), func(tx *store.Tx) (err error) {
		if st, err = s.Accounts.Load(r.Context(), tx, id); err != nil {
			return err
		}
		names, err = s.bodyNames(r.Context(), tx, words.From(r.Context()))
		return err
	})
	return st, names, err
}

func (s *Server) grantPage(w http.ResponseWriter, r *http.Request) error {
	st, names, err := s.accountAndNames(r)
	if err != nil {
		return err
	}
	if st.Account.ID == viewer(r).Account {
		return fault.New(fault.Forbidden, "account.self", nil)
	}
	return formView.Show(s.site, w, r, s.grantForm(r, words.From(r.Context()), st, names))
}

func (s *Server) grant(w http.ResponseWriter, r *http.Request) error {
	if err := form(r); err != nil {
		return err
	}
	st, names, err := s.accountAndNames(r)
	if err != nil {
		return err
	}
	get := view.Values(r.PostForm)
	cmd := account.GrantCmd{Account: st.Account.ID, Duty: r.PostForm.Get("duty"), From: one(get("from")), Until: one(get("until"))}
	if b := names.tree.ByCode(r.PostForm.Get("body")); b != nil {
		cmd.Body = b.ID
	}
	err = s.DB.Tx(r.Context(), func(tx *store.Tx) error { return s.Accounts.Grant(r.Context(), tx, by(r), cmd) })
	if fault.Is(err, fault.Invalid) || fault.Is(err, fault.Conflict) && !journal.IsStale(err) {
		return s.again(w, r, s.grantForm(r, words.From(r.Context()), st, names), err)
	}
	if err != nil {
		return err
	}
	key := "flash.granted"
	if s.Accounts.NeedsTwo(cmd.Duty) {
		key = "flash.asked"
	}
	s.site.Flash(w, view.Success, key, map[string]any{"name": st.Account.Name})
	return view.Redirect(w, r, "/admin/accounts/"+st.Account.ID.String())
}

func one(v []string) string {
	if len(v) == 0 {
		return ""
	}
	return v[0]
}

// revokePage asks before a grant is taken away.
func (s *Server) revokePage(w http.ResponseWriter, r *http.Request) error {
	st, names, err := s.accountAndNames(r)
	if err != nil {
		return err
	}
	say, q := words.From(r.Context()), r.URL.Query()
	g, ok := findGrant(st, names, q.Get("duty"), q.Get("body"), q.Get("from"))
	if !ok {
		return fault.New(fault.NotFound, "account.no-grant", nil)
	}
	at := "/admin/accounts/" + st.Account.ID.String()
	warn, err := s.onlyOne(r, st, names, g)
	if err != nil {
		return err
	}
	return formView.Show(s.site, w, r, formPage{
		Warn:    warn,
		Shell:   view.Shell{Title: say.T("admin.revoke.title"), Staff: true, Crumbs: adminCrumbs(say, view.Link{Text: say.T("admin.accounts"), Href: "/admin/accounts"}, view.Link{Text: st.Account.Name, Href: at})},
		Heading: say.T("admin.revoke.title"), Lede: say.T("admin.revoke.lede", "name", st.Account.Name),
		Facts: &view.SummaryList{Rows: []view.SummaryRow{
			{Key: say.T("staff.duty"), Value: s.duty(say, g.Duty)}, {Key: say.T("staff.body"), Value: names.name(g.Body)}, {Key: say.T("staff.grant.from"), Value: say.Date(g.From)},
		}},
		Form: view.Form{Action: at + "/revoke", Submit: say.T("admin.revoke.submit"), Warning: true, Cancel: view.Link{Text: say.T("ui.cancel"), Href: at},
			Hidden: []view.Hidden{{Name: "duty", Value: g.Duty}, {Name: "body", Value: g.Body.String()}, {Name: "from", Value: g.From}}},
	})
}

func grantQuery(g account.Grant) string {
	return "duty=" + g.Duty + "&body=" + g.Body.String() + "&from=" + g.From
}

func findGrant(st account.State, names bodyNames, duty, body, from string) (account.Grant, bool) {
	for _, g := range st.Grants {
		if g.Duty == duty && g.Body.String() == body && g.From == from {
			return g, true
		}
	}
	return account.Grant{}, false
}

func (s *Server) revoke(w http.ResponseWriter, r *http.Request) error {
	if err := form(r); err != nil {
		return err
	}
	st, names, err := s.accountAndNames(r)
	if err != nil {
		return err
	}
	g, ok := findGrant(st, names, r.PostForm.Get("duty"), r.PostForm.Get("body"), r.PostForm.Get("from"))
	if !ok {
		return fault.New(fault.NotFound, "account.no-grant", nil)
	}
	err = s.DB.Tx(r.Context(), func(tx *store.Tx) error {
		return s.Accounts.Revoke(r.Context(), tx, by(r), account.RevokeCmd{Account: st.Account.ID, Duty: g.Duty, Body: g.Body, From: g.From})
	})
	if err != nil {
		return err
	}
	s.site.Flash(w, view.Success, "flash.revoked", map[string]any{"name": st.Account.Name})
	return view.Redirect(w, r, "/admin/accounts/"+st.Account.ID.String())
}

func (s *Server) changeForm(say *words.Speaker, st account.State, officialKey string) formPage {
	at := "/admin/accounts/" + st.Account.ID.String()
	return formPage{
		Shell:   view.Shell{Title: say.T("admin.change"), Staff: true, Crumbs: adminCrumbs(say, view.Link{Text: say.T("admin.accounts"), Href: "/admin/accounts"}, view.Link{Text: st.Account.Name, Href: at})},
		Heading: say.T("admin.change"),
		Form: view.Form{Submit: say.T("ui.save"), Cancel: view.Link{Text: say.T("ui.cancel"), Href: at}, Inputs: []view.Input{
			{Kind: view.Text, Name: "name", Label: say.T("admin.account.name"), Width: "20", Value: st.Account.Name},
			s.languageInput(say, st.Account.Lang),
			{Kind: view.Text, Name: "official", Label: say.T("admin.account.official"), Hint: say.T("admin.account.official.hint"), Width: "20", Optional: true, NoSpell: true, Value: officialKey},
		}},
	}
}

func (s *Server) changeAccountPage(w http.ResponseWriter, r *http.Request) error {
	st, _, err := s.accountAndNames(r)
	if err != nil {
		return err
	}
	key := ""
	if st.Account.Official != 0 {
		key = st.Account.Official.String()
	}
	return formView.Show(s.site, w, r, s.changeForm(words.From(r.Context()), st, key))
}

func (s *Server) changeAccount(w http.ResponseWriter, r *http.Request) error {
	if err := form(r); err != nil {
		return err
	}
	st, _, err := s.accountAndNames(r)
	if err != nil {
		return err
	}
	cmd := account.ChangeCmd{Name: r.PostForm.Get("name"), Lang: s.Book.For(r.PostForm.Get("lang")).Lang()}
	key := "flash.saved"
	err = s.DB.Tx(r.Context(), func(tx *store.Tx) (err error) {
		if cmd.Official, err = s.officialNamed(r.Context(), tx, r.PostForm.Get("official")); err != nil {
			return err
		}
		if err := s.Accounts.Change(r.Context(), tx, by(r), st.Account.ID, cmd); err != nil {
			return err
		}
		now, err := s.Accounts.Load(r.Context(), tx, st.Account.ID)
		if key = "flash.saved"; now.Account.Official != cmd.Official {
			key = "flash.official-asked"
		}
		return err
	})
	if fault.Is(err, fault.Invalid) || fault.Is(err, fault.Conflict) && !journal.IsStale(err) {
		return s.again(w, r, s.changeForm(words.From(r.Context()), st, ""), err)
	}
	if err != nil {
		return err
	}
	s.site.Flash(w, view.Success, key, map[string]any{"name": st.Account.Name})
	return view.Redirect(w, r, "/admin/accounts/"+st.Account.ID.String())
}

// resetPage says what a reset takes away, above all the desks that nobody else could open after it.
func (s *Server) resetPage(w http.ResponseWriter, r *http.Request) error {
	st, names, err := s.accountAndNames(r)
	if err != nil {
		return err
	}
	has, err := s.hasKey(r.Context(), st.Account.ID)
	if err != nil {
		return err
	}
	desks, err := s.onlyTheirs(r, st, names, st.Grants...)
	if err != nil {
		return err
	}
	say := words.From(r.Context())
	page := s.askAbout(say, st, "password", "admin.password.reset", "admin.password.lede", "admin.password.submit")
	if has {
		page.Warn = say.T("admin.password.keys", "name", st.Account.Name)
	}
	if len(desks) > 0 {
		page.Warn = say.T("admin.password.alone", "name", st.Account.Name, "desks", say.List(desks))
	}
	return formView.Show(s.site, w, r, page)
}

// reset takes every way to sign in away and shows the link with which the person begins anew.
func (s *Server) reset(w http.ResponseWriter, r *http.Request) error {
	id, err := accountID(r)
	if err != nil {
		return err
	}
	var link invitation
	err = s.DB.Tx(r.Context(), func(tx *store.Tx) (err error) {
		if err := s.Accounts.Reset(r.Context(), tx, by(r), id); err != nil {
			return err
		}
		link.token, link.until, err = s.Accounts.Invite(r.Context(), tx, by(r), id)
		return err
	})
	if err != nil {
		return err
	}
	return s.showInvitation(w, r, id, link)
}

func (s *Server) invitePage(w http.ResponseWriter, r *http.Request) error {
	return s.confirmAccount(w, r, "invite", "admin.invite", "admin.invite.lede", "admin.invite.submit")
}

func (s *Server) invite(w http.ResponseWriter, r *http.Request) error {
	id, err := accountID(r)
	if err != nil {
		return err
	}
	var link invitation
	err = s.DB.Tx(r.Context(), func(tx *store.Tx) (err error) {
		link.token, link.until, err = s.Accounts.Invite(r.Context(), tx, by(r), id)
		return err
	})
	if err != nil {
		return err
	}
	return s.showInvitation(w, r, id, link)
}

func (s *Server) adminBrowserPage(w http.ResponseWriter, r *http.Request) error {
	return s.confirmAccount(w, r, "browser", "browser.new", "browser.admin", "browser.make")
}

func (s *Server) adminBrowser(w http.ResponseWriter, r *http.Request) error {
	id, err := accountID(r)
	if err != nil {
		return err
	}
	return s.showNewBrowser(w, r, id, "/admin/accounts/"+id.String())
}

func (s *Server) uninvitePage(w http.ResponseWriter, r *http.Request) error {
	return s.confirmAccount(w, r, "uninvite", "admin.uninvite", "admin.uninvite.lede", "admin.uninvite")
}

func (s *Server) uninvite(w http.ResponseWriter, r *http.Request) error {
	id, err := accountID(r)
	if err != nil {
		return err
	}
	if err := s.DB.Tx(r.Context(), func(tx *store.Tx) error { return s.Accounts.Uninvite(r.Context(), tx, by(r), id) }); err != nil {
		return err
	}
	s.site.Flash(w, view.Success, "flash.uninvited", nil)
	return view.Redirect(w, r, "/admin/accounts/"+id.String())
}

func (s *Server) adminTokenPage(w http.ResponseWriter, r *http.Request) error {
	id, err := accountID(r)
	if err != nil {
		return err
	}
	say := words.From(r.Context())
	return s.sure(w, r, "/admin/accounts/"+id.String(), say.T("tokens.remove"), say.T("tokens.remove.lede"), say.T("tokens.remove"))
}

func (s *Server) adminToken(w http.ResponseWriter, r *http.Request) error {
	id, err := accountID(r)
	if err != nil {
		return err
	}
	token, err := pathID(r, "token")
	if err != nil {
		return err
	}
	if err := s.DB.Tx(r.Context(), func(tx *store.Tx) error { return s.Accounts.DropToken(r.Context(), tx, by(r), id, token) }); err != nil {
		return err
	}
	s.site.Flash(w, view.Success, "flash.token-removed", nil)
	return view.Redirect(w, r, "/admin/accounts/"+id.String())
}

func (s *Server) activePage(w http.ResponseWriter, r *http.Request) error {
	id, err := accountID(r)
	if err != nil {
		return err
	}
	st, err := s.loadAccount(r, id)
	if err != nil {
		return err
	}
	if st.Account.Active == 0 {
		return s.confirmAccount(w, r, "active", "admin.activate", "admin.activate.lede", "admin.activate.submit")
	}
	return s.confirmAccount(w, r, "active", "admin.deactivate", "admin.deactivate.lede", "admin.deactivate.submit")
}

// confirmAccount asks before something is done to an account.
func (s *Server) confirmAccount(w http.ResponseWriter, r *http.Request, what, title, lede, submit string) error {
	st, names, err := s.accountAndNames(r)
	if err != nil {
		return err
	}
	page := s.askAbout(words.From(r.Context()), st, what, title, lede, submit)
	if st.Account.Active != 0 {
		if page.Warn, err = s.onlyOne(r, st, names, st.Grants...); err != nil {
			return err
		}
	}
	return formView.Show(s.site, w, r, page)
}

// onlyOne warns before somebody loses duties who is the only one to open what is sealed to a desk.
func (s *Server) onlyOne(r *http.Request, st account.State, names bodyNames, grants ...account.Grant) (string, error) {
	desks, err := s.onlyTheirs(r, st, names, grants...)
	if err != nil || len(desks) == 0 {
		return "", err
	}
	say := words.From(r.Context())
	return say.T("admin.alone", "name", st.Account.Name, "desks", say.List(desks)), nil
}

// onlyTheirs names the desks of which somebody alone can open what is sealed.
func (s *Server) onlyTheirs(r *http.Request, st account.State, names bodyNames, grants ...account.Grant) (desks []string, err error) {
	say := words.From(r.Context())
	err = s.DB.Read(r.Context(), func(tx *store.Tx) error {
		desks = nil
		for _, g := range grants {
			alone, err := s.Vault.Alone(r.Context(), tx, st.Account.ID, vault.Desk{Duty: g.Duty, Body: g.Body})
			if err != nil {
				return err
			}
			if what := say.T("staff.duty.at", "duty", s.duty(say, g.Duty), "body", names.name(g.Body)); alone && !slices.Contains(desks, what) {
				desks = append(desks, what)
			}
		}
		return nil
	})
	return desks, err
}

func (s *Server) askAbout(say *words.Speaker, st account.State, what, title, lede, submit string) formPage {
	at := "/admin/accounts/" + st.Account.ID.String()
	return formPage{
		Shell:   view.Shell{Title: say.T(title), Staff: true, Crumbs: adminCrumbs(say, view.Link{Text: say.T("admin.accounts"), Href: "/admin/accounts"}, view.Link{Text: st.Account.Name, Href: at})},
		Heading: say.T(title), Lede: say.T(lede, "name", st.Account.Name),
		Form: view.Form{Action: at + "/" + what, Submit: say.T(submit), Warning: true, Cancel: view.Link{Text: say.T("ui.cancel"), Href: at},
			Hidden: []view.Hidden{{Name: "now", Value: activeTag(say, st.Account).Text}}},
	}
}

func (s *Server) setActive(w http.ResponseWriter, r *http.Request) error {
	id, err := accountID(r)
	if err != nil {
		return err
	}
	key := "flash.deactivated"
	var name string
	err = s.DB.Tx(r.Context(), func(tx *store.Tx) error {
		st, err := s.Accounts.Load(r.Context(), tx, id)
		if err != nil {
			return err
		}
		name = st.Account.Name
		if st.Account.Active == 0 {
			key = "flash.activated"
			return s.Accounts.Activate(r.Context(), tx, by(r), id)
		}
		key = "flash.deactivated"
		return s.Accounts.Deactivate(r.Context(), tx, by(r), id)
	})
	if err != nil {
		return err
	}
	s.site.Flash(w, view.Success, key, map[string]any{"name": name})
	return view.Redirect(w, r, "/admin/accounts/"+id.String())
}

// accountTimeline tells what was done to an account, newest first.
func (s *Server) accountTimeline(say *words.Speaker, names bodyNames, people map[ref.AccountID]string, persons map[ref.OfficialID]string, history []journal.Recorded) *view.Timeline {
	t := &view.Timeline{}
	for i := len(history) - 1; i >= 0; i-- {
		e := history[i]
		ev := view.Event{Title: say.T("admin.entry." + e.Action), By: s.actorName(say, people, e.By), At: e.At}
		if g, ok := account.GrantIn(e.Entry); ok {
			ev.Text = say.T("staff.duty.at", "duty", s.duty(say, g.Duty), "body", names.name(g.Body))
		}
		if o, ok := account.OfficialIn(e.Entry); ok {
			ev.Text = persons[o]
		}
		if kind, what := account.FactorIn(e.Entry); kind != "" {
			ev.Title, ev.Text = say.T("admin.factor."+what), say.T("admin.factor.kind."+kind)
		}
		if e.Action == account.ActionToken {
			what, _ := e.Fields["change"].(string)
			ev.Title = say.T("admin.token." + what)
		}
		t.Events = append(t.Events, ev)
	}
	return t
}

// actors are the accounts that acted in a history.
func actors(history []journal.Recorded) []ref.AccountID {
	var out []ref.AccountID
	for _, e := range history {
		out = append(out, e.By.Account)
	}
	return out
}

// actorName is who did something: a person and the duty they did it under, or what acted in their place.
func (s *Server) actorName(say *words.Speaker, people map[ref.AccountID]string, a journal.Actor) string {
	if a.Account == 0 {
		return say.Maybe("staff.actor."+a.Duty, s.duty(say, a.Duty))
	}
	name := people[a.Account]
	if name == "" {
		name = say.T("staff.actor.unknown")
	}
	if a.Duty == "" {
		return name
	}
	return say.T("staff.actor.as", "name", name, "duty", s.duty(say, a.Duty))
}

// adminPacks shows the rules that are loaded, exactly: version, digest, and what they waive.
func (s *Server) adminPacks(w http.ResponseWriter, r *http.Request) error {
	say := words.From(r.Context())
	page := sheet{
		Shell:   view.Shell{Title: say.T("admin.packs"), Staff: true, Crumbs: adminCrumbs(say)},
		Heading: say.T("admin.packs"), Lede: say.T("admin.packs.lede"),
	}
	loaded := s.Office.Loaded()
	for i := len(loaded) - 1; i >= 0; i-- {
		l := loaded[i]
		p, err := s.Office.Version(l.Name + "@" + l.Version)
		if err != nil {
			return err
		}
		state := view.Tag{Tone: view.Waiting, Text: say.T("admin.pack.inactive")}
		if l.Active != 0 {
			state = view.Tag{Tone: view.Success, Text: say.T("admin.pack.active")}
		}
		var kinds, waived []string
		for _, k := range p.Kinds {
			kinds = append(kinds, say.Text(k.Label))
		}
		for _, wv := range p.Waivers {
			waived = append(waived, wv.Rule+": "+say.Text(wv.Because))
		}
		if len(waived) == 0 {
			waived = []string{say.T("admin.pack.waived.none")}
		}
		page.Sections = append(page.Sections, section{List: &view.SummaryList{Card: say.T("admin.pack.name", "title", say.Text(p.Title), "version", l.Version), Rows: []view.SummaryRow{
			{Key: say.T("admin.account.state"), Tags: []view.Tag{state}},
			{Key: say.T("admin.pack.id"), Value: l.Name + "@" + l.Version},
			{Key: say.T("admin.pack.loaded"), Value: say.Time(time.UnixMicro(l.Loaded), s.Office.Zone())},
			{Key: say.T("admin.pack.digest"), Value: l.Digest},
			{Key: say.T("admin.pack.kinds"), Value: say.List(kinds)},
			{Key: say.T("admin.pack.waived"), Lines: waived},
		}}})
	}
	page.Sections = append(page.Sections, section{Note: &view.Note{Tone: view.Info, Title: say.T("admin.packs.how"), Text: say.T("admin.packs.how.text")}})
	return sheetView.Show(s.site, w, r, page)
}

func (s *Server) settingsForm(say *words.Speaker, may bool) formPage {
	page := formPage{
		Shell:   view.Shell{Title: say.T("admin.settings"), Staff: true, Crumbs: adminCrumbs(say)},
		Heading: say.T("admin.settings"), Lede: say.T("admin.settings.hint"),
		Form: view.Form{Submit: say.T("ui.save"), Cancel: view.Link{Text: say.T("ui.cancel"), Href: "/admin"}},
	}
	for _, other := range s.Book.Speakers() {
		page.Form.Inputs = append(page.Form.Inputs, view.Input{Kind: view.Text, Name: "name." + other.Lang(), Label: say.T("admin.settings.name", "lang", other.Name()),
			Hint: say.T("admin.settings.name.hint", "name", say.Text(s.Office.Active().Title)), Optional: true, Disabled: !may, Value: s.Office.Setting("name." + other.Lang())})
	}
	page.Form.Inputs = append(page.Form.Inputs, view.Input{Kind: view.Text, Name: "zone", Label: say.T("admin.settings.zone"), Width: "20", Optional: true, NoSpell: true, Disabled: !may,
		Hint: say.T("admin.settings.zone.hint", "zone", s.Office.Active().Calendar.Zone), Value: s.Office.Setting("zone")})
	page.Form.Inputs = append(page.Form.Inputs, view.Input{Kind: view.Checkboxes, Name: secondFactor, Label: say.T("admin.settings.second"), Hint: say.T("admin.settings.second.hint"), Disabled: !may, Small: true,
		Options: []view.Option{{Value: "required", Text: say.T("admin.settings.second.required")}}}.Choose(s.Office.Setting(secondFactor)))
	if !may {
		page.Warn = say.T("admin.settings.top")
	}
	return page
}

// maySet reports whether the reader administers a body that nothing is above: the office itself.
func (s *Server) maySet(r *http.Request) (bool, error) {
	may := false
	err := s.DB.Read(r.Context(), func(tx *store.Tx) error {
		t, err := s.tree(r.Context(), tx)
		if err != nil {
			return err
		}
		for _, top := range t.Children(0) {
			may = may || access.MayAdmin(viewer(r), []ref.BodyID{top})
		}
		return nil
	})
	return may, err
}

func (s *Server) settingsPage(w http.ResponseWriter, r *http.Request) error {
	may, err := s.maySet(r)
	if err != nil {
		return err
	}
	return formView.Show(s.site, w, r, s.settingsForm(words.From(r.Context()), may))
}

func (s *Server) saveSettings(w http.ResponseWriter, r *http.Request) error {
	if err := form(r); err != nil {
		return err
	}
	may, err := s.maySet(r)
	if err != nil {
		return err
	}
	if !may {
		return fault.New(fault.Forbidden, "admin.settings.top", nil)
	}
	names := []string{"zone", secondFactor}
	for _, other := range s.Book.Speakers() {
		names = append(names, "name."+other.Lang())
	}
	err = s.DB.Tx(r.Context(), func(tx *store.Tx) error {
		for _, n := range names {
			if err := s.Office.Set(r.Context(), tx, journal.Actor{Account: viewer(r).Account, Duty: adminDuty(viewer(r))}, journal.ViaWeb, n, r.PostForm.Get(n)); err != nil {
				return err
			}
		}
		return nil
	})
	var f *fault.Error
	if errors.As(err, &f) && f.Kind == fault.Invalid {
		return s.again(w, r, s.settingsForm(words.From(r.Context()), true), err)
	}
	if err != nil {
		return err
	}
	s.site.Flash(w, view.Success, "flash.saved", nil)
	return view.Redirect(w, r, "/admin/settings")
}

func adminDuty(v access.Viewer) string {
	for _, g := range v.Grants {
		if g.Admin {
			return g.Duty
		}
	}
	return ""
}
