package claims

import (
	"fmt"
	"slices"
	"strings"

	"kafka-with-go/internal/laboratory/kit"
)

var aboutProducer = []claim{
	{
		sentence: "kafka.NewWriter initializes the writer",
		only:     "kafka-go",
		measure: func(r Results, _ string) string {
			if writerIsOld(r) {
				return "deprecated"
			}
			return "not deprecated"
		},
		judge: func(r Results) verdict { return outOfTwo(true, !writerIsOld(r)) },
	},
	{
		sentence: "the key is used to decide which partition (and consequently, which broker) the message gets published on",
		measure: func(r Results, client string) string {
			if client == "kafka-go" {
				client = newWriter
			}
			return r.cell("partitioner", client).Value
		},
		judge: func(r Results) verdict {
			others := false // whether the key decides with any other client
			for _, n := range names()[1:] {
				others = others || r.cell("partitioner", n).Mark != mixes
			}
			return outOfTwo(r.cell("partitioner", newWriter).Mark != mixes, others)
		},
	},
}

var aboutConsumer = []claim{
	{
		sentence: "we need to specify its group ID when creating a consumer",
		measure:  withoutGroup,
		judge: func(r Results) verdict {
			others := false
			for _, n := range names()[1:] {
				others = others || strings.HasPrefix(withoutGroup(r, n), refuses)
			}
			return outOfTwo(strings.HasPrefix(withoutGroup(r, "kafka-go"), refuses), others)
		},
	},
	{
		sentence: "consumers of the same group don't get repeated messages; the group ID prevents receiving duplicate messages",
		measure: func(r Results, client string) string {
			var repeated, lost []int
			for _, round := range r.Crashes {
				repeated, lost = append(repeated, round[client].Repeated), append(lost, round[client].Lost)
			}
			return fmt.Sprintf("%s repeated, %s lost", span(repeated), span(lost))
		},
		judge: func(r Results) verdict {
			harmless := true
			for _, round := range r.Crashes {
				for _, c := range round {
					harmless = harmless && c.Repeated == 0 && c.Lost == 0
				}
			}
			return outOfTwo(true, harmless) // While all members run, it is true.
		},
	},
	{
		sentence: "ReadMessage blocks until we receive the next event",
		judge: func(r Results) verdict {
			return stillIf(strings.HasPrefix(withoutGroup(r, "kafka-go"), waits))
		},
	},
}

func writerIsOld(r Results) bool { return slices.Contains(r.Counted["kafka-go"].Old, "NewWriter") }

func withoutGroup(r Results, client string) string {
	return r.cell("reading without a group", client).Value
}

// span is the range of numbers that differ from round to round.
func span(values []int) string {
	_, least, most := kit.Spread(values)
	if least == most {
		return fmt.Sprint(least)
	}
	return fmt.Sprintf("%d to %d", least, most)
}
