package main

import (
	"fmt"
	"slices"
	"strings"
)

// contest orders the matched clients by a figure, the best first.
func (r Results) contest(task Task, f func(Measure) float64, more bool) []string {
	value := make(map[string]float64)
	var names []string
	for _, n := range clientNames() {
		if c := r.find(task, base, n, asMatched); c != nil {
			value[n], _, _ = c.median(f)
			names = append(names, n)
		}
	}
	slices.SortStableFunc(names, func(a, b string) int {
		switch {
		case value[a] == value[b]:
			return 0
		case (value[a] > value[b]) == more:
			return -1
		}
		return 1
	})
	return names
}

// leaders returns the best by a figure, and those that the rounds don't tell
// apart from it: whose median lies between its least and its most.
func (r Results) leaders(task Task, f func(Measure) float64, more bool) []string {
	order := r.contest(task, f, more)
	_, least, most := r.find(task, base, order[0], asMatched).median(f)
	leaders := order[:1]
	for _, n := range order[1:] {
		if median, _, _ := r.find(task, base, n, asMatched).median(f); median >= least && median <= most {
			leaders = append(leaders, n)
		}
	}
	return leaders
}

// renderChoice says which client leads where. It is made of the tables below,
// and of nothing else but what each client is.
func (r Results) renderChoice() string {
	var b strings.Builder
	b.WriteString("### Which one for you\n\nWhere two are named, the rounds don't tell them apart: the second's median lies between the least and the most of the first's.\n\n")
	if len(r.contest(Produce, rate, true)) < len(clientNames()) {
		return ""
	}
	line := func(who, why string, task Task, f func(Measure) float64, more bool, show func(float64) string) {
		var parts []string
		for _, n := range r.contest(task, f, more) {
			median, _, _ := r.find(task, base, n, asMatched).median(f)
			parts = append(parts, n+" "+show(median))
		}
		fmt.Fprintf(&b, "- **%s**: %s. %s: %s.\n", who, strings.Join(r.leaders(task, f, more), " or "), why, strings.Join(parts, ", "))
	}
	thousands := func(f float64) string { return short(f) }
	micro := func(f float64) string { return figure(f) + " µs" }
	line("You write as much as you can", "Records a second", Produce, rate, true, thousands)
	line("You read as much as you can", "Records a second, through a group, with commits", Consume, rate, true, thousands)
	line("You pay for processors, and write", "CPU a record", Produce, cpu, false, micro)
	line("You pay for processors, and read", "CPU a record", Consume, cpu, false, micro)
	line("Memory is short", "Peak of the writing process", Produce, func(m Measure) float64 { return m.PeakMB }, false, func(f float64) string { return figure(f) + " MB" })
	line("A record must be there soon", "Half of them within", Latency, p50, false, func(f float64) string { return figure(f) + " ms" })
	b.WriteString("- **A record must not be lost, or worked on by nobody**: that is a question for a bad day, and the rates above don't answer it. " +
		"[FAULTS.md](FAULTS.md) shows what each client lost, repeated and put out of order when brokers died, were paused and were cut off.\n\n")
	for _, n := range clientNames() {
		fmt.Fprintf(&b, "- **%s**: %s\n", n, character[n])
	}
	return b.String()
}

// character is what no table of rates shows; the tables above test it.
var character = map[string]string{
	"kafka-go":           "Its API is the smallest step from the standard library's; its Writer can't be idempotent, and as a literal it waits for no acknowledgement and a second for company until you set both.",
	"sarama":             "It shows the most of the protocol, and has two channels that must be read; when it is idempotent, a broker gets one request at a time.",
	"confluent-kafka-go": "It behaves like Kafka's other clients in C, Python and .NET; it needs cgo, and takes no contexts where records flow.",
	"goka":               "Take it for tables and groups that keep state, not for rates: it brings sarama's costs and its own.",
	"franz-go":           "It is Go alone, is idempotent by itself, and takes a context wherever records flow.",
}

// whyNotTheLimit says what keeps each client from the limit, as its profile shows.
var whyNotTheLimit = map[string]string{
	"kafka-go":           "What keeps it from the limit: each record becomes a Message in an array that is made anew for each batch, and a request of its own for the topic's metadata; when it receives, each record passes a channel.",
	"sarama":             "What keeps it from the limit: a record passes one channel after another, from goroutine to goroutine, and its acknowledgement one more; when it receives, each record passes two.",
	"confluent-kafka-go": "What keeps it from the limit: each record crosses from Go to C when it is handed over, and its report crosses back, while a map with a lock remembers which is whose; a record that is received crosses too, and is copied.",
	"goka":               "What keeps it from the limit: it goes all of sarama's way, and adds a promise with its callbacks to each record; when it receives, each record gets a context of its own and one goroutine more.",
	"franz-go":           "What keeps it from the limit: a few locks and one pass of the encoder a record are left of its own; beside them the collector, and the waiting for brokers that hold three copies.",
}

// renderProfiles says where each client's time goes.
func (r Results) renderProfiles() string {
	if len(r.Shares) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("### Where the time goes\n\nEach client was profiled once, writing and receiving 100 B with matched settings, on the embedded cluster (Apache Kafka, where it can be started, without -embedded). Shares of its process's time on processors, by what the function at the top of the stack does. Receiving all that the embedded cluster keeps takes a fraction of a second, so its shares are coarse:\n\n")
	b.WriteString("```\ngo run ./04-comparison/bench -profile profiles -embedded -write\ngo tool pprof -top profiles/kafka-go-produce.pprof\n```\n\n")
	b.WriteString(renderShares(r.Shares) + "\n")
	for _, n := range clientNames() {
		fmt.Fprintf(&b, "- **%s** spends most of its writing in", n)
		s := r.Shares[n+", produce"]
		for i, k := range s.biggest(2) {
			if i > 0 {
				b.WriteString(" and")
			}
			fmt.Fprintf(&b, " %s (%.0f %%)", k, s[k])
		}
		s = r.Shares[n+", consume"]
		k := s.biggest(1)[0]
		fmt.Fprintf(&b, ", and of its receiving in %s (%.0f %%). %s\n", k, s[k], whyNotTheLimit[n])
	}
	return b.String()
}
