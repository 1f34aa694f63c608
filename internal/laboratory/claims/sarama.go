package claims

import (
	"fmt"
	"strings"

	"kafka-with-go/internal/clients"
	"kafka-with-go/internal/laboratory/kit"
)

var aboutSarama = []claim{
	{
		sentence: "is by far the most popular",
		measure: func(_ Results, client string) string {
			c, err := clients.ByName(client)
			if err != nil {
				return notMeasured
			}
			h := c.History
			return fmt.Sprintf("%d commits by %d people in the year to %s", h.Commits, h.Authors, h.Last)
		},
		judge: func(Results) verdict { return untested },
	},
	{
		sentence: "is quite difficult to work with",
		measure: counted(func(c Counted) string {
			return fmt.Sprintf("%d lines of code, %d names", c.Flow.Code, len(c.Flow.Names))
		}),
		judge: func(r Results) verdict {
			s, k := r.Counted["sarama"].Flow, r.Counted["kafka-go"].Flow
			return outOfTwo(s.Code > k.Code, len(s.Names) > len(k.Names))
		},
	},
	{
		sentence: "is poorly documented",
		measure:  counted(documented("%.0f %% of %d names")),
		judge: func(r Results) verdict {
			share := r.Counted["sarama"].Share()
			lessThanKafkaGo := share < r.Counted["kafka-go"].Share()
			return outOfTwo(lessThanKafkaGo, lessThanKafkaGo || share < r.Counted["confluent-kafka-go"].Share())
		},
	},
	{
		sentence: "exposes low level concepts of the Kafka protocol",
		measure: counted(func(c Counted) string {
			return fmt.Sprintf("%s; %d in the flow", kit.Count(c.Surface.ProtocolTypes, "type"), len(c.Flow.Protocol))
		}),
		judge: func(r Results) verdict { return stillIf(r.Counted["sarama"].Surface.ProtocolTypes > 0) },
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
			return stillIf(strings.Contains(c.Write, "*ProducerMessage") && strings.Contains(c.Read, "*ConsumerMessage"))
		},
	},
	{
		sentence: "causes large numbers of dynamic memory allocations",
		measure:  ran("%.1f", figures["allocations"]),
		judge:    usesMore(figures["allocations"]),
	},
	{
		sentence: "causes more frequent garbage collections",
		measure:  ran("%.0f", figures["collections"]),
		judge:    usesMore(figures["collections"]),
	},
	{
		sentence: "causes higher memory usage",
		measure:  ran("%.0f MB", figures["memory"]),
		judge:    usesMore(figures["memory"]),
	},
}
