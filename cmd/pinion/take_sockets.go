// pinion take-sockets: what --take-over does, for a unit that may not do it itself.

package main

import (
	"fmt"
	"os/user"
	"strconv"

	"github.com/urfave/cli/v2"

	"github.com/pinion-proxy/pinion/master"
)

func takeSocketsCommand() *cli.Command {
	return &cli.Command{
		Name:      "take-sockets",
		Usage:     "have systemd pass the sockets of a running nutcracker to the unit that is starting",
		UsageText: "pinion take-sockets [-c FILE] [-s PORT] [-a ADDR] [--user NAME] PID|UNIT[,…]",
		Description: `As root, in ExecStartPre=+ of a unit: what pinion --take-over does by itself where it may look into other processes. The sockets are
compared with the configuration, and go into the descriptor store of the service, from which pinion takes them.

  ExecStartPre=+/usr/bin/pinion take-sockets nutcracker.service`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "conf-file", Aliases: []string{"c"}, Value: packageConfFile, Usage: "the configuration is in `FILE` (default: " + packageConfFile + ")"},
			&cli.StringFlag{Name: "stats-port", Aliases: []string{"s"}, Value: "22222", Usage: "the statistics are on `PORT` (default: 22222)"},
			&cli.StringFlag{Name: "stats-addr", Aliases: []string{"a"}, Value: "0.0.0.0", Usage: "the statistics are on `ADDR` (default: 0.0.0.0)"},
			&cli.StringFlag{Name: "user", Value: "pinion", Usage: "the service runs as the user `NAME` (default: pinion)"},
		},
		Action: takeSockets,
	}
}

func takeSockets(c *cli.Context) error {
	if c.Args().Len() != 1 {
		return usageError("take-sockets needs the pid or the unit of the program that listens")
	}
	port, err := readPort(c.String("stats-port"))
	if err != nil {
		return err
	}
	uid, err := uidOf(c.String("user"))
	if err != nil {
		return err
	}
	o := master.Options{ConfigFile: c.String("conf-file"), StatsAddr: c.String("stats-addr"), StatsPort: port, TakeOver: c.Args().First()}
	remark, err := master.StoreSockets(o, uid)
	if err == nil && remark != "" {
		_, err = fmt.Fprintln(c.App.Writer, remark)
	}
	return err
}

func uidOf(name string) (int, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return 0, usageError(fmt.Sprintf("option --user: %v", err))
	}
	return strconv.Atoi(u.Uid)
}
