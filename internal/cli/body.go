package cli

import (
	"cmp"
	"context"
	"fmt"
	"sort"
	"strings"

	"plumbline/internal/calendar"
	"plumbline/internal/pack"
	"plumbline/internal/ref"
	"plumbline/internal/register"
	"plumbline/internal/store"
)

type bodyCmd struct {
	Add    bodyAddCmd    `cmd:"" help:"Enter an institution or an office."`
	List   bodyListCmd   `cmd:"" help:"List the bodies as a tree."`
	Rename bodyRenameCmd `cmd:"" help:"Give a body another name from a day on."`
	Close  bodyCloseCmd  `cmd:"" help:"Record that a body has ended."`
}

func (bodyCmd) Help() string { return helpText("body") }

// named is "LANG=NAME" on the command line, or a name for every language.
type named struct{ Lang, Name string }

func (n *named) UnmarshalText(text []byte) error {
	lang, name, ok := strings.Cut(string(text), "=")
	if !ok {
		lang, name = "", string(text)
	}
	if strings.TrimSpace(name) == "" {
		return fmt.Errorf("%q has no name; write NAME, or LANG=NAME such as en=\"City Police\"", text)
	}
	n.Lang, n.Name = lang, strings.TrimSpace(name)
	return nil
}

type bodyAddCmd struct {
	dbFlag
	Code   string        `arg:"" help:"Short code, unique and for good: lower case, digits, dots, dashes, slashes."`
	Name   []named       `name:"name" required:"" placeholder:"[LANG=]NAME" help:"Name, for one language or for all. May be repeated."`
	Parent string        `name:"parent" placeholder:"CODE" help:"Body directly above it."`
	Level  string        `name:"level" required:"" help:"Level, as in the pack."`
	Sector string        `name:"sector" required:"" help:"Sector, as in the pack."`
	From   calendar.Date `name:"from" placeholder:"DATE" help:"Since when it exists."`
}

func (bodyAddCmd) Help() string { return helpText("body-add") }

func (c *bodyAddCmd) Run(ctx context.Context, t *terminal) (err error) {
	a, err := c.open(ctx, t, wantOffice)
	if err != nil {
		return err
	}
	defer a.closing(&err)
	p := a.office.Active()
	place := initCmd{Level: c.Level, Sector: c.Sector}
	if _, _, err := place.place(p); err != nil {
		return err
	}
	b := register.Body{ID: ref.BodyID(a.db.NewID()), Code: c.Code, Level: c.Level, Sector: c.Sector, From: c.From.String(), Names: names(p, c.Name, c.From.String())}
	err = a.db.Tx(ctx, func(tx *store.Tx) error {
		if c.Parent != "" {
			parent, err := register.BodyByCode(ctx, tx, c.Parent)
			if err != nil {
				return err
			}
			b.Parent = parent.ID
		}
		_, err := register.AddBody(ctx, tx, a.registerBy(), b)
		return err
	})
	if err != nil {
		return err
	}
	if err := a.catchUp(ctx, t, true); err != nil {
		return err
	}
	t.print("Entered %s.", c.Code)
	return nil
}

// names are the names in the languages of the pack; a name given for no language counts for all that have none.
func names(p *pack.Pack, given []named, from string) []register.Name {
	byLang := map[string]string{}
	for _, n := range given {
		if n.Lang != "" {
			byLang[n.Lang] = n.Name
			continue
		}
		for _, lang := range p.Languages {
			if byLang[lang] == "" {
				byLang[lang] = n.Name
			}
		}
	}
	var out []register.Name
	for lang, name := range byLang {
		out = append(out, register.Name{Lang: lang, From: from, Name: name})
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Lang < out[j].Lang })
	return out
}

type bodyListCmd struct {
	dbFlag
	Lang string `name:"lang" default:"en" help:"Language of the names."`
	JSON bool   `name:"json" help:"Print JSON."`
}

func (bodyListCmd) Help() string { return helpText("body-list") }

