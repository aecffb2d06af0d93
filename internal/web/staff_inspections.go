package web

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"plumbline/internal/access"
	"plumbline/internal/fault"
	"plumbline/internal/journal"
	"plumbline/internal/pack"
	"plumbline/internal/ref"
	"plumbline/internal/sample"
	"plumbline/internal/store"
	"plumbline/internal/web/view"
	"plumbline/internal/words"
	"plumbline/verify"
)

// draws reports whether somebody may draw matters at random anywhere.
func draws(v access.Viewer) bool {
	return slices.ContainsFunc(v.Grants, func(g access.Grant) bool { return g.Draws && g.Body != 0 })
}

// drawing lets those through who may draw; to others there is no such page.
func drawing(r *http.Request) (access.Viewer, error) {
	v := viewer(r)
	if !draws(v) {
		return v, fault.New(fault.NotFound, "fault.notfound", nil)
	}
	return v, nil
}

// staffDraws lists the draws for those who hold them.
func (s *Server) staffDraws(w http.ResponseWriter, r *http.Request) error {
	if _, err := drawing(r); err != nil {
		return err
	}
	say := words.From(r.Context())
	var all []sample.Draw
	if err := s.DB.Read(r.Context(), func(tx *store.Tx) (err error) { all, err = s.samples().All(r.Context(), tx); return err }); err != nil {
		return err
	}
	return sheetView.Show(s.site, w, r, sheet{
		Shell: view.Shell{Title: say.T("inspections.title"), Staff: true, Crumbs: crumbs(say)}, Heading: say.T("inspections.title"), Lede: say.T("inspections.staff.lede"),
		Buttons:  []view.Link{{Text: say.T("inspections.define"), Href: "/staff/inspections/new"}, {Text: say.T("inspections.public"), Href: "/inspections"}},
		Sections: []section{{Table: s.drawsTable(say, all, "/staff")}},
	})
}

// drawForm is what was asked for on the page that defines a draw.
type drawForm struct {
	sample.Request
	body, what string
}

// readDraw reads the form; what is missing is what one would usually ask for.
func (s *Server) readDraw(q url.Values, names bodyNames, v access.Viewer) drawForm {
	get := func(name string) string { return one(view.Values(q)(name)) }
	f := drawForm{body: get("body"), what: get("what")}
	if b := names.tree.ByCode(f.body); b != nil {
		f.Body = b.ID
	} else if own := drawBodies(v, names); len(own) > 0 {
		f.Body, f.body = own[0], names.tree.Body(own[0]).Code
	}
	f.Kind, f.Ended, _ = strings.Cut(f.what, "/")
	f.From, f.To = get("from"), get("to")
	f.ByBody = get("by") == "body"
	f.Share, f.Sure = shareOf(get("share"), "0.05"), shareOf(get("sure"), "0.95")
	if n := get("size"); n != "" {
		size, err := strconv.ParseInt(n, 10, 64)
		if err != nil || size < 1 {
			size = -1 // sample says what is wrong with it
		}
		f.Size = size
	}
	return f
}

// shareOf turns what stands before a percent sign into a share; what cannot be read becomes what sample refuses.
func shareOf(percent, usual string) string {
	percent = strings.TrimSuffix(strings.TrimSpace(strings.ReplaceAll(percent, ",", ".")), "%")
	if percent == "" {
		return usual
	}
	x, err := strconv.ParseFloat(strings.TrimSpace(percent), 64)
	if err != nil {
		return "0"
	}
	return strings.TrimRight(strings.TrimRight(strconv.FormatFloat(x/100, 'f', 6, 64), "0"), ".")
}

// drawBodies are the bodies over which somebody may draw, the highest of each duty.
func drawBodies(v access.Viewer, names bodyNames) []ref.BodyID {
	var out []ref.BodyID
	for _, g := range v.Grants {
		if g.Draws && names.tree.Body(g.Body) != nil && !slices.Contains(out, g.Body) {
			out = append(out, g.Body)
		}
	}
	return out
}

func percentField(share string) string {
	x, err := strconv.ParseFloat(share, 64)
	if err != nil || x == 0 {
		return ""
	}
	return strconv.FormatFloat(x*100, 'f', -1, 64)
}

// newDrawPage lets somebody say what to draw from, and shows at once what it comes to.
func (s *Server) newDrawPage(w http.ResponseWriter, r *http.Request) error {
	v, err := drawing(r)
	if err != nil {
		return err
	}
	return s.showNewDraw(w, r, v, r.URL.Query(), nil)
}

