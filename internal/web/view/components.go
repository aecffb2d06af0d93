package view

import (
	"html/template"
	"time"

	"plumbline/internal/words"
)

// Every text in these structs is finished, in the reader's language; every address is one that the
// reader may follow. The template of a component has the name of its struct, with hyphens: a
// SummaryList is shown by {{template "summary-list" .List}}.

// Tone is a colour with a meaning. The words beside it always say the same.
type Tone string

const (
	Plain   Tone = ""
	Success Tone = "green"  // done, sustained as it should be
	Soon    Tone = "amber"  // due soon
	Bad     Tone = "red"    // overdue, adverse
	Waiting Tone = "grey"   // waiting for somebody else
	Sealed  Tone = "violet" // sealed
	Info    Tone = "blue"   // in progress, neutral
)

// A Link leads somewhere. Current marks the one the reader is on; Count, where it is not 0, stands in a
// badge behind it.
type Link struct {
	Text    string
	Href    string
	Current bool
	Count   int
	Hidden  string // words for screen readers only, after the text: "Change" + "name of the body"
}

// A Tag is a state in a word.
type Tag struct {
	Tone Tone
	Text string
	Lock bool // with a lock before it: sealed
}

// Imported marks what was brought over from older records.
func Imported(say *words.Speaker) Tag { return Tag{Tone: "imported", Text: say.T("ui.imported")} }

// A Clock is a time limit in words.
type Clock struct {
	Tone  Tone
	Text  string
	Exact string // the day itself, shown on pointing and to screen readers
}

// ClockOf says how a time limit stands.
func ClockOf(say *words.Speaker, c words.Clock) Clock {
	out := Clock{Text: say.Clock(c)}
	if !c.Due.IsZero() {
		out.Exact = say.Day(c.Due, c.Loc)
	}
	switch c.Urgency() {
	case words.Over:
		out.Tone = Bad
	case words.Soon:
		out.Tone = Soon
	case words.Waiting:
		out.Tone = Waiting
	}
	return out
}

// A Banner says one thing on top of a page.
type Banner struct {
	Tone  Tone // Success, or Plain for something important
	Title string
	Text  string
	Link  Link
}

// A Note stands out inside the content.
type Note struct {
	Tone  Tone
	Title string
	Text  string
	Link  Link
}

// An ErrorSummary lists what has to be changed in a form; empty, it is not shown.
type ErrorSummary struct{ Items []Link }

// A SummaryList shows what is known, a question and an answer per row.
type SummaryList struct {
	Rows []SummaryRow
	Card string // the heading of a frame around the list; none if empty
}

// A SummaryRow has one of Value, Lines, Tags, Link, Clock or Sealed as its answer.
type SummaryRow struct {
	Key     string
	Value   string // line breaks are kept
	Lines   []string
	Tags    []Tag
	Link    Link
	Clock   *Clock
	Sealed  *SealedPart
	Quiet   bool // the answer is "not known" or the like
	Actions []Link
}

// A SealedPart is content that is encrypted until somebody opens it.
type SealedPart struct {
	What string // "The reporter's own words"
	Who  string // who can open it
	Post string // address that opening is posted to; "" if this reader may not
	Hide []Hidden
}

// A Hidden is a value that a form carries along.
type Hidden struct{ Name, Value string }

// A Table is a table. Every cell stands under a column.
type Table struct {
	Caption       string
	CaptionHidden bool
	Columns       []Column
	Rows          []Row
	Foot          []Cell
	Cards         bool   // on a phone every row becomes a card
	Keys          bool   // j, k, x and Enter work on its rows
	Select        string // the name of the check box in every row; none if empty
	SelectForm    string // id of the form that the check boxes belong to
	Empty         Empty  // shown instead when there are no rows
	ID            string
}

// A Column is the head of a column.
type Column struct {
	Text    string
	Numeric bool
	Hidden  bool   // the head is for screen readers only
	Sort    string // address that sorts by this column; "" if it cannot be sorted
	Order   string // "asc" or "desc" where the table is sorted by it now
}

// A Row is one line of a table.
type Row struct {
	Cells []Cell
	Value string // of its check box
	Label string // what the row is about, for its check box
}

// A Cell has a text, a link, tags, a clock, or several of these.
type Cell struct {
	Text   string
	Href   string
	Sub    string // a quieter line below
	Tags   []Tag
	Clock  *Clock
	Header bool // the cell names its row
}

// columnCell is a cell with what its template needs of its column.
type columnCell struct {
	Cell
	Numeric bool
	Label   string
}

func cellAt(columns []Column, i int, c Cell) columnCell {
	out := columnCell{Cell: c}
	if i < len(columns) {
		out.Numeric, out.Label = columns[i].Numeric, columns[i].Text
	}
	return out
}

// Empty says what would be here and how it comes.
type Empty struct {
	Title string
	Text  string
	Link  Link
}

// A Pagination leads through the pages of a list.
type Pagination struct {
	Prev, Next string // addresses; "" at the ends
	Pages      []PageLink
	Range      string // "Showing 1 to 50 of 1,204"
}

// A PageLink leads to one page; a Gap stands for those left out.
type PageLink struct {
	N       int
	Text    string
	Href    string
	Current bool
	Gap     bool
}

