package chart

import (
	"encoding/xml"
	"flag"
	"html/template"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "write the golden files anew")

func whole(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return "not known"
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

func frame(title string) Frame {
	return Frame{ID: "c", Title: title, Desc: "What it says.", Format: whole}
}

// An element of a drawn chart, as an SVG reader finds it.
type element struct {
	name  string
	attrs map[string]string
}

// read parses a chart as XML, which fails on anything that is not well-formed.
func read(t interface{ Fatalf(string, ...any) }, svg template.HTML) []element {
	var out []element
	dec := xml.NewDecoder(strings.NewReader(string(svg)))
	for {
		tok, err := dec.Token()
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatalf("not well-formed: %v\n%s", err, svg)
		}
		if s, ok := tok.(xml.StartElement); ok {
			e := element{s.Name.Local, map[string]string{}}
			for _, a := range s.Attr {
				e.attrs[a.Name.Local] = a.Value
			}
			out = append(out, e)
		}
	}
}

func (e element) num(t interface{ Fatalf(string, ...any) }, name string) float64 {
	v, err := strconv.ParseFloat(e.attrs[name], 64)
	if err != nil {
		t.Fatalf("%s of %s is no number: %q", name, e.name, e.attrs[name])
	}
	return v
}

func shapes(elements []element) []element {
	var out []element
	for _, e := range elements {
		if e.name == "rect" && e.attrs["class"] == "c-shape" {
			out = append(out, e)
		}
	}
	return out
}

// checkSound fails if anything in the chart could not be shown under the pages' security policy, or
// stands outside the picture.
func checkSound(t *rapid.T, svg template.HTML) {
	s := string(svg)
	for _, bad := range []string{"NaN", "Inf", "style=", "<script", "javascript:", "onload"} {
		if strings.Contains(s, bad) {
			t.Fatalf("contains %s: %s", bad, s)
		}
	}
	elements := read(t, svg)
	box := strings.Fields(elements[0].attrs["viewBox"])
	w, _ := strconv.ParseFloat(box[2], 64)
	h, _ := strconv.ParseFloat(box[3], 64)
	for _, e := range shapes(elements) {
		x, y, rw, rh := e.num(t, "x"), e.num(t, "y"), e.num(t, "width"), e.num(t, "height")
		if rw < 0 || rh < 0 || x < 0 || y < -0.01 || x+rw > w+0.01 || y+rh > h+0.01 {
			t.Fatalf("mark outside the picture (%g × %g): %v", w, h, e.attrs)
		}
	}
	if elements[1].name != "title" || elements[2].name != "desc" {
		t.Fatalf("no title and description: %v", elements[:3])
	}
}

func valueGen() *rapid.Generator[float64] {
	return rapid.OneOf(
		rapid.Float64Range(0, 1e6),
		rapid.SampledFrom([]float64{0, 1, 0.001, 1e15, 1e308, -5, math.NaN(), math.Inf(1), math.Inf(-1)}),
	)
}

var labelGen = rapid.OneOf(
	rapid.String(),
	rapid.SampledFrom([]string{"", "2019", "属实", "行为适当但需要改进的情形说明文字很长很长很长很长很长很长", `<b>"&'`, strings.Repeat("long ", 40)}),
)

// Whatever the numbers and labels are, the chart can be read and shown.
func TestChartsAreSound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := frame(labelGen.Draw(t, "title"))
		f.Narrow = rapid.Bool().Draw(t, "narrow")
		labels := rapid.SliceOfN(labelGen, 0, 30).Draw(t, "labels")
		bars := make([]Bar, len(labels))
		for i, l := range labels {
			bars[i] = Bar{Label: xmlSafe(l), Value: valueGen().Draw(t, "value")}
			labels[i] = xmlSafe(l)
		}
		f.Title = xmlSafe(f.Title)
		var series []Series
		for range rapid.IntRange(0, 9).Draw(t, "series") {
			// Fewer and more values than labels, too.
			series = append(series, Series{Name: xmlSafe(labelGen.Draw(t, "name")), Values: rapid.SliceOfN(valueGen(), 0, 32).Draw(t, "values")})
		}
		checkSound(t, Bars(f, bars))
		checkSound(t, Columns(f, bars))
		checkSound(t, Stacked(f, labels, series))
		checkSound(t, Lines(f, labels, series))
	})
}

// xmlSafe drops control characters, which HTML shows as nothing and XML, the test's reader, refuses.
func xmlSafe(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0xFFFE || r == 0xFFFF || r == 0xFFFD || (r >= 0xD800 && r < 0xE000) {
			return -1
		}
		return r
	}, s)
}

