package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"plumbline/internal/access"
	"plumbline/internal/calendar"
	"plumbline/internal/fault"
	"plumbline/internal/matter"
	"plumbline/internal/pack"
	"plumbline/internal/ref"
	"plumbline/internal/register"
	"plumbline/internal/store"
	"plumbline/internal/words"
)

type accessCmd struct {
	Explain accessExplainCmd `cmd:"" help:"Say what an account may do with a matter, by what, or why not."`
	Law     accessLawCmd     `cmd:"" help:"Print the table by which everything is decided."`
}

func (accessCmd) Help() string { return helpText("access") }

type accessExplainCmd struct {
	dbFlag
	Account string `arg:"" help:"Login of the account."`
	Matter  string `arg:"" help:"Reference of the matter."`
	Lang    string `name:"lang" default:"en" help:"Language of the words."`
	JSON    bool   `name:"json" help:"Print JSON."`
}

func (accessExplainCmd) Help() string { return helpText("access-explain") }

// explainedAccess is the answer of access explain, as JSON has it.
type explainedAccess struct {
	Account string          `json:"account"`
	Matter  string          `json:"matter"`
	Kind    string          `json:"kind"`
	State   string          `json:"state"`
	Desk    string          `json:"desk,omitempty"`
	At      string          `json:"desk_body,omitempty"`
	Away    string          `json:"kept_away,omitempty"`
	Acts    []explainedLine `json:"acts"`
}

type explainedLine struct {
	Act    string   `json:"act"`
	Step   string   `json:"step,omitempty"`
	OK     bool     `json:"allowed"`
	Row    string   `json:"row,omitempty"`
	Duty   string   `json:"duty,omitempty"`
	Body   string   `json:"body,omitempty"`
	Why    string   `json:"why,omitempty"`
	Whose  []string `json:"duties,omitempty"`
	Bodies []string `json:"bodies,omitempty"`
	Ask    []string `json:"ask,omitempty"`

	act access.Act
	say string
}

func (c *accessExplainCmd) Run(ctx context.Context, t *terminal) (err error) {
	reference, err := ref.ParseReference(c.Matter)
	if err != nil {
		return problemf(fault.Invalid, "%q is no reference of a matter", c.Matter)
	}
	a, err := c.open(ctx, t, wantOffice)
	if err != nil {
		return err
	}
	defer a.closing(&err)
	say := book().For(c.Lang)
	var out explainedAccess
	err = a.db.Read(ctx, func(tx *store.Tx) error {
		who, err := a.accounts.ByLogin(ctx, tx, c.Account)
		if err != nil {
			return err
		}
		v, err := a.accounts.ViewerOf(ctx, tx, who.Account.ID)
		if err != nil {
			return err
		}
		s, err := a.engine.ByRef(ctx, tx, reference)
		if err != nil {
			return err
		}
		x, err := a.engine.Explain(ctx, tx, v, s.Matter.ID)
		if err != nil {
			return err
		}
		out, err = a.explained(ctx, tx, say, who.Account.Login, v, s, x)
		return err
	})
	if err != nil {
		return err
	}
	if c.JSON {
		return t.json(out)
	}
	out.write(t, say)
	return nil
}

func (a *app) explained(ctx context.Context, tx *store.Tx, say *words.Speaker, login string, v access.Viewer, s matter.State, x matter.Explanation) (explainedAccess, error) {
	tree, err := a.engine.Tree(ctx, tx)
	if err != nil {
		return explainedAccess{}, err
	}
	code := func(id ref.BodyID) string {
		if b := tree.Body(id); b != nil {
			return b.Code
		}
		return ""
	}
	facts, err := a.engine.Facts(ctx, tx, s)
	if err != nil {
		return explainedAccess{}, err
	}
	out := explainedAccess{Account: login, Matter: string(s.Matter.Ref), Kind: s.Matter.Kind, State: s.Matter.State, Desk: s.Matter.Desk,
		At: code(s.Matter.DeskBody), Away: string(x.Bar)}
	for _, l := range x.Lines {
		e := explainedLine{Act: string(l.Act), Step: l.Step, OK: l.OK, Row: l.Row, act: l.Act, say: say.T("law.act." + string(l.Act))}
		if l.OK {
			e.Duty, e.Body = l.Grant.Duty, code(l.Grant.Body)
		} else {
			if x.Bar == "" || l.Why.Kind == fault.Forbidden {
				e.Why = l.Why.Key
			}
			e.Whose = l.Duties
			for _, b := range l.Bodies {
				e.Bodies = append(e.Bodies, code(b))
			}
			if e.Ask, err = a.whomToAsk(ctx, tx, l, v, facts); err != nil {
				return out, err
			}
		}
		out.Acts = append(out.Acts, e)
	}
	return out, nil
}

