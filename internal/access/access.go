// Package access decides who may see a matter, act on it and open what is sealed in it.
//
// It is the only place where that is decided. Every decision is a pure function of a Viewer and of Facts about the
// matter, and follows from one table, Law; the one that lists need (who may see) exists a second time as an SQL predicate,
// and a test over random worlds holds the two together on every database. It knows no database, no clock and no page.
//
// One list beats the table: Bars. Nobody sees or handles a matter that names them, a relative, somebody they have an
// interest in, work with, command or obey.
package access

import (
	"slices"
	"strings"

	"plumbline/internal/fault"
	"plumbline/internal/pack"
	"plumbline/internal/ref"
	"plumbline/internal/register"
)

// What a duty lets its holder see.
const (
	SeesDesk    = "desk"    // the matters with the holder's desk, and those the holder is assigned to or has acted on
	SeesSubtree = "subtree" // every matter that lies with, or is about, the grant's body or one below it
	SeesNone    = "none"    // no matter
)

// Grant is a duty held at a body, now.
type Grant struct {
	Duty      string
	Body      ref.BodyID
	Sees      string
	Admin     bool // manages accounts of the body's subtree
	Custodian bool // opens the identity compartment
	Draws     bool // draws matters of the body's subtree at random
	Figures   bool // reads the exact figures of the body's subtree
	Audits    bool // reads the law and who holds what under it
}

// Viewer is a person at the door: who they are and which duties they hold at this moment.
type Viewer struct {
	Account  ref.AccountID
	Name     string
	Lang     string
	Official ref.OfficialID   // the register's entry for this person, if they are in it
	Also     []ref.OfficialID // other entries of the register for the same person: merged into it, or it into them
	Grants   []Grant
	Ties     []register.Tied // whom they are tied to by declaration, today
	Posts    []register.Held // their posts in the register, past ones too
	Recusal  Recusal         // the rules by which posts keep people away, today
}

// WithPerson returns v with what the register says of them, under the rules in force.
func (v Viewer) WithPerson(p register.Person, rules Recusal) Viewer {
	v.Also, v.Ties, v.Posts, v.Recusal = p.Same, p.Tied, p.Posts, rules
	return v
}

// Facts is what a decision needs to know of a matter.
type Facts struct {
	ID             ref.MatterID
	Body           ref.BodyID // it lies with
	Desk           string     // duty it lies with
	DeskBody       ref.BodyID // where that desk sits
	Concerned      ref.BodyID // it is about
	Above          []ref.BodyID
	ConcernedAbove []ref.BodyID     // like Above (of Body: itself first, then upwards), of Concerned
	DeskParent     ref.BodyID       // the body directly above DeskBody; 0 if there is none
	Overdue        bool             // a clock ran out: the level above sees it by itself
	Named          []ref.OfficialID // subject, allegations, parties
	Posts          []register.Held  // of the persons behind Named
	Assigned       []ref.AccountID
	Acted          []ref.AccountID // on this matter itself
}

// Did is an earlier step, here or on a matter this one came from.
type Did struct {
	Kind    string
	Action  string
	Account ref.AccountID
	Duty    string
	Body    ref.BodyID
	Before  bool // on a matter this one came from
}

// CanSee reports whether v may know that the matter exists.
func CanSee(v Viewer, f Facts) bool { return asked{act: ActKnow, f: f}.answer(v, nil).OK }

// Look is CanSee as an error: NotFound, because to those who may not see it the matter does not exist.
func Look(v Viewer, f Facts) error {
	if !CanSee(v, f) {
		return fault.New(fault.NotFound, "access.not-found", nil)
	}
	return nil
}

// MayAct returns the grant under which v may take action a on a matter of kind k, or a Forbidden fault that says why
// not and who may: its args hold the "duties" that may ([]string), where ("of") and at which "bodies"
// ([]ref.BodyID). Whether the procedure allows the action in the present state is the engine's question.
func MayAct(v Viewer, k *pack.Kind, a *pack.Action, f Facts, did []Did) (Grant, error) {
	return asked{act: ActStep, kind: k, step: a, f: f}.answer(v, did).grant()
}

// grant is an answer as functions give it.
func (a Answer) grant() (Grant, error) {
	if !a.OK {
		return Grant{}, a.Why
	}
	return a.Grant, nil
}

