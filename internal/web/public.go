package web

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"plumbline/internal/calendar"
	"plumbline/internal/fault"
	"plumbline/internal/pack"
	"plumbline/internal/register"
	"plumbline/internal/store"
	"plumbline/internal/tally"
	"plumbline/internal/web/view"
	"plumbline/internal/words"
)

// The public pages are read by people who may be afraid, at night, on a phone, perhaps in a browser that runs no scripts
// and keeps no cookies. Each works as plain pages and forms. No address of a page ever holds anything a reporter wrote
// or a code that opens a report, so nothing of it stands in a history, a log or a Referer.

// Wrong receipt codes that are answered at once, and how fast the bucket fills again: see intake.Brake.
const (
	wrongCodes      = 60
	wrongCodesEvery = 2 * time.Second
)

// actsForNobody says of a form that no cookie gives it any power: reporting, and opening a report with its code. What is
// done in an open report is guarded by the visit's cookie, which goes along with requests from our own pages only.
func actsForNobody(r *http.Request) bool {
	return r.URL.Path == "/follow" || r.URL.Path == "/receipt" || strings.HasPrefix(r.URL.Path, "/report/") || strings.HasPrefix(r.URL.Path, "/follow/")
}

func (s *Server) publicNav(r *http.Request, say *words.Speaker) []view.Link {
	path := r.URL.Path
	return []view.Link{
		{Text: say.T("public.nav.report"), Href: "/report", Current: strings.HasPrefix(path, "/report")},
		{Text: say.T("public.nav.follow"), Href: "/follow", Current: strings.HasPrefix(path, "/follow")},
		{Text: say.T("public.nav.how"), Href: "/how", Current: path == "/how"},
		{Text: say.T("figures.nav"), Href: "/figures", Current: strings.HasPrefix(path, "/figures")},
	}
}

func (s *Server) footer(say *words.Speaker) []view.Link {
	return []view.Link{
		{Text: say.T("public.nav.about"), Href: "/about"},
		{Text: say.T("log.nav"), Href: "/log"},
		{Text: say.T("inspections.title"), Href: "/inspections"},
		{Text: say.T("public.nav.privacy"), Href: "/privacy"},
		{Text: say.T("public.nav.accessibility"), Href: "/accessibility"},
	}
}

// rules is the pack that new reports are opened under.
func (s *Server) rules() (*pack.Pack, error) {
	if p := s.Office.Active(); p != nil {
		return p, nil
	}
	return nil, fault.New(fault.Unavailable, "matter.no-pack", nil)
}

type homePage struct {
	view.Shell
	Office    string
	About     string
	Emergency []help
	Ways      []view.Way
	Figures   []view.BigNumber
	Known     []known
	AsOf      string
	Handled   []handled
	Elsewhere []help
}

// help is who may help somewhere else.
type help struct{ Who, How string }

// known says how we know a figure.
type known struct{ What, How string }

// handled is the short form of a procedure.
type handled struct {
	Kind      string // its name, where there are several
	About     string
	Procedure view.Procedure
}

var homeView = view.Page[homePage]("public/home")

func (s *Server) home(w http.ResponseWriter, r *http.Request) error {
	p, err := s.rules()
	if err != nil {
		return err
	}
	say := words.From(r.Context())
	page := homePage{
		Shell:  view.Shell{Title: say.T("public.home.title"), Bands: true, Exit: true},
		Office: s.Office.Name(say.Lang()), About: say.Text(p.About),
		Ways: []view.Way{
			{Link: view.Link{Text: say.T("public.nav.report"), Href: "/report"}, Text: say.T("public.home.report"), First: true},
			{Link: view.Link{Text: say.T("public.nav.follow"), Href: "/follow"}, Text: say.T("public.home.follow")},
		},
	}
	for _, e := range p.Elsewhere {
		h := help{Who: say.Text(e.Label), How: say.Text(e.Contact)}
		if e.Emergency {
			page.Emergency = append(page.Emergency, h)
		} else {
			page.Elsewhere = append(page.Elsewhere, h)
		}
	}
	kinds := p.ReportKinds()
	for _, k := range kinds {
		h := handled{About: say.Text(k.About), Procedure: s.shortProcedure(say, p, k)}
		if len(kinds) > 1 {
			h.Kind = say.Text(k.Label)
		}
		page.Handled = append(page.Handled, h)
	}
	if page.Figures, page.Known, page.AsOf, err = s.homeFigures(r.Context(), say, p); err != nil {
		return err
	}
	return homeView.Show(s.site, w, r, page)
}

