package claims

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"go/ast"
	"go/build"
	"go/doc"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"kafka-with-go/internal/clients"
)

// Counted is what is counted of a client, and is the same on every computer: its sources are
// read for linux/amd64, and never run.
type Counted struct {
	Version string

	Names      int      // exported functions, methods, types, constants and variables
	Documented int      // those of Names that have a comment
	Examples   int      // functions that the documentation shows as examples
	Contexts   int      // functions and methods that take a context
	Protocol   int      // types of the protocol's requests and responses, by their names
	Places     int      // functions and methods that are about an offset in the log, by their names
	Old        []string // functions and methods that are marked as deprecated

	Write string // how a record is handed over
	Read  string // how it is received
	Cgo   bool   // without cgo the function of Write isn't there

	Lines  int      // of the flow with the client, those that hold code
	Sarama bool     // it comes along with the flow
	C      []string // packages with cgo that come along
	OwnNet []string // packages of the client's own module that come along, and import net
}

// Share is the share of documented names, in percent.
func (c Counted) Share() float64 { return 100 * float64(c.Documented) / float64(c.Names) }

// names lists the clients in the order of the tables.
func names() []string { return clients.Names() }

// count counts everything that can be read from the sources.
func (r *Results) count(ctx context.Context, root string) error {
	r.Counted = make(map[string]Counted)
	for _, c := range clients.All() {
		counted, err := source{root, c}.count(ctx)
		if err != nil {
			return fmt.Errorf("counting %s: %w", c.Name(), err)
		}
		r.Counted[c.Name()] = counted
	}
	return r.askForCodes(root)
}

// A source is a client whose sources are read, and the repository that says of which version.
type source struct {
	root   string
	client clients.Client
}

func (s source) count(ctx context.Context) (c Counted, err error) {
	version, err := s.list(ctx, "-m", "-f", "{{.Version}}", s.client.Module)
	if err != nil {
		return c, err
	}
	c.Version = version[0]
	all, examples, err := s.exports(true)
	if err != nil {
		return c, err
	}
	c.Examples = examples
	for _, e := range all {
		c.add(e)
		switch e.name {
		case s.client.Write:
			c.Write = e.signature
		case s.client.Read:
			c.Read = e.signature
		}
	}
	if c.Write == "" || c.Read == "" {
		return c, fmt.Errorf("there is no %s or no %s", s.client.Write, s.client.Read)
	}
	without, _, err := s.exports(false)
	if err != nil {
		return c, err
	}
	c.Cgo = !slices.ContainsFunc(without, func(e export) bool { return e.name == s.client.Write })
	if err := s.addLuggage(ctx, &c); err != nil {
		return c, err
	}
	c.Lines, err = codeLines(filepath.Join(s.root, filepath.FromSlash(s.client.Flow()), "main.go"))
	return c, err
}

// list asks go list, and returns the lines of its answer.
func (s source) list(ctx context.Context, args ...string) ([]string, error) {
	command := exec.CommandContext(ctx, "go", append([]string{"list"}, args...)...)
	command.Dir = s.root
	command.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=1")
	output, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("go list %s: %w", strings.Join(args, " "), err)
	}
	return strings.Split(strings.TrimSpace(string(output)), "\n"), nil
}

// addLuggage counts what comes along with the flow, the standard library aside.
func (s source) addLuggage(ctx context.Context, c *Counted) error {
	const format = `{{with .Module}}{{if .Version}}{{.Path}} {{$.ImportPath}} {{len $.CgoFiles}} ` +
		`{{range $.Imports}}{{.}} {{end}}{{end}}{{end}}`
	lines, err := s.list(ctx, "-deps", "-f", format, "./"+s.client.Flow())
	for _, line := range lines {
		fields := strings.Fields(line)
		if len(fields) < 3 {
			continue
		}
		module, path := fields[0], fields[1]
		c.Sarama = c.Sarama || module == "github.com/IBM/sarama"
		if fields[2] != "0" {
			c.C = append(c.C, path)
		}
		if module == s.client.Module && slices.Contains(fields[3:], "net") {
			c.OwnNet = append(c.OwnNet, path)
		}
	}
	return err
}

// An export is an exported name of a package: a function, a type or a value.
type export struct {
	name      string // as in "Writer.Close"
	comment   string
	signature string // of a function, a method or a type of functions, from its name on
	isType    bool
}

