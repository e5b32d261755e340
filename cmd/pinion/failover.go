// pinion failover: a replica becomes the master of a server, as its sentinels arrange it, or of a node of a cluster.

package main

import (
	"context"
	"net/url"

	"github.com/urfave/cli/v2"
)

func failoverCommand() *cli.Command {
	const operands = 2
	return &cli.Command{
		Name:      "failover",
		Usage:     "have a replica become the master of a server: by the sentinels, or in a cluster",
		UsageText: "pinion failover [--control FILE] [--] POOL SERVER",
		Description: `One of the pool's sentinels is asked to begin a failover of the master that SERVER stands for, and the command waits until all workers
go to the next master. The exit status is 0 then, and 1 if no sentinel begins one, or if no other master is named within half a minute.

In a pool of a cluster SERVER is the address of a master, as pinion status shows it: the replica that has got most of it takes over, by CLUSTER
FAILOVER, and no write is lost. With the address of a replica it is that one.

Sentinels of Valkey 9 have the old master take no more writes first. With others it takes some for about a second after the replica has
become the master, and these are lost, whoever asks for the failover.

  pinion failover sessions redis1
  pinion failover store 10.0.0.1:7000`,
		Flags: []cli.Flag{controlFlag()},
		Action: func(c *cli.Context) error {
			if c.Args().Len() != operands {
				return usageError("failover needs a pool and a server: pinion failover [--control FILE] [--] POOL SERVER")
			}
			names := url.Values{"pool": {c.Args().Get(0)}, "server": {c.Args().Get(1)}}
			return withAdminSocket(c, func(c *cli.Context, m *adminSocket) error {
				a, err := m.ask(context.Background(), "/failover", names)
				if err != nil {
					return err
				}
				return showLines(c.App.Writer, a, "the server has failed over")
			})
		},
	}
}
