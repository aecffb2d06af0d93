package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"plumbline/internal/fault"
	"plumbline/internal/monitor"
	"plumbline/internal/witness"
)

type monitorCmd struct {
	URL           string        `arg:"" name:"url" help:"Address of the log, or of the office that has it."`
	Key           []string      `name:"key" sep:"none" placeholder:"VKEY" help:"Verifier key of the log, or @FILE with it; got by a way that you trust. May be repeated."`
	State         string        `name:"state" env:"PLUMBLINE_MONITOR_STATE" placeholder:"DIR" help:"Folder for the history. One for this address below ~/.local/state/plumbline if absent."`
	Once          bool          `name:"once" help:"Look once and end."`
	Every         time.Duration `name:"every" default:"5m" help:"How often to look."`
	All           bool          `name:"all" help:"Read the whole log at the first look and once a day, not only what is new."`
	WitnessPolicy string        `name:"witness-policy" env:"PLUMBLINE_WITNESS_POLICY" placeholder:"FILE" help:"Want the cosignatures of the witnesses in this policy (C2SP tlog-policy) on every head, and trust the keys of logs in it."`
	Head          []string      `name:"head" sep:"none" placeholder:"FILE|URL" help:"Compare with a head that somebody else was shown. May be repeated."`
	Timeout       time.Duration `name:"timeout" default:"20s" help:"How long to wait for one answer of the server."`
	Confirm       time.Duration `name:"confirm" default:"2s" help:"Pause before something is looked at again that a proxy could have garbled; it is found wrong when it is seen three times in a row."`
	JSON          bool          `name:"json" help:"Print a line of JSON for each look."`
}

func (monitorCmd) Help() string { return helpText("monitor") }

// staleAfter is how old the newest signature may be without a word.
const staleAfter = 2 * time.Hour

const timeLayout = "2006-01-02 15:04:05 MST"

// longestPause is how long an outage may make the monitor wait before it looks again.
const longestPause = 10 * time.Minute

func (c *monitorCmd) Run(ctx context.Context, t *terminal) (err error) {
	if c.Every < time.Second {
		return problemf(fault.Invalid, "--every is at least 1s")
	}
	m, err := c.open(t)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	if found := m.Found(); found != "" {
		t.note("The last look at this log found it wrong: %s", found)
	}
	pause := time.Second
	var said time.Time // when a line about an unchanged log was last printed
	for {
		before := m.Gone()
		report, err := m.Check(ctx)
		var bad *monitor.Wrong
		var gone *monitor.Unreachable
		wait := c.Every
		switch {
		case err == nil:
			if before != nil {
				t.note("%s  reachable again, after %s", report.At.Format(timeLayout), report.At.Sub(before.Since).Round(time.Second))
			}
			// A log that stands still is worth a line an hour, to show that somebody looks.
			if c.Once || c.JSON || report.First || report.Size != report.Before || len(report.NewKeys) > 0 || report.At.Sub(said) >= time.Hour {
				c.sayReport(t, m, report)
				said = report.At
			}
			pause = time.Second
		case ctx.Err() != nil:
			return c.stopped(ctx)
		case errors.As(err, &bad):
			c.sayWrong(t, bad)
			return errFoundWrong
		case errors.As(err, &gone) && c.Once:
			c.sayGone(t, m)
			return problemf(fault.Unavailable, "the log could not be looked at: %v", gone)
		case errors.As(err, &gone):
			c.sayGone(t, m)
			wait, pause = min(pause, c.Every), min(2*pause, longestPause)
		case errors.Is(err, monitor.ErrUsage):
			return problemf(fault.Invalid, "%s", strings.TrimPrefix(err.Error(), monitor.ErrUsage.Error()+": "))
		default:
			return err
		}
		if c.Once {
			return nil
		}
		select {
		case <-ctx.Done():
			return c.stopped(ctx)
		case <-time.After(wait):
		}
	}
}

// stopped is how the end by a signal is told: following a log ends in no other way, looking once should have.
func (c *monitorCmd) stopped(ctx context.Context) error {
	if c.Once {
		return ctx.Err()
	}
	return nil
}

