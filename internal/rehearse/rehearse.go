// Package rehearse plays scenario files against a pack: people with duties act, time passes, and every line that states
// something (where the matter stands, what was refused and why, what the reporter reads) is held to what really happens.
//
// It runs the real engine, register, accounts and access rules on a database of its own that exists for the run alone,
// with a clock that moves only where the scenario says so. At the end it folds every stream again: a scenario whose
// tables are not what its entries say has failed, whatever its lines stated.
package rehearse

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"time"

	"plumbline/internal/access"
	"plumbline/internal/account"
	"plumbline/internal/calendar"
	"plumbline/internal/fault"
	"plumbline/internal/journal"
	"plumbline/internal/matter"
	"plumbline/internal/office"
	"plumbline/internal/pack"
	"plumbline/internal/ref"
	"plumbline/internal/register"
	"plumbline/internal/schema"
	"plumbline/internal/store"
	"plumbline/internal/vault"
)

// Failure is a line that is not so.
type Failure struct {
	Line    int    `json:"line"`
	Text    string `json:"text"`
	Message string `json:"message"`
}

// Report is what came of a scenario.
type Report struct {
	File     string    `json:"file"`
	Story    string    `json:"story"`
	Lines    int       `json:"lines"` // lines played
	Failures []Failure `json:"failures,omitempty"`
}

// OK reports whether everything was as the scenario says.
func (r Report) OK() bool { return len(r.Failures) == 0 }

// ErrNoScenario is returned by All for a pack without scenarios: an empty corpus must not pass in silence.
var ErrNoScenario = errors.New("the pack has no scenario: put at least one *.txtar file into its folder scenarios")

