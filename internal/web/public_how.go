package web

import (
	"context"
	"net/http"
	"slices"

	"plumbline/internal/matter"
	"plumbline/internal/pack"
	"plumbline/internal/store"
	"plumbline/internal/web/view"
	"plumbline/internal/words"
)

// howPage shows the procedures as they are run: everything on it is drawn from the rules that the engine follows.
type howPage struct {
	view.Shell
	Overdue  overdueNote
	Kinds    []howKind
	Fair     []string
	Pack     string
	Digest   string
	NoWaiver bool
}

// overdueNote is what stands above everything: how many time limits have run out and reached the very top, where no
// level above is left to see it (F4). A number and nothing else.
type overdueNote struct {
	Top  string
	All  string
	Tone view.Tone
}

type howKind struct {
	ID, Name  string
	Several   bool
	About     string
	Main      view.Procedure
	Other     view.Procedure
	Limits    view.Table
	AnyTime   []string
	Ends      []string
	Reopening []string
	Waivers   []waiver
	Keep      []string
}

type waiver struct{ Rule, Because string }

var howView = view.Page[howPage]("public/how")

func (s *Server) how(w http.ResponseWriter, r *http.Request) error {
	p, err := s.rules()
	if err != nil {
		return err
	}
	say := words.From(r.Context())
	page := howPage{Shell: view.Shell{Title: say.T("public.nav.how"), Exit: true}, Pack: p.ID(), Digest: p.Digest, NoWaiver: len(p.Waivers) == 0}
	if page.Overdue, err = s.overdue(r.Context(), say); err != nil {
		return err
	}
	kinds := p.PublicKinds()
	for _, k := range kinds {
		h := s.howKind(say, p, k)
		h.Several = len(kinds) > 1
		page.Kinds = append(page.Kinds, h)
	}
	for _, key := range []string{"public.fair.clock", "public.fair.early", "public.fair.two", "public.fair.told", "public.fair.identity", "public.fair.heard", "public.fair.reopen", "public.fair.conduct"} {
		page.Fair = append(page.Fair, say.T(key))
	}
	return howView.Show(s.site, w, r, page)
}

func (s *Server) overdue(ctx context.Context, say *words.Speaker) (overdueNote, error) {
	var n matter.OverdueCount
	if err := s.DB.Read(ctx, func(tx *store.Tx) (err error) { n, err = matter.CountOverdue(ctx, tx); return err }); err != nil {
		return overdueNote{}, err
	}
	out := overdueNote{Top: say.N("public.overdue.top", n.Top), All: say.N("public.overdue.all", n.All), Tone: view.Success}
	if n.Top > 0 {
		out.Tone = view.Bad
	}
	return out, nil
}

// dutyNames says in words who may do something.
func dutyNames(say *words.Speaker, p *pack.Pack, ids []string) string {
	var out []string
	for _, id := range ids {
		if d := p.Duty(id); d != nil && !slices.Contains(out, say.Text(d.Label)) {
			out = append(out, say.Text(d.Label))
		}
	}
	return say.List(out)
}

// whoMay says who takes a step, and who does not: whoever has done an earlier one.
func whoMay(say *words.Speaker, p *pack.Pack, k *pack.Kind, a *pack.Action) string {
	who := dutyNames(say, p, a.By)
	if a.Of == pack.OfSuperior {
		who = say.T("public.how.above", "who", who)
	}
	var not []string
	for _, id := range a.NotBy {
		if other := k.Action(id); other != nil {
			not = append(not, say.T("public.how.quoted", "text", say.Text(other.Label)))
		}
	}
	if len(not) > 0 {
		who = say.T("public.how.notby", "who", who, "did", say.List(not))
	}
	return who
}

