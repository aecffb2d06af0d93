// Package calendar counts time as law does: in days, working days, months and years, in one time zone.
//
// The rule is the common one of procedural codes: the day of the event is not counted, the last day is counted whole,
// and a period in months or years ends on the day with the same number, or on the last day of a shorter month. A
// period is not prolonged because its last day is a day off; a pack that wants that counts in working days. The
// package has no clock of its own: every instant is an argument.
package calendar

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // a small machine or container may have no zone files
)

// Calendar is a Spec made ready for counting. It is safe for concurrent use.
type Calendar struct {
	zone   *time.Location
	week   [7]bool      // working days of the week, by time.Weekday
	off    map[int]bool // days off by number
	work   map[int]bool // days worked although off
	yearly []yearly

	mu     sync.Mutex
	bounds map[Period][2]int
	years  map[int]map[int]bool // by year: the numbers of its yearly days off
}

// yearly is a day off of every year: a date, or the nth weekday of a month (from its end when n is negative).
type yearly struct {
	month, day int
	weekday    time.Weekday
	nth        int
}

var weekdays = map[string]time.Weekday{
	"sun": time.Sunday, "mon": time.Monday, "tue": time.Tuesday, "wed": time.Wednesday,
	"thu": time.Thursday, "fri": time.Friday, "sat": time.Saturday,
}

var months = map[string]int{
	"jan": 1, "feb": 2, "mar": 3, "apr": 4, "may": 5, "jun": 6, "jul": 7, "aug": 8, "sep": 9, "oct": 10, "nov": 11, "dec": 12,
}

// A SpecError says which part of a Spec is wrong; Key is "zone", "week", "holidays" or "workdays", Index the place in
// the list.
type SpecError struct {
	Key     string
	Index   int
	Problem string
}

func (e *SpecError) Error() string {
	if e.Key == "zone" || e.Index < 0 {
		return fmt.Sprintf("calendar: %s: %s", e.Key, e.Problem)
	}
	return fmt.Sprintf("calendar: %s[%d]: %s", e.Key, e.Index, e.Problem)
}

// Compile makes a calendar of spec, or tells everything that is wrong with it.
func Compile(spec Spec) (*Calendar, []*SpecError) {
	c := &Calendar{off: map[int]bool{}, work: map[int]bool{}, bounds: map[Period][2]int{}, years: map[int]map[int]bool{}}
	var errs []*SpecError
	fail := func(key string, i int, format string, args ...any) {
		errs = append(errs, &SpecError{key, i, fmt.Sprintf(format, args...)})
	}
	switch zone, err := time.LoadLocation(spec.Zone); {
	case spec.Zone == "" || spec.Zone == "Local":
		fail("zone", -1, "name the time zone, such as Europe/Vienna")
	case err != nil:
		fail("zone", -1, "%q is not a known time zone; use a name such as Europe/Vienna", spec.Zone)
	default:
		c.zone = zone
	}
	if len(spec.Week) == 0 {
		fail("week", -1, "name the working days of the week: mon, tue, …")
	}
	for i, w := range spec.Week {
		d, ok := weekdays[w]
		switch {
		case !ok:
			fail("week", i, "%q is not a day of the week: mon, tue, wed, thu, fri, sat or sun", w)
		case c.week[d]:
			fail("week", i, "%s is named twice", w)
		default:
			c.week[d] = true
		}
	}
	for i, h := range spec.Holidays {
		if problem := c.holiday(h.On); problem != "" {
			fail("holidays", i, "%s", problem)
		}
	}
	for i, w := range spec.Workdays {
		d, err := ParseDate(w)
		if err != nil || !d.Exact() {
			fail("workdays", i, "%q is not a day; write it like 2026-02-14", w)
			continue
		}
		c.work[d.number()] = true
	}
	if errs != nil {
		return nil, errs
	}
	return c, nil
}

const longestHoliday = 62 // days; a longer span is a slip of the finger

func (c *Calendar) holiday(on string) (problem string) {
	if first, last, span := strings.Cut(on, "/"); span {
		a, err1 := ParseDate(first)
		b, err2 := ParseDate(last)
		if err1 != nil || err2 != nil || !a.Exact() || !b.Exact() {
			return fmt.Sprintf("%q is not a span of days; write it like 2026-02-16/2026-02-22", on)
		}
		n := a.DaysUntil(b)
		if n < 0 || n > longestHoliday {
			return fmt.Sprintf("%q ends before it begins or lasts longer than %d days", on, longestHoliday)
		}
		for i := 0; i <= n; i++ {
			c.off[a.number()+i] = true
		}
		return ""
	}
	if d, err := ParseDate(on); err == nil && d.Exact() {
		c.off[d.number()] = true
		return ""
	}
	if y, ok := parseYearly(on); ok {
		c.yearly = append(c.yearly, y)
		return ""
	}
	return fmt.Sprintf("%q is not a day off; write 2026-02-17, 2026-02-16/2026-02-22, 01-01 or mon#3 jan", on)
}

