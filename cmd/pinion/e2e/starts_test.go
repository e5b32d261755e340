// Two starts at once: one of them serves, at paths that lead to it.

package e2e_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
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
	path, err := rig.Binary()
	if err != nil {
		t.Fatal(err)
	}
	for i := range pairs {
		dir := rig.ShortDir(t)
		network, at, control := "unix", filepath.Join(dir, "pool.sock"), filepath.Join(dir, "ctl.sock")
		if i%3 == 2 {
			network, at, control = "tcp", rig.FreeAddress(t), ""
		}
		file := rig.WriteConfig(t, rig.Yaml(rig.Pool{Name: "pool", Listen: at, Options: []string{"redis: true"}, Servers: []string{"127.0.0.1:1:1"}}))
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
		var both []*rig.Process
		for range 2 {
			_, port, _ := net.SplitHostPort(rig.FreeAddress(t))
			args := []string{"-c", file, "-a", "127.0.0.1", "-s", port, "--workers", "1"}
			if control != "" {
				args = append(args, "--control", control)
			}
			p := rig.Start(t, path, args...)
			p.Retired = true
			both = append(both, p)
		}
		rig.Eventually(t, "the end of one", func() error {
			if !both[0].Ended() && !both[1].Ended() {
				return errors.New("both live")
			}
			return nil
		})
		survivor := both[0]
		if survivor.Ended() {
			survivor = both[1]
		}
		rig.Eventually(t, "serving", func() error {
			if survivor.Ended() {
				t.Fatalf("pair %d: both have ended:\n%s\n%s", i, both[0].Output.String(), both[1].Output.String())
			}
			err := rig.KnockOnce(network, at, 0)
			if control != "" {
				err = errors.Join(err, exec.Command(path, "status", "--control", control).Run())
			}
			return err
		})
		survivor.Signal(syscall.SIGTERM)
		if err := survivor.Wait(); err != nil {
			t.Errorf("pair %d: %v\n%s", i, err, survivor.Output.String())
		}
		for _, left := range []string{at, control} {
			if _, err := os.Lstat(left); err == nil {
				t.Errorf("pair %d: %s is still there", i, left)
			}
		}
		if t.Failed() {
			fmt.Println(both[0].Output.String(), both[1].Output.String())
			return
		}
	}
}

// The path of the admin socket is bound anew even if no pool has one.
func TestE2EControlPathBoundAnew(t *testing.T) {
	t.Parallel()
	control, address := filepath.Join(rig.ShortDir(t), "ctl.sock"), rig.FreeAddress(t)
	p := rig.Pinion(t, rig.Yaml(rig.Pool{Name: "pool", Listen: address, Options: []string{"redis: true"}, Servers: []string{"127.0.0.1:1:1"}}), "tcp", address, "--control", control)
	if err := os.Remove(control); err != nil {
		t.Fatal(err)
	}
	rig.Eventually(t, "the status", func() error { return exec.Command(p.Cmd.Path, "status", "--control", control).Run() })
}

// A second Pinion that is given the pid file of the first one does not start, and the file stays.
func TestE2EStartWithPIDFileInUse(t *testing.T) {
	t.Parallel()
	config := func(address string) string {
		return rig.Yaml(rig.Pool{Name: "pool", Listen: address, Options: []string{"redis: true"}, Servers: []string{"127.0.0.1:1:1"}})
	}
	address := rig.FreeAddress(t)
	first := operate(t, config(address), address)
	path, err := rig.Binary()
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(rig.FreeAddress(t))
	out, err := exec.Command(path, "-c", rig.WriteConfig(t, config(rig.FreeAddress(t))), "-a", "127.0.0.1", "-s", port, "-p", first.PidFile).CombinedOutput()
	want := fmt.Sprintf("pid file %q is in use by pinion with pid %d, which runs: give this one another -p", first.PidFile, first.Process.Pid())
	if err == nil || !strings.Contains(string(out), want) {
		t.Errorf("%v, %s\nwant %s", err, out, want)
	}
	if text, err := os.ReadFile(first.PidFile); err != nil || strings.TrimSpace(string(text)) != strconv.Itoa(first.Process.Pid()) {
		t.Errorf("the file says %q, %v", text, err)
	}
}
