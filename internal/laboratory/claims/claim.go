package claims

import (
	"embed"
	"fmt"
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
func stillIf(condition bool) verdict { return outOfTwo(condition, condition) }

// outOfTwo is the verdict of a sentence with two parts.
func outOfTwo(one, other bool) verdict {
	switch {
	case one != other:
		return half
	case one:
		return still
	}
	return noLonger
}

// A claim is a sentence of the introduction, and how it is tested.
type claim struct {
	sentence string
	only     string                                // the one client that is measured, or "" for all of them
	measure  func(r Results, client string) string // nil if another sentence has the same
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
		{"The producer", "producer.md", aboutProducer},
		{"The consumer", "consumer.md", aboutConsumer},
	}
}

//go:embed sentences
var sentences embed.FS

// sections reads a file of sentences, with what was measured put in.
func (r Results) sections(file string) ([]kit.Section, error) {
	text, err := sentences.ReadFile("sentences/" + file)
	if err != nil {
		return nil, fmt.Errorf("reading the sentences: %w", err)
	}
	return kit.Sections(file, string(text), facts{r})
}

// A Judgement is a claim that was tested.
type Judgement struct {
	About    string
	Sentence string
	Test     string   // how it is tested, and what that counts and leaves out
	Measured []string // of each client that it is about
	Verdict  verdict
	Because  string
}

// judge judges every sentence. A verdict for which no sentence is written is an error.
func (r Results) judge() ([]Judgement, error) {
	var all []Judgement
	for _, s := range subjects() {
		sections, err := r.sections(s.file)
		if err != nil {
			return nil, err
		}
		if len(sections) != len(s.claims) {
			return nil, fmt.Errorf("%s has %d sections for %d claims", s.file, len(sections), len(s.claims))
		}
		for i, c := range s.claims {
			j := Judgement{About: s.name, Sentence: c.sentence, Test: sections[i].Text, Verdict: c.judge(r)}
			if sections[i].Title != c.sentence {
				return nil, fmt.Errorf("%s has the section %q where %q belongs", s.file, sections[i].Title, c.sentence)
			}
			for _, n := range names() {
				if c.measure != nil && (c.only == "" || c.only == n) {
					j.Measured = append(j.Measured, n+": "+c.measure(r, n)+".")
				}
			}
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

// counted is a measurement of what is counted.
func counted(f func(Counted) string) func(Results, string) string {
	return func(r Results, client string) string { return f(r.Counted[client]) }
}

// A figure is one of the runs.
type figure func(load.Measure) float64

func allocations(m load.Measure) float64 { return m.Allocations }
func collections(m load.Measure) float64 { return m.Collections }
func memory(m load.Measure) float64      { return m.PeakMB }

// ran is a measurement of the runs: the medians of both sides.
func ran(format string, f figure) func(Results, string) string {
	return func(r Results, client string) string {
		median := func(side load.Kind) float64 {
			var values []float64
			for _, round := range r.Runs {
				values = append(values, f(round[side][client]))
			}
			m, _, _ := kit.Spread(values)
			return m
		}
		return fmt.Sprintf(format+" and "+format, median(load.Produce), median(load.Consume))
	}
}

// moreThan is the ratio from which something measured or counted counts as more.
const moreThan = 1.15

// ratios are sarama's figures divided by kafka-go's, round by round.
func (r Results) ratios(side load.Kind, f figure) (ratios []float64) {
	for _, round := range r.Runs {
		ratios = append(ratios, f(round[side]["sarama"])/f(round[side]["kafka-go"]))
	}
	return ratios
}

// usesMore judges that sarama uses more than kafka-go: in every round.
func usesMore(f figure) func(Results) verdict {
	return func(r Results) verdict {
		more := func(side load.Kind) bool {
			ratios := r.ratios(side, f)
			return len(ratios) > 0 && slices.Min(ratios) > moreThan
		}
		return outOfTwo(more(load.Produce), more(load.Consume))
	}
}

// contexts is how many functions take a context, and whether those do that matter most.
func contexts(c Counted) string {
	return fmt.Sprintf("%d; writing: %s; reading: %s", c.Contexts, takesContext(c.Write), takesContext(c.Read))
}

func takesContext(signature string) string {
	if withContext.MatchString(signature) {
		return "yes"
	}
	return "no"
}

// lacksContexts judges that a client doesn't support contexts.
func lacksContexts(client string) func(Results) verdict {
	return func(r Results) verdict {
		c := r.Counted[client]
		return outOfTwo(c.Contexts == 0, takesContext(c.Write)+takesContext(c.Read) != "yesyes")
	}
}

// documented is the share of documented names, and the examples.
func documented(c Counted) string {
	return fmt.Sprintf("%.0f %% of %s; %s", c.Share(), kit.Count(c.Names, "name"), kit.Count(c.Examples, "example"))
}

// facts are what the files of sentences put into their sentences.
type facts struct{ Results }

// Of is what is counted of a client.
func (f facts) Of(name string) Counted { return f.Counted[name] }

// History is what a client's git history says.
func (facts) History(name string) clients.History {
	return clients.All()[slices.Index(names(), name)].History
}

// Percent is the share of a client's documented names.
func (f facts) Percent(name string) string { return fmt.Sprintf("%.0f %%", f.Counted[name].Share()) }

// Ratios says what sarama uses, divided by what kafka-go uses.
func (f facts) Ratios(what string) string {
	figure := map[string]figure{"allocations": allocations, "collections": collections, "memory": memory}[what]
	span := func(side load.Kind) string {
		_, least, most := kit.Spread(f.ratios(side, figure))
		return fmt.Sprintf("%.2f to %.2f", least, most)
	}
	return fmt.Sprintf("In %s sarama took %s times what kafka-go took to write, and %s times to read.",
		kit.Count(len(f.Runs), "round"), span(load.Produce), span(load.Consume))
}

// HowRun says how the runs were made.
func (f facts) HowRun() string {
	return fmt.Sprintf("%s records of %d bytes, one call a record, in a process of its own, "+
		"with the matched settings; the median of %s, writing and reading",
		kit.Thousands(f.RunRecords), point.Size, kit.Count(len(f.Runs), "round"))
}

// Idle is the memory of a process that has no client yet, in MB.
func (f facts) Idle() string {
	var values []float64
	for _, round := range f.Runs {
		for _, m := range round[load.Produce] {
			values = append(values, m.IdleMB)
		}
	}
	median, _, _ := kit.Spread(values)
	return fmt.Sprintf("%.0f MB", median)
}

// CrashRecords is how many records there are to work on.
func (facts) CrashRecords() int { return crashRecords }

// Unread is how many records fail whose errors nobody reads.
func (facts) Unread() string { return kit.Thousands(unread) }

// Patience is how long is waited for what a client does in the end.
func (facts) Patience() string { return human(patience) }

// Newest names the client whose history begins last.
func (facts) Newest() string {
	newest := slices.MaxFunc(clients.All(), func(a, b clients.Client) int {
		return strings.Compare(a.History.First, b.History.First)
	})
	return newest.Name()
}
