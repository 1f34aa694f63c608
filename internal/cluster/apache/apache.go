// Package apache starts the three Apache Kafka brokers of docker-compose.yml
// without Docker: as Java processes, from Kafka's own jars. What the tests then
// run on is what a learner runs, because the compose file's own environment goes
// through the program that turns it into broker properties in the official image.
//
// Only what has to differ on one machine without containers is replaced in it:
//
//   - the services' host names (kafka-1, …) become 127.0.0.1;
//   - listeners bind 127.0.0.1 instead of every interface of their container;
//   - every port becomes a free one, except those that Options.Ports asks for;
//   - the records lie below a folder of their own instead of in a volume.
//
// Everything else reaches the brokers unchanged. The JVM's own settings are not
// part of it, except the heap: the brokers get those that start fastest, unless
// KAFKA_JVM_PERFORMANCE_OPTS says otherwise.
package apache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"kafka-with-go/internal/cluster/freeport"
	"kafka-with-go/internal/process"
)

// startTimeout bounds a start whose context has no earlier deadline. A start takes
// seconds; the rest is for a machine that is busy with something else.
const startTimeout = 3 * time.Minute

// Options says how a cluster is started. The zero value is good for a test.
type Options struct {
	// Dir holds the brokers' records, settings and logs, and stays after Close.
	// Without it they lie in a temporary folder that Close removes.
	Dir string
	// Ports are the three ports that clients use, such as 9093, 9094 and 9095.
	// Without them the ports are free ones.
	Ports []int
	// Extra is added to the environment of every broker, in the image's manner:
	// KAFKA_REPLICA_LAG_TIME_MAX_MS sets replica.lag.time.max.ms.
	Extra map[string]string
	// Links puts what the brokers say to each other through links that Cut cuts. Linux only.
	Links bool
	// Log is told in one line each what is started, stopped and waited for.
	Log io.Writer
}

// Cluster is three brokers, numbered 1, 2 and 3. Its methods may be called from
// several goroutines.
type Cluster struct {
	dir       string
	temporary bool
	java      installation
	brokers   []*broker
	starter   *process.Starter
	client    *client
	links     *links // nil without Options.Links
	freePorts []int  // those that freeport takes back
	served    bool   // the start succeeded

	logLock sync.Mutex
	log     io.Writer

	closeOnce sync.Once
	closeErr  error
}

// Start starts the three brokers. When it returns, they serve: all are registered
// and not fenced, a topic with three replicas can be created, and groups can be
// coordinated. Otherwise its error holds the end of the brokers' logs. The context
// bounds only the start; the brokers live until Close, and on Linux they also die
// with this process, however it ends.
func Start(ctx context.Context, o Options) (*Cluster, error) {
	java, err := findInstallation()
	if err != nil {
		return nil, err
	}
	compose, err := readCompose()
	if err != nil {
		return nil, err
	}
	c := &Cluster{java: java, log: o.Log}
	if err := c.prepare(compose, o); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := c.start(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("starting Apache Kafka: %w%s", err, c.logTails()), c.Close())
	}
	return c, nil
}

// prepare chooses the folder and the ports, and says what each broker will be.
func (c *Cluster) prepare(compose composeFile, o Options) error {
	if err := c.makeDir(o.Dir); err != nil {
		return err
	}
	native, err := newSubstitution(compose, o.Ports)
	c.freePorts = native.free
	if err != nil {
		return err
	}
	if o.Links {
		c.links = newLinks()
		native.keepNames(compose)
	}
	for _, s := range compose.brokers {
		b := &broker{
			id:    s.id,
			name:  s.name,
			dir:   filepath.Join(c.dir, s.name),
			java:  c.java,
			addr:  native.value(s.external),
			grace: compose.stopGracePeriod,
		}
		b.env = native.environment(s.environment, b.dataDir())
		maps.Copy(b.env, o.Extra)
		b.peerPorts = peerPorts(b.env, b.addr)
		if s.id == trainee {
			b.recording = c.newRecording()
		}
		c.brokers = append(c.brokers, b)
	}
	c.client, err = newClient(c.Addrs())
	if err != nil {
		return err
	}
	c.starter = process.NewStarter()
	return nil
}

func (c *Cluster) makeDir(dir string) (err error) {
	if dir == "" {
		c.temporary = true
		c.dir, err = os.MkdirTemp("", "apache-kafka-")
	} else if c.dir, err = filepath.Abs(dir); err == nil {
		err = os.MkdirAll(c.dir, 0o755)
	}
	if err != nil {
		return fmt.Errorf("making the folder of the cluster: %w", err)
	}
	return nil
}

