package embedded

import (
	"context"
	"encoding/binary"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"os"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// framesVariable says how many frames TestHostileFrames sends. Without it, it sends
// a few thousand. Run by hand, for example:
//
//	HOSTILE_FRAMES=100000 go test -v -timeout 1h -run TestHostileFrames ./internal/cluster/embedded
const framesVariable = "HOSTILE_FRAMES"

// mostMemory is what the process may take while strangers send it whatever they like.
const mostMemory = 512 << 20

// Whatever comes through the ports, valid or not, the cluster's process goes on,
// its memory stays bounded, and a client that has nothing to do with it writes and
// reads as if it were alone.
func TestHostileFrames(t *testing.T) {
	frames := 4000
	if s := os.Getenv(framesVariable); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		frames = n
	}
	c := startChild(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	bystander := startBystander(ctx, t, c.addrs)

	seed := rand.Uint64()
	t.Logf("the seed is %d", seed)
	var sent atomic.Int64
	var strangers sync.WaitGroup
	for i := range 8 {
		strangers.Go(func() {
			s := newStranger(c.addrs, rand.New(rand.NewPCG(seed, uint64(i))))
			for sent.Add(1) <= int64(frames) {
				select {
				case <-c.ended:
					return
				default:
				}
				s.send()
			}
			s.hangUp()
		})
	}
	strangers.Wait()
	cancel()
	written := bystander.end(t)
	t.Logf("%d frames; the client beside them wrote and read %d records; at most %d MiB of memory",
		frames, written, c.peak()>>20)
	if peak := c.peak(); peak > mostMemory {
		t.Errorf("the cluster took %d MiB, want at most %d", peak>>20, mostMemory>>20)
	}
}

// A bystander is a client that writes to a topic of its own and reads it.
type bystander struct {
	written, read atomic.Int64
	done          sync.WaitGroup
	client        *kgo.Client
}

func startBystander(ctx context.Context, t *testing.T, addrs []string) *bystander {
	t.Helper()
	const own = "bystander"
	cl, err := kgo.NewClient(kgo.SeedBrokers(addrs...), kgo.ConsumeTopics(own), kgo.DefaultProduceTopic(own))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	if _, err := kadm.NewClient(cl).CreateTopic(ctx, 3, 3, nil, own); err != nil {
		t.Fatal(err)
	}
	b := &bystander{client: cl}
	b.done.Go(func() {
		for ctx.Err() == nil {
			// A record is in the log before the next is written.
			if err := cl.ProduceSync(t.Context(), kgo.StringRecord("value")).FirstErr(); err != nil {
				t.Errorf("record %d: %v", b.written.Load(), err)
				return
			}
			b.written.Add(1)
			time.Sleep(time.Millisecond)
		}
	})
	return b
}

// end waits until the client has read what it wrote, and returns how much that is.
func (b *bystander) end(t *testing.T) int64 {
	t.Helper()
	b.done.Wait()
	ctx := deadline(t)
	for b.read.Load() < b.written.Load() {
		fetches := b.client.PollFetches(ctx)
		if ctx.Err() != nil {
			break
		}
		fetches.EachError(func(topic string, p int32, err error) {
			t.Errorf("reading partition %d of %s: %v", p, topic, err)
		})
		b.read.Add(int64(fetches.NumRecords()))
	}
	if b.read.Load() != b.written.Load() || b.written.Load() == 0 {
		t.Errorf("the client beside them read %d of %d records", b.read.Load(), b.written.Load())
	}
	return b.written.Load()
}

// A stranger sends frames, valid and not.
type stranger struct {
	addrs  []string
	random *rand.Rand
	conn   net.Conn
	left   int // frames until it hangs up
}

func newStranger(addrs []string, random *rand.Rand) *stranger {
	return &stranger{addrs: addrs, random: random}
}

func (s *stranger) hangUp() {
	if s.conn != nil {
		s.conn.Close()
		s.conn = nil
	}
}

// send sends a frame, and reads an answer or doesn't.
func (s *stranger) send() {
	if s.conn == nil || s.left == 0 {
		s.hangUp()
		conn, err := net.DialTimeout("tcp", s.addrs[s.random.IntN(len(s.addrs))], time.Second)
		if err != nil {
			return
		}
		s.conn, s.left = conn, 1+s.random.IntN(20)
	}
	s.left--
	frame := s.frame()
	if s.conn.SetDeadline(time.Now().Add(time.Second)) != nil {
		s.hangUp()
		return
	}
	if _, err := s.conn.Write(frame); err != nil {
		s.hangUp()
		return
	}
	if s.random.IntN(4) == 0 {
		return // It doesn't wait for the answer.
	}
	if s.conn.SetReadDeadline(time.Now().Add(20*time.Millisecond)) != nil {
		s.hangUp()
		return
	}
	var size [4]byte
	if _, err := io.ReadFull(s.conn, size[:]); err != nil {
		s.hangUp()
		return
	}
	if _, err := io.CopyN(io.Discard, s.conn, int64(binary.BigEndian.Uint32(size[:]))); err != nil {
		s.hangUp()
	}
}

// frame makes up a frame.
func (s *stranger) frame() []byte {
	switch s.random.IntN(12) {
	case 0: // what isn't Kafka's protocol
		if s.random.IntN(2) == 0 {
			return []byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
		}
		return []byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
	case 1: // nothing at all
		return s.bytes(s.random.IntN(200))
	case 2: // any key, any version
		body := s.bytes(s.random.IntN(100))
		frame := binary.BigEndian.AppendUint32(nil, uint32(10+len(body)))
		frame = binary.BigEndian.AppendUint16(frame, uint16(s.random.IntN(100)))
		frame = binary.BigEndian.AppendUint16(frame, uint16(s.random.IntN(20)))
		frame = append(frame, 0, 0, 0, 1, 0xff, 0xff)
		return append(frame, body...)
	case 3: // a length that nothing follows
		frame := s.request()
		binary.BigEndian.PutUint32(frame, s.random.Uint32())
		return frame
	case 4: // a request that ends too early
		frame := s.request()
		return frame[:s.random.IntN(len(frame))]
	case 5, 6, 7: // a request with some wrong bytes
		frame := s.request()
		for range 1 + s.random.IntN(4) {
			at := s.random.IntN(len(frame))
			if at > 2 { // The length is another case.
				frame[at] ^= byte(1 << s.random.IntN(8))
			}
		}
		return frame
	default:
		return s.request()
	}
}

func (s *stranger) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(s.random.Uint32())
	}
	return b
}

