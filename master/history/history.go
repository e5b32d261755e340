// The history: tracks by name, and the last handoffs.

package history

import (
	"slices"
	"time"
)

const (
	MaxPools    = 256
	MaxServers  = 4096 // of all pools together
	MaxHandoffs = 32
)

// History is what the service did lately.
type History struct {
	Total    *Track
	Pools    map[string]*Track
	Servers  map[Place]*Rate
	Handoffs []Handoff // the latest last
	Until    time.Time // the end of the last interval
}

// Place is a server of a pool.
type Place struct{ Pool, Server string }

// Handoff is how a reload or an upgrade went.
type Handoff struct {
	At         time.Time `json:"at"`
	Kind       string    `json:"kind"`
	Generation uint64    `json:"generation"`
	Build      string    `json:"build"`
	Outcome    string    `json:"outcome"`
	Reason     string    `json:"reason,omitempty"`
	Moved      int       `json:"moved"`
	Stragglers int       `json:"stragglers"`
	Closed     int       `json:"closed"`
	Lost       int       `json:"lost"`
	TookUS     int64     `json:"took_us"`
	PauseUS    int64     `json:"pause_us"` // the longest of one client
}

// New returns one that knows nothing.
func New() *History {
	return &History{Total: newTrack(), Pools: map[string]*Track{}, Servers: map[Place]*Rate{}}
}

// Interval is what happened between two moments.
type Interval struct {
	From, To time.Time
	Total    Counted
	Pools    []Pool
}

// Pool is what happened in one.
type Pool struct {
	Name string
	Counted
	Servers []Server
}

// Server is what happened in one.
type Server struct {
	Name     string
	Requests uint64
}

// mostBetween is how long nobody may have recorded, as while a master follows another, without a gap: these steps get the values of
// what follows.
const mostBetween = 10 * time.Second

// setBack is by how many seconds the clock must have been set back, or have been wrong when the history was written, for it to begin anew: what is
// drawn is by the time of day.
const setBack = 5

// Record takes what happened. Intervals follow each other; one that ends before it begins, as when the clock is set, says nothing.
func (h *History) Record(i *Interval) {
	if !i.To.After(i.From) || i.From.Unix() <= 0 {
		return
	}
	if i.To.Unix() < h.Until.Unix()-setBack {
		handoffs := h.Handoffs
		*h = *New()
		h.Handoffs = handoffs
	}
	h.forget(i.To)
	shown := i.From
	if pause := i.From.Sub(h.Until); 0 < pause && pause <= mostBetween {
		shown = h.Until
	}
	h.Until = i.To
	h.Total.record(i, shown, &i.Total)
	for k := range i.Pools {
		p := &i.Pools[k]
		track := h.Pools[p.Name]
		if track == nil && len(h.Pools) < MaxPools {
			track = newTrack()
			h.Pools[p.Name] = track
		}
		if track != nil {
			track.record(i, shown, &p.Counted)
		}
		for _, s := range p.Servers {
			h.recordServer(i, shown, Place{p.Name, s.Name}, s.Requests)
		}
	}
}

func (h *History) recordServer(i *Interval, shown time.Time, at Place, requests uint64) {
	r := h.Servers[at]
	if r == nil && len(h.Servers) < MaxServers {
		r = newRate()
		h.Servers[at] = r
	}
	if r != nil {
		r.record(i, shown, requests)
	}
}

// forget drops what was not seen for longer than anything is kept, and at once if there is no room.
func (h *History) forget(now time.Time) {
	gone := func(seen int64, full bool) bool {
		age := now.Unix() - seen
		return age > int64(LongSteps*LongStep/time.Second) || full && age > int64(ShortStep/time.Second)*4
	}
	fullOfPools, fullOfServers := len(h.Pools) >= MaxPools, len(h.Servers) >= MaxServers
	for name, track := range h.Pools {
		if gone(track.Seen, fullOfPools) {
			delete(h.Pools, name)
		}
	}
	for at, r := range h.Servers {
		if gone(r.Seen, fullOfServers) {
			delete(h.Servers, at)
		}
	}
}

// Note takes the last handoff; one that is known is replaced.
func (h *History) Note(last Handoff) {
	at := slices.IndexFunc(h.Handoffs, func(known Handoff) bool { return known.At.Equal(last.At) && known.Kind == last.Kind })
	if at >= 0 {
		h.Handoffs[at] = last
		return
	}
	h.Handoffs = append(h.Handoffs, last)
	slices.SortStableFunc(h.Handoffs, func(a, b Handoff) int { return a.At.Compare(b.At) })
	h.Handoffs = h.Handoffs[max(0, len(h.Handoffs)-MaxHandoffs):]
}
