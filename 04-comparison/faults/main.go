// Command faults kills, pauses and cuts off brokers and programs while Kafka
// clients write and read, and counts what was lost, repeated and put out of order:
// with each client as its own first example shows it, with each made safe, and with
// the programs of this tutorial.
//
// Usage:
//
//	go run ./04-comparison/faults             runs every drill, and prints the tables
//	go run ./04-comparison/faults -quick      a few drills, one round
//	go run ./04-comparison/faults -clients sarama -drills leader-paused
//	go run ./04-comparison/faults -control    each way alone on the brokers, in a few drills
//	go run ./04-comparison/faults -write      keeps the results beside this program, and makes
//	                                          FAULTS.md and FAULTS-NUMBERS.md; also with -control
//	go run ./04-comparison/faults -tables     makes tables and chart again from what was kept
//	go run ./04-comparison/faults -recount    judges the kept histories again, and does the same
//
// It starts three brokers of Apache Kafka on free ports, which takes Java and Kafka's
// jars (KAFKA_JARS); with -docker it uses the brokers of docker-compose.yml, after asking,
// and with -embedded the embedded cluster, which can't lose a record when a broker dies.
// Each result is kept when it is there, and beside it its history. A run that was stopped
// goes on where it was. Ctrl-C ends it, and everything that it started.
package main

import (
	"kafka-with-go/internal/laboratory/faults"
	"kafka-with-go/internal/laboratory/kit"
)

func main() {
	kit.Main(faults.Command, "what was measured is kept, and the same command goes on from there")
}