func parseYearly(s string) (yearly, bool) {
	if len(s) == 5 && s[2] == '-' { // 01-01; 02-29 is a day off in leap years only
		d, err := ParseDate("2000-" + s)
		return yearly{month: d.Month, day: d.Day}, err == nil
	}
	day, month, ok := strings.Cut(s, " ")
	if !ok {
		return yearly{}, false
	}
	name, nth, ok := strings.Cut(day, "#")
	w, okDay := weekdays[name]
	m, okMonth := months[month]
	n, err := strconv.Atoi(nth)
	if !ok || !okDay || !okMonth || err != nil || strconv.Itoa(n) != nth || n == 0 || n > 5 || n < -5 {
		return yearly{}, false
	}
	return yearly{month: m, weekday: w, nth: n}, true
}

// in is the number of the day off in a year, and whether the year has it.
func (y yearly) in(year int) (int, bool) {
	if y.nth == 0 {
		if y.day > daysIn(year, y.month) {
			return 0, false
		}
		return Date{year, y.month, y.day}.number(), true
	}
	if y.nth > 0 {
		first := Date{year, y.month, 1}
		day := 1 + (int(y.weekday)-int(first.Weekday())+7)%7 + 7*(y.nth-1)
		return Date{year, y.month, day}.number(), day <= daysIn(year, y.month)
	}
	last := Date{year, y.month, daysIn(year, y.month)}
	day := last.Day - (int(last.Weekday())-int(y.weekday)+7)%7 + 7*(y.nth+1)
	return Date{year, y.month, day}.number(), day >= 1
}

// Zone is the time zone in which days begin and end.
func (c *Calendar) Zone() *time.Location { return c.zone }

// Day is the day on which the instant falls in the calendar's zone.
func (c *Calendar) Day(t time.Time) Date { return DateOf(t.In(c.zone)) }

// Works reports whether d is a working day.
func (c *Calendar) Works(d Date) bool {
	n := d.Earliest().number()
	if c.work[n] {
		return true
	}
	return c.week[d.Weekday()] && !c.off[n] && !c.yearlyOff(d.Year)[n]
}