// whomToAsk are the people who hold what an act takes and are not kept away from the matter themselves.
func (a *app) whomToAsk(ctx context.Context, tx *store.Tx, l access.Line, v access.Viewer, f access.Facts) ([]string, error) {
	if len(l.Duties) == 0 {
		return nil, nil
	}
	holders, err := a.accounts.Holders(ctx, tx, l.Duties, l.Bodies)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, h := range holders {
		if h.Account == v.Account || slices.Contains(out, h.Name) || len(out) == 5 {
			continue
		}
		other, err := a.accounts.ViewerOf(ctx, tx, h.Account)
		if err != nil {
			return nil, err
		}
		if _, barred := access.Recused(other, f); !barred || !l.Act.OnMatter() {
			out = append(out, h.Name)
		}
	}
	return out, nil
}

func (x explainedAccess) write(t *terminal, say *words.Speaker) {
	t.print("%s and %s (%s, %s, with %s at %s)", x.Account, x.Matter, x.Kind, x.State, x.Desk, x.At)
	if x.Away != "" {
		t.print("Kept away: %s.", say.T("law.reason."+x.Away))
		for _, b := range access.Bars {
			if string(b.Reason) == x.Away {
				t.print("So: %s.", say.T("law.extent."+string(b.Forbids)))
			}
		}
	}
	tab := newTable("May", "", "By, or whose it is")
	for _, l := range x.Acts {
		what := l.say
		if l.Step != "" {
			what += ": " + l.Step
		}
		if l.OK {
			tab.add(what, "yes", fmt.Sprintf("%s, %s at %s", l.Row, l.Duty, l.Body))
			continue
		}
		whose := strings.Join(l.Whose, ", ")
		if whose == "" {
			whose = say.T("law.none")
		} else if len(l.Bodies) > 0 {
			whose += " at " + strings.Join(l.Bodies, ", ")
		}
		if len(l.Ask) > 0 {
			whose += ": " + strings.Join(l.Ask, ", ")
		}
		if l.Why != "" {
			whose += " (" + l.Why + ")"
		}
		tab.add(what, "no", whose)
	}
	tab.write(t.out)
}

type accessLawCmd struct {
	dbFlag
	Pack     string `name:"pack" help:"Rules to name duties from, such as generic; needs no database."`
	Lang     string `name:"lang" default:"en" help:"Language of the words."`
	Markdown bool   `name:"markdown" help:"Print Markdown."`
	JSON     bool   `name:"json" help:"Print JSON."`
}

func (accessLawCmd) Help() string { return helpText("access-law") }

func (c *accessLawCmd) Run(ctx context.Context, t *terminal) (err error) {
	var p *pack.Pack
	if c.Pack != "" {
		if p, err = pack.Bundled(c.Pack); err != nil {
			return err
		}
	} else {
		a, err := c.open(ctx, t, wantOffice)
		if err != nil {
			return err
		}
		p = a.office.Active()
		if err := a.close(); err != nil {
			return err
		}
	}
	say := book().For(c.Lang)
	switch {
	case c.JSON:
		return t.json(lawAsJSON(p))
	case c.Markdown:
		LawInMarkdown(t.out, say, p)
	default:
		tab := newTable(say.T("law.row"), say.T("law.act"), say.T("law.duty"), say.T("law.where"), say.T("law.only"), say.T("law.duties"))
		for _, r := range lawRows(say, p) {
			tab.add(r...)
		}
		tab.write(t.out)
		t.print("")
		tab = newTable(say.T("law.reason"), say.T("law.extent"))
		for _, b := range access.Bars {
			tab.add(say.T("law.reason."+string(b.Reason)), say.T("law.extent."+string(b.Forbids)))
		}
		tab.write(t.out)
	}
	return nil
}

