package claims

import (
	"io"
	"net"
	"reflect"
	"slices"
	"strings"

	"github.com/segmentio/kafka-go"

	"kafka-with-go/internal/laboratory/kit"
)

var aboutKafkaGo = []claim{
	{
		sentence: "provides both low and high level APIs",
		measure:  counted(func(c Counted) string { return kit.Count(c.Protocol, "type") }),
		judge:    func(r Results) verdict { return stillIf(r.Counted["kafka-go"].Protocol > 0) },
	},
	{
		sentence: "mirrors concepts and implements interfaces of the Go standard library",
		only:     "kafka-go",
		measure: func(Results, string) string {
			return "Conn is " + implemented(new(kafka.Conn)) + "; Writer is " + implemented(new(kafka.Writer)) +
				"; Reader is " + implemented(new(kafka.Reader))
		},
		judge: func(Results) verdict {
			only := func(client any) bool { return slices.Contains([]string{"", "io.Closer"}, implemented(client)) }
			return outOfTwo(!only(new(kafka.Conn)), !only(new(kafka.Writer)) || !only(new(kafka.Reader)))
		},
	},
}

// standard are interfaces of the standard library that a client of a log could implement.
var standard = []reflect.Type{
	reflect.TypeFor[io.Reader](), reflect.TypeFor[io.Writer](), reflect.TypeFor[io.Closer](),
	reflect.TypeFor[io.Seeker](), reflect.TypeFor[io.ReaderFrom](), reflect.TypeFor[io.WriterTo](),
	reflect.TypeFor[net.Conn](),
}

// implemented lists those that a value implements.
func implemented(value any) string {
	var out []string
	for _, i := range standard {
		if reflect.TypeOf(value).Implements(i) {
			out = append(out, i.String())
		}
	}
	return strings.Join(out, ", ")
}
