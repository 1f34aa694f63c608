package load

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// The limit is what this machine can do at best with the same records: they
// are encoded into Kafka's batches with their checksums, and the bytes go over
// loopback to three sockets and back. Nobody stores or copies them to replicas,
// nobody waits, and no client is in the way. Both ends are in this process, so
// its processor time is that of both.
func (l Load) limit(ctx context.Context) (m Measure, err error) {
	const peers = 3
	var servers sync.WaitGroup
	var conns []*net.TCPConn
	served := make([]error, peers)
	defer func() {
		for _, c := range conns {
			err = errors.Join(err, c.Close())
		}
		servers.Wait()
		err = errors.Join(append(served, err)...)
	}()
	for i := range peers {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return m, fmt.Errorf("listening: %w", err)
		}
		servers.Go(func() { served[i] = serveEcho(listener) })
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", listener.Addr().String())
		if err != nil {
			return m, errors.Join(fmt.Errorf("connecting: %w", err), listener.Close())
		}
		conns = append(conns, c.(*net.TCPConn))
	}

	keys, values := makeKeys(), makeValues(l.Point.Size-KeySize)
	inBatch := max(1, l.Tuning.BatchBytes/l.Point.Size)
	meter := startMeter()
	until := time.Now().Add(l.For)
	counts, errs := make([]int, peers), make([]error, peers)
	var all sync.WaitGroup
	for i, c := range conns {
		all.Go(func() { counts[i], errs[i] = stream(c, keys, values, inBatch, until) })
	}
	all.Wait()
	n := 0
	for _, count := range counts {
		n += count
	}
	if err := errors.Join(errs...); err != nil {
		return m, fmt.Errorf("moving the bytes: %w", err)
	}
	return meter.stop(n, 0), nil
}

// serveEcho sends back what one connection brings.
func serveEcho(l net.Listener) error {
	c, err := l.Accept()
	if err := errors.Join(err, l.Close()); err != nil {
		return fmt.Errorf("accepting: %w", err)
	}
	buffer := make([]byte, 256<<10)
	_, err = io.CopyBuffer(struct{ io.Writer }{c}, struct{ io.Reader }{c}, buffer) // through this process, as a client's bytes
	return errors.Join(err, c.Close())
}

// stream encodes batches and sends them, while it reads them back and checks them.
func stream(c *net.TCPConn, keys, values [][]byte, inBatch int, until time.Time) (records int, err error) {
	read := make(chan error, 1)
	batch := appendBatch(nil, keys, values, 0, inBatch)
	go func() { read <- readBack(c, len(batch)) }()
	for ; time.Now().Before(until); records += inBatch {
		batch = appendBatch(batch[:0], keys, values, records, inBatch)
		if _, err := c.Write(batch); err != nil {
			return records, fmt.Errorf("sending a batch: %w", err)
		}
	}
	return records, errors.Join(c.CloseWrite(), <-read)
}

// readBack reads batches, which all have the same size, until there are no more.
func readBack(r io.Reader, size int) error {
	batch := make([]byte, size)
	for {
		_, err := io.ReadFull(r, batch)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err := errors.Join(err, check(batch)); err != nil {
			return fmt.Errorf("reading a batch back: %w", err)
		}
	}
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

const (
	batchHeader = 61 // bytes before the records
	checkedFrom = 21 // what the checksum covers begins here
	checksumAt  = 17
	lengthFrom  = 12 // what the length counts begins here
)

// appendBatch appends a batch of version 2, Kafka's only one today.
func appendBatch(b []byte, keys, values [][]byte, next, records int) []byte {
	begin := len(b)
	now := time.Now().UnixMilli()
	b = (&kmsg.RecordBatch{
		Magic: 2, LastOffsetDelta: int32(records - 1), FirstTimestamp: now, MaxTimestamp: now,
		ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1, NumRecords: int32(records),
	}).AppendTo(b)
	for i := range records {
		r := kmsg.Record{
			OffsetDelta: int32(i), Key: keys[(next+i)%len(keys)], Value: values[(next+i)%len(values)],
		}
		without := len(b)
		b = r.AppendTo(b) // with a length of 0, which takes a byte
		r.Length = int32(len(b) - without - 1)
		b = r.AppendTo(b[:without])
	}
	batch := b[begin:]
	binary.BigEndian.PutUint32(batch[lengthFrom-4:], uint32(len(batch)-lengthFrom))
	binary.BigEndian.PutUint32(batch[checksumAt:], crc32.Checksum(batch[checkedFrom:], castagnoli))
	return b
}

// check compares a batch with its checksum.
func check(batch []byte) error {
	if len(batch) < batchHeader {
		return fmt.Errorf("a batch of %d bytes", len(batch))
	}
	want := binary.BigEndian.Uint32(batch[checksumAt:])
	if got := crc32.Checksum(batch[checkedFrom:], castagnoli); got != want {
		return fmt.Errorf("a batch with the checksum %x, want %x", got, want)
	}
	return nil
}
