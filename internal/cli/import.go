package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/goccy/go-yaml"

	"plumbline/internal/fault"
	"plumbline/internal/journal"
	"plumbline/internal/office"
	"plumbline/internal/pack"
	"plumbline/internal/tally"
	"plumbline/internal/transfer"
)

type importCmd struct {
	dbFlag
	logKeyFlag
	originFlag
	Mapping string   `arg:"" help:"A bundled mapping, or a YAML file."`
	Files   []string `arg:"" name:"file" help:"CSV files, also .gz, in the order the mapping names its sources."`
	Check   bool     `name:"check" help:"Read everything and say what would happen; write nothing but the rejects."`
	Show    int      `name:"show" default:"3" placeholder:"N" help:"With --check: print the first N matters and officials as they would be imported."`
	Rejects string   `name:"rejects" placeholder:"FILE" help:"Where rejected records go. The default stands in the summary."`
	JSON    bool     `name:"json" help:"Print the summary as JSON."`
	Quiet   bool     `name:"quiet" short:"q" help:"Show no progress."`
}

func (importCmd) Help() string { return helpText("import") }

func (c *importCmd) Run(ctx context.Context, t *terminal) (err error) {
	m, err := transfer.Open(c.Mapping)
	if err != nil {
		return mappingError(c.Mapping, err)
	}
	if err := m.Fits(c.Files); errors.Is(err, fs.ErrNotExist) {
		return err
	} else if err != nil {
		return &problem{kind: fault.Invalid, text: err.Error()}
	}
	a, err := c.into(ctx, t)
	if err != nil {
		return err
	}
	defer a.closing(&err)
	rules, err := c.rules(ctx, t, a, m.Pack)
	if err != nil {
		return err
	}
	bars := &stages{t: t, quiet: c.Quiet}
	sum, err := transfer.Run(ctx, a.db, rules, m, c.Files, transfer.Options{Check: c.Check, Rejects: c.Rejects, First: c.Show, Stage: bars.stage, Progress: bars.at, Actor: operator, Now: a.now})
	bars.end()
	if err != nil {
		return mappingError(c.Mapping, err)
	}
	if !c.Check {
		if err := a.catchUp(ctx, t, c.Quiet); err != nil {
			return err
		}
	}
	if c.JSON {
		if err := t.json(sum); err != nil {
			return err
		}
	} else {
		saySummary(t, sum, c.Check)
	}
	if sum.Rows.Rejected > 0 {
		return errFoundWrong
	}
	return nil
}

// into opens the database to import into. A check makes none: where there is no office yet, it looks at an empty one in
// memory.
func (c *importCmd) into(ctx context.Context, t *terminal) (*app, error) {
	if !c.Check {
		return c.open(ctx, t, wantTables)
	}
	a, err := c.open(ctx, t, wantOffice)
	var p *problem
	if errors.As(err, &p) && p.kind == fault.NotFound {
		return dbFlag{DB: "sqlite::memory:"}.open(ctx, t, wantTables)
	}
	return a, err
}

func mappingError(name string, err error) error {
	if fault.Is(err, fault.NotFound) {
		return problemf(fault.NotFound, "there is no mapping %q: give a YAML file, or a bundled name (%s)", name, strings.Join(transfer.BundledNames(), ", "))
	}
	var problems transfer.Problems
	if errors.As(err, &problems) {
		return &problem{kind: fault.Invalid, text: strings.TrimSpace(name + " cannot be used:\n" + problems.Error())}
	}
	return err
}

// saySummary prints what became of everything read.
func saySummary(t *terminal, s transfer.Summary, check bool) {
	done := "Imported"
	if check {
		done = "Checked, nothing written"
	}
	resumed := ""
	if s.Resumed {
		resumed = ", continuing an import that was interrupted"
	}
	t.print("%s: %s with mapping %s in %.1f s%s.", done, s.Source, s.Mapping, s.Seconds, resumed)
	tab := newTable("", "Read", "Opened", "Updated", "Unchanged", "Rejected").alignRight(1, 2, 3, 4, 5)
	row := func(name string, a transfer.Account) {
		tab.add(name, number(a.Read), number(a.Opened), number(a.Updated), number(a.Unchanged), number(a.Rejected))
	}
	row("rows", s.Rows)
	if len(s.Sources) > 1 {
		for _, src := range s.Sources {
			row("  of "+src.Name, src.Account)
		}
	}
	row("bodies", s.Bodies)
	row("officials", s.Officials)
	row("matters", s.Matters)
	tab.write(t.out)
	t.print("%s, %s.", plural(s.Allegations, "allegation", "allegations"), plural(s.Parties, "other party", "other parties"))
	if s.Gone.Matters+s.Gone.Allegations > 0 {
		t.print("No longer in the data, and kept in the record: %s, %s.", plural(s.Gone.Matters, "matter", "matters"), plural(s.Gone.Allegations, "allegation", "allegations"))
		if len(s.Gone.Examples) > 0 {
			t.print("  for example %s", strings.Join(s.Gone.Examples, ", "))
		}
	}
	if len(s.Flags) > 0 {
		t.print("\nQuality of the data")
		tab := newTable("Flag", "Count", "What", "For example").alignRight(1)
		for _, f := range s.Flags {
			example := ""
			if len(f.Examples) > 0 {
				e := f.Examples[0]
				if example = e.Value; e.File != "" {
					example = strings.TrimSpace(fmt.Sprintf("%s:%d %s", e.File, e.Line, e.Value))
				}
			}
			tab.add(f.ID, number(f.Count), speaker().Text(f.Label), example)
		}
		tab.write(t.out)
		for _, f := range s.Flags {
			if len(f.Values) > 1 {
				sayCounted(t, f.ID, f.Values)
			}
		}
	}
	if s.Preview != nil {
		sayPreview(t, s.Preview)
	}
	if len(s.Reasons) > 0 {
		sayCounted(t, "Why rows were rejected", s.Reasons)
	}
	if s.Rows.Rejected > 0 && s.RejectsFile != "" {
		t.print("\nRejected records with line and reason: %s", s.RejectsFile)
	}
}

