// Package readme tests what the READMEs show. Their blocks say by their first
// line what they are:
//
//	```console producer     a terminal of the name "producer": "$ " starts a command, "> " is
//	                        typed into the one that runs, "^C" interrupts it, and all else is
//	                        what it prints
//	```go 01-producer/main.go     code, which stands in that file, line by line
//	```text picture:keys          a picture, which a function of this package draws
//	```console apache…            what Apache Kafka shows: a test of internal/contract compares it
//
// Comments say what a learner does besides, and a reader doesn't see them:
//
//	<!-- test: interrupt producer consumer -->       Ctrl-C in these terminals
//	<!-- test: kill consumer -->                     kill -9 of the member that runs in this one
//	<!-- test: edit 01-producer topic "my-topic" --> another value for a constant
//	<!-- test: replace 01-producer `old` `new` -->   another text in main.go
//	<!-- test: git restore 01-producer -->           the program is as it was
//
// In what a command prints, "…" stands for anything. The lines may come in any
// order, except that those with the same first word keep theirs, and among
// records those of the same partition.
package readme

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/text"

	"kafka-with-go/internal/testing/testkit"
)

// TestMain lets many pages be played at once: they mostly wait.
func TestMain(m *testing.M) {
	testkit.KnowErrors()
	testkit.MainOf(m, 8)
}

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
	source, err := os.ReadFile(filepath.Join(testkit.Root(t), name))
	if err != nil {
		t.Fatal(err)
	}
	return source
}

// readmes returns the pages that these tests read: all there are, from the top folder.
// The laboratory's are pieces, from which pages are made; those pages are read here.
func readmes(t *testing.T) []string {
	t.Helper()
	return testkit.Walk(t, func(path string) bool {
		return strings.HasSuffix(path, ".md") && !strings.HasPrefix(path, "internal/laboratory/")
	})
}

// programs returns the folders of the programs that a learner starts.
func programs(t *testing.T) []string {
	t.Helper()
	var folders []string
	for _, file := range testkit.Walk(t, func(name string) bool {
		return path.Base(name) == "main.go" && !strings.HasPrefix(name, "internal/")
	}) {
		folders = append(folders, path.Dir(file))
	}
	return folders
}

// Every command of a README is run in the order of its chapters, as one learner
// with several terminals would, and prints what the README shows. Each experiment begins anew
// with what stands above the first: a learner may choose one.
func TestCommandsAndOutputs(t *testing.T) {
	for _, name := range readmes(t) {
		source := readme(t, name)
		if !testkit.Numbered(name) || strings.HasPrefix(name, "04-") {
			t.Run(strings.ReplaceAll(name, "/", "-"), func(t *testing.T) {
				t.Parallel()
				play(t, name, source)
			})
			continue
		}
		sections := strings.Split(string(source), "\n## ")
		for i, section := range sections[1:] {
			t.Run(fmt.Sprintf("%s %d", strings.ReplaceAll(name, "/", "-"), i+1), func(t *testing.T) {
				t.Parallel()
				play(t, name, []byte(sections[0]+"\n## "+section))
			})
		}
	}
}

func play(t *testing.T, name string, source []byte) {
	t.Helper()
	s := newSession(t)
	for _, b := range blocks(t, source) {
		s.do(b)
		restored, ok := strings.CutPrefix(b.comment, "git restore ")
		if ok && !bytes.Contains(source, []byte("`git restore "+restored+"`")) {
			t.Errorf("%s doesn't tell the reader to undo the changes in %s", name, restored)
		}
	}
	for folder := range s.edited {
		t.Errorf("%s leaves a change in %s, which its reader would keep", name, folder)
	}
}

// A program without tests of its own is started by the commands of a README. The tests of
// a command of the laboratory, which is in chapter 4, lie beside its engine.
func TestEveryProgramIsRun(t *testing.T) {
	var run strings.Builder
	for _, name := range readmes(t) {
		for _, b := range blocks(t, readme(t, name)) {
			if b.kind == "console" {
				run.WriteString(strings.Join(b.lines, " \n") + " \n")
			}
		}
	}
	for _, folder := range programs(t) {
		var tests []string
		engine := strings.Replace(folder, "04-comparison/", "internal/laboratory/", 1)
		for _, place := range []string{folder, engine} {
			found, err := filepath.Glob(filepath.Join(testkit.Root(t), filepath.FromSlash(place), "*_test.go"))
			if err != nil {
				t.Fatal(err)
			}
			tests = append(tests, found...)
		}
		if tests == nil && !strings.Contains(run.String(), " ./"+folder+" \n") {
			t.Errorf("no README and no test runs ./%s: show \"$ go run ./%s\" and its output on a page",
				folder, folder)
		}
	}
}

