package cli

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"strings"

	xterm "golang.org/x/term"

	"plumbline/internal/fault"
	"plumbline/internal/words"
)

// terminal is what a command talks to.
type terminal struct {
	in       io.Reader
	out, err io.Writer
	log      *slog.Logger
}

func term(f *os.File) bool { return xterm.IsTerminal(int(f.Fd())) }

// print writes a line of the result.
func (t *terminal) print(format string, args ...any) { fmt.Fprintf(t.out, format+"\n", args...) }

// note writes a line about the work.
func (t *terminal) note(format string, args ...any) { fmt.Fprintf(t.err, format+"\n", args...) }

// json writes a result for a machine.
func (t *terminal) json(v any) error {
	enc := json.NewEncoder(t.out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// A problem is an error of the command line's own: what is wrong and what to do, in words that are shown as they are.
type problem struct {
	kind  fault.Kind
	text  string
	cause error
}

func (p *problem) Error() string {
	if p.cause != nil {
		return p.text + ": " + p.cause.Error()
	}
	return p.text
}
func (p *problem) Unwrap() error { return p.cause }

func problemf(kind fault.Kind, format string, args ...any) error {
	return &problem{kind: kind, text: fmt.Sprintf(format, args...)}
}

// exitOf maps an error to an exit code.
func exitOf(err error) int {
	kind := fault.KindOf(err)
	var p *problem
	if errors.As(err, &p) {
		kind = p.kind
	}
	switch kind {
	case fault.Invalid, fault.Forbidden:
		return exitRefused
	case fault.NotFound:
		return exitNotFound
	case fault.Conflict:
		return exitConflict
	case fault.Unavailable:
		return exitUnavailable
	}
	var network *net.OpError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return exitNotFound
	case errors.Is(err, fs.ErrPermission), errors.As(err, &network):
		return exitUnavailable
	}
	return exitInternal
}

// sayError says an error in words. A fault is said by the catalogues with its cause; the person at a command line is
// the operator, who may see both.
func (t *terminal) sayError(err error) {
	var p *problem
	var f *fault.Error
	switch {
	case errors.As(err, &p):
		fmt.Fprintln(t.err, "plumbline:", p.Error())
	case errors.As(err, &f) && f.Kind != fault.Internal:
		said := speaker().Fault(err)
		fmt.Fprintln(t.err, "plumbline:", said.Message)
		for _, field := range said.Fields {
			fmt.Fprintf(t.err, "  %s: %s\n", field.Name, field.Message)
		}
		if f.Cause != nil {
			fmt.Fprintln(t.err, "  because:", f.Cause)
		}
	default:
		fmt.Fprintln(t.err, "plumbline:", err)
	}
}

// speaker speaks the language of the command line, which is English.
func speaker() *words.Speaker { return book().For("en") }

// ask asks a question on a terminal. Where nobody can answer it is a problem that names the flag.
func (t *terminal) ask(question, flag string) (string, error) {
	if !isTerminal(t.in) {
		return "", problemf(fault.Invalid, "%s is needed, and nobody can be asked here: give %s", question, flag)
	}
	fmt.Fprintf(t.err, "%s: ", question)
	line, err := bufio.NewReader(t.in).ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("read the answer: %w", err)
	}
	return strings.TrimSpace(line), nil
}

// secret reads a password: from a file, from the first line of standard input, or from a terminal without echo.
// It returns "" if none of them was asked for and there is no terminal.
func (t *terminal) secret(question, file string, stdin bool) (string, error) {
	switch {
	case file != "":
		data, err := os.ReadFile(file)
		if err != nil {
			return "", fmt.Errorf("read the password file: %w", err)
		}
		return strings.TrimRight(string(data), "\r\n"), nil
	case stdin:
		line, err := bufio.NewReader(t.in).ReadString('\n')
		if err != nil && (err != io.EOF || line == "") {
			return "", problemf(fault.Invalid, "there is no password on standard input")
		}
		return strings.TrimRight(line, "\r\n"), nil
	case isTerminal(t.in):
		fmt.Fprintf(t.err, "%s: ", question)
		typed, err := xterm.ReadPassword(int(t.in.(*os.File).Fd()))
		fmt.Fprintln(t.err)
		if err != nil {
			return "", fmt.Errorf("read the password: %w", err)
		}
		return string(typed), nil
	}
	return "", nil
}

// newLogger logs text to a terminal and JSON elsewhere.
func newLogger(t *terminal, level string) *slog.Logger {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		l = slog.LevelInfo // kong has checked the value; this only keeps the compiler of a later value honest
	}
	options := &slog.HandlerOptions{Level: l}
	if isTerminal(t.err) {
		return slog.New(slog.NewTextHandler(t.err, options))
	}
	return slog.New(slog.NewJSONHandler(t.err, options))
}
