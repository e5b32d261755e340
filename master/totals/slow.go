// The slow log: what the workers of all generations have noted, as one.

package totals

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
)

// mostKeptSlow is how many slow requests are kept of generations that are gone.
const mostKeptSlow = 256

// SlowRequest is a request whose client has waited long. Tools read it as JSON; a field keeps its name and unit.
type SlowRequest struct {
	At         time.Time `json:"at"` // when it was received
	Pool       string    `json:"pool"`
	Worker     int       `json:"worker"`               // its slot
	Generation uint64    `json:"generation,omitempty"` // left out: one that is gone
	Command    string    `json:"command"`
	Args       []string  `json:"args"`              // the first bytes of the first ones, as Go writes strings: "\x00" stands for a byte
	Count      uint64    `json:"count,omitempty"`   // of arguments, with the command; left out: not known
	Server     string    `json:"server,omitempty"`  // left out: the reply was merely not taken
	Address    string    `json:"address,omitempty"` // of the server
	Client     uint64    `json:"client"`
	Peer       string    `json:"client_address"`
	Name       string    `json:"client_name,omitempty"`

	TookUS   uint64 `json:"took_us"`
	WaitUS   uint64 `json:"wait_us"`   // of them, until it was sent to the server
	ServerUS uint64 `json:"server_us"` // until the reply came
	BehindUS uint64 `json:"behind_us"` // behind replies to earlier requests of the client
	BackUS   uint64 `json:"back_us"`   // until the client had taken the reply
	HeldUp   uint64 `json:"held_up"`   // later requests of the client that waited for this one
}

// noted is what the worker of a slot has noted.
type noted struct {
	slot int
	link.SlowEntry
}

// slow returns the latest that the workers of a generation have noted, at most so many.
func (c *Counters) slow(most int) (all []SlowRequest) {
	var entries []noted
	for slot := range c.Slots() {
		for _, e := range c.SlowLog(slot) {
			if e.Pool < uint64(len(c.Pools)) {
				entries = append(entries, noted{slot, e})
			}
		}
	}
	if len(entries) > most {
		slices.SortFunc(entries, func(a, b noted) int { return cmp.Compare(b.At, a.At) })
		entries = entries[:most]
	}
	for i := range entries {
		e := &entries[i]
		all = append(all, newSlowRequest(&e.SlowEntry, c.Pools[e.Pool].Name, e.slot))
	}
	return all
}

func newSlowRequest(e *link.SlowEntry, pool string, slot int) SlowRequest {
	s := SlowRequest{
		At: time.UnixMicro(int64(e.At)), Pool: pool, Worker: slot, Command: e.Command, Args: []string{}, Count: e.Count,
		Server: e.ServerName, Address: e.Address, Client: e.Client, Peer: e.Peer, Name: e.ClientName,
		TookUS: e.Took(), WaitUS: e.Wait, ServerUS: e.Server, BehindUS: e.Behind, BackUS: e.Back, HeldUp: e.HeldUp,
	}
	for args := e.Args; ; {
		arg, cut, rest, ok := link.SlowArg(args)
		if !ok {
			return s
		}
		text := Escape(arg)
		if cut {
			text += "…"
		}
		s.Args, args = append(s.Args, text), rest
	}
}

// Slow returns the slow requests of a pool, the latest first; without a name, those of all pools.
func (w *Whole) Slow(pool string) []SlowRequest {
	all, now := slices.Concat(w.serving.slow(math.MaxInt), w.slow), time.Now()
	for i := range w.others {
		all = append(all, w.others[i].slow(math.MaxInt)...)
	}
	all = slices.DeleteFunc(all, func(s SlowRequest) bool {
		since := w.slowSince[s.Pool]
		if since.After(now.Round(0)) { // the clock was set back since
			since = time.Time{}
		}
		return pool != "" && s.Pool != pool || s.At.Before(since)
	})
	slices.SortFunc(all, latestFirst)
	return all
}

func latestFirst(a, b SlowRequest) int {
	return cmp.Or(b.At.Compare(a.At), cmp.Compare(b.Client, a.Client), strings.Compare(a.Command, b.Command))
}

// ResetSlow forgets the slow requests of pools.
func (t *Totals) ResetSlow(pools []string, now time.Time) {
	since := maps.Clone(t.slowSince)
	if since == nil {
		since = map[string]time.Time{}
	}
	for _, pool := range pools {
		since[pool] = now
	}
	t.slowSince = since
}

// keepSlow keeps the latest slow requests of a generation that ends.
func (t *Totals) keepSlow(c *Counters) {
	all := slices.Concat(t.slow, c.slow(mostKeptSlow))
	slices.SortFunc(all, latestFirst)
	t.slow = slices.Clone(all[:min(len(all), mostKeptSlow)])
}
