package bench

import (
	"errors"
	"fmt"
	"image/color"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"kafka-with-go/internal/clients"
	"kafka-with-go/internal/laboratory/charts"
	"kafka-with-go/internal/laboratory/kit"
	"kafka-with-go/internal/laboratory/load"
)

// shapes are those of the clients' marks, in their order.
var shapes = []draw.GlyphDrawer{
	draw.CircleGlyph{}, draw.SquareGlyph{}, draw.TriangleGlyph{}, draw.PyramidGlyph{}, draw.BoxGlyph{},
}

// colorOf is a client's colour, or grey for what stands beside the clients.
func colorOf(name string) color.Color {
	if c, err := clients.ByName(name); err == nil {
		return c.Color
	}
	return color.RGBA{0x80, 0x80, 0x80, 255}
}

// width is that of a page on GitHub.
const width = 8.7 * vg.Inch

// charts draws the charts of the page, by the names of their files. It takes a whole run: every
// client, and Java's tool beside them.
func (r Results) charts() (map[string][]byte, error) {
	drawn := make(map[string][]byte)
	for name, c := range map[string]struct {
		height vg.Length
		panels func() ([]*plot.Plot, error)
	}{
		"throughput.svg": {2.6 * vg.Inch, r.throughputPanels},
		"memory.svg":     {3.2 * vg.Inch, r.memoryPanels},
		"latency.svg":    {3.6 * vg.Inch, r.latencyPanels},
	} {
		panels, err := c.panels()
		if err != nil {
			return nil, fmt.Errorf("drawing %s: %w", name, err)
		}
		if drawn[name], err = charts.Draw(width, c.height, panels); err != nil {
			return nil, fmt.Errorf("drawing %s: %w", name, err)
		}
	}
	return drawn, nil
}

// missing says that something wasn't measured that a chart needs.
func missing(kind load.Kind, name string) error {
	return fmt.Errorf("%s of %s wasn't measured", kind, name)
}

// throughputPanels have a bar for each client, as shipped: its rate beside Java's.
func (r Results) throughputPanels() ([]*plot.Plot, error) {
	var panels []*plot.Plot
	for _, side := range []struct {
		kind  load.Kind
		title string
	}{{load.Produce, "writing"}, {load.Consume, "reading"}} {
		java := r.java(side.kind, base)
		if java == nil {
			return nil, missing(side.kind, javaName)
		}
		p := charts.NewPanel(side.title)
		names := slices.Clone(clients.Names())
		slices.Reverse(names) // The first one is at the top.
		for i, n := range names {
			one := r.find(side.kind, base, n, asShipped)
			if one == nil {
				return nil, missing(side.kind, n)
			}
			if err := addBar(p, float64(i), one, java); err != nil {
				return nil, err
			}
		}
		if err := addLine(p, color.RGBA{0x80, 0x80, 0x80, 255}, plotter.XYs{{X: 1, Y: -0.6}, {X: 1, Y: float64(len(names)) - 0.4}}); err != nil {
			return nil, err
		}
		p.NominalY(charts.Labels(names)...)
		p.X.Min, p.X.Max, p.X.Label.Text = 0, max(1.1, p.X.Max), "rate, Java's tool = 1"
		panels = append(panels, p)
	}
	return panels, nil
}

func addLine(p *plot.Plot, c color.Color, xys plotter.XYs) error {
	line, err := plotter.NewLine(xys)
	if err != nil {
		return err
	}
	line.Color, line.Width = c, vg.Points(1.5)
	p.Add(line)
	return nil
}

// addBar adds a client's bar, and in it a line from the least to the most of the rounds' ratios.
func addBar(p *plot.Plot, y float64, one, java *Case) error {
	bar, err := plotter.NewBarChart(plotter.Values{one.ratio(java, rate)}, vg.Points(14))
	if err != nil {
		return err
	}
	bar.Horizontal, bar.XMin, bar.Color, bar.LineStyle.Width = true, y, colorOf(one.Client), 0
	p.Add(bar)
	ratios := one.ratios(java, rate)
	return addLine(p, charts.Ink, plotter.XYs{{X: slices.Min(ratios), Y: y}, {X: slices.Max(ratios), Y: y}})
}

// memoryPanels have a line for each client over the records in hand.
func (r Results) memoryPanels() ([]*plot.Plot, error) {
	p := charts.NewPanel("")
	var ticks []plot.Tick
	for _, point := range windows {
		ticks = append(ticks, plot.Tick{Value: float64(point.InHand), Label: kit.Thousands(point.InHand)})
	}
	for i, n := range clients.Names() {
		var xys plotter.XYs
		for _, point := range windows {
			one := r.find(load.Produce, point, n, asShipped)
			if one == nil {
				return nil, missing(load.Produce, n)
			}
			xys = append(xys, plotter.XY{X: float64(point.InHand), Y: one.median(memory)})
		}
		line, marks, err := plotter.NewLinePoints(xys)
		if err != nil {
			return nil, err
		}
		line.Color, line.Width = colorOf(n), vg.Points(1.8)
		marks.Color, marks.Shape, marks.Radius = colorOf(n), shapes[i%len(shapes)], vg.Points(3.5)
		p.Add(line, marks)
		p.Legend.Add(charts.Label(n), line, marks)
	}
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, plot.ConstantTicks(ticks)
	p.X.Max *= 6 // room for the legend
	p.Y.Min, p.Y.Label.Text, p.X.Label.Text = 0, "MB at most", "records in hand"
	p.Legend.Top = true
	return []*plot.Plot{p}, nil
}

// latencyPanels have a line from p50 to p99 for each client.
func (r Results) latencyPanels() ([]*plot.Plot, error) {
	p := charts.NewPanel("")
	var names []string
	for _, one := range slices.Backward(r.latencies()) {
		half, tail := one.median(p50), one.median(p99)
		if half <= 0 || tail <= 0 {
			return nil, fmt.Errorf("%v has a p50 of %v ms and a p99 of %v ms", one, half, tail)
		}
		y := float64(len(names))
		if err := addLine(p, colorOf(one.Client), plotter.XYs{{X: half, Y: y}, {X: tail, Y: y}}); err != nil {
			return nil, err
		}
		dots, err := plotter.NewScatter(plotter.XYs{{X: half, Y: y}, {X: tail, Y: y}})
		if err != nil {
			return nil, err
		}
		dots.GlyphStyleFunc = func(i int) draw.GlyphStyle {
			shape := []draw.GlyphDrawer{draw.CircleGlyph{}, draw.PyramidGlyph{}}[i]
			return draw.GlyphStyle{Color: colorOf(one.Client), Shape: shape, Radius: vg.Points(4)}
		}
		p.Add(dots)
		names = append(names, latencyName(one))
	}
	if len(names) < 2 {
		return nil, errors.New("no latency was measured")
	}
	p.NominalY(charts.Labels(names)...)
	p.X.Min, p.X.Label.Text = 0, "milliseconds"
	return []*plot.Plot{p}, nil
}