// showNewDraw shows the form, the preview, and the form that records it; failed is why recording it did not work.
func (s *Server) showNewDraw(w http.ResponseWriter, r *http.Request, v access.Viewer, q url.Values, failed error) error {
	say := words.From(r.Context())
	var f drawForm
	var plan sample.Plan
	var names bodyNames
	var wrong error
	err := s.DB.Read(r.Context(), func(tx *store.Tx) (err error) {
		if names, err = s.bodyNames(r.Context(), tx, say); err != nil {
			return err
		}
		f = s.readDraw(q, names, v)
		if _, ok := access.MayDraw(v, names.tree.Above(f.Body)); !ok {
			return fault.New(fault.Forbidden, "sample.forbidden", nil)
		}
		plan, wrong = s.samples().Preview(r.Context(), tx, v, f.Request)
		return nil
	})
	if err != nil {
		return err
	}
	if wrong != nil && !fault.Is(wrong, fault.Invalid) && !fault.Is(wrong, fault.Unavailable) {
		return wrong
	}
	page := sheet{
		Shell:   view.Shell{Title: say.T("inspections.define"), Staff: true, Crumbs: crumbs(say, view.Link{Text: say.T("inspections.title"), Href: "/staff/inspections"})},
		Heading: say.T("inspections.define"), Lede: say.T("inspections.define.lede"),
	}
	ask := s.askForm(say, names, v, f)
	status := http.StatusOK
	if wrong != nil {
		status = http.StatusUnprocessableEntity
		page.Errors = ask.Fail(say, s.explained(r, wrong))
		if !asked(q) || fault.Is(wrong, fault.Unavailable) {
			status = http.StatusOK // the page as it is first opened: nobody has done anything wrong
		}
	}
	page.Sections = append(page.Sections, section{Heading: say.T("inspections.define.from"), Form: &ask})
	if wrong == nil {
		preview := section{Heading: say.T("inspections.preview"), Note: &view.Note{Tone: view.Info, Title: say.N("inspections.preview.count", int64(len(plan.Items))),
			Text: strengthText(say, shareNumber(f.Share), plan.Wrong, int64(len(plan.Items)), plan.Take(), plan.Found)}}
		if len(plan.Strata) > 1 {
			preview.Table = s.strataTable(say, names, plan.Strata)
		}
		confirm := s.defineForm(say, f)
		if failed != nil {
			status = http.StatusUnprocessableEntity
			confirm.Fill(r.PostForm)
			page.Errors = confirm.Fail(say, s.explained(r, failed))
		}
		page.Sections = append(page.Sections, preview, section{Heading: say.T("inspections.define.chance"), Quiet: say.T("inspections.define.chance.text"), Form: &confirm})
	}
	return sheetView.ShowStatus(s.site, w, r, status, page)
}

// asked reports whether the form was sent at all.
func asked(q url.Values) bool { return q.Has("body") || q.Has("share") }

func shareNumber(share string) float64 {
	x, err := strconv.ParseFloat(share, 64)
	if err != nil {
		return 0 // sample has read it
	}
	return x
}

// askForm asks what to draw from and how sure to be.
func (s *Server) askForm(say *words.Speaker, names bodyNames, v access.Viewer, f drawForm) view.Form {
	body := view.Input{Kind: view.Select, Name: "body", Label: say.T("inspections.ask.body"), Size: "s",
		Options: bodyOptions(names, func(id ref.BodyID) bool { _, ok := access.MayDraw(v, names.tree.Above(id)); return ok })}.Choose(f.body)
	what := view.Input{Kind: view.Select, Name: "what", Label: say.T("inspections.ask.what"), Size: "s", Empty: say.T("inspections.ask.any"), Options: s.endings(say)}.Choose(f.what)
	date := func(name, label, value string) view.Input {
		in := view.Input{Kind: view.Date, Name: name, Label: label, Size: "s", Optional: true}
		if value != "" {
			in.Day, in.Month, in.Year = view.SplitDate(value)
		}
		return in
	}
	size := ""
	if f.Size > 0 {
		size = strconv.FormatInt(f.Size, 10)
	}
	by := view.Input{Kind: view.Checkboxes, Name: "by", Label: say.T("inspections.ask.by"), Size: "s", Small: true,
		Options: []view.Option{{Value: "body", Text: say.T("inspections.ask.by.body"), Hint: say.T("inspections.ask.by.hint")}}}
	if f.ByBody {
		by = by.Choose("body")
	}
	return view.Form{Get: true, Action: "/staff/inspections/new", Submit: say.T("inspections.ask.show"), ID: "ask", Inputs: []view.Input{body, what,
		date("from", say.T("inspections.ask.from"), f.From), date("to", say.T("inspections.ask.to"), f.To), by,
		{Kind: view.Text, Name: "share", Label: say.T("inspections.ask.share"), Size: "s", Width: "3", Suffix: "%", InputMode: "decimal", Value: percentField(f.Share)},
		{Kind: view.Text, Name: "sure", Label: say.T("inspections.ask.sure"), Size: "s", Width: "3", Suffix: "%", InputMode: "decimal", Value: percentField(f.Sure)},
		{Kind: view.Text, Name: "size", Label: say.T("inspections.ask.size"), Hint: say.T("inspections.ask.size.hint"), Size: "s", Width: "4", InputMode: "numeric", Value: size, Optional: true},
	}}
}