// All plays every scenario of a pack, in the order of their names.
func All(ctx context.Context, p *pack.Pack) ([]Report, error) {
	var names []string
	for name := range p.Files {
		if ok, _ := path.Match("scenarios/*.txtar", name); ok { // the pattern is fine
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil, ErrNoScenario
	}
	sort.Strings(names)
	var out []Report
	for _, name := range names {
		r, err := Run(ctx, p, name, p.Files[name])
		if err != nil {
			return out, err
		}
		out = append(out, r)
	}
	return out, nil
}

// Run plays one scenario file. The error tells of a broken file or machine; what the scenario found is in the report.
func Run(ctx context.Context, p *pack.Pack, name string, content []byte) (Report, error) {
	r := Report{File: name}
	s, err := Parse(content)
	if err != nil {
		return r, fmt.Errorf("%s: %w", name, err)
	}
	r.Story = s.Story
	dir, err := os.MkdirTemp("", "plumbline-rehearsal-")
	if err != nil {
		return r, fmt.Errorf("%s: %w", name, err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // a leftover in the temporary folder harms nobody
	db, err := store.Open(ctx, "sqlite:"+filepath.Join(dir, "rehearsal.db"))
	if err != nil {
		return r, fmt.Errorf("%s: %w", name, err)
	}
	defer func() { _ = db.Close() }() // it is thrown away
	t := &stage{db: db, pack: p, report: &r, people: map[string]ref.AccountID{}, officials: map[string]ref.OfficialID{},
		matters: map[string]ref.MatterID{}, codes: map[string]ref.ReceiptCode{}, said: map[spot]matter.Values{}}
	if err := t.build(ctx, s.Office); err != nil {
		return r, fmt.Errorf("%s: office.yaml: %w", name, err)
	}
	if err := t.play(ctx, s.Lines); err != nil {
		return r, fmt.Errorf("%s: %w", name, err)
	}
	return r, t.verify(ctx)
}

// stage is a scenario being played.
type stage struct {
	db        *store.DB
	pack      *pack.Pack
	office    *office.Office
	accounts  *account.Accounts
	engine    *matter.Engine
	now       time.Time
	people    map[string]ref.AccountID
	officials map[string]ref.OfficialID
	matters   map[string]ref.MatterID
	codes     map[string]ref.ReceiptCode
	said      map[spot]matter.Values // what was entered, by entry: the record keeps some of it sealed
	report    *Report
}

// spot is an entry of a matter.
type spot struct {
	matter ref.MatterID
	n      int64
}

// morning is the time of day at which scenarios act.
const morning = 9 * time.Hour

// build makes the office of the scenario: bodies, officials, people with their duties.
func (t *stage) build(ctx context.Context, o Office) error {
	if err := t.db.Migrate(ctx, schema.FS); err != nil {
		return err
	}
	start, err := calendar.ParseDate(o.Start)
	if err != nil || !start.Exact() {
		return fmt.Errorf("start: write the first day like 2026-03-02")
	}
	t.now = t.pack.Cal().Start(start).Add(morning)
	clock := func() time.Time { return t.now }
	t.office, err = office.Open(ctx, t.db, office.WithClock(clock))
	if err != nil && !errors.Is(err, office.ErrEmpty) {
		return err
	}
	if err := t.office.Load(ctx, journal.Actor{Duty: matter.DutySystem}, journal.ViaCLI, t.pack, true); err != nil {
		return err
	}
	t.accounts = account.New(t.db, t.office, clock)
	t.engine = matter.New(t.db, t.office, clock, vault.New(t.db, vault.NewOfficeKey(), clock))
	return t.db.Tx(ctx, func(tx *store.Tx) error { return t.populate(ctx, tx, o) })
}

func (t *stage) populate(ctx context.Context, tx *store.Tx, o Office) error {
	by := register.By{Actor: journal.Actor{Duty: matter.DutySystem}, Via: journal.ViaCLI, At: t.now}
	ids := map[string]ref.BodyID{"": 0}
	for _, b := range o.Bodies {
		below, ok := ids[b.Below]
		if !ok {
			return fmt.Errorf("body %s lies below %s, which does not stand before it", b.Code, b.Below)
		}
		name := b.Name
		if name == "" {
			name = b.Code
		}
		added, err := register.AddBody(ctx, tx, by, register.Body{ID: ref.BodyID(t.db.NewID()), Code: b.Code, Parent: below, Level: b.Level,
			Sector: b.Sector, Names: []register.Name{{Lang: t.pack.Languages[0], Name: name}}})
		if err != nil {
			return fmt.Errorf("body %s: %w", b.Code, err)
		}
		ids[b.Code] = added.ID
	}
	for _, who := range slices.Sorted(maps.Keys(o.Officials)) {
		f := o.Officials[who]
		body, ok := ids[f.Body]
		if !ok || f.Body == "" {
			return fmt.Errorf("official %s: there is no body %q", who, f.Body)
		}
		added, err := register.AddOfficial(ctx, tx, by, register.Official{ID: ref.OfficialID(t.db.NewID()), Name: f.Name, Identified: 1,
			Posts: []register.Post{{Body: body, Rank: f.Rank, Title: f.Title, From: f.Since, To: f.Until}}})
		if err != nil {
			return fmt.Errorf("official %s: %w", who, err)
		}
		t.officials[who] = added.ID
	}
	for _, who := range slices.Sorted(maps.Keys(o.People)) {
		if err := t.employ(ctx, tx, who, o.People[who], ids); err != nil {
			return fmt.Errorf("%s: %w", who, err)
		}
	}
	return nil
}

func (t *stage) employ(ctx context.Context, tx *store.Tx, who string, p Person, bodies map[string]ref.BodyID) error {
	by := account.System(journal.ViaCLI)
	var official ref.OfficialID
	if p.Official != "" {
		var ok bool
		if official, ok = t.officials[p.Official]; !ok {
			return fmt.Errorf("there is no official %q", p.Official)
		}
	}
	id, err := t.accounts.Create(ctx, tx, by, account.CreateCmd{Login: strings.ToLower(who), Name: who, Lang: t.pack.Languages[0], Official: official})
	if err != nil {
		return err
	}
	t.people[who] = id
	for _, d := range p.Duties {
		duty, at, ok := strings.Cut(d, " at ")
		body, known := bodies[at]
		if !ok || !known {
			return fmt.Errorf("%q: write a duty like \"intake at north-office\"", d)
		}
		if err := t.accounts.Grant(ctx, tx, by, account.GrantCmd{Account: id, Duty: duty, Body: body}); err != nil {
			return fmt.Errorf("%s: %w", d, err)
		}
	}
	return nil
}

func (t *stage) fail(l Line, format string, args ...any) {
	t.report.Failures = append(t.report.Failures, Failure{Line: l.No, Text: l.Text, Message: fmt.Sprintf(format, args...)})
}

// play plays the lines in order. After a step that went otherwise than the scenario says it stops: what follows builds on it.
func (t *stage) play(ctx context.Context, lines []Line) error {
	for i := 0; i < len(lines); i++ {
		l := lines[i]
		t.report.Lines++
		switch l.verb.name {
		case "files", "does", "drawn":
			var refused *Line
			if i+1 < len(lines) && lines[i+1].verb.name == "refused" {
				i++
				t.report.Lines++
				refused = &lines[i]
			}
			if ok := t.act(ctx, l, refused); !ok {
				return nil
			}
		case "refused":
			t.fail(l, "nothing was tried just before")
			return nil
		case "on", "after":
			if err := t.pass(ctx, l); err != nil {
				return err
			}
		default:
			if err := t.check(ctx, l); err != nil {
				return fmt.Errorf("line %d: %w", l.No, err)
			}
		}
	}
	return nil
}

// act takes a step and compares how it went with what the scenario says.
func (t *stage) act(ctx context.Context, l Line, refused *Line) bool {
	var err error
	switch l.verb.name {
	case "files":
		err = t.files(ctx, l)
	case "drawn":
		err = t.drawn(ctx, l)
	default:
		err = t.does(ctx, l)
	}
	switch {
	case err == nil && refused == nil:
		return true
	case err == nil:
		t.fail(*refused, "it was not refused")
		return false
	case refused == nil:
		t.fail(l, "refused: %s", err)
		return false
	case !matches(err, refused.args[0], refused.args[1]):
		t.fail(*refused, "refused otherwise: %s", err)
	}
	return true
}

// matches reports whether a refusal is the one expected: by the key of the whole, or of one of its fields.
func matches(err error, key, field string) bool {
	var f *fault.Error
	if !errors.As(err, &f) {
		return false
	}
	for _, w := range f.Fields {
		if w.Key == key && (field == "" || w.Name == field) {
			return true
		}
	}
	return f.Key == key && field == ""
}

func (t *stage) files(ctx context.Context, l Line) error {
	who, kind, name := l.args[0], l.args[1], l.args[2]
	k := t.pack.Kind(kind)
	if k == nil {
		return fmt.Errorf("the pack has no kind %q", kind)
	}
	values, err := t.values(ctx, k.Fields, l.with)
	if err != nil {
		return err
	}
	return t.db.Tx(ctx, func(tx *store.Tx) error {
		cmd := matter.OpenCmd{Kind: kind, Fields: values, Via: journal.ViaWeb}
		if code := ref.NewReceiptCode(); who == "reporter" {
			cmd.Actor, cmd.Code = journal.Actor{Duty: t.pack.DutyOf(pack.ActorReporter)}, code
			t.codes[name] = code
		} else if cmd.Viewer, err = t.viewer(ctx, tx, who); err != nil {
			return err
		}
		s, err := t.engine.Open(ctx, tx, cmd)
		t.matters[name], t.said[spot{s.Matter.ID, s.Matter.N}] = s.Matter.ID, values
		return err
	})
}

// drawn opens the inspection of a matter, as a draw at random does.
func (t *stage) drawn(ctx context.Context, l Line) error {
	id, ok := t.matters[l.args[0]]
	if !ok {
		return fmt.Errorf("no matter is called %s here", l.args[0])
	}
	return t.db.Tx(ctx, func(tx *store.Tx) error {
		s, err := t.engine.Inspect(ctx, tx, matter.InspectCmd{Matter: id, Actor: journal.Actor{Duty: matter.DutySystem}, Via: journal.ViaCLI})
		t.matters[l.args[1]] = s.Matter.ID
		return err
	})
}

func (t *stage) does(ctx context.Context, l Line) error {
	who, action, name := l.args[0], l.args[1], l.args[2]
	id, ok := t.matters[name]
	if !ok {
		return fmt.Errorf("no matter is called %s here", name)
	}
	return t.db.Tx(ctx, func(tx *store.Tx) error {
		s, err := t.engine.Load(ctx, tx, id)
		if err != nil {
			return err
		}
		a := t.pack.Kind(s.Matter.Kind).Action(action)
		if a == nil {
			return fmt.Errorf("a %s has no action %q", s.Matter.Kind, action)
		}
		values, err := t.entered(ctx, s, a, l)
		if err != nil {
			return err
		}
		t.said[spot{id, s.Matter.N + 1}] = values
		return t.step(ctx, tx, who, name, s, a, values)
	})
}

// entered are the values of a step: by the questions the action asks, or those of the questionnaire that was sent.
func (t *stage) entered(ctx context.Context, s matter.State, a *pack.Action, l Line) (matter.Values, error) {
	data, err := s.Matter.Values()
	if err != nil {
		return nil, err
	}
	fields := t.pack.FieldsOf(a, data)
	if a.Answers != "" && fields == nil {
		return matter.Values{}, nil // nothing to answer: the engine says so
	}
	return t.values(ctx, fields, l.with)
}

func (t *stage) step(ctx context.Context, tx *store.Tx, who, name string, s matter.State, a *pack.Action, values matter.Values) error {
	if who == "reporter" {
		_, err := t.engine.ReporterAct(ctx, tx, t.codes[name], s.Matter.N, a.ID, values, journal.ViaWeb)
		return err
	}
	cmd := matter.ActCmd{Matter: s.Matter.ID, Seen: s.Matter.N, Action: a.ID, Fields: values, Via: journal.ViaWeb}
	if d := t.pack.Duty(who); d != nil && d.Actor != pack.ActorAccount && d.Actor != "" {
		cmd.Actor = journal.Actor{Duty: who}
		_, err := t.engine.Act(ctx, tx, cmd)
		return err
	}
	var err error
	if cmd.Viewer, err = t.viewer(ctx, tx, who); err != nil {
		return err
	}
	offered, err := t.offered(ctx, tx, cmd.Viewer, s.Matter.ID, a)
	if err != nil {
		return err
	}
	_, err = t.engine.Act(ctx, tx, cmd)
	if err == nil && !offered {
		return fmt.Errorf("%s was possible although the page would not offer it to %s", a.ID, who)
	}
	if err != nil && offered && fault.Is(err, fault.Forbidden) {
		return fmt.Errorf("%s was forbidden although the page would offer it to %s: %w", a.ID, who, err)
	}
	return err
}

// offered asks what the matter's page would: is this step open to this person?
func (t *stage) offered(ctx context.Context, tx *store.Tx, v access.Viewer, id ref.MatterID, a *pack.Action) (bool, error) {
	choices, err := t.engine.Choices(ctx, tx, v, id)
	if err != nil && fault.KindOf(err) == fault.Internal {
		return false, err
	}
	i := slices.IndexFunc(choices, func(c matter.Choice) bool { return c.Action.ID == a.ID })
	return i >= 0 && choices[i].Allowed, nil
}

func (t *stage) viewer(ctx context.Context, tx *store.Tx, who string) (access.Viewer, error) {
	id, ok := t.people[who]
	if !ok {
		return access.Viewer{}, fmt.Errorf("there is nobody called %q in office.yaml", who)
	}
	return t.accounts.ViewerOf(ctx, tx, id)
}

// values reads what is indented below a step as a form would be read.
func (t *stage) values(ctx context.Context, fields []pack.Field, with map[string]any) (matter.Values, error) {
	in := map[string]any{}
	for name, v := range with {
		in[name] = plain(v)
	}
	for _, f := range fields {
		v, there := in[f.ID]
		if !there {
			continue
		}
		var err error
		if in[f.ID], err = t.meant(ctx, f, v); err != nil {
			return nil, fmt.Errorf("%s: %w", f.ID, err)
		}
	}
	values, wrong := matter.ParseJSON(t.pack, fields, in)
	return values, fault.InvalidFields(wrong)
}

// meant replaces the names a scenario uses by what a form would hold.
func (t *stage) meant(ctx context.Context, f pack.Field, v any) (any, error) {
	switch f.Type {
	case pack.TypeOfficial:
		return t.person(v), nil
	case pack.TypeAllegations:
		rows, ok := v.([]any)
		if !ok {
			return nil, errors.New("write a list of allegations, each with a dash")
		}
		for _, row := range rows {
			if m, ok := row.(map[string]any); ok && m["official"] != nil {
				m["official"] = t.person(m["official"])
			}
		}
	case pack.TypeAccount:
		if id, ok := t.people[fmt.Sprint(v)]; ok {
			return id.String(), nil
		}
	case pack.TypeEarlier: // the reporter shows the receipt code of the other report
		if code, ok := t.codes[fmt.Sprint(v)]; ok {
			return string(code), nil
		}
	case pack.TypeMatter:
		id, ok := t.matters[fmt.Sprint(v)]
		if !ok {
			return v, nil
		}
		var s matter.State
		err := t.db.Read(ctx, func(tx *store.Tx) (err error) { s, err = t.engine.Load(ctx, tx, id); return err })
		return string(s.Matter.Ref), err
	}
	return v, nil
}

// person is an official of the scenario, or else a description.
func (t *stage) person(v any) any {
	if id, ok := t.officials[fmt.Sprint(v)]; ok {
		return id.String()
	}
	return map[string]any{"described": v}
}

// plain makes the keys of maps text: a finding stands under the number of its allegation.
func plain(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, x := range v {
			out[k] = plain(x)
		}
		return out
	case map[any]any:
		out := make(map[string]any, len(v))
		for k, x := range v {
			out[fmt.Sprint(k)] = plain(x)
		}
		return out
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
	}
	return v
}

// pass lets time go by: every clock that runs out on the way does so at its own instant.
func (t *stage) pass(ctx context.Context, l Line) error {
	cal := t.pack.Cal()
	var day calendar.Date
	if l.verb.name == "on" {
		var err error
		if day, err = calendar.ParseDate(l.args[0]); err != nil {
			return fmt.Errorf("line %d: %w", l.No, err)
		}
	} else {
		p, err := calendar.ParsePeriod(l.args[0])
		if err != nil {
			return fmt.Errorf("line %d: %w", l.No, err)
		}
		day = cal.AddDate(cal.Day(t.now), p)
	}
	until := cal.Start(day).Add(morning)
	if until.Before(t.now) {
		t.fail(l, "it is already %s; time does not go back", cal.Day(t.now))
		return nil
	}
	const next = `SELECT COALESCE(MIN(CASE WHEN state = 'paused' THEN pause_end ELSE due END), 0) FROM clock WHERE state IN ('running', 'open', 'paused')`
	for {
		var due int64
		if err := t.db.Read(ctx, func(tx *store.Tx) error { return tx.QueryRow(ctx, next).Scan(&due) }); err != nil {
			return err
		}
		at := time.UnixMicro(due).Add(time.Microsecond) // whoever acts at the deadline itself is in time
		if due == 0 || at.After(until) {
			break
		}
		if at.After(t.now) {
			t.now = at
		}
		n, err := t.engine.RunClocks(ctx)
		if err != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("line %d: a clock ran out at %s and nothing came of it", l.No, at.UTC().Format(time.RFC3339))
		}
	}
	t.now = until
	return nil
}

// verify folds every stream again.
func (t *stage) verify(ctx context.Context) error {
	found, err := matter.Verify(ctx, t.db, nil, account.Folder{}, office.PackFolder{}, office.SettingFolder{})
	if err != nil {
		return err
	}
	for _, d := range found {
		t.report.Failures = append(t.report.Failures, Failure{Text: "the tables are what the entries say", Message: d.String()})
	}
	return nil
}
