// Package chart draws charts as SVG from plain numbers.
//
// A chart says in words what it shows (title and description for screen readers), labels its marks
// directly, tells series apart by pattern as well as by colour, and needs neither script nor style
// sheet: colours stand in presentation attributes, which a strict security policy allows. The same
// numbers always give the same bytes. Lengths and heights are proportional to the values, from zero.
//
// A chart never stands alone: the page that shows it has the same numbers as a table.
package chart

import (
	"fmt"
	"html"
	"html/template"
	"math"
	"strconv"
	"strings"
	"unicode"
)

// Frame is what all charts have in common.
type Frame struct {
	ID    string // unique in the page; letters, digits and hyphens
	Title string // what is shown, for screen readers
	Desc  string // what it says in a sentence, for screen readers
	// Format writes a value as a label; Axis writes it on an axis, shorter. The first is required.
	Format func(float64) string
	Axis   func(float64) string
	// Narrow draws for a phone: 360 units wide instead of 720, so that letters keep their size.
	Narrow bool
}

// A Bar is a labelled value. Values below zero and values that are no numbers are drawn as zero; Format
// still gets the value itself.
type Bar struct {
	Label string
	Value float64
	Tone  Tone   // Line if empty
	Note  string // a second, quieter label behind the value: "12%"
}

// A Series is one row of values, one for each label of its chart.
type Series struct {
	Name   string
	Values []float64
}

// Tone is the colour of a mark.
type Tone string

// The tones, as in the design language.
const (
	Line   Tone = ""
	Brass  Tone = "brass"
	Green  Tone = "green"
	Amber  Tone = "amber"
	Red    Tone = "red"
	Grey   Tone = "grey"
	Violet Tone = "violet"
)

var colours = map[Tone]string{
	Line: "#1d5a8a", Brass: "#a8752a", Green: "#00703c", Amber: "#b25c00", Red: "#b10e1e", Grey: "#6b7680", Violet: "#4c2c92",
}

// seriesTones are given to series in turn; with the patterns they tell sixteen apart.
var seriesTones = []Tone{Line, Brass, Violet, Green, Red, Grey, Amber, Line}

const (
	ink   = "#16202b"
	quiet = "#4b5560"
	axis  = "#8b96a2"
	grid  = "#e3e7eb"
	font  = 14.0
	bold  = 1.08 // how much wider than others bold letters are
)

func (f Frame) width() float64 {
	if f.Narrow {
		return 360
	}
	return 720
}

func (f Frame) format(v float64) string { return f.Format(v) }

func (f Frame) axisLabel(v float64) string {
	if f.Axis != nil {
		return f.Axis(v)
	}
	return f.Format(v)
}

// Bars draws horizontal bars, one below the other, in the order given: for categories.
func Bars(f Frame, bars []Bar) template.HTML {
	const row, thick, top = 34.0, 20.0, 4.0
	c := open(f, top*2+row*float64(max(1, len(bars))))
	if len(bars) == 0 {
		return c.close()
	}
	values := make([]float64, len(bars))
	labelWidth, valueWidth := 0.0, 0.0
	for i, b := range bars {
		values[i] = clean(b.Value)
		labelWidth = max(labelWidth, textWidth(b.Label))
		valueWidth = max(valueWidth, textWidth(f.format(b.Value))*bold+noteWidth(b.Note))
	}
	// Labels take what they need up to two fifths; longer ones are cut and read out whole.
	labelWidth = min(labelWidth, c.width*0.4)
	left := labelWidth + 10
	room := max(c.width-left-valueWidth-14, 20)
	biggest := largest(values)
	c.line(left, top, left, c.height-top, axis, "c-axis")
	for i, b := range bars {
		y := top + row*float64(i) + (row-thick)/2
		length := scale(values[i], biggest, room)
		c.mark(b.Label + ": " + spoken(f.format(b.Value), b.Note))
		c.text(left-8, y+thick/2, fit(b.Label, labelWidth), "end", ink, "")
		c.rect(left, y, length, thick, colours[b.Tone], "c-shape")
		c.value(left+length+8, y+thick/2, f.format(b.Value), b.Note)
		c.end()
	}
	return c.close()
}

