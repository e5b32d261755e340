// The pid file: overwritten in place, and removed only by the process that it names.

package pidfile

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/pinion-proxy/pinion/worker/fault"
)

// writeTimeout is how long a file may take to be written. A disk that hangs must not keep the master waiting for ever.
const writeTimeout = 5 * time.Second

// Write writes the file over what is there, which stays if there is no room for another. It waits no longer than
// writeTimeout; then the writing goes on and nobody hears of it. An empty path is no file.
func Write(path string, pid int) error {
	return within(path, func() error { return write(path, pid) })
}

// Claim is Write, but for a file that names another process to which it belongs still: holder tells how that is called, or nothing if it
// does not.
func Claim(path string, pid int, holder func(pid int) string) error {
	return within(path, func() error {
		if named := read(path); named > 0 && named != pid {
			switch name := holder(named); name {
			case "":
			case "pinion":
				return fmt.Errorf("pid file %q is in use by pinion with pid %d, which runs: give this one another -p", path, named)
			default:
				return fmt.Errorf("pid file %q is in use by %s with pid %d, which runs: give this one another -p, or remove the file if it is not that one's",
					path, name, named)
			}
		}
		return write(path, pid)
	})
}

// within does something with the file, if there is one, and does not wait for longer than writeTimeout.
func within(path string, do func() error) error {
	if path == "" {
		return nil
	}
	result := make(chan error, 1)
	go func() { result <- do() }()
	select {
	case err := <-result:
		return err
	case <-time.After(writeTimeout):
		return fmt.Errorf("writing pid file: %q is not written after %s: see the disk", path, writeTimeout)
	}
}

func write(path string, pid int) error {
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

// read returns the pid in the file; 0: there is none. Only a regular file is read: another would keep the reader waiting.
func read(path string) int {
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return 0
	}
	text, _ := os.ReadFile(path)
	pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	return pid
}

// Remove removes the file unless another process has written its own pid there since.
func Remove(path string, pid int) {
	if path == "" {
		return
	}
	if read(path) == pid {
		os.Remove(path)
	}
}
