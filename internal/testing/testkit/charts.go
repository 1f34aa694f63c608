package testkit

import (
	"bytes"
	"os"
	"runtime"
	"testing"
)

// CheckChart fails a test if a chart isn't the one in a file, or doesn't follow the reader's theme.
func CheckChart(t testing.TB, path string, want []byte, toMakeAgain string) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(want, []byte("#010203")) || !bytes.Contains(want, []byte("prefers-color-scheme: dark")) {
		t.Errorf("%s doesn't follow the reader's theme", path)
	}
	// Git may check it out with other line ends, and other processors round differently.
	got = bytes.ReplaceAll(got, []byte("\r\n"), []byte("\n"))
	if runtime.GOARCH == "amd64" && !bytes.Equal(got, want) {
		t.Errorf("%s isn't what was measured: %s", path, toMakeAgain)
	}
}
