// Package pack holds a jurisdiction's rules: it loads them from a folder of YAML, refuses what does not fit together,
// and checks by machine that every procedure in them is sound and fair (docs/explanation/fairness.md).
//
// A Pack is never changed after loading and is safe for concurrent use. The package knows no storage and no time of
// day; whoever asks it something brings the facts along.
package pack

import "plumbline/internal/calendar"

// Text is a label in the languages the pack declares, keyed by language tag ("en", "zh-Hans").
type Text map[string]string

// Pack is a jurisdiction's rules as loaded from one folder. It is never changed after loading.
type Pack struct {
	Name       string        `yaml:"pack"`    // folder-safe name: "generic"
	Version    string        `yaml:"version"` // the pack's own version, "1.0.0"; a matter stays on the version it was opened under
	Title      Text          `yaml:"title"`
	About      Text          `yaml:"about"`     // one sentence for the public home page: what this office does
	Languages  []string      `yaml:"languages"` // the first is the pack's own
	Elsewhere  []Elsewhere   `yaml:"elsewhere"` // who may help the public elsewhere, emergencies first
	Levels     []Level       `yaml:"levels"`    // low to high
	Sectors    []Sector      `yaml:"sectors"`
	Ranks      []Rank        `yaml:"ranks"` // low to high
	Duties     []Duty        `yaml:"duties"`
	Categories []Category    `yaml:"categories"`
	Conduct    []Conduct     `yaml:"conduct"`
	Standards  []Standard    `yaml:"standards"`
	Findings   []Finding     `yaml:"findings"`
	Tiers      []Tier        `yaml:"tiers"` // mild to grave
	Lists      []List        `yaml:"lists"` // value lists of choice fields
	Calendar   calendar.Spec `yaml:"calendar"`
	Fairness   Fairness      `yaml:"fairness"`
	Recusal    Recusal       `yaml:"recusal"`
	Kinds      []Kind        `yaml:"kinds"`
	Measures   []Measure     `yaml:"measures"`
	Letters    []Letter      `yaml:"letters"`

	Questionnaires []Questionnaire `yaml:"questionnaires"`

	Waivers []Waiver `yaml:"waive"`

	Digest string            `yaml:"-"` // "sha256:…" over every file of the folder
	Files  map[string][]byte `yaml:"-"` // the exact bytes, by slash path; what Digest covers

	cal      *calendar.Calendar
	index    index
	programs map[programKey]*program
	letters  map[letterKey]*letter
}

// Place is where something stands in a pack's files.
type Place struct {
	File      string
	Line, Col int
}

// At is the place of an entry of the pack and of each key written in it.
type At struct {
	Place
	keys map[string]Place
}

// Elsewhere is a place outside the office where somebody may find help.
type Elsewhere struct {
	Label     Text `yaml:"label"`
	Contact   Text `yaml:"contact"`
	Emergency bool `yaml:"emergency"`
	At        At   `yaml:"-"`
}

// Level, Sector, Category and Standard are catalogue entries with nothing but a name.
type (
	Level struct {
		ID    string `yaml:"id"`
		Label Text   `yaml:"label"`
		At    At     `yaml:"-"`
	}
	Sector struct {
		ID    string `yaml:"id"`
		Label Text   `yaml:"label"`
		At    At     `yaml:"-"`
	}
	Category struct {
		ID    string `yaml:"id"`
		Label Text   `yaml:"label"`
		At    At     `yaml:"-"`
	}
	Standard struct {
		ID    string `yaml:"id"`
		Label Text   `yaml:"label"`
		At    At     `yaml:"-"`
	}
)

// Rank is a rank of officials. Level is the level of body competent for it, by default.
type Rank struct {
	ID    string `yaml:"id"`
	Label Text   `yaml:"label"`
	Level string `yaml:"level"`
	At    At     `yaml:"-"`
}

// Actor says what sort of person holds a duty.
type Actor string

const (
	ActorAccount    Actor = "account"    // staff with an account; the default
	ActorReporter   Actor = "reporter"   // whoever holds the receipt code of the matter
	ActorRespondent Actor = "respondent" // the official the matter is about, or their representative
	ActorSystem     Actor = "system"     // a clock that ran out, a schedule
	ActorOutside    Actor = "outside"    // a body outside the system, recorded by staff on its behalf
)

