package claims

import "kafka-with-go/internal/laboratory/kit"

var aboutGoka = []claim{
	{
		sentence: "is a more recent Kafka client for Go",
		measure:  func(_ Results, client string) string { return facts{}.History(client).First },
		judge: func(r Results) verdict {
			first := func(client string) string { return facts{r}.History(client).First }
			newer := first("goka") > first("sarama") && first("goka") > first("confluent-kafka-go")
			return outOfTwo(newer, facts{r}.Newest() == "goka")
		},
	},
	{
		sentence: "uses Kafka as a message passing bus between services rather than an ordered log of events",
		measure:  counted(func(c Counted) string { return kit.Count(c.Places, "name") }),
		judge: func(r Results) verdict {
			places := r.Counted["goka"].Places
			few := places <= r.Counted["sarama"].Places && places <= r.Counted["kafka-go"].Places
			return outOfTwo(few, false) // That its tables are logs contradicts it in any case.
		},
	},
	{
		sentence: "depends on sarama for all interactions with Kafka",
		measure: counted(func(c Counted) string {
			with := "without"
			if c.Sarama {
				with = "with"
			}
			return with + " sarama, net in " + kit.Count(len(c.OwnNet), "package")
		}),
		judge: func(r Results) verdict {
			c := r.Counted["goka"]
			return stillIf(c.Sarama && c.OwnNet == nil)
		},
	},
}
