package embedded

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sys/unix"
)

// folderOfHelper is the environment variable that makes TestHelper, in a process
// of its own, a cluster with a data folder.
const folderOfHelper = "EMBEDDED_TEST_FOLDER"

// TestHelper is no test: the other tests of this file start it.
func TestHelper(t *testing.T) {
	dir := os.Getenv(folderOfHelper)
	if dir == "" {
		return
	}
	os.Exit(helper(dir))
}

// helper runs a cluster until its standard input ends, or it ends by itself.
func helper(dir string) int {
	failed := make(chan error, 1)
	c, err := Start(Options{
		Topic: topic, DataDir: dir,
		Warn: func(sentence string) { fmt.Println("warning:", sentence) },
		Fail: func(err error) { failed <- err },
	})
	if err != nil {
		fmt.Println("error:", err)
		return 1
	}
	defer c.Close()
	fmt.Println(strings.Join(c.Addrs(), ","))
	ended := make(chan struct{})
	go func() {
		io.Copy(io.Discard, os.Stdin)
		close(ended)
	}()
	select {
	case err := <-failed:
		fmt.Println("error:", err)
		return 1
	case <-ended:
		return 0
	}
}

// A process is a cluster in a process of its own.
type process struct {
	*exec.Cmd
	input  io.Closer
	lines  *bufio.Scanner
	client *kgo.Client
}

func startProcess(t *testing.T, dir string, options ...kgo.Opt) *process {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestHelper$")
	cmd.Env = append(os.Environ(), folderOfHelper+"="+dir)
	cmd.Stderr = os.Stderr
	input, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	p := &process{Cmd: cmd, input: input, lines: bufio.NewScanner(output)}
	if !p.lines.Scan() {
		t.Fatal("the process says nothing")
	}
	p.client, err = kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(strings.Split(p.lines.Text(), ",")...),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.MetadataMinAge(10 * time.Millisecond),
		kgo.RecordDeliveryTimeout(5 * time.Second),
		kgo.RetryTimeout(5 * time.Second),
	}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.client.Close)
	return p
}

// limit makes each write fail that would have a file grow beyond a size.
func (p *process) limit(t *testing.T, bytes int64) {
	t.Helper()
	limit := unix.Rlimit{Cur: uint64(bytes), Max: unix.RLIM_INFINITY}
	if err := unix.Prlimit(p.Process.Pid, unix.RLIMIT_FSIZE, &limit, nil); err != nil {
		t.Fatal(err)
	}
}

// A cluster whose disk is full acknowledges nothing that it can't keep: it ends
// and says what to do, and what it had acknowledged is there at the next start.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	write := func(ctx context.Context, cl *kgo.Client, i int) error {
		return cl.ProduceSync(ctx, &kgo.Record{Topic: topic, Value: fmt.Append(nil, i)}).FirstErr()
	}
	commit := func(ctx context.Context, cl *kgo.Client, i int) error {
		offsets := make(kadm.Offsets)
		offsets.AddOffset(topic, 0, int64(i), -1)
		return kadm.NewClient(cl).CommitAllOffsets(ctx, "my-group", offsets)
	}
	create := func(ctx context.Context, cl *kgo.Client, i int) error {
		answers, err := kadm.NewClient(cl).CreateTopics(ctx, 1, 1, nil, fmt.Sprint("topic-", i))
		if err != nil {
			return err
		}
		return answers.Error()
	}
	for _, test := range []struct {
		name string
		file string // that can't grow
		do   func(context.Context, *kgo.Client, int) error
		kept func(context.Context, *kgo.Client) (int, error)
	}{
		{"records", filepath.Join(partsName, topic+"-0", "0.dat"), write, func(ctx context.Context, cl *kgo.Client) (int, error) {
			ends, err := kadm.NewClient(cl).ListEndOffsets(ctx, topic)
			end, _ := ends.Lookup(topic, 0)
			return int(end.Offset), err
		}},
		{"commits", "groups.log", commit, func(ctx context.Context, cl *kgo.Client) (int, error) {
			offsets, err := kadm.NewClient(cl).FetchOffsets(ctx, "my-group")
			o, _ := offsets.Lookup(topic, 0)
			return int(o.At) + 1, err
		}},
		{"topics", topicsName, create, func(ctx context.Context, cl *kgo.Client) (int, error) {
			topics, err := kadm.NewClient(cl).ListTopics(ctx)
			return len(topics) - 1, err
		}},
	} {
		for _, room := range []int64{0, 20} { // In the second case, half of what is written fits.
			t.Run(fmt.Sprint(test.name, ", room for ", room), func(t *testing.T) {
				dir := filepath.Join(t.TempDir(), "data")
				p := startProcess(t, dir, kgo.DisableIdempotentWrite(), kgo.RecordRetries(0))
				ctx := deadline(t)
				acknowledged := 0
				for ; acknowledged < 10; acknowledged++ {
					if err := test.do(ctx, p.client, acknowledged); err != nil {
						t.Fatal(err)
					}
				}
				info, err := os.Stat(filepath.Join(dir, test.file))
				if err != nil {
					t.Fatal(err)
				}
				p.limit(t, info.Size()+room)
				for ctx.Err() == nil {
					if err := test.do(ctx, p.client, acknowledged); err != nil {
						break
					}
					acknowledged++
				}
				var said string
				for p.lines.Scan() {
					said += p.lines.Text() + "\n"
				}
				var exit *exec.ExitError
				if err := p.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 1 {
					t.Errorf("the cluster ended by %v, want exit status 1", err)
				}
				wantWords(t, said, "error:", dir, "free space", "start it again")
				if strings.Contains(said, "warning") || strings.Count(said, "\n") != 1 {
					t.Errorf("said: %s", said)
				}

				again := startProcess(t, dir)
				kept, err := test.kept(ctx, again.client)
				if err != nil {
					t.Fatal(err)
				}
				// The last one, which nobody acknowledged, may be there too.
				if kept != acknowledged && kept != acknowledged+1 {
					t.Errorf("%d were acknowledged, and %d are there", acknowledged, kept)
				}
				if err := test.do(ctx, again.client, acknowledged+1); err != nil {
					t.Errorf("the next one: %v", err)
				}
			})
		}
	}
}

