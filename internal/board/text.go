package board

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"kafka-with-go/internal/terminal/legible"
)

// clean turns bytes that anybody may have written into text that can be shown.
// The page shows it as text and never as markup; this is what text alone can't
// make harmless. It also tells whether something was cut off.
func clean(raw []byte, max int) (text string, cut bool) { return legible.Text(raw, max) }

// name is a topic's, a group's or a client's name, short enough for a line.
func name(s string) string { return legible.Name(s) }

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
