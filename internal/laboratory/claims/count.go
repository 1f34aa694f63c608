package claims

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"kafka-with-go/internal/clients"
	"kafka-with-go/internal/laboratory/api"
)

// Counted is what is counted of a client, and is the same on every computer.
type Counted struct {
	Version  string
	Released string // the day of that version
	Surface  api.Surface
	Write    string // how a record is handed over
	Read     string // how it is received
	Flow     Flow
}

// Share is the share of documented names, in percent.
func (c Counted) Share() float64 {
	return 100 * float64(c.Surface.Documented) / float64(c.Surface.Names)
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

// Function is what is read of a function's source.
type Function struct {
	Waits        bool // it may wait
	TakesContext bool
}

// names lists the clients in the order of the tables.
func names() []string { return clients.Names() }

// count counts everything that can be read from the sources.
func (r *Results) count(root string) error {
	var modules, packages []string
	for _, c := range clients.All() {
		packages = append(packages, c.Package)
		modules = append(append(modules, c.Module), c.Related...)
	}
	u, err := api.Load(root, modules, append(packages, api.StandardPackages()...))
	if err != nil {
		return fmt.Errorf("reading the clients' sources: %w", err)
	}
	r.Counted = make(map[string]Counted)
	for _, c := range clients.All() {
		if r.Counted[c.Name()], err = countOne(u, root, c); err != nil {
			return fmt.Errorf("counting %s: %w", c.Name(), err)
		}
	}
	kafkaGo := clients.All()[0].Package
	r.NewWriterIsOld = u.Deprecated(kafkaGo, "NewWriter")
	r.ReadMessage.Waits, r.ReadMessage.TakesContext, err = u.Waits(kafkaGo, "Reader.ReadMessage")
	return err
}

func countOne(u *api.Universe, root string, client clients.Client) (c Counted, err error) {
	if c.Surface, err = u.ReadSurface(client.Package); err != nil {
		return c, err
	}
	if c.Write, err = u.Signature(client.Package, client.Write); err != nil {
		return c, err
	}
	if c.Read, err = u.Signature(client.Package, client.Read); err != nil {
		return c, err
	}
	if c.Version, c.Released, err = version(root, client.Module); err != nil {
		return c, err
	}
	c.Flow, err = countFlow(u, root, client)
	return c, err
}

// version returns a module's version, and the day on which it was released.
func version(root, module string) (version, released string, err error) {
	const format = `{{.Version}} {{if .Time}}{{.Time.Format "2006-01-02"}}{{end}}`
	command := exec.Command("go", "list", "-m", "-f", format, module)
	command.Dir = root
	output, err := command.Output()
	if err != nil {
		return "", "", fmt.Errorf("asking for the version: %w", err)
	}
	version, released, _ = strings.Cut(strings.TrimSpace(string(output)), " ")
	return version, released, nil
}

func countFlow(u *api.Universe, root string, client clients.Client) (f Flow, err error) {
	modules := append([]string{client.Module}, client.Related...)
	program, err := u.ReadProgram(filepath.Join(root, filepath.FromSlash(client.Flow())), modules)
	if err != nil {
		return f, err
	}
	luggage, err := api.Along(root, client.Flow())
	if err != nil {
		return f, err
	}
	f = Flow{
		Lines: program.Lines, Code: program.Code,
		Names: program.Names, Calls: program.Calls, Context: program.Context,
		Modules: luggage.Modules, Packages: len(luggage.Packages), C: luggage.C,
	}
	for _, n := range program.Names {
		if strings.Contains(n, "InvalidRequest") {
			continue // It is an error.
		}
		protocol := strings.Contains(n, "Request") || strings.Contains(n, "Response")
		if protocol && !strings.HasPrefix(n, "field ") {
			f.Protocol = append(f.Protocol, n)
		}
	}
	own := func(path string) bool {
		return path == client.Module || strings.HasPrefix(path, client.Module+"/")
	}
	f.OwnNet = slices.DeleteFunc(luggage.Net, func(path string) bool { return !own(path) })
	if len(f.OwnNet) == 0 {
		f.OwnNet = nil // So that it is kept as it is counted.
	}
	return f, nil
}
