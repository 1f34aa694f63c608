package process

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestProcessesDieWithTheTest kills a test process that has started another process.
func TestProcessesDieWithTheTest(t *testing.T) {
	if os.Getenv("PROCESS_TEST_PARENT") != "" {
		actAsParent(t)
	}
	parent := exec.Command(os.Args[0], "-test.run=^TestProcessesDieWithTheTest$")
	parent.Env = append(os.Environ(), "PROCESS_TEST_PARENT=yes")
	output, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	child, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	// The parent's threads come and go for a while without an effect on the child.
	time.Sleep(200 * time.Millisecond)
	if !runs(child) {
		t.Error("the process is gone before the one that started it")
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	// It was killed, so this is an error of no interest.
	_ = parent.Wait()
	for deadline := time.Now().Add(10 * time.Second); runs(child); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("process %d runs on after the one that started it was killed", child)
		}
	}
}

// actAsParent starts a process prints its id, and waits to be killed.
func actAsParent(t *testing.T) {
	p, err := Start(exec.Command("sleep", "60"))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println(p.PID())
	for range 100 {
		// A goroutine that ends with its thread locked takes the thread with it.
		go lockThreadAndEnd()
		time.Sleep(time.Millisecond)
	}
	select {}
}

func lockThreadAndEnd() {
	runtime.LockOSThread()
}

// runs says whether there is a process with this id that is more than an entry left
// for a parent to read.
func runs(pid int) bool {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, state, _ := strings.Cut(string(status), ") ")
	return !strings.HasPrefix(state, "Z")
}
