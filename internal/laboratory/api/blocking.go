package api

import (
	"go/ast"
	"go/token"
	"go/types"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// waiting are functions of other packages that wait for somebody.
var waiting = map[string]bool{
	"time.Sleep":             true,
	"(*sync.WaitGroup).Wait": true, "(*sync.Cond).Wait": true,
	"(net.Conn).Read": true, "(net.Conn).Write": true,
	"net.Dial": true, "net.DialTimeout": true, "(*net.Dialer).Dial": true, "(*net.Dialer).DialContext": true,
	"(*crypto/tls.Conn).Handshake": true, "(*crypto/tls.Conn).HandshakeContext": true,
	"(*bufio.Reader).Peek": true, "(*bufio.Reader).Read": true, "(*bufio.Reader).ReadByte": true,
	"(*bufio.Reader).Discard": true, "(*bufio.Writer).Flush": true, "io.ReadFull": true,
	"(*golang.org/x/sync/errgroup.Group).Wait": true,
}

// waitingInC are functions of librdkafka that wait and have no timeout among
// their arguments. Those that have one are found in its header.
var waitingInC = map[string]bool{
	"rd_kafka_consumer_close": true, "rd_kafka_destroy": true, "rd_kafka_destroy_flags": true, "rd_kafka_commit": true,
}

var timeoutInC = regexp.MustCompile(`\b(rd_kafka_\w+)\s*\([^;{}()]*\btimeout_ms\b[^;{}()]*\)\s*;`)

var commentInC = regexp.MustCompile(`(?s)/\*.*?\*/`)

// MayBlock tells whether a function may wait for another goroutine, for a time,
// or for the network: it, or a function that it calls directly, sends or
// receives on a channel, selects without a default, or calls one of the
// functions above. A call through an interface counts as a call of each type of
// these modules that implements it. Calls through function values, locks and
// the disk aren't looked at.
func (u *Universe) MayBlock(f *types.Func) bool {
	if u.blocks == nil {
		u.findBlocking()
	}
	return u.blocks[f.Origin().FullName()]
}

func (u *Universe) findBlocking() {
	u.blocks = make(map[string]bool)
	calls := make(map[string][]string) // callee to callers
	inC := u.cFunctions()
	for _, p := range u.Packages {
		for _, file := range p.Files {
			for _, d := range file.Decls {
				f, ok := d.(*ast.FuncDecl)
				if !ok || f.Body == nil {
					continue
				}
				object, ok := p.Info.Defs[f.Name].(*types.Func)
				if !ok {
					continue
				}
				s := scanner{info: p.Info, inC: inC}
				s.scan(f.Body)
				caller := object.FullName()
				u.blocks[caller] = u.blocks[caller] || s.waits
				for _, callee := range s.calls {
					calls[callee] = append(calls[callee], caller)
				}
			}
		}
	}
	u.addImplementations(calls)
	var waiting []string // whose callers are still to be told
	for name, blocks := range u.blocks {
		if blocks {
			waiting = append(waiting, name)
		}
	}
	for len(waiting) > 0 {
		callee := waiting[0]
		waiting = waiting[1:]
		for _, caller := range calls[callee] {
			if !u.blocks[caller] {
				u.blocks[caller] = true
				waiting = append(waiting, caller)
			}
		}
	}
}

// A scanner reads the body of a function: what it calls, and whether it waits by itself.
type scanner struct {
	info *types.Info
	inC  map[string]bool // functions of C that wait

	calls []string
	waits bool
}

func (s *scanner) scan(n ast.Node) {
	if n != nil {
		ast.Inspect(n, s.visit)
	}
}

// visit looks at a node, and says whether its children are to be looked at like any other.
func (s *scanner) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.GoStmt:
		for _, argument := range n.Call.Args { // They are evaluated here, the call isn't.
			s.scan(argument)
		}
		return false
	case *ast.AssignStmt:
		s.scanValues(n.Rhs)
		for _, l := range n.Lhs {
			s.scan(l)
		}
		return false
	case *ast.ReturnStmt:
		s.scanValues(n.Results)
		return false
	case *ast.KeyValueExpr:
		return !isFunction(n.Value)
	case *ast.SendStmt:
		s.waits = true
	case *ast.UnaryExpr:
		s.waits = s.waits || n.Op == token.ARROW
	case *ast.RangeStmt:
		s.waits = s.waits || s.isChannel(n.X)
	case *ast.SelectStmt:
		s.scanSelect(n)
		return false
	case *ast.CallExpr:
		s.addCall(n)
	}
	return true
}

// scanValues looks at values but for functions: what is kept may run elsewhere.
func (s *scanner) scanValues(values []ast.Expr) {
	for _, v := range values {
		if !isFunction(v) {
			s.scan(v)
		}
	}
}

func isFunction(e ast.Expr) bool { _, ok := e.(*ast.FuncLit); return ok }

func (s *scanner) isChannel(e ast.Expr) bool {
	t := s.info.Types[e].Type
	if t == nil {
		return false
	}
	_, ok := t.Underlying().(*types.Chan)
	return ok
}

