package matter_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plumbline/internal/fault"
	"plumbline/internal/journal"
	"plumbline/internal/matter"
	"plumbline/internal/pack"
	"plumbline/internal/ref"
	"plumbline/internal/store"
	"plumbline/internal/testing/world"
)

// form is what a page sends: "a=1&b=2" without the escapes.
func form(text string) func(string) []string {
	in := map[string][]string{}
	for _, pair := range strings.Split(text, "&") {
		k, v, _ := strings.Cut(pair, "=")
		in[k] = append(in[k], v)
	}
	return func(name string) []string { return in[name] }
}

func TestFormsAreReadAsPeopleFillThemIn(t *testing.T) {
	p, err := generic()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		field pack.Field
		form  string
		want  any    // value under "x"
		wrong string // "input key"
	}{
		{"ISO date", pack.Field{Type: pack.TypeDate}, "x=2026-03-27", "2026-03-27", ""},
		{"date as said", pack.Field{Type: pack.TypeDate}, "x=27 3 2026", "2026-03-27", ""},
		{"date in words", pack.Field{Type: pack.TypeDate}, "x=27 March 2026", "2026-03-27", ""},
		{"date in Chinese", pack.Field{Type: pack.TypeDate}, "x=2026年3月27日", "2026-03-27", ""},
		{"full-width digits", pack.Field{Type: pack.TypeDate}, "x=２０２６年３月", nil, "x field.date.day"},
		{"three inputs", pack.Field{Type: pack.TypeDate}, "x.day=7&x.month=3&x.year=2026", "2026-03-07", ""},
		{"a month where that will do", pack.Field{Type: pack.TypeDate, Partial: true}, "x.month=3&x.year=2026", "2026-03", ""},
		{"a day without its month", pack.Field{Type: pack.TypeDate, Partial: true}, "x.day=3&x.year=2026", nil, "x field.date.parts"},
		{"a day that does not exist", pack.Field{Type: pack.TypeDate}, "x=31 4 2026", nil, "x field.date"},
		{"which century?", pack.Field{Type: pack.TypeDate}, "x=27 3 26", nil, "x field.date"},
		{"number", pack.Field{Type: pack.TypeNumber}, "x= 1,200 ", int64(1200), ""},
		{"number in words", pack.Field{Type: pack.TypeNumber}, "x=twelve", nil, "x field.number"},
		{"number too big", pack.Field{Type: pack.TypeNumber, Max: 10}, "x=11", nil, "x field.too-big"},
		{"text is trimmed", pack.Field{Type: pack.TypeText}, "x=  hello ", "hello", ""},
		{"only blanks", pack.Field{Type: pack.TypeText, Required: true}, "x=   ", nil, "x field.required"},
		{"text on two lines", pack.Field{Type: pack.TypeText}, "x=a\nb", nil, "x field.one-line"},
		{"lines of a long text", pack.Field{Type: pack.TypeLong}, "x=a\r\nb", "a\nb", ""},
		{"too long, by characters", pack.Field{Type: pack.TypeText, Max: 3}, "x=证据材料", nil, "x field.too-long"},
		{"as long as may be", pack.Field{Type: pack.TypeText, Max: 4}, "x=证据材料", "证据材料", ""},
		{"text turned around", pack.Field{Type: pack.TypeLong}, "x=pay \u202e001", nil, "x field.characters"},
		{"sent twice", pack.Field{Type: pack.TypeText}, "x=a&x=b", nil, "x field.once"},
		{"yes", pack.Field{Type: pack.TypeYesNo}, "x=yes", true, ""},
		{"no", pack.Field{Type: pack.TypeYesNo, Required: true}, "x=no", false, ""},
		{"maybe", pack.Field{Type: pack.TypeYesNo}, "x=maybe", nil, "x field.yes-no"},
		{"choice", pack.Field{Type: pack.TypeChoice, List: "severity"}, "x=low", "low", ""},
		{"a choice not on offer", pack.Field{Type: pack.TypeChoice, List: "severity"}, "x=extreme", nil, "x field.choice"},
		{"no choice made", pack.Field{Type: pack.TypeChoice, List: "severity", Required: true}, "", nil, "x field.required.choose"},
		{"conduct", pack.Field{Type: pack.TypeConduct}, "x=bribery", "bribery", ""},
		{"belief is no conduct", pack.Field{Type: pack.TypeConduct}, "x=disloyalty", nil, "x field.choice"},
		{"official of the register", pack.Field{Type: pack.TypeOfficial}, "x=101", matter.OfficialValue{ID: 101}, ""},
		{"official by description", pack.Field{Type: pack.TypeOfficial}, "x.described=tall, beard", matter.OfficialValue{Described: "tall, beard"}, ""},
		{"reference as typed", pack.Field{Type: pack.TypeMatter}, "x=" + strings.ToLower(string(ref.ReferenceFor("R", "1"))), string(ref.ReferenceFor("R", "1")), ""},
		{"reference with a slip", pack.Field{Type: pack.TypeMatter}, "x=R-00000-00001", nil, "x field.reference"},
		{"period", pack.Field{Type: pack.TypePeriod}, "x=10&x.unit=wd", "10wd", ""},
		{"period in one", pack.Field{Type: pack.TypePeriod}, "x=2 mo", "2mo", ""},
		{"period without unit", pack.Field{Type: pack.TypePeriod}, "x=10", nil, "x field.period"},
		{"check sheet", pack.Field{Type: pack.TypeCheck, List: "evidence-sheet"},
			"x.persons-heard=yes&x.official-version=no&x.recordings=na&x.documents=yes&x.exculpatory=yes",
			map[string]string{"persons-heard": "yes", "official-version": "no", "recordings": "na", "documents": "yes", "exculpatory": "yes"}, ""},
		{"check sheet half filled", pack.Field{Type: pack.TypeCheck, List: "evidence-sheet"}, "x.persons-heard=yes", nil, "x.official-version field.check"},
		{"findings", pack.Field{Type: pack.TypeFindings}, "x.1=sustained&x.3=unfounded", map[string]string{"1": "sustained", "3": "unfounded"}, ""},
		{"rows", pack.Field{Type: pack.TypeAllegations}, "x.0.official=101&x.0.conduct=bribery&x.0.time=2026&x.2.no=1&x.2.place=Gate",
			[]matter.AllegationValue{{Official: matter.OfficialValue{ID: 101}, Conduct: "bribery", Time: "2026"}, {No: 1, Place: "Gate"}}, ""},
		{"a row without conduct", pack.Field{Type: pack.TypeAllegations}, "x.0.official=101", nil, "x.0.conduct field.required.conduct"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.field.ID = "x"
			got, wrong := matter.ParseForm(p, []pack.Field{tt.field}, form(tt.form))
			if tt.wrong != "" {
				if len(wrong) == 0 || wrong[0].Name+" "+wrong[0].Key != tt.wrong {
					t.Errorf("got %v and %v, want %s", got, wrong, tt.wrong)
				}
				return
			}
			if len(wrong) > 0 {
				t.Errorf("refused: %v", wrong)
			}
			if d := cmp.Diff(tt.want, got["x"]); d != "" {
				t.Error(d)
			}
		})
	}
}

