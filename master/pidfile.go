// The pid file: for scripts that were written for nutcracker's -p.

package master

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/pinion-proxy/pinion/worker/fault"
)

// writeTimeout is how long a file may take to be written. A disk that hangs must not keep the master waiting.
const writeTimeout = 5 * time.Second

// writePIDFile writes this process into the pid file beside the loop, and then goes on.
func (m *master) writePIDFile(then func(error)) {
	path, pid := m.opts.PIDFile, m.world.pid
	m.world.aside(func() func() {
		err := within(writeTimeout, func() error { return writePIDFile(path, pid) })
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = fmt.Errorf("writing pid file: %q is not written after %s: see the disk", path, writeTimeout)
		}
		return func() { then(err) }
	})
}

// within returns the result of work, or os.ErrDeadlineExceeded; then the work goes on and nobody hears of it.
func within(limit time.Duration, work func() error) error {
	result := make(chan error, 1)
	go func() { result <- work() }()
	select {
	case err := <-result:
		return err
	case <-time.After(limit):
		return os.ErrDeadlineExceeded
	}
}

// writePIDFile writes the file over what is there, which stays if there is no room for another.
func writePIDFile(path string, pid int) error {
	if path == "" {
		return nil
	}
	err := fault.Error("pidfile")
	if err == nil {
		err = overwrite(path, strconv.Itoa(pid)+"\n")
	}
	if err != nil {
		return fmt.Errorf("writing pid file: %w", err)
	}
	return nil
}

func overwrite(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	if _, err = f.WriteString(text); err == nil {
		err = f.Truncate(int64(len(text)))
	}
	return errors.Join(err, f.Close())
}

// removePIDFile removes the file unless another process has written its own pid there since.
func removePIDFile(path string, pid int) {
	if path == "" {
		return
	}
	text, err := os.ReadFile(path)
	if err == nil && strings.TrimSpace(string(text)) == strconv.Itoa(pid) {
		os.Remove(path)
	}
}
