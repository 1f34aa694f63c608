package claims

import "strings"

var aboutConfluent = []claim{
	{
		sentence: "is a cgo based wrapper around librdkafka",
		measure: counted(func(c Counted) string {
			if c.C == nil {
				return "no package"
			}
			return strings.Join(c.C, ", ")
		}),
		judge: func(r Results) verdict { return stillIf(r.Counted["confluent-kafka-go"].C != nil) },
	},
	{
		sentence: "introduces a dependency to a C library on all Go code that uses the package",
		measure: counted(func(c Counted) string {
			if c.Cgo {
				return "no"
			}
			return "yes"
		}),
		judge: func(r Results) verdict { return stillIf(r.Counted["confluent-kafka-go"].Cgo) },
	},
	{
		sentence: "has much better documentation than sarama",
		judge: func(r Results) verdict {
			c, s := r.Counted["confluent-kafka-go"], r.Counted["sarama"]
			return outOfTwo(c.Share() > moreThan*s.Share(), c.Examples >= s.Examples)
		},
	},
	{
		sentence: "still lacks support for Go contexts",
		judge:    lacksContexts("confluent-kafka-go"),
	},
}
