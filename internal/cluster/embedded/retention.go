package embedded

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Records are removed for two reasons: because their topic's settings say so
// (applySettings, as Apache Kafka does it), and because there are too many of
// them for this process (keepWithin).
//
// kfake has a retention of its own, which is never called: it looks at every
// batch by itself, so that one batch with an old time removes everything before
// it, and it trims compacted topics.

// MemoryBytes is how much memory the records of a cluster without a data folder
// take, all topics and partitions together, with what kfake notes of each
// batch. Beyond it the partitions that have most give up their oldest records.
const MemoryBytes = 128 << 20

// DataBytes is how many bytes of records a cluster with a data folder keeps on
// the disk, all topics and partitions together.
const DataBytes = 4 << 30

// DataBatches is how many batches a cluster with a data folder keeps: kfake
// holds a note of each of them in memory, of batchMeta bytes.
const DataBatches = 5_500_000

// ProcessBytes is a limit for the memory of the whole process, which the caller
// gives to debug.SetMemoryLimit. It lies above everything that the bounds above
// let accumulate: a limit below that would have the garbage collector run all
// the time.
const ProcessBytes = 512 << 20

const (
	// RetentionCheck is how often the topics' settings are applied: Apache
	// Kafka's log.retention.check.interval.ms.
	RetentionCheck = 5 * time.Minute

	// compactEvery is how often compacted topics are compacted, in checks.
	compactEvery = 12

	// memorySegmentBytes and dataSegmentBytes are the sizes of the pieces of a
	// partition's log. Records are removed a piece at a time.
	memorySegmentBytes = 64 << 10
	dataSegmentBytes   = 1 << 20

	// minBatch is the size of the smallest batch, a record without key and
	// value, and batchMeta what kfake keeps in memory for each batch.
	minBatch  = 68
	batchMeta = 110
)

// never is, in milliseconds, an interval after which nothing ever happens.
const never = 10 * 365 * 24 * time.Hour / time.Millisecond

// retentionSettings returns what kfake is told to start with. Its timer for
// compaction and retention is switched off, since compact calls the one without
// the other. The settings for retention are Apache Kafka's defaults.
func retentionSettings(dataDir string) map[string]string {
	segment := memorySegmentBytes
	if dataDir != "" {
		segment = dataSegmentBytes
	}
	return map[string]string{
		"log.segment.bytes":      strconv.Itoa(segment),
		"log.retention.ms":       strconv.FormatInt((7 * 24 * time.Hour).Milliseconds(), 10),
		"log.retention.bytes":    "-1",
		"log.cleaner.backoff.ms": strconv.Itoa(int(never)),
	}
}

// removeOldRecords removes records until the cluster is closed.
func (c *Cluster) removeOldRecords() {
	check := time.NewTicker(RetentionCheck)
	defer check.Stop()
	look := time.NewTicker(time.Second)
	defer look.Stop()
	for checks := 1; ; {
		var err error
		select {
		case <-c.done:
			return
		case <-look.C:
			err = c.traffic.measure(c.keepBounds)
		case <-c.traffic.enough:
			err = c.traffic.measure(c.keepBounds)
		case <-check.C:
			err = c.applySettings(time.Now())
			if checks%compactEvery == 0 && err == nil {
				err = c.compact()
			}
			checks++
		}
		if err != nil {
			c.warn("Old records could not be removed: %v.", err)
		}
	}
}

// A stored is a partition, with what it costs against a bound.
type stored struct {
	topic string
	*kfake.PartitionInfo
	cost int64
}

// partitions returns all partitions that have records.
func (c *Cluster) partitions() ([]stored, error) {
	topics, err := c.controller.leaders()
	if err != nil {
		return nil, err
	}
	var all []stored
	for topic := range topics {
		for _, p := range c.fake.PartitionInfos(topic) {
			if p.HighWatermark > p.LogStartOffset {
				all = append(all, stored{topic: topic, PartitionInfo: p})
			}
		}
	}
	return all, nil
}

// keepBounds removes records that are too many for this process or its disk.
func (c *Cluster) keepBounds() error {
	c.keeping.Lock()
	defer c.keeping.Unlock()
	if c.folder == nil {
		return c.keepWithin(c.memory, inMemory)
	}
	if err := c.keepWithin(c.dataBytes, onDisk); err != nil {
		return err
	}
	return c.keepWithin(c.dataBatches, c.folder.batches)
}

// inMemory returns what a partition takes in memory. How many batches it has
// isn't known, but it has no more than it has records.
func inMemory(p stored) int64 {
	batches := min(p.HighWatermark-p.LogStartOffset, p.NumBytes/minBatch)
	return p.NumBytes + batches*batchMeta
}

