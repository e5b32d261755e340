package live

import (
	"fmt"
	"slices"
	"testing"
)

// crowd is a state of so many pools with so many servers each, all live, and none asked.
func crowd(pools, servers int) *State {
	s := &State{}
	for i := range pools {
		p := Pool{Name: fmt.Sprint("pool", i)}
		for k := range servers {
			p.Servers = append(p.Servers, Server{Name: fmt.Sprint("server", k), State: "live", Share: 1 / float64(servers)})
		}
		s.Pools = append(s.Pools, p)
	}
	return s
}

func TestFewAreToldWhole(t *testing.T) {
	for _, of := range [][2]int{{1, 1}, {1, 2500}, {6, 16}, {2, 50}} {
		if s := crowd(of[0], of[1]); s.Brief("") != s {
			t.Errorf("%d pools of %d servers are abridged", of[0], of[1])
		}
	}
	for _, of := range [][2]int{{7, 1}, {2, 51}} {
		if s := crowd(of[0], of[1]); s.Brief("") == s {
			t.Errorf("%d pools of %d servers are told whole", of[0], of[1])
		}
	}
}

// Of many, those are told that an operator looks for: not live, busiest, slowest; of the chosen pool all.
func TestBrief(t *testing.T) {
	s := crowd(3, 60)
	p := &s.Pools[1]
	p.Servers[7].State, p.Servers[9].Stale = "ejected", true
	p.Servers[20].Rate, p.Servers[30].Rate, p.Servers[21].Rate, p.Servers[22].Rate = 9, 8, 7, 6
	p.Servers[30].P99, p.Servers[40].P99, p.Servers[22].P99, p.Servers[20].P99, p.Servers[21].P99 = 5000, 9000, 100, 90, 80
	p.sum()
	if p.Total != 60 || p.Live != 58 || p.Usual != 100 || p.Servers[59].Index != 59 {
		t.Errorf("got %d servers, %d live, usually %d µs, last index %d", p.Total, p.Live, p.Usual, p.Servers[59].Index)
	}
	got := s.Brief("pool0")
	var shown []int
	for _, one := range got.Pools[1].Servers {
		shown = append(shown, one.Index)
	}
	if want := []int{7, 9, 20, 21, 22, 30, 40}; !slices.Equal(shown, want) || got.Pools[1].Total != 60 || len(got.Pools[1].Shares) != 60 || got.Pools[1].Shares[59] != 0.0167 {
		t.Errorf("shown are %v, want %v; shares %v", shown, want, got.Pools[1].Shares)
	}
	if len(got.Pools[0].Servers) != 60 || got.Pools[0].Shares != nil || got.Pools[2].Servers == nil || len(got.Pools[2].Servers) != 0 {
		t.Errorf("the chosen pool has %d servers, an idle one %v", len(got.Pools[0].Servers), got.Pools[2].Servers)
	}
	if len(s.Pools[1].Servers) != 60 || s.Pools[1].Shares != nil {
		t.Error("the state has changed")
	}
}

// However many are not live, only some are told.
func TestBriefOfManyDead(t *testing.T) {
	s := crowd(3, 60)
	for i := range s.Pools[0].Servers {
		s.Pools[0].Servers[i].State = "ejected"
	}
	if n := len(s.Brief("").Pools[0].Servers); n != someNotLive {
		t.Errorf("%d are told", n)
	}
}
