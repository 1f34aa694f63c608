package bench

import (
	"errors"
	"fmt"
	"image/color"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"kafka-with-go/internal/clients"
	"kafka-with-go/internal/laboratory/charts"
	"kafka-with-go/internal/laboratory/load"
)

// shapes are those of the clients' marks in their order, and then of what stands beside them.
var shapes = []draw.GlyphDrawer{
	draw.CircleGlyph{}, draw.SquareGlyph{}, draw.TriangleGlyph{},
	draw.PyramidGlyph{}, draw.BoxGlyph{}, draw.RingGlyph{},
}

// colorOf is a client's colour, or grey for what stands beside the clients.
func colorOf(name string) color.Color {
	if c, err := clients.ByName(name); err == nil {
		return c.Color
	}
	return color.RGBA{0x80, 0x80, 0x80, 255}
}

func shapeOf(name string) draw.GlyphDrawer {
	if i := slices.Index(clients.Names(), name); i >= 0 {
		return shapes[i%len(shapes)]
	}
	return draw.PlusGlyph{}
}

// charts draws the charts of the chapter, by the names of their files. It takes a whole run:
// every client, and Java's tool beside them.
func (r Results) charts() (map[string][]byte, error) {
	drawn := make(map[string][]byte)
	for name, c := range map[string]struct {
		height vg.Length
		panels func() ([]*plot.Plot, error)
	}{
		"throughput.svg": {3.2 * vg.Inch, r.throughputPanels},
		"growth.svg":     {4 * vg.Inch, r.growthPanels},
		"latency.svg":    {4 * vg.Inch, r.latencyPanels},
	} {
		panels, err := c.panels()
		if err != nil {
			return nil, fmt.Errorf("drawing %s: %w", name, err)
		}
		if drawn[name], err = charts.Draw(9*vg.Inch, c.height, panels); err != nil {
			return nil, fmt.Errorf("drawing %s: %w", name, err)
		}
	}
	return drawn, nil
}

// missing says that something wasn't measured that a chart needs.
func missing(kind load.Kind, name string) error {
	return fmt.Errorf("%s of %s wasn't measured", kind, name)
}

// throughputPanels have a bar for each matched client: its rate beside Java's.
func (r Results) throughputPanels() ([]*plot.Plot, error) {
	var panels []*plot.Plot
	for _, side := range []struct {
		kind  load.Kind
		title string
	}{{load.Produce, "writing"}, {load.Consume, "receiving"}} {
		java := r.matched(side.kind, base, javaName)
		if java == nil {
			return nil, missing(side.kind, javaName)
		}
		p := charts.NewPanel(side.title)
		names := slices.Clone(clients.Names())
		slices.Reverse(names) // The first one is at the top.
		for i, n := range names {
			one := r.matched(side.kind, base, n)
			if one == nil {
				return nil, missing(side.kind, n)
			}
			if err := addBar(p, float64(i), one, java); err != nil {
				return nil, err
			}
		}
		reference, err := plotter.NewLine(plotter.XYs{{X: 1, Y: -0.6}, {X: 1, Y: float64(len(names)) - 0.4}})
		if err != nil {
			return nil, err
		}
		reference.Color, reference.Dashes = colorOf(javaName), dashed
		p.Add(reference)
		p.NominalY(names...)
		p.X.Min, p.X.Label.Text = 0, "records a second, Java's tool = 1"
		panels = append(panels, p)
	}
	return panels, nil
}

var dashed = []vg.Length{vg.Points(4), vg.Points(3)}

// addBar adds a client's bar, and in it a line from the least to the most of the rounds' ratios.
func addBar(p *plot.Plot, y float64, one, java *Case) error {
	bar, err := plotter.NewBarChart(plotter.Values{one.ratio(java, rate)}, vg.Points(18))
	if err != nil {
		return err
	}
	bar.Horizontal, bar.XMin, bar.Color, bar.LineStyle.Width = true, y, colorOf(one.Client), 0
	ratios := one.ratios(java, rate)
	span, err := plotter.NewLine(plotter.XYs{{X: slices.Min(ratios), Y: y}, {X: slices.Max(ratios), Y: y}})
	if err != nil {
		return err
	}
	span.Color, span.Width = charts.Ink, vg.Points(1.5)
	p.Add(bar, span)
	return nil
}

// A sweep is what varies along a panel.
type sweep struct {
	title  string
	points []load.Point
	x      func(load.Point) float64
}

var sweeps = []sweep{
	{"bytes a record", sizes, func(p load.Point) float64 { return float64(p.Size) }},
	{"goroutines that write", goroutines, func(p load.Point) float64 { return float64(p.Goroutines) }},
	{"partitions", partitions, func(p load.Point) float64 { return float64(p.Partitions) }},
}

