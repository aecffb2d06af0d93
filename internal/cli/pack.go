package cli

import (
	"context"
	"fmt"
	"os"
	"sort"
	"strings"

	"plumbline/internal/fault"
	"plumbline/internal/journal"
	"plumbline/internal/office"
	"plumbline/internal/pack"
)

type packCmd struct {
	List  packListCmd  `cmd:"" help:"List packs."`
	Check packCheckCmd `cmd:"" help:"Check that a pack is sound and fair."`
	Test  packTestCmd  `cmd:"" help:"Run the scenarios of a pack."`
	Show  packShowCmd  `cmd:"" help:"Print what a pack contains."`
	Load  packLoadCmd  `cmd:"" help:"Load a pack into a database."`
}

func (packCmd) Help() string { return helpText("pack") }

type packListCmd struct {
	DB   string `name:"db" placeholder:"URL" help:"Also list the packs loaded in this database."`
	JSON bool   `name:"json" help:"Print JSON."`
}

func (packListCmd) Help() string { return helpText("pack-list") }

type listedPack struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Title   string `json:"title"`
	Digest  string `json:"digest"`
	From    string `json:"from"` // "bundled" or "database"
	Active  bool   `json:"active,omitempty"`
}

func (c *packListCmd) Run(ctx context.Context, t *terminal) (err error) {
	all := []listedPack{}
	for _, name := range pack.BundledNames() {
		p, err := pack.Bundled(name)
		if err != nil {
			return err
		}
		all = append(all, listedPack{Name: name, Version: p.Version, Title: p.Title["en"], Digest: p.Digest, From: "bundled"})
	}
	if c.DB != "" {
		a, err := dbFlag{DB: c.DB}.open(ctx, t, wantOffice)
		if err != nil {
			return err
		}
		defer a.closing(&err)
		for _, l := range a.office.Loaded() {
			p, err := a.office.Version(l.Name + "@" + l.Version)
			if err != nil {
				return err
			}
			all = append(all, listedPack{Name: l.Name, Version: l.Version, Title: p.Title["en"], Digest: l.Digest, From: "database", Active: l.Active == 1})
		}
	}
	if c.JSON {
		return t.json(all)
	}
	tab := newTable("Pack", "Version", "Title", "From")
	for _, p := range all {
		from := p.From
		if p.Active {
			from += ", active"
		}
		tab.add(p.Name, p.Version, p.Title, from)
	}
	tab.write(t.out)
	return nil
}

type packCheckCmd struct {
	Pack string `arg:"" placeholder:"NAME|DIR" help:"A bundled pack or a folder."`
	JSON bool   `name:"json" help:"Print JSON."`
}

func (packCheckCmd) Help() string { return helpText("pack-check") }

func (c *packCheckCmd) Run(t *terminal) error {
	r, err := pack.Report(c.Pack)
	if err != nil {
		return packNotFound(c.Pack, err)
	}
	if c.JSON {
		data, err := r.JSON()
		if err != nil {
			return err
		}
		t.print("%s", data)
	} else {
		fmt.Fprint(t.out, r.Text())
	}
	if !r.OK() {
		return errFoundWrong
	}
	return nil
}

// folderOf is the folder that messages name, so that an editor can open the place; empty for a bundled pack.
func folderOf(name string) string {
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		return name
	}
	return ""
}

type packShowCmd struct {
	Pack  string `arg:"" placeholder:"NAME|DIR" help:"A bundled pack or a folder."`
	Kind  string `name:"kind" help:"Show one kind of matter in full."`
	Lang  string `name:"lang" default:"en" help:"Language of the labels."`
	Files bool   `name:"files" xor:"what" help:"List the files instead."`
	File  string `name:"file" xor:"what" placeholder:"PATH" help:"Print one file as it is."`
}

func (packShowCmd) Help() string { return helpText("pack-show") }

func (c *packShowCmd) Run(t *terminal) error {
	p, err := openPack(c.Pack)
	if err != nil {
		return err
	}
	switch {
	case c.Files:
		names := make([]string, 0, len(p.Files))
		for name := range p.Files {
			names = append(names, name)
		}
		sort.Strings(names)
		for _, name := range names {
			t.print("%s", name)
		}
		return nil
	case c.File != "":
		data, ok := p.Files[c.File]
		if !ok {
			return problemf(fault.NotFound, "the pack has no file %q; --files lists them", c.File)
		}
		_, err := t.out.Write(data)
		return err
	case c.Kind != "":
		for i := range p.Kinds {
			if p.Kinds[i].ID == c.Kind {
				c.kind(t, &p.Kinds[i])
				return nil
			}
		}
		return problemf(fault.NotFound, "the pack has no kind %q; it has %s", c.Kind, strings.Join(kindIDs(p), ", "))
	}
	c.overview(t, p)
	return nil
}

func kindIDs(p *pack.Pack) []string {
	ids := make([]string, len(p.Kinds))
	for i, k := range p.Kinds {
		ids[i] = k.ID
	}
	return ids
}

func (c *packShowCmd) say(text pack.Text) string { return book().For(c.Lang).Text(text) }

