package web

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"plumbline/internal/access"
	"plumbline/internal/fault"
	"plumbline/internal/register"
	"plumbline/internal/store"
	"plumbline/internal/tally"
	"plumbline/internal/web/view"
	"plumbline/internal/words"
)

// Figures are the same pages for everybody, at the same addresses. Whoever supervises a body reads its exact figures and
// those of the bodies below it, and every number there leads to the matters behind it. Everybody else, at every other
// body, reads the release: the figures in which nothing small can be read or worked out (see tally.Release).

// figureAsk is what the address of a figure asks for.
type figureAsk struct {
	measure string
	by      []string
	body    string
	from    string
	to      string
	source  string // "yes": imported; "no": handled here; "": both
}

const mostBy = 2

func readFigureAsk(r *http.Request) figureAsk {
	q := r.URL.Query()
	get := view.Values(q)
	one := func(name string) string {
		if v := get(name); len(v) > 0 {
			return strings.TrimSpace(v[0])
		}
		return ""
	}
	a := figureAsk{measure: r.PathValue("measure"), body: one("body"), from: one("from"), to: one("to"), source: one("source")}
	for _, v := range q["by"] {
		for d := range strings.SplitSeq(v, ",") {
			if d = strings.TrimSpace(d); d != "" && !slices.Contains(a.by, d) {
				a.by = append(a.by, d)
			}
		}
	}
	return a
}

// query is the ask as it stands in an address, always written the same way.
func (a figureAsk) query() url.Values {
	q := url.Values{}
	for _, d := range a.by {
		q.Add("by", d)
	}
	for name, v := range map[string]string{"body": a.body, "from": a.from, "to": a.to, "source": a.source} {
		if v != "" {
			q.Set(name, v)
		}
	}
	return q
}

// href is the address of the figure, or of what lies below it ("table.csv", "matters").
func (a figureAsk) href(below string) string {
	u := url.URL{Path: "/figures/" + a.measure, RawQuery: a.query().Encode()}
	if below != "" {
		u.Path += "/" + below
	}
	return u.String()
}

// check refuses what no figure can answer.
func (a figureAsk) check() error {
	var wrong []fault.Field
	if len(a.by) > mostBy {
		wrong = append(wrong, fault.Field{Name: "by", Key: "tally.too-many-dims", Args: fault.Args{"most": mostBy}})
	}
	if a.source != "" && a.source != "yes" && a.source != "no" {
		wrong = append(wrong, fault.Field{Name: "source", Key: "figures.bad-source"})
	}
	if len(wrong) > 0 {
		return fault.InvalidFields(wrong)
	}
	return nil
}

// figureAnswer is a figure as this reader may see it.
type figureAnswer struct {
	tally.Released
	exact bool // the reader supervises the body: nothing is put together, every number can be traced
}

// figures is the capability, or a fault where the program runs without.
func (s *Server) figures() (*tally.Tally, error) {
	if s.Figures == nil {
		return nil, fault.New(fault.Unavailable, "fault.unavailable", nil)
	}
	return s.Figures, nil
}

// seesExact tells whether the reader reads the exact figures of a body.
func seesExact(v access.Viewer, tree *register.Tree, code string) bool {
	if code == "" {
		return access.SeesAllFigures(v, tree.Children(0))
	}
	b := tree.ByCode(code)
	return b != nil && access.SeesFigures(v, tree.Above(b.ID))
}

// answer reads a figure.
func (s *Server) answer(ctx context.Context, tx *store.Tx, v access.Viewer, say *words.Speaker, a figureAsk) (figureAnswer, error) {
	figures, err := s.figures()
	if err != nil {
		return figureAnswer{}, err
	}
	if err := a.check(); err != nil {
		return figureAnswer{}, err
	}
	tree, err := s.tree(ctx, tx)
	if err != nil {
		return figureAnswer{}, err
	}
	if !seesExact(v, tree, a.body) {
		res, err := figures.Release(ctx, tx, tally.ReleaseRequest{Measure: a.measure, By: a.by, Body: a.body, From: a.from, To: a.to, Source: a.source, Words: say})
		return figureAnswer{Released: res}, err
	}
	res, err := exactFigure(ctx, tx, figures, say, v, a)
	out := figureAnswer{Released: tally.Released{Result: res, Known: true}, exact: true}
	if err != nil {
		return out, err
	}
	b := tree.ByCode(a.body)
	if b == nil {
		b = &register.Body{}
	}
	for _, c := range tree.Children(b.ID) {
		out.Below = append(out.Below, tree.Body(c).Code)
	}
	return out, nil
}