// What a "Try this" says will happen is run, too.
func TestEveryTryThisIsRun(t *testing.T) {
	answers := strings.Split(string(readme(t, "README.md")), "<summary>What will happen</summary>")[1:]
	for _, answer := range answers {
		answer, _, _ = strings.Cut(answer, "</details>")
		if !strings.Contains(answer, "```console ") {
			t.Errorf("no command shows that this will happen:%s", answer)
		}
	}
	if len(answers) < 5 {
		t.Errorf("%d answers were found, want five or more", len(answers))
	}
}

// An experiment is a program in a numbered folder inside a chapter's. The chapter's README
// has a section for each, all by the same template. The other programs of chapter 4 are
// flows and commands.
func TestTemplateOfExperiments(t *testing.T) {
	template := []string{
		"**The command", "**Predict.**", "<details><summary>Answer</summary>", "**The output:**",
		"**What happened, and why.**", "**What to take home.**", "**What other clients do.**",
		"**Where people asked.**",
	}
	experiments := 0
	for _, folder := range programs(t) {
		chapter, experiment, inside := strings.Cut(folder, "/")
		numbered := testkit.Numbered(experiment)
		if !inside || !testkit.Numbered(chapter) || chapter == "04-comparison" && !numbered {
			continue
		}
		experiments++
		page := chapter + "/README.md"
		section := sectionWith(t, page, "]("+experiment+"/main.go)")
		switch {
		case !numbered || strings.Contains(experiment, "/"):
			t.Errorf("%s: an experiment is in a folder such as %s/01-name", folder, chapter)
			continue
		case section == "":
			t.Errorf("%s has no section with a link to %s/main.go", page, experiment)
			continue
		}
		at := -1
		for _, part := range template {
			next := strings.Index(section, part)
			if next <= at {
				t.Errorf("%s: the section of %s has no %q, or has it in another order than %q",
					page, experiment, part, template)
				break
			}
			at = next
		}
	}
	if experiments < 4 {
		t.Errorf("%d experiments were found, want four or more", experiments)
	}
}

// sectionWith returns the section of a page that contains a text, or "".
func sectionWith(t *testing.T, page, text string) string {
	t.Helper()
	if !slices.Contains(readmes(t), page) {
		return ""
	}
	for section := range strings.SplitSeq(string(readme(t, page)), "\n## ") {
		if strings.Contains(section, text) {
			return section
		}
	}
	return ""
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
	case strings.HasPrefix(b.comment, "kill "):
		s.kill(b.comment[len("kill "):])
	case strings.HasPrefix(b.comment, "edit "):
		// "edit 01-producer topic "my-topic"": the value is a Go expression.
		words := strings.SplitN(b.comment, " ", 4)
		if len(words) != 4 {
			s.t.Fatalf("%q doesn't say what to edit", b.comment)
		}
		s.edit(words[1], edit{constant: words[2], to: words[3]})
	case strings.HasPrefix(b.comment, "replace "):
		m := regexp.MustCompile("^replace (\\S+) `(.+)` `(.*)`$").FindStringSubmatch(b.comment)
		if m == nil {
			s.t.Fatalf("%q doesn't say what to replace", b.comment)
		}
		s.edit(m[1], edit{from: m[2], to: m[3]})
	case strings.HasPrefix(b.comment, "git restore "):
		delete(s.edited, b.comment[len("git restore "):])
		s.overlay()
	case b.comment != "":
		s.t.Fatalf("unknown comment %q", b.comment)
	case b.kind != "console" || b.name == "docker" || strings.HasPrefix(b.name, "apache"):
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
	constants map[string]testkit.Constants // by folder
	edited    map[string][]edit            // by folder
	env       []string
	ports     *strings.Replacer // from the README's ports to the session's
	terminals map[string]*terminal
}

