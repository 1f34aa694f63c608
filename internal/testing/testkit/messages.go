package testkit

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// KnowErrors has each process that is started in this package's tests fail its test if it prints
// an error that isn't in ERRORS.md. It is called before the tests run.
func KnowErrors() { knowErrors = true }

// OnlySayErrors has a test say of such an error that it isn't there, and not fail: which words come
// first when real brokers die is up to the moment.
func OnlySayErrors(t testing.TB) { onlySaid.Store(t.Name(), true) }

var (
	knowErrors bool
	onlySaid   sync.Map
)

var (
	// errorLine is a line with which a program of this repository tells an error.
	errorLine = regexp.MustCompile(`^(error|waiting to create the topic \S+|waiting to write \d+|` +
		`waiting to receive|not committed, so it may come again|the producer was not closed): (.*)`)
	// knownItem is an item of a list in ERRORS.md: who prints it, and what.
	knownItem = regexp.MustCompile("(?m)^- [^`]+: `(.+)`$")
	// anything stands in ERRORS.md for what differs each time.
	anything = regexp.MustCompile(`<broker>|<time>|<topic>|…`)
)

// readErrors reads the messages of ERRORS.md, as patterns.
func readErrors(root string) (patterns []*regexp.Regexp, err error) {
	page, err := os.ReadFile(filepath.Join(root, "ERRORS.md"))
	if err != nil {
		return nil, fmt.Errorf("reading the known errors: %w", err)
	}
	for _, item := range knownItem.FindAllSubmatch(page, -1) {
		var parts []string
		for _, part := range anything.Split(string(item[1]), -1) {
			parts = append(parts, regexp.QuoteMeta(part))
		}
		patterns = append(patterns, regexp.MustCompile(strings.Join(parts, ".*")))
	}
	return patterns, nil
}

// unknown returns the lines that tell an error which none of the patterns knows.
func unknown(lines []Line, patterns []*regexp.Regexp) (found []string) {
	for _, line := range lines {
		m := errorLine.FindStringSubmatch(line.Text)
		if m != nil && !slices.ContainsFunc(patterns, func(p *regexp.Regexp) bool { return p.MatchString(m[2]) }) {
			found = append(found, line.Text)
		}
	}
	return found
}

// checkErrors fails the test if the process printed an error that ERRORS.md doesn't have.
func (p *Process) checkErrors() {
	if !knowErrors {
		return
	}
	patterns, err := readErrors(Root(p.t))
	if err != nil {
		p.t.Error(err)
	}
	for _, line := range unknown(p.Lines(), patterns) {
		say := p.t.Errorf
		if _, only := onlySaid.Load(p.t.Name()); only {
			say = p.t.Logf
		}
		say("a learner who looks for this in ERRORS.md finds nothing: %s", line)
	}
}
