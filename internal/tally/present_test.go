package tally

import (
	"encoding/json"
	"strings"
	"testing"

	"plumbline/internal/matter"
	"plumbline/internal/pack"
	"plumbline/internal/ref"
	"plumbline/internal/store"
	"plumbline/internal/testing/world"
	"plumbline/internal/words"
)

// speakers returns the two languages of the catalogues.
func speakers(t *testing.T) (en, zh *words.Speaker, book *words.Book) {
	t.Helper()
	book, err := words.Load()
	if err != nil {
		t.Fatal(err)
	}
	return book.For("en"), book.For("zh-Hans"), book
}

func TestRowsStandInTheOrderOfTheScaleWithLabels(t *testing.T) {
	packs := testPacks()
	packs["a@1.0.0"].Findings = []pack.Finding{
		{ID: "sustained", Label: pack.Text{"en": "Sustained", "zh-Hans": "属实"}},
		{ID: "not-sustained", Label: pack.Text{"en": "Not sustained", "zh-Hans": "证据不足"}},
	}
	o := newOffice(t, world.SQLite(t), packs, 1000)
	add := func(id ref.MatterID, source string, findings ...string) {
		st := &matter.State{Matter: matter.Row{ID: id, Ref: ref.ReferenceFor("R", id.String()), Kind: "case", Pack: "a@1.0.0", Received: "2019", Body: o.bodies[1], Source: source, Data: "{}"}}
		for i, f := range findings {
			st.Allegations = append(st.Allegations, matter.Allegation{No: int64(i + 1), Finding: f, Conduct: "force", Data: "{}"})
		}
		o.record(st)
	}
	add(1, "", "rare", "common", "common", "not-sustained", "", "", "")
	add(2, "city", "sustained", "not-sustained")
	o.catchUp()

	en, zh, book := speakers(t)
	for _, tt := range []struct {
		req  Request
		want string
	}{
		{Request{Measure: "allegations", By: []string{"finding"}, Words: en},
			"Sustained=1 Not sustained=2 common=2 rare=1 Not known=3"},
		{Request{Measure: "allegations", By: []string{"finding"}, Words: zh},
			"属实=1 证据不足=2 common=2 rare=1 不详=3"},
		{Request{Measure: "allegations", By: []string{"imported", "year"}, Words: en},
			"Handled here/2019=7 Imported/2019=2"},
		{Request{Measure: "matters", By: []string{"body"}, Body: "body-1", Words: en}, "body-1 itself=2"},
		{Request{Measure: "matters", By: []string{"body"}, Words: zh}, "body-0=2"},
	} {
		var out []string
		for _, r := range o.stats(tt.req).Rows {
			out = append(out, strings.Join(r.Labels, "/")+"="+json.Number(jsonOf(t, r.Value)).String())
		}
		if got := strings.Join(out, " "); got != tt.want {
			t.Errorf("%v\ngot  %s\nwant %s", tt.req.By, got, tt.want)
		}
	}
	if missing := book.Missing(); len(missing) > 0 {
		t.Errorf("missing from the catalogues: %v", missing)
	}
}

func jsonOf(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestJSONOfAFigure(t *testing.T) {
	o := newOffice(t, world.SQLite(t), testPacks(), 1000)
	st := &matter.State{Matter: matter.Row{ID: 1, Ref: ref.ReferenceFor("R", "1"), Kind: "case", Pack: "a@1.0.0", State: "closed", Received: "2019-05", Body: o.bodies[1], Source: "city", Data: "{}"}}
	o.record(st)
	o.catchUp()
	res := o.stats(Request{Measure: "matters", By: []string{"year", "state"}})
	res.AsOf.Index = 0 // depends on how the office was made
	want := `{"measure":"matters","by":["year","state"],"rows":[{"key":["2019","closed"],"value":1}],"total":1,"imported":1,"as_of":{"index":0,"behind":0}}`
	if got := jsonOf(t, res); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	empty := o.stats(Request{Measure: "cases"})
	if got := jsonOf(t, empty); !strings.HasPrefix(got, `{"measure":"cases","by":[],"rows":[],"total":0,`) {
		t.Errorf("got %s", got)
	}
}

func TestQuestionsThatCannotBeAnsweredSayWhy(t *testing.T) {
	o := newOffice(t, world.SQLite(t), testPacks(), 1000)
	for name, req := range map[string]Request{
		"a measure nobody declared":      {Measure: "miracles"},
		"a dimension the measure lacks":  {Measure: "matters", By: []string{"finding"}},
		"a dimension twice":              {Measure: "matters", By: []string{"kind", "kind"}},
		"a body that is not there":       {Measure: "matters", Body: "nowhere"},
		"a date that is none":            {Measure: "matters", From: "May"},
		"a range that is upside down":    {Measure: "matters", From: "2020", To: "2019"},
		"more dimensions than can be by": {Measure: "allegations", By: []string{"finding", "conduct", "category", "outcome", "year", "body"}},
	} {
		t.Run(name, func(t *testing.T) {
			err := o.db.Read(t.Context(), func(tx *store.Tx) error {
				_, err := o.tally.Stats(t.Context(), tx, req)
				return err
			})
			if err == nil {
				t.Error("it was answered")
			}
		})
	}
}
