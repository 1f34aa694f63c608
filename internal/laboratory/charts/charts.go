// Package charts draws the charts of the READMEs: SVG with nothing behind it, in
// colours that can be read on white and on black, and with text and axes in the
// colour that goes with the reader's theme.
package charts

import (
	"bytes"
	"fmt"
	"image/color"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Text is measured in the font in which a browser shows it, so that no label is cut or covered.
func init() { plot.DefaultFont = font.Font{Typeface: "Liberation", Variant: "Sans"} }

// Ink stands for the colour of text and axes, which depends on the reader's
// theme: Draw replaces it.
var Ink = color.RGBA{1, 2, 3, 255}

// theme gives Ink the colour that goes with the reader's background.
const theme = `<style>svg { color: #1f2328 } @media (prefers-color-scheme: dark) { svg { color: #d1d7e0 } }</style>`

// Label is a text that ends where something else begins. Browsers without the font show it in a
// wider one: there is room for that behind it.
func Label(text string) string { return text + strings.Repeat(" ", 1+len(text)/3) }

// Labels are texts such as those of an axis.
func Labels(texts []string) []string {
	var out []string
	for _, t := range texts {
		out = append(out, Label(t))
	}
	return out
}

// NewPanel returns an empty plot in the colours of the reader's theme.
func NewPanel(title string) *plot.Plot {
	p := plot.New()
	p.BackgroundColor = nil
	p.Title.Text = title
	p.Title.TextStyle.Color = Ink
	p.Title.Padding = vg.Points(6)
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.Color, a.LineStyle.Color, a.Tick.Color = Ink, Ink, Ink
		a.Tick.LineStyle.Color, a.Tick.Label.Color, a.Label.TextStyle.Color = Ink, Ink, Ink
	}
	p.Legend.TextStyle.Color = Ink
	p.Legend.Padding = vg.Points(2)
	return p
}

// Draw draws panels in rows, with their axes aligned.
func Draw(width, height vg.Length, rows ...[]*plot.Plot) ([]byte, error) {
	canvas := vgsvg.New(width, height)
	tiles := draw.Tiles{
		Rows: len(rows), Cols: len(rows[0]), PadX: vg.Points(16), PadTop: vg.Points(6), PadBottom: vg.Points(4),
		PadLeft: vg.Points(14), PadRight: vg.Points(14),
	}
	if len(rows) > 1 {
		tiles.PadY = vg.Points(14)
	}
	for i, row := range plot.Align(rows, tiles, draw.New(canvas)) {
		for j, part := range row {
			rows[i][j].Draw(part)
		}
	}
	var svg bytes.Buffer
	if _, err := canvas.WriteTo(&svg); err != nil {
		return nil, fmt.Errorf("writing SVG: %w", err)
	}
	text := bytes.ReplaceAll(svg.Bytes(), []byte("#010203"), []byte("currentColor"))
	text = bytes.ReplaceAll(text, []byte("font-family:Liberation Sans"), []byte("font-family:Liberation Sans,Helvetica,Arial,sans-serif"))
	head := bytes.Index(text, []byte("<g "))
	if head < 0 {
		return nil, fmt.Errorf("the SVG has no group")
	}
	return append(append(append([]byte{}, text[:head]...), theme+"\n"...), text[head:]...), nil
}