type listedBody struct {
	Code   string            `json:"code"`
	Parent string            `json:"parent,omitempty"`
	Level  string            `json:"level"`
	Sector string            `json:"sector"`
	Names  map[string]string `json:"names"`
	To     string            `json:"to,omitempty"`
}

func (c *bodyListCmd) Run(ctx context.Context, t *terminal) (err error) {
	a, err := c.open(ctx, t, wantOffice)
	if err != nil {
		return err
	}
	defer a.closing(&err)
	var tree *register.Tree
	if err := a.db.Read(ctx, func(tx *store.Tx) (err error) { tree, err = register.LoadTree(ctx, tx); return err }); err != nil {
		return err
	}
	today := a.accounts.Today()
	out := []listedBody{}
	tab := newTable("Body", "Name", "Level", "Sector")
	var walk func(id ref.BodyID, depth int)
	walk = func(id ref.BodyID, depth int) {
		b := tree.Body(id)
		one := listedBody{Code: b.Code, Level: b.Level, Sector: b.Sector, Names: map[string]string{}, To: b.To}
		if up := tree.Body(b.Parent); up != nil {
			one.Parent = up.Code
		}
		for _, n := range b.Names {
			one.Names[n.Lang] = b.Called(n.Lang, today)
		}
		out = append(out, one)
		code := strings.Repeat("  ", depth) + b.Code
		if b.To != "" {
			code += " (until " + b.To + ")"
		}
		tab.add(code, b.Called(c.Lang, today), b.Level, b.Sector)
		for _, below := range tree.Children(id) {
			walk(below, depth+1)
		}
	}
	for _, top := range tree.Children(0) {
		walk(top, 0)
	}
	if c.JSON {
		return t.json(out)
	}
	tab.write(t.out)
	t.note("%s", plural(int64(len(out)), "body", "bodies"))
	return nil
}

type bodyRenameCmd struct {
	dbFlag
	Code string        `arg:"" help:"Code of the body, which stays."`
	Name []named       `name:"name" required:"" placeholder:"[LANG=]NAME" help:"New name, for one language or for all. May be repeated."`
	From calendar.Date `name:"from" placeholder:"DATE" help:"First day of the new name; today if absent."`
}

func (bodyRenameCmd) Help() string { return helpText("body-rename") }

func (c *bodyRenameCmd) Run(ctx context.Context, t *terminal) (err error) {
	a, err := c.open(ctx, t, wantOffice)
	if err != nil {
		return err
	}
	defer a.closing(&err)
	from := cmp.Or(c.From.String(), a.accounts.Today())
	err = a.db.Tx(ctx, func(tx *store.Tx) error {
		b, err := register.BodyByCode(ctx, tx, c.Code)
		if err != nil {
			return err
		}
		for _, n := range names(a.office.Active(), c.Name, from) {
			if _, err := register.RenameBody(ctx, tx, a.registerBy(), b.ID, n.Lang, n.Name, from); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		t.print("%s has its new name from %s on; the old one stays in its history.", c.Code, from)
	}
	return err
}

type bodyCloseCmd struct {
	dbFlag
	Code string        `arg:"" help:"Code of the body."`
	To   calendar.Date `name:"to" placeholder:"DATE" help:"Its last day; today if absent."`
}

func (bodyCloseCmd) Help() string { return helpText("body-close") }

func (c *bodyCloseCmd) Run(ctx context.Context, t *terminal) (err error) {
	a, err := c.open(ctx, t, wantOffice)
	if err != nil {
		return err
	}
	defer a.closing(&err)
	to := cmp.Or(c.To.String(), a.accounts.Today())
	err = a.db.Tx(ctx, func(tx *store.Tx) error {
		b, err := register.BodyByCode(ctx, tx, c.Code)
		if err != nil {
			return err
		}
		_, err = register.CloseBody(ctx, tx, a.registerBy(), b.ID, to)
		return err
	})
	if err == nil {
		t.print("%s has ended on %s.", c.Code, to)
	}
	return err
}
