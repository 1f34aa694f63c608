package readme

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/mod/module"

	"kafka-with-go/internal/testing/testkit"
)

// The README says how much chapters 0 to 3 download: the sum of the modules that
// their programs are built from, as the module proxy packs them.
func TestDownloads(t *testing.T) {
	command := exec.Command("go", "list", "-deps", "-json=Module", "./00-cluster", "./01-producer/...", "./02-consumer/...", "./03-together/...")
	command.Dir = testkit.Root(t)
	output, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	cache, err := exec.Command("go", "env", "GOMODCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]bool)
	var bytes int64
	for decoder := json.NewDecoder(strings.NewReader(string(output))); ; {
		var p struct {
			Module *struct {
				Path, Version string
				Main          bool
			}
		}
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if p.Module == nil || p.Module.Main || seen[p.Module.Path] {
			continue
		}
		seen[p.Module.Path] = true
		escaped, err := module.EscapePath(p.Module.Path)
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(filepath.Join(strings.TrimSpace(string(cache)), "cache", "download", filepath.FromSlash(escaped), "@v", p.Module.Version+".zip"))
		if err != nil {
			t.Fatalf("%s was not downloaded by the go command: %v", p.Module.Path, err)
		}
		bytes += info.Size()
	}
	m := regexp.MustCompile(`downloads about (\d+) MB`).FindStringSubmatch(string(readme(t, "README.md")))
	if m == nil {
		t.Fatal("the README doesn't say how much is downloaded")
	}
	said, _ := strconv.ParseInt(m[1], 10, 64) // The pattern lets only digits through.
	if measured := bytes / 1e6; said < measured*9/10 || said > measured*11/10 {
		t.Errorf("the README says about %d MB, the modules of chapters 0 to 3 have %d MB", said, measured)
	}
}
