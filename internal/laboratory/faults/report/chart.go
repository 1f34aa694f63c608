package report

import (
	"fmt"
	"image/color"
	"math"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"kafka-with-go/internal/laboratory/charts"
	"kafka-with-go/internal/laboratory/faults/workload"
)

var howColors = map[workload.How]color.Color{
	workload.AsShown: color.RGBA{0xd9, 0x48, 0x2b, 255},
	workload.Safe:    color.RGBA{0x2f, 0x81, 0xd6, 255},
	workload.Program: color.RGBA{0x1f, 0x9d, 0x55, 255},
}

var faint = color.RGBA{0x90, 0x90, 0x90, 255}

// Chart draws the picture of the chapter: for each thing that is counted a panel, in it a dot
// for each way and drill, the larger the more. What the colours and sizes mean is the last one.
func (r *Results) Chart() ([]byte, error) {
	var rows [][]*plot.Plot
	for _, side := range sides {
		var row []*plot.Plot
		for i, m := range measures[side][:3] {
			p, err := r.panel(side, m, i == 0)
			if err != nil {
				return nil, fmt.Errorf("drawing the chart: %w", err)
			}
			row = append(row, p)
		}
		rows = append(rows, row)
	}
	var err error
	if rows[1][2], err = legend(); err != nil {
		return nil, fmt.Errorf("drawing the chart: %w", err)
	}
	return charts.Draw(8.73*vg.Inch, 9.6*vg.Inch, rows...) // 838 px, the width of a page on GitHub.
}

// panel has a line for each way and a column for each drill.
func (r *Results) panel(side workload.Side, m measure, first bool) (*plot.Plot, error) {
	drills, ways := r.Drills(side), r.ways(side)
	width, height := float64(len(drills)), float64(len(ways))
	p := newPanel(m.name, width, height)
	var lines, columns []plot.Tick
	for i, d := range drills {
		columns = append(columns, plot.Tick{Value: float64(i), Label: d.Short})
	}
	for i, w := range ways {
		y := height - 1 - float64(i)
		if i > 0 && ways[i-1].Client != w.Client {
			between, err := plotter.NewLine(plotter.XYs{{X: -0.5, Y: y + 0.5}, {X: width - 0.5, Y: y + 0.5}})
			if err != nil {
				return nil, err
			}
			between.Color, between.Width = faint, vg.Points(0.3)
			p.Add(between)
		}
		name := ""
		if first {
			name = strings.Trim(label(w, side), "*")
		}
		lines = append(lines, plot.Tick{Value: y, Label: name})
		for x, d := range drills {
			if err := addDot(p, float64(x), y, w.How, count(r.Of(d.ID, w.ID), m)); err != nil {
				return nil, err
			}
		}
	}
	p.X.Tick.Marker, p.Y.Tick.Marker = plot.ConstantTicks(columns), plot.ConstantTicks(lines)
	return p, nil
}

// newPanel returns a panel of dots without lines at its sides.
func newPanel(title string, width, height float64) *plot.Plot {
	p := charts.NewPanel(title)
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = -1.2, width-0.2, -0.9, height-0.2
	p.X.Tick.Label.Rotation = math.Pi / 2
	p.X.Tick.Label.XAlign, p.X.Tick.Label.YAlign = draw.XRight, draw.YCenter
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.Tick.Label.Font.Size, a.Tick.Length = vg.Points(8), 0
		a.LineStyle.Width, a.Padding = 0, vg.Points(11) // A reader's font may be wider than ours.
	}
	p.Title.TextStyle.Font.Size = vg.Points(11)
	return p
}

// legend is the panel that says what the dots mean.
func legend() (*plot.Plot, error) {
	lines := []struct {
		how   workload.How
		dot   counted
		means string
	}{
		{workload.AsShown, counted{rounds: 1, with: 1, median: 1000}, "as its documentation shows it"},
		{workload.Safe, counted{rounds: 1, with: 1, median: 1000}, "made safe"},
		{workload.Program, counted{rounds: 1, with: 1, median: 1000}, "a program of this tutorial"},
		{},
		{workload.AsShown, counted{rounds: 1, with: 1, median: 10000}, "10,000 records, median"},
		{workload.AsShown, counted{rounds: 1, with: 1, median: 100}, "100 records, median"},
		{workload.AsShown, counted{rounds: 1, with: 1, median: 1}, "1 record, median"},
		{workload.AsShown, counted{rounds: 3, with: 1}, "in less than half of the rounds"},
		{workload.AsShown, counted{rounds: 1}, "none in any round"},
	}
	const height = 16
	p := newPanel("", 9, height)
	p.X.Tick.Marker, p.Y.Tick.Marker = plot.ConstantTicks{}, plot.ConstantTicks{}
	var texts plotter.XYLabels
	for i, l := range lines {
		y := float64(height - 1 - i)
		if err := addDot(p, 0, y, l.how, l.dot); err != nil {
			return nil, err
		}
		texts.XYs, texts.Labels = append(texts.XYs, plotter.XY{X: 0.6, Y: y}), append(texts.Labels, l.means)
	}
	labels, err := plotter.NewLabels(texts)
	if err != nil {
		return nil, err
	}
	for i := range labels.TextStyle {
		labels.TextStyle[i].Color, labels.TextStyle[i].YAlign = charts.Ink, draw.YCenter
		labels.TextStyle[i].Font.Size = vg.Points(8)
	}
	p.Add(labels)
	return p, nil
}

// addDot adds the dot of what was counted in some rounds, if there are any.
func addDot(p *plot.Plot, x, y float64, how workload.How, c counted) error {
	if c.rounds == 0 {
		return nil
	}
	dot, err := plotter.NewScatter(plotter.XYs{{X: x, Y: y}})
	if err != nil {
		return err
	}
	dot.Shape, dot.Color, dot.Radius = draw.CircleGlyph{}, faint, vg.Points(0.8)
	switch {
	case c.median > 0:
		dot.Color, dot.Radius = howColors[how], vg.Points(1.6+1.1*max(0, math.Log10(c.median)))
	case c.with > 0: // In a few of the rounds only.
		dot.Shape, dot.Color, dot.Radius = draw.RingGlyph{}, howColors[how], vg.Points(2.2)
	}
	p.Add(dot)
	return nil
}
