// Package embedded runs a Kafka cluster of three brokers inside the calling
// process. The brokers are franz-go's kfake: they speak the real protocol on
// real sockets of 127.0.0.1, keep records, groups and committed offsets, and
// start in milliseconds. They don't replicate: kfake keeps one copy of each
// partition, whatever the topic's replication factor says, and every broker
// serves that one copy.
//
// This package adds what a learner expects of a cluster and kfake leaves to
// its caller: whatever comes through a port, the process goes on and its memory
// stays bounded (guard.go); what Apache Kafka refuses is refused (refuse.go,
// settings.go); the brokers are numbered 1, 2 and 3; partition p is led by broker
// p%3+1 whenever that broker runs; stopping a broker cuts its connections; the
// cluster has a controller whichever broker is stopped; and old records are
// removed, so that memory stays bounded.
package embedded

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kversion"

	"kafka-with-go/internal/cluster/freeport"
)

// Brokers is the number of brokers of a cluster. They are numbered from 1.
const Brokers = 3

// clusterID is the name by which a cluster knows its data folder.
const clusterID = "embedded-cluster"

// minInsyncReplicas is what docker-compose.yml sets. It is only told to those who
// ask for it: kfake has one copy of each record.
const minInsyncReplicas = "2"

// Options says what cluster Start starts. The zero value is a cluster on three
// free ports that keeps everything in memory and has no topic.
type Options struct {
	Ports   [Brokers]int // 0 for a free port
	DataDir string       // "" keeps everything in memory

	// Topic is created with three partitions, unless DataDir holds it already.
	Topic string

	// Warn is told, in a sentence for the person at the terminal, of what goes
	// wrong in the cluster while it runs. Each sentence comes once, from any
	// goroutine. nil discards them.
	Warn func(sentence string)

	// Fail is told, once and from any goroutine, why the cluster has ended by
	// itself: it can't keep what is written in DataDir. Close is still to be
	// called. nil has Warn told instead.
	Fail func(error)

	// The bounds of what is kept; 0 for MemoryBytes, DataBytes and DataBatches.
	memory, dataBytes, dataBatches int64
}

// Cluster is a running cluster. Its methods may be called concurrently.
type Cluster struct {
	fake       *kfake.Cluster
	controller *controller
	versions   map[int16]versionRange // of the requests that are served, by their keys
	settings   map[string]string      // of the brokers
	limits     *limits
	board      atomic.Pointer[string] // see SetBoard
	done       chan struct{}
	background sync.WaitGroup
	closing    sync.Once
	tell       func(sentence string)
	told       sync.Map // the sentences that Warn was told
	fail       func(error)
	traffic    *traffic
	folder     *folder // nil without a data folder

	memory, dataBytes, dataBatches int64 // the bounds of what is kept
	keeping                        sync.Mutex

	mu      sync.Mutex
	closed  bool
	sockets map[int]*listener // by port
	ports   [Brokers]int
	running [Brokers]bool
	muted   int // a broker that kfake still has but that nobody reaches; 0 for none

	freePorts []int // those that freeport takes back
}

// PortError says that a broker can't listen on its port.
type PortError struct {
	Port int
	Err  error
}

func (e *PortError) Error() string {
	return fmt.Sprintf("port %d of 127.0.0.1 can't be used: %v", e.Port, e.Err)
}

func (e *PortError) Unwrap() error { return e.Err }

