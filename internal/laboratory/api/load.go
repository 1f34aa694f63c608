// Package api counts what Go packages offer: it reads the sources of the very
// modules in go.mod, type-checks them, and never runs them.
//
// What it counts is the same on every computer: it reads the files that a build
// for linux/amd64 with cgo would take, and needs no C compiler for it.
package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/build"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// A Package is one whose sources were read.
type Package struct {
	Path  string
	Dir   string
	Files []*ast.File
	Tests []*ast.File // of the same folder, not type-checked
	Types *types.Package
	Info  *types.Info
}

// A Universe is a set of packages that were type-checked together.
type Universe struct {
	Fset     *token.FileSet
	Packages map[string]*Package

	root    string
	sources map[string]bool   // modules whose packages are read from source
	listed  map[string]listed // every package that go list knows
	exports types.Importer
	blocks  map[string]bool // see blocking.go
}

type listed struct {
	ImportPath string
	Dir        string
	Export     string
	Standard   bool
	Imports    []string
	CgoFiles   []string
	Module     *struct{ Path, Version, Dir string }
}

// platform is what the sources are read for.
var platform = []string{"GOOS=linux", "GOARCH=amd64"}

// Load reads packages, and with them the packages of the given modules that
// they import. What else they import comes from the compiler's export data.
func Load(root string, modules, packages []string) (*Universe, error) {
	u := &Universe{
		Fset: token.NewFileSet(), Packages: make(map[string]*Package),
		root: root, sources: make(map[string]bool), listed: make(map[string]listed),
	}
	for _, m := range modules {
		u.sources[m] = true
	}
	// First everything that a build with cgo would need, without compiling it.
	if err := u.list(packages, "CGO_ENABLED=1"); err != nil {
		return nil, err
	}
	var outside []string
	for path, p := range u.listed {
		if !u.fromSource(path) && path != "C" && path != "unsafe" && (p.Module != nil || p.Standard) {
			outside = append(outside, path)
		}
	}
	slices.Sort(outside)
	// Then the export data of what isn't read from source, compiled without cgo.
	if err := u.list(append([]string{"-export"}, outside...), "CGO_ENABLED=0"); err != nil {
		return nil, err
	}
	u.exports = importer.ForCompiler(u.Fset, "gc", func(path string) (io.ReadCloser, error) {
		file := u.listed[path].Export
		if file == "" {
			return nil, fmt.Errorf("there is no export data of %s", path)
		}
		return os.Open(file)
	})
	for _, path := range packages {
		if _, err := u.Import(path); err != nil {
			return nil, err
		}
	}
	return u, nil
}

// list asks go list about packages and what they depend on.
func (u *Universe) list(args []string, env ...string) error {
	command := exec.Command("go", append([]string{"list", "-e", "-deps", "-json=ImportPath,Dir,Export,Standard,Imports,CgoFiles,Module"}, args...)...)
	command.Dir = u.root
	command.Env = slices.Concat(os.Environ(), platform, env)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	output, err := command.Output()
	if err != nil {
		return fmt.Errorf("asking go list: %w: %s", err, stderr.String())
	}
	for decoder := json.NewDecoder(bytes.NewReader(output)); ; {
		var p listed
		err := decoder.Decode(&p)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading go list's answer: %w", err)
		}
		if old, ok := u.listed[p.ImportPath]; ok && p.Export == "" {
			p.Export = old.Export
		}
		u.listed[p.ImportPath] = p
	}
}

func (u *Universe) fromSource(path string) bool {
	m := u.listed[path].Module
	return m != nil && u.sources[m.Path]
}

// Module returns the path of the module that a package is in, or "" for the
// standard library.
func (u *Universe) Module(path string) string {
	if m := u.listed[path].Module; m != nil {
		return m.Path
	}
	return ""
}

// Dir returns the folder of a package.
func (u *Universe) Dir(path string) string { return u.listed[path].Dir }

// Import implements types.Importer.
func (u *Universe) Import(path string) (*types.Package, error) {
	switch {
	case path == "unsafe":
		return types.Unsafe, nil
	case u.Packages[path] != nil:
		return u.Packages[path].Types, nil
	case !u.fromSource(path):
		return u.exports.Import(path)
	}
	p, err := u.read(path, u.listed[path].Dir)
	if err != nil {
		return nil, err
	}
	u.Packages[path] = p
	return p.Types, nil
}

