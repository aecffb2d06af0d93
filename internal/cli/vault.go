package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"plumbline/internal/account"
	"plumbline/internal/fault"
	"plumbline/internal/ref"
	"plumbline/internal/register"
	"plumbline/internal/store"
	"plumbline/internal/vault"
)

type vaultCmd struct {
	Status  vaultStatusCmd  `cmd:"" help:"Say who can open which desk, who waits, and what rests on whom."`
	Split   vaultSplitCmd   `cmd:"" help:"Split a key that recovers every desk among officers."`
	Recover vaultRecoverCmd `cmd:"" help:"Open a desk for somebody with the officers' shares, or practise it."`
}

func (vaultCmd) Help() string { return helpText("vault") }

type vaultStatusCmd struct {
	dbFlag
	JSON bool `name:"json" help:"Print JSON."`
}

func (vaultStatusCmd) Help() string { return helpText("vault-status") }

// deskState is how a desk's key stands, for people and machines.
type deskState struct {
	Duty    string   `json:"duty"`
	Body    string   `json:"body"`
	InUse   bool     `json:"in_use"`  // false: from before somebody left, and not all handed over yet
	Openers int64    `json:"openers"` // people who can open it
	Kept    bool     `json:"kept"`    // the office key opens it, for people who have not signed in yet
	Covered bool     `json:"covered"` // the officers can recover it
	Matters int64    `json:"matters"` // sealed to it
	Waiting []string `json:"waiting"` // logins of those who belong to it and cannot open it
}

func (c *vaultStatusCmd) Run(ctx context.Context, t *terminal) (err error) {
	a, err := c.open(ctx, t, wantOffice)
	if err != nil {
		return err
	}
	defer a.closing(&err)
	states, escrow, err := a.desks(ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		return t.json(map[string]any{"desks": states, "officers": escrow.Officers, "need": escrow.Need, "office_key": a.vault.Whole()})
	}
	if !a.vault.Whole() {
		t.print("The office key is missing from %s.", a.keyPath)
	}
	if escrow.ID == 0 {
		t.print("No officers hold shares: a desk whose people all forget their passwords stays shut for ever. See plumbline vault split --help.")
	} else {
		t.print("%d of %d officers together can recover a desk.", escrow.Need, escrow.Officers)
	}
	if len(states) == 0 {
		t.print("No desk has a key yet. It gets one when somebody is given its duty.")
		return nil
	}
	tab := newTable("Desk", "People", "Matters", "Officers", "Remarks").alignRight(1, 2)
	for _, s := range states {
		var remarks []string
		if !s.InUse {
			remarks = append(remarks, "from before somebody left: handed over when a colleague signs in")
		}
		if s.Kept {
			remarks = append(remarks, "kept by the office key until its people have signed in")
		}
		if s.Openers == 0 && !s.Kept {
			remarks = append(remarks, "nobody can open it")
		}
		if len(s.Waiting) > 0 {
			remarks = append(remarks, "waiting to be let in: "+strings.Join(s.Waiting, ", "))
		}
		covered := "no"
		if s.Covered {
			covered = "yes"
		}
		tab.add(s.Duty+"@"+s.Body, strconv.FormatInt(s.Openers, 10), strconv.FormatInt(s.Matters, 10), covered, strings.Join(remarks, "; "))
	}
	tab.write(t.out)
	return nil
}

func (a *app) desks(ctx context.Context) (out []deskState, escrow vault.Escrow, err error) {
	err = a.db.Read(ctx, func(tx *store.Tx) error {
		out = nil
		found, err := a.vault.Desks(ctx, tx)
		if err != nil {
			return err
		}
		if escrow, err = a.vault.Escrow(ctx, tx); err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
		tree, err := a.engine.Tree(ctx, tx)
		if err != nil {
			return err
		}
		for _, d := range found {
			s := deskState{Duty: d.Key.Duty, Body: d.Key.Body.String(), InUse: d.InUse, Openers: d.Members, Kept: d.Kept, Covered: d.Covered, Matters: d.Matters}
			if b := tree.Body(d.Key.Body); b != nil {
				s.Body = b.Code
			}
			if d.InUse {
				waiting, err := a.vault.Outside(ctx, tx, d.Key.ID)
				if err != nil {
					return err
				}
				for _, id := range waiting {
					st, err := a.accounts.Load(ctx, tx, id)
					if err != nil {
						return err
					}
					s.Waiting = append(s.Waiting, st.Account.Login)
				}
			}
			out = append(out, s)
		}
		return nil
	})
	return out, escrow, err
}