// request makes up a request that can be read, in a version that is served.
func (s *stranger) request() []byte {
	for {
		request := kmsg.RequestForKey(int16(s.random.IntN(int(kmsg.MaxKey) + 1)))
		if request == nil {
			continue
		}
		version := int16(s.random.IntN(int(request.MaxVersion()) + 1))
		s.fill(reflect.ValueOf(request).Elem(), "", 0)
		request.SetVersion(version)
		return kmsg.NewRequestFormatter(kmsg.FormatterClientID("stranger")).AppendRequest(nil, request, 1)
	}
}

var (
	someNames = []string{
		"", topic, "other", "another", "..", "a b", "max.message.bytes", "cleanup.policy", "retention.ms", "compact",
		"100", "-1", "my-group", "my-share-group", "consumer", "range", "uniform", "1", "2", "3", "*",
		"group-topic:0", "share.auto.offset.reset", "earliest", "share.record.lock.sweep.interval.ms",
		"share.record.lock.duration.ms", "log.cleaner.backoff.ms", "offsets.retention.check.interval.ms",
		"group.max.size", "share.version", "PLAIN", "[", strings.Repeat("long", 100),
	}
	someNumbers = []int64{0, 0, 0, 1, 1, 2, 3, -1, -1, -2, 5, 10, 100, 1000, 6000, 45000,
		math.MaxInt16, math.MaxInt32, math.MinInt32, math.MaxInt64, math.MinInt64}
)

// fill gives a value of the protocol a content, often a plausible one.
func (s *stranger) fill(v reflect.Value, name string, depth int) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			field := v.Type().Field(i)
			if field.Name != "Version" && field.Name != "UnknownTags" && field.IsExported() {
				s.fill(v.Field(i), field.Name, depth+1)
			}
		}
	case reflect.Pointer:
		if s.random.IntN(3) > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			s.fill(v.Elem(), name, depth)
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes(s.content(name))
			return
		}
		n := s.random.IntN(4)
		if s.random.IntN(100) == 0 {
			n = 300
		}
		if depth > 3 {
			n = min(n, 2)
		}
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			s.fill(v.Index(i), name, depth+1)
		}
	case reflect.Array:
		if s.random.IntN(2) == 0 {
			for i := range v.Len() {
				v.Index(i).SetUint(uint64(s.random.IntN(256)))
			}
		}
	case reflect.String:
		v.SetString(someNames[s.random.IntN(len(someNames))])
	case reflect.Bool:
		v.SetBool(s.random.IntN(2) == 0)
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		n := someNumbers[s.random.IntN(len(someNumbers))]
		if v.OverflowInt(n) {
			n = 1
		}
		v.SetInt(n)
	case reflect.Uint16, reflect.Uint32, reflect.Uint8, reflect.Uint64:
		v.SetUint(uint64(s.random.IntN(1 << 8)))
	case reflect.Float64:
		v.SetFloat([]float64{0, 1, -1, math.NaN(), math.Inf(1), 1e300}[s.random.IntN(6)])
	}
}

// content makes up what lies in a field of bytes.
func (s *stranger) content(name string) []byte {
	switch s.random.IntN(4) {
	case 0:
		return nil
	case 1:
		return s.bytes(s.random.IntN(100))
	}
	if name != "Records" {
		member := kmsg.NewConsumerMemberMetadata()
		member.Topics = []string{topic, "other"}
		return member.AppendTo(nil)
	}
	batch := kmsg.NewRecordBatch()
	s.fill(reflect.ValueOf(&batch).Elem(), "", 0)
	batch.Magic = 2
	batch.Records = s.bytes(s.random.IntN(50))
	raw := batch.AppendTo(nil)
	binary.BigEndian.PutUint32(raw[8:], uint32(len(raw)-12))
	return raw
}

// The guard reads whatever it is given without a panic.
func FuzzParse(f *testing.F) {
	s := newStranger(nil, rand.New(rand.NewPCG(1, 2)))
	for range 200 {
		f.Add(s.request())
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		if len(frame) < 12 {
			return
		}
		key := int16(binary.BigEndian.Uint16(frame[4:]))
		if kmsg.RequestForKey(key) == nil {
			return
		}
		_, err := parse(frame, key, int16(binary.BigEndian.Uint16(frame[6:])))
		if err != nil && strings.HasPrefix(err.Error(), "reading "+kmsg.NameForKey(key)+": runtime error") {
			t.Error(err)
		}
	})
}
