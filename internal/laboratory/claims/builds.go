package claims

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"kafka-with-go/internal/clients"
	"kafka-with-go/internal/process"
)

// Build is what it takes to build the flow of a client.
type Build struct {
	SizeMB     float64  // of the executable, without symbols
	ColdCPU    float64  // seconds of processor for a build with an empty cache
	CrossBuilt []string // platforms for which a program with the client builds without cgo
}

// platforms are those that this repository promises.
var platforms = []string{
	"linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64", "windows/amd64", "windows/arm64",
}

// buildAll builds each client's flow. With cold, it also builds it with an empty cache, which
// takes a minute of processor or so; without, that figure stays as it was before.
func buildAll(
	ctx context.Context, root string, before map[string]Build, cold bool, progress func(string),
) (map[string]Build, error) {
	dir, err := os.MkdirTemp("", "claims")
	if err != nil {
		return nil, fmt.Errorf("making a folder: %w", err)
	}
	defer os.RemoveAll(dir)
	builds := make(map[string]Build)
	for _, c := range clients.All() {
		b := Build{ColdCPU: before[c.Name()].ColdCPU}
		builder := builder{root, dir, c, progress}
		if b.SizeMB, err = builder.size(ctx); err != nil {
			return nil, err
		}
		if b.CrossBuilt, err = builder.cross(ctx); err != nil {
			return nil, err
		}
		if cold {
			if b.ColdCPU, err = builder.cold(ctx); err != nil {
				return nil, err
			}
		}
		builds[c.Name()] = b
	}
	return builds, nil
}

// A builder builds programs with a client.
type builder struct {
	root, dir string
	client    clients.Client
	progress  func(string)
}

func (b builder) path() string { return filepath.Join(b.dir, "program.exe") }

// size returns the size of the flow in megabytes, without symbols.
func (b builder) size(ctx context.Context) (float64, error) {
	b.progress("building " + b.client.Flow())
	_, err := goBuild(ctx, b.root, nil, "-trimpath", "-ldflags=-s -w", "-o", b.path(), "./"+b.client.Flow())
	if err != nil {
		return 0, err
	}
	info, err := os.Stat(b.path())
	if err != nil {
		return 0, fmt.Errorf("looking at the program: %w", err)
	}
	return float64(info.Size()) / 1e6, nil
}

// smallest is the smallest program that needs the client: it names the function that a
// record is handed to.
const smallest = `package main

import client %q

var c client.%s

func main() { _ = c.%s }
`

// cross returns the platforms for which a program with the client builds without cgo.
func (b builder) cross(ctx context.Context) (built []string, err error) {
	receiver, method, _ := strings.Cut(b.client.Write, ".")
	program := fmt.Appendf(nil, smallest, b.client.Package, receiver, method)
	source := filepath.Join(b.dir, "main.go")
	if err := os.WriteFile(source, program, 0o600); err != nil {
		return nil, fmt.Errorf("writing a program: %w", err)
	}
	for _, platform := range platforms {
		b.progress("building with " + b.client.Name() + ", without cgo, for " + platform)
		goos, goarch, _ := strings.Cut(platform, "/")
		env := []string{"CGO_ENABLED=0", "GOOS=" + goos, "GOARCH=" + goarch}
		if _, err := goBuild(ctx, b.root, env, "-o", b.path(), source); err == nil {
			built = append(built, platform)
		} else if ctx.Err() != nil {
			return nil, err
		}
	}
	return built, nil
}

// cold returns the processor's seconds for building the flow with an empty cache.
func (b builder) cold(ctx context.Context) (float64, error) {
	b.progress("building " + b.client.Flow() + " with an empty cache")
	cache := filepath.Join(b.dir, "cache-"+b.client.Name())
	used, err := goBuild(ctx, b.root, []string{"GOCACHE=" + cache}, "-o", b.path(), "./"+b.client.Flow())
	if err != nil {
		return 0, err
	}
	if err := os.RemoveAll(cache); err != nil {
		return 0, fmt.Errorf("removing a cache: %w", err)
	}
	return used.Seconds(), nil
}

// goBuild runs go build and returns the time of processor that it used, the
// compilers that it started included.
func goBuild(ctx context.Context, root string, env []string, args ...string) (time.Duration, error) {
	command := exec.CommandContext(ctx, "go", append([]string{"build"}, args...)...)
	command.Dir = root
	command.Env = slices.Concat(os.Environ(), env)
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	if err := process.Run(command); err != nil {
		return 0, fmt.Errorf("go build %s: %w\n%s", strings.Join(args, " "), err, output.String())
	}
	return command.ProcessState.UserTime() + command.ProcessState.SystemTime(), nil
}
