package testkit

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Numbered tells whether a folder is named as chapters and experiments are, such as "01-keys".
func Numbered(name string) bool { return numbered.MatchString(name) }

var numbered = regexp.MustCompile(`^[0-9]{2}-`)

// Walk returns the files of the repository that want names, below the top folder.
func Walk(t testing.TB, want func(path string) bool) []string {
	t.Helper()
	root := Root(t)
	var found []string
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if path != root && strings.HasPrefix(d.Name(), ".") {
				return filepath.SkipDir // .git and .cache, for example
			}
			return nil
		}
		relative, err := filepath.Rel(root, path)
		if err == nil && want(filepath.ToSlash(relative)) {
			found = append(found, filepath.ToSlash(relative))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
