package cli

import (
	"context"
	"errors"
	"os"
	"time"

	"plumbline/internal/account"
	"plumbline/internal/fault"
	"plumbline/internal/ledger"
	"plumbline/internal/matter"
	"plumbline/internal/office"
	"plumbline/internal/rows"
	"plumbline/internal/sample"
	"plumbline/internal/store"
	"plumbline/internal/vault"
	"plumbline/verify"
)

type verifyCmd struct {
	dbFlag
	logKeyFlag
	Against []string `name:"against" placeholder:"FILE" help:"A receipt or checkpoint of this log that somebody else kept. May be repeated."`
	JSON    bool     `name:"json" help:"Print JSON."`
	Quiet   bool     `name:"quiet" short:"q" help:"Show no progress."`
}

func (verifyCmd) Help() string { return helpText("verify") }

// verified is the report of a verification, for a machine.
type verified struct {
	OK          bool              `json:"ok"`
	Logged      int64             `json:"logged"`      // entries compared with the log
	Checkpoints int               `json:"checkpoints"` // signed heads compared with the log
	Waiting     int64             `json:"waiting"`     // entries that the log has not reached
	Entries     int64             `json:"entries"`     // of the record, read and folded again
	Matters     int64             `json:"matters"`     // counted again
	Cells       int64             `json:"cells"`       // figures compared
	Behind      int64             `json:"behind"`      // entries that the figures have not reached
	Differences []rows.Difference `json:"differences"` // in the order of the log, then tables, then figures
}

func (c *verifyCmd) Run(ctx context.Context, t *terminal) (err error) {
	against, err := readHeads(c.Against)
	if err != nil {
		return err
	}
	a, err := c.open(ctx, t, wantOffice)
	if errors.Is(err, office.ErrReplaced) {
		t.note("Rules of this office were replaced, so that it cannot work. What can be checked without them is checked.")
		a, err = c.openRecord(ctx, t)
	}
	if err != nil {
		return err
	}
	defer a.closing(&err)
	report, err := a.verify(ctx, t, ledger.Verification{KeyPath: c.path(c.DB), Against: against}, c.Quiet || c.JSON)
	if err != nil {
		return err
	}
	if c.JSON {
		err = t.json(report)
	} else {
		sayVerified(t, report)
	}
	if err == nil && !report.OK {
		return errFoundWrong
	}
	return err
}

// readHeads reads signed heads of the log out of receipts and checkpoints.
func readHeads(files []string) (heads []ledger.Head, err error) {
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		if p, err := verify.ParseProof(text); err == nil {
			text = p.Checkpoint
		} else if _, _, err := ledger.ReadCheckpoint(text); err != nil {
			return nil, problemf(fault.Invalid, "%s is neither a receipt nor a checkpoint", name)
		}
		heads = append(heads, ledger.Head{Name: name, Note: text})
	}
	return heads, nil
}

// openRecord opens what does not need the rules of the office: the record and the log over it.
func (f dbFlag) openRecord(ctx context.Context, t *terminal) (*app, error) {
	db, err := store.Open(ctx, f.DB, store.WithLogger(t.log))
	if err != nil {
		return nil, err
	}
	return &app{url: f.DB, db: db, now: time.Now, ledger: ledger.New(db, ledger.Options{Log: t.log})}, nil
}

