package apache

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Version is the version of Apache Kafka that docker-compose.yml names.
const Version = "4.3.1"

// oldestJava is the oldest Java that this version of Kafka's brokers runs on.
const oldestJava = 17

// fetchJars is how a reader gets the jars.
const fetchJars = `fetch Apache Kafka's jars with
    mvn -q -B -f internal/cluster/apache/pom.xml dependency:copy-dependencies -DoutputDirectory=DIR
and set KAFKA_JARS=DIR (a full path)`

var (
	// quickJVM makes short-lived JVMs start fast on few processors: only the quick one
	// of the two compilers works, and the garbage collector has no threads of its own.
	quickJVM = []string{"-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"}
	// measuringJVM is what Kafka's scripts give a program that is to be measured.
	measuringJVM = []string{
		"-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35",
		"-XX:+ExplicitGCInvokesConcurrent", "-XX:MaxInlineLevel=15",
	}
	// tidyJVM keeps a JVM from leaving a file of counters in the system's temporary
	// folder when it is killed.
	tidyJVM = []string{"-XX:-UsePerfData"}
)

// tool is one of Kafka's command line tools.
type tool struct {
	class string
	jvm   []string
	heap  string
}

// tools are Kafka's command line tools by the names of their scripts, with the heap
// that the script gives them. EndToEndLatency has no script.
var tools = map[string]tool{
	"kafka-broker-api-versions.sh":    {"org.apache.kafka.tools.BrokerApiVersionsCommand", quickJVM, "-Xmx256M"},
	"kafka-console-consumer.sh":       {"org.apache.kafka.tools.consumer.ConsoleConsumer", quickJVM, "-Xmx512M"},
	"kafka-console-share-consumer.sh": {"org.apache.kafka.tools.consumer.ConsoleShareConsumer", quickJVM, "-Xmx512M"},
	"kafka-groups.sh":                 {"org.apache.kafka.tools.GroupsCommand", quickJVM, "-Xmx256M"},
	"kafka-share-groups.sh":           {"org.apache.kafka.tools.consumer.group.ShareGroupCommand", quickJVM, "-Xmx256M"},
	"kafka-console-producer.sh":       {"org.apache.kafka.tools.ConsoleProducer", quickJVM, "-Xmx512M"},
	"kafka-consumer-groups.sh":        {"org.apache.kafka.tools.consumer.group.ConsumerGroupCommand", quickJVM, "-Xmx256M"},
	"kafka-topics.sh":                 {"org.apache.kafka.tools.TopicCommand", quickJVM, "-Xmx256M"},
	"kafka-consumer-perf-test.sh":     {"org.apache.kafka.tools.ConsumerPerformance", measuringJVM, "-Xmx512M"},
	"kafka-producer-perf-test.sh":     {"org.apache.kafka.tools.ProducerPerformance", measuringJVM, "-Xmx512M"},
	"EndToEndLatency":                 {"org.apache.kafka.tools.EndToEndLatency", measuringJVM, "-Xmx256M"},
}

// Unavailable returns "" when Apache Kafka can be started here, or else why it can't
// be and what to do about that. Only KAFKA_JARS, JAVA_HOME and PATH decide.
func Unavailable() string {
	if _, err := findInstallation(); err != nil {
		return err.Error()
	}
	return ""
}

// Tool returns one of Kafka's own command line tools, by the name of its script or as
// "EndToEndLatency", or a program in one file of Java source, ready to run against any cluster. What it logs, from warnings
// upwards, goes to its standard error, as with the script. When it can't be run, the
// command says why when it is started.
func Tool(ctx context.Context, name string, args ...string) *exec.Cmd {
	java, err := findInstallation()
	if err != nil {
		return &exec.Cmd{Err: err}
	}
	return java.tool(ctx, name, args...)
}

// Tool is the function Tool, with the Java and the jars that the cluster runs on.
func (c *Cluster) Tool(ctx context.Context, name string, args ...string) *exec.Cmd {
	return c.java.tool(ctx, name, args...)
}

// installation is a Java and Kafka's jars.
type installation struct {
	java      string // the program
	version   string // what "java -version" says
	classpath string
}

func findInstallation() (installation, error) {
	java, version, err := findJava()
	if err != nil {
		return installation{}, fmt.Errorf("looking for Java %d or later, which Apache Kafka %s needs: %w; install one, or set JAVA_HOME to it", oldestJava, Version, err)
	}
	jars, err := findJars()
	if err != nil {
		return installation{}, fmt.Errorf("%w; %s", err, fetchJars)
	}
	return installation{java, version, strings.Join(jars, string(os.PathListSeparator))}, nil
}

