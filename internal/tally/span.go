package tally

import (
	"time"

	"plumbline/internal/fault"
)

// span is a range of dates of receipt. A date of reduced precision stands for its first day, so that ranges that follow
// each other count everything once: "2019" lies in January 2019 and nowhere else.
type span struct {
	from  time.Time // zero: from the beginning
	until time.Time // zero: without end; else the day after the last
}

// parseSpan reads dates as people write them: a day, a month or a year; to is the last one that still counts.
func parseSpan(from, to string) (s span, err error) {
	if from != "" {
		first, _, ok := parseDate(from)
		if !ok {
			return span{}, badDate("from", from)
		}
		s.from = first
	}
	if to != "" {
		_, after, ok := parseDate(to)
		if !ok {
			return span{}, badDate("to", to)
		}
		s.until = after
	}
	if from != "" && to != "" && !s.from.Before(s.until) {
		return span{}, fault.InvalidFields([]fault.Field{{Name: "to", Key: "tally.empty-range", Args: fault.Args{"from": from, "to": to}}})
	}
	return s, nil
}

func badDate(field, text string) error {
	return fault.InvalidFields([]fault.Field{{Name: field, Key: "tally.bad-date", Args: fault.Args{"text": text}}})
}

// parseDate returns the first day of a date and the day after its last.
func parseDate(text string) (first, after time.Time, ok bool) {
	for _, p := range []struct {
		layout  string
		y, m, d int
	}{{"2006-01-02", 0, 0, 1}, {"2006-01", 0, 1, 0}, {"2006", 1, 0, 0}} {
		if t, err := time.Parse(p.layout, text); err == nil {
			return t, t.AddDate(p.y, p.m, p.d), true
		}
	}
	return first, after, false
}

func (s span) all() bool { return s.from.IsZero() && s.until.IsZero() }

func newYear(t time.Time) bool { return t.YearDay() == 1 }

// parts splits the span into whole years, given by their names, and what is left at the edges. hasYears is false when no
// whole year lies in it.
func (s span) parts() (firstYear, lastYear string, hasYears bool, edges []span) {
	lo, hi := s.from, s.until
	if !lo.IsZero() && !newYear(lo) {
		lo = time.Date(lo.Year()+1, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	if !hi.IsZero() && !newYear(hi) {
		hi = time.Date(hi.Year(), 1, 1, 0, 0, 0, 0, time.UTC)
	}
	if !lo.IsZero() && !hi.IsZero() && !lo.Before(hi) {
		return "", "", false, []span{s} // also where the two edges meet
	}
	if lo.After(s.from) {
		edges = append(edges, span{s.from, lo})
	}
	if hi.Before(s.until) {
		edges = append(edges, span{hi, s.until})
	}
	firstYear, lastYear = "0000", "9999"
	if !lo.IsZero() {
		firstYear = lo.Format("2006")
	}
	if !hi.IsZero() {
		lastYear = hi.AddDate(-1, 0, 0).Format("2006")
	}
	return firstYear, lastYear, true, edges
}

// bounds are the texts between which (the second excluded) the dates of the span lie, of whatever precision.
func (s span) bounds() (from, until string) {
	from, until = "0", "a"
	if !s.from.IsZero() {
		from = shortest(s.from)
	}
	if !s.until.IsZero() {
		until = shortest(s.until)
	}
	return from, until
}

// shortest writes a day such that every date beginning on it, however precise, sorts from there on.
func shortest(t time.Time) string {
	switch {
	case newYear(t):
		return t.Format("2006")
	case t.Day() == 1:
		return t.Format("2006-01")
	}
	return t.Format("2006-01-02")
}