type vaultSplitCmd struct {
	dbFlag
	Officers int    `name:"officers" required:"" placeholder:"N" help:"How many officers get a share."`
	Need     int    `name:"need" required:"" placeholder:"K" help:"How many of them are needed together."`
	Out      string `name:"out" placeholder:"DIR" help:"Write each share to a file of its own in this folder instead of printing it."`
}

func (vaultSplitCmd) Help() string { return helpText("vault-split") }

func (c *vaultSplitCmd) Run(ctx context.Context, t *terminal) (err error) {
	a, err := c.open(ctx, t, wantOffice)
	if err != nil {
		return err
	}
	defer a.closing(&err)
	if c.Out != "" { // before anything is made that could not be written down
		if err := os.MkdirAll(c.Out, 0o700); err != nil {
			return &problem{kind: fault.Unavailable, text: "cannot make the folder " + c.Out, cause: err}
		}
		for i := range c.Officers {
			if _, err := os.Stat(c.share(i)); !errors.Is(err, fs.ErrNotExist) {
				return problemf(fault.Conflict, "%s is there already; nothing was made", c.share(i))
			}
		}
	}
	if err := noCoreDump(); err != nil {
		t.log.Warn("a crash could leave the officers' key on the disk", "error", err)
	}
	delivered := false
	err = a.vault.Split(ctx, operator, c.Need, c.Officers, func(shares []vault.Share) error {
		for i, s := range shares {
			if c.Out == "" {
				t.print("Officer %d of %d:\n%s\n", i+1, len(shares), s.Line())
				continue
			}
			if err := writePrivate(c.share(i), s.Line()+"\n"); err != nil {
				return &problem{kind: fault.Unavailable, text: "cannot write " + c.share(i) + "; nothing was changed. Delete the share files already written in " + c.Out + " and try again", cause: err}
			}
			t.print("%s", c.share(i))
		}
		delivered = true
		return nil
	})
	switch {
	case errors.Is(err, store.ErrOutcomeUnknown):
		t.note("Keep these shares: whether they are in force is not known, because the database went away. plumbline vault recover --drill tells.")
	case err != nil && delivered:
		t.note("The shares above open nothing: throw them away. Earlier ones are as good as before.")
	}
	if err != nil {
		return err
	}
	t.note("Hand each officer their own share, on paper, and keep none here: any %d of them together open every desk.", c.Need)
	t.note("Desks that people have joined are covered once one of them has signed in. Practise: plumbline vault recover --drill --share FILE …")
	return nil
}

func (c *vaultSplitCmd) share(i int) string {
	return filepath.Join(c.Out, fmt.Sprintf("officer-%d-of-%d.share", i+1, c.Officers))
}

type vaultRecoverCmd struct {
	dbFlag
	Share []string `name:"share" placeholder:"FILE" help:"File with a share. Repeat for each officer; - reads one share a line from the keyboard or a pipe."`
	Desk  dutyAt   `name:"desk" placeholder:"DUTY@BODY" help:"The desk to open."`
	To    string   `name:"to" placeholder:"LOGIN" help:"Who gets its key: somebody who holds the duty and has signed in once."`
	Drill bool     `name:"drill" help:"Only try the shares on every desk. Nothing is changed."`
}

func (vaultRecoverCmd) Help() string { return helpText("vault-recover") }