func onDisk(p stored) int64 { return p.NumBytes }

// keepWithin removes the oldest records of the partitions that cost most, until
// all of them together cost a little less than the limit.
func (c *Cluster) keepWithin(limit int64, cost func(stored) int64) error {
	all, err := c.partitions()
	if err != nil {
		return err
	}
	var total int64
	for i := range all {
		all[i].cost = cost(all[i])
		total += all[i].cost
	}
	if total <= limit {
		return nil
	}
	var plain, compacted []stored
	for _, p := range all {
		if policy := c.policyOf(p.topic); policy.compacts && !policy.deletes {
			compacted = append(compacted, p)
		} else {
			plain = append(plain, p)
		}
	}
	// A little more goes than must, so that not every look removes something.
	target := limit - limit/8
	for _, group := range [][]stored{plain, compacted} {
		if total > target {
			freed, err := c.shrink(group, total-target)
			if err != nil {
				return err
			}
			total -= freed
		}
	}
	for _, group := range [][]stored{plain, compacted} {
		if total > limit {
			freed, err := c.empty(group, total-limit)
			if err != nil {
				return err
			}
			total -= freed
		}
	}
	return nil
}

// shrink removes the oldest pieces of the partitions that cost most, such that
// all of them cost so much less. The newest piece of each stays, so it may not
// reach that. It returns how much less they cost.
func (c *Cluster) shrink(partitions []stored, less int64) (int64, error) {
	var has int64
	for _, p := range partitions {
		has += p.cost
	}
	level := commonLevel(partitions, max(0, has-less))
	var over []int
	for i, p := range partitions {
		if p.cost > level {
			over = append(over, i)
		}
	}
	pieces, err := c.pieces(partitions, over)
	if err != nil {
		return 0, err
	}
	var freed int64
	for n, i := range over {
		p, starts := &partitions[i], pieces[n]
		if len(starts) < 2 {
			continue
		}
		// All pieces but the newest are of about the same size.
		each := max(1, p.cost/int64(len(starts)))
		drop := min((p.cost-level+each-1)/each, int64(len(starts)-1))
		if err := c.removeTo(*p, starts[drop]); err != nil {
			return freed, err
		}
		p.LogStartOffset = starts[drop]
		p.cost -= each * drop
		freed += each * drop
	}
	return freed, nil
}

// empty removes all records of the partitions that cost most, until so much is
// freed: a single piece of each is too much for the bound.
func (c *Cluster) empty(partitions []stored, need int64) (int64, error) {
	slices.SortFunc(partitions, func(a, b stored) int { return cmp.Compare(b.cost, a.cost) })
	var freed int64
	for _, p := range partitions {
		if freed >= need {
			break
		}
		if err := c.removeTo(p, p.HighWatermark); err != nil {
			return freed, err
		}
		freed += p.cost
	}
	return freed, nil
}

// commonLevel returns the highest cost such that partitions that cost no more
// than that cost may in all.
func commonLevel(partitions []stored, may int64) int64 {
	sorted := slices.Clone(partitions)
	slices.SortFunc(sorted, func(a, b stored) int { return cmp.Compare(a.cost, b.cost) })
	for i, p := range sorted {
		share := may / int64(len(sorted)-i)
		if p.cost > share {
			return share
		}
		may -= p.cost
	}
	return may
}

// pieces returns, for some of the partitions, the first offset of each piece of
// their logs, oldest first.
func (c *Cluster) pieces(partitions []stored, which []int) ([][]int64, error) {
	asked := make([]stored, len(which))
	for n, i := range which {
		asked[n] = partitions[i]
	}
	answers, err := c.listOffsets(0, asked, -1) // Version 0 lists pieces; -1 is the end.
	if err != nil {
		return nil, err
	}
	all := make([][]int64, len(asked))
	for i, answer := range answers {
		offsets := answer.OldStyleOffsets
		slices.Reverse(offsets)
		if n := len(offsets); n > 1 {
			all[i] = offsets[:n-1] // The last one is the end of the log.
		}
	}
	return all, nil
}

