package load

import (
	"hash/crc32"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// The limit's batches are Kafka's: another implementation reads them.
func TestLimitBatch(t *testing.T) {
	t.Parallel()
	const records = 300 // so that numbers take one byte and two
	encoded := appendBatch(nil, makeKeys(), [][]byte{[]byte("value")}, 7, records)
	if err := check(encoded); err != nil {
		t.Error(err)
	}
	var batch kmsg.RecordBatch
	if err := batch.ReadFrom(encoded); err != nil {
		t.Fatal(err)
	}
	if batch.Magic != 2 || batch.NumRecords != records || uint32(batch.CRC) != crc32.Checksum(encoded[checkedFrom:], castagnoli) || int(batch.Length) != len(encoded)-lengthFrom {
		t.Errorf("the batch is %+v", batch)
	}
	rest := batch.Records
	for i := range records {
		var r kmsg.Record
		if err := r.ReadFrom(rest); err != nil {
			t.Fatalf("record %d: %v", i, err)
		}
		if string(r.Value) != "value" || string(r.Key) != string(makeKeys()[7+i]) || int(r.OffsetDelta) != i {
			t.Fatalf("record %d is %+v", i, r)
		}
		rest = rest[len(r.AppendTo(nil)):]
	}
	if len(rest) != 0 {
		t.Errorf("%d bytes are left", len(rest))
	}
	encoded[len(encoded)-1]++
	if check(encoded) == nil {
		t.Error("a changed batch passes the check")
	}
}
