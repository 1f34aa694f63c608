package contract

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/semaphore"

	"kafka-with-go/internal/cluster/apache"
	"kafka-with-go/internal/testing/testkit"
)

// An apacheKafka is the cluster of Apache Kafka that the tests of this package
// share. It starts with the first of them.
type apacheKafka struct {
	*apache.Cluster
	t       *testing.T // the test that has it
	company *company   // those that stop brokers together with it, or nil
}

// together is how many tests use Apache Kafka side by side. Each runs a program or five,
// and three brokers have to keep up with them on two processors.
const together = 4

var (
	apacheUse  = semaphore.NewWeighted(together)
	apacheOnce sync.Once
	theApache  *apache.Cluster
	apacheErr  error
)

// companies are the tests that are alone on Apache Kafka, by name.
var companies sync.Map

// alone begins a test that stops or halts brokers, or needs all of their time and this machine's. Where there is
// Apache Kafka it isn't parallel: Go runs such tests first, one after the other.
func alone(t *testing.T) {
	companies.Store(t.Name(), newCompany())
	if apache.Unavailable() != "" {
		t.Parallel()
		return
	}
	t.Cleanup(func() { restore(t) })
}

// companyOf returns the company of a test that is alone, and nil for the others.
func companyOf(t *testing.T) *company {
	test, _, _ := strings.Cut(t.Name(), "/")
	c, _ := companies.Load(test)
	found, _ := c.(*company)
	return found
}

// apachePlace is a place of its own on Apache Kafka, which the test leaves as it was.
func apachePlace(t *testing.T) place {
	t.Helper()
	if reason := apache.Unavailable(); reason != "" {
		t.Skip(reason)
	}
	testkit.OnlySayErrors(t)
	k := apacheKafka{t: t, company: companyOf(t)}
	if k.company == nil {
		if err := apacheUse.Acquire(context.Background(), 1); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { apacheUse.Release(1) })
	}
	apacheOnce.Do(func() {
		theApache, apacheErr = apache.Start(context.Background(), apache.Options{Log: os.Stderr})
	})
	if apacheErr != nil {
		t.Fatal(apacheErr)
	}
	k.Cluster = theApache
	p := newPlace(k, true)
	t.Cleanup(func() { p.deleteTopics(t) })
	t.Cleanup(func() { k.company.leave(t) })
	return p
}

// restore has the next test find three brokers.
func restore(t *testing.T) {
	if theApache == nil {
		return // The test was skipped.
	}
	if t.Failed() {
		// It may have ended before it started a broker again, or let it go on.
		for id := 1; id <= 3; id++ {
			restart := theApache.Resume
			if theApache.PID(id) == 0 {
				restart = theApache.StartBroker
			}
			if err := restart(id); err != nil {
				t.Error(err)
			}
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if err := theApache.WaitReady(ctx, 1, 2, 3); err != nil {
		t.Errorf("the cluster does not come back: %v", err)
	}
}

func closeApache() error {
	if theApache == nil {
		return nil
	}
	return theApache.Close()
}

// errNotAlone is for who forgets that others have the cluster, too.
var errNotAlone = errors.New("this test has to begin with alone(t), since it stops brokers")

// StopBroker kills a broker (-9), and first waits until its death can't cost
// more than the cluster promises: until every replica is in sync.
func (k apacheKafka) StopBroker(id int) error {
	return k.together("stop", id, func(id int) error {
		if k.PID(1) != 0 && k.PID(2) != 0 && k.PID(3) != 0 {
			if err := k.WaitInSync(testkit.Deadline(k.t)); err != nil {
				return err
			}
		}
		return k.Kill(id)
	})
}

// StartBroker starts a broker again.
func (k apacheKafka) StartBroker(id int) error { return k.together("start", id, k.Cluster.StartBroker) }

// Pause halts a broker.
func (k apacheKafka) Pause(id int) error { return k.together("pause", id, k.Cluster.Pause) }

// Resume lets a broker go on.
func (k apacheKafka) Resume(id int) error { return k.together("resume", id, k.Cluster.Resume) }

// together does something to a broker for all tests of the company, when all want it.
func (k apacheKafka) together(what string, id int, do func(id int) error) error {
	if k.company == nil {
		return errNotAlone
	}
	return k.company.act(k.t, fmt.Sprint(what, " ", id), func() error { return do(id) })
}

// A company is the subtests of a test that is alone. They run side by side, and what one does to
// a broker, all do: it happens once, when each of them has come so far.
type company struct {
	mu      sync.Mutex
	changed *sync.Cond
	wants   map[string]string // what each member waits for, by its name; "" while it runs
	round   int               // how often something has happened
	err     error             // what came of it, the last time
}

func newCompany() *company {
	c := &company{wants: make(map[string]string)}
	c.changed = sync.NewCond(&c.mu)
	return c
}

// join makes a subtest a member of its test's company. It is called before the subtest runs
// side by side with others, so that each knows of all.
func join(t *testing.T) {
	c := companyOf(t)
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wants[t.Name()] = ""
	t.Cleanup(func() { c.leave(t) }) // If it is for the embedded cluster alone.
}

// member returns the name under which a test, or the one that it is a part of, has joined.
func (c *company) member(t *testing.T) string {
	for name := range c.wants {
		if strings.HasPrefix(t.Name()+"/", name+"/") {
			return name
		}
	}
	return ""
}

// leave takes a member out: nobody waits for it any more.
func (c *company) leave(t *testing.T) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.wants, c.member(t))
	c.changed.Broadcast()
}

// act waits until all members want the same. One of them does it then.
func (c *company) act(t *testing.T, what string, do func() error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	me := c.member(t)
	c.wants[me] = what
	for round := c.round; c.round == round; {
		wait := false
		for name, want := range c.wants {
			switch want {
			case what:
			case "":
				wait = true
			default:
				return fmt.Errorf("%s wants to %s, and %s to %s", t.Name(), what, name, want)
			}
		}
		if wait {
			c.changed.Wait()
			continue
		}
		c.err = do()
		c.round++
		for name := range c.wants {
			c.wants[name] = ""
		}
		delete(c.wants, "") // A test without subtests is no member of its own company.
		c.changed.Broadcast()
	}
	return c.err
}
