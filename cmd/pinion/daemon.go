// Running in the background: a new session without a terminal, as with nutcracker's -d. Unlike there, the caller learns
// whether the start has succeeded, so that "pinion -d … && echo serving" is true.

package main

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// daemonize starts this command line once more, detached. Working directory and relative paths stay what they are; the umask
// becomes 0, as with nutcracker, whose files' permissions scripts may rely on. Without a file for the log there is none.
func daemonize(stderr io.Writer, output string) error {
	signal.Reset() // this process only waits; the other one catches its own
	before := syscall.Umask(0)
	defer syscall.Umask(before)
	child, err := launch(os.Args[1:], nil, &syscall.SysProcAttr{Setsid: true})
	if err != nil {
		return err
	}
	if output == "" {
		fmt.Fprintln(stderr, "pinion: runs in the background without a log; give -o FILE to have one")
	}
	return child.Release()
}