// Duty is a role on a desk: what an account may do at a body.
type Duty struct {
	ID        string   `yaml:"id"`
	Label     Text     `yaml:"label"`
	Actor     Actor    `yaml:"actor"`
	Excludes  []string `yaml:"excludes"`  // duties that no account may hold beside this one, anywhere; symmetric
	Sees      string   `yaml:"sees"`      // "desk" (matters with this desk; default), "subtree" (all matters of the body's subtree), "none"
	Admin     bool     `yaml:"admin"`     // may manage accounts and duties of the body's subtree; sees no matter by that alone
	Custodian bool     `yaml:"custodian"` // may open the identity compartment, with a recorded reason
	Draws     bool     `yaml:"draws"`     // may draw matters of the body's subtree at random for inspection
	Figures   bool     `yaml:"figures"`   // reads the exact figures of the body's subtree, which the public reads with small numbers left out
	Audits    bool     `yaml:"audits"`    // reads the table of law and who may do what under it
	At        At       `yaml:"-"`
}

// Conduct is an entry of the catalogue of misconduct: always an act under a written rule, never a belief.
type Conduct struct {
	ID       string `yaml:"id"`
	Category string `yaml:"category"`
	Label    Text   `yaml:"label"`
	Rule     Rule   `yaml:"rule"`
	Grave    int    `yaml:"grave"` // 1 light … 4 suspected crime
	At       At     `yaml:"-"`
}

// Rule is the written rule a conduct entry rests on, with the dates it was in force.
type Rule struct {
	Cite string `yaml:"cite"`
	URL  string `yaml:"url"`
	From string `yaml:"from"` // ISO date, required
	To   string `yaml:"to"`   // ISO date, last day in force; empty: still in force
}

// Finding is a value of the finding scale.
type Finding struct {
	ID       string `yaml:"id"`
	Label    Text   `yaml:"label"`
	Proven   bool   `yaml:"proven"`   // an outcome may rest on it
	Standard string `yaml:"standard"` // of proof, for this finding to be made
	Pending  bool   `yaml:"pending"`  // no finding yet; only imports may set it
	At       At     `yaml:"-"`
}

// Tier groups outcomes of like gravity.
type Tier struct {
	ID       string    `yaml:"id"`
	Label    Text      `yaml:"label"`
	Outcomes []Outcome `yaml:"outcomes"`
	At       At        `yaml:"-"`
}

// Outcome is what may follow for an official.
type Outcome struct {
	ID       string          `yaml:"id"`
	Label    Text            `yaml:"label"`
	OnRecord calendar.Period `yaml:"on_record"` // how long it stays on the official's record
	Executes string          `yaml:"executes"`  // duty that carries it out
	At       At              `yaml:"-"`
}

// List is a list of values for choice fields.
type List struct {
	ID     string  `yaml:"id"`
	Values []Value `yaml:"values"`
	At     At      `yaml:"-"`
}

// Value is one choice.
type Value struct {
	ID    string `yaml:"id"`
	Label Text   `yaml:"label"`
	Help  Text   `yaml:"help"` // what choosing it means
	At    At     `yaml:"-"`
}

// Fairness holds the minimums the pack's law sets; the check holds the procedures to them.
type Fairness struct {
	Response calendar.Period `yaml:"response"` // shortest time to respond (F8)
	Appeal   calendar.Period `yaml:"appeal"`   // shortest time to appeal, at least 10 days (F10)
	Reopen   calendar.Period `yaml:"reopen"`   // within which a final state can be reopened (F21)
}

// Recusal says how posts in the register keep people away from matters that name their colleagues and commanders. It
// holds for every matter from the day the pack is active, whatever rules the matter runs under.
type Recusal struct {
	Unit  calendar.Period `yaml:"unit"`  // for how long after having worked in one unit; 2y if not said
	Leads []string        `yaml:"leads"` // ranks that command the bodies below theirs; every rank if not said
	At    At              `yaml:"-"`
}

// recusalUnit is how long having worked together keeps away where the pack does not say.
var recusalUnit = calendar.Period{N: 2, Unit: calendar.Years}

// Before returns the day that lies the time of Unit before a day (both ISO).
func (r Recusal) Before(day string) string { return r.beside(day, -1) }

