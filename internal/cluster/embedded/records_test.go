package embedded

import (
	"encoding/binary"
	"hash/crc32"
	"io"
	"math"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// rawBatch returns a record batch that says it has so many records, and has these bytes.
func rawBatch(count int32, at time.Time, records []byte) []byte {
	b := emptyBatch(0, int64(count)-1, 0, at.UnixMilli())
	binary.BigEndian.PutUint32(b[23:], uint32(count-1))
	binary.BigEndian.PutUint32(b[57:], uint32(count))
	b = append(b, records...)
	binary.BigEndian.PutUint32(b[8:], uint32(len(b)-12))
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[21:], castagnoli))
	return b
}

// oneRecord is a record with the value "v" as it lies in a batch.
var oneRecord = []byte{7 << 1, 0, 0, 0, 1, 1 << 1, 'v', 0}

// produce sends batches for one partition of the topic each, in one request, and
// returns the error code of each partition.
func produce(t *testing.T, addr string, batches map[int32][]byte) map[int32]int16 {
	t.Helper()
	request := kmsg.NewPtrProduceRequest()
	request.Acks, request.TimeoutMillis = -1, 1000
	rt := kmsg.NewProduceRequestTopic()
	rt.Topic = topic
	for partition, batch := range batches {
		rp := kmsg.NewProduceRequestTopicPartition()
		rp.Partition, rp.Records = partition, batch
		rt.Partitions = append(rt.Partitions, rp)
	}
	request.Topics = append(request.Topics, rt)
	conn := connect(t, addr)
	if _, err := conn.Write(frameOf(request, 9)); err != nil {
		t.Fatal(err)
	}
	var size [4]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		t.Fatal(err)
	}
	frame := make([]byte, binary.BigEndian.Uint32(size[:]))
	if _, err := io.ReadFull(conn, frame); err != nil {
		t.Fatal(err)
	}
	answer := request.ResponseKind().(*kmsg.ProduceResponse)
	if _, err := readAnswer(frame, answer); err != nil {
		t.Fatal(err)
	}
	codes := make(map[int32]int16)
	for _, p := range answer.Topics[0].Partitions {
		codes[p.Partition] = p.ErrorCode
	}
	return codes
}

// Records that Apache Kafka refuses are refused, with the same error code, and leave the
// log as it was. Those for other partitions in the same request are taken.
func TestRefusedRecords(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for _, tc := range []struct {
		name  string
		batch []byte
		want  *kerr.Error
	}{
		{"one record", rawBatch(1, now, oneRecord), nil},
		{"no record", rawBatch(0, now, nil), kerr.InvalidRecord},
		{"fewer than none", rawBatch(-3, now, oneRecord), kerr.InvalidRecord},
		{"the fewest", rawBatch(math.MinInt32+1, now, oneRecord), kerr.InvalidRecord},
		{"more than there are", rawBatch(2, now, oneRecord), kerr.InvalidRecord},
		{"by far more than there are", rawBatch(math.MaxInt32, now, oneRecord), kerr.InvalidRecord},
		{"fewer than there are", rawBatch(1, now, append(oneRecord, oneRecord...)), kerr.InvalidRecord},
		{"garbage", rawBatch(1, now, []byte{0xff, 0xff, 0xff, 0xff, 0xff}), kerr.InvalidRecord},
		{"from 1970", rawBatch(1, time.Unix(0, 0), oneRecord), nil},
		{"from 2100", rawBatch(1, now.AddDate(75, 0, 0), oneRecord), kerr.InvalidTimestamp},
		{"in half an hour", rawBatch(1, now.Add(30*time.Minute), oneRecord), nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := start(t, Options{})
			ctx := deadline(t)
			cl := client(t, c)
			if _, err := kadm.NewClient(cl).CreateTopic(ctx, 4, 1, nil, topic); err != nil {
				t.Fatal(err)
			}
			r := &kgo.Record{Topic: topic, Value: []byte("value")}
			if err := client(t, c, kgo.RecordPartitioner(kgo.ManualPartitioner())).ProduceSync(ctx, r).FirstErr(); err != nil {
				t.Fatal(err)
			}
			// Broker 1 leads partitions 0 and 3.
			codes := produce(t, c.Addrs()[0], map[int32][]byte{
				0: tc.batch,
				3: rawBatch(1, now, oneRecord),
			})
			end, want := int64(2), int16(0)
			if tc.want != nil {
				end, want = 1, tc.want.Code
			}
			if codes[0] != want || codes[3] != 0 {
				t.Errorf("the codes are %v, want %d for partition 0 and 0 for partition 3", codes, want)
			}
			if p := c.fake.PartitionInfo(topic, 0); p.HighWatermark != end {
				t.Errorf("the log ends at %d, want %d", p.HighWatermark, end)
			}
			if p := c.fake.PartitionInfo(topic, 3); p.HighWatermark != 1 {
				t.Errorf("the log of the other partition ends at %d, want 1", p.HighWatermark)
			}
		})
	}
}
