package access

import (
	"slices"

	"plumbline/internal/fault"
	"plumbline/internal/pack"
	"plumbline/internal/ref"
	"plumbline/internal/register"
)

// A Reason is why a person is kept away from a matter that concerns them too closely.
type Reason string

// The reasons, the strongest first.
const (
	ReasonNamed    Reason = "named"    // the matter names them
	ReasonRelative Reason = "relative" // it names somebody they are a declared relative of
	ReasonInterest Reason = "interest" // it names somebody with whom there is a declared interest, on either side
	ReasonUnit     Reason = "unit"     // it names somebody who works in the same unit now
	ReasonChain    Reason = "chain"    // it names somebody they command, or who commands them, now
	ReasonUnitWas  Reason = "unit-was" // … who worked there together with them, not long enough ago
	ReasonChainWas Reason = "chain-was"
	ReasonHand     Reason = "hand" // they took part at an earlier stage that the procedure keeps apart
)

// Recusal is what the rules in force today say of keeping people away.
type Recusal struct {
	Today string   // ISO day
	Since string   // having worked together until this day or later keeps away
	Leads []string // ranks that command the bodies below; none: every rank does
}

// RecusalOn returns the rules of a pack on a day of its calendar.
func RecusalOn(p *pack.Pack, today string) Recusal {
	r := Recusal{Today: today, Since: today}
	if p != nil {
		r.Since, r.Leads = p.Recusal.Before(today), p.Recusal.Leads
	}
	return r
}

func (r Recusal) leads(rank string) bool { return len(r.Leads) == 0 || slices.Contains(r.Leads, rank) }

// A Bar is a reason and what follows from it.
type Bar struct {
	Reason  Reason
	Forbids Extent
}

// Extent is how far a reason reaches.
type Extent string

// How far reasons reach.
const (
	FromAll  Extent = "all"  // the matter does not exist for them
	FromWork Extent = "work" // they may know of it, and neither open, do nor give away anything
	FromStep Extent = "step" // they do not take that step
)

// Bars is the second half of the law: who is kept away, by which reason and how far. What it forbids no grant allows.
var Bars = []Bar{
	{ReasonNamed, FromAll}, {ReasonRelative, FromAll}, {ReasonInterest, FromAll}, {ReasonUnit, FromAll}, {ReasonChain, FromAll},
	{ReasonUnitWas, FromWork}, {ReasonChainWas, FromWork},
	{ReasonHand, FromStep},
}

// Recused returns the strongest reason for which a matter's persons keep v away, if there is one. What people did on
// the matter before is not looked at here: it forbids single steps (see MayAct).
func Recused(v Viewer, f Facts) (Bar, bool) {
	for _, b := range Bars {
		if b.holds(v, f) {
			return b, true
		}
	}
	return Bar{}, false
}

func (b Bar) holds(v Viewer, f Facts) bool {
	switch b.Reason {
	case ReasonNamed:
		return IsNamed(v, f)
	case ReasonRelative:
		return tied(v, f, register.TieRelative)
	case ReasonInterest:
		return tied(v, f, register.TieInterest)
	case ReasonUnit:
		return v.together(f, sameUnit, true)
	case ReasonChain:
		return v.together(f, inChain, true)
	case ReasonUnitWas:
		return v.together(f, sameUnit, false)
	case ReasonChainWas:
		return v.together(f, inChain, false)
	}
	return false
}

// IsNamed reports whether the matter names the viewer.
func IsNamed(v Viewer, f Facts) bool {
	return slices.ContainsFunc(officials(v), func(o ref.OfficialID) bool { return slices.Contains(f.Named, o) })
}

func tied(v Viewer, f Facts, kind string) bool {
	return slices.ContainsFunc(v.Ties, func(t register.Tied) bool { return t.Kind == kind && slices.Contains(f.Named, t.Official) })
}

// together reports whether a post of the viewer and one of somebody named stand to each other in a way: both now, or else
// at one time not too long ago.
func (v Viewer) together(f Facts, related func(r Recusal, mine, theirs register.Held) bool, now bool) bool {
	for _, mine := range v.Posts {
		for _, theirs := range f.Posts {
			if related(v.Recusal, mine, theirs) && (current(mine, v.Recusal.Today) && current(theirs, v.Recusal.Today) || !now && overlapped(mine, theirs, v.Recusal.Since)) {
				return true
			}
		}
	}
	return false
}

func sameUnit(_ Recusal, mine, theirs register.Held) bool {
	return slices.Contains(mine.Units, theirs.Body)
}

func inChain(r Recusal, mine, theirs register.Held) bool {
	return r.leads(mine.Rank) && slices.Contains(theirs.Above, mine.Body) || r.leads(theirs.Rank) && slices.Contains(mine.Above, theirs.Body)
}

// current reports whether a post is held on a day; without a day: whether it has no end. Dates of reduced precision
// count as the whole year or month.
func current(p register.Held, today string) bool {
	if today == "" {
		return p.To == ""
	}
	return p.From <= cut(today, p.From) && (p.To == "" || p.To >= cut(today, p.To))
}

func cut(day, other string) string { return day[:min(len(day), len(other))] }

// overlapped reports whether two posts were held at one time that ended on a day or later.
func overlapped(a, b register.Held, since string) bool {
	from, to := max(earliest(a.From), earliest(b.From)), latest(a.To)
	if to == "" || b.To != "" && latest(b.To) < to {
		to = latest(b.To)
	}
	return (to == "" || from <= to) && (to == "" || to >= since)
}

// earliest and latest are the first and last day a date may mean, as text that sorts. The last day of every month is
// written as its 31st, which sorts behind all its days.
func earliest(date string) string { return date + "0000-01-01"[min(len(date), 10):] }

func latest(date string) string {
	if date == "" {
		return ""
	}
	return date + "0000-12-31"[min(len(date), 10):]
}

// refused is the answer to somebody who is kept from the work on a matter.
func (b Bar) refused(args fault.Args) *fault.Error {
	all := fault.Args{"reason": string(b.Reason)}
	for k, v := range args {
		all[k] = v
	}
	return fault.New(fault.Forbidden, "access.recused."+string(b.Reason), all)
}

// MayHandle returns nil if nothing in a matter keeps v from working on it: what holds for everybody it is routed or
// given to. In an inspection, that they had a hand in what is inspected keeps them away too.
func MayHandle(v Viewer, k *pack.Kind, f Facts, did []Did) error {
	if b, barred := Recused(v, f); barred {
		return b.refused(nil)
	}
	if k != nil && k.Inspects != nil && HadAHand(v.Account, did) {
		return fault.New(fault.Forbidden, "access.inspected", nil)
	}
	return nil
}