type lawRow struct {
	ID     string           `json:"row"`
	Act    access.Act       `json:"act"`
	Duty   []access.Quality `json:"duty"`
	Where  access.Scope     `json:"where"`
	Only   access.Condition `json:"if,omitempty"`
	Duties []string         `json:"duties"`
}

func lawAsJSON(p *pack.Pack) any {
	out := struct {
		Pack string       `json:"pack"`
		Rows []lawRow     `json:"rows"`
		Bars []access.Bar `json:"kept_away"`
	}{Pack: p.ID(), Bars: access.Bars}
	for _, r := range access.Law {
		out.Rows = append(out.Rows, lawRow{r.ID, r.Act, r.Duty, r.Where, r.Only, dutiesOf(p, r)})
	}
	return out
}

// dutiesOf are the duties of a pack that a row can entitle.
func dutiesOf(p *pack.Pack, r access.Row) []string {
	out := []string{}
	for i := range p.Duties {
		d := &p.Duties[i]
		if (d.Actor == pack.ActorAccount || d.Actor == "") && slices.ContainsFunc(access.AtMost(p, d.ID, r.Act), func(x access.Row) bool { return x.ID == r.ID }) {
			out = append(out, d.ID)
		}
	}
	return out
}

// lawRows is the table in words.
func lawRows(say *words.Speaker, p *pack.Pack) [][]string {
	var out [][]string
	for _, r := range access.Law {
		var qualities []string
		for _, q := range r.Duty {
			qualities = append(qualities, say.T("law.quality."+string(q)))
		}
		only := say.T("law.only." + string(r.Only))
		if r.Apart {
			only = say.T("law.apart")
		}
		duties := strings.Join(dutiesOf(p, r), ", ")
		if duties == "" {
			duties = say.T("law.none")
		}
		out = append(out, []string{r.ID, say.T("law.act." + string(r.Act)), strings.Join(qualities, "; "), say.T("law.scope." + string(r.Where)), only, duties})
	}
	return out
}

// LawInMarkdown writes the table and the reasons that beat it, for the documentation, where a test keeps them current.
func LawInMarkdown(w io.Writer, say *words.Speaker, p *pack.Pack) {
	line := func(cells ...string) { fmt.Fprintln(w, "| "+strings.Join(cells, " | ")+" |") }
	line(say.T("law.row"), say.T("law.act"), say.T("law.duty"), say.T("law.where"), say.T("law.only"), say.T("law.duties"))
	line("---", "---", "---", "---", "---", "---")
	for _, r := range lawRows(say, p) {
		line(r...)
	}
	fmt.Fprintln(w)
	line(say.T("law.reason"), say.T("law.extent"))
	line("---", "---")
	for _, b := range access.Bars {
		line(say.T("law.reason."+string(b.Reason)), say.T("law.extent."+string(b.Forbids)))
	}
}

// tieCmd is what declaring a relative and an interest have in common.
type tieCmd struct {
	dbFlag
	Who   string         `arg:"" help:"Number of an official, or login of an account."`
	Other ref.OfficialID `arg:"" help:"Number of the official they are tied to."`
	From  calendar.Date  `name:"from" placeholder:"DATE" help:"First day; today if absent."`
}