// endings are the kinds, and the steps that close matters of each.
func (s *Server) endings(say *words.Speaker) []view.Option {
	var out []view.Option
	p := s.Office.Active()
	if p == nil {
		return nil
	}
	for i := range p.Kinds {
		k := &p.Kinds[i]
		group := say.Text(k.Plural)
		out = append(out, view.Option{Value: k.ID, Text: say.T("inspections.ask.all", "kind", group), Group: group})
		for j := range k.Actions {
			a := &k.Actions[j]
			closes := a.To != "" && k.State(a.To).Final && slices.ContainsFunc(a.From, func(st string) bool { return !k.State(st).Final })
			if closes {
				out = append(out, view.Option{Value: k.ID + "/" + a.ID, Text: say.T("inspections.ask.ended", "kind", group, "step", say.Text(a.Label)), Group: group})
			}
		}
	}
	return out
}

// defineForm records what the preview shows.
func (s *Server) defineForm(say *words.Speaker, f drawForm) view.Form {
	var kinds []view.Option
	for _, k := range []string{verify.SeedDice, verify.SeedLottery, verify.SeedBeacon} {
		kinds = append(kinds, view.Option{Value: k, Text: say.T("inspections.kind." + k), Hint: say.T("inspections.hint." + k)})
	}
	form := view.Form{Action: "/staff/inspections/new", Submit: say.T("inspections.define.do"), Warning: true, ID: "define",
		Cancel: view.Link{Text: say.T("ui.cancel"), Href: "/staff/inspections"},
		Inputs: []view.Input{
			{Kind: view.Radios, Name: "chance", Label: say.T("inspections.ask.chance"), Size: "s", Options: kinds},
			{Kind: view.Textarea, Name: "plan", Label: say.T("inspections.ask.plan"), Hint: say.T("inspections.ask.plan.hint"), Size: "s", Rows: 2, Max: 500},
		}}
	hidden := map[string]string{"body": f.body, "what": f.what, "from": f.From, "to": f.To, "share": percentField(f.Share), "sure": percentField(f.Sure)}
	if f.ByBody {
		hidden["by"] = "body"
	}
	if f.Size > 0 {
		hidden["size"] = strconv.FormatInt(f.Size, 10)
	}
	for _, name := range []string{"body", "what", "from", "to", "by", "share", "sure", "size"} {
		if hidden[name] != "" {
			form.Hidden = append(form.Hidden, view.Hidden{Name: name, Value: hidden[name]})
		}
	}
	return form
}

func (s *Server) strataTable(say *words.Speaker, names bodyNames, strata []verify.SampleStrata) *view.Table {
	t := &view.Table{Caption: say.T("inspections.by"), CaptionHidden: true, Cards: true, Columns: []view.Column{
		{Text: say.T("inspections.body")}, {Text: say.T("inspections.population"), Numeric: true}, {Text: say.T("inspections.drawn"), Numeric: true}}}
	for _, st := range strata {
		name := st.Name
		if b := names.tree.ByCode(st.Name); b != nil {
			name = names.name(b.ID)
		}
		t.Rows = append(t.Rows, view.Row{Cells: []view.Cell{{Text: name, Header: true}, {Text: say.Number(st.Size)}, {Text: say.Number(st.Take)}}})
	}
	return t
}

