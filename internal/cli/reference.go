package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
)

// Reference writes the reference of every command and flag as a Markdown page.
func Reference(w io.Writer) error {
	var r root
	parser, err := newParser(&r, &terminal{out: io.Discard, err: io.Discard}, func(int) {})
	if err != nil {
		return err
	}
	p := &page{w: w}
	p.line("# Commands\n")
	p.line("Written by `go generate` from the program's own description of its commands; `plumbline COMMAND --help` says the same.\n")
	p.line("Results go to standard output; progress, logs and errors to standard error. Where a command has `--json`, its JSON is")
	p.line("stable: fields are added, never renamed. Secrets are read from files, standard input or a terminal, never from arguments.\n")
	p.line("## Exit codes\n")
	p.line("| code | meaning |\n|---|---|")
	for _, c := range exitCodes {
		p.line("| %d | %s |", c.Code, c.Text)
	}
	p.line("\n## Flags of every command\n")
	p.flags(parser.Model.Flags)
	p.command(parser.Model.Node, "plumbline")
	return p.err
}

type page struct {
	w   io.Writer
	err error
}

func (p *page) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}

func (p *page) command(n *kong.Node, path string) {
	for _, child := range n.Children {
		if child.Hidden {
			continue
		}
		full := path + " " + child.Name
		p.line("\n## %s\n", full)
		p.line("%s\n", child.Help)
		if child.Leaf() {
			p.line("```\nplumbline %s\n```\n", child.Summary())
		}
		text, examples, _ := strings.Cut(child.Detail, "\nExamples:\n")
		p.line("%s", strings.TrimSpace(text))
		if strings.TrimSpace(examples) != "" {
			p.line("\n```\n%s\n```", unindent(examples))
		}
		if len(child.Positional) > 0 {
			p.line("\n| argument | meaning |\n|---|---|")
			for _, a := range child.Positional {
				p.line("| `%s` | %s |", a.Summary(), a.Help)
			}
		}
		if len(child.Flags) > 0 {
			p.line("")
			p.flags(child.Flags)
		}
		p.command(child, full)
	}
}

func (p *page) flags(flags []*kong.Flag) {
	p.line("| flag | meaning | default | variable |\n|---|---|---|---|")
	for _, f := range flags {
		if f.Hidden {
			continue
		}
		name := "--" + f.Name
		if f.Short != 0 {
			name = "-" + string(f.Short) + ", " + name
		}
		if !f.IsBool() {
			name += "=" + f.FormatPlaceHolder()
		}
		def := ""
		if f.HasDefault && f.Default != "" {
			def = "`" + f.Default + "`"
		}
		envs := ""
		if len(f.Envs) > 0 {
			envs = "`" + strings.Join(f.Envs, "`, `") + "`"
		}
		p.line("| `%s` | %s | %s | %s |", name, strings.ReplaceAll(f.Help, "|", "\\|"), def, envs)
	}
}

func unindent(s string) string {
	lines := strings.Split(strings.Trim(s, "\n"), "\n")
	for i, l := range lines {
		lines[i] = strings.TrimPrefix(l, "  ")
	}
	return strings.TrimSpace(strings.Join(lines, "\n"))
}
