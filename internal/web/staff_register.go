package web

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"plumbline/internal/fault"
	"plumbline/internal/journal"
	"plumbline/internal/matter"
	"plumbline/internal/ref"
	"plumbline/internal/register"
	"plumbline/internal/store"
	"plumbline/internal/web/view"
	"plumbline/internal/words"
)

// bodiesMost is how many bodies or officials a page of the register lists.
const bodiesMost = 100

// bodies lists the bodies directly below one, or those that a search finds.
func (s *Server) bodies(w http.ResponseWriter, r *http.Request) error {
	say, q := words.From(r.Context()), strings.TrimSpace(r.URL.Query().Get("q"))
	var names bodyNames
	if err := s.DB.Read(r.Context(), func(tx *store.Tx) (err error) { names, err = s.bodyNames(r.Context(), tx, say); return err }); err != nil {
		return err
	}
	page := list{
		Shell: view.Shell{Title: say.T("staff.nav.bodies"), Staff: true, Crumbs: crumbs(say)}, Heading: say.T("staff.nav.bodies"), Lede: say.T("staff.bodies.lede"),
		Filter: &view.FilterPanel{Action: "/staff/bodies", Fields: []view.Input{{Kind: view.Search, Name: "q", Label: say.T("staff.bodies.search"), Value: q}}},
		Table: view.Table{Caption: say.T("staff.nav.bodies"), CaptionHidden: true, Cards: true, Keys: true, Columns: s.bodyColumns(say),
			Empty: view.Empty{Title: say.T("staff.bodies.none"), Text: say.T("staff.bodies.none.text")}},
	}
	var found []*register.Body
	if q != "" {
		page.Filter.Chips = []view.Link{{Text: q, Href: "/staff/bodies"}}
		page.Filter.Clear = "/staff/bodies"
		found = names.tree.Search(q, bodiesMost)
	} else {
		for _, id := range names.tree.Children(0) {
			top := names.tree.Body(id)
			found = append(found, top)
			for _, c := range names.tree.Children(id) {
				found = append(found, names.tree.Body(c))
			}
		}
	}
	page.Count = say.N("ui.results", int64(len(found)))
	for _, b := range found[:min(len(found), bodiesMost)] {
		page.Table.Rows = append(page.Table.Rows, s.bodyRow(say, names, b))
	}
	return listView.Show(s.site, w, r, page)
}

func (s *Server) bodyColumns(say *words.Speaker) []view.Column {
	return []view.Column{{Text: say.T("staff.body.name")}, {Text: say.T("staff.body.level")}, {Text: say.T("staff.body.sector")}, {Text: say.T("staff.body.below"), Numeric: true}}
}

func (s *Server) bodyRow(say *words.Speaker, names bodyNames, b *register.Body) view.Row {
	l := labels{s.Office.Active(), say}
	name := view.Cell{Text: names.name(b.ID), Href: names.href(b.ID), Header: true, Sub: b.Code}
	if b.Parent != 0 {
		name.Sub = names.name(b.Parent) + " · " + b.Code
	}
	if b.MergedInto != 0 || b.To != "" {
		name.Tags = []view.Tag{{Tone: view.Waiting, Text: say.T("staff.body.gone")}}
	}
	return view.Row{Label: names.name(b.ID), Cells: []view.Cell{name, {Text: l.level(b.Level)}, {Text: l.sector(b.Sector)}, {Text: say.Number(int64(len(names.tree.Children(b.ID))))}}}
}

