package kit

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
)

// Today is the date that is kept with results.
func Today() string { return time.Now().Format("2 January 2006") }

// Machine describes this computer.
func Machine() string {
	model := ""
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
				model = " (" + strings.TrimSpace(value) + ")"
				break
			}
		}
	}
	return fmt.Sprintf("%s/%s with %d processors%s", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), model)
}

// JavaVersion is the first line of what java says of itself, or "" without Java.
func JavaVersion() string {
	output, err := exec.Command("java", "-version").CombinedOutput()
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(output), "\n")
	return strings.TrimSpace(strings.ReplaceAll(line, `"`, ""))
}

// ModuleVersion returns the version of a module that this program was built with, or "".
func ModuleVersion(path string) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, m := range info.Deps {
		if m.Path == path {
			return m.Version
		}
	}
	return ""
}