// A disk that became full since the last write is told at the end, and nothing
// that was acknowledged is missing.
func TestFullDiskAtTheEnd(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	p := startProcess(t, dir)
	ctx := deadline(t)
	for i := range 5 {
		if err := p.client.ProduceSync(ctx, &kgo.Record{Topic: topic, Value: []byte("value")}).FirstErr(); err != nil {
			t.Fatal(err)
		}
		offsets := make(kadm.Offsets)
		offsets.AddOffset(topic, 0, int64(i+1), -1)
		if err := kadm.NewClient(p.client).CommitAllOffsets(ctx, "my-group", offsets); err != nil {
			t.Fatal(err)
		}
	}
	p.limit(t, 1)
	p.input.Close()
	var said string
	for p.lines.Scan() {
		said += p.lines.Text() + "\n"
	}
	if err := p.Wait(); err != nil {
		t.Errorf("the cluster ended by %v", err)
	}
	wantWords(t, said, "warning:", dir, "Acknowledged records and committed offsets are there")

	again := startProcess(t, dir)
	adm := kadm.NewClient(again.client)
	ends, err := adm.ListEndOffsets(ctx, topic)
	if err != nil {
		t.Fatal(err)
	}
	offsets, err := adm.FetchOffsets(ctx, "my-group")
	if err != nil {
		t.Fatal(err)
	}
	end, _ := ends.Lookup(topic, 0)
	commit, _ := offsets.Lookup(topic, 0)
	if end.Offset != 5 || commit.At != 5 {
		t.Errorf("%d records and the commit %d are there, want 5 and 5", end.Offset, commit.At)
	}
}

// A cluster that is killed while records are written and positions committed has
// each of them that was acknowledged, however often that happens. Its lock goes
// with the process.
func TestKilledAgainAndAgain(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	ctx := deadline(t)
	acknowledged := int64(0)
	committed := int64(-1)
	for round := range 4 {
		p := startProcess(t, dir, kgo.DisableIdempotentWrite(), kgo.RecordRetries(0))
		adm := kadm.NewClient(p.client)
		ends, err := adm.ListEndOffsets(ctx, topic)
		if err != nil {
			t.Fatal(err)
		}
		end, _ := ends.Lookup(topic, 0)
		if end.Offset < acknowledged {
			t.Errorf("round %d: %d records are there, %d were acknowledged", round, end.Offset, acknowledged)
		}
		offsets, err := adm.FetchOffsets(ctx, "my-group")
		if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
			t.Fatal(err)
		}
		if o, _ := offsets.Lookup(topic, 0); committed >= 0 && o.At < committed {
			t.Errorf("round %d: the commit is %d, want %d", round, o.At, committed)
		}
		kill := time.AfterFunc(300*time.Millisecond, func() { p.Process.Kill() })
		for {
			short, cancel := context.WithTimeout(ctx, 2*time.Second)
			r, err := p.client.ProduceSync(short, &kgo.Record{Topic: topic, Value: []byte("value")}).First()
			if err == nil {
				acknowledged = r.Offset + 1
				offsets := make(kadm.Offsets)
				offsets.AddOffset(topic, 0, acknowledged, -1)
				err = adm.CommitAllOffsets(short, "my-group", offsets)
			}
			if err == nil {
				committed = acknowledged
			}
			cancel()
			if err != nil {
				break
			}
		}
		kill.Stop()
		p.Process.Kill()
		p.Wait()
		p.client.Close()
		for p.lines.Scan() {
			t.Errorf("round %d: said: %s", round, p.lines.Text())
		}
	}
	if acknowledged == 0 || committed < 0 {
		t.Error("nothing was written")
	}
}
