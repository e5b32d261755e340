// Clients that move, or stay behind, count once: for those who admit others, and for those who ask.

package master

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/worker/link"
)

// crowd moves clients of one address through generations as workers do it, step by step.
type crowd struct {
	t       *testing.T
	f       *machine
	m       *master
	pools   map[*generation]int // which pool has the address
	clients int                 // of the address, those on their way included
	away    int                 // of them, those on their way
}

func newCrowd(t *testing.T) *crowd {
	f := newMachine()
	c := &crowd{t: t, f: f, m: newMaster(f.opts, f.world(), f), pools: map[*generation]int{}}
	c.m.generations.serving = c.generation(1, "main")
	c.m.updateInherited()
	return c
}

// generation makes one in which the pool of the address has a name.
func (c *crowd) generation(slots int, name string) *generation {
	c.t.Helper()
	return c.generationAt(slots, name, "127.0.0.1")
}

func (c *crowd) generationAt(slots int, name, host string) *generation {
	c.t.Helper()
	text := "memory_limit 0\npool other\nlisten 127.0.0.1:22122\nbackend b 127.0.0.1:6380\n" +
		"pool " + name + "\nlisten " + host + ":22121\nbackend a 127.0.0.1:6379\nbackend b 127.0.0.1:6381\n"
	cfg, err := config.Parse("pinion.conf", []byte(text))
	if err != nil {
		c.t.Fatal(err)
	}
	c.m.generations.numbered++
	g := newGeneration(c.m.generations.numbered, cfg, Options{}, make([]int, slots), 0)
	if err := g.share(c.f.world()); err != nil {
		c.t.Fatal(err)
	}
	for _, s := range g.slots {
		s.state = slotServing
	}
	for i := range cfg.Pools {
		if cfg.Pools[i].Listen.Address == host+":22121" {
			c.pools[g] = i
		}
	}
	return g
}

func (c *crowd) here(g *generation, slot int) *uint64 {
	return g.counters.Pool(slot, c.pools[g])[link.ClientConnections]
}

// accept and end are what a worker does with clients of its own.
func (c *crowd) accept(g *generation, slot int) { *c.here(g, slot)++; c.clients++ }
func (c *crowd) end(g *generation, slot int)    { *c.here(g, slot)--; c.clients-- }

// depart and welcome are the two sides of a move.
func (c *crowd) depart(g *generation, slot int) {
	*c.here(g, slot)--
	if word := g.counters.Moved(slot, c.pools[g]); word != nil {
		*word--
	}
	c.away++
}

func (c *crowd) welcome(g *generation, slot int) {
	if word := g.counters.Moved(slot, c.pools[g]); word != nil {
		*word++
	}
	*c.here(g, slot)++
	c.away--
}

// die is the end of a worker with all its clients.
func (c *crowd) die(g *generation, slot int) {
	c.clients -= int(*c.here(g, slot))
	g.counters.ZeroGauges(slot)
}

func (c *crowd) move(from *generation, to *generation, n int) {
	for range n {
		c.depart(from, 0)
		c.check("one is on its way")
		c.welcome(to, 0)
		c.check("one has moved")
	}
}

// check wants all who admit clients to see as many as there are.
func (c *crowd) check(when string) {
	c.t.Helper()
	for _, g := range []*generation{c.m.generations.serving, c.m.generations.coming} {
		if g == nil {
			continue
		}
		if n := g.counters.Clients(c.pools[g]); n != uint64(c.clients) {
			c.t.Fatalf("%s: generation %d sees %d clients, there are %d", when, g.number, n, c.clients)
		}
		if n := g.counters.Clients(1 - c.pools[g]); n != 0 {
			c.t.Fatalf("%s: the other pool has %d clients", when, n)
		}
	}
}

func (c *crowd) come(g *generation) {
	c.m.recountClients()
	c.m.generations.coming = g
	c.m.updateInherited()
}

// settle has the generation to come be the one that serves.
func (c *crowd) settle() {
	c.m.generations.retired = append(c.m.generations.retired, c.m.generations.serving)
	c.m.generations.serving, c.m.generations.coming = c.m.generations.coming, nil
	c.m.updateInherited()
}

// vacate ends the workers of a generation.
func (c *crowd) vacate(g *generation) {
	for _, s := range g.slots {
		c.die(g, s.index)
		s.state = slotVacant
	}
	c.m.forgetRetired()
}

func (c *crowd) advance(d time.Duration) {
	for until := c.f.clock.Add(d); ; {
		next := c.m.totals.Next
		if next.IsZero() || next.After(until) {
			c.f.clock = until
			return
		}
		c.f.clock = next
		c.m.tickTotals(next)
	}
}

