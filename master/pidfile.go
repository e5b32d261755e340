// The pid file: for scripts that were written for nutcracker's -p.

package master

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/pinion-proxy/pinion/worker/fault"
)

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
