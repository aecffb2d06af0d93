package web

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"plumbline/internal/fault"
	"plumbline/internal/pack"
	"plumbline/internal/ref"
	"plumbline/internal/register"
	"plumbline/internal/store"
	"plumbline/internal/words"
)

// bodyNames says what bodies are called in the reader's language.
type bodyNames struct {
	tree *register.Tree
	lang string
}

func (s *Server) bodyNames(ctx context.Context, tx *store.Tx, say *words.Speaker) (bodyNames, error) {
	t, err := s.tree(ctx, tx)
	return bodyNames{tree: t, lang: say.Lang()}, err
}

// name of a body; empty for none.
func (n bodyNames) name(id ref.BodyID) string {
	if b := n.tree.Body(id); b != nil {
		return b.Called(n.lang, "")
	}
	return ""
}

func (n bodyNames) href(id ref.BodyID) string {
	if id == 0 {
		return ""
	}
	return "/staff/bodies/" + id.String()
}

// labels says what the ids of a pack mean in the reader's language. An id that the pack does not know stays itself: a
// page about old records must not fail over a name.
type labels struct {
	p   *pack.Pack
	say *words.Speaker
}

func (l labels) text(t pack.Text, id string) string {
	if s := l.say.Text(t); s != "" {
		return s
	}
	return id
}

func (s *Server) duty(say *words.Speaker, id string) string {
	if d, ok := s.Office.Duty(id); ok {
		if t := say.Text(d.Label); t != "" {
			return t
		}
	}
	return id
}

func (s *Server) duties(say *words.Speaker, ids []string) []string {
	var out []string
	for _, id := range ids {
		if d := s.duty(say, id); !slices.Contains(out, d) {
			out = append(out, d)
		}
	}
	return out
}

func (l labels) kind(id string) string {
	if k := l.p.Kind(id); k != nil {
		return l.text(k.Label, id)
	}
	return id
}

func (l labels) state(kind, id string) string {
	if id == pack.StateImported {
		return l.say.T("ui.imported")
	}
	if k := l.p.Kind(kind); k != nil {
		if st := k.State(id); st != nil {
			return l.text(st.Label, id)
		}
	}
	return id
}

func (l labels) action(kind, id string) string {
	if k := l.p.Kind(kind); k != nil {
		if a := k.Action(id); a != nil {
			return l.text(a.Label, id)
		}
	}
	return l.say.Maybe("staff.entry."+id, id)
}

func (l labels) clock(kind, id string) string {
	if k := l.p.Kind(kind); k != nil {
		if c := k.Clock(id); c != nil {
			return l.text(c.Label, id)
		}
	}
	return l.say.Maybe("effect."+id, id) // a time that a step in law has opened
}

func (l labels) conduct(id string) string {
	if c := l.p.ConductEntry(id); c != nil {
		return l.text(c.Label, id)
	}
	return id
}

func (l labels) category(id string) string {
	if c := l.p.Category(id); c != nil {
		return l.text(c.Label, id)
	}
	return id
}

func (l labels) finding(id string) string {
	if f := l.p.Finding(id); f != nil {
		return l.text(f.Label, id)
	}
	return id
}

func (l labels) standard(id string) string {
	if f := l.p.Standard(id); f != nil {
		return l.text(f.Label, id)
	}
	return id
}

func (l labels) outcome(id string) string {
	if o, _ := l.p.Outcome(id); o != nil {
		return l.text(o.Label, id)
	}
	return id
}

func (l labels) rank(id string) string {
	if r := l.p.Rank(id); r != nil {
		return l.text(r.Label, id)
	}
	return id
}

func (l labels) level(id string) string {
	if v := l.p.Level(id); v != nil {
		return l.text(v.Label, id)
	}
	return id
}

func (l labels) sector(id string) string {
	if v := l.p.Sector(id); v != nil {
		return l.text(v.Label, id)
	}
	return id
}

func (l labels) value(list, id string) string {
	if v := l.p.List(list); v != nil {
		for i := range v.Values {
			if v.Values[i].ID == id {
				return l.text(v.Values[i].Label, id)
			}
		}
	}
	return id
}

// compartmentName is what a sealed part is called.
func compartmentName(say *words.Speaker, id string) string { return say.Maybe("staff.sealed."+id, id) }

// explained puts names in place of the ids that a fault carries: it was made where nobody knows the reader's language.
func (s *Server) explained(r *http.Request, err error) error {
	var f *fault.Error
	if err == nil || !errors.As(err, &f) || f.Kind == fault.Internal {
		return err
	}
	var names bodyNames
	say := words.From(r.Context())
	if readErr := s.DB.Read(r.Context(), func(tx *store.Tx) (e error) { names, e = s.bodyNames(r.Context(), tx, say); return e }); readErr != nil {
		return errors.Join(err, readErr)
	}
	return s.named(say, names, labels{s.Office.Active(), say}, f)
}

// named returns the fault with names for ids; its cause stays.
func (s *Server) named(say *words.Speaker, names bodyNames, l labels, f *fault.Error) *fault.Error {
	out := *f
	out.Args = s.namedArgs(say, names, l, f.Args)
	out.Fields = slices.Clone(f.Fields)
	for i := range out.Fields {
		out.Fields[i].Args = s.namedArgs(say, names, l, out.Fields[i].Args)
	}
	return &out
}

func (s *Server) namedArgs(say *words.Speaker, names bodyNames, l labels, args fault.Args) fault.Args {
	out := fault.Args{}
	for name, v := range args {
		out[name] = v
		switch v := v.(type) {
		case []string:
			if name == "duties" {
				out[name] = say.List(s.duties(say, v))
			} else {
				out[name] = say.List(v)
			}
		case ref.BodyID:
			out[name] = names.name(v)
		case []ref.BodyID:
			var all []string
			for _, id := range v {
				if n := names.name(id); n != "" {
					all = append(all, n)
				}
			}
			out[name] = say.List(all)
		case string:
			switch name {
			case "duty", "other":
				out[name] = s.duty(say, v)
			case "effect", "earlier", "missing", "period":
				out[name] = say.Maybe("effect."+v, v)
			case "until":
				out[name] = say.Date(v)
			case "most":
				out[name] = periodWords(say, v)
			case "compartment":
				out[name] = compartmentName(say, v)
			case "action":
				if kind, ok := args["kind"].(string); ok && l.p != nil {
					out[name] = l.action(kind, v)
				}
			case "kind":
				if l.p != nil {
					out[name] = l.kind(v)
				}
			case "clock", "state":
				if kind, ok := args["kind"].(string); ok && l.p != nil {
					if name == "clock" {
						out[name] = l.clock(kind, v)
					} else {
						out[name] = l.state(kind, v)
					}
				}
			}
		}
	}
	return out
}