// scanSelect looks at what a select does after it has chosen. It waits unless it has a default.
func (s *scanner) scanSelect(n *ast.SelectStmt) {
	hasDefault := false
	for _, c := range n.Body.List {
		clause := c.(*ast.CommClause)
		hasDefault = hasDefault || clause.Comm == nil
		for _, statement := range clause.Body {
			s.scan(statement)
		}
	}
	s.waits = s.waits || !hasDefault
}

// addCall notes what is called, if it is named.
func (s *scanner) addCall(n *ast.CallExpr) {
	var name *ast.Ident
	switch f := ast.Unparen(n.Fun).(type) {
	case *ast.Ident:
		name = f
	case *ast.SelectorExpr:
		name = f.Sel
		if x, ok := f.X.(*ast.Ident); ok && x.Name == "C" {
			s.waits = s.waits || s.inC[name.Name]
		}
	default:
		return
	}
	if callee, ok := s.info.Uses[name].(*types.Func); ok {
		full := callee.Origin().FullName()
		s.calls = append(s.calls, full)
		s.waits = s.waits || waiting[full]
	}
}

// addImplementations makes each implementation of an interface's method a
// callee of whoever calls the interface's method: if one waits, so may the call.
func (u *Universe) addImplementations(calls map[string][]string) {
	var concrete, interfaces []*types.Named
	for _, p := range u.Packages {
		for _, name := range p.Types.Scope().Names() {
			named := plainType(p.Types.Scope().Lookup(name))
			switch {
			case named == nil || strings.HasPrefix(name, "Mock"):
			case !types.IsInterface(named):
				concrete = append(concrete, named)
			case named.Underlying().(*types.Interface).NumMethods() > 0:
				interfaces = append(interfaces, named)
			}
		}
	}
	for _, i := range interfaces {
		face := i.Underlying().(*types.Interface)
		for _, c := range concrete {
			if types.Implements(types.NewPointer(c), face) {
				u.addMethods(calls, face, c)
			}
		}
	}
}

// addMethods makes the methods of a type callees of the interface's methods.
func (u *Universe) addMethods(calls map[string][]string, face *types.Interface, c *types.Named) {
	for method := range face.Methods() {
		if u.Module(method.Pkg().Path()) != u.Module(c.Obj().Pkg().Path()) {
			continue // A user's type, such as a handler that goka gives to sarama.
		}
		found, _, _ := types.LookupFieldOrMethod(types.NewPointer(c), true, method.Pkg(), method.Name())
		if f, ok := found.(*types.Func); ok && f.FullName() != method.FullName() {
			name := f.Origin().FullName()
			calls[name] = append(calls[name], method.FullName())
		}
	}
}

// plainType is the type that an object names, unless it is an alias or has type parameters.
func plainType(o types.Object) *types.Named {
	t, ok := o.(*types.TypeName)
	if !ok || t.IsAlias() {
		return nil
	}
	named, ok := t.Type().(*types.Named)
	if !ok || named.TypeParams().Len() > 0 {
		return nil
	}
	return named
}

// cFunctions returns the functions of librdkafka that may wait: those whose declaration has a
// timeout, and those of the preambles that call one of them.
func (u *Universe) cFunctions() map[string]bool {
	found := maps.Clone(waitingInC)
	for _, p := range u.Packages {
		if !usesC(p.Files) {
			continue
		}
		headers, err := filepath.Glob(filepath.Join(p.Dir, "*", "rdkafka.h"))
		if err != nil {
			continue
		}
		for _, h := range headers {
			text, err := os.ReadFile(h)
			if err != nil {
				continue
			}
			for _, m := range timeoutInC.FindAllSubmatch(commentInC.ReplaceAll(text, nil), -1) {
				found[string(m[1])] = true
			}
		}
		for range 3 { // A function of a preamble may call another.
			for _, file := range p.Files {
				for _, group := range file.Comments {
					addPreamble(group.Text(), found)
				}
			}
		}
	}
	return found
}

var ownInC = regexp.MustCompile(`(?m)^\s*(?:static\s+)?[\w ]+[ *](\w+)\s*\([^;{}]*\)\s*\{`)

// addPreamble adds the functions of a preamble that call one that was found.
func addPreamble(text string, found map[string]bool) {
	places := ownInC.FindAllStringSubmatchIndex(text, -1)
	for i, m := range places {
		end := len(text)
		if i+1 < len(places) {
			end = places[i+1][0]
		}
		body := text[m[1]:end]
		for name := range found {
			if strings.Contains(body, name+"(") || strings.Contains(body, name+" (") {
				found[text[m[2]:m[3]]] = true
				break
			}
		}
	}
}

// takesContext tells whether a function has a context among its arguments.
func takesContext(f *types.Func) bool {
	for v := range f.Signature().Params().Variables() {
		if v.Type().String() == "context.Context" {
			return true
		}
	}
	return false
}

// takesTimeout tells whether a function has a time limit among its arguments.
func takesTimeout(f *types.Func) bool {
	for v := range f.Signature().Params().Variables() {
		if v.Type().String() == "time.Duration" || strings.Contains(strings.ToLower(v.Name()), "timeout") {
			return true
		}
	}
	return false
}
