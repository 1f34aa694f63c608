// Package readme tests what the READMEs show. Their blocks say by their first
// line what they are:
//
//	```console producer     a terminal of the name "producer": "$ " starts a command, "> " is
//	                        typed into the one that runs, "^C" interrupts it, and all else is
//	                        what it prints
//	```go 01-producer/main.go     code, which stands in that file, line by line
//	```text picture:keys          a picture, which a function of this package draws
//
// In what a command prints, "…" stands for anything. The lines may come in any
// order, except that those with the same first word keep theirs, and among
// records those of the same partition.
package readme

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/text"

	"kafka-with-go/internal/lab"
)

var update = flag.Bool("update", false, "draw the pictures of the READMEs anew")

// A block is a fenced block of a README, or a comment for this test.
type block struct {
	kind, name string // "console", "producer"
	lines      []string
	comment    string // of <!-- test: ... -->
}

// blocks returns the blocks of a README, in order.
func blocks(t *testing.T, source []byte) []block {
	t.Helper()
	var found []block
	err := ast.Walk(goldmark.DefaultParser().Parse(text.NewReader(source)), func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		var content []string
		if n.Type() == ast.TypeBlock {
			for i := range n.Lines().Len() {
				line := n.Lines().At(i)
				content = append(content, strings.TrimRight(string(line.Value(source)), "\n"))
			}
		}
		switch n := n.(type) {
		case *ast.FencedCodeBlock:
			b := block{lines: content}
			if n.Info != nil {
				b.kind, b.name, _ = strings.Cut(string(n.Info.Segment.Value(source)), " ")
			}
			found = append(found, b)
		case *ast.HTMLBlock:
			if m := regexp.MustCompile(`<!-- test: (.*) -->`).FindStringSubmatch(strings.Join(content, "\n")); m != nil {
				found = append(found, block{comment: m[1]})
			}
		}
		return ast.WalkContinue, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func readme(t *testing.T, name string) []byte {
	t.Helper()
	source, err := os.ReadFile(filepath.Join(lab.Root(t), name))
	if err != nil {
		t.Fatal(err)
	}
	return source
}

// readmes are the READMEs that these tests read, from the top folder.
var readmes = []string{"README.md", "04-comparison/README.md", "04-comparison/FAULTS.md"}

// Every command of a README is run in the order of its chapters, as one learner
// with several terminals would, and prints what the README shows.
func TestCommandsAndOutputs(t *testing.T) {
	for _, name := range readmes {
		t.Run(strings.ReplaceAll(name, "/", "-"), func(t *testing.T) {
			t.Parallel()
			s := newSession(t)
			for _, b := range blocks(t, readme(t, name)) {
				s.do(b)
			}
		})
	}
}

// do does what a block asks for.
func (s *session) do(b block) {
	s.t.Helper()
	switch {
	case strings.HasPrefix(b.comment, "interrupt "):
		for name := range strings.FieldsSeq(b.comment[len("interrupt "):]) {
			s.terminals[name].process.InterruptGroup()
			s.terminals[name].process.Wait()
		}
	case strings.HasPrefix(b.comment, "edit "):
		var folder, name, value string
		if _, err := fmt.Sscan(b.comment, new(string), &folder, &name, &value); err != nil {
			s.t.Fatalf("%q doesn't say what to edit: %v", b.comment, err)
		}
		s.edit(folder, name, value)
	case b.comment != "":
		s.t.Fatalf("unknown comment %q", b.comment)
	case b.kind != "console" || b.name == "docker" || b.name == "apache":
		// There is no Docker engine in the tests; TestOtherCommands looks at these.
	case b.name == "confluent" && !cgo(s.t):
		s.t.Log("not run, since there is no C compiler:", b.lines[0])
	default:
		s.play(b)
	}
}

// cgo tells whether Go builds programs with C here.
func cgo(t *testing.T) bool {
	t.Helper()
	output, err := exec.Command("go", "env", "CGO_ENABLED").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(output)) == "1"
}

// A session is a learner's: terminals, and a cluster on ports of its own.
type session struct {
	t         *testing.T
	constants map[string]lab.Constants // by folder
	env       []string
	ports     *strings.Replacer // from the README's ports to the session's
	terminals map[string]*terminal
}

// A terminal runs one command at a time.
type terminal struct {
	process *lab.Process
	seen    int            // lines before the last command, typed line or Ctrl-C
	matched map[string]int // by what keeps its order: the last line that matched
	used    map[int]bool   // the lines that matched
}

func newSession(t *testing.T) *session {
	s := &session{t: t, constants: make(map[string]lab.Constants), terminals: make(map[string]*terminal)}
	constants := lab.Constants{"interval": "100 * time.Millisecond"}
	var ports, replace []string
	for i, addr := range lab.FreeAddrs(t) {
		port := addr[strings.LastIndex(addr, ":")+1:]
		ports = append(ports, port)
		constants[fmt.Sprintf("broker%dAddress", i+1)] = fmt.Sprintf("%q", "localhost:"+port)
		replace = append(replace, fmt.Sprint(9093+i), port)
	}
	board := lab.FreeAddrs(t)[0]
	board = board[strings.LastIndex(board, ":")+1:]
	constants["boardPort"] = board
	replace = append(replace, "9096", board)
	constants["ports"] = "[embedded.Brokers]int{" + strings.Join(ports, ", ") + "}"
	s.ports = strings.NewReplacer(replace...)
	for _, pattern := range []string{"0[0-3]-*", "0[1-3]-*/0*", "04-*/*"} {
		folders, err := filepath.Glob(filepath.Join(lab.Root(t), pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, folder := range folders {
			if _, err := os.Stat(filepath.Join(folder, "main.go")); err != nil {
				continue // A folder of pictures, say.
			}
			relative, err := filepath.Rel(lab.Root(t), folder)
			if err != nil {
				t.Fatal(err)
			}
			s.constants[filepath.ToSlash(relative)] = maps.Clone(constants)
		}
	}
	s.overlay()
	return s
}

// edit changes a constant of a program, as the README tells the learner to.
func (s *session) edit(folder, name, value string) {
	s.t.Helper()
	if s.constants[folder] == nil {
		s.t.Fatalf("there is no program %s to edit", folder)
	}
	s.constants[folder][name] = value
	s.overlay()
}

// overlay has every command of the session see the session's constants.
func (s *session) overlay() {
	s.t.Helper()
	s.env = append(os.Environ(), "GOFLAGS=-overlay="+lab.Overlay(s.t, s.constants))
}

// play plays a block in its terminal.
func (s *session) play(b block) {
	s.t.Helper()
	for lines := b.lines; len(lines) > 0; {
		step := lines[0]
		var output []string
		if isStep(step) {
			lines = lines[1:]
		}
		for len(lines) > 0 && !isStep(lines[0]) {
			if strings.TrimSpace(lines[0]) != "" {
				output = append(output, s.ports.Replace(lines[0]))
			}
			lines = lines[1:]
		}
		s.step(b.name, step, output)
	}
}

func isStep(line string) bool {
	return strings.HasPrefix(line, "$ ") || strings.HasPrefix(line, "> ") || line == "^C"
}

// step does one thing in a terminal, and waits for what it should print.
func (s *session) step(name, step string, output []string) {
	s.t.Helper()
	term := s.terminals[name]
	switch {
	case strings.HasPrefix(step, "$ "):
		if term != nil {
			term.process.Wait() // The last command of this terminal has to end first.
		}
		words := strings.Fields(step[2:])
		command := exec.Command(words[0], words[1:]...)
		command.Dir, command.Env = lab.Root(s.t), s.env
		term = &terminal{process: lab.StartCommand(s.t, command)}
		s.terminals[name] = term
	case term == nil:
		s.t.Fatalf("nothing runs in the terminal %s, where the README goes on with %q", name, step)
	case strings.HasPrefix(step, "> "):
		term.seen = len(term.process.Lines())
		term.process.Type(step[2:])
	case step == "^C":
		term.seen = len(term.process.Lines())
		term.process.InterruptGroup()
		// go run itself exits with 1 after Ctrl-C. It says so if its program failed.
		term.process.Wait()
		if strings.Contains(term.process.Output(), "exit status") {
			s.t.Errorf("the program in the terminal %s failed after Ctrl-C", name)
		}
	}
	if isStep(step) {
		term.matched, term.used = make(map[string]int), make(map[int]bool)
	}
	for _, line := range output {
		asked := time.Now()
		term.process.Until(fmt.Sprintf("the line %q after %q in the terminal %s", line, step, name), func(printed []lab.Line) bool {
			if term.match(line, printed) {
				return true
			}
			if step == "> status" && time.Since(asked) > 2*time.Second {
				asked = time.Now()
				term.process.Type("status") // Ask again: a group takes a moment to come to rest.
			}
			return false
		})
	}
}

var inPartition = regexp.MustCompile(`\(partition \d+`)

// match looks for a line among those printed.
func (term *terminal) match(line string, printed []lab.Line) bool {
	ordered, _, _ := strings.Cut(strings.TrimSpace(line), " ")
	ordered += inPartition.FindString(line)
	from, ok := term.matched[ordered]
	if !ok {
		from = term.seen
	}
	for i := from; i < len(printed); i++ {
		if !term.used[i] && agrees(line, printed[i].Text) {
			term.matched[ordered], term.used[i] = i, true
			return true
		}
	}
	return false
}

// agrees tells whether a printed line is what the README shows: "…" is
// anything, and the width of a space doesn't count.
func agrees(shown, printed string) bool {
	var parts []string
	for part := range strings.SplitSeq(strings.Join(strings.Fields(shown), " "), "…") {
		parts = append(parts, regexp.QuoteMeta(part))
	}
	return regexp.MustCompile(`^` + strings.Join(parts, ".*") + `$`).MatchString(strings.Join(strings.Fields(printed), " "))
}

func TestAgrees(t *testing.T) {
	for _, test := range []struct {
		shown, printed string
		want           bool
	}{
		{"writes: 0   (partition 2, offset 0)", "writes: 0 (partition 2, offset 0)", true},
		{"writes: 0   (partition 2, offset 0)", "writes: 0   (partition 2, offset 1)", false},
		{"writes: 0", "writes: 0   (partition 2, offset 1)", false},
		{"stopped: … written", "stopped: 12 written", true},
		{"stopped: … written", "stopped: 12 received", false},
	} {
		if got := agrees(test.shown, test.printed); got != test.want {
			t.Errorf("agrees(%q, %q) = %v", test.shown, test.printed, got)
		}
	}
}

// Code in a README stands in the source that it names, in consecutive lines.
func TestCode(t *testing.T) {
	for _, name := range readmes {
		shown := 0
		for _, b := range blocks(t, readme(t, name)) {
			if b.kind != "go" {
				continue
			}
			shown++
			source := readme(t, b.name)
			if !contains(strings.Split(string(source), "\n"), b.lines) {
				t.Errorf("%s shows code that doesn't stand in %s:\n%s", name, b.name, strings.Join(b.lines, "\n"))
			}
		}
		if shown == 0 && name != "04-comparison/README.md" {
			t.Errorf("%s shows no code", name)
		}
	}
}

// contains looks for the lines of code, whatever their common indentation.
func contains(source, code []string) bool {
	for i := 0; i+len(code) <= len(source); i++ {
		indent, ok := "", true
		for j, line := range code {
			if line == "" && source[i+j] == "" {
				continue
			}
			before, found := strings.CutSuffix(source[i+j], line)
			if j == 0 {
				indent = before
			}
			if ok = found && before == indent && strings.TrimSpace(before) == ""; !ok {
				break
			}
		}
		if ok {
			return true
		}
	}
	return false
}

// Pictures are drawn from what the clients compute.
func TestPictures(t *testing.T) {
	const name = "README.md"
	source := readme(t, name)
	drawn := make(map[string]bool)
	for _, b := range blocks(t, source) {
		picture, ok := strings.CutPrefix(b.name, "picture:")
		if b.kind != "text" || !ok {
			continue
		}
		draw := pictures[picture]
		if draw == nil {
			t.Errorf("%s shows the picture %q, which nobody draws", name, picture)
			continue
		}
		drawn[picture] = true
		want := draw()
		got := strings.Join(b.lines, "\n") + "\n"
		if got == want {
			continue
		}
		if !*update {
			t.Errorf("%s shows\n%sand the clients say\n%sDraw it anew: go test ./internal/readme -run Pictures -update", name, got, want)
			continue
		}
		source = bytes.Replace(source, []byte(b.name+"\n"+got), []byte(b.name+"\n"+want), 1)
		if err := os.WriteFile(filepath.Join(lab.Root(t), name), source, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for picture := range maps.Keys(pictures) {
		if !drawn[picture] {
			t.Errorf("no README shows the picture %q", picture)
		}
	}
}

// Every file that a README links to is there, and so is every program that it
// names in its text.
func TestLinksAndNames(t *testing.T) {
	for _, name := range readmes {
		source := string(readme(t, name))
		dir := filepath.Join(lab.Root(t), filepath.Dir(name))
		for _, m := range regexp.MustCompile(`\]\(([^)#:]+)\)`).FindAllStringSubmatch(source, -1) {
			if _, err := os.Stat(filepath.Join(dir, filepath.FromSlash(m[1]))); err != nil {
				t.Errorf("%s links to %s: %v", name, m[1], err)
			}
		}
		for _, m := range regexp.MustCompile(`(?:go run|go test) [^\n`+"`"+`"]*?(\./[0-9a-z-]+(?:/[0-9a-z-]+)*)`).FindAllStringSubmatch(source, -1) {
			if _, err := os.Stat(filepath.Join(lab.Root(t), filepath.FromSlash(m[1]))); err != nil {
				t.Errorf("%s says %q: %v", name, m[0], err)
			}
		}
	}
}

// The commands that are not run here name services that docker-compose.yml has,
// or stand in what CI runs.
func TestOtherCommands(t *testing.T) {
	compose, ci := string(readme(t, "docker-compose.yml")), string(readme(t, ".ci/run"))
	for _, b := range blocks(t, readme(t, "README.md")) {
		for _, line := range b.lines {
			command, ok := strings.CutPrefix(line, "$ ")
			switch {
			case !ok:
			case b.name == "apache" && !strings.Contains(ci, command):
				t.Errorf("CI doesn't run %q", command)
			case b.name == "docker":
				words := strings.Fields(command)
				if last := words[len(words)-1]; slices.Contains([]string{"stop", "start", "kill"}, words[2]) && !strings.Contains(compose, "\n  "+last+":\n") {
					t.Errorf("docker-compose.yml has no service %q", last)
				}
			}
		}
	}
}
