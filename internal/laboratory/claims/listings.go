package claims

import (
	"fmt"
	"strings"
)

var aboutProducer = []claim{
	{
		sentence: "kafka.NewWriter initializes the writer",
		only:     "kafka-go",
		measure: func(r Results, _ string) string {
			if r.NewWriterIsOld {
				return "deprecated"
			}
			return "not deprecated"
		},
		judge: func(r Results) verdict { return outOfTwo(true, !r.NewWriterIsOld) },
	},
	{
		sentence: "the key is used to decide which partition (and consequently, which broker) the message gets published on",
		measure: func(r Results, client string) string {
			if client == "kafka-go" {
				client = newWriter
			}
			return orMissing(r.ProducerDefault["partitioner"][client].Value)
		},
		judge: func(r Results) verdict {
			cells := r.ProducerDefault["partitioner"]
			others := false // whether the key decides with any other client
			for column, cell := range cells {
				others = others || column != newWriter && column != literal && cell.Mark != mixes
			}
			return outOfTwo(cells[newWriter].Mark != mixes, others)
		},
	},
}

var aboutConsumer = []claim{
	{
		sentence: "we need to specify its group ID when creating a consumer",
		measure:  func(r Results, client string) string { return orMissing(withoutGroup(r, client)) },
		judge: func(r Results) verdict {
			others := false
			for _, n := range names() {
				others = others || n != "kafka-go" && strings.HasPrefix(withoutGroup(r, n), refuses)
			}
			return outOfTwo(strings.HasPrefix(withoutGroup(r, "kafka-go"), refuses), others)
		},
	},
	{
		sentence: "consumers of the same group don't get repeated messages; the group ID prevents receiving duplicate messages",
		measure: func(r Results, client string) string {
			c, ok := r.Crashes[client]
			if !ok {
				return notMeasured
			}
			return fmt.Sprintf("%s repeated, %s lost", roughly(c.Repeated), roughly(c.Lost))
		},
		judge: func(r Results) verdict {
			harmless := true
			for _, c := range r.Crashes {
				harmless = harmless && c.Repeated == 0 && c.Lost == 0
			}
			return outOfTwo(true, harmless) // While all members run, it is true.
		},
	},
	{
		sentence: "ReadMessage blocks until we receive the next event",
		only:     "kafka-go",
		measure: func(r Results, _ string) string {
			switch {
			case !r.ReadMessage.Waits:
				return "doesn't wait"
			case !r.ReadMessage.TakesContext:
				return "may wait"
			}
			return "may wait, and takes a context"
		},
		judge: func(r Results) verdict { return stillIf(r.ReadMessage.Waits) },
	},
}

func withoutGroup(r Results, client string) string {
	return r.ConsumerDefault["reading without a group"][client].Value
}

// roughly tells a number that differs from run to run.
func roughly(n int) string {
	if n < 10 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("about %d", (n+5)/10*10)
}
