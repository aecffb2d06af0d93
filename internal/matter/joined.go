package matter

import (
	"context"
	"slices"

	"plumbline/internal/pack"
	"plumbline/internal/store"
)

// Reports of the same events go on as one, and each reporter keeps their own channel. What is answered on the report that
// goes on can be said to the reporters of those joined to it in the same breath.

// AnswerOf is the field of a step in which the office answers the reporter: a text sealed for them, in a step that gives
// feedback. It is nil where the step gives no answer.
func AnswerOf(a *pack.Action) *pack.Field {
	if a == nil || !a.Has(pack.EffFeedback) {
		return nil
	}
	i := slices.IndexFunc(a.Fields, func(f pack.Field) bool {
		return f.Type == pack.TypeLong && f.Sealed == "reporter" && f.Required && f.When == ""
	})
	if i < 0 {
		return nil
	}
	return &a.Fields[i]
}

// passing is the step by which an answer is passed on to the reporter of a joined report: it asks for the answer alone, and
// leaves the report where it is.
func passing(k *pack.Kind, state string) *pack.Action {
	for _, a := range k.ActionsFrom(state) {
		if f := AnswerOf(a); f != nil && len(a.Fields) == 1 && a.To == "" && a.When == "" {
			return a
		}
	}
	return nil
}

// Joined are the reports that were joined to this one and whose reporters an answer can be passed on to.
func (e *Engine) Joined(ctx context.Context, tx *store.Tx, s State) ([]State, error) {
	var out []State
	for _, l := range s.Links {
		if l.Kind != LinkHasDuplicate {
			continue
		}
		other, err := e.Load(ctx, tx, l.Other)
		if err != nil {
			return nil, err
		}
		_, k, err := e.PackOf(other.Matter)
		if err != nil {
			return nil, err
		}
		if k != nil && other.Matter.Source == "" && len(other.Matter.Channel) > 0 && passing(k, other.Matter.State) != nil {
			out = append(out, other)
		}
	}
	return out, nil
}

// passOn says the answer of a step to the reporters of the joined reports as well. Whoever answers the one answers the
// others; the right to do that came with joining them, and each gets an entry of its own.
func (e *Engine) passOn(ctx context.Context, tx *store.Tx, by *pack.Action, answered Decision, cmd ActCmd) error {
	f := AnswerOf(by)
	if f == nil || cmd.Fields[f.ID] == nil {
		return nil
	}
	joined, err := e.Joined(ctx, tx, answered.State)
	if err != nil {
		return err
	}
	for _, s := range joined {
		p, k, err := e.PackOf(s.Matter)
		if err != nil {
			return err
		}
		a := passing(k, s.Matter.State)
		values := Values{a.Fields[0].ID: cmd.Fields[f.ID]}
		w, err := e.world(ctx, tx, p, k, s, a, values)
		if err != nil {
			return err
		}
		d, err := Decide(w, s, Step{Pack: p, Kind: k, Action: a, Values: values, Actor: answered.Entry.By, Via: cmd.Via})
		if err != nil {
			return err
		}
		d.keys = cmd.Keys
		if err := e.record(ctx, tx, s, &d); err != nil {
			return err
		}
	}
	return nil
}
