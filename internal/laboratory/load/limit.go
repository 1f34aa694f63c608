package load

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"sync"
	"time"
)

// The limit is what this machine can do at best with the same records: they
// are encoded into Kafka's batches with their checksums, and the bytes go over
// loopback to three sockets and back. Nobody stores or copies them to replicas,
// nobody waits, and no client is in the way. Both ends are in this process, so
// its processor time is that of both.
func (l Load) limit(ctx context.Context) (m Measure, err error) {
	const peers = 3
	var servers sync.WaitGroup
	var conns []net.Conn
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
		conns = append(conns, c)
	}

	keys, value := makeKeys(), bytes.Repeat([]byte("v"), l.Point.Size-KeySize)
	inBatch := max(1, l.Tuning.BatchBytes/l.Point.Size)
	meter := startMeter()
	until := time.Now().Add(l.For)
	counts, errs := make([]int, peers), make([]error, peers)
	var took []float64
	if l.Alone {
		took, err = there(conns[0], keys, value, until)
		counts[0] = len(took)
	} else {
		var all sync.WaitGroup
		for i, c := range conns {
			all.Go(func() { counts[i], errs[i] = stream(c, keys, value, inBatch, until) })
		}
		all.Wait()
	}
	n := 0
	for _, count := range counts {
		n += count
	}
	if err := errors.Join(append(errs, err)...); err != nil {
		return m, fmt.Errorf("moving the bytes: %w", err)
	}
	m = meter.stop(n, 0)
	if took != nil {
		m.P50, m.P99 = percentile(took, 50), percentile(took, 99)
	}
	return m, nil
}

// serveEcho sends back what one connection brings.
func serveEcho(l net.Listener) error {
	c, err := l.Accept()
	if err := errors.Join(err, l.Close()); err != nil {
		return fmt.Errorf("accepting: %w", err)
	}
	buffer := make([]byte, 256<<10)
	for {
		n, err := c.Read(buffer)
		if n > 0 {
			if _, err := c.Write(buffer[:n]); err != nil {
				return errors.Join(fmt.Errorf("sending back: %w", err), c.Close())
			}
		}
		if errors.Is(err, io.EOF) {
			return c.Close()
		}
		if err != nil {
			return errors.Join(fmt.Errorf("reading: %w", err), c.Close())
		}
	}
}

// stream encodes batches and sends them, while it reads them back and checks them.
func stream(c net.Conn, keys [][]byte, value []byte, inBatch int, until time.Time) (records int, err error) {
	sizes := make(chan int, 64)
	read := make(chan error, 1)
	go func() {
		var batch []byte
		for size := range sizes {
			if cap(batch) < size {
				batch = make([]byte, size)
			}
			batch = batch[:size]
			if _, err := io.ReadFull(c, batch); err != nil {
				read <- fmt.Errorf("reading a batch back: %w", err)
				return
			}
			if err := check(batch); err != nil {
				read <- err
				return
			}
		}
		read <- nil
	}()
	var batch []byte
	for next := 0; time.Now().Before(until); next += inBatch {
		batch = appendBatch(batch[:0], keys, value, next, inBatch)
		select {
		case sizes <- len(batch):
		case err := <-read:
			return records, err
		}
		if _, err := c.Write(batch); err != nil {
			return records, fmt.Errorf("sending a batch: %w", err)
		}
		records += inBatch
	}
	close(sizes)
	return records, <-read
}

// there sends one record at a time and waits until it is back.
func there(c net.Conn, keys [][]byte, value []byte, until time.Time) (took []float64, err error) {
	var batch, back []byte
	for next := 0; time.Now().Before(until); next++ {
		begin := time.Now()
		batch = appendBatch(batch[:0], keys, value, next, 1)
		if _, err := c.Write(batch); err != nil {
			return nil, fmt.Errorf("sending a batch: %w", err)
		}
		back = append(back[:0], batch...)
		if _, err := io.ReadFull(c, back); err != nil {
			return nil, fmt.Errorf("reading a batch back: %w", err)
		}
		if err := check(back); err != nil {
			return nil, err
		}
		took = append(took, float64(time.Since(begin).Nanoseconds())/1e6)
	}
	return took, nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

const (
	batchHeader = 61 // bytes before the records
	checkedFrom = 21 // what the checksum covers begins here
	checksumAt  = 17
	lengthAt    = 8
	lengthFrom  = 12 // what the length counts begins here
)

// appendBatch appends a batch of version 2, Kafka's only one today.
func appendBatch(b []byte, keys [][]byte, value []byte, next, records int) []byte {
	begin := len(b)
	now := uint64(time.Now().UnixMilli())
	b = binary.BigEndian.AppendUint64(b, 0) // base offset
	b = binary.BigEndian.AppendUint32(b, 0) // length, below
	b = binary.BigEndian.AppendUint32(b, 0) // epoch of the leader
	b = append(b, 2)                        // version
	b = binary.BigEndian.AppendUint32(b, 0) // checksum, below
	b = binary.BigEndian.AppendUint16(b, 0) // attributes: no compression
	b = binary.BigEndian.AppendUint32(b, uint32(records-1))
	b = binary.BigEndian.AppendUint64(b, now)             // first time
	b = binary.BigEndian.AppendUint64(b, now)             // last time
	b = binary.BigEndian.AppendUint64(b, ^uint64(0))      // no producer's id
	b = binary.BigEndian.AppendUint16(b, ^uint16(0))      // nor epoch
	b = binary.BigEndian.AppendUint32(b, ^uint32(0))      // nor sequence
	b = binary.BigEndian.AppendUint32(b, uint32(records)) // how many
	for i := range records {
		key := keys[(next+i)%len(keys)]
		size := 1 + 1 + varintSize(i) + varintSize(len(key)) + len(key) + varintSize(len(value)) + len(value) + 1
		b = binary.AppendVarint(b, int64(size))
		b = append(b, 0, 0) // attributes, and the time since the first
		b = binary.AppendVarint(b, int64(i))
		b = binary.AppendVarint(b, int64(len(key)))
		b = append(b, key...)
		b = binary.AppendVarint(b, int64(len(value)))
		b = append(b, value...)
		b = append(b, 0) // headers
	}
	batch := b[begin:]
	binary.BigEndian.PutUint32(batch[lengthAt:], uint32(len(batch)-lengthFrom))
	binary.BigEndian.PutUint32(batch[checksumAt:], crc32.Checksum(batch[checkedFrom:], castagnoli))
	return b
}

// varintSize returns how many bytes a number takes.
func varintSize(n int) int {
	size := 1
	for u := uint64(n) << 1; u >= 0x80; u >>= 7 {
		size++
	}
	return size
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
