package cli

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"

	"plumbline/internal/account"
	"plumbline/internal/fault"
	"plumbline/internal/journal"
	"plumbline/internal/ref"
	"plumbline/internal/register"
	"plumbline/internal/store"
	"plumbline/internal/vault"
)

type accountCmd struct {
	Add        accountAddCmd        `cmd:"" help:"Make an account."`
	List       accountListCmd       `cmd:"" help:"List accounts with their duties."`
	Grant      accountGrantCmd      `cmd:"" help:"Give a duty at a body."`
	Revoke     accountRevokeCmd     `cmd:"" help:"Take a duty away."`
	Official   accountOfficialCmd   `cmd:"" help:"Say who somebody is in the register."`
	Invite     accountInviteCmd     `cmd:"" help:"Make a link with which a person chooses their own password."`
	Browser    accountBrowserCmd    `cmd:"" help:"Make a link by which a new browser does not wait for strangers' wrong tries."`
	Password   accountPasswordCmd   `cmd:"" help:"Set a password."`
	Token      accountTokenCmd      `cmd:"" help:"Tokens with which programs read in somebody's name."`
	Deactivate accountDeactivateCmd `cmd:"" help:"Keep an account from signing in."`
}

func (accountCmd) Help() string { return helpText("account") }

// bySystem is how the command line manages accounts.
var bySystem = account.System(journal.ViaCLI)

// duty is "DUTY@BODY" on the command line.
type dutyAt struct{ Duty, Body string }

func (d *dutyAt) UnmarshalText(text []byte) error {
	duty, body, ok := strings.Cut(string(text), "@")
	if !ok || duty == "" || body == "" {
		return fmt.Errorf("%q is not DUTY@BODY, such as intake@complaints", text)
	}
	d.Duty, d.Body = duty, body
	return nil
}

func (d dutyAt) String() string { return d.Duty + "@" + d.Body }

// passwordFlags say where a password comes from.
type passwordFlags struct {
	PasswordFile  string `name:"password-file" type:"existingfile" placeholder:"FILE" xor:"password" help:"Read the password from a file."`
	PasswordStdin bool   `name:"password-stdin" xor:"password" help:"Read the password from the first line of standard input."`
}

// choose returns the password to set, and whether it was made up.
func (f passwordFlags) choose(t *terminal) (password string, madeUp bool, err error) {
	if f.PasswordFile == "" && !f.PasswordStdin {
		return newPassword(), true, nil
	}
	password, err = t.secret("Password", f.PasswordFile, f.PasswordStdin)
	return password, false, err
}

// newPassword makes up a password of 80 random bits that can be read aloud.
func newPassword() string {
	const alphabet = "0123456789abcdefghjkmnpqrstvwxyz"
	var raw [16]byte
	if _, err := rand.Read(raw[:]); err != nil {
		panic(err) // crypto/rand never fails on the systems we run on
	}
	var b strings.Builder
	for i, c := range raw {
		if i > 0 && i%4 == 0 {
			b.WriteByte('-')
		}
		b.WriteByte(alphabet[c&31])
	}
	return b.String()
}

// sayPassword shows a password that was made up, the only time it is shown.
func sayPassword(t *terminal, login, password string, temporary bool) {
	t.print("Password of %s: %s", login, password)
	if temporary {
		t.note("It is shown this once and has to be changed at the first sign-in.")
	} else {
		t.note("It is shown this once.")
	}
}

type accountAddCmd struct {
	dbFlag
	Login string `arg:"" help:"Name to sign in with."`
	passwordFlags
	Name         string   `name:"name" help:"Name of the person, as colleagues see it. The login if absent."`
	Lang         string   `name:"lang" default:"en" help:"Language of the pages: en or zh-Hans."`
	Grant        []dutyAt `name:"grant" placeholder:"DUTY@BODY" help:"Give a duty at a body. May be repeated."`
	KeepPassword bool     `name:"keep-password" help:"Do not ask for another password at the first sign-in."`
	Invite       bool     `name:"invite" help:"Set no password: print a link with which the person chooses their own."`
	URL          string   `name:"url" env:"PLUMBLINE_URL" placeholder:"URL" help:"Address of the pages, to print the whole link of an invitation."`
}

func (accountAddCmd) Help() string { return helpText("account-add") }

