package board

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"kafka-with-go/internal/testing/testkit"
)

// A group of the new protocol and a share group are shown as a classic one is,
// with what each of them is; a share group's members may share a partition, and
// its lag is what the cluster counts.
func TestPageShowsEachKindOfGroup(t *testing.T) {
	t.Parallel()
	onEachCluster(t, func(t *testing.T, p *place) {
		p.create(t, 1)
		p.write(t, numbered(10)...)
		classic, modern, share := p.group, p.group+"-new", p.group+"-share"
		testkit.ShareFromStart(t, p.addrs, share)
		p.consume(t, classic, 1, 0, p.topic)
		p.consumeWith(t, modern, kgo.ConsumerGroup(modern), kgo.ServerSideBalancer(), kgo.Balancers(kgo.RangeBalancer()))
		p.consumeWith(t, share, kgo.ShareGroup(share))
		p.consumeWith(t, share+"-too", kgo.ShareGroup(share))
		page := p.open(t)
		page.untilSeen("three groups that have read everything", func(s shown) bool {
			// Apache Kafka may have groups of other tests besides.
			for name, members := range map[string]int{classic: 1, modern: 1, share: 2} {
				g := s.group(name)
				if g == nil || len(g.Members) != members || g.State != "Stable" || g.Lag != "0" {
					return false
				}
			}
			return true
		})
		// Both members of the share group have the partition, and a chip says so.
		page.until("it is said what they are", fmt.Sprintf(`
			[[%q, "classic", "", "classic protocol"], [%q, "consumer", "new protocol, stable", "KIP-848"], [%q, "share", "share group, stable", "queue"]].every(([name, kind, state, words]) => {
				const group = [...document.querySelectorAll(".group")].find((n) => n.dataset.group === name);
				const said = group.querySelector(".gstate");
				return group.dataset.kind === kind && said.textContent.startsWith(state) && said.title.includes(words);
			})`, classic, modern, share))
		page.until("two members share the partition", fmt.Sprintf(`
			[...document.querySelectorAll(".owner")].some((n) => n.dataset.group === %q && n.querySelector(".chip").textContent.endsWith(" +1") &&
				n.title.includes("share partition 0") && n.dataset.lag === "0")`, share))
		page.settle()
		page.save("kinds-" + p.kind())
	})
}

// consumeWith adds a member to a group of any kind, which reads until the test ends.
func (p *place) consumeWith(t testing.TB, clientID string, group ...kgo.Opt) {
	t.Helper()
	client := testkit.Client(t, p.addrs, append(group,
		kgo.ClientID(clientID),
		kgo.ConsumeTopics(p.topic),
		kgo.AutoCommitInterval(300*time.Millisecond),
		kgo.FetchMaxWait(200*time.Millisecond), // A share group's member acknowledges with its next fetch.
	)...)
	go func() {
		for !client.PollFetches(t.Context()).IsClientClosed() && t.Context().Err() == nil {
		}
	}()
}

// A group that stands beyond a log's end is told once; one that only commits
// records which the page hasn't got yet is not.
func TestBeyondTheEndIsTold(t *testing.T) {
	t.Parallel()
	p := onEmbedded(t)
	p.create(t, 2)
	p.write(t, numbered(3)...)
	page := p.open(t)
	page.untilSeen("the records", func(s shown) bool { return records(s) == 3 })
	adm := kadm.NewClient(testkit.Client(t, p.addrs))
	var beyond kadm.Offsets
	beyond.AddOffset(p.topic, 1, 100, -1)
	if err := adm.CommitAllOffsets(testkit.Deadline(t), p.group, beyond); err != nil {
		t.Fatal(err)
	}
	const told = " stands beyond the end of partition 1: it may skip the records that come before offset 100."
	s := page.untilSeen("a line about it", func(s shown) bool { return s.event(p.group + told) })
	count := 0
	for _, e := range s.Events {
		if strings.Contains(e, "stands beyond") {
			count++
		}
	}
	if count != 1 {
		t.Errorf("it is told %d times", count)
	}
}
