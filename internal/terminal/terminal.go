// Package terminal tells whether somebody types the input, and which processes
// of a terminal may read what is typed.
package terminal

import (
	"os"

	"golang.org/x/term"
)

// Is tells whether a file is a terminal. /dev/null is none.
func Is(file *os.File) bool { return term.IsTerminal(int(file.Fd())) }
