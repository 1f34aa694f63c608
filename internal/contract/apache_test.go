package contract

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/semaphore"

	"kafka-with-go/internal/cluster/apache"
	"kafka-with-go/internal/testing/testkit"
)

// alone are the tests that stop or halt brokers, those in which five programs receive what
// all five write, and the one that measures how long nobody receives. On Apache Kafka each has
// the cluster to itself; the others share it.
var alone = []string{
	"TestAllBrokersKilled", "TestBrokerKilled", "TestConsoleTools", "TestCtrlCOnAFrozenCluster", "TestCtrlCWithoutBrokers", "TestExperimentGroups",
	"TestFlowsOnAFrozenCluster", "TestGokaWantsEveryLeader", "TestLibrdkafka", "TestNewGroupProtocol", "TestNotBeyondTheEnd", "TestOriginal", "TestPairs",
	"TestReadProcessWrite", "TestSecondCtrlC", "TestShareGroups", "TestTopicWhileABrokerIsAway", "TestTransactions",
}

// An apacheKafka is the cluster of Apache Kafka that the tests of this package
// share. It starts with the first of them.
type apacheKafka struct {
	*apache.Cluster
	t     *testing.T // the test that has it
	alone bool
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

func isAlone(t *testing.T) bool {
	test, _, _ := strings.Cut(t.Name(), "/")
	return slices.Contains(alone, test)
}

func apacheCluster(t *testing.T) cluster {
	t.Helper()
	if reason := apache.Unavailable(); reason != "" {
		t.Skip(reason)
	}
	k := apacheKafka{t: t, alone: isAlone(t)}
	if k.alone {
		// It takes no place in the queue: who shares goes first, so that fewer wait for one.
		for !apacheUse.TryAcquire(together) {
			time.Sleep(50 * time.Millisecond)
		}
		t.Cleanup(func() { apacheUse.Release(together) })
	} else {
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
	if k.alone {
		t.Cleanup(k.restore)
	}
	return k
}

// restore has the next test find three brokers.
func (k apacheKafka) restore() {
	if k.t.Failed() {
		// It may have ended before it started a broker again.
		for id := range 3 {
			if k.PID(id+1) == 0 {
				if err := k.StartBroker(id + 1); err != nil {
					k.t.Error(err)
				}
			}
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if err := k.WaitReady(ctx, 1, 2, 3); err != nil {
		k.t.Errorf("the cluster does not come back: %v", err)
	}
}

func closeApache() error {
	if theApache == nil {
		return nil
	}
	return theApache.Close()
}

// errNotAlone is for who forgets that others have the cluster, too.
var errNotAlone = errors.New("this test isn't among those that are alone on Apache Kafka: add it to the list")

// StopBroker kills a broker (-9), and first waits until its death can't cost
// more than the cluster promises: until every replica is in sync.
func (k apacheKafka) StopBroker(id int) error {
	if !k.alone {
		return errNotAlone
	}
	if k.allRun() {
		if err := k.WaitInSync(testkit.Deadline(k.t)); err != nil {
			return err
		}
	}
	return k.Kill(id)
}

// Pause halts a broker.
func (k apacheKafka) Pause(id int) error {
	if !k.alone {
		return errNotAlone
	}
	return k.Cluster.Pause(id)
}

func (k apacheKafka) allRun() bool {
	return k.PID(1) != 0 && k.PID(2) != 0 && k.PID(3) != 0
}
