package console

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

type brokers struct{ done []string }

func (b *brokers) StopBroker(id int) error {
	b.done = append(b.done, fmt.Sprint("stop ", id))
	return nil
}

func (b *brokers) StartBroker(id int) error {
	b.done = append(b.done, fmt.Sprint("start ", id))
	if id == 3 {
		return errors.New("broker 3 runs already")
	}
	return nil
}

func TestCommands(t *testing.T) {
	status := func(_ context.Context, out io.Writer) error {
		_, err := io.WriteString(out, "three brokers\n")
		return err
	}
	for _, test := range []struct{ line, done, out, err string }{
		{line: "", out: ""},
		{line: "help", out: help},
		{line: "Status", out: "three brokers\n"},
		{line: "  STOP 2 ", done: "stop 2", out: "Broker 2 is stopped. Type start 2 to bring it back.\n"},
		{line: "start 1", done: "start 1", out: "Broker 1 runs again.\n"},
		{line: "start 3", done: "start 3", err: "broker 3 runs already"},
		{line: "stop", err: "which broker? type stop 1, stop 2 or stop 3"},
		{line: "start", err: "which broker? type start 1, start 2 or start 3"},
		{line: "stop 1 2", err: "which broker? type stop 1, stop 2 or stop 3"},
		{line: "stop two", err: `"two" is not the number of a broker: type stop 1, stop 2 or stop 3`},
		{line: "Dance \x1b[A", err: `there is no command "Dance \x1b[A": type help for the list`},
	} {
		var b brokers
		var out strings.Builder
		err := carryOut(&b, status, test.line, &out)
		if got := strings.Join(b.done, ", "); got != test.done {
			t.Errorf("%q does %q, want %q", test.line, got, test.done)
		}
		if out.String() != test.out {
			t.Errorf("%q prints %q, want %q", test.line, out.String(), test.out)
		}
		if got := fmt.Sprint(err); (err == nil) != (test.err == "") || err != nil && got != test.err {
			t.Errorf("%q has the error %q, want %q", test.line, got, test.err)
		}
	}
}

// A cluster that doesn't answer doesn't stop the console.
func TestStatusWithoutAnAnswer(t *testing.T) {
	frozen := make(chan struct{})
	defer close(frozen)
	status := func(_ context.Context, out io.Writer) error {
		<-frozen // Like a client that takes longer to give up than it was told.
		return nil
	}
	var out strings.Builder
	err := printStatus(status, time.Millisecond, &out)
	if err == nil || !strings.Contains(err.Error(), "the brokers don't answer within 1ms") {
		t.Errorf("the error is %v", err)
	}
}

// A line that doesn't fit is dropped, and the next ones are read.
func TestLongLine(t *testing.T) {
	typed := "help\n" + strings.Repeat("x", 200_000) + "\nstatus\nstop 2"
	reader := bufio.NewReader(strings.NewReader(typed))
	for _, want := range []input{{line: "help"}, {tooLong: true}, {line: "status"}, {line: "stop 2"}} {
		line, tooLong, err := readLine(reader)
		if err != nil || line != want.line || tooLong != want.tooLong {
			t.Errorf("read %.20q, too long: %v, error: %v; want %+v", line, tooLong, err, want)
		}
	}
	if _, _, err := readLine(reader); err != io.EOF {
		t.Errorf("at the end the error is %v", err)
	}
}