// read parses and type-checks the files of a folder.
func (u *Universe) read(path, dir string) (*Package, error) {
	p := &Package{Path: path, Dir: dir}
	context := build.Default
	context.GOOS, context.GOARCH, context.CgoEnabled = "linux", "amd64", true
	context.BuildTags = nil
	// go/build alone would leave out files that name no platform it knows: it needs no more than the folder.
	found, err := context.ImportDir(dir, 0)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	parse := func(names []string) ([]*ast.File, error) {
		var files []*ast.File
		for _, name := range names {
			file, err := parser.ParseFile(u.Fset, filepath.Join(dir, name), nil, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				return nil, fmt.Errorf("reading %s: %w", path, err)
			}
			files = append(files, file)
		}
		return files, nil
	}
	if p.Files, err = parse(slices.Sorted(slices.Values(slices.Concat(found.GoFiles, found.CgoFiles)))); err != nil {
		return nil, err
	}
	if p.Tests, err = parse(slices.Concat(found.TestGoFiles, found.XTestGoFiles)); err != nil {
		return nil, err
	}
	return p, u.check(p)
}

func (u *Universe) check(p *Package) error {
	p.Info = &types.Info{
		Types: make(map[ast.Expr]types.TypeAndValue), Defs: make(map[*ast.Ident]types.Object),
		Uses: make(map[*ast.Ident]types.Object), Selections: make(map[*ast.SelectorExpr]*types.Selection),
	}
	config := types.Config{
		Importer: u, FakeImportC: true, // A name in C has no type here. Everything else has.
		Sizes: types.SizesFor("gc", "amd64"),
		Error: func(error) {}, // Go on: the first one is returned.
	}
	var err error
	p.Types, err = config.Check(p.Path, u.Fset, p.Files, p.Info)
	if err != nil && !u.touchesC(p) {
		return fmt.Errorf("type-checking %s: %w", p.Path, err)
	}
	return nil
}

// touchesC tells whether a package, or one that it imports from source, has
// names of C, whose types and values aren't known here.
func (u *Universe) touchesC(p *Package) bool {
	if usesC(p.Files) {
		return true
	}
	for _, file := range p.Files {
		for _, i := range file.Imports {
			if other := u.Packages[strings.Trim(i.Path.Value, `"`)]; other != nil && usesC(other.Files) {
				return true
			}
		}
	}
	return false
}

func usesC(files []*ast.File) bool {
	for _, f := range files {
		for _, i := range f.Imports {
			if i.Path.Value == `"C"` {
				return true
			}
		}
	}
	return false
}

// A Program is what a single-file program takes of the client's packages.
type Program struct {
	Lines   int // all of them, comments and empty ones included
	Code    int // without comments and empty lines
	Names   []string
	Calls   []string // functions and methods of the client that may block
	Context []string // those of Calls that take a context
}

// ReadProgram reads the program in a folder, and which exported names of the
// given modules it uses: functions, types, methods, fields, constants and
// variables, each counted once. A name is "package.Name" or "Type.Name".
func (u *Universe) ReadProgram(dir string, modules []string) (Program, error) {
	path := filepath.Join(dir, "main.go")
	source, err := os.ReadFile(path)
	if err != nil {
		return Program{}, fmt.Errorf("reading the program: %w", err)
	}
	file, err := parser.ParseFile(u.Fset, path, source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return Program{}, fmt.Errorf("reading the program: %w", err)
	}
	for _, i := range file.Imports {
		name := strings.Trim(i.Path.Value, `"`)
		if _, ok := u.listed[name]; !ok {
			if err := u.list([]string{"-export", name}, "CGO_ENABLED=0"); err != nil {
				return Program{}, err
			}
		}
	}
	p := &Package{Path: "main", Dir: dir, Files: []*ast.File{file}}
	if err := u.check(p); err != nil {
		return Program{}, err
	}
	var out Program
	out.Lines = bytes.Count(source, []byte("\n"))
	out.Code = codeLines(u.Fset, file)
	names, calls, contexts := make(map[string]bool), make(map[string]bool), make(map[string]bool)
	for _, object := range p.Info.Uses {
		if object.Pkg() == nil || !object.Exported() || !slices.Contains(modules, u.Module(object.Pkg().Path())) {
			continue
		}
		if _, ok := object.(*types.PkgName); ok {
			continue
		}
		name := objectName(object)
		names[name] = true
		if f, ok := object.(*types.Func); ok && u.MayBlock(f) {
			calls[name] = true
			if takesContext(f) {
				contexts[name] = true
			}
		}
	}
	for object, list := range map[*[]string]map[string]bool{&out.Names: names, &out.Calls: calls, &out.Context: contexts} {
		*object = slices.Sorted(maps.Keys(list))
	}
	return out, nil
}

