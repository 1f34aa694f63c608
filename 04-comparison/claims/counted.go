package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"path/filepath"
	"strings"

	"kafka-with-go/internal/api"
	"kafka-with-go/internal/clients/all"
)

// A subject is a client as it is counted.
type subject struct {
	name    string
	module  string
	pkg     string   // the package that a program imports
	modules []string // whose names count as the client's in a program
	flow    string   // the folder of its flow
	write   string   // what a record is handed to
	read    string   // what a record comes out of
}

// subjects lists the five clients in the order of the tables.
func subjects() []subject {
	const (
		kafkaGo   = "github.com/segmentio/kafka-go"
		sarama    = "github.com/IBM/sarama"
		confluent = "github.com/confluentinc/confluent-kafka-go/v2"
		goka      = "github.com/lovoo/goka"
		franz     = "github.com/twmb/franz-go"
	)
	return []subject{
		{"kafka-go", kafkaGo, kafkaGo, []string{kafkaGo}, "03-together",
			"Writer.WriteMessages", "Reader.FetchMessage"},
		{"sarama", sarama, sarama, []string{sarama}, "04-comparison/sarama",
			"AsyncProducer.Input", "ConsumerGroupClaim.Messages"},
		{"confluent-kafka-go", confluent, confluent + "/kafka", []string{confluent}, "04-comparison/confluent",
			"Producer.Produce", "Consumer.ReadMessage"},
		{"goka", goka, goka, []string{goka, sarama}, "04-comparison/goka",
			"Emitter.Emit", "ProcessCallback"},
		{"franz-go", franz, franz + "/pkg/kgo", []string{franz, franz + "/pkg/kadm", franz + "/pkg/kmsg"}, "04-comparison/franz-go",
			"Client.Produce", "Client.PollFetches"},
	}
}

// Counted is what is counted of a client, and is the same on every computer.
type Counted struct {
	Version  string
	Released string // the day of that version
	Surface  api.Surface
	Write    string // how a record is handed over
	Read     string // how it is received
	Flow     *Flow  // nil where there is none
}

// Flow is what is counted of the program that writes and reads with a client.
type Flow struct {
	Lines, Code int
	Names       []string
	Protocol    []string // those of Names that are requests and responses
	Calls       []string // those of Names that may wait
	Context     []string // those of Calls that take a context
	Modules     []string
	Packages    int
	C           []string // packages with cgo
	OwnNet      []string // packages of the client's own module that import net
}

// count counts everything that can be read from the sources.
func count(root string) (map[string]Counted, bool, error) {
	var modules, packages []string
	for _, s := range subjects() {
		packages = append(packages, s.pkg)
		modules = append(modules, s.modules...)
	}
	u, err := api.Load(root, modules, append(packages, api.StandardPackages()...))
	if err != nil {
		return nil, false, fmt.Errorf("reading the clients' sources: %w", err)
	}
	counted := make(map[string]Counted)
	for _, s := range subjects() {
		c, err := s.count(u, root)
		if err != nil {
			return nil, false, fmt.Errorf("counting %s: %w", s.name, err)
		}
		counted[s.name] = c
	}
	return counted, u.Deprecated(subjects()[0].pkg, "NewWriter"), nil
}

func (s subject) count(u *api.Universe, root string) (Counted, error) {
	var c Counted
	var err error
	if c.Surface, err = u.ReadSurface(s.pkg); err != nil {
		return c, err
	}
	for name, into := range map[string]*string{s.write: &c.Write, s.read: &c.Read} {
		if *into, err = u.Signature(s.pkg, name); err != nil {
			return c, err
		}
	}
	command := exec.Command("go", "list", "-m", "-f", "{{.Version}} {{if .Time}}{{.Time.Format \"2006-01-02\"}}{{end}}", s.module)
	command.Dir = root
	output, err := command.Output()
	if err != nil {
		return c, fmt.Errorf("asking for the version: %w", err)
	}
	c.Version, c.Released, _ = strings.Cut(strings.TrimSpace(string(output)), " ")
	program, err := u.ReadProgram(filepath.Join(root, filepath.FromSlash(s.flow)), s.modules)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return c, err
	}
	luggage, err := api.Along(root, s.flow)
	if err != nil {
		return c, err
	}
	f := &Flow{
		Lines: program.Lines, Code: program.Code, Names: program.Names, Calls: program.Calls, Context: program.Context,
		Modules: luggage.Modules, Packages: len(luggage.Packages), C: luggage.C,
	}
	for _, n := range program.Names {
		if strings.Contains(n, "InvalidRequest") {
			continue // It is an error.
		}
		if !strings.HasPrefix(n, "field ") && (strings.Contains(n, "Request") || strings.Contains(n, "Response")) {
			f.Protocol = append(f.Protocol, n)
		}
	}
	for _, path := range luggage.Net {
		if path == s.module || strings.HasPrefix(path, s.module+"/") {
			f.OwnNet = append(f.OwnNet, path)
		}
	}
	c.Flow = f
	return c, nil
}

// names lists the clients in the order of the tables.
func names() []string {
	var out []string
	for _, c := range all.Clients() {
		out = append(out, c.Name())
	}
	return out
}