// exactFigure asks for a figure and, where only one source is wanted, keeps that.
func exactFigure(ctx context.Context, tx *store.Tx, figures *tally.Tally, say *words.Speaker, v access.Viewer, a figureAsk) (tally.Result, error) {
	req := tally.Request{Measure: a.measure, By: a.by, Body: a.body, From: a.from, To: a.to, Words: say, Without: hiddenFrom(v)}
	if a.source == "" || slices.Contains(a.by, tally.Imported) {
		res, err := figures.Stats(ctx, tx, req)
		if err == nil && a.source != "" {
			at := slices.Index(a.by, tally.Imported)
			res.Rows = slices.DeleteFunc(res.Rows, func(row tally.Row) bool { return row.Key[at] != a.source })
			res.Total, err = sourceTotal(ctx, tx, figures, v, a)
		}
		return res, err
	}
	req.By = append(slices.Clone(a.by), tally.Imported)
	res, err := figures.Stats(ctx, tx, req)
	if err != nil {
		return res, err
	}
	last := len(a.by)
	res.Rows = slices.DeleteFunc(res.Rows, func(row tally.Row) bool { return row.Key[last] != a.source })
	for i := range res.Rows {
		row := &res.Rows[i]
		row.Key, row.Labels = row.Key[:last], row.Labels[:last]
	}
	res.By = res.By[:last]
	res.Total, err = sourceTotal(ctx, tx, figures, v, a)
	return res, err
}

func sourceTotal(ctx context.Context, tx *store.Tx, figures *tally.Tally, v access.Viewer, a figureAsk) (int64, error) {
	res, err := figures.Stats(ctx, tx, tally.Request{Measure: a.measure, By: []string{tally.Imported}, Body: a.body, From: a.from, To: a.to, Without: hiddenFrom(v)})
	if err != nil {
		return 0, err
	}
	for _, row := range res.Rows {
		if row.Key[0] == a.source {
			return row.Value, nil
		}
	}
	return 0, nil
}

// hiddenFrom leaves out of exact figures what does not exist for the reader: a number that is one more than the matters they
// find would tell somebody whom a matter names that it is there, and, broken down, which.
func hiddenFrom(v access.Viewer) tally.Matters {
	return func(firstArg int) (string, []any) { return access.Hidden(v, firstArg) }
}

// figureMeasure finds the measure and whether the reader may know of it: a measure that is not public exists only for those
// who supervise something.
func (s *Server) figureMeasure(ctx context.Context, tx *store.Tx, v access.Viewer, id string) (*tally.Measure, error) {
	figures, err := s.figures()
	if err != nil {
		return nil, err
	}
	ms, err := figures.Measures(ctx, tx)
	if err != nil {
		return nil, err
	}
	for _, m := range ms.All() {
		if m.ID == id && (m.Public || supervises(v)) {
			return m, nil
		}
	}
	return nil, fault.New(fault.NotFound, "figures.none", nil)
}

func supervises(v access.Viewer) bool {
	return slices.ContainsFunc(v.Grants, func(g access.Grant) bool { return g.Sees == access.SeesSubtree && g.Body != 0 })
}

