package matter

import (
	"context"
	"encoding/hex"

	"plumbline/internal/access"
	"plumbline/internal/exhibit"
	"plumbline/internal/fault"
	"plumbline/internal/journal"
	"plumbline/internal/pack"
	"plumbline/internal/ref"
	"plumbline/internal/store"
	"plumbline/internal/vault"
)

// ActionAttach is the step by which a file becomes part of a matter. Every matter has it, whatever its pack says.
const ActionAttach = "attach"

// What an attach entry says in the clear: which stored file it is, below which size it lies, and a commitment that fixes
// the file for good without telling anything of it. The rest is sealed.
const (
	FieldFile       = "file"
	FieldSize       = "size"
	FieldCommitment = "commitment"
)

// An Attached is what the sealed part of an attach entry says of a file.
type Attached struct {
	Name   string
	Type   string
	Size   int64
	SHA256 string // lower-case hexadecimal, as is Salt
	Salt   string
}

// AttachedOf reads it from the values of the sealed part.
func AttachedOf(values map[string]any) (a Attached, ok bool) {
	text := func(name string) string { s, _ := values[name].(string); return s }
	a = Attached{Name: text("name"), Type: text("type"), SHA256: text("sha256"), Salt: text("salt")}
	if n, isNumber := wholeNumber(values["size"]); isNumber {
		a.Size = n
	}
	return a, a.Name != "" && a.SHA256 != ""
}

func wholeNumber(v any) (int64, bool) {
	switch v := v.(type) {
	case int64:
		return v, true
	case float64:
		return int64(v), true
	case interface{ Int64() (int64, error) }: // json.Number
		n, err := v.Int64()
		return n, err == nil
	}
	return 0, false
}

func attachEntry(f exhibit.File) (fields map[string]any, sealed []byte, err error) {
	fields = map[string]any{FieldFile: f.ID.String(), FieldSize: exhibit.SizeClass(f.Size), FieldCommitment: f.Commitment()}
	sealed, err = encodeJSON(map[string]any{"name": f.Name, "type": f.Type, "size": f.Size,
		"sha256": hex.EncodeToString(f.SHA256[:]), "salt": hex.EncodeToString(f.Salt[:])})
	return fields, sealed, err
}

// Attach makes a file part of a matter, by somebody who works on it. It returns the number of the entry.
func (e *Engine) Attach(ctx context.Context, tx *store.Tx, v access.Viewer, keys *vault.Keys, id ref.MatterID, f exhibit.File, via journal.Via) (int64, error) {
	s, by, err := e.attacher(ctx, tx, v, id)
	if err != nil {
		return 0, err
	}
	fields, sealed, err := attachEntry(f)
	if err != nil {
		return 0, err
	}
	return s.Matter.N + 1, e.plainStep(ctx, tx, s, ActionAttach, by, via, keys, fields, map[string][]byte{access.File: sealed})
}

// MayAttach returns as whom somebody may add files to a matter.
func (e *Engine) MayAttach(ctx context.Context, tx *store.Tx, v access.Viewer, id ref.MatterID) (journal.Actor, error) {
	_, by, err := e.attacher(ctx, tx, v, id)
	return by, err
}

func (e *Engine) attacher(ctx context.Context, tx *store.Tx, v access.Viewer, id ref.MatterID) (State, journal.Actor, error) {
	s, by, err := e.handler(ctx, tx, v, id)
	if err == nil && s.Matter.Source != "" {
		err = fault.New(fault.Conflict, "files.imported", nil)
	}
	return s, by, err
}

// ReporterAttach is Attach by the reporter, who gets the description of the file sealed to their own compartment as well:
// so they see later what they sent.
func (e *Engine) ReporterAttach(ctx context.Context, tx *store.Tx, code ref.ReceiptCode, f exhibit.File, via journal.Via) (int64, error) {
	s, by, err := e.reporterOf(ctx, tx, code)
	if err != nil {
		return 0, err
	}
	fields, sealed, err := attachEntry(f)
	if err != nil {
		return 0, err
	}
	return s.Matter.N + 1, e.plainStep(ctx, tx, s, ActionAttach, by, via, vault.ReporterKeys(code), fields, map[string][]byte{access.File: sealed, access.Reporter: sealed})
}

// MayReporterAttach returns the matter to which the holder of a receipt code may add files: as long as it is not closed.
func (e *Engine) MayReporterAttach(ctx context.Context, tx *store.Tx, code ref.ReceiptCode) (State, journal.Actor, error) {
	return e.reporterOf(ctx, tx, code)
}

func (e *Engine) reporterOf(ctx context.Context, tx *store.Tx, code ref.ReceiptCode) (State, journal.Actor, error) {
	s, err := e.ByChannel(ctx, tx, code)
	if err != nil {
		return s, journal.Actor{}, err
	}
	if s.Matter.Final != 0 {
		return s, journal.Actor{}, fault.New(fault.Conflict, "files.closed", nil)
	}
	p, _, err := e.PackOf(s.Matter)
	if err != nil {
		return s, journal.Actor{}, err
	}
	return s, journal.Actor{Duty: p.DutyOf(pack.ActorReporter)}, nil
}

// SealFile returns what seals small texts about a file of a matter, such as its key, on behalf of who sends it: they need
// not be able to open what they seal.
func (e *Engine) SealFile(by journal.Actor, keys *vault.Keys, id ref.MatterID) exhibit.Seal {
	return func(ctx context.Context, tx *store.Tx, compartment, context string, plain []byte) ([]byte, error) {
		s, err := e.Load(ctx, tx, id)
		if err != nil {
			return nil, err
		}
		have, err := e.vault.Compartments(ctx, tx, id)
		if err != nil {
			return nil, err
		}
		d := Decision{State: s, Entry: journal.Entry{By: by, Sealed: map[string]rawMessage{compartment: nil}}, keys: keys}
		wants, err := e.wants(ctx, tx, &d, false, have)
		if err != nil {
			return nil, err
		}
		opener, err := e.vault.Hold(ctx, tx, by, keys, id, wants, nil, false)
		if err != nil {
			return nil, err
		}
		return opener.Seal(compartment, context, plain)
	}
}
