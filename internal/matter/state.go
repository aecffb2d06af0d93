package matter

import "plumbline/internal/ref"

// State is everything the tables hold of one matter. It is a pure fold of the matter's entries: Fold makes it,
// rows.Table keeps it, and verify compares the two. The `db` tags name columns; "key" marks the parts of a row's key
// beside the matter itself.
type State struct {
	Matter      Row
	Allegations []Allegation
	Parties     []Party
	Clocks      []Clock
	Links       []Link
	Did         []Did
	Assigned    []Assigned
}

// Row is the matter's own row.
type Row struct {
	ID           ref.MatterID   `db:"id,key"`
	Ref          ref.Reference  `db:"ref"`
	Kind         string         `db:"kind"`
	Pack         string         `db:"pack"` // "generic@1.0.0"
	State        string         `db:"state"`
	Final        int64          `db:"final"`     // 1: closed
	Body         ref.BodyID     `db:"body"`      // it lies with
	Desk         string         `db:"desk"`      // duty it lies with
	DeskBody     ref.BodyID     `db:"desk_body"` // where that desk sits: Body, or the body above it
	Concerned    ref.BodyID     `db:"concerned"` // the body the matter is about; where figures count it
	Subject      ref.OfficialID `db:"subject"`   // the official it is about, if it is about one
	N            int64          `db:"n"`         // number of its last entry; the concurrency token of forms
	Received     string         `db:"received"`  // ISO date of receipt, perhaps of reduced precision (imports)
	Opened       int64          `db:"opened"`    // microseconds UTC
	Changed      int64          `db:"changed"`
	Closed       string         `db:"closed"`     // ISO date it was closed, perhaps of reduced precision
	Ended        string         `db:"ended"`      // action that closed it
	Source       string         `db:"source"`     // empty, or the import source: an imported matter, no procedure was followed here
	SourceKey    string         `db:"source_key"` // the source's own number
	SourceStatus string         `db:"source_status"`
	Due          int64          `db:"due"` // earliest running clock, microseconds; 0 none
	DueClock     string         `db:"due_clock"`
	Overdue      int64          `db:"overdue"` // 1: a clock ran out; seen one level up
	Facts        string         `db:"facts"`   // effects so far, sorted, space-separated
	Data         string         `db:"data"`    // JSON: clear field values, newest wins
	Title        string         `db:"title"`   // what lists show: conduct and body, never content of a report
	Channel      []byte         `db:"channel"` // hash of the reporter's receipt code
}

// Allegation is official x conduct x time x place, with its finding.
type Allegation struct {
	No        int64          `db:"no,key"`
	Official  ref.OfficialID `db:"official"`  // 0: not identified
	Described string         `db:"described"` // while not identified: a Mention of how they are described, or a text where an import brought one
	Body      ref.BodyID     `db:"body"`      // the official's body at the time
	Rank      string         `db:"rank"`      // at the time
	Conduct   string         `db:"conduct"`
	Category  string         `db:"category"`
	Time      string         `db:"time"` // ISO date, perhaps of reduced precision
	Place     string         `db:"place"`
	Finding   string         `db:"finding"`
	Standard  string         `db:"standard"`
	Outcome   string         `db:"outcome"`
	Data      string         `db:"data"` // JSON: further clear attributes (imports)
}

// Party is somebody who takes part: the reporter, a witness, a person concerned. Names stand sealed in the entry N.
type Party struct {
	No        int64          `db:"no,key"`
	Role      string         `db:"role"`
	Official  ref.OfficialID `db:"official"`
	Anonymous int64          `db:"anonymous"`
	N         int64          `db:"n"`
	Data      string         `db:"data"` // JSON: clear statistical attributes (imports)
}

// Clock is a time limit of the matter.
type Clock struct {
	ID       string `db:"clock,key"`
	State    string `db:"state"` // running, paused, met, missed, stopped
	Started  int64  `db:"started"`
	Due      int64  `db:"due"`
	Left     int64  `db:"left_us"` // when paused
	PauseEnd int64  `db:"pause_end"`
	Missed   int64  `db:"missed"` // when it ran out
}

// Link ties the matter to another one.
type Link struct {
	Kind  string       `db:"kind,key"` // opened-by, opens, duplicate-of, has-duplicate, follows-from, followed-by, inspects, inspected-by, arises-from
	Other ref.MatterID `db:"other,key"`
	N     int64        `db:"n"`
}

// Did is who did what, here or on a matter this one came from: what separation of duties is checked against.
type Did struct {
	Kind    string        `db:"kind,key"`
	Action  string        `db:"action,key"`
	From    ref.MatterID  `db:"from_matter,key"`
	N       int64         `db:"n,key"`
	Account ref.AccountID `db:"account"`
	Duty    string        `db:"duty"`
	Body    ref.BodyID    `db:"body"`
	Effects string        `db:"effects"`
}

// Assigned is a person working on the matter.
type Assigned struct {
	Account ref.AccountID `db:"account,key"`
	Duty    string        `db:"duty,key"`
	Lead    int64         `db:"lead"`
	N       int64         `db:"n"`
}
