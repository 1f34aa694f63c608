package main

import (
	"image/color"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"kafka-with-go/internal/charts"
)

const chartFile = "faults.svg"

// A chart is the picture of the chapter: for each thing that is counted a panel, in
// it a dot for each way and drill, the larger the more.
type chart struct {
	title, text string
	rows        [][]*plot.Plot
	err         error
}

var howColors = map[How]color.Color{
	AsShown: color.RGBA{0xd9, 0x48, 0x2b, 255},
	Safe:    color.RGBA{0x2f, 0x81, 0xd6, 255},
	Program: color.RGBA{0x1f, 0x9d, 0x55, 255},
}

var faint = color.RGBA{0x90, 0x90, 0x90, 255}

func (k *keeping) chart() chart {
	c := chart{
		title: "What was lost, repeated and put out of order, with each client.",
		text: "A dot is the median of the rounds; the largest are thousands of records, the smallest one; a ring is a few in the fewer of the rounds, a grey point none. " +
			"Red is a client as its own first example shows it, blue is made safe, green is a program of this tutorial.",
	}
	for _, side := range []Side{Producers, Consumers} {
		var row []*plot.Plot
		for i, m := range measures(side)[:3] {
			p, err := k.panel(side, m, i == 0)
			if err != nil {
				c.err = err
				return c
			}
			row = append(row, p)
		}
		c.rows = append(c.rows, row)
	}
	return c
}

// panel has a line for each way and a column for each drill.
func (k *keeping) panel(side Side, m measure, first bool) (*plot.Plot, error) {
	p := charts.NewPanel(m.name)
	taken, taking := k.drillsOf(side), k.waysOf(side)
	var lines, columns []plot.Tick
	for i, d := range taken {
		columns = append(columns, plot.Tick{Value: float64(i), Label: d.Short})
	}
	for i, w := range taking {
		y := float64(len(taking) - 1 - i)
		if i > 0 && taking[i-1].Client != w.Client {
			between, err := plotter.NewLine(plotter.XYs{{X: -0.6, Y: y + 0.5}, {X: float64(len(taken)) - 0.4, Y: y + 0.5}})
			if err != nil {
				return nil, err
			}
			between.Color, between.Width = faint, vg.Points(0.3)
			p.Add(between)
		}
		name := ""
		if first {
			name = w.Name
			if side == Consumers && w.How == AsShown {
				name = w.Client
			}
		}
		lines = append(lines, plot.Tick{Value: y, Label: name})
		for x, d := range taken {
			rounds := k.of(d.ID, w.ID)
			if len(rounds) == 0 {
				continue
			}
			dot, err := plotter.NewScatter(plotter.XYs{{X: float64(x), Y: y}})
			if err != nil {
				return nil, err
			}
			median, _, most := spread(counts(rounds, m))
			dot.Shape, dot.Color, dot.Radius = draw.CircleGlyph{}, faint, vg.Points(0.8)
			switch {
			case median > 0:
				dot.Color, dot.Radius = howColors[w.How], vg.Points(1.6+1.35*math.Log10(float64(median)))
			case most > 0: // In a few of the rounds only.
				dot.Shape, dot.Color, dot.Radius = draw.RingGlyph{}, howColors[w.How], vg.Points(2.2)
			}
			p.Add(dot)
		}
	}
	p.X.Tick.Marker, p.Y.Tick.Marker = plot.ConstantTicks(columns), plot.ConstantTicks(lines)
	p.X.Min, p.X.Max = -0.9, float64(len(taken))-0.4
	p.Y.Min, p.Y.Max = -0.8, float64(len(taking))-0.2
	p.X.Tick.Label.Rotation = math.Pi / 2
	p.X.Tick.Label.XAlign, p.X.Tick.Label.YAlign = draw.XRight, draw.YCenter
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.Tick.Label.Font.Size, a.Tick.Length = vg.Points(8), 0
		a.LineStyle.Width, a.Padding = 0, vg.Points(8)
	}
	p.Title.TextStyle.Font.Size = vg.Points(11)
	return p, nil
}

// draw returns the chart as SVG.
func (c chart) draw() ([]byte, error) {
	if c.err != nil {
		return nil, c.err
	}
	return charts.Draw(10*vg.Inch, 8.6*vg.Inch, c.rows...)
}
