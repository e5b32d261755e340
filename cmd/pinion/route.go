// pinion route: which server has a key, and why. The answer comes from the code that routes in a worker.

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode/utf8"

	"github.com/urfave/cli/v2"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/shard"
	"github.com/pinion-proxy/pinion/worker/link"
)

func routeCommand() *cli.Command {
	return &cli.Command{
		Name:      "route",
		Usage:     "tell which server has a key, and why",
		UsageText: "pinion route [-c FILE] [--pool POOL] [--json] [--control FILE] [--] KEY…",
		Description: `The answer is the one that all servers alive give; none of them is asked. Where a server that fails over is now, and
which node of a cluster has a slot, only a running Pinion knows: it is asked if --control is given.

  pinion route -c pinion.conf user:1 user:2
  pinion route -c pinion.conf --pool sessions '{user:1}.cart'	in quotes, as braces mean something to a shell
  pinion route -c pinion.conf --json -- -key-	one object a line; -- before a key with a dash`,
		Flags: []cli.Flag{
			confFlag(),
			&cli.StringFlag{Name: "pool", Usage: "in this `POOL` only (default: in each)"},
			&cli.BoolFlag{Name: "json", Usage: "print a JSON object for each pool and key"},
			&cli.StringFlag{Name: "control", Usage: "ask the running proxy whose admin socket is `FILE` where servers are that fail over, or have a slot"},
		},
		Action: func(c *cli.Context) error {
			if !c.Args().Present() {
				return usageError("route needs a key: pinion route [-c FILE] KEY…")
			}
			cfg, err := config.LoadAlone(configFile(c))
			if err != nil {
				return err
			}
			pools, err := choosePools(cfg, c.String("pool"))
			if err != nil {
				return err
			}
			running := admin.Status{}
			if c.IsSet("control") {
				if _, running, err = newAdminSocket(c.String("control")).status(context.Background()); err != nil {
					return err
				}
			}
			if c.Bool("json") {
				return showRoutesJSON(c.App.Writer, pools, &running, c.Args().Slice())
			}
			return showRoutes(terminal{c.App.Writer}, pools, &running, c.Args().Slice())
		},
	}
}

// choosePools returns the pool of that name; without a name, all.
func choosePools(cfg *config.Config, name string) ([]config.Pool, error) {
	var names []string
	for i := range cfg.Pools {
		if cfg.Pools[i].Name == name {
			return cfg.Pools[i : i+1], nil
		}
		names = append(names, cfg.Pools[i].Name)
	}
	if name == "" {
		return cfg.Pools, nil
	}
	return nil, fmt.Errorf("no pool %q in %s; there are %s", name, cfg.File, strings.Join(names, ", "))
}

// whereIs returns the address of a server and, if it fails over, the name of its master: then the address is empty unless the running
// proxy knows it.
func whereIs(p *config.Pool, s *link.Server, running *admin.Status) (address, master string) {
	if s.Network != link.Sentinel {
		return s.Address, ""
	}
	for _, pool := range running.Pools {
		for _, server := range pool.Servers {
			if pool.Name == p.Name && server.Name == s.Name && server.Followed != nil && server.Followed.Master == s.Address {
				return server.Address, s.Address
			}
		}
	}
	return "", s.Address
}

// showRoutes writes a table for each pool.
func showRoutes(w io.Writer, pools []config.Pool, running *admin.Status, keys []string) error {
	for i := range pools {
		p := &pools[i]
		if i > 0 {
			fmt.Fprintln(w)
		}
		if p.IsCluster() {
			if err := showSlots(w, p, running, keys); err != nil {
				return err
			}
			continue
		}
		m := p.Map()
		fmt.Fprintf(w, "pool %s: %s of %s, %s%s\n", p.Name, p.Distribution, p.Hash, count(len(p.Servers), "server"), tagNote(p))
		t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
		fmt.Fprintln(t, "KEY\tSERVER\tADDRESS\tHASH\tHASHED PART\tWHY"+readsHeader(p))
		for _, key := range keys {
			e := m.Explain([]byte(key))
			name, address := "any", "any"
			if e.Server >= 0 {
				var master string
				name = p.Servers[e.Server].Name
				if address, master = whereIs(p, &p.Servers[e.Server], running); master != "" {
					address = strings.TrimPrefix(address+", master "+master, ", ")
				}
			}
			fmt.Fprintf(t, "%s\t%s\t%s\t%s%s\n", printable(key), printable(name), address, reason(e, key), readsColumn(p, e.Server, running))
		}
		if err := t.Flush(); err != nil {
			return err
		}
	}
	return nil
}