// After returns the day that lies the time of Unit after a day (both ISO).
func (r Recusal) After(day string) string { return r.beside(day, 1) }

func (r Recusal) beside(day string, way int) string {
	d, err := calendar.ParseDate(day)
	if err != nil {
		return day
	}
	p := r.Unit
	if p.IsZero() {
		p = recusalUnit
	}
	switch n := way * p.N; p.Unit {
	case calendar.Years:
		return d.AddMonths(12 * n).String()
	case calendar.Months:
		return d.AddMonths(n).String()
	default:
		return d.AddDays(n).String()
	}
}

// Kind is a kind of matter with its procedure: a finite graph of states, and actions between them.
type Kind struct {
	ID        string      `yaml:"id"`
	Label     Text        `yaml:"label"`
	Plural    Text        `yaml:"plural"`
	Prefix    string      `yaml:"prefix"`    // of references: "R"
	Reports   bool        `yaml:"reports"`   // takes reports from the public: F5, F7 apply, the public form offers it
	Discloses bool        `yaml:"discloses"` // takes what officials tell about themselves: its subject is who came forward
	Subject   string      `yaml:"subject"`   // "none", "optional" or "required": is the matter about one official?
	Start     string      `yaml:"start"`     // state after opening
	OpenBy    []string    `yaml:"open_by"`   // duties that may open it by hand; matters opened by actions need none
	Fields    []Field     `yaml:"fields"`    // asked when it is opened
	States    []State     `yaml:"states"`
	Clocks    []Clock     `yaml:"clocks"`
	Actions   []Action    `yaml:"actions"`
	Routing   []Route     `yaml:"routing"` // first match wins; must be total (F18)
	Retention []Retention `yaml:"retention"`
	Staff     int         `yaml:"staff"`     // smallest number of people that can run the procedure (F22)
	About     Text        `yaml:"about"`     // one or two sentences for the page "how a matter is handled" (optional)
	Inspected []string    `yaml:"inspected"` // final states in the population for random inspection (F20); ["final"] is all
	Inspects  *Inspects   `yaml:"inspects"`  // matters of this kind inspect others that were drawn at random
	At        At          `yaml:"-"`
}

// Inspects makes a kind the one that opens for every matter drawn at random. Nobody who had a hand in the matter drawn
// may take a step in it, whatever the duties say.
type Inspects struct {
	Result string   `yaml:"result"` // field of type choice that holds what the inspection came to
	Wrong  []string `yaml:"wrong"`  // values of it that count as an error found
}

// State is where a matter stands.
type State struct {
	ID     string `yaml:"id"`
	Label  Text   `yaml:"label"`
	Public Text   `yaml:"public"` // what the reporter reads on the status page
	Final  bool   `yaml:"final"`
	Desk   string `yaml:"desk"` // duty whose desk the matter lies with in this state
	Of     Of     `yaml:"of"`   // where that desk sits: "same" (default) or "superior"
	At     At     `yaml:"-"`
}

// Clock is a time limit. It starts when the matter enters one of In from a state outside In (or is opened there), and
// stops when an action with one of the Until effects happens or the matter leaves In. Entering In again starts it
// anew. An action that enters In and has an Until effect itself leaves it stopped.
type Clock struct {
	ID      string          `yaml:"id"`
	Label   Text            `yaml:"label"`
	In      []string        `yaml:"in"`    // states; "open" for every state that is not final
	Until   []string        `yaml:"until"` // effects
	Within  calendar.Period `yaml:"within"`
	Extends calendar.Period `yaml:"extends"` // the longest it may be prolonged to, with reasons
	Warn    calendar.Period `yaml:"warn"`    // before the end: shown as due soon
	Pause   calendar.Period `yaml:"pause"`   // longest pause; zero: cannot be paused
	Tells   string          `yaml:"tells"`   // "superior": the level above sees it by itself when it ran out (F4)
	Cite    string          `yaml:"cite"`    // the rule that sets it, as people cite it
	Then    string          `yaml:"then"`    // action of the system that happens by itself when it ran out: the time to respond is over
	At      At              `yaml:"-"`
}

