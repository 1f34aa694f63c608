package main

import (
	"fmt"
	"math"
	"path"
	"slices"
	"strings"
)

// The verdicts.
const (
	still    = "still true"
	half     = "half true"
	noLonger = "no longer true"
	untested = "not testable here"
)

// moreThan is the ratio from which something measured counts as more.
const moreThan = 1.15

// A Claim is a sentence of the introduction, and what became of it.
type Claim struct {
	About    string
	Sentence string
	Test     string            // how it is tested, and what that counts and leaves out
	Measured map[string]string // by client
	Verdict  string
	Because  string
}

// claims judges every checkable sentence, in the order of the introduction.
func (r Results) claims() []Claim {
	each := func(f func(name string) string) map[string]string {
		out := make(map[string]string)
		for _, name := range names() {
			out[name] = f(name)
		}
		return out
	}
	surface := func(f func(c Counted) string) map[string]string {
		return each(func(n string) string { return f(r.Counted[n]) })
	}
	flow := func(f func(c Counted, l *Flow) string) map[string]string {
		return each(func(n string) string {
			c := r.Counted[n]
			if c.Flow == nil {
				return "its flow isn't there"
			}
			return f(c, c.Flow)
		})
	}
	run := func(side Side, name string) (Run, bool) { one, ok := r.Runs[side][name]; return one, ok }
	both := func(format string, f func(Run) float64) map[string]string {
		return each(func(n string) string {
			w, ok := run(Produce, n)
			if !ok {
				return "not measured"
			}
			c, _ := run(Consume, n)
			return fmt.Sprintf("writing "+format+", reading "+format, f(w), f(c))
		})
	}
	kafkaGo, sarama, confluent, goka := r.Counted["kafka-go"], r.Counted["sarama"], r.Counted["confluent-kafka-go"], r.Counted["goka"]
	share := func(c Counted) float64 { return 100 * float64(c.Surface.Documented) / float64(c.Surface.Names) }
	perMillion := fmt.Sprintf("%s records of %d bytes, one call a record, in a process of its own, with the matched settings; mean of two runs", thousands(r.RunRecords), valueSize)

	var claims []Claim
	add := func(about, sentence, test string, measured map[string]string, verdict, because string, args ...any) {
		claims = append(claims, Claim{about, sentence, test, measured, verdict, fmt.Sprintf(because, args...)})
	}

	// kafka-go
	verdict := noLonger
	if kafkaGo.Surface.ProtocolTypes > 0 && kafkaGo.Flow != nil && kafkaGo.Flow.Calls != nil {
		verdict = still
	}
	add("kafka-go", "provides both low and high level APIs",
		"Low level: exported types that are requests or responses of the protocol, by their names. High level: the calls that the flow of this tutorial needs. franz-go has the requests in a package of its own, kmsg, which isn't counted.",
		flow(func(c Counted, f *Flow) string {
			return fmt.Sprintf("%s; the flow needs %s", plural(c.Surface.ProtocolTypes, "request and response type", "request and response types"), plural(len(f.Calls), "waiting call", "waiting calls"))
		}), verdict, "Both are there: a `Client` with a type for each request, and `Writer` and `Reader`.")

	ioNet := func(c Counted) []string {
		var out []string
		for _, i := range c.Surface.Interfaces {
			if strings.HasPrefix(i, "io.") || strings.HasPrefix(i, "net.") {
				out = append(out, i)
			}
		}
		return out
	}
	highLevel := highLevelInterfaces(kafkaGo)
	verdict = noLonger
	if len(ioNet(kafkaGo)) > 0 {
		verdict = still
		if slices.Equal(highLevel, []string{"io.Closer"}) {
			verdict = half
		}
	}
	add("kafka-go", "mirrors concepts and implements interfaces of the Go standard library",
		"Interfaces of the standard library (20 packages) that exported types implement by go/types. `error`, `fmt.Stringer` and types for tests aren't counted.",
		surface(func(c Counted) string {
			return fmt.Sprintf("%d, of them %d of io and net", len(c.Surface.Interfaces), len(ioNet(c)))
		}), verdict, "The low-level `Conn` is a `net.Conn`, an `io.Reader`, an `io.Seeker` and more. Of `Writer` and `Reader`, which you use, it is %s.", strings.Join(highLevel, ", "))

	// sarama
	add("sarama", "is by far the most popular",
		"Popularity can't be computed from sources, and no source offline dates it for all five. Look it up: the stars on GitHub and \"Imported by\" on pkg.go.dev. What is here instead is activity, from copies of the git histories; bots aren't counted as authors.",
		each(func(n string) string {
			h := histories[n]
			return fmt.Sprintf("%d commits by %d people in the year to %s", h.Commits, h.Authors, h.Last)
		}), untested, "What can be said: in that year sarama had %d commits, kafka-go %d, franz-go %d.",
		histories["sarama"].Commits, histories["kafka-go"].Commits, histories["franz-go"].Commits)

	verdict, because := untested, "Its flow isn't there."
	if sarama.Flow != nil && kafkaGo.Flow != nil {
		more := 0
		if sarama.Flow.Code > kafkaGo.Flow.Code {
			more++
		}
		if len(sarama.Flow.Names) > len(kafkaGo.Flow.Names) {
			more++
		}
		verdict = []string{noLonger, half, still}[more]
		because = fmt.Sprintf("What can be counted of it: the same flow takes %d lines of code and %d names with sarama, %d and %d with kafka-go.",
			sarama.Flow.Code, len(sarama.Flow.Names), kafkaGo.Flow.Code, len(kafkaGo.Flow.Names))
	}
	add("sarama", "is quite difficult to work with",
		"The program of each client that creates the topic, writes and reads: its lines that hold code, and the distinct exported names of the client that it uses (functions, types, methods, fields). Whether a name is easy to find isn't counted.",
		flow(func(_ Counted, f *Flow) string {
			return fmt.Sprintf("%d lines of code, %d names", f.Code, len(f.Names))
		}), verdict, "%s", because)

	verdict = noLonger
	if share(sarama) < share(kafkaGo) {
		verdict = still
	} else if share(sarama) < share(confluent) {
		verdict = half
	}
	add("sarama", "is poorly documented",
		"The share of exported names (functions, types, methods, constants, variables) that have a comment, and the examples that the documentation shows. What the comments say, and documentation elsewhere, isn't counted.",
		surface(func(c Counted) string {
			return fmt.Sprintf("%.0f %% of %d names; %s", share(c), c.Surface.Names, plural(c.Surface.Examples, "example", "examples"))
		}), verdict, "sarama documents %.0f %% of its names, confluent-kafka-go %.0f %%, and kafka-go itself %.0f %%.",
		share(sarama), share(confluent), share(kafkaGo))

	verdict = noLonger
	if sarama.Surface.ProtocolTypes > 0 {
		verdict = still
	}
	add("sarama", "exposes low level concepts of the Kafka protocol",
		"Exported types with Request or Response in their names, and the names in the flow that are such.",
		flow(func(c Counted, f *Flow) string {
			return fmt.Sprintf("%s; %d in the flow", plural(c.Surface.ProtocolTypes, "type", "types"), len(f.Protocol))
		}), verdict, "So does kafka-go, with %d. The flow needs %s of sarama's.", kafkaGo.Surface.ProtocolTypes, protocolInFlow(sarama))

	contexts := surface(func(c Counted) string {
		s := fmt.Sprintf("%d of %d", c.Surface.Context, c.Surface.Blocking)
		if c.Surface.Timeout > 0 {
			s += fmt.Sprintf(", and %d take a time limit", c.Surface.Timeout)
		}
		if c.Flow != nil {
			s += fmt.Sprintf("; in the flow %d of %d", len(c.Flow.Context), len(c.Flow.Calls))
		}
		return s
	})
	contextTest := "Exported functions and methods that may wait (for a channel, another goroutine, a time or the network, by a search through the calls in their source), and how many of them take a context. A call through a function value isn't followed, a lock isn't counted; for C the timeout in librdkafka's declaration counts."
	add("sarama", "doesn't support recent Go features like contexts", contextTest, contexts, contextVerdict(sarama),
		"%s", contextBecause("sarama", sarama))

	verdict = noLonger
	if strings.Contains(sarama.Write, "*ProducerMessage") && strings.Contains(sarama.Read, "*ConsumerMessage") {
		verdict = still
	}
	add("sarama", "passes all values as pointers",
		"The types of the function that a record is handed to, and of the one that it comes out of.",
		surface(func(c Counted) string { return "`" + c.Write + "`, `" + c.Read + "`" }), verdict,
		"So do others. What follows from it, the next three rows measure.")

	compare := func(f func(Run) float64, more string) (verdict, because string) {
		sw, ok := run(Produce, "sarama")
		if !ok {
			return untested, "It wasn't measured."
		}
		sr, _ := run(Consume, "sarama")
		kw, _ := run(Produce, "kafka-go")
		kr, _ := run(Consume, "kafka-go")
		n := 0
		for _, pair := range [][2]float64{{f(sw), f(kw)}, {f(sr), f(kr)}} {
			if pair[0] > moreThan*pair[1] {
				n++
			}
		}
		return []string{noLonger, half, still}[n], fmt.Sprintf("sarama's, divided by kafka-go's: %.2f writing, %.2f reading. %s", f(sw)/f(kw), f(sr)/f(kr), more)
	}
	allocations := func(r Run) float64 { return r.Allocations }
	verdict, because = compare(allocations, "What a client allocates beside the message decides, not the pointer.")
	add("sarama", "causes large numbers of dynamic memory allocations",
		"Allocations of Go, a record: "+perMillion+". What C allocates isn't in it. kafka-go's figure is for a call a record, as in the introduction's listing: a call with many records allocates less.",
		both("%.1f", allocations), verdict, "%s", because)
	collections := func(r Run) float64 { return r.Collections }
	verdict, because = compare(collections, "")
	add("sarama", "causes more frequent garbage collections",
		"Collections of Go, a million records, in the same runs: with few other objects in memory a collection comes early. Here and in the rows beside it, less than 15 % more counts as the same.",
		both("%.0f", collections), verdict, "%s", strings.TrimSpace(because))
	memory := func(r Run) float64 { return r.PeakMB }
	verdict, because = compare(memory, fmt.Sprintf("About %.0f MB are the idle process.", idle(r.Runs)))
	add("sarama", "causes higher memory usage",
		"The most memory that the process had in the same runs, in MB: Linux counts it for the whole process, C's part included (VmHWM). It holds the program itself, and up to 20,000 records in hand.",
		both("%.0f MB", memory), verdict, "%s", because)

	// confluent-kafka-go
	cgo := flow(func(_ Counted, f *Flow) string {
		if f.C == nil {
			return "no cgo"
		}
		var packages []string
		for _, p := range f.C {
			packages = append(packages, path.Base(p))
		}
		return "cgo in " + strings.Join(packages, ", ")
	})
	verdict = noLonger
	if confluent.Flow != nil && confluent.Flow.C != nil {
		verdict = still
	}
	add("confluent-kafka-go", "is a cgo based wrapper around librdkafka",
		"Packages with cgo among those that a build of the flow takes (go list, linux/amd64).", cgo, verdict,
		"It ships librdkafka compiled, so no C library has to be installed; a C compiler has to be.")

	verdict = noLonger
	if b, ok := r.Builds["confluent-kafka-go"]; ok && len(b.CrossBuilt) == 0 {
		verdict = still
	}
	add("confluent-kafka-go", "introduces a dependency to a C library on all Go code that uses the package",
		fmt.Sprintf("Building the smallest program with the client with CGO_ENABLED=0 for %s; the size of the flow's executable without symbols; the processor's seconds for building it with an empty cache, the standard library included; the modules and packages that come along.", strings.Join(platforms, ", ")),
		each(func(n string) string {
			b, ok := r.Builds[n]
			if !ok {
				return "not measured"
			}
			f := r.Counted[n].Flow
			if f == nil {
				return "its flow isn't there"
			}
			return fmt.Sprintf("without cgo %d of %d platforms; %.1f MB; %.0f s; %d modules, %d packages",
				len(b.CrossBuilt), len(platforms), b.SizeMB, b.ColdCPU, len(f.Modules), f.Packages)
		}), verdict, "Without cgo nothing that uses it builds, so there is no cross-compiling without a C compiler for the target.")

	verdict = noLonger
	if share(confluent) > share(sarama) {
		verdict = still
		if confluent.Surface.Examples < sarama.Surface.Examples {
			verdict = half
		}
	}
	add("confluent-kafka-go", "has much better documentation than sarama",
		"As in row 5. Its example programs lie in a folder of their repository that isn't part of the module, so they aren't counted.",
		surface(func(c Counted) string {
			return fmt.Sprintf("%.0f %%; %s", share(c), plural(c.Surface.Examples, "example", "examples"))
		}), verdict, "More of its names have a comment (%.0f %% against %.0f %%), and sarama has the examples (%d against %d).",
		share(confluent), share(sarama), sarama.Surface.Examples, confluent.Surface.Examples)

	add("confluent-kafka-go", "still lacks support for Go contexts", "As in row 7.", contexts, contextVerdict(confluent),
		"%s", contextBecause("confluent-kafka-go", confluent))

	// goka
	verdict = still
	newest := "goka"
	for _, n := range names() {
		if histories[n].First > histories[newest].First {
			newest, verdict = n, noLonger
		}
	}
	add("goka", "is a more recent Kafka client for Go",
		"The day of the first commit, from copies of the git histories (of the days in row 3).",
		each(func(n string) string { return histories[n].First }), verdict, "The most recent of the five is %s.", newest)

	verdict = half
	if goka.Surface.Places > sarama.Surface.Places || goka.Surface.Places > kafkaGo.Surface.Places {
		verdict = noLonger
	}
	add("goka", "uses Kafka as a message passing bus between services rather than an ordered log of events",
		"Exported functions and methods with Offset or Seek in their names: with them a program moves in the log. What a client is meant for can't be counted.",
		surface(func(c Counted) string { return plural(c.Surface.Places, "name", "names") }), verdict,
		"A processor takes what comes: there is little to move in the log with. But its tables are kept in Kafka as logs, and its maintainers call it stream processing with state, which the sentence leaves out.")

	verdict = noLonger
	if goka.Flow != nil && slices.Contains(goka.Flow.Modules, "github.com/IBM/sarama") && goka.Flow.OwnNet == nil {
		verdict = still
	}
	add("goka", "depends on sarama for all interactions with Kafka",
		"Whether sarama is among the modules of the flow, and how many packages of the client's own module import net.",
		flow(func(_ Counted, f *Flow) string {
			s := "without sarama"
			if slices.Contains(f.Modules, "github.com/IBM/sarama") {
				s = "with sarama"
			}
			return s + "; " + plural(len(f.OwnNet), "own package imports net", "own packages import net")
		}), verdict, "No package of goka's own opens a connection.")

	// the listings
	if r.NewWriterIsOld {
		add("the producer", "kafka.NewWriter initializes the writer",
			"Whether the function is marked as deprecated.",
			map[string]string{"kafka-go": "deprecated"}, half, "It works. The literal that replaced it has other defaults: see below.")
	}
	add("the producer", "the key is used to decide which partition (and consequently, which broker) the message gets published on",
		"64 keys written with the client's defaults, and the hash that explains where they are.",
		each(func(n string) string {
			if n == "kafka-go" {
				return r.ProducerDefault["partitioner"][newWriter].Value
			}
			return orMissing(r.ProducerDefault["partitioner"][n].Value)
		}), half, "With kafka-go's defaults it decides nothing. With the other clients it does, but by three different hashes. In this tutorial's programs it does, as in Java's.")

	add("the consumer", "we need to specify its group ID when creating a consumer",
		"Each client reads one record from a topic without a group, or says that it can't.",
		each(func(n string) string { return orMissing(r.ConsumerDefault["reading without a group"][n].Value) }),
		half, "Only for clients that say so. kafka-go reads a partition without one, and then each reader gets everything.")

	verdict = still
	for _, c := range r.Crashes {
		if c.Repeated > 0 || c.Lost > 0 {
			verdict = half
		}
	}
	add("the consumer", "consumers of the same group don't get repeated messages; the group ID prevents receiving duplicate messages",
		fmt.Sprintf("A consumer with its defaults works 20 ms on each of %d records, is killed (-9) after two seconds, and another member goes on. Counted are records worked on twice and by none. The moment is chosen, so that the harm shows: in the middle of the work on a record, and well between two commits of those that commit each second. A kill at another moment repeats fewer, and may lose none.", crashRecords),
		each(func(n string) string {
			c, ok := r.Crashes[n]
			if !ok {
				return "not measured"
			}
			return fmt.Sprintf("%s repeated, %s lost", roughly(c.Repeated), roughly(c.Lost))
		}), half, "While all members run, each record goes to one of them. After a crash, what was worked on since the last commit comes again; kafka-go's ReadMessage commits first, and loses what it had in hand instead.")

	add("the consumer", "ReadMessage blocks until we receive the next event",
		"Whether the function that a record comes out of may wait, by the search through its calls.",
		map[string]string{"kafka-go": "may wait, and takes a context"}, still, "It also ends when its context does.")
	return claims
}