// Paginate makes the links for page (from 1) of a list of total items, size to a page.
func Paginate(say *words.Speaker, page, size int, total int64, href func(page int) string) Pagination {
	last := max(1, int((total+int64(size)-1)/int64(size)))
	page = min(max(page, 1), last)
	from := min(int64(page-1)*int64(size)+1, total)
	to := min(int64(page)*int64(size), total)
	p := Pagination{Range: say.T("ui.results.range", "from", from, "to", to, "n", total)}
	if last == 1 {
		p.Range = say.N("ui.results", total)
		return p
	}
	if page > 1 {
		p.Prev = href(page - 1)
	}
	if page < last {
		p.Next = href(page + 1)
	}
	gap := false
	for n := 1; n <= last; n++ {
		if n == 1 || n == last || (n >= page-1 && n <= page+1) {
			p.Pages = append(p.Pages, PageLink{N: n, Text: say.Number(int64(n)), Href: href(n), Current: n == page})
			gap = false
		} else if !gap {
			p.Pages = append(p.Pages, PageLink{Gap: true})
			gap = true
		}
	}
	return p
}

// A FilterPanel narrows a list. It is a form that is sent with GET, so that a filtered list has an
// address that can be kept.
type FilterPanel struct {
	Action string
	Fields []Input
	Hidden []Hidden // sort order and the like
	Chips  []Link   // what is chosen now; each leads to the list without it
	Clear  string   // address of the list without any
}

// An IdentityBar says on every page of a matter which one it is.
type IdentityBar struct {
	Reference string
	Kind      string
	Title     string
	Tags      []Tag
	Clock     *Clock
	Facts     []Fact
}

// A Fact is a name and a value.
type Fact struct{ Name, Value, Href string }

// An ActionList says what the reader can do, and what not and why.
type ActionList struct {
	Can []Action
	Not []Refusal
}

// An Action is something the reader can do now. The first of a list is the main one.
type Action struct {
	Text string
	Href string
	Hint string
	Main bool
}

// A Refusal is something the reader cannot do.
type Refusal struct {
	Text string
	Why  string
	Who  string // who can
}

// A Timeline says what happened, newest first or oldest first as the page wishes.
type Timeline struct {
	Title  string // a heading above; without one the events are headings of the second level
	Events []Event
}

// An Event is one entry of the record.
type Event struct {
	Title    string
	By       string
	At       time.Time
	Date     string // instead of At, where only a day is known (ISO, possibly of reduced precision)
	Text     string
	Changes  []Change
	Tags     []Tag
	Imported bool
	Proof    string // "Recorded as entry 1,204"
	ProofBad bool   // the record does not match
	Sealed   *SealedPart
	Link     Link
}

// A Change is one thing that an event changed. From may be empty.
type Change struct{ Name, From, To string }

// A Steps says how far one has come.
type Steps struct{ N, Total int }

// A TaskList is a list of things to do with their state.
type TaskList struct{ Tasks []Task }

// A Task is one of them; without Href it cannot be started yet.
type Task struct {
	Text, Href, Hint string
	Status           Tag
}

// A Receipt shows the code by which a reporter comes back.
type Receipt struct {
	Title  string
	Groups []string      // the code in groups
	Hint   string        // "Write this down …"
	QR     template.HTML // an SVG of our own making
	QRText string        // what it is and where it leads
}

// Code is the code as it is copied.
func (r Receipt) Code() string {
	out := ""
	for i, g := range r.Groups {
		if i > 0 {
			out += "-"
		}
		out += g
	}
	return out
}

// A Procedure draws the states of a kind of matter as steps hanging from the line.
type Procedure struct {
	Title  string // heading for screen readers
	States []ProcedureState
}

// A ProcedureState is one step of it.
type ProcedureState struct {
	Name   string
	Text   string
	Within string // "within 7 days"
	Ways   []ProcedureWay
	Done   bool
	Now    bool
	End    bool
}

// A ProcedureWay is one thing that can happen in a state and where it leads.
type ProcedureWay struct{ Action, To, Who string }

// A Figure answers one question: the chart, the sentence that says what it shows, the table.
type Figure struct {
	Question string
	Sentence string
	Chart    template.HTML // an SVG made by package chart
	Table    Table
	CSV      string // address of the same as CSV
	AsOf     string
	Method   string
	Links    []Link
	Level    int // of the question's heading: 1 or 2
}

// A BigNumber is a figure by itself.
type BigNumber struct {
	Number string
	Text   string
	Link   Link // "How we know"
}

// A Way is a big way in on the home page.
type Way struct {
	Link  Link
	Text  string
	First bool
}

// A Shortcut is a key and what it does.
type Shortcut struct{ Key, Text string }

// ListKeys are the keys that work on a list.
func ListKeys(say *words.Speaker) []Shortcut {
	return []Shortcut{
		{"j", say.T("ui.keys.next")}, {"k", say.T("ui.keys.previous")}, {"x", say.T("ui.keys.select")},
		{"Enter", say.T("ui.keys.open")}, {"?", say.T("ui.keys.help")},
	}
}

type headingData struct {
	Level int
	Text  string
}
