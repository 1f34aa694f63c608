package claims

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"kafka-with-go/internal/clients"
	"kafka-with-go/internal/testing/testkit"
)

// An item of ERRORS.md that people wrote quotes words that stand in the sources of who is
// said to print them: of a client, of Go, or of this repository.
func TestWrittenMessages(t *testing.T) {
	t.Parallel()
	root := testkit.Root(t)
	page, err := os.ReadFile(filepath.Join(root, errorsPage.Path))
	if err != nil {
		t.Fatal(err)
	}
	written := regexp.MustCompile(`(?s)<!-- ([^\n]+): begin .*?<!-- [^\n]+: end -->`).ReplaceAll(page, nil)
	items := regexp.MustCompile("(?m)^- ([^`]+): `(.+)`$").FindAllSubmatch(written, -1)
	if len(items) < 20 {
		t.Fatalf("%d items were found, want twenty or more", len(items))
	}
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	golang := []string{"context", "internal/poll", "io", "net", "os", "syscall"}
	for i, dir := range golang {
		golang[i] = filepath.Join(strings.TrimSpace(string(goroot)), "src", dir)
	}
	for _, item := range items {
		who, words := string(item[1]), string(item[2])
		if strings.HasPrefix(who, "Windows") {
			continue // They are the system's, in a language of its own.
		}
		folders := append([]string{
			filepath.Join(root, "04-comparison"), filepath.Join(root, "03-together"), filepath.Join(root, "00-cluster"),
			filepath.Join(root, "internal", "terminal"), filepath.Join(root, "internal", "cluster"),
		}, golang...)
		if named := clientsNamed(who); len(named) > 0 {
			for _, c := range named {
				folders := golang
				if strings.Contains(who, "go-multierror") {
					folders = append(folders, moduleFolder(t, "github.com/hashicorp/go-multierror"))
				}
				for _, module := range append(c.Related, c.Module) {
					folders = append(folders, moduleFolder(t, module))
				}
				look(t, folders, c.Name(), words)
			}
			continue
		}
		look(t, folders, who, words)
	}
}

// clientsNamed are the clients in "kafka-go, sarama".
func clientsNamed(who string) (named []clients.Client) {
	for _, c := range clients.All() {
		if regexp.MustCompile(`(^|, )` + regexp.QuoteMeta(c.Name()) + `($|,)`).MatchString(who) {
			named = append(named, c)
		}
	}
	return named
}

// moduleFolder is where a module's sources lie.
func moduleFolder(t *testing.T, module string) string {
	t.Helper()
	output, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		t.Fatal(err)
	}
	if dir := strings.TrimSpace(string(output)); dir != "" {
		return dir
	}
	// As confluent-kafka-go's, where nothing is built with C.
	t.Skipf("the module %s isn't on this machine", module)
	return ""
}

// look fails the test if a part of the words stands in no source, nor in librdkafka.
func look(t *testing.T, folders []string, who, words string) {
	t.Helper()
	missing := regexp.MustCompile(`<broker>|<time>|…|: `).Split(words, -1)
	for _, folder := range folders {
		err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
			source := strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") ||
				strings.HasSuffix(path, "librdkafka_glibc_linux_amd64.a")
			if err != nil || entry.IsDir() || !source || len(missing) == 0 {
				return err
			}
			text, err := os.ReadFile(path)
			var still []string
			for _, part := range missing {
				if !bytes.Contains(text, []byte(strings.TrimSpace(part))) {
					still = append(still, part)
				}
			}
			missing = still
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
	if len(missing) > 0 {
		t.Errorf("%s: %q isn't in its sources", who, missing)
	}
}
