//go:build !race

package lab

// raceDetector tells that the tests run with -race: then the programs do too.
const raceDetector = false
