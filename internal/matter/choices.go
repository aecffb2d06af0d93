package matter

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"plumbline/internal/access"
	"plumbline/internal/fault"
	"plumbline/internal/journal"
	"plumbline/internal/pack"
	"plumbline/internal/ref"
	"plumbline/internal/store"
	"plumbline/internal/vault"
)

// A Choice is a step that the procedure has at this point, and whether this person may take it.
type Choice struct {
	Action  *pack.Action
	Fields  []pack.Field // those asked now, as far as that does not depend on what is being entered
	Allowed bool
	Why     *fault.Error // why not
	Duties  []string     // who may: these duties
	Bodies  []ref.BodyID // at these bodies
}

// Choices returns the steps possible in the matter's state, allowed or not, in the order of the pack. Steps of the
// reporter, the official concerned and the system are left out: nobody at a desk can take them.
func (e *Engine) Choices(ctx context.Context, tx *store.Tx, v access.Viewer, id ref.MatterID) ([]Choice, error) {
	s, err := e.Load(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	p, k, err := e.PackOf(s.Matter)
	if err != nil || k == nil || s.Matter.Source != "" {
		return nil, err
	}
	w, err := e.world(ctx, tx, p, k, s, nil, nil)
	if err != nil {
		return nil, err
	}
	f := w.factsOf(s)
	if err := access.Look(v, f); err != nil {
		return nil, err
	}
	var out []Choice
	for _, a := range k.ActionsFrom(s.Matter.State) {
		if !staffStep(p, a) {
			continue
		}
		c := Choice{Action: a}
		c.Duties, c.Bodies = access.Who(a, f)
		_, err := access.MayAct(v, k, a, f, didOf(s))
		if err == nil {
			err = ready(w, s, Step{Pack: p, Kind: k, Action: a, Actor: journal.Actor{Account: v.Account}})
		}
		if err != nil && !errors.As(err, &c.Why) {
			return nil, err
		}
		c.Allowed = err == nil
		if c.Fields, err = askedNow(p, k, a.Fields, Env(p, s, w)); err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

func staffStep(p *pack.Pack, a *pack.Action) bool {
	duties := a.By
	if len(a.RecordedBy) > 0 {
		duties = a.RecordedBy
	}
	return slices.ContainsFunc(duties, func(id string) bool {
		d := p.Duty(id)
		return d != nil && (d.Actor == pack.ActorAccount || d.Actor == "")
	})
}

// ready asks what can be asked before anything is entered: whether the step is possible now, and fair.
func ready(w World, s State, step Step) error {
	d := newDeciding(w, s, step)
	if err := d.possible(); err != nil {
		if usesFields(step.Action) {
			return nil // its condition looks at what is entered; only then can it be answered
		}
		return err
	}
	d.values = foreseen(step.Action)
	return d.fair()
}

// usesFields reports whether the step asks for clear values at all.
func usesFields(a *pack.Action) bool {
	return slices.ContainsFunc(a.Fields, func(f pack.Field) bool { return f.Sealed == "" && containsName(string(a.When), f.ID) })
}

// foreseen stands for the values that a required field will bring, so that effects that follow from it count.
func foreseen(a *pack.Action) Values {
	v := Values{}
	for _, f := range a.Fields {
		if f.Required && f.When == "" && (f.Type == pack.TypeOutcome || f.Type == pack.TypeFindings) {
			v[f.ID] = struct{}{}
		}
	}
	return v
}

// containsName reports whether a condition speaks of the field f.NAME.
func containsName(expr, field string) bool {
	want := "f." + field
	for i := 0; i+len(want) <= len(expr); i++ {
		if expr[i:i+len(want)] == want && (i+len(want) == len(expr) || !wordByte(expr[i+len(want)])) && (i == 0 || !wordByte(expr[i-1])) {
			return true
		}
	}
	return false
}

func wordByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// askedNow leaves out the fields whose condition does not hold and does not look at what is being entered.
func askedNow(p *pack.Pack, k *pack.Kind, fields []pack.Field, env *pack.Env) ([]pack.Field, error) {
	var out []pack.Field
	for _, f := range fields {
		if f.When != "" && !slices.ContainsFunc(fields, func(g pack.Field) bool { return containsName(string(f.When), g.ID) }) {
			holds, err := p.Asked(k, &f, env)
			if err != nil {
				return nil, err
			}
			if !holds {
				continue
			}
		}
		out = append(out, f)
	}
	return out, nil
}

// ReporterChoices returns the steps the reporter may take now.
func (e *Engine) ReporterChoices(ctx context.Context, tx *store.Tx, s State) ([]Choice, error) {
	p, k, err := e.PackOf(s.Matter)
	if err != nil || k == nil || s.Matter.Source != "" {
		return nil, err
	}
	w, err := e.world(ctx, tx, p, k, s, nil, nil)
	if err != nil {
		return nil, err
	}
	var out []Choice
	for _, a := range k.ActionsFrom(s.Matter.State) {
		if a, err = asking(p, a, s); err != nil {
			return nil, err
		}
		if !byActor(p, a, pack.ActorReporter) || ready(w, s, Step{Pack: p, Kind: k, Action: a}) != nil {
			continue
		}
		fields, err := askedNow(p, k, a.Fields, Env(p, s, w))
		if err != nil {
			return nil, err
		}
		out = append(out, Choice{Action: a, Fields: fields, Allowed: true, Duties: a.By})
	}
	return out, nil
}

func byActor(p *pack.Pack, a *pack.Action, actor pack.Actor) bool {
	return slices.ContainsFunc(a.By, func(id string) bool { d := p.Duty(id); return d != nil && d.Actor == actor })
}

// ReporterAct takes a step of the reporter, who is known by the receipt code alone.
func (e *Engine) ReporterAct(ctx context.Context, tx *store.Tx, code ref.ReceiptCode, seen int64, action string, v Values, via journal.Via) (State, error) {
	s, err := e.ByChannel(ctx, tx, code)
	if err != nil {
		return State{}, err
	}
	p, _, err := e.PackOf(s.Matter)
	if err != nil {
		return State{}, err
	}
	return e.Act(ctx, tx, ActCmd{Matter: s.Matter.ID, Seen: seen, Action: action, Fields: v, Keys: vault.ReporterKeys(code),
		Actor: journal.Actor{Duty: p.DutyOf(pack.ActorReporter)}, Via: via})
}

// A Message is what passed between the office and a reporter in one step.
type Message struct {
	N       int64
	At      time.Time
	Duty    string
	Action  string
	Ours    bool            // written by the office
	Content json.RawMessage // the fields of the step sealed for the reporter
}

// Messages returns what the holder of keys may read of what passed between the office and the reporter, oldest first.
func (e *Engine) Messages(ctx context.Context, tx *store.Tx, keys *vault.Keys, id ref.MatterID) ([]Message, error) {
	opener, err := e.vault.Opener(ctx, tx, keys, id)
	if err != nil {
		return nil, err
	}
	entries, err := journal.Stream(ctx, tx, id.Stream())
	if err != nil {
		return nil, err
	}
	var out []Message
	for _, r := range entries {
		if _, there := r.Sealed[access.Reporter]; !there {
			continue
		}
		content, err := Unseal(opener, r.Entry, access.Reporter)
		if err != nil {
			return nil, err
		}
		out = append(out, Message{N: r.N, At: r.At, Duty: r.By.Duty, Action: r.Action, Ours: r.By.Account != 0, Content: content})
	}
	return out, nil
}
