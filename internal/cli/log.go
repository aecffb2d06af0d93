package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"plumbline/internal/fault"
	"plumbline/internal/journal"
	"plumbline/internal/ledger"
	"plumbline/internal/store"
)

type logCmd struct {
	Status logStatusCmd `cmd:"" help:"Say how far the log is signed and published, and what holds it up."`
	Key    logKeyCmd    `cmd:"" help:"Make, replace and show the key that signs the log."`
}

func (logCmd) Help() string { return helpText("log") }

type logKeyCmd struct {
	New    logKeyNewCmd    `cmd:"" help:"Make the key of a log that has none."`
	Rotate logKeyRotateCmd `cmd:"" help:"Put a new key in the place of the one that signs."`
	Retire logKeyRetireCmd `cmd:"" help:"Let the keys before the newest sign no more."`
	Show   logKeyShowCmd   `cmd:"" help:"Print the public keys, for others to check the log with."`
}

func (logKeyCmd) Help() string { return helpText("log-key") }

// logKeyFlag names the file of the key that signs the log.
type logKeyFlag struct {
	LogKey string `name:"log-key" env:"PLUMBLINE_LOG_KEY" placeholder:"FILE" help:"File of the key that signs the log. Beside a SQLite file with .logkey at its end, or plumbline.logkey here, if absent."`
}

// path is where the key lies.
func (f logKeyFlag) path(db string) string {
	if f.LogKey != "" {
		return f.LogKey
	}
	if path, ok := strings.CutPrefix(db, "sqlite:"); ok && path != ":memory:" {
		path, _, _ = strings.Cut(path, "?")
		return path + ".logkey"
	}
	return "plumbline.logkey"
}

// defaultOrigin names the log after the machine, where nobody named it.
func defaultOrigin() string {
	host, err := os.Hostname()
	host = strings.Map(func(r rune) rune {
		if r > ' ' && r < 0x7f && r != '+' && r != '/' {
			return r
		}
		return -1
	}, strings.ToLower(host))
	if err != nil || host == "" {
		host = "localhost"
	}
	return host + "/plumbline"
}

// originFlag names a log when its key is made.
type originFlag struct {
	Origin string `name:"origin" placeholder:"NAME" help:"Name of the log, for ever: best the public address of the office's log without https://, such as complaints.example/log. The machine's name if absent."`
}

func (f originFlag) origin() (string, error) {
	name := f.Origin
	if name == "" {
		name = defaultOrigin()
	}
	if err := ledger.CheckOrigin(name); err != nil {
		return "", problemf(fault.Invalid, "%v", err)
	}
	return name, nil
}

// newLogKey makes a key in a new file, or takes one that lies there and has never signed.
func newLogKey(path, origin string) (*ledger.Key, error) {
	k, err := ledger.NewKey(path, origin)
	if !errors.Is(err, fs.ErrExist) {
		return k, err
	}
	if k, err = openLogKey(path, ""); err != nil {
		return nil, err
	}
	if _, _, signed, err := ledger.ReadHead(path); err != nil {
		return nil, err
	} else if signed || k.Origin() != origin {
		return nil, problemf(fault.Conflict, "there is a key of the log %s in %s already; it is never replaced: name another file with --log-key", k.Origin(), path)
	}
	return k, nil
}

// openLogKey reads a key, and says what to do where that fails.
func openLogKey(path, db string) (*ledger.Key, error) {
	k, err := ledger.OpenKey(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, problemf(fault.NotFound, "there is no key for the log in %s. If the office has one, name its file with --log-key or put it there; if it never had one: plumbline log key new --db %s", path, safeURL(db))
	case errors.Is(err, ledger.ErrExposed):
		return nil, problemf(fault.Invalid, "%s can be read by other users of this machine. Run: chmod 600 %s && plumbline log key rotate, since they may have read it", path, path)
	}
	return k, err
}

// recordLogKey writes the key into the journal of an office that has none.
func (a *app) recordLogKey(ctx context.Context, k *ledger.Key, lost bool) error {
	return a.db.Tx(ctx, func(tx *store.Tx) error {
		return a.ledger.RecordKey(ctx, tx, operator, journal.ViaCLI, k, lost)
	})
}

// keysInForce reads the name and the keys of the log from the journal.
func (a *app) keysInForce(ctx context.Context) (origin string, keys []string, err error) {
	err = a.db.Read(ctx, func(tx *store.Tx) error {
		events, err := a.ledger.KeyEvents(ctx, tx)
		origin, keys = ledger.InForce(events)
		return err
	})
	return origin, keys, err
}

type logKeyNewCmd struct {
	dbFlag
	logKeyFlag
	originFlag
	Lost bool `name:"lost" help:"The log has a key, and it is lost. Everybody who checks the log will see that it could not hand over."`
}

func (logKeyNewCmd) Help() string { return helpText("log-key-new") }