func (s *Server) howKind(say *words.Speaker, p *pack.Pack, k *pack.Kind) howKind {
	o := p.Outline(k)
	h := howKind{ID: k.ID, Name: say.Text(k.Label), About: say.Text(k.About)}
	h.Main.Title, h.Other.Title = say.T("public.how.main"), say.T("public.how.other")
	for _, step := range o.Steps {
		st := s.procedureState(say, p, k, step)
		if step.Main {
			h.Main.States = append(h.Main.States, st)
		} else {
			h.Other.States = append(h.Other.States, st)
		}
	}
	h.Limits = clockTable(say, k)
	for _, a := range o.AnyTime {
		h.AnyTime = append(h.AnyTime, say.T("public.how.anytime.line", "what", say.Text(a.Label), "who", whoMay(say, p, k, a)))
	}
	for _, w := range o.Ends() {
		line := say.T("public.how.end", "what", say.Text(w.Action.Label), "to", say.Text(w.To.Label), "who", whoMay(say, p, k, w.Action))
		if !slices.Contains(h.Ends, line) {
			h.Ends = append(h.Ends, line)
		}
	}
	for _, w := range o.Reopening {
		line := say.T("public.how.anytime.line", "what", say.Text(w.Action.Label), "who", whoMay(say, p, k, w.Action))
		if !slices.Contains(h.Reopening, line) {
			h.Reopening = append(h.Reopening, line)
		}
	}
	for _, wv := range o.Waived {
		h.Waivers = append(h.Waivers, waiver{Rule: wv.Rule, Because: say.Text(wv.Because)})
	}
	for _, ret := range k.Retention {
		h.Keep = append(h.Keep, say.T("public.how.keep", "what", compartmentOf(say, ret.Compartment).what, "time", periodText(say, ret.Keep)))
	}
	return h
}

// procedureState is one step of a procedure as the reporter is told of it.
func (s *Server) procedureState(say *words.Speaker, p *pack.Pack, k *pack.Kind, step pack.OutlineStep) view.ProcedureState {
	st := view.ProcedureState{Name: say.Text(step.State.Label), Text: say.Text(step.State.Public), End: step.State.Final}
	if c := ownClock(step); c != nil {
		st.Within = say.T("ui.procedure.within", "time", periodText(say, c.Within))
	}
	for _, w := range step.Ways {
		way := view.ProcedureWay{Action: say.Text(w.Action.Label), To: say.Text(w.To.Label), Who: whoMay(say, p, k, w.Action)}
		if w.Itself {
			way.Who = say.T("public.how.itself")
		}
		st.Ways = append(st.Ways, way)
	}
	return st
}

// ownClock is the time limit of a state itself: the one that runs in the fewest states.
func ownClock(step pack.OutlineStep) *pack.Clock {
	var own *pack.Clock
	for _, c := range step.Clocks {
		if step.State.Final {
			continue
		}
		if own == nil || len(c.In) < len(own.In) {
			own = c
		}
	}
	return own
}

func clockTable(say *words.Speaker, k *pack.Kind) view.Table {
	t := view.Table{Caption: say.T("public.how.limits"), CaptionHidden: true, Cards: true, Columns: []view.Column{
		{Text: say.T("public.how.limit")}, {Text: say.T("public.how.within")}, {Text: say.T("public.how.longer")}, {Text: say.T("public.how.after")}}}
	for i := range k.Clocks {
		c := &k.Clocks[i]
		longer := say.T("ui.no")
		switch {
		case !c.Extends.IsZero() && !c.Pause.IsZero():
			longer = say.T("public.how.extends.pause", "time", periodText(say, c.Extends), "pause", periodText(say, c.Pause))
		case !c.Extends.IsZero():
			longer = say.T("public.how.extends", "time", periodText(say, c.Extends))
		case !c.Pause.IsZero():
			longer = say.T("public.how.pause", "pause", periodText(say, c.Pause))
		}
		after := say.T("public.how.tells")
		if a := k.Action(c.Then); a != nil {
			after = say.T("public.how.then", "what", say.Text(a.Label))
		}
		t.Rows = append(t.Rows, view.Row{Cells: []view.Cell{{Text: say.Text(c.Label), Header: true, Sub: c.Cite}, {Text: periodText(say, c.Within)}, {Text: longer}, {Text: after}}})
	}
	return t
}

// shortProcedure is the usual way, for the home page: the steps and how long each may take.
func (s *Server) shortProcedure(say *words.Speaker, p *pack.Pack, k *pack.Kind) view.Procedure {
	out := view.Procedure{Title: say.Text(k.Label)}
	for _, step := range p.Outline(k).Steps {
		if step.Main {
			st := s.procedureState(say, p, k, step)
			st.Ways = nil
			out.States = append(out.States, st)
		}
	}
	return out
}
