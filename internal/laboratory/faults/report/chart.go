package report

import (
	"fmt"
	"image/color"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"kafka-with-go/internal/laboratory/charts"
	"kafka-with-go/internal/laboratory/faults/workload"
	"kafka-with-go/internal/laboratory/kit"
)

var howColors = map[workload.How]color.Color{
	workload.AsShown: color.RGBA{0xd9, 0x48, 0x2b, 255},
	workload.Safe:    color.RGBA{0x2f, 0x81, 0xd6, 255},
	workload.Program: color.RGBA{0x1f, 0x9d, 0x55, 255},
}

var faint = color.RGBA{0x90, 0x90, 0x90, 255}

// Chart draws the picture of the chapter: for each thing that is counted a panel, in it a dot
// for each way and drill, the larger the more.
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
	return charts.Draw(10*vg.Inch, 8.6*vg.Inch, rows...)
}

// panel has a line for each way and a column for each drill.
func (r *Results) panel(side workload.Side, m measure, first bool) (*plot.Plot, error) {
	p := charts.NewPanel(m.name)
	drills, ways := r.Drills(side), r.ways(side)
	width, height := float64(len(drills)), float64(len(ways))
	var lines, columns []plot.Tick
	for i, d := range drills {
		columns = append(columns, plot.Tick{Value: float64(i), Label: d.Short})
	}
	for i, w := range ways {
		y := height - 1 - float64(i)
		if i > 0 && ways[i-1].Client != w.Client {
			between, err := plotter.NewLine(plotter.XYs{{X: -0.6, Y: y + 0.5}, {X: width - 0.4, Y: y + 0.5}})
			if err != nil {
				return nil, err
			}
			between.Color, between.Width = faint, vg.Points(0.3)
			p.Add(between)
		}
		name := ""
		if first {
			name = w.Name
			if side == workload.Consumers && w.How == workload.AsShown {
				name = w.Client
			}
		}
		lines = append(lines, plot.Tick{Value: y, Label: name})
		for x, d := range drills {
			if err := addDot(p, float64(x), y, w.How, counts(r.Of(d.ID, w.ID), m)); err != nil {
				return nil, err
			}
		}
	}
	p.X.Tick.Marker, p.Y.Tick.Marker = plot.ConstantTicks(columns), plot.ConstantTicks(lines)
	p.X.Min, p.X.Max = -0.9, width-0.4
	p.Y.Min, p.Y.Max = -0.8, height-0.2
	p.X.Tick.Label.Rotation = math.Pi / 2
	p.X.Tick.Label.XAlign, p.X.Tick.Label.YAlign = draw.XRight, draw.YCenter
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.Tick.Label.Font.Size, a.Tick.Length = vg.Points(8), 0
		a.LineStyle.Width, a.Padding = 0, vg.Points(8)
	}
	p.Title.TextStyle.Font.Size = vg.Points(11)
	return p, nil
}

// addDot adds the dot of what was counted in some rounds, if there are any.
func addDot(p *plot.Plot, x, y float64, how workload.How, values []int) error {
	if len(values) == 0 {
		return nil
	}
	dot, err := plotter.NewScatter(plotter.XYs{{X: x, Y: y}})
	if err != nil {
		return err
	}
	median, _, most := kit.Spread(values)
	dot.Shape, dot.Color, dot.Radius = draw.CircleGlyph{}, faint, vg.Points(0.8)
	switch {
	case median > 0:
		dot.Color, dot.Radius = howColors[how], vg.Points(1.6+1.35*math.Log10(float64(median)))
	case most > 0: // In a few of the rounds only.
		dot.Shape, dot.Color, dot.Radius = draw.RingGlyph{}, howColors[how], vg.Points(2.2)
	}
	p.Add(dot)
	return nil
}
