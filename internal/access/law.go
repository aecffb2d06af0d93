package access

import (
	"slices"

	"plumbline/internal/fault"
	"plumbline/internal/pack"
	"plumbline/internal/ref"
)

// An Act is something people may or may not do.
type Act string

// What the law speaks of. The first ones are about a matter, then about a kind of matter, a body, the office.
const (
	ActKnow     Act = "know" // that the matter exists, and what of it stands in the clear
	ActFile     Act = "open.file"
	ActReporter Act = "open.reporter"
	ActRespond  Act = "open.respondent"
	ActIdentity Act = "open.identity"
	ActNote     Act = "note"
	ActLink     Act = "link"
	ActAssign   Act = "assign"
	ActReadings Act = "readings" // who opened what of it, when and why
	ActStep     Act = "step"     // a step of its procedure
	ActStart    Act = "start"    // open one of a kind by hand
	ActDraw     Act = "draw"
	ActFigures  Act = "figures"
	ActAccounts Act = "accounts"
	ActLaw      Act = "law"
)

// Acts are all of them, in the order in which they are told.
var Acts = []Act{ActKnow, ActFile, ActReporter, ActRespond, ActIdentity, ActNote, ActLink, ActAssign, ActReadings, ActStep, ActStart, ActDraw,
	ActFigures, ActAccounts, ActLaw}

// OnMatter reports whether the act is done with a matter: then recusal can forbid it.
func (a Act) OnMatter() bool { return slices.Index(Acts, a) <= slices.Index(Acts, ActStep) }

// A Quality is what a duty has to be for a row of the law to speak of it. The pack says what each duty is.
type Quality string

// Qualities of duties: by themselves, or in the procedure of the matter's kind.
const (
	QSees      Quality = "sees"      // it sees matters at all
	QOversees  Quality = "oversees"  // it sees every matter of a subtree
	QDesk      Quality = "desk"      // the matter lies with it
	QWorks     Quality = "works"     // it takes or records a step of the procedure, other than opening an identity
	QActs      Quality = "acts"      // it takes or records any step of the procedure
	QHears     Quality = "hears"     // it takes a step that needs to know what the official was told and answered
	QTakes     Quality = "takes"     // it takes or records this very step
	QOpens     Quality = "opens"     // it may open this kind by hand
	QCustodian Quality = "custodian" // it opens identities
	QNoKeeper  Quality = "no-custodian"
	QDraws     Quality = "draws"
	QFigures   Quality = "figures" // it reads the exact figures of a subtree
	QAdmin     Quality = "admin"
	QAudits    Quality = "audits" // it reads the law and the record of who may do what
)

// A Scope is where the duty has to be held.
type Scope string

// Where duties are held, as seen from the matter or body.
const (
	AtDesk   Scope = "desk"    // where the matter's desk sits
	AtAbove  Scope = "above"   // at its body or one above, or where its desk sits
	AtTree   Scope = "subtree" // the matter lies with, or is about, that body or one below it
	AtNext   Scope = "next"    // directly above its desk
	AtStep   Scope = "step"    // where the procedure places the step
	AtAny    Scope = "any"
	AtOwn    Scope = "own" // at the body asked for or one above
	AtOffice Scope = "office"
)

// A Condition is what else has to be so.
type Condition string

// Conditions on the person or the matter.
const (
	IfAny      Condition = ""
	IfInvolved Condition = "involved" // assigned to it now, or took a step of it
	IfOverdue  Condition = "overdue"  // a clock of it has run out
)

// A Row of the law entitles whoever holds, in its scope, a duty with all its qualities.
type Row struct {
	ID    string
	Act   Act
	Duty  []Quality
	Where Scope
	Only  Condition
	Apart bool // except for those who did before what the procedure keeps apart from it (ReasonHand)
}

