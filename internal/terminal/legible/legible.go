// Package legible makes names that anybody may have chosen safe to look at, in a
// terminal and on a page.
package legible

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// longestName is how many characters of a name are shown.
const longestName = 60

// Text turns bytes that anybody may have written into text that can be shown:
// at most max characters, with control characters and bytes that aren't UTF-8 as
// \xNN, and others that would be invisible, or would reorder the text around
// them, by their number. It also tells whether something was cut off.
func Text(raw []byte, max int) (text string, cut bool) {
	var b strings.Builder
	for n := 0; len(raw) > 0; n++ {
		if n == max {
			return b.String(), true
		}
		r, size := utf8.DecodeRune(raw)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, raw[0])
		case r == '\n':
			b.WriteString(`\n`)
		case r < 0x20 || r == 0x7f:
			fmt.Fprintf(&b, `\x%02x`, r)
		case !unicode.IsPrint(r):
			fmt.Fprintf(&b, `\u{%x}`, r)
		default:
			b.WriteRune(r)
		}
		raw = raw[size:]
	}
	return b.String(), false
}

// Name is the name of a topic, a group, a client or an address, short enough
// for a line.
func Name(s string) string {
	text, cut := Text([]byte(s), longestName)
	if cut {
		text += "…"
	}
	return text
}
