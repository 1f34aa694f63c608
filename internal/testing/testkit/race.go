//go:build race

package testkit

// raceDetector tells that the tests run with -race: then the programs do too.
const raceDetector = true