func (c *Calendar) yearlyOff(year int) map[int]bool {
	if len(c.yearly) == 0 {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	days, ok := c.years[year]
	if !ok {
		days = map[int]bool{}
		for _, y := range c.yearly {
			if n, has := y.in(year); has {
				days[n] = true
			}
		}
		if len(c.years) > 400 { // years come from people's input; do not let them fill the memory
			clear(c.years)
		}
		c.years[year] = days
	}
	return days
}

// lastYear bounds the search for working days in a calendar that has hardly any.
const lastYear = 9999

// AddDate is the last day of the period p that begins with an event on the day d: the day of the event is not counted.
func (c *Calendar) AddDate(d Date, p Period) Date {
	switch p.Unit {
	case WorkingDays:
		for n := p.N; n > 0 && d.Year < lastYear; {
			if d = d.AddDays(1); c.Works(d) {
				n--
			}
		}
		return d
	case Months:
		return d.AddMonths(p.N)
	case Years:
		return d.AddMonths(12 * p.N)
	}
	return d.AddDays(p.N)
}

// Add is the deadline of the period p that begins with an event at the instant from: the last microsecond of its last
// day in the calendar's zone. Whoever acts at that instant is still in time.
func (c *Calendar) Add(from time.Time, p Period) time.Time {
	return c.End(c.AddDate(c.Day(from), p))
}

// Before is the beginning of the day that lies the period p before the day of the deadline: when a clock that warns p
// before its end begins to warn.
func (c *Calendar) Before(due time.Time, p Period) time.Time {
	d := c.Day(due)
	switch p.Unit {
	case WorkingDays:
		for n := p.N; n > 0 && d.Year > 1; {
			if d = d.AddDays(-1); c.Works(d) {
				n--
			}
		}
	case Months:
		d = d.AddMonths(-p.N)
	case Years:
		d = d.AddMonths(-12 * p.N)
	default:
		d = d.AddDays(-p.N)
	}
	return c.Start(d)
}

// Start is the first instant of the day in the calendar's zone. Where a change of the clocks skips midnight, that is
// the first instant there is.
func (c *Calendar) Start(d Date) time.Time {
	d = d.Earliest()
	t := time.Date(d.Year, time.Month(d.Month), d.Day, 0, 0, 0, 0, c.zone)
	if DateOf(t) == d && DateOf(t.Add(-time.Microsecond)).Compare(d) < 0 {
		return t
	}
	// Midnight is skipped or comes twice: search the first instant of the day.
	noon := time.Date(d.Year, time.Month(d.Month), d.Day, 12, 0, 0, 0, time.UTC)
	lo, hi := noon.Add(-30*time.Hour), noon.Add(30*time.Hour)
	for hi.Sub(lo) > time.Microsecond {
		mid := lo.Add(hi.Sub(lo) / 2).Truncate(time.Microsecond)
		if mid.Equal(lo) {
			break
		}
		if DateOf(mid.In(c.zone)).Compare(d) < 0 {
			lo = mid
		} else {
			hi = mid
		}
	}
	return hi.In(c.zone)
}

// End is the last microsecond of the day in the calendar's zone.
func (c *Calendar) End(d Date) time.Time { return c.Start(d.AddDays(1)).Add(-time.Microsecond) }

// WorkingDaysBetween counts the working days after the day of a up to and including the day of b; negative when b
// falls on an earlier day than a.
func (c *Calendar) WorkingDaysBetween(a, b time.Time) int { return c.workingDays(c.Day(a), c.Day(b)) }

func (c *Calendar) workingDays(a, b Date) int {
	if b.Compare(a) < 0 {
		return -c.workingDays(b, a)
	}
	n := 0
	for d := a; d.Compare(b) < 0; {
		if d = d.AddDays(1); c.Works(d) {
			n++
		}
	}
	return n
}

// Left is how far a deadline lies from now, in numbers; the words are the reader's language's.
type Left struct {
	Days        int  // calendar days from today to the last day; 0 is today, -1 was yesterday
	WorkingDays int  // the same in working days
	Over        bool // the deadline has passed
}

// Due says how far the deadline is from now.
func (c *Calendar) Due(now, due time.Time) Left {
	a, b := c.Day(now), c.Day(due)
	return Left{Days: a.DaysUntil(b), WorkingDays: c.workingDays(a, b), Over: now.After(due)}
}

// Bounds are the fewest and the most days that the period can last under this calendar, whichever day it begins on:
// what the fairness check compares periods of different units by. Months and years are counted over the 400 years after
// which the Gregorian calendar repeats itself; working days over the years the calendar's own dates speak of, and over
// nine years with two leap years.
func (c *Calendar) Bounds(p Period) (fewest, most int) {
	switch p.Unit {
	case Days:
		return p.N, p.N
	}
	c.mu.Lock()
	b, ok := c.bounds[p]
	c.mu.Unlock()
	if ok {
		return b[0], b[1]
	}
	if p.Unit == WorkingDays {
		first, last := 2000, 2008 // two leap years
		for n := range c.off {
			y := fromNumber(n).Year
			first, last = min(first, y-1), max(last, y+1)
		}
		first = max(first, last-80)
		fewest, most = c.workingBounds(Date{first, 1, 1}, Date{last, 12, 31}, p.N)
	} else {
		fewest, most = c.monthBounds(p)
	}
	c.mu.Lock()
	c.bounds[p] = [2]int{fewest, most}
	c.mu.Unlock()
	return fewest, most
}

// monthBounds are the fewest and most days that a period of months or years lasts.
func (c *Calendar) monthBounds(p Period) (fewest, most int) {
	fewest = 1 << 30
	for m := range 400 * 12 {
		year, month := 2000+m/12, 1+m%12
		for day := 28; day <= daysIn(year, month); day++ { // from an earlier day it lasts as long as from the 28th
			d := Date{year, month, day}
			n := d.DaysUntil(c.AddDate(d, p))
			fewest, most = min(fewest, n), max(most, n)
		}
	}
	return fewest, most
}

// workingBounds are the fewest and most days that n working days last, beginning on any day from begin to end.
func (c *Calendar) workingBounds(begin, end Date, n int) (fewest, most int) {
	var work []int // numbers of the working days after begin
	enough := 0    // how many of them lie after end
	for d := begin.AddDays(1); enough < n && d.Year < lastYear; d = d.AddDays(1) {
		if c.Works(d) {
			work = append(work, d.number())
			if d.Compare(end) > 0 {
				enough++
			}
		}
	}
	fewest = 1 << 30
	for day, next := begin.number(), 0; day <= end.number(); day++ {
		for next < len(work) && work[next] <= day {
			next++
		}
		if next+n > len(work) {
			return fewest, 1 << 30 // the calendar has hardly any working days
		}
		lasts := work[next+n-1] - day
		fewest, most = min(fewest, lasts), max(most, lasts)
	}
	return fewest, most
}

// AtMost reports whether p surely ends no later than q, whichever day both begin on.
func (c *Calendar) AtMost(p, q Period) bool {
	if p.Unit == q.Unit {
		return p.N <= q.N
	}
	if m, ok := p.months(); ok {
		if n, ok := q.months(); ok {
			return m <= n
		}
	}
	_, most := c.Bounds(p)
	fewest, _ := c.Bounds(q)
	return most <= fewest
}

func (p Period) months() (int, bool) {
	switch p.Unit {
	case Months:
		return p.N, true
	case Years:
		return 12 * p.N, true
	}
	return 0, false
}
