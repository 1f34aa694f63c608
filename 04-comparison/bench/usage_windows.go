package main

import (
	"os"
	"time"

	"golang.org/x/sys/windows"
)

// processorTime returns what all the threads of this process have used, C's included.
func processorTime() time.Duration {
	var created, exited, kernel, user windows.Filetime
	if err := windows.GetProcessTimes(windows.CurrentProcess(), &created, &exited, &kernel, &user); err != nil {
		return 0
	}
	ticks := func(t windows.Filetime) int64 { return int64(t.HighDateTime)<<32 | int64(t.LowDateTime) }
	return time.Duration((ticks(kernel) + ticks(user)) * 100)
}

// peakMB isn't read on Windows: its column says so.
func peakMB() float64 { return 0 }

func peakOf(*os.ProcessState) float64 { return 0 }