// mayStep is row S1, and what the procedure takes away from it again: who did what must be done by others before.
func (q asked) mayStep(v Viewer, did []Did) (Grant, *fault.Error) {
	a, f := q.step, q.f
	duties, bodies := Who(a, f)
	refuse := func(key string, extra fault.Args) (Grant, *fault.Error) {
		args := fault.Args{"duties": duties, "of": string(place(a)), "bodies": bodies}
		for n, v := range extra {
			args[n] = v
		}
		return Grant{}, fault.New(fault.Forbidden, key, args)
	}

	var may []Grant
	elsewhere := false
	for _, g := range v.Grants {
		switch {
		case !q.has(g, QTakes):
		case q.within(g.Body, AtStep):
			may = append(may, g)
		default:
			elsewhere = true
		}
	}
	if len(may) == 0 && elsewhere {
		return refuse("access.elsewhere", nil)
	}
	if len(may) == 0 {
		return refuse("access.duty", nil)
	}
	if q.kind != nil && q.kind.Inspects != nil && HadAHand(v.Account, did) {
		return refuse("access.inspected", nil)
	}
	for _, not := range a.NotBy {
		kind, action, elsewhere := strings.Cut(not, ".")
		if !elsewhere {
			kind, action = q.kind.ID, not
		}
		for _, d := range did {
			if d.Account == v.Account && d.Account != 0 && d.Kind == kind && d.Action == action {
				return refuse("access.did", fault.Args{"action": action, "kind": kind})
			}
		}
	}
	// A step that belongs to the body above is another person's by that alone. Where nothing is above, the same
	// body does it, and the separation has to be kept by hand: whoever worked on the matter under another duty
	// does not take this step.
	if place(a) == pack.OfSuperior {
		kept := may[:0:0]
		for _, g := range may {
			if g.Body != f.Body || !actedOtherwise(v.Account, g.Duty, did) {
				kept = append(kept, g)
			}
		}
		if len(kept) == 0 {
			return refuse("access.same-person", nil)
		}
		may = kept
	}
	for _, g := range may {
		if g.Body == f.DeskBody && g.Duty == f.Desk {
			return g, nil
		}
	}
	return may[0], nil
}

// HadAHand reports whether the account took a step on a matter that this one came from: whoever did must not inspect it.
func HadAHand(account ref.AccountID, did []Did) bool {
	return account != 0 && slices.ContainsFunc(did, func(d Did) bool { return d.Before && d.Account == account })
}

// MayDraw returns the grant under which v may draw matters of a body at random, given the body and those above it.
func MayDraw(v Viewer, bodyAbove []ref.BodyID) (Grant, bool) {
	a := overBody(ActDraw, bodyAbove).answer(v, nil)
	return a.Grant, a.OK
}

// overBody asks about a body, given with those above it.
func overBody(act Act, above []ref.BodyID) asked {
	f := Facts{Above: above}
	if len(above) > 0 {
		f.Body = above[0]
	}
	return asked{act: act, f: f}
}

// Who returns the duties that may take action a, and the bodies at which they have to be held.
func Who(a *pack.Action, f Facts) (duties []string, bodies []ref.BodyID) {
	duties = atDesk(a)
	switch place(a) {
	case pack.OfSuperior:
		if len(f.Above) > 1 {
			bodies = append(bodies, f.Above[1:]...)
		} else {
			bodies = append(bodies, f.Body)
		}
		// Above may be bodies without such a desk: then the engine laid the matter on a desk nearer by.
		if slices.Contains(duties, f.Desk) && f.DeskBody != 0 && !slices.Contains(bodies, f.DeskBody) {
			bodies = append(bodies, f.DeskBody)
		}
	case pack.OfOther:
		bodies = append(bodies, f.Above...)
	case pack.OfOutside:
		bodies = []ref.BodyID{f.Body}
		if f.DeskBody != f.Body && f.DeskBody != 0 {
			bodies = append(bodies, f.DeskBody)
		}
	default:
		bodies = []ref.BodyID{f.Body}
	}
	return duties, bodies
}

// MayStart returns the grant under which v may open a matter of kind k by hand: at the given body, or anywhere if
// it is 0.
func MayStart(v Viewer, k *pack.Kind, body ref.BodyID) (Grant, error) {
	for _, g := range v.Grants {
		if slices.Contains(k.OpenBy, g.Duty) && (body == 0 || g.Body == body) {
			return g, nil
		}
	}
	return Grant{}, fault.New(fault.Forbidden, "access.open", fault.Args{"duties": k.OpenBy, "kind": k.ID})
}

// MayAdmin reports whether v manages the accounts of a body, given the body and those above it.
func MayAdmin(v Viewer, bodyAbove []ref.BodyID) bool {
	return overBody(ActAccounts, bodyAbove).answer(v, nil).OK
}

