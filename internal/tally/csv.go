package tally

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// WriteCSV writes a figure as a table: a column for each dimension (and, if the result has labels, its label), then the
// value. The last line, with empty keys, is the total. Labels that a spreadsheet would take for a formula are quoted
// with an apostrophe.
func (r *Result) WriteCSV(w io.Writer) error {
	labelled := len(r.Rows) > 0 && len(r.Rows[0].Labels) > 0
	out := csv.NewWriter(w)
	var head []string
	for _, d := range r.By {
		head = append(head, d)
		if labelled {
			head = append(head, d+"_label")
		}
	}
	lines := [][]string{append(head, "value")}
	for _, row := range r.Rows {
		var line []string
		for i, k := range row.Key {
			line = append(line, Harmless(k))
			if labelled {
				line = append(line, Harmless(row.Labels[i]))
			}
		}
		lines = append(lines, append(line, strconv.FormatInt(row.Value, 10)))
	}
	if len(r.By) > 0 { // without dimensions, the one row is the total
		last := make([]string, len(lines[0]))
		last[len(last)-1] = strconv.FormatInt(r.Total, 10)
		lines = append(lines, last)
	}
	if err := out.WriteAll(lines); err != nil {
		return fmt.Errorf("tally: csv: %w", err)
	}
	return nil
}

// Harmless keeps a spreadsheet from calculating what a name says.
func Harmless(s string) string {
	var out strings.Builder
	begins := true // a cell, here or where a spreadsheet may end one: many take a semicolon or a tab for the comma
	for _, r := range s {
		// Some also take the wide forms of East Asian keyboards, and skip a line break before.
		if begins && strings.ContainsRune("=+-@\t\r\n＝＋－＠", r) {
			out.WriteByte('\'')
			begins = false
		}
		out.WriteRune(r)
		begins = strings.ContainsRune(";\t\r\n", r) || begins && r == ' '
	}
	return out.String()
}
