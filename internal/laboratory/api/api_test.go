package api

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kafka-with-go/internal/testing/testkit"
)

const (
	kafkaGo   = "github.com/segmentio/kafka-go"
	sarama    = "github.com/IBM/sarama"
	confluent = "github.com/confluentinc/confluent-kafka-go/v2"
)

func load(t *testing.T) *Universe {
	t.Helper()
	packages := append(StandardPackages(), kafkaGo, sarama, confluent+"/kafka")
	u, err := Load(testkit.Root(t), []string{kafkaGo, sarama, confluent}, packages)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// What is counted agrees with what anybody can read in the documentation.
func TestSurface(t *testing.T) {
	t.Parallel()
	u := load(t)
	read := func(path string) Surface {
		s, err := u.ReadSurface(path)
		if err != nil {
			t.Fatal(err)
		}
		if s.Documented > s.Names || s.Documented == 0 || s.Context+s.Timeout+len(s.NoLimit) != s.Blocking {
			t.Errorf("%s: the counts don't add up: %+v", path, s)
		}
		return s
	}
	k, s, c := read(kafkaGo), read(sarama), read(confluent+"/kafka")

	blocking := map[*Surface][]string{
		&k: {"Conn.ReadMessage", "Reader.Close", "Writer.Close"},
		&s: {"SyncProducer.SendMessage", "ClusterAdmin.CreateTopic", "Client.RefreshBrokers"},
		&c: {"Consumer.Commit", "Consumer.Close"},
	}
	for surface, names := range blocking {
		for _, name := range names {
			if !slices.Contains(surface.NoLimit, name) {
				t.Errorf("%s isn't among the functions that may block without a limit", name)
			}
		}
	}
	// These hand work over and return, or take a context.
	for surface, names := range map[*Surface][]string{
		&k: {"Writer.WriteMessages", "Reader.FetchMessage", "Writer.Stats"},
		&s: {"AsyncProducer.Input", "ConsumerGroupSession.MarkMessage", "sarama.NewConfig"},
		&c: {"Producer.Produce", "Consumer.StoreMessage", "Producer.Flush", "Consumer.ReadMessage"},
	} {
		for _, name := range names {
			if slices.Contains(surface.NoLimit, name) {
				t.Errorf("%s is among the functions that may block without a limit", name)
			}
		}
	}
	if !slices.ContainsFunc(k.Interfaces, func(s string) bool { return strings.HasPrefix(s, "net.Conn (Conn") }) {
		t.Errorf("kafka-go's Conn isn't seen to be a net.Conn: %v", k.Interfaces)
	}
	if k.Examples == 0 || s.Examples == 0 {
		t.Errorf("%d and %d examples", k.Examples, s.Examples)
	}
}

func TestSignature(t *testing.T) {
	t.Parallel()
	u := load(t)
	for _, c := range []struct{ path, name, want string }{
		{kafkaGo, "Writer.WriteMessages", "WriteMessages(ctx context.Context, msgs ...Message) error"},
		{sarama, "AsyncProducer.Input", "Input() chan<- *ProducerMessage"},
	} {
		if got, err := u.Signature(c.path, c.name); err != nil || got != c.want {
			t.Errorf("got %q, %v; want %q", got, err, c.want)
		}
	}
	if _, err := u.Signature(sarama, "Nobody.Nothing"); err == nil {
		t.Error("a method that isn't there has a signature")
	}
	if !u.Deprecated(kafkaGo, "NewWriter") || u.Deprecated(kafkaGo, "NewReader") {
		t.Error("kafka.NewWriter is deprecated, and kafka.NewReader isn't")
	}
}

func TestProgram(t *testing.T) {
	t.Parallel()
	u := load(t)
	dir := t.TempDir()
	program := `// A comment is no code.
package main

import "github.com/segmentio/kafka-go"

/* Nor is
this. */
func main() {
	w := kafka.Writer{Topic: "a"}

	w.Close() // one line
	w.Topic = "b"
}
`
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := u.ReadProgram(dir, []string{kafkaGo})
	if err != nil {
		t.Fatal(err)
	}
	if p.Lines != 13 || p.Code != 7 {
		t.Errorf("%d lines, %d of code; want 13 and 7", p.Lines, p.Code)
	}
	if want := []string{"Writer.Close", "field Topic", "kafka.Writer"}; !slices.Equal(p.Names, want) {
		t.Errorf("names %v, want %v", p.Names, want)
	}
	if want := []string{"Writer.Close"}; !slices.Equal(p.Calls, want) || p.Context != nil {
		t.Errorf("calls %v with a context %v, want %v and none", p.Calls, p.Context, want)
	}
}

func TestAlong(t *testing.T) {
	t.Parallel()
	l, err := Along(testkit.Root(t), "03-together")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(l.Modules, kafkaGo) || slices.Contains(l.Modules, "kafka-with-go") || len(l.Packages) < 10 {
		t.Errorf("modules %v, %d packages", l.Modules, len(l.Packages))
	}
	if l.C != nil || !slices.Contains(l.Net, kafkaGo) {
		t.Errorf("cgo in %v, net in %v", l.C, l.Net)
	}
}
