// pinion clients: who is connected, and closing them.

package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/pinion-proxy/pinion/worker/link"
)

func clientsCommand() *cli.Command {
	return adminCommand(cli.Command{
		Name:      "clients",
		Usage:     "list the clients of the running proxy, or close some",
		UsageText: "pinion clients [--pool NAME] [--id ID]… [--address ADDRESS] [--sort FIELD] [--kill] [--json] [--control FILE] …",
		Description: `Clients of all workers, those of earlier generations included. QUEUE is how many requests a client has no reply to, and BYTES
all that is held for it. Of several options all have to be true of a client. With --kill these are closed as they are,
whatever they are owed; one option at least has to say which. A client that moves to another worker at that moment may be missing: ask again.
The exit status is 1 if a worker did not answer.

  pinion clients --sort bytes
  pinion clients --pool alpha --idle 1h --json
  pinion clients --pool alpha --plaintext	who does not speak TLS yet
  pinion clients --kill --address 192.0.2.7	all connections of a host
  pinion clients --kill --id 4294967299`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "pool", Usage: "only those of the pool `NAME`"},
			&cli.StringSliceFlag{Name: "id", Usage: "only the one with that `ID`, as the list, CLIENT ID and the log have it; may be repeated"},
			&cli.StringFlag{Name: "address", Usage: "only those that come from `ADDRESS`: host:port, or a host"},
			&cli.StringFlag{Name: "name", Usage: "only those that have set that `NAME` by CLIENT SETNAME"},
			&cli.StringFlag{Name: "command", Usage: "only those whose last command was `NAME`, such as get or client|list"},
			&cli.StringFlag{Name: "state", Usage: "only those in a `STATE`: " + strings.Join(link.ClientStates, ", ")},
			&cli.StringFlag{Name: "idle", Usage: "only those that have sent nothing for a `DURATION` such as 10m"},
			&cli.StringFlag{Name: "age", Usage: "only those that have been connected for a `DURATION` such as 24h"},
			&cli.BoolFlag{Name: "plaintext", Usage: "only those that speak no TLS; not with --kill"},
			&cli.BoolFlag{Name: "tls", Usage: "only those that speak TLS; not with --kill"},
			&cli.StringFlag{Name: "sort", Value: "id", Usage: "by a `FIELD`: id, address, user, name, pool, worker, age, idle, state, queue, bytes, command; of what is counted the most first"},
			&cli.BoolFlag{Name: "kill", Usage: "close them"},
			&cli.BoolFlag{Name: "json", Usage: "print a JSON object for each, in a line of its own, as they come"},
		},
	}, func(c *cli.Context, m *adminSocket) error {
		parameters, err := clientParameters(c)
		if err != nil {
			return err
		}
		order := clientOrders[c.String("sort")]
		if order == nil {
			return unknownValue("sort", "field", c.String("sort"), slices.Sorted(maps.Keys(clientOrders)))
		}
		method, path := http.MethodGet, "/clients"
		if c.Bool("kill") {
			method, path = http.MethodPost, "/clients/kill"
		}
		all := clientList{json: c.Bool("json"), out: c.App.Writer, plaintext: c.Bool("plaintext"), tls: c.Bool("tls")}
		unheard, err := m.lines(context.Background(), method, path, parameters, all.take)
		if err != nil {
			return err
		}
		if err := all.show(order, c.Bool("kill")); err != nil || len(unheard) == 0 {
			return err
		}
		return errors.New("not all clients are known: " + strings.Join(unheard, "; "))
	})
}

// clientParameters says which clients the options mean.
func clientParameters(c *cli.Context) (url.Values, error) {
	v := given(c, "pool", "address", "name", "command", "state")
	if err := checkCommandOption(c); err != nil {
		return nil, err
	}
	if state := c.String("state"); c.IsSet("state") && !slices.Contains(link.ClientStates, state) {
		return nil, unknownValue("state", "state", state, link.ClientStates)
	}
	if c.Bool("plaintext") && c.Bool("tls") {
		return nil, usageError("--plaintext and --tls exclude each other")
	}
	if c.Bool("kill") && (c.Bool("plaintext") || c.Bool("tls")) { // a worker of an earlier build would not look at that, and close all
		return nil, usageError("--plaintext and --tls are for lists only; close those that they show by --id")
	}
	for _, id := range c.StringSlice("id") {
		if _, err := strconv.ParseUint(id, 10, 64); err != nil {
			return nil, usageError("option --id requires a number")
		}
		v.Add("id", id)
	}
	for _, name := range []string{"idle", "age"} {
		if !c.IsSet(name) {
			continue
		}
		d, err := time.ParseDuration(c.String(name))
		if err != nil || d < 0 {
			return nil, usageError("option --" + name + " requires a duration such as 30s or 2h")
		}
		v.Set("min_"+name, fmt.Sprint(int64(d/time.Second)))
	}
	if c.Bool("kill") && len(v) == 0 {
		return nil, usageError("option --kill requires another one that says which clients")
	}
	return v, nil
}

