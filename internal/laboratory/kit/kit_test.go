package kit

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestMain(m *testing.M) {
	if _, worker := os.LookupEnv(taskVariable); !worker && os.Getenv("KIT_TEST_PARENT") != "" {
		actAsParent()
	}
	RunTests(m)
}

var (
	addTask = NewTask("add", func(_ context.Context, numbers []int) (sum int, err error) {
		for _, n := range numbers {
			sum += n
		}
		if sum < 0 {
			return 0, errors.New("too little")
		}
		return sum, nil
	})
	// waitTask says that it waits, and does so until it is to end in good order.
	waitTask = NewTask("wait", func(ctx context.Context, _ any) (any, error) {
		fmt.Println("waiting", os.Getpid())
		<-ctx.Done()
		fmt.Println("ended")
		return nil, nil
	})
)

// A task's result comes back, and its error too.
func TestDo(t *testing.T) {
	t.Parallel()
	if sum, err := addTask.Do(t.Context(), []int{1, 2, 3}); err != nil || sum != 6 {
		t.Errorf("the sum is %d, %v", sum, err)
	}
	if _, err := addTask.Do(t.Context(), []int{-1}); err == nil || !strings.Contains(err.Error(), "too little") {
		t.Errorf("the error is %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := addTask.Do(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("after an interruption the error is %v", err)
	}
}

// startWaiting starts a worker that waits.
func startWaiting(t *testing.T, lines chan string) (*Worker, func()) {
	t.Helper()
	command, err := waitTask.Command(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	wait := Lines(command, func(line string) { lines <- line })
	w, err := StartWorker(command)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Kill(); err != nil {
			t.Error(err)
		}
	})
	if first := <-lines; !strings.HasPrefix(first, "waiting") {
		t.Fatalf("it said %q", first)
	}
	return w, wait
}

// A worker ends in good order when it is asked to.
func TestStop(t *testing.T) {
	t.Parallel()
	lines := make(chan string, 10)
	w, wait := startWaiting(t, lines)
	if err := w.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := w.Wait(); err != nil {
		t.Error(err)
	}
	wait()
	if got := <-lines; got != "ended" {
		t.Errorf("it said %q", got)
	}
}

// A worker whose standard input is closed has lost the process that started it, and ends.
func TestClosedInput(t *testing.T) {
	t.Parallel()
	w, _ := startWaiting(t, make(chan string, 10))
	if err := w.stdin.Close(); err != nil {
		t.Fatal(err)
	}
	if !w.EndsWithin(30 * time.Second) {
		t.Error("it lives on")
	}
}

// actAsParent starts a worker that prints its process id, and waits to be killed.
func actAsParent() {
	command, err := waitTask.Command(context.Background(), nil)
	if err == nil {
		command.Stdout = os.Stdout
		_, err = StartWorker(command)
	}
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	select {}
}

// A worker ends with the process that started it, also if that one was killed (-9).
func TestParentKilled(t *testing.T) {
	t.Parallel()
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), "KIT_TEST_PARENT=yes")
	output, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(output)
	if !lines.Scan() || !strings.HasPrefix(lines.Text(), "waiting") {
		t.Fatalf("the worker said %q", lines.Text())
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan bool)
	go func() { ended <- !lines.Scan() }() // The worker has the pipe open for as long as it lives.
	select {
	case ok := <-ended:
		if !ok {
			t.Errorf("the worker said %q", lines.Text())
		}
	case <-time.After(30 * time.Second):
		t.Error("the worker lives on")
	}
	parent.Wait() //nolint:errcheck // It was killed.
}

func TestResultsFile(t *testing.T) {
	t.Parallel()
	root, f := t.TempDir(), ResultsFile{Path: "results.json", Command: "measure it"}
	var got map[string]string
	err := f.Load(root, &got)
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "measure it") {
		t.Errorf("without results: %v", err)
	}
	want := map[string]string{"a": "<b>"}
	if err := errors.Join(f.Save(root, want), f.Load(root, &got)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("read differently (-saved +loaded):\n%s", diff)
	}
	if err := os.WriteFile(filepath.Join(root, f.Path), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := f.Load(root, &got); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("damaged results: %v", err)
	}
}

func TestNumbers(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		if got := Thousands(n); got != want {
			t.Errorf("%d is shown as %s", n, got)
		}
	}
	for _, test := range []struct{ values, want []int }{
		{nil, []int{0, 0, 0}}, {[]int{5}, []int{5, 5, 5}}, {[]int{9, 1, 2}, []int{2, 1, 9}}, {[]int{8, 1, 2, 4}, []int{3, 1, 8}},
	} {
		median, least, most := Spread(test.values)
		if diff := cmp.Diff(test.want, []int{median, least, most}); diff != "" {
			t.Errorf("the spread of %v (-want +got):\n%s", test.values, diff)
		}
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	table := NewTable("a", "b")
	table.Row("1 | 2", "")
	if got, want := table.String(), "| a | b |\n|---|---|\n| 1 \\| 2 |  |\n"; got != want {
		t.Errorf("the table is %q, want %q", got, want)
	}
}

func TestSections(t *testing.T) {
	t.Parallel()
	const text = "# For people\n\n## one\n\nA text\nin lines.\n\n- yes, no: It\n  is {{.}}.\n- maybe: It is not.\n\n# More\n\n## two\n\nAlone.\n"
	got, err := Sections("test", text, 7)
	if err != nil {
		t.Fatal(err)
	}
	want := []Section{
		{Title: "one", Text: "A text in lines.", Items: map[string]string{"yes": "It is 7.", "no": "It is 7.", "maybe": "It is not."}},
		{Title: "two", Text: "Alone.", Items: map[string]string{}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the sections (-want +got):\n%s", diff)
	}
	if _, err := Sections("test", "## a\n\n{{.Nothing}}", 7); err == nil {
		t.Error("what isn't there is put in")
	}
}
