//go:build !linux

package apache

import "testing"

func testLoopback(t *testing.T, _ *Cluster) {
	t.Skip("which process listens where can only be read on Linux")
}
