// The pid file: for scripts that were written for nutcracker's -p.

package master

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/pinion-proxy/pinion/worker/fault"
)

func writePIDFile(path string, pid int) error {
	if path == "" {
		return nil
	}
	if err := fault.Error("pidfile"); err != nil {
		return fmt.Errorf("writing pid file: %w", err)
	}
	if err := os.WriteFile(path, []byte(strconv.Itoa(pid)+"\n"), 0o644); err != nil {
		return fmt.Errorf("writing pid file: %w", err)
	}
	return nil
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
