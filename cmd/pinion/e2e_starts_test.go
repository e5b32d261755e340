// Two starts at once: one of them serves, at paths that lead to it.

package main_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// Each pair is given the same paths, or the same port; of the former half find what a dead process has left there.
// PINION_E2E_STARTS says how many pairs there are.
func TestE2EStartsAtOnce(t *testing.T) {
	t.Parallel()
	pairs := 10
	if text := os.Getenv("PINION_E2E_STARTS"); text != "" {
		var err error
		if pairs, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	for i := range pairs {
		dir := shortDir(t)
		network, at, control := "unix", filepath.Join(dir, "pool.sock"), filepath.Join(dir, "ctl.sock")
		if i%3 == 2 {
			network, at, control = "tcp", freeAddress(t), ""
		}
		file := writeConfig(t, yaml(pool{"pool", at, []string{"redis: true"}, []string{"127.0.0.1:1:1"}}))
		if i%2 == 1 && network == "unix" {
			for _, path := range []string{at, control} {
				l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
				if err != nil {
					t.Fatal(err)
				}
				l.SetUnlinkOnClose(false)
				l.Close()
			}
		}
		var both []*process
		for range 2 {
			_, port, _ := net.SplitHostPort(freeAddress(t))
			args := []string{"-c", file, "-a", "127.0.0.1", "-s", port, "--workers", "1"}
			if control != "" {
				args = append(args, "--control", control)
			}
			p := start(t, path, args...)
			p.retired = true
			both = append(both, p)
		}
		eventually(t, "the end of one", func() error {
			if !both[0].ended() && !both[1].ended() {
				return errors.New("both live")
			}
			return nil
		})
		survivor := both[0]
		if survivor.ended() {
			survivor = both[1]
		}
		eventually(t, "serving", func() error {
			if survivor.ended() {
				t.Fatalf("pair %d: both have ended:\n%s\n%s", i, both[0].output.String(), both[1].output.String())
			}
			err := knockOnce(network, at, 0)
			if control != "" {
				err = errors.Join(err, exec.Command(path, "status", "--control", control).Run())
			}
			return err
		})
		survivor.signal(syscall.SIGTERM)
		if err := survivor.wait(); err != nil {
			t.Errorf("pair %d: %v\n%s", i, err, survivor.output.String())
		}
		for _, left := range []string{at, control} {
			if _, err := os.Lstat(left); err == nil {
				t.Errorf("pair %d: %s is still there", i, left)
			}
		}
		if t.Failed() {
			fmt.Println(both[0].output.String(), both[1].output.String())
			return
		}
	}
}

// The path of the control socket is bound anew even if no pool has one.
func TestE2EControlPathBoundAnew(t *testing.T) {
	t.Parallel()
	control, address := filepath.Join(shortDir(t), "ctl.sock"), freeAddress(t)
	p := pinion(t, yaml(pool{"pool", address, []string{"redis: true"}, []string{"127.0.0.1:1:1"}}), "tcp", address, "--control", control)
	if err := os.Remove(control); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the status", func() error { return exec.Command(p.cmd.Path, "status", "--control", control).Run() })
}