func (c *accountAddCmd) Run(ctx context.Context, t *terminal) (err error) {
	a, err := c.open(ctx, t, wantOffice)
	if err != nil {
		return err
	}
	defer a.closing(&err)
	name := c.Name
	if name == "" {
		name = c.Login
	}
	if c.Invite {
		return c.invite(ctx, t, a, account.CreateCmd{Login: c.Login, Name: name, Lang: c.Lang})
	}
	password, madeUp, err := c.choose(t)
	if err != nil {
		return err
	}
	if _, err := a.addAccount(ctx, account.CreateCmd{Login: c.Login, Name: name, Lang: c.Lang}, password, !c.KeepPassword, c.Grant); err != nil {
		return err
	}
	t.print("Account %s made%s.", c.Login, grantsText(c.Grant))
	if madeUp {
		sayPassword(t, c.Login, password, !c.KeepPassword)
	}
	return nil
}

func grantsText(grants []dutyAt) string {
	if len(grants) == 0 {
		return ", with no duty yet"
	}
	texts := make([]string, len(grants))
	for i, g := range grants {
		texts[i] = g.String()
	}
	return ", with " + strings.Join(texts, ", ")
}

// addAccount makes an account with its password and duties, all or nothing.
func (a *app) addAccount(ctx context.Context, cmd account.CreateCmd, password string, temporary bool, grants []dutyAt) (id ref.AccountID, err error) {
	if err := account.CheckPassword(cmd.Login, password); err != nil {
		return 0, err
	}
	hash, err := a.accounts.HashPassword(ctx, password)
	if err != nil {
		return 0, err
	}
	err = a.db.Tx(ctx, func(tx *store.Tx) error {
		id, err = a.accounts.Create(ctx, tx, bySystem, cmd)
		if err != nil {
			return err
		}
		if err := a.accounts.SetHash(ctx, tx, bySystem, id, hash, temporary); err != nil {
			return err
		}
		return a.grantAll(ctx, tx, id, grants)
	})
	return id, err
}

func (a *app) grantAll(ctx context.Context, tx *store.Tx, id ref.AccountID, grants []dutyAt) error {
	for _, g := range grants {
		body, err := register.BodyByCode(ctx, tx, g.Body)
		if err != nil {
			return err
		}
		if err := a.accounts.Grant(ctx, tx, bySystem, account.GrantCmd{Account: id, Duty: g.Duty, Body: body.ID}); err != nil {
			return err
		}
	}
	return nil
}

type accountListCmd struct {
	dbFlag
	Duty  string `name:"duty" help:"Only those who hold this duty."`
	Under string `name:"under" placeholder:"BODY" help:"Only those who hold a duty at this body or below it."`
	All   bool   `name:"all" help:"Also accounts that may not sign in any more."`
	JSON  bool   `name:"json" help:"Print JSON."`
}

func (accountListCmd) Help() string { return helpText("account-list") }

type listedAccount struct {
	Login  string        `json:"login"`
	Name   string        `json:"name"`
	Lang   string        `json:"lang"`
	Active bool          `json:"active"`
	Duties []listedGrant `json:"duties"`
}

type listedGrant struct {
	Duty string `json:"duty"`
	Body string `json:"body"`
	From string `json:"from"`
	To   string `json:"to,omitempty"`
}

