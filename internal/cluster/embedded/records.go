package embedded

import (
	"encoding/binary"
	"hash/crc32"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// kfake believes what the header of a batch says: one that announces fewer records than
// none moves the end of the log back, and one that announces more records than there are
// moves it ahead of them. So batches are read before, as Apache Kafka does it.

// latestAhead is how far a record's time may lie in the future:
// message.timestamp.after.max.ms, unless the topic sets another one.
const latestAhead = time.Hour

// checkRecords takes the refused batches out of a request. It returns what tells so in
// the answer, or nil if there is none.
func (cluster *Cluster) checkRecords(request *kmsg.ProduceRequest) (mend func(kmsg.Response)) {
	type place struct {
		topic     string
		id        [16]byte
		partition int32
	}
	refused := make(map[place]*refusal)
	for _, t := range request.Topics {
		for i := range t.Partitions {
			p := &t.Partitions[i]
			r := checkBatch(p.Records)
			if r == nil {
				r = cluster.checkTime(t, p.Records)
			}
			if r != nil {
				refused[place{t.Topic, t.TopicID, p.Partition}] = r
				p.Records = []byte{} // kfake refuses it, as corrupt.
			}
		}
	}
	if len(refused) == 0 {
		return nil
	}
	return func(answer kmsg.Response) {
		for _, t := range answer.(*kmsg.ProduceResponse).Topics {
			for i := range t.Partitions {
				p := &t.Partitions[i]
				r := refused[place{t.Topic, t.TopicID, p.Partition}]
				if r != nil && p.ErrorCode == kerr.CorruptMessage.Code {
					p.ErrorCode, p.ErrorMessage = r.code, &r.message
				}
			}
		}
	}
}

// isBatch tells whether kfake will look at a batch's header. It refuses all others.
func isBatch(b []byte) bool {
	return len(b) >= minHeader && b[16] == 2 && int64(binary.BigEndian.Uint32(b[8:])) == int64(len(b))-12
}

// checkBatch refuses a batch that doesn't have the records that it announces.
func checkBatch(b []byte) *refusal {
	if !isBatch(b) {
		return nil
	}
	count := int32(binary.BigEndian.Uint32(b[57:]))
	const compression = 7
	if count > 0 && (b[22]&compression != 0 || hasExactly(b[minHeader:], count)) {
		return nil
	}
	if crc32.Checksum(b[21:], castagnoli) != binary.BigEndian.Uint32(b[17:]) {
		return nil // kfake refuses it: it came damaged, and may be sent again.
	}
	return refuse(kerr.InvalidRecord, "The batch doesn't have the %d records that it announces.", count)
}

// hasExactly tells whether so many records lie in b, and nothing else.
func hasExactly(b []byte, count int32) bool {
	for range count {
		length, n := binary.Varint(b)
		if n <= 0 || length < 0 || length > int64(len(b)-n) {
			return false
		}
		b = b[n+int(length):]
	}
	return len(b) == 0
}

// checkTime refuses a batch with a record whose time lies too far in the future.
func (cluster *Cluster) checkTime(t kmsg.ProduceRequestTopic, b []byte) *refusal {
	if !isBatch(b) {
		return nil
	}
	ahead := int64(binary.BigEndian.Uint64(b[35:])) - time.Now().UnixMilli()
	most := latestAhead.Milliseconds()
	if ahead <= most {
		return nil
	}
	name := t.Topic
	if name == "" {
		name = cluster.controller.nameOf(t.TopicID)
	}
	if info := cluster.fake.TopicInfo(name); info != nil {
		kind := info.Configs["message.timestamp.type"]
		if kind != nil && *kind == "LogAppendTime" {
			return nil
		}
		if value := info.Configs["message.timestamp.after.max.ms"]; value != nil {
			if n, err := strconv.ParseInt(*value, 10, 64); err == nil {
				most = max(most, n)
			}
		}
	}
	if ahead <= most {
		return nil
	}
	return refuse(kerr.InvalidTimestamp,
		"A record's time is %v in the future; this topic takes at most %v.",
		time.Duration(ahead)*time.Millisecond, time.Duration(most)*time.Millisecond)
}
