package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"plumbline/internal/account"
	"plumbline/internal/fault"
	"plumbline/internal/store"
)

type accountInviteCmd struct {
	dbFlag
	Login  string `arg:"" help:"Account."`
	Reset  bool   `name:"reset" help:"First take away every way in which the account signs in: password, codes, passkeys, accounts elsewhere, tokens."`
	Revoke bool   `name:"revoke" xor:"reset" help:"Take back the invitation instead."`
	URL    string `name:"url" env:"PLUMBLINE_URL" placeholder:"URL" help:"Address of the pages, to print the whole link."`
}

func (accountInviteCmd) Help() string { return helpText("account-invite") }

func (c *accountInviteCmd) Run(ctx context.Context, t *terminal) (err error) {
	a, err := c.open(ctx, t, wantOffice)
	if err != nil {
		return err
	}
	defer a.closing(&err)
	var token string
	var until time.Time
	err = onAccount(ctx, a, c.Login, func(tx *store.Tx, st account.State) error {
		if c.Revoke {
			return a.accounts.Uninvite(ctx, tx, bySystem, st.Account.ID)
		}
		if c.Reset {
			if err := a.accounts.Reset(ctx, tx, bySystem, st.Account.ID); err != nil {
				return err
			}
		}
		token, until, err = a.accounts.Invite(ctx, tx, bySystem, st.Account.ID)
		return err
	})
	var f *fault.Error
	if errors.As(err, &f) && f.Key == "account.invite-set" {
		return problemf(fault.Conflict, "%s has a password already; to begin anew: plumbline account invite %s --reset", c.Login, c.Login)
	}
	if err != nil {
		return err
	}
	if c.Revoke {
		t.print("The invitation of %s opens nothing any more.", c.Login)
		return nil
	}
	a.sayInvitation(t, c.Login, c.URL, token, until)
	if c.Reset {
		t.note("What is sealed for them stays shut until a colleague at the same desk lets them in again.")
	}
	return nil
}

// sayInvitation shows a link, the only time it is shown.
func (a *app) sayInvitation(t *terminal, login, url, token string, until time.Time) {
	t.print("%s/invite/%s", strings.TrimRight(url, "/"), token)
	t.note("With this link %s chooses a password, until %s. It is shown this once and works once.", login, until.In(a.office.Zone()).Format("2006-01-02 15:04"))
	if url == "" {
		t.note("Put the address of the pages before it, or give it with --url.")
	}
}

type accountBrowserCmd struct {
	dbFlag
	Login string `arg:"" help:"Account."`
	URL   string `name:"url" env:"PLUMBLINE_URL" placeholder:"URL" help:"Address of the pages, to print the whole link."`
}

func (accountBrowserCmd) Help() string { return helpText("account-browser") }

func (c *accountBrowserCmd) Run(ctx context.Context, t *terminal) (err error) {
	a, err := c.open(ctx, t, wantOffice)
	if err != nil {
		return err
	}
	defer a.closing(&err)
	var token string
	var until time.Time
	err = onAccount(ctx, a, c.Login, func(tx *store.Tx, st account.State) error {
		token, until, err = a.accounts.NewBrowser(ctx, tx, bySystem, st.Account.ID)
		return err
	})
	if err != nil {
		return err
	}
	t.print("%s/staff/sign-in/browser/%s", strings.TrimRight(c.URL, "/"), token)
	t.note("%s opens it in the new browser before %s, then signs in as always.", c.Login, until.In(a.office.Zone()).Format("2006-01-02 15:04"))
	return nil
}

// invite makes an account without a password.
func (c *accountAddCmd) invite(ctx context.Context, t *terminal, a *app, cmd account.CreateCmd) error {
	var token string
	var until time.Time
	err := a.db.Tx(ctx, func(tx *store.Tx) error {
		id, err := a.accounts.Create(ctx, tx, bySystem, cmd)
		if err != nil {
			return err
		}
		if err := a.grantAll(ctx, tx, id, c.Grant); err != nil {
			return err
		}
		token, until, err = a.accounts.Invite(ctx, tx, bySystem, id)
		return err
	})
	if err != nil {
		return err
	}
	t.print("Account %s made%s.", c.Login, grantsText(c.Grant))
	a.sayInvitation(t, c.Login, c.URL, token, until)
	return nil
}

type accountTokenCmd struct {
	Make   accountTokenMakeCmd   `cmd:"" help:"Make a token."`
	List   accountTokenListCmd   `cmd:"" help:"List the tokens of an account."`
	Revoke accountTokenRevokeCmd `cmd:"" help:"Take a token back."`
}

