package web

import (
	"net/http"
	"slices"
	"strings"

	"plumbline/internal/access"
	"plumbline/internal/fault"
	"plumbline/internal/pack"
	"plumbline/internal/web/view"
	"plumbline/internal/words"
)

// law is the page on which those who audit, administer or supervise read by what the program decides: the table of
// package access itself, with the duties that the rules in force give it.
type law struct {
	view.Shell
	Lede     string
	Sections []section
}

var lawView = view.Page[law]("staff/law")

func (s *Server) law(w http.ResponseWriter, r *http.Request) error {
	if !access.MayReadLaw(viewer(r)) {
		return fault.New(fault.NotFound, "fault.notfound", nil)
	}
	say := words.From(r.Context())
	p := s.Office.Active()
	if p == nil {
		return fault.New(fault.Unavailable, "matter.no-pack", nil)
	}
	l := labels{p, say}
	return lawView.Show(s.site, w, r, law{
		Shell: view.Shell{Title: say.T("law.title"), Staff: true, Crumbs: crumbs(say)}, Lede: say.T("law.lead"),
		Sections: []section{
			{Heading: say.T("law.rules"), Quiet: say.T("law.rules.hint", "pack", p.ID()), Table: s.lawTable(say, p)},
			{Heading: say.T("law.bars"), Quiet: barsHint(say, l, p), Table: barsTable(say)},
			{Quiet: say.T("law.bars.skip")},
			{Heading: say.T("law.matrix"), Quiet: say.T("law.matrix.hint"), Table: s.dutyTable(say, p)},
			{Heading: say.T("law.kinds"), Quiet: say.T("law.kinds.hint"), Table: s.kindTable(say, l, p)},
			{Heading: say.T("law.everybody"), Quiet: say.T("law.everybody.text")},
		},
	})
}

func (s *Server) lawTable(say *words.Speaker, p *pack.Pack) *view.Table {
	t := &view.Table{Caption: say.T("law.rules"), CaptionHidden: true, Cards: true, Columns: []view.Column{
		{Text: say.T("law.row")}, {Text: say.T("law.act")}, {Text: say.T("law.duty")}, {Text: say.T("law.where")}, {Text: say.T("law.only")}, {Text: say.T("law.duties")},
	}}
	for _, r := range access.Law {
		var qualities []string
		for _, q := range r.Duty {
			qualities = append(qualities, say.T("law.quality."+string(q)))
		}
		only := say.T("law.only." + string(r.Only))
		if r.Apart {
			only = say.T("law.apart")
		}
		duties := say.T("law.by-procedure")
		if !r.ByProcedure() {
			if duties = say.List(s.duties(say, r.Entitled(p, nil, nil, ""))); duties == "" {
				duties = say.T("law.none")
			}
		}
		t.Rows = append(t.Rows, view.Row{Cells: []view.Cell{{Text: r.ID, Header: true}, {Text: say.T("law.act." + string(r.Act))},
			{Text: say.List(qualities)}, {Text: say.T("law.scope." + string(r.Where))}, {Text: only}, {Text: duties}}})
	}
	return t
}

func barsTable(say *words.Speaker) *view.Table {
	t := &view.Table{Caption: say.T("law.bars"), CaptionHidden: true, Cards: true, Columns: []view.Column{{Text: say.T("law.reason")}, {Text: say.T("law.extent")}}}
	for _, b := range access.Bars {
		t.Rows = append(t.Rows, view.Row{Cells: []view.Cell{{Text: say.T("law.reason." + string(b.Reason)), Header: true}, {Text: say.T("law.extent." + string(b.Forbids))}}})
	}
	return t
}

func barsHint(say *words.Speaker, l labels, p *pack.Pack) string {
	leads := say.T("law.bars.every")
	if len(p.Recusal.Leads) > 0 {
		var ranks []string
		for _, r := range p.Recusal.Leads {
			ranks = append(ranks, l.rank(r))
		}
		leads = say.List(ranks)
	}
	unit := say.T("law.unit.default")
	if !p.Recusal.Unit.IsZero() {
		unit = periodText(say, p.Recusal.Unit)
	}
	return say.T("law.bars.hint", "unit", unit, "leads", leads)
}

// dutyTable says of each duty by which rows it may do what at most.
func (s *Server) dutyTable(say *words.Speaker, p *pack.Pack) *view.Table {
	t := &view.Table{Caption: say.T("law.matrix"), CaptionHidden: true, Cards: true, Columns: []view.Column{{Text: say.T("law.duty.head")}, {Text: say.T("law.act")}}}
	for i := range p.Duties {
		d := &p.Duties[i]
		if d.Actor != pack.ActorAccount && d.Actor != "" {
			continue
		}
		var may []string
		for _, act := range access.Acts {
			var ids []string
			for _, r := range access.AtMost(p, d.ID, act) {
				ids = append(ids, r.ID)
			}
			if len(ids) > 0 {
				may = append(may, say.T("law.act."+string(act))+" ("+strings.Join(ids, ", ")+")")
			}
		}
		cell := view.Cell{Text: "–"}
		if len(may) > 0 {
			cell.Text = strings.Join(may, "; ")
		}
		t.Rows = append(t.Rows, view.Row{Cells: []view.Cell{{Text: s.duty(say, d.ID), Header: true}, cell}})
	}
	return t
}

func (s *Server) kindTable(say *words.Speaker, l labels, p *pack.Pack) *view.Table {
	t := &view.Table{Caption: say.T("law.kinds"), CaptionHidden: true, Cards: true, Columns: []view.Column{
		{Text: say.T("law.kind")}, {Text: say.T("law.works")}, {Text: say.T("law.hears")}, {Text: say.T("law.opens")},
	}}
	named := func(ids []string) view.Cell {
		if len(ids) == 0 {
			return view.Cell{Text: "–"}
		}
		return view.Cell{Text: say.List(s.duties(say, slices.Clone(ids)))}
	}
	for i := range p.Kinds {
		k := &p.Kinds[i]
		t.Rows = append(t.Rows, view.Row{Cells: []view.Cell{{Text: l.kind(k.ID), Header: true}, named(access.Works(k)), named(access.Hears(k)), named(access.Opens(k))}})
	}
	return t
}