func (c *monitorCmd) open(t *terminal) (*monitor.Monitor, error) {
	_, keys, err := keysOf("--key", c.Key)
	if err != nil {
		return nil, err
	}
	config := monitor.Config{URL: c.URL, Keys: keys, Dir: c.State, All: c.All, Heads: c.Head, Timeout: c.Timeout, Confirm: c.Confirm}
	if config.Dir == "" {
		if config.Dir, err = stateFolder(c.URL); err != nil {
			return nil, err
		}
	}
	if c.WitnessPolicy != "" {
		text, err := os.ReadFile(c.WitnessPolicy)
		if err != nil {
			return nil, &problem{kind: fault.NotFound, text: "cannot read the policy of witnesses", cause: err}
		}
		if config.Policy, err = witness.ParsePolicy(text); err != nil {
			return nil, problemf(fault.Invalid, "%s: %v", c.WitnessPolicy, err)
		}
		for _, l := range config.Policy.Logs {
			config.Keys = append(config.Keys, l.VKey)
		}
	}
	m, err := monitor.Open(config)
	switch {
	case errors.Is(err, monitor.ErrUsage):
		return nil, problemf(fault.Invalid, "%s", strings.TrimPrefix(err.Error(), monitor.ErrUsage.Error()+": "))
	case err != nil:
		return nil, &problem{kind: fault.Unavailable, text: "the history cannot be used", cause: err}
	}
	t.log.Debug("history", "folder", config.Dir)
	return m, nil
}

// shortKey leaves out the middle of a key that would fill the screen.
func shortKey(vkey string) string {
	if len(vkey) <= 150 {
		return vkey
	}
	return vkey[:100] + "…" + vkey[len(vkey)-12:]
}

// stateFolder is where the history of a log is kept if nobody says where.
func stateFolder(url string) (string, error) {
	base := os.Getenv("XDG_STATE_HOME")
	if base == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", problemf(fault.Invalid, "there is no home folder to keep the history in: give --state DIR")
		}
		base = filepath.Join(home, ".local", "state")
	}
	_, rest, _ := strings.Cut(url, "://")
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '-' {
			return r
		}
		return '_'
	}, strings.TrimRight(rest, "/"))
	return filepath.Join(base, "plumbline", "monitor", strings.TrimLeft(name, ".")), nil
}

func (c *monitorCmd) line(t *terminal, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // our own structs
	}
	t.print("%s", b)
}

func (c *monitorCmd) sayReport(t *terminal, m *monitor.Monitor, r monitor.Report) {
	if r.TookKey {
		t.note("Nobody told this monitor the key of the log, so it took the one that the server itself shows. Compare it with one")
		t.note("published elsewhere; until then, all that follows says is that the log does not contradict itself:")
		for _, v := range m.Keys() {
			t.note("  %s", shortKey(v))
		}
	}
	if c.JSON {
		c.line(t, struct {
			Event string `json:"event"`
			monitor.Report
		}{"ok", r})
		return
	}
	at := r.At.Format(timeLayout)
	for _, v := range r.NewKeys {
		t.print("%s  %s has handed over to a new key: %s", at, r.Origin, shortKey(v))
	}
	what := "continues all that was seen before"
	switch {
	case r.First:
		what = "first look: nothing to compare with yet"
	case r.Size == r.Before:
		what = "unchanged"
	}
	extra := ""
	if r.Size > r.Before && !r.First {
		extra = ", " + number(int64(r.Size-r.Before)) + " new"
	}
	if len(r.Witnesses) > 0 {
		what += "; cosigned by " + strings.Join(r.Witnesses, ", ")
	}
	if r.Compared > 0 {
		what += "; agrees with " + plural(int64(r.Compared), "head", "heads") + " from elsewhere"
	}
	if age := r.At.Sub(r.Signed); !r.Signed.IsZero() && age > staleAfter {
		what += fmt.Sprintf("; CAREFUL: this head was signed %s ago, and an office signs at least once an hour: you may be shown an old one", age.Round(time.Minute))
	}
	t.print("%s  %s: %s%s; %s", at, r.Origin, plural(int64(r.Size), "entry", "entries"), extra, what)
}

func (c *monitorCmd) sayWrong(t *terminal, bad *monitor.Wrong) {
	if c.JSON {
		c.line(t, map[string]string{"event": "wrong", "kind": string(bad.Kind), "text": bad.Text, "remedy": bad.Remedy, "evidence": bad.Evidence})
		return
	}
	t.print("WRONG (%s): %s.", bad.Kind, bad.Text)
	t.print("    -> %s.", bad.Remedy)
	if bad.Evidence != "" {
		t.print("    The signed heads are in %s.", bad.Evidence)
	}
}

func (c *monitorCmd) sayGone(t *terminal, m *monitor.Monitor) {
	g := m.Gone()
	if c.JSON {
		c.line(t, map[string]any{"event": "unreachable", "since": g.Since, "why": g.Why})
		return
	}
	if !c.Once {
		t.note("%s  not reachable since %s: %s", time.Now().UTC().Format(timeLayout), g.Since.Format(timeLayout), g.Why)
	}
}
