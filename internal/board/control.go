package board

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// mostPartitions is how many partitions a topic can get by the page's button.
const mostPartitions = 64

// control carries out what somebody clicked.
type control struct {
	collector *collector
	brokers   Brokers
	addrs     []string

	mu       sync.Mutex
	producer *kgo.Client // made when the first record is sent
}

// An order is the body of a control.
type order struct {
	Topic      string  `json:"topic"`
	Key        *string `json:"key"` // nil: no key
	Value      string  `json:"value"`
	Broker     int     `json:"broker"`
	Partitions int     `json:"partitions"` // how many the topic had on the page
}

// A position is where a record lies.
type position struct {
	Partition int32 `json:"partition"`
	Offset    int64 `json:"offset"`
}

// send writes a record, and returns where it lies. Its key decides the
// partition by murmur2, as in the programs of the chapters.
func (c *control) send(ctx context.Context, o order) (position, error) {
	client, err := c.client()
	if err != nil {
		return position{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, 8*time.Second)
	defer cancel()
	r := &kgo.Record{Topic: o.Topic, Value: []byte(o.Value)}
	key := "without a key"
	if o.Key != nil {
		r.Key = []byte(*o.Key)
		key = "with the key " + name(*o.Key)
	}
	if err := client.ProduceSync(ctx, r).FirstErr(); err != nil {
		return position{}, fmt.Errorf("the record was not acknowledged: %w", err)
	}
	c.collector.journal.say(good, "The record from this page, %s, lies in partition %d at offset %d.", key, r.Partition, r.Offset)
	return position{r.Partition, r.Offset}, nil
}

// client returns the producer.
func (c *control) client() (*kgo.Client, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.producer == nil {
		client, err := kgo.NewClient(
			kgo.SeedBrokers(c.addrs...),
			kgo.ClientID("board"),
			// All in-sync replicas have the record when it is acknowledged.
			kgo.RequiredAcks(kgo.AllISRAcks()),
			// The key decides by murmur2. Records without one go where the client likes.
			kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)),
			kgo.ProducerLinger(0),
			// Somebody waits in front of the page: better an error than a long silence.
			kgo.RecordDeliveryTimeout(6*time.Second),
			kgo.DialTimeout(time.Second),
			kgo.MetadataMinAge(50*time.Millisecond),
			// A new partition is used as soon as it is there.
			kgo.MetadataMaxAge(2*time.Second),
			kgo.RetryBackoffFn(func(int) time.Duration { return 50 * time.Millisecond }),
		)
		if err != nil {
			return nil, fmt.Errorf("making a producer: %w", err)
		}
		c.producer = client
	}
	return c.producer, nil
}

func (c *control) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.producer != nil {
		c.producer.Close()
		c.producer = nil
	}
}

var errElsewhere = errors.New("this cluster doesn't run in the board's process: stop and start its brokers where they run")

func (c *control) stop(id int) error {
	if c.brokers == nil {
		return errElsewhere
	}
	err := c.brokers.StopBroker(id)
	c.collector.cluster.poke()
	return err
}

func (c *control) start(id int) error {
	if c.brokers == nil {
		return errElsewhere
	}
	err := c.brokers.StartBroker(id)
	c.collector.cluster.poke()
	return err
}

// addPartition gives a topic one partition more than the page showed. So two
// clicks at once, or on two pages, add one.
func (c *control) addPartition(ctx context.Context, o order) error {
	if o.Partitions < 1 || o.Partitions >= mostPartitions {
		return fmt.Errorf("the board gives a topic at most %d partitions", mostPartitions)
	}
	ctx, cancel := context.WithTimeout(ctx, 8*time.Second)
	defer cancel()
	answers, err := c.collector.adm.UpdatePartitions(ctx, o.Partitions+1, o.Topic)
	if err == nil {
		err = answers.Error()
	}
	if err != nil {
		return fmt.Errorf("adding a partition: %w", err)
	}
	c.mu.Lock()
	if c.producer != nil {
		c.producer.ForceMetadataRefresh()
	}
	c.mu.Unlock()
	c.collector.cluster.poke()
	return nil
}

// shownInFull is how many characters of a key, a value or a header the page
// shows of a record that somebody asks for.
const shownInFull, mostHeaders = 8000, 50

// The JSON of a record in full.
type (
	textJSON struct {
		Text  string `json:"text"`
		Bytes int    `json:"bytes"`
		Cut   bool   `json:"cut,omitempty"`   // there is more than is shown
		Plain bool   `json:"plain,omitempty"` // shown as it is: nothing had to be replaced
		JSON  bool   `json:"json,omitempty"`  // it is JSON, and was indented
	}
	headerJSON struct {
		Key   string   `json:"key"`
		Value textJSON `json:"value"`
	}
	recordJSON struct {
		Partition int32        `json:"partition"`
		Offset    int64        `json:"offset"`
		Key       *textJSON    `json:"key"`
		Value     *textJSON    `json:"value"` // nil: the record says that its key is deleted
		Headers   []headerJSON `json:"headers"`
		More      int          `json:"more,omitempty"` // headers that aren't shown
		Time      int64        `json:"time"`
		TimeOf    string       `json:"timeOf"`
		Bytes     int          `json:"bytes"`
		Control   bool         `json:"control,omitempty"`
		Why       []string     `json:"why"`
	}
)

