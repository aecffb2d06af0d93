package vault

import (
	"fmt"
	"io"
	"log/slog"
)

// What is secret prints as this, whatever the verb and wherever it is put by mistake: into an error, a log, a panic. Types that
// hold secrets in fields print so themselves, since fmt asks no method of a field that is not exported.
const hidden = "(secret)"

func hide(f fmt.State) { _, _ = io.WriteString(f, hidden) } // what fmt prints into does not fail

func (secret) Format(f fmt.State, _ rune)    { hide(f) }
func (Secret) Format(f fmt.State, _ rune)    { hide(f) }
func (newLock) Format(f fmt.State, _ rune)   { hide(f) }
func (Share) Format(f fmt.State, _ rune)     { hide(f) }
func (OfficeKey) Format(f fmt.State, _ rune) { hide(f) }
func (*Keys) Format(f fmt.State, _ rune)     { hide(f) }
func (*Opener) Format(f fmt.State, _ rune)   { hide(f) }
func (*Founding) Format(f fmt.State, _ rune) { hide(f) }
func (*Joined) Format(f fmt.State, _ rune)   { hide(f) }
func (*Vault) Format(f fmt.State, _ rune)    { hide(f) }

func (sessionContent) Format(f fmt.State, _ rune) { hide(f) }

// A log that writes JSON asks for this instead.
func (secret) LogValue() slog.Value    { return slog.StringValue(hidden) }
func (Secret) LogValue() slog.Value    { return slog.StringValue(hidden) }
func (Share) LogValue() slog.Value     { return slog.StringValue(hidden) }
func (OfficeKey) LogValue() slog.Value { return slog.StringValue(hidden) }

// And so does a structure that one of them stands in.
func (Secret) MarshalJSON() ([]byte, error)    { return []byte(`"` + hidden + `"`), nil }
func (OfficeKey) MarshalJSON() ([]byte, error) { return []byte(`"` + hidden + `"`), nil }
