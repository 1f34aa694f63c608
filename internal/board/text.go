package board

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// clean turns bytes that anybody may have written into text that can be shown:
// at most max characters, with control characters and bytes that aren't UTF-8 as
// \xNN, and others that would be invisible, or would reorder the text around
// them, by their number.
// The page shows it as text and never as markup; this is what text alone can't
// make harmless. It also tells whether something was cut off.
func clean(raw []byte, max int) (text string, cut bool) {
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

// name is a topic's, a group's or a client's name, short enough for a line.
func name(s string) string {
	text, cut := clean([]byte(s), 60)
	if cut {
		text += "…"
	}
	return text
}

// isText tells whether bytes are text that loses nothing when it is shown.
func isText(raw []byte) bool {
	if !utf8.Valid(raw) {
		return false
	}
	for _, r := range string(raw) {
		if !unicode.IsPrint(r) && r != '\n' && r != '\t' && r != '\r' {
			return false
		}
	}
	return true
}

// list writes "1", "1 and 2" or "1, 2 and 3".
func list(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}

// numbers writes up to eight numbers of partitions or brokers as a list.
func numbers(ids []int32) string {
	var words []string
	for i, id := range ids {
		if i == 8 && len(ids) > 9 {
			words = append(words, fmt.Sprintf("%d more", len(ids)-i))
			break
		}
		words = append(words, fmt.Sprint(id))
	}
	return list(words)
}

// partitions writes "partition 1" or "partitions 1 and 2".
func partitions(ids []int32) string {
	if len(ids) == 1 {
		return fmt.Sprintf("partition %d", ids[0])
	}
	return "partitions " + numbers(ids)
}

// isAre is the verb for that.
func isAre(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}
