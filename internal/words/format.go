package words

import (
	"math"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/number"
)

// Number writes a whole number with the language's grouping: "1,234,567".
func (s *Speaker) Number(n int64) string { return s.printer.Sprint(number.Decimal(n)) }

// Decimal writes x with at most digits places after the point.
func (s *Speaker) Decimal(x float64, digits int) string {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return s.T("words.number.none")
	}
	return s.printer.Sprint(number.Decimal(x, number.MaxFractionDigits(digits)))
}

// Percent writes the share x (1 is all of it) with one place where it says something: "83%", "1.9%".
func (s *Speaker) Percent(x float64) string {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return s.T("words.number.none")
	}
	places := 0
	if p := math.Abs(x * 100); p < 10 && p != math.Trunc(p) {
		places = 1
	}
	return s.printer.Sprint(number.Percent(x, number.MaxFractionDigits(places)))
}

// Compact writes a number for the axis of a chart: "12k", "1.2万".
func (s *Speaker) Compact(x float64) string {
	abs := math.Abs(x)
	steps := []struct {
		unit float64
		key  string
	}{{1e9, "words.number.billion"}, {1e6, "words.number.million"}, {1e3, "words.number.thousand"}}
	if s.chinese() {
		steps = []struct {
			unit float64
			key  string
		}{{1e8, "words.number.yi"}, {1e4, "words.number.wan"}}
	}
	for _, st := range steps {
		if abs >= st.unit {
			return s.T(st.key, "x", s.Decimal(x/st.unit, 1))
		}
	}
	return s.Decimal(x, 2)
}

// Bytes writes the size of a file.
func (s *Speaker) Bytes(n int64) string {
	switch {
	case n >= 1<<20:
		return s.Decimal(float64(n)/(1<<20), 1) + " MB"
	case n >= 1<<10:
		return s.Decimal(float64(n)/(1<<10), 0) + " kB"
	default:
		return s.N("words.bytes", n)
	}
}

var monthKeys = [...]string{
	"words.month.1", "words.month.2", "words.month.3", "words.month.4", "words.month.5", "words.month.6",
	"words.month.7", "words.month.8", "words.month.9", "words.month.10", "words.month.11", "words.month.12",
}

var weekdayKeys = [...]string{
	"words.weekday.0", "words.weekday.1", "words.weekday.2", "words.weekday.3",
	"words.weekday.4", "words.weekday.5", "words.weekday.6",
}

// Date writes an ISO 8601 date as precisely as it is known: "2019-05-17" is "17 May 2019", "2019-05" is
// "May 2019", "2019" is "2019". An empty date is said to be unknown; anything else is given back as it is.
func (s *Speaker) Date(iso string) string {
	if iso == "" {
		return s.T("words.date.unknown")
	}
	y, m, d, ok := splitDate(iso)
	switch {
	case !ok:
		return iso
	case d > 0:
		return s.T("words.date.day", "year", y, "month", s.T(monthKeys[m-1]), "m", strconv.Itoa(m), "day", strconv.Itoa(d))
	case m > 0:
		return s.T("words.date.month", "year", y, "month", s.T(monthKeys[m-1]), "m", strconv.Itoa(m))
	default:
		return s.T("words.date.year", "year", y)
	}
}

// splitDate takes a date of full or reduced precision apart; parts not known are 0.
func splitDate(iso string) (year string, month, day int, ok bool) {
	for _, layout := range []string{"2006-01-02", "2006-01", "2006"} {
		if len(iso) != len(layout) {
			continue
		}
		t, err := time.Parse(layout, iso)
		if err != nil {
			return "", 0, 0, false
		}
		year = strings.TrimLeft(iso[:4], "0")
		if year == "" {
			year = "0"
		}
		if len(layout) > 4 {
			month = int(t.Month())
		}
		if len(layout) > 7 {
			day = t.Day()
		}
		return year, month, day, true
	}
	return "", 0, 0, false
}

