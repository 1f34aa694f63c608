package apache

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestUnavailableSaysWhatToDo(t *testing.T) {
	t.Run("no Java", func(t *testing.T) {
		t.Setenv("JAVA_HOME", t.TempDir())
		if reason := Unavailable(); !strings.Contains(reason, "Java 17") || !strings.Contains(reason, "JAVA_HOME") {
			t.Errorf("the reason is %q", reason)
		}
	})
	if _, _, err := findJava(); err != nil {
		t.Skip(err)
	}
	const fetch = "mvn -q -B -f internal/cluster/apache/pom.xml dependency:copy-dependencies -DoutputDirectory=DIR"
	for name, dir := range map[string]string{"no folder is named": "", "the folder is missing": filepath.Join(t.TempDir(), "missing"), "the folder is empty": t.TempDir()} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("KAFKA_JARS", dir)
			if reason := Unavailable(); !strings.Contains(reason, "KAFKA_JARS") || !strings.Contains(reason, fetch) {
				t.Errorf("the reason is %q", reason)
			}
			if err := Tool(t.Context(), "kafka-topics.sh").Run(); err == nil || !strings.Contains(err.Error(), fetch) {
				t.Errorf("running a tool ends with %v", err)
			}
		})
	}
}

func TestMajorVersion(t *testing.T) {
	for output, want := range map[string]int{
		`openjdk version "17.0.15" 2025-04-15`:                                      17,
		`openjdk version "25" 2025-09-16 LTS`:                                       25,
		`java version "1.8.0_202"`:                                                  1,
		"Picked up JAVA_TOOL_OPTIONS: -Da=b\nopenjdk version \"21.0.7\" 2025-04-15": 21,
	} {
		if got, err := majorVersion(output); got != want || err != nil {
			t.Errorf("%q is Java %d, %v; want %d", output, got, err, want)
		}
	}
	if _, err := majorVersion("bash: java: command not found"); err == nil {
		t.Error("no version is a version")
	}
}
