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
	if path == "" {
		return nil
	}
	result := make(chan error, 1)
	go func() { result <- write(path, pid) }()
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

// Remove removes the file unless another process has written its own pid there since.
func Remove(path string, pid int) {
	if path == "" {
		return
	}
	text, err := os.ReadFile(path)
	if err == nil && strings.TrimSpace(string(text)) == strconv.Itoa(pid) {
		os.Remove(path)
	}
}
