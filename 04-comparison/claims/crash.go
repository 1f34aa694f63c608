package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka-with-go/internal/clients"
	"kafka-with-go/internal/clients/all"
	"kafka-with-go/internal/wire"
)

// Work is reading with some work for each record, until somebody kills the process.
const Work Side = "work"

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

// work prints each record when it is done with it.
func (e errand) work(ctx context.Context) error {
	c, err := all.ByName(e.Client)
	if err != nil {
		return err
	}
	consumer, err := c.NewConsumer(clients.Config{Brokers: e.Brokers, Topic: e.Topic, Group: e.Group, FromFirst: true})
	if err != nil {
		return err
	}
	var mu sync.Mutex
	err = consumer.Consume(ctx, func(r *clients.Record) error {
		mu.Lock()
		defer mu.Unlock()
		time.Sleep(e.Work)
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
	for _, c := range all.Clients() {
		if c.Available() != nil {
			continue
		}
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

func crashOne(ctx context.Context, c clients.Client) (Crash, error) {
	cluster, err := wire.Start(wire.Options{Topic: benchTopic})
	if err != nil {
		return Crash{}, err
	}
	defer cluster.Close()
	cl, err := kgo.NewClient(kgo.SeedBrokers(cluster.Addrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		return Crash{}, fmt.Errorf("connecting: %w", err)
	}
	defer cl.Close()
	for i := range crashRecords {
		cl.Produce(ctx, &kgo.Record{Topic: benchTopic, Value: []byte(strconv.Itoa(i))}, nil)
	}
	if err := cl.Flush(ctx); err != nil {
		return Crash{}, fmt.Errorf("filling the topic: %w", err)
	}
	e := errand{Client: c.Name(), Side: Work, Brokers: cluster.Addrs(), Topic: benchTopic, Group: "my-group", Work: crashWork}

	first, err := e.worker(ctx)
	if err != nil {
		return Crash{}, err
	}
	times := make([]int, crashRecords)
	if err := first.read(times, crashWait, func(int) bool { return true }); err != nil {
		return Crash{}, errors.Join(err, first.kill())
	}
	end := time.Now().Add(crashAfter)
	if err := first.read(times, crashWait, func(int) bool { return time.Now().After(end) }); err != nil {
		return Crash{}, errors.Join(err, first.kill())
	}
	time.Sleep(crashWork / 2) // The next record is in hand now.
	if err := errors.Join(first.kill(), first.rest(times)); err != nil {
		return Crash{}, err
	}
	// Without this the next member waits until the session of the dead one has ended.
	if err := leaveForAll(ctx, cl, e.Group); err != nil {
		return Crash{}, err
	}
	e.Work = 0
	second, err := e.worker(ctx)
	if err != nil {
		return Crash{}, err
	}
	err = second.read(times, crashWait, func(last int) bool { return last == crashRecords-1 })
	if err := errors.Join(err, second.kill()); err != nil {
		return Crash{}, err
	}
	var crash Crash
	for _, n := range times {
		switch {
		case n == 0:
			crash.Lost++
		case n > 1:
			crash.Repeated++
		}
	}
	return crash, nil
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

// A worker is a process that does an errand and prints numbers.
type worker struct {
	command *exec.Cmd
	numbers chan int // closed when it has ended
}

func (e errand) worker(ctx context.Context) (*worker, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding this program: %w", err)
	}
	text, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("writing the errand: %w", err)
	}
	command := exec.CommandContext(ctx, self)
	command.Env = append(os.Environ(), errandVariable+"="+string(text))
	stdout, err := command.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("starting a worker: %w", err)
	}
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("starting a worker: %w", err)
	}
	w := &worker{command: command, numbers: make(chan int, crashRecords)}
	go func() {
		defer close(w.numbers)
		for s := bufio.NewScanner(stdout); s.Scan(); {
			if n, err := strconv.Atoi(s.Text()); err == nil {
				w.numbers <- n
			}
		}
	}()
	return w, nil
}

// read counts the numbers that are printed until enough says so of one.
func (w *worker) read(times []int, d time.Duration, enough func(int) bool) error {
	for timeout := time.After(d); ; {
		select {
		case n, ok := <-w.numbers:
			if !ok {
				return errors.New("the worker ended by itself")
			}
			times[n]++
			if enough(n) {
				return nil
			}
		case <-timeout:
			return fmt.Errorf("waited %v for the worker", d)
		}
	}
}

// rest counts what was printed before the end.
func (w *worker) rest(times []int) error {
	for n := range w.numbers {
		times[n]++
	}
	return nil
}

// kill ends the process as kill -9 does.
func (w *worker) kill() error {
	if err := w.command.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("killing the worker: %w", err)
	}
	w.command.Wait() //nolint:errcheck // It says that it was killed.
	return nil
}
