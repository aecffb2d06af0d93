package cli

import (
	"cmp"
	"context"
	"strings"

	"plumbline/internal/fault"
	"plumbline/internal/store"
	"plumbline/internal/tally"
	"plumbline/internal/words"
)

type statsCmd struct {
	dbFlag
	Measure string   `arg:"" optional:"" help:"Measure of the pack; without it the measures are listed."`
	By      []string `name:"by" placeholder:"DIM[,DIM]" help:"Dimensions to break it down by."`
	Body    string   `name:"body" placeholder:"CODE" help:"Count this body with all below it."`
	From    string   `name:"from" placeholder:"DATE" help:"First date of receipt."`
	To      string   `name:"to" placeholder:"DATE" help:"Last date of receipt."`
	Lang    string   `name:"lang" default:"en" help:"Language of the labels."`
	JSON    bool     `name:"json" xor:"format" help:"Print JSON."`
	CSV     bool     `name:"csv" xor:"format" help:"Print CSV."`
}

func (statsCmd) Help() string { return helpText("stats") }

func (c *statsCmd) Run(ctx context.Context, t *terminal) (err error) {
	a, err := c.open(ctx, t, wantOffice)
	if err != nil {
		return err
	}
	defer a.closing(&err)
	say := book().For(c.Lang)
	if c.Measure == "" {
		return c.list(ctx, t, a, say)
	}
	var res tally.Result
	err = a.db.Read(ctx, func(tx *store.Tx) (err error) {
		if err := known(ctx, tx, a.tally, c.Measure); err != nil {
			return err
		}
		res, err = a.tally.Stats(ctx, tx, tally.Request{Measure: c.Measure, By: c.By, Body: c.Body, From: c.From, To: c.To, Words: say})
		return err
	})
	if err != nil {
		return err
	}
	if res.AsOf.Behind > 0 {
		t.note("%s not counted yet: the figures catch up while plumbline serve runs.", plural(res.AsOf.Behind, "entry is", "entries are"))
	}
	switch {
	case c.JSON:
		return t.json(res)
	case c.CSV:
		return res.WriteCSV(t.out)
	}
	heads := append([]string{}, res.By...)
	tab := newTable(append(heads, "value")...).alignRight(len(heads))
	if len(heads) == 0 {
		tab.add(number(res.Total))
	} else {
		for _, row := range res.Rows {
			labels := append([]string{}, row.Labels...)
			for i, key := range row.Key {
				if i >= len(labels) {
					labels = append(labels, key)
				}
				if labels[i] == "" {
					labels[i] = cmp.Or(key, "(not known)")
				}
			}
			tab.add(append(labels, number(row.Value))...)
		}
		total := make([]string, len(heads)+1)
		total[0], total[len(heads)] = "total", number(res.Total)
		tab.add(total...)
	}
	tab.write(t.out)
	if res.Imported > 0 {
		t.note("%s of it imported: no procedure was followed here.", number(res.Imported))
	}
	return nil
}

// known refuses a measure that no pack of the database has, naming those there are.
func known(ctx context.Context, tx *store.Tx, figures *tally.Tally, id string) error {
	all, err := figures.Measures(ctx, tx)
	if err != nil {
		return err
	}
	ids := []string{}
	for _, m := range all.All() {
		if m.ID == id {
			return nil
		}
		ids = append(ids, m.ID)
	}
	return problemf(fault.NotFound, "there is no measure %q; there are %s", id, strings.Join(ids, ", "))
}

type listedMeasure struct {
	Measure  string   `json:"measure"`
	Label    string   `json:"label"`
	Question string   `json:"question"`
	By       []string `json:"by"`
}

// list prints the measures that can be asked for.
func (c *statsCmd) list(ctx context.Context, t *terminal, a *app, say *words.Speaker) error {
	all := []listedMeasure{}
	err := a.db.Read(ctx, func(tx *store.Tx) error {
		measures, err := a.tally.Measures(ctx, tx)
		if err != nil {
			return err
		}
		for _, m := range measures.All() {
			_, def := m.Definition()
			all = append(all, listedMeasure{Measure: m.ID, Label: say.Text(def.Label), Question: say.Text(def.Question), By: m.Dimensions()})
		}
		return nil
	})
	if err != nil {
		return err
	}
	if c.JSON {
		return t.json(all)
	}
	tab := newTable("Measure", "Counts", "Dimensions")
	for _, m := range all {
		tab.add(m.Measure, m.Label, strings.Join(m.By, ", "))
	}
	tab.write(t.out)
	return nil
}
