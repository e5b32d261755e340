// pinion give-back: another program, as nutcracker, is started on the sockets of the running proxy, which then ends.

package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/master/takeover"
)

// servesWithin is how long the other program may take until it waits for clients.
const servesWithin = 10 * time.Second

// endsWithin is how long one that does not serve may take to end, before it is killed.
const endsWithin = 2 * time.Second

func giveBackCommand() *cli.Command {
	return &cli.Command{
		Name:      takeover.GiveBackCommand,
		Usage:     "start nutcracker in the place of the running proxy, without a gap",
		UsageText: "pinion give-back [--control FILE] -- nutcracker [options]",
		Description: `The program that is given is started. Where it would bind the address of a pool, or of the statistics, it gets the socket of the
proxy instead, so that both accept from the same queue. When it waits for clients on all addresses of pools, the proxy is told to
stop, as by pinion stop, and to leave the sockets open; its clients connect again, to the other program. If that fails, or listens
elsewhere, it is ended, and the proxy serves on.

It needs root, or the user of the proxy, and Linux 5.9. Unless the program goes into the background, as nutcracker -d, this command
lasts as long as it does, passes SIGTERM on, and ends with its status.

  pinion give-back -- nutcracker -d -c nutcracker.yml -p nutcracker.pid`,
		Flags: []cli.Flag{controlFlag()},
		Action: func(c *cli.Context) error {
			if !c.Args().Present() {
				return usageError("give-back starts a program, which stands behind --")
			}
			return withAdminSocket(c, giveBack)
		},
	}
}

func giveBack(c *cli.Context, m *adminSocket) error {
	_, now, err := m.status(context.Background())
	if err != nil {
		return err
	}
	all, err := takeover.Find(strconv.Itoa(now.PID))
	if err != nil {
		return err
	}
	defer takeover.Close(all)
	sockets, err := all[0].Sockets()
	if err != nil {
		return err
	}
	pools, rest, err := firstSockets(sockets, now.Pools)
	if err != nil {
		return err
	}
	ctx, letGo := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer letGo()
	loan, err := takeover.Lend(c.Args().Slice(), slices.Concat(pools, rest))
	if err != nil {
		return err
	}
	defer loan.Close()
	other, err := loan.Await(ctx, pools, servesWithin)
	if err != nil {
		if loan.GiveUp(endsWithin) {
			err = fmt.Errorf("%w; it did not end on SIGTERM and was killed", err)
		}
		return fmt.Errorf("%s does not serve: %w; the proxy serves on", c.Args().First(), err)
	}
	letGo()
	wait, err := replaceProxy(c, m, loan, other)
	loan.Settle()
	takeover.CloseSockets(sockets) // nobody accepts from those that the program has not got
	takeover.Close([]*takeover.Program{other})
	if wait == nil {
		return err
	}
	if err != nil {
		fmt.Fprintf(c.App.ErrWriter, "pinion: %v\n", err)
	}
	return wait()
}

// replaceProxy has the proxy end, and leave the sockets to the program that has got them. wait is for the end of that; nil: it is in
// the background.
func replaceProxy(c *cli.Context, m *adminSocket, loan *takeover.Loan, other *takeover.Program) (wait func() error, err error) {
	if other.PID == loan.PID {
		wait = accompany(loan.PID)
	}
	fmt.Fprintf(c.App.Writer, "%s serves; the proxy ends\n", other)
	_, err = m.stop(url.Values{"leave_to": {strconv.Itoa(other.PID)}})
	switch {
	case err != nil && !unheard(err) && !nobody(err): // it serves on
		loan.GiveUp(endsWithin)
		err = fmt.Errorf("the proxy does not end: %w; %s has been ended", err, other)
	case err != nil && other.Lives():
		err = fmt.Errorf("ending the proxy: %w; %s lives, and accepts clients, too: kill %d before you try again", err, other, other.PID)
	case err != nil:
		err = fmt.Errorf("ending the proxy: %w; %s has ended", err, other)
	default:
		fmt.Fprintf(c.App.Writer, "%s serves alone\n", other)
	}
	return wait, err
}

// firstSockets returns the sockets of pools, one for each address, and those of no pool. Of the group of an address it is the one to
// which the proxy leaves all connections.
func firstSockets(all []takeover.Socket, pools []admin.PoolStatus) (of, rest []takeover.Socket, err error) {
	addresses := map[string]bool{}
	for _, p := range pools {
		i := slices.IndexFunc(all, func(s takeover.Socket) bool { return p.Socket != 0 && s.Inode() == p.Socket })
		if i < 0 {
			return nil, nil, fmt.Errorf("the proxy has no socket to give for pool %s: it is of an earlier version, or just being replaced", p.Name)
		}
		of = append(of, all[i])
		addresses[all[i].Address] = true
	}
	for _, s := range all {
		if s.Network == "tcp" && !addresses[s.Address] {
			rest = append(rest, s)
		}
	}
	return of, rest, nil
}

// accompany passes signals on to a program that has stayed in the foreground, and returns what waits for its end.
func accompany(pid int) (wait func() error) {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGTTIN, syscall.SIGTTOU)
	go func() {
		for s := range signals {
			syscall.Kill(pid, s.(syscall.Signal)) // nobody else gets the pid before wait
		}
	}()
	return func() error {
		p, err := os.FindProcess(pid)
		if err != nil {
			return err
		}
		state, err := p.Wait()
		if err != nil {
			return err
		}
		return endLike(state.Sys().(syscall.WaitStatus))
	}
}

// endLike ends as another program has: whoever supervises this one tells a signal from a failure.
func endLike(status syscall.WaitStatus) error {
	if !status.Signaled() {
		return exitStatus(status.ExitStatus())
	}
	s := status.Signal()
	switch s {
	case syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGKILL:
		signal.Reset(s)
		syscall.Kill(os.Getpid(), s)
		time.Sleep(time.Second)
	}
	return exitStatus(128 + int(s)) // as a shell has it
}
