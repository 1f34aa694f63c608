package generated

import (
	"os"
	"path/filepath"
	"testing"
)

// A part is put where its markers are; what stands around it stays; a change of either side is noticed.
func TestWriteAndCheck(t *testing.T) {
	root, f := t.TempDir(), File{Path: "text.md", Command: "make it"}
	path := filepath.Join(root, f.Path)
	const before = "above\n<!-- one: begin (make it) -->\r\nold\n<!-- one: end -->\nbelow\n"
	if err := os.WriteFile(path, []byte(before), 0o600); err != nil {
		t.Fatal(err)
	}
	if f.Check(root, map[string]string{"one": "new\n"}) == nil {
		t.Error("an old part passes")
	}
	if err := f.Write(root, map[string]string{"one": "new\n"}); err != nil {
		t.Fatal(err)
	}
	if err := f.Check(root, map[string]string{"one": "new\n"}); err != nil {
		t.Error(err)
	}
	got, err := os.ReadFile(path)
	if want := "above\n<!-- one: begin (make it) -->\n\nnew\n\n<!-- one: end -->\nbelow\n"; err != nil || string(got) != want {
		t.Errorf("the text is %q, %v, want %q", got, err, want)
	}
	if f.Write(root, map[string]string{"two": ""}) == nil || f.Check(root, map[string]string{"two": ""}) == nil {
		t.Error("a part without markers is no error")
	}
}
