package claims

import (
	"slices"

	"kafka-with-go/internal/clients"
	"kafka-with-go/internal/laboratory/kit"
)

var aboutGoka = []claim{
	{
		sentence: "is a more recent Kafka client for Go",
		measure: func(_ Results, client string) string {
			c, err := clients.ByName(client)
			if err != nil {
				return notMeasured
			}
			return c.History.First
		},
		judge: func(r Results) verdict { return stillIf(facts{r}.Newest() == "goka") },
	},
	{
		sentence: "uses Kafka as a message passing bus between services rather than an ordered log of events",
		measure:  counted(func(c Counted) string { return kit.Count(c.Surface.Places, "name") }),
		judge: func(r Results) verdict {
			places := r.Counted["goka"].Surface.Places
			few := places <= r.Counted["sarama"].Surface.Places && places <= r.Counted["kafka-go"].Surface.Places
			return outOfTwo(few, false) // That its tables are logs contradicts it in any case.
		},
	},
	{
		sentence: "depends on sarama for all interactions with Kafka",
		measure: counted(func(c Counted) string {
			s := "without sarama; "
			if takesSarama(c) {
				s = "with sarama; "
			}
			if n := len(c.Flow.OwnNet); n != 1 {
				return s + kit.Thousands(n) + " own packages import net"
			}
			return s + "1 own package imports net"
		}),
		judge: func(r Results) verdict {
			c := r.Counted["goka"]
			return stillIf(takesSarama(c) && c.Flow.OwnNet == nil)
		},
	},
}

func takesSarama(c Counted) bool { return slices.Contains(c.Flow.Modules, "github.com/IBM/sarama") }