// highLevelInterfaces are those that kafka-go's Writer and Reader implement.
func highLevelInterfaces(c Counted) []string {
	var out []string
	for _, i := range c.Surface.Interfaces {
		name, types, _ := strings.Cut(strings.TrimSuffix(i, ")"), " (")
		for t := range strings.SplitSeq(types, ", ") {
			if (t == "Writer" || t == "Reader") && !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
	}
	return out
}

func protocolInFlow(c Counted) string {
	if c.Flow == nil || len(c.Flow.Protocol) == 0 {
		return "none"
	}
	return fmt.Sprint(len(c.Flow.Protocol))
}

// contextVerdict judges "doesn't support contexts".
func contextVerdict(c Counted) string {
	switch {
	case c.Surface.Context == 0:
		return still
	case c.Surface.Context == c.Surface.Blocking:
		return noLonger
	}
	return half
}

func contextBecause(name string, c Counted) string {
	s := fmt.Sprintf("%d of %s's %d functions that may wait take a context", c.Surface.Context, name, c.Surface.Blocking)
	if c.Flow == nil {
		return s + "."
	}
	if len(c.Flow.Context) == 0 {
		return s + "; of those that the flow needs, none."
	}
	return s + "; of those that the flow needs: " + strings.Join(c.Flow.Context, ", ") + "."
}

func idle(runs Runs) float64 {
	var sum, n float64
	for _, side := range runs {
		for _, r := range side {
			sum, n = sum+r.IdleMB, n+1
		}
	}
	return math.Round(sum / max(n, 1))
}

// roughly tells a number that differs from run to run.
func roughly(n int) string {
	if n < 10 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("about %d", (n+5)/10*10)
}

// thousands writes a number with commas.
func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}

func orMissing(s string) string {
	if s == "" {
		return "not measured"
	}
	return s
}
