package cli

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strings"
	"time"

	"plumbline/internal/fault"
	"plumbline/internal/store"
	"plumbline/internal/witness"
)

type witnessCmd struct {
	Serve  witnessServeCmd  `cmd:"" help:"Cosign the heads of the logs that this witness watches."`
	Add    witnessAddCmd    `cmd:"" help:"Watch a log, or accept one more key of it."`
	Remove witnessRemoveCmd `cmd:"" help:"Accept a key of a log no more."`
	List   witnessListCmd   `cmd:"" help:"List the logs with the newest head cosigned of each."`
	Key    witnessKeyCmd    `cmd:"" help:"Make and show the key of a witness."`
}

func (witnessCmd) Help() string { return helpText("witness") }

// witnessDB names the database of a witness, which is not that of an office.
type witnessDB struct {
	DB string `name:"db" env:"PLUMBLINE_WITNESS_DB" default:"sqlite:witness.db" placeholder:"URL" help:"Database of the witness, its own: sqlite:FILE or postgres://user@host/name."`
}

func (f witnessDB) open(ctx context.Context, t *terminal, must bool) (*store.DB, error) {
	if path, ok := strings.CutPrefix(f.DB, "sqlite:"); ok && must {
		path, _, _ = strings.Cut(path, "?")
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return nil, problemf(fault.NotFound, "there is no witness at %s yet; begin with a log to watch: plumbline witness add ORIGIN VKEY --db %s", path, f.DB)
		}
	}
	db, err := store.Open(ctx, f.DB, store.WithLogger(t.log))
	if err != nil {
		return nil, err
	}
	if err := db.Migrate(ctx, witness.Migrations); err != nil {
		var f *fault.Error
		if errors.As(err, &f) && (f.Key == "store.newer" || f.Key == "store.migration-changed") {
			err = problemf(fault.Conflict, "this is not the database of a witness, or a newer program made it; a witness needs a database of its own")
		}
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// witnessKeyFlag names the file of a witness's key.
type witnessKeyFlag struct {
	Key string `name:"key" env:"PLUMBLINE_WITNESS_KEY" default:"witness.key" placeholder:"FILE" help:"File of the key of the witness."`
}

func (f witnessKeyFlag) open() (*witness.Key, error) {
	k, err := witness.OpenKey(f.Key)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, problemf(fault.NotFound, "there is no key in %s; make one with: plumbline witness key new NAME --key %s", f.Key, f.Key)
	}
	if err != nil && !errors.Is(err, fs.ErrPermission) {
		return nil, problemf(fault.Invalid, "%v", err)
	}
	return k, err
}

type witnessServeCmd struct {
	witnessDB
	witnessKeyFlag
	Listen string `name:"listen" default:"127.0.0.1:8090" placeholder:"ADDR" help:"Address to serve on."`
}

func (witnessServeCmd) Help() string { return helpText("witness-serve") }

