// Package adapter is what the tools of chapter 4 ask of a Kafka client. Each client has
// a small adapter in a folder beside this one, and an entry in the registry, package
// clients. The claims, the benchmark and the fault drill drive the same adapters, so
// what is measured is what is drilled.
//
// An adapter adds nothing to its client but what safety asks for: a bound on the
// records in hand, and a reader for every channel. What it does beyond that, to be
// faster, it does in the way Tuned alone.
package adapter

import (
	"context"
	"time"
)

// A Way says how a client is set up and driven.
type Way int

const (
	// Defaults is a client as a newcomer gets it: the settings that it can't
	// do without, and the loop of its own first example.
	Defaults Way = iota
	// Matched is a client made safe by settings alone, those of Tuning, which mean the same
	// for all five, and driven as its documentation shows it. Tables call it "as shipped".
	Matched
	// Tuned is Matched, and code around the client that gains speed.
	Tuned
)

func (w Way) String() string { return [...]string{"defaults", "as shipped", "tuned"}[w] }

// Config says where a producer or consumer works, and how.
type Config struct {
	Brokers []string
	Topic   string
	Group   string // of a consumer
	Way     Way

	// FromFirst makes a group that has committed nothing start at the first
	// record. It is the one setting that may differ from the client's own
	// under Defaults: without it, half of the clients skip what is there.
	FromFirst bool

	Tuning Tuning // under Matched

	// Says is told what a client reports while it goes on by itself: errors
	// that belong to no record, and errors of a consumer that it gets over. It
	// is called from any goroutine. Nil hears nothing.
	Says func(error)
}

// RecordsInBatch is BatchRecords, or what it is by default.
func (t Tuning) RecordsInBatch() int {
	if t.BatchRecords > 0 {
		return t.BatchRecords
	}
	return t.InHand
}

// Say tells Says about an error, if there are both.
func (c Config) Say(err error) {
	if c.Says != nil && err != nil {
		c.Says(err)
	}
}

// Acks says who has a record when it counts as written.
type Acks int

const (
	All    Acks = iota // all in-sync replicas
	Leader             // the leader only
	None               // nobody knows
)

// Tuning are the settings of the matched way.
type Tuning struct {
	Acks Acks
	// Idempotent asks for a producer whose retries write nothing twice. A
	// client that has none ignores it, and its Settings say so.
	Idempotent bool
	// Linger is how long a record waits for others to share a batch with.
	Linger time.Duration
	// BatchBytes is the size that a batch of one partition may reach.
	BatchBytes int
	// BatchRecords is how many records a batch may have, for clients that
	// also count them. 0 is as many as may be in hand.
	BatchRecords int
	// InHand is how many records may be unacknowledged: Produce waits beyond it.
	InHand int
	// GiveUp is how long a record is tried again before it counts as failed.
	GiveUp time.Duration
	// CommitInterval is the time between two commits of a consumer. What was
	// handled since the last one comes again after a crash.
	CommitInterval time.Duration
	// FetchWait is how long a broker waits for records before it answers.
	FetchWait time.Duration
	// Queue is how many fetched records wait in a channel for the reader.
	Queue int
	// FetchBackoff is how long librdkafka, whose queue of fetched records was full, fetches
	// nothing. 0 is its default, a second. No other client stops fetching for a time.
	FetchBackoff time.Duration
	// SessionTimeout is how long a dead member keeps its partitions.
	SessionTimeout time.Duration
}

// Safe returns the tuning with which no acknowledged record is lost and no
// handled one skipped.
func Safe() Tuning {
	return Tuning{
		Acks: All, Idempotent: true,
		Linger: 5 * time.Millisecond, BatchBytes: 1 << 20, InHand: 20_000, GiveUp: time.Minute,
		CommitInterval: time.Second, FetchWait: 500 * time.Millisecond, Queue: 1000, SessionTimeout: 10 * time.Second,
	}
}

// A Record is one that was written or received.
type Record struct {
	Key, Value []byte

	// Partition and Offset say where it lies: once it is acknowledged, or
	// from the moment it is received.
	Partition int32
	Offset    int64

	// Tag is the caller's: the adapter hands it back untouched.
	Tag any
}