func (c *tieCmd) declare(ctx context.Context, t *terminal, kind string) error {
	var made register.Tie
	err := c.change(ctx, t, func(a *app, tx *store.Tx) error {
		tie := register.Tie{ID: a.db.NewID(), Other: c.Other, Kind: kind, From: c.From.String()}
		if tie.From == "" {
			tie.From = a.accounts.Today()
		}
		if n, err := strconv.ParseInt(c.Who, 10, 64); err == nil {
			tie.Official = ref.OfficialID(n)
		} else {
			who, err := a.accounts.ByLogin(ctx, tx, c.Who)
			if err != nil {
				return err
			}
			tie.Account = who.Account.ID
		}
		var err error
		made, err = register.Declare(ctx, tx, a.registerBy(), tie)
		return err
	})
	if err == nil {
		t.print("Declared as number %d: %s and %s are kept away from matters that name the other.", made.ID, c.Who, c.Other)
	}
	return err
}

type officialRelateCmd struct{ tieCmd }

func (officialRelateCmd) Help() string { return helpText("official-relate") }

func (c *officialRelateCmd) Run(ctx context.Context, t *terminal) error {
	return c.declare(ctx, t, register.TieRelative)
}

type officialInterestCmd struct{ tieCmd }

func (officialInterestCmd) Help() string { return helpText("official-interest") }

func (c *officialInterestCmd) Run(ctx context.Context, t *terminal) error {
	return c.declare(ctx, t, register.TieInterest)
}

type officialTiesCmd struct {
	dbFlag
	Who  string `arg:"" help:"Number of an official, or login of an account."`
	JSON bool   `name:"json" help:"Print JSON."`
}

func (officialTiesCmd) Help() string { return helpText("official-ties") }

type listedTie struct {
	ID       int64          `json:"id,string"`
	Account  ref.AccountID  `json:"account,omitempty,string"`
	Official ref.OfficialID `json:"official,omitempty,string"`
	Other    ref.OfficialID `json:"other,string"`
	Kind     string         `json:"kind"`
	From     string         `json:"from"`
	To       string         `json:"to,omitempty"`
}

func (c *officialTiesCmd) Run(ctx context.Context, t *terminal) (err error) {
	a, err := c.open(ctx, t, wantOffice)
	if err != nil {
		return err
	}
	defer a.closing(&err)
	out := []listedTie{}
	err = a.db.Read(ctx, func(tx *store.Tx) error {
		var account ref.AccountID
		n, err := strconv.ParseInt(c.Who, 10, 64)
		if err != nil {
			who, err := a.accounts.ByLogin(ctx, tx, c.Who)
			if err != nil {
				return err
			}
			account, n = who.Account.ID, int64(who.Account.Official)
		}
		found, err := register.TiesOf(ctx, tx, account, ref.OfficialID(n))
		if err == nil && account != 0 && n != 0 {
			var more []register.Tie
			more, err = register.TiesOf(ctx, tx, 0, ref.OfficialID(n))
			found = append(found, more...)
		}
		for _, x := range found {
			out = append(out, listedTie{x.ID, x.Account, x.Official, x.Other, x.Kind, x.From, x.To})
		}
		return err
	})
	if err != nil {
		return err
	}
	if c.JSON {
		return t.json(out)
	}
	tab := newTable("Number", "Who", "Kind", "Official", "From", "To")
	for _, x := range out {
		who := x.Official.String()
		if x.Account != 0 {
			who = "account " + x.Account.String()
		}
		tab.add(strconv.FormatInt(x.ID, 10), who, x.Kind, x.Other.String(), x.From, x.To)
	}
	tab.write(t.out)
	return nil
}

type officialUntieCmd struct {
	dbFlag
	Tie int64         `arg:"" help:"Number of the declaration, from plumbline official ties."`
	To  calendar.Date `name:"to" placeholder:"DATE" help:"Last day; today if absent."`
}

func (officialUntieCmd) Help() string { return helpText("official-untie") }

func (c *officialUntieCmd) Run(ctx context.Context, t *terminal) error {
	to := c.To.String()
	err := c.change(ctx, t, func(a *app, tx *store.Tx) error {
		if to == "" {
			to = a.accounts.Today()
		}
		_, err := register.EndTie(ctx, tx, a.registerBy(), c.Tie, to)
		return err
	})
	if err == nil {
		t.print("It ends on %s; what was declared stays in the record.", to)
	}
	return err
}
