package view_test

import (
	"html/template"

	"plumbline/internal/chart"
	"plumbline/internal/web/view"
	"plumbline/internal/words"
)

// figures shows the four kinds of chart.
func figures(say *words.Speaker) []view.Figure {
	whole := func(v float64) string { return say.Number(int64(v)) }
	frame := func(id, title string) chart.Frame {
		return chart.Frame{ID: id, Title: title, Desc: title, Format: whole, Axis: say.Compact}
	}
	findings := []string{pick(say, "Sustained", "属实"), pick(say, "Not sustained", "证据不足"), pick(say, "Unfounded", "不属实"), pick(say, "None yet", "尚无认定")}
	counts := []float64{8120, 15204, 9034, 1000}
	table := view.Table{Caption: pick(say, "Allegations by finding", "按认定结果统计的指控事项"), Columns: []view.Column{{Text: pick(say, "Finding", "认定")}, {Text: pick(say, "Allegations", "指控事项"), Numeric: true}}}
	var bars []chart.Bar
	for i, f := range findings {
		bars = append(bars, chart.Bar{Label: f, Value: counts[i], Note: say.Percent(counts[i] / 33358)})
		table.Rows = append(table.Rows, view.Row{Cells: []view.Cell{{Text: f, Header: true}, {Text: whole(counts[i])}}})
	}
	table.Foot = []view.Cell{{Text: pick(say, "All", "合计"), Header: true}, {Text: whole(33358)}}
	years := []string{"2013", "2014", "2015", "2016", "2017", "2018", "2019", "2020"}
	var columns []chart.Bar
	for i, y := range years {
		columns = append(columns, chart.Bar{Label: y, Value: float64(900 + 317*i%7*100)})
	}
	draw := func(id, title string, d func(chart.Frame) template.HTML) template.HTML {
		return chart.Pair(frame(id, title), d)
	}
	question := pick(say, "What came of allegations?", "指控事项的结果如何？")
	byYear := pick(say, "How many reports came in?", "收到多少举报？")
	return []view.Figure{
		{Level: 2, Question: question, Sentence: pick(say, "One in four allegations was sustained.", "四分之一的指控事项被认定属实。"), Table: table, CSV: "#", AsOf: say.Date("2026-11-22"),
			Method: pick(say, "Each allegation is counted once, by its latest finding.", "每项指控按最近一次认定计一次。"),
			Chart:  draw("f1", question, func(f chart.Frame) template.HTML { return chart.Bars(f, bars) })},
		{Level: 2, Question: byYear, Chart: draw("f2", byYear, func(f chart.Frame) template.HTML { return chart.Columns(f, columns) })},
		{Level: 2, Question: byYear, Chart: draw("f3", byYear, func(f chart.Frame) template.HTML {
			return chart.Stacked(f, years, []chart.Series{{Name: findings[0], Values: []float64{3, 4, 5, 6, 7, 8, 9, 10}}, {Name: findings[1], Values: []float64{9, 8, 7, 6, 7, 8, 9, 10}}})
		})},
		{Level: 2, Question: byYear, Chart: draw("f4", byYear, func(f chart.Frame) template.HTML {
			return chart.Lines(f, years, []chart.Series{{Name: findings[0], Values: []float64{3, 4, 5, 6, 7, 8, 9, 10}}, {Name: findings[1], Values: []float64{9, 8, 7, 6, 7, 8, 9, 10}}})
		})},
	}
}
