package board

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The page's modules import one another in one direction: no module imports, by
// way of others, itself.
func TestModulesImportInOneDirection(t *testing.T) {
	t.Parallel()
	entries, err := files.ReadDir("page")
	if err != nil {
		t.Fatal(err)
	}
	from := regexp.MustCompile(`(?m)^import .* from "\./(.+)";$`)
	imports := make(map[string][]string)
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".js") {
			continue
		}
		raw, err := files.ReadFile("page/" + e.Name())
		if err != nil {
			t.Fatal(err)
		}
		found := from.FindAllSubmatch(raw, -1)
		if n := len(regexp.MustCompile(`(?m)^import `).FindAll(raw, -1)); n != len(found) {
			t.Errorf("%s has %d imports, of which this test understands %d", e.Name(), n, len(found))
		}
		imports[e.Name()] = nil
		for _, m := range found {
			imports[e.Name()] = append(imports[e.Name()], string(m[1]))
		}
	}
	if len(imports) < 8 || len(imports["board.js"]) < 5 {
		t.Fatalf("the modules are %v", imports)
	}
	var visit func(path []string)
	visit = func(path []string) {
		module := path[len(path)-1]
		if slices.Contains(path[:len(path)-1], module) {
			t.Errorf("a circle: %s", strings.Join(path, " imports "))
			return
		}
		for _, next := range imports[module] {
			if _, there := imports[next]; !there {
				t.Errorf("%s imports %s, which isn't there", module, next)
				continue
			}
			visit(append(slices.Clone(path), next))
		}
	}
	for module := range imports {
		visit([]string{module})
	}
}
