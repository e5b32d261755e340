// An audience: subscribers to one channel, and the one who publishes to them.

package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"

	"github.com/pinion-proxy/pinion/worker/poll"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// AudienceSpec describes an audience.
type AudienceSpec struct {
	Address      string // "ip:port", or the path of a unix socket
	Subscribers  int
	MessageBytes int
	CPUs         []int // that it is restricted to; nil = no restriction
}

// Audience is a set of subscribers, each with a connection of its own, and a publisher. It belongs to one goroutine.
type Audience struct {
	spec    AudienceSpec
	poller  *poll.Poller
	ears    []ear // the last is the publisher's
	message []byte
	number  uint64 // of the messages published
	missing int    // ears that have not heard all that they must
	in      []byte
}

// ear is a connection that must hear something.
type ear struct {
	fd    int
	out   []byte // still to be sent
	want  []byte
	heard int // bytes of it; they were right
}

const channel = "audience"

// Gather connects an audience. An error closes it.
func Gather(ctx context.Context, s AudienceSpec) (*Audience, error) {
	if s.Subscribers < 1 || s.Subscribers >= maxConnections || s.MessageBytes < 20 {
		return nil, errors.New("an audience needs a subscriber, and messages of 20 bytes or more")
	}
	p, err := poll.New()
	if err != nil {
		return nil, err
	}
	a := &Audience{spec: s, poller: p, message: bytes.Repeat([]byte{'m'}, s.MessageBytes), in: make([]byte, receiveBytes)}
	for first := 0; first < s.Subscribers && err == nil; first += connectWave {
		err = a.subscribe(ctx, min(connectWave, s.Subscribers-first))
	}
	if err == nil {
		err = a.connect()
	}
	if err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

// subscribe adds n subscribers.
func (a *Audience) subscribe(ctx context.Context, n int) error {
	request := fmt.Appendf(nil, "*2\r\n$9\r\nSUBSCRIBE\r\n$%d\r\n%s\r\n", len(channel), channel)
	confirmation := fmt.Appendf(nil, "*3\r\n$9\r\nsubscribe\r\n$%d\r\n%s\r\n:1\r\n", len(channel), channel)
	for range n {
		if err := a.connect(); err != nil {
			return err
		}
		if err := a.ask(&a.ears[len(a.ears)-1], request, confirmation); err != nil {
			return err
		}
	}
	return a.hear(ctx)
}

// connect adds an ear. Its connection is under way when this returns.
func (a *Audience) connect() error {
	fd, _, err := connectTo(a.spec.Address)
	if err != nil {
		return fmt.Errorf("connecting: %w", err)
	}
	a.ears = append(a.ears, ear{fd: fd})
	return a.poller.Add(fd, poll.Token{Index: uint32(len(a.ears) - 1)})
}

// Publish publishes one message after the other for some time, each when everybody has heard the one before, and returns how many
// were delivered. What somebody hears that was not published, or not in this order, is an error.
func (a *Audience) Publish(ctx context.Context, limit time.Duration) (deliveries int, err error) {
	err = onCPUs(a.spec.CPUs, func() error {
		for begin := time.Now(); time.Since(begin) < limit; deliveries += a.spec.Subscribers {
			if err := a.publish(ctx); err != nil {
				return fmt.Errorf("message %d: %w", a.number, err)
			}
		}
		return nil
	})
	return deliveries, err
}

// publish publishes one message, and returns when it has come everywhere.
func (a *Audience) publish(ctx context.Context) error {
	a.number++
	copy(a.message, fmt.Sprintf("%020d", a.number))
	body := fmt.Appendf(nil, "$%d\r\n%s\r\n$%d\r\n%s\r\n", len(channel), channel, len(a.message), a.message)
	push := append([]byte("*3\r\n$7\r\nmessage\r\n"), body...)
	last := len(a.ears) - 1
	for i := range a.ears[:last] {
		a.expect(&a.ears[i], push)
	}
	request := append([]byte("*3\r\n$7\r\nPUBLISH\r\n"), body...)
	if err := a.ask(&a.ears[last], request, fmt.Appendf(nil, ":%d\r\n", a.spec.Subscribers)); err != nil {
		return err
	}
	return a.hear(ctx)
}

func (a *Audience) ask(e *ear, request, reply []byte) error {
	a.expect(e, reply)
	e.out = request
	return e.send()
}

func (a *Audience) expect(e *ear, want []byte) {
	e.want, e.heard = want, 0
	a.missing++
}

// hear waits until everybody has heard what they must.
func (a *Audience) hear(ctx context.Context) error {
	progress := time.Now()
	for a.missing > 0 {
		events, err := a.poller.Wait(glance)
		switch {
		case err != nil:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case len(events) > 0:
			progress = time.Now()
		case time.Since(progress) > usualPatience:
			return fmt.Errorf("%d connections: %w", a.missing, errPatience)
		}
		for _, ev := range events {
			if err := a.serve(&a.ears[ev.Token.Index], ev); err != nil {
				return err
			}
		}
	}
	return nil
}

func (a *Audience) serve(e *ear, ev poll.Event) (err error) {
	if ev.Writable {
		err = e.send()
	}
	if ev.Readable && err == nil {
		err = a.listen(e)
	}
	return err
}

// listen compares what has come with what must.
func (a *Audience) listen(e *ear) error {
	n, err := sock.Recv(e.fd, a.in)
	switch {
	case err == syscall.EAGAIN:
		return nil
	case err != nil:
		return fmt.Errorf("receiving: %w", err)
	case n == 0:
		return fmt.Errorf("receiving: %w", io.EOF)
	}
	if !bytes.HasPrefix(e.want[e.heard:], a.in[:n]) {
		return fmt.Errorf("want %s, got %s", excerpt(e.want[e.heard:]), excerpt(a.in[:n]))
	}
	if e.heard += n; e.heard == len(e.want) {
		a.missing--
	}
	return nil
}

// send writes what is to be sent, as far as the socket takes it, which must have connected.
func (e *ear) send() error {
	if len(e.out) == 0 {
		return nil
	}
	n, err := sock.Send(e.fd, e.out)
	if err != nil && err != syscall.EAGAIN {
		return fmt.Errorf("sending: %w", err)
	}
	e.out = e.out[n:]
	return nil
}

// Close ends all connections.
func (a *Audience) Close() error {
	for _, e := range a.ears {
		sock.Close(e.fd)
	}
	return a.poller.Close()
}
