// Command claims tests the sentences with which kafka-go's introduction compared
// itself with other clients, reads or provokes each client's defaults, and shows
// what each client says to bad input.
//
// Usage:
//
//	go run ./04-comparison/claims            measures, and prints the results
//	go run ./04-comparison/claims -write     also puts them into HISTORY.md and DEFAULTS.md
//	go run ./04-comparison/claims -tables    counts the sources again, and makes both pages again
//	                                         with what was measured before
//
// It says how long it takes, which is about four minutes. Ctrl-C keeps the rounds that
// were measured, and the same command goes on with the rest on the same day, unless it
// is told to begin anew (-fresh).
package main

import (
	"kafka-with-go/internal/laboratory/claims"
	"kafka-with-go/internal/laboratory/kit"
)

func main() {
	kit.Main(claims.Command,
		"what was measured is kept for today: the same command goes on with the rest, "+
			"and -fresh begins anew")
}