func (c *logKeyNewCmd) Run(ctx context.Context, t *terminal) (err error) {
	a, err := c.open(ctx, t, wantOffice)
	if err != nil {
		return err
	}
	defer a.closing(&err)
	origin, keys, err := a.keysInForce(ctx)
	switch {
	case err != nil:
		return err
	case len(keys) > 0 && !c.Lost:
		return problemf(fault.Conflict, "the log %s has a key already. Name its file with --log-key; to replace it: plumbline log key rotate; if it is lost for good: --lost", origin)
	case c.Lost && len(keys) == 0:
		return problemf(fault.Conflict, "the log never had a key: leave --lost out")
	case c.Lost && c.Origin != "" && c.Origin != origin:
		return problemf(fault.Conflict, "the log is called %s, and keeps its name", origin)
	}
	if origin == "" {
		if origin, err = c.origin(); err != nil {
			return err
		}
	}
	path := c.path(c.DB)
	k, err := newLogKey(path, origin)
	if err != nil {
		return err
	}
	if err := a.recordLogKey(ctx, k, c.Lost); err != nil {
		return err
	}
	if err := a.catchUp(ctx, t, true); err != nil {
		return err
	}
	t.print("The log %s has a new key, in %s.", origin, path)
	t.print("Keep a copy of that file apart from the database. Publish these lines, on paper too:")
	for _, v := range k.Public() {
		t.print("%s", v)
	}
	return nil
}

type logKeyRotateCmd struct {
	dbFlag
	logKeyFlag
}

func (logKeyRotateCmd) Help() string { return helpText("log-key-rotate") }

func (c *logKeyRotateCmd) Run(ctx context.Context, t *terminal) (err error) {
	a, err := c.open(ctx, t, wantOffice)
	if err != nil {
		return err
	}
	defer a.closing(&err)
	path := c.path(c.DB)
	k, err := openLogKey(path, c.DB)
	if err != nil {
		return err
	}
	_, keys, err := a.keysInForce(ctx)
	if err != nil {
		return err
	}
	// A file that is one key ahead of the journal is from a rotation that was cut short: that one is finished.
	if len(keys) > 0 && k.Public()[0] == keys[0] {
		if k, err = k.Rotate(); err != nil {
			return err
		}
	}
	err = a.db.Tx(ctx, func(tx *store.Tx) error { return a.ledger.RecordRotation(ctx, tx, operator, journal.ViaCLI, k) })
	if errors.Is(err, ledger.ErrOtherKey) {
		return problemf(fault.Conflict, "the key in %s is not the one this log is signed with; nothing was recorded", path)
	}
	if err != nil {
		return err
	}
	if err := a.catchUp(ctx, t, true); err != nil {
		return err
	}
	t.print("The log %s has a new key. The key before signs along, so that everybody who knows it can follow; when you have", k.Origin())
	t.print("told those who check the log, end that with: plumbline log key retire")
	t.print("Keep a copy of %s apart from the database. Publish these lines, on paper too:", path)
	for _, v := range k.Public() {
		t.print("%s", v)
	}
	return nil
}

type logKeyRetireCmd struct {
	dbFlag
	logKeyFlag
}

func (logKeyRetireCmd) Help() string { return helpText("log-key-retire") }

func (c *logKeyRetireCmd) Run(ctx context.Context, t *terminal) (err error) {
	a, err := c.open(ctx, t, wantOffice)
	if err != nil {
		return err
	}
	defer a.closing(&err)
	k, err := openLogKey(c.path(c.DB), c.DB)
	if err != nil {
		return err
	}
	_, keys, err := a.keysInForce(ctx)
	if err != nil {
		return err
	}
	if len(keys) > 0 && keys[0] == k.Public()[0] && len(keys) == len(k.Public()) {
		if len(k.Before()) == 0 {
			return problemf(fault.Conflict, "only the newest key signs; there is none to retire")
		}
	} else {
		err = a.db.Tx(ctx, func(tx *store.Tx) error { return a.ledger.RecordRetirement(ctx, tx, operator, journal.ViaCLI, k) })
		if fault.Is(err, fault.Unavailable) {
			return problemf(fault.Unavailable, "no published checkpoint proves the handover yet: let plumbline serve run until plumbline log status says that everything is published")
		}
		if err != nil {
			return err
		}
	}
	// The entry stands in the tree before the file changes: the checkpoint that both keys signed is then never signed again.
	if err := a.catchUp(ctx, t, true); err != nil {
		return err
	}
	if k, err = k.Retire(); err != nil {
		return err
	}
	t.print("Only the newest key of %s signs from now on.", k.Origin())
	return nil
}

type logKeyShowCmd struct {
	dbFlag
	JSON bool `name:"json" help:"Print JSON."`
}

func (logKeyShowCmd) Help() string { return helpText("log-key-show") }

func (c *logKeyShowCmd) Run(ctx context.Context, t *terminal) (err error) {
	a, err := c.open(ctx, t, wantOffice)
	if err != nil {
		return err
	}
	defer a.closing(&err)
	origin, keys, err := a.keysInForce(ctx)
	if err != nil {
		return err
	}
	if len(keys) == 0 {
		return problemf(fault.NotFound, "the log has no key yet; make one with: plumbline log key new --db %s", safeURL(c.DB))
	}
	if c.JSON {
		return t.json(map[string]any{"origin": origin, "keys": keys})
	}
	for _, v := range keys {
		t.print("%s", v)
	}
	return nil
}

