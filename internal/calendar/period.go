package calendar

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// maxPeriod bounds the number in a Period: no law speaks of longer ones, and a slip of the finger should not pass.
const maxPeriod = 9999

// ErrPeriod is returned for text that is no period.
var ErrPeriod = errors.New(`not a period: write a number and a unit, such as 7d, 5wd, 3mo or 2y`)

// ParsePeriod reads "7d", "5wd", "3mo" or "2y": a positive whole number without sign, space or leading zero, and a unit.
func ParsePeriod(s string) (Period, error) {
	cut := strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' })
	if cut <= 0 || s[0] == '0' || cut > 4 {
		return Period{}, fmt.Errorf("%q is %w", s, ErrPeriod)
	}
	n, err := strconv.Atoi(s[:cut])
	if err != nil || n > maxPeriod {
		return Period{}, fmt.Errorf("%q is %w", s, ErrPeriod)
	}
	switch u := Unit(s[cut:]); u {
	case Days, WorkingDays, Months, Years:
		return Period{N: n, Unit: u}, nil
	}
	return Period{}, fmt.Errorf("%q is %w", s, ErrPeriod)
}

// IsZero reports whether p is no period.
func (p Period) IsZero() bool { return p.N == 0 }

// String is what ParsePeriod reads; empty for no period.
func (p Period) String() string {
	if p.IsZero() {
		return ""
	}
	return strconv.Itoa(p.N) + string(p.Unit)
}

// MarshalText makes a Period a plain string in YAML and JSON.
func (p Period) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (p *Period) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*p = Period{}
		return nil
	}
	got, err := ParsePeriod(string(text))
	if err != nil {
		return err
	}
	*p = got
	return nil
}
