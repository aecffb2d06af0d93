package cli

import (
	"runtime"
	"runtime/debug"
)

// Set by the linker (see Makefile).
var (
	buildVersion = ""
	buildCommit  = ""
)

type versionCmd struct {
	JSON bool `name:"json" help:"Print JSON."`
}

func (versionCmd) Help() string { return helpText("version") }

// buildInfo is how this program was built.
type buildInfo struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Modified bool   `json:"modified,omitempty"`
	Built    string `json:"built,omitempty"` // time of the commit
	Go       string `json:"go"`
	System   string `json:"system"`
}

func readBuild() buildInfo {
	b := buildInfo{Version: buildVersion, Commit: buildCommit, Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				b.Commit = s.Value
			case "vcs.time":
				b.Built = s.Value
			case "vcs.modified":
				b.Modified = s.Value == "true"
			}
		}
	}
	if b.Version == "" {
		b.Version = "development"
	}
	return b
}

func (c *versionCmd) Run(t *terminal) error {
	b := readBuild()
	if c.JSON {
		return t.json(b)
	}
	t.print("plumbline %s", b.Version)
	if b.Commit != "" {
		modified := ""
		if b.Modified {
			modified = ", modified"
		}
		t.print("commit    %s%s", b.Commit, modified)
	}
	if b.Built != "" {
		t.print("of        %s", b.Built)
	}
	t.print("built by  %s for %s", b.Go, b.System)
	return nil
}
