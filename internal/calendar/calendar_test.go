package calendar

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"pgregory.net/rapid"
)

func compiled(t testing.TB, spec Spec) *Calendar {
	t.Helper()
	if spec.Week == nil {
		spec.Week = []string{"mon", "tue", "wed", "thu", "fri"}
	}
	if spec.Zone == "" {
		spec.Zone = "UTC"
	}
	c, errs := Compile(spec)
	if errs != nil {
		t.Fatal(errs)
	}
	return c
}

func date(t testing.TB, s string) Date {
	t.Helper()
	d, err := ParseDate(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func period(t testing.TB, s string) Period {
	t.Helper()
	p, err := ParsePeriod(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPeriodsAreReadStrictly(t *testing.T) {
	for _, s := range []string{"7d", "5wd", "3mo", "2y", "9999d"} {
		if p := period(t, s); p.String() != s {
			t.Errorf("%q is read as %v", s, p)
		}
	}
	for _, s := range []string{"", "d", "0d", "07d", "-1d", "+1d", " 7d", "7 d", "7D", "7", "7w", "7m", "1.5d", "10000d", "7dd", "٧d"} {
		if p, err := ParsePeriod(s); err == nil {
			t.Errorf("%q is read as %v", s, p)
		}
	}
}

func TestPeriodsAndDatesAreTextInYAMLAndJSON(t *testing.T) {
	type doc struct {
		P Period `yaml:"p" json:"p"`
		D Date   `yaml:"d" json:"d"`
	}
	var got doc
	if err := yaml.Unmarshal([]byte("p: 10wd\nd: 2019-05\n"), &got); err != nil {
		t.Fatal(err)
	}
	want := doc{Period{10, WorkingDays}, Date{2019, 5, 0}}
	if got != want {
		t.Errorf("YAML gives %v, want %v", got, want)
	}
	y, err := yaml.Marshal(want)
	if err != nil || !strings.Contains(string(y), "p: 10wd") || !strings.Contains(string(y), "2019-05") {
		t.Errorf("YAML is %s (%v)", y, err)
	}
	j, err := json.Marshal(want)
	if err != nil || string(j) != `{"p":"10wd","d":"2019-05"}` {
		t.Errorf("JSON is %s (%v)", j, err)
	}
	if err := yaml.Unmarshal([]byte("p: 10 days\n"), &got); err == nil {
		t.Error("YAML takes a period that is none")
	}
}

func TestDatesOfReducedPrecision(t *testing.T) {
	for _, s := range []string{"", "2019-13", "2019-00", "2019-2-1", "2019-02-29", "2019-05-00", "20190517", "2019-05-17T00:00", "0000", "2019/05/17"} {
		if d, err := ParseDate(s); err == nil {
			t.Errorf("%q is read as %v", s, d)
		}
	}
	for s, want := range map[string][2]string{
		"2019": {"2019-01-01", "2019-12-31"}, "2020-02": {"2020-02-01", "2020-02-29"}, "2019-05-17": {"2019-05-17", "2019-05-17"},
	} {
		d := date(t, s)
		if d.String() != s || d.Earliest().String() != want[0] || d.Latest().String() != want[1] {
			t.Errorf("%s is from %s to %s", d, d.Earliest(), d.Latest())
		}
	}
	if date(t, "2019").SurelyBefore(date(t, "2019-06")) || !date(t, "2019").SurelyBefore(date(t, "2020")) {
		t.Error("a year lies surely before what begins after its last day, and before nothing else")
	}
}

// The law-like rule: the day of the event does not count, the last day counts whole, months end on the same number or
// on the last day of a shorter month.
func TestDeadlines(t *testing.T) {
	c := compiled(t, Spec{Zone: "Europe/Vienna",
		Holidays: []Holiday{{On: "01-01"}, {On: "2026-02-16/2026-02-18"}, {On: "mon#-1 may"}}, Workdays: []string{"2026-02-14"}})
	for _, tt := range []struct{ name, from, period, last string }{
		{"the day itself is not counted", "2026-03-02T09:00:00+01:00", "1d", "2026-03-03"},
		{"the last minute of a day", "2026-03-02T23:59:00+01:00", "7d", "2026-03-09"},
		{"after midnight here, before it in UTC", "2026-03-02T23:30:00Z", "1d", "2026-03-04"},
		{"a weekend is skipped", "2026-03-05T12:00:00+01:00", "2wd", "2026-03-09"},
		{"holidays are skipped, an extra working day is not", "2026-02-13T12:00:00+01:00", "2wd", "2026-02-19"},
		{"new year", "2025-12-31T12:00:00+01:00", "1wd", "2026-01-02"},
		{"the last Monday of May", "2026-05-22T12:00:00+02:00", "1wd", "2026-05-26"},
		{"from the last of January", "2026-01-31T12:00:00+01:00", "1mo", "2026-02-28"},
		{"in a leap year", "2028-01-31T12:00:00+01:00", "1mo", "2028-02-29"},
		{"three months over the year's end", "2025-11-30T12:00:00+01:00", "3mo", "2026-02-28"},
		{"a year from the 29th of February", "2028-02-29T12:00:00+01:00", "1y", "2029-02-28"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			from, err := time.Parse(time.RFC3339, tt.from)
			if err != nil {
				t.Fatal(err)
			}
			due := c.Add(from, period(t, tt.period))
			if got := c.Day(due).String(); got != tt.last {
				t.Errorf("the last day is %s, want %s", got, tt.last)
			}
			if next := c.Day(due.Add(time.Microsecond)); next == c.Day(due) {
				t.Errorf("%s is not the end of the day", due)
			}
		})
	}
}

func TestDaysBeginAndEndWhereTheClocksChange(t *testing.T) {
	for _, tt := range []struct{ zone, day, start, end string }{
		{"Europe/Vienna", "2026-03-29", "2026-03-28T23:00:00Z", "2026-03-29T21:59:59.999999Z"},     // 23 hours
		{"Europe/Vienna", "2026-10-25", "2026-10-24T22:00:00Z", "2026-10-25T22:59:59.999999Z"},     // 25 hours
		{"America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00:00Z", "2018-11-05T01:59:59.999999Z"}, // midnight is skipped
		{"America/Sao_Paulo", "2018-02-17", "2018-02-17T02:00:00Z", "2018-02-18T02:59:59.999999Z"}, // 23 h comes twice
		{"Asia/Beirut", "2022-03-27", "2022-03-26T22:00:00Z", "2022-03-27T20:59:59.999999Z"},       // midnight is skipped
		{"Asia/Shanghai", "2026-02-17", "2026-02-16T16:00:00Z", "2026-02-17T15:59:59.999999Z"},
	} {
		c := compiled(t, Spec{Zone: tt.zone})
		d := date(t, tt.day)
		if got := c.Start(d).UTC().Format(time.RFC3339Nano); got != tt.start {
			t.Errorf("%s in %s begins %s, want %s", tt.day, tt.zone, got, tt.start)
		}
		if got := c.End(d).UTC().Format(time.RFC3339Nano); got != tt.end {
			t.Errorf("%s in %s ends %s, want %s", tt.day, tt.zone, got, tt.end)
		}
	}
}

func TestDue(t *testing.T) {
	c := compiled(t, Spec{})
	friday := time.Date(2026, 3, 6, 10, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		period string
		later  time.Duration
		want   Left
	}{
		{"1wd", 0, Left{3, 1, false}},
		{"3d", 0, Left{3, 1, false}},
		{"1wd", 3 * 24 * time.Hour, Left{0, 0, false}},
		{"1wd", 4 * 24 * time.Hour, Left{-1, -1, true}},
	} {
		if got := c.Due(friday.Add(tt.later), c.Add(friday, period(t, tt.period))); got != tt.want {
			t.Errorf("%s, %s later: %+v, want %+v", tt.period, tt.later, got, tt.want)
		}
	}
	if got := c.Before(c.Add(friday, period(t, "5wd")), period(t, "2wd")); got.Format(time.DateOnly) != "2026-03-11" {
		t.Errorf("two working days before the end is %s", got)
	}
}

func TestWhatIsNoCalendarIsSaid(t *testing.T) {
	_, errs := Compile(Spec{Zone: "Nowhere", Week: []string{"mon", "monday", "mon"}, Workdays: []string{"2026-02"},
		Holidays: []Holiday{{On: "02-30"}, {On: "2026-02-30"}, {On: "2026-03-02/2026-03-01"}, {On: "2026-01-01/2027-01-01"}, {On: "mon#6 jan"}, {On: "mon#0 jan"}, {On: "mon#1 january"}, {On: "mon#+1 jan"}, {On: "01-01"}}})
	if len(errs) != 12 {
		t.Errorf("%d mistakes are named, want 12: %v", len(errs), errs)
	}
}

func TestBounds(t *testing.T) {
	c := compiled(t, Spec{Holidays: []Holiday{{On: "12-25"}, {On: "12-26"}}})
	for s, want := range map[string][2]int{
		"7d": {7, 7}, "1mo": {28, 31}, "3mo": {89, 92}, "1y": {365, 366}, "4y": {1460, 1461}, "48mo": {1460, 1461}, "8y": {2921, 2922}, "100y": {36524, 36525}, "400y": {146097, 146097}, "5wd": {5, 11}, "1wd": {1, 5},
	} {
		if lo, hi := c.Bounds(period(t, s)); [2]int{lo, hi} != want {
			t.Errorf("%s lasts from %d to %d days, want %v", s, lo, hi, want)
		}
	}
	for _, tt := range []struct {
		p, q string
		want bool
	}{{"7d", "7d", true}, {"5wd", "7d", false}, {"4wd", "9d", false}, {"4wd", "10d", true}, {"89d", "3mo", true}, {"90d", "3mo", false}, {"12mo", "1y", true}, {"1y", "12mo", true}, {"13mo", "1y", false}} {
		if got := c.AtMost(period(t, tt.p), period(t, tt.q)); got != tt.want {
			t.Errorf("%s surely ends no later than %s: %v", tt.p, tt.q, got)
		}
	}
}

var zones = []string{"UTC", "Europe/Vienna", "America/Sao_Paulo", "Asia/Beirut", "Asia/Shanghai", "America/St_Johns", "Pacific/Chatham", "Pacific/Apia"}

func drawCalendar(t *rapid.T, tb testing.TB) *Calendar {
	spec := Spec{Zone: rapid.SampledFrom(zones).Draw(t, "zone")}
	spec.Week = rapid.SampledFrom([][]string{{"mon", "tue", "wed", "thu", "fri"}, {"sun", "mon", "tue", "wed", "thu"}, {"sat"}}).Draw(t, "week")
	for range rapid.IntRange(0, 4).Draw(t, "holidays") {
		spec.Holidays = append(spec.Holidays, Holiday{On: rapid.SampledFrom([]string{"01-01", "02-29", "mon#1 sep", "thu#-1 nov", "2024-02-10/2024-02-17", "2025-03-01"}).Draw(t, "holiday")})
	}
	return compiled(tb, spec)
}

func drawTime(t *rapid.T) time.Time {
	return time.UnixMicro(rapid.Int64Range(0, 4_102_444_800_000_000).Draw(t, "time")).UTC() // 1970 to 2100
}

func drawPeriod(t *rapid.T) Period {
	return Period{rapid.IntRange(1, 60).Draw(t, "n"), rapid.SampledFrom([]Unit{Days, WorkingDays, Months, Years}).Draw(t, "unit")}
}

func TestDeadlineProperties(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c, from, p := drawCalendar(rt, t), drawTime(rt), drawPeriod(rt)
		due := c.Add(from, p)
		if !due.After(from) {
			rt.Fatalf("%s from %s ends before it begins: %s", p, from, due)
		}
		if again := c.Add(from.Add(time.Minute), p); again.Before(due) {
			rt.Fatalf("whoever begins later is due earlier: %s, %s", due, again)
		}
		if longer := c.Add(from, Period{p.N + 1, p.Unit}); longer.Before(due) {
			rt.Fatalf("%d%s ends after %d%s", p.N, p.Unit, p.N+1, p.Unit)
		}
		if lo, hi := c.Bounds(p); p.Unit != WorkingDays {
			if n := c.Day(from).DaysUntil(c.Day(due)); n < lo || n > hi {
				rt.Fatalf("%s lasted %d days, outside %d to %d", p, n, lo, hi)
			}
		}
		if p.Unit == WorkingDays {
			if n := c.WorkingDaysBetween(from, due); n != p.N {
				rt.Fatalf("%s holds %d working days", p, n)
			}
			if !c.Works(c.Day(due)) {
				rt.Fatalf("%s ends on a day off: %s", p, due)
			}
		}
		if c.Due(from, due).Over || !c.Due(due.Add(time.Microsecond), due).Over {
			rt.Fatalf("the deadline %s is over at the wrong moment", due)
		}
	})
}

func TestDateProperties(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		a, b := drawTime(rt), drawTime(rt)
		d, e := DateOf(a), DateOf(b)
		if back, err := ParseDate(d.String()); err != nil || back != d {
			rt.Fatalf("%s is read back as %s (%v)", d, back, err)
		}
		if d.Weekday() != a.Weekday() {
			rt.Fatalf("%s is a %s, not a %s", d, a.Weekday(), d.Weekday())
		}
		if got := d.AddDays(d.DaysUntil(e)); got != e {
			rt.Fatalf("%s and the days until %s give %s", d, e, got)
		}
		if (d.Compare(e) < 0) != (d.String() < e.String()) {
			rt.Fatalf("%s and %s are ordered otherwise than their text", d, e)
		}
		n := rapid.IntRange(-40000, 40000).Draw(rt, "days")
		if got, want := d.AddDays(n), DateOf(a.AddDate(0, 0, n)); got != want {
			rt.Fatalf("%s and %d days is %s, not %s", d, n, want, got)
		}
	})
}
