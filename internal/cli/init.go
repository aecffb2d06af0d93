package cli

import (
	"cmp"
	"context"
	"errors"
	"strings"

	"plumbline/internal/account"
	"plumbline/internal/fault"
	"plumbline/internal/journal"
	"plumbline/internal/office"
	"plumbline/internal/pack"
	"plumbline/internal/ref"
	"plumbline/internal/register"
	"plumbline/internal/store"
)

type initCmd struct {
	dbFlag
	Pack   string `name:"pack" placeholder:"NAME|DIR" help:"Rules of the office: a bundled pack or a folder."`
	Admin  string `name:"admin" placeholder:"LOGIN" help:"Name the administrator signs in with."`
	Office string `name:"office" placeholder:"NAME" help:"Name of the office. The pack's title if absent."`
	Code   string `name:"code" default:"office" help:"Code of the office among the bodies."`
	Level  string `name:"level" help:"Level of the office, as in the pack. Where the pack sends reports, if absent."`
	Sector string `name:"sector" help:"Sector of the office, as in the pack. Where the pack sends reports, if absent."`
	logKeyFlag
	originFlag
	passwordFlags
	JSON bool `name:"json" help:"Print JSON."`
}

func (initCmd) Help() string { return helpText("init") }

// initialised is what init did, for a machine.
type initialised struct {
	Database string `json:"database"`
	Pack     string `json:"pack"`
	Digest   string `json:"digest"`
	Office   string `json:"office"`
	Admin    string `json:"admin"`
	Origin   string `json:"origin"`             // name of the log
	LogKey   string `json:"log_key"`            // file of the key that signs it
	Password string `json:"password,omitempty"` // only one that was made up
}

func (c *initCmd) Run(ctx context.Context, t *terminal) (err error) {
	if c.Pack == "" {
		if c.Pack, err = t.ask("Pack ("+strings.Join(pack.BundledNames(), ", ")+", or a folder)", "--pack"); err != nil {
			return err
		}
	}
	if c.Admin == "" {
		if c.Admin, err = t.ask("Name the administrator signs in with", "--admin"); err != nil {
			return err
		}
	}
	p, err := openPack(c.Pack)
	if err != nil {
		return err
	}
	level, sector, err := c.place(p)
	if err != nil {
		return err
	}
	admin, err := adminDuty(p)
	if err != nil {
		return err
	}
	password, madeUp, err := c.choose(t)
	if err != nil {
		return err
	}
	if err := account.CheckPassword(c.Admin, password); err != nil {
		return err
	}

	origin, err := c.origin()
	if err != nil {
		return err
	}
	a, err := c.open(ctx, t, wantTables)
	if err != nil {
		return err
	}
	defer a.closing(&err)
	if active := a.office.Active(); active != nil {
		return problemf(fault.Conflict, "%s already holds an office, under the pack %s; nothing was changed", safeURL(c.DB), office.ID(active))
	}
	key, err := newLogKey(c.path(c.DB), origin)
	if err != nil {
		return err
	}
	if err := a.office.Load(ctx, operator, journal.ViaCLI, p, true); err != nil {
		return sayUnfair(err)
	}
	if err := a.recordLogKey(ctx, key, false); err != nil {
		return err
	}
	err = a.db.Tx(ctx, func(tx *store.Tx) error {
		names := []register.Name{}
		for _, lang := range p.Languages {
			name := c.Office
			if name == "" {
				name = p.Title[lang]
			}
			names = append(names, register.Name{Lang: lang, Name: name})
			if c.Office != "" {
				if err := a.office.Set(ctx, tx, operator, journal.ViaCLI, "name."+lang, c.Office); err != nil {
					return err
				}
			}
		}
		_, err := register.AddBody(ctx, tx, a.registerBy(), register.Body{
			ID: ref.BodyID(a.db.NewID()), Code: c.Code, Level: level, Sector: sector, Names: names,
		})
		return err
	})
	if err != nil {
		return err
	}
	cmd := account.CreateCmd{Login: c.Admin, Name: c.Admin, Lang: p.Languages[0]}
	if _, err := a.addAccount(ctx, cmd, password, madeUp, []dutyAt{{admin, c.Code}}); err != nil {
		return err
	}
	if err := a.catchUp(ctx, t, true); err != nil {
		return err
	}
	if c.JSON {
		out := initialised{Database: safeURL(c.DB), Pack: office.ID(p), Digest: p.Digest, Office: c.Code, Admin: c.Admin, Origin: origin, LogKey: key.Path()}
		if madeUp {
			out.Password = password
		}
		return t.json(out)
	}
	t.print("Ready: %s, pack %s, office %q, administrator %s.", safeURL(c.DB), office.ID(p), a.office.Name("en"), c.Admin)
	if madeUp {
		sayPassword(t, c.Admin, password, true)
	}
	t.print("The log %s is signed with the key in %s: keep a copy of that file apart from the database.", origin, key.Path())
	t.note("Next: plumbline serve --db %s", safeURL(c.DB))
	return nil
}

// place is where the office stands in the tree: as the flags say, else where the pack sends reports that no other
// rule sends elsewhere, checked against the pack.
func (c *initCmd) place(p *pack.Pack) (level, sector string, err error) {
	var usual pack.Route
	if kinds := p.ReportKinds(); len(kinds) > 0 && len(kinds[0].Routing) > 0 {
		usual = kinds[0].Routing[len(kinds[0].Routing)-1]
	}
	levels, sectors := make([]string, len(p.Levels)), make([]string, len(p.Sectors))
	for i, l := range p.Levels {
		levels[i] = l.ID
	}
	for i, s := range p.Sectors {
		sectors[i] = s.ID
	}
	if level, err = choose("level", cmp.Or(c.Level, usual.Level), levels); err != nil {
		return "", "", err
	}
	sector, err = choose("sector", cmp.Or(c.Sector, usual.Sector), sectors)
	return level, sector, err
}

// choose checks a choice against a list; the first is chosen where there is none.
func choose(what, chosen string, list []string) (string, error) {
	if chosen == "" && len(list) > 0 {
		return list[0], nil
	}
	for _, v := range list {
		if v == chosen {
			return v, nil
		}
	}
	return "", problemf(fault.Invalid, "the pack has no %s %q; it has %s", what, chosen, strings.Join(list, ", "))
}

// adminDuty is the duty of the pack that may manage accounts.
func adminDuty(p *pack.Pack) (string, error) {
	for _, d := range p.Duties {
		if d.Admin {
			return d.ID, nil
		}
	}
	return "", problemf(fault.Invalid, "the pack %s has no duty that manages accounts (admin: true)", p.Name)
}

// registerBy says that the operator changes the register.
func (a *app) registerBy() register.By {
	by := register.By{Actor: operator, Via: journal.ViaCLI, At: a.now()}
	if p := a.office.Active(); p != nil {
		by.Pack = office.ID(p)
	}
	return by
}

// sayUnfair turns the refusal of a pack into words with the list of what is wrong.
func sayUnfair(err error) error {
	var broken office.Unfair
	if errors.As(err, &broken) {
		return problemf(fault.Invalid, "the pack is refused, because it is not fair:\n%s", broken)
	}
	return err
}
