// Command claims tests the sentences with which kafka-go's introduction compared
// itself with other clients, reads or provokes each client's defaults, and shows
// what each client says to bad input.
//
// Usage:
//
//	go run ./04-comparison/claims            measures, and prints the tables
//	go run ./04-comparison/claims -write     also puts them into 04-comparison/README.md
//	go run ./04-comparison/claims -tables    counts the sources again, and makes the README's tables
//	                                         again with what was measured before
//
// It needs about four minutes, the longest part of them for builds with an
// empty cache (-cold=false keeps the committed figures instead).
package main

import (
	"kafka-with-go/internal/laboratory/claims"
	"kafka-with-go/internal/laboratory/kit"
)

func main() { kit.Main(claims.Command, "nothing is kept") }
