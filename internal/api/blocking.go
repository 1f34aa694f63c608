package api

import (
	"go/ast"
	"go/token"
	"go/types"
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
				caller := object.FullName()
				scan(f.Body, p.Info, func(callee *types.Func) {
					name := callee.Origin().FullName()
					if waiting[name] {
						u.blocks[caller] = true
					}
					calls[name] = append(calls[name], caller)
				}, func(name string) {
					if inC[name] {
						u.blocks[caller] = true
					}
				}, func() { u.blocks[caller] = true })
			}
		}
	}
	u.addImplementations(calls)
	for changed := true; changed; {
		changed = false
		for callee, callers := range calls {
			if !u.blocks[callee] {
				continue
			}
			for _, caller := range callers {
				if !u.blocks[caller] {
					u.blocks[caller], changed = true, true
				}
			}
			delete(calls, callee)
		}
	}
}

// scan walks a body and reports calls, calls of C, and waiting.
func scan(body ast.Node, info *types.Info, call func(*types.Func), callC func(string), waits func()) {
	var walk func(n ast.Node) bool
	inspect := func(n ast.Node) {
		if n != nil {
			ast.Inspect(n, walk)
		}
	}
	walk = func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			for _, a := range n.Call.Args { // They are evaluated here, the call isn't.
				inspect(a)
			}
			return false
		case *ast.AssignStmt:
			for _, r := range n.Rhs {
				if _, ok := r.(*ast.FuncLit); !ok { // What is kept in a variable may run elsewhere.
					inspect(r)
				}
			}
			for _, l := range n.Lhs {
				inspect(l)
			}
			return false
		case *ast.KeyValueExpr:
			if _, ok := n.Value.(*ast.FuncLit); ok {
				return false
			}
		case *ast.ReturnStmt:
			for _, r := range n.Results {
				if _, ok := r.(*ast.FuncLit); !ok {
					inspect(r)
				}
			}
			return false
		case *ast.SendStmt:
			waits()
		case *ast.UnaryExpr:
			if n.Op == token.ARROW {
				waits()
			}
		case *ast.RangeStmt:
			if t, ok := info.Types[n.X]; ok && t.Type != nil {
				if _, ok := t.Type.Underlying().(*types.Chan); ok {
					waits()
				}
			}
		case *ast.SelectStmt:
			hasDefault := false
			for _, c := range n.Body.List {
				hasDefault = hasDefault || c.(*ast.CommClause).Comm == nil
			}
			if !hasDefault {
				waits()
			}
			for _, c := range n.Body.List {
				for _, s := range c.(*ast.CommClause).Body {
					inspect(s)
				}
			}
			return false
		case *ast.CallExpr:
			switch f := ast.Unparen(n.Fun).(type) {
			case *ast.Ident:
				if callee, ok := info.Uses[f].(*types.Func); ok {
					call(callee)
				}
			case *ast.SelectorExpr:
				if callee, ok := info.Uses[f.Sel].(*types.Func); ok {
					call(callee)
				} else if x, ok := f.X.(*ast.Ident); ok && x.Name == "C" {
					callC(f.Sel.Name)
				}
			}
		}
		return true
	}
	inspect(body)
}

// addImplementations makes each implementation of an interface's method a
// callee of whoever calls the interface's method: if one waits, so may the call.
func (u *Universe) addImplementations(calls map[string][]string) {
	var concrete []*types.Named
	var interfaces []*types.Named
	for _, p := range u.Packages {
		for _, name := range p.Types.Scope().Names() {
			t, ok := p.Types.Scope().Lookup(name).(*types.TypeName)
			if !ok || t.IsAlias() || strings.HasPrefix(name, "Mock") {
				continue
			}
			named, ok := t.Type().(*types.Named)
			if !ok || named.TypeParams().Len() > 0 {
				continue
			}
			if types.IsInterface(named) {
				interfaces = append(interfaces, named)
			} else {
				concrete = append(concrete, named)
			}
		}
	}
	for _, i := range interfaces {
		face := i.Underlying().(*types.Interface)
		if face.NumMethods() == 0 {
			continue
		}
		for _, c := range concrete {
			pointer := types.NewPointer(c)
			if !types.Implements(pointer, face) {
				continue
			}
			for method := range face.Methods() {
				if u.Module(method.Pkg().Path()) != u.Module(c.Obj().Pkg().Path()) {
					continue // A user's type, such as a handler that goka gives to sarama.
				}
				found, _, _ := types.LookupFieldOrMethod(pointer, true, method.Pkg(), method.Name())
				if f, ok := found.(*types.Func); ok && f.FullName() != method.FullName() {
					calls[f.Origin().FullName()] = append(calls[f.Origin().FullName()], method.FullName())
				}
			}
		}
	}
}

// cFunctions returns the functions of librdkafka that may wait: those whose
// declaration has a timeout, and those of the preambles that call one of them.
func (u *Universe) cFunctions() map[string]bool {
	found := make(map[string]bool)
	for name := range waitingInC {
		found[name] = true
	}
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
		own := regexp.MustCompile(`(?m)^\s*(?:static\s+)?[\w ]+[ *](\w+)\s*\([^;{}]*\)\s*\{`)
		for range 3 { // A function of a preamble may call another.
			for _, file := range p.Files {
				for _, group := range file.Comments {
					text := group.Text()
					places := own.FindAllStringSubmatchIndex(text, -1)
					for i, m := range places {
						end := len(text)
						if i+1 < len(places) {
							end = places[i+1][0]
						}
						for name := range found {
							if strings.Contains(text[m[1]:end], name+"(") || strings.Contains(text[m[1]:end], name+" (") {
								found[text[m[2]:m[3]]] = true
								break
							}
						}
					}
				}
			}
		}
	}
	return found
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
