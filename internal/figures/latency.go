package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"text/template"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"kafka-with-go/internal/apache"
)

// A way is one way to write a record and receive it, one at a time.
type way struct {
	name    string
	records int
	measure func(ctx context.Context, topic string, records int) (p50, p99 float64, err error) // milliseconds
}

// latencies measures the time from write to receive, round by round.
func latencies(ctx context.Context, kafka *apache.Cluster, rounds, records int) error {
	dir, err := os.MkdirTemp("", "latency-")
	if err != nil {
		return fmt.Errorf("making a folder to build in: %w", err)
	}
	defer os.RemoveAll(dir)
	today, err := probe(dir, "03-together/main.go", "FetchMessage", 20, kafka.Addrs())
	if err != nil {
		return err
	}
	original, err := probe(dir, "03-together/01-original/main.go", "ReadMessage", 2, kafka.Addrs())
	if err != nil {
		return err
	}
	ways := []way{
		{"03-together", records, today},
		{"Kafka's own EndToEndLatency (no group, no commits)", records, endToEnd(kafka)},
		// A second a write: more records would only take longer.
		{"the original listing", min(records, 15), original},
	}
	p50, p99 := make([]spread, len(ways)), make([]spread, len(ways))
	for round := range rounds {
		for i, w := range ways {
			topic := fmt.Sprintf("latency-%d-%d", round, i)
			if err := createTopic(ctx, kafka.Addrs(), topic); err != nil {
				return err
			}
			median, tail, err := w.measure(ctx, topic, w.records)
			if err != nil {
				return fmt.Errorf("%s: %w", w.name, err)
			}
			p50[i], p99[i] = append(p50[i], median), append(p99[i], tail)
			fmt.Fprintf(os.Stderr, "round %d of %d: %s: p50 %.2f ms, p99 %.2f ms\n", round+1, rounds, w.name, median, tail)
		}
	}
	fmt.Println("write to receive, one record at a time, acknowledged by all of three replicas, in milliseconds:")
	for i, w := range ways {
		fmt.Printf("  %-52s %4d records: p50 %v, p99 %v; beside EndToEndLatency: p50 × %.2f, p99 × %.2f\n",
			w.name, w.records, p50[i], p99[i], p50[i].median()/p50[1].median(), p99[i].median()/p99[1].median())
	}
	return nil
}

func createTopic(ctx context.Context, addrs []string, topic string) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(addrs...))
	if err != nil {
		return err
	}
	defer client.Close()
	// One partition, since EndToEndLatency has one too.
	if _, err := kadm.NewClient(client).CreateTopic(ctx, 1, 3, nil, topic); err != nil {
		return fmt.Errorf("creating the topic %s: %w", topic, err)
	}
	return nil
}

// endToEnd runs Kafka's own measurement: it writes a record, waits for the
// acknowledgement, and polls until the record is there.
func endToEnd(kafka *apache.Cluster) func(context.Context, string, int) (float64, float64, error) {
	percentiles := regexp.MustCompile(`50th = ([0-9.]+), 99th = ([0-9.]+)`)
	return func(ctx context.Context, topic string, records int) (float64, float64, error) {
		output, err := apache.Tool(ctx, "EndToEndLatency", "--bootstrap-server", strings.Join(kafka.Addrs(), ","),
			"--topic", topic, "--num-records", strconv.Itoa(records), "--producer-acks", "all", "--record-size", "16").CombinedOutput()
		if err != nil {
			return 0, 0, fmt.Errorf("running EndToEndLatency: %w\n%s", err, output)
		}
		m := percentiles.FindSubmatch(output)
		if m == nil {
			return 0, 0, fmt.Errorf("EndToEndLatency says no percentiles:\n%s", output)
		}
		p50, _ := strconv.ParseFloat(string(m[1]), 64) // The pattern lets only numbers through.
		p99, _ := strconv.ParseFloat(string(m[2]), 64)
		return p50, p99, nil
	}
}

