// All at once, and not for long.

package reach

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/worker/link"
)

const (
	// patience is how long somebody has to accept a connection, and then to answer all questions.
	patience = 2 * time.Second
	// atOnce bounds how many are asked at the same time: each takes a descriptor.
	atOnce = 200
	// longest bounds the whole, however many are silent.
	longest = 15 * time.Second
)

// Answer is what a look has found.
type Answer struct {
	Asked    int             // addresses
	Silent   int             // of them, those that cannot serve the pool
	Problems config.Problems // in the order of the file; those that are no warnings are why somebody cannot serve

	// Unreachable are those of the silent ones that have keys, and those that have no room for a connection of each worker.
	Unreachable []link.Unreachable
}

// Failures returns how many of the problems are no warnings.
func (a *Answer) Failures() (n int) {
	for _, p := range a.Problems {
		if !p.Warning {
			n++
		}
	}
	return n
}

// Look asks all that the configuration names, for so many workers.
func Look(ctx context.Context, c *config.Config, workers int) Answer {
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	return newLook(c, workers, patience).all(ctx, c)
}

func newLook(c *config.Config, workers int, patience time.Duration) *look {
	return &look{needs: needsOf(c, workers), workers: workers, patience: patience, seen: map[seen]bool{}}
}

// all goes from whom the file names to whom they name.
func (l *look) all(ctx context.Context, c *config.Config) Answer {
	for next := targetsOf(c); len(next) > 0; {
		next = l.round(ctx, next)
	}
	slices.SortStableFunc(l.answer.Problems, func(a, b config.Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return l.answer
}

// seen is whom nobody asks a second time.
type seen struct {
	pool    *config.Pool
	role    role
	address string
}

type look struct {
	needs   map[string]needs
	workers int

	patience time.Duration
	seen     map[seen]bool
	answer   Answer
}

// round asks some, and returns whom they have named.
func (l *look) round(ctx context.Context, all []target) (next []target) {
	all = slices.DeleteFunc(all, func(t target) bool {
		key := seen{t.pool, t.role, t.address}
		again := l.seen[key]
		l.seen[key] = true
		return again
	})
	visits := make([]visit, len(all))
	room := make(chan struct{}, atOnce)
	var group sync.WaitGroup
	for i := range all {
		visits[i] = visit{target: all[i], needs: l.needsOf(&all[i]), workers: l.workers, patience: l.patience}
		room <- struct{}{}
		group.Go(func() {
			visits[i].run(ctx)
			<-room
		})
	}
	group.Wait()
	for _, v := range visits {
		l.answer.Asked++
		if v.fails {
			l.answer.Silent++
		}
		if v.reason != "" {
			l.answer.Unreachable = append(l.answer.Unreachable, v.unreachable()...)
		}
		l.answer.Problems = append(l.answer.Problems, v.problems...)
		next = append(next, v.named...)
	}
	return next
}

// needsOf returns what a target will be asked for; one that the file does not name is like those that it names.
func (l *look) needsOf(t *target) needs {
	if n, named := l.needs[t.address]; named || t.role == asSentinel {
		return n
	}
	return needsOfPool(t.pool, l.workers)
}

// visit is one target being asked. It belongs to one goroutine.
type visit struct {
	target
	needs    needs
	workers  int
	patience time.Duration

	*conversation
	problems config.Problems
	fails    bool
	named    []target
	reason   string // of fails, or why some workers cannot connect now
}

// unreachable describes a server as a worker does that cannot reach it.
func (v *visit) unreachable() []link.Unreachable {
	switch v.role {
	case asServer:
		return []link.Unreachable{{Pool: v.pool.Name, Server: v.pool.Configured()[v.server].Name, Error: v.reason}}
	case asNode:
		return []link.Unreachable{{Pool: v.pool.Name, Server: v.address, Error: v.reason}}
	}
	return nil
}

// fail says why the target cannot serve. The first reason counts.
func (v *visit) fail(message, hint string) {
	if !v.fails {
		v.problems = append(v.problems, v.complain(v.name+" "+message, hint))
		v.fails, v.reason = true, message
	}
}

// warn says what is going to hurt.
func (v *visit) warn(message, hint string) {
	p := v.complain(v.name+" "+message, hint)
	p.Warning = true
	v.problems = append(v.problems, p)
}

func (v *visit) run(ctx context.Context) {
	if ctx.Err() != nil {
		v.fail("was not asked, as others took all the time", "ask again when they answer")
		return
	}
	conn := v.dial(ctx)
	if conn == nil {
		return
	}
	defer conn.Close()
	deadline := time.Now().Add(v.patience)
	if end, bounded := ctx.Deadline(); bounded && end.Before(deadline) {
		deadline = end
	}
	conn.SetDeadline(deadline)
	v.conversation = newConversation(conn)
	switch {
	case v.role == asSentinel:
		v.sentinel()
	case v.pool.Protocol == link.Memcache:
		v.memcached()
	default:
		v.redis()
	}
}
