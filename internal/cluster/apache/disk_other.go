//go:build !linux

package apache

import "errors"

// FillDisk needs Linux, where the files of a running process can be limited.
func (c *Cluster) FillDisk(int) error {
	return errors.New("filling a broker's disk needs Linux")
}
