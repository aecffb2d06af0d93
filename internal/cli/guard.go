package cli

import (
	"context"
	"errors"
	"net/url"

	"plumbline/internal/fault"
	"plumbline/internal/intake"
	"plumbline/internal/likeness"
	"plumbline/internal/notify"
	"plumbline/internal/server"
	"plumbline/internal/web"
)

// guardFlags are what guards the way in, and who is told outside that there is something new.
type guardFlags struct {
	Onion        string `name:"onion" env:"PLUMBLINE_ONION" placeholder:"ADDR" help:"Address of the onion service of this office: Tor Browser is told of it."`
	BlindFilings int    `name:"blind-filings" default:"120" placeholder:"N" help:"How many reports a minute are taken from one side that did not come through the form page by page; -1: any number."`
	SMTP         string `name:"smtp" env:"PLUMBLINE_SMTP" placeholder:"URL" help:"Mail server for notices that there is something new, such as smtps://user:password@mail.example; none: nobody is told."`
	MailFrom     string `name:"mail-from" env:"PLUMBLINE_MAIL_FROM" placeholder:"ADDR" help:"Address that notices come from."`
	Address      string `name:"address" env:"PLUMBLINE_ADDRESS" placeholder:"URL" help:"Address of this office, https://…, named in notices to staff so that they find the sign-in page."`
}

// guarded is what the flags come to.
type guarded struct {
	onion   string
	flood   intake.Limits
	notices *notify.Notices // without a mail server they note who is to be told, and tell nobody
}

func (f guardFlags) guarded(a *app, t *terminal) (g guarded, err error) {
	g.flood = intake.Limits{Pace: f.BlindFilings}
	if f.BlindFilings == 0 {
		g.flood.Pace = 1 // as few as can be: none at all would lock out browsers that lose hidden fields
	}
	if f.Onion != "" {
		if g.onion, err = web.OnionAddress(f.Onion); err != nil {
			return g, problemf(fault.Invalid, "--onion %s is no address of an onion service: it has 56 letters and digits before .onion, and a wrong one is noticed", f.Onion)
		}
	}
	options := notify.Options{DB: a.db, Key: a.engine.Vault().OfficeKey().Derive("notice"), Book: book(), Base: f.Address,
		Desks: notify.OfficeDesks{Engine: a.engine, Accounts: a.accounts}, Now: a.now, Log: t.log}
	if f.SMTP == "" {
		if f.MailFrom != "" {
			return g, problemf(fault.Invalid, "--mail-from needs a mail server: name it with --smtp, or in PLUMBLINE_SMTP")
		}
		g.notices = notify.New(options)
		return g, nil
	}
	if u, err := url.Parse(f.Address); f.Address != "" && (err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http") {
		return g, problemf(fault.Invalid, "--address %s is none: write https:// and the name of the office's site", f.Address)
	}
	if options.Mailer, err = notify.NewMailer(f.SMTP, f.MailFrom, nil); err != nil {
		// The URL holds a password: it is not repeated.
		return g, problemf(fault.Invalid, "%s", book().For("en").Fault(err).Message)
	}
	g.notices = notify.New(options)
	return g, nil
}

// parts are the background work of it.
func (g guarded) parts(a *app) []server.Part {
	index := likeness.New(a.engine.Vault().OfficeKey().Derive("likeness"))
	parts := []server.Part{{Name: "likeness", Run: every(clockEvery, func(ctx context.Context) error {
		for {
			n, err := index.Spread(ctx, a.db)
			if n == 0 || err != nil {
				return err
			}
		}
	})}}
	if g.notices.On() {
		parts = append(parts, server.Part{Name: "notices", Run: func(ctx context.Context) error {
			err := g.notices.Run(ctx)
			if errors.Is(err, context.Canceled) {
				return nil
			}
			return err
		}})
	}
	return parts
}
