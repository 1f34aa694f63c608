package apache

import (
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestComposeFile(t *testing.T) {
	compose, err := readCompose()
	if err != nil {
		t.Fatal(err)
	}
	if len(compose.brokers) != 3 {
		t.Fatalf("the compose file has %d brokers, want 3", len(compose.brokers))
	}
	if compose.stopGracePeriod == 0 {
		t.Error("the compose file doesn't say how long an orderly stop may take")
	}
	for i, b := range compose.brokers {
		n := i + 1
		if want := "kafka-" + strconv.Itoa(n); b.name != want || b.id != n {
			t.Errorf("service %d is %s with node id %d, want %s with %d", n, b.name, b.id, want, n)
		}
		if want := "localhost:" + strconv.Itoa(9092+n); b.external != want {
			t.Errorf("clients reach broker %d at %s, want %s", n, b.external, want)
		}
		if !image.MatchString(b.image) {
			t.Errorf("broker %d is %s, want Kafka %s by its digest, unless KAFKA_IMAGE names another", n, b.image, Version)
		}
		if !slices.Equal(b.security, []string{"no-new-privileges:true"}) || !slices.Equal(b.dropped, []string{"ALL"}) {
			t.Errorf("broker %d runs with the security options %v, without the capabilities %v", n, b.security, b.dropped)
		}
		// Java takes memory beside the heap too, and so does the health check.
		heap := megabytes(t, heapOption.FindStringSubmatch(b.environment["KAFKA_HEAP_OPTS"])[1])
		if limit := megabytes(t, b.memory); limit < heap+320 {
			t.Errorf("broker %d may take %d MB, and its heap alone may be %d MB", n, limit, heap)
		}
	}
}

var (
	image      = regexp.MustCompile(`^\$\{KAFKA_IMAGE:-apache/kafka:` + regexp.QuoteMeta(Version) + `@sha256:[0-9a-f]{64}\}$`)
	heapOption = regexp.MustCompile(`-Xmx(\d+m)\b`)
)

// megabytes reads a size such as 384m.
func megabytes(t *testing.T, size string) int {
	t.Helper()
	n, err := strconv.Atoi(strings.TrimSuffix(size, "m"))
	if err != nil {
		t.Fatalf("the size %q isn't a number of megabytes: %v", size, err)
	}
	return n
}

// An action of the workflow is named by its commit: a tag can be moved to other code.
func TestActions(t *testing.T) {
	workflow, err := os.ReadFile("../../../.github/workflows/test.yml")
	if err != nil {
		t.Fatal(err)
	}
	all := regexp.MustCompile(`(?m)^.*\buses:.*$`).FindAllString(string(workflow), -1)
	if len(all) == 0 {
		t.Fatal("the workflow uses no action")
	}
	pinned := regexp.MustCompile(`uses: [\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$`)
	for _, line := range all {
		if !pinned.MatchString(line) {
			t.Errorf("not by a commit with its version behind it: %s", strings.TrimSpace(line))
		}
	}
}

// TestVersions compares the two files that name a version of Kafka; TestComposeFile
// compares the compose file with the code.
func TestVersions(t *testing.T) {
	pom, err := os.ReadFile("pom.xml")
	if err != nil {
		t.Fatal(err)
	}
	if want := "<kafka.version>" + Version + "</kafka.version>"; !strings.Contains(string(pom), want) {
		t.Errorf("pom.xml doesn't say %s", want)
	}
}

func TestExternalAddress(t *testing.T) {
	environment := map[string]string{"KAFKA_ADVERTISED_LISTENERS": "INTERNAL://kafka-1:19093,EXTERNAL://localhost:9093"}
	for _, test := range []struct {
		ports []string
		want  string // "" for an error
	}{
		{[]string{"127.0.0.1:9093:9093"}, "localhost:9093"},
		{[]string{"9093:9093"}, ""},
		{[]string{"0.0.0.0:9093:9093"}, ""},
		{[]string{"127.0.0.1:9093:9092"}, ""},
		{[]string{"127.0.0.1:9093:9093", "127.0.0.1:29093:29093"}, ""},
		{nil, ""},
	} {
		got, err := externalAddress(environment, test.ports)
		if got != test.want || (err == nil) != (test.want != "") {
			t.Errorf("with the ports %q: %q, %v; want %q", test.ports, got, err, test.want)
		}
	}
}

func TestSubstitution(t *testing.T) {
	s := substitution{
		hosts: map[string]string{"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "localhost": "localhost", "kafka-1": "127.0.0.1", "kafka-2": "127.0.0.1"},
		ports: map[string]string{"9093": "20001", "19093": "20002", "29093": "20003", "29094": "20004"},
	}
	for value, want := range map[string]string{
		"INTERNAL://:19093,EXTERNAL://0.0.0.0:9093":                "INTERNAL://127.0.0.1:20002,EXTERNAL://127.0.0.1:20001",
		"INTERNAL://kafka-1:19093,EXTERNAL://localhost:9093":       "INTERNAL://127.0.0.1:20002,EXTERNAL://localhost:20001",
		"1@kafka-1:29093,2@kafka-2:29094":                          "1@127.0.0.1:20003,2@127.0.0.1:20004",
		"kafka-1:19093":                                            "127.0.0.1:20002",
		"INTERNAL:PLAINTEXT,EXTERNAL:PLAINTEXT":                    "INTERNAL:PLAINTEXT,EXTERNAL:PLAINTEXT",
		"https://example.com:9093/":                                "https://example.com:9093/",
		"kafka-1:80":                                               "kafka-1:80",
		"9093":                                                     "9093",
		"IqgpJVdqTvEzDAFV8T69FA":                                   "IqgpJVdqTvEzDAFV8T69FA",
		"-Xmx384m -XX:SharedArchiveFile=/opt/kafka/kafka.jsa:9093": "-Xmx384m -XX:SharedArchiveFile=/opt/kafka/kafka.jsa:9093",
	} {
		if got := s.value(value); got != want {
			t.Errorf("%s becomes %s, want %s", value, got, want)
		}
	}
}

func TestPorts(t *testing.T) {
	compose, err := readCompose()
	if err != nil {
		t.Fatal(err)
	}
	free, err := newSubstitution(compose, nil)
	if err != nil {
		t.Fatal(err)
	}
	distinct := map[string]bool{}
	for _, port := range free.ports {
		distinct[port] = true
	}
	if len(distinct) != 9 {
		t.Errorf("nine listeners get %d ports: %v", len(distinct), free.ports)
	}
	var asked []int
	for _, port := range []string{"19093", "19094", "19095"} {
		number, err := strconv.Atoi(free.ports[port])
		if err != nil {
			t.Fatal(err)
		}
		asked = append(asked, number)
	}
	given, err := newSubstitution(compose, asked)
	if err != nil {
		t.Fatal(err)
	}
	for i, port := range []string{"9093", "9094", "9095"} {
		if got, want := given.ports[port], strconv.Itoa(asked[i]); got != want {
			t.Errorf("port %s becomes %s, want %s", port, got, want)
		}
	}
	taken := takenPort(t)
	if _, err := newSubstitution(compose, []int{asked[0], taken, asked[2]}); err == nil || !strings.Contains(err.Error(), strconv.Itoa(taken)) {
		t.Errorf("a taken port ends with %v", err)
	}
	if _, err := newSubstitution(compose, asked[:1]); err == nil {
		t.Error("one port is enough for three brokers")
	}
	compose.brokers[1].environment["KAFKA_LISTENERS"] = compose.brokers[0].environment["KAFKA_LISTENERS"]
	if _, err := newSubstitution(compose, nil); err == nil {
		t.Error("two brokers may have the same port")
	}
}