// listOffsets asks kfake for an offset of each partition. The hidden broker
// answers it, as a replica that somebody asks for debugging.
func (c *Cluster) listOffsets(version int16, partitions []stored, at int64) ([]kmsg.ListOffsetsResponseTopicPartition, error) {
	const debugging = -2
	request := kmsg.NewPtrListOffsetsRequest()
	request.SetVersion(version)
	request.ReplicaID = debugging
	for _, p := range partitions {
		rp := kmsg.NewListOffsetsRequestTopicPartition()
		rp.Partition = p.Partition
		rp.Timestamp = at
		rp.MaxNumOffsets = 1 << 30
		rt := kmsg.NewListOffsetsRequestTopic()
		rt.Topic = p.topic
		rt.Partitions = append(rt.Partitions, rp)
		request.Topics = append(request.Topics, rt)
	}
	answer, err := c.controller.link.roundTrip(request)
	if err != nil {
		return nil, err
	}
	type key struct {
		topic     string
		partition int32
	}
	byKey := make(map[key]kmsg.ListOffsetsResponseTopicPartition)
	for _, t := range answer.(*kmsg.ListOffsetsResponse).Topics {
		for _, p := range t.Partitions {
			byKey[key{t.Topic, p.Partition}] = p
		}
	}
	all := make([]kmsg.ListOffsetsResponseTopicPartition, len(partitions))
	for i, p := range partitions {
		all[i] = byKey[key{p.topic, p.Partition}]
	}
	return all, nil
}

// removeTo removes the records of a partition before an offset. What the disk
// says of the log's start and end is written first, so that a cluster that is
// killed starts with them.
func (c *Cluster) removeTo(p stored, offset int64) error {
	if offset <= p.LogStartOffset {
		return nil
	}
	if c.folder != nil {
		if err := c.folder.saveStart(p.topic, p.Partition, offset, p.HighWatermark); err != nil {
			return err
		}
	}
	err := c.fake.DeleteRecords(p.topic, p.Partition, offset)
	if errors.Is(err, kerr.OffsetOutOfRange) {
		return nil // A client had even more removed meanwhile.
	}
	if err != nil && c.fake.PartitionInfo(p.topic, p.Partition) != nil {
		return fmt.Errorf("partition %d of %s: %w", p.Partition, p.topic, err)
	}
	return nil
}

// A policy says what a topic's settings mean for its old records.
type policy struct {
	deletes, compacts bool
	milliseconds      int64 // retention.ms, below 0 for no limit
	bytes             int64 // retention.bytes, below 0 for no limit
	roll              int64 // segment.ms
	own               bool  // the topic itself sets a retention
}

// policyOf returns the policy of a topic whose own settings are all that counts.
func (c *Cluster) policyOf(topic string) policy { return c.policy(topic, nil) }

// policy returns a topic's policy, given the cluster's defaults.
func (c *Cluster) policy(topic string, defaults map[string]string) policy {
	configs := map[string]*string{}
	if info := c.fake.TopicInfo(topic); info != nil {
		configs = info.Configs
	}
	number := func(name, atBroker string, otherwise int64) int64 {
		for _, text := range []*string{configs[name], pointer(defaults, atBroker)} {
			if text == nil {
				continue
			}
			if n, err := strconv.ParseInt(*text, 10, 64); err == nil {
				return n
			}
		}
		return otherwise
	}
	week := (7 * 24 * time.Hour).Milliseconds()
	p := policy{
		deletes:      true,
		milliseconds: number("retention.ms", "log.retention.ms", week),
		bytes:        number("retention.bytes", "log.retention.bytes", -1),
		roll:         number("segment.ms", "log.roll.ms", week),
		own:          configs["retention.ms"] != nil || configs["retention.bytes"] != nil,
	}
	if text := configs["cleanup.policy"]; text != nil {
		p.deletes, p.compacts = strings.Contains(*text, "delete"), strings.Contains(*text, "compact")
	}
	return p
}

func pointer(m map[string]string, key string) *string {
	if value, ok := m[key]; ok {
		return &value
	}
	return nil
}

// defaults returns the settings of the cluster, which a client may have changed.
func (c *Cluster) defaults() (map[string]string, error) {
	request := kmsg.NewPtrDescribeConfigsRequest()
	request.SetVersion(1)
	resource := kmsg.NewDescribeConfigsRequestResource()
	resource.ResourceType = kmsg.ConfigResourceTypeBroker
	request.Resources = append(request.Resources, resource)
	answer, err := c.controller.link.roundTrip(request)
	if err != nil {
		return nil, err
	}
	values := make(map[string]string)
	for _, r := range answer.(*kmsg.DescribeConfigsResponse).Resources {
		for _, config := range r.Configs {
			if config.Value != nil {
				values[config.Name] = *config.Value
			}
		}
	}
	return values, nil
}