// Effect is what an action does in law, from a closed list (see Effects). Written "acknowledge", or with
// a period, "open-response: 10d", or with a kind, "open: case".
type Effect struct {
	Name    string
	Period  calendar.Period // of open-response, open-appeal
	Kind    string          // of open
	Derived bool            // follows from a field's type, not from the pack's text
}

// Of says at which body an action is performed, seen from the matter's body.
type Of string

const (
	OfSame     Of = "same"     // the body the matter lies with; the default
	OfSuperior Of = "superior" // the nearest body above that has the duty
	OfOther    Of = "other"    // another desk of the same body or any above
	OfOutside  Of = "outside"  // a body outside the system
)

// Action is a step of a procedure.
type Action struct {
	ID         string   `yaml:"id"`
	Label      Text     `yaml:"label"`
	Help       Text     `yaml:"help"`
	From       []string `yaml:"from"` // states; written "open" for every state that is not final, "final" for every final one (loading expands both)
	By         []string `yaml:"by"`   // duties
	Of         Of       `yaml:"of"`
	RecordedBy []string `yaml:"recorded_by"` // duties that record what an outside body did (Of is "outside")
	NotBy      []string `yaml:"not_by"`      // "conclude", or across kinds "case.find": never a person who did that on this matter or on one it came from
	When       Expr     `yaml:"when"`        // CEL; may it happen now?
	Else       Text     `yaml:"else"`        // said when When is false
	Fields     []Field  `yaml:"fields"`
	To         string   `yaml:"to"` // state; empty: stays
	Effects    []Effect `yaml:"effects"`
	Opens      *Opens   `yaml:"opens"`
	Reopens    Reopens  `yaml:"reopens"`                  // takes up again the matter that this one inspects
	Pauses     string   `yaml:"pauses"`                   // clock
	Resumes    string   `yaml:"resumes"`                  // clock
	Extends    string   `yaml:"extends"`                  // clock
	Answers    string   `yaml:"answers"`                  // field that holds which questionnaire was sent; the reporter answers it with this
	Assigns    bool     `yaml:"assigns"`                  // has a field of type account whose holder becomes the lead
	Signs      bool     `yaml:"signs"`                    // who does it answers for it: name and duty are printed with it
	Together   bool     `yaml:"together"`                 // may be taken on several matters at once, in a flood of reports
	Letter     string   `yaml:"letter"`                   // sent to the reporter or respondent
	Adverse    bool     `yaml:"adverse_to_investigation"` // telling the reporter would endanger the investigation (F23)
	Line       int      `yaml:"-"`                        // in its file, for messages
	Anywhere   bool     `yaml:"-"`                        // From was written "open" or "final"
	At         At       `yaml:"-"`
}

// Opens says which matters an action opens.
type Opens struct {
	Kind string `yaml:"kind"`
	Each string `yaml:"each"` // "" one; "official": one for each official with a proven finding
}

// Reopens is what the step that takes a matter up again is given: values by the names of its fields. Fields of it that are
// not named here get what was entered under the same name in the step that reopens.
type Reopens map[string]string

// Expr is a CEL expression, type-checked at load. Its variables are listed in docs/reference/pack.md.
type Expr string

// FieldType is the type of a field.
type FieldType string

const (
	TypeText        FieldType = "text"   // one line
	TypeLong        FieldType = "long"   // several lines
	TypeNumber      FieldType = "number" // whole number
	TypeYesNo       FieldType = "yes-no"
	TypeDate        FieldType = "date"    // ISO date, reduced precision allowed where the field says so
	TypeChoice      FieldType = "choice"  // of List
	TypeConduct     FieldType = "conduct" // catalogue entry
	TypeBody        FieldType = "body"
	TypeOfficial    FieldType = "official" // from the register, or described where unknown
	TypeRank        FieldType = "rank"
	TypeAccount     FieldType = "account"     // a colleague of the desk
	TypeMatter      FieldType = "matter"      // reference of another matter
	TypeAllegations FieldType = "allegations" // rows of official x conduct x time x place
	TypeFindings    FieldType = "findings"    // one finding per allegation; derives `find`
	TypeOutcome     FieldType = "outcome"     // derives `decide` and `adverse`
	TypeReasons     FieldType = "reasons"     // derives `reasons`
	TypeReasonCode  FieldType = "reason-code" // choice of List, counted
	TypePeriod      FieldType = "period"      // for pauses and extensions
	TypeName        FieldType = "name"        // of a reporter or witness; identifying
	TypeContact     FieldType = "contact"     // of a reporter or witness; identifying
	TypeCheck       FieldType = "check"       // a check sheet: every value of List ticked yes, no or not applicable

	TypeQuestionnaire FieldType = "questionnaire"  // one of the pack's questionnaires, to be answered by the reporter
	TypeEarlier       FieldType = "earlier-report" // the receipt code of another report; only a link is kept, on this side
)

