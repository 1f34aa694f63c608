package main

import (
	"fmt"
	"image/color"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"kafka-with-go/internal/charts"
)

// A chart is a picture of the README.
type chart struct {
	title, file, text string
	width, height     vg.Length
	panels            []*plot.Plot
}

// colors can be told apart on white and on black.
var colors = map[string]color.Color{
	"kafka-go":           color.RGBA{0x2f, 0x81, 0xd6, 255},
	"sarama":             color.RGBA{0xd9, 0x77, 0x06, 255},
	"confluent-kafka-go": color.RGBA{0x1f, 0x9d, 0x55, 255},
	"goka":               color.RGBA{0xd6, 0x45, 0x8f, 255},
	"franz-go":           color.RGBA{0x8b, 0x6c, 0xe6, 255},
	javaName:             color.RGBA{0x80, 0x80, 0x80, 255},
	limitName:            color.RGBA{0x80, 0x80, 0x80, 255},
}

var shapes = map[string]draw.GlyphDrawer{
	"kafka-go": draw.CircleGlyph{}, "sarama": draw.SquareGlyph{}, "confluent-kafka-go": draw.TriangleGlyph{},
	"goka": draw.PyramidGlyph{}, "franz-go": draw.BoxGlyph{}, javaName: draw.CrossGlyph{}, limitName: draw.PlusGlyph{},
}

// charts makes the charts of what was measured, except those of which nothing was.
func (r Results) charts() []chart {
	var out []chart
	if c, ok := r.throughputChart(); ok {
		out = append(out, c)
	}
	if c, ok := r.growthChart(); ok {
		out = append(out, c)
	}
	if c, ok := r.latencyChart(); ok {
		out = append(out, c)
	}
	for i := range out {
		out[i].text += " " + r.short()
	}
	return out
}

// throughputChart has a bar for each matched client: its rate beside Java's.
func (r Results) throughputChart() (chart, bool) {
	c := chart{
		title: "How fast each client writes and receives, beside Java's own tool.", file: "throughput.svg",
		text:  "Records of 100 B, matched settings, one goroutine, three partitions. The line in a bar goes from the least to the most of the rounds' ratios.",
		width: 9 * vg.Inch, height: 3.2 * vg.Inch,
	}
	for i, task := range []Task{Produce, Consume} {
		java := r.find(task, base, javaName, "")
		if java == nil {
			return c, false
		}
		p := charts.NewPanel([]string{"writing", "receiving"}[i])
		var names []string
		for i, n := range reversed(clientNames()) {
			names = append(names, n)
			one := r.find(task, base, n, asMatched)
			if one == nil {
				return c, false
			}
			bar, err := plotter.NewBarChart(plotter.Values{one.ratio(java, rate)}, vg.Points(18))
			if err != nil {
				return c, false
			}
			bar.Horizontal, bar.XMin, bar.Color, bar.LineStyle.Width = true, float64(i), colors[n], 0
			_, least, most := spread(ratios(one, java))
			span, err := plotter.NewLine(plotter.XYs{{X: least, Y: float64(i)}, {X: most, Y: float64(i)}})
			if err != nil {
				return c, false
			}
			span.Color, span.Width = charts.Ink, vg.Points(1.5)
			p.Add(bar, span)
		}
		one, err := plotter.NewLine(plotter.XYs{{X: 1, Y: -0.6}, {X: 1, Y: float64(len(names)) - 0.4}})
		if err != nil {
			return c, false
		}
		one.Color, one.Dashes = colors[javaName], []vg.Length{vg.Points(4), vg.Points(3)}
		p.Add(one)
		p.NominalY(names...)
		p.X.Min, p.X.Label.Text = 0, "records a second, Java's tool = 1"
		c.panels = append(c.panels, p)
	}
	return c, true
}

// ratios returns the rate beside another's, round by round.
func ratios(c, other *Case) []float64 {
	var out []float64
	for i := range min(len(c.Rounds), len(other.Rounds)) {
		if other.Rounds[i].Rate > 0 {
			out = append(out, c.Rounds[i].Rate/other.Rounds[i].Rate)
		}
	}
	return out
}

func reversed(names []string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[len(names)-1-i] = n
	}
	return out
}

