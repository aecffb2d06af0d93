package matter

import (
	"context"

	"plumbline/internal/access"
	"plumbline/internal/pack"
	"plumbline/internal/ref"
	"plumbline/internal/store"
)

// An Explanation is everything package access says of one person and one matter.
type Explanation struct {
	Matter Row
	Bar    access.Reason // what keeps the person away; empty: nothing
	Lines  []access.Line
}

// Explain says of every act whether a person may do it with a matter, and by what or why not. It asks nobody for leave: it
// is for whoever runs the machine.
func (e *Engine) Explain(ctx context.Context, tx *store.Tx, v access.Viewer, id ref.MatterID) (Explanation, error) {
	s, err := e.Load(ctx, tx, id)
	if err != nil {
		return Explanation{}, err
	}
	p, k, err := e.PackOf(s.Matter)
	if err != nil {
		return Explanation{}, err
	}
	f, err := e.Facts(ctx, tx, s)
	if err != nil {
		return Explanation{}, err
	}
	var steps []*pack.Action
	if k != nil && s.Matter.Source == "" {
		for _, a := range k.ActionsFrom(s.Matter.State) {
			if staffStep(p, a) {
				steps = append(steps, a)
			}
		}
	}
	out := Explanation{Matter: s.Matter, Lines: access.Explain(v, p, k, f, didOf(s), steps)}
	if bar, barred := access.Recused(v, f); barred {
		out.Bar = bar.Reason
	}
	return out, nil
}