// probe builds a program that writes and receives one record at a time with the
// very settings of a chapter's program: their text is taken from its source.
func probe(dir, file, receive string, warmUp int, addrs []string) (func(context.Context, string, int) (float64, float64, error), error) {
	writer, reader, err := settings(file)
	if err != nil {
		return nil, err
	}
	var source bytes.Buffer
	err = probeTemplate.Execute(&source, map[string]any{"Writer": writer, "Reader": reader, "Receive": receive, "Addrs": addrs, "WarmUp": warmUp})
	if err != nil {
		return nil, fmt.Errorf("writing the probe: %w", err)
	}
	formatted, err := format.Source(source.Bytes())
	if err != nil {
		return nil, fmt.Errorf("the probe for %s is no Go: %w", file, err)
	}
	name := strings.ReplaceAll(filepath.Dir(file), "/", "-")
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path+".go", formatted, 0o600); err != nil {
		return nil, fmt.Errorf("writing the probe: %w", err)
	}
	// It is built in the place of the program, so that it finds this module's kafka-go.
	absolute, err := filepath.Abs(file)
	if err != nil {
		return nil, err
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{absolute: path + ".go"}})
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(path+".json", overlay, 0o600); err != nil {
		return nil, fmt.Errorf("writing the overlay: %w", err)
	}
	if output, err := exec.Command("go", "build", "-overlay", path+".json", "-o", path, "./"+filepath.Dir(file)).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building the probe for %s: %w\n%s", file, err, output)
	}
	return func(ctx context.Context, topic string, records int) (float64, float64, error) {
		output, err := exec.CommandContext(ctx, path, topic, strconv.Itoa(records)).CombinedOutput()
		if err != nil {
			return 0, 0, fmt.Errorf("running the probe: %w\n%s", err, output)
		}
		var p50, p99 time.Duration
		if _, err := fmt.Sscan(string(output), (*int64)(&p50), (*int64)(&p99)); err != nil {
			return 0, 0, fmt.Errorf("reading what the probe says: %w\n%s", err, output)
		}
		return p50.Seconds() * 1000, p99.Seconds() * 1000, nil
	}, nil
}

// settings returns the text of a program's writer and of its reader's configuration.
func settings(file string) (writer, reader string, err error) {
	source, err := os.ReadFile(file)
	if err != nil {
		return "", "", fmt.Errorf("reading a program (run this in the top folder of the repository): %w", err)
	}
	set := token.NewFileSet()
	parsed, err := parser.ParseFile(set, file, source, 0)
	if err != nil {
		return "", "", fmt.Errorf("reading a program: %w", err)
	}
	text := func(n ast.Node) string {
		return string(source[set.Position(n.Pos()).Offset:set.Position(n.End()).Offset])
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		literal, ok := n.(*ast.CompositeLit)
		if !ok || literal.Type == nil {
			return true // An element of a list needn't name its type.
		}
		switch text(literal.Type) {
		case "kafka.Writer":
			writer = "&" + text(literal)
		case "kafka.WriterConfig":
			writer = "kafka.NewWriter(" + text(literal) + ")"
		case "kafka.ReaderConfig":
			reader = text(literal)
		}
		return true
	})
	if writer == "" || reader == "" {
		return "", "", fmt.Errorf("%s has no writer or no reader", file)
	}
	return writer, reader, nil
}

var probeTemplate = template.Must(template.New("probe").Parse(`package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"
)

const (
	broker1Address = "{{index .Addrs 0}}"
	broker2Address = "{{index .Addrs 1}}"
	broker3Address = "{{index .Addrs 2}}"
)

var (
	topic   = os.Args[1]
	groupID = "group-of-" + os.Args[1]
	brokers = []string{broker1Address, broker2Address, broker3Address}
	last    kafka.Message
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// What the settings of the chapter's reader name besides.
const clientID = "probe"

func newTeller() func(string, ...any) { return func(string, ...any) {} }

func main() {
	ctx := context.Background()
	records, err := strconv.Atoi(os.Args[2])
	check(err)
	w := {{.Writer}}
	r := kafka.NewReader({{.Reader}})
	received := make(chan string)
	go func() {
		for {
			message, err := r.{{.Receive}}(ctx)
			check(err)
			received <- string(message.Key)
			{{if eq .Receive "FetchMessage"}}check(r.CommitMessages(ctx, message)){{end}}
		}
	}()
	var took []time.Duration
	for i := -{{.WarmUp}}; i < records; i++ { // The first ones open connections, and don't count.
		key := strconv.Itoa(i)
		start := time.Now()
		check(w.WriteMessages(ctx, kafka.Message{Key: []byte(key), Value: []byte("this is message" + key)}))
		for <-received != key {
		}
		if i >= 0 {
			took = append(took, time.Since(start))
		}
	}
	slices.Sort(took)
	fmt.Println(int64(took[len(took)/2]), int64(took[len(took)*99/100]))
	check(w.Close())
	check(r.Close())
}
`))
