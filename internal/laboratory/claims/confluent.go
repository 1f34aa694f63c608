package claims

import (
	"fmt"
	"path"
	"strings"
)

var aboutConfluent = []claim{
	{
		sentence: "is a cgo based wrapper around librdkafka",
		measure: counted(func(c Counted) string {
			if c.Flow.C == nil {
				return "no cgo"
			}
			var packages []string
			for _, p := range c.Flow.C {
				packages = append(packages, path.Base(p))
			}
			return "cgo in " + strings.Join(packages, ", ")
		}),
		judge: func(r Results) verdict { return stillIf(r.Counted["confluent-kafka-go"].Flow.C != nil) },
	},
	{
		sentence: "introduces a dependency to a C library on all Go code that uses the package",
		measure: func(r Results, client string) string {
			b, ok := r.Builds[client]
			if !ok {
				return notMeasured
			}
			f := r.Counted[client].Flow
			return fmt.Sprintf("without cgo %d of %d platforms; %.1f MB; %.0f s; %d modules, %d packages",
				len(b.CrossBuilt), len(platforms), b.SizeMB, b.ColdCPU, len(f.Modules), f.Packages)
		},
		judge: func(r Results) verdict {
			b, ok := r.Builds["confluent-kafka-go"]
			return stillIf(ok && len(b.CrossBuilt) == 0)
		},
	},
	{
		sentence: "has much better documentation than sarama",
		measure: func(r Results, client string) string {
			text := documented("%.0f %% of %d names")(r.Counted[client])
			share, examples, _ := strings.Cut(text, ";")
			share, _, _ = strings.Cut(share, " of ")
			return share + ";" + examples
		},
		judge: func(r Results) verdict {
			c, s := r.Counted["confluent-kafka-go"], r.Counted["sarama"]
			more := c.Share() > s.Share()
			return outOfTwo(more, more && c.Surface.Examples >= s.Surface.Examples)
		},
	},
	{
		sentence: "still lacks support for Go contexts",
		measure:  counted(contexts),
		judge:    lacksContexts("confluent-kafka-go"),
	},
}
