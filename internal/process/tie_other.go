//go:build unix && !linux

package process

import "syscall"

// tieToParent does nothing: only Linux can end a program when its parent is killed.
func tieToParent(*syscall.SysProcAttr) {}