// Columns draws vertical bars, one beside the other: for years.
func Columns(f Frame, bars []Bar) template.HTML {
	series := Series{Name: f.Title, Values: make([]float64, len(bars))}
	labels := make([]string, len(bars))
	for i, b := range bars {
		labels[i], series.Values[i] = b.Label, b.Value
	}
	c := open(f, 280)
	if len(bars) == 0 {
		return c.close()
	}
	p := c.plot(labels, largest(cleaned(series.Values)), 0)
	labelled := p.step >= 26 && widest(f, series.Values) <= p.step+4
	for i, b := range bars {
		x, h := p.left+p.step*float64(i)+(p.step-p.bar)/2, scale(clean(b.Value), p.max, p.bottom-p.top)
		c.mark(b.Label + ": " + spoken(f.format(b.Value), b.Note))
		c.rect(x, p.bottom-h, p.bar, h, colours[b.Tone], "c-shape")
		if labelled {
			c.text(x+p.bar/2, p.bottom-h-10, f.format(b.Value), "middle", ink, "c-value")
		}
		c.end()
	}
	return c.close()
}

// Stacked draws vertical bars made of series, one on top of the other, with a key above.
func Stacked(f Frame, labels []string, series []Series) template.HTML {
	c := open(f, 320)
	if len(labels) == 0 || len(series) == 0 {
		return c.close()
	}
	sums := make([]float64, len(labels))
	for i := range labels {
		for _, s := range series {
			sums[i] += s.at(i)
		}
	}
	c.patterns(len(series))
	keyBottom := c.key(series)
	p := c.plot(labels, largest(sums), keyBottom)
	for i, label := range labels {
		x, y := p.left+p.step*float64(i)+(p.step-p.bar)/2, p.bottom
		for n, s := range series {
			h := scale(s.at(i), p.max, p.bottom-p.top)
			if h <= 0 {
				continue
			}
			y -= h
			c.mark(label + ", " + s.Name + ": " + f.format(s.raw(i)))
			c.rect(x, y, p.bar, h, c.fill(n), "c-shape")
			c.end()
		}
	}
	return c.close()
}

// Lines draws one line per series over labels in order. Series differ by dashes and by the shape of
// their points as well as by colour.
func Lines(f Frame, labels []string, series []Series) template.HTML {
	c := open(f, 300)
	if len(labels) == 0 || len(series) == 0 {
		return c.close()
	}
	biggest := 0.0
	for _, s := range series {
		biggest = max(biggest, largest(cleaned(s.Values)))
	}
	keyBottom := 0.0
	if len(series) > 1 {
		keyBottom = c.lineKey(series)
	}
	p := c.plot(labels, biggest, keyBottom)
	for n, s := range series {
		colour := colours[seriesTones[n%len(seriesTones)]]
		var path strings.Builder
		for i := range labels {
			verb := "L"
			if i == 0 {
				verb = "M"
			}
			fmt.Fprintf(&path, "%s%s %s", verb, num(p.left+p.step*(float64(i)+0.5)), num(p.bottom-scale(s.at(i), p.max, p.bottom-p.top)))
		}
		fmt.Fprintf(&c.b, `<path d="%s" fill="none" stroke="%s" stroke-width="2.5" stroke-linejoin="round"%s/>`, path.String(), colour, dash(n))
		for i, label := range labels {
			x, y := p.left+p.step*(float64(i)+0.5), p.bottom-scale(s.at(i), p.max, p.bottom-p.top)
			name := label + ": "
			if len(series) > 1 {
				name = label + ", " + s.Name + ": "
			}
			c.mark(name + f.format(s.raw(i)))
			c.point(x, y, colour, n)
			c.end()
		}
	}
	return c.close()
}

func (s Series) raw(i int) float64 {
	if i < len(s.Values) {
		return s.Values[i]
	}
	return 0
}

func (s Series) at(i int) float64 { return clean(s.raw(i)) }

// A canvas collects the elements of one chart.
type canvas struct {
	Frame
	b             strings.Builder
	width, height float64
}

func open(f Frame, height float64) *canvas {
	c := &canvas{Frame: f, width: f.width(), height: height}
	return c
}

