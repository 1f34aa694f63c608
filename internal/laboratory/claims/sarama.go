package claims

import (
	"fmt"
	"strings"

	"kafka-with-go/internal/laboratory/kit"
)

var aboutSarama = []claim{
	{
		sentence: "is by far the most popular",
		measure: func(_ Results, client string) string {
			h := facts{}.History(client)
			return fmt.Sprintf("%s by %d people", kit.Count(h.Commits, "commit"), h.Authors)
		},
		judge: func(Results) verdict { return untested },
	},
	{
		sentence: "is quite difficult to work with",
		measure:  counted(func(c Counted) string { return kit.Count(c.Lines, "line") }),
		judge: func(r Results) verdict {
			return stillIf(float64(r.Counted["sarama"].Lines) > moreThan*float64(r.Counted["kafka-go"].Lines))
		},
	},
	{
		sentence: "is poorly documented",
		measure:  counted(documented),
		judge: func(r Results) verdict {
			less := func(than string) bool { return moreThan*r.Counted["sarama"].Share() < r.Counted[than].Share() }
			return outOfTwo(less("kafka-go"), less("confluent-kafka-go"))
		},
	},
	{
		sentence: "exposes low level concepts of the Kafka protocol",
		judge:    func(r Results) verdict { return stillIf(r.Counted["sarama"].Protocol > 0) },
	},
	{
		sentence: "doesn't support recent Go features like contexts",
		measure:  counted(contexts),
		judge:    lacksContexts("sarama"),
	},
	{
		sentence: "passes all values as pointers",
		measure:  counted(func(c Counted) string { return "`" + c.Write + "`, `" + c.Read + "`" }),
		judge: func(r Results) verdict {
			c := r.Counted["sarama"]
			return stillIf(strings.Contains(c.Write, "*Producer") && strings.Contains(c.Read, "*Consumer"))
		},
	},
	{
		sentence: "causes large numbers of dynamic memory allocations",
		measure:  ran("%.1f", allocations),
		judge:    usesMore(allocations),
	},
	{
		sentence: "causes more frequent garbage collections",
		measure:  ran("%.0f", collections),
		judge:    usesMore(collections),
	},
	{
		sentence: "causes higher memory usage",
		measure:  ran("%.0f MB", memory),
		judge:    usesMore(memory),
	},
}
