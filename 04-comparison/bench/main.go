// Command bench measures the five clients on the same brokers, each in a
// process of its own and in turn, round by round: how fast they write and
// receive, how long a record takes, and what that costs. Beside them are
// Kafka's own tools, in Java, and what the machine could do without Kafka.
//
// Usage:
//
//	go run ./04-comparison/bench              measures, and prints the tables
//	go run ./04-comparison/bench -write       also keeps what was measured, and makes
//	                                          04-comparison/BENCHMARK.md: half an hour
//	go run ./04-comparison/bench -tables      makes tables and charts again from what was kept
//	go run ./04-comparison/bench -quick       is done within a minute, on the embedded cluster
//	go run ./04-comparison/bench -profile d   profiles each client once, into the folder d
//
// It starts Apache Kafka where Java and Kafka's jars are (KAFKA_JARS), uses the
// brokers that -brokers names, or else runs on the embedded cluster. Ctrl-C
// ends it, and leaves no topic behind; with -write the same command goes on
// with what was measured until then, unless -fresh forgets it.
package main

import (
	"kafka-with-go/internal/laboratory/bench"
	"kafka-with-go/internal/laboratory/kit"
)

func main() { kit.Main(bench.Command, "the topics of the benchmark are deleted") }
