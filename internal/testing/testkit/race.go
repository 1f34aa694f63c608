//go:build race

package testkit

// RaceDetector tells that the tests run with -race: then the programs do too.
const RaceDetector = true
