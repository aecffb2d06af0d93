package web

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"plumbline/internal/fault"
	"plumbline/internal/pack"
	"plumbline/internal/sample"
	"plumbline/internal/store"
	"plumbline/internal/web/view"
	"plumbline/internal/words"
	"plumbline/verify"
)

// The public pages of random inspection: every draw there is, what came of it, and the file to repeat it with.

// drawsPage is the list of draws, and one draw.
type drawsPage struct {
	view.Shell
	Heading string
	Lede    string
	Parts   []drawPart
	Print   bool
}

type drawPart struct {
	Heading string
	Text    []string
	Steps   []string
	Code    string
	Facts   *view.SummaryList
	Table   *view.Table
	File    view.Link
	Link    view.Link
}

var drawsView = view.Page[drawsPage]("public/draws")

func (s *Server) samples() *sample.Samples {
	return sample.New(s.DB, s.Engine, s.Office, s.Ledger, s.Book)
}

func drawHref(base string, number int64) string {
	return base + "/inspections/" + strconv.FormatInt(number, 10)
}

// publicDraws lists every draw, held or not.
func (s *Server) publicDraws(w http.ResponseWriter, r *http.Request) error {
	say := words.From(r.Context())
	var all []sample.Draw
	if err := s.DB.Read(r.Context(), func(tx *store.Tx) (err error) { all, err = s.samples().All(r.Context(), tx); return err }); err != nil {
		return err
	}
	page := drawsPage{Shell: view.Shell{Title: say.T("inspections.title")}, Heading: say.T("inspections.title"), Lede: say.T("inspections.lede"), Print: true,
		Parts: []drawPart{
			{Heading: say.T("inspections.how"), Steps: []string{say.T("inspections.how.fix"), say.T("inspections.how.ask"), say.T("inspections.how.draw"), say.T("inspections.how.inspect")}},
			{Heading: say.T("inspections.all"), Table: s.drawsTable(say, all, "")},
			{Heading: say.T("inspections.own"), Text: []string{say.T("inspections.own.text")}},
		}}
	return drawsView.Show(s.site, w, r, page)
}

// drawsTable is a list of draws; base is where their pages stand.
func (s *Server) drawsTable(say *words.Speaker, all []sample.Draw, base string) *view.Table {
	t := &view.Table{Caption: say.T("inspections.all"), CaptionHidden: true, Cards: true, Columns: []view.Column{
		{Text: say.T("inspections.draw")}, {Text: say.T("inspections.what")}, {Text: say.T("inspections.population"), Numeric: true},
		{Text: say.T("inspections.drawn"), Numeric: true}, {Text: say.T("inspections.held")}},
		Empty: view.Empty{Title: say.T("inspections.none"), Text: say.T("inspections.none.text")}}
	for _, d := range all {
		held := view.Cell{Tags: []view.Tag{{Tone: view.Waiting, Text: say.T("inspections.notyet")}}}
		if at := d.DrawnAt(); !at.IsZero() {
			held = view.Cell{Text: say.Day(at, s.Office.Zone())}
		}
		t.Rows = append(t.Rows, view.Row{Cells: []view.Cell{
			{Text: say.T("inspections.number", "n", d.Number), Href: drawHref(base, d.Number), Header: true}, {Text: inWords(say, d.Def.Filter.Words)},
			{Text: say.Number(d.Def.Count)}, {Text: say.Number(d.Take())}, held}})
	}
	return t
}

// inWords is a text of a definition in the reader's language.
func inWords(say *words.Speaker, texts map[string]string) string {
	return say.Text(pack.Text(texts))
}

// number reads the number of a draw out of the address.
func (s *Server) draw(ctx context.Context, tx *store.Tx, r *http.Request) (sample.Draw, error) {
	n, err := strconv.ParseInt(r.PathValue("number"), 10, 64)
	if err != nil || n < 1 {
		return sample.Draw{}, fault.New(fault.NotFound, "fault.notfound", nil)
	}
	return s.samples().Load(ctx, tx, n)
}