// An edit is a change that the README asks for: of a constant's value, or of a text.
type edit struct {
	constant, from string
	to             string
}

// A terminal runs one command at a time.
type terminal struct {
	process *testkit.Process
	seen    int            // lines before the last command, typed line or Ctrl-C
	matched map[string]int // by what keeps its order: the last line that matched
	used    map[int]bool   // the lines that matched
}

func newSession(t *testing.T) *session {
	s := &session{
		t:         t,
		constants: make(map[string]testkit.Constants),
		edited:    make(map[string][]edit),
		terminals: make(map[string]*terminal),
	}
	constants := testkit.Constants{"interval": "100 * time.Millisecond"}
	var ports, replace []string
	for i, addr := range testkit.FreeAddrs(t) {
		port := addr[strings.LastIndex(addr, ":")+1:]
		ports = append(ports, port)
		constants[fmt.Sprintf("broker%dAddress", i+1)] = fmt.Sprintf("%q", "localhost:"+port)
		replace = append(replace, fmt.Sprint(9093+i), port)
	}
	board := testkit.FreeAddrs(t)[0]
	board = board[strings.LastIndex(board, ":")+1:]
	constants["boardPort"] = board
	replace = append(replace, "9096", board)
	constants["ports"] = "[embedded.Brokers]int{" + strings.Join(ports, ", ") + "}"
	s.ports = strings.NewReplacer(replace...)
	for _, folder := range programs(t) {
		s.constants[folder] = maps.Clone(constants)
	}
	s.overlay()
	return s
}

// edit changes a program, as the README tells the learner to.
func (s *session) edit(folder string, e edit) {
	s.t.Helper()
	if s.constants[folder] == nil {
		s.t.Fatalf("there is no program %s to edit", folder)
	}
	s.edited[folder] = append(s.edited[folder], e)
	s.overlay()
}

// overlay has every command of the session see the session's constants and edits.
func (s *session) overlay() {
	s.t.Helper()
	all := make(map[string]testkit.Constants)
	for folder, constants := range s.constants {
		all[folder] = maps.Clone(constants)
		for _, e := range s.edited[folder] {
			if e.constant != "" {
				all[folder][e.constant] = e.to
			}
		}
	}
	var path string
	path, s.env = testkit.LateOverlay(s.t, all)
	for folder, edits := range s.edited {
		for _, e := range edits {
			if e.from != "" {
				s.replace(path, folder, e)
			}
		}
	}
}