// applySettings removes the records whose topics' settings say that they are too
// old or too many, as Apache Kafka does it: a piece of the log at a time, oldest
// first, and only a piece whose newest record is too old, so that records with
// an old time live on beside fresh ones that were written before them. If all
// records of a partition are too old, all go. Topics that are compacted and
// nothing else lose nothing.
func (c *Cluster) applySettings(now time.Time) error {
	all, err := c.partitions()
	if err != nil {
		return err
	}
	defaults, err := c.defaults()
	if err != nil {
		return err
	}
	policies := make(map[string]policy)
	for _, p := range all {
		rule, ok := policies[p.topic]
		if !ok {
			rule = c.policy(p.topic, defaults)
			policies[p.topic] = rule
		}
		if !rule.deletes {
			continue
		}
		to, err := c.startBySettings(p, rule, now)
		if err != nil {
			return err
		}
		if err := c.removeTo(p, to); err != nil {
			return err
		}
	}
	return nil
}

// startBySettings returns where the log of a partition starts by its settings.
func (c *Cluster) startBySettings(p stored, rule policy, now time.Time) (int64, error) {
	pieces, err := c.pieces([]stored{p}, []int{0})
	if err != nil || len(pieces[0]) == 0 {
		return 0, err
	}
	starts := pieces[0]
	start := p.LogStartOffset

	if n := int64(len(starts)); rule.bytes >= 0 && p.NumBytes > rule.bytes && n > 1 {
		// The newest piece is smaller than the others, so each of the others
		// has at most this size. At least retention.bytes are kept.
		largest := p.NumBytes / (n - 1)
		start = max(start, starts[min((p.NumBytes-rule.bytes)/largest, n-1)])
	}

	if rule.milliseconds < 0 || p.MaxTimestamp < 0 {
		return start, nil // Records without a time have no age.
	}
	cutoff := now.UnixMilli() - rule.milliseconds
	if p.MaxTimestamp < cutoff {
		return min(p.HighWatermark, p.LastStableOffset), nil
	}
	fresh, _, err := c.firstSince(p, cutoff)
	if err != nil || fresh < 0 {
		return start, err
	}
	for _, piece := range starts {
		if piece <= fresh {
			start = max(start, piece)
		}
	}
	// Apache Kafka also begins a new piece when a record is segment.ms younger
	// than the first one of the piece.
	const enough = 1000
	since := int64(0)
	for range enough {
		offset, at, err := c.firstSince(p, since)
		if err != nil {
			return 0, err
		}
		if offset < 0 || offset > fresh {
			break
		}
		start = max(start, offset)
		since = at + rule.roll + 1
	}
	return min(start, p.LastStableOffset), nil
}

// firstSince returns the first record of a partition that isn't older than a
// time, or -1, and its own time.
func (c *Cluster) firstSince(p stored, milliseconds int64) (int64, int64, error) {
	const withTime = 4
	answers, err := c.listOffsets(withTime, []stored{p}, max(0, milliseconds))
	if err != nil {
		return 0, 0, err
	}
	if answers[0].ErrorCode != 0 {
		return -1, 0, nil // The partition was deleted meanwhile.
	}
	return answers[0].Offset, answers[0].Timestamp, nil
}

// compact has kfake compact the topics that are to be compacted. kfake applies
// its own retention at the same time, so that is switched off meanwhile. It
// can't be for a topic that sets a retention itself: while there is one,
// nothing is compacted.
func (c *Cluster) compact() error {
	topics, err := c.controller.leaders()
	if err != nil {
		return err
	}
	wanted := false
	for topic := range topics {
		rule := c.policyOf(topic)
		if rule.own {
			return nil
		}
		wanted = wanted || rule.compacts
	}
	if !wanted {
		return nil
	}
	defaults, err := c.defaults()
	if err != nil {
		return err
	}
	before := map[string]string{
		"log.retention.ms":    defaults["log.retention.ms"],
		"log.retention.bytes": defaults["log.retention.bytes"],
	}
	off := map[string]string{"log.retention.ms": "-1", "log.retention.bytes": "-1"}
	if err := c.setDefaults(off); err != nil {
		return err
	}
	c.fake.Compact()
	return c.setDefaults(before)
}

// setDefaults changes settings of the cluster.
func (c *Cluster) setDefaults(values map[string]string) error {
	request := kmsg.NewPtrIncrementalAlterConfigsRequest()
	resource := kmsg.NewIncrementalAlterConfigsRequestResource()
	resource.ResourceType = kmsg.ConfigResourceTypeBroker
	for name, value := range values {
		config := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
		config.Name = name
		config.Op = kmsg.IncrementalAlterConfigOpSet
		config.Value = &value
		resource.Configs = append(resource.Configs, config)
	}
	request.Resources = append(request.Resources, resource)
	_, err := c.controller.link.roundTrip(request)
	return err
}
