package features

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// moduleFeatures are about what comes with a client, and what becomes of a program with it.
var moduleFeatures = []feature{
	{name: "schema registry", check: registry, source: true},
	{name: "builds without cgo", check: withoutCgo, source: true},
	{name: "Go", check: fact(func(m module, _ client) string { return m.GoVersion }), source: true},
	{name: "licence", check: fact(func(m module, _ client) string { return m.licence() }), source: true},
	{name: "version", check: fact(func(m module, _ client) string { return m.Version }), source: true},
	{name: "released", check: fact(func(m module, _ client) string {
		return m.Time.Format(time.DateOnly)
	}), source: true},
	{name: "commits in 2025, authors", check: fact(func(_ module, c client) string {
		return fmt.Sprintf("%d, %d", c.History.Commits, c.History.Authors)
	}), source: true},
}

// registry looks for a client of a schema registry. Those that there are weren't executed.
func registry(_ context.Context, _ *stage, c client) (Cell, error) {
	switch c.Name() {
	case "confluent-kafka-go":
		names, err := exportedNames(c.Module + "/schemaregistry")
		if err == nil && !slices.Contains(names, "NewClient") {
			err = errors.New("the module has no client of a schema registry any more")
		}
		return judged(notRun, err)
	case "franz-go":
		return judged(notRun, lackOrNil(lacks(c.Package, `(?i)schema`)))
	}
	return judged("", lacks(c.Package, `(?i)schema`))
}

// A module is what go list and the module's own files say of it.
type module struct {
	Version, GoVersion, Dir string
	Time                    time.Time
}

func fact(of func(module, client) string) func(context.Context, *stage, client) (Cell, error) {
	return func(ctx context.Context, s *stage, c client) (Cell, error) {
		command := exec.CommandContext(ctx, "go", "list", "-m", "-json", c.Module)
		command.Dir = s.root
		output, err := command.Output()
		if err != nil {
			return Cell{}, fmt.Errorf("asking for the module: %w", err)
		}
		var m module
		if err := json.Unmarshal(output, &m); err != nil {
			return Cell{}, fmt.Errorf("reading what the module is: %w", err)
		}
		answer := of(m, c)
		if answer == "" {
			return Cell{}, errors.New("the module doesn't say it")
		}
		return Cell{Answer: answer}, nil
	}
}

// licence knows a licence by the sentence that only it has.
func (m module) licence() string {
	files, err := filepath.Glob(filepath.Join(m.Dir, "LICEN[SC]E*"))
	if err != nil || len(files) != 1 {
		return ""
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		return ""
	}
	words := strings.Join(strings.Fields(string(text)), " ")
	for name, sentence := range map[string]string{
		"MIT":          "Permission is hereby granted, free of charge",
		"Apache-2.0":   "Apache License Version 2.0, January 2004",
		"BSD-3-Clause": "Neither the name of",
	} {
		if strings.Contains(words, sentence) {
			return name
		}
	}
	return ""
}

// smallest is the smallest program that needs the client.
const smallest = `package main

import client %q

var c client.%s

func main() { _ = c.%s }
`

// withoutCgo builds the smallest program with CGO_ENABLED=0.
func withoutCgo(ctx context.Context, s *stage, c client) (Cell, error) {
	return judged(yes, compile(ctx, s, c))
}

func compile(ctx context.Context, s *stage, c client) error {
	dir, err := os.MkdirTemp("", "features")
	if err != nil {
		return fmt.Errorf("making a folder: %w", err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // It is in the system's own folder for this.
	program := filepath.Join(dir, "main.go")
	receiver, method, _ := strings.Cut(c.Write, ".")
	source := fmt.Appendf(nil, smallest, c.Package, receiver, method)
	if err := os.WriteFile(program, source, 0o600); err != nil {
		return fmt.Errorf("writing a program: %w", err)
	}
	command := exec.CommandContext(ctx, "go", "build", "-o", filepath.Join(dir, "program.exe"), program)
	command.Dir = s.root
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	output, err := command.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) && ctx.Err() == nil {
		lines := strings.Split(strings.TrimSpace(string(output)), "\n")
		return refusal{errors.New(strings.ReplaceAll(lines[len(lines)-1], dir+string(filepath.Separator), ""))}
	}
	if err != nil {
		return fmt.Errorf("building: %w", err)
	}
	return nil
}
