package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Build is what it takes to build the flow of a client.
type Build struct {
	SizeMB     float64  // of the executable, without symbols
	ColdCPU    float64  // seconds of processor for a build with an empty cache
	CrossBuilt []string // platforms for which a program with the client builds without cgo
}

// platforms are those that this repository promises.
var platforms = []string{"linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64", "windows/amd64", "windows/arm64"}

// buildAll builds each flow that there is. With cold, it also builds it with an
// empty cache, which takes a minute of processor or so.
func buildAll(ctx context.Context, root string, counted map[string]Counted, cold bool, progress func(string)) (map[string]Build, error) {
	builds := make(map[string]Build)
	dir, err := os.MkdirTemp("", "claims")
	if err != nil {
		return nil, fmt.Errorf("making a folder: %w", err)
	}
	defer os.RemoveAll(dir)
	for _, s := range subjects() {
		if counted[s.name].Flow == nil {
			continue
		}
		var b Build
		path := filepath.Join(dir, "program.exe")
		progress("building " + s.flow)
		if _, err := goBuild(ctx, root, nil, "-trimpath", "-ldflags=-s -w", "-o", path, "./"+s.flow); err != nil {
			return nil, err
		}
		info, err := os.Stat(path)
		if err != nil {
			return nil, fmt.Errorf("looking at the program: %w", err)
		}
		b.SizeMB = float64(info.Size()) / 1e6
		source := filepath.Join(dir, "main.go")
		if err := os.WriteFile(source, []byte(s.smallest()), 0o600); err != nil {
			return nil, fmt.Errorf("writing a program: %w", err)
		}
		for _, platform := range platforms {
			progress("building with " + s.name + ", without cgo, for " + platform)
			goos, goarch, _ := strings.Cut(platform, "/")
			env := []string{"CGO_ENABLED=0", "GOOS=" + goos, "GOARCH=" + goarch}
			if _, err := goBuild(ctx, root, env, "-o", path, source); err == nil {
				b.CrossBuilt = append(b.CrossBuilt, platform)
			} else if ctx.Err() != nil {
				return nil, err
			}
		}
		if cold {
			progress("building " + s.flow + " with an empty cache")
			cache := filepath.Join(dir, "cache-"+s.name)
			used, err := goBuild(ctx, root, []string{"GOCACHE=" + cache}, "-o", path, "./"+s.flow)
			if err != nil {
				return nil, err
			}
			b.ColdCPU = used.Seconds()
			if err := os.RemoveAll(cache); err != nil {
				return nil, fmt.Errorf("removing a cache: %w", err)
			}
		}
		builds[s.name] = b
	}
	return builds, nil
}

// smallest returns the smallest program that needs the client: it names the
// function that a record is handed to.
func (s subject) smallest() string {
	receiver, method, _ := strings.Cut(s.write, ".")
	return fmt.Sprintf("package main\n\nimport client %q\n\nvar c client.%s\n\nfunc main() { _ = c.%s }\n", s.pkg, receiver, method)
}

// goBuild runs go build and returns the time of processor that it used, the
// compilers that it started included.
func goBuild(ctx context.Context, root string, env []string, args ...string) (time.Duration, error) {
	command := exec.CommandContext(ctx, "go", append([]string{"build"}, args...)...)
	command.Dir = root
	command.Env = slices.Concat(os.Environ(), env)
	if output, err := command.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("go build %s: %w\n%s", strings.Join(args, " "), err, output)
	}
	return command.ProcessState.UserTime() + command.ProcessState.SystemTime(), nil
}
