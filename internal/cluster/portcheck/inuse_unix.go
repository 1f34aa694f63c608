//go:build unix

package portcheck

import "syscall"

const errInUse = syscall.EADDRINUSE
