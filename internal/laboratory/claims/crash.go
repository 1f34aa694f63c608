package claims

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka-with-go/internal/clients"
	"kafka-with-go/internal/clients/adapter"
	"kafka-with-go/internal/laboratory/kit"
	"kafka-with-go/internal/laboratory/wire"
)

// A Crash is what became of the records when a consumer with its defaults was
// killed, and another went on.
type Crash struct {
	Repeated int // worked on twice
	Lost     int // worked on by neither, though both had the chance
}

const (
	crashRecords = 600
	crashAfter   = 2250 * time.Millisecond // of work: between two commits of whoever commits each second
	crashWork    = 20 * time.Millisecond   // on each record
	crashWait    = 40 * time.Second        // for a worker that has to come: only a failure takes it
)

// A groupMember is a consumer that works on each record, in a process that is killed.
type groupMember struct {
	Client  string
	Brokers []string
	Topic   string
	Group   string
	Work    time.Duration // on each record
}

var memberTask = kit.NewTask("claims: member", func(ctx context.Context, m groupMember) (any, error) {
	return nil, m.work(ctx)
})

// work prints each record when it is done with it.
func (m groupMember) work(ctx context.Context) error {
	c, err := clients.ByName(m.Client)
	if err != nil {
		return err
	}
	consumer, err := c.NewConsumer(adapter.Config{
		Brokers: m.Brokers, Topic: m.Topic, Group: m.Group, FromFirst: true,
	})
	if err != nil {
		return err
	}
	var mu sync.Mutex
	err = consumer.Consume(ctx, func(r *adapter.Record) error {
		mu.Lock()
		defer mu.Unlock()
		time.Sleep(m.Work)
		_, err := fmt.Println(string(r.Value))
		return err
	})
	return errors.Join(err, consumer.Close())
}

// crashAll kills a consumer of each client in the middle of its work.
func crashAll(ctx context.Context, progress func(string)) (map[string]Crash, error) {
	progress("killing a consumer of each client (about 10 s)")
	crashes := make(map[string]Crash)
	var mu sync.Mutex
	var group sync.WaitGroup
	var errs []error
	for _, c := range clients.Available() {
		group.Go(func() {
			crash, err := crashOne(ctx, c)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs = append(errs, fmt.Errorf("killing %s: %w", c.Name(), err))
			}
			crashes[c.Name()] = crash
		})
	}
	group.Wait()
	return crashes, errors.Join(errs...)
}

func crashOne(ctx context.Context, c clients.Client) (crash Crash, err error) {
	cluster, err := wire.Start(wire.Options{Topic: testTopic})
	if err != nil {
		return crash, err
	}
	defer cluster.Close()
	cl, err := kgo.NewClient(kgo.SeedBrokers(cluster.Addrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		return crash, fmt.Errorf("connecting: %w", err)
	}
	defer cl.Close()
	for i := range crashRecords {
		cl.Produce(ctx, &kgo.Record{Topic: testTopic, Value: []byte(strconv.Itoa(i))}, nil)
	}
	if err := cl.Flush(ctx); err != nil {
		return crash, fmt.Errorf("filling the topic: %w", err)
	}
	m := groupMember{
		Client: c.Name(), Brokers: cluster.Addrs(), Topic: testTopic, Group: "my-group", Work: crashWork,
	}
	worked := make([]int, crashRecords) // how often, by record
	var end time.Time
	longEnough := func(int) bool {
		if end.IsZero() {
			end = time.Now().Add(crashAfter)
		}
		return time.Now().After(end)
	}
	// It dies when the next record is in hand.
	if err := m.workUntil(ctx, longEnough, crashWork/2, worked); err != nil {
		return crash, err
	}
	// Without this the next member waits until the session of the dead one has ended.
	if err := leaveForAll(ctx, cl, m.Group); err != nil {
		return crash, err
	}
	m.Work = 0
	isLast := func(n int) bool { return n == crashRecords-1 }
	if err := m.workUntil(ctx, isLast, 0, worked); err != nil {
		return crash, err
	}
	for _, times := range worked {
		switch {
		case times == 0:
			crash.Lost++
		case times > 1:
			crash.Repeated++
		}
	}
	return crash, nil
}

// workUntil has a member work until enough says so of a record, kills it a moment later (-9),
// and counts what it has worked on.
func (m groupMember) workUntil(
	ctx context.Context, enough func(n int) bool, later time.Duration, worked []int,
) error {
	command, err := memberTask.Command(ctx, m)
	if err != nil {
		return err
	}
	done := make(chan struct{})
	var once sync.Once
	wait := kit.Lines(command, func(line string) {
		n, err := strconv.Atoi(line)
		if err != nil {
			return
		}
		worked[n]++
		if enough(n) {
			once.Do(func() { close(done) })
		}
	})
	w, err := kit.StartWorker(command)
	if err != nil {
		return err
	}
	select {
	case <-done:
		time.Sleep(later)
	case <-w.Ended():
		err = errors.New("the worker ended by itself")
	case <-time.After(crashWait):
		err = fmt.Errorf("waited %v for the worker", crashWait)
	}
	err = errors.Join(err, w.Kill())
	wait() // What it printed until it died counts.
	return err
}

// leaveForAll removes every member of a group, in the members' names.
func leaveForAll(ctx context.Context, cl *kgo.Client, group string) error {
	described, err := kadm.NewClient(cl).DescribeGroups(ctx, group)
	if err != nil {
		return fmt.Errorf("describing the group: %w", err)
	}
	for _, m := range described[group].Members {
		request := kmsg.NewPtrLeaveGroupRequest()
		request.Group, request.MemberID = group, m.MemberID
		member := kmsg.NewLeaveGroupRequestMember()
		member.MemberID = m.MemberID
		request.Members = append(request.Members, member)
		if _, err := request.RequestWith(ctx, cl); err != nil {
			return fmt.Errorf("removing a member: %w", err)
		}
	}
	return nil
}