// verify derives everything again and compares: first the log with the entries and with all that was signed, then the
// tables with the record, then the figures with the tables.
func (a *app) verify(ctx context.Context, t *terminal, v ledger.Verification, quiet bool) (verified, error) {
	report := verified{Differences: []rows.Difference{}}
	bar := t.progress("Log", "entries", quiet)
	err := a.ledger.Verify(ctx, &v, bar.at)
	bar.end()
	if err != nil {
		return report, err
	}
	report.Logged, report.Checkpoints, report.Waiting = v.Entries, v.Checkpoints, v.Behind
	report.Differences = append(report.Differences, v.Differences...)
	bar = t.progress("Record", "entries", quiet)
	found, err := matter.Verify(ctx, a.db, func(done, total int64) { report.Entries = total; bar.at(done, total) },
		account.Folder{}, vault.Folder{}, office.PackFolder{}, office.SettingFolder{}, sample.Folder{})
	bar.end()
	if err != nil {
		return report, err
	}
	report.Differences = append(report.Differences, found...)
	if a.tally == nil { // no rules, no figures
		return report, nil
	}
	bar = t.progress("Figures", "matters", quiet)
	figures, err := a.tally.Verify(ctx, a.db, bar.at)
	bar.end()
	if err != nil {
		return report, err
	}
	report.Matters, report.Cells, report.Behind = figures.Matters, figures.Cells, figures.Behind
	report.Differences = append(report.Differences, figures.Differences...)
	report.OK = len(report.Differences) == 0
	return report, nil
}

func sayVerified(t *terminal, r verified) {
	for i, d := range r.Differences {
		if i == 0 && len(r.Differences) > 1 {
			t.print("The first difference:")
		} else if i == 1 {
			t.print("\nAnd after it:")
		}
		t.print("%s", d)
		t.print("    -> %s", whatToDo(d))
	}
	if len(r.Differences) > 1 {
		t.print("")
	}
	if r.Waiting > 0 {
		t.print("The log has not reached the last %s yet.", plural(r.Waiting, "entry", "entries"))
	}
	if r.Behind > 0 {
		t.print("The figures have not reached the last %s yet; what those touch was left out.", plural(r.Behind, "entry", "entries"))
	}
	checked := plural(r.Entries, "entry", "entries") + ", " + plural(r.Matters, "matter", "matters") + " and " + plural(r.Cells, "figure", "figures")
	if r.OK {
		t.print("Everything agrees with the record: %s.", checked)
		t.print("The record agrees with the log: %s under %s.", plural(r.Logged, "entry", "entries"), plural(int64(r.Checkpoints), "signed checkpoint", "signed checkpoints"))
		return
	}
	t.print("%s in %s.", plural(int64(len(r.Differences)), "difference", "differences"), checked)
}

// whatToDo is the advice for a difference. The record is the truth unless its own bytes were touched.
func whatToDo(d rows.Difference) string {
	switch {
	case d.Table == "tile":
		return "somebody wrote to the tree past the program: keep a copy as evidence, and restore this row of the table tile from a backup"
	case d.Table == "leaf":
		return "somebody wrote to the log past the program: keep a copy as evidence, and restore this row of the table leaf from a backup; receipts for this entry fail until then"
	}
	switch d.Problem {
	case rows.Rewritten:
		return "keep this database as evidence, and restore the entry from a backup; receipts for it prove what it said"
	case rows.Moved:
		return "somebody gave entries other numbers: keep this database as evidence, and restore the order from a backup"
	case rows.Removed:
		return "keep this database as evidence, and bring the entry back from a backup; whoever holds a receipt can prove that it was there"
	case rows.CutOff, rows.RolledBack:
		return "this is an older state, or its end was removed: never go on from it; keep it as evidence, and restore a backup that holds everything that was signed (docs/how-to/run-the-log.md)"
	case rows.Forked:
		return "this is not the history that was signed: keep it as evidence, find out who else holds the key or runs a copy, and restore the one that others saw (docs/how-to/run-the-log.md)"
	case rows.Unsigned:
		return "somebody put this in past the program, or the key it was signed with is not recorded: keep it as evidence, and compare with what monitors and witnesses saw"
	case rows.Changed:
		return "somebody changed this row past the program: find out who can write to the database, and restore the row from a backup"
	case rows.Missing:
		return "somebody removed this row past the program: find out who can write to the database, and restore it from a backup"
	case rows.Unrecorded:
		return "this row was put in past the program: find out who can write to the database, and do not act on it"
	case rows.Gap:
		return "an entry is missing from the record itself: keep this database as evidence and restore a backup"
	case rows.Unreadable, rows.Mislabeled:
		return "the record itself was changed: keep this database as evidence and compare the entry with a backup"
	}
	return "compare with a backup"
}
