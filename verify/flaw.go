package verify

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A Flaw says why something does not hold: where it is wrong, what is wrong, and what its holder can do. Its Code
// is stable, so that a program or a page in another language can say the same in its own words.
type Flaw struct {
	Code   string // one of the Flaw constants
	Line   int    // of the file, from 1; 0 where it is not about one line
	Entry  int    // which entry of a receipt: 1 is the one it is about, 2 the first of the further ones; 0 where it is about none
	Detail string // more for whoever looks into it, such as the name of a key; may be empty
	cause  error
}

// The codes of flaws. docs of the format: README.md, section "What can be wrong".
const (
	FlawTooLong    = "too-long"      // longer than anything that was ever issued
	FlawLineEnds   = "line-ends"     // the line ends were changed on the way
	FlawNotProof   = "not-a-receipt" // not this kind of file at all
	FlawSpelling   = "spelling"      // something is not in its one spelling
	FlawVersion    = "version"       // a format of a later version
	FlawClosed     = "closed"        // nothing in it says what it is about
	FlawUnknownLog = "unknown-log"   // the keys given are those of other logs
	FlawUnsigned   = "unsigned"      // the log's key has not signed
	FlawSignature  = "signature"     // a signature does not fit
	FlawPath       = "path"          // the entry does not stand at its place in the log
	FlawStep       = "step"          // the text of a step cannot be read
	FlawDisagree   = "disagree"      // the step says other than the entry it stands for
	FlawSaid       = "said"          // what is shown as written is not what the entry seals
	FlawStray      = "stray"         // a step of another matter among those of this one
	FlawTwice      = "twice"         // one number was given to two entries, or one entry is named twice
	FlawOrder      = "order"         // the numbers of a matter's entries do not run with the log
)

// flaws says each code in English: what is wrong and what its holder can do.
var flaws = map[string][2]string{
	FlawTooLong:    {"longer than any receipt", "check that this is the right file"},
	FlawLineEnds:   {"the line ends were changed", "an editor or a mail program did this: use the file as it was first saved"},
	FlawNotProof:   {"no receipt: it does not begin with \"" + proofHeader + "\"", "check that this is the right file, and that all of it is there"},
	FlawSpelling:   {"not written as a receipt is", "the file was changed or cut short: use it as it was first saved, or ask the office for it again"},
	FlawVersion:    {"of a version this program does not know", "use a newer version of Plumbline"},
	FlawClosed:     {"a proof without the part that opens it", "use the whole file as it was first saved"},
	FlawUnknownLog: {"of a log whose key was not given", "give the key of this log, from a source that you trust"},
	FlawUnsigned:   {"not signed with the key that was given", "check that the key is the one of this log, also the older one if it was changed"},
	FlawSignature:  {"a signature does not fit", "the receipt was changed or forged, or the key is wrong: do not rely on it; keep it, and ask for the key from a second source"},
	FlawPath:       {"the entry does not stand in the log where the receipt says", "the receipt was changed or forged: do not rely on it; use it as it was first saved"},
	FlawStep:       {"the step cannot be read", "the office recorded something this program does not understand: use a newer version, and ask the office"},
	FlawDisagree:   {"the step does not agree with the entry it stands for", "the office recorded one thing and tells another: keep this file as evidence"},
	FlawSaid:       {"what it shows as written is not what the entry seals", "the receipt was changed or forged: do not rely on it; use it as it was first saved"},
	FlawStray:      {"a step of another matter stands among those of this one", "do not rely on it; ask the office for the receipt again"},
	FlawTwice:      {"the same number or the same place stands for two entries", "keep this file as evidence: an honest office numbers each entry once"},
	FlawOrder:      {"the numbers of the steps do not run as the log does", "keep this file as evidence: an honest office records steps in their order"},
}

// Where says the place in words; empty where the whole is meant.
func (f *Flaw) Where() string {
	switch {
	case f.Line > 0:
		return fmt.Sprintf("line %d", f.Line)
	case f.Entry == 1:
		return "the entry the receipt is about"
	case f.Entry > 1:
		return fmt.Sprintf("further step %d", f.Entry-1)
	}
	return ""
}

// Reason says what is wrong.
func (f *Flaw) Reason() string { return flaws[f.Code][0] }

// Remedy says what the holder can do.
func (f *Flaw) Remedy() string { return flaws[f.Code][1] }

func (f *Flaw) Error() string {
	var b strings.Builder
	if where := f.Where(); where != "" {
		b.WriteString(where + ": ")
	}
	b.WriteString(f.Reason())
	if f.Detail != "" {
		b.WriteString(" (" + f.Detail + ")")
	}
	b.WriteString("; " + f.Remedy())
	return b.String()
}

func (f *Flaw) Unwrap() error { return f.cause }

func atLine(line int, code, detail string) *Flaw {
	return &Flaw{Code: code, Line: line, Detail: detail}
}

// FlawCodes lists the codes in order, for whoever says them in other words.
func FlawCodes() []string { return slices.Sorted(maps.Keys(flaws)) }