// Day writes the day of an instant as seen in loc.
func (s *Speaker) Day(t time.Time, loc *time.Location) string {
	if t.IsZero() {
		return s.T("words.date.unknown")
	}
	return s.Date(in(t, loc).Format("2006-01-02"))
}

// Weekday writes the day of an instant with its day of the week, for promises: "Tuesday 3 March 2026".
func (s *Speaker) Weekday(t time.Time, loc *time.Location) string {
	t = in(t, loc)
	return s.T("words.date.weekday", "weekday", s.T(weekdayKeys[t.Weekday()]), "date", s.Day(t, loc))
}

// Time writes an instant to the minute as seen in loc: "17 May 2019, 14:05".
func (s *Speaker) Time(t time.Time, loc *time.Location) string {
	if t.IsZero() {
		return s.T("words.date.unknown")
	}
	return s.T("words.date.time", "date", s.Day(t, loc), "time", in(t, loc).Format("15:04"))
}

func in(t time.Time, loc *time.Location) time.Time {
	if loc == nil {
		loc = time.UTC
	}
	return t.In(loc)
}

// Days writes a number of days: "1 day", "12 days".
func (s *Speaker) Days(n int64) string { return s.N("words.days", n) }

// WorkingDays writes a number of working days.
func (s *Speaker) WorkingDays(n int64) string { return s.N("words.workingdays", n) }

// A Clock is a time limit as it stands now.
type Clock struct {
	Due    time.Time
	Now    time.Time
	Loc    *time.Location // whose midnight counts; UTC if nil
	Paused bool           // stopped while something is awaited
	// Working, where the limit is counted in working days, is how many of them are left, or over: the
	// calendar that knows is the pack's, not ours. Otherwise it is nil and days are counted.
	Working *int
}

// Urgency is how near the end of a clock is; it decides the colour that the words stand in.
type Urgency int

const (
	Waiting Urgency = iota // paused, or without a limit
	Ample                  // later than tomorrow
	Soon                   // today or tomorrow
	Over                   // past
)

// Urgency says how near the end is.
func (c Clock) Urgency() Urgency {
	switch {
	case c.Due.IsZero() || c.Paused:
		return Waiting
	case !c.Now.Before(c.Due):
		return Over
	case c.days() <= 1:
		return Soon
	default:
		return Ample
	}
}

// days counts midnights from now to the due instant: 0 on the same day, 1 tomorrow, negative before today.
// A limit at the very first instant of a day is the end of the day before.
func (c Clock) days() int64 {
	last := c.Due
	if last.After(c.Now) {
		last = last.Add(-time.Nanosecond)
	}
	a, b := in(c.Now, c.Loc), in(last, c.Loc)
	from := time.Date(a.Year(), a.Month(), a.Day(), 0, 0, 0, 0, time.UTC)
	to := time.Date(b.Year(), b.Month(), b.Day(), 0, 0, 0, 0, time.UTC)
	return int64(to.Sub(from) / (24 * time.Hour))
}

// Clock says how a time limit stands: "due tomorrow", "due in 5 working days", "3 working days over".
func (s *Speaker) Clock(c Clock) string {
	switch {
	case c.Due.IsZero():
		return s.T("words.clock.none")
	case c.Paused:
		return s.T("words.clock.paused")
	}
	days := c.days()
	over := !c.Now.Before(c.Due)
	switch {
	case over && days == 0:
		return s.T("words.clock.over.today")
	case !over && days == 0:
		return s.T("words.clock.today")
	case !over && days == 1:
		return s.T("words.clock.tomorrow")
	}
	if c.Working != nil {
		if n := abs(int64(*c.Working)); over && n > 0 {
			return s.N("words.clock.over.working", n)
		} else if n > 0 {
			return s.N("words.clock.in.working", n)
		}
	}
	if over {
		return s.N("words.clock.over", abs(days))
	}
	return s.N("words.clock.in", days)
}

func abs(n int64) int64 {
	if n < 0 {
		return -n
	}
	return n
}
