//go:build unix

package console

import (
	"strings"
	"testing"

	"github.com/creack/pty"
)

// A warning has a line of its own, below what is being typed, and the prompt
// comes again.
func TestWarningAtThePrompt(t *testing.T) {
	window, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer window.Close()
	defer tty.Close()
	c := New(tty, tty, tty)
	c.Warn("before the prompt")
	c.prompt()
	c.Warn("while somebody types")
	c.typed()
	c.Warn("while a command is carried out")
	c.print("end\n")

	var shown string
	buffer := make([]byte, 4096)
	for !strings.Contains(shown, "end") {
		n, err := window.Read(buffer)
		if err != nil {
			t.Fatal(err)
		}
		shown += string(buffer[:n])
	}
	want := "warning: before the prompt\n" +
		"> \nwarning: while somebody types\n" +
		"> warning: while a command is carried out\nend\n"
	if got := strings.ReplaceAll(shown, "\r\n", "\n"); got != want {
		t.Errorf("the window shows %q, want %q", got, want)
	}
}