// MayReadLaw reports whether v reads the table of law, and explanations of what others may do.
func MayReadLaw(v Viewer) bool { return asked{act: ActLaw}.answer(v, nil).OK }

// MayReadReadings returns nil if v may read who opened what of a matter, when and why, or a fault that says who may.
func MayReadReadings(v Viewer, k *pack.Kind, f Facts) error {
	_, err := asked{act: ActReadings, kind: k, f: f}.answer(v, nil).grant()
	return err
}

// Compartments of a matter.
const (
	File       = "file"
	Reporter   = "reporter"
	Identity   = "identity"
	Respondent = "respondent"
)

// respondentEffects are the effects of the steps that need to read what the official concerned was told and answered.
var respondentEffects = []string{"notice", "disclose", "open-response", "respond", "find", "decide", "open-appeal", "appeal-decide", "review"}

// MayOpen returns nil if v may read the named compartment of a matter of kind k, or a Forbidden fault whose args
// hold the "duties" that may. The rows of Law with the act "open.…" say who.
func MayOpen(v Viewer, k *pack.Kind, f Facts, compartment string) error {
	_, err := asked{act: Act("open." + compartment), kind: k, f: f}.answer(v, nil).grant()
	return err
}

// MayNote returns nil if v may add an internal note to a matter, and MayLink if v may tie it to another one.
func MayNote(v Viewer, k *pack.Kind, f Facts) error {
	_, err := asked{act: ActNote, kind: k, f: f}.answer(v, nil).grant()
	return err
}

// MayLink is like MayNote; it is asked of both matters.
func MayLink(v Viewer, k *pack.Kind, f Facts) error {
	_, err := asked{act: ActLink, kind: k, f: f}.answer(v, nil).grant()
	return err
}

// Openers returns the duties whose holders may open a compartment of such a matter. For the identity compartment it
// is empty: the duties that are custodians are the pack's to say (see pack.Duty.Custodian).
func Openers(k *pack.Kind, f Facts, compartment string) []string {
	switch compartment {
	case File:
		return fileDuties(k)
	case Reporter:
		if f.Desk == "" {
			return nil
		}
		return []string{f.Desk}
	case Respondent:
		return actingDuties(k, respondentEffects)
	}
	return nil
}

// actingDuties returns the duties that take or record steps of the procedure, in the order of the pack; with
// effects, only of steps that have one of them.
func actingDuties(k *pack.Kind, effects []string) []string {
	var out []string
	for i := range k.Actions {
		a := &k.Actions[i]
		if effects != nil && !slices.ContainsFunc(a.Effects, func(e pack.Effect) bool { return slices.Contains(effects, e.Name) }) {
			continue
		}
		for _, d := range atDesk(a) {
			if !slices.Contains(out, d) {
				out = append(out, d)
			}
		}
	}
	return out
}

// atDesk are the duties whose holders take a step at a desk: those that may, or those that record what an outside body,
// the reporter or the official concerned has done.
func atDesk(a *pack.Action) []string {
	if len(a.RecordedBy) > 0 {
		return a.RecordedBy
	}
	return a.By
}

// fileDuties are the acting duties but those whose only step is to open the reporter's identity: whoever can say who
// reported has no part in what was reported.
func fileDuties(k *pack.Kind) []string {
	only := pack.Kind{}
	for _, a := range k.Actions {
		if !slices.ContainsFunc(a.Effects, func(e pack.Effect) bool { return e.Name == "identify-reporter" }) {
			only.Actions = append(only.Actions, a)
		}
	}
	return actingDuties(&only, nil)
}

// MayAssign returns nil if v may give a matter of kind k to a person of the desk it lies with: whoever holds that desk,
// or a duty that oversees its body and acts in its procedure. Somebody who worked on it before and is done chooses
// nobody to judge the work.
func MayAssign(v Viewer, k *pack.Kind, f Facts) error {
	_, err := asked{act: ActAssign, kind: k, f: f}.answer(v, nil).grant()
	return err
}

func place(a *pack.Action) pack.Of {
	if a.Of == "" {
		return pack.OfSame
	}
	return a.Of
}

func actedOtherwise(account ref.AccountID, duty string, did []Did) bool {
	for _, d := range did {
		if d.Account == account && account != 0 && d.Duty != duty {
			return true
		}
	}
	return false
}

func officials(v Viewer) []ref.OfficialID {
	var out []ref.OfficialID
	for _, o := range append([]ref.OfficialID{v.Official}, v.Also...) {
		if o != 0 && !slices.Contains(out, o) {
			out = append(out, o)
		}
	}
	return out
}
