// Running in the background: a new session without a terminal, as with nutcracker's -d. Unlike there, the caller learns
// whether the start has succeeded, so that "pinion -d … && echo serving" is true.

package main

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/pinion-proxy/pinion/master"
	"github.com/pinion-proxy/pinion/master/config"
)

// daemonize starts this command line once more, detached. Working directory and relative paths stay what they are; the umask
// becomes 0, as with nutcracker, whose files' permissions scripts may rely on. Nobody would see what is logged to stderr, so without -o
// and log_file there is a file for it all the same.
func daemonize(stderr io.Writer, o master.Options) error {
	signal.Reset() // this process only waits; the other one catches its own
	before := syscall.Umask(0)
	defer syscall.Umask(before)
	args, file, configured := os.Args[1:], "", config.ReadLog(o.ConfigFile).File
	if o.Output == "" && configured == "" {
		if file = backgroundLog(o.PIDFile); file != "" {
			args = append([]string{"--output=" + file}, args...)
		}
	}
	child, remarks, err := launch(args, nil, &syscall.SysProcAttr{Setsid: true})
	if err != nil {
		return err
	}
	fmt.Fprint(stderr, remarks)
	switch {
	case o.Output != "":
	case configured != "":
		fmt.Fprintf(stderr, "pinion: logs to %s, the log_file of %s\n", configured, o.ConfigFile)
	case file == "":
		fmt.Fprintln(stderr, "pinion: runs in the background without a log, as no file could be made for it; give -o FILE, or log_file in the configuration, to have one")
	default:
		fmt.Fprintf(stderr, "pinion: logs to %s; -o FILE chooses another file, -o /dev/null none\n", file)
	}
	return child.Release()
}

// logFolder is where the packages have logs.
const logFolder = "/var/log/pinion"

// backgroundLog returns the log file of a Pinion in the background that was told of none, by its whole path: in the folder of the
// packages, in that of the pid file, or where it was called; empty: none of them can be written to.
func backgroundLog(pidFile string) string {
	for _, folder := range []string{logFolder, filepath.Dir(pidFile)} {
		path, err := filepath.Abs(filepath.Join(folder, "pinion.log"))
		if err != nil {
			continue
		}
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
		if err == nil {
			f.Close()
			return path
		}
	}
	return ""
}