// homeFigures are up to three totals that anybody can check: reports, allegations and officials named, as far as the
// pack publishes them and the small-number rule shows them.
func (s *Server) homeFigures(ctx context.Context, say *words.Speaker, p *pack.Pack) (big []view.BigNumber, how []known, asOf string, err error) {
	if s.Figures == nil {
		return nil, nil, "", nil
	}
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		for _, m := range homeMeasures(p) {
			res, err := s.Figures.Release(ctx, tx, tally.ReleaseRequest{Measure: m.ID})
			if fault.Is(err, fault.NotFound) {
				continue // a pack that was loaded a moment ago is not counted yet
			}
			if err != nil {
				return err
			}
			number, text := say.Number(res.Total), say.Text(m.Label)
			if res.Refused != "" {
				number = say.T("public.home.few", "n", tally.Smallest)
			}
			if res.Known && res.Imported > 0 {
				text = say.T("public.home.imported", "what", text)
			}
			big = append(big, view.BigNumber{Number: number, Text: text, Link: view.Link{Text: say.T("public.home.figure"), Href: "/figures/" + m.ID, Hidden: say.Text(m.Label)}})
			how = append(how, known{What: say.Text(m.Label), How: say.Text(m.Method)})
			asOf = say.T("public.home.asof", "time", say.Time(s.Now(), s.Office.Zone()), "n", res.AsOf.Index, "few", tally.Smallest)
			if res.AsOf.Behind > 0 {
				asOf += " " + say.N("public.home.behind", res.AsOf.Behind)
			}
		}
		return nil
	})
	return big, how, asOf, err
}

// homeMeasures are the public measures that say most in one number: of matters, allegations and officials one each.
// Among those of matters, the one that counts the reports alone goes first.
func homeMeasures(p *pack.Pack) []*pack.Measure {
	var reports []string
	for _, k := range p.ReportKinds() {
		reports = append(reports, k.ID)
	}
	var out []*pack.Measure
	for _, count := range []string{pack.CountMatters, pack.CountAllegations, pack.CountOfficials} {
		var best *pack.Measure
		for i := range p.Measures {
			m := &p.Measures[i]
			if m.Count != count || !m.Public || m.When != "" {
				continue
			}
			if best == nil || count == pack.CountMatters && only(m.Kinds, reports) && !only(best.Kinds, reports) {
				best = m
			}
		}
		if best != nil {
			out = append(out, best)
		}
	}
	return out
}

// only reports whether a measure counts some of the kinds given and no others.
func only(kinds, of []string) bool {
	return len(kinds) > 0 && !slices.ContainsFunc(kinds, func(k string) bool { return !slices.Contains(of, k) })
}

// periodText writes a period in words.
func periodText(say *words.Speaker, p calendar.Period) string {
	switch p.Unit {
	case calendar.Days:
		return say.Days(int64(p.N))
	case calendar.WorkingDays:
		return say.WorkingDays(int64(p.N))
	case calendar.Months:
		return say.N("public.months", int64(p.N))
	}
	return say.N("public.years", int64(p.N))
}

// publicTree is the register's tree, read on its own.
func (s *Server) publicTree(ctx context.Context) (t *register.Tree, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error { t, err = s.tree(ctx, tx); return err })
	return t, err
}

// aboutPage is a page of plain text: headings with paragraphs, lists and facts.
type aboutPage struct {
	view.Shell
	Heading string
	Lede    string
	Parts   []aboutPart
}

