package testkit

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"testing"
)

// Main runs the tests of a package, then what is to be closed after them. It
// lets more tests run at once than there are processors: they mostly wait, for
// records that come one after the other and for sessions to time out.
func Main(m *testing.M, after ...func() error) { MainOf(m, 6, after...) }

// MainOf is Main with another number of tests that run at once.
func MainOf(m *testing.M, atOnce int, after ...func() error) {
	status, err := run(m, atOnce)
	if err != nil {
		fmt.Fprintln(os.Stderr, "running the tests:", err)
		status = 1
	}
	for _, f := range after {
		if err := f(); err != nil {
			fmt.Fprintln(os.Stderr, "after the tests:", err)
			status = 1
		}
	}
	os.Exit(status)
}

func run(m *testing.M, atOnce int) (status int, err error) {
	flag.Parse()
	if err := flag.Set("test.parallel", strconv.Itoa(atOnce)); err != nil {
		return 1, fmt.Errorf("letting them run side by side: %w", err)
	}
	inMain = true
	status = m.Run()
	if buildsDir == "" {
		return status, nil
	}
	return status, os.RemoveAll(buildsDir)
}