// body shows a body: where it stands, what it was called, who works there, and the matters about it that the reader
// may see.
func (s *Server) body(w http.ResponseWriter, r *http.Request) error {
	n, err := pathID(r, "id")
	if err != nil {
		return err
	}
	id, say := ref.BodyID(n), words.From(r.Context())
	var (
		names     bodyNames
		history   []journal.Recorded
		people    map[ref.AccountID]string
		officials []register.Official
		about     matter.Page
		rows      rowMaker
	)
	err = s.DB.Read(r.Context(), func(tx *store.Tx) (err error) {
		if names, err = s.bodyNames(r.Context(), tx, say); err != nil {
			return err
		}
		if names.tree.Body(id) == nil {
			return fault.New(fault.NotFound, "fault.notfound", nil)
		}
		if history, err = register.History(r.Context(), tx, id.Stream()); err != nil {
			return err
		}
		if people, err = s.Accounts.Names(r.Context(), tx, actors(history)); err != nil {
			return err
		}
		if officials, err = register.OfficialsAt(r.Context(), tx, id, bodiesMost); err != nil {
			return err
		}
		about, rows, err = s.mattersAbout(r.Context(), tx, say, matter.Query{Viewer: viewer(r), Concerned: id, Sort: matter.SortReceived, Desc: true, Limit: 20})
		return err
	})
	if err != nil {
		return err
	}
	b := names.tree.Body(id)
	l := labels{s.Office.Active(), say}
	page := sheet{Shell: view.Shell{Title: names.name(id), Staff: true, Crumbs: crumbs(say, s.above(say, names, b)...)}, Heading: names.name(id)}
	facts := []view.SummaryRow{
		{Key: say.T("staff.body.code"), Value: b.Code}, {Key: say.T("staff.body.level"), Value: l.level(b.Level)}, {Key: say.T("staff.body.sector"), Value: l.sector(b.Sector)},
		{Key: say.T("staff.body.parent"), Link: linkTo(names, b.Parent)}, {Key: say.T("staff.body.since"), Value: dateOr(say, b.From)}, {Key: say.T("staff.body.until"), Value: dateOr(say, b.To)},
		{Key: say.T("staff.body.merged"), Link: linkTo(names, b.MergedInto)}, {Key: say.T("staff.source"), Value: b.Source},
	}
	page.Sections = append(page.Sections, section{List: &view.SummaryList{Rows: withValue(facts)}}, s.bodyNamesSection(say, b))
	if below := names.tree.Children(id); len(below) > 0 {
		t := view.Table{Caption: say.T("staff.body.below"), CaptionHidden: true, Cards: true, Columns: s.bodyColumns(say)}
		for _, c := range below[:min(len(below), bodiesMost)] {
			t.Rows = append(t.Rows, s.bodyRow(say, names, names.tree.Body(c)))
		}
		page.Sections = append(page.Sections, section{Heading: say.T("staff.body.below"), Table: &t})
	}
	page.Sections = append(page.Sections, s.officialsSection(say, names, id, officials), s.aboutSection(say, about, rows, "/staff/queue?status=all&about="+b.Code),
		section{Heading: say.T("staff.history"), Timeline: s.registerTimeline(say, people, history)})
	return sheetView.Show(s.site, w, r, page)
}

func linkTo(names bodyNames, id ref.BodyID) view.Link {
	if id == 0 || names.tree.Body(id) == nil {
		return view.Link{}
	}
	return view.Link{Text: names.name(id), Href: names.href(id)}
}

func dateOr(say *words.Speaker, iso string) string {
	if iso == "" {
		return ""
	}
	return say.Date(iso)
}

// above are the bodies over one, from the top down, as crumbs.
func (s *Server) above(say *words.Speaker, names bodyNames, b *register.Body) []view.Link {
	out := []view.Link{{Text: say.T("staff.nav.bodies"), Href: "/staff/bodies"}}
	chain := names.tree.Above(b.Parent)
	slices.Reverse(chain)
	for _, id := range chain {
		out = append(out, linkTo(names, id))
	}
	return out
}