// A bar twice as long means a value twice as big.
func TestLengthsAreProportional(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Float64Range(0, 1e9), 1, 20).Draw(t, "values")
		bars := make([]Bar, len(values))
		for i, v := range values {
			bars[i] = Bar{Label: "x", Value: v}
		}
		top := largest(values)
		if top < 1e-6 {
			return
		}
		for _, c := range []struct {
			name, attr string
			svg        template.HTML
		}{{"bars", "width", Bars(frame("t"), bars)}, {"columns", "height", Columns(frame("t"), bars)}} {
			marks := shapes(read(t, c.svg))
			if len(marks) != len(values) {
				t.Fatalf("%s: %d marks for %d values", c.name, len(marks), len(values))
			}
			longest := 0.0
			for _, m := range marks {
				longest = max(longest, m.num(t, c.attr))
			}
			for i, m := range marks {
				if got, want := m.num(t, c.attr), values[i]/top*longest; math.Abs(got-want) > 0.02 {
					t.Fatalf("%s: value %g of %g is drawn %g of %g long, want %g", c.name, values[i], top, got, longest, want)
				}
			}
		}
	})
}

// The parts of a stacked bar together are as high as the bar of their sum.
func TestStackedPartsAddUp(t *testing.T) {
	svg := Stacked(frame("t"), []string{"2019", "2020"}, []Series{{"a", []float64{30, 10}}, {"b", []float64{10, 0}}, {"c", []float64{40, 20}}})
	heights := map[float64]float64{}
	for _, m := range shapes(read(t, svg)) {
		heights[m.num(t, "x")] += m.num(t, "height")
	}
	if len(heights) != 2 {
		t.Fatalf("%d stacks, want 2", len(heights))
	}
	var both []float64
	for _, h := range heights {
		both = append(both, h)
	}
	lo, hi := min(both[0], both[1]), max(both[0], both[1])
	if math.Abs(lo/hi-30.0/80.0) > 0.001 {
		t.Errorf("stacks of 80 and 30 are %g and %g high", hi, lo)
	}
}

func TestLabelsAreEscaped(t *testing.T) {
	f := frame(`</title><script>alert(1)</script>`)
	f.ID = `x" onload="y`
	svg := string(Bars(f, []Bar{{Label: `"><script>`, Value: 1}}))
	if strings.Contains(svg, "<script") || strings.Contains(svg, ` onload="`) {
		t.Error(svg)
	}
}

func TestSeriesDifferWithoutColour(t *testing.T) {
	var series []Series
	for _, n := range []string{"a", "b", "c", "d", "e", "f"} {
		series = append(series, Series{n, []float64{1}})
	}
	seen := map[string]bool{}
	for _, m := range shapes(read(t, Stacked(frame("t"), []string{"x"}, series))) {
		seen[m.attrs["fill"]] = true
	}
	if len(seen) != len(series) {
		t.Errorf("%d fills for %d series", len(seen), len(series))
	}
	patterns := map[string]bool{}
	for _, p := range patternShapes {
		patterns[p] = true
	}
	if len(patterns) != len(patternShapes) {
		t.Error("two series have the same pattern")
	}
}

func TestTicksAreRoundAndReachTheTop(t *testing.T) {
	for _, tt := range []struct {
		top  float64
		want []float64
	}{
		{0, []float64{0, 1}},
		{1, []float64{0, 1}},
		{3, []float64{0, 1, 2, 3}},
		{7, []float64{0, 2, 4, 6, 8}},
		{100, []float64{0, 50, 100}},
		{33358, []float64{0, 10000, 20000, 30000, 40000}},
		{0.4, []float64{0, 0.1, 0.2, 0.3, 0.4}},
	} {
		got := ticksFor(tt.top)
		same := len(got) == len(tt.want)
		for i := 0; same && i < len(got); i++ {
			same = math.Abs(got[i]-tt.want[i]) < 1e-9
		}
		if !same {
			t.Errorf("ticksFor(%g) = %v, want %v", tt.top, got, tt.want)
		}
	}
}

func TestGolden(t *testing.T) {
	years := []string{"2017", "2018", "2019", "2020"}
	for name, svg := range map[string]template.HTML{
		"bars":       Bars(frame("Allegations by finding"), []Bar{{Label: "Sustained", Value: 812, Note: "12%", Tone: Green}, {Label: "Not sustained", Value: 4020, Note: "60%"}, {Label: "证据不足", Value: 1800}, {Label: "None yet", Value: 0, Tone: Grey}}),
		"columns":    Columns(frame("Reports by year"), []Bar{{Label: "2017", Value: 120}, {Label: "2018", Value: 180}, {Label: "2019", Value: 90}, {Label: "2020", Value: 0}}),
		"stacked":    Stacked(frame("Findings by year"), years, []Series{{"Sustained", []float64{10, 20, 30, 5}}, {"Not sustained", []float64{40, 30, 20, 0}}, {"属实", []float64{1, 2, 3, 4}}}),
		"lines":      Lines(frame("Days to close"), years, []Series{{"Half", []float64{40, 42, 38, 30}}, {"Nine in ten", []float64{120, 140, 130, 90}}}),
		"empty-bars": Bars(frame("Nothing yet"), nil),
	} {
		file := filepath.Join("testdata", name+".svg")
		if *update {
			if err := os.MkdirAll("testdata", 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(svg), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if string(want) != string(svg) {
			t.Errorf("%s is drawn differently than in %s; look at it, then run with -update", name, file)
		}
	}
}