func (c *vaultRecoverCmd) Run(ctx context.Context, t *terminal) (err error) {
	if !c.Drill && (c.To == "" || c.Desk.Duty == "") {
		return problemf(fault.Invalid, "say which desk and for whom: --desk DUTY@BODY --to LOGIN; or practise with --drill")
	}
	shares, err := c.read(t)
	if err != nil {
		return err
	}
	a, err := c.open(ctx, t, wantOffice)
	if err != nil {
		return err
	}
	defer a.closing(&err)
	if err := noCoreDump(); err != nil {
		t.log.Warn("a crash could leave the officers' key on the disk", "error", err)
	}
	joined, err := a.vault.Combine(ctx, shares)
	if err != nil {
		return err
	}
	if c.Drill {
		return c.drill(ctx, t, a, joined)
	}
	var id ref.AccountID
	var body ref.BodyID
	err = a.db.Read(ctx, func(tx *store.Tx) error {
		st, err := a.accounts.ByLogin(ctx, tx, c.To)
		if err != nil {
			return err
		}
		b, err := register.BodyByCode(ctx, tx, c.Desk.Body)
		if err != nil {
			return err
		}
		id, body = st.Account.ID, b.ID
		today := a.accounts.Today()
		for _, g := range st.Grants {
			if g.Duty == c.Desk.Duty && g.Body == body && g.On(today) {
				return nil
			}
		}
		return problemf(fault.Forbidden, "%s does not hold the duty %s: give it to them first, with plumbline account grant", c.To, c.Desk)
	})
	if err != nil {
		return err
	}
	n, err := joined.Recover(ctx, operator, id, vault.Desk{Duty: c.Desk.Duty, Body: body})
	if err != nil {
		return err
	}
	if err := a.catchUp(ctx, t, true); err != nil {
		return err
	}
	t.print("%s can open the desk %s now (%d keys). Its entry in the record says so.", c.To, c.Desk, n)
	return nil
}

// read collects the shares.
func (c *vaultRecoverCmd) read(t *terminal) (out []vault.Share, err error) {
	files := c.Share
	if len(files) == 0 {
		files = []string{"-"}
	}
	for _, name := range files {
		var text []byte
		if name == "-" {
			if isTerminal(t.in) {
				t.note("Type or paste one share a line; end with Ctrl-D.")
			}
			text, err = io.ReadAll(io.LimitReader(t.in, 1<<20))
		} else {
			text, err = os.ReadFile(name)
		}
		if err != nil {
			return nil, &problem{kind: fault.NotFound, text: "cannot read the share " + name, cause: err}
		}
		n := 0
		for line := range strings.Lines(string(text)) {
			n++
			if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
				continue
			}
			s, err := vault.ParseShare(line)
			if err != nil {
				place := name
				if name == "-" {
					place = "what was typed"
				}
				return nil, problemf(fault.Invalid, "%s, line %d: %s", place, n, book().For("en").Fault(err).Message)
			}
			out = append(out, s)
		}
	}
	return out, nil
}

func (c *vaultRecoverCmd) drill(ctx context.Context, t *terminal, a *app, joined *vault.Joined) error {
	found, err := joined.Drill(ctx)
	if err != nil {
		return err
	}
	var tree *register.Tree
	if err := a.db.Read(ctx, func(tx *store.Tx) (err error) { tree, err = a.engine.Tree(ctx, tx); return err }); err != nil {
		return err
	}
	good, broken := 0, 0
	tab := newTable("Desk", "Matters", "The shares open it").alignRight(1)
	for _, d := range found {
		said := "no: nobody on it has signed in since the shares were made"
		switch {
		case d.Broken:
			said = "NO: what is kept for the officers was changed"
			broken++
		case d.Covered:
			said = "yes"
			good++
		}
		body := d.Key.Body.String()
		if b := tree.Body(d.Key.Body); b != nil {
			body = b.Code
		}
		tab.add(d.Key.Duty+"@"+body, strconv.FormatInt(d.Matters, 10), said)
	}
	tab.write(t.out)
	t.print("The shares belong together and open %d of %d desks. Nothing was changed.", good, len(found))
	if broken > 0 {
		return errFoundWrong
	}
	return nil
}

var _ account.Keeper = (*vault.Vault)(nil)