// figureCSV is the figure as a file for spreadsheets.
func (s *Server) figureCSV(w http.ResponseWriter, r *http.Request) error {
	a, res, err := s.download(r)
	if err != nil {
		return err
	}
	attach(w, a, "csv", "text/csv; charset=utf-8")
	if res.exact {
		return res.WriteCSV(w)
	}
	out := csv.NewWriter(w)
	var head []string
	for _, d := range res.By {
		head = append(head, d, d+"_label")
	}
	lines := [][]string{append(head, "value")}
	for i, row := range res.Rows {
		var line []string
		for j, k := range row.Key {
			line = append(line, tally.Harmless(k), tally.Harmless(rowLabel(res, i, j)))
		}
		value := strconv.FormatInt(row.Value, 10)
		if slices.Contains(res.Unshown, i) {
			value = ""
		}
		lines = append(lines, append(line, value))
	}
	if len(res.By) > 0 && res.Refused == "" {
		total := make([]string, len(lines[0]))
		total[len(total)-1] = strconv.FormatInt(res.Total, 10)
		lines = append(lines, total)
	}
	if err := out.WriteAll(lines); err != nil {
		return fmt.Errorf("figure as csv: %w", err)
	}
	return nil
}

// rowLabel is the label of a row's value, or those of the values put together in it.
func rowLabel(res figureAnswer, row, dim int) string {
	if row < len(res.Together) && res.Together[row] != nil && len(res.Together[row][dim]) > 0 {
		return strings.Join(res.Together[row][dim], "; ")
	}
	if dim < len(res.Rows[row].Labels) {
		return res.Rows[row].Labels[dim]
	}
	return res.Rows[row].Key[dim]
}

// figureJSONRow is a row of a release: its value is null where it has no number.
type figureJSONRow struct {
	Key      []string   `json:"key"`
	Labels   []string   `json:"labels,omitempty"`
	Together [][]string `json:"together,omitempty"` // for each dimension, the values that are put together
	Value    *int64     `json:"value"`
}

type figureJSON struct {
	tally.Result
	Rows     []figureJSONRow `json:"rows"`
	Imported *int64          `json:"imported"` // null where it is not said
	Source   string          `json:"source,omitempty"`
	Left     []string        `json:"left_out,omitempty"`
	Refused  tally.Refusal   `json:"refused,omitempty"`
	Public   bool            `json:"public"` // small numbers are put together
}

// figureJSON is the figure for programs.
func (s *Server) figureJSON(w http.ResponseWriter, r *http.Request) error {
	a, res, err := s.download(r)
	if err != nil {
		return err
	}
	out := figureJSON{Result: res.Result, Rows: []figureJSONRow{}, Source: a.source, Left: res.Left, Refused: res.Refused, Public: !res.exact}
	if res.Known && a.source == "" && (res.exact || a.from == "" && a.to == "") {
		out.Imported = &res.Imported
	}
	for i, row := range res.Rows {
		line := figureJSONRow{Key: row.Key, Labels: row.Labels}
		if !slices.Contains(res.Unshown, i) {
			line.Value = &row.Value
		}
		if i < len(res.Together) && slices.ContainsFunc(res.Together[i], func(several []string) bool { return len(several) > 0 }) {
			line.Together = res.Together[i]
		}
		out.Rows = append(out.Rows, line)
	}
	attach(w, a, "json", "application/json; charset=utf-8")
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(out); err != nil {
		return fmt.Errorf("figure as json: %w", err)
	}
	return nil
}

func (s *Server) download(r *http.Request) (a figureAsk, res figureAnswer, err error) {
	a = readFigureAsk(r)
	err = s.DB.Read(r.Context(), func(tx *store.Tx) error {
		if _, err := s.figureMeasure(r.Context(), tx, viewer(r), a.measure); err != nil {
			return err
		}
		res, err = s.answer(r.Context(), tx, viewer(r), words.From(r.Context()), a)
		return err
	})
	return a, res, err
}

func attach(w http.ResponseWriter, a figureAsk, ending, kind string) {
	name := strings.Map(func(c rune) rune {
		if c == '-' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' {
			return c
		}
		return '-'
	}, strings.Join(append([]string{a.measure}, a.by...), "-"))
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Disposition", `attachment; filename="`+name+"."+ending+`"`)
}
