package embedded

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// kfake goes on when it can't write to the data folder: it acknowledges commits
// and topics that it has only in memory, and tells its log. Apache Kafka's
// broker ends when its disk fails. So does this cluster: it holds back all
// answers from the moment on at which something could not be kept, so that no
// client takes it for kept, and ends.

// setBounds sets the bounds of what is kept.
func (c *Cluster) setBounds(o Options) {
	c.memory = cmp.Or(o.memory, MemoryBytes)
	c.dataBytes = cmp.Or(o.dataBytes, DataBytes)
	c.dataBatches = cmp.Or(o.dataBatches, DataBatches)
	// A bound may be passed by as much as is written between two looks.
	const looks = 16
	every := c.memory / looks
	if o.DataDir != "" {
		every = min(c.dataBytes/looks, c.dataBatches/looks*minBatch)
	}
	c.traffic = newTraffic(every)
}

// unlock lets another cluster have the data folder.
func (c *Cluster) unlock() {
	if c.folder != nil {
		c.folder.close()
	}
}

// restoreStarts tells kfake where logs start, and begins to note it whenever a
// client has records removed.
func (c *Cluster) restoreStarts() error {
	if c.folder == nil {
		return nil
	}
	for key, start := range c.folder.starts {
		p := c.fake.PartitionInfo(key.topic, key.partition)
		if p == nil || start <= p.LogStartOffset {
			continue
		}
		if err := c.fake.DeleteRecords(key.topic, key.partition, min(start, p.HighWatermark)); err != nil {
			return fmt.Errorf("removing old records of partition %d of %s: %w", key.partition, key.topic, err)
		}
	}
	c.fake.ControlKey(int16(kmsg.DeleteRecords), c.noteStarts)
	return nil
}

// abortOpen aborts the transactions that a killed cluster left open. kfake takes them for
// aborted, but writes no mark of it: readers of committed records would skip whatever
// their producers commit from then on, and after another start the aborted records
// would count as part of the next transaction. The hidden broker leads all partitions
// when this is called.
func (c *Cluster) abortOpen() error {
	if c.folder == nil {
		return nil
	}
	request := kmsg.NewPtrWriteTxnMarkersRequest()
	request.SetVersion(1)
	for key, producers := range c.folder.open {
		for id, epoch := range producers {
			topic := kmsg.NewWriteTxnMarkersRequestMarkerTopic()
			topic.Topic, topic.Partitions = key.topic, []int32{key.partition}
			marker := kmsg.NewWriteTxnMarkersRequestMarker()
			marker.ProducerID, marker.ProducerEpoch = id, epoch
			marker.Topics = append(marker.Topics, topic)
			request.Markers = append(request.Markers, marker)
		}
	}
	if len(request.Markers) == 0 {
		return nil
	}
	answer, err := c.controller.link.roundTrip(request)
	if err != nil {
		return err
	}
	for _, m := range answer.(*kmsg.WriteTxnMarkersResponse).Markers {
		for _, t := range m.Topics {
			for _, p := range t.Partitions {
				if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
					return fmt.Errorf("aborting a transaction in partition %d of %s: %w", p.Partition, t.Topic, err)
				}
			}
		}
	}
	return nil
}

// noteStarts is kfake's hook for a request to remove records.
func (c *Cluster) noteStarts(request kmsg.Request) (kmsg.Response, error, bool) {
	c.fake.KeepControl()
	node := c.fake.CurrentNode()
	for _, t := range request.(*kmsg.DeleteRecordsRequest).Topics {
		for _, rp := range t.Partitions {
			p := c.fake.PartitionInfo(t.Topic, rp.Partition)
			if p == nil || p.Leader != node {
				continue // kfake refuses.
			}
			start := rp.Offset
			if start == -1 {
				start = p.HighWatermark
			}
			if start < p.LogStartOffset || start > p.HighWatermark {
				continue // kfake refuses.
			}
			if err := c.folder.saveStart(t.Topic, rp.Partition, start, p.HighWatermark); err != nil {
				c.endBecause(err)
				return nil, err, true
			}
		}
	}
	return nil, nil, false // kfake itself answers.
}

// listensToKfake is kfake's logger.
type listensToKfake struct{ cluster *Cluster }

// Logf is called while kfake serves a request, before the answer leaves.
func (l *listensToKfake) Logf(level kfake.LogLevel, format string, args ...any) {
	if level > kfake.LogLevelWarn {
		return
	}
	c := l.cluster
	text := fmt.Sprintf(format, args...)
	var cause error
	for _, arg := range args {
		if err, ok := arg.(error); ok {
			cause = withoutPath(err)
		}
	}
	switch {
	case strings.HasPrefix(format, "txn timeout abort"):
		// A client that goes on with it gets an error, as from Apache Kafka.
	case c.folder == nil:
		c.warn("The cluster reports: %s.", text)
	case c.traffic.failed.Load():
		// The cluster ends already; what fails by the way is the same failure.
	case strings.HasPrefix(format, "persist to disk"), strings.HasPrefix(format, "save session state"):
		c.warn("Not everything could be written to the folder %s at the end (%v). Acknowledged records and committed offsets are there.", c.folder.dir, cause)
	case strings.HasPrefix(format, "persist"), strings.HasPrefix(format, "rebuildSegments"):
		c.endBecause(cause)
	case strings.HasPrefix(format, "compact"):
		c.warn("Old entries in the folder %s could not be removed: %s.", c.folder.dir, text)
	default:
		c.warn("The folder %s: %s.", c.folder.dir, text)
	}
}

// endBecause ends the cluster: the data folder can't be written.
func (c *Cluster) endBecause(cause error) {
	if c.traffic.failed.Swap(true) {
		return
	}
	if cause == nil {
		cause = errors.New("it can't be written")
	}
	err := fmt.Errorf("nothing more can be kept in the folder %s (%w), so the cluster has ended: "+
		"free space there, or name another folder, and start it again; "+
		"what was acknowledged is kept, and what could not be kept was not acknowledged", c.folder.dir, cause)
	// kfake waits for the caller, so the rest is done beside it.
	go func() {
		c.Close()
		if c.fail == nil {
			c.warn("%v.", err)
			return
		}
		c.fail(err)
	}()
}