// countedShown is how many different values the summary prints; with --json there are more.
const countedShown = 15

// sayCounted prints different values with how often each occurs.
func sayCounted(t *terminal, title string, values []transfer.Counted) {
	t.print("\n%s", title)
	tab := newTable("Rows", "").alignRight(0)
	for _, v := range values[:min(len(values), countedShown)] {
		tab.add(number(v.Count), v.Value)
	}
	tab.write(t.out)
	if more := len(values) - countedShown; more > 0 {
		t.print("  … and more (--json names the first %d)", len(values))
	}
}

// sayPreview prints the first records as they would be imported.
func sayPreview(t *terminal, p *transfer.Preview) {
	show := func(title string, one any) {
		text, err := yaml.MarshalWithOptions(one, yaml.UseJSONMarshaler())
		if err != nil {
			t.print("%s: %+v", title, one) // it is only to be looked at
			return
		}
		t.print("\n%s", title)
		for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
			t.print("  %s", line)
		}
	}
	for i, m := range p.Matters {
		show(fmt.Sprintf("Matter %d as it would be imported", i+1), m)
	}
	for i, o := range p.Officials {
		show(fmt.Sprintf("Official %d as it would be imported", i+1), o)
	}
	for _, r := range p.Rejects {
		t.print("would be rejected: %s:%d: %s", r.File, r.Line, r.Reason)
	}
}

// stages shows a bar for each stage of an import.
type stages struct {
	t     *terminal
	quiet bool
	bar   *progress
}

func (s *stages) stage(what, unit string) {
	s.end()
	s.bar = s.t.progress(what, unit, s.quiet)
}

func (s *stages) at(done, total int64) {
	if s.bar != nil {
		s.bar.at(done, total)
	}
}

func (s *stages) end() {
	if s.bar != nil {
		s.bar.end()
	}
	s.bar = nil
}

// rules finds the pack that imported matters stand under: the newest of that name in the database, else the bundled
// one, which is loaded then. In a new database the office works under it from now on; in another it stands beside the
// pack the office works under.
func (c *importCmd) rules(ctx context.Context, t *terminal, a *app, name string) (*pack.Pack, error) {
	active := a.office.Active()
	if active != nil && active.Name == name {
		return active, nil
	}
	var versions []*pack.Pack
	for _, l := range a.office.Loaded() {
		if l.Name == name {
			p, err := a.office.Version(l.Name + "@" + l.Version)
			if err != nil {
				return nil, err
			}
			versions = append(versions, p)
		}
	}
	if newest := tally.Newest(versions); len(newest) > 0 {
		return newest[0], nil
	}
	p, err := openPack(name)
	if err != nil || c.Check && active != nil {
		return p, err
	}
	if err := a.office.Load(ctx, operator, journal.ViaCLI, p, active == nil); err != nil {
		return nil, sayUnfair(err)
	}
	switch {
	case c.Check:
	case active == nil:
		t.note("%s is new: made ready with the pack %s, which the mapping names.", safeURL(c.DB), office.ID(p))
		return p, c.makeLogKey(ctx, t, a)
	default:
		t.note("Loaded the pack %s, which the mapping names, for the imported matters; the office goes on working under %s.", office.ID(p), office.ID(active))
	}
	return p, nil
}

// makeLogKey makes the key of the log for an office that the import has just made. Where it cannot, the office can be
// given one later, and everything but serving it works without.
func (c *importCmd) makeLogKey(ctx context.Context, t *terminal, a *app) error {
	origin, err := c.origin()
	if err != nil {
		return err
	}
	path := c.path(c.DB)
	k, err := newLogKey(path, origin)
	if fault.Is(err, fault.Conflict) || exitOf(err) == exitConflict {
		t.note("The log has no key yet: %s belongs to another. Before you serve this office: plumbline log key new --db %s --log-key FILE", path, safeURL(c.DB))
		return nil
	}
	if err != nil {
		return err
	}
	if err := a.recordLogKey(ctx, k, false); err != nil {
		return err
	}
	t.note("The log %s is signed with the key in %s: keep a copy of that file apart from the database.", origin, path)
	return nil
}
