package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"plumbline/internal/journal"
	"plumbline/internal/ledger"
	"plumbline/internal/office"
	"plumbline/internal/pack"
	"plumbline/internal/schema"
	"plumbline/internal/store"
)

type doctorCmd struct {
	dbFlag
	logKeyFlag
	JSON bool `name:"json" help:"Print JSON."`
}

func (doctorCmd) Help() string { return helpText("doctor") }

// A checkup is one thing the doctor looked at.
type checkup struct {
	What   string `json:"what"`
	State  string `json:"state"` // "ok", "advice", "wrong"
	Found  string `json:"found"`
	Remedy string `json:"remedy,omitempty"`
}

type examination struct {
	all []checkup
}

func (e *examination) ok(what, format string, args ...any) {
	e.all = append(e.all, checkup{What: what, State: "ok", Found: fmt.Sprintf(format, args...)})
}

func (e *examination) advise(what, remedy, format string, args ...any) {
	e.all = append(e.all, checkup{What: what, State: "advice", Found: fmt.Sprintf(format, args...), Remedy: remedy})
}

func (e *examination) wrong(what, remedy, format string, args ...any) {
	e.all = append(e.all, checkup{What: what, State: "wrong", Found: fmt.Sprintf(format, args...), Remedy: remedy})
}

func (c *doctorCmd) Run(ctx context.Context, t *terminal) error {
	e := &examination{}
	e.machine()
	e.database(ctx, t, c.DB, c.path(c.DB))
	wrong := 0
	for _, one := range e.all {
		if one.State == "wrong" {
			wrong++
		}
	}
	if c.JSON {
		if err := t.json(e.all); err != nil {
			return err
		}
	} else {
		tab := newTable("", "Checked", "Found")
		mark := map[string]string{"ok": "ok", "advice": "advice", "wrong": "WRONG"}
		for _, one := range e.all {
			tab.add(mark[one.State], one.What, one.Found)
			if one.Remedy != "" {
				tab.add("", "", "-> "+one.Remedy)
			}
		}
		tab.write(t.out)
	}
	if wrong > 0 {
		t.note("%s to put right", plural(int64(wrong), "thing", "things"))
		return errFoundWrong
	}
	return nil
}

// machine looks at where the program runs.
func (e *examination) machine() {
	b := readBuild()
	e.ok("program", "plumbline %s, %s for %s, %d processors", b.Version, b.Go, b.System, runtime.NumCPU())
	if now := time.Now(); now.Year() < 2025 {
		e.wrong("clock", "set the clock, and keep it in step with NTP: deadlines depend on it", "the machine believes it is %s", now.Format(time.DateOnly))
	} else {
		e.ok("clock", "%s", now.Format("2006-01-02 15:04:05 MST"))
	}
	if os.Getuid() == 0 {
		e.advise("user", "run the server as a user of its own, see docs/how-to/install.md", "this is root")
	}
}

// database looks at the database and the office in it.
func (e *examination) database(ctx context.Context, t *terminal, url, keyPath string) {
	if err := mustExist(url); err != nil {
		e.wrong("database", "plumbline init makes one", "%v", err)
		return
	}
	e.file(url)
	db, err := store.Open(ctx, url, store.WithLogger(t.log))
	if err != nil {
		e.wrong("database", "is the address right, the server running, the password in ~/.pgpass?", "%s does not open: %v", safeURL(url), err)
		return
	}
	defer func() { _ = db.Close() }() // nothing was written
	status, err := db.Schema(ctx, schema.FS)
	switch {
	case err != nil:
		e.wrong("tables", "use the program that belongs to this database", "%v", err)
		return
	case status.Current == 0:
		e.wrong("tables", "plumbline init makes an office", "%s is empty", safeURL(url))
		return
	case status.Current < status.Latest:
		e.advise("tables", "plumbline serve brings them up to date when it starts; make a backup before", "version %d, this program has %d", status.Current, status.Latest)
		return
	case status.Current > status.Latest:
		e.wrong("tables", "install the newer plumbline that changed this database", "version %d, this program knows %d", status.Current, status.Latest)
		return
	}
	e.ok("tables", "version %d on %s", status.Current, db.Dialect())
	e.writable(ctx, db)
	e.time(ctx, db)
	e.rules(ctx, db)
	e.followers(ctx, db)
	e.publicLog(ctx, db, keyPath)
}

// file looks at the file of a SQLite database.
func (e *examination) file(url string) {
	path, ok := strings.CutPrefix(url, "sqlite:")
	if !ok {
		return
	}
	path, _, _ = strings.Cut(path, "?")
	info, err := os.Stat(path)
	if err != nil {
		e.wrong("file", "let this user read it", "%v", err)
		return
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		e.wrong("file", "chmod 600 "+path+": it holds what reporters told you", "%s can be read by other users of the machine (%s)", path, mode)
	} else {
		e.ok("file", "%s, %s bytes, readable by its owner alone", path, number(info.Size()))
	}
	free, err := freeBytes(filepath.Dir(path))
	switch {
	case err != nil:
		e.advise("disk", "look yourself", "free space is not known: %v", err)
	case free < 1<<30 || int64(free) < info.Size()/5:
		e.wrong("disk", "make room: without it, reports are refused", "%s MB free", number(int64(free>>20)))
	default:
		e.ok("disk", "%s MB free", number(int64(free>>20)))
	}
}

