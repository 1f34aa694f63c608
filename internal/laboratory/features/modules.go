package features

import (
	"context"
	"debug/elf"
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
	{name: "static program", check: staticProgram, source: true},
	{name: "program, MB", check: size, source: true, figure: true},
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

// staticProgram builds the flow without cgo, and looks whether it runs where there is nothing
// else: in a container image made from scratch, or with Alpine's C library.
func staticProgram(ctx context.Context, s *stage, c client) (Cell, error) {
	return judged(yes, s.build(ctx, c, func(path string) error {
		program, err := elf.Open(path)
		if err != nil {
			return fmt.Errorf("reading the program: %w", err)
		}
		defer program.Close() //nolint:errcheck // It was only read.
		for _, part := range program.Progs {
			if part.Type == elf.PT_INTERP {
				return refusal{errors.New("the program needs the system's C library")}
			}
		}
		return nil
	}, "CGO_ENABLED=0", "GOOS=linux"))
}

// size is how large the flow is, in MB, without what a debugger needs.
func size(ctx context.Context, s *stage, c client) (cell Cell, err error) {
	err = s.build(ctx, c, func(path string) error {
		file, err := os.Stat(path)
		if err == nil {
			cell.Answer = fmt.Sprintf("%.1f", float64(file.Size())/1e6)
		}
		return err
	})
	return cell, err
}

// build builds the flow of a client, and lets look look at it. A program that can't be built
// is a refusal, with the compiler's first words for it.
func (s *stage) build(ctx context.Context, c client, look func(path string) error, env ...string) error {
	dir, err := os.MkdirTemp("", "features")
	if err != nil {
		return fmt.Errorf("making a folder: %w", err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // It is in the system's own folder for this.
	program := filepath.Join(dir, "program.exe")
	args := []string{"build", "-ldflags=-s -w", "-o", program, filepath.Join(s.root, c.Flow(), "main.go")}
	command := exec.CommandContext(ctx, "go", args...)
	command.Dir = s.root
	command.Env = append(os.Environ(), env...)
	output, err := command.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) && ctx.Err() == nil {
		// The first line names the package, and the next one says where, and what is wrong.
		lines := strings.Split(strings.TrimSpace(string(output)), "\n")
		_, wrong, _ := strings.Cut(lines[min(1, len(lines)-1)], ": ")
		return refusal{errors.New(wrong)}
	}
	if err != nil {
		return fmt.Errorf("building: %w", err)
	}
	return look(program)
}