func (c *accountListCmd) Run(ctx context.Context, t *terminal) (err error) {
	a, err := c.open(ctx, t, wantOffice)
	if err != nil {
		return err
	}
	defer a.closing(&err)
	out := []listedAccount{}
	err = a.db.Read(ctx, func(tx *store.Tx) error {
		filter := account.Filter{Duty: c.Duty, Inactive: c.All}
		if c.Under != "" {
			body, err := register.BodyByCode(ctx, tx, c.Under)
			if err != nil {
				return err
			}
			filter.Under = body.ID
		}
		tree, err := register.LoadTree(ctx, tx)
		if err != nil {
			return err
		}
		all, err := a.accounts.List(ctx, tx, filter)
		for _, l := range all {
			one := listedAccount{Login: l.Login, Name: l.Name, Lang: l.Lang, Active: l.Active == 1, Duties: []listedGrant{}}
			for _, g := range l.Grants {
				code := g.Body.String()
				if b := tree.Body(g.Body); b != nil {
					code = b.Code
				}
				one.Duties = append(one.Duties, listedGrant{Duty: g.Duty, Body: code, From: g.From, To: g.To})
			}
			out = append(out, one)
		}
		return err
	})
	if err != nil {
		return err
	}
	if c.JSON {
		return t.json(out)
	}
	tab := newTable("Login", "Name", "Language", "Duties")
	for _, l := range out {
		duties := make([]string, len(l.Duties))
		for i, g := range l.Duties {
			duties[i] = g.Duty + "@" + g.Body
			if g.To != "" {
				duties[i] += " (until " + g.To + ")"
			}
		}
		login := l.Login
		if !l.Active {
			login += " (deactivated)"
		}
		tab.add(login, l.Name, l.Lang, strings.Join(duties, ", "))
	}
	tab.write(t.out)
	t.note("%s", plural(int64(len(out)), "account", "accounts"))
	return nil
}

// onAccount runs do on an account that is named by its login.
func onAccount(ctx context.Context, a *app, login string, do func(tx *store.Tx, st account.State) error) error {
	return a.db.Tx(ctx, func(tx *store.Tx) error {
		st, err := a.accounts.ByLogin(ctx, tx, login)
		if fault.Is(err, fault.NotFound) {
			return problemf(fault.NotFound, "there is no account %q; plumbline account list shows them", login)
		}
		if err != nil {
			return err
		}
		return do(tx, st)
	})
}

type accountGrantCmd struct {
	dbFlag
	Login string `arg:"" help:"Account."`
	Duty  dutyAt `arg:"" placeholder:"DUTY@BODY" help:"Duty of the pack, and code of the body."`
	From  string `name:"from" placeholder:"DATE" help:"First day; today if absent."`
	Until string `name:"until" placeholder:"DATE" help:"Last day; until revoked if absent."`
}

func (accountGrantCmd) Help() string { return helpText("account-grant") }

func (c *accountGrantCmd) Run(ctx context.Context, t *terminal) (err error) {
	a, err := c.open(ctx, t, wantOffice)
	if err != nil {
		return err
	}
	defer a.closing(&err)
	err = onAccount(ctx, a, c.Login, func(tx *store.Tx, st account.State) error {
		body, err := register.BodyByCode(ctx, tx, c.Duty.Body)
		if err != nil {
			return err
		}
		return a.accounts.Grant(ctx, tx, bySystem, account.GrantCmd{Account: st.Account.ID, Duty: c.Duty.Duty, Body: body.ID, From: c.From, Until: c.Until})
	})
	if err == nil {
		t.print("%s now holds %s.", c.Login, c.Duty)
	}
	return err
}

type accountRevokeCmd struct {
	dbFlag
	Login string `arg:"" help:"Account."`
	Duty  dutyAt `arg:"" placeholder:"DUTY@BODY" help:"Duty and body, as account list shows them."`
}

func (accountRevokeCmd) Help() string { return helpText("account-revoke") }

func (c *accountRevokeCmd) Run(ctx context.Context, t *terminal) (err error) {
	a, err := c.open(ctx, t, wantOffice)
	if err != nil {
		return err
	}
	defer a.closing(&err)
	err = onAccount(ctx, a, c.Login, func(tx *store.Tx, st account.State) error {
		body, err := register.BodyByCode(ctx, tx, c.Duty.Body)
		if err != nil {
			return err
		}
		today, found := a.accounts.Today(), false
		for _, g := range st.Grants {
			if g.Duty != c.Duty.Duty || g.Body != body.ID || g.Ended(today) {
				continue
			}
			found = true
			if err := a.accounts.Revoke(ctx, tx, bySystem, account.RevokeCmd{Account: st.Account.ID, Duty: g.Duty, Body: g.Body, From: g.From}); err != nil {
				return err
			}
		}
		if !found {
			return problemf(fault.NotFound, "%s does not hold %s", c.Login, c.Duty)
		}
		return nil
	})
	if err == nil {
		t.print("%s no longer holds %s.", c.Login, c.Duty)
	}
	return err
}

type accountOfficialCmd struct {
	dbFlag
	Login  string         `arg:"" help:"Account."`
	Number ref.OfficialID `arg:"" optional:"" help:"Number of the official, as official list shows it."`
	None   bool           `name:"none" help:"They are not in the register."`
}