func (c *witnessServeCmd) Run(ctx context.Context, t *terminal) (err error) {
	key, err := c.witnessKeyFlag.open()
	if err != nil {
		return err
	}
	db, err := c.witnessDB.open(ctx, t, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	logs, err := witness.Logs(ctx, db)
	if err != nil {
		return err
	}
	l, err := listen(c.Listen)
	if err != nil {
		return err
	}
	t.log.Info("ready", "witness", key.Name(), "address", "http://"+l.Addr().String(), "database", safeURL(c.DB), "logs", len(logs), "version", readBuild().Version)
	return witness.New(db, key, t.log).Serve(ctx, l)
}

type witnessAddCmd struct {
	witnessDB
	Origin string `arg:"" help:"Name of the log, as the first line of its heads says it."`
	VKey   string `arg:"" name:"vkey" help:"Verifier key of the log, or @FILE with it; got by a way that you trust."`
}

func (witnessAddCmd) Help() string { return helpText("witness-add") }

func (c *witnessAddCmd) Run(ctx context.Context, t *terminal) (err error) {
	_, keys, err := keysOf("the key", []string{c.VKey})
	if err != nil {
		return err
	}
	for _, v := range keys {
		if _, err := witness.ParseLogKey(v); err != nil {
			return problemf(fault.Invalid, "%v", err)
		}
	}
	db, err := c.open(ctx, t, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	have := 0
	for _, v := range keys {
		switch err := witness.Add(ctx, db, c.Origin, v, time.Now()); {
		case errors.Is(err, witness.ErrHave):
			have++
		case err != nil && fault.KindOf(err) == fault.Internal:
			return problemf(fault.Invalid, "%v", err)
		case err != nil:
			return err
		}
	}
	if have == len(keys) {
		return problemf(fault.Conflict, "%s is watched with this key already", c.Origin)
	}
	t.print("Watching %s with %s.", c.Origin, plural(int64(len(keys)), "key", "keys"))
	if name, _, _ := strings.Cut(keys[0], "+"); name != c.Origin {
		t.note("The key is called %s, not %s: make sure that it is the key of this log.", name, c.Origin)
	}
	return nil
}

type witnessRemoveCmd struct {
	witnessDB
	Origin string `arg:"" help:"Name of the log."`
	VKey   string `arg:"" name:"vkey" help:"Verifier key to accept no more."`
}

func (witnessRemoveCmd) Help() string { return helpText("witness-remove") }

func (c *witnessRemoveCmd) Run(ctx context.Context, t *terminal) (err error) {
	db, err := c.open(ctx, t, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	err = witness.Remove(ctx, db, c.Origin, c.VKey)
	if errors.Is(err, witness.ErrNoLog) {
		return problemf(fault.NotFound, "%s is not watched with this key", c.Origin)
	}
	if err == nil {
		t.print("The key of %s is not accepted any more. What was seen of the log is kept.", c.Origin)
	}
	return err
}

type witnessListCmd struct {
	witnessDB
	JSON bool `name:"json" help:"Print JSON."`
}

func (witnessListCmd) Help() string { return helpText("witness-list") }

// witnessed is a log in the list, for a machine.
type witnessed struct {
	Origin   string     `json:"origin"`
	Keys     []string   `json:"keys"`
	Size     uint64     `json:"size"`
	Root     string     `json:"root"`
	Cosigned *time.Time `json:"cosigned"` // null: never
}

func (c *witnessListCmd) Run(ctx context.Context, t *terminal) (err error) {
	db, err := c.open(ctx, t, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	logs, err := witness.Logs(ctx, db)
	if err != nil {
		return err
	}
	if c.JSON {
		all := []witnessed{}
		for _, l := range logs {
			w := witnessed{Origin: l.Origin, Keys: append([]string{}, l.Keys...), Size: l.Size, Root: l.Root.String()}
			if !l.Cosigned.IsZero() {
				w.Cosigned = &l.Cosigned
			}
			all = append(all, w)
		}
		return t.json(all)
	}
	tab := newTable("Log", "Entries", "Cosigned", "Keys").alignRight(1, 3)
	for _, l := range logs {
		at := "never"
		if !l.Cosigned.IsZero() {
			at = l.Cosigned.Format("2006-01-02 15:04:05 MST")
		}
		tab.add(l.Origin, number(int64(l.Size)), at, number(int64(len(l.Keys))))
	}
	tab.write(t.out)
	return nil
}

type witnessKeyCmd struct {
	New  witnessKeyNewCmd  `cmd:"" help:"Make the key of a new witness."`
	Show witnessKeyShowCmd `cmd:"" help:"Print the verifier keys of a witness."`
}

func (witnessKeyCmd) Help() string { return helpText("witness-key") }

type witnessKeyNewCmd struct {
	witnessKeyFlag
	Name string `arg:"" help:"Name of the witness, best an address of yours without https://, such as press.example/witness."`
}

func (witnessKeyNewCmd) Help() string { return helpText("witness-key-new") }

func (c *witnessKeyNewCmd) Run(t *terminal) error {
	k, err := witness.NewKey(c.Name)
	if err != nil {
		return problemf(fault.Invalid, "%v", err)
	}
	err = k.Save(c.Key)
	if errors.Is(err, fs.ErrExist) {
		return problemf(fault.Conflict, "there is a file %s already; a key is never replaced", c.Key)
	}
	if err != nil {
		return &problem{kind: fault.Unavailable, text: "cannot write the key", cause: err}
	}
	t.note("The key of %s is in %s, for you alone. Give these verifier keys to the logs; one of them is enough for a policy:", k.Name(), c.Key)
	for _, v := range k.Public() {
		t.print("%s", v)
	}
	return nil
}

type witnessKeyShowCmd struct {
	witnessKeyFlag
}

func (witnessKeyShowCmd) Help() string { return helpText("witness-key-show") }

func (c *witnessKeyShowCmd) Run(t *terminal) error {
	k, err := c.open()
	if err != nil {
		return err
	}
	for _, v := range k.Public() {
		t.print("%s", v)
	}
	return nil
}