// Law is the table: what no row allows is forbidden, and so is what a Bar forbids. Every decision of this package
// follows from it; so do what "plumbline access explain" says, the page auditors read, and the table in the documentation.
var Law = []Row{
	{ID: "K1", Act: ActKnow, Duty: []Quality{QSees, QDesk}, Where: AtDesk},
	{ID: "K2", Act: ActKnow, Duty: []Quality{QSees}, Where: AtNext, Only: IfOverdue},
	{ID: "K3", Act: ActKnow, Duty: []Quality{QOversees}, Where: AtTree},
	{ID: "K4", Act: ActKnow, Duty: []Quality{QSees}, Where: AtAny, Only: IfInvolved},

	{ID: "F1", Act: ActFile, Duty: []Quality{QWorks}, Where: AtAbove},
	{ID: "F2", Act: ActFile, Duty: []Quality{QDesk}, Where: AtDesk},
	{ID: "R1", Act: ActReporter, Duty: []Quality{QDesk}, Where: AtDesk},
	{ID: "R2", Act: ActReporter, Duty: []Quality{QActs}, Where: AtAny, Only: IfInvolved},
	{ID: "P1", Act: ActRespond, Duty: []Quality{QHears}, Where: AtAbove},
	{ID: "P2", Act: ActRespond, Duty: []Quality{QDesk}, Where: AtDesk},
	{ID: "P3", Act: ActRespond, Duty: []Quality{QActs}, Where: AtAbove, Only: IfInvolved},
	{ID: "I1", Act: ActIdentity, Duty: []Quality{QCustodian}, Where: AtAbove},

	{ID: "N1", Act: ActNote, Duty: []Quality{QWorks}, Where: AtAbove},
	{ID: "N2", Act: ActNote, Duty: []Quality{QDesk}, Where: AtDesk},
	{ID: "L1", Act: ActLink, Duty: []Quality{QWorks}, Where: AtAbove},
	{ID: "L2", Act: ActLink, Duty: []Quality{QDesk}, Where: AtDesk},
	{ID: "A1", Act: ActAssign, Duty: []Quality{QDesk}, Where: AtDesk},
	{ID: "A2", Act: ActAssign, Duty: []Quality{QOversees, QWorks}, Where: AtAbove},
	{ID: "W1", Act: ActReadings, Duty: []Quality{QOversees, QNoKeeper}, Where: AtAbove},
	{ID: "S1", Act: ActStep, Duty: []Quality{QTakes}, Where: AtStep, Apart: true},

	{ID: "O1", Act: ActStart, Duty: []Quality{QOpens}, Where: AtAny},
	{ID: "D1", Act: ActDraw, Duty: []Quality{QDraws}, Where: AtOwn},
	{ID: "G1", Act: ActFigures, Duty: []Quality{QOversees}, Where: AtOwn},
	{ID: "G2", Act: ActFigures, Duty: []Quality{QFigures}, Where: AtOwn},
	{ID: "M1", Act: ActAccounts, Duty: []Quality{QAdmin}, Where: AtOwn},
	{ID: "T1", Act: ActLaw, Duty: []Quality{QAudits}, Where: AtOffice},
	{ID: "T2", Act: ActLaw, Duty: []Quality{QAdmin}, Where: AtOffice},
	{ID: "T3", Act: ActLaw, Duty: []Quality{QOversees}, Where: AtOffice},
}

// asked is a question put to the table.
type asked struct {
	act  Act
	kind *pack.Kind   // of the matter; nil for one no pack has, and where no matter is meant
	step *pack.Action // for ActStep
	f    Facts        // for a body: Body and Above alone
}

// rows are the rows that speak of an act.
func rowsOf(act Act) []Row {
	var out []Row
	for _, r := range Law {
		if r.Act == act {
			out = append(out, r)
		}
	}
	return out
}

// entitled returns the first grant, by the first row, that entitles v, whatever keeps them away.
func (q asked) entitled(v Viewer) (Grant, Row, bool) {
	for _, r := range Law {
		if r.Act != q.act || !q.given(v, r.Only) {
			continue
		}
		for _, g := range v.Grants {
			if g.Body != 0 && q.fits(g, r) {
				return g, r, true
			}
		}
	}
	return Grant{}, Row{}, false
}

func (q asked) given(v Viewer, only Condition) bool {
	switch only {
	case IfInvolved:
		return v.Account != 0 && (slices.Contains(q.f.Assigned, v.Account) || slices.Contains(q.f.Acted, v.Account))
	case IfOverdue:
		return q.f.Overdue
	}
	return true
}

func (q asked) fits(g Grant, r Row) bool {
	for _, quality := range r.Duty {
		if !q.has(g, quality) {
			return false
		}
	}
	return q.within(g.Body, r.Where)
}

// has reports whether the duty of a grant is what a row asks for.
func (q asked) has(g Grant, quality Quality) bool {
	switch quality {
	case QSees:
		return g.Sees == SeesSubtree || g.Sees == SeesDesk
	case QOversees:
		return g.Sees == SeesSubtree
	case QDesk:
		return g.Duty == q.f.Desk
	case QCustodian:
		return g.Custodian
	case QNoKeeper:
		return !g.Custodian
	case QDraws:
		return g.Draws
	case QFigures:
		return g.Figures
	case QAdmin:
		return g.Admin
	case QAudits:
		return g.Audits
	}
	return slices.Contains(q.inProcedure(quality), g.Duty)
}

// inProcedure returns the duties that have a quality by what they do in the procedure, in the order of the pack.
func (q asked) inProcedure(quality Quality) []string {
	switch {
	case quality == QTakes && q.step != nil:
		return atDesk(q.step)
	case q.kind == nil:
		return nil
	case quality == QWorks:
		return fileDuties(q.kind)
	case quality == QActs:
		return actingDuties(q.kind, nil)
	case quality == QHears:
		return actingDuties(q.kind, respondentEffects)
	case quality == QOpens:
		return q.kind.OpenBy
	}
	return nil
}

// within reports whether a duty is held where a row asks for it.
func (q asked) within(body ref.BodyID, where Scope) bool {
	if where == AtAny || where == AtOffice {
		return true
	}
	return slices.Contains(q.bodies(where), body)
}