type aboutPart struct {
	Heading string
	Text    []string
	List    []string
	Facts   *view.SummaryList
	Table   *view.Table
	Link    view.Link
}

var aboutView = view.Page[aboutPage]("public/about")

func (s *Server) aboutOffice(w http.ResponseWriter, r *http.Request) error {
	p, err := s.rules()
	if err != nil {
		return err
	}
	say := words.From(r.Context())
	page := aboutPage{Shell: view.Shell{Title: say.T("public.nav.about"), Exit: true}, Heading: say.T("public.about.title", "office", s.Office.Name(say.Lang())), Lede: say.Text(p.About)}
	tree, err := s.publicTree(r.Context())
	if err != nil {
		return err
	}
	page.Parts = append(page.Parts, aboutPart{Heading: say.T("public.about.what"), Text: []string{say.T("public.about.what.text"), say.T("public.about.not")}})
	contact := aboutPart{Heading: say.T("public.about.contact"), Text: []string{say.T("public.about.contact.text")}}
	for _, id := range tree.Children(0) {
		if b := tree.Body(id); b.To == "" && b.MergedInto == 0 {
			contact.List = append(contact.List, b.Called(say.Lang(), ""))
		}
	}
	page.Parts = append(page.Parts, contact)
	if len(p.Elsewhere) > 0 {
		list := &view.SummaryList{}
		for _, e := range p.Elsewhere {
			list.Rows = append(list.Rows, view.SummaryRow{Key: say.Text(e.Label), Value: say.Text(e.Contact)})
		}
		page.Parts = append(page.Parts, aboutPart{Heading: say.T("public.elsewhere"), Facts: list})
	}
	page.Parts = append(page.Parts,
		aboutPart{Heading: say.T("public.about.security"), Text: []string{say.T("public.about.security.text")}, Link: view.Link{Text: "/.well-known/security.txt", Href: "/.well-known/security.txt"}},
		aboutPart{Heading: say.T("public.about.rules"), Text: []string{say.T("public.about.rules.text")},
			Facts: &view.SummaryList{Rows: []view.SummaryRow{{Key: say.T("public.about.pack"), Value: p.ID()}, {Key: say.T("public.about.digest"), Value: p.Digest}}},
			Link:  view.Link{Text: say.T("public.nav.how"), Href: "/how"}})
	return aboutView.Show(s.site, w, r, page)
}

func (s *Server) accessibility(w http.ResponseWriter, r *http.Request) error {
	say := words.From(r.Context())
	return aboutView.Show(s.site, w, r, aboutPage{
		Shell: view.Shell{Title: say.T("public.nav.accessibility")}, Heading: say.T("public.nav.accessibility"), Lede: say.T("public.access.lede"),
		Parts: []aboutPart{
			{Heading: say.T("public.access.can"), List: []string{say.T("public.access.can.zoom"), say.T("public.access.can.keyboard"), say.T("public.access.can.reader"), say.T("public.access.can.scripts"), say.T("public.access.can.language"), say.T("public.access.can.print")}},
			{Heading: say.T("public.access.standard"), Text: []string{say.T("public.access.standard.text"), say.T("public.access.tested")}},
			{Heading: say.T("public.access.limits"), List: []string{say.T("public.access.limits.pack"), say.T("public.access.limits.time")}},
			{Heading: say.T("public.access.help"), Text: []string{say.T("public.access.help.text")}, Link: view.Link{Text: say.T("public.nav.about"), Href: "/about"}},
		},
	})
}

