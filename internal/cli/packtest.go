package cli

import (
	"context"
	"errors"
	"path/filepath"
	"sort"
	"strings"

	"plumbline/internal/fault"
	"plumbline/internal/rehearse"
)

type packTestCmd struct {
	Pack string `arg:"" placeholder:"NAME|DIR" help:"A bundled pack or a folder."`
	Only string `name:"run" placeholder:"TEXT" help:"Run only scenarios whose file name contains this."`
	JSON bool   `name:"json" help:"Print JSON."`
}

func (packTestCmd) Help() string { return helpText("pack-test") }

func (c *packTestCmd) Run(ctx context.Context, t *terminal) error {
	p, err := openPack(c.Pack)
	if err != nil {
		return err
	}
	var names []string
	for name := range p.Files {
		scenario, err := filepath.Match("scenarios/*.txtar", name)
		if err != nil {
			return err
		}
		if scenario && strings.Contains(name, c.Only) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		if c.Only != "" {
			return problemf(fault.NotFound, "the pack %s has no scenario whose name contains %q", c.Pack, c.Only)
		}
		return &problem{kind: fault.NotFound, text: c.Pack, cause: rehearse.ErrNoScenario}
	}
	sort.Strings(names)
	reports, failed := []rehearse.Report{}, 0
	for _, name := range names {
		r, err := rehearse.Run(ctx, p, name, p.Files[name])
		if err != nil && ctx.Err() != nil {
			return err
		}
		if err != nil { // a broken file: say so and go on with the others
			r.Failures = append(r.Failures, rehearse.Failure{Message: strings.TrimPrefix(err.Error(), name+": ")})
		}
		reports = append(reports, r)
		if !r.OK() {
			failed++
		}
		if !c.JSON {
			sayReport(t, folderOf(c.Pack), r)
		}
	}
	if c.JSON {
		err = t.json(reports)
	} else {
		t.note("%s, %s", plural(int64(len(reports)), "scenario", "scenarios"), plural(int64(failed), "fails", "fail"))
	}
	if failed > 0 {
		err = errors.Join(err, errFoundWrong)
	}
	return err
}

func sayReport(t *terminal, dir string, r rehearse.Report) {
	if r.OK() {
		t.print("ok    %s: %s", r.File, plural(int64(r.Lines), "line", "lines"))
		return
	}
	t.print("FAIL  %s", r.File)
	for _, f := range r.Failures {
		if f.Line > 0 {
			t.print("      %s:%d: %s", filepath.Join(dir, r.File), f.Line, f.Text)
		}
		t.print("        %s", f.Message)
	}
}
