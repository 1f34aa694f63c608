//go:build unix

package apache

import "syscall"

// askToEnd lets a paused process go on, too, so that it can do what it is asked.
func (p *process) askToEnd() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return p.resume()
}

func (p *process) pause() error {
	return p.cmd.Process.Signal(syscall.SIGSTOP)
}

func (p *process) resume() error {
	return p.cmd.Process.Signal(syscall.SIGCONT)
}