// clientOrders sort a list by a field.
var clientOrders = map[string]func(a, b *link.ClientState) int{
	"id":      func(a, b *link.ClientState) int { return cmp.Compare(a.ID, b.ID) },
	"address": func(a, b *link.ClientState) int { return strings.Compare(a.Address, b.Address) },
	"user":    func(a, b *link.ClientState) int { return strings.Compare(a.User, b.User) },
	"name":    func(a, b *link.ClientState) int { return strings.Compare(a.Name, b.Name) },
	"pool":    func(a, b *link.ClientState) int { return strings.Compare(a.Pool, b.Pool) },
	"worker":  func(a, b *link.ClientState) int { return cmp.Compare(a.Worker, b.Worker) },
	"age":     func(a, b *link.ClientState) int { return cmp.Compare(b.AgeSeconds, a.AgeSeconds) },
	"idle":    func(a, b *link.ClientState) int { return cmp.Compare(b.IdleSeconds, a.IdleSeconds) },
	"state":   func(a, b *link.ClientState) int { return strings.Compare(a.State, b.State) },
	"queue":   func(a, b *link.ClientState) int { return cmp.Compare(b.Queue, a.Queue) },
	"bytes":   func(a, b *link.ClientState) int { return cmp.Compare(b.MemoryBytes, a.MemoryBytes) },
	"command": func(a, b *link.ClientState) int { return strings.Compare(a.Command, b.Command) },
}

// clientList is what has come of a list.
type clientList struct {
	json    bool // lines are printed as they come
	out     io.Writer
	clients []link.ClientState

	plaintext, tls bool // only those are meant
}

// take takes a line of the answer.
func (l *clientList) take(line []byte) error {
	var c link.ClientState
	if err := json.Unmarshal(line, &c); err != nil {
		return err
	}
	if isPlain := c.TLS == link.TLSNone; l.plaintext && !isPlain || l.tls && (isPlain || c.TLS == "") {
		return nil
	}
	if l.json {
		_, err := l.out.Write(append(bytes.Clone(line), '\n'))
		return err
	}
	l.clients = append(l.clients, c)
	return nil
}

// show prints the table, sorted, of clients that were listed or closed.
func (l *clientList) show(order func(a, b *link.ClientState) int, closed bool) error {
	if l.json {
		return nil
	}
	slices.SortFunc(l.clients, func(a, b link.ClientState) int { return cmp.Or(order(&a, &b), cmp.Compare(a.ID, b.ID)) })
	l.clients = slices.CompactFunc(l.clients, func(a, b link.ClientState) bool { return a.ID == b.ID }) // it has moved meanwhile
	w := tabwriter.NewWriter(l.out, 0, 0, 2, ' ', 0)
	if len(l.clients) > 0 {
		fmt.Fprintln(w, "ID\tADDRESS\tUSER\tNAME\tPOOL\tWORKER\tAGE\tIDLE\tSTATE\tQUEUE\tBYTES\tCOMMAND\tSUBSCRIPTIONS\tTLS")
	}
	for i := range l.clients {
		c := &l.clients[i]
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%d@%d\t%s\t%s\t%s\t%d\t%d\t%s\t%d\t%s\n", c.ID, cmp.Or(visible(c.Address), "-"), cmp.Or(visible(c.User), "-"), cmp.Or(visible(c.Name), "-"),
			visible(c.Pool), c.Worker, c.Generation, age(c.AgeSeconds), age(c.IdleSeconds), visible(c.State), c.Queue, c.MemoryBytes,
			cmp.Or(visible(c.Command), "-"), c.Subscriptions, cmp.Or(visible(c.TLS), "?"))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	done := ""
	if closed {
		done = " closed"
	}
	_, err := fmt.Fprintf(l.out, "%s%s\n", many(len(l.clients), "client"), done)
	return err
}

// visible is text that does nothing to a terminal.
func visible(text string) string { return strings.Map(shown, text) }

// shown is a character, or what stands for one that would do something.
func shown(r rune) rune {
	if strconv.IsPrint(r) {
		return r
	}
	return '?'
}

// terminal writes lines of which only their ends do something to a terminal, whatever names pools and servers have.
type terminal struct{ out io.Writer }

func (t terminal) Write(lines []byte) (int, error) {
	text := bytes.Map(func(r rune) rune {
		if r == '\n' {
			return r
		}
		return shown(r)
	}, lines)
	_, err := t.out.Write(text)
	return len(lines), err
}
