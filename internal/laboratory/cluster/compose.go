package cluster

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
)

// Compose is the cluster of docker-compose.yml. Nothing in it can be cut off or
// have its disk filled: those drills need brokers that this program starts.
type Compose struct {
	run func(args ...string) (string, error) // docker compose …
}

// FindCompose returns the compose cluster if it runs, and if who sits there agrees.
func FindCompose(ctx context.Context, in io.Reader, out io.Writer) (*Compose, error) {
	c := &Compose{run: func(args ...string) (string, error) {
		command := exec.CommandContext(context.WithoutCancel(ctx), "docker", append([]string{"compose"}, args...)...)
		output, err := command.CombinedOutput()
		if err != nil {
			err = fmt.Errorf("docker compose %s: %w: %s", strings.Join(args, " "), err, output)
		}
		return string(output), err
	}}
	return c, c.ask(in, out)
}

var ErrNotAgreed = errors.New("nothing was done")

func (c *Compose) ask(in io.Reader, out io.Writer) error {
	running, err := c.run("ps", "--services", "--status", "running")
	if err != nil {
		return fmt.Errorf("looking for the brokers of docker-compose.yml "+
			"(docker compose up -d --wait starts them): %w", err)
	}
	if n := len(strings.Fields(running)); n < 3 {
		return fmt.Errorf("%d of the three brokers of docker-compose.yml run: docker compose up -d --wait", n)
	}
	fmt.Fprint(out, "The drill kills and pauses the brokers of docker-compose.yml (kafka-1, kafka-2 and kafka-3), "+
		"again and again,\nmakes topics of its own, and deletes them. Your topics stay, but whoever uses them will notice. Go on? [y/N] ")
	line, err := bufio.NewReader(in).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("reading the answer: %w", err)
	}
	if answer := strings.ToLower(strings.TrimSpace(line)); answer != "y" && answer != "yes" {
		return ErrNotAgreed
	}
	return nil
}

func (c *Compose) Addrs() []string {
	return []string{"localhost:9093", "localhost:9094", "localhost:9095"}
}

func (c *Compose) do(verb string, n int) error {
	_, err := c.run(verb, fmt.Sprintf("kafka-%d", n))
	return err
}

func (c *Compose) Kill(n int) error        { return c.do("kill", n) }
func (c *Compose) StartBroker(n int) error { return c.do("start", n) }
func (c *Compose) Pause(n int) error       { return c.do("pause", n) }
func (c *Compose) Resume(n int) error      { return c.do("unpause", n) }

// Close leaves the brokers running, as they were found: those that a stopped run
// left paused or dead go on.
func (c *Compose) Close() error {
	paused, err := c.run("ps", "--services", "--status", "paused")
	if err != nil {
		return err
	}
	var errs []error
	for _, service := range strings.Fields(paused) {
		_, err := c.run("unpause", service)
		errs = append(errs, err)
	}
	_, err = c.run("start")
	return errors.Join(append(errs, err)...)
}
