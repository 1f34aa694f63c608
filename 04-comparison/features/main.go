// Command features executes what decides for or against each client: transactions, kinds of
// groups, who may connect, codecs, administration, and what comes with its module.
//
// Usage:
//
//	go run ./04-comparison/features            executes each cell, and prints the matrix
//	go run ./04-comparison/features -write     also keeps what was found, and makes FEATURES.md
//	                                           and the matrix in README.md
//	go run ./04-comparison/features -rows SASL executes only the rows whose names match
//	go run ./04-comparison/features -tables    makes these pages again with what was found before
//
// It needs a minute or two, and no other cluster: its brokers are in this process.
package main

import (
	"kafka-with-go/internal/laboratory/features"
	"kafka-with-go/internal/laboratory/kit"
)

func main() { kit.Main(features.Command, "nothing is kept") }
