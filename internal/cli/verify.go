package cli

import (
	"context"

	"plumbline/internal/account"
	"plumbline/internal/matter"
	"plumbline/internal/office"
	"plumbline/internal/rows"
)

type verifyCmd struct {
	dbFlag
	JSON  bool `name:"json" help:"Print JSON."`
	Quiet bool `name:"quiet" short:"q" help:"Show no progress."`
}

func (verifyCmd) Help() string { return helpText("verify") }

// verified is the report of a verification, for a machine.
type verified struct {
	OK          bool              `json:"ok"`
	Entries     int64             `json:"entries"` // of the record, read and folded again
	Matters     int64             `json:"matters"` // counted again
	Cells       int64             `json:"cells"`   // figures compared
	Behind      int64             `json:"behind"`  // entries that the figures have not reached
	Differences []rows.Difference `json:"differences"`
}

func (c *verifyCmd) Run(ctx context.Context, t *terminal) (err error) {
	a, err := c.open(ctx, t, wantOffice)
	if err != nil {
		return err
	}
	defer a.closing(&err)
	report, err := a.verify(ctx, t, c.Quiet || c.JSON)
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

// verify derives everything again and compares: first the tables with the record, then the figures with the tables.
func (a *app) verify(ctx context.Context, t *terminal, quiet bool) (verified, error) {
	report := verified{Differences: []rows.Difference{}}
	bar := t.progress("Record", "entries", quiet)
	found, err := matter.Verify(ctx, a.db, func(done, total int64) { report.Entries = total; bar.at(done, total) },
		account.Folder{}, office.PackFolder{}, office.SettingFolder{})
	bar.end()
	if err != nil {
		return report, err
	}
	report.Differences = append(report.Differences, found...)
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
	for _, d := range r.Differences {
		t.print("%s", d)
		t.print("    -> %s", whatToDo(d))
	}
	if r.Behind > 0 {
		t.print("The figures have not reached the last %s yet; what those touch was left out.", plural(r.Behind, "entry", "entries"))
	}
	checked := plural(r.Entries, "entry", "entries") + ", " + plural(r.Matters, "matter", "matters") + " and " + plural(r.Cells, "figure", "figures")
	if r.OK {
		t.print("Everything agrees with the record: %s.", checked)
		return
	}
	t.print("%s in %s.", plural(int64(len(r.Differences)), "difference", "differences"), checked)
}

// whatToDo is the advice for a difference. The record is the truth unless its own bytes were touched.
func whatToDo(d rows.Difference) string {
	switch d.Problem {
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
