package history

import (
	"bytes"
	"fmt"
	"strconv"
)

// valueSize is the size of a record's value in bytes.
const valueSize = 100

// Value returns the value of a numbered record: its number as text, and dots up
// to 100 bytes, so that any tool shows which record it is.
func Value(number int) []byte {
	v := fmt.Appendf(make([]byte, 0, valueSize), "%d ", number)
	return append(v, bytes.Repeat([]byte{'.'}, valueSize-len(v))...)
}

// Number reads the number of a value: of one that Value made, or of the
// programs of the chapters, who write "this is message7".
func Number(value []byte) (int, error) {
	text := bytes.TrimPrefix(value, []byte("this is message"))
	if end := bytes.IndexByte(text, ' '); end >= 0 {
		text = text[:end]
	}
	n, err := strconv.Atoi(string(text))
	if err != nil {
		return 0, fmt.Errorf("a value without a number: %.40q", value)
	}
	return n, nil
}