// start sets up and starts the brokers side by side, so that one uses the processor
// while another waits, and returns when the cluster serves.
func (c *Cluster) start(ctx context.Context) error {
	begin := time.Now()
	started := make(chan error, len(c.brokers))
	for _, b := range c.brokers {
		if c.links == nil {
			break
		}
		if err := os.MkdirAll(b.dir, 0o755); err != nil {
			return fmt.Errorf("setting up broker %d: %w", b.id, err)
		}
		if err := c.links.open(b, c.brokers); err != nil {
			return err
		}
	}
	for _, b := range c.brokers {
		go func() {
			if err := b.setup(ctx, c.starter); err != nil {
				started <- err
				return
			}
			started <- c.StartBroker(b.id)
		}()
	}
	var errs []error
	for range c.brokers {
		errs = append(errs, <-started)
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if err := c.waitServing(ctx); err != nil {
		return err
	}
	c.served = true
	c.logf("the cluster serves after %.1f s", time.Since(begin).Seconds())
	return nil
}

// Addrs returns the addresses that clients use: those of broker 1, 2 and 3.
func (c *Cluster) Addrs() []string {
	var addrs []string
	for _, b := range c.brokers {
		addrs = append(addrs, b.addr)
	}
	return addrs
}

// PID returns the process id of broker n, or 0 when it isn't running.
func (c *Cluster) PID(n int) int {
	b, err := c.broker(n)
	if err != nil {
		return 0
	}
	if p := b.running(); p != nil {
		return p.PID()
	}
	return 0
}

// StartBroker starts broker n again after Stop or Kill, with the records it had. It
// doesn't wait until the broker serves: WaitReady does. That takes a second or two, or
// more when the broker ended a moment ago: the controller takes it back only when the
// session of its former life is over (broker.session.timeout.ms, nine seconds).
func (c *Cluster) StartBroker(n int) error {
	b, err := c.broker(n)
	if err != nil {
		return err
	}
	if err := b.start(c.starter); err != nil {
		return err
	}
	c.logf("broker %d starts: process %d, %s", n, c.PID(n), b.addr)
	return nil
}

// Stop ends broker n in good order, as "docker compose stop" does: the broker hands
// its partitions over first. A broker that doesn't end in the compose file's grace
// period is killed; that happens to the last one, whom no controller lets go. On
// Windows, where a process can't be asked to end, Stop is Kill.
func (c *Cluster) Stop(n int) error {
	return c.signal(n, "stopped", (*broker).stop)
}

// Kill ends broker n at once, as kill -9 and "docker compose kill" do.
func (c *Cluster) Kill(n int) error {
	return c.signal(n, "killed", (*broker).kill)
}

// Pause halts broker n without closing its connections, as a frozen machine would.
// Windows can't do that; there it returns an error.
func (c *Cluster) Pause(n int) error {
	return c.signal(n, "paused", (*broker).pause)
}

// Resume lets a paused broker go on.
func (c *Cluster) Resume(n int) error {
	return c.signal(n, "resumed", (*broker).resume)
}

func (c *Cluster) signal(n int, done string, act func(*broker) error) error {
	b, err := c.broker(n)
	if err != nil {
		return err
	}
	if err := act(b); err != nil {
		return err
	}
	c.logf("broker %d is %s", n, done)
	return nil
}

func (c *Cluster) broker(n int) (*broker, error) {
	i := slices.IndexFunc(c.brokers, func(b *broker) bool { return b.id == n })
	if i < 0 {
		return nil, fmt.Errorf("there is no broker %d; the brokers are 1, 2 and 3", n)
	}
	return c.brokers[i], nil
}

// Close ends everything that Start and StartBroker started, and removes the
// temporary folder. Brokers whose folder stays end in good order; the others are
// killed, since nobody reads their records again.
func (c *Cluster) Close() error {
	c.closeOnce.Do(func() { c.closeErr = c.close() })
	return c.closeErr
}

func (c *Cluster) close() error {
	if c.client != nil {
		c.client.close()
	}
	c.finishTraining()
	end := (*broker).stop
	if c.temporary {
		end = (*broker).kill
	}
	errs := make([]error, len(c.brokers))
	var wg sync.WaitGroup
	for i, b := range c.brokers {
		wg.Go(func() {
			if b.running() != nil {
				errs[i] = end(b)
			}
		})
	}
	wg.Wait()
	if c.starter != nil {
		c.starter.Close()
	}
	if c.links != nil {
		c.links.close()
	}
	freeport.Release(c.freePorts...)
	if c.temporary {
		if err := os.RemoveAll(c.dir); err != nil {
			errs = append(errs, fmt.Errorf("removing the folder of the cluster: %w", err))
		}
	}
	return errors.Join(errs...)
}

// logTails returns the end of every broker's log, to be added to an error.
func (c *Cluster) logTails() string {
	var tails string
	for _, b := range c.brokers {
		tails += b.logTail()
	}
	return tails
}

func (c *Cluster) logf(format string, args ...any) {
	if c.log == nil {
		return
	}
	c.logLock.Lock()
	defer c.logLock.Unlock()
	// Who reads the log may be gone; the cluster goes on.
	_, _ = fmt.Fprintf(c.log, format+"\n", args...)
}
