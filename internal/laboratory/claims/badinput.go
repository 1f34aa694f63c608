package claims

import (
	"context"
	"errors"
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

	"kafka-with-go/internal/clients"
	"kafka-with-go/internal/clients/adapter"
	"kafka-with-go/internal/laboratory/kit"
	"kafka-with-go/internal/laboratory/load"
	"kafka-with-go/internal/laboratory/wire"
)

// An Answer is what a client said to something bad.
type Answer struct {
	When string // atOnce, later or never
	Said string // the first that it said

	// Unsteady is an answer that isn't the same each time: sometimes there was
	// none in time.
	Unsteady bool `json:",omitempty"`
}

const (
	atOnce       = "at once"
	later        = "within 8 s"
	never        = "nothing in 8 s"
	acknowledged = "acknowledged"
)

// A situation is something bad.
type situation struct {
	name    string
	explain string
	value   []byte // what is written
	reads   bool   // whether a consumer meets it too
	start   func() (addrs []string, stop func(), err error)

	unsteady bool // the outcome depends on which packet comes first
}

// sides are writing, and reading where a consumer meets the situation too.
func (s situation) sides() []load.Kind {
	if s.reads {
		return []load.Kind{load.Produce, load.Consume}
	}
	return []load.Kind{load.Produce}
}

// BadInput are answers by situation, side and client.
type BadInput map[string]map[load.Kind]map[string]Answer

// listenTime is how long a client's answer is waited for.
const listenTime = 8 * time.Second

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
		{"nobody listens", "three ports on which nothing listens", small, true, nobody, false},
		{"a web server", "a server that answers anything with HTTP's 400 Bad Request", small, true, webServer, true},
		{"a TLS port", "a server that speaks only TLS", small, true, tlsServer, true},
		{"a mute server", "a server that accepts connections and never answers", small, true, muteServer, false},
		{"a wrong topic name", "a topic that isn't there, on brokers that create none", small, true,
			cluster(wire.Options{}, 0), false},
		{"a record over the client's limit", "2 MiB, with the client's defaults", noise()[:2<<20], false,
			cluster(wire.Options{Topic: testTopic}, 0), false},
		{"a record over the broker's limit", "500 kB, on brokers that take 100 kB", noise()[:500_000], false,
			cluster(wire.Options{Topic: testTopic, MaxMessageBytes: 100_000}, 0), false},
		{"a disk that fails", "brokers that answer each write with KAFKA_STORAGE_ERROR", small, false,
			cluster(wire.Options{Topic: testTopic}, kerr.KafkaStorageError.Code), false},
	}
}

// nobody returns ports that belong to services nobody runs any more: a port that
// was free a moment ago may be another test's by now.
func nobody() ([]string, func(), error) {
	return []string{"127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"}, func() {}, nil
}

func webServer() ([]string, func(), error) {
	return serve(func(c net.Conn) {
		defer c.Close()
		if _, err := c.Read(make([]byte, 1<<10)); err != nil {
			return
		}
		const answer = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
		if _, err := io.WriteString(c, answer); err != nil {
			return // The client is gone.
		}
		c.(*net.TCPConn).CloseWrite()
		io.Copy(io.Discard, c) // So that the answer isn't lost to a reset.
	})
}

func tlsServer() ([]string, func(), error) {
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	return []string{s.Listener.Addr().String()}, s.Close, nil
}

func muteServer() ([]string, func(), error) { return serve(func(net.Conn) {}) }

// serve has a function serve each connection, and closes all of them in the end.
func serve(one func(net.Conn)) ([]string, func(), error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, fmt.Errorf("listening: %w", err)
	}
	var mu sync.Mutex
	var open []net.Conn
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, c)
			mu.Unlock()
			go one(c)
		}
	}()
	return []string{l.Addr().String()}, func() {
		l.Close()
		mu.Lock()
		defer mu.Unlock()
		for _, c := range open {
			c.Close()
		}
	}, nil
}

var badInputTask = kit.NewTask("claims: bad input", func(ctx context.Context, _ struct{}) (BadInput, error) {
	return meetAll(ctx)
})

// observeBadInput has each client meet each situation several times, with its defaults. Of
// answers that differ it keeps one that was said. Each time is a process of its own, so that
// what a client goes on doing there ends with it: the first bytes of a web server's answer,
// read as a length, are over a gigabyte.
func observeBadInput(ctx context.Context, times int, progress func(string)) (BadInput, error) {
	progress(fmt.Sprintf("bad input, %d times (about 10 s each)", times))
	ctx, cancel := context.WithTimeout(ctx, time.Duration(times)*2*time.Minute)
	defer cancel()
	var answers BadInput
	for range times {
		more, err := badInputTask.Do(ctx, struct{}{})
		if err != nil {
			return nil, fmt.Errorf("meeting bad input: %w", err)
		}
		answers = answers.and(more)
	}
	return answers, nil
}

// and joins the answers of two times. There may be none of the first time.
func (b BadInput) and(more BadInput) BadInput {
	if b == nil {
		return more
	}
	for name, sides := range more {
		for side, byClient := range sides {
			for client, answer := range byClient {
				b[name][side][client] = b[name][side][client].and(answer)
			}
		}
	}
	return b
}

// and joins the answers of two times.
func (a Answer) and(b Answer) Answer {
	unsteady := a.Unsteady || b.Unsteady || (a.When == never) != (b.When == never)
	if a.When == never {
		a = b
	}
	a.Unsteady = unsteady
	return a
}

// meetAll has each client meet each situation, all at the same time.
func meetAll(ctx context.Context) (BadInput, error) {
	answers := make(BadInput)
	var mu sync.Mutex
	var group sync.WaitGroup
	var errs []error
	for _, s := range situations() {
		answers[s.name] = make(map[load.Kind]map[string]Answer)
		for _, side := range s.sides() {
			into := make(map[string]Answer)
			answers[s.name][side] = into
			for _, c := range clients.Available() {
				group.Go(func() {
					answer, err := s.meet(ctx, c, side)
					mu.Lock()
					defer mu.Unlock()
					if err != nil {
						errs = append(errs, fmt.Errorf("%s, %s, %s: %w", s.name, side, c.Name(), err))
					}
					into[c.Name()] = answer
				})
			}
		}
	}
	group.Wait()
	return answers, errors.Join(errs...)
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
	config := adapter.Config{Brokers: addrs, Topic: testTopic, Group: "my-group", Says: func(err error) { say(err) }}
	started := time.Now()
	run := write
	if side == load.Consume {
		run = read
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		run(ctx, c, config, s.value, say)
	}()
	answer := Answer{When: never}
	select {
	case err := <-said:
		answer.When = atOnce
		if time.Since(started) > 2*time.Second {
			answer.When = later
		}
		answer.Said = acknowledged
		if err != nil {
			answer.Said = tidy(err.Error())
		}
	case <-time.After(listenTime):
	}
	cancel()
	select { // A client that hangs is left behind.
	case <-ended:
	case <-time.After(500 * time.Millisecond):
	}
	return answer, nil
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
func read(ctx context.Context, c adapter.Client, config adapter.Config, _ []byte, say func(error)) {
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
