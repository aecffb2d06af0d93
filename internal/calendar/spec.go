package calendar

// Spec is a working calendar as a pack writes it.
type Spec struct {
	Zone     string    `yaml:"zone"`     // IANA name
	Week     []string  `yaml:"week"`     // working days: mon, tue, …
	Holidays []Holiday `yaml:"holidays"` // days off
	Workdays []string  `yaml:"workdays"` // ISO dates worked although the week or a holiday says otherwise
}

// Holiday is a day off: one date ("2026-02-17"), a span ("2026-02-16/2026-02-22"), or every year ("01-01",
// "mon#3 jan" for the third Monday of January, "mon#-1 may" for the last of May).
type Holiday struct {
	On    string            `yaml:"on"`
	Label map[string]string `yaml:"label"`
}

// Period is a length of time as law writes it: "7d" days, "5wd" working days, "3mo" months, "2y" years. The zero
// value is no period.
type Period struct {
	N    int
	Unit Unit
}

// Unit is the unit of a Period.
type Unit string

const (
	Days        Unit = "d"
	WorkingDays Unit = "wd"
	Months      Unit = "mo"
	Years       Unit = "y"
)