func (c *canvas) close() template.HTML {
	id := safeID(c.ID)
	var out strings.Builder
	class := "pl-chart"
	if c.Narrow {
		class += " pl-chart--narrow"
	}
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" class="%s" viewBox="0 0 %s %s" role="group" aria-labelledby="%s-title %s-desc" data-chart="" font-family="system-ui, sans-serif" font-size="%s">`,
		class, num(c.width), num(c.height), id, id, num(font))
	fmt.Fprintf(&out, `<title id="%s-title">%s</title><desc id="%s-desc">%s</desc>`, id, html.EscapeString(c.Title), id, html.EscapeString(c.Desc))
	out.WriteString(c.b.String())
	out.WriteString(`</svg>`)
	// Every text above went through EscapeString, every number through num.
	return template.HTML(out.String())
}

// mark opens a group that says its own value: to a screen reader, on pointing, and to the script that
// reads out marks.
func (c *canvas) mark(words string) {
	w := html.EscapeString(words)
	fmt.Fprintf(&c.b, `<g class="c-mark" role="img" aria-label="%s"><title>%s</title>`, w, w)
}

func (c *canvas) end() { c.b.WriteString(`</g>`) }

func (c *canvas) rect(x, y, w, h float64, fill, class string) {
	fmt.Fprintf(&c.b, `<rect class="%s" x="%s" y="%s" width="%s" height="%s" fill="%s"/>`, class, num(x), num(y), num(w), num(h), fill)
}

func (c *canvas) line(x1, y1, x2, y2 float64, colour, class string) {
	fmt.Fprintf(&c.b, `<line class="%s" x1="%s" y1="%s" x2="%s" y2="%s" stroke="%s"/>`, class, num(x1), num(y1), num(x2), num(y2), colour)
}

func (c *canvas) text(x, y float64, s, anchor, colour, class string) {
	weight := ""
	if class == "c-value" {
		weight = ` font-weight="600"`
	}
	if class != "" {
		class = ` class="` + class + `"`
	}
	fmt.Fprintf(&c.b, `<text%s x="%s" y="%s" dy="0.35em" text-anchor="%s" fill="%s"%s>%s</text>`, class, num(x), num(y), anchor, colour, weight, html.EscapeString(s))
}

// value writes a bar's value and its note in one text, so that the note follows however wide the value is.
func (c *canvas) value(x, y float64, value, note string) {
	fmt.Fprintf(&c.b, `<text x="%s" y="%s" dy="0.35em" fill="%s"><tspan class="c-value" font-weight="600">%s</tspan>`, num(x), num(y), ink, html.EscapeString(value))
	if note != "" {
		fmt.Fprintf(&c.b, `<tspan class="c-tick" dx="8" fill="%s">%s</tspan>`, quiet, html.EscapeString(note))
	}
	c.b.WriteString(`</text>`)
}

// plotArea is where the marks of a chart with two axes stand.
type plotArea struct {
	left, top, bottom float64
	max               float64 // value at the top
	step, bar         float64 // distance of two labels, width of a bar
}

// plot draws the axes and gives the area; labels that would run into each other are thinned out.
func (c *canvas) plot(labels []string, biggest, top float64) plotArea {
	ticks := ticksFor(biggest)
	left := 0.0
	for _, t := range ticks {
		left = max(left, textWidth(c.axisLabel(t)))
	}
	p := plotArea{left: left + 14, top: top + 24, bottom: c.height - 30, max: ticks[len(ticks)-1]}
	room := c.width - p.left - 6
	p.step = room / float64(len(labels))
	p.bar = min(p.step*0.68, 56)
	for _, t := range ticks {
		y := p.bottom - scale(t, p.max, p.bottom-p.top)
		if t > 0 {
			c.line(p.left, y, c.width-6, y, grid, "c-grid")
		}
		c.text(p.left-8, y, c.axisLabel(t), "end", quiet, "c-tick")
	}
	c.line(p.left, p.bottom, c.width-6, p.bottom, axis, "c-axis")
	widestLabel := 0.0
	for _, l := range labels {
		widestLabel = max(widestLabel, textWidth(l))
	}
	every := 1
	if widestLabel+8 > p.step {
		every = int(math.Ceil((min(widestLabel, 120) + 8) / p.step))
	}
	for i, l := range labels {
		if i%every == 0 {
			c.text(p.left+p.step*(float64(i)+0.5), p.bottom+16, fit(l, max(p.step*float64(every)-6, 20)), "middle", quiet, "c-tick")
		}
	}
	return p
}

