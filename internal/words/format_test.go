package words

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestDates(t *testing.T) {
	b := book(t)
	for _, tt := range []struct{ iso, en, zh string }{
		{"2019-05-17", "17 May 2019", "2019年5月17日"},
		{"2019-05", "May 2019", "2019年5月"},
		{"2019", "2019", "2019年"},
		{"0987-01-02", "2 January 987", "987年1月2日"},
		{"", "date not known", "日期不详"},
		{"2019-13", "2019-13", "2019-13"},
		{"2019-02-30", "2019-02-30", "2019-02-30"},
		{"yesterday", "yesterday", "yesterday"},
	} {
		if got := b.For("en").Date(tt.iso); got != tt.en {
			t.Errorf("en: %q is written %q, want %q", tt.iso, got, tt.en)
		}
		if got := b.For("zh-Hans").Date(tt.iso); got != tt.zh {
			t.Errorf("zh-Hans: %q is written %q, want %q", tt.iso, got, tt.zh)
		}
	}
}

func TestInstantsAreSeenInTheOfficesZone(t *testing.T) {
	shanghai := time.FixedZone("", 8*3600)
	at := time.Date(2026, 3, 2, 17, 5, 0, 0, time.UTC)
	b := book(t)
	for _, tt := range []struct{ got, want string }{
		{b.For("en").Time(at, shanghai), "3 March 2026, 01:05"},
		{b.For("zh-Hans").Time(at, shanghai), "2026年3月3日 01:05"},
		{b.For("en").Day(at, nil), "2 March 2026"},
		{b.For("en").Weekday(at, shanghai), "Tuesday 3 March 2026"},
		{b.For("zh-Hans").Weekday(at, shanghai), "2026年3月3日（星期二）"},
		{b.For("en").Time(time.Time{}, nil), "date not known"},
	} {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
}

func TestNumbers(t *testing.T) {
	en, zh := book(t).For("en"), book(t).For("zh-Hans")
	for _, tt := range []struct{ got, want string }{
		{en.Number(1234567), "1,234,567"},
		{en.Number(-5), "-5"},
		{en.Percent(0.83), "83%"},
		{en.Percent(0.019), "1.9%"},
		{en.Percent(0), "0%"},
		{en.Percent(1), "100%"},
		{en.Percent(math.NaN()), "not known"},
		{en.Decimal(math.Inf(1), 1), "not known"},
		{en.Compact(950), "950"},
		{en.Compact(12056), "12.1k"},
		{en.Compact(3.7e6), "3.7m"},
		{zh.Compact(9500), "9,500"},
		{zh.Compact(120560), "12.1万"},
		{zh.Compact(3.7e8), "3.7亿"},
		{en.Bytes(1), "1 byte"},
		{en.Bytes(2048), "2 kB"},
		{en.Bytes(5 << 20), "5 MB"},
		{en.Days(1), "1 day"},
		{en.Days(0), "0 days"},
		{en.Days(1200), "1,200 days"},
		{zh.Days(1), "1 天"},
		{en.WorkingDays(3), "3 working days"},
		{en.List(nil), ""},
		{en.List([]string{"a"}), "a"},
		{en.Upper("éa"), "Éa"},
		{en.Upper(""), ""},
	} {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
}

func TestClocksInWords(t *testing.T) {
	now := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC) // a Friday
	at := func(days int) time.Time { return now.AddDate(0, 0, days) }
	n := func(n int) *int { return &n }
	midnight := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name    string
		c       Clock
		en, zh  string
		urgency Urgency
	}{
		{"no limit", Clock{Now: now}, "no time limit", "无时限", Waiting},
		{"paused", Clock{Due: at(3), Now: now, Paused: true}, "paused", "计时已暂停", Waiting},
		{"later today", Clock{Due: now.Add(time.Hour), Now: now}, "due today", "今天到期", Soon},
		{"tomorrow", Clock{Due: at(1), Now: now}, "due tomorrow", "明天到期", Soon},
		{"the end of tomorrow, said as the first instant of the day after", Clock{Due: midnight, Now: now}, "due tomorrow", "明天到期", Soon},
		{"tomorrow, counted in working days", Clock{Due: at(1), Now: now, Working: n(1)}, "due tomorrow", "明天到期", Soon},
		{"the next working day is not tomorrow", Clock{Due: at(3), Now: now, Working: n(1)}, "due in 1 working day", "还有 1 个工作日到期", Ample},
		{"in days", Clock{Due: at(5), Now: now}, "due in 5 days", "还有 5 天到期", Ample},
		{"in working days", Clock{Due: at(7), Now: now, Working: n(5)}, "due in 5 working days", "还有 5 个工作日到期", Ample},
		{"over since today", Clock{Due: now, Now: now}, "overdue since today", "今天已逾期", Over},
		{"a day over", Clock{Due: at(-1), Now: now}, "1 day over", "逾期 1 天", Over},
		{"working days over", Clock{Due: at(-5), Now: now, Working: n(-3)}, "3 working days over", "逾期 3 个工作日", Over},
		{"over since a holiday: no working day has passed", Clock{Due: at(-1), Now: now, Working: n(0)}, "1 day over", "逾期 1 天", Over},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := book(t)
			if got := b.For("en").Clock(tt.c); got != tt.en {
				t.Errorf("en: %q, want %q", got, tt.en)
			}
			if got := b.For("zh-Hans").Clock(tt.c); got != tt.zh {
				t.Errorf("zh-Hans: %q, want %q", got, tt.zh)
			}
			if got := tt.c.Urgency(); got != tt.urgency {
				t.Errorf("urgency %d, want %d", got, tt.urgency)
			}
		})
	}
}

