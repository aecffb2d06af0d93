package pack

import "plumbline/internal/calendar"

// The effects an action may have in law: the whole list. Packs cannot add to it, because the fairness check and the
// engine give each of them its meaning.
const (
	EffAcknowledge  = "acknowledge"   // the reporter is told that the report arrived
	EffFeedback     = "feedback"      // the reporter is told what is being or has been done
	EffConclude     = "conclude"      // the checking of a report comes to a result
	EffEndEarly     = "end-early"     // a report is to end without one
	EffMerge        = "merge"         // goes on as part of another matter
	EffTransfer     = "transfer"      // is handed to another body
	EffReview       = "review"        // somebody else has looked at the result and stands by it
	EffReturn       = "return"        // a reviewer sends it back
	EffNotice       = "notice"        // the official is told what they are said to have done
	EffDisclose     = "disclose"      // the official is shown the evidence
	EffOpenResponse = "open-response" // the official's time to respond begins
	EffRespond      = "respond"       // the official responds
	EffEndResponse  = "end-response"  // the time to respond ran out
	EffFind         = "find"          // findings are made
	EffReasons      = "reasons"       // reasons are given
	EffDecide       = "decide"        // a decision is taken
	EffAdverse      = "adverse"       // the decision is against the official
	EffMeasure      = "measure"       // a precautionary measure is taken
	EffOpenAppeal   = "open-appeal"   // the official's time to appeal begins
	EffAppealDecide = "appeal-decide" // the appeal is decided
	EffEndAppeal    = "end-appeal"    // the time to appeal ran out
	EffWaiveAppeal  = "waive-appeal"  // the official gives up the appeal in writing
	EffExecute      = "execute"       // the outcome is carried out
	EffReopen       = "reopen"        // what was closed is taken up again
	EffIdentify     = "identify-reporter"
	EffOpen         = "open" // another matter is opened

	EffObject = "object"        // the reporter asks that somebody above, who had no hand in it, looks at how the report ended
	EffHide   = "hide-identity" // the reporter takes their name back: what is in the compartment is not opened any more
)

// EffectNames is the closed list, in the order in which the documentation explains it.
var EffectNames = []string{
	EffAcknowledge, EffFeedback, EffConclude, EffEndEarly, EffMerge, EffTransfer, EffReview, EffReturn,
	EffNotice, EffDisclose, EffOpenResponse, EffRespond, EffEndResponse, EffFind, EffReasons, EffDecide, EffAdverse,
	EffMeasure, EffOpenAppeal, EffAppealDecide, EffEndAppeal, EffWaiveAppeal, EffExecute, EffReopen, EffObject, EffIdentify, EffHide, EffOpen,
}

// takesPeriod are the effects that open a time for the official, and must say how long it is.
func takesPeriod(effect string) bool { return effect == EffOpenResponse || effect == EffOpenAppeal }

// Has reports whether the action has the effect, declared or derived.
func (a *Action) Has(effect string) bool {
	for i := range a.Effects {
		if a.Effects[i].Name == effect {
			return true
		}
	}
	return false
}

// EffectPeriod is the period of an effect that opens a time, zero if the action does not have it.
func (a *Action) EffectPeriod(effect string) calendar.Period {
	for _, e := range a.Effects {
		if e.Name == effect {
			return e.Period
		}
	}
	return calendar.Period{}
}

// EffectNames are the action's effects, each once, in the order they were declared and then derived.
func (a *Action) EffectNames() []string {
	var names []string
	seen := map[string]bool{}
	for _, e := range a.Effects {
		if !seen[e.Name] {
			seen[e.Name] = true
			names = append(names, e.Name)
		}
	}
	return names
}

// derive adds the effects that follow from what an action asks for, so that a pack cannot hide them by silence.
func (a *Action) derive() {
	add := func(name string) {
		if !a.Has(name) {
			a.Effects = append(a.Effects, Effect{Name: name, Derived: true})
		}
	}
	for _, f := range a.Fields {
		switch f.Type {
		case TypeFindings:
			add(EffFind)
		case TypeReasons:
			if f.Required && f.When == "" {
				add(EffReasons)
			}
		case TypeOutcome:
			if !a.Has(EffAppealDecide) { // whoever decides an appeal may change the outcome without deciding the case anew
				add(EffDecide)
				add(EffAdverse)
			}
		}
	}
	if a.Has(EffAdverse) && !a.Has(EffDecide) {
		add(EffDecide)
	}
	if a.Opens != nil && !a.Has(EffOpen) {
		a.Effects = append(a.Effects, Effect{Name: EffOpen, Kind: a.Opens.Kind, Derived: true})
	}
}