// A Client makes producers and consumers.
type Client interface {
	// Name is the client's name in the tables.
	Name() string
	// Available says why the client can't be used in this binary, or nil.
	Available() error
	// Settings lists what the adapter sets, in the client's own terms.
	Settings(Config) []Setting
	// NewProducer makes a producer that calls acked for each record, once:
	// with nil when it is written (to whom, the acks say), and with an error
	// when the client gave it up. It calls from any goroutine, and acked
	// returns soon.
	NewProducer(c Config, acked func(*Record, error)) (Producer, error)
	// NewConsumer makes a member of the group.
	NewConsumer(Config) (Consumer, error)

	// ErrorOf is the client's error for an error code of Kafka's protocol.
	ErrorOf(code int16) error
	// ReadWithoutGroup reads a record as a newcomer would who names no group, and says
	// what was read: ReadsPartition, ReadsTopic, or another short sentence. A client
	// that doesn't read without a group returns a Refusal.
	ReadWithoutGroup(ctx context.Context, brokers []string, topic string) (string, error)
	// IgnoreErrors writes n records without waiting for them and without reading their
	// errors, to brokers that refuse each of them for good.
	IgnoreErrors(ctx context.Context, brokers []string, topic string, n int) (Ignored, error)
}

// What ReadWithoutGroup may say.
const (
	ReadsPartition = "reads a partition"
	ReadsTopic     = "reads the topic"
)

// A Refusal is a client's own answer that it doesn't do what it was asked for.
type Refusal struct{ error }

// Refuse makes a client's error a Refusal.
func Refuse(err error) error { return Refusal{err} }

// Unwrap returns the client's error.
func (r Refusal) Unwrap() error { return r.error }

// Ignored is what becomes of errors that nobody reads.
type Ignored struct {
	Says  string // what the client does with them
	Loses bool   // the program goes on as if its records were written
	Stops bool   // the program hangs
}

// Dropped is what a client does that tells nobody.
var Dropped = Ignored{Says: "are dropped without a word", Loses: true}

// ReturnedBy is what a client does whose function returns the errors.
func ReturnedBy(function string) Ignored { return Ignored{Says: "are returned by " + function} }

// EndsWithin calls f and says whether it returns in time. Clients hang where nobody reads
// their errors, and when they are closed without brokers: then f is left behind.
func EndsWithin(d time.Duration, f func()) bool {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
		return true
	case <-time.After(d):
		return false
	}
}

// CloseSoon closes a client that has shown what was to be seen. What its Close says, and
// whether it ends, is no matter any more.
func CloseSoon(close func() error) {
	EndsWithin(time.Second, func() { close() }) //nolint:errcheck
}

// A Producer writes records. Its methods may be called concurrently, except Close.
type Producer interface {
	// Produce hands a record to the client, which keeps it until it is
	// acked. It blocks while the client has too many in hand, and as long as
	// the client's own loop does. It returns an error if the client refused
	// the record or ctx ended before the client had it: then acked isn't called.
	Produce(ctx context.Context, r *Record) error
	// Flush returns when every record handed over is acked, or ctx ends.
	Flush(ctx context.Context) error
	// Close flushes, and frees what the client holds. A record that can't be
	// written is given up when the client does, at the latest after CloseWait.
	Close() error
}

// CloseWait is how long Close of a producer waits for records that can't be written.
func (c Config) CloseWait() time.Duration { return max(c.Tuning.GiveUp, 10*time.Second) }

// A BatchProducer is a Producer whose client takes several records in one call,
// and does less for each of them then.
type BatchProducer interface {
	Producer
	// ProduceAll is Produce for several records: the client has all of them
	// when it returns nil, and none otherwise.
	ProduceAll(ctx context.Context, records []*Record) error
}

// A Consumer is a member of a group. It consumes once.
type Consumer interface {
	// Consume joins the group and calls handle for each record, for one
	// partition always in order and from one goroutine, for several perhaps
	// at once. The record is valid until handle returns. Otherwise than under
	// Defaults a record is committed after it was handled, under Defaults when the
	// client does it. When ctx ends, Consume commits what was handled (under
	// Defaults what the client itself commits at the end) and returns nil. An
	// error of handle ends it, and that record is committed under Defaults alone.
	Consume(ctx context.Context, handle func(*Record) error) error
	// Close leaves the group, and frees what the client holds.
	Close() error
}
