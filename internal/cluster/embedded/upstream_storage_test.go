package embedded

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// These tests show faults of kfake that this package mends (UPSTREAM.md). They
// fail when kfake no longer has them: then the mending can go.

const mended = "kfake has mended this: see UPSTREAM.md for what can go here"

// bare starts kfake as it is on a data folder, and a client of it that writes
// records into batches of their own.
func bare(t *testing.T, dir string) (*kfake.Cluster, *kgo.Client) {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, topic), kfake.DataDir(dir))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return c, cl
}

func commitTo(ctx context.Context, t *testing.T, cl *kgo.Client, group string) {
	t.Helper()
	offsets := make(kadm.Offsets)
	offsets.AddOffset(topic, 0, 1, -1)
	if err := kadm.NewClient(cl).CommitAllOffsets(ctx, group, offsets); err != nil {
		t.Fatal(err)
	}
}

func hasCommit(ctx context.Context, t *testing.T, cl *kgo.Client, group string) bool {
	t.Helper()
	offsets, err := kadm.NewClient(cl).FetchOffsets(ctx, group)
	if errors.Is(err, kerr.GroupIDNotFound) {
		return false
	}
	if err != nil {
		t.Fatal(err)
	}
	o, ok := offsets.Lookup(topic, 0)
	return ok && o.At == 1
}

func TestUpstreamEmptyPartition(t *testing.T) {
	t.Parallel()
	dir, ctx := t.TempDir(), deadline(t)
	c, cl := bare(t, dir)
	writeAged(ctx, t, cl, topic, 0, 0)
	if err := c.DeleteRecords(topic, 0, -1); err != nil {
		t.Fatal(err)
	}
	c.Close()
	c, _ = bare(t, dir)
	if p := c.PartitionInfo(topic, 0); p.HighWatermark != 0 {
		t.Errorf("the end is %d: %s", p.HighWatermark, mended)
	}
}

func TestUpstreamFailedWrites(t *testing.T) {
	t.Parallel()
	dir, ctx := t.TempDir(), deadline(t)
	c, cl := bare(t, dir)
	// A folder in the place of the file: nobody can write to it.
	for _, name := range []string{"groups.log", "topics.json.tmp"} {
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	offsets := make(kadm.Offsets)
	offsets.AddOffset(topic, 0, 1, -1)
	if err := kadm.NewClient(cl).CommitAllOffsets(ctx, "my-group", offsets); err != nil {
		t.Errorf("a commit that can't be kept: %v: %s", err, mended)
	}
	if err := c.CreateTopic("another", 1, nil); err != nil {
		t.Errorf("a topic that can't be kept: %v: %s", err, mended)
	}
}

func TestUpstreamTornLog(t *testing.T) {
	t.Parallel()
	dir, ctx := t.TempDir(), deadline(t)
	c, cl := bare(t, dir)
	commitTo(ctx, t, cl, "before")
	dir = killed(t, dir)
	c.Close()
	path := filepath.Join(dir, "groups.log")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(raw, raw[:30]...), 0o644); err != nil {
		t.Fatal(err)
	}
	c, cl = bare(t, dir)
	commitTo(ctx, t, cl, "after")
	dir = killed(t, dir)
	c.Close()
	_, cl = bare(t, dir)
	if hasCommit(ctx, t, cl, "after") {
		t.Error("a commit behind a torn entry is there: " + mended)
	}
}

func TestUpstreamDamagedSegment(t *testing.T) {
	t.Parallel()
	dir, ctx := t.TempDir(), deadline(t)
	c, cl := bare(t, dir)
	writeAged(ctx, t, cl, topic, make([]time.Duration, 10)...)
	c.Close()
	path := filepath.Join(dir, "partitions", topic+"-0", "0.dat")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	clear(raw[len(raw)/2+30 : len(raw)/2+60])
	if err := os.WriteFile(path, raw, 0o644); err != nil {
		t.Fatal(err)
	}
	c, err = kfake.NewCluster(kfake.NumBrokers(1), kfake.DataDir(dir))
	if err != nil {
		t.Fatalf("%v: %s", err, mended)
	}
	defer c.Close()
	if p := c.PartitionInfo(topic, 0); p.HighWatermark >= 10 {
		t.Errorf("the end is %d: %s", p.HighWatermark, mended)
	}
}

func TestUpstreamMissingMeta(t *testing.T) {
	t.Parallel()
	dir, ctx := t.TempDir(), deadline(t)
	c, cl := bare(t, dir)
	writeAged(ctx, t, cl, topic, 0)
	c.Close()
	if err := os.Remove(filepath.Join(dir, "meta.json")); err != nil {
		t.Fatal(err)
	}
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.DataDir(dir))
	if err != nil {
		t.Fatalf("%v: %s", err, mended)
	}
	defer c.Close()
	if c.TopicInfo(topic) != nil {
		t.Error("the topic is there: " + mended)
	}
}

func TestUpstreamNoLock(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	bare(t, dir)
	c, err := kfake.NewCluster(kfake.DataDir(dir))
	if err != nil {
		t.Fatalf("%v: %s", err, mended)
	}
	c.Close()
}

func TestUpstreamRetention(t *testing.T) {
	t.Parallel()
	c, cl := bare(t, t.TempDir())
	writeAged(deadline(t), t, cl, topic, 0, 365*day, 0)
	c.ApplyRetention()
	if p := c.PartitionInfo(topic, 0); p.LogStartOffset == 0 {
		t.Error("an old record leaves the fresh one before it: " + mended)
	}
}

func TestUpstreamRetentionOfCompacted(t *testing.T) {
	t.Parallel()
	c, cl := bare(t, t.TempDir())
	if err := c.CreateTopic("state", 1, map[string]string{"cleanup.policy": "compact"}); err != nil {
		t.Fatal(err)
	}
	writeAged(deadline(t), t, cl, "state", 365*day, 365*day)
	c.ApplyRetention()
	if p := c.PartitionInfo("state", 0); p.LogStartOffset == 0 {
		t.Error("a compacted topic keeps its records: " + mended)
	}
}