// newDraw records a definition.
func (s *Server) newDraw(w http.ResponseWriter, r *http.Request) error {
	v, err := drawing(r)
	if err != nil {
		return err
	}
	if err := form(r); err != nil {
		return err
	}
	say := words.From(r.Context())
	var d sample.Draw
	err = s.DB.Tx(r.Context(), func(tx *store.Tx) error {
		names, err := s.bodyNames(r.Context(), tx, say)
		if err != nil {
			return err
		}
		f := s.readDraw(r.PostForm, names, v)
		d, err = s.samples().Define(r.Context(), tx, sample.DefineCmd{Request: f.Request, Kind: r.PostForm.Get("chance"), Plan: r.PostForm.Get("plan"), Viewer: v, Via: journal.ViaWeb})
		return err
	})
	if fault.Is(err, fault.Invalid) {
		return s.showNewDraw(w, r, v, r.PostForm, err)
	}
	if err != nil {
		return err
	}
	s.site.Flash(w, view.Success, "flash.draw-defined", nil)
	return view.Redirect(w, r, drawHref("/staff", d.Number))
}

// staffDraw shows a draw to those who hold it: what to do next, or what came of it.
func (s *Server) staffDraw(w http.ResponseWriter, r *http.Request) error {
	if _, err := drawing(r); err != nil {
		return err
	}
	return s.showDraw(w, r, nil)
}

func (s *Server) showDraw(w http.ResponseWriter, r *http.Request, failed error) error {
	say, v := words.From(r.Context()), viewer(r)
	var d sample.Draw
	var res sample.Results
	var ready, may bool
	var names bodyNames
	var drawn *view.Table
	err := s.DB.Read(r.Context(), func(tx *store.Tx) (err error) {
		if d, err = s.draw(r.Context(), tx, r); err != nil {
			return err
		}
		if names, err = s.bodyNames(r.Context(), tx, say); err != nil {
			return err
		}
		_, may = access.MayDraw(v, names.tree.Above(d.Body))
		if ready, err = s.samples().Ready(r.Context(), tx, d); err != nil || d.Record == nil {
			return err
		}
		if res, err = s.samples().Results(r.Context(), tx, d); err != nil {
			return err
		}
		drawn, err = s.drawnTable(r.Context(), tx, say, v, res)
		return err
	})
	if err != nil {
		return err
	}
	title := say.T("inspections.number", "n", d.Number)
	page := sheet{Shell: view.Shell{Title: title, Staff: true, Crumbs: crumbs(say, view.Link{Text: say.T("inspections.title"), Href: "/staff/inspections"})},
		Heading: title, Lede: inWords(say, d.Def.Filter.Words), Buttons: []view.Link{{Text: say.T("inspections.public.this"), Href: drawHref("", d.Number)}}}
	strength, err := s.strength(say, d.Def)
	if err != nil {
		return err
	}
	status := http.StatusOK
	switch {
	case d.Record == nil && !ready:
		page.Sections = append(page.Sections, section{Heading: say.T("inspections.hold"), Note: &view.Note{Tone: view.Soon, Title: say.T("inspections.hold.wait"), Text: say.T("inspections.hold.wait.text"),
			Link: view.Link{Text: say.T("inspections.hold.again"), Href: drawHref("/staff", d.Number)}}})
	case d.Record == nil && may:
		hold := s.holdForm(say, d)
		if failed != nil {
			status = http.StatusUnprocessableEntity
			hold.Fill(r.PostForm)
			page.Errors = hold.Fail(say, s.explained(r, failed))
		}
		page.Sections = append(page.Sections, section{Heading: say.T("inspections.hold"), Quiet: say.T("inspections.note.digest"), Form: &hold})
	}
	page.Sections = append(page.Sections, section{Heading: say.T("inspections.defined"), Quiet: strength, List: s.definition(say, d)})
	if d.Record != nil {
		results := section{Heading: say.T("inspections.results"), Quiet: strings.Join(resultTexts(say, res), " "), Table: s.resultTable(say, names, res)}
		if n := unopened(res); n > 0 {
			results.Note = &view.Note{Tone: view.Bad, Title: say.N("inspections.waiting", n), Text: say.T("inspections.waiting.text")}
		}
		page.Sections = append([]section{results, {Heading: say.T("inspections.drawn.list"), Table: drawn}, {Heading: say.T("inspections.chance"), List: s.chanceFacts(say, d)}}, page.Sections...)
	}
	return sheetView.ShowStatus(s.site, w, r, status, page)
}

// unopened is how many of those drawn have no inspection yet.
func unopened(r sample.Results) (n int64) {
	for _, i := range r.Items {
		if i.Inspection == 0 {
			n++
		}
	}
	return n
}

