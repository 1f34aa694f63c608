package contract

import (
	"context"
	"os"
	"sync"
	"testing"
	"time"

	"kafka-with-go/internal/cluster/apache"
	"kafka-with-go/internal/testing/testkit"
)

// An apacheKafka is the cluster of Apache Kafka that the tests of this package
// share. It starts with the first of them, and one test has it at a time, since
// they kill its brokers.
type apacheKafka struct {
	*apache.Cluster
	t *testing.T // the test that has it
}

var (
	apacheTurn sync.Mutex // held by the test whose turn it is
	apacheOnce sync.Once
	theApache  *apache.Cluster
	apacheErr  error
)

func apacheCluster(t *testing.T) cluster {
	t.Helper()
	if reason := apache.Unavailable(); reason != "" {
		t.Skip(reason)
	}
	apacheTurn.Lock()
	t.Cleanup(apacheTurn.Unlock)
	apacheOnce.Do(func() {
		theApache, apacheErr = apache.Start(context.Background(), apache.Options{Log: os.Stderr})
	})
	if apacheErr != nil {
		t.Fatal(apacheErr)
	}
	t.Cleanup(func() {
		if t.Failed() {
			// It may have ended before it started a broker again.
			for id := range 3 {
				if theApache.PID(id+1) == 0 {
					if err := theApache.StartBroker(id + 1); err != nil {
						t.Error(err)
					}
				}
			}
		}
		// The next test finds three brokers, and every partition on all of them.
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		if err := theApache.WaitReady(ctx, 1, 2, 3); err != nil {
			t.Errorf("the cluster does not come back: %v", err)
		}
	})
	return apacheKafka{theApache, t}
}

func closeApache() error {
	if theApache == nil {
		return nil
	}
	return theApache.Close()
}

// StopBroker kills a broker (-9), and first waits until its death can't cost
// more than the cluster promises: until every replica is in sync.
func (k apacheKafka) StopBroker(id int) error {
	if k.allRun() {
		if err := k.WaitInSync(testkit.Deadline(k.t)); err != nil {
			return err
		}
	}
	return k.Kill(id)
}

func (k apacheKafka) allRun() bool {
	return k.PID(1) != 0 && k.PID(2) != 0 && k.PID(3) != 0
}