func (s *Server) bodyNamesSection(say *words.Speaker, b *register.Body) section {
	t := view.Table{Caption: say.T("staff.body.names"), CaptionHidden: true, Cards: true, Columns: []view.Column{
		{Text: say.T("staff.body.name")}, {Text: say.T("staff.account.language")}, {Text: say.T("staff.grant.from")}, {Text: say.T("staff.grant.until")}}}
	for _, n := range b.Names {
		lang := n.Lang
		for _, sp := range s.Book.Speakers() {
			if sp.Lang() == n.Lang {
				lang = sp.Name()
			}
		}
		t.Rows = append(t.Rows, view.Row{Cells: []view.Cell{{Text: n.Name, Header: true}, {Text: lang}, {Text: spanStart(say, n.From)}, {Text: spanEnd(say, n.To)}}})
	}
	t.Empty = view.Empty{Title: say.T("staff.body.names.none"), Text: say.T("staff.body.names.none.text")}
	return section{Heading: say.T("staff.body.names"), Table: &t}
}

func spanStart(say *words.Speaker, iso string) string {
	if iso == "" {
		return say.T("staff.span.always")
	}
	return say.Date(iso)
}

func spanEnd(say *words.Speaker, iso string) string {
	if iso == "" {
		return say.T("staff.span.still")
	}
	return say.Date(iso)
}

// officialsSection lists who holds or held a post at a body.
func (s *Server) officialsSection(say *words.Speaker, names bodyNames, body ref.BodyID, all []register.Official) section {
	l := labels{s.Office.Active(), say}
	t := view.Table{Caption: say.T("staff.nav.officials"), CaptionHidden: true, Cards: true, Columns: []view.Column{
		{Text: say.T("staff.official.name")}, {Text: say.T("staff.post.title")}, {Text: say.T("staff.post.rank")}, {Text: say.T("staff.grant.from")}, {Text: say.T("staff.grant.until")}},
		Empty: view.Empty{Title: say.T("staff.body.officials.none"), Text: say.T("staff.body.officials.none.text")}}
	for _, o := range all {
		for i := len(o.Posts) - 1; i >= 0; i-- {
			if p := o.Posts[i]; p.Body == body {
				t.Rows = append(t.Rows, view.Row{Cells: []view.Cell{{Text: o.Name, Href: "/staff/officials/" + o.ID.String(), Header: true}, {Text: p.Title}, {Text: l.rank(p.Rank)}, {Text: spanStart(say, p.From)}, {Text: spanEnd(say, p.To)}}})
				break
			}
		}
	}
	out := section{Heading: say.T("staff.nav.officials"), Table: &t}
	if len(all) == bodiesMost {
		out.Quiet = say.T("staff.body.officials.more", "n", bodiesMost)
	}
	return out
}

func (s *Server) mattersAbout(ctx context.Context, tx *store.Tx, say *words.Speaker, q matter.Query) (matter.Page, rowMaker, error) {
	p, err := s.Engine.List(ctx, tx, q)
	if err != nil {
		return p, rowMaker{}, err
	}
	rows, err := s.rowMaker(ctx, tx, say, p.Items)
	return p, rows, err
}

// aboutSection shows matters about somebody or something, those the reader may see and no trace of others.
func (s *Server) aboutSection(say *words.Speaker, p matter.Page, rows rowMaker, all string) section {
	t := view.Table{Caption: say.T("staff.about"), CaptionHidden: true, Cards: true, Columns: []view.Column{
		{Text: say.T("staff.reference")}, {Text: say.T("staff.title")}, {Text: say.T("staff.state")}, {Text: say.T("staff.clock")}, {Text: say.T("staff.with")}, {Text: say.T("staff.received")}},
		Empty: view.Empty{Title: say.T("staff.about.none"), Text: say.T("staff.about.none.text")}}
	for _, st := range p.Items {
		t.Rows = append(t.Rows, rows.queue(st))
	}
	out := section{Heading: say.T("staff.about"), Quiet: say.T("staff.about.hint"), Table: &t}
	if p.Next != "" && all != "" {
		out.More = view.Link{Text: say.T("staff.about.all", "n", countWords(say, p)), Href: all}
	}
	return out
}