// Start starts a cluster. It returns a *PortError if a port is taken.
func Start(o Options) (*Cluster, error) {
	c := &Cluster{
		done:    make(chan struct{}),
		sockets: make(map[int]*listener),
		tell:    o.Warn,
		fail:    o.Fail,
		limits:  newLimits(),
	}
	c.setBounds(o)
	if o.DataDir != "" {
		folder, err := openFolder(o.DataDir, c.warn)
		if err != nil {
			return nil, err
		}
		c.folder = folder
	}
	link := newLink()

	c.settings = retentionSettings(o.DataDir)
	c.settings["min.insync.replicas"] = minInsyncReplicas
	options := []kfake.Opt{
		kfake.NumBrokers(1),
		kfake.ListenFn(func(network, address string) (net.Listener, error) {
			if l := link.listenOnce(); l != nil {
				return l, nil // The first broker is the controller, see controller.go.
			}
			return c.listen(network, address)
		}),
		kfake.ClusterID(clusterID),
		kfake.DefaultNumPartitions(Brokers),
		// The version of Apache Kafka that docker-compose.yml names.
		kfake.MaxVersions(kversion.V4_3_0()),
		kfake.BrokerConfigs(c.settings),
		kfake.WithLogger(&listensToKfake{c}),
	}
	if o.DataDir != "" {
		options = append(options, kfake.DataDir(o.DataDir))
	}

	fake, err := kfake.NewCluster(options...)
	if err != nil {
		c.unlock()
		var path *fs.PathError
		if errors.As(err, &path) {
			return nil, fmt.Errorf("the folder %s can't be written (%w): free space there, or name another folder", o.DataDir, path.Err)
		}
		return nil, fmt.Errorf("starting the cluster: %w", err)
	}
	c.fake = fake
	c.mendGroups()
	c.controller = &controller{cluster: c, link: link}
	if c.versions, err = c.controller.versions(); err != nil {
		c.Close()
		return nil, err
	}
	if err := c.restoreStarts(); err != nil {
		c.Close()
		return nil, err
	}
	if err := c.abortOpen(); err != nil {
		c.Close()
		return nil, err
	}
	for i := range Brokers {
		if err := c.addBroker(i+1, o.Ports[i]); err != nil {
			c.Close()
			return nil, err
		}
	}
	if err := c.controller.hide(); err != nil {
		c.Close()
		return nil, err
	}
	if o.Topic != "" && fake.TopicInfo(o.Topic) == nil {
		if err := fake.CreateTopic(o.Topic, Brokers, nil); err != nil {
			c.Close()
			return nil, fmt.Errorf("creating the topic %s: %w", o.Topic, err)
		}
	}
	if err := c.placeLeaders(); err != nil {
		c.Close()
		return nil, err
	}
	c.background.Go(c.removeOldRecords)
	return c, nil
}

// Addrs returns the addresses of the three brokers, stopped ones included.
func (c *Cluster) Addrs() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	addrs := make([]string, Brokers)
	for i, port := range c.ports {
		addrs[i] = "127.0.0.1:" + strconv.Itoa(port)
	}
	return addrs
}

// SetBoard says where the cluster's board is. Somebody who opens a broker's port in
// a browser is told so.
func (c *Cluster) SetBoard(url string) { c.board.Store(&url) }

func (c *Cluster) boardURL() string {
	url := c.board.Load()
	if url == nil {
		return ""
	}
	return *url
}

// Running tells whether broker id runs.
func (c *Cluster) Running(id int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return id >= 1 && id <= Brokers && c.running[id-1]
}

// StopBroker stops broker id as kill -9 would: its port is closed, its
// connections are cut, and the partitions that it leads get other leaders. The
// last broker can be stopped too: then nobody answers until one is started.
func (c *Cluster) StopBroker(id int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.check(id); err != nil {
		return err
	}
	if !c.running[id-1] {
		return fmt.Errorf("broker %d is stopped already", id)
	}
	c.running[id-1] = false
	if c.runningBrokers() == nil {
		// kfake keeps at least one broker, so the last one is only cut off.
		c.muted = id
		c.cutOff(id)
		return nil
	}
	if err := c.fake.RemoveNode(int32(id)); err != nil {
		return fmt.Errorf("stopping broker %d: %w", id, err)
	}
	c.cutOff(id)
	return c.placeLeaders()
}

// StartBroker starts a stopped broker again, on the port it had.
func (c *Cluster) StartBroker(id int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.check(id); err != nil {
		return err
	}
	if c.running[id-1] {
		return fmt.Errorf("broker %d runs already", id)
	}
	if c.muted != 0 {
		if err := c.unmute(id); err != nil {
			return err
		}
	} else if err := c.addBroker(id, c.ports[id-1]); err != nil {
		return err
	}
	return c.placeLeaders()
}