// privacy says what is kept and how long; the lengths are the pack's.
func (s *Server) privacy(w http.ResponseWriter, r *http.Request) error {
	p, err := s.rules()
	if err != nil {
		return err
	}
	say := words.From(r.Context())
	page := aboutPage{
		Shell: view.Shell{Title: say.T("public.privacy.title"), Exit: true}, Heading: say.T("public.privacy.title"), Lede: say.T("public.privacy.lede"),
		Parts: []aboutPart{
			{Heading: say.T("public.privacy.not"), List: []string{say.T("public.privacy.not.address"), say.T("public.privacy.not.third"), say.T("public.privacy.not.draft"), say.T("public.privacy.not.code")}},
			{Heading: say.T("guard.privacy"), List: s.guardPrivacy(say)},
			{Heading: say.T("public.privacy.cookies"), List: []string{say.T("public.privacy.cookies.language"), say.T("public.privacy.cookies.visit"), say.T("public.privacy.cookies.none")}},
			{Heading: say.T("public.privacy.sealed"), Text: []string{say.T("public.privacy.sealed.text")}},
		},
	}
	for _, k := range p.PublicKinds() {
		t := &view.Table{Caption: say.T("public.privacy.keep", "kind", say.Text(k.Plural)), CaptionHidden: true, Cards: true, Columns: []view.Column{
			{Text: say.T("public.privacy.what")}, {Text: say.T("public.privacy.who")}, {Text: say.T("public.privacy.long")}}}
		for _, ret := range k.Retention {
			c := compartmentOf(say, ret.Compartment)
			t.Rows = append(t.Rows, view.Row{Cells: []view.Cell{{Text: c.what, Header: true}, {Text: c.who}, {Text: say.T("public.privacy.after", "time", periodText(say, ret.Keep))}}})
		}
		t.Rows = append(t.Rows, view.Row{Cells: []view.Cell{{Text: say.T("public.privacy.clear"), Header: true}, {Text: say.T("public.privacy.clear.who")}, {Text: say.T("public.privacy.clear.long")}}})
		page.Parts = append(page.Parts, aboutPart{Heading: say.T("public.privacy.kept"), Table: t})
	}
	page.Parts = append(page.Parts, aboutPart{Heading: say.T("public.privacy.rights"), Text: []string{say.T("public.privacy.rights.text")}, Link: view.Link{Text: say.T("public.nav.follow"), Href: "/follow"}})
	return aboutView.Show(s.site, w, r, page)
}

// compartment is what a sealed part of a report is called before the public, and who reads it.
type compartment struct{ what, who string }

func compartmentOf(say *words.Speaker, id string) compartment {
	switch id {
	case "file":
		return compartment{say.T("public.sealed.file"), say.T("public.sealed.file.who")}
	case "reporter":
		return compartment{say.T("public.sealed.reporter"), say.T("public.sealed.reporter.who")}
	case "identity":
		return compartment{say.T("public.sealed.identity"), say.T("public.sealed.identity.who")}
	}
	return compartment{say.T("public.sealed.respondent"), say.T("public.sealed.respondent.who")}
}

// robots keeps machines off everything but the pages that only inform.
func (s *Server) robots(w http.ResponseWriter, _ *http.Request) error {
	return plainText(w, "User-agent: *\nAllow: /$\nAllow: /how\nAllow: /about\nAllow: /privacy\nAllow: /accessibility\nAllow: /figures\nAllow: /inspections\nAllow: /assets/\nDisallow: /\n")
}

// securityTxt tells whoever found a weakness where to turn (RFC 9116).
func (s *Server) securityTxt(w http.ResponseWriter, r *http.Request) error {
	at := s.origin(r)
	return plainText(w, "Contact: "+at+"/about\nExpires: "+s.Now().UTC().AddDate(0, 6, 0).Truncate(24*time.Hour).Format(time.RFC3339)+
		"\nPreferred-Languages: en, zh-Hans\nCanonical: "+at+"/.well-known/security.txt\n")
}

func plainText(w http.ResponseWriter, text string) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte(text)) // the reader has gone; there is nobody left to tell
	return nil
}

// origin is the address under which the reader reaches this office: what they typed themselves, so that an onion
// address stays one.
func (s *Server) origin(r *http.Request) string {
	scheme := "http"
	if s.Secure && !isOnion(r.Host) { // an onion service is its own encryption
		scheme = "https"
	}
	return scheme + "://" + r.Host
}