func (c *packShowCmd) overview(t *terminal, p *pack.Pack) {
	t.print("%s %s: %s", p.Name, p.Version, c.say(p.Title))
	t.print("%s", c.say(p.About))
	t.print("digest %s, languages %s, time zone %s", p.Digest, strings.Join(p.Languages, ", "), p.Calendar.Zone)
	t.print("\nDuties")
	tab := newTable("Duty", "Label", "Sees", "Never beside")
	for _, d := range p.Duties {
		tab.add(d.ID, c.say(d.Label), d.Sees, strings.Join(d.Excludes, ", "))
	}
	tab.write(t.out)
	t.print("\nKinds of matter (--kind shows the procedure)")
	tab = newTable("Kind", "Label", "States", "Actions", "Takes reports").alignRight(2, 3)
	for _, k := range p.Kinds {
		tab.add(k.ID, c.say(k.Label), fmt.Sprint(len(k.States)), fmt.Sprint(len(k.Actions)), yes(k.Reports))
	}
	tab.write(t.out)
	t.print("\nConduct")
	tab = newTable("Conduct", "Label", "Category", "Rule")
	for _, e := range p.Conduct {
		tab.add(e.ID, c.say(e.Label), e.Category, e.Rule.Cite)
	}
	tab.write(t.out)
	c.words(t, p)
	t.print("\nMeasures")
	tab = newTable("Measure", "Counts", "Of kinds", "Dimensions", "Public")
	for _, m := range p.Measures {
		dims := make([]string, len(m.By))
		for i, d := range m.By {
			dims[i] = d.ID
		}
		tab.add(m.ID, m.Count, strings.Join(m.Kinds, ", "), strings.Join(dims, ", "), yes(m.Public))
	}
	tab.write(t.out)
}

// words prints the lists of ids that records, and mappings of an import, are written with.
func (c *packShowCmd) words(t *terminal, p *pack.Pack) {
	list := func(title string, add func(row func(id string, label pack.Text, more string)), more string) {
		t.print("\n%s", title)
		tab := newTable("Id", "Label", more)
		add(func(id string, label pack.Text, more string) { tab.add(id, c.say(label), more) })
		tab.write(t.out)
	}
	type rows = func(id string, label pack.Text, more string)
	list("Categories", func(row rows) {
		for _, x := range p.Categories {
			row(x.ID, x.Label, "")
		}
	}, "")
	list("Findings", func(row rows) {
		for _, x := range p.Findings {
			row(x.ID, x.Label, yes(x.Proven))
		}
	}, "Proven")
	list("Standards of proof", func(row rows) {
		for _, x := range p.Standards {
			row(x.ID, x.Label, "")
		}
	}, "")
	list("Outcomes", func(row rows) {
		for _, tier := range p.Tiers {
			for _, x := range tier.Outcomes {
				row(x.ID, x.Label, tier.ID)
			}
		}
	}, "Tier")
	list("Levels", func(row rows) {
		for _, x := range p.Levels {
			row(x.ID, x.Label, "")
		}
	}, "")
	list("Sectors", func(row rows) {
		for _, x := range p.Sectors {
			row(x.ID, x.Label, "")
		}
	}, "")
	list("Ranks", func(row rows) {
		for _, x := range p.Ranks {
			row(x.ID, x.Label, x.Level)
		}
	}, "Level")
}

func (c *packShowCmd) kind(t *terminal, k *pack.Kind) {
	t.print("%s: %s", k.ID, c.say(k.Label))
	t.print("begins in %s; the smallest staff that can run it: %d", k.Start, k.Staff)
	t.print("\nStates")
	tab := newTable("State", "Label", "Desk", "Final")
	for _, s := range k.States {
		desk := s.Desk
		if s.Of != "" && s.Of != pack.OfSame {
			desk += " (" + string(s.Of) + ")"
		}
		tab.add(s.ID, c.say(s.Label), desk, yes(s.Final))
	}
	tab.write(t.out)
	t.print("\nClocks")
	tab = newTable("Clock", "Label", "Within", "In", "Until")
	for _, cl := range k.Clocks {
		tab.add(cl.ID, c.say(cl.Label), cl.Within.String(), strings.Join(cl.In, ", "), strings.Join(cl.Until, ", "))
	}
	tab.write(t.out)
	t.print("\nActions")
	tab = newTable("Action", "Label", "From", "By", "To", "Effects", "Never by who did")
	for _, a := range k.Actions {
		by := strings.Join(a.By, ", ")
		if a.Of != "" && a.Of != pack.OfSame {
			by += " (" + string(a.Of) + ")"
		}
		effects := make([]string, len(a.Effects))
		for i, e := range a.Effects {
			effects[i] = e.Name
		}
		tab.add(a.ID, c.say(a.Label), strings.Join(a.From, ", "), by, a.To, strings.Join(effects, ", "), strings.Join(a.NotBy, ", "))
	}
	tab.write(t.out)
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return ""
}

type packLoadCmd struct {
	dbFlag
	Pack string `arg:"" placeholder:"NAME|DIR" help:"A bundled pack or a folder."`
	Keep bool   `name:"keep" help:"Keep the pack that is active now."`
}

func (packLoadCmd) Help() string { return helpText("pack-load") }

func (c *packLoadCmd) Run(ctx context.Context, t *terminal) (err error) {
	p, err := openPack(c.Pack)
	if err != nil {
		return err
	}
	a, err := c.open(ctx, t, wantOffice)
	if err != nil {
		return err
	}
	defer a.closing(&err)
	if err := a.office.Load(ctx, operator, journal.ViaCLI, p, !c.Keep); err != nil {
		return sayUnfair(err)
	}
	if err := a.catchUp(ctx, t, false); err != nil {
		return err
	}
	if c.Keep {
		t.print("%s is loaded; %s stays active.", office.ID(p), office.ID(a.office.Active()))
	} else {
		t.print("%s is loaded; new matters follow it.", office.ID(p))
	}
	return nil
}