// growthChart has a line for each matched client over each thing that varies.
func (r Results) growthChart() (chart, bool) {
	c := chart{
		title: "What a record costs its writer, when one thing grows.", file: "growth.svg",
		text:  "CPU µs a record of the whole process, matched settings, around 100 B, one goroutine and three partitions.",
		width: 9 * vg.Inch, height: 4 * vg.Inch,
	}
	for _, sweep := range []struct {
		title  string
		points []Point
		x      func(Point) float64
	}{
		{"bytes a record", sizes, func(p Point) float64 { return float64(p.Size) }},
		{"goroutines that write", goroutines, func(p Point) float64 { return float64(p.Goroutines) }},
		{"partitions", append([]Point{base}, partitions[1:]...), func(p Point) float64 { return float64(p.Partitions) }},
	} {
		p := charts.NewPanel("")
		var ticks []plot.Tick
		for _, point := range sweep.points {
			ticks = append(ticks, plot.Tick{Value: sweep.x(point), Label: fmt.Sprint(sweep.x(point))})
		}
		for _, n := range append(clientNames(), limitName) {
			var xys plotter.XYs
			for _, point := range sweep.points {
				one := r.find(Produce, point, n, asMatched)
				if n == limitName {
					one = r.find(Limit, point, limitName, "")
				}
				if one == nil {
					continue
				}
				used, _, _ := one.median(cpu)
				if used > 0 {
					xys = append(xys, plotter.XY{X: sweep.x(point), Y: used})
				}
			}
			if len(xys) < 2 {
				if n == limitName {
					continue // It is no other for more goroutines or partitions.
				}
				return c, false
			}
			line, marks, err := plotter.NewLinePoints(xys)
			if err != nil {
				return c, false
			}
			line.Color, line.Width = colors[n], vg.Points(1.8)
			marks.Color, marks.Shape, marks.Radius = colors[n], shapes[n], vg.Points(3.5)
			p.Add(line, marks)
			if sweep.title == "bytes a record" {
				p.Legend.Add(n, line, marks)
			}
		}
		p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, plot.ConstantTicks(ticks)
		p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, decades{}
		p.X.Label.Text = sweep.title
		p.Legend.Top, p.Legend.Left = true, true
		c.panels = append(c.panels, p)
	}
	c.panels[0].Y.Label.Text = "CPU µs a record"
	least, most := math.Inf(1), 0.0
	for _, p := range c.panels {
		least, most = min(least, p.Y.Min), max(most, p.Y.Max)
	}
	for _, p := range c.panels {
		p.Y.Min, p.Y.Max = least*0.8, most*6 // room for the legend
	}
	return c, true
}

// decades are ticks at 1, 2, 5, 10 and so on of a logarithmic axis.
type decades struct{}

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

// latencyChart has a line from p50 to p99 for each client.
func (r Results) latencyChart() (chart, bool) {
	c := chart{
		title: "From write to receive: half of the records (circle), and 99 of a hundred (triangle).", file: "latency.svg",
		text:  "Milliseconds, one record of 100 B at a time, without linger; filled lines are matched, dashed ones defaults.",
		width: 9 * vg.Inch, height: 4 * vg.Inch,
	}
	p := charts.NewPanel("")
	var names []string
	for _, row := range reversedRows() {
		one := r.find(Latency, base, row[0], row[1])
		if one == nil {
			continue
		}
		half, _, _ := one.median(p50)
		tail, _, _ := one.median(p99)
		if half <= 0 || tail <= 0 {
			continue
		}
		y := float64(len(names))
		line, err := plotter.NewLine(plotter.XYs{{X: half, Y: y}, {X: tail, Y: y}})
		if err != nil {
			return c, false
		}
		line.Color, line.Width = colors[row[0]], vg.Points(2)
		if row[1] == asDefaults {
			line.Dashes = []vg.Length{vg.Points(4), vg.Points(3)}
		}
		p.Add(line)
		for i, shape := range []draw.GlyphDrawer{draw.CircleGlyph{}, draw.PyramidGlyph{}} {
			mark, err := plotter.NewScatter(plotter.XYs{{X: []float64{half, tail}[i], Y: y}})
			if err != nil {
				return c, false
			}
			mark.Color, mark.Shape, mark.Radius = colors[row[0]], shape, vg.Points(4)
			p.Add(mark)
		}
		name := row[0]
		if row[1] != "" {
			name += ", " + row[1]
		}
		names = append(names, name)
	}
	if len(names) < 2 {
		return c, false
	}
	p.NominalY(names...)
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, decades{}
	p.X.Label.Text = "milliseconds"
	c.panels = []*plot.Plot{p}
	return c, true
}

func reversedRows() [][2]string {
	all := rows()
	out := make([][2]string, len(all))
	for i, row := range all {
		out[len(all)-1-i] = row
	}
	return out
}

// draw returns the chart as SVG, with nothing behind it.
func (c chart) draw() ([]byte, error) { return charts.Draw(c.width, c.height, c.panels) }
