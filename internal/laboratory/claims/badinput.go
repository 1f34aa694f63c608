package claims

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"golang.org/x/sync/errgroup"

	"kafka-with-go/internal/clients"
	"kafka-with-go/internal/clients/adapter"
	"kafka-with-go/internal/laboratory/kit"
	"kafka-with-go/internal/laboratory/load"
	"kafka-with-go/internal/laboratory/wire"
)

// An Answer is what a client said first to something bad.
type Answer struct {
	Late bool   `json:",omitempty"` // after more than two seconds
	Said string // nothing, acknowledged, or its error
}

const (
	listenTime   = 8 * time.Second // for a client's answer
	nothing      = "nothing in 8 s"
	acknowledged = "acknowledged"
)

// A situation is something bad.
type situation struct {
	name    string
	explain string
	value   []byte // what is written
	reads   bool   // whether a consumer meets it too
	start   func() (addrs []string, stop func(), err error)
}

// sides are writing, and reading where a consumer meets the situation too.
func (s situation) sides() []load.Kind {
	if s.reads {
		return []load.Kind{load.Produce, load.Consume}
	}
	return []load.Kind{load.Produce}
}

// BadInput are the answers of one round, by situation, side and client.
type BadInput map[string]map[load.Kind]map[string]Answer

// situations lists them in the order of the table.
func situations() []situation {
	cluster := func(o wire.Options, refusal int16) func() ([]string, func(), error) {
		return func() ([]string, func(), error) {
			c, err := wire.Start(o)
			if err != nil {
				return nil, nil, err
			}
			c.Refuse(refusal)
			return c.Addrs(), c.Close, nil
		}
	}
	small := []byte("value")
	return []situation{
		{"nobody listens", "three ports on which nothing listens", small, true, nobody},
		{"a TLS port", "a server that speaks only TLS", small, true, tlsServer},
		{"a mute server", "it accepts connections and never answers", small, true, muteServer},
		{"a wrong topic name", "a topic that isn't there, on brokers that create none", small, true,
			cluster(wire.Options{}, 0)},
		{"a record over the client's limit", "2 MiB", noise(2 << 20), false,
			cluster(wire.Options{Topic: testTopic}, 0)},
		{"a record over the broker's limit", "500 kB, on brokers that take 100 kB", noise(500_000), false,
			cluster(wire.Options{Topic: testTopic, MaxMessageBytes: 100_000}, 0)},
		{"a disk that fails", "brokers that answer each write with KAFKA_STORAGE_ERROR", small, false,
			cluster(wire.Options{Topic: testTopic}, kerr.KafkaStorageError.Code)},
	}
}

// nobody returns ports that belong to services nobody runs any more: a port that
// was free a moment ago may be another test's by now.
func nobody() ([]string, func(), error) {
	return []string{"127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"}, func() {}, nil
}

func tlsServer() ([]string, func(), error) {
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	return []string{s.Listener.Addr().String()}, s.Close, nil
}

// muteServer is a port whose connections nobody accepts. The system makes them all the same.
func muteServer() ([]string, func(), error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, fmt.Errorf("listening: %w", err)
	}
	return []string{l.Addr().String()}, func() { l.Close() }, nil
}

var badInputTask = kit.NewTask("claims: bad input", func(ctx context.Context, _ struct{}) (BadInput, error) {
	return meetAll(ctx)
})

// observeBadInput has each client meet each situation once, with its defaults. It does so in a
// process of its own, so that what a client goes on doing there ends with it.
func observeBadInput(ctx context.Context) (BadInput, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	return badInputTask.Do(ctx, struct{}{})
}

// meetAll has each client meet each situation, all at the same time.
func meetAll(ctx context.Context) (BadInput, error) {
	answers := make(BadInput)
	var mu sync.Mutex
	var group errgroup.Group
	for _, s := range situations() {
		answers[s.name] = make(map[load.Kind]map[string]Answer)
		for _, side := range s.sides() {
			group.Go(func() error {
				met, err := together(func(c clients.Client) (Answer, error) { return s.meet(ctx, c, side) })
				mu.Lock()
				defer mu.Unlock()
				answers[s.name][side] = met
				return err
			})
		}
	}
	return answers, group.Wait()
}

// meet has a client meet a situation, and notes the first that it says.
func (s situation) meet(ctx context.Context, c adapter.Client, side load.Kind) (Answer, error) {
	addrs, stop, err := s.start()
	if err != nil {
		return Answer{}, err
	}
	defer stop()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	said := make(chan error, 1)
	say := func(err error) {
		select {
		case said <- err:
		default:
		}
	}
	config := adapter.Config{Brokers: addrs, Topic: testTopic, Group: "my-group", Says: say}
	started := time.Now()
	// A client that hangs is left behind: its process ends soon.
	if side == load.Produce {
		go write(ctx, c, config, s.value, say)
	} else {
		go read(ctx, c, config, say)
	}
	select {
	case err := <-said:
		answer := Answer{time.Since(started) > 2*time.Second, acknowledged}
		if err != nil {
			answer.Said = tidy(err.Error())
		}
		return answer, nil
	case <-time.After(listenTime):
		return Answer{Said: nothing}, nil
	}
}

// write writes one record, and says what comes of it: nil is success.
func write(ctx context.Context, c adapter.Client, config adapter.Config, value []byte, say func(error)) {
	p, err := c.NewProducer(config, func(_ *adapter.Record, err error) { say(err) })
	if err != nil {
		say(err)
		return
	}
	if err := p.Produce(ctx, &adapter.Record{Key: []byte("key"), Value: value}); err != nil {
		say(err)
	}
	<-ctx.Done()
	adapter.CloseSoon(p.Close)
}

// read joins a group, and says what goes wrong.
func read(ctx context.Context, c adapter.Client, config adapter.Config, say func(error)) {
	consumer, err := c.NewConsumer(config)
	if err != nil {
		say(err)
		return
	}
	if err := consumer.Consume(ctx, func(*adapter.Record) error { return nil }); err != nil {
		say(err)
	}
	<-ctx.Done()
	adapter.CloseSoon(consumer.Close)
}

var (
	anyPort = regexp.MustCompile(`(ipv4#)?127\.0\.0\.1:\d+(->127\.0\.0\.1:\d+)?(/\w+)?`)
	anyTime = regexp.MustCompile(`\b\d+(\.\d+)?(ms|µs|s)\b`)
	// librdkafka counts them a moment before or after the last one is gone.
	anyCount = regexp.MustCompile(`\d+/\d+ brokers are down`)
	again    = regexp.MustCompile(`(dial tcp <broker>: [^<]*?)( dial tcp <broker>: [^<]*)+$`)
	// ours is what the adapters say before the client's own words.
	ours = regexp.MustCompile(`^(starting the producer|making the \w+|making a member of the group|` +
		`handing a record over|emitting): `)
)

// tidy takes out of a message what differs from run to run, and what isn't the client's.
func tidy(message string) string {
	message = strings.Join(strings.Fields(message), " ")
	message = anyPort.ReplaceAllString(message, "<broker>")
	message = anyTime.ReplaceAllString(message, "<time>")
	message = anyCount.ReplaceAllString(message, "all brokers are down")
	message = again.ReplaceAllString(message, "$1 …")
	return ours.ReplaceAllString(message, "")
}
