package transfer

import (
	"cmp"
	"slices"

	"plumbline/internal/pack"
)

// An Account says what became of things read: every one is in exactly one of the other columns.
type Account struct {
	Read      int64 `json:"read"`
	Opened    int64 `json:"opened"`
	Updated   int64 `json:"updated"`
	Unchanged int64 `json:"unchanged"`
	Rejected  int64 `json:"rejected"`
}

// Balanced reports whether everything read is accounted for.
func (a Account) Balanced() bool { return a.Read == a.Opened+a.Updated+a.Unchanged+a.Rejected }

func (a *Account) add(b Account) {
	a.Read += b.Read
	a.Opened += b.Opened
	a.Updated += b.Updated
	a.Unchanged += b.Unchanged
	a.Rejected += b.Rejected
}

// A SourceSummary accounts for the rows of one source.
type SourceSummary struct {
	Name  string   `json:"name"`
	Files []string `json:"files"`
	Account
}

// A Flag is something odd about the data that did not keep it from being imported.
type Flag struct {
	ID       string    `json:"id"`
	Label    pack.Text `json:"label,omitempty"`
	Count    int64     `json:"count"`
	Examples []Example `json:"examples"`
	// Values are the different things said of the rows, the most frequent first, so that a table can be completed from them.
	Values []Counted `json:"values,omitempty"`
}

// Counted is how often something occurs.
type Counted struct {
	Value string `json:"value"`
	Count int64  `json:"count"`
}

// tallied counts different texts, as many as its bound allows; what comes later is not told apart any more.
type tallied map[string]int64

const (
	valuesTold = 5000 // different texts that are told apart
	valuesKept = 50   // and that a summary names
)

func (t *tallied) add(text string) {
	if *t == nil {
		*t = tallied{}
	}
	if _, known := (*t)[text]; known || len(*t) < valuesTold {
		(*t)[text]++
	}
}

// most returns the most frequent texts; equal ones in the order of the alphabet.
func (t tallied) most() []Counted {
	var out []Counted
	for v, n := range t {
		out = append(out, Counted{v, n})
	}
	slices.SortFunc(out, func(a, b Counted) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Value, b.Value))
	})
	return out[:min(len(out), valuesKept)]
}

// An Example is a line a flag was raised for.
type Example struct {
	File  string `json:"file"`
	Line  int    `json:"line"`
	Value string `json:"value,omitempty"`
}

// A Summary is the result of an import. Two imports of the same data into equal databases give equal summaries but for
// Run, Resumed and Seconds, however often they were interrupted.
type Summary struct {
	Run     string  `json:"run"`
	Mapping string  `json:"mapping"`
	Source  string  `json:"source"`
	Pack    string  `json:"pack"`
	Resumed bool    `json:"resumed"`
	Seconds float64 `json:"seconds"`

	Rows    Account         `json:"rows"`
	Sources []SourceSummary `json:"sources"`

	Bodies      Account `json:"bodies"`
	Officials   Account `json:"officials"`
	Matters     Account `json:"matters"`
	Allegations int64   `json:"allegations"`
	Parties     int64   `json:"parties"`

	// Gone counts what an earlier release had and this one has not. It stays in the record.
	Gone Gone `json:"gone"`

	Flags []Flag `json:"flags"`
	// Reasons are why rows were rejected, the most frequent first.
	Reasons []Counted `json:"reasons,omitempty"`
	// RejectsFile holds the rejected rows with their reasons; with several sources, one file for each, separated by commas.
	RejectsFile string `json:"rejects_file,omitempty"`
	// Preview is what a check shows of the records as they would be imported.
	Preview *Preview `json:"preview,omitempty"`
}

// Gone counts, and names some of, what is no longer in the data.
type Gone struct {
	Matters     int64    `json:"matters"`
	Allegations int64    `json:"allegations"`
	Examples    []string `json:"examples"` // keys of matters, as the source writes them
}