// record serves one record in full. It is read from the log, not remembered.
func (b *Board) record(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	partition, err := strconv.ParseInt(q.Get("partition"), 10, 32)
	offset, err2 := strconv.ParseInt(q.Get("offset"), 10, 64)
	if err = errors.Join(err, err2); err != nil || partition < 0 || offset < 0 {
		answerError(w, http.StatusBadRequest, errors.New("a record has a partition and an offset"))
		return
	}
	record, err := b.collector.readRecord(r.Context(), q.Get("topic"), int32(partition), offset)
	if err != nil {
		answerError(w, http.StatusNotFound, err)
		return
	}
	answer(w, http.StatusOK, record)
}

// readRecord reads one record from the log of its partition.
func (c *collector) readRecord(ctx context.Context, topic string, partition int32, offset int64) (*recordJSON, error) {
	meta := c.cluster.now().topics[topic]
	if meta == nil || int(partition) >= len(meta.partitions) {
		return nil, errors.New("there is no such partition")
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	read := plan{meta.id, map[int32]int64{partition: offset}}
	response, err := fetch(ctx, c.client, meta.partitions[partition].Leader, topic, read, 0)
	if err != nil {
		return nil, fmt.Errorf("the leader of partition %d doesn't answer; try again: %w", partition, err)
	}
	for i := range response.Topics {
		for j := range response.Topics[i].Partitions {
			fetched, _ := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{
				KeepControlRecords: true, Offset: offset, Topic: topic, Partition: partition,
			}, &response.Topics[i].Partitions[j], kgo.DefaultDecompressor(), nil)
			for _, r := range fetched.Records {
				if r.Offset == offset {
					return inFull(r, len(meta.partitions)), nil
				}
			}
			if fetched.Err != nil && len(fetched.Records) == 0 {
				return nil, fmt.Errorf("the record can't be read, perhaps it is too old and was removed: %w", fetched.Err)
			}
		}
	}
	return nil, errors.New("the record is not in the log any more")
}

func inFull(r *kgo.Record, count int) *recordJSON {
	j := &recordJSON{
		Partition: r.Partition, Offset: r.Offset, Headers: []headerJSON{},
		Time: r.Timestamp.UnixMilli(), TimeOf: "its producer", Bytes: len(r.Key) + len(r.Value), Control: r.Attrs.IsControl(),
	}
	if r.Attrs.TimestampType() == 1 {
		j.TimeOf = "the broker"
	}
	if j.Control {
		j.Why = []string{"This is no record of a program: it marks in this partition the end of a transaction. Consumers never see it, and it takes an offset."}
		return j
	}
	j.Key, j.Value = inText(r.Key), indented(r.Value)
	for i, h := range r.Headers {
		j.Bytes += len(h.Key) + len(h.Value)
		if i < mostHeaders {
			key, _ := clean([]byte(h.Key), 200)
			value := inText(h.Value)
			if value == nil {
				value = &textJSON{}
			}
			j.Headers = append(j.Headers, headerJSON{key, *value})
		} else {
			j.More++
		}
	}
	j.Why = why(r.Key, r.Partition, count)
	return j
}

// JSON that is larger or nested more deeply than this is shown as it was written.
const mostIndented, deepest = 64 << 10, 20

// indented is like inText, and lays JSON out on lines of its own, so that it can
// be read. No number and no name in it changes.
func indented(raw []byte) *textJSON {
	j := inText(raw)
	trimmed := bytes.TrimLeft(raw, " \t\r\n")
	if j == nil || !j.Plain || len(raw) > mostIndented || len(trimmed) == 0 || trimmed[0] != '{' && trimmed[0] != '[' {
		return j
	}
	depth := 0
	for _, b := range trimmed {
		switch b {
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		if depth > deepest {
			return j
		}
	}
	var lines bytes.Buffer
	if err := json.Indent(&lines, trimmed, "", "  "); err != nil {
		return j // It is no JSON.
	}
	shown := inText(lines.Bytes())
	return &textJSON{Text: shown.Text, Bytes: len(raw), Cut: shown.Cut, Plain: true, JSON: lines.String() != string(raw)}
}

// keyJSON says where a key belongs.
type keyJSON struct {
	Key       string `json:"key"`  // as cells show it
	Hash      uint32 `json:"hash"` // of the key
	Partition int32  `json:"partition"`
	Count     int    `json:"count"` // partitions of the topic
}

// key serves the partition of a key: the one that murmur2 chooses.
func (b *Board) key(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	meta := b.collector.cluster.now().topics[q.Get("topic")]
	if meta == nil || len(meta.partitions) == 0 {
		answerError(w, http.StatusNotFound, errors.New("there is no such topic"))
		return
	}
	key := []byte(q.Get("key"))
	hash, count := murmur2(key), len(meta.partitions)
	answer(w, http.StatusOK, keyJSON{shownKey(key), hash, int32(hash % uint32(count)), count})
}

// inText makes text of bytes; nil stays nil.
func inText(raw []byte) *textJSON {
	if raw == nil {
		return nil
	}
	j := &textJSON{Bytes: len(raw), Plain: isText(raw)}
	if j.Plain {
		j.Text = string(raw)
		if runes := []rune(j.Text); len(runes) > shownInFull {
			j.Text, j.Cut = string(runes[:shownInFull]), true
		}
		return j
	}
	j.Text, j.Cut = clean(raw, shownInFull)
	return j
}
