package apache

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"kafka-with-go/internal/cluster/freeport"
)

// composeFile is what this package takes from docker-compose.yml.
type composeFile struct {
	brokers         []service // in the order of their node ids
	stopGracePeriod time.Duration
}

// service is one broker of the compose file.
type service struct {
	name        string
	id          int
	image       string
	security    []string // the security options
	dropped     []string // the capabilities that the container hasn't got
	memory      string   // the most that the container may take
	environment map[string]string
	healthCheck string // the shell command
	external    string // the address that clients on this machine use
}

// readCompose reads the docker-compose.yml at the root of this module.
func readCompose() (composeFile, error) {
	path, err := findCompose()
	if err != nil {
		return composeFile{}, err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return composeFile{}, fmt.Errorf("reading the compose file: %w", err)
	}
	compose, err := parseCompose(text)
	if err != nil {
		return composeFile{}, fmt.Errorf("reading %s: %w", path, err)
	}
	return compose, nil
}

// findCompose looks for docker-compose.yml beside go.mod, upwards from the working
// directory, which in a test is the folder of the tested package.
func findCompose() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("looking for docker-compose.yml: %w", err)
	}
	for ; ; dir = filepath.Dir(dir) {
		_, err := os.Stat(filepath.Join(dir, "go.mod"))
		if err == nil {
			return filepath.Join(dir, "docker-compose.yml"), nil
		}
		if !errors.Is(err, fs.ErrNotExist) || dir == filepath.Dir(dir) {
			return "", errors.New("looking for docker-compose.yml: no go.mod at or above the working directory; run this inside the repository")
		}
	}
}

func parseCompose(text []byte) (composeFile, error) {
	var file struct {
		Services map[string]struct {
			Image           string
			SecurityOpt     []string `yaml:"security_opt"`
			CapDrop         []string `yaml:"cap_drop"`
			MemLimit        string   `yaml:"mem_limit"`
			Environment     map[string]string
			Ports           []string
			StopGracePeriod time.Duration `yaml:"stop_grace_period"`
			HealthCheck     struct{ Test string }
		}
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		return composeFile{}, err
	}
	var compose composeFile
	for name, s := range file.Services {
		id, err := strconv.Atoi(s.Environment["KAFKA_NODE_ID"])
		if err != nil {
			return composeFile{}, fmt.Errorf("the node id of %s: %w", name, err)
		}
		external, err := externalAddress(s.Environment, s.Ports)
		if err != nil {
			return composeFile{}, fmt.Errorf("the address of %s: %w", name, err)
		}
		for key, value := range s.Environment {
			s.Environment[key] = unescape(value)
		}
		compose.stopGracePeriod = max(compose.stopGracePeriod, s.StopGracePeriod)
		compose.brokers = append(compose.brokers, service{
			name:        name,
			id:          id,
			image:       s.Image,
			security:    s.SecurityOpt,
			dropped:     s.CapDrop,
			memory:      s.MemLimit,
			environment: s.Environment,
			healthCheck: unescape(s.HealthCheck.Test),
			external:    external,
		})
	}
	slices.SortFunc(compose.brokers, func(a, b service) int { return cmp.Compare(a.id, b.id) })
	return compose, nil
}

// unescape undoes what Compose asks for where a dollar sign is meant for the container.
func unescape(value string) string {
	return strings.ReplaceAll(value, "$$", "$")
}

// externalAddress returns the advertised address whose port is published on 127.0.0.1
// under its own number. No other port may be published.
func externalAddress(environment map[string]string, ports []string) (string, error) {
	if len(ports) != 1 {
		return "", fmt.Errorf("one published port is expected, not %d", len(ports))
	}
	for _, listener := range strings.Split(environment["KAFKA_ADVERTISED_LISTENERS"], ",") {
		_, address, _ := strings.Cut(listener, "://")
		_, port, _ := strings.Cut(address, ":")
		if ports[0] == "127.0.0.1:"+port+":"+port {
			return address, nil
		}
	}
	return "", fmt.Errorf("no advertised listener has the published port %s", ports[0])
}