// Whatever strangers send, reading it never fails otherwise than by naming inputs, and what is read is recorded and folds.
func FuzzForm(f *testing.F) {
	p, err := generic()
	if err != nil {
		f.Fatal(err)
	}
	f.Add("body=police&story=x&conduct=insult&official.described=y&happened_on=27 3 2026")
	f.Add("story=\x00&body=\xff&happened_on=99999999&official=9223372036854775808")
	f.Add("relation=affected&name=a\u2067b&contact=\n")
	k := p.Kind("report")
	f.Fuzz(func(t *testing.T, text string) {
		v, wrong := matter.ParseForm(p, k.Fields, form(text))
		for _, w := range wrong {
			if w.Name == "" || w.Key == "" {
				t.Errorf("a fault that names nothing: %+v", w)
			}
		}
		for name, value := range v {
			if k.Field(name) == nil {
				t.Errorf("a value %v for %s, which is not asked", value, name)
			}
		}
		if _, err := journal.Encode(journal.Entry{V: 1, Stream: "matter/1", N: 1, At: start, Via: journal.ViaWeb, Action: "open", Fields: v}); err != nil {
			t.Errorf("cannot be recorded: %v", err)
		}
	})
}

// What only the register and the matter know is said by the name of the input too, and nothing is written then.
func TestWrongValuesAreRefusedByTheEngineToo(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		w := newTown(t, db)
		for _, tt := range []struct {
			values matter.Values
			want   string
		}{
			{matter.Values{"body": "atlantis", "story": "x"}, "body field.no-body"},
			{matter.Values{"body": "police"}, "story field.required"},
			{matter.Values{"body": "police", "story": "x", "official": matter.OfficialValue{ID: 999}}, "official field.no-official"},
			{matter.Values{"body": "police", "story": "x", "loyalty": "low"}, "loyalty field.unknown"},
			{matter.Values{"body": "police", "story": "x", "conduct": "bribery", "happened_on": "1990"}, "conduct fair.F12"},
		} {
			_, err := w.file(ref.NewReceiptCode(), tt.values)
			f := wantFault(t, err, fault.Invalid, "fault.invalid")
			if len(f.Fields) != 1 || f.Fields[0].Name+" "+f.Fields[0].Key != tt.want {
				t.Errorf("got %v, want %s", f, tt.want)
			}
		}
		var n int64
		w.tx(func(ctx context.Context, tx *store.Tx) error {
			return tx.QueryRow(ctx, `SELECT COUNT(*) FROM entry WHERE stream LIKE 'matter/%'`).Scan(&n)
		})
		if n != 0 {
			t.Errorf("%d entries were written", n)
		}
	})
}