// drawnTable lists what was drawn, each with its inspection; what the reader may not see has no link and no reference.
func (s *Server) drawnTable(ctx context.Context, tx *store.Tx, say *words.Speaker, v access.Viewer, r sample.Results) (*view.Table, error) {
	t := &view.Table{Caption: say.T("inspections.drawn.list"), CaptionHidden: true, Cards: true, Columns: []view.Column{
		{Text: say.T("inspections.position"), Numeric: true}, {Text: say.T("inspections.matter")}, {Text: say.T("inspections.inspection")}, {Text: say.T("inspections.result")}}}
	cell := func(id ref.MatterID) (view.Cell, error) {
		if id == 0 {
			return view.Cell{Text: "–"}, nil
		}
		st, err := s.Engine.Load(ctx, tx, id)
		if err != nil {
			return view.Cell{}, err
		}
		f, err := s.Engine.Facts(ctx, tx, st)
		if err != nil || !access.CanSee(v, f) {
			return view.Cell{Text: say.T("inspections.hidden")}, err
		}
		return view.Cell{Text: string(st.Matter.Ref), Href: matterHref(st.Matter.Ref)}, nil
	}
	for _, i := range r.Items {
		original, err := cell(i.Matter)
		if err != nil {
			return nil, err
		}
		inspection, err := cell(i.Inspection)
		if err != nil {
			return nil, err
		}
		result := view.Cell{Text: say.T("inspections.result.open")}
		if i.Done {
			result = view.Cell{Tags: []view.Tag{{Tone: view.Success, Text: s.resultLabel(say, i.Result)}}}
			if i.Wrong {
				result.Tags[0].Tone = view.Bad
			}
		}
		position := view.Cell{Text: strconv.FormatInt(i.Position, 10), Header: true}
		t.Rows = append(t.Rows, view.Row{Cells: []view.Cell{position, original, inspection, result}})
	}
	return t, nil
}

// resultLabel is a result as the pack calls it, in short: what stands before a colon.
func (s *Server) resultLabel(say *words.Speaker, id string) string {
	p := s.Office.Active()
	if p == nil || p.Inspection() == nil {
		return id
	}
	k := p.Inspection()
	for i := range k.Actions {
		for _, f := range k.Actions[i].Fields {
			if f.ID != k.Inspects.Result {
				continue
			}
			for _, l := range p.Lists {
				j := slices.IndexFunc(l.Values, func(v pack.Value) bool { return v.ID == id })
				if l.ID == f.List && j >= 0 {
					text := say.Text(l.Values[j].Label)
					return strings.TrimSpace(strings.FieldsFunc(text, func(r rune) bool { return r == ':' || r == '：' })[0])
				}
			}
		}
	}
	return id
}

// holdForm asks for the random value and who saw it.
func (s *Server) holdForm(say *words.Speaker, d sample.Draw) view.Form {
	return view.Form{Action: drawHref("/staff", d.Number), Submit: say.T("inspections.hold.do"), Warning: true, Inputs: []view.Input{
		{Kind: view.Textarea, Name: "seed", Label: say.T("inspections.kind." + d.Def.Seed.Kind), Hint: say.T("inspections.seed." + d.Def.Seed.Kind), Size: "s", Rows: 2, NoSpell: true},
		{Kind: view.Textarea, Name: "observers", Label: say.T("inspections.observers"), Hint: say.T("inspections.observers.hint"), Size: "s", Rows: 3, NoSpell: true},
	}}
}

// holdDraw holds a draw and opens the inspections.
func (s *Server) holdDraw(w http.ResponseWriter, r *http.Request) error {
	v, err := drawing(r)
	if err != nil {
		return err
	}
	if err := form(r); err != nil {
		return err
	}
	var d sample.Draw
	err = s.DB.Tx(r.Context(), func(tx *store.Tx) (err error) {
		if d, err = s.draw(r.Context(), tx, r); err != nil {
			return err
		}
		d, err = s.samples().Draw(r.Context(), tx, sample.DrawCmd{Number: d.Number, Seed: r.PostForm.Get("seed"),
			Observers: strings.Split(r.PostForm.Get("observers"), "\n"), Viewer: v, Via: journal.ViaWeb})
		return err
	})
	if fault.Is(err, fault.Invalid) {
		return s.showDraw(w, r, err)
	}
	if err != nil {
		return err
	}
	// The draw stands. What could not be opened now is opened in the background.
	if _, err := s.samples().OpenDrawn(r.Context(), d.Number); err != nil {
		s.Log.Error("inspections of a draw are opened later", "draw", d.Number, "error", err)
	}
	s.site.Flash(w, view.Success, "flash.draw-held", map[string]any{"n": fmt.Sprint(len(d.Record.Drawn))})
	return view.Redirect(w, r, drawHref("/staff", d.Number))
}
