package calendar

import (
	"errors"
	"fmt"
	"time"
)

// Date is a day, a month or a year: what a record says about when something happened, no more exact than the record
// is. Month and Day are zero where unknown; the zero Date is "unknown".
type Date struct {
	Year, Month, Day int
}

// ErrDate is returned for text that is no date.
var ErrDate = errors.New("not a date: write it like 2019, 2019-05 or 2019-05-17")

// ParseDate reads "2019", "2019-05" or "2019-05-17"; days that do not exist are refused.
func ParseDate(s string) (Date, error) {
	bad := func() (Date, error) { return Date{}, fmt.Errorf("%q is %w", s, ErrDate) }
	var d Date
	switch len(s) {
	case 4, 7, 10:
	default:
		return bad()
	}
	for i := 0; i < len(s); i++ {
		if i == 4 || i == 7 {
			if s[i] != '-' {
				return bad()
			}
		} else if s[i] < '0' || s[i] > '9' {
			return bad()
		}
	}
	num := func(t string) (n int) {
		for i := 0; i < len(t); i++ {
			n = n*10 + int(t[i]-'0')
		}
		return n
	}
	if d.Year = num(s[:4]); d.Year == 0 {
		return bad()
	}
	if len(s) >= 7 {
		if d.Month = num(s[5:7]); d.Month < 1 || d.Month > 12 {
			return bad()
		}
	}
	if len(s) == 10 {
		if d.Day = num(s[8:10]); d.Day < 1 || d.Day > daysIn(d.Year, d.Month) {
			return bad()
		}
	}
	return d, nil
}

// DateOf is the day on which t falls in t's own zone.
func DateOf(t time.Time) Date {
	y, m, d := t.Date()
	return Date{y, int(m), d}
}

// IsZero reports whether the date is unknown.
func (d Date) IsZero() bool { return d == Date{} }

// Exact reports whether the day is known.
func (d Date) Exact() bool { return d.Day != 0 }

// String is what ParseDate reads; empty for the unknown date.
func (d Date) String() string {
	switch {
	case d.IsZero():
		return ""
	case d.Month == 0:
		return fmt.Sprintf("%04d", d.Year)
	case d.Day == 0:
		return fmt.Sprintf("%04d-%02d", d.Year, d.Month)
	}
	return fmt.Sprintf("%04d-%02d-%02d", d.Year, d.Month, d.Day)
}

// MarshalText makes a Date a plain string in YAML and JSON.
func (d Date) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (d *Date) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*d = Date{}
		return nil
	}
	got, err := ParseDate(string(text))
	if err != nil {
		return err
	}
	*d = got
	return nil
}

// Earliest is the first day the date may mean.
func (d Date) Earliest() Date {
	if d.IsZero() {
		return d
	}
	if d.Month == 0 {
		return Date{d.Year, 1, 1}
	}
	if d.Day == 0 {
		return Date{d.Year, d.Month, 1}
	}
	return d
}

// Latest is the last day the date may mean.
func (d Date) Latest() Date {
	if d.IsZero() {
		return d
	}
	if d.Month == 0 {
		return Date{d.Year, 12, 31}
	}
	if d.Day == 0 {
		return Date{d.Year, d.Month, daysIn(d.Year, d.Month)}
	}
	return d
}

// Compare orders dates by the first day they may mean, the vaguer first where that is the same; the unknown date comes
// before all others. It is the order of their text.
func (d Date) Compare(o Date) int {
	for _, x := range [...][2]int{{d.Year, o.Year}, {d.Month, o.Month}, {d.Day, o.Day}} {
		if x[0] != x[1] {
			if x[0] < x[1] {
				return -1
			}
			return 1
		}
	}
	return 0
}

// SurelyBefore reports whether d lies before o whatever days the two mean.
func (d Date) SurelyBefore(o Date) bool {
	return !d.IsZero() && !o.IsZero() && d.Latest().Compare(o.Earliest()) < 0
}

// MayBeWithin reports whether the date may lie between from and to, both included. A zero to is open; the unknown date
// may be anywhere.
func (d Date) MayBeWithin(from, to Date) bool {
	if d.IsZero() {
		return true
	}
	return !d.SurelyBefore(from) && (to.IsZero() || !to.SurelyBefore(d))
}

// DaysUntil counts the days from d to o, both taken at their earliest; negative when o lies before d.
func (d Date) DaysUntil(o Date) int { return o.Earliest().number() - d.Earliest().number() }

// AddDays is the day n days later.
func (d Date) AddDays(n int) Date { return fromNumber(d.Earliest().number() + n) }

// AddMonths is the same day n months later, or the last day of that month where it is shorter.
func (d Date) AddMonths(n int) Date {
	d = d.Earliest()
	m := d.Year*12 + d.Month - 1 + n
	y, mo := floorDiv(m, 12), m-floorDiv(m, 12)*12+1
	return Date{y, mo, min(d.Day, daysIn(y, mo))}
}

// Weekday is the day of the week of the earliest day the date may mean.
func (d Date) Weekday() time.Weekday {
	n := (d.Earliest().number() + 4) % 7 // day 0 was a Thursday
	if n < 0 {
		n += 7
	}
	return time.Weekday(n)
}

// number counts days from 1970-01-01 in the proleptic Gregorian calendar (Howard Hinnant's days_from_civil).
func (d Date) number() int {
	y := d.Year
	if d.Month <= 2 {
		y--
	}
	era := floorDiv(y, 400)
	yoe := y - era*400
	doy := (153*((d.Month+9)%12)+2)/5 + d.Day - 1
	doe := yoe*365 + yoe/4 - yoe/100 + doy
	return era*146097 + doe - 719468
}

func fromNumber(n int) Date {
	n += 719468
	era := floorDiv(n, 146097)
	doe := n - era*146097
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	m := mp + 3
	if m > 12 {
		m -= 12
	}
	y := yoe + era*400
	if m <= 2 {
		y++
	}
	return Date{y, m, doy - (153*mp+2)/5 + 1}
}

func floorDiv(a, b int) int {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

func daysIn(year, month int) int {
	switch month {
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}