// patterns defines how series are filled: the first plain, the others with lines or dots on their colour.
func (c *canvas) patterns(n int) {
	c.b.WriteString(`<defs>`)
	for i := 0; i < n; i++ {
		shape := patternShapes[i%len(patternShapes)]
		if shape == "" {
			continue
		}
		fmt.Fprintf(&c.b, `<pattern id="%s-p%d" width="8" height="8" patternUnits="userSpaceOnUse"><rect width="8" height="8" fill="%s"/>%s</pattern>`,
			safeID(c.ID), i, colours[seriesTones[i%len(seriesTones)]], shape)
	}
	c.b.WriteString(`</defs>`)
}

var patternShapes = []string{
	"",
	`<path d="M0 8L8 0M-2 2L2-2M6 10L10 6" stroke="#fff" stroke-width="1.6"/>`,
	`<circle cx="4" cy="4" r="1.5" fill="#fff"/>`,
	`<path d="M0 4H8" stroke="#fff" stroke-width="1.6"/>`,
	`<path d="M4 0V8" stroke="#fff" stroke-width="1.6"/>`,
	`<path d="M0 0L8 8M-2 6L2 10M6-2L10 2" stroke="#fff" stroke-width="1.6"/>`,
	`<path d="M0 4H8M4 0V8" stroke="#fff" stroke-width="1.2"/>`,
	`<path d="M2 2H6V6H2Z" fill="#fff"/>`,
}

func (c *canvas) fill(n int) string {
	if patternShapes[n%len(patternShapes)] == "" {
		return colours[seriesTones[n%len(seriesTones)]]
	}
	return "url(#" + safeID(c.ID) + "-p" + strconv.Itoa(n) + ")"
}

// key draws the names of the series in rows and returns where it ends.
func (c *canvas) key(series []Series) float64 {
	return c.keyRows(series, func(n int, x, y float64) { c.rect(x, y-7, 14, 14, c.fill(n), "c-key") })
}

func (c *canvas) lineKey(series []Series) float64 {
	return c.keyRows(series, func(n int, x, y float64) {
		colour := colours[seriesTones[n%len(seriesTones)]]
		fmt.Fprintf(&c.b, `<path d="M%s %sh22" stroke="%s" stroke-width="2.5"%s/>`, num(x-4), num(y), colour, dash(n))
		c.point(x+7, y, colour, n)
	})
}

func (c *canvas) keyRows(series []Series, sample func(n int, x, y float64)) float64 {
	x, y := 4.0, 12.0
	for n, s := range series {
		name := fit(s.Name, c.width-40)
		if x > 4 && x+26+textWidth(name) > c.width {
			x, y = 4, y+24
		}
		sample(n, x, y)
		c.text(x+26, y, name, "start", ink, "")
		x += 26 + textWidth(name) + 24
	}
	return y + 8
}

// point draws the n-th series' mark: circle, square, diamond, triangle in turn.
func (c *canvas) point(x, y float64, colour string, n int) {
	switch n % 4 {
	case 1:
		c.rect(x-4, y-4, 8, 8, colour, "c-shape")
	case 2:
		fmt.Fprintf(&c.b, `<path class="c-shape" d="M%s %sl5 5-5 5-5-5z" fill="%s"/>`, num(x), num(y-5), colour)
	case 3:
		fmt.Fprintf(&c.b, `<path class="c-shape" d="M%s %sl5 9h-10z" fill="%s"/>`, num(x), num(y-5), colour)
	default:
		fmt.Fprintf(&c.b, `<circle class="c-shape" cx="%s" cy="%s" r="4.5" fill="%s"/>`, num(x), num(y), colour)
	}
}

func dash(n int) string {
	switch n % 3 {
	case 1:
		return ` stroke-dasharray="7 4"`
	case 2:
		return ` stroke-dasharray="2 4"`
	}
	return ""
}