func TestClientsOfStragglers(t *testing.T) {
	c := newCrowd(t)
	first := c.m.generations.serving
	for range 63 {
		c.accept(first, 0)
	}
	second := c.generation(3, "main")
	c.come(second)
	c.check("both serve")
	c.move(first, second, 60)
	c.accept(second, 1)
	c.m.recountClients()
	c.check("one has come")
	c.settle()
	c.move(first, second, 1) // a straggler that moves late
	c.end(first, 0)
	c.advance(200 * time.Millisecond)
	c.check("a straggler has ended")
	third := c.generation(2, "renamed")
	c.come(third)
	c.move(second, third, int(*c.here(second, 0)))
	c.move(third, second, 5) // and back
	c.settle()
	c.check("third")
	c.vacate(second)
	c.check("the second is gone")
	c.advance(time.Hour)
	c.check("later")
	if len(c.m.generations.retired) != 1 || c.m.totals.Next.IsZero() {
		t.Errorf("%d generations are retired", len(c.m.generations.retired))
	}
	c.move(first, third, 1)
	c.vacate(first)
	c.check("alone")
	if !c.m.totals.Next.IsZero() {
		t.Error("a generation that is alone is counted again and again")
	}
}

// Clients that end with a worker which was to take them are nobody's, and in the end do not count.
func TestClientsLostOnTheWay(t *testing.T) {
	c := newCrowd(t)
	first, second := c.m.generations.serving, c.generation(2, "main")
	for range 20 {
		c.accept(first, 0)
	}
	c.come(second)
	c.move(first, second, 10)
	for range 4 {
		c.depart(first, 0)
	}
	c.die(second, 0)
	c.m.recountClients()
	c.check("a worker has died")
	c.clients, c.away = c.clients-4, c.away-4
	c.advance(11 * time.Second)
	c.check("those on their way are given up")
	c.settle()
	c.vacate(first)
	c.check("alone")
}

// A generation of an older build counts no moves: the master can only say who is there.
func TestClientsOfAnOlderBuild(t *testing.T) {
	c := newCrowd(t)
	old, next := c.m.generations.serving, c.generation(1, "main")
	counts := link.ServerCounts(old.pools)
	clear(old.memory[8:64]) // all that the header says but the format
	shared, err := link.OpenShared(old.memory[:link.CounterBytes(counts, 1)], counts, 1)
	if err != nil {
		t.Fatal(err)
	}
	old.counters.Shared = shared
	for range 10 {
		c.accept(old, 0)
	}
	c.come(next)
	c.check("both serve")
	for range 6 {
		c.depart(old, 0)
		c.welcome(next, 0)
		c.m.recountClients()
		if n := next.counters.Clients(c.pools[next]); n != 10 {
			t.Fatalf("%d clients, want 10", n)
		}
	}
	c.settle()
	c.check("one has come after the other")
	c.end(old, 0)
	c.advance(200 * time.Millisecond)
	c.check("a straggler has ended")
	c.vacate(old)
	c.check("alone")
}

// Whatever happens, as soon as it is counted again everyone sees every client once, and moving alone changes nothing.
func TestClientsOfManyGenerations(t *testing.T) {
	for seed := range uint64(200) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			c, random := newCrowd(t), rand.New(rand.NewPCG(seed, 1))
			pick := func() (*generation, int) {
				all := c.m.generations.all()
				g := all[random.IntN(len(all))]
				return g, random.IntN(len(g.slots))
			}
			for range 400 {
				g, slot := pick()
				switch n := random.IntN(20); {
				case n < 5:
					c.accept(g, slot)
				case n < 7 && *c.here(g, slot) > 0:
					c.end(g, slot)
				case n < 13:
					c.m.recountClients()
					for range random.IntN(9) {
						if g, slot := pick(); *c.here(g, slot) > 0 && len(c.m.generations.all()) > 1 {
							c.depart(g, slot)
							c.check("on the way")
						} else if c.away > 0 {
							c.welcome(g, slot)
							c.check("there")
						}
					}
				case n < 14:
					c.die(g, slot)
				case n < 16 && c.m.generations.coming == nil:
					hosts := []string{"127.0.0.1", "127.0.0.1", "127.0.0.1", "0.0.0.0"}
					c.come(c.generationAt(1+random.IntN(3), fmt.Sprint("pool", random.IntN(3)), hosts[random.IntN(4)]))
				case n < 18 && c.m.generations.coming != nil && random.IntN(3) > 0:
					c.settle()
				case n < 18 && c.m.generations.coming != nil: // it fails
					c.m.generations.retired = append(c.m.generations.retired, c.m.generations.coming)
					c.m.generations.coming = nil
				case len(c.m.generations.retired) > 0:
					g := c.m.generations.retired[random.IntN(len(c.m.generations.retired))]
					if len(c.m.generations.all()) > 2 || c.away == 0 { // else nobody is there who gives or takes
						c.vacate(g)
					}
				}
				c.m.recountClients()
				c.check("counted")
			}
		})
	}
}

// The clients of a worker that died together with its master are not lost with the next one in its place.
func TestClientsLeftByAnother(t *testing.T) {
	c := newCrowd(t)
	g := c.generation(2, "main")
	for range 6 {
		c.accept(g, 1)
	}
	s := g.slots[1]
	s.state = slotVacant
	c.m.fill(s)
	c.accept(g, 1)
	if n := c.m.countLosses(s, "killed"); n != 1 {
		t.Errorf("%d clients are lost, want 1", n)
	}
}