// The words and the colour of a clock never disagree, whatever the instants and the zone.
func TestClockWordsAndUrgencyAgree(t *testing.T) {
	en := book(t).For("en")
	rapid.Check(t, func(t *rapid.T) {
		now := time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "now"), 0).UTC()
		c := Clock{Now: now, Due: now.Add(time.Duration(rapid.Int64Range(-1e6, 1e6).Draw(t, "seconds")) * time.Second),
			Loc: time.FixedZone("", rapid.IntRange(-12, 14).Draw(t, "zone")*3600)}
		said := en.Clock(c)
		over := strings.Contains(said, "over")
		if over != (c.Urgency() == Over) || over != !c.Due.After(now) {
			t.Fatalf("%q for %v at %v, urgency %d", said, c.Due, c.Now, c.Urgency())
		}
		if soon := said == "due today" || said == "due tomorrow"; soon != (c.Urgency() == Soon) {
			t.Fatalf("%q has urgency %d", said, c.Urgency())
		}
	})
}

// Whatever stands in a date column, writing it neither fails nor loses it, and a real date is written
// with its own numbers.
func TestDatesAreNeverLost(t *testing.T) {
	b := book(t)
	rapid.Check(t, func(t *rapid.T) {
		day := time.Unix(rapid.Int64Range(-2e9, 8e9).Draw(t, "day"), 0).UTC()
		for _, layout := range []string{"2006-01-02", "2006-01", "2006"} {
			iso := day.Format(layout)
			for _, s := range b.Speakers() {
				if got := s.Date(iso); !strings.Contains(got, fmt.Sprint(day.Year())) || (len(iso) == 10 && !strings.Contains(got, fmt.Sprint(day.Day()))) {
					t.Fatalf("%s is written %q", iso, got)
				}
			}
		}
		junk := rapid.String().Draw(t, "junk")
		if got := b.For("en").Date(junk); junk != "" && got == "" {
			t.Fatalf("%q is lost", junk)
		}
	})
	if m := b.Missing(); len(m) > 0 {
		t.Error(m)
	}
}

// A number is written so that it can be read back.
func TestNumbersCanBeReadBack(t *testing.T) {
	b := book(t)
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64().Draw(t, "n")
		for _, s := range b.Speakers() {
			if got := strings.ReplaceAll(s.Number(n), ",", ""); got != fmt.Sprint(n) {
				t.Fatalf("%s: %d is written %q", s.Lang(), n, s.Number(n))
			}
		}
	})
}