func (accountOfficialCmd) Help() string { return helpText("account-official") }

func (c *accountOfficialCmd) Run(ctx context.Context, t *terminal) (err error) {
	if c.None != (c.Number == 0) {
		return problemf(fault.Invalid, "give the number of an official, or --none")
	}
	a, err := c.open(ctx, t, wantOffice)
	if err != nil {
		return err
	}
	defer a.closing(&err)
	err = onAccount(ctx, a, c.Login, func(tx *store.Tx, st account.State) error {
		return a.accounts.SetOfficial(ctx, tx, bySystem, st.Account.ID, c.Number)
	})
	switch {
	case err != nil:
		return err
	case c.None:
		t.print("%s is nobody in the register.", c.Login)
	default:
		t.print("%s is official %s of the register.", c.Login, c.Number)
	}
	return nil
}

type accountPasswordCmd struct {
	dbFlag
	Login string `arg:"" help:"Account."`
	passwordFlags
	KeepPassword bool `name:"keep-password" help:"Do not ask for another password at the next sign-in."`
}

func (accountPasswordCmd) Help() string { return helpText("account-password") }

func (c *accountPasswordCmd) Run(ctx context.Context, t *terminal) (err error) {
	a, err := c.open(ctx, t, wantOffice)
	if err != nil {
		return err
	}
	defer a.closing(&err)
	password, madeUp, err := c.choose(t)
	if err != nil {
		return err
	}
	var id ref.AccountID
	var had bool
	var alone []string
	if err := onAccount(ctx, a, c.Login, func(tx *store.Tx, st account.State) (err error) {
		id = st.Account.ID
		if had, err = a.vault.HasKey(ctx, tx, id); err != nil {
			return err
		}
		alone, err = a.onlyTheirs(ctx, tx, st)
		return err
	}); err != nil {
		return err
	}
	if err := a.accounts.SetPassword(ctx, bySystem, id, password, !c.KeepPassword); err != nil {
		return err
	}
	t.print("The password of %s is set, and its sessions have ended.", c.Login)
	if had {
		t.note("The key that the old password opened is given up: once they have signed in, a colleague on each of their desks has to let them in again. Nothing is lost for the desks.")
	}
	for _, desk := range alone {
		t.note("But nobody else could open %s: what is sealed to it now takes the officers. See plumbline vault recover --help.", desk)
	}
	if madeUp {
		sayPassword(t, c.Login, password, !c.KeepPassword)
	}
	return nil
}

// onlyTheirs names the desks of which somebody alone can open what is sealed.
func (a *app) onlyTheirs(ctx context.Context, tx *store.Tx, st account.State) (out []string, err error) {
	for _, g := range st.Grants {
		alone, err := a.vault.Alone(ctx, tx, st.Account.ID, vault.Desk{Duty: g.Duty, Body: g.Body})
		if err != nil {
			return nil, err
		}
		if !alone {
			continue
		}
		b, err := register.BodyByID(ctx, tx, g.Body)
		if err != nil {
			return nil, err
		}
		if what := g.Duty + "@" + b.Code; !slices.Contains(out, what) {
			out = append(out, what)
		}
	}
	return out, nil
}

type accountDeactivateCmd struct {
	dbFlag
	Login string `arg:"" help:"Account."`
	Undo  bool   `name:"undo" help:"Let it sign in again."`
}

func (accountDeactivateCmd) Help() string { return helpText("account-deactivate") }

func (c *accountDeactivateCmd) Run(ctx context.Context, t *terminal) (err error) {
	a, err := c.open(ctx, t, wantOffice)
	if err != nil {
		return err
	}
	defer a.closing(&err)
	err = onAccount(ctx, a, c.Login, func(tx *store.Tx, st account.State) error {
		if c.Undo {
			return a.accounts.Activate(ctx, tx, bySystem, st.Account.ID)
		}
		return a.accounts.Deactivate(ctx, tx, bySystem, st.Account.ID)
	})
	switch {
	case err != nil:
		return err
	case c.Undo:
		t.print("%s may sign in again.", c.Login)
	default:
		t.print("%s may not sign in any more.", c.Login)
	}
	return nil
}