func tagNote(p *config.Pool) string {
	if p.HashTag == "" {
		return ""
	}
	return fmt.Sprintf(", hash tag %s", p.HashTag)
}

// reason returns the last three columns: the hash, what was hashed, and what the hash has led to.
func reason(e shard.Explanation, key string) string {
	part := "all of it"
	if string(e.Part) != key {
		part = printable(string(e.Part))
	}
	switch {
	case e.Shortcut:
		return "-\t-\tthe only server"
	case e.Server < 0:
		return "-\t-\tat random"
	case e.Slots > 0:
		return fmt.Sprintf("%d\t%s\tslot %d of %d", e.Hash, part, e.Slot, e.Slots)
	}
	return fmt.Sprintf("%d\t%s\tring point %d (%d of %d)", e.Hash, part, e.Point, e.Ordinal+1, e.Points)
}

// printable returns a text as it is, unless a terminal or a table would stumble over it.
func printable(text string) string {
	if quoted := strconv.Quote(text); quoted[1:len(quoted)-1] != text || text == "" {
		return quoted
	}
	return text
}

// routeJSON is a line of pinion route --json. Fields that took no part in the answer are left out.
type routeJSON struct {
	Pool    string    `json:"pool"`
	Key     jsonBytes `json:"key"`
	Server  string    `json:"server,omitempty"`  // without one, any
	Address string    `json:"address,omitempty"` // without one, only a running Pinion knows
	Master  string    `json:"master,omitempty"`  // of a server that fails over: as sentinels call it

	ReadFrom string                `json:"read_from,omitempty"` // left out: from the master
	Replicas []admin.ReplicaStatus `json:"replicas,omitempty"`  // that reads may go to

	Distribution string    `json:"distribution"`
	HashFunction string    `json:"hash_function"`
	Hashed       jsonBytes `json:"hashed,omitempty"` // the key, or its part within the hash tag
	Hash         *uint32   `json:"hash,omitempty"`
	Slot         *uint32   `json:"slot,omitempty"`
	Slots        uint32    `json:"slots,omitempty"`
	Point        *uint32   `json:"point,omitempty"`
	Ordinal      *int      `json:"ordinal,omitempty"` // of the point, from 0
	Points       int       `json:"points,omitempty"`
}

// jsonBytes is a string in JSON if it is UTF-8, else {"base64": "…"}.
type jsonBytes []byte

func (b jsonBytes) MarshalJSON() ([]byte, error) {
	if utf8.Valid(b) {
		return json.Marshal(string(b))
	}
	return json.Marshal(struct {
		Base64 []byte `json:"base64"`
	}{b})
}

func showRoutesJSON(w io.Writer, pools []config.Pool, running *admin.Status, keys []string) error {
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	for i := range pools {
		if pools[i].IsCluster() {
			for _, key := range keys {
				if err := out.Encode(newSlotJSON(&pools[i], running, key)); err != nil {
					return err
				}
			}
			continue
		}
		m := pools[i].Map()
		for _, key := range keys {
			if err := out.Encode(newRouteJSON(&pools[i], running, key, m.Explain([]byte(key)))); err != nil {
				return err
			}
		}
	}
	return nil
}

func newRouteJSON(p *config.Pool, running *admin.Status, key string, e shard.Explanation) routeJSON {
	r := routeJSON{Pool: p.Name, Key: jsonBytes(key), Distribution: p.Distribution, HashFunction: p.Hash}
	if e.Server < 0 {
		return r
	}
	r.Server = p.Servers[e.Server].Name
	r.Address, r.Master = whereIs(p, &p.Servers[e.Server], running)
	if p.ReadsReplicas() {
		r.ReadFrom, r.Replicas = string(p.ReadFrom), replicasOf(p, &p.Servers[e.Server], running)
	}
	if e.Shortcut {
		return r
	}
	r.Hashed, r.Hash = e.Part, &e.Hash
	if e.Slots > 0 {
		r.Slot, r.Slots = &e.Slot, e.Slots
	} else {
		r.Point, r.Ordinal, r.Points = &e.Point, &e.Ordinal, e.Points
	}
	return r
}
