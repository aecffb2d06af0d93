// Package cli is the command line: it reads arguments, calls the packages that do the work, and says the result in
// words, or in JSON where a machine may read it.
//
// Every command answers with one of the exit codes below and never asks a question that a flag has answered. What a
// person reads goes to standard output when it is the result and to standard error when it is about the work
// (progress, logs, errors), so that results can be piped. Secrets are read from files, standard input or a terminal,
// never from arguments, and are never logged.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/alecthomas/kong"
)

//go:generate go run ./gen ../../docs/reference/commands.md

// The exit codes, the same for every command.
const (
	exitOK          = 0
	exitWrong       = 1  // the command worked and found something wrong: a violation, a difference, rejected records
	exitUsage       = 2  // the command line is wrong
	exitNotFound    = 3  // something named does not exist
	exitRefused     = 4  // the input or the rules do not allow it
	exitConflict    = 5  // it is already so, or somebody else acted meanwhile
	exitUnavailable = 6  // the database or another part does not answer
	exitInternal    = 70 // our mistake
	exitSignal      = 130
)

// exitCodes says them for the help and for docs/reference/commands.md.
var exitCodes = []struct {
	Code int
	Text string
}{
	{exitOK, "done"},
	{exitWrong, "done, and something is wrong: a violation, a difference, a failed check"},
	{exitUsage, "the command line is wrong"},
	{exitNotFound, "something named does not exist"},
	{exitRefused, "the input or the rules do not allow it"},
	{exitConflict, "it is already so, or somebody else acted meanwhile"},
	{exitUnavailable, "the database, a file or an address cannot be used now"},
	{exitInternal, "a mistake in Plumbline; the log says where"},
	{exitSignal, "stopped by a signal before it was done"},
}

// root is the whole command line; kong reads it.
type root struct {
	LogLevel string `name:"log-level" enum:"debug,info,warn,error" default:"${log_level}" env:"PLUMBLINE_LOG_LEVEL" placeholder:"LEVEL" help:"How much to log to standard error: debug, info, warn or error."`

	Demo     demoCmd     `cmd:"" group:"start" help:"Run an invented office with sample reports, to look around."`
	Init     initCmd     `cmd:"" group:"start" help:"Make a new database with a pack, an office and an administrator."`
	Serve    serveCmd    `cmd:"" group:"start" help:"Run the web server of an office."`
	Import   importCmd   `cmd:"" group:"data" help:"Import complaint files through a mapping."`
	Stats    statsCmd    `cmd:"" group:"data" help:"Print the figures of a measure."`
	Verify   verifyCmd   `cmd:"" group:"data" help:"Derive every table and figure again from the record and name each difference."`
	Receipt  receiptCmd  `cmd:"" group:"data" help:"Check receipts, without a server or a database."`
	Sample   sampleCmd   `cmd:"" group:"data" help:"Draw closed matters at random for inspection, and repeat draws."`
	Monitor  monitorCmd  `cmd:"" group:"outside" help:"Follow a log from outside, and say what is wrong with it."`
	Witness  witnessCmd  `cmd:"" group:"outside" help:"Run a witness: cosign the heads of logs that do not contradict themselves."`
	Pack     packCmd     `cmd:"" group:"run" help:"List, check, test and show packs, and load them into a database."`
	Body     bodyCmd     `cmd:"" group:"run" help:"Enter the institutions and offices of the tree."`
	Official officialCmd `cmd:"" group:"run" help:"Enter officials and the posts they hold."`
	Account  accountCmd  `cmd:"" group:"run" help:"Manage accounts and the duties they hold."`
	Access   accessCmd   `cmd:"" group:"run" help:"Say who may do what, and by which rule."`
	Vault    vaultCmd    `cmd:"" group:"run" help:"Look after the keys of desks: who can open them, and how they are recovered."`
	Log      logCmd      `cmd:"" group:"run" help:"Look after the public log: its state and the key that signs it."`
	Doctor   doctorCmd   `cmd:"" group:"run" help:"Check the machine and the database, and say what to do."`
	Version  versionCmd  `cmd:"" group:"run" help:"Print the version and how this program was built."`
}

// Main runs the command line and returns the exit code.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		args = []string{"--help"}
	}
	t := &terminal{in: stdin, out: stdout, err: stderr}
	ctx, stop := signals(t)
	defer stop()
	return run(ctx, t, args)
}

// run is Main with its surroundings given.
func run(ctx context.Context, t *terminal, args []string) int {
	var r root
	exited := -1
	parser, err := newParser(&r, t, func(code int) {
		// kong calls this after printing help, in the middle of parsing: what follows is not wanted.
		exited = code
		panic(helpPrinted{})
	})
	if err != nil {
		fmt.Fprintln(t.err, "plumbline:", err)
		return exitInternal
	}
	parsed, err := parse(parser, args)
	if exited >= 0 {
		return exited
	}
	if err != nil {
		return t.usage(err)
	}
	t.log = newLogger(t, r.LogLevel)
	parsed.BindTo(ctx, (*context.Context)(nil))
	return t.finish(ctx, parsed.Run(t))
}

type helpPrinted struct{}

func parse(parser *kong.Kong, args []string) (c *kong.Context, err error) {
	defer func() {
		if p := recover(); p != nil {
			if _, help := p.(helpPrinted); !help {
				panic(p)
			}
		}
	}()
	return parser.Parse(args)
}

// newParser builds kong's model of the command line. It is used to run commands and to write their reference.
func newParser(r *root, t *terminal, exit func(int)) (*kong.Kong, error) {
	return kong.New(r,
		kong.Name("plumbline"),
		kong.Description("Plumbline is the working system of an office that holds justice institutions to account."),
		kong.Writers(t.out, t.err),
		kong.Exit(exit),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100, NoExpandSubcommands: true}),
		kong.ExplicitGroups([]kong.Group{
			{Key: "start", Title: "Start:"},
			{Key: "data", Title: "Data:"},
			{Key: "run", Title: "Run an office:"},
			{Key: "outside", Title: "Watch an office:"},
		}),
		kong.Vars{
			"log_level":  "info",
			"default_db": defaultDB,
		},
	)
}

// usage says what is wrong with the command line.
func (t *terminal) usage(err error) int {
	fmt.Fprintf(t.err, "plumbline: %s\n", strings.TrimSuffix(err.Error(), "."))
	var p *kong.ParseError
	hint := "plumbline --help"
	if errors.As(err, &p) && p.Context != nil {
		if cmd := p.Context.Selected(); cmd != nil {
			hint = cmd.FullPath() + " --help"
		}
	}
	fmt.Fprintf(t.err, "Run \"%s\" for how to use it.\n", hint)
	return exitUsage
}

// finish says how a command ended and returns its exit code.
func (t *terminal) finish(ctx context.Context, err error) int {
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errFoundWrong):
		return exitWrong // the command has said what
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		fmt.Fprintln(t.err, "plumbline: stopped before it was done")
		return exitSignal
	}
	t.sayError(err)
	return exitOf(err)
}

// errFoundWrong ends a command that worked and found something wrong, after it has said what.
var errFoundWrong = errors.New("found something wrong")

// isTerminal reports whether a stream is a terminal.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term(f)
}
