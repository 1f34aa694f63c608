package testkit

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

// Main runs the tests of a package, then what is to be closed after them. It
// lets more tests run at once than there are processors: they mostly wait, for
// records that come one after the other and for sessions to time out.
func Main(m *testing.M, after ...func() error) {
	flag.Parse()
	if err := flag.Set("test.parallel", "6"); err != nil {
		fmt.Fprintln(os.Stderr, "running tests side by side:", err)
		os.Exit(1)
	}
	status := m.Run()
	for _, f := range after {
		if err := f(); err != nil {
			fmt.Fprintln(os.Stderr, "after the tests:", err)
			status = 1
		}
	}
	os.Exit(status)
}