func (accountTokenCmd) Help() string { return helpText("account-token") }

type accountTokenMakeCmd struct {
	dbFlag
	Login string   `arg:"" help:"Account in whose name the program reads."`
	Scope []string `name:"scope" required:"" enum:"figures:read,matters:read" help:"What it may read: figures:read or matters:read. May be repeated."`
	Name  string   `name:"name" required:"" help:"What it is for."`
	Days  int      `name:"days" default:"30" help:"How long it is good, at most 366."`
}

func (accountTokenMakeCmd) Help() string { return helpText("account-token-make") }

func (c *accountTokenMakeCmd) Run(ctx context.Context, t *terminal) (err error) {
	a, err := c.open(ctx, t, wantOffice)
	if err != nil {
		return err
	}
	defer a.closing(&err)
	var text string
	var tok account.Token
	err = onAccount(ctx, a, c.Login, func(tx *store.Tx, st account.State) error {
		text, tok, err = a.accounts.MakeToken(ctx, tx, bySystem, account.TokenCmd{Account: st.Account.ID, Name: c.Name, Scopes: c.Scope, Days: c.Days})
		return err
	})
	if err != nil {
		return err
	}
	t.print("%s", text)
	t.note("Good until %s for %s. It is shown this once; programs send it as \"Authorization: Bearer …\".",
		tok.Expires.In(a.office.Zone()).Format(time.DateOnly), strings.Join(tok.Scopes, " "))
	return nil
}

type accountTokenListCmd struct {
	dbFlag
	Login string `arg:"" help:"Account."`
	JSON  bool   `name:"json" help:"Print JSON."`
}

func (accountTokenListCmd) Help() string { return helpText("account-token-list") }

type listedToken struct {
	ID      string   `json:"id"`
	Name    string   `json:"name"`
	Scopes  []string `json:"scopes"`
	Made    string   `json:"made"`
	Expires string   `json:"expires"`
	Used    string   `json:"used,omitempty"`
	Good    bool     `json:"good"`
}

func (c *accountTokenListCmd) Run(ctx context.Context, t *terminal) (err error) {
	a, err := c.open(ctx, t, wantOffice)
	if err != nil {
		return err
	}
	defer a.closing(&err)
	out := []listedToken{}
	err = onAccount(ctx, a, c.Login, func(tx *store.Tx, st account.State) error {
		out = out[:0]
		all, err := a.accounts.Tokens(ctx, tx, st.Account.ID)
		for _, k := range all {
			out = append(out, listedToken{
				ID: strconv.FormatInt(k.ID, 10), Name: k.Name, Scopes: k.Scopes, Used: k.Used, Good: !k.Over(a.now()),
				Made: k.Made.In(a.office.Zone()).Format(time.DateOnly), Expires: k.Expires.In(a.office.Zone()).Format(time.DateOnly),
			})
		}
		return err
	})
	if err != nil {
		return err
	}
	if c.JSON {
		return t.json(out)
	}
	tab := newTable("ID", "What it is for", "May read", "Good until", "Last used")
	for _, k := range out {
		expires := k.Expires
		if !k.Good {
			expires += " (over)"
		}
		tab.add(k.ID, k.Name, strings.Join(k.Scopes, " "), expires, k.Used)
	}
	tab.write(t.out)
	t.note("%s", plural(int64(len(out)), "token", "tokens"))
	return nil
}

type accountTokenRevokeCmd struct {
	dbFlag
	Login string `arg:"" help:"Account."`
	ID    string `arg:"" help:"Number of the token, as the list shows it."`
}

func (accountTokenRevokeCmd) Help() string { return helpText("account-token-revoke") }

func (c *accountTokenRevokeCmd) Run(ctx context.Context, t *terminal) (err error) {
	id, err := strconv.ParseInt(c.ID, 10, 64)
	if err != nil {
		return &problem{kind: fault.Invalid, text: fmt.Sprintf("%q is no number of a token", c.ID)}
	}
	a, err := c.open(ctx, t, wantOffice)
	if err != nil {
		return err
	}
	defer a.closing(&err)
	err = onAccount(ctx, a, c.Login, func(tx *store.Tx, st account.State) error {
		return a.accounts.DropToken(ctx, tx, bySystem, st.Account.ID, id)
	})
	if err == nil {
		t.print("The token is taken back: programs read nothing with it any more.")
	}
	return err
}