var (
	// testTool is how the names of tools for tests begin. They aren't counted.
	testTool = regexp.MustCompile(`^(New|NewAutoConsume)?Mock|^NewTest`)
	// withContext is the signature of a function that takes a context.
	withContext = regexp.MustCompile(`^\w+\([^)]*context\.Context`)
	// protocol is a type that is a message of Kafka's protocol.
	protocol = regexp.MustCompile(`Request|Response`)
	// place is a function that is about a place in the log.
	place = regexp.MustCompile(`(Offset|Seek)\w*$`)
)

// add counts an exported name.
func (c *Counted) add(e export) {
	c.Names++
	if e.comment != "" {
		c.Documented++
	}
	if e.isType {
		if protocol.MatchString(e.name) {
			c.Protocol++
		}
		return
	}
	if withContext.MatchString(e.signature) {
		c.Contexts++
	}
	if e.signature != "" && place.MatchString(e.name) {
		c.Places++
	}
	if strings.Contains(strings.ToLower(e.comment), "deprecated") {
		c.Old = append(c.Old, e.name)
	}
}

// exports reads the files that a build of the client takes, and counts its examples.
func (s source) exports(cgo bool) (all []export, examples int, err error) {
	from := build.Default
	from.GOOS, from.GOARCH, from.CgoEnabled = "linux", "amd64", cgo
	found, err := from.Import(s.client.Package, s.root, 0)
	if err != nil {
		return nil, 0, fmt.Errorf("looking for the sources: %w", err)
	}
	set := token.NewFileSet()
	parse := func(lists ...[]string) (files []*ast.File) {
		for _, name := range slices.Concat(lists...) {
			file, parseErr := parser.ParseFile(set, filepath.Join(found.Dir, name), nil, parser.ParseComments)
			if parseErr != nil {
				err = fmt.Errorf("reading the sources: %w", parseErr)
			}
			files = append(files, file)
		}
		return files
	}
	examples = len(doc.Examples(parse(found.TestGoFiles, found.XTestGoFiles)...))
	files := parse(found.GoFiles, found.CgoFiles)
	if err != nil {
		return nil, 0, err
	}
	p, err := doc.NewFromFiles(set, files, s.client.Package)
	if err != nil {
		return nil, 0, fmt.Errorf("reading the sources: %w", err)
	}
	functions, values := p.Funcs, slices.Concat(p.Consts, p.Vars)
	for _, t := range p.Types {
		functions = slices.Concat(functions, t.Funcs, t.Methods)
		values = slices.Concat(values, t.Consts, t.Vars)
		for _, spec := range t.Decl.Specs {
			all = append(all, exportsOfType(spec.(*ast.TypeSpec), t.Doc)...)
		}
	}
	for _, f := range functions {
		name := f.Name
		if f.Recv != "" {
			receiver, _, _ := strings.Cut(strings.TrimPrefix(f.Recv, "*"), "[")
			name = receiver + "." + name
		}
		all = append(all, newExport(name, f.Decl.Type, f.Doc))
	}
	for _, v := range values {
		for _, spec := range v.Decl.Specs {
			// A comment above a group documents the group, as go doc shows it.
			spec := spec.(*ast.ValueSpec)
			for _, n := range spec.Names {
				all = append(all, newExport(n.Name, nil, v.Doc+spec.Doc.Text()+spec.Comment.Text()))
			}
		}
	}
	return slices.DeleteFunc(all, func(e export) bool {
		_, member, isMember := strings.Cut(e.name, ".")
		return testTool.MatchString(e.name) || !token.IsExported(e.name) || isMember && !token.IsExported(member)
	}), examples, nil
}

// exportsOfType are a type, and its methods if it is an interface.
func exportsOfType(spec *ast.TypeSpec, comment string) []export {
	e := newExport(spec.Name.Name, spec.Type, comment+spec.Comment.Text())
	e.isType = true
	all := []export{e}
	if face, ok := spec.Type.(*ast.InterfaceType); ok {
		for _, m := range face.Methods.List {
			for _, n := range m.Names {
				all = append(all, newExport(spec.Name.Name+"."+n.Name, m.Type, m.Doc.Text()+m.Comment.Text()))
			}
		}
	}
	return all
}

func newExport(name string, definition ast.Expr, comment string) export {
	e := export{name: name, comment: comment}
	if f, ok := definition.(*ast.FuncType); ok {
		e.signature = name[strings.Index(name, ".")+1:] + strings.TrimPrefix(types.ExprString(f), "func")
	}
	return e
}

// codeLines counts the lines of a program that hold more than a comment.
func codeLines(path string) (n int, err error) {
	text, err := os.ReadFile(path)
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		if line := strings.TrimSpace(lines.Text()); line != "" && !strings.HasPrefix(line, "//") {
			n++
		}
	}
	return n, err
}
