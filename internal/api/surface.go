package api

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"maps"
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
			documented := spec.Doc.Text() != "" || spec.Comment.Text() != "" || d.Doc.Text() != ""
			for _, n := range spec.Names {
				if n.IsExported() {
					s.addName(documented)
				}
			}
		case *ast.TypeSpec:
			if !spec.Name.IsExported() || isTestTool(spec.Name.Name) {
				continue
			}
			s.addName(spec.Doc.Text() != "" || spec.Comment.Text() != "" || d.Doc.Text() != "")
			protocol := isProtocol(spec.Name.Name)
			if protocol {
				s.ProtocolTypes++
				s.ProtocolNames++
			}
			switch t := spec.Type.(type) {
			case *ast.StructType:
				for _, f := range t.Fields.List {
					for _, n := range f.Names {
						if !n.IsExported() {
							continue
						}
						s.Fields++
						if f.Doc.Text() != "" || f.Comment.Text() != "" {
							s.FieldsDoc++
						}
						if protocol {
							s.ProtocolNames++
						}
					}
				}
			case *ast.InterfaceType:
				for _, m := range t.Methods.List {
					for _, n := range m.Names {
						if !n.IsExported() {
							continue
						}
						s.addName(m.Doc.Text() != "" || m.Comment.Text() != "")
						if f, ok := p.Info.Defs[n].(*types.Func); ok {
							u.addFunction(s, f)
						}
					}
				}
			}
		}
	}
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
	who := make(map[string][]string)
	for _, path := range standard {
		std, err := u.Import(path)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", path, err)
		}
		for _, name := range std.Scope().Names() {
			face, ok := std.Scope().Lookup(name).(*types.TypeName)
			if !ok || !face.Exported() || !types.IsInterface(face.Type()) || trivial[path+"."+name] {
				continue
			}
			if named, ok := face.Type().(*types.Named); ok && named.TypeParams().Len() > 0 {
				continue
			}
			i := face.Type().Underlying().(*types.Interface)
			if i.NumMethods() == 0 || !i.IsMethodSet() {
				continue
			}
			for _, own := range p.Types.Scope().Names() {
				t, ok := p.Types.Scope().Lookup(own).(*types.TypeName)
				if !ok || !t.Exported() || t.IsAlias() || isTestTool(own) {
					continue
				}
				if named, ok := t.Type().(*types.Named); ok && named.TypeParams().Len() > 0 {
					continue
				}
				if types.Implements(t.Type(), i) || !types.IsInterface(t.Type()) && types.Implements(types.NewPointer(t.Type()), i) {
					who[std.Path()+"."+name] = append(who[std.Path()+"."+name], own)
				}
			}
		}
	}
	var out []string
	for _, face := range slices.SortedFunc(maps.Keys(who), cmp.Compare) {
		out = append(out, fmt.Sprintf("%s (%s)", face, strings.Join(who[face], ", ")))
	}
	return out, nil
}
