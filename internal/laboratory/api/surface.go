package api

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strings"
)

// A Surface is what a package offers to those who import it. Tools for tests
// (names that begin with Mock, NewMock or NewTest) aren't counted.
type Surface struct {
	Names      int // exported functions, types, constants, variables, methods
	Documented int // those of Names that have a comment
	Fields     int // exported fields of exported structs
	FieldsDoc  int
	Examples   int // functions that the documentation shows as examples

	Blocking int // exported functions and methods that may wait
	Context  int // those of Blocking that take a context
	Timeout  int // those of Blocking that take a time limit, but no context
	NoLimit  []string

	ProtocolTypes int // exported types of requests and responses
	ProtocolNames int // those types, their methods and their fields

	Places int // functions and methods that are about an offset in the log, by their names

	Interfaces []string // of the standard library, that exported types implement
}

// standard are packages whose interfaces are looked for.
var standard = []string{
	"bufio", "container/heap", "context", "database/sql", "database/sql/driver", "encoding", "encoding/json", "expvar", "flag",
	"fmt", "hash", "io", "io/fs", "log/slog", "net", "net/http", "os", "sort", "sync", "testing",
}

// trivial are interfaces that nearly any type has for other reasons.
var trivial = map[string]bool{"fmt.Stringer": true, "error": true, "expvar.Var": true}

// StandardPackages returns the packages whose interfaces Surface looks for:
// Load has to know them.
func StandardPackages() []string { return slices.Clone(standard) }

// ReadSurface counts what a package offers.
func (u *Universe) ReadSurface(path string) (Surface, error) {
	p := u.Packages[path]
	if p == nil {
		return Surface{}, fmt.Errorf("%s was not read", path)
	}
	var s Surface
	for _, file := range p.Files {
		for _, d := range file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				u.addFunc(&s, p, d)
			case *ast.GenDecl:
				u.addDecl(&s, p, d)
			}
		}
	}
	for _, file := range p.Tests {
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && isExample(f.Name.Name) {
				s.Examples++
			}
		}
	}
	slices.Sort(s.NoLimit)
	var err error
	s.Interfaces, err = u.implemented(p)
	return s, err
}

func isExample(name string) bool {
	rest, ok := strings.CutPrefix(name, "Example")
	return ok && (rest == "" || rest[0] == '_' || rest[0] >= 'A' && rest[0] <= 'Z')
}

func (s *Surface) addName(documented bool) {
	s.Names++
	if documented {
		s.Documented++
	}
}

func (u *Universe) addFunc(s *Surface, p *Package, d *ast.FuncDecl) {
	if !d.Name.IsExported() || isTestTool(d.Name.Name) {
		return
	}
	if d.Recv != nil {
		receiver := receiverName(d.Recv.List[0].Type)
		if !token.IsExported(receiver) || isTestTool(receiver) {
			return
		}
		if isProtocol(receiver) {
			s.ProtocolNames++
		}
	}
	s.addName(d.Doc.Text() != "")
	if f, ok := p.Info.Defs[d.Name].(*types.Func); ok {
		u.addFunction(s, f)
	}
}

func (u *Universe) addFunction(s *Surface, f *types.Func) {
	if strings.Contains(f.Name(), "Offset") || strings.Contains(f.Name(), "Seek") {
		s.Places++
	}
	if !u.MayBlock(f) {
		return
	}
	s.Blocking++
	switch {
	case takesContext(f):
		s.Context++
	case takesTimeout(f):
		s.Timeout++
	default:
		s.NoLimit = append(s.NoLimit, objectName(f))
	}
}

func (u *Universe) addDecl(s *Surface, p *Package, d *ast.GenDecl) {
	for _, spec := range d.Specs {
		switch spec := spec.(type) {
		case *ast.ValueSpec:
			// A comment above a group of constants documents the group, as go doc shows it.
			documented := isDocumented(spec.Doc, spec.Comment, d.Doc)
			for range exported(spec.Names) {
				s.addName(documented)
			}
		case *ast.TypeSpec:
			if spec.Name.IsExported() && !isTestTool(spec.Name.Name) {
				s.addName(isDocumented(spec.Doc, spec.Comment, d.Doc))
				u.addType(s, p, spec)
			}
		}
	}
}

// addType counts what an exported type has.
func (u *Universe) addType(s *Surface, p *Package, spec *ast.TypeSpec) {
	protocol := isProtocol(spec.Name.Name)
	if protocol {
		s.ProtocolTypes++
		s.ProtocolNames++
	}
	switch t := spec.Type.(type) {
	case *ast.StructType:
		for _, f := range t.Fields.List {
			n := len(exported(f.Names))
			s.Fields += n
			if isDocumented(f.Doc, f.Comment) {
				s.FieldsDoc += n
			}
			if protocol {
				s.ProtocolNames += n
			}
		}
	case *ast.InterfaceType:
		for _, m := range t.Methods.List {
			for _, n := range exported(m.Names) {
				s.addName(isDocumented(m.Doc, m.Comment))
				if f, ok := p.Info.Defs[n].(*types.Func); ok {
					u.addFunction(s, f)
				}
			}
		}
	}
}

func exported(names []*ast.Ident) []*ast.Ident {
	return slices.DeleteFunc(slices.Clone(names), func(n *ast.Ident) bool { return !n.IsExported() })
}

// isDocumented tells whether one of the comments that may document something is there.
func isDocumented(comments ...*ast.CommentGroup) bool {
	return slices.ContainsFunc(comments, func(c *ast.CommentGroup) bool { return c.Text() != "" })
}

func receiverName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return receiverName(e.X)
	case *ast.IndexExpr:
		return receiverName(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}

// isTestTool tells whether a name is, by its beginning, one for tests.
func isTestTool(name string) bool {
	for _, prefix := range []string{"Mock", "NewMock", "NewAutoConsumeMock", "NewTest"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// isProtocol tells whether a type is, by its name, a message of Kafka's protocol.
func isProtocol(name string) bool {
	return strings.Contains(name, "Request") || strings.Contains(name, "Response")
}

// implemented lists the interfaces of the standard library that exported types
// implement, the trivial ones aside: "net.Conn (Conn)".
func (u *Universe) implemented(p *Package) ([]string, error) {
	var out []string
	for _, path := range standard {
		std, err := u.Import(path)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", path, err)
		}
		for _, name := range std.Scope().Names() {
			face := plainType(std.Scope().Lookup(name))
			if face == nil || !face.Obj().Exported() || !types.IsInterface(face) || trivial[path+"."+name] {
				continue
			}
			i := face.Underlying().(*types.Interface)
			if i.NumMethods() == 0 || !i.IsMethodSet() {
				continue
			}
			if who := implementers(p, i); who != nil {
				out = append(out, fmt.Sprintf("%s.%s (%s)", path, name, strings.Join(who, ", ")))
			}
		}
	}
	slices.Sort(out)
	return out, nil
}

// implementers are the exported types of a package that implement an interface.
func implementers(p *Package, i *types.Interface) []string {
	var who []string
	for _, name := range p.Types.Scope().Names() {
		t := plainType(p.Types.Scope().Lookup(name))
		if t == nil || !t.Obj().Exported() || isTestTool(name) {
			continue
		}
		if types.Implements(t, i) || !types.IsInterface(t) && types.Implements(types.NewPointer(t), i) {
			who = append(who, name)
		}
	}
	return who
}
