package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"plumbline/internal/demo"
	"plumbline/internal/fault"
	"plumbline/internal/store"
)

type demoCmd struct {
	Listen string `name:"listen" env:"PLUMBLINE_LISTEN" placeholder:"ADDR" help:"Address of the pages. 127.0.0.1:8080 if absent, or a free port where that is taken."`
	Dir    string `name:"dir" placeholder:"DIR" help:"Keep the data in this folder. A temporary one if absent."`
}

func (demoCmd) Help() string { return helpText("demo") }

func (c *demoCmd) Run(ctx context.Context, t *terminal) (err error) {
	l, err := c.listen()
	if err != nil {
		return err
	}
	defer func() { _ = l.Close() }() // the server has closed it, unless it never came to that
	dir := c.Dir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "plumbline-demo-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	} else if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	url := "sqlite:" + filepath.Join(dir, "demo.db")
	made, err := fillDemo(ctx, t, url)
	if err != nil {
		return err
	}
	a, err := dbFlag{DB: url}.open(ctx, t, wantOffice)
	if err != nil {
		return err
	}
	defer a.closing(&err)
	keyPath := logKeyFlag{}.path(url)
	if err := a.demoLogKey(ctx, keyPath); err != nil {
		return err
	}
	signer, err := a.signer(ctx, t, keyPath, url, "")
	if err != nil {
		return err
	}
	if err := a.catchUp(ctx, t, true); err != nil {
		return err
	}
	people, err := demo.People()
	if err != nil {
		return err
	}
	if !isLoopback(l.Addr()) {
		t.note("Careful: the demo can be reached by other machines, and its password is printed below and public.")
	}
	return a.serve(ctx, t, serveOptions{listener: l, signer: signer, ready: func() { c.welcome(t, people, made, "http://"+l.Addr().String()) }})
}

// listen takes the address asked for, or, where none was, the usual one or any free one.
func (c *demoCmd) listen() (net.Listener, error) {
	if c.Listen != "" {
		return listen(c.Listen)
	}
	l, err := net.Listen("tcp", "127.0.0.1:8080")
	if errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, syscall.EACCES) {
		return listen("127.0.0.1:0")
	}
	if err != nil {
		return nil, &problem{kind: fault.Unavailable, text: "cannot listen on 127.0.0.1:8080", cause: err}
	}
	return l, nil
}

// fillDemo makes the invented office in a new database; one that is there already is left as it is.
func fillDemo(ctx context.Context, t *terminal, url string) (made bool, err error) {
	db, err := store.Open(ctx, url, store.WithLogger(t.log))
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	clock := &demo.Clock{}
	now := time.Now()
	clock.Reset(now)
	a, err := newApp(ctx, t, dbFlag{DB: url}, db, clock.Now)
	if err != nil {
		return false, err
	}
	if a.office.Active() != nil {
		return false, nil
	}
	bar := t.progress("Making a year of invented reports", "steps", !isTerminal(t.err))
	defer bar.end()
	return true, demo.Fill(ctx, demo.Office{DB: db, Office: a.office, Accounts: a.accounts, Engine: a.engine, Clock: clock}, now, bar.at)
}

// demoOrigin is what the log of every demo is called; nobody can mistake it for that of an office.
const demoOrigin = "demo.plumbline.invalid/log"

// demoLogKey makes the key of a log that has none.
func (a *app) demoLogKey(ctx context.Context, path string) error {
	_, keys, err := a.keysInForce(ctx)
	if err != nil || len(keys) > 0 {
		return err
	}
	k, err := newLogKey(path, demoOrigin)
	if err != nil {
		return err
	}
	return a.recordLogKey(ctx, k, false)
}

// welcome says who can sign in, and last where: whoever starts a demo by a program waits for that line.
func (c *demoCmd) welcome(t *terminal, people []demo.Person, made bool, address string) {
	t.print("Plumbline demo: the invented region of Merrow. Nothing in it is real.")
	if !made {
		t.print("The data of an earlier run in %s were kept.", c.Dir)
	}
	t.print("\nSign in at %s/staff/sign-in; everybody's password is: %s\n", address, demo.Password)
	tab := newTable("Sign in as", "Name", "Duties", "To see")
	for _, p := range people {
		tab.add(p.Login, p.Name, strings.Join(p.Grants, ", "), p.Show)
	}
	tab.write(t.out)
	keep := "Everything is gone when it ends; --dir DIR keeps it."
	if c.Dir != "" {
		keep = "The data stay in " + c.Dir + "."
	}
	t.print("\nStop it with Ctrl-C. %s", keep)
	fmt.Fprintf(t.out, "Ready: %s\n", address)
}