type logStatusCmd struct {
	dbFlag
	logKeyFlag
	JSON bool `name:"json" help:"Print JSON."`
}

func (logStatusCmd) Help() string { return helpText("log-status") }

// logStatus is the state of the log, for a machine.
type logStatus struct {
	Origin    string     `json:"origin"`
	Key       string     `json:"key"`               // file
	Entries   int64      `json:"entries"`           // of the record, with their place
	Tree      int64      `json:"tree"`              // of them in the tree
	Published uint64     `json:"published"`         // of them under the published checkpoint
	At        *time.Time `json:"at,omitempty"`      // of that checkpoint
	Signed    uint64     `json:"signed"`            // size of the last checkpoint signed with the key, as noted beside it
	Waiting   *time.Time `json:"waiting,omitempty"` // since when the oldest entry waits to be published
	Problem   string     `json:"problem,omitempty"`
	Remedy    string     `json:"remedy,omitempty"`
}

func (c *logStatusCmd) Run(ctx context.Context, t *terminal) (err error) {
	a, err := c.open(ctx, t, wantOffice)
	if err != nil {
		return err
	}
	defer a.closing(&err)
	st, err := a.logStatus(ctx, c.path(c.DB))
	if err != nil {
		return err
	}
	if c.JSON {
		err = t.json(st)
	} else {
		t.print("Log        %s", st.Origin)
		t.print("Key        %s", st.Key)
		t.print("Record     %s, %s of them in the tree", plural(st.Entries, "entry", "entries"), number(st.Tree))
		if st.At == nil {
			t.print("Published  nothing yet")
		} else {
			t.print("Published  %s, checkpoint of %s", plural(int64(st.Published), "entry", "entries"), st.At.Format("2006-01-02 15:04:05 MST"))
		}
		if st.Signed > st.Published {
			t.print("Signed     %s, waiting for witnesses", plural(int64(st.Signed), "entry", "entries"))
		}
		if st.Problem != "" {
			t.print("\nWRONG: %s", st.Problem)
			t.print("    -> %s", st.Remedy)
		}
	}
	if err == nil && st.Problem != "" {
		return errFoundWrong
	}
	return err
}

// logStatus looks at the log from outside of any server.
func (a *app) logStatus(ctx context.Context, keyPath string) (logStatus, error) {
	st := logStatus{Key: keyPath}
	var standing ledger.Standing
	err := a.db.Read(ctx, func(tx *store.Tx) error {
		events, err := a.ledger.KeyEvents(ctx, tx)
		if err != nil {
			return err
		}
		st.Origin, _ = ledger.InForce(events)
		standing, err = a.ledger.Standing(ctx, tx)
		return err
	})
	if err != nil {
		return st, err
	}
	st.Entries, st.Tree, st.Published = standing.Placed, standing.Leaves, standing.Published
	if !standing.At.IsZero() {
		st.At = &standing.At
	}
	if !standing.Oldest.IsZero() {
		st.Waiting = &standing.Oldest
	}
	if st.Origin == "" {
		st.Problem, st.Remedy = "the log has no key, and nothing is signed", "plumbline log key new"
		return st, nil
	}
	head, _, signed, err := ledger.ReadHead(keyPath)
	if err != nil {
		return st, err
	}
	if signed {
		st.Signed = head.Size
	}
	if err := ledger.NewSigner(a.ledger, keyPath, nil).Check(ctx); err != nil {
		st.Problem, st.Remedy = err.Error(), logRemedy(err, keyPath)
		return st, nil
	}
	if stuck := standing.Stuck(a.now()); stuck != "" {
		st.Problem = stuck
		st.Remedy = "is plumbline serve running, and are enough witnesses within reach? Its log and /healthz say what it waits for"
	}
	return st, nil
}

// logRemedy says what to do when the log cannot be signed.
func logRemedy(err error, keyPath string) string {
	const guide = "; see docs/how-to/run-the-log.md"
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "name the file with --log-key, or put the copy of it there" + guide
	case errors.Is(err, ledger.ErrExposed):
		return fmt.Sprintf("chmod 600 %s, and replace the key with plumbline log key rotate: others may have read it", keyPath)
	case errors.Is(err, ledger.ErrOtherKey):
		return "name the file of this log's key with --log-key" + guide
	case errors.Is(err, ledger.ErrBehind):
		return "restore a backup that holds everything that was signed, or bring the missing entries back; never sign over it" + guide
	case errors.Is(err, ledger.ErrFork):
		return "keep this database as evidence, find out who else runs or wrote to it (plumbline verify names what was changed), and restore the one that continues " + ledger.HeadPath(keyPath) + guide
	}
	return "plumbline verify names what is wrong with the tables" + guide
}