// substitution turns the compose file's addresses into addresses of this machine.
type substitution struct {
	hosts map[string]string
	ports map[string]string
	free  []int // those of the ports that freeport has given
}

// hostPort matches an address in a list of listeners ("NAME://host:port"), of voters
// ("1@host:port") or of plain addresses. The host of a listener may be empty.
var hostPort = regexp.MustCompile(`(^|,|@|://)([\w.-]*):(\d+)`)

// newSubstitution gives every port of the compose file a port of this machine: the
// external ones those that are asked for, if any, and all others free ones.
func newSubstitution(compose composeFile, external []int) (substitution, error) {
	if len(external) != 0 && len(external) != len(compose.brokers) {
		return substitution{}, fmt.Errorf("%d ports are asked for, but there are %d brokers", len(external), len(compose.brokers))
	}
	s := substitution{
		hosts: map[string]string{"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "localhost": "localhost"},
		ports: map[string]string{},
	}
	for i, broker := range compose.brokers {
		s.hosts[broker.name] = "127.0.0.1"
		for _, match := range hostPort.FindAllStringSubmatch(broker.environment["KAFKA_LISTENERS"], -1) {
			port := match[3]
			if _, taken := s.ports[port]; taken {
				return substitution{}, fmt.Errorf("docker-compose.yml: port %s serves two listeners, so the brokers can't share a machine", port)
			}
			s.ports[port] = ""
			if len(external) != 0 && strings.HasSuffix(broker.external, ":"+port) {
				s.ports[port] = strconv.Itoa(external[i])
			}
		}
	}
	err := s.choosePorts()
	return s, err
}

// keepNames lets the brokers know each other by the names of their services.
func (s substitution) keepNames(compose composeFile) {
	for _, broker := range compose.brokers {
		s.hosts[broker.name] = broker.name
	}
}

// choosePorts fills in the ports that nobody asked for, and checks that the others are free.
func (s *substitution) choosePorts() error {
	var chosen []net.Listener
	defer func() {
		for _, l := range chosen {
			// Nothing was sent on this listener, so there is nothing to lose.
			_ = l.Close()
		}
	}()
	// The ports that are asked for come first, so that no other listener gets them.
	for _, native := range s.ports {
		if native == "" {
			continue
		}
		l, err := net.Listen("tcp", "127.0.0.1:"+native)
		if err != nil {
			return fmt.Errorf("port %s can't be used: %w; end what listens there, or choose another port", native, err)
		}
		chosen = append(chosen, l)
	}
	for port, native := range s.ports {
		if native != "" {
			continue
		}
		l, err := freeport.Listen()
		if err != nil {
			return err
		}
		chosen = append(chosen, l)
		s.free = append(s.free, freeport.Port(l))
		s.ports[port] = strconv.Itoa(freeport.Port(l))
	}
	return nil
}

// value returns one value of the compose file with its addresses substituted.
func (s substitution) value(v string) string {
	return hostPort.ReplaceAllStringFunc(v, func(address string) string {
		match := hostPort.FindStringSubmatch(address)
		before, host, port := match[1], match[2], match[3]
		nativeHost, known := s.hosts[host]
		nativePort, listening := s.ports[port]
		if !known || !listening {
			return address
		}
		return before + nativeHost + ":" + nativePort
	})
}

// environment returns the environment of a service with its addresses and the place
// of its records substituted.
func (s substitution) environment(compose map[string]string, dataDir string) map[string]string {
	native := maps.Clone(compose)
	for key, value := range native {
		native[key] = s.value(value)
	}
	// The image writes the value into a properties file, where a backslash escapes.
	native["KAFKA_LOG_DIRS"] = filepath.ToSlash(dataDir)
	return native
}
