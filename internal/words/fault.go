package words

import (
	"errors"

	"plumbline/internal/fault"
)

// A Fault is an error in words for a person.
type Fault struct {
	Kind    fault.Kind
	Message string       // one or two sentences; empty for a nil error
	Fields  []FieldFault // in the order of the form
}

// A FieldFault says what to do about one input.
type FieldFault struct {
	Name    string
	Message string
}

// Fault says an error. What went wrong inside the machine is never said: an error without a fault in
// its chain, and a fault of kind Internal, get the same general words.
func (s *Speaker) Fault(err error) Fault {
	if err == nil {
		return Fault{}
	}
	var e *fault.Error
	if !errors.As(err, &e) || e.Kind == fault.Internal {
		return Fault{Kind: fault.Internal, Message: s.T("fault.internal")}
	}
	f := Fault{Kind: e.Kind, Message: s.T(e.Key, map[string]any(e.Args))}
	for _, field := range e.Fields {
		f.Fields = append(f.Fields, FieldFault{Name: field.Name, Message: s.T(field.Key, map[string]any(field.Args))})
	}
	return f
}