// publicDraw shows one draw.
func (s *Server) publicDraw(w http.ResponseWriter, r *http.Request) error {
	say := words.From(r.Context())
	var d sample.Draw
	var res sample.Results
	var ready bool
	var names bodyNames
	err := s.DB.Read(r.Context(), func(tx *store.Tx) (err error) {
		if d, err = s.draw(r.Context(), tx, r); err != nil {
			return err
		}
		if names, err = s.bodyNames(r.Context(), tx, say); err != nil {
			return err
		}
		if ready, err = s.samples().Ready(r.Context(), tx, d); err != nil || d.Record == nil {
			return err
		}
		res, err = s.samples().Results(r.Context(), tx, d)
		return err
	})
	if err != nil {
		return err
	}
	title := say.T("inspections.number", "n", d.Number)
	page := drawsPage{Shell: view.Shell{Title: title, Back: view.Link{Text: say.T("inspections.title"), Href: "/inspections"}}, Heading: title, Lede: inWords(say, d.Def.Filter.Words), Print: true}
	strength, err := s.strength(say, d.Def)
	if err != nil {
		return err
	}
	page.Parts = append(page.Parts, drawPart{Heading: say.T("inspections.defined"), Text: []string{strength}, Facts: s.definition(say, d)})
	switch {
	case d.Record != nil:
		page.Parts = append(page.Parts,
			drawPart{Heading: say.T("inspections.chance"), Facts: s.chanceFacts(say, d)},
			drawPart{Heading: say.T("inspections.results"), Text: resultTexts(say, res), Table: s.resultTable(say, names, res)})
	case ready:
		page.Parts = append(page.Parts, drawPart{Heading: say.T("inspections.next"), Text: []string{say.T("inspections.next.text"), say.T("inspections.note.digest")}})
	}
	repeat := drawPart{Heading: say.T("inspections.repeat"), Text: []string{say.T("inspections.repeat.later")}}
	if ready {
		file := "draw-" + strconv.FormatInt(d.Number, 10) + ".json"
		repeat.Text = []string{say.T("inspections.repeat.text"), say.T("inspections.repeat.not")}
		repeat.Code = "plumbline sample verify " + file + " --key @office.keys"
		repeat.File = view.Link{Text: say.T("inspections.file"), Href: drawHref("", d.Number) + "/" + file}
		repeat.Link = view.Link{Text: say.T("inspections.keys"), Href: "/log"}
	}
	page.Parts = append(page.Parts, repeat)
	return drawsView.Show(s.site, w, r, page)
}

// drawFile is the public file of a draw.
func (s *Server) drawFile(w http.ResponseWriter, r *http.Request) error {
	var f verify.Sample
	err := s.DB.Read(r.Context(), func(tx *store.Tx) error {
		d, err := s.draw(r.Context(), tx, r)
		if err != nil {
			return err
		}
		if r.PathValue("file") != "draw-"+strconv.FormatInt(d.Number, 10)+".json" {
			return fault.New(fault.NotFound, "fault.notfound", nil)
		}
		f, err = s.samples().File(r.Context(), tx, d.Number)
		return err
	})
	if err != nil {
		return err
	}
	text, err := f.Marshal()
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Disposition", `attachment; filename="`+r.PathValue("file")+`"`)
	_, _ = w.Write(text) // the reader has gone; nobody is left to tell
	return nil
}

// strength is what the draw can show, in words.
func (s *Server) strength(say *words.Speaker, d verify.Definition) (string, error) {
	found, err := d.Strength()
	if err != nil {
		return "", err
	}
	share, err := strconv.ParseFloat(d.Share, 64)
	if err != nil {
		return "", err
	}
	take := int64(0)
	for _, st := range d.Strata {
		take += st.Take
	}
	return strengthText(say, share, verify.Wrong(d.Count, share), d.Count, take, found), nil
}

func strengthText(say *words.Speaker, share float64, wrong, all, take int64, found float64) string {
	chance := say.Percent(found)
	if found < 1 && found > 0.999 {
		chance = "> " + say.Percent(0.999)
	}
	return say.T("sample.strength", "share", say.Percent(share), "wrong", wrong, "all", all, "take", take, "chance", chance)
}

