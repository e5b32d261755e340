// How many clients each address has in all generations. While clients move, or are left behind as stragglers, a worker
// cannot see them all: the master tells each generation what the others have accepted, see link.Shared.Clients. Moving
// changes nothing of that, so this may be a moment late; it is about clients that come to others, or end there.

package totals

import (
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

const (
	recountEvery  = 200 * time.Millisecond // while there are several generations
	recountMoving = 50 * time.Millisecond  // the same, while they hand over

	// missingAfter is how long clients may be on their way from one worker to another. Those that are there for longer
	// have ended with a worker that was to take them.
	missingAfter = 10 * time.Second
)

type awayCount struct {
	clients int64
	since   time.Time // so many
}

// entry is a pool of a generation as far as its clients matter.
type entry struct {
	here    int64
	balance int64 // taken less given
	known   bool  // false: an older build does not count clients that move
}

// entries returns the pools of a generation by their address.
func (t *Totals) entries(g *Counters) map[string]entry {
	all := map[string]entry{}
	for i, address := range g.Listens {
		address = t.place(address)
		e := all[address]
		here, balance, known := g.clientsOf(i)
		all[address] = entry{e.here + here, e.balance + balance, known}
	}
	return all
}

// place returns the address under which clients that connect to an address are counted.
func (t *Totals) place(address string) string {
	if port, _ := portOfAll(address); t.wide[port] {
		return "tcp :" + port
	}
	return address
}

// portOfAll returns the port of an address as listens has it, and whether that is the port on all addresses of the
// machine.
func portOfAll(address string) (port string, all bool) {
	network, host, _ := strings.Cut(address, " ")
	if network != "tcp" {
		return "", false
	}
	host, port, err := net.SplitHostPort(host)
	if err != nil {
		return "", false
	}
	ip, err := netip.ParseAddr(host)
	return port, host == "" || err == nil && ip.IsUnspecified()
}

// widen notes the ports that somebody serves on all addresses, and counts those who have served it on one along with it.
func (t *Totals) widen(generations []*Counters) {
	if len(generations) < 2 {
		t.wide = nil
		return
	}
	var addresses []string
	for _, g := range generations {
		addresses = append(addresses, g.Listens...)
	}
	for _, address := range slices.AppendSeq(addresses, maps.Keys(t.Balance)) {
		port, all := portOfAll(address)
		if !all || t.wide[port] {
			continue
		}
		if t.wide == nil {
			t.wide = map[string]bool{}
		}
		t.wide[port] = true
		balance := map[string]int64{}
		for address, n := range t.Balance {
			balance[t.place(address)] += n
		}
		t.Balance, t.away = balance, nil
	}
}

// clientsOf reads how many clients a pool has, and how many more it has taken than given, so that one that moves
// meanwhile is not in both.
func (c *Counters) clientsOf(pool int) (here, balance int64, known bool) {
	const tries = 16 // a worker that moves clients all the time makes the last one as good as any
	for range tries {
		before, _ := c.Balance(pool)
		here = int64(c.Here(pool))
		if balance, known = c.Balance(pool); balance == before {
			break
		}
	}
	return here, balance, known
}

// Recount tells the workers that accept clients how many the others have.
func (t *Totals) Recount(g Generations, now time.Time) {
	t.widen(g.All)
	entries := make([]map[string]entry, len(g.All))
	sure := len(g.All) > 1 // there are moves, and they are known
	balances := map[string]int64{}
	for i := range g.All {
		entries[i] = t.entries(g.All[i])
		for address, e := range entries[i] {
			sure = sure && e.known
			balances[address] += e.balance
		}
	}
	t.noteAway(balances, sure, now)
	for i, to := range g.All {
		if !slices.Contains(g.Accepting, to) {
			continue
		}
		for pool, address := range to.Listens {
			address = t.place(address)
			elsewhere := t.Balance[address]
			for k := range entries {
				if e := entries[k][address]; k != i {
					elsewhere += e.here - e.balance
				}
			}
			if word := to.Elsewhere(pool); word != nil {
				atomic.StoreUint64(word, uint64(elsewhere))
			}
		}
	}
	t.scheduleRecount(g, now)
}

// noteAway takes note of who is on the way: what all generations have given, less what they have taken. Nobody is where
// there is one generation, and nobody can be told who is where an older build does not count it.
func (t *Totals) noteAway(balances map[string]int64, sure bool, now time.Time) {
	if !sure {
		t.Balance, t.away = balances, nil
		return
	}
	if t.Balance == nil {
		t.Balance = map[string]int64{}
	}
	if t.away == nil {
		t.away = map[string]awayCount{}
	}
	for address, balance := range balances {
		on := t.Balance[address] - balance
		switch before := t.away[address]; {
		case on == 0:
			delete(t.away, address)
		case on != before.clients:
			t.away[address] = awayCount{on, now}
		case now.Sub(before.since) >= missingAfter:
			t.Balance[address] = balance
			delete(t.away, address)
		}
	}
}

// forgetClients keeps in mind how many clients a generation that ends has taken and given.
func (t *Totals) forgetClients(g *Counters) {
	if t.Balance == nil {
		t.Balance = map[string]int64{}
	}
	for address, e := range t.entries(g) {
		t.Balance[address] -= e.balance
	}
}

func (t *Totals) scheduleRecount(g Generations, now time.Time) {
	t.Next = time.Time{}
	switch {
	case len(g.All) < 2:
	case g.Moving:
		t.Next = now.Add(recountMoving)
	default:
		t.Next = now.Add(recountEvery)
	}
}
