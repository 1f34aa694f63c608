package features

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// A wish is what a client is asked for beyond writing and reading a topic with its defaults.
type wish struct {
	brokers      []string
	topic, group string

	idempotent bool   // its retries write nothing twice
	codec      string // of its batches: gzip, snappy, lz4 or zstd
	committed  bool   // it reads only what was committed
	protocol   string // of the group: cooperative, consumer or share; "" is the client's default
	instance   string // the name of a static member

	mechanism string      // of SASL; the user is user, with password
	token     string      // of the mechanism OAUTHBEARER
	tls       *tls.Config // nil without
	authority string      // the certificate that tls trusts, for a client that takes it as a text

	extra func()                // is called when a client needs code or a module beyond its own
	lost  func(partition int32) // is told of each partition that a running member gives up
}

const (
	user     = "somebody"
	password = "secret"
)

// heartbeat is how often a member asks whether others have joined: more often than by
// default, so that nothing is waited for that isn't looked at here.
const heartbeat = 200 * time.Millisecond

// needsMore tells that a client needs code or a module beyond its own.
func (w wish) needsMore() {
	if w.extra != nil {
		w.extra()
	}
}

// gaveUp tells that a running member gave up partitions.
func (w wish) gaveUp(partitions ...int32) {
	for _, p := range partitions {
		if w.lost != nil {
			w.lost(p)
		}
	}
}

// A driver asks one client for what a wish says. What the client doesn't have is a lack, or
// the client's own refusal.
type driver interface {
	// write writes values and waits for their acknowledgements.
	write(ctx context.Context, w wish, values ...string) error
	// transact writes values in a transaction, and commits or aborts it.
	transact(ctx context.Context, w wish, commit bool, values ...string) error
	// read is a member of the group until ctx ends, and hands over each value.
	read(ctx context.Context, w wish, got func(value string)) error
	// administer does an operation on the topic, one of operations.
	administer(ctx context.Context, w wish, operation string) error
	// metrics writes or reads, and says in which of the client's own counters that is seen.
	metrics(ctx context.Context, w wish) error
	// hook has the client call a function of ours for a record.
	hook(ctx context.Context, w wish) error
	// double uses the client's own double for tests, without any broker.
	double(ctx context.Context) error
}

// A lack says that none of a package's exported names matches a pattern.
type lack struct{ pkg, pattern string }

func (l lack) Error() string {
	return fmt.Sprintf("no exported name of `%s` matches `%s`", l.pkg, l.pattern)
}

// A refusal is what a client, or a broker through it, answered to what it can't do.
type refusal struct{ error }

func (r refusal) Unwrap() error { return r.error }

// refused makes the answer to what can't be done a refusal. Without one, it was done.
func refused(err error) error {
	if err == nil || errors.As(err, new(lack)) {
		return err
	}
	return refusal{err}
}

// lacks reads the sources of a package, and returns a lack if no exported name matches the
// pattern: a function "New", a method or field "Type.Name", also one inside, "Type.Name.Name".
// One that does is an error that stops the measuring: somebody has to look at it.
func lacks(pkg, pattern string) error {
	names, err := exportedNames(pkg)
	if err != nil {
		return err
	}
	matches := regexp.MustCompile(pattern)
	for _, name := range names {
		if matches.MatchString(name) {
			return fmt.Errorf("%s has %s, which may be what was missing", pkg, name)
		}
	}
	return lack{pkg, pattern}
}

// parsed are the exported names that were read before, by package.
var parsed sync.Map

// exportedNames lists what a package offers to those who import it.
func exportedNames(pkg string) ([]string, error) {
	if names, ok := parsed.Load(pkg); ok {
		return names.([]string), nil
	}
	names, err := readNames(pkg)
	if err == nil {
		parsed.Store(pkg, names)
	}
	return names, err
}

func readNames(pkg string) ([]string, error) {
	found, err := build.Import(pkg, ".", build.FindOnly)
	if err != nil {
		return nil, fmt.Errorf("looking for %s: %w", pkg, err)
	}
	files, err := filepath.Glob(filepath.Join(found.Dir, "*.go"))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", pkg, err)
	}
	var names []string
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", pkg, err)
		}
		for _, declaration := range file.Decls {
			names = append(names, namesOf(declaration)...)
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%s exports nothing in %s", pkg, found.Dir)
	}
	return names, nil
}

func namesOf(declaration ast.Decl) (names []string) {
	switch d := declaration.(type) {
	case *ast.FuncDecl:
		name := d.Name.Name
		if d.Recv != nil {
			name = strings.TrimPrefix(typeText(d.Recv.List[0].Type), "*") + "." + name
		}
		names = append(names, name)
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.ValueSpec:
				for _, n := range s.Names {
					names = append(names, n.Name)
				}
			case *ast.TypeSpec:
				names = append(names, s.Name.Name)
				names = append(names, members(s.Name.Name, s.Type)...)
			}
		}
	}
	return slices.DeleteFunc(names, func(name string) bool {
		return slices.ContainsFunc(strings.Split(name, "."), func(n string) bool { return !ast.IsExported(n) })
	})
}

// members lists the fields of a struct and the methods of an interface, with those inside.
func members(owner string, t ast.Expr) (names []string) {
	var list *ast.FieldList
	switch t := t.(type) {
	case *ast.StructType:
		list = t.Fields
	case *ast.InterfaceType:
		list = t.Methods
	default:
		return nil
	}
	for _, field := range list.List {
		for _, n := range field.Names {
			names = append(names, owner+"."+n.Name)
			names = append(names, members(owner+"."+n.Name, field.Type)...)
		}
	}
	return names
}

func typeText(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return typeText(e.X)
	case *ast.IndexExpr:
		return typeText(e.X)
	case *ast.Ident:
		return e.Name
	}
	return "_"
}