// registerTimeline tells what was recorded about a body or an official, newest first.
func (s *Server) registerTimeline(say *words.Speaker, people map[ref.AccountID]string, history []journal.Recorded) *view.Timeline {
	t := &view.Timeline{}
	for i := len(history) - 1; i >= 0; i-- {
		e := history[i]
		t.Events = append(t.Events, view.Event{Title: say.Maybe("staff.entry."+e.Action, e.Action), By: s.actorName(say, people, e.By), At: e.At, Imported: e.Via == journal.ViaImport})
	}
	return t
}

// officials finds people of the register.
func (s *Server) officials(w http.ResponseWriter, r *http.Request) error {
	say, q := words.From(r.Context()), strings.TrimSpace(r.URL.Query().Get("q"))
	var all []register.Official
	var names bodyNames
	err := s.DB.Read(r.Context(), func(tx *store.Tx) (err error) {
		if names, err = s.bodyNames(r.Context(), tx, say); err != nil || q == "" {
			return err
		}
		all, err = register.SearchOfficials(r.Context(), tx, q, bodiesMost)
		return err
	})
	if err != nil {
		return err
	}
	m := &formMaker{s: s, say: say, names: names}
	page := list{
		Shell: view.Shell{Title: say.T("staff.nav.officials"), Staff: true, Crumbs: crumbs(say)}, Heading: say.T("staff.nav.officials"), Lede: say.T("staff.officials.lede"),
		Filter: &view.FilterPanel{Action: "/staff/officials", Fields: []view.Input{{Kind: view.Search, Name: "q", Label: say.T("staff.officials.search"), Hint: say.T("staff.officials.search.hint"), Value: q}}},
		Table: view.Table{Caption: say.T("staff.nav.officials"), CaptionHidden: true, Cards: true, Keys: true, Columns: []view.Column{{Text: say.T("staff.official.name")}, {Text: say.T("staff.post")}, {Text: say.T("staff.official.key")}},
			Empty: view.Empty{Title: say.T("staff.officials.start"), Text: say.T("staff.officials.start.text")}},
	}
	if q != "" {
		page.Count = say.N("ui.results", int64(len(all)))
		page.Filter.Chips, page.Filter.Clear = []view.Link{{Text: q, Href: "/staff/officials"}}, "/staff/officials"
		page.Table.Empty = view.Empty{Title: say.T("staff.officials.none"), Text: say.T("staff.officials.none.text")}
	}
	for _, o := range all {
		page.Table.Rows = append(page.Table.Rows, view.Row{Label: o.Name, Cells: []view.Cell{{Text: o.Name, Href: "/staff/officials/" + o.ID.String(), Header: true}, {Text: m.postLine(o)}, {Text: o.SourceKey}}})
	}
	return listView.Show(s.site, w, r, page)
}

