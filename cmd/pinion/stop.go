// pinion stop: the end of a proxy, whichever master is there by then. As ExecStop= of a service it also sees to what its
// masters have left.

package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/master/process"
)

// What systemd sets for ExecStop=, see systemd.exec(5).
const (
	resultVariable = "SERVICE_RESULT"
)

func stopCommand() *cli.Command {
	return adminCommand(cli.Command{
		Name:      "stop",
		Usage:     "end the running proxy, and wait until it is gone",
		UsageText: "pinion stop [--now] [--control FILE]",
		Description: `As with pinion drain, clients get what they are owed first. A reload or an upgrade that is under way is given up, or
stopped when it is done. In ExecStop= of a unit it waits for all processes of the service.

  pinion stop
  pinion stop --now	drop all clients`,
		Flags: []cli.Flag{&cli.BoolFlag{Name: "now", Usage: "drop all clients"}},
	}, func(c *cli.Context, m *adminSocket) error {
		parameters := parameters(c, "now")
		if os.Getenv(resultVariable) != "" {
			return stopService(c, m, parameters)
		}
		pid, err := m.stop(parameters)
		if err == nil {
			_, err = fmt.Fprintf(c.App.Writer, "stopped (pid %d)\n", pid)
		}
		return err
	})
}

// stop ends the master, and those that have taken over from it meanwhile. It returns the pid of the first when all are
// gone, which may take as long as the last client does.
func (m *adminSocket) stop(parameters url.Values) (pid int, err error) {
	ctx := context.Background()
	_, first, err := m.status(ctx)
	if err != nil {
		return 0, err
	}
	born := func(pid int) string {
		if first.PIDNamespace != 0 && first.PIDNamespace != process.PIDNamespace() {
			return "" // a container's, which is somebody else here
		}
		return birth(pid)
	}
	kept := born(first.Keeper)
	for now, more := first, true; more; {
		birth := born(now.PID)
		a, errAsk := m.ask(ctx, "/stop", parameters)
		if errAsk != nil && !unheard(errAsk) && !nobody(errAsk) {
			return 0, errAsk
		}
		if a.PID != 0 && a.PID != now.PID { // which has taken over meanwhile
			now.PID, birth = a.PID, born(a.PID)
		}
		err = m.awaitEnd(ctx, now, birth, errAsk)
		now, more = m.successor(ctx, now)
	}
	for err == nil && kept != "" && born(first.Keeper) == kept { // it has nothing to do any more but to say how that was
		pause(ctx)
	}
	return first.PID, err
}

// successor returns the status of the master that serves in place of another one. A service that was started anew is
// another one.
func (m *adminSocket) successor(ctx context.Context, of admin.Status) (now admin.Status, more bool) {
	_, now, err := m.status(ctx)
	same := now.StartedAt.Equal(of.StartedAt) && !of.StartedAt.IsZero()
	return now, err == nil && now.PID != of.PID && same
}

// stopService ends a service of systemd, with all its processes. systemd bounds how long that takes, by TimeoutStopSec=.
func stopService(c *cli.Context, m *adminSocket, parameters url.Values) error {
	if result := os.Getenv(resultVariable); result != "success" {
		_, err := fmt.Fprintf(c.App.Writer, "the service has ended by itself (%s): its workers are for the next master\n", result)
		return err
	}
	if _, err := m.stop(parameters); err != nil {
		// Nobody listens, or somebody who hangs. Workers that are told to end drain.
		fmt.Fprintf(c.App.ErrWriter, "%v; ending the processes of the service one by one\n", err)
		for _, pid := range serviceProcesses() {
			syscall.Kill(pid, syscall.SIGTERM)
		}
	}
	for len(serviceProcesses()) > 0 {
		time.Sleep(askPause)
	}
	_, err := fmt.Fprintln(c.App.Writer, "stopped")
	return err
}

// serviceProcesses returns the processes of the service that this one belongs to, but for this one and those that have
// started it. Dead ones count until systemd knows that they are: it would kill them.
func serviceProcesses() (pids []int) {
	service := serviceOf("self")
	if service == "" || service == "/" {
		return nil
	}
	own := map[int]bool{}
	for pid := os.Getpid(); pid > 1; pid = parentOf(pid) {
		own[pid] = true
	}
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err == nil && !own[pid] && serviceOf(e.Name()) == service {
			pids = append(pids, pid)
		}
	}
	return pids
}

// serviceOf returns the cgroup of a process in which systemd accounts it: that of version 2, or else the one that has
// systemd's name. What is started for a service that manages its own cgroups is in one below.
func serviceOf(pid string) string {
	text, _ := os.ReadFile("/proc/" + pid + "/cgroup")
	found := ""
	for line := range strings.Lines(string(text)) {
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(fields) == 3 && (fields[0] == "0" || fields[1] == "name=systemd" && found == "") {
			found = strings.TrimSuffix(fields[2], "/.control")
			if fields[0] == "0" && found != "/" {
				return found
			}
		}
	}
	return found
}

func parentOf(pid int) int {
	text, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < 2 {
		return 0
	}
	parent, _ := strconv.Atoi(fields[1])
	return parent
}