// Field is something asked when a matter is opened or an action taken.
type Field struct {
	ID       string    `yaml:"id"`
	Type     FieldType `yaml:"type"`
	Label    Text      `yaml:"label"`
	Help     Text      `yaml:"help"`
	Required bool      `yaml:"required"`
	When     Expr      `yaml:"when"` // asked only when true
	List     string    `yaml:"list"`
	Sealed   string    `yaml:"sealed"`  // compartment: "file", "reporter", "identity", "respondent"; empty: clear
	Public   bool      `yaml:"public"`  // may appear on the public page of a published matter
	Partial  bool      `yaml:"partial"` // a date may be "2019" or "2019-05"
	Staff    bool      `yaml:"staff"`   // asked only of staff who key in what reached the office in another way
	Max      int       `yaml:"max"`     // characters or number; a sensible limit by type if zero
	At       At        `yaml:"-"`

	scope string // of its condition, where that is not its kind's: of a questionnaire
}

// Questionnaire is a set of questions that staff can put to the reporter of a matter. Some may be asked only after
// others were answered in a certain way. All answers are sealed to the reporter's compartment, names and contacts to identity.
type Questionnaire struct {
	ID     string  `yaml:"id"`
	Label  Text    `yaml:"label"`
	Help   Text    `yaml:"help"`
	Fields []Field `yaml:"fields"`
	At     At      `yaml:"-"`
}

// Route sends a matter to the competent desk: the nearest body at Level (and Sector, if given) above or at the
// body concerned, never the desk or chain of command of the person concerned.
type Route struct {
	When   Expr   `yaml:"when"` // over subject.rank, subject.level, subject.sector, f (the fields); empty: always
	Level  string `yaml:"level"`
	Sector string `yaml:"sector"`
	Duty   string `yaml:"duty"`
	At     At     `yaml:"-"`
}

// Retention is how long what is in a compartment is kept after the matter closed.
type Retention struct {
	Compartment string          `yaml:"compartment"`
	Keep        calendar.Period `yaml:"keep"`
	At          At              `yaml:"-"`
}

// Measure is a published count.
type Measure struct {
	ID       string   `yaml:"id"`
	Label    Text     `yaml:"label"`
	Question Text     `yaml:"question"` // heading of the figure page: "How do reports end?"
	Method   Text     `yaml:"method"`   // how it is counted, in plain words
	Count    string   `yaml:"count"`    // "matters", "allegations", "officials" (distinct, named)
	Kinds    []string `yaml:"kinds"`    // of matter; empty: all
	When     Expr     `yaml:"when"`     // over matter and (for allegations, officials) allegation
	By       []Dim    `yaml:"by"`       // dimensions, besides body and the time of receipt, which every measure has
	Public   bool     `yaml:"public"`
	At       At       `yaml:"-"`
}

// Dim is a dimension of a measure. Value is a CEL expression giving a string; empty for the built-in
// ones: finding, category, conduct, state, kind, imported, ended, outcome, tier.
type Dim struct {
	ID    string `yaml:"id"`
	Label Text   `yaml:"label"`
	Value Expr   `yaml:"value"`
	At    At     `yaml:"-"`
}

// Letter is a template of a letter, one Markdown file for each language: letters/<id>.<lang>.md.
type Letter struct {
	ID    string `yaml:"id"`
	Label Text   `yaml:"label"`
	At    At     `yaml:"-"`
}

// Waiver switches a rule of the fairness check off, naming the law that demands it.
type Waiver struct {
	Rule    string `yaml:"rule"`
	Kind    string `yaml:"kind"`
	Because Text   `yaml:"because"`
	At      At     `yaml:"-"`
}