// official shows a person of the register: posts and names over time, and the matters that name them, as far as the
// reader may see those.
func (s *Server) official(w http.ResponseWriter, r *http.Request) error {
	n, err := pathID(r, "id")
	if err != nil {
		return err
	}
	say := words.From(r.Context())
	var (
		o       register.Official
		names   bodyNames
		history []journal.Recorded
		people  map[ref.AccountID]string
		about   matter.Page
		rows    rowMaker
	)
	err = s.DB.Read(r.Context(), func(tx *store.Tx) (err error) {
		if o, err = register.OfficialByID(r.Context(), tx, ref.OfficialID(n)); err != nil {
			return err
		}
		if names, err = s.bodyNames(r.Context(), tx, say); err != nil {
			return err
		}
		if history, err = register.History(r.Context(), tx, o.ID.Stream()); err != nil {
			return err
		}
		if people, err = s.Accounts.Names(r.Context(), tx, actors(history)); err != nil {
			return err
		}
		about, rows, err = s.mattersAbout(r.Context(), tx, say, matter.Query{Viewer: viewer(r), Official: o.ID, Sort: matter.SortReceived, Desc: true, Limit: 100})
		return err
	})
	if err != nil {
		return err
	}
	if int64(o.ID) != n {
		return view.Redirect(w, r, "/staff/officials/"+o.ID.String()) // the entry was merged into this one
	}
	page := sheet{Shell: view.Shell{Title: o.Name, Staff: true, Crumbs: crumbs(say, view.Link{Text: say.T("staff.nav.officials"), Href: "/staff/officials"})}, Heading: o.Name}
	facts := []view.SummaryRow{{Key: say.T("staff.official.number"), Value: o.ID.String()}, {Key: say.T("staff.official.key"), Value: o.SourceKey}, {Key: say.T("staff.source"), Value: o.Source}}
	if o.Identified == 0 {
		facts = append(facts, view.SummaryRow{Key: say.T("staff.official.identity"), Tags: []view.Tag{{Tone: view.Waiting, Text: say.T("staff.official.unidentified")}}})
	}
	page.Sections = append(page.Sections, section{List: &view.SummaryList{Rows: withValue(facts)}}, s.postsSection(say, names, o))
	if len(o.Names) > 1 {
		t := view.Table{Caption: say.T("staff.official.names"), CaptionHidden: true, Cards: true, Columns: []view.Column{{Text: say.T("staff.official.name")}, {Text: say.T("staff.grant.from")}}}
		for i := len(o.Names) - 1; i >= 0; i-- {
			t.Rows = append(t.Rows, view.Row{Cells: []view.Cell{{Text: o.Names[i].Name, Header: true}, {Text: spanStart(say, o.Names[i].From)}}})
		}
		page.Sections = append(page.Sections, section{Heading: say.T("staff.official.names"), Table: &t})
	}
	page.Sections = append(page.Sections, s.aboutSection(say, about, rows, ""), section{Heading: say.T("staff.history"), Timeline: s.registerTimeline(say, people, history)})
	return sheetView.Show(s.site, w, r, page)
}

func (s *Server) postsSection(say *words.Speaker, names bodyNames, o register.Official) section {
	l := labels{s.Office.Active(), say}
	t := view.Table{Caption: say.T("staff.posts"), CaptionHidden: true, Cards: true, Columns: []view.Column{
		{Text: say.T("staff.body")}, {Text: say.T("staff.post.title")}, {Text: say.T("staff.post.rank")}, {Text: say.T("staff.grant.from")}, {Text: say.T("staff.grant.until")}},
		Empty: view.Empty{Title: say.T("staff.posts.none"), Text: say.T("staff.posts.none.text")}}
	for i := len(o.Posts) - 1; i >= 0; i-- {
		p := o.Posts[i]
		t.Rows = append(t.Rows, view.Row{Cells: []view.Cell{{Text: names.name(p.Body), Href: names.href(p.Body), Header: true}, {Text: p.Title}, {Text: l.rank(p.Rank)}, {Text: spanStart(say, p.From)}, {Text: spanEnd(say, p.To)}}})
	}
	return section{Heading: say.T("staff.posts"), Table: &t}
}

// officialName is the name of an official, empty for none.
func (s *Server) officialName(ctx context.Context, tx *store.Tx, id ref.OfficialID) (string, error) {
	if id == 0 {
		return "", nil
	}
	o, err := register.OfficialByID(ctx, tx, id)
	if fault.Is(err, fault.NotFound) {
		return "", nil
	}
	return o.Name, err
}

// officialNamed reads the number of an official, or nothing.
func (s *Server) officialNamed(ctx context.Context, tx *store.Tx, text string) (ref.OfficialID, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err == nil {
		o, err := register.OfficialByID(ctx, tx, ref.OfficialID(n))
		if err == nil {
			return o.ID, nil
		}
		if !fault.Is(err, fault.NotFound) {
			return 0, err
		}
	}
	hits, err := register.SearchOfficials(ctx, tx, text, 2)
	if err != nil {
		return 0, err
	}
	if len(hits) == 1 && hits[0].SourceKey == text {
		return hits[0].ID, nil
	}
	return 0, fault.InvalidFields([]fault.Field{{Name: "official", Key: "account.official"}})
}
