package claims

import (
	"fmt"
	"slices"
	"strings"

	"kafka-with-go/internal/laboratory/kit"
)

var aboutKafkaGo = []claim{
	{
		sentence: "provides both low and high level APIs",
		measure: counted(func(c Counted) string {
			return kit.Count(c.Surface.ProtocolTypes, "request and response type") +
				"; the flow needs " + kit.Count(len(c.Flow.Calls), "waiting call")
		}),
		judge: func(r Results) verdict {
			c := r.Counted["kafka-go"]
			return stillIf(c.Surface.ProtocolTypes > 0 && len(c.Flow.Calls) > 0)
		},
	},
	{
		sentence: "mirrors concepts and implements interfaces of the Go standard library",
		measure: counted(func(c Counted) string {
			return fmt.Sprintf("%d, of them %d of io and net", len(c.Surface.Interfaces), len(ofIOAndNet(c)))
		}),
		judge: func(r Results) verdict {
			c := r.Counted["kafka-go"]
			onlyClose := slices.Equal(highLevelInterfaces(c), []string{"io.Closer"})
			return outOfTwo(len(ofIOAndNet(c)) > 0, len(ofIOAndNet(c)) > 0 && !onlyClose)
		},
	},
}

// ofIOAndNet are those of a client's interfaces that io and net have.
func ofIOAndNet(c Counted) []string {
	return slices.DeleteFunc(slices.Clone(c.Surface.Interfaces), func(i string) bool {
		return !strings.HasPrefix(i, "io.") && !strings.HasPrefix(i, "net.")
	})
}

// highLevelInterfaces are those that kafka-go's Writer and Reader implement. An interface is
// noted with the types that implement it, as in "io.Closer (Reader, Writer)".
func highLevelInterfaces(c Counted) []string {
	var out []string
	for _, i := range c.Surface.Interfaces {
		name, types, _ := strings.Cut(strings.TrimSuffix(i, ")"), " (")
		all := strings.Split(types, ", ")
		if slices.Contains(all, "Writer") || slices.Contains(all, "Reader") {
			out = append(out, name)
		}
	}
	return out
}
