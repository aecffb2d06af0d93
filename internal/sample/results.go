package sample

import (
	"cmp"
	"context"
	"slices"
	"strconv"

	"plumbline/internal/matter"
	"plumbline/internal/pack"
	"plumbline/internal/ref"
	"plumbline/internal/register"
	"plumbline/internal/store"
	"plumbline/verify"
)

// A Tally is what the inspections of a draw have come to, for a body or for all.
type Tally struct {
	Body   ref.BodyID // 0: all
	Size   int64      // of the population
	Drawn  int64
	Done   int64 // inspected and confirmed
	Wrong  int64
	Values map[string]int64 // by what they came to
	// Range is where the share of wrong ones in the population lies, with Sure's confidence. What is still open counts
	// as right for its lower end and as wrong for its upper.
	Range verify.Interval
}

// Open is how many are not inspected yet.
func (t Tally) Open() int64 { return t.Drawn - t.Done }

// Results are the results of a draw that was held.
type Results struct {
	All    Tally
	Bodies []Tally // by size, the largest first; those of which something was drawn
	Left   int64   // of bodies too small to be drawn from
	Items  []Inspected
	Sure   float64 // of the ranges
	Values []string
}

// Inspected is a matter drawn, and its inspection as far as it has come.
type Inspected struct {
	Item
	State  string // of the inspection; empty: not opened
	Ref    ref.Reference
	Done   bool
	Result string
	Wrong  bool
}

// Results says what the inspections of a draw have come to.
func (s *Samples) Results(ctx context.Context, tx *store.Tx, d Draw) (Results, error) {
	all, err := items.Load(ctx, tx, d.Number)
	if err != nil {
		return Results{}, err
	}
	r := Results{Sure: 0.95}
	if f, err := strconv.ParseFloat(d.Def.Confidence, 64); err == nil && f > 0 && f < 1 {
		r.Sure = f
	}
	var ids []ref.MatterID
	for _, i := range all {
		if i.Inspection != 0 {
			ids = append(ids, i.Inspection)
		}
	}
	inspections, err := matter.LoadMany(ctx, tx, ids)
	if err != nil {
		return r, err
	}
	by := map[ref.BodyID]*Tally{}
	r.All.Values = map[string]int64{}
	for _, i := range all {
		t := by[i.Body]
		if t == nil {
			t = &Tally{Body: i.Body, Values: map[string]int64{}}
			by[i.Body] = t
		}
		t.Size++
		r.All.Size++
		if i.Place == 0 {
			continue
		}
		x, err := s.inspected(i, inspections)
		if err != nil {
			return r, err
		}
		r.Items = append(r.Items, x)
		for _, t := range []*Tally{t, &r.All} {
			t.Drawn++
			if x.Done {
				t.Done++
				t.Values[x.Result]++
			}
			if x.Wrong {
				t.Wrong++
			}
		}
	}
	slices.SortFunc(r.Items, func(a, b Inspected) int { return cmp.Compare(a.Place, b.Place) })
	for _, t := range by {
		if t.Drawn == 0 {
			r.Left += t.Size
			continue
		}
		if t.Range, err = verify.Within(t.result(), r.Sure); err != nil {
			return r, err
		}
		r.Bodies = append(r.Bodies, *t)
	}
	slices.SortFunc(r.Bodies, func(a, b Tally) int { return cmp.Or(cmp.Compare(b.Size, a.Size), cmp.Compare(a.Body, b.Body)) })
	if r.All.Drawn > 0 {
		r.All.Range, err = r.over(d)
	}
	return r, err
}

// over is the range for everything: that of the one stratum, or over those that were drawn from by themselves.
func (r Results) over(d Draw) (verify.Interval, error) {
	if len(d.Def.Strata) < 2 {
		return verify.Within(r.All.result(), r.Sure)
	}
	var parts []verify.Result
	for _, t := range r.Bodies {
		parts = append(parts, t.result())
	}
	return verify.Over(parts, r.Sure)
}

func (t Tally) result() verify.Result {
	return verify.Result{Size: t.Size, Drawn: t.Drawn, Wrong: t.Wrong, Open: t.Open()}
}

func (s *Samples) inspected(i Item, all map[ref.MatterID]matter.State) (Inspected, error) {
	x := Inspected{Item: i}
	st, there := all[i.Inspection]
	if !there {
		return x, nil
	}
	x.State, x.Ref = st.Matter.State, st.Matter.Ref
	_, k, err := s.engine.PackOf(st.Matter)
	if err != nil || k == nil || k.Inspects == nil || st.Matter.Final == 0 {
		return x, err
	}
	values, err := st.Matter.Values()
	if err != nil {
		return x, err
	}
	x.Done = true
	x.Result, _ = values[k.Inspects.Result].(string)
	x.Wrong = slices.Contains(k.Inspects.Wrong, x.Result)
	return x, nil
}

// filter is what a request asks for, as the public reads it.
func (s *Samples) filter(tree *register.Tree, r Request) verify.SampleFilter {
	f := verify.SampleFilter{Kind: r.Kind, Ended: r.Ended, From: r.From, To: r.To, Words: map[string]string{}}
	b := tree.Body(r.Body)
	if b != nil {
		f.Body = b.Code
	}
	var k *pack.Kind
	if p := s.packs.Active(); p != nil && r.Kind != "" {
		k = p.Kind(r.Kind)
	}
	for _, say := range s.book.Speakers() {
		var parts []string
		if k != nil {
			parts = append(parts, say.T("sample.words.kind", "kind", say.Text(k.Plural)))
		}
		if b != nil {
			parts = append(parts, say.T("sample.words.body", "body", b.Called(say.Lang(), "")))
		}
		if k != nil && k.Action(r.Ended) != nil {
			parts = append(parts, say.T("sample.words.ended", "step", say.Text(k.Action(r.Ended).Label)))
		}
		switch {
		case r.From != "" && r.To != "":
			parts = append(parts, say.T("sample.words.between", "from", say.Date(r.From), "to", say.Date(r.To)))
		case r.From != "":
			parts = append(parts, say.T("sample.words.from", "from", say.Date(r.From)))
		case r.To != "":
			parts = append(parts, say.T("sample.words.to", "to", say.Date(r.To)))
		}
		text := say.T("sample.words.all")
		if len(parts) > 0 {
			text = say.T("sample.words.some", "what", say.List(parts))
		}
		f.Words[say.Lang()] = text
	}
	return f
}
