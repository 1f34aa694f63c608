package claims

import (
	"embed"
	"fmt"
	"math"
	"slices"
	"strings"

	"kafka-with-go/internal/clients"
	"kafka-with-go/internal/laboratory/kit"
	"kafka-with-go/internal/laboratory/load"
)

// A verdict is what became of a sentence.
type verdict string

// The verdicts.
const (
	still    verdict = "still true"
	half     verdict = "half true"
	noLonger verdict = "no longer true"
	untested verdict = "not testable here"
)

// stillIf is the verdict of a sentence that is true or not.
func stillIf(condition bool) verdict {
	if condition {
		return still
	}
	return noLonger
}

// outOfTwo is the verdict of a sentence of whose two parts so many are true.
func outOfTwo(parts ...bool) verdict {
	if len(parts) == 2 && parts[0] != parts[1] {
		return half
	}
	return stillIf(parts[0])
}

// A claim is a sentence of the introduction, and how it is tested.
type claim struct {
	sentence string
	only     string // the one client that is measured, or "" for all of them
	measure  func(r Results, client string) string
	judge    func(Results) verdict
}

// A subject is what sentences are about. How each is tested and what its verdicts mean is in
// a file of the folder sentences.
type subject struct {
	name   string
	file   string
	claims []claim
}

// subjects are in the order of the introduction.
func subjects() []subject {
	return []subject{
		{"kafka-go", "kafka-go.md", aboutKafkaGo},
		{"sarama", "sarama.md", aboutSarama},
		{"confluent-kafka-go", "confluent-kafka-go.md", aboutConfluent},
		{"goka", "goka.md", aboutGoka},
		{"the producer", "producer.md", aboutProducer},
		{"the consumer", "consumer.md", aboutConsumer},
	}
}

//go:embed sentences
var sentences embed.FS

// A Judgement is a claim that was tested.
type Judgement struct {
	About    string
	Sentence string
	Test     string            // how it is tested, and what that counts and leaves out
	Measured map[string]string // by client
	Verdict  verdict
	Because  string
}

// judge judges every sentence. A verdict for which no sentence is written is an error.
func (r Results) judge() ([]Judgement, error) {
	var all []Judgement
	for _, s := range subjects() {
		text, err := sentences.ReadFile("sentences/" + s.file)
		if err != nil {
			return nil, fmt.Errorf("reading the sentences: %w", err)
		}
		sections, err := kit.Sections(s.file, string(text), facts{r})
		if err != nil {
			return nil, err
		}
		if len(sections) != len(s.claims) {
			return nil, fmt.Errorf("%s has %d sections for %d claims", s.file, len(sections), len(s.claims))
		}
		for i, c := range s.claims {
			j := Judgement{About: s.name, Sentence: c.sentence, Test: sections[i].Text, Measured: make(map[string]string)}
			if sections[i].Title != c.sentence {
				return nil, fmt.Errorf("%s has the section %q where %q belongs", s.file, sections[i].Title, c.sentence)
			}
			for _, n := range names() {
				if c.only == "" || c.only == n {
					j.Measured[n] = c.measure(r, n)
				}
			}
			j.Verdict = c.judge(r)
			j.Because = sections[i].Items[string(j.Verdict)]
			if j.Because == "" {
				return nil, fmt.Errorf("%q is %s now, and %s has no sentence for that", c.sentence, j.Verdict, s.file)
			}
			all = append(all, j)
		}
	}
	return all, nil
}

// What several claims measure.

const notMeasured = "not measured"

// orMissing is what was measured, if anything was.
func orMissing(s string) string {
	if s == "" {
		return notMeasured
	}
	return s
}

// counted is a measurement of what is counted.
func counted(f func(Counted) string) func(Results, string) string {
	return func(r Results, client string) string { return f(r.Counted[client]) }
}

// ran is a measurement of the runs, on both sides.
func ran(format string, f func(Run) float64) func(Results, string) string {
	return func(r Results, client string) string {
		written, ok := r.Runs[load.Produce][client]
		if !ok {
			return notMeasured
		}
		read := r.Runs[load.Consume][client]
		return fmt.Sprintf("writing "+format+", reading "+format, f(written), f(read))
	}
}

// moreThan is the ratio from which something measured counts as more.
const moreThan = 1.15

// ratio is sarama's figure of the runs divided by kafka-go's.
func (r Results) ratio(side load.Kind, f func(Run) float64) float64 {
	return f(r.Runs[side]["sarama"]) / f(r.Runs[side]["kafka-go"])
}