// growthPanels have a line for each matched client over each thing that varies.
func (r Results) growthPanels() ([]*plot.Plot, error) {
	var panels []*plot.Plot
	least, most := math.Inf(1), 0.0
	for i, s := range sweeps {
		p, err := r.sweepPanel(s, i == 0)
		if err != nil {
			return nil, err
		}
		least, most = min(least, p.Y.Min), max(most, p.Y.Max)
		panels = append(panels, p)
	}
	panels[0].Y.Label.Text = "CPU µs a record"
	for _, p := range panels {
		p.Y.Min, p.Y.Max = least*0.8, most*6 // room for the legend
	}
	return panels, nil
}

func (r Results) sweepPanel(s sweep, legend bool) (*plot.Plot, error) {
	p := charts.NewPanel("")
	for _, n := range append(clients.Names(), limitName) {
		xys := r.sweepLine(s, n)
		if len(xys) < 2 && n == limitName {
			continue // It is no other for more goroutines or partitions.
		}
		if len(xys) < 2 {
			return nil, missing(load.Produce, n)
		}
		line, marks, err := plotter.NewLinePoints(xys)
		if err != nil {
			return nil, err
		}
		line.Color, line.Width = colorOf(n), vg.Points(1.8)
		marks.Color, marks.Shape, marks.Radius = colorOf(n), shapeOf(n), vg.Points(3.5)
		p.Add(line, marks)
		if legend {
			p.Legend.Add(n, line, marks)
		}
	}
	var ticks []plot.Tick
	for _, point := range s.points {
		ticks = append(ticks, plot.Tick{Value: s.x(point), Label: fmt.Sprint(s.x(point))})
	}
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, plot.ConstantTicks(ticks)
	p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, decades{}
	p.X.Label.Text = s.title
	p.Legend.Top, p.Legend.Left = true, true
	return p, nil
}

// sweepLine is what a client uses at each point of a sweep.
func (r Results) sweepLine(s sweep, client string) plotter.XYs {
	var xys plotter.XYs
	for _, point := range s.points {
		one := r.matched(load.Produce, point, client)
		if one == nil {
			continue
		}
		if used := one.median(cpu); used > 0 {
			xys = append(xys, plotter.XY{X: s.x(point), Y: used})
		}
	}
	return xys
}

// decades are ticks at 1, 2, 5, 10 and so on of a logarithmic axis.
type decades struct{}

// Ticks implements plot.Ticker.
func (decades) Ticks(least, most float64) []plot.Tick {
	var ticks []plot.Tick
	for decade := math.Pow(10, math.Floor(math.Log10(least))); decade <= most; decade *= 10 {
		for i := 1.0; i < 10; i++ {
			v := decade * i
			if v < least || v > most {
				continue
			}
			label := ""
			if i == 1 {
				label = fmt.Sprintf("%g", math.Round(v*1e6)/1e6)
			}
			ticks = append(ticks, plot.Tick{Value: v, Label: label})
		}
	}
	return ticks
}

// latencyPanels have a line from p50 to p99 for each client.
func (r Results) latencyPanels() ([]*plot.Plot, error) {
	p := charts.NewPanel("")
	var names []string
	for _, row := range slices.Backward(rows()) {
		one := r.at(load.Latency, row)
		if one == nil {
			continue
		}
		half, tail := one.median(p50), one.median(p99)
		if half <= 0 || tail <= 0 {
			return nil, fmt.Errorf("%v has a p50 of %v ms and a p99 of %v ms", one, half, tail)
		}
		if err := addLatency(p, float64(len(names)), row, half, tail); err != nil {
			return nil, err
		}
		name := row.client
		if row.way != "" {
			name += ", " + row.way
		}
		names = append(names, name)
	}
	if len(names) < 2 {
		return nil, errors.New("no latency was measured")
	}
	p.NominalY(names...)
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, decades{}
	p.X.Label.Text = "milliseconds"
	return []*plot.Plot{p}, nil
}

func addLatency(p *plot.Plot, y float64, row row, half, tail float64) error {
	line, err := plotter.NewLine(plotter.XYs{{X: half, Y: y}, {X: tail, Y: y}})
	if err != nil {
		return err
	}
	line.Color, line.Width = colorOf(row.client), vg.Points(2)
	if row.way == asDefaults {
		line.Dashes = dashed
	}
	p.Add(line)
	for _, mark := range []struct {
		at    float64
		shape draw.GlyphDrawer
	}{{half, draw.CircleGlyph{}}, {tail, draw.PyramidGlyph{}}} {
		dot, err := plotter.NewScatter(plotter.XYs{{X: mark.at, Y: y}})
		if err != nil {
			return err
		}
		dot.Color, dot.Shape, dot.Radius = colorOf(row.client), mark.shape, vg.Points(4)
		p.Add(dot)
	}
	return nil
}