// objectName is a short name that tells two methods of the same name apart.
func objectName(o types.Object) string {
	if f, ok := o.(*types.Func); ok {
		if recv := f.Signature().Recv(); recv != nil {
			return typeName(recv.Type()) + "." + o.Name()
		}
	}
	if v, ok := o.(*types.Var); ok && v.IsField() {
		return "field " + o.Name()
	}
	return o.Pkg().Name() + "." + o.Name()
}

func typeName(t types.Type) string {
	if p, ok := t.(*types.Pointer); ok {
		t = p.Elem()
	}
	if n, ok := t.(*types.Named); ok {
		return n.Obj().Name()
	}
	return "interface"
}

// codeLines counts the lines that hold a token of the program.
func codeLines(set *token.FileSet, file *ast.File) int {
	lines := make(map[int]bool)
	mark := func(p token.Pos) {
		if p.IsValid() {
			lines[set.Position(p).Line] = true
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n.(type) {
		case nil:
			return false
		case *ast.Comment, *ast.CommentGroup:
			return false
		}
		mark(n.Pos())
		mark(n.End() - 1)
		return true
	})
	return len(lines)
}

// A Luggage is what comes along with a program, the standard library and the
// program itself aside, in a build for linux/amd64 with cgo.
type Luggage struct {
	Modules  []string
	Packages []string
	C        []string // those of Packages that have cgo
	Net      []string // those of Packages that import net
}

// Along finds what comes along with the program in a folder.
func Along(root, folder string) (Luggage, error) {
	u := &Universe{root: root, listed: make(map[string]listed)}
	if err := u.list([]string{"./" + folder}, "CGO_ENABLED=1"); err != nil {
		return Luggage{}, err
	}
	var l Luggage
	modules := make(map[string]bool)
	for _, path := range slices.Sorted(maps.Keys(u.listed)) {
		p := u.listed[path]
		if p.Standard || p.Module == nil || p.Module.Version == "" {
			continue
		}
		modules[p.Module.Path] = true
		l.Packages = append(l.Packages, path)
		if p.CgoFiles != nil {
			l.C = append(l.C, path)
		}
		if slices.Contains(p.Imports, "net") {
			l.Net = append(l.Net, path)
		}
	}
	l.Modules = slices.Sorted(maps.Keys(modules))
	return l, nil
}

// lookup finds a function or method of a package, such as "Writer.WriteMessages".
func (u *Universe) lookup(path, name string) (types.Object, error) {
	p := u.Packages[path]
	if p == nil {
		return nil, fmt.Errorf("%s was not read", path)
	}
	first, method, isMethod := strings.Cut(name, ".")
	object := p.Types.Scope().Lookup(first)
	if object != nil && isMethod {
		owner := object.Type()
		object, _, _ = types.LookupFieldOrMethod(types.NewPointer(owner), true, p.Types, method)
		if object == nil {
			object, _, _ = types.LookupFieldOrMethod(owner, true, p.Types, method)
		}
	}
	if object == nil {
		return nil, fmt.Errorf("%s has no %s", path, name)
	}
	return object, nil
}

// Signature returns the type of a function or method of a package, such as
// "Writer.WriteMessages", as it is written inside the package.
func (u *Universe) Signature(path, name string) (string, error) {
	object, err := u.lookup(path, name)
	if err != nil {
		return "", err
	}
	text := types.TypeString(object.Type(), func(other *types.Package) string {
		if other.Path() == path {
			return ""
		}
		return other.Name()
	})
	_, method, _ := strings.Cut(name, ".")
	return method + strings.TrimPrefix(text, "func"), nil
}

// Waits tells whether a function or method may wait, and whether it takes a context.
func (u *Universe) Waits(path, name string) (waits, context bool, err error) {
	object, err := u.lookup(path, name)
	if err != nil {
		return false, false, err
	}
	f, ok := object.(*types.Func)
	if !ok {
		return false, false, fmt.Errorf("%s of %s is no function", name, path)
	}
	return u.MayBlock(f), takesContext(f), nil
}

// Deprecated tells whether the comment of a top-level function says that it is.
func (u *Universe) Deprecated(path, name string) bool {
	for _, file := range u.Packages[path].Files {
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == name {
				return strings.Contains(f.Doc.Text(), "Deprecated:") || strings.Contains(f.Doc.Text(), "DEPRECATED")
			}
		}
	}
	return false
}