// unmute starts broker id after all three were stopped. kfake needs one broker
// at any time: the one that was cut off stands in until id has joined. If id
// is that very one, a broker that never listened stands in.
func (c *Cluster) unmute(id int) error {
	muted := c.muted
	if id == muted {
		const standIn = Brokers + 1
		if _, _, err := c.fake.AddNode(standIn, 0); err != nil {
			return fmt.Errorf("starting broker %d: %w", id, err)
		}
		if err := c.fake.RemoveNode(int32(muted)); err != nil {
			return fmt.Errorf("starting broker %d: %w", id, err)
		}
		muted = standIn
	}
	if err := c.addBroker(id, c.ports[id-1]); err != nil {
		return err
	}
	c.muted = 0
	if err := c.fake.RemoveNode(int32(muted)); err != nil {
		return fmt.Errorf("starting broker %d: %w", id, err)
	}
	return nil
}

// Close stops the cluster. With a data folder, everything is on the disk when
// it returns.
func (c *Cluster) Close() {
	c.closing.Do(func() {
		close(c.done)
		c.traffic.close()
		c.background.Wait()
		c.mu.Lock() // An election that is under way ends first.
		defer c.mu.Unlock()
		c.closed = true
		c.fake.Close()
		c.controller.close()
		for _, l := range c.sockets {
			l.cut()
		}
		freeport.Release(c.freePorts...)
		c.unlock()
	})
}

// warn tells the person at the terminal what goes wrong, once.
func (c *Cluster) warn(format string, args ...any) {
	if c.tell == nil {
		return
	}
	sentence := fmt.Sprintf(format, args...)
	if _, again := c.told.LoadOrStore(sentence, true); !again {
		c.tell(sentence)
	}
}

// check says why no broker of that number can be stopped or started.
func (c *Cluster) check(id int) error {
	if c.closed {
		return errors.New("the cluster is closed")
	}
	if id < 1 || id > Brokers {
		return fmt.Errorf("there is no broker %d: the brokers are 1, 2 and 3", id)
	}
	return nil
}

// addBroker starts broker id on port, and notes the port that it got.
func (c *Cluster) addBroker(id, port int) error {
	_, got, err := c.fake.AddNode(int32(id), port)
	var cause *net.OpError
	if errors.As(err, &cause) {
		return &PortError{Port: port, Err: cause.Err}
	}
	if err != nil {
		return fmt.Errorf("starting broker %d: %w", id, err)
	}
	c.ports[id-1], c.running[id-1] = got, true
	return nil
}

// cutOff closes the port and every connection of broker id.
func (c *Cluster) cutOff(id int) {
	port := c.ports[id-1]
	if l := c.sockets[port]; l != nil {
		l.cut()
		delete(c.sockets, port)
	}
}

// runningBrokers returns the numbers of the brokers that run, in order.
func (c *Cluster) runningBrokers() []int32 {
	var ids []int32
	for i, running := range c.running {
		if running {
			ids = append(ids, int32(i+1))
		}
	}
	return ids
}

// preferredLeader returns the broker that leads partition p: number p%3+1 if
// it runs, otherwise the next one that does.
func (c *Cluster) preferredLeader(p int32) int32 {
	for i := range int32(Brokers) {
		if b := (p + i) % Brokers; c.running[b] {
			return b + 1
		}
	}
	return -1
}

// placeLeaders gives each partition its leader. kfake spreads leaders at random
// whenever a broker comes or goes, and when it creates a topic.
func (c *Cluster) placeLeaders() error {
	if c.closed {
		return nil // kfake answers nothing any more, not even with an error.
	}
	topics, err := c.controller.leaders()
	if err != nil {
		return fmt.Errorf("placing the leaders: %w", err)
	}
	for topic, leaders := range topics {
		for p, leader := range leaders {
			want := c.preferredLeader(p)
			if want == leader || want < 0 {
				continue
			}
			// The topic may have been deleted in between: then there is no leader to place.
			if err := c.fake.MoveTopicPartition(topic, p, want); err != nil && c.fake.TopicInfo(topic) != nil {
				return fmt.Errorf("moving partition %d of %s to broker %d: %w", p, topic, want, err)
			}
		}
	}
	return nil
}