// definition is what a draw is made from.
func (s *Server) definition(say *words.Speaker, d sample.Draw) *view.SummaryList {
	return &view.SummaryList{Rows: []view.SummaryRow{
		{Key: say.T("inspections.defined.on"), Value: say.Day(d.DefinedAt(), s.Office.Zone())},
		{Key: say.T("inspections.population"), Value: say.N("inspections.matters", d.Def.Count)},
		{Key: say.T("inspections.drawn"), Value: say.N("inspections.matters", d.Take())},
		{Key: say.T("inspections.log"), Value: say.T("inspections.log.at", "n", int64(d.Def.Log.Size))},
		{Key: say.T("inspections.digest"), Value: d.Def.Digest},
		{Key: say.T("inspections.asked"), Lines: []string{say.T("inspections.kind." + d.Def.Seed.Kind), d.Def.Seed.Plan}},
	}}
}

// chanceFacts is how chance was asked.
func (s *Server) chanceFacts(say *words.Speaker, d sample.Draw) *view.SummaryList {
	return &view.SummaryList{Rows: []view.SummaryRow{
		{Key: say.T("inspections.held"), Value: say.Day(d.DrawnAt(), s.Office.Zone())},
		{Key: say.T("inspections.kind." + d.Record.Kind), Value: d.Record.Seed},
		{Key: say.T("inspections.observers"), Lines: d.Record.Observers},
		{Key: say.T("inspections.under"), Value: say.T("inspections.log.at", "n", int64(d.Record.Under.Size))},
		{Key: say.T("inspections.positions"), Value: positions(d.Record.Drawn)},
	}}
}

func positions(all []uint64) string {
	out := make([]string, len(all))
	for i, p := range all {
		out[i] = strconv.FormatUint(p, 10)
	}
	return strings.Join(out, ", ")
}

// resultTexts say what the inspections have come to, and what the numbers can carry.
func resultTexts(say *words.Speaker, r sample.Results) []string {
	if r.All.Done == 0 {
		return []string{say.T("inspections.so.none", "drawn", r.All.Drawn)}
	}
	out := []string{say.T("inspections.so", "done", r.All.Done, "drawn", r.All.Drawn, "wrong", r.All.Wrong)}
	out = append(out, say.T("inspections.range", "sure", say.Percent(r.Sure), "low", say.Percent(r.All.Range.Low), "high", say.Percent(r.All.Range.High)))
	if r.All.Open() > 0 {
		out = append(out, say.T("inspections.open", "n", r.All.Open()))
	}
	if r.Left > 0 {
		out = append(out, say.T("inspections.left", "n", r.Left))
	}
	return out
}

// fewDrawn is below what a single body's numbers say little.
const fewDrawn = 10

func (s *Server) resultTable(say *words.Speaker, names bodyNames, r sample.Results) *view.Table {
	t := &view.Table{Caption: say.T("inspections.by"), Cards: true, Columns: []view.Column{
		{Text: say.T("inspections.body")}, {Text: say.T("inspections.population"), Numeric: true}, {Text: say.T("inspections.drawn"), Numeric: true},
		{Text: say.T("inspections.done"), Numeric: true}, {Text: say.T("inspections.wrong"), Numeric: true}, {Text: say.T("inspections.share")}}}
	row := func(name string, x sample.Tally) view.Row {
		share := view.Cell{Text: say.T("inspections.from-to", "low", say.Percent(x.Range.Low), "high", say.Percent(x.Range.High))}
		if x.Done == 0 {
			share = view.Cell{Text: say.T("inspections.share.unknown")}
		} else if x.Drawn < fewDrawn && x.Drawn < x.Size {
			share.Sub = say.T("inspections.few")
		}
		return view.Row{Cells: []view.Cell{{Text: name, Header: true}, {Text: say.Number(x.Size)}, {Text: say.Number(x.Drawn)}, {Text: say.Number(x.Done)}, {Text: say.Number(x.Wrong)}, share}}
	}
	for _, b := range r.Bodies {
		t.Rows = append(t.Rows, row(names.name(b.Body), b))
	}
	if len(r.Bodies) != 1 {
		t.Rows = append(t.Rows, row(say.T("inspections.total"), r.All))
	}
	return t
}
