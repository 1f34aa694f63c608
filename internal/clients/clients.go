// Package clients holds what the tools of chapter 4 use of a Kafka client: one
// small adapter a client, in a folder each. The claims, the benchmark and the
// fault drill drive the same adapters, so what is measured is what is drilled.
//
// An adapter adds nothing to its client but what safety asks for: a bound on
// the records in hand, and a reader for every channel. It keeps no copy of a
// record and allocates nothing for one, as far as its client lets it.
package clients

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/semaphore"
)

// A Way says how a client is set up and driven.
type Way int

const (
	// Defaults is a client as a newcomer gets it: the settings that it can't
	// do without, and the loop of its own first example.
	Defaults Way = iota
	// Matched is a client made safe, with the settings of Tuning, which mean
	// the same for all five.
	Matched
)

func (w Way) String() string {
	if w == Defaults {
		return "defaults"
	}
	return "matched"
}

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
	// KeepMetadata is how long kafka-go's writer, which asks for the topic's
	// metadata with each record, gets the same answer. 0 is the client's own way.
	KeepMetadata time.Duration
	// InHand is how many records may be unacknowledged: Produce waits beyond it.
	InHand int
	// GiveUp is how long a record is tried again before it counts as failed.
	GiveUp time.Duration
	// CommitInterval is the time between two commits of a consumer. What was
	// handled since the last one comes again after a crash.
	CommitInterval time.Duration
	// FetchWait is how long a broker waits for records before it answers.
	FetchWait time.Duration
	// SessionTimeout is how long a dead member keeps its partitions.
	SessionTimeout time.Duration
}

// Safe returns the tuning with which no acknowledged record is lost and no
// handled one skipped.
func Safe() Tuning {
	return Tuning{
		Acks: All, Idempotent: true,
		Linger: 5 * time.Millisecond, BatchBytes: 1 << 20, InHand: 20_000, GiveUp: time.Minute,
		CommitInterval: time.Second, FetchWait: 500 * time.Millisecond, SessionTimeout: 10 * time.Second,
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

// A Setting is one that an adapter sets, as it is printed beside a result.
type Setting struct {
	Name, Value string
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
	// at once. The record is valid until handle returns. Under Matched a
	// record is committed after it was handled, under Defaults when the
	// client does it. When ctx ends, Consume commits what was handled (under
	// Defaults what the client itself commits at the end) and returns nil. An
	// error of handle ends it, and that record is not committed under Matched.
	Consume(ctx context.Context, handle func(*Record) error) error
	// Close leaves the group, and frees what the client holds.
	Close() error
}

// Murmur2 returns the partition of a key as Java's client chooses it.
func Murmur2(key []byte, partitions int32) int32 {
	return int32(murmur2(key)&0x7fffffff) % partitions
}

// murmur2 is the hash of Kafka's Java client: MurmurHash2 of 32 bits with a
// seed of its own.
func murmur2(key []byte) uint32 {
	const (
		seed = 0x9747b28c
		m    = 0x5bd1e995
		r    = 24
	)
	h := uint32(seed) ^ uint32(len(key))
	for ; len(key) >= 4; key = key[4:] {
		k := uint32(key[0]) | uint32(key[1])<<8 | uint32(key[2])<<16 | uint32(key[3])<<24
		k *= m
		k ^= k >> r
		h = h*m ^ k*m
	}
	if len(key) > 0 {
		for i := len(key) - 1; i >= 0; i-- {
			h ^= uint32(key[i]) << (8 * i)
		}
		h *= m
	}
	h ^= h >> 13
	h *= m
	return h ^ h>>15
}

// Murmur2Hash is a hash.Hash32 for clients that take one. Its sum has no sign
// bit, so a client that takes the absolute value and one that masks the sign
// choose the same partition.
type Murmur2Hash struct{ key []byte }

func (h *Murmur2Hash) Write(p []byte) (int, error) { h.key = append(h.key, p...); return len(p), nil }
func (h *Murmur2Hash) Sum32() uint32               { return murmur2(h.key) & 0x7fffffff }
func (h *Murmur2Hash) Reset()                      { h.key = h.key[:0] }
func (h *Murmur2Hash) Size() int                   { return 4 }
func (h *Murmur2Hash) BlockSize() int              { return 4 }
func (h *Murmur2Hash) Sum(b []byte) []byte {
	s := h.Sum32()
	return append(b, byte(s>>24), byte(s>>16), byte(s>>8), byte(s))
}

// A Window bounds the records in hand, for clients that don't do it themselves,
// and tells when there are none.
type Window struct {
	places *semaphore.Weighted
	size   int64
}

// NewWindow returns a window for n records.
func NewWindow(n int) *Window {
	return &Window{places: semaphore.NewWeighted(int64(n)), size: int64(n)}
}

// Enter waits for n places, at most as many as there are.
func (w *Window) Enter(ctx context.Context, n int) error {
	if err := w.places.Acquire(ctx, int64(n)); err != nil {
		return fmt.Errorf("waiting for records in hand: %w", err)
	}
	return nil
}

// Leave gives n places back.
func (w *Window) Leave(n int) { w.places.Release(int64(n)) }

// Empty waits until no record is in hand.
func (w *Window) Empty(ctx context.Context) error {
	if err := w.places.Acquire(ctx, w.size); err != nil {
		return fmt.Errorf("waiting until no record is in hand: %w", err)
	}
	w.places.Release(w.size)
	return nil
}