func (e *examination) writable(ctx context.Context, db *store.DB) {
	// A transaction that writes and is undone: it proves that this user may write here and leaves nothing.
	undo := errors.New("undo")
	err := db.Tx(ctx, func(tx *store.Tx) error {
		if _, err := tx.Exec(ctx, `INSERT INTO setting (name, value) VALUES ('doctor', 'was here')`); err != nil {
			return err
		}
		return undo
	})
	if errors.Is(err, undo) {
		e.ok("permission", "this user may write")
		return
	}
	e.wrong("permission", "give this user the right to write to the database (file and folder, or tables)", "%v", err)
}

func (e *examination) time(ctx context.Context, db *store.DB) {
	var there time.Time
	err := db.Read(ctx, func(tx *store.Tx) (err error) { there, err = tx.Now(ctx); return err })
	if err != nil {
		e.wrong("clock of the database", "see above", "%v", err)
		return
	}
	if off := time.Since(there).Abs(); off > 5*time.Second {
		e.wrong("clock of the database", "keep both machines in step with NTP", "it differs from this machine's by %s", off.Round(time.Second))
	}
}

func (e *examination) rules(ctx context.Context, db *store.DB) {
	o, err := office.Open(ctx, db)
	if errors.Is(err, office.ErrEmpty) {
		e.wrong("pack", "plumbline init or plumbline import loads one", "none is loaded")
		return
	}
	if err != nil {
		e.wrong("pack", "restore it from a backup: the rules in force must be those that were loaded", "%v", err)
		return
	}
	p := o.Active()
	if problems := pack.Check(p); len(problems) > 0 {
		e.advise("pack", "plumbline pack check names each; load a corrected version", "%s was loaded under older checks and has %s now", office.ID(p), plural(int64(len(problems)), "problem", "problems"))
		return
	}
	e.ok("pack", "%s, sound and fair, %s", office.ID(p), plural(int64(len(o.Loaded())), "version loaded", "versions loaded"))
}

func (e *examination) followers(ctx context.Context, db *store.DB) {
	const cursors = `SELECT name, idx FROM follower ORDER BY name`
	type cursor struct {
		name string
		idx  int64
	}
	var placed, all int64
	var found []cursor
	var dead []journal.DeadLetter
	err := db.Read(ctx, func(tx *store.Tx) (err error) {
		if placed, all, err = journal.Head(ctx, tx); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, cursors)
		if err != nil {
			return err
		}
		if found, err = store.Collect(rows, func(r *store.Rows) (c cursor, err error) { return c, r.Scan(&c.name, &c.idx) }); err != nil {
			return err
		}
		dead, err = journal.DeadLetters(ctx, tx)
		return err
	})
	if err != nil {
		e.wrong("record", "restore from a backup", "%v", err)
		return
	}
	e.ok("record", "%s, %s", plural(all, "entry", "entries"), plural(all-placed, "without its number yet", "without their number yet"))
	for _, c := range found {
		if behind := placed - c.idx; behind > 0 {
			e.advise("follower "+c.name, "it catches up while plumbline serve runs", "%s behind", plural(behind, "entry", "entries"))
		} else {
			e.ok("follower "+c.name, "at the end of the record")
		}
	}
	for _, d := range dead {
		e.wrong("follower "+d.Follower, "report it with this text; figures lack this entry until it is solved", "entry %d could not be digested: %s", d.Index, d.Error)
	}
}

// publicLog looks at the log: whether it can be signed, and whether it is.
func (e *examination) publicLog(ctx context.Context, db *store.DB, keyPath string) {
	a := &app{db: db, ledger: ledger.New(db, ledger.Options{}), now: time.Now}
	st, err := a.logStatus(ctx, keyPath)
	switch {
	case err != nil:
		e.wrong("log", "plumbline verify names what is wrong with the tables", "%v", err)
	case st.Origin == "":
		e.advise("log", "plumbline log key new makes it; plumbline serve does not start without", "the office has no key for its log yet")
	case st.Problem != "" && st.Published == 0 && st.Signed == 0 && st.Waiting != nil:
		e.advise("log", st.Remedy, "%s: %s", st.Origin, st.Problem) // it was never served yet
	case st.Problem != "":
		e.wrong("log", st.Remedy, "%s: %s", st.Origin, st.Problem)
	default:
		e.ok("log", "%s, %s published, key in %s", st.Origin, plural(int64(st.Published), "entry", "entries"), keyPath)
	}
}