// ceiling keeps sums of values finite.
const ceiling = 1e300

// clean makes a value drawable: what is no number, or below zero, has no length.
func clean(v float64) float64 {
	if math.IsNaN(v) || v < 0 {
		return 0
	}
	return min(v, ceiling)
}

func cleaned(values []float64) []float64 {
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = clean(v)
	}
	return out
}

func largest(values []float64) float64 {
	m := 0.0
	for _, v := range values {
		m = max(m, v)
	}
	return m
}

// scale is the length for v where biggest has the length room. It divides first: values may be huge.
func scale(v, biggest, room float64) float64 {
	if biggest <= 0 || v <= 0 {
		return 0
	}
	return min(v/biggest, 1) * room
}

// ticksFor gives three to six round values from zero up to one that is not below biggest.
func ticksFor(biggest float64) []float64 {
	if biggest <= 0 || biggest >= ceiling {
		if biggest > 0 {
			return []float64{0, biggest}
		}
		return []float64{0, 1}
	}
	raw := biggest / 4
	unit := math.Pow(10, math.Floor(math.Log10(raw)))
	step := unit
	for _, m := range []float64{1, 2, 5, 10} {
		if step = m * unit; step >= raw*0.999999 {
			break
		}
	}
	if biggest >= 1 && step < 1 {
		step = 1 // things are counted whole
	}
	var ticks []float64
	for i := 0; ; i++ {
		t := float64(i) * step
		ticks = append(ticks, t)
		if t >= biggest*0.999999 || i > 12 {
			return ticks
		}
	}
}

// textWidth estimates how wide s is at the charts' size: full-width characters take a whole em. It is
// generous, because what a browser really uses is not known here.
func textWidth(s string) float64 {
	w := 0.0
	for _, r := range s {
		w += runeWidth(r)
	}
	return w
}

func runeWidth(r rune) float64 {
	switch {
	case unicode.Is(unicode.Mn, r):
		return 0
	case r >= 0x2E80 && r <= 0xFFEF:
		return font * 1.02
	case strings.ContainsRune(" .,:;'|!ijlI()[]", r):
		return font * 0.36
	case strings.ContainsRune("MWmw%@", r):
		return font * 0.92
	case unicode.IsUpper(r):
		return font * 0.72
	default:
		return font * 0.61
	}
}

func noteWidth(note string) float64 {
	if note == "" {
		return 0
	}
	return textWidth(note) + 8
}

func widest(f Frame, values []float64) float64 {
	w := 0.0
	for _, v := range values {
		w = max(w, textWidth(f.format(v)))
	}
	return w
}

// fit cuts s where it would be wider than room.
func fit(s string, room float64) string {
	if textWidth(s) <= room {
		return s
	}
	w := runeWidth('…')
	for i, r := range s {
		if w += runeWidth(r); w > room {
			return strings.TrimRight(s[:i], " ") + "…"
		}
	}
	return s
}

func spoken(value, note string) string {
	if note == "" {
		return value
	}
	return value + " (" + note + ")"
}

// num writes a coordinate with at most two places, always the same way.
func num(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return "0"
	}
	s := strconv.FormatFloat(v, 'f', 2, 64)
	s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	if s == "-0" || s == "" {
		return "0"
	}
	return s
}

// safeID keeps what may stand in an id.
func safeID(id string) string {
	out := strings.Map(func(r rune) rune {
		if r == '-' || r < 128 && (unicode.IsLetter(r) || unicode.IsDigit(r)) {
			return r
		}
		return '-'
	}, id)
	if out == "" {
		return "chart"
	}
	return out
}

// Pair draws a chart twice, for wide screens and paper and for phones; the style sheet shows one of
// them, the other is hidden from everybody, screen readers included.
func Pair(f Frame, draw func(Frame) template.HTML) template.HTML {
	wide, narrow := f, f
	narrow.Narrow, narrow.ID = true, f.ID+"-narrow"
	return template.HTML(`<div class="pl-chart-wide">`) + draw(wide) + template.HTML(`</div><div class="pl-chart-phone">`) + draw(narrow) + template.HTML(`</div>`)
}
