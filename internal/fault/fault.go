// Package fault names the ways in which a request can go wrong, so that each is said in words to the
// person who asked and kept with its cause for the operator.
//
// A fault carries a catalogue key and arguments, never finished text: the rim (pages, command line)
// says it in the reader's language. It imports nothing of ours.
package fault

import (
	"errors"
	"fmt"
	"sort"
	"strings"
)

// Kind says what went wrong in general; the rims map it to an HTTP status or an exit code.
type Kind int

const (
	Internal    Kind = iota // our mistake or a broken machine; the reader is told only that
	Invalid                 // the input is wrong; Fields say where
	NotFound                // no such thing, or the reader may not know that it exists
	Forbidden               // the reader may know of it but not do this; the words say who may
	Conflict                // somebody else acted meanwhile, or the thing is past this step
	Unavailable             // a part we need does not answer now; trying again may help
)

var kindNames = [...]string{"internal", "invalid", "not-found", "forbidden", "conflict", "unavailable"}

func (k Kind) String() string {
	if k < 0 || int(k) >= len(kindNames) {
		return fmt.Sprintf("kind(%d)", int(k))
	}
	return kindNames[k]
}

// Args are the values a catalogue message is filled with.
type Args map[string]any

// Field is one wrong input: which field, and what to do about it.
type Field struct {
	Name string // as in the form or file
	Key  string // catalogue key
	Args Args
}

// Error is a fault. Key and Args are shown (after translation); Cause is logged, never shown.
type Error struct {
	Kind   Kind
	Key    string
	Args   Args
	Fields []Field
	Cause  error
}

// New returns a fault of a kind whose message stands under key in the catalogues.
func New(kind Kind, key string, args Args) *Error { return &Error{Kind: kind, Key: key, Args: args} }

// Wrap returns a fault that keeps cause for the operator.
func Wrap(cause error, kind Kind, key string, args Args) *Error {
	return &Error{Kind: kind, Key: key, Args: args, Cause: cause}
}

// InvalidFields returns an Invalid fault over the given fields, or nil if there is none.
func InvalidFields(fields []Field) error {
	if len(fields) == 0 {
		return nil
	}
	return &Error{Kind: Invalid, Key: "fault.invalid", Fields: fields}
}

// Error is for logs and developers; people get the catalogue's words.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", e.Kind, e.Key)
	writeArgs(&b, e.Args)
	for _, f := range e.Fields {
		fmt.Fprintf(&b, "; %s: %s", f.Name, f.Key)
		writeArgs(&b, f.Args)
	}
	if e.Cause != nil {
		fmt.Fprintf(&b, ": %v", e.Cause)
	}
	return b.String()
}

func (e *Error) Unwrap() error { return e.Cause }

// KindOf returns the kind of the first fault in err's chain, Internal if there is none.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Internal
}

// Is reports whether err is a fault of the given kind.
func Is(err error, kind Kind) bool {
	var e *Error
	return errors.As(err, &e) && e.Kind == kind
}

func writeArgs(b *strings.Builder, args Args) {
	if len(args) == 0 {
		return
	}
	names := make([]string, 0, len(args))
	for n := range args {
		names = append(names, n)
	}
	sort.Strings(names)
	b.WriteString(" (")
	for i, n := range names {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(b, "%s=%v", n, args[n])
	}
	b.WriteString(")")
}