// replace changes a text in the copy of a main.go that the overlay names.
func (s *session) replace(overlay, folder string, e edit) {
	s.t.Helper()
	text, err := os.ReadFile(overlay)
	if err != nil {
		s.t.Fatal(err)
	}
	var files struct{ Replace map[string]string }
	if err := json.Unmarshal(text, &files); err != nil {
		s.t.Fatal(err)
	}
	copied := files.Replace[filepath.Join(testkit.Root(s.t), filepath.FromSlash(folder), "main.go")]
	source, err := os.ReadFile(copied)
	if err != nil {
		s.t.Fatal(err)
	}
	if n := bytes.Count(source, []byte(e.from)); n != 1 {
		s.t.Fatalf("%q stands %d times in %s/main.go", e.from, n, folder)
	}
	changed := bytes.Replace(source, []byte(e.from), []byte(e.to), 1)
	if err := os.WriteFile(copied, changed, 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// kill ends the member of a group that runs in a terminal, as kill -9 does, by the
// process id in the line that it begins with.
func (s *session) kill(name string) {
	s.t.Helper()
	term := s.terminals[name]
	m := regexp.MustCompile(`(?m)^member \S+-(\d+) of the group`).FindStringSubmatch(term.process.Output())
	if m == nil {
		s.t.Fatalf("no member says its process id in the terminal %s", name)
	}
	pid, err := strconv.Atoi(m[1])
	if err != nil {
		s.t.Fatal(err)
	}
	process, err := os.FindProcess(pid)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := process.Kill(); err != nil {
		s.t.Fatal(err)
	}
	term.process.Wait() // go run ends with its program.
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
		command.Dir, command.Env = testkit.Root(s.t), s.env
		term = &terminal{process: testkit.StartCommand(s.t, command)}
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
		term.process.Until(fmt.Sprintf("the line %q after %q in the terminal %s", line, step, name), func(printed []testkit.Line) bool {
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
func (term *terminal) match(line string, printed []testkit.Line) bool {
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
	for _, name := range readmes(t) {
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
		if shown == 0 && name == "README.md" {
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
		if err := os.WriteFile(filepath.Join(testkit.Root(t), name), source, 0o644); err != nil {
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
// names in its text. Every page is linked from another one.
func TestLinksAndNames(t *testing.T) {
	linked := map[string]bool{"README.md": true}
	for _, name := range readmes(t) {
		source := string(readme(t, name))
		for _, m := range regexp.MustCompile(`(?m)(?:\]\(|^\[[^]]+\]: )([^)\s]+)`).FindAllStringSubmatch(source, -1) {
			if strings.Contains(m[1], "://") {
				continue // Another site: these tests have no network.
			}
			file, heading, _ := strings.Cut(m[1], "#")
			target := name
			if file != "" {
				target = path.Join(path.Dir(name), file)
				linked[target] = true
			}
			if _, err := os.Stat(filepath.Join(testkit.Root(t), filepath.FromSlash(target))); err != nil {
				t.Errorf("%s links to %s: %v", name, m[1], err)
			} else if heading != "" && !slices.Contains(headings(readme(t, target)), heading) {
				t.Errorf("%s links to %s, and there is no such heading", name, m[1])
			}
		}
		for _, m := range regexp.MustCompile(`(?:go run|go test) [^\n`+"`"+`"]*?(\./[0-9a-z-]+(?:/[0-9a-z-]+)*)`).FindAllStringSubmatch(source, -1) {
			if _, err := os.Stat(filepath.Join(testkit.Root(t), filepath.FromSlash(m[1]))); err != nil {
				t.Errorf("%s says %q: %v", name, m[0], err)
			}
		}
	}
	for _, name := range readmes(t) {
		if !linked[name] {
			t.Errorf("no page links to %s", name)
		}
	}
}

// headings returns the names by which GitHub links to the headings of a page.
func headings(source []byte) []string {
	var names []string
	dropped := regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(string(source), -1) {
		name := dropped.ReplaceAllString(strings.ToLower(m[1]), "")
		names = append(names, strings.ReplaceAll(name, " ", "-"))
	}
	for _, m := range regexp.MustCompile(`<a id="([^"]+)">`).FindAllStringSubmatch(string(source), -1) {
		names = append(names, m[1])
	}
	return names
}

// The main README lists each experiment at the end of its chapter.
func TestEveryExperimentIsListed(t *testing.T) {
	main := string(readme(t, "README.md"))
	for _, name := range readmes(t) {
		chapter := path.Dir(name)
		if !testkit.Numbered(name) || strings.HasPrefix(name, "04-") || path.Base(name) != "README.md" {
			continue
		}
		for _, heading := range headings(readme(t, name)) {
			if numbered := regexp.MustCompile(`^\d+-`).MatchString(heading); numbered &&
				!strings.Contains(main, "]("+chapter+"/README.md#"+heading+")") {
				t.Errorf("README.md doesn't list the experiment %s of %s", heading, chapter)
			}
		}
	}
}

// Each term of the glossary is linked where a page first explains it.
func TestGlossary(t *testing.T) {
	const glossary = "GLOSSARY.md"
	var pages strings.Builder
	for _, name := range readmes(t) {
		if name != glossary {
			pages.Write(readme(t, name))
		}
	}
	terms := regexp.MustCompile(`<a id="([^"]+)">`).FindAllStringSubmatch(string(readme(t, glossary)), -1)
	if len(terms) < 20 {
		t.Fatalf("the glossary has %d terms, want twenty or more", len(terms))
	}
	for _, term := range terms {
		if !regexp.MustCompile(regexp.QuoteMeta(glossary+"#"+term[1]) + `\b[^-]`).MatchString(pages.String()) {
			t.Errorf("no page links to %s#%s", glossary, term[1])
		}
	}
	if !slices.IsSortedFunc(terms, func(a, b []string) int { return strings.Compare(a[1], b[1]) }) {
		t.Error("the glossary isn't sorted")
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
