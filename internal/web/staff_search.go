package web

import (
	"net/http"

	"plumbline/internal/access"
	"plumbline/internal/fault"
	"plumbline/internal/matter"
	"plumbline/internal/store"
	"plumbline/internal/web/view"
	"plumbline/internal/words"
)

// Words that are looked for in what is sealed are posted, so that they stand in no address and no history.

// mostHits is how many matters a search shows.
const mostHits = 50

func (s *Server) searchForm(say *words.Speaker) view.Form {
	return view.Form{Action: "/staff/search", Submit: say.T("search.submit"), Inputs: []view.Input{
		{Kind: view.Text, Name: "words", Label: say.T("search.label"), Hint: say.T("search.hint"), Size: "s", Autocomplete: "off", NoSpell: true},
	}}
}

func (s *Server) searchPage(w http.ResponseWriter, r *http.Request) error {
	return sheetView.Show(s.site, w, r, s.searchSheet(words.From(r.Context()), s.searchForm(words.From(r.Context()))))
}

func (s *Server) searchSheet(say *words.Speaker, f view.Form) sheet {
	return sheet{Shell: view.Shell{Title: say.T("search.title"), Staff: true, Crumbs: crumbs(say, view.Link{Text: say.T("staff.nav.queue"), Href: "/staff/queue"})},
		Heading: say.T("search.title"), Lede: say.T("search.lede"), Sections: []section{{Form: &f}}}
}

// search looks through what the reader can open.
func (s *Server) search(w http.ResponseWriter, r *http.Request) error {
	if err := form(r); err != nil {
		return err
	}
	say := words.From(r.Context())
	f := s.searchForm(say)
	f.Fill(r.PostForm)
	found, err := s.Engine.SearchSealed(r.Context(), viewer(r), keys(r), r.PostForm.Get("words"), mostHits, nil)
	if fault.Is(err, fault.Invalid) {
		errors := f.Fail(say, err)
		page := s.searchSheet(say, f)
		page.Errors = errors
		return sheetView.ShowStatus(s.site, w, r, http.StatusUnprocessableEntity, page)
	}
	if err != nil {
		return err
	}
	page := s.searchSheet(say, f)
	if err := s.DB.Read(r.Context(), func(tx *store.Tx) error { return s.showHits(r, tx, say, &page, found) }); err != nil {
		return err
	}
	return sheetView.Show(s.site, w, r, page)
}

func (s *Server) showHits(r *http.Request, tx *store.Tx, say *words.Speaker, page *sheet, found matter.Found) error {
	all := make([]matter.State, len(found.Hits))
	for i, h := range found.Hits {
		all[i] = h.State
	}
	rows, err := s.rowMaker(r.Context(), tx, say, all)
	if err != nil {
		return err
	}
	t := view.Table{Caption: say.T("search.found"), CaptionHidden: true, Cards: true, Keys: true, Columns: []view.Column{
		{Text: say.T("staff.reference")}, {Text: say.T("staff.kind")}, {Text: say.T("search.where")}},
		Empty: view.Empty{Title: say.T("search.none"), Text: say.T("search.none.text")}}
	for _, h := range found.Hits {
		p, _, err := s.Engine.PackOf(h.State.Matter)
		if err != nil {
			return err
		}
		var where []string
		for _, c := range h.Compartments {
			where = append(where, compartmentName(say, c))
		}
		t.Rows = append(t.Rows, view.Row{Cells: []view.Cell{
			{Text: string(h.State.Matter.Ref), Href: matterHref(h.State.Matter.Ref), Header: true, Sub: matter.Title(p, rows.names.tree, h.State, say.Lang())},
			{Text: labels{p, say}.kind(h.State.Matter.Kind)}, {Text: say.List(where)},
		}})
	}
	quiet := say.N("search.count", int64(len(found.Hits))) + " " + say.N("search.searched", int64(found.Searched))
	if found.More {
		quiet += " " + say.T("search.more")
	}
	page.Sections = append(page.Sections, section{Heading: say.T("search.found"), Quiet: quiet, Table: &t})
	return nil
}

// mayOpenAnything reports whether a search could find anything for the reader.
func mayOpenAnything(v access.Viewer) bool {
	for _, g := range v.Grants {
		if opensContent(g) {
			return true
		}
	}
	return false
}

// searchButton leads from the list of matters to the search.
func searchButton(say *words.Speaker, v access.Viewer) []view.Link {
	if !mayOpenAnything(v) {
		return nil
	}
	return []view.Link{{Text: say.T("search.title"), Href: "/staff/search"}}
}