// usesMore judges that sarama uses more than kafka-go.
func usesMore(f func(Run) float64) func(Results) verdict {
	return func(r Results) verdict {
		if len(r.Runs[load.Produce]) == 0 {
			return untested
		}
		return outOfTwo(r.ratio(load.Produce, f) > moreThan, r.ratio(load.Consume, f) > moreThan)
	}
}

// contexts is how many of the functions that may wait take a context.
func contexts(c Counted) string {
	s := fmt.Sprintf("%d of %d", c.Surface.Context, c.Surface.Blocking)
	if c.Surface.Timeout > 0 {
		s += fmt.Sprintf(", and %d take a time limit", c.Surface.Timeout)
	}
	return s + fmt.Sprintf("; in the flow %d of %d", len(c.Flow.Context), len(c.Flow.Calls))
}

// lacksContexts judges that a client doesn't support contexts.
func lacksContexts(client string) func(Results) verdict {
	return func(r Results) verdict {
		s := r.Counted[client].Surface
		return outOfTwo(s.Context == 0, s.Context < s.Blocking)
	}
}

// documented is the share of documented names, and the examples.
func documented(format string) func(Counted) string {
	return func(c Counted) string {
		return fmt.Sprintf(format, c.Share(), c.Surface.Names) + "; " + kit.Count(c.Surface.Examples, "example")
	}
}

// facts are what the files of sentences put into their sentences.
type facts struct{ Results }

// KafkaGo is what is counted of kafka-go.
func (f facts) KafkaGo() Counted { return f.Counted["kafka-go"] }

// Sarama is what is counted of sarama.
func (f facts) Sarama() Counted { return f.Counted["sarama"] }

// Confluent is what is counted of confluent-kafka-go.
func (f facts) Confluent() Counted { return f.Counted["confluent-kafka-go"] }

// History is what a client's git history says.
func (f facts) History(name string) (clients.History, error) {
	c, err := clients.ByName(name)
	return c.History, err
}

// Percent is the share of a client's documented names.
func (f facts) Percent(name string) string { return fmt.Sprintf("%.0f %%", f.Counted[name].Share()) }

// HighLevel names the interfaces that kafka-go's Writer and Reader implement.
func (f facts) HighLevel() string { return strings.Join(highLevelInterfaces(f.KafkaGo()), ", ") }

// Contexts says which functions of a client take a context.
func (f facts) Contexts(name string) string {
	c := f.Counted[name]
	s := fmt.Sprintf("%d of %s's %d functions that may wait take a context; of those that the flow needs",
		c.Surface.Context, name, c.Surface.Blocking)
	if len(c.Flow.Context) == 0 {
		return s + ", none."
	}
	return s + ": " + strings.Join(c.Flow.Context, ", ") + "."
}

// figures are those of the runs.
var figures = map[string]func(Run) float64{
	"allocations": func(r Run) float64 { return r.Allocations },
	"collections": func(r Run) float64 { return r.Collections },
	"memory":      func(r Run) float64 { return r.PeakMB },
}

// Ratios says what sarama uses, divided by what kafka-go uses.
func (f facts) Ratios(figure string) string {
	return fmt.Sprintf("sarama's, divided by kafka-go's: %.2f writing, %.2f reading.",
		f.ratio(load.Produce, figures[figure]), f.ratio(load.Consume, figures[figure]))
}

// HowRun says how the runs were made.
func (f facts) HowRun() string {
	return fmt.Sprintf("%s records of %d bytes, one call a record, in a process of its own, "+
		"with the matched settings; mean of two runs", kit.Thousands(f.RunRecords), point.Size)
}

// IdleMB is the memory of a process that has no client yet.
func (f facts) IdleMB() float64 {
	var sum, n float64
	for _, side := range f.Runs {
		for _, r := range side {
			sum, n = sum+r.IdleMB, n+1
		}
	}
	return math.Round(sum / max(n, 1))
}

// Platforms lists the platforms for which is built.
func (f facts) Platforms() string { return strings.Join(platforms, ", ") }

// CrashRecords is how many records there are to work on.
func (f facts) CrashRecords() int { return crashRecords }

// Newest names the client whose history begins last.
func (f facts) Newest() string {
	newest := slices.MaxFunc(clients.All(), func(a, b clients.Client) int {
		return strings.Compare(a.History.First, b.History.First)
	})
	return newest.Name()
}