// findJava returns the Java program of JAVA_HOME, or else of PATH, and its version.
func findJava() (path, version string, err error) {
	path = "java"
	if home := os.Getenv("JAVA_HOME"); home != "" {
		path = filepath.Join(home, "bin", "java")
	}
	if path, err = exec.LookPath(path); err != nil {
		return "", "", err
	}
	output, err := exec.Command(path, "-version").CombinedOutput()
	if err != nil {
		return "", "", fmt.Errorf("%s -version: %w: %s", path, err, output)
	}
	version = strings.TrimSpace(string(output))
	major, err := majorVersion(version)
	if err != nil {
		return "", "", fmt.Errorf("%s -version: %w", path, err)
	}
	if major < oldestJava {
		return "", "", fmt.Errorf("%s is Java %d", path, major)
	}
	return path, version, nil
}

var versionNumber = regexp.MustCompile(`version "(\d+)`)

// majorVersion reads the output of "java -version". Java 8 and older call themselves 1.8 and so on.
func majorVersion(output string) (int, error) {
	match := versionNumber.FindStringSubmatch(output)
	if match == nil {
		return 0, fmt.Errorf("no version in %q", output)
	}
	return strconv.Atoi(match[1])
}

// findJars returns the jars of the folder KAFKA_JARS, sorted, after a check that the
// ones which bring all others are among them.
func findJars() ([]string, error) {
	dir := os.Getenv("KAFKA_JARS")
	if dir == "" {
		return nil, errors.New("KAFKA_JARS is not set")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("KAFKA_JARS: %w", err)
	}
	required := []string{
		"kafka_2.13-" + Version + ".jar", "kafka-server-" + Version + ".jar", "kafka-tools-" + Version + ".jar",
		"log4j-slf4j-impl-*.jar",
	}
	for _, name := range required {
		if found, err := filepath.Glob(filepath.Join(dir, name)); err != nil || len(found) == 0 {
			return nil, fmt.Errorf("KAFKA_JARS is %s, which has no %s", dir, name)
		}
	}
	jars, err := filepath.Glob(filepath.Join(dir, "*.jar"))
	if err != nil {
		return nil, fmt.Errorf("KAFKA_JARS: %w", err)
	}
	slices.Sort(jars)
	return jars, nil
}

// command returns a Java program of Kafka's. Its environment has none of the variables
// that Kafka's own programs would take for settings.
func (i installation) command(ctx context.Context, flags []string, class string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, i.java, slices.Concat(flags, []string{"-cp", i.classpath, class}, args)...)
	cmd.Env = slices.DeleteFunc(os.Environ(), func(variable string) bool {
		return strings.HasPrefix(variable, "KAFKA_") || strings.HasPrefix(variable, "CLUSTER_ID=")
	})
	return cmd
}

func (i installation) tool(ctx context.Context, name string, args ...string) *exec.Cmd {
	t, ok := tools[name]
	if strings.HasSuffix(name, ".java") {
		t, ok = tool{name, measuringJVM, "-Xmx256M"}, true
	}
	if !ok {
		return &exec.Cmd{Err: fmt.Errorf("there is no tool %q", name)}
	}
	logging, err := toolLoggingFile()
	if err != nil {
		return &exec.Cmd{Err: fmt.Errorf("preparing %s: %w", name, err)}
	}
	flags := slices.Concat([]string{t.heap}, t.jvm, i.sharedArchive(), tidyJVM,
		[]string{"-Dlog4j2.configurationFile=" + fileURL(logging)})
	return i.command(ctx, flags, t.class, args...)
}

// toolLogging is the log4j configuration of the tools: standard output is for what they print.
const toolLogging = `Configuration:
  Appenders:
    Console:
      name: STDERR
      target: SYSTEM_ERR
      PatternLayout:
        pattern: "[%d] %p %m (%c)%n"
  Loggers:
    Root:
      level: WARN
      AppenderRef:
        - ref: STDERR
`

// toolLoggingFile returns a file with toolLogging, and writes it when it is missing.
func toolLoggingFile() (string, error) {
	dir, err := cacheDir()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "tools-log4j2.yaml")
	if text, err := os.ReadFile(path); err == nil && string(text) == toolLogging {
		return path, nil
	}
	return path, writeWhole(path, toolLogging)
}

// writeWhole writes a file that others may be reading: they see the old or the new one.
func writeWhole(path, text string) error {
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}

// cacheDir returns the folder for what is worth keeping from one test run to the next.
func cacheDir() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		dir = os.TempDir()
	}
	dir = filepath.Join(dir, "kafka-with-go")
	return dir, os.MkdirAll(dir, 0o755)
}

// fileURL names a file in the way that log4j understands on every system.
func fileURL(path string) string {
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // a Windows path begins with its drive
	}
	return (&url.URL{Scheme: "file", Path: path}).String()
}