// bodies are those at which a duty has to be held.
func (q asked) bodies(where Scope) []ref.BodyID {
	f := q.f
	var out []ref.BodyID
	switch where {
	case AtDesk:
		out = []ref.BodyID{f.DeskBody}
	case AtAbove:
		out = append(slices.Clone(f.Above), f.DeskBody)
	case AtTree:
		out = append(slices.Clone(f.Above), f.ConcernedAbove...)
	case AtNext:
		out = []ref.BodyID{f.DeskParent}
	case AtOwn:
		out = slices.Clone(f.Above)
	case AtStep:
		if q.step != nil {
			_, out = Who(q.step, f)
		}
	}
	out = slices.DeleteFunc(out, func(b ref.BodyID) bool { return b == 0 })
	slices.Sort(out)
	return slices.Compact(out)
}

// An Answer says whether somebody may do something, by which grant and row of the law, or why not.
type Answer struct {
	OK    bool
	Grant Grant
	Row   string
	Why   *fault.Error
}

// answer is the whole decision: what keeps away beats what entitles. Whoever may not know of a matter gets no other answer
// than that it does not exist.
func (q asked) answer(v Viewer, did []Did) Answer {
	no := func(err *fault.Error) Answer { return Answer{Why: err} }
	if q.act.OnMatter() {
		know := asked{act: ActKnow, kind: q.kind, f: q.f}
		bar, barred := Recused(v, q.f)
		g, r, ok := know.entitled(v)
		switch {
		case !ok || barred && bar.Forbids == FromAll:
			return no(fault.New(fault.NotFound, "access.not-found", nil))
		case q.act == ActKnow:
			return Answer{OK: true, Grant: g, Row: r.ID}
		case barred:
			duties, bodies := q.who()
			return no(bar.refused(fault.Args{"duties": duties, "bodies": bodies}))
		}
	}
	if q.act == ActStep {
		g, err := q.mayStep(v, did)
		if err != nil {
			return no(err)
		}
		return Answer{OK: true, Grant: g, Row: rowsOf(ActStep)[0].ID}
	}
	g, r, ok := q.entitled(v)
	if !ok {
		return no(q.refusal())
	}
	return Answer{OK: true, Grant: g, Row: r.ID}
}

// refusal says what would be needed.
func (q asked) refusal() *fault.Error {
	duties, bodies := q.who()
	args := fault.Args{"duties": duties, "bodies": bodies}
	switch q.act {
	case ActFile, ActReporter, ActRespond, ActIdentity:
		args["compartment"] = string(q.act)[len("open."):]
		return fault.New(fault.Forbidden, "access.sealed", args)
	case ActNote, ActLink:
		args["compartment"] = File
		return fault.New(fault.Forbidden, "access.sealed", args)
	case ActReadings:
		return fault.New(fault.Forbidden, "access.readings", args)
	case ActAssign:
		args["duties"] = []string{q.f.Desk}
		return fault.New(fault.Forbidden, "access.assign", args)
	case ActStart:
		if q.kind != nil {
			args["kind"] = q.kind.ID
		}
		return fault.New(fault.Forbidden, "access.open", args)
	}
	return fault.New(fault.Forbidden, "access.not-yours", args)
}

// who returns the duties that the procedure or the desk make fit for an act, and where they have to be held. Duties
// that are fit by what they are, such as custodians, are the pack's to name (see Entitled).
func (q asked) who() (duties []string, bodies []ref.BodyID) {
	for _, r := range Law {
		if r.Act != q.act || r.Only == IfInvolved {
			continue
		}
		for _, quality := range r.Duty {
			some := q.inProcedure(quality)
			if quality == QDesk && q.f.Desk != "" {
				some = []string{q.f.Desk}
			}
			for _, d := range some {
				if !slices.Contains(duties, d) {
					duties = append(duties, d)
				}
			}
		}
		for _, b := range q.bodies(r.Where) {
			if !slices.Contains(bodies, b) {
				bodies = append(bodies, b)
			}
		}
	}
	return duties, bodies
}

// Entitled returns the duties of a pack that a row of the law speaks of, for a kind of matter and, where the row is
// about one, a step; desk is the duty a matter lies with.
func (r Row) Entitled(p *pack.Pack, k *pack.Kind, step *pack.Action, desk string) []string {
	q := asked{act: r.Act, kind: k, step: step, f: Facts{Desk: desk}}
	var out []string
	for i := range p.Duties {
		d := &p.Duties[i]
		if d.Actor != pack.ActorAccount && d.Actor != "" {
			continue
		}
		g := GrantOf(d, 0)
		ok := true
		for _, quality := range r.Duty {
			ok = ok && q.has(g, quality)
		}
		if ok {
			out = append(out, d.ID)
		}
	}
	return out
}

// GrantOf is a duty of a pack held at a body.
func GrantOf(d *pack.Duty, body ref.BodyID) Grant {
	sees := d.Sees
	if sees == "" {
		sees = SeesDesk
	}
	return Grant{Duty: d.ID, Body: body, Sees: sees, Admin: d.Admin, Custodian: d.Custodian, Draws: d.Draws, Figures: d.Figures, Audits: d.Audits}
}
