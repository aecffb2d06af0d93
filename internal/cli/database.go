package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
	"time"

	"plumbline/internal/account"
	"plumbline/internal/fault"
	"plumbline/internal/journal"
	"plumbline/internal/ledger"
	"plumbline/internal/matter"
	"plumbline/internal/office"
	"plumbline/internal/pack"
	"plumbline/internal/schema"
	"plumbline/internal/store"
	"plumbline/internal/tally"
	"plumbline/internal/vault"
	"plumbline/internal/witness"
	"plumbline/internal/words"
)

const defaultDB = "sqlite:plumbline.db"

// dbFlag names the database; every command that needs one has it.
type dbFlag struct {
	DB        string `name:"db" env:"PLUMBLINE_DB" default:"${default_db}" placeholder:"URL" help:"Database: sqlite:FILE or postgres://user@host/name. Passwords belong into ~/.pgpass or PGPASSWORD."`
	OfficeKey string `name:"office-key" env:"PLUMBLINE_OFFICE_KEY" placeholder:"FILE" help:"File of the office key. Beside a SQLite file with .officekey at its end, or plumbline.officekey here, if absent."`
}

// app is an open database and everything that works on it.
type app struct {
	url       string
	db        *store.DB
	office    *office.Office
	accounts  *account.Accounts
	engine    *matter.Engine
	vault     *vault.Vault
	keyPath   string // of the office key; empty: in memory
	tally     *tally.Tally
	ledger    *ledger.Ledger
	followers *journal.Followers
	now       func() time.Time
	witnesses *witness.Client // of the log; nil: none
}

// How much of a database a command wants to find.
type want int

const (
	wantOffice want = iota // tables and a pack: an office that works
	wantTables             // tables, perhaps empty, made if absent
)

// open opens the database, brings its tables up to date and reads the office.
func (f dbFlag) open(ctx context.Context, t *terminal, w want) (*app, error) {
	if w == wantOffice {
		if err := mustExist(f.DB); err != nil {
			return nil, err
		}
	}
	db, err := store.Open(ctx, f.DB, store.WithLogger(t.log))
	if err != nil {
		return nil, err
	}
	a, err := newApp(ctx, t, f, db, time.Now)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if w == wantOffice && a.office.Active() == nil {
		return nil, errors.Join(problemf(fault.NotFound, "there is no office in %s yet; make one with: plumbline init --db %s --pack generic --admin LOGIN", safeURL(f.DB), safeURL(f.DB)), db.Close())
	}
	return a, nil
}

// newApp puts an app together over an open database.
func newApp(ctx context.Context, t *terminal, f dbFlag, db *store.DB, now func() time.Time) (*app, error) {
	if err := db.Migrate(ctx, schema.FS); err != nil {
		return nil, err
	}
	o, err := office.Open(ctx, db, office.WithClock(now))
	if err != nil && !errors.Is(err, office.ErrEmpty) {
		return nil, err
	}
	a := &app{url: f.DB, keyPath: f.keyPath(), db: db, office: o, now: now}
	key, err := officeKey(ctx, db, f.keyPath())
	if err != nil {
		return nil, err
	}
	a.vault = vault.New(db, key, now)
	a.accounts = account.New(db, o, now, account.WithKeeper(a.vault))
	a.engine = matter.New(db, o, now, a.vault)
	a.tally = tally.New(o)
	a.ledger = ledger.New(db, ledger.Options{Log: t.log, Now: now})
	a.followers = journal.NewFollowers(db, t.log, a.ledger.Follower(), matter.Named{}, a.tally)
	return a, nil
}

func (a *app) close() error { return a.db.Close() }

// closing closes a at the end of a command and keeps the first error.
func (a *app) closing(err *error) {
	if e := a.close(); e != nil && *err == nil {
		*err = e
	}
}

// catchUp numbers what is new and brings the figures to the end of the record.
func (a *app) catchUp(ctx context.Context, t *terminal, quiet bool) error {
	p := t.progress("Figures", "entries", quiet)
	err := a.followers.CatchUp(ctx, p.at)
	p.end()
	return err
}

// mustExist refuses a SQLite file that is not there: a mistyped path must not make an empty office.
func mustExist(url string) error {
	path, ok := strings.CutPrefix(url, "sqlite:")
	if !ok || path == ":memory:" {
		return nil
	}
	path, _, _ = strings.Cut(path, "?")
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return problemf(fault.NotFound, "there is no database at %s; make one with: plumbline init --db %s --pack generic --admin LOGIN", path, url)
	}
	return nil
}

// safeURL is a database's URL without a password, for messages and logs.
func safeURL(url string) string {
	scheme, rest, ok := strings.Cut(url, "://")
	if !ok {
		return url
	}
	at := strings.LastIndex(rest, "@")
	if at < 0 {
		return url
	}
	user, _, _ := strings.Cut(rest[:at], ":")
	return scheme + "://" + user + rest[at:]
}

// operator is the actor of what is done at the command line: whoever can run it on the machine.
var operator = journal.Actor{Duty: "operator"}

var book = sync.OnceValue(func() *words.Book {
	b, err := words.Load()
	if err != nil {
		panic(fmt.Sprintf("cli: the catalogues that were built in cannot be read: %v", err))
	}
	return b
})

// openPack loads a pack that is named by folder or by bundled name.
func openPack(name string) (*pack.Pack, error) {
	fsys, err := pack.Open(name)
	if err != nil {
		return nil, packNotFound(name, err)
	}
	p, err := pack.Load(fsys)
	var problems pack.Problems
	switch {
	case errors.As(err, &problems):
		return nil, &problem{kind: fault.Invalid, text: name + " is no pack that can be used", cause: problems}
	case errors.Is(err, fs.ErrNotExist):
		return nil, packNotFound(name, err)
	}
	return p, err
}

func packNotFound(name string, err error) error {
	if errors.Is(err, pack.ErrNoPack) || errors.Is(err, fs.ErrNotExist) {
		return problemf(fault.NotFound, "there is no pack %q: give a folder with a pack.yaml, or a bundled name (%s)", name, strings.Join(pack.BundledNames(), ", "))
	}
	return err
}
