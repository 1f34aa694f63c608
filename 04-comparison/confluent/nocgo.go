//go:build !cgo

package main

import (
	"fmt"
	"os"
)

// main stands in for the program where it can't be built.
func main() {
	fmt.Fprintln(os.Stderr, "error: confluent-kafka-go is librdkafka, a C library: "+
		"it takes a C compiler (gcc or clang) and CGO_ENABLED=1")
	os.Exit(1)
}
